// SPDX-License-Identifier: GPL-2.0
/*
 * Verification goes through its range in chunks, whose digests the next member
 * compares.  A chunk holds its range on both ends while it does, so what is
 * found to differ is no write that one end had earlier than the other.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "pb-verify.h"

static struct pb_verify *of_chunks(struct pb_chunks *chunks)
{
	return container_of(chunks, struct pb_verify, chunks);
}

/* The one place where the state changes; see the drawing in pb-verify.h. */
static bool change_state(struct pb_verify *verify, u32 from, u32 to)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&verify->lock, flags);
	changed = verify->state == from;
	if (changed) {
		WRITE_ONCE(verify->state, to);
		verify->took = (jiffies - verify->began) / HZ;
	}
	spin_unlock_irqrestore(&verify->lock, flags);
	return changed;
}

/* Where in the list a range belongs: after all that begin before it. */
static u32 place(struct pb_verify *verify, u64 start)
{
	u32 i = verify->nr_ranges;

	lockdep_assert_held(&verify->lock);
	while (i && verify->ranges[i - 1].start > start)
		i--;
	return i;
}

/* Chunks end out of order, so a range may close the gap between two. */
static void join(struct pb_verify *verify, u32 i)
{
	struct pb_range *range = &verify->ranges[i];

	lockdep_assert_held(&verify->lock);
	if (i + 1 >= verify->nr_ranges ||
	    range->start + range->length != range[1].start)
		return;
	range->length += range[1].length;
	verify->nr_ranges--;
	memmove(range + 1, range + 2,
		(verify->nr_ranges - i - 1) * sizeof(*range));
}

static void list_range(struct pb_verify *verify, u64 sector, u64 count)
{
	struct pb_range *range;
	u32 i;

	lockdep_assert_held(&verify->lock);
	verify->differs += count;
	if (verify->nr_ranges == PB_KEPT_RANGES) {
		verify->more = true;
		return;
	}
	i = place(verify, sector << SECTOR_SHIFT);
	range = &verify->ranges[i];
	memmove(range + 1, range, (verify->nr_ranges - i) * sizeof(*range));
	range->start = sector << SECTOR_SHIFT;
	range->length = count << SECTOR_SHIFT;
	verify->nr_ranges++;
	join(verify, i);
	if (i)
		join(verify, i - 1);
}

static bool chunk_compared(struct pb_chunks *chunks, struct pb_chunk *chunk)
{
	struct pb_verify *verify = of_chunks(chunks);
	u32 next = 0, at, count;
	unsigned long flags;
	bool began;

	pb_stat_add(verify->stats, PB_CNT_VERIFY_BYTES,
		    (u64)chunk->count << SECTOR_SHIFT);
	spin_lock_irqsave(&verify->lock, flags);
	began = !verify->differs;
	verify->compared += chunk->count;
	for (;;) {
		next = pb_chunk_next_range(chunk, next, &at, &count);
		if (!count)
			break;
		list_range(verify, chunk->sector + at, count);
	}
	began = began && verify->differs;
	spin_unlock_irqrestore(&verify->lock, flags);
	if (began)
		verify->on_change(verify, PB_EVENT_DIFFERS);
	return verify->repair;
}

static void chunk_copied(struct pb_chunks *chunks, u32 bytes, bool zeroed)
{
	struct pb_verify *verify = of_chunks(chunks);
	unsigned long flags;

	spin_lock_irqsave(&verify->lock, flags);
	verify->repaired += bytes >> SECTOR_SHIFT;
	spin_unlock_irqrestore(&verify->lock, flags);
}

/* What a broken connection took back stays busy until there is one again. */
static bool keep(struct pb_verify *verify, struct pb_chunk *chunk,
		 blk_status_t status)
{
	unsigned long flags;
	bool again;

	spin_lock_irqsave(&verify->lock, flags);
	/* What was compared and cannot be read now is not repaired. */
	if (chunk->status && !chunk->next)
		verify->unreadable += chunk->count;
	again = status && !chunk->status && verify->state == PB_VERIFY_RUN;
	/* Who stops it takes the bit: nothing is queued after that. */
	if (again) {
		__set_bit(chunk - verify->chunks.chunk, &verify->again);
		mod_delayed_work(verify->chunks.wq, &verify->chunks.work, HZ);
	}
	spin_unlock_irqrestore(&verify->lock, flags);
	return again;
}

static void chunk_done(struct pb_chunks *chunks, struct pb_chunk *chunk,
		       blk_status_t status)
{
	struct pb_verify *verify = of_chunks(chunks);

	if (keep(verify, chunk, status))
		return;
	if (chunk->unreadable)
		verify->on_change(verify, PB_EVENT_DISK_ERROR);
	pb_chunks_end_step(chunks, &chunk->busy, pb_chunk_pause(chunk));
}

static const struct pb_chunk_ops chunk_ops = {
	.compared	= chunk_compared,
	.copied		= chunk_copied,
	.done		= chunk_done,
};

static unsigned long take_again(struct pb_verify *verify)
{
	unsigned long again;

	spin_lock_irq(&verify->lock);
	again = verify->again;
	verify->again = 0;
	spin_unlock_irq(&verify->lock);
	return again;
}

static void begin_again(struct pb_verify *verify)
{
	unsigned long again = take_again(verify);
	unsigned int i;

	for_each_set_bit(i, &again, PB_CHUNKS)
		pb_chunk_again(&verify->chunks.chunk[i]);
}

