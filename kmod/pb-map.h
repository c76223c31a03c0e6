/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dirty maps: what a peer that is absent or not synced lacks, a bit for each
 * region of the volume.  Pure logic: takes no lock, does no I/O, allocates
 * nothing; the caller serialises.
 *
 * A region is *dirty* if the peer lacks it, *pending* if the peer has it and
 * has not flushed it, and *flushing* if it was pending when the flush under way
 * began.  It can be several of these at once.  On the disk it is marked if it
 * is any: what was not flushed is dirty again if the peer crashes.
 */
#ifndef PB_MAP_H
#define PB_MAP_H

#include "pb-disk.h"
#include "pb-pure.h"

/**
 * struct pb_map - the dirty map of one peer
 * @sectors: size of the volume
 * @region_shift: log2 of the sectors of a region
 * @nr_regions: bits of a bitmap
 * @nr_blocks: blocks of the map on the disk
 * @dirty: the peer lacks it
 * @pending: the peer has it, not flushed
 * @flushing: was pending when the flush under way began
 * @stale_blocks: blocks whose content on the disk is behind
 * @pending_blocks: blocks with a pending region
 * @flushing_blocks: blocks with a flushing region
 * @nr_dirty: regions in @dirty
 * @nr_pending: regions in @pending
 * @nr_flushing: regions in @flushing
 * @flush: a flush is under way
 */
struct pb_map {
	u64		sectors;
	u32		region_shift;
	u64		nr_regions;
	u64		nr_blocks;
	unsigned long	*dirty;
	unsigned long	*pending;
	unsigned long	*flushing;
	unsigned long	*stale_blocks;
	unsigned long	*pending_blocks;
	unsigned long	*flushing_blocks;
	u64		nr_dirty;
	u64		nr_pending;
	u64		nr_flushing;
	bool		flush;
};

/**
 * struct pb_map_id - whose blocks these are on the disk
 * @replica: UUID of the replica that keeps the map
 * @epoch: of the map
 * @slot: its index
 */
struct pb_map_id {
	u8	replica[PB_UUID_LEN];
	u64	epoch;
	u32	slot;
};

/**
 * enum pb_map_cover - how much of a range is dirty
 * @PB_MAP_NONE: no region that it touches
 * @PB_MAP_SOME: some of them
 * @PB_MAP_ALL: each of them
 */
enum pb_map_cover {
	PB_MAP_NONE,
	PB_MAP_SOME,
	PB_MAP_ALL,
};

/**
 * pb_map_longs() - memory for a map
 * @sectors: size of the volume
 * @region_shift: log2 of the sectors of a region
 *
 * Return: how many longs pb_map_init() takes.
 */
size_t pb_map_longs(u64 sectors, u32 region_shift);

/**
 * pb_map_init() - make a clean map
 * @map: to fill
 * @sectors: size of the volume, not 0
 * @region_shift: log2 of the sectors of a region
 * @longs: memory of pb_map_longs() longs, zeroed here; the caller frees it when
 *	it is done with the map
 *
 * Nothing is stale: blocks of a new epoch are void on the disk, that is clean.
 */
void pb_map_init(struct pb_map *map, u64 sectors, u32 region_shift,
		 unsigned long *longs);

/**
 * pb_map_grow() - take a map over into a larger one
 * @map: just made, of the same regions and not less of them
 * @old: the map; of no use afterwards
 * @dirty: the peer lacks what is new
 */
void pb_map_grow(struct pb_map *map, const struct pb_map *old, bool dirty);

/**
 * pb_map_set_dirty() - the peer lacks a write
 * @map: the map
 * @sector: where it begins
 * @count: its sectors, not 0; it ends in the volume
 */
void pb_map_set_dirty(struct pb_map *map, u64 sector, u64 count);

/**
 * pb_map_set_pending() - the peer has a write, not flushed
 * @map: the map
 * @sector: where it begins
 * @count: its sectors, not 0; it ends in the volume
 *
 * What is dirty stays dirty: the rest of the region may be missing.
 */
