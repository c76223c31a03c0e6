// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-record.c: logs of every length against a list of what each slot
 * held, each byte of a block flipped, each write of a record torn.
 */
#include <stdlib.h>

#include "pb-layout.h"
#include "pb-record.h"
#include "rnd.h"
#include "tap.h"

#define SECTORS		(PB_DISK_BLOCK / 512)
#define MAX_SLOTS	1000
#define MAX_BLOCKS	64
#define MAX_SEQ		200
#define EXTENTS		4000

/* A log, and what was in its slots after each record. */
struct log {
	struct pb_super	super;
	u64		last;
	u8		ring[MAX_BLOCKS][PB_DISK_BLOCK];
	u32		maps[MAX_SEQ + 1][MAX_SLOTS];
};

static struct log *log, *bent;
static struct pb_record record;
static u32 map[MAX_SLOTS];
static u64 newest;
static unsigned long unreadable[BITS_TO_LONGS(MAX_BLOCKS)];
static const char *why;

static void seal(struct pb_disk_record *half)
{
	half->crc = cpu_to_le32(pb_block_crc(half, sizeof(*half), 8));
}

static void begin(u32 slots, u32 blocks)
{
	memset(log, 0, sizeof(*log));
	log->super = (struct pb_super) {
		.data_sectors = (u64)EXTENTS << 13,
		.log_slots = slots,
		.log_blocks = blocks,
		.log_epoch = 9,
		.next_epoch = 10,
	};
	memset(log->super.replica, 0xbb, PB_UUID_LEN);
	pb_super_defaults(&log->super, &why);
	memset(log->maps[0], 0xff, sizeof(log->maps[0]));
}

/* The record that would follow, and its map; the ring stays as it is. */
static void next_record(u8 *block)
{
	u32 *slots = log->maps[log->last + 1];
	u32 i;

	memcpy(slots, log->maps[log->last], sizeof(log->maps[0]));
	memset(&record, 0, sizeof(record));
	record.epoch = log->super.log_epoch;
	record.seq = log->last + 1;
	memcpy(record.replica, log->super.replica, PB_UUID_LEN);
	record.nr_updates = rnd() % (PB_RECORD_MAX_UPDATES + 1);
	for (i = 0; i < record.nr_updates; i++) {
		record.updates[i].slot = rnd() % log->super.log_slots;
		record.updates[i].extent = rnd() % 4 ? rnd() % EXTENTS :
						       PB_RECORD_NO_EXTENT;
		slots[record.updates[i].slot] = record.updates[i].extent;
	}
	pb_record_set_context(&record, slots, log->super.log_slots);
	pb_record_pack(&record, block);
}

static void grow(u64 last)
{
	while (log->last < last) {
		next_record(log->ring[(log->last + 1) % log->super.log_blocks]);
		log->last++;
	}
}

static int recover(const struct log *from)
{
	int ret;

	why = NULL;
	memset(map, 0xaa, sizeof(map));
	ret = pb_record_recover(&from->super, from->ring, unreadable, map,
				&record, &newest, &why);
	if (ret && (ret != -EUCLEAN || !why))
		ok(false, "a log that is not clear is damaged, with a reason");
	return ret;
}

/* Did recovery find this record to be the newest, and its very set? */
static bool is_map(u64 seq)
{
	return newest == seq && !memcmp(map, log->maps[seq],
					log->super.log_slots * sizeof(map[0]));
}

static int unpack(const void *block, struct pb_record *out)
{
	int ret;

	why = NULL;
	ret = pb_record_unpack(block, log->super.replica,
			       log->super.log_epoch, log->super.log_slots,
			       EXTENTS, out, &why);
	if (ret && !why)
		ok(false, "a refusal gives a reason");
	return ret;
}

static bool same(const struct pb_record *a, const struct pb_record *b)
{
	return a->epoch == b->epoch && a->seq == b->seq &&
	       !memcmp(a->replica, b->replica, PB_UUID_LEN) &&
	       a->nr_updates == b->nr_updates &&
	       a->nr_context == b->nr_context &&
	       a->context_start == b->context_start &&
	       !memcmp(a->updates, b->updates,
		       a->nr_updates * sizeof(a->updates[0])) &&
	       !memcmp(a->context, b->context,
		       a->nr_context * sizeof(a->context[0]));
}

