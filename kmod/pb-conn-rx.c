// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving: one worker takes bytes from the socket and steps through
 *
 *   [ HEADER ] -- hello --> [ HELLO ] -- accepted --> [ HEADER ]
 *       |  ^
 *       |  +------ no payload -------+
 *       v                            |
 *   [ OFFER ] -- owner takes it -----+-- payload --> [ DATA ] --> [ HEADER ]
 *       |  ^
 *       +--+ owner has no memory: paused until pb_conn_unpause()
 *
 * It can stop and go on at any byte.  Nothing that a peer says is used before
 * the codec has passed it; what the codec or the owner refuses ends the
 * connection.
 */
#include <linux/blkdev.h>
#include <linux/sched/mm.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "compat.h"
#include "pb-conn.h"

enum rx_phase {
	RX_HEADER,
	RX_HELLO,
	RX_OFFER,
	RX_DATA,
};

/* Messages handled before the worker lets others have the CPU. */
#define RX_BUDGET	64

static void expect_bytes(struct pb_conn *conn, void *buf, size_t len,
			 enum rx_phase phase)
{
	conn->rx_kvec.iov_base = buf;
	conn->rx_kvec.iov_len = len;
	iov_iter_kvec(&conn->rx_iter, ITER_DEST, &conn->rx_kvec, 1, len);
	conn->rx_phase = phase;
}

static void expect_header(struct pb_conn *conn)
{
	expect_bytes(conn, &conn->rx_hdr, sizeof(conn->rx_hdr), RX_HEADER);
}

/*
 * Has the socket nothing for us?  Only a look, but what comes after it wakes us,
 * as does an error.  TLS has a queue of its own, and so has a BPF sockmap.
 */
bool pb_conn_is_drained(struct sock *sk)
{
	return skb_queue_empty_lockless(&sk->sk_receive_queue) &&
	       !(READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN) &&
	       !READ_ONCE(sk->sk_err) && !inet_csk(sk)->icsk_ulp_ops &&
	       !sk_is_readable(sk);
}

/* What was read ahead is first. */
static void take_ahead(struct pb_conn *conn)
{
	conn->rx_ahead_at += copy_to_iter(conn->rx_ahead + conn->rx_ahead_at,
					  conn->rx_ahead_end - conn->rx_ahead_at,
					  &conn->rx_iter);
}

/* Of what is wanted: what goes straight to its place, a payload. */
static size_t straight(const struct pb_conn *conn)
{
	return iov_iter_is_bvec(&conn->rx_iter) ?
	       iov_iter_count(&conn->rx_iter) : 0;
}

/*
 * One call for what is wanted and what comes after it: a header is read with
 * the beginning of its payload, a payload with the header of the next message.
 */
static void aim(struct pb_conn *conn, struct iov_iter *iter)
{
	size_t len = straight(conn), skip = 0;
	int nr = 0;

	*iter = conn->rx_iter;
	if (len) {
		nr = iter->nr_segs;
		skip = iter->iov_offset;
		if (nr >= PB_RX_BVECS)
			return;
		memcpy(conn->rx_bvecs, iter->bvec, nr * sizeof(*iter->bvec));
	}
	bvec_set_virt(&conn->rx_bvecs[nr], conn->rx_ahead, PB_RX_AHEAD);
	iov_iter_bvec(iter, ITER_DEST, conn->rx_bvecs, nr + 1,
		      skip + len + PB_RX_AHEAD);
	iov_iter_advance(iter, skip);
}

static int receive(struct pb_conn *conn)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	unsigned int noio;
	int ret;

	aim(conn, &msg.msg_iter);
	noio = memalloc_noio_save();
	ret = sock_recvmsg(conn->sock, &msg, msg.msg_flags);
	memalloc_noio_restore(noio);
	if (ret <= 0)
		return ret ? ret : -ECONNRESET;
	pb_stat_inc(conn->cfg.stats, PB_CNT_RX_CALLS);
	pb_stat_add(conn->cfg.stats, PB_CNT_RX_BYTES, ret);
	WRITE_ONCE(conn->last_rx, jiffies);
	return ret;
}

