// SPDX-License-Identifier: GPL-2.0
/*
 * Leases, with a fake neighbour that answers when and what the test wants.
 *
 *   t_lease primary A	A: primary of view 1 "ab", lease_ms 200, nobody connected
 *   t_lease dirty A	the same with lease_ms 60000, its data disk behind "slow"
 *   t_lease confirm A	the same with lease_ms 60000 and reads confirm
 *   t_lease backup B	B: backup of view 1 "ab", lease_ms 1000
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tlib.h"

static const char *dev;

static struct pb_ioc_status status(void)
{
	struct pb_ioc_status s;

	if (t_status(dev, &s))
		bail("no status of %s", dev);
	return s;
}

static void begin_read(struct t_io *io, const char *why)
{
	uint64_t asked = t_counter(dev, PB_CNT_LEASE_WAITS);

	t_io_start(io, dev, T_READ, 0, 4096, 0);
	ok(t_wait(t_counter(dev, PB_CNT_LEASE_WAITS) > asked), "a read waits %s",
	   why);
}

static void still_waits(struct t_io *io, const char *why)
{
	t_sleep_ms(t_env("PB_HOLD", 300, 3000));
	ok(!t_io_done(io), "%s: it waits on", why);
}

/* The answer to the hello, which is heard last, is its own first lease. */
static void lapse(struct t_peer *peer)
{
	ok(t_peer_up(peer), "a successor connects");
	ok(t_wait(t_links(dev, PB_LINK_UP)), "the link is up");
	/* Longer than what its hello was worth, if that is not noted yet. */
	t_sleep_ms(300);
	ok(t_wait(!status().lease_left_ms), "its lease ends");
}

/* Nobody is connected, and nobody ever was. */
static void without_link(struct t_peer *peer)
{
	struct t_io io;

	begin_read(&io, "without a link");
	still_waits(&io, "no link");
	ok(status().held == 1 && status().oldest_wait_ms, "it is shown as held");
	is(t_policy(dev, PB_POLICY_ERROR), 0, "policy error");
	is(t_io_finish(&io), ENOLINK, "lets it go");
	is(t_do_io(dev, T_READ, 0, 4096, 0), ENOLINK, "and who comes later");
	is(t_policy(dev, PB_POLICY_WAIT), 0, "policy wait");
	begin_read(&io, "again");
	ok(t_peer_up(peer), "a successor connects");
	is(t_io_finish(&io), 0, "its hello serves the read");
}

static void renewed(struct t_peer *peer)
{
	struct pb_msg msg, ack;
	struct t_io io, wr;
	uint64_t old;

	lapse(peer);
	old = peer->stamp;
	begin_read(&io, "without a lease");
	ok(t_peer_asked(peer, &msg), "the successor is asked at once");
	t_peer_keepalive(peer, old);
	still_waits(&io, "an answer to what was sent before");
	t_peer_keepalive(peer, msg.stamp);
	is(t_io_finish(&io), 0, "the answer serves it");

	lapse(peer);
	begin_read(&io, "once more");
	t_io_start(&wr, dev, T_WRITE, 1 << 20, 4096, 1);
	ok(t_peer_expect(peer, PB_WIRE_WRITE, &msg), "a write comes");
	ack = t_msg(peer, PB_WIRE_ACK);
	ack.seq = msg.seq;
	ack.count = 1;
	t_peer_send(peer, &ack, NULL);
	is(t_io_finish(&wr), 0, "it is acked");
	is(t_io_finish(&io), 0, "the ack serves the read");
}

/* A stamp that was never sent would be a lease for ever. */
static void future(struct t_peer *peer)
{
	struct t_io io;
	uint32_t bye;

	lapse(peer);
	begin_read(&io, "without a lease");
	t_peer_keepalive(peer, peer->stamp + 3600ULL * 1000000000);
	ok(t_peer_closed(peer, &bye) && bye == PB_BYE_PROTOCOL,
	   "a stamp that was never sent costs the connection");
	still_waits(&io, "refused");
	ok(t_peer_up(peer), "a successor connects");
	is(t_io_finish(&io), 0, "the read is served");
}

static void ends(struct t_peer *peer)
{
	struct t_io io;

	lapse(peer);
	begin_read(&io, "without a lease");
	is(t_move(dev, 2, "ab-"), 0, "view 2: ab-");
	is(t_io_finish(&io), 0, "with an unsynced successor it need not");
	is(t_do_io(dev, T_READ, 0, 4096, 0), 0, "nor one without a link");
	t_peer_free(peer);
	t_peer_init(peer, dev);
	peer->mute = true;
	ok(t_peer_sync(peer), "the successor is brought up to date");
	ok(t_wait(!status().lease_left_ms), "its lease ends");
	begin_read(&io, "from then on");
	is(t_move(dev, 3, "ab"), 0, "view 3: ab");
	still_waits(&io, "a new view with a successor");
	is(t_move(dev, 4, "ba-"), 0, "view 4: ba-");
	is(t_io_finish(&io), EBADE, "a deposed primary refuses it");
}

