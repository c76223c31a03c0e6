// SPDX-License-Identifier: GPL-2.0
/*
 * TLS for replication connections: credentials, the handshake, who the peer is,
 * and how the kernel gets the keys.  The handshake is GnuTLS's; it reads and
 * writes through functions of this file, so that one deadline holds for all.
 *
 * What the kernel cannot take over is not negotiated: no version but 1.3, no
 * cipher that its TLS lacks, no session tickets, which would reach it as a
 * message that is no data.  Nobody changes keys: GnuTLS sends one record, and
 * the kernel's TLS does not do it.
 */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>


#include "tls.h"

#define PRIORITY	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:" \
			"+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"

/* So that a certificate of another service on the host is of no use here. */
#define ALPN		"dm-pb/1"

/* Names of a certificate that are looked at. */
#define MAX_NAMES	64

/* How long a peer may take to read the last words, and how much it may send. */
#define PART_MS		1000
#define PART_BYTES	65536

/**
 * struct pv_tls - credentials; nobody changes them once they are loaded
 * @ca: path, for messages
 * @credentials: certificate, key, authorities
 * @priority: what may be negotiated
 */
struct pv_tls {
	char					*ca;
	gnutls_certificate_credentials_t	credentials;
	gnutls_priority_t			priority;
};

/*
 * Credentials
 */

static int read_file(const char *path, gnutls_datum_t *data,
		     struct pb_error *err)
{
	int error;

	errno = 0;
	if (!gnutls_load_file(path, data))
		return 0;
	error = errno;
	return pb_fail(err, error == ENOENT || error == ENOMEM ? -error :
								 -EINVAL,
		       "cannot read %s: %s", path,
		       error ? strerror(error) : "it cannot be read");
}

static void forget_file(gnutls_datum_t *data)
{
	if (data->data)
		explicit_bzero(data->data, data->size);
	gnutls_free(data->data);
}

static int no_memory(struct pb_error *err)
{
	return pb_fail(err, -ENOMEM, "no memory for TLS");
}

static int load_ca(struct pv_tls *tls, const char *ca, struct pb_error *err)
{
	gnutls_datum_t data;
	int ret;

	ret = read_file(ca, &data, err);
	if (ret)
		return ret;
	ret = gnutls_certificate_set_x509_trust_mem(tls->credentials, &data,
						    GNUTLS_X509_FMT_PEM);
	forget_file(&data);
	if (ret == GNUTLS_E_MEMORY_ERROR)
		return no_memory(err);
	if (ret <= 0)
		return pb_fail(err, -EINVAL,
			       "%s: no certificate of an authority in it: %s: put it there, as PEM",
			       ca, ret ? gnutls_strerror(ret) : "none found");
	return 0;
}

static int load_pair(struct pv_tls *tls, const char *certificate,
		     const char *key, struct pb_error *err)
{
	gnutls_datum_t cert_data, key_data;
	int ret;

	ret = read_file(certificate, &cert_data, err);
	if (ret)
		return ret;
	ret = read_file(key, &key_data, err);
	if (ret) {
		forget_file(&cert_data);
		return ret;
	}
	ret = gnutls_certificate_set_x509_key_mem2(tls->credentials, &cert_data,
						   &key_data,
						   GNUTLS_X509_FMT_PEM, NULL,
						   GNUTLS_PKCS_PLAIN);
	forget_file(&cert_data);
	forget_file(&key_data);
	if (ret == GNUTLS_E_MEMORY_ERROR)
		return no_memory(err);
	if (ret == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return pb_fail(err, -EINVAL,
			       "%s is not the key of %s: put both of one pair there",
			       key, certificate);
	if (ret < 0)
		return pb_fail(err, -EINVAL,
			       "cannot use certificate %s and key %s: %s: both must be PEM, the key without a password",
			       certificate, key, gnutls_strerror(ret));
	return 0;
}

/* Better said at the start than by every peer. */
static int check_own(struct pv_tls *tls, const char *certificate,
		     struct pb_error *err)
{
	gnutls_x509_crt_t crt;
	gnutls_datum_t der;
	time_t end;

	if (gnutls_certificate_get_crt_raw(tls->credentials, 0, 0, &der) ||
	    gnutls_x509_crt_init(&crt))
		return no_memory(err);
	end = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) ? -1 :
	      gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	if (end == (time_t)-1)
		return pb_fail(err, -EINVAL, "%s: does not say when it expires",
			       certificate);
	if (end < time(NULL))
		return pb_fail(err, -EINVAL,
			       "%s has expired: make a new one, or correct this host's clock",
			       certificate);
	return 0;
}

