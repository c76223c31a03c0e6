/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A connection to one neighbour: a socket that somebody connected, the
 * messages on it, and the watch over the peer's silence.
 *
 *            pb_conn_start()
 *                  |
 *              [ HELLO ] -- hello accepted --> [ UP ]
 *                  |                             |
 *                  +---- refused, broken, -------+
 *                  |     silent, closed          |
 *                  v                             v
 *              [ CLOSING ] -- pb_conn_close() --> freed with the last reference
 *
 * The predecessor speaks first; the successor answers with its own hello only
 * after it has accepted the other.  What the messages mean is the owner's
 * business, behind struct pb_conn_ops.
 */
#ifndef PB_CONN_H
#define PB_CONN_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pb-codec.h"
#include "pb-stats.h"

struct pb_conn;

/**
 * struct pb_tx_item - a message to send and its payload
 * @msg: the header; view, from, stamp and echo are filled in by the connection
 * @bio: payload, or NULL
 * @iter: what of @bio
 * @hold: if not NULL, given back by ops->release() when the payload is not
 *	looked at any more
 */
struct pb_tx_item {
	struct pb_msg		msg;
	struct bio		*bio;
	struct bvec_iter	iter;
	void			*hold;
};

/**
 * struct pb_conn_ops - what the owner does with a connection
 * @hello: say our hello (predecessor: at the start; successor: on accept)
 * @accept: judge the peer's hello; on PB_BYE_NONE the connection is up and
 *	@conn->expect is set.  May sleep.
 * @next: the next message to send, under the tx mutex
 * @has_next: is there one?
 * @receive: an admitted message; for one with a payload, set up @conn->rx_iter
 *	of @data_len bytes, a bvec.  -EAGAIN: no memory now, pb_conn_unpause() comes
 *	later and the message is offered again.  Other errors end the connection.
 * @received: the payload is complete
 * @takes_acks: may an ack be taken where it arrives, by @acked?
 * @acked: as @receive, of an ack, but nothing is sent: the sending worker does
 *	that.  After an error nothing is acked, and @receive comes
 * @release: the socket has taken a payload that was to be held, or never will
 * @tell: what a keepalive tells the peer: before which sequence number all is
 *	done, or 0
 * @told: what one has told
 * @answered: the successor brings a stamp of ours back, not before its hello is
 *	accepted
 * @down: the connection has begun to close; queue the teardown, do not sleep
 *
 * All in process context, from this connection's own works, but for @next,
 * @has_next, @release and @tell, which also run in the context of a bio, @down, which
 * may, and @takes_acks and @acked, which run where the socket's lock is held, in a soft
 * interrupt or not.  So may @answered.
 */
struct pb_conn_ops {
	void (*hello)(struct pb_conn *conn, struct pb_hello *hello);
	enum pb_bye (*accept)(struct pb_conn *conn, const struct pb_msg *msg,
			      const struct pb_hello *peer);
	bool (*next)(struct pb_conn *conn, struct pb_tx_item *item);
	bool (*has_next)(struct pb_conn *conn);
	int (*receive)(struct pb_conn *conn, const struct pb_msg *msg);
	int (*received)(struct pb_conn *conn, const struct pb_msg *msg);
	bool (*takes_acks)(struct pb_conn *conn);
	int (*acked)(struct pb_conn *conn, const struct pb_msg *msg);
	void (*release)(struct pb_conn *conn, void *hold);
	u64 (*tell)(struct pb_conn *conn);
	void (*told)(struct pb_conn *conn, u64 before);
	void (*answered)(struct pb_conn *conn, u64 echo);
	void (*down)(struct pb_conn *conn);
};

/* Messages and segments that one send may gather. */
#define PB_TX_HDRS	32
#define PB_TX_BVECS	320

/* Bytes that a receive may bring beyond what is wanted, and its segments. */
#define PB_RX_AHEAD	512
#define PB_RX_BVECS	33

/**
 * struct pb_tx_end - where a gathered message ends
 * @seq: its sequence number, 0 if it has none
 * @offset: of its end in the gathered bytes
 */
