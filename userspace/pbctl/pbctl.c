// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl: what a person types to control the volumes on this node.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

const struct verb *this_verb;

static const struct verb * const verbs[] = {
	&verb_create,
	&verb_remove,
	&verb_status,
	&verb_top,
	&verb_events,
	&verb_connect,
	&verb_listen,
	&verb_disconnect,
	&verb_view_set,
	&verb_view_show,
	&verb_policy,
	&verb_resync,
	&verb_verify,
	&verb_resize,
	&verb_dump_meta,
	&verb_info,
	&verb_init,
	&verb_metrics,
	&verb_report,
	&verb_up,
	&verb_down,
	&verb_volumes,
	&verb_history,
	&verb_switch,
	&verb_evict,
	&verb_add,
	&verb_force,
};

static void print_help(void)
{
	size_t i;

	fputs("Usage: pbctl VERB [ARGUMENTS]\n\n"
	      "Controls the replicated volumes of dm-pb on this node.\n\n"
	      "Verbs:\n", stdout);
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n"
	      "  help VERB    tell more about a verb\n"
	      "  --version    print the version\n\n"
	      "NAME is a device-mapper name, a path as /dev/mapper/NAME, or MAJOR:MINOR.\n"
	      "Exit status: 0 done, 1 it did not work, 2 the command line is wrong.\n"
	      "Example: pbctl help create\n", stdout);
}

/* Finds a verb of one or two words; *@words says how many. */
static const struct verb *find_verb(int argc, char **argv, int *words)
{
	char two[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		*words = 1;
		if (argc > 0 && !strcmp(argv[0], verbs[i]->name))
			return verbs[i];
		*words = 2;
		if (argc < 2)
			continue;
		snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
		if (!strcmp(two, verbs[i]->name))
			return verbs[i];
	}
	return NULL;
}

static void __attribute__((noreturn)) unknown_verb(int argc, char **argv)
{
	if (!strcmp(argv[0], "view"))
		usage_error("'view%s%s' is not a verb: say 'view set' or 'view show'",
			    argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	usage_error("'%s' is not a verb", argv[0]);
}

static int help(int argc, char **argv)
{
	const struct verb *verb;
	int words;

	if (argc < 1) {
		print_help();
		return EXIT_SUCCESS;
	}
	verb = find_verb(argc, argv, &words);
	if (verb && argc == words) {
		print_verb_help(verb);
		return EXIT_SUCCESS;
	}
	/* "help view": both of them. */
	if (argc == 1 && !strcmp(argv[0], "view")) {
		print_verb_help(&verb_view_set);
		fputc('\n', stdout);
		print_verb_help(&verb_view_show);
		return EXIT_SUCCESS;
	}
	if (verb)
		usage_error("help: what is '%s' for?", argv[words]);
	unknown_verb(argc, argv);
}

static int version(int argc, char **argv)
{
	if (argc > 1)
		usage_error("--version: what is '%s' for?", argv[1]);
	printf("pbctl %s (control interface %u, wire %u-%u, superblock %u)\n",
	       PB_USER_VERSION, PB_API_VERSION, PB_WIRE_VERSION_MIN,
	       PB_WIRE_VERSION_MAX, PB_DISK_VERSION);
	return EXIT_SUCCESS;
}

static int run(int argc, char **argv)
{
	int words;

	if (argc < 1)
		usage_error("what is to be done? Give a verb");
	if (!strcmp(argv[0], "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))
		return version(argc, argv);
	if (argc == 2 && !strcmp(argv[0], "view") && !strcmp(argv[1], "--help"))
		return help(1, argv);
	this_verb = find_verb(argc, argv, &words);
	if (!this_verb)
		unknown_verb(argc, argv);
	/* The verb's last word stands where getopt expects the program. */
	return this_verb->run(argc - words + 1, argv + words - 1);
}

int main(int argc, char **argv)
{
	int status = run(argc - 1, argv + 1);

	if (fflush(stdout) || ferror(stdout))
		fail("cannot write the output: %m");
	return status;
}
