# SPDX-License-Identifier: GPL-2.0
"""Bars with their spread, drawn by gnuplot."""

import statistics
import subprocess

SETTINGS = """set terminal svg size 1400,700 background "white" font "sans,13"
set title "{title}"
set style data histogram
set style histogram errorbars gap 2 lw 1
set style fill solid 0.8 border -1
set xtics rotate by -20
set key outside below
set grid y
set yrange [0:*]
set datafile missing "-"
"""


def quartiles(values):
    """Where the middle half of them begins, its middle and its end."""
    values = sorted(values)
    quarter = len(values) // 4
    return values[quarter], statistics.median(values), values[-1 - quarter]


def bars(title, rows, key):
    """SVG: for each row of {job: {stack: [sample]}} a group of bars, in units of the first stack's median."""
    stacks = list(next(iter(rows.values())))
    block = []
    for job, row in rows.items():
        unit = statistics.median(s[key] for s in row[stacks[0]])
        cells = [quartiles([s[key] / unit for s in row[stack]]) for stack in stacks]
        block.append(" ".join([f'"{job}"'] + [f"{middle:.4f} {low:.4f} {high:.4f}" for low, middle, high in cells]))
    plots = [f'$data using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}:xtic(1) title "{stack}"' for i, stack in enumerate(stacks)]
    program = SETTINGS.format(title=title) + "$data << END\n" + "\n".join(block) + "\nEND\nplot " + ", ".join(plots) + "\n"
    return subprocess.run(["gnuplot"], input=program, text=True, check=True, capture_output=True).stdout
