// SPDX-License-Identifier: GPL-2.0
/*
 * More room, and larger volumes: the decisions of both ends.
 *
 * A replica's *capacity* is what it is ready for: its data device is as large,
 * its dirty maps have blocks for it on the disk, its activity log may name its
 * extents.  It grows on each node by itself and never shrinks.  The volume's
 * *size* is one for all: the predecessor's word is the law.  It grows when the
 * primary has zeroed the new area on every member, all have flushed, the
 * successor's superblock says the new size, and then the primary's own does.
 * Who crashes before the last step has the old size or the new one, and
 * either is sound: what is new is zero on both, and nobody was told of it.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/sched/mm.h>

#include "pb-crash.h"
#include "pb-device.h"
#include "pb-layout.h"

#define DM_MSG_PREFIX "pb"

/* More room */

/*
 * What the data device has room for.  With the metadata at its end that is what
 * there was when it was set up: where the device ends now nobody would find it.
 */
static u64 device_room(struct pb_device *pb)
{
	u64 room = bdev_nr_sectors(pb->data);

	if (pb->meta_dev == pb->data)
		return pb->super.capacity_sectors;
	return room - (room & ((pb->super.block_size >> SECTOR_SHIFT) - 1));
}

static bool metadata_in_the_way(struct pb_device *pb, u64 wanted)
{
	if (pb->meta_dev != pb->data)
		return false;
	return wanted > pb->super.capacity_sectors ||
	       pb_disk_internal_start(bdev_nr_sectors(pb->data)) !=
	       pb->meta.start;
}

static int choose_size(struct pb_device *pb, u64 wanted, u64 *sectors,
		       char *reason)
{
	u64 room = device_room(pb);

	if (metadata_in_the_way(pb, wanted))
		return pb_refuse(reason, -EOPNOTSUPP,
				 "its metadata is at the end of the data device and in the way: see 'Larger volumes' in dm-pb.rst");
	*sectors = wanted ? wanted : room;
	if (*sectors > room)
		return pb_refuse(reason, -ENOSPC,
				 "the data device has room for %llu sectors only",
				 room);
	if (*sectors & ((pb->super.block_size >> SECTOR_SHIFT) - 1))
		return pb_refuse(reason, -EINVAL,
				 "the size is not a multiple of the block size");
	if (*sectors < pb->super.data_sectors)
		return pb_refuse(reason, -EINVAL,
				 "a volume cannot be made smaller: it has %llu sectors",
				 pb->super.data_sectors);
	return 0;
}

/* Where the maps will have blocks there must be zeroes, or it is damaged. */
static int wipe_maps(struct pb_device *pb, const struct pb_super *super)
{
	u64 from = pb_layout_sectors(&pb->super);
	u64 to = pb_layout_sectors(super);
	int ret = 0;

	if (to > from)
		ret = blkdev_issue_zeroout(pb->meta.bdev, pb->meta.start + from,
					   to - from, GFP_NOIO, 0);
	return ret ? ret : blkdev_issue_flush(pb->meta.bdev);
}

static int check_area(struct pb_device *pb, const struct pb_super *super,
		      char *reason)
{
	u64 area = bdev_nr_sectors(pb->meta.bdev) - pb->meta.start;
	u64 need = pb_layout_sectors(super);

	if (area >= need)
		return 0;
	return pb_refuse(reason, -ENOSPC,
			 "the metadata device has %llu sectors and needs %llu for that",
			 area, need);
}

/* The predecessor hears of it; what it sends may go there from now on. */
static void announce_capacity(struct pb_device *pb)
{
	u64 sectors = pb->super.capacity_sectors;

	if (pb->down.conn)
		pb_conn_grow(pb->down.conn, sectors);
	if (!pb->up.conn)
		return;
	pb_conn_grow(pb->up.conn, sectors);
	pb_apply_tell_capacity(&pb->apply, sectors);
}

static int grow_capacity(struct pb_device *pb, u64 sectors, char *reason)
{
	struct pb_super super = pb->super;
	const char *why = "";
	int ret;

	if (sectors <= super.capacity_sectors)
		return 0;
	ret = pb_super_grow(&super, sectors, &why);
	if (ret)
		return pb_refuse(reason, ret, "%s", why);
	ret = check_area(pb, &super, reason);
	if (ret)
		return ret;
	ret = wipe_maps(pb, &super);
	if (ret)
		return pb_refuse(reason, -EIO,
				 "cannot clear the metadata device (error %d)",
				 -ret);
	if (pb_device_store(pb, &super)) {
		pb_role_stop(pb);
		return pb_refuse(reason, -EIO,
				 "cannot write the superblock; the replica has stopped");
	}
	pb_crash_point(PB_CRASH_GROW_CAPACITY);
	announce_capacity(pb);
	DMINFO("%s: room for %llu sectors", super.name, sectors);
	return 0;
}

