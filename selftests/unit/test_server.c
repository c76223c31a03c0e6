// SPDX-License-Identifier: GPL-2.0
/*
 * The view server around the view function: what is told is durable, a store
 * that fails is not trusted before it has been read back, and nodes and
 * operators get what is theirs.  The store is one in memory that can fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "tap.h"

#define MAX_VIEWS	64

/**
 * struct fake - a store in memory
 * @store: the head
 * @stored: the state
 * @views: the history
 * @nr: of it
 * @fails: the next calls fail; a save too,
 * @half: but it has been done all the same
 * @saves: that were done
 * @calls: of save, done or not
 * @other: the state of the second volume
 * @refuses: to save that one
 */
struct fake {
	struct pv_store		store;
	struct pv_stored	stored;
	struct pv_stored_view	views[MAX_VIEWS];
	int			nr;
	bool			fails;
	bool			half;
	int			saves;
	int			calls;
	struct pv_stored	other;
	bool			refuses;
};

static struct fake fake;
static struct pb_config config;
static struct pb_volume_config volumes[2];
static struct pb_replica_config replicas[3];
static struct pv_server server;
static u64 seq[3];

static bool is_first(const u8 *volume)
{
	return !memcmp(volume, volumes[0].uuid, PB_UUID_LEN);
}

static int fake_load(struct pv_store *store, const u8 *volume,
		     struct pv_stored *stored, struct pb_error *err)
{
	(void)store;
	memset(stored, 0, sizeof(*stored));
	if (fake.fails)
		return pb_fail(err, -EIO, "broken");
	*stored = is_first(volume) ? fake.stored : fake.other;
	return 0;
}

static void fake_put(const struct pv_save *save)
{
	if (!is_first(save->volume)) {
		fake.other = *save->stored;
		return;
	}
	if (save->stored->view.number > fake.stored.view.number)
		fake.views[fake.nr++] = save->stored->view;
	fake.stored = *save->stored;
	fake.saves++;
}

static int fake_save(struct pv_store *store, const struct pv_save *saves,
		     u32 nr, struct pb_error *err)
{
	u32 i;

	(void)store;
	fake.calls++;
	for (i = 0; i < nr; i++)
		if (fake.refuses && !is_first(saves[i].volume))
			return pb_fail(err, -EEXIST, "has a later view");
	for (i = 0; i < nr; i++)
		if (!fake.fails || fake.half)
			fake_put(&saves[i]);
	return fake.fails ? pb_fail(err, -EIO, "broken") : 0;
}

static int fake_history(struct pv_store *store, const u8 *volume, u64 from,
			struct pv_stored_view *views, int max,
			struct pb_error *err)
{
	int i, nr = 0;

	(void)store;
	(void)volume;
	if (fake.fails)
		return pb_fail(err, -EIO, "broken");
	for (i = 0; i < fake.nr && nr < max; i++)
		if (fake.views[i].number >= from)
			views[nr++] = fake.views[i];
	return nr;
}

static void fake_close(struct pv_store *store)
{
	(void)store;
}

static const struct pv_store_ops fake_ops = {
	.load = fake_load,
	.save = fake_save,
	.history = fake_history,
	.close = fake_close,
};

static void begin(bool anew)
{
	static const char * const names[] = { "alpha", "beta", "gamma" };
	struct pb_error err;
	int i;

	if (anew)
		memset(&fake, 0, sizeof(fake));
	fake.store.ops = &fake_ops;
	for (i = 0; i < 3; i++)
		strcpy(replicas[i].node, names[i]);
	strcpy(volumes[0].name, "db");
	strcpy(volumes[1].name, "other");
	memset(volumes[0].uuid, 0x11, PB_UUID_LEN);
	memset(volumes[1].uuid, 0x22, PB_UUID_LEN);
	for (i = 0; i < 2; i++) {
		volumes[i].replicas = replicas;
		volumes[i].nr_replicas = i ? 1 : 3;
		volumes[i].dead_after_ms = 600000;
		volumes[i].handover_ms = 600000;
	}
	config.nr_volumes = 2;
	config.volumes = volumes;
	is(pv_server_open(&server, &config, &fake.store, &err), 0,
	   "the server begins");
}

