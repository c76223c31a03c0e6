// SPDX-License-Identifier: GPL-2.0
/*
 * The copying of a state transfer.  Chunks go out as fast as the next member
 * acks them, and one at a time, with as long a pause as the last one took,
 * while the volume is in use.  At checkpoints the next member flushes, and then
 * the dirty map on the disk follows: who crashes goes on from there.
 */
#include <linux/blkdev.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "pb-sync.h"

#define CHUNK_PAGES	(PB_WIRE_MAX_DATA / PAGE_SIZE)
/* A checkpoint after so many chunks. */
#define CHECKPOINT	256
/* The volume is in use if the last request was less than this ago. */
#define IN_USE_MS	50

/* The one place where the state changes; see the drawing in pb-sync.h. */
static bool change_state(struct pb_sync *sync, u32 from, u32 to)
{
	bool changed;

	spin_lock_bh(&sync->lock);
	changed = sync->state == from;
	if (changed)
		WRITE_ONCE(sync->state, to);
	spin_unlock_bh(&sync->lock);
	return changed;
}

static void owners_turn(struct pb_sync *sync, u32 from, u32 to)
{
	if (change_state(sync, from, to))
		sync->on_state(sync);
}

static void kick(struct pb_sync *sync)
{
	mod_delayed_work(sync->wq, &sync->work, 0);
}

static bool in_use(struct pb_sync *sync)
{
	return time_before(jiffies, READ_ONCE(sync->path->last_used) +
			   msecs_to_jiffies(IN_USE_MS));
}

/* Words */

static void word_submit(struct pb_req *req)
{
}

static void word_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_sync *sync = container_of(req, struct pb_sync, word);
	u8 type = req->type;

	clear_and_wake_up_bit(0, &sync->word_busy);
	if (status)
		return;
	if (type == PB_WIRE_SYNC_BEGIN)
		owners_turn(sync, PB_SYNC_BEGIN, PB_SYNC_MARKED);
	else if (type == PB_WIRE_SYNC_GO)
		sync->on_state(sync);
	else
		owners_turn(sync, PB_SYNC_DONE, PB_SYNC_SYNCED);
}

static const struct pb_source word_source = {
	.submit		= word_submit,
	.complete	= word_complete,
};

void pb_sync_say(struct pb_sync *sync, u8 type)
{
	static const u32 from[] = { PB_SYNC_DECIDE, PB_SYNC_MARKED, PB_SYNC_ARM };
	static const u32 to[] = { PB_SYNC_BEGIN, PB_SYNC_GO, PB_SYNC_DONE };
	blk_status_t status = BLK_STS_OK;
	u32 i = type - PB_WIRE_SYNC_BEGIN;

	if (!change_state(sync, from[i], to[i]))
		return;
	wait_on_bit_lock(&sync->word_busy, 0, TASK_UNINTERRUPTIBLE);
	memset(&sync->word, 0, sizeof(sync->word));
	sync->word.source = &word_source;
	sync->word.type = type;
	if (pb_path_start(sync->path, &sync->word, &status) == PB_REFUSED)
		word_complete(&sync->word, status);
}

/* Chunks */

static bool all_zero(struct pb_chunk *chunk)
{
	u32 left = chunk->req.count << SECTOR_SHIFT;
	int i;

	for (i = 0; left; i++) {
		u32 len = min_t(u32, left, PAGE_SIZE);
		void *data = kmap_local_page(chunk->vecs[i].bv_page);
		bool zero = !memchr_inv(data, 0, len);

		kunmap_local(data);
		if (!zero)
			return false;
		left -= len;
	}
	return true;
}

static void chunk_work(struct work_struct *work)
{
	struct pb_chunk *chunk = container_of(work, struct pb_chunk, work);
	struct pb_sync *sync = chunk->sync;
	blk_status_t status = chunk->bio.bi_status;

	bio_uninit(&chunk->bio);
	if (status)
		WRITE_ONCE(sync->unreadable, true);
	if (!status && all_zero(chunk)) {
		chunk->req.type = PB_WIRE_ZEROES;
		pb_stat_add(sync->stats, PB_CNT_SYNC_ZEROED,
			    (u64)chunk->req.count << SECTOR_SHIFT);
	}
	pb_path_forward(sync->path, &chunk->req, status);
}

