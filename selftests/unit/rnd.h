/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers for the unit tests: the same ones each time.
 */
#ifndef RND_H
#define RND_H

#include "pb-pure.h"

static u64 rnd_state = 1;

static inline u64 rnd(void)
{
	/* splitmix64 */
	u64 z = rnd_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

#endif /* RND_H */
