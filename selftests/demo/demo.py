#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What dm-pb is for, in one go: a machine dies under load and nothing is lost.

Two virtual machines share a replicated disk. On the first, a tree of files is
copied and a database runs; both tell this program, outside the machines, what
has been made safe: which files were synced, which transactions committed. The
machine is killed in the middle of it. The second becomes primary, and all that
was safe must be there. Exit status 0 only if it is.

Environment: PB_KO (dm-pb.ko), PBCTL (pbctl), KVER (kernel).
"""

import hashlib
import io
import os
import re
import stat
import sys
import tarfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "multi"))

import pbtest  # noqa: E402
from pbtest import DEVICE, VOLUME, check, until  # noqa: E402

TREES = ["/usr/include", "/usr/share/doc", "/usr/share/man", "/usr/lib/python3", "/usr/share"]
FILES = 13000                   # in the tree; the machine dies when SAFE of them are safe
SAFE = 10000
TRANSACTIONS = 100              # at least so many before the machine dies
BATCH = 128
LIMIT = 600                     # seconds; 85 to 190 were measured on two busy cores
BIGGEST = 12 << 10              # no file larger: many files are the point, not many bytes
MOUNT = "/mnt/demo"
PAYLOAD = 400
BEGIN = time.monotonic()


def say(text):
    """A line with the time since the start."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def collect():
    """A tar stream of real files, and [(name, sha256)] in its order."""
    files, out = [], io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in walk():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:          # a name that the format has no room for
                continue
            files.append((name, hashlib.sha256(data).hexdigest()))
            if len(files) == FILES:
                break
    check(len(files) > SAFE + BATCH, f"this host has only {len(files)} small files to copy")
    return out.getvalue(), files


def walk():
    """(name, content) of the regular files below TREES."""
    seen = set()
    for tree in TREES:
        for top, dirs, names in os.walk(tree):
            dirs.sort()
            for name in sorted(names):
                path = os.path.join(top, name)
                try:
                    st = os.lstat(path)
                    if not stat.S_ISREG(st.st_mode) or st.st_size > BIGGEST or path in seen:
                        continue
                    path.encode("ascii")
                    if re.search(r"[\n\\]", path):
                        continue        # sha256sum writes such names in another way
                    with open(path, "rb") as f:
                        data = f.read()
                except (OSError, UnicodeEncodeError):
                    continue
                seen.add(path)
                yield path.lstrip("/"), data


class Safe:
    """What the two programs have reported, kept outside the machines."""

    def __init__(self):
        self.files = 0
        self.transaction = 0
        self._rest = {"files": b"", "sql": b""}

    def take_files(self, data):
        """Output of copytree."""
        for words in self._lines("files", data):
            if words[:1] == ["s"]:
                self.files = int(words[1])

    def take_sql(self, data):
        """Output of sqlite3: the number of a transaction after its commit."""
        for words in self._lines("sql", data):
            if len(words) == 2 and words[0] == "committed":
                self.transaction = int(words[1])

    def _lines(self, which, data):
        lines = (self._rest[which] + data).split(b"\n")
        self._rest[which] = lines.pop()
        return [line.decode(errors="replace").split() for line in lines]


