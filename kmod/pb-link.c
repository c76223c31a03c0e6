// SPDX-License-Identifier: GPL-2.0
/*
 * The connections of a replica: which neighbour is at the other end, whether
 * the two fit together, and what happens when a connection comes or goes.
 * This is where the path (downstream) and its upstream source meet sockets.
 */
#include <linux/device-mapper.h>
#include <linux/file.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "pb-crash.h"
#include "pb-device.h"

#define DM_MSG_PREFIX "pb"

#define DEFAULT_KEEPALIVE_MS	100
#define DEFAULT_TIMEOUT_MS	2000

static struct pb_side *side_of(struct pb_conn *conn)
{
	return conn->cfg.owner;
}

static void emit(struct pb_side *side, u32 type, int error, const char *text)
{
	struct pb_device *pb = side->pb;

	pb_event_emit(&pb->ioc_dev, type, side->conn ? side->conn->cfg.view :
		      pb->super.view.number, side->member.replica, error,
		      "%s", text);
}

/* What changes from one hello to the next. */
static void complete_hello(struct pb_side *side)
{
	struct pb_device *pb = side->pb;

	if (side->upstream) {
		spin_lock_irq(&pb->apply.lock);
		side->hello.recv_seq = pb->apply.recv_seq;
		side->hello.peer_incarnation = pb->apply.peer_incarnation;
		spin_unlock_irq(&pb->apply.lock);
		side->hello.first_unacked = 1;
	} else {
		side->hello.first_unacked = pb_path_first_unacked(&pb->path);
	}
}

static void own_limits(struct pb_device *pb, struct pb_limits *limits)
{
	struct block_device *bdev = pb->data;

	limits->physical_block = bdev_physical_block_size(bdev);
	limits->io_opt = bdev_io_opt(bdev);
	limits->discard_granularity = bdev_discard_granularity(bdev);
	limits->max_zeroes = bdev_write_zeroes_sectors(bdev);
}

static void all_limits(struct pb_device *pb, struct pb_limits *limits)
{
	const struct pb_side *sides[] = { &pb->up, &pb->down };
	int i;

	own_limits(pb, limits);
	mutex_lock(&pb->ti_mutex);
	for (i = 0; i < ARRAY_SIZE(sides); i++)
		if (sides[i]->limits.physical_block)
			pb_limits_stack(limits, &sides[i]->limits);
	mutex_unlock(&pb->ti_mutex);
}

/*
 * The stricter of both ends.  A discard is offered only where every member can
 * zero without being sent the zeroes: else one of a whole disk would write it.
 */
static void stack_limits(struct queue_limits *limits, const void *arg)
{
	const struct pb_limits *both = arg;
	u32 discard = min_t(u32, both->max_zeroes, PB_WIRE_MAX_ZEROES);

	limits->physical_block_size = max(limits->physical_block_size,
					  both->physical_block);
	limits->io_min = max(limits->io_min, limits->physical_block_size);
	limits->io_opt = both->io_opt;
	limits->discard_granularity = max(both->discard_granularity,
					  limits->physical_block_size);
	limits->max_hw_discard_sectors = discard;
	limits->max_discard_sectors = discard;
}

void pb_link_stack_limits(struct pb_device *pb, struct queue_limits *limits)
{
	struct pb_limits both;

	all_limits(pb, &both);
	stack_limits(limits, &both);
}

/* The neighbours have changed: tell the queue. */
static void update_limits(struct pb_device *pb)
{
	struct pb_limits both;

	lockdep_assert_held(&pb->ctl_mutex);
	all_limits(pb, &both);
	pb_compat_update_limits(pb->disk->queue, stack_limits, &both);
}

static void learn_limits(struct pb_side *side, const struct pb_limits *limits)
{
	struct pb_device *pb = side->pb;

	mutex_lock(&pb->ti_mutex);
	side->limits = *limits;
	mutex_unlock(&pb->ti_mutex);
	WRITE_ONCE(pb->limits_changed, true);
	queue_work(pb->ctl_wq, &pb->link_work);
}

static void op_hello(struct pb_conn *conn, struct pb_hello *hello)
{
	struct pb_side *side = side_of(conn);

	/* A successor's was completed when it accepted the predecessor's. */
	if (!side->upstream)
		complete_hello(side);
	*hello = side->hello;
}

