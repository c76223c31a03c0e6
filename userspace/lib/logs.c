// SPDX-License-Identifier: GPL-2.0
/*
 * The activity log and the dirty maps read offline.  Nothing here writes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpb.h"

static void *alloc(size_t nr, size_t size)
{
	void *memory = calloc(nr, size);

	if (!memory) {
		fputs("libpb: no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

static void read_block(int fd, const struct pb_area *area, u32 index,
		       u8 *disk, unsigned long *unreadable,
		       struct pb_log_block *block)
{
	const struct pb_super *super = &area->super;
	u64 sector = area->start + pb_layout_log_sector(index);

	if (pb_pread_block(fd, sector, disk)) {
		__set_bit(index, unreadable);
		block->ret = -EIO;
		block->why = "log record: cannot be read";
		return;
	}
	block->ret = pb_record_unpack(disk, super->replica, super->log_epoch,
				      super->log_slots,
				      pb_layout_extents(super),
				      &block->record, &block->why);
}

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* From what is in each slot to the extents in order, each once. */
static u32 sort_hot(u32 *map, u32 slots)
{
	u32 i, nr = 0;

	qsort(map, slots, sizeof(*map), compare);
	for (i = 0; i < slots && map[i] != PB_RECORD_NO_EXTENT; i++)
		if (!nr || map[nr - 1] != map[i])
			map[nr++] = map[i];
	return nr;
}

void pb_log_read(int fd, const struct pb_area *area, struct pb_log *log)
{
	const struct pb_super *super = &area->super;
	u32 nr = super->log_blocks, i;
	unsigned long *unreadable = alloc(BITS_TO_LONGS(nr), sizeof(long));
	struct pb_record *record = alloc(1, sizeof(*record));
	u8 *ring = alloc(nr, PB_DISK_BLOCK);

	memset(log, 0, sizeof(*log));
	log->nr_blocks = nr;
	log->blocks = alloc(nr, sizeof(*log->blocks));
	log->hot = alloc(super->log_slots, sizeof(*log->hot));
	for (i = 0; i < nr; i++)
		read_block(fd, area, i, ring + (size_t)i * PB_DISK_BLOCK,
			   unreadable, &log->blocks[i]);
	log->ret = pb_record_recover(super, ring, unreadable, log->hot, record,
				     &log->last, &log->why);
	if (!log->ret)
		log->nr_hot = sort_hot(log->hot, super->log_slots);
	free(ring);
	free(record);
	free(unreadable);
}

void pb_log_free(struct pb_log *log)
{
	free(log->blocks);
	free(log->hot);
	memset(log, 0, sizeof(*log));
}

static u64 regions(const struct pb_super *super, u64 sectors)
{
	return ((sectors - 1) >> super->region_shift) + 1;
}

static u64 regions_of_block(const struct pb_map_info *info, u64 block)
{
	u64 left = info->nr_regions - block * PB_DISK_MAP_REGIONS;

	return left < PB_DISK_MAP_REGIONS ? left : PB_DISK_MAP_REGIONS;
}

/* Those beyond the volume's end mean nothing. */
static u32 marks(const struct pb_disk_map *disk, u64 regions)
{
	u32 i, nr = 0;

	for (i = 0; i < regions / 8; i++)
		nr += hweight_long(disk->bits[i]);
	if (regions % 8)
		nr += hweight_long(disk->bits[i] & ((1U << regions % 8) - 1));
	return nr;
}

static void read_map_block(int fd, const struct pb_area *area,
			   const struct pb_map_id *id, u64 block,
			   struct pb_map_info *info)
{
	u64 sector = area->start +
		     pb_layout_map_sector(&area->super, id->slot, block);
	u64 room = regions(&area->super, area->super.capacity_sectors);
	const char *why = "dirty map: a block that cannot be read";
	struct pb_disk_map disk;
	int ret;

	ret = pb_pread_block(fd, sector, &disk);
	if (!ret)
		ret = pb_map_check_block(room, id, block, &disk, &why);
	if (!ret) {
		info->nr_dirty += marks(&disk, regions_of_block(info, block));
		return;
	}
	if (ret == -ENODATA) {
		info->nr_void++;
		return;
	}
	if (!info->nr_damaged++) {
		info->damaged = block;
		info->why = why;
	}
	info->nr_dirty += regions_of_block(info, block);
}

void pb_map_read(int fd, const struct pb_area *area, u32 slot,
		 struct pb_map_info *info)
{
	const struct pb_super *super = &area->super;
	struct pb_map_id id = {
		.slot = slot, .epoch = super->peers[slot].epoch,
	};
	u64 block;

	memcpy(id.replica, super->replica, PB_UUID_LEN);
	memset(info, 0, sizeof(*info));
	info->slot = slot;
	info->nr_regions = regions(super, super->data_sectors);
	info->nr_blocks = DIV_ROUND_UP(info->nr_regions, PB_DISK_MAP_REGIONS);
	for (block = 0; block < info->nr_blocks; block++)
		read_map_block(fd, area, &id, block, info);
}
