# SPDX-License-Identifier: GPL-2.0
"""Clients on every node read and write a few blocks; what they saw must be linearisable.

    recorder = Recorder(cluster.replicas, disk=a.vm.disk_path("data"))
    recorder.start()
    ...                             # faults
    recorder.stop()
    recorder.check("name", primaries)

Each lane of a client has one request at a time. When it was asked and when the answer
was heard is noted here, outside all machines, so an operation seems longer than it was
and never shorter: what is found wrong is wrong.
"""

import collections
import errno
import itertools
import os
import random
import struct
import sys
import threading
import time

from linear import Op, disorder, violations
from pbtest import DEVICE, HERE, SLOW, Failure, VmDied, check, helper, until

# Seconds between the requests of a lane, and after one that was refused: the machines have other work too.
THINK, PAUSE = 0.015, 0.1
BYTES = 4096
# Far from each other: in several extents and regions.
STRIDE = 2731
# Lanes from here on write once, when others have waited for so many seconds; and from there on lanes read once.
LATE, LATE_AFTER = 16, 1.0
ONCE = 32
# No two writes of a run have the same.
VALUES = itertools.count(1)

Request = collections.namedtuple("Request", "start kind block value")


class Client:
    """client.c in one boot of a machine, and its lanes."""

    def __init__(self, recorder, node):
        self.recorder, self.node = recorder, node
        self.once = []              # what came of requests that were made once: Op, or None if refused
        self._pending = b""
        self._open = {}             # lane -> Request
        self._over = False
        self._lock = threading.Lock()
        tool = node.guest_path(helper(os.path.join(HERE, "client.c")))
        self.job = node.vm.spawn(f"exec {tool} {DEVICE}", stdin=True, on_output=self._take)

    def ask(self, lane, kind, block, value=0):
        """One request, unless the client's time is over."""
        with self._lock:
            if self._over or lane in self._open:
                return
            self._open[lane] = Request(time.monotonic(), "r" if kind == "r" else "w", block, value)
        self.job.send(f"{lane} {kind} {block * STRIDE} {value}\n".encode())

    def late_lane(self):
        """A lane for a write while others wait; or None."""
        with self._lock:
            if any(request.start < time.monotonic() - LATE_AFTER for request in self._open.values()):
                return next((lane for lane in range(LATE, ONCE) if lane not in self._open), None)
        return None

    def open(self):
        """Requests without an answer."""
        with self._lock:
            return list(self._open.values())

    def end(self):
        """No answer counts any more: what is open has no end."""
        with self._lock:
            self._over = True
            left, self._open = self._open, {}
        for request in left.values():
            self._note(request, None)

    def _note(self, request, end, value=None):
        op = Op(request.start, end, request.kind, request.value if value is None else value, self.node.name)
        if end is not None or op.kind == "w":
            self.recorder.note(request.block, op)
        return op

    def _take(self, data):
        now = time.monotonic()
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        for line in lines:
            words = line.decode(errors="replace").split()
            if len(words) == 3 and words[0].isdigit():
                self._answer(int(words[0]), words[1], int(words[2]), now)
            else:
                self.recorder.broken.append(f"{self.node.name}: {line!r}")

    def _answer(self, lane, what, number, now):
        with self._lock:
            request = self._open.pop(lane, None)
        if not request:
            return
        op = None
        if what == "ok":
            op = self._note(request, now, number)
        elif what == "torn":
            self.recorder.broken.append(f"{self.node.name}: block {request.block} is torn at word {number}")
        else:
            self._note(request, None)
            # Of who is not the primary nothing else is to be heard.
            if number != errno.EBADE:
                self.recorder.broken.append(f"{self.node.name}: {request} failed: {os.strerror(number)}")
        if lane >= ONCE:
            self.once.append(op)
        elif lane < LATE:
            self.recorder.next(self, lane, THINK if op else PAUSE)


