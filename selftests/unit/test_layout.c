// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-layout.c: nothing overlaps, what grows only adds, and the area
 * at the end of a device is large enough.
 */
#include "pb-layout.h"
#include "rnd.h"
#include "tap.h"

#define MIB	2048ULL			/* in sectors */
#define TIB	(1ULL << 31)

static const char *why;

static struct pb_super sample(u64 sectors)
{
	struct pb_super super = { .capacity_sectors = sectors };

	if (pb_super_defaults(&super, &why))
		ok(false, "defaults: %s", why);
	return super;
}

static struct pb_super random_super(void)
{
	struct pb_super super = {
		.log_slots = 64 + rnd() % 65473,
		.extent_shift = 11 + rnd() % 7,
		.region_shift = 3 + rnd() % 9,
		.nr_maps = 1 + rnd() % 7,
		.capacity_sectors = 8 + (rnd() >> (rnd() % 30 + 22)),
	};

	if (pb_super_defaults(&super, &why))
		ok(false, "defaults: %s", why);
	return super;
}

static void test_places(void)
{
	struct pb_super super = sample(TIB);

	is(pb_layout_log_sector(0), 256, "the log begins at 128 KiB");
	is(pb_layout_log_sector(95), 256 + 95 * 8, "its last block");
	is(pb_layout_maps_start(&super), 2048, "the maps begin at 1 MiB");
	super.log_blocks = 224;
	is(pb_layout_maps_start(&super), 2048, "a log that fills the MiB");
	super.log_blocks = 225;
	is(pb_layout_maps_start(&super), 4096, "a block more, a MiB more");
	super.log_blocks = 1024;
	is(pb_layout_maps_start(&super), 10240, "the largest log");
	super = sample(TIB);
	is(pb_layout_map_sector(&super, 0, 0), 2048, "first block, map 0");
	is(pb_layout_map_sector(&super, 3, 0), 2072, "first block, map 3");
	is(pb_layout_map_sector(&super, 0, 1), 2080, "second block, map 0");
	is(pb_layout_map_blocks(&super), 521, "blocks of 16777216 regions");
	is(pb_layout_extents(&super), 262144, "extents");
	is(pb_layout_sectors(&super), 2048 + 521 * 4 * 8, "sectors in all");
}

static void test_rounding(void)
{
	struct pb_super super = sample(1);
	const u64 block = 32256 * 128;

	is(pb_layout_map_blocks(&super), 1, "a sector takes a block");
	is(pb_layout_extents(&super), 1, "and an extent");
	super.capacity_sectors = block;
	is(pb_layout_map_blocks(&super), 1, "a full block");
	super.capacity_sectors = block + 1;
	is(pb_layout_map_blocks(&super), 2, "a sector more");
	super.capacity_sectors = 8192;
	is(pb_layout_extents(&super), 1, "a full extent");
	super.capacity_sectors = 8193;
	is(pb_layout_extents(&super), 2, "a sector more, an extent more");
	super.capacity_sectors = 0xffffffffULL << 13;
	is(pb_layout_extents(&super), 0xffffffffLL, "the most extents");
}

/* Each block of each map has a place of its own, in the order of growth. */
static void test_overlap(void)
{
	u32 bad = 0, round, slot;
	u64 block, next;

	for (round = 0; round < 200; round++) {
		struct pb_super super = random_super();

		next = pb_layout_maps_start(&super);
		bad += next < pb_layout_log_sector(super.log_blocks) ||
		       next % 2048 || next < 2048;
		for (block = 0; block < 50; block++) {
			for (slot = 0; slot < super.nr_maps; slot++) {
				bad += pb_layout_map_sector(&super, slot,
							    block) != next;
				next += 8;
			}
		}
	}
	is(bad, 0, "maps are interleaved without gaps, after the log");
}

