// SPDX-License-Identifier: GPL-2.0
/*
 * Acks that are taken where they arrive, and those that are left to the worker:
 * however they are cut into pieces, each counts once, and none that is wrong.
 *
 *   t_acks A	a primary with a fake successor
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "tlib.h"

#define BYTES	4096
#define MANY	100
/* While so many are under way the worker takes the acks. */
#define DEEP	8
#define TAKEN	3
/* So many are taken in a row. */
#define IN_A_ROW	16
/* Not at a header's end, nor at a field's. */
#define CUT	21
#define HDR	sizeof(struct pb_wire_hdr)

static const char *dev;

static uint64_t at_once(void)
{
	return t_counter(dev, PB_CNT_ACKS_AT_ONCE);
}

/* Begins writes, one after the other, and takes them; @first: the first one's number. */
static bool begin(struct t_peer *peer, struct t_io *ios, unsigned int count,
		  uint64_t *first)
{
	struct pb_msg msg;
	unsigned int i;

	for (i = 0; i < count; i++) {
		t_io_start(&ios[i], dev, T_WRITE, i * BYTES, BYTES, i + 1);
		if (!t_peer_expect(peer, PB_WIRE_WRITE, &msg))
			return false;
		if (!i)
			*first = msg.seq;
	}
	return true;
}

static unsigned int finish(struct t_io *ios, unsigned int count)
{
	unsigned int i, good = 0;

	for (i = 0; i < count; i++)
		good += !t_io_finish(&ios[i]);
	return good;
}

/* A header for later: its bytes go to @to. */
static void pack(const struct t_peer *peer, uint8_t type, uint64_t seq, uint8_t *to)
{
	struct pb_msg msg = t_msg(peer, type);
	struct pb_wire_hdr hdr;

	msg.seq = seq;
	msg.count = type == PB_WIRE_ACK;
	pb_codec_pack(&msg, &hdr);
	memcpy(to, &hdr, sizeof(hdr));
}

/* The other end has read so much; what comes next is not in one piece with it. */
static bool send_read(struct t_peer *peer, const void *buf, size_t len)
{
	uint64_t before = t_counter(dev, PB_CNT_RX_BYTES);

	return t_peer_raw(peer, buf, len) &&
	       t_wait(t_counter(dev, PB_CNT_RX_BYTES) >= before + len);
}

/* They are counted a little later than the writes are done; none comes later still. */
static bool counted(uint64_t acks)
{
	return t_wait(t_counter(dev, PB_CNT_ACKS_RX) >= acks) &&
	       t_counter(dev, PB_CNT_ACKS_RX) == acks;
}

static void one_by_one(struct t_peer *peer)
{
	uint64_t before = at_once(), acks = t_counter(dev, PB_CNT_ACKS_RX), seq;
	unsigned int i, good = 0;
	struct t_io io;

	for (i = 0; i < MANY; i++) {
		uint64_t sends = t_counter(dev, PB_CNT_TX_SENDS);

		/* Before the sender knows that it has sent, the worker waits for it. */
		good += begin(peer, &io, 1, &seq) &&
			t_wait(t_counter(dev, PB_CNT_TX_SENDS) > sends) &&
			t_peer_ack(peer, seq, 1) && !t_io_finish(&io);
	}
	is(good, MANY, "writes one by one");
	ok(counted(acks + MANY), "each counts once");
	ok(at_once() >= before + MANY / 2, "most of their acks need no worker");
}

static void in_pieces(struct t_peer *peer)
{
	uint64_t before = at_once(), seq = 0;
	uint8_t bytes[2 * HDR];
	struct t_io ios[2];

	ok(begin(peer, ios, 1, &seq), "a write");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	ok(send_read(peer, bytes, CUT), "the worker has a part of its ack");
	ok(!t_io_done(&ios[0]), "which is no ack");
	ok(t_peer_raw(peer, bytes + CUT, HDR - CUT), "the rest of it");
	is(finish(ios, 1), 1, "the write is done");

	ok(begin(peer, ios, 2, &seq), "two writes");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	pack(peer, PB_WIRE_ACK, seq + 1, bytes + HDR);
	ok(send_read(peer, bytes, CUT), "a part of an ack");
	ok(t_peer_raw(peer, bytes + CUT, 2 * HDR - CUT), "the rest, and one more");
	is(finish(ios, 2), 2, "both are done");
	is(at_once(), before, "the worker has taken them all");

	ok(begin(peer, ios, 2, &seq), "two writes");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	pack(peer, PB_WIRE_ACK, seq + 1, bytes + HDR);
	ok(send_read(peer, bytes, HDR + CUT), "an ack, and a part of one");
	is(finish(ios, 1), 1, "the first write is done");
	ok(!t_io_done(&ios[1]), "the second one is not");
	ok(t_peer_raw(peer, bytes + HDR + CUT, HDR - CUT), "the rest");
	is(finish(ios + 1, 1), 1, "the second one is done");
}

static void together(struct t_peer *peer)
{
	uint64_t acks = t_counter(dev, PB_CNT_ACKS_RX), seq = 0;
	uint8_t bytes[3 * HDR];
	struct t_io ios[2];

	ok(begin(peer, ios, 2, &seq), "two writes");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	pack(peer, PB_WIRE_KEEPALIVE, 0, bytes + HDR);
	pack(peer, PB_WIRE_ACK, seq + 1, bytes + 2 * HDR);
	ok(t_peer_raw(peer, bytes, sizeof(bytes)),
	   "an ack, a keepalive and an ack in one piece");
	is(finish(ios, 2), 2, "both are done");
	ok(counted(acks + 2), "each ack counts once");
}

