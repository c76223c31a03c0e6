#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hooks are run as pbviewd(8) says: when, in which order, with what, and what becomes of bad ones.

The hooks here write down how they were called, on their own node.
"""

import collections
import signal
import sys

from cluster import CONFIG, run
from pbtest import SLOW, VOLUME, check, until

HOOKS = f"{CONFIG}/hooks.d"
LOG = "/root/hooks.log"
GO = "/root/hooks.go"
# A backup on a busy host is not to be left out for it: that is a role too.
PATIENT = f"timeout_ms = {20000 * SLOW};"
SIGPIPE = 1 << (signal.SIGPIPE - 1)
PF_LOCAL_THROTTLE = 0x00100000      # what PR_SET_IO_FLUSHER sets, in /proc/PID/stat
# Says how it was called; what belongs to one run is one write, so that two at a time are seen too.
RECORD = f"""#!/bin/sh
echo "begin ${{0##*/}} $#|$*|$PB_VOLUME $PB_ROLE $PB_VIEW $PB_DEVICE $PB_UUID" >>{LOG}
BODY
echo "end ${{0##*/}} $#|$*" >>{LOG}
"""
Call = collections.namedtuple("Call", "what hook args env")


def install(node, name, body=":", mode=0o755):
    """A hook that records its calls."""
    node.vm.push(f"{HOOKS}/{name}", RECORD.replace("BODY", body), mode)


def clean(cluster):
    """No hook is left, none runs."""
    for node in cluster.replicas:
        node.vm.run(f"rm -rf {HOOKS}; mkdir -p {HOOKS}")
        node.vm.wait_until(f"! grep -qz '^{HOOKS}/' /proc/[0-9]*/cmdline 2>/dev/null")
        node.vm.run(f"rm -rf {LOG} /root/hooks.*; touch {LOG}")


def calls(node, volume=VOLUME, what="begin"):
    """What was recorded, in order."""
    found = []
    for line in node.vm.run(f"cat {LOG}").out.splitlines():
        first, args, *env = line.split("|")
        word, hook, count = first.split()
        args = args.split()
        check(int(count) == len(args), f"{line}: the arguments have spaces in them")
        if volume in args[:1] and what in ("", word):
            found.append(Call(word, hook, args, env[0].split() if env else []))
    return found


def roles(node, volume=VOLUME, hook="10-record"):
    """Roles that a hook was told, in order."""
    return [call.args[1] for call in calls(node, volume) if call.hook == hook]


def wait_roles(node, *want, volume=VOLUME):
    """Wait until a hook was told these roles and no other."""
    def done():
        return len(calls(node, volume, "end")) >= len(want)
    until(f"{node.name}: hooks of {volume} were told {want}", done)
    check(roles(node, volume) == list(want), f"{node.name}: hooks were told {roles(node, volume)}, not {want}")


def switch(cluster, node, volume=VOLUME):
    """Make another node the primary."""
    node.pbctl("switch", volume, node.name)
    until(f"{node.name} is primary of {volume}",
          lambda: '"role":"primary"' in node.pbctl("status", volume, "--json").out.replace(" ", ""))
    cluster.wait_view("a healthy volume", lambda s: cluster.ask(f"/v1/volumes/{volume}")["health"] == "healthy", 60)


def test_called(cluster):
    """a switch: both nodes' hooks are run once, in order, one after the other, with what is documented"""
    a, b = cluster.nodes[:2]
    clean(cluster)
    for node in (a, b):
        # The first one takes its time: the second must not begin meanwhile.
        install(node, "10-record", "sleep 0.5")
        install(node, "20-second")
        install(node, "9-after-20")
    switch(cluster, b)
    for node, role in ((a, "backup"), (b, "primary")):
        until("all hooks have run", lambda n=node: len(calls(n, what="end")) >= 3)
        found = [(c.what, c.hook) for c in calls(node, what="")]
        want = [(w, h) for h in ("10-record", "20-second", "9-after-20") for w in ("begin", "end")]
        check(found == want, f"{node.name}: hooks ran as {found}")
        view = str(cluster.history()[-1]["number"])
        for call in calls(node):
            check(call.args == [VOLUME, role], f"{node.name}: arguments {call.args}")
            env = [VOLUME, role, call.env[2], f"/dev/mapper/{VOLUME}", cluster.volume]
            check(call.env == env, f"{node.name}: environment {call.env}, not {env}")
            check(0 < int(call.env[2]) <= int(view), f"{node.name}: view {call.env[2]} of {view}")


