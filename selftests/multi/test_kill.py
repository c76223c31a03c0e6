#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The crash campaign: machines die, freeze and lose each other, again and again on the same disks.

The disks lose what was not flushed. The test plays the view service: a synced backup takes
over from a dead primary, a primary goes on without a dead backup, and if both died one of
them goes on alone; the other comes back unsynced and is brought up to date under load.
Environment: PB_ROUNDS; PB_SEED repeats a campaign's choices, though not its moments.
"""

import contextlib
import json
import os
import subprocess
import sys
import time

from churn import BLOCK, Churn, Oracle
from pbtest import LONG, VmDied, check, main, seeded, until

ROUNDS = int(os.environ.get("PB_ROUNDS", 200 if LONG else 4))
SIZE = 128 << 20
EXTENT, REGION = 1 << 20, 64 << 10
DISKS = [("data", SIZE, {"volatile": True}), ("meta", "16M", {"volatile": True})]
# Fewer hot extents than the volume has, so that they are taken from each other.
GEOMETRY = ("--extent-size", EXTENT, "--hot-extents", 64, "--region-size", REGION)
TIMEOUT = 2000


def log(text):
    """A line for who reads the output of a failed campaign."""
    print(f"#   {text}", flush=True)


class Campaign:
    """Two nodes, what the view service knows of them, and what their disks may hold."""

    def __init__(self, pair, rng):
        self.pair, self.rng = pair, rng
        self.primary, self.backup = pair.nodes
        self.view = 1
        self.oracle = Oracle(SIZE)
        self.churn = None
        self.next = 1
        self.runs = []              # not yet verified: (churn, what was promised)
        self.copied = set()         # regions that a state transfer may have to copy

    # Writing.

    def write(self):
        """Start writing on the primary, with other numbers than all before."""
        self.churn = Churn(self.primary, SIZE, self.rng.randrange(1 << 30), self.next,
                           flushes=self.rng.choice([2, 8, 32]), pause_us=self.rng.choice([1000, 10000, 50000]))
        return self.churn

    def stop_writing(self, promise):
        """The writer has ended, or its machine has; what it may rely on is PROMISE."""
        churn, self.churn = self.churn, None
        if not churn:
            return
        with contextlib.suppress(VmDied):
            churn.stop()
        self.next = churn.next
        self.runs.append((churn, promise))
        self._count(churn)

    def _count(self, churn):
        self.copied |= {block * BLOCK // REGION for block in churn.blocks(churn.missed)}

    def verify(self, where):
        """What was promised is on the primary's disk, and nothing that was not written."""
        self.oracle.verify(self.primary.vm.disk_path("data"), self.runs, where)
        self.runs.clear()

    # Views.

    def tell(self, *members, nodes=None):
        """A new view for the nodes, in any order."""
        self.view += 1
        self.pair.view = self.view
        nodes = list(nodes or self.pair.nodes)
        self.rng.shuffle(nodes)
        for node in nodes:
            node.set_view(self.view, *members)

    def alone(self, node):
        """A view with this node only."""
        self.tell(node, nodes=[node])
        self.primary, self.backup = node, self.pair.other(node)

    # What goes wrong.

    def lose_power(self, *nodes):
        """Cut their power, one right after the other."""
        keep = self.rng.choice([0.0, 0.5, 0.9, 1.0])
        for node in nodes:
            fates = node.vm.power_cut(keep, self.rng.choice([0.0, 0.3]), self.rng.random())
            log(f"{node.name} lost power: {fates['data']}")
        for node in nodes:
            self._count_hot(node)

    def _count_hot(self, node):
        """What its activity log names may be copied in the next state transfer."""
        done = subprocess.run([self.pair.pbctl, "dump-meta", "--external", "--log", "--json",
                               node.vm.disk_path("meta")], capture_output=True, text=True)
        check(not done.returncode, f"{node.name}: its metadata is damaged:\n{done.stdout[-1000:]}{done.stderr}")
        hot = json.loads(done.stdout)["log"]["hot_extents"]
        for extent in hot:
            self.copied |= set(range(extent * EXTENT // REGION, (extent + 1) * EXTENT // REGION))
        log(f"{node.name}: {len(hot)} extents are hot")

    def come_back(self, node):
        """Boot it and set its replica up."""
        self.pair.reboot(node)
        node.set_up_again()
        status = node.status()
        check(status["role"] == "unconfirmed", f"{node.name} is {status['role']} before it was told its view")

    def primary_dies(self):
        """The backup takes over; whatever was acknowledged is there."""
        old = self.primary
        self.lose_power(old)
        self.stop_writing("acked")
        self.alone(self.backup)
        self.verify("after the fail-over")
        return old

    def backup_dies(self):
        """The primary goes on alone."""
        self.lose_power(self.backup)
        self.alone(self.primary)
        return self.backup

    def both_die(self):
        """One of them goes on; whatever was flushed is there."""
        nodes = [self.primary, self.backup]
        self.rng.shuffle(nodes)
        self.lose_power(*nodes)
        self.stop_writing("flushed")
        # After a while the backup may, if the primary does not return.
        survivor = self.rng.choice([self.primary, self.primary, self.backup])
        log(f"{survivor.name} returns first")
        self.come_back(survivor)
        self.alone(survivor)
        self.verify("after both died")
        return self.backup

    def cut_off(self):
        """The network is lost silently, then one of the two."""
        self.pair.rig.cut(0, 1)
        time.sleep(self.rng.choice([0.0, 0.3, TIMEOUT / 1000 + 0.5]))
        dead = self.rng.choice([self.primary_dies, self.backup_dies])()
        self.pair.rig.heal()
        return dead

    def freeze_backup(self):
        """It is taken for dead, and comes back with all it had."""
        mark = self.primary.mark()
        self.backup.vm.freeze()
        self.primary.wait_event("peer-silent", mark)
        self.alone(self.primary)
        self.churn.wait_acks(50)
        self.backup.vm.thaw()
        self._count_hot(self.backup)
        return None

    def freeze_primary(self):
        """It is taken for dead, and comes back to find itself deposed."""
        old, mark = self.primary, self.backup.mark()
        old.vm.freeze()
        self.backup.wait_event("peer-silent", mark)
        self.alone(self.backup)
        old.vm.thaw()
        old.set_view(self.view, self.primary)
        old.check_is("idle", "stale")
        self.stop_writing("acked")
        self._count_hot(old)
        self.verify("after the primary was deposed")
        return None

    # Mending.

    def rejoin(self):
        """The backup comes back unsynced, is brought up to date, and counts again."""
        a, b = self.primary, self.backup
        moved = a.counter("sync_bytes")
        self.tell(a, b.member(":unsynced"))
        self.pair.link(a)
        if self.rng.random() < 0.3:
            self.strike_again()
            return False
        self.pair.wait_synced(a)
        b.check_is("backup", "synced")
        moved = a.counter("sync_bytes") - moved
        self._count(self.churn)
        check(moved <= len(self.copied) * REGION, f"{moved} bytes were copied, where only {len(self.copied) * REGION} "
              "may have differed")
        log(f"{moved >> 10} KiB were copied, {len(self.copied) * REGION >> 10} may have differed")
        self.tell(a, b)
        self.pair.link(a)
        return True

    def strike_again(self):
        """One of them, or both, die in the state transfer. It is done over, from where it was."""
        time.sleep(self.rng.random() * 1.5)
        a, b = self.primary, self.backup
        dead = self.rng.choice([[a], [b], [a, b]])
        log(f"{' and '.join(n.name for n in dead)}, again, in the transfer: {a.status()['transfer']}")
        self.lose_power(*dead)
        if a in dead:
            self.stop_writing("flushed")
            self.come_back(a)
        # Nobody but the primary has all the data.
        self.alone(a)
        if a in dead:
            self.verify("after the primary died in the transfer")
            self.write()
        if b in dead:
            self.come_back(b)

    def settle(self):
        """Stop, flush, and look at everything."""
        self.churn.wait_acks(100)
        self.stop_writing("acked")
        self.primary.vm.run("sync /dev/mapper/vol")
        self.pair.wait_quiet()
        self.verify("in the end of the round")
        rig = self.pair.rig
        at = rig.compare("data", 0, 1)
        check(at is None, f"the replicas differ at byte {at}")
        at = rig.compare("data", 0, 1, durable=True)
        check(at is None, f"what the disks have flushed differs at byte {at}")
        self.copied.clear()
        self.pair.finish(equal=False)

    def round(self, number):
        """One thing goes wrong, and is mended."""
        strike = self.rng.choice([self.primary_dies, self.primary_dies, self.backup_dies, self.both_die, self.both_die,
                                  self.cut_off, self.freeze_backup, self.freeze_primary])
        log(f"round {number}: view {self.view}, primary {self.primary.name}: {strike.__name__}")
        begin = time.monotonic()
        self.write().wait_acks(self.rng.randrange(20, 600))
        time.sleep(self.rng.random() * 0.05)
        self.churn.missed = self.churn.unflushed()
        dead = strike()
        if not self.churn:
            self.write()
        if dead:
            self.come_back(dead)
        until("the backup is synced again", self.rejoin, 600, 0)
        self.settle()
        log(f"round {number}: {time.monotonic() - begin:.0f} s")


def test_kill(pair):
    """crash after crash on the same disks: nothing promised is lost, and both are equal after each"""
    rng = seeded("kill")
    pair.new_volume(link=False, extra=GEOMETRY)
    pair.link(timeout=TIMEOUT)
    campaign = Campaign(pair, rng)
    for number in range(ROUNDS):
        campaign.round(number)


if __name__ == "__main__":
    sys.exit(main([test_kill], disks=DISKS, timeout=TIMEOUT))
