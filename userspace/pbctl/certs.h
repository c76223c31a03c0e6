/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An authority of one's own, and certificates of hosts by it.
 */
#ifndef PBCTL_CERTS_H
#define PBCTL_CERTS_H

#include "libpb.h"

struct authority;

/**
 * struct pair - a certificate and its key, as PEM
 * @certificate: may be read by anybody
 * @key: must not
 */
struct pair {
	char	*certificate;
	char	*key;
};

/**
 * authority_new() - make an authority
 * @name: for people
 * @pair: its certificate and key; for pair_free()
 * @err: why not
 *
 * Return: the authority, NULL if it cannot be made.
 */
struct authority *authority_new(const char *name, struct pair *pair,
				struct pb_error *err);

/**
 * authority_sign() - make a certificate of a host
 * @authority: by whom
 * @name: a DNS name of the host: a node's is what volumes call it
 * @address: an address of it, or another DNS name, or NULL
 * @pair: certificate and key; for pair_free()
 * @err: why not
 *
 * Return: 0 or -errno.
 */
int authority_sign(struct authority *authority, const char *name,
		   const char *address, struct pair *pair,
		   struct pb_error *err);

void authority_free(struct authority *authority);
void pair_free(struct pair *pair);

#endif /* PBCTL_CERTS_H */
