// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl resize: room for a larger volume on a backup, a larger volume on the
 * primary.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pbctl.h"

enum { OPT_SIZE = 256, OPT_ZERO, OPT_WATCH, OPT_NO_WAIT, OPT_CANCEL };

#define WATCH_MS	200

static const struct option options[] = {
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "assume-zero", no_argument, NULL, OPT_ZERO },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
	{ "cancel", no_argument, NULL, OPT_CANCEL },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static bool active(const struct pb_resize_info *resize)
{
	return resize->state >= PB_RESIZE_ZERO &&
	       resize->state <= PB_RESIZE_STORE;
}

static const char *why_failed(u32 error)
{
	switch (error) {
	case ESTALE:
		return "a new view began";
	case ECANCELED:
		return "cancelled";
	case ENOLINK:
		return "the backup was not reachable, and writes fail then (policy error)";
	case EREMCHG:
		return "the device was suspended and gave writes back";
	default:
		return strerror(error);
	}
}

const char *resize_line(const struct pb_ioc_status *status, char *line,
			size_t room)
{
	const struct pb_resize_info *resize = &status->resize;
	u64 more = resize->sectors - status->data_sectors;

	if (resize->state == PB_RESIZE_FAILED)
		snprintf(line, room, "to %llu sectors failed: %s",
			 (unsigned long long)resize->sectors,
			 why_failed(resize->error));
	else if (resize->state == PB_RESIZE_ZERO && more)
		snprintf(line, room, "to %llu sectors: zeroing, %.1f %% of %.1f MiB%s",
			 (unsigned long long)resize->sectors,
			 100.0 * resize->zeroed / more, (double)more / 2048,
			 status->downstream.state != PB_LINK_UP &&
			 !pb_uuid_zero(status->downstream.peer) ?
			 ", waits for the backup" : "");
	else
		snprintf(line, room, "to %llu sectors: %s",
			 (unsigned long long)resize->sectors,
			 pb_resize_name(resize->state));
	return line;
}

int follow_size(const struct pb_ioc_status *status, struct pb_error *err)
{
	char name[PB_DM_NAME_LEN];

	pb_dm_name(&status->dev, name);
	return pb_dm_resize(name, status->data_sectors, err);
}

/* Until it is done or not; ends the program if it is not. */
static void watch(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		  struct pb_ioc_status *status)
{
	const struct timespec pause = { .tv_nsec = WATCH_MS * 1000000L };
	bool terminal = isatty(STDOUT_FILENO);
	char line[PROGRESS_LINE], last[PROGRESS_LINE] = "";

	for (;;) {
		get_status(ctl, dev, status);
		if (!active(&status->resize))
			break;
		resize_line(status, line, sizeof(line));
		if (terminal)
			printf("\r%s\033[K", line);
		else if (strcmp(line, last))
			puts(line);
		fflush(stdout);
		memcpy(last, line, sizeof(last));
		nanosleep(&pause, NULL);
	}
	if (terminal && *last)
		putchar('\n');
	if (status->resize.state == PB_RESIZE_FAILED)
		fail("the volume has %llu sectors as before: %s",
		     (unsigned long long)status->data_sectors,
		     resize_line(status, line, sizeof(line)));
}

static void finish(const struct pb_ioc_status *status)
{
	struct pb_error err;

	if (follow_size(status, &err))
		fail("the volume has %llu sectors and the device does not show them: %s; run this again",
		     (unsigned long long)status->data_sectors, err.text);
	printf("size  %llu sectors\n", (unsigned long long)status->data_sectors);
	if (status->capacity_sectors != status->data_sectors)
		printf("room  %llu sectors: 'pbctl resize' on the primary makes use of it\n",
		       (unsigned long long)status->capacity_sectors);
}

/**
 * struct resize - what is asked for
 * @arg: of the kernel, unless
 * @watching: --watch
 * @no_wait: --no-wait
 */
struct resize {
	struct pb_ioc_resize	arg;
	bool			watching;
	bool			no_wait;
};

static void take_option(struct resize *resize, int option)
{
	switch (option) {
	case OPT_SIZE:
		resize->arg.data_sectors = option_u64("--size", 1,
						      U64_MAX / 512);
		break;
	case OPT_ZERO:
		resize->arg.flags |= PB_RESIZE_ASSUME_ZERO;
		break;
	case OPT_WATCH:
		resize->watching = true;
		break;
	case OPT_NO_WAIT:
		resize->no_wait = true;
		break;
	case OPT_CANCEL:
		resize->arg.flags |= PB_RESIZE_CANCEL;
		break;
	}
}

static const char *parse(struct resize *resize, int argc, char **argv)
{
	bool cancel, asks;
	int option;

	while ((option = next_option(argc, argv, options)) != -1)
		take_option(resize, option);
	cancel = resize->arg.flags & PB_RESIZE_CANCEL;
	asks = resize->arg.data_sectors ||
	       (resize->arg.flags & PB_RESIZE_ASSUME_ZERO);
	if (cancel + resize->watching + (asks || resize->no_wait) > 1)
		usage_error("--cancel and --watch go with nothing else");
	return want_args(argc, argv, 1, 1)[0];
}

static int run(int argc, char **argv)
{
	struct resize resize = {};
	struct pb_ioc_status status;
	struct pb_error err;
	struct pb_ctl ctl;
	const char *name = parse(&resize, argc, argv);
	int ret = 0;

	open_volume(name, &ctl, &resize.arg.dev);
	if (!resize.watching)
		ret = pb_ctl_resize(&ctl, &resize.arg, &err);
	if (ret)
		fail("%s%s", err.text,
		     ret == -ENOSPC ? ": enlarge it first" : "");
	if (!resize.no_wait && !(resize.arg.flags & PB_RESIZE_CANCEL)) {
		get_status(&ctl, &resize.arg.dev, &status);
		if (resize.watching || status.role == PB_ROLE_PRIMARY)
			watch(&ctl, &resize.arg.dev, &status);
		finish(&status);
	}
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_resize = {
	.name = "resize",
	.args = "NAME [--size SECTORS] [--assume-zero] [--no-wait|--watch|--cancel]",
	.summary = "make a volume larger while it is in use",
	.help =
"Enlarge the data device of every node first (and the metadata device, if this\n"
"says so); then run this on the backup, which makes room, and then on the primary.\n"
"There it zeroes the new area on both, and when that is safe on both disks the\n"
"volume has the new size, at one moment, and the device shows it.  Interrupted\n"
"before that the volume has its old size: run it again.  To be run again also\n"
"when the device does not show the volume's size.\n\n"
"  --size SECTORS  the size in sectors of 512 bytes (else all that the data device\n"
"                  has room for)\n"
"  --assume-zero   zero nothing: the new area of both data devices is zero, you say.\n"
"                  If it is not, the replicas differ there, and nobody notices\n"
"  --no-wait       begin it and return; run this again, or --watch, when it is done\n"
"  --watch         begin nothing: wait for the one under way\n"
"  --cancel        end the one under way; the volume keeps its size\n\n"
"Interrupted with Ctrl-C it goes on: --watch sees its end.\n\n"
"Example, on the backup and then on the primary:\n"
"  pbctl resize vol0\n",
	.run = run,
};
