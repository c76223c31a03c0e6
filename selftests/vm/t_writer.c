// SPDX-License-Identifier: GPL-2.0
/*
 * A writer that notes what was acknowledged, and a check that it is there.
 *
 *   t_writer DEV until FILE	writes until that file is there: "acked BLOCK FILL" for
 *				each, at the end "end: N errors"
 *   t_writer DEV check FILE	each block has the fill acknowledged last, or a later one
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

#define BLOCK	4096
#define BASE	(8 << 20)
#define BLOCKS	64

static int write_on(const char *dev, const char *stop)
{
	unsigned int i, errors = 0;
	uint64_t seed = 1;

	for (i = 0; access(stop, F_OK); i++) {
		unsigned int block = t_random(&seed) % BLOCKS;

		if (t_do_io(dev, T_WRITE, BASE + block * BLOCK, BLOCK, i % 250))
			errors++;
		else
			printf("acked %u %u\n", block, i % 250);
		if (i % 20 == 0 && t_do_io(dev, T_FLUSH, 0, 0, 0))
			errors++;
		fflush(stdout);
	}
	printf("end: %u errors\n", errors);
	return errors != 0;
}

static int check(const char *dev, const char *file)
{
	int last[BLOCKS], bad = 0, fd;
	unsigned int block, fill, i;
	uint8_t data[BLOCK];
	char path[80];
	FILE *in = fopen(file, "r");

	memset(last, 0xff, sizeof(last));
	while (in && fscanf(in, "acked %u %u\n", &block, &fill) == 2)
		last[block % BLOCKS] = fill;
	if (!in)
		bail("no %s", file);
	fclose(in);
	snprintf(path, sizeof(path), "/dev/mapper/%s", dev);
	fd = open(path, O_RDONLY);
	for (i = 0; i < BLOCKS; i++) {
		if (last[i] < 0)
			continue;
		if (pread(fd, data, BLOCK, BASE + i * BLOCK) != BLOCK ||
		    data[0] != last[i] || data[BLOCK - 1] != last[i]) {
			printf("block %u: %u, acknowledged %d\n", i, data[0],
			       last[i]);
			bad++;
		}
	}
	close(fd);
	return bad != 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[2], "check"))
		return check(argv[1], argv[3]);
	if (argc == 4 && !strcmp(argv[2], "until"))
		return write_on(argv[1], argv[3]);
	bail("usage: t_writer DEV until FILE | DEV check FILE");
}
