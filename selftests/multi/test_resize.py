#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A volume grows under a writer, interrupted at any moment: it has the old size or the new one.

With the new one what is new is zero on the disk of whoever says so, flushed, and the
backup has it too. With the old one it is done again, and then works. Nothing that was
acknowledged is lost, and in the end both disks are equal, all of them.
"""

import os
import sys
import time

from pbtest import DEVICE, LONG, SLOW, VOLUME, check, main, seeded, until

SMALL = 65536                           # sectors
DISK = 64 << 20
BIG = DISK // 512
DISKS = [("data", "64M", {"volatile": True}), ("meta", "16M", {"volatile": True})]
WIRE = 100                              # ms each way
ROUNDS = int(os.environ.get("PB_ROUNDS", "12" if LONG else "1"))


def begin(pair):
    """A small volume on larger disks, with foreign data behind its end, and a writer."""
    for node in pair.nodes:
        node.vm.run(f"tr '\\0' {node.name[-1]} </dev/zero | dd of=/dev/disk-data bs=1M seek={SMALL >> 11} "
                    f"count={(BIG - SMALL) >> 11} iflag=fullblock oflag=direct 2>/dev/null")
    pair.new_volume(extra=["--size", SMALL])
    writer = pair.writer(pair.nodes[0], threads=4, slots=32, flush_every=8)
    writer.wait_acks(100)
    return writer


def size_of(node):
    """The volume's size as a node has it."""
    size = node.status()["data_sectors"]
    check(size in (SMALL, BIG), f"{node.name}: the volume has {size} sectors")
    return size


def check_zero(node, where, path=None):
    """What is new is zero on a node's disk."""
    with open(path or node.vm.disk_path("data"), "rb") as f:
        f.seek(SMALL * 512)
        new = f.read(DISK - SMALL * 512)
    at = next((i for i in range(0, len(new), 4096) if any(new[i:i + 4096])), None)
    check(at is None, f"{where}: {node.name}: byte {at} of what is new is not zero")


def grow(pair, primary):
    """Both make room, and the volume has the new size, as the device shows."""
    pair.other(primary).pbctl("resize", VOLUME)
    primary.pbctl("resize", VOLUME, timeout=60 * SLOW)
    check(size_of(primary) == BIG, "it is done and the size is the old one")
    shown = int(primary.vm.run(f"blockdev --getsz {DEVICE}").out)
    check(shown == BIG, f"the device shows {shown} sectors")


def bring_back(pair, primary, view):
    """The other one gets what it lacks, as an unsynced member of VIEW, and is synced in the next."""
    backup = pair.other(primary)
    pair.set_view(view, primary, backup.member(":unsynced"))
    pair.link(primary)
    pair.wait_synced(primary)
    pair.set_view(view + 1, primary, backup)
    pair.link(primary)


def finish(pair, primary):
    """The whole of the new volume is written to, and equal."""
    grow(pair, primary)
    backup = pair.other(primary)
    check(size_of(backup) == BIG, "the backup does not know the new size")
    primary.vm.run(f"dd if=/dev/urandom of={DEVICE} bs=64k seek={SMALL // 128 - 4} count=64 oflag=direct 2>/dev/null; "
                   f"dd if=/dev/urandom of={DEVICE} bs=64k seek={BIG // 128 - 1} count=1 oflag=direct 2>/dev/null; "
                   f"sync {DEVICE}")
    pair.finish()


def start(pair, delay):
    """Begin; on a slow wire DELAY seconds are somewhere on the way."""
    a, b = pair.nodes
    b.pbctl("resize", VOLUME)
    pair.rig.delay(WIRE)
    a.pbctl("resize", VOLUME, "--no-wait")
    time.sleep(delay)


def interrupted(pair, node_dies, delay, torn=0.2):
    """Begin, and after DELAY seconds one of the two loses power."""
    start(pair, delay)
    node_dies.vm.power_cut(keep=0.4, torn=torn, seed=int(delay * 1e6))
    pair.rig.delay(0)


def moments(name):
    """Some moments, in seconds after the beginning, over all the time it takes."""
    rnd = seeded(name)
    # Zeroed, flushed and told: three times there and back.
    return [rnd.uniform(0, 6.5 * WIRE / 1000) for _ in range(ROUNDS)]


def test_done_is_done(pair):
    """both lose power when it is done: the new area is zero on what they had flushed"""
    a, b = pair.nodes
    writer = begin(pair)
    writer.stop()
    pair.wait_quiet()
    grow(pair, a)
    for node in pair.nodes:
        node.vm.power_cut()
        check_zero(node, "after the power cut")
    for node in pair.nodes:
        pair.reboot(node)
        node.set_up_again()
        check(size_of(node) == BIG, f"{node.name} has forgotten it")
    a.set_view(2, a)
    b.set_view(2, a)
    bring_back(pair, a, 3)
    finish(pair, a)


