// SPDX-License-Identifier: GPL-2.0
/*
 * Reads that the disk fails, and writes into the same place: what a write that
 * was acknowledged has written must never come back as what was there before it,
 * neither by the read nor by the repair.
 */
#include <stdio.h>
#include <string.h>

#include "tlib.h"

#define BLOCK	65536

struct reader {
	pthread_t	thread;
	const char	*dev;
	int		stop;
};

/* Keeps the range being mended. */
static void *read_on(void *arg)
{
	struct reader *reader = arg;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED))
		if (t_do_io(reader->dev, T_READ, 0, 4 * BLOCK, 0))
			return "a read failed";
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int rounds = t_env("ROUNDS", 300, 5000), i, bad = 0;
	struct reader readers[3] = {};
	void *why;

	if (argc < 2)
		bail("usage: t_mend DEV");
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i].dev = argv[1];
		pthread_create(&readers[i].thread, NULL, read_on, &readers[i]);
	}
	for (i = 0; i < rounds; i++)
		bad += !!t_do_io(argv[1], T_WRITE, i % 4 * BLOCK, BLOCK,
				 i % 251);
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		__atomic_store_n(&readers[i].stop, 1, __ATOMIC_RELAXED);
	is(bad, 0, "every write is acknowledged");
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		pthread_join(readers[i].thread, &why);
		ok(!why, "reader %u: %s", i, why ? (char *)why : "all served");
	}
	return t_result();
}
