/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file of the configuration, setting by setting.  For config.c only.
 *
 * What is wrong is said, with its line, and the caller goes on with a default:
 * who has made three mistakes wants to hear of three.
 */
#ifndef PB_CONFIG_FILE_H
#define PB_CONFIG_FILE_H

#include <libconfig.h>

#include "libpb.h"

/**
 * struct cf_load - what all files of one load have in common
 * @complaints: where they go
 * @dir: of the configuration, and of what it includes
 * @nr_complaints: how many there were
 * @no_memory: something is missing for another reason
 */
struct cf_load {
	FILE		*complaints;
	const char	*dir;
	unsigned int	nr_complaints;
	bool		no_memory;
};

/**
 * struct cf_doc - a file, and what it includes
 * @load: it is part of
 * @path: its name
 * @conf: its settings
 */
struct cf_doc {
	struct cf_load	*load;
	char		*path;
	config_t	conf;
};

/**
 * struct cf_key - a setting that a group may have
 * @name: its name
 * @type: CONFIG_TYPE_*: INT for one of either size, ARRAY also for a LIST
 * @required: it must have it
 */
struct cf_key {
	const char	*name;
	short		type;
	bool		required;
};

/* As malloc() and its like, but that a failure is noted. */
char *cf_join(struct cf_load *load, const char *dir, const char *name);
char *cf_copy(struct cf_load *load, const char *text);
void *cf_array(struct cf_load *load, size_t nr, size_t size);

/**
 * cf_complain_line() - say what is wrong with a line
 * @load: the load, which fails with that
 * @file: its file
 * @line: its number
 * @fmt: the text
 */
void cf_complain_line(struct cf_load *load, const char *file, unsigned int line,
		      const char *fmt, ...) pb_printf(4, 5);

/**
 * cf_complain() - say what is wrong with a setting
 * @doc: the file
 * @setting: it; the root for the whole file
 * @fmt: the text
 */
void cf_complain(const struct cf_doc *doc, const config_setting_t *setting,
		 const char *fmt, ...) pb_printf(3, 4);

/**
 * cf_read() - read a file
 * @doc: its path; filled
 *
 * Return: false if there is nothing to check: why has been said.
 */
bool cf_read(struct cf_doc *doc);

/**
 * cf_check_keys() - are a group's settings those that it may have?
 * @doc: the file
 * @group: the group
 * @keys: what it may have
 * @nr: how many
 */
void cf_check_keys(const struct cf_doc *doc, const config_setting_t *group,
		   const struct cf_key *keys, size_t nr);

/* What a setting of a type looks like. */
const char *cf_type_text(short type);

/*
 * One setting each.  What is missing or of a wrong type, which cf_check_keys()
 * has said, is passed over; what makes no sense is complained of.
 */

/**
 * cf_get() - a setting of a type
 * @group: of which
 * @name: its name
 * @type: see struct cf_key
 *
 * Return: it, or NULL.
 */
config_setting_t *cf_get(const config_setting_t *group, const char *name,
			 short type);

/**
 * cf_ms() - a number of milliseconds
 * @doc: the file
 * @group: in it
 * @name: of the setting
 * @min: least
 * @max: greatest
 * @value: set on success only
 *
 * Return: false if there is one, and a bad one.
 */
bool cf_ms(const struct cf_doc *doc, const config_setting_t *group,
	   const char *name, u32 min, u32 max, u32 *value);

/* One of two words: its index, or @fallback. */
u32 cf_word(const struct cf_doc *doc, const config_setting_t *group,
	    const char *name, const char * const words[2], u32 fallback);

/* A name, in PB_NAME_LEN bytes of @dst; NULL if there is no good one. */
const config_setting_t *cf_name(const struct cf_doc *doc,
				const config_setting_t *group, const char *name,
				char *dst);

/* An absolute path, to free(), or NULL. */
char *cf_path(const struct cf_doc *doc, const config_setting_t *group,
	      const char *name);

/* A path, relative to the configuration's directory; @group may be NULL. */
char *cf_below(const struct cf_doc *doc, const config_setting_t *group,
	       const char *name, const char *fallback);

/**
 * cf_endpoint() - an address and a port
 * @doc: the file
 * @group: in it
 * @name: of the setting
 * @port: where it has none
 * @host: it is to connect to, so it must have a host
 * @endpoint: set on success only
 */
void cf_endpoint(const struct cf_doc *doc, const config_setting_t *group,
		 const char *name, const char *port, bool host,
		 struct pb_endpoint *endpoint);

/* A URL, to free(), without slashes at its end, or NULL. */
char *cf_url(const struct cf_doc *doc, const config_setting_t *group,
	     const char *name);

#endif /* PB_CONFIG_FILE_H */
