# SPDX-License-Identifier: GPL-2.0
"""Clients on every node read and write a few blocks; what they saw must be linearisable.

    recorder = Recorder(nodes, rng)
    recorder.start()
    ...                             # faults
    recorder.stop()
    recorder.check()

Each lane of a client has one request at a time. When it was asked and when the answer
was heard is noted here, outside all machines, so an operation seems longer than it was
and never shorter: what is found wrong is wrong.
"""

import contextlib
import itertools
import os
import threading
import time

from linear import Op, violations
from pbtest import DEVICE, HERE, Failure, VmDied, check, helper

# A node that refuses is asked again after this long, seconds.
PAUSE = 0.05


class Client:
    """client.c on one node, and its lanes."""

    def __init__(self, recorder, node, lanes):
        self.recorder, self.node, self.lanes = recorder, node, lanes
        self._pending = b""
        self._open = {}             # lane -> (start, kind, block, value)
        self._lock = threading.Lock()
        self.job = None

    def start(self):
        """Begin, on a machine that runs."""
        tool = self.node.guest_path(helper(os.path.join(HERE, "client.c")))
        self.job = self.node.vm.spawn(f"exec {tool} {DEVICE}", stdin=True, on_output=self._take)
        for lane in range(self.lanes):
            self._ask(lane)

    def end(self):
        """No answer comes any more: what is open has no end."""
        with self._lock:
            left, self._open = self._open, {}
        for start, kind, block, value in left.values():
            if kind == "w":
                self.recorder.note(block, Op(start, None, kind, value))

    def _ask(self, lane):
        if not self.recorder.running:
            return
        kind, block, value = self.recorder.choose()
        with self._lock:
            self._open[lane] = (time.monotonic(), kind, block, value)
        with contextlib.suppress(VmDied, OSError):
            self.job.send(f"{lane} {kind} {block} {value}\n".encode())

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
            start, kind, block, value = self._open.pop(lane, (None, None, None, None))
        if start is None:
            return
        if what == "torn":
            self.recorder.broken.append(f"{self.node.name}: block {block} is torn at word {number}")
        elif what == "ok":
            self.recorder.note(block, Op(start, now, kind, number if kind == "r" else value))
            self.recorder.count(self.node.name, kind)
        elif kind == "w":
            self.recorder.note(block, Op(start, None, kind, value))
        if what == "ok":
            self._ask(lane)
        else:
            self.recorder.later(self, lane)


class Recorder:
    """Clients on the nodes, and the history of each block."""

    def __init__(self, nodes, rng, blocks=4, lanes=3):
        self.rng, self.blocks = rng, blocks
        self.running = False
        self.broken = []
        self.done = {}              # (node's name, kind) -> how many
        self._history = {block: [] for block in range(blocks)}
        self._values = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting = []          # (when, client, lane)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.clients = {node: Client(self, node, lanes) for node in nodes}

    def start(self):
        """All clients."""
        self.running = True
        self._thread.start()
        for client in self.clients.values():
            client.start()

    def restart(self, node):
        """The node's machine was booted again, and its volume is up."""
        self.clients[node].end()
        self.clients[node].start()

    def stop(self, timeout=60):
        """No more requests; wait for the answers that can come."""
        self.running = False
        deadline = time.monotonic() + timeout
        for node, client in self.clients.items():
            while client._open and node.vm.alive() and time.monotonic() < deadline:
                time.sleep(0.02)
            client.end()
            if node.vm.alive():
                client.job.kill()

    def choose(self):
        """What to ask for next."""
        with self._lock:
            kind = self.rng.choice("rrw")
            return kind, self.rng.randrange(self.blocks), next(self._values) if kind == "w" else 0

    def note(self, block, op):
        """An operation is over."""
        with self._lock:
            self._history[block].append(op)

    def count(self, name, kind):
        """One more has succeeded."""
        with self._lock:
            self.done[name, kind] = self.done.get((name, kind), 0) + 1

    def total(self):
        """Operations that have succeeded."""
        with self._lock:
            return sum(self.done.values())

    def later(self, client, lane):
        """Ask again after a while."""
        with self._lock:
            self._waiting.append((time.monotonic() + PAUSE, client, lane))

    def _run(self):
        while self.running:
            with self._lock:
                now = time.monotonic()
                ready = [w for w in self._waiting if w[0] <= now]
                self._waiting = [w for w in self._waiting if w[0] > now]
            for _, client, lane in ready:
                client._ask(lane)
            time.sleep(0.01)

    def check(self, at_least=1):
        """The history of each block is linearisable; AT_LEAST so many operations were done."""
        check(not self.broken, f"clients: {self.broken[:5]}")
        check(self.total() >= at_least, f"only {self.total()} operations were done: {self.done}")
        for block, ops in self._history.items():
            bad = violations(ops)
            if bad:
                raise Failure(f"block {block}, {len(ops)} operations: {bad[0]} ({len(bad)} in all)")


__all__ = ["Recorder"]
