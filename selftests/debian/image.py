# SPDX-License-Identifier: GPL-2.0
"""Bare Debian 12, and machines' disks made of it.

A system is a stack of layers in the cache, each a directory with what it has more than those below it:

    bare    what debootstrap makes, with systemd and udev; and, for apt, a directory with the packages that
            anything above needs, since a machine has no network but the rig's
    host    what an administrator has installed before: LVM, ssh, a network, kernel and headers
    deps    what our packages need, so that a test need not install it each time
    more    what a test wants besides

A name carries a hash of the recipe. What the archive had on that day is in the cache; to have it newer, remove it.
The archive is the one that this host's apt uses.
"""

import atexit
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

from rig import RigError  # noqa: E402
from rig.cache import cache_dir, cached, digest, tool  # noqa: E402

SUITE = "bookworm"
BARE = ["systemd", "systemd-sysv", "udev", "dbus", "kmod", "iproute2"]
HOST = ["ifupdown", "lvm2", "openssh-server", "openssh-client", "psmisc", "e2fsprogs", "netbase"]
# What runs on a volume, of a server and of a client.
DATABASE, CLIENT = ["postgresql-15", "iputils-arping"], ["postgresql-client-15"]
# What our packages' programs link with is found by apt; DKMS is all that the module needs.
DEPS = ["dkms", "dmsetup", "libconfig9", "libcurl3-gnutls", "libjson-c5", "libmicrohttpd12", "libsqlite3-0"]
VERSIONED = ["Makefile", "userspace/Makefile", "dkms.conf", "debian/changelog", "kmod/pb-target.h"]
with open(os.path.join(TOP, "dkms.conf"), encoding="ascii") as _f:
    VERSION = re.search(r'^PACKAGE_VERSION="(.*)"', _f.read(), re.M)[1]
REPO = "/srv/debs"
KEEP = 3600                     # seconds after its last use that a disk stays in the cache; others' tests may run
NO_SERVICES = "#!/bin/sh\nexit 101\n"
ENV = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root",
       "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def call(*command, **more):
    """Run it; RigError with its last words if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode:
        raise RigError(f"{' '.join(command)[:200]}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def sources():
    """Debian's archives among those of this host, as lines of sources.list."""
    text = call("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages", "Origin: Debian")
    lines = [line for line in text.splitlines() if line.split()[2].startswith(SUITE)]
    if not lines:
        raise RigError(f"this host's apt knows no archive of Debian's {SUITE}: apt-get update")
    return lines


def write(root, path, text, mode=0o644):
    """A file below a root."""
    path = root + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


class System:
    """The layers of a system, put together at 'root' while in 'with': what changes goes to the directory TOP."""

    def __init__(self, layers, top=None):
        self._layers = layers
        self._tmp = tempfile.mkdtemp(prefix=".overlay-", dir=cache_dir())
        self.root = os.path.join(self._tmp, "root")
        self.top = top or os.path.join(self._tmp, "top")
        self._mounts = []

    def __enter__(self):
        work = os.path.join(self._tmp, "work")
        for path in (self.root, self.top, work):
            os.makedirs(path, exist_ok=True)
        lower = ":".join(reversed(self._layers))
        try:
            self._mount(self.root, "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={self.top},workdir={work}")
            self._mount(self.root + "/proc", "-t", "proc", "proc")
            self._mount(self.root + "/dev", "--bind", "/dev")
            # As in Debian's own tools: no maintainer's script starts a service of a system that does not run.
            write(self.root, "/usr/sbin/policy-rc.d", NO_SERVICES, 0o755)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.root + "/usr/sbin/policy-rc.d")
        for path in reversed(self._mounts):
            call("umount", path)
        self._mounts = []
        shutil.rmtree(self._tmp, ignore_errors=True)

    def _mount(self, path, *args):
        call("mount", *args, path)
        self._mounts.append(path)

    def run(self, command, check=True):
        """A shell command in it; its CompletedProcess, with stdout."""
        done = subprocess.run([tool("chroot"), self.root, "/bin/sh", "-c", command], env=ENV, text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode:
            raise RigError(f"{command}: status {done.returncode}\n{done.stdout[-4000:]}")
        return done

    def copy_in(self, paths, where="/root"):
        """Files of the host."""
        for path in paths:
            shutil.copy(path, self.root + where)

    def disk(self, dest, size="6G"):
        """Make an ext4 of it, in a file."""
        for path in self._mounts[:0:-1]:
            call("umount", path)
        del self._mounts[1:]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.root + "/usr/sbin/policy-rc.d")
        with open(dest, "wb") as f:
            f.truncate(0)
        call(tool("mkfs.ext4"), "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-d", self.root,
             dest, size)


def layer(name, below, recipe, make):
    """Path of a layer in the cache; make(system) changes the system."""
    def fill(tmp):
        os.unlink(tmp)
        os.mkdir(tmp, 0o755)
        with System(below, tmp) as system:
            make(system)
    return cached(f"debian-{name}-{digest(*below, *recipe)}", fill)


