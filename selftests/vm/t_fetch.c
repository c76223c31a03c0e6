// SPDX-License-Identifier: GPL-2.0
/*
 * Reads over the wire, with a neighbour that says wrong things.
 *
 *   t_fetch backup B		a fake predecessor reads from backup B
 *   t_fetch primary A		a fake successor is asked by primary A, whose own
 *				disk fails every read (the caller has seen to that)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

#define LEN	4096
#define FILL	0xc5

static const char *dev;
static uint64_t last_refused;
static uint64_t write_seq;

static bool refused(struct t_peer *peer, const char *what)
{
	uint64_t now;
	uint32_t bye;
	bool good;

	good = t_peer_closed(peer, &bye) && t_wait(t_links(dev, PB_LINK_NONE));
	now = t_counter(dev, PB_CNT_RX_REFUSED);
	good = good && now == last_refused + 1;
	last_refused = now;
	return ok(good, "%s: refused and counted", what);
}

/* The backup's side. */

static struct pb_msg good_read(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_READ);

	msg.seq = peer->next_seq;
	msg.sector = 64;
	msg.count = 8;
	return msg;
}

struct bad_read {
	const char *name;
	void (*spoil)(struct pb_msg *msg, struct t_peer *peer);
};

#define READ_CASE(name, change)						\
static void read_##name(struct pb_msg *m, struct t_peer *peer)		\
{									\
	(void)peer;							\
	change;								\
}

READ_CASE(over_end, m->sector = peer->bounds.data_sectors - 4)
READ_CASE(outside, m->sector = ~0ULL - 7)
READ_CASE(odd, m->count = 7)
READ_CASE(empty, m->count = 0)
READ_CASE(huge, m->count = 4096)
READ_CASE(data, m->data_len = 4096)
READ_CASE(flag, m->flags = 1)
READ_CASE(gap, m->seq++)
READ_CASE(again, m->seq--)
READ_CASE(zero, m->seq = 0)
READ_CASE(view, m->view--)
READ_CASE(answer, m->type = PB_WIRE_DATA; m->data_len = 4096)

static const struct bad_read bad_reads[] = {
	{ "read over the end", read_over_end },
	{ "read that wraps", read_outside },
	{ "read of odd length", read_odd },
	{ "empty read", read_empty },
	{ "read of 2 MiB", read_huge },
	{ "read with a payload", read_data },
	{ "read with a flag", read_flag },
	{ "read with a gap before it", read_gap },
	{ "read with a used number", read_again },
	{ "read without a number", read_zero },
	{ "read of another view", read_view },
	{ "data from the predecessor", read_answer },
};

static bool good_answer(struct t_peer *peer, uint8_t fill)
{
	struct pb_msg msg = good_read(peer), answer;
	unsigned int i;

	peer->next_seq++;
	if (!t_peer_send(peer, &msg, NULL) ||
	    !t_peer_expect(peer, PB_WIRE_DATA, &answer))
		return false;
	for (i = 0; i < answer.data_len; i++)
		if (peer->data[i] != fill)
			return false;
	return answer.seq == msg.seq && answer.sector == msg.sector &&
	       answer.count == msg.count && answer.data_len == LEN;
}

/* More than the socket and the bound take, and nobody listens. */
static void flood(struct t_peer *peer)
{
	struct pb_msg msg;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		msg = good_read(peer);
		msg.sector = 0;
		msg.count = PB_WIRE_MAX_DATA / 512;
		peer->next_seq++;
		t_peer_send(peer, &msg, NULL);
	}
	ok(t_wait(t_counter(dev, PB_CNT_RX_THROTTLED) > 0),
	   "answers that nobody takes: it pauses");
	is(t_disconnect(dev), 0, "and lets go of them");
	t_peer_close(peer);
}

static int backup(void)
{
	struct t_peer peer;
	struct pb_msg msg;
	unsigned int i;

	t_peer_init(&peer, dev);
	ok(t_peer_up(&peer) && t_peer_write(&peer, 64, 8, FILL) &&
	   good_answer(&peer, FILL), "a write, and a read of it behind it");
	for (i = 0; i < ARRAY_SIZE(bad_reads); i++) {
		if (!t_peer_up(&peer)) {
			ok(false, "%s: no connection", bad_reads[i].name);
			continue;
		}
		msg = good_read(&peer);
		bad_reads[i].spoil(&msg, &peer);
		t_peer_send(&peer, &msg, peer.data);
		refused(&peer, bad_reads[i].name);
	}
	ok(t_peer_up(&peer) && good_answer(&peer, FILL), "it answers on");
	flood(&peer);
	ok(t_peer_up(&peer) && good_answer(&peer, FILL), "and after that");
	t_peer_free(&peer);
	return t_result();
}

/* The primary's side: an application that reads, and knows what it wants. */