struct pb_tx_end {
	u64	seq;
	u32	offset;
};

/**
 * struct pb_tx_shared - a payload that goes out from its own pages
 * @seq: of its message
 * @end: TCP's number of the byte after it
 */
struct pb_tx_shared {
	u64	seq;
	u32	end;
};

/* More of them than what a successor takes in; those beyond would be copied. */
#define PB_TX_SHARED	512

/**
 * struct pb_conn_config - how to set a connection up
 * @ops: the owner's
 * @owner: for @ops
 * @wq: WQ_MEM_RECLAIM workqueue
 * @stats: the volume's counters
 * @bounds: what a message may address
 * @view: the view that it serves
 * @self: own index in it
 * @peer_index: the peer's
 * @peer: the peer's replica UUID
 * @upstream: the peer is our predecessor
 * @keepalive_ms: say something at least this often
 * @timeout_ms: give a silent peer up after this
 * @dev: for tracepoints
 */
struct pb_conn_config {
	const struct pb_conn_ops	*ops;
	void				*owner;
	struct workqueue_struct		*wq;
	struct pb_stats __percpu	*stats;
	struct pb_bounds		bounds;
	u64				view;
	u8				self;
	u8				peer_index;
	u8				peer[PB_UUID_LEN];
	bool				upstream;
	u32				keepalive_ms;
	u32				timeout_ms;
	u32				dev;
};

/**
 * struct pb_conn - one connection
 * @ref: the owner, the path while up, senders for the time of a send
 * @cfg: as given
 * @sock: the socket; a reference of ours until pb_conn_close()
 * @wait: our place on the socket's wait queue
 * @rx_work: takes what has arrived
 * @tx_work: sends what a bio's own context could not
 * @idle_work: has @tx_work send what a bio's own context has left to gather
 * @watch_work: keepalives, and the watch over silence
 * @state_lock: guards @state, @bye, @bye_ours and @reason
 * @state: enum pb_link_state
 * @bye: enum pb_bye: why it closes
 * @bye_ours: we said it, not the peer
 * @reason: the same in words
 * @tx_mutex: held by whoever sends; guards the tx_* fields
 * @tx_item: message whose payload is not yet gathered whole
 * @tx_hold: of the message gathered last
 * @tx_iter: what is left of the gathered bytes
 * @tx_hdrs: headers of the gathered messages
 * @tx_bvecs: segments of the gathered messages
 * @tx_hello: payload of our hello
 * @tx_ends: where the gathered messages end
 * @tx_nr_ends: how many of them
 * @tx_bytes: gathered bytes
 * @tx_flags: MSG_MORE: the payload of the last one comes in a send of its own;
 *	MSG_ZEROCOPY: that is what was gathered
 * @tx_sent: highest sequence number handed to the socket whole; also read
 *	without the mutex
 * @tx_want: PB_TX_WANT_* control messages to send (bits)
 * @tx_shared: those that TCP may not have brought yet; put by who has @tx_mutex, taken
 *	by the one receiver
 * @tx_pages: counts who refers to pages of payloads, and this connection
 * @tx_let_go: nobody does
 * @data_ready: the socket's own callback, if ours is in its place
 * @rx_lock: guards @rx_busy; and the rx_* fields and @expect while that is not set
 * @rx_busy: they belong to @rx_work
 * @rx_phase: where the receiver is
 * @rx_paused: waiting for pb_conn_unpause()
 * @rx_msg: the message under way
 * @rx_hdr: its header's bytes
 * @rx_hello: a hello's payload
 * @rx_iter: where the next bytes go
 * @rx_bvecs: where a receive puts it, and what comes after it
 * @rx_ahead: what came after it
 * @rx_ahead_at: how much of that was taken
 * @rx_ahead_end: how much there is
 * @expect: what may come; set by the owner on accept
 * @peer_stamp: latest stamp seen from the peer
 * @tx_stamp: latest stamp of ours that a message has
 * @granted: raw time when we granted the latest lease, or 0: with the first message
 *	that brought back
 * @granted_for: this stamp of the peer; guarded by @tx_mutex
 * @lease_ms: how long leases are, 0 for none; set by the owner on accept
 * @last_rx: jiffies of the last byte received
 * @last_tx: jiffies of the last byte sent
 */
