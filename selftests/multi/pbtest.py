# SPDX-License-Identifier: GPL-2.0
"""What the tests of several machines share: nodes with a replica, links, a writer.

    def test_something(pair):
        a, b = pair.nodes                   # a is the primary of view 1, linked to b
        writer = pair.writer(a, threads=4)
        writer.wait_acks(100)
        ...
        pair.finish()                       # consoles clean, replicas equal

    if __name__ == "__main__":
        sys.exit(main([test_something]))

Environment: PB_KO (dm-pb.ko), PBCTL (pbctl), KVER (kernel), PB_LONG=1 for more
rounds, PB_DEBUG=1 for a debug kernel: SLOW times as long for everything, fewer
rounds. A test waits for a condition with a deadline; it sleeps only where time
itself is what it looks at. The last point of all is that the module can be
unloaded and has left nothing.
"""

import collections
import contextlib
import json
import os
import random
import re
import shlex
import struct
import subprocess
import sys
import threading
import time
import traceback
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from rig import Rig, RigError, VmDied, VmTimeout  # noqa: E402
from rig.cache import cached, digest  # noqa: E402
from rig.slow import SLOW  # noqa: E402

LONG = os.environ.get("PB_LONG") == "1"
VOLUME = os.environ.get("PB_VOLUME", "vol")
DEVICE = "/dev/mapper/" + VOLUME
DISKS = [("data", "64M"), ("meta", "16M")]
SKIP, BAD = 4, 1
LINK_TIMEOUT = 2000 * SLOW              # ms
MEMORY = 768 if SLOW == 1 else 1280     # MiB; what the checkers note takes some
LEAKS = os.path.join(os.path.dirname(HERE), "vm", "leaks.sh")
EBADE = 52
EBADE_TEXT = "Invalid exchange"
MAGIC = 0x31304b4c42425044
# What the kernel says of any module that is built outside its tree.
ALLOW = [r"loading out-of-tree module", r"module verification failed"]


class Failure(AssertionError):
    """The product did not do what was promised."""


def until(what, probe, timeout=20, pause=0.02):
    """Wait until PROBE() is true and return what it returned; Failure if it never is."""
    timeout *= SLOW
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not in {timeout} s")
        time.sleep(pause)


def check(condition, message):
    """An assertion that -O does not remove."""
    if not condition:
        raise Failure(message)


def helper(source, link=("-static",)):
    """A guest program built from a C file, static so that nothing else is needed; or what LINK makes of it."""
    with open(source, "rb") as f:
        text = f.read()
    cc = os.environ.get("CC", "cc")

    def make(tmp):
        cmd = [cc, "-O2", "-Wall", "-pthread", *link, "-o", tmp, source]
        done = subprocess.run(cmd, capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"cannot build {source}:\n{done.stderr}")
        os.chmod(tmp, 0o755)

    name = os.path.basename(source).split(".")[0]
    return cached(f"{name}-{digest(text, cc, *link)}", make)


def required(name):
    """A file that the environment must name; without it nothing can be tested."""
    path = os.environ.get(name)
    if not path or not os.access(path, os.R_OK):
        raise Skip(f"{name} does not name a file")
    return os.path.abspath(path)


class Skip(Exception):
    """The test cannot be run here."""


