# SPDX-License-Identifier: GPL-2.0
"""PostgreSQL for the demo and for the bench of speed: its programs, a disk with a database on it, and clients.

The programs are those of Debian's packages, unpacked in the cache by deps.sh. The
database is made on this host, once, and kept in the cache as an image of its file system.
"""

import glob
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time

from pbtest import RigError, check, until
from rig.cache import cache_dir, cached, digest, tool

HERE = os.path.dirname(os.path.abspath(__file__))
HOOK = os.path.join(os.path.dirname(os.path.dirname(HERE)), "Documentation/examples/50-postgresql")
SIZE = "256M"
PATIENCE = 120                  # seconds for anything that should happen; nothing here takes nearly as long
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
BIN = "/usr/lib/postgresql/15/bin"
SERVICE = "postgresql@15-main.service"
MOUNT = "/srv/db"
LOG = "/var/log/postgresql.log"
# A server must not be root: who owns the files is who it runs as.
OWNER = os.geteuid() or 65534
# fsync, full_page_writes and synchronous_commit are what they are by default: on.
SETTINGS = """listen_addresses = '*'
unix_socket_directories = ''
dynamic_shared_memory_type = sysv
shared_buffers = 32MB
max_wal_size = 64MB
min_wal_size = 32MB
recovery_init_sync_method = syncfs
jit = off
timezone = 'GMT'
log_timezone = 'GMT'
"""
ACCESS = "host all all 10.77.0.0/24 trust\n"
TABLES = """CREATE TABLE ledger(id int PRIMARY KEY, amount int NOT NULL, text text NOT NULL);
CREATE TABLE account(total bigint NOT NULL);
INSERT INTO account VALUES(0);
"""
# A client notices in some seconds that a server has gone without a word.
CONNECTION = ("user=postgres dbname=postgres sslmode=disable gssencmode=disable connect_timeout=5 "
              "tcp_user_timeout=3000 keepalives_idle=1 keepalives_interval=1 keepalives_count=2")
# Goes on for ever: waits until somebody listens, then one psql, whose orders come from stdin.
SESSION = """
while :; do
	until (: </dev/tcp/{ip}/5432) 2>/dev/null; do sleep 0.05; done
	stdbuf -oL psql -XqAt -v ON_ERROR_STOP=1 'host={ip} {connection}' -c '\\echo connected' -f -
	echo lost
done
"""


def packages():
    """Where deps.sh has unpacked PostgreSQL."""
    found = sorted(glob.glob(os.path.join(cache_dir(), "postgresql/*/usr")))
    check(found, "PostgreSQL is not in the cache: run scripts/deps.sh demo")
    return os.path.dirname(found[-1])


def _make_image(path):
    """A file system with a database in it that has been shut down in order."""
    root = packages()
    env = dict(os.environ, LD_LIBRARY_PATH=root + LIBRARIES, LC_ALL="C.UTF-8")
    # Neither initdb nor the server runs as root; in a name space of its own root is somebody else.
    user = [] if os.geteuid() else [tool("unshare"), f"--map-user={OWNER}", f"--map-group={OWNER}"]
    tmp = tempfile.mkdtemp(prefix="pb-demo-")
    data = os.path.join(tmp, "fs/main")

    def run(program, *args, **options):
        done = subprocess.run([*user, root + BIN + "/" + program, *args], env=env, cwd=tmp, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        if done.returncode:
            raise RigError(f"{program}: {done.stdout}")

    try:
        os.mkdir(os.path.dirname(data))
        run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--data-checksums",
            "--wal-segsize=4", "--no-sync")
        for name, text in (("postgresql.conf", SETTINGS), ("pg_hba.conf", ACCESS)):
            with open(os.path.join(data, name), "a", encoding="ascii") as f:
                f.write(text)
        log = os.path.join(tmp, "log")
        run("pg_ctl", "start", "-s", "-w", "-D", data, "-l", log, "-o", f"-c listen_addresses= -k {tmp}")
        try:
            run("psql", "-Xq", "-h", tmp, "-U", "postgres", "-v", "ON_ERROR_STOP=1", input=TABLES)
            run("pgbench", "-i", "-q", "-h", tmp, "-U", "postgres", "postgres")
        finally:
            run("pg_ctl", "stop", "-s", "-w", "-m", "fast", "-D", data)
        if os.geteuid() == 0:
            for top, _, files in os.walk(data):
                for path in [top] + [os.path.join(top, f) for f in files]:
                    os.chown(path, OWNER, OWNER)
        done = subprocess.run([tool("mke2fs"), "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-d",
                               os.path.dirname(data), path, SIZE], capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"mke2fs: {done.stderr}")
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def image():
    """The file system with the database, as a file in the cache."""
    name = f"database-{os.path.basename(packages())}-{digest(SETTINGS, ACCESS, TABLES, SIZE, OWNER)}.ext4"
    return cached(name, _make_image)


def write_disk(path):
    """Put it onto a disk of a machine that does not run."""
    subprocess.run(["cp", "--sparse=always", image(), path], check=True)