static bool conn_closing(struct pb_conn *conn)
{
	return READ_ONCE(conn->state) == PB_LINK_CLOSING;
}

static bool side_meets(const struct pb_side *side)
{
	u64 meets = READ_ONCE(side->meets);

	return meets && meets != READ_ONCE(side->met);
}

bool pb_link_meets(struct pb_device *pb)
{
	return side_meets(&pb->up) || side_meets(&pb->down);
}

/*
 * The neighbour is in this view.  That is durable before either relies on the
 * other: one that comes back with the data of an older view, of which this is
 * not known, just never entered this one; see map_is_proof().
 */
static enum pb_bye meet(struct pb_side *side, struct pb_conn *conn,
			u64 incarnation)
{
	struct pb_device *pb = side->pb;

	/* An image brought back of a disk that we have seen newer. */
	if (side->must_meet && pb_incarnation_older(incarnation, side->known))
		return PB_BYE_RESTARTED;
	if (side->must_meet && READ_ONCE(side->met) != incarnation) {
		WRITE_ONCE(side->meets, incarnation);
		wake_up_all(&pb->path.idle_wait);
		queue_work(pb->ctl_wq, &pb->link_work);
		wait_event(pb->met_wait,
			   READ_ONCE(side->met) == incarnation ||
			   conn_closing(conn));
	}
	return conn_closing(conn) ? PB_BYE_DISCONNECT : PB_BYE_NONE;
}

/*
 * A backup that was brought up to date in this view relies on its primary as one
 * that the view lists as synced.
 */
static void prepare_meeting(struct pb_side *side)
{
	const struct pb_super *super = &side->pb->super;
	const struct pb_member *self = &super->view.members[side->pb->index];
	bool before = !memcmp(super->met_replica, side->member.replica,
			      PB_UUID_LEN);

	if (side->upstream)
		side->must_meet = super->replica_state == PB_REPLICA_SYNCED;
	else
		side->must_meet = side->member.flags & self->flags &
				  PB_MEMBER_SYNCED;
	side->known = before ? super->met_incarnation : 0;
	side->met = super->met_view == super->view.number ? side->known : 0;
	side->meets = 0;
}

/* If it fails the replica stops, and that closes the connection. */
static void store_met(struct pb_side *side)
{
	struct pb_device *pb = side->pb;
	struct pb_super super = pb->super;
	u64 incarnation = READ_ONCE(side->meets);

	if (!side->conn || !side_meets(side) || pb->role == PB_ROLE_FAILED)
		return;
	pb_durable_meet(&super, side->member.replica, incarnation);
	if (pb_device_store(pb, &super))
		return;
	pb_crash_point(PB_CRASH_MET);
	WRITE_ONCE(side->met, incarnation);
	wake_up_all(&pb->met_wait);
}

void pb_link_meet(struct pb_device *pb)
{
	lockdep_assert_held(&pb->ctl_mutex);
	store_met(&pb->up);
	store_met(&pb->down);
}

/* The predecessor's hello fits: our stream goes on from @resume. */
static enum pb_bye accept_upstream(struct pb_side *side, struct pb_conn *conn,
				   const struct pb_hello *peer)
{
	struct pb_device *pb = side->pb;
	enum pb_bye bye;
	u64 resume;

	/*
	 * What an earlier connection brought must be done before this one
	 * says how far we are: then all up to recv_seq is done.
	 */
	wait_event(pb->apply.drained,
		   pb_apply_idle(&pb->apply) || conn_closing(conn));
	if (conn_closing(conn))
		return PB_BYE_DISCONNECT;
	if (READ_ONCE(pb->disk_failed))
		return PB_BYE_DISK_FAILED;
	bye = meet(side, conn, peer->incarnation);
	if (bye != PB_BYE_NONE)
		return bye;
	complete_hello(side);
	if (pb_hello_resume(peer, &side->hello, &resume))
		return PB_BYE_RESTARTED;
	pb_apply_link_up(&pb->apply, conn, peer->incarnation, resume,
			 peer->first_unacked);
	conn->expect.next_seq = resume + 1;
	pb_conn_want(conn, PB_TX_WANT_HELLO);
	if (!pb_conn_set_up(conn))
		return PB_BYE_DISCONNECT;
	pb_conn_kick_later(conn);
	return PB_BYE_NONE;
}

