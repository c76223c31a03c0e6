# SPDX-License-Identifier: GPL-2.0
"""Tables that a person reads on the screen and that are reStructuredText as well, and the same as JSON."""

import json
import os
import statistics


def number(value):
    """Four digits that matter, no more than five behind the point."""
    if not value:
        return "0"
    return f"{value:.5f}".rstrip("0").rstrip(".") if value < 0.1 else f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def median(samples, key, index=None):
    """Of what the samples say per application write."""
    return statistics.median((s[key] if index is None else s[key][index]) / s["writes"] for s in samples)


def per_write(key):
    """A cell: primary / backup, per application write."""
    return lambda samples, _first: " / ".join(number(median(samples, key, i)) for i in range(2))


def ratio(key):
    """A cell: how many times the first column's."""
    def cell(samples, first):
        return number(statistics.median(s[key] for s in samples) / statistics.median(s[key] for s in first))
    return cell


def table(title, head, rows):
    """A simple table."""
    width = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    rule = "  ".join("=" * w for w in width)
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, width)).rstrip() for row in [head] + rows]
    return "\n".join([title, "-" * len(title), "", rule, lines[0], rule, *lines[1:], rule, "", ""])


def compare(measures, cells):
    """One table for each of MEASURES (title, cell function); CELLS is {workload: {stack: [sample]}}."""
    stacks = list(next(iter(cells.values())))
    out = []
    for title, cell in measures:
        rows = [[work] + [cell(row[s], row[stacks[0]]) for s in stacks] for work, row in cells.items()]
        out.append(table(title, ["workload"] + stacks, rows))
    return "\n".join(out)


def save(directory, name, title, text, data, more):
    """NAME.rst, NAME.json and what MORE has by its ending; their path without it."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name)
    with open(path + ".rst", "w", encoding="utf-8") as f:
        f.write(f"{title}\n{'=' * len(title)}\n\n{text}")
    with open(path + ".json", "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
    for ending, content in more.items():
        with open(f"{path}.{ending}", "w", encoding="utf-8") as f:
            f.write(content)
    return path