static void end(void)
{
	pv_server_close(&server);
}

static void uuid_of(int node, u8 *uuid)
{
	memset(uuid, 0xa1 + node, PB_UUID_LEN);
}

/* A ping of one volume; the caller frees. */
static struct pv_told *ping(int node, u64 view, u64 disk_view, u32 state,
			    u32 flags)
{
	struct pv_say say = { 0 };
	struct pv_report report = { .nr = 1, .says = &say };
	struct pv_told *tolds;
	int i;

	strcpy(report.node, replicas[node].node);
	memcpy(say.volume, volumes[0].uuid, PB_UUID_LEN);
	uuid_of(node, say.ping.replica);
	say.ping.seq = ++seq[node];
	say.ping.incarnation = 7 << 16;
	say.ping.view = view;
	say.ping.disk_view = disk_view;
	say.ping.state = state;
	say.ping.flags = flags;
	for (i = 0; i < 3; i++)
		if (i != node)
			strcpy(say.reaches[say.nr_reaches++], replicas[i].node);
	pv_server_ping(&server, &report, &tolds);
	return tolds;
}

static u32 code_of(struct pv_told *told)
{
	u32 code = told->code;

	free(told);
	return code;
}

/* alpha primary, beta its synced backup in the last view; its number. */
static u64 make_pair(void)
{
	int i;
	u64 number;

	for (i = 0; i < 8; i++) {
		number = server.volumes[0].state.view.number;
		free(ping(0, number, number, PB_REPLICA_SYNCED,
			  number > 1 ? PV_PING_BACKUP_SYNCED : 0));
		free(ping(1, number, number, number > 2 ? PB_REPLICA_SYNCED :
			  PB_REPLICA_BLANK, 0));
	}
	return server.volumes[0].state.view.number;
}

static void test_durable(void)
{
	struct pv_told *told;
	struct pb_error err;
	u64 number;

	begin(true);
	told = ping(0, 0, 0, PB_REPLICA_SYNCED, 0);
	is(told->code, PV_TAKEN, "the first ping counts");
	is(told->nr, 1, "and its answer");
	is(told->orders[0].number, 1, "is view 1");
	ok(!strcmp(told->orders[0].nodes[0], "alpha"), "of which it is primary");
	is(fake.stored.view.number, 1, "which is stored");
	ok(fake.stored.view.time_ns && fake.stored.view.why == PV_WHY_FIRST,
	   "with the time and why");
	free(told);
	number = make_pair();
	is(number, 3, "a pair is made in view 3");
	is(fake.nr, 3, "the history has all three");
	is(fake.stored.acked, true, "that it is acked is stored");
	number = fake.saves;
	is(code_of(ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_BACKUP_SYNCED)),
	   PV_TAKEN, "a ping that changes nothing");
	is(fake.saves, number, "is not stored");
	end();

	begin(false);
	is(server.volumes[0].state.view.number, 3, "after a restart: view 3");
	is(server.volumes[0].state.view.members[1].node, 1, "of the same members");
	is(server.volumes[0].state.acked, true, "acked");
	is(server.volumes[0].state.found, 3, "and it is the one that was found");
	strcpy(replicas[1].node, "delta");
	is(pv_server_open(&(struct pv_server){ 0 }, &config, &fake.store, &err),
	   -EINVAL, "a member that is not configured is an error");
	ok(strstr(err.text, "beta"), "that names it: %s", err.text);
	end();
}

