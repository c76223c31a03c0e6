#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Test of the rig itself, in TAP. usage: test_rig.py [KERNEL]

Conditions are waited for with deadlines; the one thing measured in time is a delay
that the rig adds, and there only a lower bound counts.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from rig import CommandFailed, Rig, VmDied, VmTimeout  # noqa: E402

KERNEL = sys.argv[1] if len(sys.argv) > 1 else None
DISKS = [("data", "64M"), ("big", "64M", 4096), ("vol", "64M", {"volatile": True})]
MB = 1 << 20


def pings(vm, other, count=1):
    """Whether a ping gets through."""
    return vm.run(f"ping -n -c{count} -W1 -i0.05 {other.ip}", check=False).rc == 0


def until(what, probe, timeout=30):
    """Wait for a condition."""
    deadline = time.monotonic() + timeout
    while not probe():
        assert time.monotonic() < deadline, f"{what}: not in {timeout} s"
        time.sleep(0.01)


def test_boot(rig):
    """two machines boot, with names, addresses and a kernel of the version asked for"""
    for vm in rig.nodes:
        out = vm.run("uname -r; hostname; cat /sys/class/net/eth0/mtu").out.split()
        assert out == [rig.kernel.version, vm.name, "9000"], out


def test_mounts(rig):
    """the repository, /dev, debugfs, a writable / and the kernel's modules are there"""
    a = rig.nodes[0]
    here = os.path.realpath(__file__)
    assert a.run(f"cat {here}").raw == open(here, "rb").read()
    a.run("test -d /sys/kernel/debug/block && mkdir /new-dir && echo x >/tmp/x && modprobe dm-mod")
    assert a.run("echo $DM_DISABLE_UDEV $PB_NODE").out.split() == ["1", "0"]
    a.run("dmsetup create t --table '0 2048 linear /dev/disk-data 0' && test -b /dev/mapper/t"
          " && dmsetup remove t")


def test_disks(rig):
    """disks have names and the block sizes asked for, and discard"""
    a = rig.nodes[0]
    for name, block in (("data", "512"), ("big", "4096")):
        out = a.run(f"cd /sys/block/$(basename $(readlink /dev/pbrig/{name}))/queue &&"
                    " cat logical_block_size discard_granularity").out.split()
        assert out[0] == block and int(out[1]) > 0, out


def test_ping(rig):
    """the machines reach each other by name"""
    a, _ = rig.nodes
    a.run("ping -c3 -i0.05 node1")


def test_status(rig):
    """exit status and output are carried"""
    a, b = rig.nodes
    for rc in (0, 1, 42, 255):
        assert a.run(f"exit {rc}", check=False).rc == rc
    assert a.run("kill -9 $$", check=False).rc == 128 + 9
    assert b.run("echo out; echo err >&2; printf '\\377'").raw == b"out\nerr\n\xff"
    try:
        a.run("echo why; false")
        raise AssertionError("no CommandFailed")
    except CommandFailed as err:
        assert err.rc == 1 and err.out == "why\n"


def test_big_output(rig):
    """1 MiB of output, and of a pushed and pulled file, arrives whole"""
    a, _ = rig.nodes
    data = os.urandom(MB)
    a.push("/tmp/dir/file", data)
    assert a.pull("/tmp/dir/file") == data
    out = a.run(f"head -c {MB} /dev/zero | tr '\\0' x").raw
    assert out == b"x" * MB, len(out)


def test_concurrent(rig):
    """8 commands run at once"""
    a, _ = rig.nodes
    jobs = [a.spawn(f"mkfifo /tmp/f{i}; echo up; read x </tmp/f{i}; echo $x; exit {i}") for i in range(8)]
    for job in jobs:
        job.wait_output("up")
    assert all(job.poll() is None for job in jobs)
    for i in reversed(range(8)):
        a.run(f"echo word{i} >/tmp/f{i}")
    for i, job in enumerate(jobs):
        assert job.wait() == i
        assert job.output() == f"up\nword{i}\n"


def test_timeout(rig):
    """a command that takes too long is killed, with its children"""
    a, _ = rig.nodes
    try:
        a.run("echo before; sleep 1000 & sleep 1001", timeout=1)
        raise AssertionError("no VmTimeout")
    except VmTimeout as err:
        assert err.out == "before\n", err.out
    a.wait_until("! pgrep -x sleep")


