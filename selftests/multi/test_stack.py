#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What stands on a volume goes where the volume goes: LVM with a file system, and the disk of a guest.

The hook is the one of examples.rst. Machines here have no udev, and LVM looks at what its configuration names.
"""

import os
import sys

from cluster import CONFIG, DEVICE, VOLUME, run
from pbtest import SLOW, check, until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(TOP, "Documentation", "examples")
PATIENT = f"timeout_ms = {20000 * SLOW};"
TEXT = "what was written before"
# The setting that examples.rst has, and what comes of having none.
FILTER = f'[ "a|^/dev/mapper/{VOLUME}$|", "r|.*|" ]'
# Stands in for libvirt: one guest, and notes of what was done to it.
VIRSH = """#!/bin/sh
state=$(cat /root/virsh.state 2>/dev/null || echo shut off)
case $1 in
domstate) echo $2 >>/root/virsh.domstate; echo $state ;;
start) [ "$state" = "shut off" ] && echo $1 $2 >>/root/virsh.done && echo running >/root/virsh.state ;;
destroy) [ "$state" = running ] && echo $1 $2 >>/root/virsh.done && echo shut off >/root/virsh.state ;;
esac
"""
EVERYTHING = '[ "a|.*|" ]'
ERRORS = " 2>&1"


def set_filter(node, text):
    """lvm.conf of a node."""
    node.vm.run("mkdir -p /etc/lvm /run/lock/lvm /srv/app")
    node.vm.push("/etc/lvm/lvm.conf", f"""devices {{
	use_devicesfile = 0
	obtain_device_list_from_udev = 0
	global_filter = {text}
}}
activation {{
	udev_sync = 0
	udev_rules = 0
	monitoring = 0
}}
""".encode())


def install_hook(node, name):
    """One of the examples, for the volume of the test."""
    with open(os.path.join(EXAMPLES, name), "rb") as f:
        script = f.read()
    node.vm.push(f"{CONFIG}/hooks.d/{name}", script.replace(b" db ", f" {VOLUME} ".encode()), 0o755)


def group_of(node):
    """Logical volumes that are active on a node, and what is mounted of them."""
    return node.vm.run("dmsetup ls | grep -o '^app-[a-z]*'; grep -o ' /srv/app ' /proc/mounts", check=False).out.split()


def switch(cluster, node):
    """Make another node the primary."""
    node.pbctl("switch", VOLUME, node.name)
    cluster.wait_primary(node)


def make_group(cluster):
    """A volume group with a logical volume and a file system, by hand, as in examples.rst; the hooks on both nodes."""
    a, b = cluster.nodes[:2]
    for node in (a, b):
        set_filter(node, FILTER)
        install_hook(node, "50-lvm")
    a.vm.run(f"wipefs -qa {DEVICE}; pvcreate -q {DEVICE} && vgcreate -q --setautoactivation n app {DEVICE} && "
             "lvcreate -q -y -n data -L 24m app && mkfs.ext4 -q /dev/app/data && mount /dev/app/data /srv/app && "
             f"echo '{TEXT}' >/srv/app/file && sync /srv/app/file")


def remove_group(cluster):
    """For the next test."""
    for node in cluster.replicas:
        node.vm.run(f"rm -f {CONFIG}/hooks.d/*; umount /srv/app; dmsetup ls | grep -o '^app-[a-z]*' | "
                    "xargs -r dmsetup remove; rm -rf /dev/app", check=False)
        set_filter(node, FILTER)


def test_group_moves(cluster):
    """LVM and a file system on a volume: a switch takes them along, a death too, by the hook of examples.rst"""
    a, b = cluster.nodes[:2]
    make_group(cluster)
    # By hand, as examples.rst has it, and by the hooks.
    switch(cluster, b)
    until("b has it mounted", lambda: group_of(b) == ["app-data", "/srv/app"])
    until("a has let it go", lambda: not group_of(a))
    check(b.vm.run("cat /srv/app/file").out.strip() == TEXT, "the file is not there, or is another")
    b.vm.run("cp /srv/app/file /srv/app/second && sync /srv/app/second")
    cluster.wait_healthy()
    b.vm.kill()
    cluster.wait_primary(a)
    until("a has it mounted", lambda: group_of(a) == ["app-data", "/srv/app"])
    check(a.vm.run("cat /srv/app/second").out.strip() == TEXT, "the file is not there, or is another")
    b.reset()
    cluster.wait_healthy()
    check(not group_of(b), f"a backup that was away has {group_of(b)}")
    # Nothing there is LVM's on a backup.
    set_filter(b, FILTER)
    found = b.vm.run("pvs --noheadings" + ERRORS).out
    check("app" not in found, f"LVM on the backup finds {found}")
    remove_group(cluster)


def test_no_filter(cluster):
    """LVM that looks everywhere finds the backup's disk, and cannot have it; on the primary it finds the group twice"""
    a, b = cluster.nodes[:2]
    make_group(cluster)
    a.vm.run("umount /srv/app && vgchange -q -an app")
    for node in (a, b):
        set_filter(node, EVERYTHING)
    found = b.vm.run("pvs --noheadings -o pv_name,vg_name 2>/dev/null").out.split()
    check("app" in found and DEVICE not in found, f"LVM on the backup finds {found}: this test tests nothing")
    out = b.vm.run("vgchange -ay app" + ERRORS, check=False)
    check(out.rc and "busy" in out.out.lower(), f"LVM on the backup: {out.out}")
    check(not group_of(b), f"LVM on the backup has activated {group_of(b)}")
    out = a.vm.run("vgchange -ay app" + ERRORS, check=False)
    check(out.rc and "duplicate" in out.out, f"LVM on the primary: {out.out}")
    check(not group_of(a), f"LVM on the primary has activated {group_of(a)}")
    set_filter(a, FILTER)
    a.vm.run("vgchange -q -ay app && mount /dev/app/data /srv/app")
    check(a.vm.run("cat /srv/app/file").out.strip() == TEXT, "the file is not there, or is another")
    # A disk that LVM had first is not taken from it.
    a.vm.run("umount /srv/app && vgchange -q -an app")
    b.vm.run(f"rm {CONFIG}/hooks.d/50-lvm")
    b.pbctl("down", VOLUME)
    b.vm.run("vgchange -q -ay app")
    check(group_of(b), "nothing was activated")
    out = b.pbctl("up", VOLUME, check=False)
    check(out.rc and "is in use" in out.out, f"pbctl up says {out.out}")
    b.vm.run("vgchange -q -an app")
    b.up()
    cluster.wait_healthy()
    remove_group(cluster)
    cluster.check_equal(a, b)


