#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Strangers: who has no certificate, or a wrong one, or one of somebody else, gets nothing, and it is logged.

attack.py on the view server's machine is the stranger. Of each attack the test looks at three
things: that it was refused, the one line about it in the daemon's log, and that the kernel has heard
nothing of it.
"""

import contextlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import uuid

from cluster import CONFIG, DEVICE, VOLUME, Authority, run
from pbtest import HERE, SLOW, RigError, check, until

ATTACK = os.path.join(HERE, "attack.py")
PLACE = "/tmp/attack"
NODE_PORT, SERVER_PORT, PROXY_PORT = 7401, 7402, 7777
PROBE, LINK = 1, 2
ALPN = "dm-pb/1"
MARK = 0xd7
MARKED = 4 << 20
UNKNOWN = str(uuid.uuid4())


# Who attacks, and with what.

def self_signed(name):
    """(certificate, key) that nobody else has signed."""
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                               "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "30",
                               "-keyout", "key", "-out", "pem"], cwd=tmp, capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"openssl: {done.stderr}")
        with open(os.path.join(tmp, "pem"), "rb") as pem, open(os.path.join(tmp, "key"), "rb") as key:
            return pem.read(), key.read()


def arm(cluster):
    """Put the tool and the certificates on the stranger's machine."""
    with contextlib.closing(Authority()) as other:
        pairs = {"self": self_signed("alpha"), "other": other.issue("alpha"),
                 "gamma": cluster.authority.issue("gamma"),
                 "alpha": cluster.certificate("alpha", None), "beta": cluster.certificate("beta", None),
                 "expired": cluster.authority.issue("alpha", end="20210101000000Z")}
    for name, (certificate, key) in pairs.items():
        cluster.server.push(f"{PLACE}/{name}.pem", certificate, 0o600)
        cluster.server.push(f"{PLACE}/{name}.key", key, 0o600)
    with open(ATTACK, "rb") as f:
        cluster.server.push(f"{PLACE}/attack.py", f.read(), 0o755)


def strike(cluster, attacks):
    """Do them all on the view server's machine; what came of each."""
    lines = "".join(json.dumps(a) + "\n" for a in attacks)
    out = cluster.server.run(f"cd {PLACE} && exec python3 attack.py tries", 120, input=lines).out
    found = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    check(len(found) == len(attacks), f"the attack itself failed: {out}")
    return found


def node_attacks(cluster):
    """[(what, attack, what the log says, what the stranger is told or None)] against a backup's daemon."""
    primary = cluster.nodes[0].status()
    view = primary["view"]["number"]

    def offer(node, kind=LINK, view=view, volume=cluster.volume, replica=primary["replica"]):
        """As pbviewd makes it (link.h); by default the very one of the primary."""
        return struct.pack("<4sIIIQ16s16s32s", b"PBVO", 1, kind, 0, view, uuid.UUID(volume).bytes,
                           uuid.UUID(replica).bytes, node.encode()).hex()

    def tls(cert, data, alpn=ALPN, **more):
        return {"tls": True, "cert": cert, "bytes": data, "alpn": alpn, **more}

    def clear(data):
        return {"tls": False, "bytes": data}

    real = offer("alpha")
    hello = (b"PBW1\x01" + bytes(250)).hex()
    untrusted = r"the certificate of alpha is not signed by an authority in \S*ca\.pem"
    return [
        ("no certificate", tls(None, real), "showed no certificate", None),
        ("a self-signed certificate", tls("self", real), untrusted, None),
        ("another authority's", tls("other", real), untrusted, None),
        ("an expired one", tls("expired", real), "the certificate of alpha has expired", None),
        ("a node that says it is another one", tls("gamma", real), "it is gamma, not alpha", "it is gamma"),
        ("a node without a replica", tls("gamma", offer("gamma")), "vol has no replica on node gamma",
         "no replica"),
        ("the same, a probe", tls("gamma", offer("gamma", PROBE)), "vol has no replica on node gamma",
         "no replica"),
        ("another volume", tls("alpha", offer("alpha", volume=UNKNOWN)),
         "node beta has no replica of this volume", "no replica"),
        ("a replica that is not the primary's", tls("alpha", offer("alpha", replica=UNKNOWN)),
         f"not the primary of view {view}", "not the primary"),
        ("a member that is not the primary", tls("beta", offer("beta")), f"not the primary of view {view}",
         "not the primary"),
        ("another view", tls("alpha", offer("alpha", view=view + 1)), f"not backup in view {view + 1}",
         "not backup"),
        ("another protocol in TLS", tls("alpha", real, alpn="http/1.1"), "TLS with .* failed", None),
        ("no protocol named in TLS", tls("alpha", real, alpn=None), "TLS with .* failed", None),
        ("an older TLS", tls("alpha", real, old=True), "TLS with .* failed", None),
        ("a hello of the kernels' in TLS", tls("alpha", hello), "what speaks there is not pbviewd", "not pbviewd"),
        ("an offer in clear", clear(real), "vol is encrypted", "vol is encrypted"),
        ("a hello of the kernels' in clear", clear(hello), "what speaks there is not pbviewd", "not pbviewd"),
        ("nothing that makes sense", clear(b"GET / HTTP/1.0\r\n\r\n".hex() * 8), "what speaks there is not pbviewd", None),
        ("a broken TLS record", clear("1603010005" + "ff" * 100), "TLS with .* failed", None),
    ]