class Recorder:
    """Clients on the nodes, and the history of each block.

    BLOCKS are for all. Each node has one more that it alone writes: a write that waits is
    not excused by others, and the node's first lane reads nothing else than those of the
    others, so it is never behind a write of its own node that waits. While requests wait for
    long there is a write more each second: what began before a fault says little of it.

    disk: image of a replica that has all that was ever written, and nothing under way.
    """

    def __init__(self, nodes, disk, seed=1, blocks=4, lanes=4):
        self.nodes, self.shared, self.lanes = nodes, blocks, lanes
        self.blocks = blocks + len(nodes)
        self.broken = []
        self.clients = {}
        self._rng = random.Random(seed)
        self._initial = [self._on_disk(disk, block) for block in range(self.blocks)]
        self._history = [[] for _ in range(self.blocks)]
        self._lock = threading.Lock()
        self._running = False
        self._waiting = []          # (when, client, lane)
        self._thread = threading.Thread(target=self._run, daemon=True)

    # The clients.

    def start(self):
        """All of them."""
        self._running = True
        self._thread.start()
        for node in self.nodes:
            self.restart(node)

    def restart(self, node):
        """On a machine that was booted, and whose volume is up."""
        if node in self.clients:
            self.clients[node].end()
        client = self.clients[node] = Client(self, node)
        for lane in range(self.lanes):
            self.next(client, lane)

    def read_once(self, node):
        """Ask a node, even one that stands still, for each block."""
        for block in range(self.blocks):
            self.clients[node].ask(ONCE + block, "r", block)

    def wait_read_once(self, node, timeout=30):
        """Wait for the answers to that: the reads that succeeded."""
        client = self.clients[node]
        until(f"{node.name} answers {self.blocks} reads", lambda: len(client.once) >= self.blocks, timeout)
        return [op for op in client.once if op]

    def stop(self, timeout=60):
        """No more requests. On a machine that runs, each one is answered."""
        self._running = False
        self._thread.join()
        deadline = time.monotonic() + timeout * SLOW
        for node, client in self.clients.items():
            while client.open() and node.vm.alive() and time.monotonic() < deadline:
                time.sleep(0.02)
            hung = client.open() if node.vm.alive() else []
            if hung:
                self.broken.append(f"{node.name}: not answered in {timeout} s: {hung}")
            client.end()
            if node.vm.alive():
                client.job.kill()

    def next(self, client, lane, pause=0.0):
        """The lane is to ask for something, after a while."""
        if pause:
            with self._lock:
                self._waiting.append((time.monotonic() + pause, client, lane))
        elif self._running:
            kind, block = self._choose(client, lane)
            client.ask(lane, kind, block, 0 if kind == "r" else next(VALUES))

    def _choose(self, client, lane):
        """What the lane is to ask for: kind, block."""
        own = self.shared + self.nodes.index(client.node)
        with self._lock:
            if lane == 0:
                return "r", self._rng.choice([block for block in range(self.shared, self.blocks) if block != own])
            if lane == 1:
                return self._rng.choice("rws"), own
            return self._rng.choice("rrws"), self._rng.randrange(self.shared)

    def _write_late(self):
        for client in list(self.clients.values()):
            lane = client.late_lane()
            if lane is not None:
                with self._lock:
                    block = self._rng.randrange(self.shared)
                client.ask(lane, "w", block, next(VALUES))

    def _run(self):
        late = time.monotonic()
        while self._running:
            now = time.monotonic()
            if now >= late + LATE_AFTER:
                late = now
                self._write_late()
            with self._lock:
                ready = [w for w in self._waiting if w[0] <= now]
                self._waiting = [w for w in self._waiting if w[0] > now]
            for _, client, lane in ready:
                self.next(client, lane)
            time.sleep(0.005)

    # What they saw.

    def note(self, block, op):
        """An operation is over."""
        with self._lock:
            self._history[block].append(op)

    def _ops(self):
        with self._lock:
            return [op for ops in self._history for op in ops if op.end is not None]

    def done(self, node=None, kind="rw", since=0.0):
        """Successful operations that began after a moment."""
        return [op for op in self._ops() if op.start >= since and op.kind in kind and node in (None, op.node)]

    def wait(self, what, node=None, count=20, kind="w", timeout=30):
        """Wait for that many more, of a node or of all; when the first one ended."""
        since, name = time.monotonic(), node and node.name
        until(f"{what}: {count} operations on {name or 'any node'}",
              lambda: len(self.done(name, kind, since)) >= count, timeout, 0.05)
        return min(op.end for op in self.done(name, kind, since))

    def outage(self, since):
        """The longest time in which no write ended on any node."""
        ends = sorted([since] + [op.end for op in self.done(kind="w") if op.end >= since])
        return max([after - before for before, after in zip(ends, ends[1:])], default=0.0)

    def _on_disk(self, disk, block):
        with open(disk, "rb") as f:
            f.seek(block * STRIDE * BYTES)
            words = set(struct.unpack(f"<{BYTES // 8}Q", f.read(BYTES)))
        check(len(words) == 1, f"block {block} of {disk} is torn: {sorted(words)[:3]}")
        return words.pop()

    def read_disk(self, node):
        """What a disk holds in the end counts as read from it; nothing may be under way."""
        for block in range(self.blocks):
            now = time.monotonic()
            self.note(block, Op(now, now, "r", self._on_disk(node.vm.disk_path("data"), block), f"{node.name}'s disk"))

    def check(self, name, primaries, at_least=50):
        """What was seen is linearisable, and every operation was done by the primary of its view.

        PRIMARIES: nodes' names, in the order of the views since the recorder was started.
        """
        served = [op for op in self._ops() if not op.node.endswith("disk")]
        print(f"# {name}: {dict(collections.Counter(op.node + ' ' + op.kind for op in served))}", flush=True)
        bad = [f"clients: {self.broken[:5]}"] if self.broken else []
        if len(served) < at_least:
            bad.append(f"only {len(served)} operations were done")
        for block, ops in enumerate(self._history):
            bad += [f"block {block}, {len(ops)} operations: {text}" for text in violations(ops, self._initial[block])]
        wrong = disorder(served, primaries)
        bad += [wrong] if wrong else []
        if bad:
            raise Failure(f"{bad[0]} ({len(bad)} in all; {self._save(name, bad, primaries)})")

    def _save(self, name, bad, primaries):
        """The whole history, for who looks for the cause; its path."""
        where = os.environ.get("PB_OUTPUT") or os.path.join("test-output", os.path.basename(sys.argv[0]).split(".")[0])
        os.makedirs(where, exist_ok=True)
        path = os.path.join(where, f"{name}.history")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(bad) + f"\nprimaries {' '.join(primaries)}\n")
            for block, ops in enumerate(self._history):
                f.write(f"block {block}, at first {self._initial[block]}\n")
                for op in sorted(ops, key=lambda op: op.start):
                    end = f"{op.end:.4f}" if op.end is not None else "-"
                    f.write(f"{op.start:.4f} {end} {op.node} {op.kind} {op.value}\n")
        return path


__all__ = ["Recorder"]
