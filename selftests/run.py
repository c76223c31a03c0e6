#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Build and run the tests, and count what they say.

Every test speaks TAP. A test that ends without its plan, with fewer results than
it planned, with a status that does not fit, or not in time, has failed, whatever
it printed before: silence is no success. Tests run side by side as far as the
cores go, and one that needs its deadlines alone. The last line printed is
"N passed, N failed, N skipped".

  run.py [--kernels "6.1 6.12 newest"] [--debug] [--list] [PATTERN...]

PATTERN picks jobs by a part of their name. PB_LONG=1 picks the long campaigns.
Without either the slow tests take turns: which of them run follows from the commit,
or from PB_TURN, and five turns are all of them.
"""

import argparse
import atexit
import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time

import previous

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("B", os.path.join(TOP, "build"))
PBCTL = os.path.join(BUILD, "user", "pbctl")
JOBS = f"-j{os.cpu_count() or 1}"
LONG = os.environ.get("PB_LONG") == "1"
OUTPUT = os.environ.get("PB_OUTPUT", os.path.join(TOP, "test-output"))
POINT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\s*(.*))?$", re.IGNORECASE)
SKIP = re.compile(r"#\s*SKIP\b", re.IGNORECASE)
EXIT_SKIP = 4
# What scripts/kernels.sh calls the newest kernel that Debian has; of its tests those of a turn.
NEWEST = "newest"
NEWEST_QUICK = ["vm/test_hold", "vm/test_fetch"]
# And those with two machines and more that the long set runs on it.
NEWEST_MULTI = ["test_crash", "test_failover", "test_kill", "test_resync"]
# What of the debug kernel's run belongs to its turn.
DEBUG_QUICK = ["vm/test_chaos", "vm/test_hold", "vm/test_hostile", "vm/test_reconnect", "multi/test_crash"]


# Tests for the last kernel alone, if not named or PB_LONG: of metadata, of which the others write and read
# all that a kernel could have a hand in...
LAST_KERNEL_VM = ["test_alone", "test_bdisk", "test_damage", "test_dead", "test_edges", "test_fetch", "test_format",
                  "test_full", "test_history", "test_limits", "test_log", "test_mistakes", "test_old", "test_tools",
                  "test_udev", "test_verify", "test_verify_edges"]
# ... and with two machines or more, but for these: what differs between kernels one machine sees.
ANY_KERNEL_MULTI = ["test_crash", "test_failover"]
# And those for PB_LONG, or by name.
LONG_MULTI = ["test_many"]

# Tests that take turns, some 15 minutes of two cores each; what is in no list is run each time.
TURNS = [
    ["debug/", "6.12/multi/test_histories", "6.12/multi/test_multipath", "6.12/multi/test_resync", "6.12/vm/test_lvm",
     "6.12/vm/test_mistakes"],
    ["6.1/vm/", "6.1/multi/", "6.12/multi/test_faults", "6.12/multi/test_kill", "6.12/multi/test_points",
     "6.12/multi/test_security", "6.12/multi/test_service"],
    ["6.12/multi/test_hooks", "6.12/multi/test_quickstart", "6.12/multi/test_resize", "6.12/multi/test_shutdown",
     "6.12/multi/test_slow", "6.12/multi/test_spare", "6.12/multi/test_verify", "6.12/vm/test_bdisk",
     "6.12/vm/test_damage", "6.12/vm/test_dead", "6.12/vm/test_resize", "6.12/vm/test_verify"],
    ["debian/test_boot", "debian/test_packages", "newest/", "6.12/multi/test_ocf"],
    ["debian/test_postgresql", "6.12/multi/test_stack", "6.12/multi/test_upgrade"],
]

# Of the tests with two machines and more those in which a daemon calls a node dead after a time: they run alone.
TIMED_MULTI = ["test_faults", "test_histories", "test_hooks", "test_many", "test_ocf", "test_quickstart", "test_security",
               "test_service", "test_spare", "test_upgrade"]
# And those that take longer.
SLOW_MULTI = ["test_faults", "test_histories", "test_hooks", "test_kill", "test_many", "test_multipath", "test_points", "test_resize",
              "test_quickstart", "test_resize_points", "test_resync", "test_security", "test_service", "test_spare", "test_stack", "test_upgrade"]


class Job:
    """One test program: how to run it and what it said."""

    def __init__(self, name, command, cores=1, limit=300, env=None, cwd=TOP, prepare=None):
        self.name = name
        self.command = command
        self.cores = cores
        self.limit = limit * (8 if LONG else 1)
        self.env = env or {}
        self.cwd = cwd
        self.prepare = prepare
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.lines = []

    def run(self):
        """Run it to its end or its time limit, then judge."""
        try:
            # What only this job needs, as more of its environment.
            self.env.update(self.prepare() if self.prepare else {})
        except previous.Missing as err:
            self.lines.append(f"1..0 # SKIP {err}")
            self.judge(EXIT_SKIP)
            return
        except previous.Broken as err:
            self.lines += str(err).splitlines()
            self.complain("cannot build the previous version")
            return
        start = time.monotonic()
        proc = subprocess.Popen(self.command, cwd=self.cwd, env={**os.environ, **self.env},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, start_new_session=True)
        timer = threading.Timer(self.limit, lambda: os.killpg(proc.pid, signal.SIGTERM))
        killer = threading.Timer(self.limit + 20, lambda: os.killpg(proc.pid, signal.SIGKILL))
        timer.start()
        killer.start()
        try:
            text = proc.communicate()[0].decode(errors="replace")
        finally:
            timer.cancel()
            killer.cancel()
        self.seconds = time.monotonic() - start
        self.lines = text.splitlines()
        self.judge(proc.returncode)

    def judge(self, status):
        """Count the points; whatever does not add up is one more failure."""
        plan, skip_all = None, None
        for line in self.lines:
            match = PLAN.match(line)
            if match:
                plan, skip_all = int(match.group(1)), match.group(2)
            match = POINT.match(line)
            if match and SKIP.search(match.group(3)):
                self.skipped += 1
            elif match and match.group(1):
                self.failed += 1
            elif match:
                self.passed += 1
        points = self.passed + self.failed + self.skipped
        if status == EXIT_SKIP or skip_all is not None:
            self.skipped += not points
        elif self.seconds >= self.limit:
            self.complain(f"not done in {self.limit} s")
        elif plan is None:
            self.complain(f"no plan, status {status}")
        elif points != plan:
            self.complain(f"planned {plan} results, gave {points}, status {status}")
        elif status and not self.failed:
            self.complain(f"all points passed, but status {status}")
        elif self.failed and not status:
            self.complain("points failed, but status 0")

    def complain(self, text):
        """Something about the run itself is wrong."""
        self.failed += 1
        self.lines.append(f"not ok - {self.name}: {text}")

    def report(self):
        """A line if it is good; all of it, kept in a file too, if not."""
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        print(f"{'FAIL' if self.failed else 'ok  '} {self.name}: {counts} ({self.seconds:.0f} s)",
              flush=True)
        if not self.failed:
            return
        os.makedirs(OUTPUT, exist_ok=True)
        path = os.path.join(OUTPUT, self.name.replace("/", "-") + ".log")
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(self.lines) + "\n")
        for line in [ln for ln in self.lines if ln.startswith("not ok")][:20]:
            print(f"     {line}")
        for line in self.lines[-40:]:
            print(f"     | {line}")
        print(f"     all of it: {os.path.relpath(path, TOP)}", flush=True)


class Cores:
    """Lets jobs run side by side while there are cores for them."""

    def __init__(self, total):
        self.total = total
        self.free = total
        self.cond = threading.Condition()

    def take(self, want):
        """Wait for so many cores."""
        want = min(want, self.total)
        with self.cond:
            self.cond.wait_for(lambda: self.free >= want)
            self.free -= want
        return want

    def give(self, count):
        """Give them back."""
        with self.cond:
            self.free += count
            self.cond.notify_all()


def run_all(jobs):
    """Run the jobs in order, several at a time, and report each as it ends."""
    cores = Cores(os.cpu_count() or 1)
    lock = threading.Lock()

    def work(job, got):
        try:
            job.run()
        finally:
            cores.give(got)
        with lock:
            job.report()

    threads = []
    for job in jobs:
        got = cores.take(job.cores)
        thread = threading.Thread(target=work, args=(job, got))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def build(*args):
    """Run make, quietly unless it fails."""
    done = subprocess.run(["make", JOBS, "-C", TOP, "--no-print-directory", f"B={BUILD}", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\nrun.py: cannot build: make {' '.join(args)}")


def unit_jobs():
    """What needs no machine of its own: pure logic, fuzzing, the command line, style."""
    subprocess.run(["make", "-s", JOBS, "-C", os.path.join(HERE, "unit"), "all"], check=True)
    jobs = [Job(f"unit/{name}", [os.path.join(HERE, "unit", "build", name)])
            for name in ("test_codec", "test_view", "test_super", "test_layout", "test_record",
                         "test_map", "test_lease", "test_views", "test_views_own", "test_link", "test_offer",
                         "test_config", "test_store", "test_talk", "test_server", "test_http", "test_advice",
                         "test_rates")]
    # States and sequences.
    jobs.append(Job("unit/test_views_search", [os.path.join(HERE, "unit", "build", "test_views_search")]
                    + (["10000000", "3000000"] if LONG else [])))
    pbctl = os.path.join(HERE, "unit", "test_pbctl.sh")
    if os.path.exists(pbctl):
        jobs.append(Job("unit/test_pbctl", [pbctl], env={"PBCTL": PBCTL}))
    jobs.append(Job("unit/test_init", [os.path.join(HERE, "unit", "test_init.sh")], env={"PBCTL": PBCTL}))
    jobs.append(Job("mistakes", [sys.executable, os.path.join(HERE, "mistakes", "test_mistakes.py"), "host"],
                    env={"PBCTL": PBCTL}))
    for name in ("test_ocf", "test_hook"):
        jobs.append(Job(f"unit/{name}", [os.path.join(HERE, "unit", f"{name}.sh")]))
    for name in ("test_shown", "test_report", "test_metrics"):
        jobs.append(Job(f"unit/{name}", [sys.executable, os.path.join(HERE, "unit", f"{name}.py")]))
    jobs.append(Job("unit/test_install", [sys.executable, os.path.join(HERE, "unit", "test_install.py")],
                    env={"PBCTL": PBCTL}))
    jobs.append(Job("unit/test_docs", [sys.executable, os.path.join(HERE, "unit", "test_docs.py")]))
    jobs.append(Job("unit/test_linear", [sys.executable, os.path.join(HERE, "unit", "test_linear.py")]))
    if LONG:
        jobs.append(Job("unit/test_page", [sys.executable, os.path.join(HERE, "unit", "test_page.py")]))
        jobs.append(Job("unit/mutate", [os.path.join(HERE, "unit", "mutate.sh")], limit=1200))
    jobs.append(Job("rig/test_vdisk", [os.path.join(HERE, "rig", "test_vdisk.py")]))
    jobs.append(Job("fuzz", [os.path.join(HERE, "fuzz", "run.sh")], limit=900))
    jobs.append(Job("style", [os.path.join(TOP, "scripts", "check.sh"), "6.1", "6.12"], limit=1200))
    jobs.append(Job("dkms", [os.path.join(HERE, "dkms", "test_dkms.sh")], limit=900))
    jobs.append(Job("deb", [os.path.join(HERE, "deb", "test_deb.sh")], limit=900))
    return jobs


def vm_jobs(label, kernel, env, long=LONG):
    """Tests inside one machine: scripts, and programs built from C."""
    subprocess.run(["make", "-s", JOBS, "-C", os.path.join(HERE, "vm")], check=True)
    scripts = glob.glob(os.path.join(HERE, "vm", "test_*.sh"))
    programs = [p for p in glob.glob(os.path.join(HERE, "vm", "build", "test_*"))
                if os.access(p, os.X_OK) and not p.endswith((".o", ".d"))]
    jobs = []
    for path in sorted(scripts + programs, key=os.path.basename):
        name = os.path.basename(path).removesuffix(".sh")
        limit = 900 if label == "debug" else 600
        command = [os.path.join(HERE, "rig", "pbrig"), "vmtest", "--kernel", kernel,
                   "--mem", "1536" if label == "debug" else "768",
                   "--time-limit", str((limit - 10) * (8 if LONG else 1))]
        # PB_DEBUG is for the guest alone: pbrig's own time limit is meant as it stands.
        for key, value in env.items():
            command += ["--env", f"{key}={value}"]
        if long:
            command += ["--env", "PB_LONG=1"]
        jobs.append(Job(f"{label}/vm/{name}", command + [path], limit=limit,
                        env={"PB_OUTPUT": os.path.join(OUTPUT, f"{label}-vm-{name}")}))
    return jobs


def multi_jobs(label, kernel, env, long=LONG):
    """Tests with two machines or more, and the rig's own."""
    jobs = []

    def old():
        # The directory of a module has the kernel's name.
        return previous.build(os.path.basename(os.path.dirname(env["PB_KO"])),
                              *([f"KDIR={env['KDIR']}"] if "KDIR" in env else []))

    for path in sorted(glob.glob(os.path.join(HERE, "multi", "test_*.py"))):
        name = os.path.basename(path).removesuffix(".py")
        # A kernel may have come after the previous version.
        if (label, name) == (NEWEST, "test_upgrade"):
            continue
        alone = label == "debug" or name in TIMED_MULTI
        jobs.append(Job(f"{label}/multi/{name}", [sys.executable, path], cores=2 if alone else 1,
                        limit=900 if label == "debug" or name in SLOW_MULTI else 400,
                        prepare=old if name == "test_upgrade" else None,
                        env={**env, "KVER": kernel,
                             "PB_LONG": "1" if long else "0",
                             "PB_OUTPUT": os.path.join(OUTPUT, f"{label}-multi-{name}")}))
    # Those that run side by side first: together they leave no core idle.
    return sorted(jobs, key=lambda job: job.cores)


