// SPDX-License-Identifier: GPL-2.0
/*
 * Pings and answers as JSON.  Numbers that may use all of 64 bits are text in
 * hexadecimal: not every reader of JSON keeps them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"

static const struct {
	const char	*word;
	u32		flag;
} flag_words[] = {
	{ "stands", PV_PING_STANDS },
	{ "backup_synced", PV_PING_BACKUP_SYNCED },
	{ "backup_unreachable", PV_PING_UNREACHABLE },
	{ "failed", PV_PING_FAILED },
};

static const char * const verdict_words[] = {
	[PV_TAKEN]		= "taken",
	[PV_STALE]		= "stale",
	[PV_OLDER_IMAGE]	= "older-image",
	[PV_NOT_YOURS]		= "not-yours",
	[PV_INVALID]		= "invalid",
	[PV_NO_STORE]		= "no-store",
};

const char *pv_verdict_text(u32 code)
{
	return code < PV_VERDICT_NR ? verdict_words[code] : "unknown";
}

static struct json_object *say_json(const struct pv_say *say)
{
	const struct pv_ping *ping = &say->ping;
	struct json_object *object = json_object_new_object();
	struct json_object *reaches = json_object_new_array();
	char hex[20];
	u32 i;

	snprintf(hex, sizeof(hex), "%016" PRIx64, (uint64_t)ping->incarnation);
	pb_json_add(object, "volume", pb_json_uuid(say->volume));
	pb_json_add(object, "replica", pb_json_uuid(ping->replica));
	pb_json_add_text(object, "incarnation", hex);
	pb_json_add_u64(object, "view", ping->view);
	pb_json_add_u64(object, "disk_view", ping->disk_view);
	pb_json_add_text(object, "state", pb_state_name(ping->state));
	for (i = 0; i < ARRAY_SIZE(flag_words); i++)
		pb_json_add(object, flag_words[i].word,
			    json_object_new_boolean(ping->flags &
						    flag_words[i].flag));
	for (i = 0; i < say->nr_reaches; i++)
		json_object_array_add(reaches, pb_json_text(say->reaches[i],
							    PB_NAME_LEN));
	pb_json_add(object, "reaches", reaches);
	pb_json_add_u64(object, "sync_total", say->sync_total);
	pb_json_add_u64(object, "sync_left", say->sync_left);
	pb_json_add_text(object, "reason", say->reason);
	return object;
}

struct json_object *pv_report_json(const struct pv_report *report)
{
	struct json_object *object = json_object_new_object();
	struct json_object *says = json_object_new_array();
	u32 i;

	pb_json_add_text(object, "node", report->node);
	pb_json_add_u64(object, "seq", report->seq);
	for (i = 0; i < report->nr; i++)
		json_object_array_add(says, say_json(&report->says[i]));
	pb_json_add(object, "volumes", says);
	return object;
}

struct json_object *pv_order_json(const struct pv_order *order)
{
	struct json_object *object = json_object_new_object();
	struct json_object *members = json_object_new_array();
	u32 i;

	pb_json_add_u64(object, "number", order->number);
	pb_json_add_u64(object, "why", order->why);
	pb_json_add_text(object, "because", pv_why_text(order->why));
	pb_json_add(object, "force", json_object_new_boolean(order->force));
	for (i = 0; i < order->nr; i++) {
		struct json_object *member = json_object_new_object();

		pb_json_add_text(member, "node", order->nodes[i]);
		pb_json_add(member, "replica",
			    pb_json_uuid(order->replicas[i]));
		pb_json_add(member, "synced",
			    json_object_new_boolean(order->synced[i]));
		json_object_array_add(members, member);
	}
	pb_json_add(object, "members", members);
	return object;
}

struct json_object *pv_told_json(const struct pv_told *tolds, u32 nr)
{
	struct json_object *object = json_object_new_object();
	struct json_object *volumes = json_object_new_array();
	u32 i, k;

	for (i = 0; i < nr; i++) {
		struct json_object *told = json_object_new_object();
		struct json_object *views = json_object_new_array();

		pb_json_add(told, "volume", pb_json_uuid(tolds[i].volume));
		pb_json_add_text(told, "verdict", pv_verdict_text(tolds[i].code));
		pb_json_add_u64(told, "seq", tolds[i].seq);
		for (k = 0; k < tolds[i].nr; k++)
			json_object_array_add(views,
					      pv_order_json(&tolds[i].orders[k]));
		pb_json_add(told, "views", views);
		json_object_array_add(volumes, told);
	}
	pb_json_add(object, "volumes", volumes);
	return object;
}

/* The way back: @err is set by whoever finds the first mistake. */

