// SPDX-License-Identifier: GPL-2.0
/*
 * The path's downstream legs: the stream of numbered requests to the next
 * member, how much of it may be under way, and acks.
 */
#include "pb-crash.h"
#include "pb-path.h"
#include "pb-trace.h"

/* Writes gather while so many are under way, and until they are so many bytes. */
#define GATHER_DEPTH	4
#define GATHER_BYTES	(64U << 10)

/* What it costs the next member in memory, as that one counts. */
static u32 bytes_there(const struct pb_req *req)
{
	switch (req->type) {
	case PB_WIRE_WRITE:
		return req->iter.bi_size;
	case PB_WIRE_CHECK:
		return (req->count << SECTOR_SHIFT) + req->iter.bi_size;
	case PB_WIRE_READ:
		return req->count << SECTOR_SHIFT;
	default:
		return 0;
	}
}

static void count_sent(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	path->nr_sent++;
	path->bytes_sent += bytes_there(req);
}

/*
 * The next member takes this much in.  If it had to pause it would not hear
 * what it may be waiting for: a flush, or a word on how far we are.
 */
static bool has_room(struct pb_path *path, const struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (req->type == PB_WIRE_FLUSH)
		return path->nr_sent < PB_WIRE_MAX_SENT;
	return path->nr_sent < PB_WIRE_MAX_SENT / 2 &&
	       (!path->nr_sent || path->bytes_sent + bytes_there(req) <=
				  PB_WIRE_MAX_SENT_BYTES);
}

/* The next one to be sent, if it may be. */
static struct pb_req *next_to_send(struct pb_path *path)
{
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	req = list_first_entry_or_null(&path->sendq, struct pb_req, send);
	return req && has_room(path, req) ? req : NULL;
}

/*
 * A flush is about what is done, so it need not stay behind what is not even
 * sent: it takes the number of the first of those, and they the next.
 */
static bool overtake(struct pb_path *path, struct pb_req *req)
{
	struct pb_req *first, *other;

	lockdep_assert_held(&path->lock);
	first = list_first_entry_or_null(&path->sendq, struct pb_req, send);
	if (!first || req->type != PB_WIRE_FLUSH ||
	    (req->flags & PB_WIRE_ORDERED))
		return false;
	req->seq = first->seq;
	list_for_each_entry(other, &path->sendq, send)
		other->seq++;
	path->next_seq++;
	list_add_tail(&req->node, &first->node);
	list_add_tail(&req->order, &first->order);
	list_add(&req->send, &path->sendq);
	return true;
}

void pb_path_add_net_leg(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	req->legs |= PB_LEG_NET;
	if (overtake(path, req))
		return;
	req->seq = path->next_seq++;
	list_add_tail(&req->node, &path->unacked);
	list_add_tail(&req->send, &path->sendq);
	list_add_tail(&req->order, &path->order);
}

struct pb_conn *pb_path_conn_to_kick(struct pb_path *path)
{
	lockdep_assert_held(&path->lock);
	if (!path->up || (!next_to_send(path) &&
			  !READ_ONCE(path->conn->tx_want)))
		return NULL;
	return pb_conn_get(path->conn);
}

/*
 * With several under way, one send for many costs less than one for each.  Who
 * had many that ended together will soon bring as many.  The wait ends when the
 * CPU has nothing better to do, with the next ack, which must be due, or when
 * enough has gathered.
 */
bool pb_path_gathers(struct pb_path *path, const struct pb_req *req)
{
	u32 depth = path->nr_sent + path->nr_ended;

	lockdep_assert_held(&path->lock);
	/* A journal waits for a write with FUA, and stands still meanwhile. */
	if (req->type != PB_WIRE_WRITE || (req->flags & PB_WIRE_FUA) ||
	    list_empty(&req->send))
		return false;
	if (path->nr_ended)
		path->nr_ended--;
	if (!path->nr_sent || depth < GATHER_DEPTH)
		return false;
	path->bytes_waiting += bytes_there(req);
	return path->bytes_waiting < GATHER_BYTES;
}

