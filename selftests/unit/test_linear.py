#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The checker of histories: it knows bad ones, and agrees with a search through all orders."""

import itertools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "multi"))

from linear import Op, disorder, violations  # noqa: E402

ROUNDS = 20000
R, W = "r", "w"

GOOD = {
    "nothing at all": [],
    "a read of what was there": [Op(0, 1, R, 0)],
    "a write, then a read": [Op(0, 1, W, 1), Op(2, 3, R, 1)],
    "a read beside a write sees the old value": [Op(0, 5, W, 1), Op(1, 2, R, 0)],
    "a read beside a write sees the new value": [Op(0, 5, W, 1), Op(1, 2, R, 1)],
    "two writes at a time, either may be last": [Op(0, 5, W, 1), Op(0, 5, W, 2), Op(6, 7, R, 1)],
    "a write that nobody saw end, read much later": [Op(0, None, W, 1), Op(50, 51, R, 0), Op(60, 61, R, 1)],
    "a write that nobody saw end, never read": [Op(0, None, W, 1), Op(50, 51, R, 0)],
}
BAD = {
    "a value that nobody wrote": [Op(0, 1, R, 7)],
    "a value from the future": [Op(0, 1, R, 1), Op(2, 3, W, 1)],
    "an acknowledged write is lost": [Op(0, 1, W, 1), Op(2, 3, R, 0)],
    "a stale read after a fail-over": [Op(0, 1, W, 1), Op(2, 3, W, 2), Op(4, 5, R, 1)],
    "a read that is taken back": [Op(0, 9, W, 1), Op(1, 2, R, 1), Op(3, 4, R, 0)],
    "a write in flight that was seen, and then not": [Op(0, None, W, 1), Op(1, 2, R, 1), Op(3, 4, R, 0)],
    "back and forth": [Op(0, 1, W, 1), Op(2, 3, W, 2), Op(4, 5, R, 2), Op(6, 7, R, 1)],
    "an acknowledged write between two reads of another": [Op(0, 1, W, 1), Op(2, 3, W, 2), Op(2, 3, R, 1),
                                                           Op(4, 5, R, 1)],
}


def on(node, start, end):
    """An operation of which only the place counts."""
    return Op(start, end, R, 0, node)


# name: (operations, primaries)
IN_ORDER = {
    "one primary": ([on("a", 0, 1), on("a", 2, 3)], "a"),
    "one after the other": ([on("a", 0, 1), on("b", 2, 3)], "ab"),
    "begun by one before the other served, ended after": ([on("a", 0, 9), on("b", 2, 3), on("b", 4, 5)], "ab"),
    "and back again": ([on("a", 0, 1), on("b", 2, 3), on("a", 4, 5)], "aba"),
    "views in which nobody served": ([on("a", 0, 1), on("a", 4, 5)], "abca"),
}
OUT_OF_ORDER = {
    "a node that was never primary": ([on("b", 0, 1)], "a"),
    "the old primary still reads": ([on("a", 0, 1), on("b", 2, 3), on("a", 4, 5)], "ab"),
    "two at the same time": ([on("a", 0, 9), on("b", 1, 2), on("a", 3, 4)], "ab"),
    "more often than views changed": ([on("a", 0, 1), on("b", 2, 3), on("a", 4, 5), on("b", 6, 7)], "aba"),
}


def search(ops):
    """Try every order; only for a few operations."""
    must = [op for op in ops if op.end is not None]
    may = [op for op in ops if op.end is None and op.kind == W]
    for count in range(len(may) + 1):
        for extra in itertools.combinations(may, count):
            if any(_legal(order) for order in itertools.permutations(must + list(extra))):
                return True
    return False


def _legal(order):
    value = 0
    for i, op in enumerate(order):
        if any(later.end is not None and later.end < op.start for later in order[i + 1:]):
            return False
        if op.kind == W:
            value = op.value
        elif op.value != value:
            return False
    return True


def search_changes(ops, primaries):
    """Try all moments at which the views may have changed."""
    moments = sorted({t for op in ops for t in (op.start, op.end)}) or [0]
    for changes in itertools.combinations_with_replacement(moments, len(primaries) - 1):
        spans = list(zip(primaries, (moments[0], *changes), (*changes, moments[-1])))
        if all(any(op.node == name and begin <= op.end and end >= op.start for name, begin, end in spans)
               for op in ops):
            return True
    return False


def some_history(rng):
    """A few operations, any of which may be wrong."""
    ops, times = [], rng.sample(range(100), 12)
    for number in range(rng.randrange(1, 6)):
        start, end = sorted(times[2 * number:2 * number + 2])
        kind = rng.choice([R, W])
        value = number + 1 if kind == W else rng.randrange(6)
        ops.append(Op(start, None if kind == W and rng.random() < 0.25 else end, kind, value))
    return ops


def some_places(rng):
    """A few operations on nodes, and primaries."""
    times = rng.sample(range(100), 10)
    ops = [on(rng.choice("abc"), *sorted(times[2 * i:2 * i + 2])) for i in range(rng.randrange(1, 6))]
    return ops, [rng.choice("abc") for _ in range(rng.randrange(1, 5))]


class Tap:
    """Numbers and prints results."""

    def __init__(self):
        self.results = []
        print("TAP version 13")

    def ok(self, good, text):
        """One result."""
        self.results.append(bool(good))
        print(f"{'' if good else 'not '}ok {len(self.results)} - {text}", flush=True)

    def agree(self, what, some, check, exhaustive):
        """Random cases: the check finds what the search does."""
        rng, wrong, bad = random.Random(1), [], 0
        for _ in range(ROUNDS):
            case = some(rng)
            found = bool(check(case))
            bad += found
            if found == exhaustive(case):
                wrong.append(case)
        self.ok(not wrong, f"{ROUNDS} {what}, {bad} of them bad: as a search says")
        if wrong:
            print(f"# {len(wrong)}, such as {wrong[0]}")
        self.ok(ROUNDS // 10 < bad < ROUNDS * 9 // 10, "some are good, some are bad")


def main():
    """TAP; the exit status."""
    tap = Tap()
    for text, history in GOOD.items():
        tap.ok(not violations(history) and search(history), f"good: {text}")
    for text, history in BAD.items():
        tap.ok(violations(history) and not search(history), f"bad: {text}")
    for text, case in IN_ORDER.items():
        tap.ok(not disorder(*case) and search_changes(*case), f"in the order of the views: {text}")
    for text, case in OUT_OF_ORDER.items():
        tap.ok(disorder(*case) and not search_changes(*case), f"not in the order of the views: {text}")
    tap.agree("random histories", some_history, violations, search)
    tap.agree("random operations on three nodes", some_places, lambda case: disorder(*case),
              lambda case: search_changes(*case))
    print(f"1..{len(tap.results)}")
    return 0 if all(tap.results) else 1


if __name__ == "__main__":
    sys.exit(main())
