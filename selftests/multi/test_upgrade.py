#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The previous version on one node and this one on the other: resync, switch, fail-over; upgrade and rollback.

Of a node its module, pbviewd and pbctl are all of one version. PB_OLD_KO and PB_OLD_PBCTL name the
previous one's (selftests/previous.py); pbviewd lies beside pbctl. Whatever was acknowledged since a
cluster was made is looked for after each step on both replicas, which are compared byte for byte.
"""

import collections
import contextlib
import os
import re
import shlex
import sys

from cluster import Cluster, VmDied, refuses, run, serves
from pbtest import EBADE, VOLUME, check, required

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Documentation", "upgrading.rst")
Version = collections.namedtuple("Version", "name ko pbctl pbviewd")
# Who writes and flushes by turns is expected to go on like that after a few.
TURNS = 60


class Mixed(Cluster):
    """A cluster whose nodes have one version or the other; beta begins with the previous one."""

    def __init__(self, **options):
        ko, pbctl = required("PB_OLD_KO"), required("PB_OLD_PBCTL")
        super().__init__(**options)
        self.old = Version("old", ko, pbctl, os.path.join(os.path.dirname(pbctl), "pbviewd"))
        self.new = Version("new", self.ko, self.pbctl, self.pbviewd)
        self.versions = {}
        self.writers = []
        self.alpha, self.beta = self.replicas
        self.install(self.alpha, self.new)
        self.install(self.beta, self.old)

    def install(self, node, version):
        """What the node loads and starts from now on."""
        self.versions[node] = version
        node.ko, node.tool, node.pbviewd = version.ko, version.pbctl, version.pbviewd

    def check_loaded(self, node):
        """The module is the one of the node's version."""
        words = f"cat /sys/module/dm_pb/srcversion; modinfo -F srcversion {shlex.quote(node.guest_path(node.ko))}"
        is_, wanted = node.vm.run(words).out.split()
        check(is_ == wanted, f"{node.name} has not loaded the {self.versions[node].name} module")

    def restart(self, node, version):
        """Its machine crashes, and comes back with this version on the disks as they are."""
        if node.vm.alive():
            node.vm.kill()
        self.install(node, version)
        node.reset()
        self.wait_healthy()
        self.check_loaded(node)

    def arrange(self, alpha, beta):
        """The nodes have these versions, and alpha is the primary."""
        for node, version in ((self.alpha, alpha), (self.beta, beta)):
            if self.versions[node] != version:
                self.restart(node, version)
        if self.members()[0] != self.alpha:
            self.alpha.pbctl("switch", VOLUME, self.alpha.name)
            self.wait_primary(self.alpha)
            self.wait_healthy()
        self.check_loaded(self.alpha)
        self.check_loaded(self.beta)

    def load(self, node, threads=3, **options):
        """A writer whose blocks no other has had."""
        first = sum(w.threads for w in self.writers)
        writer = self.writer(node, threads=threads, first=first, **options)
        self.writers.append(writer)
        writer.wait_acks(50)
        return writer

    def check_kept(self, *nodes):
        """What was acknowledged to any writer is on these nodes' disks."""
        for node in nodes:
            lost = [text for w in self.writers for text in w.lost(node.vm.disk_path("data"))]
            check(not lost, f"{node.name} lost {len(lost)} blocks that were acknowledged: {lost[:10]}")

    def end_writers(self):
        """No more writes, and none has failed but on a backup."""
        for writer in self.writers:
            # Its machine may have died since, even if it is there again.
            with contextlib.suppress(VmDied):
                if writer.job.poll() is None:
                    writer.stop()
            wrong = [e for e in writer.errors if e[2] != EBADE]
            check(not wrong, f"writes failed otherwise than as on a backup: {wrong[:5]}")

    def settle(self):
        """The writers end; both replicas are the same, and have all."""
        self.end_writers()
        self.wait_healthy()
        self.check_equal(self.alpha, self.beta)
        self.check_kept(self.alpha, self.beta)

    def resync(self, primary, backup, writer):
        """The backup misses something, and is brought up to date while there are writes."""
        primary.pbctl("evict", VOLUME, backup.name)
        self.wait_view(f"{backup.name} is left out", lambda s: len(s["view"]["members"]) == 1)
        writer.wait_acks(writer.acks + 200)
        backup.pbctl("add", VOLUME, backup.name)
        self.wait_healthy()
        writer.wait_acks(writer.acks + 50)

    def switch(self, node):
        """The node becomes the primary under a writer."""
        other = next(n for n in self.replicas if n != node)
        node.pbctl("switch", VOLUME, node.name)
        self.wait_primary(node)
        serves(node)
        refuses(other)
        self.wait_healthy()
        check(self.members() == (node, other), f"members {self.view()}")
        self.check_kept(node)

    def by_turns(self, node):
        """Somebody writes and flushes by turns: how many flushes were sent early, undisturbed."""
        def early():
            return node.status()["counters"].get("early_flushes", 0)
        before = early(), node.link()["connects"], self.view()
        writer = self.load(node, threads=1, flush_every=1)
        writer.wait_acks(writer.acks + TURNS)
        writer.stop()
        check(not writer.errors, f"writes failed: {writer.errors}")
        after = node.link()["connects"], self.view()
        check(after == before[1:], f"writes and flushes by turns: connects and view {before[1:]} became {after}: "
              f"{node.link()}")
        return early() - before[0]


def knows_early(node):
    """Does its version know of flushes that are sent early?"""
    return "early_flushes" in node.status()["counters"]


