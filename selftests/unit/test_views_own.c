// SPDX-License-Identifier: GPL-2.0
/*
 * The view function, by the rules that are our own: replicas that crash, fail or
 * are not synced, operators, and the ways out of what it could be stuck in.
 */
#include "views_sim.h"

static const char *why;

/* It was set up again, and stands in that view. */
static void stand(u32 node, u64 view)
{
	sims[node].ping.view = view;
	sims[node].ping.flags = PV_PING_STANDS;
	say(node);
}

static void test_both_restart(void)
{
	make_pair();
	set_up(0);
	set_up(1);
	sims[0].obeys = false;
	sims[1].obeys = false;
	now += INTERVAL / 2;
	say(1);
	view_is(3, 0, 1, true, "the backup restarted: does the primary live?");
	say(0);
	view_is(4, 0, 1, false, "it has restarted as well: it goes on");
	is(volume.view.why, PV_WHY_PRIMARY_RESTARTED, "why view 4");
	sims[0].obeys = true;
	say(0);
	say(0);
	is(volume.acked, 1, "when it has moved");
	make_pair();
	set_up(1);
	sims[1].obeys = false;
	say(1);
	view_is(3, 0, 1, true, "the backup restarted, and the primary is silent");
	until_dead(ONLY(1));
	view_is(3, 0, 1, true, "it is dead: the backup has to be in the view");
	sims[1].ping.view = 3;
	say(1);
	alone(4, 1, "then it goes on: it has all that was flushed");
	make_pair();
	set_up(1);
	sims[1].obeys = false;
	say(1);
	say(0);
	view_is(4, 0, 1, false, "the backup restarted: unsynced");
	is(volume.view.why, PV_WHY_BACKUP_RESTARTED, "why view 4");
	/* Both die, one after the other, and only the backup comes back. */
	make_pair();
	now += INTERVAL / 2;
	say(0);
	until_dead(0);
	say(1);
	until_dead(ONLY(1));
	alone(4, 1, "a silent primary takes nothing from its backup");
	/* Before the primary has moved into the view. */
	make_pair();
	volume.acked = false;
	set_up(0);
	set_up(1);
	sims[0].obeys = false;
	sims[1].obeys = false;
	say(1);
	say(0);
	view_is(3, 0, 1, true, "both restart in a view that is not acknowledged");

	stand(0, 3);
	view_is(4, 0, 1, false, "the primary goes on, once it has moved into it");
	/* It served by its backup's copy, and its own lacks what was written then. */
	make_pair();
	set_up(0);
	set_up(1);
	sims[0].obeys = false;
	sims[1].obeys = false;
	sims[0].ping.state = PB_REPLICA_STALE;
	now += INTERVAL / 2;
	say(1);
	say(0);
	sims[1].ping.view = 3;
	say(1);
	is(volume.view.members[0].node, 1, "both restart, and only the backup says that it is synced");
	make_pair();
	until_dead(0);
	set_up(1);
	say(1);
	say(1);
	view_is(3, 0, 1, true, "the backup comes back: so may the primary");
	until_dead(ONLY(1));
	alone(4, 1, "only the backup comes back: it goes on");
	make_pair();
	until_dead(0);
	set_up(0);
	sims[0].obeys = false;
	say(0);
	view_is(3, 0, 1, true, "the primary comes back: so may the backup");
	until_dead(ONLY(0));
	alone(4, 0, "only the primary comes back: it goes on");
	is(volume.view.why, PV_WHY_PRIMARY_RESTARTED, "why view 4");
}

static void test_restarted_and_waited(void)
{
	make_pair();
	until_dead(ONLY(0));
	set_up(1);
	rounds(2, ONLY(0) | ONLY(1));
	view_is(5, 0, 1, false, "the backup is back");
	rounds(1, ONLY(0) | ONLY(1));
	set_up(0);
	sims[0].obeys = false;
	say(0);
	stand(0, 5);
	alone(6, 0, "a primary that restarted and cannot serve beside who it waits for");
	sims[0].obeys = true;
	rounds(2, ONLY(0) | ONLY(1));
	view_is(7, 0, 1, false, "and then the backup again");
	/* The other way round. */
	rounds(2, ONLY(0) | ONLY(1));
	set_up(1);
	say(1);
	view_is(7, 0, 1, false, "an unsynced backup that restarts begins anew");
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED;
	set_up(1);
	say(0);
	view_is(8, 0, 1, true, "it is synced");
	say(1);
	say(0);
	view_is(9, 0, 1, false, "and had restarted before that was known");
}