def primary_died(pair, writer, when):
    """The backup goes on with the old size or the new one, and the other comes back."""
    a, b = pair.nodes
    a.unlink()
    b.set_view(2, b)
    size = size_of(b)
    print(f"#   {when}: {size} sectors", flush=True)
    if size == BIG:
        check_zero(b, "the new primary")
    lost = writer.lost(b.vm.disk_path("data"))
    check(not lost, f"lost: {lost[:5]}")
    pair.reboot(a)
    a.set_up_again()
    a.set_view(2, b)
    bring_back(pair, b, 3)
    until("the old primary has the size", lambda: size_of(a) == size_of(b))
    finish(pair, b)
    pair.wipe()


def backup_died(pair, writer, when):
    """With a view without it the primary has the old size or the new one, and it comes back."""
    a, b = pair.nodes
    a.set_view(2, a)
    until("it has ended", lambda: a.status()["resize"]["state"] in ("off", "failed", "done"))
    size = size_of(a)
    print(f"#   {when}: {size} sectors", flush=True)
    if size == BIG:
        check_zero(a, "the primary, alone")
    writer.wait_acks(writer.acks + 50)
    a.pbctl("resize", VOLUME)
    check(size_of(a) == BIG, "alone it does not grow")
    pair.reboot(b)
    b.set_up_again()
    b.set_view(2, a)
    bring_back(pair, a, 3)
    check(size_of(b) == BIG, "the backup does not know the new size")
    writer.stop()
    lost = writer.lost(a.vm.disk_path("data")) + writer.lost(b.vm.disk_path("data"))
    check(not lost, f"lost: {lost[:5]}")
    finish(pair, a)
    pair.wipe()


def test_primary_dies(pair):
    """the primary loses power in the middle: the backup has the old size or the new one, and is right"""
    for delay in moments("primary"):
        writer = begin(pair)
        interrupted(pair, pair.nodes[0], delay)
        primary_died(pair, writer, f"after {delay:.3f} s")


def test_backup_dies(pair):
    """the backup loses power in the middle: with a view without it the primary has the old size or the new one"""
    for delay in moments("backup"):
        writer = begin(pair)
        interrupted(pair, pair.nodes[1], delay)
        backup_died(pair, writer, f"after {delay:.3f} s")


def test_primary_comes_back(pair):
    """the primary loses power in the middle and goes on alone: it has the old size or the new one"""
    for delay in moments("comes back"):
        a, b = pair.nodes
        writer = begin(pair)
        # Its own disk is looked at: a block that was being written again must not be half of each.
        interrupted(pair, a, delay, torn=0.0)
        b.unlink()
        pair.reboot(a)
        a.set_up_again()
        size = size_of(a)
        told = size_of(b)
        print(f"#   after {delay:.3f} s: {size} sectors, the backup {told}", flush=True)
        check(told >= size, "the primary has stored what the backup has not")
        if size == BIG:
            check_zero(a, "the primary, crashed")
        lost = writer.lost(a.vm.disk_path("data"), writer.durable())
        check(not lost, f"lost: {lost[:5]}")
        a.set_view(2, a)
        b.set_view(2, a)
        bring_back(pair, a, 3)
        check(size_of(b) == size_of(a), "the primary's word is not the backup's law")
        finish(pair, a)
        pair.wipe()


def test_cut(pair):
    """the network is cut in the middle and comes back: it goes on"""
    for delay in moments("cut"):
        a, b = pair.nodes
        writer = begin(pair)
        start(pair, delay)
        mark = a.mark()
        pair.rig.cut(0, 1)
        a.wait_event("peer-silent", mark)
        state = a.status()["resize"]["state"]
        print(f"#   after {delay:.3f} s: {state}", flush=True)
        pair.rig.delay(0)
        pair.rig.heal()
        a.wait_link()
        until("it is done", lambda a=a: a.status()["resize"]["state"] == "done")
        writer.stop()
        pair.wait_quiet()
        lost = writer.lost(a.vm.disk_path("data"))
        check(not lost, f"lost: {lost[:5]}")
        finish(pair, a)
        pair.wipe()


def test_view(pair):
    """a new view in the middle: not done, or done; and again in that view"""
    for delay in moments("view"):
        a, b = pair.nodes
        writer = begin(pair)
        start(pair, delay)
        pair.set_view(2, a, b)
        pair.rig.delay(0)
        state = a.status()["resize"]["state"]
        check(state in ("failed", "done"), f"in the new view it is {state}")
        print(f"#   after {delay:.3f} s: {state}, {size_of(a)} sectors", flush=True)
        check(size_of(a) == (BIG if state == "done" else SMALL), f"{state} and {size_of(a)} sectors")
        pair.link(a)
        until("the backup has the size", lambda a=a, b=b: size_of(a) == size_of(b))
        writer.wait_acks(writer.acks + 50)
        writer.stop()
        finish(pair, a)
        pair.wipe()


if __name__ == "__main__":
    sys.exit(main([test_done_is_done, test_primary_dies, test_backup_dies, test_primary_comes_back, test_cut, test_view],
                  disks=DISKS))
