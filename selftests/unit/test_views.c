// SPDX-License-Identifier: GPL-2.0
/*
 * The view function, by the rules of the published courses on primary/backup
 * replication, put on replicas with disks.
 */
#include "views_sim.h"

/* The course's rules */

static void test_first(void)
{
	begin();
	rounds(2, ONLY(2));
	is(volume.view.number, 0, "a blank replica makes no view");
	begin();
	say(0);
	alone(1, 0, "the first that has the data is primary of view 1");
	is(volume.acked, 0, "it has not acknowledged it");
	is(say(0), 1, "its next ping does");
	is(volume.acked, 1, "now it has");
	rounds(3, ONLY(0));
	alone(1, 0, "no empty change");
	is(volume.view.why, PV_WHY_FIRST, "why view 1");
}

static void test_backup(void)
{
	begin();
	say(0);
	say(1);
	alone(1, 0, "no backup before the view is acknowledged");
	say(0);
	view_is(2, 0, 1, false, "an idle node is backup as soon as it is");
	is(volume.view.why, PV_WHY_BACKUP_ADDED, "why view 2");
	say(2);
	view_is(2, 0, 1, false, "no change for one more idle node");
	rounds(3, ONLY(0) | ONLY(1) | ONLY(2));
	view_is(2, 0, 1, false, "the view stays as it is");
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED;
	say(0);
	view_is(3, 0, 1, true, "once it is synced it is called so");
	is(volume.view.why, PV_WHY_BACKUP_SYNCED, "why view 3");
}

static void test_primary_dies(void)
{
	make_pair();
	until_dead(ONLY(1));
	alone(4, 1, "the backup takes over from a dead primary");
	is(volume.view.why, PV_WHY_PRIMARY_DEAD, "why view 4");
	rounds(1, ONLY(1));
	set_up(0);
	rounds(2, ONLY(0) | ONLY(1));
	view_is(5, 1, 0, false, "the old primary comes back as backup");
	make_pair();
	rounds(1, ONLY(0) | ONLY(1) | ONLY(2));
	until_dead(ONLY(1) | ONLY(2));
	view_is(4, 1, 2, false, "an idle node is backup in the same change");
}

static void test_primary_restarts(void)
{
	make_pair();
	set_up(0);
	sims[0].obeys = false;
	say(0);
	view_is(3, 0, 1, true, "a view is made in a ping of its primary");
	say(1);
	view_is(4, 1, 0, false, "a primary that restarts is dead at once");
	is(volume.view.why, PV_WHY_PRIMARY_RESTARTED, "why view 4");
	begin();
	say(0);
	say(0);
	set_up(0);
	sims[0].obeys = false;
	is(say(0), 0, "a sole one that restarts has moved into nothing yet");
	say(1);
	alone(1, 0, "so nothing follows its view");
	sims[0].obeys = true;
	say(0);
	say(0);
	view_is(2, 0, 1, false, "it goes on in its view");
}

static void test_waits_for_ack(void)
{
	make_pair();
	until_dead(ONLY(1));
	alone(4, 1, "view 4 has one member");
	sims[1].obeys = false;
	sims[1].ping.view = 3;
	set_up(0);
	rounds(20, ONLY(0) | ONLY(2));
	alone(4, 1, "a view that is not acknowledged stays, whoever is dead");
	sims[1].ping.view = 4;
	sims[1].ping.disk_view = 4;
	say(1);
	is(volume.view.number, 5, "until its primary acknowledges it");
	/* Not by a life that has not moved into it. */
	begin();
	say(0);
	set_up(0);
	sims[0].obeys = false;
	sims[0].ping.disk_view = 1;
	say(0);
	is(volume.acked, 0, "the view on its disk is no acknowledgement");
}

static void test_uninitialised(void)
{
	make_pair();
	until_dead(0);
	rounds(20, ONLY(2) | ONLY(3));
	view_is(3, 0, 1, true, "both dead: nobody else is made primary");
	begin();
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	until_dead(ONLY(1) | ONLY(2));
	ok(volume.view.members[0].node == 0, "an unsynced backup is not promoted");
	rounds(20, ONLY(1) | ONLY(2));
	ok(volume.view.members[0].node == 0, "however long that takes");
}

static void test_idle(void)
{
	begin();
	say(0);
	say(1);
	until_dead(0);
	say(0);
	rounds(1, ONLY(0));
	alone(1, 0, "an idle node that is dead is not used");
	say(1);
	say(0);
	view_is(2, 0, 1, false, "a single ping revives it");
	begin();
	sims[3].ping.state = PB_REPLICA_STALE;
	say(0);
	say(2);
	say(3);
	say(0);
	view_is(2, 0, 3, false, "one with some of the data comes before a blank one");
	make_pair();
	say(2);
	until_dead(ONLY(0));
	alone(4, 0, "a dead backup is not replaced by a dead idle node");
	is(volume.view.why, PV_WHY_BACKUP_DEAD, "why view 4");
}

