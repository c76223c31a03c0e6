// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "views_world.h"

const char *world_bad;

const char *const act_names[NR_ACTS] = {
	[PING] = "ping", [PING_UNREACHABLE] = "ping, backup unreachable",
	[SEND_PING] = "ping sent", [HEAR_PING] = "ping heard",
	[LOSE_PING] = "ping lost", [HEAR_ANSWER] = "answer heard",
	[CRASH] = "crash", [DEAD] = "silent for too long",
	[BEGIN_SYNC] = "state transfer begins", [ARM] = "waits for acks",
	[SYNCED] = "backup says synced", [WRITE] = "write", [FLUSH] = "flush",
	[SWITCH] = "switch", [DISK_FAILS] = "disk fails",
	[SERVER_RESTARTS] = "server restarts",
	[DOWN_AND_UP] = "down and up", [LATE] = "much time passes",
	[FAIL_WRITES] = "writes fail by policy", [EVICT] = "evict", [ADD] = "add",
	[FORCE] = "force",
};

/* Views, in a byte and not */

#define FORCED		0x20

static u8 pack_view(const struct pv_view *view)
{
	u32 backup = view->nr > 1 ? view->members[1].node : NOBODY;

	return view->members[0].node | backup << 2 |
	       (view->nr > 1 && view->members[1].synced) << 4 |
	       (view->why == PV_WHY_FORCED ? FORCED : 0);
}

static u32 primary_of(const struct world *world, u32 number)
{
	return world->history[number] & 3;
}

static u32 backup_of(const struct world *world, u32 number)
{
	return world->history[number] >> 2 & 3;
}

static bool backup_synced(const struct world *world, u32 number)
{
	return world->history[number] >> 4 & 1;
}

static void uuid_of(u32 node, u8 *uuid)
{
	memset(uuid, 0x10 + node, PB_UUID_LEN);
}

static void kernel_view(const struct world *world, u32 number,
			struct pb_view *view)
{
	u32 backup = backup_of(world, number);

	memset(view, 0, sizeof(*view));
	view->number = number;
	if (!number)
		return;
	view->nr_members = backup == NOBODY ? 1 : 2;
	uuid_of(primary_of(world, number), view->members[0].replica);
	view->members[0].flags = PB_MEMBER_SYNCED;
	if (backup == NOBODY)
		return;
	uuid_of(backup, view->members[1].replica);
	view->members[1].flags = backup_synced(world, number) ?
				 PB_MEMBER_SYNCED : 0;
}

/* The server */

#define NOW	1000000
#define LONG_AGO	1
#define LATEST	100

static u64 real_incarnation(u32 life)
{
	return (u64)life << 16 | 5;
}

static void load_node(const struct world *world, u32 i, struct pv_node *to)
{
	const struct node *from = &world->nodes[i];

	to->heard = from->is_heard;
	to->when = from->is_dead ? 0 : NOW;
	uuid_of(i, to->ping.replica);
	to->ping.seq = LATEST;
	to->ping.incarnation = real_incarnation(from->heard.incarnation);
	to->ping.view = from->heard.view;
	to->ping.disk_view = from->heard.disk_view;
	to->ping.state = from->heard.state;
	to->ping.flags = from->heard.flags;
	to->left_until = from->unreachable ? NOW + 1 : 0;
	to->left_by = primary_of(world, world->number);
	to->left_life = real_incarnation(world->lives[0]);
	to->evicted = from->evicted;
	to->ping.reaches = from->reaches;
}

