// SPDX-License-Identifier: GPL-2.0
/*
 * Sending.  Whoever has something to send tries the tx mutex; the holder
 * gathers as many messages as fit into one call of sendmsg, and looks again
 * after it has let the mutex go, so nobody's message is left behind.  Nobody
 * waits for room in the socket: when it is full, the socket's wake-up queues
 * the worker.
 */
#include <linux/sched/mm.h>
#include <linux/timekeeping.h>
#include <net/sock.h>

#include "compat.h"
#include "pb-conn.h"
#include "pb-crash.h"

/* One gathered send is not larger than this plus one bio's segment. */
#define TX_BATCH_BYTES	(1U << 20)
/* Sends by one context in a row; then the worker goes on. */
#define TX_BUDGET	16

static bool has_tx(struct pb_conn *conn)
{
	enum pb_link_state state = READ_ONCE(conn->state);

	if (state == PB_LINK_HELLO)
		return test_bit(PB_TX_WANT_HELLO, &conn->tx_want);
	if (state != PB_LINK_UP)
		return false;
	return READ_ONCE(conn->tx_want) || conn->cfg.ops->has_next(conn);
}

static bool next_keepalive(struct pb_conn *conn, struct pb_tx_item *item)
{
	bool asks = test_and_clear_bit(PB_TX_WANT_ASK, &conn->tx_want);

	if (!test_and_clear_bit(PB_TX_WANT_KEEPALIVE, &conn->tx_want) && !asks)
		return false;
	item->msg.type = PB_WIRE_KEEPALIVE;
	item->msg.flags = asks ? PB_WIRE_ASK : 0;
	item->msg.sector = conn->cfg.ops->tell(conn);
	pb_stat_inc(conn->cfg.stats, PB_CNT_KEEPALIVES_TX);
	if (asks)
		pb_stat_inc(conn->cfg.stats, PB_CNT_ASKED);
	return true;
}

static bool next_item(struct pb_conn *conn, struct pb_tx_item *item)
{
	memset(item, 0, sizeof(*item));
	if (test_and_clear_bit(PB_TX_WANT_HELLO, &conn->tx_want)) {
		item->msg.type = PB_WIRE_HELLO;
		item->msg.data_len = sizeof(*conn->tx_hello);
		return true;
	}
	if (!pb_conn_up(conn))
		return false;
	if (READ_ONCE(conn->tx_want) && next_keepalive(conn, item))
		return true;
	return conn->cfg.ops->next(conn, item);
}

/*
 * Whoever brings a stamp of its predecessor back promises not to serve for a
 * while.  That counts from the first time: what is said again to one that has
 * fallen silent is worth nothing more to it, and would only delay its successor.
 */
static void note_grant(struct pb_conn *conn, const struct pb_msg *msg)
{
	lockdep_assert_held(&conn->tx_mutex);
	if (!conn->cfg.upstream || !msg->echo || msg->echo == conn->granted_for)
		return;
	conn->granted_for = msg->echo;
	/*
	 * The promise is dated after that stamp was taken out: it must not have
	 * been sent later, however long we are interrupted in between.
	 */
	smp_rmb();
	atomic64_set(&conn->granted, ktime_get_raw_ns());
}

/* With a bye nobody promises anything: the next view may make it primary. */
static void pack_header(struct pb_conn *conn, struct pb_msg *msg,
			struct pb_wire_hdr *hdr)
{
	msg->view = conn->cfg.view;
	msg->from = conn->cfg.self;
	msg->echo = msg->type == PB_WIRE_BYE ? 0 :
		    atomic64_read(&conn->peer_stamp);
	note_grant(conn, msg);
	msg->stamp = ktime_get_boottime_ns();
	atomic64_set(&conn->tx_stamp, msg->stamp);
	pb_codec_pack(msg, hdr);
}

static void pack_hello(struct pb_conn *conn)
{
	struct pb_hello hello = {};

	conn->cfg.ops->hello(conn, &hello);
	pb_hello_pack(&hello, conn->tx_hello);
}

/* Appends what fits of the current item's payload. */
static u32 gather_payload(struct pb_conn *conn, int *nr)
{
	struct pb_tx_item *item = &conn->tx_item;
	u32 bytes = 0;

	while (item->bio && item->iter.bi_size && *nr < PB_TX_BVECS) {
		struct bio_vec bv = mp_bvec_iter_bvec(item->bio->bi_io_vec,
						      item->iter);

		conn->tx_bvecs[(*nr)++] = bv;
		bytes += bv.bv_len;
		bio_advance_iter_single(item->bio, &item->iter, bv.bv_len);
	}
	if (item->bio && !item->iter.bi_size)
		item->bio = NULL;
	return bytes;
}

