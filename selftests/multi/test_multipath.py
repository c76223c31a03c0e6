#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Replicas on multipath devices: paths fail and come back under a writer, and tables are changed.

Each node has a SCSI disk in memory, seen by two hosts (scsi_debug), and a multipath device on it. The test does what
multipathd does there: it says which path is well again, and what happens when there is none.
"""

import sys

from cluster import CONFIG, VOLUME, Cluster, run
from pbtest import EBADE, SLOW, check, until

SECTORS = 65536
PATHS = "/dev/mapper/mpath"
TABLE = f"0 {SECTORS} multipath 1 queue_if_no_path 0 1 1 round-robin 0 2 1 {{}} 100 {{}} 100"
PATIENT = f"timeout_ms = {20000 * SLOW};"


class Paths(Cluster):
    """A cluster whose replicas have their data on a multipath device."""

    def configure_volumes(self, vm):
        """The volume's file, and the device that it names."""
        if vm is not self.server:
            make_device(vm)
        vm.push(f"{CONFIG}/volumes/{VOLUME}.conf", self.volume_text(VOLUME, self.volume, PATHS, "/dev/disk-meta"))


def make_device(vm):
    """Two paths to one disk, and a multipath device."""
    vm.run("modprobe -a sd_mod dm-multipath dm-round-robin; "
           f"modprobe scsi_debug dev_size_mb={SECTORS >> 11} add_host=2 vpd_use_hostno=0 delay=0")
    vm.wait_until("test $(ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/sd* | wc -l) = 2")
    ids = vm.run("cat /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/wwid").out.split("\n")
    check(ids[0] and ids[0] == ids[1], f"the paths lead to different disks: {ids}")
    vm.run(f"dmsetup create mpath --table '{TABLE.format(*paths_of(vm))}'")


def paths_of(vm):
    """Their numbers."""
    return vm.run("cat /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/sd*/dev").out.split()


def fail(node, *which):
    """Take paths away: 0, 1."""
    for path in which:
        node.vm.run(f"echo offline >/sys/dev/block/{paths_of(node.vm)[path]}/device/state")


def mend(node, *which):
    """Bring them back, and say so."""
    for path in which:
        number = paths_of(node.vm)[path]
        node.vm.run(f"echo running >/sys/dev/block/{number}/device/state; "
                    f"dmsetup message mpath 0 reinstate_path {number}")


def message(node, text):
    """Tell the multipath device something."""
    node.vm.run(f"dmsetup message mpath 0 {text}")


def failed(node):
    """How many paths are known to have failed."""
    return node.vm.run("dmsetup status mpath").out.split().count("F")


def goes_on(writer, count=20):
    """It gets acks."""
    writer.wait_acks(writer.acks + count)


def has_all(node, writer):
    """What was acknowledged is there; the disk is copied to where it can be seen from outside of the machine."""
    node.vm.run(f"dd if={PATHS} of=/dev/disk-data bs=1M iflag=direct oflag=direct 2>/dev/null")
    lost = writer.lost(node.vm.disk_path("data"))
    check(not lost, f"{node.name} lost {len(lost)} of {writer.acks} acknowledged: {lost[:10]}")


def equal(cluster, writer):
    """Both replicas are equal, and nothing that was acknowledged is missing."""
    def quiet():
        return not any(n.status()[word] for n in cluster.replicas for word in ("in_flight", "held", "applying"))
    writer.stop()
    check(not writer.errors, f"writes failed: {writer.errors}")
    until("nothing in flight", quiet)
    for node in cluster.replicas:
        has_all(node, writer)
    a, b = (n.vm for n in cluster.replicas)
    at = cluster.rig.compare("data", a, b)
    check(at is None, f"the replicas differ at byte {at}")


def test_one_path(cluster):
    """one path fails under a writer, on either node, and then the other one: nothing waits and nothing is said"""
    a, b = cluster.nodes[:2]
    view = cluster.view()
    writer = cluster.writer(a, threads=4)
    for node in (a, b):
        for path in (0, 1):
            goes_on(writer)
            fail(node, path)
            until("the path has failed", lambda n=node: failed(n) == 1)
            goes_on(writer)
            mend(node, path)
            until("the path is back", lambda n=node: failed(n) == 0)
    goes_on(writer)
    check(cluster.view() == view, f"the view was {view} and is {cluster.view()}")
    for node in (a, b):
        status = node.status()
        check(not status["flags"]["disk_errors"] and not status["counters"]["local_errors"], f"{node.name}: {status}")
    equal(cluster, writer)


def test_no_path_queues(cluster):
    """no path is left and the device queues: writes wait, on either node, in the same view; with a path they go on"""
    a, b = cluster.nodes[:2]
    view = cluster.view()
    writer = cluster.writer(a, threads=4)
    for node in (a, b):
        goes_on(writer)
        fail(node, 0, 1)
        writer.wait_stuck(still=2)
        state = cluster.state()
        check(cluster.view() == view, f"{node.name} has no path: the view was {view} and is {state}")
        mend(node, 1)
        goes_on(writer)
        mend(node, 0)
    equal(cluster, writer)
    check(cluster.view() == view, f"the view was {view} and is {cluster.view()}")


def test_tables(cluster):
    """the multipath device gets new tables under a writer, on both nodes: no write is lost"""
    a, b = cluster.nodes[:2]
    writer = cluster.writer(a, threads=4, flush_every=16)
    for turn in range(12):
        node = (a, b)[turn % 2]
        paths = paths_of(node.vm)[::-1 if turn % 4 > 1 else 1]
        goes_on(writer)
        # As multipathd does it, and as one would by hand.
        node.vm.run(f"dmsetup load mpath --table '{TABLE.format(*paths)}' && "
                    f"dmsetup suspend {'--noflush' if turn % 3 else ''} mpath && dmsetup resume mpath")
    goes_on(writer)
    equal(cluster, writer)


def test_no_path_fails_backup(cluster):
    """no path is left on the backup and the device says so: the primary goes on in a view without it"""
    a, b = cluster.nodes[:2]
    writer = cluster.writer(a, threads=4)
    goes_on(writer)
    message(b, "fail_if_no_path")
    fail(b, 0, 1)
    cluster.wait_view("a view without the backup", lambda s: len(s["view"]["members"]) == 1)
    goes_on(writer)
    mend(b, 0, 1)
    message(b, "queue_if_no_path")
    b.pbctl("down", VOLUME)
    b.up()
    cluster.wait_healthy()
    equal(cluster, writer)


def test_no_path_fails_primary(cluster):
    """no path is left on the primary and the device says so: the backup takes over, with all that was acknowledged"""
    a, b = cluster.nodes[:2]
    writer = cluster.writer(a, threads=4)
    goes_on(writer)
    message(a, "fail_if_no_path")
    fail(a, 0, 1)
    cluster.wait_primary(b)
    until("the old primary refuses", lambda: len(writer.errors) == writer.threads)
    check(all(e[2] == EBADE for e in writer.errors), f"writes failed otherwise than by the role: {writer.errors}")
    has_all(b, writer)
    mend(a, 0, 1)
    message(a, "queue_if_no_path")
    a.pbctl("down", VOLUME)
    a.up()
    cluster.wait_healthy()
    writer = cluster.writer(b, threads=4)
    goes_on(writer)
    equal(cluster, writer)


if __name__ == "__main__":
    sys.exit(run([test_one_path, test_no_path_queues, test_tables, test_no_path_fails_backup,
                  test_no_path_fails_primary], Paths, volume=PATIENT))
