// SPDX-License-Identifier: GPL-2.0
/*
 * The activity log at run time: hands out references to hot extents, and makes
 * cold ones hot by records of what changes in which slot.
 *
 *   [ cold ] -- record durable --> [ hot, in use ] -- writes done --+
 *      ^                              ^                             v
 *      |                              +------ write ------ [ hot, unflushed ]
 *      |                              |                             |
 *      +-- slot given away <-- [ hot, clean ] <-- flush done -------+
 *
 * lru_cache knows which extents are hot and which clean one was used least
 * lately; an extent in use or unflushed holds a reference in it.  All of it is
 * under the path's lock, which the path holds anyway where it asks.
 */
#include <linux/slab.h>

#include "pb-crash.h"
#include "pb-layout.h"
#include "pb-log.h"
#include "pb-wire.h"

#define PART_SHIFT	6	/* PB_LOG_PARTS = 64 */

/* The first in line may hold half of the slots; the others get free. */
static_assert(2 * PB_WIRE_MAX_ZEROES <=
	      PB_DISK_MIN_LOG_SLOTS << PB_DISK_MIN_EXTENT_SHIFT);

static struct kmem_cache *extent_cache;

static u32 extent_of(const struct pb_log *log, u64 sector)
{
	return sector >> log->super->extent_shift;
}

static u32 first_extent(const struct pb_log *log,
			const struct pb_log_wait *wait)
{
	return extent_of(log, wait->sector);
}

static u32 nr_extents(const struct pb_log *log, const struct pb_log_wait *wait)
{
	return extent_of(log, wait->sector + wait->count - 1) -
	       first_extent(log, wait) + 1;
}

static struct pb_extent *to_extent(struct lc_element *e)
{
	return lc_entry(e, struct pb_extent, lc);
}

/* Takes references on hot extents as far as they are hot; true if all are. */
static bool take_hot(struct pb_log *log, struct pb_log_wait *wait)
{
	u32 first = first_extent(log, wait), nr = nr_extents(log, wait);

	lockdep_assert_held(log->lock);
	while (wait->held < nr &&
	       lc_try_get(log->lc, first + wait->held))
		wait->held++;
	return wait->held == nr;
}

/* The same, and enlists what is cold for the next record. */
static bool take_any(struct pb_log *log, struct pb_log_wait *wait)
{
	u32 first = first_extent(log, wait), nr = nr_extents(log, wait);

	lockdep_assert_held(log->lock);
	while (wait->held < nr &&
	       lc_get_cumulative(log->lc, first + wait->held))
		wait->held++;
	return wait->held == nr;
}

/* Who waits holds nothing, but for the first in line: else all might starve. */
static void put_back(struct pb_log *log, struct pb_log_wait *wait)
{
	u32 first = first_extent(log, wait);

	lockdep_assert_held(log->lock);
	while (wait->held) {
		wait->held--;
		lc_put(log->lc, lc_find(log->lc, first + wait->held));
	}
}

bool pb_log_begin(struct pb_log *log, struct pb_log_wait *wait)
{
	lockdep_assert_held(log->lock);
	INIT_LIST_HEAD(&wait->node);
	wait->held = 0;
	/* In order of arrival, so that a large one gets its turn. */
	if (list_empty(&log->waiting) && !log->failed && take_hot(log, wait))
		return true;
	put_back(log, wait);
	pb_stat_inc(log->stats, PB_CNT_LOG_WAITS);
	list_add_tail(&wait->node, log->closed ? &log->rejected : &log->waiting);
	queue_work(log->wq, &log->work);
	return false;
}

/* The parts of an extent that a range touches. */
static u64 parts_of(const struct pb_log *log, u32 extent, u64 sector, u64 last)
{
	unsigned int shift = log->super->extent_shift;
	u64 base = (u64)extent << shift;
	u64 end = base + (1ULL << shift) - 1;
	unsigned int from, to;

	from = (max(sector, base) - base) >> (shift - PART_SHIFT);
	to = (min(last, end) - base) >> (shift - PART_SHIFT);
	return GENMASK_ULL(to, from);
}

/* Fewer than this many may be unflushed before the log asks for a flush. */
static unsigned int flush_mark(const struct pb_log *log)
{
	return log->lc->nr_elements - log->lc->nr_elements / 4;
}

static void want_flush(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	if (log->flushing || !log->nr_unflushed)
		return;
	log->flushing = true;
	pb_stat_inc(log->stats, PB_CNT_LOG_FLUSHES);
	log->ops->flush(log);
}

