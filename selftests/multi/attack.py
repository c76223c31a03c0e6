#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Somebody on the network who wants what is not his. Runs in a guest.

  attack.py tries		reads attacks from stdin, a JSON object a line, and says what came of each
  attack.py proxy PORT HOST PORT FILE	carries connections, and records in FILE what comes from who connects
  attack.py watch DEVICE WORD...	counts frames with each of the words (hex) until its stdin ends
"""

import http.client
import json
import os
import select
import socket
import ssl
import struct
import sys
import threading

TIMEOUT = 30
SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE, ETH_P_ALL = 263, 6, 33, 3


def context(attack):
    """TLS as the attack wants it; the other side's certificate does not matter to it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    if attack.get("alpn"):
        tls.set_alpn_protocols([attack["alpn"]])
    if attack.get("old"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
    if attack.get("cert"):
        tls.load_cert_chain(attack["cert"] + ".pem", attack["cert"] + ".key")
    return tls


def say(attack):
    """Connect, say the bytes, and hear what comes until the other side closes."""
    got, error = b"", ""
    with socket.create_connection(attack["to"], TIMEOUT) as sock:
        port = sock.getsockname()[1]
        try:
            if attack["tls"]:
                sock = context(attack).wrap_socket(sock)
            if "file" in attack:
                with open(attack["file"], "rb") as f:
                    sock.sendall(f.read())
            else:
                sock.sendall(bytes.fromhex(attack["bytes"]))
            while True:
                data = sock.recv(65536)
                if not data:
                    break
                got += data
        except socket.timeout:
            error = "it keeps the connection"
        except OSError as err:      # a TLS alert and a reset among them
            error = str(err)
    return {"port": port, "got": got.hex(), "error": error}


def ask(attack):
    """A request to the view server."""
    if attack["tls"]:
        conn = http.client.HTTPSConnection(*attack["to"], timeout=TIMEOUT, context=context(attack))
    else:
        conn = http.client.HTTPConnection(*attack["to"], timeout=TIMEOUT)
    port = 0
    try:
        conn.connect()
        port = conn.sock.getsockname()[1]
        conn.request(attack["method"], attack["path"], attack.get("body"))
        answer = conn.getresponse()
        return {"port": port, "status": answer.status, "body": answer.read().decode()}
    except (OSError, http.client.HTTPException) as err:
        return {"port": port, "status": 0, "body": str(err)}
    finally:
        conn.close()


def tries():
    """All of them, one after the other."""
    for line in sys.stdin:
        attack = json.loads(line)
        print(json.dumps(ask(attack) if "path" in attack else say(attack)), flush=True)


def carry(source, to, record):
    """One direction of a connection."""
    while True:
        try:
            data = source.recv(65536)
            if not data:
                break
            if record:
                record.write(data)
                record.flush()
            to.sendall(data)
        except OSError:
            break
    for sock in (source, to):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def proxy(port, host, to_port, path):
    """Each connection is recorded in a file of its own: PATH.0, PATH.1, ..."""
    listener = socket.create_server(("", int(port)))
    print("ready", flush=True)
    number = 0
    while True:
        near, _ = listener.accept()
        far = socket.create_connection((host, int(to_port)))
        record = open(f"{path}.{number}", "wb")     # closed at the end of the process
        number += 1
        threading.Thread(target=carry, args=(near, far, record), daemon=True).start()
        threading.Thread(target=carry, args=(far, near, None), daemon=True).start()


def watch(device, words):
    """What somebody sees who listens on the way."""
    words = [bytes.fromhex(w) for w in words]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20)
    sock.bind((device, 0))
    seen, size = [0] * len(words), 0
    print("ready", flush=True)
    ends = False
    while True:
        ready, _, _ = select.select([sock] if ends else [sock, sys.stdin], [], [], 0 if ends else None)
        if sock in ready:
            frame = sock.recv(1 << 17)
            size += len(frame)
            for i, word in enumerate(words):
                seen[i] += word in frame
        elif ends:
            break
        ends = ends or sys.stdin in ready and not os.read(0, 1)
    _, drops = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(json.dumps({"bytes": size, "dropped": drops, "seen": seen}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "proxy":
        proxy(*sys.argv[2:])
    elif sys.argv[1] == "watch":
        watch(sys.argv[2], sys.argv[3:])
    else:
        tries()