def expect_line(what, cluster, job, port, pattern):
    """One line of a daemon about a connection of the stranger's, and not two."""
    whose = f"from {cluster.server.ip}:{port} refused: "
    until(f"{what}: a line in the log", lambda: whose in job.output(), 10)
    lines = [line for line in job.output().splitlines() if whose in line]
    check(len(lines) == 1 and re.search(pattern, lines[0]), f"{what}: not one line with {pattern!r}: {lines}")


def attack_node(cluster, node, attacks):
    """All of them, each refused with a line of its own."""
    for (what, _, line, told), found in zip(attacks, strike(cluster, [
            {**attack, "to": [node.vm.ip, NODE_PORT]} for _, attack, _, _ in attacks])):
        expect_line(what, cluster, node.daemon, found["port"], line)
        check(found["error"] != "it keeps the connection", f"{what}: the connection was kept")
        text = bytes.fromhex(found["got"])
        check(told is None or told.encode() in text, f"{what}: was told {text}")
        # A reply with status 0 would have let it in.
        check(text[:4] != b"PBVR" or struct.unpack_from("<I", text, 8)[0], f"{what}: was let in: {text}")


def heard(node):
    """What the kernel of a node has taken from sockets, and how often it was given one."""
    status = node.status()
    counters = {k: v for k, v in status["counters"].items() if k.startswith("rx_")}
    return counters, node.link()["connects"], node.link()["state"]


# The tests.

def test_node_serving(cluster):
    """strangers at a backup's daemon: each refused and logged; the volume serves on over the connection it has"""
    a, b = cluster.nodes[:2]
    arm(cluster)
    before, refused = cluster.view(), b.counter("rx_refused")
    connects = [n.link()["connects"] for n in (a, b)]
    writer = cluster.writer(a, threads=2, pause_us=20000)
    writer.wait_acks(50)
    attack_node(cluster, b, node_attacks(cluster))
    writer.wait_acks(writer.acks + 100)
    writer.stop()
    check([n.link()["connects"] for n in (a, b)] == connects, f"another connection: {a.link()} {b.link()}")
    check(b.counter("rx_refused") == refused, "the kernel refused something: it was told")
    check(cluster.view() == before, f"view {before} became {cluster.view()}")
    cluster.check_equal(a, b)


def record(cluster, a, b):
    """A whole session of the primary with its backup, recorded on the way; the file's path."""
    proxy = cluster.server.spawn(f"exec python3 {PLACE}/attack.py proxy {PROXY_PORT} {b.vm.ip} {NODE_PORT} {PLACE}/session")
    proxy.wait_output("ready")
    a.kill_daemon()
    path = f"{CONFIG}/volumes/{VOLUME}.conf"
    a.vm.run(f"""sed -i '/"{b.name}"/s/address = "[^"]*"/address = "{cluster.server.ip}:{PROXY_PORT}"/' {path}""")
    a.start_daemon()
    mark = b.mark()
    a.pbctl("disconnect", VOLUME)
    b.wait_event("link-up", mark)
    check(a.write_errno() is None, "no write over it")
    until("a session on record", lambda: int(cluster.server.run(
        f"cat {PLACE}/session.* | wc -c").out) > 4096)
    # Probes are there too: the session is the longest.
    name = cluster.server.run(f"ls -S {PLACE}/session.* | head -n 1").out.strip()
    return proxy, name