static void test_unreachable(void)
{
	make_pair();
	sims[0].ping.flags |= PV_PING_UNREACHABLE;
	sims[0].ping.reaches = ~2ULL;
	say(0);
	alone(4, 0, "a backup that the primary cannot reach is dropped");
	is(volume.view.why, PV_WHY_BACKUP_UNREACHABLE, "why view 4");
	rounds(10, ONLY(0) | ONLY(1));
	alone(4, 0, "and not taken back while it cannot");
	sims[0].ping.reaches = ~0ULL;
	say(0);
	say(1);
	view_is(5, 0, 1, false, "when it can it is");
	rounds(2, ONLY(0) | ONLY(1));
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED;
	rounds(2, ONLY(0) | ONLY(1));
	sims[0].ping.flags |= PV_PING_UNREACHABLE;
	rounds(1, ONLY(0));
	alone(7, 0, "dropped again, although its daemon answers");
	rounds(18, ONLY(0) | ONLY(1));
	alone(7, 0, "so it is left alone for a while");
	rounds(4, ONLY(0) | ONLY(1));
	view_is(8, 0, 1, false, "and then tried again");
	is(volume.view.why, PV_WHY_BACKUP_RETRIED, "why view 8");
	make_pair();
	say(2);
	sims[0].ping.flags |= PV_PING_UNREACHABLE;
	sims[0].ping.reaches = ~2ULL;
	say(0);
	view_is(4, 0, 2, false, "another idle node is used instead");
}

static void test_failed(void)
{
	make_pair();
	sims[0].ping.flags |= PV_PING_FAILED;
	say(0);
	say(1);
	alone(4, 1, "a primary whose disk failed is replaced");
	is(volume.view.why, PV_WHY_PRIMARY_FAILED, "why view 4");
	sims[0].obeys = false;
	sims[0].ping.flags = PV_PING_FAILED;
	rounds(3, ONLY(0) | ONLY(1));
	alone(4, 1, "and is no backup");
	make_pair();
	sims[1].ping.flags |= PV_PING_FAILED;
	say(1);
	say(0);
	alone(4, 0, "a backup whose disk failed is left out");
	/* Its disk is replaced: another replica. */
	set_up(1);
	memset(sims[1].ping.replica, 0xb1, PB_UUID_LEN);
	sims[1].ping.state = PB_REPLICA_BLANK;
	sims[1].ping.disk_view = 0;
	rounds(2, ONLY(0) | ONLY(1));
	view_is(5, 0, 1, false, "with a new disk it is used again");
	make_pair();
	set_up(1);
	memset(sims[1].ping.replica, 0xb1, PB_UUID_LEN);
	sims[1].ping.state = PB_REPLICA_BLANK;
	sims[1].ping.disk_view = 0;
	say(1);
	say(0);
	view_is(4, 0, 1, false, "replaced at once: unsynced");
	is(volume.view.why, PV_WHY_BACKUP_REPLACED, "why view 4");
	make_pair();
	until_dead(0);
	set_up(0);
	memset(sims[0].ping.replica, 0xb0, PB_UUID_LEN);
	sims[0].ping.state = PB_REPLICA_BLANK;
	sims[0].ping.disk_view = 0;
	rounds(flavour + 3, ONLY(0));
	view_is(3, 0, 1, true, "a primary with another disk does not go on");
	rounds(1, ONLY(0) | ONLY(1));
	view_is(4, 1, 0, false, "its backup does");
	/* Through the backup, which dies. */
	make_pair();
	sims[0].ping.flags |= PV_PING_FAILED;
	sims[1].obeys = false;
	until_dead(0);
	rounds(flavour + 5, ONLY(0));
	view_is(3, 0, 1, true, "no view leaves out the only good copy");
	rounds(1, ONLY(1));
	is(volume.view.members[0].node, 1, "it is primary when it is back");
}

