#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""'pbctl report': what is in it, and that no secret is.

A secret is planted wherever there may be one, each with a word of its own; then all that is in the file is
searched for those words. pbctl is over a module that is made up, see test_shown.py.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

from test_shown import Tool, build, point, results

PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
HOST = """# the admin's password is {comment}
// another one: {comment2}
/* and {comment3}
   {comment4} */
node = {{
    name = "alpha";  # {comment5}
    server = "https://admin:{url}@view.example.net:7402/{path}?token={query}";
    listen = ":7401"; ping_ms = 100;
    password = "{unknown}";
    pin = 4711{number};
    hooks = "/etc/dm-pb/hooks.d"; # kept
}};
{name} = true;
tls = {{ ca = "ca.pem"; certificate = "{certificate}"; key = "{inline}"; }};
store = "{store}";
@include "included.conf"
"""
VOLUME = """name = "db"; # {vcomment}
uuid = "6f1c3b8e-7d0a-4c1f-9f43-2b8a5e1d7c90";
replicas = ( {{ node = "alpha"; address = "10.0.0.1"; data = "/dev/vg0/db"; meta = "{meta}"; secret = "{vunknown}"; }},
             {{ node = "beta"; address = "10.0.0.2:7401"; data = "{nodata}"; }} );
keepalive_ms = 100; reads = "lease"; encrypt = {encrypt};
"""
DMSETUP = """#!/bin/sh
case "$*" in
*--showkeys*) echo "crypt {showkeys}" ;;
*"--target pb"*) echo "db: 0 2048 pb 2 /dev/sda /dev/sdb" ;;
*info*) echo "db:253:0" ;;
*) echo "home: 0 2048 crypt {crypt}" ;;
esac
"""
DMESG = """#!/bin/sh
echo "[ 1.000000] Command line: root=/dev/sda luks={cmdline}"
echo "[ 2.000000] device-mapper: pb: db: token={log} and {log2}"
echo "[ 3.000000] device-mapper: pb: db: is primary in view 7"
echo "[ 4.000000] audit: {audit}"
"""


class Secrets(dict):
    """A word for each place, made when it is asked for."""

    def __missing__(self, place):
        self[place] = f"S3cr-{len(self):02}-{place}-x"
        return self[place]

    def plant(self, text):
        """A text with its secrets."""
        return text.format_map(self)