static void test_round_trip(void)
{
	static const u32 slots[] = { 64, 367, 368, 369, 1000 };
	struct pb_record got;
	u8 block[PB_DISK_BLOCK];
	u32 i, k, bad = 0;

	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		begin(slots[i], 0);
		for (k = 0; k < 100; k++) {
			memset(block, 0xff, sizeof(block));
			next_record(block);
			log->last++;
			bad += unpack(block, &got) || !same(&record, &got) ||
			       memcmp(block, block + 2048, 2048);
		}
	}
	is(bad, 0, "pack and unpack: all fields come back, halves alike");
}

static void test_bytes(void)
{
	u8 block[PB_DISK_BLOCK];
	u32 crc = ~0U, i, k;

	begin(64, 0);
	record = (struct pb_record) {
		.epoch = 9, .seq = 3, .nr_updates = 1,
		.updates = { { .slot = 5, .extent = 0x0102 } },
	};
	memset(record.replica, 0xbb, PB_UUID_LEN);
	for (i = 0; i < 64; i++)
		map[i] = i == 5 ? 0x0102 : PB_RECORD_NO_EXTENT;
	pb_record_set_context(&record, map, 64);
	pb_record_pack(&record, block);
	ok(!memcmp(block, "DPBLOG01", 8), "magic");
	ok(!memcmp(block + 12, "\1\0\x40\0\x09\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0",
		   20), "counts at 12, epoch at 16, seq at 24");
	ok(pb_all_zero(block + 32, 8) && block[40] == 0xbb && block[55] == 0xbb &&
	   pb_all_zero(block + 56, 8), "start at 32, replica at 40");
	ok(!memcmp(block + 64, "\5\0\0\0\2\1\0\0", 8) &&
	   pb_all_zero(block + 72, 504), "updates at 64");
	ok(!memcmp(block + 592, "\xff\xff\xff\xff\2\1\0\0\xff", 9) &&
	   pb_all_zero(block + 832, 1216), "context at 576");
	for (i = 0; i < 2048; i++) {
		crc ^= i >= 8 && i < 12 ? 0 : block[i];
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	crc = ~crc;
	ok(block[8] == (crc & 0xff) && block[11] == crc >> 24, "crc at 8");
}

static void test_sizes(void)
{
	is(pb_record_window(64), 1, "window of 64 slots");
	is(pb_record_window(368), 1, "window of 368 slots");
	is(pb_record_window(369), 2, "window of 369 slots");
	is(pb_record_window(16384), 45, "window of 16384 slots");
	is(pb_record_window(65536), 179, "window of 65536 slots");
	is(pb_record_min_blocks(64), 4, "smallest ring for 64 slots");
	is(pb_record_min_blocks(16384), 48, "smallest ring for 16384 slots");
	is(pb_record_ring_blocks(64), 16, "ring for 64 slots");
	is(pb_record_ring_blocks(16384), 96, "ring for 16384 slots");
	is(pb_record_ring_blocks(65536), 368, "ring for 65536 slots");
	is(pb_record_block(96, 96), 0, "record 96 of a ring of 96");
	is(pb_record_block((1ULL << 40) + 5, 16), 5, "a late record");
}

/* Do the contexts of so many records from @seq on name every slot? */
static bool covered(u32 slots, u64 seq, u32 records)
{
	static u32 numbers[PB_DISK_MAX_LOG_SLOTS];
	static u8 seen[PB_DISK_MAX_LOG_SLOTS];
	u32 i, k, slot;

	for (i = 0; i < slots; i++)
		numbers[i] = i;
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < records; i++) {
		record.seq = seq + i;
		pb_record_set_context(&record, numbers, slots);
		for (k = 0; k < record.nr_context; k++) {
			slot = (record.context_start + k) % slots;
			if (record.context[k] != slot)
				return false;
			seen[slot] = 1;
		}
	}
	return !memchr(seen, 0, slots);
}

