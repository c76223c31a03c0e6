// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of link.c and tls.c: who gets a connection and who does not, over TCP on
 * the loopback device, with certificates made for the purpose.
 *
 * The kernel's TLS is played by link_world.c, which looks at the keys; where the
 * kernel has it, that is used as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "link_world.h"
#include "rnd.h"

static struct pv_tls *alpha, *beta, *gamma_, *stranger;

/* A socket is as pb_net_connect() leaves it. */
static bool fit_for_kernel(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return !(fcntl(fd, F_GETFL) & O_NONBLOCK) &&
	       !getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) && on;
}

typedef bool (*mover)(int fd, void *buf, size_t len);

static bool write_plain(int fd, void *buf, size_t len)
{
	return w_write(fd, buf, len);
}

static bool send_record(int fd, void *buf, size_t len)
{
	return w_send_record(fd, buf, len);
}

/* Ten messages each way arrive as they were sent. */
static bool flows(int a, int b, mover send, mover recv)
{
	u8 out[700], in[700];
	size_t i, turn;

	for (turn = 0; turn < 20; turn++) {
		for (i = 0; i < sizeof(out); i++)
			out[i] = rnd();
		memset(in, 0, sizeof(in));
		if (!send(turn & 1 ? a : b, out, sizeof(out)) ||
		    !recv(turn & 1 ? b : a, in, sizeof(in)) ||
		    memcmp(in, out, sizeof(in)))
			return false;
	}
	return true;
}

/*
 * It works
 */

static void good_connection(struct pv_tls *client, struct pv_tls *server,
			    const char *what)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct w_answer answer = { .tls = server };
	struct pb_error err = {};
	int fd;

	w_forget_keys();
	w_answer_start(&answer);
	fd = pv_link_dial(client, &w_here, "beta", &offer, PATIENCE_MS, &err);
	w_answer_end(&answer, true);
	if (!ok(fd > 0 && answer.ret > 0, "%s: a connection", what)) {
		printf("# %d '%s', %d '%s'\n", fd, err.text, answer.ret,
		       answer.err.text);
		return;
	}
	ok(w_same(&answer.offer, &offer) && answer.asked,
	   "%s: the offer arrives", what);
	ok(answer.proved == !!client, "%s: the node is proved, or not", what);
	ok(fit_for_kernel(fd) && fit_for_kernel(answer.ret),
	   "%s: blocking sockets without delay", what);
	if (client && w_ktls == W_KTLS_NOTED)
		ok(flows(fd, answer.ret, send_record, w_recv_record),
		   "%s: the keys for the kernel are good both ways", what);
	else
		ok(flows(fd, answer.ret, write_plain, w_read),
		   "%s: data flows both ways", what);
	close(fd);
	close(answer.ret);
}

static void good_probe(struct pv_tls *client, struct pv_tls *server,
		       const char *what)
{
	struct pv_offer offer = w_offer(PV_OFFER_PROBE);
	struct w_answer answer = { .tls = server };
	struct pb_error err = {};
	int ret;

	offer.view = 0;
	w_answer_start(&answer);
	ret = pv_link_dial(client, &w_here, "beta", &offer, PATIENCE_MS, &err);
	w_answer_end(&answer, false);
	ok(!ret && !answer.ret && w_same(&answer.offer, &offer),
	   "%s: a probe", what);
}

static void test_good(void)
{
	good_connection(NULL, NULL, "clear");
	good_connection(NULL, beta, "clear, to one who could encrypt");
	good_connection(alpha, beta, "TLS");
	good_probe(NULL, NULL, "clear");
	good_probe(alpha, beta, "TLS");
}

