// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes the activity log: a ring of four blocks from a hostile disk.  Input: a
 * byte of bits, a byte of unreadable blocks, then the ring, as much of it as
 * there is.
 */
#include "fuzz.h"
#include "pb-layout.h"
#include "pb-record.h"

#define SLOTS		100
#define BLOCKS		4
#define HALVES		(BLOCKS * PB_DISK_RECORD_HALVES)
#define EXTENTS		50

static u64 inputs, good, logs;

static const struct pb_super super = {
	.replica = "0123456789abcdef",
	.data_sectors = 1 << 13,
	.capacity_sectors = (EXTENTS << 13) - 8,
	.log_epoch = 5,
	.log_blocks = BLOCKS,
	.log_slots = SLOTS,
	.extent_shift = 13,
};

static bool extent_ok(u32 extent)
{
	return extent < EXTENTS || extent == PB_RECORD_NO_EXTENT;
}

static void check_block(const u8 *block)
{
	struct pb_record record;
	u8 twin[PB_DISK_BLOCK];
	const char *why = NULL;
	u32 i;
	int ret;

	ret = pb_record_unpack(block, super.replica, super.log_epoch, SLOTS,
			       EXTENTS, &record, &why);
	MUST(ret ? !!why : 1);
	if (ret)
		return;
	good++;
	pb_record_pack(&record, twin);
	MUST(!memcmp(block, twin, 2048) || !memcmp(block + 2048, twin, 2048));
	MUST(record.seq && record.nr_updates <= PB_RECORD_MAX_UPDATES);
	for (i = 0; i < record.nr_updates; i++) {
		MUST(record.updates[i].slot < SLOTS);
		MUST(extent_ok(record.updates[i].extent));
	}
	MUST(record.nr_context == SLOTS && record.context_start < SLOTS);
	for (i = 0; i < record.nr_context; i++)
		MUST(extent_ok(record.context[i]));
}

static void check_ring(const u8 *ring, unsigned long unreadable)
{
	struct pb_record record;
	const char *why = NULL;
	u32 map[SLOTS], i;
	u64 last;
	int ret;

	ret = pb_record_recover(&super, ring, &unreadable, map, &record, &last,
				&why);
	MUST(!ret || (ret == -EUCLEAN && why));
	if (ret)
		return;
	logs++;
	for (i = 0; i < SLOTS; i++)
		MUST(extent_ok(map[i]));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct pb_disk_record ring[HALVES];
	u32 i;

	MUST(pb_layout_extents(&super) == EXTENTS);
	MUST(pb_record_min_blocks(SLOTS) == BLOCKS);
	if (size < 2)
		return 0;
	memset(ring, 0, sizeof(ring));
	memcpy(ring, data + 2, size - 2 < sizeof(ring) ? size - 2 : sizeof(ring));
	for (i = 0; i < HALVES; i++) {
		if (!(data[0] >> i & 1))
			continue;
		ring[i].magic = cpu_to_le64(PB_DISK_RECORD_MAGIC);
		ring[i].crc = cpu_to_le32(pb_block_crc(&ring[i],
						       sizeof(ring[i]), 8));
	}
	inputs++;
	for (i = 0; i < BLOCKS; i++)
		check_block((const u8 *)&ring[i * PB_DISK_RECORD_HALVES]);
	check_ring((const u8 *)ring, data[1]);
	return 0;
}

#ifdef PB_STANDALONE

static void valid_ring(struct pb_disk_record *ring)
{
	u64 first = rnd() & 7 ? 1 + rnd() % 40 : U64_MAX - rnd() % 6, i;
	struct pb_record record;
	u32 map[SLOTS], k;

	for (k = 0; k < SLOTS; k++)
		map[k] = rnd() & 3 ? rnd() % EXTENTS : PB_RECORD_NO_EXTENT;
	for (i = 0; i < BLOCKS; i++) {
		memset(&record, 0, sizeof(record));
		memcpy(record.replica, super.replica, PB_UUID_LEN);
		record.epoch = rnd() & 15 ? super.log_epoch : 4;
		record.seq = first + i;
		record.nr_updates = rnd() & 3;
		for (k = 0; k < record.nr_updates; k++)
			record.updates[k].slot = rnd() % SLOTS;
		pb_record_set_context(&record, map, SLOTS);
		pb_record_pack(&record, &ring[2 * pb_record_block(record.seq,
								  BLOCKS)]);
	}
}

int main(int argc, char **argv)
{
	static u8 input[2 + HALVES * sizeof(struct pb_disk_record)];
	static struct pb_disk_record ring[HALVES];
	u64 nr = rnd_begin(argc, argv) / BLOCKS;

	while (nr--) {
		u64 times = rnd() % 4, half;

		valid_ring(ring);
		input[0] = 0;
		while (times--) {
			half = rnd() % HALVES;
			rnd_damage((u8 *)&ring[half],
				   rnd() & 3 ? 72 : sizeof(ring[half]));
			if (rnd() & 3)
				input[0] |= 1 << half;
		}
		input[1] = rnd() & 31 ? 0 : rnd();
		memcpy(input + 2, ring, sizeof(ring));
		LLVMFuzzerTestOneInput(input, sizeof(input));
	}
	printf("record: %llu rings, %llu good records, %llu good logs\n",
	       inputs, good, logs);
	return good && logs ? 0 : 1;
}

#endif /* PB_STANDALONE */
