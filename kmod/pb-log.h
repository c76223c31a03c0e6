/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The activity log: which extents of the data device may differ from the other
 * members' after a crash.  An extent is *hot* while a durable record says so.
 * No local leg of a write begins before each of its extents is hot, and an
 * extent goes cold only when all of its writes are done on every leg and a
 * flush that followed them is done as well.  So what a crash may have lost, or
 * left half done, is in a hot extent.
 *
 * Cold writes that come together share one record.  The network leg of a write
 * does not wait for the log.
 *
 * Beside that, each extent remembers in 64 parts what was written and not
 * flushed: what a peer has lost if it crashes now.
 */
#ifndef PB_LOG_H
#define PB_LOG_H

#include <linux/list.h>
#include <linux/lru_cache.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pb-meta.h"
#include "pb-record.h"
#include "pb-stats.h"

struct pb_log;
struct pb_log_wait;

/* Parts of an extent that pb_log_visit_unflushed() tells apart. */
#define PB_LOG_PARTS	64

/**
 * struct pb_extent - a hot extent
 * @lc: its place among the others; referenced by each write under way in it,
 *	and once more while it is unflushed
 * @node: on the list of unflushed ones, oldest @stamp first
 * @stamp: of the latest write that is done
 * @parts: written and not known to be flushed
 */
struct pb_extent {
	struct lc_element	lc;
	struct list_head	node;
	u64			stamp;
	u64			parts;
};

/**
 * struct pb_log_ops - what the log needs of its owner
 * @begin: the extents of a write are hot now: begin its local leg.  Process
 *	context, no lock held.
 * @fail: the log cannot be written (@failed), or it was told to let those who
 *	wait go: the local leg must not begin.  The same.
 * @evict: extents are about to go cold; make what else is known of them
 *	durable.  Process context, may wait for I/O.  Return: 0 or an errno,
 *	upon which the log fails.
 * @flush: too many extents are unflushed: flush every leg soon, and say so
 *	with pb_log_flushed().  Under the log's lock.
 * @fault: the log has failed; once.  Process context.
 */
struct pb_log_ops {
	void (*begin)(struct pb_log *log, struct pb_log_wait *wait);
	void (*fail)(struct pb_log *log, struct pb_log_wait *wait);
	int (*evict)(struct pb_log *log, const u32 *extents, unsigned int nr);
	void (*flush)(struct pb_log *log);
	void (*fault)(struct pb_log *log, int error);
};

/**
 * struct pb_log_wait - what a write carries with it for the log
 * @node: on the list of those that wait
 * @sector: start of its range
 * @count: sectors
 * @held: how many of its extents it holds, from the first on
 */
struct pb_log_wait {
	struct list_head	node;
	u64			sector;
	u32			count;
	u32			held;
};

/**
 * struct pb_log - a replica's activity log
 * @lock: the path's; guards all that follows down to @failed
 * @lc: the hot extents
 * @unflushed: hot extents with writes not flushed
 * @nr_unflushed: how many
 * @waiting: writes whose extents are not all hot, in order of arrival
 * @stamp: of writes that are done now; a flush that begins takes it and adds one
 * @flushing: a flush was asked for and none has ended since
 * @closed: nobody waits for a slot; see pb_log_close()
 * @failed: a record could not be written
 * @deposed: the replica was primary, and its writes may be taken back: no flush
 *	makes an extent clean
 * @rejected: writes that gave up waiting
 * @ops: the owner's
 * @meta: where the ring is
 * @super: geometry, UUID and epoch; the owner's, changes only while idle
 * @seq: of the last record written; this and what follows belong to @work, or
 *	to the owner while the log is idle
 * @map: the extent in each slot as of the last record
 * @record: the one being made
 * @block: its image for the disk
 * @work: writes records
 * @wq: where
 * @stats: the volume's counters
 */
struct pb_log {
	spinlock_t			*lock;
	struct lru_cache		*lc;
	struct list_head		unflushed;
	unsigned int			nr_unflushed;
	struct list_head		waiting;
	u64				stamp;
	bool				flushing;
	bool				closed;
	bool				failed;
	bool				deposed;
	struct list_head		rejected;

	const struct pb_log_ops		*ops;
	struct pb_meta			*meta;
	const struct pb_super		*super;
	u64				seq;
	u32				*map;
	struct pb_record		*record;
	void				*block;
	struct work_struct		work;
	struct workqueue_struct		*wq;
	struct pb_stats __percpu	*stats;
};

