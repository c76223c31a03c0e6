/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the view server keeps what it has decided.  What a function here has
 * saved is durable when it returns: only then may anybody be told.
 *
 * One store today (SQLite, store-sqlite.c); the interface is what another one (a
 * cluster's) has to provide.  Nodes are known by name here: an index into a
 * configuration file means nothing to the next start.
 */
#ifndef PV_STORE_H
#define PV_STORE_H

#include "libpb.h"
#include "views.h"

#define PV_BY_LEN	64

/**
 * struct pv_stored_member - see struct pv_member
 * @node: its name
 * @synced: it holds every acknowledged write
 * @replica: UUID of its replica
 * @incarnation: and that one's set-up
 */
struct pv_stored_member {
	char	node[PB_NAME_LEN];
	bool	synced;
	u8	replica[PB_UUID_LEN];
	u64	incarnation;
};

/**
 * struct pv_stored_view - see struct pv_view
 * @number: from 1
 * @time_ns: CLOCK_REALTIME when it was made; for people
 * @why: enum pv_why
 * @by: the operator who wanted it, or empty
 * @nr: members
 * @members: the primary first
 */
struct pv_stored_view {
	u64			number;
	u64			time_ns;
	u32			why;
	char			by[PV_BY_LEN];
	u32			nr;
	struct pv_stored_member	members[PV_MAX_MEMBERS];
};

/**
 * struct pv_stored - what is durable of a volume; see struct pv_volume
 * @view: the current one; number 0 if there is none
 * @acked: its primary has moved into it
 * @handover: a planned switch goes on
 * @nr_evicted: how many
 * @evicted: names of the nodes that are left out
 */
struct pv_stored {
	struct pv_stored_view	view;
	bool			acked;
	bool			handover;
	u32			nr_evicted;
	char			evicted[PV_MAX_NODES][PB_NAME_LEN];
};

struct pv_store;

/**
 * struct pv_save - what is to be durable of one volume
 * @volume: its UUID
 * @stored: all of it
 */
struct pv_save {
	const u8		*volume;
	const struct pv_stored	*stored;
};

/**
 * struct pv_store_ops - a kind of store
 * @load: what is known of a volume; all zero, and 0, for an unknown one
 * @save: make the states of @nr volumes durable, of all of them or of none: many change
 *	at once when a machine dies, and one by one they would wait for each other's
 *	syncs.  A current view is added to the history if it is not there yet; a view of
 *	the history is never changed but for its members' incarnations.
 * @history: a volume's views numbered @from and up, at most @max, in order;
 *	returns how many
 * @close: the end of it
 *
 * Context: one thread at a time.  Return: 0 (@history: a count), -EIO, -ENOSPC,
 * -EUCLEAN (what is stored makes no sense), -EEXIST (@save: the history has another
 * view of that number, or a later one), -EINVAL (@save: what is to be stored makes no
 * sense), -ENOMEM, or another -errno of a file that is not there any more.
 */
struct pv_store_ops {
	int (*load)(struct pv_store *store, const u8 *volume,
		    struct pv_stored *stored, struct pb_error *err);
	int (*save)(struct pv_store *store, const struct pv_save *saves, u32 nr,
		    struct pb_error *err);
	int (*history)(struct pv_store *store, const u8 *volume, u64 from,
		       struct pv_stored_view *views, int max,
		       struct pb_error *err);
	void (*close)(struct pv_store *store);
};

/* The head of every kind of store. */
struct pv_store {
	const struct pv_store_ops	*ops;
};

/**
 * pv_sqlite_open() - open a SQLite database, or make one
 * @path: of its file
 * @store: set on success only
 * @err: why not
 *
 * Nobody else may have it open meanwhile.
 *
 * Return: 0, -EBUSY (another server has it), -EPROTONOSUPPORT (of a later
 * version), -EUCLEAN (not ours, or damaged; an empty file, too), or another -errno.
 */
int pv_sqlite_open(const char *path, struct pv_store **store,
		   struct pb_error *err);

#endif /* PV_STORE_H */
