// SPDX-License-Identifier: GPL-2.0
/*
 * Records of the activity log: what makes one that may be believed, and what
 * a ring of them says.
 */
#include "pb-layout.h"
#include "pb-record.h"

#define PB_RECORD_SPARE		3	/* blocks of the smallest ring beside a window */
#define PB_RECORD_RING_STEP	16

static_assert(sizeof(struct pb_disk_record) * PB_DISK_RECORD_HALVES ==
	      PB_DISK_BLOCK);
static_assert(offsetof(struct pb_disk_record, crc) == 8);
static_assert(offsetof(struct pb_disk_record, updates) == 64);

u32 pb_record_window(u32 slots)
{
	return DIV_ROUND_UP(slots, PB_RECORD_MAX_CONTEXT);
}

u32 pb_record_min_blocks(u32 slots)
{
	return pb_record_window(slots) + PB_RECORD_SPARE;
}

u32 pb_record_ring_blocks(u32 slots)
{
	u32 blocks = 2 * pb_record_min_blocks(slots);

	return DIV_ROUND_UP(blocks, PB_RECORD_RING_STEP) * PB_RECORD_RING_STEP;
}

u32 pb_record_block(u64 seq, u32 blocks)
{
	u32 block;

	div_u64_rem(seq, blocks, &block);
	return block;
}

static u32 pb_record_nr_context(u32 slots)
{
	return slots < PB_RECORD_MAX_CONTEXT ? slots : PB_RECORD_MAX_CONTEXT;
}

/* The records take turns, so that no run of them leaves a slot out. */
static u32 pb_record_context_start(u64 seq, u32 slots)
{
	u32 turn, start;

	div_u64_rem(seq - 1, slots, &turn);
	div_u64_rem((u64)turn * pb_record_nr_context(slots), slots, &start);
	return start;
}

void pb_record_set_context(struct pb_record *record, const u32 *map,
			   u32 slots)
{
	u32 slot = pb_record_context_start(record->seq, slots);
	u32 i;

	record->context_start = slot;
	record->nr_context = pb_record_nr_context(slots);
	for (i = 0; i < record->nr_context; i++) {
		record->context[i] = map[slot];
		slot = slot + 1 < slots ? slot + 1 : 0;
	}
}

static u32 pb_record_crc(const struct pb_disk_record *half)
{
	return pb_block_crc(half, sizeof(*half),
			    offsetof(struct pb_disk_record, crc));
}

static void pb_record_to_disk(const struct pb_record *record,
			      struct pb_disk_record *half)
{
	u32 i;

	memset(half, 0, sizeof(*half));
	half->magic = cpu_to_le64(PB_DISK_RECORD_MAGIC);
	half->nr_updates = cpu_to_le16(record->nr_updates);
	half->nr_context = cpu_to_le16(record->nr_context);
	half->epoch = cpu_to_le64(record->epoch);
	half->seq = cpu_to_le64(record->seq);
	half->context_start = cpu_to_le32(record->context_start);
	memcpy(half->replica, record->replica, PB_UUID_LEN);
	for (i = 0; i < record->nr_updates; i++) {
		half->updates[i].slot = cpu_to_le32(record->updates[i].slot);
		half->updates[i].extent =
			cpu_to_le32(record->updates[i].extent);
	}
	for (i = 0; i < record->nr_context; i++)
		half->context[i] = cpu_to_le32(record->context[i]);
	half->crc = cpu_to_le32(pb_record_crc(half));
}

void pb_record_pack(const struct pb_record *record, void *block)
{
	struct pb_disk_record *half = block;

	pb_record_to_disk(record, &half[0]);
	half[1] = half[0];
}

/* The counts have been checked. */
static void pb_record_from_disk(const struct pb_disk_record *half,
				struct pb_record *record)
{
	u32 i;

