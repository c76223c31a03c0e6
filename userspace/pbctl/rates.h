/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happened between two looks at a volume, and a bar of the looks before.
 */
#ifndef PBCTL_RATES_H
#define PBCTL_RATES_H

#include "libpb.h"

/**
 * struct rates - a second's worth, of the application or of the predecessor
 * @reads: read bios
 * @writes: write bios, those applied for the predecessor, and write-zeroes
 * @write_bytes: of these
 * @out_bytes: sent to the neighbour
 * @in_bytes: received from it
 */
struct rates {
	double	reads;
	double	writes;
	double	write_bytes;
	double	out_bytes;
	double	in_bytes;
};

/**
 * rates_between() - by how much counters grew in a second
 * @before: PB_CNT_NR counters
 * @after: the same, later
 * @seconds: so much later; 0 makes every rate 0
 * @rates: filled; 0 for a counter that shrank, as in a new set-up
 */
void rates_between(const __u64 *before, const __u64 *after, double seconds,
		   struct rates *rates);

/* Looks that a history keeps. */
#define HISTORY_MAX	256

/**
 * struct history - the latest values of something, all zero at first
 * @nr: how many were ever added
 * @values: a ring
 */
struct history {
	u64	nr;
	double	values[HISTORY_MAX];
};

void history_add(struct history *history, double value);

/**
 * history_bar() - a character for each value, the latest one last
 * @history: the values
 * @width: characters, up to HISTORY_MAX; what was not yet is blank
 * @ascii: nothing but ASCII
 * @text: room for 3 * @width + 1 bytes
 *
 * The greatest value that is shown has the full height, and only 0 has none.
 *
 * Return: @text.
 */
char *history_bar(const struct history *history, unsigned int width, bool ascii,
		  char *text);

#endif /* PBCTL_RATES_H */
