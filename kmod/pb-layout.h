/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where things are in the metadata area: the superblock's copies, the ring of
 * the activity log, the dirty maps.  Pure logic: callable in any context.
 *
 * Sectors are counted from the start of the area.  Block b of all maps comes
 * before block b + 1 of any, so that a capacity that grows only adds to the end.
 */
#ifndef PB_LAYOUT_H
#define PB_LAYOUT_H

#include "pb-super.h"

/**
 * pb_layout_log_sector() - where a block of the activity log is
 * @block: below log_blocks
 */
u64 pb_layout_log_sector(u32 block);

/**
 * pb_layout_maps_start() - where the first block of the first map is
 * @super: valid
 */
u64 pb_layout_maps_start(const struct pb_super *super);

/**
 * pb_layout_map_sector() - where a block of a dirty map is
 * @super: valid
 * @slot: the map, below nr_maps
 * @block: of the map
 */
u64 pb_layout_map_sector(const struct pb_super *super, u32 slot, u64 block);

/**
 * pb_layout_map_blocks() - blocks of one dirty map, for the whole capacity
 * @super: valid
 */
u64 pb_layout_map_blocks(const struct pb_super *super);

/**
 * pb_layout_extents() - extents of the capacity
 * @super: valid, so that the number fits and is not PB_DISK_NO_EXTENT
 */
u32 pb_layout_extents(const struct pb_super *super);

/**
 * pb_layout_sectors() - size that the area must have
 * @super: valid
 */
u64 pb_layout_sectors(const struct pb_super *super);

/**
 * pb_layout_max_data() - largest volume that an area is enough for
 * @super: valid but for its sizes, which do not matter
 * @area_sectors: size of the area
 *
 * Return: sectors, whole regions; 0 if there is no room for any volume.
 */
u64 pb_layout_max_data(const struct pb_super *super, u64 area_sectors);

/**
 * pb_layout_fits() - is an area large enough for what its superblock says?
 * @super: valid
 * @area_sectors: size of the area
 * @why: set to a constant line on failure
 *
 * Return: 0, -ENOSPC.
 */
int pb_layout_fits(const struct pb_super *super, u64 area_sectors,
		   const char **why);

#endif /* PB_LAYOUT_H */
