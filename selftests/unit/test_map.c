// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-map.c: random operations against a byte for each region, and
 * each byte of a block flipped.
 */
#include <stdlib.h>

#include "pb-map.h"
#include "rnd.h"
#include "tap.h"

#define BLOCK		PB_DISK_MAP_REGIONS
#define MAX_REGIONS	(2 * BLOCK + 100)
#define MAX_BLOCKS	3

enum { DIRTY = 1, PENDING = 2, FLUSHING = 4 };

/* The slow map: what a region is, and what blocks are behind. */
struct model {
	u8	is[MAX_REGIONS];
	bool	stale[MAX_BLOCKS];
	bool	flush;
};

static struct pb_map map;
static unsigned long *longs;
static struct model model, before;
static const char *why;

static const struct pb_map_id id = {
	.replica = "0123456789abcdef", .epoch = 7, .slot = 2,
};

static void begin(u64 sectors, u32 shift)
{
	free(longs);
	longs = malloc(pb_map_longs(sectors, shift) * sizeof(*longs));
	memset(longs, 0xff, pb_map_longs(sectors, shift) * sizeof(*longs));
	pb_map_init(&map, sectors, shift, longs);
	memset(&model, 0, sizeof(model));
}

static u64 count(u8 bit)
{
	u64 i, nr = 0;

	for (i = 0; i < map.nr_regions; i++)
		nr += !!(model.is[i] & bit);
	return nr;
}

/* What the operation changed on the disk makes its block stale. */
static void note_changes(void)
{
	u64 i;

	for (i = 0; i < map.nr_regions; i++)
		if (!before.is[i] != !model.is[i])
			model.stale[i / BLOCK] = true;
}

static u64 next_of(u64 from)
{
	while (from < map.nr_regions && !(model.is[from] & DIRTY))
		from++;
	return from < map.nr_regions ? from : map.nr_regions;
}

static bool agree(void)
{
	u64 from = rnd() % (map.nr_regions + 1);
	u64 i;

	for (i = 0; i < map.nr_regions; i++)
		if (test_bit(i, map.dirty) != !!(model.is[i] & DIRTY) ||
		    test_bit(i, map.pending) != !!(model.is[i] & PENDING) ||
		    test_bit(i, map.flushing) != !!(model.is[i] & FLUSHING))
			return false;
	for (i = 0; i < map.nr_blocks; i++)
		if (test_bit(i, map.stale_blocks) != model.stale[i])
			return false;
	return map.nr_dirty == count(DIRTY) &&
	       map.nr_pending == count(PENDING) &&
	       map.nr_flushing == count(FLUSHING) &&
	       pb_map_next_dirty(&map, from) == next_of(from);
}

static void model_range(u64 sector, u64 nr, u8 bit)
{
	u64 i;

	for (i = 0; i < map.nr_regions; i++) {
		u64 start = i << map.region_shift;
		u64 end = start + (1ULL << map.region_shift);

		if (sector < end && sector + nr > start)
			model.is[i] |= bit;
	}
}

static void model_each(u8 from, u8 clear, u8 set)
{
	u64 i;

	for (i = 0; i < map.nr_regions; i++)
		if (!from || model.is[i] & from)
			model.is[i] = (model.is[i] & ~clear) | set;
}

static enum pb_map_cover model_cover(u64 sector, u64 nr)
{
	u64 last = (sector + nr - 1) >> map.region_shift;
	u64 first = sector >> map.region_shift, i, dirty = 0;

	for (i = first; i <= last; i++)
		dirty += model.is[i] & DIRTY;
	if (!dirty)
		return PB_MAP_NONE;
	return dirty == last - first + 1 ? PB_MAP_ALL : PB_MAP_SOME;
}

static void random_range(u64 *sector, u64 *nr)
{
	u64 most = rnd() % 4 ? 3ULL << map.region_shift : map.sectors;

	*sector = rnd() % map.sectors;
	*nr = 1 + rnd() % most;
	if (*nr > map.sectors - *sector)
		*nr = map.sectors - *sector;
}

