// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty maps at run time.  Bits change under the path's lock as writes begin;
 * blocks are written when an extent goes cold and at the checkpoints of a state
 * transfer: what is not yet on the disk is in extents that
 * the activity log names.
 */
#include <linux/bitops.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pb-crash.h"
#include "pb-layout.h"
#include "pb-peers.h"

int pb_peers_init(struct pb_peers *peers)
{
	mutex_init(&peers->io_mutex);
	peers->block = kzalloc(sizeof(*peers->block), GFP_KERNEL);
	return peers->block ? 0 : -ENOMEM;
}

void pb_peers_exit(struct pb_peers *peers)
{
	u32 slot;

	for (slot = 0; slot < PB_DISK_MAX_PEERS; slot++)
		vfree(peers->longs[slot]);
	pb_peers_abort(peers);
	kfree(peers->block);
}

static void id_of(const struct pb_peers *peers, u32 slot, struct pb_map_id *id)
{
	memcpy(id->replica, peers->super->replica, PB_UUID_LEN);
	id->epoch = peers->super->peers[slot].epoch;
	id->slot = slot;
}

static unsigned long *new_map(const struct pb_peers *peers, u64 sectors,
			      struct pb_map *map)
{
	u32 shift = peers->super->region_shift;
	unsigned long *longs;

	longs = vzalloc(array_size(pb_map_longs(sectors, shift),
				   sizeof(*longs)));
	if (longs)
		pb_map_init(map, sectors, shift, longs);
	return longs;
}

/* Puts a map in place, or none; whoever stores blocks holds the mutex. */
static void replace(struct pb_peers *peers, u32 slot, const struct pb_map *map,
		    unsigned long *longs)
{
	unsigned long *old;

	lockdep_assert_held(&peers->io_mutex);
	spin_lock_irq(peers->lock);
	old = peers->longs[slot];
	peers->longs[slot] = longs;
	if (longs) {
		peers->maps[slot] = *map;
		peers->used |= BIT(slot);
		peers->fresh |= BIT(slot);
	} else {
		peers->used &= ~BIT(slot);
	}
	spin_unlock_irq(peers->lock);
	vfree(old);
}

int pb_peers_prepare(struct pb_peers *peers, u32 slot)
{
	unsigned long *longs = new_map(peers, peers->super->data_sectors,
				       &peers->next[slot]);

	if (!longs)
		return -ENOMEM;
	vfree(peers->next_longs[slot]);
	peers->next_longs[slot] = longs;
	pb_crash_point(PB_CRASH_MAP_PREPARED);
	return 0;
}

void pb_peers_commit(struct pb_peers *peers)
{
	u32 slot;

	mutex_lock(&peers->io_mutex);
	for (slot = 0; slot < PB_DISK_MAX_PEERS; slot++) {
		if (peers->next_longs[slot])
			replace(peers, slot, &peers->next[slot],
				peers->next_longs[slot]);
		else if (pb_all_zero(peers->super->peers[slot].replica,
				     PB_UUID_LEN))
			replace(peers, slot, NULL, NULL);
		peers->next_longs[slot] = NULL;
	}
	mutex_unlock(&peers->io_mutex);
	pb_crash_point(PB_CRASH_MAP_COMMITTED);
}

void pb_peers_abort(struct pb_peers *peers)
{
	u32 slot;

	for (slot = 0; slot < PB_DISK_MAX_PEERS; slot++) {
		vfree(peers->next_longs[slot]);
		peers->next_longs[slot] = NULL;
	}
}

static void load_block(struct pb_peers *peers, struct pb_map *map, u32 slot,
		       u64 index)
{
	u64 sector = pb_layout_map_sector(peers->super, slot, index);
	u64 room = ((peers->super->capacity_sectors - 1) >>
		    peers->super->region_shift) + 1;
	struct pb_map_id id;
	const char *why;
	int ret;

	id_of(peers, slot, &id);
	ret = pb_meta_read_block(peers->meta, sector, peers->block);
	if (!ret)
		ret = pb_map_unpack_block(map, room, &id, index, peers->block,
					  &why);
	if (ret && ret != -ENODATA)
		pb_map_fill_block(map, index);
}

int pb_peers_load(struct pb_peers *peers, u32 slot)
{
	struct pb_map map;
	unsigned long *longs = new_map(peers, peers->super->data_sectors, &map);
	u64 index;

	if (!longs)
		return -ENOMEM;
	mutex_lock(&peers->io_mutex);
	for (index = 0; index < map.nr_blocks; index++)
		load_block(peers, &map, slot, index);
	replace(peers, slot, &map, longs);
	mutex_unlock(&peers->io_mutex);
	return 0;
}

