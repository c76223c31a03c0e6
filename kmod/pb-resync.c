// SPDX-License-Identifier: GPL-2.0
/*
 * State transfer, the decisions of both ends.
 *
 * The predecessor decides what has to be copied: what its dirty map of the
 * successor says, if both superblocks prove that the map has all the successor
 * lacks, and everything else if not.  The successor names what of its data may
 * be another than the predecessor knows of, because it crashed or was primary:
 * the extents of its activity log.  It forgets them only when they are durable
 * in the predecessor's map, and its own superblock says that it is not to be
 * trusted before the first block is written to it.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "pb-crash.h"
#include "pb-device.h"

#define DM_MSG_PREFIX "pb"

/* How long a replica waits for its own disk before it gives the link up. */
#define IDLE_MS		5000

/* The predecessor */

static const u8 *successor(struct pb_device *pb)
{
	return pb->down.member.replica;
}

static void emit(struct pb_device *pb, u32 type, const char *text)
{
	pb_event_emit(&pb->ioc_dev, type, pb->super.view.number, successor(pb),
		      0, "%s", text);
	pb_device_table_event(pb);
}

/* Has the map all that the successor lacks, but for what it will mark? */
static bool map_is_proof(struct pb_device *pb, int slot)
{
	const struct pb_data_id *data = &pb->down.data;
	const struct pb_super_peer *peer;

	if (slot < 0 || data->marks == PB_MARKS_ALL)
		return false;
	peer = &pb->super.peers[slot];
	/* Its disk is older than what we saw of it: an image brought back. */
	if (pb_incarnation_older(pb->down.incarnation, peer->incarnation))
		return false;
	if (data->state == PB_REPLICA_SYNCING)
		return (peer->flags & PB_DISK_PEER_STARTED) &&
		       !memcmp(data->sync_source, pb->super.replica,
			       PB_UUID_LEN);
	/* It need not have entered a view in which we never met it. */
	return data->state == PB_REPLICA_STALE && data->data_view &&
	       data->data_view >= peer->met_view &&
	       data->data_view <= peer->base_view;
}

/* Stores a superblock whose peers have changed. */
static int store(struct pb_device *pb, struct pb_super *super)
{
	u64 epoch = pb->super.log_epoch;
	int ret = pb_device_store(pb, super);

	if (ret)
		pb_peers_abort(&pb->peers);
	else
		pb_durable_commit(pb, epoch);
	return ret;
}

/* Everything is to be copied: a new map, all of it dirty. */
static int begin_full(struct pb_device *pb)
{
	struct pb_super super = pb->super;
	int slot = pb_durable_take_slot(pb, &super, successor(pb));
	int ret;

	if (slot < 0)
		return slot;
	ret = pb_peers_prepare(&pb->peers, slot);
	if (ret)
		return ret;
	pb_map_fill(&pb->peers.next[slot]);
	ret = store(pb, &super);
	if (ret)
		return ret;
	DMINFO("%s: %s gets a full copy", pb->super.name, pb->down.member.name);
	return slot;
}

/* Neither end was set up again since the successor was told to go. */
static bool continues(struct pb_device *pb)
{
	return pb->go_view == pb->super.view.number &&
	       pb->go_incarnation == pb->down.incarnation;
}

static int decide(struct pb_device *pb)
{
	int slot = pb_durable_slot(&pb->super, successor(pb));
	bool proof = map_is_proof(pb, slot);

	if (!proof)
		slot = begin_full(pb);
	if (slot < 0)
		return slot;
	pb->sync.slot = slot;
	pb_crash_point(PB_CRASH_SYNC_DECIDED);
	if (pb_chunks_alloc(&pb->sync.chunks))
		return -ENOMEM;
	if (proof && continues(pb)) {
		pb_sync_copy(&pb->sync);
		return 0;
	}
	spin_lock_irq(&pb->path.lock);
	pb_map_crashed(&pb->peers.maps[slot]);
	spin_unlock_irq(&pb->path.lock);
	if (proof && pb->down.data.marks != PB_MARKS_NONE)
		pb_sync_say(&pb->sync, PB_WIRE_SYNC_BEGIN);
	else
		pb_sync_marked(&pb->sync);
	return 0;
}

