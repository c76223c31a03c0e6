// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock's format: what makes a copy one that may be believed, and
 * which of two copies counts.
 */
#include "pb-lease.h"
#include "pb-record.h"
#include "pb-super.h"
#include "pb-view.h"

/* Regions are never larger than extents. */
static_assert(PB_DISK_MAX_REGION_SHIFT <= PB_DISK_MIN_EXTENT_SHIFT);

#define PB_MIB_SECTORS		2048U
#define PB_INTERNAL_MIN_DEV	(8 * PB_MIB_SECTORS)
#define PB_INTERNAL_BASE	(4 * PB_MIB_SECTORS)
#define PB_INTERNAL_SHIFT	15	/* 1/32768: a bit per 4 KiB */

static_assert(sizeof(struct pb_disk_member) == 64);
static_assert(sizeof(struct pb_disk_super) == PB_DISK_BLOCK);
static_assert(PB_DISK_MAX_MEMBERS == PB_MAX_MEMBERS);
static_assert(sizeof(struct pb_disk_peer) == 64);
static_assert(PB_DISK_MAX_PEERS + 1 == PB_MAX_MEMBERS);
static_assert(offsetof(struct pb_disk_super, crc) == 12);
static_assert(offsetof(struct pb_disk_super, peers) == 736);
static_assert(offsetof(struct pb_disk_super, capacity_sectors) == 1184);

