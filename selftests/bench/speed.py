# SPDX-License-Identifier: GPL-2.0
"""How fast dm-pb is, beside the raw disk, dm-linear, DRBD, and md-raid1 over NVMe/TCP.

All stacks take turns on the same disks of the same two machines. Absolute figures mean nothing here;
what counts are the ratios to a stack in the same run, and what a write costs both machines together:
time of the host's processors, and frames on the wire.
"""

import dataclasses
import statistics

import floor
import pbtest
import pgbench
import picture
import report
import resync
import workloads
from stacks import TUNED, DmLinear, DmPb, Drbd, Md, Raw

TITLE = "Speed"
REPEATS = 5
MIB = 1 << 20
DISKS = [("data", "1G"), ("meta", "64M")]
# Nearly all of the disk (md needs some of it), and 250 extents of 4 MiB: more than the 67 of the coldest log.
SPAN = 1000 * MIB
# One way, ms; with the first all jobs are run, with the others these.
DELAYS = (0, 0.1, 0.5)
DELAYED = ("4k randwrite QD1", "4k randwrite QD32", "128k write QD8")


@dataclasses.dataclass(frozen=True)
class Job:
    """So many operations of fio or pgbench; UNIT is what is shown: us (of one after the other) or op/s."""

    name: str
    rw: str
    size: int
    depth: int
    count: int
    unit: str
    options: dict = dataclasses.field(default_factory=dict)

    @property
    def writes(self):
        """Is what it costs to be told for each one?"""
        return "write" in self.rw or self.rw == "pgbench"


JOBS = [
    Job("4k randwrite QD1", "randwrite", 4096, 1, 1000, "us"),
    Job("4k randwrite QD32", "randwrite", 4096, 32, 8000, "op/s"),
    Job("4k randwrite + fdatasync", "randwrite", 4096, 1, 600, "us", {"fdatasync": 1, "ioengine": "psync"}),
    Job("fdatasync, nothing dirty", "sync", 0, 1, 1500, "us"),
    Job("128k write QD8", "write", 128 << 10, 8, 1000, "op/s"),
    Job("1M write QD8", "write", MIB, 8, 128, "op/s"),
    Job("4k randread QD1", "randread", 4096, 1, 3000, "us"),
    Job("4k randread QD32", "randread", 4096, 32, 12000, "op/s"),
    Job("4k 70 % read QD32", "randrw", 4096, 32, 6000, "op/s", {"rwmixread": 70}),
]
# With as many clients as the depth says.
DATABASE = [
    Job("pgbench, 1 client", "pgbench", 0, 1, 120, "op/s"),
    Job("pgbench, 4 clients", "pgbench", 0, 4, 160, "op/s"),
]
FLOOR = JOBS[0]


def stacks(pair):
    """In the order of the columns."""
    return [DmPb(pair), Drbd(pair, "DRBD"), Drbd(pair, "DRBD tuned", *TUNED),
            Drbd(pair, "DRBD al 67", "al-extents 67;"), Md(pair), DmLinear(pair), Raw(pair)]


def resynced(columns):
    """Those whose resync is measured: it does not depend on the size of an activity log."""
    return [s for s in columns if hasattr(s, "rejoin") and s.name != "DRBD al 67"]


def machines():
    """What it runs on."""
    return pbtest.Pair(disks=DISKS, linked=False)


def perform(node, device, job, seed):
    """Do it; (operations, operations a second, mean us of one)."""
    if job.rw == "pgbench":
        return pgbench.perform(node.vm, job.depth, job.count, seed)
    if job.rw == "sync":
        us = float(node.vm.run([workloads.probe(node), "sync", device, str(job.count)], 120).out)
        return job.count, 1e6 / us, us
    done = workloads.fio(node, device, job.rw, job.size, job.depth, seed, size=SPAN, io_size=job.count * job.size,
                         **job.options)
    parts = [done[kind] for kind in ("read", "write") if done[kind]["total_ios"]]
    ops = sum(part["total_ios"] for part in parts)
    rate = ops / (max(part["runtime"] for part in parts) / 1000)
    # One after the other: without what fio does in between, which takes as long as some of the stacks.
    us = sum(part["lat_ns"].get("mean", 0) for part in parts + [done["sync"]]) / 1000
    return ops, rate, us if job.depth == 1 else job.depth * 1e6 / rate


def sample(pair, stack, job, seed):
    """What one job shows on one stack."""
    def spent():
        return (sum(sum(node.vm.cpu_seconds()) for node in pair.nodes),
                sum(frames for frames, _, _ in pair.rig.net_stats().values()))
    before = spent()
    ops, rate, us = perform(pair.nodes[0], stack.device, job, seed)
    after = spent()
    return {"op/s": rate, "us": us, "cpu_us": (after[0] - before[0]) * 1e6 / ops, "frames": (after[1] - before[1]) / ops}


