#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Test of the disk with a volatile cache, in TAP, without a machine: it is spoken to in NBD."""

import os
import random
import socket
import struct
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from rig.disk import Server  # noqa: E402

SIZE = 4 << 20
READ, WRITE, DISC, FLUSH, TRIM, WRITE_ZEROES = 0, 1, 2, 3, 4, 6
FUA = 1
GO, LIST = 7, 3


class Client:
    """A small NBD client."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(path)
        magic, option_magic, flags = struct.unpack(">8sQH", self.take(18))
        assert magic == b"NBDMAGIC" and flags & 1, (magic, flags)
        self.option_magic = option_magic
        self.sock.sendall(struct.pack(">I", 3))
        assert self.option(LIST, b"") == [(0x80000001, b"")]
        (info, export), (ack, _) = self.option(GO, struct.pack(">IH", 0, 0))
        assert (info, ack) == (3, 1)
        kind, self.size, self.flags = struct.unpack(">HQH", export)
        assert kind == 0 and self.size == SIZE
        self.cookie = 0

    def take(self, length):
        """Exactly so many bytes."""
        got = b""
        while len(got) < length:
            data = self.sock.recv(length - len(got))
            assert data, "the server hung up"
            got += data
        return got

    def option(self, option, data):
        """Negotiate; the replies up to an ack or an error."""
        self.sock.sendall(struct.pack(">QII", self.option_magic, option, len(data)) + data)
        replies = []
        while not replies or replies[-1][0] not in (1, 0x80000001):
            _, _, kind, length = struct.unpack(">QIII", self.take(20))
            replies.append((kind, self.take(length)))
        return replies

    def send(self, kind, offset=0, length=0, data=b"", flags=0):
        """A request; its answer is for answer()."""
        self.cookie += 1
        self.sock.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, self.cookie, offset, length) + data)
        return self.cookie

    def answer(self, length=0):
        """(cookie, error, data) of the next answer."""
        magic, error, cookie = struct.unpack(">IIQ", self.take(16))
        assert magic == 0x67446698
        return cookie, error, b"" if error else self.take(length)

    def do(self, kind, offset=0, length=0, data=b"", flags=0):
        """A request and its answer's data."""
        cookie = self.send(kind, offset, length or len(data), data, flags)
        got, error, data = self.answer(length if kind == READ else 0)
        assert (got, error) == (cookie, 0), (got, cookie, error)
        return data

    def close(self):
        """As QEMU does when it is killed."""
        self.sock.close()


