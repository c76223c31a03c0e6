# SPDX-License-Identifier: GPL-2.0
"""The Ethernet switch between the machines; c/switch.c moves the frames."""

import collections
import os
import socket
import threading

from .cache import helper
from .errors import RigError
from .procs import spawn

LinkStats = collections.namedtuple("LinkStats", "frames bytes dropped")


class Switch:
    """A switch process with one unix socket per port, and its control."""

    def __init__(self, sock_dir, nports):
        self.paths = [os.path.join(sock_dir, f"port{i}") for i in range(nports)]
        self._lock = threading.Lock()
        self._ctl, theirs = socket.socketpair()
        self._ctl.settimeout(20)
        try:
            cmd = [helper("switch", ["switch.c"]), str(theirs.fileno())] + self.paths
            self.proc = spawn(cmd, pass_fds=[theirs.fileno()])
        finally:
            theirs.close()
        self._answer()

    def _answer(self):
        text = b""
        while not text.endswith((b"ok\n", b"error\n")):
            data = self._ctl.recv(65536)
            if not data:
                raise RigError("the switch has ended")
            text += data
        if text.endswith(b"error\n"):
            raise RigError("the switch refused a command")
        return text.decode()

    def command(self, line):
        """Send a control line (see c/switch.c) and return the answer."""
        with self._lock:
            self._ctl.sendall(line.encode() + b"\n")
            return self._answer()

    def stats(self):
        """{(from, to): LinkStats(frames, bytes, dropped)} since the start."""
        rows = [line.split() for line in self.command("stats").splitlines()[:-1]]
        return {(int(r[0]), int(r[1])): LinkStats(*map(int, r[2:])) for r in rows}

    def close(self):
        """End the process; safe to call twice."""
        self._ctl.close()
        self.proc.kill()
        self.proc.wait()