static u32 gather_header(struct pb_conn *conn, int *nr, int *nr_hdrs)
{
	struct pb_tx_item *item = &conn->tx_item;
	struct pb_wire_hdr *hdr = &conn->tx_hdrs[(*nr_hdrs)++];

	if (item->msg.type == PB_WIRE_HELLO)
		pack_hello(conn);
	pack_header(conn, &item->msg, hdr);
	bvec_set_virt(&conn->tx_bvecs[(*nr)++], hdr, sizeof(*hdr));
	pb_stat_inc(conn->cfg.stats, PB_CNT_TX_MESSAGES);
	if (item->msg.type != PB_WIRE_HELLO)
		return sizeof(*hdr);
	bvec_set_virt(&conn->tx_bvecs[(*nr)++], conn->tx_hello,
		      sizeof(*conn->tx_hello));
	return sizeof(*hdr) + sizeof(*conn->tx_hello);
}

/* Notes where in the gathered bytes a message ends, for mark_sent(). */
static void note_end(struct pb_conn *conn, u32 bytes)
{
	struct pb_tx_end *end = &conn->tx_ends[conn->tx_nr_ends++];

	end->seq = conn->tx_item.msg.seq;
	end->offset = bytes;
}

/*
 * Collects messages for one send.  A payload that does not fit whole goes on
 * at the front of the next one; one that is not copied has that for itself.
 */
static bool gather(struct pb_conn *conn)
{
	struct pb_tx_item *item = &conn->tx_item;
	bool carried = item->bio;
	int nr = 0, nr_hdrs = 0;
	u32 bytes;

	lockdep_assert_held(&conn->tx_mutex);
	conn->tx_nr_ends = 0;
	conn->tx_flags = conn->tx_flags == MSG_MORE ? MSG_ZEROCOPY : 0;
	bytes = gather_payload(conn, &nr);
	if (carried && !item->bio)
		note_end(conn, bytes);
	while (!item->bio && !conn->tx_flags && nr_hdrs < PB_TX_HDRS && nr + 2 < PB_TX_BVECS &&
	       bytes < TX_BATCH_BYTES && !conn->tx_hold &&
	       next_item(conn, item)) {
		conn->tx_hold = item->hold;
		bytes += gather_header(conn, &nr, &nr_hdrs);
		if (pb_conn_shares(conn, item)) {
			conn->tx_flags = MSG_MORE;
			break;
		}
		bytes += gather_payload(conn, &nr);
		if (!item->bio)
			note_end(conn, bytes);
	}
	conn->tx_bytes = bytes;
	iov_iter_bvec(&conn->tx_iter, ITER_SOURCE, conn->tx_bvecs, nr, bytes);
	return bytes;
}

/* What the socket has taken whole may be acked from now on. */
static void mark_sent(struct pb_conn *conn)
{
	u32 taken = conn->tx_bytes - iov_iter_count(&conn->tx_iter);
	int i;

	lockdep_assert_held(&conn->tx_mutex);
	for (i = 0; i < conn->tx_nr_ends; i++) {
		if (conn->tx_ends[i].offset > taken)
			break;
		if (!conn->tx_ends[i].seq)
			continue;
		if (conn->tx_flags == MSG_ZEROCOPY)
			pb_conn_note_shared(conn, conn->tx_ends[i].seq);
		/* Who sees this sees what was noted. */
		smp_store_release(&conn->tx_sent, conn->tx_ends[i].seq);
		pb_crash_point(conn->cfg.upstream ? PB_CRASH_ACK_SENT :
						    PB_CRASH_REQUEST_SENT);
	}
}

static int send_some(struct pb_conn *conn)
{
	struct msghdr msg = {
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | conn->tx_flags,
		.msg_iter = conn->tx_iter,
	};
	unsigned int noio;
	int ret;

	if (conn->tx_flags == MSG_ZEROCOPY)
		msg.msg_ubuf = &conn->tx_pages;
	noio = memalloc_noio_save();
	ret = sock_sendmsg(conn->sock, &msg);
	memalloc_noio_restore(noio);
	conn->tx_iter = msg.msg_iter;
	if (ret <= 0)
		return ret ? ret : -EAGAIN;
	mark_sent(conn);
	pb_stat_inc(conn->cfg.stats, PB_CNT_TX_SENDS);
	pb_stat_add(conn->cfg.stats, PB_CNT_TX_BYTES, ret);
	if (conn->tx_flags == MSG_ZEROCOPY)
		pb_stat_add(conn->cfg.stats, PB_CNT_TX_SHARED, ret);
	WRITE_ONCE(conn->last_tx, jiffies);
	return ret;
}

