// SPDX-License-Identifier: GPL-2.0
/*
 * The activity log and the dirty maps of a device: who is tracked in which
 * view, and what the log needs of the rest.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pb-crash.h"
#include "pb-device.h"
#include "pb-layout.h"

#define DM_MSG_PREFIX "pb"

static int fail(char **error, int err, char *text)
{
	*error = text;
	return err;
}

static struct pb_device *of_log(struct pb_log *log)
{
	return container_of(log, struct pb_device, log);
}

/* Extents go cold: what is known of their regions must be on the disk. */
static int log_evict(struct pb_log *log, const u32 *extents, unsigned int nr)
{
	struct pb_device *pb = of_log(log);
	unsigned int shift = pb->super.extent_shift, i;
	int ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = pb_peers_store(&pb->peers, READ_ONCE(pb->peers.used),
				     (u64)extents[i] << shift, 1ULL << shift);
	return ret;
}

static void end_local(struct pb_log *log, struct pb_req *req,
		      blk_status_t status)
{
	if (pb_path_local_done(&of_log(log)->path, req, status))
		req->source->complete(req, req->status);
}

static void log_begin(struct pb_log *log, struct pb_log_wait *wait)
{
	struct pb_req *req = container_of(wait, struct pb_req, log);

	pb_crash_point(PB_CRASH_WRITE_LOGGED);
	/* Who waited while the disk died has nothing to write here. */
	if (READ_ONCE(of_log(log)->path.disk) == PB_OWN_DEAD)
		end_local(log, req, BLK_STS_OK);
	else
		req->source->submit(req);
}

static void log_fail(struct pb_log *log, struct pb_log_wait *wait)
{
	struct pb_req *req = container_of(wait, struct pb_req, log);
	blk_status_t status = BLK_STS_AGAIN;

	if (READ_ONCE(of_log(log)->path.disk) == PB_OWN_DEAD)
		status = BLK_STS_OK;
	else if (log->failed)
		status = BLK_STS_IOERR;
	end_local(log, req, status);
}

/* Under the path's lock, so the flush itself begins in a work. */
static void log_flush(struct pb_log *log)
{
	struct pb_device *pb = of_log(log);

	queue_work(pb->io_wq, &pb->flush_work);
}

static void log_fault(struct pb_log *log, int error)
{
	struct pb_device *pb = of_log(log);

	WRITE_ONCE(pb->meta_error, error);
	queue_work(pb->ctl_wq, &pb->link_work);
}

static const struct pb_log_ops log_ops = {
	.begin	= log_begin,
	.fail	= log_fail,
	.evict	= log_evict,
	.flush	= log_flush,
	.fault	= log_fault,
};

/*
 * The log may have asked for another one since this one ended; who waits for
 * one that failed fails as it did.  Under the lock, so that pb_durable_stop()
 * sees that work.
 */
static void flush_done(struct pb_own_flush *flush, blk_status_t status)
{
	struct pb_device *pb = container_of(flush, struct pb_device, flush);
	unsigned long flags;

	pb_crash_point(PB_CRASH_LOG_FLUSHED);
	spin_lock_irqsave(&pb->path.lock, flags);
	clear_and_wake_up_bit(0, &flush->busy);
	if (status) {
		pb_path_fail_waiting(&pb->path, status);
		pb_log_flush_failed(&pb->log);
	} else if (pb->log.flushing) {
		queue_work(pb->io_wq, &pb->flush_work);
	}
	spin_unlock_irqrestore(&pb->path.lock, flags);
}

static void flush_refused(struct pb_device *pb)
{
	spin_lock_irq(&pb->path.lock);
	pb_log_flush_failed(&pb->log);
	spin_unlock_irq(&pb->path.lock);
	clear_and_wake_up_bit(0, &pb->flush.busy);
}

/* What a backup's flush covers is up to what the primary has done. */
static u64 flush_stamp(struct pb_device *pb)
{
	return pb->role == PB_ROLE_PRIMARY ? 0 : pb_apply_stamp(&pb->apply);
}

static bool covers_something(struct pb_device *pb, u64 stamp)
{
	bool covers;

	spin_lock_irq(&pb->path.lock);
	covers = pb_log_covers(&pb->log, stamp);
	spin_unlock_irq(&pb->path.lock);
	return covers;
}

void pb_durable_kick(struct pb_device *pb)
{
	if (READ_ONCE(pb->log.flushing))
		queue_work(pb->io_wq, &pb->flush_work);
}

static void log_flush_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device, flush_work);
	u64 stamp = flush_stamp(pb);

	/* Once the predecessor has told more it is tried again. */
	if (stamp && !covers_something(pb, stamp))
		return;
	if (test_and_set_bit_lock(0, &pb->flush.busy))
		return;
	if (pb_own_flush(&pb->flush, stamp))
		flush_refused(pb);
}

