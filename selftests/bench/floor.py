# SPDX-License-Identifier: GPL-2.0
"""The floor: the least that a write of 4 KiB to two disks can take, one after the other.

The copy has to travel, to be written there, and to be answered: a TCP round trip with the payload and a
write to the remote disk; the local one is written meanwhile.
"""

import statistics

import report
import workloads

PORT = "7790"
TRIPS = 2000


def round_trip(pair):
    """Microseconds for 4 KiB there and 64 bytes back, by two programs that do nothing else."""
    near, far = pair.nodes
    server = far.vm.spawn(f"exec {workloads.helper_in(far, 'trip.c')} serve {far.vm.ip} {PORT}")
    try:
        server.wait_output("ready")
        return float(near.vm.run([workloads.helper_in(near, "trip.c"), "measure", far.vm.ip, PORT, str(TRIPS)], 120).out)
    finally:
        server.kill()
        server.wait()


def sample(pair, write):
    """What WRITE(node), the mean microseconds of a write to a raw disk, and the network say now."""
    near, far = (write(node) for node in pair.nodes)
    trip = round_trip(pair)
    return {"near": near, "trip": trip, "far": far, "us": max(near, trip + far)}


def table(samples, product):
    """Medians, and dm-pb's (PRODUCT) beside them."""
    def middle(found, key):
        return statistics.median(s[key] for s in found)
    floor, ours = middle(samples, "us"), middle(product, "us")
    rows = [("raw disk of the primary", "near"), ("TCP, 4 KiB there and 64 bytes back", "trip"),
            ("raw disk of the backup", "far"), ("the floor", "us")]
    return report.table("The floor, 4k randwrite QD1, microseconds", ["what", "median"],
                        [[name, report.number(middle(samples, key))] for name, key in rows] +
                        [["dm-pb", report.number(ours)], ["dm-pb to the floor", report.number(ours / floor)]])