def test_cut_one_way(rig):
    """a cut in one direction is silent and lets the other direction through"""
    a, b = rig.nodes
    rig.cut(a, b, "b>a")
    before = rig.net_stats()
    assert not pings(a, b)
    after = rig.net_stats()
    assert after[0, 1].frames > before[0, 1].frames
    assert after[1, 0].frames == before[1, 0].frames
    assert a.run("cat /sys/class/net/eth0/carrier").out == "1\n"
    rig.heal(a, b)
    until("ping after heal", lambda: pings(a, b))


def test_cut_both(rig):
    """a cut in both directions stops all frames, and commands still work; heal undoes it"""
    a, b = rig.nodes
    rig.cut(a, b)
    before = rig.net_stats()
    assert not pings(a, b) and not pings(b, a)
    after = rig.net_stats()
    for link in ((0, 1), (1, 0)):
        assert after[link].frames == before[link].frames
        assert after[link].dropped > before[link].dropped
    rig.heal()
    until("ping after heal", lambda: pings(a, b) and pings(b, a))


def test_delay(rig):
    """a delay is seen by ping, with jitter the order is kept, and it ends"""
    a, b = rig.nodes

    def rtt(count=3):
        out = a.run(f"ping -n -c{count} -i0.05 {b.ip}").out
        return float(re.search(r"= ([0-9.]+)/", out).group(1)), out

    rig.delay(60)
    assert rtt()[0] >= 120
    rig.delay(20, 200)
    least, out = rtt(20)
    seq = [int(n) for n in re.findall(r"icmp_seq=(\d+)", out)]
    assert least >= 40 and seq == sorted(seq) and len(seq) == 20, out
    rig.delay(0)
    until("the end of the delay", lambda: rtt()[0] < 40)


def test_reorder(rig):
    """frames that are held back are overtaken, none is lost, and heal ends it"""
    a, b = rig.nodes

    def sequence():
        out = a.run(f"ping -n -c100 -i0.01 -W2 {b.ip}").out
        return [int(n) for n in re.findall(r"icmp_seq=(\d+)", out)]

    rig.reorder(a, b, 0.3, 200, "a>b")
    found = sequence()
    assert found != sorted(found) and sorted(found) == list(range(1, 101)), found
    rig.heal(a, b)
    found = sequence()
    assert found == list(range(1, 101)), found


def test_drop(rig):
    """drop loses as many frames as asked"""
    a, b = rig.nodes
    until("ping", lambda: pings(a, b))
    before = rig.net_stats()[0, 1].dropped
    rig.drop(a, b, 2)
    until("two lost frames", lambda: pings(a, b) and rig.net_stats()[0, 1].dropped >= before + 2)
    assert rig.net_stats()[0, 1].dropped == before + 2


def test_bulk(rig):
    """TCP carries 64 MiB unharmed"""
    a, b = rig.nodes
    code = ("import socket,hashlib;s=socket.create_server(('',7001));print('ready',flush=True);"
            "c=s.accept()[0];h=hashlib.sha1();n=0\n"
            "while d:=c.recv(1<<20): h.update(d);n+=len(d)\n"
            "print(n,h.hexdigest())")
    server = b.spawn(["/usr/bin/python3", "-c", code])
    server.wait_output("ready")
    out = a.run(["/usr/bin/python3", "-c",
                 "import socket,hashlib,os;s=socket.create_connection(('node1',7001));h=hashlib.sha1()\n"
                 "for i in range(64):\n d=os.urandom(4096)*256;h.update(d);s.sendall(d)\n"
                 f"print({64 * MB},h.hexdigest())"]).out
    assert server.wait() == 0
    assert server.output().split("ready\n")[1] == out, (out, server.output())
    assert rig.net_stats()[0, 1].bytes > 64 * MB


def test_freeze(rig):
    """a frozen machine says nothing and goes on after the thaw"""
    a, b = rig.nodes
    ticker = b.spawn("while echo t; do sleep 0.02; done")
    ticker.wait_output("t\nt\n")
    b.freeze()
    assert not pings(a, b)
    still = ticker.raw()
    assert not pings(a, b) and ticker.raw() == still
    b.thaw()
    until("the ticker", lambda: len(ticker.raw()) > len(still))
    until("ping", lambda: pings(a, b))
    ticker.kill()
    assert ticker.wait() == 128 + 9


