# SPDX-License-Identifier: GPL-2.0
"""The size of a region of the dirty map: what it costs while the backup is away, and when it is back."""

import functools
import time

import pbtest
import report
import workloads
from measures import measure, settle
from pbtest import until
from stacks import DmPb
from workloads import GIB, Workload

TITLE = "Size of a region of the dirty map"
REPEATS = 1
KIB = 1 << 10
SIZES = [4, 16, 32, 64, 256, 1024]             # KiB
TIB = 1 << 40
# Of pb-disk.h: regions in a block of the map, and its size.
BLOCK_REGIONS, BLOCK = 32256, 4096
# (workload, hot extents or None for the default). A small log gives up extents all the time.
WORKLOADS = [
    (Workload("sequential, QD32", "write", 64 * GIB, 32, count=8000), None),
    (Workload("random 1 GiB, QD32", "randwrite", GIB, 32, count=8000), None),
    (Workload("random 64 GiB, QD32", "randwrite", 64 * GIB, 32, count=2000), None),
    (Workload("random 64 GiB, small log, QD32", "randwrite", 64 * GIB, 32, count=2000), 256),
    (Workload("random 64 GiB, small log, QD1", "randwrite", 64 * GIB, 1, count=2000), 256),
]


def cost(size):
    """A map of a volume of 1 TiB: bytes on the disk, bytes in core."""
    regions = TIB // (size * KIB)
    return -(-regions // BLOCK_REGIONS) * BLOCK, 3 * regions // 8


def away(pair, stack, work):
    """The backup leaves, the workload runs, and what went to the map is in the sample."""
    a, b = pair.nodes
    a.unlink()
    b.unlink()
    pair.set_view(2, a)
    sample = measure(pair, stack, functools.partial(workloads.run, a, stack.device, work, 1))
    counted = sample["counters"][0]
    sample["maps"] = True
    sample["map_writes"] = counted["meta_writes"] - counted["log_records"]
    return sample


def back(pair, stack, sample):
    """The backup returns: the bytes that are copied, and how long that takes."""
    a, b = pair.nodes
    pair.set_view(3, a, b.member(":unsynced"))
    before = a.counter("sync_bytes"), b.counter("applied_writes") + b.counter("applied_zeroes")
    start = time.monotonic()
    pair.link()
    # Looked for often: the time is of interest, if not trusted.
    until("the end of the state transfer", lambda: a.status()["transfer"]["state"] == "synced", 300, 0.05)
    sample["seconds"] = time.monotonic() - start
    settle(pair, stack)
    sample["copied_bytes"] = a.counter("sync_bytes") - before[0]
    sample["chunks"] = b.counter("applied_writes") + b.counter("applied_zeroes") - before[1]


def one(pair, work, hot, size):
    """A sample: of one workload with one size."""
    stack = DmPb(pair, f"{size} KiB", ("--region-size", size * KIB) + (("--hot-extents", hot) if hot else ()))
    stack.set_up()
    try:
        sample = away(pair, stack, work)
        bad = stack.disagrees(sample)
        back(pair, stack, sample)
        pair.check_equal()
    finally:
        stack.take_down()
    return sample, bad


def fixed(rows):
    """A table of what does not depend on the workload."""
    return report.table("A map of a volume of 1 TiB", ["", *[f"{s} KiB" for s in SIZES]], rows)


def machines():
    """What it runs on."""
    return pbtest.Pair(disks=workloads.DISKS, linked=False)


def run(pair, repeats, say):
    """(title, text, data, complaints)."""
    cells = {w.name: {f"{s} KiB": [] for s in SIZES} for w, _ in WORKLOADS}
    bad = []
    for _ in range(repeats):
        for size in SIZES:
            for work, hot in WORKLOADS:
                sample, wrong = one(pair, work, hot, size)
                cells[work.name][f"{size} KiB"].append(sample)
                bad += [f"{work.name}: {line}" for line in wrong]
                say(f"{size} KiB: {work.name}: {sample['map_writes']} map writes, "
                    f"{sample['copied_bytes'] >> 20} MiB copied in {sample['seconds']:.1f} s")
    text = fixed([["on the disk, MiB", *[report.number(cost(s)[0] / (1 << 20)) for s in SIZES]],
                  ["in core, MiB", *[report.number(cost(s)[1] / (1 << 20)) for s in SIZES]]])
    text += "\n" + report.compare([
        ("Map writes per application write while the backup is away", lambda s, _: report.number(
            report.median(s, "map_writes"))),
        ("Log records per application write", lambda s, _: report.number(
            report.statistics.median(x["counters"][0]["log_records"] / x["writes"] for x in s))),
        ("Bytes copied when it is back, for each byte written", lambda s, _: report.number(
            report.statistics.median(x["copied_bytes"] / x["bytes"] for x in s))),
        ("Writes on the backup's disk for that, for each write of the application", lambda s, _: report.number(
            report.median(s, "chunks"))),
        ("Seconds until it is synced (for information)", lambda s, _: report.number(
            report.statistics.median(x["seconds"] for x in s))),
    ], cells)
    return TITLE, text, {"cells": cells, "disagrees": bad}, bad
