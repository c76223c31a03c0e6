// SPDX-License-Identifier: GPL-2.0
/*
 * What programs can read from the view server: JSON, and metrics for Prometheus.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server.h"

const char *pv_time_text(u64 time_ns, char *text, size_t room)
{
	time_t seconds = time_ns / 1000000000;
	size_t len;
	struct tm tm;

	text[0] = 0;
	if (!time_ns || !gmtime_r(&seconds, &tm))
		return text;
	len = strftime(text, room, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, room - len, ".%03uZ",
		 (unsigned int)(time_ns / 1000000 % 1000));
	return text;
}

static struct json_object *view_json(const struct pv_stored_view *view)
{
	struct json_object *object;
	struct pv_order order;
	char text[40];

	pv_order_of(view, &order);
	object = pv_order_json(&order);
	pb_json_add_text(object, "time", pv_time_text(view->time_ns, text, sizeof(text)));
	pb_json_add_text(object, "by", view->by);
	return object;
}

static struct json_object *node_json(const struct pv_served *volume, u32 index)
{
	const struct pv_node *node = &volume->state.nodes[index];
	const struct pv_heard *heard = &volume->heard[index];
	struct json_object *object = json_object_new_object();
	u64 left = pv_left_alone(&volume->state, index, pb_boot_ms());
	char text[PV_LINE_LEN];

	pb_json_add_text(object, "node", volume->config->replicas[index].node);
	pb_json_add_text(object, "role", pv_place(volume, index));
	pv_condition(volume, index, text, sizeof(text));
	pb_json_add_text(object, "condition", text);
	pb_json_add_u64(object, "left_alone_ms", left);
	pb_json_add_text(object, "left_alone_until",
			 pv_time_text(left ? pv_real_ns() + left * 1000000 : 0,
				   text, sizeof(text)));
	pb_json_add_u64(object, "drops", node->drops);
	pb_json_add_bool(object, "evicted", node->evicted);
	pb_json_add_bool(object, "heard", node->heard);
	if (!node->heard)
		return object;
	pb_json_add_u64(object, "silent_ms", pb_boot_ms() - node->when);
	pb_json_add_text(object, "heard_at", pv_time_text(heard->time_ns, text,
					       sizeof(text)));
	pb_json_add(object, "replica", pb_json_uuid(node->ping.replica));
	snprintf(text, sizeof(text), "%016llx",
		 (unsigned long long)node->ping.incarnation);
	pb_json_add_text(object, "incarnation", text);
	pb_json_add_text(object, "state", pb_state_name(node->ping.state));
	pb_json_add_u64(object, "view", node->ping.view);
	pb_json_add_u64(object, "disk_view", node->ping.disk_view);
	pb_json_add_u64(object, "sync_total", heard->sync_total);
	pb_json_add_u64(object, "sync_left", heard->sync_left);
	pb_json_add_text(object, "reason", heard->reason);
	return object;
}

struct json_object *pv_volume_json(const struct pv_served *volume)
{
	struct json_object *object = json_object_new_object();
	struct json_object *nodes = json_object_new_array();
	char text[PV_ADVICE_LEN];
	u32 i;

	pb_json_add_text(object, "name", volume->config->name);
	pb_json_add(object, "uuid", pb_json_uuid(volume->config->uuid));
	pv_health(volume, text, sizeof(text));
	pb_json_add_text(object, "health", text);
	pv_advice(volume, text, sizeof(text));
	pb_json_add_text(object, "advice", text);
	pb_json_add(object, "view", volume->state.view.number ?
		    view_json(&volume->stored.view) : NULL);
	pb_json_add_bool(object, "acked", volume->state.acked);
	pb_json_add_bool(object, "switching", volume->state.handover);
	pb_json_add_bool(object, "behind", volume->state.behind);
	pb_json_add_bool(object, "store_failed", volume->in_doubt);
	for (i = 0; i < volume->state.nr_nodes; i++)
		json_object_array_add(nodes, node_json(volume, i));
	pb_json_add(object, "nodes", nodes);
	return object;
}

struct json_object *pv_volumes_json(struct pv_server *server)
{
	struct json_object *object = json_object_new_object();
	struct json_object *volumes = json_object_new_array();
	u32 i;

	for (i = 0; i < server->nr; i++)
		json_object_array_add(volumes,
				      pv_volume_json(&server->volumes[i]));
	pb_json_add(object, "volumes", volumes);
	return object;
}

/* Views in one answer. */
#define HISTORY		256

struct json_object *pv_history_json(struct pv_server *server,
				    struct pv_served *volume, u64 from,
				    struct pb_error *err)
{
	struct pv_stored_view *views = calloc(HISTORY, sizeof(*views));
	struct json_object *object, *array;
	int i, nr;

	if (!views) {
		pb_fail(err, -ENOMEM, "no memory");
		return NULL;
	}
	nr = server->store->ops->history(server->store, volume->config->uuid,
					 from, views, HISTORY, err);
	if (nr < 0) {
		free(views);
		return NULL;
	}
	object = json_object_new_object();
	array = json_object_new_array();
	for (i = 0; i < nr; i++)
		json_object_array_add(array, view_json(&views[i]));
	pb_json_add(object, "views", array);
	/* Where the next answer begins, if there is more. */
	pb_json_add(object, "next", nr == HISTORY ?
		    json_object_new_uint64(views[nr - 1].number + 1) : NULL);
	free(views);
	return object;
}

