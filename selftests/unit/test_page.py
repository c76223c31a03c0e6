#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The view server's status page in a real browser: Chromium without a head, package chromium.

A view server runs on this host; nodes that are made up ping it until its volumes have had some views. The browser
has no certificate: a proxy on the loopback device shows one for it, and notes what it asks for. A screenshot is left
as page.png in the build directory.
"""

import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from html.parser import HTMLParser

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("B", os.path.join(TOP, "build"))
EXIT_SKIP = 4
PATIENCE = 60
# A name may have all of this in it.
ODD = "<b>x&\"y"
VOLUMES = {"db": "0", "web": "1", "mail": "2", ODD: "3"}
results = []


def point(text, good, detail=""):
    """A result."""
    results.append(bool(good))
    print(f"{'ok' if good else 'not ok'} {len(results)} - {text}", flush=True)
    if not good:
        for line in str(detail).splitlines()[:40]:
            print(f"# {line}")


def uuid_of(name):
    """A volume's UUID."""
    return f"6f1c3b8e-7d0a-4c1f-9f43-2b8a5e1d7c9{VOLUMES[name]}"


def wait(what, condition):
    """Until it is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def openssl(where, *args):
    """Run it."""
    subprocess.run(["openssl", *args], cwd=where, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificates(where, names):
    """An authority, and a certificate for each name."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(where, "req", "-x509", *new, "-days", "30", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in names:
        with open(os.path.join(where, f"{name}.ext"), "w", encoding="ascii") as f:
            f.write(f"subjectAltName=DNS:{name},IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl(where, "req", "-new", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(where, "x509", "-req", "-days", "30", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem")


class Server:
    """pbviewd server, and a way to ask it."""

    def __init__(self, where):
        self.where = where
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        certificates(where, ["host", "alpha", "beta", "admin"])
        with open(f"{where}/pbviewd.conf", "w", encoding="ascii") as f:
            f.write(f'server = {{ listen = "127.0.0.1:{self.port}"; store = "{where}/views.db"; '
                    'operators = [ "admin" ]; };\n')
        os.mkdir(f"{where}/volumes")
        for name in VOLUMES:
            quoted = name.replace('"', '\\"')
            with open(f"{where}/volumes/{name}.conf", "w", encoding="ascii") as f:
                f.write(f'name = "{quoted}"; uuid = "{uuid_of(name)}"; dead_after_ms = 60000; replicas = ('
                        f'{{ node = "alpha"; address = "a"; data = "/dev/{VOLUMES[name]}"; }},'
                        f'{{ node = "beta"; address = "b"; data = "/dev/{VOLUMES[name]}"; }});\n')
        self.proc = subprocess.Popen([os.path.join(BUILD, "user", "pbviewd"), "server", "--config", where],
                                     stderr=subprocess.DEVNULL)
        wait("the server listens", self.listens)

    def listens(self):
        """Does it take connections?"""
        if self.proc.poll() is not None:
            raise RuntimeError(f"the server ended with {self.proc.returncode}")
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", self.port))

    def ask(self, name, path, body=None):
        """(status, type, text) of a request with somebody's certificate."""
        context = ssl.create_default_context(cafile=f"{self.where}/ca.pem")
        context.load_cert_chain(f"{self.where}/{name}.pem", f"{self.where}/{name}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=PATIENCE)
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None)
        answer = connection.getresponse()
        got = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return got

    def volume(self, name):
        """What it says of a volume."""
        return json.loads(self.ask("admin", f"/v1/volumes/{uuid_of(name)}")[2])

    def close(self):
        """End it."""
        self.proc.terminate()
        self.proc.wait(PATIENCE)


