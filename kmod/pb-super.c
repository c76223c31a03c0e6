// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock's format: what makes a copy one that may be believed, and
 * which of two copies counts.
 */
#include "pb-super.h"
#include "pb-view.h"

#define PB_MIB_SECTORS		2048U
#define PB_INTERNAL_MIN_DEV	(8 * PB_MIB_SECTORS)
#define PB_INTERNAL_BASE	(4 * PB_MIB_SECTORS)
#define PB_INTERNAL_SHIFT	15	/* 1/32768: a bit per 4 KiB */

static_assert(sizeof(struct pb_disk_member) == 64);
static_assert(sizeof(struct pb_disk_super) == PB_DISK_BLOCK);
static_assert(PB_DISK_MAX_MEMBERS == PB_MAX_MEMBERS);
static_assert(offsetof(struct pb_disk_super, crc) == 12);

/* The field is taken as zero without writing to a block that may be const. */
static u32 pb_super_crc(const struct pb_disk_super *disk)
{
	const size_t before = offsetof(struct pb_disk_super, crc);
	const size_t after = before + sizeof(disk->crc);
	const __le32 zero = 0;
	u32 crc;

	crc = crc32c(~0U, disk, before);
	crc = crc32c(crc, &zero, sizeof(zero));
	crc = crc32c(crc, (const u8 *)disk + after, sizeof(*disk) - after);
	return ~crc;
}

static void pb_view_to_disk(const struct pb_view *view,
			    struct pb_disk_super *disk)
{
	u32 i;

	disk->view_number = cpu_to_le64(view->number);
	disk->nr_members = cpu_to_le32(view->nr_members);
	for (i = 0; i < view->nr_members && i < PB_MAX_MEMBERS; i++) {
		const struct pb_member *from = &view->members[i];
		struct pb_disk_member *to = &disk->members[i];

		memcpy(to->replica, from->replica, PB_UUID_LEN);
		memcpy(to->name, from->name, PB_NAME_LEN);
		to->flags = cpu_to_le32(from->flags);
	}
}

/* Takes the entries beyond the last member along, to be checked for zero. */
static void pb_view_from_disk(const struct pb_disk_super *disk,
			      struct pb_view *view)
{
	u32 i, j;

	view->number = le64_to_cpu(disk->view_number);
	view->nr_members = le32_to_cpu(disk->nr_members);
	view->reserved = 0;
	for (i = 0; i < PB_MAX_MEMBERS; i++) {
		const struct pb_disk_member *from = &disk->members[i];
		struct pb_member *to = &view->members[i];

		memcpy(to->replica, from->replica, PB_UUID_LEN);
		memcpy(to->name, from->name, PB_NAME_LEN);
		to->flags = le32_to_cpu(from->flags);
		for (j = 0; j < 3; j++)
			to->reserved[j] = le32_to_cpu(from->reserved[j]);
	}
}

void pb_super_pack(const struct pb_super *super, struct pb_disk_super *disk)
{
	memset(disk, 0, sizeof(*disk));
	disk->magic = cpu_to_le64(PB_DISK_MAGIC);
	disk->version = cpu_to_le32(PB_DISK_VERSION);
	disk->generation = cpu_to_le64(super->generation);
	memcpy(disk->volume, super->volume, PB_UUID_LEN);
	memcpy(disk->replica, super->replica, PB_UUID_LEN);
	memcpy(disk->name, super->name, PB_NAME_LEN);
	disk->data_sectors = cpu_to_le64(super->data_sectors);
	disk->block_size = cpu_to_le32(super->block_size);
	disk->flags = cpu_to_le32(super->flags);
	disk->incarnation = cpu_to_le64(super->incarnation);
	disk->replica_state = cpu_to_le32(super->replica_state);
	pb_view_to_disk(&super->view, disk);
	disk->forced_view = cpu_to_le64(super->forced_view);
	disk->forced_time = cpu_to_le64(super->forced_time);
	disk->crc = cpu_to_le32(pb_super_crc(disk));
}

static void pb_super_from_disk(const struct pb_disk_super *disk,
			       struct pb_super *super)
{
	super->generation = le64_to_cpu(disk->generation);
	memcpy(super->volume, disk->volume, PB_UUID_LEN);
	memcpy(super->replica, disk->replica, PB_UUID_LEN);
	memcpy(super->name, disk->name, PB_NAME_LEN);
	super->data_sectors = le64_to_cpu(disk->data_sectors);
	super->block_size = le32_to_cpu(disk->block_size);
	super->flags = le32_to_cpu(disk->flags);
	super->incarnation = le64_to_cpu(disk->incarnation);
	super->replica_state = le32_to_cpu(disk->replica_state);
	pb_view_from_disk(disk, &super->view);
	super->forced_view = le64_to_cpu(disk->forced_view);
	super->forced_time = le64_to_cpu(disk->forced_time);
}

static int pb_super_identity(const struct pb_super *super, const char **why)
{
	if (pb_uuid_zero(super->volume) || pb_uuid_zero(super->replica)) {
		*why = "superblock: a UUID is zero";
		return -EINVAL;
	}
	if (!pb_name_valid(super->name)) {
		*why = "superblock: the name is too long or not printable ASCII";
		return -EINVAL;
	}
	if (!super->generation || !super->incarnation) {
		*why = "superblock: generation or incarnation is zero";
		return -EINVAL;
	}
	return 0;
}

