// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes the superblock: two copies from a hostile disk.  Input: a byte of
 * bits, then both copies, as much of them as there is.
 */
#include "fuzz.h"
#include "pb-layout.h"
#include "pb-record.h"
#include "pb-super.h"
#include "pb-view.h"

/* Bits of the first byte: make the magic, version and crc of a copy right. */
#define SEAL(slot)	(1 << (slot))
/* Make it one of a later version that this one may use. */
#define LATER(slot)	(4 << (slot))

static u64 inputs, good, picks;

static u32 super_crc(const struct pb_disk_super *disk)
{
	const __le32 zero = 0;
	u32 crc = crc32c(~0U, disk, 12);

	crc = crc32c(crc, &zero, 4);
	return ~crc32c(crc, (const u8 *)disk + 16, sizeof(*disk) - 16);
}

static void check_logs(const struct pb_super *super)
{
	const char *why;
	u32 i;

	MUST(super->log_blocks >= pb_record_min_blocks(super->log_slots));
	MUST(super->log_blocks <= PB_DISK_MAX_LOG_BLOCKS);
	MUST(super->region_shift <= super->extent_shift);
	MUST(super->log_epoch && super->log_epoch < super->next_epoch);
	MUST((super->replica_state == PB_REPLICA_SYNCING) ==
	     !pb_uuid_zero(super->sync_source));
	for (i = super->nr_maps; i < PB_DISK_MAX_PEERS; i++)
		MUST(pb_uuid_zero(super->peers[i].replica));
	MUST(pb_layout_extents(super));
	MUST(pb_layout_maps_start(super) < pb_layout_sectors(super));
	MUST(!pb_layout_fits(super, pb_layout_sectors(super), &why));
	MUST(pb_layout_max_data(super, pb_layout_sectors(super)) >=
	     super->capacity_sectors);
	MUST(super->capacity_sectors >= super->data_sectors);
}

static void check_super(const struct pb_disk_super *disk,
			const struct pb_super *super)
{
	struct pb_disk_super twin, mine = *disk;
	const char *why;

	if (le32_to_cpu(disk->version) > PB_DISK_VERSION) {
		mine.version = cpu_to_le32(PB_DISK_VERSION);
		mine.needs = 0;
		memset(mine.reserved, 0, sizeof(mine.reserved));
		mine.crc = cpu_to_le32(super_crc(&mine));
	}
	pb_super_pack(super, &twin);
	MUST(!memcmp(&mine, &twin, sizeof(twin)));
	MUST(memchr(super->name, 0, PB_NAME_LEN));
	MUST(super->data_sectors && super->generation && super->incarnation);
	MUST(super->block_size >= 512 && super->block_size <= 4096);
	MUST(super->replica_state <= PB_REPLICA_SYNCED);
	check_logs(super);
	if (super->view.number)
		MUST(!pb_view_valid(&super->view, &why));
	else
		MUST(!super->view.nr_members);
	pb_view_digest(&super->view);
	MUST(pb_view_same(&super->view, &super->view));
}

/* May a good copy be believed although the other one is as it is? */
static bool harmless(int err)
{
	return err == -ENODATA || err == -EBADMSG;
}

static void try(const struct pb_disk_super disk[2])
{
	struct pb_super super, one;
	const char *why = NULL;
	int err[2], ret, slot;

	inputs++;
	for (slot = 0; slot < 2; slot++) {
		why = NULL;
		err[slot] = pb_super_unpack(&disk[slot], &one, &why);
		MUST(err[slot] ? !!why : 1);
		good += !err[slot];
	}
	why = NULL;
	ret = pb_super_pick(disk, &super, &why);
	if (ret < 0) {
		MUST(why);
		MUST(ret == -EUCLEAN ? !err[0] && !err[1] :
				       ret == err[0] || ret == err[1]);
		MUST(ret == -EUCLEAN || err[0] || err[1]);
		MUST(err[0] || !harmless(err[1]));
		MUST(err[1] || !harmless(err[0]));
		return;
	}
	picks++;
	MUST(ret < 2 && !err[ret]);
	check_super(&disk[ret], &super);
	if (err[!ret])
		MUST(harmless(err[!ret]));
	else
		MUST(super.generation >= le64_to_cpu(disk[!ret].generation));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct pb_disk_super disk[2];
	int slot;

	if (!size)
		return 0;
	memset(disk, 0, sizeof(disk));
	memcpy(disk, data + 1, size - 1 < sizeof(disk) ? size - 1 : sizeof(disk));
	for (slot = 0; slot < 2; slot++) {
		if (!(data[0] & SEAL(slot)))
			continue;
		disk[slot].magic = cpu_to_le64(PB_DISK_MAGIC);
		disk[slot].version = cpu_to_le32(PB_DISK_VERSION);
		if (data[0] & LATER(slot)) {
			disk[slot].version = cpu_to_le32(PB_DISK_VERSION + 1);
			disk[slot].needs = cpu_to_le32(PB_DISK_VERSION);
		}
		disk[slot].crc = cpu_to_le32(super_crc(&disk[slot]));
	}
	try(disk);
	return 0;
}

