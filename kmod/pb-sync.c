// SPDX-License-Identifier: GPL-2.0
/*
 * The copying of a state transfer: which regions, in chunks.  At checkpoints
 * the next member flushes, and then the dirty map on the disk follows: who
 * crashes goes on from there.
 */
#include <linux/blkdev.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "pb-crash.h"
#include "pb-sync.h"

/* A checkpoint after so many chunks. */
#define CHECKPOINT	256
/* What cannot be read is tried again after so long. */
#define RETRY_MS	1000

/* The one place where the state changes; see the drawing in pb-sync.h. */
static bool change_locked(struct pb_sync *sync, u32 from, u32 to)
{
	lockdep_assert_held(&sync->lock);
	if (sync->state != from)
		return false;
	WRITE_ONCE(sync->state, to);
	return true;
}

static bool change_state(struct pb_sync *sync, u32 from, u32 to)
{
	bool changed;

	spin_lock_bh(&sync->lock);
	changed = change_locked(sync, from, to);
	spin_unlock_bh(&sync->lock);
	return changed;
}

static void owners_turn(struct pb_sync *sync, u32 from, u32 to)
{
	if (change_state(sync, from, to))
		sync->on_state(sync);
}

static void kick_in(struct pb_sync *sync, unsigned long delay)
{
	mod_delayed_work(sync->chunks.wq, &sync->chunks.work, delay);
}

static void kick(struct pb_sync *sync)
{
	kick_in(sync, 0);
}

/* Words */

static void word_submit(struct pb_req *req)
{
}

/* A word and the state that it belongs to change together. */
static bool begin_word(struct pb_sync *sync, u32 from, u32 to)
{
	bool begun;

	spin_lock_bh(&sync->lock);
	begun = !test_bit(0, &sync->word_busy) && change_locked(sync, from, to);
	if (begun)
		set_bit(0, &sync->word_busy);
	spin_unlock_bh(&sync->lock);
	return begun;
}

/* Is it the owner's turn? */
static bool word_ends(struct pb_sync *sync, u8 type, blk_status_t status)
{
	lockdep_assert_held(&sync->lock);
	/* Given up while a connection came up, which left that to us. */
	if (status)
		return type == PB_WIRE_SYNC_DONE && READ_ONCE(sync->path->up) &&
		       change_locked(sync, PB_SYNC_DONE, PB_SYNC_ARM);
	if (type == PB_WIRE_SYNC_BEGIN)
		return change_locked(sync, PB_SYNC_BEGIN, PB_SYNC_MARKED);
	if (type == PB_WIRE_SYNC_DONE)
		return change_locked(sync, PB_SYNC_DONE, PB_SYNC_SYNCED);
	return true;
}

/* Under the lock to the end: pb_sync_stop() takes it after the bit. */
static void word_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_sync *sync = container_of(req, struct pb_sync, word);
	u8 type = req->type;

	spin_lock_bh(&sync->lock);
	clear_and_wake_up_bit(0, &sync->word_busy);
	if (word_ends(sync, type, status))
		sync->on_state(sync);
	spin_unlock_bh(&sync->lock);
}

static const struct pb_source word_source = {
	.submit		= word_submit,
	.complete	= word_complete,
};

void pb_sync_say(struct pb_sync *sync, u8 type)
{
	static const u32 from[] = { PB_SYNC_DECIDE, PB_SYNC_MARKED, PB_SYNC_ARM };
	static const u32 to[] = { PB_SYNC_BEGIN, PB_SYNC_GO, PB_SYNC_DONE };
	u32 i = type - PB_WIRE_SYNC_BEGIN;
	blk_status_t status;

	if (!begin_word(sync, from[i], to[i]))
		return;
	memset(&sync->word, 0, sizeof(sync->word));
	sync->word.source = &word_source;
	sync->word.type = type;
	status = pb_own_start(sync->path, &sync->word);
	if (status)
		word_complete(&sync->word, status);
}

/* Chunks */

static struct pb_sync *of_chunks(struct pb_chunks *chunks)
{
	return container_of(chunks, struct pb_sync, chunks);
}

