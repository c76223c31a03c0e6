#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""State transfer under a writer, interrupted again and again: it goes on from where it was, and ends."""

import contextlib
import json
import subprocess
import sys

from churn import BLOCK, Churn, Oracle
from pbtest import DEVICE, LONG, SLOW, VOLUME, VmDied, check, main, until

SIZE = 256 << 20
MB = 1 << 20
EXTENT, REGION = MB, 16 << 10
DISKS = [("data", SIZE, {"volatile": True}), ("meta", "16M", {"volatile": True})]
GEOMETRY = ("--extent-size", EXTENT, "--hot-extents", 64, "--region-size", REGION)
TIMEOUT = 1500 * SLOW
RATE = "5MiB"
# Of the transfer, in percent, when it is interrupted.
# The last hundredth is over in a moment, on a busy machine unseen.
ALL = (20, 50, 99) if LONG else (20, 50)


def regions_of(churn, begin):
    """Regions that operations from these on may have changed."""
    return {block * BLOCK // REGION for block in churn.blocks(begin)}


class Transfer:
    """Node 0 brings node 1 up to date, while it is written to."""

    def __init__(self, pair):
        self.pair = pair
        self.source, self.target = pair.nodes
        self.pbctl = self.source.guest_path(pair.pbctl)
        self.oracle = Oracle(SIZE)
        self.runs = []              # not yet verified: (churn, what was promised)
        self.next = 1
        self.moved = 0              # bytes, by replicas that have been set up again since
        pair.new_volume(link=False, extra=GEOMETRY)
        pair.set_view(2, self.source)
        self.churn = Churn(self.source, SIZE, self.next, self.next, flushes=8)
        self.churn.wait_acks(1000)
        self.stop_writing("acked")
        self.write()
        self.go_on(3)
        self.total = self.progress()["total_bytes"]
        self.allowed = self.begun = self.total
        print(f"#   {self.total >> 10} KiB to be copied", flush=True)

    def write(self):
        """Writes go on beside the transfer."""
        self.churn = Churn(self.source, SIZE, self.next, self.next, pause_us=5000)

    def stop_writing(self, promise):
        """End the writer; with it goes what it was promised."""
        with contextlib.suppress(VmDied):
            self.churn.stop()
        self.next = self.churn.next
        self.runs.append((self.churn, promise))

    def verify(self, where):
        """What was promised is on the source's disk, and nothing that was not written."""
        self.oracle.verify(self.source.vm.disk_path("data"), self.runs, where)
        self.runs.clear()

    def go_on(self, view, timeout=TIMEOUT, keepalive=100):
        """Connect, in the view before or another one."""
        self.pair.set_view(view, self.source, self.target.member(":unsynced"))
        self.pair.rig.delay(2)
        # So slow that it is seen under way on a busy machine too.
        self.source.pbctl("resync", VOLUME, "--max-rate", RATE)
        self.pair.link(self.source, timeout=timeout, keepalive=keepalive)

    def progress(self):
        """The state transfer, once it is known what has to be copied."""
        def known():
            found = self.source.status()["transfer"]
            return found["state"] in ("copying", "flushing", "finishing", "synced") and found
        return until("a state transfer", known)

    def reach(self, percent):
        """Wait until so much is copied, of what was to be since the last interruption; what is left then.

        The end is reached in steps, and there the transfer is held: resume() when it may go on.
        """
        enough = max(self.begun * (100 - percent) // 100, MB)
        near = enough + self.begun // 3 if percent > 90 else 0

        def reached():
            left = self.progress()["left_bytes"]
            if enough < left <= near:
                self.pair.rig.delay(50)
                self.source.vm.run(f"{self.pbctl} resync {VOLUME} --resume; {self.pbctl} resync {VOLUME} --pause")
            return left <= enough and (left,)
        left, = until(f"{percent} % copied", reached, 120, 0.01)
        check(left, f"it was over before {percent} % were seen: nothing was tested")
        return left

    def resume(self):
        """Copy on, if it is held."""
        self.source.pbctl("resync", VOLUME, "--resume")
        self.pair.rig.delay(2)

    def check_resumed(self, left, lost, what):
        """Not more is to be copied now than was left and may have been lost."""
        found = self.progress()
        total, before, self.begun = found["total_bytes"], self.begun, found["total_bytes"]
        print(f"#   {what}: {left >> 10} KiB were left, {lost >> 10} may be lost, {total >> 10} are to be copied",
              flush=True)
        if found["state"] == "synced" and total == before:
            return                      # the last bytes had gone before the interruption
        check(total <= left + lost, f"{what}: {total} bytes are to be copied, {left} were left and {lost} may be lost")
        self.allowed += lost

    def count_moved(self):
        """The counters end with the replica."""
        self.moved += self.source.counter("sync_bytes")

    def dump(self, node, what):
        """Part of what is in a node's metadata."""
        done = subprocess.run([self.pair.pbctl, "dump-meta", "--external", "--" + what, "--json",
                               node.vm.disk_path("meta")], capture_output=True, text=True)
        check(not done.returncode, f"{node.name}: its metadata is damaged: {done.stdout[-1000:]}{done.stderr}")
        return json.loads(done.stdout)[what]

    def hot_regions(self, node):
        """What a node's activity log names."""
        return {e * EXTENT // REGION + i for e in self.dump(node, "log")["hot_extents"]
                for i in range(EXTENT // REGION)}

    def dirty(self, node):
        """Bytes that a node's dirty map on the disk names."""
        return sum(m["dirty_regions"] for m in self.dump(node, "maps")) * REGION

    def finish(self):
        """It ends; the copied are equal, and every write happened."""
        a, b = self.source, self.target
        self.pair.rig.delay(0)
        a.pbctl("resync", VOLUME, "--max-rate", "0")
        self.pair.wait_synced(a)
        b.check_is("backup", "synced")
        self.count_moved()
        check(self.moved <= self.allowed, f"{self.moved} bytes were copied, {self.allowed} would have done")
        self.pair.set_view(self.pair.view + 1, a, b)
        self.pair.link(a)
        self.churn.wait_acks(100)
        self.stop_writing("acked")
        a.vm.run(f"sync {DEVICE}")
        self.pair.wait_quiet()
        self.verify("in the end")
        self.pair.finish()
        at = self.pair.rig.compare("data", 0, 1, durable=True)
        check(at is None, f"what the disks have flushed differs at byte {at}")


def interrupt_link(transfer, percent, stop, go_on, observer):
    """The connection is lost, and comes back in the same view."""
    source = transfer.source
    mark, connects = observer.mark(), source.link()["connects"]
    left = transfer.reach(percent)
    stop()
    begin = transfer.churn.unflushed()
    try:
        observer.wait_event("peer-silent", mark)
    finally:
        go_on()
    until("a new connection", lambda: source.link()["connects"] > connects, 30)
    transfer.resume()
    lost = regions_of(transfer.churn, begin)
    transfer.check_resumed(left, len(lost) * REGION, f"at {percent} %")


def test_cut(pair):
    """the network is cut: the transfer goes on where it was"""
    transfer = Transfer(pair)
    for percent in ALL:
        interrupt_link(transfer, percent, lambda: pair.rig.cut(0, 1), pair.rig.heal, transfer.source)
    transfer.finish()


def test_freeze(pair):
    """one of the two stands still for longer than the time-out: the transfer goes on where it was"""
    transfer = Transfer(pair)
    nodes = [transfer.target, transfer.source, transfer.target]
    for percent, node in list(zip(ALL, nodes))[:3 if LONG else 2]:
        interrupt_link(transfer, percent, node.vm.freeze, node.vm.thaw, pair.other(node))
    transfer.finish()


def target_dies(transfer, percent):
    """It comes back in the same view, or over one without it."""
    pair, a, b = transfer.pair, transfer.source, transfer.target
    left = transfer.reach(percent)
    begin = transfer.churn.unflushed()
    b.vm.power_cut(keep=0.3, torn=0.2, seed=percent)
    # Its own flushes do not count for the source, only those of checkpoints.
    pending = max(0, transfer.dirty(a) - left)
    lost = transfer.hot_regions(b)
    pair.reboot(b)
    if percent == 50:
        b.come_back(crashed=True)
        transfer.go_on(pair.view)
    else:
        a.set_view(pair.view + 1, a)
        b.set_up_again()
        transfer.go_on(pair.view + 2)
    transfer.resume()
    transfer.progress()
    lost |= regions_of(transfer.churn, begin)
    transfer.check_resumed(left, pending + len(lost) * REGION, f"at {percent} %")
    transfer.finish()


def test_target(pair):
    """the target loses power: what it had not flushed is copied again, and no more"""
    for percent in ALL if LONG else (99,):
        target_dies(Transfer(pair), percent)
        pair.wipe()


def source_dies(transfer, percent):
    """It comes back in the same view, or in another one."""
    pair, a = transfer.pair, transfer.source
    left = transfer.reach(percent)
    begin = transfer.churn.unflushed()
    transfer.count_moved()
    a.vm.power_cut(keep=0.3, torn=0.2, seed=percent)
    transfer.stop_writing("flushed")
    dirty = transfer.dirty(a)
    if percent > 90:
        check(dirty < transfer.begun * 0.7, f"{dirty} bytes are dirty on the disk, {left} in core: no checkpoint")
    lost = transfer.hot_regions(a) | regions_of(transfer.churn, begin)
    transfer.verify(f"after the power cut at {percent} %")
    pair.reboot(a)
    a.come_back(crashed=True)
    transfer.go_on(pair.view + (percent == 20))
    transfer.write()
    transfer.check_resumed(left, max(0, dirty - left) + len(lost) * REGION, f"at {percent} %")
    transfer.finish()


def test_source(pair):
    """the source loses power: the transfer goes on from the last checkpoint"""
    for percent in ALL if LONG else (50,):
        source_dies(Transfer(pair), percent)
        pair.wipe()


def test_full_log(pair):
    """the source dies while the target waits for a word from it to clean its log: the target follows the views"""
    # For leases keepalives would come often.
    pair.new_volume(link=False, extra=(*GEOMETRY, "--lease-ms", "0"))
    a, b = pair.nodes
    pair.set_view(2, a)
    # More extents than the log has slots; nothing but a keepalive tells that they are done, and it comes late.
    a.vm.run(f"dd if=/dev/urandom of={DEVICE} bs=1M count=120 oflag=direct 2>/dev/null", 120)
    pair.set_view(3, a, b.member(":unsynced"))
    pair.link(a, timeout=60000, keepalive=20000)
    seen = set()

    def stuck():
        left = a.status()["transfer"]["left_bytes"]
        if b.status()["applying"] and left in seen:
            return True
        seen.add(left)
        return False
    # Nothing else makes it stand still, and with writes to be applied.
    until("the target's log is full", stuck, 15, 1)
    a.vm.power_cut(keep=0.3, torn=0.2, seed=1)
    print(f"#   {min(seen) >> 10} KiB were left", flush=True)
    pair.reboot(a)
    a.come_back(crashed=True)
    pair.set_view(4, a, b.member(":unsynced"))
    pair.link(a, timeout=TIMEOUT)
    pair.wait_synced(a)
    pair.set_view(5, a, b)
    pair.link(a, timeout=TIMEOUT)
    a.vm.run(f"sync {DEVICE}")
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_cut, test_freeze, test_target, test_source, test_full_log], disks=DISKS))
