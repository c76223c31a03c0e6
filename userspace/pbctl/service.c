// SPDX-License-Identifier: GPL-2.0
/*
 * What is for the view server to say or to decide: how all volumes are, their
 * history, and what an operator wants of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "pbctl.h"

/* The server answers at once; a store on a slow disk may take this long, ms. */
#define ANSWER_MS	10000

enum {
	OPT_CONFIG = 256,
	OPT_JSON,
};

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "json", no_argument, NULL, OPT_JSON },
	{ }
};

/**
 * struct question - what the server is asked
 * @config: of this host
 * @client: to the server
 * @json: print what it says as it is
 * @args: what follows the options
 */
struct question {
	struct pb_config	config;
	struct pb_client	*client;
	bool			json;
	char			**args;
};

static void begin(struct question *question, int argc, char **argv, int min,
		  int max)
{
	const char *dir = PB_CONFIG_DIR;
	struct pb_error err;
	int option;

	question->json = false;
	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_CONFIG)
			dir = optarg;
		else
			question->json = true;
	}
	question->args = want_args(argc, argv, min, max);
	load_config(dir, &question->config);
	if (!question->config.server)
		fail("%s/%s names no view server: add client = { server = \"https://HOST:7402\"; };",
		     dir, PB_CONFIG_HOST);
	if (pb_config_check_files(&question->config, &err) ||
	    pb_client_open(&question->config, ANSWER_MS, &question->client,
			   &err))
		fail("%s", err.text);
}

static void end(struct question *question)
{
	pb_client_close(question->client);
	pb_config_free(&question->config);
}

static struct json_object *ask(struct question *question, const char *path,
			       const char *body)
{
	struct json_object *object;
	struct pb_error err;
	const char *text;
	size_t len;

	if (pb_client_ask(question->client, path, body, &text, &len, &err))
		fail("%s", err.text);
	object = json_tokener_parse(text);
	if (!object)
		fail("the view server's answer is not JSON");
	return object;
}

/* Printable, whatever the server sent. */
static const char *text_of(struct json_object *object, const char *key,
			   char *room, size_t size)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !value)
		return "";
	return pb_printable(room, size, json_object_get_string(value), size);
}

static struct json_object *array_of(struct json_object *object,
				    const char *key, size_t *nr)
{
	struct json_object *value;

	*nr = 0;
	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_array))
		return NULL;
	*nr = json_object_array_length(value);
	return value;
}

static bool flag_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
	       json_object_get_boolean(value);
}

static u64 number_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ?
	       json_object_get_uint64(value) : 0;
}

static void print_view(struct json_object *view)
{
	struct json_object *members, *member;
	char room[PB_REASON_LEN];
	size_t i, nr;

	printf("%6llu  %s  ", (unsigned long long)number_of(view, "number"),
	       text_of(view, "time", room, sizeof(room)));
	members = array_of(view, "members", &nr);
	for (i = 0; i < nr; i++) {
		member = json_object_array_get_idx(members, i);
		printf("%s%s%s", i ? ", " : "",
		       text_of(member, "node", room, sizeof(room)),
		       flag_of(member, "synced") ? "" : " (not synced)");
	}
	printf(": %s", text_of(view, "because", room, sizeof(room)));
	if (*text_of(view, "by", room, sizeof(room)))
		printf(", asked for by %s", room);
	putchar('\n');
}

static void print_node(struct json_object *node)
{
	char name[PB_NAME_LEN], role[16], state[16], condition[256];
	char reason[PB_REASON_LEN];
	u64 total = number_of(node, "sync_total");
	u64 left = number_of(node, "sync_left");

	printf("  %-16s %-8s %-8s %s",
	       text_of(node, "node", name, sizeof(name)),
	       text_of(node, "role", role, sizeof(role)),
	       text_of(node, "state", state, sizeof(state)),
	       text_of(node, "condition", condition, sizeof(condition)));
	if (total)
		printf(", resync %.1f %%, %llu MiB left",
		       100.0 * (total - left) / total,
		       (unsigned long long)left >> 20);
	if (*text_of(node, "reason", reason, sizeof(reason)))
		printf(": %s", reason);
	putchar('\n');
}

static void print_volume(struct json_object *volume)
{
	struct json_object *nodes, *view;
	char room[1024];
	size_t i, nr;

	printf("%s: ", text_of(volume, "name", room, PB_NAME_LEN));
	printf("%s\n", text_of(volume, "health", room, sizeof(room)));
	if (*text_of(volume, "advice", room, sizeof(room)))
		printf("  %s\n", room);
	if (json_object_object_get_ex(volume, "view", &view) && view)
		print_view(view);
	nodes = array_of(volume, "nodes", &nr);
	for (i = 0; i < nr; i++)
		print_node(json_object_array_get_idx(nodes, i));
}

static int run_volumes(int argc, char **argv)
{
	struct question question;
	struct json_object *object, *volumes;
	const struct pb_volume_config *volume;
	char path[128] = "/v1/volumes", uuid[PB_UUID_TEXT];
	size_t i, nr;

	begin(&question, argc, argv, 0, 1);
	if (question.args[0]) {
		volume = config_volume(&question.config, question.args[0]);
		snprintf(path, sizeof(path), "/v1/volumes/%s",
			 pb_uuid_text(volume->uuid, uuid));
	}
	object = ask(&question, path, NULL);
	if (question.json) {
		print_json(json_object_get(object));
	} else if (question.args[0]) {
		print_volume(object);
	} else {
		volumes = array_of(object, "volumes", &nr);
		for (i = 0; i < nr; i++)
			print_volume(json_object_array_get_idx(volumes, i));
	}
	json_object_put(object);
	end(&question);
	return EXIT_SUCCESS;
}

