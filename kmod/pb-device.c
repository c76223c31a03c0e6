// SPDX-License-Identifier: GPL-2.0
/*
 * Replicas: set up with the first table that names one, taken down with the
 * last, found by ioctls in between.
 */
#include <linux/blkdev.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uuid.h>

#include "compat.h"
#include "pb-device.h"
#include "pb-layout.h"

#define DM_MSG_PREFIX "pb"

/* Write-zeroes done by sleeping calls at a time, for each volume. */
#define MAX_ZEROING	4

/*
 * Guards the list, and of each device on it the count of tables and @ready.
 * Innermost, and never held while waiting for a disk: one volume's trouble is
 * not another's.
 */
static DEFINE_MUTEX(devices_lock);
static LIST_HEAD(devices);

int pb_refuse(char *reason, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, PB_REASON_LEN, fmt, args);
	va_end(args);
	return err;
}

/* Says why in ti->error; returns what to return. */
static int fail(char **error, int err, char *text)
{
	*error = text;
	return err;
}

/*
 *                       [ UNCONFIRMED ] <-> itself: a view in which it can
 *                              |            only stand
 *                              | a view is set or confirmed
 *            +-----------------+-----------------+
 *            v                 v                 v
 *        [ IDLE ] <------> [ BACKUP ] <---> [ PRIMARY ]
 *            |     new views   |                 |
 *            +-----------------+-----------------+
 *                              | metadata error
 *                              v
 *                          [ FAILED ]    until it is set up again
 */
void pb_device_set_role(struct pb_device *pb, u32 role)
{
	bool legal = false;

	lockdep_assert_held(&pb->ctl_mutex);
	switch (role) {
	case PB_ROLE_UNCONFIRMED:
		legal = pb->role == PB_ROLE_UNCONFIRMED;
		break;
	case PB_ROLE_IDLE:
	case PB_ROLE_BACKUP:
	case PB_ROLE_PRIMARY:
		legal = pb->role != PB_ROLE_FAILED;
		break;
	case PB_ROLE_FAILED:
		legal = true;
		break;
	default:
		break;
	}
	if (!WARN_ON_ONCE(!legal))
		WRITE_ONCE(pb->role, role);
}

void pb_device_set_table(struct pb_device *pb, struct dm_target *from,
			 struct dm_target *to)
{
	mutex_lock(&pb->ti_mutex);
	if (!from || pb->ti == from)
		pb->ti = to;
	mutex_unlock(&pb->ti_mutex);
}

void pb_device_table_event(struct pb_device *pb)
{
	mutex_lock(&pb->ti_mutex);
	if (pb->ti)
		dm_table_event(pb->ti->table);
	mutex_unlock(&pb->ti_mutex);
}

void pb_device_fail(struct pb_device *pb, int error, const char *what)
{
	pb_device_set_role(pb, PB_ROLE_FAILED);
	DMERR("%s: cannot write %s (error %d); the replica has stopped",
	      pb->super.name, what, -error);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_META_ERROR, pb->super.view.number,
		      NULL, -error,
		      "cannot write %s; the replica has stopped", what);
}

int pb_device_store(struct pb_device *pb, struct pb_super *super)
{
	int ret;

	lockdep_assert_held(&pb->ctl_mutex);
	super->generation = pb->super.generation + 1;
	ret = pb_meta_store(&pb->meta, super);
	if (!ret) {
		pb->super = *super;
		return 0;
	}
	pb_device_fail(pb, ret, "the superblock");
	return -EIO;
}

/* Its own data is not needed for it, so nothing else follows. */
static void on_apply_unreadable(struct pb_apply *apply, u64 sector, int error)
{
	struct pb_device *pb = container_of(apply, struct pb_device, apply);

	pb_fault_compare(pb, sector, errno_to_blk_status(error));
}

static int check_format(const struct pb_params *params, u32 *block_size,
			char **error)
{
	u32 least = bdev_logical_block_size(params->data);

	*block_size = params->block_size ? params->block_size : least;
	if (*block_size < least)
		return fail(error, -EINVAL, "block_size is below the data device's");
	return 0;
}

