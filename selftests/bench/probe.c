// SPDX-License-Identifier: GPL-2.0
/*
 * When something happened in a machine, by its own clock (CLOCK_REALTIME, ns).
 *
 *   probe clock		the time, for each line on stdin
 *   probe stamp		stdin to stdout, each line behind the time when it came
 *   probe write DEVICE AT	try to write 4 KiB there until they are written
 *
 * "write" prints "refused" when the volume has first said that it is not served
 * here (EBADE), then the times when a write was done, and when the next one was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE		4096
/* Between two tries, ns. */
#define PAUSE		1000000

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int lines(int with_text)
{
	char line[4096];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		printf("%llu%s%s", (unsigned long long)now(),
		       with_text ? " " : "", with_text ? line : "\n");
	return 0;
}

static int try_writes(const char *device, off_t at)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	int fd = open(device, O_RDWR | O_DIRECT), refused = 0;
	uint64_t done;
	void *block;

	if (fd < 0 || posix_memalign(&block, SIZE, SIZE)) {
		perror(device);
		return 2;
	}
	memset(block, 0xab, SIZE);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (pwrite(fd, block, SIZE, at) != SIZE) {
		if (errno != EBADE) {
			perror("write");
			return 1;
		}
		if (!refused++)
			printf("refused\n");
		nanosleep(&pause, NULL);
	}
	done = now();
	if (pwrite(fd, block, SIZE, at) != SIZE) {
		perror("the next write");
		return 1;
	}
	printf("written %llu %llu\n", (unsigned long long)done,
	       (unsigned long long)now());
	return 0;
}

static int sync_idle(const char *device, int count)
{
	int fd = open(device, O_RDWR | O_DIRECT), i;
	uint64_t begin = now();

	if (fd < 0) {
		perror(device);
		return 2;
	}
	for (i = 0; i < count; i++) {
		if (fdatasync(fd)) {
			perror("fdatasync");
			return 1;
		}
	}
	printf("%.1f\n", (now() - begin) / 1e3 / count);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "clock"))
		return lines(0);
	if (argc == 2 && !strcmp(argv[1], "stamp"))
		return lines(1);
	if (argc == 4 && !strcmp(argv[1], "write"))
		return try_writes(argv[2], atoll(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "sync"))
		return sync_idle(argv[2], atoi(argv[3]));
	fprintf(stderr, "probe: wrong arguments\n");
	return 2;
}
