// SPDX-License-Identifier: GPL-2.0
/*
 * The path: which request may start, what it waits for, when it is done.
 *
 *   arrives --> [ parked ] <--> [ started: legs pending ] --> completed
 *                  held       no view or no connection to the next member; or a
 *                             lease to wait out; or a read that has no cover
 *                  waiters    overlaps a write under way
 *                  retry      what it waited for is over; the worker starts it
 *
 * One lock guards all of it.  Nothing is allocated here: a request brings its
 * own memory.  Requests are collected on local lists under the lock, and
 * submitted and completed after it is dropped.
 */
#include <linux/blkdev.h>
#include <linux/interval_tree_generic.h>
#include <linux/jiffies.h>

#include "compat.h"
#include "pb-crash.h"
#include "pb-path.h"
#include "pb-trace.h"

#define REQ_START(req)	((req)->sector)
#define REQ_LAST(req)	((req)->last)

INTERVAL_TREE_DEFINE(struct pb_req, rb, u64, subtree_last, REQ_START, REQ_LAST,
		     static __maybe_unused, req_tree)

static bool is_read(const struct pb_req *req)
{
	return !req->type;
}

/* A word about a state transfer or a size. */
static bool is_word(const struct pb_req *req)
{
	return pb_wire_is_word(req->type);
}

/* Neither of the application nor about its data on this disk. */
static bool is_special(const struct pb_req *req)
{
	return is_word(req) || pb_path_is_fetch(req);
}

/* Changes this disk. */
bool pb_path_is_change(const struct pb_req *req)
{
	return !req->copy && (req->type == PB_WIRE_WRITE ||
			      req->type == PB_WIRE_ZEROES);
}

/* Completes with its own status what has no leg left; no lock held. */
void pb_path_complete(struct pb_path *path, struct list_head *list)
{
	struct pb_req *req, *next;

	list_for_each_entry_safe(req, next, list, node) {
		list_del_init(&req->node);
		pb_path_hop(path, req, trace_pb_complete);
		req->source->complete(req, req->status);
		pb_crash_point(PB_CRASH_WRITE_TOLD);
	}
}

static void park(struct pb_path *path, struct pb_req *req,
		 struct list_head *where, int counter)
{
	lockdep_assert_held(&path->lock);
	list_add_tail(&req->node, where);
	path->nr_parked++;
	pb_stat_inc(path->stats, counter);
}

void pb_path_retry(struct pb_path *path, struct list_head *list)
{
	lockdep_assert_held(&path->lock);
	if (list_empty(list))
		return;
	list_splice_tail_init(list, &path->retry);
	queue_work(path->wq, &path->work);
}

/* Takes a parked request out of the count before it is looked at again. */
static struct pb_req *unpark_first(struct pb_path *path, struct list_head *list)
{
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	req = list_first_entry_or_null(list, struct pb_req, node);
	if (req) {
		list_del_init(&req->node);
		path->nr_parked--;
	}
	return req;
}

enum pb_start pb_path_hold(struct pb_path *path, struct pb_req *req,
			   blk_status_t *status)
{
	lockdep_assert_held(&path->lock);
	if (path->requeue && req->source->guarded) {
		*status = BLK_STS_DM_REQUEUE;
		return PB_REFUSED;
	}
	park(path, req, &path->held, PB_CNT_LINK_WAITS);
	return PB_PARKED;
}

/* Somebody may still count on a lease that this member gave. */
static enum pb_start wait_out(struct pb_path *path, struct pb_req *req,
			      blk_status_t *status)
{
	lockdep_assert_held(&path->lock);
	if (path->policy != PB_POLICY_ERROR)
		return pb_path_hold(path, req, status);
	pb_stat_inc(path->stats, PB_CNT_FAILED_BIOS);
	*status = BLK_STS_TRANSPORT;
	return PB_REFUSED;
}