static u32 size_shift(u32 bytes)
{
	return bytes ? ilog2(bytes >> SECTOR_SHIFT) : 0;
}

static int choose_geometry(struct pb_super *super,
			   const struct pb_params *params, char **error)
{
	const char *why = NULL;
	int ret;

	super->extent_shift = size_shift(params->extent_size);
	super->log_slots = params->hot_extents;
	super->region_shift = size_shift(params->region_size);
	super->nr_maps = params->maps;
	ret = pb_super_defaults(super, &why);
	if (ret)
		return fail(error, ret, (char *)why);
	/* What a replica with the same UUID may have left here is void. */
	super->log_epoch = (get_random_u64() >> 16) + 1;
	super->next_epoch = super->log_epoch + 1;
	return 0;
}

static int check_area(struct pb_device *pb, char **error)
{
	u64 sectors = bdev_nr_sectors(pb->meta.bdev) - pb->meta.start;
	const char *why = NULL;
	int ret = pb_layout_fits(&pb->super, sectors, &why);

	return ret ? fail(error, ret, (char *)why) : 0;
}

/* Where nothing was ever written there must be zeroes, or it is damaged. */
static int wipe_area(struct pb_device *pb, char **error)
{
	u64 sectors = pb_layout_sectors(&pb->super) - PB_DISK_LOG_START;
	int ret;

	ret = blkdev_issue_zeroout(pb->meta.bdev,
				   pb->meta.start + PB_DISK_LOG_START, sectors,
				   GFP_KERNEL, 0);
	return ret ? fail(error, ret, "cannot clear the metadata area") : 0;
}

static int format(struct pb_device *pb, const struct pb_params *params,
		  char **error)
{
	struct pb_super super = {
		.data_sectors = params->sectors,
		.capacity_sectors = params->sectors,
		.replica_state = params->state,
	};
	int ret = check_format(params, &super.block_size, error);

	if (!ret)
		ret = choose_geometry(&super, params, error);
	if (ret)
		return ret;
	memcpy(super.volume, params->volume, PB_UUID_LEN);
	memcpy(super.replica, params->replica, PB_UUID_LEN);
	if (pb_uuid_zero(super.replica))
		generate_random_uuid(super.replica);
	strscpy(super.name, params->name, sizeof(super.name));
	pb->super = super;
	ret = check_area(pb, error);
	return ret ? ret : wipe_area(pb, error);
}

static int check_super(struct pb_device *pb, const struct pb_params *params,
		       char **error)
{
	const struct pb_super *super = &pb->super;

	if (memcmp(super->volume, params->volume, PB_UUID_LEN))
		return fail(error, -EMEDIUMTYPE, "the superblock is another volume's");
	if (super->data_sectors != params->sectors) {
		DMERR("%s: the superblock says %llu sectors, the table %llu",
		      super->name, super->data_sectors, (u64)params->sectors);
		return fail(error, -EINVAL, "the superblock has another volume size");
	}
	if (super->capacity_sectors > bdev_nr_sectors(params->data))
		return fail(error, -ENOSPC, "the data device is smaller than it was");
	if (super->block_size < bdev_logical_block_size(params->data))
		return fail(error, -EINVAL, "the data device's blocks are too large");
	return check_area(pb, error);
}

/*
 * Loads or makes the superblock, and gives this set-up an incarnation of its
 * own, durably, before anybody can hear of it.
 */
static int load(struct pb_device *pb, const struct pb_params *params,
		char **error)
{
	const char *why = NULL;
	struct pb_super super;
	int ret;

	ret = pb_meta_load(&pb->meta, &pb->super, &why);
	if (params->format && !ret)
		return fail(error, -EEXIST, "a superblock is there already, not formatting");
	if (params->format && (ret == -ENODATA || ret == -EBADMSG))
		ret = format(pb, params, error);
	else if (ret)
		ret = fail(error, ret, (char *)why);
	else
		ret = check_super(pb, params, error);
	if (ret)
		return ret;
	if (params->sectors & ((pb->super.block_size >> SECTOR_SHIFT) - 1))
		return fail(error, -EINVAL, "the size is not a multiple of block_size");
	memcpy(pb->ioc_dev.volume, pb->super.volume, PB_UUID_LEN);
	pb_path_set_size(&pb->path, pb->super.data_sectors);
	pb->crashed = pb->super.flags & PB_DISK_ACTIVE;
	pb_hold_load(pb);
	super = pb->super;
	super.incarnation = pb_incarnation_next(super.incarnation,
						get_random_u32());
	ret = pb_device_store(pb, &super);
	if (ret)
		return fail(error, ret, "cannot write the superblock");
	return 0;
}