int pb_resync_marked(struct pb_device *pb, const struct pb_msg *msg)
{
	if (READ_ONCE(pb->sync.state) != PB_SYNC_BEGIN)
		return -EPROTO;
	spin_lock_irq(&pb->path.lock);
	pb_peers_mark(&pb->peers, BIT(pb->sync.slot), msg->sector, msg->count);
	spin_unlock_irq(&pb->path.lock);
	return 0;
}

/* The map is durable before the successor forgets what it has marked. */
static int store_marks(struct pb_device *pb)
{
	struct pb_super super = pb->super;
	struct pb_super_peer *peer = &super.peers[pb->sync.slot];
	int ret;

	ret = pb_peers_store(&pb->peers, BIT(pb->sync.slot), 0, 0);
	if (ret) {
		WRITE_ONCE(pb->meta_error, ret);
		return ret;
	}
	pb_crash_point(PB_CRASH_MARKS_STORED);
	peer->incarnation = pb->down.incarnation;
	peer->flags |= PB_DISK_PEER_STARTED;
	ret = store(pb, &super);
	if (ret)
		return ret;
	pb_crash_point(PB_CRASH_SYNC_STARTED);
	pb_sync_say(&pb->sync, PB_WIRE_SYNC_GO);
	return 0;
}

static void go(struct pb_device *pb)
{
	pb->go_view = pb->super.view.number;
	pb->go_incarnation = pb->down.incarnation;
	pb_crash_point(PB_CRASH_SYNC_GO);
	emit(pb, PB_EVENT_SYNC_BEGIN, "state transfer to the backup begins");
	pb_sync_copy(&pb->sync);
}

/* From here on no write is acked without the successor; a crash keeps that. */
static int arm(struct pb_device *pb)
{
	struct pb_super super = pb->super;
	int ret = 0;

	pb->sync.slot = max(0, pb_durable_slot(&super, successor(pb)));
	super.waits_view = super.view.number;
	pb_durable_meet(&super, successor(pb), pb->down.incarnation);
	pb_crash_point(PB_CRASH_SYNC_ARMING);
	if (pb->super.waits_view != super.waits_view)
		ret = pb_device_store(pb, &super);
	if (ret)
		return ret;
	/* The successor was copied from this disk as the crash left it. */
	pb->crashed = false;
	pb_crash_point(PB_CRASH_SYNC_ARMED);
	pb_sync_say(&pb->sync, PB_WIRE_SYNC_DONE);
	return 0;
}

static int turn(struct pb_device *pb)
{
	switch (READ_ONCE(pb->sync.state)) {
	case PB_SYNC_DECIDE:
		return decide(pb);
	case PB_SYNC_MARKED:
		return store_marks(pb);
	case PB_SYNC_GO:
		go(pb);
		return 0;
	case PB_SYNC_ARM:
		return arm(pb);
	case PB_SYNC_SYNCED:
		pb_crash_point(PB_CRASH_SYNC_DONE);
		emit(pb, PB_EVENT_SYNC_DONE, "the backup is synced");
		/* A disk that is failing may be done without from here on. */
		pb_fault_kick(pb);
		return 0;
	default:
		return 0;
	}
}

static void sync_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device, sync_work);
	unsigned int noio;
	int ret = 0;

	mutex_lock(&pb->ctl_mutex);
	/* Who frees memory may be writing to this very volume. */
	noio = memalloc_noio_save();
	if (pb->down.conn && !pb->gone && pb->role == PB_ROLE_PRIMARY)
		ret = turn(pb);
	memalloc_noio_restore(noio);
	/* The next connection tries again. */
	if (ret)
		pb_conn_fail(pb->down.conn, PB_BYE_RESTARTED, true,
			     "the state transfer cannot go on: error %d", -ret);
	pb_role_stop(pb);
	mutex_unlock(&pb->ctl_mutex);
}

static void on_state(struct pb_sync *sync)
{
	struct pb_device *pb = container_of(sync, struct pb_device, sync);

	queue_work(pb->ctl_wq, &pb->sync_work);
}

static void on_progress(struct pb_sync *sync, u32 percent)
{
	struct pb_device *pb = container_of(sync, struct pb_device, sync);

	pb_event_emit(&pb->ioc_dev, PB_EVENT_SYNC_PROGRESS,
		      READ_ONCE(pb->super.view.number), successor(pb), 0,
		      "%u %% are copied", percent);
}

