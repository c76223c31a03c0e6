#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a person sees of pbctl, over a module that is made up (fake_module.c): status, top, events.

All of pbctl is the real one, built with sanitizers; only the ioctls and the names of devices are not.
"""

import fcntl
import glob
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
WRAPPED = ("pb_ctl_open", "pb_ctl_close", "pb_ctl_list", "pb_ctl_status", "pb_ctl_next_event", "pb_dm_find",
           "pb_dm_name")
PATIENCE = 30
LEAVE = b"\033[?1049l"
results = []


def point(text, good, detail=""):
    """A result."""
    results.append(bool(good))
    print(f"{'ok' if good else 'not ok'} {len(results)} - {text}", flush=True)
    if not good:
        for line in str(detail).splitlines()[:30]:
            print(f"# {line}")


def build(where):
    """pbctl over the module that is made up."""
    subprocess.run(["make", "-s", "-C", os.path.join(TOP, "userspace"), f"O={where}", "SANITIZE=1",
                    f"{where}/pbctl"], check=True, stdout=sys.stderr)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "devmapper", "json-c", "blkid", "uuid", "libconfig",
                            "libcurl", "gnutls"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    program = os.path.join(where, "shown")
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-D_GNU_SOURCE",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                    f"-I{TOP}/userspace/lib", f"-I{TOP}/kmod", "-o", program, os.path.join(HERE, "fake_module.c"),
                    *sorted(glob.glob(f"{where}/obj/pbctl/*.o")), f"{where}/libpb.a", *flags,
                    *[f"-Wl,--wrap={name}" for name in WRAPPED]], check=True)
    return program


class Tool:
    """The program, and a world for it."""

    def __init__(self, program):
        self.program = program

    def env(self, world, more=None):
        """The environment of a world."""
        env = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(more or {})}
        env.pop("PB_WORLD", None)
        return env if world is None else {**env, "PB_WORLD": world}

    def run(self, world, *args, more=None):
        """Run it to its end."""
        return subprocess.run([self.program, *args], env=self.env(world, more), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False,
                              encoding="utf-8")


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, tool, world, *args, size=(24, 100), more=None):
        self.master, self.slave = pty.openpty()
        self.resize(size)
        self.before = termios.tcgetattr(self.slave)
        self.text = b""
        self.proc = subprocess.Popen([tool.program, *args], env=tool.env(world, more), stdin=self.slave,
                                     stdout=self.slave, stderr=self.slave, start_new_session=True)

    def resize(self, size):
        """Give the terminal another size."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def wait_for(self, pattern, since=0):
        """Read until a pattern is there; returns what was read from @since on."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text[since:]):
            if time.monotonic() > end or not self.read(0.2) and self.proc.poll() is not None:
                return b""
        return self.text[since:]

    def read(self, seconds):
        """What comes within some time."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.text += os.read(self.master, 65536)
        return True

    def end(self):
        """Wait for its end; its status."""
        status = self.proc.wait(PATIENCE)
        while self.read(0.1):
            pass
        return status

    def is_restored(self):
        """Is the terminal as it was before?"""
        now = termios.tcgetattr(self.slave)
        return now == self.before and self.text.count(LEAVE) == self.text.count(b"\033[?1049h") > 0

    def close(self):
        """End it."""
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        os.close(self.master)
        os.close(self.slave)