class Node:
    """A machine with the module, and one replica of the volume."""

    def __init__(self, pair, vm):
        self.pair = pair
        self.vm = vm
        self.name = vm.name
        # What it runs: a test may give a node another version.
        self.ko, self.tool = pair.ko, pair.pbctl
        self.replica = None
        self._events = []
        self._pending = b""
        self._linker = None
        self._watcher = None
        self._files = {}

    # Setting up.

    def guest_path(self, path):
        """Where the guest has a host file: a tmpfs of its own hides /tmp and the like."""
        if not path.startswith(("/tmp/", "/run/", "/dev/", "/var/tmp/")):
            return path
        if path not in self._files:
            with open(path, "rb") as f:
                data = f.read()
            self._files[path] = "/tmp/pb/" + os.path.basename(path)
            self.vm.push(self._files[path], data, 0o755)
        return self._files[path]

    def load(self):
        """After a boot: the module, and a listener for its events."""
        self._files = {}
        self._events.clear()
        self._pending = b""
        self.vm.run(f"modprobe -a dm-mod libcrc32c lru_cache; insmod {shlex.quote(self.guest_path(self.ko))}")
        self._watcher = self.vm.spawn(f"exec {self.pbctl_path()} events --json", on_output=self._take_events)
        # The stream begins at the opening; whoever acts before that misses its event.
        self.vm.wait_until("for p in $(pidof pbctl); do ls -l /proc/$p/fd; done | grep -q dm-pb-control")

    def take_down(self):
        """Remove the volume in whatever state, if there is one."""
        self.unlink()
        self.vm.run(f"! dmsetup info {VOLUME} >/dev/null 2>&1 || "
                    f"{self.pbctl_path()} remove {VOLUME} --force --retry {10 * SLOW}")

    def unload(self):
        """The opposite of load(); a reference that is left keeps the module. Where its code was."""
        self.take_down()
        text = self.vm.run("cat /sys/module/dm_pb/sections/.text").out.strip()
        self._watcher.kill()
        self._watcher.wait()
        self.vm.wait_until("rmmod dm_pb", 20)
        return text

    def create(self, volume, state="--declare-synced", extra=(), data="/dev/disk-data"):
        """A new replica on the disks."""
        self.replica = str(uuid.uuid4())
        self.pbctl("create", VOLUME, "--data", data, "--meta", "/dev/disk-meta",
                   "--volume", volume, "--replica", self.replica, state, *extra)

    def set_up_again(self):
        """The replica that is on the disks."""
        self.pbctl("create", VOLUME, "--data", "/dev/disk-data", "--meta", "/dev/disk-meta")

    def come_back(self, crashed=False):
        """Set up what is on the disks; it remembers its view, and serves nobody before that is confirmed."""
        self.set_up_again()
        status = self.status()
        check(status["view"]["number"] == self.pair.view,
              f"{self.name} remembers view {status['view']['number']}, not {self.pair.view}")
        check(status["role"] == "unconfirmed", f"{self.name} is {status['role']} before the view is confirmed")
        check(status["flags"]["crashed"] == crashed, f"{self.name}: crashed is {status['flags']['crashed']}")
        refused = self.read_errno()
        check(refused and EBADE_TEXT in refused, f"{self.name} reads unconfirmed: {refused}")

    def check_is(self, role, state):
        """It has this role and its data is worth that."""
        status = self.status()
        found = (status["role"], status["replica_state"])
        check(found == (role, state), f"{self.name} is {found}, not {(role, state)}")

    def member(self, suffix=""):
        """This replica as 'pbctl view set --member' wants it."""
        return f"{self.replica}:{self.name}{suffix}"

    # Commands.

    def pbctl_path(self):
        """pbctl in the guest, quoted for its shell."""
        return shlex.quote(self.guest_path(self.tool))

    def pbctl(self, *args, check=True, timeout=30):
        """Run pbctl and return its Result."""
        return self.vm.run(f"{self.pbctl_path()} {shlex.join(str(a) for a in args)}", timeout, check)

    def spawn_pbctl(self, *args):
        """Start pbctl and return its Job."""
        return self.vm.spawn(f"exec {self.pbctl_path()} {shlex.join(str(a) for a in args)}")

    def status(self):
        """What 'pbctl status --json' says, as a dictionary."""
        return json.loads(self.pbctl("status", VOLUME, "--json").out)[0]

    def counter(self, name):
        """One of the status counters."""
        return self.status()["counters"][name]

    def set_view(self, number, *members, force=False, check=True):
        """Tell this node a view; members are Node or a member's text."""
        args = ["view", "set", VOLUME, "--number", number]
        for m in members:
            args += ["--member", m.member() if isinstance(m, Node) else m]
        if force:
            args.append("--force-data-may-be-lost")
        return self.pbctl(*args, check=check)

    def listen(self, timeout=LINK_TIMEOUT, keepalive=100):
        """Keep accepting the predecessor's connections."""
        self._keep(f"listen {VOLUME}", timeout, keepalive)

    def connect(self, peer, timeout=LINK_TIMEOUT, keepalive=100):
        """Keep connecting to the successor."""
        self._keep(f"connect {VOLUME} {peer.vm.ip}", timeout, keepalive)

    def _keep(self, words, timeout, keepalive):
        self.unlink()
        self._linker = self.vm.spawn(f"exec {self.pbctl_path()} {words} --keep --timeout {timeout} "
                                     f"--keepalive {keepalive}")

    def unlink(self):
        """Stop making connections; the one that is up stays."""
        if self._linker and self.vm.alive():
            with contextlib.suppress(VmDied):
                if self._linker.poll() is None:
                    self._linker.kill()
                    self._linker.wait(20)
        self._linker = None

    def linker_says(self):
        """What the process that keeps the link has told so far."""
        return self._linker.output() if self._linker else ""

    def link(self):
        """The link this node has as 'pbctl status' shows it: downstream if any, else upstream."""
        status = self.status()
        return status["downstream"] or status["upstream"] or {"state": "none", "reason": "", "connects": 0}

    def wait_link(self, state="up", timeout=20):
        """Wait until the link is in a state."""
        return until(f"{self.name}: link {state}", lambda: self.link()["state"] == state, timeout)

    # Events.

    def _take_events(self, data):
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        for line in lines:
            with contextlib.suppress(ValueError):
                self._events.append(json.loads(line))

    def mark(self):
        """A place in the event stream, for wait_event()."""
        return len(self._events)

    def events(self, since=0):
        """Events seen since a mark."""
        return self._events[since:]

    def wait_event(self, kind, since=0, timeout=20, text=""):
        """Wait for an event of a kind whose text matches; returns it."""
        def found():
            for event in self._events[since:]:
                if event["type"] == kind and re.search(text, event["text"]):
                    return event
            return None
        return until(f"{self.name}: event {kind} {text!r}", found, timeout, 0.005)

    def kernel_log(self):
        """The kernel's log."""
        return self.vm.run("dmesg").out

    def wait_kernel_log(self, pattern, timeout=20):
        """Wait until a regular expression matches in the kernel's log."""
        return until(f"{self.name}: {pattern!r} in the kernel log",
                     lambda: re.search(pattern, self.kernel_log()), timeout, 0.1)

    def read_errno(self, timeout=20):
        """Read a block from the volume past every cache: the error's text, or None."""
        out = self.vm.run(f"dd if={DEVICE} of=/dev/null bs=4k count=1 iflag=direct", timeout, check=False)
        return None if out.rc == 0 else out.out

    def write_errno(self, timeout=20):
        """Write a block at the end of the volume: the error's text, or None."""
        out = self.vm.run(f"dd if=/dev/zero of={DEVICE} bs=4k seek=16000 count=1 oflag=direct", timeout,
                          check=False)
        return None if out.rc == 0 else out.out


