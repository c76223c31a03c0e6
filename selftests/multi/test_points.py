#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The crash points: a machine stops at each named moment, and the other goes on; see kmod/pb-crash-list.h.

The list comes from the module itself, with who can die there and what has to be done to reach
the point; one that is not reached is a failure. With PB_LONG each point is tried on each
role, alone and with the other machine dying too; with PB_CI each once; else one of each kind.
PB_POINTS=NAME,NAME:b:both picks some; PB_SEED repeats the choices.
"""

import collections
import contextlib
import os
import sys

from campaign import DISKS, TIMEOUT, Campaign, log
from pbtest import LONG, VmDied, check, main, seeded

CI = os.environ.get("PB_CI") == "1"
PARAMETER = "/sys/module/dm_pb/parameters/crash"
# How long the writer is given to reach a point.
PATIENCE = 30
# What is written meanwhile; see Campaign.write().
WRITERS = {"write": {"flushes": 32, "pause_us": 2000}, "log": {"flushes": 32, "pause_us": 2000, "share": 1.0},
           "full": {"flushes": 1, "pause_us": 0, "share": 1.0}, "view": {}, "join": {}, "crashed": {}}

# Where the view that was told last is durable, whether or not the node could say so.
VIEW_IS_STORED = ["VIEW_STORED", "MAP_COMMITTED", "VIEW_ENTERED"]

Point = collections.namedtuple("Point", "name who drive often when")
Case = collections.namedtuple("Case", "point who both")


def all_points(ko):
    """What the module was built with."""
    found = []
    with open(ko, "rb") as f:
        for field in f.read().split(b"\0"):
            if field.startswith(b"crash_point="):
                words = field.decode().removeprefix("crash_point=").split(" ", 4)
                found.append(Point(*words[:3], int(words[3]), words[4]))
    check(found, f"{ko} was built without crash points")
    return found


def points(ko):
    """Those of this test; a volume that grows is test_resize_points' business."""
    return [p for p in all_points(ko) if p.drive != "grow"]


def choose(found, rng):
    """The cases of this run."""
    everything = [Case(p, who, both) for p in found for who in p.who for both in (False, True)]
    wanted = [w for w in os.environ.get("PB_POINTS", "").split(",") if w]
    if wanted:
        words = [w.split(":") for w in wanted]
        picked = [c for c in everything if any(
            w[0] == c.point.name and not set(w[1:]) - {c.who, "both" if c.both else "one"} for w in words)]
        check(picked, f"no crash point is called {wanted}")
        return picked
    if LONG:
        return everything
    if CI:
        # Every eighth, from another one on each time; both roles and both ways in turn.
        cases = [Case(p, p.who[i // 2 % len(p.who)], i % 3 == 2) for i, p in enumerate(found)]
        return cases[rng.randrange(8)::8]
    return [rng.choice([c for c in everything if c.point.drive in kind])
            for kind in (("write", "log", "full"), ("view",), ("join", "crashed"))]


class Points(Campaign):
    """A node, the victim, stops at a crash point."""

    victim = None

    def arm(self, case):
        """Tell the module where to stop."""
        self.victim = self.primary if case.who == "p" else self.backup
        number = self.rng.randint(1, case.point.often)
        log(f"{self.victim.name} stops at {case.point.name}, passing {number}: {case.point.when}")
        # It may die before it can say that the command is done.
        with contextlib.suppress(VmDied):
            self.victim.vm.run(f"echo {case.point.name}:{number} >{PARAMETER}")

    @contextlib.contextmanager
    def mortal(self):
        """The victim may die, as it was told and not otherwise; a moment after the end is as good."""
        try:
            yield
        except VmDied:
            pass
        said = self.victim.vm.wait_tripped(1)
        check(said or self.victim.vm.alive(), f"{self.victim.name} died by itself")

    # What reaches the points. Each returns who may then go on without the other.

    def drive_write(self, case):
        """Nothing but writes and flushes."""
        self.arm(case)
        self.victim.vm.wait_tripped(PATIENCE)
        return [self.primary, self.backup]

    # More extents than the log has slots: see WRITERS.
    drive_log = drive_full = drive_write

    def write_alone(self):
        """What the backup will lack."""
        goal = self.churn.acks + 30
        self.until_alive("writes without the backup", lambda: self.churn.acks >= goal)

    def part(self, ways):
        """One of the two is to be brought up to date: taken out alive, crashed, or deposed by that."""
        how = self.rng.choice(ways)
        if how == "leave":
            self.tell(self.primary)
        elif how == "backup":
            self.backup_dies()
        else:
            self.primary_dies()
            self.write(**WRITERS["join"])
        self.come_back()

    def drive_join(self, case, ways=("leave", "leave", "backup", "primary")):
        """The backup lacks something, and gets it."""
        self.part(ways)
        self.write_alone()
        self.arm(case)
        with self.mortal():
            self.join()
        return self.may_go_on()

    def drive_crashed(self, case):
        """As before; who left alive may have nothing in doubt, and is not asked what that is."""
        return self.drive_join(case, ("backup", "primary"))

    def drive_view(self, case):
        """The backup is taken out and in again, or it takes over."""
        if case.who == "b" and "p" in case.point.who and self.rng.random() < 0.3:
            return self.drive_take_over(Case(case.point._replace(often=1), "b", case.both))
        self.arm(case)
        with self.mortal():
            self.tell(self.primary)
            self.write_alone()
            self.join()
        return self.may_go_on()

    def drive_take_over(self, case):
        """The primary dies, and then the backup when it is to be primary."""
        self.arm(case)
        self.lose_power(self.primary)
        with self.mortal():
            self.alone(self.backup)
        return [self.backup]

    def may_go_on(self):
        """By the view that was told last."""
        synced = self.members == (self.primary, self.backup)
        return [self.primary, self.backup] if synced else [self.primary]

    # What happens then.

    def go_on(self, may, both):
        """One of those who may goes on, or has to return."""
        victim, other = self.victim, self.pair.other(self.victim)
        self.victim = None
        self.lose_power(*[n for n in (victim, other) if n == victim or both and n not in self.down])
        alive = [n for n in may if n not in self.down]
        if not alive:
            first = self.rng.choice(may)
            self.resume(first, f"after {first.name} returned")
        elif self.primary in alive:
            self.alone(self.primary)
        else:
            self.take_over()

    def run(self, case):
        """One case."""
        point = case.point
        title = f"{point.name} on the {'primary' if case.who == 'p' else 'backup'}{', both die' if case.both else ''}"
        with self.round(title):
            self.write(**WRITERS[point.drive]).wait_acks(30)
            with self.timed("drive"):
                may = getattr(self, "drive_" + point.drive)(case)
            check(self.victim.vm.tripped() == point.name, f"{title}: never reached")
            if point.name in VIEW_IS_STORED:
                self.told.add(self.victim)
            with self.timed("strike"):
                self.go_on(may, case.both)
            self.mend()


def test_points(pair):
    """a machine stops at a crash point: nothing promised is lost, and both are equal after each"""
    rng = seeded("points")
    cases = choose(points(pair.ko), rng)
    campaign = Points(pair, rng)
    for case in cases:
        campaign.run(case)


if __name__ == "__main__":
    sys.exit(main([test_points], disks=DISKS, timeout=TIMEOUT, ko="PB_CRASH_KO"))
