#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The OCF agent on machines with pbviewd, called as Pacemaker calls it.

Who is promoted may serve, and who may serve has all that was acknowledged, whatever the agent is asked for.
"""

import os
import shlex
import sys

from cluster import VOLUME, has_all, refuses, run, serves
from pbtest import check, until
from rig.cache import cache_dir

AGENT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                     "userspace", "ocf", "pb")
OCF = os.path.join(cache_dir(), "resource-agents", "usr", "lib", "ocf")
OK, GENERIC, NOT_RUNNING, PROMOTED, FAILED = 0, 1, 7, 8, 9


def agent(node, action, want=OK):
    """Run an action; it must end with this status."""
    path = node.pbctl_path()
    env = {"OCF_ROOT": OCF, "OCF_RESOURCE_INSTANCE": "volume", "OCF_RESKEY_volume": VOLUME, "HA_RSCTMP": "/run/pb-ocf",
           "OCF_RESKEY_CRM_meta_timeout": "90000", "OCF_RESKEY_CRM_meta_interval": "10000"}
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
    out = node.vm.run(f"{words} PATH={os.path.dirname(path)}:$PATH {AGENT} {action}", check=False, timeout=100)
    check(out.rc == want, f"{action} on {node.name}: {out.rc}, not {want}: {out.out}")
    return out.out


def test_move(cluster):
    """the promoted role moves with what was acknowledged; not away from what is in use"""
    a, b = cluster.nodes[:2]
    for node in (a, b):
        agent(node, "start")
        agent(node, "monitor")
    agent(a, "promote")
    agent(a, "monitor", PROMOTED)
    agent(a, "promote")
    writer = cluster.writer(a, threads=2)
    writer.wait_acks(100)
    check("is in use" in agent(a, "demote", GENERIC), "it does not say that the volume is in use")
    agent(a, "monitor", PROMOTED)
    writer.stop()
    until("nobody has it open", lambda: agent_demoted(a))
    agent(a, "monitor")
    agent(b, "promote")
    agent(b, "monitor", PROMOTED)
    agent(a, "monitor")
    serves(b)
    refuses(a)
    has_all(writer, b)
    agent(b, "demote")


def agent_demoted(node):
    """Is the device free? Then demote it."""
    if node.vm.run(f"dmsetup info -c --noheadings -o open {VOLUME}").out.strip() != "0":
        return False
    agent(node, "demote")
    return True


def test_not_synced(cluster):
    """who may lack a write is not promoted, and nothing is asked for"""
    a, b = cluster.nodes[:2]
    a.pbctl("evict", VOLUME, b.name)
    cluster.wait_view("the backup is left out", lambda s: len(s["view"]["members"]) == 1)
    serves(a)
    until("it knows", lambda: b.status()["role"] == "idle")
    number = cluster.view()[0]
    check("cannot be promoted" in agent(b, "promote", GENERIC), "it does not say why")
    agent(b, "monitor")
    check(cluster.view()[:2] == (number, [a.name]), f"the view is {cluster.view()}")
    serves(a)
    a.pbctl("add", VOLUME, b.name)
    cluster.wait_healthy()


def test_killed(cluster):
    """the promoted one is killed: promoting the other waits for the view server, and all is there"""
    a, b = cluster.nodes[:2]
    agent(a, "promote")
    writer = cluster.writer(a, threads=2)
    writer.wait_acks(100)
    a.vm.kill()
    agent(b, "promote")
    agent(b, "monitor", PROMOTED)
    has_all(writer, b)
    serves(b)
    agent(b, "demote")


def test_deposed(cluster):
    """the role is moved behind the cluster's back: that is a failure of the promoted one, and mended by demoting it"""
    a, b = cluster.nodes[:2]
    agent(a, "promote")
    a.pbctl("switch", VOLUME, b.name)
    cluster.wait_primary(b)
    check("not the primary any more" in agent(a, "monitor", FAILED), "it does not say what happened")
    agent(b, "monitor")
    agent(a, "demote")
    agent(a, "monitor")


def test_stop(cluster):
    """a backup is stopped, twice, and started: it is brought up to date"""
    b = cluster.nodes[1]
    agent(b, "stop")
    agent(b, "monitor", NOT_RUNNING)
    agent(b, "stop")
    agent(b, "demote", NOT_RUNNING)
    agent(b, "start")
    cluster.wait_healthy()


if __name__ == "__main__":
    sys.exit(run([test_move, test_not_synced, test_killed, test_deposed, test_stop]))
