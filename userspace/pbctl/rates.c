// SPDX-License-Identifier: GPL-2.0
/*
 * What happened between two looks at a volume, and a bar of the looks before.
 */
#include <string.h>

#include "rates.h"

static double rate(const __u64 *before, const __u64 *after, double seconds,
		   enum pb_counter counter)
{
	if (after[counter] < before[counter] || seconds <= 0)
		return 0;
	return (after[counter] - before[counter]) / seconds;
}

void rates_between(const __u64 *before, const __u64 *after, double seconds,
		   struct rates *rates)
{
	static const enum pb_counter writes[] = {
		PB_CNT_WRITES, PB_CNT_ZEROES, PB_CNT_APPLIED_WRITES,
		PB_CNT_APPLIED_ZEROES,
	};
	size_t i;

	memset(rates, 0, sizeof(*rates));
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		rates->writes += rate(before, after, seconds, writes[i]);
	rates->write_bytes = rate(before, after, seconds, PB_CNT_WRITE_BYTES) +
			     rate(before, after, seconds, PB_CNT_APPLIED_BYTES);
	rates->reads = rate(before, after, seconds, PB_CNT_READS);
	rates->out_bytes = rate(before, after, seconds, PB_CNT_TX_BYTES);
	rates->in_bytes = rate(before, after, seconds, PB_CNT_RX_BYTES);
}

void history_add(struct history *history, double value)
{
	history->values[history->nr++ % HISTORY_MAX] = value;
}

static double value_at(const struct history *history, u64 index)
{
	return history->values[index % HISTORY_MAX];
}

char *history_bar(const struct history *history, unsigned int width, bool ascii,
		  char *text)
{
	static const char * const blocks[] = {
		" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
	};
	static const char * const letters[] = {
		" ", ".", ":", "-", "=", "+", "*", "%", "#",
	};
	unsigned int steps = ARRAY_SIZE(blocks) - 1, i, have, step;
	double most = 0, value;
	char *end = text;

	have = history->nr < width ? history->nr : width;
	for (i = 0; i < have; i++) {
		value = value_at(history, history->nr - have + i);
		most = value > most ? value : most;
	}
	*end = '\0';
	for (i = 0; i < width - have; i++)
		end = stpcpy(end, " ");
	for (i = 0; i < have; i++) {
		value = value_at(history, history->nr - have + i);
		step = value > 0 ? 1 + value / most * (steps - 1) : 0;
		end = stpcpy(end, ascii ? letters[step] : blocks[step]);
	}
	return text;
}
