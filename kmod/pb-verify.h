/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Verification: compares this disk with the next member's while both serve.
 * Only digests cross the wire; what differs is listed, and copied if asked.
 *
 *                   pb_verify_start()
 *   [ OFF ] ---------------------------> [ RUN ] <-------------+
 *                                        |     |               | again
 *                        all compared    |     |  pb_verify_stop()
 *                                        v     v               |
 *                                  [ DONE ]   [ STOPPED ] -----+
 *                                        +---------------------+
 *
 * A chunk that a broken connection took back is begun again.
 */
#ifndef PB_VERIFY_H
#define PB_VERIFY_H

#include <linux/spinlock.h>

#include "pb-chunk.h"
#include "uapi/linux/dm-pb.h"

/**
 * struct pb_verify - one replica's verification of the next member
 * @lock: guards @state and all that is counted and listed; taken with
 *	interrupts off, innermost
 * @state: enum pb_verify_state; changed by change_state()
 * @repair: what differs is copied
 * @start: first sector of the range
 * @end: sector after the last one
 * @cursor: where the next chunk begins; of the chunks' work
 * @piece: sectors of a piece: a region
 * @compared: sectors, and so the next three
 * @differs: found to differ
 * @repaired: copied
 * @unreadable: this disk failed to read them
 * @began: jiffies
 * @took: seconds, when it has ended
 * @ranges: in order; PB_KEPT_RANGES of them, from the first start on
 * @nr_ranges: used
 * @more: there was no room for another
 * @again: chunks that were taken back, by index in @chunks
 * @chunks: allocated while in state RUN
 * @stats: the volume's counters
 * @on_change: it has begun to differ, or has ended; any context
 */
struct pb_verify {
	spinlock_t		lock;
	u32			state;
	bool			repair;
	u64			start;
	u64			end;
	u64			cursor;
	u32			piece;
	u64			compared;
	u64			differs;
	u64			repaired;
	u64			unreadable;
	unsigned long		began;
	u64			took;
	struct pb_range		*ranges;
	u32			nr_ranges;
	bool			more;
	unsigned long		again;
	struct pb_chunks	chunks;
	struct pb_stats __percpu *stats;
	void			(*on_change)(struct pb_verify *verify, u32 event);
};

/**
 * pb_verify_init() - none goes on
 * @verify: to fill, all zero but for @stats, @on_change and, in @chunks, @path,
 *	@pace, @bdev and @wq
 */
void pb_verify_init(struct pb_verify *verify);

/**
 * pb_verify_exit() - free what it kept
 * @verify: none goes on; may be all zero
 */
void pb_verify_exit(struct pb_verify *verify);

/**
 * pb_verify_start() - begin
 * @verify: the owner serialises this and pb_verify_wait()
 * @start: first sector, at a region's begin
 * @end: sector after the last one
 * @piece: sectors of a region
 * @repair: copy what differs
 *
 * Context: process, may wait for the last chunks of the one before.
 * Return: 0, -EBUSY or -ENOMEM.
 */
int pb_verify_start(struct pb_verify *verify, u64 start, u64 end, u32 piece,
		    bool repair);

/**
 * pb_verify_stop() - begin no chunk any more
 * @verify: the verification
 *
 * Context: process, does not wait.
 * Return: 0, or -ENOENT if none goes on.
 */
int pb_verify_stop(struct pb_verify *verify);

/**
 * pb_verify_wait() - stop, and wait until nothing of it is under way
 * @verify: the verification; there is no connection, so no ack is waited for
 *
 * Context: process, waits for I/O.
 */
void pb_verify_wait(struct pb_verify *verify);

/**
 * pb_verify_kick() - a connection came up, or another pace is set: go on
 * @verify: the verification, if one goes on
 *
 * Context: process.
 */
void pb_verify_kick(struct pb_verify *verify);

/**
 * pb_verify_status() - for PB_IOC_STATUS
 * @verify: the verification
 * @info: filled
 */
void pb_verify_status(struct pb_verify *verify, struct pb_verify_info *info);

/**
 * pb_verify_list() - for PB_IOC_DIFFERS
 * @verify: the verification
 * @list: start is set; the rest is filled in
 */
void pb_verify_list(struct pb_verify *verify, struct pb_ioc_differs *list);

#endif /* PB_VERIFY_H */