/* Return: did it say what it should? */
static bool flush_step(void)
{
	bool good = pb_map_flush_begin(&map) == !model.flush, done;

	if (!model.flush) {
		model_each(PENDING, PENDING, FLUSHING);
	} else {
		done = rnd() % 2;
		pb_map_flush_end(&map, done);
		model_each(FLUSHING, FLUSHING, done ? 0 : PENDING);
	}
	model.flush = !model.flush;
	return good;
}

static void rare_step(void)
{
	u64 block = rnd() % map.nr_blocks, i;

	switch (rnd() % 4) {
	case 0:
		pb_map_crashed(&map);
		model_each(PENDING | FLUSHING, PENDING | FLUSHING, DIRTY);
		break;
	case 1:
		pb_map_clear(&map);
		model_each(0, DIRTY | PENDING | FLUSHING, 0);
		break;
	case 2:
		pb_map_fill(&map);
		model_each(0, 0, DIRTY);
		break;
	case 3:
		pb_map_fill_block(&map, block);
		for (i = 0; i < map.nr_regions; i++)
			if (i / BLOCK == block)
				model.is[i] |= DIRTY;
		break;
	}
}

/* The bits of a packed block are what the model has. */
static bool pack_step(void)
{
	u64 block = rnd() % map.nr_blocks, i;
	struct pb_disk_map disk;

	memset(&disk, 0xff, sizeof(disk));
	pb_map_pack_block(&map, &id, block, &disk);
	model.stale[block] = false;
	for (i = 0; i < BLOCK; i++) {
		u64 region = block * BLOCK + i;
		bool marked = region < map.nr_regions && model.is[region];

		if ((disk.bits[i / 8] >> i % 8 & 1) != marked)
			return false;
	}
	return pb_map_next_stale(&map, block) != block;
}

static bool step(void)
{
	u64 sector, nr;
	bool good = true;

	before = model;
	random_range(&sector, &nr);
	switch (rnd() % 8) {
	case 0:
		good = flush_step();
		break;
	case 1:
		if (rnd() % 8)
			good = pack_step();
		else
			rare_step();
		break;
	case 2:
	case 3:
		pb_map_set_dirty(&map, sector, nr);
		model_range(sector, nr, DIRTY);
		break;
	case 4:
	case 5:
		pb_map_set_pending(&map, sector, nr);
		model_range(sector, nr, PENDING);
		break;
	case 6:
		nr = sector >> map.region_shift;
		pb_map_sent(&map, nr);
		model.is[nr] = (model.is[nr] & ~DIRTY) | PENDING;
		break;
	case 7:
		good = pb_map_test_range(&map, sector, nr) ==
		       model_cover(sector, nr);
		break;
	}
	note_changes();
	return good;
}

static void test_random(void)
{
	static const u64 regions[] = {
		1, 2, 7, 63, 64, 65, 200, 1000, BLOCK - 1, BLOCK, BLOCK + 1,
		2 * BLOCK + 99,
	};
	u32 i, k, bad = 0, bad_size = 0;

	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		u32 shift = 3 + i % 11;
		u64 sectors = regions[i] << shift;

		begin(i % 2 ? sectors : sectors - 1, shift);
		bad_size += map.nr_regions != regions[i] ||
			    map.nr_blocks != (regions[i] + BLOCK - 1) / BLOCK;
		bad += !agree();
		for (k = 0; k < (regions[i] > 1000 ? 300 : 5000); k++)
			bad += !step() || !agree();
	}
	is(bad_size, 0, "regions and blocks of maps of many sizes");
	is(bad, 0, "random operations: all bits, counts and stale blocks");
}

