# SPDX-License-Identifier: GPL-2.0
"""Child processes that never outlive the python process.

PR_SET_PDEATHSIG fires when the *thread* that forked dies, so all children are
forked by one thread that lives as long as the process does. setpriv sets the
death signal and taskset the cores, which keeps Python code out of the time
between fork and exec.
"""

import queue
import subprocess
import threading

from .cache import tool

_requests = queue.Queue()
_thread = None
_lock = threading.Lock()


def _serve():
    while True:
        args, kwargs, reply = _requests.get()
        try:
            reply.put((subprocess.Popen(args, **kwargs), None))
        except BaseException as err:     # handed to the caller
            reply.put((None, err))


def spawn(args, cpu=None, **kwargs):
    """subprocess.Popen(args) that dies with this process, on core CPU if given."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_serve, name="pbrig-spawn", daemon=True)
            _thread.start()
    prefix = [tool("setpriv"), "--pdeathsig", "KILL"]
    if cpu is not None:
        prefix += [tool("taskset"), "-c", str(cpu)]
    reply = queue.Queue()
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    _requests.put((prefix + args, dict(kwargs, start_new_session=True), reply))
    proc, err = reply.get()
    if err:
        raise err
    return proc