static void test_told(void)
{
	struct pv_told *told;
	struct pb_error err;

	begin(true);
	make_pair();
	told = ping(2, 0, 1, PB_REPLICA_STALE, 0);
	is(told->nr, 3, "who has view 1 on its disk gets 1 to 3");
	ok(told->orders[0].number == 1 && told->orders[2].number == 3, "in order");
	ok(told->orders[2].nr == 2 && told->orders[2].synced[1], "with the members");
	free(told);
	told = ping(2, 3, 3, PB_REPLICA_STALE, 0);
	is(told->nr, 1, "who has the current one gets that");
	free(told);

	is(pv_server_command(&server, &server.volumes[0], PV_CMD_SWITCH, "beta",
			     "admin", &err), 0, "a switch");
	ok(!strcmp(fake.stored.view.by, "admin"), "who wanted it is stored");
	is(fake.stored.handover, true, "and that it goes on");
	told = ping(1, 3, 3, PB_REPLICA_SYNCED, 0);
	is(told->orders[told->nr - 1].number, 3, "the new primary is not told yet");
	free(told);
	told = ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_BACKUP_SYNCED);
	is(told->orders[told->nr - 1].number, 4, "the old one is");
	free(told);
	free(ping(0, 4, 4, PB_REPLICA_SYNCED, 0));
	told = ping(1, 3, 3, PB_REPLICA_SYNCED, 0);
	is(told->orders[told->nr - 1].number, 4, "and then the new one");
	free(told);
	end();
}

static void test_refused(void)
{
	struct pv_say say = { .ping.seq = 1, .ping.incarnation = 1 << 16 };
	struct pv_report report = { .node = "beta", .nr = 1, .says = &say };
	struct pv_told *told;
	struct pb_error err;

	begin(true);
	memcpy(say.volume, volumes[1].uuid, PB_UUID_LEN);
	pv_server_ping(&server, &report, &told);
	is(code_of(told), PV_NOT_YOURS, "a volume without a replica on that node");
	memset(say.volume, 0x33, PB_UUID_LEN);
	pv_server_ping(&server, &report, &told);
	is(code_of(told), PV_NOT_YOURS, "a volume that nobody knows");
	memcpy(say.volume, volumes[0].uuid, PB_UUID_LEN);
	say.ping.view = 9;
	pv_server_ping(&server, &report, &told);
	is(code_of(told), PV_INVALID, "a ping that cannot be");

	make_pair();
	seq[0] -= 3;
	told = ping(0, 3, 3, PB_REPLICA_SYNCED, 0);
	is(told->code, PV_STALE, "an old ping");
	is(told->seq, seq[0] + 2, "its answer has the latest number");
	is(told->nr, 0, "and no view");
	free(told);
	is(pv_server_command(&server, &server.volumes[0], PV_CMD_SWITCH,
			     "nobody", "admin", &err), -ENOENT,
	   "a command for no node");
	is(pv_server_command(&server, &server.volumes[0], PV_CMD_SWITCH,
			     "gamma", "admin", &err), -EUCLEAN,
	   "a switch to an idle node");
	ok(!!strstr(err.text, "not a synced backup"), "says why: %s", err.text);
	end();
}

/* A volume twice in one ping, and who is told what that is over. */
static void test_over(void)
{
	struct pv_say says[2] = { 0 };
	struct pv_report report = { .node = "alpha", .nr = 2, .says = says };
	struct pv_told *told;
	struct pb_error err;
	int i;

	begin(true);
	make_pair();
	for (i = 0; i < 2; i++) {
		memcpy(says[i].volume, volumes[0].uuid, PB_UUID_LEN);
		uuid_of(0, says[i].ping.replica);
		says[i].ping.seq = ++seq[0];
		says[i].ping.incarnation = 7 << 16;
		says[i].ping.view = 3;
		says[i].ping.disk_view = 3;
		says[i].ping.state = PB_REPLICA_SYNCED;
	}
	pv_server_ping(&server, &report, &told);
	is(told[0].code, PV_TAKEN, "a volume once in a ping");
	is(told[1].code, PV_INVALID, "but not twice");
	is(told[1].nr, 0, "nothing is told of it");
	free(told);

	is(pv_server_command(&server, &server.volumes[0], PV_CMD_FORCE, "beta",
			     "admin", &err), -EBUSY, "no force beside a primary that is well");
	free(ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_FAILED));
	is(pv_server_command(&server, &server.volumes[0], PV_CMD_FORCE, "beta",
			     "admin", &err), 0, "beta is made primary by force");
	told = ping(0, 0, 3, PB_REPLICA_SYNCED, 0);
	is(told->nr, 1, "the old primary is not told the view that is over");
	is(told->orders[0].number, 4, "but the new one");
	is(told->orders[0].force, false, "which is not for it to force");
	free(told);
	told = ping(1, 3, 3, PB_REPLICA_SYNCED, 0);
	is(told->orders[told->nr - 1].force, true, "beta is to force it");
	free(told);
	pv_server_command(&server, &server.volumes[0], PV_CMD_EVICT, "alpha",
			  "admin", &err);
	told = ping(1, 4, 4, PB_REPLICA_SYNCED, 0);
	ok(told->nr == 1 && told->orders[0].number == 4 &&
	   !told->orders[0].force, "once");
	free(told);
	end();
}

