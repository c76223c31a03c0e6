/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume grows, the primary's side: zeroes the new area on every member by
 * requests of the path, has them flushed, and tells the next member of the new
 * size.  It is in force when the owner has stored it, not before.
 *
 *   [ OFF ] [ DONE ] [ FAILED ]
 *        |     |         |
 *        +-----+----+----+  asked for
 *                   v
 *               [ ZERO ]    pieces are zeroed, here and there
 *                   | all are
 *                   v
 *               [ FLUSH ]   a flush, here and there
 *                   | done
 *                   v
 *               [ TELL ]    the next member's disk is to say the new size;
 *                   |       waits for a connection, needs none if there is no
 *                   | ack   next member
 *                   v
 *               [ STORE ]   this disk too: from then on the volume has it
 *                   |
 *                   v
 *               [ DONE ]
 *
 *   from ZERO to STORE: a new view, a disk error, writes that fail for want of
 *   the backup ---> [ FAILED ]; from ZERO and FLUSH also: cancelled
 *
 * TELL and STORE are the owner's turn.  Where nothing is to be done, DONE and
 * FAILED become OFF.
 *
 * A connection that breaks ends nothing: what is under way waits as any write
 * does.  The same word tells a next member that knows another size, after a
 * resize that failed, what the size is.
 */
#ifndef PB_GROW_H
#define PB_GROW_H

#include <linux/bio.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pb-own.h"

struct pb_grow;

/*
 * Pieces under way at a time, and their size: together half of what the
 * smallest activity log has slots for.
 */
#define PB_GROW_PIECES		2
#define PB_GROW_PIECE_SECTORS	(PB_WIRE_MAX_ZEROES / 2)

/**
 * struct pb_grow_piece - a part of the new area
 * @req: what the path sees
 * @grow: where it belongs
 * @busy: bit 0: under way
 * @work: zeroes this disk
 */
struct pb_grow_piece {
	struct pb_req		req;
	struct pb_grow		*grow;
	unsigned long		busy;
	struct work_struct	work;
};

/**
 * struct pb_grow - how a volume grows
 * @lock: guards @state, @error, @zeroed; innermost
 * @state: enum pb_resize_state; changed by change_state()
 * @error: state FAILED: why, a positive errno
 * @to: the size to come
 * @cursor: where the next piece begins; of @work
 * @zeroed: sectors done
 * @pieces: under way
 * @flush: the flush of state FLUSH
 * @word: the size on its way to the next member
 * @word_busy: bit 0: under way
 * @work: begins pieces and the flush
 * @path: the path
 * @bdev: this member's data device
 * @wq: where @work runs
 * @zero_wq: where pieces are zeroed
 * @on_state: the owner's turn: TELL, STORE and FAILED; any context
 * @on_told: the next member knows a size; any context
 */
struct pb_grow {
	spinlock_t		lock;
	u32			state;
	int			error;
	u64			to;
	u64			cursor;
	u64			zeroed;
	struct pb_grow_piece	pieces[PB_GROW_PIECES];
	struct pb_own_flush	flush;
	struct pb_req		word;
	unsigned long		word_busy;
	struct work_struct	work;
	struct pb_path		*path;
	struct block_device	*bdev;
	struct workqueue_struct	*wq;
	struct workqueue_struct	*zero_wq;
	void			(*on_state)(struct pb_grow *grow);
	void			(*on_told)(struct pb_grow *grow, u64 sectors);
};

/**
 * pb_grow_init() - the volume does not grow
 * @grow: to fill, all zero but for @path, @bdev, @wq, @zero_wq, @on_state
 *	and @on_told
 */
void pb_grow_init(struct pb_grow *grow);

/**
 * pb_grow_busy() - is a resize or a word about a size under way?
 * @grow: the machine
 *
 * Also true while requests of one that failed have not ended.
 */
bool pb_grow_busy(struct pb_grow *grow);

/**
 * pb_grow_active() - is it in ZERO to STORE?
 * @state: enum pb_resize_state
 */
static inline bool pb_grow_active(u32 state)
{
	return state >= PB_RESIZE_ZERO && state <= PB_RESIZE_STORE;
}

/**
 * pb_grow_begin() - begin
 * @grow: not busy
 * @from: the size now
 * @to: the size to come, larger
 * @zero: zero what is new
 *
 * Context: process, serialised by the caller.
 */
void pb_grow_begin(struct pb_grow *grow, u64 from, u64 to, bool zero);

/**
 * pb_grow_say() - tell the next member the volume's size
 * @grow: the machine
 * @sectors: the size
 *
 * Does nothing while an earlier word is under way, or without a connection.
 *
 * Context: process.
 */
void pb_grow_say(struct pb_grow *grow, u64 sectors);

/**
 * pb_grow_told() - there is nobody to tell: state TELL becomes STORE
 * @grow: the machine
 */
void pb_grow_told(struct pb_grow *grow);

/**
 * pb_grow_done() - the size is stored: state STORE becomes DONE
 * @grow: the machine
 */
void pb_grow_done(struct pb_grow *grow);

/**
 * pb_grow_forget() - nothing is asked for: states DONE and FAILED become OFF
 * @grow: the machine
 */
void pb_grow_forget(struct pb_grow *grow);

/**
 * pb_grow_fail() - it is not done; states ZERO to STORE become FAILED
 * @grow: the machine
 * @error: a positive errno
 *
 * Requests under way end by themselves.
 *
 * Context: any.
 * Return: whether it was in one of these.
 */
bool pb_grow_fail(struct pb_grow *grow, int error);

/**
 * pb_grow_cancel() - the same, as long as the next member was not told
 * @grow: the machine
 *
 * Return: whether it was in state ZERO or FLUSH.
 */
bool pb_grow_cancel(struct pb_grow *grow);

/**
 * pb_grow_stop() - the device goes
 * @grow: the machine; the path is abandoned
 *
 * Context: process, waits for I/O.
 */
void pb_grow_stop(struct pb_grow *grow);

/**
 * pb_grow_status() - for PB_IOC_STATUS
 * @grow: the machine
 * @info: filled
 */
void pb_grow_status(struct pb_grow *grow, struct pb_resize_info *info);

#endif /* PB_GROW_H */