static void read_done(struct bio *bio)
{
	struct pb_chunk *chunk = container_of(bio, struct pb_chunk, bio);

	queue_work(chunk->sync->wq, &chunk->work);
}

static void chunk_submit(struct pb_req *req)
{
	struct pb_chunk *chunk = container_of(req, struct pb_chunk, req);
	u32 left = req->count << SECTOR_SHIFT;
	int i;

	bio_init(&chunk->bio, chunk->sync->bdev, chunk->vecs, CHUNK_PAGES,
		 REQ_OP_READ);
	chunk->bio.bi_iter.bi_sector = req->sector;
	for (i = 0; left; i++) {
		u32 len = min_t(u32, left, PAGE_SIZE);

		__bio_add_page(&chunk->bio, chunk->vecs[i].bv_page, len, 0);
		left -= len;
	}
	req->bio = &chunk->bio;
	req->iter = chunk->bio.bi_iter;
	chunk->bio.bi_end_io = read_done;
	submit_bio(&chunk->bio);
}

/* While the volume is in use it has half of the time to itself. */
static unsigned long pause_after(struct pb_sync *sync, unsigned long took)
{
	if (xchg(&sync->unreadable, false))
		return HZ;
	return in_use(sync) ? max(took, 1UL) : 0;
}

/*
 * Under the path's lock: pb_sync_stop() takes it once before it believes that
 * nobody will queue the work any more.
 */
static void end_step(struct pb_sync *sync, unsigned long *busy,
		     unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&sync->path->lock, flags);
	clear_and_wake_up_bit(0, busy);
	mod_delayed_work(sync->wq, &sync->work, delay);
	spin_unlock_irqrestore(&sync->path->lock, flags);
}

static void chunk_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_chunk *chunk = container_of(req, struct pb_chunk, req);
	struct pb_sync *sync = chunk->sync;

	if (!status)
		pb_stat_add(sync->stats, PB_CNT_SYNC_BYTES,
			    (u64)req->count << SECTOR_SHIFT);
	end_step(sync, &chunk->busy,
		 pause_after(sync, jiffies - chunk->started));
}

static const struct pb_source chunk_source = {
	.submit		= chunk_submit,
	.complete	= chunk_complete,
};

/* Dirty regions in a row from the cursor on, as many as a chunk may have. */
static u32 next_stretch(struct pb_sync *sync, u64 *sector)
{
	struct pb_map *map = &sync->peers->maps[sync->slot];
	u64 first, end, most;

	lockdep_assert_held(&sync->path->lock);
	first = pb_map_next_dirty(map, sync->cursor);
	if (first >= map->nr_regions)
		return 0;
	most = first + (PB_SYNC_CHUNK_SECTORS >> map->region_shift);
	end = first + 1;
	while (end < most && end < map->nr_regions &&
	       pb_map_next_dirty(map, end) == end)
		end++;
	sync->cursor = end;
	*sector = first << map->region_shift;
	return min(end << map->region_shift, map->sectors) - *sector;
}

static struct pb_chunk *free_chunk(struct pb_sync *sync, unsigned int *busy)
{
	struct pb_chunk *found = NULL;
	int i;

	*busy = 0;
	for (i = 0; i < PB_SYNC_CHUNKS; i++) {
		if (test_bit(0, &sync->chunks[i].busy))
			(*busy)++;
		else
			found = &sync->chunks[i];
	}
	return found;
}

static void begin_chunk(struct pb_sync *sync, struct pb_chunk *chunk,
			u64 sector, u32 count)
{
	blk_status_t status = BLK_STS_OK;

	memset(&chunk->req, 0, sizeof(chunk->req));
	chunk->req.source = &chunk_source;
	chunk->req.type = PB_WIRE_WRITE;
	chunk->req.flags = PB_WIRE_COPY;
	chunk->req.copy = true;
	chunk->req.sector = sector;
	chunk->req.count = count;
	chunk->started = jiffies;
	set_bit(0, &chunk->busy);
	switch (pb_path_start(sync->path, &chunk->req, &status)) {
	case PB_STARTED:
		chunk_submit(&chunk->req);
		break;
	case PB_REFUSED:
		clear_and_wake_up_bit(0, &chunk->busy);
		break;
	default:
		break;
	}
}

