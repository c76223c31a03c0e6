// SPDX-License-Identifier: GPL-2.0
/*
 * Applying: one pass over the socket puts a write's payload into pages of its
 * own bio; the bio goes to the disk; its completion puts the request among
 * those to be acked and wakes the sender.  Acks of neighbouring sequence
 * numbers travel as one.  A read goes the other way: its pages are filled by the
 * disk and kept until the socket has taken them.
 *
 * Memory is bounded: beyond PB_WIRE_MAX_SENT_BYTES or PB_WIRE_MAX_SENT messages
 * (those not yet acked count) the receiver pauses, and TCP slows the predecessor
 * down.  One request is always allowed, and the pools hold enough for it, so the
 * pause ends.  Nobody waits for the pages of a read, which the predecessor has
 * to take first: one read is always allowed, and more as long as there is
 * memory.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pb-apply-req.h"
#include "pb-crash.h"
#include "pb-digest.h"
#include "pb-trace.h"

#define MAX_PAGES	(PB_WIRE_MAX_DATA / PAGE_SIZE)
#define MIN_REQS	16

bool pb_apply_is_read(const struct pb_req *req)
{
	return to_apply_req((struct pb_req *)req)->read;
}

static void free_bio(struct pb_apply *apply, struct pb_apply_req *areq)
{
	mempool_t *pages = areq->read ? &apply->read_pages : &apply->pages;
	struct bio *bio = areq->req.bio;
	int i;

	areq->req.bio = NULL;
	if (!bio)
		return;
	for (i = 0; i < bio->bi_vcnt; i++)
		mempool_free(bio->bi_io_vec[i].bv_page, pages);
	bio_put(bio);
}

static u32 data_len(const struct pb_apply_req *areq)
{
	return areq->req.count << SECTOR_SHIFT;
}

static void free_digests(struct pb_apply *apply, struct pb_check *check)
{
	int i;

	for (i = 0; i < PB_DIGEST_PAGES; i++) {
		if (check->theirs[i].bv_page)
			mempool_free(check->theirs[i].bv_page, &apply->pages);
		check->theirs[i].bv_page = NULL;
	}
}

static void free_req(struct pb_apply *apply, struct pb_apply_req *areq)
{
	if (areq->check) {
		free_digests(apply, areq->check);
		mempool_free(areq->check, &apply->checks);
	}
	mempool_free(areq, &apply->reqs);
}

/* Keeps the list in order; completions are nearly so already. */
static void insert_done(struct pb_apply *apply, struct pb_apply_req *areq)
{
	struct pb_apply_req *before;

	lockdep_assert_held(&apply->lock);
	apply->nr_done++;
	list_for_each_entry_reverse(before, &apply->done, node) {
		if (before->seq < areq->seq) {
			list_add(&areq->node, &before->node);
			return;
		}
	}
	list_add(&areq->node, &apply->done);
}

void pb_apply_forget_done(struct pb_apply *apply, struct pb_apply_req *areq)
{
	lockdep_assert_held(&apply->lock);
	list_del(&areq->node);
	apply->nr_done--;
	free_req(apply, areq);
}

static void count_applied(struct pb_apply *apply, struct pb_apply_req *areq)
{
	switch (areq->req.type) {
	case PB_WIRE_WRITE:
		pb_stat_inc(apply->stats, PB_CNT_APPLIED_WRITES);
		pb_stat_add(apply->stats, PB_CNT_APPLIED_BYTES, areq->bytes);
		break;
	case PB_WIRE_FLUSH:
		pb_stat_inc(apply->stats, PB_CNT_APPLIED_FLUSHES);
		break;
	case PB_WIRE_ZEROES:
		pb_stat_inc(apply->stats, PB_CNT_APPLIED_ZEROES);
		break;
	case PB_WIRE_CHECK:
		pb_stat_add(apply->stats, PB_CNT_CHECKED_BYTES, data_len(areq));
		break;
	default:
		break;
	}
}

/* Something received was not done: all that is not acked must come again. */
static void forget_stream(struct pb_apply *apply)
{
	unsigned long flags;

	spin_lock_irqsave(&apply->lock, flags);
	apply->peer_incarnation = 0;
	spin_unlock_irqrestore(&apply->lock, flags);
}

