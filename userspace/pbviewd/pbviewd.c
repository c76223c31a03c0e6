// SPDX-License-Identifier: GPL-2.0
/*
 * pbviewd: the view server, and the daemon of a node.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pbviewd.h"

const char *argp_program_version = "pbviewd " PB_USER_VERSION;

/**
 * struct wish - the command line
 * @job: "server", "node" or NULL
 * @dir: of the configuration
 * @check: only check it
 * @debug: say more
 */
struct wish {
	const char	*job;
	const char	*dir;
	bool		check;
	bool		debug;
};

static const struct argp_option options[] = {
	{ "config", 'c', "DIR", 0, "Directory of the configuration (" PB_CONFIG_DIR ")", 0 },
	{ "check", 'C', NULL, 0, "Check the configuration and end", 0 },
	{ "debug", 'd', NULL, 0, "Say more", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *wish = state->input;

	switch (key) {
	case 'c':
		wish->dir = arg;
		return 0;
	case 'C':
		wish->check = true;
		return 0;
	case 'd':
		wish->debug = true;
		return 0;
	case ARGP_KEY_ARG:
		if (wish->job || (strcmp(arg, "server") && strcmp(arg, "node")))
			argp_failure(state, argp_err_exit_status, 0,
				     "'%s' is neither 'server' nor 'node'; see 'pbviewd --help'",
				     arg);
		wish->job = arg;
		return 0;
	case ARGP_KEY_END:
		if (!wish->job && !wish->check)
			argp_failure(state, argp_err_exit_status, 0,
				     "say 'server' or 'node'; see 'pbviewd --help'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "server|node",
	.doc = "Decides who holds each replicated volume (server), or carries the decisions into this host's kernel (node).\vSee pbviewd(8) and pbviewd.conf(5).",
};

static int run(const struct wish *wish, const struct pb_config *config)
{
	if (!wish->job || wish->check) {
		printf("%s: in order, %u volumes\n", wish->dir,
		       config->nr_volumes);
		return EXIT_SUCCESS;
	}
	if (!strcmp(wish->job, "server")) {
		if (config->is_server)
			return pv_serve(config);
		pv_log(SD_ERR, "%s/%s has no server group: this host is not to be a view server; run this there, or add one",
		       wish->dir, PB_CONFIG_HOST);
		return EXIT_FAILURE;
	}
	if (config->node[0])
		return pv_run_node(config);
	pv_log(SD_ERR, "%s/%s has no node group: this host is not to be a node; run this on one, or add it",
	       wish->dir, PB_CONFIG_HOST);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct wish wish = { .dir = PB_CONFIG_DIR };
	struct pb_config config;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &wish);
	pv_log_debug(wish.debug);
	if (pb_config_load(wish.dir, &config, stderr))
		return EXIT_FAILURE;
	ret = run(&wish, &config);
	pb_config_free(&config);
	return ret;
}
