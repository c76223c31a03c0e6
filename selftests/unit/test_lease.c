// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-lease.c: its arithmetic, and small worlds in which two machines
 * with clocks as different as they may be send, freeze, answer and are promoted:
 * nothing is read on the old primary after the new one could have served.
 */
#include "pb-lease.h"
#include "rnd.h"
#include "tap.h"

#define MS	1000000ULL

static const u8 someone[PB_UUID_LEN] = { 1 };
static const u8 other[PB_UUID_LEN] = { 2 };
static const u8 nobody[PB_UUID_LEN];

static void test_numbers(void)
{
	u32 ms, bad = 0;

	ok(pb_lease_ms_ok(0) && pb_lease_ms_ok(PB_LEASE_MS_MIN) &&
	   pb_lease_ms_ok(PB_LEASE_MS_DEFAULT) &&
	   pb_lease_ms_ok(PB_LEASE_MS_MAX), "lengths that there are");
	ok(!pb_lease_ms_ok(1) && !pb_lease_ms_ok(PB_LEASE_MS_MIN - 1) &&
	   !pb_lease_ms_ok(PB_LEASE_MS_MAX + 1) && !pb_lease_ms_ok(U32_MAX),
	   "lengths that there are not");
	is(pb_lease_agree(400, 1000), 400, "the shorter one: mine");
	is(pb_lease_agree(1000, 400), 400, "the shorter one: theirs");
	is(pb_lease_agree(400, 0), 0, "one wants none");
	is(pb_lease_agree(400, U32_MAX), 400, "a hostile one");
	for (ms = PB_LEASE_MS_MIN; ms <= PB_LEASE_MS_MAX; ms++) {
		u32 often = pb_lease_keepalive_ms(60000, ms);

		bad += often * 4 > ms || often < PB_KEEPALIVE_MS_MIN ||
		       pb_lease_keepalive_ms(often, ms) != often ||
		       pb_lease_keepalive_ms(10, ms) != 10;
	}
	is(bad, 0, "keepalives: four in each lease");
	is(pb_lease_keepalive_ms(100, PB_LEASE_MS_DEFAULT), 100,
	   "the defaults fit");
	is(pb_lease_keepalive_ms(60000, 0), 60000, "no lease wants nothing");
	is(pb_lease_until(5 * MS, 400), 405 * MS, "from when it was sent");
	is(pb_lease_until(5 * MS, 0), 0, "no lease");
	is(pb_lease_until(0, 400), 0, "no stamp");
	is(pb_lease_wait(5 * MS, 400), 540 * MS, "five sixteenths and 10 ms more");
	is(pb_lease_wait(5 * MS, PB_LEASE_MS_MAX), 78765 * MS, "the longest");
	is(pb_lease_wait(5 * MS, 0), 0, "nothing to wait for");
	is(pb_lease_left_ms(0, 5 * MS), 0, "left: of none");
	is(pb_lease_left_ms(5 * MS, 5 * MS), 0, "left: it is over");
	is(pb_lease_left_ms(5 * MS + 1, 5 * MS), 1, "left: rounded up");
	is(pb_lease_left_ms(10 * MS, 5 * MS), 5, "left: even");
}

static void test_covers(void)
{
	ok(pb_lease_covers(5, 9, 10, 0), "within the lease");
	ok(!pb_lease_covers(5, 10, 10, 0), "at its end");
	ok(!pb_lease_covers(5, 11, 10, 0), "after it");
	ok(!pb_lease_covers(5, 6, 0, 0), "there is none");
	ok(!pb_lease_covers(0, 0, 0, 0), "neither lease nor answer");
	ok(pb_lease_covers(5, 99, 10, 6), "an answer to what was sent after");
	ok(!pb_lease_covers(5, 99, 10, 5), "an answer to what was sent then");
	ok(!pb_lease_covers(5, 99, 10, 4), "an answer to what was sent before");
}

