# SPDX-License-Identifier: GPL-2.0
"""The stacks that are measured: each makes a block device of the same disks of two machines.

A stack is made on a pair (pbtest.Pair, not linked) and used so:

    stack.set_up()      new and blank, in service on node 0 as stack.device
    stack.quiet()       nothing of what was done is under way any more
    stack.counters()    what it says of itself, one dictionary for each node
    stack.disagrees()   lines: where that is not what the disks saw
    stack.take_down()   the disks are free again; also if nothing was set up

Those that can be without their second node also have

    stack.leave()       node 1 is away, node 0 goes on
    stack.rejoin()      it is back and up to date; the seconds from the connection until it was
"""

import re

from pbtest import DEVICE, until
from rig import RigError


# Larger data disks stay sparse: writing zeroes would fill the host's disk.
FILLED = 1 << 30
# What could be left of the stack before is gone with the zeroes. What the host has to allocate
# for a write is allocated then: all stacks find the same.
ZEROES = """blkdiscard -z -f /dev/disk-meta || exit
size=$(blockdev --getsize64 /dev/disk-data)
[ $size -le {filled} ] || exec blkdiscard -f /dev/disk-data
# The first flush would have to wait for all of it.
exec dd if=/dev/zero of=/dev/disk-data oflag=direct conv=fsync bs=1M count=$((size >> 20)) 2>&1
"""


# DRBD's options of a disk and more, for speed. By its defaults a resync is slow on purpose.
TUNED = ("al-extents 6433; c-plan-ahead 0; resync-rate 4G; c-max-rate 4G; c-min-rate 0;",
         "net { max-buffers 8000; max-epoch-size 8000; }")


def wipe(pair):
    """Blank disks."""
    jobs = [node.vm.spawn(ZEROES.format(filled=FILLED)) for node in pair.nodes]
    for node, job in zip(pair.nodes, jobs):
        if job.wait(120):
            raise RigError(f"{node.name}: the disks cannot be wiped:\n{job.output()}")


def logged(vm, pattern):
    """When a kernel has said something last, by its own clock; None if it has not."""
    found = re.findall(rf"^\[ *([\d.]+)\] .*(?:{pattern})", vm.run("dmesg").out, re.MULTILINE)
    return float(found[-1]) if found else None


def took(vm, begin, end, timeout=300):
    """Seconds from one line of the kernel's log to another one, once that is there."""
    def wait(pattern):
        return until(f"{pattern!r} in the kernel's log", lambda: logged(vm, pattern), timeout, 0.1)
    return wait(end) - wait(begin)


class DmPb:
    """dm-pb, with options of 'pbctl create' if any."""

    device = DEVICE

    def __init__(self, pair, name="dm-pb", options=()):
        self.pair, self.name, self.options = pair, name, options

    def set_up(self):
        """A volume in view 1."""
        wipe(self.pair)
        self.pair.new_volume(extra=self.options)

    def quiet(self):
        """No message without its ack, no write without its end."""
        status = [node.status() for node in self.pair.nodes]
        return not any(s["in_flight"] or s["held"] or s["applying"] or (s["downstream"] or {}).get("unacked")
                       for s in status)

    def counters(self):
        """Those of 'pbctl status'."""
        return [node.status()["counters"] for node in self.pair.nodes]

    def disagrees(self, sample):
        """No view changes while it is measured, so no superblock is written: all is the log's and the maps'.

        A log counts the flushes that it asks for; a backup's gets them from the primary's, if that one is sooner.
        """
        bad = []
        for i, counted in enumerate(sample["counters"]):
            made = counted["flushes"] + counted["applied_flushes"]
            asked = made + counted["log_flushes"]
            if counted["meta_writes"] != sample["meta_writes"][i]:
                bad.append(f"{self.name}, node{i}: {counted['meta_writes']} metadata writes are counted, "
                           f"the disk saw {sample['meta_writes'][i]}")
            if not sample.get("maps") and counted["log_records"] != counted["meta_writes"]:
                bad.append(f"{self.name}, node{i}: {counted['meta_writes']} metadata writes for "
                           f"{counted['log_records']} records")
            if not (asked if i == 0 else made) <= sample["data_flushes"][i] <= asked:
                bad.append(f"{self.name}, node{i}: {made} flushes are counted and {asked - made} asked for, "
                           f"the disk saw {sample['data_flushes'][i]}")
        return bad

    def leave(self):
        """A view without it."""
        a, b = self.pair.nodes
        a.unlink()
        b.unlink()
        self.pair.set_view(self.pair.view + 1, a)

    def rejoin(self):
        """In a view after that; its events have the kernel's time."""
        a, b = self.pair.nodes
        mark = a.mark()
        self.pair.set_view(self.pair.view + 1, a, b.member(":unsynced"))
        self.pair.link()
        done = a.wait_event("sync-done", mark, 300)
        begin = a.wait_event("link-up", mark)
        self.pair.set_view(self.pair.view + 1, a, b)
        self.pair.link()
        return (done["time_ns"] - begin["time_ns"]) / 1e9

    def take_down(self):
        """The same for all states."""
        for node in reversed(self.pair.nodes):
            node.take_down()