def debian_jobs(kernel):
    """Our packages on Debian: its own kernel is enough."""
    return [Job(f"debian/{name}", [sys.executable, os.path.join(HERE, "debian", f"{name}.py")], cores=cores, limit=limit,
                env={"KVER": kernel, "PB_OUTPUT": os.path.join(OUTPUT, f"debian-{name}")})
            for name, cores, limit in (("test_packages", 1, 600), ("test_boot", 2, 900), ("test_postgresql", 2, 1200))]


def mutate_jobs(series, kernel, env):
    """Do the tests notice a module with a fault?  One kernel is enough."""
    return [Job(f"{series}/vm/mutate", [os.path.join(HERE, "vm", "mutate.sh")], cores=2, limit=600,
                env={**env, "KERNEL": kernel, "BUILD": os.path.join(BUILD, "mutate")}),
            Job(f"{series}/multi/mutate", [sys.executable, os.path.join(HERE, "multi", "mutate.py")],
                cores=2, limit=900, env={**env, "KVER": kernel})]


def build_modules(name, *args):
    """Our module for a kernel, and the same with crash points, as the environment of a test."""
    build("module", f"KVER={name}", *args)
    build("module", f"KVER={name}", "CRASH_POINTS=1", *args)
    return {"PB_KO": os.path.join(BUILD, name, "dm-pb.ko"),
            "PB_CRASH_KO": os.path.join(BUILD, name + "-crash", "dm-pb.ko"), "PBCTL": PBCTL}


