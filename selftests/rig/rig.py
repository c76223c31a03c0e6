# SPDX-License-Identifier: GPL-2.0
"""A rig: one to eight machines on a switch, and nothing of it left behind.

    with Rig(nodes=2, disks=[("data", "256M"), ("meta", "16M")]) as rig:
        a, b = rig.nodes
        a.run("ping -c1 node1")
        rig.cut(a, b, "a>b")
"""

import atexit
import contextlib
import fcntl
import glob
import os
import shutil
import signal
import sys
import tempfile
import threading
import weakref

from . import cache
from .disk import Disk, first_difference
from .errors import RigError
from .kernel import find_kernel
from .slow import SLOW
from .switch import Switch
from .vm import VM, choose_accel

REPO = os.path.dirname(os.path.dirname(cache.HERE))
PREFIX = "pbrig-"
DISKS = [("data", "256M"), ("meta", "16M")]
# Mounts of the guest's own would hide what of the host lies below these.
HIDDEN = ("/tmp", "/run", "/dev", "/proc", "/sys")

_live = weakref.WeakSet()
_old_handlers = {}


class Rig:
    """Owns the machines, the switch and a private directory. Use it with 'with'.

    nodes      how many machines (1-8): rig.nodes is the list of VM
    kernel     a version ('6.1', '6.12.111+deb12-amd64'), an image file, or None; see kernel.py
    mem, smp   MiB and virtual CPUs of each
    disks      [('name', '256M'[, 512 or 4096 or {'block':..., 'volatile':...}])], for each
               machine; in the guest /dev/disk-NAME and /dev/pbrig/NAME
    root       [raw image of an ext4 file system, for each machine]: it boots from a copy of that, which
               its changes go to, and not from the host's root; set up is nothing but the agent
    debug      log everything on the console, keep the private directory
    pin        each machine on a core of its own (default: when there are several)
    env        environment of every guest command, besides DM_DISABLE_UDEV=1 and PB_NODE=index
    append, qemu_args   more kernel parameters (text), more QEMU arguments (list)
    """

    def __init__(self, nodes=1, kernel=None, mem=768, disks=DISKS, debug=False, smp=1, pin=None,
                 env=None, append="", qemu_args=(), boot_timeout=None, accel=None, root=None):
        if not 1 <= nodes <= 8:
            raise RigError("a rig has 1 to 8 nodes")
        self.count = nodes
        self.kernel = find_kernel(kernel)
        self.accel = accel or choose_accel(self.kernel)
        self.mem, self.smp, self.debug = mem, smp, debug
        self.disks = [Disk.of(d) for d in disks]
        self.root = root
        self.pin = nodes > 1 if pin is None else pin
        self.env = dict(env or {})
        self.append = append
        self.qemu_args = list(qemu_args)
        self.boot_timeout = boot_timeout or float(os.environ.get("PB_RIG_BOOT_TIMEOUT", 120 * SLOW))
        self.switch = None
        self.nodes = []
        self._closed = False
        self._lock_fd = None
        self._cleanup_lock = threading.RLock()
        _sweep()
        self.dir = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        self.sock_dir = self.dir
        _watch(self)
        try:
            self._lock_dir()
            self.switch = Switch(self.sock_dir, nodes)
            self.nodes = [VM(self, i) for i in range(nodes)]
        except BaseException:
            self.close()
            raise

    def _lock_dir(self):
        """A lock that dies with us tells later rigs which directories are left over."""
        path = os.path.join(self.dir, "lock")
        self._lock_fd = os.open(path + ".new", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        os.rename(path + ".new", path)
        if len(self.dir) > 80:          # a unix socket's path has 107 bytes at most
            self.sock_dir = os.path.join("/tmp", os.path.basename(self.dir))
            os.mkdir(self.sock_dir, 0o700)

    def __enter__(self):
        if not self.nodes[0].proc:
            self.start()
        return self

    def __exit__(self, *exc):
        self.close()

    def start(self):
        """Boot all machines and wait until they answer. 'with' does it by itself."""
        try:
            for vm in self.nodes:
                vm.boot()
            for vm in self.nodes:
                vm.wait_boot()
        except BaseException:
            self.save_output("rig-start")
            self.close()
            raise
        return self

    def close(self):
        """Kill everything and remove every file; any number of times.

        A signal may interrupt it; each step can be done again, at exit if need be.
        """
        with self._cleanup_lock:
            if self._closed:
                return
            for vm in self.nodes:
                vm.close()
            if self.switch:
                self.switch.close()
            if self.sock_dir != self.dir:
                shutil.rmtree(self.sock_dir, ignore_errors=True)
            if self.debug:
                with contextlib.suppress(FileNotFoundError):    # or it would be swept
                    os.unlink(os.path.join(self.dir, "lock"))
                print(f"# rig directory kept: {self.dir}", file=sys.stderr)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)
            self._closed = True
            _live.discard(self)
            if self._lock_fd is not None:
                os.close(self._lock_fd)

    # The network.

    def _index(self, node):
        return node.index if isinstance(node, VM) else int(node)

    def _links(self, a, b, direction):
        a, b = self._index(a), self._index(b)
        links = {"both": [(a, b), (b, a)], "a>b": [(a, b)], "b>a": [(b, a)]}
        if direction not in links:
            raise RigError("direction is 'both', 'a>b' or 'b>a'")
        return links[direction]

    def cut(self, a, b, direction="both"):
        """Lose every frame between two nodes, silently; 'a>b': only those from a to b."""
        for s, d in self._links(a, b, direction):
            self.switch.command(f"cut {s} {d} 1")

    def isolate(self, node):
        """Cut a node off from all the others."""
        for other in range(self.count):
            if other != self._index(node):
                self.cut(node, other)

    def heal(self, a=None, b=None, direction="both"):
        """Undo cut(), loss(), reorder() and drop(): of one pair, or without arguments of all."""
        pairs = [(s, d) for s in range(self.count) for d in range(self.count) if s != d]
        for s, d in self._links(a, b, direction) if a is not None else pairs:
            for what in ("cut", "drop", "loss", "reorder"):
                self.switch.command(f"{what} {s} {d} 0")

    def delay(self, ms, jitter_ms=0, a=None, b=None, direction="both"):
        """Delay each frame by ms plus a random part of jitter_ms, keeping the order; 0 ends it.

        On every link, or with a and b on theirs alone. One way: ping sees twice as much.
        """
        pairs = [(s, d) for s in range(self.count) for d in range(self.count) if s != d]
        for s, d in self._links(a, b, direction) if a is not None else pairs:
            self.switch.command(f"delay {s} {d} {int(ms * 1000)} {int(jitter_ms * 1000)}")

    def drop(self, a, b, frames=1, direction="a>b"):
        """Lose the next FRAMES frames."""
        for s, d in self._links(a, b, direction):
            self.switch.command(f"drop {s} {d} {frames}")

    def loss(self, a, b, share, direction="both"):
        """Lose this share (0.0-1.0) of the frames, at random."""
        for s, d in self._links(a, b, direction):
            self.switch.command(f"loss {s} {d} {int(share * 1e6)}")

    def reorder(self, a, b, share, ms, direction="both"):
        """Hold this share (0.0-1.0) of the frames back for up to so long; others overtake them."""
        for s, d in self._links(a, b, direction):
            self.switch.command(f"reorder {s} {d} {int(share * 1e6)} {int(ms * 1000)}")

    def net_stats(self):
        """{(from, to): (frames, bytes, dropped)} by node index, since the start."""
        return self.switch.stats()

    # Disks and consoles.

    def compare(self, name, a, b, length=None, offset=0, durable=False):
        """First byte where a's and b's disk NAME differ within LENGTH, or None. Sync first.

        DURABLE: what is only in a volatile disk's cache does not count.
        """
        paths = [vm.durable_path(name) if durable else vm.disk_path(name)
                 for vm in (self.nodes[self._index(a)], self.nodes[self._index(b)])]
        return first_difference(*paths, length, offset)

    def check_consoles(self, allow=()):
        """Bad lines on all consoles (see console.BAD) but those that match one of ALLOW."""
        return [line for vm in self.nodes for line in vm.check_console(allow)]

    def save_output(self, name):
        """Copy consoles and QEMU's messages to $PB_OUTPUT or ./test-output/NAME; its path."""
        dest = os.environ.get("PB_OUTPUT") or os.path.join("test-output", name)
        os.makedirs(dest, exist_ok=True)
        for path in glob.glob(os.path.join(self.dir, "*.console")) + glob.glob(os.path.join(self.dir, "*.qemu")):
            shutil.copy(path, dest)
        print(f"# consoles saved in {os.path.abspath(dest)}", file=sys.stderr)
        return dest

    def binds(self):
        """(source, destination) of host directories to be put back over the guest's mounts."""
        pairs = []
        for path in (REPO, os.getcwd(), cache.cache_dir()):
            if path.startswith(tuple(h + "/" for h in HIDDEN)) and (path,) not in pairs:
                pairs.append((path,))
        k = self.kernel
        if k.moddir and os.path.realpath(k.modroot) != "/":
            pairs.append((os.path.realpath(k.moddir), f"/lib/modules/{k.version}"))
        return pairs


def _sweep():
    """Remove directories of rigs whose process was killed with SIGKILL."""
    for path in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*-*", "lock")):
        try:
            fd = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = os.path.dirname(path)
            shutil.rmtree(os.path.join("/tmp", os.path.basename(left)), ignore_errors=True)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(fd)


def _watch(rig):
    """Clean up also at exit and on signals whose default is to end python at once."""
    if not _old_handlers:
        atexit.register(_close_all)
        if threading.current_thread() is threading.main_thread():
            for sig in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(sig) == signal.SIG_DFL:
                    _old_handlers[sig] = signal.signal(sig, _on_signal)
    _live.add(rig)


def _on_signal(sig, _frame):
    """As an exception, so that every 'with' and 'finally' on the way runs."""
    sys.exit(128 + sig)


def _close_all():
    for rig in list(_live):
        rig.close()