static bool unfinished(struct pb_conn *conn)
{
	lockdep_assert_held(&conn->tx_mutex);
	return iov_iter_count(&conn->tx_iter) || conn->tx_item.bio;
}

void pb_conn_release(struct pb_conn *conn)
{
	void *hold = conn->tx_hold;

	lockdep_assert_held(&conn->tx_mutex);
	conn->tx_hold = NULL;
	if (hold)
		conn->cfg.ops->release(conn, hold);
}

/*
 * Sends until there is nothing left (0), no room (-EAGAIN), enough for one
 * context (-EINTR: the worker goes on), or an error.
 */
static int tx_run(struct pb_conn *conn)
{
	int budget = TX_BUDGET;
	int ret;

	lockdep_assert_held(&conn->tx_mutex);
	while (budget--) {
		if (READ_ONCE(conn->state) == PB_LINK_CLOSING)
			return 0;
		if (unlikely(conn->tx_hold) && !unfinished(conn))
			pb_conn_release(conn);
		if (!iov_iter_count(&conn->tx_iter) && !gather(conn))
			return 0;
		ret = send_some(conn);
		if (ret == -EAGAIN)
			pb_stat_inc(conn->cfg.stats, PB_CNT_TX_FULL);
		/* A signal of the bio's task, with kernel TLS: not an error. */
		if (ret == -ERESTARTSYS)
			return -EINTR;
		if (ret < 0)
			return ret;
	}
	return -EINTR;
}

/*
 * Lets the mutex go after something other than sending.  Whoever failed to get
 * it meanwhile relies on the holder to send, so pass that on.
 */
static void unlock_and_pass_on(struct pb_conn *conn)
{
	bool more = unfinished(conn);

	mutex_unlock(&conn->tx_mutex);
	smp_mb();	/* as in finish_turn() */
	if (more || has_tx(conn))
		pb_conn_kick_later(conn);
}

/* Ends a turn of sending; true if there is more to send at once. */
static bool finish_turn(struct pb_conn *conn, int ret)
{
	lockdep_assert_held(&conn->tx_mutex);
	/*
	 * Not after the mutex is let go: pb_conn_close() takes it once before
	 * it cancels the work, and nobody may queue it after that.
	 */
	if (ret == -EINTR)
		pb_conn_kick_later(conn);
	mutex_unlock(&conn->tx_mutex);
	if (ret == -EAGAIN || ret == -EINTR)
		return false;
	if (ret < 0) {
		pb_conn_fail(conn, PB_BYE_NONE, true,
			     "sending failed: error %d", -ret);
		return false;
	}
	/* Pairs with pb_conn_want(): who finds the mutex taken is seen here. */
	smp_mb();
	return has_tx(conn);
}

void pb_conn_kick(struct pb_conn *conn)
{
	do {
		if (!mutex_trylock(&conn->tx_mutex))
			return;
	} while (finish_turn(conn, tx_run(conn)));
}

/*
 * The worker waits for the mutex: the socket's word that there is room may
 * come while the one that found it full still holds it.
 */
void pb_conn_tx_work(struct work_struct *work)
{
	struct pb_conn *conn = container_of(work, struct pb_conn, tx_work);

	pb_stat_inc(conn->cfg.stats, PB_CNT_TX_HANDOVERS);
	do {
		mutex_lock(&conn->tx_mutex);
	} while (finish_turn(conn, tx_run(conn)));
}

u64 pb_conn_sent(struct pb_conn *conn, u64 seq)
{
	/* Pairs with mark_sent(). */
	u64 sent = smp_load_acquire(&conn->tx_sent);

	if (seq > sent) {
		mutex_lock(&conn->tx_mutex);
		sent = conn->tx_sent;
		unlock_and_pass_on(conn);
	}
	return pb_conn_may_ack(conn, sent);
}

/*
 * The last words, if the stream is at a message's end and the socket has room.
 * A peer that does not get them sees the connection close.
 */
void pb_conn_say_bye(struct pb_conn *conn, enum pb_bye bye)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct pb_msg words = { .type = PB_WIRE_BYE, .status = bye };
	struct pb_wire_hdr *hdr = conn->tx_hdrs;
	struct kvec kvec = { .iov_base = hdr, .iov_len = sizeof(*hdr) };

	mutex_lock(&conn->tx_mutex);
	if (bye != PB_BYE_NONE && !unfinished(conn)) {
		pack_header(conn, &words, hdr);
		kernel_sendmsg(conn->sock, &msg, &kvec, 1, sizeof(*hdr));
	}
	mutex_unlock(&conn->tx_mutex);
}