static void test_write(void)
{
	begin(1000 * 128, 7);
	pb_map_set_dirty(&map, 127, 2);
	is(map.nr_dirty, 2, "a write across two regions");
	is(pb_map_next_stale(&map, 0), 0, "its block is stale");
	pb_map_set_pending(&map, 128, 128);
	is(map.nr_dirty, 2, "pending leaves dirty");
	is(pb_map_test_range(&map, 0, 256), PB_MAP_ALL, "both are dirty");
	is(pb_map_test_range(&map, 0, 257), PB_MAP_SOME, "not the third");
	is(pb_map_test_range(&map, 256, 1), PB_MAP_NONE, "not it alone");
	pb_map_sent(&map, 1);
	ok(map.nr_dirty == 1 && map.nr_pending == 1, "a region sent");
	pb_map_set_dirty(&map, 999 * 128 + 127, 1);
	is(pb_map_next_dirty(&map, 1), 999, "the last sector");
	is(pb_map_next_dirty(&map, 1000), 1000, "none after it");
}

static void test_flush(void)
{
	struct pb_disk_map disk;

	begin(1000 * 128, 7);
	pb_map_set_pending(&map, 0, 128);
	ok(pb_map_flush_begin(&map), "a flush begins");
	ok(!pb_map_flush_begin(&map), "not another one");
	pb_map_set_pending(&map, 128, 128);
	pb_map_pack_block(&map, &id, 0, &disk);
	is(disk.bits[0], 3, "on the disk both are marked");
	pb_map_flush_end(&map, true);
	ok(map.nr_pending == 1 && !map.nr_flushing,
	   "what came after it began is pending");
	is(pb_map_next_stale(&map, 0), 0, "the disk is behind");
	ok(pb_map_flush_begin(&map), "the next flush begins");
	pb_map_crashed(&map);
	is(map.nr_dirty, 1, "the peer crashed: dirty");
	ok(!pb_map_flush_begin(&map), "the flush is still to end");
	pb_map_flush_end(&map, true);
	is(map.nr_dirty, 1, "and its end settles nothing");
	ok(pb_map_flush_begin(&map), "a flush without work");
	pb_map_flush_end(&map, false);
	is(map.nr_pending, 0, "leaves no work");
}

/* Block 1 of a map of two, the second short. */
static void good_block(struct pb_disk_map *disk)
{
	begin(((u64)BLOCK + 100) * 128, 7);
	pb_map_set_dirty(&map, ((u64)BLOCK + 3) * 128, 128);
	pb_map_set_dirty(&map, ((u64)BLOCK + 99) * 128, 128);
	pb_map_pack_block(&map, &id, 1, disk);
}

static int unpack(const struct pb_map_id *whose, u64 block,
		  const struct pb_disk_map *disk)
{
	int ret;

	why = NULL;
	pb_map_init(&map, map.sectors, map.region_shift, longs);
	ret = pb_map_unpack_block(&map, map.nr_regions, whose, block, disk,
				  &why);
	if (ret && (!why || map.nr_dirty || pb_map_next_dirty(&map, 0) !=
		    map.nr_regions))
		ok(false, "a refusal gives a reason and no marks");
	return ret;
}