/* May it start under the view that we are in? */
static enum pb_start admit_view(struct pb_path *path, struct pb_req *req,
				blk_status_t *status)
{
	lockdep_assert_held(&path->lock);
	if (req->source->guarded) {
		if (!path->serving) {
			*status = BLK_STS_RESV_CONFLICT;
			return PB_REFUSED;
		}
		if (path->frozen)
			return pb_path_hold(path, req, status);
		if (path->hold_until)
			return wait_out(path, req, status);
	}
	/* A table may be longer than the volume of a predecessor of before. */
	if (req->source->bounded && req->sector + req->count > path->sectors) {
		*status = BLK_STS_IOERR;
		return PB_REFUSED;
	}
	if (pb_path_is_fetch(req))
		return pb_path_admit_fetch(path, req, status);
	if (req->copy || is_word(req)) {
		/* A dead disk is not compared either. */
		if (pb_path_may_copy(path, req) &&
		    (!req->copy || path->disk != PB_OWN_DEAD))
			return PB_STARTED;
		*status = BLK_STS_TRANSPORT;
		return PB_REFUSED;
	}
	/* Nor what a suspend has just taken back. */
	if (is_read(req) && req->source->guarded && path->requeue &&
	    path->taken_back != path->taken_before)
		return pb_path_hold(path, req, status);
	if (!path->needs_ack || (is_read(req) && !path->diverged))
		return PB_STARTED;
	/* What a failed write left here must not be seen: it may be taken back. */
	if (path->diverged || (!path->up && path->policy == PB_POLICY_ERROR)) {
		pb_stat_inc(path->stats, PB_CNT_FAILED_BIOS);
		*status = BLK_STS_TRANSPORT;
		return PB_REFUSED;
	}
	return path->up ? PB_STARTED : pb_path_hold(path, req, status);
}

static bool overlap(const struct pb_req *a, const struct pb_req *b)
{
	return a->sector <= b->last && b->sector <= a->last;
}

/*
 * The chunk that waits for a range which writes keep busy: who comes later lets
 * it go first, else the transfer might never end.
 */
static struct pb_req *chunk_before(struct pb_path *path,
				   const struct pb_req *req)
{
	struct pb_req *chunk;

	lockdep_assert_held(&path->lock);
	if (!pb_path_is_change(req))
		return NULL;
	list_for_each_entry(chunk, &path->wanted, send)
		if (overlap(chunk, req))
			return chunk;
	return NULL;
}

/* What is under way in its range: the first, or the next one after @after. */
struct pb_req *pb_path_overlap(struct pb_path *path, const struct pb_req *req,
			       struct pb_req *after)
{
	lockdep_assert_held(&path->lock);
	return after ? req_tree_iter_next(after, req->sector, req->last) :
		       req_tree_iter_first(&path->tree, req->sector, req->last);
}

/* Does it overlap a write under way?  A flush has no range. */
static enum pb_start admit_range(struct pb_path *path, struct pb_req *req)
{
	struct pb_req *other;

	lockdep_assert_held(&path->lock);
	if (!req->count)
		return PB_STARTED;
	req->last = req->sector + req->count - 1;
	other = pb_path_overlap(path, req, NULL);
	if (!other)
		other = chunk_before(path, req);
	if (req->copy)
		list_del_init(&req->send);
	if (!other)
		return PB_STARTED;
	if (req->copy)
		list_add_tail(&req->send, &path->wanted);
	park(path, req, &other->waiters, PB_CNT_OVERLAP_WAITS);
	return PB_PARKED;
}

/* A chunk is not to be copied after all: nobody has to wait for it. */
void pb_path_drop_chunk(struct pb_path *path, struct pb_req *chunk)
{
	lockdep_assert_held(&path->lock);
	list_del_init(&chunk->send);
	pb_path_retry(path, &chunk->waiters);
}

/* Has the next member to do it too? */
static bool goes_down(struct pb_path *path, const struct pb_req *req)
{
	const struct pb_map *map = &path->peers->maps[path->successor];

	lockdep_assert_held(&path->lock);
	/* A chunk does when it has been read. */
	if (req->copy || req->type == PB_WIRE_CHECK)
		return false;
	if (path->needs_ack || is_special(req))
		return true;
	if (!path->copying)
		return false;
	/* What is dirty as a whole is left to the copy. */
	return !req->count ||
	       pb_map_test_range(map, req->sector, req->count) != PB_MAP_ALL;
}

