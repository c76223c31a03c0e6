/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the verbs of pbctl share.
 */
#ifndef PBCTL_H
#define PBCTL_H

#include <getopt.h>

#include "config.h"
#include "libpb.h"

/* Exit status: something did not work; it was asked for wrongly. */
#define EXIT_FAILED	1
#define EXIT_USAGE	2

/* Longest time that may be given to anything, in seconds. */
#define MAX_SECONDS	86400

/**
 * struct verb - one thing that pbctl does
 * @name: one or two words
 * @args: what follows them
 * @summary: half a line
 * @help: options, an example and what else a person should know
 * @run: does it; returns the exit status
 */
struct verb {
	const char	*name;
	const char	*args;
	const char	*summary;
	const char	*help;
	int		(*run)(int argc, char **argv);
};

extern const struct verb verb_create;
extern const struct verb verb_remove;
extern const struct verb verb_status;
extern const struct verb verb_events;
extern const struct verb verb_top;
extern const struct verb verb_report;
extern const struct verb verb_metrics;
extern const struct verb verb_connect;
extern const struct verb verb_listen;
extern const struct verb verb_disconnect;
extern const struct verb verb_view_set;
extern const struct verb verb_view_show;

/**
 * follow_size() - give a volume's table the volume's length
 * @status: the volume's
 * @err: why not
 *
 * Return: 0 or -errno.
 */
int follow_size(const struct pb_ioc_status *status, struct pb_error *err);

extern const struct verb verb_policy;
extern const struct verb verb_resize;
extern const struct verb verb_resync;
extern const struct verb verb_verify;
extern const struct verb verb_dump_meta;
extern const struct verb verb_info;

/* The configuration (init.c), and by it (up.c). */
extern const struct verb verb_init;
extern const struct verb verb_up;
extern const struct verb verb_down;

/* What the view server is asked (service.c). */
extern const struct verb verb_volumes;
extern const struct verb verb_history;
extern const struct verb verb_switch;
extern const struct verb verb_evict;
extern const struct verb verb_add;
extern const struct verb verb_force;

/**
 * load_config() - read the configuration, or end
 * @dir: its directory
 * @config: filled
 */
void load_config(const char *dir, struct pb_config *config);

/**
 * config_volume() - a volume of the configuration, or the end of the program
 * @config: where
 * @spec: its name or UUID
 */
const struct pb_volume_config *config_volume(const struct pb_config *config,
					     const char *spec);

/* The verb being run. */
extern const struct verb *this_verb;

void print_verb_help(const struct verb *verb);

/**
 * usage_error() - end: the command line is wrong
 * @fmt: what is wrong; where to read more is added
 */
void usage_error(const char *fmt, ...)
	pb_printf(1, 2) __attribute__((noreturn));

/**
 * fail() - end: it did not work
 * @fmt: what did not, and what to do
 */
void fail(const char *fmt, ...) pb_printf(1, 2) __attribute__((noreturn));

/**
 * next_option() - getopt_long() that takes no abbreviation
 * @argc: of the verb
 * @argv: of the verb
 * @options: known to it
 *
 * A shortened option could mean one that somebody did not think of; some of
 * pbctl's give data away.  --help and every error end the program.  A short
 * option is one whose @val is a letter.
 *
 * Return: the option's @val, -1 after the last.
 */
int next_option(int argc, char **argv, const struct option *options);

/**
 * want_args() - check how many words are left after the options
 * @argc: of the verb
 * @argv: of the verb
 * @min: at least
 * @max: at most
 *
 * Return: the first of them.
 */
char **want_args(int argc, char **argv, int min, int max);

/* An option's value, or the end of the program. */
u64 option_u64(const char *option, u64 min, u64 max);
u64 option_bytes(const char *option, u64 min, u64 max);
u32 option_size(const char *option, u32 min, u32 max);
u32 option_ms(const char *option);
void option_uuid(const char *option, u8 *uuid);

/**
 * open_volume() - open the control device and find a volume, or end
 * @spec: what was typed
 * @ctl: to be opened
 * @dev: to be found
 */
void open_volume(const char *spec, struct pb_ctl *ctl, struct pb_ioc_dev *dev);

/**
 * cannot_open() - end: a device cannot be opened, errno says why
 * @path: what was typed
 */
void cannot_open(const char *path) __attribute__((noreturn));

/**
 * get_status() - a volume's status, or the end of the program
 * @ctl: the control device
 * @dev: the volume
 * @status: filled
 */
void get_status(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		struct pb_ioc_status *status);

/**
 * struct seen - a volume as it was looked at
 * @status: of it
 * @name: of its device
 */
struct seen {
	struct pb_ioc_status	status;
	char			name[PB_DM_NAME_LEN];
};

/**
 * look() - the status of several volumes, or the end of the program
 * @ctl: the control device
 * @names: of their devices
 * @nr_names: how many; with 0 all volumes of this node
 * @must: each that is named must be there; if not, it is left out
 * @seen: set to an array to free()
 *
 * Return: how many there are.
 */
size_t look(struct pb_ctl *ctl, char **names, int nr_names, bool must,
	    struct seen **seen);

/* Print and free; the second on one line, at once. */
void print_json(struct json_object *object);
void print_json_line(struct json_object *object);

/**
 * print_members() - a line for each member of a view
 * @view: the view
 * @self: own replica UUID, to be marked, or all zero
 */
void print_members(const struct pb_view *view, const u8 *self);

/* How far a state transfer, a verification or a resize is, in one line. */
#define PROGRESS_LINE	160

/* The part of it that is done, from 0 to 1. */
double sync_part(const struct pb_sync_info *sync);
const char *sync_line(const struct pb_sync_info *sync, char *line, size_t room);
const char *verify_line(const struct pb_verify_info *verify, char *line,
			size_t room);
const char *resize_line(const struct pb_ioc_status *status, char *line,
			size_t room);

/**
 * print_progress() - a bar, over the one before if this is a terminal
 * @part: done, from 0 to 1
 * @line: what comes after it
 */
void print_progress(double part, const char *line);

/* The end of the bars. */
void end_progress(void);

/* Until it is worth to look again. */
void progress_pause(void);

/**
 * dump_log() - print the activity log of a metadata area
 * @fd: the device
 * @area: with a superblock that counts and that it fits
 * @json: to add it to, or NULL to print text
 *
 * Return: NULL, or why every extent may be hot.
 */
const char *dump_log(int fd, const struct pb_area *area,
		     struct json_object *json);

/**
 * dump_maps() - print the dirty maps of a metadata area
 * @fd: the device
 * @area: with a superblock that counts and that it fits
 * @json: to add them to, or NULL to print text
 *
 * Return: NULL, or why a block is damaged.
 */
const char *dump_maps(int fd, const struct pb_area *area,
		      struct json_object *json);

#endif /* PBCTL_H */
