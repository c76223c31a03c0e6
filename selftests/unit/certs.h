/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Certificates for tests, made when they run.
 */
#ifndef CERTS_H
#define CERTS_H

#include <stdbool.h>

/**
 * struct cert_plan - a certificate to be made
 * @file: DIR/FILE.pem and DIR/FILE.key
 * @signer: FILE of who signs it; NULL for itself
 * @ca: it may sign others
 * @dns: its DNS name; NULL for none
 * @cn: its common name; NULL for none
 * @from: seconds from now
 * @until: seconds from now
 * @purpose: OID of the only use that it allows; NULL for any
 */
struct cert_plan {
	const char	*file;
	const char	*signer;
	bool		ca;
	const char	*dns;
	const char	*cn;
	long		from;
	long		until;
	const char	*purpose;
};

/**
 * certs_make() - make one certificate and its key
 * @dir: where; a signer must be there already
 * @plan: what
 *
 * Ends the program if that fails.
 */
void certs_make(const char *dir, const struct cert_plan *plan);

#endif /* CERTS_H */
