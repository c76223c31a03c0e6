// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl verify: are this replica's data and its backup's the same?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

enum {
	OPT_REPAIR = 256, OPT_START, OPT_LENGTH, OPT_STOP, OPT_SHOW, OPT_JSON,
};

static const struct option options[] = {
	{ "repair", no_argument, NULL, OPT_REPAIR },
	{ "start", required_argument, NULL, OPT_START },
	{ "length", required_argument, NULL, OPT_LENGTH },
	{ "stop", no_argument, NULL, OPT_STOP },
	{ "show", no_argument, NULL, OPT_SHOW },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/**
 * struct differences - what a verification has found
 * @nr: entries of @ranges
 * @more: there were more of them
 * @ranges: in order; malloc'ed
 */
struct differences {
	u32		nr;
	bool		more;
	struct pb_range	*ranges;
};

static double part_done(const struct pb_verify_info *verify)
{
	u64 done = verify->compared + verify->unreadable;

	if (!verify->length || done > verify->length)
		return 0;
	return (double)done / verify->length;
}

const char *verify_line(const struct pb_verify_info *verify, char *line,
			size_t room)
{
	double done = part_done(verify) * verify->length;
	double rate = verify->seconds ? done / verify->seconds : 0;
	size_t len;

	snprintf(line, room, "%s, %.1f %% of %.1f MiB, %llu bytes differ",
		 pb_verify_name(verify->state), 100 * part_done(verify),
		 (double)verify->length / (1 << 20),
		 (unsigned long long)verify->differs);
	len = strlen(line);
	if (verify->repair)
		snprintf(line + len, room - len, ", %llu repaired",
			 (unsigned long long)verify->repaired);
	len = strlen(line);
	if (verify->state == PB_VERIFY_RUN && rate > 0)
		snprintf(line + len, room - len, ", %.1f MiB/s, %.0f s left",
			 rate / (1 << 20), (verify->length - done) / rate);
	return line;
}

static void get_differences(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
			    struct differences *found)
{
	struct pb_ioc_differs part;
	struct pb_error err;

	memset(found, 0, sizeof(*found));
	do {
		part = (struct pb_ioc_differs){ .dev = *dev, .start = found->nr };
		if (pb_ctl_differs(ctl, &part, &err))
			fail("%s", err.text);
		found->ranges = realloc(found->ranges, (found->nr + part.nr + 1) *
					sizeof(*found->ranges));
		if (!found->ranges)
			fail("no memory");
		memcpy(found->ranges + found->nr, part.ranges,
		       part.nr * sizeof(*part.ranges));
		found->nr += part.nr;
		found->more = part.more;
	} while (part.nr && found->nr < part.total);
}

static void print_result(const struct pb_verify_info *verify,
			 const struct differences *found)
{
	char line[PROGRESS_LINE];
	u32 i;

	puts(verify_line(verify, line, sizeof(line)));
	for (i = 0; i < found->nr; i++)
		printf("  differs: %llu bytes at %llu (sectors %llu to %llu)\n",
		       (unsigned long long)found->ranges[i].length,
		       (unsigned long long)found->ranges[i].start,
		       (unsigned long long)found->ranges[i].start / 512,
		       (unsigned long long)(found->ranges[i].start +
					    found->ranges[i].length) / 512 - 1);
	if (found->more)
		puts("  and more that are not listed: verify parts of the volume (--start, --length)");
	if (verify->unreadable)
		printf("  ! %llu bytes cannot be read here and were not compared\n",
		       (unsigned long long)verify->unreadable);
	if (verify->differs && !verify->repair)
		puts("  ! 'pbctl verify --repair' copies what differs to the backup");
}

static void print_json_result(const struct pb_verify_info *verify,
			      const struct differences *found)
{
	struct json_object *object = pb_json_verify(verify);
	struct json_object *ranges = json_object_new_array();
	u32 i;

	for (i = 0; i < found->nr; i++)
		json_object_array_add(ranges, pb_json_range(&found->ranges[i]));
	pb_json_add(object, "differs", ranges);
	pb_json_add(object, "more", json_object_new_boolean(found->more));
	print_json(object);
}

/* Is the backup the same now, as far as was asked? */
static bool is_good(const struct pb_verify_info *verify)
{
	return verify->state == PB_VERIFY_DONE && !verify->unreadable &&
	       (!verify->differs ||
		(verify->repair && verify->repaired >= verify->differs));
}

static int show(struct pb_ctl *ctl, const struct pb_ioc_dev *dev, bool json)
{
	struct pb_ioc_status status;
	struct differences found;

	get_status(ctl, dev, &status);
	get_differences(ctl, dev, &found);
	if (json)
		print_json_result(&status.verify, &found);
	else
		print_result(&status.verify, &found);
	free(found.ranges);
	return is_good(&status.verify) ? EXIT_SUCCESS : EXIT_FAILED;
}

static void watch(struct pb_ctl *ctl, const struct pb_ioc_dev *dev, bool quiet)
{
	struct pb_ioc_status status;
	char line[PROGRESS_LINE];

	for (;;) {
		get_status(ctl, dev, &status);
		if (!quiet)
			print_progress(part_done(&status.verify),
				       verify_line(&status.verify, line,
						   sizeof(line)));
		if (status.verify.state != PB_VERIFY_RUN)
			break;
		progress_pause();
	}
	if (!quiet)
		end_progress();
}

static const char *hint(int error)
{
	switch (error) {
	case -ENOLINK:
		return "do it on the primary, while its backup is synced";
	case -ENOENT:
		return "--show prints the latest result";
	default:
		return "'pbctl status' shows the volume";
	}
}

static int run(int argc, char **argv)
{
	struct pb_ioc_verify arg = {};
	bool showing = false, json = false, range = false;
	struct pb_error err;
	struct pb_ctl ctl;
	int option, ret = EXIT_SUCCESS;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_START)
			arg.start = option_bytes("--start", 0, INT64_MAX);
		else if (option == OPT_LENGTH)
			arg.length = option_bytes("--length", 1, INT64_MAX);
		else if (option == OPT_REPAIR)
			arg.flags |= PB_VERIFY_REPAIR;
		else if (option == OPT_STOP)
			arg.flags |= PB_VERIFY_STOP;
		else if (option == OPT_SHOW)
			showing = true;
		else
			json = true;
		range |= option == OPT_START || option == OPT_LENGTH;
	}
	if ((showing || arg.flags & PB_VERIFY_STOP) &&
	    (range || arg.flags & ~PB_VERIFY_STOP || (showing && arg.flags)))
		usage_error("--show and --stop go with no other option but --json");
	open_volume(want_args(argc, argv, 1, 1)[0], &ctl, &arg.dev);
	if (!showing)
		ret = pb_ctl_verify(&ctl, &arg, &err);
	if (ret)
		fail("%s: %s", err.text, hint(ret));
	if (!showing && !(arg.flags & PB_VERIFY_STOP))
		watch(&ctl, &arg.dev, json);
	if (!(arg.flags & PB_VERIFY_STOP))
		ret = show(&ctl, &arg.dev, json);
	pb_ctl_close(&ctl);
	return ret;
}

const struct verb verb_verify = {
	.name = "verify",
	.args = "NAME [--repair] [--start SIZE] [--length SIZE] [--json] | NAME --show|--stop",
	.summary = "compare a primary's data with its backup's, and repair",
	.help =
"Reads both replicas while the volume is in use, compares digests, and lists the\n"
"regions that differ.  Exit status 0 if both are the same in the end, 1 if not or\n"
"if it was stopped.  It goes on if this command is interrupted.\n\n"
"  --repair        copy what differs from the primary to the backup\n"
"  --start SIZE    begin there, as 10GiB; a multiple of 1MiB\n"
"  --length SIZE   compare so much (else all that follows)\n"
"  --json          print the result as JSON, no progress\n"
"  --show          print how far it is, or the latest result, and begin nothing\n"
"  --stop          end the one that goes on\n\n"
"Example: pbctl verify vol0 --repair\n",
	.run = run,
};
