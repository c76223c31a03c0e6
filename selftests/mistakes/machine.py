# SPDX-License-Identifier: GPL-2.0
"""Mistakes with a module and disks, in a machine where vm/test_mistakes.sh has set up some volumes.

A is the primary of view 2 and B its synced backup, connected; C is blank and has no view; D is a primary whose
backup is away; lin is another device of the device mapper.
"""

import contextlib
import glob
import json
import os
import shutil
import socket
import subprocess

from table import Mistake

WORK = "/tmp/mistakes"
MIB = 1 << 20
SIZE, META = 16 * MIB, 4 * MIB
NOBODY = 65534
VOLUME, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
# Of a volume's status: what a mistake could change. Counters and times do so by themselves.
KEPT = ["name", "replica", "role", "replica_state", "policy", "view", "data_sectors", "capacity_sectors", "flags",
        "resize", "lease_ms", "reads"]


def letter(name):
    """The UUID of a replica, as lib.sh makes it."""
    two = f"{name}1"
    return f"{two * 4}-{two * 2}-{two * 2}-{two * 2}-{two * 6}"


def sh(*words):
    """Run a command of a preparation; what it prints."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


class Bench:
    """Two empty disks for each mistake, {data} and {meta}, and what else there is in the machine."""

    def __init__(self, pbctl):
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK)
        # So that everybody can run it.
        self._pbctl = shutil.copy(pbctl, "/tmp/pbctl")
        os.chmod(self._pbctl, 0o755)
        self.stack = contextlib.ExitStack()
        self.names = {}
        self._taken = sh("losetup", "-n", "-O", "NAME", "-j", "/tmp/vm/mA")
        self._kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)

    def begin(self):
        """Take away what the last one has used, and make new disks."""
        self.stack.close()
        self.names = {"volume": VOLUME, "other": OTHER, "a": letter("a"), "b": letter("b"), "c": letter("c"),
                      "d": letter("d"),
                      "mA": self._taken, "file": f"{WORK}/data", "dir": WORK}
        self.names["data"] = self.names["dev"] = self.disk("data", SIZE)
        self.names["meta"] = self.disk("meta", META)

    def disk(self, name, size, block=512):
        """A loop device on an empty file."""
        path = os.path.join(WORK, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "wb") as f:
            f.truncate(size)
        dev = sh("losetup", "-f", "--show", "-b", str(block), path)
        self.stack.callback(sh, "losetup", "-d", dev)
        return dev

    def run(self, words, user=None):
        """(exit status, lines on stderr, lines of the kernel's log about a table)."""
        self._log()
        words = [self._pbctl] + words[1:] if words[0] == "pbctl" else words
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, user=user,
                              env={**os.environ, "RES_OPTIONS": "timeout:1 attempts:1", "LC_ALL": "C"})
        return done.returncode, done.stderr.splitlines(), self._log()

    def _log(self):
        """What the kernel has said of tables since."""
        lines = []
        with contextlib.suppress(BlockingIOError):
            while True:
                text = os.read(self._kmsg, 8192).decode(errors="replace").split(";", 1)[1].split("\n")[0]
                if text.startswith("device-mapper: table: ") and ": pb: " in text:
                    lines.append(text.split(": pb: ", 1)[1])
        return lines

    def state(self):
        """All that a mistake could have changed."""
        found = {"dmsetup table": sh("dmsetup", "table")}
        loops = [path for what in ("ro", "size", "loop/backing_file") for path in glob.glob(f"/sys/block/loop*/{what}")]
        for path in ["/proc/mounts", "/proc/swaps"] + loops:
            with open(path, encoding="utf-8") as f:
                found[path] = f.read()
        for volume in json.loads(sh(self._pbctl, "status", "--json")):
            found[f"status of {volume['dm_name']}"] = {key: volume.get(key) for key in KEPT}
        for top in (WORK, "/tmp/vm"):
            for name in os.listdir(top):
                path = os.path.join(top, name)
                if os.path.isfile(path) and name[0] in "dm":
                    found[path] = ends(path)
        return found

    def skipped(self, _mistake):
        """Everything can be done wrong here."""
        return None


