# SPDX-License-Identifier: GPL-2.0
"""The cache of things made once: helper programs, initramfs, unpacked kernels.

It lies outside the tree ($PB_CACHE, $XDG_CACHE_HOME/dm-pb or ~/.cache/dm-pb), every name
carries a hash of what the thing was made from, and every file appears by
rename, so rigs that run at the same time can share it.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile

from .errors import RigError

HERE = os.path.dirname(os.path.abspath(__file__))
C_DIR = os.path.join(HERE, "c")


def cache_dir():
    """The cache directory, made when absent."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.environ.get("PB_CACHE") or os.path.join(base, "dm-pb")
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        path = os.path.join(tempfile.gettempdir(), f"dm-pb-cache-{os.getuid()}")
        os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def digest(*parts):
    """A short hash of strings and bytes, for names in the cache."""
    h = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        h.update(len(data).to_bytes(8, "little") + data)
    return h.hexdigest()[:16]


def cached(name, make):
    """Path of NAME in the cache; make(tmp_path) writes it when it is absent, a file or a directory."""
    path = os.path.join(cache_dir(), name)
    if os.path.exists(path):
        return path
    fd, tmp = tempfile.mkstemp(prefix=".new-", dir=cache_dir())
    os.close(fd)
    try:
        make(tmp)
        os.rename(tmp, path)
    finally:
        if os.path.isdir(tmp):
            shutil.rmtree(tmp)
        elif os.path.exists(tmp):
            os.unlink(tmp)
    return path


def tool(name):
    """Path of a host program; sbin is not in every user's PATH."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise RigError(f"the rig needs the program '{name}'")
    return path


def helper(name, sources):
    """A static program built from c/SOURCES: 'agent' (guest) or 'switch' (host)."""
    paths = [os.path.join(C_DIR, s) for s in sources]
    texts = [open(p, "rb").read() for p in paths + [os.path.join(C_DIR, "rig.h")]]

    def make(tmp):
        cmd = [os.environ.get("CC", "cc"), "-O2", "-static", "-w", "-o", tmp] + paths
        done = subprocess.run(cmd, capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"cannot build {name}:\n{done.stderr}")
        os.chmod(tmp, 0o755)

    return cached(f"{name}-{digest(*texts)}", make)
