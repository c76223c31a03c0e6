// SPDX-License-Identifier: GPL-2.0
/*
 * The path's part of reads from above: what the disk has brought is shown only
 * if no other replica could have served meanwhile, and if no fail-over can take
 * it back.
 *
 *   begins --> [ at the disk ] --> covered, and no write began? --> shown
 *                                        | no
 *                                        v
 *       +---------------------> [ judged by the worker ] --> shown, or refused
 *       |                          |              |
 *       | an answer, a new link    v              v  the write is done
 *       +----------------- [ held ]              [ waiter of a write ]--+
 *       +---------------------------------------------------------------+
 *
 * Covered: by the next member's lease, or by its answer to what was sent after
 * the read had come (pb-lease.h).  A read that is not makes us ask, so nobody
 * waits for longer than an answer takes.  The disk is read meanwhile: what counts
 * is that the cover is of a moment after the read began and before it ended.
 *
 * A write that began while the read was at the disk may be seen by it, and is
 * nowhere else yet: the read ends after the write.
 */
#include <linux/ktime.h>

#include "compat.h"
#include "pb-lease.h"
#include "pb-path.h"
#include "pb-trace.h"

/*
 * Not the coarse clock, which stands still from the machine's thaw to the first
 * tick after it.
 */
static u64 now_ns(void)
{
	return ktime_get_boottime_ns();
}

static u64 lease_until(const struct pb_path *path)
{
	return READ_ONCE(path->confirm) ? 0 :
	       atomic64_read(&path->lease_until);
}

static bool covered(const struct pb_path *path, const struct pb_req *req,
		    u64 now)
{
	return req->covered ||
	       pb_lease_covers(req->arrived, now, lease_until(path),
			       atomic64_read(&path->echoed));
}

/*
 * One question at a time: who comes while it is under way, and is not covered by
 * its answer, asks again after it.
 */
static void ask(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (path->asked || !path->up)
		return;
	WRITE_ONCE(path->asked, req->arrived);
	pb_conn_want(path->conn, PB_TX_WANT_ASK);
	/*
	 * Pairs with pb_path_answered(): either the answer is seen by who asks,
	 * or the question by who takes the answer.
	 */
	smp_mb();
}

void pb_path_read_arrives(struct pb_path *path, struct pb_req *req)
{
	if (req->source->guarded && READ_ONCE(path->needs_ack))
		req->arrived = now_ns();
}

void pb_path_read_begin(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	req->changes = path->changes;
	req->reign = path->reign;
	req->taken_back = path->taken_back;
	req->covered = true;
	/* Nobody else can become primary. */
	if (!path->needs_ack)
		return;
	if (!req->arrived)
		req->arrived = now_ns();
	req->covered = false;
	req->covered = covered(path, req, req->arrived);
	if (!req->covered)
		ask(path, req);
}

/* A later one it cannot have seen, and must not wait for: there may be no end. */
static bool began_meanwhile(const struct pb_req *other,
			    const struct pb_req *read)
{
	return pb_path_is_change(other) &&
	       (long)(other->changes - read->changes) > 0 &&
	       (long)(other->changes - read->changes_end) <= 0;
}

/* A write under way that it may have seen. */
static struct pb_req *seen_write(struct pb_path *path, const struct pb_req *req)
{
	struct pb_req *other;

	lockdep_assert_held(&path->lock);
	if (req->changes == req->changes_end)
		return NULL;
	other = pb_path_overlap(path, req, NULL);
	while (other && !began_meanwhile(other, req))
		other = pb_path_overlap(path, req, other);
	return other;
}

static void wait_on(struct pb_path *path, struct pb_req *req,
		    struct list_head *where)
{
	lockdep_assert_held(&path->lock);
	list_add_tail(&req->node, where);
	path->nr_parked++;
}

/* What it has seen of writes may have been taken back since. */
static bool is_deposed(const struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	return !path->serving || path->reign != req->reign;
}

/* dm does those writes again, and then this read, unless the suspend is over. */
static bool saw_taken_back(const struct pb_path *path,
			   const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	return req->taken_back != path->taken_back;
}

/* An answer is on its way, or the link is down, and takes it from there. */
static bool is_asked_for(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	return path->asked && path->needs_ack && !path->diverged &&
	       !is_deposed(path, req) && !saw_taken_back(path, req);
}

static bool may_show(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (is_deposed(path, req) || saw_taken_back(path, req))
		return false;
	return !path->needs_ack ||
	       (!path->diverged && !seen_write(path, req) &&
		covered(path, req, now_ns()));
}

