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
			       "neither a block device nor an image file: give one of these");
	else if (ioctl(fd, BLKGETSIZE64, &bytes))
		return pb_fail(err, -errno, "cannot ask for its size: %s",
			       strerror(errno));
	*sectors = bytes / PB_SECTOR_SIZE;
	return 0;
}

int pb_pread_block(int fd, u64 sector, void *block)
{
	size_t done = 0;
	ssize_t len;

	while (done < PB_DISK_BLOCK) {
		len = pread(fd, (char *)block + done, PB_DISK_BLOCK - done,
			    sector * PB_SECTOR_SIZE + done);
		if (len < 0)
			return -errno;
		if (!len)
			return -ENOSPC;
		done += len;
	}
	return 0;
}

static int read_copy(int fd, u64 sector, struct pb_area_copy *copy,
		     struct pb_error *err)
{
	int ret = pb_pread_block(fd, sector, &copy->disk);

	if (ret == -ENOSPC)
		return pb_fail(err, ret,
			       "the superblock at sector %llu is cut off",
			       (unsigned long long)sector);
	if (ret)
		return pb_fail(err, ret,
			       "cannot read the superblock at sector %llu: %s",
			       (unsigned long long)sector, strerror(-ret));
	copy->crc = pb_block_crc(&copy->disk, sizeof(copy->disk),
				 offsetof(struct pb_disk_super, crc));
	/* Of a copy that is refused too: for a person the fields are a help. */
	pb_super_decode(&copy->disk, &copy->super);
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
	area->sectors = sectors - area->start;
	if (internal ? !area->start : sectors < PB_DISK_MIN_SECTORS)
		return pb_fail(err, -ENOSPC,
			       "%llu sectors are too few for a metadata area: give a device of %u or more",
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