/* One call of the disk's driver for many costs less, too. */
void pb_path_begin_gathered(struct pb_path *path)
{
	lockdep_assert_held(&path->lock);
	if (!list_empty(&path->gathered))
		queue_work(path->wq, &path->gather_work);
}

void pb_path_kick(struct pb_conn *conn)
{
	if (!conn)
		return;
	pb_conn_kick(conn);
	pb_conn_put(conn);
}

/*
 * Ends the downstream leg of a request; if that was the last leg it goes to
 * @done, where node is free to use again.
 */
void pb_path_net_done(struct pb_path *path, struct pb_req *req,
		      blk_status_t status, struct list_head *done)
{
	lockdep_assert_held(&path->lock);
	if (path->up && list_empty(&req->send)) {
		path->nr_sent--;
		path->bytes_sent -= bytes_there(req);
	}
	list_del_init(&req->node);
	list_del_init(&req->send);
	if (status)
		pb_path_drop_local(path, req);
	if (pb_path_leg_done(path, req, PB_LEG_NET, status))
		list_add_tail(&req->node, done);
	else if (req->failed)
		path->on_disk(path);
}

/*
 * How many of a range are outstanding and had not reached the peer before this
 * connection came up.  (What had may have been given up in between, so a gap
 * there is legal.)
 */
static u64 outstanding(struct pb_path *path, u64 first, u64 last)
{
	struct pb_req *req;
	u64 found = 0;

	lockdep_assert_held(&path->lock);
	list_for_each_entry(req, &path->unacked, node) {
		if (req->seq > last)
			break;
		if (req->seq >= first && req->seq > path->resume_seq &&
		    !pb_path_is_fetch(req))
			found++;
	}
	return found;
}

int pb_path_acked(struct pb_path *path, u64 first, u32 count, bool here)
{
	u64 last = first + count - 1;
	struct pb_req *req, *next;
	struct pb_conn *conn;
	u64 resume, must = 0;
	u32 nr_ended = 0;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&path->lock, flags);
	resume = path->resume_seq;
	if (last > resume)
		must = last - max(first - 1, resume);
	if (outstanding(path, first, last) != must) {
		spin_unlock_irqrestore(&path->lock, flags);
		return -EALREADY;
	}
	list_for_each_entry_safe(req, next, &path->unacked, node) {
		if (req->seq > last)
			break;
		if (req->seq < first)
			continue;
		pb_path_hop(path, req, trace_pb_ack_receive);
		pb_path_net_done(path, req, BLK_STS_OK, &done);
		nr_ended++;
	}
	path->nr_ended = nr_ended;
	conn = pb_path_conn_to_kick(path);
	spin_unlock_irqrestore(&path->lock, flags);
	pb_path_complete(path, &done);
	if (here || !conn) {
		pb_path_kick(conn);
		return 0;
	}
	pb_conn_kick_later(conn);
	pb_conn_put(conn);
	return 0;
}

bool pb_path_takes_acks(struct pb_path *path)
{
	return READ_ONCE(path->nr_sent) < GATHER_DEPTH &&
	       list_empty_careful(&path->sendq);
}

/*
 * Nothing is told while one that was numbered in an older stream is pending, nor
 * to who is sent no writes: it may have yet to say what its log holds.
 */
static u64 done_before(struct pb_path *path)
{
	struct pb_req *req;

	lockdep_assert_held(&path->lock);
	if (!path->up || path->nr_older ||
	    !(path->needs_ack || path->copying))
		return 0;
	req = list_first_entry_or_null(&path->order, struct pb_req, order);
	return req ? req->seq : path->next_seq;
}

