#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""PostgreSQL on three Debian hosts, as postgresql.rst says: a client at the floating address, a switch, and a dead primary.

The commands of the page are run as they are there. The client, on the host of the view server, counts: a number is said when
its COMMIT was answered. Each that was said is in the table, once, whoever serves in the end.
"""

import sys

import hosts
from hosts import check, commands, page, quick_start, until
from image import CLIENT, DATABASE

ADDRESS, INTERFACE = "10.0.0.100", "eth0"
MOUNT, SERVICE = "/srv/db", "postgresql@15-main"
PASSWORD = "sesame"
CONNECTION = (f"host={ADDRESS} user=postgres password={PASSWORD} dbname=postgres connect_timeout=5 tcp_user_timeout=5000 keepalives_idle=1 "
              "keepalives_interval=1 keepalives_count=3")
# Debian's psql is a wrapper in Perl, which takes a second on an emulated machine.
PSQL = f"/usr/lib/postgresql/15/bin/psql -XqAt -v ON_ERROR_STOP=1 '{CONNECTION}'"
CLIENT_LOOP = f"""#!/bin/bash
n=1
while :; do
	if {PSQL} -c "INSERT INTO ledger VALUES($n) ON CONFLICT DO NOTHING"; then
		echo $n
		n=$((n + 1))
	else
		sleep 0.2
	fi
done >/dev/virtio-ports/pb.acks 2>/root/client.errors
"""


def section(title):
    """The text of a section of the page."""
    text = page("postgresql.rst")
    check(f"\n{title}\n=" in text, f"postgresql.rst has no section {title}")
    return text.split(f"\n{title}\n")[1].split("\n\n\n")[0]


def wait_runs(host):
    """Wait until the database runs there, mounted, with the address."""
    has = f"systemctl -q is-active {SERVICE} && mountpoint -q {MOUNT} && ip -4 address show {INTERFACE} | grep -q {ADDRESS}/"
    until(f"PostgreSQL runs on {host.name}", lambda: host.ok(has), 120, 0.5)


def serves(site, host):
    """And the client goes on."""
    wait_runs(host)
    site.wait_acks(10)


def has_nothing(host):
    """No process of the service, nothing is mounted, and the address is gone."""
    return host.ok(f"! ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q /postgres && ! mountpoint -q {MOUNT} && "
                   f"! ip -4 address show {INTERFACE} | grep -q {ADDRESS}/")


def check_table(site, host):
    """What was said is in the table."""
    acked = site.acked()
    rows = {int(n) for n in host.run("runuser -u postgres -- psql -XqAt -c 'SELECT id FROM ledger'").split()}
    lost = sorted(set(acked) - rows)
    check(acked and not lost, f"{host.name} lacks {lost[:10]} of {len(acked)} that were said")
    check(len(acked) == len(set(acked)), "a number was said twice")


def test_set_up(site):
    """the volume as quickstart.rst has it, the database as postgresql.rst says; the client reaches it at its address"""
    site.follow([step for step in quick_start() if not step[1].startswith(("mkfs", "mount"))])
    site.wait_healthy()
    steps = commands(section("Setting it up"))
    check(len(steps) > 8, "the page has few commands")
    site.follow(steps)
    alpha = site.alpha
    wait_runs(alpha)
    for order in ("CREATE TABLE ledger(id int PRIMARY KEY)", f"ALTER ROLE postgres PASSWORD '{PASSWORD}'"):
        alpha.run(f'runuser -u postgres -- psql -XqAt -c "{order}"')
    site.view.vm.push("/usr/local/bin/client", CLIENT_LOOP, 0o755)
    site.view.run("systemd-run -q --unit client /usr/local/bin/client")
    serves(site, alpha)
    check(has_nothing(site.beta), "beta has something of it")
    for node in site.nodes:
        site.follow([(node.name, command) for _, command in commands(page("install.rst")) if "pb@" in command])


def test_switch(site):
    """a planned switch, as the page has it: the client goes on at the other node, and nothing is lost"""
    alpha, beta = site.alpha, site.beta
    site.follow(commands(section("A planned switch")))
    serves(site, beta)
    check(has_nothing(alpha), "alpha has something left")
    check("not properly shut down" not in beta.run("cat /var/log/postgresql/*.log"), "it was not ended in order")
    site.wait_healthy()
    check_table(site, beta)


def test_killed(site):
    """the power of the primary fails: the address, the file system and the database are on the other, and all rows"""
    alpha, beta = site.alpha, site.beta
    beta.vm.kill()
    serves(site, alpha)
    check_table(site, alpha)
    beta.boot()
    beta.wait_up()
    site.wait_healthy()
    check(has_nothing(beta), "beta has something of it after its boot")
    site.wait_acks(10)
    check_table(site, alpha)


def test_deposed(site):
    """the network of the primary is cut: the client goes on at the other, and what still ran ends when the cut does"""
    alpha, beta = site.alpha, site.beta
    site.rig.isolate(alpha.vm)
    serves(site, beta)
    check(alpha.ok(f"mountpoint -q {MOUNT}"), "alpha knew without having been told: the page says otherwise")
    site.rig.heal()
    until("alpha lets go of it", lambda: has_nothing(alpha), 120, 0.5)
    site.wait_acks(10)
    site.wait_healthy()
    check_table(site, beta)


TESTS = [test_set_up, test_switch, test_killed, test_deposed]


if __name__ == "__main__":
    sys.exit(hosts.main(TESTS, data="330M", on_nodes=DATABASE, on_view=CLIENT))