/* Whoever is not synced will lack it, but for who gets it with this. */
static void track(struct pb_path *path, const struct pb_req *req)
{
	unsigned long slots = ~0UL;

	lockdep_assert_held(&path->lock);
	if (!path->serving || !pb_path_is_change(req))
		return;
	if (path->copying || path->needs_ack)
		slots &= ~BIT(path->successor);
	pb_peers_mark(path->peers, slots, req->sector, req->count);
}

/*
 * Has it to wait for the activity log?  A flush takes its stamp instead.  A
 * repair changes nothing that the next member has otherwise.
 */
static enum pb_start enter_log(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (req->copy)
		return PB_STARTED;
	if (!(req->legs & PB_LEG_LOCAL) || pb_path_is_fetch(req))
		return PB_LOGGING;
	if (req->type == PB_WIRE_FLUSH && !req->stamp)
		req->stamp = path->serving ? pb_log_flush_begin(path->log) :
					     PB_LOG_NOTHING;
	if (!pb_path_is_change(req))
		return PB_STARTED;
	req->log.sector = req->sector;
	req->log.count = req->count;
	return pb_log_begin(path->log, &req->log) ? PB_STARTED : PB_LOGGING;
}

static void leave_log(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (pb_path_is_change(req))
		pb_log_end(path->log, &req->log,
			   req->stamp ? req->stamp : path->log->stamp);
	else if (req->type != PB_WIRE_FLUSH)
		return;
	else if (req->status)
		pb_log_flush_failed(path->log);
	else
		pb_log_flushed(path->log, req->stamp);
}

/* Before its local leg begins, and so before a read can see what it writes. */
static void count_change(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (!pb_path_is_change(req))
		return;
	req->changes = path->changes + 1;
	WRITE_ONCE(path->changes, req->changes);
	/* Pairs with the barrier in pb_path_read_done(). */
	smp_wmb();
}

static enum pb_start begin_read(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	/* What is fetched is an answer of its own. */
	if (path->disk == PB_OWN_DEAD)
		return PB_FETCH;
	pb_path_read_begin(path, req);
	return PB_STARTED;
}

/* Gives a request its legs and its place in the stream. */
static enum pb_start enlist(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (is_read(req))
		return begin_read(path, req);
	req->legs = is_word(req) || path->disk == PB_OWN_DEAD ?
		    0 : PB_LEG_LOCAL;
	path->nr_active++;
	count_change(path, req);
	if (req->count) {
		req_tree_insert(req, &path->tree);
		req->in_tree = true;
	}
	if (goes_down(path, req) && !pb_path_early_flush(path, req))
		pb_path_add_net_leg(path, req);
	track(path, req);
	pb_path_hop(path, req, trace_pb_start);
	return enter_log(path, req);
}

static enum pb_start start(struct pb_path *path, struct pb_req *req,
			   blk_status_t *status)
{
	enum pb_start res;

	if (req->back)
		return pb_path_read_judge(path, req, status);
	res = admit_view(path, req, status);
	if (res == PB_STARTED)
		res = admit_range(path, req);
	if (res == PB_STARTED)
		res = enlist(path, req);
	if (res == PB_REFUSED && req->copy)
		pb_path_drop_chunk(path, req);
	return res;
}

/* What is sent later may go to this disk later, too. */
static enum pb_start gather_local(struct pb_path *path, struct pb_req *req,
				  enum pb_start res)
{
	lockdep_assert_held(&path->lock);
	if (res != PB_STARTED || !req->source->guarded)
		return res;
	list_add_tail(&req->log.node, &path->gathered);
	return PB_LOGGING;
}

void pb_path_new_req(struct pb_req *req)
{
	INIT_LIST_HEAD(&req->node);
	INIT_LIST_HEAD(&req->send);
	INIT_LIST_HEAD(&req->order);
	INIT_LIST_HEAD(&req->waiters);
	req->born = jiffies;
}

