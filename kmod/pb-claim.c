// SPDX-License-Identifier: GPL-2.0
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/kernel.h>

#include "compat.h"
#include "pb-claim.h"

static const char claimed_for[] = "dm-pb";

static struct gendisk *disk_above(struct dm_target *ti)
{
	return dm_disk(dm_table_get_md(ti->table));
}

static int number_of(const char *path, dev_t *number)
{
	unsigned int major, minor;
	char rest;

	if (sscanf(path, "%u:%u%c", &major, &minor, &rest) != 2)
		return lookup_bdev(path, number);
	*number = MKDEV(major, minor);
	if (MAJOR(*number) != major || MINOR(*number) != minor)
		return -EOVERFLOW;
	return 0;
}

int pb_claim_open(struct pb_claim *claim, struct dm_target *ti,
		  const char *path)
{
	dev_t number;
	int ret;

	ret = number_of(path, &number);
	if (ret)
		return ret;
	if (number == disk_devt(disk_above(ti)))
		return -EINVAL;
	claim->dev.mode = dm_table_get_mode(ti->table);
	ret = pb_compat_bdev_open(&claim->dev, number, (void *)claimed_for);
	if (ret)
		return ret;
	format_dev_t(claim->dev.name, number);
	/*
	 * With the first table of a device there is no directory for it yet;
	 * later ones must not wait for the resume, during which nothing may wait
	 * for whoever opens or closes this device.
	 */
	if (disk_above(ti)->slave_dir)
		pb_claim_link(claim, ti);
	return 0;
}

void pb_claim_link(struct pb_claim *claim, struct dm_target *ti)
{
	if (!claim->dev.bdev || claim->linked)
		return;
	/* Without it all works, but for what people and udev are shown. */
	if (bd_link_disk_holder(claim->dev.bdev, disk_above(ti)))
		pr_warn("dm-pb: %s cannot be shown below %s\n", claim->dev.name,
			disk_above(ti)->disk_name);
	else
		claim->linked = true;
}

void pb_claim_close(struct pb_claim *claim, struct dm_target *ti)
{
	if (!claim->dev.bdev)
		return;
	if (claim->linked)
		bd_unlink_disk_holder(claim->dev.bdev, disk_above(ti));
	pb_compat_bdev_close(&claim->dev, (void *)claimed_for);
	claim->dev.bdev = NULL;
}
