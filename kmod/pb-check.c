// SPDX-License-Identifier: GPL-2.0
/*
 * Verification of the successor: who may begin one, and its end.
 */
#include <linux/device-mapper.h>
#include <linux/sched/mm.h>

#include "pb-device.h"

#define DM_MSG_PREFIX "pb"

/* Frees what it needed, and says how it ended. */
static void end(struct pb_device *pb)
{
	struct pb_verify_info info;

	lockdep_assert_held(&pb->ctl_mutex);
	if (!pb->verify.chunks.chunk)
		return;
	pb_verify_wait(&pb->verify);
	pb_verify_status(&pb->verify, &info);
	DMINFO("%s: verification %s: %llu of %llu bytes compared, %llu differ, %llu repaired, %llu unreadable",
	       pb->super.name,
	       info.state == PB_VERIFY_DONE ? "done" : "stopped",
	       info.compared, info.length, info.differs, info.repaired,
	       info.unreadable);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_VERIFY, pb->super.view.number,
		      NULL, 0, "verification %s: %llu bytes differ, %llu repaired",
		      info.state == PB_VERIFY_DONE ? "done" : "stopped",
		      info.differs, info.repaired);
	pb_device_table_event(pb);
}

static void verify_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device, verify_work);

	mutex_lock(&pb->ctl_mutex);
	/* It says so again when the last chunk is back: nobody waits here. */
	if (READ_ONCE(pb->verify.state) != PB_VERIFY_RUN &&
	    !pb_chunks_busy(&pb->verify.chunks))
		end(pb);
	mutex_unlock(&pb->ctl_mutex);
}

static void on_change(struct pb_verify *verify, u32 event)
{
	struct pb_device *pb = container_of(verify, struct pb_device, verify);
	u64 view = READ_ONCE(pb->super.view.number);

	switch (event) {
	case PB_EVENT_DIFFERS:
		pb_event_emit(&pb->ioc_dev, event, view, pb->down.member.replica,
			      0, "the backup's data differ");
		break;
	case PB_EVENT_DISK_ERROR:
		pb_stat_inc(pb->stats, PB_CNT_LOCAL_ERRORS);
		pb_event_emit(&pb->ioc_dev, event, view, NULL, EIO,
			      "the data device failed a read of the verification");
		break;
	default:
		queue_work(pb->ctl_wq, &pb->verify_work);
		break;
	}
}

void pb_check_end(struct pb_device *pb)
{
	end(pb);
}

static int check_range(struct pb_device *pb, const struct pb_ioc_verify *arg,
		       u64 *first, u64 *beyond, char *reason)
{
	u64 size = pb->super.data_sectors << SECTOR_SHIFT;

	if (arg->start % PB_WIRE_MAX_DATA || arg->length % pb->super.block_size)
		return pb_refuse(reason, -EINVAL,
				 "the start is no multiple of 1 MiB, or the length of the block size");
	if (arg->start >= size || arg->length > size - arg->start)
		return pb_refuse(reason, -ERANGE, "the range is not in the volume");
	*first = arg->start >> SECTOR_SHIFT;
	*beyond = arg->length ? *first + (arg->length >> SECTOR_SHIFT) :
				pb->super.data_sectors;
	return 0;
}

static int stop(struct pb_device *pb, const struct pb_ioc_verify *arg,
		char *reason)
{
	if (arg->flags != PB_VERIFY_STOP || arg->start || arg->length)
		return pb_refuse(reason, -EINVAL, "nothing else goes with a stop");
	if (pb_verify_stop(&pb->verify))
		return pb_refuse(reason, -ENOENT, "no verification goes on");
	return 0;
}

int pb_check_verify(struct pb_device *pb, const struct pb_ioc_verify *arg,
		    char *reason)
{
	unsigned int noio;
	u64 first, beyond;
	int ret;

	lockdep_assert_held(&pb->ctl_mutex);
	if (arg->flags & PB_VERIFY_STOP)
		return stop(pb, arg, reason);
	ret = check_range(pb, arg, &first, &beyond, reason);
	if (ret)
		return ret;
	if (pb->role != PB_ROLE_PRIMARY || !READ_ONCE(pb->path.needs_ack))
		return pb_refuse(reason, -ENOLINK,
				 "this replica is not a primary with a synced backup");
	if (READ_ONCE(pb->verify.state) == PB_VERIFY_DONE)
		end(pb);
	/* Who frees memory may be writing to this very volume. */
	noio = memalloc_noio_save();
	ret = pb_verify_start(&pb->verify, first, beyond,
			      1U << pb->super.region_shift,
			      arg->flags & PB_VERIFY_REPAIR);
	memalloc_noio_restore(noio);
	if (ret)
		return pb_refuse(reason, ret, ret == -EBUSY ?
				 "a verification goes on, or is being ended" :
				 "out of memory");
	pb_event_emit(&pb->ioc_dev, PB_EVENT_VERIFY, pb->super.view.number,
		      pb->down.member.replica, 0, "verification begins");
	return 0;
}

void pb_check_init(struct pb_device *pb)
{
	pb->verify.chunks.path = &pb->path;
	pb->verify.chunks.pace = &pb->sync.pace;
	pb->verify.chunks.bdev = pb->data;
	pb->verify.chunks.wq = pb->sync_wq;
	pb->verify.stats = pb->stats;
	pb->verify.on_change = on_change;
	pb_verify_init(&pb->verify);
	INIT_WORK(&pb->verify_work, verify_work);
}
