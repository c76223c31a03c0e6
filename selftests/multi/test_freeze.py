#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A machine stands still and comes back: nothing is lost, nothing acknowledged meanwhile."""

import sys
import time

from pbtest import DEVICE, EBADE_TEXT, SLOW, check, main, until

TIMEOUT = 1500 * SLOW
COUNT = 200
# Longer than any pause that a busy host makes by itself.
FROZEN = 6 * SLOW
# When a read began, by the machine's boot time, and what it brought; until one fails.
READER = f"""while read up _ </proc/uptime; do
    word=$(dd if={DEVICE} bs=4096 count=1 iflag=direct 2>/dev/null | head -c 3)
    echo "$up $word"
    [ -n "$word" ] || exit 0
done"""


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


class Reader:
    """Reads the volume's first block again and again; its lines are kept here."""

    def __init__(self, node):
        self.lines = []
        self._pending = b""
        self.job = node.vm.spawn(READER, on_output=self._take)

    def _take(self, data):
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        for line in lines:
            up, _, word = line.decode().partition(" ")
            self.lines.append((float(up), word))


def put(node, word):
    """Write a word to the volume's first block."""
    node.vm.run(f"(printf {word}; head -c 4093 /dev/zero) | dd of={DEVICE} bs=4096 count=1 iflag=fullblock oflag=direct")


def uptime(node):
    return float(node.vm.run("cat /proc/uptime").out.split()[0])


def replace_standing(pair, stop, go):
    """Stop the primary, replace it, write, let it go on: what it reads, and its clock's gain."""
    a, b = pair.nodes
    pair.link(timeout=TIMEOUT)
    put(a, "old")
    reader = Reader(a)
    until("some reads", lambda: len(reader.lines) > 20)
    mark, began, up = b.mark(), time.monotonic(), uptime(a)
    stop(a.vm)
    try:
        b.wait_event("peer-silent", mark)
        b.set_view(2, b, a.member(":unsynced"))
        put(b, "new")
        time.sleep(max(0, began + FROZEN - time.monotonic()))
        known = len(reader.lines)
    finally:
        go(a.vm)
    until("a read that waits", lambda: a.status()["held"] or reader.job.poll() is not None)
    gain = uptime(a) - up
    a.unlink()
    a.set_view(2, b, a.member(":unsynced"))
    reader.job.wait(30)
    check(reader.lines[-1][1] == "", f"the last read was not refused: {reader.lines[-1]}")
    check(not [line for line in reader.lines if line[1] not in ("old", "")], "it read something else")
    got = a.read_errno()
    check(got and EBADE_TEXT in got, f"a read was not refused with EBADE: {got}")
    return reader.lines, known, up, gain


def test_lease(pair):
    """primary frozen and replaced: thawed, no read that begins then shows what was before"""
    pair.new_volume(link=False)
    lines, _, up, gain = replace_standing(pair, lambda vm: vm.freeze(), lambda vm: vm.thaw())
    check(gain > FROZEN - 1, f"the machine's clock went on by {gain:.1f} s only: nothing was tested")
    late = [line for line in lines if line[0] > up + FROZEN - 1 and line[1]]
    check(not late, f"read after the thaw: {late[:5]}, {len(late)} in all")
    pair.finish(equal=False)


def test_confirm(pair):
    """primary paused with its clock and replaced: reads that are confirmed show nothing old"""
    pair.new_volume(link=False, extra=("--reads", "confirm"))
    lines, known, _, _ = replace_standing(pair, lambda vm: vm.pause(), lambda vm: vm.resume())
    late = [line for line in lines[known:] if line[1]]
    # One may have been read, and some said, when the machine stopped.
    check(len(late) < 5, f"read after the pause: {late[:5]}, {len(late)} in all")
    pair.finish(equal=False)


if __name__ == "__main__":
    sys.exit(main([test_backup, test_primary, test_short, test_lease, test_confirm]))
