// SPDX-License-Identifier: GPL-2.0
/*
 * Bios of every shape, against a copy of the volume in memory.
 *
 *   t_shapes A BLOCK_SIZE FILE...	each FILE must equal the copy in the end
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tlib.h"

#define REGION	(8 << 20)
#define MAX_IO	(3 << 20)
#define MAX_VEC	200

static uint8_t *model, *buf;
static unsigned int block;
static uint64_t rnd = 7;
static int fd;

/*
 * Cuts a range of memory into many segments of whole blocks, each at a
 * different place within its page; returns how many.
 */
static int cut(struct iovec *vec, uint32_t len)
{
	uint32_t pos = 512 * (t_random(&rnd) % 8), part;
	int nr = 0;

	while (len) {
		part = block * (1 + t_random(&rnd) % 20);
		if (nr == MAX_VEC - 1 || part > len)
			part = len;
		vec[nr].iov_base = buf + pos;
		vec[nr++].iov_len = part;
		len -= part;
		pos += part + 512 * (t_random(&rnd) % 4);
	}
	return nr;
}

static uint32_t pick_len(void)
{
	uint32_t most = 1U << (t_random(&rnd) % 14);	/* small ones often */

	if (most * block > MAX_IO)
		most = MAX_IO / block;
	return block * (1 + t_random(&rnd) % most);
}

static bool do_write(uint32_t at, uint32_t len)
{
	struct iovec vec[MAX_VEC];
	int nr = cut(vec, len), i;
	uint8_t fill = t_random(&rnd);
	uint32_t pos = at, j;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < vec[i].iov_len; j += 512)
			memset((uint8_t *)vec[i].iov_base + j, fill++, 512);
		memcpy(model + pos, vec[i].iov_base, vec[i].iov_len);
		pos += vec[i].iov_len;
	}
	return pwritev2(fd, vec, nr, at,
			t_random(&rnd) % 4 ? 0 : RWF_DSYNC) == len;
}

static bool do_read(uint32_t at, uint32_t len)
{
	struct iovec vec[MAX_VEC];
	int nr = cut(vec, len), i;
	uint32_t pos = at;

	if (preadv(fd, vec, nr, at) != len)
		return false;
	for (i = 0; i < nr; i++) {
		if (memcmp(model + pos, vec[i].iov_base, vec[i].iov_len))
			return false;
		pos += vec[i].iov_len;
	}
	return true;
}

static bool do_range(unsigned long cmd, uint32_t at, uint32_t len)
{
	uint64_t range[2] = { at, len };

	memset(model + at, 0, len);
	return !ioctl(fd, cmd, range);
}

static bool step(unsigned int kind, const char **name)
{
	uint32_t len = pick_len();
	uint32_t at = t_random(&rnd) % ((REGION - len) / block + 1) * block;

	switch (kind) {
	case 0:
	case 1:
	case 2:
	case 3:
		*name = "write";
		return do_write(at, len);
	case 4:
	case 5:
		*name = "read";
		return do_read(at, len);
	case 6:
		*name = "discard";
		return do_range(BLKDISCARD, at, len);
	case 7:
		*name = "write-zeroes";
		return do_range(BLKZEROOUT, at, len);
	case 8:
		*name = "punch";
		memset(model + at, 0, len);
		return !fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				  FALLOC_FL_KEEP_SIZE, at, len);
	default:
		*name = "flush";
		return !fsync(fd);
	}
}

static void shapes(void)
{
	unsigned int count = t_env("PB_SHAPES", 400, 10000), i, bad = 0;
	const char *name = "";

	for (i = 0; i < count; i++) {
		if (step(t_random(&rnd) % 10, &name))
			continue;
		if (bad++ < 5)
			note("step %u: %s, errno %d", i, name, errno);
	}
	is(bad, 0, "%u bios of all shapes", count);
	ok(do_write(0, MAX_IO) && do_read(0, MAX_IO), "3 MiB at once");
	ok(do_write(block, block) && do_read(block, block), "one block");
	ok(do_read(0, REGION / 4) && do_read(REGION / 2, REGION / 4),
	   "read again");
}

/* Memory in one piece makes a bio larger than a message. */
static void large_bio(void)
{
	size_t len = 4 << 20;
	uint8_t *huge = mmap(NULL, len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *piece = (uint8_t *)(((uintptr_t)huge + (2 << 20) - 1) &
				     ~(uintptr_t)((2 << 20) - 1));

	if (huge == MAP_FAILED)
		bail("memory");
	madvise(huge, len, MADV_HUGEPAGE);
	memset(piece, 0xc7, 2 << 20);
	memset(model, 0xc7, 2 << 20);
	is(pwrite(fd, piece, 2 << 20, 0), 2 << 20, "2 MiB in one piece");
	munmap(huge, len);
}

/* What is no whole block is refused, and not by a crash. */
static void misfits(void)
{
	struct iovec vec = { buf, block / 2 };

	ok(pwritev(fd, &vec, 1, 0) < 0 && errno == EINVAL,
	   "half a block is refused");
	vec.iov_len = block;
	ok(pwritev(fd, &vec, 1, block / 2) < 0 && errno == EINVAL,
	   "a block at half a block is refused");
}

int main(int argc, char **argv)
{
	char path[64];
	size_t len;
	void *data;
	int i;

	if (argc < 4)
		return 2;
	block = atoi(argv[2]);
	snprintf(path, sizeof(path), "/dev/mapper/%s", argv[1]);
	fd = open(path, O_RDWR | O_DIRECT);
	model = calloc(1, REGION);
	if (fd < 0 || !model ||
	    posix_memalign((void **)&buf, 4096, MAX_IO + MAX_VEC * 4096))
		bail("cannot open %s", path);
	shapes();
	large_bio();
	misfits();
	fsync(fd);
	close(fd);
	for (i = 3; i < argc; i++) {
		data = t_read_file(argv[i], &len);
		ok(!memcmp(data, model, REGION), "%s has it all", argv[i]);
		free(data);
	}
	return t_result();
}
