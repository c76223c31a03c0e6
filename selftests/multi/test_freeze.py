#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A machine stands still and comes back: nothing is lost, nothing acknowledged meanwhile."""

import sys
import time

from pbtest import SLOW, check, main

TIMEOUT = 1500 * SLOW
COUNT = 200


def freeze_long(pair, index):
    """Stop one for longer than the time-out; the other finds it silent; both go on after."""
    a, b = pair.nodes
    frozen, awake = pair.nodes[index], pair.nodes[1 - index]
    pair.new_volume(link=False)
    pair.link(timeout=TIMEOUT)
    writer = pair.writer(a, threads=4, slots=32, count=COUNT)
    writer.wait_acks(100)
    mark = awake.mark()
    frozen.vm.freeze()
    try:
        awake.wait_event("peer-silent", mark)
        if frozen is b:
            stuck = writer.wait_stuck(still=0.5)
            check(a.status()["in_flight"] or a.status()["held"], "no write waits: nothing was tested")
            check(writer.acks == stuck, f"{writer.acks - stuck} writes acknowledged without the backup")
    finally:
        frozen.vm.thaw()
    writer.wait_done(90)
    a.wait_link()
    check(not writer.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    pair.finish()


def test_backup(pair):
    """backup frozen beyond the time-out: writes wait, it returns in the same view, equal"""
    freeze_long(pair, 1)


def test_primary(pair):
    """primary frozen beyond the time-out: the backup finds it silent, it goes on, equal"""
    freeze_long(pair, 0)


def test_short(pair):
    """a freeze shorter than the time-out costs neither side its connection"""
    a, b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=20000)
    writer = pair.writer(a, threads=4, slots=32, count=COUNT)
    for node in (b, a):
        node.vm.freeze()
        time.sleep(1)                   # the length of the freeze is what is tested
        node.vm.thaw()
    writer.wait_done(60)
    for node in (a, b):
        link = node.link()
        check(link["state"] == "up" and link["connects"] == 1, f"{node.name}: {link}")
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_backup, test_primary, test_short]))
