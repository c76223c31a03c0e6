# SPDX-License-Identifier: GPL-2.0
"""Three hosts that boot Debian from disks of their own, with our packages, set up as quickstart.rst says.

alpha and beta are the nodes, view has the view server. Their names and addresses are those of the page, and its commands
are run as they are there. Before that comes what the page takes as given: names, a network, logical volumes.
"""

import functools
import json
import os
import re
import sys
import traceback

import image

sys.path.insert(0, os.path.join(image.TOP, "selftests", "multi"))

import pbtest  # noqa: E402
from pbtest import LONG, Failure, check, until  # noqa: E402
from rig import Rig, RigError  # noqa: E402
from rig.kernel import find_kernel  # noqa: E402
from rig.slow import SLOW  # noqa: E402

NAMES = ["alpha", "beta", "view"]
ADDRESS = {"alpha": "10.0.0.1", "beta": "10.0.0.2", "view": "10.0.0.3"}
NODE_PACKAGES = ["dm-pb-dkms", "pb-utils", "pbviewd"]
VIEW_PACKAGES = ["pb-utils", "pbviewd"]
NEWER = image.VERSION + ".1"
MEMORY = 1024
DEAD_AFTER = 8000 * SLOW        # ms; emulated machines are late now and then
BOOT = 200                      # seconds, for an emulated one under load
KERNEL = os.environ.get("KVER", "6.1")
APPEND = "systemd.show_status=1 systemd.getty_auto=no systemd.log_color=0"
VOLUME, DEVICE, MOUNT = "db", "/dev/mapper/db", "/srv"
DOCS = os.path.join(image.TOP, "Documentation")

UNIT = f"""[Unit]
Description=database of the test
RequiresMountsFor={MOUNT}
[Service]
ExecStart=/usr/local/bin/ledger {MOUNT}/ledger
StandardOutput=file:/dev/virtio-ports/pb.acks
"""
# As pbviewd-hooks(5) has it, with the line of /etc/fstab, and a service.
HOOK = f"""#!/bin/sh
[ "$1" = {VOLUME} ] || exit 0
case $2 in
primary)
	mountpoint -q {MOUNT} || mount {MOUNT}
	systemctl start ledger
	;;
*)
	systemctl kill --signal=SIGKILL ledger
	systemctl stop ledger
	! mountpoint -q {MOUNT} || umount {MOUNT}
	;;
esac
"""
# What of a boot's or a shutdown's words nobody wants to read.
BAD_WORDS = [r"ordering cycle", r"deleted to break", r"/(start|stop) running \([0-9]+min", r"\[FAILED\]", r"\[DEPEND\]",
             r"(State|Job|start operation|waiting) .*timed out", r"Timed out waiting",
             r"Failed (to )?(u?n?mount|detach|finalize)", r"Failed with result", r"target is busy", r"Could not detach",
             r"Unable to finalize", r"Buffer I/O error", r"still in use", r"Failed to start"]


def page(name):
    """Text of a page of the documentation."""
    with open(os.path.join(DOCS, name), encoding="utf-8") as f:
        return f.read()


def commands(text):
    """[(host, command)] of the indented lines with a prompt, without what a person is told beside them."""
    return re.findall(r"^    (\w+)#\s+(.*?)(?:\s{2,}# .*)?$", text, re.M)


def quick_start():
    """Those of the page's first part."""
    return commands(page("quickstart.rst").split("The commands\n====")[1].split("That is all.")[0])


def fstab_line():
    """What install.rst has for /etc/fstab."""
    return re.search(r"^    (/dev/\S+ +/srv .*)$", page("install.rst"), re.M)[1]


