/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text for a bug report, without secrets.
 */
#ifndef PBCTL_REDACT_H
#define PBCTL_REDACT_H

#include <stdio.h>

/**
 * redact_config() - copy a file of the configuration, but for what may be secret
 * @text: the file, NUL-terminated, in order or not
 * @out: where to
 *
 * Only what is known to be harmless is copied: the names of settings that
 * pbviewd.conf(5) has, with values that look as such values do; not the key's.
 * Comments are left out.
 */
void redact_config(const char *text, FILE *out);

/**
 * redact_text() - copy any other text, but for what looks like a secret
 * @text: NUL-terminated
 * @out: where to
 *
 * Leaves out private keys in PEM, passwords in URLs, and what follows a word
 * such as "password" or "token" and '=' or ':' on the line.
 */
void redact_text(const char *text, FILE *out);

/* The same for JSON, which stays JSON: the rest of the string is left out. */
void redact_json(const char *text, FILE *out);

#endif /* PBCTL_REDACT_H */
