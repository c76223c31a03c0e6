// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl status: how the volumes on this node are, and what to do about it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

/* A write that is older than this is worth a word. */
#define SLOW_MS		5000

#define MAX_ADVICE	8

/**
 * struct advice - what is wrong with a volume and what to do
 * @nr: lines
 * @lines: for a person
 */
struct advice {
	unsigned int	nr;
	char		lines[MAX_ADVICE][640];
};

enum { OPT_JSON = 256 };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void pb_printf(2, 3) say(struct advice *advice, const char *fmt, ...)
{
	va_list args;

	if (advice->nr == MAX_ADVICE)
		return;
	va_start(args, fmt);
	vsnprintf(advice->lines[advice->nr++], sizeof(advice->lines[0]), fmt,
		  args);
	va_end(args);
}

/* A member's node name, or its UUID if it has none. */
static const char *who(const struct pb_link *link, char *text)
{
	if (!link->name[0])
		return pb_uuid_text(link->peer, text);
	return pb_printable(text, PB_NAME_LEN, link->name, PB_NAME_LEN);
}

/* The command that sets a view of the first @nr members of this one. */
static const char *view_command(const struct pb_view *view, u64 number,
				unsigned int nr, const char *name, char *text,
				size_t size)
{
	const struct pb_member *member;
	char uuid[PB_UUID_TEXT];
	char node[PB_NAME_LEN];
	size_t len;
	unsigned int i;

	len = snprintf(text, size, "pbctl view set %s --number %llu", name,
		       (unsigned long long)number);
	for (i = 0; i < nr && i < view->nr_members && len < size; i++) {
		member = &view->members[i];
		pb_printable(node, sizeof(node), member->name, PB_NAME_LEN);
		len += snprintf(text + len, size - len, " --member %s%s%s%s",
				pb_uuid_text(member->replica, uuid),
				*node ? ":" : "", node,
				member->flags & PB_MEMBER_SYNCED ? "" :
				":unsynced");
	}
	return text;
}

static unsigned int nr_synced(const struct pb_view *view)
{
	unsigned int i, nr = 0;

	for (i = 0; i < view->nr_members; i++)
		nr += !!(view->members[i].flags & PB_MEMBER_SYNCED);
	return nr;
}

static void advise_unconfirmed(const struct pb_ioc_status *status,
			       const char *name, struct advice *advice)
{
	const struct pb_view *view = &status->view;
	char text[512], uuid[PB_UUID_TEXT];

	if (!view->number)
		say(advice, "no view yet: set the volume's view, for a new volume 'pbctl view set %s --number 1 --member %s'",
		    name, pb_uuid_text(status->replica, uuid));
	else if (status->flags & PB_STATUS_STANDS)
		say(advice, "it was set up again and cannot serve in view %llu beside the other member: a view with a higher number is needed ('pbctl view set')",
		    (unsigned long long)view->number);
	else if ((status->flags & PB_STATUS_CRASHED) && nr_synced(view) > 1)
		say(advice, "it crashed in view %llu, where other members may have gone on: a view with a higher number is needed ('pbctl view set')",
		    (unsigned long long)view->number);
	else
		say(advice, "nobody has confirmed its view since it was set up; if that view is still the current one: '%s'",
		    view_command(view, view->number, view->nr_members, name,
				 text, sizeof(text)));
}

static void advise_downstream(const struct pb_ioc_status *status,
			      const char *name, struct advice *advice)
{
	const struct pb_view *view = &status->view;
	const struct pb_link *link = &status->downstream;
	unsigned int self = pb_view_index(view, status->replica);
	char peer[PB_UUID_TEXT], text[512];

	if (pb_uuid_zero(link->peer) || link->state == PB_LINK_UP ||
	    self == PB_NO_MEMBER)
		return;
	who(link, peer);
	if (!pb_view_needs_ack(view, self)) {
		say(advice, "no link to %s, which is unsynced and misses what is written: 'pbctl listen %s' there, 'pbctl connect %s HOST' here",
		    peer, name, name);
		return;
	}
	say(advice, "no link to %s: reads and writes %s until there is one ('pbctl listen %s' there, 'pbctl connect %s HOST' here)",
	    peer, status->policy == PB_POLICY_ERROR ? "fail" : "wait", name,
	    name);
	say(advice, "or, if %s is down and was given no newer view, until there is a view without it: '%s'",
	    peer, view_command(view, view->number + 1, self + 1, name, text,
			       sizeof(text)));
}

static void advise_upstream(const struct pb_ioc_status *status,
			    const char *name, struct advice *advice)
{
	const struct pb_link *link = &status->upstream;
	char peer[PB_UUID_TEXT];

	if (!pb_uuid_zero(link->peer) && link->state != PB_LINK_UP)
		say(advice, "no link from %s, whose writes wait for it: 'pbctl listen %s' here, 'pbctl connect %s HOST' there",
		    who(link, peer), name, name);
}

static void advise_disk(const struct pb_ioc_status *status, const char *name,
			struct advice *advice)
{
	const struct pb_link *down = &status->downstream;
	char peer[PB_UUID_TEXT];
	u32 flags = status->flags;

