// SPDX-License-Identifier: GPL-2.0
/*
 * The metadata area read offline, for set-up and for a look at it.  Nothing
 * here writes.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libpb.h"

int pb_dev_sectors(int fd, u64 *sectors, struct pb_error *err)
{
	struct stat st;
	u64 bytes;

	if (fstat(fd, &st))
		return pb_fail(err, -errno, "%s", strerror(errno));
	if (S_ISREG(st.st_mode))
		bytes = st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return pb_fail(err, -EINVAL,
			       "neither a block device nor an image file");
	else if (ioctl(fd, BLKGETSIZE64, &bytes))
		return pb_fail(err, -errno, "cannot ask for its size: %s",
			       strerror(errno));
	*sectors = bytes / PB_SECTOR_SIZE;
	return 0;
}

/*
 * pb_super_unpack() gives nothing away of a copy that it refuses, and rightly.
 * For a person the fields are a help all the same.
 */
static void decode(const struct pb_disk_super *disk, struct pb_super *super)
{
	struct pb_view *view = &super->view;
	unsigned int i;

	super->generation = le64toh(disk->generation);
	memcpy(super->volume, disk->volume, PB_UUID_LEN);
	memcpy(super->replica, disk->replica, PB_UUID_LEN);
	memcpy(super->name, disk->name, PB_NAME_LEN);
	super->data_sectors = le64toh(disk->data_sectors);
	super->block_size = le32toh(disk->block_size);
	super->flags = le32toh(disk->flags);
	super->incarnation = le64toh(disk->incarnation);
	super->replica_state = le32toh(disk->replica_state);
	super->forced_view = le64toh(disk->forced_view);
	super->forced_time = le64toh(disk->forced_time);
	view->number = le64toh(disk->view_number);
	view->nr_members = le32toh(disk->nr_members);
	for (i = 0; i < PB_MAX_MEMBERS; i++) {
		memcpy(view->members[i].replica, disk->members[i].replica,
		       PB_UUID_LEN);
		memcpy(view->members[i].name, disk->members[i].name,
		       PB_NAME_LEN);
		view->members[i].flags = le32toh(disk->members[i].flags);
	}
}

static int read_copy(int fd, u64 sector, struct pb_area_copy *copy,
		     struct pb_error *err)
{
	struct pb_disk_super no_crc;
	size_t done = 0;
	ssize_t len;

	while (done < sizeof(copy->disk)) {
		len = pread(fd, (char *)&copy->disk + done,
			    sizeof(copy->disk) - done,
			    sector * PB_SECTOR_SIZE + done);
		if (len < 0)
			return pb_fail(err, -errno,
				       "cannot read the superblock at sector %llu: %s",
				       (unsigned long long)sector,
				       strerror(errno));
		if (!len)
			return pb_fail(err, -ENOSPC,
				       "the superblock at sector %llu is cut off",
				       (unsigned long long)sector);
		done += len;
	}
	no_crc = copy->disk;
	no_crc.crc = 0;
	copy->crc = pb_crc32c(&no_crc, sizeof(no_crc));
	decode(&copy->disk, &copy->super);
	return 0;
}

int pb_area_read(int fd, bool internal, struct pb_area *area,
		 struct pb_error *err)
{
	struct pb_disk_super disk[PB_DISK_SLOTS];
	struct pb_area_copy *copy;
	struct pb_super super;
	u64 sectors;
	int i, ret;

	ret = pb_dev_sectors(fd, &sectors, err);
	if (ret)
		return ret;
	memset(area, 0, sizeof(*area));
	area->internal = internal;
	area->start = internal ? pb_disk_internal_start(sectors) : 0;
	if (internal ? !area->start : sectors < PB_DISK_MIN_SECTORS)
		return pb_fail(err, -ENOSPC,
			       "%llu sectors are too few for a metadata area: it takes %u",
			       (unsigned long long)sectors,
			       PB_DISK_MIN_SECTORS * (internal ? 2 : 1));
	for (i = 0; i < PB_DISK_SLOTS; i++) {
		copy = &area->copies[i];
		ret = read_copy(fd, area->start + i * PB_DISK_SLOT_STRIDE, copy,
				err);
		if (ret)
			return ret;
		disk[i] = copy->disk;
		copy->ret = pb_super_unpack(&copy->disk, &super, &copy->why);
	}
	area->pick = pb_super_pick(disk, &area->super, &area->why);
	return 0;
}