/* The keys of one direction are one side's to write and the other's to read. */
static void test_keys(void)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	const struct w_keys *tx[2], *rx[2];
	struct w_answer answer = { .tls = beta };
	struct pb_error err;
	int fd;

	w_forget_keys();
	w_answer_start(&answer);
	fd = pv_link_dial(alpha, &w_here, "beta", &offer, PATIENCE_MS, &err);
	w_answer_end(&answer, true);
	tx[0] = w_keys_of(fd, TLS_TX);
	rx[0] = w_keys_of(fd, TLS_RX);
	tx[1] = w_keys_of(answer.ret, TLS_TX);
	rx[1] = w_keys_of(answer.ret, TLS_RX);
	if (!ok(tx[0] && rx[0] && tx[1] && rx[1], "keys for all directions"))
		return;
	ok(!memcmp(tx[0]->bytes, rx[1]->bytes, sizeof(tx[0]->bytes)) &&
	   !memcmp(tx[1]->bytes, rx[0]->bytes, sizeof(tx[1]->bytes)),
	   "both sides have the same");
	ok(memcmp(tx[0]->bytes, tx[1]->bytes, sizeof(tx[0]->bytes)),
	   "the directions have different ones");
	close(fd);
	close(answer.ret);
}

/* What this very kernel does. */
static void test_real(void)
{
	int fd = w_connect(&w_here), other = w_accept(w_listener);
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct w_answer answer = { .tls = beta };
	struct pb_error err;
	bool has;
	int ret;

	w_ktls = W_KTLS_REAL;
	has = !setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof("tls"));
	close(fd);
	close(other);
	if (has) {
		good_connection(alpha, beta, "this kernel's TLS");
		good_probe(alpha, beta, "this kernel's TLS");
	} else {
		w_answer_start(&answer);
		ret = pv_link_dial(alpha, &w_here, "beta", &offer, PATIENCE_MS,
				   &err);
		w_answer_end(&answer, false);
		w_failed(ret, &err, -EOPNOTSUPP, "modprobe tls", "who connects",
		       "this kernel has no TLS");
	}
	w_ktls = W_KTLS_NOTED;
}

static void say_no(gnutls_session_t session, const struct pv_offer *offer,
		   struct pv_wire_reply *reply)
{
	struct pv_wire_offer wire;

	pv_offer_pack(offer, &wire);
	memset(reply, 0, sizeof(*reply));
	if (gnutls_record_send(session, &wire, sizeof(wire)) < 0 ||
	    gnutls_record_recv(session, reply, sizeof(*reply)) < 0)
		memset(reply, 0, sizeof(*reply));
}

/* No kernel TLS, on either side. */
static void test_no_ktls(void)
{
	struct w_raw raw = { .cert = "alpha", .alpn = "dm-pb/1" };
	struct pv_offer offer = w_offer(PV_OFFER_PROBE);
	struct w_answer answer = { .tls = beta };
	struct pv_wire_reply reply = {};
	gnutls_session_t session;
	struct pb_error err;
	int fd, ret;

	w_ktls = W_KTLS_NONE;
	w_answer_start(&answer);
	ret = pv_link_dial(alpha, &w_here, "beta", &offer, PATIENCE_MS, &err);
	w_answer_end(&answer, false);
	w_failed(ret, &err, -EOPNOTSUPP, "modprobe tls", "who connects",
	       "no kernel TLS, a probe");
	ok(answer.ret == -ECONNRESET && !answer.asked && !answer.offer.kind,
	   "no kernel TLS: the other side sees no offer");
	answer = (struct w_answer){ .tls = beta };
	w_answer_start(&answer);
	fd = w_connect(&w_here);
	session = w_raw_begin(&raw, fd);
	if (session) {
		say_no(session, &offer, &reply);
		w_raw_end(session);
	}
	close(fd);
	w_answer_end(&answer, false);
	w_failed(answer.ret, &answer.err, -EOPNOTSUPP, "modprobe tls",
	       "who accepts", "no kernel TLS");
	ok(le32_to_cpu(reply.status) == EOPNOTSUPP &&
	   strstr(reply.reason, "modprobe tls"),
	   "no kernel TLS where it is accepted: the other side is told");
	w_ktls = W_KTLS_NOTED;
}

/*
 * Who is refused
 */

