// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of the data device's failures: they are counted and told, a
 * primary goes on through its backup, and a backup asks to be left out.
 *
 * A primary whose disk failed a write that the backup has may acknowledge it
 * only when its superblock says that this copy lacks acknowledged writes.  From
 * then on the disk is not used any more (pb-path-disk.c).
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>

#include "pb-device.h"

#define DM_MSG_PREFIX "pb"

/* Failures within this time of one that was told are told together. */
#define TOGETHER_MS	1000
/* Room for the name and number of a disk. */
#define DISK_NAME	56

static struct pb_device *of_path(struct pb_path *path)
{
	return container_of(path, struct pb_device, path);
}

static const char *disk_name(struct pb_device *pb, char *text)
{
	dev_t dev = pb->data->bd_dev;

	snprintf(text, DISK_NAME, "%pg (%u:%u)", pb->data, MAJOR(dev),
		 MINOR(dev));
	return text;
}

static const char *op_of(const struct pb_req *req)
{
	switch (req->type) {
	case PB_WIRE_WRITE:
		return "write";
	case PB_WIRE_FLUSH:
		return "flush";
	case PB_WIRE_ZEROES:
		return "write-zeroes";
	case PB_WIRE_READ:
		return "repair";
	default:
		return "read";
	}
}

/* Counts a failure; true if it is to be told now, else it is told with others. */
static bool tell_now(struct pb_device *pb)
{
	struct pb_faults *faults = &pb->faults;
	unsigned long flags;
	bool now;

	pb_stat_inc(pb->stats, PB_CNT_LOCAL_ERRORS);
	spin_lock_irqsave(&faults->lock, flags);
	now = !time_before(jiffies, faults->until);
	if (now)
		faults->until = jiffies + msecs_to_jiffies(TOGETHER_MS);
	else
		faults->untold++;
	spin_unlock_irqrestore(&faults->lock, flags);
	if (!now)
		queue_delayed_work(pb->ctl_wq, &faults->tell_work,
				   msecs_to_jiffies(TOGETHER_MS));
	return now;
}

static void tell(struct pb_device *pb, const char *op, u64 sector,
		 blk_status_t status, const char *then)
{
	char disk[DISK_NAME];

	if (tell_now(pb))
		pb_event_emit(&pb->ioc_dev, PB_EVENT_DISK_ERROR,
			      pb->super.view.number, NULL,
			      -blk_status_to_errno(status),
			      "%s failed a %s at sector %llu%s",
			      disk_name(pb, disk), op, sector, then);
}

static void tell_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(to_delayed_work(work),
					    struct pb_device, faults.tell_work);
	char disk[DISK_NAME];
	u64 untold;

	spin_lock_irq(&pb->faults.lock);
	untold = pb->faults.untold;
	pb->faults.untold = 0;
	spin_unlock_irq(&pb->faults.lock);
	if (untold)
		pb_event_emit(&pb->ioc_dev, PB_EVENT_DISK_ERROR,
			      pb->super.view.number, NULL, EIO,
			      "%s failed %llu more times",
			      disk_name(pb, disk), untold);
}

void pb_fault_read(struct pb_device *pb, const struct pb_req *req,
		   const struct pb_mend_read *read, blk_status_t status)
{
	const char *then = "; served by the backup and repaired";

	if (status)
		then = "; no other copy could serve it";
	else if (read->unrepaired)
		then = "; served by the backup, not repaired";
	tell(pb, "read", req->sector, read->error, then);
}

void pb_fault_backup(struct pb_device *pb, const char *op, u64 sector,
		     blk_status_t status)
{
	WRITE_ONCE(pb->disk_failed, true);
	tell(pb, op, sector, status, "");
	queue_work(pb->ctl_wq, &pb->link_work);
}

bool pb_fault_leg(struct pb_device *pb, struct pb_req *req,
		  blk_status_t *status)
{
	/* One whose leg is kept may be given up, and be gone, at any time. */
	const char *op = op_of(req);
	blk_status_t error = *status;
	u64 sector = req->sector;
	bool kept;

	if (!READ_ONCE(pb->path.serving)) {
		pb_fault_backup(pb, op, sector, error);
		return false;
	}
	/* Whatever the backup has: a volume does not grow onto a failing disk. */
	pb_grow_fail(&pb->grow, -blk_status_to_errno(error));
	kept = pb_path_local_failed(&pb->path, req, status);
	if (!kept && *status && !pb_path_is_fetch(req))
		WRITE_ONCE(pb->disk_errors, true);
	if (kept || *status)
		tell(pb, op, sector, error, "");
	return kept;
}

