// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that are left to gather reach the successor, whatever it answers, and
 * without a keepalive, which would take them along.
 *
 *   t_gather A	a primary with a fake successor
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tlib.h"

#define WRITES	32
#define BYTES	4096
/* More than the socket takes; and what gathers behind it. */
#define LARGE	(1U << 20)
#define FEW	8

static const char *dev;

/* So many writes come, each whole and in order; @first: the first one's number. */
static bool expect_writes(struct t_peer *peer, unsigned int count,
			  uint64_t *first)
{
	struct pb_msg msg;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!t_peer_expect(peer, PB_WIRE_WRITE, &msg))
			return false;
		if (!i)
			*first = msg.seq;
		if (msg.seq != *first + i || msg.data_len != BYTES)
			return false;
	}
	return true;
}

static void begin(struct t_io *ios, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		t_io_start(&ios[i], dev, T_WRITE, i * BYTES, BYTES, i + 1);
}

static unsigned int finish(struct t_io *ios, unsigned int count)
{
	unsigned int i, good = 0;

	for (i = 0; i < count; i++)
		good += !t_io_finish(&ios[i]);
	return good;
}

/* Nobody acks, so no ack makes them go: far more are under way than gather. */
static void unacked(struct t_peer *peer)
{
	struct t_io ios[WRITES];
	uint64_t first = 0;

	begin(ios, WRITES);
	ok(expect_writes(peer, WRITES, &first), "all of them come, in order");
	ok(t_peer_ack(peer, first, WRITES), "one ack for all");
	is(finish(ios, WRITES), WRITES, "all of them are done");
}

static void reset(struct t_peer *peer)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	t_peer_close(peer);
	ok(t_wait(!t_links(dev, PB_LINK_UP)), "the connection is gone");
}

/* It breaks off under what gathers: the rest comes on the next one. */
static void broken(struct t_peer *peer)
{
	struct t_io ios[WRITES];
	uint64_t first = 0, second = 0;

	begin(ios, WRITES);
	ok(expect_writes(peer, 1, &first), "the first one comes");
	reset(peer);
	ok(t_peer_up_quiet(peer), "the successor connects again");
	ok(expect_writes(peer, WRITES - 1, &second) && second == first + 1,
	   "the rest of them comes, in order");
	ok(t_peer_ack(peer, first, WRITES), "one ack for all");
	is(finish(ios, WRITES), WRITES, "all of them are done");
}

/* Those to come.  A small one makes what gathers go when it has room again. */
static void shrink_sockets(void)
{
	t_setting("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 65536\n");
	t_setting("/proc/sys/net/ipv4/tcp_rmem", "4096 16384 65536\n");
}

/*
 * It breaks off for good: what has not been sent because the socket was full
 * reaches this disk, and ends with the error that the policy wants.
 */
static void lost(struct t_peer *peer)
{
	uint64_t before = t_counter(dev, PB_CNT_WRITES);
	uint64_t full = t_counter(dev, PB_CNT_TX_FULL);
	struct t_io ios[1 + FEW];
	unsigned int i, ended = 0;

	is(t_policy(dev, PB_POLICY_ERROR), 0, "policy error");
	t_io_start(&ios[0], dev, T_WRITE, 0, LARGE, 1);
	ok(t_wait(t_counter(dev, PB_CNT_TX_FULL) > full), "the socket is full");
	for (i = 1; i <= FEW; i++)
		t_io_start(&ios[i], dev, T_WRITE, LARGE + i * BYTES, BYTES, i);
	ok(t_wait(t_counter(dev, PB_CNT_WRITES) == before + 1 + FEW),
	   "some more writes come");
	reset(peer);
	for (i = 0; i <= FEW; i++)
		ended += t_io_finish(&ios[i]) == ENOLINK;
	is(ended, 1 + FEW, "all of them end, none as a success");
}

int main(int argc, char **argv)
{
	struct t_peer peer;

	if (argc != 2)
		return 2;
	dev = argv[1];
	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a successor connects");
	unacked(&peer);
	broken(&peer);
	/* Nothing is to be sent that would notice. */
	reset(&peer);
	shrink_sockets();
	ok(t_peer_up_quiet(&peer), "the successor connects again");
	unacked(&peer);
	lost(&peer);
	t_peer_free(&peer);
	return t_result();
}
