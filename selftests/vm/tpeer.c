// SPDX-License-Identifier: GPL-2.0
/*
 * A fake neighbour: this process holds the other end of the connection and
 * says what the test wants, right or wrong.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tlib.h"

void t_peer_init(struct t_peer *peer, const char *dev)
{
	struct pb_ioc_status status;
	const struct pb_link *link;

	if (t_status(dev, &status))
		bail("no status of %s", dev);
	memset(peer, 0, sizeof(*peer));
	strncpy(peer->dev, dev, sizeof(peer->dev) - 1);
	peer->fd = -1;
	peer->upstream = status.role == PB_ROLE_BACKUP;
	link = peer->upstream ? &status.upstream : &status.downstream;
	peer->view = status.view.number;
	peer->from = pb_view_index(&status.view, link->peer);
	peer->bounds.data_sectors = status.data_sectors;
	peer->bounds.block_size = status.block_size;
	peer->next_seq = 1;
	peer->data = malloc(PB_WIRE_MAX_DATA);
	peer->hello = (struct pb_hello) {
		.version_min = PB_WIRE_VERSION_MIN,
		.version_max = PB_WIRE_VERSION_MAX,
		.view_digest = pb_view_digest(&status.view),
		.block_size = status.block_size,
		.data_sectors = status.data_sectors,
		.capacity_sectors = status.capacity_sectors,
		.first_unacked = 1,
		.max_data = PB_WIRE_MAX_DATA,
		.timeout_ms = 2000,
		.min_block_size = 512,
		.limits = { .physical_block = 512, .max_zeroes = PB_WIRE_MAX_ZEROES },
		.lease_ms = PB_LEASE_MS_MAX,
	};
	memcpy(peer->hello.volume, status.dev.volume, PB_UUID_LEN);
	memcpy(peer->hello.replica, link->peer, PB_UUID_LEN);
	/* Who has met that replica takes no earlier life of it. */
	peer->hello.incarnation = t_incarnation(link->peer);
	if (!peer->upstream)
		peer->hello.peer_incarnation = status.incarnation;
}

void t_peer_close(struct t_peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void t_peer_free(struct t_peer *peer)
{
	t_peer_close(peer);
	free(peer->data);
	peer->data = NULL;
}

void t_peer_connect_timed(struct t_peer *peer, unsigned int keepalive_ms,
			  unsigned int timeout_ms)
{
	char reason[PB_REASON_LEN];
	int fds[2];

	t_peer_close(peer);
	peer->stamp = 0;
	t_tcp_pair(fds);
	if (t_connect(peer->dev, fds[0], keepalive_ms, timeout_ms, reason))
		bail("%s takes no connection: %s", peer->dev, reason);
	close(fds[0]);
	peer->fd = fds[1];
}

void t_peer_connect(struct t_peer *peer)
{
	/* Slow machines: nothing is to time out unless it is the point. */
	t_peer_connect_timed(peer, 1000, 60000 * t_slow());
}

bool t_peer_raw(struct t_peer *peer, const void *buf, size_t len)
{
	ssize_t done;

	while (len) {
		done = send(peer->fd, buf, len, MSG_NOSIGNAL);
		if (done <= 0)
			return false;
		buf = (const char *)buf + done;
		len -= done;
	}
	return true;
}

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

struct pb_msg t_msg(const struct t_peer *peer, uint8_t type)
{
	return (struct pb_msg) {
		.type = type,
		.from = peer->from,
		.view = peer->view,
		.stamp = boot_ns(),
		.echo = peer->stamp,
	};
}

bool t_peer_send(struct t_peer *peer, struct pb_msg *msg, const void *data)
{
	struct pb_wire_hdr hdr;

	pb_codec_pack(msg, &hdr);
	return t_peer_raw(peer, &hdr, sizeof(hdr)) &&
	       (!data || t_peer_raw(peer, data, msg->data_len));
}

bool t_peer_hello(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_HELLO);
	struct pb_wire_hello wire;

	pb_hello_pack(&peer->hello, &wire);
	msg.data_len = sizeof(wire);
	return t_peer_send(peer, &msg, &wire);
}

static bool readable(struct t_peer *peer, uint64_t deadline)
{
	struct pollfd pfd = { .fd = peer->fd, .events = POLLIN };
	uint64_t now = t_now_ms();

	return poll(&pfd, 1, now < deadline ? deadline - now : 0) > 0;
}

static enum t_got read_all(struct t_peer *peer, void *buf, size_t len,
			   uint64_t deadline)
{
	ssize_t got;

	while (len) {
		if (!readable(peer, deadline))
			return T_TIMEOUT;
		got = recv(peer->fd, buf, len, 0);
		if (got <= 0)
			return T_CLOSED;
		buf = (char *)buf + got;
		len -= got;
	}
	return T_GOT;
}

