# SPDX-License-Identifier: GPL-2.0
"""What can go wrong in the rig, so that tests can tell it from what they test."""


class RigError(Exception):
    """The rig itself failed: no kernel, no QEMU, a wrong call."""


class VmDied(RigError):
    """The machine went away while something was asked of it."""


class VmTimeout(RigError):
    """A command or a machine did not get there in time. 'out' is its output so far."""

    def __init__(self, message, out=""):
        super().__init__(message)
        self.out = out


class CommandFailed(RigError):
    """A guest command ended with a status other than 0. Has 'rc' and 'out'."""

    def __init__(self, vm_name, cmd, rc, out):
        super().__init__(f"{vm_name}: exit status {rc}: {cmd}\n{out[-4000:]}")
        self.rc = rc
        self.out = out
