// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl status: how the volumes on this node are, and what to do about it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advice.h"
#include "pbctl.h"
#include "table.h"

enum { OPT_JSON = 256, OPT_CONFIG };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, 'v' },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* A member's node name, or its UUID if it has none. */
static const char *who(const struct pb_link *link, char *text)
{
	if (!link->name[0])
		return pb_uuid_text(link->peer, text);
	return pb_printable(text, PB_NAME_LEN, link->name, PB_NAME_LEN);
}

static const char *link_word(const struct pb_ioc_status *status)
{
	const struct pb_link *down = &status->downstream;
	const struct pb_link *up = &status->upstream;
	bool none = pb_uuid_zero(up->peer) && pb_uuid_zero(down->peer);

	if (none)
		return "no neighbour";
	if ((!pb_uuid_zero(up->peer) && up->state != PB_LINK_UP) ||
	    (!pb_uuid_zero(down->peer) && down->state != PB_LINK_UP))
		return "link down";
	return "link up";
}

static void print_link(const char *direction, const struct pb_link *link)
{
	char peer[PB_UUID_TEXT], reason[PB_REASON_LEN];

	if (pb_uuid_zero(link->peer))
		return;
	printf("  %-11s %s, %s, silent for %u ms, connected %llu times\n",
	       direction, pb_link_state_name(link->state), who(link, peer),
	       link->silent_ms, (unsigned long long)link->connects);
	printf("  %-11s message %llu, %llu not acked", "",
	       (unsigned long long)link->sent_seq,
	       (unsigned long long)link->unacked);
	if (link->protocol)
		printf(", protocol %u", link->protocol);
	putchar('\n');
	if (link->reason[0])
		printf("  %-11s last ended: %s\n", "",
		       pb_printable(reason, sizeof(reason), link->reason,
				    sizeof(link->reason)));
}

static void print_counters(const struct pb_ioc_status *status)
{
	unsigned int i;

	printf("  counters\n");
	for (i = 0; i < PB_CNT_NR; i++)
		printf("    %-16s %20llu%s", pb_counter_name(i),
		       (unsigned long long)status->counters[i],
		       i % 2 || i == PB_CNT_NR - 1 ? "\n" : "  ");
}

/* What it serves reads by, or waits for before it serves at all. */
static void print_reads(const struct pb_ioc_status *status)
{
	printf("  reads       by %s; leases of %u ms",
	       status->reads == PB_READS_CONFIRM ? "confirmation" : "lease",
	       status->lease_ms);
	if (status->lease_left_ms)
		printf(", %u ms left", status->lease_left_ms);
	if (status->hold_left_ms)
		printf(", one given ends in %u ms", status->hold_left_ms);
	printf("\n");
}

static void print_volume(const struct pb_ioc_status *status, const char *name)
{
	char uuid[PB_UUID_TEXT], text[PB_NAME_LEN], line[PROGRESS_LINE];

	printf("%s: %s, %s, view %llu, %s\n", name, pb_role_name(status->role),
	       pb_state_name(status->replica_state),
	       (unsigned long long)status->view.number, link_word(status));
	printf("  device      %u:%u, %llu sectors (%.1f GiB), block size %u\n",
	       status->dev.major, status->dev.minor,
	       (unsigned long long)status->data_sectors,
	       (double)status->data_sectors / (1 << 21), status->block_size);
	if (status->capacity_sectors != status->data_sectors)
		printf("  room        for %llu sectors\n",
		       (unsigned long long)status->capacity_sectors);
	printf("  volume      %s %s\n", pb_uuid_text(status->dev.volume, uuid),
	       pb_printable(text, sizeof(text), status->name, PB_NAME_LEN));
	printf("  replica     %s\n", pb_uuid_text(status->replica, uuid));
	if (status->view.number) {
		printf("  view        %llu\n",
		       (unsigned long long)status->view.number);
		print_members(&status->view, status->replica);
	}
	print_link("upstream", &status->upstream);
	print_link("downstream", &status->downstream);
	if (status->sync.state != PB_SYNC_OFF)
		printf("  transfer    %s\n",
		       sync_line(&status->sync, line, sizeof(line)));
	if (status->verify.state != PB_VERIFY_OFF)
		printf("  verify      %s\n",
		       verify_line(&status->verify, line, sizeof(line)));
	if (status->resize.state != PB_RESIZE_OFF)
		printf("  resize      %s\n",
		       resize_line(status, line, sizeof(line)));
	printf("  writes      %llu in flight, %llu held, oldest %u ms, %llu being applied; policy %s\n",
	       (unsigned long long)status->in_flight,
	       (unsigned long long)status->held, status->oldest_wait_ms,
	       (unsigned long long)status->applying,
	       pb_policy_name(status->policy));
	print_reads(status);
}

/* Lines of advice so far. */
static unsigned int advised;

static void print_advice(const struct pb_ioc_status *status, const char *name)
{
	struct advice advice;
	unsigned int i;

	advise(status, name, &advice);
	for (i = 0; i < advice.nr; i++)
		printf("  ! %s\n", advice.lines[i]);
	advised += advice.nr;
}

/* Advice is about the kernel; where pbviewd runs it is not to be acted for. */
static void mention_daemon(const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, PB_CONFIG_HOST);
	if (advised && !access(path, F_OK))
		puts("This host is set up for pbviewd, which sets views and connects by itself: see\n"
		     "'pbctl volumes' first, and leave 'pbctl view set', 'listen' and 'connect' to it.");
}