class Node(threading.Thread):
    """A node that is made up: it moves into each view at once, and pings."""

    def __init__(self, server, name, peer, volumes):
        super().__init__(daemon=True)
        self.server, self.node, self.peer = server, name, peer
        self.volumes = {v: {"view": 0, "state": state, "backup_synced": False, "sync_total": 0, "sync_left": 0,
                            "reason": reason} for v, state, reason in volumes}
        self.seq = int(time.time()) << 20
        self.stop = threading.Event()

    def say(self, name):
        """What a ping has of a volume."""
        known = self.volumes[name]
        return {"volume": uuid_of(name), "replica": f"{'1' if self.node == 'alpha' else '2'}1111111-1111-1111-1111-"
                f"11111111111{VOLUMES[name]}", "incarnation": "0000000000022f09", "view": known["view"],
                "disk_view": known["view"], "stands": False, "backup_unreachable": False, "failed": False,
                "reaches": [self.peer], **{k: v for k, v in known.items() if k != "view"}}

    def run(self):
        """Ping until it is told to stop."""
        while not self.stop.wait(0.05):
            self.seq += 1
            answer = json.loads(self.server.ask(self.node, "/v1/ping", {
                "node": self.node, "seq": self.seq, "volumes": [self.say(v) for v in self.volumes]})[2])
            for told, name in zip(answer["volumes"], self.volumes):
                for view in told["views"]:
                    self.volumes[name]["view"] = max(self.volumes[name]["view"], view["number"])