def status_table(tool):
    """Without a name: a line for each volume, in columns."""
    done = tool.run("db,web,a-volume-cut-off,old", "status")
    lines = done.stdout.splitlines()
    rows = [line for line in lines if not line.startswith("  ! ")]
    titles = ["VOLUME", "ROLE", "COPY", "VIEW", "PEER", "LINK", "RESYNC", "SIZE", "UNDER WAY", "HELD", "OLDEST"]
    point("status: titles", done.returncode == 0 and re.split(r"  +", rows[0]) == titles, done)
    point("status: a line for each volume", [re.split(r"  +", row)[0] for row in rows[1:]] ==
          ["db", "web", "a-volume-cut-off", "old"], done.stdout)
    left = [rows[0].index(title) for title in ("ROLE", "COPY", "PEER", "LINK")]
    point("status: columns are below each other", all(row[at - 2:at] == "  " and row[at] != " "
                                                      for row in rows[1:] for at in left), done.stdout)
    point("status: one screen", max(map(len, rows)) <= 120, done.stdout)
    first = lines.index(rows[1])
    point("status: a healthy volume has no advice", lines[first + 1] == rows[2], done.stdout)
    cut = lines.index(rows[3])
    point("status: advice is below its volume", lines[cut + 1].startswith("  ! no link to beta"), done.stdout)
    point("status: a resync has its part and what is left",
          "75.0 %" in rows[2] and "25 s left" in lines[lines.index(rows[2]) + 1], done.stdout)
    point("status: who lost its place is told", any("no place for this replica" in line for line in lines), done.stdout)
    done = tool.run("", "status")
    point("status: no volume", done.stdout == "no volumes: 'pbctl create' sets one up\n", done)
    done = tool.run("db", "status", "nobody")
    point("status: an unknown one", done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1, done)


def status_detail(tool):
    """With a name: all about it; JSON in any case."""
    done = tool.run("db,web", "status", "web")
    point("status NAME: all about it", done.stdout.startswith("web: primary, synced, view 7, link up\n") and
          "  transfer    copying, 75.0 %" in done.stdout and "db:" not in done.stdout, done)
    done = tool.run("db,web", "status", "-v")
    point("status -v: counters of all", done.stdout.count("  counters\n") == 2, done)
    volumes = json.loads(tool.run("db,a-volume-cut-off", "status", "--json").stdout)
    point("status --json", [v["dm_name"] for v in volumes] == ["db", "a-volume-cut-off"] and not volumes[0]["advice"]
          and volumes[1]["advice"][0].startswith("no link to beta"), volumes)


def status_daemon(tool):
    """Where pbviewd is set up, advice is not to be followed by hand."""
    with tempfile.TemporaryDirectory(prefix="pb-shown-") as tmp:
        before = tool.run("a-volume-cut-off", "status", "--config", tmp).stdout
        with open(os.path.join(tmp, "pbviewd.conf"), "w", encoding="ascii"):
            pass
        after = tool.run("a-volume-cut-off", "status", "--config", tmp).stdout
        point("status: pbviewd is mentioned where it is set up", "pbviewd" not in before and
              after.startswith(before) and "leave 'pbctl view set', 'listen' and 'connect' to it" in after, after)
        well = tool.run("db", "status", "--config", tmp).stdout
        volumes = tool.run("a-volume-cut-off", "status", "--json", "--config", tmp).stdout
        point("status: not if all is well, and not in JSON", "pbviewd" not in well and json.loads(volumes), well)


def events(tool):
    """An object a line, with the members that the manual has."""
    done = tool.run("db", "events", "--json", "--count", "3")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    point("events --json: an object a line", done.returncode == 0 and [e["type"] for e in lines] ==
          ["link-down", "view", "disk-error"], done)
    with open(os.path.join(TOP, "Documentation", "pbctl.8"), encoding="utf-8") as f:
        page = f.read()
    section = page[page.index(".SS events\n"):page.index(".SS top\n")]
    shown = set(re.findall(r"^\.TP\n\.(?:I|IR) (.*)$", section, re.M))
    members = {name for line in shown for name in re.findall(r"[a-z_]+", line)}
    point("events --json: the members are those in the manual", lines and all(set(e) == members for e in lines),
          f"manual {sorted(members)}\nprinted {sorted(lines[0]) if lines else done}")
    point("events --json: values", [lines[0].get(k) for k in ("seq", "time_ns", "view", "dm_name", "error", "peer")] ==
          [41, 1700000000123000000, 7, "db", 0, "22222222-2222-2222-2222-222222222222"] and
          lines[1].get("lost") == 2 and lines[2].get("error") == 5 and lines[0]["text"] == 'say "hello"?', lines)
    done = tool.run("db", "events", "--count", "3")
    point("events: a line for each", done.stdout.splitlines()[0] ==
          "2023-11-14T22:13:20.123 db link-down (view 7) peer 22222222-2222-2222-2222-222222222222: say \"hello\"?"
          and "[2 events before this one were lost]" in done.stdout, done)
    done = tool.run("db", "events", "--json", "--count", "4", "--timeout", "0.2")
    point("events: fewer than asked for is a failure", done.returncode == 1 and done.stdout.count("\n") == 3 and
          "3 of 4 events" in done.stderr, done)