static int check_sizes(const struct pb_params *params, char **error)
{
	u64 room = bdev_nr_sectors(params->data);

	if (bdev_is_zoned(params->data))
		return fail(error, -EOPNOTSUPP, "zoned data devices are not supported");
	if (!params->meta)
		room = pb_disk_internal_start(room);
	if (params->sectors > room)
		return fail(error, -ENOSPC, "the data device is too small");
	return 0;
}

static void free_queues(struct pb_device *pb)
{
	struct workqueue_struct *queues[] = {
		pb->ctl_wq, pb->wq, pb->io_wq, pb->zero_wq, pb->log_wq,
		pb->sync_wq, pb->mend_wq,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++)
		if (queues[i])
			destroy_workqueue(queues[i]);
}

/*
 * One queue for each kind of waiting: a work that waits for others must not
 * stand in their way, not even when all a queue has is its rescuer.
 */
static bool alloc_queues(struct pb_device *pb, u32 major, u32 minor)
{
	unsigned int bound = WQ_MEM_RECLAIM | WQ_PERCPU;
	unsigned int flags = bound | WQ_HIGHPRI;

	pb->wq = alloc_workqueue("pb-%u:%u", flags, 0, major, minor);
	pb->io_wq = alloc_workqueue("pb-%u:%u-io", flags, 0, major, minor);
	pb->zero_wq = alloc_workqueue("pb-%u:%u-zero", bound, MAX_ZEROING,
				      major, minor);
	/* Digests take time: on whatever CPU has some. */
	pb->sync_wq = alloc_workqueue("pb-%u:%u-sync",
				      WQ_MEM_RECLAIM | WQ_UNBOUND, 0, major,
				      minor);
	pb->mend_wq = alloc_workqueue("pb-%u:%u-mend", flags, 1, major, minor);
	pb->log_wq = alloc_workqueue("pb-%u:%u-log", flags, 1, major, minor);
	pb->ctl_wq = alloc_workqueue("pb-%u:%u-ctl", bound, 1, major, minor);
	return pb->wq && pb->io_wq && pb->zero_wq &&
	       pb->mend_wq && pb->log_wq && pb->sync_wq && pb->ctl_wq;
}

static void free_device(struct kref *ref)
{
	struct pb_device *pb = container_of(ref, struct pb_device, ref);

	free_queues(pb);
	pb_durable_exit(pb);
	pb_verify_exit(&pb->verify);
	pb_mend_exit(&pb->mend);
	pb_apply_exit(&pb->apply);
	pb_meta_exit(&pb->meta);
	free_percpu(pb->stats);
	kfree(pb);
}

static struct pb_device *alloc_device(struct gendisk *disk,
				      const struct pb_params *params)
{
	u32 major = MAJOR(disk_devt(disk)), minor = MINOR(disk_devt(disk));
	struct pb_device *pb = kzalloc(sizeof(*pb), GFP_KERNEL);

	if (!pb)
		return NULL;
	kref_init(&pb->ref);
	mutex_init(&pb->ctl_mutex);
	mutex_init(&pb->ti_mutex);
	INIT_LIST_HEAD(&pb->node);
	pb->ioc_dev.major = major;
	pb->ioc_dev.minor = minor;
	pb->dev = major << 20 | minor;
	pb->disk = disk;
	pb->data = params->data;
	pb->meta_dev = params->meta ? params->meta : params->data;
	pb->stats = alloc_percpu(struct pb_stats);
	if (!alloc_queues(pb, major, minor) || !pb->stats) {
		kref_put(&pb->ref, free_device);
		return NULL;
	}
	pb_path_init(&pb->path, pb->io_wq, pb->stats, pb->dev);
	pb_link_init(pb);
	pb_resync_init(pb);
	pb_check_init(pb);
	pb_resize_init(pb);
	pb_hold_init(pb);
	pb->lease_ms = params->has_lease ? params->lease_ms :
					   PB_LEASE_MS_DEFAULT;
	return pb;
}