/* The last thing that is said. */
static void at_the_end(struct t_peer *peer)
{
	int on = 1, off = 0;
	uint8_t bytes[HDR];
	uint64_t seq = 0;
	struct t_io io;
	uint32_t bye;

	ok(begin(peer, &io, 1, &seq), "a write");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	ok(!setsockopt(peer->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)) &&
	   t_peer_raw(peer, bytes, HDR) && !shutdown(peer->fd, SHUT_WR) &&
	   !setsockopt(peer->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)),
	   "its ack and the end of the connection in one piece");
	is(t_io_finish(&io), 0, "the write is done");
	ok(t_peer_closed(peer, &bye), "the connection ends");
	ok(t_peer_up_quiet(peer), "the successor connects again");
}

/* An ack of what was done before this connection is no mistake, however often. */
static void again(struct t_peer *peer)
{
	uint64_t before = at_once(), acks = t_counter(dev, PB_CNT_ACKS_RX);
	uint8_t bytes[MANY * HDR];
	unsigned int i;

	for (i = 0; i < MANY; i++)
		pack(peer, PB_WIRE_ACK, 1, bytes + i * HDR);
	ok(t_peer_raw(peer, bytes, sizeof(bytes)), "many old acks in one piece");
	ok(counted(acks + MANY), "each counts once");
	ok(at_once() <= before + IN_A_ROW, "not all of them are taken in one go");
}

static void deep(struct t_peer *peer)
{
	uint64_t before = at_once(), seq = 0;
	struct t_io ios[DEEP];
	unsigned int i, good = 0;

	ok(begin(peer, ios, DEEP, &seq), "many writes at once");
	for (i = 0; i < DEEP; i++) {
		uint64_t acks = t_counter(dev, PB_CNT_ACKS_RX);

		good += t_peer_ack(peer, seq + i, 1) &&
			t_wait(t_counter(dev, PB_CNT_ACKS_RX) == acks + 1);
	}
	is(good, DEEP, "an ack for each");
	is(finish(ios, DEEP), DEEP, "all of them are done");
	ok(at_once() <= before + TAKEN,
	   "the worker takes those that come while many are under way");
}

/* @bytes end the connection, and nothing else; then all goes on. */
static void refused(struct t_peer *peer, const uint8_t *bytes, size_t len,
		    struct t_io *io, uint64_t seq, const char *what)
{
	uint64_t before = t_counter(dev, PB_CNT_RX_REFUSED);
	uint32_t bye;

	ok(t_peer_raw(peer, bytes, len), "%s", what);
	ok(t_peer_closed(peer, &bye) && bye == PB_BYE_PROTOCOL,
	   "ends the connection");
	is(t_counter(dev, PB_CNT_RX_REFUSED), before + 1, "is refused once");
	ok(!t_io_done(io), "and no write is done by it");
	ok(t_peer_up_quiet(peer), "the successor connects again");
	ok(t_peer_ack(peer, seq, 1), "and acks");
	is(t_io_finish(io), 0, "the write is done");
}

static void wrong(struct t_peer *peer)
{
	uint8_t bytes[2 * HDR];
	struct t_io ios[2];
	uint64_t seq = 0;

	ok(begin(peer, ios, 1, &seq), "a write");
	pack(peer, PB_WIRE_ACK, seq + 1, bytes);
	refused(peer, bytes, HDR, ios, seq, "an ack for what was never sent");

	/* Before this connection it might have been given up. */
	ok(begin(peer, ios, 1, &seq), "a write");
	ok(t_peer_ack(peer, seq, 1) && !t_io_finish(ios), "is done");
	ok(begin(peer, ios, 1, &seq), "a write");
	pack(peer, PB_WIRE_ACK, seq - 1, bytes);
	refused(peer, bytes, HDR, ios, seq, "an ack that was there before");

	ok(begin(peer, ios, 1, &seq), "a write");
	peer->view++;
	pack(peer, PB_WIRE_ACK, seq, bytes);
	peer->view--;
	refused(peer, bytes, HDR, ios, seq, "an ack of another view");

	ok(begin(peer, ios, 1, &seq), "a write");
	peer->from--;
	pack(peer, PB_WIRE_ACK, seq, bytes);
	peer->from++;
	refused(peer, bytes, HDR, ios, seq, "an ack from another member");

	ok(begin(peer, ios, 1, &seq), "a write");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	bytes[HDR - 1] ^= 1;
	refused(peer, bytes, HDR, ios, seq, "an ack with a wrong checksum");

	ok(begin(peer, ios, 2, &seq), "two writes");
	pack(peer, PB_WIRE_ACK, seq, bytes);
	memset(bytes + HDR, 0xa5, HDR);
	refused(peer, bytes, 2 * HDR, ios + 1, seq + 1, "an ack, and garbage");
	is(finish(ios, 1), 1, "the write whose ack was right is done");
}

int main(int argc, char **argv)
{
	struct t_peer peer;

	if (argc != 2)
		return 2;
	dev = argv[1];
	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a successor connects");
	one_by_one(&peer);
	in_pieces(&peer);
	together(&peer);
	deep(&peer);
	at_the_end(&peer);
	again(&peer);
	wrong(&peer);
	t_peer_free(&peer);
	return t_result();
}
