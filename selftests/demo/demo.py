#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What dm-pb is for, in one go: a database's machine dies, another goes on with it, nothing is lost.

Three machines: two with a replica of the volume "db", which has PostgreSQL's data, and one with
the view server and the database's clients, pgbench and one that tells this program, outside of
the machines, of each COMMIT that returned. The primary is killed; pbviewd makes the other one
primary, and the hook of Documentation/examples starts PostgreSQL there. The dead one comes back,
is brought up to date, and gets its role back in a planned switch. Each time everything that was
reported committed must be there; at the end both replicas are compared. Exit status 0 only if all
of that was so. How long each step took is printed, and decides nothing.

Environment: PB_KO (dm-pb.ko), PBCTL (pbctl), KVER (kernel).
"""

import functools
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "multi"))
os.environ["PB_VOLUME"] = "db"          # as the hook has it

import database  # noqa: E402
from database import MOUNT, PATIENCE, SERVICE  # noqa: E402
from cluster import CONFIG, SERVER, Cluster  # noqa: E402
from pbtest import DEVICE, SKIP, VOLUME, Failure, RigError, Skip, check, until  # noqa: E402

DISKS = [("data", database.SIZE), ("meta", "16M")]
ENOUGH = 100                    # transactions of each client before something is done to them
RATE = 20                       # of pgbench, a second; emulated machines have other things to do too
# Emulated machines that share a few cores stand still for longer than the default of 500 ms.
DEAD_AFTER = 5000
# A backup on a busy host is not to be left out for it.
SETTINGS = "timeout_ms = 20000;"


class Timeline:
    """What has happened, and the milliseconds since the step before it and since the start."""

    def __init__(self):
        self._begin = self._last = time.monotonic()
        print(f"{'at ms':>8} {'took ms':>8}", flush=True)

    def chapter(self, text):
        """Steps that follow are counted from now. Returns when that is."""
        self._last = time.monotonic()
        print(f"{(self._last - self._begin) * 1000:8.0f}          {text}", flush=True)
        return self._last

    def step(self, text, at=None):
        """Something was done, just now or at a time."""
        at = at or time.monotonic()
        print(f"{(at - self._begin) * 1000:8.0f} {(at - self._last) * 1000:8.0f}   {text}", flush=True)
        self._last = at

    def steps(self, found):
        """Several, [(when, text)], as they came."""
        for at, text in sorted(found):
            self.step(text, at)


class Machines(Cluster):
    """Two replicas with PostgreSQL, and the view server; when the daemons said what, by this host's clock."""

    def __init__(self):
        super().__init__(disks=DISKS, dead_after=DEAD_AFTER, volume=SETTINGS, linked=False, pin=False)
        self.said = {}                  # name -> [(when, line)]
        self.client = None
        database.write_disk(self.replicas[0].vm.disk_path("data"))

    def configure(self, vm, name):
        """With what the database needs."""
        super().configure(vm, name)
        database.install(vm, CONFIG)

    def start_pbviewd(self, vm, job):
        """Start it; each line is kept with the time at which it came."""
        name = SERVER if vm is self.server else self.replicas[vm.index].name
        lines, rest = self.said.setdefault(name, []), [b""]

        def take(data):
            *whole, rest[0] = (rest[0] + data).split(b"\n")
            lines.extend((time.monotonic(), line.decode(errors="replace")) for line in whole)

        return vm.spawn(f"exec {self.guest_pbviewd(vm)} {job} --debug", on_output=take)

    def when(self, name, pattern, since):
        """When a daemon has said something first, since a time; None if it has not."""
        return next((at for at, line in list(self.said.get(name, ())) if at > since and re.search(pattern, line)), None)

    def wait_said(self, name, pattern, since):
        """The same, once it has."""
        return until(f"{pattern!r} in the log of {name}", functools.partial(self.when, name, pattern, since), PATIENCE)

    def print_logs(self):
        """What the daemons, the client and the databases have said, after a failure."""
        super().print_logs()
        for line in self.client.heard[-10:] if self.client else ():
            print(f"#   client: {line}", flush=True)
        for node in self.replicas:
            if node.vm.alive():
                for line in node.vm.run(f"tail -n 30 {database.LOG}", check=False).out.splitlines():
                    print(f"#   {node.name}: postgresql: {line}", flush=True)


