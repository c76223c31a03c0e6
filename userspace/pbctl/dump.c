// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl dump-meta: the metadata area, read offline: the superblock's two
 * copies here, the rest in dump-logs.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pbctl.h"

enum { OPT_JSON = 256, OPT_INTERNAL, OPT_EXTERNAL, OPT_LOG, OPT_MAPS };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "internal", no_argument, NULL, OPT_INTERNAL },
	{ "data", no_argument, NULL, OPT_INTERNAL },
	{ "external", no_argument, NULL, OPT_EXTERNAL },
	{ "log", no_argument, NULL, OPT_LOG },
	{ "maps", no_argument, NULL, OPT_MAPS },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/**
 * struct dump - what is to be printed, and of what
 * @path: as it was typed
 * @fd: open
 * @json: --json
 * @internal: --internal
 * @external: --external
 * @log: --log
 * @maps: --maps
 * @area: as it was read
 */
struct dump {
	const char	*path;
	int		fd;
	bool		json;
	bool		internal;
	bool		external;
	bool		log;
	bool		maps;
	struct pb_area	area;
};

static void print_forced(const struct pb_super *super)
{
	time_t seconds = super->forced_time;
	char text[32] = "?";
	struct tm tm;

	if (!super->forced_view) {
		printf("  forced view    never\n");
		return;
	}
	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf("  forced view    %llu at %s: acknowledged writes may have been lost\n",
	       (unsigned long long)super->forced_view, text);
}

/* Whatever a damaged copy says must be fit to be shown. */
static unsigned long long kib(u32 shift)
{
	return (1ULL << (shift & 63)) >> 1;
}

static void print_logs(const struct pb_super *super)
{
	printf("  epochs         log %llu, next %llu\n",
	       (unsigned long long)super->log_epoch,
	       (unsigned long long)super->next_epoch);
	printf("  activity log   %u blocks, %u hot extents of %llu KiB\n",
	       super->log_blocks, super->log_slots, kib(super->extent_shift));
	printf("  dirty maps     %u, regions of %llu KiB\n", super->nr_maps,
	       kib(super->region_shift));
}

static void print_peers(const struct pb_super *super)
{
	char uuid[PB_UUID_TEXT];
	int i;

	for (i = 0; i < PB_DISK_MAX_PEERS; i++) {
		const struct pb_super_peer *peer = &super->peers[i];

		if (pb_uuid_zero(peer->replica))
			continue;
		printf("    map %d        %s since view %llu, met in %llu, epoch %llu, incarnation %016llx%s\n",
		       i, pb_uuid_text(peer->replica, uuid),
		       (unsigned long long)peer->base_view,
		       (unsigned long long)peer->met_view,
		       (unsigned long long)peer->epoch,
		       (unsigned long long)peer->incarnation,
		       peer->flags & PB_DISK_PEER_STARTED ? ", started" : "");
	}
}

static void print_past(const struct pb_super *super)
{
	char uuid[PB_UUID_TEXT];

	printf("  data           of view %llu\n",
	       (unsigned long long)super->data_view);
	if (!pb_uuid_zero(super->sync_source))
		printf("  syncing        from %s since view %llu\n",
		       pb_uuid_text(super->sync_source, uuid),
		       (unsigned long long)super->sync_view);
	if (super->waits_view)
		printf("  waits          for an unsynced successor's acks since view %llu\n",
		       (unsigned long long)super->waits_view);
	if (super->met_view)
		printf("  met            %s in view %llu, incarnation %016llx\n",
		       pb_uuid_text(super->met_replica, uuid),
		       (unsigned long long)super->met_view,
		       (unsigned long long)super->met_incarnation);
	if (super->lease_ms)
		printf("  lease          it may have given some, of at most %u ms\n",
		       super->lease_ms);
}

static void print_super(const struct pb_super *super)
{
	char uuid[PB_UUID_TEXT], name[PB_NAME_LEN];

	printf("  generation     %llu\n", (unsigned long long)super->generation);
	printf("  volume         %s %s\n", pb_uuid_text(super->volume, uuid),
	       pb_printable(name, sizeof(name), super->name, PB_NAME_LEN));
	printf("  replica        %s\n", pb_uuid_text(super->replica, uuid));
	printf("  size           %llu sectors, block size %u; room for %llu sectors\n",
	       (unsigned long long)super->data_sectors, super->block_size,
	       (unsigned long long)super->capacity_sectors);
	printf("  flags          %#x%s\n", super->flags,
	       super->flags & PB_DISK_ACTIVE ?
	       " (active: set up, or not removed in order)" : "");
	printf("  incarnation    %016llx\n",
	       (unsigned long long)super->incarnation);
	printf("  replica state  %u (%s)\n", super->replica_state,
	       pb_state_name(super->replica_state));
	print_past(super);
	print_logs(super);
	print_peers(super);
	print_forced(super);
	if (!super->view.number && !super->view.nr_members) {
		printf("  view           none yet\n");
		return;
	}
	printf("  view           %llu, %u members\n",
	       (unsigned long long)super->view.number, super->view.nr_members);
	print_members(&super->view, super->replica);
}

