// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl resync: how far the state transfer to the backup is; hold it, go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

enum {
	OPT_PAUSE = 256, OPT_RESUME, OPT_WATCH, OPT_CHECKSUM, OPT_MAX_RATE,
	OPT_MIN_RATE,
};

static const struct option options[] = {
	{ "pause", no_argument, NULL, OPT_PAUSE },
	{ "resume", no_argument, NULL, OPT_RESUME },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "checksum", required_argument, NULL, OPT_CHECKSUM },
	{ "max-rate", required_argument, NULL, OPT_MAX_RATE },
	{ "min-rate", required_argument, NULL, OPT_MIN_RATE },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* Until there is nothing more to see; true if the backup is synced. */
static bool watch(struct pb_ctl *ctl, const struct pb_ioc_dev *dev)
{
	struct pb_ioc_status status;
	char line[PROGRESS_LINE];

	for (;;) {
		get_status(ctl, dev, &status);
		print_progress(sync_part(&status.sync),
			       sync_line(&status.sync, line, sizeof(line)));
		if (status.sync.state == PB_SYNC_OFF ||
		    status.sync.state == PB_SYNC_SYNCED)
			break;
		progress_pause();
	}
	end_progress();
	return status.sync.state == PB_SYNC_SYNCED;
}

static void set_pause(struct pb_ioc_sync *arg, bool pause)
{
	if (arg->set & PB_SYNC_SET_PAUSE && arg->pause != pause)
		usage_error("say --pause or --resume, not both");
	arg->set |= PB_SYNC_SET_PAUSE;
	arg->pause = pause;
}

static bool option_on_off(const char *option)
{
	if (!strcmp(optarg, "on"))
		return true;
	if (strcmp(optarg, "off"))
		usage_error("%s: '%s' is neither on nor off", option, optarg);
	return false;
}

static void take_option(int option, struct pb_ioc_sync *arg)
{
	switch (option) {
	case OPT_CHECKSUM:
		arg->set |= PB_SYNC_SET_CHECKSUM;
		arg->checksum = option_on_off("--checksum");
		break;
	case OPT_MAX_RATE:
		arg->set |= PB_SYNC_SET_MAX_RATE;
		arg->max_rate = option_bytes("--max-rate", 0, PB_RATE_MAX);
		break;
	case OPT_MIN_RATE:
		arg->set |= PB_SYNC_SET_MIN_RATE;
		arg->min_rate = option_bytes("--min-rate", 0, PB_RATE_MAX);
		break;
	default:
		set_pause(arg, option == OPT_PAUSE);
		break;
	}
}

static int run(int argc, char **argv)
{
	struct pb_ioc_sync arg = {};
	struct pb_ioc_status status;
	char line[PROGRESS_LINE];
	bool watching = false;
	struct pb_error err;
	struct pb_ctl ctl;
	int option, ret = EXIT_SUCCESS;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_WATCH)
			watching = true;
		else
			take_option(option, &arg);
	}
	open_volume(want_args(argc, argv, 1, 1)[0], &ctl, &arg.dev);
	if (arg.set && pb_ctl_set_sync(&ctl, &arg, &err))
		fail("%s", err.text);
	if (watching) {
		ret = watch(&ctl, &arg.dev) ? EXIT_SUCCESS : EXIT_FAILED;
	} else if (!arg.set) {
		get_status(&ctl, &arg.dev, &status);
		puts(sync_line(&status.sync, line, sizeof(line)));
	}
	pb_ctl_close(&ctl);
	return ret;
}

const struct verb verb_resync = {
	.name = "resync",
	.args = "NAME [--watch] [--pause|--resume] [--checksum on|off] [--max-rate SIZE] [--min-rate SIZE]",
	.summary = "show, hold or continue the state transfer to the backup",
	.help =
"Says how far the backup of a primary is brought up to date.  The transfer begins\n"
"by itself when a backup that the view does not list as synced connects.\n\n"
"  --watch    show a progress bar until the backup is synced (exit status 0) or\n"
"             no transfer goes on (1)\n"
"  --pause    copy nothing until --resume; writes go on\n"
"  --resume   go on\n"
"  --checksum on|off\n"
"             on: compare digests first, and copy only what differs; for a slow\n"
"             link and replicas that are mostly equal\n"
"  --max-rate SIZE\n"
"             copy at most so much a second, as 50MiB; 0: no limit\n"
"  --min-rate SIZE\n"
"             copy at least so much a second, if disks and link can, whatever the\n"
"             application does; 0: it may have half of the time\n\n"
"All but --watch hold for transfers to come as well, until the volume is set up\n"
"again; the rates hold for a verification too.\n\n"
"Example: pbctl resync vol0 --watch\n",
	.run = run,
};
