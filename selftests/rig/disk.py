# SPDX-License-Identifier: GPL-2.0
"""Disk images of a machine, and what a power cut does to them.

An image is a sparse raw file. Killing QEMU loses nothing that the guest saw
completed, flushed or not, so a disk may ask for a volatile cache: then QEMU
reaches it through the server of vdisk.py, which can lose power.
"""

import dataclasses
import errno
import json
import os
import re
import socket
import sys

from .errors import RigError
from .procs import spawn

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
VDISK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vdisk.py")


def parse_size(text):
    """Bytes of '256M', '1G', 4096."""
    found = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", str(text).upper())
    if not found:
        raise RigError(f"bad size {text!r}")
    return int(found.group(1)) * UNITS[found.group(2)]


@dataclasses.dataclass
class Disk:
    """A disk to give to every machine. 'volatile': lose unflushed writes at power_cut()."""

    name: str
    size: object
    block: int = 512
    volatile: bool = False

    @classmethod
    def of(cls, spec):
        """From a Disk or ('name', size[, block or {'block':..., 'volatile':...}])."""
        if isinstance(spec, cls):
            return spec
        more = spec[2] if len(spec) > 2 else {}
        disk = cls(spec[0], spec[1], **(more if isinstance(more, dict) else {"block": int(more)}))
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,20}", disk.name):
            raise RigError(f"bad disk name {disk.name!r}: at most 20 letters, digits, _ . -")
        return disk


class Server:
    """The server of a volatile disk; it lives as long as the disk, across boots."""

    def __init__(self, path, sock_path):
        """PATH is a blank image; SOCK_PATH is where QEMU finds the disk."""
        with open(path + ".durable", "wb") as f:
            f.truncate(os.path.getsize(path))
        self._orders, theirs = socket.socketpair()
        listener = socket.socket(socket.AF_UNIX)
        with theirs, listener:
            listener.bind(sock_path)
            listener.listen(4)
            fds = (listener.fileno(), theirs.fileno())
            self._proc = spawn([sys.executable, "-I", VDISK, *map(str, fds), path], pass_fds=fds)

    def cut(self, keep, torn, seed):
        """Lose power, once QEMU has gone; {'kept': N, 'torn': N, 'dropped': N}."""
        order = {"keep": keep, "torn": torn, "seed": seed}
        self._orders.sendall(json.dumps(order).encode() + b"\n")
        answer = self._orders.recv(4096)
        if not answer:
            raise RigError("the server of a volatile disk has died")
        return json.loads(answer)

    def close(self):
        """End it; any number of times."""
        self._orders.close()
        self._proc.kill()
        self._proc.wait()


class Image:
    """One machine's file for one disk."""

    def __init__(self, disk, path, sock_path):
        self.disk = disk
        self.path = path
        self._sock_path = sock_path
        self._server = None
        with open(path, "wb") as f:
            f.truncate(parse_size(disk.size))

    @property
    def durable_path(self):
        """The file that has what a power cut would leave if no unflushed write survived."""
        return self.path + ".durable" if self.disk.volatile else self.path

    def qemu_args(self):
        """QEMU arguments; to be called at each boot."""
        d = self.disk
        image = f"node-name=disk-{d.name},discard=unmap,detect-zeroes=off,"
        if d.volatile:
            if not self._server:
                self._server = Server(self.path, self._sock_path)
            image += f"driver=nbd,server.type=unix,server.path={_esc(self._sock_path)}"
        else:
            image += f"driver=raw,file.driver=file,file.filename={_esc(self.path)},file.discard=unmap"
        return ["-object", f"iothread,id=io-{d.name}", "-blockdev", image,
                "-device", f"virtio-blk-pci,drive=disk-{d.name},serial={d.name},iothread=io-{d.name},"
                           f"logical_block_size={d.block},physical_block_size={max(d.block, 4096)},write-cache=on"]

    def lose_unflushed(self, keep=0.0, torn=0.0, seed=None):
        """What a power cut does; see VM.power_cut(). How many writes were kept, torn and dropped."""
        return self._server.cut(keep, torn, seed) if self._server else {}

    def close(self):
        """End what serves it; any number of times."""
        if self._server:
            self._server.close()


def _esc(path):
    return path.replace(",", ",,")


def _seek(fd, at, whence, end):
    """Where the next data or the next hole is, END at most."""
    try:
        return min(os.lseek(fd, at, whence), end)
    except OSError as err:
        if err.errno != errno.ENXIO:    # nothing but a hole up to the end of the file
            raise
        return end


def first_difference(path_a, path_b, length=None, offset=0):
    """The first byte in [offset, offset + length) where two files differ, or None. What both lack is not read."""
    size = min(os.path.getsize(path_a), os.path.getsize(path_b)) - offset
    left = size if length is None else length
    if left > size:
        raise RigError(f"cannot compare {left} bytes at {offset}: the files have {size}")
    at, end = offset, offset + left
    with open(path_a, "rb", buffering=0) as a, open(path_b, "rb", buffering=0) as b:
        fds = (a.fileno(), b.fileno())
        while (at := min(_seek(fd, at, os.SEEK_DATA, end) for fd in fds)) < end:
            stop = min(at + (4 << 20), max(_seek(fd, at, os.SEEK_HOLE, end) for fd in fds))
            x, y = (os.pread(fd, stop - at, at) for fd in fds)
            if x != y:
                return at + next(i for i, (p, q) in enumerate(zip(x, y)) if p != q)
            at = stop
    return None
