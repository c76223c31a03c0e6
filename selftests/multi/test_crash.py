#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A replica comes back in the same view after a crash: its copy may differ, so it must not go on."""

import sys

from pbtest import check, main


def test_backup_crash(pair):
    """backup killed and booted again: its view is not confirmed, writes wait for a view without it"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32)
    writer.wait_acks(100)
    b.vm.kill()
    stuck = writer.wait_stuck(still=0.3)
    pair.reboot(b)
    b.come_back(crashed=True)
    took = b.set_view(1, a, b, check=False)
    check(took.rc == 1 and "crashed" in took.out, f"a crashed backup confirmed its view: rc {took.rc} {took.out}")
    check(b.status()["role"] == "unconfirmed", "a refused view changed something")
    check(writer.acks == stuck, f"{writer.acks - stuck} writes acknowledged without the backup")
    a.set_view(2, a)
    writer.wait_acks(stuck + 100)
    b.set_view(2, a)
    b.check_is("idle", "stale")
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
    a.come_back(crashed=True)
    took = a.set_view(1, a, b, check=False)
    check(took.rc == 1 and "crashed" in took.out, f"a crashed primary confirmed its view: rc {took.rc} {took.out}")
    b.set_view(2, b, a.member(":unsynced"))
    a.set_view(2, b, a.member(":unsynced"))
    check(not writer.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    check(b.write_errno() is None, "the new primary does not serve")
    pair.finish(equal=False)            # nobody has brought the old primary up to date


if __name__ == "__main__":
    sys.exit(main([test_backup_crash, test_primary_crash]))
