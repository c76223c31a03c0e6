/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The view function: which view a volume has, decided from pings and time.
 *
 * Pure logic.  No I/O, no clock, no allocation: the caller has the state, says
 * what happened and when, makes what changed durable, and only then tells
 * anybody.  The server uses it as it is, and so do its tests.
 *
 * The ideas are those of the classic view service of primary/backup replication
 * (numbered views; no view is followed by another before its primary has
 * acknowledged it; the state of an unacknowledged view is never guessed), put on
 * replicas that have a disk: one that restarts has its data, and may lack what
 * it had not flushed.
 */
#ifndef PB_VIEWS_H
#define PB_VIEWS_H

#include "pb-pure.h"

/* Nodes with a replica of one volume. */
#define PV_MAX_NODES	64
/* Members that the data path carries today. */
#define PV_MAX_MEMBERS	2

#define PV_NO_NODE	0xffffffffU

/* A backup that had to be left out is not left alone for longer than this, ms;
 * but if the first time is longer, see retry_ms.
 */
#define PV_RETRY_MAX_MS	600000

/* No view has a higher number. */
#define PV_MAX_VIEW	(1ULL << 62)

/* Flags of a ping. */
#define PV_PING_STANDS		(1U << 0)	/* it has no role in @view, and only stands in it */
#define PV_PING_BACKUP_SYNCED	(1U << 1)	/* as that it waits for its backup's acks */
#define PV_PING_UNREACHABLE	(1U << 2)	/* as that it cannot reach its backup */
#define PV_PING_FAILED		(1U << 3)	/* its disk failed: it asks to be left out */
#define PV_PING_FLAGS		((1U << 4) - 1)

/**
 * struct pv_ping - what a node says of its replica of one volume
 * @node: who; the caller knows that it is true
 * @replica: UUID of the replica
 * @seq: grows with each ping of this node, also when its daemon was restarted
 * @incarnation: the replica's latest set-up, not 0; see pb_incarnation_older()
 * @view: the latest view that it was told and has on its disk since that
 *	set-up, 0 if none: a replica that restarted has moved into nothing yet
 * @disk_view: the view that its disk has, whoever told it when
 * @state: enum pb_replica_state
 * @flags: PV_PING_*
 * @reaches: nodes that it could have as its backup: one bit each for whose
 *	daemon has answered to a connection for this volume
 */
struct pv_ping {
	u32	node;
	u8	replica[PB_UUID_LEN];
	u64	seq;
	u64	incarnation;
	u64	view;
	u64	disk_view;
	u32	state;
	u32	flags;
	u64	reaches;
};

/**
 * enum pv_why - why a view was made
 * @PV_WHY_NONE: there is none yet
 * @PV_WHY_FIRST: the first replica with the volume's data
 * @PV_WHY_PRIMARY_DEAD: the primary was silent for too long
 * @PV_WHY_PRIMARY_RESTARTED: it was set up again, so it cannot serve beside who
 *	was synced with it
 * @PV_WHY_PRIMARY_FAILED: its disk failed
 * @PV_WHY_BACKUP_DEAD: the backup was silent for too long
 * @PV_WHY_BACKUP_UNREACHABLE: the primary could not reach it
 * @PV_WHY_BACKUP_RESTARTED: it was set up again and may lack what it had not
 *	flushed
 * @PV_WHY_BACKUP_FAILED: its disk failed
 * @PV_WHY_BACKUP_REPLACED: it came back with another replica
 * @PV_WHY_BACKUP_SYNCED: it was brought up to date
 * @PV_WHY_BACKUP_ADDED: there was none, and an idle node
 * @PV_WHY_SWITCHED: an operator wanted the roles switched
 * @PV_WHY_EVICTED: an operator wanted a member left out
 * @PV_WHY_FORCED: an operator chose a primary by force: data may be lost
 * @PV_WHY_PRIMARY_ABSENT: the primary pings, and did not move into the view
 * @PV_WHY_BACKUP_RETRIED: there was none, and one that had been left alone
 */
