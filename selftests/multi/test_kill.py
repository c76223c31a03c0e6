#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The random campaign: machines die, freeze and lose each other, again and again on the same disks.

See campaign.py. Environment: PB_ROUNDS; PB_SEED repeats a campaign's choices, though not
its moments.
"""

import os
import sys
import time

from campaign import DISKS, TIMEOUT, Campaign
from pbtest import LONG, main, seeded

CI = os.environ.get("PB_CI") == "1"
ROUNDS = int(os.environ.get("PB_ROUNDS", 200 if LONG else 4 if CI else 2))


class Random(Campaign):
    """Anything may happen at any time."""

    def cut_off(self):
        """The network is lost silently, then one of the two."""
        self.pair.rig.cut(0, 1)
        time.sleep(self.rng.choice([0.0, 0.3, TIMEOUT / 1000 + 0.5]))
        self.rng.choice([self.primary_dies, self.backup_dies])()
        self.pair.rig.heal()

    def freeze_backup(self):
        """It is taken for dead, and comes back with all it had."""
        mark = self.primary.mark()
        self.backup.vm.freeze()
        self.primary.wait_event("peer-silent", mark)
        self.alone(self.primary)
        self.churn.wait_acks(50)
        self.backup.vm.thaw()

    def freeze_primary(self):
        """It is taken for dead, and comes back to find itself deposed."""
        old, mark = self.primary, self.backup.mark()
        old.vm.freeze()
        self.backup.wait_event("peer-silent", mark)
        self.alone(self.backup)
        old.vm.thaw()
        self.repeat(old)
        old.check_is("idle", "stale")
        self.stop_writing("acked")
        self.verify("after the primary was deposed")

    def strike(self):
        """One thing goes wrong, and is mended."""
        strike = self.rng.choice([self.primary_dies, self.primary_dies, self.backup_dies, self.both_die, self.both_die,
                                  self.cut_off, self.freeze_backup, self.freeze_primary])
        with self.round(strike.__name__):
            self.write().wait_acks(self.rng.randrange(20, 600))
            time.sleep(self.rng.random() * 0.05)
            with self.timed("strike"):
                strike()
            self.mend(strike=self.rng.random() < 0.2)


def test_kill(pair):
    """crash after crash on the same disks: nothing promised is lost, and both are equal after each"""
    campaign = Random(pair, seeded("kill"))
    for _ in range(ROUNDS):
        campaign.strike()


if __name__ == "__main__":
    sys.exit(main([test_kill], disks=DISKS, timeout=TIMEOUT))