	record->epoch = le64_to_cpu(half->epoch);
	record->seq = le64_to_cpu(half->seq);
	memcpy(record->replica, half->replica, PB_UUID_LEN);
	record->nr_updates = le16_to_cpu(half->nr_updates);
	record->nr_context = le16_to_cpu(half->nr_context);
	record->context_start = le32_to_cpu(half->context_start);
	for (i = 0; i < record->nr_updates; i++) {
		record->updates[i].slot = le32_to_cpu(half->updates[i].slot);
		record->updates[i].extent =
			le32_to_cpu(half->updates[i].extent);
	}
	for (i = 0; i < record->nr_context; i++)
		record->context[i] = le32_to_cpu(half->context[i]);
}

static int pb_record_head(const struct pb_disk_record *half, u32 slots,
			  const char **why)
{
	u32 nr_updates = le16_to_cpu(half->nr_updates);
	u32 nr_context = le16_to_cpu(half->nr_context);
	u64 seq = le64_to_cpu(half->seq);
	const char *bad = NULL;

	if (!seq || seq == U64_MAX)
		bad = "log record: impossible sequence number";
	else if (nr_updates > PB_RECORD_MAX_UPDATES)
		bad = "log record: too many updates";
	else if (nr_context != pb_record_nr_context(slots) ||
		 le32_to_cpu(half->context_start) !=
		 pb_record_context_start(seq, slots))
		bad = "log record: context of other slots";
	else if (half->reserved0 || half->reserved)
		bad = "log record: reserved bytes are not zero";
	else if (!pb_all_zero(&half->updates[nr_updates],
			      sizeof(half->updates[0]) *
			      (PB_RECORD_MAX_UPDATES - nr_updates)) ||
		 !pb_all_zero(&half->context[nr_context],
			      sizeof(half->context[0]) *
			      (PB_RECORD_MAX_CONTEXT - nr_context)))
		bad = "log record: unused entries are not zero";
	if (bad)
		*why = bad;
	return bad ? -EINVAL : 0;
}

static bool pb_record_extent_ok(__le32 extent, u32 nr_extents)
{
	return extent == cpu_to_le32(PB_RECORD_NO_EXTENT) ||
	       le32_to_cpu(extent) < nr_extents;
}

static int pb_record_values(const struct pb_disk_record *half, u32 slots,
			    u32 nr_extents, const char **why)
{
	u32 i;

	for (i = 0; i < le16_to_cpu(half->nr_updates); i++) {
		if (le32_to_cpu(half->updates[i].slot) >= slots) {
			*why = "log record: an update of a slot that is not there";
			return -EINVAL;
		}
		if (!pb_record_extent_ok(half->updates[i].extent, nr_extents)) {
			*why = "log record: an update with an extent beyond the volume";
			return -EINVAL;
		}
	}
	for (i = 0; i < le16_to_cpu(half->nr_context); i++) {
		if (!pb_record_extent_ok(half->context[i], nr_extents)) {
			*why = "log record: a context with an extent beyond the volume";
			return -EINVAL;
		}
	}
	return 0;
}

/* Return: 0, -ENODATA, -EBADMSG, -EINVAL, of one half. */
static int pb_record_half(const struct pb_disk_record *half,
			  const u8 *replica, u64 epoch, u32 slots,
			  u32 nr_extents, const char **why)
{
	int ret;

	if (pb_all_zero(half, sizeof(*half))) {
		*why = "log record: never written";
		return -ENODATA;
	}
	if (le64_to_cpu(half->magic) != PB_DISK_RECORD_MAGIC ||
	    le32_to_cpu(half->crc) != pb_record_crc(half)) {
		*why = "log record: damaged";
		return -EBADMSG;
	}
	if (memcmp(half->replica, replica, PB_UUID_LEN)) {
		*why = "log record: another replica's";
		return -ENODATA;
	}
	if (le64_to_cpu(half->epoch) != epoch) {
		*why = "log record: of another epoch";
		return -ENODATA;
	}
	ret = pb_record_head(half, slots, why);
	return ret ? ret : pb_record_values(half, slots, nr_extents, why);
}

/* Which of two good halves counts, or -EINVAL. */
static int pb_record_newer(const struct pb_disk_record *half, const char **why)
{
	u64 seq[PB_DISK_RECORD_HALVES] = {
		le64_to_cpu(half[0].seq), le64_to_cpu(half[1].seq),
	};

	if (seq[0] == seq[1] && memcmp(&half[0], &half[1], sizeof(half[0]))) {
		*why = "log record: its halves contradict each other";
		return -EINVAL;
	}
	return seq[1] > seq[0];
}