static void load_server(const struct world *world, struct pv_volume *volume)
{
	struct pv_view *view = &volume->view;
	u32 i, backup = backup_of(world, world->number);

	memset(volume, 0, sizeof(*volume));
	volume->acked = world->acked;
	volume->handover = world->handover;
	volume->handover_ends = world->late ? LONG_AGO : U64_MAX;
	volume->handover_ms = 1000;
	volume->since = world->late ? LONG_AGO : NOW;
	volume->dead_after = 500;
	volume->nr_nodes = NR_NODES;
	for (i = 0; i < NR_NODES; i++)
		load_node(world, i, &volume->nodes[i]);
	volume->began = world->grace ? NOW : 0;
	volume->found = world->grace ? world->number : 0;
	volume->latest = NOW;
	volume->stall_ms = 500;
	volume->retry_ms = 1000;
	view->number = world->number;
	if (!view->number)
		return;
	view->nr = backup == NOBODY ? 1 : 2;
	view->why = world->history[view->number] & FORCED ? PV_WHY_FORCED :
							    PV_WHY_NONE;
	view->members[0].node = primary_of(world, world->number);
	view->members[0].synced = true;
	view->members[1].node = backup;
	view->members[1].synced = backup_synced(world, world->number);
	for (i = 0; i < view->nr; i++) {
		uuid_of(view->members[i].node, view->members[i].replica);
		view->members[i].incarnation = real_incarnation(world->lives[i]);
	}
}

static void check_next(const struct world *world, const struct pv_view *view,
		       bool acks)
{
	u8 before = world->history[world->number];

	if (view->number != world->number + 1U)
		world_bad = "a view number was left out";
	if (!world->number || view->why == PV_WHY_FORCED)
		return;
	if (!((before ^ pack_view(view)) & ~FORCED))
		world_bad = "two successive views are alike";
	if (!world->acked && !acks &&
	    backup_of(world, world->number) != view->members[0].node)
		world_bad = "the primary of a view that is not acknowledged goes on";
}

static void save_server(struct world *world, const struct pv_volume *volume,
			bool acks)
{
	const struct pv_view *view = &volume->view;
	u32 i;

	if (view->number > world->number) {
		check_next(world, view, acks);
		if (view->why == PV_WHY_FORCED)
			world->forced = view->number;
	}
	if (view->number > world->number || volume->handover != world->handover)
		world->late = false;
	world->number = view->number;
	world->acked = volume->acked;
	world->handover = volume->handover;
	world->history[view->number] = view->number ? pack_view(view) : 0;
	memset(world->lives, 0, sizeof(world->lives));
	for (i = 0; i < view->nr; i++)
		world->lives[i] = view->members[i].incarnation >> 16;
	for (i = 0; i < NR_NODES; i++) {
		world->nodes[i].unreachable = pv_left_alone(volume, i, NOW);
		world->nodes[i].evicted = volume->nodes[i].evicted;
	}
}

/* A ping arrives; its answer is under way. */
static void server_hears(struct world *world, u32 who,
			 const struct small_ping *small, bool fresh, u64 reaches)
{
	bool acks = fresh && small->view == world->number &&
		    primary_of(world, world->number) == who;
	struct node *node = &world->nodes[who];
	struct pv_volume volume;
	struct pv_view answer;
	struct pv_ping ping = {
		.node = who, .seq = fresh ? LATEST + 1 : LATEST,
		.incarnation = real_incarnation(small->incarnation),
		.view = small->view, .disk_view = small->disk_view,
		.state = small->state, .flags = small->flags,
		.reaches = reaches,
	};
	int ret;
	u32 i;

	load_server(world, &volume);
	uuid_of(who, ping.replica);
	ret = pv_ping(&volume, &ping, NOW);
	if (fresh && ret < 0)
		world_bad = "a new ping is refused";
	if (!fresh && ret >= 0)
		world_bad = "an old ping counts";
	if (fresh) {
		node->heard = *small;
		node->reaches = reaches;
		/* The time that it is left alone is over by the next ping. */
		for (i = 0; i < NR_NODES; i++)
			if (reaches >> i & 1)
				world->nodes[i].unreachable = false;
		node->is_heard = true;
		node->is_dead = false;
	}
	pv_answer(&volume, who, &answer);
	save_server(world, &volume, acks);
	node->answer = answer.number;
	node->forces = volume.view.why == PV_WHY_FORCED && !volume.acked &&
		       answer.number == volume.view.number &&
		       answer.members[0].node == who;
}