/* Somebody may have waited for this one. */
static void let_ordered_go(struct pb_apply *apply,
			   const struct pb_apply_req *areq)
{
	struct pb_apply_req *flush, *next;

	lockdep_assert_held(&apply->lock);
	list_for_each_entry_safe(flush, next, &apply->ordered, node) {
		if (areq->seq > flush->seq || --flush->before)
			continue;
		list_del_init(&flush->node);
		queue_work(apply->path->wq, &flush->work);
	}
}

/* Gives back the place under the memory bound. */
static void leave_place(struct pb_apply *apply, struct pb_apply_req *areq)
{
	lockdep_assert_held(&apply->lock);
	apply->bytes -= areq->bytes;
	apply->nr--;
	let_ordered_go(apply, areq);
	if (areq->read)
		apply->nr_reads--;
	/* Whoever waits may free all of this once the lock is dropped. */
	if (!apply->nr)
		wake_up_all(&apply->drained);
}

static void unreserve(struct pb_apply *apply, struct pb_apply_req *areq)
{
	lockdep_assert_held(&apply->lock);
	if (apply->conn)
		pb_conn_unpause(apply->conn);
	leave_place(apply, areq);
}

/* A read is not under way any more: any context. */
static void end_read(struct pb_apply *apply, struct pb_apply_req *areq)
{
	lockdep_assert_held(&apply->lock);
	free_bio(apply, areq);
	unreserve(apply, areq);
	mempool_free(areq, &apply->reqs);
}

void pb_apply_answered(struct pb_apply *apply, void *hold)
{
	unsigned long flags;

	spin_lock_irqsave(&apply->lock, flags);
	end_read(apply, hold);
	spin_unlock_irqrestore(&apply->lock, flags);
}

/* A read that failed is answered too: the predecessor may have no other copy. */
static void read_complete(struct pb_apply_req *areq, blk_status_t status)
{
	struct pb_apply *apply = areq->apply;
	unsigned long flags;

	if (status)
		apply->on_fault(apply, &areq->req, status);
	areq->status = status;
	spin_lock_irqsave(&apply->lock, flags);
	if (apply->conn) {
		list_add_tail(&areq->node, &apply->answers);
		pb_conn_kick_later(apply->conn);
	} else {
		end_read(apply, areq);
	}
	spin_unlock_irqrestore(&apply->lock, flags);
}

/*
 * The source's complete(): any context.  A failed request is never acked: the
 * owner closes the connection and asks to be left out.
 */
static void apply_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_apply_req *areq = to_apply_req(req);
	struct pb_apply *apply = areq->apply;
	unsigned long flags;
	bool ack;

	if (areq->read) {
		read_complete(areq, status);
		return;
	}
	free_bio(apply, areq);
	if (areq->check)
		free_digests(apply, areq->check);
	if (status == BLK_STS_AGAIN)
		forget_stream(apply);
	else if (status)
		apply->on_fault(apply, req, status);
	else
		count_applied(apply, areq);

	spin_lock_irqsave(&apply->lock, flags);
	if (status && status != BLK_STS_AGAIN)
		apply->disk_failed = true;
	ack = !status && apply->conn;
	if (ack)
		insert_done(apply, areq);
	if (apply->conn)
		pb_conn_kick_later(apply->conn);
	unreserve(apply, areq);
	if (!ack)
		free_req(apply, areq);
	spin_unlock_irqrestore(&apply->lock, flags);
}

static void local_done(struct pb_apply_req *areq, blk_status_t status)
{
	struct pb_req *req = &areq->req;

	if (pb_path_local_done(areq->apply->path, req, status))
		apply_complete(req, req->status);
}

/*
 * A disk may find out only when asked that it cannot zero by itself: then the
 * helper writes zeroes, since the replicas must not differ.
 */
static void bio_done(struct bio *bio)
{
	struct pb_apply_req *areq = bio->bi_private;

	if (areq->read)
		read_complete(areq, bio->bi_status);
	else if (areq->check || (areq->req.type == PB_WIRE_ZEROES &&
				 pb_zeroes_unsupported(bio->bi_status)))
		queue_work(areq->apply->wq, &areq->work);
	else
		local_done(areq, bio->bi_status);
}

static void zeroes_work(struct work_struct *work)
{
	struct pb_apply_req *areq = container_of(work, struct pb_apply_req,
						 work);

	local_done(areq, pb_path_write_zeroes(areq->apply->bdev, &areq->req));
}

static bool is_same(const struct pb_check *check, u32 i, const u8 *ours)
{
	u32 at = i * PB_WIRE_DIGEST;
	void *theirs = kmap_local_page(check->theirs[at / PAGE_SIZE].bv_page);
	bool same = !memcmp(theirs + at % PAGE_SIZE, ours, PB_WIRE_DIGEST);

	kunmap_local(theirs);
	return same;
}