#ifdef PB_STANDALONE

/* Where the fields are; the rest is reserved and alike. */
#define FIELDS_END	offsetof(struct pb_disk_super, reserved)

static void valid_logs(struct pb_super *super)
{
	const char *why;
	u32 i;

	super->log_slots = 64 + rnd() % 65473;
	super->extent_shift = 11 + rnd() % 7;
	super->region_shift = 3 + rnd() % 9;
	super->nr_maps = 1 + rnd() % 7;
	MUST(!pb_super_defaults(super, &why));
	super->log_epoch = 1 + rnd() % 9;
	super->next_epoch = 10 + rnd() % 9;
	super->data_view = super->view.number;
	super->met_view = super->view.number;
	super->met_incarnation = !!super->met_view;
	super->met_replica[0] = super->met_view ? 2 : 0;
	if (super->replica_state == PB_REPLICA_SYNCING && super->view.number) {
		super->sync_source[0] = 1;
		super->sync_view = 1;
	}
	for (i = rnd() % 7; i < super->nr_maps; i += 1 + rnd() % 3) {
		super->peers[i].replica[0] = 3 + i;
		super->peers[i].epoch = 1 + rnd() % 9;
		super->peers[i].base_view = rnd() % (super->view.number + 1);
		super->peers[i].met_view = rnd() % (super->peers[i].base_view + 1);
		super->peers[i].flags = rnd() & 1;
	}
}

static void valid_super(struct pb_disk_super *disk)
{
	u32 nr = rnd() % (PB_MAX_MEMBERS + 1);
	struct pb_super super = {
		.generation = 1 + rnd() % 4,
		.name = "volume",
		.data_sectors = 1 << 20,
		.capacity_sectors = (1 << 20) + (rnd() & 3) * 4096,
		.block_size = 512U << (rnd() & 3),
		.flags = rnd() & PB_DISK_FLAGS,
		.incarnation = rnd() | 1,
		.replica_state = rnd() & 3,
		.view = { .number = nr ? 1 + rnd() % 9 : 0, .nr_members = nr },
	};

	memset(super.volume, 1, PB_UUID_LEN);
	memset(super.replica, 2, PB_UUID_LEN);
	while (nr--) {
		memset(super.view.members[nr].replica, 2 + nr, PB_UUID_LEN);
		memcpy(super.view.members[nr].name, "node", 5);
		super.view.members[nr].flags = nr ? rnd() & 1 : 1;
	}
	valid_logs(&super);
	pb_super_pack(&super, disk);
}

static void damage(struct pb_disk_super *disk)
{
	rnd_damage((u8 *)disk, rnd() & 15 ? FIELDS_END : sizeof(*disk));
}

int main(int argc, char **argv)
{
	static u8 input[1 + 2 * PB_DISK_BLOCK];
	u64 nr = rnd_begin(argc, argv);
	struct pb_disk_super disk[2];

	while (nr--) {
		u64 times = rnd() % 4;

		valid_super(&disk[0]);
		if (rnd() & 1)
			disk[1] = disk[0];
		else
			valid_super(&disk[1]);
		while (times--)
			damage(&disk[rnd() & 1]);
		input[0] = rnd() & 7 ? SEAL(0) | SEAL(1) |
				       (rnd() & (LATER(0) | LATER(1))) : rnd();
		memcpy(input + 1, disk, sizeof(disk));
		LLVMFuzzerTestOneInput(input, sizeof(input));
	}
	printf("super: %llu inputs, %llu good copies, %llu picks\n",
	       inputs, good, picks);
	return good && picks ? 0 : 1;
}

#endif /* PB_STANDALONE */
