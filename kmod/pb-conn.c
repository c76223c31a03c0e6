// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a connection: a socket is handed in, watched, and given back.
 *
 * The socket stays as its owner prepared it, kernel TLS included.  We sit on its
 * wait queue, as poll() would, and the wake-up only queues a work.  Where the
 * successor's acks come without TLS, its callback for data is replaced, so that
 * most of them need no work: see pb-conn-ack.c.
 *
 * Time-outs, all in watch_work:
 *   keepalive_ms  after the last byte sent: say something; to a successor also
 *                 while it is sent other things.  The lease may want it more
 *                 often
 *   timeout_ms    after the last byte received: the peer is unreachable.  Does
 *                 not run while we ourselves do not read.
 */
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "compat.h"
#include "pb-conn.h"

/* Of all connections: runs when a CPU has nothing better to do. */
static struct kthread_worker *idler;

int pb_conn_take_socket(int fd, struct socket **sockp)
{
	struct socket *sock;
	struct sock *sk;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock)
		return err;
	sk = sock->sk;
	err = -EPROTONOSUPPORT;
	if (sock->type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->sk_family != AF_INET && sk->sk_family != AF_INET6))
		goto out_put;
	err = -ENOTCONN;
	if (sk->sk_state != TCP_ESTABLISHED)
		goto out_put;
	*sockp = sock;
	return 0;

out_put:
	sockfd_put(sock);
	return err;
}

static int on_socket_event(wait_queue_entry_t *wait, unsigned int mode,
			   int sync, void *key)
{
	struct pb_conn *conn = container_of(wait, struct pb_conn, wait);
	__poll_t events = key_to_poll(key);

	if (!events || (events & ~(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)))
		queue_work(conn->cfg.wq, &conn->rx_work);
	if (!events || (events & EPOLLOUT))
		queue_work(conn->cfg.wq, &conn->tx_work);
	return 0;
}

/*
 * Sends come from the context of a bio, maybe one that is freeing memory: the
 * socket must not start I/O for memory, and may use the reserves.
 */
static void prepare_socket(struct socket *sock)
{
	struct sock *sk = sock->sk;

	lock_sock(sk);
	sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	pb_compat_sock_no_task_frag(sk);
	release_sock(sk);
	tcp_sock_set_nodelay(sk);
}

/*
 * A socket serves one connection.  Ours are marked by the reserves they may
 * use; nobody else hands such a socket to user space.
 */
static bool claim_socket(struct socket *sock)
{
	struct sock *sk = sock->sk;
	bool ours;

	lock_sock(sk);
	ours = !sock_flag(sk, SOCK_MEMALLOC);
	if (ours)
		sk_set_memalloc(sk);
	release_sock(sk);
	return ours;
}

static bool silent_for(unsigned long since, u32 ms)
{
	return time_after(jiffies, since + msecs_to_jiffies(ms));
}

/* We hear nothing if we do not listen: that is not the peer's silence. */
static bool we_are_behind(struct pb_conn *conn)
{
	return READ_ONCE(conn->rx_paused) || work_busy(&conn->rx_work);
}

/*
 * This thread only says when.  If it sent by itself it would hold the tx mutex
 * while others have the CPU, and everybody relies on the holder.  It may run
 * after the close: who sees the link up here is before that cancels the work.
 */
static void idle_work(struct kthread_work *work)
{
	struct pb_conn *conn = container_of(work, struct pb_conn, idle_work);

	spin_lock_bh(&conn->state_lock);
	if (conn->state == PB_LINK_UP)
		pb_conn_kick_later(conn);
	spin_unlock_bh(&conn->state_lock);
	pb_conn_put(conn);
}