void pb_fault_applied(struct pb_apply *apply, const struct pb_req *req,
		      blk_status_t status)
{
	struct pb_device *pb = container_of(apply, struct pb_device, apply);

	/* It was the metadata device, and that is told. */
	if (READ_ONCE(pb->meta_error))
		queue_work(pb->ctl_wq, &pb->link_work);
	else if (pb_apply_is_read(req))
		tell(pb, "read", req->sector, status, " for the primary");
	else
		pb_fault_backup(pb, op_of(req), req->sector, status);
}

void pb_fault_compare(struct pb_device *pb, u64 sector, blk_status_t status)
{
	tell(pb, "read", sector, status, " to be compared");
}

void pb_fault_chunk(struct pb_sync *sync, u64 sector, blk_status_t status,
		    bool first)
{
	struct pb_device *pb = container_of(sync, struct pb_device, sync);
	char disk[DISK_NAME];

	pb_stat_inc(pb->stats, PB_CNT_LOCAL_ERRORS);
	if (first)
		pb_event_emit(&pb->ioc_dev, PB_EVENT_DISK_ERROR,
			      pb->super.view.number, NULL,
			      -blk_status_to_errno(status),
			      "%s cannot read at sector %llu, so the backup cannot be brought up to date there",
			      disk_name(pb, disk), sector);
}

/* The backup holds every acknowledged write, and its own disk says so. */
static bool backup_vouches(struct pb_device *pb)
{
	return (pb->down.member.flags & PB_MEMBER_SYNCED) ||
	       READ_ONCE(pb->sync.state) == PB_SYNC_SYNCED;
}

/* This copy is on record as worthless before anybody relies on the other. */
static void write_off(struct pb_device *pb)
{
	struct pb_super super = pb->super;
	char disk[DISK_NAME];

	super.replica_state = PB_REPLICA_STALE;
	super.data_view = 0;
	if (pb_device_store(pb, &super))
		return;
	pb_path_disk_dead(&pb->path);
	/* There is nothing here to compare. */
	pb_verify_stop(&pb->verify);
	DMERR("%s: %s failed: served through the backup from now on",
	      pb->super.name, disk_name(pb, disk));
	pb_event_emit(&pb->ioc_dev, PB_EVENT_DISK_ERROR, pb->super.view.number,
		      NULL, EIO,
		      "%s failed; this node serves through the backup from now on",
		      disk_name(pb, disk));
	pb_device_table_event(pb);
}

static void fault_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device,
					    faults.work);
	unsigned int noio;

	mutex_lock(&pb->ctl_mutex);
	/* Who frees memory may be writing to this very volume. */
	noio = memalloc_noio_save();
	if (!pb->gone && pb->role == PB_ROLE_PRIMARY &&
	    READ_ONCE(pb->path.disk) == PB_OWN_FAILING &&
	    pb_path_disk_due(&pb->path)) {
		if (backup_vouches(pb))
			write_off(pb);
		else
			pb_path_disk_undecided(&pb->path);
	}
	memalloc_noio_restore(noio);
	pb_role_stop(pb);
	mutex_unlock(&pb->ctl_mutex);
}

void pb_fault_kick(struct pb_device *pb)
{
	queue_work(pb->ctl_wq, &pb->faults.work);
}

static void on_disk(struct pb_path *path)
{
	pb_fault_kick(of_path(path));
}

static bool on_fault(struct pb_path *path, struct pb_req *req,
		     blk_status_t *status)
{
	return pb_fault_leg(of_path(path), req, status);
}

int pb_fault_init(struct pb_device *pb)
{
	spin_lock_init(&pb->faults.lock);
	pb->faults.until = jiffies;
	INIT_DELAYED_WORK(&pb->faults.tell_work, tell_work);
	INIT_WORK(&pb->faults.work, fault_work);
	pb->path.on_disk = on_disk;
	pb->path.on_fault = on_fault;
	pb->mend.path = &pb->path;
	pb->mend.bdev = pb->data;
	pb->mend.wq = pb->mend_wq;
	pb->mend.stats = pb->stats;
	return pb_mend_init(&pb->mend);
}

void pb_fault_stop(struct pb_device *pb)
{
	cancel_work_sync(&pb->mend.work);
	cancel_work_sync(&pb->faults.work);
	/* What is not told yet is. */
	flush_delayed_work(&pb->faults.tell_work);
}