int pv_tls_load(const char *ca, const char *certificate, const char *key,
		struct pv_tls **tls, struct pb_error *err)
{
	struct pv_tls *new = calloc(1, sizeof(*new));
	int ret;

	if (!new)
		return no_memory(err);
	new->ca = strdup(ca);
	if (!new->ca ||
	    gnutls_certificate_allocate_credentials(&new->credentials)) {
		ret = no_memory(err);
		goto out_free;
	}
	ret = gnutls_priority_init(&new->priority, PRIORITY, NULL);
	if (ret) {
		ret = pb_fail(err, -EINVAL,
			      "this host's GnuTLS allows none of our ciphers: %s",
			      gnutls_strerror(ret));
		goto out_free;
	}
	ret = load_ca(new, ca, err);
	if (!ret)
		ret = load_pair(new, certificate, key, err);
	if (!ret)
		ret = check_own(new, certificate, err);
	if (ret)
		goto out_free;
	*tls = new;
	return 0;

out_free:
	pv_tls_free(new);
	return ret;
}

void pv_tls_free(struct pv_tls *tls)
{
	if (!tls)
		return;
	if (tls->priority)
		gnutls_priority_deinit(tls->priority);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	free(tls->ca);
	free(tls);
}

/*
 * Bytes
 */

/*
 * Waits until the socket may be ready.  Whoever calls tries again then, and
 * begins with the clock: bytes that trickle in earn nobody more time.
 */
static int wait_for(struct pv_stream *stream, short events)
{
	struct pollfd pollfd = { .fd = stream->fd, .events = events };
	u64 now = pb_boot_ms();
	u64 left = now < stream->deadline ? stream->deadline - now : 0;

	if (poll(&pollfd, 1, left < 60000 ? (int)left : 60000) < 0 &&
	    errno != EINTR)
		return -errno;
	return 0;
}

/* After a call that failed: 0 to try it again. */
static int retry(struct pv_stream *stream, short events)
{
	if (errno == EINTR)
		return 0;
	return errno == EAGAIN ? wait_for(stream, events) : -errno;
}

/* Returns what there is, at least a byte, 0 at the end, or -errno. */
static ssize_t take(struct pv_stream *stream, void *buf, size_t len, int flags)
{
	ssize_t got;
	int ret = 0;

	while (!ret) {
		if (pb_boot_ms() >= stream->deadline) {
			ret = -ETIMEDOUT;
			break;
		}
		got = recv(stream->fd, buf, len, MSG_DONTWAIT | flags);
		if (got >= 0)
			return got;
		ret = retry(stream, POLLIN);
	}
	stream->error = ret;
	return ret;
}

/* Returns how much the socket has taken, or -errno. */
static ssize_t give(struct pv_stream *stream, const void *buf, size_t len)
{
	ssize_t sent;
	int ret = 0;

	while (!ret) {
		if (pb_boot_ms() >= stream->deadline) {
			ret = -ETIMEDOUT;
			break;
		}
		sent = send(stream->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0)
			return sent;
		ret = retry(stream, POLLOUT);
	}
	stream->error = ret;
	return ret;
}

