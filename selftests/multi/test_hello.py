#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Two replicas that do not fit together are told so, on both sides, and stay apart."""

import sys
import uuid

from pbtest import check, main, until


def refused(pair, refuser, text):
    """Link them: REFUSER says TEXT in its log, both show it in the status, no link comes up."""
    a, b = pair.nodes
    other = pair.other(refuser)
    marks = {node: node.mark() for node in pair.nodes}
    b.listen()
    a.connect(b)
    refuser.wait_event("link-refused", marks[refuser], text=text)
    other.wait_event("link-refused", marks[other], text=text)
    refuser.wait_kernel_log(f"refused: .*{text}")
    for node in pair.nodes:
        until(f"{node.name}: {text!r} in the status", lambda n=node: text in n.link()["reason"], pause=0.01)
    for node in pair.nodes:
        check(not [e for e in node.events(marks[node]) if e["type"] == "link-up"], f"{node.name}: the link came up")
    pair.finish(equal=False)            # never connected


def create(pair, extra_b=(), volume_b=None):
    """Replicas in view 1 that are not the same volume in some way."""
    a, b = pair.nodes
    volume = str(uuid.uuid4())
    a.create(volume)
    b.create(volume_b or volume, extra=extra_b)


def test_size(pair):
    """a backup that is too small is refused"""
    a, b = pair.nodes
    create(pair, ["--size", 65536])
    pair.set_view(1, a, b)
    refused(pair, b, "the backup is smaller than the volume")


def test_volume(pair):
    """another volume is refused"""
    a, b = pair.nodes
    create(pair, volume_b=str(uuid.uuid4()))
    pair.set_view(1, a, b)
    refused(pair, b, "another volume")


def test_digest(pair):
    """a view of the same number with other members is refused"""
    a, b = pair.nodes
    create(pair)
    a.set_view(1, a, b)
    b.set_view(1, a, b.member(":unsynced"))
    refused(pair, b, "views of the same number have other members")


def test_block_size(pair):
    """another block size is refused"""
    a, b = pair.nodes
    create(pair, ["--block-size", 4096])
    pair.set_view(1, a, b)
    refused(pair, b, "block sizes do not fit")


def test_old_view(pair):
    """a primary in an older view is refused, and told that there is a newer one"""
    a, b = pair.nodes
    create(pair)
    pair.set_view(1, a, b)
    b.set_view(2, a, b)
    mark = a.mark()
    refused_by_backup = b.mark()
    b.listen()
    a.connect(b)
    b.wait_event("link-refused", refused_by_backup, text="older view")
    a.wait_event("link-refused", mark, text="older view|newer view")
    a.set_view(2, a, b)
    a.wait_link()
    pair.finish()


if __name__ == "__main__":
    sys.exit(main([test_size, test_volume, test_digest, test_block_size, test_old_view]))