/* Checkpoints */

static void flush_done(struct bio *bio)
{
	struct pb_sync *sync = container_of(bio, struct pb_sync, flush_bio);

	bio_uninit(bio);
	if (pb_path_local_done(sync->path, &sync->flush, bio->bi_status))
		sync->flush.source->complete(&sync->flush, sync->flush.status);
}

static void flush_submit(struct pb_req *req)
{
	struct pb_sync *sync = container_of(req, struct pb_sync, flush);

	bio_init(&sync->flush_bio, sync->bdev, NULL, 0,
		 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	sync->flush_bio.bi_end_io = flush_done;
	submit_bio(&sync->flush_bio);
}

static void flush_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_sync *sync = container_of(req, struct pb_sync, flush);
	unsigned long flags;

	spin_lock_irqsave(&sync->path->lock, flags);
	pb_map_flush_end(&sync->peers->maps[sync->slot],
			 !status && sync->path->copying);
	spin_unlock_irqrestore(&sync->path->lock, flags);
	end_step(sync, &sync->flush_busy, 0);
}

static const struct pb_source flush_source = {
	.submit		= flush_submit,
	.complete	= flush_complete,
};

static void checkpoint(struct pb_sync *sync)
{
	blk_status_t status = BLK_STS_OK;

	sync->since = 0;
	set_bit(0, &sync->flush_busy);
	memset(&sync->flush, 0, sizeof(sync->flush));
	sync->flush.source = &flush_source;
	sync->flush.type = PB_WIRE_FLUSH;
	spin_lock_irq(&sync->path->lock);
	pb_map_flush_begin(&sync->peers->maps[sync->slot]);
	spin_unlock_irq(&sync->path->lock);
	switch (pb_path_start(sync->path, &sync->flush, &status)) {
	case PB_STARTED:
		flush_submit(&sync->flush);
		break;
	case PB_REFUSED:
		flush_complete(&sync->flush, status);
		break;
	default:
		break;
	}
}

/* Begins what may begin; true if there is nothing left to copy. */
static bool fill_up(struct pb_sync *sync)
{
	unsigned int busy, most;
	struct pb_chunk *chunk;
	u64 sector;
	u32 count;

	for (;;) {
		chunk = free_chunk(sync, &busy);
		most = in_use(sync) ? 1 : PB_SYNC_CHUNKS;
		if (!chunk || busy >= most || READ_ONCE(sync->paused))
			return false;
		spin_lock_irq(&sync->path->lock);
		count = next_stretch(sync, &sector);
		spin_unlock_irq(&sync->path->lock);
		if (!count && busy)
			return false;
		if (!count && sync->cursor) {
			/* Once more from the start: some may have come back. */
			sync->cursor = 0;
			continue;
		}
		if (!count)
			return true;
		sync->since++;
		begin_chunk(sync, chunk, sector, count);
	}
}

/* The map on the disk follows; who cannot write it must not go on. */
static bool store_map(struct pb_sync *sync)
{
	int err = pb_peers_store(sync->peers, BIT(sync->slot), 0, 0);

	if (err)
		sync->on_fault(sync, err);
	return !err;
}

static void copy_on(struct pb_sync *sync)
{
	if (test_bit(0, &sync->flush_busy))
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
	if (test_bit(0, &sync->flush_busy))
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
					    struct pb_sync, work);

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
	INIT_DELAYED_WORK(&sync->work, sync_work);
	sync->state = PB_SYNC_OFF;
}

void pb_sync_link_up(struct pb_sync *sync)
{
	if (!READ_ONCE(sync->path->needs_ack)) {
		owners_turn(sync, PB_SYNC_OFF, PB_SYNC_DECIDE);
		return;
	}
	/* All is copied, maybe in an earlier life: only the last word is due. */
	owners_turn(sync, PB_SYNC_OFF, PB_SYNC_ARM);
	/* If it is on its way the path says it again. */
	if (!test_bit(0, &sync->word_busy))
		owners_turn(sync, PB_SYNC_DONE, PB_SYNC_ARM);
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
	sync->cursor = 0;
	sync->since = 1;
	sync->began = jiffies;
	spin_lock_irq(&sync->path->lock);
	sync->total = sync->peers->maps[sync->slot].nr_dirty;
	spin_unlock_irq(&sync->path->lock);
	if (change_state(sync, from, PB_SYNC_COPY))
		kick(sync);
}

