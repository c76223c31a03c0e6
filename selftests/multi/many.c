// SPDX-License-Identifier: GPL-2.0
/*
 * One block of each of many volumes.
 *
 *   many write TAG DEVICE...	write TAG to each; one that is not served here yet
 *				(EBADE) is tried again until it is
 *   many read TAG DEVICE...	is it there?
 *
 * Prints a line for each that is wrong, and "all N" if none is; "write" prints the
 * time when all were written before that (CLOCK_REALTIME, ns).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE		4096
/* Between two rounds, ns. */
#define PAUSE		20000000

static char *block;

/* Each device has its own words, so that none can stand for another. */
static void fill(const char *tag, const char *device)
{
	memset(block, 0, SIZE);
	snprintf(block, SIZE, "%s of %s", tag, device);
}

/* 0, or an errno. */
static int do_write(const char *tag, const char *device)
{
	int fd = open(device, O_RDWR | O_DIRECT), error = 0;

	fill(tag, device);
	if (fd < 0 || pwrite(fd, block, SIZE, 0) != SIZE)
		error = errno;
	close(fd);
	return error;
}

static int do_read(const char *tag, const char *device)
{
	int fd = open(device, O_RDONLY | O_DIRECT), error = 0;
	char want[SIZE];

	fill(tag, device);
	memcpy(want, block, SIZE);
	if (fd < 0 || pread(fd, block, SIZE, 0) != SIZE)
		error = errno;
	else if (memcmp(block, want, SIZE))
		error = EILSEQ;
	close(fd);
	return error;
}

static int write_all(const char *tag, char **devices, int nr)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	bool *done = calloc(nr, sizeof(*done));
	int i, error, left = nr, bad = 0;

	while (done && left) {
		for (i = 0; i < nr; i++) {
			error = done[i] ? EBADE : do_write(tag, devices[i]);
			if (error == EBADE)
				continue;
			done[i] = true;
			left--;
			bad += !!error;
			if (error)
				printf("%s: %s\n", devices[i], strerror(error));
		}
		if (left)
			nanosleep(&pause, NULL);
	}
	return bad;
}

static int read_all(const char *tag, char **devices, int nr)
{
	int i, error, bad = 0;

	for (i = 0; i < nr; i++) {
		error = do_read(tag, devices[i]);
		bad += !!error;
		if (error)
			printf("%s: %s\n", devices[i], strerror(error));
	}
	return bad;
}

int main(int argc, char **argv)
{
	struct timespec now;
	int bad;

	if (argc < 4 || posix_memalign((void **)&block, SIZE, SIZE))
		return 2;
	if (!strcmp(argv[1], "write")) {
		bad = write_all(argv[2], argv + 3, argc - 3);
		clock_gettime(CLOCK_REALTIME, &now);
		printf("%llu\n", now.tv_sec * 1000000000ULL + now.tv_nsec);
	} else {
		bad = read_all(argv[2], argv + 3, argc - 3);
	}
	if (!bad)
		printf("all %d\n", argc - 3);
	return !!bad;
}