/*
 * A successor that was brought up to date in this view and was set up again
 * since may have lost what it had acked and not flushed: only a new view helps.
 */
static bool lost_what_it_acked(struct pb_side *side, const struct pb_hello *peer)
{
	struct pb_device *pb = side->pb;
	int slot = pb_durable_slot(&pb->super, side->member.replica);

	return !(side->member.flags & PB_MEMBER_SYNCED) &&
	       READ_ONCE(pb->path.needs_ack) && slot >= 0 &&
	       pb->super.peers[slot].incarnation != peer->incarnation;
}

/*
 * A successor that holds everything knows of a larger volume before this
 * replica says so.  One that does not was called synced by mistake.
 */
static bool lacks_a_part(struct pb_side *side, const struct pb_hello *peer)
{
	return READ_ONCE(side->pb->path.needs_ack) &&
	       peer->data_sectors < side->hello.data_sectors;
}

/* The successor accepted our hello and its own fits: send on from @resume. */
static enum pb_bye accept_downstream(struct pb_side *side, struct pb_conn *conn,
				     const struct pb_hello *peer)
{
	struct pb_device *pb = side->pb;
	enum pb_bye bye;
	u64 resume;

	/* An answer to what was not said yet. */
	if (test_bit(PB_TX_WANT_HELLO, &conn->tx_want))
		return PB_BYE_PROTOCOL;
	bye = meet(side, conn, peer->incarnation);
	if (bye != PB_BYE_NONE)
		return bye;
	if (!pb_hold_wait(side, conn))
		return PB_BYE_DISCONNECT;
	if (READ_ONCE(pb->path.diverged))
		return PB_BYE_DIVERGED;
	if (pb_hello_resume(&side->hello, peer, &resume))
		return PB_BYE_RESTARTED;
	if (lost_what_it_acked(side, peer))
		return PB_BYE_RESTARTED;
	if (lacks_a_part(side, peer))
		return PB_BYE_SIZE;
	side->data = peer->data;
	side->incarnation = peer->incarnation;
	conn->expect.resume_seq = resume;
	if (!pb_conn_set_up(conn))
		return PB_BYE_DISCONNECT;
	/* The hello is an answer too. */
	pb_path_answered(&pb->path, conn->rx_msg.echo, conn->lease_ms);
	if (pb_path_link_up(&pb->path, conn, resume))
		return PB_BYE_RESTARTED;
	pb_conn_kick(conn);
	if (pb_resize_link_up(pb, peer) &&
	    !(side->member.flags & PB_MEMBER_SYNCED))
		pb_sync_link_up(&pb->sync);
	pb_verify_kick(&pb->verify);
	return PB_BYE_NONE;
}

static enum pb_bye op_accept(struct pb_conn *conn, const struct pb_msg *msg,
			     const struct pb_hello *peer)
{
	struct pb_side *side = side_of(conn);
	enum pb_bye bye;

	bye = pb_hello_check(&side->hello, conn->cfg.view, peer, msg->view,
			     side->member.replica, side->upstream);
	if (bye == PB_BYE_VIEW_NEW)
		emit(side, PB_EVENT_NEWER_VIEW, 0,
		     "the peer is in a newer view");
	/* Whatever we were told: often enough for the peer's patience. */
	conn->cfg.keepalive_ms = min(conn->cfg.keepalive_ms,
				     max(PB_KEEPALIVE_MS_MIN,
					 peer->timeout_ms / 3));
	conn->lease_ms = pb_lease_agree(side->hello.lease_ms, peer->lease_ms);
	conn->cfg.keepalive_ms = pb_lease_keepalive_ms(conn->cfg.keepalive_ms,
						       conn->lease_ms);
	conn->expect.version = pb_hello_version(&side->hello, peer);
	if (bye == PB_BYE_NONE)
		bye = side->upstream ? accept_upstream(side, conn, peer) :
				       accept_downstream(side, conn, peer);
	if (bye != PB_BYE_NONE)
		return bye;
	learn_limits(side, &peer->limits);
	atomic64_inc(&side->connects);
	DMINFO("%s: connected to %s in view %llu, protocol %u",
	       side->pb->super.name, side->member.name, conn->cfg.view,
	       conn->expect.version);
	emit(side, PB_EVENT_LINK_UP, 0, "connected");
	return PB_BYE_NONE;
}