def _bootstrap(tmp):
    """Debian's own tool, and the packages for later."""
    os.unlink(tmp)
    lines = sources()
    mirror = next(line.split()[1] for line in lines if line.split()[2] == SUITE)
    call(tool("debootstrap"), "--variant=minbase", "--include=" + ",".join(BARE), SUITE, tmp, mirror)
    for path in glob.glob("/etc/apt/apt.conf.d/*proxy*"):
        shutil.copy(path, tmp + "/etc/apt/apt.conf.d/")
    shutil.copy("/etc/resolv.conf", tmp + "/etc/resolv.conf")
    write(tmp, "/etc/apt/sources.list", "\n".join(lines) + "\n")


def bare(kernel):
    """The first layer."""
    def make(system):
        names = " ".join(HOST + DEPS + DATABASE + [f"linux-headers-{kernel}"])
        system.run("apt-get -q update && apt-get -qy upgrade && apt-get clean")
        system.run(f"apt-get -qy --no-install-recommends --download-only install {names}")
        os.makedirs(system.root + REPO, exist_ok=True)
        system.run(f"mv /var/cache/apt/archives/*.deb {REPO}/")
        index = call("dpkg-scanpackages", "--multiversion", ".", cwd=system.root + REPO, env={**os.environ, "LC_ALL": "C"})
        write(system.root, REPO + "/Packages", "".join(s for s in index.splitlines(True) if not s.startswith("dpkg-")))
        write(system.root, "/etc/apt/sources.list", f"deb [trusted=yes] file:{REPO} ./\n")
        for path in glob.glob(system.root + "/etc/apt/apt.conf.d/*proxy*"):
            os.unlink(path)
        system.run("rm -rf /var/lib/apt/lists/* && apt-get -q update")
        write(system.root, "/etc/resolv.conf", "")
        write(system.root, "/etc/fstab", "")
    first = cached(f"debian-strap-{digest(SUITE, *BARE)}", _bootstrap)
    return [first, layer("bare", [first], ["2", *HOST, *DEPS, *DATABASE, kernel], make)]


def host(kernel):
    """What a host has before ours comes: KERNEL is one of the rig's."""
    below = bare(kernel.version)

    def make(system):
        system.run(f"apt-get -qy --no-install-recommends install {' '.join(HOST)} linux-headers-{kernel.version}")
        shutil.copytree(kernel.moddir, system.root + f"/lib/modules/{kernel.version}", symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("build", "source"))
        system.run(f"depmod {kernel.version}")
        write(system.root, "/etc/network/interfaces", "auto lo\niface lo inet loopback\n"
              "source /etc/network/interfaces.d/*\n")
        system.run("mkdir -p -m 700 /root/.ssh /var/log/journal && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519"
                   " && cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys")
        write(system.root, "/root/.ssh/config", "StrictHostKeyChecking accept-new\n")
    return below + [layer("host", below, ["2", kernel.moddir, *HOST], make)]


def deps(kernel):
    """The same with what our packages need."""
    below = host(kernel)
    return below + [layer("deps", below, ["1", *DEPS],
                          lambda s: s.run(f"apt-get -qy --no-install-recommends install {' '.join(DEPS)}"))]


def packages(version=None):
    """[paths] of our packages, of what is committed; with another VERSION if that is given."""
    where = os.path.join(tempfile.mkdtemp(prefix="pb-deb-"), "deb")
    atexit.register(shutil.rmtree, os.path.dirname(where), ignore_errors=True)
    tree = os.path.join(where, "dm-pb")
    os.makedirs(tree)
    call("sh", "-c", f"git -C '{TOP}' archive HEAD | tar -x -C '{tree}'")
    if version:
        call("sed", "-i", f"s/{VERSION}/{version}/", *(os.path.join(tree, name) for name in VERSIONED))
    call("dpkg-buildpackage", "-b", "-us", "-uc", cwd=tree)
    return sorted(p for p in glob.glob(where + "/*.deb") if "-dbgsym" not in p)


def installed(kernel, debs, names, more=()):
    """A raw image of a host with those of our packages whose NAMES are given, and MORE of Debian's."""
    debs = [p for p in debs if os.path.basename(p).split("_")[0] in names]
    layers = deps(kernel)
    if more:
        layers = layers + [layer("more", layers, ["1", *more],
                                 lambda s: s.run(f"apt-get -qy --no-install-recommends install {' '.join(more)}"))]
    texts = []
    for path in debs:
        with open(path, "rb") as f:
            texts.append(f.read())
    kind = f"debian-disk-{len(debs)}-"
    name = kind + digest(*layers, *texts) + ".img"

    def make(tmp):
        with System(layers) as system:
            system.copy_in(debs)
            system.run("apt-get -qy install " + " ".join(f"/root/{os.path.basename(p)}" for p in debs))
            system.disk(tmp)

    path = cached(name, make)
    os.utime(path)
    for old in glob.glob(os.path.join(cache_dir(), kind + "*.img")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - os.path.getmtime(old) > KEEP:
                os.unlink(old)
    return path