static const struct {
	const char	*what;
	struct w_raw	raw;
	int		want;
	const char	*says;
} bad_clients[] = {
	{ "no certificate", { .alpn = "dm-pb/1" }, -EACCES,
	  "showed no certificate" },
	{ "expired", { .cert = "expired", .alpn = "dm-pb/1" }, -EACCES,
	  "the certificate of alpha has expired" },
	{ "not yet valid", { .cert = "early", .alpn = "dm-pb/1" }, -EACCES,
	  "the certificate of alpha is not valid yet" },
	{ "another authority's", { .cert = "stranger", .alpn = "dm-pb/1" },
	  -EACCES, "is not signed by an authority in /tmp/test_link" },
	{ "for servers only", { .cert = "server-alpha", .alpn = "dm-pb/1" },
	  -EACCES, "does not allow this use" },
	{ "another node's", { .cert = "gamma", .alpn = "dm-pb/1" }, -EACCES,
	  "it is gamma, not alpha" },
	{ "TLS 1.2", { .cert = "alpha", .alpn = "dm-pb/1",
		       .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" },
	  -EPROTO, "in the TLS handshake" },
	{ "ciphers unknown to the kernel",
	  { .cert = "alpha", .alpn = "dm-pb/1",
	    .priority = "NORMAL:-CIPHER-ALL:+AES-128-CCM-8" },
	  -EPROTO, "in the TLS handshake" },
	{ "another protocol", { .cert = "alpha", .alpn = "http/1.1" },
	  -EPROTO, "in the TLS handshake" },
	{ "no protocol named", { .cert = "alpha" }, -EPROTO,
	  "in the TLS handshake" },
};

static void test_bad_clients(void)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct pv_wire_reply reply;
	gnutls_session_t session;
	struct w_answer answer;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(bad_clients); i++) {
		answer = (struct w_answer){ .tls = beta };
		w_answer_start(&answer);
		fd = w_connect(&w_here);
		session = w_raw_begin(&bad_clients[i].raw, fd);
		memset(&reply, 0, sizeof(reply));
		if (session) {
			say_no(session, &offer, &reply);
			w_raw_end(session);
		}
		close(fd);
		w_answer_end(&answer, false);
		w_failed(answer.ret, &answer.err, bad_clients[i].want,
		       bad_clients[i].says, "client", bad_clients[i].what);
		ok(!answer.asked && !(reply.magic && !reply.status),
		   "%s: client: no judge and no reply", bad_clients[i].what);
	}
}

static const struct {
	const char	*what;
	struct w_raw	raw;
	int		want;
	const char	*says;
} bad_servers[] = {
	{ "expired", { .cert = "expired-beta", .alpn = "dm-pb/1" }, -EACCES,
	  "the certificate of beta has expired" },
	{ "not yet valid", { .cert = "early-beta", .alpn = "dm-pb/1" },
	  -EACCES, "the certificate of beta is not valid yet" },
	{ "another authority's", { .cert = "stranger-beta",
				   .alpn = "dm-pb/1" },
	  -EACCES, "is not signed by an authority in /tmp/test_link" },
	{ "signed by a node", { .cert = "forged", .alpn = "dm-pb/1" },
	  -EACCES, "is not signed by an authority" },
	{ "for clients only", { .cert = "client-beta", .alpn = "dm-pb/1" },
	  -EACCES, "does not allow this use" },
	{ "another node's", { .cert = "gamma", .alpn = "dm-pb/1" }, -EACCES,
	  "it is gamma, not beta" },
	{ "a common name alone", { .cert = "nameless", .alpn = "dm-pb/1" },
	  -EACCES, "it is not beta: its certificate has no DNS name" },
	{ "a pattern", { .cert = "wild", .alpn = "dm-pb/1" }, -EACCES,
	  "it is *, not beta" },
	{ "the name in capitals", { .cert = "upper", .alpn = "dm-pb/1" },
	  -EACCES, "it is BETA, not beta" },
	{ "a longer name", { .cert = "longer", .alpn = "dm-pb/1" }, -EACCES,
	  "it is beta.example, not beta" },
	{ "TLS 1.2", { .cert = "beta", .alpn = "dm-pb/1",
		       .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" },
	  -ECONNREFUSED, "refused us in the TLS handshake" },
	{ "another protocol", { .cert = "beta", .alpn = "h2" }, -EPROTO,
	  "in the TLS handshake" },
	{ "no protocol named", { .cert = "beta" }, -EPROTO,
	  "in the TLS handshake" },
};

/* A thread that is a server as no pbviewd would be. */
struct server {
	struct w_raw	raw;
	void		(*then)(gnutls_session_t session, int fd);
	bool		offered;	/* it was made an offer */
	pthread_t	thread;
};

static void *server_thread(void *arg)
{
	struct server *server = arg;
	struct pv_wire_offer wire;
	gnutls_session_t session;
	int fd = w_accept(w_listener);

	server->raw.server = true;
	session = w_raw_begin(&server->raw, fd);
	if (session) {
		server->offered = gnutls_record_recv(session, &wire,
						     sizeof(wire)) > 0;
		if (server->offered && server->then)
			server->then(session, fd);
		w_raw_end(session);
	}
	close(fd);
	return NULL;
}

static int dial_server(struct server *server, struct pb_error *err)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	int ret;

	w_forget_keys();
	pthread_create(&server->thread, NULL, server_thread, server);
	ret = pv_link_dial(alpha, &w_here, "beta", &offer, PATIENCE_MS, err);
	pthread_join(server->thread, NULL);
	return ret;
}

