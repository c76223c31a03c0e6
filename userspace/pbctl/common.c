// SPDX-License-Identifier: GPL-2.0
/*
 * Command lines, errors and output: the same for every verb.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pbctl.h"

#define MAX_SHORT	16

static void say_error(const char *fmt, va_list args)
{
	struct pb_error line;
	char text[sizeof(line.text)];

	vsnprintf(text, sizeof(text), fmt, args);
	pb_fail(&line, 0, "%s", text);
	/* What went to stdout before it belongs before it. */
	fflush(stdout);
	fprintf(stderr, "pbctl: %s", line.text);
}

void usage_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_error(fmt, args);
	va_end(args);
	fprintf(stderr, "; see 'pbctl help%s%s'\n", this_verb ? " " : "",
		this_verb ? this_verb->name : "");
	exit(EXIT_USAGE);
}

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say_error(fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILED);
}

void print_verb_help(const struct verb *verb)
{
	printf("Usage: pbctl %s%s%s\n\n%s", verb->name, *verb->args ? " " : "",
	       verb->args, verb->help);
}

/* ":" first: getopt is to say what is wrong and leave the wording to us. */
static void short_options(const struct option *options, char *text)
{
	int len = 0;

	text[len++] = ':';
	for (; options->name && len < MAX_SHORT - 2; options++) {
		if (options->val <= ' ' || options->val > '~')
			continue;
		text[len++] = options->val;
		if (options->has_arg)
			text[len++] = ':';
	}
	text[len] = '\0';
}

/* The word that getopt has just taken an option from. */
static const char *option_word(char **argv)
{
	if (optarg && optarg == argv[optind - 1])
		return argv[optind - 2];
	return argv[optind - 1];
}

static void refuse_abbreviation(char **argv, const char *name)
{
	const char *word = option_word(argv);

	if (strncmp(word, "--", 2))
		return;
	word += 2;
	if (strcspn(word, "=") != strlen(name))
		usage_error("option '--%s' must be written out: --%s", word,
			    name);
}

int next_option(int argc, char **argv, const struct option *options)
{
	char letters[MAX_SHORT];
	int value, index = -1;

	opterr = 0;
	short_options(options, letters);
	value = getopt_long(argc, argv, letters, options, &index);
	if (value == -1)
		return -1;
	if (value == ':')
		usage_error("option '%s' needs a value", argv[optind - 1]);
	if (value == '?') {
		if (optopt > ' ' && optopt <= '~' &&
		    strncmp(argv[optind - 1], "--", 2))
			usage_error("unknown option '-%c'", optopt);
		usage_error("unknown option or needless value '%s'",
			    argv[optind - 1]);
	}
	if (index >= 0)
		refuse_abbreviation(argv, options[index].name);
	if (value == 'h') {
		print_verb_help(this_verb);
		exit(EXIT_SUCCESS);
	}
	return value;
}

char **want_args(int argc, char **argv, int min, int max)
{
	int have = argc - optind;

	if (have < min)
		usage_error("%s: too few arguments, it takes '%s'",
			    this_verb->name, this_verb->args);
	if (have > max)
		usage_error("%s: what is '%s' for? It takes %s%s%s",
			    this_verb->name, argv[optind + max],
			    *this_verb->args ? "'" : "no arguments",
			    this_verb->args, *this_verb->args ? "'" : "");
	return argv + optind;
}

u64 option_u64(const char *option, u64 min, u64 max)
{
	struct pb_error err;
	u64 value;

	if (pb_parse_u64(optarg, min, max, &value, &err))
		usage_error("%s: %s", option, err.text);
	return value;
}

u64 option_bytes(const char *option, u64 min, u64 max)
{
	struct pb_error err;
	u64 bytes;

	if (pb_parse_bytes(optarg, min, max, &bytes, &err))
		usage_error("%s: %s", option, err.text);
	return bytes;
}

u32 option_size(const char *option, u32 min, u32 max)
{
	struct pb_error err;
	u32 bytes;

	if (pb_parse_size(optarg, min, max, &bytes, &err))
		usage_error("%s: %s", option, err.text);
	return bytes;
}

u32 option_ms(const char *option)
{
	struct pb_error err;
	u32 ms;

	if (pb_parse_seconds(optarg, MAX_SECONDS, &ms, &err))
		usage_error("%s: %s", option, err.text);
	return ms;
}

void option_uuid(const char *option, u8 *uuid)
{
	struct pb_error err;

	if (pb_parse_uuid(optarg, uuid, &err))
		usage_error("%s: %s", option, err.text);
}

void open_volume(const char *spec, struct pb_ctl *ctl, struct pb_ioc_dev *dev)
{
	struct pb_error err;

	if (pb_ctl_open(ctl, &err) || pb_dm_find(spec, dev, &err))
		fail("%s", err.text);
}

void cannot_open(const char *path)
{
	const char *hint = "'lsblk' lists the devices";

	if (errno == EACCES || errno == EPERM)
		hint = "run this as root";
	fail("cannot open %s: %m: %s", path, hint);
}

void get_status(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		struct pb_ioc_status *status)
{
	struct pb_error err;

	if (pb_ctl_status(ctl, dev, status, &err))
		fail("%s", err.text);
}

void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object,
					    JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_SPACED |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

void print_json_line(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object,
					    JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	fflush(stdout);
}

void print_members(const struct pb_view *view, const u8 *self)
{
	const struct pb_member *member;
	char uuid[PB_UUID_TEXT], name[PB_NAME_LEN];
	unsigned int i;

	for (i = 0; i < view->nr_members && i < PB_MAX_MEMBERS; i++) {
		member = &view->members[i];
		printf("    %u %-7s  %-8s  %s  %s%s\n", i,
		       i ? "backup" : "primary",
		       member->flags & PB_MEMBER_SYNCED ? "synced" : "unsynced",
		       pb_uuid_text(member->replica, uuid),
		       pb_printable(name, sizeof(name), member->name,
				    sizeof(member->name)),
		       memcmp(member->replica, self, PB_UUID_LEN) ? "" :
		       member->name[0] ? " (this replica)" : "(this replica)");
	}
}
