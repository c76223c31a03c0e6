#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Our packages on a bare Debian 12, in a chroot: installed, upgraded, removed, installed again and purged.

What needs a machine (a volume that is up meanwhile) is in test_boot.py.
"""

import os
import re
import sys
import traceback

import image
from hosts import KERNEL, NEWER, NODE_PACKAGES, Failure, RigError, check, page
from image import VERSION, System
from rig.kernel import find_kernel

UNITS = ["pbviewd-server.service", "pbviewd.service", "pb@db.service", "pb.target"]
# What a person made, and what the view server keeps.
KEPT = ["/etc/dm-pb/pbviewd.conf", "/etc/dm-pb/volumes/db.conf", "/etc/dm-pb/host.key", "/etc/dm-pb/hooks.d/50-mine"]
STORE = "/var/lib/dm-pb/views.db"


class Bare:
    """A bare system and our packages, of two versions."""

    def __init__(self):
        self.kernel = find_kernel(KERNEL).version
        self.system = System(image.bare(self.kernel))
        self.old, self.new = image.packages(), image.packages(NEWER)

    def run(self, command, good=True):
        """A shell command in it; what it says."""
        return self.system.run(command, good).stdout

    def install(self, debs):
        """As in install.rst: the line there names the same packages."""
        line = re.search(r"^    # apt install (.*)$", page("install.rst"), re.M)[1]
        check(sorted(re.findall(r"\./([a-z-]+)_", line)) == NODE_PACKAGES, f"install.rst has other packages: {line}")
        self.system.copy_in(debs)
        return self.run("apt-get -qy install " + " ".join(f"/root/{os.path.basename(p)}" for p in debs))

    def has_module(self, version):
        """The one module is there, for the kernel whose headers are, and of this version."""
        found = self.run("find /lib/modules -name 'dm-pb.ko*'").split()
        check(len(found) == 1, f"modules are {found}")
        said = self.run(f"modinfo {found[0]}")
        check(re.search(rf"^vermagic: +{re.escape(self.kernel)} ", said, re.M), said)
        check(re.search(rf"^version: +{re.escape(version)}$", said, re.M), said)
        # Its readelf warns of modules without a section .comment, as those of 6.12 are.
        status = self.run("dkms status dm-pb 2>/dev/null").splitlines()
        check(len(status) == 1 and f"dm-pb/{version}" in status[0] and status[0].endswith("installed"), f"dkms: {status}")

    def enabled(self):
        """{unit: is it enabled}"""
        return {unit: self.run(f"systemctl is-enabled {unit}", False).strip() for unit in UNITS}

    def has_kept(self, *more):
        """What a person made is as it was."""
        for path in [*KEPT, *more]:
            check(self.run(f"cat {path}", False) == f"made {path}\n", f"{path} is gone, or another")


def test_install(bare):
    """apt resolves what they depend on, DKMS builds the module, and nothing is enabled"""
    bare.run(f"apt-get -qy install --no-install-recommends linux-headers-{bare.kernel}")
    bare.install(bare.old)
    bare.has_module(VERSION)
    for path in ("/usr/sbin/pbctl", "/usr/sbin/pbviewd", "/lib/udev/rules.d/60-pb.rules", "/etc/dm-pb/volumes",
                 "/etc/dm-pb/hooks.d"):
        check(os.path.exists(bare.system.root + path), f"{path} is not there")
    for program in ("pbctl", "pbviewd"):
        check(VERSION in bare.run(f"{program} --version"), f"{program} is of another version")
    check(set(bare.enabled().values()) == {"disabled"}, f"after an installation: {bare.enabled()}")
    check(not bare.run("find /etc/dm-pb -type f"), "there are files in /etc/dm-pb")
    check(not bare.run("dpkg --audit"), "dpkg --audit finds something")


def test_upgrade(bare):
    """an upgrade leaves what a person wrote and enabled; the old module gives way to the new one"""
    for path in KEPT + [STORE]:
        bare.run(f"mkdir -p $(dirname {path}) && echo made {path} >{path}")
    bare.run("systemctl enable " + " ".join(UNITS))
    bare.install(bare.new)
    bare.has_module(NEWER)
    check(NEWER in bare.run("pbctl --version"), "pbctl is the old one")
    check(set(bare.enabled().values()) == {"enabled"}, f"after an upgrade: {bare.enabled()}")
    bare.has_kept(STORE)


def test_remove(bare):
    """remove takes programs and module, and leaves the configuration, the keys and the store of views"""
    bare.run("apt-get -qy remove " + " ".join(NODE_PACKAGES))
    bare.has_kept(STORE)
    left = bare.run("find /lib/modules /usr/src -name 'dm-pb*'; find /usr/sbin /lib/systemd/system -name 'pb*'")
    check(not left, f"left: {left}")


def test_again(bare):
    """installed again, all is as it was"""
    bare.install(bare.new)
    bare.has_module(NEWER)
    bare.has_kept(STORE)
    check(bare.enabled()["pbviewd.service"] == "enabled", f"after a removal and an installation: {bare.enabled()}")


def test_purge(bare):
    """purge takes the store of views, and leaves what a person made"""
    bare.run("apt-get -qy purge " + " ".join(NODE_PACKAGES))
    bare.has_kept()
    check(not os.path.exists(bare.system.root + os.path.dirname(STORE)), "the store is there")
    known = bare.run(f"dpkg-query -W {' '.join(NODE_PACKAGES)} 2>/dev/null", False)
    check(not known, f"dpkg knows {known}")


TESTS = [test_install, test_upgrade, test_remove, test_again, test_purge]


def main():
    """Run them in order, as TAP: each begins where the one before has ended."""
    print("TAP version 13", flush=True)
    if os.getuid():
        print("1..0 # SKIP needs root, for a chroot")
        return 4
    done = 0
    try:
        bare = Bare()
        with bare.system:
            for done, test in enumerate(TESTS, 1):
                test(bare)
                print(f"ok {done} - {test.__doc__}", flush=True)
    except (RigError, Failure):
        print(f"not ok {max(done, 1)} - {TESTS[max(done, 1) - 1].__doc__}")
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        print(f"1..{max(done, 1)}", flush=True)
        return 1
    print(f"1..{done}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
