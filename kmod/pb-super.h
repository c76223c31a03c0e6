/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The superblock in core, and its way to and from the disk.  Pure logic:
 * callable in any context, takes no lock, does no I/O.  Bytes from a disk are
 * hostile until pb_super_unpack() has passed them.
 */
#ifndef PB_SUPER_H
#define PB_SUPER_H

#include "pb-disk.h"
#include "pb-pure.h"

/**
 * struct pb_super_peer - a tracked peer; see struct pb_disk_peer
 */
struct pb_super_peer {
	u8		replica[PB_UUID_LEN];
	u64		base_view;
	u64		epoch;
	u64		incarnation;
	u64		met_view;
	u32		flags;
};

/**
 * struct pb_super - the superblock in host order; see struct pb_disk_super
 */
struct pb_super {
	u64		generation;
	u8		volume[PB_UUID_LEN];
	u8		replica[PB_UUID_LEN];
	char		name[PB_NAME_LEN];
	u64		data_sectors;
	u32		block_size;
	u32		flags;
	u64		incarnation;
	u32		replica_state;
	struct pb_view	view;
	u64		forced_view;
	u64		forced_time;
	u64		log_epoch;
	u64		next_epoch;
	u32		log_blocks;
	u32		log_slots;
	u32		extent_shift;
	u32		region_shift;
	u32		nr_maps;
	u64		data_view;
	u8		sync_source[PB_UUID_LEN];
	u64		sync_view;
	u64		waits_view;
	struct pb_super_peer	peers[PB_DISK_MAX_PEERS];
	u64		capacity_sectors;
	u64		met_view;
	u64		met_incarnation;
	u8		met_replica[PB_UUID_LEN];
	u32		lease_ms;
};

/**
 * pb_super_pack() - write a superblock for the disk
 * @super: what to write; must be valid
 * @disk: filled, crc included, padding zero
 */
void pb_super_pack(const struct pb_super *super, struct pb_disk_super *disk);

/**
 * pb_super_decode() - bring a copy into host order, unchecked
 * @disk: 4096 bytes from the disk, hostile
 * @super: filled: nothing in it may be relied on, but shown to a person
 */
void pb_super_decode(const struct pb_disk_super *disk, struct pb_super *super);

/**
 * pb_super_unpack() - check one copy and bring it into host order
 * @disk: 4096 bytes from the disk
 * @super: filled on success only
 * @why: set to a constant line on failure
 *
 * Return: 0, -ENODATA (no superblock of ours here: other magic), -EBADMSG
 * (damaged: crc), -EPROTONOSUPPORT (a version that this code does not know,
 * and that does not say that it can be used all the same),
 * -EINVAL (a field with an impossible value: zero UUID, generation,
 * incarnation or size, name that pb_name_valid() refuses, block size not a
 * power of two from 512 to 4096, size or capacity not a multiple of it, capacity
 * below the size, unknown flag or state, unsound view, members without a view,
 * non-zero reserved, and what is listed below).  The first that applies, in this
 * order.
 *
 * Of the log and the maps: sizes and numbers in their ranges (PB_DISK_MIN_*,
 * PB_DISK_MAX_*); not more than PB_DISK_MAX_EXTENTS extents in the capacity; as
 * many blocks as pb_record_min_blocks() wants for the slots.  Epochs not zero
 * and below next_epoch.
 *
 * Of the past: data_view, sync_view, waits_view, met_view and each base_view not
 * above the current view; a peer's met_view not above its base_view; met_replica
 * and met_incarnation set with a met_view and only then, and another replica's;
 * sync_source and sync_view set in state syncing and only there, the source
 * another replica; lease_ms one that pb_lease_ms_ok() passes.
 *
 * Of the peers: used only below nr_maps, all zero otherwise, none twice, this
 * replica not among them, no unknown flag.
 */
int pb_super_unpack(const struct pb_disk_super *disk, struct pb_super *super,
		    const char **why);

/**
 * pb_super_defaults() - choose the geometry of log and maps for a new replica
 * @super: what is zero of its log_blocks, log_slots, extent_shift,
 *	region_shift, nr_maps and capacity_sectors is set to the default; its
 *	data_sectors are set
 * @why: set to a constant line on failure
 *
 * Return: 0, -EINVAL (a value that pb_super_unpack() would refuse).
 */
int pb_super_defaults(struct pb_super *super, const char **why);

/**
 * pb_super_grow() - may the capacity become larger?
 * @super: valid; its capacity is set on success only
 * @sectors: the capacity to come
 * @why: set to a constant line on failure
 *
 * Return: 0, -EINVAL (smaller than now, or not whole blocks), -EFBIG (too many
 * extents).
 */
int pb_super_grow(struct pb_super *super, u64 sectors, const char **why);

/**
 * pb_super_pick() - choose between the two copies
 * @disk: both copies
 * @super: filled on success only
 * @why: set to a constant line on failure
 *
 * The valid copy with the higher generation.  An update writes both, one after
 * the other, so a single damaged copy never brings an older view back.  Copies
 * that are both valid but of different volumes or replicas, or differ at the
 * same generation, are refused.  So is any copy beside one that is undamaged
 * and has an unknown version or an impossible value: that one may be newer.
 *
 * Return: the index of the copy chosen (0 or 1), -ENODATA (neither has our
 * magic), -EBADMSG (ours, both damaged), -EPROTONOSUPPORT, -EINVAL,
 * -EUCLEAN (the two contradict each other).
 */
int pb_super_pick(const struct pb_disk_super disk[PB_DISK_SLOTS],
		  struct pb_super *super, const char **why);

/**
 * pb_incarnation_next() - the incarnation of a new set-up
 * @old: of the one before
 * @random: anything
 *
 * A count in the upper 48 bits, something random in the lower 16: so two lives
 * that began from the same disk, one of them from a copy of it, differ.
 */
u64 pb_incarnation_next(u64 old, u16 random);

/**
 * pb_incarnation_older() - is a life not one that came after another?
 * @now: of a replica
 * @seen: the latest that was seen of it, 0 if none
 *
 * Return: true if it is neither the same life nor a later one: the disk is an
 * older image.
 */
bool pb_incarnation_older(u64 now, u64 seen);

/**
 * pb_disk_internal_sectors() - size of a metadata area at the end of a device
 * @dev_sectors: size of the data device
 *
 * 4 MiB plus 1/32768 of the device, rounded up to 1 MiB.  The area starts at
 * the device's size less this, rounded down to 1 MiB; what is before it is
 * the volume's at most.
 *
 * Return: the area's size in sectors, or 0 if the device is too small
 * (less than 8 MiB).
 */
u64 pb_disk_internal_sectors(u64 dev_sectors);

/**
 * pb_disk_internal_start() - first sector of such an area
 * @dev_sectors: size of the data device
 *
 * Return: the sector, or 0 if the device is too small.
 */
u64 pb_disk_internal_start(u64 dev_sectors);

#endif /* PB_SUPER_H */
