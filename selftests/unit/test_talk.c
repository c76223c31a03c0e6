// SPDX-License-Identifier: GPL-2.0
/*
 * Pings and answers as JSON: there and back is the same, and what is not exactly
 * as it should be is refused as a whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rnd.h"
#include "talk.h"
#include "tap.h"

static void make_report(struct pv_report *report)
{
	struct pv_say *say = calloc(2, sizeof(*say));
	u32 i;

	memset(report, 0, sizeof(*report));
	strcpy(report->node, "alpha");
	report->seq = 1ULL << 52;
	report->nr = 2;
	report->says = say;
	for (i = 0; i < 2; i++) {
		memset(say[i].volume, 1 + i, PB_UUID_LEN);
		memset(say[i].ping.replica, 3 + i, PB_UUID_LEN);
		say[i].ping.seq = report->seq;
		say[i].ping.incarnation = i ? ~0ULL : 1;
		say[i].ping.view = i;
		say[i].ping.disk_view = 5;
		say[i].ping.state = PB_REPLICA_STALE + i;
		say[i].ping.flags = i ? PV_PING_FLAGS : PV_PING_STANDS;
		say[i].sync_total = 100;
		say[i].sync_left = 7;
		strcpy(say[i].reason, "because \"so\"");
	}
	say[1].nr_reaches = 2;
	strcpy(say[1].reaches[0], "beta");
	strcpy(say[1].reaches[1], "gamma");
}

static void test_report(void)
{
	struct pv_report report, back;
	struct json_object *object;
	struct pb_error err;
	const char *text;

	make_report(&report);
	object = pv_report_json(&report);
	text = json_object_to_json_string(object);
	is(pv_report_parse(text, strlen(text), &back, &err), 0, "a ping");
	ok(!strcmp(back.node, "alpha") && back.seq == report.seq &&
	   back.nr == 2, "the node, the number, the volumes");
	ok(!memcmp(back.says, report.says, 2 * sizeof(*report.says)),
	   "what is said of them");
	free(back.says);
	free(report.says);
	json_object_put(object);
}

static void make_told(struct pv_told *told)
{
	u32 i;

	memset(told, 0, sizeof(*told));
	memset(told->volume, 1, PB_UUID_LEN);
	told->code = PV_STALE;
	told->seq = 77;
	told->nr = 2;
	for (i = 0; i < 2; i++) {
		told->orders[i].number = 4 + i;
		told->orders[i].why = PV_WHY_SWITCHED;
		told->orders[i].force = i;
		told->orders[i].nr = 1 + i;
		strcpy(told->orders[i].nodes[0], "alpha");
		memset(told->orders[i].replicas[0], 8, PB_UUID_LEN);
		told->orders[i].synced[0] = true;
	}
	strcpy(told->orders[1].nodes[1], "beta");
	memset(told->orders[1].replicas[1], 9, PB_UUID_LEN);
}

static void test_told(void)
{
	struct pv_told told, *back;
	struct json_object *object;
	struct pb_error err;
	const char *text;
	u32 nr;

	make_told(&told);
	object = pv_told_json(&told, 1);
	text = json_object_to_json_string(object);
	is(pv_told_parse(text, strlen(text), &back, &nr, &err), 0, "an answer");
	is(nr, 1, "for one volume");
	ok(!memcmp(back, &told, sizeof(told)), "what is told");
	free(back);
	json_object_put(object);
}

static void test_wait(void)
{
	static const char * const bad[] = {
		"{}", "[]", "{\"known\":7}", "{\"node\":\"alpha\"}",
		"{\"node\":\"alpha\",\"known\":-1}",
		"{\"node\":\"a b\",\"known\":1}",
		"{\"node\":\"alpha\",\"known\":\"1\"}",
	};
	struct json_object *object = pv_wait_json("alpha", 1ULL << 60);
	const char *text = json_object_to_json_string(object);
	char node[PB_NAME_LEN] = "";
	struct pb_error err;
	u64 known = 0;
	u32 i, taken = 0;

	ok(!pv_wait_parse(text, strlen(text), node, &known, &err) &&
	   !strcmp(node, "alpha") && known == 1ULL << 60,
	   "a question for news");
	known = 0;
	ok(!pv_news_parse(text, strlen(text), &known, &err) &&
	   known == 1ULL << 60, "its answer");
	json_object_put(object);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		taken += !pv_wait_parse(bad[i], strlen(bad[i]), node, &known,
					&err);
	is(taken, 0, "what is no question is refused");
	ok(!strcmp(node, "alpha"), "and leaves no name");
	is(pv_news_parse("{}", 2, &known, &err), -EINVAL, "so is no answer");
}

/* A change of the good ping below, and a word of the complaint. */
static const struct {
	const char *from;
	const char *to;
	const char *want;
} mistakes[] = {
	{ "{", "[", "not a JSON object" },
	{ "\"node\":\"alpha\"", "\"node\":7", "\"node\" is not string" },
	{ "\"node\":\"alpha\"", "\"node\":\"\"", "\"node\"" },
	{ "\"node\":\"alpha\"", "\"node\":\"a b\"", "\"node\"" },
	{ "\"node\":\"alpha\"", "\"node\":\"a\\u0000b\"", "\"node\"" },
	{ "\"node\":\"alpha\"", "\"nude\":\"alpha\"", "\"node\" is missing" },
	{ "\"node\":\"alpha\"",
	  "\"node\":\"abcdefghijklmnopqrstuvwxyzabcdefghij\"", "too long" },
	{ "\"seq\":3", "\"seq\":-3", "negative" },
	{ "\"seq\":3", "\"seq\":3.5", "\"seq\" is not int" },
	{ "\"seq\":3", "\"seq\":\"3\"", "\"seq\" is not int" },
	{ "\"volumes\":[", "\"volumes\":{},\"x\":[", "\"volumes\" is not array" },
	{ "\"volume\":\"01", "\"volume\":\"zz", "UUID" },
	{ "\"volume\":\"01", "\"volume\":\"0", "UUID" },
	{ "\"incarnation\":\"0000000000000001\"", "\"incarnation\":\"1\"",
	  "16 digits" },
	{ "\"incarnation\":\"0000000000000001\"",
	  "\"incarnation\":\"000000000000000g\"", "16 digits" },
	{ "\"state\":\"stale\"", "\"state\":\"stail\"", "unknown" },
	{ "\"stands\":true", "\"stands\":1", "\"stands\" is not boolean" },
	{ "\"failed\":false", "\"filed\":false", "\"failed\" is missing" },
	{ "\"reaches\":[\"beta\"]", "\"reaches\":[7]", "no name" },
	{ "\"reaches\":[\"beta\"]", "\"reaches\":[\"/\"]", "no name" },
	{ "\"reaches\":[\"beta\"]", "\"reaches\":7", "\"reaches\" is not array" },
	{ "\"sync_left\":0", "\"sync_left\":9", "more is left" },
	{ "}]}", "}]}x", "not a JSON object" },
	{ "}]}", "}]", "not a JSON object" },
};

