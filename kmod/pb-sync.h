/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State transfer, the sending side: brings the next member, which is not
 * synced, up to date from this disk, region by region as its dirty map says.
 *
 *            link up, the next member is not synced
 *   [ OFF ] -----------------------------------------> [ DECIDE ]
 *      ^                                                |     |
 *      |                  ask what of its data may differ     | continues
 *      |                                                v     |
 *      |                                            [ BEGIN ] |
 *      |                                                |     |
 *      |                       it has said it all       v     |
 *      |                                            [ MARKED ]|
 *      |                       that is durable here     v     |
 *      |  link down, from                             [ GO ]  |
 *      +--- any above ARM                  its disk says so   |
 *      |                                                v     v
 *      |                                               [ COPY ] <--+
 *      |                               nothing is dirty |     |    | something
 *      |                                                v     |    | is after all
 *      |                                              [ FLUSH ] ---+
 *      |                           every write waits for it |
 *      |                                                v
 *      |                                               [ ARM ]
 *      |                                that is durable |
 *      |                                                v
 *      |                                              [ DONE ]
 *      |                              its disk says so  |
 *      |                                                v
 *      +------------ new view ------------------- [ SYNCED ]
 *
 * DECIDE, MARKED and ARM wait for the owner, BEGIN, GO and DONE for an ack.
 * From ARM on a connection may come and go; a primary that was set up again
 * after that goes from OFF to ARM.
 *
 * The writes under way in a chunk's range are before it, and who comes later
 * waits for it.  So every write is before the copy of its region, and left to
 * it, or after, and sent.
 *
 * What this disk cannot read stays dirty: a chunk that failed is tried again
 * region by region, and the bad ones every second, until the application writes
 * them.
 */
#ifndef PB_SYNC_H
#define PB_SYNC_H

#include <linux/spinlock.h>

#include "pb-chunk.h"
#include "pb-own.h"
#include "pb-peers.h"

/**
 * struct pb_sync - one replica's state transfer to the next member
 * @lock: guards @state, @owned and what is counted
 * @state: enum pb_sync_state; changed by change_state()
 * @paused: no chunk is begun
 * @checksum: digests are sent first, and data only where they differ
 * @slot: of the dirty map
 * @unreadable: a bit for each region that this disk could not read, NULL if there
 *	was none: they are tried again, slowly, after all else
 * @nr_unreadable: how many
 * @cursor: region to go on with; under the path's lock, as @split
 * @split: regions below this go one by one: they were part of a chunk that could
 *	not be read
 * @retrying: this pass is for what is unreadable; of the chunks' work, as the
 *	next two
 * @retry_at: jiffies of the next such pass
 * @since: chunks since the last checkpoint
 * @tenths: of it copied, as told; of the chunks' work
 * @total: regions to copy when it began
 * @began: jiffies
 * @pace: how fast chunks may follow each other
 * @chunks: allocated while not OFF; their work begins chunks and checkpoints
 * @word: the word under way
 * @flush: of a checkpoint
 * @path: the path
 * @peers: the dirty maps
 * @stats: the volume's counters
 * @on_state: the owner's turn; any context
 * @on_progress: so many percent are copied; process context
 * @on_fault: the dirty map cannot be written; process context
 * @on_unreadable: a region cannot be read; it is the first one or not.  Process
 *	context
 */
struct pb_sync {
	spinlock_t		lock;
	u32			state;
	bool			paused;
	bool			checksum;
	u32			slot;
	unsigned long		*unreadable;
	atomic64_t		nr_unreadable;
	u64			cursor;
	u64			split;
	bool			retrying;
	unsigned long		retry_at;
	unsigned int		since;
	u32			tenths;
	u64			total;
	unsigned long		began;
	struct pb_pace		pace;
	struct pb_chunks	chunks;
	struct pb_req		word;
	unsigned long		word_busy;
	struct pb_own_flush	flush;
	struct pb_path		*path;
	struct pb_peers		*peers;
	struct pb_stats __percpu *stats;
	void			(*on_state)(struct pb_sync *sync);
	void			(*on_progress)(struct pb_sync *sync, u32 percent);
	void			(*on_fault)(struct pb_sync *sync, int error);
	void			(*on_unreadable)(struct pb_sync *sync,
						 u64 sector,
						 blk_status_t status,
						 bool first);
};

/**
 * pb_sync_init() - no transfer
 * @sync: to fill, all zero but for @path, @peers, @stats, the on_...
 *	and, in @chunks, @bdev and @wq
 */
void pb_sync_init(struct pb_sync *sync);

/**
 * pb_sync_link_up() - a connection to a member that is not synced came up
 * @sync: the transfer
 */
void pb_sync_link_up(struct pb_sync *sync);

/**
 * pb_sync_say() - say a word; the state goes on when it is acked
 * @sync: in state DECIDE, MARKED or ARM
 * @type: PB_WIRE_SYNC_*
 *
 * Context: process.
 */
void pb_sync_say(struct pb_sync *sync, u8 type);

/**
 * pb_sync_marked() - there is nothing to ask: state DECIDE becomes MARKED
 * @sync: the transfer
 */
void pb_sync_marked(struct pb_sync *sync);

/**
 * pb_sync_copy() - begin to copy, or go on
 * @sync: in state DECIDE or GO
 *
 * Context: process.
 */
void pb_sync_copy(struct pb_sync *sync);

/**
 * pb_sync_stop() - the connection is down
 * @sync: the transfer; the path knows already
 *
 * When this returns nothing of the transfer is under way.
 *
 * Context: process, waits for I/O.
 */
void pb_sync_stop(struct pb_sync *sync);

/**
 * pb_sync_set() - hold or go on, and how
 * @sync: the transfer
 * @arg: checked
 */
void pb_sync_set(struct pb_sync *sync, const struct pb_ioc_sync *arg);

/**
 * pb_sync_status() - for PB_IOC_STATUS
 * @sync: the transfer
 * @status: filled
 */
void pb_sync_status(struct pb_sync *sync, struct pb_sync_info *status);

#endif /* PB_SYNC_H */