static void test_server_restarts(void)
{
	struct pv_volume fresh;
	struct pv_ping first;
	u32 i;

	make_pair();
	first = sims[0].ping;
	now += 3600000;
	fresh = (struct pv_volume) {
		.view = volume.view, .acked = volume.acked,
		.dead_after = volume.dead_after, .handover_ms = 6000,
		.stall_ms = (flavour + 1) * INTERVAL, .retry_ms = 1000,
		.nr_nodes = NR_NODES,
	};
	volume = fresh;
	say(1);
	say(2);
	view_is(3, 0, 1, true, "a server that has just begun calls nobody dead");
	now += flavour * INTERVAL;
	say(1);
	view_is(3, 0, 1, true, "not before the time is over");
	now++;
	say(1);
	is(volume.view.members[0].node, 1, "then it does");
	/* It stood still, and hears the backup first. */
	make_pair();
	now += 3600000;
	say(1);
	view_is(3, 0, 1, true, "a server that stood still calls nobody dead");
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	view_is(3, 0, 1, true, "and hears them all");
	/* Not for so long that all would be dead. */
	make_pair();
	volume.stall_ms = volume.dead_after / 2;
	now += volume.dead_after / 4;
	say(1);
	now += volume.dead_after / 8 * 7;
	say(1);
	view_is(3, 0, 1, true, "nor one that stood still for a shorter time");
	/* It was cut off from them all, and hears the backup first. */
	make_pair();
	until_dead(0);
	say(1);
	view_is(3, 0, 1, true, "a server that nobody reached calls nobody dead");
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	view_is(3, 0, 1, true, "and nothing has changed");
	until_dead(0);
	say(1);
	until_dead(ONLY(1));
	alone(4, 1, "who is not heard then either is dead");
	/* Images of disks that it knows to be newer. */
	make_pair();
	fresh.view = volume.view;
	volume = fresh;
	first = sims[1].ping;
	sims[1].ping.incarnation -= 1 << 16;
	is(say(1), -ESTALE, "an older copy of the backup's disk");
	sims[1].ping = first;
	first = sims[0].ping;
	volume = fresh;
	set_up(0);
	sims[0].obeys = false;
	say(0);
	view_is(3, 0, 1, true, "a primary that restarted waits for its backup");
	volume.handover_ms = 0;
	now++;
	say(0);
	view_is(3, 0, 1, true, "however short the time for a view change is");
	for (i = 0; i < 2; i++)
		say(1);
	view_is(4, 1, 0, false, "which has it all");
	volume = fresh;
	volume.view.members[1].synced = false;
	sims[0].ping = first;
	sims[0].ping.flags = PV_PING_BACKUP_SYNCED;
	sims[0].obeys = false;
	say(0);
	view_is(4, 0, 1, true, "the backup is synced, and has not been heard yet");
	ok(!memcmp(volume.view.members[1].replica, sims[1].ping.replica,
		   PB_UUID_LEN), "the view says which replica");
}

/* An old state is put back, in which node 0 is primary and not replaced yet. */
static void test_put_back(void)
{
	struct pv_volume old;

	make_pair();
	old = volume;
	until_dead(ONLY(1) | ONLY(2));
	is(volume.view.members[0].node, 1, "the backup takes over");
	memset(old.nodes, 0, sizeof(old.nodes));
	old.began = 0;
	old.latest = 0;
	old.found = old.view.number;
	volume = old;
	sims[0].ping.flags = PV_PING_UNREACHABLE;
	sims[0].obeys = false;
	/* Its kernel takes no older view. */
	sims[1].obeys = false;
	say(0);
	say(2);
	view_is(3, 0, 1, true, "put back: no view before all are heard");
	say(1);
	ok(volume.behind, "one of them knows a later one");
	rounds(flavour + 2, ONLY(0) | ONLY(1) | ONLY(2));
	view_is(3, 0, 1, true, "so none is made");
	/* Who knows it is not there: nothing tells that the state is old. */
	volume = old;
	rounds(flavour + 2, ONLY(0));
	alone(4, 0, "none is waited for that is dead");
}

