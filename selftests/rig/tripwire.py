# SPDX-License-Identifier: GPL-2.0
"""A wire that a machine touches to be killed at that very moment.

The guest writes a line to QEMU's debug console (port 0xe9) and stands still with
interrupts off; whoever listens here kills QEMU. One Tripwire per boot: QEMU
connects to a socket that listens before it starts.
"""

import os
import socket
import threading


class Tripwire:
    """Kills a machine once it has said a line; 'said' is the line, None before."""

    def __init__(self, name, path, kill):
        self.said = None
        self.done = threading.Event()
        self._kill = kill
        if os.path.exists(path):
            os.unlink(path)
        self._sock = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._run, name=f"pbrig-trip-{name}", daemon=True)
        self._thread.start()

    def _run(self):
        line = b""
        try:
            self._sock, _ = self._listener.accept()
            while not line.endswith(b"\n"):
                data = self._sock.recv(64)
                if not data:
                    return
                line += data
            self.said = line.decode(errors="replace").strip()
            self._kill()
        except OSError:
            pass
        finally:
            self.done.set()

    def close(self):
        """Stop listening; any number of times."""
        for sock in (self._sock, self._listener):
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        self._thread.join(5)