/* What a successor has promised says nothing of who is one in the next view. */
static void outlived(void)
{
	struct t_peer peer;
	struct t_io io;

	t_peer_init(&peer, dev);
	peer.mute = true;
	ok(t_peer_up(&peer), "a successor connects");
	ok(t_wait(status().lease_left_ms > 30000), "its lease is long");
	is(t_do_io(dev, T_READ, 0, 4096, 0), 0, "a read is served at once");
	is(t_move(dev, 2, "ab"), 0, "view 2: ab");
	is(status().lease_left_ms, 0, "the lease is over");
	begin_read(&io, "in the new view");
	still_waits(&io, "a new view");
	t_peer_free(&peer);
	t_peer_init(&peer, dev);
	peer.mute = true;
	ok(t_peer_up(&peer), "the successor connects in view 2");
	is(t_io_finish(&io), 0, "its hello serves the read");
	t_peer_free(&peer);
}

static void primary(void)
{
	struct t_peer peer;

	t_peer_init(&peer, dev);
	peer.mute = true;
	without_link(&peer);
	renewed(&peer);
	future(&peer);
	ends(&peer);
	t_peer_free(&peer);
}

/* A read is at the disk when an overlapping write begins. */
static void read_then_write(struct t_peer *peer, struct t_io *rd,
			    struct t_io *wr, struct pb_msg *msg)
{
	uint64_t waits = t_counter(dev, PB_CNT_DIRTY_WAITS);

	ok(t_peer_up(peer), "a successor connects");
	ok(t_wait(t_links(dev, PB_LINK_UP)), "the link is up");
	if (system("dmsetup suspend --nolockfs slow"))
		bail("dmsetup suspend");
	t_io_start(rd, dev, T_READ, 0, 8192, 0);
	t_sleep_ms(200);
	t_io_start(wr, dev, T_WRITE, 0, 4096, 7);
	ok(t_peer_expect(peer, PB_WIRE_WRITE, msg), "a write begins");
	if (system("dmsetup resume slow"))
		bail("dmsetup resume");
	ok(t_wait(t_counter(dev, PB_CNT_DIRTY_WAITS) > waits),
	   "the read that was before it waits for it");
	t_sleep_ms(200);
	ok(!t_io_done(rd) && !t_io_done(wr), "as long as it is not acked");
}

static void dirty(void)
{
	struct t_io rd, wr, later;
	struct pb_msg msg, next;
	struct t_peer peer;

	t_peer_init(&peer, dev);
	read_then_write(&peer, &rd, &wr, &msg);
	/* Elsewhere in its range: it cannot have seen that. */
	t_io_start(&later, dev, T_WRITE, 4096, 4096, 8);
	ok(t_peer_expect(&peer, PB_WIRE_WRITE, &next), "another one begins");
	t_peer_ack(&peer, msg.seq, 1);
	is(t_io_finish(&wr), 0, "the first is acked");
	is(t_io_finish(&rd), 0, "the read ends");
	ok(!t_io_done(&later), "and not with the second");
	t_peer_ack(&peer, next.seq, 1);
	is(t_io_finish(&later), 0, "which is done");
	is(t_do_io(dev, T_READ, 0, 4096, 0), 0, "a read is not held up");

	read_then_write(&peer, &rd, &wr, &msg);
	is(t_move(dev, 2, "ab-"), 0, "view 2: ab-");
	is(t_io_finish(&wr), 0, "done without the successor");
	is(t_io_finish(&rd), 0, "the read ends");
	t_peer_free(&peer);
	t_peer_init(&peer, dev);
	ok(t_peer_sync(&peer), "the successor is brought up to date");
	t_peer_free(&peer);
	is(t_move(dev, 3, "ab"), 0, "view 3: ab");

	t_peer_init(&peer, dev);
	read_then_write(&peer, &rd, &wr, &msg);
	is(t_move(dev, 4, "ba-"), 0, "view 4: ba-");
	is(t_io_finish(&wr), EBADE, "the write is not acked");
	is(t_io_finish(&rd), EBADE, "what it may have seen is not shown");
	t_peer_free(&peer);
}

