// SPDX-License-Identifier: GPL-2.0
/*
 * Certificates as pbviewd wants them: P-256, one authority, each host with its
 * name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "certs.h"

#define DAY		(24 * 60 * 60)
#define AUTHORITY_DAYS	3650
#define HOST_DAYS	730

struct authority {
	gnutls_x509_crt_t	crt;
	gnutls_x509_privkey_t	key;
};

static int out_of_luck(struct pb_error *err, int ret)
{
	return pb_fail(err, -EIO, "cannot make a certificate: %s",
		       gnutls_strerror(ret));
}

static int add_name(gnutls_x509_crt_t crt, const char *name)
{
	unsigned char binary[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, name, binary) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt,
				GNUTLS_SAN_IPADDRESS, binary,
				sizeof(struct in_addr), GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, binary) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt,
				GNUTLS_SAN_IPADDRESS, binary,
				sizeof(struct in6_addr), GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
						    name, strlen(name),
						    GNUTLS_FSAN_APPEND);
}

/* What all of them have. */
static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
		const char *name, bool ca)
{
	time_t now = time(NULL);
	unsigned char serial[16];
	int ret;

	ret = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	if (ret < 0)
		return ret;
	/* Positive, and not shorter than it says. */
	serial[0] = (serial[0] & 0x7f) | 0x40;
	ret = gnutls_x509_crt_set_version(crt, 3);
	if (ret >= 0)
		ret = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (ret >= 0)
		/* A clock that is an hour behind does not mind. */
		ret = gnutls_x509_crt_set_activation_time(crt, now - 3600);
	if (ret >= 0)
		ret = gnutls_x509_crt_set_expiration_time(crt, now +
				(ca ? AUTHORITY_DAYS : HOST_DAYS) * (time_t)DAY);
	if (ret >= 0)
		ret = gnutls_x509_crt_set_dn_by_oid(crt,
				GNUTLS_OID_X520_COMMON_NAME, 0, name,
				strlen(name));
	if (ret >= 0)
		ret = gnutls_x509_crt_set_basic_constraints(crt, ca, -1);
	if (ret >= 0)
		ret = gnutls_x509_crt_set_key_usage(crt, ca ?
				GNUTLS_KEY_KEY_CERT_SIGN :
				GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (ret >= 0)
		ret = gnutls_x509_crt_set_key(crt, key);
	return ret;
}

static int fill_host(gnutls_x509_crt_t crt, const char *name,
		     const char *address)
{
	int ret = add_name(crt, name);

	if (ret >= 0 && address)
		ret = add_name(crt, address);
	/* Each is a server to the others, and a client of them. */
	if (ret >= 0)
		ret = gnutls_x509_crt_set_key_purpose_oid(crt,
				GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (ret >= 0)
		ret = gnutls_x509_crt_set_key_purpose_oid(crt,
				GNUTLS_KP_TLS_WWW_CLIENT, 0);
	return ret;
}

static int export(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
		  struct pair *pair)
{
	gnutls_datum_t data;
	int ret;

	ret = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &data);
	if (ret < 0)
		return ret;
	/* Terminated by NUL, as PEM of GnuTLS is. */
	pair->certificate = (char *)data.data;
	ret = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
						GNUTLS_PKCS_PLAIN, &data);
	if (ret >= 0)
		pair->key = (char *)data.data;
	return ret;
}

static int new_pair(gnutls_x509_crt_t *crt, gnutls_x509_privkey_t *key)
{
	int ret = gnutls_x509_privkey_init(key);

	if (ret >= 0)
		ret = gnutls_x509_privkey_generate(*key, GNUTLS_PK_ECDSA,
				GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
				0);
	if (ret >= 0)
		ret = gnutls_x509_crt_init(crt);
	return ret;
}

struct authority *authority_new(const char *name, struct pair *pair,
				struct pb_error *err)
{
	struct authority *authority = calloc(1, sizeof(*authority));
	int ret;

	if (!authority) {
		pb_fail(err, -ENOMEM, "no memory");
		return NULL;
	}
	ret = new_pair(&authority->crt, &authority->key);
	if (ret >= 0)
		ret = fill(authority->crt, authority->key, name, true);
	if (ret >= 0)
		ret = gnutls_x509_crt_sign2(authority->crt, authority->crt,
					    authority->key, GNUTLS_DIG_SHA256,
					    0);
	if (ret >= 0)
		ret = export(authority->crt, authority->key, pair);
	if (ret >= 0)
		return authority;
	out_of_luck(err, ret);
	authority_free(authority);
	return NULL;
}

int authority_sign(struct authority *authority, const char *name,
		   const char *address, struct pair *pair,
		   struct pb_error *err)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	int ret;

	ret = new_pair(&crt, &key);
	if (ret >= 0)
		ret = fill(crt, key, name, false);
	if (ret >= 0)
		ret = fill_host(crt, name, address);
	if (ret >= 0)
		ret = gnutls_x509_crt_sign2(crt, authority->crt,
					    authority->key, GNUTLS_DIG_SHA256,
					    0);
	if (ret >= 0)
		ret = export(crt, key, pair);
	if (crt)
		gnutls_x509_crt_deinit(crt);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return ret < 0 ? out_of_luck(err, ret) : 0;
}

void authority_free(struct authority *authority)
{
	if (!authority)
		return;
	if (authority->crt)
		gnutls_x509_crt_deinit(authority->crt);
	if (authority->key)
		gnutls_x509_privkey_deinit(authority->key);
	free(authority);
}

void pair_free(struct pair *pair)
{
	gnutls_free(pair->certificate);
	gnutls_free(pair->key);
	*pair = (struct pair){};
}
