#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Frames vanish silently: writes wait, nobody goes on alone, healing loses and repeats nothing."""

import sys

from pbtest import LONG, SLOW, check, main, until

TIMEOUT = 1500 * SLOW
COUNT = 2000 if LONG else 150           # writes of each thread


def wait_held_longer(node, ms):
    """Wait until the oldest write has waited for longer than the link's time-out."""
    until(f"a write held for {ms} ms", lambda: node.status()["oldest_wait_ms"] > ms, 30, 0.1)


def cut_and_heal(pair, direction, silent):
    """Cut under a writer; those in SILENT must find their peer silent; heal; all completes."""
    a, b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=TIMEOUT)
    writer = pair.writer(a, threads=4, slots=32, count=COUNT)
    writer.wait_acks(40)
    marks = {node: node.mark() for node in pair.nodes}
    connects = a.link()["connects"]
    pair.rig.cut(0, 1, direction)
    for i in silent:
        pair.nodes[i].wait_event("peer-silent", marks[pair.nodes[i]])
    # The primary may be the later one to notice; what begins before that is sent, and not held.
    until("the primary without a connection", lambda: a.link()["state"] != "up", pause=0.1)
    stuck = writer.wait_stuck(still=0.2)
    # One that begins while there is no connection waits as well.
    late = pair.writer(a, threads=2, slots=32, count=20, first=writer.threads)
    until("late writes held", lambda: late.acks or a.status()["held"] >= late.threads, pause=0.1)
    wait_held_longer(a, TIMEOUT + 500)
    check(not late.acks, f"{late.acks} writes acknowledged that began without the backup")
    check(writer.acks == stuck, f"{writer.acks - stuck} writes acknowledged without the backup")
    check(not writer.errors, f"writes failed: {writer.errors}")
    pair.rig.heal()
    writer.wait_done(60)
    late.wait_done()
    a.wait_link()
    check(a.link()["connects"] > connects, "no new connection, yet the old one ended")
    lost = writer.lost(b.vm.disk_path("data")) + late.lost(b.vm.disk_path("data"))
    check(not lost, "\n".join(lost[:10]))
    pair.finish()


def test_both(pair):
    """cut both ways: both find the other silent, writes wait, healing completes all, equal"""
    cut_and_heal(pair, "both", (0, 1))


def test_forth(pair):
    """cut from primary to backup only: the backup finds it silent, writes wait, then complete"""
    cut_and_heal(pair, "a>b", (1,))


def test_back(pair):
    """cut from backup to primary only: the primary finds it silent, writes wait, then complete"""
    cut_and_heal(pair, "b>a", (0,))


def test_overlap(pair):
    """overlapping writers over a slow, uneven and twice broken link leave equal replicas"""
    a, _b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=TIMEOUT)
    pair.rig.delay(3, 10)
    writer = pair.writer(a, threads=8, slots=4, size=16384, overlap=True, count=COUNT // 2)
    for acks in (60, 180):
        writer.wait_acks(acks, 60)
        mark = a.mark()
        pair.rig.cut(0, 1)
        a.wait_event("peer-silent", mark)
        pair.rig.heal(0, 1)
        a.wait_event("link-up", mark, 30)
    writer.wait_done(120)
    counters = a.status()["counters"]
    check(counters["overlap_waits"], "no write overlapped another: nothing was tested")
    check(counters["resent"], "nothing was sent again: the cuts hit nothing")
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_both, test_forth, test_back, test_overlap]))