static void test_bad_servers(void)
{
	struct server server;
	struct pb_error err;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(bad_servers); i++) {
		server = (struct server){ .raw = bad_servers[i].raw };
		ret = dial_server(&server, &err);
		w_failed(ret, &err, bad_servers[i].want, bad_servers[i].says,
		       "server", bad_servers[i].what);
		ok(!server.offered, "%s: server: it is made no offer",
		   bad_servers[i].what);
	}
}

/* The next message in the reply's record. */
static void say_more(gnutls_session_t session, int fd)
{
	u8 both[sizeof(struct pv_wire_reply) + 1] = {};

	(void)fd;
	w_reply((struct pv_wire_reply *)both, 0, "");
	gnutls_record_send(session, both, sizeof(both));
}

/* The next message in a record of its own, and in the same segment. */
static void say_next(gnutls_session_t session, int fd)
{
	struct pv_wire_reply reply;
	int on = 1;

	setsockopt(fd, SOL_TCP, TCP_CORK, &on, sizeof(on));
	w_reply(&reply, 0, "");
	gnutls_record_send(session, &reply, sizeof(reply));
	gnutls_record_send(session, "the next record", 15);
	on = 0;
	setsockopt(fd, SOL_TCP, TCP_CORK, &on, sizeof(on));
}

static void change_keys(gnutls_session_t session, int fd)
{
	struct pv_wire_reply reply;

	(void)fd;
	gnutls_session_key_update(session, 0);
	w_reply(&reply, 0, "");
	gnutls_record_send(session, &reply, sizeof(reply));
}

static void say_rubbish(gnutls_session_t session, int fd)
{
	struct pv_wire_reply reply;

	(void)fd;
	memset(&reply, 'x', sizeof(reply));
	gnutls_record_send(session, &reply, sizeof(reply));
}

/* Servers that are trusted and do something odd. */
static void test_odd_servers(void)
{
	static const struct w_raw raw = { .cert = "beta", .alpn = "dm-pb/1" };
	struct server server = { .raw = raw, .then = say_more };
	struct pb_error err;
	char text[16] = "";
	int ret;

	ret = dial_server(&server, &err);
	w_failed(ret, &err, -EPROTO, "more than one message", "server",
	       "more than a reply");
	server = (struct server){ .raw = raw, .then = change_keys };
	ret = dial_server(&server, &err);
	w_failed(ret, &err, -EPROTO, "a TLS message that is no data", "server",
	       "new keys");
	server = (struct server){ .raw = raw, .then = say_rubbish };
	ret = dial_server(&server, &err);
	w_failed(ret, &err, -EPROTO, "is not pbviewd", "server", "no reply");
	server = (struct server){ .raw = raw };
	ret = dial_server(&server, &err);
	w_failed(ret, &err, -ECONNRESET, "beta closed the connection", "server",
	       "it closes instead of a reply");
	server = (struct server){ .raw = raw, .then = say_next };
	ret = dial_server(&server, &err);
	ok(ret > 0 && w_recv_record(ret, text, 15) &&
	   !strcmp(text, "the next record"),
	   "a record behind the reply is left for the kernel, whole");
	if (ret > 0)
		close(ret);
}