static int closed(struct pv_stream *stream, const char *when,
		  struct pb_error *err)
{
	return pb_fail(err, -ECONNRESET, "%s closed the connection %s",
		       stream->peer, when);
}

/* The socket has failed. */
static int broken(struct pv_stream *stream, const char *when,
		  struct pb_error *err)
{
	switch (stream->error) {
	case -ETIMEDOUT:
		return pb_fail(err, -ETIMEDOUT, "%s: time was up %s",
			       stream->peer, when);
	case -ECONNRESET:
	case -EPIPE:
		return closed(stream, when, err);
	default:
		return pb_fail(err, stream->error, "connection with %s: %s",
			       stream->peer, strerror(-stream->error));
	}
}

int pv_stream_peek(struct pv_stream *stream, u8 *byte, struct pb_error *err)
{
	ssize_t got = take(stream, byte, 1, MSG_PEEK);

	if (got < 0)
		return broken(stream, "before it said anything", err);
	return got ? 0 : closed(stream, "before it said anything", err);
}

void pv_stream_part(struct pv_stream *stream)
{
	u64 soon = pb_boot_ms() + PART_MS;
	char buf[1024];
	size_t sum = 0;
	ssize_t got;

	if (stream->deadline > soon)
		stream->deadline = soon;
	shutdown(stream->fd, SHUT_WR);
	do {
		got = take(stream, buf, sizeof(buf), 0);
		sum += got > 0 ? got : 0;
	} while (got > 0 && sum < PART_BYTES);
}

/*
 * GnuTLS's way to the socket.  It never sees EAGAIN or EINTR, so what it calls
 * an interruption is one of its own.
 */

static ssize_t pull(gnutls_transport_ptr_t ptr, void *buf, size_t len)
{
	struct pv_stream *stream = ptr;
	ssize_t got = take(stream, buf, len, 0);

	if (got >= 0)
		return got;
	gnutls_transport_set_errno(stream->session, -got);
	return -1;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *buf, size_t len)
{
	struct pv_stream *stream = ptr;
	ssize_t sent = give(stream, buf, len);

	if (sent >= 0)
		return sent;
	gnutls_transport_set_errno(stream->session, -sent);
	return -1;
}

/*
 * GnuTLS asks this only where it has a time-out of its own, which it has not
 * here; its default would take the pointer for a descriptor.
 */
static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned int ms)
{
	struct pv_stream *stream = ptr;
	struct pollfd pollfd = { .fd = stream->fd, .events = POLLIN };

	return poll(&pollfd, 1, ms < 1000 ? (int)ms : 1000);
}

/* What a call of GnuTLS failed with, @ret, and 0 for the peer's close_notify. */
static int tls_failed(struct pv_stream *stream, int ret, const char *when,
		      struct pb_error *err)
{
	if (stream->error)
		return broken(stream, when, err);
	switch (ret) {
	case 0:
	case GNUTLS_E_PREMATURE_TERMINATION:
		return closed(stream, when, err);
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return pb_fail(err, -ECONNREFUSED, "%s refused us %s: %s",
			       stream->peer, when,
			       gnutls_alert_get_name(gnutls_alert_get(stream->session)));
	case GNUTLS_E_CERTIFICATE_REQUIRED:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		return pb_fail(err, -EACCES, "%s showed no certificate",
			       stream->peer);
	case GNUTLS_E_MEMORY_ERROR:
		return no_memory(err);
	case GNUTLS_E_AGAIN:
		/* New keys, or a ticket: nothing that the kernel could follow. */
		return pb_fail(err, -EPROTO,
			       "%s sent a TLS message that is no data %s",
			       stream->peer, when);
	default:
		return pb_fail(err, -EPROTO, "TLS with %s failed %s: %s",
			       stream->peer, when, gnutls_strerror(ret));
	}
}

