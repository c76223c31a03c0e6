// SPDX-License-Identifier: GPL-2.0
/*
 * A large payload goes out from its own pages: TCP refers to them and does not
 * copy, as for MSG_ZEROCOPY of user space.
 *
 * TCP looks at them again to send again, and a device until it has sent them.
 * Both may go on after the write has ended and its pages have other contents.
 *
 *   acked      the peer has it all, so what is sent again it drops unread
 *   not acked  as long as the connection is there no write ends; and the close
 *              waits until nobody refers to a page any more.  So nothing of what
 *              the pages have later reaches the peer
 *
 * Payloads that are not kept for their ack are copied, and so is what the slab
 * allocator owns, which must not be referred to.
 */
#include <linux/net.h>
#include <net/inet_connection_sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "pb-conn.h"

/* Below, a copy costs less than a send of its own. */
#define SHARED_BYTES	(64U << 10)

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
	refcount_set(&conn->tx_pages.refcnt, 1);
	conn->tx_pages.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
	pb_compat_ubuf_ops(&conn->tx_pages, &pages_ops);
}

static bool may_refer_to(const struct pb_tx_item *item)
{
	struct bvec_iter iter = item->iter;
	struct bio_vec bv;

	for (; iter.bi_size; bio_advance_iter_single(item->bio, &iter, bv.bv_len)) {
		bv = bio_iter_iovec(item->bio, iter);
		if (!sendpage_ok(bv.bv_page))
			return false;
	}
	return true;
}

/* Kernel TLS encrypts into pages of its own. */
bool pb_conn_shares(struct pb_conn *conn, const struct pb_tx_item *item)
{
	lockdep_assert_held(&conn->tx_mutex);
	return item->bio && item->iter.bi_size >= SHARED_BYTES && !item->hold &&
	       !inet_csk(conn->sock->sk)->icsk_ulp_ops && may_refer_to(item);
}

/*
 * Nobody sends any more.  What TCP has not sent, or what is not acked, it gives
 * up; what a device has, that sends.
 */
void pb_conn_pages_end(struct pb_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	if (refcount_read(&conn->tx_pages.refcnt) > 1 &&
	    READ_ONCE(sk->sk_state) != TCP_CLOSE)
		tcp_abort(sk, ECONNABORTED);
	let_go(NULL, &conn->tx_pages, true);
	wait_for_completion(&conn->tx_let_go);
}