static void server_ticks(struct world *world)
{
	struct pv_volume volume;

	load_server(world, &volume);
	pv_tick(&volume, NOW);
	save_server(world, &volume, false);
}

/* The nodes */

static struct pb_self describe(const struct world *world, u32 who)
{
	const struct node *node = &world->nodes[who];
	struct pb_self self = {
		.state = node->state, .role = node->role,
		.crashed = node->crashed, .waits = node->waits,
		.disk_failed = node->failed, .through_backup = node->through,
		.diverged = node->diverged,
	};

	uuid_of(who, self.replica);
	kernel_view(world, node->number, &self.view);
	return self;
}

/* It goes on by what is on its disk, and nobody else holds more from now on. */
static void truth_is(struct world *world, u32 who)
{
	u32 i;

	for (i = 0; i < NR_NODES; i++) {
		world->nodes[i].whole = i == who;
		world->nodes[i].flushed = i == who;
	}
}

static void world_moved(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];

	if (node->role != PB_ROLE_PRIMARY || node->whole ||
	    node->number < world->forced)
		return;
	/* It does nothing without its backup: see world_look(). */
	if (node->waits || backup_synced(world, node->number))
		return;
	if (!node->flushed)
		world_bad = "a primary lacks a flushed write";
	else if (!node->crashed)
		world_bad = "a primary lacks an acknowledged write";
	truth_is(world, who);
}

/* What the daemon does with one view. */
static void tell(struct world *world, u32 who, u32 number)
{
	struct node *node = &world->nodes[who];
	struct pb_self self = describe(world, who);
	struct pb_verdict verdict;
	struct pb_view view;
	const char *why;
	int ret;

	kernel_view(world, number, &view);
	ret = pb_view_check(&self, &view, number == node->answer && node->forces ?
			    PB_VIEW_FORCE_DATA_MAY_BE_LOST : 0, &verdict, &why);
	if (ret == -EUCLEAN && number == node->number && node->crashed &&
	    node->role == PB_ROLE_UNCONFIRMED)
		node->moved = number;
	if (ret)
		return;
	node->moved = number;
	if (verdict.confirm && node->role != PB_ROLE_UNCONFIRMED)
		return;
	node->number = number;
	node->state = verdict.state;
	node->role = verdict.role;
	world->linked = false;
	node->diverged = false;
	if (node->through && (verdict.forced || node->role != PB_ROLE_PRIMARY)) {
		node->through = false;
		node->failed = !verdict.forced;
	}
	if (!verdict.confirm) {
		node->waits = false;
		node->reports = false;
	}
	if (verdict.forced && number == world->forced)
		truth_is(world, who);
	world_moved(world, who);
	if (!verdict.confirm && verdict.role != PB_ROLE_UNCONFIRMED)
		node->crashed = false;
}

/* The server tells all views since the one on the node's disk. */
static void hear_answer(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];
	u32 number, last = node->answer;

	for (number = node->number ? node->number : 1; number <= last; number++) {
		/* The server leaves out views that are over, for their primary. */
		if (number < last && primary_of(world, number) == who)
			continue;
		if (number != node->moved)
			tell(world, who, number);
	}
}

static struct small_ping make_ping(const struct node *node, u32 flags)
{
	if (node->role == PB_ROLE_UNCONFIRMED && node->moved)
		flags |= PV_PING_STANDS;
	if (node->role == PB_ROLE_PRIMARY && node->reports)
		flags |= PV_PING_BACKUP_SYNCED;
	if (node->failed)
		flags |= PV_PING_FAILED;
	return (struct small_ping) {
		.incarnation = node->incarnation, .view = node->moved,
		.disk_view = node->number, .state = node->state,
		.flags = flags,
	};
}

