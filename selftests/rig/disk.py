# SPDX-License-Identifier: GPL-2.0
"""Disk images of a machine, and what a power cut does to them.

An image is a sparse raw file. Killing QEMU loses nothing that the guest saw
completed, flushed or not, so a disk may ask for a volatile cache: then QEMU's
blklogwrites driver logs every write and flush, and after a power cut the image
is made again from a copy taken at boot and the log up to the last flush.
"""

import dataclasses
import os
import random
import re
import struct
import subprocess

from .errors import RigError

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
LOG_MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


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


class Image:
    """One machine's file for one disk."""

    def __init__(self, disk, path):
        self.disk = disk
        self.path = path
        self.log = path + ".log"
        self.base = path + ".base"
        with open(path, "wb") as f:
            f.truncate(parse_size(disk.size))

    def qemu_args(self):
        """QEMU arguments; to be called at each boot."""
        d = self.disk
        node = f"disk-{d.name}"
        image = (f"driver=raw,node-name={node},discard=unmap,detect-zeroes=off,"
                 f"file.driver=file,file.filename={_esc(self.path)},file.discard=unmap")
        args = ["-object", f"iothread,id=io-{d.name}", "-blockdev", image]
        if d.volatile:
            self._begin_log()
            args += ["-blockdev", f"driver=file,node-name=log-{d.name},filename={_esc(self.log)}",
                     "-blockdev", f"driver=blklogwrites,node-name=vol-{d.name},file={node},"
                                  f"log=log-{d.name},log-sector-size={d.block}"]
            node = f"vol-{d.name}"
        return args + ["-device", f"virtio-blk-pci,drive={node},serial={d.name},iothread=io-{d.name},"
                                  f"logical_block_size={d.block},physical_block_size={max(d.block, 4096)},"
                                  f"write-cache=on"]

    def _begin_log(self):
        with open(self.log, "wb"):
            pass
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.path, self.base], check=True)

    def lose_unflushed(self, keep=0.0, seed=None):
        """Put the image back to the last flush; KEEP is the chance of each later write to survive."""
        if not self.disk.volatile:
            return
        entries = list(read_log(self.log))
        last = max((i for i, e in enumerate(entries) if e.flags & FLUSH), default=-1)
        rng = random.Random(seed)
        os.replace(self.base, self.path)
        with open(self.path, "r+b") as f:
            for i, e in enumerate(entries):
                if i <= last or e.flags & FUA or rng.random() < keep:
                    _apply(f, e)


@dataclasses.dataclass
class Entry:
    """One entry of the log: where, how much, flags, and the bytes (None: a discard)."""

    offset: int
    length: int
    flags: int
    data: object


def read_log(path):
    """Entries of a dm-log-writes log, up to the end of what was written."""
    with open(path, "rb") as f:
        head = f.read(28)
        if len(head) < 28:
            return
        magic, _version, _count, sector = struct.unpack("<QQQI", head)
        if magic != LOG_MAGIC:
            raise RigError(f"{path} is no log")
        pos = sector
        while True:
            f.seek(pos)
            raw = f.read(32)
            if len(raw) < 32:
                return
            start, count, flags, length = struct.unpack("<QQQQ", raw)
            if not count and not flags:
                return
            pos += sector
            data = None
            if count and not flags & DISCARD:
                f.seek(pos)
                data = f.read(count * sector)
                data += bytes(count * sector - len(data))
                pos += count * sector
            yield Entry(start * sector, count * sector, flags, data)


def _apply(f, entry):
    if not entry.length:
        return
    f.seek(entry.offset)
    # A discarded range may hold anything; zeroes is what QEMU leaves there.
    f.write(bytes(entry.length) if entry.data is None else entry.data)


def _esc(path):
    return path.replace(",", ",,")


def first_difference(path_a, path_b, length=None, offset=0):
    """The first byte in [offset, offset + length) where two files differ, or None."""
    step = 4 << 20
    size = min(os.path.getsize(path_a), os.path.getsize(path_b)) - offset
    left = size if length is None else length
    if left > size:
        raise RigError(f"cannot compare {left} bytes at {offset}: the files have {size}")
    with open(path_a, "rb") as a, open(path_b, "rb") as b:
        a.seek(offset)
        b.seek(offset)
        while left > 0:
            x, y = a.read(min(step, left)), b.read(min(step, left))
            if x != y:
                return offset + next(i for i, (p, q) in enumerate(zip(x, y)) if p != q)
            offset += len(x)
            left -= len(x)
    return None