def stock_kernel(series, *args):
    """The bootable kernel of a series, and our modules for it."""
    kernel = subprocess.run([os.path.join(TOP, "scripts", "kernels.sh"), "image", series],
                            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return kernel, build_modules(kernel, *args)


def newest_jobs():
    """The quick tests on the newest kernel that Debian has, or one that says why there is none."""
    done = subprocess.run([os.path.join(TOP, "scripts", "deps.sh"), NEWEST], stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        why = (done.stderr.splitlines() or ["deps.sh failed"])[-1]
        return [Job(NEWEST, ["echo", f"1..0 # SKIP {why}"])]
    kernel, env = stock_kernel(NEWEST, "PB_WERROR=y", "W=1")
    vm, multi = (make(NEWEST, kernel, env, long=False) for make in (vm_jobs, multi_jobs))
    if not LONG:
        return [job for job in vm + multi if job.name.endswith(tuple(NEWEST_QUICK))]
    return vm + [job for job in multi if job.name.endswith(tuple(NEWEST_MULTI))]


def wants_newest(args, away):
    """Does the run have tests on the newest kernel that nobody named?"""
    named = any(NEWEST in pattern for pattern in args.patterns)
    return (LONG or args.ci) and NEWEST not in args.kernels.split() and NEWEST + "/" not in away and (
        named or not args.patterns)


def begin_debug_kernel():
    """Begin to build the debug kernel, out of what other jobs leave of the cores."""
    # Each job is a session, and sessions share the cores as equals: that one has to give way as a whole.
    building = subprocess.Popen(["sh", "-c", "{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec chrt --idle 0 \"$0\"",
                                 os.path.join(HERE, "debug", "build-kernel.sh")], start_new_session=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def end():
        if building.poll() is None:
            os.killpg(building.pid, signal.SIGTERM)

    atexit.register(end)
    return building


def debug_kernel(building):
    """The debug kernel, when it is there, and our modules for it."""
    text = building.communicate()[0]
    if building.returncode:
        sys.exit("run.py: cannot build the debug kernel")
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    image = found["PB_KERNEL_IMAGE"]
    # For the rig; a kernel that is named by its version has modules of its own.
    os.environ["PB_KERNEL_MODULES"] = found["PB_KERNEL_MODULES"]
    return image, {**build_modules("debug", f"KDIR={found['PB_KERNEL_TREE']}"), "PB_DEBUG": "1",
                   "PB_KERNEL_IMAGE": image, "KDIR": found["PB_KERNEL_TREE"]}


def debug_jobs(building):
    """The tests in machines, on the debug kernel."""
    kernel, env = debug_kernel(building)
    return vm_jobs("debug", kernel, env) + multi_jobs("debug", kernel, env)


def is_usual(job, last):
    """Is a test in machines run without PB_LONG or a pattern, on the last kernel or another one?"""
    _, kind, name = job.name.split("/")
    if kind == "vm":
        return last or name not in LAST_KERNEL_VM
    return name not in LONG_MULTI and (last or name in ANY_KERNEL_MULTI)


def stock_jobs(args):
    """The jobs on stock kernels, and those without one, in the order they start."""
    jobs = unit_jobs()
    # What one kernel is enough for is not tested on the newest, unless there is no other.
    enough = [series for series in args.kernels.split() if series != NEWEST] or [NEWEST]
    for position, series in enumerate(args.kernels.split()):
        kernel, env = stock_kernel(series)
        last = series == enough[-1]
        chosen = LONG or args.patterns
        # More of the crash points: on one kernel.
        ci = {"PB_CI": "1"} if args.ci and (last or chosen) else {}
        found = vm_jobs(series, kernel, env) + multi_jobs(series, kernel, {**env, **ci})
        jobs += [job for job in found if chosen or is_usual(job, last)]
        if not position:
            jobs += debian_jobs(kernel)
            jobs.append(Job(f"{series}/rig", [os.path.join(HERE, "rig", "test_rig.py"), kernel],
                            cores=2, limit=240))
    if LONG:
        jobs += mutate_jobs(series, kernel, env)
    return jobs


def turn_of_commit():
    """Which of TURNS a commit runs; None outside of a repository."""
    done = subprocess.run(["git", "-C", TOP, "rev-parse", "HEAD"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return None if done.returncode else str(int(done.stdout[:8], 16) % len(TURNS))


def left_out(args):
    """How the names of the slow tests begin whose turn it is not."""
    if LONG or args.debug or args.patterns or args.list:
        return ()
    turns = {str(number): names for number, names in enumerate(TURNS)}
    turn = os.environ.get("PB_TURN") or turn_of_commit()
    if turn is None:
        return ()
    if turns.pop(turn, None) is None:
        sys.exit(f"run.py: PB_TURN is 0 to {len(TURNS) - 1}, not {turn}")
    away = tuple(sum(turns.values(), []))
    print(f"# turn {turn} of {len(TURNS)}: not {', '.join(away)}", flush=True)
    return away


def job_groups(args):
    """Every job that the options ask for, in groups: each is made when those before it have been run."""
    away = left_out(args)
    building = begin_debug_kernel() if args.debug or args.ci and "debug/" not in away else None
    build("userspace")
    if not args.debug:
        yield [job for job in stock_jobs(args) if not job.name.startswith(away)]
        if wants_newest(args, away):
            yield newest_jobs()
    if building:
        jobs = debug_jobs(building)
        yield jobs if args.debug else [job for job in jobs if any(q in job.name for q in DEBUG_QUICK)]


def main():
    """Pick, run, count."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", default="6.1 6.12")
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--ci", action="store_true", help="add the quick part on the debug kernel")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("patterns", nargs="*")
    args = parser.parse_args()
    jobs = []
    for group in job_groups(args):
        group = [job for job in group if not args.patterns or any(p in job.name for p in args.patterns)]
        jobs += group
        if not args.list:
            run_all(group)
    if args.list:
        print("\n".join(job.name for job in jobs))
        return 0
    passed, failed, skipped = (sum(getattr(job, what) for job in jobs)
                               for what in ("passed", "failed", "skipped"))
    if not jobs:
        failed = 1
        print("run.py: no test has such a name")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