static int set_up(struct pb_device *pb, const struct pb_params *params,
		  char **error)
{
	int ret;

	ret = check_sizes(params, error);
	if (ret)
		return ret;
	ret = pb_meta_init(&pb->meta, pb->meta_dev, !params->meta, pb->stats);
	if (ret)
		return fail(error, ret, ret == -ENOSPC ?
			    "the metadata device is too small" :
			    "out of memory");
	mutex_lock(&pb->ctl_mutex);
	ret = load(pb, params, error);
	mutex_unlock(&pb->ctl_mutex);
	if (ret)
		return ret;
	pb->apply.path = &pb->path;
	pb->apply.bdev = pb->data;
	pb->apply.stats = pb->stats;
	pb->apply.wq = pb->zero_wq;
	pb->apply.on_fault = pb_fault_applied;
	pb->apply.on_unreadable = on_apply_unreadable;
	pb->apply.on_word = pb_resync_word;
	ret = pb_apply_init(&pb->apply);
	if (!ret)
		ret = pb_fault_init(pb);
	if (ret)
		return fail(error, ret, "out of memory");
	return pb_durable_init(pb, error);
}

static bool same_dev(const struct pb_device *pb, u32 major, u32 minor)
{
	return pb->ioc_dev.major == major && pb->ioc_dev.minor == minor;
}

static struct pb_device *find(u32 major, u32 minor)
{
	struct pb_device *pb;

	lockdep_assert_held(&devices_lock);
	list_for_each_entry(pb, &devices, node)
		if (same_dev(pb, major, minor))
			return pb;
	return NULL;
}

/* device-mapper lets several of its devices open one disk; we must not. */
static bool disk_in_use(const struct block_device *bdev)
{
	struct pb_device *pb;

	lockdep_assert_held(&devices_lock);
	list_for_each_entry(pb, &devices, node)
		if (pb->data == bdev || pb->meta_dev == bdev)
			return true;
	return false;
}

/* Another table for a device that is set up: it must be about the same. */
static int check_reload(const struct pb_device *pb,
			const struct pb_params *params, char **error)
{
	struct block_device *meta = params->meta ? params->meta : params->data;

	if (params->format)
		return fail(error, -EBUSY, "the volume is set up, not formatting");
	if (memcmp(pb->super.volume, params->volume, PB_UUID_LEN) ||
	    pb->data != params->data || pb->meta_dev != meta ||
	    pb->super.data_sectors != params->sectors)
		return fail(error, -EBUSY, "a reload cannot change volume or devices, and has the volume's size");
	if (params->has_lease && params->lease_ms != pb->lease_ms)
		return fail(error, -EBUSY, "a reload cannot change lease_ms");
	return 0;
}

/* One more table for a device that is on the list. */
static int join(struct pb_device *pb, const struct pb_params *params,
		char **error)
{
	int ret;

	lockdep_assert_held(&devices_lock);
	if (!pb->ready)
		return fail(error, -EBUSY, "the volume is being set up or removed");
	ret = check_reload(pb, params, error);
	if (!ret)
		pb->targets++;
	return ret;
}

/* Takes the disks for a new device, or finds that it is there already. */
static struct pb_device *enlist(struct pb_device *new,
				const struct pb_params *params, char **error)
{
	struct pb_device *pb;
	int ret;

	mutex_lock(&devices_lock);
	pb = find(new->ioc_dev.major, new->ioc_dev.minor);
	if (pb) {
		ret = join(pb, params, error);
	} else if (disk_in_use(new->data) || disk_in_use(new->meta_dev)) {
		ret = fail(error, -EBUSY, "a device is in use by another volume");
	} else {
		ret = 0;
		pb = new;
		list_add_tail(&new->node, &devices);
	}
	mutex_unlock(&devices_lock);
	return ret ? ERR_PTR(ret) : pb;
}