def ends(path):
    """What is at a disk's beginning and end: where file systems begin, and all metadata."""
    size = os.path.getsize(path)
    with open(path, "rb") as f:
        first = f.read(MIB)
        f.seek(max(size - META - MIB, 0))
        return size, first, f.read()


# Preparations.

def steps(*all_of_them):
    """One after the other."""
    def prepare(bench):
        for step in all_of_them:
            step(bench)
    return prepare


def named(**names):
    """A field is this."""
    return lambda bench: bench.names.update(names)


def also(**names):
    """A field is what another one is."""
    return lambda bench: bench.names.update({name: bench.names[old] for name, old in names.items()})


def sized(name, size, block=512):
    """A disk of another size, or with other blocks."""
    def prepare(bench):
        bench.names[name] = bench.disk(f"{name}2", size, block)
        if name == "data":
            bench.names["dev"] = bench.names[name]
    return prepare


def ext(name="data"):
    """There is a file system on it."""
    return lambda bench: sh("mkfs.ext2", "-q", bench.names[name])


def mounted(bench):
    """It is mounted."""
    ext()(bench)
    sh("mount", bench.names["data"], "/mnt")
    bench.stack.callback(sh, "umount", "/mnt")


def swapping(bench):
    """It is swapped to."""
    sh("mkswap", bench.names["data"])
    sh("swapon", bench.names["data"])
    bench.stack.callback(sh, "swapoff", bench.names["data"])


def below(bench):
    """Another device is on top of it."""
    sh("dmsetup", "create", "top", "--table", f"0 8192 linear {bench.names['data']} 0")
    bench.stack.callback(sh, "dmsetup", "remove", "--retry", "top")


def read_only(bench):
    """It cannot be written."""
    sh("blockdev", "--setro", bench.names["data"])
    bench.stack.callback(sh, "blockdev", "--setrw", bench.names["data"])


def replica(*more, internal=False):
    """There is a replica on it, not set up."""
    def prepare(bench):
        where = [] if internal else ["--meta", bench.names["meta"]]
        sh("/tmp/pbctl", "create", "old", "--data", bench.names["data"], *where, "--declare-synced", "--volume", VOLUME,
           "--replica", letter("f"), *more)
        sh("/tmp/pbctl", "remove", "old")
        bench.names["replica"] = letter("f")
    return prepare


