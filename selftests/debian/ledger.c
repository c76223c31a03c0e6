// SPDX-License-Identifier: GPL-2.0
/*
 * What a database does, as little as it can be: appends numbered lines to a file,
 * and says a number on stdout when its line is on the disk.  After a restart it
 * goes on after the last whole line.
 *
 *   ledger FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE 16

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	char line[LINE + 1];
	int fd, len;
	off_t end;
	long n;

	if (argc != 2) {
		fprintf(stderr, "usage: ledger FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CREAT | O_DSYNC, 0644);
	if (fd < 0)
		die(argv[1]);
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		die("lseek");
	for (n = end / LINE + 1;; n++) {
		snprintf(line, sizeof(line), "%*ld\n", LINE - 1, n);
		if (pwrite(fd, line, LINE, (n - 1) * LINE) != LINE)
			die("write");
		len = snprintf(line, sizeof(line), "%ld\n", n);
		if (write(1, line, len) != len)
			die("say");
		nanosleep(&pause, NULL);
	}
}
