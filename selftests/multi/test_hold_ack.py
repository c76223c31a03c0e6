#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An ack that is only late: with long time-outs the write waits for it, on the same connection."""

import sys
import time

from pbtest import LONG, check, main, until

HOLD = 10 if LONG else 3


def test_hold_ack(pair):
    """acks held back for a while: nothing is acknowledged meanwhile, then all, without a reconnect"""
    a, b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=120000, keepalive=500)
    writer = pair.writer(a, threads=4, slots=32, count=400)
    writer.wait_acks(100)
    pair.rig.cut(1, 0, "a>b")
    stuck = writer.wait_stuck(still=0.3)
    # Time is what is tested: it must be of no consequence.
    time.sleep(HOLD)
    check(writer.acks == stuck, f"{writer.acks - stuck} writes acknowledged without an ack")
    applied = b.counter("applied_writes")
    check(applied > stuck, f"the backup applied {applied}, no more than the {stuck} acknowledged: nothing was held")
    status = a.status()
    check(status["downstream"]["state"] == "up", f"the link is {status['downstream']['state']}")
    check(status["oldest_wait_ms"] >= HOLD * 1000, f"the oldest write waits for {status['oldest_wait_ms']} ms only")
    pair.rig.heal()
    writer.wait_done(120)
    after = a.status()
    check(after["downstream"]["connects"] == 1 and not after["counters"]["resent"],
          f"it was a new connection: {after['downstream']}")
    check(not writer.lost(b.vm.disk_path("data")), "an acknowledged write is missing")
    pair.finish()


def test_flush(pair):
    """an empty flush waits for the backup as well"""
    a, b = pair.nodes
    pair.new_volume(link=False)
    pair.link(timeout=120000, keepalive=500)
    flushes = b.counter("applied_flushes")
    a.vm.run("python3 -c \"import os; os.fsync(os.open('/dev/mapper/vol', os.O_RDWR))\"")
    until("a flush at the backup", lambda: b.counter("applied_flushes") > flushes)
    pair.rig.cut(1, 0, "a>b")
    job = a.vm.spawn("python3 -c \"import os; os.fsync(os.open('/dev/mapper/vol', os.O_RDWR)); print('flushed')\"")
    until("a flush under way", lambda: a.status()["in_flight"], pause=0.1)
    time.sleep(1)
    check(job.poll() is None and "flushed" not in job.output(), "a flush completed without the backup's ack")
    pair.rig.heal()
    check(job.wait(60) == 0, f"the flush failed:\n{job.output()}")
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_hold_ack, test_flush]))