static bool ping(struct world *world, u32 who, u32 flags, u64 reaches)
{
	struct node *node = &world->nodes[who];
	struct small_ping small = make_ping(node, flags);

	if (node->pinging == NEW_PING)
		node->pinging = OLD_PING;
	server_hears(world, who, &small, true, reaches);
	return true;
}

static bool ping_unreachable(struct world *world, u32 who)
{
	const struct node *node = &world->nodes[who];
	u32 backup = node->number ? backup_of(world, node->number) : NOBODY;

	if (node->role != PB_ROLE_PRIMARY || backup == NOBODY)
		return false;
	return ping(world, who, PV_PING_UNREACHABLE, ~(1ULL << backup));
}

static bool send_ping(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];

	if (node->pinging != NO_PING)
		return false;
	node->ping = make_ping(node, 0);
	node->pinging = NEW_PING;
	return true;
}

static bool hear_ping(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];
	bool fresh = node->pinging == NEW_PING;
	struct small_ping small = node->ping;

	if (node->pinging == NO_PING)
		return false;
	node->pinging = OLD_PING;
	server_hears(world, who, &small, fresh, ~0ULL);
	return true;
}

static bool lose_ping(struct node *node)
{
	if (node->pinging == NO_PING)
		return false;
	node->pinging = NO_PING;
	memset(&node->ping, 0, sizeof(node->ping));
	return true;
}

static bool crash(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];

	node->incarnation++;
	node->role = PB_ROLE_UNCONFIRMED;
	node->moved = 0;
	node->reports = false;
	node->through = false;
	node->diverged = false;
	node->crashed |= node->state >= PB_REPLICA_SYNCING;
	node->whole = false;
	world->linked = false;
	world->crashes++;
	return true;
}

/* Only if all is still and equal it says so on its disk. */
static bool down_and_up(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];
	bool whole = node->whole;

	if (node->role == PB_ROLE_UNCONFIRMED || node->failed || node->through ||
	    node->diverged)
		return false;
	crash(world, who);
	node->crashed = false;
	node->whole = whole;
	return true;
}

static bool dead(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];

	/* Then all of whom it has not heard are. */
	if (world->grace && who)
		return false;
	if (!world->grace && node->is_dead)
		return false;
	if (!world->grace)
		node->is_dead = true;
	world->grace = false;
	server_ticks(world);
	return true;
}

/* The backup that this primary is to bring up to date, or NOBODY. */
static u32 to_sync(const struct world *world, u32 who)
{
	const struct node *node = &world->nodes[who];
	const struct node *other;
	u32 backup;

	if (node->role != PB_ROLE_PRIMARY)
		return NOBODY;
	backup = backup_of(world, node->number);
	if (backup == NOBODY || backup_synced(world, node->number))
		return NOBODY;
	other = &world->nodes[backup];
	return other->role == PB_ROLE_BACKUP && other->number == node->number &&
	       !other->failed ? backup : NOBODY;
}

static bool begin_sync(struct world *world, u32 who)
{
	u32 backup = to_sync(world, who);

	if (backup == NOBODY || world->nodes[who].waits ||
	    world->nodes[backup].state == PB_REPLICA_SYNCING)
		return false;
	world->nodes[backup].state = PB_REPLICA_SYNCING;
	world->nodes[backup].whole = false;
	world->nodes[backup].flushed = false;
	return true;
}

static bool arm(struct world *world, u32 who)
{
	u32 backup = to_sync(world, who);
	struct node *node = &world->nodes[who];

	if (backup == NOBODY || node->waits)
		return false;
	world->nodes[backup].state = PB_REPLICA_SYNCING;
	world->nodes[backup].whole = node->whole;
	world->nodes[backup].flushed = node->flushed;
	node->waits = true;
	node->crashed = false;
	world->linked = true;
	return true;
}

static bool synced(struct world *world, u32 who)
{
	u32 backup = to_sync(world, who);

	if (backup == NOBODY || !world->linked ||
	    world->nodes[backup].state == PB_REPLICA_SYNCED)
		return false;
	world->nodes[backup].state = PB_REPLICA_SYNCED;
	world->nodes[backup].crashed = false;
	world->nodes[who].reports = true;
	return true;
}