static int pb_super_geometry(const struct pb_super *super, const char **why)
{
	if (!pb_block_size_ok(super->block_size, 4096)) {
		*why = "superblock: impossible block size";
		return -EINVAL;
	}
	if (!super->data_sectors ||
	    (super->data_sectors & ((super->block_size >> 9) - 1))) {
		*why = "superblock: impossible size of the volume";
		return -EINVAL;
	}
	return 0;
}

static int pb_super_status(const struct pb_super *super, const char **why)
{
	if (super->flags & ~PB_DISK_FLAGS) {
		*why = "superblock: unknown flag";
		return -EINVAL;
	}
	if (super->replica_state > PB_REPLICA_SYNCED) {
		*why = "superblock: unknown replica state";
		return -EINVAL;
	}
	if (super->view.number)
		return pb_view_valid(&super->view, why) ? -EINVAL : 0;
	if (!pb_all_zero(&super->view, sizeof(super->view))) {
		*why = "superblock: members without a view";
		return -EINVAL;
	}
	return 0;
}

/* @super is filled even on failure; nobody but the caller's caller may see it. */
static int pb_super_read(const struct pb_disk_super *disk,
			 struct pb_super *super, const char **why)
{
	int ret;

	if (le64_to_cpu(disk->magic) != PB_DISK_MAGIC) {
		*why = "no superblock of dm-pb";
		return -ENODATA;
	}
	if (le32_to_cpu(disk->crc) != pb_super_crc(disk)) {
		*why = "superblock: wrong checksum";
		return -EBADMSG;
	}
	if (le32_to_cpu(disk->version) != PB_DISK_VERSION) {
		*why = "superblock: unknown version, this code knows version 1";
		return -EPROTONOSUPPORT;
	}
	if (!pb_all_zero(disk->reserved, sizeof(disk->reserved))) {
		*why = "superblock: reserved bytes are not zero";
		return -EINVAL;
	}
	pb_super_from_disk(disk, super);
	ret = pb_super_identity(super, why);
	if (!ret)
		ret = pb_super_geometry(super, why);
	if (!ret)
		ret = pb_super_status(super, why);
	return ret;
}

int pb_super_unpack(const struct pb_disk_super *disk, struct pb_super *super,
		    const char **why)
{
	struct pb_super tmp;
	int ret = pb_super_read(disk, &tmp, why);

	if (!ret)
		*super = tmp;
	return ret;
}

static int pb_super_higher(const struct pb_disk_super disk[PB_DISK_SLOTS],
			   const char **why)
{
	const u64 gen[PB_DISK_SLOTS] = {
		le64_to_cpu(disk[0].generation),
		le64_to_cpu(disk[1].generation),
	};

	if (memcmp(disk[0].volume, disk[1].volume, PB_UUID_LEN) ||
	    memcmp(disk[0].replica, disk[1].replica, PB_UUID_LEN)) {
		*why = "superblock: its two copies are of different replicas";
		return -EUCLEAN;
	}
	if (gen[0] == gen[1] && memcmp(&disk[0], &disk[1], sizeof(disk[0]))) {
		*why = "superblock: its two copies differ at the same generation";
		return -EUCLEAN;
	}
	return gen[1] > gen[0];
}

/*
 * A copy without our magic or with a wrong checksum is one that an update did
 * not finish or the disk lost: the other one counts.  A copy that somebody
 * wrote as it is and that makes no sense may be the newer one, so the other
 * must not be taken in its place.
 */
static int pb_super_decide(const struct pb_disk_super disk[PB_DISK_SLOTS],
			   const int err[PB_DISK_SLOTS], const char **why,
			   const char *const reason[PB_DISK_SLOTS])
{
	static const int grave[] = { -EPROTONOSUPPORT, -EINVAL };
	u32 i, slot;

	for (i = 0; i < ARRAY_SIZE(grave); i++) {
		for (slot = 0; slot < PB_DISK_SLOTS; slot++) {
			if (err[slot] != grave[i])
				continue;
			*why = reason[slot];
			return err[slot];
		}
	}
	if (!err[0] && !err[1])
		return pb_super_higher(disk, why);
	if (!err[0])
		return 0;
	if (!err[1])
		return 1;
	slot = err[0] == -EBADMSG ? 0 : 1;
	*why = reason[slot];
	return err[slot];
}

int pb_super_pick(const struct pb_disk_super disk[PB_DISK_SLOTS],
		  struct pb_super *super, const char **why)
{
	const char *reason[PB_DISK_SLOTS];
	int err[PB_DISK_SLOTS];
	struct pb_super tmp;
	int ret;
	u32 i;

	for (i = 0; i < PB_DISK_SLOTS; i++)
		err[i] = pb_super_read(&disk[i], &tmp, &reason[i]);
	ret = pb_super_decide(disk, err, why, reason);
	if (ret >= 0)
		pb_super_from_disk(&disk[ret], super);
	return ret;
}

u64 pb_disk_internal_sectors(u64 dev_sectors)
{
	u64 sectors;

	if (dev_sectors < PB_INTERNAL_MIN_DEV)
		return 0;
	sectors = PB_INTERNAL_BASE + (dev_sectors >> PB_INTERNAL_SHIFT);
	if (dev_sectors & ((1U << PB_INTERNAL_SHIFT) - 1))
		sectors++;
	return (sectors + PB_MIB_SECTORS - 1) & ~(u64)(PB_MIB_SECTORS - 1);
}

u64 pb_disk_internal_start(u64 dev_sectors)
{
	u64 start = dev_sectors - pb_disk_internal_sectors(dev_sectors);

	if (dev_sectors < PB_INTERNAL_MIN_DEV)
		return 0;
	return start & ~(u64)(PB_MIB_SECTORS - 1);
}
