// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing is acked without the successor, whatever kind of bio: a fake
 * successor holds its acks, breaks off, and is left out by a new view.
 *
 *   t_hold A	A: primary of view 1 "ab", nobody connected
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

#define NR	4

/* The kernel does one discard or write-zeroes at a time. */
static enum t_op ops[NR] = { T_WRITE, T_FUA, T_FLUSH, T_DISCARD };

static const char *dev;

static void start_all(struct t_io *ios)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		t_io_start(&ios[i], dev, ops[i], i << 20, 65536, 0x40 + i);
}

static void all_pending(struct t_io *ios, const char *when)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		ok(!t_io_done(&ios[i]), "%s: %s still waits",
		   t_op_names[ops[i]], when);
}

static void all_complete(struct t_io *ios, const char *when)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		is(t_io_finish(&ios[i]), 0, "%s: completes %s",
		   t_op_names[ops[i]], when);
}

/* Takes the requests as they come; they may come in any order. */
static void take_all(struct t_peer *peer)
{
	unsigned int writes = 0, fuas = 0, zeroes = 0, flushes = 0, i;
	struct pb_msg msg;

	for (i = 0; i < NR; i++) {
		if (t_peer_recv(peer, &msg, T_DEADLINE_MS) != T_GOT)
			break;
		if (msg.type == PB_WIRE_FLUSH)
			flushes++;
		else if (msg.type == PB_WIRE_ZEROES)
			zeroes++;
		else if (msg.flags & PB_WIRE_FUA)
			fuas++;
		else
			writes++;
	}
	ok(writes == 1 && fuas == 1 && zeroes == 1 && flushes == 1,
	   "the successor sees a write, a FUA, zeroes, a flush");
}

static void hold_then_drop(const char *next_members, uint64_t next)
{
	unsigned int hold = t_env("PB_HOLD", 3000, 10000);
	struct t_io ios[NR];
	struct t_peer peer;

	t_peer_init(&peer, dev);
	ok(t_peer_up(&peer), "a successor connects");
	start_all(ios);
	take_all(&peer);
	t_sleep_ms(hold);
	all_pending(ios, "unacked");
	t_peer_free(&peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "the end is noticed");
	t_sleep_ms(hold / 4);
	all_pending(ios, "without successor");
	is(t_move(dev, next, next_members), 0, "view %llu: %s",
	   (unsigned long long)next, next_members);
	all_complete(ios, "in the view without it");
}

/* Acks are for what they name, not for what came before or after. */
static void one_by_one(struct t_peer *peer)
{
	struct t_io first, second;
	struct pb_msg msg;

	t_io_start(&first, dev, T_WRITE, 0, 4096, 1);
	t_peer_recv(peer, &msg, T_DEADLINE_MS);
	is(msg.seq, 1, "numbers begin at 1 in a new view");
	t_io_start(&second, dev, T_WRITE, 8192, 4096, 2);
	t_peer_recv(peer, &msg, T_DEADLINE_MS);
	t_peer_ack(peer, 2, 1);
	is(t_io_finish(&second), 0, "the one acked completes");
	t_sleep_ms(300);
	ok(!t_io_done(&first), "the one before does not");
	t_peer_ack(peer, 1, 1);
	is(t_io_finish(&first), 0, "until it is acked as well");
}

static void empty_flush(struct t_peer *peer)
{
	struct pb_msg msg;
	struct t_io io;

	t_io_start(&io, dev, T_FLUSH, 0, 0, 0);
	ok(t_peer_recv(peer, &msg, T_DEADLINE_MS) == T_GOT &&
	   msg.type == PB_WIRE_FLUSH, "an fsync with nothing dirty is sent");
	t_sleep_ms(t_env("PB_HOLD", 1000, 10000));
	ok(!t_io_done(&io), "it waits for its ack");
	t_peer_ack(peer, msg.seq, 1);
	is(t_io_finish(&io), 0, "and completes with it");
}

/* The local disk counts as well: it is stopped below us. */
static void local_leg(struct t_peer *peer)
{
	struct pb_msg msg;
	struct t_io io;

	if (system("dmsetup suspend slow"))
		bail("dmsetup suspend");
	t_io_start(&io, dev, T_WRITE, 4096, 4096, 3);
	ok(t_peer_expect(peer, PB_WIRE_WRITE, &msg),
	   "a write is sent while the local disk stands still");
	t_peer_ack(peer, msg.seq, 1);
	t_sleep_ms(500);
	ok(!t_io_done(&io), "acked, it waits for the local disk");
	if (system("dmsetup resume slow"))
		bail("dmsetup resume");
	is(t_io_finish(&io), 0, "and completes with it");
}

/* Deposed with writes under way: none of them is acked. */
static void deposed(struct t_peer *peer)
{
	struct t_io ios[NR];
	unsigned int i;

	start_all(ios);
	take_all(peer);
	is(t_move(dev, 8, "ba-"), 0, "view 8: ba-");
	for (i = 0; i < NR; i++)
		is(t_io_finish(&ios[i]), EBADE, "%s: refused by the view",
		   t_op_names[ops[i]]);
}

/* From view @number on: a successor is brought up to date, and listed so. */
static void bring_back(uint64_t number)
{
	struct t_peer peer;

	is(t_move(dev, number, "ab-"), 0, "view %llu: ab-",
	   (unsigned long long)number);
	t_peer_init(&peer, dev);
	ok(t_peer_sync(&peer), "the successor is brought up to date");
	t_peer_free(&peer);
	is(t_move(dev, number + 1, "ab"), 0, "view %llu: ab",
	   (unsigned long long)number + 1);
}

int main(int argc, char **argv)
{
	struct t_peer peer;

	if (argc != 2)
		return 2;
	dev = argv[1];
	hold_then_drop("a", 2);
	is(t_do_io(dev, T_WRITE, 0, 4096, 9), 0, "alone it writes at once");
	bring_back(3);
	ops[NR - 1] = T_ZEROES;
	hold_then_drop("ac-", 5);
	is(t_do_io(dev, T_WRITE, 0, 4096, 9), 0,
	   "with an unsynced successor it does not wait");
	bring_back(6);
	t_peer_init(&peer, dev);
	ok(t_peer_up(&peer), "a successor connects");
	one_by_one(&peer);
	empty_flush(&peer);
	local_leg(&peer);
	deposed(&peer);
	t_peer_free(&peer);
	return t_result();
}
