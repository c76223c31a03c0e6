# SPDX-License-Identifier: GPL-2.0
"""What a write of 4 KiB costs the machines, counted: instructions, switches, calls, copies, I/O.

Counts do not depend on how busy the host is, as times do. What the kernel counts anyway comes
from a run in which nothing is traced. Tracing makes all slower, and so changes how writes
meet: what is counted by it comes from further runs, each with a few kinds of events.

Of each run there are a short and a long one, and the difference is shown: what it costs to
start fio is not in it.
"""

import os
import re
import statistics

import measures
import pbtest
import report
import tracing
import workloads
from stacks import TUNED, DmPb, Drbd, Md, Raw

TITLE = "What a write of 4 KiB costs"
REPEATS = 1
DISKS = [("data", "1G"), ("meta", "64M")]
SPAN = 1000 << 20
# For each depth how many writes, in the short run and in the long one.
COUNTS = {1: (200, 1000), 32: (500, 3500)}
FREE = [
    ("insns", "instructions"),
    ("switches", "context switches"),
    ("interrupts", "interrupts of devices"),
    ("softirqs", "soft interrupts"),
    ("frames", "frames sent"),
    ("data_writes", "writes to the data disk"),
    ("data_flushes", "flushes of the data disk"),
    ("meta_writes", "writes to the metadata disk"),
    ("meta_flushes", "flushes of the metadata disk"),
]
# MSG_SPLICE_PAGES and MSG_ZEROCOPY: pages that are only referred to.
REFERRED = 0xc000000
# Counted together if in one list.
TRACED = [
    [tracing.Event("wakeups", "wake-ups", "sched/sched_wakeup"),
     tracing.Function("sends", "TCP sends", ("tcp_sendmsg_locked",)),
     tracing.Function("receives", "TCP receives", ("tcp_recvmsg_locked", "tcp_read_sock")),
     tracing.Function("copied_out", "bytes copied when sent", ("tcp_sendmsg_locked",), "size", "flags=msg->msg_flags",
                      f"!(flags & {REFERRED:#x})"),
     tracing.Function("copied_in", "bytes copied when received", ("skb_copy_datagram_iter",), "len")],
    [tracing.Event("kmalloc", "kmalloc", "kmem/kmalloc"),
     tracing.Event("cache", "allocations of objects of a cache", "kmem/kmem_cache_alloc"),
     tracing.Event("pages", "allocations of pages", "kmem/mm_page_alloc")],
    [tracing.Function("locks", "spin locks taken", ("_raw_spin_lock", "_raw_spin_lock_bh", "_raw_spin_lock_irq",
                                                    "_raw_spin_lock_irqsave"))],
]
ROWS = FREE + [(kind.key, kind.text) for group in TRACED for kind in group]


def stacks(pair):
    """In the order of the columns."""
    return [DmPb(pair), Drbd(pair, "DRBD"), Drbd(pair, "DRBD tuned", *TUNED), Md(pair), Raw(pair)]


def plugin():
    """The counter of instructions, built."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "insns.c")
    return pbtest.helper(source, link=("-shared", "-fPIC"))


def machines():
    """What it runs on. Only QEMU's own translator can count instructions."""
    counter = plugin()
    pair = pbtest.Pair(disks=DISKS, linked=False, accel="tcg")
    pair.rig.qemu_args += ["-plugin", f"{counter},directory={pair.rig.dir}"]
    return pair


def instructions(pair, vm):
    """That a machine has executed since it was switched on."""
    with open(os.path.join(pair.rig.dir, f"insns-{vm.proc.pid}"), "rb") as f:
        return int.from_bytes(f.read(8), "little")


def free(pair):
    """{what: [of each node]} of what is counted without tracing."""
    found = {key: [] for key, _ in FREE}
    disks = measures.snapshot(pair)
    stats = pair.rig.net_stats()
    for i, node in enumerate(pair.nodes):
        text = node.vm.run("cat /proc/stat /proc/interrupts").out
        for key, word in (("switches", "ctxt"), ("softirqs", "softirq")):
            found[key].append(int(re.search(rf"^{word} (\d+)", text, re.MULTILINE).group(1)))
        # Lines with a number are of devices; one processor, so one column.
        found["interrupts"].append(sum(map(int, re.findall(r"^ *\d+: +(\d+) ", text, re.MULTILINE))))
        found["frames"].append(stats[i, 1 - i][0])
        found["insns"].append(instructions(pair, node.vm))
        for disk in measures.DISKS:
            for what in ("writes", "flushes"):
                found[f"{disk}_{what}"].append(disks[disk][i][what])
    return found


def spent(pair, stack, depth, count, seed, snapshot):
    """By how much SNAPSHOT() grows while so many writes are done."""
    measures.settle(pair, stack)
    before = snapshot()
    workloads.fio(pair.nodes[0], stack.device, "randwrite", 4096, depth, seed, size=SPAN, io_size=count * 4096)
    after = snapshot()
    return {key: [now - then for then, now in zip(before[key], after[key])] for key in before}


def difference(pair, stack, depth, seed, snapshot):
    """{what: [of each node, for a write]}."""
    short, long = (spent(pair, stack, depth, count, seed, snapshot) for count in COUNTS[depth])
    more = COUNTS[depth][1] - COUNTS[depth][0]
    return {key: [(b - a) / more for a, b in zip(short[key], long[key])] for key in short}


def turn(pair, stack, number, cells, say):
    """All of it on one stack, which is new."""
    stack.set_up()
    try:
        workloads.touch(pair.nodes[0], stack.device, SPAN)
        for depth in COUNTS:
            found = difference(pair, stack, depth, number + 1, lambda: free(pair))
            for group in TRACED:
                with tracing.counting(pair, group) as snapshot:
                    found.update(difference(pair, stack, depth, number + 1, snapshot))
            cells[depth][stack.name].append(found)
            say(f"{stack.name}: QD{depth}: " + ", ".join(f"{key} {shown(found[key])}" for key, _ in ROWS))
    finally:
        stack.take_down()


def shown(pair):
    """Of the primary and of the backup."""
    return " / ".join(report.number(max(0, round(value, 3))) for value in pair)


def table(depth, cells):
    """All that a write costs at one depth."""
    rows = []
    for key, text in ROWS:
        medians = [[statistics.median(s[key][i] for s in samples) for i in range(2)] for samples in cells.values()]
        rows.append([text] + [shown(pair) for pair in medians])
    return report.table(f"For one write of 4 KiB, QD{depth}, primary / backup", ["what"] + list(cells), rows)


def run(pair, repeats, say):
    """(title, text, data, complaints)."""
    columns = stacks(pair)
    cells = {depth: {s.name: [] for s in columns} for depth in COUNTS}
    for number in range(repeats):
        # Nobody is always the first.
        for stack in columns[number % len(columns):] + columns[:number % len(columns)]:
            turn(pair, stack, number, cells, say)
    return TITLE, "\n".join(table(depth, row) for depth, row in cells.items()), {"cells": cells}, []
