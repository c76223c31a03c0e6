// SPDX-License-Identifier: GPL-2.0
/*
 * The world of test_link.c and test_offer.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "certs.h"
#include "link_world.h"

#define YEAR	(365 * 86400L)

static const struct cert_plan plans[] = {
	{ .file = "ca", .ca = true, .cn = "authority", .from = -YEAR },
	{ .file = "other-ca", .ca = true, .cn = "other authority" },
	{ .file = "alpha", .signer = "ca", .dns = "alpha", .cn = "alpha" },
	{ .file = "beta", .signer = "ca", .dns = "beta" },
	{ .file = "gamma", .signer = "ca", .dns = "gamma" },
	{ .file = "stranger", .signer = "other-ca", .dns = "alpha" },
	{ .file = "stranger-beta", .signer = "other-ca", .dns = "beta" },
	{ .file = "expired", .signer = "ca", .dns = "alpha", .from = -7200,
	  .until = -3600 },
	{ .file = "early", .signer = "ca", .dns = "alpha", .from = 86400 },
	{ .file = "expired-beta", .signer = "ca", .dns = "beta", .from = -7200,
	  .until = -3600 },
	{ .file = "early-beta", .signer = "ca", .dns = "beta", .from = 86400 },
	{ .file = "nameless", .signer = "ca", .cn = "beta",
	  .purpose = GNUTLS_KP_TLS_WWW_SERVER },
	{ .file = "wild", .signer = "ca", .dns = "*" },
	{ .file = "upper", .signer = "ca", .dns = "BETA" },
	{ .file = "longer", .signer = "ca", .dns = "beta.example" },
	{ .file = "server-alpha", .signer = "ca", .dns = "alpha",
	  .purpose = GNUTLS_KP_TLS_WWW_SERVER },
	{ .file = "client-beta", .signer = "ca", .dns = "beta",
	  .purpose = GNUTLS_KP_TLS_WWW_CLIENT },
	/* Signed by a node, which is no authority. */
	{ .file = "forged", .signer = "gamma", .dns = "beta" },
};

char w_dir[] = "/tmp/test_link.XXXXXX";
int w_listener;
struct pb_endpoint w_here;
enum w_ktls w_ktls = W_KTLS_NOTED;

static void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

const char *w_path(const char *file, const char *suffix)
{
	static char paths[4][128];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s.%s", w_dir, file, suffix);
	return path;
}

void w_begin(void)
{
	struct cert_plan plan;
	size_t i;

	if (!mkdtemp(w_dir))
		give_up("mkdtemp");
	for (i = 0; i < ARRAY_SIZE(plans); i++) {
		plan = plans[i];
		plan.from = plan.from ?: -3600;
		plan.until = plan.until ?: YEAR;
		certs_make(w_dir, &plan);
	}
	w_listener = w_listen(&w_here);
}

void w_end(void)
{
	size_t i;

	close(w_listener);
	for (i = 0; i < ARRAY_SIZE(plans); i++) {
		unlink(w_path(plans[i].file, "pem"));
		unlink(w_path(plans[i].file, "key"));
	}
	rmdir(w_dir);
}

struct pv_tls *w_load(const char *ca, const char *file)
{
	struct pv_tls *tls = NULL;
	struct pb_error err;

	if (pv_tls_load(w_path(ca, "pem"), w_path(file, "pem"),
			w_path(file, "key"), &tls, &err)) {
		printf("Bail out! %s: %s\n", file, err.text);
		exit(1);
	}
	return tls;
}

/*
 * Sockets
 */

int w_listen(struct pb_endpoint *here)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) ||
	    listen(fd, 16) || getsockname(fd, (struct sockaddr *)&addr, &len))
		give_up("listen");
	strcpy(here->host, "127.0.0.1");
	snprintf(here->port, sizeof(here->port), "%u", ntohs(addr.sin_port));
	return fd;
}

int w_accept(int listener)
{
	int fd;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		give_up("accept");
	return fd;
}

int w_connect(const struct pb_endpoint *here)
{
	struct addrinfo *list;
	struct pb_error err;
	int fd = -1;

	if (!pb_net_resolve(here, false, &list, &err)) {
		fd = pb_net_connect(list, PATIENCE_MS, &err);
		freeaddrinfo(list);
	}
	if (fd < 0)
		give_up(err.text);
	return fd;
}

