#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Typical mistakes: each gives one line that says what to do, and changes nothing.

  test_mistakes.py host       those that need no module, and Documentation/mistakes.rst against all of them
  test_mistakes.py machine    those with a module, in a machine that is made for it (vm/test_mistakes.sh)
  test_mistakes.py page       write the tables of Documentation/mistakes.rst

PBCTL names pbctl; pbviewd is beside it.
"""

import itertools
import os
import shlex
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import machine  # noqa: E402
import table  # noqa: E402


NUMBERS = itertools.count(1)


def attempt(bench, mistake):
    """Make a mistake: what is wrong with what comes of it."""
    bench.begin()
    if mistake.prepare:
        mistake.prepare(bench)
    before = bench.state()
    more = {"user": mistake.user} if mistake.user is not None else {}
    status, lines, kernel = bench.run(shlex.split(table.fill(mistake.command, bench.names)), **more)
    answer = kernel if mistake.source == "kernel" else lines
    return table.judge(mistake, bench.names, status, answer) + table.changes(before, bench.state())


def point(text, found, note=""):
    """A result."""
    print(f"{'not ok' if found else 'ok'} {next(NUMBERS)} - {text}{note}", flush=True)
    for line in found:
        print(f"# {line}", flush=True)
    return not found


def try_all(bench, tables):
    """All mistakes of the tables: [good]."""
    results = []
    for section, mistakes in tables.items():
        for mistake in mistakes:
            text = f"{section}: {mistake.wrong}: {mistake.command}"
            skipped = bench.skipped(mistake)
            if skipped:
                results.append(point(text, [], f" # SKIP {skipped}"))
                continue
            try:
                found = attempt(bench, mistake)
            except Exception:                                   # pylint: disable=broad-except
                found = traceback.format_exc().splitlines()
            results.append(point(text, found))
    return results


def page(tables):
    """The page is what the tables say: [good]."""
    with open(table.PAGE, encoding="utf-8") as f:
        text = f.read()
    return [point("every answer has a row of mistakes.rst, and one", table.without_row(tables)),
            point("mistakes.rst has these rows", [] if table.page_with(text, tables) == text else
                  ["'selftests/mistakes/test_mistakes.py page' writes it anew"]),
            point("there are 50 mistakes and more", [] if sum(map(len, tables.values())) >= 50 else ["less"])]


def main():
    """As the docstring says."""
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what == "machine":
        # The neighbours number all results of theirs.
        return 0 if all(try_all(machine.Bench(os.environ["PBCTL"]), machine.TABLES)) else 1
    import host                                                 # pylint: disable=import-outside-toplevel
    tables = {**host.TABLES, **machine.TABLES}
    if what == "page":
        with open(table.PAGE, encoding="utf-8") as f:
            text = table.page_with(f.read(), tables)
        with open(table.PAGE, "w", encoding="utf-8") as f:
            f.write(text)
        return 0
    if what != "host":
        sys.exit(__doc__)
    bench = host.Bench(os.environ["PBCTL"])
    print("TAP version 13")
    try:
        results = try_all(bench, host.TABLES) + page(tables)
    finally:
        bench.close()
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
