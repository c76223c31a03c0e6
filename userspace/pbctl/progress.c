// SPDX-License-Identifier: GPL-2.0
/*
 * Bars and lines for what takes long.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "pbctl.h"

#define BAR_WIDTH	40
#define PAUSE_MS	500

void print_progress(double part, const char *line)
{
	bool terminal = isatty(STDOUT_FILENO);
	int filled = part * BAR_WIDTH, i;

	printf("%s[", terminal ? "\r" : "");
	for (i = 0; i < BAR_WIDTH; i++)
		putchar(i < filled ? '#' : '.');
	/* What a longer line left behind is wiped. */
	printf("] %s%s", line, terminal ? "\033[K" : "\n");
	fflush(stdout);
}

void end_progress(void)
{
	if (isatty(STDOUT_FILENO))
		putchar('\n');
}

void progress_pause(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	nanosleep(&pause, NULL);
}
