/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Named moments at which a test can let the machine stop: nothing is written,
 * sent or said after it.  They are there only in a module that was built for
 * it (make CRASH_POINTS=1); else this file costs nothing.
 */
#ifndef PB_CRASH_H
#define PB_CRASH_H

#include <linux/compiler.h>

/**
 * enum pb_crash - the moments; see pb-crash-list.h
 */
enum pb_crash {
#define PB_CRASH_POINT(name, ...) PB_CRASH_##name,
#include "pb-crash-list.h"
#undef PB_CRASH_POINT
	PB_CRASH_NR
};

#ifdef PB_CRASH_POINTS
extern unsigned int pb_crash_armed;

/**
 * pb_crash_pass() - the point that is armed is passed: the last time?
 */
void pb_crash_pass(void);

/**
 * pb_crash_point() - the machine stops here if it was told to
 * @point: which moment this is
 *
 * Context: any, with any lock held.
 */
static inline void pb_crash_point(enum pb_crash point)
{
	if (unlikely(READ_ONCE(pb_crash_armed) == point))
		pb_crash_pass();
}
#else
static inline void pb_crash_point(enum pb_crash point)
{
}
#endif

#endif /* PB_CRASH_H */