/**
 * pb_log_init() - an empty log
 * @log: to fill, all zero but for @lock, @ops, @meta, @super, @wq and @stats
 *
 * Nothing may begin before pb_log_start().
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int pb_log_init(struct pb_log *log);

/**
 * pb_log_exit() - free what pb_log_init() took
 * @log: idle; may be all zero
 */
void pb_log_exit(struct pb_log *log);

/**
 * pb_log_start() - begin anew under the epoch that the superblock has
 * @log: idle
 *
 * Context: process.
 */
void pb_log_start(struct pb_log *log);

/**
 * pb_log_restore() - go on where a log was left
 * @log: idle, just started
 * @map: what pb_record_recover() found in each slot
 * @last: seq of the newest record
 *
 * What is hot counts as unflushed as a whole.
 *
 * Context: process.
 * Return: 0, or -EUCLEAN if an extent is in two slots; then the log is empty.
 */
int pb_log_restore(struct pb_log *log, const u32 *map, u64 last);

/**
 * pb_log_begin() - may the local leg of a write begin?
 * @log: locked
 * @wait: sector and count set
 *
 * Return: true if it may now; false if ops->begin() or ops->fail() will be
 * called for it.  Either way pb_log_end() is due when it is done.
 */
bool pb_log_begin(struct pb_log *log, struct pb_log_wait *wait);

/**
 * pb_log_end() - every leg of a write is done
 * @log: locked
 * @wait: the write's
 * @stamp: a flush with this stamp or a later one covers it
 */
void pb_log_end(struct pb_log *log, struct pb_log_wait *wait, u64 stamp);

/* A stamp that covers nothing; those of writes are greater. */
#define PB_LOG_NOTHING		1

/**
 * pb_log_reject() - let those who wait go: they fail
 * @log: locked
 */
void pb_log_reject(struct pb_log *log);

/**
 * pb_log_close() - nobody could make room: who waits fails, and who would
 * @log: locked
 */
void pb_log_close(struct pb_log *log);

/**
 * pb_log_open() - one may wait again
 * @log: locked
 */
void pb_log_open(struct pb_log *log);

/**
 * pb_log_depose() - what is not flushed is doubtful until pb_log_start()
 * @log: locked
 *
 * Those who wait are let go as well.
 */
void pb_log_depose(struct pb_log *log);

/**
 * pb_log_accept() - undo pb_log_depose(): what is here counts
 * @log: locked
 *
 * For a replica that was deposed and is made primary by force.
 */
void pb_log_accept(struct pb_log *log);

/**
 * pb_log_kick() - something has changed: look again whether writes may begin
 * @log: locked
 */
void pb_log_kick(struct pb_log *log);

/**
 * pb_log_flush_begin() - a flush begins now
 * @log: locked
 *
 * Return: its stamp, for pb_log_flushed().
 */
u64 pb_log_flush_begin(struct pb_log *log);

/**
 * pb_log_flushed() - a flush of every leg is done
 * @log: locked
 * @stamp: it covers all writes with this stamp or an earlier one
 */
void pb_log_flushed(struct pb_log *log, u64 stamp);

/**
 * pb_log_covers() - would a flush do any good?
 * @log: locked
 * @stamp: of the flush
 *
 * Return: true if it covers an extent as a whole.
 */
bool pb_log_covers(struct pb_log *log, u64 stamp);

/**
 * pb_log_flush_failed() - it was not done
 * @log: locked
 *
 * Nothing is tried again before pb_log_kick() or the next write.
 */
void pb_log_flush_failed(struct pb_log *log);

/**
 * pb_log_visit_unflushed() - visit what was written and not flushed
 * @log: locked
 * @fn: called with a range in sectors for each part of an extent that has
 *	writes done and not flushed
 * @arg: for @fn
 */
void pb_log_visit_unflushed(struct pb_log *log,
			       void (*fn)(void *arg, u64 sector, u64 count),
			       void *arg);

/**
 * pb_log_idle() - is nothing waiting for a record?
 * @log: locked
 */
bool pb_log_idle(struct pb_log *log);

/**
 * pb_log_module_init() - once for the module
 *
 * Return: 0 or -ENOMEM.
 */
int pb_log_module_init(void);

/**
 * pb_log_module_exit() - undo pb_log_module_init()
 */
void pb_log_module_exit(void);

#endif /* PB_LOG_H */