static void test_growth(void)
{
	u32 bad = 0, round;

	for (round = 0; round < 10000; round++) {
		struct pb_super super = random_super(), more = super;
		u64 blocks = pb_layout_map_blocks(&super);
		u64 regions = blocks * PB_DISK_MAP_REGIONS;

		more.capacity_sectors += rnd() >> 24;
		bad += pb_layout_sectors(&more) < pb_layout_sectors(&super) ||
		       pb_layout_map_sector(&more, 0, blocks) !=
		       pb_layout_sectors(&super) ||
		       regions << super.region_shift < super.capacity_sectors ||
		       (regions - PB_DISK_MAP_REGIONS) << super.region_shift >=
		       super.capacity_sectors;
	}
	is(bad, 0, "a volume that grows only adds to the end");
}

static void fits(const struct pb_super *super, u64 area, const char *reason,
		 const char *text)
{
	int ret;

	why = "";
	ret = pb_layout_fits(super, area, &why);
	ok(reason ? ret == -ENOSPC && strstr(why, reason) : !ret, "%s", text);
}

static void test_fits(void)
{
	struct pb_super super = sample(TIB);
	u64 need = pb_layout_sectors(&super);

	fits(&super, need, NULL, "exactly enough");
	fits(&super, need - 1, "dirty maps", "a sector too few");
	fits(&super, 2048, "dirty maps", "room for the log alone");
	fits(&super, 2047, "activity log", "not even that");
	fits(&super, 0, "activity log", "no room at all");
	fits(&super, U64_MAX, NULL, "all the room there is");
	super = sample(TIB / 4);
	fits(&super, PB_DISK_MIN_SECTORS, NULL,
	     "the smallest area is enough for 256 GiB");
	super.log_slots = 65536;
	super.log_blocks = 1024;
	fits(&super, PB_DISK_MIN_SECTORS, "activity log",
	     "but not with the largest log");
}

static void test_max_data(void)
{
	u32 bad = 0, round;

	for (round = 0; round < 100000; round++) {
		struct pb_super super = random_super();
		u64 area = rnd() >> (rnd() % 60);
		u64 most = 0xffffffffULL << super.extent_shift;
		u64 max = pb_layout_max_data(&super, area);

		super.capacity_sectors = max;
		bad += max && pb_layout_fits(&super, area, &why);
		super.capacity_sectors = max + 1;
		bad += max != most && !pb_layout_fits(&super, area, &why);
		bad += max > most;
	}
	is(bad, 0, "the largest volume fits, and no larger one does");
}

static bool internal_fits(u64 dev)
{
	u64 start = pb_disk_internal_start(dev);
	struct pb_super super = sample(start);

	return !pb_layout_fits(&super, dev - start, &why) &&
	       !pb_layout_fits(&super, pb_disk_internal_sectors(dev), &why);
}

static void test_internal(void)
{
	struct pb_super super;
	u32 bad = 0, i, shift;
	u64 dev;

	for (i = 0; i < 300000; i++)
		bad += !internal_fits(8 * MIB + i);
	is(bad, 0, "internal: every size from 8 MiB on");
	for (i = 0; i < 1000000; i++)
		bad += !internal_fits(8 * MIB + rnd() % (1024 * TIB));
	for (shift = 14; shift <= 41; shift++)
		for (i = 0; i < 4096; i++)
			bad += !internal_fits((1ULL << shift) + i) ||
			       (shift > 14 &&
				!internal_fits((1ULL << shift) - i));
	is(bad, 0, "internal: a million sizes up to 1 PiB");
	for (dev = 8 * MIB; dev <= 1024 * TIB; dev += 1 + dev / 100) {
		super = sample(pb_disk_internal_start(dev));
		super.nr_maps = 7;
		super.region_shift = 6;
		bad += pb_layout_fits(&super, pb_disk_internal_sectors(dev),
				      &why) != 0;
		if (dev < TIB)
			continue;
		super.region_shift = 3;
		super.nr_maps = 2;
		bad += pb_layout_fits(&super, pb_disk_internal_sectors(dev),
				      &why) != -ENOSPC;
	}
	is(bad, 0, "internal: 7 maps of 32 KiB fit, 2 of 4 KiB are refused");
}

int main(void)
{
	tap_begin();
	test_places();
	test_rounding();
	test_overlap();
	test_growth();
	test_fits();
	test_max_data();
	test_internal();
	return tap_end();
}