def payload(number):
    """The text of a transaction's row: anybody can tell it from the number."""
    return hashlib.sha256(str(number).encode()).hexdigest() * (PAYLOAD // 64)


def transactions(first, count):
    """SQL: each adds a row and moves its amount in an account, or does neither."""
    # With FULL a commit is not durable before something syncs the directory: the journal's
    # removal may be undone by a crash, and the last transaction with it. EXTRA syncs it.
    lines = ["PRAGMA synchronous=EXTRA;"]
    if first == 1:
        lines = ["PRAGMA journal_mode=DELETE;"] + lines
        lines += ["CREATE TABLE ledger(id INTEGER PRIMARY KEY, amount INTEGER, text TEXT);",
                  "CREATE TABLE account(total INTEGER);", "INSERT INTO account VALUES(0);"]
    for n in range(first, first + count):
        lines += ["BEGIN;", f"INSERT INTO ledger VALUES({n}, {n * 7}, '{payload(n)}');",
                  f"UPDATE account SET total = total + {n * 7};", "COMMIT;",
                  f"SELECT 'committed {n}';"]
    return "\n".join(lines) + "\n"


def set_up(pair):
    """The replicated disk, the file system on it, and what is going to run."""
    a, b = pair.nodes
    pair.new_volume()
    say(f"pbctl has made a replicated disk of {a.status()['data_sectors'] >> 11} MiB: "
        f"{a.name} is the primary, {b.name} the backup")
    a.vm.run(f"mkfs.ext4 -q {DEVICE} && mkdir -p {MOUNT} && mount {DEVICE} {MOUNT} && mkdir {MOUNT}/tree")
    b.vm.run(f"mkdir -p {MOUNT}")
    a.vm.push("/tmp/demo.sql", transactions(1, 20000))
    say("ext4 is on it and mounted")


def run_load(a, b, tar, files):
    """Copy and commit until enough is safe. Returns what is, at the moment of the machine's death."""
    safe = Safe()
    tool = a.guest_path(pbtest.helper(os.path.join(HERE, "copytree.c")))
    sql = a.vm.spawn(f"exec stdbuf -oL sqlite3 {MOUNT}/ledger.db <<E\n.read /tmp/demo.sql\nE",
                     on_output=safe.take_sql)
    copy = a.vm.spawn(f"exec {tool} {MOUNT}/tree {BATCH}", stdin=True, on_output=safe.take_files)

    def feed():
        for i in range(0, len(tar), 1 << 18):
            copy.send(tar[i:i + (1 << 18)])
        copy.send(b"")

    threading.Thread(target=feed, daemon=True).start()
    say(f"copying {len(files)} files ({len(tar) >> 20} MiB) and committing transactions")
    said = time.monotonic()
    while safe.files < SAFE or safe.transaction < TRANSACTIONS:
        check(copy.poll() is None and "copytree:" not in copy.output(), f"copytree ended:\n{copy.output()[-500:]}")
        check(b.vm.alive(), f"{b.name} ended by itself; its last words:\n{b.vm.console()[-1500:]}")
        check(sql.poll() is None, f"sqlite3 ended:\n{sql.output()[-500:]}")
        check(time.monotonic() - BEGIN < LIMIT, f"too slow: {safe.files} files, {safe.transaction} transactions")
        if time.monotonic() - said > 10:
            said = time.monotonic()
            say(f"  {safe.files} files synced, {safe.transaction} transactions committed")
        time.sleep(0.01)
    a.vm.kill()
    check(safe.files < len(files), "all was copied before the machine could be killed")
    say(f"{a.name} KILLED in the middle of it, without warning. Known to be safe: {safe.files} files synced, "
        f"{safe.transaction} transactions committed")
    return safe


def take_over(b):
    """The backup becomes the primary of view 2 and mounts what it has."""
    began = time.monotonic()
    b.set_view(2, b)
    out = b.vm.run(f"dumpe2fs -h {DEVICE} 2>/dev/null").out
    check("needs_recovery" in out, "the journal is clean: the kill was not in the middle of anything")
    b.vm.run(f"mount {DEVICE} {MOUNT}")
    say(f"{b.name} is the primary of view 2 and has mounted the disk (the journal was replayed), "
        f"{time.monotonic() - began:.1f} s after the kill")
    b.vm.run(f"umount {MOUNT}")
    fsck = b.vm.run(f"e2fsck -f -n {DEVICE}", check=False)
    check(fsck.rc == 0, f"e2fsck found damage:\n{fsck.out}")
    say("e2fsck -f finds no fault")
    b.vm.run(f"mount {DEVICE} {MOUNT}")


def check_files(b, files, safe):
    """Every synced file is there with its content."""
    out = b.vm.run(f"cd {MOUNT}/tree && find . -type f -print0 | xargs -0 sha256sum", timeout=120).out
    found = {}
    for line in out.splitlines():
        checksum, name = line.split(maxsplit=1)
        found[re.sub(r"^\*?\./", "", name)] = checksum
    bad = [name for name, checksum in files[:safe.files] if found.get(name) != checksum]
    for name in bad[:10]:
        say(f"  LOST: {name}: {'another content' if name in found else 'not there'}")
    say(f"{safe.files - len(bad)} of {safe.files} synced files are there with the right SHA-256 "
        f"(and {len(found) - safe.files + len(bad)} that nobody was promised)")
    return bad


def sql_query(b, query):
    """Answer of the database."""
    return b.vm.run(["sqlite3", f"{MOUNT}/ledger.db", query], timeout=60).out.strip()


def check_database(b, safe):
    """Every committed transaction is there, whole, and the database is sound."""
    sound = sql_query(b, "PRAGMA integrity_check;")
    check(sound == "ok", f"integrity_check: {sound}")
    rows = {}
    for line in sql_query(b, "SELECT id, amount, text FROM ledger ORDER BY id;").splitlines():
        number, amount, text = line.split("|")
        rows[int(number)] = (int(amount), text)
    bad = [n for n in range(1, safe.transaction + 1) if rows.get(n) != (n * 7, payload(n))]
    for n in bad[:10]:
        say(f"  LOST: transaction {n}: {'another content' if n in rows else 'not there'}")
    total = int(sql_query(b, "SELECT total FROM account;"))
    check(total == sum(amount for amount, _ in rows.values()), "half a transaction is there: the total is wrong")
    say(f"{safe.transaction - len(bad)} of {safe.transaction} committed transactions are there, integrity_check is "
        f"ok, no half transaction (and {len(rows) - safe.transaction + len(bad)} that nobody was promised)")
    return bad, len(rows)


def go_on(b, rows):
    """The new primary does not only hold the data, it works."""
    b.vm.push("/tmp/more.sql", transactions(rows + 1, 20))
    b.vm.run(f"sqlite3 {MOUNT}/ledger.db <<E\n.read /tmp/more.sql\nE")
    check(int(sql_query(b, "SELECT count(*) FROM ledger;")) == rows + 20, "new transactions got lost")
    b.vm.run(f"umount {MOUNT}")
    say(f"{b.name} has committed 20 more transactions, alone in its view")


def main():
    """The exit status."""
    say("collecting files")
    tar, files = collect()
    with pbtest.Pair(disks=[("data", "384M"), ("meta", "16M")], linked=False) as pair:
        a, b = pair.nodes
        say(f"two machines have booted Linux {a.vm.run('uname -r').out.strip()}, with dm-pb")
        until("sqlite3 in the machine", lambda: a.vm.run("command -v sqlite3 stdbuf", check=False).rc == 0, 1)
        set_up(pair)
        safe = run_load(a, b, tar, files)
        take_over(b)
        lost = check_files(b, files, safe)
        lost_rows, rows = check_database(b, safe)
        go_on(b, rows)
        pair.finish(equal=False)        # the first machine is dead
    good = not lost and not lost_rows
    print(f"demo: {'PASS' if good else 'FAIL'}: {safe.files} synced files and {safe.transaction} committed "
          f"transactions, {len(lost)} files and {len(lost_rows)} transactions lost when the primary died; "
          f"{time.monotonic() - BEGIN:.0f} s", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except pbtest.Skip as error:
        print(f"demo: SKIP: {error}")
        sys.exit(pbtest.SKIP)
    except (pbtest.Failure, pbtest.RigError) as error:
        print(f"demo: FAIL: {error}", flush=True)
        sys.exit(1)