class Demo:
    """The story, in the order of its methods."""

    def __init__(self, cluster, line):
        self.cluster, self.line = cluster, line
        self.a, self.b = cluster.replicas
        self.client = cluster.client = database.Client(cluster.server, cluster.replicas)
        self.load = database.Load(cluster.server, RATE)
        self.kill_to_commit = 0.0

    def wait_commit(self, node, since):
        """When the first transaction was committed on a node since then."""
        return until(f"a transaction committed on {node.name}",
                     lambda: self.client.first(node.name, since), PATIENCE, 0.005)

    def wait_enough(self, node, more):
        """Both clients have done some work on this node, and nobody's role has changed."""
        number = self.cluster.view()[0]
        want = len(self.client.committed) + more
        until(f"{more} committed transactions on {node.name}", lambda: len(self.client.committed) >= want, PATIENCE)
        database.wait_load(self.cluster.server, node, ENOUGH // 2)
        check(self.cluster.view()[0] == number, f"the view has changed: {self.cluster.history()}")
        check(self.client.at == node.name, f"the client is connected to {self.client.at}, not to {node.name}")

    def serving(self, node, since):
        """[(when, text)] of the steps in which a node has become the database's host."""
        found = [(self.cluster.wait_said(node.name, pattern, since), f"{node.name}: {text}") for pattern, text in (
            (rf"{VOLUME}: told of view", "its daemon has been told"),
            (rf"{VOLUME}: primary$", "is the primary"),
            (rf"{VOLUME}: mounted on", "the file system is mounted"),
            (rf"{VOLUME}: {SERVICE} has started", "PostgreSQL takes connections"))]
        commit = self.wait_commit(node, since)
        return found + [(self.client.connected[node.name], "the client is connected again"),
                        (commit, "its first transaction is committed")]

    def begin(self):
        """alpha's disk becomes a volume; the hook starts the database, and clients come."""
        since = self.line.chapter("alpha has a disk with a database; it becomes a volume")
        self.a.up("--declare-synced")
        self.line.steps(self.serving(self.a, since))
        self.line.chapter("beta gets a copy, the database is in use")
        self.b.up("--blank")
        self.cluster.wait_healthy(PATIENCE)
        self.line.step(f"beta is a synced backup, {self.a.counter('sync_bytes') >> 20} MiB were sent")
        self.load.start(self.a)
        self.wait_enough(self.a, ENOUGH)
        self.line.step(f"pgbench runs, the other client has committed {len(self.client.committed)} transactions")

    def verify(self, node, reported):
        """Everything that was reported committed is there; REPORTED is how much of it was pgbench's."""
        committed = list(self.client.committed)
        rows = database.check_ledger(self.cluster.server, node, committed)
        count = database.check_load(self.cluster.server, node, reported, self.load.runs * self.load.CLIENTS)
        self.line.step(f"{node.name} has all {len(committed)} transactions that were reported committed ({rows} rows) "
                       f"and pgbench's {reported} ({count})")

    def kill(self):
        """The primary dies, and the backup goes on."""
        number = self.cluster.view()[0]
        check(self.load.job.poll() is None, "pgbench does not run")
        since = self.line.chapter("alpha's machine is KILLED")
        self.a.vm.kill()
        before = len(self.client.committed)
        steps = self.serving(self.b, since)
        decided = self.cluster.wait_said(SERVER, rf"view {number + 1}: beta: the primary was silent$", since)
        steps.append((decided, f"view server: the primary was silent for {DEAD_AFTER} ms, view {number + 1}"))
        self.line.steps(steps)
        self.kill_to_commit = max(at for at, _ in steps) - since
        self.line.step(f"{before} transactions had been reported committed before the kill", max(steps)[0])
        reported = self.load.wait_end()
        self.verify(self.b, reported)
        self.load.start(self.b)

    def come_back(self):
        """The dead one boots and becomes the backup, while the database is in use."""
        sent = self.b.counter("sync_bytes")
        since = self.line.chapter("alpha's machine is switched on")
        self.a.vm.restart()
        self.line.step("alpha has booted")
        self.a.join()
        self.line.step("its daemon runs")
        self.a.up()
        self.line.step("the volume is up")
        self.cluster.wait_healthy(PATIENCE)
        self.line.steps([(self.cluster.wait_said("alpha", rf"{VOLUME}: backup$", since), "alpha: is the backup"),
                         (self.cluster.wait_said(SERVER, r"alpha: the backup is up to date$", since),
                          f"alpha is synced, {(self.b.counter('sync_bytes') - sent) / 1048576:.1f} MiB were sent")])
        check(self.cluster.members() == (self.b, self.a), f"the view is {self.cluster.view()}")
        used = self.a.vm.run(f"mountpoint -q {MOUNT} || pidof postgres", check=False)
        check(used.rc != 0, f"alpha is a backup, and its file system is mounted or PostgreSQL runs there: {used.out}")
        self.wait_enough(self.b, ENOUGH)

    def switch(self):
        """What a person types to give alpha its role back."""
        since = self.line.chapter("a planned switch back")
        database.query(self.cluster.server, self.b, "CHECKPOINT")
        self.line.step("a checkpoint is made, in use still")
        self.b.vm.run(f"systemctl stop {SERVICE} && umount {MOUNT}")
        self.line.step("PostgreSQL is stopped on beta")
        self.b.pbctl("switch", VOLUME, "alpha")
        self.line.step("pbctl switch")
        self.line.steps(self.serving(self.a, since))
        check(self.cluster.members() == (self.a, self.b), f"the view is {self.cluster.view()}")
        self.verify(self.a, self.load.wait_end())

    def end(self):
        """Everything stops; both replicas are the same, and the file system is sound."""
        self.line.chapter("the end")
        self.client.stop()
        self.verify(self.a, self.load.wait_end())
        self.cluster.wait_healthy(PATIENCE)
        self.a.vm.run(f"systemctl stop {SERVICE} && umount {MOUNT} && e2fsck -f -n {DEVICE}")
        self.line.step("e2fsck finds no fault")
        self.cluster.check_equal(self.a, self.b)
        self.line.step("both replicas are equal, byte for byte")
        self.cluster.check_consoles()


def main():
    """The exit status."""
    line = Timeline()

    with Machines() as cluster:
        line.step(f"three machines have booted Linux {cluster.server.run('uname -r').out.strip()}, daemons run")
        demo = Demo(cluster, line)
        for part in (demo.begin, demo.kill, demo.come_back, demo.switch, demo.end):
            part()
    print(f"demo: PASS: {len(demo.client.committed)} transactions reported committed, none lost; "
          f"{demo.kill_to_commit * 1000:.0f} ms from the kill to the next commit", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Skip as error:
        print(f"demo: SKIP: {error}")
        sys.exit(SKIP)
    except (Failure, RigError) as error:
        print(f"demo: FAIL: {error}", flush=True)
        sys.exit(1)