static void test_window(void)
{
	static const u32 slots[] = {
		64, 100, 367, 368, 369, 735, 736, 737, 16384, 65535, 65536,
	};
	static const u64 from[] = {
		1, 2, 45, 46, 1000, 1ULL << 40, (1ULL << 60) - 7,
	};
	u32 i, k, window, bad = 0;

	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		window = pb_record_window(slots[i]);
		for (k = 0; k < ARRAY_SIZE(from); k++)
			bad += !covered(slots[i], from[k], window) ||
			       covered(slots[i], from[k], window - 1);
	}
	is(bad, 0, "a window of records tells all slots, one less does not");
}

/* A record with one thing wrong in both halves. */
static void wrong(struct pb_disk_record *half, int err, const char *reason)
{
	u8 block[PB_DISK_BLOCK];
	struct pb_record got;
	int ret;

	seal(half);
	memcpy(block, half, 2048);
	memcpy(block + 2048, half, 2048);
	memset(&got, 0x5a, sizeof(got));
	ret = unpack(block, &got);
	if (!ok(ret == err && strstr(why, reason), "unpack: %s", reason))
		printf("# %d %s\n", ret, why ? why : "");
	if (got.seq != 0x5a5a5a5a5a5a5a5aULL)
		ok(false, "a refusal gives no record");
}

#define WRONG(err, reason, change) do {				\
	struct pb_disk_record h = good[0];			\
								\
	change;							\
	wrong(&h, err, reason);					\
} while (0)

static void test_values(void)
{
	struct pb_disk_record good[2], zero = {};
	struct pb_record got;
	u8 block[PB_DISK_BLOCK] = {};

	begin(370, 0);
	do {
		next_record((u8 *)good);
	} while (record.nr_updates < 3 || record.nr_updates > 60);
	is(unpack(good, &got), 0, "unpack: a good one");
	is(unpack(block, &got), -ENODATA, "unpack: zeroes");
	WRONG(-ENODATA, "replica", h.replica[15]++);
	WRONG(-ENODATA, "epoch", h.epoch = cpu_to_le64(8));
	WRONG(-ENODATA, "epoch", h.epoch = cpu_to_le64(10));
	WRONG(-EBADMSG, "damaged", h.magic ^= cpu_to_le64(1));
	WRONG(-EBADMSG, "damaged", h = zero; h.seq = cpu_to_le64(1));
	WRONG(-EINVAL, "sequence", h.seq = 0);
	WRONG(-EINVAL, "sequence", h.seq = cpu_to_le64(U64_MAX));
	WRONG(-EINVAL, "too many updates", h.nr_updates = cpu_to_le16(65));
	WRONG(-EINVAL, "too many updates", h.nr_updates = cpu_to_le16(65535));
	WRONG(-EINVAL, "other slots", h.nr_context = cpu_to_le16(367));
	WRONG(-EINVAL, "other slots", h.nr_context = cpu_to_le16(369));
	WRONG(-EINVAL, "other slots", h.nr_context = cpu_to_le16(65535));
	WRONG(-EINVAL, "other slots", h.context_start = cpu_to_le32(1));
	WRONG(-EINVAL, "other slots", h.seq = cpu_to_le64(2));
	WRONG(-EINVAL, "reserved", h.reserved0 = cpu_to_le32(1));
	WRONG(-EINVAL, "reserved", h.reserved = cpu_to_le64(1ULL << 63));
	WRONG(-EINVAL, "unused", h.updates[63].extent = cpu_to_le32(1));
	WRONG(-EINVAL, "not there", h.updates[2].slot = cpu_to_le32(370));
	WRONG(-EINVAL, "update with an extent",
	      h.updates[0].extent = cpu_to_le32(EXTENTS));
	WRONG(-EINVAL, "update with an extent",
	      h.updates[0].extent = cpu_to_le32(PB_RECORD_NO_EXTENT - 1));
	WRONG(-EINVAL, "context with an extent",
	      h.context[367] = cpu_to_le32(EXTENTS));
	begin(64, 0);
	next_record((u8 *)good);
	WRONG(-EINVAL, "unused", h.context[64] = cpu_to_le32(1));
}

