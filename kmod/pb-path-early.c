// SPDX-License-Identifier: GPL-2.0
/*
 * The path's part of flushing early.  Who writes and flushes by turns, as a
 * database does with its log, waits for two round trips.  Where that has been
 * seen, a flush is sent with the write: the next member begins it as soon as it
 * has the write.  The application's flush, when it comes, takes its place in the
 * stream, or has no downstream leg if it is acked already.
 *
 *              a write that a flush           acked
 *              is expected to follow
 *   [ IDLE ] -------------------------> [ SENT ] -----> [ DONE ]
 *      ^                                   |               |
 *      |  the flush takes its place; or    |               | the flush comes;
 *      |  the connection goes; or it is    |               | or another write;
 *      |  acked after another write        |               | or the connection
 *      +-----------------------------------+---------------+ goes
 *
 * It is expected if the last two flushes came after as many writes as there are
 * now, and nothing else is under way.  One in vain is learnt from by the flush
 * that comes after it, and then two must come as expected again.
 */
#include "pb-path.h"

/* So many of the application's flushes must have come as expected. */
#define SURE	2

static void set_state(struct pb_path *path, enum pb_early_state to)
{
	lockdep_assert_held(&path->lock);
	WARN_ON_ONCE(to != PB_EARLY_IDLE && to != path->early.state + 1);
	path->early.state = to;
}

/* It has no local leg, so nothing is to be submitted. */
static void early_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_early *early = container_of(req, struct pb_early, req);

	/* Pairs with is_wanted(): nobody looks at the request any more. */
	smp_store_release(&early->busy, false);
}

static const struct pb_source early_source = {
	.guarded	= true,
	.complete	= early_complete,
};

static unsigned long writes_since(const struct pb_path *path)
{
	lockdep_assert_held(&path->lock);
	return path->changes - path->early.flushed;
}

static bool is_wanted(struct pb_path *path)
{
	const struct pb_early *early = &path->early;

	lockdep_assert_held(&path->lock);
	if (early->state != PB_EARLY_IDLE || early->sure < SURE ||
	    writes_since(path) != early->expected || path->nr_active > 1 ||
	    !path->up || !path->needs_ack || path->disk != PB_OWN_WELL ||
	    path->conn->expect.version < PB_WIRE_VERSION_ORDERED)
		return false;
	/* Pairs with early_complete(). */
	return !smp_load_acquire(&early->busy);
}

static void send_early(struct pb_path *path)
{
	struct pb_early *early = &path->early;
	struct pb_req *req = &early->req;

	lockdep_assert_held(&path->lock);
	set_state(path, PB_EARLY_SENT);
	early->busy = true;
	early->changes = path->changes;
	memset(req, 0, sizeof(*req));
	pb_path_new_req(req);
	req->source = &early_source;
	req->type = PB_WIRE_FLUSH;
	req->flags = PB_WIRE_ORDERED;
	/* This disk does not flush. */
	req->stamp = PB_LOG_NOTHING;
	pb_path_add_net_leg(path, req);
	pb_stat_inc(path->stats, PB_CNT_EARLY_FLUSHES);
}

void pb_path_early_write(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (!req->source->guarded || !pb_path_is_change(req))
		return;
	if (path->early.state == PB_EARLY_DONE)
		set_state(path, PB_EARLY_IDLE);
	if (is_wanted(path))
		send_early(path);
}

/* The application flushes; of one who does it again and again only once. */
static void learn(struct pb_path *path)
{
	struct pb_early *early = &path->early;
	unsigned long writes = writes_since(path);

	lockdep_assert_held(&path->lock);
	if (!writes)
		return;
	if (writes != early->expected)
		early->sure = 0;
	else if (early->sure < SURE)
		early->sure++;
	early->expected = writes;
	early->flushed = path->changes;
}

/* Its place on one of the path's lists. */
static void take_place(struct list_head *of, struct list_head *node)
{
	if (!list_empty(of))
		list_replace_init(of, node);
}

static void take_over(struct pb_path *path, struct pb_req *req)
{
	struct pb_early *early = &path->early;

	lockdep_assert_held(&path->lock);
	req->seq = early->req.seq;
	req->flags = early->req.flags;
	req->legs |= PB_LEG_NET;
	take_place(&early->req.node, &req->node);
	take_place(&early->req.send, &req->send);
	take_place(&early->req.order, &req->order);
	early->busy = false;
}

bool pb_path_early_flush(struct pb_path *path, struct pb_req *req)
{
	struct pb_early *early = &path->early;

	lockdep_assert_held(&path->lock);
	if (req->type != PB_WIRE_FLUSH || !req->source->bounded)
		return false;
	learn(path);
	/* Without a local leg either, nobody would end it. */
	if (early->state == PB_EARLY_DONE && !req->legs)
		set_state(path, PB_EARLY_IDLE);
	if (early->state == PB_EARLY_IDLE || early->changes != path->changes)
		return false;
	if (early->state == PB_EARLY_SENT)
		take_over(path, req);
	set_state(path, PB_EARLY_IDLE);
	pb_stat_inc(path->stats, PB_CNT_EARLY_HITS);
	return true;
}

void pb_path_early_copied(struct pb_path *path)
{
	struct pb_early *early = &path->early;

	lockdep_assert_held(&path->lock);
	/* No change of the application's, but its next flush is about it too. */
	early->changes--;
	if (early->state == PB_EARLY_DONE)
		set_state(path, PB_EARLY_IDLE);
}

void pb_path_early_ended(struct pb_path *path, const struct pb_req *req)
{
	struct pb_early *early = &path->early;

	lockdep_assert_held(&path->lock);
	if (req != &early->req)
		return;
	set_state(path, req->status || early->changes != path->changes ?
			PB_EARLY_IDLE : PB_EARLY_DONE);
}

void pb_path_early_drop(struct pb_path *path, struct list_head *done)
{
	struct pb_early *early = &path->early;

	lockdep_assert_held(&path->lock);
	if (early->state != PB_EARLY_SENT) {
		set_state(path, PB_EARLY_IDLE);
		return;
	}
	/* The next member may have got it, or have refused it. */
	early->sure = 0;
	path->first_unacked = pb_path_lowest_unacked(path);
	pb_path_net_done(path, &early->req, BLK_STS_TRANSPORT, done);
}