static void show_text(const struct pb_ioc_status *status, const char *name,
		      bool verbose)
{
	print_volume(status, name);
	if (verbose)
		print_counters(status);
	print_advice(status, name);
}

/* All volumes on one screen: a line for each. */
static const struct column columns[] = {
	{ .title = "VOLUME" },
	{ .title = "ROLE" },
	{ .title = "COPY" },
	{ .title = "VIEW", .right = true },
	{ .title = "PEER" },
	{ .title = "LINK" },
	{ .title = "RESYNC", .right = true },
	{ .title = "SIZE", .right = true },
	{ .title = "UNDER WAY", .right = true },
	{ .title = "HELD", .right = true },
	{ .title = "OLDEST", .right = true },
};

static const struct pb_link *the_link(const struct pb_ioc_status *status)
{
	return pb_uuid_zero(status->downstream.peer) ? &status->upstream :
						       &status->downstream;
}

static void add_row(struct table *table, const struct pb_ioc_status *status,
		    const char *name)
{
	const struct pb_link *link = the_link(status);
	bool peer = !pb_uuid_zero(link->peer);
	char text[PB_UUID_TEXT];

	table_add(table, "%s", name);
	table_add(table, "%s", pb_role_name(status->role));
	table_add(table, "%s", pb_state_name(status->replica_state));
	table_add(table, "%llu", (unsigned long long)status->view.number);
	table_add(table, "%s", peer ? who(link, text) : "-");
	table_add(table, "%s", peer ? pb_link_state_name(link->state) : "-");
	if (status->sync.state == PB_SYNC_COPY)
		table_add(table, "%.1f %%", 100 * sync_part(&status->sync));
	else
		table_add(table, "%s", status->sync.state == PB_SYNC_OFF ? "-" :
			  pb_sync_name(status->sync.state));
	table_add(table, "%.1f GiB", (double)status->data_sectors / (1 << 21));
	table_add(table, "%llu", (unsigned long long)(status->in_flight +
						      status->applying));
	table_add(table, "%llu", (unsigned long long)status->held);
	table_add(table, "%u ms", status->oldest_wait_ms);
}

static struct json_object *show_json(const struct pb_ioc_status *status,
				     const char *name)
{
	struct json_object *object = pb_json_status(status);
	struct json_object *lines = json_object_new_array();
	struct advice advice;
	unsigned int i;

	advise(status, name, &advice);
	for (i = 0; i < advice.nr; i++)
		json_object_array_add(lines,
				      json_object_new_string(advice.lines[i]));
	pb_json_add(object, "advice", lines);
	return object;
}

static void print_table(const struct seen *seen, size_t nr)
{
	struct table table;
	size_t i;

	table_begin(&table, columns, ARRAY_SIZE(columns));
	for (i = 0; i < nr; i++)
		add_row(&table, &seen[i].status, seen[i].name);
	table_print_head(&table);
	putchar('\n');
	for (i = 0; i < nr; i++) {
		table_print_row(&table, i);
		putchar('\n');
		print_advice(&seen[i].status, seen[i].name);
	}
	table_end(&table);
}

static void print_all_json(const struct seen *seen, size_t nr)
{
	struct json_object *volumes = json_object_new_array();
	size_t i;

	for (i = 0; i < nr; i++)
		json_object_array_add(volumes, show_json(&seen[i].status,
							 seen[i].name));
	print_json(volumes);
}

static void print_all(const struct seen *seen, size_t nr, bool named,
		      bool verbose)
{
	size_t i;

	if (!nr)
		puts("no volumes: 'pbctl create' sets one up");
	else if (!named && !verbose)
		print_table(seen, nr);
	else
		for (i = 0; i < nr; i++)
			show_text(&seen[i].status, seen[i].name, verbose);
}

static int run(int argc, char **argv)
{
	bool json = false, verbose = false;
	const char *dir = PB_CONFIG_DIR;
	struct seen *seen;
	struct pb_error err;
	struct pb_ctl ctl;
	char **names;
	int option;
	size_t nr;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_JSON)
			json = true;
		else if (option == OPT_CONFIG)
			dir = optarg;
		else
			verbose = true;
	}
	names = want_args(argc, argv, 0, argc);
	if (pb_ctl_open(&ctl, &err))
		fail("%s", err.text);
	nr = look(&ctl, names, argc - optind, true, &seen);
	if (json)
		print_all_json(seen, nr);
	else
		print_all(seen, nr, argc > optind, verbose);
	mention_daemon(dir);
	free(seen);
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_status = {
	.name = "status",
	.args = "[NAME...] [--json] [-v] [--config DIR]",
	.summary = "show volumes, and what to do when something is wrong",
	.help =
"Shows a line for each volume on this node, or all about those that are named.  A\n"
"line that starts with '!' says what is wrong and what to do.\n\n"
"  --json          print a JSON array with an object for each volume, counters\n"
"                  and advice included\n"
"  -v, --verbose   all about each volume, and its counters\n"
"  --config DIR    another directory than " PB_CONFIG_DIR ": advice says so where\n"
"                  pbviewd is set up\n\n"
"Example: pbctl status vol0 -v\n",
	.run = run,
};
