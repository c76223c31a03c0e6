/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzz targets share.  Each is a libFuzzer target; with
 * -DPB_STANDALONE it is a program that feeds itself with mutations of valid
 * input, the same ones for the same seed.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "pb-pure.h"

#define MUST(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort();						\
	}								\
} while (0)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#ifdef PB_STANDALONE

static u64 rnd_state;

static inline u64 rnd(void)
{
	/* splitmix64 */
	u64 z = rnd_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Small numbers and the ends of the range are where things go wrong. */
static inline u64 rnd_value(void)
{
	u64 z = rnd();

	switch (z & 7) {
	case 0:
		return 0;
	case 1:
		return z >> 61;
	case 2:
		return ~0ULL - (z >> 62);
	case 3:
		return 1ULL << (z >> 58);
	case 4:
		return (1ULL << (z >> 58)) - 1;
	default:
		return z >> (z >> 58);
	}
}

/* Overwrites a field of 1, 2, 4 or 8 bytes, or flips a bit. */
static inline void rnd_damage(u8 *data, size_t size)
{
	size_t len = (size_t)1 << (rnd() & 3);
	size_t at = rnd() % size / len * len;
	u64 value = htole64(rnd_value());

	if (at + len > size || !(rnd() & 7))
		data[rnd() % size] ^= 1 << (rnd() & 7);
	else
		memcpy(data + at, &value, len);
}

static inline u64 rnd_begin(int argc, char **argv)
{
	rnd_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	return argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
}

#endif /* PB_STANDALONE */

#endif /* FUZZ_H */
