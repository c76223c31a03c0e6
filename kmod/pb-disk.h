/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The on-disk format of the metadata area.
 *
 * The area is a device of its own, or the last part of the data device
 * (pb_disk_internal_sectors()).  It begins with two copies of the superblock;
 * an update writes both, one after the other, so that losing or tearing either
 * never brings an older view back.  The activity log follows, a ring of
 * records, and then the dirty maps, interleaved (pb-layout.h).  All integers
 * are little-endian.
 */
#ifndef PB_DISK_H
#define PB_DISK_H

#include <linux/types.h>

#define PB_DISK_MAGIC		0x3130425353425044ULL	/* "DPBSSB01" */
#define PB_DISK_VERSION		1

#define PB_DISK_BLOCK		4096		/* of a superblock, log or map */
#define PB_DISK_BLOCK_SECTORS	8
#define PB_DISK_SLOTS		2
#define PB_DISK_SLOT_STRIDE	128		/* sectors from copy to copy: 64 KiB */
#define PB_DISK_LOG_START	256		/* sector of the log's block 0 */
#define PB_DISK_MAPS_ALIGN	2048		/* sectors: the maps start on a MiB */

/* Smallest metadata area, in sectors (4 MiB). */
#define PB_DISK_MIN_SECTORS	8192

#define PB_DISK_MAX_MEMBERS	8
#define PB_DISK_MAX_PEERS	7

/* The log: extents hot at once, and log2 of the sectors of an extent. */
#define PB_DISK_MIN_LOG_SLOTS	64
#define PB_DISK_DEF_LOG_SLOTS	16384
#define PB_DISK_MAX_LOG_SLOTS	65536
#define PB_DISK_MIN_EXTENT_SHIFT 11		/* 1 MiB */
#define PB_DISK_DEF_EXTENT_SHIFT 13		/* 4 MiB */
#define PB_DISK_MAX_EXTENT_SHIFT 17		/* 64 MiB */
#define PB_DISK_MAX_LOG_BLOCKS	1024		/* 4 MiB */
#define PB_DISK_MAX_EXTENTS	0xffffffffU	/* of a volume */

/* The dirty maps: log2 of the sectors of a bit, and how many maps. */
#define PB_DISK_MIN_REGION_SHIFT 3		/* 4 KiB */
#define PB_DISK_DEF_REGION_SHIFT 7		/* 64 KiB */
#define PB_DISK_MAX_REGION_SHIFT 11		/* 1 MiB: a chunk of a transfer */
#define PB_DISK_DEF_MAPS	4

/* Flags of the superblock. */
#define PB_DISK_ACTIVE		(1U << 0)	/* may hold writes not yet flushed */
#define PB_DISK_FLAGS		PB_DISK_ACTIVE

/* Flags of a peer. */
#define PB_DISK_PEER_STARTED	(1U << 0)	/* its own log's marks are merged */
#define PB_DISK_PEER_FLAGS	PB_DISK_PEER_STARTED

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
 * struct pb_disk_peer - a replica that lacks something; the index is its map's
 * @replica: its UUID; zero if the slot is not used, and so is the rest then
 * @base_view: the peer holds all that was acknowledged up to the end of this
 *	view, but for what the map says
 * @epoch: of the map's blocks; those of another epoch are void, that is clean
 * @incarnation: the peer's latest seen, 0 if never
 * @met_view: last view in which this replica met the peer, see struct
 *	pb_disk_super; @base_view if it never did
 * @flags: PB_DISK_PEER_*
 * @reserved: zero
 */
