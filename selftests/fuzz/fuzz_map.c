// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes a block of a dirty map from a hostile disk.  Input: a byte whose
 * lowest bit makes magic and crc right, then the block, as much of it as there
 * is.
 */
#include "fuzz.h"
#include "pb-map.h"

/* Two blocks, the second of them short; the area has room for more of it. */
#define REGIONS		(PB_DISK_MAP_REGIONS + 1000)
#define ROOM		(REGIONS + 100)
#define SHIFT		7
#define MAP_BLOCK	1

static const struct pb_map_id id = {
	.replica = "0123456789abcdef", .epoch = 7, .slot = 2,
};
static unsigned long longs[3 * (2 * PB_DISK_MAP_BYTES / sizeof(long) + 1)];
static struct pb_map map;
static u64 inputs, good;

static void check_map(const struct pb_disk_map *disk)
{
	struct pb_disk_map twin;
	u64 region, nr = 0;

	for (region = pb_map_next_dirty(&map, 0); region < map.nr_regions;
	     region = pb_map_next_dirty(&map, region + 1))
		nr++;
	MUST(nr == map.nr_dirty && region == REGIONS);
	MUST(pb_map_next_stale(&map, 0) == map.nr_blocks);
	pb_map_pack_block(&map, &id, MAP_BLOCK, &twin);
	/* But for what is beyond the end. */
	MUST(!memcmp(disk->bits, twin.bits, 1000 / 8));
	for (region = ROOM - PB_DISK_MAP_REGIONS; region < PB_DISK_MAP_BYTES * 8;
	     region++)
		MUST(!(disk->bits[region / 8] >> region % 8 & 1));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct pb_disk_map disk;
	const char *why = NULL;
	int ret;

	if (!size)
		return 0;
	memset(&disk, 0, sizeof(disk));
	memcpy(&disk, data + 1, size - 1 < sizeof(disk) ? size - 1 : sizeof(disk));
	if (data[0] & 1) {
		disk.magic = cpu_to_le64(PB_DISK_MAP_MAGIC);
		disk.crc = cpu_to_le32(pb_block_crc(&disk, sizeof(disk), 8));
	}
	inputs++;
	MUST(pb_map_longs((u64)REGIONS << SHIFT, SHIFT) == ARRAY_SIZE(longs));
	pb_map_init(&map, (u64)REGIONS << SHIFT, SHIFT, longs);
	ret = pb_map_unpack_block(&map, ROOM, &id, MAP_BLOCK, &disk, &why);
	MUST(!ret || (why && (ret == -ENODATA || ret == -EBADMSG)));
	if (ret) {
		MUST(!map.nr_dirty);
		return 0;
	}
	good++;
	check_map(&disk);
	return 0;
}

#ifdef PB_STANDALONE

static void valid_block(struct pb_disk_map *disk)
{
	u64 times = rnd() & 7;

	pb_map_init(&map, (u64)REGIONS << SHIFT, SHIFT, longs);
	while (times--)
		pb_map_set_dirty(&map, rnd() % (REGIONS << SHIFT), 1);
	pb_map_pack_block(&map, &id, MAP_BLOCK, disk);
}

int main(int argc, char **argv)
{
	static u8 input[1 + PB_DISK_BLOCK];
	u64 nr = rnd_begin(argc, argv);
	struct pb_disk_map disk;

	while (nr--) {
		u64 times = rnd() % 3;

		if (!(nr & 15))
			valid_block(&disk);
		memcpy(input + 1, &disk, sizeof(disk));
		while (times--)
			rnd_damage(input + 1, rnd() & 3 ? 80 : PB_DISK_BLOCK);
		input[0] = rnd() & 7;
		LLVMFuzzerTestOneInput(input, sizeof(input));
	}
	printf("map: %llu inputs, %llu good blocks\n", inputs, good);
	return good ? 0 : 1;
}

#endif /* PB_STANDALONE */
