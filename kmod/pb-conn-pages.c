// SPDX-License-Identifier: GPL-2.0
/*
 * A large payload goes out from its own pages: TCP refers to them and does not
 * copy, as for MSG_ZEROCOPY of user space.
 *
 * TCP looks at them again to send again, and a device until it has sent them.
 * Both may go on after the write has ended and its pages have other contents.
 *
 *   acked      the peer has it all, so what is sent again it drops unread: its
 *              TCP has said so too, or else the ack is refused
 *   not acked  as long as the connection is there no write ends; and the close
 *              waits until nobody refers to a page any more.  So nothing of what
 *              the pages have later reaches the peer
 *
 * Payloads that are not kept for their ack are copied, and so is what the slab
 * allocator owns, which must not be referred to.  While TCP looks for a larger MTU
 * all is copied: its probes refer to pages and nobody is told.
 */
#include <linux/jiffies.h>
#include <linux/net.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "pb-conn.h"

/* Below, a copy costs less than a send of its own. */
#define SHARED_BYTES	(64U << 10)
/* TCP accounts for a page for each piece, however small. */
#define PIECE_BYTES	(PAGE_SIZE / 2)
/* For the last words, and what is before them, to reach the peer after all. */
#define GRACE_MS	20
/* How often whoever waits is told for what. */
#define COMPLAIN_MS	5000

static void let_go(struct sk_buff *skb, struct ubuf_info *ubuf, bool unused)
{
	if (refcount_dec_and_test(&ubuf->refcnt))
		complete(&container_of(ubuf, struct pb_conn, tx_pages)->tx_let_go);
}

static const struct ubuf_info_ops pages_ops = {
	.complete = let_go,
};

void pb_conn_pages_init(struct pb_conn *conn)
{
	init_completion(&conn->tx_let_go);
	INIT_KFIFO(conn->tx_shared);
	refcount_set(&conn->tx_pages.refcnt, 1);
	conn->tx_pages.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
	pb_compat_ubuf_ops(&conn->tx_pages, &pages_ops);
}

static bool may_refer_to(const struct pb_tx_item *item)
{
	struct bvec_iter iter = item->iter;
	u32 nr, most;
	struct bio_vec bv;

	most = min_t(u32, PB_TX_BVECS, iter.bi_size / PIECE_BYTES);
	for (nr = 0; iter.bi_size; nr++) {
		bv = bio_iter_iovec(item->bio, iter);
		if (!sendpage_ok(bv.bv_page))
			return false;
		bio_advance_iter_single(item->bio, &iter, bv.bv_len);
	}
	return nr <= most;
}

/* Kernel TLS encrypts into pages of its own. */
bool pb_conn_shares(struct pb_conn *conn, const struct pb_tx_item *item)
{
	const struct inet_connection_sock *icsk = inet_csk(conn->sock->sk);

	lockdep_assert_held(&conn->tx_mutex);
	return item->bio && item->iter.bi_size >= SHARED_BYTES && !item->hold &&
	       !icsk->icsk_ulp_ops && !icsk->icsk_mtup.enabled &&
	       !kfifo_is_full(&conn->tx_shared) && may_refer_to(item);
}

/* The socket has the whole payload, and nothing after it. */
void pb_conn_note_shared(struct pb_conn *conn, u64 seq)
{
	struct pb_tx_shared shared = {
		.seq = seq,
		.end = READ_ONCE(tcp_sk(conn->sock->sk)->write_seq),
	};

	lockdep_assert_held(&conn->tx_mutex);
	WARN_ON_ONCE(!kfifo_put(&conn->tx_shared, shared));
}

/*
 * Of what was @sent up to this number, what may be acked.  The segment that brings
 * an ack says that TCP has the payload, and is looked at for that first.
 */
u64 pb_conn_may_ack(struct pb_conn *conn, u64 sent)
{
	u32 reached = READ_ONCE(tcp_sk(conn->sock->sk)->snd_una);
	struct pb_tx_shared shared;

	while (kfifo_peek(&conn->tx_shared, &shared)) {
		if (after(shared.end, reached))
			return min(sent, shared.seq - 1);
		kfifo_skip(&conn->tx_shared);
	}
	return sent;
}

/*
 * Nobody sends any more.  What TCP has not sent, or what is not acked, it gives
 * up; what a device has, that sends.
 */
void pb_conn_pages_end(struct pb_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	let_go(NULL, &conn->tx_pages, true);
	if (wait_for_completion_timeout(&conn->tx_let_go,
					msecs_to_jiffies(GRACE_MS)))
		return;
	if (READ_ONCE(sk->sk_state) != TCP_CLOSE)
		tcp_abort(sk, ECONNABORTED);
	while (!wait_for_completion_timeout(&conn->tx_let_go,
					    msecs_to_jiffies(COMPLAIN_MS)))
		pr_warn("dm-pb: a connection cannot end: a network device still has pages of writes\n");
}