static bool op_next(struct pb_conn *conn, struct pb_tx_item *item)
{
	struct pb_side *side = side_of(conn);

	return side->upstream ? pb_apply_next_ack(&side->pb->apply, item) :
				pb_path_next(&side->pb->path, item);
}

static bool op_has_next(struct pb_conn *conn)
{
	struct pb_side *side = side_of(conn);

	return side->upstream ? pb_apply_has_ack(&side->pb->apply) :
				pb_path_has_next(&side->pb->path);
}

static int take_data(struct pb_device *pb, struct pb_conn *conn,
		     const struct pb_msg *msg)
{
	struct bio *bio;
	int ret = pb_path_data(&pb->path, msg, &bio);

	if (bio)
		iov_iter_bvec(&conn->rx_iter, ITER_DEST, bio->bi_io_vec,
			      bio->bi_vcnt, msg->data_len);
	return ret;
}

static int take_acks(struct pb_device *pb, const struct pb_msg *msg, bool here)
{
	int ret = pb_path_acked(&pb->path, msg->seq, msg->count, here);

	if (ret)
		return ret;
	pb_stat_inc(pb->stats, PB_CNT_ACKS_RX);
	pb_stat_add(pb->stats, PB_CNT_ACKED_RX, msg->count);
	return 0;
}

static int op_receive(struct pb_conn *conn, const struct pb_msg *msg)
{
	struct pb_side *side = side_of(conn);
	struct pb_device *pb = side->pb;

	if (side->upstream) {
		if (!pb_resync_takes(pb, msg))
			return -EPROTO;
		return pb_apply_receive(&pb->apply, conn, msg);
	}
	if (msg->type == PB_WIRE_MARK)
		return pb_resync_marked(pb, msg);
	if (msg->type == PB_WIRE_DIFFERS)
		return pb_path_differs(&pb->path, msg->sector, msg->count);
	if (msg->type == PB_WIRE_DATA)
		return take_data(pb, conn, msg);
	if (msg->type == PB_WIRE_CAPACITY)
		return pb_resize_capacity(pb, msg->sector);
	return take_acks(pb, msg, true);
}

static bool op_takes_acks(struct pb_conn *conn)
{
	return pb_path_takes_acks(&side_of(conn)->pb->path);
}

static int op_acked(struct pb_conn *conn, const struct pb_msg *msg)
{
	return take_acks(side_of(conn)->pb, msg, false);
}

static int op_received(struct pb_conn *conn, const struct pb_msg *msg)
{
	struct pb_side *side = side_of(conn);

	if (side->upstream)
		pb_apply_received(&side->pb->apply);
	else
		pb_path_data_done(&side->pb->path);
	return 0;
}

static void op_release(struct pb_conn *conn, void *hold)
{
	pb_apply_answered(&side_of(conn)->pb->apply, hold);
}

static u64 op_tell(struct pb_conn *conn)
{
	struct pb_side *side = side_of(conn);

	return side->upstream ? 0 : pb_path_done_before(&side->pb->path);
}

/* Our own flush may cover more now. */
static void op_told(struct pb_conn *conn, u64 before)
{
	struct pb_side *side = side_of(conn);

	if (!side->upstream)
		return;
	pb_apply_peer_done(&side->pb->apply, before);
	pb_durable_kick(side->pb);
}

static void op_answered(struct pb_conn *conn, u64 echo)
{
	pb_path_answered(&side_of(conn)->pb->path, echo, conn->lease_ms);
}

static void op_down(struct pb_conn *conn)
{
	struct pb_device *pb = side_of(conn)->pb;

	wake_up_all(&pb->apply.drained);
	wake_up_all(&pb->path.idle_wait);
	wake_up_all(&pb->met_wait);
	queue_work(pb->ctl_wq, &pb->link_work);
}