/* Who must ack beside the primary of a view: NOBODY if nobody, or -1: it cannot. */
static int can_ack(const struct world *world, u32 number)
{
	u32 who = primary_of(world, number), backup = backup_of(world, number);
	const struct node *node = &world->nodes[who];
	const struct node *other = &world->nodes[backup];

	if (node->number != number || node->role != PB_ROLE_PRIMARY)
		return -1;
	if (backup == NOBODY || !(backup_synced(world, number) || node->waits))
		return NOBODY;
	if (other->number != number || other->role != PB_ROLE_BACKUP ||
	    other->failed || node->diverged)
		return -1;
	if (node->waits && !world->linked)
		return -1;
	return backup;
}

static bool done(struct world *world, u32 who, bool flush)
{
	struct node *node = &world->nodes[who];
	int backup = node->number ? can_ack(world, node->number) : -1;
	u32 i;

	if (backup < 0 || primary_of(world, node->number) != who)
		return false;
	for (i = 0; i < NR_NODES && node->number >= world->forced; i++) {
		if ((i == who && !node->through) || i == (u32)backup)
			continue;
		world->nodes[i].whole = false;
		if (flush)
			world->nodes[i].flushed = false;
	}
	return true;
}

/* What an operator wants. */
static bool command(struct world *world, enum act act, u32 who)
{
	struct pv_volume volume;
	const char *why;
	int ret;

	load_server(world, &volume);
	if (act == SWITCH)
		ret = pv_switch(&volume, who, NOW, &why);
	else if (act == EVICT)
		ret = pv_evict(&volume, who, NOW, &why);
	else if (act == ADD)
		ret = pv_add(&volume, who, NOW);
	else
		ret = pv_force(&volume, who, NOW, &why);
	save_server(world, &volume, false);
	return ret == 1;
}

/* Who waits for its backup goes on by that one's copy, and says so on its disk. */
static bool disk_fails(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];
	int backup;

	if (node->failed)
		return false;
	if (node->role == PB_ROLE_PRIMARY) {
		backup = can_ack(world, node->number);
		if (backup < 0 || backup == NOBODY ||
		    world->nodes[backup].state != PB_REPLICA_SYNCED)
			return false;
		node->through = true;
		node->state = PB_REPLICA_STALE;
	}
	node->failed = true;
	return true;
}

static bool fail_writes(struct world *world, u32 who)
{
	struct node *node = &world->nodes[who];

	if (node->role != PB_ROLE_PRIMARY || node->diverged ||
	    !(node->waits || backup_synced(world, node->number)))
		return false;
	node->diverged = true;
	return true;
}

static bool late(struct world *world)
{
	if (world->late)
		return false;
	world->late = true;
	server_ticks(world);
	return true;
}

static bool server_restarts(struct world *world)
{
	u32 i;

	world->grace = true;
	for (i = 0; i < NR_NODES; i++) {
		world->nodes[i].is_heard = false;
		world->nodes[i].is_dead = false;
		world->nodes[i].unreachable = false;
		memset(&world->nodes[i].heard, 0, sizeof(struct small_ping));
		lose_ping(&world->nodes[i]);
	}
	return true;
}