static void watch_work(struct work_struct *work)
{
	struct pb_conn *conn = container_of(to_delayed_work(work),
					    struct pb_conn, watch_work);
	u32 keepalive = conn->cfg.keepalive_ms;

	if (we_are_behind(conn))
		WRITE_ONCE(conn->last_rx, jiffies);
	if (silent_for(READ_ONCE(conn->last_rx), conn->cfg.timeout_ms)) {
		pb_conn_fail(conn, PB_BYE_SILENT, true,
			     "nothing heard from the peer for %u ms",
			     conn->cfg.timeout_ms);
		return;
	}
	/* What a successor is told it may need, whatever else it is sent. */
	if (pb_conn_up(conn) &&
	    (!conn->cfg.upstream ||
	     silent_for(READ_ONCE(conn->last_tx), keepalive / 2))) {
		pb_conn_want(conn, PB_TX_WANT_KEEPALIVE);
		pb_conn_kick(conn);
	}
	queue_delayed_work(conn->cfg.wq, &conn->watch_work,
			   max(1UL, msecs_to_jiffies(keepalive / 2)));
}

static void free_conn(struct kref *ref)
{
	struct pb_conn *conn = container_of(ref, struct pb_conn, ref);

	kfree(conn->tx_hdrs);
	kvfree(conn->tx_bvecs);
	kfree(conn->tx_hello);
	free_page((unsigned long)conn->rx_ahead);
	kfree(conn);
}

void pb_conn_put(struct pb_conn *conn)
{
	if (conn)
		kref_put(&conn->ref, free_conn);
}

static struct pb_conn *alloc_conn(const struct pb_conn_config *cfg)
{
	struct pb_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!conn)
		return NULL;
	kref_init(&conn->ref);
	conn->cfg = *cfg;
	conn->tx_hdrs = kcalloc(PB_TX_HDRS, sizeof(*conn->tx_hdrs), GFP_KERNEL);
	conn->tx_bvecs = kvcalloc(PB_TX_BVECS, sizeof(*conn->tx_bvecs),
				  GFP_KERNEL);
	conn->tx_hello = kzalloc(sizeof(*conn->tx_hello), GFP_KERNEL);
	/* Kernel TLS decrypts into it, and takes references to its page. */
	conn->rx_ahead = (u8 *)__get_free_page(GFP_KERNEL);
	if (!conn->tx_hdrs || !conn->tx_bvecs || !conn->tx_hello ||
	    !conn->rx_ahead) {
		pb_conn_put(conn);
		return NULL;
	}
	return conn;
}

struct pb_conn *pb_conn_create(const struct pb_conn_config *cfg,
			       struct socket *sock)
{
	struct pb_conn *conn;

	conn = alloc_conn(cfg);
	if (!conn)
		return ERR_PTR(-ENOMEM);
	if (!claim_socket(sock)) {
		pb_conn_put(conn);
		return ERR_PTR(-EBUSY);
	}
	spin_lock_init(&conn->state_lock);
	spin_lock_init(&conn->rx_lock);
	mutex_init(&conn->tx_mutex);
	INIT_WORK(&conn->rx_work, pb_conn_rx_work);
	INIT_WORK(&conn->tx_work, pb_conn_tx_work);
	kthread_init_work(&conn->idle_work, idle_work);
	INIT_DELAYED_WORK(&conn->watch_work, watch_work);
	pb_conn_pages_init(conn);
	init_waitqueue_func_entry(&conn->wait, on_socket_event);
	iov_iter_bvec(&conn->tx_iter, ITER_SOURCE, conn->tx_bvecs, 0, 0);
	conn->state = PB_LINK_HELLO;
	conn->sock = sock;
	conn->last_rx = jiffies;
	conn->last_tx = jiffies;
	conn->expect = (struct pb_expect) {
		.view = cfg->view,
		.from = cfg->peer_index,
		.upstream = cfg->upstream,
	};
	return conn;
}

void pb_conn_start(struct pb_conn *conn)
{
	prepare_socket(conn->sock);
	add_wait_queue(sk_sleep(conn->sock->sk), &conn->wait);
	pb_conn_ack_start(conn);
	if (!conn->cfg.upstream) {
		pb_conn_want(conn, PB_TX_WANT_HELLO);
		queue_work(conn->cfg.wq, &conn->tx_work);
	}
	/* Bytes may have arrived before we began to listen. */
	queue_work(conn->cfg.wq, &conn->rx_work);
	queue_delayed_work(conn->cfg.wq, &conn->watch_work, 1);
}

