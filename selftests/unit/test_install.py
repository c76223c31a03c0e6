#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What 'make install' installs, and whether it is of use: units, udev's rules, completion.

PBCTL names a pbctl that is built, and the other programs and objects are beside it. Nothing of this is put into the
host: units and completion are read where they were installed, and udev's rules in a mount namespace of their own.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from test_docs import TOP, read

PBCTL = os.environ.get("PBCTL", os.path.join(TOP, "build", "user", "pbctl"))
UUID = "6f1c3b8e-7d0a-4c1f-9f43-2b8a5e1d7c90"
UNITS = ("pbviewd-server.service", "pbviewd.service", "pb@.service", "pb.target")
results = []

# udev takes its rules and notes from /run. Its test program really makes links.
TRY_UDEV = """
mount -t tmpfs none /run && mkdir -p /run/udev/rules.d && mount -t tmpfs none /dev || exit 1
cp "$1" /run/udev/rules.d/
shift
for given; do
	printf 'KERNEL=="%s", ENV{DM_NAME}="db", ENV{DM_UDEV_RULES_VSN}="2"%s\\n' "$DISK" "$given" >/run/udev/rules.d/59-given.rules
	udevadm test -a change "/sys/block/$DISK" 2>/dev/null || exit 1
	echo NEXT
done
"""

# Is offered for the last word, one a line.
OFFER = """
. "$0"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_pbctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def point(text, missing):
    """A result: good if nothing is missing."""
    results.append(not missing)
    print(f"{'ok' if not missing else 'not ok'} {len(results)} - {text}")
    for what in sorted(missing)[:20]:
        print(f"# {what}")


def skip(text, why):
    """A result that this host cannot give."""
    results.append(True)
    print(f"ok {len(results)} - {text} # SKIP {why}")


def run(*command, **more):
    """What a program did and said."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)


def install(*variables):
    """Run it."""
    user = os.path.dirname(PBCTL)
    done = run("make", "-s", "-C", os.path.join(TOP, "userspace"), f"O={user}", *variables, "install")
    if done.returncode:
        print(done.stdout)
        sys.exit("Bail out! make install failed")


def pages():
    """Manual pages, where they belong."""
    return {f"share/man/man{path[-1]}/{os.path.basename(path)}"
            for path in glob.glob(os.path.join(TOP, "Documentation", "*.[1-9]"))}


def examples():
    """Those of the documentation."""
    top = os.path.join(TOP, "Documentation", "examples")
    return {os.path.join("share/doc/dm-pb/examples", os.path.relpath(os.path.join(path, name), top))
            for path, _, names in os.walk(top) for name in names}


def everything(tmp):
    """All files are there, below DESTDIR and PREFIX, and no others."""
    dest = os.path.join(tmp, "dest")
    install(f"DESTDIR={dest}", "PREFIX=/opt/pb")
    want = {f"./opt/pb/{path}" for path in
            {"sbin/pbctl", "sbin/pbviewd", "lib/udev/rules.d/60-pb.rules", "lib/ocf/resource.d/dm-pb/pb",
             "share/bash-completion/completions/pbctl"} | {f"lib/systemd/system/{unit}" for unit in UNITS} |
            pages() | examples()}
    found = set(run("find", ".", "-type", "f", cwd=dest).stdout.split())
    missing = {f"not installed: {path}" for path in want - found} | {f"installed too: {path}" for path in found - want}
    missing |= {f"no directory: {name}" for name in ("volumes", "hooks.d")
                if not os.path.isdir(os.path.join(dest, "etc", "dm-pb", name))}
    for unit in UNITS:
        with open(os.path.join(dest, "opt/pb/lib/systemd/system", unit), encoding="utf-8") as f:
            missing |= {f"{unit}: {line}" for line in f.read().split("\n")
                        if re.match(r"Exec\w+=.*/pb", line) and not re.match(r"Exec\w+=/opt/pb/sbin/pb", line)}
    point("make install: all files, below DESTDIR and PREFIX, and no others", missing)


def setting(unit, name):
    """All values of a setting of a unit, as words."""
    return " ".join(re.findall(rf"^{name}=(.*)$", read("userspace", "systemd", unit), re.M)).split()


