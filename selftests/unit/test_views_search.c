// SPDX-License-Identifier: GPL-2.0
/*
 * The view function and the kernel's rules together, in the world of
 * views_world.h: all that can happen in few steps, and random sequences of many.
 *
 *   test_views_search [STATES] [SEQUENCES] [SEED]
 *
 * All that can happen: breadth first, so that what is found is as short as can
 * be, until STATES different ones have been seen; once from nothing, and from a
 * primary and its synced backup twice: by itself, and with an operator, failing
 * disks and failing writes.  Random: SEQUENCES of 120 steps.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rnd.h"
#include "tap.h"
#include "views_world.h"

#define STEPS		120
/* Of a search that ends: more of these lead to nothing new. */
#define MAX_CRASHES	3
#define MAX_VIEWS	9

struct found {
	struct world world;
	u32 parent;
	u8 act;
	u8 who;
};

static struct found *all;
static u32 nr_all, max_all;
static u32 *table;
static u32 table_size;
static u64 worst_shown;
static bool special;

static u64 hash_of(const struct world *world)
{
	const u8 *byte = (const u8 *)world;
	u64 hash = 0xcbf29ce484222325;
	u32 i;

	for (i = 0; i < sizeof(*world); i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	return hash ^ hash >> 29;
}

static void show(u32 index)
{
	if (all[index].parent != index) {
		show(all[index].parent);
		printf("# %s of %u\n", act_names[all[index].act],
		       all[index].who);
	}
	world_print(&all[index].world);
}

/* One more, if it is new. */
static bool enter(const struct world *world, u32 parent, enum act act, u32 who)
{
	u32 at = hash_of(world) % table_size;

	while (table[at]) {
		if (!memcmp(&all[table[at] - 1].world, world, sizeof(*world)))
			return false;
		at = (at + 1) % table_size;
	}
	if (nr_all == max_all)
		return false;
	table[at] = nr_all + 1;
	all[nr_all] = (struct found) {
		.world = *world, .parent = parent, .act = act, .who = who,
	};
	nr_all++;
	return true;
}

/* What is not part of the ordinary searches; the random walks have it all. */
static bool is_special(enum act act)
{
	return act == DISK_FAILS || act == FAIL_WRITES || act == EVICT ||
	       act == ADD || act == FORCE || act == DOWN_AND_UP;
}

/* And of the special one: what is tried out by the ordinary ones. */
static bool is_ordinary(enum act act)
{
	return act == SEND_PING || act == HEAR_PING || act == LOSE_PING ||
	       act == BEGIN_SYNC;
}

static bool in_bounds(const struct world *world, enum act act)
{
	if (act == CRASH || act == SERVER_RESTARTS || act == DOWN_AND_UP)
		if (world->crashes >= MAX_CRASHES)
			return false;
	return special ? !is_ordinary(act) : !is_special(act);
}

static void step(u32 from, enum act act, u32 who)
{
	struct world next = all[from].world;
	u32 before = nr_all;

	if (!in_bounds(&next, act) || !world_act(&next, act, who))
		return;
	if (act == SERVER_RESTARTS)
		next.crashes++;
	if (next.number > MAX_VIEWS)
		return;
	world_look(&next);
	enter(&next, from, act, who);
	if (!world_bad)
		return;
	if (!worst_shown++) {
		printf("# %s:\n", world_bad);
		show(from);
		printf("# %s of %u\n", act_names[act], who);
		world_print(&next);
	}
	/* Nothing that follows from it counts. */
	nr_all = before;
	world_bad = NULL;
}

/* Why there is no service any more, or NULL; also if @lost is, and not needed. */
static const char *incurable(const struct world *world, u32 lost)
{
	const char *why = NULL;

	if (!world_heals(*world))
		why = "no service any more";
	else if (!world_heals_without(*world, lost))
		why = "no service without a node that is not needed";
	why = world_bad ?: why;
	world_bad = NULL;
	return why;
}

static bool prepare(u32 states)
{
	nr_all = 0;
	worst_shown = 0;
	max_all = states;
	table_size = 2 * states + 1;
	all = malloc(max_all * sizeof(*all));
	table = calloc(table_size, sizeof(*table));
	return ok(all && table, "memory for %u states", states);
}

static void search(const char *what, const struct world *begin, u32 states)
{
	u32 from, who, act, depth = 0, level = 0, stuck = 0, tried = 0;
	const char *why;

	if (!prepare(states))
		return;
	enter(begin, 0, PING, 0);
	for (from = 0; from < nr_all; from++) {
		if (from == level) {
			level = nr_all;
			depth++;
		}
		for (act = 0; act < NR_ACTS && nr_all < max_all; act++)
			for (who = 0; who < NR_NODES; who++)
				step(from, act, who);
		/* One in so many: it takes as long as all the rest. */
		if (from % 32)
			continue;
		tried++;
		why = incurable(&all[from].world, from / 32 % NR_NODES);
		if (why && !stuck++) {
			printf("# %s (%u):\n", why, from / 32 % NR_NODES);
			show(from);
		}
		if (nr_all == max_all && from > max_all / 2)
			break;
	}
	printf("# %s: %u states, all that can be reached in %u steps and some more; service came back in each of %u\n",
	       what, nr_all, nr_all == max_all ? depth - 2 : depth, tried);
	ok(!worst_shown, "search %s: no bad state is reached", what);
	ok(!stuck, "search %s: wherever it stops, there is service again", what);
	ok(nr_all > states / 2, "search %s: it has found many", what);
	free(all);
	free(table);
}

/* So that most sequences get somewhere. */
static enum act random_act(void)
{
	static const enum act likely[] = {
		PING, PING, PING, PING, HEAR_ANSWER, HEAR_ANSWER, HEAR_ANSWER,
		HEAR_ANSWER, ARM, SYNCED, ARM, SYNCED, WRITE, FLUSH,
	};

	enum act act = rnd() % 3 ? likely[rnd() % ARRAY_SIZE(likely)] :
				   rnd() % NR_ACTS;

	/* After a force little is left to be wrong. */
	return act == FORCE && rnd() % 8 ? PING : act;
}

struct walk {
	u8 act[STEPS];
	u8 who[STEPS];
	u32 nr;
};

static void show_walk(const struct walk *walk, bool blank)
{
	struct world world;
	u32 i;

	world_begin(&world, blank);
	for (i = 0; i < walk->nr; i++) {
		world_act(&world, walk->act[i], walk->who[i]);
		printf("# %s of %u\n", act_names[walk->act[i]], walk->who[i]);
		/* How it came to this. */
		if (i + 30 >= walk->nr)
			world_print(&world);
	}
}

static void random_walks(u32 sequences)
{
	u64 steps = 0, views = 0, served = 0, bad = 0, stuck = 0;
	struct world world;
	struct walk walk;
	const char *why;
	u32 i;

	for (i = 0; i < sequences; i++) {
		world_begin(&world, i & 1);
		walk.nr = 0;
		while (walk.nr < STEPS && world.number < NR_VIEWS - 4) {
			enum act act = random_act();
			u32 who = rnd() % NR_NODES;

			if (!world_act(&world, act, who))
				continue;
			walk.act[walk.nr] = act;
			walk.who[walk.nr++] = who;
			world_look(&world);
			served += world_serves(&world);
			if (world_bad)
				break;
		}
		steps += walk.nr;
		views += world.number;
		if (world_bad && !bad++) {
			printf("# %s:\n", world_bad);
			show_walk(&walk, i & 1);
		} else if (!world_bad) {
			why = incurable(&world, i / 2 % NR_NODES);
			if (why && !stuck++) {
				printf("# %s (%u):\n", why, i / 2 % NR_NODES);
				show_walk(&walk, i & 1);
			}
		}
		world_bad = NULL;
	}
	printf("# %u sequences, %llu steps, %llu views, service in %llu of the steps\n",
	       sequences, (unsigned long long)steps, (unsigned long long)views,
	       (unsigned long long)served);
	is(bad, 0, "random: no bad state is reached");
	is(stuck, 0, "random: wherever it stops, there is service again");
	ok(served > steps / 20 && views > sequences * 2ULL,
	   "random: views change, and there is service");
}

int main(int argc, char **argv)
{
	u32 states = argc > 1 ? atoi(argv[1]) : 1000000;
	u32 sequences = argc > 2 ? atoi(argv[2]) : 300000;
	struct world world;

	tap_begin();
	rnd_state = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	world_begin(&world, true);
	search("from nothing", &world, states);
	world_pair(&world);
	ok(!world_bad, "a pair is made");
	search("from a pair", &world, states);
	special = true;
	search("from a pair, with an operator and failing disks", &world, states);
	random_walks(sequences);
	return tap_end();
}