def limits(node, name):
    """What the kernel says of the shape of a device of device-mapper."""
    names = ("logical_block_size", "physical_block_size", "minimum_io_size", "optimal_io_size", "discard_granularity",
             "write_zeroes_max_bytes")
    sysfs = f"/sys/dev/block/$(dmsetup info -c --noheadings --separator : -o major,minor {name})/queue"
    values = node.vm.run(f"cd {sysfs} && cat {' '.join(names)}").out.split()
    return dict(zip(names, map(int, values)))


def test_shape(cluster):
    """a logical volume has the shape of the volume below it; it begins where that fits, and discards get through"""
    a, b = cluster.nodes[:2]
    make_group(cluster)
    below, above = limits(a, VOLUME), limits(a, "app-data")
    check(below["minimum_io_size"] and below["discard_granularity"], f"the volume: {below}")
    for name, value in below.items():
        check(above[name] == value, f"{name}: {above[name]} on a logical volume, {value} below")
    start = int(a.vm.run("pvs --noheadings --nosuffix --units b -o pe_start " + DEVICE).out)
    check(start % max(below["physical_block_size"], below["minimum_io_size"], 1 << 20) == 0, f"data begin at byte {start}")
    # Of 16 MiB that were written nothing is left on either disk but holes, once they are deleted.
    a.vm.run("head -c 16000000 /dev/urandom >/srv/app/big && sync -f /srv/app && rm /srv/app/big && sync -f /srv/app")
    full = [os.stat(n.vm.disk_path("data")).st_blocks for n in (a, b)]
    a.vm.run("fstrim /srv/app")
    check(a.counter("zeroes"), "no discard came to the volume")
    freed = [(f - os.stat(n.vm.disk_path("data")).st_blocks) * 512 for f, n in zip(full, (a, b))]
    check(min(freed) > 12 << 20, f"bytes freed on both disks: {freed}")
    remove_group(cluster)
    cluster.check_equal(a, b)


def test_guest_disk(cluster):
    """QEMU's way to a disk with cache=none, io=native: written, flushed, and read after a switch; refused on a backup"""
    a, b = cluster.nodes[:2]
    image = f"--image-opts driver=host_device,filename={DEVICE},cache.direct=on,aio=native"

    def qemu_io(node, *commands):
        words = " ".join(f"-c '{c}'" for c in commands)
        out = node.vm.run(f"qemu-io {image} {words}" + ERRORS, 60, check=False)
        return out.rc, out.out
    flushes = a.counter("flushes")
    rc, out = qemu_io(a, "write -P 17 0 1M", "write -z -u 4M 1M", "discard 8M 1M", "write -P 34 32M 64k", "flush")
    check(not rc, f"QEMU writes: {out}")
    check(a.counter("flushes") > flushes, "QEMU's flush has not come through")
    rc, out = qemu_io(b, "read -P 17 0 4k")
    check(rc and "Invalid exchange" in out, f"QEMU on the backup: {out}")
    cluster.check_equal(a, b)
    switch(cluster, b)
    rc, out = qemu_io(b, "read -P 17 0 1M", "read -P 0 4M 1M", "read -P 34 32M 64k")
    check(not rc and "verification failed" not in out.lower(), f"QEMU on the new primary: {out}")
    rc, out = qemu_io(a, "write -P 51 0 4k")
    check(rc, f"QEMU on the old primary writes: {out}")


def virsh(node, what="done"):
    """What the stand-in has noted."""
    return node.vm.run(f"cat /root/virsh.{what}", check=False).out.split()


def test_guest_hook(cluster):
    """a guest runs where the volume is primary, by the hook of examples.rst, and is destroyed where it is not"""
    a, b = cluster.nodes[:2]
    for node in (a, b):
        node.vm.push("/usr/bin/virsh", VIRSH.encode(), 0o755)
        node.vm.run("rm -f /root/virsh.*")
        install_hook(node, "50-libvirt")
    a.vm.run("virsh start app")
    switch(cluster, b)
    until("b has started the guest", lambda: virsh(b) == ["start", "app"])
    until("a has destroyed it", lambda: virsh(a) == ["start", "app", "destroy", "app"])
    # A hook is told the same role again: a guest that runs is left alone.
    for node in (a, b):
        node.kill_daemon()
        node.start_daemon()
        until("the hook was run again", lambda n=node: virsh(n, "domstate").count("app") >= 2)
    check(virsh(b) == ["start", "app"], f"b: {virsh(b)}")
    check(virsh(a) == ["start", "app", "destroy", "app"], f"a: {virsh(a)}")
    for node in (a, b):
        node.vm.run(f"rm {CONFIG}/hooks.d/* /usr/bin/virsh")


if __name__ == "__main__":
    sys.exit(run([test_group_moves, test_no_filter, test_shape, test_guest_disk, test_guest_hook], volume=PATIENT))