enum pv_why {
	PV_WHY_NONE,
	PV_WHY_FIRST,
	PV_WHY_PRIMARY_DEAD,
	PV_WHY_PRIMARY_RESTARTED,
	PV_WHY_PRIMARY_FAILED,
	PV_WHY_BACKUP_DEAD,
	PV_WHY_BACKUP_UNREACHABLE,
	PV_WHY_BACKUP_RESTARTED,
	PV_WHY_BACKUP_FAILED,
	PV_WHY_BACKUP_REPLACED,
	PV_WHY_BACKUP_SYNCED,
	PV_WHY_BACKUP_ADDED,
	PV_WHY_SWITCHED,
	PV_WHY_EVICTED,
	PV_WHY_FORCED,
	PV_WHY_PRIMARY_ABSENT,
	PV_WHY_BACKUP_RETRIED,
	PV_WHY_NR
};

/**
 * struct pv_member - a member of a view
 * @node: who
 * @synced: it holds every acknowledged write
 * @replica: UUID of its replica when it became a member
 * @incarnation: and that one's set-up: in another it may have lost something
 */
struct pv_member {
	u32	node;
	bool	synced;
	u8	replica[PB_UUID_LEN];
	u64	incarnation;
};

/**
 * struct pv_view - a view, and why it was made
 * @number: from 1, one more each time; 0 if there is none
 * @nr: how many of @members there are
 * @why: enum pv_why
 * @members: the primary first
 */
struct pv_view {
	u64			number;
	u32			nr;
	u32			why;
	struct pv_member	members[PV_MAX_MEMBERS];
};

/**
 * struct pv_node - what is known of a node
 * @heard: it has pinged since the server began
 * @when: and when it did last, ms
 * @ping: what it said then; one that is older, by its number or by its replica's
 *	incarnation, is ignored
 * @older_image: it pings with an older incarnation: its disk is a copy of an
 *	earlier time, and is not used
 * @left_until: the primary had to do without it: it is not used again before
 *	this, ms, nor while the primary does not reach it; see pv_left_alone()
 * @left_ms: and that was so long from then on, ms
 * @left_by: the primary that had to,
 * @left_life: in this life
 * @drops: how often in a row: it was never synced for as long as @left_ms between
 * @synced_at: since when it is a synced backup, ms; 0: it is not, or was made so
 *	before the server began
 * @evicted: an operator wants it left out; durable
 */
struct pv_node {
	bool	heard;
	u64	when;
	struct pv_ping	ping;
	bool	older_image;
	u64	left_until;
	u64	left_ms;
	u32	left_by;
	u64	left_life;
	u32	drops;
	u64	synced_at;
	bool	evicted;
};

/**
 * struct pv_volume - the state of the view function, for one volume
 * @view: the current view; durable
 * @acked: its primary has moved into it; durable
 * @handover: a planned switch: the old primary, which is its backup now, is told
 *	first, so that it can finish its writes; durable
 * @handover_ends: when the others are told whether it has or not, ms; 0 after a
 *	restart of the server: it waits anew
 * @since: when the current view was made, its handover ended, or the server
 *	began, ms; 0: at the next event
 * @began: when the server began to listen, or heard somebody after it had heard
 *	nobody: nobody is dead within @dead_after of that, ms
 * @found: number of the view that the server began with, 0 if none: none follows
 *	it before each node has been heard of or is dead
 * @latest: of the latest event, ms: a server that stood still has heard nobody,
 *	and begins anew
 * @dead_after: a node is dead when it was silent for longer, ms
 * @stall_ms: events (ticks at least) come more often, or the server stood still
 * @handover_ms: how long a planned switch waits for the old primary, ms; and a
 *	view whose backup could replace its primary for that one to move into it
 * @retry_ms: how long a backup that could not be reached is not used again, ms;
 *	twice as long with each further time
 * @behind: a replica knows a later view: this state is an old one, and makes no
 *	view any more
 * @nr_nodes: how many of @nodes there are
 * @nodes: nodes with a replica
 *
 * Made by the caller: all zero but for the times that it chooses, nr_nodes, and
 * what is durable.
 */
struct pv_volume {
	struct pv_view	view;
	bool		acked;
	bool		handover;
	u64		handover_ends;
	u64		since;
	u64		began;
	u64		found;
	u64		latest;
	u64		dead_after;
	u64		stall_ms;
	u64		handover_ms;
	u64		retry_ms;
	bool		behind;
	u32		nr_nodes;
	struct pv_node	nodes[PV_MAX_NODES];
};