class Drbd:
    """The kernel's own DRBD 8.4, protocol C, defaults but for what is said in DISK and in the sections of MORE."""

    device = "/dev/drbd0"
    CONFIG = """global {{ usage-count no; }}
resource r0 {{
  disk {{ {disk} }}
  {more}
  device /dev/drbd0 minor 0;
  disk /dev/disk-data;
  meta-disk /dev/disk-meta;
  on {names[0]} {{ address {ips[0]}:7789; }}
  on {names[1]} {{ address {ips[1]}:7789; }}
}}
"""

    def __init__(self, pair, name="drbd", disk="", more=""):
        self.pair, self.name = pair, name
        self.vms = [node.vm for node in pair.nodes]
        self.config = self.CONFIG.format(disk=disk, more=more, names=[vm.name for vm in self.vms],
                                         ips=[vm.ip for vm in self.vms])

    def set_up(self):
        """Blank disks are equal: no first resync."""
        wipe(self.pair)
        jobs = []
        for vm in self.vms:
            vm.push("/etc/drbd.conf", self.config)
            jobs.append(vm.spawn("modprobe drbd && drbdadm create-md --force r0 && drbdadm up r0"))
        for vm, job in zip(self.vms, jobs):
            if job.wait(60):
                raise RigError(f"{vm.name}: drbdadm:\n{job.output()}")
        self._wait("cs:Connected")
        self.vms[0].run("drbdadm new-current-uuid --clear-bitmap r0 && drbdadm primary r0")
        self._wait("cs:Connected ro:[A-Za-z/]* ds:UpToDate/UpToDate")

    def _wait(self, pattern):
        for i in range(2):
            until(f"DRBD: {pattern}", lambda i=i: re.search(pattern, self._proc(i)), 60, 0.1)

    def _proc(self, i):
        return self.vms[i].run("cat /proc/drbd").out

    def quiet(self):
        """No request, none unacknowledged, one epoch: the open one."""
        return all(re.search(r" lo:0 pe:0 ua:0 ap:0 ep:1 ", self._proc(i)) for i in range(2))

    def counters(self):
        """al and bm: writes of the activity log and of the bitmap."""
        return [{k: int(v) for k, v in re.findall(r"\b(al|bm):(\d+)", self._proc(i))} for i in range(2)]

    def disagrees(self, sample):
        """Its superblock may have been written as well."""
        return [f"{self.name}, node{i}: al + bm is {c['al'] + c['bm']}, the disk saw {sample['meta_writes'][i]}"
                for i, c in enumerate(sample["counters"])
                if not 0 <= sample["meta_writes"][i] - c["al"] - c["bm"] <= 2]

    def leave(self):
        """It disconnects."""
        self.vms[1].run("drbdadm disconnect r0")
        until("DRBD: disconnected", lambda: "cs:WFConnection" in self._proc(0), 60, 0.1)
        self.vms[0].run("dmesg -C")

    def rejoin(self):
        """It connects."""
        self.vms[1].run("drbdadm connect r0")
        return took(self.vms[0], "conn. WFConnection -> WFReportParams .", "conn. SyncSource -> Connected .")

    def take_down(self):
        """The same for all states."""
        for vm in self.vms:
            vm.run("[ ! -e /proc/drbd ] || drbdadm down r0", 60)