enum pb_start pb_path_start(struct pb_path *path, struct pb_req *req,
			    blk_status_t *status)
{
	struct pb_conn *conn = NULL;
	bool gathers = false;
	enum pb_start res;
	unsigned long flags;

	pb_path_new_req(req);
	if (req->source->guarded)
		WRITE_ONCE(path->last_used, req->born);
	if (is_read(req))
		pb_path_read_arrives(path, req);
	spin_lock_irqsave(&path->lock, flags);
	res = start(path, req, status);
	if (res == PB_STARTED || res == PB_LOGGING) {
		pb_path_early_write(path, req);
		conn = pb_path_conn_to_kick(path);
	}
	if (conn && pb_path_gathers(path, req)) {
		gathers = true;
		res = gather_local(path, req, res);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	if (res == PB_STARTED && pb_path_is_change(req))
		pb_crash_point(PB_CRASH_WRITE_STARTED);
	if (gathers)
		pb_conn_kick_idle(conn);
	else
		pb_path_kick(conn);
	return res;
}

/* A disk that has died meanwhile is not touched. */
static void begin_local(struct pb_path *path, struct pb_req *req)
{
	pb_crash_point(PB_CRASH_WRITE_SENT);
	if (READ_ONCE(path->disk) != PB_OWN_DEAD)
		req->source->submit(req);
	else if (pb_path_local_done(path, req, BLK_STS_OK))
		req->source->complete(req, req->status);
}

/* Not the other worker: one that waits for the disk must not keep it waiting. */
static void gather_work(struct work_struct *work)
{
	struct pb_path *path = container_of(work, struct pb_path, gather_work);
	struct pb_req *req, *next;
	struct blk_plug plug;
	LIST_HEAD(gathered);

	spin_lock_irq(&path->lock);
	list_splice_init(&path->gathered, &gathered);
	spin_unlock_irq(&path->lock);
	blk_start_plug(&plug);
	list_for_each_entry_safe(req, next, &gathered, log.node) {
		list_del_init(&req->log.node);
		begin_local(path, req);
	}
	blk_finish_plug(&plug);
}

/* The worker: starts in process context what had to wait. */
static void retry_work(struct work_struct *work)
{
	struct pb_path *path = container_of(work, struct pb_path, work);
	blk_status_t status = BLK_STS_OK;
	struct pb_conn *conn;
	enum pb_start res;
	struct pb_req *req;

	for (;;) {
		conn = NULL;
		spin_lock_irq(&path->lock);
		req = unpark_first(path, &path->retry);
		if (!req) {
			spin_unlock_irq(&path->lock);
			return;
		}
		res = start(path, req, &status);
		conn = pb_path_conn_to_kick(path);
		spin_unlock_irq(&path->lock);
		if (res == PB_STARTED && req->back)
			req->source->complete(req, BLK_STS_OK);
		else if (res == PB_STARTED)
			req->source->submit(req);
		else if (res == PB_REFUSED)
			req->source->complete(req, status);
		else if (res == PB_FETCH)
			req->source->fetch(req);
		pb_path_kick(conn);
		cond_resched();
	}
}

void pb_path_init(struct pb_path *path, struct workqueue_struct *wq,
		  struct pb_stats __percpu *stats, u32 dev)
{
	memset(path, 0, sizeof(*path));
	spin_lock_init(&path->lock);
	path->tree = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&path->held);
	INIT_LIST_HEAD(&path->retry);
	INIT_LIST_HEAD(&path->sendq);
	INIT_LIST_HEAD(&path->unacked);
	INIT_LIST_HEAD(&path->order);
	INIT_LIST_HEAD(&path->wanted);
	INIT_LIST_HEAD(&path->failed);
	INIT_LIST_HEAD(&path->gathered);
	INIT_WORK(&path->work, retry_work);
	INIT_WORK(&path->gather_work, gather_work);
	init_waitqueue_head(&path->idle_wait);
	path->next_seq = 1;
	path->wq = wq;
	path->stats = stats;
	path->dev = dev;
}