static void test_bytes(void)
{
	struct pb_disk_map disk;
	const u8 *byte = (const u8 *)&disk;
	u32 crc = ~0U, i, k;

	good_block(&disk);
	ok(!memcmp(byte, "DPBMAP01", 8), "magic");
	ok(!memcmp(byte + 12, "\2\0\0\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0", 20),
	   "slot at 12, index at 16, epoch at 24");
	ok(!memcmp(byte + 32, "0123456789abcdef", 16) &&
	   pb_all_zero(byte + 48, 16), "replica at 32");
	ok(byte[64] == 8 && byte[76] == 8 && pb_all_zero(byte + 65, 11) &&
	   pb_all_zero(byte + 77, 4019), "bits at 64, the lowest first");
	for (i = 0; i < sizeof(disk); i++) {
		crc ^= i >= 8 && i < 12 ? 0 : byte[i];
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	is(le32_to_cpu(disk.crc), (u32)~crc, "crc at 8");
	is(unpack(&id, 1, &disk), 0, "unpack");
	ok(map.nr_dirty == 2 && pb_map_next_dirty(&map, 0) == BLOCK + 3 &&
	   pb_map_next_dirty(&map, BLOCK + 4) == BLOCK + 99,
	   "the marks come back");
	is(pb_map_next_stale(&map, 0), 2, "nothing is stale by it");
	is(pb_map_unpack_block(&map, map.nr_regions, &id, 1, &disk, &why), 0,
	   "once more");
	is(map.nr_dirty, 2, "marks are counted once");
}

static void test_flips(void)
{
	struct pb_disk_map disk;
	u8 *byte = (u8 *)&disk;
	u32 i, bad = 0;

	good_block(&disk);
	for (i = 0; i < 9 * sizeof(disk); i++) {
		u8 flip = i % 9 == 8 ? 0xff : 1 << (i % 9);

		byte[i / 9] ^= flip;
		bad += pb_map_unpack_block(&map, map.nr_regions, &id, 1, &disk,
					   &why) != -EBADMSG;
		byte[i / 9] ^= flip;
	}
	is(bad, 0, "each bit and byte flipped: damaged");
}

static void test_torn(void)
{
	struct pb_disk_map old, new, disk;
	u32 mask, i, bad = 0;

	begin((u64)BLOCK * 128, 7);
	pb_map_pack_block(&map, &id, 0, &old);
	for (i = 0; i < BLOCK; i += 1000)
		pb_map_set_dirty(&map, (u64)i * 128, 1);
	pb_map_pack_block(&map, &id, 0, &new);
	for (mask = 1; mask < 255; mask++) {
		disk = old;
		for (i = 0; i < 8; i++)
			if (mask >> i & 1)
				memcpy((u8 *)&disk + 512 * i,
				       (u8 *)&new + 512 * i, 512);
		bad += unpack(&id, 0, &disk) != -EBADMSG;
	}
	is(bad, 0, "torn in any sectors: damaged");
}

static void wrong(struct pb_disk_map *disk, int err, const char *reason)
{
	int ret;

	disk->crc = cpu_to_le32(pb_block_crc(disk, sizeof(*disk), 8));
	ret = unpack(&id, 1, disk);
	if (!ok(ret == err && strstr(why, reason), "unpack: %s", reason))
		printf("# %d %s\n", ret, why ? why : "");
}

#define WRONG(err, reason, change) do {				\
	struct pb_disk_map d = good;				\
								\
	change;							\
	wrong(&d, err, reason);					\
} while (0)

static void test_values(void)
{
	struct pb_disk_map good, zero = {};

	good_block(&good);
	is(unpack(&id, 1, &zero), -ENODATA, "unpack: zeroes");
	WRONG(-EBADMSG, "damaged", d = zero);
	WRONG(-EBADMSG, "damaged", d.magic ^= cpu_to_le64(1));
	WRONG(-ENODATA, "replica", d.replica[15]++);
	WRONG(-ENODATA, "epoch", d.epoch = cpu_to_le64(6));
	WRONG(-ENODATA, "epoch", d.epoch = cpu_to_le64(8));
	WRONG(-EBADMSG, "place", d.slot = cpu_to_le32(1));
	WRONG(-EBADMSG, "place", d.index = cpu_to_le64(0));
	WRONG(-EBADMSG, "place", d.index = cpu_to_le64(1ULL << 32 | 1));
	WRONG(-EBADMSG, "place", d.slot = 0; d.epoch = 0);
	WRONG(-EBADMSG, "reserved", d.reserved[15] = 1);
	WRONG(-EBADMSG, "beyond", d.bits[12] |= 16);
	WRONG(-EBADMSG, "beyond", d.bits[16] = 1);
	WRONG(-EBADMSG, "beyond", d.bits[PB_DISK_MAP_BYTES - 1] = 128);
}

