// SPDX-License-Identifier: GPL-2.0
/*
 * Text for a bug report, without secrets.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "libpb.h"
#include "redact.h"

#define REMOVED		"(removed)"
#define MAX_VALUE	255

/* What a value of a setting may look like. */
enum kind {
	KIND_SECRET,
	KIND_GROUP,
	KIND_NUMBER,
	KIND_BOOL,
	KIND_NAME,
	KIND_WORD,
	KIND_ENDPOINT,
	KIND_PATH,
	KIND_CERTIFICATE,
	KIND_URL,
	KIND_UUID,
};

static const struct setting {
	const char	*name;
	enum kind	kind;
} settings[] = {
	{ "node",		KIND_NAME },
	{ "server",		KIND_URL },
	{ "client",		KIND_GROUP },
	{ "tls",		KIND_GROUP },
	{ "replicas",		KIND_GROUP },
	{ "name",		KIND_NAME },
	{ "operators",		KIND_NAME },
	{ "listen",		KIND_ENDPOINT },
	{ "address",		KIND_ENDPOINT },
	{ "hooks",		KIND_PATH },
	{ "store",		KIND_PATH },
	{ "data",		KIND_PATH },
	{ "meta",		KIND_PATH },
	{ "ca",			KIND_CERTIFICATE },
	{ "certificate",	KIND_CERTIFICATE },
	{ "key",		KIND_SECRET },
	{ "uuid",		KIND_UUID },
	{ "reads",		KIND_WORD },
	{ "policy",		KIND_WORD },
	{ "encrypt",		KIND_BOOL },
	{ "ping_ms",		KIND_NUMBER },
	{ "dead_after_ms",	KIND_NUMBER },
	{ "handover_ms",	KIND_NUMBER },
	{ "retry_ms",		KIND_NUMBER },
	{ "keepalive_ms",	KIND_NUMBER },
	{ "timeout_ms",		KIND_NUMBER },
	{ "lease_ms",		KIND_NUMBER },
};

static const struct setting *find_setting(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (strlen(settings[i].name) == len &&
		    !memcmp(settings[i].name, text, len))
			return &settings[i];
	return NULL;
}

static bool is_word(const char *value)
{
	static const char * const words[] = {
		"lease", "confirm", "wait", "error",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(value, words[i]))
			return true;
	return false;
}

/* Nothing but letters, digits and some others, and not long. */
static bool is_plain(const char *value, const char *others)
{
	const char *at;

	for (at = value; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr(others, *at))
			return false;
	return at > value && at - value <= MAX_VALUE;
}

static bool ends_with(const char *value, const char *end)
{
	size_t len = strlen(value), ending = strlen(end);

	return len >= ending && !strcmp(value + len - ending, end);
}

static bool is_harmless(enum kind kind, const char *value)
{
	struct pb_error err;
	u8 uuid[PB_UUID_LEN];

	switch (kind) {
	case KIND_NAME:
		return !pb_check_name(value, &err);
	case KIND_WORD:
		return is_word(value);
	case KIND_ENDPOINT:
		return is_plain(value, ".:-[]%");
	case KIND_PATH:
		return value[0] == '/' && is_plain(value, "/._-+:@");
	case KIND_CERTIFICATE:
		return is_plain(value, "/._-") &&
		       (ends_with(value, ".pem") || ends_with(value, ".crt"));
	case KIND_UUID:
		return !pb_parse_uuid(value, uuid, &err);
	default:
		return false;
	}
}

/* Scheme, host and port; a user, a password and what follows are left out. */
static void put_url(const char *value, FILE *out)
{
	const char *host = strstr(value, "://"), *at, *end;
	char text[MAX_VALUE + 1];

	if (!host || host - value > 5 || strncmp(value, "http", 4)) {
		fputs(REMOVED, out);
		return;
	}
	host += strlen("://");
	end = host + strcspn(host, "/?#");
	at = memrchr(host, '@', end - host);
	if (at)
		host = at + 1;
	snprintf(text, sizeof(text), "%.*s", (int)(end - host), host);
	fprintf(out, "\"https://%s%s%s\"", at ? REMOVED "@" : "",
		is_plain(text, ".:-[]%") ? text : REMOVED,
		*end && strcmp(end, "/") ? "/" REMOVED : "");
}

/* @text is after the first quotation mark; returns what is after the last. */
static const char *put_string(const char *text, const struct setting *setting,
			      FILE *out)
{
	char value[MAX_VALUE + 2];
	size_t len = 0;

	for (; *text && *text != '"'; text++) {
		if (*text == '\\' && text[1])
			text++;
		if (len < MAX_VALUE + 1)
			value[len++] = *text;
	}
	value[len] = '\0';
	if (*text && setting && setting->kind == KIND_URL)
		put_url(value, out);
	else if (*text && setting && is_harmless(setting->kind, value))
		fprintf(out, "\"%s\"", value);
	else
		fputs(REMOVED, out);
	return *text ? text + 1 : text;
}

