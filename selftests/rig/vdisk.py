# SPDX-License-Identifier: GPL-2.0
"""A disk with a volatile write cache: an NBD server that can lose power.

Two files of the same size: PATH is what the disk answers reads with, and
PATH.durable what a power cut cannot take. A write goes to the first and on a
list; a flush carries the list over to the second, in order. At a power cut each
write on the list is kept, torn or dropped, and PATH becomes what is durable then.
So of the writes since the last flush any may survive without an earlier one.

The server is a process of its own (this file as a program), which lives as long
as its machine's disk, across boots: killing QEMU alone loses nothing. It speaks
the newstyle NBD protocol to one client at a time on a socket that it is handed
listening, and takes orders as lines of JSON on another, whose end is its own.
"""

import json
import os
import random
import select
import socket
import struct
import sys

SECTOR = 512
# Of a real cache too the oldest part goes to the disk some day.
CACHE_BYTES = 64 << 20
ZEROES = bytes(1 << 20)

OPTION_MAGIC = 0x49484156454F5054
REPLY_MAGIC = 0x3e889045565a9
OPT_EXPORT_NAME, OPT_ABORT, OPT_INFO, OPT_GO = 1, 2, 6, 7
REP_ACK, REP_INFO, REP_ERR_UNSUP = 1, 3, 0x80000001
# Flush, FUA, trim and write-zeroes are understood.
EXPORT_FLAGS = 1 | 4 | 8 | 32 | 64

REQUEST = struct.Struct(">IHHQQI")
REPLY = struct.Struct(">IIQ")
REQUEST_MAGIC, SIMPLE_MAGIC = 0x25609513, 0x67446698
READ, WRITE, DISC, FLUSH, TRIM, WRITE_ZEROES = 0, 1, 2, 3, 4, 6
FUA = 1
EINVAL = 22