static void test_switch(void)
{
	struct pv_view view;

	make_pair();
	is(pv_switch(&volume, 2, now, &why), -EUCLEAN, "switch: not the backup");
	is(pv_switch(&volume, 0, now, &why), 0, "switch: primary already");
	volume.nodes[0].heard = false;
	is(pv_switch(&volume, 1, now, &why), -EHOSTDOWN, "switch: the primary has not been heard of");
	volume.nodes[0].heard = true;
	volume.behind = true;
	is(pv_switch(&volume, 1, now, &why), -EAGAIN, "switch: an old state");
	volume.behind = false;
	volume.nodes[0].ping.flags |= PV_PING_FAILED;
	is(pv_switch(&volume, 1, now, &why), -EHOSTDOWN, "switch: the primary's disk failed");
	volume.nodes[0].ping.flags = 0;
	volume.nodes[1].ping.flags |= PV_PING_FAILED;
	is(pv_switch(&volume, 1, now, &why), -EHOSTDOWN, "switch: the backup's disk failed");
	volume.nodes[1].ping.flags = 0;
	volume.nodes[1].ping.view = 2;
	is(pv_switch(&volume, 1, now, &why), -EHOSTDOWN,
	   "switch: the backup is not in the view yet");
	volume.nodes[1].ping.view = 3;
	sims[1].obeys = false;
	sims[0].obeys = false;
	is(pv_switch(&volume, 1, now, &why), 1, "switch");
	view_is(4, 1, 0, true, "the roles are switched");
	pv_answer(&volume, 1, &view);
	ok(view.number == 3 && view.members[0].node == 0 && view.nr == 2 &&
	   view.members[1].synced, "the new primary is not told yet");
	pv_answer(&volume, 0, &view);
	is(view.number, 4, "the old one is");
	is(pv_switch(&volume, 0, now, &why), -EAGAIN, "switch back: not yet");
	rounds(1, ONLY(0) | ONLY(1));
	pv_answer(&volume, 1, &view);
	is(view.number, 3, "the old one has not moved: not told");
	sims[0].obeys = true;
	sims[1].obeys = true;
	rounds(3, ONLY(0) | ONLY(1));
	is(volume.acked, 1, "both have moved");
	view_is(4, 1, 0, true, "and nothing else");
	is(pv_switch(&volume, 0, now, &why), 1, "switch back");
	until_dead(ONLY(0));
	pv_answer(&volume, 0, &view);
	ok(view.number >= 5, "the old primary died: the new one is told");
	rounds(2, ONLY(0));
	alone(6, 0, "and goes on");
	make_pair();
	pv_switch(&volume, 1, now, &why);
	sims[0].obeys = false;
	rounds(61, ONLY(0) | ONLY(1));
	pv_answer(&volume, 1, &view);
	is(view.number, 4, "the old primary does not move: told in the end");
	begin();
	say(0);
	rounds(3, ONLY(0) | ONLY(1));
	is(pv_switch(&volume, 1, now, &why), -EUCLEAN, "switch: not synced");
	make_pair();
	sims[0].ping.flags |= PV_PING_UNREACHABLE;
	volume.nodes[0].ping.flags |= PV_PING_UNREACHABLE;
	is(pv_switch(&volume, 1, now, &why), -EHOSTDOWN, "switch: no connection");
}

static void test_evict(void)
{
	make_pair();
	is(pv_evict(&volume, 9, now, &why), -EINVAL, "evict: no such node");
	is(pv_evict(&volume, 1, now, &why), 1, "evict the backup");
	say(0);
	alone(4, 0, "it is left out");
	is(volume.view.why, PV_WHY_EVICTED, "why view 4");
	rounds(5, ONLY(0) | ONLY(1));
	alone(4, 0, "and not taken back");
	is(pv_evict(&volume, 1, now, &why), 0, "evict it again");
	is(pv_evict(&volume, 0, now, &why), -EUCLEAN, "evict the last one");
	is(pv_add(&volume, 1, now), 1, "add it");
	say(0);
	view_is(5, 0, 1, false, "now it is");
	is(pv_add(&volume, 1, now), 0, "add it again");
	is(pv_add(&volume, 9, now), -EINVAL, "add: no such node");
	make_pair();
	is(pv_evict(&volume, 0, now, &why), 1, "evict the primary");
	say(1);
	alone(4, 1, "the backup replaces it");
	make_pair();
	sims[0].ping.flags |= PV_PING_UNREACHABLE;
	volume.nodes[0].evicted = true;
	volume.nodes[1].ping.flags |= PV_PING_FAILED;
	rounds(2, ONLY(0));
	is(volume.view.members[0].node, 0, "an evicted primary that nobody can replace stays");
}

