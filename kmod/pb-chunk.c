// SPDX-License-Identifier: GPL-2.0
/*
 * A chunk's way: read here, looked at, sent, acked.  Chunks go out as fast as
 * the next member acks them, and one at a time, with as long a pause as the
 * last one took, while the volume is in use.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/wait_bit.h>

#include "compat.h"
#include "pb-chunk.h"
#include "pb-crash.h"
#include "pb-digest.h"
#include "pb-own.h"

#define CHUNK_PAGES	(PB_WIRE_MAX_DATA / PAGE_SIZE)
#define DIGEST_BYTES	(PB_WIRE_MAX_PIECES * PB_WIRE_DIGEST)
/* The volume is in use if the last request was less than this ago. */
#define IN_USE_MS	50

static struct pb_chunk *to_chunk(struct pb_req *req)
{
	return container_of(req, struct pb_chunk, copy.req);
}

static bool in_use(const struct pb_chunks *chunks)
{
	return time_before(jiffies, READ_ONCE(chunks->path->last_used) +
			   msecs_to_jiffies(IN_USE_MS));
}

static u64 ns_for(u64 bytes, u64 rate)
{
	return mul_u64_u64_div_u64(bytes, NSEC_PER_SEC, rate);
}

unsigned long pb_chunk_pause(const struct pb_chunk *chunk)
{
	const struct pb_chunks *chunks = chunk->set;
	unsigned long took = jiffies - chunk->started, most;
	u64 rate = READ_ONCE(chunks->pace->min_rate);

	if (!in_use(chunks))
		return 0;
	if (!rate)
		return max(took, 1UL);
	most = nsecs_to_jiffies(ns_for((u64)chunk->count << SECTOR_SHIFT,
				       rate));
	return most > took ? min(took, most - took) : 0;
}

/* Not before its time, if there is a limit. */
static unsigned long too_early(struct pb_chunks *chunks)
{
	u64 rate = READ_ONCE(chunks->pace->max_rate);
	u64 now = ktime_get_ns();

	if (!rate || now >= chunks->next_ns)
		return 0;
	/* The limit may have been a lower one when the last chunk began. */
	chunks->next_ns = min(chunks->next_ns,
			      now + ns_for(PB_WIRE_MAX_DATA, rate));
	return nsecs_to_jiffies(chunks->next_ns - now) + 1;
}

static void note_begin(struct pb_chunks *chunks, u32 count)
{
	u64 rate = READ_ONCE(chunks->pace->max_rate);

	if (rate)
		chunks->next_ns = max(chunks->next_ns, ktime_get_ns()) +
				  ns_for((u64)count << SECTOR_SHIFT, rate);
}

struct pb_chunk *pb_chunks_free(struct pb_chunks *chunks, unsigned int *busy,
				unsigned long *delay)
{
	struct pb_chunk *found = NULL;
	int i;

	*busy = 0;
	for (i = 0; i < PB_CHUNKS; i++) {
		if (test_bit(0, &chunks->chunk[i].busy))
			(*busy)++;
		else
			found = &chunks->chunk[i];
	}
	*delay = too_early(chunks);
	if (*delay || *busy >= (in_use(chunks) ? 1 : PB_CHUNKS))
		return NULL;
	return found;
}