/*
 * The one place where the state changes; see the drawing in pb-conn.h.
 * Returns false if the edge does not exist: somebody else was first.
 */
static bool change_state(struct pb_conn *conn, enum pb_link_state to)
{
	bool legal = false;

	lockdep_assert_held(&conn->state_lock);
	switch (to) {
	case PB_LINK_UP:
		legal = conn->state == PB_LINK_HELLO;
		break;
	case PB_LINK_CLOSING:
		legal = conn->state == PB_LINK_HELLO ||
			conn->state == PB_LINK_UP;
		break;
	default:
		break;
	}
	if (legal)
		WRITE_ONCE(conn->state, to);
	return legal;
}

bool pb_conn_up(struct pb_conn *conn)
{
	return READ_ONCE(conn->state) == PB_LINK_UP;
}

bool pb_conn_set_up(struct pb_conn *conn)
{
	bool up;

	spin_lock_bh(&conn->state_lock);
	up = change_state(conn, PB_LINK_UP);
	spin_unlock_bh(&conn->state_lock);
	return up;
}

void pb_conn_fail(struct pb_conn *conn, enum pb_bye bye, bool ours,
		  const char *fmt, ...)
{
	va_list args;
	bool first;

	spin_lock_bh(&conn->state_lock);
	first = change_state(conn, PB_LINK_CLOSING);
	if (first) {
		conn->bye = bye;
		conn->bye_ours = ours;
		va_start(args, fmt);
		vsnprintf(conn->reason, sizeof(conn->reason), fmt, args);
		va_end(args);
	}
	spin_unlock_bh(&conn->state_lock);
	if (first)
		conn->cfg.ops->down(conn);
}

void pb_conn_close(struct pb_conn *conn)
{
	/* A sender that comes later sees the state and leaves at once. */
	pb_conn_say_bye(conn, conn->bye_ours ? conn->bye : PB_BYE_NONE);
	pb_conn_ack_stop(conn);
	remove_wait_queue(sk_sleep(conn->sock->sk), &conn->wait);
	/* Takes the socket's lock: who was about to take an ack has left then. */
	kernel_sock_shutdown(conn->sock, SHUT_RDWR);
	cancel_work_sync(&conn->rx_work);
	cancel_work_sync(&conn->tx_work);
	cancel_delayed_work_sync(&conn->watch_work);
	mutex_lock(&conn->tx_mutex);
	pb_conn_release(conn);
	pb_conn_pages_end(conn);
	sk_clear_memalloc(conn->sock->sk);
	sockfd_put(conn->sock);
	conn->sock = NULL;
	mutex_unlock(&conn->tx_mutex);
	pb_conn_put(conn);
}

void pb_conn_kick_later(struct pb_conn *conn)
{
	queue_work(conn->cfg.wq, &conn->tx_work);
}

/* The reference is the work's until it has run; it may run after the close. */
void pb_conn_kick_idle(struct pb_conn *conn)
{
	if (!kthread_queue_work(idler, &conn->idle_work))
		pb_conn_put(conn);
}

void pb_conn_want(struct pb_conn *conn, int what)
{
	set_bit(what, &conn->tx_want);
	/*
	 * Pairs with finish_turn(): either who has the mutex sees it before it
	 * goes, or the kick to come gets the mutex.
	 */
	smp_mb__after_atomic();
}

void pb_conn_unpause(struct pb_conn *conn)
{
	if (READ_ONCE(conn->rx_paused))
		queue_work(conn->cfg.wq, &conn->rx_work);
}

int __init pb_conn_module_init(void)
{
	idler = kthread_run_worker(0, "pb-idle");
	if (IS_ERR(idler))
		return PTR_ERR(idler);
	set_user_nice(idler->task, MAX_NICE);
	return 0;
}

void pb_conn_module_exit(void)
{
	kthread_destroy_worker(idler);
}
