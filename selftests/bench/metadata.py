# SPDX-License-Identifier: GPL-2.0
"""Metadata writes per application write, beside DRBD on the same disks."""

import functools

import pbtest
import report
import workloads
from measures import measure
from stacks import DmPb, Drbd

TITLE = "Metadata writes per application write"
REPEATS = 1
MEASURES = [
    ("Metadata writes per application write, primary / backup", report.per_write("meta_writes")),
    ("Metadata bytes per application write, primary / backup", report.per_write("meta_bytes")),
    ("Flushes of the metadata disk per application write, primary / backup", report.per_write("meta_flushes")),
    ("Flushes of the data disk per application write, primary / backup", report.per_write("data_flushes")),
    ("Latency of a write, ratio to the first column (for information)", report.ratio("latency_us")),
    ("Writes per second, ratio to the first column (for information)", report.ratio("iops")),
]


def stacks(pair):
    """In the order of the columns."""
    return [DmPb(pair), Drbd(pair, "DRBD defaults"), Drbd(pair, "DRBD al-extents 6433", "al-extents 6433;"),
            DmPb(pair, "dm-pb hot-extents 1237", ("--hot-extents", 1237))]


def groups(table):
    """Workloads that use one volume after the other."""
    found = []
    for work in table:
        if work.fresh:
            found.append([])
        found[-1].append(work)
    return found


def one(pair, stack, works, say):
    """{workload: sample} of a group on one stack."""
    found = {}
    stack.set_up()
    try:
        for work in works:
            if work.touch:
                workloads.touch(pair.nodes[0], stack.device, work.span)
            # Another seed for each workload: one that repeats the last one's places would find them hot.
            seed = 1 + workloads.METADATA.index(work)
            sample = measure(pair, stack, functools.partial(workloads.run, pair.nodes[0], stack.device, work, seed))
            say(f"{stack.name}: {work.name}: {sample['iops']:.0f}/s, {sample['meta_writes']} metadata writes")
            found[work.name] = sample
        pair.check_equal()
    finally:
        stack.take_down()
    return found


def machines():
    """What it runs on."""
    return pbtest.Pair(disks=workloads.DISKS, linked=False)


def run(pair, repeats, say):
    """(title, text, data, complaints)."""
    columns = stacks(pair)
    cells = {w.name: {s.name: [] for s in columns} for w in workloads.METADATA}
    bad = []
    for turn in range(repeats):
        for n, works in enumerate(groups(workloads.METADATA)):
            # Nobody is always the first.
            first = (n + turn) % len(columns)
            for stack in columns[first:] + columns[:first]:
                for name, sample in one(pair, stack, works, say).items():
                    cells[name][stack.name].append(sample)
                    bad += [f"{name}: {line}" for line in stack.disagrees(sample)]
    data = {"workloads": [vars(w) for w in workloads.METADATA], "cells": cells, "disagrees": bad}
    return TITLE, report.compare(MEASURES, cells), data, bad
