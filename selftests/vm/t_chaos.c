// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: writers, and an operator who changes views, connects,
 * disconnects, suspends and resumes without waiting for anything to settle.
 * In the end the two are connected and equal, and no write has failed.
 *
 *   t_chaos A B	a pair in view 1 "ab"
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

#define WRITERS	6
#define REGION	(1 << 20)

static const char *devs[2];
static volatile bool stop;
static volatile unsigned int errors, done;
static uint64_t number = 1;
static uint64_t rnd;

static void *writer(void *arg)
{
	static const enum t_op ops[] = { T_WRITE, T_WRITE, T_FUA, T_ZEROES,
					 T_FLUSH, T_READ };
	uint64_t mine = 99 + (uintptr_t)arg;
	uint32_t len, offset;
	enum t_op op;
	int err;

	while (!stop) {
		len = 512 * (1 + t_random(&mine) % 200);
		offset = t_random(&mine) % ((REGION - len) / 512) * 512;
		op = ops[t_random(&mine) % ARRAY_SIZE(ops)];
		err = t_do_io(devs[0], op, offset, len, t_random(&mine));
		if (err) {
			note("%s: errno %d", t_op_names[op], err);
			__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
		}
		__atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Two threads may do this to the same device at the same time. */
static void *operator(void *arg)
{
	uint64_t mine = 7 + (uintptr_t)arg;
	int fds[2];

	while (!stop) {
		switch (t_random(&mine) % 4) {
		case 0:
			t_disconnect(devs[t_random(&mine) % 2]);
			break;
		case 1:
			t_tcp_pair(fds);
			t_connect(devs[0], fds[0], 0, 0, NULL);
			t_sleep_ms(t_random(&mine) % 20);
			t_connect(devs[1], fds[1], 0, 0, NULL);
			close(fds[0]);
			close(fds[1]);
			break;
		default:
			t_pair(devs[0], devs[1], NULL);
			break;
		}
		t_sleep_ms(t_random(&mine) % 60);
	}
	return NULL;
}

static void command(const char *fmt, const char *dev)
{
	char line[128];

	snprintf(line, sizeof(line), fmt, dev, 20 * t_slow());
	if (system(line))
		note("%s failed", line);
}

static void new_view(void)
{
	unsigned int first = t_random(&rnd) % 2;

	number++;
	if (t_move(devs[first], number, "ab"))
		errors++;
	if (t_random(&rnd) % 2)
		t_sleep_ms(t_random(&rnd) % 100);
	if (t_move(devs[!first], number, "ab"))
		errors++;
}

static void one_round(void)
{
	const char *dev = devs[t_random(&rnd) % 2];

	switch (t_random(&rnd) % 4) {
	case 0:
		/* It waits for acks, so for the operators to connect. */
		command("timeout %2$u dmsetup suspend --nolockfs %1$s", dev);
		new_view();
		command("dmsetup resume %s", dev);
		break;
	case 1:
		command("timeout %2$u dmsetup suspend --nolockfs %1$s", dev);
		command("dmsetup table %1$s | dmsetup load %1$s", dev);
		command("dmsetup resume %s", dev);
		break;
	default:
		new_view();
		break;
	}
	t_sleep_ms(t_random(&rnd) % 300);
}

static bool both_up(void)
{
	return t_links(devs[0], PB_LINK_UP) && t_links(devs[1], PB_LINK_UP);
}

int main(int argc, char **argv)
{
	unsigned int rounds = t_env("PB_ROUNDS", 40, 1000), i;
	pthread_t threads[WRITERS + 2];

	if (argc != 3)
		return 2;
	devs[0] = argv[1];
	devs[1] = argv[2];
	rnd = t_env("PB_SEED", 1, 1);
	for (i = 0; i < WRITERS + 2; i++)
		if (pthread_create(&threads[i], NULL,
				   i < WRITERS ? writer : operator,
				   (void *)(uintptr_t)(i + rnd)))
			bail("no thread");
	for (i = 0; i < rounds; i++)
		one_round();
	stop = true;
	for (i = WRITERS; i < WRITERS + 2; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 5 && !both_up(); i++) {
		t_pair(devs[0], devs[1], NULL);
		t_wait(both_up());
	}
	ok(both_up(), "connected in view %llu", (unsigned long long)number);
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	ok(done > rounds, "the writers got on");
	note("%u done", done);
	is(errors, 0, "nothing failed");
	return t_result();
}