class Host:
    """One of the three."""

    def __init__(self, site, vm, name):
        self.site, self.vm, self.name = site, vm, name
        self._mark = 0

    def run(self, command, timeout=90, check_rc=True):
        """A shell command; what it says."""
        return self.vm.run(command, timeout, check_rc).out

    def ok(self, command):
        """Does it end well?"""
        return self.vm.run(command, 90, False).rc == 0

    def prepare(self):
        """What an administrator has done before: name, network, disks."""
        self.run(f"hostname {self.name} && echo {self.name} >/etc/hostname")
        self.vm.push("/etc/hosts", "127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in ADDRESS.items()))
        self.vm.push("/etc/network/interfaces.d/eth0",
                     f"auto eth0\niface eth0 inet static\n    address {ADDRESS[self.name]}/24\n")
        self.run("ifup eth0")
        if self.name != "view":
            self.run("vgcreate -q vg0 /dev/disk/by-id/virtio-data && lvcreate -q -n db-meta -L 4M vg0 && "
                     "lvcreate -q -n db -l 100%FREE vg0")

    def wait_up(self):
        """Wait for the end of a boot; nothing has failed."""
        self.vm.wait_boot(BOOT)
        state = self.run("systemctl is-system-running --wait", BOOT, False).strip()
        failed = self.run("systemctl --failed --plain --no-legend")
        check(state == "running" and not failed, f"{self.name} is {state} after its boot: {failed}"
              + self.run("for u in $(systemctl --failed --plain --no-legend | cut -d' ' -f1); do systemctl status $u; done",
                         check_rc=False))

    def boot(self):
        """Start it again, after its end."""
        self.vm.kill()
        self._mark = len(self.vm.console())
        self.vm.boot()

    def goes_down(self, verb):
        """systemctl reboot or poweroff; it ends by itself, cleanly, and that is what it says itself."""
        self._mark = len(self.vm.console())
        self.run(f"systemctl --no-block {verb}", check_rc=False)
        self.vm.wait_exit(150)
        self.clean_words("its shutdown")

    def clean_words(self, when):
        """The console has nothing bad since the last mark."""
        bad = [line for line in self.vm.console()[self._mark:].splitlines() if re.search("|".join(BAD_WORDS), line)]
        check(not bad, f"{self.name} says in {when}:\n" + "\n".join(bad[:20]))

    def clean_journal(self, boot=0):
        """Nor has its journal, of this boot or one before."""
        words = "|".join(BAD_WORDS).replace("\\[", "[[]").replace("\\]", "[]]")
        bad = self.run(f"journalctl -q --no-pager -b {boot} | grep -E '{words}' | head -20", check_rc=False)
        check(not bad, f"{self.name}'s journal of boot {boot}:\n{bad}")

    # The volume.

    def status(self):
        """What 'pbctl status --json' says."""
        return json.loads(self.run(f"pbctl status {VOLUME} --json"))[0]

    def role(self):
        """Its role; None where the volume is not up."""
        out = self.vm.run(f"pbctl status {VOLUME} --json", 60, False)
        return json.loads(out.out)[0]["role"] if out.rc == 0 else None

    def has_names(self):
        """udev has made both names."""
        uuid = self.status()["volume"]
        missing = [n for n in (f"/dev/pb/by-name/{VOLUME}", f"/dev/disk/by-id/dm-pb-{uuid}")
                   if not self.ok(f"[ {n} -ef {DEVICE} ]")]
        check(not missing, f"{self.name} lacks {missing}")

    def is_used(self):
        """The file system is mounted, and the application runs."""
        return self.ok(f"mountpoint -q {MOUNT} && systemctl -q is-active ledger")

    def was_not_read(self):
        """Nothing has read the device of a node that never was primary since its boot."""
        reads = self.run(f"awk '{{ print $1 }}' /sys/block/$(basename $(readlink -f {DEVICE}))/stat").strip()
        found = self.run(f"udevadm info --query property {DEVICE} | grep -E 'ID_FS_|PB_ROLE'", check_rc=False)
        check(reads == "0" and "ID_FS_" not in found, f"{self.name}: {reads} reads of the device, udev knows {found}")


class Site:
    """The hosts, booted and set up. Use it with 'with'."""

    def __init__(self, data="100M", on_nodes=(), on_view=()):
        kernel = find_kernel(KERNEL)
        self.debs = image.packages()
        node = image.installed(kernel, self.debs, NODE_PACKAGES, on_nodes)
        view = image.installed(kernel, self.debs, VIEW_PACKAGES, on_view)
        acks = os.path.join(os.path.dirname(self.debs[0]), "acks")
        self._acks = acks
        self.rig = Rig(nodes=3, kernel=kernel, mem=MEMORY, disks=[("data", data)], root=[node, node, view], append=APPEND,
                       boot_timeout=BOOT * SLOW,
                       qemu_args=["-chardev", f"file,id=acks,path={acks},append=on",
                                  "-device", "virtserialport,chardev=acks,name=pb.acks"])
        self.hosts = {name: Host(self, vm, name) for name, vm in zip(NAMES, self.rig.nodes)}
        self.alpha, self.beta, self.view = self.hosts.values()
        self.nodes = [self.alpha, self.beta]

    @functools.cached_property
    def newer(self):
        """Our packages of a newer version."""
        return image.packages(NEWER)

    def __enter__(self):
        try:
            self.rig.start()
            for host in self.hosts.values():
                host.wait_up()
                host.prepare()
        except BaseException:
            self.rig.save_output("debian")
            self.close()
            raise
        return self

    def __exit__(self, kind, *_exc):
        if kind:
            self.rig.save_output("debian")
        self.close()

    def close(self):
        """The end of it."""
        self.rig.close()

    def follow(self, steps):
        """Commands of a page; what they say."""
        said = []
        steps = [(host.name, command) for name, command in steps
                 for host in (self.nodes if name == "both" else [self.hosts[name]])]
        for name, command in steps:
            host = self.hosts[name]
            if command.startswith("apt install"):
                self._has_packages(host, [re.sub(r"\./|_\*\.deb", "", word) for word in command.split()[2:]])
                continue
            said.append(host.run(command, 300))
            if command.startswith("pbctl init"):
                host.run(f"for f in /etc/dm-pb/hosts/*/volumes/{VOLUME}.conf /etc/dm-pb/volumes/{VOLUME}.conf; do "
                         f"[ ! -e $f ] || echo 'dead_after_ms = {DEAD_AFTER};' >>$f; done")
        return said

    @staticmethod
    def _has_packages(host, names):
        """They are in the image; an emulated machine would take minutes to build the module."""
        check(names, "a line with apt install names no packages")
        host.run("dpkg-query -W " + " ".join(names))

    def members(self):
        """(primary, backup) as they are now."""
        primary = until("there is a primary", lambda: next((h for h in self.nodes if h.role() == "primary"), None), 60, 0.3)
        return primary, next(h for h in self.nodes if h is not primary)

    def healthy(self):
        """Is there a primary and a synced backup?"""
        return self.volumes().startswith(f"{VOLUME}: healthy")

    def volumes(self):
        """What pbctl volumes says."""
        return self.view.run("pbctl volumes", check_rc=False)

    def wait_healthy(self, timeout=120):
        """Wait until there is a primary and a synced backup."""
        try:
            until("the volume is healthy", self.healthy, timeout, 0.3)
        except Failure as err:
            raise Failure(f"{err}\n{self.volumes()}") from None

    def wait_primary(self, host, timeout=60):
        """Wait until it serves."""
        until(f"{host.name} is primary", lambda: host.role() == "primary", timeout, 0.3)

    # The application.

    def acked(self):
        """[number] that the application has said so far, whichever node it was on."""
        try:
            with open(self._acks, encoding="ascii") as f:
                return [int(line) for line in f.read().split("\n")[:-1]]
        except FileNotFoundError:
            return []

    def wait_acks(self, more=50, timeout=120):
        """Wait until it has said so many more."""
        before = len(self.acked())
        until(f"{more} more lines of the application", lambda: len(self.acked()) >= before + more, timeout, 0.1)

    def install_application(self):
        """On both nodes: the line of /etc/fstab, the service, and a hook that mounts and starts."""
        with open(pbtest.helper(os.path.join(image.HERE, "ledger.c")), "rb") as f:
            ledger = f.read()
        for node in self.nodes:
            node.vm.push("/usr/local/bin/ledger", ledger, 0o755)
            node.vm.push("/etc/systemd/system/ledger.service", UNIT)
            node.vm.push("/etc/fstab", fstab_line() + "\n")
            node.run("systemctl daemon-reload")
            node.vm.push("/etc/dm-pb/hooks.d/50-ledger", HOOK, 0o755)

    def check_ledger(self, host):
        """All that was said is on the volume, in order, and no number was said twice."""
        acked = self.acked()
        lines = [int(n) for n in host.run(f"cat {MOUNT}/ledger").split()]
        check(lines == list(range(1, len(lines) + 1)), f"the ledger on {host.name} has gaps: {lines[-5:]}")
        check(acked and len(lines) >= max(acked), f"{host.name} has {len(lines)} lines, and {max(acked)} were said")
        check(len(acked) == len(set(acked)), "a number was said twice")


def main(tests, **options):
    """Run them one after the other, on the same hosts, as TAP; the exit status."""
    print("TAP version 13", flush=True)
    if os.getuid():
        print("1..0 # SKIP needs root, for the disks' images")
        return 4
    done = 0
    try:
        with Site(**options) as site:
            for done, test in enumerate(tests, 1):
                test(site)
                print(f"ok {done} - {test.__doc__}", flush=True)
            bad = site.rig.check_consoles(pbtest.ALLOW)
            check(not bad, "bad lines on the consoles:\n" + "\n".join(bad[:20]))
    except (RigError, Failure):
        # The next ones begin where this one ended.
        print(f"not ok {max(done, 1)} - {tests[max(done, 1) - 1].__doc__}")
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        print(f"1..{max(done, 1)}", flush=True)
        return 1
    print(f"1..{done}", flush=True)
    return 0


__all__ = ["LONG", "main", "Site", "Host", "RigError", "Failure", "check", "until", "quick_start", "fstab_line", "page", "commands"]
