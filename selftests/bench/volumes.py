# SPDX-License-Identifier: GPL-2.0
"""What the daemons cost with many volumes on one pair of nodes, and how long all of them take to fail over.

What goes on while nothing happens are keepalives, pings, and a look of each daemon at each of
its volumes; with more than ten volumes less often than by the defaults, see many.py. PB_VOLUMES
says how many.
"""

import os
import statistics
import time

import report
from failover import Stamped, clock_ahead
from many import Many

TITLE = "Many volumes on one pair of nodes"
REPEATS = 3
COUNT = int(os.environ.get("PB_VOLUMES", "100"))
# How long nothing happens, s.
IDLE = 10


class StampedMany(Stamped, Many):
    """With many volumes."""


def machines():
    """What it runs on."""
    return StampedMany(COUNT)


def fail_over(cluster, old, new):
    """Milliseconds from the kill of the primary of all until all have been written to."""
    ahead, _ = clock_ahead(cluster, new.vm)
    cluster.all_write(old, "before")
    begin = time.time_ns()
    old.vm.kill()
    done = cluster.all_write(new, "after")
    cluster.all_read(new, "after")
    return (done - ahead - begin) / 1e6


def run(cluster, repeats, say):
    """(title, text, data, complaints)."""
    cost = cluster.cost(IDLE)
    say(f"{cost}")
    times = []
    old, new = cluster.replicas
    for turn in range(repeats):
        times.append(fail_over(cluster, old, new))
        say(f"{turn + 1}: all {COUNT} are written to {times[-1]:.0f} ms after {old.name} was killed")
        old.reset()
        cluster.wait_healthy()
        old, new = new, old
    rows = [[name, f"{cost['cpu'][name]:.1f}", f"{cost['memory'][name]:.0f}", f"{cost['machine_cpu'][name]:.0f}"]
            for name in cost["cpu"]]
    text = report.table(f"{COUNT} volumes, idle", ["machine", "pbviewd, % of a core", "pbviewd, MiB",
                                                   "machine, % of a core of the host"], rows)
    text += (f"{cost['pings'] / cost['seconds']:.1f} pings a second of both nodes together: one of each every "
             f"{cluster.ping} ms; dead after {cluster.dead_after} ms.\n\n"
             f"All {COUNT} had been written to {statistics.median(times):.0f} ms after the kill of their primary "
             f"(median of {len(times)}; worst {max(times):.0f}).\n")
    return TITLE, text, {"cost": cost, "times": times}, []
