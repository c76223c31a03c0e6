/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small world to try the view function in: a server with the view function as
 * it is, nodes whose kernels decide with pb_view_check() as it is, a network
 * that loses, doubles, delays and reorders, and crashes.
 *
 * Modelled of the data is what a node's disk holds of what was acknowledged:
 * everything (whole), and everything that was flushed (flushed).  A write is
 * acknowledged, or a flush done, when the primary and all who must hold it are
 * in the same view; whoever else held everything does not any more.  A crash
 * loses what was not flushed.
 *
 * A primary whose disk fails serves by its backup's copy, and its own lacks what
 * comes then.  After a force the forced primary's data is what counts, and what is
 * acknowledged in older views does not.
 *
 * What must never be, see world_moved() and world_look():
 * - two views in which writes can be acknowledged at once;
 * - a primary, or a member it relies on, that lacks a flushed write;
 * - a primary that lacks an acknowledged one, if it did not crash itself.
 */
#ifndef VIEWS_WORLD_H
#define VIEWS_WORLD_H

#include "pb-view.h"
#include "views.h"

#define NR_NODES	3
#define NR_VIEWS	15
#define NOBODY		3

/* How a ping that is under way stands to the latest that was heard. */
enum { NO_PING, OLD_PING, NEW_PING };

/* One ping as it is under way: what struct pv_ping has, small. */
struct small_ping {
	u8	incarnation;
	u8	view;
	u8	disk_view;
	u8	state : 2;
	u8	flags : 4;
};

struct node {
	/* The kernel. */
	u8	number;			/* of the view on its disk */
	u8	incarnation;
	u8	state : 2;
	u8	role : 3;
	u8	crashed : 1;
	u8	waits : 1;		/* for an unsynced backup, durable */
	u8	reports : 1;		/* and that backup has said that it is synced */
	u8	moved;			/* the view it was told in this life */
	u8	whole : 1;
	u8	flushed : 1;
	/* On their way to the server and back. */
	u8	pinging : 2;
	u8	failed : 1;		/* its disk */
	u8	through : 1;		/* it serves by its backup's copy */
	u8	diverged : 1;		/* it failed writes */
	u8	forces : 1;		/* the answer says so */
	u8	answer;			/* number, 0 if there is none */
	struct small_ping ping;
	/* What the server knows. */
	struct small_ping heard;
	u8	is_heard : 1;
	u8	is_dead : 1;
	u8	unreachable : 1;
	u8	evicted : 1;
	u8	reaches;
};

struct world {
	u8		number;		/* the server's current view */
	u8		acked : 1;
	u8		handover : 1;
	u8		grace : 1;	/* it has begun: nobody is dead */
	u8		linked : 1;	/* the waited-for backup lives as it was */
	u8		late : 1;	/* the view, or its handover, is an old one */
	u8		forced;		/* the latest view that was */
	u8		lives[2];	/* the members' incarnations */
	u8		crashes;
	u8		history[NR_VIEWS + 1];	/* each view in a byte */
	struct node	nodes[NR_NODES];
};

enum act {
	PING,		/* sent and heard; the answer is under way */
	PING_UNREACHABLE, /* the same, of a primary that cannot reach its backup */
	SEND_PING,	/* sent; it stays under way */
	HEAR_PING,	/* what was sent is heard, maybe again */
	LOSE_PING,
	HEAR_ANSWER,	/* maybe again */
	CRASH,
	DEAD,		/* it was silent for too long */
	BEGIN_SYNC,	/* of the primary and its unsynced backup: the copy begins, */
	ARM,		/* the primary waits for acks, */
	SYNCED,		/* the backup has said that it is synced */
	WRITE,		/* acknowledged, of the primary */
	FLUSH,
	SWITCH,		/* an operator wants this one to be primary */
	DISK_FAILS,
	SERVER_RESTARTS,
	DOWN_AND_UP,	/* taken down in order, and set up again */
	LATE,		/* much time passes without an acknowledgement */
	FAIL_WRITES,	/* by policy, those that wait for the backup */
	EVICT,
	ADD,
	FORCE,
	NR_ACTS
};

/* Why a world is a bad one; a constant line, or NULL. */
extern const char *world_bad;

/* A volume of which two replicas are equal, the third blank; or all three equal. */
void world_begin(struct world *world, bool blank);

/* Of these two are a primary and its synced backup, in view 3. */
void world_pair(struct world *world);

/* Does this, if it is possible: true if it was. */
bool world_act(struct world *world, enum act act, u32 who);

/* Does the world keep the promises? */
void world_look(const struct world *world);

/* Can a write be acknowledged now? */
bool world_serves(const struct world *world);

/* Everybody is well from now on: is there service before long? */
bool world_heals(struct world world);

/* Everybody but this one, which is lost for good: true also if it is needed. */
bool world_heals_without(struct world world, u32 who);

/* For people. */
void world_print(const struct world *world);
extern const char *const act_names[NR_ACTS];

#endif /* VIEWS_WORLD_H */