static struct pb_map *map_of(struct pb_sync *sync)
{
	return &sync->peers->maps[sync->slot];
}

/* A single region: nothing else has to be tried before it is tried again. */
static void note_unreadable(struct pb_sync *sync, u64 sector,
			    blk_status_t status)
{
	struct pb_map *map = map_of(sync);
	u64 region = sector >> map->region_shift;

	if (test_and_set_bit(region, sync->unreadable))
		return;
	sync->on_unreadable(sync, sector, status,
			    atomic64_inc_return(&sync->nr_unreadable) == 1);
}

/* Which of its regions is it?  Without memory, all at once and slowly. */
static void chunk_unreadable(struct pb_sync *sync, const struct pb_req *req,
			     blk_status_t status)
{
	struct pb_map *map = map_of(sync);
	u64 first = req->sector >> map->region_shift;
	u64 last = req->last >> map->region_shift;
	unsigned long *bits = NULL;

	if (!READ_ONCE(sync->unreadable)) {
		bits = kvcalloc(BITS_TO_LONGS(map->nr_regions), sizeof(*bits),
				GFP_NOIO);
		if (bits && cmpxchg(&sync->unreadable, NULL, bits))
			kvfree(bits);
	}
	if (!READ_ONCE(sync->unreadable)) {
		sync->on_unreadable(sync, req->sector, status, true);
		return;
	}
	if (first == last) {
		note_unreadable(sync, req->sector, status);
		return;
	}
	spin_lock_irq(&sync->path->lock);
	sync->split = max(sync->split, last + 1);
	sync->cursor = min(sync->cursor, first);
	spin_unlock_irq(&sync->path->lock);
}

static void chunk_readable(struct pb_sync *sync, u64 sector)
{
	struct pb_map *map = map_of(sync);
	u64 region = sector >> map->region_shift;

	/* Those that were bad are read one by one. */
	if (READ_ONCE(sync->unreadable) &&
	    test_and_clear_bit(region, sync->unreadable))
		atomic64_dec(&sync->nr_unreadable);
}

/* What is equal needs no copy; the path has noted that. */
static bool chunk_compared(struct pb_chunks *chunks, struct pb_chunk *chunk)
{
	u32 equal = chunk->count, next = 0, at, count;

	do {
		next = pb_chunk_next_range(chunk, next, &at, &count);
		equal -= count;
	} while (count);
	pb_stat_add(of_chunks(chunks)->stats, PB_CNT_SYNC_EQUAL,
		    (u64)equal << SECTOR_SHIFT);
	return true;
}

static void chunk_copied(struct pb_chunks *chunks, u32 bytes, bool zeroed)
{
	struct pb_sync *sync = of_chunks(chunks);

	pb_stat_add(sync->stats, PB_CNT_SYNC_BYTES, bytes);
	if (zeroed)
		pb_stat_add(sync->stats, PB_CNT_SYNC_ZEROED, bytes);
}

static void chunk_done(struct pb_chunks *chunks, struct pb_chunk *chunk,
		       blk_status_t status)
{
	unsigned long pause = pb_chunk_pause(chunk);
	struct pb_sync *sync = of_chunks(chunks);

	if (chunk->status)
		chunk_unreadable(sync, &chunk->copy.req, chunk->status);
	else if (!status)
		chunk_readable(sync, chunk->sector);
	/* Nothing is noted of what could not be read: slowly. */
	if (chunk->status && !READ_ONCE(sync->unreadable))
		pause = HZ;
	pb_chunks_end_step(chunks, &chunk->busy, pause);
}

static const struct pb_chunk_ops chunk_ops = {
	.compared	= chunk_compared,
	.copied		= chunk_copied,
	.done		= chunk_done,
};

static bool is_bad(struct pb_sync *sync, u64 region)
{
	const unsigned long *bits = READ_ONCE(sync->unreadable);

	return bits && test_bit(region, bits);
}

