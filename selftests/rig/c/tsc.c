// SPDX-License-Identifier: GPL-2.0
/*
 * Prints how fast this machine's time stamp counter is, in kHz.
 *
 * Without KVM a guest's counter is the host's, and a guest that boots on a busy
 * host can measure it wrong by far: then its clock runs too fast for as long as it
 * lives.  It is told instead.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct moment {
	uint64_t ticks;
	uint64_t ns;
};

/* The closest of some readings: it was not interrupted between its two clocks. */
static struct moment now(void)
{
	struct moment best = { 0 };
	uint64_t width = UINT64_MAX;
	struct timespec ts;
	int i;

	for (i = 0; i < 1000; i++) {
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		after = __rdtsc();
		if (after - before >= width)
			continue;
		width = after - before;
		best.ticks = before + width / 2;
		best.ns = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	struct moment first = now(), last;

	nanosleep(&pause, NULL);
	last = now();
	printf("%.0f\n", (last.ticks - first.ticks) * 1e6 /
	       (last.ns - first.ns));
	return 0;
}