static int prepare_grown(struct pb_peers *peers, u64 sectors)
{
	unsigned long used = READ_ONCE(peers->used);
	u32 slot;

	for_each_set_bit(slot, &used, PB_DISK_MAX_PEERS) {
		peers->next_longs[slot] = new_map(peers, sectors,
						  &peers->next[slot]);
		if (!peers->next_longs[slot]) {
			pb_peers_abort(peers);
			return -ENOMEM;
		}
	}
	return 0;
}

/* The old one's memory, to be freed. */
static unsigned long *put_grown(struct pb_peers *peers, u32 slot, bool dirty)
{
	unsigned long *old = peers->longs[slot];

	spin_lock_irq(peers->lock);
	pb_map_grow(&peers->next[slot], &peers->maps[slot], dirty);
	peers->maps[slot] = peers->next[slot];
	peers->longs[slot] = peers->next_longs[slot];
	spin_unlock_irq(peers->lock);
	peers->next_longs[slot] = NULL;
	return old;
}

int pb_peers_grow(struct pb_peers *peers, u64 sectors, unsigned long dirty)
{
	u32 slot;
	int ret = prepare_grown(peers, sectors);

	if (ret)
		return ret;
	mutex_lock(&peers->io_mutex);
	for (slot = 0; slot < PB_DISK_MAX_PEERS; slot++)
		if (peers->next_longs[slot])
			vfree(put_grown(peers, slot, dirty & BIT(slot)));
	mutex_unlock(&peers->io_mutex);
	return 0;
}

/* Takes the next block that is behind off the map; false if there is none. */
static bool next_block(struct pb_peers *peers, u32 slot, u64 last, u64 *index)
{
	struct pb_map *map = &peers->maps[slot];
	struct pb_map_id id;
	bool found = false;

	lockdep_assert_held(&peers->io_mutex);
	id_of(peers, slot, &id);
	spin_lock_irq(peers->lock);
	if (peers->used & BIT(slot)) {
		*index = pb_map_next_stale(map, *index);
		found = *index <= last && *index < map->nr_blocks;
	}
	if (found)
		pb_map_pack_block(map, &id, *index, peers->block);
	spin_unlock_irq(peers->lock);
	return found;
}

/* It was not written after all. */
static void still_stale(struct pb_peers *peers, u32 slot, u64 index)
{
	spin_lock_irq(peers->lock);
	if (peers->used & BIT(slot))
		__set_bit(index, peers->maps[slot].stale_blocks);
	spin_unlock_irq(peers->lock);
}

static int store_slot(struct pb_peers *peers, u32 slot, u64 first, u64 last)
{
	u64 index = first;
	int ret;

	while (next_block(peers, slot, last, &index)) {
		pb_crash_point(PB_CRASH_MAP_WRITE);
		ret = pb_meta_write_block(peers->meta,
					  pb_layout_map_sector(peers->super, slot,
							       index),
					  peers->block);
		if (ret) {
			still_stale(peers, slot, index);
			return ret;
		}
		pb_crash_point(PB_CRASH_MAP_WRITTEN);
		index++;
	}
	return 0;
}

int pb_peers_store(struct pb_peers *peers, unsigned long slots, u64 sector,
		   u64 count)
{
	unsigned int shift = peers->super->region_shift;
	u64 first = 0, last = U64_MAX;
	u32 slot;
	int ret = 0;

	if (count) {
		first = div_u64(sector >> shift, PB_DISK_MAP_REGIONS);
		last = div_u64((sector + count - 1) >> shift,
			       PB_DISK_MAP_REGIONS);
	}
	mutex_lock(&peers->io_mutex);
	for_each_set_bit(slot, &slots, PB_DISK_MAX_PEERS) {
		ret = store_slot(peers, slot, first, last);
		if (ret)
			break;
	}
	mutex_unlock(&peers->io_mutex);
	return ret;
}

void pb_peers_mark(struct pb_peers *peers, unsigned long slots, u64 sector,
		   u64 count)
{
	u32 slot;

	lockdep_assert_held(peers->lock);
	slots &= peers->used;
	for_each_set_bit(slot, &slots, PB_DISK_MAX_PEERS) {
		struct pb_map *map = &peers->maps[slot];

		if (sector < map->sectors)
			pb_map_set_dirty(map, sector,
					 min(count, map->sectors - sector));
	}
}