static const struct pb_conn_ops conn_ops = {
	.hello		= op_hello,
	.accept		= op_accept,
	.next		= op_next,
	.has_next	= op_has_next,
	.receive	= op_receive,
	.received	= op_received,
	.takes_acks	= op_takes_acks,
	.acked		= op_acked,
	.release	= op_release,
	.tell		= op_tell,
	.told		= op_told,
	.answered	= op_answered,
	.down		= op_down,
};

static u32 event_for(const struct pb_conn *conn, bool was_up)
{
	if (conn->bye == PB_BYE_SILENT && conn->bye_ours)
		return PB_EVENT_PEER_SILENT;
	if (conn->bye == PB_BYE_DISK_FAILED && !conn->bye_ours)
		return PB_EVENT_PEER_DISK_ERROR;
	return was_up ? PB_EVENT_LINK_DOWN : PB_EVENT_LINK_REFUSED;
}

/*
 * Takes one connection down.  The source upstream lets go of it first, so that
 * no completion wakes what is being freed; the path after, when nobody sends.
 */
static void close_side(struct pb_side *side, enum pb_bye bye)
{
	struct pb_device *pb = side->pb;
	struct pb_conn *conn = side->conn;
	bool was_up;

	lockdep_assert_held(&pb->ctl_mutex);
	pb_conn_fail(conn, bye, true, "%s", pb_bye_text(bye));
	if (side->upstream) {
		pb_apply_link_down(&pb->apply);
		/* Only the predecessor could have made room for them. */
		pb_path_reject_waiting(&pb->path);
	}
	pb_conn_get(conn);
	pb_conn_close(conn);
	was_up = conn->expect.hello_done;
	if (side->upstream) {
		pb_hold_note(pb, conn);
		pb_apply_drop_current(&pb->apply);
		/* Whoever works on it waits for the mutex that we hold. */
		if (pb->apply.word)
			pb_apply_word_done(&pb->apply, false);
	} else {
		pb_path_link_down(&pb->path);
		if (conn->bye == PB_BYE_DISK_FAILED && !conn->bye_ours &&
		    READ_ONCE(pb->path.disk) == PB_OWN_DEAD)
			pb_path_no_copy(&pb->path);
		pb_resync_link_down(pb);
	}
	strscpy(side->reason, conn->reason, sizeof(side->reason));
	DMINFO("%s: connection to %s %s: %s", pb->super.name,
	       side->member.name, was_up ? "ended" : "refused", side->reason);
	emit(side, event_for(conn, was_up), 0, side->reason);
	side->conn = NULL;
	side->meets = 0;
	pb_conn_put(conn);
}

/*
 * What connections cannot do in their own works: stores that the two have met,
 * closes what has begun to close and what the disk's failure must end, and
 * passes on the peers' limits.
 */
static void link_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(work, struct pb_device, link_work);

	mutex_lock(&pb->ctl_mutex);
	if (xchg(&pb->limits_changed, false))
		update_limits(pb);
	pb_role_stop(pb);
	pb_link_meet(pb);
	pb_role_stop(pb);
	if (pb->up.conn && READ_ONCE(pb->disk_failed))
		close_side(&pb->up, PB_BYE_DISK_FAILED);
	if (pb->up.conn && conn_closing(pb->up.conn))
		close_side(&pb->up, PB_BYE_NONE);
	if (pb->down.conn && conn_closing(pb->down.conn))
		close_side(&pb->down, PB_BYE_NONE);
	mutex_unlock(&pb->ctl_mutex);
}

void pb_link_init(struct pb_device *pb)
{
	pb->up.pb = pb;
	pb->up.upstream = true;
	pb->up.index = PB_NO_MEMBER;
	pb->down.pb = pb;
	pb->down.index = PB_NO_MEMBER;
	init_waitqueue_head(&pb->met_wait);
	INIT_WORK(&pb->link_work, link_work);
}

