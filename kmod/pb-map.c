// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty maps, in core and on the disk.
 *
 * In core a bitmap has the bits of whole blocks, those beyond the volume's end
 * zero, so that each block is a whole number of longs.
 */
#include "pb-map.h"

#define BLOCK_LONGS	(PB_DISK_MAP_REGIONS / BITS_PER_LONG)

static_assert(sizeof(struct pb_disk_map) == PB_DISK_BLOCK);
static_assert(offsetof(struct pb_disk_map, crc) == 8);
static_assert(offsetof(struct pb_disk_map, bits) == 64);
static_assert(PB_DISK_MAP_BYTES % sizeof(long) == 0);

static u64 pb_map_regions(u64 sectors, u32 region_shift)
{
	return ((sectors - 1) >> region_shift) + 1;
}

static u64 pb_map_blocks(u64 regions)
{
	return div_u64(regions + PB_DISK_MAP_REGIONS - 1, PB_DISK_MAP_REGIONS);
}

size_t pb_map_longs(u64 sectors, u32 region_shift)
{
	size_t blocks = pb_map_blocks(pb_map_regions(sectors, region_shift));

	return 3 * (blocks * BLOCK_LONGS + BITS_TO_LONGS(blocks));
}

void pb_map_init(struct pb_map *map, u64 sectors, u32 region_shift,
		 unsigned long *longs)
{
	size_t bits, blocks;

	memset(longs, 0, pb_map_longs(sectors, region_shift) * sizeof(*longs));
	memset(map, 0, sizeof(*map));
	map->sectors = sectors;
	map->region_shift = region_shift;
	map->nr_regions = pb_map_regions(sectors, region_shift);
	map->nr_blocks = pb_map_blocks(map->nr_regions);
	bits = map->nr_blocks * BLOCK_LONGS;
	blocks = BITS_TO_LONGS(map->nr_blocks);
	map->dirty = longs;
	map->pending = map->dirty + bits;
	map->flushing = map->pending + bits;
	map->stale_blocks = map->flushing + bits;
	map->pending_blocks = map->stale_blocks + blocks;
	map->flushing_blocks = map->pending_blocks + blocks;
}

/* Copies what is marked; the rest of the longs is zero. */
static void pb_map_take_over(struct pb_map *map, const struct pb_map *old)
{
	memcpy(map->dirty, old->dirty,
	       old->nr_blocks * BLOCK_LONGS * sizeof(long));
	memcpy(map->pending, old->pending,
	       old->nr_blocks * BLOCK_LONGS * sizeof(long));
	memcpy(map->flushing, old->flushing,
	       old->nr_blocks * BLOCK_LONGS * sizeof(long));
	memcpy(map->stale_blocks, old->stale_blocks,
	       BITS_TO_LONGS(old->nr_blocks) * sizeof(long));
	memcpy(map->pending_blocks, old->pending_blocks,
	       BITS_TO_LONGS(old->nr_blocks) * sizeof(long));
	memcpy(map->flushing_blocks, old->flushing_blocks,
	       BITS_TO_LONGS(old->nr_blocks) * sizeof(long));
}

void pb_map_grow(struct pb_map *map, const struct pb_map *old, bool dirty)
{
	pb_map_take_over(map, old);
	map->nr_dirty = old->nr_dirty;
	map->nr_pending = old->nr_pending;
	map->nr_flushing = old->nr_flushing;
	map->flush = old->flush;
	if (dirty && map->sectors > old->sectors)
		pb_map_set_dirty(map, old->sectors,
				 map->sectors - old->sectors);
}

static u64 pb_map_block(u64 region)
{
	return div_u64(region, PB_DISK_MAP_REGIONS);
}

/* What a long of the bitmaps is on the disk. */
static unsigned long pb_map_marks(const struct pb_map *map, size_t at)
{
	return map->dirty[at] | map->pending[at] | map->flushing[at];
}

/* The bits of a long that stand for regions of the volume. */
static unsigned long pb_map_valid(u64 nr_regions, size_t at)
{
	u64 first = (u64)at * BITS_PER_LONG;

	if (first >= nr_regions)
		return 0;
	if (nr_regions - first >= BITS_PER_LONG)
		return ~0UL;
	return (1UL << (nr_regions - first)) - 1;
}

/* A region is about to be marked. */
static void pb_map_touch(struct pb_map *map, u64 region)
{
	if (!test_bit(region, map->dirty) && !test_bit(region, map->pending) &&
	    !test_bit(region, map->flushing))
		__set_bit(pb_map_block(region), map->stale_blocks);
}

static void pb_map_mark_dirty(struct pb_map *map, u64 region)
{
	if (test_bit(region, map->dirty))
		return;
	pb_map_touch(map, region);
	__set_bit(region, map->dirty);
	map->nr_dirty++;
}

static void pb_map_mark_pending(struct pb_map *map, u64 region)
{
	if (test_bit(region, map->pending))
		return;
	pb_map_touch(map, region);
	__set_bit(region, map->pending);
	__set_bit(pb_map_block(region), map->pending_blocks);
	map->nr_pending++;
}

