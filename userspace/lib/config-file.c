// SPDX-License-Identifier: GPL-2.0
/*
 * A file of the configuration, read with libconfig, setting by setting.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config-file.h"

#define URL_HEAD	"https://"
/* What libconfig allows. */
#define MAX_INCLUDE	10

char *cf_join(struct cf_load *load, const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);

	if (path)
		snprintf(path, size, "%s/%s", dir, name);
	else
		load->no_memory = true;
	return path;
}

char *cf_copy(struct cf_load *load, const char *text)
{
	char *copied = strdup(text);

	if (!copied)
		load->no_memory = true;
	return copied;
}

void *cf_array(struct cf_load *load, size_t nr, size_t size)
{
	void *elems = calloc(nr ? nr : 1, size);

	if (!elems)
		load->no_memory = true;
	return elems;
}

pb_printf(4, 0)
static void complain(struct cf_load *load, const char *file, unsigned int line,
		     const char *fmt, va_list args)
{
	struct pb_error place, what;
	char text[sizeof(what.text)];

	vsnprintf(text, sizeof(text), fmt, args);
	/* For one line each, whatever is in the strings. */
	pb_fail(&what, 0, "%s", text);
	pb_fail(&place, 0, "%s", file);
	fprintf(load->complaints, "%s:%u: %s\n", place.text, line, what.text);
	load->nr_complaints++;
}

void cf_complain_line(struct cf_load *load, const char *file, unsigned int line,
		      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(load, file, line, fmt, args);
	va_end(args);
}

/* A file's name as a person can open it: libconfig has includes as written. */
static char *real_name(const struct cf_doc *doc, const char *file)
{
	if (!file || !strcmp(file, doc->path))
		return cf_copy(doc->load, doc->path);
	return cf_join(doc->load, doc->load->dir, file);
}

void cf_complain(const struct cf_doc *doc, const config_setting_t *setting,
		 const char *fmt, ...)
{
	unsigned int line = config_setting_source_line(setting);
	char *file;
	va_list args;

	file = real_name(doc, config_setting_source_file(setting));
	if (!file)
		return;
	va_start(args, fmt);
	complain(doc->load, file, line ? line : 1, fmt, args);
	va_end(args);
	free(file);
}

/*
 * libconfig 1.5 cuts a number to 32 bits without a word, ends the program when
 * an included file is a directory, and finds a string without an end at the end
 * of the file.  So the text is looked through first.
 */

/* Past a string; the quotation mark is at @at.  NULL if it has no end. */
static const char *skip_string(const char *at, unsigned int *line)
{
	for (at++; *at && *at != '"'; at++) {
		if (*at == '\\' && at[1])
			at++;
		if (*at == '\n')
			++*line;
	}
	return *at ? at + 1 : NULL;
}

static const char *skip_comment(const char *at, unsigned int *line)
{
	if (at[1] != '*')
		return at + strcspn(at, "\n");
	for (at += 2; *at && strncmp(at, "*/", 2); at++)
		if (*at == '\n')
			++*line;
	return *at ? at + 2 : at;
}

static const char *scan_number(const struct cf_doc *doc, const char *file,
			       unsigned int line, const char *at)
{
	size_t digits = strspn(at, "0123456789");
	const char *end = at + digits;

	/* With an L at its end, or in floating point, it is not cut. */
	if (!*end || !strchr(".eEL", *end)) {
		errno = 0;
		if (strtoul(at, NULL, 10) > INT_MAX || errno)
			cf_complain_line(doc->load, file, line,
					 "%.*s is too large", (int)digits, at);
	}
	while (isalnum((unsigned char)*end) || *end == '.')
		end++;
	return end;
}

static bool scan_file(const struct cf_doc *doc, const char *path,
		      unsigned int depth);

/* An @include at @at: false if libconfig may not see it. */
static bool scan_include(const struct cf_doc *doc, const char *file,
			 unsigned int line, const char *at, unsigned int depth)
{
	const char *name = at + strlen("@include");
	struct cf_load *load = doc->load;
	bool good = true;
	struct stat st;
	char *path;

	name += strspn(name, " \t");
	if (*name != '"')
		return true;
	path = cf_join(load, load->dir, name + 1);
	if (!path)
		return false;
	path[strlen(load->dir) + 1 + strcspn(name + 1, "\"\n")] = '\0';
	/* One that is not there is for libconfig to complain of. */
	if (stat(path, &st)) {
		free(path);
		return true;
	}
	if (!S_ISREG(st.st_mode)) {
		cf_complain_line(load, file, line, "%s is not a file", path);
		good = false;
	} else if (depth == MAX_INCLUDE) {
		cf_complain_line(load, file, line,
				 "more than %d files that include each other",
				 MAX_INCLUDE);
		good = false;
	} else {
		good = scan_file(doc, path, depth + 1);
	}
	free(path);
	return good;
}

