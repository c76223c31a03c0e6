// SPDX-License-Identifier: GPL-2.0
/*
 * Lines for the journal, which takes the level from the first bytes of each.
 */
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pbviewd.h"

static bool say_debug;

/* Guards what follows, and the place where lines go. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int lost;

void pv_log_debug(bool on)
{
	say_debug = on;
}

/*
 * Who reads the lines may wait for the very disk that this daemon looks after: a
 * line that would have to wait is lost.
 */
static bool has_room(void)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&fd, 1, 0) == 1 && fd.revents & POLLOUT;
}

void pv_log(const char *level, const char *fmt, ...)
{
	char text[1024], line[1100];
	va_list args;
	int len;

	if (!say_debug && !strcmp(level, SD_DEBUG))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pthread_mutex_lock(&lock);
	if (lost)
		len = snprintf(line, sizeof(line),
			       "%s%s (%u lines before this one are lost)\n",
			       level, text, lost);
	else
		len = snprintf(line, sizeof(line), "%s%s\n", level, text);
	if (has_room() && write(STDERR_FILENO, line, len) == len)
		lost = 0;
	else
		lost++;
	pthread_mutex_unlock(&lock);
}