void pb_map_set_dirty(struct pb_map *map, u64 sector, u64 count)
{
	u64 last = (sector + count - 1) >> map->region_shift;
	u64 region;

	for (region = sector >> map->region_shift; region <= last; region++)
		pb_map_mark_dirty(map, region);
}

void pb_map_set_pending(struct pb_map *map, u64 sector, u64 count)
{
	u64 last = (sector + count - 1) >> map->region_shift;
	u64 region;

	for (region = sector >> map->region_shift; region <= last; region++)
		pb_map_mark_pending(map, region);
}

void pb_map_sent(struct pb_map *map, u64 region)
{
	pb_map_mark_pending(map, region);
	if (!test_bit(region, map->dirty))
		return;
	__clear_bit(region, map->dirty);
	map->nr_dirty--;
}

bool pb_map_flush_begin(struct pb_map *map)
{
	if (map->flush)
		return false;
	/* Nothing is flushing without a flush. */
	swap(map->pending, map->flushing);
	swap(map->pending_blocks, map->flushing_blocks);
	swap(map->nr_pending, map->nr_flushing);
	map->flush = true;
	return true;
}

static void pb_map_flushed(struct pb_map *map, u64 block)
{
	size_t at = block * BLOCK_LONGS, end = at + BLOCK_LONGS;

	for (; at < end; at++) {
		if (map->flushing[at] & ~(map->dirty[at] | map->pending[at]))
			__set_bit(block, map->stale_blocks);
		map->flushing[at] = 0;
	}
}

static void pb_map_not_flushed(struct pb_map *map, u64 block)
{
	size_t at = block * BLOCK_LONGS, end = at + BLOCK_LONGS;

	__set_bit(block, map->pending_blocks);
	for (; at < end; at++) {
		map->nr_pending += hweight_long(map->flushing[at] &
						~map->pending[at]);
		map->pending[at] |= map->flushing[at];
		map->flushing[at] = 0;
	}
}

void pb_map_flush_end(struct pb_map *map, bool ok)
{
	u64 block;

	for (block = 0; block < map->nr_blocks; block++) {
		if (!test_bit(block, map->flushing_blocks))
			continue;
		__clear_bit(block, map->flushing_blocks);
		if (ok)
			pb_map_flushed(map, block);
		else
			pb_map_not_flushed(map, block);
	}
	map->nr_flushing = 0;
	map->flush = false;
}

static void pb_map_lost(struct pb_map *map, u64 block)
{
	size_t at = block * BLOCK_LONGS, end = at + BLOCK_LONGS;
	unsigned long lost;

	for (; at < end; at++) {
		lost = map->pending[at] | map->flushing[at];
		map->nr_dirty += hweight_long(lost & ~map->dirty[at]);
		map->dirty[at] |= lost;
		map->pending[at] = 0;
		map->flushing[at] = 0;
	}
}

/* The flush under way stays so until its end is heard of. */
void pb_map_crashed(struct pb_map *map)
{
	u64 block;

	for (block = 0; block < map->nr_blocks; block++) {
		if (!test_bit(block, map->pending_blocks) &&
		    !test_bit(block, map->flushing_blocks))
			continue;
		__clear_bit(block, map->pending_blocks);
		__clear_bit(block, map->flushing_blocks);
		pb_map_lost(map, block);
	}
	map->nr_pending = 0;
	map->nr_flushing = 0;
}

u64 pb_map_next_dirty(const struct pb_map *map, u64 from)
{
	return find_next_bit(map->dirty, map->nr_regions, from);
}

u64 pb_map_next_stale(const struct pb_map *map, u64 from)
{
	return find_next_bit(map->stale_blocks, map->nr_blocks, from);
}

enum pb_map_cover pb_map_test_range(const struct pb_map *map, u64 sector,
				    u64 count)
{
	u64 first = sector >> map->region_shift;
	u64 last = (sector + count - 1) >> map->region_shift;
	bool dirty = test_bit(first, map->dirty);
	u64 region;

	for (region = first + 1; region <= last; region++)
		if (test_bit(region, map->dirty) != dirty)
			return PB_MAP_SOME;
	return dirty ? PB_MAP_ALL : PB_MAP_NONE;
}

static void pb_map_clear_block(struct pb_map *map, u64 block)
{
	size_t at = block * BLOCK_LONGS, end = at + BLOCK_LONGS;

	__clear_bit(block, map->pending_blocks);
	__clear_bit(block, map->flushing_blocks);
	for (; at < end; at++) {
		if (pb_map_marks(map, at))
			__set_bit(block, map->stale_blocks);
		map->dirty[at] = 0;
		map->pending[at] = 0;
		map->flushing[at] = 0;
	}
}

void pb_map_clear(struct pb_map *map)
{
	u64 block;

	for (block = 0; block < map->nr_blocks; block++)
		pb_map_clear_block(map, block);
	map->nr_dirty = 0;
	map->nr_pending = 0;
	map->nr_flushing = 0;
}