class Store:
    """The two files and the writes that only one of them has."""

    def __init__(self, path):
        self.size = os.path.getsize(path)
        self.now = os.open(path, os.O_RDWR)
        self.durable = os.open(path + ".durable", os.O_RDWR)
        self.pending = []           # [offset, length, bytes or None for zeroes, fua]
        self.bytes = 0

    def read(self, offset, length):
        """What the guest sees."""
        return os.pread(self.now, length, offset)

    def write(self, offset, length, data, fua):
        """DATA is None for zeroes. With FUA it is durable at once, and stays on the list for its place in it."""
        _put(self.now, offset, length, data)
        if fua:
            _put(self.durable, offset, length, data)
        self.pending.append((offset, length, data, fua))
        self.bytes += length if data is not None else 0
        if self.bytes > CACHE_BYTES:
            self._settle(len(self.pending) // 2)

    def flush(self):
        """All that was written is durable."""
        self._settle(len(self.pending))

    def _settle(self, count):
        for offset, length, data, _ in self.pending[:count]:
            _put(self.durable, offset, length, data)
            self.bytes -= length if data is not None else 0
        del self.pending[:count]

    def cut(self, keep, torn, seed):
        """Power is lost. Returns how many writes were kept, torn and dropped."""
        rng = random.Random(seed)
        fates = {"kept": 0, "torn": 0, "dropped": 0}
        for offset, length, data, fua in self.pending:
            dice = rng.random()
            if fua or dice < keep:
                _put(self.durable, offset, length, data)
                fates["kept"] += not fua
            elif dice < keep + torn and length > SECTOR:
                at = SECTOR * rng.randrange(1, length // SECTOR)
                begin, end = rng.choice([(0, at), (at, length)])
                _put(self.durable, offset + begin, end - begin, data and data[begin:end])
                fates["torn"] += 1
            else:
                fates["dropped"] += 1
        for offset, length, _, _ in self.pending:
            for at in range(offset, offset + length, len(ZEROES)):
                os.pwrite(self.now, os.pread(self.durable, min(len(ZEROES), offset + length - at), at), at)
        self.pending.clear()
        self.bytes = 0
        return fates


def _put(fd, offset, length, data):
    if data is not None:
        os.pwrite(fd, data, offset)
        return
    for at in range(0, length, len(ZEROES)):
        os.pwrite(fd, ZEROES[:length - at], offset + at)


class Client:
    """One NBD connection: bytes in, bytes out."""

    def __init__(self, sock, store):
        self.sock = sock
        self.store = store
        self.got = bytearray()
        self.steps = self._talk()
        self.out = []
        self.want = next(self.steps)
        self._send()

    def readable(self):
        """Take what is there and answer what is whole; False when the connection is over."""
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            return False
        self.got += data
        try:
            self._feed()
            self._send()
        except (StopIteration, ConnectionError):
            return False
        return True

    def _feed(self):
        """Hand out whole pieces; the rest is kept for the next time."""
        at = 0
        try:
            while len(self.got) - at >= self.want:
                end = at + self.want
                piece = bytes(memoryview(self.got)[at:end])
                at = end
                self.want = self.steps.send(piece)
        finally:
            del self.got[:at]

    def _send(self):
        if self.out:
            self.sock.sendall(b"".join(self.out))
            self.out.clear()

    def _talk(self):
        """A generator that yields how many bytes it wants next and is sent them."""
        self.out.append(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, 3))
        flags, = struct.unpack(">I", (yield 4))
        while True:
            magic, option, length = struct.unpack(">QII", (yield 16))
            if magic != OPTION_MAGIC or length > 1 << 16:
                return
            if length:
                yield length
            if option == OPT_EXPORT_NAME:
                self.out.append(struct.pack(">QH", self.store.size, EXPORT_FLAGS) + bytes(0 if flags & 2 else 124))
                break
            if option in (OPT_GO, OPT_INFO):
                self._option(option, REP_INFO, struct.pack(">HQH", 0, self.store.size, EXPORT_FLAGS))
                self._option(option, REP_ACK)
                if option == OPT_GO:
                    break
            elif option == OPT_ABORT:
                self._option(option, REP_ACK)
                self._send()
                return
            else:
                self._option(option, REP_ERR_UNSUP)
        while True:
            magic, flags, kind, cookie, offset, length = REQUEST.unpack((yield REQUEST.size))
            if magic != REQUEST_MAGIC or kind == DISC or (kind == WRITE and length > 64 << 20):
                return
            data = (yield length) if kind == WRITE and length else None
            error, answer = self._do(flags, kind, offset, length, data)
            self.out.append(REPLY.pack(SIMPLE_MAGIC, error, cookie) + answer)

    def _option(self, option, kind, data=b""):
        self.out.append(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data)

    def _do(self, flags, kind, offset, length, data):
        if kind == FLUSH:
            self.store.flush()
            return 0, b""
        if offset + length > self.store.size:
            return EINVAL, b""
        if kind == READ:
            return 0, self.store.read(offset, length)
        if kind not in (WRITE, TRIM, WRITE_ZEROES):
            return EINVAL, b""
        if length:
            self.store.write(offset, length, data, flags & FUA)
        return 0, b""


def serve(listener, orders, path):
    """Serve until the other end of ORDERS is closed."""
    store = Store(path)
    client = None
    while True:
        # Power goes when the machine has gone: what it had sent is in the cache.
        ready, _, _ = select.select([client.sock] if client else [listener, orders], [], [])
        if client:
            if not client.readable():
                client.sock.close()
                client = None
        elif listener in ready:
            client = Client(listener.accept()[0], store)
        else:
            line = orders.recv(4096)
            if not line:
                return
            order = json.loads(line)
            orders.sendall(json.dumps(store.cut(**order)).encode() + b"\n")


def main():
    """usage: vdisk.py LISTENING-FD ORDERS-FD PATH"""
    listener, orders = (socket.socket(fileno=int(fd)) for fd in sys.argv[1:3])
    serve(listener, orders, sys.argv[3])


if __name__ == "__main__":
    main()