static void set_side(struct pb_side *side, u8 index, bool exists)
{
	const struct pb_view *view = &side->pb->super.view;

	mutex_lock(&side->pb->ti_mutex);
	memset(&side->limits, 0, sizeof(side->limits));
	side->incarnation = 0;
	mutex_unlock(&side->pb->ti_mutex);
	memset(&side->member, 0, sizeof(side->member));
	side->index = PB_NO_MEMBER;
	side->reason[0] = '\0';
	atomic64_set(&side->connects, 0);
	if (!exists)
		return;
	side->index = index;
	side->member = view->members[index];
}

void pb_link_set_view(struct pb_device *pb)
{
	const struct pb_view *view = &pb->super.view;
	u8 self = pb->index;

	lockdep_assert_held(&pb->ctl_mutex);
	set_side(&pb->up, self - 1, self != PB_NO_MEMBER && self > 0);
	set_side(&pb->down, self + 1,
		 self != PB_NO_MEMBER && self + 1 < view->nr_members);
	update_limits(pb);
}

/* The part of a hello that stands while the view does. */
static void prepare_hello(struct pb_side *side, u32 timeout_ms)
{
	struct pb_device *pb = side->pb;

	side->hello = (struct pb_hello) {
		.version_min = PB_WIRE_VERSION_MIN,
		.version_max = PB_WIRE_VERSION_MAX,
		.view_digest = pb_view_digest(&pb->super.view),
		.block_size = pb->super.block_size,
		.data_sectors = pb->super.data_sectors,
		.capacity_sectors = pb->super.capacity_sectors,
		.incarnation = pb->super.incarnation,
		.max_data = PB_WIRE_MAX_DATA,
		.timeout_ms = timeout_ms,
		.min_block_size = bdev_logical_block_size(pb->data),
		.first_unacked = 1,
		.lease_ms = pb->lease_ms,
	};
	/* What it has no use for the successor need not wait out. */
	if (!side->upstream && READ_ONCE(pb->path.confirm))
		side->hello.lease_ms = 0;
	own_limits(pb, &side->hello.limits);
	pb_resync_describe(pb, side->member.replica, &side->hello.data);
	memcpy(side->hello.volume, pb->super.volume, PB_UUID_LEN);
	memcpy(side->hello.replica, pb->super.replica, PB_UUID_LEN);
}

static struct pb_side *choose_side(struct pb_device *pb, const u8 *peer,
				   char *reason, int *err)
{
	bool up = pb->up.index != PB_NO_MEMBER;
	bool down = pb->down.index != PB_NO_MEMBER;

	if (pb->role != PB_ROLE_PRIMARY && pb->role != PB_ROLE_BACKUP) {
		*err = pb_refuse(reason, -ENOLINK,
				 "this replica has no place in a confirmed view");
		return NULL;
	}
	if (!up && !down) {
		*err = pb_refuse(reason, -ENOLINK,
				 "this replica is alone in its view");
		return NULL;
	}
	if (pb_uuid_zero(peer)) {
		if (up != down)
			return up ? &pb->up : &pb->down;
		*err = pb_refuse(reason, -EDESTADDRREQ,
				 "two neighbours: say which one is at the other end");
		return NULL;
	}
	if (up && !memcmp(peer, pb->up.member.replica, PB_UUID_LEN))
		return &pb->up;
	if (down && !memcmp(peer, pb->down.member.replica, PB_UUID_LEN))
		return &pb->down;
	*err = pb_refuse(reason, -ENXIO,
			 "that replica is not a neighbour in this view");
	return NULL;
}

static int check_times(u32 *keepalive, u32 *timeout, char *reason)
{
	if (!*keepalive)
		*keepalive = DEFAULT_KEEPALIVE_MS;
	if (!*timeout)
		*timeout = max(DEFAULT_TIMEOUT_MS, 2 * *keepalive);
	if (*keepalive < PB_KEEPALIVE_MS_MIN ||
	    *keepalive > PB_KEEPALIVE_MS_MAX)
		return pb_refuse(reason, -EINVAL, "keepalive out of range");
	if (*timeout < 2 * *keepalive || *timeout > PB_TIMEOUT_MS_MAX)
		return pb_refuse(reason, -EINVAL,
				 "time-out out of range, or below twice the keepalive");
	return 0;
}

