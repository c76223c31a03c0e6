#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Faults at random under clients on every node: what they see is linearisable, and service comes back.

A schedule is made from its seed before it begins: faults of machines, daemons, the
view server, the network and the clocks, two at a time, each undone after a while.
PB_SEED is the seed of the first one (default 1), the next have the next; they are the
same each time, though not to the millisecond. PB_ROUNDS is how many, PB_SECONDS how long.
PB_REPLICAS=3: with an idle third replica.
"""

import contextlib
import os
import random
import sys
import time

from cluster import run
from faults import Faults
from pbtest import LONG, SLOW, Failure
from recorder import Recorder

ROUNDS = int(os.environ.get("PB_ROUNDS", 20 if LONG else 1))
SECONDS = int(os.environ.get("PB_SECONDS", 60 if LONG else 20))
REPLICAS = int(os.environ.get("PB_REPLICAS", 2))
SEED = int(os.environ.get("PB_SEED", 1))
# ms; short, so that most faults are noticed. A view that changes for no reason is one more fault.
DEAD_AFTER = 1500 * SLOW
# ms; longer, so that a backup that is promoted has something to wait for.
LEASE = DEAD_AFTER + 500
# Seconds that a fault may last.
LONGEST = 5.0
WAYS = ["both", "a>b", "b>a"]


class Draw:
    """Draws faults; what they need is taken while they last, so that no two have the same."""

    def __init__(self, cluster, faults, rng):
        self.cluster, self.faults, self.rng = cluster, faults, rng
        self.nodes = cluster.replicas

    def draw(self, taken):
        """(text, what it takes, fault) of something that can happen beside what is TAKEN."""
        while True:
            node = self.rng.choice(self.nodes)
            text, takes, fault = self.rng.choice(self._kinds())(node)
            if not takes & taken:
                return text, takes, fault

    def _kinds(self):
        return [self._kill, self._freeze, self._freeze, self._cut_pair, self._cut_server, self._cut_server,
                self._isolate, self._isolate, self._bad_network, self._daemon, self._clock, self._server]

    def _kill(self, node):
        return f"{node.name} is killed", {node.name}, lambda: self.faults.kill(node)

    def _freeze(self, node):
        return f"{node.name} is frozen", {node.name}, lambda: self.faults.freeze(node.vm)

    def _cut_pair(self, node):
        other = self.rng.choice([n for n in self.nodes if n is not node])
        way = self.rng.choice(WAYS)
        return (f"{node.name} and {other.name} are cut, {way}", {"network"},
                lambda: self.faults.cut(node.vm, other.vm, way))

    def _cut_server(self, node):
        way = self.rng.choice(WAYS)
        return (f"{node.name} is cut from the view server, {way}", {"network"},
                lambda: self.faults.cut(node.vm, self.cluster.server, way))

    def _isolate(self, node):
        vm, name = self.rng.choice([(node.vm, node.name), (node.vm, node.name), (self.cluster.server, "server")])
        return f"{name} is isolated", {"network"}, lambda: self.faults.isolate(vm)

    def _bad_network(self, _node):
        return "frames are lost and out of order", {"network"}, self.faults.bad_network

    def _server(self, _node):
        text, fault = self.rng.choice([
            ("killed", self.faults.kill_server),
            ("frozen", lambda: self.faults.freeze(self.cluster.server))])
        return f"the view server is {text}", {"server"}, fault

    def _daemon(self, node):
        return f"pbviewd of {node.name} is killed", {node.name}, lambda: self.faults.kill_daemon(node)

    def _clock(self, node):
        hours = self.rng.choice([-7, 5])
        vm, name = self.rng.choice([(node.vm, node.name), (node.vm, node.name), (self.cluster.server, "server")])
        return f"the clock of {name} is put by {hours} h", {name}, lambda: self.faults.clock(vm, hours)


def plan(draw, rng):
    """[(begin, end, text, fault)] of a schedule."""
    found, free = [], [0.0, 0.0]    # free: when each of two may have the next one
    while min(free) < SECONDS:
        place = free.index(min(free))
        begin = free[place] + rng.random() * 2
        end = begin + 0.1 + rng.random() * LONGEST
        taken = set().union(*(takes for b, e, _, takes, _ in found if b < end + 1 and e + 1 > begin))
        if len(taken) > 2:
            free[place] = begin + 1
            continue
        text, takes, fault = draw.draw(taken)
        found.append((begin, end, text, takes, fault))
        free[place] = end
    return [(begin, end, text, fault) for begin, end, text, _, fault in sorted(found, key=lambda f: f[:2])]


def carry_out(schedule):
    """Each begins and ends in its time; booting a machine again takes none of it."""
    start = time.monotonic()
    todo = sorted([(begin, i, True) for i, (begin, _, _, _) in enumerate(schedule)]
                  + [(end, i, False) for i, (_, end, _, _) in enumerate(schedule)])
    stacks = {}
    for when, i, begins in todo:
        time.sleep(max(0, start + when - time.monotonic()))
        text, fault = schedule[i][2:]
        print(f"# {time.monotonic() - start:5.1f} s: {text}{'' if begins else ': undone'}", flush=True)
        if begins:
            stacks[i] = contextlib.ExitStack()
            stacks[i].enter_context(fault())
        else:
            stacks.pop(i).close()
        start = max(start, time.monotonic() - when)


def equal_in_the_end(cluster):
    """Both replicas are equal in a view that stays for so long; the primary."""
    while True:
        cluster.wait_healthy()
        view, (primary, backup) = cluster.view(), cluster.members()
        try:
            cluster.check_equal(primary, backup)
            return primary
        except Failure:
            if cluster.view() == view:
                raise


def one_schedule(cluster, seed):
    """It, and then the volume must be healthy, and what was seen linearisable."""
    print(f"# PB_SEED={seed}", flush=True)
    recorder = Recorder(cluster.replicas, cluster.nodes[0].vm.disk_path("data"), seed=seed)
    rng = random.Random(seed)
    schedule = plan(Draw(cluster, Faults(cluster, recorder), rng), rng)
    number = cluster.view()[0]
    recorder.start()
    carry_out(schedule)
    cluster.restore()
    recorder.wait("service after the faults")
    recorder.stop()
    recorder.read_disk(equal_in_the_end(cluster))
    views = cluster.history(number)
    print(f"# views {number} to {views[-1]['number']}", flush=True)
    recorder.check(f"schedule-{seed}", [view["members"][0]["node"] for view in views])


def make_test(seed):
    """A test function of its own name for each schedule."""
    def test(cluster):
        one_schedule(cluster, seed)
    test.__name__ = f"test_faults{seed}"
    test.__doc__ = f"{SECONDS} s of faults at random, seed {seed}: linearisable, and service comes back"
    return test


def main():
    """The exit status."""
    seeds = range(SEED, SEED + ROUNDS)
    return run([make_test(seed) for seed in seeds], replicas=REPLICAS, dead_after=DEAD_AFTER,
               volume=f"lease_ms = {LEASE}; retry_ms = 500;")


if __name__ == "__main__":
    sys.exit(main())