/* What cannot be read is as good as different: a repair writes it anew. */
static void compare(struct pb_apply_req *areq)
{
	struct pb_check *check = areq->check;
	struct bio *bio = areq->req.bio;
	u32 len = data_len(areq), nr = DIV_ROUND_UP(len, check->piece), i;
	u8 ours[PB_WIRE_DIGEST];

	if (bio->bi_status) {
		areq->apply->on_unreadable(areq->apply, areq->req.sector,
				blk_status_to_errno(bio->bi_status));
		bitmap_set(check->differs, 0, nr);
		return;
	}
	for (i = 0; i < nr; i++) {
		u32 at = i * check->piece;

		pb_digest(bio->bi_io_vec, at, min(check->piece, len - at),
			  ours);
		if (!is_same(check, i, ours))
			__set_bit(i, check->differs);
	}
}

static void check_work(struct work_struct *work)
{
	struct pb_apply_req *areq = container_of(work, struct pb_apply_req,
						 work);

	compare(areq);
	local_done(areq, BLK_STS_OK);
}

/* The source's submit(): process context. */
static void apply_submit(struct pb_req *req)
{
	struct pb_apply_req *areq = to_apply_req(req);

	if (req->bio)
		submit_bio(req->bio);
	else
		queue_work(areq->apply->wq, &areq->work);
}

static const struct pb_source apply_source = {
	.submit		= apply_submit,
	.complete	= apply_complete,
};

/* Before it can complete, so that a hello never claims too little. */
static void note_received(struct pb_apply *apply, struct pb_apply_req *areq)
{
	trace_pb_receive(apply->path->dev, areq->req.type, areq->seq,
			 areq->req.sector, areq->req.count, 0);
	spin_lock_irq(&apply->lock);
	apply->recv_seq = areq->seq;
	spin_unlock_irq(&apply->lock);
}

static void begin(struct pb_apply *apply, struct pb_apply_req *areq)
{
	blk_status_t status = BLK_STS_OK;

	pb_crash_point(PB_CRASH_APPLY_RECEIVED);
	switch (pb_path_start(apply->path, &areq->req, &status)) {
	case PB_STARTED:
		apply_submit(&areq->req);
		break;
	case PB_REFUSED:
		apply_complete(&areq->req, status);
		break;
	case PB_LOGGING:
	case PB_PARKED:
	case PB_FETCH:	/* of a primary only */
		break;
	}
}

static void start(struct pb_apply *apply, struct pb_apply_req *areq)
{
	note_received(apply, areq);
	begin(apply, areq);
}

static void ordered_work(struct work_struct *work)
{
	struct pb_apply_req *areq = container_of(work, struct pb_apply_req,
						 work);

	begin(areq->apply, areq);
}

/* All that is under way was received before it. */
static bool has_to_wait(struct pb_apply *apply, struct pb_apply_req *flush)
{
	bool waits;

	if (!(flush->req.flags & PB_WIRE_ORDERED))
		return false;
	/* Once it begins there is nothing before it that is not done. */
	flush->req.flags &= ~PB_WIRE_ORDERED;
	INIT_WORK(&flush->work, ordered_work);
	spin_lock_irq(&apply->lock);
	flush->before = apply->nr - 1;
	waits = flush->before;
	if (waits)
		list_add_tail(&flush->node, &apply->ordered);
	spin_unlock_irq(&apply->lock);
	return waits;
}

static struct bio *new_bio(struct pb_apply *apply, struct pb_apply_req *areq,
			   unsigned int vecs, blk_opf_t opf)
{
	struct bio *bio = bio_alloc_bioset(apply->bdev, vecs, opf, GFP_NOIO,
					   &apply->bios);

	bio->bi_iter.bi_sector = areq->req.sector;
	bio->bi_private = areq;
	bio->bi_end_io = bio_done;
	areq->req.bio = bio;
	return bio;
}

void pb_apply_peer_done(struct pb_apply *apply, u64 before)
{
	spin_lock_irq(&apply->lock);
	apply->peer_before = min(before, apply->recv_seq + 1);
	spin_unlock_irq(&apply->lock);
}

/*
 * When may an extent go cold here?  After a flush that the predecessor sent
 * when the write was done there as well: a write that both crash over is named
 * by one log or the other.
 */
