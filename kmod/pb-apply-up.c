// SPDX-License-Identifier: GPL-2.0
/*
 * What a member tells its predecessor, and in which order: that it has room for
 * a larger volume, what it must be given, answers to reads, what differs, acks.
 */
#include <linux/slab.h>

#include "pb-apply-req.h"
#include "pb-trace.h"

static void trace_ack(struct pb_apply *apply, u64 seq, u64 count)
{
	trace_pb_ack_send(apply->path->dev, PB_WIRE_ACK, seq, 0, count, 0);
}

static u32 next_difference(const struct pb_check *check)
{
	return find_next_bit(check->differs, PB_WIRE_MAX_PIECES, check->told);
}

/* Of the next message to be acked: what differs and was not told. */
static bool tell_difference(struct pb_apply *apply, struct pb_tx_item *item)
{
	struct pb_apply_req *areq;
	u32 first, end, piece;

	lockdep_assert_held(&apply->lock);
	areq = list_first_entry_or_null(&apply->done, struct pb_apply_req,
					node);
	if (!areq || !areq->check || apply->ack_count)
		return false;
	first = next_difference(areq->check);
	if (first == PB_WIRE_MAX_PIECES)
		return false;
	end = find_next_zero_bit(areq->check->differs, PB_WIRE_MAX_PIECES,
				 first);
	areq->check->told = end;
	piece = areq->check->piece >> SECTOR_SHIFT;
	item->msg = (struct pb_msg) {
		.type = PB_WIRE_DIFFERS,
		.sector = areq->req.sector + first * piece,
		.count = min(end * piece, areq->req.count) - first * piece,
	};
	return true;
}

/* Under the lock: takes the leading run of neighbours off the done list. */
static u64 take_run(struct pb_apply *apply, u64 *first)
{
	struct pb_apply_req *areq, *next;
	u64 count = 0;

	lockdep_assert_held(&apply->lock);
	list_for_each_entry_safe(areq, next, &apply->done, node) {
		if (!count)
			*first = areq->seq;
		else if (areq->seq != *first + count)
			break;
		/* Not before what differs. */
		if (areq->check && next_difference(areq->check) <
				   PB_WIRE_MAX_PIECES)
			break;
		count++;
		pb_apply_forget_done(apply, areq);
	}
	if (count && apply->conn)
		pb_conn_unpause(apply->conn);
	return count;
}

void pb_apply_drop_marks(struct pb_apply *apply, struct pb_mark **marks)
{
	lockdep_assert_held(&apply->lock);
	*marks = apply->marks;
	apply->marks = NULL;
	apply->nr_marks = 0;
	apply->next_mark = 0;
}

static bool next_mark(struct pb_apply *apply, struct pb_tx_item *item)
{
	const struct pb_mark *mark;

	lockdep_assert_held(&apply->lock);
	if (apply->next_mark >= apply->nr_marks)
		return false;
	mark = &apply->marks[apply->next_mark++];
	item->msg = (struct pb_msg) {
		.type = PB_WIRE_MARK,
		.sector = mark->sector,
		.count = mark->count,
	};
	return true;
}

/* A connection may be about to come up: then it goes out after the hello. */
void pb_apply_tell_capacity(struct pb_apply *apply, u64 sectors)
{
	spin_lock_irq(&apply->lock);
	apply->capacity = sectors;
	if (apply->conn)
		pb_conn_kick_later(apply->conn);
	spin_unlock_irq(&apply->lock);
}

static bool next_capacity(struct pb_apply *apply, struct pb_tx_item *item)
{
	lockdep_assert_held(&apply->lock);
	if (!apply->capacity)
		return false;
	item->msg = (struct pb_msg) {
		.type = PB_WIRE_CAPACITY,
		.sector = apply->capacity,
	};
	apply->capacity = 0;
	return true;
}

void pb_apply_send_marks(struct pb_apply *apply, struct pb_mark *marks, u32 nr)
{
	struct pb_mark *old;

	spin_lock_irq(&apply->lock);
	pb_apply_drop_marks(apply, &old);
	apply->marks = marks;
	apply->nr_marks = nr;
	spin_unlock_irq(&apply->lock);
	kvfree(old);
}

/* What the read brought, or why it did not. */
static bool next_answer(struct pb_apply *apply, struct pb_tx_item *item)
{
	struct pb_apply_req *areq;

	lockdep_assert_held(&apply->lock);
	areq = list_first_entry_or_null(&apply->answers, struct pb_apply_req,
					node);
	if (!areq)
		return false;
	list_del(&areq->node);
	item->msg = (struct pb_msg) {
		.type = PB_WIRE_DATA,
		.seq = areq->seq,
		.sector = areq->req.sector,
		.count = areq->req.count,
		.data_len = areq->status ? 0 : areq->bytes,
		.status = -blk_status_to_errno(areq->status),
	};
	item->bio = areq->status ? NULL : areq->req.bio;
	item->iter = areq->req.iter;
	item->hold = areq;
	return true;
}

static bool next_run(struct pb_apply *apply, struct pb_tx_item *item)
{
	u64 first = 0, count;

	lockdep_assert_held(&apply->lock);
	if (apply->ack_count) {
		first = apply->ack_first;
		count = min_t(u64, apply->ack_count, U32_MAX);
		apply->ack_first += count;
		apply->ack_count -= count;
	} else {
		count = take_run(apply, &first);
	}
	if (!count)
		return false;
	item->msg = (struct pb_msg) {
		.type = PB_WIRE_ACK,
		.seq = first,
		.count = count,
	};
	return true;
}

bool pb_apply_next_ack(struct pb_apply *apply, struct pb_tx_item *item)
{
	bool has;

	spin_lock_irq(&apply->lock);
	has = next_capacity(apply, item) || next_mark(apply, item) ||
	      next_answer(apply, item) || tell_difference(apply, item) ||
	      next_run(apply, item);
	spin_unlock_irq(&apply->lock);
	if (!has || item->msg.type != PB_WIRE_ACK)
		return has;
	pb_stat_inc(apply->stats, PB_CNT_ACKS_TX);
	pb_stat_add(apply->stats, PB_CNT_ACKED_TX, item->msg.count);
	trace_ack(apply, item->msg.seq, item->msg.count);
	return true;
}

bool pb_apply_has_ack(struct pb_apply *apply)
{
	bool has;

	spin_lock_irq(&apply->lock);
	has = apply->ack_count || !list_empty(&apply->done) ||
	      !list_empty(&apply->answers) || apply->capacity ||
	      apply->next_mark < apply->nr_marks;
	spin_unlock_irq(&apply->lock);
	return has;
}