struct app {
	pthread_t	thread;
	int		error;
	int		done;
};

static void *app_read(void *arg)
{
	struct app *app = arg;
	char path[64];
	uint8_t *data;
	int fd, i;

	if (posix_memalign((void **)&data, 4096, LEN))
		bail("no memory");
	memset(data, 0, LEN);
	snprintf(path, sizeof(path), "/dev/mapper/%s", dev);
	fd = open(path, O_RDONLY | O_DIRECT);
	if (pread(fd, data, LEN, 64 * 512) != LEN)
		app->error = errno;
	for (i = 0; i < LEN && !app->error; i++)
		if (data[i] != FILL)
			app->error = EREMOTEIO;
	close(fd);
	free(data);
	__atomic_store_n(&app->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void app_start(struct app *app)
{
	memset(app, 0, sizeof(*app));
	pthread_create(&app->thread, NULL, app_read, app);
}

static bool app_done(struct app *app)
{
	return __atomic_load_n(&app->done, __ATOMIC_ACQUIRE);
}

static int app_finish(struct app *app)
{
	if (!t_wait(app_done(app)))
		return ETIMEDOUT;
	pthread_join(app->thread, NULL);
	return app->error;
}

static struct pb_msg answer_to(const struct t_peer *peer,
			       const struct pb_msg *read)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_DATA);

	msg.seq = read->seq;
	msg.sector = read->sector;
	msg.count = read->count;
	msg.data_len = read->count * 512;
	return msg;
}

struct bad_answer {
	const char *name;
	void (*spoil)(struct pb_msg *msg);
};

#define DATA_CASE(name, change)						\
static void data_##name(struct pb_msg *m)				\
{									\
	change;								\
}

DATA_CASE(ack, m->type = PB_WIRE_ACK; m->sector = 0; m->count = 1;
	  m->data_len = 0)
DATA_CASE(never, m->seq += 1000)
DATA_CASE(before, m->seq--)
DATA_CASE(write, m->seq++)
DATA_CASE(sector, m->sector += 8)
DATA_CASE(short, m->count -= 2; m->data_len -= 1024)
DATA_CASE(long, m->count += 8; m->data_len += 4096)
DATA_CASE(length, m->data_len = 512)
DATA_CASE(nothing, m->data_len = 0)
DATA_CASE(both, m->status = 5)
DATA_CASE(status, m->data_len = 0; m->status = 5000)
DATA_CASE(view, m->view++)
DATA_CASE(from, m->from ^= 1)
DATA_CASE(flag, m->flags = 1)

static const struct bad_answer bad_answers[] = {
	{ "an ack for a read", data_ack },
	{ "data for what was never sent", data_never },
	{ "data for what is acked", data_before },
	{ "data for a write", data_write },
	{ "data of another sector", data_sector },
	{ "less data than was asked for", data_short },
	{ "more data than was asked for", data_long },
	{ "data of another length", data_length },
	{ "neither data nor a reason", data_nothing },
	{ "data and a reason", data_both },
	{ "an impossible reason", data_status },
	{ "data of another view", data_view },
	{ "data from another member", data_from },
	{ "data with a flag", data_flag },
};

static bool answer(struct t_peer *peer, const struct pb_msg *read)
{
	struct pb_msg msg = answer_to(peer, read);

	memset(peer->data, FILL, PB_WIRE_MAX_DATA);
	return t_peer_send(peer, &msg, peer->data);
}

/* A read that is asked for, with a write behind it. */
static bool asked(struct t_peer *peer, struct app *app, struct t_io *io,
		  struct pb_msg *read)
{
	struct pb_msg msg;

	app_start(app);
	if (!t_peer_expect(peer, PB_WIRE_READ, read))
		return false;
	t_io_start(io, dev, T_WRITE, 1 << 20, LEN, 1);
	if (!t_peer_expect(peer, PB_WIRE_WRITE, &msg))
		return false;
	write_seq = msg.seq;
	return true;
}

/* It has come, maybe over an earlier connection: it keeps its number. */
static int ack_write(struct t_peer *peer, struct t_io *io)
{
	t_peer_ack(peer, write_seq, 1);
	return t_io_finish(io);
}

static void against_primary(struct t_peer *peer, const struct bad_answer *bad)
{
	struct pb_msg read, msg;
	struct t_io io;
	struct app app;
	bool good;

	if (!t_peer_up(peer) || !asked(peer, &app, &io, &read)) {
		ok(false, "%s: a read that is asked for", bad->name);
		return;
	}
	msg = answer_to(peer, &read);
	bad->spoil(&msg);
	memset(peer->data, 0xee, PB_WIRE_MAX_DATA);
	t_peer_send(peer, &msg, peer->data);
	refused(peer, bad->name);
	ok(!app_done(&app), "%s: the read waits", bad->name);
	/* It has come here, and the next hello says so: it comes again. */
	good = t_peer_up(peer) && t_peer_expect(peer, PB_WIRE_READ, &read) &&
	       answer(peer, &read);
	ok(good && !app_finish(&app), "%s: asked again and served", bad->name);
	is(ack_write(peer, &io), 0, "%s: the write too", bad->name);
}

