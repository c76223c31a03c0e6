/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters of one volume, one copy per CPU so that counting shares no
 * cache line between writers.  The names are in the UAPI header.
 */
#ifndef PB_STATS_H
#define PB_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

#include "uapi/linux/dm-pb.h"

/**
 * struct pb_stats - the counters of one CPU
 */
struct pb_stats {
	u64 c[PB_CNT_NR];
};

#define pb_stat_add(stats, which, n)	this_cpu_add((stats)->c[which], n)
#define pb_stat_inc(stats, which)	this_cpu_inc((stats)->c[which])

/**
 * pb_stats_sum() - add up the counters of all CPUs
 * @stats: the volume's
 * @sum: PB_COUNTER_ROOM entries, those from PB_CNT_NR on are left alone
 *
 * Any context.  Not a snapshot: counters move on while it adds.
 */
static inline void pb_stats_sum(struct pb_stats __percpu *stats, u64 *sum)
{
	int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < PB_CNT_NR; i++)
			sum[i] += READ_ONCE(per_cpu_ptr(stats, cpu)->c[i]);
}

#endif /* PB_STATS_H */
