# SPDX-License-Identifier: GPL-2.0
"""Find a kernel, unpack its vmlinux for the PVH entry, list the modules it needs.

Where a kernel can come from, first match wins:

1. PB_KERNEL_IMAGE=file (vmlinux or bzImage), with PB_KERNEL_MODULES=dir when its
   drivers are modules (dir as given to INSTALL_MOD_PATH, or lib/modules/VERSION
   itself). Without it all drivers the rig needs are taken to be built in.
2. PB_KERNEL_ROOT=dir with boot/vmlinuz-VERSION and lib/modules/VERSION, as
   `dpkg -x` leaves them.
3. The kernel asked for by version (a prefix like 6.1 will do) or by KVER, else the
   running one, else the newest: installed, or unpacked under kernels/*/ in the cache.
   What is in newest/ of the cache, a newer Debian's, is booted only if asked for.
"""

import glob
import lzma
import os
import re
import struct
import subprocess
import zlib

from .cache import cache_dir, cached, digest, tool
from .errors import RigError

# In load order. What modprobe calls builtin is left out.
NEEDED = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay", "virtio_blk", "virtio_net"]
DISK = ["ext4", "crc32c_generic"]       # and for a root on a disk
PVH_NOTE = 18                   # XEN_ELFNOTE_PHYS32_ENTRY


class Kernel:
    """A bootable kernel: version, image file, and the root of its modules or None."""

    def __init__(self, version, image, modroot):
        self.version = version
        self.image = image
        self.modroot = modroot

    def __str__(self):
        return self.version

    @property
    def moddir(self):
        """lib/modules/VERSION, or None when there are no modules."""
        return self.modroot and os.path.join(self.modroot, "lib/modules", self.version)

    def boot_image(self):
        """What to give QEMU: the unpacked ELF if it has a PVH entry, else the image."""
        with open(self.image, "rb") as f:
            magic = f.read(4)
        if magic == b"\x7fELF":
            return self.image
        st = os.stat(self.image)
        key = digest(os.path.realpath(self.image), st.st_size, st.st_mtime_ns)
        elf = cached(f"vmlinux-{self.version}-{key}", lambda tmp: unpack_bzimage(self.image, tmp))
        return elf if has_pvh_note(elf) else self.image

    def modules(self, names=NEEDED):
        """Module files in load order, with what they depend on."""
        files = []
        for name in names:
            for path in self._depends(name):
                if path not in files:
                    files.append(path)
        return files

    def _depends(self, name):
        if not self.modroot:
            return []
        cmd = [tool("modprobe"), "--show-depends", "-S", self.version, "-d", self.modroot, name]
        done = subprocess.run(cmd, capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"kernel {self.version} has no module {name}: {done.stderr.strip()}")
        return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("insmod ")]


def read_module(path):
    """The bytes of a module, unpacked on the host so that the guest need not."""
    with open(path, "rb") as f:
        data = f.read()
    return decompress(data) if not data.startswith(b"\x7fELF") else data


def decompress(data):
    """Unpack gzip, xz, lzma, zstd or lz4 data, whatever follows the stream."""
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    if data.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)
    if data.startswith(b"\x5d\x00\x00"):
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data)
    for magic, name in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\x02\x21\x4c\x18", "lz4")):
        if data.startswith(magic):
            # They complain about what follows the stream; the output is whole by then.
            out = subprocess.run([tool(name), "-dc"], input=data, capture_output=True).stdout
            if out:
                return out
    raise RigError("unknown compression")


def unpack_bzimage(image, dest):
    """Write the ELF inside a bzImage to DEST."""
    with open(image, "rb") as f:
        data = f.read()
    if data[0x202:0x206] != b"HdrS":
        raise RigError(f"{image} is neither an ELF file nor a bzImage")
    setup = data[0x1f1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup + 1) * 512 + offset
    elf = decompress(data[start:start + length])
    if not elf.startswith(b"\x7fELF"):
        raise RigError(f"{image} does not unpack to an ELF file")
    with open(dest, "wb") as f:
        f.write(elf)