void pb_map_fill_block(struct pb_map *map, u64 block)
{
	size_t at = block * BLOCK_LONGS, end = at + BLOCK_LONGS;
	unsigned long all;

	for (; at < end; at++) {
		all = pb_map_valid(map->nr_regions, at);
		if (pb_map_marks(map, at) != all)
			__set_bit(block, map->stale_blocks);
		map->nr_dirty += hweight_long(all & ~map->dirty[at]);
		map->dirty[at] = all;
	}
}

void pb_map_fill(struct pb_map *map)
{
	u64 block;

	for (block = 0; block < map->nr_blocks; block++)
		pb_map_fill_block(map, block);
}

static u32 pb_map_crc(const struct pb_disk_map *disk)
{
	return pb_block_crc(disk, sizeof(*disk),
			    offsetof(struct pb_disk_map, crc));
}

/* The same bytes whatever the size and byte order of a long. */
static void pb_map_put(u8 *bytes, unsigned long bits)
{
	u32 i;

	for (i = 0; i < sizeof(bits); i++)
		bytes[i] = bits >> (8 * i);
}

static unsigned long pb_map_get(const u8 *bytes)
{
	unsigned long bits = 0;
	u32 i;

	for (i = 0; i < sizeof(bits); i++)
		bits |= (unsigned long)bytes[i] << (8 * i);
	return bits;
}

void pb_map_pack_block(struct pb_map *map, const struct pb_map_id *id,
		       u64 block, struct pb_disk_map *disk)
{
	size_t at = block * BLOCK_LONGS;
	u32 i;

	memset(disk, 0, sizeof(*disk));
	disk->magic = cpu_to_le64(PB_DISK_MAP_MAGIC);
	disk->slot = cpu_to_le32(id->slot);
	disk->index = cpu_to_le64(block);
	disk->epoch = cpu_to_le64(id->epoch);
	memcpy(disk->replica, id->replica, PB_UUID_LEN);
	for (i = 0; i < BLOCK_LONGS; i++)
		pb_map_put(&disk->bits[i * sizeof(long)],
			   pb_map_marks(map, at + i));
	disk->crc = cpu_to_le32(pb_map_crc(disk));
	__clear_bit(block, map->stale_blocks);
}

static int pb_map_check_head(const struct pb_map_id *id, u64 block,
			     const struct pb_disk_map *disk, const char **why)
{
	if (pb_all_zero(disk, sizeof(*disk))) {
		*why = "dirty map: a block that was never written";
		return -ENODATA;
	}
	if (le64_to_cpu(disk->magic) != PB_DISK_MAP_MAGIC ||
	    le32_to_cpu(disk->crc) != pb_map_crc(disk)) {
		*why = "dirty map: a damaged block";
		return -EBADMSG;
	}
	if (memcmp(disk->replica, id->replica, PB_UUID_LEN)) {
		*why = "dirty map: a block of another replica's";
		return -ENODATA;
	}
	/* Before the epoch: it hides what should be here, whatever that was. */
	if (le32_to_cpu(disk->slot) != id->slot ||
	    le64_to_cpu(disk->index) != block) {
		*why = "dirty map: a block that is not in its place";
		return -EBADMSG;
	}
	if (le64_to_cpu(disk->epoch) != id->epoch) {
		*why = "dirty map: a block of another epoch";
		return -ENODATA;
	}
	if (!pb_all_zero(disk->reserved, sizeof(disk->reserved))) {
		*why = "dirty map: reserved bytes are not zero";
		return -EBADMSG;
	}
	return 0;
}

int pb_map_check_block(u64 room, const struct pb_map_id *id, u64 block,
		       const struct pb_disk_map *disk, const char **why)
{
	size_t at = block * BLOCK_LONGS;
	unsigned long bits;
	u32 i;
	int ret;

	ret = pb_map_check_head(id, block, disk, why);
	if (ret)
		return ret;
	for (i = 0; i < BLOCK_LONGS; i++) {
		bits = pb_map_get(&disk->bits[i * sizeof(long)]);
		if (bits & ~pb_map_valid(room, at + i)) {
			*why = "dirty map: marks beyond the capacity";
			return -EBADMSG;
		}
	}
	return 0;
}

int pb_map_unpack_block(struct pb_map *map, u64 room,
			const struct pb_map_id *id, u64 block,
			const struct pb_disk_map *disk, const char **why)
{
	size_t at = block * BLOCK_LONGS;
	unsigned long bits;
	u32 i;
	int ret;

	ret = pb_map_check_block(room, id, block, disk, why);
	if (ret)
		return ret;
	for (i = 0; i < BLOCK_LONGS; i++) {
		bits = pb_map_get(&disk->bits[i * sizeof(long)]) &
		       pb_map_valid(map->nr_regions, at + i);
		map->nr_dirty += hweight_long(bits & ~map->dirty[at + i]);
		map->dirty[at + i] |= bits;
	}
	return 0;
}