	if (flags & PB_STATUS_THROUGH_BACKUP) {
		say(advice, "the disk of this node failed; the volume is served through %s alone: make %s primary and leave this node out ('pbctl view set'), replace the disk, then bring it back as a blank backup",
		    who(down, peer), who(down, peer));
		if (flags & PB_STATUS_DIVERGED)
			say(advice, "the disk of %s failed too: no good copy is left, all I/O fails", who(down, peer));
		else if (down->state != PB_LINK_UP)
			say(advice, "without a link to %s nothing can be served, reads neither", who(down, peer));
	} else if (flags & PB_STATUS_DISK_FAILED && status->role == PB_ROLE_PRIMARY) {
		say(advice, "the disk of this node failed a write, which waits for %s: connect it, or set a view without it, in which the application gets the error",
		    who(down, peer));
	} else if (flags & PB_STATUS_DISK_FAILED) {
		say(advice, "the data device failed a write: set a view without this replica ('pbctl view set'), replace the disk");
	}
	if (flags & PB_STATUS_DISK_ERRORS)
		say(advice, "the data device failed writes, and the application was told: look at the disk, add a backup to '%s' if there is none",
		    name);
	if (status->sync.unreadable)
		say(advice, "%llu bytes cannot be read from this disk and keep the backup from being synced: write them anew, from a file or another backup",
		    (unsigned long long)status->sync.unreadable);
}

static void advise(const struct pb_ioc_status *status, const char *name,
		   struct advice *advice)
{
	u32 flags = status->flags;

	advice->nr = 0;
	if (status->role == PB_ROLE_FAILED || (flags & PB_STATUS_META_FAILED))
		say(advice, "the metadata device failed and this replica has stopped: mend it, then 'pbctl remove %s' and 'pbctl create' again",
		    name);
	advise_disk(status, name, advice);
	if (flags & PB_STATUS_DIVERGED)
		say(advice, "writes that failed here may be on this disk and not on the backup's: set a view in which the backup is unsynced");
	if (status->role == PB_ROLE_UNCONFIRMED)
		advise_unconfirmed(status, name, advice);
	if (status->role == PB_ROLE_PRIMARY || status->role == PB_ROLE_BACKUP) {
		advise_upstream(status, name, advice);
		advise_downstream(status, name, advice);
	}
	if (status->verify.differs > status->verify.repaired)
		say(advice, "the latest verification found %llu bytes that differ on the backup: 'pbctl verify %s --show' lists them, '--repair' copies them",
		    (unsigned long long)status->verify.differs, name);
	if (status->oldest_wait_ms >= SLOW_MS)
		say(advice, "the oldest request has waited for %u s",
		    status->oldest_wait_ms / 1000);
	if (flags & PB_STATUS_FORCED)
		say(advice, "view %llu was forced: acknowledged writes may have been lost then",
		    (unsigned long long)status->forced_view);
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
	printf("  %-11s message %llu, %llu not acked\n", "",
	       (unsigned long long)link->sent_seq,
	       (unsigned long long)link->unacked);
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

static void show_text(const struct pb_ioc_status *status, const char *name,
		      bool verbose)
{
	struct advice advice;
	unsigned int i;

	advise(status, name, &advice);
	print_volume(status, name);
	if (verbose)
		print_counters(status);
	for (i = 0; i < advice.nr; i++)
		printf("  ! %s\n", advice.lines[i]);
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

/* All volumes, or those that were named. */
static size_t choose(struct pb_ctl *ctl, char **names, int nr_names,
		     struct pb_ioc_dev **devs)
{
	struct pb_error err;
	size_t nr;
	int i;

	if (!nr_names) {
		if (pb_ctl_list(ctl, devs, &nr, &err))
			fail("%s", err.text);
		return nr;
	}
	*devs = calloc(nr_names, sizeof(**devs));
	if (!*devs)
		fail("no memory");
	for (i = 0; i < nr_names; i++) {
		if (pb_dm_find(names[i], &(*devs)[i], &err))
			fail("%s", err.text);
	}
	return nr_names;
}

static void show(struct pb_ctl *ctl, const struct pb_ioc_dev *devs, size_t nr,
		 bool named, bool json, bool verbose)
{
	struct json_object *volumes = json ? json_object_new_array() : NULL;
	struct pb_ioc_status status;
	char name[PB_DM_NAME_LEN];
	struct pb_error err;
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = pb_ctl_status(ctl, &devs[i], &status, &err);
		/* One of the list may have been removed since. */
		if (ret == -ENODEV && !named)
			continue;
		if (ret)
			fail("%s", err.text);
		pb_dm_name(&devs[i], name);
		if (json)
			json_object_array_add(volumes,
					      show_json(&status, name));
		else
			show_text(&status, name, verbose);
	}
	if (json)
		print_json(volumes);
	else if (!nr)
		puts("no volumes: 'pbctl create' sets one up");
}

static int run(int argc, char **argv)
{
	bool json = false, verbose = false;
	struct pb_ioc_dev *devs;
	struct pb_error err;
	struct pb_ctl ctl;
	char **names;
	int option;
	size_t nr;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_JSON)
			json = true;
		else
			verbose = true;
	}
	names = want_args(argc, argv, 0, argc);
	if (pb_ctl_open(&ctl, &err))
		fail("%s", err.text);
	nr = choose(&ctl, names, argc - optind, &devs);
	show(&ctl, devs, nr, argc > optind, json, verbose);
	free(devs);
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_status = {
	.name = "status",
	.args = "[NAME...] [--json] [-v]",
	.summary = "show volumes, and what to do when something is wrong",
	.help =
"Shows the volumes named, or all on this node.  A line that starts with '!' says\n"
"what is wrong and what to do.\n\n"
"  --json          print a JSON array with an object for each volume, counters\n"
"                  and advice included\n"
"  -v, --verbose   counters as well\n\n"
"Example: pbctl status vol0 -v\n",
	.run = run,
};