/* Reads the ring; what cannot be read is noted. */
static void read_ring(struct pb_device *pb, void *ring, unsigned long *unreadable)
{
	void *block = pb->log.block;
	u32 i;

	for (i = 0; i < pb->super.log_blocks; i++) {
		if (pb_meta_read_block(&pb->meta, pb_layout_log_sector(i), block))
			__set_bit(i, unreadable);
		else
			memcpy(ring + i * PB_DISK_BLOCK, block, PB_DISK_BLOCK);
	}
}

static int recover_from(struct pb_device *pb, void *ring,
			unsigned long *unreadable, u32 *map,
			struct pb_record *record)
{
	const char *why = "";
	u64 last;
	int ret;

	if (!ring || !unreadable || !map || !record)
		return -ENOMEM;
	read_ring(pb, ring, unreadable);
	ret = pb_record_recover(&pb->super, ring, unreadable, map, record,
				&last, &why);
	if (!ret)
		ret = pb_log_restore(&pb->log, map, last);
	if (!ret)
		return 0;
	DMWARN("%s: %s: any block may differ from the other members'",
	       pb->super.name, why);
	pb->crashed = true;
	pb->doubt_all = true;
	return 0;
}

/* Takes the hot extents of before over. */
static int recover(struct pb_device *pb)
{
	u32 blocks = pb->super.log_blocks;
	unsigned long *unreadable = bitmap_zalloc(blocks, GFP_KERNEL);
	void *ring = vzalloc(array_size(blocks, PB_DISK_BLOCK));
	u32 *map = kvcalloc(pb->super.log_slots, sizeof(*map), GFP_KERNEL);
	struct pb_record *record = kzalloc(sizeof(*record), GFP_KERNEL);
	int ret;

	ret = recover_from(pb, ring, unreadable, map, record);
	kfree(record);
	kvfree(map);
	vfree(ring);
	bitmap_free(unreadable);
	return ret;
}

static int load_maps(struct pb_device *pb)
{
	u32 slot;
	int ret;

	for (slot = 0; slot < PB_DISK_MAX_PEERS; slot++) {
		if (pb_uuid_zero(pb->super.peers[slot].replica))
			continue;
		ret = pb_peers_load(&pb->peers, slot);
		if (ret)
			return ret;
	}
	return 0;
}

int pb_durable_init(struct pb_device *pb, char **error)
{
	int ret;

	pb->log.lock = &pb->path.lock;
	pb->log.ops = &log_ops;
	pb->log.meta = &pb->meta;
	pb->log.super = &pb->super;
	pb->log.wq = pb->log_wq;
	pb->log.stats = pb->stats;
	pb->peers.lock = &pb->path.lock;
	pb->peers.meta = &pb->meta;
	pb->peers.super = &pb->super;
	pb->path.log = &pb->log;
	pb->path.peers = &pb->peers;
	pb->flush.path = &pb->path;
	pb->flush.bdev = pb->data;
	pb->flush.done = flush_done;
	INIT_WORK(&pb->flush_work, log_flush_work);
	ret = pb_log_init(&pb->log);
	if (!ret)
		ret = pb_peers_init(&pb->peers);
	if (!ret)
		ret = load_maps(pb);
	if (!ret)
		ret = recover(pb);
	return ret ? fail(error, ret, "out of memory") : 0;
}

static void end_flush(struct pb_device *pb)
{
	cancel_work_sync(&pb->flush_work);
	wait_on_bit(&pb->flush.busy, 0, TASK_UNINTERRUPTIBLE);
	/* Whoever cleared the bit is out of the lock then. */
	spin_lock_irq(&pb->path.lock);
	spin_unlock_irq(&pb->path.lock);
}

void pb_durable_stop(struct pb_device *pb)
{
	end_flush(pb);
	/* Its end may have begun one more; nobody asks for another. */
	end_flush(pb);
	flush_work(&pb->log.work);
}

void pb_durable_exit(struct pb_device *pb)
{
	pb_peers_exit(&pb->peers);
	pb_log_exit(&pb->log);
}

int pb_durable_slot(const struct pb_super *super, const u8 *replica)
{
	u32 slot;

	for (slot = 0; slot < super->nr_maps; slot++)
		if (!memcmp(super->peers[slot].replica, replica, PB_UUID_LEN))
			return slot;
	return -1;
}

/* Was a member of a view one that held every acknowledged write in its end? */
static bool was_synced(const struct pb_super *super, u32 index, u8 self)
{
	const struct pb_view *view = &super->view;

	return (view->members[index].flags & PB_MEMBER_SYNCED) ||
	       (super->waits_view == view->number && index == self + 1U);
}

static bool is_synced_in(const struct pb_view *view, const u8 *replica)
{
	u8 index = pb_view_index(view, replica);

	return index != PB_NO_MEMBER &&
	       (view->members[index].flags & PB_MEMBER_SYNCED);
}

