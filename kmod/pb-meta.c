// SPDX-License-Identifier: GPL-2.0
/*
 * The metadata area's I/O.  Rare and synchronous: a view change, a set-up, an
 * orderly removal.  No bio waits for it except those that the view change
 * holds anyway.
 */
#include <linux/bio.h>
#include <linux/slab.h>

#include "pb-crash.h"
#include "pb-meta.h"

static int block_io(struct pb_meta *meta, sector_t sector, void *block,
		    blk_opf_t opf)
{
	struct bio_vec bvec;
	struct bio bio;
	int ret;

	bio_init(&bio, meta->bdev, &bvec, 1, opf);
	bio.bi_iter.bi_sector = meta->start + sector;
	__bio_add_page(&bio, virt_to_page(block), PB_DISK_BLOCK,
		       offset_in_page(block));
	ret = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return ret;
}

static int slot_io(struct pb_meta *meta, int slot, blk_opf_t opf)
{
	return block_io(meta, slot * PB_DISK_SLOT_STRIDE, &meta->slots[slot],
			opf);
}

int pb_meta_read_block(struct pb_meta *meta, sector_t sector, void *block)
{
	return block_io(meta, sector, block,
			REQ_OP_READ | REQ_SYNC | REQ_META);
}

int pb_meta_write_block(struct pb_meta *meta, sector_t sector, void *block)
{
	pb_stat_inc(meta->stats, PB_CNT_META_WRITES);
	return block_io(meta, sector, block,
			REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA);
}

int pb_meta_init(struct pb_meta *meta, struct block_device *bdev,
		 bool internal, struct pb_stats __percpu *stats)
{
	u64 sectors = bdev_nr_sectors(bdev);

	meta->bdev = bdev;
	meta->stats = stats;
	meta->start = internal ? pb_disk_internal_start(sectors) : 0;
	if (internal ? !meta->start : sectors < PB_DISK_MIN_SECTORS)
		return -ENOSPC;
	/* Page-sized slots from kmalloc are page-aligned: one segment each. */
	meta->slots = kcalloc(PB_DISK_SLOTS, sizeof(*meta->slots), GFP_KERNEL);
	return meta->slots ? 0 : -ENOMEM;
}

void pb_meta_exit(struct pb_meta *meta)
{
	kfree(meta->slots);
	meta->slots = NULL;
}

int pb_meta_load(struct pb_meta *meta, struct pb_super *super,
		 const char **why)
{
	int slot, ret, failed = 0;

	for (slot = 0; slot < PB_DISK_SLOTS; slot++) {
		if (!slot_io(meta, slot, REQ_OP_READ | REQ_SYNC | REQ_META))
			continue;
		memset(&meta->slots[slot], 0, sizeof(meta->slots[slot]));
		failed++;
	}
	*why = "cannot read the superblock";
	if (failed == PB_DISK_SLOTS)
		return -EIO;
	ret = pb_super_pick(meta->slots, super, why);
	/* What cannot be read is not blank: do not take it for unused. */
	if (ret == -ENODATA && failed)
		return -EIO;
	if (ret < 0)
		return ret;
	meta->newest = ret;
	return 0;
}

int pb_meta_store(struct pb_meta *meta, const struct pb_super *super)
{
	int first = !meta->newest, i, slot, ret;

	pb_crash_point(PB_CRASH_SUPER_BEGIN);
	for (i = 0; i < PB_DISK_SLOTS; i++) {
		slot = first ^ i;
		pb_super_pack(super, &meta->slots[slot]);
		ret = slot_io(meta, slot, REQ_OP_WRITE | REQ_SYNC | REQ_META |
			      REQ_PREFLUSH | REQ_FUA);
		if (ret)
			return ret;
		pb_stat_inc(meta->stats, PB_CNT_META_WRITES);
		meta->newest = slot;
		pb_crash_point(i ? PB_CRASH_SUPER_STORED : PB_CRASH_SUPER_HALF);
	}
	return 0;
}