bool w_write(int fd, const void *buf, size_t len)
{
	size_t done = 0;
	ssize_t sent;

	while (done < len) {
		sent = send(fd, (const u8 *)buf + done, len - done,
			    MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		done += sent;
	}
	return true;
}

bool w_read(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t got;

	while (done < len) {
		got = recv(fd, (u8 *)buf + done, len - done, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += got;
	}
	return true;
}

/*
 * The kernel's TLS
 */

static struct w_keys noted[16];
static size_t nr_noted;
static pthread_mutex_t noted_lock = PTHREAD_MUTEX_INITIALIZER;

int __real_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len)
{
	struct w_keys *keys;

	if (w_ktls == W_KTLS_REAL ||
	    (level != SOL_TLS && (level != SOL_TCP || name != TCP_ULP)))
		return __real_setsockopt(fd, level, name, value, len);
	if (w_ktls == W_KTLS_NONE) {
		errno = level == SOL_TLS ? ENOPROTOOPT : ENOENT;
		return -1;
	}
	if (level != SOL_TLS)
		return 0;
	pthread_mutex_lock(&noted_lock);
	keys = &noted[nr_noted++ % ARRAY_SIZE(noted)];
	*keys = (struct w_keys){ .fd = fd, .direction = name, .len = len };
	memcpy(keys->bytes, value, len);
	pthread_mutex_unlock(&noted_lock);
	return 0;
}

static struct w_keys *find_keys(int fd, int direction)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(noted); i++)
		if (noted[i].len && noted[i].fd == fd &&
		    noted[i].direction == direction)
			return &noted[i];
	return NULL;
}

const struct w_keys *w_keys_of(int fd, int direction)
{
	return find_keys(fd, direction);
}

void w_forget_keys(void)
{
	memset(noted, 0, sizeof(noted));
	nr_noted = 0;
}

/* As net/tls/tls_sw.c: the nonce is salt and iv, with the number xored in. */
static bool crypt_record(struct w_keys *keys, bool seal, const u8 *head,
			 const void *in, size_t in_len, void *out,
			 size_t *out_len)
{
	struct tls12_crypto_info_aes_gcm_128 *info = (void *)keys->bytes;
	gnutls_datum_t key = { info->key, sizeof(info->key) };
	gnutls_aead_cipher_hd_t cipher;
	u8 nonce[12];
	int i, ret;

	if (info->info.cipher_type != TLS_CIPHER_AES_GCM_128 ||
	    info->info.version != TLS_1_3_VERSION ||
	    keys->len != sizeof(*info) ||
	    gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_128_GCM, &key))
		return false;
	memcpy(nonce, info->salt, 4);
	memcpy(nonce + 4, info->iv, 8);
	for (i = 0; i < 8; i++)
		nonce[4 + i] ^= info->rec_seq[i];
	info->rec_seq[7]++;
	ret = (seal ? gnutls_aead_cipher_encrypt : gnutls_aead_cipher_decrypt)
		(cipher, nonce, sizeof(nonce), head, 5, 16, in, in_len, out,
		 out_len);
	gnutls_aead_cipher_deinit(cipher);
	return !ret;
}

bool w_send_record(int fd, const void *buf, size_t len)
{
	struct w_keys *keys = find_keys(fd, TLS_TX);
	size_t sealed = len + 17;
	u8 head[5] = { 23, 3, 3, sealed >> 8, sealed };
	u8 plain[1024], out[1024 + 16];

	if (!keys || len >= sizeof(plain))
		return false;
	memcpy(plain, buf, len);
	plain[len] = 23;
	return crypt_record(keys, true, head, plain, len + 1, out, &sealed) &&
	       w_write(fd, head, sizeof(head)) && w_write(fd, out, sealed);
}

bool w_recv_record(int fd, void *buf, size_t len)
{
	struct w_keys *keys = find_keys(fd, TLS_RX);
	u8 head[5], in[1024 + 16], plain[1024];
	size_t opened = sizeof(plain);

	return keys && len < sizeof(plain) && w_read(fd, head, sizeof(head)) &&
	       head[0] == 23 && (size_t)(head[3] << 8 | head[4]) == len + 17 &&
	       w_read(fd, in, len + 17) &&
	       crypt_record(keys, false, head, in, len + 17, plain, &opened) &&
	       opened == len + 1 && plain[len] == 23 &&
	       memcpy(buf, plain, len);
}

/*
 * Who else is there
 */

static int judge(void *arg, const struct pv_offer *offer, bool proved,
		 struct pb_error *err)
{
	struct w_answer *answer = arg;

	(void)offer;
	answer->asked = true;
	answer->proved = proved;
	if (answer->verdict && answer->reason)
		pb_fail(err, 0, "%s", answer->reason);
	return answer->verdict;
}

