# SPDX-License-Identifier: GPL-2.0
"""Faults of machines, daemons, the network and clocks, each undone in the end.

    faults = Faults(cluster, recorder)
    with faults.freeze(node):
        ...
"""

import contextlib


class Faults:
    """What can happen to a cluster. After a failure within nothing is undone."""

    def __init__(self, cluster, recorder):
        self.cluster, self.recorder = cluster, recorder

    # Machines.

    @contextlib.contextmanager
    def kill(self, node):
        """A node's machine dies, and is booted again."""
        node.vm.kill()
        yield
        node.reset()
        self.recorder.restart(node)

    @contextlib.contextmanager
    def freeze(self, vm):
        """A machine stands still."""
        vm.freeze()
        yield
        vm.thaw()

    @contextlib.contextmanager
    def clock(self, vm, hours):
        """The time of day of a machine is put forward or back, and right again."""
        vm.run(f"date -s @$(($(date +%s) + {hours * 3600}))")
        yield
        vm.run(f"date -s @$(($(date +%s) - {hours * 3600}))")

    # Daemons.

    @contextlib.contextmanager
    def kill_daemon(self, node):
        """A node's pbviewd is killed with -9."""
        node.kill_daemon()
        yield
        node.start_daemon()

    @contextlib.contextmanager
    def kill_server(self):
        """The view server is killed with -9; it has its store when it is started again."""
        self.cluster.kill_server()
        yield
        self.cluster.start_server()

    # The network.

    @contextlib.contextmanager
    def cut(self, a, b, direction="both"):
        """Between two machines, one way or both."""
        self.cluster.rig.cut(a, b, direction)
        yield
        self.cluster.rig.heal(a, b, direction)

    @contextlib.contextmanager
    def isolate(self, vm):
        """A machine from all others."""
        with contextlib.ExitStack() as stack:
            for other in self.cluster.rig.nodes:
                if other is not vm:
                    stack.enter_context(self.cut(vm, other))
            yield

    @contextlib.contextmanager
    def bad_network(self, loss=0.3, late=0.3, ms=30):
        """Everywhere frames are lost, and frames arrive late, out of order."""
        rig = self.cluster.rig
        pairs = [(a, b) for i, a in enumerate(rig.nodes) for b in rig.nodes[i + 1:]]
        for a, b in pairs:
            rig.loss(a, b, loss)
            rig.reorder(a, b, late, ms)
        yield
        for a, b in pairs:
            rig.heal(a, b)


__all__ = ["Faults"]