struct json_object *pv_parse_document(const char *text, size_t len,
				      struct pb_error *err)
{
	struct json_tokener *tokener;
	struct json_object *object;

	if (len > PV_TALK_MAX) {
		pb_fail(err, -EINVAL, "too long");
		return NULL;
	}
	tokener = json_tokener_new_ex(16);
	if (!tokener) {
		pb_fail(err, -ENOMEM, "no memory");
		return NULL;
	}
	object = json_tokener_parse_ex(tokener, text, len);
	if (!object || json_tokener_get_parse_end(tokener) != len ||
	    !json_object_is_type(object, json_type_object)) {
		pb_fail(err, -EINVAL, "not a JSON object");
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

static int get(struct json_object *object, const char *key,
	       enum json_type type, struct json_object **value,
	       struct pb_error *err)
{
	if (!json_object_is_type(object, json_type_object))
		return pb_fail(err, -EINVAL, "an object is expected");
	if (!json_object_object_get_ex(object, key, value))
		return pb_fail(err, -EINVAL, "\"%s\" is missing", key);
	if (!json_object_is_type(*value, type))
		return pb_fail(err, -EINVAL, "\"%s\" is not %s", key,
			       json_type_to_name(type));
	return 0;
}

static int get_u64(struct json_object *object, const char *key, u64 *number,
		   struct pb_error *err)
{
	struct json_object *value;
	int ret = get(object, key, json_type_int, &value, err);

	if (ret)
		return ret;
	/* Negative ones become 0 in json-c, and would be taken. */
	if (json_object_get_int64(value) < 0)
		return pb_fail(err, -EINVAL, "\"%s\" is negative", key);
	*number = json_object_get_uint64(value);
	return 0;
}

static int get_bool(struct json_object *object, const char *key, bool *flag,
		    struct pb_error *err)
{
	struct json_object *value;
	int ret = get(object, key, json_type_boolean, &value, err);

	if (!ret)
		*flag = json_object_get_boolean(value);
	return ret;
}

/* Text without a NUL in it, shorter than @room. */
static int get_text(struct json_object *object, const char *key, char *text,
		    size_t room, struct pb_error *err)
{
	struct json_object *value;
	size_t len;
	int ret = get(object, key, json_type_string, &value, err);

	if (ret)
		return ret;
	len = json_object_get_string_len(value);
	if (len >= room || strlen(json_object_get_string(value)) != len)
		return pb_fail(err, -EINVAL, "\"%s\" is too long", key);
	pb_printable(text, room, json_object_get_string(value), len);
	return 0;
}

int pv_get_name(struct json_object *object, const char *key, char *name,
		struct pb_error *err)
{
	struct pb_error why;
	int ret = get_text(object, key, name, PB_NAME_LEN, err);

	if (ret)
		return ret;
	if (pb_check_name(name, &why))
		return pb_fail(err, -EINVAL, "\"%s\": %s", key, why.text);
	return 0;
}

static int get_uuid(struct json_object *object, const char *key, u8 *uuid,
		    struct pb_error *err)
{
	char text[PB_UUID_TEXT];
	int ret = get_text(object, key, text, sizeof(text), err);

	return ret ? ret : pb_parse_uuid(text, uuid, err);
}

static int get_hex(struct json_object *object, const char *key, u64 *number,
		   struct pb_error *err)
{
	char text[17];
	int ret = get_text(object, key, text, sizeof(text), err);

	if (ret)
		return ret;
	if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return pb_fail(err, -EINVAL, "\"%s\" is not 16 digits", key);
	*number = strtoull(text, NULL, 16);
	return 0;
}

static int get_word(struct json_object *object, const char *key,
		    const char *(*word)(u32 value), u32 nr, u32 *value,
		    struct pb_error *err)
{
	char text[32];
	int ret = get_text(object, key, text, sizeof(text), err);
	u32 i;

	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		if (!strcmp(text, word(i))) {
			*value = i;
			return 0;
		}
	}
	return pb_fail(err, -EINVAL, "\"%s\": \"%s\" is unknown", key, text);
}

static int parse_reaches(struct json_object *object, struct pv_say *say,
			 struct pb_error *err)
{
	struct json_object *array, *name;
	size_t i, nr;
	int ret = get(object, "reaches", json_type_array, &array, err);

