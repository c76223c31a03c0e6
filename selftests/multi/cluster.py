# SPDX-License-Identifier: GPL-2.0
"""Machines with pbviewd on them: nodes with replicas, and a view server.

    with Cluster(replicas=2) as cluster:
        a, b = cluster.replicas             # alpha is the primary, beta its synced backup
        cluster.server                      # the machine with the view server
        writer = cluster.writer(a)
        a.vm.kill()
        cluster.wait_primary(b)

Every machine has its own certificate of one authority, made for the run. What the
view server knows is read as a person would read it, with curl from its own machine.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import uuid

import pbtest
from pbtest import (DEVICE, EBADE_TEXT, SLOW, VOLUME, Failure, Node, RigError, VmDied, Writer, check, required,
                    until)
from rig import Rig

NAMES = ["alpha", "beta", "gamma", "delta"]
SERVER = "view"
CONFIG = "/etc/dm-pb"
MEMORY = 640 if SLOW == 1 else 1280
DEAD_AFTER = 8000 * SLOW        # ms; far more than a busy host takes to start a daemon


# Enough of an authority for openssl ca; valid from long ago, since clocks are put back in tests.
CA_CONFIG = """[ca]
default_ca = own
[own]
dir = .
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = v3_ca
copy_extensions = none
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[v3_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
"""
SINCE = "20200101000000Z"


class Authority:
    """Certificates, in a directory that goes away with it."""

    def __init__(self):
        self._dir = tempfile.TemporaryDirectory(prefix="pb-ca-")
        self.path = self._dir.name
        self._write("ca.conf", CA_CONFIG)
        self._write("index.txt", "")
        self._request("ca", "dm-pb test")
        self._openssl("ca", "-batch", "-notext", "-selfsign", "-config", "ca.conf", "-startdate", SINCE, "-days", "3650",
                      "-keyfile", "ca.key", "-in", "ca.csr", "-out", "ca.pem")

    def _openssl(self, *args):
        done = subprocess.run(["openssl", *args], cwd=self.path, capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"openssl {args[0]}: {done.stderr}")

    def _write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as f:
            f.write(text)

    def _request(self, file, name):
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      f"/CN={name}", "-config", "ca.conf", "-keyout", f"{file}.key", "-out", f"{file}.csr")

    def issue(self, name, addresses=(), begin=SINCE, end="20390101000000Z"):
        """(certificate, key) for a name, PEM, good for both ends of a connection."""
        names = ",".join([f"DNS:{name}"] + [f"IP:{a}" for a in addresses])
        self._write(f"{name}.ext", f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._request(name, name)
        self._openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-startdate", begin, "-enddate", end, "-keyfile",
                      "ca.key", "-cert", "ca.pem", "-extfile", f"{name}.ext", "-in", f"{name}.csr", "-out",
                      f"{name}.pem")
        return self.read(f"{name}.pem"), self.read(f"{name}.key")

    def read(self, name):
        """A file of it."""
        with open(os.path.join(self.path, name), "rb") as f:
            return f.read()

    def close(self):
        """Remove all of it."""
        self._dir.cleanup()


class Replica(Node):
    """A node of the cluster with a replica."""

    def __init__(self, cluster, vm, name):
        super().__init__(cluster, vm)
        self.name = name
        self.pbviewd = cluster.pbviewd
        self.daemon = None

    def start_daemon(self):
        """pbviewd node."""
        self.daemon = self.pair.start_pbviewd(self.vm, "node")

    def kill_daemon(self):
        """kill -9 it."""
        self.daemon.kill()
        self.daemon.wait(20)

    def up(self, declare=None):
        """pbctl up."""
        self.pbctl("up", VOLUME, *([declare] if declare else []))

    def reset(self):
        """A machine that has ended comes back as after a power cut: booted, daemon started, volume up."""
        self.vm.restart()
        self.join()
        self.up()

    def join(self):
        """After a boot: configuration, module, daemon."""
        self.pair.configure(self.vm, self.name)
        self.load()
        self.vm.run("modprobe tls")
        self.start_daemon()


class Cluster:
    """One to four nodes with replicas, and a view server on a machine of its own.

    volume: settings of the volume's file besides the replicas, as text. dead_after: one of them, ms, or None
    for the product's default. ping: of the nodes, ms; where no fail-over is measured, less often spares machines
    that are emulated. linked=False: the volume is not set up yet.
    """

    STORE = "/root/views.db"

    def __init__(self, replicas=2, disks=pbtest.DISKS, volume="", dead_after=DEAD_AFTER, ping=100, linked=True,
                 ko="PB_KO", mem=MEMORY, **rig):
        self.ko, self.pbctl = required(ko), required("PBCTL")
        self.pbviewd = os.path.join(os.path.dirname(self.pbctl), "pbviewd")
        self.volume = str(uuid.uuid4())
        self.settings = volume
        self.dead_after, self.ping = dead_after, ping
        self._linked = linked
        self.authority = Authority()
        try:
            self.rig = Rig(nodes=replicas + 1, disks=disks, mem=mem, **rig)
        except BaseException:
            self.authority.close()
            raise
        self.server = self.rig.nodes[replicas]
        self.replicas = [Replica(self, vm, NAMES[i]) for i, vm in enumerate(self.rig.nodes[:replicas])]
        self.nodes = self.replicas
        self._certificates = {}
        self.serving = None

    def __enter__(self):
        try:
            self.rig.start()
            self.configure(self.server, SERVER)
            self.start_server()
            for node in self.replicas:
                node.join()
            if self._linked:
                self.bring_up()
        except BaseException:
            self.print_logs()
            self.close()
            raise
        return self

    def __exit__(self, kind, _value, _tb):
        if kind and kind not in (SystemExit, KeyboardInterrupt):
            with contextlib.suppress(OSError):
                self.rig.save_output(os.path.basename(sys.argv[0]).split(".")[0])
            self.print_logs()
        self.close()

    def close(self):
        """The end of it."""
        self.rig.close()
        self.authority.close()

    def print_logs(self):
        """What the daemons have said, after a failure."""
        jobs = [(n.name, n.daemon) for n in self.replicas] + [(SERVER, self.serving)]
        for name, job in jobs:
            if job:
                for line in job.output()[-4000:].splitlines():
                    print(f"#   {name}: {line}", flush=True)

    # Setting up.

    def bring_up(self):
        """The first node has the data, the second becomes its synced backup, more are idle and blank."""
        first, *others = self.replicas
        first.up("--declare-synced")
        for node in others[:1]:
            node.up("--blank")
            self.wait_healthy()
        for node in others[1:]:
            node.up("--blank")

    def certificate(self, name, vm):
        """(certificate, key) of a machine."""
        if name not in self._certificates:
            self._certificates[name] = self.authority.issue(name, [vm.ip])
        return self._certificates[name]

    def configure(self, vm, name):
        """Write /etc/dm-pb of a machine."""
        certificate, key = self.certificate(name, vm)
        host = [f'node = {{ name = "{name}"; server = "https://{self.server.ip}:7402"; ping_ms = {self.ping}; }};']
        if name == SERVER:
            host = [f'server = {{ store = "{self.STORE}"; operators = [ "view" ]; }};',
                    f'client = {{ server = "https://{self.server.ip}:7402"; }};']
        vm.run(f"mkdir -p {CONFIG}/volumes {CONFIG}/hooks.d")
        for path, data in (("pbviewd.conf", "\n".join(host).encode()), ("ca.pem", self.authority.read("ca.pem")),
                           ("host.pem", certificate), ("host.key", key)):
            vm.push(f"{CONFIG}/{path}", data, 0o600)
        self.configure_volumes(vm)

    def configure_volumes(self, vm):
        """Write the volume's file."""
        vm.push(f"{CONFIG}/volumes/{VOLUME}.conf",
                self.volume_text(VOLUME, self.volume, "/dev/disk-data", "/dev/disk-meta"))

    def volume_text(self, name, volume, data, meta):
        """What a volume's file says."""
        replicas = ",\n".join(f'  {{ node = "{n.name}"; address = "{n.vm.ip}"; data = "{data}"; meta = "{meta}"; }}'
                              for n in self.replicas)
        dead_after = f"dead_after_ms = {self.dead_after};\n" if self.dead_after else ""
        return f'name = "{name}"; uuid = "{volume}";\nreplicas = (\n{replicas}\n);\n{dead_after}{self.settings}\n'

    def set_volume(self, settings):
        """Other settings of the volume: new daemons on the nodes; what is connected stays."""
        self.settings = settings
        for node in self.replicas:
            self.configure(node.vm, node.name)
            node.kill_daemon()
            node.start_daemon()
            node.daemon.wait_output("volumes")

    def guest_pbviewd(self, vm):
        """Where a guest has pbviewd."""
        if vm.index < len(self.replicas):
            return self.replicas[vm.index].guest_path(self.replicas[vm.index].pbviewd)
        if not self.pbviewd.startswith(("/tmp/", "/run/", "/dev/", "/var/tmp/")):
            return self.pbviewd
        with open(self.pbviewd, "rb") as f:
            vm.push("/tmp/pb/pbviewd", f.read(), 0o755)
        return "/tmp/pb/pbviewd"

    def start_pbviewd(self, vm, job):
        """Start it; what it says is kept here."""
        return vm.spawn(f"exec {shlex.quote(self.guest_pbviewd(vm))} {job} --debug")

    def start_server(self):
        """The view server."""
        self.serving = self.start_pbviewd(self.server, "server")
        self.serving.wait_output("serving")

    def kill_server(self):
        """kill -9 it; its store stays."""
        self.serving.kill()
        self.serving.wait(20)

    # What the view server knows.

    def ask(self, path):
        """What it says, as JSON."""
        out = self.server.run(f"curl -sS --cacert {CONFIG}/ca.pem --cert {CONFIG}/host.pem --key {CONFIG}/host.key "
                              f"https://{self.server.ip}:7402{path}").out
        return json.loads(out)

    def state(self):
        """How the volume is."""
        return self.ask(f"/v1/volumes/{VOLUME}")

    def view(self):
        """(number, [name], [synced]) of the current view."""
        view = self.state()["view"] or {"number": 0, "members": []}
        return (view["number"], [m["node"] for m in view["members"]], [m["synced"] for m in view["members"]])

    def history(self, since=1):
        """All views from a number on."""
        views = []
        while since:
            answer = self.ask(f"/v1/volumes/{VOLUME}/history?from={since}")
            views, since = views + answer["views"], answer["next"]
        return views

    def wait_view(self, what, condition, timeout=30):
        """Wait until the view server's state is so; returns it."""
        def probe():
            state = self.state()
            return state if condition(state) else None
        try:
            return until(what, probe, timeout, 0.2)
        except Failure as err:
            raise Failure(f"{err}\n{json.dumps(self.state(), indent=1)}") from None

    def wait_healthy(self, timeout=60):
        """Wait for a primary and a synced backup, both in the view, connected."""
        self.wait_view("a healthy volume", lambda s: s["health"] == "healthy", timeout)
        number, names, _ = self.view()
        for node in self.replicas:
            if node.name in names:
                until(f"{node.name} in view {number}", lambda n=node: n.status()["view"]["number"] >= number)

    def wait_primary(self, node, timeout=30):
        """Wait until a node is primary and serves."""
        until(f"{node.name} is primary", lambda: node.status()["role"] == "primary", timeout)

    def writer(self, node, **options):
        """Start writer.c on the volume of a node."""
        return Writer(node, **options)

    # The end.

    def members(self):
        """(primary, backup) of the current view as Replica; None where there is none."""
        _, names, _ = self.view()
        found = [next(n for n in self.replicas if n.name == name) for name in names]
        return tuple((found + [None, None])[:2])

    def restore(self):
        """Whatever has happened: everything runs again, and the volume is healthy."""
        self.rig.heal()
        self.rig.delay(0)
        for vm in self.rig.nodes:
            vm.thaw()
        if not self.server.alive():
            raise Failure("the view server's machine has ended")
        if self.serving.poll() is not None:
            self.start_server()
        for node in self.replicas:
            if not node.vm.alive():
                node.reset()
            elif node.daemon.poll() is not None:
                node.start_daemon()
        self.wait_healthy(120)

    def check_consoles(self, allow=()):
        """No bad line on a console."""
        bad = self.rig.check_consoles(pbtest.ALLOW + list(allow))
        check(not bad, "bad lines on the consoles:\n" + "\n".join(bad[:20]))

    def check_equal(self, a, b):
        """Two replicas are the same, byte for byte, once nothing is under way."""
        def quiet():
            return not any(s["in_flight"] or s["held"] or s["applying"] for s in (a.status(), b.status()))
        until("nothing in flight", quiet)
        at = self.rig.compare("data", a.vm, b.vm)
        check(at is None, f"the replicas differ at byte {at}")


def has_all(writer, node, promised=None):
    """What was acknowledged is on this node's disk."""
    check(writer.acked, "nothing was acknowledged")
    lost = writer.lost(node.vm.disk_path("data"), promised)
    check(not lost, f"{node.name} lost {len(lost)} of {writer.acks} acknowledged: {lost[:10]}")


def serves(node):
    """It writes and reads."""
    until(f"{node.name} writes", lambda: node.write_errno() is None)
    check(node.read_errno() is None, f"{node.name} does not read")


def refuses(node):
    """It does neither."""
    refused = node.read_errno()
    check(refused and EBADE_TEXT in refused, f"{node.name} reads: {refused}")


def run(tests, kind=Cluster, **cluster_args):
    """Run tests as TAP, each with a healthy cluster (of a kind) whose primary is nodes[0]; the exit status.

    PB_TESTS=word,word runs those whose name contains a word.
    """
    print("TAP version 13", flush=True)
    words = [w for w in os.environ.get("PB_TESTS", "").split(",") if w]
    tests = [t for t in tests if not words or any(w in t.__name__ for w in words)]
    results = []
    try:
        while len(results) < len(tests):
            with kind(**cluster_args) as cluster:
                for test in tests[len(results):]:
                    cluster.nodes = list(cluster.members()) + [n for n in cluster.replicas
                                                               if n not in cluster.members()]
                    results.append(pbtest.one(len(results) + 1, test, cluster))
                    if not results[-1]:
                        cluster.print_logs()
                        with contextlib.suppress(OSError):
                            cluster.rig.save_output(os.path.basename(sys.argv[0]).split(".")[0])
                        break
                    cluster.check_consoles()
                    cluster.restore()
    except pbtest.Skip as err:
        print(f"1..0 # SKIP {err}", flush=True)
        return pbtest.SKIP
    except (RigError, Failure) as err:
        print(f"Bail out! {str(err).splitlines()[0]}", flush=True)
        return pbtest.BAD
    print(f"1..{len(results)}\n# {sum(results)} of {len(results)} passed", flush=True)
    return 0 if all(results) else pbtest.BAD


__all__ = ["Cluster", "run", "DEAD_AFTER", "Replica", "Authority", "VOLUME", "DEVICE", "NAMES", "SERVER", "CONFIG", "VmDied"]