/* A write in it is done: its reference becomes the unflushed one. */
static void mark_unflushed(struct pb_log *log, struct pb_extent *extent,
			   u64 parts, u64 stamp)
{
	lockdep_assert_held(log->lock);
	if (list_empty(&extent->node)) {
		list_add_tail(&extent->node, &log->unflushed);
		log->nr_unflushed++;
	} else {
		list_move_tail(&extent->node, &log->unflushed);
		lc_put(log->lc, &extent->lc);
	}
	extent->parts |= parts;
	/* Writes may end in another order than they came. */
	extent->stamp = max(extent->stamp, stamp);
}

void pb_log_end(struct pb_log *log, struct pb_log_wait *wait, u64 stamp)
{
	u64 last = wait->sector + wait->count - 1;
	u32 first = first_extent(log, wait), i;
	struct lc_element *e;

	lockdep_assert_held(log->lock);
	if (log->stamp < stamp)
		log->stamp = stamp;
	if (log->deposed)
		stamp = U64_MAX;
	/* Of a log that failed nobody reads the state any more. */
	if (log->failed)
		return;
	for (i = 0; i < wait->held; i++) {
		e = lc_find(log->lc, first + i);
		if (WARN_ON_ONCE(!e))
			continue;
		mark_unflushed(log, to_extent(e),
			       parts_of(log, first + i, wait->sector, last),
			       stamp);
	}
	wait->held = 0;
	if (log->nr_unflushed >= flush_mark(log) ||
	    test_bit(__LC_STARVING, &log->lc->flags))
		want_flush(log);
}

u64 pb_log_flush_begin(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	return log->stamp++;
}

void pb_log_kick(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	if (!list_empty(&log->waiting) || !list_empty(&log->rejected))
		queue_work(log->wq, &log->work);
}

void pb_log_reject(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	list_splice_tail_init(&log->waiting, &log->rejected);
	pb_log_kick(log);
}

void pb_log_close(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	log->closed = true;
	pb_log_reject(log);
}

void pb_log_open(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	log->closed = false;
}

void pb_log_depose(struct pb_log *log)
{
	struct pb_extent *extent;

	lockdep_assert_held(log->lock);
	log->deposed = true;
	list_for_each_entry(extent, &log->unflushed, node)
		extent->stamp = U64_MAX;
	pb_log_reject(log);
}

void pb_log_flushed(struct pb_log *log, u64 stamp)
{
	struct pb_extent *extent, *next;

	lockdep_assert_held(log->lock);
	list_for_each_entry_safe(extent, next, &log->unflushed, node) {
		if (extent->stamp > stamp)
			break;
		list_del_init(&extent->node);
		log->nr_unflushed--;
		extent->parts = 0;
		extent->stamp = 0;
		if (!log->failed)
			lc_put(log->lc, &extent->lc);
	}
	log->flushing = false;
	pb_log_kick(log);
}

void pb_log_accept(struct pb_log *log)
{
	struct pb_extent *extent;

	lockdep_assert_held(log->lock);
	if (!log->deposed)
		return;
	log->deposed = false;
	list_for_each_entry(extent, &log->unflushed, node)
		extent->stamp = log->stamp;
}

bool pb_log_covers(struct pb_log *log, u64 stamp)
{
	struct pb_extent *extent;

	lockdep_assert_held(log->lock);
	extent = list_first_entry_or_null(&log->unflushed, struct pb_extent,
					  node);
	return extent && extent->stamp <= stamp;
}

void pb_log_flush_failed(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	log->flushing = false;
}

void pb_log_visit_unflushed(struct pb_log *log,
			       void (*fn)(void *arg, u64 sector, u64 count),
			       void *arg)
{
	unsigned int shift = log->super->extent_shift;
	u64 size = 1ULL << (shift - PART_SHIFT);
	struct pb_extent *extent;
	unsigned long part;
	u64 parts;

	lockdep_assert_held(log->lock);
	list_for_each_entry(extent, &log->unflushed, node) {
		for (parts = extent->parts; parts; parts &= parts - 1) {
			part = __ffs64(parts);
			fn(arg, ((u64)extent->lc.lc_number << shift) +
			   part * size, size);
		}
	}
}

bool pb_log_idle(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	return list_empty(&log->waiting) && list_empty(&log->lc->to_be_changed);
}

/* Moves to @ready what may begin once the next record is durable. */
static void gather(struct pb_log *log, struct list_head *ready)
{
	struct pb_log_wait *wait;

	lockdep_assert_held(log->lock);
	while (!list_empty(&log->waiting)) {
		wait = list_first_entry(&log->waiting, struct pb_log_wait, node);
		if (!take_any(log, wait))
			return;
		list_move_tail(&wait->node, ready);
	}
}