/* One of ours to one of ours. */
static void pair(struct pv_tls *client, struct w_answer *answer,
		 const char *node, int *ret, struct pb_error *err)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);

	w_forget_keys();
	strcpy(offer.node, node);
	w_answer_start(answer);
	*ret = pv_link_dial(client, &w_here, "beta", &offer, PATIENCE_MS, err);
	w_answer_end(answer, false);
	if (*ret > 0)
		close(*ret);
}

static void test_refused(void)
{
	struct w_answer answer = { .tls = beta };
	struct pb_error err;
	int ret;

	pair(gamma_, &answer, "alpha", &ret, &err);
	w_failed(answer.ret, &answer.err, -EACCES, "it is gamma, not alpha",
	       "who accepts", "the offer has another node's name");
	w_failed(ret, &err, -ECONNREFUSED, "beta refused: it is gamma, not alpha",
	       "who connects", "the offer has another node's name");
	ok(!answer.asked, "nobody judges an offer with another node's name");
	answer = (struct w_answer){ .tls = gamma_ };
	pair(alpha, &answer, "alpha", &ret, &err);
	w_failed(ret, &err, -EACCES, "it is gamma, not beta", "who connects",
	       "another node is there");
	w_failed(answer.ret, &answer.err, -ECONNREFUSED, "Access was denied",
	       "who accepts", "another node is there");
	answer = (struct w_answer){ .tls = beta };
	pair(stranger, &answer, "alpha", &ret, &err);
	w_failed(ret, &err, -EACCES, "not signed by an authority", "who connects",
	       "two authorities");
	w_failed(answer.ret, &answer.err, -ECONNREFUSED, "CA is unknown",
	       "who accepts", "two authorities");
	answer = (struct w_answer){ .tls = beta, .verdict = -EBUSY,
				    .reason = "the volume is in view 9" };
	pair(alpha, &answer, "alpha", &ret, &err);
	w_failed(ret, &err, -ECONNREFUSED,
	       "beta refused: the volume is in view 9", "who connects",
	       "the judge says no");
	w_failed(answer.ret, &answer.err, -ECONNREFUSED,
	       "the volume is in view 9", "who accepts", "the judge says no");
	answer = (struct w_answer){ .verdict = -EBUSY };
	pair(NULL, &answer, "alpha", &ret, &err);
	w_failed(ret, &err, -ECONNREFUSED, "beta refused: Device or resource busy",
	       "who connects", "the judge says no, in clear, and not why");
}

/* Our certificate is not trusted: the alert arrives, whatever else was sent. */
static void test_alert(void)
{
	struct pv_tls *trusting = w_load("ca", "stranger");
	struct w_answer answer;
	struct pb_error err;
	unsigned int i, bad = 0;
	int ret;

	for (i = 0; i < 20; i++) {
		answer = (struct w_answer){ .tls = beta };
		pair(trusting, &answer, "alpha", &ret, &err);
		bad += ret != -ECONNREFUSED ||
		       !strstr(err.text, "CA is unknown");
	}
	is(bad, 0, "who is not trusted is told so, each time");
	pv_tls_free(trusting);
}

static void test_mixed(void)
{
	struct w_answer answer = {};
	struct pb_error err;
	int ret;

	pair(alpha, &answer, "alpha", &ret, &err);
	w_failed(answer.ret, &answer.err, -EPROTO, "wants an encrypted connection",
	       "who accepts", "TLS to one who has none");
	w_failed(ret, &err, -ECONNRESET, "closed the connection in the TLS",
	       "who connects", "TLS to one who has none");
	answer = (struct w_answer){ .tls = beta, .verdict = -EACCES,
				    .reason = "the volume is encrypted" };
	pair(NULL, &answer, "alpha", &ret, &err);
	w_failed(ret, &err, -ECONNREFUSED, "beta refused: the volume is encrypted",
	       "who connects", "clear to one who has TLS");
	ok(answer.asked && !answer.proved,
	   "clear to one who has TLS: the judge knows that nothing is proved");
}

/*
 * Time, and ends
 */

static void silent_client(struct pv_tls *tls, const char *what)
{
	struct w_answer answer = { .tls = tls, .timeout_ms = 200 };
	int fd;

	w_answer_start(&answer);
	fd = w_connect(&w_here);
	w_answer_end(&answer, false);
	close(fd);
	w_failed(answer.ret, &answer.err, -ETIMEDOUT, "time was up", "answer",
	       what);
}

