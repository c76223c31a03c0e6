# SPDX-License-Identifier: GPL-2.0
"""Counts events and calls of functions in the kernels of both machines.

Done by histogram triggers: nothing is put into the trace's ring, and no program reads it
meanwhile. A stock kernel has no profiler of functions; they are probed.
"""

import contextlib
import dataclasses
import re

TRACING = "/sys/kernel/tracing"
HISTOGRAM = "hist:keys=common_cpu"


@dataclasses.dataclass(frozen=True)
class Event:
    """A trace point, by its directory below events/."""

    key: str
    text: str
    event: str

    def begin(self):
        """Commands that make it count."""
        return [f"echo '{HISTOGRAM}' >events/{self.event}/trigger"]

    def files(self):
        """Where its counts are."""
        return [f"events/{self.event}/hist"]

    def value(self, text):
        """The count, of what is in those files."""
        return sum(map(int, re.findall(r"^ *Hits: (\d+)", text, re.MULTILINE)))

    def end(self):
        """Commands that undo begin()."""
        return [f"echo '!{HISTOGRAM}' >events/{self.event}/trigger"]


@dataclasses.dataclass(frozen=True)
class Function:
    """Calls of functions, or a sum over them.

    summed      what is added up for each call, in the words of kprobetrace.rst
    arguments   more that CONDITION needs
    condition   which calls count
    """

    key: str
    text: str
    functions: tuple
    summed: str = ""
    arguments: str = ""
    condition: str = ""

    def _names(self):
        return [f"pbbench/{self.key}_{name}" for name in self.functions]

    def _trigger(self):
        return (HISTOGRAM + (":vals=size" if self.summed else "")
                + (f" if {self.condition}" if self.condition else ""))

    def begin(self):
        """Commands that make it count."""
        fetched = (f" size={self.summed}" if self.summed else "") + f" {self.arguments}"
        return [line for name, function in zip(self._names(), self.functions) for line in (
            f"echo 'p:{name} {function}{fetched}' >>kprobe_events",
            f"echo '{self._trigger()}' >events/{name}/trigger")]

    def files(self):
        """Where its counts are."""
        return [f"events/{name}/hist" for name in self._names()]

    def value(self, text):
        """The count, or the sum, of what is in those files."""
        pattern = r"size: +(\d+)" if self.summed else r"^ *Hits: (\d+)"
        return sum(map(int, re.findall(pattern, text, re.MULTILINE)))

    def end(self):
        """Commands that undo begin()."""
        return [line for name in self._names() for line in (
            f"echo '!{self._trigger()}' >events/{name}/trigger", f"echo '-:{name}' >>kprobe_events")]


def script(*lines):
    """A shell script that ends at the first line that fails."""
    return "\n".join(["set -e", f"cd {TRACING}", *lines])


@contextlib.contextmanager
def counting(pair, kinds):
    """With it: a function for {key: [count of each node]} so far."""
    vms = [node.vm for node in pair.nodes]

    def snapshot():
        found = {}
        for kind in kinds:
            command = script("cat " + " ".join(kind.files()))
            found[kind.key] = [kind.value(vm.run(command).out) for vm in vms]
        return found

    for vm in vms:
        vm.run(script(*(line for kind in kinds for line in kind.begin())))
    try:
        yield snapshot
    finally:
        for vm in vms:
            vm.run(script(*(line for kind in kinds for line in kind.end())))