static void on_sync_fault(struct pb_sync *sync, int error)
{
	struct pb_device *pb = container_of(sync, struct pb_device, sync);

	WRITE_ONCE(pb->meta_error, error);
	queue_work(pb->ctl_wq, &pb->link_work);
}

void pb_resync_link_down(struct pb_device *pb)
{
	lockdep_assert_held(&pb->ctl_mutex);
	/* Once writes wait for it, the path goes on by itself. */
	if (!READ_ONCE(pb->path.needs_ack))
		pb_sync_stop(&pb->sync);
}

/* The successor */

/**
 * struct mark_list - marks being collected
 * @marks: room for @room, or NULL to count only
 * @nr: how many there are
 * @room: how many fit
 * @end: of the volume
 */
struct mark_list {
	struct pb_mark	*marks;
	u32		nr;
	u32		room;
	u64		end;
};

static void collect(void *arg, u64 sector, u64 count)
{
	struct mark_list *list = arg;
	struct pb_mark *last = NULL;

	if (sector >= list->end)
		return;
	count = min(count, list->end - sector);
	if (list->marks && list->nr)
		last = &list->marks[min(list->nr, list->room) - 1];
	if (last && last->sector + last->count == sector &&
	    last->count + count <= PB_WIRE_MAX_ZEROES) {
		last->count += count;
		return;
	}
	if (list->marks && list->nr < list->room)
		list->marks[list->nr] = (struct pb_mark){ sector, count };
	list->nr++;
}

static u32 collect_marks(struct pb_device *pb, struct pb_mark *marks, u32 room)
{
	struct mark_list list = {
		.marks = marks,
		.room = room,
		.end = pb->super.data_sectors,
	};

	pb_path_visit_doubtful(&pb->path, collect, &list);
	return list.nr;
}

/* Whom it met last is another than who asks: what it holds may be their own. */
static bool was_elsewhere(const struct pb_super *super, const u8 *peer)
{
	return super->met_view && memcmp(super->met_replica, peer, PB_UUID_LEN);
}

void pb_resync_describe(struct pb_device *pb, const u8 *peer,
			struct pb_data_id *data)
{
	data->state = pb->super.replica_state;
	data->data_view = was_elsewhere(&pb->super, peer) ? 0 :
			  pb->super.data_view;
	data->sync_view = pb->super.sync_view;
	memcpy(data->sync_source, pb->super.sync_source, PB_UUID_LEN);
	if (pb->doubt_all)
		data->marks = PB_MARKS_ALL;
	else if (collect_marks(pb, NULL, 0))
		data->marks = PB_MARKS_SOME;
	else
		data->marks = PB_MARKS_NONE;
}

static bool from_predecessor(struct pb_device *pb)
{
	return !memcmp(pb->super.sync_source, pb->up.member.replica,
		       PB_UUID_LEN);
}

bool pb_resync_takes(struct pb_device *pb, const struct pb_msg *msg)
{
	u32 state = READ_ONCE(pb->super.replica_state);

	/* Until it has begun anew the log must not see a write. */
	if (READ_ONCE(pb->apply.word) && pb->word != PB_WIRE_SYNC_DONE &&
	    pb->word != PB_WIRE_SIZE)
		return false;
	switch (msg->type) {
	case PB_WIRE_SYNC_BEGIN:
	case PB_WIRE_SYNC_GO:
		return state != PB_REPLICA_SYNCED;
	case PB_WIRE_SIZE:
		return true;
	case PB_WIRE_WRITE:
		/* Beyond what this disk knows as the volume's: zeroes only. */
		if (msg->sector + msg->count > READ_ONCE(pb->super.data_sectors))
			return false;
		fallthrough;
	default:
		return state == PB_REPLICA_SYNCED ||
		       (state == PB_REPLICA_SYNCING && from_predecessor(pb));
	}
}

static int send_marks(struct pb_device *pb)
{
	/* Nothing is written here before the transfer: they do not change. */
	u32 nr = collect_marks(pb, NULL, 0), room;
	struct pb_mark *marks;

	marks = kvmalloc_array(nr + 1, sizeof(*marks), GFP_KERNEL);
	if (!marks)
		return -ENOMEM;
	room = nr;
	nr = collect_marks(pb, marks, room);
	/* More than there were: something is being written, against the rules. */
	if (nr > room) {
		kvfree(marks);
		return -EBUSY;
	}
	pb_apply_send_marks(&pb->apply, marks, nr);
	return 0;
}

