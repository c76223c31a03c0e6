// SPDX-License-Identifier: GPL-2.0
/*
 * The layout of the metadata area, and whether it fits.
 */
#include "pb-layout.h"

u64 pb_layout_log_sector(u32 block)
{
	return PB_DISK_LOG_START + (u64)block * PB_DISK_BLOCK_SECTORS;
}

u64 pb_layout_maps_start(const struct pb_super *super)
{
	u64 end = pb_layout_log_sector(super->log_blocks);

	return (end + PB_DISK_MAPS_ALIGN - 1) & ~(u64)(PB_DISK_MAPS_ALIGN - 1);
}

u64 pb_layout_map_sector(const struct pb_super *super, u32 slot, u64 block)
{
	return pb_layout_maps_start(super) +
	       (block * super->nr_maps + slot) * PB_DISK_BLOCK_SECTORS;
}

/* Rounded up; no sum here that the largest size could overflow. */
static u64 pb_layout_units(u64 sectors, u32 shift)
{
	return sectors ? ((sectors - 1) >> shift) + 1 : 0;
}

u64 pb_layout_map_blocks(const struct pb_super *super)
{
	u64 regions = pb_layout_units(super->capacity_sectors,
				      super->region_shift);

	return div_u64(regions + PB_DISK_MAP_REGIONS - 1, PB_DISK_MAP_REGIONS);
}

u32 pb_layout_extents(const struct pb_super *super)
{
	return pb_layout_units(super->capacity_sectors, super->extent_shift);
}

u64 pb_layout_sectors(const struct pb_super *super)
{
	return pb_layout_map_sector(super, 0, pb_layout_map_blocks(super));
}

u64 pb_layout_max_data(const struct pb_super *super, u64 area_sectors)
{
	const u64 most = (u64)PB_DISK_MAX_EXTENTS << super->extent_shift;
	u64 start = pb_layout_maps_start(super);
	u64 blocks;

	if (area_sectors < start)
		return 0;
	blocks = div_u64(area_sectors - start,
			 super->nr_maps * PB_DISK_BLOCK_SECTORS);
	if (blocks > div_u64(most >> super->region_shift, PB_DISK_MAP_REGIONS))
		return most;
	return blocks * PB_DISK_MAP_REGIONS << super->region_shift;
}

int pb_layout_fits(const struct pb_super *super, u64 area_sectors,
		   const char **why)
{
	if (area_sectors < pb_layout_maps_start(super)) {
		*why = "the metadata area is too small for the activity log";
		return -ENOSPC;
	}
	if (area_sectors < pb_layout_sectors(super)) {
		*why = "the metadata area is too small for the volume's dirty maps";
		return -ENOSPC;
	}
	return 0;
}
