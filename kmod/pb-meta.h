/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The metadata area: reads and writes the superblock's two copies, durably.
 * What is in them is pb-super.h's business, when to write them the device's.
 */
#ifndef PB_META_H
#define PB_META_H

#include <linux/blkdev.h>

#include "pb-stats.h"
#include "pb-super.h"

/**
 * struct pb_meta - one replica's metadata area
 * @bdev: the device it is on
 * @start: its first sector there
 * @stats: the volume's counters
 * @slots: both copies as last read or written; the caller serialises
 * @newest: index of the copy that was good, or written last
 */
struct pb_meta {
	struct block_device	*bdev;
	sector_t		start;
	struct pb_stats __percpu *stats;
	struct pb_disk_super	*slots;
	int			newest;
};

/**
 * pb_meta_init() - find the metadata area on a device
 * @meta: to fill
 * @bdev: a metadata device, or the data device
 * @internal: the area is at the end of @bdev
 * @stats: the volume's counters
 *
 * Return: 0, -ENOMEM, -ENOSPC (the device is too small for an area).
 */
int pb_meta_init(struct pb_meta *meta, struct block_device *bdev,
		 bool internal, struct pb_stats __percpu *stats);

/**
 * pb_meta_exit() - free what pb_meta_init() took
 * @meta: may be all zero
 */
void pb_meta_exit(struct pb_meta *meta);

/**
 * pb_meta_load() - read the superblock
 * @meta: the area
 * @super: filled on success only
 * @why: set to a constant line on failure
 *
 * One copy that the device cannot read does not matter: an update is in force
 * only when both have it.
 *
 * Context: process, waits for I/O.
 * Return: 0, -EIO and the like from the device, or what pb_super_pick() says.
 */
int pb_meta_load(struct pb_meta *meta, struct pb_super *super,
		 const char **why);

/**
 * pb_meta_store() - write the superblock, durably
 * @meta: the area
 * @super: what to write; its generation is one more than the last
 *
 * Both copies, each with PREFLUSH and FUA; the one that may be damaged first,
 * so that at any moment one of them is whole.  After an
 * error nobody knows which of the two states the disk has: the caller must
 * stop before it acts on either.
 *
 * Context: process, waits for I/O.
 * Return: 0 or the device's errno.
 */
int pb_meta_store(struct pb_meta *meta, const struct pb_super *super);

/**
 * pb_meta_read_block() - read a block of the log or of a map
 * @meta: the area
 * @sector: from its start
 * @block: PB_DISK_BLOCK bytes, page-aligned, not on the stack
 *
 * Context: process, waits for I/O.
 * Return: 0 or the device's errno.
 */
int pb_meta_read_block(struct pb_meta *meta, sector_t sector, void *block);

/**
 * pb_meta_write_block() - write one, durably
 * @meta: the area
 * @sector: from its start
 * @block: PB_DISK_BLOCK bytes, page-aligned, not on the stack
 *
 * Context: process, waits for I/O.
 * Return: 0 or the device's errno.
 */
int pb_meta_write_block(struct pb_meta *meta, sector_t sector, void *block);

#endif /* PB_META_H */
