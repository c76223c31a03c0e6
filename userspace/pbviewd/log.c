// SPDX-License-Identifier: GPL-2.0
/*
 * Lines for the journal, which takes the level from the first bytes of each.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pbviewd.h"

static bool say_debug;

void pv_log_debug(bool on)
{
	say_debug = on;
}

void pv_log(const char *level, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (!say_debug && !strcmp(level, SD_DEBUG))
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	/* One call: lines of several threads do not mix. */
	fprintf(stderr, "%s%s\n", level, line);
}