def shrunk(bench):
    """The data device is smaller now."""
    os.truncate(f"{WORK}/data", SIZE // 2)
    sh("losetup", "-c", bench.names["data"])


def damaged(bench):
    """Both copies of the superblock have lost something."""
    with open(f"{WORK}/meta", "r+b") as f:
        for at in range(0, META // 2, 4096):
            f.seek(at)
            if f.read(1) != b"\0":
                f.seek(at + 100)
                f.write(b"\xff" * 8)
    sh("blockdev", "--flushbufs", bench.names["meta"])


def held(bench):
    """Somebody has the volume open."""
    bench.stack.callback(os.close, os.open("/dev/mapper/A", os.O_RDONLY))


def listener(bench):
    """Somebody has a port, and says nothing to who connects."""
    sock = socket.create_server(("127.0.0.1", 0))
    bench.stack.callback(sock.close)
    bench.names["port"] = sock.getsockname()[1]


def number(name):
    """The name of a device that is no volume is its number."""
    def prepare(bench):
        status = os.stat(bench.names[name])
        bench.names["name"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return prepare


def configured(bench):
    """A configuration in which the volume has another UUID than the disk."""
    os.makedirs(f"{WORK}/etc/volumes", exist_ok=True)
    with open(f"{WORK}/etc/pbviewd.conf", "w", encoding="utf-8") as f:
        f.write('node = { name = "alpha"; server = "https://view:7402"; };\n')
    with open(f"{WORK}/etc/volumes/vol.conf", "w", encoding="utf-8") as f:
        f.write(f'name = "vol"; uuid = "{OTHER}"; replicas = ( {{ node = "alpha"; address = "10.0.0.1"; '
                f'data = "{bench.names["data"]}"; meta = "{bench.names["meta"]}"; }} );\n')


IN_USE = "{dev} is in use: unmount it or remove what is on top of it ('lsblk {dev}')"
NO_DEVICE = "there is no device-mapper device named '{name}': 'pbctl status' lists the volumes"
NO_VOLUME = "{name} is not a dm-pb volume: 'pbctl status' lists them"
NEW = "pbctl create vol --data {data} --meta {meta}"

SET_UP = [
    Mistake("the disk is a file", "pbctl create vol --data {file} --blank",
            "{file} is not a block device (an image file needs losetup)",
            "Name the disk; for a test, ``losetup -f --show FILE``."),
    Mistake("there is no such disk", "pbctl create vol --data {dev} --blank",
            "cannot open {dev}: No such file or directory: 'lsblk' lists the devices", None, named(dev="/dev/sdz")),
    Mistake("the disk is mounted, swapped to, or part of something else", NEW + " --blank", IN_USE,
            "``umount`` it and take it out of ``/etc/fstab``; or it is the wrong disk.", mounted),
    Mistake("the same: swap", NEW + " --blank", IN_USE, None, swapping),
    Mistake("the same: another device is on it", NEW + " --blank", IN_USE, None, below),
    Mistake("the same: a volume that is up has it for data", "pbctl create vol --data {mA} --meta {meta} --blank",
            IN_USE,
            None, also(dev="mA")),
    Mistake("the same: a volume that is up has it for metadata", "pbctl create vol --data {data} --meta {mA} --blank",
            IN_USE, None, also(dev="mA")),
    Mistake("data and metadata on one disk, named twice", "pbctl create vol --data {data} --meta {data} --blank",
            "--data and --meta are the same device: leave out --meta to have the metadata at its end", "Do so."),
    Mistake("the disk is read-only", NEW + " --blank", "{dev} is read-only: 'blockdev --setrw' may help",
            "Else: a switch on it, a snapshot, a storage that can only be read.", read_only),
    Mistake("the disk is too small", "pbctl create vol --data {data} --blank",
            "{dev}: {n} sectors are too few for a metadata area: give a device of {m} or more", None,
            sized("data", MIB)),
    Mistake("the metadata device is too small", NEW + " --blank",
            "{dev}: {n} sectors are too few for a metadata area: give a device of {m} or more", None,
            steps(sized("meta", MIB), also(dev="meta"))),
    Mistake("the metadata device is too small for a volume of that size", NEW + " --blank --region-size 4KiB --maps 7",
            "{meta}: the metadata area is too small for the volume's dirty maps: it is enough for {n} sectors; a "
            "larger --region-size or fewer --maps take less", "Or take a larger metadata device.",
            sized("data", 1 << 40)),
    Mistake("the name is taken", "pbctl create A --data {data} --meta {meta} --blank",
            "there is a device-mapper device named 'A' already: 'pbctl remove A' or choose another name",
            "If it is the volume itself, it is up: nothing to do."),
    Mistake("it is not said what a new replica is worth", NEW,
            "there is no superblock on {meta}: say --declare-synced if {data} holds the volume's data, --blank if it "
            "is to be filled", "If there should be one, it is the wrong disk."),
    Mistake("the same, with the metadata on the data device", "pbctl create vol --data {data}",
            "there is no superblock at the end of {data}: if the device was enlarged, its metadata is where it ended "
            "before (see 'Larger volumes' in dm-pb.rst); for a new replica say --declare-synced if the device holds "
            "the volume's data, --blank if it is to be filled", "If there should be one, look for it first."),
    Mistake("something is on the disk that would be given up", NEW + " --blank",
            "{dev} holds something (ext2), which --blank gives up: --declare-synced keeps it, --force lets it go",
            "Look at it (``blkid``) before you force anything.", ext()),
    Mistake("something is on the metadata device", NEW + " --blank",
            "{meta} holds something (ext2) that would be overwritten: wipe it, or --force if it may go",
            "Look at it; ``wipefs -a`` if it may go.", ext("meta")),
    Mistake("the metadata would be written over the end of a file system",
            "pbctl create vol --data {data} --declare-synced",
            "{data} holds something (ext2) and the volume ends {n} sectors before it does: use --meta DEV and the "
            "full size, or shrink it to {m} sectors first and say --force", "*From existing data* in runbook.rst.",
            ext()),
    Mistake("a replica that is there is declared new", NEW + " --blank",
            "{meta} has a superblock, of volume {volume}, already: leave out --blank to set it up as it is, or wipe "
            "it first",
            "Wipe only what is to be thrown away: it may be the last copy.", replica()),
    Mistake("another volume's metadata", NEW + " --volume {other}",
            "{meta} has the metadata of volume {volume}, not of {other}: give the right device, or leave out --volume",
            "``pbctl dump-meta DEV`` shows whose it is.", replica()),
    Mistake("another volume's metadata, by the configuration", "pbctl up vol --config {dir}/etc",
            "{meta} has the metadata of volume {volume}, not of {other}: give the right device",
            "Correct the device or the UUID in the volume's file.", steps(replica(), configured)),
    Mistake("another replica's metadata", NEW + " --replica {a}",
            "{meta} has the metadata of replica {replica}, not of {a}: give the right device, or leave out --replica",
            "Leave it out: it has its own.", replica()),
    Mistake("another size than the volume has", NEW + " --size 8192",
            "--size 8192: the superblock says {n}; leave the option out", "*pbctl resize* makes it larger.", replica()),
    Mistake("other blocks than the volume has", NEW + " --block-size 4096",
            "--block-size 4096: the superblock says 512; leave the option out", "They cannot be changed.", replica()),
    Mistake("the metadata device is given as data", "pbctl create vol --data {meta} --blank",
            "{meta} is a volume's metadata device ({volume}): give it as --meta, or --force to give it up",
            "Name both devices.", steps(sized("meta", SIZE), replica())),
    Mistake("a metadata device, where the metadata is at the data's end", NEW + " --blank",
            "{data} has a volume's metadata ({volume}) at its end: leave out --meta to use it, or --force to give it "
            "up",
            "Leave it out.", replica(internal=True)),
    Mistake("a volume that is larger than its disk", NEW + " --blank --size 99999",
            "{data} has room for {n} sectors and the volume has {m}: make the device larger, or --size smaller",
            "Leave out ``--size`` for all that there is."),
    Mistake("a size that is not whole blocks", NEW + " --blank --block-size 4096 --size 1001",
            "--size: 1001 sectors are not a multiple of the block size, 4096 bytes: say {n}", "Do so."),
    Mistake("blocks that are smaller than the disk's", NEW + " --blank --block-size 512",
            "--block-size 512: {data} cannot write less than 4096 bytes: leave the option out", "Do so.",
            sized("data", SIZE, 4096)),
    Mistake("the disk has been made smaller", NEW,
            "{data} has room for {n} sectors and the volume has {m}: give the device its former size back",
            "Do so before anything else is done with it.", steps(replica(), shrunk)),
    Mistake("the metadata is damaged", NEW,
            "{meta}: superblock: wrong checksum: look at it with 'pbctl dump-meta {meta}'",
            "This replica is lost.  If another one is synced: wipe it and set it up ``--blank``.",
            steps(replica(), damaged)),
    Mistake("somebody else than root", NEW + " --blank", "no permission for /dev/dm-pb-control: run this as root",
            "Do so.",
            user=NOBODY),
]

VOLUMES = [
    Mistake("there is no such volume", "pbctl remove {name}", NO_DEVICE, "It is not up, or has another name.",
            named(name="vol9")),
    Mistake("the same, looked at", "pbctl status {name}", NO_DEVICE, None, named(name="vol9")),
    Mistake("a device that is no volume", "pbctl remove {name}", NO_VOLUME, "Correct the name.", named(name="lin")),
    Mistake("the disk below it is named", "pbctl status {data}", NO_VOLUME, None, number("data")),
    Mistake("a path that there is not", "pbctl resync /dev/mapper/vol9",
            "/dev/mapper/vol9: No such file or directory: 'pbctl status' lists the volumes", "Correct it."),
    Mistake("the volume is mounted, or somebody has it open", "pbctl remove A --retry 0",
            "A is in use: unmount it or close what has it open, then remove it again",
            "``fuser -vm /dev/mapper/A`` says who.",
            held),
    Mistake("an older view", "pbctl view set A --number 1 --member {a} --member {b}",
            "A: older than the current view: 'pbctl status A' says how it is", "One more than the current number."),
    Mistake("another view of the same number", "pbctl view set A --number 2 --member {a}",
            "A: another view of this number is already current: 'pbctl status A' says how it is", "One more."),
    Mistake("a replica without data is called synced", "pbctl view set C --number 1 --member {c}",
            "C: the view calls this replica synced and it is not: 'pbctl status C' says how it is",
            "``UUID:NAME:unsynced``, as a backup: it gets a copy."),
    Mistake("a connection before there is a view", "pbctl connect C 127.0.0.1",
            "C: this replica (unconfirmed) has no neighbour in view 0: set a view with two members first",
            "*pbctl view set*."),
    Mistake("nobody listens on the other node, or the port is closed", "pbctl connect D 127.0.0.1:1",
            "D: cannot connect to 127.0.0.1:1: Connection refused: nobody listens there yet, or a firewall refuses it",
            "``pbctl listen`` there; open 7780/tcp (pbviewd: 7401, 7402)."),
    Mistake("there is no way to the other node", "pbctl connect D 192.0.2.1",
            "D: cannot connect to 192.0.2.1:7780: Network is unreachable: look at the address, the cable and 'ip "
            "route'",
            "``ping`` it."),
    Mistake("DNS does not know the other node", "pbctl connect D beta.invalid",
            "cannot find the address of 'beta.invalid': {text}: is it in /etc/hosts or in DNS?", "Better an address."),
    Mistake("the port of the other node is another service's", "pbctl connect D 127.0.0.1:{port} --wait 1",
            "D: the peer did not say hello in time: is the volume set up there and in the same view?",
            "*pbctl status* on both; the port.", listener),
    Mistake("a member that there is not", "pbctl connect D 127.0.0.1 --peer {a}",
            "D: replica {a} is not a neighbour in view 1: 'pbctl view show' lists the members",
            "Leave out ``--peer``."),
    Mistake("the port is in use", "pbctl listen D 127.0.0.1:{port}",
            "cannot listen on 127.0.0.1:{port}: Address already in use: 'ss -ltnp' says by whom", None, listener),
    Mistake("nobody comes", "pbctl listen D 127.0.0.1:7788 --wait 0.3",
            "D: nobody connected in time: is 'pbctl connect' running on the other node?",
            "Start it there; look at the firewall."),
    Mistake("there is nothing to close", "pbctl disconnect C",
            "C: there is no such connection: 'pbctl status' shows those that there are", "Nothing to do."),
    Mistake("the backup is asked to compare", "pbctl verify B",
            "B: this replica is not a primary with a synced backup: do it on the primary, while its backup is synced",
            "Do so."),
    Mistake("a range that is not in the volume", "pbctl verify A --start 1GiB",
            "A: the range is not in the volume: 'pbctl status' shows the volume", "A smaller start."),
    Mistake("a range that does not begin with a chunk", "pbctl verify A --start 4KiB",
            "A: the start is no multiple of 1 MiB, or the length of the block size: 'pbctl status' shows the volume",
            "Round it down."),
    Mistake("no comparison is to be stopped", "pbctl verify A --stop",
            "A: no verification goes on: --show prints the latest result", "Nothing to do."),
    Mistake("a smaller volume", "pbctl resize A --size 8192", "A: a volume cannot be made smaller: it has {n} sectors",
            "A new, smaller volume, and a copy of the files."),
    Mistake("a volume that is larger than its disk", "pbctl resize A --size 99999",
            "A: the data device has room for {n} sectors only: enlarge it first", "On every node."),
    Mistake("no growth is to be cancelled", "pbctl resize A --cancel", "A: no resize is under way", "Nothing to do."),
    Mistake("an option for the primary, on the backup", "pbctl resize B --assume-zero",
            "B: this replica is not the primary: the flag has no meaning", "Leave it out there."),
]


def line(words, begin=0):
    """A table line."""
    return f"dmsetup create vol --table '{begin} 32768 pb {words}'"


TABLE_LINES = [
    Mistake("too few words", line("{volume} {data}"),
            "needs volume UUID, data device, metadata device or -, number of options (-EINVAL)",
            "dm-pb.rst has the line."),
    Mistake("the volume's UUID is none", line("vol {data} {meta} 0"), "the volume must be a UUID (-EINVAL)",
            "``uuidgen``."),
    Mistake("an option that there is not", line("{volume} {data} {meta} 2 colour blue"), "unknown option (-EINVAL)",
            "dm-pb.rst lists them."),
    Mistake("options counted wrongly", line("{volume} {data} {meta} 3 format blank name"),
            "options come as name and value, counted in words (-EINVAL)", "Two words each."),
    Mistake("a value that there is not", line("{volume} {data} {meta} 2 format new"),
            "format must be blank or synced (-EINVAL)", "Say one of the two."),
    Mistake("a lease that is too short", line("{volume} {data} {meta} 2 lease_ms 5"),
            "lease_ms must be 0, or from 40 to 60000 (-EINVAL)", "Give one in that range."),
    Mistake("options of a new replica for an old one", line("{volume} {data} {meta} 2 name vol"),
            "name, replica and all sizes and numbers go with format (-EINVAL)", "Leave them out, or add ``format``."),
    Mistake("data and metadata on one disk, named twice", line("{volume} {data} {data} 0"),
            "data and metadata device are the same: say - (-EINVAL)", "Do so."),
    Mistake("the disk is not there, or is no disk", line("{volume} /dev/sdz {meta} 0"),
            "cannot open the data device ({text})", "*pbctl create* says which of them."),
    Mistake("the same: a file", line("{volume} {dir}/data {meta} 0"), "cannot open the data device ({text})", None),
    Mistake("the disk is in use", line("{volume} {data} {meta} 0"), "the data device is in use (-EBUSY)",
            "Unmount it, or remove what is on top of it: ``lsblk``.", mounted),
    Mistake("the metadata device is not there", line("{volume} {data} /dev/sdz 0"),
            "cannot open the metadata device ({text})",
            "*pbctl create* says what is wrong with it."),
    Mistake("the data device is read-only", line("{volume} {data} {meta} 0"), "the data device is read-only (-EROFS)",
            "``blockdev --setrw``.", read_only),
    Mistake("the disk is too small", line("{volume} {data} {meta} 4 format blank name vol"),
            "the data device is too small (-ENOSPC)", "The length at the beginning of the line is in sectors.",
            sized("data", MIB)),
    Mistake("there is no replica, and no new one is wanted", line("{volume} {data} {meta} 0"),
            "no superblock of dm-pb (-ENODATA)", "``format``, for a new one; else it is the wrong disk."),
    Mistake("a new replica over an old one", line("{volume} {data} {meta} 6 format blank name vol replica {a}"),
            "a superblock is there already, not formatting (-EEXIST)", "Without ``format`` it is set up as it is.",
            replica()),
    Mistake("another volume's metadata", line("{other} {data} {meta} 0"),
            "the superblock is another volume's (-EMEDIUMTYPE)", "It is the wrong disk, or the wrong UUID.", replica()),
]
TABLE_LINES = [mistake._replace(source="kernel") for mistake in TABLE_LINES]

TABLES = {"Setting up": SET_UP, "Volumes": VOLUMES, "Table lines": TABLE_LINES}