static bool scan_text(const struct cf_doc *doc, const char *file,
		      const char *at, unsigned int depth)
{
	unsigned int line = 1, first;

	while (*at) {
		if (*at == '"') {
			first = line;
			at = skip_string(at, &line);
			if (!at) {
				cf_complain_line(doc->load, file, first,
						 "a string without an end: a quotation mark is missing");
				return false;
			}
		} else if (*at == '#' || !strncmp(at, "//", 2) ||
			   !strncmp(at, "/*", 2)) {
			at = skip_comment(at, &line);
		} else if (isdigit((unsigned char)*at)) {
			at = scan_number(doc, file, line, at);
		} else if (isalpha((unsigned char)*at)) {
			while (isalnum((unsigned char)*at) ||
			       (*at && strchr("-_*", *at)))
				at++;
		} else if (!strncmp(at, "@include", 8)) {
			if (!scan_include(doc, file, line, at, depth))
				return false;
			at += strcspn(at, "\n");
		} else if (*at++ == '\n') {
			line++;
		}
	}
	return true;
}

/* False if libconfig may not see it; why has been said then. */
static bool scan_file(const struct cf_doc *doc, const char *path,
		      unsigned int depth)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	bool good = true;

	if (!file) {
		cf_complain_line(doc->load, path, 1, "cannot open it: %s: %s",
				 strerror(errno), errno == EACCES ?
				 "run this as root" : "see pbviewd.conf(5)");
		return false;
	}
	/* All of it: libconfig refuses a file with a NUL. */
	if (getdelim(&text, &size, '\0', file) > 0) {
		good = scan_text(doc, path, text, depth);
	} else if (ferror(file)) {
		cf_complain_line(doc->load, path, 1, "cannot read it: %s",
				 strerror(errno));
		good = false;
	}
	free(text);
	fclose(file);
	return good;
}

bool cf_read(struct cf_doc *doc)
{
	struct stat st;
	char *file;

	if (!stat(doc->path, &st) && !S_ISREG(st.st_mode)) {
		cf_complain_line(doc->load, doc->path, 1, "it is not a file");
		return false;
	}
	if (!scan_file(doc, doc->path, 0))
		return false;
	config_set_include_dir(&doc->conf, doc->load->dir);
	if (config_read_file(&doc->conf, doc->path))
		return true;
	file = real_name(doc, config_error_file(&doc->conf));
	if (file)
		cf_complain_line(doc->load, file, config_error_line(&doc->conf),
				 "%s: see pbviewd.conf(5)",
				 config_error_text(&doc->conf));
	free(file);
	return false;
}

static bool has_type(const config_setting_t *setting, short type)
{
	short is = config_setting_type(setting);

	return is == type ||
	       (type == CONFIG_TYPE_INT && is == CONFIG_TYPE_INT64) ||
	       (type == CONFIG_TYPE_ARRAY && is == CONFIG_TYPE_LIST);
}

const char *cf_type_text(short type)
{
	switch (type) {
	case CONFIG_TYPE_GROUP:
		return "a group: { ... }";
	case CONFIG_TYPE_INT:
		return "a whole number";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "a list of strings: [ ... ]";
	case CONFIG_TYPE_LIST:
		return "a list of groups: ( { ... }, ... )";
	default:
		return "a string: \"...\"";
	}
}

config_setting_t *cf_get(const config_setting_t *group, const char *name,
			 short type)
{
	config_setting_t *setting = config_setting_get_member(group, name);

	return setting && has_type(setting, type) ? setting : NULL;
}

void cf_check_keys(const struct cf_doc *doc, const config_setting_t *group,
		   const struct cf_key *keys, size_t nr)
{
	int i, length = config_setting_length(group);
	const config_setting_t *setting;
	const char *name;
	size_t k;

	for (i = 0; i < length; i++) {
		setting = config_setting_get_elem(group, i);
		name = config_setting_name(setting);
		for (k = 0; k < nr; k++)
			if (!strcmp(name, keys[k].name))
				break;
		if (k == nr)
			cf_complain(doc, setting,
				    "unknown setting \"%s\": see pbviewd.conf(5)",
				    name);
		else if (!has_type(setting, keys[k].type))
			cf_complain(doc, setting, "\"%s\" must be %s", name,
				    cf_type_text(keys[k].type));
	}
	for (k = 0; k < nr; k++)
		if (keys[k].required &&
		    !config_setting_get_member(group, keys[k].name))
			cf_complain(doc, group,
				    "missing setting \"%s\": see pbviewd.conf(5)",
				    keys[k].name);
}

bool cf_ms(const struct cf_doc *doc, const config_setting_t *group,
	   const char *name, u32 min, u32 max, u32 *value)
{
	const config_setting_t *setting = cf_get(group, name, CONFIG_TYPE_INT);
	long long number;

	if (!setting)
		return !config_setting_get_member(group, name);
	number = config_setting_get_int64(setting);
	/* libconfig cuts a hexadecimal one as well. */
	if (config_setting_get_format(setting) != CONFIG_FORMAT_DEFAULT) {
		cf_complain(doc, setting, "\"%s\" must be a decimal number",
			    name);
		return false;
	}
	if (number < min || number > max) {
		cf_complain(doc, setting, "\"%s\" must be from %u to %u ms",
			    name, min, max);
		return false;
	}
	*value = number;
	return true;
}