static const char good[] =
	"{\"node\":\"alpha\",\"seq\":3,\"volumes\":[{\"volume\":\"01010101-0101-0101-0101-010101010101\","
	"\"replica\":\"02020202-0202-0202-0202-020202020202\",\"incarnation\":\"0000000000000001\","
	"\"view\":0,\"disk_view\":0,\"state\":\"stale\",\"stands\":true,\"backup_synced\":false,"
	"\"backup_unreachable\":false,\"failed\":false,\"reaches\":[\"beta\"],\"sync_total\":0,"
	"\"sync_left\":0,\"reason\":\"\"}]}";

static void test_mistakes(void)
{
	struct pv_report report;
	struct pb_error err;
	char text[1024];
	const char *at;
	size_t i;
	int ret;

	is(pv_report_parse(good, strlen(good), &report, &err), 0, "a good one");
	free(report.says);
	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		at = strstr(good, mistakes[i].from);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
			 mistakes[i].to, at + strlen(mistakes[i].from));
		err.text[0] = 0;
		ret = pv_report_parse(text, strlen(text), &report, &err);
		ok(ret == -EINVAL && strstr(err.text, mistakes[i].want),
		   "%s: %d, %s", mistakes[i].to, ret, err.text);
		if (!ret)
			free(report.says);
	}
	is(pv_report_parse(good, PV_TALK_MAX + 1, &report, &err), -EINVAL,
	   "too long, whatever it is");
}

#define ROUNDS	200000

/* Nothing comes of damage but a refusal, or a ping that could be. */
static void test_damage(void)
{
	struct pv_report report;
	struct pb_error err;
	char text[sizeof(good)];
	size_t len;
	u32 i, taken = 0, wrong = 0;

	for (i = 0; i < ROUNDS; i++) {
		memcpy(text, good, sizeof(good));
		len = i & 1 ? sizeof(good) - 1 : rnd() % sizeof(good);
		if (len)
			text[rnd() % len] = rnd();
		if (pv_report_parse(text, len, &report, &err))
			continue;
		taken++;
		if (report.nr != 1 || report.says[0].ping.state > 3 ||
		    report.says[0].ping.flags & ~PV_PING_FLAGS ||
		    pb_check_name(report.node, &err))
			wrong++;
		free(report.says);
	}
	is(wrong, 0, "damaged pings are refused, or are pings");
	ok(taken < ROUNDS / 2, "%u of %u damaged ones could be", taken, ROUNDS);
}

int main(void)
{
	tap_begin();
	test_report();
	test_told();
	test_wait();
	test_mistakes();
	test_damage();
	return tap_end();
}
