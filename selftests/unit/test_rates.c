// SPDX-License-Identifier: GPL-2.0
/*
 * The arithmetic of 'pbctl top': rates of counters, and the bar of a history.
 */
#include <stdlib.h>
#include <string.h>

#include "rates.h"
#include "tap.h"

static void test_rates(void)
{
	__u64 before[PB_CNT_NR] = { 0 }, after[PB_CNT_NR] = { 0 };
	struct rates rates;

	after[PB_CNT_READS] = 30;
	after[PB_CNT_WRITES] = 10;
	after[PB_CNT_ZEROES] = 2;
	after[PB_CNT_APPLIED_WRITES] = 4;
	after[PB_CNT_APPLIED_ZEROES] = 4;
	after[PB_CNT_WRITE_BYTES] = 4096;
	after[PB_CNT_APPLIED_BYTES] = 1024;
	after[PB_CNT_TX_BYTES] = 5000;
	after[PB_CNT_RX_BYTES] = 600;
	rates_between(before, after, 2, &rates);
	ok(rates.reads == 15, "reads");
	ok(rates.writes == 10, "writes of the application and of the predecessor");
	ok(rates.write_bytes == 2560, "bytes written");
	ok(rates.out_bytes == 2500 && rates.in_bytes == 300, "bytes out and in");
	rates_between(before, after, 0, &rates);
	ok(rates.writes == 0, "no time, no rate");
	rates_between(after, before, 2, &rates);
	ok(rates.writes == 0 && rates.out_bytes == 0, "a counter that shrank");
}

static void is_bar(const struct history *history, unsigned int width, bool ascii,
		   const char *want, const char *what)
{
	char text[3 * HISTORY_MAX + 1];

	history_bar(history, width, ascii, text);
	if (!ok(!strcmp(text, want), "%s", what))
		printf("# got '%s', want '%s'\n", text, want);
}

static void test_bar(void)
{
	static struct history history, long_one;
	char text[3 * HISTORY_MAX + 1];
	int i;

	is_bar(&history, 4, true, "    ", "nothing yet");
	history_add(&history, 0);
	history_add(&history, 0);
	is_bar(&history, 4, true, "    ", "nothing happened");
	history_add(&history, 100);
	is_bar(&history, 4, true, "   #", "the greatest has the full height, 0 has none");
	history_add(&history, 50);
	history_add(&history, 0.001);
	is_bar(&history, 6, false, "   █▄▁", "blocks; what is little is seen");
	is_bar(&history, 3, true, "#=.", "the latest are shown");
	history_add(&history, 1);
	history_add(&history, 2);
	history_add(&history, 4);
	is_bar(&history, 3, true, ":=#", "the scale is that of what is shown");
	for (i = 0; i < 3 * HISTORY_MAX; i++)
		history_add(&long_one, i);
	history_bar(&long_one, HISTORY_MAX, false, text);
	is(strlen(text), 3 * HISTORY_MAX, "the widest one");
	ok(!strcmp(text + strlen(text) - 3, "█"), "its last is the latest");
}

int main(void)
{
	tap_begin();
	test_rates();
	test_bar();
	return tap_end();
}