static void test_fill_block(void)
{
	begin(((u64)BLOCK + 100) * 128, 7);
	pb_map_fill_block(&map, 1);
	ok(map.nr_dirty == 100 && pb_map_next_dirty(&map, 0) == BLOCK &&
	   pb_map_next_stale(&map, 0) == 1, "a damaged block: all of it dirty");
	pb_map_fill(&map);
	is(map.nr_dirty, BLOCK + 100, "all dirty");
	pb_map_clear(&map);
	is(map.nr_dirty, 0, "none dirty");
}

/* A larger map says of the old regions what the old one said. */
static void test_grow(bool dirty)
{
	u64 sectors = 128 * (1 + rnd() % (MAX_REGIONS - BLOCK)), i, bad = 0;
	u64 more = sectors - rnd() % 127 + rnd() % (BLOCK * 128ULL);
	unsigned long *small;
	struct pb_map old;

	begin(sectors, 7);
	for (i = 0; i < 50; i++) {
		pb_map_set_dirty(&map, rnd() % sectors, 1);
		pb_map_set_pending(&map, rnd() % sectors, 1);
		if (i == 20)
			pb_map_flush_begin(&map);
	}
	old = map;
	small = longs;
	longs = NULL;
	begin(more > sectors ? more : sectors, 7);
	pb_map_grow(&map, &old, dirty);
	for (i = 0; i < map.nr_regions; i++) {
		bool new = dirty && i >= sectors >> 7 && map.sectors > sectors;
		bool was = i < old.nr_regions;

		bad += test_bit(i, map.dirty) !=
		       (new || (was && test_bit(i, old.dirty)));
		bad += test_bit(i, map.pending) !=
		       (was && test_bit(i, old.pending));
		bad += test_bit(i, map.flushing) !=
		       (was && test_bit(i, old.flushing));
	}
	for (i = 0; i < map.nr_blocks; i++)
		if (i < old.nr_blocks && test_bit(i, old.stale_blocks))
			bad += !test_bit(i, map.stale_blocks);
	if (dirty)
		for (i = old.nr_blocks; i < map.nr_blocks; i++)
			bad += !test_bit(i, map.stale_blocks);
	for (i = 0; i < map.nr_regions; i++)
		bad += test_bit(i, map.dirty) && map.nr_dirty-- == 0;
	is(bad + map.nr_dirty, 0, "grown: as it was, and what is new");
	/* What was flushing is known to be flushed. */
	pb_map_flush_end(&map, true);
	is(map.nr_flushing + map.flush, 0, "grown: the flush ends");
	free(small);
}

/* Marks of a size that never came into force are dropped. */
static void test_beyond(void)
{
	const u64 room = BLOCK + 100;
	struct pb_disk_map disk;

	begin(room * 128, 7);
	pb_map_set_dirty(&map, ((u64)BLOCK + 3) * 128, 97 * 128);
	pb_map_pack_block(&map, &id, 1, &disk);
	begin(((u64)BLOCK + 10) * 128, 7);
	is(pb_map_unpack_block(&map, room, &id, 1, &disk, &why), 0,
	   "a block with marks beyond the volume's end");
	is(map.nr_dirty, 7, "they are dropped");
	is(pb_map_unpack_block(&map, room - 1, &id, 1, &disk, &why), -EBADMSG,
	   "and damage beyond the capacity");
	is(pb_map_next_dirty(&map, BLOCK + 10), map.nr_regions,
	   "no mark is beyond the end");
}

int main(void)
{
	int i;

	tap_begin();
	test_write();
	test_flush();
	test_random();
	test_bytes();
	test_flips();
	test_torn();
	test_values();
	test_fill_block();
	for (i = 0; i < 20; i++)
		test_grow(i & 1);
	test_beyond();
	free(longs);
	return tap_end();
}