/* A larger volume: the primary */

/* Does the successor hold everything, and is it there and large enough? */
static int check_successor(struct pb_device *pb, u64 sectors, char *reason)
{
	struct pb_side *down = &pb->down;
	u32 sync = READ_ONCE(pb->sync.state);

	if (down->index == PB_NO_MEMBER)
		return 0;
	if (!READ_ONCE(pb->path.up))
		return pb_refuse(reason, -ENOTCONN,
				 "no connection to %s: connect, or set a view without it",
				 down->member.name[0] ? down->member.name :
				 "the backup");
	if (!READ_ONCE(pb->path.needs_ack) ||
	    (sync != PB_SYNC_OFF && sync != PB_SYNC_SYNCED))
		return pb_refuse(reason, -EBUSY,
				 "the backup is being brought up to date: wait for that");
	if (READ_ONCE(down->capacity) < sectors)
		return pb_refuse(reason, -ERANGE,
				 "%s has room for %llu sectors: first 'pbctl resize' there",
				 down->member.name[0] ? down->member.name :
				 "the backup", READ_ONCE(down->capacity));
	return 0;
}

static int start_primary(struct pb_device *pb, u64 sectors, bool zero,
			 char *reason)
{
	int ret;

	if (pb_grow_busy(&pb->grow))
		return pb_refuse(reason, -EBUSY, "a resize is under way");
	if (sectors == pb->super.data_sectors) {
		pb_grow_forget(&pb->grow);
		return 0;
	}
	if (READ_ONCE(pb->path.disk) != PB_OWN_WELL)
		return pb_refuse(reason, -EIO, "the data device of this node failed");
	ret = check_successor(pb, sectors, reason);
	if (!ret)
		ret = grow_capacity(pb, sectors, reason);
	if (ret)
		return ret;
	DMINFO("%s: growing to %llu sectors", pb->super.name, sectors);
	pb->resize_said = false;
	pb_grow_begin(&pb->grow, pb->super.data_sectors, sectors, zero);
	return 0;
}

static int cancel(struct pb_device *pb, const struct pb_ioc_resize *arg,
		  char *reason)
{
	if (arg->flags != PB_RESIZE_CANCEL || arg->data_sectors)
		return pb_refuse(reason, -EINVAL, "cancel goes with nothing else");
	if (pb_grow_cancel(&pb->grow))
		return 0;
	return pb_refuse(reason, -EALREADY,
			 pb_grow_active(READ_ONCE(pb->grow.state)) ?
			 "too late: it is about to be done" :
			 "no resize is under way");
}

static int start(struct pb_device *pb, const struct pb_ioc_resize *arg,
		 char *reason)
{
	u64 sectors;
	int ret;

	if (pb->role == PB_ROLE_FAILED)
		return pb_refuse(reason, -EIO,
				 "the metadata device failed; the replica has stopped");
	if (arg->flags & PB_RESIZE_CANCEL)
		return cancel(pb, arg, reason);
	if (arg->flags && pb->role != PB_ROLE_PRIMARY)
		return pb_refuse(reason, -EINVAL,
				 "this replica is not the primary: the flag has no meaning");
	ret = choose_size(pb, arg->data_sectors, &sectors, reason);
	if (ret)
		return ret;
	if (pb->role == PB_ROLE_PRIMARY)
		return start_primary(pb, sectors,
				     !(arg->flags & PB_RESIZE_ASSUME_ZERO),
				     reason);
	return grow_capacity(pb, sectors, reason);
}

int pb_resize_start(struct pb_device *pb, const struct pb_ioc_resize *arg,
		    char *reason)
{
	unsigned int noio;
	int ret;

	lockdep_assert_held(&pb->ctl_mutex);
	/* Who frees memory may be writing to this very volume. */
	noio = memalloc_noio_save();
	ret = start(pb, arg, reason);
	memalloc_noio_restore(noio);
	return ret;
}

/* The size is in force here from now on. */
static int store_size(struct pb_device *pb, u64 sectors)
{
	struct pb_super super = pb->super;
	int ret;

	super.data_sectors = sectors;
	pb_crash_point(PB_CRASH_GROW_STORING);
	ret = pb_device_store(pb, &super);
	if (ret)
		return ret;
	pb_crash_point(PB_CRASH_GROW_STORED);
	pb_path_set_size(&pb->path, sectors);
	DMINFO("%s: the volume has %llu sectors", super.name, sectors);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_RESIZED, super.view.number, NULL, 0,
		      "the volume has %llu sectors", sectors);
	pb_device_table_event(pb);
	return 0;
}