/* The last leg is done: whoever overlapped may go. */
static void leave(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (pb_path_is_change(req))
		pb_crash_point(req->flags & PB_WIRE_COPY ?
			       PB_CRASH_CHUNK_APPLIED : PB_CRASH_WRITE_DONE);
	else if (req->type == PB_WIRE_FLUSH)
		pb_crash_point(PB_CRASH_FLUSH_DONE);
	if (!list_empty(&req->order) && !req->seq)
		path->nr_older--;
	list_del_init(&req->order);
	pb_path_early_ended(path, req);
	if (req->copy == PB_COPY_TRANSFER && !req->status)
		pb_path_note_copied(path, req);
	if (req->in_tree) {
		req_tree_remove(req, &path->tree);
		req->in_tree = false;
	}
	leave_log(path, req);
	if (req->type == PB_WIRE_FLUSH)
		pb_crash_point(PB_CRASH_FLUSH_CLEAN);
	/* Nobody waits for an early flush. */
	path->nr_active -= req != &path->early.req;
	if (!path->nr_active)
		wake_up_all(&path->idle_wait);
	pb_path_retry(path, &req->waiters);
}

static void between_legs(const struct pb_req *req)
{
	bool acked = req->legs & PB_LEG_LOCAL;

	if (!req->legs)
		return;
	if (pb_path_is_change(req))
		pb_crash_point(acked ? PB_CRASH_WRITE_ACKED :
				       PB_CRASH_WRITE_LOCAL);
	else if (req->type == PB_WIRE_FLUSH)
		pb_crash_point(acked ? PB_CRASH_FLUSH_ACKED :
				       PB_CRASH_FLUSH_LOCAL);
}

bool pb_path_leg_done(struct pb_path *path, struct pb_req *req, u8 leg,
		     blk_status_t status)
{
	lockdep_assert_held(&path->lock);
	if (status && !req->status)
		req->status = status;
	req->legs &= ~leg;
	between_legs(req);
	if (req->legs)
		return false;
	leave(path, req);
	return true;
}

bool pb_path_local_done(struct pb_path *path, struct pb_req *req,
			blk_status_t status)
{
	unsigned long flags;
	bool last;

	spin_lock_irqsave(&path->lock, flags);
	last = pb_path_leg_done(path, req, PB_LEG_LOCAL, status);
	pb_path_hop(path, req, trace_pb_local_done);
	spin_unlock_irqrestore(&path->lock, flags);
	if (last)
		pb_path_hop(path, req, trace_pb_complete);
	return last;
}

blk_status_t pb_path_write_zeroes(struct block_device *bdev,
				  const struct pb_req *req)
{
	unsigned int flags = 0;
	int ret;

	if (req->flags & PB_WIRE_NOUNMAP)
		flags |= BLKDEV_ZERO_NOUNMAP;
	ret = blkdev_issue_zeroout(bdev, req->sector, req->count, GFP_NOIO,
				   flags);
	if (!ret && (req->flags & PB_WIRE_FUA))
		ret = blkdev_issue_flush(bdev);
	return errno_to_blk_status(ret);
}

/*
 * The local disk may hold what the next member lacks, or that one what has not
 * begun here, so the replica is not clean any more: after an error (diverged)
 * the two must not go on as equals in this view; after a requeue (unsettled)
 * the same data is written again, unless dm drops it.
 */
static void not_equal(struct pb_path *path, const struct pb_req *req,
		      blk_status_t status)
{
	lockdep_assert_held(&path->lock);
	/* What is beyond the volume's end is nobody's data. */
	if (!pb_path_is_change(req) || req->sector >= path->sectors)
		return;
	pb_path_not_clean(path, status == BLK_STS_DM_REQUEUE);
}

void pb_path_not_clean(struct pb_path *path, bool taken_back)
{
	lockdep_assert_held(&path->lock);
	path->diverged |= !taken_back;
	path->unsettled |= taken_back;
	path->taken_back += taken_back;
}

void pb_path_fail_waiting(struct pb_path *path, blk_status_t status)
{
	struct pb_log_wait *wait;
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	list_for_each_entry(wait, &path->log->waiting, node) {
		req = container_of(wait, struct pb_req, log);
		if (!req->status)
			req->status = status;
		if (path->needs_ack)
			not_equal(path, req, status);
		/* One that is being brought up to date may have got it. */
		if (path->copying)
			pb_peers_mark(path->peers, BIT(path->successor),
				      req->sector, req->count);
	}
	pb_log_reject(path->log);
}