static int recv_record(struct pv_stream *stream, u8 *buf, size_t len,
		       const char *when, struct pb_error *err)
{
	size_t done = 0;
	ssize_t got;

	while (done < len) {
		got = gnutls_record_recv(stream->session, buf + done,
					 len - done);
		if (got <= 0)
			return tls_failed(stream, got, when, err);
		done += got;
	}
	return 0;
}

int pv_stream_recv(struct pv_stream *stream, void *buf, size_t len,
		   const char *when, struct pb_error *err)
{
	size_t done = 0;
	ssize_t got;

	if (stream->tls)
		return recv_record(stream, buf, len, when, err);
	while (done < len) {
		got = take(stream, (u8 *)buf + done, len - done, 0);
		if (got < 0)
			return broken(stream, when, err);
		if (!got)
			return closed(stream, when, err);
		done += got;
	}
	return 0;
}

int pv_stream_send(struct pv_stream *stream, const void *buf, size_t len,
		   const char *when, struct pb_error *err)
{
	size_t done = 0;
	ssize_t sent;

	if (stream->tls) {
		sent = gnutls_record_send(stream->session, buf, len);
		return sent > 0 ? 0 : tls_failed(stream, sent, when, err);
	}
	while (done < len) {
		sent = give(stream, (const u8 *)buf + done, len - done);
		if (sent < 0)
			return broken(stream, when, err);
		done += sent;
	}
	return 0;
}

/*
 * Who is there?
 */

/* The certificate that the peer showed, to be freed; NULL without memory. */
static gnutls_x509_crt_t peer_certificate(struct pv_stream *stream)
{
	unsigned int nr = 0;
	const gnutls_datum_t *chain;
	gnutls_x509_crt_t crt;

	chain = gnutls_certificate_get_peers(stream->session, &nr);
	if (!nr || gnutls_x509_crt_init(&crt))
		return NULL;
	if (!gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER))
		return crt;
	gnutls_x509_crt_deinit(crt);
	return NULL;
}

/*
 * Is @node one of the certificate's DNS names, byte for byte?  GnuTLS's own
 * comparison is made for the web: it takes the subject's common name where there
 * is no DNS name, patterns, and either case, but "Alpha" and "alpha" are two nodes.
 * The first DNS name is left in @first, for a person.
 */
static bool has_name(gnutls_x509_crt_t crt, const char *node, char *first,
		     size_t size)
{
	unsigned int i;
	char name[256];
	size_t len;
	int type;

	*first = '\0';
	for (i = 0; i < MAX_NAMES; i++) {
		len = sizeof(name);
		type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &len,
							    NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type != GNUTLS_SAN_DNSNAME)
			continue;
		if (node && len == strlen(node) && !memcmp(name, node, len))
			return true;
		if (!*first)
			pb_printable(first, size, name, len);
	}
	return false;
}

bool pv_crt_has_name(gnutls_x509_crt_t crt, const char *name)
{
	char first[64];

	return has_name(crt, name, first, sizeof(first));
}

void pv_crt_name(gnutls_x509_crt_t crt, char *name, size_t size)
{
	has_name(crt, NULL, name, size);
	if (!*name)
		snprintf(name, size, "somebody without a DNS name");
}

int pv_tls_check_name(struct pv_stream *stream, const char *node,
		      struct pb_error *err)
{
	gnutls_x509_crt_t crt = peer_certificate(stream);
	char first[64];
	bool good;

	if (!crt)
		return no_memory(err);
	good = has_name(crt, node, first, sizeof(first));
	gnutls_x509_crt_deinit(crt);
	if (good)
		return 0;
	if (!*first)
		return pb_fail(err, -EACCES,
			       "it is not %s: its certificate has no DNS name",
			       node);
	return pb_fail(err, -EACCES, "it is %s, not %s", first, node);
}