class Fixture:
    """A blank disk and its server, gone afterwards."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, "image")
        with open(self.path, "wb") as f:
            f.truncate(SIZE)
        self.sock = os.path.join(self.dir.name, "sock")
        self.server = Server(self.path, self.sock)
        return self

    def __exit__(self, *exc):
        self.server.close()
        self.dir.cleanup()

    def client(self):
        """A new connection."""
        return Client(self.sock)

    def files(self, offset, length):
        """What is there now, and what is durable."""
        found = []
        for path in (self.path, self.path + ".durable"):
            with open(path, "rb") as f:
                f.seek(offset)
                found.append(f.read(length))
        return found


def test_cache():
    """a write is read at once and durable after a flush"""
    with Fixture() as disk:
        nbd = disk.client()
        nbd.do(WRITE, 4096, data=b"a" * 8192)
        assert nbd.do(READ, 0, 16384) == bytes(4096) + b"a" * 8192 + bytes(4096)
        assert disk.files(4096, 8192) == [b"a" * 8192, bytes(8192)]
        nbd.do(FLUSH)
        assert disk.files(4096, 8192) == [b"a" * 8192] * 2
        nbd.do(TRIM, 4096, 4096)
        nbd.do(WRITE_ZEROES, 8192, 512)
        assert disk.files(4096, 8192)[0] == bytes(4608) + b"a" * 3584
        assert disk.files(4096, 8192)[1] == b"a" * 8192
        nbd.send(READ, SIZE - 512, 1024)
        assert nbd.answer()[1] == 22


def test_cut():
    """a power cut drops what was not flushed, but for FUA; the end of a connection drops nothing"""
    with Fixture() as disk:
        nbd = disk.client()
        nbd.do(WRITE, 0, data=b"a" * 4096)
        nbd.do(FLUSH)
        nbd.do(WRITE, 0, data=b"b" * 4096)
        nbd.do(WRITE, 1024, data=b"c" * 1024, flags=FUA)
        nbd.do(WRITE, 8192, data=b"d" * 512)
        nbd.close()
        nbd = disk.client()
        assert nbd.do(READ, 0, 4096) == b"b" * 1024 + b"c" * 1024 + b"b" * 2048
        # Sent, and whole: it is in the cache although nobody waits for the answer.
        nbd.send(WRITE, 16384, 512, b"e" * 512)
        nbd.close()
        assert disk.server.cut(0.0, 0.0, 1) == {"kept": 0, "torn": 0, "dropped": 3}
        nbd = disk.client()
        assert nbd.do(READ, 0, 4096) == b"a" * 1024 + b"c" * 1024 + b"a" * 2048
        assert nbd.do(READ, 8192, 16384) == bytes(16384)
        nbd.do(WRITE, 0, data=b"f" * 512)
        nbd.close()
        assert disk.server.cut(1.0, 0.0, 1) == {"kept": 1, "torn": 0, "dropped": 0}
        assert [data[:1] for data in disk.files(0, 512)] == [b"f"] * 2


def test_order():
    """a write that was flushed is not undone by an older one to the same place"""
    with Fixture() as disk:
        nbd = disk.client()
        nbd.do(WRITE, 0, data=b"a" * 4096)
        nbd.do(WRITE, 0, data=b"b" * 4096, flags=FUA)
        nbd.do(FLUSH)
        nbd.do(WRITE, 0, data=b"c" * 4096)
        nbd.do(WRITE, 0, data=b"d" * 4096, flags=FUA)
        nbd.close()
        disk.server.cut(1.0, 0.0, 1)
        assert disk.files(0, 4096) == [b"d" * 4096] * 2


def test_torn():
    """writes are torn between sectors, some survive, and the same seed does the same"""
    seen = []
    for _ in range(2):
        with Fixture() as disk:
            nbd = disk.client()
            for i in range(200):
                nbd.send(WRITE, i * 8192, 4096, bytes([1 + i]) * 4096)
            for i in range(200):
                assert nbd.answer()[:2] == (nbd.cookie - 199 + i, 0)
            nbd.close()
            fates = disk.server.cut(0.3, 0.3, "seed")
            assert sum(fates.values()) == 200 and min(fates.values()) > 20, fates
            now, durable = disk.files(0, SIZE)
            assert now == durable
            sectors = [now[i * 8192:i * 8192 + 4096:512].count(1 + i) for i in range(200)]
            assert sum(0 < n < 8 for n in sectors) == fates["torn"]
            assert sectors.count(8) == fates["kept"]
            seen.append(now)
    assert seen[0] == seen[1]


def test_model():
    """a long random mixture reads as a plain array does, before and after power cuts that keep all"""
    rng = random.Random(7)
    model = bytearray(SIZE)
    with Fixture() as disk:
        for _ in range(3):
            nbd = disk.client()
            for _ in range(300):
                length = 512 * rng.randrange(1, 200)
                at = 512 * rng.randrange((SIZE - length) // 512)
                kind = rng.choice([READ, WRITE, WRITE, TRIM, WRITE_ZEROES, FLUSH])
                if kind == READ:
                    assert nbd.do(READ, at, length) == model[at:at + length]
                elif kind == WRITE:
                    data = rng.randbytes(512) * (length // 512)
                    nbd.do(WRITE, at, data=data, flags=rng.choice([0, FUA]))
                    model[at:at + length] = data
                elif kind == FLUSH:
                    nbd.do(FLUSH)
                    assert disk.files(0, SIZE)[1] == model
                else:
                    nbd.do(kind, at, length)
                    model[at:at + length] = bytes(length)
            nbd.close()
            disk.server.cut(1.0, 0.0, 1)
            assert disk.files(0, SIZE) == [model, model]


TESTS = [test_cache, test_cut, test_order, test_torn, test_model]


def main():
    """Exit status 0 when all passed."""
    print(f"TAP version 13\n1..{len(TESTS)}", flush=True)
    failed = 0
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            result = "ok"
        except Exception:               # reported, and the next test runs
            failed += 1
            result = "not ok"
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()))
        print(f"{result} {number} - {test.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