static void print_copy(const struct pb_area *area, int index)
{
	const struct pb_area_copy *copy = &area->copies[index];

	printf("copy %d, sector %llu: ", index,
	       (unsigned long long)area->start + index * PB_DISK_SLOT_STRIDE);
	if (copy->ret)
		printf("not valid: %s\n", copy->why);
	else
		printf("valid%s\n", area->pick == index ? ", the one that counts" :
							  "");
	printf("  magic          %016llx%s\n",
	       (unsigned long long)le64toh(copy->disk.magic),
	       le64toh(copy->disk.magic) == PB_DISK_MAGIC ? "" :
	       " (not that of dm-pb)");
	/* Without the magic the rest is something else's bytes. */
	if (copy->ret == -ENODATA)
		return;
	printf("  version        %u (this program knows %u)\n",
	       le32toh(copy->disk.version), PB_DISK_VERSION);
	if (copy->disk.needs)
		printf("  needs          %u\n", le32toh(copy->disk.needs));
	printf("  crc            %08x, computed %08x\n",
	       le32toh(copy->disk.crc), copy->crc);
	print_super(&copy->super);
}

static void read_place(int fd, bool internal, const char *path,
		       struct pb_area *area)
{
	struct pb_error err;

	if (pb_area_read(fd, internal, area, &err))
		fail("%s: %s", path, err.text);
}

/* Looks in both places; a file too small for one can only have the other. */
static void detect_place(int fd, const char *path, struct pb_area *area)
{
	struct pb_area internal;
	struct pb_error err;
	bool outside, inside;

	read_place(fd, false, path, area);
	outside = area->pick != -ENODATA;
	inside = !pb_area_read(fd, true, &internal, &err) &&
		 internal.pick != -ENODATA;
	if (outside && inside)
		fail("%s has superblocks at its start and at its end: say --external or --internal",
		     path);
	if (inside)
		*area = internal;
}

/* What is beside the superblock.  Return: NULL, or what is wrong with it. */
static const char *dump_rest(const struct dump *dump, struct json_object *json)
{
	const char *log = NULL, *maps = NULL, *why;

	if (!dump->log && !dump->maps)
		return NULL;
	if (pb_layout_fits(&dump->area.super, dump->area.sectors, &why))
		return why;
	if (dump->log)
		log = dump_log(dump->fd, &dump->area, json);
	if (dump->maps)
		maps = dump_maps(dump->fd, &dump->area, json);
	return log ?: maps;
}

static void dump_text(const struct dump *dump)
{
	int i;

	if (dump->area.pick == -ENODATA)
		return;
	printf("%s: %s metadata area, from sector %llu\n", dump->path,
	       dump->area.internal ? "internal" : "external",
	       (unsigned long long)dump->area.start);
	for (i = 0; i < PB_DISK_SLOTS; i++)
		print_copy(&dump->area, i);
}

static int dump(const struct dump *dump)
{
	struct json_object *json = dump->json ? pb_json_area(&dump->area) :
						NULL;
	const char *why = dump->area.pick < 0 ? dump->area.why : NULL;

	if (!json)
		dump_text(dump);
	if (!why)
		why = dump_rest(dump, json);
	if (json)
		print_json(json);
	if (dump->area.pick == -ENODATA)
		fail("%s: %s: give the metadata device, or the data device if it has the metadata at its end",
		     dump->path, why);
	if (why)
		fail("%s: %s", dump->path, why);
	return EXIT_SUCCESS;
}

static void parse(struct dump *dump, int argc, char **argv)
{
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_JSON)
			dump->json = true;
		else if (option == OPT_INTERNAL)
			dump->internal = true;
		else if (option == OPT_EXTERNAL)
			dump->external = true;
		else if (option == OPT_LOG)
			dump->log = true;
		else
			dump->maps = true;
	}
	dump->path = want_args(argc, argv, 1, 1)[0];
	if (dump->internal && dump->external)
		usage_error("--internal and --external contradict each other");
}

static int run(int argc, char **argv)
{
	struct dump what = {};
	int ret;

	parse(&what, argc, argv);
	/* Non-blocking: a FIFO given by mistake must not hang the command. */
	what.fd = open(what.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (what.fd < 0)
		cannot_open(what.path);
	if (what.internal || what.external)
		read_place(what.fd, what.internal, what.path, &what.area);
	else
		detect_place(what.fd, what.path, &what.area);
	ret = dump(&what);
	close(what.fd);
	return ret;
}

const struct verb verb_dump_meta = {
	.name = "dump-meta",
	.args = "DEV [--internal|--external] [--log] [--maps] [--json]",
	.summary = "print the metadata on a disk (needs no module)",
	.help =
"Prints both copies of the superblock and why one is not valid.  DEV is a metadata\n"
"device, a data device with the metadata at its end, or an image of one; which of\n"
"them is found out.  Exit status 1 if no valid superblock is there, or if the log\n"
"or a map was asked for and is damaged.\n\n"
"  --internal, --data   DEV is a data device with the metadata at its end\n"
"  --external           DEV is a metadata device\n"
"  --log                print the activity log too, and the hot extents\n"
"  --maps               print for each dirty map how much is dirty\n"
"  --json               print JSON\n\n"
"Example: pbctl dump-meta /dev/sdc1\n",
	.run = run,
};
