// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl resync: how far the state transfer to the backup is; hold it, go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pbctl.h"

enum { OPT_PAUSE = 256, OPT_RESUME, OPT_WATCH };

#define BAR_WIDTH	40
#define WATCH_MS	500

static const struct option options[] = {
	{ "pause", no_argument, NULL, OPT_PAUSE },
	{ "resume", no_argument, NULL, OPT_RESUME },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static double part_done(const struct pb_sync_info *sync)
{
	if (sync->state > PB_SYNC_COPY)
		return 1;
	if (sync->state < PB_SYNC_COPY || !sync->total ||
	    sync->left > sync->total)
		return 0;
	return 1 - (double)sync->left / sync->total;
}

const char *sync_line(const struct pb_sync_info *sync, char *line, size_t room)
{
	double done = part_done(sync) * sync->total;
	double rate = sync->seconds ? done / sync->seconds : 0;
	size_t len;

	snprintf(line, room, "%s%s", pb_sync_name(sync->state),
		 sync->paused ? ", paused" : "");
	if (sync->state != PB_SYNC_COPY || !sync->total)
		return line;
	len = strlen(line);
	snprintf(line + len, room - len, ", %.1f %% of %.1f MiB",
		 100 * part_done(sync), (double)sync->total / (1 << 20));
	len = strlen(line);
	if (rate > 0)
		snprintf(line + len, room - len, ", %.1f MiB/s, %.0f s left",
			 rate / (1 << 20), sync->left / rate);
	return line;
}

static void print_bar(const struct pb_sync_info *sync, bool terminal)
{
	int filled = part_done(sync) * BAR_WIDTH, i;
	char line[SYNC_LINE];

	printf("%s[", terminal ? "\r" : "");
	for (i = 0; i < BAR_WIDTH; i++)
		putchar(i < filled ? '#' : '.');
	/* What a longer line left behind is wiped. */
	printf("] %s%s", sync_line(sync, line, sizeof(line)),
	       terminal ? "\033[K" : "\n");
	fflush(stdout);
}

/* Until there is nothing more to see; true if the backup is synced. */
static bool watch(struct pb_ctl *ctl, const struct pb_ioc_dev *dev)
{
	const struct timespec pause = { .tv_nsec = WATCH_MS * 1000000L };
	bool terminal = isatty(STDOUT_FILENO);
	struct pb_ioc_status status;
	struct pb_error err;

	for (;;) {
		if (pb_ctl_status(ctl, dev, &status, &err))
			fail("%s", err.text);
		print_bar(&status.sync, terminal);
		if (status.sync.state == PB_SYNC_OFF ||
		    status.sync.state == PB_SYNC_SYNCED)
			break;
		nanosleep(&pause, NULL);
	}
	if (terminal)
		putchar('\n');
	return status.sync.state == PB_SYNC_SYNCED;
}

static void set_pause(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		      bool pause)
{
	struct pb_ioc_sync arg = { .dev = *dev, .pause = pause };
	struct pb_error err;

	if (pb_ctl_set_sync(ctl, &arg, &err))
		fail("%s", err.text);
}

static int run(int argc, char **argv)
{
	struct pb_ioc_status status;
	int option, pause = 0;
	bool watching = false;
	char line[SYNC_LINE];
	struct pb_ioc_dev dev;
	struct pb_error err;
	struct pb_ctl ctl;
	int ret = EXIT_SUCCESS;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_WATCH)
			watching = true;
		else if (pause && pause != option)
			usage_error("say --pause or --resume, not both");
		else
			pause = option;
	}
	open_volume(want_args(argc, argv, 1, 1)[0], &ctl, &dev);
	if (pause)
		set_pause(&ctl, &dev, pause == OPT_PAUSE);
	if (watching) {
		ret = watch(&ctl, &dev) ? EXIT_SUCCESS : EXIT_FAILURE;
	} else if (!pause) {
		if (pb_ctl_status(&ctl, &dev, &status, &err))
			fail("%s", err.text);
		puts(sync_line(&status.sync, line, sizeof(line)));
	}
	pb_ctl_close(&ctl);
	return ret;
}

const struct verb verb_resync = {
	.name = "resync",
	.args = "NAME [--watch] [--pause|--resume]",
	.summary = "show, hold or continue the state transfer to the backup",
	.help =
"Says how far the backup of a primary is brought up to date.  The transfer begins\n"
"by itself when a backup that the view does not list as synced connects.\n\n"
"  --watch    show a progress bar until the backup is synced (exit status 0) or\n"
"             no transfer goes on (1)\n"
"  --pause    copy nothing until --resume; writes go on\n"
"  --resume   go on\n\n"
"Example: pbctl resync vol0 --watch\n",
	.run = run,
};