def test_node_silent(cluster):
    """the same, and a recorded session again, while there is no connection: not a byte gets to the kernel"""
    a, b = cluster.nodes[:2]
    arm(cluster)
    proxy, session = record(cluster, a, b)
    attacks = node_attacks(cluster)
    attacks.append(("a session said again", {"tls": False, "file": session}, "TLS with .* failed", None))
    # Nobody makes another view now, and nobody another connection.
    cluster.kill_server()
    a.kill_daemon()
    a.pbctl("disconnect", VOLUME)
    proxy.kill()
    until("no connection", lambda: b.link()["state"] == "down")
    before = heard(b)
    check(before[0]["rx_bytes"] > 0, f"the counters are not what is looked for: {before}")
    attack_node(cluster, b, attacks)
    check(heard(b) == before, f"the kernel has heard something: {before} {heard(b)}")
    # As it was, and the real primary is let in.
    cluster.configure(a.vm, a.name)
    a.start_daemon()
    cluster.start_server()
    until("the real one is connected", lambda: b.link()["state"] == "up")
    check(heard(b)[0]["rx_bytes"] > before[0]["rx_bytes"], "nothing is heard of the real one either")


def report(cluster, node, volume=None):
    """A ping that says that its replica failed: it would be left out of the view."""
    return json.dumps({"node": node, "seq": 1 << 62, "volumes": [
        {"volume": volume or cluster.volume, "replica": str(uuid.uuid4()), "incarnation": "0000000000ff0000",
         "view": 1, "disk_view": 1, "state": "synced", "stands": False, "backup_synced": False,
         "backup_unreachable": True, "failed": True, "reaches": [], "sync_total": 0, "sync_left": 0,
         "reason": ""}]})


def server_attacks(cluster):
    """[(what, attack, status, what the log says)] against the view server."""
    def request(cert, method, path, body=None):
        return {"tls": True, "cert": cert, "method": method, "path": path, "body": body}

    volume = f"/v1/volumes/{VOLUME}"
    to_beta = json.dumps({"node": "beta"})
    untrusted = r"the certificate of alpha is not signed by an authority in \S*ca\.pem"
    nobody = "of vol with the certificate of gamma, which is neither one of its nodes nor an operator"
    found = [
        ("no certificate", request(None, "GET", volume), 401, "it showed no certificate"),
        ("a self-signed one", request("self", "POST", "/v1/ping", report(cluster, "alpha")), 401, untrusted),
        ("an expired one", request("expired", "POST", "/v1/ping", report(cluster, "alpha")), 401,
         "the certificate of alpha has expired"),
        ("another authority's", request("other", "POST", f"{volume}/switch", to_beta), 401, untrusted),
        ("a command without a certificate", request(None, "POST", f"{volume}/switch", to_beta), 401,
         "it showed no certificate"),
        ("a ping for another node", request("beta", "POST", "/v1/ping", report(cluster, "alpha")), 403,
         "a ping for node alpha with the certificate of beta"),
        ("a ping for a node of the volume by none", request("gamma", "POST", "/v1/ping", report(cluster, "beta")), 403,
         "a ping for node beta with the certificate of gamma"),
        ("waiting for another node's news", request("gamma", "POST", "/v1/wait", json.dumps({"node": "beta", "known": 0})),
         403, "a wait for node beta with the certificate of gamma"),
        ("a ping for a volume that it has no replica of", request("gamma", "POST", "/v1/ping", report(cluster, "gamma")),
         200, "node gamma has no replica of the volume that it told of"),
        ("a ping for an unknown volume", request("beta", "POST", "/v1/ping", report(cluster, "beta", UNKNOWN)), 200,
         "node beta has no replica of the volume that it told of"),
    ]
    for command in ("switch", "evict", "add", "force-data-may-be-lost"):
        found.append((f"{command} by a stranger", request("gamma", "POST", f"{volume}/{command}", to_beta), 403,
                      f"{command} {nobody}"))
    return found