class Writer:
    """writer.c in a guest. What it says is kept here, outside the machine."""

    def __init__(self, node, threads=4, slots=64, size=4096, count=0, overlap=False, flush_every=0, seed=1,
                 pause_us=0, first=0, device=DEVICE):
        self.threads, self.slots, self.size = threads, slots, size
        self.node = node
        self.acked = {}             # (thread, slot) -> newest seq acknowledged
        self.flushed = {}           # thread -> all up to this seq were flushed
        self.errors = []            # (thread, seq, errno)
        self.acks = 0
        self.finished = 0
        self._written = collections.defaultdict(list)
        self._pending = b""
        self._lock = threading.Lock()
        words = [node.guest_path(helper(os.path.join(HERE, "writer.c"))), device, "-t", threads, "-s", slots,
                 "-b", size, "-n", count, "-f", flush_every, "-r", seed, "-p", pause_us, "-k", first]
        words += ["-o"] if overlap else []
        self.job = node.vm.spawn("exec " + shlex.join(str(w) for w in words), on_output=self._take)

    def _take(self, data):
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        with self._lock:
            for line in lines:
                self._line(line.decode(errors="replace").split())

    def _line(self, words):
        if words[:1] == ["w"]:
            thread, slot, seq = map(int, words[1:])
            self.acked[thread, slot] = seq
            self._written[thread].append((seq, slot))
            self.acks += 1
        elif words[:1] == ["f"]:
            self.flushed[int(words[1])] = int(words[2])
        elif words[:1] == ["e"]:
            self.errors.append(tuple(map(int, words[1:])))
        elif words[:1] == ["d"]:
            self.finished += 1

    def wait_acks(self, count, timeout=30):
        """Wait until COUNT writes in all have been acknowledged."""
        until(f"{self.node.name}: {count} acknowledged writes", lambda: self.acks >= count or self.errors,
              timeout, 0.002)
        check(not self.errors, f"writes failed: {self.errors}")

    def wait_done(self, timeout=60):
        """Wait for the end of a writer with a count; every write must have succeeded."""
        self.job.wait(timeout)
        check(not self.errors, f"writes failed: {self.errors}")
        check(self.finished == self.threads, f"{self.finished} of {self.threads} threads ended well:\n"
              + self.job.output()[-500:])

    def stop(self):
        """End it; what it had in flight completes first."""
        self.job.kill()
        self.job.wait(30)

    def wait_stuck(self, timeout=20, still=0.5):
        """Wait until nothing has been acknowledged for STILL seconds; the number of acks."""
        timeout, still = timeout * SLOW, still * SLOW
        seen, since = self.acks, time.monotonic()
        deadline = since + timeout
        while time.monotonic() - since < still:
            check(time.monotonic() < deadline, f"writes never stopped: {self.acks} acknowledged")
            time.sleep(0.01)
            if self.acks != seen:
                seen, since = self.acks, time.monotonic()
        return seen

    def durable(self):
        """{(thread, slot): seq} of what a flush has covered."""
        found = {}
        for thread, upto in self.flushed.items():
            for seq, slot in self._written[thread]:
                if seq <= upto:
                    found[thread, slot] = max(seq, found.get((thread, slot), 0))
        return found

    def lost(self, path, promised=None, torn=True, base=0):
        """What a disk image lacks of what was promised (default: all that was acked): a list of texts.

        base: where in the image the volume begins.
        """
        bad = []
        promised = self.acked if promised is None else promised
        with open(path, "rb") as f:
            for (thread, slot), seq in sorted(promised.items()):
                f.seek(base + (thread * self.slots + slot) * self.size)
                found = check_block(f.read(self.size), thread, slot)
                if found is None and torn:
                    bad.append(f"thread {thread} slot {slot}: {seq} was acked, the block is torn or foreign")
                elif found is not None and found < seq:
                    bad.append(f"thread {thread} slot {slot}: {seq} was acked, {found} is there")
        return bad


