#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The backup's disk is a hundred times slower than the primary's: memory is bounded, writes wait and none fails.

QEMU holds the backup's drive back to a hundredth of what the primary's was measured to do. What the application
has under way is many times what the backup takes in. Meanwhile samples are taken of what dm-pb says it holds and
of what the kernel has given away (see Sample).
"""

import contextlib
import json
import re
import sys
import time
import uuid

from pbtest import LINK_TIMEOUT, SLOW, check, main, until

DISKS = [("data", "384M"), ("meta", "16M")]
MIB = 1 << 20
SLOWER = 100
# What a backup takes in (PB_WIRE_MAX_SENT_BYTES), and half of PB_WIRE_MAX_SENT, for what is no flush.
MAX_BYTES = 16 * MIB
MAX_REQUESTS = 2048
# Header of a message; what is read beyond a payload (PB_RX_AHEAD) counts as payload here.
HEADER, AHEAD = 64, 512
# Of one 4 KiB write at the backup: its page, struct pb_apply_req (a kmalloc of 512 bytes), a bio, dm-delay's clone.
APPLIED_WRITE = 4096 + 512 + 256 + 512
# At the primary: the application's own request and bio, and dm's clone with struct pb_bio in front.
ISSUED_WRITE = 2048
# Requests of the disks, partly used slabs, buffers of the network card, programs. A debug kernel takes more of all.
NOISE = 6 * MIB
# The kernel's own bounds of a socket's buffers (tcp_rmem, tcp_wmem), 6 and 4 MiB; one segment may go beyond.
MAX_SOCKET = 8 * MIB
REST = MAX_SOCKET + NOISE

LARGE = {"bs": "1m", "iodepth": 256, "numjobs": 1, "size": 256 * MIB}
SMALL = {"bs": "4k", "iodepth": 256, "numjobs": 16, "size": 2 * MIB}


def fio(device, load, **options):
    """The command that writes each block of LOAD's range once, in no order."""
    words = {"name": "load", "filename": device, "ioengine": "libaio", "direct": 1, "thread": None, "rw": "randwrite",
             "group_reporting": None, "output-format": "json", **load, "offset_increment": load["size"], **options}
    return "fio " + " ".join(f"--{k}" if v is None else f"--{k}={v}" for k, v in words.items())


def report(out):
    """fio's report of its writes."""
    job = json.loads(out[out.index("{"):])["jobs"][0]
    check(not job["error"], f"fio: error {job['error']}")
    return job["write"]


class Sample:
    """What a node holds at one moment.

    kernel  bytes that the kernel has given away, but for the page cache and programs' memory: slabs, pages of
            payload, buffers of sockets. A CPU's list of free pages can be tens of MiB and is no loss
    rmem    bytes that wait in the socket to be read; wmem, to be sent or acked by the peer's TCP
    payload bytes of payload received and not yet on the disk
    """

    COMMAND = "cat /proc/meminfo; grep -E '^ +count:' /proc/zoneinfo; ss -Htmn; "

    def __init__(self, node, text, begin):
        # It was taken between these.
        self.begin, self.end = begin, time.monotonic()
        text, _, status = text.partition("\n[")
        self.status = json.loads("[" + status)[0]
        kib = {name: int(value) for name, value in re.findall(r"^(\S+): +(\d+) kB", text, re.M)}
        listed = sum(int(n) for n in re.findall(r"^ +count: (\d+)", text, re.M))
        self.kernel = 1024 * (kib["MemTotal"] - kib["MemFree"] - kib["Buffers"] - kib["Cached"] -
                              kib["AnonPages"]) - 4096 * listed
        # The agent's own sockets are no TCP: there is one connection.
        found = re.findall(r"skmem:\(r(\d+),rb(\d+),t\d+,tb(\d+),f\d+,w(\d+)", text)
        check(len(found) == 1, f"{node.name} has {len(found)} connections")
        self.rmem, self.rcvbuf, self.sndbuf, self.wmem = map(int, found[0])
        counters = self.counters = self.status["counters"]
        self.payload = counters["rx_bytes"] - HEADER * counters["rx_messages"] - counters["applied_bytes"]