def test_pause(rig):
    """a paused machine stands still by the monitor, and resumes"""
    a, b = rig.nodes
    b.pause()
    assert b.qmp("query-status")["status"] == "paused"
    assert not pings(a, b)
    b.resume()
    b.run("true")
    until("ping", lambda: pings(a, b))


def test_kill_restart(rig):
    """kill ends running commands, loses no completed write, and restart finds the disks"""
    a, b = rig.nodes
    data = os.urandom(MB)
    b.push("/tmp/data", data)
    b.run("dd if=/tmp/data of=/dev/disk-data bs=64k oflag=direct 2>/dev/null")
    job = b.spawn("sleep 1000")
    boot_id = b.run("cat /proc/sys/kernel/random/boot_id").out
    b.kill()
    assert not b.alive()
    try:
        job.wait()
        raise AssertionError("no VmDied")
    except VmDied:
        pass
    b.restart()
    assert b.run("cat /proc/sys/kernel/random/boot_id").out != boot_id
    assert b.run("dd if=/dev/disk-data bs=64k count=16 iflag=direct 2>/dev/null").raw == data
    until("ping", lambda: pings(a, b))


def test_compare(rig):
    """compare finds the first byte that differs between two machines' disks"""
    a, b = rig.nodes
    for vm in rig.nodes:
        vm.run("dd if=/dev/zero of=/dev/disk-data bs=1M count=4 oflag=direct 2>/dev/null")
    assert rig.compare("data", a, b, 4 * MB) is None
    b.run("printf x | dd of=/dev/disk-data bs=1 seek=3000001 conv=fsync 2>/dev/null")
    assert rig.compare("data", a, b, 4 * MB) == 3000001
    assert rig.compare("data", a, b, 3000001) is None


def test_power_cut(rig):
    """a power cut loses what a volatile disk had not flushed, and nothing else"""
    b = rig.nodes[1]
    b.run("head -c 65536 /dev/zero | tr '\\0' A >/tmp/a; head -c 65536 /dev/zero | tr '\\0' B >/tmp/b")
    b.run("dd if=/tmp/a of=/dev/disk-vol bs=64k oflag=direct conv=fsync 2>/dev/null")
    b.run("python3 -c \"import os; f=os.open('/dev/disk-vol',os.O_WRONLY|os.O_DIRECT); import mmap;"
          "m=mmap.mmap(-1,65536); m.write(b'B'*65536); os.pwrite(f,m,65536); os._exit(0)\"")
    with open(b.disk_path("vol"), "rb") as f:
        assert f.read(131072) == b"A" * 65536 + b"B" * 65536
    b.power_cut()
    with open(b.disk_path("vol"), "rb") as f:
        assert f.read(131072) == b"A" * 65536 + bytes(65536)
    b.restart()
    assert b.run("head -c 65536 /dev/disk-vol").raw == b"A" * 65536


def test_tripwire(rig):
    """a machine that says a line on the debug console is killed at once, and says nothing before"""
    b = rig.nodes[1]
    assert b.wait_tripped(0.1) is None and b.alive()
    job = b.spawn("python3 -c \"import os; f = os.open('/dev/port', os.O_WRONLY)\n"
                  "for c in b'here\\n': os.pwrite(f, bytes([c]), 0xe9)\"; sleep 1000")
    assert b.wait_tripped() == "here"
    try:
        job.wait()
        raise AssertionError("no VmDied")
    except VmDied:
        pass
    b.restart()
    assert b.tripped() is None


def test_panic(rig):
    """a panic, a reboot and a poweroff end the machine"""
    b = rig.nodes[1]
    b.spawn("echo c >/proc/sysrq-trigger")
    b.wait_exit()
    assert any("Kernel panic" in line for line in b.check_console())
    b.restart()
    b.spawn("reboot -f")
    b.wait_exit()
    b.restart()
    assert b.shutdown()
    b.restart()