/* Begins what may begin; true if nothing is under way, or to be begun. */
static bool fill_up(struct pb_verify *verify)
{
	struct pb_chunk *chunk;
	unsigned long delay;
	unsigned int busy;
	u32 count;

	for (;;) {
		chunk = pb_chunks_free(&verify->chunks, &busy, &delay);
		if (READ_ONCE(verify->state) != PB_VERIFY_RUN ||
		    verify->cursor >= verify->end)
			return !busy;
		/* One that is due sooner may know of another limit. */
		if (delay)
			queue_delayed_work(verify->chunks.wq,
					   &verify->chunks.work, delay);
		if (!chunk)
			return false;
		count = min_t(u64, PB_CHUNK_SECTORS,
			      verify->end - verify->cursor);
		verify->cursor += count;
		pb_chunk_begin(chunk, verify->cursor - count, count,
			       verify->piece);
	}
}

static void verify_work(struct work_struct *work)
{
	struct pb_verify *verify = container_of(to_delayed_work(work),
						struct pb_verify, chunks.work);

	begin_again(verify);
	if (!fill_up(verify))
		return;
	change_state(verify, PB_VERIFY_RUN, PB_VERIFY_DONE);
	verify->on_change(verify, PB_EVENT_VERIFY);
}

void pb_verify_init(struct pb_verify *verify)
{
	spin_lock_init(&verify->lock);
	INIT_DELAYED_WORK(&verify->chunks.work, verify_work);
	verify->chunks.ops = &chunk_ops;
	verify->chunks.kind = PB_COPY_VERIFY;
}

void pb_verify_exit(struct pb_verify *verify)
{
	kvfree(verify->ranges);
}

static int prepare(struct pb_verify *verify)
{
	if (!verify->ranges)
		verify->ranges = kvcalloc(PB_KEPT_RANGES,
					  sizeof(*verify->ranges), GFP_KERNEL);
	return verify->ranges ? pb_chunks_alloc(&verify->chunks) : -ENOMEM;
}

int pb_verify_start(struct pb_verify *verify, u64 start, u64 end, u32 piece,
		    bool repair)
{
	/* Also if one was stopped and its last chunks are under way. */
	if (verify->chunks.chunk)
		return -EBUSY;
	if (prepare(verify))
		return -ENOMEM;
	spin_lock_irq(&verify->lock);
	verify->start = start;
	verify->cursor = start;
	verify->end = end;
	verify->piece = piece;
	verify->repair = repair;
	verify->compared = 0;
	verify->differs = 0;
	verify->repaired = 0;
	verify->unreadable = 0;
	verify->nr_ranges = 0;
	verify->more = false;
	verify->began = jiffies;
	WRITE_ONCE(verify->state, PB_VERIFY_RUN);
	spin_unlock_irq(&verify->lock);
	pb_path_verify(verify->chunks.path, true);
	mod_delayed_work(verify->chunks.wq, &verify->chunks.work, 0);
	return 0;
}

int pb_verify_stop(struct pb_verify *verify)
{
	unsigned long again;
	unsigned int i;

	if (!change_state(verify, PB_VERIFY_RUN, PB_VERIFY_STOPPED))
		return -ENOENT;
	pb_path_verify(verify->chunks.path, false);
	again = take_again(verify);
	for_each_set_bit(i, &again, PB_CHUNKS)
		clear_and_wake_up_bit(0, &verify->chunks.chunk[i].busy);
	mod_delayed_work(verify->chunks.wq, &verify->chunks.work, 0);
	return 0;
}

void pb_verify_wait(struct pb_verify *verify)
{
	pb_verify_stop(verify);
	pb_chunks_wait(&verify->chunks);
}

/* Under the lock: once the state has changed nobody queues the work any more. */
void pb_verify_kick(struct pb_verify *verify)
{
	spin_lock_irq(&verify->lock);
	if (verify->state == PB_VERIFY_RUN)
		mod_delayed_work(verify->chunks.wq, &verify->chunks.work, 0);
	spin_unlock_irq(&verify->lock);
}

void pb_verify_status(struct pb_verify *verify, struct pb_verify_info *info)
{
	spin_lock_irq(&verify->lock);
	info->state = verify->state;
	info->repair = verify->repair;
	info->start = verify->start << SECTOR_SHIFT;
	info->length = (verify->end - verify->start) << SECTOR_SHIFT;
	info->compared = verify->compared << SECTOR_SHIFT;
	info->differs = verify->differs << SECTOR_SHIFT;
	info->repaired = verify->repaired << SECTOR_SHIFT;
	info->unreadable = verify->unreadable << SECTOR_SHIFT;
	info->seconds = verify->state == PB_VERIFY_RUN ?
			(jiffies - verify->began) / HZ : verify->took;
	spin_unlock_irq(&verify->lock);
}

void pb_verify_list(struct pb_verify *verify, struct pb_ioc_differs *list)
{
	spin_lock_irq(&verify->lock);
	list->total = verify->nr_ranges;
	list->more = verify->more;
	list->nr = 0;
	while (list->nr < PB_MAX_RANGES &&
	       list->start + list->nr < verify->nr_ranges) {
		list->ranges[list->nr] =
			verify->ranges[list->start + list->nr];
		list->nr++;
	}
	spin_unlock_irq(&verify->lock);
}
