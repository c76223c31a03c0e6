// SPDX-License-Identifier: GPL-2.0
/*
 * The path's part of a state transfer: chunks that are read here and sent to
 * the next member, in their turn among the writes of the application.
 */
#include "pb-path.h"

/* A chunk has reached the next member: not dirty before a waiter looks. */
void pb_path_note_copied(struct pb_path *path, const struct pb_req *req)
{
	struct pb_map *map = &path->peers->maps[path->successor];
	u64 region = req->sector >> map->region_shift;
	u64 last = req->last >> map->region_shift;

	lockdep_assert_held(&path->lock);
	for (; region <= last; region++)
		pb_map_sent(map, region);
}

bool pb_path_copy_begin(struct pb_path *path, u32 slot)
{
	bool up;

	spin_lock_irq(&path->lock);
	up = path->up && !path->needs_ack;
	path->successor = slot;
	path->copying = up;
	spin_unlock_irq(&path->lock);
	return up;
}

void pb_path_forward(struct pb_path *path, struct pb_req *req,
		     blk_status_t status)
{
	struct pb_conn *conn = NULL;
	bool last;

	spin_lock_irq(&path->lock);
	if (!status && path->copying)
		pb_path_add_net_leg(path, req);
	else if (!status)
		status = BLK_STS_TRANSPORT;
	last = pb_path_leg_done(path, req, PB_LEG_LOCAL, status);
	conn = pb_path_conn_to_kick(path);
	spin_unlock_irq(&path->lock);
	pb_path_kick(conn);
	if (last)
		req->source->complete(req, req->status);
}

bool pb_path_copy_end(struct pb_path *path)
{
	bool end;

	spin_lock_irq(&path->lock);
	end = path->copying && !path->peers->maps[path->successor].nr_dirty;
	if (end) {
		path->copying = false;
		path->needs_ack = true;
	}
	spin_unlock_irq(&path->lock);
	return end;
}
