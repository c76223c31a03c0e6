#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The checker of histories: it knows bad ones, and agrees with a search through all orders."""

import itertools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "multi"))

from linear import Op, violations  # noqa: E402

ROUNDS = 40000
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


def some_history(rng):
    """A few operations, any of which may be wrong."""
    ops, times = [], rng.sample(range(100), 12)
    for number in range(rng.randrange(1, 6)):
        start, end = sorted(times[2 * number:2 * number + 2])
        kind = rng.choice([R, W])
        value = number + 1 if kind == W else rng.randrange(6)
        ops.append(Op(start, None if kind == W and rng.random() < 0.25 else end, kind, value))
    return ops


def main():
    """TAP; the exit status."""
    results = []

    def ok(good, text):
        results.append(good)
        print(f"{'' if good else 'not '}ok {len(results)} - {text}", flush=True)

    print("TAP version 13")
    for text, history in GOOD.items():
        ok(not violations(history) and search(history), f"good: {text}")
    for text, history in BAD.items():
        ok(violations(history) and not search(history), f"bad: {text}")
    rng, wrong, bad = random.Random(1), [], 0
    for _ in range(ROUNDS):
        history = some_history(rng)
        found = bool(violations(history))
        bad += found
        if found == search(history):
            wrong.append(history)
    ok(not wrong, f"{ROUNDS} random histories, {bad} of them bad: as a search through all orders says")
    if wrong:
        print(f"# {len(wrong)}, such as {wrong[0]}")
    ok(ROUNDS // 10 < bad < ROUNDS * 9 // 10, "some are good, some are bad")
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
