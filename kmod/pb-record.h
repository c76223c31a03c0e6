/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The activity log: which extents may have been under write when the machine
 * died.  Pure logic: callable in any context, takes no lock, does no I/O.
 *
 * The log has a fixed number of slots, each with one hot extent or none.  A
 * change of slots is a record; record @seq goes to block @seq modulo log_blocks
 * of a ring, and counts once it is durable, before the next one is begun.
 * Beside the changes a record says what is in the next few hundred slots, so
 * that the last pb_record_window() records tell the content of all.
 *
 * A record is on the disk twice, in both halves of its block: a byte that flips
 * leaves one half, and so does a write that was cut off.
 */
#ifndef PB_RECORD_H
#define PB_RECORD_H

#include "pb-disk.h"
#include "pb-super.h"

#define PB_RECORD_MAX_UPDATES	PB_DISK_RECORD_UPDATES
#define PB_RECORD_MAX_CONTEXT	PB_DISK_RECORD_CONTEXT
#define PB_RECORD_NO_EXTENT	PB_DISK_NO_EXTENT

/**
 * struct pb_record_update - a slot of the log and what is in it from now on
 * @slot: the slot
 * @extent: the extent, or PB_RECORD_NO_EXTENT
 */
struct pb_record_update {
	u32	slot;
	u32	extent;
};

/**
 * struct pb_record - a record in host order; see struct pb_disk_record
 */
struct pb_record {
	u64			epoch;
	u64			seq;
	u8			replica[PB_UUID_LEN];
	u32			nr_updates;
	u32			nr_context;
	u32			context_start;
	struct pb_record_update	updates[PB_RECORD_MAX_UPDATES];
	u32			context[PB_RECORD_MAX_CONTEXT];
};

/**
 * pb_record_window() - how many records in a row tell the content of all slots
 * @slots: of the log
 */
u32 pb_record_window(u32 slots);

/**
 * pb_record_min_blocks() - smallest ring for a log
 * @slots: of the log
 *
 * Enough that the block of the next record is never one of the window's.
 */
u32 pb_record_min_blocks(u32 slots);

/**
 * pb_record_ring_blocks() - usual size of the ring of a log
 * @slots: of the log
 *
 * Twice the smallest, rounded up to a multiple of 16.
 */
u32 pb_record_ring_blocks(u32 slots);

/**
 * pb_record_block() - the block of the ring that a record goes to
 * @seq: of the record
 * @blocks: of the ring
 */
u32 pb_record_block(u64 seq, u32 blocks);

/**
 * pb_record_set_context() - add the content of the slots whose turn it is
 * @record: its seq and updates are set; context is filled in
 * @map: what is in each slot, after the updates
 * @slots: of the log
 */
void pb_record_set_context(struct pb_record *record, const u32 *map,
			   u32 slots);

/**
 * pb_record_pack() - write a record for the disk
 * @record: what to write; must be valid, context included
 * @block: PB_DISK_BLOCK bytes; filled, checksums included, padding zero
 */
void pb_record_pack(const struct pb_record *record, void *block);

/**
 * pb_record_unpack() - check a block of the ring
 * @block: PB_DISK_BLOCK bytes from the disk, hostile
 * @replica: own UUID
 * @epoch: the log's
 * @slots: of the log
 * @nr_extents: of the volume
 * @record: filled on success only
 * @why: set to a constant line on failure
 *
 * A half that is good counts whatever the other one is; of two good ones the
 * one with the higher seq, since the other is what a write that was cut off has
 * not replaced.  A half that is damaged beside one that is void is such a write
 * too, the block's first of this epoch.
 *
 * Return: 0, -ENODATA (void: never written, or of another epoch or replica),
 * -EBADMSG (both halves damaged), -EINVAL (impossible values under a good
 * checksum in either half, or two good halves that contradict each other).
 */
int pb_record_unpack(const void *block, const u8 *replica, u64 epoch,
		     u32 slots, u32 nr_extents, struct pb_record *record,
		     const char **why);

/**
 * pb_record_recover() - which extents may be hot?
 * @super: of the replica, valid; says everything about the log
 * @ring: all its blocks from the disk, hostile
 * @unreadable: a bit for each block that the disk could not read; its content
 *	in @ring does not matter
 * @map: log_slots entries: on success the extent in each slot or
 *	PB_RECORD_NO_EXTENT
 * @record: working space
 * @last: on success seq of the newest record, 0 if there is none
 * @why: set to a constant line on failure
 *
 * The newest record is the one with the highest seq.  It and the others of its
 * window must be there, each in its place.  A block with no good half, or one
 * that cannot be read, may have been a newer one that was relied on: a write
 * that is cut off leaves a half, unless the disk wrote its sectors in no order.
 *
 * Return: 0, -EUCLEAN (damaged: every extent may be hot).
 */
int pb_record_recover(const struct pb_super *super, const void *ring,
		      const unsigned long *unreadable, u32 *map,
		      struct pb_record *record, u64 *last, const char **why);

#endif /* PB_RECORD_H */
