// SPDX-License-Identifier: GPL-2.0
/*
 * Certificates for tests, made when they run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/x509.h>

#include "certs.h"

static void must(int ret, const char *what)
{
	if (ret >= 0)
		return;
	printf("Bail out! %s: %s\n", what, gnutls_strerror(ret));
	exit(1);
}

static void save(const char *dir, const char *file, const char *suffix,
		 gnutls_datum_t *data)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.%s", dir, file, suffix);
	out = fopen(path, "w");
	if (!out || fwrite(data->data, data->size, 1, out) != 1 || fclose(out))
		must(GNUTLS_E_FILE_ERROR, path);
	gnutls_free(data->data);
}

static void load(const char *dir, const char *file, gnutls_x509_crt_t *crt,
		 gnutls_x509_privkey_t *key)
{
	gnutls_datum_t data;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.pem", dir, file);
	must(gnutls_load_file(path, &data), path);
	must(gnutls_x509_crt_init(crt), path);
	must(gnutls_x509_crt_import(*crt, &data, GNUTLS_X509_FMT_PEM), path);
	gnutls_free(data.data);
	snprintf(path, sizeof(path), "%s/%s.key", dir, file);
	must(gnutls_load_file(path, &data), path);
	must(gnutls_x509_privkey_init(key), path);
	must(gnutls_x509_privkey_import(*key, &data, GNUTLS_X509_FMT_PEM),
	     path);
	gnutls_free(data.data);
}

static void fill(gnutls_x509_crt_t crt, const struct cert_plan *plan)
{
	static unsigned int serial = 1;
	time_t now = time(NULL);
	unsigned char number[4];

	memcpy(number, &serial, sizeof(number));
	number[0] &= 0x7f;
	serial++;
	must(gnutls_x509_crt_set_version(crt, 3), "version");
	must(gnutls_x509_crt_set_serial(crt, number, sizeof(number)), "serial");
	must(gnutls_x509_crt_set_activation_time(crt, now + plan->from),
	     "activation");
	must(gnutls_x509_crt_set_expiration_time(crt, now + plan->until),
	     "expiration");
	must(gnutls_x509_crt_set_basic_constraints(crt, plan->ca, -1), "ca");
	must(gnutls_x509_crt_set_key_usage(crt, plan->ca ?
					   GNUTLS_KEY_KEY_CERT_SIGN :
					   GNUTLS_KEY_DIGITAL_SIGNATURE),
	     "usage");
	if (plan->cn)
		must(gnutls_x509_crt_set_dn_by_oid(crt,
						   GNUTLS_OID_X520_COMMON_NAME,
						   0, plan->cn,
						   strlen(plan->cn)), "cn");
	if (plan->dns)
		must(gnutls_x509_crt_set_subject_alt_name(crt,
							  GNUTLS_SAN_DNSNAME,
							  plan->dns,
							  strlen(plan->dns),
							  GNUTLS_FSAN_SET),
		     "dns");
	if (plan->purpose)
		must(gnutls_x509_crt_set_key_purpose_oid(crt, plan->purpose, 0),
		     "purpose");
}

void certs_make(const char *dir, const struct cert_plan *plan)
{
	gnutls_x509_privkey_t key, signer_key = NULL;
	gnutls_x509_crt_t crt, signer = NULL;
	gnutls_datum_t data;

	must(gnutls_x509_privkey_init(&key), "key");
	must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
					  0), "key");
	must(gnutls_x509_crt_init(&crt), "certificate");
	fill(crt, plan);
	must(gnutls_x509_crt_set_key(crt, key), "key");
	if (plan->signer)
		load(dir, plan->signer, &signer, &signer_key);
	must(gnutls_x509_crt_sign2(crt, signer ? signer : crt,
				   signer_key ? signer_key : key,
				   GNUTLS_DIG_SHA256, 0), "signature");
	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &data), "pem");
	save(dir, plan->file, "pem", &data);
	must(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
					       GNUTLS_PKCS_PLAIN, &data),
	     "pem");
	save(dir, plan->file, "key", &data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	if (signer) {
		gnutls_x509_crt_deinit(signer);
		gnutls_x509_privkey_deinit(signer_key);
	}
}
