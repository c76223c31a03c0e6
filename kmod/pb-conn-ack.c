// SPDX-License-Identifier: GPL-2.0
/*
 * Acks taken where they arrive: in the soft interrupt, or in whoever lets the
 * socket's lock go.  Nobody has to be woken then but who waits for the write.
 *
 * That is for an ack that is whole and as expected, when the receiving worker
 * has nothing left of what came before it.  Everything else stays in the socket
 * for the worker, which judges it anew.
 */
#include <linux/module.h>
#include <linux/skbuff.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "pb-conn.h"

/* In a row: whoever has more to say than that does not keep a CPU from all else. */
#define AT_ONCE	16

/* Kernel TLS reads the socket itself. */
static bool may_take(struct pb_conn *conn)
{
	lockdep_assert_held(&conn->rx_lock);
	return !conn->rx_busy && pb_conn_up(conn) && !pb_conn_rx_begun(conn) &&
	       !inet_csk(conn->sock->sk)->icsk_ulp_ops &&
	       conn->cfg.ops->takes_acks(conn);
}

/*
 * The first message in the socket: its length if it was taken, else 0, and then
 * nothing has changed.
 */
static int take_ack(read_descriptor_t *desc, struct sk_buff *skb,
		    unsigned int offset, size_t len)
{
	struct pb_conn *conn = desc->arg.data;
	struct pb_wire_hdr hdr;
	struct pb_msg msg;
	const char *why;

	lockdep_assert_held(&conn->rx_lock);
	if (!desc->count || len < sizeof(hdr) ||
	    skb_copy_bits(skb, offset, &hdr, sizeof(hdr)))
		return 0;
	if (pb_codec_unpack(&hdr, &conn->cfg.bounds, &msg, &why) ||
	    msg.type != PB_WIRE_ACK)
		return 0;
	/* What overtook the sender's bookkeeping has to wait for the sender. */
	conn->expect.sent_seq =
		/* Pairs with mark_sent(). */
		pb_conn_may_ack(conn, smp_load_acquire(&conn->tx_sent));
	if (pb_codec_admit(&msg, &conn->expect, &why) ||
	    !pb_conn_note_header(conn, &msg) ||
	    conn->cfg.ops->acked(conn, &msg))
		return 0;
	pb_stat_inc(conn->cfg.stats, PB_CNT_RX_MESSAGES);
	pb_stat_inc(conn->cfg.stats, PB_CNT_ACKS_AT_ONCE);
	pb_stat_add(conn->cfg.stats, PB_CNT_RX_BYTES, sizeof(hdr));
	WRITE_ONCE(conn->last_rx, jiffies);
	desc->count--;
	return sizeof(hdr);
}

/* Whoever calls it holds the socket's lock. */
static void on_data_ready(struct sock *sk)
{
	void (*ready)(struct sock *sk) = NULL;
	read_descriptor_t desc = { .count = AT_ONCE };
	struct pb_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = __locked_read_sk_user_data_with_flags(sk, SK_USER_DATA_NOCOPY);
	if (conn) {
		desc.arg.data = conn;
		spin_lock(&conn->rx_lock);
		if (may_take(conn))
			tcp_read_sock(sk, &desc, take_ack);
		spin_unlock(&conn->rx_lock);
		if (!pb_conn_is_drained(sk))
			ready = conn->data_ready;
	}
	read_unlock_bh(&sk->sk_callback_lock);
	if (ready)
		ready(sk);
}

/*
 * Where sk_user_data is taken, so is the callback, and a BPF sockmap would call
 * ours without the socket's lock; while it is ours there can be none.  A socket
 * that is cloned from this one gets no pointer.
 */
void pb_conn_ack_start(struct pb_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	if (conn->cfg.upstream)
		return;
	write_lock_bh(&sk->sk_callback_lock);
	if (!sk->sk_user_data && !inet_csk(sk)->icsk_ulp_ops) {
		conn->data_ready = sk->sk_data_ready;
		__rcu_assign_sk_user_data_with_flags(sk, conn,
						     SK_USER_DATA_NOCOPY);
		WRITE_ONCE(sk->sk_data_ready, on_data_ready);
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

/*
 * Whoever has put a callback before ours since may call ours for as long as the
 * socket lives: then the module has to stay.
 */
void pb_conn_ack_stop(struct pb_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	if (!conn->data_ready)
		return;
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_data_ready == on_data_ready)
		WRITE_ONCE(sk->sk_data_ready, conn->data_ready);
	else
		__module_get(THIS_MODULE);
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}
