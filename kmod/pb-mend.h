/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads that this disk cannot serve: the next member sends what it has, the
 * application gets that, and what this disk failed to read is written anew.
 *
 * A read is taken over as a whole and cut into pieces of one message.  Each is
 * a request of the path, so it waits for the writes under way in its range, and
 * who comes later waits until the repair is done.
 */
#ifndef PB_MEND_H
#define PB_MEND_H

#include <linux/bio.h>
#include <linux/mempool.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pb-path.h"

struct pb_mend;

/* Payload on its way at most, in bytes; one piece is always allowed. */
#define PB_MEND_MAX_BYTES	(8U << 20)

/**
 * struct pb_mend_read - a read that is being served by the next member
 * @node: on the list of those that are not all begun
 * @bio: gets the data
 * @iter: what of it is not begun
 * @sector: of @iter
 * @error: what this disk said; 0 if it was not asked, and is not repaired then
 * @status: why a piece could not be had
 * @unrepaired: this disk did not take a repair
 * @pending: pieces under way, and one while they are being begun
 * @end: called once with what is to become of the bio; any context
 */
struct pb_mend_read {
	struct list_head	node;
	struct bio		*bio;
	struct bvec_iter	iter;
	u64			sector;
	blk_status_t		error;
	blk_status_t		status;
	bool			unrepaired;
	atomic_t		pending;
	void			(*end)(struct pb_mend_read *read,
				       blk_status_t status);
};

/**
 * struct pb_mend - what fetches and repairs for one replica
 * @lock: guards @reads and @bytes; any context
 * @reads: not all begun
 * @bytes: of pieces under way
 * @work: begins pieces
 * @wq: where
 * @path: the path
 * @bdev: this member's data device
 * @stats: the volume's counters
 * @bios: of the repairs
 * @pieces: memory for one piece at least
 * @pages: for its data
 */
struct pb_mend {
	spinlock_t		lock;
	struct list_head	reads;
	u32			bytes;
	struct work_struct	work;
	struct workqueue_struct	*wq;
	struct pb_path		*path;
	struct block_device	*bdev;
	struct pb_stats __percpu *stats;
	struct bio_set		bios;
	mempool_t		pieces;
	mempool_t		pages;
};

/**
 * pb_mend_init() - make ready
 * @mend: to fill, all zero but for @wq, @path, @bdev and @stats
 *
 * Return: 0 or -ENOMEM.
 */
int pb_mend_init(struct pb_mend *mend);

/**
 * pb_mend_exit() - free what pb_mend_init() took
 * @mend: idle; may be all zero
 */
void pb_mend_exit(struct pb_mend *mend);

/**
 * pb_mend_read() - take a read over
 * @mend: the mender
 * @read: bio, iter, sector, error and end set, rest zero
 *
 * Context: any.  Every read ends: with its data, or when a new view, the policy
 * or a suspend lets the path give its pieces up.
 */
void pb_mend_read(struct pb_mend *mend, struct pb_mend_read *read);

#endif /* PB_MEND_H */
