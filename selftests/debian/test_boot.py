#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Three Debian hosts, installed from our packages and set up as quickstart.rst says, are shut down, booted and cut off.

Whatever happens, the volume is healthy again with no one's help, what was acknowledged is there, and nothing in a boot or a
shutdown fails, waits in vain or is in the wrong order.
"""

import os
import sys

import hosts
from hosts import DEVICE, LONG, MOUNT, NEWER, VOLUME, check, commands, page, until

TEXT = "what was written before"

SLOW_TO_END = f"""#!/bin/sh
cd {MOUNT}
trap 'sleep 3; exit 0' TERM
while :; do
	sleep 1
done
"""


def back_in_order(site, host):
    """After its boot a node is a synced backup: names, nothing failed, nothing looked at its device."""
    host.wait_up()
    site.wait_healthy()
    host.clean_words("its boot")
    host.clean_journal()
    host.clean_journal(-1)
    host.has_names()
    loaded, installed = host.run("cat /sys/module/dm_pb/version; modinfo -F version dm-pb").split()
    check(loaded == installed, f"{host.name} has loaded version {loaded}, and {installed} is installed")


def test_quick_start(site):
    """quickstart.rst, as it is written: from packages to a mounted file system; LVM below"""
    site.follow(hosts.quick_start())
    site.wait_healthy()
    check(site.alpha.ok(f"mountpoint -q {MOUNT}"), "nothing is mounted")
    for node in site.nodes:
        node.has_names()
        node.clean_journal()
    site.beta.was_not_read()


def test_by_hand(site):
    """the units enabled as install.rst says; the primary is rebooted, with the file system mounted by hand and in use"""
    enable = [line for line in commands(page("install.rst")) if "pb@" in line[1]]
    check(enable, "install.rst does not say how pb@ is enabled")
    for node in site.nodes:
        site.follow([(node.name, command) for _, command in enable])
        check(node.ok(f"systemctl -q is-active pb.target pb@{VOLUME}"), "pb@ is not active")
    alpha, beta = site.alpha, site.beta
    # A service of which systemd does not know that it needs the mount, and which takes its time to end.
    alpha.vm.push("/usr/local/bin/slow", SLOW_TO_END, 0o755)
    alpha.run(f"echo '{TEXT}' >{MOUNT}/file && sync {MOUNT}/file && systemd-run -q /usr/local/bin/slow")
    alpha.goes_down("reboot")
    site.wait_primary(beta)
    alpha.boot()
    beta.run(f"mount {DEVICE} {MOUNT}")
    check(beta.run(f"cat {MOUNT}/file").strip() == TEXT, "the file is not there, or is another")
    back_in_order(site, alpha)
    alpha.was_not_read()
    beta.run(f"umount {MOUNT}")


def test_backup(site):
    """the backup is rebooted under load: synced again by itself, and the application has not noticed"""
    primary, backup = site.members()
    site.install_application()
    primary.run("systemctl restart pbviewd")        # it runs the hook
    site.wait_acks()
    since = primary.run("systemctl show -p ActiveEnterTimestamp ledger")
    backup.goes_down("reboot")
    site.wait_acks()
    backup.boot()
    back_in_order(site, backup)
    site.wait_acks()
    backup.was_not_read()
    check(primary.run("systemctl show -p ActiveEnterTimestamp ledger") == since, "the application was started again")
    check(not primary.run("journalctl -q -b -u ledger -p err"), "the application failed")


def apt_newer(host, debs):
    """The line of install.rst; without the module, which takes minutes on an emulated machine, if not PB_LONG."""
    debs = [p for p in debs if LONG or "-dkms" not in p]
    for path in debs:
        with open(path, "rb") as f:
            host.vm.push(f"/root/{os.path.basename(path)}", f.read())
    host.run("DEBIAN_FRONTEND=noninteractive apt-get -qy install " + " ".join(f"/root/{os.path.basename(p)}" for p in debs),
             1500)


def test_upgrade(site):
    """packages of a newer version on the primary under load: no write waits for it, and a new daemon runs"""
    primary, _backup = site.members()
    asked = "systemctl show -p ActiveEnterTimestamp ledger; cat /sys/module/dm_pb/version; readlink -f /dev/mapper/db"
    before, pid = primary.run(asked), primary.run("pidof pbviewd")
    site.wait_acks()
    said = len(site.acked())
    apt_newer(primary, site.newer)
    check(len(site.acked()) > said, "nothing was acknowledged meanwhile")
    site.wait_acks()
    check(primary.run(asked) == before, f"before: {before}, and then: {primary.run(asked)}")
    check(primary.ok("systemctl -q is-active pbviewd"), "the daemon does not run")
    check(primary.run("pidof pbviewd") != pid and NEWER in primary.run("pbviewd --version"), "the daemon is the old one")
    site.wait_healthy()
    check(site.members()[0] is primary, "another is primary")
    if LONG:
        check(primary.run("modinfo -F version dm-pb").strip() == NEWER, "the new module is not installed")


def test_remove(site):
    """packages are removed from a backup whose volume is up: that stays up, and so does the application"""
    primary, backup = site.members()
    backup.run("DEBIAN_FRONTEND=noninteractive apt-get -qy remove pb-utils pbviewd", 300)
    check(not backup.ok("pidof pbviewd"), "its daemon runs")
    check(backup.ok(f"dmsetup info {VOLUME}"), "its volume is not up")
    site.wait_acks()
    apt_newer(backup, [p for p in site.newer if "-dkms" not in p])
    backup.run("systemctl start pbviewd")
    site.wait_healthy()
    check(site.members()[0] is primary, "another is primary")


def test_primary(site):
    """the primary is rebooted under load: unmounted in order, the other serves, and it is its synced backup by itself"""
    primary, backup = site.members()
    site.wait_acks()
    primary.goes_down("reboot")
    until(f"{backup.name} has it mounted and serves", backup.is_used, 90, 0.5)
    site.wait_acks()
    primary.boot()
    back_in_order(site, primary)
    primary.was_not_read()
    check("was not removed in order" not in primary.run("journalctl -q -b -k"), "the volume was not taken down in order")
    site.check_ledger(backup)


def test_power_cut(site):
    """the power of both nodes fails: booted, one is primary and has it mounted, the other is synced, all by itself"""
    site.wait_acks()
    for node in site.nodes:
        node.vm.kill()
    for node in site.nodes:
        node.boot()
    for node in site.nodes:
        node.wait_up()
    primary, backup = site.members()
    until(f"{primary.name} has it mounted and serves", primary.is_used, 90, 0.5)
    site.wait_acks()
    site.wait_healthy()
    for node in site.nodes:
        node.clean_words("its boot")
        node.clean_journal()
        node.has_names()
    backup.was_not_read()
    site.check_ledger(primary)


def test_poweroff(site):
    """all hosts are switched off, the primary first, and on again: in order, and all is as before"""
    primary, backup = site.members()
    for host in (primary, backup, site.view):
        host.goes_down("poweroff")
    for host in site.hosts.values():
        host.boot()
    for host in site.hosts.values():
        host.wait_up()
        host.clean_words("its boot")
        host.clean_journal()
        host.clean_journal(-1)
    primary, _backup = site.members()
    until(f"{primary.name} has it mounted and serves", primary.is_used, 90, 0.5)
    site.wait_acks()
    site.wait_healthy()
    site.check_ledger(primary)


TESTS = [test_quick_start, test_by_hand, test_backup, test_upgrade, test_primary, test_power_cut]
TESTS += [test_remove, test_poweroff] if LONG else []


if __name__ == "__main__":
    sys.exit(hosts.main(TESTS))