def test_console(rig):
    """a planted WARNING is found, an allowed one is not, a clean console is clean"""
    a, _ = rig.nodes
    assert a.check_console() == [], a.check_console()
    a.run("echo '<4>WARNING: planted by the test' >/dev/kmsg; echo '<6>pb: all is well' >/dev/kmsg")
    a.wait_console("all is well")
    bad = a.check_console()
    assert len(bad) == 1 and bad[0].startswith("node0: ") and "planted" in bad[0], bad
    assert a.check_console(allow=["planted by"]) == []


TESTS = [test_boot, test_mounts, test_disks, test_ping, test_status, test_big_output, test_concurrent,
         test_timeout, test_cut_one_way, test_cut_both, test_delay, test_reorder, test_drop, test_bulk, test_freeze,
         test_pause, test_kill_restart, test_compare, test_power_cut, test_tripwire,
         test_panic, test_console]


def processes_with(word):
    """Command lines of processes that mention WORD."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                if word.encode() in f.read() and int(path.split("/")[2]) != os.getpid():
                    found.append(path)
        except OSError:
            pass
    return found


def test_nothing_left(path):
    """after the end there is no process and no file"""
    assert not os.path.exists(path), os.listdir(path)
    assert not processes_with(path)


def test_killed_by(sig):
    """SIGTERM of the python process ends its machines; SIGKILL too, and the next rig removes the files"""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from rig import Rig\n"
            "with Rig(kernel=sys.argv[2] or None) as r: print(r.dir, flush=True); r.nodes[0].run('sleep 1000', 2000)")
    here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    with subprocess.Popen([sys.executable, "-c", code, here, KERNEL or ""], stdout=subprocess.PIPE,
                          text=True) as proc:
        path = proc.stdout.readline().strip()
        assert processes_with(path)
        proc.send_signal(sig)
        proc.wait(30)
    until("the end of QEMU", lambda: not processes_with(path))
    if sig == signal.SIGTERM:
        assert not os.path.exists(path)
    else:
        Rig(kernel=KERNEL).close()      # sweeps
        assert not os.path.exists(path)


def test_pbrig():
    """pbrig carries output and status, and a TAP script is run in its directory"""
    pbrig = os.path.join(os.path.dirname(os.path.realpath(__file__)), "pbrig")
    kernel = ["--kernel", KERNEL] if KERNEL else []
    with tempfile.TemporaryDirectory() as out:
        env = dict(os.environ, PB_OUTPUT=out)
        done = subprocess.run([pbrig, "run", *kernel, "--", "hostname; exit 7"], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 7 and done.stdout == "node0\n", done
        assert os.listdir(out)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as test:
        script = os.path.join(test, "t.sh")
        with open(script, "w", encoding="ascii") as f:
            f.write("#!/bin/bash\necho TAP version 13\necho 1..1\npwd\necho ok 1 - $1\n")
        os.chmod(script, 0o755)
        done = subprocess.run([pbrig, "vmtest", *kernel, script, "arg"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done
        assert done.stdout == f"TAP version 13\n1..1\n{test}\nok 1 - arg\n", done


class Tap:
    """Numbers and prints results."""

    def __init__(self, total):
        self.number = 0
        self.failed = 0
        print(f"TAP version 13\n1..{total}", flush=True)

    def run(self, test, *args):
        """One test: its docstring is the description."""
        self.number += 1
        try:
            test(*args)
            result = "ok"
        except Exception:               # reported, and the next test runs
            self.failed += 1
            result = "not ok"
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()))
        args = "".join(f" [{a}]" for a in args if isinstance(a, signal.Signals))
        print(f"{result} {self.number} - {test.__doc__}{args}", flush=True)


def main():
    """Exit status 0 when all passed."""
    tap = Tap(len(TESTS) + 4)
    with Rig(nodes=2, kernel=KERNEL, disks=DISKS) as rig:
        boots = ", ".join(f"{vm.boot_seconds:.1f} s" for vm in rig.nodes)
        print(f"# kernel {rig.kernel}, {rig.accel}, booted in {boots}", flush=True)
        for test in TESTS:
            tap.run(test, rig)
        if tap.failed:
            rig.save_output("test_rig")
    tap.run(test_nothing_left, rig.dir)
    tap.run(test_killed_by, signal.SIGTERM)
    tap.run(test_killed_by, signal.SIGKILL)
    tap.run(test_pbrig)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