/* The log begins anew: what it said so far is in the predecessor's map. */
static int become_syncing(struct pb_device *pb)
{
	u64 epoch = pb->super.log_epoch;
	struct pb_super super = pb->super;
	int ret;

	/* Of a primary that was deposed writes may still be on their way. */
	if (!wait_event_timeout(pb->path.idle_wait, pb_path_idle(&pb->path),
				msecs_to_jiffies(IDLE_MS)))
		return -EBUSY;
	super.replica_state = PB_REPLICA_SYNCING;
	memcpy(super.sync_source, pb->up.member.replica, PB_UUID_LEN);
	super.sync_view = super.view.number;
	super.log_epoch = super.next_epoch++;
	super.flags |= PB_DISK_ACTIVE;
	pb_crash_point(PB_CRASH_SYNCING_BEGIN);
	ret = pb_device_store(pb, &super);
	if (ret)
		return ret;
	pb_crash_point(PB_CRASH_SYNCING_STORED);
	pb_durable_commit(pb, epoch);
	return 0;
}

static int become_synced(struct pb_device *pb)
{
	struct pb_super super = pb->super;
	int ret;

	if (super.replica_state == PB_REPLICA_SYNCED)
		return 0;
	ret = blkdev_issue_flush(pb->data);
	if (ret) {
		pb_fault_backup(pb, "flush", 0, errno_to_blk_status(ret));
		return ret;
	}
	pb_crash_point(PB_CRASH_SYNCED_FLUSHED);
	super.replica_state = PB_REPLICA_SYNCED;
	super.data_view = super.view.number;
	pb_durable_meet(&super, pb->up.member.replica,
			pb->apply.peer_incarnation);
	memset(super.sync_source, 0, PB_UUID_LEN);
	super.sync_view = 0;
	ret = pb_device_store(pb, &super);
	if (ret)
		return ret;
	pb_crash_point(PB_CRASH_SYNCED_STORED);
	pb->crashed = false;
	DMINFO("%s: synced in view %llu", pb->super.name,
	       pb->super.view.number);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_SYNC_DONE, pb->super.view.number,
		      pb->up.member.replica, 0, "this replica is synced");
	pb_device_table_event(pb);
	return 0;
}

static int obey(struct pb_device *pb)
{
	switch (pb->word) {
	case PB_WIRE_SYNC_BEGIN:
		pb_crash_point(PB_CRASH_MARKS_ASKED);
		return send_marks(pb);
	case PB_WIRE_SYNC_GO:
		return become_syncing(pb);
	case PB_WIRE_SIZE:
		return pb_resize_obey(pb, pb->word_size);
	default:
		return become_synced(pb);
	}
}

static void word_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device, word_work);
	int ret;

	mutex_lock(&pb->ctl_mutex);
	/* The connection it came through may have gone, and the word with it. */
	if (!pb->apply.word)
		goto out_unlock;
	ret = obey(pb);
	pb_apply_word_done(&pb->apply, !ret);
	if (ret)
		pb_conn_fail(pb->up.conn, PB_BYE_RESTARTED, true,
			     "what the predecessor said cannot be done: error %d",
			     -ret);
	pb_role_stop(pb);
out_unlock:
	mutex_unlock(&pb->ctl_mutex);
}

void pb_resync_word(struct pb_apply *apply, const struct pb_msg *msg)
{
	struct pb_device *pb = container_of(apply, struct pb_device, apply);

	pb->word = msg->type;
	pb->word_size = msg->sector;
	queue_work(pb->ctl_wq, &pb->word_work);
}

void pb_resync_init(struct pb_device *pb)
{
	pb->sync.path = &pb->path;
	pb->sync.peers = &pb->peers;
	pb->sync.chunks.bdev = pb->data;
	pb->sync.chunks.wq = pb->sync_wq;
	pb->sync.stats = pb->stats;
	pb->sync.on_state = on_state;
	pb->sync.on_progress = on_progress;
	pb->sync.on_fault = on_sync_fault;
	pb->sync.on_unreadable = pb_fault_chunk;
	pb_sync_init(&pb->sync);
	INIT_WORK(&pb->sync_work, sync_work);
	INIT_WORK(&pb->word_work, word_work);
}