class Proxy(http.server.ThreadingHTTPServer):
    """Shows a certificate for who has none, and notes what is asked for."""

    def __init__(self, server):
        super().__init__(("127.0.0.1", 0), Forward)
        self.server, self.asked, self.headers = server, [], {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Forward(http.server.BaseHTTPRequestHandler):
    """A request."""

    def do_GET(self):  # pylint: disable=invalid-name
        """Pass it on."""
        self.server.asked.append(self.path)
        status, headers, body = self.server.server.ask("admin", self.path)
        self.send_response(status)
        for key in ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Cache-Control"):
            if key in headers:
                self.send_header(key, headers[key])
        self.end_headers()
        self.wfile.write(body)
        self.server.headers = headers

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """Nothing."""


class Page(HTMLParser):
    """What a browser has made of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.skip = [], [], 0
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        """A tag."""
        self.tags.append((tag, dict(attrs)))
        self.skip += tag == "style"

    def handle_endtag(self, tag):
        """Its end."""
        self.skip -= tag == "style"

    def handle_data(self, data):
        """Text."""
        if not self.skip:
            self.words.append(data)

    def all(self, tag):
        """The attributes of all of a tag."""
        return [attrs for name, attrs in self.tags if name == tag]


def browse(where, url, *args):
    """(standard output, what the browser complains of)."""
    done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                           "--disable-background-networking", "--disable-dev-shm-usage", "--enable-logging=stderr",
                           f"--user-data-dir={where}/profile", "--window-size=1200,2000", *args, url], timeout=180,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env={**os.environ, "HOME": where}, encoding="utf-8", errors="replace")
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line or "Refused to" in line]
    return done.stdout, complaints


def make_world(server):
    """Nodes, and views."""
    alpha = Node(server, "alpha", "beta", [("db", "synced", ""), ("web", "synced", ""), (ODD, "synced", "<script>alert(1)")])
    beta = Node(server, "beta", "alpha", [("db", "blank", ""), ("web", "blank", "")])
    alpha.start()
    wait("alpha is primary", lambda: all(server.volume(v)["acked"] for v in ("db", "web", ODD)))
    beta.start()
    wait("beta is backup", lambda: all(alpha.volumes[v]["view"] == 2 == beta.volumes[v]["view"] for v in ("db", "web")))
    alpha.volumes["web"].update(sync_total=1000 << 20, sync_left=250 << 20)
    beta.volumes["web"]["state"] = "syncing"
    beta.volumes["db"]["state"] = "synced"
    alpha.volumes["db"]["backup_synced"] = True
    wait("db is healthy", lambda: server.volume("db")["health"] == "healthy")
    status, _, body = server.ask("admin", f"/v1/volumes/{uuid_of('db')}/switch", {"node": "beta"})
    if status != 200:
        raise RuntimeError(body)
    beta.volumes["db"]["backup_synced"] = True
    wait("db is switched", lambda: server.volume("db")["health"] == "healthy" and server.volume("db")["view"]["number"] == 4)
    wait("web's resync is known", lambda: any(n.get("sync_left") for n in server.volume("web")["nodes"]))
    return alpha, beta


def check_text(page, dom):
    """What a person reads."""
    point("the title counts who is not healthy", "<title>3 of 4 volumes not healthy - dm-pb</title>" in dom, dom[:400])
    point("volumes with their health", all(text in page.text for text in (
        "✓ healthy", "! no view yet", "! the backup is being brought up to date", "! no backup")), page.text)
    point("roles of db after the switch", "db ✓ healthy 4 beta alpha" in page.text and
          "alpha backup synced well" in page.text and "beta primary synced well" in page.text, page.text)
    point("a resync has a bar and words", [(p["value"], p["max"]) for p in page.all("progress")] == [("75.0", "100")] and
          "75.0 % copied, 250 MiB left" in page.text, page.all("progress"))
    history = ["View 4 : beta primary, alpha backup: an operator switched the roles, asked for by admin",
               "View 3 : alpha primary, beta backup: the backup is up to date",
               "View 2 : alpha primary, beta backup (not synced): an idle node became the backup",
               "View 1 : alpha primary: the first replica with the volume's data"]
    begin = page.text.index("Nodes of db")
    places = [page.text.find(line, begin) for line in history]
    point("the views of db, the latest first, with why and who", -1 not in places and places == sorted(places), page.text)
    strip = [a["class"] for a in page.all("span") if "flex-grow" in a.get("style", "")]
    point("a strip of time: who was primary", strip[1:5] == ["n0", "n0", "n0", "n1"] and len(strip) == 7, strip)
    point("what others say is text only", ODD in page.text and "<script>alert(1)" in page.text and
          not page.all("script") and not page.all("b")[7:], page.all("b"))


def check_form(page):
    """For everybody: without sight, without colours, on a phone."""
    point("language, viewport, main", page.all("html")[0].get("lang") == "en" and page.all("main") and
          any(m.get("name") == "viewport" for m in page.all("meta")))
    point("tables have captions and heads", len(page.all("table")) == len(page.all("caption")) == 5 and
          all(th.get("scope") in ("row", "col") for th in page.all("th")), page.all("th"))
    headings = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    point("headings without gaps", headings[0] == 1 and headings.count(1) == 1 and
          all(b - a <= 1 for a, b in zip(headings, headings[1:])), headings)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    point("sections have names, and each id is there once", len(set(ids)) == len(ids) == 4 and
          [s.get("aria-labelledby") for s in page.all("section")] == ids, ids)
    point("what is drawn is said elsewhere", all("aria-label" in p for p in page.all("progress")) and
          sum(d.get("aria-hidden") == "true" for d in page.all("div")) == 3)
    times = [t["datetime"] for t in page.all("time")]
    point("times can be read by programs", times and all(t.endswith("Z") and "T" in t for t in times), times)


def check_page(where, proxy):
    """The page, as the browser has it."""
    dom, complaints = browse(where, proxy.url + "?still", "--dump-dom")
    page = Page(dom)
    check_text(page, dom)
    check_form(page)
    point("the browser has nothing to complain of", dom and not complaints, complaints)
    point("it asks for nothing else", proxy.asked == ["/?still"], proxy.asked)
    point("?still is not read anew", not any("http-equiv" in m for m in page.all("meta")))
    sent = Page(proxy.server.ask("admin", "/?still")[2].decode())
    point("it is all there before any script could run", [t for t, _ in sent.tags] == [t for t, _ in page.tags],
          sent.tags[:20])
    point("the server allows no script", "default-src 'none'" in proxy.headers.get("Content-Security-Policy", ""))
    dom, complaints = browse(where, proxy.url + "?volume=db", "--dump-dom")
    point("the page of one volume", dom.count("<section") == 1 and "View 4" in dom and 'http-equiv="refresh"' in dom and
          not complaints, dom[:600])
    links = {a["href"] for a in page.all("a")}
    wrong = {link for link in links if not link.startswith("#") and proxy.server.ask("admin", link)[0] != 200}
    point("every link leads somewhere", len(links) == 8 and not wrong, wrong or links)
    shot = os.path.join(BUILD, "page.png")
    if os.path.exists(shot):
        os.unlink(shot)
    _, complaints = browse(where, proxy.url + "?still", f"--screenshot={shot}")
    point("a screenshot", os.path.exists(shot) and os.stat(shot).st_size > 20000 and not complaints, complaints)


def main():
    """All of it."""
    print("TAP version 13")
    if not shutil.which("chromium"):
        print("1..0 # SKIP chromium is not installed: scripts/deps.sh long")
        return EXIT_SKIP
    with tempfile.TemporaryDirectory(prefix="pb-page-") as tmp:
        server = Server(tmp)
        try:
            nodes = make_world(server)
            proxy = Proxy(server)
            check_page(tmp, proxy)
            proxy.shutdown()
            for node in nodes:
                node.stop.set()
                node.join(PATIENCE)
        finally:
            server.close()
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