/* Whom a place is not for. */
static void test_unfit(void)
{
	make_pair();
	until_dead(0);
	set_up(1);
	sims[1].obeys = false;
	sims[1].ping.state = PB_REPLICA_STALE;
	sims[1].ping.view = 3;
	say(1);
	until_dead(ONLY(1));
	view_is(3, 0, 1, true, "a backup that is not synced any more is not promoted");
	make_pair();
	until_dead(0);
	set_up(0);
	sims[0].obeys = false;
	sims[0].ping.flags = PV_PING_FAILED;
	say(0);
	until_dead(ONLY(0));
	view_is(3, 0, 1, true, "a primary that comes back without its disk does not go on");
	make_pair();
	volume.acked = false;
	memset(sims[0].ping.replica, 0xb0, PB_UUID_LEN);
	sims[0].obeys = false;
	say(0);
	is(volume.acked, 0, "another replica of the primary acknowledges nothing");
	make_pair();
	say(2);
	sims[2].ping.incarnation -= 1 << 16;
	say(2);
	sims[1].ping.flags |= PV_PING_FAILED;
	say(1);
	say(0);
	alone(4, 0, "an older copy of a disk is no backup");
	make_pair();
	say(2);
	sims[2].ping.flags |= PV_PING_FAILED;
	say(2);
	until_dead(ONLY(1) | ONLY(2));
	alone(4, 1, "nor is a disk that failed");
	begin();
	pv_evict(&volume, 0, now, &why);
	say(0);
	is(volume.view.number, 0, "an evicted node is not the first primary");
	sims[1].ping.flags |= PV_PING_FAILED;
	say(1);
	is(volume.view.number, 0, "nor is one whose disk failed");
}

/* What two primaries can reach is not the same. */
static void test_reaches(void)
{
	make_pair();
	say(2);
	sims[0].ping.flags |= PV_PING_UNREACHABLE;
	say(0);
	view_is(4, 0, 2, false, "node 1 could not be reached");
	rounds(2, ONLY(0) | ONLY(1) | ONLY(2));
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED;
	rounds(2, ONLY(0) | ONLY(1) | ONLY(2));
	until_dead(ONLY(1) | ONLY(2));
	view_is(6, 2, 1, false, "by node 2 it may be");
	make_pair();
	say(2);
	sims[1].ping.reaches = ~4ULL;
	say(1);
	until_dead(ONLY(1) | ONLY(2));
	alone(4, 1, "one that the new primary does not reach is not its backup");
}

/* Made, refused, and left out again: how many intervals until it is made again? */
static u32 try_again(u32 flag)
{
	u32 intervals = 0;

	sims[0].ping.flags |= flag;
	if (flag)
		say(0);
	else
		until_dead(ONLY(0));
	if (volume.view.nr > 1)
		return 0;
	while (volume.view.nr < 2 && ++intervals < 20000)
		rounds(1, ONLY(0) | ONLY(1));
	rounds(1, ONLY(0) | ONLY(1));
	return intervals;
}