static int run_history(int argc, char **argv)
{
	const struct pb_volume_config *volume;
	struct question question;
	struct json_object *object, *views;
	char path[160], uuid[PB_UUID_TEXT];
	u64 from = 1;
	size_t i, nr;

	begin(&question, argc, argv, 1, 1);
	volume = config_volume(&question.config, question.args[0]);
	/* The server sends a long history in parts. */
	while (from) {
		snprintf(path, sizeof(path), "/v1/volumes/%s/history?from=%llu",
			 pb_uuid_text(volume->uuid, uuid),
			 (unsigned long long)from);
		object = ask(&question, path, NULL);
		views = array_of(object, "views", &nr);
		for (i = 0; i < nr; i++) {
			struct json_object *view;

			view = json_object_array_get_idx(views, i);
			if (question.json)
				print_json_line(json_object_get(view));
			else
				print_view(view);
		}
		from = number_of(object, "next");
		json_object_put(object);
	}
	end(&question);
	return EXIT_SUCCESS;
}

/* VOLUME NODE: the verb's last word is the command's. */
static int command(int argc, char **argv, const char *what)
{
	const struct pb_volume_config *volume;
	struct question question;
	struct json_object *object;
	struct pb_error err;
	char path[160], body[128], uuid[PB_UUID_TEXT], nodes[256];

	begin(&question, argc, argv, 2, 2);
	volume = config_volume(&question.config, question.args[0]);
	if (pb_check_name(question.args[1], &err))
		fail("%s", err.text);
	/* A name has nothing in it that JSON would have to escape but these. */
	if (strpbrk(question.args[1], "\"\\"))
		fail("%s has no replica on node %s: its nodes are %s",
		     volume->name, question.args[1],
		     pb_config_nodes(volume, nodes, sizeof(nodes)));
	snprintf(path, sizeof(path), "/v1/volumes/%s/%s",
		 pb_uuid_text(volume->uuid, uuid), what);
	snprintf(body, sizeof(body), "{\"node\":\"%s\"}", question.args[1]);
	object = ask(&question, path, body);
	if (question.json)
		print_json(json_object_get(object));
	else
		print_volume(object);
	json_object_put(object);
	end(&question);
	return EXIT_SUCCESS;
}

static int run_switch(int argc, char **argv)
{
	return command(argc, argv, "switch");
}

static int run_evict(int argc, char **argv)
{
	return command(argc, argv, "evict");
}

static int run_add(int argc, char **argv)
{
	return command(argc, argv, "add");
}

static int run_force(int argc, char **argv)
{
	return command(argc, argv, "force-data-may-be-lost");
}

#define OPTIONS_HELP \
"  --json        print what the view server says as JSON\n" \
"  --config DIR  another directory than " PB_CONFIG_DIR "\n\n"

const struct verb verb_volumes = {
	.name = "volumes",
	.args = "[VOLUME] [--json]",
	.summary = "all volumes on all nodes, as the view server knows them",
	.help =
"Says for each volume whether it is well, its view and why that was made, and for\n"
"each node its role, its replica's state and what is wrong with it.\n\n"
OPTIONS_HELP
"Example: pbctl volumes db\n",
	.run = run_volumes,
};

const struct verb verb_history = {
	.name = "history",
	.args = "VOLUME [--json]",
	.summary = "a volume's views, when and why each was made",
	.help =
"One line for each view, the first one first.  --json: one object a line.\n\n"
OPTIONS_HELP
"Example: pbctl history db\n",
	.run = run_history,
};

const struct verb verb_switch = {
	.name = "switch",
	.args = "VOLUME NODE",
	.summary = "make the synced backup on NODE the primary, in order",
	.help =
"The primary finishes its writes and hands over; it is the backup then.  Stop what\n"
"uses the volume first: the device of a backup refuses all I/O.  Refused if NODE is\n"
"not the synced backup, or one of the two is not well.\n\n"
OPTIONS_HELP
"Example: pbctl switch db beta\n",
	.run = run_switch,
};

const struct verb verb_evict = {
	.name = "evict",
	.args = "VOLUME NODE",
	.summary = "use NODE no more for a volume, until 'pbctl add'",
	.help =
"It gets no place in a view any more, and loses the one that it has.  The primary\n"
"can be evicted if its backup can replace it.\n\n"
OPTIONS_HELP
"Example: pbctl evict db gamma\n",
	.run = run_evict,
};

const struct verb verb_add = {
	.name = "add",
	.args = "VOLUME NODE",
	.summary = "use an evicted NODE again, or one that is left alone, now",
	.help =
"A backup that could not be reached is left alone for a while, for longer each time\n"
"('pbctl volumes' says so).  This ends it; so does a new set-up of its replica.\n\n"
OPTIONS_HELP
"Example: pbctl add db gamma\n",
	.run = run_add,
};

const struct verb verb_force = {
	.name = "force-primary-data-may-be-lost",
	.args = "VOLUME NODE",
	.summary = "the last resort: NODE is primary, with what its replica has",
	.help =
"For a volume whose synced replicas are gone for good.  Writes that were acknowledged\n"
"and are not on NODE are lost, and whatever else exists of the volume is overwritten\n"
"when it comes back.  The history and NODE's superblock keep a record.  Refused while\n"
"there is a primary and all is well with it.\n\n"
OPTIONS_HELP
"Example: pbctl force-primary-data-may-be-lost db gamma\n",
	.run = run_force,
};