static void test_same_interval(void)
{
	make_pair();
	rounds(1, ONLY(2));
	until_dead(ONLY(2));
	view_is(3, 0, 1, true, "primary and backup die together: no change");
	sims[0].obeys = true;
	rounds(flavour + 2, ONLY(0) | ONLY(2));
	view_is(4, 0, 2, false, "the primary was only silent: it goes on");
	make_pair();
	until_dead(0);
	rounds(1, ONLY(1));
	view_is(3, 0, 1, true, "the backup is heard again: the primary may be");
	until_dead(ONLY(1));
	alone(4, 1, "the backup was only silent: it takes over");
}

/* Old, duplicated, reordered */

static void test_old_pings(void)
{
	struct pv_ping old, first;
	struct pv_volume before;

	make_pair();
	first = sims[0].ping;
	rounds(1, ONLY(0) | ONLY(1));
	old = sims[0].ping;
	rounds(1, ONLY(0) | ONLY(1));
	before = volume;
	now++;
	is(pv_ping(&volume, &old, now), -ESTALE, "an older ping");
	is(pv_ping(&volume, &sims[0].ping, now), -ESTALE, "the same once more");
	ok(!memcmp(&before, &volume, sizeof(volume)), "they change nothing");
	rounds(1, ONLY(1));
	until_dead(ONLY(1));
	alone(4, 1, "view 4");
	pv_ping(&volume, &old, now);
	pv_ping(&volume, &first, now);
	rounds(1, ONLY(1));
	alone(4, 1, "old pings do not bring the dead back");
	/* Another disk in the same node, and its older image. */
	make_pair();
	sims[1].ping.incarnation -= 1 << 16;
	sims[1].obeys = false;
	is(say(1), -ESTALE, "an older incarnation");
	is(volume.nodes[1].older_image, 1, "is noted");
	until_dead(ONLY(0) | ONLY(1));
	alone(4, 0, "and is as good as dead");
	sims[1].ping.seq = 3;
	is(say(1), -ESTALE, "and an older ping of it");
}

static void test_hostile(void)
{
	const char *why;
	struct pv_volume before;
	struct pv_ping ping;

	make_pair();
	before = volume;
	ping = sims[1].ping;
	ping.seq += 100;
#define WRONG(text, change) do {					\
		struct pv_ping p = ping;				\
									\
		change;							\
		is(pv_ping(&volume, &p, now), -EINVAL, text);		\
	} while (0)
	WRONG("no such node", p.node = NR_NODES);
	WRONG("no such node, far off", p.node = U32_MAX);
	WRONG("no replica", memset(p.replica, 0, PB_UUID_LEN));
	WRONG("no incarnation", p.incarnation = 0);
	WRONG("moved into what is not on its disk", p.view = p.disk_view + 1);
	WRONG("a view that cannot be", p.disk_view = U64_MAX);
	WRONG("an unknown state", p.state = 4);
	WRONG("an unknown flag", p.flags = 1U << 31);
	ok(!memcmp(&before, &volume, sizeof(volume)), "they change nothing");
	ping.disk_view = 1000;
	pv_ping(&volume, &ping, now);
	is(volume.behind, 1, "a replica knows a later view");
	until_dead(ONLY(0));
	is(volume.behind, 1, "that is not forgotten");
	view_is(3, 0, 1, true, "no view is made by an old state");
	pv_evict(&volume, 1, now, &why);
	say(0);
	is(volume.behind, 0, "but by one that is evicted");
	make_pair();
	sims[0].ping.flags = PV_PING_BACKUP_SYNCED;
	volume.view.nr = 1;
	sims[0].ping.flags |= PV_PING_STANDS;
	say(0);
	ok(true, "a sole primary that says that it stands: no endless loop");
	begin();
	memcpy(sims[1].ping.replica, sims[0].ping.replica, PB_UUID_LEN);
	say(0);
	rounds(3, ONLY(0) | ONLY(1));
	alone(1, 0, "a copied disk is no backup");
	begin();
	sims[0].ping.disk_view = 58;
	rounds(3, ONLY(0) | ONLY(1));
	is(volume.view.number, 0, "no view 1 for a volume that has had views");
}

static void course(void)
{
	test_first();
	test_backup();
	test_primary_dies();
	test_primary_restarts();
	test_waits_for_ack();
	test_uninitialised();
	test_idle();
	test_same_interval();
	test_old_pings();
}

int main(void)
{
	tap_begin();
	both_flavours(course);
	test_hostile();
	return tap_end();
}
