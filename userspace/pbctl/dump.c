// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl dump-meta: the superblock's two copies, read offline.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pbctl.h"

enum { OPT_JSON = 256, OPT_INTERNAL, OPT_EXTERNAL };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "internal", no_argument, NULL, OPT_INTERNAL },
	{ "data", no_argument, NULL, OPT_INTERNAL },
	{ "external", no_argument, NULL, OPT_EXTERNAL },
	{ "help", no_argument, NULL, 'h' },
	{ }
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

static void print_super(const struct pb_super *super)
{
	char uuid[PB_UUID_TEXT], name[PB_NAME_LEN];

	printf("  generation     %llu\n", (unsigned long long)super->generation);
	printf("  volume         %s %s\n", pb_uuid_text(super->volume, uuid),
	       pb_printable(name, sizeof(name), super->name, PB_NAME_LEN));
	printf("  replica        %s\n", pb_uuid_text(super->replica, uuid));
	printf("  size           %llu sectors, block size %u\n",
	       (unsigned long long)super->data_sectors, super->block_size);
	printf("  flags          %#x%s\n", super->flags,
	       super->flags & PB_DISK_ACTIVE ?
	       " (active: set up, or not removed in order)" : "");
	printf("  incarnation    %016llx\n",
	       (unsigned long long)super->incarnation);
	printf("  replica state  %u (%s)\n", super->replica_state,
	       pb_state_name(super->replica_state));
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

static int dump(const struct pb_area *area, const char *path, bool json)
{
	int i;

	if (json)
		print_json(pb_json_area(area));
	else if (area->pick != -ENODATA)
		printf("%s: %s metadata area, from sector %llu\n", path,
		       area->internal ? "internal" : "external",
		       (unsigned long long)area->start);
	for (i = 0; !json && area->pick != -ENODATA && i < PB_DISK_SLOTS; i++)
		print_copy(area, i);
	if (area->pick < 0)
		fail("%s: %s", path, area->why);
	return EXIT_SUCCESS;
}

static int run(int argc, char **argv)
{
	bool json = false, internal = false, external = false;
	struct pb_area area;
	const char *path;
	int option, fd;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_JSON)
			json = true;
		else if (option == OPT_INTERNAL)
			internal = true;
		else
			external = true;
	}
	path = want_args(argc, argv, 1, 1)[0];
	if (internal && external)
		usage_error("--internal and --external contradict each other");
	/* Non-blocking: a FIFO given by mistake must not hang the command. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s: %m", path);
	if (internal || external)
		read_place(fd, internal, path, &area);
	else
		detect_place(fd, path, &area);
	close(fd);
	return dump(&area, path, json);
}

const struct verb verb_dump_meta = {
	.name = "dump-meta",
	.args = "DEV [--internal|--external] [--json]",
	.summary = "print the superblock's copies on a disk (needs no module)",
	.help =
"Prints both copies of the superblock and why one is not valid.  DEV is a metadata\n"
"device, a data device with the metadata at its end, or an image of one; which of\n"
"them is found out.  Exit status 1 if no valid superblock is there.\n\n"
"  --internal, --data   DEV is a data device with the metadata at its end\n"
"  --external           DEV is a metadata device\n"
"  --json               print JSON\n\n"
"Example: pbctl dump-meta /dev/sdc1\n",
	.run = run,
};
