// SPDX-License-Identifier: GPL-2.0
/*
 * Bars and lines for what takes long.
 */
#include <stdio.h>
#include <string.h>
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

double sync_part(const struct pb_sync_info *sync)
{
	if (sync->state > PB_SYNC_COPY)
		return 1;
	if (sync->state < PB_SYNC_COPY || !sync->total ||
	    sync->left > sync->total)
		return 0;
	return 1 - (double)sync->left / sync->total;
}

const char *sync_line(const struct pb_sync_info *sync, char *line, size_t room)
{
	double done = sync_part(sync) * sync->total;
	double rate = sync->seconds ? done / sync->seconds : 0;
	size_t len;

	snprintf(line, room, "%s%s%s", pb_sync_name(sync->state),
		 sync->paused ? ", paused" : "",
		 sync->checksum ? ", by digests" : "");
	if (sync->state != PB_SYNC_COPY || !sync->total)
		return line;
	len = strlen(line);
	snprintf(line + len, room - len, ", %.1f %% of %.1f MiB",
		 100 * sync_part(sync), (double)sync->total / (1 << 20));
	len = strlen(line);
	if (rate > 0)
		snprintf(line + len, room - len, ", %.1f MiB/s, %.0f s left",
			 rate / (1 << 20), sync->left / rate);
	len = strlen(line);
	if (sync->unreadable)
		snprintf(line + len, room - len, ", %llu bytes unreadable",
			 (unsigned long long)sync->unreadable);
	return line;
}
