#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One fault after the other, under clients on both nodes: what they see is linearisable.

Each entry of the table is a fault and what the documentation says of it (service.rst,
views.rst): who serves while it lasts. The clients run before it, while it lasts and
afterwards. Then what they saw must be linearisable for each block, the disks included;
each operation must have been done by the primary of its view; both replicas are equal.

By default those of the table that are marked are run; all with PB_LONG=1.
"""

import collections
import os
import sys
import time

from cluster import run
from faults import Faults
from pbtest import LONG, SLOW, check, until
from recorder import Recorder

ALL = LONG or bool(os.environ.get("PB_TESTS"))
# ms; more than a busy host takes to start a daemon, where one is killed.
DEAD_AFTER = (8000 if ALL else 4000) * SLOW
# ms; longer than that, so a backup that is promoted has a lease to wait out that is still used.
LEASE = DEAD_AFTER + 1000

Entry = collections.namedtuple("Entry", "name title fault expect quick", defaults=[False])


class World:
    """The cluster while a fault lasts: a is the primary when it begins, b its synced backup."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.a, self.b = cluster.nodes[:2]
        self.server = cluster.server
        self.recorder = Recorder(cluster.replicas, self.a.vm.disk_path("data"), seed=name)
        self.faults = Faults(cluster, self.recorder)
        self.view = cluster.view()
        self.connects = self.a.link()["connects"]
        self.began = 0.0

    def history(self):
        """The views since it began."""
        return self.cluster.history(self.view[0])

    def beyond_detection(self):
        """Wait until whoever is silent since the fault began counts as dead: time is what is looked at."""
        time.sleep(max(0.0, self.began + DEAD_AFTER / 1000 + 1 - time.monotonic()))


# What is to be seen while a fault lasts, and of how it ends.

def takes_over(world):
    """The backup becomes the primary and serves; the old primary becomes its backup."""
    world.recorder.wait("the backup takes over", world.b)
    yield
    check(world.cluster.members() == (world.b, world.a), f"members {world.cluster.view()}")


def takes_over_from_frozen(world):
    """The same; and what the old primary is asked before it goes on, it must not answer with what is old."""
    check(not world.recorder.done(world.a.name, since=world.began), "it does not stand still")
    ends = takes_over(world)
    next(ends)
    world.recorder.read_once(world.a)
    yield
    shown = world.recorder.wait_read_once(world.a)
    print(f"# {len(shown)} of the reads that waited for the thaw were not refused", flush=True)
    yield from ends


def goes_on_alone(world):
    """The primary goes on in a view without the backup, which comes back when it can."""
    world.cluster.wait_view("the backup is left out", lambda s: len(s["view"]["members"]) == 1)
    names = {view["members"][0]["node"] for view in world.history()}
    check(names == {world.a.name}, f"primaries {names}")
    world.recorder.wait("it goes on alone", world.a)
    yield
    check(world.cluster.members() == (world.a, world.b), f"members {world.cluster.view()}")


def goes_on_alone_cut(world):
    """The same, and for the reason that the primary gave: nobody was silent."""
    ends = goes_on_alone(world)
    next(ends)
    because = {view["because"] for view in world.history() if len(view["members"]) == 1}
    check(because == {"the primary could not reach the backup"}, f"because {because}")
    yield
    yield from ends


def undisturbed(world):
    """The primary serves, and neither the view nor the connection changes."""
    world.recorder.wait("it goes on", world.a, 40)
    yield
    check(world.cluster.view() == world.view, f"view {world.view} became {world.cluster.view()}")
    check(world.a.link()["connects"] == world.connects, f"the connection was made anew: {world.a.link()}")


def undisturbed_long(world):
    """The same, beyond the time after which silence counts as death."""
    world.beyond_detection()
    yield from undisturbed(world)


def anything(_world):
    """Nothing is said of the time while it lasts, which is a while."""
    time.sleep(8 * SLOW)
    yield


