# SPDX-License-Identifier: GPL-2.0
"""Virtual machines for dm-pb's tests. Put selftests/ on sys.path and import Rig."""

from .disk import Disk
from .errors import CommandFailed, RigError, VmDied, VmTimeout
from .kernel import find_kernel, list_kernels
from .rig import Rig
from .vm import VM

__all__ = ["Rig", "VM", "Disk", "RigError", "VmDied", "VmTimeout", "CommandFailed",
           "find_kernel", "list_kernels"]