static bool is_number(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return len <= 10;
}

/* A value without quotation marks. */
static bool is_harmless_word(const struct setting *setting, const char *text,
			     size_t len)
{
	if (!setting)
		return false;
	if (setting->kind == KIND_NUMBER)
		return is_number(text, len);
	return setting->kind == KIND_BOOL &&
	       ((len == 4 && !strncasecmp(text, "true", 4)) ||
		(len == 5 && !strncasecmp(text, "false", 5)));
}

/* The name of a setting, or a value: names are followed by '=' or ':'. */
static const char *put_word(const char *text, const struct setting **setting,
			    FILE *out)
{
	size_t len = strcspn(text, " \t\r\n\"={}()[],;:#/");
	const char *next = text + len + strspn(text + len, " \t\r\n");
	bool show;

	/* A character that nothing begins with. */
	if (!len)
		len = 1;
	if (*next == '=' || *next == ':') {
		*setting = find_setting(text, len);
		show = *setting;
	} else {
		show = is_harmless_word(*setting, text, len);
	}
	if (show)
		fwrite(text, len, 1, out);
	else
		fputs(REMOVED, out);
	return text + len;
}

static const char *skip_comment(const char *text)
{
	const char *end;

	if (text[0] != '/' || text[1] != '*')
		return text + strcspn(text, "\n");
	end = strstr(text + 2, "*/");
	return end ? end + 2 : text + strlen(text);
}

void redact_config(const char *text, FILE *out)
{
	const struct setting *setting = NULL;

	while (*text) {
		if (*text == '#' || !strncmp(text, "//", 2) ||
		    !strncmp(text, "/*", 2)) {
			text = skip_comment(text);
			fputs("# comment " REMOVED, out);
			/* Only one of the three ends with the line. */
			if (*text != '\n')
				fputc('\n', out);
		} else if (*text == '"') {
			text = put_string(text + 1, setting, out);
		} else if (strchr(" \t\r\n={}()[],;:", *text)) {
			if (*text == ';' || *text == '}')
				setting = NULL;
			fputc(*text++, out);
		} else {
			text = put_word(text, &setting, out);
		}
	}
}

/* Other text */

static const char begin_pem[] = "-----BEGIN ";
static const char end_pem[] = "-----END ";

static bool is_private(const char *text)
{
	const char *end = strchrnul(text, '\n');
	const char *found = strstr(text, "PRIVATE KEY");

	return !strncmp(text, begin_pem, strlen(begin_pem)) && found &&
	       found < end;
}

static const char *skip_pem(const char *text)
{
	const char *end = strstr(text, end_pem);

	return end ? end + strcspn(end, "\n") : text + strlen(text);
}

/* Does what was just before @text say that a secret follows? */
static bool is_told(const char *begin, const char *text)
{
	static const char * const words[] = {
		"password", "passwd", "passphrase", "secret", "token", "psk",
		"credential", "apikey", "api_key", "authorization", "bearer",
	};
	char before[64];
	size_t i, len;

	while (text > begin && strchr("\"' ", text[-1]))
		text--;
	len = text - begin;
	if (len > sizeof(before) - 1)
		len = sizeof(before) - 1;
	memcpy(before, text - len, len);
	before[len] = '\0';
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		const char *found = strcasestr(before, words[i]);

		/* Up to the end it is one word, as "token_of_db". */
		while (found && (isalnum((unsigned char)*found) ||
				 *found == '_' || *found == '-'))
			found++;
		if (found && !*found)
			return true;
	}
	return false;
}

/* After "://": skips a user and a password. */
static const char *skip_user(const char *text, FILE *out)
{
	size_t len = strcspn(text, "/?# \t\n\"'<>");
	const char *at = memrchr(text, '@', len);

	if (!at)
		return text;
	fputs(REMOVED, out);
	return at;
}

/* To the end of the line, or in JSON of the string. */
static const char *skip_secret(const char *text, bool json)
{
	text += strspn(text, " \t");
	if (*text == '"' && json)
		text++;
	for (; *text && *text != '\n' && !(json && *text == '"'); text++)
		if (json && *text == '\\' && text[1])
			text++;
	return text;
}

static void redact(const char *text, bool json, FILE *out)
{
	const char *begin = text;

	while (*text) {
		if (is_private(text)) {
			text = skip_pem(text);
			fputs(REMOVED, out);
		} else if (!strncmp(text, "://", 3)) {
			fputs("://", out);
			text = skip_user(text + 3, out);
		} else if ((*text == '=' || *text == ':') &&
			   is_told(begin, text)) {
			fputc(*text++, out);
			text = skip_secret(text, json);
			fputs(REMOVED, out);
		} else {
			fputc(*text++, out);
		}
	}
}

void redact_text(const char *text, FILE *out)
{
	redact(text, false, out);
}

void redact_json(const char *text, FILE *out)
{
	redact(text, true, out);
}
