#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Show that the tests can fail: build the module with a fault and run the test that must find it.

usage: mutate.py [NUMBER...]      entries of mutations.txt, from 1; default all

Environment: PBCTL, KVER; KDIR (default /lib/modules/KVER/build). The exit status is
0 if each fault was found. A test is ended at its first failure.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

from rig.cache import cache_dir  # noqa: E402

KVER = os.environ.get("KVER") or platform.release()
KDIR = os.environ.get("KDIR") or f"/lib/modules/{KVER}/build"
# What a fault makes unused is no error here.
MAKE = ["make", "-s", "-C", KDIR, "KCFLAGS=-Wno-unused-variable -Wno-unused-function -Wno-empty-body",
        "CONFIG_DEBUG_INFO_BTF_MODULES=", "PB_CRASH_POINTS=y", "modules"]


def entries():
    """[(file, sed, test, what)]; an expression may contain the separator."""
    with open(os.path.join(HERE, "mutations.txt"), encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")]
    found = []
    for line in lines:
        rest, test, what = line.rsplit("|", 2)
        path, sed = rest.split("|", 1)
        found.append((path, sed, test, what))
    return found


def build(top, path, sed):
    """The module with the fault; an error text instead if it cannot be had."""
    shutil.copy(os.path.join(REPO, "Kbuild"), top)
    shutil.copytree(os.path.join(REPO, "kmod"), os.path.join(top, "kmod"),
                    ignore=shutil.ignore_patterns("*.o", "*.ko", "*.cmd"))
    source = os.path.join(top, path)
    with open(source, "rb") as f:
        before = f.read()
    subprocess.run(["sed", "-i", sed, source], check=True)
    with open(source, "rb") as f:
        if f.read() == before:
            return None, "the expression changes nothing"
    done = subprocess.run(MAKE + [f"M={top}"], capture_output=True, text=True)
    if done.returncode:
        return None, "it does not compile:\n" + done.stderr[-2000:]
    return os.path.join(top, "dm-pb.ko"), None


def run_test(test, ko):
    """The first failure that the test prints, or None if it passes."""
    # An entry may say which crash points find its fault: test_points.py NAME,NAME:both.
    test, _, points = test.partition(" ")
    env = dict(os.environ, PB_KO=ko, PB_CRASH_KO=ko, PB_POINTS=points, KVER=KVER,
               PB_OUTPUT=os.path.join(os.path.dirname(ko), "out"))
    proc = subprocess.Popen([sys.executable, os.path.join(HERE, test)], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = None
    for line in proc.stdout:
        if found and line.startswith("#"):
            found += " " + line[1:].strip()
            break
        if line.startswith("not ok"):
            found = line.strip()
        elif line.startswith("Bail out!"):
            proc.wait()
            raise SystemExit(f"mutate: {test}: {line.strip()}")
    if found:
        proc.terminate()
    proc.wait()
    return found


def main():
    """The exit status."""
    everything = entries()
    numbers = [int(n) for n in sys.argv[1:]] or range(1, len(everything) + 1)
    missed = 0
    print(f"TAP version 13\n1..{len(numbers)}", flush=True)
    for number in numbers:
        path, sed, test, what = everything[number - 1]
        begin = time.monotonic()
        # Not in /tmp: the machines have a tmpfs of their own there.
        with tempfile.TemporaryDirectory(prefix="mutant-", dir=cache_dir()) as top:
            ko, problem = build(top, path, sed)
            found = None if problem else run_test(test, ko)
        missed += not found
        print(f"{'ok' if found else 'not ok'} {number} - {test}: {what}\n"
              f"# {found or problem or 'it passes'} ({time.monotonic() - begin:.0f} s)",
              flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