/* Says hello to TLS, and no more. */
static void half_client(void)
{
	struct w_answer answer = { .tls = beta, .timeout_ms = 500 };
	struct w_raw raw = { .cert = "alpha", .alpn = "dm-pb/1" };
	gnutls_session_t session;
	int fd;

	w_answer_start(&answer);
	fd = w_connect(&w_here);
	session = w_raw_begin(&raw, fd);
	w_answer_end(&answer, false);
	if (session)
		w_raw_end(session);
	close(fd);
	w_failed(answer.ret, &answer.err, -ETIMEDOUT, "before its offer",
	       "answer", "a client that makes no offer");
}

static void silent_server(struct pv_tls *tls, const char *what)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct pb_error err;
	int ret;

	/* The connection waits to be accepted, for ever. */
	ret = pv_link_dial(tls, &w_here, "beta", &offer, 200, &err);
	close(w_accept(w_listener));
	w_failed(ret, &err, -ETIMEDOUT, "beta: time was up", "dial", what);
}

/* All of it would take seconds: less than each byte has, more than all have. */
static void dripping_client(void)
{
	struct w_answer answer = { .timeout_ms = 300 };
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct pv_wire_offer wire;
	size_t i;
	int fd;

	pv_offer_pack(&offer, &wire);
	w_answer_start(&answer);
	fd = w_connect(&w_here);
	for (i = 0; i < sizeof(wire); i++) {
		if (!w_write(fd, (u8 *)&wire + i, 1))
			break;
		usleep(20000);
	}
	w_answer_end(&answer, false);
	close(fd);
	w_failed(answer.ret, &answer.err, -ETIMEDOUT, "time was up", "answer",
	       "an offer that trickles in");
}

static void dripping_handshake(void)
{
	struct w_answer answer = { .tls = beta, .timeout_ms = 300 };
	static struct w_relay relay = { .limit = { -1, -1 }, .drip_us = 10000 };
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct pb_error err;
	int ret;

	w_relay_start(&relay);
	w_answer_start(&answer);
	ret = pv_link_dial(alpha, &relay.here, "beta", &offer, PATIENCE_MS,
			   &err);
	w_answer_end(&answer, false);
	w_relay_end(&relay);
	w_failed(answer.ret, &answer.err, -ETIMEDOUT, "in the TLS handshake",
	       "answer", "a handshake that trickles in");
	ok(ret < 0, "and who connects has no connection either");
}

static void test_time(void)
{
	silent_client(NULL, "a silent client");
	silent_client(beta, "a silent client, TLS");
	half_client();
	silent_server(NULL, "a silent server");
	silent_server(alpha, "a silent server, TLS");
	dripping_client();
	dripping_handshake();
}

/* The connection ends after so many bytes one way. */
static void cut(struct pv_tls *client, struct pv_tls *server, int way,
		size_t bytes, struct w_relay *relay, int *dialled,
		struct w_answer *answer)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	struct pb_error err;

	memset(relay, 0, sizeof(*relay));
	relay->limit[0] = relay->limit[1] = -1;
	relay->limit[way] = bytes;
	*answer = (struct w_answer){ .tls = server };
	w_forget_keys();
	w_relay_start(relay);
	w_answer_start(answer);
	*dialled = pv_link_dial(client, &relay->here, "beta", &offer,
				PATIENCE_MS, &err);
	/* Else the relay would go on for ever. */
	if (*dialled > 0)
		close(*dialled);
	w_answer_end(answer, false);
	w_relay_end(relay);
}

static void test_cut(struct pv_tls *client, struct pv_tls *server,
		     unsigned int step, const char *what)
{
	static struct w_relay relay;
	struct w_answer answer;
	unsigned int bad = 0, nr = 0;
	size_t whole[2], at;
	int ret, way;

	cut(client, server, 0, -1, &relay, &ret, &answer);
	ok(ret > 0 && answer.ret > 0, "%s: a relay is no hindrance", what);
	memcpy(whole, relay.nr, sizeof(whole));
	/* A signature may be some bytes shorter. */
	for (way = 0; way < 2; way++) {
		for (at = 0; at + (client ? 24 : 0) < whole[way]; at += step) {
			cut(client, server, way, at, &relay, &ret, &answer);
			nr++;
			bad += ret >= 0 || (!way && answer.ret >= 0) ||
			       (!way && answer.asked);
		}
	}
	is(bad, 0, "an end anywhere: no connection");
	printf("# %s: %u places\n", what, nr);
}

