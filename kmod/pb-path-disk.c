// SPDX-License-Identifier: GPL-2.0
/*
 * The path's part of a failing disk on the primary.  As long as the next member
 * must hold every write, one that failed here is not lost: it may be
 * acknowledged when it is on record that this copy lacks it.
 *
 *              a local leg fails                 all that failed have ended
 *   [ WELL ] ---------------------> [ FAILING ] -----------------> [ WELL ]
 *      ^                              |     |     with an error
 *      |            one of them is    |     |
 *      |   acked, and this copy's     |     | not the primary
 *      |   loss is on record          v     | any more
 *      |                           [ DEAD ] |
 *      |                              |     v
 *      |                              +-> [ FAILED ]  until it is set up again
 *      |                                    |
 *      +------------------------------------+
 *        from each: a view without another synced member, that is: by force,
 *        or from FAILING
 */
#include "pb-path.h"

static void set_disk(struct pb_path *path, u8 to)
{
	bool legal = false;

	lockdep_assert_held(&path->lock);
	switch (to) {
	case PB_OWN_WELL:
		legal = true;
		break;
	case PB_OWN_FAILING:
		legal = path->disk == PB_OWN_WELL;
		break;
	case PB_OWN_DEAD:
		legal = path->disk == PB_OWN_FAILING;
		break;
	case PB_OWN_FAILED:
		legal = path->disk == PB_OWN_FAILING ||
			path->disk == PB_OWN_DEAD;
		break;
	default:
		break;
	}
	if (!WARN_ON_ONCE(!legal))
		WRITE_ONCE(path->disk, to);
}

static void keep(struct pb_path *path, struct pb_req *req, blk_status_t status)
{
	lockdep_assert_held(&path->lock);
	req->failed = status;
	list_add_tail(&req->log.node, &path->failed);
	if (path->disk == PB_OWN_WELL)
		set_disk(path, PB_OWN_FAILING);
	/* A view change that waits for it to end need not. */
	wake_up_all(&path->idle_wait);
	if (!(req->legs & PB_LEG_NET))
		path->on_disk(path);
}

bool pb_path_local_failed(struct pb_path *path, struct pb_req *req,
			  blk_status_t *status)
{
	bool kept = false;
	unsigned long flags;

	spin_lock_irqsave(&path->lock, flags);
	if (path->disk == PB_OWN_DEAD) {
		*status = BLK_STS_OK;
	} else if (path->serving && path->needs_ack && !req->status) {
		keep(path, req, *status);
		kept = true;
	} else if (path->serving && pb_path_is_change(req)) {
		/* Nobody knows what this disk has there now. */
		pb_peers_mark(path->peers, ~0UL, req->sector, req->count);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	return kept;
}

/* Its local leg will not wait any more, or will not begin. */
void pb_path_drop_local(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (pb_path_is_fetch(req))
		req->legs &= ~PB_LEG_LOCAL;
	if (!req->failed)
		return;
	req->legs &= ~PB_LEG_LOCAL;
	req->failed = BLK_STS_OK;
	list_del_init(&req->log.node);
	if (list_empty(&path->failed) && path->disk == PB_OWN_FAILING)
		set_disk(path, PB_OWN_WELL);
}

bool pb_path_disk_due(struct pb_path *path)
{
	struct pb_req *req;
	bool due = false;

	spin_lock_irq(&path->lock);
	list_for_each_entry(req, &path->failed, log.node)
		due |= !(req->legs & PB_LEG_NET);
	spin_unlock_irq(&path->lock);
	return due;
}

/* Ends the failed legs, all with their own status or all without. */
static void end_failed(struct pb_path *path, bool forgive,
		       struct list_head *done)
{
	struct pb_req *req, *next;
	blk_status_t status;

	lockdep_assert_held(&path->lock);
	list_for_each_entry_safe(req, next, &path->failed, log.node) {
		status = forgive ? BLK_STS_OK : req->failed;
		req->failed = BLK_STS_OK;
		list_del_init(&req->log.node);
		if (pb_path_leg_done(path, req, PB_LEG_LOCAL, status))
			list_add_tail(&req->node, done);
	}
}

/* They may be acked, but nobody can vouch for the next member's copy yet. */
void pb_path_disk_undecided(struct pb_path *path)
{
	blk_status_t status = BLK_STS_TRANSPORT;
	struct pb_req *req, *next;
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	if (path->up || (!path->requeue && path->policy != PB_POLICY_ERROR))
		goto out_unlock;
	if (path->requeue)
		status = BLK_STS_DM_REQUEUE;
	list_for_each_entry_safe(req, next, &path->failed, log.node) {
		if (req->legs & PB_LEG_NET)
			continue;
		pb_path_not_clean(path, path->requeue);
		pb_path_drop_local(path, req);
		if (pb_path_leg_done(path, req, PB_LEG_LOCAL, status))
			list_add_tail(&req->node, &done);
	}
out_unlock:
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
}

void pb_path_disk_dead(struct pb_path *path)
{
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	set_disk(path, PB_OWN_DEAD);
	end_failed(path, true, &done);
	/* Who waits for a slot of the log has nothing to write here. */
	pb_log_reject(path->log);
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
}

/* A new view: what failed waits on only if it still has another copy. */
void pb_path_settle_disk(struct pb_path *path, struct list_head *done)
{
	lockdep_assert_held(&path->lock);
	if (path->disk == PB_OWN_WELL || (path->serving && path->needs_ack))
		return;
	end_failed(path, false, done);
	if (path->serving)
		set_disk(path, PB_OWN_WELL);
	else if (path->disk != PB_OWN_FAILED)
		set_disk(path, PB_OWN_FAILED);
}

void pb_path_no_copy(struct pb_path *path)
{
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	path->diverged = true;
	pb_path_give_up(path, BLK_STS_IOERR, &done);
	pb_path_retry(path, &path->held);
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
}