def top_lines(tool):
    """top without a terminal: plain lines."""
    done = tool.run("db,web", "top", "--interval", "0.1", "--count", "3")
    lines = done.stdout.splitlines()
    point("top: titles, and a line for each volume and look", done.returncode == 0 and len(lines) == 7 and
          re.match(r"TIME +VOLUME  ROLE", lines[0]) and [line.split()[1] for line in lines[1:]] == ["db", "web"] * 3, done)
    point("top: no escape, no bar", "\033" not in done.stdout and done.stdout.isascii(), done)
    title = lines[0].split()
    rates = [float(line.split()[title.index("WRITE/S")]) for line in lines[1:]]
    point("top: writes a second", all(rate > 100 for rate in rates), done.stdout)
    point("top: a resync's part", "75.0 %" in lines[2] and "75.0 %" not in lines[1], done.stdout)
    done = tool.run("", "top", "--interval", "0.1", "--count", "1")
    point("top: no volume", done.returncode == 0 and done.stdout.rstrip().endswith("no volumes"), done)
    done = tool.run("db", "top", "nobody", "--count", "1")
    point("top: an unknown one", done.returncode == 1 and "nobody" in done.stderr, done)


def top_ends(tool):
    """The terminal is as before, however it ends."""
    for name, how in (("q", lambda t: os.write(t.master, b"xq")), ("SIGINT", lambda t: t.proc.send_signal(signal.SIGINT)),
                      ("SIGTERM", lambda t: t.proc.send_signal(signal.SIGTERM)),
                      ("SIGHUP", lambda t: t.proc.send_signal(signal.SIGHUP))):
        term = Terminal(tool, "db,web", "top", "--interval", "0.1")
        text = term.wait_for("█".encode())
        raw = termios.tcgetattr(term.slave) != term.before
        how(term)
        status = term.end()
        point(f"top: ends with {name}, and the terminal is as before", text and raw and status == 0 and
              term.is_restored(), f"status {status} {term.text[-300:]}")
        term.close()
    term = Terminal(tool, "db", "top", "--interval", "0.1", "--count", "2")
    point("top: ends after --count", term.end() == 0 and term.is_restored(), term.text[-300:])
    term.close()


def top_screen(tool):
    """The screen: stopping, another size, ASCII."""
    term = Terminal(tool, "db,web", "top", "--interval", "0.1")
    term.wait_for("█".encode())
    term.proc.send_signal(signal.SIGTSTP)
    os.waitpid(term.proc.pid, os.WUNTRACED)
    while term.read(0.1):
        pass
    stopped, mark = term.is_restored(), len(term.text)
    term.proc.send_signal(signal.SIGCONT)
    again = term.wait_for(rb"\033\[\?1049h(.|\n)*VOLUME", mark)
    point("top: Ctrl-Z gives the terminal back, and it goes on", stopped and again, term.text[-300:])
    mark = len(term.text)
    term.resize((5, 40))
    more = term.wait_for(rb"and 1 more", mark)
    point("top: a small window shows what fits", more, term.text[-300:])
    term.close()
    for what, more, args in (("--ascii", None, ["--ascii"]), ("a locale that is not UTF-8", {"LC_ALL": "C"}, [])):
        term = Terminal(tool, "db", "top", "--interval", "0.1", "--count", "4", *args, more=more)
        status = term.end()
        point(f"top: {what}: bars of ASCII", status == 0 and term.text.isascii() and b"#" in term.text, term.text[-300:])
        term.close()


def main():
    """All of it."""
    print("TAP version 13")
    with tempfile.TemporaryDirectory(prefix="pb-shown-") as tmp:
        tool = Tool(build(tmp))
        for part in (status_table, status_detail, status_daemon, events, top_lines, top_ends, top_screen):
            part(tool)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