def turn(pair, stack, number, cells, resyncs, say):
    """All jobs on one stack, which is new."""
    def note(job, delay):
        found = sample(pair, stack, job, number + 1)
        cells[delay][job.name][stack.name].append(found)
        say(f"{stack.name}: {job.name}, {delay} ms: {found[job.unit]:.0f} {job.unit}, "
            f"{found['cpu_us']:.0f} us of processors, {found['frames']:.2f} frames")
    stack.set_up()
    try:
        with pgbench.serving(pair.nodes[0].vm, stack.device):
            for job in DATABASE:
                note(job, 0)
        # Each stack's log has seen each extent; those that it holds are hot.
        workloads.touch(pair.nodes[0], stack.device, SPAN)
        for delay, rows in cells.items():
            pair.rig.delay(delay)
            for job in JOBS:
                if job.name in rows:
                    note(job, delay)
        pair.rig.delay(0)
        for amount, row in resyncs.items():
            if stack.name in row:
                row[stack.name].append(resync.measure(pair, stack, amount, number + 1))
                say(f"{stack.name}: resync, {amount}: {row[stack.name][-1]['MiB/s']:.1f} MiB/s")
    finally:
        pair.rig.delay(0)
        stack.take_down()


def spread(samples, key):
    """Median, and how far the middle half of the samples is apart."""
    values = sorted(s[key] for s in samples)
    quarter = len(values) // 4
    return statistics.median(values), values[-1 - quarter] - values[quarter]


def shown(key):
    """A cell: the median and the spread."""
    def cell(samples, _first):
        middle, apart = spread(samples, key)
        return f"{report.number(middle)} ±{report.number(apart / 2)}"
    return cell


def tables(cells, resyncs):
    """All that was found, in words."""
    out = [resync.tables(resyncs)]
    for delay, rows in cells.items():
        where = f", {delay} ms of delay each way" if delay else ""
        for unit, what in (("us", "Microseconds for one"), ("op/s", "Operations a second")):
            chosen = {job.name: rows[job.name] for job in JOBS + DATABASE if job.unit == unit and job.name in rows}
            out.append(report.compare([(f"{what}{where}", shown(unit)),
                                       (f"{what}{where}, ratio of dm-pb to this", against(unit))], chosen))
        if not delay:
            database = {job.name: rows[job.name] for job in DATABASE}
            out.append(report.compare([("Microseconds for a transaction", shown("us"))], database))
            writes = {job.name: rows[job.name] for job in JOBS + DATABASE if job.writes}
            out.append(report.compare([("Processors of both machines, us for one", shown("cpu_us")),
                                       ("Frames for one", shown("frames"))], writes))
    return "\n".join(out)


def against(key):
    """A cell: dm-pb, the first column, in units of this one."""
    ratio = report.ratio(key)
    return lambda samples, first: ratio(first, samples)


def run(pair, repeats, say):
    """(title, text, data, complaints)."""
    columns = stacks(pair)
    floors = []
    resyncs = {amount: {s.name: [] for s in resynced(columns)} for amount in resync.AMOUNTS}
    cells = {delay: {job.name: {s.name: [] for s in columns} for job in JOBS + DATABASE
                     if not delay or job.name in DELAYED} for delay in DELAYS}
    pgbench.install(pair.nodes[0].vm)
    for number in range(repeats):
        # Nobody is always the first.
        for stack in columns[number % len(columns):] + columns[:number % len(columns)]:
            turn(pair, stack, number, cells, resyncs, say)
        floors.append(floor.sample(pair, lambda node, seed=number + 1: perform(node, Raw.device, FLOOR, seed)[2]))
        say(f"the floor: {floors[-1]['us']:.0f} us")
    text = tables(cells, resyncs) + "\n" + floor.table(floors, cells[0][FLOOR.name][columns[0].name])
    return TITLE, text, {"jobs": [vars(job) for job in JOBS + DATABASE], "cells": cells, "resyncs": resyncs,
                         "floors": floors}, []


def extras(data):
    """{ending: text} of the files that are left beside the tables."""
    lines = ["delay_ms,job,stack,repetition,op_per_s,us,cpu_us,frames"]
    for delay, rows in data["cells"].items():
        for job, row in rows.items():
            for stack, samples in row.items():
                for number, found in enumerate(samples):
                    values = ",".join(f"{found[key]:.2f}" for key in ("op/s", "us", "cpu_us", "frames"))
                    lines.append(f'{delay},"{job}","{stack}",{number},{values}')
    return {"csv": "\n".join(lines) + "\n", "svg": picture.bars("Operations a second, dm-pb = 1", data["cells"][0], "op/s")}
