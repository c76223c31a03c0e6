// SPDX-License-Identifier: GPL-2.0
/*
 * The path's part of reading from the next member: a fetch is numbered and sent
 * like a write, but what ends its downstream leg is data and not an ack.
 */
#include "pb-path.h"

/* Only from one that has all there is in that range. */
enum pb_start pb_path_admit_fetch(struct pb_path *path, struct pb_req *req,
				  blk_status_t *status)
{
	lockdep_assert_held(&path->lock);
	*status = BLK_STS_TRANSPORT;
	if (path->diverged)
		return PB_REFUSED;
	if (path->needs_ack && path->up)
		return PB_STARTED;
	if (path->needs_ack)
		return path->policy == PB_POLICY_ERROR ?
		       PB_REFUSED : pb_path_hold(path, req, status);
	if (!path->up || !path->copying ||
	    pb_map_test_range(&path->peers->maps[path->successor], req->sector,
			      req->count) != PB_MAP_NONE)
		return PB_REFUSED;
	return PB_STARTED;
}

static struct pb_req *find_fetch(struct pb_path *path, const struct pb_msg *msg)
{
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	list_for_each_entry(req, &path->unacked, node)
		if (req->seq == msg->seq)
			return pb_path_is_fetch(req) &&
			       req->sector == msg->sector &&
			       req->count == msg->count ? req : NULL;
	return NULL;
}

int pb_path_data(struct pb_path *path, const struct pb_msg *msg,
		 struct bio **bio)
{
	struct pb_conn *conn;
	struct pb_req *req;
	LIST_HEAD(done);
	int ret = 0;

	*bio = NULL;
	spin_lock_irq(&path->lock);
	req = find_fetch(path, msg);
	if (!req) {
		ret = -EPROTO;
	} else if (msg->status) {
		pb_path_net_done(path, req, BLK_STS_MEDIUM, &done);
	} else {
		/* Nobody else ends it while its memory is being filled. */
		list_del_init(&req->node);
		path->receiving = req;
		*bio = req->bio;
	}
	conn = pb_path_conn_to_kick(path);
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
	pb_path_kick(conn);
	return ret;
}

void pb_path_data_done(struct pb_path *path)
{
	struct pb_conn *conn;
	struct pb_req *req;
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	req = path->receiving;
	path->receiving = NULL;
	/* A disk that has died meanwhile is not repaired. */
	if (path->disk == PB_OWN_DEAD)
		req->legs &= ~PB_LEG_LOCAL;
	pb_path_net_done(path, req, BLK_STS_OK, &done);
	conn = pb_path_conn_to_kick(path);
	spin_unlock_irq(&path->lock);
	if (list_empty(&done))
		req->source->submit(req);
	pb_path_complete(path, &done);
	pb_path_kick(conn);
}

/* The connection broke off in the middle of a payload: it is wanted again. */
void pb_path_stop_receiving(struct pb_path *path)
{
	struct pb_req *req = path->receiving, *before;

	lockdep_assert_held(&path->lock);
	path->receiving = NULL;
	if (!req)
		return;
	list_for_each_entry_reverse(before, &path->unacked, node)
		if (before->seq < req->seq)
			break;
	list_add(&req->node, &before->node);
}

/*
 * A new connection: what the next member has received it acks, but an answer
 * that it did not get rid of is gone.  Those fetches come last.
 */
void pb_path_refetch(struct pb_path *path, u64 resume)
{
	struct pb_req *req, *next;
	LIST_HEAD(again);

	lockdep_assert_held(&path->lock);
	list_for_each_entry_safe(req, next, &path->unacked, node) {
		if (req->seq > resume)
			break;
		if (!pb_path_is_fetch(req))
			continue;
		req->seq = U64_MAX;
		list_move_tail(&req->node, &again);
		list_move_tail(&req->order, &path->order);
	}
	list_splice_tail(&again, &path->unacked);
}
