// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl view set, view show: views by hand, for tests and rescue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

enum { OPT_NUMBER = 256, OPT_MEMBER, OPT_FORCE, OPT_JSON };

static const struct option set_options[] = {
	{ "number", required_argument, NULL, OPT_NUMBER },
	{ "member", required_argument, NULL, OPT_MEMBER },
	{ "force-data-may-be-lost", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const struct option show_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void add_member(struct pb_view *view)
{
	struct pb_error err;

	if (view->nr_members == PB_MAX_MEMBERS)
		usage_error("--member: a view has %d members at most",
			    PB_MAX_MEMBERS);
	if (pb_parse_member(optarg, &view->members[view->nr_members], &err))
		usage_error("--member: %s", err.text);
	view->nr_members++;
}

static char **parse_set(struct pb_ioc_view *arg, int argc, char **argv)
{
	const char *why;
	char **args;
	int option;

	while ((option = next_option(argc, argv, set_options)) != -1) {
		if (option == OPT_NUMBER)
			arg->view.number = option_u64("--number", 1, U64_MAX);
		else if (option == OPT_MEMBER)
			add_member(&arg->view);
		else
			arg->flags |= PB_VIEW_FORCE_DATA_MAY_BE_LOST;
	}
	args = want_args(argc, argv, 1, 1);
	if (!arg->view.number)
		usage_error("say which view it is: --number N");
	if (!arg->view.nr_members)
		usage_error("say who is in the view, primary first: --member UUID");
	/* The kernel checks it again; here it costs no volume its links. */
	if (pb_view_valid(&arg->view, &why))
		usage_error("%s", why);
	return args;
}

/*
 * Before it serves, not after: whoever opens it must see the right size.  Not
 * while it serves: that would wait for writes which maybe wait for this view.
 */
static void follow(struct pb_ctl *ctl, const struct pb_ioc_dev *dev)
{
	struct pb_ioc_status status;
	struct pb_error err;

	get_status(ctl, dev, &status);
	if (status.role == PB_ROLE_PRIMARY)
		return;
	if (follow_size(&status, &err))
		fprintf(stderr, "pbctl: the device does not have the volume's size, %llu sectors: %s\n",
			(unsigned long long)status.data_sectors, err.text);
}

static int run_set(int argc, char **argv)
{
	struct pb_ioc_status status;
	struct pb_ioc_view arg = {};
	char name[PB_DM_NAME_LEN];
	struct pb_error err;
	struct pb_ctl ctl;
	char **args;

	args = parse_set(&arg, argc, argv);
	open_volume(args[0], &ctl, &arg.dev);
	follow(&ctl, &arg.dev);
	pb_dm_name(&arg.dev, name);
	if (pb_ctl_set_view(&ctl, &arg, &err))
		fail("%s: 'pbctl status %s' says how it is", err.text, name);
	get_status(&ctl, &arg.dev, &status);
	if (pb_dm_announce(&status.dev, status.role, &err))
		fprintf(stderr, "pbctl: the view is set, but udev is not told of the role: %s\n",
			err.text);
	printf("%s: %s, %s, view %llu\n", name, pb_role_name(status.role),
	       pb_state_name(status.replica_state),
	       (unsigned long long)status.view.number);
	if (status.role == PB_ROLE_UNCONFIRMED)
		fprintf(stderr, "pbctl: it was set up again and serves nothing in this view beside the other member: a view with a higher number is needed\n");
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_view_set = {
	.name = "view set",
	.args = "NAME --number N --member UUID[:node-name][:unsynced]...",
	.summary = "move this replica into a view, or confirm its view",
	.help =
"Tells this node's replica a view; every member and every idle node must be told\n"
"the same.  A higher number replaces the current view; the current number with the\n"
"same members confirms it after a restart.  The kernel refuses what would lose data.\n"
"Never tell two nodes different views of the same number: both would serve.\n\n"
"  --number N    the view's number: 1 for a new volume, then one more each time\n"
"  --member UUID[:node-name][:unsynced]\n"
"                a member's replica UUID; the first is the primary, each forwards\n"
"                to the next; synced unless it says otherwise\n"
"  --force-data-may-be-lost\n"
"                make this replica primary although it cannot prove that it has\n"
"                every acknowledged write; its superblock keeps a record of it\n\n"
"Example, on both nodes:\n"
"  pbctl view set vol0 --number 1 --member UUID-A:node-a --member UUID-B:node-b\n"
"Example, on node-a when node-b is gone:\n"
"  pbctl view set vol0 --number 2 --member UUID-A:node-a\n",
	.run = run_set,
};

static int run_show(int argc, char **argv)
{
	struct pb_ioc_status status;
	char name[PB_DM_NAME_LEN];
	struct pb_ioc_dev dev;
	struct pb_ctl ctl;
	bool json = false;

	while (next_option(argc, argv, show_options) != -1)
		json = true;
	open_volume(want_args(argc, argv, 1, 1)[0], &ctl, &dev);
	get_status(&ctl, &dev, &status);
	pb_dm_name(&dev, name);
	if (json) {
		print_json(pb_json_view(&status.view));
	} else if (!status.view.number) {
		printf("%s: no view yet\n", name);
	} else {
		printf("%s: view %llu%s\n", name,
		       (unsigned long long)status.view.number,
		       status.flags & PB_STATUS_STANDS ?
		       ", in which it cannot serve" :
		       status.role == PB_ROLE_UNCONFIRMED ?
		       ", not confirmed since it was set up" : "");
		print_members(&status.view, status.replica);
	}
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_view_show = {
	.name = "view show",
	.args = "NAME [--json]",
	.summary = "show the view that this replica is in",
	.help =
"  --json   print {\"number\": N, \"members\": [...]}\n\n"
"Example: pbctl view show vol0 --json\n",
	.run = run_show,
};
