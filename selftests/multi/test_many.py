#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Many volumes on one pair of nodes: one daemon on each, one ping for all of them, and all of them fail over.

PB_VOLUMES says how many; 100 if it does not.
"""

import os
import sys
import time

import pbtest
from many import SLICE, Many
from pbtest import SLOW, RigError, check

VOLUMES = int(os.environ.get("PB_VOLUMES", 100 if SLOW == 1 else 10))
# Volumes with a writer when the primary dies.
BUSY = 4


def one_ping(cluster):
    """one ping in each interval is for all volumes of a node"""
    cost = cluster.cost(50 * cluster.ping / 1000)
    print(f"# {VOLUMES} volumes: {cost['pings'] / cost['seconds']:.1f} pings a second of both nodes, each of which "
          f"is to ping every {cluster.ping} ms", flush=True)
    for name in cost["cpu"]:
        print(f"# {name}: pbviewd takes {cost['cpu'][name]:.1f} % of a core and {cost['memory'][name]:.0f} MiB; "
              f"its machine takes {cost['machine_cpu'][name]:.0f} % of a core of the host", flush=True)
    # One or two may be for news, of a probe that has failed on a busy host.
    most = 2 * 1.1 * (cost["seconds"] * 1000 / cluster.ping + 1)
    check(0 < cost["pings"] <= most, f"{cost['pings']} pings in {cost['seconds']:.1f} s, not at most {most:.0f}")
    # A ping may come between the two looks at the counters of one of them.
    check(abs(cost["pings"] - cost["volume_pings"]) <= 1,
          f"{cost['pings']} pings, of which {cost['volume_pings']} named the last volume")


def fail_over(cluster):
    """the primary of all of them dies: all are served by the other node, and nothing is lost"""
    a, b = cluster.replicas
    cluster.all_write(a, "before")
    writers = {i * VOLUMES // BUSY: None for i in range(BUSY)}
    for i in writers:
        writers[i] = cluster.writer(a, threads=1, device=f"/dev/mapper/{cluster.names[i]}", first=1)
    for writer in writers.values():
        writer.wait_acks(20)
    begin = time.monotonic()
    a.vm.kill()
    job = cluster.many(b, "write", "after")
    cluster.wait_first(b)
    cluster.finish_many(job)
    print(f"# all {VOLUMES} written to {time.monotonic() - begin:.1f} s after the kill", flush=True)
    cluster.all_read(b, "after")
    for i, writer in writers.items():
        lost = writer.lost(b.vm.disk_path("data"), base=i * SLICE << 20)
        check(not lost, f"{cluster.names[i]}: {len(lost)} lost of {writer.acks} acknowledged: {lost[:5]}")


def come_back(cluster):
    """the dead one comes back: all are brought up to date, and equal"""
    a, b = cluster.replicas
    a.reset()
    cluster.wait_healthy()
    cluster.all_write(b, "again")
    cluster.all_read(b, "again")
    at = cluster.rig.compare("data", a.vm, b.vm)
    check(at is None, f"the replicas differ at byte {at}")


def main():
    """The exit status."""
    print("TAP version 13", flush=True)
    results = []
    tests = [one_ping, fail_over, come_back]
    try:
        with Many(VOLUMES) as cluster:
            for test in tests:
                results.append(pbtest.one(len(results) + 1, test, cluster))
                if not results[-1]:
                    cluster.print_logs()
                    break
            cluster.check_consoles()
    except pbtest.Skip as err:
        print(f"1..0 # SKIP {err}", flush=True)
        return pbtest.SKIP
    except (RigError, pbtest.Failure) as err:
        print(f"Bail out! {str(err).splitlines()[0]}", flush=True)
        return pbtest.BAD
    print(f"1..{len(results)}", flush=True)
    return 0 if all(results) else pbtest.BAD


if __name__ == "__main__":
    sys.exit(main())