static void test_given(void)
{
	struct pb_given given = { 0 };

	ok(!pb_lease_only_to(&given, someone), "given: none");
	ok(!pb_lease_only_to(&given, nobody), "given: none, to nobody");
	pb_lease_give(&given, 1, 0, someone);
	ok(!given.until && !pb_lease_only_to(&given, someone),
	   "given: no lease");
	pb_lease_give(&given, 1, 10, someone);
	ok(given.until == 10 && pb_lease_only_to(&given, someone) &&
	   !pb_lease_only_to(&given, other), "given: one");
	pb_lease_give(&given, 2, 12, someone);
	ok(given.until == 12 && pb_lease_only_to(&given, someone),
	   "given: again to the same");
	pb_lease_give(&given, 3, 11, someone);
	is(given.until, 12, "given: a shorter one takes nothing back");
	pb_lease_give(&given, 11, 20, other);
	ok(given.until == 20 && !pb_lease_only_to(&given, someone) &&
	   !pb_lease_only_to(&given, other), "given: to two");
	pb_lease_give(&given, 20, 30, other);
	ok(given.until == 30 && pb_lease_only_to(&given, other),
	   "given: to another when the first is over");
	pb_lease_give(&given, 21, 40, nobody);
	ok(given.until == 40 && !pb_lease_only_to(&given, other) &&
	   !pb_lease_only_to(&given, nobody), "given: who knows to whom");
}

/* A clock: so many of its ns pass in 10^7 of the world's. */
#define WORLD	10000000LL
#define SLOWEST	(WORLD - WORLD / 10 - WORLD / 8 - 2 * 5000 - 10000)
#define FASTEST	(WORLD + 10000)		/* nobody steers it */

struct clock {
	u64 offset;
	u64 rate;
};

static u64 shows(const struct clock *clock, u64 t)
{
	return clock->offset + t / WORLD * clock->rate +
	       t % WORLD * clock->rate / WORLD;
}

#define MSGS	12

/*
 * A world: what A sends, B answers and A hears, all in order, by the world's
 * time; B leaves the view at some moment, and A's read begins and is judged.
 */
struct world {
	struct clock a, b;
	u32 lease_ms;
	u32 nr;
	u64 sent[MSGS], packed[MSGS], heard[MSGS];
	u64 left;
	u64 arrived, judged;
};

/* When could B have served first? */
static u64 serves_at(const struct world *w)
{
	struct pb_given given = { 0 };
	u64 from, to, mid;
	u32 i;

	for (i = 0; i < w->nr && w->packed[i] < w->left; i++) {
		u64 at = shows(&w->b, w->packed[i]);

		/* Said again, without anything new of A. */
		if (i && w->sent[i] == w->sent[i - 1])
			continue;
		pb_lease_give(&given, at, pb_lease_wait(at, w->lease_ms),
			      someone);
	}
	from = w->left;
	to = from + 200000 * MS;
	if (shows(&w->b, from) >= given.until)
		return from;
	while (to - from > 1) {
		mid = from + (to - from) / 2;
		if (shows(&w->b, mid) >= given.until)
			to = mid;
		else
			from = mid;
	}
	return to;
}

static bool is_shown(const struct world *w)
{
	u64 until = 0, echoed = 0;
	u32 i;

	for (i = 0; i < w->nr; i++) {
		/* It never was said, or is not here yet. */
		if (w->packed[i] >= w->left || w->heard[i] > w->judged)
			break;
		echoed = shows(&w->a, w->sent[i]);
		until = pb_lease_until(echoed, w->lease_ms);
	}
	return pb_lease_covers(shows(&w->a, w->arrived),
			       shows(&w->a, w->judged), until, echoed);
}

static u32 shown, later;

/* The read is shown only if it came before anybody else could serve. */
static bool is_right(const struct world *w)
{
	u64 serves = serves_at(w);

	if (!is_shown(w))
		return true;
	shown++;
	later += w->judged >= serves;
	return w->arrived < serves;
}

static u64 pick_rate(void)
{
	switch (rnd() % 4) {
	case 0:
		return SLOWEST;
	case 1:
		return FASTEST;
	case 2:
		return WORLD;
	default:
		return SLOWEST + rnd() % (FASTEST - SLOWEST + 1);
	}
}

/* Mostly short, sometimes as long as a lease, or much longer: a freeze. */
static u64 pick_gap(u32 lease_ms)
{
	static const u32 parts[] = { 1000, 100, 10, 2, 1 };
	u64 most = lease_ms * MS * (rnd() % 8 ? 1 : 3);

	return 1 + rnd() % (most / parts[rnd() % 5]);
}

