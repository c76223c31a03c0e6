/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TAP 13 for the unit tests.  Each test is one program and one C file.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_run;
static unsigned int tap_failed;

static inline void tap_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
}

/* One line of result; returns what it was told. */
__attribute__((format(printf, 2, 3)))
static inline bool ok(bool good, const char *fmt, ...)
{
	va_list args;

	tap_run++;
	if (!good)
		tap_failed++;
	printf("%sok %u - ", good ? "" : "not ", tap_run);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	return good;
}

/* A number that must be another; says both when it is not. */
static inline bool is(long long got, long long want, const char *text)
{
	bool good = ok(got == want, "%s", text);

	if (!good)
		printf("# got %lld, want %lld\n", got, want);
	return good;
}

static inline int tap_end(void)
{
	printf("1..%u\n", tap_run);
	if (tap_failed)
		printf("# %u of %u failed\n", tap_failed, tap_run);
	return tap_failed ? 1 : 0;
}

#endif /* TAP_H */