static u64 stamp_of(struct pb_apply *apply, const struct pb_msg *msg)
{
	if (msg->type != PB_WIRE_FLUSH)
		return apply->base + msg->seq;
	pb_apply_peer_done(apply, min(msg->sector, msg->seq));
	return pb_apply_stamp(apply);
}

/* What a message brings, and makes us read. */
static u32 data_bytes(const struct pb_msg *msg)
{
	bool reads = msg->type == PB_WIRE_CHECK || msg->type == PB_WIRE_READ;

	return (reads ? msg->count << SECTOR_SHIFT : 0) + msg->data_len;
}

static struct pb_apply_req *new_req(struct pb_apply *apply,
				    const struct pb_msg *msg)
{
	struct pb_apply_req *areq = mempool_alloc(&apply->reqs, GFP_NOIO);

	memset(areq, 0, sizeof(*areq));
	INIT_WORK(&areq->work, zeroes_work);
	areq->apply = apply;
	areq->seq = msg->seq;
	areq->read = msg->type == PB_WIRE_READ;
	areq->bytes = data_bytes(msg);
	areq->req.source = &apply_source;
	areq->req.type = areq->read ? 0 : msg->type;
	areq->req.flags = msg->flags;
	if (msg->count)
		areq->req.sector = msg->sector;
	areq->req.count = msg->count;
	/* For tracing; a member in the middle numbers its own stream. */
	areq->req.seq = msg->seq;
	areq->req.stamp = stamp_of(apply, msg);
	return areq;
}

/* Takes a place under the memory bound. */
static bool reserve(struct pb_apply *apply, const struct pb_msg *msg)
{
	u32 bytes = data_bytes(msg);
	bool ok;

	spin_lock_irq(&apply->lock);
	ok = apply->nr + apply->nr_done < PB_WIRE_MAX_SENT &&
	     (!apply->nr || apply->bytes + bytes <= PB_WIRE_MAX_SENT_BYTES);
	if (ok) {
		apply->bytes += bytes;
		apply->nr++;
		if (msg->type == PB_WIRE_READ)
			apply->nr_reads++;
	}
	spin_unlock_irq(&apply->lock);
	return ok;
}

static struct bio *new_data_bio(struct pb_apply *apply,
				struct pb_apply_req *areq, blk_opf_t opf)
{
	u32 left = data_len(areq);
	struct bio *bio = new_bio(apply, areq, DIV_ROUND_UP(left, PAGE_SIZE),
				  opf);

	while (left) {
		u32 len = min_t(u32, left, PAGE_SIZE);

		__bio_add_page(bio, mempool_alloc(&apply->pages, GFP_NOIO),
			       len, 0);
		left -= len;
	}
	return bio;
}

static void prepare_write(struct pb_apply *apply, struct pb_conn *conn,
			  struct pb_apply_req *areq)
{
	/* Somebody waits for it: not background writeback. */
	blk_opf_t opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
	struct bio *bio;

	if (areq->req.flags & PB_WIRE_FUA)
		opf |= REQ_FUA;
	bio = new_data_bio(apply, areq, opf);
	areq->req.iter = bio->bi_iter;
	iov_iter_bvec(&conn->rx_iter, ITER_DEST, bio->bi_io_vec, bio->bi_vcnt,
		      areq->bytes);
	apply->current_req = areq;
}

/* The payload is digests, to be compared with those of our own data. */
static void prepare_check(struct pb_apply *apply, struct pb_conn *conn,
			  struct pb_apply_req *areq, const struct pb_msg *msg)
{
	struct pb_check *check = mempool_alloc(&apply->checks, GFP_NOIO);
	u32 left = msg->data_len;
	int i;

	memset(check, 0, sizeof(*check));
	check->piece = msg->status << SECTOR_SHIFT;
	areq->check = check;
	INIT_WORK(&areq->work, check_work);
	for (i = 0; left; i++) {
		struct page *page = mempool_alloc(&apply->pages, GFP_NOIO);
		u32 len = min_t(u32, left, PAGE_SIZE);

		bvec_set_page(&check->theirs[i], page, len, 0);
		left -= len;
	}
	new_data_bio(apply, areq, REQ_OP_READ);
	iov_iter_bvec(&conn->rx_iter, ITER_DEST, check->theirs, i,
		      msg->data_len);
	apply->current_req = areq;
}