/* A backup that takes no connection, though its daemon answers. */
static void test_left_alone(void)
{
	static const u32 waits[] = { 10, 20, 40, 80, 160, 320, 640, 1280, 2560,
				     5120, 6000, 6000 };
	u32 i;

	begin();
	say(0);
	rounds(3, ONLY(0) | ONLY(1));
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		is(try_again(PV_PING_UNREACHABLE), waits[i], "left alone for twice as long each time, 10 min at most");
	is(volume.nodes[1].drops, i, "each is counted");
	sims[0].ping.flags = PV_PING_UNREACHABLE;
	say(0);
	is(pv_left_alone(&volume, 1, now), 600000, "for so long");
	is(pv_left_alone(&volume, 2, now), 0, "another one is not");
	volume.nodes[1].left_by = 2;
	is(pv_left_alone(&volume, 1, now), 0, "nor by another primary");
	volume.nodes[1].left_by = 0;
	is(pv_add(&volume, 1, now), 0, "an operator adds it");
	is(pv_left_alone(&volume, 1, now), 0, "it is not left alone any more");
	say(0);
	is(volume.view.nr, 2, "it is tried at once");
	is(volume.view.why, PV_WHY_BACKUP_ADDED, "as if it were new");
	rounds(2, ONLY(0) | ONLY(1));
	is(try_again(PV_PING_UNREACHABLE), 10, "and if it fails, left alone for as long as the first time");
	sims[0].ping.flags = PV_PING_UNREACHABLE;
	say(0);
	set_up(1);
	rounds(2, ONLY(0) | ONLY(1));
	is(volume.view.nr, 2, "when it is set up anew it is tried at once");
	sims[0].ping.flags = PV_PING_UNREACHABLE;
	say(0);
	set_up(0);
	rounds(3, ONLY(0) | ONLY(1));
	is(volume.view.nr, 2, "when the primary is, too");
	/* Synced for longer than it had been left alone. */
	try_again(PV_PING_UNREACHABLE);
	try_again(PV_PING_UNREACHABLE);
	sims[0].ping.flags = PV_PING_BACKUP_SYNCED;
	rounds(19, ONLY(0) | ONLY(1));
	is(try_again(PV_PING_UNREACHABLE), 40, "synced only for a while: it counts on");
	sims[0].ping.flags = PV_PING_BACKUP_SYNCED;
	rounds(43, ONLY(0) | ONLY(1));
	is(try_again(PV_PING_UNREACHABLE), 10, "synced for long: the first time again");
	/* Only silent. */
	sims[0].ping.flags = PV_PING_BACKUP_SYNCED;
	rounds(20, ONLY(0) | ONLY(1));
	is(try_again(0), 2, "one that was silent once is tried at once");
	is(try_again(0), 10, "the second time not");
}

/* The backup is up to date, and the primary's disk fails before the view says so. */
static void test_failed_and_synced(void)
{
	begin();
	say(0);
	rounds(3, ONLY(0) | ONLY(1));
	sims[1].ping.state = PB_REPLICA_SYNCED;
	say(1);
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED | PV_PING_FAILED;
	say(0);
	say(1);
	alone(3, 1, "the backup has all, and takes over");
}

