// SPDX-License-Identifier: GPL-2.0
/*
 * A world in which the power may fail.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store_world.h"

#define MAX_FILES	64

/* A file by its inode, as it was synced last. */
struct content {
	ino_t	inode;
	char	*data;
	size_t	len;
};

/* A name, as the directory was synced last. */
struct name {
	ino_t	inode;
	char	text[256];
};

static char watched[128];
static struct content contents[MAX_FILES];
static struct name names[MAX_FILES];
static unsigned int nr_contents;
static unsigned int nr_names;

void world_begin(const char *dir)
{
	snprintf(watched, sizeof(watched), "%s", dir);
}

void world_end(void)
{
	while (nr_contents)
		free(contents[--nr_contents].data);
	nr_names = 0;
	watched[0] = '\0';
}

static struct content *content_of(ino_t inode)
{
	unsigned int i;

	for (i = 0; i < nr_contents; i++)
		if (contents[i].inode == inode)
			return &contents[i];
	return NULL;
}

/* By its descriptor: to open and close the file would end its locks. */
static void keep_content(int fd, const struct stat *st)
{
	struct content *content = content_of(st->st_ino);

	if (!content) {
		if (nr_contents == MAX_FILES)
			abort();
		content = &contents[nr_contents++];
		content->inode = st->st_ino;
		content->data = NULL;
	}
	free(content->data);
	content->len = st->st_size;
	content->data = malloc(content->len + 1);
	if (!content->data ||
	    pread(fd, content->data, content->len, 0) != (ssize_t)content->len)
		abort();
}

static void keep_names(void)
{
	DIR *dir = opendir(watched);
	struct dirent *entry;

	if (!dir)
		abort();
	nr_names = 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (nr_names == MAX_FILES)
			abort();
		names[nr_names].inode = entry->d_ino;
		strcpy(names[nr_names++].text, entry->d_name);
	}
	closedir(dir);
}

static void synced(int fd)
{
	char link[64], path[512];
	struct stat st;
	ssize_t len;

	if (!watched[0])
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0 || fstat(fd, &st))
		abort();
	path[len] = '\0';
	if (!strcmp(path, watched))
		keep_names();
	else if (!strncmp(path, watched, strlen(watched)) &&
		 path[strlen(watched)] == '/')
		keep_content(fd, &st);
}

int fsync(int fd)
{
	synced(fd);
	return syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	synced(fd);
	return syscall(SYS_fdatasync, fd);
}

bool world_cut(const char *target)
{
	const struct content *content;
	char text[512];
	unsigned int i;
	bool good;
	FILE *file;

	snprintf(text, sizeof(text), "rm -rf %s && mkdir %s", target, target);
	if (system(text))
		return false;
	for (i = 0; i < nr_names; i++) {
		content = content_of(names[i].inode);
		snprintf(text, sizeof(text), "%s/%s", target, names[i].text);
		file = fopen(text, "w");
		if (!file)
			return false;
		good = !content || fwrite(content->data, 1, content->len,
					  file) == content->len;
		if (fclose(file) || !good)
			return false;
	}
	return true;
}