static bool out_of_slots(struct pb_log *log)
{
	lockdep_assert_held(log->lock);
	return !list_empty(&log->waiting) &&
	       list_empty(&log->lc->to_be_changed);
}

/* Describes the changes; returns how many extents go cold by them. */
static unsigned int describe(struct pb_log *log, u32 *evicted)
{
	struct pb_record *record = log->record;
	struct lc_element *e;
	unsigned int nr = 0;

	lockdep_assert_held(log->lock);
	record->nr_updates = 0;
	list_for_each_entry(e, &log->lc->to_be_changed, list) {
		record->updates[record->nr_updates].slot = e->lc_index;
		record->updates[record->nr_updates].extent = e->lc_new_number;
		record->nr_updates++;
		if (e->lc_number != LC_FREE)
			evicted[nr++] = e->lc_number;
	}
	return nr;
}

/* The record's own changes, and the next stretch of the whole mapping. */
static void complete_record(struct pb_log *log)
{
	struct pb_record *record = log->record;
	u32 i;

	for (i = 0; i < record->nr_updates; i++)
		log->map[record->updates[i].slot] = record->updates[i].extent;
	record->epoch = log->super->log_epoch;
	record->seq = ++log->seq;
	memcpy(record->replica, log->super->replica, PB_UUID_LEN);
	pb_record_set_context(record, log->map, log->super->log_slots);
}

static sector_t log_sector(const struct pb_log *log)
{
	u32 block = pb_record_block(log->seq, log->super->log_blocks);

	return pb_layout_log_sector(block);
}

static int evict(struct pb_log *log, const u32 *evicted, unsigned int nr)
{
	if (!nr)
		return 0;
	pb_crash_point(PB_CRASH_LOG_EVICT);
	return log->ops->evict(log, evicted, nr);
}

static int write_record(struct pb_log *log, const u32 *evicted, unsigned int nr)
{
	int ret = evict(log, evicted, nr);

	if (ret)
		return ret;
	complete_record(log);
	pb_record_pack(log->record, log->block);
	pb_stat_inc(log->stats, PB_CNT_LOG_RECORDS);
	pb_crash_point(PB_CRASH_LOG_RECORD);
	ret = pb_meta_write_block(log->meta, log_sector(log), log->block);
	if (ret)
		return ret;
	pb_crash_point(PB_CRASH_LOG_DURABLE);
	if (!pb_record_block(log->seq, log->super->log_blocks))
		pb_crash_point(PB_CRASH_LOG_WRAP);
	return 0;
}

static void let_go(struct pb_log *log, struct list_head *list,
		   void (*how)(struct pb_log *log, struct pb_log_wait *wait))
{
	struct pb_log_wait *wait, *next;

	list_for_each_entry_safe(wait, next, list, node) {
		list_del_init(&wait->node);
		how(log, wait);
	}
}

/* No record, no local leg: whoever waits has failed, and who comes later. */
static void fail_log(struct pb_log *log, struct list_head *ready, int error)
{
	bool first;

	spin_lock_irq(log->lock);
	first = !log->failed;
	log->failed = true;
	list_splice_tail_init(&log->waiting, ready);
	spin_unlock_irq(log->lock);
	if (first)
		log->ops->fault(log, error);
	let_go(log, ready, log->ops->fail);
}

/* One record, for as many as wait and as fit; false if there is nothing to do. */
static bool work_once(struct pb_log *log)
{
	u32 evicted[PB_RECORD_MAX_UPDATES];
	unsigned int nr;
	LIST_HEAD(ready);
	LIST_HEAD(rejected);
	bool changes;
	int ret = 0;

	spin_lock_irq(log->lock);
	list_splice_init(&log->rejected, &rejected);
	if (log->failed) {
		spin_unlock_irq(log->lock);
		let_go(log, &rejected, log->ops->fail);
		fail_log(log, &ready, 0);
		return false;
	}
	gather(log, &ready);
	if (out_of_slots(log))
		want_flush(log);
	nr = describe(log, evicted);
	changes = log->record->nr_updates;
	spin_unlock_irq(log->lock);
	let_go(log, &rejected, log->ops->fail);
	if (changes)
		ret = write_record(log, evicted, nr);
	if (ret) {
		fail_log(log, &ready, ret);
		return false;
	}
	spin_lock_irq(log->lock);
	lc_committed(log->lc);
	spin_unlock_irq(log->lock);
	let_go(log, &ready, log->ops->begin);
	return changes;
}