enum kind { GOOD, NEWER, VOID, ZERO, DAMAGED, IMPOSSIBLE, NR_KINDS };

static void make_half(enum kind kind, struct pb_disk_record *half)
{
	struct pb_disk_record block[2];

	begin(64, 0);
	next_record((u8 *)block);
	*half = block[0];
	if (kind == NEWER)
		half->seq = cpu_to_le64(17);
	else if (kind == VOID)
		half->epoch = cpu_to_le64(3);
	else if (kind == ZERO)
		memset(half, 0, sizeof(*half));
	else if (kind == IMPOSSIBLE)
		half->seq = 0;
	if (kind != ZERO)
		seal(half);
	if (kind == NEWER)
		half->context_start = cpu_to_le32(0);
	if (kind == DAMAGED)
		half->context[7] ^= cpu_to_le32(1);
}

static void test_halves(void)
{
	/* 1 and 17 stand for the record that counts. */
	static const int want[NR_KINDS][NR_KINDS] = {
		[GOOD] = { 1, 17, 1, 1, 1, -EINVAL },
		[NEWER] = { 17, 17, 17, 17, 17, -EINVAL },
		[VOID] = { 1, 17, -ENODATA, -ENODATA, -ENODATA, -EINVAL },
		[ZERO] = { 1, 17, -ENODATA, -ENODATA, -ENODATA, -EINVAL },
		[DAMAGED] = { 1, 17, -ENODATA, -ENODATA, -EBADMSG, -EINVAL },
		[IMPOSSIBLE] = { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL,
				 -EINVAL },
	};
	static const char *const text[NR_KINDS] = {
		"good", "newer", "void", "zero", "damaged", "impossible",
	};
	struct pb_disk_record half[NR_KINDS], block[2];
	struct pb_record got;
	u32 a, b;
	int ret;

	for (a = 0; a < NR_KINDS; a++) {
		rnd_state = 77;
		make_half(a, &half[a]);
	}
	for (a = 0; a < NR_KINDS; a++) {
		for (b = 0; b < NR_KINDS; b++) {
			block[0] = half[a];
			block[1] = half[b];
			ret = unpack(block, &got);
			ok((ret ? ret : (int)got.seq) == want[a][b],
			   "halves: %s beside %s", text[a], text[b]);
		}
	}
	block[0] = half[GOOD];
	block[1] = half[GOOD];
	block[1].context[0] ^= block[0].context[0] ? cpu_to_le32(1) : 0;
	block[1].context[0] = cpu_to_le32(le32_to_cpu(block[0].context[0]) ?
					  0 : 1);
	seal(&block[1]);
	is(unpack(block, &got), -EINVAL, "halves: differ at the same number");
}

static void test_flip_block(void)
{
	u8 block[PB_DISK_BLOCK];
	struct pb_record got, want;
	u32 i, bad = 0;

	begin(400, 0);
	next_record(block);
	want = record;
	for (i = 0; i < 9 * sizeof(block); i++) {
		u8 flip = i % 9 == 8 ? 0xff : 1 << (i % 9);

		block[i / 9] ^= flip;
		bad += unpack(block, &got) || !same(&got, &want);
		block[i / 9] ^= flip;
	}
	is(bad, 0, "each bit and byte of a block flipped: the record stays");
}

/* The logs that all that follows is done to. */
static const struct {
	u32 slots, blocks;
} shapes[] = {
	{ 64, 4 }, { 64, 16 }, { 369, 5 }, { 700, 7 }, { 1000, 6 }, { 1000, 16 },
};

static const u64 lengths[] = {
	0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18, 33, 150,
};

/* Calls for each shape and length. */
static u32 each_log(u32 (*check)(void))
{
	u32 i, k, bad = 0;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (k = 0; k < ARRAY_SIZE(lengths); k++) {
			begin(shapes[i].slots, shapes[i].blocks);
			grow(lengths[k]);
			memcpy(bent, log, offsetof(struct log, maps));
			bad += check();
		}
	}
	return bad;
}

