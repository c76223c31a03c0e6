/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty maps of the peers that a replica keeps track of, in core and on the
 * metadata device.  Which slot is whose is in the superblock; this holds the
 * maps and brings their blocks to and from the disk.
 */
#ifndef PB_PEERS_H
#define PB_PEERS_H

#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "pb-map.h"
#include "pb-meta.h"

/**
 * struct pb_peers - the maps of one replica
 * @lock: the path's; guards @used, @fresh and what is in @maps
 * @used: a bit for each slot that has a map
 * @fresh: slots whose map was put in place since the last view took effect: it
 *	lacks what was under way or not flushed then
 * @maps: by slot
 * @longs: their memory
 * @next: maps that pb_peers_commit() puts in place
 * @next_longs: their memory
 * @io_mutex: one block at a time; guards @block.  Never taken under @lock
 * @block: on its way
 * @meta: where the blocks are
 * @super: the replica's; which slot is whose
 */
struct pb_peers {
	spinlock_t		*lock;
	unsigned long		used;
	unsigned long		fresh;
	struct pb_map		maps[PB_DISK_MAX_PEERS];
	unsigned long		*longs[PB_DISK_MAX_PEERS];
	struct pb_map		next[PB_DISK_MAX_PEERS];
	unsigned long		*next_longs[PB_DISK_MAX_PEERS];
	struct mutex		io_mutex;
	struct pb_disk_map	*block;
	struct pb_meta		*meta;
	const struct pb_super	*super;
};

/**
 * pb_peers_init() - no maps yet
 * @peers: to fill, all zero but for @lock, @meta and @super
 *
 * Return: 0 or -ENOMEM.
 */
int pb_peers_init(struct pb_peers *peers);

/**
 * pb_peers_exit() - free all
 * @peers: may be all zero
 */
void pb_peers_exit(struct pb_peers *peers);

/**
 * pb_peers_prepare() - a clean map for a slot, not yet in place
 * @peers: the maps
 * @slot: the slot; may have a map
 *
 * Context: process, serialised by the caller as the next two.
 * Return: 0 or -ENOMEM.
 */
int pb_peers_prepare(struct pb_peers *peers, u32 slot);

/**
 * pb_peers_commit() - the superblock names the new slots and not the old ones
 * @peers: the maps
 *
 * Puts in place what was prepared, and frees the maps of unused slots.
 */
void pb_peers_commit(struct pb_peers *peers);

/**
 * pb_peers_abort() - it does not: free what was prepared
 * @peers: the maps
 */
void pb_peers_abort(struct pb_peers *peers);

/**
 * pb_peers_grow() - the volume is about to be larger
 * @peers: the maps
 * @sectors: its size to come
 * @dirty: who lacks what is new: a bit each; the others' maps only get longer
 *
 * The new marks are not on the disk yet: see pb_peers_store().
 *
 * Context: process, serialised as pb_peers_prepare().
 * Return: 0, or -ENOMEM, and nothing has changed.
 */
int pb_peers_grow(struct pb_peers *peers, u64 sectors, unsigned long dirty);

/**
 * pb_peers_load() - read the map of a slot that the superblock names
 * @peers: the maps
 * @slot: has none yet
 *
 * What cannot be read, or is damaged, is dirty.
 *
 * Context: process, waits for I/O.
 * Return: 0 or -ENOMEM.
 */
int pb_peers_load(struct pb_peers *peers, u32 slot);

/**
 * pb_peers_store() - write what is behind on the disk
 * @peers: the maps
 * @slots: whose: a bit each
 * @sector: of a range of the volume
 * @count: its sectors; 0 for the whole volume
 *
 * Context: process, waits for I/O.
 * Return: 0 or the device's errno.
 */
int pb_peers_store(struct pb_peers *peers, unsigned long slots, u64 sector,
		   u64 count);

/**
 * pb_peers_mark() - peers lack a write
 * @peers: the maps, locked
 * @slots: whose: a bit each; those without a map do not matter
 * @sector: where it begins
 * @count: its sectors, not 0; it is cut at the end of the volume
 */
void pb_peers_mark(struct pb_peers *peers, unsigned long slots, u64 sector,
		   u64 count);

#endif /* PB_PEERS_H */