def order():
    """What a restart and a shutdown must and must not do."""
    missing = set()
    for name in ("Requires", "Requisite", "BindsTo"):
        if "pbviewd.service" in setting("pb@.service", name):
            missing.add(f"{name}=pbviewd.service: a restart of the daemon takes volumes down")
    for name, units in (("After", {"pbviewd.service", "blk-availability.service", "multipathd.service"}),
                        ("Before", {"pb.target", "remote-fs-pre.target"})):
        missing |= {f"pb@: no {name}={unit}" for unit in units - set(setting("pb@.service", name))}
    for unit in ("pbviewd.service", "pbviewd-server.service"):
        if "network-online.target" not in setting(unit, "After"):
            missing.add(f"{unit}: not after network-online.target")
    for text in setting("pb@.service", "ExecStart") + setting("pb@.service", "ExecStop"):
        if text == "%I":
            missing.add("%I makes pb@my-db.service the volume my/db")
    point("units: what comes after what, and what a restart leaves alone", missing)


def verify(tmp):
    """systemd has nothing to say about the units."""
    text = "systemd-analyze verify: nothing to say"
    if not shutil.which("systemd-analyze"):
        return skip(text, "no systemd-analyze here")
    prefix = os.path.join(tmp, "prefix")
    install(f"PREFIX={prefix}", f"SYSCONFDIR={tmp}/etc")
    units = os.path.join(prefix, "lib/systemd/system")
    # The host may have LVM and multipath or not: what is ordered after may be missing.
    done = run("systemd-analyze", "verify", "--man=no", *[unit.replace("@", "@db") for unit in UNITS],
               env={**os.environ, "SYSTEMD_UNIT_PATH": units + ":"})
    said = set(done.stdout.splitlines())
    if done.returncode and not said:
        said = {f"exit status {done.returncode}"}
    return point(text, said)


def udev_runs(*given):
    """What udev knows after each event of a disk, to which properties are given; None where that cannot be tried."""
    disks = sorted(os.path.basename(path) for path in glob.glob("/sys/block/*"))
    if os.geteuid() or not shutil.which("udevadm") or not shutil.which("unshare") or not disks or \
       run("unshare", "-m", "true").returncode:
        return None
    done = run("unshare", "-m", "sh", "-c", TRY_UDEV, "sh", os.path.join(TOP, "userspace/udev/60-pb.rules"), *given,
               env={**os.environ, "DISK": disks[0]})
    said = done.stdout.split("NEXT\n")[:-1]
    if len(said) != len(given):
        return [{"": done.stdout}] * len(given)
    return [dict(line.split("=", 1) for line in text.splitlines() if "=" in line) for text in said]


def udev():
    """The rules: names, and who is looked at."""
    text = "udev: names, and only what is primary is looked at"
    ours = ', ENV{DM_UUID}="PB-11111111-1111-1111-1111-111111111111"'

    def role(name):
        return f'{ours}, ENV{{SYNTH_ARG_PBROLE}}="{name}", ENV{{SYNTH_UUID}}="{UUID}"'
    runs = udev_runs(ours, f'{ours}, ENV{{DM_ACTIVATION}}="1"', role("primary"), ours, role("backup"), ours,
                     ', ENV{DM_UUID}="LVM-x", ENV{DM_ACTIVATION}="1"')
    if not runs:
        return skip(text, "needs root, udevadm and a mount namespace")
    by_name, by_id = "/dev/pb/by-name/db", f"/dev/disk/by-id/dm-pb-{UUID}"
    missing = set()
    for what, known, unseen, links in (
            ("there before the rules were", runs[0], False, {by_name}),
            ("just made", runs[1], True, {by_name}),
            ("primary", runs[2], False, {by_name, by_id}),
            ("primary, another event", runs[3], False, {by_name, by_id}),
            ("backup", runs[4], True, {by_name, by_id}),
            ("backup, another event", runs[5], True, {by_name, by_id}),
            ("another's", runs[6], False, set())):
        if (known.get("DM_NOSCAN") == "1") != unseen:
            missing.add(f"{what}: {'looked at' if unseen else 'not looked at'}: {known}")
        have = set(known.get("DEVLINKS", "").split()) & {by_name, by_id}
        if have != links:
            missing.add(f"{what}: {have}")
    return point(text, missing)


