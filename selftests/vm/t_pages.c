// SPDX-License-Identifier: GPL-2.0
/*
 * Large writes go out from their own pages: what these have after the write has
 * ended never reaches the successor.
 *
 *   t_pages A	a primary with a fake successor
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tlib.h"

#define LARGE	(1U << 20)
/* From here on they are not copied. */
#define SHARED	(64U << 10)
/* Of the write, and what its pages have afterwards; so many in a row are no header. */
#define BEFORE	0x5a
#define AFTER	0xa5
#define IN_A_ROW	16

static const char *dev;

/* A write from pages that stay the caller's. */
struct own_write {
	uint8_t		*pages;
	pthread_t	thread;
	int		error;
	int		done;
};

static void *own_thread(void *arg)
{
	struct own_write *own = arg;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", dev);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, own->pages, LARGE, 0) != LARGE)
		own->error = errno;
	close(fd);
	__atomic_store_n(&own->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void own_start(struct own_write *own)
{
	memset(own, 0, sizeof(*own));
	if (posix_memalign((void **)&own->pages, 4096, LARGE))
		bail("no memory");
	memset(own->pages, BEFORE, LARGE);
	if (pthread_create(&own->thread, NULL, own_thread, own))
		bail("no thread");
}

static int own_finish(struct own_write *own)
{
	if (!t_wait(__atomic_load_n(&own->done, __ATOMIC_ACQUIRE)))
		return ETIMEDOUT;
	pthread_join(own->thread, NULL);
	return own->error;
}

static bool all_are(const uint8_t *data, size_t len, uint8_t fill)
{
	return !len || (data[0] == fill && !memcmp(data, data + 1, len - 1));
}

/* A write of so many bytes comes, in parts maybe; the numbers of its parts. */
static bool expect_write(struct t_peer *peer, uint32_t len, uint8_t fill,
			 uint64_t *first, uint32_t *count)
{
	struct pb_msg msg;

	*count = 0;
	while (len) {
		if (!t_peer_expect(peer, PB_WIRE_WRITE, &msg) ||
		    msg.data_len > len ||
		    !all_are(peer->data, msg.data_len, fill))
			return false;
		if (!(*count)++)
			*first = msg.seq;
		len -= msg.data_len;
	}
	return true;
}

static void one_write(struct t_peer *peer, uint32_t len, uint32_t shared)
{
	uint64_t before = t_counter(dev, PB_CNT_TX_SHARED), first = 0;
	uint32_t count;
	struct t_io io;

	t_io_start(&io, dev, T_WRITE, 4096, len, len >> 12);
	ok(expect_write(peer, len, len >> 12, &first, &count),
	   "a write of %u bytes comes whole", len);
	ok(t_peer_ack(peer, first, count), "it is acked");
	is(t_io_finish(&io), 0, "it is done");
	is(t_counter(dev, PB_CNT_TX_SHARED) - before, shared,
	   "of it, so much is not copied");
}

/* Sockets to come take all of a write, but the peer only a little at a time. */
static void stall_sockets(void)
{
	t_setting("/proc/sys/net/ipv4/tcp_wmem", "4096 4194304 4194304\n");
	t_setting("/proc/sys/net/ipv4/tcp_rmem", "4096 16384 65536\n");
}

static bool socket_has_it(uint64_t before)
{
	return t_counter(dev, PB_CNT_TX_SHARED) >= before + LARGE;
}

/* All that still comes; how often in it are the later contents. */
static unsigned int drain(struct t_peer *peer)
{
	unsigned int found = 0, row = 0;
	uint8_t buf[4096];
	ssize_t got, i;

	while ((got = recv(peer->fd, buf, sizeof(buf), 0)) > 0) {
		for (i = 0; i < got; i++) {
			row = buf[i] == AFTER ? row + 1 : 0;
			found += row == IN_A_ROW;
		}
	}
	return found;
}

/* The successor stands still, the write ends with an error, its pages change. */
static void given_up(struct t_peer *peer)
{
	uint64_t before = t_counter(dev, PB_CNT_TX_SHARED);
	struct own_write own;

	is(t_policy(dev, PB_POLICY_ERROR), 0, "policy error");
	own_start(&own);
	ok(t_wait(socket_has_it(before)), "the socket has all of a write");
	is(t_disconnect(dev), 0, "the connection is closed");
	is(own_finish(&own), ENOLINK, "the write ends with an error");
	memset(own.pages, AFTER, LARGE);
	is(drain(peer), 0, "nothing of what its pages have now comes");
	free(own.pages);
	is(t_policy(dev, PB_POLICY_WAIT), 0, "policy wait");
}

/* The successor breaks off in the midst of it: it comes once more, and whole. */
static void once_more(struct t_peer *peer)
{
	uint64_t before = t_counter(dev, PB_CNT_TX_SHARED), first = 0;
	struct linger now = { .l_onoff = 1 };
	uint32_t count = 0;
	struct own_write own;

	own_start(&own);
	ok(t_wait(socket_has_it(before)), "the socket has all of a write");
	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	t_peer_close(peer);
	ok(t_wait(!t_links(dev, PB_LINK_UP)), "the connection is gone");
	ok(t_peer_up_quiet(peer), "the successor connects again");
	ok(expect_write(peer, LARGE, BEFORE, &first, &count),
	   "the write comes whole");
	ok(t_peer_ack(peer, first, count), "it is acked");
	is(own_finish(&own), 0, "it is done");
	free(own.pages);
}

/* The header alone; what is behind it stays where it is. */
static bool take_header(struct t_peer *peer, struct pb_msg *msg)
{
	struct pb_wire_hdr hdr;
	const char *why;

	do {
		if (recv(peer->fd, &hdr, sizeof(hdr), MSG_WAITALL) !=
		    sizeof(hdr) ||
		    pb_codec_unpack(&hdr, &peer->bounds, msg, &why))
			return false;
	} while (msg->type == PB_WIRE_KEEPALIVE);
	return msg->type == PB_WIRE_WRITE;
}

/* An ack for what cannot have arrived would let its pages change: it is refused. */
static void too_early(struct t_peer *peer)
{
	uint64_t refused = t_counter(dev, PB_CNT_RX_REFUSED), first = 0;
	uint64_t before = t_counter(dev, PB_CNT_TX_SHARED);
	uint32_t count = 0;
	struct own_write own;
	struct pb_msg msg;

	own_start(&own);
	ok(t_wait(socket_has_it(before)), "the socket has all of a write");
	ok(take_header(peer, &msg), "its header comes");
	ok(t_peer_ack(peer, msg.seq, 1), "it is acked at once");
	ok(t_wait(!t_links(dev, PB_LINK_UP)), "the connection is gone");
	is(t_counter(dev, PB_CNT_RX_REFUSED) - refused, 1, "it was refused");
	ok(!__atomic_load_n(&own.done, __ATOMIC_ACQUIRE),
	   "the write is not done");
	ok(t_peer_up_quiet(peer), "the successor connects again");
	ok(expect_write(peer, LARGE, BEFORE, &first, &count),
	   "the write comes whole");
	ok(t_peer_ack(peer, first, count), "it is acked");
	is(own_finish(&own), 0, "it is done");
	free(own.pages);
}

int main(int argc, char **argv)
{
	struct t_peer peer;

	if (argc != 2)
		return 2;
	dev = argv[1];
	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a successor connects");
	one_write(&peer, LARGE, LARGE);
	one_write(&peer, SHARED, SHARED);
	one_write(&peer, SHARED - 4096, 0);
	t_peer_close(&peer);
	ok(t_wait(!t_links(dev, PB_LINK_UP)), "the connection is gone");
	stall_sockets();
	ok(t_peer_up_quiet(&peer), "the successor connects again");
	once_more(&peer);
	too_early(&peer);
	given_up(&peer);
	t_peer_free(&peer);
	return t_result();
}