	if (ret)
		return ret;
	nr = json_object_array_length(array);
	if (nr > PV_MAX_NODES)
		return pb_fail(err, -EINVAL, "\"reaches\" is too long");
	for (i = 0; i < nr; i++) {
		name = json_object_array_get_idx(array, i);
		if (!json_object_is_type(name, json_type_string) ||
		    pb_check_name(json_object_get_string(name), err))
			return pb_fail(err, -EINVAL,
				       "\"reaches\" has what is no name");
		snprintf(say->reaches[i], PB_NAME_LEN, "%s",
			 json_object_get_string(name));
	}
	say->nr_reaches = nr;
	return 0;
}

static int parse_say(struct json_object *object, struct pv_say *say,
		     struct pb_error *err)
{
	struct pv_ping *ping = &say->ping;
	bool flag = false;
	u32 i;
	int ret;

	ret = get_uuid(object, "volume", say->volume, err) ?:
	      get_uuid(object, "replica", ping->replica, err) ?:
	      get_hex(object, "incarnation", &ping->incarnation, err) ?:
	      get_u64(object, "view", &ping->view, err) ?:
	      get_u64(object, "disk_view", &ping->disk_view, err) ?:
	      get_word(object, "state", pb_state_name, PB_REPLICA_SYNCED + 1,
		       &ping->state, err) ?:
	      get_u64(object, "sync_total", &say->sync_total, err) ?:
	      get_u64(object, "sync_left", &say->sync_left, err) ?:
	      get_text(object, "reason", say->reason, sizeof(say->reason),
		       err);
	if (!ret && say->sync_left > say->sync_total)
		ret = pb_fail(err, -EINVAL, "more is left than there was");
	for (i = 0; !ret && i < ARRAY_SIZE(flag_words); i++) {
		ret = get_bool(object, flag_words[i].word, &flag, err);
		if (flag)
			ping->flags |= flag_words[i].flag;
	}
	return ret ?: parse_reaches(object, say, err);
}

/* An array of objects: room for @size bytes each, at least one. */
static int get_array(struct json_object *object, const char *key, u32 max,
		     size_t size, struct json_object **array, void **room,
		     u32 *nr, struct pb_error *err)
{
	int ret = get(object, key, json_type_array, array, err);

	if (ret)
		return ret;
	if (json_object_array_length(*array) > max)
		return pb_fail(err, -EINVAL, "\"%s\" is too long", key);
	*nr = json_object_array_length(*array);
	*room = calloc(*nr + 1, size);
	return *room ? 0 : pb_fail(err, -ENOMEM, "no memory");
}

/* Volumes that one node may have. */
#define MAX_VOLUMES	4096

int pv_report_parse(const char *text, size_t len, struct pv_report *report,
		    struct pb_error *err)
{
	struct json_object *object = pv_parse_document(text, len, err);
	struct json_object *array;
	void *room = NULL;
	u32 i;
	int ret;