static u32 pb_super_crc(const struct pb_disk_super *disk)
{
	return pb_block_crc(disk, sizeof(*disk),
			    offsetof(struct pb_disk_super, crc));
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

static void pb_geometry_to_disk(const struct pb_super *super,
				struct pb_disk_super *disk)
{
	disk->log_epoch = cpu_to_le64(super->log_epoch);
	disk->next_epoch = cpu_to_le64(super->next_epoch);
	disk->log_blocks = cpu_to_le32(super->log_blocks);
	disk->log_slots = cpu_to_le32(super->log_slots);
	disk->extent_shift = cpu_to_le32(super->extent_shift);
	disk->region_shift = cpu_to_le32(super->region_shift);
	disk->nr_maps = cpu_to_le32(super->nr_maps);
}

static void pb_geometry_from_disk(const struct pb_disk_super *disk,
				  struct pb_super *super)
{
	super->log_epoch = le64_to_cpu(disk->log_epoch);
	super->next_epoch = le64_to_cpu(disk->next_epoch);
	super->log_blocks = le32_to_cpu(disk->log_blocks);
	super->log_slots = le32_to_cpu(disk->log_slots);
	super->extent_shift = le32_to_cpu(disk->extent_shift);
	super->region_shift = le32_to_cpu(disk->region_shift);
	super->nr_maps = le32_to_cpu(disk->nr_maps);
}

/* What this replica holds, and what others lack. */
static void pb_past_to_disk(const struct pb_super *super,
			    struct pb_disk_super *disk)
{
	u32 i;

	disk->data_view = cpu_to_le64(super->data_view);
	memcpy(disk->sync_source, super->sync_source, PB_UUID_LEN);
	disk->sync_view = cpu_to_le64(super->sync_view);
	disk->waits_view = cpu_to_le64(super->waits_view);
	disk->met_view = cpu_to_le64(super->met_view);
	disk->met_incarnation = cpu_to_le64(super->met_incarnation);
	memcpy(disk->met_replica, super->met_replica, PB_UUID_LEN);
	disk->lease_ms = cpu_to_le32(super->lease_ms);
	for (i = 0; i < PB_DISK_MAX_PEERS; i++) {
		const struct pb_super_peer *from = &super->peers[i];
		struct pb_disk_peer *to = &disk->peers[i];

		memcpy(to->replica, from->replica, PB_UUID_LEN);
		to->base_view = cpu_to_le64(from->base_view);
		to->epoch = cpu_to_le64(from->epoch);
		to->incarnation = cpu_to_le64(from->incarnation);
		to->met_view = cpu_to_le64(from->met_view);
		to->flags = cpu_to_le32(from->flags);
	}
}

static void pb_past_from_disk(const struct pb_disk_super *disk,
			      struct pb_super *super)
{
	u32 i;

	super->data_view = le64_to_cpu(disk->data_view);
	memcpy(super->sync_source, disk->sync_source, PB_UUID_LEN);
	super->sync_view = le64_to_cpu(disk->sync_view);
	super->waits_view = le64_to_cpu(disk->waits_view);
	super->met_view = le64_to_cpu(disk->met_view);
	super->met_incarnation = le64_to_cpu(disk->met_incarnation);
	memcpy(super->met_replica, disk->met_replica, PB_UUID_LEN);
	super->lease_ms = le32_to_cpu(disk->lease_ms);
	for (i = 0; i < PB_DISK_MAX_PEERS; i++) {
		const struct pb_disk_peer *from = &disk->peers[i];
		struct pb_super_peer *to = &super->peers[i];

		memcpy(to->replica, from->replica, PB_UUID_LEN);
		to->base_view = le64_to_cpu(from->base_view);
		to->epoch = le64_to_cpu(from->epoch);
		to->incarnation = le64_to_cpu(from->incarnation);
		to->met_view = le64_to_cpu(from->met_view);
		to->flags = le32_to_cpu(from->flags);
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
	disk->capacity_sectors = cpu_to_le64(super->capacity_sectors);
	disk->block_size = cpu_to_le32(super->block_size);
	disk->flags = cpu_to_le32(super->flags);
	disk->incarnation = cpu_to_le64(super->incarnation);
	disk->replica_state = cpu_to_le32(super->replica_state);
	pb_view_to_disk(&super->view, disk);
	disk->forced_view = cpu_to_le64(super->forced_view);
	disk->forced_time = cpu_to_le64(super->forced_time);
	pb_geometry_to_disk(super, disk);
	pb_past_to_disk(super, disk);
	disk->crc = cpu_to_le32(pb_super_crc(disk));
}

void pb_super_decode(const struct pb_disk_super *disk, struct pb_super *super)
{
	super->generation = le64_to_cpu(disk->generation);
	memcpy(super->volume, disk->volume, PB_UUID_LEN);
	memcpy(super->replica, disk->replica, PB_UUID_LEN);
	memcpy(super->name, disk->name, PB_NAME_LEN);
	super->data_sectors = le64_to_cpu(disk->data_sectors);
	super->capacity_sectors = le64_to_cpu(disk->capacity_sectors);
	super->block_size = le32_to_cpu(disk->block_size);
	super->flags = le32_to_cpu(disk->flags);
	super->incarnation = le64_to_cpu(disk->incarnation);
	super->replica_state = le32_to_cpu(disk->replica_state);
	pb_view_from_disk(disk, &super->view);
	super->forced_view = le64_to_cpu(disk->forced_view);
	super->forced_time = le64_to_cpu(disk->forced_time);
	pb_geometry_from_disk(disk, super);
	pb_past_from_disk(disk, super);
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

static bool pb_super_whole(const struct pb_super *super, u64 sectors)
{
	return !(sectors & ((super->block_size >> 9) - 1));
}

static int pb_super_geometry(const struct pb_super *super, const char **why)
{
	if (!pb_block_size_ok(super->block_size, 4096)) {
		*why = "superblock: impossible block size";
		return -EINVAL;
	}
	if (!super->data_sectors ||
	    !pb_super_whole(super, super->data_sectors)) {
		*why = "superblock: impossible size of the volume";
		return -EINVAL;
	}
	if (super->capacity_sectors < super->data_sectors ||
	    !pb_super_whole(super, super->capacity_sectors)) {
		*why = "superblock: impossible capacity";
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

static bool pb_in_range(u32 value, u32 min, u32 max)
{
	return value >= min && value <= max;
}

static int pb_super_log(const struct pb_super *super, const char **why)
{
	const char *bad = NULL;

	if (!pb_in_range(super->extent_shift, PB_DISK_MIN_EXTENT_SHIFT,
			 PB_DISK_MAX_EXTENT_SHIFT))
		bad = "superblock: impossible extent size";
	else if ((super->capacity_sectors - 1) >> super->extent_shift >=
		 PB_DISK_MAX_EXTENTS)
		bad = "superblock: the volume has too many extents";
	else if (!pb_in_range(super->log_slots, PB_DISK_MIN_LOG_SLOTS,
			      PB_DISK_MAX_LOG_SLOTS))
		bad = "superblock: impossible number of hot extents";
	else if (super->log_blocks < pb_record_min_blocks(super->log_slots))
		bad = "superblock: the activity log is too small for its hot extents";
	else if (super->log_blocks > PB_DISK_MAX_LOG_BLOCKS)
		bad = "superblock: the activity log is too large";
	if (bad)
		*why = bad;
	return bad ? -EINVAL : 0;
}

static int pb_super_maps(const struct pb_super *super, const char **why)
{
	const char *bad = NULL;

	if (!pb_in_range(super->region_shift, PB_DISK_MIN_REGION_SHIFT,
			 PB_DISK_MAX_REGION_SHIFT))
		bad = "superblock: impossible region size";
	else if (!pb_in_range(super->nr_maps, 1, PB_DISK_MAX_PEERS))
		bad = "superblock: impossible number of dirty maps";
	if (bad)
		*why = bad;
	return bad ? -EINVAL : 0;
}

static bool pb_super_epoch_ok(const struct pb_super *super, u64 epoch)
{
	return epoch && epoch < super->next_epoch;
}

static int pb_super_past(const struct pb_super *super, const char **why)
{
	bool syncing = super->replica_state == PB_REPLICA_SYNCING;
	const char *bad = NULL;

	if (!pb_super_epoch_ok(super, super->log_epoch))
		bad = "superblock: impossible epoch of the activity log";
	else if (super->data_view > super->view.number)
		bad = "superblock: the data is of a view still to come";
	else if (super->waits_view > super->view.number)
		bad = "superblock: waits for acks in a view still to come";
	else if (super->met_view > super->view.number)
		bad = "superblock: met a neighbour in a view still to come";
	else if (!super->met_view != pb_uuid_zero(super->met_replica) ||
		 !super->met_view != !super->met_incarnation)
		bad = "superblock: what is known of the neighbour it met does not fit";
	else if (!memcmp(super->met_replica, super->replica, PB_UUID_LEN))
		bad = "superblock: met itself";
	else if (!pb_lease_ms_ok(super->lease_ms))
		bad = "superblock: impossible length of a lease";
	else if (super->sync_view > super->view.number)
		bad = "superblock: syncing since a view still to come";
	else if (syncing && pb_uuid_zero(super->sync_source))
		bad = "superblock: syncing from nobody";
	else if (!syncing && !pb_uuid_zero(super->sync_source))
		bad = "superblock: a source to sync from in another state";
	else if (syncing != !!super->sync_view)
		bad = "superblock: the view in which syncing began does not fit";
	else if (!memcmp(super->sync_source, super->replica, PB_UUID_LEN))
		bad = "superblock: syncing from itself";
	if (bad)
		*why = bad;
	return bad ? -EINVAL : 0;
}

static int pb_super_peer(const struct pb_super *super, u32 index,
			 const char **why)
{
	const struct pb_super_peer *peer = &super->peers[index];
	u32 i;

	if (index >= super->nr_maps) {
		*why = "superblock: a peer without a dirty map";
		return -EINVAL;
	}
	for (i = 0; i < index; i++) {
		if (!memcmp(peer->replica, super->peers[i].replica,
			    PB_UUID_LEN)) {
			*why = "superblock: a peer is there twice";
			return -EINVAL;
		}
	}
	if (!memcmp(peer->replica, super->replica, PB_UUID_LEN)) {
		*why = "superblock: the replica is its own peer";
		return -EINVAL;
	}
	if (peer->base_view > super->view.number) {
		*why = "superblock: a peer left in a view still to come";
		return -EINVAL;
	}
	if (peer->met_view > peer->base_view) {
		*why = "superblock: a peer was met after it had left";
		return -EINVAL;
	}
	if (peer->flags & ~PB_DISK_PEER_FLAGS) {
		*why = "superblock: unknown flag of a peer";
		return -EINVAL;
	}
	if (!pb_super_epoch_ok(super, peer->epoch)) {
		*why = "superblock: impossible epoch of a peer's dirty map";
		return -EINVAL;
	}
	return 0;
}

static int pb_super_peers(const struct pb_disk_super *disk,
			  const struct pb_super *super, const char **why)
{
	u32 i;
	int ret;

	for (i = 0; i < PB_DISK_MAX_PEERS; i++) {
		const struct pb_disk_peer *peer = &disk->peers[i];

		if (!pb_all_zero(peer->reserved, sizeof(peer->reserved))) {
			*why = "superblock: reserved bytes of a peer are not zero";
			return -EINVAL;
		}
		if (pb_all_zero(peer, sizeof(*peer)))
			continue;
		if (pb_uuid_zero(peer->replica)) {
			*why = "superblock: an unused peer is not zero";
			return -EINVAL;
		}
		ret = pb_super_peer(super, i, why);
		if (ret)
			return ret;
	}
	return 0;
}

static int pb_super_check(const struct pb_disk_super *disk,
			  const struct pb_super *super, const char **why)
{
	int ret;

	ret = pb_super_identity(super, why);
	if (!ret)
		ret = pb_super_geometry(super, why);
	if (!ret)
		ret = pb_super_status(super, why);
	if (!ret)
		ret = pb_super_log(super, why);
	if (!ret)
		ret = pb_super_maps(super, why);
	if (!ret)
		ret = pb_super_past(super, why);
	if (!ret)
		ret = pb_super_peers(disk, super, why);
	return ret;
}

/* Of a later version that allows it only the fields that this one has are read. */
static int pb_super_version(const struct pb_disk_super *disk, const char **why)
{
	u32 version = le32_to_cpu(disk->version);
	u32 needs = le32_to_cpu(disk->needs);

	if (!version || (version > PB_DISK_VERSION &&
			 (!needs || needs > PB_DISK_VERSION))) {
		*why = "superblock: unknown version, this code knows version 1";
		return -EPROTONOSUPPORT;
	}
	if (disk->reserved0 ||
	    (version == PB_DISK_VERSION &&
	     (needs || !pb_all_zero(disk->reserved, sizeof(disk->reserved))))) {
		*why = "superblock: reserved bytes are not zero";
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
	ret = pb_super_version(disk, why);
	if (ret)
		return ret;
	pb_super_decode(disk, super);
	return pb_super_check(disk, super, why);
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

int pb_super_defaults(struct pb_super *super, const char **why)
{
	int ret;

	if (!super->log_slots)
		super->log_slots = PB_DISK_DEF_LOG_SLOTS;
	if (!super->log_blocks)
		super->log_blocks = pb_record_ring_blocks(super->log_slots);
	if (!super->extent_shift)
		super->extent_shift = PB_DISK_DEF_EXTENT_SHIFT;
	if (!super->region_shift)
		super->region_shift = PB_DISK_DEF_REGION_SHIFT;
	if (!super->nr_maps)
		super->nr_maps = PB_DISK_DEF_MAPS;
	if (!super->capacity_sectors)
		super->capacity_sectors = super->data_sectors;
	ret = pb_super_log(super, why);
	return ret ? ret : pb_super_maps(super, why);
}

int pb_super_grow(struct pb_super *super, u64 sectors, const char **why)
{
	if (sectors < super->capacity_sectors) {
		*why = "a volume cannot be made smaller";
		return -EINVAL;
	}
	if (!pb_super_whole(super, sectors)) {
		*why = "the size is not a multiple of the block size";
		return -EINVAL;
	}
	if ((sectors - 1) >> super->extent_shift >= PB_DISK_MAX_EXTENTS) {
		*why = "the volume would have too many extents";
		return -EFBIG;
	}
	super->capacity_sectors = sectors;
	return 0;
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
		pb_super_decode(&disk[ret], super);
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

u64 pb_incarnation_next(u64 old, u16 random)
{
	return ((old >> 16) + 1) << 16 | random;
}

bool pb_incarnation_older(u64 now, u64 seen)
{
	return now != seen && now >> 16 <= seen >> 16;
}
