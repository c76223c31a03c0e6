# SPDX-License-Identifier: GPL-2.0
"""How fast a copy that was away is brought up to date while nothing else goes on.

The disk is written to while the other node is away, and that is what has to be copied. The
time is from the connection (for md: from when the disk is added) until the copy is as good
as the other one, by the kernel's clock of the first node.
"""

import statistics

import pbtest
import report
import workloads

MIB = 1 << 20
# Nearly all of the disk: md needs some of it.
SPAN = 1000 * MIB
# What is written: fio's word, in blocks of what size, and how much.
AMOUNTS = {"all of 1000 MiB": ("write", MIB, SPAN), "2560 scattered blocks of 4 KiB": ("randwrite", 4096, 10 * MIB)}
# Where md has nothing of its own.
COMPARED = {"offset": 50 * MIB, "length": 900 * MIB}


def measure(pair, stack, amount, seed):
    """The node goes, AMOUNT is written, it comes back: {seconds, MiB/s, wire}."""
    rw, block, size = AMOUNTS[amount]
    stack.leave()
    workloads.fio(pair.nodes[0], stack.device, rw, block, 8, seed, size=SPAN, io_size=size, end_fsync=1)
    before = on_wire(pair)
    seconds = stack.rejoin()
    at = pair.rig.compare("data", 0, 1, **COMPARED)
    pbtest.check(at is None, f"{stack.name}: after a resync the copies differ at byte {at}")
    return {"seconds": seconds, "MiB/s": size / MIB / seconds, "wire": (on_wire(pair) - before) / size}


def on_wire(pair):
    """Bytes that both have sent."""
    return sum(size for _, size, _ in pair.rig.net_stats().values())


def median(key):
    """A cell."""
    return lambda samples, _first: report.number(statistics.median(s[key] for s in samples))


def tables(cells):
    """CELLS is {amount: {stack: [sample]}}."""
    return report.compare([
        ("Resync, MiB/s of what was written while the other node was away", median("MiB/s")),
        ("Resync, ratio of dm-pb to this", lambda samples, first: report.ratio("MiB/s")(first, samples)),
        ("Resync, seconds", median("seconds")),
        ("Resync, bytes on the wire for each byte written", median("wire"))], cells)