TABLE = [
    # Machines.
    Entry("primary_killed", "the primary's machine dies", lambda w: w.faults.kill(w.a), takes_over, True),
    Entry("backup_killed", "the backup's machine dies", lambda w: w.faults.kill(w.b), goes_on_alone),
    Entry("primary_frozen", "the primary stands still until it is replaced, and goes on",
          lambda w: w.faults.freeze(w.a.vm), takes_over_from_frozen, True),
    Entry("backup_frozen", "the backup stands still until it is left out, and goes on",
          lambda w: w.faults.freeze(w.b.vm), goes_on_alone),
    # The network between the two.
    Entry("pair_cut", "primary and backup are cut from each other",
          lambda w: w.faults.cut(w.a.vm, w.b.vm), goes_on_alone_cut, True),
    Entry("primary_to_backup_cut", "nothing gets from the primary to the backup",
          lambda w: w.faults.cut(w.a.vm, w.b.vm, "a>b"), goes_on_alone),
    Entry("backup_to_primary_cut", "nothing gets from the backup to the primary",
          lambda w: w.faults.cut(w.a.vm, w.b.vm, "b>a"), goes_on_alone),
    # The network to the view server.
    Entry("primary_from_server_cut", "the primary is cut from the view server alone",
          lambda w: w.faults.cut(w.a.vm, w.server), takes_over, True),
    Entry("primary_to_server_cut", "nothing gets from the primary to the view server",
          lambda w: w.faults.cut(w.a.vm, w.server, "a>b"), takes_over),
    Entry("server_to_primary_cut", "nothing gets from the view server to the primary",
          lambda w: w.faults.cut(w.a.vm, w.server, "b>a"), takes_over),
    Entry("backup_from_server_cut", "the backup is cut from the view server alone",
          lambda w: w.faults.cut(w.b.vm, w.server), goes_on_alone),
    Entry("backup_to_server_cut", "nothing gets from the backup to the view server",
          lambda w: w.faults.cut(w.b.vm, w.server, "a>b"), goes_on_alone),
    Entry("server_to_backup_cut", "nothing gets from the view server to the backup",
          lambda w: w.faults.cut(w.b.vm, w.server, "b>a"), goes_on_alone),
    # All of it.
    Entry("primary_isolated", "the primary is cut from everything", lambda w: w.faults.isolate(w.a.vm), takes_over,
          True),
    Entry("backup_isolated", "the backup is cut from everything", lambda w: w.faults.isolate(w.b.vm), goes_on_alone),
    Entry("bad_network", "30 % of all frames are lost, 30 % arrive out of order",
          lambda w: w.faults.bad_network(), anything, True),
    # The view server.
    Entry("server_restarted", "the view server is killed, and started with its store",
          lambda w: w.faults.kill_server(), undisturbed, True),
    Entry("server_away", "the view server is killed, and is away for long",
          lambda w: w.faults.kill_server(), undisturbed_long),
    Entry("server_frozen", "the view server's machine stands still for long",
          lambda w: w.faults.freeze(w.server), undisturbed_long),
    Entry("server_cut", "the view server is cut from everything for long",
          lambda w: w.faults.isolate(w.server), undisturbed_long, True),
    # Daemons.
    Entry("primary_daemon_killed", "pbviewd of the primary is killed, and started again",
          lambda w: w.faults.kill_daemon(w.a), undisturbed),
    Entry("backup_daemon_killed", "pbviewd of the backup is killed, and started again",
          lambda w: w.faults.kill_daemon(w.b), undisturbed),
    # Clocks.
    Entry("primary_clock_forward", "the primary's clock is put 5 hours forward",
          lambda w: w.faults.clock(w.a.vm, 5), undisturbed, True),
    Entry("primary_clock_back", "the primary's clock is put 7 hours back",
          lambda w: w.faults.clock(w.a.vm, -7), undisturbed),
    Entry("backup_clock_forward", "the backup's clock is put 5 hours forward",
          lambda w: w.faults.clock(w.b.vm, 5), undisturbed),
    Entry("backup_clock_back", "the backup's clock is put 7 hours back",
          lambda w: w.faults.clock(w.b.vm, -7), undisturbed),
    Entry("server_clock_forward", "the view server's clock is put 5 hours forward",
          lambda w: w.faults.clock(w.server, 5), undisturbed),
    Entry("server_clock_back", "the view server's clock is put 7 hours back",
          lambda w: w.faults.clock(w.server, -7), undisturbed),
]


def histories(cluster, entry):
    """One entry of the table."""
    world = World(cluster, entry.name)
    recorder = world.recorder
    recorder.start()
    recorder.wait("before the fault", world.a, 20, "rw")
    world.began = time.monotonic()
    ends = entry.expect(world)
    with entry.fault(world):
        next(ends)
    cluster.restore()
    primary, backup = cluster.members()
    recorder.wait("after the fault", primary)
    for _ in ends:
        pass
    recorder.stop()
    print(f"# no write ended for {recorder.outage(world.began):.1f} s", flush=True)
    cluster.check_equal(primary, backup)
    recorder.read_disk(primary)
    recorder.check(entry.name, [view["members"][0]["node"] for view in world.history()])


def make_test(entry):
    """A test function of its own name for an entry."""
    def test(cluster):
        histories(cluster, entry)
    test.__name__ = f"test_{entry.name}"
    test.__doc__ = entry.title
    return test


if __name__ == "__main__":
    sys.exit(run([make_test(entry) for entry in TABLE if entry.quick or ALL], dead_after=DEAD_AFTER,
                 volume=f"lease_ms = {LEASE}; retry_ms = 500;"))
