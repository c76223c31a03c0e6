#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Show that the tests can fail: build the module, or the programs, with a fault and run the test that must find it.

usage: mutate.py [NUMBER...]      entries of mutations.txt, from 1; default all

Environment: PBCTL, KVER; KDIR (default /lib/modules/KVER/build). For a fault in a program
PB_KO and PB_CRASH_KO name the modules. The exit status is 0 if each fault was found. A test is ended at its first failure.
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
MAKE_USER = ["make", "-s", "CFLAGS=-O2 -g -Wno-error"]


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
    """The environment that has what was built with the fault; an error text instead if it cannot be had."""
    module = path.startswith("kmod/")
    shutil.copy(os.path.join(REPO, "Kbuild"), top)
    for part in ("kmod",) if module else ("kmod", "userspace"):
        shutil.copytree(os.path.join(REPO, part), os.path.join(top, part),
                        ignore=shutil.ignore_patterns("*.o", "*.ko", "*.cmd", "build"))
    source = os.path.join(top, path)
    with open(source, "rb") as f:
        before = f.read()
    subprocess.run(["sed", "-i", sed, source], check=True)
    with open(source, "rb") as f:
        if f.read() == before:
            return None, "the expression changes nothing"
    user = os.path.join(top, "user")
    command = MAKE + [f"M={top}"] if module else MAKE_USER + ["-C", os.path.join(top, "userspace"), f"O={user}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, "it does not compile:\n" + done.stderr[-2000:]
    if not module:
        return {"PBCTL": os.path.join(user, "pbctl")}, None
    ko = os.path.join(top, "dm-pb.ko")
    return {"PB_KO": ko, "PB_CRASH_KO": ko}, None


def run_test(test, built, top):
    """The first failure that the test prints, or None if it passes."""
    # An entry may say which crash points find its fault: test_points.py NAME,NAME:both; or
    # which functions of another test.
    test, _, words = test.partition(" ")
    env = dict(os.environ, KVER=KVER, PB_OUTPUT=os.path.join(top, "out"), **built)
    if words:
        env["PB_POINTS" if test == "test_points.py" else "PB_TESTS"] = words
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
            built, problem = build(top, path, sed)
            found = None if problem else run_test(test, built, top)
        missed += not found
        print(f"{'ok' if found else 'not ok'} {number} - {test}: {what}\n"
              f"# {found or problem or 'it passes'} ({time.monotonic() - begin:.0f} s)",
              flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