static u32 check_plain(void)
{
	return recover(log) || !is_map(log->last);
}

static u32 place(u64 seq)
{
	return seq % log->super.log_blocks;
}

/* One byte of the log differs: the other half has it. */
static u32 check_flips(void)
{
	u32 bad = 0, i;

	for (i = 0; i < 150; i++) {
		u32 block = i % 3 ? place(log->last + 2 - i % 3) :
				    rnd() % log->super.log_blocks;
		u8 *byte = &bent->ring[block][rnd() % PB_DISK_BLOCK];
		u8 was = *byte;

		*byte ^= 1 + rnd() % 255;
		bad += recover(bent) || !is_map(log->last);
		*byte = was;
	}
	return bad;
}

static u32 check_flips_newest(void)
{
	u32 bad = 0, i;

	if (log->last != 17 || log->super.log_slots != 700)
		return 0;
	for (i = 0; i < PB_DISK_BLOCK; i++) {
		u8 *byte = &bent->ring[place(log->last)][i];

		*byte ^= 0x10;
		bad += recover(bent) || !is_map(log->last);
		*byte ^= 0x10;
	}
	return bad;
}

/*
 * The record after the newest is cut off, in any sectors of its block: all of it
 * once a half is there, what was before as long as a half is left of that, and
 * if neither, which takes sectors written in no order, no word is believed.
 */
static u32 torn(u32 step)
{
	const u8 *before = log->ring[place(log->last + 1)];
	u8 *block = bent->ring[place(log->last + 1)];
	u8 next[PB_DISK_BLOCK];
	u32 bad = 0, mask, i;
	bool there, left;

	next_record(next);
	for (mask = 0; mask < 1 << SECTORS; mask += step) {
		memcpy(block, before, PB_DISK_BLOCK);
		for (i = 0; i < SECTORS; i++)
			if (mask >> i & 1)
				memcpy(block + 512 * i, next + 512 * i, 512);
		there = !memcmp(block, next, 2048) ||
			!memcmp(block + 2048, next + 2048, 2048);
		left = !memcmp(block, before, 2048) ||
		       !memcmp(block + 2048, before + 2048, 2048);
		if (there || left)
			bad += recover(bent) || !is_map(log->last + there);
		else
			bad += recover(bent) != -EUCLEAN;
	}
	memcpy(block, before, PB_DISK_BLOCK);
	return bad;
}

static u32 check_torn(void)
{
	return torn(1);
}

/* What is left of an earlier epoch, and blocks never written. */
static void over_other(void)
{
	u32 i;

	for (i = 0; i < log->super.log_blocks; i++) {
		if (rnd() % 4)
			memcpy(bent->ring[i], log->ring[i], PB_DISK_BLOCK);
		else
			memset(bent->ring[i], 0, PB_DISK_BLOCK);
	}
}

static u32 check_epoch(void)
{
	u32 bad = 0, blocks = log->super.log_blocks, round;

	if (log->last % 5)
		return 0;
	over_other();
	begin(log->super.log_slots, blocks);
	log->super.log_epoch = 10;
	memcpy(log->ring, bent->ring, sizeof(log->ring));
	for (round = 0; round < blocks + 3; round++) {
		memcpy(bent, log, offsetof(struct log, maps));
		bad += recover(log) || !is_map(log->last);
		bad += torn(17);
		grow(log->last + 1);
	}
	return bad;
}

/* Both halves are gone, of whichever block: it may have been the newest. */
static u32 check_gone(void)
{
	u32 bad = 0, i, blocks = log->super.log_blocks;

	for (i = 0; i < blocks; i++) {
		memset(bent->ring[i], 0x77, PB_DISK_BLOCK);
		bad += recover(bent) != -EUCLEAN;
		memcpy(bent->ring[i], log->ring[i], PB_DISK_BLOCK);
	}
	return bad;
}

