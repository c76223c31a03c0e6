# SPDX-License-Identifier: GPL-2.0
"""One virtual machine: its QEMU, its disks, its console, commands inside it."""

import functools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

from . import initramfs
from .agent import Link, Result
from .cache import cache_dir, helper, tool
from .console import bad_lines
from .disk import Image
from .errors import CommandFailed, RigError, VmDied, VmTimeout
from .procs import spawn
from .slow import SLOW
from .tripwire import Tripwire

# norandmaps: with fixed addresses TCG finds the code of a program it has translated
# before; every exec of a dynamic program takes 10 ms instead of 40.
CMDLINE = ("console=ttyS0 loglevel=5 printk.devkmsg=on panic=-1 oops=panic mitigations=off tsc=reliable nowatchdog "
           "no_timer_check net.ifnames=0 lsm=capability norandmaps random.trust_cpu=on")
# Without cmpxchg16b: QEMU 7.2's TCG leaves part of an address in the flags after it. If an
# interrupt comes just then they are stored, and the kernel dies of a double fault.
TCG_CPU = "qemu64,-cx16"


def qemu_base(kernel, accel, disk=False):
    """QEMU and the arguments that every start shares; DISK: for a root on a disk."""
    cpu = "host" if accel == "kvm" else TCG_CPU
    accel = "kvm" if accel == "kvm" else "tcg,thread=multi,tb-size=128"
    return [tool("qemu-system-x86_64"), "-machine", "q35", "-accel", accel, "-cpu", cpu,
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-kernel", kernel.boot_image(), "-initrd", initramfs.build(kernel, disk)]


@functools.cache
def tsc_khz():
    """How fast a guest's time stamp counter is without KVM; see c/tsc.c."""
    done = subprocess.run([helper("tsc", ["tsc.c"])], capture_output=True, text=True, check=True)
    return int(done.stdout)


def choose_accel(kernel):
    """'kvm' if this kernel boots with it, else 'tcg'. PB_RIG_ACCEL overrides.

    That /dev/kvm opens says little (some hosts cannot run a stock kernel in it), so
    it is tried; the answer is kept until the host is rebooted.
    """
    asked = os.environ.get("PB_RIG_ACCEL")
    if asked:
        if asked not in ("kvm", "tcg"):
            raise RigError("PB_RIG_ACCEL is kvm or tcg")
        return asked
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        note = os.path.join(cache_dir(), f"accel-{kernel.version}-{f.read().strip()}")
    if os.path.exists(note):
        with open(note, encoding="ascii") as f:
            return f.read().strip()
    accel = "kvm" if _probe_kvm(kernel) else "tcg"
    with open(note, "w", encoding="ascii") as f:
        f.write(accel)
    return accel


def _probe_kvm(kernel):
    cmd = qemu_base(kernel, "kvm") + ["-m", "256", "-serial", "stdio", "-append", CMDLINE + " pbrig.probe"]
    proc = spawn(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        return b"pbrig: probe ok" in proc.communicate(timeout=10)[0]
    except subprocess.TimeoutExpired:
        return False
    finally:
        proc.kill()
        proc.communicate()


class VM:
    """A machine of a Rig. Made by Rig; usable between rig.start() and the rig's end.

    Attributes: index, name ('node0'), ip ('10.77.0.1'), proc (QEMU's Popen, or None).
    """

    def __init__(self, rig, index):
        self.rig = rig
        self.index = index
        self.name = f"node{index}"
        self.ip = f"10.77.0.{index + 1}"
        self.proc = None
        self.boot_seconds = None
        self.console_path = os.path.join(rig.dir, f"{self.name}.console")
        self._log_path = os.path.join(rig.dir, f"{self.name}.qemu")
        self._agent_path = os.path.join(rig.sock_dir, f"agent{index}")
        self._qmp_path = os.path.join(rig.sock_dir, f"qmp{index}")
        self._trip_path = os.path.join(rig.sock_dir, f"trip{index}")
        self._link = None
        self._trip = None
        self._qmp = None
        self._images = {d.name: Image(d, os.path.join(rig.dir, f"{self.name}-{d.name}.img"),
                                      os.path.join(rig.sock_dir, f"{index}-{d.name}"))
                        for d in rig.disks}
        self._root = os.path.join(rig.dir, f"{self.name}-root.qcow2") if rig.root else None
        if self._root:
            subprocess.run([tool("qemu-img"), "create", "-q", "-f", "qcow2", "-F", "raw", "-b", rig.root[index],
                            self._root], check=True)

    # Start and end.

    def boot(self):
        """Start QEMU; wait_boot() waits until commands can be run."""
        if self.alive():
            raise RigError(f"{self.name} is running")
        self._close()
        self._link = Link(self.name, self._agent_path)
        self._trip = Tripwire(self.name, self._trip_path, lambda: self.proc.kill())
        self._started = time.monotonic()
        with open(self._log_path, "ab") as log:
            self.proc = spawn(self._qemu_args(), cpu=self._cpu(), stdout=log, stderr=log)

    def wait_boot(self, timeout=None):
        """Wait until the guest answers; VmDied or VmTimeout with its last words if not."""
        timeout = timeout * SLOW if timeout else self.rig.boot_timeout
        while not self._link.hello.wait(0.02):
            if self.proc.poll() is not None:
                raise VmDied(f"{self.name} ended while booting:\n{self._last_words()}")
            if time.monotonic() - self._started > timeout:
                raise VmTimeout(f"{self.name} has not booted in {timeout} s:\n{self._last_words()}")
        self.boot_seconds = time.monotonic() - self._started

    def alive(self):
        """Whether its QEMU runs (a frozen or paused one does)."""
        return self.proc is not None and self.proc.poll() is None

    def kill(self):
        """Crash: kill -9 of QEMU. Every write QEMU completed survives, flushed or not."""
        if self.proc:
            self.proc.kill()
            self.proc.wait()
        self._close()

    def tripped(self):
        """What it said when it touched the wire that kills it (see tripwire.py); None if it did not."""
        return self._trip.said if self._trip else None

    def wait_tripped(self, timeout=60):
        """Wait until it has touched that wire, or until the time is over; what it said, or None."""
        self._trip.done.wait(timeout * SLOW)
        return self.tripped()

    def power_cut(self, keep=0.0, torn=0.0, seed=None):
        """Crash that also loses what was not flushed, on disks made with volatile=True.

        Each unflushed write survives with the chance KEEP, and of some sectors with the
        chance TORN. Other disks lose nothing, as with kill(); there dm-flakey or
        dm-log-writes serve. Returns {disk: {'kept': N, 'torn': N, 'dropped': N}}.
        """
        self.kill()
        return {name: image.lose_unflushed(keep, torn, seed)
                for name, image in self._images.items() if image.disk.volatile}

    def restart(self, timeout=None):
        """Kill it if it runs, and boot again with the same disks."""
        self.kill()
        self.boot()
        self.wait_boot(timeout)

    def shutdown(self, timeout=60):
        """sync and power off; True if it ended by itself, else it is killed."""
        try:
            self.spawn("poweroff -f")
            self.wait_exit(timeout)
            return True
        except (VmTimeout, VmDied):
            return not self.alive()
        finally:
            self.kill()

    def wait_exit(self, timeout=60):
        """Wait until QEMU has ended (guest's poweroff, reboot or panic); its exit status."""
        try:
            return self.proc.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise VmTimeout(f"{self.name} still runs after {timeout * SLOW} s") from None

    def freeze(self):
        """SIGSTOP: the machine stands still while the world's time goes on."""
        self.proc.send_signal(signal.SIGSTOP)

    def thaw(self):
        """SIGCONT after freeze()."""
        self.proc.send_signal(signal.SIGCONT)

    def pause(self):
        """The monitor's stop: the machine and its clock stand still."""
        self.qmp("stop")

    def resume(self):
        """The monitor's cont, after pause()."""
        self.qmp("cont")

    def close(self):
        """The end of the rig: nothing of the machine is left running."""
        self.kill()
        for image in self._images.values():
            image.close()

    # Commands.

    def spawn(self, cmd, cwd="/", env=None, stdin=False, on_output=None):
        """Start a shell command in the guest; returns a Job (poll, wait, output, kill, send)."""
        if not self._link:
            raise VmDied(f"{self.name} is not running")
        cmd = cmd if isinstance(cmd, str) else shlex.join(cmd)
        return self._link.start(cmd, cwd, dict(self.rig.env, **(env or {})), stdin, on_output)

    def run(self, cmd, timeout=60, check=True, cwd="/", env=None, input=None, on_output=None):
        """Run a shell command (a string, or a list to be quoted) and wait for it.

        Returns a Result(rc, out, raw). Raises CommandFailed when check is set and rc is
        not 0, VmTimeout (after killing the command) when it takes too long, VmDied when
        the machine goes away.
        """
        job = self.spawn(cmd, cwd, env, input is not None, on_output)
        if input is not None:
            self._link.feed(job, input if isinstance(input, bytes) else input.encode())
        try:
            rc = job.wait(timeout)
        except BaseException:
            job.kill()
            raise
        result = Result(job.cmd, rc, job.raw())
        if check and rc:
            raise CommandFailed(self.name, job.cmd, rc, result.out)
        return result

    def push(self, path, data, mode=None, timeout=60):
        """Write bytes (or text) to a file in the guest, making its directory."""
        q = shlex.quote(path)
        chmod = f" && chmod {mode:o} {q}" if mode is not None else ""
        self.run(f"mkdir -p {shlex.quote(os.path.dirname(path) or '.')} && cat >{q}{chmod}",
                 timeout, input=data)

    def pull(self, path, timeout=60):
        """The bytes of a file in the guest."""
        return self.run(f"cat {shlex.quote(path)}", timeout).raw

    def wait_until(self, cmd, timeout=60):
        """Run CMD again and again until it succeeds; returns its Result."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            result = self.run(cmd, max(1, (deadline - time.monotonic()) / SLOW), check=False)
            if not result.rc:
                return result
            if time.monotonic() > deadline:
                raise VmTimeout(f"{self.name}: in {timeout * SLOW} s never succeeded: {cmd}\n{result.out}", result.out)
            time.sleep(0.02)

    # What it left.

    def disk_path(self, name):
        """The raw file on the host. Coherent with the guest's completed writes."""
        return self._images[name].path

    def durable_path(self, name):
        """The same without what is only in a volatile disk's cache."""
        return self._images[name].durable_path

    def console(self):
        """Text on the serial console so far, of all boots."""
        try:
            with open(self.console_path, "rb") as f:
                return f.read().decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    def check_console(self, allow=()):
        """Bad lines on the console, each with the machine's name; see console.BAD."""
        return [f"{self.name}: {line}" for line in bad_lines(self.console(), allow)]

    def wait_console(self, pattern, timeout=60):
        """Wait until a regular expression matches in the console text."""
        timeout *= SLOW
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.console()):
            if time.monotonic() > deadline:
                raise VmTimeout(f"{self.name}: no {pattern!r} on the console in {timeout} s:\n"
                                f"{self._last_words()}")
            time.sleep(0.02)

    def cpu_seconds(self):
        """CPU time QEMU has used on the host (user, system): steadier than latency."""
        with open(f"/proc/{self.proc.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / tick, int(fields[12]) / tick

    # The monitor.

    def qmp(self, command, **arguments):
        """Run a QMP command and return what it returns."""
        if not self._qmp:
            self._qmp = Monitor(self._qmp_path)
        return self._qmp.command(command, arguments)

    # Inside.

    def _close(self):
        if self._link:
            self._link.close()
        if self._qmp:
            self._qmp.close()
        if self._trip:
            self._trip.close()
        self._link = self._qmp = self._trip = None

    def _cpu(self):
        cores = sorted(os.sched_getaffinity(0))
        if not self.rig.pin or len(cores) < 2:
            return None
        return cores[self.index % len(cores)]

    def _append(self):
        rig = self.rig
        binds = ",".join(":".join(urllib.parse.quote(p) for p in pair) for pair in rig.binds())
        debug = " loglevel=8 ignore_loglevel earlyprintk=ttyS0" if rig.debug else ""
        clock = "" if rig.accel == "kvm" else f" tsc_early_khz={tsc_khz()}"
        return (f"{CMDLINE}{clock}{debug} pbrig.node={self.index} pbrig.nodes={rig.count}"
                + (f" pbrig.bind={binds}" if binds else "") + (" pbrig.disk=root" if rig.root else "")
                + f" {rig.append}").strip()

    def _qemu_args(self):
        rig, i = self.rig, self.index
        args = qemu_base(rig.kernel, rig.accel, bool(rig.root)) + [
            "-name", f"pbrig-{self.name}", "-m", str(rig.mem), "-smp", str(rig.smp),
            "-append", self._append(),
            "-chardev", f"file,id=con,path={_esc(self.console_path)},append=on", "-serial", "chardev:con",
            "-chardev", f"socket,id=trip,path={_esc(self._trip_path)}",
            "-device", "isa-debugcon,iobase=0xe9,chardev=trip",
            "-qmp", f"unix:{_esc(self._qmp_path)},server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={_esc(self._agent_path)}",
            "-device", "virtserialport,chardev=agent,name=pbrig.agent",
            "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot",
            "-netdev", f"stream,id=net,server=off,addr.type=unix,addr.path={_esc(rig.switch.paths[i])}",
            "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:77:00:{i:02x},romfile=,host_mtu=9000"]
        if self._root:
            args += ["-drive", f"if=none,id=root,format=qcow2,discard=unmap,file={_esc(self._root)}",
                     "-device", "virtio-blk-pci,drive=root,serial=root"]
        for image in self._images.values():
            args += image.qemu_args()
        return args + rig.qemu_args

    def _last_words(self):
        with open(self._log_path, encoding="utf-8", errors="replace") as f:
            words = f.read()
        return words[-2000:] + "\n".join(self.console().splitlines()[-40:])


class Monitor:
    """A QMP connection."""

    def __init__(self, path, timeout=20):
        self._lock = threading.Lock()
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(timeout)
        self._sock.connect(path)
        self._file = self._sock.makefile("r", encoding="utf-8")
        self._file.readline()
        self.command("qmp_capabilities", {})

    def command(self, name, arguments):
        """Send and wait for the answer; events in between are dropped."""
        with self._lock:
            self._sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            while True:
                line = self._file.readline()
                if not line:
                    raise VmDied("the monitor's connection has ended")
                answer = json.loads(line)
                if "error" in answer:
                    raise RigError(f"QMP {name}: {answer['error'].get('desc')}")
                if "return" in answer:
                    return answer["return"]

    def close(self):
        """Drop the connection."""
        self._file.close()
        self._sock.close()


def _esc(path):
    return path.replace(",", ",,")