void pb_map_set_pending(struct pb_map *map, u64 sector, u64 count);

/**
 * pb_map_sent() - the peer has a whole region, not flushed
 * @map: the map
 * @region: the region
 */
void pb_map_sent(struct pb_map *map, u64 region);

/**
 * pb_map_flush_begin() - the peer begins to flush
 * @map: the map
 *
 * Return: true, and what is pending is now flushing; false if a flush is under
 * way already.
 */
bool pb_map_flush_begin(struct pb_map *map);

/**
 * pb_map_flush_end() - the flush that began is over
 * @map: the map; pb_map_flush_begin() returned true
 * @ok: the peer has flushed; else what was flushing is pending again
 *
 * To be called for each flush that began, also if the peer crashed meanwhile.
 */
void pb_map_flush_end(struct pb_map *map, bool ok);

/**
 * pb_map_crashed() - the peer came back without what it had not flushed
 * @map: the map
 *
 * What is pending or flushing is dirty now, and neither any more.
 */
void pb_map_crashed(struct pb_map *map);

/**
 * pb_map_next_dirty() - find work
 * @map: the map
 * @from: region to begin with
 *
 * Return: the first dirty region from @from on, or nr_regions.
 */
u64 pb_map_next_dirty(const struct pb_map *map, u64 from);

/**
 * pb_map_next_stale() - find a block that has to be written
 * @map: the map
 * @from: block to begin with
 *
 * Return: the first stale block from @from on, or nr_blocks.
 */
u64 pb_map_next_stale(const struct pb_map *map, u64 from);

/**
 * pb_map_test_range() - is a range dirty?
 * @map: the map
 * @sector: where it begins
 * @count: its sectors, not 0; it ends in the volume
 */
enum pb_map_cover pb_map_test_range(const struct pb_map *map, u64 sector,
				    u64 count);

/**
 * pb_map_clear() - the peer lacks nothing
 * @map: the map
 */
void pb_map_clear(struct pb_map *map);

/**
 * pb_map_fill() - the peer lacks everything
 * @map: the map
 */
void pb_map_fill(struct pb_map *map);

/**
 * pb_map_fill_block() - whatever a block covers is dirty
 * @map: the map
 * @block: the block, damaged or unreadable on the disk
 */
void pb_map_fill_block(struct pb_map *map, u64 block);

/**
 * pb_map_pack_block() - write a block for the disk; it is not stale any more
 * @map: the map
 * @id: whose it is
 * @block: which one
 * @disk: filled, checksum included
 */
void pb_map_pack_block(struct pb_map *map, const struct pb_map_id *id,
		       u64 block, struct pb_disk_map *disk);

/**
 * pb_map_check_block() - is this a block of a dirty map?
 * @room: regions that the metadata area has room for
 * @id: whose it must be
 * @block: which one it must be
 * @disk: PB_DISK_BLOCK bytes from the disk, hostile
 * @why: set to a constant line on failure
 *
 * Return: as pb_map_unpack_block().
 */
int pb_map_check_block(u64 room, const struct pb_map_id *id, u64 block,
		       const struct pb_disk_map *disk, const char **why);

/**
 * pb_map_unpack_block() - check a block and take its marks as dirty
 * @map: the map; changed on success only
 * @room: regions that the metadata area has room for, not less than the map has
 * @id: whose it must be
 * @block: which one it must be
 * @disk: PB_DISK_BLOCK bytes from the disk, hostile
 * @why: set to a constant line on failure
 *
 * Marks beyond the map's end are dropped: they are of a size that never came
 * into force.  The block does not get stale by it.
 *
 * Return: 0, -ENODATA (void: never written, or of another epoch or replica:
 * nothing in it is dirty), -EBADMSG (damaged, or not in its place:
 * pb_map_fill_block() is the answer).
 */
int pb_map_unpack_block(struct pb_map *map, u64 room,
			const struct pb_map_id *id, u64 block,
			const struct pb_disk_map *disk, const char **why);

#endif /* PB_MAP_H */