static void free_chunks(struct pb_sync *sync)
{
	int i, page;

	for (i = 0; sync->chunks && i < PB_SYNC_CHUNKS; i++) {
		struct bio_vec *vecs = sync->chunks[i].vecs;

		for (page = 0; vecs && page < CHUNK_PAGES; page++)
			if (vecs[page].bv_page)
				__free_page(vecs[page].bv_page);
		kvfree(vecs);
	}
	kvfree(sync->chunks);
	sync->chunks = NULL;
}

static bool alloc_chunk(struct pb_sync *sync, struct pb_chunk *chunk)
{
	int page;

	chunk->sync = sync;
	INIT_WORK(&chunk->work, chunk_work);
	chunk->vecs = kvcalloc(CHUNK_PAGES, sizeof(*chunk->vecs), GFP_KERNEL);
	if (!chunk->vecs)
		return false;
	for (page = 0; page < CHUNK_PAGES; page++) {
		chunk->vecs[page].bv_page = alloc_page(GFP_NOIO);
		if (!chunk->vecs[page].bv_page)
			return false;
	}
	return true;
}

int pb_sync_alloc(struct pb_sync *sync)
{
	int i;

	if (sync->chunks)
		return 0;
	sync->chunks = kvcalloc(PB_SYNC_CHUNKS, sizeof(*sync->chunks),
				GFP_KERNEL);
	if (!sync->chunks)
		return -ENOMEM;
	for (i = 0; i < PB_SYNC_CHUNKS; i++) {
		if (!alloc_chunk(sync, &sync->chunks[i])) {
			free_chunks(sync);
			return -ENOMEM;
		}
	}
	return 0;
}

void pb_sync_stop(struct pb_sync *sync)
{
	int i;

	spin_lock_bh(&sync->lock);
	WRITE_ONCE(sync->state, PB_SYNC_OFF);
	spin_unlock_bh(&sync->lock);
	cancel_delayed_work_sync(&sync->work);
	wait_on_bit(&sync->word_busy, 0, TASK_UNINTERRUPTIBLE);
	wait_on_bit(&sync->flush_busy, 0, TASK_UNINTERRUPTIBLE);
	for (i = 0; sync->chunks && i < PB_SYNC_CHUNKS; i++) {
		wait_on_bit(&sync->chunks[i].busy, 0, TASK_UNINTERRUPTIBLE);
		cancel_work_sync(&sync->chunks[i].work);
	}
	/* Whoever cleared a bit is out of the lock then; see end_step(). */
	spin_lock_irq(&sync->path->lock);
	spin_unlock_irq(&sync->path->lock);
	cancel_delayed_work_sync(&sync->work);
	free_chunks(sync);
}

void pb_sync_pause(struct pb_sync *sync, bool pause)
{
	WRITE_ONCE(sync->paused, pause);
	kick(sync);
}

void pb_sync_status(struct pb_sync *sync, struct pb_sync_info *info)
{
	struct pb_map *map;

	info->state = READ_ONCE(sync->state);
	if (info->state < PB_SYNC_COPY)
		return;
	spin_lock_irq(&sync->path->lock);
	map = &sync->peers->maps[sync->slot];
	if (sync->peers->used & BIT(sync->slot)) {
		info->total = (sync->total << map->region_shift) << SECTOR_SHIFT;
		if (info->state <= PB_SYNC_FLUSH)
			info->left = (map->nr_dirty << map->region_shift) <<
				     SECTOR_SHIFT;
	}
	spin_unlock_irq(&sync->path->lock);
	if (info->state <= PB_SYNC_FLUSH)
		info->seconds = (jiffies - sync->began) / HZ;
	info->paused = READ_ONCE(sync->paused);
}
