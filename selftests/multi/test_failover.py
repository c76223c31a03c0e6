#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The primary dies under a writer: whatever was acknowledged is on the backup.

What was acknowledged is known outside the machine, from the writer's own words.
"""

import sys
import time

from pbtest import LONG, SLOW, Pair, check, main, seeded

ROUNDS = 20 if LONG else 5 if SLOW == 1 else 2
POWER_ROUNDS = 6 if LONG else 1
VOLATILE = [("data", "64M", {"volatile": True}), ("meta", "16M", {"volatile": True})]


def strike(rng, writer, least, most):
    """Wait for some acknowledgement, and then for a moment that falls anywhere between two."""
    writer.wait_acks(rng.randrange(least, most))
    time.sleep(rng.random() * 0.05)


def promote(pair, node):
    """The survivor becomes primary of view 2, alone; it serves at once."""
    node.set_view(2, node)
    check(node.read_errno() is None, "the new primary does not read")
    check(node.write_errno() is None, "the new primary does not write")
    pair.view = 2


def test_kill(pair):
    """acknowledged O_DIRECT|O_DSYNC writes survive the primary's death, at random moments"""
    rng = seeded("kill")
    print(f"# {ROUNDS} rounds", flush=True)
    for number in range(ROUNDS):
        # The survivor of one round is the primary of the next.
        a, b = pair.nodes
        pair.new_volume()
        writer = pair.writer(a, threads=rng.choice([1, 4, 8]), slots=32, size=rng.choice([512, 4096, 65536]))
        strike(rng, writer, 30, 300)
        a.vm.kill()
        promote(pair, b)
        lost = writer.lost(b.vm.disk_path("data"))
        check(writer.acked, "nothing was acknowledged")
        check(not lost, f"round {number}: {len(lost)} lost of {writer.acks} acknowledged:\n" + "\n".join(lost[:10]))
        pair.finish(equal=False)        # one of them is dead
        pair.reboot(a)
        pair.wipe()
        pair.nodes.reverse()
    if pair.nodes[0].vm.index:
        pair.nodes.reverse()


def test_power():
    """both machines lose power with their disks' caches: what was flushed is on the backup"""
    rng = seeded("power")
    with Pair(disks=VOLATILE, linked=False) as pair:
        a, b = pair.nodes
        for number in range(POWER_ROUNDS):
            pair.new_volume()
            writer = pair.writer(a, threads=4, slots=32, flush_every=rng.choice([1, 5, 20]))
            strike(rng, writer, 100, 400)
            a.vm.power_cut(keep=rng.random(), seed=rng.random())
            b.vm.power_cut(keep=rng.random(), seed=rng.random())
            promised = writer.durable()
            check(promised, "nothing was flushed")
            for vm in (b.vm, a.vm):
                lost = writer.lost(vm.disk_path("data"), promised)
                check(not lost, f"round {number}, {vm.name}: {len(lost)} lost of {len(promised)} flushed blocks:\n"
                      + "\n".join(lost[:10]))
            pair.reboot(b)
            b.set_up_again()
            status = b.status()
            check(status["flags"]["crashed"] and status["view"]["number"] == 1, f"not seen as a crash: {status}")
            promote(pair, b)
            lost = writer.lost(b.vm.disk_path("data"), promised)
            check(not lost, f"round {number}: lost by the set-up: {lost[:10]}")
            pair.finish(equal=False)
            pair.reboot(a)
            pair.wipe()
        pair.unload()


test_power.own_rig = True

if __name__ == "__main__":
    sys.exit(main([test_kill, test_power]))
