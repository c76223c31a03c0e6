#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A primary that was replaced behind its back: it acknowledges nothing more and serves nothing."""

import sys

from pbtest import EBADE, EBADE_TEXT, SLOW, check, main

BACK = ":unsynced"


def cut_off(pair):
    """Cut the primary off with writes held, and let the backup go on without it."""
    a, b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=1000 * SLOW)
    writer = pair.writer(a, threads=4, slots=32)
    writer.wait_acks(100)
    mark = a.mark()
    pair.rig.cut(0, 1)
    a.wait_event("peer-silent", mark)
    stuck = writer.wait_stuck(still=0.3)
    return writer, stuck


def check_deposed(pair, writer, stuck):
    """Told of the new view, the old primary fails what it held and refuses everything."""
    a, b = pair.nodes
    writer.job.wait(30)
    check(writer.acks == stuck, f"{writer.acks - stuck} held writes completed as success")
    check(len(writer.errors) == writer.threads, f"{len(writer.errors)} of {writer.threads} threads saw an error")
    wrong = [e for e in writer.errors if e[2] != EBADE]
    check(not wrong, f"not EBADE: {wrong}")
    for what, got in (("read", a.read_errno()), ("write", a.write_errno())):
        check(got and EBADE_TEXT in got, f"a {what} was not refused with EBADE: {got}")
    check(a.counter("refused_bios") >= 2, "the refusals were not counted")
    lost = writer.lost(b.vm.disk_path("data"))
    check(not lost, "\n".join(lost[:10]))
    # Their writes that nobody acknowledged may be on either disk.
    pair.finish(equal=False)


def test_rejoin(pair):
    """deposed primary healed: refused by view; in view 2 as unsynced backup it fails and refuses all"""
    a, b = pair.nodes
    writer, stuck = cut_off(pair)
    b.set_view(2, b, a.member(BACK))
    check(b.write_errno() is None, "the new primary does not serve")
    newer, links = b.wait_kernel_log("view 2: primary"), a.mark()
    check(newer, "view 2 left no line in the log")
    # Both call themselves primary, so the old backup's listener is what the old primary meets.
    b.listen(1000 * SLOW)
    pair.rig.heal()
    a.wait_event("newer-view", links, 30)
    a.wait_event("link-refused", links, 30, "newer view")
    check(writer.acks == stuck, f"{writer.acks - stuck} held writes completed as success")
    check(a.status()["view"]["number"] == 1 and a.link()["state"] != "up", "the old primary was let in")
    a.unlink()
    b.unlink()
    a.set_view(2, b, a.member(BACK))
    a.check_is("backup", "stale")
    check_deposed(pair, writer, stuck)


def test_idle(pair):
    """deposed primary without a place in view 2: idle, fails what it held, refuses all"""
    a, b = pair.nodes
    writer, stuck = cut_off(pair)
    b.set_view(2, b)
    pair.rig.heal()
    late = pair.writer(b, threads=2, slots=32, count=50)
    late.wait_done()
    check(writer.acks == stuck and not writer.errors, "held writes ended without a view")
    a.set_view(2, b)
    a.check_is("idle", "stale")
    # The writer on the new primary wrote over the old one's blocks: only its own words count now.
    writer.acked = {}
    check_deposed(pair, writer, stuck)
    check(not late.lost(b.vm.disk_path("data")), "the new primary lost a write")
    old = a.set_view(1, a, b, check=False)
    check(old.rc == 1 and "older" in old.out, f"view 1 was taken again: {old.out}")


def test_swap(pair):
    """old primary as synced backup of view 2 is refused while its writes are not acked"""
    a, b = pair.nodes
    writer, stuck = cut_off(pair)
    took = a.set_view(2, b, a, check=False)
    check(took.rc == 1 and "not acked" in took.out, f"it would stay synced with unacked writes: {took.out}")
    check(a.status()["view"]["number"] == 1, "a refused view changed something")
    pair.rig.heal()
    a.wait_link()
    writer.wait_acks(stuck + 100)
    writer.stop()
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_rejoin, test_idle, test_swap]))
