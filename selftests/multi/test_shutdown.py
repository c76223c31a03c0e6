#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A machine can be switched off whatever its writes wait for."""

import sys

from pbtest import DEVICE, LONG, SLOW, main, until

MAGIC1, MAGIC2 = 0xfee1dead, 0x28121969
RESTART, POWER_OFF = 0x01234567, 0x4321fedc
BOUND = 40                              # seconds; nothing of it is spent on a quiet machine


def stuck_filesystem(pair):
    """A mounted file system whose writes wait for a backup that is gone."""
    a, _b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=1000 * SLOW)
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


def reboot_call(command):
    """The system call itself: 'reboot -f' syncs first, and that is another matter."""
    return f"python3 -c 'import ctypes; ctypes.CDLL(None).syscall(169, {MAGIC1}, {MAGIC2}, {command}, 0)'"


def test_reboot(pair):
    """reboot(2) of a primary with held writes and a mounted file system ends"""
    stuck_filesystem(pair)
    goes_down(pair, pair.nodes[0], reboot_call(RESTART))


def test_poweroff(pair):
    """power-off by reboot(2) of a primary with held writes and a mounted file system ends"""
    stuck_filesystem(pair)
    goes_down(pair, pair.nodes[0], reboot_call(POWER_OFF))


def test_reboot_sync(pair):
    """'reboot -f', which waits in sync(2) for the held writes, ends when policy 'error' lets them go"""
    stuck_filesystem(pair)
    a = pair.nodes[0]
    a.vm.spawn("reboot -f")
    until("reboot in sync(2)", lambda: "sync" in a.vm.run("cat /proc/$(pidof reboot)/stack", check=False).out)
    # It may not live to tell: the machine goes down at once.
    a.spawn_pbctl("policy", "vol", "error")
    a.vm.wait_exit(BOUND)
    pair.finish(equal=False)            # writes were under way


def test_reboot_alone(pair):
    """'reboot -f' ends with nobody's help"""
    stuck_filesystem(pair)
    goes_down(pair, pair.nodes[0], "reboot -f")


# sync(2) comes before reboot(2), and nothing tells the module that the machine is going down.
test_reboot_alone.todo = "reboot -f syncs first, and a sync waits as any write does"


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
    known = [test_reboot_alone] if LONG else []
    sys.exit(main([test_backup, test_policy, test_reboot, test_poweroff, test_reboot_sync] + known))
