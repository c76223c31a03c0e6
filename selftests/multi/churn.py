# SPDX-License-Identifier: GPL-2.0
"""churn.c in a guest, and what may be on a disk after it.

What operation N of a thread is follows from the seed, so the test needs to know only
how far each thread has come. Numbers grow from one Churn to the next on the same
volume: a sector with an old number is one that was lost, or has come back.
"""

import mmap
import os
import shlex
import struct
import threading

from pbtest import DEVICE, HERE, check, helper, until

MAGIC = 0x31304e5255484344
MASK = (1 << 64) - 1
GOLDEN = 0x9e3779b97f4a7c15
BLOCK, SECTOR, CHUNK_BLOCKS, WINDOW = 4096, 512, 16, 16
CHUNK = CHUNK_BLOCKS * BLOCK
ZEROES = bytes(BLOCK)
WRITE, FUA, DISCARD, FLUSH = range(4)
# How many of the last lines may be lost when a machine dies.
SLACK = 2000


def mix(x):
    """The same as in churn.c."""
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


class Churn:
    """One run of churn.c. What it says is kept here, outside the machine."""

    def __init__(self, node, size, seed, first=1, threads=4, flushes=32, pause_us=0):
        self.node = node
        self.seed, self.first, self.threads, self._often = seed, first, threads, flushes
        self.chunks = size // CHUNK
        self.acked = [first - 1] * threads      # all up to here were done
        self.flushes = [[first - 1] for _ in range(threads)]
        self.durable = [set() for _ in range(threads)]
        self.errors = []                        # (thread, n, errno)
        self.missed = [first] * threads         # a backup may lack what came from here on
        self._pending = b""
        self._lock = threading.Lock()
        words = [node.guest_path(helper(os.path.join(HERE, "churn.c"))), DEVICE, "-t", threads, "-c", self.chunks,
                 "-r", seed, "-n", first, "-f", flushes, "-p", pause_us]
        self.job = node.vm.spawn("exec " + shlex.join(str(w) for w in words), on_output=self._take)

    def _take(self, data):
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        with self._lock:
            for line in lines:
                self._line(line.decode(errors="replace").split())

    def _line(self, words):
        if len(words) != 4 or words[0] not in "adfe":
            return
        thread, n, error = map(int, words[1:])
        if words[0] == "e":
            self.errors.append((thread, n, error))
            return
        self.acked[thread] = n
        if words[0] == "d":
            self.durable[thread].add(n)
        elif words[0] == "f":
            self.flushes[thread].append(n)

    @property
    def acks(self):
        """Operations done in all."""
        return sum(self.acked) - self.threads * (self.first - 1)

    @property
    def next(self):
        """A number that no operation can have had."""
        return max(self.acked) + SLACK + 1

    def wait_acks(self, more, timeout=60):
        """Wait until so many more operations are done."""
        goal = self.acks + more
        until(f"{self.node.name}: {more} operations more", lambda: self.acks >= goal or self.errors, timeout, 0.002)
        check(not self.errors, f"operations failed: {self.errors}")

    def stop(self):
        """End it; what it had in flight completes first."""
        self.job.kill()
        self.job.wait(60)

    def choose(self, thread, n):
        """(kind, block, count) of an operation; the same as in churn.c."""
        r = mix(self.seed * GOLDEN + (thread << 48) + n & MASK)
        chunk, start, kind = r >> 8 & 0xffffff, r >> 32 & (CHUNK_BLOCKS - 1), r >> 52 & 1023
        if r >> 5 & 3:
            chunk = n // 128 * WINDOW // 2 + chunk % WINDOW
        block = (chunk % (self.chunks // self.threads) * self.threads + thread) * CHUNK_BLOCKS + start
        often = self._often
        kind = FLUSH if kind < often else FUA if kind < 3 * often else DISCARD if kind < 3 * often + 64 else WRITE
        return kind, block, 1 + (r >> 40 & 0xff) % (CHUNK_BLOCKS - start)

    def operations(self, thread, begin=None):
        """(n, kind, block, count) of all that may have reached a disk, flushes left out."""
        for n in range(begin or self.first, self.acked[thread] + SLACK):
            kind, block, count = self.choose(thread, n)
            if kind != FLUSH:
                yield n, kind, block, count

    def unflushed(self):
        """For each thread, the first operation that may not be covered by a flush of all disks.

        A backup may count a flush for less than the primary does while other writes are
        under way, hence not the last flush but one before.
        """
        return [flushes[-4:][0] + 1 for flushes in self.flushes]

    def blocks(self, begin):
        """What was written from these operations on."""
        found = set()
        for thread in range(self.threads):
            # No more than one of a thread is under way.
            for n in range(begin[thread], self.acked[thread] + 2):
                kind, block, count = self.choose(thread, n)
                if kind != FLUSH:
                    found.update(range(block, block + count))
        return found


class Oracle:
    """What each block of the volume may hold; it learns from each look at a disk."""

    def __init__(self, size):
        self.size = size
        self._known = {}            # block -> its 8 sectors' numbers, 0 for zeroes
        self._seen = {}             # block -> hash of what was there when that was found

    def allowed(self, runs):
        """{block: (whether it must be one of these, numbers)} after [(churn, 'acked' or 'flushed')]."""
        found = {}
        for churn, promise in runs:
            for thread in range(churn.threads):
                upto = churn.acked[thread] if promise == "acked" else churn.flushes[thread][-1]
                for n, kind, block, count in churn.operations(thread):
                    must = n <= upto or n in churn.durable[thread]
                    value = 0 if kind == DISCARD else n
                    for b in range(block, block + count):
                        if must or b not in found:
                            found[b] = (must, {value})
                        else:
                            found[b][1].add(value)
        return found

    def verify(self, path, runs, where):
        """Every promise kept, and nothing there that was not written; else Failure."""
        allowed = self.allowed(runs)
        bad = []
        with open(path, "rb") as f, mmap.mmap(f.fileno(), self.size, access=mmap.ACCESS_READ) as disk:
            for block in range(self.size // BLOCK):
                data = disk[block * BLOCK:(block + 1) * BLOCK]
                if block in allowed or block in self._known:
                    bad += self._look(block, data, *allowed.get(block, (False, set())))
                elif data != ZEROES:
                    bad.append(f"block {block}: nobody has written there")
        check(not bad, f"{where}: {len(bad)} wrong blocks\n" + "\n".join(bad[:12]))

    def _look(self, block, data, must, numbers):
        before = self._known.get(block, (0,) * 8)
        seen = hash(data)
        if self._seen.get(block) == seen:
            found = before
        else:
            found = tuple(self._number(data[i * SECTOR:(i + 1) * SECTOR], block * 8 + i) for i in range(8))
        self._known[block], self._seen[block] = found, seen
        for i, number in enumerate(found):
            if number is None:
                return [f"block {block} sector {i}: torn inside, or of another place"]
            if number not in numbers and (must or number != before[i]):
                wanted = sorted(numbers) if must else [before[i], *sorted(numbers)]
                return [f"block {block} sector {i}: {number} is there, not one of {wanted[:6]}"
                        f"{' (promised)' if must else ''}; all: {found}"]
        return []

    @staticmethod
    def _number(data, sector):
        magic, n, own = struct.unpack_from("<QQQ", data)
        if not magic and not any(data):
            return 0
        tag = struct.pack("<Q", mix(n * GOLDEN + sector & MASK))
        return n if (magic, own) == (MAGIC, sector) and data[24:] == tag * 61 else None
