#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Faults at random under clients on every node: what they see is linearisable, and service comes back.

A schedule is some faults of machines, daemons, the view server, the network and the
clocks, one after the other, each undone after a while. PB_SEED repeats one.
"""

import sys
import time

from cluster import run
from pbtest import LONG, check, seeded
from recorder import Recorder

SCHEDULES = 20 if LONG else 1
SECONDS = 60 if LONG else 20


class Faults:
    """One schedule on a cluster."""

    def __init__(self, cluster, rng, recorder):
        self.cluster, self.rng, self.recorder = cluster, rng, recorder

    def kill(self):
        """A machine dies, and comes back."""
        node = self.rng.choice(self.cluster.replicas)
        node.vm.kill()
        yield f"{node.name} is killed"
        node.reset()
        self.recorder.restart(node)

    def freeze(self):
        """A machine stands still for longer than after which it counts as dead."""
        node = self.rng.choice(self.cluster.replicas)
        node.vm.freeze()
        yield f"{node.name} is frozen"
        node.vm.thaw()

    def cut_pair(self):
        """The network between the two, one way or both."""
        a, b = self.cluster.replicas[:2]
        direction = self.rng.choice(["both", "a>b", "b>a"])
        self.cluster.rig.cut(a.vm, b.vm, direction)
        yield f"the pair is cut, {direction}"
        self.cluster.rig.heal()

    def cut_server(self):
        """The network between a node and the view server, one way or both."""
        node = self.rng.choice(self.cluster.replicas)
        direction = self.rng.choice(["both", "a>b", "b>a"])
        self.cluster.rig.cut(node.vm, self.cluster.server, direction)
        yield f"{node.name} is cut from the view server, {direction}"
        self.cluster.rig.heal()

    def isolate(self):
        """A node from everybody."""
        node = self.rng.choice(self.cluster.replicas)
        self.cluster.rig.isolate(node.vm)
        yield f"{node.name} is isolated"
        self.cluster.rig.heal()

    def loss(self):
        """Frames are lost at random everywhere."""
        nodes = self.cluster.rig.nodes
        for i, a in enumerate(nodes):
            for b in nodes[i + 1:]:
                self.cluster.rig.loss(a, b, 0.3)
        yield "30 % of the frames are lost"
        self.cluster.rig.heal()

    def server_killed(self):
        """The view server's process."""
        self.cluster.kill_server()
        yield "the view server is killed"
        self.cluster.start_server()

    def server_frozen(self):
        """The view server's machine."""
        self.cluster.server.freeze()
        yield "the view server is frozen"
        self.cluster.server.thaw()

    def daemon_killed(self):
        """A node's pbviewd."""
        node = self.rng.choice(self.cluster.replicas)
        node.kill_daemon()
        yield f"pbviewd of {node.name} is killed"
        node.start_daemon()

    def clock(self):
        """The time of day of a machine is put forward or back by hours."""
        node = self.rng.choice(self.cluster.replicas)
        hours = self.rng.choice([-7, 5])
        node.vm.run(f"date -s @$(($(date +%s) + {hours * 3600}))")
        yield f"the clock of {node.name} is put by {hours} h"
        node.vm.run(f"date -s @$(($(date +%s) - {hours * 3600}))")

    def all(self):
        """Every kind."""
        return [self.kill, self.freeze, self.cut_pair, self.cut_server, self.isolate, self.loss, self.server_killed,
                self.server_frozen, self.daemon_killed, self.clock]


def schedule(cluster, rng):
    """One after the other, for a while; then the volume must be healthy, and what was seen linearisable."""
    recorder = Recorder(cluster.replicas, rng)
    faults = Faults(cluster, rng, recorder)
    recorder.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(rng.random() * 3)
        for what in rng.choice(faults.all())():
            print(f"# {what}", flush=True)
            time.sleep(0.1 + rng.random() * 3)
    cluster.restore()
    before = recorder.total()
    deadline = time.monotonic() + 30
    while recorder.total() < before + 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    recorder.stop()
    check(recorder.total() >= before + 20, f"no service after the faults: {recorder.done}")
    recorder.check(at_least=50)
    print(f"# {recorder.done}, view {cluster.view()[0]}", flush=True)
    a, b = cluster.members()
    cluster.check_equal(a, b)


def make_test(number):
    """A test function of its own name for each schedule."""
    def test(cluster):
        schedule(cluster, seeded(f"faults{number}"))
    test.__name__ = f"test_faults{number}"
    test.__doc__ = f"faults at random, schedule {number}: linearisable, and service comes back"
    return test


if __name__ == "__main__":
    sys.exit(run([make_test(i + 1) for i in range(SCHEDULES)]))