/* Who is tracked lacks what is new; the successor, if it acks, has it. */
static int store_maps(struct pb_device *pb, u64 sectors)
{
	unsigned long lacking = ~0UL;
	int ret;

	if (READ_ONCE(pb->path.needs_ack))
		lacking &= ~BIT(pb->path.successor);
	ret = pb_peers_grow(&pb->peers, sectors, lacking);
	if (ret) {
		pb_grow_fail(&pb->grow, -ret);
		return ret;
	}
	ret = pb_peers_store(&pb->peers, ~0UL, 0, 0);
	if (ret)
		WRITE_ONCE(pb->meta_error, ret);
	return ret;
}

/* Everything is zeroed, flushed and told: the moment at which it is done. */
static void commit(struct pb_device *pb)
{
	u64 sectors = pb->grow.to;

	if (store_maps(pb, sectors))
		return;
	pb_crash_point(PB_CRASH_GROW_MAPS);
	if (!store_size(pb, sectors))
		pb_grow_done(&pb->grow);
}

static void say_failed(struct pb_device *pb)
{
	struct pb_resize_info info;

	if (pb->resize_said)
		return;
	pb->resize_said = true;
	pb_grow_status(&pb->grow, &info);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_RESIZED, pb->super.view.number,
		      NULL, info.error,
		      "the volume does not grow to %llu sectors: it has %llu",
		      info.sectors, pb->super.data_sectors);
	pb_device_table_event(pb);
}

/* A successor that knows another size, since a resize was not finished. */
static void correct(struct pb_device *pb)
{
	if (READ_ONCE(pb->path.up) &&
	    READ_ONCE(pb->down.size) != pb->super.data_sectors)
		pb_grow_say(&pb->grow, pb->super.data_sectors);
}

static void turn(struct pb_device *pb)
{
	switch (READ_ONCE(pb->grow.state)) {
	case PB_RESIZE_ZERO:
	case PB_RESIZE_FLUSH:
		break;
	case PB_RESIZE_TELL:
		if (READ_ONCE(pb->path.needs_ack))
			pb_grow_say(&pb->grow, pb->grow.to);
		else
			pb_grow_told(&pb->grow);
		break;
	case PB_RESIZE_STORE:
		commit(pb);
		break;
	case PB_RESIZE_FAILED:
		say_failed(pb);
		fallthrough;
	default:
		correct(pb);
	}
}

static void resize_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device,
					    resize_work);
	unsigned int noio;

	mutex_lock(&pb->ctl_mutex);
	noio = memalloc_noio_save();
	if (!pb->gone && pb->role == PB_ROLE_PRIMARY)
		turn(pb);
	else if (READ_ONCE(pb->grow.state) == PB_RESIZE_FAILED)
		say_failed(pb);
	memalloc_noio_restore(noio);
	pb_role_stop(pb);
	mutex_unlock(&pb->ctl_mutex);
}

static void kick(struct pb_device *pb)
{
	queue_work(pb->ctl_wq, &pb->resize_work);
}

static void on_state(struct pb_grow *grow)
{
	kick(container_of(grow, struct pb_device, grow));
}

/* What follows a hello can follow now. */
static void on_told(struct pb_grow *grow, u64 sectors)
{
	struct pb_device *pb = container_of(grow, struct pb_device, grow);

	WRITE_ONCE(pb->down.size, sectors);
	if (!(pb->down.member.flags & PB_MEMBER_SYNCED) &&
	    !pb_grow_active(READ_ONCE(grow->state)))
		pb_sync_link_up(&pb->sync);
}

void pb_resize_end(struct pb_device *pb)
{
	lockdep_assert_held(&pb->ctl_mutex);
	pb_grow_fail(&pb->grow, pb->role == PB_ROLE_FAILED ? EIO : ESTALE);
}

bool pb_resize_link_up(struct pb_device *pb, const struct pb_hello *hello)
{
	bool active = pb_grow_active(READ_ONCE(pb->grow.state));
	bool same = hello->data_sectors == pb->down.hello.data_sectors;

	WRITE_ONCE(pb->down.size, hello->data_sectors);
	WRITE_ONCE(pb->down.capacity, hello->capacity_sectors);
	if (active || !same)
		kick(pb);
	return active || same;
}

int pb_resize_capacity(struct pb_device *pb, u64 sectors)
{
	if (sectors < pb->down.capacity)
		return -EPROTO;
	WRITE_ONCE(pb->down.capacity, sectors);
	return 0;
}

/* The successor */

int pb_resize_obey(struct pb_device *pb, u64 sectors)
{
	lockdep_assert_held(&pb->ctl_mutex);
	return sectors == pb->super.data_sectors ? 0 : store_size(pb, sectors);
}

void pb_resize_init(struct pb_device *pb)
{
	pb->grow.path = &pb->path;
	pb->grow.bdev = pb->data;
	pb->grow.wq = pb->sync_wq;
	pb->grow.zero_wq = pb->zero_wq;
	pb->grow.on_state = on_state;
	pb->grow.on_told = on_told;
	pb_grow_init(&pb->grow);
	INIT_WORK(&pb->resize_work, resize_work);
}