static void test_replay(void)
{
	static struct w_relay relay;
	struct pv_wire_reply reply;
	struct w_answer answer;
	int ret;

	cut(alpha, beta, 0, -1, &relay, &ret, &answer);
	ok(ret > 0 && answer.asked, "a connection is recorded");
	ret = w_answer_bytes(beta, relay.seen[0], relay.nr[0], &answer, &reply);
	ok(ret < 0 && !answer.asked && !answer.offer.kind,
	   "and what it was made of is of no use again: %s",
	   answer.err.text);
}

static void on_alarm(int nr)
{
	(void)nr;
}

static void test_signals(void)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = {};
	struct sigaction action = { .sa_handler = on_alarm };
	struct w_answer answer;
	unsigned int i, bad = 0;
	struct pb_error err;
	int ret;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < 40; i++) {
		answer = (struct w_answer){ .tls = i & 1 ? beta : NULL };
		pair(i & 1 ? alpha : NULL, &answer, "alpha", &ret, &err);
		if (ret < 0 || answer.ret < 0) {
			printf("# %d '%s', %d '%s'\n", ret, err.text,
			       answer.ret, answer.err.text);
			bad++;
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	is(bad, 0, "signals disturb nobody");
}

/*
 * Credentials
 */

static void load(const char *ca, const char *cert, const char *key, int want,
		 const char *says, const char *what)
{
	struct pv_tls *tls = NULL;
	struct pb_error err;
	int ret;

	ret = pv_tls_load(ca, cert, key, &tls, &err);
	w_failed(ret, &err, want, says, "load", what);
	ok(!tls, "%s: nothing is loaded", what);
	pv_tls_free(tls);
}

static void test_load(void)
{
	const char *ca = w_path("ca", "pem"), *cert = w_path("alpha", "pem");
	const char *key = w_path("alpha", "key");

	load("/no/ca.pem", cert, key, -ENOENT, "cannot read /no/ca.pem",
	     "no file of authorities");
	load(ca, "/no/cert.pem", key, -ENOENT, "cannot read /no/cert.pem",
	     "no certificate");
	load(ca, cert, "/no/key.pem", -ENOENT, "cannot read /no/key.pem",
	     "no key");
	load(key, cert, key, -EINVAL, "no certificate of an authority",
	     "a key for an authority");
	load("/dev/null", cert, key, -EINVAL, "no certificate of an authority",
	     "an empty file of authorities");
	load(ca, key, key, -EINVAL, "cannot use certificate",
	     "a key for a certificate");
	load(ca, cert, cert, -EINVAL, "cannot use certificate",
	     "a certificate for a key");
	load(w_dir, cert, key, -EINVAL, "cannot read", "a directory");
	key = w_path("beta", "key");
	load(ca, cert, key, -EINVAL, "is not the key of", "another's key");
	cert = w_path("expired", "pem");
	key = w_path("expired", "key");
	load(ca, cert, key, -EINVAL, "has expired", "an expired certificate");
}

int main(void)
{
	tap_begin();
	w_begin();
	alpha = w_load("ca", "alpha");
	beta = w_load("ca", "beta");
	gamma_ = w_load("ca", "gamma");
	stranger = w_load("other-ca", "stranger");
	test_load();
	test_good();
	test_keys();
	test_real();
	test_no_ktls();
	test_bad_clients();
	test_bad_servers();
	test_odd_servers();
	test_refused();
	test_alert();
	test_mixed();
	test_time();
	test_cut(NULL, NULL, 1, "clear");
	test_cut(alpha, beta, 29, "TLS");
	test_replay();
	test_signals();
	pv_tls_free(alpha);
	pv_tls_free(beta);
	pv_tls_free(gamma_);
	pv_tls_free(stranger);
	w_end();
	return tap_end();
}