/* Pages for a read; where there is another one, only without waiting. */
static bool add_read_pages(struct pb_apply *apply, struct pb_apply_req *areq)
{
	gfp_t gfp = READ_ONCE(apply->nr_reads) > 1 ? GFP_NOWAIT | __GFP_NOWARN :
						     GFP_NOIO;
	u32 left = areq->bytes;

	while (left) {
		struct page *page = mempool_alloc(&apply->read_pages, gfp);
		u32 len = min_t(u32, left, PAGE_SIZE);

		if (!page)
			return false;
		__bio_add_page(areq->req.bio, page, len, 0);
		left -= len;
	}
	return true;
}

static int prepare_read(struct pb_apply *apply, struct pb_apply_req *areq)
{
	new_bio(apply, areq, DIV_ROUND_UP(areq->bytes, PAGE_SIZE),
		REQ_OP_READ | REQ_SYNC);
	if (!add_read_pages(apply, areq)) {
		free_bio(apply, areq);
		spin_lock_irq(&apply->lock);
		/* The end of another read is what unpauses us. */
		leave_place(apply, areq);
		spin_unlock_irq(&apply->lock);
		mempool_free(areq, &apply->reqs);
		return -EAGAIN;
	}
	areq->req.iter = areq->req.bio->bi_iter;
	return 0;
}

/*
 * A disk that can zero by itself gets one bio.  Others, and the rare zeroes
 * that must be durable, go through the block layer's helper, which sleeps.
 */
static void prepare_zeroes(struct pb_apply *apply, struct pb_apply_req *areq)
{
	blk_opf_t opf = REQ_OP_WRITE_ZEROES;
	struct bio *bio;

	if (!bdev_write_zeroes_sectors(apply->bdev) ||
	    (areq->req.flags & PB_WIRE_FUA))
		return;
	if (areq->req.flags & PB_WIRE_NOUNMAP)
		opf |= REQ_NOUNMAP;
	bio = new_bio(apply, areq, 0, opf);
	bio->bi_iter.bi_size = areq->req.count << SECTOR_SHIFT;
}

