/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The on-disk format of the metadata area.
 *
 * The area is a device of its own, or the last part of the data device
 * (pb_disk_internal_sectors()).  It begins with two copies of the superblock;
 * an update writes both, one after the other, so that losing or tearing either
 * never brings an older view back.  The rest is reserved for the activity log
 * and the dirty bitmaps.  All integers are little-endian.
 */
#ifndef PB_DISK_H
#define PB_DISK_H

#include <linux/types.h>

#define PB_DISK_MAGIC		0x3130425353425044ULL	/* "DPBSSB01" */
#define PB_DISK_VERSION		1

#define PB_DISK_BLOCK		4096		/* size of a superblock copy */
#define PB_DISK_BLOCK_SECTORS	8
#define PB_DISK_SLOTS		2
#define PB_DISK_SLOT_STRIDE	128		/* sectors from copy to copy: 64 KiB */

/* Smallest metadata area, in sectors (4 MiB). */
#define PB_DISK_MIN_SECTORS	8192

#define PB_DISK_MAX_MEMBERS	8

/* Flags of the superblock. */
#define PB_DISK_ACTIVE		(1U << 0)	/* may hold writes not yet flushed */
#define PB_DISK_FLAGS		PB_DISK_ACTIVE

/**
 * struct pb_disk_member - one member of the view, see struct pb_member
 */
struct pb_disk_member {
	__u8	replica[16];
	__u8	name[32];
	__le32	flags;
	__le32	reserved[3];
};

/**
 * struct pb_disk_super - the superblock
 * @magic: PB_DISK_MAGIC
 * @version: PB_DISK_VERSION
 * @crc: crc32c of the whole block with this field zero
 * @generation: grows by one with each update
 * @volume: UUID of the volume
 * @replica: UUID of this replica
 * @name: the volume's name
 * @data_sectors: size of the volume
 * @block_size: logical block size of the volume, bytes
 * @flags: PB_DISK_*
 * @incarnation: of the device's latest set-up
 * @view_number: the current view, 0 if none yet
 * @nr_members: its members
 * @replica_state: enum pb_replica_state
 * @members: its members in order, the rest zero
 * @forced_view: number of the last view that was forced, 0 if none
 * @forced_time: when, seconds of CLOCK_REALTIME
 * @reserved: zero
 */
struct pb_disk_super {
	__le64			magic;
	__le32			version;
	__le32			crc;
	__le64			generation;
	__u8			volume[16];
	__u8			replica[16];
	__u8			name[32];
	__le64			data_sectors;
	__le32			block_size;
	__le32			flags;
	__le64			incarnation;
	__le64			view_number;
	__le32			nr_members;
	__le32			replica_state;
	struct pb_disk_member	members[PB_DISK_MAX_MEMBERS];
	__le64			forced_view;
	__le64			forced_time;
	__u8			reserved[3440];
};

#endif /* PB_DISK_H */
