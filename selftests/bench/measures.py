# SPDX-License-Identifier: GPL-2.0
"""What the disks of the machines saw, counted by the guest's block layer, whatever stack was on them."""

from pbtest import until

DISKS = ("data", "meta")
# Words of /sys/block/*/stat. An empty flush counts as a write of no sectors there, and as a flush.
STAT = {"writes": 4, "sectors": 6, "in_flight": 8, "flushes": 15}


def snapshot(pair):
    """{disk: [{writes, sectors, in_flight, flushes} of each node]}."""
    found = {}
    for disk in DISKS:
        found[disk] = []
        for node in pair.nodes:
            words = node.vm.run(f"cat /sys/class/block/$(basename $(readlink -f /dev/disk-{disk}))/stat").out.split()
            found[disk].append({name: int(words[i]) for name, i in STAT.items()})
    return found


def settle(pair, stack):
    """Wait until the stack and the disks have come to rest; the disks' statistics then."""
    last = [None]

    def still():
        if not stack.quiet():
            return None
        before, last[0] = last[0], snapshot(pair)
        return before == last[0] and last[0]
    return until(f"{stack.name} at rest", still, 60, 0.1)


def measure(pair, stack, work):
    """Call WORK(), which returns a dictionary of its own; with it what both nodes' disks saw meanwhile."""
    before, said = settle(pair, stack), stack.counters()
    sample = work()
    after = settle(pair, stack)
    sample["counters"] = [{k: now[k] - then[k] for k in now} for then, now in zip(said, stack.counters())]
    for disk in DISKS:
        for name, factor in (("writes", 1), ("bytes", 512), ("flushes", 1)):
            stat = "sectors" if name == "bytes" else name
            sample[f"{disk}_{name}"] = [(b[stat] - a[stat]) * factor for a, b in zip(before[disk], after[disk])]
    return sample