static const char *socket_reason(int err)
{
	switch (err) {
	case -EBADF:
		return "not an open file descriptor";
	case -ENOTSOCK:
		return "the file descriptor is not a socket";
	case -EPROTONOSUPPORT:
		return "not a TCP socket";
	case -ENOTCONN:
		return "the socket is not connected";
	case -EBUSY:
		return "the socket serves a volume already";
	default:
		return "out of memory";
	}
}

static struct pb_conn *new_conn(struct pb_side *side, int fd, u32 keepalive,
				u32 timeout)
{
	struct pb_device *pb = side->pb;
	struct pb_conn_config cfg = {
		.ops = &conn_ops,
		.owner = side,
		.wq = pb->wq,
		.stats = pb->stats,
		.bounds.data_sectors = pb->super.capacity_sectors,
		.bounds.block_size = pb->super.block_size,
		.view = pb->super.view.number,
		.self = pb->index,
		.peer_index = side->index,
		.upstream = side->upstream,
		.keepalive_ms = keepalive,
		.timeout_ms = timeout,
		.dev = pb->dev,
	};
	struct pb_conn *conn;
	struct socket *sock;
	unsigned int noio;
	int ret;

	memcpy(cfg.peer, side->member.replica, PB_UUID_LEN);
	ret = pb_conn_take_socket(fd, &sock);
	if (ret)
		return ERR_PTR(ret);
	/* Who frees memory may be writing to this very volume. */
	noio = memalloc_noio_save();
	conn = pb_conn_create(&cfg, sock);
	memalloc_noio_restore(noio);
	if (IS_ERR(conn))
		sockfd_put(sock);
	return conn;
}

int pb_link_connect(struct pb_device *pb, const struct pb_ioc_connect *arg,
		    char *reason)
{
	u32 keepalive = arg->keepalive_ms, timeout = arg->timeout_ms;
	struct pb_side *side;
	struct pb_conn *conn;
	int ret;

	lockdep_assert_held(&pb->ctl_mutex);
	ret = check_times(&keepalive, &timeout, reason);
	if (ret)
		return ret;
	side = choose_side(pb, arg->peer, reason, &ret);
	if (!side)
		return ret;
	conn = new_conn(side, arg->fd, keepalive, timeout);
	if (IS_ERR(conn))
		return pb_refuse(reason, PTR_ERR(conn), "%s",
				 socket_reason(PTR_ERR(conn)));
	if (side->conn)
		close_side(side, PB_BYE_REPLACED);
	prepare_hello(side, timeout);
	prepare_meeting(side);
	side->conn = conn;
	side->reason[0] = '\0';
	pb_conn_start(conn);
	return 0;
}

int pb_link_disconnect(struct pb_device *pb, const u8 *peer, enum pb_bye bye)
{
	struct pb_side *sides[] = { &pb->up, &pb->down };
	int closed = 0, i;

	lockdep_assert_held(&pb->ctl_mutex);
	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		if (!sides[i]->conn)
			continue;
		if (peer && !pb_uuid_zero(peer) &&
		    memcmp(peer, sides[i]->member.replica, PB_UUID_LEN))
			continue;
		close_side(sides[i], bye);
		closed++;
	}
	return closed ? 0 : -ENOTCONN;
}

void pb_link_status(struct pb_side *side, struct pb_link *link)
{
	struct pb_device *pb = side->pb;
	struct pb_path_info info;

	lockdep_assert_held(&pb->ctl_mutex);
	memcpy(link->peer, side->member.replica, PB_UUID_LEN);
	memcpy(link->name, side->member.name, PB_NAME_LEN);
	strscpy(link->reason, side->reason, sizeof(link->reason));
	link->connects = atomic64_read(&side->connects);
	if (side->conn) {
		link->state = READ_ONCE(side->conn->state);
		link->silent_ms = jiffies_to_msecs(jiffies -
						   READ_ONCE(side->conn->last_rx));
		link->protocol = READ_ONCE(side->conn->expect.version);
	}
	if (side->upstream) {
		spin_lock_irq(&pb->apply.lock);
		link->sent_seq = pb->apply.recv_seq;
		link->unacked = pb->apply.nr;
		spin_unlock_irq(&pb->apply.lock);
	} else {
		pb_path_info(&pb->path, &info);
		link->sent_seq = info.last_seq;
		link->unacked = info.unacked;
	}
}