static void make_world(struct world *w)
{
	u64 sent = 0, packed = 0, heard = 0;
	u32 i;

	w->a = (struct clock) { 1 + rnd() % (1000 * MS), pick_rate() };
	w->b = (struct clock) { 1 + rnd() % (1000 * MS), pick_rate() };
	w->lease_ms = rnd() % 4 ? PB_LEASE_MS_MIN + rnd() % 1000 :
				  rnd() % 2 ? 0 : PB_LEASE_MS_MAX;
	w->nr = 1 + rnd() % MSGS;
	for (i = 0; i < w->nr; i++) {
		u32 ms = w->lease_ms ? w->lease_ms : 100;

		/* Or B says something of its own accord. */
		if (!i || rnd() % 3)
			sent += pick_gap(ms);
		packed = (sent > packed ? sent : packed) + pick_gap(ms);
		heard = (packed > heard ? packed : heard) + pick_gap(ms);
		w->sent[i] = sent;
		w->packed[i] = packed;
		w->heard[i] = heard;
	}
	w->left = rnd() % (packed + packed / 2);
	w->arrived = rnd() % (2 * heard);
	w->judged = w->arrived +
		    (rnd() % 2 ? 0 : pick_gap(w->lease_ms ? w->lease_ms : 100));
}

static void test_worlds(void)
{
	u32 i, bad = 0, nr = 3000000;
	struct world w;

	for (i = 0; i < nr; i++) {
		make_world(&w);
		bad += !is_right(&w);
	}
	ok(!bad, "%u random worlds, %u reads shown too late", nr, bad);
	ok(shown > nr / 20, "many reads are shown: %u", shown);
	ok(later > nr / 10000, "some of them come late and were covered: %u",
	   later);
}

/* One message, every order of what can happen, in steps of a tenth of a lease. */
static void test_all(void)
{
	static const u64 rates[] = { SLOWEST, WORLD, FASTEST };
	struct world w = { .lease_ms = 100, .nr = 1 };
	const u64 step = 10 * MS + 1;
	u32 s, p, h, l, a, j, r, bad = 0, nr = 0;

	for (r = 0; r < 9; r++) {
		w.a = (struct clock) { 7 * MS, rates[r % 3] };
		w.b = (struct clock) { 900 * MS, rates[r / 3] };
		for (s = 1; s < 3; s++)
		for (p = s; p < s + 4; p++)
		for (h = p; h < p + 14; h += 3)
		for (l = 1; l < p + 15; l++)
		for (a = 1; a < p + 16; a++)
		for (j = a; j < a + 14; j++) {
			w.sent[0] = s * step;
			w.packed[0] = p * step;
			w.heard[0] = h * step;
			w.left = l * step;
			w.arrived = a * step;
			w.judged = j * step;
			nr++;
			bad += !is_right(&w);
		}
	}
	ok(!bad, "all orders of one message, %u worlds, %u wrong", nr, bad);
}

/* The bound itself: the slowest clock on A, the fastest on B. */
static void test_margin(void)
{
	struct world w = {
		.a = { 0, SLOWEST }, .b = { 0, FASTEST },
		.nr = 1, .sent = { MS }, .packed = { MS }, .heard = { MS },
		.left = MS + 1,
	};
	static const u32 lengths[] = { 40, 400, 1000, 60000 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		u64 serves;

		w.lease_ms = lengths[i];
		serves = serves_at(&w);
		w.arrived = serves - 1;
		w.judged = serves;
		while (!is_shown(&w) && w.judged > MS)
			w.judged = w.arrived -= w.judged / 1000;
		ok(w.arrived < serves - serves / 100,
		   "a lease of %u ms: A reads until %llu us, B serves from %llu",
		   lengths[i], (unsigned long long)w.judged / 1000,
		   (unsigned long long)serves / 1000);
	}
}

int main(void)
{
	tap_begin();
	test_numbers();
	test_covers();
	test_given();
	test_all();
	shown = 0;
	later = 0;
	test_worlds();
	test_margin();
	return tap_end();
}
