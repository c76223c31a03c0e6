// SPDX-License-Identifier: GPL-2.0
/*
 * Writes, discards and flushes a block device at random, and says on stdout
 * what has been done.  The reader of stdout is outside the machine.
 *
 *   churn DEVICE -t THREADS -c CHUNKS -r SEED -n FIRST [-f F] [-p US]
 *
 *   -t  threads; chunk K belongs to thread K % THREADS
 *   -c  chunks of 64 KiB that the device has
 *   -r  seed
 *   -n  number of the first operation of each thread
 *   -f  of 1024 operations, F are flushes and 2 F are FUA writes
 *   -p  pause between operations, microseconds
 *
 * What operation N of a thread is follows from seed, thread and N alone: see
 * choose(), and its twin in churn.py, which knows by it what may be on the disk.
 *
 * Lines: "a THREAD N" done, "d THREAD N" done and durable (FUA), "f THREAD N"
 * all up to N durable (fsync), "e THREAD N ERRNO" failed; the thread ends.
 *
 * Each sector that is written says what it is: magic, N, its own number, and a
 * tag made from both that fills the rest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC		0x31304e5255484344ULL	/* "DCHURN01" */
#define BLOCK		4096
#define CHUNK_BLOCKS	16
#define WINDOW		16	/* chunks of a thread that are in use at a time */
#define MAX_THREADS	32

enum { OP_WRITE, OP_FUA, OP_DISCARD, OP_FLUSH };

struct op {
	int kind;
	uint64_t block;
	uint32_t count;
};

static int fd, threads = 4;
static uint64_t chunks, seed, first = 1, flushes = 32;
static unsigned int pause_us;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void choose(uint64_t thread, uint64_t n, struct op *op)
{
	uint64_t r = mix(seed * 0x9e3779b97f4a7c15ULL + (thread << 48) + n);
	uint64_t own = chunks / threads, chunk = r >> 8 & 0xffffff;
	uint32_t start = r >> 32 & (CHUNK_BLOCKS - 1), kind = r >> 52 & 1023;

	/* Mostly in a window that moves, so that extents get hot and cold. */
	if (r >> 5 & 3)
		chunk = n / 128 * WINDOW / 2 + chunk % WINDOW;
	op->block = (chunk % own * threads + thread) * CHUNK_BLOCKS + start;
	op->count = 1 + (r >> 40 & 0xff) % (CHUNK_BLOCKS - start);
	if (kind < flushes)
		op->kind = OP_FLUSH;
	else if (kind < 3 * flushes)
		op->kind = OP_FUA;
	else
		op->kind = kind < 3 * flushes + 64 ? OP_DISCARD : OP_WRITE;
}

static void fill(uint64_t *words, uint64_t n, const struct op *op)
{
	uint64_t sector = op->block * (BLOCK / 512);
	uint64_t end = sector + (uint64_t)op->count * (BLOCK / 512);

	for (; sector < end; sector++) {
		uint64_t tag = mix(n * 0x9e3779b97f4a7c15ULL + sector);
		int i;

		*words++ = MAGIC;
		*words++ = n;
		*words++ = sector;
		for (i = 3; i < 64; i++)
			*words++ = tag;
	}
}

static int carry_out(const struct op *op, uint64_t *words)
{
	size_t size = (size_t)op->count * BLOCK;
	struct iovec iov = { words, size };
	off_t at = op->block * BLOCK;
	uint64_t range[2] = { at, size };

	switch (op->kind) {
	case OP_FLUSH:
		return fdatasync(fd);
	case OP_DISCARD:
		return ioctl(fd, BLKDISCARD, range);
	default:
		return pwritev2(fd, &iov, 1, at,
				op->kind == OP_FUA ? RWF_DSYNC : 0) ==
		       (ssize_t)size ? 0 : -1;
	}
}

/* One write() is one line: lines of several threads never mix. */
static void say(char what, uint64_t thread, uint64_t n, int error)
{
	char line[96];
	int len = snprintf(line, sizeof(line), "%c %llu %llu %d\n", what,
			   (unsigned long long)thread, (unsigned long long)n,
			   error);

	if (write(1, line, len) != len)
		die("stdout");
}

static void *run(void *arg)
{
	uint64_t thread = (uintptr_t)arg, n;
	uint64_t *words;
	struct op op;

	if (posix_memalign((void **)&words, 4096, CHUNK_BLOCKS * BLOCK))
		die("memory");
	for (n = first;; n++) {
		choose(thread, n, &op);
		if (op.kind <= OP_FUA)
			fill(words, n, &op);
		if (carry_out(&op, words))
			break;
		say(op.kind == OP_FLUSH ? 'f' : op.kind == OP_FUA ? 'd' : 'a',
		    thread, n, 0);
		if (pause_us)
			usleep(pause_us);
	}
	say('e', thread, n, errno);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t ids[MAX_THREADS];
	int option, i;

	while ((option = getopt(argc, argv, "t:c:r:n:f:p:")) != -1) {
		switch (option) {
		case 't': threads = atoi(optarg); break;
		case 'c': chunks = strtoull(optarg, NULL, 0); break;
		case 'r': seed = strtoull(optarg, NULL, 0); break;
		case 'n': first = strtoull(optarg, NULL, 0); break;
		case 'f': flushes = strtoull(optarg, NULL, 0); break;
		case 'p': pause_us = atoi(optarg); break;
		default: return 2;
		}
	}
	if (optind + 1 != argc || threads < 1 || threads > MAX_THREADS ||
	    chunks < (uint64_t)threads) {
		fprintf(stderr, "churn: wrong arguments\n");
		return 2;
	}
	fd = open(argv[optind], O_RDWR | O_DIRECT);
	if (fd < 0)
		die(argv[optind]);
	for (i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, run, (void *)(uintptr_t)i))
			die("thread");
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return 0;
}
