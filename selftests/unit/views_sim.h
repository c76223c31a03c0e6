/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes as the server may see them, for the tests of the view function: they
 * ping once in an interval and do what they are told.
 */
#ifndef VIEWS_SIM_H
#define VIEWS_SIM_H

#include <stdlib.h>

#include "pb-view.h"
#include "tap.h"
#include "views.h"

#define INTERVAL	100
#define NR_NODES	4

struct sim {
	struct pv_ping ping;
	bool obeys;
};

static struct pv_volume volume;
static struct sim sims[NR_NODES];
static u64 now;
static u32 flavour;

static inline void set_up(u32 node)
{
	struct pv_ping *ping = &sims[node].ping;

	ping->incarnation = ((ping->incarnation >> 16) + 1) << 16 | 7;
	ping->view = 0;
	ping->flags = 0;
	sims[node].obeys = true;
}

/* Node 0 and 1 have the volume's data, the others are blank. */
static inline void begin(void)
{
	u32 i;

	now = 1000000;
	volume = (struct pv_volume) {
		.dead_after = flavour * INTERVAL, .handover_ms = 6000,
		.stall_ms = (flavour + 1) * INTERVAL, .retry_ms = 1000,
		.nr_nodes = NR_NODES,
	};
	memset(sims, 0, sizeof(sims));
	for (i = 0; i < NR_NODES; i++) {
		sims[i].ping.node = i;
		sims[i].ping.incarnation = 5 << 16;
		memset(sims[i].ping.replica, 0xa0 + i, PB_UUID_LEN);
		sims[i].ping.state = i < 2 ? PB_REPLICA_SYNCED :
					     PB_REPLICA_BLANK;
		sims[i].ping.reaches = ~0ULL;
		set_up(i);
	}
}

static inline u32 place(const struct pv_view *view, u32 node)
{
	u32 i;

	for (i = 0; i < view->nr; i++)
		if (view->members[i].node == node)
			return i;
	return PV_NO_NODE;
}

static inline void obey(u32 node, const struct pv_view *view)
{
	struct pv_ping *ping = &sims[node].ping;
	u32 at = place(view, node);
	bool synced = at != PV_NO_NODE && view->members[at].synced;

	if (!view->number || ping->view == view->number)
		return;
	ping->view = view->number;
	ping->disk_view = view->number;
	ping->flags = 0;
	if (synced)
		ping->state = PB_REPLICA_SYNCED;
	else if (ping->state == PB_REPLICA_SYNCED)
		ping->state = PB_REPLICA_STALE;
}

static inline int say(u32 node)
{
	struct pv_view view;
	int ret;

	sims[node].ping.seq++;
	ret = pv_ping(&volume, &sims[node].ping, now);
	pv_answer(&volume, node, &view);
	if (sims[node].obeys)
		obey(node, &view);
	return ret;
}

/* An interval in which these nodes ping, in this order. */
static inline void rounds(u32 times, u32 nodes)
{
	u32 i;

	while (times--) {
		now += INTERVAL;
		for (i = 0; i < NR_NODES; i++)
			if (nodes >> i & 1)
				say(i);
		/* The server lives, even if nobody speaks. */
		if (flavour > 1 || !nodes)
			pv_tick(&volume, now);
	}
}

#define ONLY(node)	(1U << (node))

/* Long enough that who is silent is dead. */
static inline void until_dead(u32 alive)
{
	rounds(flavour + 1, alive);
}

static inline void view_is(u64 number, u32 primary, u32 backup, bool synced,
			   const char *text)
{
	const struct pv_view *view = &volume.view;
	u32 second = view->nr > 1 ? view->members[1].node : PV_NO_NODE;
	bool good = view->number == number && view->nr &&
		    view->members[0].node == primary && second == backup &&
		    (second == PV_NO_NODE || view->members[1].synced == synced);

	ok(good, "%s", text);
	if (!good)
		printf("# view %llu: %d, %d%s; why: %s\n",
		       (unsigned long long)view->number,
		       view->nr ? (int)view->members[0].node : -1, (int)second,
		       view->nr > 1 && view->members[1].synced ? " synced" : "",
		       pv_why_text(view->why));
}

static inline void alone(u64 number, u32 primary, const char *text)
{
	view_is(number, primary, PV_NO_NODE, false, text);
}

/* 0 is primary, 1 its synced backup, in view 3. */
static inline void make_pair(void)
{
	begin();
	say(0);
	rounds(1, ONLY(0));
	rounds(2, ONLY(0) | ONLY(1));
	sims[0].ping.flags |= PV_PING_BACKUP_SYNCED;
	rounds(2, ONLY(0) | ONLY(1));
	if (volume.view.number != 3 || !volume.acked ||
	    !volume.view.members[1].synced)
		ok(false, "a pair is made");
}

/*
 * With dead-after 1, where all changes come with a ping, and with 5, where a
 * tick may bring them too.
 */
static inline void both_flavours(void (*tests)(void))
{
	static const u32 flavours[] = { 1, 5 };
	u32 i;

	for (i = 0; i < 2; i++) {
		flavour = flavours[i];
		printf("# dead-after %u\n", flavour);
		tests();
	}
}

#endif /* VIEWS_SIM_H */