int pb_apply_receive(struct pb_apply *apply, struct pb_conn *conn,
		     const struct pb_msg *msg)
{
	struct pb_apply_req *areq;

	if (READ_ONCE(apply->disk_failed))
		return -EIO;
	/* Not before the last word was obeyed. */
	if (pb_wire_is_word(msg->type) && READ_ONCE(apply->word))
		return -EPROTO;
	if (!reserve(apply, msg))
		return -EAGAIN;
	areq = new_req(apply, msg);
	switch (msg->type) {
	case PB_WIRE_WRITE:
		prepare_write(apply, conn, areq);
		return 0;
	case PB_WIRE_CHECK:
		prepare_check(apply, conn, areq, msg);
		return 0;
	case PB_WIRE_FLUSH:
		new_bio(apply, areq, 0,
			REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
		note_received(apply, areq);
		if (!has_to_wait(apply, areq))
			begin(apply, areq);
		return 0;
	case PB_WIRE_SYNC_BEGIN:
	case PB_WIRE_SYNC_GO:
	case PB_WIRE_SYNC_DONE:
	case PB_WIRE_SIZE:
		note_received(apply, areq);
		apply->word = areq;
		apply->on_word(apply, msg);
		return 0;
	case PB_WIRE_READ:
		if (prepare_read(apply, areq))
			return -EAGAIN;
		break;
	default:
		prepare_zeroes(apply, areq);
		break;
	}
	start(apply, areq);
	return 0;
}

void pb_apply_received(struct pb_apply *apply)
{
	struct pb_apply_req *areq = apply->current_req;

	apply->current_req = NULL;
	start(apply, areq);
}

void pb_apply_word_done(struct pb_apply *apply, bool ok)
{
	struct pb_apply_req *areq = apply->word;

	apply->word = NULL;
	if (!ok)
		forget_stream(apply);
	spin_lock_irq(&apply->lock);
	apply->nr--;
	let_ordered_go(apply, areq);
	ok = ok && apply->conn;
	if (ok) {
		insert_done(apply, areq);
		pb_conn_kick_later(apply->conn);
	}
	if (!apply->nr)
		wake_up_all(&apply->drained);
	spin_unlock_irq(&apply->lock);
	if (!ok)
		mempool_free(areq, &apply->reqs);
}

/* Acks that nobody will send any more; the next hello implies them. */
static void drop_done(struct pb_apply *apply)
{
	struct pb_apply_req *areq, *next;

	lockdep_assert_held(&apply->lock);
	list_for_each_entry_safe(areq, next, &apply->done, node)
		pb_apply_forget_done(apply, areq);
	list_for_each_entry_safe(areq, next, &apply->answers, node) {
		list_del(&areq->node);
		end_read(apply, areq);
	}
	apply->ack_count = 0;
}

/* Stamps of the stream to come are after all that the log has seen. */
static u64 open_log(struct pb_path *path)
{
	u64 stamp;

	spin_lock_irq(&path->lock);
	stamp = path->log->stamp;
	pb_log_open(path->log);
	spin_unlock_irq(&path->lock);
	return stamp;
}

void pb_apply_link_up(struct pb_apply *apply, struct pb_conn *conn,
		      u64 incarnation, u64 resume, u64 first_unacked)
{
	u64 base = open_log(apply->path);

	spin_lock_irq(&apply->lock);
	WARN_ON_ONCE(apply->nr || apply->conn);
	/*
	 * Who closes a connection marks it first and then calls link_down:
	 * either we see the mark here, or it takes back what we set.
	 */
	if (READ_ONCE(conn->state) != PB_LINK_CLOSING)
		apply->conn = conn;
	apply->peer_incarnation = incarnation;
	apply->base = base;
	apply->resume = resume;
	apply->peer_before = 0;
	apply->recv_seq = resume;
	apply->ack_first = first_unacked;
	apply->ack_count = resume + 1 - first_unacked;
	spin_unlock_irq(&apply->lock);
}

void pb_apply_link_down(struct pb_apply *apply)
{
	struct pb_mark *marks;

	spin_lock_irq(&apply->lock);
	apply->conn = NULL;
	/* The next hello says it. */
	apply->capacity = 0;
	drop_done(apply);
	pb_apply_drop_marks(apply, &marks);
	spin_unlock_irq(&apply->lock);
	kvfree(marks);
}

void pb_apply_drop_current(struct pb_apply *apply)
{
	struct pb_apply_req *areq = apply->current_req;

	if (!areq)
		return;
	apply->current_req = NULL;
	free_bio(apply, areq);
	spin_lock_irq(&apply->lock);
	unreserve(apply, areq);
	spin_unlock_irq(&apply->lock);
	free_req(apply, areq);
}

void pb_apply_reset(struct pb_apply *apply)
{
	spin_lock_irq(&apply->lock);
	WARN_ON_ONCE(apply->nr || apply->conn);
	apply->recv_seq = 0;
	apply->peer_incarnation = 0;
	spin_unlock_irq(&apply->lock);
}

u64 pb_apply_stamp(struct pb_apply *apply)
{
	u64 stamp;

	spin_lock_irq(&apply->lock);
	stamp = apply->peer_before > apply->resume ?
		apply->base + apply->peer_before - 1 : PB_LOG_NOTHING;
	spin_unlock_irq(&apply->lock);
	return stamp;
}

bool pb_apply_idle(struct pb_apply *apply)
{
	bool idle;

	spin_lock_irq(&apply->lock);
	idle = !apply->nr;
	spin_unlock_irq(&apply->lock);
	return idle;
}

int pb_apply_init(struct pb_apply *apply)
{
	int ret;

	spin_lock_init(&apply->lock);
	INIT_LIST_HEAD(&apply->done);
	INIT_LIST_HEAD(&apply->ordered);
	INIT_LIST_HEAD(&apply->answers);
	init_waitqueue_head(&apply->drained);
	pb_stash_init(&apply->stash);
	ret = bioset_init(&apply->bios, MIN_REQS, 0, BIOSET_NEED_BVECS);
	if (!ret)
		ret = mempool_init_kmalloc_pool(&apply->reqs, MIN_REQS,
						sizeof(struct pb_apply_req));
	if (!ret)
		ret = mempool_init(&apply->pages, MAX_PAGES + PB_DIGEST_PAGES,
				   pb_stash_alloc, pb_stash_free,
				   &apply->stash);
	if (!ret)
		ret = mempool_init_kmalloc_pool(&apply->checks, 1,
						sizeof(struct pb_check));
	if (!ret)
		ret = mempool_init_page_pool(&apply->read_pages, MAX_PAGES, 0);
	if (ret)
		pb_apply_exit(apply);
	return ret;
}

void pb_apply_exit(struct pb_apply *apply)
{
	mempool_exit(&apply->checks);
	mempool_exit(&apply->read_pages);
	mempool_exit(&apply->pages);
	pb_stash_exit(&apply->stash);
	mempool_exit(&apply->reqs);
	bioset_exit(&apply->bios);
}
