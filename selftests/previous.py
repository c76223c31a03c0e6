# SPDX-License-Identifier: GPL-2.0
"""The version before this one, built from the repository's history, for the tests of an upgrade.

It is built once for a kernel, and kept in the rig's cache.
"""

import os
import subprocess
import tempfile

from rig.cache import cached, digest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Of what is built, what a node needs: the module is dm-pb.ko in the directory of its kernel.
PROGRAMS = ("pbctl", "pbviewd")

# While there is no tag: the last commit before a flush could be ORDERED, the first change of
# the wire that the other side has to know.
BEFORE_TAGS = "4d56e45f4d2420a21cfc2db2a3fe6cf581746787"


class Missing(Exception):
    """There is no history to take it from."""


class Broken(Exception):
    """It cannot be built."""


def _git(*args):
    """What git says of this tree; None if it says no."""
    done = subprocess.run(["git", "-C", TOP, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False)
    return None if done.returncode else done.stdout.strip()


def commit():
    """The newest tag below HEAD, or what stands for it, as a commit."""
    # A tarball may lie in a repository of something else.
    if _git("rev-parse", "--show-toplevel") != os.path.realpath(TOP):
        raise Missing("this tree has no git history, so there is no previous version")
    tags = (_git("tag", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-creatordate") or "").split()
    name = tags[0] if tags else BEFORE_TAGS
    found = _git("rev-parse", "--verify", "--quiet", name + "^{commit}")
    if not found:
        raise Missing(f"the previous version, {name[:12]}, is not in this clone's history")
    return found


def _run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **options)
    if done.returncode:
        raise Broken(f"{' '.join(command[:4])}...:\n{done.stdout[-4000:]}")


def _make(commit_id, name, made, tree):
    """Build commit_id in TREE, a directory, and leave the files that are needed there, alone."""
    os.unlink(tree)
    os.mkdir(tree, 0o755)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(tree), prefix=".old-") as work:
        _run("sh", "-c", 'git -C "$0" archive "$1" | tar -x -C "$2"', TOP, commit_id, work)
        _run("make", "-s", f"-j{os.cpu_count() or 1}", "-C", work, f"B={work}/build", "module", "userspace", *made)
        for path in [f"{name}/dm-pb.ko"] + [f"user/{program}" for program in PROGRAMS]:
            os.rename(os.path.join(work, "build", path), os.path.join(tree, os.path.basename(path)))


def build(name, *made):
    """The environment of a test: module for the kernel NAME, and programs. MADE: arguments of make besides."""
    commit_id = commit()
    made = (f"KVER={name}",) + made
    path = cached(f"old-{commit_id[:12]}-{name}-{digest(*made)}",
                  lambda tree: _make(commit_id, name, made, tree))
    return {"PB_OLD_KO": os.path.join(path, "dm-pb.ko"), "PB_OLD_PBCTL": os.path.join(path, "pbctl")}