def write(path, text, mode=0o600):
    """A file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def plant(where, secrets):
    """A directory of configuration, and programs, with a secret in each place."""
    config = os.path.join(where, "etc")
    write(f"{config}/pbviewd.conf", secrets.plant(HOST))
    write(f"{config}/included.conf", secrets.plant("operators = [ \"{included}\" ];"))
    write(f"{config}/ca.pem", "-----BEGIN CERTIFICATE-----\n")
    write(f"{config}/host.pem", "-----BEGIN CERTIFICATE-----\n")
    write(f"{config}/host.key", PEM.format(secrets["key"]))
    write(f"{config}/hooks.d/50-mount", secrets.plant("#!/bin/sh\necho {hook} | mount\n"), 0o700)
    write(f"{config}/volumes/db.conf", secrets.plant(VOLUME))
    write(f"{config}/volumes/.old.conf", secrets.plant("name = \"{hidden}\";"))
    write(f"{config}/volumes/db.conf.bak", secrets.plant("name = \"{backup}\";"))
    write(f"{config}/volumes/open.conf", secrets.plant('name = "open;\npassword = "{unterminated}";\nkey = {bare}'))
    write(f"{config}/volumes/pem.conf", "# a key:\n" + PEM.format(secrets["pasted"]) + 'name = "' +
          PEM.format(secrets["pasted2"]) + '";')
    write(f"{config}/volumes/odd.conf", secrets.plant('name = "a\\"b"; data = "/dev/{pathy} x"; node = "a {nodelike}";'
                                                      'listen = "{endpoint}/"; policy = "{policy}"; uuid = "{uuid}";'
                                                      'operators = ( "ok", {{ x = "{nested}"; }} ); 7 = "{digit}"; \x01{ctrl}'))
    os.symlink("../host.key", f"{config}/volumes/link.conf")
    write(f"{where}/bin/dmsetup", secrets.plant(DMSETUP), 0o700)
    write(f"{where}/bin/dmesg", secrets.plant(DMESG), 0o700)
    return config


def says(secrets):
    """Why a connection ended."""
    return secrets.plant("https://u:{says}@x/ password: {says2}")


def unpack(path):
    """{name: text} of a report, and its top directory."""
    files, tops, odd = {}, set(), []
    with tarfile.open(path, "r:gz") as tar:
        for member in tar.getmembers():
            top, _, name = member.name.partition("/")
            tops.add(top)
            if member.isfile():
                files[name] = tar.extractfile(member).read().decode("utf-8", "replace")
            elif not member.isdir():
                odd.append(member.name)
            if member.uid or member.gid or member.name.startswith("/") or ".." in member.name:
                odd.append(member.name)
    return files, tops, odd


def make(tool, where, config, more, secrets):
    """A report."""
    out = os.path.join(where, "report.tar.gz")
    done = tool.run("db,a-volume-cut-off", "report", "-o", out, "--config", config, more={
        "PATH": f"{where}/bin:{os.environ['PATH']}", "DB_PASSWORD": secrets["environment"], "PB_SAYS": says(secrets),
        "TMPDIR": os.path.join(where, "tmp"), **more})
    point("it is written, and its name is printed", done.returncode == 0 and done.stdout == out + "\n", done)
    point("nobody else may read it", os.stat(out).st_mode & 0o777 == 0o600, oct(os.stat(out).st_mode))
    point("no working directory is left", not os.listdir(os.path.join(where, "tmp")))
    return unpack(out)


def judge(files, tops, odd, secrets):
    """What is in it, and what is not."""
    point("one top directory with host and time", len(tops) == 1 and
          re.fullmatch(r"dm-pb-report-\S+-\d{8}T\d{6}Z", next(iter(tops))), tops)
    point("only files, of nobody", not odd, odd)
    want = {"version", "module.json", "status", "status.json", "events.json", "dmsetup-table", "dmsetup-status",
            "dmsetup-info", "kernel-log", "host/uname", "host/os-release", "host/diskstats", "config/files",
            "config/pbviewd.conf", "config/volumes/db.conf"}
    point("all parts are there", want <= set(files), want - set(files))
    found = sorted(f"{place} in {name}" for place, secret in secrets.items() for name, text in files.items()
                   if secret in text or secret.removeprefix("S3cr-")[3:] in text)
    point(f"none of {len(secrets)} secrets is in it", len(secrets) > 35 and not found, "\n".join(found))
    point("no private key", not any("PRIVATE" in text for text in files.values()))
    volumes = json.loads(files["status.json"])
    point("status", [v["dm_name"] for v in volumes] == ["db", "a-volume-cut-off"] and "9.8.7" in files["module.json"] and
          "! no link to beta" in files["status"] and "counters" in files["status"], files["status"])
    point("events", [json.loads(line)["type"] for line in files["events.json"].splitlines()] ==
          ["link-down", "view", "disk-error"], files["events.json"])
    point("device-mapper's table, of our target only", files["dmsetup-table"].startswith("db: 0 2048 pb") and
          "crypt" not in files["dmsetup-table"], files["dmsetup-table"])
    point("the kernel's messages, ours only", "primary in view 7" in files["kernel-log"] and
          files["kernel-log"].count("\n") == 2, files["kernel-log"])
    host = files["config/pbviewd.conf"]
    point("harmless settings are there", all(text in host for text in (
        'name = "alpha"', "ping_ms = 100", 'listen = ":7401"', "view.example.net:7402", 'ca = "ca.pem"')), host)
    volume = files["config/volumes/db.conf"]
    point("and those of volumes", all(text in volume for text in (
        'uuid = "6f1c3b8e-7d0a-4c1f-9f43-2b8a5e1d7c90"', 'address = "10.0.0.2:7401"', 'data = "/dev/vg0/db"',
        "keepalive_ms = 100", 'reads = "lease"')), volume)
    point("files of the configuration are listed", "host.key" in files["config/files"] and "100600" in
          files["config/files"], files["config/files"])
    point("a configuration with mistakes is said to be one", "pbviewd --check" in files["config/mistakes"])


def sound(tool, where):
    """With a configuration that is in order: metadata, and that the server does not answer."""
    config = os.path.join(where, "good")
    write(f"{config}/pbviewd.conf", 'node = { name = "alpha"; server = "https://127.0.0.1:1"; };\n')
    write(f"{config}/volumes/db.conf", 'name = "db"; uuid = "6f1c3b8e-7d0a-4c1f-9f43-2b8a5e1d7c90"; replicas = ('
          f'{{ node = "alpha"; address = "a"; data = "/dev/null"; meta = "{where}/meta"; }});\n')
    with open(f"{where}/meta", "wb") as f:
        f.truncate(8 << 20)
    before = os.stat(f"{where}/meta")
    out = os.path.join(where, "sound.tar.gz")
    done = tool.run("db", "report", "-o", out, "--config", config)
    files = unpack(out)[0] if done.returncode == 0 else {}
    point("metadata of this host's replicas is dumped", "no superblock" in files.get("metadata/db.json", ""), done)
    point("and not written", os.stat(f"{where}/meta").st_mtime_ns == before.st_mtime_ns)
    point("the server is asked, and that it does not answer is in it",
          "exit status 1" in files.get("server-volumes.json", "") and "history/db.json" not in files, files.keys())


def interrupted(tool, where):
    """Ctrl-C leaves nothing behind."""
    out = os.path.join(where, "never.tar.gz")
    tmp = os.path.join(where, "tmp")
    proc = subprocess.Popen([tool.program, "report", "-o", out], env=tool.env("db", {"TMPDIR": tmp}),
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not os.listdir(tmp) and proc.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    proc.send_signal(signal.SIGINT)
    text = proc.communicate(timeout=60)[1]
    point("interrupted: nothing is left", proc.returncode == 1 and text == "pbctl: interrupted\n" and
          not os.path.exists(out) and not os.listdir(tmp), text)


def hanging(tool, where):
    """A program that hangs does not hang the report."""
    write(f"{where}/slow/dmsetup", "#!/bin/sh\nexec sleep 1000\n", 0o700)
    out = os.path.join(where, "slow.tar.gz")
    proc = subprocess.run([tool.program, "report", "-o", out], check=False, timeout=120, stdout=subprocess.PIPE,
                          env=tool.env("db", {"PATH": f"{where}/slow:{os.environ['PATH']}"}))
    files = unpack(out)[0] if proc.returncode == 0 else {}
    point("what hangs is said to", "longer than 15 s" in files.get("dmsetup-table", "") and "status.json" in files, proc)


def main():
    """All of it."""
    print("TAP version 13")
    with tempfile.TemporaryDirectory(prefix="pb-report-test-") as tmp:
        tool = Tool(build(os.path.join(tmp, "build")))
        os.mkdir(os.path.join(tmp, "tmp"))
        secrets = Secrets()
        config = plant(tmp, secrets)
        judge(*make(tool, tmp, config, {}, secrets), secrets)
        sound(tool, tmp)
        interrupted(tool, tmp)
        if os.environ.get("PB_LONG") == "1":
            hanging(tool, tmp)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