static void test_force(void)
{
	make_pair();
	until_dead(ONLY(2));
	is(pv_force(&volume, 9, now, &why), -EINVAL, "force: no such node");
	is(pv_force(&volume, 3, now, &why), -EHOSTDOWN, "force: not heard of");
	is(pv_force(&volume, 2, now, &why), -ENODATA, "force: blank");
	sims[2].ping.state = PB_REPLICA_STALE;
	say(2);
	until_dead(0);
	is(pv_force(&volume, 2, now, &why), -EHOSTDOWN, "force: dead");
	say(2);
	is(pv_next_best(&volume, now), 2, "force: who has most of the data");
	is(pv_force(&volume, 2, now, &why), 1, "force");
	alone(4, 2, "it is primary");
	is(volume.view.why, PV_WHY_FORCED, "and the view says how");
	is(pv_force(&volume, 2, now, &why), -EALREADY, "force it again");
	volume.view.number = 2;
	volume.view.nr = 0;
	volume.nodes[0].ping.disk_view = 77;
	is(pv_force(&volume, 2, now, &why), 1, "force by an old state");
	alone(78, 2, "goes above all that is known");
	until_dead(ONLY(2));
	volume.nodes[0].ping.disk_view = PV_MAX_VIEW;
	is(pv_force(&volume, 2, now, &why), -ERANGE, "unless that is the last number");
	make_pair();
	sims[2].ping.state = PB_REPLICA_STALE;
	say(2);
	is(pv_force(&volume, 2, now, &why), -EBUSY, "force: the primary is well");
	sims[3].ping.state = PB_REPLICA_STALE;
	sims[3].ping.disk_view = 7;
	say(3);
	is(pv_force(&volume, 2, now, &why), 1, "force: not by an old state, which does not know it");
	make_pair();
	sims[2].ping.state = PB_REPLICA_STALE;
	say(2);
	is(pv_next_best(&volume, now), 1, "the backup has all of the data");
	sims[0].obeys = false;
	sims[0].ping.flags |= PV_PING_FAILED;
	say(0);
	is(pv_force(&volume, 2, now, &why), 1, "force: its disk failed");
	make_pair();
	sims[1].ping.state = PB_REPLICA_STALE;
	sims[2].ping.state = PB_REPLICA_SYNCING;
	sims[2].ping.disk_view = 3;
	sims[1].obeys = false;
	sims[2].obeys = false;
	say(2);
	is(pv_next_best(&volume, now), 1, "most of the data: one that is synced");
	say(1);
	is(pv_next_best(&volume, now), 1, "then one that was");
	sims[2].ping.state = PB_REPLICA_STALE;
	sims[1].ping.disk_view = 2;
	sims[1].ping.view = 2;
	say(1);
	say(2);
	is(pv_next_best(&volume, now), 2, "the later the better");
	sims[3].ping.state = PB_REPLICA_SYNCED;
	sims[3].ping.disk_view = 1;
	sims[3].obeys = false;
	say(3);
	is(pv_next_best(&volume, now), 3, "but one that is synced is the best");
	until_dead(ONLY(0));
	is(pv_next_best(&volume, now), PV_NO_NODE, "none that is dead");
}

/* View 3 is made, and its primary does not ack it: node 1 holds all. */
static void make_unacked(void)
{
	begin();
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	sims[0].obeys = false;
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED;
	say(0);
	sims[1].ping.state = PB_REPLICA_SYNCED;
}

/*
 * Whether a view that its primary has not entered, and may never, is followed by
 * another: if it is sure that nothing was acknowledged without the other one.
 */
static void test_not_entered(void)
{
	make_unacked();
	view_is(3, 0, 1, true, "the backup is synced");
	until_dead(0);
	say(1);
	view_is(3, 0, 1, true, "its primary dies before it acks it, its backup has to enter it");
	until_dead(ONLY(1));
	alone(4, 1, "and then takes over");
	is(volume.view.why, PV_WHY_PRIMARY_DEAD, "why view 4");
	make_unacked();
	rounds(3, ONLY(0) | ONLY(1));
	view_is(3, 0, 1, true, "while it lives it is waited for");
	sims[0].ping.flags |= PV_PING_FAILED;
	rounds(2, ONLY(0) | ONLY(1));
	alone(4, 1, "not if its disk fails");
	make_unacked();
	rounds(58, ONLY(0) | ONLY(1));
	view_is(3, 0, 1, true, "it pings, and does not move");
	rounds(5, ONLY(0) | ONLY(1));
	view_is(4, 1, 0, false, "not for ever");
	is(volume.view.why, PV_WHY_PRIMARY_ABSENT, "why view 4");
	make_unacked();
	say(1);
	set_up(1);
	sims[1].obeys = false;
	until_dead(0);
	stand(1, 3);
	until_dead(ONLY(1));
	alone(4, 1, "both crash before it is acked, one is back: it stands in the view, and goes on");
	make_unacked();
	say(1);
	set_up(0);
	set_up(1);
	sims[1].obeys = false;
	say(0);
	stand(1, 3);
	view_is(3, 0, 1, true, "both are back: the primary comes first");
}

static void test_not_entered_either(void)
{
	make_pair();
	pv_switch(&volume, 1, now, &why);
	sims[0].obeys = false;
	rounds(1, ONLY(0) | ONLY(1));
	until_dead(ONLY(0));
	view_is(4, 1, 0, true, "a switch: the new primary dies, the old one has not moved");
	sims[0].obeys = true;
	say(0);
	say(0);
	alone(5, 0, "when it has, it is primary again");

	/* Alone: only it can know what it has done. */
	make_pair();
	until_dead(ONLY(1));
	sims[1].ping.view = 3;
	sims[1].obeys = false;
	until_dead(ONLY(0) | ONLY(2));
	rounds(200, ONLY(0) | ONLY(2));
	alone(4, 1, "a primary alone is waited for");

}

