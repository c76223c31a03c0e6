// SPDX-License-Identifier: GPL-2.0
/*
 * Overlapping writes.
 *
 *   t_overlap fake A FILE	a fake successor does what is in flight in any
 *				order, as a disk may; its copy must equal ours
 *   t_overlap write A		only the writers, to a real successor
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

#define WRITERS	8
#define REGION	(256 << 10)
#define POOL	16

static const char *dev;
static unsigned int per_writer;
static volatile unsigned int writers_left;
static volatile unsigned int errors;

static void *writer(void *arg)
{
	uint64_t rnd = 1000 + (uintptr_t)arg;
	static const enum t_op ops[] = { T_WRITE, T_WRITE, T_WRITE, T_FUA,
					 T_ZEROES };
	unsigned int i;

	for (i = 0; i < per_writer; i++) {
		uint32_t len = 512 * (1 + t_random(&rnd) % 64);
		uint32_t offset = t_random(&rnd) % ((REGION - len) / 512) * 512;
		enum t_op op = ops[t_random(&rnd) % ARRAY_SIZE(ops)];

		if (t_do_io(dev, op, offset, len, t_random(&rnd)))
			__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_sub(&writers_left, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void start_writers(pthread_t *threads)
{
	uintptr_t i;

	per_writer = t_env("PB_WRITES", 80, 2000);
	writers_left = WRITERS;
	for (i = 0; i < WRITERS; i++)
		if (pthread_create(&threads[i], NULL, writer, (void *)i))
			bail("no thread");
}

static void join_writers(pthread_t *threads)
{
	unsigned int i;

	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	is(errors, 0, "no write failed");
}

/* What the fake successor has taken and not yet done. */
struct pending {
	struct pb_msg msg;
	uint8_t *data;
};

static struct pending pool[POOL];
static unsigned int nr_pending, most_pending, overlaps;
static uint8_t shadow[REGION];

static bool overlap(const struct pb_msg *a, const struct pb_msg *b)
{
	/* A flush has no range. */
	return a->count && b->count && a->sector < b->sector + b->count &&
	       b->sector < a->sector + a->count;
}

static void take(const struct pb_msg *msg, const uint8_t *data)
{
	struct pending *p = &pool[nr_pending];
	unsigned int i;

	for (i = 0; i < nr_pending; i++)
		if (overlap(&pool[i].msg, msg))
			overlaps++;
	p->msg = *msg;
	p->data = NULL;
	if (msg->data_len) {
		p->data = malloc(msg->data_len);
		memcpy(p->data, data, msg->data_len);
	}
	nr_pending++;
	if (nr_pending > most_pending)
		most_pending = nr_pending;
}

static void do_one(struct t_peer *peer, uint64_t *rnd)
{
	struct pending *p = &pool[t_random(rnd) % nr_pending];
	size_t bytes = p->msg.count * 512, at = p->msg.sector * 512;

	if (p->msg.type == PB_WIRE_WRITE)
		memcpy(shadow + at, p->data, bytes);
	else if (p->msg.type == PB_WIRE_ZEROES)
		memset(shadow + at, 0, bytes);
	t_peer_ack(peer, p->msg.seq, 1);
	free(p->data);
	*p = pool[--nr_pending];
}

static void serve(struct t_peer *peer)
{
	uint64_t rnd = 42;
	struct pb_msg msg;
	enum t_got got;

	while (writers_left || nr_pending) {
		got = nr_pending < POOL ? t_peer_recv(peer, &msg, 3) :
					  T_TIMEOUT;
		if (got == T_GOT)
			take(&msg, peer->data);
		else if (got != T_TIMEOUT)
			bail("the connection broke");
		if (nr_pending && (got == T_TIMEOUT || t_random(&rnd) % 4 == 0))
			do_one(peer, &rnd);
	}
}

/* A read waits for a write under way that it overlaps, and for no other. */
static void read_waits(struct t_peer *peer)
{
	struct t_io wr, rd;
	struct pb_msg msg;

	t_io_start(&wr, dev, T_WRITE, 1 << 20, 8192, 5);
	if (!t_peer_expect(peer, PB_WIRE_WRITE, &msg))
		bail("no write");
	t_io_start(&rd, dev, T_READ, (1 << 20) + 4096, 4096, 0);
	is(t_do_io(dev, T_READ, 2 << 20, 4096, 0), 0,
	   "a read elsewhere is served while a write waits");
	t_sleep_ms(300);
	ok(!t_io_done(&rd), "a read of what is being written waits");
	t_peer_ack(peer, msg.seq, 1);
	ok(!t_io_finish(&wr) && !t_io_finish(&rd), "both end with the ack");
}

static int fake(const char *file)
{
	pthread_t threads[WRITERS];
	struct t_peer peer;
	uint8_t *disk;
	size_t len;

	t_peer_init(&peer, dev);
	ok(t_peer_up(&peer), "a successor connects");
	start_writers(threads);
	serve(&peer);
	join_writers(threads);
	is(overlaps, 0, "never two overlapping writes in flight");
	ok(most_pending > 1, "several others were");
	note("most at a time: %u; waits for an overlap: %llu", most_pending,
	     (unsigned long long)t_counter(dev, PB_CNT_OVERLAP_WAITS));
	ok(t_counter(dev, PB_CNT_OVERLAP_WAITS) > 0, "some had to wait");
	disk = t_read_file(file, &len);
	ok(!memcmp(disk, shadow, REGION),
	   "done in any order, the copies are equal");
	free(disk);
	read_waits(&peer);
	t_peer_free(&peer);
	return t_result();
}

int main(int argc, char **argv)
{
	pthread_t threads[WRITERS];

	if (argc < 3)
		return 2;
	dev = argv[2];
	if (argc > 3)
		return fake(argv[3]);
	start_writers(threads);
	join_writers(threads);
	return t_result();
}
