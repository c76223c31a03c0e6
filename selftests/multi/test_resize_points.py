#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A volume grows, and a machine stops at a named moment of that: see kmod/pb-crash-list.h.

A point that is not reached is a failure.
"""

import contextlib
import os
import sys

import test_resize as resize
from pbtest import LONG, VOLUME, VmDied, check, main, seeded
from test_points import PARAMETER, PATIENCE, all_points

CI = os.environ.get("PB_CI") == "1"


def run_into(pair, victim, name):
    """The volume is made larger, until VICTIM stops there."""
    a, b = pair.nodes
    victim.vm.run(f"echo {name} >{PARAMETER}")
    with contextlib.suppress(VmDied):
        b.pbctl("resize", VOLUME)
        a.pbctl("resize", VOLUME, "--no-wait")
    check(victim.vm.wait_tripped(PATIENCE) == name, f"{victim.name}: {name} was never reached")


def test_resize_points(pair):
    """a machine stops at a crash point of a volume that grows: old size or new one, and both equal"""
    rng = seeded("resize points")
    cases = [(p, who) for p in all_points(pair.ko) if p.drive == "grow" for who in p.who]
    check(cases, "no crash point is about a volume that grows")
    for point, who in cases if LONG else rng.sample(cases, 3 if CI else 1):
        victim = pair.nodes["pb".index(who)]
        print(f"#   {victim.name} stops at {point.name}: {point.when}", flush=True)
        writer = resize.begin(pair)
        run_into(pair, victim, point.name)
        victim.vm.power_cut(keep=rng.random(), torn=0.2, seed=rng.random())
        died = resize.primary_died if who == "p" else resize.backup_died
        died(pair, writer, point.name)


if __name__ == "__main__":
    sys.exit(main([test_resize_points], disks=resize.DISKS, ko="PB_CRASH_KO"))