def test_with_old_backup(cluster):
    """this version is the primary, the previous one its backup: writes and flushes, verification, resync"""
    alpha, beta = cluster.alpha, cluster.beta
    cluster.arrange(cluster.new, cluster.old)
    sent = cluster.by_turns(alpha)
    check(not sent or knows_early(beta), f"{sent} flushes were sent early to a module that does not know them")
    cluster.resync(alpha, beta, cluster.load(alpha))
    cluster.settle()
    alpha.pbctl("verify", VOLUME, timeout=120)


def test_switch(cluster):
    """a switch makes the previous version the primary, it brings this one up to date, and another switch ends it"""
    alpha, beta = cluster.alpha, cluster.beta
    cluster.arrange(cluster.new, cluster.old)
    cluster.load(alpha)
    cluster.switch(beta)
    cluster.by_turns(beta)
    cluster.resync(beta, alpha, cluster.load(beta))
    cluster.settle()
    beta.pbctl("verify", VOLUME, timeout=120)
    cluster.load(beta)
    cluster.switch(alpha)
    cluster.settle()


def test_failover(cluster):
    """the previous version dies as the primary: this one takes over, and the dead one comes back upgraded"""
    alpha, beta = cluster.alpha, cluster.beta
    cluster.arrange(cluster.new, cluster.old)
    cluster.switch(beta)
    cluster.load(beta).wait_acks(300)
    beta.vm.kill()
    cluster.wait_primary(alpha)
    serves(alpha)
    cluster.check_kept(alpha)
    cluster.load(alpha)
    cluster.restart(beta, cluster.new)
    check(cluster.members() == (alpha, beta), f"members {cluster.view()}")
    cluster.settle()
    check(cluster.by_turns(alpha), "between two of this version no flush is sent early")
    cluster.settle()


def test_rollback(cluster):
    """the previous version comes back on disks that this one has written, is brought up to date, and serves"""
    alpha, beta = cluster.alpha, cluster.beta
    cluster.arrange(cluster.new, cluster.new)
    cluster.by_turns(alpha)
    cluster.load(alpha).wait_acks(300)
    alpha.vm.kill()
    cluster.wait_primary(beta)
    writer = cluster.load(beta)
    cluster.restart(alpha, cluster.old)
    check(cluster.members() == (beta, alpha), f"members {cluster.view()}")
    writer.wait_acks(writer.acks + 50)
    cluster.switch(alpha)
    cluster.load(alpha)
    cluster.settle()


class Page:
    """The commands of upgrading.rst, each as the page has it, on the machines of a cluster.

    Packages and systemd are not there: apt changes what a node is given, systemctl starts pbviewd here.
    """

    def __init__(self, cluster):
        self.cluster = cluster
        self.nodes = {"alpha": cluster.alpha, "beta": cluster.beta}
        with open(PAGE, encoding="utf-8") as f:
            found = re.findall(r"^    (view|alpha|beta)# +(\S.*?)(?: +# .*)?$", f.read(), re.M)
        upgrade = [command for who, command in found if who == "beta"]
        change = found[[who for who, _ in found].index("alpha"):]
        self.backup = upgrade[1:-len([who for who, _ in change if who == "beta"])]
        self.before = [found[0], found[1], ("beta", upgrade[0])]
        self.change = change

    def upgrade(self, name):
        """What is said to do on the backup, here with that name."""
        for command in self.backup:
            self.type(name, command.replace("beta", name))
        self.cluster.check_loaded(self.nodes[name])

    def type(self, name, command):
        """One of the page's lines."""
        print(f"# {name}: {command}", flush=True)
        if name == "view":
            self._on_server(command)
        elif command.startswith("pbctl"):
            self._pbctl(self.nodes[name], command)
        else:
            self._on_node(self.nodes[name], command)

    def _on_server(self, command):
        if command.startswith("apt install"):
            self.cluster.pbviewd = self.cluster.new.pbviewd
        elif command == "systemctl restart pbviewd-server":
            self.cluster.kill_server()
            self.cluster.start_server()
        else:
            check(False, f"the test does not know {command!r}")

    def _pbctl(self, node, command):
        node.vm.run(re.sub(r"\bpbctl\b", node.pbctl_path(), command).replace(" db", f" {VOLUME}"))

    def _on_node(self, node, command):
        cluster = self.cluster
        if command.startswith("apt install"):
            cluster.install(node, cluster.new)
        elif command == "systemctl stop pbviewd":
            node.kill_daemon()
        elif command == "modprobe -r dm-pb":
            node.vm.run(f"! dmsetup info {VOLUME} 2>/dev/null")
            node.unload()
        elif command == "systemctl start pbviewd":
            node.load()
            node.start_daemon()
        elif command.startswith("systemctl stop SERVICE"):
            cluster.end_writers()
        elif command.startswith("mount "):
            cluster.wait_primary(node)
            cluster.load(node)
        else:
            check(False, f"the test does not know {command!r}")


def test_page(cluster):
    """upgrading.rst, its commands in its order under a writer: both nodes are upgraded, and nothing is lost"""
    cluster.arrange(cluster.old, cluster.old)
    cluster.pbviewd = cluster.old.pbviewd
    cluster.kill_server()
    cluster.start_server()
    cluster.wait_healthy()
    writer = cluster.load(cluster.alpha)
    page = Page(cluster)
    for name, command in page.before:
        page.type(name, command)
    cluster.wait_healthy()
    page.upgrade("beta")
    cluster.wait_healthy()
    writer.wait_acks(writer.acks + 50)
    for name, command in page.change:
        page.type(name, command)
    check(cluster.members() == (cluster.beta, cluster.alpha), f"members {cluster.view()}")
    cluster.wait_healthy()
    page.upgrade("alpha")
    cluster.settle()
    check(cluster.by_turns(cluster.beta), "between two of this version no flush is sent early")
    cluster.settle()


if __name__ == "__main__":
    sys.exit(run([test_with_old_backup, test_switch, test_failover, test_rollback, test_page], Mixed))