def check_block(block, thread, slot):
    """The sequence number in a block of writer.c; None if it is not whole."""
    seq = None
    for i in range(0, len(block), 512):
        words = struct.unpack_from("<64Q", block, i)
        if words[:3] != (MAGIC, thread, slot) or words[3] != (words[3] if seq is None else seq):
            return None
        seq = words[3]
        base = seq * 0x9e3779b97f4a7c15 + slot * 64 + i // 8
        if any(words[k] != (base + k) & 0xffffffffffffffff for k in range(4, 64)):
            return None
    return seq


class Pair:
    """Two nodes with a volume in view 1, linked. Use it with 'with'.

    nodes[0] is the primary. Arguments besides those of Rig: linked=False leaves the
    replicas without a view; timeout, keepalive: of the link, ms; ko: the variable that
    names the module.
    """

    def __init__(self, disks=DISKS, linked=True, timeout=LINK_TIMEOUT, keepalive=100, ko="PB_KO", **rig):
        self.ko, self.pbctl = required(ko), required("PBCTL")
        self._linked = linked
        self.timeout, self.keepalive = timeout, keepalive
        self.volume = None
        self.view = 0
        self.rig = Rig(nodes=2, disks=disks, mem=MEMORY, **rig)
        self.nodes = [Node(self, vm) for vm in self.rig.nodes]

    def __enter__(self):
        try:
            self.rig.start()
            for node in self.nodes:
                node.load()
            if self._linked:
                self.new_volume()
        except BaseException:
            self.rig.close()
            raise
        return self

    def __exit__(self, kind, _value, _tb):
        if kind and kind not in (SystemExit, KeyboardInterrupt):
            with contextlib.suppress(OSError):
                self.rig.save_output(os.path.basename(sys.argv[0]).split(".")[0])
        self.rig.close()

    def wipe(self):
        """Take the volume away on both nodes and blank all disks."""
        self.rig.heal()
        self.rig.delay(0)
        for node in self.nodes:
            node.take_down()
            node.vm.run("blkdiscard -z -f /dev/disk-data && blkdiscard -z -f /dev/disk-meta")

    def new_volume(self, link=True, extra=()):
        """A new volume on blank disks in view 1, the first node primary, linked; EXTRA is for 'pbctl create'."""
        self.volume = str(uuid.uuid4())
        for node in self.nodes:
            node.create(self.volume, extra=extra)
        self.set_view(1, *self.nodes)
        if link:
            self.link()

    def set_view(self, number, *members):
        """Tell all nodes a view."""
        for node in self.nodes:
            node.set_view(number, *members)
        self.view = number

    def link(self, primary=None, timeout=None, keepalive=None):
        """Keep the two connected, and wait until they are."""
        primary = primary or self.nodes[0]
        backup = self.other(primary)
        times = (timeout or self.timeout, keepalive or self.keepalive)
        backup.listen(*times)
        primary.connect(backup, *times)
        primary.wait_link()
        backup.wait_link()

    def other(self, node):
        """The other one."""
        return self.nodes[1 - self.nodes.index(node)]

    def reboot(self, node):
        """Start a machine that has ended, with the module and no volume."""
        node.vm.restart()
        node.load()

    def writer(self, node, **options):
        """Start writer.c on the volume of a node."""
        return Writer(node, **options)

    def wait_synced(self, primary, still=60):
        """Wait for the end of a state transfer; it may take any time, but must not stand still."""
        seen, deadline = None, 0
        while True:
            transfer = primary.status()["transfer"]
            if transfer["state"] == "synced":
                return
            now = (transfer["state"], transfer["left_bytes"])
            if now != seen:
                seen, deadline = now, time.monotonic() + still * SLOW
            if time.monotonic() > deadline:
                details = "\n".join(f"{node.name}: {node.pbctl('status', VOLUME, '-v').out}" for node in self.nodes)
                raise Failure(f"the state transfer stands still for {still} s: {transfer}\n{details}")
            time.sleep(0.1)

    def wait_quiet(self, timeout=30):
        """Wait until nothing is under way on any node that runs."""
        def quiet():
            for node in self.nodes:
                if not node.vm.alive():
                    continue
                s = node.status()
                if s["in_flight"] or s["held"] or s["applying"]:
                    return False
                if s["downstream"] and s["downstream"]["unacked"]:
                    return False
            return True
        until("nothing in flight", quiet, timeout)

    def check_equal(self):
        """The data disks of both are the same, byte for byte."""
        at = self.rig.compare("data", 0, 1)
        check(at is None, f"the replicas differ at byte {at}")

    def finish(self, equal=True, allow=()):
        """No bad line on a console, nothing under way, and the replicas equal."""
        if equal:
            self.wait_quiet()
            self.check_equal()
        self.check_consoles(allow)

    def check_consoles(self, allow=()):
        """No bad line on a console."""
        bad = self.rig.check_consoles(ALLOW + list(allow))
        check(not bad, "bad lines on the consoles:\n" + "\n".join(bad[:20]))

    def unload(self):
        """Unload the module on every node that runs: no leak, no bad line."""
        self.rig.heal()
        running = [node for node in self.nodes if node.vm.alive()]
        texts = [node.unload() for node in running]
        jobs = [node.vm.spawn(f"sh {shlex.quote(node.guest_path(LEAKS))}") for node in running]
        for node, text, job in zip(running, texts, jobs):
            status = job.wait(120)
            check(not status and not job.output(), f"{node.name}: left, status {status}, the module's code was at "
                  f"{text}:\n{job.output()[:4000]}")
        self.check_consoles()