def sample(pair):
    """Of both nodes."""
    begin = time.monotonic()
    jobs = [node.vm.spawn(f"{Sample.COMMAND}{node.pbctl_path()} status vol --json") for node in pair.nodes]
    for job in jobs:
        check(job.wait(30) == 0, f"no sample:\n{job.output()}")
    return [Sample(node, job.output(), begin) for node, job in zip(pair.nodes, jobs)]


class Brake:
    """Holds the data drive of a node back."""

    def __init__(self, node):
        self._vm = node.vm
        self._id = next(d["qdev"] for d in self._vm.qmp("query-block")
                        if d.get("inserted", {}).get("node-name") == "disk-data")

    def set(self, rate):
        """To so many bytes a second; 0: no more."""
        self._vm.qmp("block_set_io_throttle", id=self._id, bps=rate, bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=0)


@contextlib.contextmanager
def volume(pair, deep):
    """A pair; DEEP: the backup's disk takes any number of requests, and all that it is sent waits there."""
    a, b = pair.nodes
    pair.volume = str(uuid.uuid4())
    a.create(pair.volume)
    if deep:
        # dm-delay keeps what comes and has a thread that waits for the drive.
        b.vm.run("modprobe dm-delay; dmsetup create deep --table "
                 "\"0 $(blockdev --getsz /dev/disk-data) delay /dev/disk-data 0 1\"")
    b.create(pair.volume, data="/dev/mapper/deep" if deep else "/dev/disk-data")
    pair.set_view(1, a, b)
    pair.link()
    brake = Brake(b)
    try:
        yield brake
    finally:
        brake.set(0)
        b.take_down()
        if deep:
            b.vm.run("dmsetup remove --retry deep")


class Watch:
    """Samples a pair under load and keeps the greatest of each; AT is both at rest."""

    def __init__(self, pair, depth, limits):
        self.pair = pair
        self.depth = depth          # writes that the application has under way at most
        self.limits = limits        # node's index -> bytes that its kernel may take
        self.at = sample(pair)
        self.first = self.last = None
        self.count = 0
        self.most = {name: 0 for name in ("applying", "payload", "kernel0", "kernel1", "rmem", "wmem", "active",
                                           "moved")}

    def _note(self, name, value, limit):
        self.most[name] = max(self.most[name], value)
        check(value <= limit, f"{name}: {value}, more than {limit}; so far {self.most}")

    def look(self):
        """One sample; it must be within all bounds, and the pair be as it was."""
        a, b = self.last = sample(self.pair)
        self.first = self.first or self.last
        self.count += 1
        self._note("applying", b.status["applying"], MAX_REQUESTS)
        self._note("payload", b.payload - self.at[1].payload, MAX_BYTES + AHEAD)
        self.most["moved"] = self.moved()[0]
        self._note("active", a.status["in_flight"], self.depth)
        for i, s in enumerate(self.last):
            self._note(f"kernel{i}", s.kernel - self.at[i].kernel, SLOW * self.limits[i])
            self._note("rmem", s.rmem, MAX_SOCKET)
            self._note("wmem", s.wmem, MAX_SOCKET)
            check(s.status["view"]["number"] == 1, "the view has changed")
        link = a.status["downstream"]
        check(link["state"] == "up" and link["connects"] == self.at[0].status["downstream"]["connects"],
              f"the connection was lost: {link}")
        check(link["silent_ms"] < LINK_TIMEOUT, f"the backup was silent for {link['silent_ms']} ms")
        check(b.status["upstream"]["state"] == "up", f"the backup's link is {b.status['upstream']}")
        for name in ("failed_bios", "resent", "local_errors", "rx_throttled"):
            check(not a.counters[name] and not b.counters[name], f"{name}: {a.counters[name]}, {b.counters[name]}")
        return True

    def moved(self):
        """Bytes that the backup's disk took since the first sample, and the seconds that it had, or fewer."""
        return (self.last[1].counters["applied_bytes"] - self.first[1].counters["applied_bytes"],
                self.last[1].end - self.first[1].begin)

    def has_seen(self, least):
        """Enough: writes have waited for longer than the link's time-out, and both have spoken and heard meanwhile."""
        (a, b), (first_a, first_b) = self.last, self.first
        return (self.count >= 4 and a.status["oldest_wait_ms"] > LINK_TIMEOUT and
                a.counters["acked_rx"] > first_a.counters["acked_rx"] + 4 and
                a.counters["keepalives_tx"] > first_a.counters["keepalives_tx"] + 4 and
                b.counters["rx_messages"] > first_b.counters["rx_messages"] + 4 and
                all(self.most[name] >= value for name, value in least.items()))


