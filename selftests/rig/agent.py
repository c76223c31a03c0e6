# SPDX-License-Identifier: GPL-2.0
"""The host's end of the command agent: jobs in a guest over virtio-serial.

One Link per boot of a machine. QEMU connects to a socket that listens before it
starts, so nothing can be missed; a reader thread takes the frames (see c/rig.h)
and hands output and status to the jobs.
"""

import os
import signal
import socket
import struct
import threading
import time

from .errors import VmDied, VmTimeout
from .slow import SLOW

FRAME = struct.Struct("<III")
CHUNK = 256 << 10
# Without a deadline: for a wait that the caller bounds by other means.
FOREVER = 10 ** 9


class Result:
    """How a command ended: rc (exit status, or 128 + signal), out (text), raw (bytes)."""

    def __init__(self, cmd, rc, raw):
        self.cmd = cmd
        self.rc = rc
        self.raw = raw

    @property
    def out(self):
        """stdout and stderr, as they came, as text."""
        return self.raw.decode(errors="replace")

    def __repr__(self):
        return f"Result(rc={self.rc}, out={self.out[-200:]!r})"


class Job:
    """A command that runs in a guest."""

    def __init__(self, link, job_id, cmd, on_output):
        self.cmd = cmd
        self._link = link
        self._id = job_id
        self._on_output = on_output
        self._chunks = []
        self._rc = None
        self._lost = False
        self._done = threading.Event()

    def poll(self):
        """The exit status, or None while it runs. Raises VmDied if its machine died."""
        if self._done.is_set() and self._lost:
            raise VmDied(f"{self._link.name} died while running: {self.cmd}")
        return self._rc

    def wait(self, timeout=60):
        """Wait for the end and return the exit status; VmTimeout leaves it running."""
        if not self._done.wait(timeout * SLOW):
            raise VmTimeout(f"{self._link.name}: not done in {timeout * SLOW} s: {self.cmd}\n"
                            f"{self.output()[-2000:]}", self.output())
        return self.poll()

    def wait_output(self, text, timeout=60):
        """Wait until TEXT is in the output; returns the output."""
        timeout *= SLOW
        deadline = time.monotonic() + timeout
        while text not in self.output():
            if self._done.is_set() and text not in self.output():
                raise VmDied(f"{self._link.name}: ended without {text!r}: {self.cmd}\n{self.output()}")
            if time.monotonic() > deadline:
                raise VmTimeout(f"{self._link.name}: no {text!r} in {timeout} s: {self.cmd}\n"
                                f"{self.output()[-2000:]}", self.output())
            self._done.wait(0.005)
        return self.output()

    def raw(self):
        """Output so far, bytes."""
        return b"".join(list(self._chunks))

    def output(self):
        """Output so far, text."""
        return self.raw().decode(errors="replace")

    def send(self, data):
        """Give bytes to its stdin (of a job started with stdin=True); b'' closes it."""
        self._link.send(b"I", self._id, data)

    def kill(self, sig=signal.SIGKILL):
        """Signal the command and all it started in its session."""
        self._link.send(b"K", self._id, struct.pack("<i", sig))

    def _output(self, data):
        self._chunks.append(data)
        if self._on_output:
            self._on_output(data)

    def _end(self, rc):
        self._rc = rc
        self._lost = rc is None
        self._done.set()


class Link:
    """The connection to one boot of one machine."""

    def __init__(self, name, path):
        self.name = name
        self.release = None
        self.hello = threading.Event()
        self._path = path
        self._jobs = {}
        self._last = 0
        self._lock = threading.Lock()
        self._send_lock = threading.Lock()
        self._sock = None
        self._closed = False
        if os.path.exists(path):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._run, name=f"pbrig-{name}", daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._sock, _ = self._listener.accept()
            self.send(b"S", 0, os.urandom(256))
            stream = self._sock.makefile("rb", buffering=1 << 16)
            while True:
                head = stream.read(FRAME.size)
                if len(head) < FRAME.size:
                    break
                length, job_id, kind = FRAME.unpack(head)
                self._frame(kind, job_id, stream.read(length))
        except (OSError, ValueError):
            pass
        finally:
            self._lose()

    def _frame(self, kind, job_id, data):
        if kind == ord("H"):
            self.release = data.decode()
            self.hello.set()
            return
        with self._lock:
            job = self._jobs.get(job_id)
            if kind == ord("E"):
                self._jobs.pop(job_id, None)
        if not job:
            return
        if kind == ord("O"):
            job._output(data)
        elif kind == ord("E"):
            job._end(struct.unpack("<i", data)[0])

    def _lose(self):
        with self._lock:
            self._closed = True
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job._end(None)

    def send(self, kind, job_id, data):
        """One frame to the guest; nothing if the machine is gone."""
        try:
            with self._send_lock:
                self._sock.sendall(FRAME.pack(len(data), job_id, ord(kind)) + data)
        except (OSError, AttributeError):
            pass

    def start(self, cmd, cwd="/", env=None, stdin=False, on_output=None):
        """Start a shell command; returns its Job."""
        with self._lock:
            if self._closed or not self.hello.is_set():
                raise VmDied(f"{self.name} is not running")
            self._last += 1
            job = Job(self, self._last, cmd, on_output)
            self._jobs[self._last] = job
        fields = [cwd, cmd, "i" if stdin else "-"] + [f"{k}={v}" for k, v in (env or {}).items()]
        self.send(b"X", job._id, b"".join(f.encode() + b"\0" for f in fields))
        return job

    def feed(self, job, data):
        """All of stdin at once, then end of file."""
        for i in range(0, len(data), CHUNK):
            job.send(data[i:i + CHUNK])
        job.send(b"")

    def close(self):
        """Drop the connection; jobs that still run are lost."""
        for sock in (self._sock, self._listener):
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        self._thread.join(5)
        self._lose()