int pb_record_unpack(const void *block, const u8 *replica, u64 epoch,
		     u32 slots, u32 nr_extents, struct pb_record *record,
		     const char **why)
{
	static const int order[] = { -EINVAL, 0, -ENODATA, -EBADMSG };
	const struct pb_disk_record *half = block;
	const char *reason[PB_DISK_RECORD_HALVES];
	int err[PB_DISK_RECORD_HALVES], pick;
	u32 i;

	for (i = 0; i < PB_DISK_RECORD_HALVES; i++)
		err[i] = pb_record_half(&half[i], replica, epoch, slots,
					nr_extents, &reason[i]);
	for (i = 0; err[0] != order[i] && err[1] != order[i]; i++)
		;
	pick = err[0] == order[i] ? 0 : 1;
	if (!err[0] && !err[1])
		pick = pb_record_newer(half, why);
	if (pick < 0)
		return pick;
	if (err[pick])
		*why = reason[pick];
	else
		pb_record_from_disk(&half[pick], record);
	return err[pick];
}

static int pb_record_read(const struct pb_super *super, const void *ring,
			  u32 block, struct pb_record *record,
			  const char **why)
{
	return pb_record_unpack((const u8 *)ring + (size_t)block * PB_DISK_BLOCK,
				super->replica, super->log_epoch,
				super->log_slots, pb_layout_extents(super),
				record, why);
}

/*
 * Looks at every block.  One without a good half may have been the newest
 * record, so it spoils them all.  Return: 0 with the newest record's seq;
 * -EUCLEAN.
 */
static int pb_record_survey(const struct pb_super *super, const void *ring,
			    const unsigned long *unreadable,
			    struct pb_record *record, u64 *last,
			    const char **why)
{
	u32 i;
	int ret;

	*last = 0;
	for (i = 0; i < super->log_blocks; i++) {
		if (test_bit(i, unreadable)) {
			*why = "activity log: a block cannot be read";
			return -EUCLEAN;
		}
		ret = pb_record_read(super, ring, i, record, why);
		if (ret == -ENODATA)
			continue;
		if (ret)
			return -EUCLEAN;
		if (pb_record_block(record->seq, super->log_blocks) != i) {
			*why = "activity log: a record is not in its place";
			return -EUCLEAN;
		}
		if (record->seq > *last)
			*last = record->seq;
	}
	return 0;
}

static void pb_record_apply(const struct pb_record *record, u32 slots,
			    u32 *map)
{
	u32 slot = record->context_start;
	u32 i;

	for (i = 0; i < record->nr_updates; i++)
		map[record->updates[i].slot] = record->updates[i].extent;
	for (i = 0; i < record->nr_context; i++) {
		map[slot] = record->context[i];
		slot = slot + 1 < slots ? slot + 1 : 0;
	}
}

/* The records of the window must all be there. */
static int pb_record_replay(const struct pb_super *super, const void *ring,
			    u64 last, u32 *map, struct pb_record *record,
			    const char **why)
{
	u32 window = pb_record_window(super->log_slots);
	u64 seq;
	u32 i;

	for (i = 0; i < super->log_slots; i++)
		map[i] = PB_RECORD_NO_EXTENT;
	for (seq = last > window ? last - window + 1 : 1; seq <= last; seq++) {
		u32 block = pb_record_block(seq, super->log_blocks);

		if (pb_record_read(super, ring, block, record, why) ||
		    record->seq != seq) {
			*why = "activity log: a record is missing";
			return -EUCLEAN;
		}
		pb_record_apply(record, super->log_slots, map);
	}
	return 0;
}

int pb_record_recover(const struct pb_super *super, const void *ring,
		      const unsigned long *unreadable, u32 *map,
		      struct pb_record *record, u64 *last, const char **why)
{
	int ret;

	ret = pb_record_survey(super, ring, unreadable, record, last, why);
	if (ret)
		return ret;
	return pb_record_replay(super, ring, *last, map, record, why);
}
