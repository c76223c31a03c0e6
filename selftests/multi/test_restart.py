#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A replica goes and comes back in the same view: in order it goes on, after a crash it must not."""

import sys

from pbtest import VOLUME, check, main

COUNT = 150


def come_back(pair, node, crashed=False):
    """Set up what is on the disks; it remembers its view, and serves nobody before that is confirmed."""
    node.set_up_again()
    status = node.status()
    check(status["view"]["number"] == pair.view, f"{node.name} remembers view {status['view']['number']}")
    check(status["role"] == "unconfirmed", f"{node.name} is {status['role']} before the view is confirmed")
    check(status["flags"]["crashed"] == crashed, f"{node.name}: crashed is {status['flags']['crashed']}")
    refused = node.read_errno()
    check(refused and "Invalid exchange" in refused, f"{node.name} reads unconfirmed: {refused}")


def remove(node):
    """Take the volume away in order."""
    node.unlink()
    node.pbctl("remove", VOLUME, "--retry", 10)


def test_backup_clean(pair):
    """backup removed in order and set up again in the same view: writes wait, then go on, equal"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32, count=COUNT)
    writer.wait_acks(100)
    remove(b)
    stuck = writer.wait_stuck(still=0.3)
    come_back(pair, b)
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
    come_back(pair, a)
    a.set_view(1, a, b)
    a.connect(b)
    a.wait_link()
    again = pair.writer(a, threads=4, slots=32, size=8192, count=40)
    again.wait_done()
    check(not again.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    pair.finish()


def test_backup_crash(pair):
    """backup killed and booted again: its view is not confirmed, writes wait for a view without it"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32)
    writer.wait_acks(100)
    b.vm.kill()
    stuck = writer.wait_stuck(still=0.3)
    pair.reboot(b)
    come_back(pair, b, crashed=True)
    took = b.set_view(1, a, b, check=False)
    check(took.rc == 1 and "crashed" in took.out, f"a crashed backup confirmed its view: rc {took.rc} {took.out}")
    check(b.status()["role"] == "unconfirmed", "a refused view changed something")
    check(writer.acks == stuck, f"{writer.acks - stuck} writes acknowledged without the backup")
    a.set_view(2, a)
    writer.wait_acks(stuck + 100)
    b.set_view(2, a)
    status = b.status()
    check((status["role"], status["replica_state"]) == ("idle", "stale"), f"{status['role']} {status['replica_state']}")
    writer.stop()
    check(not writer.lost(a.vm.disk_path("data")), "the primary lost a write")
    pair.finish(equal=False)            # the primary went on alone


def test_primary_crash(pair):
    """primary killed and booted again: not confirmed beside a synced backup, which takes over"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32)
    writer.wait_acks(100)
    a.vm.kill()
    pair.reboot(a)
    come_back(pair, a, crashed=True)
    took = a.set_view(1, a, b, check=False)
    check(took.rc == 1 and "crashed" in took.out, f"a crashed primary confirmed its view: rc {took.rc} {took.out}")
    b.set_view(2, b, a.member(":unsynced"))
    a.set_view(2, b, a.member(":unsynced"))
    check(not writer.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    check(b.write_errno() is None, "the new primary does not serve")
    pair.finish(equal=False)            # nobody has brought the old primary up to date


if __name__ == "__main__":
    sys.exit(main([test_backup_clean, test_primary_clean, test_backup_crash, test_primary_crash]))
