# SPDX-License-Identifier: GPL-2.0
"""Build the initramfs: the agent as /init, and the modules it loads from /m.

Nothing of a particular run is inside (that comes by the kernel command line), so
one file serves every run on a kernel until the agent or the kernel changes.
"""

import os
import stat

from .cache import cached, digest, helper
from .kernel import DISK, NEEDED, read_module


def build(kernel, disk=False):
    """Path of the initramfs for KERNEL; DISK: for a root on a disk."""
    agent = helper("agent", ["init.c", "agent.c"])
    modules = kernel.modules(NEEDED + DISK if disk else NEEDED)
    stamps = [f"{m} {os.stat(m).st_size} {os.stat(m).st_mtime_ns}" for m in modules]
    key = digest(os.path.basename(agent), *stamps)
    return cached(f"initramfs-{kernel.version}-{key}.cpio", lambda tmp: _write(tmp, agent, modules))


def _write(dest, agent, modules):
    with open(dest, "wb") as f:
        ino = 1
        for name in ("dev", "proc", "sys", "m", "root", "lower", "rw"):
            _entry(f, ino, name, stat.S_IFDIR | 0o755)
            ino += 1
        _entry(f, ino, "dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
        with open(agent, "rb") as a:
            _entry(f, ino + 1, "init", stat.S_IFREG | 0o755, a.read())
        ino += 2
        for i, path in enumerate(modules):
            base = os.path.basename(path).split(".ko")[0]
            _entry(f, ino + i, f"m/{i:03}-{base}.ko", stat.S_IFREG | 0o644, read_module(path))
        _entry(f, 0, "TRAILER!!!", 0)


def _entry(f, ino, name, mode, data=b"", rdev=(0, 0)):
    """One member in cpio's newc format."""
    raw = name.encode() + b"\0"
    nlink = 2 if stat.S_ISDIR(mode) else 1
    fields = [ino, mode, 0, 0, nlink, 0, len(data), 0, 0, *rdev, len(raw), 0]
    head = b"070701" + b"".join(b"%08X" % v for v in fields) + raw
    f.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