/**
 * pv_ping() - a node has said something
 * @volume: the state
 * @ping: what; hostile but for @node
 * @now: ms of a clock that never goes back
 *
 * Whatever the ping makes possible is done at once.  What orders pings decides
 * whether this one counts, see -ESTALE; no other ping changes anything.
 *
 * Return: 1 if what is durable has changed: it must be stored before anybody
 * is told; 0 if not; -EINVAL (no such node, or an impossible ping), -ESTALE
 * (older than another one, or of an older incarnation): the answer is the view
 * all the same.
 */
int pv_ping(struct pv_volume *volume, const struct pv_ping *ping, u64 now);

/**
 * pv_tick() - time has passed
 * @volume: the state
 * @now: as in pv_ping()
 *
 * Return: 1 if what is durable has changed, else 0.
 */
int pv_tick(struct pv_volume *volume, u64 now);

/**
 * pv_answer() - the view that a node is to be in
 * @volume: the state
 * @node: who asks
 * @view: filled; number 0 if there is none yet
 *
 * The current one.  During a planned switch others than the old primary are
 * told the view before for a while.
 */
void pv_answer(const struct pv_volume *volume, u32 node, struct pv_view *view);

/**
 * pv_switch() - an operator wants the roles switched
 * @volume: the state
 * @node: who is to be primary
 * @now: as in pv_ping()
 * @why: set to a constant line on failure
 *
 * Return: 1, or 0 if it is primary already; -EAGAIN (the view is not
 * acknowledged yet), -EUCLEAN (it is not a synced backup), -EHOSTDOWN (one of the
 * two is not well).
 */
int pv_switch(struct pv_volume *volume, u32 node, u64 now, const char **why);

/**
 * pv_evict() - an operator wants a node left out, until pv_add()
 * @volume: the state
 * @node: who
 * @now: as in pv_ping()
 * @why: set to a constant line on failure
 *
 * Return: 1, or 0 if it is evicted already; -EINVAL, -EUCLEAN (it is the primary and
 * there is nobody who could replace it).
 */
int pv_evict(struct pv_volume *volume, u32 node, u64 now, const char **why);

/**
 * pv_add() - an evicted node may be used again
 * @volume: the state
 * @node: who
 * @now: as in pv_ping()
 *
 * If it is left alone, that ends too.
 *
 * Return: 1, or 0 if it was not evicted; -EINVAL.
 */
int pv_add(struct pv_volume *volume, u32 node, u64 now);

/**
 * pv_force() - an operator makes a node primary, although data may be lost
 * @volume: the state
 * @node: who
 * @now: as in pv_ping()
 * @why: set to a constant line on failure
 *
 * The last resort: the view before need not be acknowledged, and the replica
 * need not be synced.  But two primaries at once are not for anybody to want: one
 * that is well has to be taken down first.
 *
 * Return: 1, -EINVAL, -EHOSTDOWN (it is not heard of), -ENODATA (it is blank),
 * -EBUSY (the primary is well), -ERANGE (no number is left), -EALREADY (it is primary, and alone).
 */
int pv_force(struct pv_volume *volume, u32 node, u64 now, const char **why);

/**
 * pv_dead() - has a node been silent for too long?
 * @volume: the state
 * @node: who
 * @now: as in pv_ping()
 */
bool pv_dead(const struct pv_volume *volume, u32 node, u64 now);

/**
 * pv_left_alone() - for how long is a node not to be the primary's backup?
 * @volume: the state
 * @node: who
 * @now: as in pv_ping()
 *
 * Return: ms, 0 if it may be.
 */
u64 pv_left_alone(const struct pv_volume *volume, u32 node, u64 now);

/**
 * pv_next_best() - who has most of the data, but for the primary?
 * @volume: the state
 * @now: as in pv_ping()
 *
 * For people who have lost a primary; the function itself promotes nobody by this.
 *
 * Return: a node that pings, or PV_NO_NODE.
 */
u32 pv_next_best(const struct pv_volume *volume, u64 now);

/**
 * pv_next_death() - when does time alone change something next?
 * @volume: the state
 * @now: as in pv_ping()
 *
 * Return: the earliest time after @now at which a member of the view is dead unless
 * it pings before; U64_MAX if there is none.
 */
u64 pv_next_death(const struct pv_volume *volume, u64 now);

/**
 * pv_why_text() - why a view was made, in words
 * @why: enum pv_why
 */
const char *pv_why_text(u32 why);

#endif /* PB_VIEWS_H */
