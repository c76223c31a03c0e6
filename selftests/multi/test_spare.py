#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Three replicas: a primary, its backup, and an idle one that takes the place of who is lost.

A writer runs on the primary. Whoever serves afterwards has all that was acknowledged, but for
what an operator gives up by force.
"""

import os
import sys

from cluster import VOLUME, has_all, refuses, run, serves
from pbtest import LONG, SLOW, check, until

DATA = 64 << 20
# The writer's blocks, and some more.
FEW = 8 << 20


def names(*nodes):
    """As a view has them."""
    return [n.name for n in nodes]


def wait_members(cluster, *nodes):
    """Wait until these are the members, and all of them are synced."""
    def settled(state):
        members = state["view"]["members"]
        return [m["node"] for m in members] == names(*nodes) and all(m["synced"] for m in members)
    cluster.wait_view(f"a view of {', '.join(names(*nodes))}, synced", settled, 90)
    number = cluster.view()[0]
    for node in nodes:
        until(f"{node.name} in view {number}", lambda n=node: n.status()["view"]["number"] >= number)
    if len(nodes) > 1:
        nodes[0].wait_link()


def wait_heard(cluster, node):
    """Wait until the view server hears of a node."""
    def heard(state):
        return any(n["node"] == node.name and n["condition"] == "well" for n in state["nodes"])
    cluster.wait_view(f"{node.name} is well", heard)


def force(node, target):
    """The last resort; its Result."""
    return node.pbctl("force-primary-data-may-be-lost", VOLUME, target.name, check=False)


def test_backup_then_primary(cluster):
    """the backup dies and the spare is brought up to date; then the primary dies, and the spare serves with everything"""
    a, b, c = cluster.nodes
    wait_heard(cluster, c)
    refuses(c)
    out = force(c, c)
    check(out.rc == 1 and "a blank replica holds nothing" in out.out, f"force on a blank replica: {out}")
    check(cluster.view()[1] == names(a, b), f"members {cluster.view()}")
    writer = cluster.writer(a, threads=4, pause_us=2000)
    writer.wait_acks(200)
    copied = a.counter("sync_bytes")
    b.vm.kill()
    wait_members(cluster, a, c)
    writer.wait_acks(writer.acks + 200)
    copied = a.counter("sync_bytes") - copied
    check(copied >= DATA, f"a blank spare got {copied} bytes")
    out = force(c, b)
    check(out.rc == 1 and "not heard of" in out.out, f"force on a dead node: {out}")
    a.vm.kill()
    wait_members(cluster, c)
    serves(c)
    has_all(writer, c)
    later = cluster.writer(c, threads=2, slots=32, first=64, pause_us=2000)
    later.wait_acks(50)
    a.reset()
    b.reset()
    cluster.wait_healthy(90)
    check(cluster.members()[0] is c, f"members {cluster.view()}")
    later.wait_acks(later.acks + 50)
    later.stop()
    _, backup = cluster.members()
    has_all(later, backup)
    cluster.check_equal(c, backup)
    refuses(backup)
    for node in (a, b):
        if node is not backup:
            wait_heard(cluster, node)
            refuses(node)


def test_backup_returns(cluster):
    """a backup that returns, and takes its place again, gets what it missed and not everything"""
    a, b, c = cluster.nodes
    a.pbctl("evict", VOLUME, c.name)
    writer = cluster.writer(a, threads=4, pause_us=2000)
    writer.wait_acks(100)
    # In order: after a crash it would get all that was hot in its log, which a state transfer leaves hot.
    b.pbctl("down", VOLUME)
    b.vm.kill()
    wait_members(cluster, a)
    writer.wait_acks(writer.acks + 200)
    copied = a.counter("sync_bytes")
    b.reset()
    wait_members(cluster, a, b)
    copied = a.counter("sync_bytes") - copied
    check(0 < copied <= FEW, f"{copied} bytes were copied to a backup that missed little")
    writer.wait_acks(writer.acks + 50)
    writer.stop()
    has_all(writer, b)
    cluster.check_equal(a, b)
    a.pbctl("add", VOLUME, c.name)
    wait_heard(cluster, c)
    check(cluster.view()[1] == names(a, b), f"members {cluster.view()}")


def test_evict_members(cluster):
    """members are evicted one after the other: the roles move on, nothing is lost, and who is added comes back"""
    a, b, c = cluster.nodes
    writer = cluster.writer(a, threads=4, pause_us=2000)
    writer.wait_acks(100)
    a.pbctl("evict", VOLUME, b.name)
    wait_members(cluster, a, c)
    writer.wait_acks(writer.acks + 100)
    has_all(writer, c)
    # Its backup can replace it; who is evicted is no backup.
    a.pbctl("evict", VOLUME, a.name)
    wait_members(cluster, c)
    serves(c)
    refuses(a)
    refuses(b)
    writer.job.wait(30)
    wrong = [e for e in writer.errors if e[2] != 52]
    check(not wrong, f"writes failed otherwise than as of one that is no primary: {wrong[:5]}")
    has_all(writer, c)
    out = c.pbctl("evict", VOLUME, c.name, check=False)
    check(out.rc == 1 and "no synced backup can replace it" in out.out, f"{out}")
    roles = {n["node"]: n["role"] for n in cluster.state()["nodes"]}
    check(roles == {a.name: "evicted", b.name: "evicted", c.name: "primary"}, f"roles {roles}")
    later = cluster.writer(c, threads=2, slots=32, first=64, pause_us=2000)
    later.wait_acks(50)
    c.pbctl("add", VOLUME, a.name)
    wait_members(cluster, c, a)
    c.pbctl("add", VOLUME, b.name)
    wait_heard(cluster, b)
    later.wait_acks(later.acks + 50)
    later.stop()
    has_all(later, a)
    cluster.check_equal(c, a)
    check(cluster.view()[1] == names(c, a), f"members {cluster.view()}")


def test_force(cluster):
    """who lacks writes is made primary by force alone, on the record; the old primary is overwritten, not believed"""
    a, b, c = cluster.nodes
    a.pbctl("evict", VOLUME, c.name)
    writer = cluster.writer(a, threads=4, pause_us=2000)
    writer.wait_acks(4 * writer.threads * writer.slots)
    with_both = dict(writer.acked)
    b.vm.kill()
    wait_members(cluster, a)
    # Each block is written again: none of it has B.
    writer.wait_acks(writer.acks + 8 * writer.threads * writer.slots)
    writer.stop()
    alone, number = dict(writer.acked), cluster.view()[0]
    # In order: its own disk has no doubt about what it alone has.
    a.pbctl("down", VOLUME)
    a.vm.kill()
    b.reset()
    cluster.wait_view("nobody can replace it", lambda s: "is silent, and nobody can replace it" in s["health"])
    check(cluster.view()[0] == number, f"a view without anybody who has all: {cluster.view()}")
    refuses(b)
    out = b.pbctl("switch", VOLUME, b.name, check=False)
    check(out.rc == 1, f"a switch to who lacks writes: {out}")

    out = force(b, b)
    check(out.rc == 0, f"{out}")
    wait_members(cluster, b)
    serves(b)
    # What it had when it was left out it still has; what came later is lost, as the verb says.
    has_all(writer, b, with_both)
    check(writer.lost(b.vm.disk_path("data"), alone), "nothing was lost: this does not test what it should")
    status = b.status()
    check(status["flags"]["forced"] and status["forced_view"] == number + 1, f"no record in the superblock: {status}")
    lines = b.pbctl("history", VOLUME).out.splitlines()
    check(any("an operator forced it: data may be lost" in ln and b.name in ln for ln in lines), f"history {lines}")

    new = cluster.writer(b, threads=4, first=64, pause_us=2000)
    new.wait_acks(100)
    a.reset()
    wait_members(cluster, b, a)
    check(a.status()["role"] == "backup", f"{a.status()['role']}")
    new.wait_acks(new.acks + 50)
    new.stop()
    has_all(new, a)
    cluster.check_equal(b, a)
    refuses(a)
    b.pbctl("add", VOLUME, c.name)
    wait_heard(cluster, c)


if __name__ == "__main__":
    tests = [test_backup_then_primary, test_force]
    if LONG or os.environ.get("PB_TESTS"):
        tests += [test_backup_returns, test_evict_members]
    sys.exit(run(tests, replicas=3,
                 ping=500, volume=f"timeout_ms = {6000 * SLOW};"))