static u32 check_unreadable(void)
{
	u32 bad = 0, i;

	for (i = 0; i < log->super.log_blocks; i++) {
		__set_bit(i, unreadable);
		bad += recover(bent) != -EUCLEAN;
		__clear_bit(i, unreadable);
	}
	return bad;
}

/* A write that never got to the disk, below the newest record. */
static u32 check_lost(void)
{
	u32 window = pb_record_window(log->super.log_slots);
	u32 blocks = log->super.log_blocks, bad = 0, i;
	int ret;

	for (i = 1; i < blocks && i < log->last; i++) {
		u8 *block = bent->ring[place(log->last - i)];

		memset(block, 0, PB_DISK_BLOCK);
		ret = recover(bent);
		bad += i < window ? ret != -EUCLEAN :
				    ret || !is_map(log->last);
		memcpy(block, log->ring[place(log->last - i)], PB_DISK_BLOCK);
	}
	return bad;
}

/* The newest record is in the place of an older one. */
static u32 check_astray(void)
{
	u32 bad = 0, i;

	if (!log->last)
		return 0;
	for (i = 0; i < log->super.log_blocks; i++) {
		if (i == place(log->last))
			continue;
		memcpy(bent->ring[i], log->ring[place(log->last)],
		       PB_DISK_BLOCK);
		bad += recover(bent) != -EUCLEAN;
		memcpy(bent->ring[i], log->ring[i], PB_DISK_BLOCK);
	}
	return bad;
}

/* A good block of an old lap where one of the window's should be. */
static u32 check_old_lap(void)
{
	u32 blocks = log->super.log_blocks, bad = 0, i;
	u32 window = pb_record_window(log->super.log_slots);

	for (i = 1; i < window && log->last > 2 * blocks; i++) {
		u64 seq = log->last - i;
		struct pb_disk_record half;

		memcpy(&half, log->ring[place(seq)], sizeof(half));
		half.seq = cpu_to_le64(seq - blocks);
		record.seq = seq - blocks;
		pb_record_set_context(&record, map, log->super.log_slots);
		half.context_start = cpu_to_le32(record.context_start);
		seal(&half);
		memcpy(bent->ring[place(seq)], &half, sizeof(half));
		memcpy(bent->ring[place(seq)] + 2048, &half, sizeof(half));
		bad += recover(bent) != -EUCLEAN;
		memcpy(bent->ring[place(seq)], log->ring[place(seq)],
		       PB_DISK_BLOCK);
	}
	return bad;
}

static u32 check_impossible(void)
{
	struct pb_disk_record half;
	u32 next = place(log->last + 1), bad;

	if (!log->last)
		return 0;
	memcpy(&half, log->ring[place(log->last)], sizeof(half));
	half.nr_updates = cpu_to_le16(65);
	seal(&half);
	memcpy(bent->ring[next] + 2048, &half, sizeof(half));
	bad = recover(bent) != -EUCLEAN;
	memcpy(bent->ring[next], log->ring[next], PB_DISK_BLOCK);
	return bad;
}

int main(void)
{
	log = calloc(1, sizeof(*log));
	bent = calloc(1, sizeof(*bent));
	tap_begin();
	test_round_trip();
	test_bytes();
	test_sizes();
	test_window();
	test_values();
	test_halves();
	test_flip_block();
	is(each_log(check_plain), 0, "logs of many lengths: the exact set");
	is(each_log(check_flips), 0, "a byte flipped anywhere: the exact set");
	is(each_log(check_flips_newest), 0,
	   "each byte of the newest record flipped: the exact set");
	is(each_log(check_torn), 0, "the next record torn: the old set, the new, or all");
	is(each_log(check_epoch), 0, "the same over an earlier epoch's log");
	is(each_log(check_gone), 0, "a block gone: nothing is believed");
	is(each_log(check_unreadable), 0, "a block that cannot be read");
	is(each_log(check_lost), 0, "a write lost: harmless below the window");
	is(each_log(check_astray), 0, "a record astray");
	is(each_log(check_old_lap), 0, "a record of the lap before");
	is(each_log(check_impossible), 0, "an impossible record");
	free(log);
	free(bent);
	return tap_end();
}