static void test_older(void)
{
	struct pv_told *told;
	struct pb_error err;

	begin(true);
	make_pair();
	free(ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_FAILED));
	pv_server_command(&server, &server.volumes[0], PV_CMD_FORCE, "beta",
			  "admin", &err);
	server.volumes[0].state.nodes[1].ping.incarnation = 9 << 16;
	told = ping(1, 0, 2, PB_REPLICA_SYNCED, 0);
	is(told->code, PV_OLDER_IMAGE, "an older copy of a disk");
	is(told->nr, 0, "is told nothing");
	free(told);
	end();
}

static void test_evicted(void)
{
	struct pb_error err;

	begin(true);
	make_pair();
	is(pv_server_command(&server, &server.volumes[0], PV_CMD_EVICT, "beta",
			     "admin", &err), 0, "evict the backup");
	is(fake.stored.nr_evicted, 1, "it is stored");
	end();
	begin(false);
	is(server.volumes[0].state.nodes[1].evicted, true,
	   "and known after a restart");
	is(pv_server_command(&server, &server.volumes[0], PV_CMD_ADD, "beta",
			     "admin", &err), 0, "add it again");
	is(fake.stored.nr_evicted, 0, "that is stored too");
	end();
}

/* @half: what fails has been done all the same. */
static void test_broken(bool half)
{
	struct pv_told *told;
	struct pb_error err;

	begin(true);
	make_pair();
	fake.fails = true;
	fake.half = half;
	is(pv_server_command(&server, &server.volumes[0], PV_CMD_SWITCH, "beta",
			     "admin", &err), -EIO, half ? "a save fails, and was done" : "a save fails");
	told = ping(1, 3, 3, PB_REPLICA_SYNCED, 0);
	is(told->code, PV_NO_STORE, "pings are not answered with a view");
	is(told->nr, 0, "none at all");
	free(told);
	pv_server_tick(&server);
	is(server.volumes[0].in_doubt, true, "it stays in doubt");
	fake.fails = false;
	told = ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_BACKUP_SYNCED);
	is(told->code, PV_TAKEN, "when it works again pings count");
	is(told->orders[told->nr - 1].number, half ? 4 : 3,
	   half ? "the view that was stored is told" : "the view is what was stored");
	free(told);
	is(server.volumes[0].in_doubt, false, "no doubt is left");
	is(server.volumes[0].state.view.number, fake.stored.view.number,
	   "what is decided on is what is stored");
	end();
}

static const char *health(void)
{
	static char text[PV_ADVICE_LEN];

	pv_health(&server.volumes[0], text, sizeof(text));
	return text;
}

static const char *advice(void)
{
	static char text[PV_ADVICE_LEN];

	pv_advice(&server.volumes[0], text, sizeof(text));
	return text;
}

static bool says(const char *text, const char *what)
{
	if (strstr(text, what))
		return true;
	printf("# it says: %s\n", text);
	return false;
}

/* As if they had been silent for long. */
static void silent(int node)
{
	struct pv_volume *state = &server.volumes[0].state;

	state->dead_after = 400;
	state->began = 1;
	state->since = 1;
	state->nodes[node].when = 1;
}

