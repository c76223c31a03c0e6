#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Verification, and state transfer by digests, when the other machine or the network goes away."""

import sys

from pbtest import DEVICE, SLOW, VOLUME, check, main, until

MB = 1 << 20
SIZE = 32 * MB
DISKS = [("data", SIZE, {"volatile": True}), ("meta", "16M", {"volatile": True})]
REGION = 64 << 10
# Of it, not too late to be interrupted.
RATE = "4MiB"
TIMEOUT = 2000 * SLOW


def fill(node, where="conv=fsync"):
    """Something on every block."""
    node.vm.run(f"dd if=/dev/urandom of={DEVICE} bs=1M count={SIZE // MB} oflag=direct {where} 2>/dev/null", 120)


def comparing(node):
    """The verification that a node runs, as its status has it."""
    return node.status()["verify"]


def verified(pair, node):
    """It finds both to be the same; and so they are."""
    found = node.pbctl("verify", VOLUME, "--json", check=False, timeout=120 * SLOW)
    check(found.rc == 0, f"a verification ends with {found.rc}: {found.out}")
    pair.finish()


def begin_slowly(node):
    """A verification that will not end soon; its job."""
    node.pbctl("resync", VOLUME, "--max-rate", 1)
    job = node.spawn_pbctl("verify", VOLUME, "--json")
    until("some is compared", lambda: comparing(node)["compared_bytes"])
    return job


def test_backup_dies(pair):
    """the backup dies while it is verified: writes wait, a view ends it, and it comes back"""
    pair.new_volume()
    a, b = pair.nodes
    fill(a)
    job = begin_slowly(a)
    mark = a.mark()
    writer = pair.writer(a)
    writer.wait_acks(20)
    b.vm.power_cut(keep=0.5, torn=0.2, seed=1)
    a.wait_event("peer-silent", mark)
    writer.wait_stuck()
    check(comparing(a)["state"] == "comparing", f"it has ended without a view: {comparing(a)}")
    pair.view = 2
    a.set_view(2, a)
    check(comparing(a)["state"] == "stopped", f"the view has not stopped it: {comparing(a)}")
    check(job.wait(20) == 1, "whoever waited for it does not know")
    writer.wait_acks(20)
    pair.reboot(b)
    b.set_up_again()
    a.pbctl("resync", VOLUME, "--max-rate", 0)
    pair.set_view(3, a, b.member(":unsynced"))
    pair.link(a, timeout=TIMEOUT)
    pair.wait_synced(a)
    pair.set_view(4, a, b)
    pair.link(a, timeout=TIMEOUT)
    writer.wait_acks(20)
    writer.stop()
    a.vm.run(f"sync {DEVICE}")
    verified(pair, a)


def test_cut(pair):
    """the network is cut while a backup is verified: it goes on, and each part is compared once"""
    pair.new_volume()
    a, b = pair.nodes
    fill(a)
    job = begin_slowly(a)
    mark, connects = a.mark(), a.link()["connects"]
    pair.rig.cut(0, 1)
    a.wait_event("peer-silent", mark)
    b.wait_event("peer-silent")
    pair.rig.heal()
    until("a new connection", lambda: a.link()["connects"] > connects, 30)
    check(comparing(a)["state"] == "comparing", f"it has ended: {comparing(a)}")
    a.pbctl("resync", VOLUME, "--max-rate", 0)
    check(job.wait(60 * SLOW) == 0, f"it ends badly: {job.output()}")
    found = comparing(a)
    check(found["compared_bytes"] == SIZE and found["state"] == "done", f"not all was compared, or twice: {found}")
    verified(pair, a)


def reach(node, percent):
    """Wait until so much of a transfer is over."""
    def reached():
        found = node.status()["transfer"]
        check(found["state"] != "synced", f"it was over before {percent} % were seen: nothing was tested")
        return found["total_bytes"] and found["left_bytes"] * 100 <= found["total_bytes"] * (100 - percent)
    until(f"{percent} % of the transfer", reached, 120)


def test_digests(pair):
    """state transfer by digests, over a cut and a power cut of the target: it goes on, and copies what differs"""
    pair.new_volume()
    a, b = pair.nodes
    fill(a)
    a.vm.run(f"sync {DEVICE}")
    pair.wait_quiet()
    pair.set_view(2, a)
    # The target has lost its metadata, and the data of one moment before.
    b.take_down()
    b.vm.run("blkdiscard -z -f /dev/disk-meta")
    b.create(pair.volume, state="--blank")
    for i in (1, 9, 17, 30):
        a.vm.run(f"dd if=/dev/urandom of={DEVICE} bs=64K seek={16 * i + 3} count=2 oflag=direct 2>/dev/null")
    a.pbctl("resync", VOLUME, "--checksum", "on", "--max-rate", RATE)
    pair.set_view(3, a, b.member(":unsynced"))
    pair.link(a, timeout=TIMEOUT)
    reach(a, 20)
    mark, connects = a.mark(), a.link()["connects"]
    pair.rig.cut(0, 1)
    a.wait_event("peer-silent", mark)
    pair.rig.heal()
    until("a new connection", lambda: a.link()["connects"] > connects, 30)
    reach(a, 40)
    b.vm.power_cut(keep=0.3, torn=0.2, seed=2)
    pair.reboot(b)
    b.come_back(crashed=True)
    pair.set_view(3, a, b.member(":unsynced"))
    pair.link(a, timeout=TIMEOUT)
    a.pbctl("resync", VOLUME, "--max-rate", 0)
    pair.wait_synced(a)
    b.check_is("backup", "synced")
    moved = a.counter("sync_bytes")
    # 8 regions differ; what was copied and not flushed when the power went may come again.
    check(8 * REGION <= moved <= 16 * REGION, f"{moved} bytes were copied")
    check(a.counter("sync_equal") >= SIZE - 8 * REGION, f"{a.counter('sync_equal')} bytes were found equal")
    pair.set_view(4, a, b)
    pair.link(a, timeout=TIMEOUT)
    a.vm.run(f"sync {DEVICE}")
    verified(pair, a)


if __name__ == "__main__":
    sys.exit(main([test_backup_dies, test_cut, test_digests], disks=DISKS))
