// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl remove: takes a volume's device away.  The replica stays as it is on
 * its disks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pbctl.h"

/* udev looks at a new device for a moment: that is no reason to fail. */
#define DEFAULT_RETRY_MS	1000

enum { OPT_FORCE = 256, OPT_RETRY };

static const struct option options[] = {
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "retry", required_argument, NULL, OPT_RETRY },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int set_policy(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		      u32 policy, struct pb_error *err)
{
	struct pb_ioc_policy arg = { .dev = *dev, .policy = policy };

	return pb_ctl_set_policy(ctl, &arg, err);
}

static int run(int argc, char **argv)
{
	u32 retry_ms = DEFAULT_RETRY_MS;
	char name[PB_DM_NAME_LEN];
	struct pb_error err, ignored;
	struct pb_ioc_status status;
	struct pb_ioc_dev dev;
	struct pb_ctl ctl;
	bool force = false;
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_FORCE)
			force = true;
		else
			retry_ms = option_ms("--retry");
	}
	open_volume(want_args(argc, argv, 1, 1)[0], &ctl, &dev);
	/* Also the proof that this is a volume and not somebody's root disk. */
	get_status(&ctl, &dev, &status);
	if (!pb_dm_name(&dev, name))
		fail("%s has no device-mapper name any more", name);
	if (force && set_policy(&ctl, &dev, PB_POLICY_ERROR, &err))
		fail("%s", err.text);
	if (pb_dm_remove(name, retry_ms, &err)) {
		/* What fails changes nothing. */
		if (force)
			set_policy(&ctl, &dev, status.policy, &ignored);
		fail("%s", err.text);
	}
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_remove = {
	.name = "remove",
	.args = "NAME [--force] [--retry SEC]",
	.summary = "take a volume's device away (its disks stay as they are)",
	.help =
"Removes the device in order.  'pbctl create' sets the same replica up again.\n\n"
"  --force       let writes that wait for the backup fail first (they are not\n"
"                acknowledged), so that what holds the device open can end\n"
"  --retry SEC   try again for so long while it is in use (default 1)\n\n"
"Example: pbctl remove vol0 --force --retry 10\n",
	.run = run,
};