static void delist(struct pb_device *pb)
{
	mutex_lock(&devices_lock);
	list_del_init(&pb->node);
	mutex_unlock(&devices_lock);
	kref_put(&pb->ref, free_device);
}

static void set_ready(struct pb_device *pb)
{
	mutex_lock(&devices_lock);
	pb->targets = 1;
	pb->ready = true;
	mutex_unlock(&devices_lock);
	DMINFO("%s: set up on %u:%u, view %llu%s", pb->super.name,
	       pb->ioc_dev.major, pb->ioc_dev.minor,
	       pb->super.view.number,
	       pb->crashed ? ", was not removed in order" : "");
	pb_event_emit(&pb->ioc_dev, PB_EVENT_CREATED, pb->super.view.number,
		      NULL, 0, "set up");
}

struct pb_device *pb_device_attach(struct dm_target *ti,
				   const struct pb_params *params,
				   char **error)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(ti->table));
	struct pb_device *new, *pb;
	int ret;

	new = alloc_device(disk, params);
	if (!new)
		return ERR_PTR(fail(error, -ENOMEM, "out of memory"));
	pb = enlist(new, params, error);
	if (pb != new) {
		kref_put(&new->ref, free_device);
		return pb;
	}
	ret = set_up(pb, params, error);
	if (ret) {
		delist(pb);
		return ERR_PTR(ret);
	}
	set_ready(pb);
	return pb;
}

/* Everything is still: says so on the disk, if it is true. */
static void mark_clean(struct pb_device *pb)
{
	struct pb_super super = pb->super;

	lockdep_assert_held(&pb->ctl_mutex);
	if (!(super.flags & PB_DISK_ACTIVE) || pb->role == PB_ROLE_FAILED ||
	    pb->role == PB_ROLE_UNCONFIRMED || pb->disk_failed ||
	    pb->disk_errors || pb->path.disk != PB_OWN_WELL ||
	    pb->path.diverged || pb->path.unsettled)
		return;
	if (blkdev_issue_flush(pb->data))
		return;
	super.flags &= ~PB_DISK_ACTIVE;
	pb_hold_describe(pb, false, &super);
	pb_device_store(pb, &super);
}

static void take_down(struct pb_device *pb)
{
	mutex_lock(&pb->ctl_mutex);
	pb->gone = true;
	pb_link_disconnect(pb, NULL, PB_BYE_REMOVED);
	wait_event(pb->apply.drained, pb_apply_idle(&pb->apply));
	pb_path_abandon(&pb->path);
	pb_sync_stop(&pb->sync);
	pb_check_end(pb);
	pb_grow_stop(&pb->grow);
	pb_durable_stop(pb);
	mark_clean(pb);
	mutex_unlock(&pb->ctl_mutex);
	cancel_work_sync(&pb->link_work);
	cancel_work_sync(&pb->sync_work);
	cancel_work_sync(&pb->verify_work);
	cancel_work_sync(&pb->word_work);
	pb_fault_stop(pb);
	pb_hold_stop(pb);
	cancel_work_sync(&pb->resize_work);
	flush_workqueue(pb->zero_wq);
	flush_workqueue(pb->io_wq);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_REMOVED, pb->super.view.number,
		      NULL, 0, "removed");
	delist(pb);
}

void pb_device_detach(struct pb_device *pb, struct dm_target *ti)
{
	bool last;

	pb_device_set_table(pb, ti, NULL);
	mutex_lock(&devices_lock);
	last = !--pb->targets;
	if (last)
		pb->ready = false;
	mutex_unlock(&devices_lock);
	if (last)
		take_down(pb);
}

struct pb_device *pb_device_get(const struct pb_ioc_dev *dev)
{
	struct pb_device *pb;

