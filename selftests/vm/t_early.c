// SPDX-License-Identifier: GPL-2.0
/*
 * A flush that begins before it is asked for: when it does, what it stands for,
 * and that nobody takes it for more than it is.
 *
 *   t_early fake A	a primary with a fake successor
 *   t_early old A	one that goes, and an older one in its place
 *   t_early dead A COMMAND	the same; COMMAND makes its disk fail
 *   t_early pair A	with a real one: write and flush, until one has been early
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tlib.h"

#define BYTES	4096
/* After so many that came as expected one is early. */
#define LEARN	3
/* An application that writes twice and then flushes. */
#define TWO	2

static const char *dev;

static uint64_t begun(void)
{
	return t_counter(dev, PB_CNT_EARLY_FLUSHES);
}

static uint64_t used(void)
{
	return t_counter(dev, PB_CNT_EARLY_HITS);
}

/* Comes as the next message, is acked, and done; @seq: its number. */
static bool one(struct t_peer *peer, enum t_op op, uint64_t *seq)
{
	uint8_t type = op == T_FLUSH ? PB_WIRE_FLUSH : PB_WIRE_WRITE;
	struct pb_msg msg;
	struct t_io io;

	t_io_start(&io, dev, op, 0, op == T_FLUSH ? 0 : BYTES, 1);
	if (!t_peer_expect(peer, type, &msg) || msg.flags)
		return false;
	if (seq)
		*seq = msg.seq;
	return t_peer_ack(peer, msg.seq, 1) && !t_io_finish(&io);
}

/* So many writes and a flush, again and again, none of them early. */
static bool learn(struct t_peer *peer, unsigned int writes)
{
	uint64_t before = begun();
	unsigned int i, j;

	for (i = 0; i < LEARN; i++) {
		for (j = 0; j < writes; j++)
			if (!one(peer, T_WRITE, NULL))
				return false;
		if (!one(peer, T_FLUSH, NULL))
			return false;
	}
	return begun() == before;
}

/* A write with which a flush comes; the write is acked. */
static bool foreseen(struct t_peer *peer, struct pb_msg *flush)
{
	struct pb_msg msg;
	struct t_io io;

	t_io_start(&io, dev, T_WRITE, 0, BYTES, 2);
	return t_peer_expect(peer, PB_WIRE_WRITE, &msg) &&
	       t_peer_expect(peer, PB_WIRE_FLUSH, flush) &&
	       flush->flags == PB_WIRE_ORDERED && flush->seq == msg.seq + 1 &&
	       t_peer_ack(peer, msg.seq, 1) && !t_io_finish(&io);
}

/* The application's flush comes while the early one is under way. */
static void wait_for_early(struct t_peer *peer, struct pb_msg *flush,
			   struct t_io *io)
{
	uint64_t before = used();

	ok(learn(peer, 1), "one write, one flush: none is early at first");
	ok(foreseen(peer, flush), "then one comes with the write");
	t_io_start(io, dev, T_FLUSH, 0, 0, 0);
	ok(t_wait(used() == before + 1), "the application's waits for it");
}

static void joined(struct t_peer *peer)
{
	struct pb_msg flush;
	struct t_io io;

	wait_for_early(peer, &flush, &io);
	ok(!t_io_done(&io), "it is not done before that is");
	t_peer_ack(peer, flush.seq, 1);
	is(t_io_finish(&io), 0, "it is done with it");
}

/* It is done already: once.  The next one is one of its own. */
static void done(struct t_peer *peer)
{
	struct pb_ioc_status status;
	uint64_t before = used();
	struct pb_msg flush;

	ok(foreseen(peer, &flush), "a flush comes with the next write");
	t_peer_ack(peer, flush.seq, 1);
	ok(t_wait(!t_status(dev, &status) && !status.downstream.unacked),
	   "its ack comes");
	is(t_do_io(dev, T_FLUSH, 0, 0, 0), 0, "the application's has nothing to do");
	is(used(), before + 1, "since one was early");
	ok(one(peer, T_FLUSH, NULL), "one more is sent");
}

/* It covers one write: another one comes before the flush. */
static void in_vain(struct t_peer *peer)
{
	struct pb_msg flush;
	uint64_t seq;

	ok(foreseen(peer, &flush), "a flush comes with the next write");
	ok(one(peer, T_WRITE, NULL), "another write comes, and none with it");
	ok(one(peer, T_FLUSH, &seq) && seq > flush.seq + 1,
	   "the application's own is sent");
	t_peer_ack(peer, flush.seq, 1);
	ok(one(peer, T_WRITE, NULL) && one(peer, T_FLUSH, NULL),
	   "the next write brings none");
	ok(learn(peer, TWO), "an application that writes twice");
	ok(one(peer, T_WRITE, NULL), "its first write brings none");
	ok(foreseen(peer, &flush), "its second one does");
	t_peer_ack(peer, flush.seq, 1);
	is(t_do_io(dev, T_FLUSH, 0, 0, 0), 0, "and it counts");
}