def under_load(pair, deep, load, limits, least, meanwhile=lambda: None):
    """LOAD the primary while the backup is slow, then let it catch up; LEAST must be reached."""
    a, b = pair.nodes
    raw = report(a.vm.run(fio("/dev/disk-data", load, numjobs=1, iodepth=64, size=64 * MIB,
                              number_ios=1000)).out)["bw_bytes"]
    a.vm.run("blkdiscard -z -f /dev/disk-data")
    with volume(pair, deep) as brake:
        watch = Watch(pair, load["iodepth"] * load["numjobs"], limits)
        brake.set(raw // SLOWER)
        job = a.vm.spawn(fio("/dev/mapper/vol", load))
        until("writes at the backup", lambda: b.status()["applying"] or job.poll() is not None)
        until(f"samples that say enough, {least}", lambda: watch.look() and watch.has_seen(least), 60, 0)
        check(job.poll() is None, f"fio has ended:\n{job.output()}")
        moved, seconds = watch.moved()
        print(f"# drive: {raw} bytes/s, {raw // SLOWER} at the backup; {moved} bytes in {seconds:.1f} s while it was so "
              f"slow; {watch.count} samples, most: {watch.most}", flush=True)
        check(moved <= (seconds + 1) * raw / SLOWER, "the backup's disk was not that slow")
        meanwhile()
        brake.set(0)
        until("the end of the load", lambda: watch.look() and job.poll() is not None, 60, 0)
        check(job.wait(10) == 0, f"fio failed:\n{job.output()}")
        total = report(job.output())
        wanted = load["size"] * load["numjobs"]
        check(total["io_bytes"] == wanted, f"{total['io_bytes']} bytes written, not {wanted}")
        pair.wait_quiet()
        watch.look()
        left = [watch.last[i].kernel - watch.at[i].kernel for i in range(2)]
        print(f"# most of all: {watch.most}; left: {left}", flush=True)
        for node, bytes_left in zip(pair.nodes, left):
            check(bytes_left < SLOW * NOISE, f"{node.name} has not given back {bytes_left} bytes")
        pair.finish()


def start_read(node):
    """Read a block that nobody writes: what is being written is not shown before it is done, and that takes time."""
    return node.vm.spawn("dd if=/dev/mapper/vol of=/dev/null bs=1M skip=300 count=1 iflag=direct")


def test_bytes(pair):
    """1 MiB writes, 256 at a time: 16 MiB of payload at the backup, and no more"""
    limits = (256 * (ISSUED_WRITE + 4096) + REST, MAX_BYTES + REST)
    under_load(pair, True, LARGE, limits, {"payload": 15 * MIB, "kernel1": 14 * MIB, "moved": 8 * MIB})


def test_requests(pair):
    """4 KiB writes, 4096 at a time: 2048 requests at the backup, and no more; reads are served"""
    def read():
        begin = time.monotonic()
        reader = start_read(pair.nodes[0])
        check(reader.wait(20) == 0, f"a read failed:\n{reader.output()}")
        print(f"# a read took {time.monotonic() - begin:.1f} s", flush=True)

    limits = (4096 * ISSUED_WRITE + REST, MAX_REQUESTS * APPLIED_WRITE + REST)
    under_load(pair, True, SMALL, limits, {"applying": 2000, "kernel1": 8 * MIB}, read)


def test_full_queue(pair):
    """the backup's disk takes no more requests: the receiver stands still, the rest is in the sockets"""
    a, _b = pair.nodes
    readers = []

    def read():
        readers.append(start_read(a))
        # The answer that it needs is behind what the backup has not read.
        until("a read that waits, or has ended", lambda: a.counter("lease_waits") or readers[0].poll() is not None)

    limits = (4096 * ISSUED_WRITE + REST, MAX_REQUESTS * APPLIED_WRITE + REST)
    under_load(pair, False, SMALL, limits, {"applying": 100}, read)
    check(readers[0].wait(20) == 0, f"a read failed:\n{readers[0].output()}")


if __name__ == "__main__":
    sys.exit(main([test_bytes, test_requests, test_full_queue], disks=DISKS))