int pv_tls_check_own(const struct pv_tls *tls, const char *certificate,
		     const char *node, struct pb_error *err)
{
	gnutls_x509_trust_list_t authorities;
	unsigned int i, nr = 0, status = 0;
	gnutls_x509_crt_t *chain;
	int ret = 0;

	gnutls_certificate_get_trust_list(tls->credentials, &authorities);
	if (gnutls_certificate_get_x509_crt(tls->credentials, 0, &chain, &nr) ||
	    gnutls_x509_trust_list_verify_crt(authorities, chain, nr, 0,
					      &status, NULL))
		ret = no_memory(err);
	else if (status)
		ret = pv_crt_untrusted(chain[0], status, certificate, tls->ca,
				       err);
	else if (node && !pv_crt_has_name(chain[0], node))
		ret = pb_fail(err, -EACCES,
			      "%s does not have this node's name, %s, as a DNS name: give each host its own, or correct the name in pbviewd.conf",
			      certificate, node);
	for (i = 0; i < nr; i++)
		gnutls_x509_crt_deinit(chain[i]);
	if (nr)
		gnutls_free(chain);
	return ret;
}

/**
 * struct complaint - about a certificate
 * @status: what GnuTLS found, GNUTLS_CERT_*
 * @alert: what its owner is told
 * @text: what we say: "the certificate of ..."
 * @ca: and then where our authorities are
 */
struct complaint {
	unsigned int			status;
	gnutls_alert_description_t	alert;
	const char			*text;
	bool				ca;
};

/* The first that fits is told: what follows may come of it. */
static const struct complaint complaints[] = {
	{ GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA,
	  "is not signed by an authority in ", true },
	{ GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA,
	  "is not signed by an authority in ", true },
	{ GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED,
	  "is signed by an authority whose own has expired: renew that", false },
	{ GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED,
	  "is not valid yet: compare the clocks", false },
	{ GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
	  "does not allow this use (extended key usage)", false },
	{ GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_BAD_CERTIFICATE,
	  "has too weak a key or signature", false },
	{ 0, GNUTLS_A_BAD_CERTIFICATE, "is not trusted", false },
};

static const struct complaint *complaint_about(unsigned int status)
{
	const struct complaint *complaint = complaints;

	while (complaint->status && !(complaint->status & status))
		complaint++;
	return complaint;
}

int pv_crt_untrusted(gnutls_x509_crt_t crt, unsigned int status,
		     const char *peer, const char *ca, struct pb_error *err)
{
	const struct complaint *complaint = complaint_about(status);
	const char *text = complaint->text;
	char name[64];

	if (complaint->status == GNUTLS_CERT_EXPIRED &&
	    gnutls_x509_crt_get_expiration_time(crt) < time(NULL))
		text = "has expired: make a new one, or correct the clock";
	/* What it claims to be: it may be anybody. */
	has_name(crt, NULL, name, sizeof(name));
	return pb_fail(err, -EACCES, "the certificate of %s %s%s%s",
		       *name ? name : peer, text, complaint->ca ? ca : "",
		       complaint->ca ? ": all hosts need those of one" : "");
}

static int complain(struct pv_stream *stream, unsigned int status)
{
	gnutls_x509_crt_t crt = peer_certificate(stream);
	int ret;

	if (!crt)
		return no_memory(stream->err);
	stream->alert = complaint_about(status)->alert;
	ret = pv_crt_untrusted(crt, status, stream->peer, stream->tls->ca,
			       stream->err);
	gnutls_x509_crt_deinit(crt);
	return ret;
}