struct pb_disk_peer {
	__u8	replica[16];
	__le64	base_view;
	__le64	epoch;
	__le64	incarnation;
	__le64	met_view;
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
 * @data_sectors: size of the volume, as far as this replica knows
 * @block_size: logical block size of the volume, bytes
 * @flags: PB_DISK_*
 * @incarnation: of the device's latest set-up
 * @view_number: the current view, 0 if none yet
 * @nr_members: its members
 * @replica_state: enum pb_replica_state
 * @members: its members in order, the rest zero
 * @forced_view: number of the last view that was forced, 0 if none
 * @forced_time: when, seconds of CLOCK_REALTIME
 * @log_epoch: of the activity log: records of another epoch are void
 * @next_epoch: above every epoch ever used, by the log or a map
 * @log_blocks: blocks of the activity log's ring
 * @log_slots: extents that may be hot at once
 * @extent_shift: log2 of the sectors of an extent
 * @region_shift: log2 of the sectors of one bit of a dirty map
 * @nr_maps: dirty maps there is room for
 * @reserved0: zero
 * @data_view: last view in which this replica held every acknowledged write,
 *	0 if never
 * @sync_source: while syncing: the replica that brings this one up to date
 * @sync_view: while syncing: the view in which that began
 * @waits_view: view in which this replica began to wait for its successor's
 *	acks although the view lists the successor as unsynced, 0 if none
 * @peers: replicas that a dirty map is kept for
 * @capacity_sectors: size that this replica has room for: the log may name
 *	extents up to there, and the maps have blocks; not less than the volume's
 * @met_view: last view in which this replica met a neighbour: a connection
 *	between the two came up while both were synced, or one was brought up to
 *	date by the other; 0 if never.  In a later view nothing can have been
 *	acknowledged that needs both
 * @met_incarnation: the neighbour's then
 * @met_replica: who it was
 * @lease_ms: leases that it gave, and that may not have run out, are at most so
 *	long; 0 if there are none
 * @needs: oldest version that may use it: what later ones brought can be ignored,
 *	and is lost with the next update; 0, as in version 1: @version
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
	__le64			log_epoch;
	__le64			next_epoch;
	__le32			log_blocks;
	__le32			log_slots;
	__le32			extent_shift;
	__le32			region_shift;
	__le32			nr_maps;
	__le32			reserved0;
	__le64			data_view;
	__u8			sync_source[16];
	__le64			sync_view;
	__le64			waits_view;
	struct pb_disk_peer	peers[PB_DISK_MAX_PEERS];
	__le64			capacity_sectors;
	__le64			met_view;
	__le64			met_incarnation;
	__u8			met_replica[16];
	__le32			lease_ms;
	__le32			needs;
	__u8			reserved[2864];
};

#define PB_DISK_RECORD_MAGIC	0x3130474f4c425044ULL	/* "DPBLOG01" */
#define PB_DISK_RECORD_UPDATES	64
#define PB_DISK_RECORD_CONTEXT	368
#define PB_DISK_RECORD_HALVES	2

/* Of a slot of the log: no extent is in it. */
#define PB_DISK_NO_EXTENT	0xffffffffU

/**
 * struct pb_disk_update - a slot of the log has another extent from now on
 * @slot: the slot
 * @extent: the extent, or PB_DISK_NO_EXTENT
 */
struct pb_disk_update {
	__le32	slot;
	__le32	extent;
};

/**
 * struct pb_disk_record - half a block of the activity log; both are equal
 * @magic: PB_DISK_RECORD_MAGIC
 * @crc: crc32c of this half with this field zero
 * @nr_updates: used entries of @updates
 * @nr_context: used entries of @context: the log's slots, at most
 *	PB_DISK_RECORD_CONTEXT
 * @epoch: the log's when it was written
 * @seq: from 1 within an epoch; the block is number @seq modulo log_blocks
 * @context_start: slot of context[0]: (@seq - 1) * @nr_context modulo the slots
 * @reserved0: zero
 * @replica: UUID of the replica whose log it is
 * @reserved: zero
 * @updates: what this record changes, in order; unused entries are zero
 * @context: what is in the slots from @context_start on, wrapping, after this
 *	record; unused entries are zero
 */
struct pb_disk_record {
	__le64			magic;
	__le32			crc;
	__le16			nr_updates;
	__le16			nr_context;
	__le64			epoch;
	__le64			seq;
	__le32			context_start;
	__le32			reserved0;
	__u8			replica[16];
	__le64			reserved;
	struct pb_disk_update	updates[PB_DISK_RECORD_UPDATES];
	__le32			context[PB_DISK_RECORD_CONTEXT];
};

#define PB_DISK_MAP_MAGIC	0x313050414d425044ULL	/* "DPBMAP01" */
#define PB_DISK_MAP_BYTES	4032
#define PB_DISK_MAP_REGIONS	(PB_DISK_MAP_BYTES * 8)

/**
 * struct pb_disk_map - a block of a dirty map
 * @magic: PB_DISK_MAP_MAGIC
 * @crc: crc32c of the block with this field zero
 * @slot: the map's index
 * @index: the block's in the map
 * @epoch: the map's when it was written
 * @replica: UUID of the replica that keeps the map, not of the peer
 * @reserved: zero
 * @bits: a bit for each region from @index * PB_DISK_MAP_REGIONS on, the first
 *	the lowest of the first byte; 1 is dirty; beyond the volume's end it means
 *	nothing, beyond the capacity it is 0
 */
struct pb_disk_map {
	__le64	magic;
	__le32	crc;
	__le32	slot;
	__le64	index;
	__le64	epoch;
	__u8	replica[16];
	__u8	reserved[16];
	__u8	bits[PB_DISK_MAP_BYTES];
};

#endif /* PB_DISK_H */
