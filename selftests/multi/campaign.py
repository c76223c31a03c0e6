# SPDX-License-Identifier: GPL-2.0
"""What the crash campaigns share: two nodes that die again and again on the same disks.

The disks lose what was not flushed. The test plays the view service: a synced backup takes
over from a dead primary, a primary goes on without a dead backup, and if both died one of
them goes on alone; the other comes back unsynced and is brought up to date under load.
"""

import contextlib
import json
import struct
import subprocess
import time

from churn import BLOCK, Churn, Oracle
from pbtest import SLOW, Failure, VmDied, check, until

SIZE = 96 << 20
EXTENT, REGION = 1 << 20, 64 << 10
DISKS = [("data", SIZE, {"volatile": True}), ("meta", "16M", {"volatile": True})]
# Fewer hot extents than the volume has, so that they are taken from each other.
GEOMETRY = ("--extent-size", EXTENT, "--hot-extents", 64, "--region-size", REGION)
TIMEOUT = 1000 * SLOW
MAP_MAGIC = 0x313050414d425044
MAP_HEAD = struct.Struct("<QIIQQ")
MAP_BITS = 64


def log(text):
    """A line for who reads the output of a failed campaign."""
    print(f"#   {text}", flush=True)


class Durable:
    """What a node's metadata device says: the superblock, the hot regions, those that are dirty for each peer."""

    def __init__(self, node):
        path, where = node.vm.disk_path("meta"), node.name
        done = subprocess.run([node.pair.pbctl, "dump-meta", "--external", "--log", "--maps", "--json", path],
                              capture_output=True, text=True)
        check(not done.returncode, f"{where}: its metadata is damaged:\n{done.stdout[-1000:]}{done.stderr}")
        found = json.loads(done.stdout)
        fields = found["copies"][found["current_copy"]]["fields"]
        per_extent = EXTENT // REGION
        self.fields = fields
        self.view = fields["view"]["number"]
        self.state = fields["replica_state"]
        self.extents = found["log"]["hot_extents"]
        self.hot = {e * per_extent + i for e in self.extents for i in range(per_extent)}
        self.peers = {peer["replica"]: peer for peer in fields["peers"]}
        self._blocks = {}
        with open(path, "rb") as f:
            for block in iter(lambda: f.read(4096), b""):
                magic, _, slot, index, epoch = MAP_HEAD.unpack_from(block)
                if magic == MAP_MAGIC:
                    self._blocks[slot, index, epoch] = block[MAP_BITS:]

    def dirty(self, replica):
        """The regions that the map for a peer names; None if there is no map for it."""
        peer = self.peers.get(replica)
        if not peer:
            return None
        # The volume is so small that its map is one block; one that was never written is clean.
        bits = self._blocks.get((peer["map"], 0, peer["epoch"]), b"")
        return {i * 8 + k for i, byte in enumerate(bits) if byte for k in range(8) if byte >> k & 1}


