# SPDX-License-Identifier: GPL-2.0
"""Is a history of reads and writes of one block linearisable?

Every value is written at most once, so that it is known which write a read has seen.
Then there is no need to search for an order (Gibbons and Korach, "Testing shared
memories", 1997): a write and the reads of its value are a cluster, which has to be
together in every order. Let F be the first end of its operations and S the last start.
If F < S the value was there in all of [F, S], a forward zone; else the cluster can be
put anywhere in [S, F], a backward zone. There is an order if and only if no read ended
before its write began, no two forward zones overlap, and no backward zone lies within
a forward one.

A write that failed, or whose end nobody saw, may have happened at any time after its
beginning, or not at all.
"""

import collections
import math

# One operation: start and end by one clock (end None: not known), "r" or "w", the value.
Op = collections.namedtuple("Op", "start end kind value")
Zone = collections.namedtuple("Zone", "low high forward value")


def violations(ops, initial=0):
    """What is wrong with a history of one block, as texts; empty if it is linearisable."""
    writes, reads, bad = {initial: Op(-math.inf, -math.inf, "w", initial)}, collections.defaultdict(list), []
    for op in ops:
        if op.kind == "w":
            if op.value in writes:
                raise ValueError(f"{op.value} is written twice")
            writes[op.value] = op
        elif op.end is not None:
            reads[op.value].append(op)
    for value, seen in reads.items():
        if value not in writes:
            bad.append(f"{value} was read, and nobody wrote it: {seen[0]}")
        elif min(r.end for r in seen) < writes[value].start:
            bad.append(f"{value} was read before it was written: {seen[0]} {writes[value]}")
    if bad:
        return bad
    zones = [_zone(write, reads[value]) for value, write in writes.items() if write.end is not None or reads[value]]
    return _overlaps(zones)


def _zone(write, reads):
    first_end = min([math.inf if write.end is None else write.end] + [r.end for r in reads])
    last_start = max([write.start] + [r.start for r in reads])
    if first_end < last_start:
        return Zone(first_end, last_start, True, write.value)
    return Zone(last_start, first_end, False, write.value)


def _overlaps(zones):
    bad = []
    forward = sorted(z for z in zones if z.forward)
    for before, after in zip(forward, forward[1:]):
        if after.low < before.high:
            bad.append(f"{before.value} was there from {before.low:.4f} to {before.high:.4f}, and {after.value} "
                       f"from {after.low:.4f} to {after.high:.4f}")
    if bad:
        return bad
    lows = [z.low for z in forward]
    for zone in zones:
        if zone.forward:
            continue
        at = _last_before(lows, zone.low)
        if at >= 0 and zone.high < forward[at].high:
            bad.append(f"{zone.value} had to be there between {zone.low:.4f} and {zone.high:.4f}, but "
                       f"{forward[at].value} was, from {forward[at].low:.4f} to {forward[at].high:.4f}")
    return bad


def _last_before(lows, at):
    """Index of the last of LOWS that is less than AT, or -1."""
    low, high = 0, len(lows)
    while low < high:
        middle = (low + high) // 2
        if lows[middle] < at:
            low = middle + 1
        else:
            high = middle
    return low - 1