def seeded(name):
    """A random generator whose seed can be given (PB_SEED) and is printed."""
    seed = int(os.environ.get("PB_SEED", random.randrange(1 << 30)))
    print(f"# {name}: PB_SEED={seed}", flush=True)
    return random.Random(seed)


def one(number, test, pair):
    """Run one test and print its line; True if it passed, or is known not to."""
    title = (test.__doc__ or test.__name__).strip().splitlines()[0]
    begin = time.monotonic()
    why = None
    try:
        test(pair) if pair else test()
    except (Failure, RigError) as err:
        why = f"{type(err).__name__}: {err}\n{traceback.format_exc(limit=-3)}"
    except Exception:       # a bug of the test's own is a failure, not the end of the others
        why = traceback.format_exc()
    todo = getattr(test, "todo", None)
    print(f"{'not ok' if why else 'ok'} {number} - {title} # {f'TODO {todo}, ' if todo else ''}"
          f"{time.monotonic() - begin:.1f} s", flush=True)
    for line in (why or "").rstrip().splitlines():
        print(f"#   {line}", flush=True)
    return why is None or bool(todo)


def main(tests, ko="PB_KO", **pair_args):
    """Run tests as TAP; each takes a Pair, made anew by wipe() in between. The exit status.

    PB_TESTS=word,word runs those whose name contains a word.
    """
    print("TAP version 13", flush=True)
    words = [w for w in os.environ.get("PB_TESTS", "").split(",") if w]
    tests = [t for t in tests if not words or any(w in t.__name__ for w in words)]
    try:
        required(ko)
        required("PBCTL")
        return _run_all(tests, dict(pair_args, ko=ko))
    except Skip as err:
        print(f"1..0 # SKIP {err}", flush=True)
        return SKIP


