// SPDX-License-Identifier: GPL-2.0
/*
 * Unpacks a tar stream (stdin) below a directory and says on stdout what is
 * safe: "s N" when the first N files, and the directories that name them, have
 * been synced.  It stands for any program that copies and then relies on that.
 *
 *   copytree DIRECTORY FILES-PER-BATCH < tree.tar
 *
 * The stream holds regular files only, ustar format.  A batch is synced with one
 * syncfs(): an fsync for each file would say the same and, on an emulated
 * processor, take minutes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK		512

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8];
	char type, link[100], magic[8], owner[32], group[32], dev[16];
	char prefix[155], pad[12];
};

static void die(const char *what)
{
	fprintf(stderr, "copytree: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Returns 0 at the end of the stream. */
static int get(void *buf, size_t size)
{
	char *at = buf;

	while (size) {
		ssize_t got = read(0, at, size);

		if (got < 0)
			die("reading the stream");
		if (!got)
			return 0;
		at += got;
		size -= got;
	}
	return 1;
}

static void make_parents(char *path)
{
	char *slash;

	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			die(path);
		*slash = '/';
	}
}

static void copy_file(char *path, size_t size)
{
	static char buf[1 << 16];
	int fd;

	make_parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		die(path);
	while (size) {
		size_t part = size < sizeof(buf) ? size : sizeof(buf);
		size_t padded = (part + BLOCK - 1) / BLOCK * BLOCK;

		if (!get(buf, padded))
			die("the stream is short");
		if (write(fd, buf, part) != (ssize_t)part)
			die(path);
		size -= part;
	}
	if (close(fd))
		die(path);
}

/* An fsync for all that was written, in one. */
static void sync_batch(unsigned long files)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	if (fd < 0 || syncfs(fd) || close(fd))
		die("syncfs");
	printf("s %lu\n", files);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned long files = 0, batch;
	struct header head;
	char path[512];

	if (argc != 3 || chdir(argv[1]))
		die("usage: copytree DIRECTORY FILES-PER-BATCH");
	batch = strtoul(argv[2], NULL, 10);
	if (!batch)
		die("batch");
	_Static_assert(sizeof(head) == BLOCK, "a tar header is one block");
	while (get(&head, BLOCK) && head.name[0]) {
		snprintf(path, sizeof(path), "%.155s%s%.100s", head.prefix,
			 head.prefix[0] ? "/" : "", head.name);
		copy_file(path, strtoul(head.size, NULL, 8));
		files++;
		if (files % batch == 0)
			sync_batch(files);
	}
	if (files % batch)
		sync_batch(files);
	puts("all copied");
	return 0;
}