struct pb_conn {
	struct kref			ref;
	struct pb_conn_config		cfg;
	struct socket			*sock;
	wait_queue_entry_t		wait;
	struct work_struct		rx_work;
	struct work_struct		tx_work;
	struct kthread_work		idle_work;
	struct delayed_work		watch_work;

	spinlock_t			state_lock;
	enum pb_link_state		state;
	enum pb_bye			bye;
	bool				bye_ours;
	char				reason[PB_REASON_LEN];

	struct mutex			tx_mutex;
	struct pb_tx_item		tx_item;
	void				*tx_hold;
	struct iov_iter			tx_iter;
	struct pb_wire_hdr		*tx_hdrs;
	struct bio_vec			*tx_bvecs;
	struct pb_wire_hello		*tx_hello;
	struct pb_tx_end		tx_ends[PB_TX_HDRS + 1];
	int				tx_nr_ends;
	u32				tx_bytes;
	int				tx_flags;
	u64				tx_sent;
	unsigned long			tx_want;
	DECLARE_KFIFO(tx_shared, struct pb_tx_shared, PB_TX_SHARED);
	struct ubuf_info		tx_pages;
	struct completion		tx_let_go;

	void				(*data_ready)(struct sock *sk);
	spinlock_t			rx_lock;
	bool				rx_busy;
	int				rx_phase;
	bool				rx_paused;
	struct pb_msg			rx_msg;
	struct pb_wire_hdr		rx_hdr;
	struct pb_wire_hello		rx_hello;
	struct kvec			rx_kvec;
	struct iov_iter			rx_iter;
	struct bio_vec			rx_bvecs[PB_RX_BVECS];
	u8				*rx_ahead;
	u32				rx_ahead_at;
	u32				rx_ahead_end;
	struct pb_expect		expect;
	atomic64_t			peer_stamp;
	atomic64_t			tx_stamp;
	atomic64_t			granted;
	u64				granted_for;
	u32				lease_ms;
	unsigned long			last_rx;
	unsigned long			last_tx;
};

/**
 * pb_conn_take_socket() - get a socket from a file descriptor
 * @fd: of the calling process
 * @sockp: set on success; a reference
 *
 * Return: 0, -EBADF, -ENOTSOCK, -EPROTONOSUPPORT, -ENOTCONN.
 */
int pb_conn_take_socket(int fd, struct socket **sockp);

/**
 * pb_conn_create() - a connection on a socket, not yet started
 * @cfg: how
 * @sock: from pb_conn_take_socket(); the connection takes the reference over
 *
 * Return: the connection, or ERR_PTR(-ENOMEM or -EBUSY), and the caller keeps
 * the reference to @sock.
 */
struct pb_conn *pb_conn_create(const struct pb_conn_config *cfg,
			       struct socket *sock);

/**
 * pb_conn_grow() - messages may address more from now on
 * @conn: the connection
 * @sectors: size of the room
 */
static inline void pb_conn_grow(struct pb_conn *conn, u64 sectors)
{
	WRITE_ONCE(conn->cfg.bounds.data_sectors, sectors);
}

/**
 * pb_conn_start() - begin: listen to the socket, say hello if it is our turn
 * @conn: just created
 */
void pb_conn_start(struct pb_conn *conn);

/**
 * pb_conn_close() - end a connection, for the owner
 * @conn: in PB_LINK_CLOSING, by pb_conn_fail(); never from one of its own works
 *
 * Tells the peer why, if it was us who began.  When this returns, no work of the
 * connection runs, no sender is in a socket call, and no callback will come.
 * Drops the owner's reference.
 *
 * Context: process, waits for works.
 */
void pb_conn_close(struct pb_conn *conn);

/**
 * pb_conn_fail() - begin to close, from wherever it was noticed
 * @conn: any state; only the first reason counts
 * @bye: why
 * @ours: we found it, not the peer
 * @fmt: why, in words
 *
 * Context: process.
 */
