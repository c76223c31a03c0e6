# SPDX-License-Identifier: GPL-2.0
"""A cluster with many small volumes, and what its daemons cost.

    with Many(volumes=100) as cluster:
        a, b = cluster.replicas             # alpha is the primary of all, beta the synced backup
        cluster.all_write(a, "one")

Each volume has a slice of the data disk and one of the metadata disk.
"""

import io
import os
import re
import shlex
import tarfile
import time
import uuid

from cluster import CONFIG, DEAD_AFTER, SERVER, Cluster, Replica
from pbtest import HERE, Failure, check, helper, until

# Of a volume's slice of each disk, MiB: the metadata of a small volume fits.
SLICE = 4
MIB_SECTORS = 2048


class ManyReplica(Replica):
    """A node with a replica of each volume."""

    def up(self, declare=None):
        """pbctl up, of all of them."""
        self.pbctl("up", *([declare, *self.pair.names] if declare else ["--all"]), timeout=self.pair.patience)

    def join(self):
        """After a boot: the slices too."""
        tables = [f"{kind}-{name},,,rw,0 {SLICE * MIB_SECTORS} linear /dev/disk-{kind} {i * SLICE * MIB_SECTORS}"
                  for i, name in enumerate(self.pair.names) for kind in ("data", "meta")]
        self.vm.run(f"modprobe dm-mod; dmsetup create --concise {shlex.quote(';'.join(tables))}", 120)
        super().join()


class Many(Cluster):
    """Two nodes with many volumes."""

    def __init__(self, volumes=100, mem=1024, **args):
        self.names = [f"v{i:03}" for i in range(volumes)]
        self.uuids = {name: str(uuid.uuid4()) for name in self.names}
        # How long something may take that is done to all of them, s; a few seconds each, if machines are emulated.
        self.patience = 180 + 5 * volumes
        size = f"{volumes * SLICE}M"
        # All that is done at intervals is done less often: an emulated machine, which has no instructions for AES,
        # spends a millisecond on a keepalive, and with the defaults bears some twenty volumes.
        slower = max(1, volumes / 10)
        settings = {"keepalive_ms": 100 * slower, "timeout_ms": min(60000, 2000 * slower),
                    "handover_ms": 5000 * slower, "lease_ms": 400 * slower}
        args.setdefault("dead_after", int(DEAD_AFTER * max(1, slower / 4)))
        super().__init__(disks=[("data", size), ("meta", size)], mem=mem, ping=int(100 * slower),
                         volume="".join(f"{name} = {int(ms)};\n" for name, ms in settings.items()), **args)
        self.replicas = [ManyReplica(self, n.vm, n.name) for n in self.replicas]
        self.nodes = self.replicas

    def configure_volumes(self, vm):
        """All of their files."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name in self.names:
                text = self.volume_text(name, self.uuids[name], f"/dev/mapper/data-{name}",
                                        f"/dev/mapper/meta-{name}").encode()
                info = tarfile.TarInfo(f"{name}.conf")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
        vm.run(f"tar -C {CONFIG}/volumes -xf -", input=out.getvalue())

    def state(self):
        """How all volumes are, by name."""
        return {v["name"]: v for v in self.ask("/v1/volumes")["volumes"]}

    def wait_all(self, what, condition):
        """Wait until it holds for every volume."""
        left = None

        def probe():
            nonlocal left
            left = {n: v for n, v in self.state().items() if not condition(v)}
            return not left
        try:
            until(what, probe, self.patience, 0.2)
        except Failure as err:
            some = [f"{n}: {v['health']}, {v['view']}" for n, v in list(left.items())[:3]]
            raise Failure(f"{err}; not so of {len(left)}: {some}") from None

    def wait_healthy(self):
        """Wait until all are healthy."""
        self.wait_all("healthy volumes", lambda v: v["health"] == "healthy")

    def wait_first(self, node):
        """Wait until a node is the primary of all, and they know it."""
        self.wait_all(f"{node.name} is primary of all", lambda v: v["acked"]
                      and v["view"]["members"][0]["node"] == node.name)

    def many(self, node, do, tag, **options):
        """Start many.c on all volumes of a node."""
        program = node.guest_path(helper(os.path.join(HERE, "many.c")))
        devices = [f"/dev/mapper/{name}" for name in self.names]
        return node.vm.spawn("exec " + shlex.join([program, do, tag, *devices]), **options)

    def finish_many(self, job):
        """It has done so with all of them; the time that it printed, if any."""
        check(job.wait(self.patience) == 0, f"not all volumes: {job.output()[-1000:]}")
        words = job.output().split()
        check(words[-2:] == ["all", str(len(self.names))], f"{words[-2:]}")
        return int(words[0]) if words[0].isdigit() else None

    def all_write(self, node, tag):
        """Write to each volume."""
        return self.finish_many(self.many(node, "write", tag))

    def all_read(self, node, tag):
        """Each volume has what was written to it."""
        return self.finish_many(self.many(node, "read", tag))

    # What the daemons cost.

    def metrics(self):
        """{name: value} of the view server."""
        out = self.server.run(f"curl -sS --cacert {CONFIG}/ca.pem --cert {CONFIG}/host.pem --key {CONFIG}/host.key "
                              f"https://{self.server.ip}:7402/metrics").out
        return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:{.*?})?) ([0-9.]+)$", out, re.MULTILINE)}

    def cost(self, seconds):
        """What the daemons use while nothing happens.

        {"seconds", "pings", "volume_pings", and by machine "cpu", "machine_cpu" (percent of
        a core: of pbviewd, of all that the machine does on the host) and "memory" (MiB)}.
        """
        machines = {n.name: n.vm for n in self.replicas} | {SERVER: self.server}
        begin, before = time.monotonic(), {name: used(vm) for name, vm in machines.items()}
        pings = self.metrics()
        # Time is what is looked at.
        time.sleep(seconds)
        now = self.metrics()
        took, after = time.monotonic() - begin, {name: used(vm) for name, vm in machines.items()}
        last = self.names[-1]
        return {"seconds": took,
                "pings": now["pbviewd_node_pings_total"] - pings["pbviewd_node_pings_total"],
                "volume_pings": now[f'pbviewd_pings_total{{volume="{last}"}}']
                - pings[f'pbviewd_pings_total{{volume="{last}"}}'],
                "cpu": {name: (after[name][0] - before[name][0]) / took * 100 for name in machines},
                "machine_cpu": {name: (after[name][1] - before[name][1]) / took * 100 for name in machines},
                "memory": {name: after[name][2] for name in machines}}


def used(vm):
    """(seconds of CPU of pbviewd, of the whole machine on the host, MiB of memory of pbviewd)."""
    out = vm.run("p=$(pidof pbviewd); cat /proc/$p/task/*/schedstat; grep VmRSS /proc/$p/status").out
    spent = sum(int(line.split()[0]) for line in out.splitlines() if line[0].isdigit())
    return spent / 1e9, sum(vm.cpu_seconds()), int(re.search(r"VmRSS:\s+(\d+)", out).group(1)) / 1024