class Raw:
    """The first node's disk as it is: no copy anywhere."""

    device = "/dev/disk-data"
    name = "raw disk"

    def __init__(self, pair):
        self.pair = pair

    def set_up(self):
        """Blank."""
        wipe(self.pair)

    def quiet(self):
        """What the disks see is all that there is to see."""
        return True

    def take_down(self):
        """Nothing is there."""


class DmLinear(Raw):
    """The first node's disk below the least that device-mapper can do."""

    device = "/dev/mapper/linear"
    name = "dm-linear"

    def set_up(self):
        """All of the disk."""
        wipe(self.pair)
        self.pair.nodes[0].vm.run("modprobe dm-mod; dmsetup create linear --table "
                                  "\"0 $(blockdev --getsz /dev/disk-data) linear /dev/disk-data 0\"")

    def take_down(self):
        """If it is there."""
        self.pair.nodes[0].vm.run("[ ! -e /dev/mapper/linear ] || dmsetup remove --retry linear")


class Md(Raw):
    """md-raid1 of the first node's disk and, by NVMe/TCP, the second's; with a bitmap, or a crash would copy all."""

    device = "/dev/md0"
    name = "md-raid1, NVMe/TCP"
    NQN = "dm-pb-bench"
    EXPORT = """set -e
modprobe nvmet-tcp
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
cd /sys/kernel/config/nvmet
mkdir -p subsystems/{nqn}/namespaces/1 ports/1
echo 1 >subsystems/{nqn}/attr_allow_any_host
echo -n $(readlink -f /dev/disk-data) >subsystems/{nqn}/namespaces/1/device_path
echo 1 >subsystems/{nqn}/namespaces/1/enable
echo tcp >ports/1/addr_trtype
echo ipv4 >ports/1/addr_adrfam
echo {ip} >ports/1/addr_traddr
echo 4420 >ports/1/addr_trsvcid
ln -s /sys/kernel/config/nvmet/subsystems/{nqn} ports/1/subsystems/{nqn}
"""
    WITHDRAW = """cd /sys/kernel/config/nvmet 2>/dev/null || exit 0
[ -d subsystems/{nqn} ] || exit 0
rm -f ports/1/subsystems/{nqn}
echo 0 >subsystems/{nqn}/namespaces/1/enable
rmdir subsystems/{nqn}/namespaces/1 ports/1 subsystems/{nqn}
"""

    def set_up(self):
        """Both halves are blank, and so equal."""
        wipe(self.pair)
        a, b = (node.vm for node in self.pair.nodes)
        b.run(self.EXPORT.format(nqn=self.NQN, ip=b.ip))
        a.run(f"modprobe nvme-tcp && echo transport=tcp,traddr={b.ip},trsvcid=4420,nqn={self.NQN} >/dev/nvme-fabrics")
        a.wait_until("test -b /dev/nvme0n1")
        # By default a resync is held at 200 MB/s.
        a.run("modprobe raid1 && echo 10000000 >/proc/sys/dev/raid/speed_limit_max && "
              "mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean "
              "--bitmap=internal --homehost=any /dev/disk-data /dev/nvme0n1", 60)

    def leave(self):
        """It counts as failed."""
        vm = self.pair.nodes[0].vm
        vm.run("mdadm /dev/md0 --fail /dev/nvme0n1")
        # It is in use until what is under way has ended.
        vm.wait_until("mdadm /dev/md0 --remove /dev/nvme0n1")
        vm.run("dmesg -C")

    def rejoin(self):
        """It is added again."""
        vm = self.pair.nodes[0].vm
        vm.run("mdadm /dev/md0 --re-add /dev/nvme0n1")
        return took(vm, "md: recovery? of RAID array md0", "md: md0: recovery? done")

    def take_down(self):
        """What of it there is."""
        a, b = (node.vm for node in self.pair.nodes)
        a.run("[ ! -e /dev/md0 ] || mdadm --stop /dev/md0; "
              "for c in /sys/class/nvme/nvme*/delete_controller; do [ ! -e $c ] || echo 1 >$c; done", 60)
        b.run(self.WITHDRAW.format(nqn=self.NQN))