def test_process(cluster):
    """a hook has nothing of the daemon's: environment, descriptors, signals, OOM and flusher marks"""
    a, b = cluster.nodes[:2]
    clean(cluster)
    install(b, "10-record", "cat /proc/$$/environ >/root/hooks.env; "
            "cat /proc/$$/status >/root/hooks.status; cat /proc/$$/stat /proc/$$/oom_score_adj >/root/hooks.stat; "
            "exec >/root/hooks.fd; ls /proc/$$/fd")
    switch(cluster, b)
    wait_roles(b, "primary")
    env = dict(e.split("=", 1) for e in b.vm.pull("/root/hooks.env").decode().split("\0") if e)
    check(set(env) == {"PATH", "PB_VOLUME", "PB_UUID", "PB_DEVICE", "PB_ROLE", "PB_VIEW"}, f"environment {env}")
    fds = b.vm.pull("/root/hooks.fd").split()
    # dash has the script itself at 10.
    check(set(fds) <= {b"0", b"1", b"2", b"10"}, f"open descriptors {fds}")
    status = dict(line.split(":\t", 1) for line in b.vm.pull("/root/hooks.status").decode().splitlines())
    check(int(status["SigBlk"], 16) == 0, f"blocked signals {status['SigBlk']}")
    check(not int(status["SigIgn"], 16) & SIGPIPE, f"ignored signals {status['SigIgn']}")
    stat, oom = b.vm.pull("/root/hooks.stat").decode().splitlines()
    check(oom == "0", f"oom_score_adj {oom}")
    check(not int(stat.rsplit(")", 1)[1].split()[6]) & PF_LOCAL_THROTTLE, f"it is still a flusher: {stat}")


def test_names(cluster):
    """only executable files without a dot or a tilde at the end are run; a link to one is"""
    a, b = cluster.nodes[:2]
    clean(cluster)
    install(b, "10-record")
    for name in ("20-backup~", "30.conf", "40-record.dpkg-old", ".50-hidden"):
        install(b, name)
    install(b, "60-not-executable", mode=0o644)
    b.vm.run(f"mkdir {HOOKS}/70-directory; ln -s /nowhere {HOOKS}/75-dangling; mkdir -p /root/hooks.real; "
             f"cp {HOOKS}/10-record /root/hooks.real/it; ln -s /root/hooks.real/it {HOOKS}/80-link")
    switch(cluster, b)
    until("the last hook has run", lambda: any(c.hook == "80-link" for c in calls(b, what="end")))
    check([c.hook for c in calls(b)] == ["10-record", "80-link"], f"these were run: {calls(b)}")
    check(" failed: " not in b.daemon.output(), "one that is not to be run was tried")


def test_failures(cluster):
    """what hooks print and how they fail is in the daemon's log; the next one is run all the same"""
    a, b = cluster.nodes[:2]
    clean(cluster)
    install(b, "10-record", "echo this is on stdout; echo this is on stderr >&2")
    install(b, "20-status", "exit 3")
    install(b, "30-signal", "kill -9 $$")
    b.vm.push(f"{HOOKS}/40-no-program", "#!/nowhere\n", 0o755)
    install(b, "50-last")
    switch(cluster, b)
    until("the last hook has run", lambda: any(c.hook == "50-last" for c in calls(b, what="end")))
    said = b.daemon.output()
    for text in ("this is on stdout", "this is on stderr", f"{VOLUME}: hook {HOOKS}/20-status failed: status 3",
                 f"{VOLUME}: hook {HOOKS}/30-signal failed: signal 9", f"{VOLUME}: hook {HOOKS}/40-no-program failed: status 127"):
        check(text in said, f"not in the log: {text!r}")
    check("10-record failed" not in said and "50-last failed" not in said, "a good hook was said to have failed")


def test_hanging(cluster):
    """a hook that does not end holds up nothing but the hooks of its volume: roles change, and the last is told"""
    a, b = cluster.nodes[:2]
    clean(cluster)
    install(b, "10-record", f"while [ ! -e {GO} ]; do sleep 0.1; done")
    switch(cluster, b)
    until("the hook has begun", lambda: calls(b))
    for node in (a, b, a):
        switch(cluster, node)
    found = [call.what for call in calls(b, what="")]
    check(found == ["begin"], f"hooks ran beside one that hangs: {found}")
    b.vm.run(f"touch {GO}")
    wait_roles(b, "primary", "backup")

    clean(cluster)
    install(b, "10-record", f"while [ ! -e {GO} ]; do sleep 0.1; done")
    for node in (b, a, b):
        switch(cluster, node)
    b.vm.run(f"touch {GO}")
    # What it began it is told to stop, before it begins anew.
    wait_roles(b, "primary", "idle", "primary")
    switch(cluster, a)


def test_restart(cluster):
    """the hooks of a daemon that was killed and started again are told the role as it is"""
    a, b = cluster.nodes[:2]
    clean(cluster)
    for node in (b, a):
        install(node, "10-record")
        node.kill_daemon()
        node.start_daemon()
    wait_roles(a, "primary")
    wait_roles(b, "backup")
    check(cluster.members() == (a, b), f"the view is {cluster.view()}")


if __name__ == "__main__":
    sys.exit(run([test_called, test_process, test_names, test_failures, test_hanging, test_restart], volume=PATIENT))