/* The payload breaks off. */
static void half_answer(struct t_peer *peer)
{
	struct pb_msg read, msg;
	struct pb_wire_hdr hdr;
	struct t_io io;
	struct app app;
	bool good;

	good = t_peer_up(peer) && asked(peer, &app, &io, &read);
	msg = answer_to(peer, &read);
	pb_codec_pack(&msg, &hdr);
	memset(peer->data, 0xee, LEN);
	good = good && t_peer_raw(peer, &hdr, sizeof(hdr)) &&
	       t_peer_raw(peer, peer->data, LEN / 2);
	t_peer_close(peer);
	ok(good && t_wait(t_links(dev, PB_LINK_NONE)) && !app_done(&app),
	   "half an answer: the read waits");
	good = t_peer_up(peer) && t_peer_expect(peer, PB_WIRE_READ, &read) &&
	       answer(peer, &read);
	ok(good && !app_finish(&app), "half an answer: asked again and served");
	is(ack_write(peer, &io), 0, "half an answer: the write too");
}

/* Who writes into the range waits until it is repaired. */
static void range_is_held(struct t_peer *peer)
{
	uint64_t waits = t_counter(dev, PB_CNT_OVERLAP_WAITS);
	struct pb_msg read, msg;
	struct t_io io;
	struct app app;
	bool good;

	good = t_peer_up(peer);
	app_start(&app);
	good = good && t_peer_expect(peer, PB_WIRE_READ, &read);
	t_io_start(&io, dev, T_WRITE, 64 * 512, LEN, FILL);
	ok(good && t_wait(t_counter(dev, PB_CNT_OVERLAP_WAITS) > waits),
	   "a write into the range waits");
	ok(answer(peer, &read) && !app_finish(&app), "the read is served");
	ok(t_peer_expect(peer, PB_WIRE_WRITE, &msg) &&
	   t_peer_ack(peer, msg.seq, 1) && !t_io_finish(&io),
	   "then the write is sent and done");
}

/* The same answer once more. */
static void twice(struct t_peer *peer)
{
	struct pb_msg read;
	struct t_io io;
	struct app app;

	ok(t_peer_up(peer) && asked(peer, &app, &io, &read) &&
	   answer(peer, &read) && !app_finish(&app) && answer(peer, &read),
	   "an answer, and once more");
	refused(peer, "an answer again");
	t_peer_up(peer);
	is(ack_write(peer, &io), 0, "an answer again: the write too");
}

static void cannot(struct t_peer *peer)
{
	struct pb_msg read, msg;
	struct t_io io;
	struct app app;
	bool good;

	good = t_peer_up(peer) && asked(peer, &app, &io, &read);
	msg = answer_to(peer, &read);
	msg.data_len = 0;
	msg.status = EREMOTEIO;
	good = good && t_peer_send(peer, &msg, NULL);
	is(good ? app_finish(&app) : -1, EIO, "no other copy: the disk's error");
	is(ack_write(peer, &io), 0, "the write too");
}

/* What is asked for, half of it here, is let go by a new view. */
static void new_view(struct t_peer *peer)
{
	struct pb_msg read, msg;
	struct pb_wire_hdr hdr;
	struct t_io io;
	struct app app;
	bool good;

	good = t_peer_up(peer) && asked(peer, &app, &io, &read);
	msg = answer_to(peer, &read);
	pb_codec_pack(&msg, &hdr);
	good = good && t_peer_raw(peer, &hdr, sizeof(hdr)) &&
	       t_peer_raw(peer, peer->data, LEN / 2);
	ok(good, "half an answer");
	is(t_move(dev, peer->view + 1, "a"), 0, "a view without the other");
	is(app_finish(&app), EIO, "the read ends");
	is(t_io_finish(&io), 0, "the write is done");
}

static int primary(void)
{
	struct t_peer peer;
	unsigned int i;

	t_peer_init(&peer, dev);
	for (i = 0; i < ARRAY_SIZE(bad_answers); i++)
		against_primary(&peer, &bad_answers[i]);
	half_answer(&peer);
	range_is_held(&peer);
	twice(&peer);
	cannot(&peer);
	new_view(&peer);
	t_peer_free(&peer);
	return t_result();
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	dev = argv[2];
	last_refused = t_counter(dev, PB_CNT_RX_REFUSED);
	return strcmp(argv[1], "backup") ? primary() : backup();
}