def _run_all(tests, pair_args):
    """All tests, on one rig as long as none fails; a test with own_rig boots its own."""
    results, rest = [], list(tests)
    while rest:
        if getattr(rest[0], "own_rig", False):
            results.append(one(len(results) + 1, rest.pop(0), None))
            continue
        try:
            with Pair(linked=False, **pair_args) as pair:
                _run_shared(pair, rest, results)
        except (RigError, Failure) as err:
            print(f"Bail out! {str(err).splitlines()[0]}", flush=True)
            return BAD
    print(f"1..{len(results)}\n# {sum(results)} of {len(results)} passed", flush=True)
    return 0 if all(results) else BAD


def _run_shared(pair, rest, results):
    """Take tests off REST until one fails, needs another rig, or there is none."""
    while rest and not getattr(rest[0], "own_rig", False):
        if results:
            refresh(pair)
        results.append(one(len(results) + 1, rest.pop(0), pair))
        if not results[-1]:
            with contextlib.suppress(OSError):
                pair.rig.save_output(os.path.basename(sys.argv[0]).split(".")[0])
            return
    results.append(one(len(results) + 1, nothing_left, pair))


def nothing_left(pair):
    """the module is unloaded; no reference, no leak, no bad line is left"""
    pair.unload()


def refresh(pair):
    """Bring a rig back to two machines with the module and blank disks."""
    for node in pair.nodes:
        if not node.vm.alive():
            pair.reboot(node)
    pair.wipe()


__all__ = ["Pair", "Node", "Writer", "Failure", "Skip", "Rig", "RigError", "VmDied", "VmTimeout", "check", "until",
           "helper", "main", "seeded", "LONG", "SLOW", "DEVICE", "VOLUME", "EBADE", "EBADE_TEXT", "DISKS"]