/* The next one that is dirty and was not found bad, or is tried again. */
static u64 next_region(struct pb_sync *sync, u64 from)
{
	struct pb_map *map = map_of(sync);

	lockdep_assert_held(&sync->path->lock);
	from = pb_map_next_dirty(map, from);
	while (from < map->nr_regions && is_bad(sync, from) != sync->retrying)
		from = pb_map_next_dirty(map, from + 1);
	return from;
}

/* Dirty regions in a row from the cursor on, as many as a chunk may have. */
static u32 next_stretch(struct pb_sync *sync, u64 *sector)
{
	struct pb_map *map = map_of(sync);
	u64 first, end, most = 1;

	lockdep_assert_held(&sync->path->lock);
	first = next_region(sync, sync->cursor);
	if (first >= map->nr_regions)
		return 0;
	if (first >= sync->split)
		sync->split = 0;
	if (!sync->split && !sync->retrying)
		most = PB_CHUNK_SECTORS >> map->region_shift;
	most += first;
	end = first + 1;
	while (end < most && end < map->nr_regions &&
	       pb_map_next_dirty(map, end) == end && !is_bad(sync, end))
		end++;
	sync->cursor = end;
	*sector = first << map->region_shift;
	return min(end << map->region_shift, map->sectors) - *sector;
}

/* Checkpoints */

static void flush_done(struct pb_own_flush *flush, blk_status_t status)
{
	struct pb_sync *sync = container_of(flush, struct pb_sync, flush);
	unsigned long flags;

	pb_crash_point(PB_CRASH_CHECKPOINT_FLUSHED);
	spin_lock_irqsave(&sync->path->lock, flags);
	pb_map_flush_end(map_of(sync), !status && sync->path->copying);
	spin_unlock_irqrestore(&sync->path->lock, flags);
	/* A disk that cannot flush is not asked all the time. */
	pb_chunks_end_step(&sync->chunks, &flush->busy, status ? HZ : 0);
}

static void checkpoint(struct pb_sync *sync)
{
	blk_status_t status;

	sync->since = 0;
	set_bit(0, &sync->flush.busy);
	spin_lock_irq(&sync->path->lock);
	pb_map_flush_begin(map_of(sync));
	spin_unlock_irq(&sync->path->lock);
	status = pb_own_flush(&sync->flush, 0);
	if (status)
		flush_done(&sync->flush, status);
}

/*
 * All is copied but what this disk cannot read.  That is tried again, a pass
 * every now and then; true if one begins.
 */
static bool retry_unreadable(struct pb_sync *sync)
{
	if (sync->retrying || time_before(jiffies, sync->retry_at)) {
		sync->retrying = false;
		kick_in(sync, max_t(long, sync->retry_at - jiffies, 1));
		return false;
	}
	sync->retrying = true;
	sync->retry_at = jiffies + msecs_to_jiffies(RETRY_MS);
	return true;
}

static void rewind(struct pb_sync *sync)
{
	spin_lock_irq(&sync->path->lock);
	sync->cursor = 0;
	sync->split = 0;
	spin_unlock_irq(&sync->path->lock);
}

static bool may_begin(struct pb_sync *sync)
{
	return READ_ONCE(sync->state) == PB_SYNC_COPY &&
	       !READ_ONCE(sync->paused);
}

/*
 * Begins what may begin; true if there is nothing left to copy.  Without a
 * connection a chunk ends as it begins, and leaves its regions dirty: there
 * would always be one more.
 */
