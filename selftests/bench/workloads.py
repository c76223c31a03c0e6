# SPDX-License-Identifier: GPL-2.0
"""What is written: a table, and fio to do it.

A number of writes is fixed, not a time, and so is the seed: counts can be repeated.
"""

import dataclasses
import json
import os

from pbtest import helper

GIB = 1 << 30
# Of the machines that they run on.
DISKS = [("data", "65G"), ("meta", "64M")]
EXTENT = 4 << 20
# How many writes: at depth 1 each costs a round trip.
COUNT = {1: 4000, 32: 16000}


@dataclasses.dataclass(frozen=True)
class Workload:
    """Writes to the first SPAN bytes of the volume.

    rw      fio's word: write or randwrite
    fresh   on a new volume, else on the one that the workload before left
    touch   not measured: one write to each 4 MiB of the span comes first, so that
            it looks like a volume that has been in use
    """

    name: str
    rw: str
    span: int
    depth: int
    fresh: bool = False
    touch: bool = False
    size: int = 4096
    count: int = 0

    @property
    def writes(self):
        """How many are measured."""
        return self.count or COUNT[self.depth]


# For each depth a new volume is written in order, one scattered over, and the same again once all of it was in use.
METADATA = [w for depth in COUNT for w in (
    Workload(f"sequential, QD{depth}", "write", 64 * GIB, depth, fresh=True),
    Workload(f"random 1 GiB, QD{depth}", "randwrite", GIB, depth, touch=True),
    Workload(f"random 64 GiB, first writes, QD{depth}", "randwrite", 64 * GIB, depth, fresh=True),
    Workload(f"random 64 GiB, QD{depth}", "randwrite", 64 * GIB, depth, touch=True),
)]


def fio(node, device, rw, block, depth, seed, **options):
    """Run fio in a guest; its report of the job."""
    words = {"name": "bench", "filename": device, "ioengine": "libaio", "direct": 1, "thread": 1, "bs": block,
             "rw": rw, "iodepth": depth, "randrepeat": 1, "randseed": seed, "output-format": "json", **options}
    out = node.vm.run(["fio"] + [f"--{k}" if v is None else f"--{k}={v}" for k, v in words.items()], 600).out
    job = json.loads(out[out.index("{"):])["jobs"][0]
    if job["error"]:
        raise RuntimeError(f"fio: error {job['error']}")
    return job


def helper_in(node, name):
    """Where a guest has this program of ours, built."""
    return node.guest_path(helper(os.path.join(os.path.dirname(os.path.abspath(__file__)), name)))


def probe(node):
    """Where a guest has probe.c."""
    return helper_in(node, "probe.c")


def touch(node, device, span):
    """One write to each extent of the span."""
    fio(node, device, f"write:{EXTENT - 4096}", 4096, 32, 1, size=span)


def run(node, device, work, seed):
    """Do what a workload says; {writes, bytes, iops, latency_us}."""
    done = fio(node, device, work.rw, work.size, work.depth, seed, size=work.span,
               io_size=work.writes * work.size)["write"]
    return {"writes": done["total_ios"], "bytes": done["io_bytes"], "iops": done["iops"],
            "latency_us": done["lat_ns"]["mean"] / 1000}