static void confirm(void)
{
	struct t_peer peer;
	struct t_io a, b;
	struct pb_msg msg;

	t_peer_init(&peer, dev);
	peer.mute = true;
	ok(t_peer_up(&peer), "a successor connects");
	is(peer.theirs.lease_ms, 0, "the primary wants no lease");
	ok(t_wait(t_links(dev, PB_LINK_UP)), "the link is up");
	is(status().lease_left_ms, 0, "and has none");
	begin_read(&a, "for an answer");
	ok(t_peer_asked(&peer, &msg), "the successor is asked");
	begin_read(&b, "for another");
	t_peer_keepalive(&peer, msg.stamp);
	is(t_io_finish(&a), 0, "the answer serves who came before it was asked");
	still_waits(&b, "who came later");
	ok(t_peer_asked(&peer, &msg), "it is asked again");
	t_peer_keepalive(&peer, msg.stamp);
	is(t_io_finish(&b), 0, "and serves the other");
	is(t_counter(dev, PB_CNT_ASKED), 2, "two questions in all");
	t_peer_free(&peer);
}

/* The next keepalive of a backup. */
static bool heard(struct t_peer *peer, struct pb_msg *msg)
{
	enum t_got got;

	do {
		got = t_peer_recv_any(peer, msg, T_DEADLINE_MS);
	} while (got == T_GOT && msg->type != PB_WIRE_KEEPALIVE);
	return got == T_GOT;
}

static void answers(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_KEEPALIVE), answer;
	uint64_t before = t_now_ms();

	is(peer->theirs.lease_ms, 1000, "the backup says how long its leases are");
	msg.flags = PB_WIRE_ASK;
	t_peer_send(peer, &msg, NULL);
	do {
		if (!heard(peer, &answer))
			bail("no answer");
	} while (answer.echo < msg.stamp);
	is(answer.echo, msg.stamp, "an answer brings the stamp back");
	note("after %u ms", (unsigned int)(t_now_ms() - before));
	ok(status().hold_left_ms > 0, "it has something to wait out");
}

/* No keepalive comes by itself. */
static void asked(void)
{
	struct pb_msg msg, answer;
	struct t_peer peer;

	t_peer_init(&peer, dev);
	ok(t_peer_up_quiet(&peer), "a predecessor connects");
	msg = t_msg(&peer, PB_WIRE_KEEPALIVE);
	msg.flags = PB_WIRE_ASK;
	t_peer_send(&peer, &msg, NULL);
	ok(heard(&peer, &answer) && answer.echo == msg.stamp,
	   "asked, it answers at once");
	t_peer_free(&peer);
}

/* It says something all the time, and brings back the stamp that it has. */
static void falls_silent(struct t_peer *peer)
{
	uint64_t said = t_counter(dev, PB_CNT_KEEPALIVES_TX);

	ok(t_wait(!status().hold_left_ms),
	   "a predecessor falls silent: what it was given is over in time");
	ok(t_counter(dev, PB_CNT_KEEPALIVES_TX) > said &&
	   t_links(dev, PB_LINK_UP), "also while the link is up");
	answers(peer);
}

static void waits_out(uint64_t view, const char *members)
{
	struct t_io wr, rd;
	uint32_t left;

	is(t_move(dev, view, members), 0, "view %u: %s", (unsigned int)view,
	   members);
	left = status().hold_left_ms;
	ok(left > 0, "the view is taken at once: %u ms are left", left);
	t_io_start(&wr, dev, T_WRITE, 0, 4096, 3);
	t_io_start(&rd, dev, T_READ, 65536, 4096, 0);
	ok(t_wait(status().held == 2 || !status().hold_left_ms),
	   "a read and a write wait");
	while (!t_io_done(&wr) && !t_io_done(&rd) && status().hold_left_ms)
		t_sleep_ms(2);
	is(status().hold_left_ms, 0, "neither is served before the time is over");
	ok(!t_io_finish(&wr) && !t_io_finish(&rd), "then both are");
}

static void backup(void)
{
	struct t_peer peer;
	struct pb_msg msg;

	t_peer_init(&peer, dev);
	ok(t_peer_up(&peer), "a predecessor connects");
	answers(&peer);
	falls_silent(&peer);
	waits_out(2, "b");
	do {
		if (t_peer_recv_any(&peer, &msg, T_DEADLINE_MS) != T_GOT)
			break;
	} while (msg.type != PB_WIRE_BYE);
	ok(msg.type == PB_WIRE_BYE && !msg.echo, "a bye gives no lease");
	t_peer_free(&peer);

	is(t_move(dev, 3, "b"), 0, "view 3: b, alone still");
	is(status().hold_left_ms, 0, "nothing to wait for any more");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	dev = argv[2];
	if (!strcmp(argv[1], "primary"))
		primary();
	else if (!strcmp(argv[1], "outlived"))
		outlived();
	else if (!strcmp(argv[1], "dirty"))
		dirty();
	else if (!strcmp(argv[1], "confirm"))
		confirm();
	else if (!strcmp(argv[1], "asked"))
		asked();
	else if (!strcmp(argv[1], "backup"))
		backup();
	else
		return 2;
	return t_result();
}