static enum t_got recv_one(struct t_peer *peer, struct pb_msg *msg,
			   uint64_t deadline)
{
	struct pb_wire_hello wire;
	struct pb_wire_hdr hdr;
	const char *why = "";
	enum t_got got;

	/* A time-out only between two messages. */
	if (!readable(peer, deadline))
		return T_TIMEOUT;
	deadline = t_now_ms() + T_DEADLINE_MS;
	got = read_all(peer, &hdr, sizeof(hdr), deadline);
	if (got != T_GOT)
		return got;
	if (pb_codec_unpack(&hdr, &peer->bounds, msg, &why)) {
		note("the device said something wrong: %s", why);
		return T_GARBAGE;
	}
	peer->stamp = msg->stamp;
	/* Should it come again, the next hello says what has arrived. */
	if (!peer->upstream && (msg->type == PB_WIRE_WRITE ||
				msg->type == PB_WIRE_FLUSH ||
				msg->type == PB_WIRE_READ ||
				msg->type == PB_WIRE_CHECK ||
				msg->type == PB_WIRE_ZEROES))
		peer->hello.recv_seq = msg->seq;
	if (msg->type != PB_WIRE_HELLO)
		return msg->data_len ? read_all(peer, peer->data,
						msg->data_len, deadline) :
				       T_GOT;
	got = read_all(peer, &wire, sizeof(wire), deadline);
	if (got == T_GOT && pb_hello_unpack(&wire, &peer->theirs, &why)) {
		note("the device said a wrong hello: %s", why);
		return T_GARBAGE;
	}
	return got;
}

enum t_got t_peer_recv_any(struct t_peer *peer, struct pb_msg *msg,
			   unsigned int ms)
{
	return recv_one(peer, msg, t_now_ms() + ms);
}

bool t_peer_keepalive(struct t_peer *peer, uint64_t echo)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_KEEPALIVE);

	msg.echo = echo;
	return t_peer_send(peer, &msg, NULL);
}

bool t_peer_asked(struct t_peer *peer, struct pb_msg *msg)
{
	enum t_got got;

	do {
		got = t_peer_recv_any(peer, msg, T_DEADLINE_MS);
	} while (got == T_GOT && !(msg->flags & PB_WIRE_ASK));
	return got == T_GOT;
}

enum t_got t_peer_recv(struct t_peer *peer, struct pb_msg *msg, unsigned int ms)
{
	uint64_t deadline = t_now_ms() + ms;
	enum t_got got;

	do {
		got = recv_one(peer, msg, deadline);
		if (got == T_GOT && (msg->flags & PB_WIRE_ASK) && !peer->mute)
			t_peer_keepalive(peer, msg->stamp);
	} while (got == T_GOT && msg->type == PB_WIRE_KEEPALIVE);
	return got;
}

bool t_peer_expect(struct t_peer *peer, uint8_t type, struct pb_msg *msg)
{
	enum t_got got;

	do {
		got = t_peer_recv(peer, msg, T_DEADLINE_MS);
	} while (got == T_GOT && msg->type != type);
	return got == T_GOT;
}

bool t_peer_closed(struct t_peer *peer, uint32_t *bye)
{
	struct pb_msg msg;
	enum t_got got;

	*bye = PB_BYE_NONE;
	do {
		got = t_peer_recv(peer, &msg, T_DEADLINE_MS);
		if (got == T_GOT && msg.type == PB_WIRE_BYE)
			*bye = msg.status;
	} while (got == T_GOT);
	return got == T_CLOSED;
}

bool t_peer_greet(struct t_peer *peer)
{
	struct pb_msg msg;
	u64 resume;

	if (!peer->upstream)
		return t_peer_expect(peer, PB_WIRE_HELLO, &msg) &&
		       t_peer_hello(peer);
	if (!t_peer_hello(peer) || !t_peer_expect(peer, PB_WIRE_HELLO, &msg) ||
	    pb_hello_resume(&peer->hello, &peer->theirs, &resume))
		return false;
	peer->next_seq = resume + 1;
	return true;
}

bool t_peer_up(struct t_peer *peer)
{
	t_peer_connect(peer);
	return t_peer_greet(peer);
}

bool t_peer_up_quiet(struct t_peer *peer)
{
	peer->hello.timeout_ms = 600000;
	t_peer_connect_timed(peer, 60000, 600000);
	return t_peer_greet(peer);
}

bool t_peer_ack(struct t_peer *peer, uint64_t seq, uint32_t count)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_ACK);

	msg.seq = seq;
	msg.count = count;
	return t_peer_send(peer, &msg, NULL);
}

bool t_peer_sync(struct t_peer *peer)
{
	struct pb_msg msg;

	peer->hello.data.state = PB_REPLICA_BLANK;
	if (!t_peer_up(peer))
		return false;
	do {
		if (t_peer_recv(peer, &msg, T_DEADLINE_MS) != T_GOT)
			return false;
		t_peer_ack(peer, msg.seq, 1);
	} while (msg.type != PB_WIRE_SYNC_DONE);
	return true;
}

int t_peer_finish(struct t_peer *peer, struct t_io *io)
{
	uint64_t end = t_now_ms() + T_DEADLINE_MS;
	enum t_got got = T_TIMEOUT;
	struct pb_msg msg;

	/* The last ack is answered by silence: so look again soon. */
	while (!t_io_done(io) && t_now_ms() < end &&
	       (got == T_GOT || got == T_TIMEOUT)) {
		got = t_peer_recv(peer, &msg, 20);
		if (got == T_GOT)
			t_peer_ack(peer, msg.seq, 1);
	}
	return t_io_finish(io);
}

bool t_peer_write(struct t_peer *peer, uint64_t sector, uint32_t count,
		  uint8_t fill)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_WRITE);

	msg.seq = peer->next_seq++;
	msg.sector = sector;
	msg.count = count;
	msg.data_len = count * 512;
	memset(peer->data, fill, msg.data_len);
	return t_peer_send(peer, &msg, peer->data);
}

bool t_peer_wait_ack(struct t_peer *peer, uint64_t seq)
{
	struct pb_msg msg;

	do {
		if (!t_peer_expect(peer, PB_WIRE_ACK, &msg))
			return false;
	} while (msg.seq > seq || msg.seq + msg.count <= seq);
	return true;
}
