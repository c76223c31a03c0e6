#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""quickstart.rst, on machines: what pbctl init makes is all that is needed, and what is mounted survives.

The files go as they are to where the page has them copied. Added is only what emulated machines need: a longer
time after which silence is death.
"""

import os
import re
import subprocess
import sys
import tempfile

from cluster import CONFIG, DEAD_AFTER, DEVICE, SERVER, VOLUME, Cluster, run
from pbtest import check, until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEXT = "what was written before"


class QuickStart(Cluster):
    """A cluster with the configuration and the certificates of pbctl init."""

    def __init__(self, **options):
        super().__init__(**options)
        self._made = tempfile.TemporaryDirectory(prefix="pb-init-")
        nodes = [word for n in self.replicas for word in ("--node", f"{n.name}={n.vm.ip}")]
        subprocess.run([self.pbctl, "init", VOLUME, "--config", self._made.name, "--server", self.server.ip, *nodes,
                        "--data", "/dev/disk-data", "--meta", "/dev/disk-meta"], check=True, stdout=subprocess.DEVNULL)

    def configure(self, vm, name):
        """What is said to copy to a host."""
        top = self._made.name if name == SERVER else os.path.join(self._made.name, "hosts", name)
        vm.run(f"mkdir -p {CONFIG}/volumes {CONFIG}/hooks.d /var/lib/dm-pb /srv")
        for file in ("pbviewd.conf", "ca.pem", "host.pem", "host.key", f"volumes/{VOLUME}.conf"):
            path = os.path.join(top, file)
            with open(path, "rb") as f:
                data = f.read()
            if file.startswith("volumes/"):
                data += f"dead_after_ms = {DEAD_AFTER};\n".encode()
            vm.push(f"{CONFIG}/{file}", data, os.stat(path).st_mode & 0o777)

    def bring_up(self):
        """As in the page: what --wait returns for can be used; without a daemon it does not return well."""
        first, second = self.replicas
        out = first.vm.run(f"{first.pbctl_path()} up {VOLUME} --declare-synced --wait 30 && mkfs.ext4 -q {DEVICE}").out
        check("primary, view 1" in out, f"up --wait said {out}")
        second.kill_daemon()
        out = second.pbctl("up", VOLUME, "--blank", "--wait", "1", check=False)
        check(out.rc == 1 and "was told no view" in out.out, f"up --wait without a daemon: {out}")
        second.start_daemon()
        second.pbctl("up", VOLUME, "--wait", "30")
        self.wait_healthy()

    def close(self):
        """The end of it."""
        self._made.cleanup()
        super().close()


def example_hook():
    """The example of pbviewd-hooks(5), for the volume of the test."""
    with open(os.path.join(TOP, "Documentation", "pbviewd-hooks.5"), encoding="ascii") as f:
        page = f.read().replace("\\-", "-")
    script = re.search(r"^(#!/bin/sh\n.*?)\.EE", page, re.M | re.S)[1]
    return script.replace("/srv/db", "/srv/x").replace("= db ]", f"= {VOLUME} ]").encode()


def test_quickstart(cluster):
    """mkfs and mount as in quickstart.rst; the primary is killed, and the other mounts what was written"""
    a, b = cluster.nodes[:2]
    a.vm.run(f"mount {DEVICE} /srv && echo '{TEXT}' >/srv/file && sync /srv/file")
    check("healthy" in b.pbctl("volumes").out, "pbctl volumes does not say healthy")
    a.vm.kill()
    cluster.wait_primary(b)
    until("it can be mounted", lambda: b.vm.run(f"mount {DEVICE} /srv", check=False).rc == 0)
    check(b.vm.run("cat /srv/file").out.strip() == TEXT, "the file is not there, or is another")
    b.vm.run("umount /srv")


def test_hook(cluster):
    """the example of pbviewd-hooks(5) mounts where the volume is primary, and there alone"""
    a, b = cluster.nodes[:2]
    hook = example_hook()
    a.vm.run(f"mkfs.ext4 -F -q {DEVICE}")
    for node in (a, b):
        node.vm.run("mkdir -p /srv/x")
        node.vm.push(f"{CONFIG}/hooks.d/50-mount", hook, 0o755)
    a.pbctl("switch", VOLUME, b.name)
    cluster.wait_primary(b)
    until("b has mounted it", lambda: b.vm.run("mountpoint -q /srv/x", check=False).rc == 0)
    b.vm.run(f"echo '{TEXT}' >/srv/x/file && sync /srv/x/file")
    cluster.wait_healthy()
    b.vm.kill()
    cluster.wait_primary(a)
    until("a has mounted it", lambda: a.vm.run("mountpoint -q /srv/x", check=False).rc == 0)
    check(a.vm.run("cat /srv/x/file").out.strip() == TEXT, "the file is not there, or is another")
    b.reset()
    cluster.wait_healthy()
    check(b.vm.run("mountpoint -q /srv/x", check=False).rc != 0, "a backup has it mounted")


if __name__ == "__main__":
    sys.exit(run([test_quickstart, test_hook], QuickStart))