static void fail_unacked(struct pb_path *path, blk_status_t status,
			 struct list_head *done)
{
	u64 lowest = pb_path_lowest_unacked(path);
	struct pb_req *req, *next;

	lockdep_assert_held(&path->lock);
	if (list_empty(&path->unacked))
		return;
	list_for_each_entry_safe(req, next, &path->unacked, node) {
		pb_stat_inc(path->stats, PB_CNT_FAILED_BIOS);
		pb_path_net_done(path, req, status, done);
	}
	path->first_unacked = lowest;
}

/* Gives up on every write that is not done on both. */
void pb_path_give_up(struct pb_path *path, blk_status_t status,
		     struct list_head *done)
{
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	if (!path->needs_ack)
		return;
	pb_path_fail_waiting(path, status);
	list_for_each_entry(req, &path->unacked, node)
		not_equal(path, req, status);
	fail_unacked(path, status, done);
}

/* Chunks break off, and what no write has to wait for. */
static void stop_copying(struct pb_path *path, struct list_head *done)
{
	struct pb_req *req, *next;
	u64 lowest = pb_path_lowest_unacked(path);

	lockdep_assert_held(&path->lock);
	if (path->copying)
		pb_path_mark_doubtful(path, BIT(path->successor));
	path->copying = false;
	list_for_each_entry_safe(req, next, &path->unacked, node) {
		if (path->needs_ack && !req->copy)
			continue;
		/* The next member may have got it. */
		path->first_unacked = lowest;
		pb_path_net_done(path, req, req->copy || is_special(req) ?
			 BLK_STS_TRANSPORT : BLK_STS_OK, done);
	}
}

/* Where nothing can be sent: does the policy or a suspend let requests go? */
static void release_unsendable(struct pb_path *path, struct list_head *done)
{
	lockdep_assert_held(&path->lock);
	if (!path->up) {
		stop_copying(path, done);
		pb_path_early_drop(path, done);
	}
	if (path->disk == PB_OWN_FAILING)
		path->on_disk(path);
	if (path->frozen || (!path->requeue && path->policy != PB_POLICY_ERROR))
		return;
	if (!path->up)
		pb_path_give_up(path, path->requeue ? BLK_STS_DM_REQUEUE :
					BLK_STS_TRANSPORT, done);
	/* The worker looks at each again, and admit_view() turns it away. */
	pb_path_retry(path, &path->held);
}

/* Drops the lock. */
static void release_unlock(struct pb_path *path)
	__releases(&path->lock)
{
	LIST_HEAD(done);

	lockdep_assert_held(&path->lock);
	release_unsendable(path, &done);
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
}

void pb_path_link_down(struct pb_path *path)
{
	struct pb_conn *conn;
	struct pb_req *req, *next;

	spin_lock_irq(&path->lock);
	conn = path->conn;
	path->conn = NULL;
	path->up = false;
	WRITE_ONCE(path->asked, 0);
	list_for_each_entry_safe(req, next, &path->sendq, send)
		list_del_init(&req->send);
	pb_path_begin_gathered(path);
	pb_path_stop_receiving(path);
	release_unlock(path);
	pb_conn_put(conn);
}

void pb_path_set_policy(struct pb_path *path, u32 policy)
{
	spin_lock_irq(&path->lock);
	path->policy = policy;
	release_unlock(path);
}

void pb_path_set_requeue(struct pb_path *path, bool requeue)
{
	spin_lock_irq(&path->lock);
	path->requeue = requeue;
	path->taken_before = path->taken_back;
	release_unlock(path);
}

void pb_path_set_size(struct pb_path *path, u64 sectors)
{
	spin_lock_irq(&path->lock);
	path->sectors = sectors;
	spin_unlock_irq(&path->lock);
}

void pb_path_freeze(struct pb_path *path)
{
	spin_lock_irq(&path->lock);
	path->frozen = true;
	spin_unlock_irq(&path->lock);
}

bool pb_path_idle(struct pb_path *path)
{
	bool idle;

	spin_lock_irq(&path->lock);
	idle = !path->nr_active;
	spin_unlock_irq(&path->lock);
	return idle;
}