class Campaign:
    """Two nodes, what the view service knows of them, and what their disks may hold."""

    def __init__(self, pair, rng):
        self.pair, self.rng = pair, rng
        pair.new_volume(link=False, extra=GEOMETRY)
        pair.link(timeout=TIMEOUT)
        self.primary, self.backup = pair.nodes
        self.view = 1
        self.members = tuple(pair.nodes)    # as 'pbctl view set' wants them
        self.told = set(pair.nodes)         # nodes that have entered the view
        self.down = []                      # nodes that have died and are not set up again
        self.oracle = Oracle(SIZE)
        self.churn = None
        self.next = 1
        self.runs = []              # not yet verified: (churn, what was promised)
        self.times = {}

    @contextlib.contextmanager
    def timed(self, what):
        """Where the time goes."""
        begin = time.monotonic()
        yield
        self.times[what] = self.times.get(what, 0) + time.monotonic() - begin

    # Writing.

    def write(self, share=None, **options):
        """Start writing on the primary, with other numbers than all before, to all of the volume or a SHARE of it."""
        options.setdefault("flushes", self.rng.choice([2, 8, 32]))
        options.setdefault("pause_us", self.rng.choice([2000, 10000, 50000]))
        size = int(SIZE * (share or self.rng.choice([0.2, 0.4, 1.0])))
        self.churn = Churn(self.primary, size, self.rng.randrange(1 << 30), self.next, **options)
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

    def verify(self, where):
        """What was promised is on the primary's disk, and nothing that was not written."""
        with self.timed("verify"):
            self.oracle.verify(self.primary.vm.disk_path("data"), self.runs, where)
        self.runs.clear()

    # Views.

    def tell(self, *members, nodes=None):
        """A new view for the nodes, in any order."""
        self.view += 1
        self.pair.view = self.view
        self.members, self.told = members, set()
        nodes = list(nodes or self.pair.nodes)
        self.rng.shuffle(nodes)
        for node in nodes:
            self.repeat(node)

    def repeat(self, node):
        """The same view for a node, once more or for the first time."""
        node.set_view(self.view, *self.members)
        self.told.add(node)

    def alone(self, node):
        """A view with this node only. Whoever was synced must have been in the view before."""
        if node not in self.told:
            self.repeat(node)
        if self.members != (node,):
            self.tell(node, nodes=[node])
        self.primary, self.backup = node, self.pair.other(node)

    # What goes wrong.

    def lose_power(self, *nodes):
        """Cut their power, one right after the other, or kill -9 them; they boot again at once."""
        keep = self.rng.choice([None, 0.0, 0.0, 0.5, 0.9])
        told = set(self.told)
        for node in nodes:
            if keep is None:
                node.vm.kill()
                log(f"{node.name} was killed")
            else:
                fates = node.vm.power_cut(keep, self.rng.choice([0.0, 0.3]), self.rng.random())
                log(f"{node.name} lost power: {fates['data']}")
            self.told.discard(node)
            self.down.append(node)
        for node in nodes:
            self.check_said(node, self.view if node in told else 0)
        self.check_transfer()
        for node in nodes:
            node.vm.boot()

    def check_said(self, node, view):
        """What a dead node had said counts, so it must be durable: at least VIEW, and what its events tell."""
        disk = Durable(node)
        for event in node.events():
            number, what = event["view"], f"{event['type']}, {event['text']}"
            if event["type"] == "view":
                view = max(view, number)
            elif event["type"] == "sync-done" and event["text"] == "this replica is synced":
                check(disk.fields["data_view"] >= number, f"{node.name} said in view {number}: {what}; its disk does "
                      f"not know it: {disk.state}, data of view {disk.fields['data_view']}")
            elif event["type"] == "sync-done":
                check(disk.view > number or disk.fields["waits_view"] == number, f"{node.name} said in view {number}: "
                      f"{what}; its disk does not say that writes wait for it")
        check(disk.view >= view, f"{node.name} has acted in view {view}, its disk knows view {disk.view}")

    def check_transfer(self):
        """What one end of a state transfer has on its disk by the other's word is on the other's before."""
        a, b = self.primary, self.backup
        # In this order: they may be running.
        target, source = Durable(b), Durable(a)
        if source.view != target.view or self.members[1:] != (b.member(":unsynced"),) or source.view != self.view:
            return
        if target.state == "syncing" and target.fields["sync_view"] == self.view:
            check(source.peers[b.replica]["started"], f"{b.name} is being brought up to date, and has forgotten what "
                  f"it marked; the disk of {a.name} does not know that it began")
        if target.state == "synced":
            check(source.fields["waits_view"] == self.view, f"{b.name} is synced; the disk of {a.name} does not say "
                  "that writes wait for it")
        if a.vm.alive() and a.status()["transfer"]["state"] == "synced":
            check(target.state == "synced" or Durable(b).state == "synced", f"{a.name} has {b.name} synced, whose "
                  f"disk says {target.state}")

    def come_back(self, *nodes):
        """They, or all that are down, are up again: set the replicas up."""
        with self.timed("boot"):
            for node in nodes or list(self.down):
                self.down.remove(node)
                node.vm.wait_boot()
                node.load()
                node.set_up_again()
                status = node.status()
                check(status["role"] == "unconfirmed", f"{node.name} is {status['role']} before it was told its view")

    def resume(self, node, where):
        """It returns first, and goes on alone with what was flushed."""
        self.stop_writing("flushed")
        self.come_back(node)
        if node.status()["view"]["number"] == self.view and self.members != (node,):
            # It knows the view, and would not confirm it beside another one.
            self.told.add(node)
        self.alone(node)
        self.verify(where)

    def primary_dies(self):
        """The backup takes over; whatever was acknowledged is there."""
        self.lose_power(self.primary)
        self.take_over()

    def take_over(self):
        """The backup becomes primary, with all that was acknowledged."""
        self.stop_writing("acked")
        self.alone(self.backup)
        self.verify("after the fail-over")

    def backup_dies(self):
        """The primary goes on alone."""
        self.lose_power(self.backup)
        self.alone(self.primary)

    def both_die(self):
        """One of them goes on; whatever was flushed is there."""
        nodes = [self.primary, self.backup]
        self.rng.shuffle(nodes)
        self.lose_power(*nodes)
        # After a while the backup may, if the primary does not return.
        survivor = self.rng.choice([self.primary, self.primary, self.backup])
        log(f"{survivor.name} returns first")
        self.resume(survivor, "after both died")

    # Mending.

    def allowed(self, a, b):
        """The regions that a state transfer to B may copy, by what is durable on both."""
        mine, its = Durable(a), Durable(b)
        dirty = mine.dirty(b.replica)
        check(dirty is not None, f"{a.name} has no dirty map for {b.name}: all would be copied")
        found = dirty | mine.hot | its.hot
        log(f"{len(dirty)} regions are dirty, {len(mine.extents)} extents hot on {a.name}, {len(its.extents)} on "
            f"{b.name}: {len(found)} regions")
        return found

    def begin_join(self):
        """The backup may come in again; what may be copied to it."""
        a, b = self.primary, self.backup
        begin = [n + 1 for n in self.churn.acked]
        self.tell(a, b.member(":unsynced"))
        return begin, self.allowed(a, b)

    def join(self, strike=False):
        """The backup is brought up to date, and counts again; with STRIKE, False if that was interrupted."""
        a, b = self.primary, self.backup
        before = a.status()["counters"]
        begin, regions = self.begin_join()
        self.link()
        if strike:
            self.strike_again()
            return False
        self.until_alive("a state transfer", lambda: a.status()["transfer"]["total_bytes"], 30)
        # What was begun until now may have come before the transfer.
        regions |= {block * BLOCK // REGION for block in self.churn.blocks(begin)}
        self.wait_synced()
        transfer, connects = a.status()["transfer"], a.link()["connects"]
        now = a.status()["counters"]
        moved, equal = (now[name] - before[name] for name in ("sync_bytes", "sync_equal"))
        b.check_is("backup", "synced")
        most = len(regions) * REGION
        log(f"{moved >> 10} KiB were copied, {most >> 10} may have differed")
        check(transfer["total_bytes"] <= most, f"{transfer['total_bytes']} bytes were to be copied, where only {most} "
              "may have differed")
        # Each region once; and what was under way when a connection was lost, once more.
        check(moved <= most * connects, f"{moved} bytes were copied over {connects} connections, where only {most} "
              "may have differed")
        if connects == 1:
            check(moved + equal == transfer["total_bytes"], f"{moved} bytes were copied and {equal} found equal, not "
                  f"{transfer['total_bytes']}")
        self.tell(a, b)
        self.link()
        return True

    def until_alive(self, what, probe, timeout=20):
        """until(), but VmDied as soon as a machine dies."""
        def look():
            for node in self.pair.nodes:
                if node.vm.tripped() or not node.vm.alive():
                    raise VmDied(f"{node.name} died while waiting for {what}")
            return probe()
        return until(what, look, timeout)

    def link(self):
        """Connect the two; VmDied as soon as one dies."""
        a, b = self.primary, self.backup
        b.listen(TIMEOUT, 100)
        a.connect(b, TIMEOUT, 100)
        for node in (a, b):
            self.until_alive(f"{node.name}: link up", lambda n=node: n.link()["state"] == "up")

    def wait_synced(self, still=60):
        """Wait for the end of the state transfer; it may take any time, but must not stand still."""
        seen, deadline = None, 0
        while True:
            transfer = self.primary.status()["transfer"]
            if transfer["state"] == "synced":
                return
            for node in self.pair.nodes:
                if node.vm.tripped() or not node.vm.alive():
                    raise VmDied(f"{node.name} died in the transfer")
            now = (transfer["state"], transfer["left_bytes"])
            if now != seen:
                seen, deadline = now, time.monotonic() + still * SLOW
            if time.monotonic() > deadline:
                raise Failure(f"the state transfer stands still for {still} s: {transfer}")
            time.sleep(0.03)

    def strike_again(self):
        """One of them, or both, die in the state transfer. It is done over, from where it was."""
        time.sleep(self.rng.random() * 1.5)
        a, b = self.primary, self.backup
        dead = self.rng.choice([[a], [b], [a, b]])
        log(f"{' and '.join(n.name for n in dead)}, again, in the transfer: {a.status()['transfer']}")
        self.lose_power(*dead)
        # Nobody but the primary has all the data.
        if a in dead:
            self.resume(a, "after the primary died in the transfer")
            self.write()
        else:
            self.alone(a)
        self.come_back()

    def settle(self):
        """Stop, flush, and look at everything."""
        self.churn.wait_acks(50)
        self.stop_writing("acked")
        self.primary.vm.run("sync /dev/mapper/vol")
        self.pair.wait_quiet()
        self.verify("in the end of the round")
        rig = self.pair.rig
        with self.timed("compare"):
            at = rig.compare("data", 0, 1)
            check(at is None, f"the replicas differ at byte {at}")
            at = rig.compare("data", 0, 1, durable=True)
            check(at is None, f"what the disks have flushed differs at byte {at}")
        self.pair.finish(equal=False)

    def mend(self, strike=False):
        """Bring back who is down, make both equal, and look at everything; with STRIKE not at the first try."""
        # Gently, or what is written meanwhile has to be copied as well.
        self.stop_writing("acked")
        self.write(pause_us=self.rng.choice([10000, 30000]))
        self.come_back()
        with self.timed("join"):
            if not strike or not self.join(strike):
                self.join()
        with self.timed("settle"):
            self.settle()

    @contextlib.contextmanager
    def round(self, title):
        """Says what is done and how long it took."""
        log(f"{title}: view {self.view}, primary {self.primary.name}")
        self.times.clear()
        with self.timed("all"):
            yield
        log(f"{title}: " + ", ".join(f"{what} {t:.1f} s" for what, t in self.times.items()))