bool world_act(struct world *world, enum act act, u32 who)
{
	switch (act) {
	case PING:		return ping(world, who, 0, ~0ULL);
	case PING_UNREACHABLE:	return ping_unreachable(world, who);
	case SEND_PING:		return send_ping(world, who);
	case HEAR_PING:		return hear_ping(world, who);
	case LOSE_PING:		return lose_ping(&world->nodes[who]);
	case HEAR_ANSWER:	hear_answer(world, who); return true;
	case CRASH:		return crash(world, who);
	case DEAD:		return dead(world, who);
	case BEGIN_SYNC:	return begin_sync(world, who);
	case ARM:		return arm(world, who);
	case SYNCED:		return synced(world, who);
	case WRITE:		return done(world, who, false);
	case FLUSH:		return done(world, who, true);
	case DOWN_AND_UP:	return down_and_up(world, who);
	case LATE:		return !who && late(world);
	case FAIL_WRITES:	return fail_writes(world, who);
	case SWITCH:
	case EVICT:
	case ADD:
	case FORCE:		return command(world, act, who);
	case DISK_FAILS:	return disk_fails(world, who);
	case SERVER_RESTARTS:	return !who && server_restarts(world);
	default:		return false;
	}
}

void world_look(const struct world *world)
{
	u32 number, able = 0;

	for (number = world->forced ?: 1; number <= world->number; number++) {
		const struct node *node = &world->nodes[primary_of(world, number)];
		int backup = can_ack(world, number);

		if (backup < 0)
			continue;
		able++;
		if (backup != NOBODY && !world->nodes[backup].whole)
			world_bad = "a backup that is relied on lacks an acknowledged write";
		if (!node->whole && !node->through)
			world_bad = "a primary lacks an acknowledged write";
	}
	if (able > 1)
		world_bad = "writes can be acknowledged in two views";
}

bool world_serves(const struct world *world)
{
	return world->number && can_ack(world, world->number) >= 0;
}

/* One round in which all but @lost do what they can. */
static void heal(struct world *world, u32 round, u32 lost)
{
	u32 i;

	for (i = 0; i < NR_NODES; i++) {
		if (i == lost)
			continue;
		world_act(world, PING, i);
		world_act(world, HEAR_ANSWER, i);
		world_act(world, ARM, i);
		world_act(world, SYNCED, i);
	}
	/* Who cannot be waited for is found unreachable. */
	for (i = 0; i < NR_NODES; i++)
		if (i != lost && world->nodes[i].role == PB_ROLE_PRIMARY &&
		    world->nodes[i].number == world->number &&
		    can_ack(world, world->number) < 0 && round > 2)
			world_act(world, PING_UNREACHABLE, i);
	if (round == 5 || round == 9)
		world_act(world, LATE, 0);
}

static bool heals(struct world *world, u32 lost)
{
	u32 round;

	for (round = 0; round < 18 && world->number < NR_VIEWS; round++) {
		heal(world, round, lost);
		if (lost != NOBODY) {
			world_act(world, DEAD, world->grace ? 0 : lost);
			world_act(world, DEAD, lost);
		}
		if (world_serves(world))
			return true;
	}
	return world->number >= NR_VIEWS;
}

/* What an operator does: disks are mended with the replica taken down. */
static void mend(struct world *world)
{
	u32 i;

	for (i = 0; i < NR_NODES; i++) {
		if (world->nodes[i].failed)
			crash(world, i);
		world->nodes[i].failed = false;
		world_act(world, ADD, i);
	}
}

/* And if nothing else helps: what the view server recommends. */
static bool force_heals(struct world *world, u32 lost)
{
	struct pv_volume volume;
	u32 best;

	if (heals(world, lost))
		return true;
	load_server(world, &volume);
	best = pv_next_best(&volume, NOW);
	return best == PV_NO_NODE ||
	       (world_act(world, FORCE, best) && heals(world, lost));
}

/*
 * Its primary was to go on alone, and before it did, its disk died: it never will.
 * The other one knows nothing of that, and is not let in.
 */
static bool is_void(const struct world *world)
{
	const struct node *node = &world->nodes[primary_of(world, world->number)];

	return world->number && !world->acked && node->number < world->number &&
	       node->state != PB_REPLICA_SYNCED;
}

bool world_heals(struct world world)
{
	mend(&world);
	return is_void(&world) ? force_heals(&world, NOBODY) :
				 heals(&world, NOBODY);
}

