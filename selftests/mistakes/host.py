# SPDX-License-Identifier: GPL-2.0
"""Mistakes that need no module: command lines, the configuration, certificates, the view server, images."""

import contextlib
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "multi"))

from cluster import Authority  # noqa: E402
from pbtest import until  # noqa: E402
from table import Mistake  # noqa: E402

NOBODY = 65534
CONTROL = "/dev/dm-pb-control"
UUID, OTHER = "6f1c3b8e-7d0a-4c1f-9f43-2b8a5e1d7c90", "0b8a5e1d-7d0a-4c1f-9f43-2b8a5e1d7c91"
VOLUME = """name = "{name}";
uuid = "{uuid}";
replicas = (
    {{ node = "alpha"; address = "10.0.0.1"; data = "/dev/{name}"; meta = "/dev/{name}-meta"; }},
    {{ node = "beta"; address = "10.0.0.2"; data = "/dev/{name}"; meta = "/dev/{name}-meta"; }}
);
"""
IMAGE = 32 << 20


def free_port():
    """A port of 127.0.0.1 that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Server:
    """Somebody on a port who is no view server: speaks TLS or not, and says the same to everyone."""

    def __init__(self, says, context=None):
        self._says, self._context = says, context
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                conn = self._sock.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), conn:
                with self._context.wrap_socket(conn, server_side=True) if self._context else conn as stream:
                    if self._context:
                        stream.recv(4096)
                    stream.sendall(self._says)

    def close(self):
        """No more."""
        self._sock.close()


class Bench:
    """A host's configuration in a directory of its own for each mistake; and a view server for all of them."""

    def __init__(self, pbctl):
        self._tmp = tempfile.TemporaryDirectory(prefix="pb-mistakes-")
        self.root = self._tmp.name
        os.chmod(self.root, 0o755)
        # So that everybody can run them: some mistakes are somebody else's.
        self._programs = {name: shutil.copy(os.path.join(os.path.dirname(pbctl), name), self.root)
                          for name in ("pbctl", "pbviewd")}
        self._authority, self._other = Authority(), Authority()
        self._pairs, self._servers, self._serving = {}, [], None
        self.dir = self.names = None
        self._number = 0
        self._serve()

    def close(self):
        """End what was started."""
        if self._serving:
            self._serving.terminate()
            self._serving.wait(20)
        for server in self._servers:
            server.close()
        self._authority.close()
        self._other.close()
        self._tmp.cleanup()

    # What there is.

    def write(self, path, data, mode=0o644):
        """A file of the configuration, or elsewhere if the path is absolute."""
        path = os.path.join(self.dir, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)

    def pair(self, name, *addresses, other=False, **times):
        """The host's certificate and key are these."""
        key = (name, addresses, other, tuple(times.items()))
        if key not in self._pairs:
            self._pairs[key] = (self._other if other else self._authority).issue(name, addresses, **times)
        certificate, private = self._pairs[key]
        self.write("host.pem", certificate)
        self.write("host.key", private, 0o600)

    def other_authority(self):
        """The certificate of an authority that has signed nothing here."""
        return self._other.read("ca.pem")

    def host(self, port):
        """A host that is everything: a node, a view server, and an operator's."""
        self.write("pbviewd.conf", f"""node = {{ name = "alpha"; server = "https://localhost:{port}";
         listen = "127.0.0.1:{self.names['free']}"; }};
server = {{ listen = "127.0.0.1:{self.names['free']}"; store = "{self.names['store']}"; }};
""")
        self.write("ca.pem", self._authority.read("ca.pem"))
        self.write("volumes/db.conf", VOLUME.format(name="db", uuid=UUID))
        self.pair("alpha")

    def _serve(self):
        """The view server that is asked."""
        self.dir = os.path.join(self.root, "server")
        self.port = free_port()
        self.names = {"free": self.port, "store": f"{self.dir}/views.db"}
        self.host(self.port)
        self.pair("localhost")
        with open(f"{self.root}/log", "wb") as log:
            self._serving = subprocess.Popen([self._programs["pbviewd"], "server", "--config", self.dir], stderr=log)
        until("the view server serves", self._serves)

    def _serves(self):
        with open(f"{self.root}/log", encoding="utf-8") as log:
            return "serving" in log.read()

    def begin(self):
        """All is well, in a new directory."""
        self._number += 1
        self.dir = os.path.join(self.root, f"host{self._number}")
        self.names = {"dir": self.dir, "store": f"{self.dir}/views.db", "free": free_port(), "host": "localhost",
                      "port": self.port,
                      "taken": f"{self.root}/server/views.db"}
        self.host(self.port)

    # What is done wrong.

    def edit(self, path, old, new):
        """Another text in a file."""
        path = os.path.join(self.dir, path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if old not in text:
            raise ValueError(f"{path} has no {old}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))

    def stranger(self, says, tls=False):
        """The URL is that of somebody who is no view server."""
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{self.root}/server/host.pem", f"{self.root}/server/host.key")
        self._servers.append(Server(says, context))
        self.edit("pbviewd.conf", f"localhost:{self.port}", f"localhost:{self._servers[-1].port}")
        self.names["port"] = self._servers[-1].port

    def silent(self):
        """The URL is that of somebody who never says anything."""
        self._servers.append(socket.create_server(("127.0.0.1", 0)))
        port = self._servers[-1].getsockname()[1]
        self.edit("pbviewd.conf", f"localhost:{self.port}", f"localhost:{port}")
        self.names["port"] = port

    # What comes of it.

    def run(self, words, user=None):
        """(exit status, lines on stderr)."""
        # Whoever has no resolver is not to wait for one.
        env = {**os.environ, "RES_OPTIONS": "timeout:1 attempts:1", "LC_ALL": "C"}
        done = subprocess.run([self._programs.get(words[0], words[0]), *words[1:]], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30, user=user, cwd=self.root)
        return done.returncode, done.stderr.splitlines(), []

    def state(self):
        """All that a mistake could have changed."""
        found = {}
        for top, _, files in os.walk(self.root):
            found[top] = os.stat(top).st_mode
            for name in files:
                path = os.path.join(top, name)
                # The view server's log has a line more.
                if path == f"{self.root}/log":
                    continue
                with open(path, "rb") as f:
                    found[path] = (os.stat(path).st_mode, hashlib.sha256(f.read()).hexdigest())
        return found

    def skipped(self, mistake):
        """Why a mistake cannot be made here, or None."""
        if mistake.user is not None and os.getuid():
            return "needs root"
        if "is not loaded" in mistake.says and os.path.exists(CONTROL):
            return "the module is loaded"
        return None


def edit(path, old, new):
    """A preparation: another text in a file."""
    return lambda bench: bench.edit(path, old, new)


def url(host, port):
    """A preparation: another view server."""
    def prepare(bench):
        bench.edit("pbviewd.conf", f"localhost:{bench.port}", f"{host}:{port}")
        bench.names.update(host=host, port=port)
    return prepare


def add(path, text, mode=0o644):
    """A preparation: a file more, or another one in its place."""
    return lambda bench: bench.write(path, text.format(**bench.names) if isinstance(text, str) else text, mode)


def pair(name, *addresses, **how):
    """A preparation: another certificate."""
    return lambda bench: bench.pair(name, *addresses, **how)


def gone(path):
    """A preparation: a file is not there."""
    return lambda bench: os.unlink(os.path.join(bench.dir, path))


def with_volume(name, *texts, uuid=OTHER):
    """A preparation: a second volume, with other texts than it should have: (old, new)."""
    def prepare(bench):
        bench.write(f"volumes/{name}.conf", VOLUME.format(name=name, uuid=uuid))
        for old, new in texts:
            bench.edit(f"volumes/{name}.conf", old, new)
    return prepare


def both(*steps):
    """A preparation of several."""
    def prepare(bench):
        for step in steps:
            step(bench)
    return prepare


def image(size=IMAGE, name="disk"):
    """A preparation: an image of a disk, empty."""
    def prepare(bench):
        bench.names["dev"] = path = os.path.join(bench.dir, name)
        with open(path, "wb") as f:
            f.truncate(size)
    return prepare


def locked_key(bench):
    """A key that needs a password."""
    subprocess.run(["openssl", "pkey", "-in", f"{bench.dir}/host.key", "-aes256", "-passout", "pass:secret", "-out",
                    f"{bench.dir}/locked"], check=True, capture_output=True)
    os.replace(f"{bench.dir}/locked", f"{bench.dir}/host.key")


def another_key(bench):
    """A key of another certificate."""
    bench.pair("beta")
    with open(f"{bench.dir}/host.key", "rb") as f:
        key = f.read()
    bench.pair("alpha")
    bench.write("host.key", key, 0o600)


USAGE = [
    Mistake("the command is misspelt", "pbctl crate vol0", "'crate' is not a verb; see 'pbctl help'",
            "*pbctl help* lists the verbs.", status=2),
    Mistake("half of a command", "pbctl view vol0",
            "'view vol0' is not a verb: say 'view set' or 'view show'; see 'pbctl help'",
            "``pbctl view show vol0``.", status=2),
    Mistake("the data device is missing", "pbctl create vol0",
            "say on which device the data is: --data DEV; see 'pbctl help create'", "Give it.", status=2),
    Mistake("new and worthless, and new and right, at once",
            "pbctl create vol0 --data /dev/sdb --blank --declare-synced",
            "--declare-synced and --blank contradict each other; see 'pbctl help create'",
            "``--declare-synced`` where the data are, ``--blank`` on all other nodes.", status=2),
    Mistake("a size with a unit", "pbctl create vol0 --data /dev/sdb --blank --size 10G",
            "--size: '10G' is not a number; see 'pbctl help create'", "The size is in sectors of 512 bytes.", status=2),
    Mistake("a size that cannot be", "pbctl create vol0 --data /dev/sdb --blank --extent-size 3MiB",
            "--extent-size: 3MiB is not a power of two from {n} to {m} bytes; see 'pbctl help create'",
            "Give one of these.", status=2),
    Mistake("a name with a space", "pbctl create my\\ db --data /dev/sdb --blank",
            "the name 'my db' may only have printable ASCII characters other than space, '/' and ':'; "
            "see 'pbctl help create'", "Choose another name.", status=2),
    Mistake("an option is shortened", "pbctl remove vol0 --forc",
            "option '--forc' must be written out: --force; see 'pbctl help remove'",
            "Write it out: a shortened one could mean another.", status=2),
    Mistake("an option of something else", "pbctl up db --force",
            "unknown option or needless value '--force'; see 'pbctl help up'", "*pbctl help up* lists them.", status=2),
    Mistake("an option without its value", "pbctl create vol0 --data",
            "option '--data' needs a value; see 'pbctl help create'",
            "Give it.", status=2),
    Mistake("a word too many", "pbctl remove vol0 vol1",
            "remove: what is 'vol1' for? It takes 'NAME [--force] [--retry SEC]'; see 'pbctl help remove'",
            "One volume at a time.", status=2),
    Mistake("a view without its number", "pbctl view set vol0 --member " + UUID,
            "say which view it is: --number N; see 'pbctl help view set'",
            "One more than ``pbctl view show`` says.", status=2),
    Mistake("a node's name where a replica's UUID is wanted", "pbctl view set vol0 --number 1 --member alpha",
            "--member: 'alpha' is not a UUID; see 'pbctl help view set'",
            "``pbctl status`` on that node says it.", status=2),
    Mistake("the same replica twice in a view", f"pbctl view set vol0 --number 1 --member {UUID} --member {UUID}",
            "a replica is a member twice; see 'pbctl help view set'", "Name each once, the primary first.", status=2),
    Mistake("a port that is none", "pbctl connect vol0 beta:77800",
            "'beta:77800': the port must be a number from 1 to 65535; see 'pbctl help connect'", "Correct it.",
            status=2),
    Mistake("a port without a host", "pbctl connect vol0 :7780",
            "':7780': say to which host; see 'pbctl help connect'", "Give the other node's name or address.", status=2),
    Mistake("a time-out that no keepalive fits into", "pbctl connect vol0 beta --keepalive 500 --timeout 800",
            "--timeout must be at least twice --keepalive: 800 ms and 500 ms do not fit; see 'pbctl help connect'",
            "Change one of them.", status=2),
    Mistake("a policy that there is not", "pbctl policy vol0 retry",
            "'retry' is not a policy: say wait or error; see 'pbctl help policy'", "Say one of the two.", status=2),
    Mistake("a rate with the wrong unit", "pbctl resync vol0 --max-rate 50MB",
            "--max-rate: '50MB' is not a size (as 65536, 64KiB or 4MiB); see 'pbctl help resync'",
            "Units are KiB, MiB, GiB, TiB.", status=2),
    Mistake("what a new replica is worth, for all volumes at once", "pbctl up --all --blank --config {dir}",
            "what a new replica is worth is said for one volume at a time; see 'pbctl help up'",
            "``pbctl up VOLUME --blank``.", status=2),
    Mistake("the daemon is not told what it is", "pbviewd --config {dir}",
            "say 'server' or 'node'; see 'pbviewd --help'",
            "``pbviewd node`` on hosts with a replica.", status=64),
    Mistake("the daemon is told to be something else", "pbviewd client --config {dir}",
            "'client' is neither 'server' nor 'node'; see 'pbviewd --help'", "``pbviewd node`` or ``pbviewd server``.",
            status=64),
]

NO_MODULE = "the dm-pb module is not loaded (no /dev/dm-pb-control): run 'modprobe dm-pb'"

MODULE = [
    Mistake("the module is not loaded", "pbctl status",
            NO_MODULE, "Do so; if it is not found, install it for this kernel."),
    Mistake("the same at a volume's set-up", "pbctl create vol0 --data /dev/null --blank", NO_MODULE, None),
    Mistake("the same by the configuration", "pbctl up db --blank --config {dir}", NO_MODULE, None),
    Mistake("the same under the daemon", "pbviewd node --config {dir}", NO_MODULE, None),
    Mistake("there is no such disk", "pbctl dump-meta {dev}",
            "cannot open {dev}: No such file or directory: 'lsblk' lists the devices", "Correct the name.",
            lambda bench: bench.names.update(dev=f"{bench.dir}/sdz")),
    Mistake("a disk is looked at by another user than root", "pbctl dump-meta {dev}",
            "cannot open {dev}: Permission denied: run this as root", "Do so.",
            both(image(), lambda bench: os.chmod(bench.names["dev"], 0o600)), user=NOBODY),
    Mistake("a directory for a disk", "pbctl dump-meta {dir}",
            "{dir}: neither a block device nor an image file: give one of these",
            "Give the disk, not where it is mounted."),
    Mistake("a disk that was never a volume's", "pbctl dump-meta {dev}",
            "{dev}: no superblock of dm-pb: give the metadata device, or the data device if it has the metadata at "
            "its end",
            "volumes/NAME.conf says which they are.", image()),
    Mistake("a disk that is too small to have metadata", "pbctl dump-meta {dev}",
            "{dev}: {n} sectors are too few for a metadata area: give a device of {m} or more",
            "It is another one; or it was made smaller.", image(1 << 20)),
]

CONFIG = [
    Mistake("there is no configuration", "pbctl up db --config {dir}/none",
            "{dir}/none/pbviewd.conf:1: cannot open it: No such file or directory: see pbviewd.conf(5)",
            "Write it, or give another directory to ``--config``."),
    Mistake("the configuration is read by another user than root", "pbctl volumes --config {dir}",
            "{dir}/pbviewd.conf:1: cannot open it: Permission denied: run this as root", "Do so.",
            lambda bench: os.chmod(f"{bench.dir}/pbviewd.conf", 0o600), user=NOBODY),
    Mistake("a setting is misspelt", "pbviewd server --config {dir}",
            "{dir}/volumes/db.conf:{n}: unknown setting \"dead_after\": see pbviewd.conf(5)",
            "``man pbviewd.conf`` has them all; that one is ``dead_after_ms``.",
            edit("volumes/db.conf", "replicas", "dead_after = 500;\nreplicas")),
    Mistake("a setting is missing", "pbviewd node --config {dir}",
            "{dir}/volumes/db.conf:1: missing setting \"uuid\": see pbviewd.conf(5)", "Add it.",
            edit("volumes/db.conf", f'uuid = "{UUID}";', "")),
    Mistake("an equals sign or a bracket is missing", "pbctl volumes --config {dir}",
            "{dir}/volumes/db.conf:{n}: syntax error: see pbviewd.conf(5)", "Look at that line, and at the one before.",
            edit("volumes/db.conf", 'name = "db";', 'name "db";')),
    Mistake("a quotation mark is missing", "pbctl volumes --config {dir}",
            "{dir}/volumes/db.conf:{n}: a string without an end: a quotation mark is missing", "Look at that line.",
            edit("volumes/db.conf", 'meta = "/dev/db-meta"; }\n', 'meta = "/dev/db-meta; }\n')),
    Mistake("a number has a unit", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:1: \"lease_ms\" must be a whole number",
            "The unit is in the setting's name: ``lease_ms = 400;``.",
            edit("volumes/db.conf", 'name =', 'lease_ms = "400ms"; name =')),
    Mistake("a number is out of range", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:1: \"lease_ms\" must be from {n} to {m} ms", "Give one in that range.",
            edit("volumes/db.conf", 'name =', 'lease_ms = 4; name =')),
    Mistake("a member is called dead before it can have pinged", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:1: \"dead_after_ms\" ({n} ms) must be at least three times the \"ping_ms\" of "
            "this node ({m} ms)",
            "Raise the first, or lower the second.", edit("volumes/db.conf", 'name =', 'dead_after_ms = 200; name =')),
    Mistake("a word that a setting does not know", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:1: \"policy\" must be \"wait\" or \"error\"", "Say one of the two.",
            edit("volumes/db.conf", 'name =', 'policy = "retry"; name =')),
    Mistake("a URL without TLS", "pbctl volumes --config {dir}",
            "{dir}/pbviewd.conf:1: \"server\" must be https://HOST[:PORT]", "Write it so; 7402 is the port.",
            edit("pbviewd.conf", "https:", "http:")),
    Mistake("a device without its directory", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:4: \"data\" must be an absolute path", "Begin with ``/dev/``.",
            edit("volumes/db.conf", '"/dev/db"', '"db"')),
    Mistake("the metadata device is the data device", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:4: \"meta\" is the same device as \"data\": leave it out to have both on one",
            "Leave it out.",
            edit("volumes/db.conf", '"/dev/db-meta"', '"/dev/db"')),
    Mistake("a node has two replicas of a volume", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:5: the node \"alpha\" has a replica already", "One replica a node.",
            edit("volumes/db.conf", '"beta"', '"alpha"')),
    Mistake("two volumes have one name", "pbviewd server --config {dir}",
            "{dir}/volumes/log.conf:1: the file of the volume \"db\" must be called db.conf, or the volume otherwise",
            "A file that was copied: give the volume in it its own name.", with_volume("log", ('"log"', '"db"'))),
    Mistake("two volumes have one UUID", "pbviewd --check --config {dir}",
            "{dir}/volumes/log.conf:2: the UUID is also that of {dir}/volumes/db.conf: 'uuidgen' makes another",
            "Each volume has its own, the same on all hosts.", with_volume("log", uuid=UUID)),
    Mistake("two volumes have one disk", "pbviewd --check --config {dir}",
            "{dir}/volumes/log.conf:4: /dev/db is in use on the node \"alpha\" by {dir}/volumes/db.conf: give each "
            "volume its own",
            "Correct one of the files.", with_volume("log", ('"/dev/log"', '"/dev/db"'))),
    Mistake("two nodes have one address", "pbviewd --check --config {dir}",
            "{dir}/volumes/db.conf:5: the address of the node \"beta\" is also that of \"alpha\" in "
            "{dir}/volumes/db.conf: correct one, or give them different ports", "Correct one of them.",
            edit("volumes/db.conf", "10.0.0.2", "10.0.0.1")),
    Mistake("a volume that there is not", "pbctl up bd --config {dir}",
            "there is no volume 'bd' in {dir}/volumes: each has a file there, NAME.conf", "``ls`` there lists them."),
    Mistake("a volume that is another node's", "pbctl up db --config {dir}",
            "db has no replica on this node, gamma: run this on one of alpha, beta",
            "Do so; or add a replica to its file.",
            edit("pbviewd.conf", '"alpha"', '"gamma"')),
    Mistake("a host that is no node", "pbctl up db --config {dir}",
            "{dir}/pbviewd.conf has no node group: this host has no replicas; run this on a node", "Do so.",
            add("pbviewd.conf", "client = {{ server = \"https://localhost:{port}\"; }};\n")),
    Mistake("the node's daemon on a host that is none", "pbviewd node --config {dir}",
            "{dir}/pbviewd.conf has no node group: this host is not to be a node; run this on one, or add it",
            "Do so.", add("pbviewd.conf", "server = {{ }};\n")),
    Mistake("the view server on a host that is none", "pbviewd server --config {dir}",
            "{dir}/pbviewd.conf has no server group: this host is not to be a view server; run this there, or add one",
            "Do so; there is one view server.", add("pbviewd.conf", "client = {{ server = \"https://v\"; }};\n")),
    Mistake("a host that knows no view server", "pbctl volumes --config {dir}",
            "{dir}/pbviewd.conf names no view server: add client = { server = \"https://HOST:7402\"; };", "Do so.",
            add("pbviewd.conf", "server = {{ }};\n")),
]

CERTIFICATES = [
    Mistake("the certificate is missing", "pbviewd server --config {dir}",
            "cannot read {dir}/host.pem: No such file or directory: put the certificate or key there",
            "*Certificates* in runbook.rst makes one.", gone("host.pem")),
    Mistake("the key cannot be read", "pbctl volumes --config {dir}",
            "cannot read {dir}/host.key: Permission denied: run this as root", "Do so.", user=NOBODY),
    Mistake("the key can be read by everyone", "pbviewd server --config {dir}",
            "everybody on this host may use the key {dir}/host.key: 'chmod 600' it",
            "Do so.  Whoever has read it can be this host: if that may be, a new key and certificate.",
            lambda bench: os.chmod(f"{bench.dir}/host.key", 0o644)),
    Mistake("the key is another certificate's", "pbviewd server --config {dir}",
            "{dir}/host.key is not the key of {dir}/host.pem: put both of one pair there", "Do so.", another_key),
    Mistake("the key has a password", "pbviewd server --config {dir}",
            "cannot use certificate {dir}/host.pem and key {dir}/host.key: {text}: both must be PEM, the key without "
            "a password",
            "``openssl pkey -in host.key`` takes it off.", locked_key),
    Mistake("the authority's certificate is missing", "pbctl volumes --config {dir}",
            "cannot read {dir}/ca.pem: No such file or directory: put the certificate or key there",
            "The same on all hosts.",
            gone("ca.pem")),
    Mistake("the key is missing", "pbviewd node --config {dir}",
            "cannot read {dir}/host.key: No such file or directory: put the certificate or key there",
            "The one that the certificate was made with.", gone("host.key")),
    Mistake("the authority's file has something else", "pbviewd server --config {dir}",
            "{dir}/ca.pem: no certificate of an authority in it: {text}: put it there, as PEM", "Do so.",
            add("ca.pem", "nothing\n")),
    Mistake("the certificate has expired", "pbviewd server --config {dir}",
            "{dir}/host.pem has expired: make a new one, or correct this host's clock",
            "``date``; then *Before they expire* in runbook.rst.", pair("alpha", end="20210101000000Z")),
    Mistake("the host's clock is behind, or the certificate for later", "pbviewd node --config {dir}",
            "the certificate of alpha is not valid yet: compare the clocks", "``date`` on all hosts.",
            pair("alpha", begin="20380101000000Z")),
    Mistake("certificate and authority do not belong together", "pbviewd node --config {dir}",
            "the certificate of alpha is not signed by an authority in {dir}/ca.pem: all hosts need those of one",
            "The same ``ca.pem`` everywhere; *Certificates* in runbook.rst.", pair("alpha", other=True)),
    Mistake("the certificate is another host's", "pbviewd node --config {dir}",
            "{dir}/host.pem does not have this node's name, alpha, as a DNS name: give each host its own, or correct "
            "the name in pbviewd.conf", "``openssl x509 -noout -text -in host.pem`` shows its names.", pair("beta")),
]

DOES_NOT_ANSWER = "the view server https://{host}:{port} does not answer: {text}: "

SERVER = [
    Mistake("the store's directory is missing", "pbviewd server --config {dir}",
            "cannot create {dir}/none/views.db: No such file or directory: make its directory first", "``mkdir`` it.",
            edit("pbviewd.conf", "/views.db", "/none/views.db")),
    Mistake("the store is something else", "pbviewd server --config {dir}",
            "{store}: file is not a database: see 'The store is lost' in runbook.rst",
            "If \"store\" names the wrong file, correct it; remove nothing.", add("views.db", "my diary\n")),
    Mistake("a second view server on one store", "pbviewd server --config {dir}",
            "{taken} is in use by another process: is a view server running already?", "There may be one only.",
            lambda bench: bench.edit("pbviewd.conf", bench.names["store"], bench.names["taken"])),
    Mistake("the port is in use", "pbviewd server --config {dir}",
            "cannot listen on 127.0.0.1:{port}: Address already in use: 'ss -ltnp' says by whom",
            "It may be running already.",
            lambda bench: bench.edit("pbviewd.conf", f'server = {{ listen = "127.0.0.1:{bench.names["free"]}"',
                                     f'server = {{ listen = "127.0.0.1:{bench.port}"')),
    Mistake("an address of another host", "pbviewd server --config {dir}",
            "cannot listen on 192.0.2.1:7402: Cannot assign requested address: 'ip addr' lists those of this host",
            "Listen on ``:7402``, which is all of them.",
            lambda bench: bench.edit("pbviewd.conf", f'server = {{ listen = "127.0.0.1:{bench.names["free"]}"',
                                     'server = { listen = "192.0.2.1:7402"')),
    Mistake("a host that DNS does not know", "pbviewd server --config {dir}",
            "cannot find the address of 'view.invalid': {text}: is it in /etc/hosts or in DNS?",
            "Better in ``/etc/hosts``, or an address: DNS may be away when a node must go on.",
            lambda bench: bench.edit("pbviewd.conf", f'server = {{ listen = "127.0.0.1:{bench.names["free"]}"',
                                     'server = { listen = "view.invalid:7402"')),
    Mistake("the same, asked by an operator", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "is its host in /etc/hosts or in DNS?", "The same; or correct the URL.",
            url("view.invalid", 7402)),
    Mistake("the view server does not run, or its port is closed", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "is 'pbviewd server' running there, and its port open?",
            "*The view server* in runbook.rst.",
            lambda bench: url("localhost", bench.names["free"])(bench)),
    Mistake("the view server hangs, or a firewall drops what is sent to it", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "is its host up, and the network to it?", "``ping`` it; look at the firewalls.",
            lambda bench: bench.silent()),
    Mistake("the port is another service's", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "is that a view server's port, and this host's key that of its certificate?",
            "Correct the URL, 7402 is the port; or put certificate and key of one pair there.",
            lambda bench: bench.stranger(b"220 mail.example.net ESMTP\r\n")),
    Mistake("the port is a web server's", "pbctl volumes --config {dir}",
            "https://{host}:{port} is no view server: it answers with status 404; correct the URL in "
            "{dir}/pbviewd.conf",
            "Do so.", lambda bench: bench.stranger(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", True)),
    Mistake("the server's certificate is of another authority", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "compare its certificate, its name in the URL, ca.pem here, and the clocks",
            "All hosts need the same ``ca.pem``; the URL a name that the server's certificate has.",
            lambda bench: bench.write("ca.pem", bench.other_authority())),
    Mistake("the URL has a name that the server's certificate has not", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "compare its certificate, its name in the URL, ca.pem here, and the clocks", None,
            lambda bench: url("127.0.0.1", bench.port)(bench)),
    Mistake("certificate and key of this host do not fit", "pbctl volumes --config {dir}",
            DOES_NOT_ANSWER + "is that a view server's port, and this host's key that of its certificate?",
            None, another_key),
    Mistake("this host's certificate has expired", "pbctl volumes --config {dir}",
            "a valid client certificate of this server's authority is needed: 'openssl x509 -noout -issuer -dates -in "
            "{dir}/host.pem' tells of this host's", "A new certificate, the right clock, or one of the same authority.",
            pair("alpha", end="20210101000000Z")),
    Mistake("the same: it is not valid yet", "pbctl volumes --config {dir}",
            "a valid client certificate of this server's authority is needed: 'openssl x509 -noout -issuer -dates -in "
            "{dir}/host.pem' tells of this host's", None, pair("alpha", begin="20380101000000Z")),
    Mistake("the same: it is of another authority", "pbctl switch db beta --config {dir}",
            "a valid client certificate of this server's authority is needed: 'openssl x509 -noout -issuer -dates -in "
            "{dir}/host.pem' tells of this host's", None, pair("alpha", other=True)),
    Mistake("a command by somebody who may not", "pbctl evict db beta --config {dir}",
            "commands are for the volume's nodes and for operators: do it on a node, or with the certificate of one "
            "of \"operators\"",
            "Do so.", pair("gamma")),
    Mistake("a node that has no replica", "pbctl switch db gamma --config {dir}",
            "db has no replica on node gamma: its nodes are alpha, beta", "Name one of them."),
    Mistake("a volume that the view server has no file of", "pbctl history log --config {dir}",
            "the view server has no such volume: copy its file to the server's volumes directory and restart it",
            "The volumes' files are the same on all hosts.", with_volume("log")),
    Mistake("roles are switched while nobody serves", "pbctl switch db beta --config {dir}",
            "db beta: the current view is not acknowledged by its primary yet ('pbctl volumes db' says how all are)",
            "*What is wrong?* in runbook.rst."),
    Mistake("a node is forced that is not there", "pbctl force-primary-data-may-be-lost db beta --config {dir}",
            "db beta: it is not heard of ('pbctl volumes db' says how all are)",
            "Start it, its ``pbviewd node``, and ``pbctl up db``; then it may be needless."),
]

TABLES = {"Command lines": USAGE, "Module and disks": MODULE, "Configuration": CONFIG, "Certificates": CERTIFICATES,
          "View server": SERVER}