def install_server(vm):
    """PostgreSQL, and what starts and stops it, on a machine that has booted."""
    root = packages()
    vm.run(f"mkdir -p /srv/db /usr/lib/postgresql /usr/share/postgresql {LIBRARIES}; "
           f"mount --bind {shlex.quote(root)}/usr/lib/postgresql /usr/lib/postgresql && "
           f"mount --bind {shlex.quote(root)}/usr/share/postgresql /usr/share/postgresql && "
           f"cp {shlex.quote(root)}{LIBRARIES}/libpq.so.5* {LIBRARIES}/ && modprobe -a ext4 crc32c && "
           "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    push(vm, os.path.join(HERE, "systemctl"), "/usr/bin/systemctl")


def install(vm, config):
    """That, and the hook."""
    install_server(vm)
    push(vm, HOOK, f"{config}/hooks.d/50-postgresql")


def push(vm, source, path):
    """Put a program of this tree into a machine."""
    with open(source, "rb") as f:
        vm.push(path, f.read(), 0o755)


def payload(number):
    """The text of a transaction's row: anybody can tell it from the number."""
    return hashlib.sha256(str(number).encode()).hexdigest() * 4


class Client:
    """Commits numbered transactions, one after the other, from a machine that is no replica.

    It goes to where a server takes connections; each COMMIT that has returned is noted here,
    outside of the machines. One whose answer never came is left alone: it may be there or not.
    """

    def __init__(self, vm, nodes):
        self.committed = {}                 # number -> (when, name of the node)
        self.at = None                      # the node that it is connected to
        self.heard = []                     # what else it was told, for a person
        self.connected = {}                 # name of a node -> when it was, last
        self._number = 0
        self._lock = threading.Lock()
        self._rest = {n.name: b"" for n in nodes}
        self._jobs = {}
        with self._lock:
            for node in nodes:
                script = SESSION.format(ip=node.vm.ip, connection=CONNECTION)
                self._jobs[node.name] = vm.spawn(f"exec bash -c {shlex.quote(script)}", stdin=True,
                                                 on_output=lambda data, name=node.name: self._take(name, data))

    def _take(self, name, data):
        with self._lock:
            *lines, self._rest[name] = (self._rest[name] + data).split(b"\n")
            for line in lines:
                self._line(name, line.decode(errors="replace"))

    def _line(self, name, line):
        now = time.monotonic()
        if line == "connected":
            self.at, self.connected[name] = name, now
            self._next()
        elif line == "lost":
            self.at = None if self.at == name else self.at
        elif line.startswith("committed "):
            # What a connection before left unread is no answer to this one's question.
            if (name, line) == (self.at, f"committed {self._number}"):
                self.committed[self._number] = now, name
                self._next()
        elif line:
            self.heard.append(f"{name}: {line}")

    def _next(self):
        self._number += 1
        n = self._number
        self._jobs[self.at].send(
            f"BEGIN\\; INSERT INTO ledger VALUES({n}, {n % 1000}, '{payload(n)}')\\; "
            f"UPDATE account SET total = total + {n % 1000}\\; COMMIT;\n\\echo committed {n}\n".encode())

    def first(self, name, since):
        """When the first commit on a node after a time was reported; None if there is none yet."""
        return min((at for at, node in list(self.committed.values()) if node == name and at > since), default=None)

    def stop(self):
        """End it, at once."""
        for job in self._jobs.values():
            job.kill()
            job.wait(20)
        self.at = None


class Load:
    """pgbench on a machine that is no replica; starts again wherever it is told to."""

    CLIENTS = 2

    def __init__(self, vm, rate):
        self.vm, self.rate = vm, rate
        self.job = None
        self.runs = 0

    def start(self, node):
        """Until the server goes away."""
        self.runs += 1
        self.job = self.vm.spawn(
            f"exec {BIN}/pgbench -n -c {self.CLIENTS} -R {self.rate} -T 1000000 -l --log-prefix=/root/pgbench "
            + shlex.quote(f"host={node.vm.ip} {CONNECTION}"))

    def wait_end(self):
        """It ends when its server does; how many transactions it has reported committed, in all runs."""
        self.job.wait(60)
        return int(self.vm.run("cat /root/pgbench.* | wc -l").out)


def query(vm, node, text):
    """Answer of the database on a node, asked from another machine: rows of columns."""
    out = vm.run([f"{BIN}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", f"host={node.vm.ip} {CONNECTION}", "-c", text],
                 timeout=120).out
    return [line.split("|") for line in out.splitlines()]


def check_ledger(vm, node, committed):
    """What was reported committed is there, whole. How many rows there are."""
    rows = {int(n): (int(amount), text) for n, amount, text in query(vm, node, "SELECT id, amount, text FROM ledger")}
    lost = [n for n in committed if n not in rows]
    check(not lost, f"{len(lost)} of {len(committed)} committed transactions are LOST: {lost[:10]}")
    wrong = [n for n, row in rows.items() if row != (n % 1000, payload(n))]
    check(not wrong, f"{len(wrong)} transactions have another content: {wrong[:10]}")
    (total, amounts), = query(vm, node, "SELECT (SELECT total FROM account), (SELECT sum(amount) FROM ledger)")
    check(total == amounts, f"half a transaction is there: the total is {total}, the amounts make {amounts}")
    return len(rows)


def check_load(vm, node, reported, in_doubt):
    """The same of pgbench's: how many there are, and that its four tables agree."""
    parts = ["count(*) FROM pgbench_history", "sum(abalance) FROM pgbench_accounts", "sum(tbalance) FROM pgbench_tellers",
             "sum(bbalance) FROM pgbench_branches", "sum(delta) FROM pgbench_history"]
    (count, *sums), = query(vm, node, "SELECT " + ", ".join(f"(SELECT {part})" for part in parts))
    check(len(set(sums)) == 1, f"pgbench's tables do not agree: {sums}")
    check(reported <= int(count) <= reported + in_doubt,
          f"pgbench reported {reported} transactions committed, {in_doubt} may be in doubt, {count} are there")
    return int(count)


def wait_load(vm, node, more):
    """Wait until pgbench has committed so many more."""
    def count():
        return int(query(vm, node, "SELECT count(*) FROM pgbench_history")[0][0])
    want = count() + more
    until(f"{more} transactions of pgbench on {node.name}", lambda: count() >= want, PATIENCE, 2)