/* The backup knows that it is synced, and its primary dies before it says so. */
static void test_synced_itself(void)
{
	begin();
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	sims[1].ping.state = PB_REPLICA_SYNCED;
	until_dead(ONLY(1));
	alone(3, 1, "the backup was told that it is synced: it takes over");
	begin();
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	sims[1].ping.state = PB_REPLICA_SYNCED;
	sims[1].ping.view = 1;
	sims[1].obeys = false;
	until_dead(ONLY(1));
	view_is(2, 0, 1, false, "it was synced in the view before: it does not");
	begin();
	say(0);
	rounds(2, ONLY(0) | ONLY(1));
	sims[1].ping.state = PB_REPLICA_SYNCED;
	sims[1].ping.view = 1;
	sims[1].obeys = false;
	say(1);
	set_up(0);
	say(0);
	say(0);
	is(volume.view.members[0].incarnation, sims[0].ping.incarnation,
	   "a primary that is back does not wait for that one");
}

/* A primary that only stands in the view serves nobody, whichever life it is. */
static void test_stands(void)
{
	make_pair();
	sims[0].ping.flags = PV_PING_STANDS;
	say(0);
	say(1);
	view_is(4, 1, 0, false, "a primary that stands is replaced");
	is(volume.view.why, PV_WHY_PRIMARY_RESTARTED, "why view 4");
}

/* What the server does when all of them die may be of use to nobody. */
static void test_speakers(void)
{
	make_pair();
	now += INTERVAL / 2;
	say(1);
	now += flavour * INTERVAL;
	pv_tick(&volume, now);
	say(2);
	view_is(3, 0, 1, true, "the primary is dead, and the backup not yet: nothing by others' pings");
	make_pair();
	now += INTERVAL / 2;
	say(0);
	now += flavour * INTERVAL;
	say(2);
	view_is(3, 0, 1, true, "the backup is dead, and the primary not yet: nothing by others' pings");
	begin();
	say(0);
	say(0);
	say(1);
	alone(1, 0, "an idle node is no backup by its own ping");
	make_pair();
	until_dead(0);
	set_up(0);
	sims[0].obeys = false;
	now += INTERVAL / 2;
	pv_tick(&volume, now);
	view_is(3, 0, 1, true, "a primary that is not back yet");
	make_pair();
	set_up(0);
	sims[0].obeys = false;
	now += INTERVAL / 2;
	say(0);
	now += flavour * INTERVAL - INTERVAL / 4;
	say(2);
	view_is(3, 0, 1, true, "the primary is back, and the backup dead: nothing by others' pings");
	say(0);
	view_is(4, 0, 2, false, "it goes on by its own");
}

/* The caller of pv_tick() can know when to call it. */
static void test_next_death(void)
{
	u64 first, second;

	make_pair();
	say(0);
	now += INTERVAL / 2;
	say(1);
	say(2);
	first = pv_next_death(&volume, now);
	ok(first > now && !pv_dead(&volume, 0, first - 1) &&
	   pv_dead(&volume, 0, first), "the primary dies first");
	second = pv_next_death(&volume, first);
	ok(!pv_dead(&volume, 1, second - 1) && pv_dead(&volume, 1, second) &&
	   second == first + INTERVAL / 2, "then the backup");
	is(pv_next_death(&volume, second), U64_MAX,
	   "an idle node is nobody to wait for");
}

static void ours(void)
{
	test_both_restart();
	test_restarted_and_waited();
	test_unreachable();
	test_failed();
	test_server_restarts();
	test_put_back();
	test_switch();
	test_evict();
	test_unfit();
	test_reaches();
	test_left_alone();
	test_not_entered();
	test_not_entered_either();
	test_synced_itself();
	test_stands();
	test_speakers();
	test_failed_and_synced();
	test_force();
	test_next_death();
}

int main(void)
{
	tap_begin();
	both_flavours(ours);
	return tap_end();
}