static void log_work(struct work_struct *work)
{
	struct pb_log *log = container_of(work, struct pb_log, work);

	while (work_once(log))
		cond_resched();
}

/* Under the lock, so that nobody looks for an extent meanwhile. */
static void empty(struct pb_log *log)
{
	u32 slots = log->super->log_slots, i;

	lockdep_assert_held(log->lock);
	lc_reset(log->lc);
	for (i = 0; i < slots; i++)
		INIT_LIST_HEAD(&to_extent(lc_element_by_index(log->lc, i))->node);
	INIT_LIST_HEAD(&log->unflushed);
	memset(log->map, 0xff, slots * sizeof(*log->map));
	log->nr_unflushed = 0;
	log->flushing = false;
	log->deposed = false;
	log->seq = 0;
}

void pb_log_start(struct pb_log *log)
{
	flush_work(&log->work);
	spin_lock_irq(log->lock);
	WARN_ON_ONCE(!pb_log_idle(log));
	empty(log);
	spin_unlock_irq(log->lock);
}

/* lru_cache hands out free slots from the last to the first. */
static bool restore_slot(struct pb_log *log, u32 slot, u32 label)
{
	struct lc_element *e = lc_get_cumulative(log->lc, label);

	if (log->lc->pending_changes == log->lc->max_pending_changes || !slot)
		lc_committed(log->lc);
	return e && e->lc_index == slot;
}

/* A slot that was free had a label that no extent has. */
static void free_slot(struct pb_log *log, u32 slot)
{
	struct lc_element *e = lc_element_by_index(log->lc, slot);

	lc_put(log->lc, e);
	lc_del(log->lc, e);
}

static bool restore_all(struct pb_log *log, const u32 *map)
{
	u32 nobody = pb_layout_extents(log->super);
	u32 slot;

	lockdep_assert_held(log->lock);
	for (slot = log->super->log_slots; slot-- > 0;)
		if (!restore_slot(log, slot, map[slot] == PB_RECORD_NO_EXTENT ?
				  nobody + slot : map[slot]))
			return false;
	return true;
}

static void restore_states(struct pb_log *log, const u32 *map)
{
	struct lc_element *e;
	u32 slot;

	lockdep_assert_held(log->lock);
	for (slot = 0; slot < log->super->log_slots; slot++) {
		log->map[slot] = map[slot];
		if (map[slot] == PB_RECORD_NO_EXTENT) {
			free_slot(log, slot);
			continue;
		}
		e = lc_element_by_index(log->lc, slot);
		mark_unflushed(log, to_extent(e), ~0ULL, log->stamp);
	}
}

int pb_log_restore(struct pb_log *log, const u32 *map, u64 last)
{
	int ret = 0;

	spin_lock_irq(log->lock);
	if (restore_all(log, map)) {
		restore_states(log, map);
		log->seq = last;
	} else {
		lc_committed(log->lc);
		empty(log);
		ret = -EUCLEAN;
	}
	spin_unlock_irq(log->lock);
	return ret;
}

int pb_log_init(struct pb_log *log)
{
	u32 slots = log->super->log_slots;

	INIT_LIST_HEAD(&log->waiting);
	INIT_LIST_HEAD(&log->rejected);
	INIT_WORK(&log->work, log_work);
	log->stamp = PB_LOG_NOTHING + 1;
	log->lc = lc_create("pb", extent_cache, PB_RECORD_MAX_UPDATES, slots,
			    sizeof(struct pb_extent),
			    offsetof(struct pb_extent, lc));
	log->map = kvcalloc(slots, sizeof(*log->map), GFP_KERNEL);
	log->record = kzalloc(sizeof(*log->record), GFP_KERNEL);
	log->block = (void *)get_zeroed_page(GFP_KERNEL);
	if (!log->lc || !log->map || !log->record || !log->block)
		return -ENOMEM;
	spin_lock_irq(log->lock);
	empty(log);
	spin_unlock_irq(log->lock);
	return 0;
}

void pb_log_exit(struct pb_log *log)
{
	free_page((unsigned long)log->block);
	kfree(log->record);
	kvfree(log->map);
	if (log->lc)
		lc_destroy(log->lc);
}

int __init pb_log_module_init(void)
{
	extent_cache = KMEM_CACHE(pb_extent, 0);
	return extent_cache ? 0 : -ENOMEM;
}

void pb_log_module_exit(void)
{
	kmem_cache_destroy(extent_cache);
}