static bool all_zero(struct pb_chunk *chunk)
{
	u32 left = chunk->copy.req.count << SECTOR_SHIFT;
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

/* Digests instead of the data. */
static void digest(struct pb_chunk *chunk)
{
	struct pb_req *req = &chunk->copy.req;
	u32 piece = chunk->copy.piece << SECTOR_SHIFT;
	u32 len = req->count << SECTOR_SHIFT, at, bytes = 0;

	for (at = 0; at < len; at += piece) {
		pb_digest(chunk->vecs, at, min(piece, len - at),
			  chunk->digests + bytes);
		bytes += PB_WIRE_DIGEST;
	}
	bvec_set_virt(&chunk->digest_vec, chunk->digests, bytes);
	/* Never submitted: it has no device. */
	bio_init(&chunk->digest_bio, NULL, &chunk->digest_vec, 1, REQ_OP_READ);
	chunk->digest_bio.bi_vcnt = 1;
	chunk->digest_bio.bi_iter.bi_size = bytes;
	req->type = PB_WIRE_CHECK;
	req->flags = 0;
	req->bio = &chunk->digest_bio;
	req->iter = chunk->digest_bio.bi_iter;
}

static void forward(struct pb_chunk *chunk)
{
	struct pb_req *req = &chunk->copy.req;

	bio_uninit(&chunk->bio);
	if (chunk->status)
		;
	else if (chunk->compare && !chunk->next)
		digest(chunk);
	else if (all_zero(chunk))
		req->type = PB_WIRE_ZEROES;
	pb_crash_point(PB_CRASH_CHUNK_READ);
	pb_path_forward(chunk->set->path, req, chunk->status);
}

static void read_done(struct bio *bio)
{
	struct pb_chunk *chunk = container_of(bio, struct pb_chunk, bio);

	chunk->status = bio->bi_status;
	queue_work(chunk->set->wq, &chunk->work);
}

static void chunk_submit(struct pb_req *req)
{
	struct pb_chunk *chunk = to_chunk(req);
	u32 left = req->count << SECTOR_SHIFT;
	int i;

	bio_init(&chunk->bio, chunk->set->bdev, chunk->vecs, CHUNK_PAGES,
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

static u32 nr_pieces(const struct pb_chunk *chunk)
{
	return pb_check_pieces(chunk->count, chunk->copy.piece);
}

u32 pb_chunk_next_range(const struct pb_chunk *chunk, u32 from, u32 *sector,
			u32 *count)
{
	const unsigned long *differs = chunk->copy.differs;
	u32 piece = chunk->copy.piece, pieces = nr_pieces(chunk);
	u32 first = find_next_bit(differs, pieces, from);
	u32 end = find_next_zero_bit(differs, pieces, first);

	*sector = first * piece;
	*count = min(end * piece, chunk->count) - min(*sector, chunk->count);
	return end;
}

/* What differs is copied next, run by run. */
static bool has_more(struct pb_chunk *chunk)
{
	u32 pieces = nr_pieces(chunk);

	return find_next_bit(chunk->copy.differs, pieces, chunk->next) < pieces;
}

static void note_done(struct pb_chunk *chunk)
{
	const struct pb_req *req = &chunk->copy.req;
	struct pb_chunks *chunks = chunk->set;

	if (req->type != PB_WIRE_CHECK)
		chunks->ops->copied(chunks, req->count << SECTOR_SHIFT,
				    req->type == PB_WIRE_ZEROES);
	else if (!chunks->ops->compared(chunks, chunk))
		bitmap_zero(chunk->copy.differs, PB_WIRE_MAX_PIECES);
}

static void chunk_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_chunk *chunk = to_chunk(req);
	struct pb_chunks *chunks = chunk->set;
	/* A run that cannot be read is not repaired, others are. */
	bool go_on = !status || (chunk->status && chunk->next &&
				 chunks->kind == PB_COPY_VERIFY);

	if (!status)
		note_done(chunk);
	if (chunk->status)
		chunk->unreadable = true;
	if (go_on && chunk->compare && has_more(chunk))
		queue_work(chunks->wq, &chunk->work);
	else
		chunks->ops->done(chunks, chunk, status);
}

static const struct pb_source chunk_source = {
	.submit		= chunk_submit,
	.complete	= chunk_complete,
};

static void start(struct pb_chunk *chunk, u64 sector, u32 count)
{
	struct pb_req *req = &chunk->copy.req;
	blk_status_t status;

	memset(req, 0, sizeof(*req));
	req->source = &chunk_source;
	req->type = PB_WIRE_WRITE;
	req->flags = PB_WIRE_COPY;
	req->copy = chunk->set->kind;
	req->sector = sector;
	req->count = count;
	chunk->started = jiffies;
	chunk->status = BLK_STS_OK;
	status = pb_own_start(chunk->set->path, req);
	if (status)
		chunk_complete(req, status);
}

/* Read again: since the comparison it may have been written. */
static void copy_run(struct pb_chunk *chunk)
{
	u32 from = chunk->next, at, count;

	chunk->next = pb_chunk_next_range(chunk, from, &at, &count);
	chunk->run = at / chunk->copy.piece;
	start(chunk, chunk->sector + at, count);
}

static void chunk_work(struct work_struct *work)
{
	struct pb_chunk *chunk = container_of(work, struct pb_chunk, work);

	if (chunk->copy.req.legs)
		forward(chunk);
	else
		copy_run(chunk);
}

void pb_chunk_begin(struct pb_chunk *chunk, u64 sector, u32 count, u32 piece)
{
	set_bit(0, &chunk->busy);
	note_begin(chunk->set, count);
	chunk->sector = sector;
	chunk->count = count;
	chunk->compare = piece;
	chunk->next = 0;
	chunk->unreadable = false;
	chunk->copy.piece = piece;
	bitmap_zero(chunk->copy.differs, PB_WIRE_MAX_PIECES);
	start(chunk, sector, count);
}

void pb_chunk_again(struct pb_chunk *chunk)
{
	if (!chunk->next) {
		bitmap_zero(chunk->copy.differs, PB_WIRE_MAX_PIECES);
		start(chunk, chunk->sector, chunk->count);
		return;
	}
	chunk->next = chunk->run;
	copy_run(chunk);
}

bool pb_chunks_busy(const struct pb_chunks *chunks)
{
	int i;

	for (i = 0; chunks->chunk && i < PB_CHUNKS; i++)
		if (test_bit(0, &chunks->chunk[i].busy))
			return true;
	return false;
}

/*
 * Under the path's lock: pb_chunks_wait() takes it once before it believes
 * that nobody will queue the work any more.
 */
void pb_chunks_end_step(struct pb_chunks *chunks, unsigned long *busy,
			unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&chunks->path->lock, flags);
	clear_and_wake_up_bit(0, busy);
	mod_delayed_work(chunks->wq, &chunks->work, delay);
	spin_unlock_irqrestore(&chunks->path->lock, flags);
}

static void free_chunks(struct pb_chunks *chunks)
{
	int i, page;

	for (i = 0; chunks->chunk && i < PB_CHUNKS; i++) {
		struct bio_vec *vecs = chunks->chunk[i].vecs;

		for (page = 0; vecs && page < CHUNK_PAGES; page++)
			if (vecs[page].bv_page)
				__free_page(vecs[page].bv_page);
		kvfree(vecs);
		kfree(chunks->chunk[i].digests);
	}
	kvfree(chunks->chunk);
	chunks->chunk = NULL;
}

static bool alloc_chunk(struct pb_chunks *chunks, struct pb_chunk *chunk)
{
	int page;

	chunk->set = chunks;
	INIT_WORK(&chunk->work, chunk_work);
	chunk->digests = kmalloc(DIGEST_BYTES, GFP_NOIO);
	chunk->vecs = kvcalloc(CHUNK_PAGES, sizeof(*chunk->vecs), GFP_KERNEL);
	if (!chunk->vecs || !chunk->digests)
		return false;
	for (page = 0; page < CHUNK_PAGES; page++) {
		chunk->vecs[page].bv_page = alloc_page(GFP_NOIO);
		if (!chunk->vecs[page].bv_page)
			return false;
	}
	return true;
}

int pb_chunks_alloc(struct pb_chunks *chunks)
{
	struct pb_chunk *all;
	int i;

	if (chunks->chunk)
		return 0;
	all = kvcalloc(PB_CHUNKS, sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	chunks->chunk = all;
	for (i = 0; i < PB_CHUNKS; i++) {
		if (!alloc_chunk(chunks, &all[i])) {
			free_chunks(chunks);
			return -ENOMEM;
		}
	}
	return 0;
}

void pb_chunks_wait(struct pb_chunks *chunks)
{
	int i;

	cancel_delayed_work_sync(&chunks->work);
	for (i = 0; chunks->chunk && i < PB_CHUNKS; i++) {
		wait_on_bit(&chunks->chunk[i].busy, 0, TASK_UNINTERRUPTIBLE);
		cancel_work_sync(&chunks->chunk[i].work);
	}
	/* Whoever cleared a bit is out of the lock then. */
	spin_lock_irq(&chunks->path->lock);
	spin_unlock_irq(&chunks->path->lock);
	cancel_delayed_work_sync(&chunks->work);
	free_chunks(chunks);
}