__printf(4, 5)
void pb_conn_fail(struct pb_conn *conn, enum pb_bye bye, bool ours,
		  const char *fmt, ...);

/**
 * pb_conn_kick() - there is something to send: send it from this context
 * @conn: the caller has a reference
 *
 * If another context is sending, it sends ours too.  Never waits for room in
 * the socket: the worker goes on when there is some.
 *
 * Context: process.
 */
void pb_conn_kick(struct pb_conn *conn);

#define PB_TX_WANT_HELLO	0
#define PB_TX_WANT_KEEPALIVE	1
#define PB_TX_WANT_ASK		2	/* a keepalive that wants an answer at once */

/**
 * pb_conn_want() - what is to be said next
 * @conn: the caller kicks it
 * @what: PB_TX_WANT_*
 *
 * Context: any.
 */
void pb_conn_want(struct pb_conn *conn, int what);

/**
 * pb_conn_kick_later() - there is something to send: let the worker send it
 * @conn: the caller has a reference or holds off pb_conn_close()
 *
 * Context: any.
 */
void pb_conn_kick_later(struct pb_conn *conn);

/**
 * pb_conn_kick_idle() - there is something to send, with what may come yet
 * @conn: the caller has a reference, and gives it away
 *
 * It is sent when a CPU has nothing better to do, or with the next kick.
 *
 * Context: any.
 */
void pb_conn_kick_idle(struct pb_conn *conn);

/**
 * pb_conn_unpause() - the owner has memory again
 * @conn: the caller has a reference or holds off pb_conn_close()
 *
 * Context: any.
 */
void pb_conn_unpause(struct pb_conn *conn);

/**
 * pb_conn_sent() - up to which sequence number acks may come
 * @conn: the connection
 * @seq: what an ack claims
 *
 * That was handed to the socket whole, and if it went out from its own pages the
 * peer's TCP has it.  An ack can overtake the sender's own bookkeeping; if @seq is
 * not yet marked as sent, this waits for a send under way to end before it answers.
 *
 * Context: process, of the one receiver.
 */
u64 pb_conn_sent(struct pb_conn *conn, u64 seq);

/**
 * pb_conn_get() - take a reference
 * @conn: the caller has one, or a lock that keeps one alive
 */
static inline struct pb_conn *pb_conn_get(struct pb_conn *conn)
{
	kref_get(&conn->ref);
	return conn;
}

/**
 * pb_conn_put() - drop a reference
 * @conn: may be NULL
 */
void pb_conn_put(struct pb_conn *conn);

/* Between the files of the connection. */
bool pb_conn_up(struct pb_conn *conn);
bool pb_conn_set_up(struct pb_conn *conn);
void pb_conn_tx_work(struct work_struct *work);
void pb_conn_rx_work(struct work_struct *work);
void pb_conn_say_bye(struct pb_conn *conn, enum pb_bye bye);
void pb_conn_release(struct pb_conn *conn);
bool pb_conn_rx_begun(struct pb_conn *conn);
bool pb_conn_is_drained(struct sock *sk);
bool pb_conn_note_header(struct pb_conn *conn, const struct pb_msg *msg);
void pb_conn_ack_start(struct pb_conn *conn);
void pb_conn_ack_stop(struct pb_conn *conn);
void pb_conn_pages_init(struct pb_conn *conn);
void pb_conn_pages_end(struct pb_conn *conn);
bool pb_conn_shares(struct pb_conn *conn, const struct pb_tx_item *item);
void pb_conn_note_shared(struct pb_conn *conn, u64 seq);
u64 pb_conn_may_ack(struct pb_conn *conn, u64 sent);

/**
 * pb_conn_module_init() - once for the module
 *
 * Return: 0, -ENOMEM, -EINTR.
 */
int pb_conn_module_init(void);

/**
 * pb_conn_module_exit() - undo pb_conn_module_init(); no connection is left
 */
void pb_conn_module_exit(void);

#endif /* PB_CONN_H */