static int find_place(const struct pb_super *super, const struct pb_view *view)
{
	static const u8 nobody[PB_UUID_LEN];
	int slot = pb_durable_slot(super, nobody), best = -1;
	u32 i;

	if (slot >= 0)
		return slot;
	for (i = 0; i < super->nr_maps; i++) {
		if (pb_view_index(view, super->peers[i].replica) != PB_NO_MEMBER)
			continue;
		if (best < 0 || super->peers[i].base_view <
				super->peers[best].base_view)
			best = i;
	}
	return best < 0 ? -ENOSPC : best;
}

static int take_slot(struct pb_super *super, const struct pb_view *view,
		     const u8 *replica, u64 base_view)
{
	int slot = pb_durable_slot(super, replica);
	struct pb_super_peer *peer;
	u64 seen = 0;

	if (slot >= 0)
		seen = super->peers[slot].incarnation;
	else
		slot = find_place(super, view);
	if (slot < 0)
		return slot;
	peer = &super->peers[slot];
	memset(peer, 0, sizeof(*peer));
	peer->incarnation = seen;
	memcpy(peer->replica, replica, PB_UUID_LEN);
	peer->base_view = base_view;
	peer->met_view = base_view;
	if (base_view && !memcmp(super->met_replica, replica, PB_UUID_LEN)) {
		peer->met_view = super->met_view;
		peer->incarnation = super->met_incarnation;
	}
	peer->epoch = super->next_epoch++;
	return slot;
}

int pb_durable_take_slot(struct pb_device *pb, struct pb_super *super,
			 const u8 *replica)
{
	lockdep_assert_held(&pb->ctl_mutex);
	return take_slot(super, &super->view, replica, 0);
}

void pb_durable_meet(struct pb_super *super, const u8 *replica,
		     u64 incarnation)
{
	super->met_view = super->view.number;
	super->met_incarnation = incarnation;
	memcpy(super->met_replica, replica, PB_UUID_LEN);
}

/* Those who held everything so far and will not get what comes. */
static void track_lost(struct pb_device *pb, const struct pb_view *view,
		       struct pb_super *super, unsigned long *fresh)
{
	const struct pb_view *old = &pb->super.view;
	u8 self = pb_view_index(old, pb->super.replica);
	int slot;
	u32 i;

	for (i = 0; i < old->nr_members; i++) {
		const u8 *replica = old->members[i].replica;

		if (i == self || !was_synced(&pb->super, i, self) ||
		    is_synced_in(view, replica))
			continue;
		slot = take_slot(super, view, replica, old->number);
		if (slot < 0)
			continue;
		/* It may have been told that it is synced, or goes on as it was. */
		if (!(old->members[i].flags & PB_MEMBER_SYNCED))
			super->peers[slot].flags = PB_DISK_PEER_STARTED;
		*fresh |= BIT(slot);
	}
}

static void forget(struct pb_super *super, u32 slot)
{
	memset(&super->peers[slot], 0, sizeof(super->peers[slot]));
}

static int prepare_maps(struct pb_device *pb, unsigned long fresh)
{
	u32 slot;
	int ret;

	for_each_set_bit(slot, &fresh, PB_DISK_MAX_PEERS) {
		ret = pb_peers_prepare(&pb->peers, slot);
		if (ret) {
			pb_peers_abort(&pb->peers);
			return ret;
		}
	}
	return 0;
}

/*
 * Does a peer that is tracked stay so?  In a view in which this replica only
 * stands nothing is written without it.
 */
static bool keeps(const struct pb_device *pb, const struct pb_view *view,
		  const struct pb_verdict *verdict, const u8 *replica)
{
	return (verdict->role == PB_ROLE_PRIMARY ||
		verdict->role == PB_ROLE_UNCONFIRMED) && !verdict->forced &&
	       !pb->doubt_all && !is_synced_in(view, replica);
}

int pb_durable_plan(struct pb_device *pb, const struct pb_view *view,
		    const struct pb_verdict *verdict, struct pb_super *super)
{
	bool primary = verdict->role == PB_ROLE_PRIMARY;
	unsigned long fresh = 0;
	u32 slot;

	lockdep_assert_held(&pb->ctl_mutex);
	for (slot = 0; slot < super->nr_maps; slot++)
		if (!keeps(pb, view, verdict, super->peers[slot].replica))
			forget(super, slot);
	if (primary && !verdict->forced && !verdict->confirm && !pb->doubt_all)
		track_lost(pb, view, super, &fresh);
	/* Nobody is tracked, all get everything: the log can begin anew. */
	if (primary && pb->doubt_all)
		super->log_epoch = super->next_epoch++;
	return prepare_maps(pb, fresh);
}

void pb_durable_commit(struct pb_device *pb, u64 old_epoch)
{
	lockdep_assert_held(&pb->ctl_mutex);
	pb_peers_commit(&pb->peers);
	if (pb->super.log_epoch == old_epoch)
		return;
	pb->doubt_all = false;
	pb_log_start(&pb->log);
}

void pb_durable_abort(struct pb_device *pb)
{
	lockdep_assert_held(&pb->ctl_mutex);
	pb_peers_abort(&pb->peers);
}