def has_pvh_note(path):
    """Whether QEMU can enter this ELF file directly."""
    with open(path, "rb") as f:
        head = f.read(64)
        phoff, = struct.unpack_from("<Q", head, 32)
        phentsize, phnum = struct.unpack_from("<HH", head, 54)
        for i in range(phnum):
            f.seek(phoff + i * phentsize)
            ph = f.read(56)
            kind, = struct.unpack_from("<I", ph, 0)
            offset, = struct.unpack_from("<Q", ph, 8)
            size, = struct.unpack_from("<Q", ph, 32)
            if kind == 4:       # PT_NOTE
                f.seek(offset)
                if _note_in(f.read(size)):
                    return True
    return False


def _note_in(notes):
    pos = 0
    while pos + 12 <= len(notes):
        namesz, descsz, kind = struct.unpack_from("<III", notes, pos)
        if kind == PVH_NOTE and notes[pos + 12:pos + 15] == b"Xen":
            return True
        pos += 12 + (namesz + 3 & ~3) + (descsz + 3 & ~3)
    return False


def image_version(image):
    """The release string inside a vmlinux or bzImage."""
    with open(image, "rb") as f:
        data = f.read()
    if data[0x202:0x206] == b"HdrS":
        start = struct.unpack_from("<H", data, 0x20e)[0] + 0x200
        return data[start:start + 128].split(b"\0")[0].split()[0].decode()
    found = re.search(rb"Linux version ([0-9][^\s\0]*) ", data)
    if not found:
        raise RigError(f"{image} names no kernel version")
    return found.group(1).decode()


def find_kernel(version=None):
    """The Kernel for VERSION, a path of an image, or what the environment says."""
    if isinstance(version, Kernel):
        return version
    if version and os.path.isfile(version):
        return _plain(version, os.environ.get("PB_KERNEL_MODULES"))
    if not version:
        image = os.environ.get("PB_KERNEL_IMAGE")
        if image:
            return _plain(image, os.environ.get("PB_KERNEL_MODULES"))
        version = os.environ.get("KVER")
    root = os.environ.get("PB_KERNEL_ROOT")
    return _choose(list_kernels([root] if root else None), version)


def list_kernels(roots=None):
    """All kernels under ROOTS (default: installed, cached and a newer Debian's), newest last."""
    found = {}
    for root in roots or ["/"] + sorted(glob.glob(os.path.join(cache_dir(), "kernels/*"))) + [_newest()]:
        for image in glob.glob(os.path.join(root, "boot/vmlinuz-*")):
            version = os.path.basename(image)[len("vmlinuz-"):]
            moddir = os.path.join(root, "lib/modules", version)
            if os.path.isdir(os.path.join(moddir, "kernel")) and os.access(image, os.R_OK):
                found.setdefault(version, Kernel(version, image, root))
    return sorted(found.values(), key=lambda k: [int(n) for n in re.findall(r"\d+", k.version)])


def _newest():
    """What scripts/deps.sh newest makes."""
    return os.path.join(cache_dir(), "newest")


def _choose(kernels, version):
    if version:
        kernels = [k for k in kernels if k.version == version
                   or re.match(re.escape(version) + r"(?!\d)", k.version)]
    else:
        kernels = [k for k in kernels if k.modroot != _newest()]
    if not kernels:
        raise RigError(f"no kernel {version or ''} with modules found; install one, or set "
                       "PB_KERNEL_ROOT or PB_KERNEL_IMAGE")
    running = [k for k in kernels if k.version == os.uname().release]
    kernel = running[0] if running and not version else kernels[-1]
    _depmod(kernel)
    return kernel


def _depmod(kernel):
    """An unpacked .deb has no modules.dep yet."""
    if not os.path.exists(os.path.join(kernel.moddir, "modules.dep.bin")):
        subprocess.run([tool("depmod"), "-b", kernel.modroot, kernel.version], check=True)


def _plain(image, modules):
    if not os.access(image, os.R_OK):
        raise RigError(f"cannot read the kernel {image}")
    version = image_version(image)
    if not modules:
        return Kernel(version, image, None)
    for root in (modules, modules.rstrip("/")[:-len("lib/modules/" + version)] or "/"):
        if os.path.isdir(os.path.join(root, "lib/modules", version)):
            kernel = Kernel(version, image, root)
            _depmod(kernel)
            return kernel
    raise RigError(f"no lib/modules/{version} in {modules}")