void pb_path_thaw(struct pb_path *path)
{
	spin_lock_irq(&path->lock);
	path->frozen = false;
	pb_path_retry(path, &path->held);
	release_unlock(path);
}

/*
 * Whose maps do not have it all.  The others had each write marked as it began,
 * and what a copy that broke off left in doubt.
 */
static unsigned long incomplete_maps(struct pb_path *path)
{
	unsigned long slots = path->peers->fresh;

	lockdep_assert_held(&path->lock);
	path->peers->fresh = 0;
	/* What waited for its acks was not marked. */
	if (path->needs_ack)
		slots |= BIT(path->successor);
	return slots;
}

void pb_path_settle(struct pb_path *path, bool serving, bool needs_ack,
		    bool equal)
{
	struct pb_req *req, *next;
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	WARN_ON_ONCE(path->up);
	pb_log_open(path->log);
	if (serving) {
		pb_log_accept(path->log);
		/* Not before it serves: a replica that stands keeps its maps. */
		pb_path_mark_doubtful(path, incomplete_maps(path));
	} else if (path->serving && !equal) {
		pb_path_fail_waiting(path, BLK_STS_RESV_CONFLICT);
		pb_log_depose(path->log);
	}
	list_for_each_entry(req, &path->order, order)
		if (!(req->legs & PB_LEG_NET))
			pb_path_take_number(path, req);
	path->serving = serving;
	path->reign += !serving;
	path->successor = PB_DISK_MAX_PEERS;
	path->needs_ack = needs_ack;
	pb_path_forget_answers(path);
	path->next_seq = 1;
	path->resume_seq = 0;
	path->first_unacked = 0;
	path->diverged = false;
	if (!equal)
		path->unsettled = false;
	list_for_each_entry_safe(req, next, &path->unacked, node) {
		if (!serving || req->copy || is_word(req))
			pb_path_net_done(path, req, BLK_STS_RESV_CONFLICT, &done);
		else if (!needs_ack)
			pb_path_net_done(path, req, pb_path_is_fetch(req) ?
					 BLK_STS_TRANSPORT : BLK_STS_OK, &done);
		else
			req->seq = path->next_seq++;
	}
	pb_path_settle_disk(path, &done);
	path->frozen = false;
	pb_path_retry(path, &path->held);
	pb_log_kick(path->log);
	release_unlock(path);
	pb_path_complete(path, &done);
}

void pb_path_abandon(struct pb_path *path)
{
	struct pb_req *req, *next;
	LIST_HEAD(done);

	spin_lock_irq(&path->lock);
	path->serving = false;
	path->needs_ack = false;
	path->copying = false;
	pb_log_close(path->log);
	list_for_each_entry_safe(req, next, &path->unacked, node)
		pb_path_net_done(path, req, BLK_STS_TRANSPORT, &done);
	pb_path_settle_disk(path, &done);
	/* A flush of the log's own; it runs here alone. */
	pb_path_retry(path, &path->held);
	spin_unlock_irq(&path->lock);
	pb_path_complete(path, &done);
}

void pb_path_reject_waiting(struct pb_path *path)
{
	spin_lock_irq(&path->lock);
	pb_log_close(path->log);
	spin_unlock_irq(&path->lock);
}

static u32 age_ms(const struct pb_req *req)
{
	return jiffies_to_msecs(jiffies - req->born);
}

void pb_path_info(struct pb_path *path, struct pb_path_info *info)
{
	struct pb_req *req;

	memset(info, 0, sizeof(*info));
	spin_lock_irq(&path->lock);
	info->active = path->nr_active;
	info->parked = path->nr_parked;
	info->last_seq = path->next_seq - 1;
	list_for_each_entry(req, &path->unacked, node) {
		info->unacked++;
		info->oldest_wait_ms = max(info->oldest_wait_ms, age_ms(req));
	}
	list_for_each_entry(req, &path->held, node)
		info->oldest_wait_ms = max(info->oldest_wait_ms, age_ms(req));
	spin_unlock_irq(&path->lock);
}