	if (!object)
		return -EINVAL;
	memset(report, 0, sizeof(*report));
	ret = pv_get_name(object, "node", report->node, err) ?:
	      get_u64(object, "seq", &report->seq, err) ?:
	      get_array(object, "volumes", MAX_VOLUMES, sizeof(struct pv_say),
			&array, &room, &report->nr, err);
	report->says = room;
	for (i = 0; !ret && i < report->nr; i++) {
		ret = parse_say(json_object_array_get_idx(array, i),
				&report->says[i], err);
		report->says[i].ping.seq = report->seq;
	}
	if (ret)
		free(room);
	json_object_put(object);
	return ret;
}

int pv_wait_parse(const char *text, size_t len, char *node, u64 *known,
		  struct pb_error *err)
{
	struct json_object *object = pv_parse_document(text, len, err);
	char name[PB_NAME_LEN];
	int ret;

	if (!object)
		return -EINVAL;
	ret = pv_get_name(object, "node", name, err) ?:
	      get_u64(object, "known", known, err);
	if (!ret)
		memcpy(node, name, PB_NAME_LEN);
	json_object_put(object);
	return ret;
}

struct json_object *pv_wait_json(const char *node, u64 known)
{
	struct json_object *object = json_object_new_object();

	pb_json_add_text(object, "node", node);
	pb_json_add_u64(object, "known", known);
	return object;
}

int pv_news_parse(const char *text, size_t len, u64 *known,
		  struct pb_error *err)
{
	struct json_object *object = pv_parse_document(text, len, err);
	int ret;

	if (!object)
		return -EINVAL;
	ret = get_u64(object, "known", known, err);
	json_object_put(object);
	return ret;
}

static int parse_order(struct json_object *object, struct pv_order *order,
		       struct pb_error *err)
{
	struct json_object *members, *member;
	u64 why = 0;
	u32 i;
	int ret;

	ret = get_u64(object, "number", &order->number, err) ?:
	      get_u64(object, "why", &why, err) ?:
	      get_bool(object, "force", &order->force, err) ?:
	      get(object, "members", json_type_array, &members, err);
	if (ret)
		return ret;
	order->nr = json_object_array_length(members);
	order->why = why;
	if (!order->nr || order->nr > PV_MAX_MEMBERS || why >= PV_WHY_NR)
		return pb_fail(err, -EINVAL, "a view that cannot be");
	for (i = 0; !ret && i < order->nr; i++) {
		member = json_object_array_get_idx(members, i);
		ret = pv_get_name(member, "node", order->nodes[i], err) ?:
		      get_uuid(member, "replica", order->replicas[i], err) ?:
		      get_bool(member, "synced", &order->synced[i], err);
	}
	return ret;
}

static int parse_told(struct json_object *object, struct pv_told *told,
		      struct pb_error *err)
{
	struct json_object *views;
	size_t i, nr;
	int ret;

	ret = get_uuid(object, "volume", told->volume, err) ?:
	      get_word(object, "verdict", pv_verdict_text, PV_VERDICT_NR,
		       &told->code, err) ?:
	      get_u64(object, "seq", &told->seq, err) ?:
	      get(object, "views", json_type_array, &views, err);
	if (ret)
		return ret;
	nr = json_object_array_length(views);
	if (nr > PV_TALK_VIEWS)
		return pb_fail(err, -EINVAL, "too many views");
	for (i = 0; !ret && i < nr; i++)
		ret = parse_order(json_object_array_get_idx(views, i),
				  &told->orders[i], err);
	told->nr = nr;
	return ret;
}

int pv_told_parse(const char *text, size_t len, struct pv_told **tolds,
		  u32 *nr, struct pb_error *err)
{
	struct json_object *object = pv_parse_document(text, len, err);
	struct json_object *array;
	void *room = NULL;
	u32 i;
	int ret;

	if (!object)
		return -EINVAL;
	ret = get_array(object, "volumes", MAX_VOLUMES, sizeof(struct pv_told),
			&array, &room, nr, err);
	*tolds = room;
	for (i = 0; !ret && i < *nr; i++)
		ret = parse_told(json_object_array_get_idx(array, i),
				 &(*tolds)[i], err);
	if (ret)
		free(room);
	json_object_put(object);
	return ret;
}