def offered(*words):
    """What the completion offers for a command line, the last word of which is being written."""
    path = os.pathsep.join([os.path.dirname(PBCTL), os.environ["PATH"]])
    done = run("bash", "-c", OFFER, os.path.join(TOP, "userspace/completion/pbctl"), "pbctl", *words,
               env={**os.environ, "PATH": path})
    return set(done.stdout.split())


def verbs():
    """{verb: its options}, as pbctl's help and sources have them."""
    text = run(PBCTL, "--help").stdout.split("Verbs:\n")[1].split("\n\n")[0]
    # Some have two words; what is short is filled up with spaces.
    names = [line[2:14].rstrip() if line[14] == " " else line.split()[0] for line in text.splitlines()]
    known = {}
    for path in glob.glob(os.path.join(TOP, "userspace", "pbctl", "*.c")):
        source = read(path)
        options = {f"--{name}" for name in re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', source)}
        for name in re.findall(r'^\t\.name = "([a-z -]+)",\n\t\.args', source, re.M):
            known[name] = options
    return {name: known.get(name, set()) for name in names}


def complete_verbs():
    """Each verb, and for each only options that it has, and all that its help explains."""
    known, missing = verbs(), set()
    first = offered("")
    missing |= {f"not offered: {verb}" for verb in known if verb.split()[0] not in first}
    missing |= {f"no verb: {word}" for word in first - {"help", "--help", "--version"}
                if word not in {verb.split()[0] for verb in known}}
    missing |= {f"not offered: {verb}" for verb in known if " " in verb
                if verb.split()[1] not in offered(verb.split()[0], "")}
    all_options, all_offered = set(), set()
    for verb, options in known.items():
        found = offered(*verb.split(), "--")
        missing |= {f"{verb} has no {option}" for option in found - options}
        usage = run(PBCTL, "help", *verb.split()).stdout.splitlines()[0]
        missing |= {f"{verb}: not offered: {option}" for option in re.findall(r"--[a-z-]+", usage)
                    if option not in found}
        all_options |= options
        all_offered |= found
    missing |= {f"nowhere offered: {option}" for option in all_options - all_offered}
    if len(known) < 20:
        missing.add(f"only {len(known)} verbs are known")
    point("completion: every verb of pbctl --help, and its options", missing)


def complete_volumes(tmp):
    """Volumes, nodes and files, where each belongs."""
    conf = os.path.join(tmp, "conf")
    os.makedirs(os.path.join(conf, "volumes"))
    for name in ("db", "my-db"):
        with open(os.path.join(conf, "volumes", f"{name}.conf"), "w", encoding="utf-8") as f:
            f.write('replicas = ( { node = "alpha"; data = "/dev/x"; },\n             { node = "beta"; } );\n')
    missing = set()
    for line, want in (
            (("up", "--config", conf, ""), {"db", "my-db"}),
            (("up", "--config", conf, "m"), {"my-db"}),
            (("up", "--declare-synced", "--config", conf, ""), {"db", "my-db"}),
            (("down", "--retry", "60", "--config", conf, ""), {"db", "my-db"}),
            (("history", "--config", conf, ""), {"db", "my-db"}),
            (("volumes", "--config", conf, ""), {"db", "my-db"}),
            (("switch", "--config", conf, "db", ""), {"alpha", "beta"}),
            (("switch", "--config", conf, "db", "b"), {"beta"}),
            (("policy", "vol0", ""), {"wait", "error"}),
            (("up", "--config", os.path.join(tmp, "conf/vol")), {os.path.join(tmp, "conf/volumes")}),
            (("create", "vol0", "--data", os.path.join(conf, "v")), {os.path.join(conf, "volumes")})):
        have = offered(*line)
        if have != want:
            missing.add(f"{' '.join(line)}: {' '.join(sorted(have))}")
    point("completion: volumes, nodes and files", missing)


def main():
    """All of them."""
    print("TAP version 13")
    with tempfile.TemporaryDirectory() as tmp:
        everything(tmp)
        order()
        verify(tmp)
        udev()
        complete_verbs()
        complete_volumes(tmp)
    print(f"1..{len(results)}")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
