// SPDX-License-Identifier: GPL-2.0
/*
 * Writes numbered blocks to a block device and says on stdout, one line each,
 * what has been acknowledged.  The reader of stdout is outside the machine, so
 * that what it knows survives the machine's death.
 *
 *   writer DEVICE [-t THREADS] [-s SLOTS] [-b BYTES] [-n COUNT] [-o] [-f N]
 *	    [-r SEED] [-p US] [-k FIRST]
 *
 *   -t  threads, each with blocks ("slots") of its own
 *   -s  slots per thread, written round and round
 *   -b  bytes per block, a multiple of 512
 *   -n  writes per thread; 0: for ever
 *   -o  overlap: offset and length at random over everybody's slots
 *   -f  write without O_DSYNC, and fdatasync after every N writes
 *   -r  seed of -o
 *   -p  pause between writes, microseconds
 *   -k  number of the first thread, so that two writers have no block in common
 *
 * Lines: "w THREAD SLOT SEQ" written, "f THREAD SEQ" all up to SEQ flushed,
 * "e THREAD SEQ ERRNO" failed (the thread ends), "d THREAD" done.
 *
 * A block: magic, thread, slot, seq, then words made from them.  A sector that
 * holds another block's words, or none, is found by check_block() in pbtest.py.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC		0x31304b4c42425044ULL	/* "DPBBLK01" */
#define MAX_THREADS	64

struct job {
	pthread_t thread;
	int id;
};

static int fd, threads = 1, first, overlap, flush_every;
static uint64_t slots = 64, count;
static size_t bytes = 4096;
static unsigned int seed = 1, pause_us;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* One write() is one line: lines of several threads never mix. */
static void say(const char *fmt, unsigned long long a, unsigned long long b,
		unsigned long long c)
{
	char line[96];
	int len = snprintf(line, sizeof(line), fmt, a, b, c);

	if (write(1, line, len) != len)
		die("stdout");
}

static void fill(uint64_t *block, size_t size, int id, uint64_t slot,
		 uint64_t seq)
{
	size_t i;

	for (i = 0; i < size / 8; i += 64) {
		size_t word;

		/* Every sector says what it belongs to. */
		block[i] = MAGIC;
		block[i + 1] = id;
		block[i + 2] = slot;
		block[i + 3] = seq;
		for (word = 4; word < 64; word++)
			block[i + word] = seq * 0x9e3779b97f4a7c15ULL +
					  slot * 64 + i + word;
	}
}

static int one_write(struct job *job, uint64_t *block, uint64_t seq,
		     unsigned int *rnd)
{
	uint64_t slot = seq % slots;
	off_t at = (job->id * slots + slot) * bytes;
	size_t size = bytes;

	if (overlap) {
		uint64_t room = threads * slots * bytes / 512;

		size = 512 * (1 + rand_r(rnd) % (bytes / 512));
		at = 512 * (rand_r(rnd) % (room - size / 512 + 1));
		slot = at / 512;
	}
	fill(block, size, job->id, slot, seq);
	if (pwrite(fd, block, size, at) != (ssize_t)size)
		return -1;
	say("w %llu %llu %llu\n", job->id, slot, seq);
	return 0;
}

static void *run(void *arg)
{
	struct job *job = arg;
	unsigned int rnd = seed * 1000 + job->id;
	uint64_t *block, seq;

	if (posix_memalign((void **)&block, 4096, bytes))
		die("memory");
	for (seq = 1; !count || seq <= count; seq++) {
		if (one_write(job, block, seq, &rnd))
			goto failed;
		if (flush_every && seq % flush_every == 0) {
			if (fdatasync(fd))
				goto failed;
			say("f %llu %llu\n", job->id, seq, 0);
		}
		if (pause_us)
			usleep(pause_us);
	}
	say("d %llu\n", job->id, 0, 0);
	return NULL;
failed:
	say("e %llu %llu %llu\n", job->id, seq, errno);
	return NULL;
}

int main(int argc, char **argv)
{
	struct job jobs[MAX_THREADS];
	int option, i;

	while ((option = getopt(argc, argv, "t:s:b:n:of:r:p:k:")) != -1) {
		switch (option) {
		case 't': threads = atoi(optarg); break;
		case 's': slots = atoll(optarg); break;
		case 'b': bytes = atoll(optarg); break;
		case 'n': count = atoll(optarg); break;
		case 'o': overlap = 1; break;
		case 'f': flush_every = atoi(optarg); break;
		case 'r': seed = atoi(optarg); break;
		case 'k': first = atoi(optarg); break;
		case 'p': pause_us = atoi(optarg); break;
		default: return 2;
		}
	}
	if (optind + 1 != argc || threads < 1 || threads > MAX_THREADS ||
	    !slots || !bytes || bytes % 512) {
		fprintf(stderr, "writer: wrong arguments\n");
		return 2;
	}
	fd = open(argv[optind], O_RDWR | O_DIRECT | (flush_every ? 0 : O_DSYNC));
	if (fd < 0)
		die(argv[optind]);
	for (i = 0; i < threads; i++) {
		jobs[i].id = first + i;
		if (pthread_create(&jobs[i].thread, NULL, run, &jobs[i]))
			die("thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(jobs[i].thread, NULL);
	return 0;
}
