#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A replica goes and comes back in the same view in order: it goes on."""

import sys

from pbtest import SLOW, VOLUME, check, main

COUNT = 150


def remove(node):
    """Take the volume away in order."""
    node.unlink()
    node.pbctl("remove", VOLUME, "--retry", 10 * SLOW)


def test_backup_clean(pair):
    """backup removed in order and set up again in the same view: writes wait, then go on, equal"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32, count=COUNT)
    writer.wait_acks(100)
    remove(b)
    stuck = writer.wait_stuck(still=0.3)
    b.come_back()
    b.set_view(1, a, b)
    check(writer.acks == stuck, "writes went on without a connection")
    b.listen()
    a.wait_link()
    writer.wait_done()
    check(not writer.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    pair.finish()


def test_primary_clean(pair):
    """primary removed in order and the machine booted again: it confirms its view and goes on"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32, count=40)
    writer.wait_done()
    remove(a)
    pair.reboot(a)
    a.come_back()
    a.set_view(1, a, b)
    a.connect(b)
    a.wait_link()
    again = pair.writer(a, threads=4, slots=32, size=8192, count=40)
    again.wait_done()
    check(not again.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_backup_clean, test_primary_clean]))