/* Fills rx_iter as far as it goes: 0 when full, -EAGAIN, or an error. */
static int fill(struct pb_conn *conn)
{
	size_t len;
	int ret;

	take_ahead(conn);
	while (iov_iter_count(&conn->rx_iter)) {
		if (pb_conn_is_drained(conn->sock->sk))
			return -EAGAIN;
		ret = receive(conn);
		if (ret < 0)
			return ret;
		len = min_t(size_t, ret, straight(conn));
		iov_iter_advance(&conn->rx_iter, len);
		conn->rx_ahead_at = 0;
		conn->rx_ahead_end = ret - len;
		take_ahead(conn);
	}
	return 0;
}

static int refuse(struct pb_conn *conn, enum pb_bye bye, const char *why)
{
	pb_stat_inc(conn->cfg.stats, PB_CNT_RX_REFUSED);
	pb_conn_fail(conn, bye, true, "%s", why);
	return -ECONNABORTED;
}

static int take_bye(struct pb_conn *conn, const struct pb_msg *msg)
{
	pb_conn_fail(conn, msg->status, false, "the peer said: %s",
		     pb_bye_text(msg->status));
	return -ECONNABORTED;
}

/* That it is answered says who our successor is; the hello's is for the owner. */
static void take_echo(struct pb_conn *conn, const struct pb_msg *msg)
{
	if (!conn->cfg.upstream && conn->expect.hello_done && msg->echo &&
	    msg->type != PB_WIRE_BYE)
		conn->cfg.ops->answered(conn, msg->echo);
}

bool pb_conn_note_header(struct pb_conn *conn, const struct pb_msg *msg)
{
	if (!conn->cfg.upstream && msg->echo > atomic64_read(&conn->tx_stamp))
		return false;
	atomic64_set(&conn->peer_stamp, msg->stamp);
	take_echo(conn, msg);
	return true;
}

static void take_keepalive(struct pb_conn *conn, const struct pb_msg *msg)
{
	conn->cfg.ops->told(conn, msg->sector);
	expect_header(conn);
	if (!(msg->flags & PB_WIRE_ASK))
		return;
	pb_conn_want(conn, PB_TX_WANT_KEEPALIVE);
	pb_conn_kick(conn);
}

/* A header is complete. */
static int take_header(struct pb_conn *conn)
{
	struct pb_msg *msg = &conn->rx_msg;
	const char *why = NULL;
	int ret;

	ret = pb_codec_unpack(&conn->rx_hdr, &conn->cfg.bounds, msg, &why);
	if (ret)
		return refuse(conn, PB_BYE_PROTOCOL, why);
	if (!conn->cfg.upstream && msg->type == PB_WIRE_ACK)
		conn->expect.sent_seq =
			pb_conn_sent(conn, msg->seq + msg->count - 1);
	else if (!conn->cfg.upstream && msg->type == PB_WIRE_DATA)
		conn->expect.sent_seq = pb_conn_sent(conn, msg->seq);
	ret = pb_codec_admit(msg, &conn->expect, &why);
	if (ret)
		return refuse(conn, PB_BYE_PROTOCOL, why);
	pb_stat_inc(conn->cfg.stats, PB_CNT_RX_MESSAGES);
	if (!pb_conn_note_header(conn, msg))
		return refuse(conn, PB_BYE_PROTOCOL,
			      "an echo of what was never sent");
	switch (msg->type) {
	case PB_WIRE_HELLO:
		expect_bytes(conn, &conn->rx_hello, sizeof(conn->rx_hello),
			     RX_HELLO);
		return 0;
	case PB_WIRE_BYE:
		return take_bye(conn, msg);
	case PB_WIRE_KEEPALIVE:
		take_keepalive(conn, msg);
		return 0;
	default:
		conn->rx_phase = RX_OFFER;
		return 0;
	}
}