u32 cf_word(const struct cf_doc *doc, const config_setting_t *group,
	    const char *name, const char * const words[2], u32 fallback)
{
	const config_setting_t *setting;
	const char *text;
	u32 i;

	setting = cf_get(group, name, CONFIG_TYPE_STRING);
	if (!setting)
		return fallback;
	text = config_setting_get_string(setting);
	for (i = 0; i < 2; i++)
		if (!strcmp(text, words[i]))
			return i;
	cf_complain(doc, setting, "\"%s\" must be \"%s\" or \"%s\"", name,
		    words[0], words[1]);
	return fallback;
}

const config_setting_t *cf_name(const struct cf_doc *doc,
				const config_setting_t *group, const char *name,
				char *dst)
{
	const config_setting_t *setting;
	struct pb_error err;
	const char *text;

	setting = cf_get(group, name, CONFIG_TYPE_STRING);
	if (!setting)
		return NULL;
	text = config_setting_get_string(setting);
	if (pb_check_name(text, &err)) {
		cf_complain(doc, setting, "%s", err.text);
		return NULL;
	}
	memcpy(dst, text, strlen(text) + 1);
	return setting;
}

char *cf_path(const struct cf_doc *doc, const config_setting_t *group,
	      const char *name)
{
	const config_setting_t *setting;

	setting = cf_get(group, name, CONFIG_TYPE_STRING);
	if (!setting)
		return NULL;
	if (*config_setting_get_string(setting) == '/')
		return cf_copy(doc->load, config_setting_get_string(setting));
	cf_complain(doc, setting, "\"%s\" must be an absolute path", name);
	return NULL;
}

char *cf_below(const struct cf_doc *doc, const config_setting_t *group,
	       const char *name, const char *fallback)
{
	const config_setting_t *setting = NULL;
	const char *text = fallback;

	if (group)
		setting = cf_get(group, name, CONFIG_TYPE_STRING);
	if (setting)
		text = config_setting_get_string(setting);
	if (!*text)
		cf_complain(doc, setting, "\"%s\" may not be empty", name);
	if (*text == '/')
		return cf_copy(doc->load, text);
	return cf_join(doc->load, doc->load->dir, text);
}

/* Does pb_parse_endpoint() find a port? */
static bool has_port(const char *text)
{
	const char *colon = strchr(text, ':');

	if (*text == '[')
		return strstr(text, "]:");
	return colon && !strchr(colon + 1, ':');
}

void cf_endpoint(const struct cf_doc *doc, const config_setting_t *group,
		 const char *name, const char *port, bool host,
		 struct pb_endpoint *endpoint)
{
	const config_setting_t *setting;
	struct pb_endpoint parsed;
	struct pb_error err;
	const char *text;

	setting = cf_get(group, name, CONFIG_TYPE_STRING);
	if (!setting)
		return;
	text = config_setting_get_string(setting);
	if (!*text) {
		cf_complain(doc, setting, "\"%s\" may not be empty", name);
	} else if (pb_parse_endpoint(text, &parsed, &err)) {
		cf_complain(doc, setting, "\"%s\": %s", name, err.text);
	} else if (host && !parsed.host[0]) {
		cf_complain(doc, setting, "\"%s\" must have a host", name);
	} else {
		*endpoint = parsed;
		/* The parser's default is that of connections made by hand. */
		if (!has_port(text))
			snprintf(endpoint->port, sizeof(endpoint->port), "%s",
				 port);
	}
}

/* Is this https://HOST[:PORT][/PATH]? */
static bool url_ok(const char *text)
{
	const char *at = text + strlen(URL_HEAD), *byte;
	struct pb_endpoint endpoint;
	char host[sizeof(endpoint.host) + sizeof(endpoint.port) + 3];
	struct pb_error err;
	size_t len;

	if (strncmp(text, URL_HEAD, strlen(URL_HEAD)))
		return false;
	for (byte = at; *byte; byte++)
		if (*byte <= ' ' || *byte > '~' || strchr("?#@\\\"", *byte))
			return false;
	len = strcspn(at, "/");
	if (len >= sizeof(host))
		return false;
	memcpy(host, at, len);
	host[len] = '\0';
	/* An IPv6 address has brackets in a URL. */
	if (strchr(host, ':') && !has_port(host) && *host != '[')
		return false;
	return !pb_parse_endpoint(host, &endpoint, &err) && endpoint.host[0];
}

char *cf_url(const struct cf_doc *doc, const config_setting_t *group,
	     const char *name)
{
	const config_setting_t *setting;
	const char *text;
	size_t len;
	char *url;

	setting = cf_get(group, name, CONFIG_TYPE_STRING);
	if (!setting)
		return NULL;
	text = config_setting_get_string(setting);
	if (!url_ok(text)) {
		cf_complain(doc, setting, "\"%s\" must be https://HOST[:PORT]",
			    name);
		return NULL;
	}
	url = cf_copy(doc->load, text);
	if (!url)
		return NULL;
	for (len = strlen(url); url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
	return url;
}