/* Can it be primary of the view, or of the next? */
static bool can_lead(const struct world *world, u32 who)
{
	const struct node *node = &world->nodes[who];
	u32 number = world->number;

	if (node->state != PB_REPLICA_SYNCED)
		return false;
	return primary_of(world, number) == who || backup_synced(world, number) ||
	       node->number == number;
}

static bool is_needed(const struct world *world, u32 who)
{
	u32 primary = primary_of(world, world->number);
	u32 backup = backup_of(world, world->number);

	if (!world->number)
		return true;
	if (who == primary)
		return backup == NOBODY || !can_lead(world, backup);
	return !can_lead(world, primary);
}

bool world_heals_without(struct world world, u32 who)
{
	u32 i;

	/* Who failed writes does not call another one synced before it is set up again. */
	for (i = 0; i < NR_NODES; i++)
		if (world.nodes[i].diverged)
			crash(&world, i);
	mend(&world);
	return is_needed(&world, who) ? force_heals(&world, who) :
					heals(&world, who);
}

void world_begin(struct world *world, bool blank)
{
	u32 i;

	memset(world, 0, sizeof(*world));
	for (i = 0; i < NR_NODES; i++) {
		world->nodes[i].incarnation = 1;
		world->nodes[i].state = PB_REPLICA_SYNCED;
		world->nodes[i].role = PB_ROLE_UNCONFIRMED;
		world->nodes[i].whole = true;
		world->nodes[i].flushed = true;
	}
	if (!blank)
		return;
	world->nodes[2].state = PB_REPLICA_BLANK;
	world->nodes[2].whole = false;
	world->nodes[2].flushed = false;
}

void world_pair(struct world *world)
{
	static const u8 acts[][2] = {
		{ PING, 0 }, { HEAR_ANSWER, 0 }, { PING, 0 }, { PING, 1 },
		{ PING, 0 }, { HEAR_ANSWER, 0 }, { PING, 1 }, { HEAR_ANSWER, 1 },
		{ PING, 0 }, { ARM, 0 }, { SYNCED, 0 }, { PING, 0 }, { HEAR_ANSWER, 0 }, { PING, 1 },
		{ HEAR_ANSWER, 1 }, { PING, 0 }, { HEAR_ANSWER, 0 }, { PING, 1 },
	};
	u32 i;

	world_begin(world, true);
	for (i = 0; i < ARRAY_SIZE(acts); i++)
		world_act(world, acts[i][0], acts[i][1]);
	if (!world_serves(world) || !world->acked ||
	    !backup_synced(world, world->number))
		world_bad = "the pair does not come up";
}

void world_print(const struct world *world)
{
	static const char *const roles[] = { "unconfirmed", "idle", "backup",
					     "primary", "failed" };
	static const char *const states[] = { "blank", "stale", "syncing",
					      "synced" };
	u32 i, backup = backup_of(world, world->number);

	printf("#   server: view %u: %d, %d%s%s%s\n", world->number,
	       world->number ? (int)primary_of(world, world->number) : -1,
	       backup == NOBODY ? -1 : (int)backup,
	       backup_synced(world, world->number) ? " synced" : "",
	       world->acked ? ", acked" : "", world->handover ? ", handover" : "");
	if (world->forced)
		printf("#   view %u was forced\n", world->forced);
	for (i = 0; i < NR_NODES; i++) {
		const struct node *n = &world->nodes[i];

		printf("#   %u: view %u, %s, %s, life %u%s%s%s%s, told %u%s%s%s%s%s\n",
		       i, n->number, roles[n->role], states[n->state],
		       n->incarnation, n->crashed ? ", crashed" : "",
		       n->waits ? ", waits" : "", n->whole ? ", whole" : "",
		       n->flushed ? ", flushed" : "", n->moved,
		       n->is_dead ? ", dead" : "", n->failed ? ", failed" : "",
		       n->through ? ", by its backup" : "",
		       n->diverged ? ", diverged" : "",
		       n->evicted ? ", evicted" : "");
	}
}
