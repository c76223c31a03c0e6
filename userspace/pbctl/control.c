// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl disconnect, policy, info: one ioctl each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

enum { OPT_PEER = 256, OPT_JSON };

static const struct option disconnect_options[] = {
	{ "peer", required_argument, NULL, OPT_PEER },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const struct option policy_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const struct option info_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run_disconnect(int argc, char **argv)
{
	struct pb_ioc_disconnect arg = {};
	struct pb_error err;
	struct pb_ctl ctl;

	while (next_option(argc, argv, disconnect_options) != -1)
		option_uuid("--peer", arg.peer);
	open_volume(want_args(argc, argv, 1, 1)[0], &ctl, &arg.dev);
	if (pb_ctl_disconnect(&ctl, &arg, &err))
		fail("%s: 'pbctl status' shows those that there are", err.text);
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_disconnect = {
	.name = "disconnect",
	.args = "NAME [--peer UUID]",
	.summary = "close connections to neighbours",
	.help =
"Closes the connection, which a 'connect --keep' or 'listen --keep' makes again.\n"
"Writes wait, or fail under policy 'error', until there is one or a new view.\n\n"
"  --peer UUID   only the one to this replica (else all)\n\n"
"Example: pbctl disconnect vol0\n",
	.run = run_disconnect,
};

static int run_policy(int argc, char **argv)
{
	struct pb_ioc_policy arg = {};
	struct pb_error err;
	struct pb_ctl ctl;
	char **args;

	next_option(argc, argv, policy_options);
	args = want_args(argc, argv, 2, 2);
	if (!strcmp(args[1], pb_policy_name(PB_POLICY_ERROR)))
		arg.policy = PB_POLICY_ERROR;
	else if (!strcmp(args[1], pb_policy_name(PB_POLICY_WAIT)))
		arg.policy = PB_POLICY_WAIT;
	else
		usage_error("'%s' is not a policy: say wait or error", args[1]);
	open_volume(args[0], &ctl, &arg.dev);
	if (pb_ctl_set_policy(&ctl, &arg, &err))
		fail("%s", err.text);
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_policy = {
	.name = "policy",
	.args = "NAME wait|error",
	.summary = "let writes wait or fail while the backup is unreachable",
	.help =
"  wait    writes wait for the backup or for a new view (default)\n"
"  error   they fail; none is ever acknowledged without the backup\n\n"
"Not kept when the volume is removed and created again.\n\n"
"Example: pbctl policy vol0 error\n",
	.run = run_policy,
};

static int run_info(int argc, char **argv)
{
	struct pb_error err;
	struct pb_ctl ctl;
	bool json = false;

	while (next_option(argc, argv, info_options) != -1)
		json = true;
	want_args(argc, argv, 0, 0);
	if (pb_ctl_open(&ctl, &err))
		fail("%s", err.text);
	if (json) {
		print_json(pb_json_info(&ctl.info));
	} else {
		printf("module             %s\n", ctl.info.version);
		printf("control interface  %u\n", ctl.info.api_version);
		printf("wire protocol      %u-%u\n", ctl.info.wire_min,
		       ctl.info.wire_max);
		printf("superblock         %u\n", ctl.info.meta_version);
		printf("members of a view  %u at most\n", ctl.info.max_members);
		printf("features           %#llx%s\n",
		       (unsigned long long)ctl.info.features,
		       ctl.info.features & PB_FEATURE_SYNC ?
		       " (views, state transfer)" : " (views)");
	}
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_info = {
	.name = "info",
	.args = "[--json]",
	.summary = "print the versions that the module speaks",
	.help =
"  --json   print JSON\n\n"
"Example: pbctl info --json\n",
	.run = run_info,
};
