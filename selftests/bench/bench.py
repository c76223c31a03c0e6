#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measures what dm-pb costs, in two virtual machines: counts, and ratios within one run.

  bench.py [--repeats N] [metadata | regions]

Results are printed, and left as NAME.rst and NAME.json in --output. The exit status
is 1 if something went wrong, or what the product counts is not what the disks saw.
Environment: PB_KO (dm-pb.ko), PBCTL (pbctl), KVER (kernel).
"""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(os.path.dirname(HERE), "multi")]

import pbtest  # noqa: E402
import metadata  # noqa: E402
import regions  # noqa: E402
import report  # noqa: E402

BENCHES = {"metadata": metadata, "regions": regions}
DISKS = [("data", "65G"), ("meta", "64M")]
BEGIN = time.monotonic()


def say(text):
    """A line of progress."""
    print(f"# {time.monotonic() - BEGIN:5.0f} s  {text}", file=sys.stderr, flush=True)


def run(name, repeats, output):
    """One bench on a pair of its own; True if all is as it should be."""
    with pbtest.Pair(disks=DISKS, linked=False) as pair:
        kernel = pair.nodes[0].vm.run("uname -r").out.strip()
        title, text, data, bad = BENCHES[name].run(pair, repeats, say)
        pair.check_consoles()
    text = f"Kernel {kernel}, two virtual machines, {repeats} run(s).\n\n{text}"
    path = report.save(output, name, title, text, {"kernel": kernel, "repeats": repeats, **data})
    print(text + "\n".join(f"WRONG: {line}" for line in bad))
    print(f"{path}.rst and .json, {time.monotonic() - BEGIN:.0f} s")
    return not bad


def main():
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=BENCHES, default="metadata")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", default=os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "bench"))
    args = parser.parse_args()
    try:
        return 0 if run(args.name, args.repeats, args.output) else 1
    except (pbtest.Failure, pbtest.RigError, pbtest.Skip) as error:
        print(f"bench: {type(error).__name__}: {error}", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
