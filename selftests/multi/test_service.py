#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The view service by itself keeps a volume available: one machine, network or daemon fails.

In each test a writer runs on the primary. Whoever serves afterwards has all that was acknowledged.
"""

import sys
import time

from cluster import DEAD_AFTER, VOLUME, has_all, refuses, run, serves
from pbtest import check


def test_primary_killed(cluster):
    """the primary's machine dies: the backup takes over, and the old primary comes back as its backup"""
    a, b = cluster.nodes[:2]
    writer = cluster.writer(a, threads=4)
    writer.wait_acks(200)
    begin = time.monotonic()
    a.vm.kill()
    cluster.wait_primary(b)
    serves(b)
    print(f"# writes again {time.monotonic() - begin:.2f} s after the kill", flush=True)
    has_all(writer, b)
    a.reset()
    cluster.wait_healthy()
    check(cluster.members() == (b, a), f"members {cluster.view()}")
    cluster.check_equal(a, b)


def test_switch(cluster):
    """the roles are switched under a writer: what was begun before ends well, and nothing is lost"""
    a, b = cluster.nodes[:2]
    writer = cluster.writer(a, threads=4)
    writer.wait_acks(100)
    b.pbctl("switch", VOLUME, b.name)
    cluster.wait_primary(b)
    serves(b)
    refuses(a)
    wrong = [e for e in writer.errors if e[2] != 52]
    check(not wrong, f"writes failed otherwise than as on a backup: {wrong[:5]}")
    has_all(writer, b)
    cluster.wait_healthy()
    check(cluster.members() == (b, a), f"members {cluster.view()}")
    cluster.check_equal(a, b)
    why = cluster.history()[-1]
    lines = b.pbctl("history", VOLUME).out.splitlines()
    check(any("an operator switched the roles" in line for line in lines), f"history {lines} {why}")


def test_switch_refused(cluster):
    """a switch to who is not the synced backup is refused with the reason, and changes nothing"""
    a, b = cluster.nodes[:2]
    before = cluster.view()
    b.vm.kill()
    cluster.wait_view("the backup is left out", lambda s: len(s["view"]["members"]) == 1)
    out = a.pbctl("switch", VOLUME, b.name, check=False)
    check(out.rc == 1 and "not a synced backup" in out.out, f"{out}")
    out = a.pbctl("switch", VOLUME, "nobody", check=False)
    check(out.rc == 1 and "no replica on node" in out.out, f"{out}")
    check(cluster.view()[0] == before[0] + 1, f"views {before} {cluster.view()}")


def test_backup_killed(cluster):
    """the backup's machine dies: the primary goes on alone, and the backup gets what it missed"""
    a, b = cluster.nodes[:2]
    writer = cluster.writer(a, threads=4)
    writer.wait_acks(100)
    b.vm.kill()
    cluster.wait_view("the backup is left out", lambda s: len(s["view"]["members"]) == 1)
    writer.wait_acks(writer.acks + 200)
    b.reset()
    cluster.wait_healthy()
    writer.wait_acks(writer.acks + 50)
    writer.stop()
    has_all(writer, b)
    cluster.check_equal(a, b)


def test_server_gone(cluster):
    """the view server is killed: I/O goes on; it is back with its store, and the view is the same"""
    a, b = cluster.nodes[:2]
    before = cluster.view()
    writer = cluster.writer(a, threads=4)
    writer.wait_acks(100)
    cluster.kill_server()
    writer.wait_acks(writer.acks + 300)
    cluster.start_server()
    cluster.wait_healthy()
    # Who was not heard of while it was away must not count as dead now: time is what is looked at.
    time.sleep(DEAD_AFTER / 1000 + 1)
    check(cluster.view() == before, f"view {before} became {cluster.view()}")
    writer.wait_acks(writer.acks + 50)
    writer.stop()
    has_all(writer, b)


def test_daemons_killed(cluster):
    """pbviewd is killed on both nodes: I/O goes on, and the next one picks up without a disturbance"""
    a, b = cluster.nodes[:2]
    before = cluster.view()
    writer = cluster.writer(a, threads=4)
    writer.wait_acks(100)
    connects = a.link()["connects"]
    for node in (a, b):
        node.kill_daemon()
        node.start_daemon()
    writer.wait_acks(writer.acks + 200)
    cluster.wait_healthy()
    check(cluster.view()[1] == before[1], f"view {before} became {cluster.view()}")
    check(a.link()["connects"] == connects or cluster.view()[0] != before[0],
          f"the connection was made anew: {a.link()}")
    writer.stop()
    has_all(writer, b)


def test_evict(cluster):
    """an evicted backup stays out until it is added; a primary without a backup cannot be evicted"""
    a, b = cluster.nodes[:2]
    a.pbctl("evict", VOLUME, b.name)
    cluster.wait_view("the backup is left out", lambda s: len(s["view"]["members"]) == 1)
    out = a.pbctl("evict", VOLUME, a.name, check=False)
    check(out.rc == 1 and "no synced backup can replace it" in out.out, f"{out}")
    serves(a)
    number = cluster.view()[0]
    cluster.kill_server()
    cluster.start_server()
    cluster.wait_view("it is left out by a new server too", lambda s: s["nodes"][0]["heard"] and s["nodes"][1]["heard"])
    check(cluster.view()[0] == number, f"view {cluster.view()}")
    a.pbctl("add", VOLUME, b.name)
    cluster.wait_healthy()


def test_server_far(cluster):
    """a daemon begins where a connection to the server takes longer than an answer should: it is heard all the same"""
    b = cluster.nodes[1]

    def silent(least, most):
        def probe(state):
            ms = next(n["silent_ms"] for n in state["nodes"] if n["node"] == b.name)
            return least <= ms <= most
        return probe

    b.kill_daemon()
    cluster.wait_view("nothing is heard of it", silent(2500, 1 << 30))
    # Connecting takes two round trips, and the ping a third.
    cluster.rig.delay(400, 0, b.vm, cluster.server)
    b.start_daemon()
    cluster.wait_view("it is heard", silent(0, 2000))
    cluster.rig.delay(0)
    cluster.wait_healthy()


if __name__ == "__main__":
    sys.exit(run([test_primary_killed, test_switch, test_switch_refused, test_backup_killed, test_server_gone,
                  test_daemons_killed, test_evict, test_server_far]))