/* Called in the handshake, when the peer has shown its certificate. */
static int judge_peer(gnutls_session_t session)
{
	struct pv_stream *stream = gnutls_session_get_ptr(session);
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (u8 *)(stream->node ? GNUTLS_KP_TLS_WWW_SERVER :
					      GNUTLS_KP_TLS_WWW_CLIENT),
	};
	unsigned int status = 0;
	int ret;

	ret = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
	if (ret)
		return ret;
	if (status) {
		complain(stream, status);
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	if (stream->node &&
	    pv_tls_check_name(stream, stream->node, stream->err)) {
		stream->alert = GNUTLS_A_ACCESS_DENIED;
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	return 0;
}

/*
 * The handshake
 */

static int new_session(struct pv_stream *stream, const struct pv_tls *tls,
		       struct pb_error *err)
{
	static const gnutls_datum_t alpn = {
		.data = (u8 *)ALPN, .size = sizeof(ALPN) - 1,
	};
	unsigned int flags = GNUTLS_NO_TICKETS | GNUTLS_NO_AUTO_REKEY;
	gnutls_session_t session;

	/* A certificate that the peer does not want is for it to refuse. */
	flags |= stream->node ? GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT :
				GNUTLS_SERVER;
	if (gnutls_init(&session, flags))
		return no_memory(err);
	stream->tls = tls;
	stream->session = session;
	if (gnutls_priority_set(session, tls->priority) ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
				   tls->credentials) ||
	    gnutls_alpn_set_protocols(session, &alpn, 1, GNUTLS_ALPN_MANDATORY))
		return no_memory(err);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_ptr(session, stream);
	gnutls_session_set_verify_function(session, judge_peer);
	gnutls_transport_set_ptr(session, stream);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
	return 0;
}

/* "Mandatory" is only who names protocols at all: the rest has to be refused. */
static bool speaks_ours(gnutls_session_t session)
{
	gnutls_datum_t alpn;

	return !gnutls_alpn_get_selected_protocol(session, &alpn) &&
	       alpn.size == sizeof(ALPN) - 1 &&
	       !memcmp(alpn.data, ALPN, alpn.size);
}

static int handshake_failed(struct pv_stream *stream, int ret,
			    struct pb_error *err)
{
	gnutls_alert_description_t alert = stream->alert;
	int level;

	if (!alert)
		alert = gnutls_error_to_alert(ret, &level);
	if (!stream->error && ret != GNUTLS_E_FATAL_ALERT_RECEIVED)
		gnutls_alert_send(stream->session, GNUTLS_AL_FATAL, alert);
	/* judge_peer() has said why. */
	if (stream->alert)
		return -EACCES;
	return tls_failed(stream, ret, "in the TLS handshake", err);
}

int pv_tls_handshake(struct pv_stream *stream, const struct pv_tls *tls,
		     struct pb_error *err)
{
	int ret;

	ret = new_session(stream, tls, err);
	if (ret)
		return ret;
	stream->err = err;
	do {
		ret = gnutls_handshake(stream->session);
	} while (ret && !gnutls_error_is_fatal(ret));
	if (!ret && !speaks_ours(stream->session))
		ret = GNUTLS_E_NO_APPLICATION_PROTOCOL;
	return ret ? handshake_failed(stream, ret, err) : 0;
}

/*
 * Kernel TLS
 */

int pv_tls_prepare(struct pv_stream *stream, struct pb_error *err)
{
	if (!setsockopt(stream->fd, SOL_TCP, TCP_ULP, "tls", sizeof("tls")))
		return 0;
	switch (errno) {
	case ENOENT:
	case ENOPROTOOPT:
		return pb_fail(err, -EOPNOTSUPP,
			       "the kernel has no TLS of its own: run 'modprobe tls'");
	case ENOTCONN:
		return closed(stream, "after the TLS handshake", err);
	default:
		return pb_fail(err, -errno, "cannot attach kernel TLS: %s",
			       strerror(errno));
	}
}

/*
 * The kernel's structures for the ciphers differ in these sizes alone: an iv, a
 * key, a salt and the number of the next record follow each other.  What GnuTLS
 * calls the IV is the salt and the iv.
 */
static const struct cipher {
	gnutls_cipher_algorithm_t	gnutls;
	u16				kernel;
	u8				iv;
	u8				key;
	u8				salt;
} ciphers[] = {
	{ GNUTLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_GCM_128, 8, 16, 4 },
	{ GNUTLS_CIPHER_AES_256_GCM, TLS_CIPHER_AES_GCM_256, 8, 32, 4 },
	{ GNUTLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305,
	  12, 32, 0 },
};

