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

And of a whole volume: do its operations fit the order of its views, each done by the
primary of a view at a moment when no later view had begun?
"""

import bisect
import collections
import math

# One operation: start and end by one clock (end None: not known), "r" or "w", the value, on which node.
Op = collections.namedtuple("Op", "start end kind value node", defaults=[""])
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
        at = bisect.bisect_left(lows, zone.low) - 1
        if at >= 0 and zone.high < forward[at].high:
            bad.append(f"{zone.value} had to be there between {zone.low:.4f} and {zone.high:.4f}, but "
                       f"{forward[at].value} was, from {forward[at].low:.4f} to {forward[at].high:.4f}")
    return bad


def disorder(ops, primaries):
    """What of a volume's successful operations does not fit the primaries of its views, in order; or None.

    The next primary is let in as late as the operations allow: when one ends that needs it.
    """
    place, over = 0, {}         # over: node -> when it was last the primary and gave way
    for op in sorted(ops, key=lambda op: op.end):
        if op.node == primaries[place] or over.get(op.node, -math.inf) >= op.start:
            continue
        later = next((i for i in range(place, len(primaries)) if primaries[i] == op.node), None)
        if later is None:
            return f"{op} was done when {primaries[place]} was the primary already, of {' '.join(primaries)}"
        over.update((name, op.end) for name in primaries[place:later])
        place = later
    return None