/* The connection goes under it, and it had not arrived. */
static void broken(struct t_peer *peer)
{
	struct pb_msg flush;
	struct t_io io;

	wait_for_early(peer, &flush, &io);
	t_peer_close(peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "the connection goes");
	peer->hello.recv_seq = flush.seq - 1;
	ok(t_peer_up_quiet(peer), "the successor connects again");
	ok(t_peer_expect(peer, PB_WIRE_FLUSH, &flush) &&
	   flush.flags == PB_WIRE_ORDERED, "it is sent again");
	ok(!t_io_done(&io), "it is not done before its ack");
	t_peer_ack(peer, flush.seq, 1);
	is(t_io_finish(&io), 0, "and then it is");
}

/* Nobody waits for it, and the connection goes: it holds up nothing. */
static void forgotten(struct t_peer *peer)
{
	struct pb_ioc_status status;
	struct pb_msg flush;

	ok(foreseen(peer, &flush), "one more is early");
	t_peer_close(peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "the connection goes");
	ok(t_wait(!t_status(dev, &status) && !status.in_flight),
	   "nothing is under way");
	peer->hello.recv_seq = flush.seq;
	ok(t_peer_up_quiet(peer), "the successor connects again");
	ok(one(peer, T_FLUSH, NULL), "a flush is sent");
	t_peer_close(peer);
	is(t_move(dev, 2, "a"), 0, "a view without the successor");
	is(t_do_io(dev, T_WRITE, 0, BYTES, 1), 0, "alone it writes");
	is(t_do_io(dev, T_FLUSH, 0, 0, 0), 0, "and flushes");
}

static void fake(void)
{
	struct t_peer peer;

	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a successor connects");
	joined(&peer);
	done(&peer);
	in_vain(&peer);
	broken(&peer);
	forgotten(&peer);
	t_peer_free(&peer);
}

/* In its place comes one that knows no order. */
static void old(void)
{
	struct pb_ioc_status status;
	struct t_peer peer;
	struct pb_msg flush;
	struct t_io io;

	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a successor connects");
	t_status(dev, &status);
	is(status.downstream.protocol, PB_WIRE_VERSION_MAX, "they speak the newest");
	wait_for_early(&peer, &flush, &io);
	t_peer_close(&peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "the connection goes");
	peer.hello.recv_seq = flush.seq - 1;
	peer.hello.version_max = PB_WIRE_VERSION_ORDERED - 1;
	ok(t_peer_up_quiet(&peer), "an older successor connects");
	t_status(dev, &status);
	is(status.downstream.protocol, PB_WIRE_VERSION_ORDERED - 1,
	   "they speak the older's");
	ok(t_peer_expect(&peer, PB_WIRE_FLUSH, &flush) && !flush.flags,
	   "the flush is sent again, as any other");
	t_peer_ack(&peer, flush.seq, 1);
	is(t_io_finish(&io), 0, "it is done");
	ok(learn(&peer, 1) && learn(&peer, 1), "and no other one is early");
	t_peer_free(&peer);
}

/* Acked early, and then this disk is given up: the flush has to go somewhere. */
static void dead(const char *command)
{
	struct pb_ioc_status status;
	struct t_peer peer;
	struct pb_msg flush;
	struct t_io io;

	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a successor connects");
	ok(learn(&peer, 1), "one write, one flush, again and again");
	is(system(command), 0, "the disk dies");
	ok(foreseen(&peer, &flush), "a flush comes with the next write");
	t_peer_ack(&peer, flush.seq, 1);
	ok(t_wait(!t_status(dev, &status) && !status.downstream.unacked),
	   "its ack comes");
	t_io_start(&io, dev, T_FLUSH, 0, 0, 0);
	ok(t_peer_expect(&peer, PB_WIRE_FLUSH, &flush), "the application's is sent");
	ok(!t_io_done(&io), "it is not done before its ack");
	t_peer_ack(&peer, flush.seq, 1);
	is(t_io_finish(&io), 0, "and then it is");
	t_peer_free(&peer);
}

static void pair(void)
{
	unsigned int i, bad = 0;

	for (i = 0; i <= LEARN; i++) {
		bad += !!t_do_io(dev, T_WRITE, i * BYTES, BYTES, i + 1);
		bad += !!t_do_io(dev, T_FLUSH, 0, 0, 0);
	}
	is(bad, 0, "writes and flushes");
	is(begun(), 1, "one flush was early");
	is(used(), 1, "it was of use");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	dev = argv[2];
	if (!strcmp(argv[1], "fake"))
		fake();
	else if (!strcmp(argv[1], "old"))
		old();
	else if (argc == 4)
		dead(argv[3]);
	else
		pair();
	return t_result();
}