static bool fill_up(struct pb_sync *sync)
{
	struct pb_map *map = map_of(sync);
	struct pb_chunk *chunk;
	unsigned long delay;
	unsigned int busy;
	bool copying;
	u64 sector;
	u32 count;

	for (;;) {
		chunk = pb_chunks_free(&sync->chunks, &busy, &delay);
		/* One that is due sooner may know of another limit. */
		if (delay)
			queue_delayed_work(sync->chunks.wq,
					   &sync->chunks.work, delay);
		if (!chunk || !may_begin(sync))
			return false;
		spin_lock_irq(&sync->path->lock);
		copying = sync->path->copying;
		count = next_stretch(sync, &sector);
		spin_unlock_irq(&sync->path->lock);
		if (!copying || (!count && busy))
			return false;
		if (!count && sync->cursor) {
			/* Once more from the start: some may have come back. */
			sync->retrying = false;
			rewind(sync);
			continue;
		}
		if (!count && READ_ONCE(map->nr_dirty) &&
		    atomic64_read(&sync->nr_unreadable)) {
			if (!retry_unreadable(sync))
				return false;
			continue;
		}
		if (!count)
			return true;
		sync->since++;
		pb_chunk_begin(chunk, sector, count,
			       READ_ONCE(sync->checksum) ?
			       1U << map->region_shift : 0);
	}
}

/* The map on the disk follows; who cannot write it must not go on. */
static bool store_map(struct pb_sync *sync)
{
	int err = pb_peers_store(sync->peers, BIT(sync->slot), 0, 0);

	if (err)
		sync->on_fault(sync, err);
	else
		pb_crash_point(PB_CRASH_CHECKPOINT_STORED);
	return !err;
}

/* Another tenth is worth a word. */
static void tell_progress(struct pb_sync *sync)
{
	u64 left;
	u32 tenths = 0;

	spin_lock_irq(&sync->path->lock);
	left = map_of(sync)->nr_dirty;
	spin_unlock_irq(&sync->path->lock);
	if (left < sync->total)
		tenths = div64_u64((sync->total - left) * 10, sync->total);
	if (tenths <= sync->tenths)
		return;
	sync->tenths = tenths;
	sync->on_progress(sync, 10 * tenths);
}

static void copy_on(struct pb_sync *sync)
{
	tell_progress(sync);
	if (test_bit(0, &sync->flush.busy))
		return;
	if (sync->since >= CHECKPOINT) {
		checkpoint(sync);
		return;
	}
	/* After a checkpoint: the map on the disk follows. */
	if (!sync->since) {
		if (!store_map(sync))
			return;
		sync->since = 1;
	}
	if (fill_up(sync) && change_state(sync, PB_SYNC_COPY, PB_SYNC_FLUSH))
		checkpoint(sync);
}

/* The last flush is done: nothing may be dirty now. */
static void finish(struct pb_sync *sync)
{
	if (test_bit(0, &sync->flush.busy))
		return;
	if (!store_map(sync))
		return;
	if (pb_path_copy_end(sync->path))
		owners_turn(sync, PB_SYNC_FLUSH, PB_SYNC_ARM);
	else if (change_state(sync, PB_SYNC_FLUSH, PB_SYNC_COPY))
		kick(sync);
}

static void sync_work(struct work_struct *work)
{
	struct pb_sync *sync = container_of(to_delayed_work(work),
					    struct pb_sync, chunks.work);

	switch (READ_ONCE(sync->state)) {
	case PB_SYNC_COPY:
		copy_on(sync);
		break;
	case PB_SYNC_FLUSH:
		finish(sync);
		break;
	default:
		break;
	}
}

void pb_sync_init(struct pb_sync *sync)
{
	spin_lock_init(&sync->lock);
	INIT_DELAYED_WORK(&sync->chunks.work, sync_work);
	sync->chunks.ops = &chunk_ops;
	sync->chunks.kind = PB_COPY_TRANSFER;
	sync->chunks.path = sync->path;
	sync->chunks.pace = &sync->pace;
	sync->flush.path = sync->path;
	sync->flush.bdev = sync->chunks.bdev;
	sync->flush.done = flush_done;
	sync->state = PB_SYNC_OFF;
}

/* If the last word is on its way the path says it again. */
static void say_again(struct pb_sync *sync)
{
	spin_lock_bh(&sync->lock);
	if (!test_bit(0, &sync->word_busy))
		change_locked(sync, PB_SYNC_DONE, PB_SYNC_ARM);
	spin_unlock_bh(&sync->lock);
}

