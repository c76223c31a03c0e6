# SPDX-License-Identifier: GPL-2.0
"""From the death of a primary's machine to the first write done on the new one, with the default settings.

Two nodes and a view server, each a machine. The primary, under a light load, is killed
(kill -9 of QEMU); its backup takes over; the dead one comes back as the new one's
backup. The roles alternate. Each machine's clock is compared with the host's before
the kill, so that all times are on one scale.
"""

import datetime
import os
import random
import re
import shlex
import statistics
import time

import report
from cluster import SERVER, Cluster
from pbtest import DEVICE, VOLUME, check, helper, until

HERE = os.path.dirname(os.path.abspath(__file__))
TITLE = "Fail-over time"
REPEATS = 30
# Where the write goes: beyond what the load writes.
AT = 48 << 20
PARTS = [
    ("detection", "from the kill until the view server has decided"),
    ("decision", "until that is stored, and the backup's daemon has been told"),
    ("activation", "until the backup's kernel is in its view"),
    ("lease wait", "until the leases that it had given are over"),
    ("write", "the first write; how long it took is taken from the next one"),
]
# Clocks are compared so often; the quickest comparison counts.
ASKS = 30


class Stamped:
    """A part of a cluster: the default settings; daemons' lines come with the time; views are stored on a disk."""

    STORE = "/mnt/views/views.db"

    def configure(self, vm, name):
        """The server gets a disk for its store."""
        if name == SERVER:
            vm.run("modprobe ext4; mkdir /mnt/views; mkfs.ext4 -q /dev/disk-data && mount /dev/disk-data /mnt/views")
        super().configure(vm, name)

    def probe(self, vm, *words, **options):
        """Start probe.c in a machine."""
        path = "/root/probe"
        with open(helper(os.path.join(HERE, "probe.c")), "rb") as f:
            vm.run(f"test -e {path} || (cat >{path}.new && chmod 755 {path}.new && mv {path}.new {path})",
                   input=f.read())
        return vm.spawn(f"exec {path} {shlex.join(str(w) for w in words)}", **options)

    def start_pbviewd(self, vm, job):
        """Start it; what it says is kept here, each line behind the time."""
        self.probe(vm, "clock").wait()
        return vm.spawn(f"{shlex.quote(self.guest_pbviewd(vm))} {job} --debug 2>&1 | exec /root/probe stamp")


class StampedCluster(Stamped, Cluster):
    """With one volume."""


def clock_ahead(cluster, vm):
    """(by how many ns a machine's clock is ahead of the host's, how wrong that may be)."""
    job, best = cluster.probe(vm, "clock", stdin=True), None
    for count in range(1, ASKS + 1):
        begin = time.time_ns()
        job.send(b"\n")
        while job.raw().count(b"\n") < count:
            check(job.poll() is None, f"the clock's reader has ended: {job.output()}")
            time.sleep(0)
        end = time.time_ns()
        there = int(job.raw().split()[count - 1])
        if not best or end - begin < best[1]:
            best = there - (begin + end) // 2, end - begin
    job.send(b"")
    job.wait()
    return best[0], best[1] // 2


def stamp(job, pattern):
    """When a daemon has said something, by its machine's clock."""
    def probe():
        return re.search(rf"^(\d+) \S*{pattern}", job.output(), re.MULTILINE)
    return int(until(f"{pattern!r} in a log", probe).group(1))


def decided(cluster, number):
    """When the view server has made a view, by its machine's clock."""
    view = next(v for v in cluster.history() if v["number"] == number)
    check(view["because"] == "the primary was silent", f"view {number}: {view}")
    when = datetime.datetime.fromisoformat(view["time"].replace("Z", "+00:00"))
    return int(when.timestamp() * 1000) * 1000000


def measure(cluster, old, new):
    """Kill the primary; the sample."""
    number = cluster.view()[0] + 1
    ahead, wrong = clock_ahead(cluster, new.vm)
    server_ahead, server_wrong = clock_ahead(cluster, cluster.server)
    writer = cluster.writer(old, threads=1, pause_us=2000)
    writer.wait_acks(50)
    job = cluster.probe(new.vm, "write", DEVICE, AT)
    job.wait_output("refused")
    # Anywhere between two pings.
    time.sleep(random.uniform(0.2, 0.5))
    begin = time.time_ns()
    old.vm.kill()
    check(job.wait(60) == 0, f"{new.name} does not write: {job.output()}")
    done, again = map(int, job.output().split()[-2:])
    view = f"{VOLUME}: view {number}: "
    at = {"detection": decided(cluster, number) - server_ahead,
          "decision": stamp(new.daemon, f"{VOLUME}: told of view {number}$") - ahead,
          "activation": stamp(new.daemon, view) - ahead,
          "lease wait": done - (again - done) - ahead,
          "write": done - ahead}
    # The daemon says so after its kernel has begun to serve, if it is not held up: not after the write.
    at["activation"] = min(at["activation"], at["lease wait"])
    sample, last = {}, begin
    for name, _ in PARTS:
        sample[name], last = (at[name] - last) / 1e6, at[name]
    sample["all"] = (last - begin) / 1e6
    sample["stored"] = (stamp(cluster.serving, view) - server_ahead - begin) / 1e6
    sample["clocks"] = max(wrong, server_wrong) / 1e6
    lost = writer.lost(new.vm.disk_path("data"))
    check(not lost, f"{len(lost)} writes of {writer.acks} are lost: {lost[:5]}")
    return sample


def bring_back(cluster, node):
    """The one that was killed is the other's synced backup again."""
    node.reset()
    cluster.wait_healthy()
    cluster.check_equal(*cluster.replicas)


def machines():
    """What it runs on."""
    return StampedCluster(dead_after=None)


def at_rank(values, part):
    """The value that this part of them does not exceed."""
    return sorted(values)[max(0, -(-len(values) * part // 100) - 1)]


def run(cluster, repeats, say):
    """(title, text, data, complaints)."""
    samples = []
    for turn in range(repeats):
        old, new = cluster.members()
        samples.append(measure(cluster, old, new))
        say(f"{turn + 1}: {new.name} writes {samples[-1]['all']:.0f} ms after {old.name} was killed: " + ", ".join(
            f"{name} {samples[-1][name]:.0f}" for name, _ in PARTS))
        bring_back(cluster, old)
    rows = []
    for name, what in PARTS + [("all", "from the kill until the first write was done")]:
        values = [s[name] for s in samples]
        rows.append([name, *[f"{v:.1f}" for v in (statistics.median(values), at_rank(values, 90), max(values))],
                     str(len(values)), what])
    text = report.table("Milliseconds", ["part", "median", "90 %", "worst", "n", "what"], rows)
    text += f"The clocks are compared to within {max(s['clocks'] for s in samples):.1f} ms.\n"
    return TITLE, text, {"samples": samples}, []
