#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A machine can be switched off whatever its writes wait for."""

import sys

from pbtest import DEVICE, check, main, until

BOUND = 40                              # seconds; nothing of it is spent on a quiet machine


def stuck_filesystem(pair):
    """A mounted file system whose writes wait for a backup that is gone."""
    a, _b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=1000)
    a.vm.run(f"mkfs.ext4 -q {DEVICE} && mkdir -p /mnt/t && mount {DEVICE} /mnt/t")
    mark = a.mark()
    pair.rig.cut(0, 1)
    a.wait_event("peer-silent", mark)
    a.vm.spawn("dd if=/dev/zero of=/mnt/t/file bs=64k count=64 conv=fsync 2>/dev/null")
    until("writes that wait", lambda: a.status()["held"], pause=0.1)


def goes_down(pair, node, cmd):
    """Run it; the machine must end within the bound."""
    node.vm.spawn(cmd)
    node.vm.wait_exit(BOUND)
    pair.finish(equal=False)            # writes were under way


def test_reboot(pair):
    """'reboot -f' of a primary with held writes and a mounted file system ends"""
    stuck_filesystem(pair)
    goes_down(pair, pair.nodes[0], "reboot -f")


def test_poweroff(pair):
    """'poweroff -f' of a primary with held writes and a mounted file system ends"""
    stuck_filesystem(pair)
    goes_down(pair, pair.nodes[0], "poweroff -f")


def test_no_sync(pair):
    """reboot(2) without a sync before it ends with held writes and a mounted file system"""
    stuck_filesystem(pair)
    goes_down(pair, pair.nodes[0], "echo b >/proc/sysrq-trigger")


def test_policy(pair):
    """policy 'error' lets held writes go, and an ordinary power-off with its sync ends"""
    stuck_filesystem(pair)
    a = pair.nodes[0]
    a.pbctl("policy", "vol", "error")
    until("held writes gone", lambda: not a.status()["held"] and not a.status()["in_flight"], pause=0.1)
    goes_down(pair, a, "umount /mnt/t; poweroff -f")


def test_backup(pair):
    """'poweroff -f' of the backup under a writer ends; the primary's writes wait for a view"""
    a, b = pair.nodes
    pair.new_volume()
    writer = pair.writer(a, threads=4, slots=32)
    writer.wait_acks(50)
    b.vm.spawn("poweroff -f")
    b.vm.wait_exit(BOUND)
    stuck = writer.wait_stuck(still=0.3)
    a.set_view(2, a)
    writer.wait_acks(stuck + 50)
    writer.stop()
    pair.finish(equal=False)            # the primary went on alone


if __name__ == "__main__":
    sys.exit(main([test_backup, test_policy, test_reboot, test_poweroff, test_no_sync]))
