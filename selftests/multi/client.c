// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes blocks of a device as it is told on stdin, and says on stdout
 * what came of it.  Who tells it is outside the machine, and notes when it asked and
 * when it heard: no clock of a machine that may stand still is in the history.
 *
 *   client DEVICE
 *
 * "LANE r BLOCK" reads, "LANE w BLOCK VALUE" writes, "LANE s BLOCK VALUE" writes and
 * returns when it is durable.  Every word of a block is its value.  The answer is
 * "LANE ok VALUE" or "LANE error ERRNO"; "LANE torn WORD" is a block whose words
 * differ.  A lane (0 to 63) has one request at a time; lanes do not wait for each other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANES	64
#define BYTES	4096
#define WORDS	(BYTES / sizeof(uint64_t))

struct lane {
	pthread_t thread;
	sem_t asked;
	int id;
	char kind;
	unsigned long long block, value;
	uint64_t *buf;		/* not NULL once it is started */
};

static int plain, durable;	/* the device, twice */
static struct lane lanes[LANES];

/* One write() is one line. */
static void say(int lane, const char *what, unsigned long long number)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%d %s %llu\n", lane, what,
			   number);

	if (write(STDOUT_FILENO, line, len) != len)
		exit(1);
}

static void do_read(struct lane *lane)
{
	size_t i;

	if (pread(plain, lane->buf, BYTES, lane->block * BYTES) != BYTES) {
		say(lane->id, "error", errno);
		return;
	}
	for (i = 1; i < WORDS; i++) {
		if (lane->buf[i] != lane->buf[0]) {
			say(lane->id, "torn", i);
			return;
		}
	}
	say(lane->id, "ok", lane->buf[0]);
}

static void do_write(struct lane *lane, int fd)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		lane->buf[i] = lane->value;
	if (pwrite(fd, lane->buf, BYTES, lane->block * BYTES) != BYTES)
		say(lane->id, "error", errno);
	else
		say(lane->id, "ok", lane->value);
}

static void *run(void *arg)
{
	struct lane *lane = arg;

	for (;;) {
		while (sem_wait(&lane->asked))
			;
		if (lane->kind == 'r')
			do_read(lane);
		else
			do_write(lane, lane->kind == 's' ? durable : plain);
	}
	return NULL;
}

static void start(struct lane *lane, int id)
{
	lane->id = id;
	if (posix_memalign((void **)&lane->buf, BYTES, BYTES) ||
	    sem_init(&lane->asked, 0, 0) ||
	    pthread_create(&lane->thread, NULL, run, lane)) {
		perror("lane");
		exit(2);
	}
}

static int open_device(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_DIRECT | flags);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	unsigned long long block, value = 0;
	char line[128], kind;
	int id, got;

	if (argc != 2) {
		fprintf(stderr, "usage: client DEVICE\n");
		return 2;
	}
	plain = open_device(argv[1], 0);
	durable = open_device(argv[1], O_DSYNC);
	while (fgets(line, sizeof(line), stdin)) {
		got = sscanf(line, "%d %c %llu %llu", &id, &kind, &block,
			     &value);
		if (got < 3 || !strchr("rws", kind) || (kind != 'r' && got < 4) ||
		    id < 0 || id >= LANES) {
			fprintf(stderr, "what is '%s'?\n", line);
			return 2;
		}
		if (!lanes[id].buf)
			start(&lanes[id], id);
		lanes[id].kind = kind;
		lanes[id].block = block;
		lanes[id].value = value;
		sem_post(&lanes[id].asked);
	}
	return 0;
}