	mutex_lock(&devices_lock);
	pb = find(dev->major, dev->minor);
	if (pb && pb->ready)
		kref_get(&pb->ref);
	else
		pb = NULL;
	mutex_unlock(&devices_lock);
	if (!pb)
		return ERR_PTR(-ENODEV);
	if (mutex_lock_killable(&pb->ctl_mutex)) {
		kref_put(&pb->ref, free_device);
		return ERR_PTR(-EINTR);
	}
	if (pb->gone || (!pb_uuid_zero(dev->volume) &&
			 memcmp(dev->volume, pb->ioc_dev.volume, PB_UUID_LEN))) {
		pb_device_put(pb);
		return ERR_PTR(-ENODEV);
	}
	return pb;
}

void pb_device_put(struct pb_device *pb)
{
	mutex_unlock(&pb->ctl_mutex);
	kref_put(&pb->ref, free_device);
}

void pb_device_list(struct pb_ioc_list *list)
{
	struct pb_device *pb;
	u32 skip = list->start;

	list->nr = 0;
	list->total = 0;
	mutex_lock(&devices_lock);
	list_for_each_entry(pb, &devices, node) {
		if (!pb->ready)
			continue;
		list->total++;
		if (skip)
			skip--;
		else if (list->nr < PB_MAX_LIST)
			list->devs[list->nr++] = pb->ioc_dev;
	}
	mutex_unlock(&devices_lock);
}

void pb_device_release_all(void)
{
	struct pb_device *pb;

	mutex_lock(&devices_lock);
	list_for_each_entry(pb, &devices, node)
		pb_path_set_policy(&pb->path, PB_POLICY_ERROR);
	mutex_unlock(&devices_lock);
}

static u32 status_flags(struct pb_device *pb)
{
	u32 flags = 0;

	if (pb->crashed)
		flags |= PB_STATUS_CRASHED;
	if (READ_ONCE(pb->path.diverged))
		flags |= PB_STATUS_DIVERGED;
	if (READ_ONCE(pb->disk_failed) || READ_ONCE(pb->path.disk))
		flags |= PB_STATUS_DISK_FAILED;
	if (READ_ONCE(pb->path.disk) == PB_OWN_DEAD)
		flags |= PB_STATUS_THROUGH_BACKUP;
	if (READ_ONCE(pb->disk_errors))
		flags |= PB_STATUS_DISK_ERRORS;
	if (pb->stands)
		flags |= PB_STATUS_STANDS;
	if (pb->super.forced_view)
		flags |= PB_STATUS_FORCED;
	if (pb->role == PB_ROLE_FAILED)
		flags |= PB_STATUS_META_FAILED;
	return flags;
}

void pb_device_status(struct pb_device *pb, struct pb_ioc_status *status)
{
	struct pb_path_info info;

	lockdep_assert_held(&pb->ctl_mutex);
	pb_path_info(&pb->path, &info);
	status->role = pb->role;
	status->replica_state = pb->super.replica_state;
	status->flags = status_flags(pb);
	status->policy = READ_ONCE(pb->path.policy);
	status->dev = pb->ioc_dev;
	memcpy(status->replica, pb->super.replica, PB_UUID_LEN);
	memcpy(status->name, pb->super.name, PB_NAME_LEN);
	status->data_sectors = pb->super.data_sectors;
	status->block_size = pb->super.block_size;
	status->oldest_wait_ms = info.oldest_wait_ms;
	status->incarnation = pb->super.incarnation;
	status->in_flight = info.active;
	status->held = info.parked;
	status->applying = READ_ONCE(pb->apply.nr);
	status->forced_view = pb->super.forced_view;
	status->view = pb->super.view;
	pb_link_status(&pb->up, &status->upstream);
	pb_link_status(&pb->down, &status->downstream);
	pb_sync_status(&pb->sync, &status->sync);
	pb_verify_status(&pb->verify, &status->verify);
	status->capacity_sectors = pb->super.capacity_sectors;
	pb_grow_status(&pb->grow, &status->resize);
	pb_hold_status(pb, status);
	pb_stats_sum(pb->stats, status->counters);
}