/* The same as JSON, and for a person. */
static void test_shown(void)
{
	struct json_object *object = pv_volume_json(&server.volumes[0]);
	struct json_object *nodes, *node, *value;
	size_t len = 0;
	char *page = pv_page_html(&server, NULL, false, &len);
	char *metrics = pv_metrics_text(&server, &len);

	json_object_object_get_ex(object, "nodes", &nodes);
	node = json_object_array_get_idx(nodes, 1);
	ok(json_object_object_get_ex(node, "left_alone_ms", &value) &&
	   json_object_get_int64(value) > 0 &&
	   json_object_get_int64(value) <= 60000, "JSON: left_alone_ms");
	ok(json_object_object_get_ex(node, "left_alone_until", &value) &&
	   strchr(json_object_get_string(value), 'T'), "JSON: left_alone_until");
	ok(json_object_object_get_ex(node, "drops", &value) &&
	   json_object_get_int64(value) == 1, "JSON: drops");
	ok(json_object_object_get_ex(object, "advice", &value) &&
	   says(json_object_get_string(value), "bring back alpha"), "JSON: advice");
	ok(says(page, "left alone by alpha") && says(page, "bring back alpha"),
	   "the page has both");
	ok(says(metrics, "pbviewd_stuck{volume=\"db\"} 1"), "the metric, too");
	json_object_put(object);
	free(page);
	free(metrics);
}

static void test_health(void)
{
	struct pv_node *node;
	char text[PV_LINE_LEN];
	struct pb_error err;

	begin(true);
	ok(says(health(), "no view yet"), "health: no view yet");
	make_pair();
	ok(says(health(), "healthy"), "health: a pair");
	ok(!*advice() && !pv_is_stuck(&server.volumes[0]), "nothing to do");

	/* The backup is left alone. */
	volumes[0].retry_ms = 60000;
	server.volumes[0].state.retry_ms = 60000;
	free(ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_UNREACHABLE));
	pv_condition(&server.volumes[0], 1, text, sizeof(text));
	ok(says(text, "left alone by alpha for 60 s more, dropped 1 time"), "a backup that is left alone");
	ok(says(health(), "waits for alpha to move into view 4"), "health: not acked");
	ok(!*advice(), "it has had no time yet");
	silent(1);
	ok(pv_is_stuck(&server.volumes[0]), "then it has");
	ok(says(advice(), "bring back alpha, with its disk"), "whom to bring back");
	test_shown();
	free(ping(1, 3, 3, PB_REPLICA_SYNCED, 0));
	free(ping(2, 3, 3, PB_REPLICA_STALE, 0));
	silent(0);
	ok(says(health(), "the primary alpha is silent"), "health: it is dead");
	ok(says(advice(), "force-primary-data-may-be-lost db beta' goes on with what beta has (synced, from view 3)"),
	   "and what is the last resort");
	silent(1);
	silent(2);
	ok(!strstr(advice(), "force"), "nobody is there to be forced");
	end();

	begin(true);
	make_pair();
	silent(0);
	ok(!*advice(), "the backup is about to replace the primary");
	node = &server.volumes[0].state.nodes[1];
	node->evicted = true;
	ok(says(advice(), "'pbctl add db beta' lets it go on"), "not if it is evicted");
	node->evicted = false;
	silent(1);
	ok(says(advice(), "bring back alpha or beta, with its disk"), "one of two helps");
	end();

	begin(true);
	make_pair();
	free(ping(2, 9, 9, PB_REPLICA_STALE, 0));
	ok(says(health(), "its store is an old one"), "health: an old store");
	ok(says(advice(), "gamma knows view 9"), "who knows better");
	pv_server_command(&server, &server.volumes[0], PV_CMD_EVICT, "gamma",
			  "admin", &err);
	ok(!*advice(), "unless it is evicted");
	end();
}

/* alpha says of both volumes that they are new; the caller frees. */
static struct pv_told *ping_both(u64 view)
{
	struct pv_say says[2] = { 0 };
	struct pv_report report = { .node = "alpha", .nr = 2, .says = says };
	struct pv_told *told;
	int i;