static void *answer_thread(void *arg)
{
	struct w_answer *answer = arg;
	struct pv_judge with = { .wants = judge, .arg = answer };

	answer->ret = pv_link_answer(answer->tls, w_accept(w_listener), &with,
				     &answer->offer,
				     answer->timeout_ms ?: PATIENCE_MS,
				     &answer->err);
	return NULL;
}

void w_answer_start(struct w_answer *answer)
{
	if (pthread_create(&answer->thread, NULL, answer_thread, answer))
		give_up("thread");
}

void w_answer_end(struct w_answer *answer, bool keep)
{
	pthread_join(answer->thread, NULL);
	if (!keep && answer->ret > 0)
		close(answer->ret);
}

int w_answer_bytes(struct pv_tls *tls, const void *buf, size_t len,
			struct w_answer *answer, struct pv_wire_reply *reply)
{
	int fd;

	*answer = (struct w_answer){ .tls = tls };
	w_answer_start(answer);
	fd = w_connect(&w_here);
	w_write(fd, buf, len);
	shutdown(fd, SHUT_WR);
	memset(reply, 0, sizeof(*reply));
	w_read(fd, reply, sizeof(*reply));
	close(fd);
	w_answer_end(answer, false);
	return answer->ret;
}

gnutls_session_t w_raw_begin(const struct w_raw *raw, int fd)
{
	gnutls_datum_t alpn = { (u8 *)raw->alpn,
				raw->alpn ? strlen(raw->alpn) : 0 };
	gnutls_certificate_credentials_t cred;
	gnutls_session_t session;
	int ret;

	gnutls_certificate_allocate_credentials(&cred);
	if (raw->cert &&
	    gnutls_certificate_set_x509_key_file(cred, w_path(raw->cert, "pem"),
						 w_path(raw->cert, "key"),
						 GNUTLS_X509_FMT_PEM))
		give_up(raw->cert);
	gnutls_init(&session, GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT |
		    (raw->server ? GNUTLS_SERVER : GNUTLS_CLIENT));
	gnutls_session_set_ptr(session, cred);
	if (gnutls_priority_set_direct(session, raw->priority ?: "NORMAL",
				       NULL))
		give_up("priority");
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cred);
	if (raw->alpn)
		gnutls_alpn_set_protocols(session, &alpn, 1, 0);
	if (raw->server)
		gnutls_certificate_server_set_request(session,
						      GNUTLS_CERT_REQUEST);
	gnutls_transport_set_int(session, fd);
	do {
		ret = gnutls_handshake(session);
	} while (ret && !gnutls_error_is_fatal(ret));
	if (!ret)
		return session;
	gnutls_alert_send_appropriate(session, ret);
	w_raw_end(session);
	return NULL;
}

void w_raw_end(gnutls_session_t session)
{
	gnutls_certificate_credentials_t cred = gnutls_session_get_ptr(session);

	gnutls_deinit(session);
	gnutls_certificate_free_credentials(cred);
}

/* One turn in one direction; false at its end. */
static bool carry(struct w_relay *relay, int way, const int *fds)
{
	bool drips = relay->drip_us && !way;
	u8 buf[4096];
	ssize_t got;
	long left;

	got = recv(fds[way], buf, drips ? 1 : sizeof(buf), 0);
	if (got <= 0)
		return false;
	left = relay->limit[way] - (long)relay->nr[way];
	if (relay->limit[way] >= 0 && got > left)
		got = left;
	if (relay->nr[way] + got <= sizeof(relay->seen[way]))
		memcpy(relay->seen[way] + relay->nr[way], buf, got);
	relay->nr[way] += got;
	if (!w_write(fds[!way], buf, got))
		return false;
	if (drips)
		usleep(relay->drip_us);
	return relay->limit[way] < 0 || (long)relay->nr[way] < relay->limit[way];
}

static void *relay_thread(void *arg)
{
	struct w_relay *relay = arg;
	int fds[2] = { w_accept(relay->listener), w_connect(&w_here) };
	struct pollfd pollfds[2] = { { fds[0], POLLIN, 0 },
				     { fds[1], POLLIN, 0 } };
	bool open = relay->limit[0] && relay->limit[1];
	int way;

	while (open) {
		poll(pollfds, 2, -1);
		for (way = 0; way < 2 && open; way++)
			if (pollfds[way].revents)
				open = carry(relay, way, fds);
	}
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

void w_relay_start(struct w_relay *relay)
{
	relay->listener = w_listen(&relay->here);
	if (pthread_create(&relay->thread, NULL, relay_thread, relay))
		give_up("thread");
}

void w_relay_end(struct w_relay *relay)
{
	pthread_join(relay->thread, NULL);
	close(relay->listener);
}
