#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures dm-pb beside others, in virtual machines: ratios within one run, what a write costs, counted, and more.

  bench.py [--repeats N] [speed | costs | metadata | failover | volumes | regions ...]

Results are printed, and left as NAME.rst and NAME.json in --output. The exit status
is 1 if something went wrong, or what the product counts is not what the disks saw.
Environment: PB_KO (dm-pb.ko), PBCTL (pbctl), KVER (kernel).
"""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(os.path.dirname(HERE), directory) for directory in ("multi", "demo")]

import pbtest  # noqa: E402
import costs  # noqa: E402
import failover  # noqa: E402
import metadata  # noqa: E402
import regions  # noqa: E402
import report  # noqa: E402
import speed  # noqa: E402
import volumes  # noqa: E402

BENCHES = {"metadata": metadata, "regions": regions, "failover": failover, "volumes": volumes,
           "speed": speed, "costs": costs}
# What is run if nothing is named.
USUAL = ["speed", "costs"]
BEGIN = time.monotonic()


def say(text):
    """A line of progress."""
    print(f"# {time.monotonic() - BEGIN:5.0f} s  {text}", file=sys.stderr, flush=True)


def run(name, repeats, output):
    """One bench on machines of its own; True if all is as it should be."""
    bench = BENCHES[name]
    repeats = repeats or bench.REPEATS
    with bench.machines() as machines:
        kernel = machines.nodes[0].vm.run("uname -r").out.strip()
        title, text, data, bad = bench.run(machines, repeats, say)
        machines.check_consoles()
    text = f"Kernel {kernel}, {len(machines.rig.nodes)} virtual machines, {repeats} run(s).\n\n{text}"
    more = bench.extras(data) if hasattr(bench, "extras") else {}
    path = report.save(output, name, title, text, {"kernel": kernel, "repeats": repeats, **data}, more)
    print(text + "\n".join(f"WRONG: {line}" for line in bad))
    print(f"{path}: {', '.join(['.rst', '.json'] + [f'.{ending}' for ending in more])}; {time.monotonic() - BEGIN:.0f} s")
    return not bad


def main():
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHES)}; default: {' '.join(USUAL)}")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--output", default=os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "bench"))
    args = parser.parse_args()
    for name in args.names:
        if name not in BENCHES:
            parser.error(f"no bench is called {name}")
    try:
        # All of them, also after one that is not as it should be.
        return 0 if all([run(name, args.repeats, args.output) for name in args.names or USUAL]) else 1
    except (pbtest.Failure, pbtest.RigError, pbtest.Skip) as error:
        print(f"bench: {type(error).__name__}: {error}", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
