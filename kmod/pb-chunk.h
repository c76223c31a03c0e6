/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chunks: stretches of this member's disk that are read and sent to the next
 * member, as data or as digests to be compared.  State transfer and
 * verification choose which; here is how, and how fast.
 *
 *   [ free ] -- pb_chunk_begin() --> [ READ ] --> sent --> acked --+--> [ free ]
 *                                       ^                          |
 *                                       |     digests were sent,   |
 *                                       +---- the data differ -----+
 *                                             (each run of them)
 *
 * A chunk is a request of the path: it waits for the writes under way in its
 * range, and who comes later waits for it.
 */
#ifndef PB_CHUNK_H
#define PB_CHUNK_H

#include <linux/bio.h>
#include <linux/workqueue.h>

#include "pb-path.h"

struct pb_chunk;
struct pb_chunks;

/* Chunks under way at a time, and their size at most. */
#define PB_CHUNKS		8
#define PB_CHUNK_SECTORS	(PB_WIRE_MAX_DATA >> SECTOR_SHIFT)

/**
 * struct pb_pace - how fast chunks may follow each other
 * @max_rate: bytes a second at most; 0: no limit.  Set without a lock
 * @min_rate: bytes a second that the application's I/O does not slow them
 *	below; 0: it may have half of the time
 */
struct pb_pace {
	u64	max_rate;
	u64	min_rate;
};

/**
 * struct pb_chunk_ops - who chooses the chunks
 * @compared: the next member has compared digests; @chunk->copy.differs says
 *	what it found.  True if that is to be copied
 * @copied: @bytes were sent and acked; @zeroed if they were zeroes
 * @done: nothing of the chunk is under way any more; the owner ends it with
 *	pb_chunks_end_step(), or begins it again later.  @status: why it was not
 *	copied, or the last of it; @chunk->unreadable if this disk failed to
 *	read a part of it
 *
 * Any context, no lock held.
 */
struct pb_chunk_ops {
	bool (*compared)(struct pb_chunks *chunks, struct pb_chunk *chunk);
	void (*copied)(struct pb_chunks *chunks, u32 bytes, bool zeroed);
	void (*done)(struct pb_chunks *chunks, struct pb_chunk *chunk,
		     blk_status_t status);
};

/**
 * struct pb_chunk - a stretch of the disk on its way
 * @copy: what the path sees
 * @set: where it belongs
 * @busy: bit 0: in use
 * @sector: where it begins
 * @count: sectors
 * @compare: send digests first
 * @next: piece to go on with when what differs is copied; 0 before that
 * @run: first piece of the run being copied
 * @started: jiffies
 * @status: of its read
 * @unreadable: this disk failed to read all of it, or a run
 * @bio: the read, and then the payload
 * @vecs: of @bio
 * @digests: a digest for each piece
 * @digest_bio: carries them
 * @digest_vec: of @digest_bio
 * @work: goes on in process context after the read, and after the comparison
 */
struct pb_chunk {
	struct pb_copy_req	copy;
	struct pb_chunks	*set;
	unsigned long		busy;
	u64			sector;
	u32			count;
	bool			compare;
	u32			next;
	u32			run;
	unsigned long		started;
	blk_status_t		status;
	bool			unreadable;
	struct bio		bio;
	struct bio_vec		*vecs;
	u8			*digests;
	struct bio		digest_bio;
	struct bio_vec		digest_vec;
	struct work_struct	work;
};

/**
 * struct pb_chunks - the chunks of one owner
 * @ops: the owner's
 * @kind: enum pb_copy
 * @path: the path
 * @bdev: this member's data device
 * @wq: where chunks go on, and the owner's @work
 * @work: the owner's: begins chunks
 * @pace: how fast
 * @chunk: PB_CHUNKS of them, or NULL while none is needed
 * @next_ns: when the next one may begin; of @work
 */
struct pb_chunks {
	const struct pb_chunk_ops	*ops;
	u8				kind;
	struct pb_path			*path;
	struct block_device		*bdev;
	struct workqueue_struct		*wq;
	struct delayed_work		work;
	struct pb_pace			*pace;
	struct pb_chunk			*chunk;
	u64				next_ns;
};

/**
 * pb_chunks_alloc() - memory for chunks
 * @chunks: the set
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int pb_chunks_alloc(struct pb_chunks *chunks);

/**
 * pb_chunks_wait() - wait until no chunk is under way, and free them
 * @chunks: the set; its owner begins none any more
 *
 * Context: process, waits for I/O.
 */
void pb_chunks_wait(struct pb_chunks *chunks);

/**
 * pb_chunks_free() - is there a chunk that may be begun now?
 * @chunks: the set
 * @busy: how many are under way
 * @delay: jiffies until it is worth to look again; 0 if a chunk's end, or
 *	nothing, is what to wait for
 *
 * At most one is under way while the volume is in use, and none begins before
 * its time has come.
 *
 * Context: of @chunks->work.
 * Return: the chunk, or NULL.
 */
struct pb_chunk *pb_chunks_free(struct pb_chunks *chunks, unsigned int *busy,
				unsigned long *delay);

/**
 * pb_chunk_begin() - read a stretch and send it
 * @chunk: from pb_chunks_free()
 * @sector: where it begins: at a region's begin
 * @count: sectors, at most PB_CHUNK_SECTORS
 * @piece: 0 to send it as it is; else sectors of a piece: send digests
 *
 * Context: process.
 */
void pb_chunk_begin(struct pb_chunk *chunk, u64 sector, u32 count, u32 piece);

/**
 * pb_chunk_again() - begin again what was not sent or not acked
 * @chunk: that has ended with an error; still busy
 *
 * The comparison, or if that was had, the copying from where it failed.
 *
 * Context: process.
 */
void pb_chunk_again(struct pb_chunk *chunk);

/**
 * pb_chunk_next_range() - a run of what the next member said differs
 * @chunk: whose digests were compared
 * @from: piece to begin with
 * @sector: where it begins, from the chunk's begin
 * @count: sectors; 0 if there is none
 *
 * Return: the piece after it.
 */
u32 pb_chunk_next_range(const struct pb_chunk *chunk, u32 from, u32 *sector,
			u32 *count);

/**
 * pb_chunks_busy() - is one under way?
 * @chunks: the set
 */
bool pb_chunks_busy(const struct pb_chunks *chunks);

/**
 * pb_chunks_end_step() - a step is over: @chunks->work is to go on
 * @chunks: the set
 * @busy: bit 0 is cleared
 * @delay: jiffies
 *
 * Context: any.
 */
void pb_chunks_end_step(struct pb_chunks *chunks, unsigned long *busy,
			unsigned long delay);

/**
 * pb_chunk_pause() - how long the volume is left alone after a chunk
 * @chunk: that has ended
 *
 * Return: jiffies; 0 if the volume is not in use.
 */
unsigned long pb_chunk_pause(const struct pb_chunk *chunk);

#endif /* PB_CHUNK_H */