	seq[0]++;
	for (i = 0; i < 2; i++) {
		memcpy(says[i].volume, volumes[i].uuid, PB_UUID_LEN);
		uuid_of(0, says[i].ping.replica);
		says[i].ping.seq = seq[0];
		says[i].ping.incarnation = 7 << 16;
		says[i].ping.view = view;
		says[i].ping.disk_view = view;
		says[i].ping.state = PB_REPLICA_SYNCED;
	}
	pv_server_ping(&server, &report, &told);
	return told;
}

/* What follows of one ping is stored at once. */
static void test_together(void)
{
	struct pv_told *told;

	begin(true);
	told = ping_both(0);
	is(fake.calls, 1, "two volumes get their first view: stored at once");
	ok(fake.stored.view.number == 1 && fake.other.view.number == 1 &&
	   told[0].orders[0].number == 1 && told[1].orders[0].number == 1,
	   "both are told");
	free(told);
	end();

	begin(true);
	fake.refuses = true;
	told = ping_both(0);
	is(fake.stored.view.number, 1, "one cannot be stored: the other is");
	ok(told[0].code == PV_TAKEN && told[0].nr == 1, "and told");
	ok(told[1].code == PV_NO_STORE && !told[1].nr, "the first is not");
	ok(!server.volumes[0].in_doubt && server.volumes[1].in_doubt,
	   "and is in doubt, alone");
	free(told);
	fake.refuses = false;
	told = ping_both(0);
	ok(told[1].code == PV_TAKEN && told[1].nr == 1 &&
	   fake.other.view.number == 1, "when it can be, it is");
	free(told);
	end();
}

static void test_news(void)
{
	struct pb_error err;
	u64 known;

	begin(true);
	ok(pv_server_has_news(&server, "beta", 0), "who knows nothing has news");
	make_pair();
	known = server.changes;
	ok(!pv_server_has_news(&server, "beta", known), "who knows all has not");
	free(ping(0, 3, 3, PB_REPLICA_SYNCED, PV_PING_BACKUP_SYNCED));
	ok(!pv_server_has_news(&server, "beta", known), "nor by any ping");
	pv_server_command(&server, &server.volumes[0], PV_CMD_SWITCH, "beta",
			  "admin", &err);
	ok(pv_server_has_news(&server, "alpha", known) &&
	   pv_server_has_news(&server, "gamma", known),
	   "a new view is news for every node of the volume");
	ok(!pv_server_has_news(&server, "delta", known), "and for no other");
	known = server.changes;
	free(ping(0, 4, 4, PB_REPLICA_SYNCED, 0));
	ok(pv_server_has_news(&server, "beta", known),
	   "so is that the old primary has finished");
	known = server.changes;
	end();
	begin(false);
	ok(pv_server_has_news(&server, "beta", known), "so is a new server");
	ok(pv_server_has_news(&server, "beta", server.changes + 1),
	   "also one whose clock was put back");
	end();
}

/* The next tick is not late for who is about to be dead. */
static void test_tick(void)
{
	struct pv_volume *state;
	u64 now, known;

	begin(true);
	state = &server.volumes[0].state;
	make_pair();
	is(pv_server_tick(&server), PV_TICK_MS, "nobody is dead soon");
	/* Less than this host may have been up. */
	state->dead_after = 1000;
	state->stall_ms = 600000;
	now = pb_boot_ms();
	state->began = 0;
	state->nodes[0].when = now + 10 - 1000;
	ok(pv_server_tick(&server) <= 11, "somebody is: the tick comes then");
	known = server.changes;
	ok(!pv_server_has_news(&server, "beta", known), "not yet");
	state->nodes[0].when = now - 1001;
	pv_server_tick(&server);
	ok(pv_server_has_news(&server, "beta", known),
	   "somebody has died: the others are to ping");
	known = server.changes;
	pv_server_tick(&server);
	ok(!pv_server_has_news(&server, "beta", known), "once");
	end();
}

int main(void)
{
	tap_begin();
	test_durable();
	test_told();
	test_refused();
	test_over();
	test_older();
	test_evicted();
	test_broken(false);
	test_broken(true);
	test_health();
	test_together();
	test_news();
	test_tick();
	return tap_end();
}