/* Any context: what needs more than a look is for the worker. */
bool pb_path_read_done(struct pb_path *path, struct pb_req *req)
{
	struct pb_req *other;
	unsigned long flags;
	bool show;

	/*
	 * Pairs with the barrier in count_change(): who has seen a
	 * write's data sees that it began.
	 */
	smp_rmb();
	if (req->covered && READ_ONCE(path->changes) == req->changes)
		return true;
	spin_lock_irqsave(&path->lock, flags);
	req->changes_end = path->changes;
	show = may_show(path, req);
	if (!show) {
		req->back = true;
		other = seen_write(path, req);
		pb_stat_inc(path->stats, other ? PB_CNT_DIRTY_WAITS :
						 PB_CNT_LEASE_WAITS);
		pb_path_hop(path, req, trace_pb_read_wait);
		if (!other && is_asked_for(path, req)) {
			wait_on(path, req, &path->held);
		} else {
			wait_on(path, req, &path->retry);
			queue_work(path->wq, &path->work);
		}
	}
	spin_unlock_irqrestore(&path->lock, flags);
	return show;
}

static enum pb_start refuse(blk_status_t *status, blk_status_t why)
{
	*status = why;
	return PB_REFUSED;
}

enum pb_start pb_path_read_judge(struct pb_path *path, struct pb_req *req,
				 blk_status_t *status)
{
	struct pb_req *other;

	lockdep_assert_held(&path->lock);
	if (is_deposed(path, req))
		return refuse(status, BLK_STS_RESV_CONFLICT);
	if (saw_taken_back(path, req))
		return refuse(status, BLK_STS_DM_REQUEUE);
	if (!path->needs_ack)
		return PB_STARTED;
	if (path->diverged)
		return refuse(status, BLK_STS_TRANSPORT);
	other = seen_write(path, req);
	if (other) {
		wait_on(path, req, &other->waiters);
		return PB_PARKED;
	}
	/* Nobody has asked since the link came up, or the answer was too early. */
	if (!covered(path, req, now_ns()))
		ask(path, req);
	if (covered(path, req, now_ns()))
		return PB_STARTED;
	if (!path->up && path->requeue)
		return refuse(status, BLK_STS_DM_REQUEUE);
	if (!path->up && path->policy == PB_POLICY_ERROR) {
		pb_stat_inc(path->stats, PB_CNT_FAILED_BIOS);
		return refuse(status, BLK_STS_TRANSPORT);
	}
	wait_on(path, req, &path->held);
	return PB_PARKED;
}

void pb_path_answered(struct pb_path *path, u64 echo, u32 lease_ms)
{
	u64 until = pb_lease_until(echo, lease_ms);
	unsigned long flags;

	/* Many messages bring the same one back. */
	if (echo <= atomic64_read(&path->echoed))
		return;
	atomic64_set(&path->echoed, echo);
	atomic64_set(&path->lease_until, until);
	/* Pairs with ask(). */
	smp_mb();
	if (!READ_ONCE(path->asked))
		return;
	spin_lock_irqsave(&path->lock, flags);
	/* By a coarse clock it may be just as old: then the read asks again. */
	if (path->asked && echo >= path->asked) {
		WRITE_ONCE(path->asked, 0);
		pb_path_retry(path, &path->held);
	} else if (path->asked && now_ns() < lease_until(path)) {
		pb_path_retry(path, &path->held);
	}
	spin_unlock_irqrestore(&path->lock, flags);
}

void pb_path_forget_answers(struct pb_path *path)
{
	lockdep_assert_held(&path->lock);
	WRITE_ONCE(path->asked, 0);
	atomic64_set(&path->echoed, 0);
	atomic64_set(&path->lease_until, 0);
}

void pb_path_set_confirm(struct pb_path *path, bool confirm)
{
	spin_lock_irq(&path->lock);
	WRITE_ONCE(path->confirm, confirm);
	spin_unlock_irq(&path->lock);
}

void pb_path_set_hold(struct pb_path *path, u64 until)
{
	spin_lock_irq(&path->lock);
	WRITE_ONCE(path->hold_until, until);
	spin_unlock_irq(&path->lock);
}

bool pb_path_end_hold(struct pb_path *path, bool early)
{
	bool over;

	spin_lock_irq(&path->lock);
	over = path->hold_until &&
	       (early || ktime_get_raw_ns() >= path->hold_until);
	if (over) {
		WRITE_ONCE(path->hold_until, 0);
		pb_path_retry(path, &path->held);
	}
	spin_unlock_irq(&path->lock);
	return over;
}

u32 pb_path_lease_left_ms(struct pb_path *path)
{
	u32 left = 0;

	spin_lock_irq(&path->lock);
	if (path->serving && path->needs_ack)
		left = pb_lease_left_ms(lease_until(path), now_ns());
	spin_unlock_irq(&path->lock);
	return left;
}