void pb_sync_link_up(struct pb_sync *sync)
{
	if (!READ_ONCE(sync->path->needs_ack)) {
		owners_turn(sync, PB_SYNC_OFF, PB_SYNC_DECIDE);
		return;
	}
	/* All is copied, maybe in an earlier life: only the last word is due. */
	owners_turn(sync, PB_SYNC_OFF, PB_SYNC_ARM);
	say_again(sync);
	/* The owner's turn may have been lost with the connection before. */
	if (READ_ONCE(sync->state) == PB_SYNC_ARM)
		sync->on_state(sync);
}

void pb_sync_marked(struct pb_sync *sync)
{
	owners_turn(sync, PB_SYNC_DECIDE, PB_SYNC_MARKED);
}

void pb_sync_copy(struct pb_sync *sync)
{
	u32 from = READ_ONCE(sync->state);

	if (from != PB_SYNC_DECIDE && from != PB_SYNC_GO)
		return;
	if (!pb_path_copy_begin(sync->path, sync->slot))
		return;
	rewind(sync);
	sync->retrying = false;
	sync->retry_at = jiffies;
	sync->since = 1;
	sync->tenths = 0;
	sync->began = jiffies;
	spin_lock_irq(&sync->path->lock);
	sync->total = map_of(sync)->nr_dirty;
	spin_unlock_irq(&sync->path->lock);
	if (change_state(sync, from, PB_SYNC_COPY))
		kick(sync);
}

void pb_sync_stop(struct pb_sync *sync)
{
	spin_lock_bh(&sync->lock);
	WRITE_ONCE(sync->state, PB_SYNC_OFF);
	spin_unlock_bh(&sync->lock);
	cancel_delayed_work_sync(&sync->chunks.work);
	wait_on_bit(&sync->word_busy, 0, TASK_UNINTERRUPTIBLE);
	/* Whoever cleared it is out of the lock then. */
	spin_lock_bh(&sync->lock);
	spin_unlock_bh(&sync->lock);
	wait_on_bit(&sync->flush.busy, 0, TASK_UNINTERRUPTIBLE);
	pb_chunks_wait(&sync->chunks);
	kvfree(sync->unreadable);
	sync->unreadable = NULL;
	atomic64_set(&sync->nr_unreadable, 0);
}

void pb_sync_set(struct pb_sync *sync, const struct pb_ioc_sync *arg)
{
	if (arg->set & PB_SYNC_SET_PAUSE)
		WRITE_ONCE(sync->paused, arg->pause);
	if (arg->set & PB_SYNC_SET_CHECKSUM)
		WRITE_ONCE(sync->checksum, arg->checksum);
	if (arg->set & PB_SYNC_SET_MAX_RATE)
		WRITE_ONCE(sync->pace.max_rate, arg->max_rate);
	if (arg->set & PB_SYNC_SET_MIN_RATE)
		WRITE_ONCE(sync->pace.min_rate, arg->min_rate);
	kick(sync);
}

void pb_sync_status(struct pb_sync *sync, struct pb_sync_info *info)
{
	struct pb_map *map;

	info->state = READ_ONCE(sync->state);
	info->paused = READ_ONCE(sync->paused);
	info->checksum = READ_ONCE(sync->checksum);
	info->max_rate = READ_ONCE(sync->pace.max_rate);
	info->min_rate = READ_ONCE(sync->pace.min_rate);
	if (info->state < PB_SYNC_COPY)
		return;
	spin_lock_irq(&sync->path->lock);
	map = map_of(sync);
	if (sync->peers->used & BIT(sync->slot)) {
		info->total = (sync->total << map->region_shift) << SECTOR_SHIFT;
		if (info->state <= PB_SYNC_FLUSH)
			info->left = (map->nr_dirty << map->region_shift) <<
				     SECTOR_SHIFT;
		info->unreadable = ((u64)atomic64_read(&sync->nr_unreadable) <<
				    map->region_shift) << SECTOR_SHIFT;
	}
	spin_unlock_irq(&sync->path->lock);
	if (info->state <= PB_SYNC_FLUSH)
		info->seconds = (jiffies - sync->began) / HZ;
}
