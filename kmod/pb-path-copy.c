// SPDX-License-Identifier: GPL-2.0
/*
 * The path's part of a state transfer and of a verification: chunks that are
 * read here and sent to the next member, in their turn among the writes of the
 * application.
 */
#include <linux/bitmap.h>

#include "pb-crash.h"
#include "pb-path.h"

static const struct pb_copy_req *to_copy_req(const struct pb_req *req)
{
	return container_of(req, struct pb_copy_req, req);
}

/*
 * A chunk has reached the next member, which has all of it now, or all but what
 * it said differs: not dirty before a waiter looks.
 */
void pb_path_note_copied(struct pb_path *path, const struct pb_req *req)
{
	struct pb_map *map = &path->peers->maps[path->successor];
	const unsigned long *differs = to_copy_req(req)->differs;
	u64 first = req->sector >> map->region_shift;
	u64 last = req->last >> map->region_shift;
	u64 region;

	lockdep_assert_held(&path->lock);
	pb_crash_point(PB_CRASH_CHUNK_ACKED);
	for (region = first; region <= last; region++)
		if (req->type != PB_WIRE_CHECK ||
		    !test_bit(region - first, differs))
			pb_map_sent(map, region);
}

/* May a chunk, or a word about a state transfer, be sent? */
bool pb_path_may_copy(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	switch (req->copy) {
	case PB_COPY_TRANSFER:
		return path->up && path->copying;
	case PB_COPY_VERIFY:
		return path->up && path->verifying && path->needs_ack;
	default:
		return path->up;
	}
}

void pb_path_verify(struct pb_path *path, bool on)
{
	struct pb_req *req, *next;
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	path->verifying = on;
	list_for_each_entry_safe(req, next, &path->wanted, send) {
		if (on || req->copy != PB_COPY_VERIFY)
			continue;
		/* From the waiters of a write, or from those to be retried. */
		list_move_tail(&req->node, &done);
		path->nr_parked--;
		req->status = BLK_STS_TRANSPORT;
		pb_path_drop_chunk(path, req);
	}
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
}

int pb_path_differs(struct pb_path *path, u64 sector, u32 count)
{
	struct pb_copy_req *copy;
	struct pb_req *req;
	int ret = -EPROTO;
	u32 first, last;

	spin_lock_irq(&path->lock);
	list_for_each_entry(req, &path->unacked, node) {
		if (req->type != PB_WIRE_CHECK || sector < req->sector ||
		    sector + count - 1 > req->last)
			continue;
		copy = container_of(req, struct pb_copy_req, req);
		first = (u32)(sector - req->sector) / copy->piece;
		last = (u32)(sector + count - 1 - req->sector) / copy->piece;
		bitmap_set(copy->differs, first, last - first + 1);
		ret = 0;
		break;
	}
	spin_unlock_irq(&path->lock);
	return ret;
}

static void mark_lost(void *arg, u64 sector, u64 count)
{
	struct pb_path *path = arg;

	pb_peers_mark(path->peers, path->lost, sector, count);
}

/* Everything here that a peer may lack or have otherwise. */
static void visit_doubtful(struct pb_path *path,
			   void (*fn)(void *arg, u64 sector, u64 count),
			   void *arg)
{
	struct rb_node *node;
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	for (node = rb_first_cached(&path->tree); node; node = rb_next(node)) {
		req = rb_entry(node, struct pb_req, rb);
		if (pb_path_is_change(req))
			fn(arg, req->sector, req->count);
	}
	pb_log_visit_unflushed(path->log, fn, arg);
}

void pb_path_visit_doubtful(struct pb_path *path,
			    void (*fn)(void *arg, u64 sector, u64 count),
			    void *arg)
{
	spin_lock_irq(&path->lock);
	visit_doubtful(path, fn, arg);
	spin_unlock_irq(&path->lock);
}

/*
 * Peers that may lack what is under way, and have lost what they did not
 * flush.
 */
void pb_path_mark_doubtful(struct pb_path *path, unsigned long slots)
{
	lockdep_assert_held(&path->lock);
	path->lost = slots;
	visit_doubtful(path, mark_lost, path);
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
	if (!status && pb_path_may_copy(path, req)) {
		pb_path_add_net_leg(path, req);
		if (req->type != PB_WIRE_CHECK)
			pb_path_early_copied(path);
	} else if (!status) {
		status = BLK_STS_TRANSPORT;
	}
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
