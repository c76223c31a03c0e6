# SPDX-License-Identifier: GPL-2.0
"""A database on a stack: PostgreSQL with its own defaults (so it flushes at each COMMIT), and pgbench.

Both run in the machine that the stack is in service on. The transactions are those of TPC-B as
pgbench has them, on tables of scale 1.
"""

import contextlib
import re
import shlex

import database

# What cannot be unmounted would keep the stack, and so all that come after it.
STOP = f"""systemctl kill --signal=SIGKILL {database.SERVICE}
systemctl stop {database.SERVICE}
! mountpoint -q {database.MOUNT} || umount {database.MOUNT}
"""


def install(vm):
    """Once for each machine."""
    database.install_server(vm)


@contextlib.contextmanager
def serving(vm, device):
    """A new database on DEVICE, which reads as zeroes; nothing of it runs or is mounted afterwards."""
    # Only what is not zero: nearly all of the image is.
    vm.run(f"dd if={shlex.quote(database.image())} of={device} bs=256k conv=sparse oflag=direct", 120)
    try:
        vm.run(f"mount -t ext4 {device} {database.MOUNT} && systemctl start {database.SERVICE}", database.PATIENCE)
        yield
    finally:
        # Killed, as it is not needed any more.
        vm.run(STOP, database.PATIENCE)


def perform(vm, clients, count, seed):
    """So many transactions; (transactions, transactions a second, mean us of one)."""
    out = vm.run(f"{database.BIN}/pgbench -n -c {clients} -t {count // clients} --random-seed={seed} "
                 + shlex.quote(f"host={vm.ip} {database.CONNECTION}"), 300).out
    done = re.search(r"actually processed: (\d+)/", out)
    if not done or int(done.group(1)) != count:
        raise RuntimeError(f"pgbench did not do {count} transactions:\n{out}")
    rate, = re.search(r"tps = ([\d.]+) \(without", out).groups()
    latency, = re.search(r"latency average = ([\d.]+) ms", out).groups()
    return count, float(rate), float(latency) * 1000