def test_server(cluster):
    """strangers at the view server: no certificate no answer, a node speaks for itself, commands are for the volume's"""
    a = cluster.nodes[0]
    arm(cluster)
    before, nodes = cluster.view(), [n["replica"] for n in cluster.state()["nodes"]]
    writer = cluster.writer(a, threads=2, pause_us=20000)
    writer.wait_acks(50)
    attacks = server_attacks(cluster)
    allowed = [{"tls": False, "method": "GET", "path": "/v1/volumes"},
               {"tls": True, "cert": "gamma", "method": "GET", "path": f"/v1/volumes/{VOLUME}"},
               {"tls": True, "cert": "gamma", "method": "DELETE", "path": f"/v1/volumes/{VOLUME}"}]
    *all_found, plain, read, again = strike(cluster, [
        {**attack, "to": [cluster.server.ip, SERVER_PORT]} for attack in [a[1] for a in attacks] + allowed])
    for (what, _, status, line), found in zip(attacks, all_found):
        check(found["status"] == status, f"{what}: {found}")
        check(status != 200 or json.loads(found["body"])["volumes"][0]["verdict"] == "not-yours", f"{what}: {found}")
        expect_line(what, cluster, cluster.serving, found["port"], line)
    check(plain["status"] == 0, f"an answer in clear: {plain}")
    check(read["status"] == 200 and json.loads(read["body"])["uuid"] == cluster.volume, f"reading: {read}")
    check(again["status"] == 405, f"DELETE: {again}")
    check(cluster.view() == before, f"view {before} became {cluster.view()}")
    check([n["replica"] for n in cluster.state()["nodes"]] == nodes, f"a ping counted: {cluster.state()}")
    writer.wait_acks(writer.acks + 100)
    writer.stop()


def connect_again(a, b):
    """A new connection, by the daemons that there are now."""
    marks = a.mark(), b.mark()
    a.pbctl("disconnect", VOLUME)
    for node, mark in zip((a, b), marks):
        node.wait_event("link-up", mark)


def watched(a, b):
    """Make a connection and write a pattern, with somebody on the way: what was seen."""
    words = [bytes([MARK]) * 32, b"PBVO", b"PBW1", b'"incarnation"']
    watch = b.vm.spawn(f"exec python3 {PLACE}/attack.py watch eth0 {' '.join(w.hex() for w in words)}", stdin=True)
    watch.wait_output("ready")
    connect_again(a, b)
    a.vm.run(f"dd if=/dev/zero bs=64k count={MARKED >> 16} | tr '\\0' '\\{MARK:o}' | "
             f"dd of={DEVICE} bs=64k iflag=fullblock oflag=direct")
    with open(b.vm.disk_path("data"), "rb") as f:
        check(f.read(MARKED) == bytes([MARK]) * MARKED, "the pattern is not on the backup's disk")
    watch.send(b"")
    watch.wait(60)
    seen = json.loads(watch.output().splitlines()[-1])
    check(not seen["dropped"] and seen["bytes"] > MARKED, f"not all was seen: {seen}")
    return dict(zip(("data", "offer", "message", "ping"), seen["seen"]))


def test_wire(cluster):
    """what is written is not on the wire, nor is any word of the daemons or kernels; with encrypt = false it is"""
    a, b = cluster.nodes[:2]
    for node in (a, b):
        with open(ATTACK, "rb") as f:
            node.vm.push(f"{PLACE}/attack.py", f.read(), 0o755)
    seen = watched(a, b)
    check(not any(seen.values()), f"in clear on the wire: {seen}")
    settings = cluster.settings
    try:
        cluster.set_volume(settings + "encrypt = false;")
        seen = watched(a, b)
        check(seen["data"] and seen["offer"] and seen["message"] and not seen["ping"],
              f"the capture does not show what must be there: {seen}")
    finally:
        cluster.set_volume(settings)
    # The connection in clear has stayed.
    connect_again(a, b)
    seen = watched(a, b)
    check(not any(seen.values()), f"in clear on the wire, encrypted again: {seen}")


if __name__ == "__main__":
    # No view is to change here, however long a stranger or a daemon that is begun anew takes.
    sys.exit(run([test_node_serving, test_server, test_wire, test_node_silent], dead_after=120000 * SLOW, ping=1000,
                 volume=f"timeout_ms = {20000 * SLOW};"))