/* Acked, but not done here: its number means nothing in the stream to come. */
void pb_path_take_number(struct pb_path *path, struct pb_req *req)
{
	lockdep_assert_held(&path->lock);
	if (!req->seq)
		return;
	req->seq = 0;
	path->nr_older++;
}

u64 pb_path_done_before(struct pb_path *path)
{
	unsigned long flags;
	u64 seq;

	spin_lock_irqsave(&path->lock, flags);
	seq = done_before(path);
	spin_unlock_irqrestore(&path->lock, flags);
	return seq;
}

bool pb_path_next(struct pb_path *path, struct pb_tx_item *item)
{
	struct pb_req *req;
	unsigned long flags;

	spin_lock_irqsave(&path->lock, flags);
	req = next_to_send(path);
	path->bytes_waiting = 0;
	pb_path_begin_gathered(path);
	if (req) {
		list_del_init(&req->send);
		count_sent(path, req);
		item->msg = (struct pb_msg) {
			.type = req->type,
			.flags = req->flags,
			.seq = req->seq,
			.sector = req->sector,
			.count = req->count,
		};
		if (req->type == PB_WIRE_FLUSH)
			item->msg.sector = done_before(path);
		if (req->type == PB_WIRE_CHECK)
			item->msg.status = container_of(req, struct pb_copy_req,
							req)->piece;
		if (req->type == PB_WIRE_CHECK || req->type == PB_WIRE_WRITE) {
			item->msg.data_len = req->iter.bi_size;
			item->bio = req->bio;
			item->iter = req->iter;
		}
		pb_path_hop(path, req, trace_pb_send);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	return req;
}

bool pb_path_has_next(struct pb_path *path)
{
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&path->lock, flags);
	has = next_to_send(path);
	spin_unlock_irqrestore(&path->lock, flags);
	return has;
}

u64 pb_path_lowest_unacked(struct pb_path *path)
{
	struct pb_req *req;
	u64 seq;

	lockdep_assert_held(&path->lock);
	req = list_first_entry_or_null(&path->unacked, struct pb_req, node);
	seq = req ? req->seq : path->next_seq;
	if (path->first_unacked && path->first_unacked < seq)
		seq = path->first_unacked;
	return seq;
}

u64 pb_path_first_unacked(struct pb_path *path)
{
	u64 seq;

	spin_lock_irq(&path->lock);
	seq = pb_path_lowest_unacked(path);
	spin_unlock_irq(&path->lock);
	return seq;
}

int pb_path_link_up(struct pb_path *path, struct pb_conn *conn, u64 resume)
{
	struct pb_req *req;
	u64 resent = 0;

	spin_lock_irq(&path->lock);
	if (resume >= path->next_seq) {
		spin_unlock_irq(&path->lock);
		return -EPROTO;
	}
	path->resume_seq = resume;
	path->first_unacked = 0;
	path->next_seq = resume + 1;
	INIT_LIST_HEAD(&path->sendq);
	path->nr_sent = 0;
	path->nr_ended = 0;
	path->bytes_sent = 0;
	pb_path_refetch(path, resume);
	list_for_each_entry(req, &path->order, order)
		if (!(req->legs & PB_LEG_NET) && req->seq > resume)
			pb_path_take_number(path, req);
	list_for_each_entry(req, &path->unacked, node) {
		if (req->seq <= resume) {
			count_sent(path, req);
			continue;
		}
		/* What a flush of the application's is about was acked before. */
		if (conn->expect.version < PB_WIRE_VERSION_ORDERED)
			req->flags &= ~PB_WIRE_ORDERED;
		req->seq = path->next_seq++;
		list_add_tail(&req->send, &path->sendq);
		resent++;
	}
	path->conn = pb_conn_get(conn);
	path->up = true;
	pb_path_retry(path, &path->held);
	pb_log_kick(path->log);
	spin_unlock_irq(&path->lock);
	pb_stat_add(path->stats, PB_CNT_RESENT, resent);
	return 0;
}