static int take_hello(struct pb_conn *conn)
{
	struct pb_hello hello;
	const char *why = NULL;
	enum pb_bye bye;

	if (pb_hello_unpack(&conn->rx_hello, &hello, &why))
		return refuse(conn, PB_BYE_PROTOCOL, why);
	bye = conn->cfg.ops->accept(conn, &conn->rx_msg, &hello);
	if (bye != PB_BYE_NONE)
		return refuse(conn, bye, pb_bye_text(bye));
	conn->expect.hello_done = true;
	expect_header(conn);
	/* As often as the two have agreed on, from now on. */
	mod_delayed_work(conn->cfg.wq, &conn->watch_work, 1);
	return 0;
}

static int offer(struct pb_conn *conn)
{
	struct pb_msg *msg = &conn->rx_msg;
	int ret;

	WRITE_ONCE(conn->rx_paused, true);
	ret = conn->cfg.ops->receive(conn, msg);
	if (ret == -EAGAIN) {
		pb_stat_inc(conn->cfg.stats, PB_CNT_RX_THROTTLED);
		return ret;
	}
	WRITE_ONCE(conn->rx_paused, false);
	if (ret == -EIO)
		return refuse(conn, PB_BYE_DISK_FAILED,
			      pb_bye_text(PB_BYE_DISK_FAILED));
	if (ret)
		return refuse(conn, PB_BYE_PROTOCOL,
			      "a message that does not fit what went before");
	if (conn->cfg.upstream)
		conn->expect.next_seq = msg->seq + 1;
	if (msg->data_len)
		conn->rx_phase = RX_DATA;
	else
		expect_header(conn);
	return 0;
}

static int take_data(struct pb_conn *conn)
{
	int ret = conn->cfg.ops->received(conn, &conn->rx_msg);

	if (!ret)
		expect_header(conn);
	return ret;
}

static int step(struct pb_conn *conn)
{
	int ret;

	if (conn->rx_phase == RX_OFFER)
		return offer(conn);
	ret = fill(conn);
	if (ret)
		return ret;
	switch (conn->rx_phase) {
	case RX_HEADER:
		return take_header(conn);
	case RX_HELLO:
		return take_hello(conn);
	default:
		return take_data(conn);
	}
}

bool pb_conn_rx_begun(struct pb_conn *conn)
{
	lockdep_assert_held(&conn->rx_lock);
	return conn->rx_phase != RX_HEADER ||
	       iov_iter_count(&conn->rx_iter) != sizeof(conn->rx_hdr) ||
	       conn->rx_ahead_at != conn->rx_ahead_end;
}

static void set_busy(struct pb_conn *conn, bool busy)
{
	spin_lock_bh(&conn->rx_lock);
	conn->rx_busy = busy;
	spin_unlock_bh(&conn->rx_lock);
}

void pb_conn_rx_work(struct work_struct *work)
{
	struct pb_conn *conn = container_of(work, struct pb_conn, rx_work);
	unsigned long heard = conn->last_rx;
	int budget = 3 * RX_BUDGET;
	struct blk_plug plug;
	int ret = 0;

	set_busy(conn, true);
	if (!conn->rx_kvec.iov_base)
		expect_header(conn);
	/* What came together goes to the disk together. */
	blk_start_plug(&plug);
	while (budget-- && !ret && READ_ONCE(conn->state) != PB_LINK_CLOSING)
		ret = step(conn);
	blk_finish_plug(&plug);
	set_busy(conn, false);
	/* The disk may have made us wait since: that is not the peer's silence. */
	if (conn->last_rx != heard)
		WRITE_ONCE(conn->last_rx, jiffies);
	if (!ret && READ_ONCE(conn->state) != PB_LINK_CLOSING)
		queue_work(conn->cfg.wq, &conn->rx_work);
	else if (ret == -ECONNRESET)
		pb_conn_fail(conn, PB_BYE_NONE, false,
			     "the peer closed the connection");
	else if (ret && ret != -EAGAIN)
		pb_conn_fail(conn, PB_BYE_NONE, false,
			     "receiving failed: error %d", -ret);
}
