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
 * A chunk is a request of the path: it waits for the writes under way in its
 * range, and who comes later waits for it.  So every write is before the copy
 * of its region, and left to it, or after, and sent.
 */
#ifndef PB_SYNC_H
#define PB_SYNC_H

#include <linux/bio.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pb-path.h"
#include "pb-peers.h"

struct pb_sync;

/* Chunks under way at a time, and their size at most. */
#define PB_SYNC_CHUNKS		8
#define PB_SYNC_CHUNK_SECTORS	(PB_WIRE_MAX_DATA >> SECTOR_SHIFT)

/**
 * struct pb_chunk - a stretch of the disk on its way
 * @req: what the path sees
 * @sync: where it belongs
 * @busy: in use; of the work of @sync, which is told when it is not any more
 * @started: jiffies
 * @bio: the read, and then the payload
 * @vecs: of @bio
 * @work: goes on in process context after the read
 */
struct pb_chunk {
	struct pb_req		req;
	struct pb_sync		*sync;
	unsigned long		busy;
	unsigned long		started;
	struct bio		bio;
	struct bio_vec		*vecs;
	struct work_struct	work;
};

/**
 * struct pb_sync - one replica's state transfer to the next member
 * @lock: guards @state, @owned and what is counted
 * @state: enum pb_sync_state; changed by change_state()
 * @paused: no chunk is begun
 * @unreadable: this disk failed to read a chunk: it is tried again, slowly
 * @slot: of the dirty map
 * @cursor: region to go on with; of @work
 * @since: chunks since the last checkpoint; of @work
 * @total: regions to copy when it began
 * @began: jiffies
 * @chunks: allocated while not OFF
 * @word: the word under way
 * @flush: the flush of a checkpoint
 * @flush_bio: its local leg
 * @flush_busy: bit 0: under way
 * @work: begins chunks and checkpoints
 * @path: the path
 * @peers: the dirty maps
 * @bdev: this member's data device
 * @wq: where @work runs
 * @stats: the volume's counters
 * @on_state: the owner's turn; any context
 * @on_fault: the dirty map cannot be written; process context
 */
struct pb_sync {
	spinlock_t		lock;
	u32			state;
	bool			paused;
	bool			unreadable;
	u32			slot;
	u64			cursor;
	unsigned int		since;
	u64			total;
	unsigned long		began;
	struct pb_chunk		*chunks;
	struct pb_req		word;
	unsigned long		word_busy;
	struct pb_req		flush;
	struct bio		flush_bio;
	unsigned long		flush_busy;
	struct delayed_work	work;
	struct pb_path		*path;
	struct pb_peers		*peers;
	struct block_device	*bdev;
	struct workqueue_struct	*wq;
	struct pb_stats __percpu *stats;
	void			(*on_state)(struct pb_sync *sync);
	void			(*on_fault)(struct pb_sync *sync, int error);
};

/**
 * pb_sync_init() - no transfer
 * @sync: to fill, all zero but for @path, @peers, @bdev, @wq, @stats,
 *	@on_state and @on_fault
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
 * pb_sync_alloc() - memory for chunks
 * @sync: the transfer
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int pb_sync_alloc(struct pb_sync *sync);

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
 * pb_sync_pause() - begin no chunk, or go on
 * @sync: the transfer
 * @pause: which
 */
void pb_sync_pause(struct pb_sync *sync, bool pause);

/**
 * pb_sync_status() - for PB_IOC_STATUS
 * @sync: the transfer
 * @status: filled
 */
void pb_sync_status(struct pb_sync *sync, struct pb_sync_info *status);

#endif /* PB_SYNC_H */