/* Metrics: names and meaning are in pbviewd(8). */

struct metric {
	const char	*name;
	const char	*type;
	const char	*help;
};

static void head(FILE *out, const struct metric *metric)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
		metric->help, metric->name, metric->type);
}

/* A name may have quotes in it. */
static void label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

static void volume_metric(FILE *out, struct pv_server *server,
			  const struct metric *metric,
			  u64 (*value)(const struct pv_served *volume))
{
	u32 i;

	head(out, metric);
	for (i = 0; i < server->nr; i++) {
		fprintf(out, "%s{", metric->name);
		label(out, "volume", server->volumes[i].config->name);
		fprintf(out, "} %llu\n",
			(unsigned long long)value(&server->volumes[i]));
	}
}

static u64 view_number(const struct pv_served *volume)
{
	return volume->state.view.number;
}

static u64 view_acked(const struct pv_served *volume)
{
	return volume->state.acked;
}

static u64 synced_members(const struct pv_served *volume)
{
	const struct pv_view *view = &volume->state.view;
	u64 nr = 0;
	u32 i;

	for (i = 0; i < view->nr; i++)
		nr += view->members[i].synced;
	return nr;
}

static u64 store_failed(const struct pv_served *volume)
{
	return volume->in_doubt;
}

static u64 is_behind(const struct pv_served *volume)
{
	return volume->state.behind;
}

static u64 is_stuck(const struct pv_served *volume)
{
	return pv_is_stuck(volume);
}

static u64 pings_taken(const struct pv_served *volume)
{
	return volume->pings;
}

static u64 pings_stale(const struct pv_served *volume)
{
	return volume->stale;
}

static u64 sync_left(const struct pv_served *volume)
{
	const struct pv_view *view = &volume->state.view;

	return view->nr ? volume->heard[view->members[0].node].sync_left : 0;
}

static const struct {
	struct metric	metric;
	u64		(*value)(const struct pv_served *volume);
} volume_metrics[] = {
	{ { "pbviewd_view", "gauge", "Number of the current view." },
	  view_number },
	{ { "pbviewd_view_acked", "gauge",
	    "Whether its primary has moved into the current view." },
	  view_acked },
	{ { "pbviewd_synced_members", "gauge",
	    "Members of the current view that hold every acknowledged write." },
	  synced_members },
	{ { "pbviewd_store_failed", "gauge",
	    "Whether the store failed, so that no view can be made." },
	  store_failed },
	{ { "pbviewd_behind", "gauge",
	    "Whether a replica knows a later view than the server." },
	  is_behind },
	{ { "pbviewd_stuck", "gauge",
	    "Whether nobody can go on but a primary that does not." },
	  is_stuck },
	{ { "pbviewd_resync_left_bytes", "gauge",
	    "Bytes that the primary still has to send to its backup." },
	  sync_left },
	{ { "pbviewd_pings_total", "counter", "Pings that counted." },
	  pings_taken },
	{ { "pbviewd_stale_pings_total", "counter",
	    "Pings that did not: older than another one, or of an older image." },
	  pings_stale },
};

static void node_metrics(FILE *out, struct pv_server *server)
{
	static const struct metric alive = {
		"pbviewd_node_alive", "gauge",
		"Whether a node has pinged within dead_after_ms."
	};
	u32 i, k;

	head(out, &alive);
	for (i = 0; i < server->nr; i++) {
		struct pv_served *volume = &server->volumes[i];

		for (k = 0; k < volume->state.nr_nodes; k++) {
			fprintf(out, "%s{", alive.name);
			label(out, "volume", volume->config->name);
			fputc(',', out);
			label(out, "node", volume->config->replicas[k].node);
			fprintf(out, ",role=\"%s\"} %d\n", pv_place(volume, k),
				volume->state.nodes[k].heard &&
				!pv_dead(&volume->state, k, pb_boot_ms()));
		}
	}
}

char *pv_metrics_text(struct pv_server *server, size_t *len)
{
	static const struct metric rounds = {
		"pbviewd_node_pings_total", "counter",
		"Pings of nodes, each of all volumes of one of them."
	};
	static const struct metric stores = {
		"pbviewd_stores_total", "counter", "Changes made durable."
	};
	static const struct metric failures = {
		"pbviewd_store_failures_total", "counter",
		"Changes that could not be made durable."
	};
	static const struct metric began = {
		"pbviewd_start_time_seconds", "gauge",
		"When the server began, seconds since 1970."
	};
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	size_t i;

	if (!out)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(volume_metrics); i++)
		volume_metric(out, server, &volume_metrics[i].metric,
			      volume_metrics[i].value);
	node_metrics(out, server);
	head(out, &rounds);
	fprintf(out, "%s %llu\n", rounds.name,
		(unsigned long long)server->round);
	head(out, &stores);
	fprintf(out, "%s %llu\n", stores.name,
		(unsigned long long)server->stores);
	head(out, &failures);
	fprintf(out, "%s %llu\n", failures.name,
		(unsigned long long)server->failures);
	head(out, &began);
	fprintf(out, "%s %llu.%03llu\n", began.name,
		(unsigned long long)(server->began_ns / 1000000000),
		(unsigned long long)(server->began_ns / 1000000 % 1000));
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