#define SEQ_LEN	8

static_assert(sizeof(struct tls12_crypto_info_aes_gcm_128) ==
	      sizeof(struct tls_crypto_info) + 8 + 16 + 4 + SEQ_LEN);
static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) ==
	      sizeof(struct tls_crypto_info) + 8 + 32 + 4 + SEQ_LEN);
static_assert(sizeof(struct tls12_crypto_info_chacha20_poly1305) ==
	      sizeof(struct tls_crypto_info) + 12 + 32 + SEQ_LEN);

/* As many bytes as the largest of them. */
union key_info {
	struct tls_crypto_info				info;
	struct tls12_crypto_info_aes_gcm_256		aes;
	struct tls12_crypto_info_chacha20_poly1305	chacha;
	u8						bytes[64];
};

static const struct cipher *cipher_of(gnutls_session_t session)
{
	gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(session);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (ciphers[i].gnutls == cipher)
			return &ciphers[i];
	return NULL;
}

/* The keys of one direction as the kernel wants them; returns their size, or 0. */
static socklen_t get_keys(gnutls_session_t session, bool rx,
			  union key_info *keys)
{
	const struct cipher *cipher = cipher_of(session);
	u8 *at = keys->bytes + sizeof(keys->info);
	gnutls_datum_t iv, key;
	u8 seq[SEQ_LEN];

	if (!cipher ||
	    gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 ||
	    gnutls_record_get_state(session, rx, NULL, &iv, &key, seq) ||
	    iv.size != cipher->salt + cipher->iv || key.size != cipher->key)
		return 0;
	keys->info.version = TLS_1_3_VERSION;
	keys->info.cipher_type = cipher->kernel;
	memcpy(at, iv.data + cipher->salt, cipher->iv);
	at += cipher->iv;
	memcpy(at, key.data, cipher->key);
	at += cipher->key;
	memcpy(at, iv.data, cipher->salt);
	at += cipher->salt;
	memcpy(at, seq, SEQ_LEN);
	return at + SEQ_LEN - keys->bytes;
}

/*
 * The kernel goes on where GnuTLS has stopped reading, and that is where the
 * message ends.  What the peer's kernel says next may be here already; but GnuTLS
 * takes from the socket the five bytes of a record's head, then as many as that
 * says, and not one of the record after it.  So what it could keep from the kernel
 * is only the rest of the message's own record, and there must be none.
 */
int pv_tls_hand_over(struct pv_stream *stream, int direction,
		     struct pb_error *err)
{
	bool rx = direction == TLS_RX;
	union key_info keys = {};
	socklen_t len;
	int error = 0;

	if (rx && gnutls_record_check_pending(stream->session))
		return pb_fail(err, -EPROTO, "%s said more than one message",
			       stream->peer);
	len = get_keys(stream->session, rx, &keys);
	if (!len)
		return pb_fail(err, -EOPNOTSUPP,
			       "kernel TLS has no such cipher or version");
	if (setsockopt(stream->fd, SOL_TLS, direction, &keys, len))
		error = errno;
	explicit_bzero(&keys, sizeof(keys));
	switch (error) {
	case 0:
		return 0;
	case ENOENT:
	case EINVAL:
		return pb_fail(err, -EOPNOTSUPP,
			       "the kernel's TLS cannot use %s: is its crypto module there?",
			       gnutls_cipher_get_name(gnutls_cipher_get(stream->session)));
	default:
		return pb_fail(err, -error, "kernel TLS: %s", strerror(error));
	}
}

void pv_tls_end(struct pv_stream *stream)
{
	if (stream->session)
		gnutls_deinit(stream->session);
	stream->session = NULL;
	stream->tls = NULL;
}
