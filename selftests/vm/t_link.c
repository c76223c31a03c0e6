// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of pbviewd, with the kernel's own TLS.
 *
 *   t_link flow DIR		data both ways, and how such a connection ends
 *   t_link pair DIR A B	connects two devices; A dials
 *   t_link watch DIR A B	the same, encrypted and not, and what somebody sees
 *				who listens on the way
 *
 * DIR is for certificates.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/certs.h"
#include "link.h"
#include "tlib.h"

#define FLOW_BYTES	(64U << 20)
#define CHUNK		65536

/* What somebody on the way looks for. */
#define MARK		0xd7
#define MARK_LEN	32
#define WATCH_WRITES	16

static struct pv_tls *alpha, *beta;

static struct pv_tls *load(const char *dir, const char *name)
{
	char ca[256], cert[256], key[256];
	struct pv_tls *tls;
	struct pb_error err;

	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	snprintf(cert, sizeof(cert), "%s/%s.pem", dir, name);
	snprintf(key, sizeof(key), "%s/%s.key", dir, name);
	if (pv_tls_load(ca, cert, key, &tls, &err))
		bail("%s", err.text);
	return tls;
}

static void make_certificates(const char *dir)
{
	struct cert_plan plan = {
		.file = "ca", .cn = "ca", .ca = true, .from = -86400,
		.until = 86400,
	};

	certs_make(dir, &plan);
	plan = (struct cert_plan){
		.file = "alpha", .dns = "alpha", .signer = "ca", .from = -3600,
		.until = 3600,
	};
	certs_make(dir, &plan);
	plan.file = "beta";
	plan.dns = "beta";
	certs_make(dir, &plan);
	alpha = load(dir, "alpha");
	beta = load(dir, "beta");
}

/* Who accepts. */
struct answer {
	struct pv_tls	*tls;
	struct pb_listener listener;
	pthread_t	thread;
	int		fd;
	bool		proved;
	struct pv_offer	offer;
	struct pb_error	err;
};

static int judge(void *arg, const struct pv_offer *offer, bool proved,
		 struct pb_error *err)
{
	struct answer *answer = arg;

	(void)offer;
	(void)err;
	answer->proved = proved;
	return 0;
}

static void *answer_thread(void *arg)
{
	struct answer *answer = arg;
	struct pv_judge with = { .wants = judge, .arg = answer };
	int fd;

	fd = pb_net_accept(&answer->listener, -1, T_DEADLINE_MS, &answer->err);
	answer->fd = fd < 0 ? fd :
		     pv_link_answer(answer->tls, fd, &with, &answer->offer,
				    T_DEADLINE_MS, &answer->err);
	return NULL;
}

/* A connection: who dialled, and who accepted. */
static bool make_link(bool encrypt, int fds[2])
{
	struct pv_offer offer = {
		.kind = PV_OFFER_LINK, .view = 1, .node = "alpha",
		.volume = "volume", .replica = "replica",
	};
	struct answer answer = { .tls = encrypt ? beta : NULL };
	struct pb_endpoint here = { "127.0.0.1", "7401" };
	struct addrinfo *list;
	struct pb_error err;

	if (pb_net_resolve(&here, true, &list, &err) ||
	    pb_net_listen(list, &answer.listener, &err))
		bail("%s", err.text);
	freeaddrinfo(list);
	if (pthread_create(&answer.thread, NULL, answer_thread, &answer))
		bail("no thread");
	fds[0] = pv_link_dial(encrypt ? alpha : NULL, &here, "beta", &offer,
			      T_DEADLINE_MS, &err);
	pthread_join(answer.thread, NULL);
	pb_net_unlisten(&answer.listener);
	fds[1] = answer.fd;
	if (fds[0] >= 0 && fds[1] >= 0)
		return answer.proved == encrypt &&
		       !strcmp(answer.offer.node, "alpha");
	note("dial %d '%s', answer %d '%s'", fds[0], err.text, fds[1],
	     answer.err.text);
	return false;
}

/*
 * Data
 */

struct flow {
	int		fd;
	uint64_t	seed;
	pthread_t	thread;
	uint64_t	bytes;
	bool		good;
};

static void fill(uint32_t *buf, uint64_t *seed)
{
	size_t i;

	for (i = 0; i < CHUNK / sizeof(*buf); i++)
		buf[i] = t_random(seed);
}

static void *write_thread(void *arg)
{
	struct flow *flow = arg;
	uint32_t buf[CHUNK / 4];
	size_t at;
	ssize_t done = 1;

	while (done > 0 && flow->bytes < FLOW_BYTES) {
		fill(buf, &flow->seed);
		for (at = 0; at < CHUNK && done > 0; at += done) {
			done = write(flow->fd, (char *)buf + at, CHUNK - at);
			flow->bytes += done > 0 ? done : 0;
		}
	}
	flow->good = done > 0;
	return NULL;
}

static void *read_thread(void *arg)
{
	uint32_t want[CHUNK / 4], buf[CHUNK / 4];
	struct flow *flow = arg;
	size_t at;
	ssize_t got = 1;

	flow->good = true;
	while (got > 0 && flow->bytes < FLOW_BYTES) {
		fill(want, &flow->seed);
		for (at = 0; at < CHUNK && got > 0; at += got) {
			got = read(flow->fd, (char *)buf + at, CHUNK - at);
			flow->bytes += got > 0 ? got : 0;
		}
		if (got <= 0 || memcmp(buf, want, CHUNK))
			flow->good = false;
	}
	return NULL;
}

static int cmd_flow(char **argv)
{
	struct flow flows[4] = {};
	int fds[2], i;
	char byte;

	(void)argv;
	if (!ok(make_link(true, fds), "a connection with the kernel's TLS"))
		return t_result();
	for (i = 0; i < 4; i++) {
		flows[i].fd = fds[i >> 1];
		flows[i].seed = 1 + (i == 1 || i == 2);
		if (pthread_create(&flows[i].thread, NULL, i & 1 ? read_thread :
				   write_thread, &flows[i]))
			bail("no thread");
	}
	for (i = 0; i < 4; i++)
		pthread_join(flows[i].thread, NULL);
	for (i = 0; i < 4; i++)
		ok(flows[i].good && flows[i].bytes == FLOW_BYTES,
		   "%s %s %llu bytes", i >> 1 ? "who accepts" : "who dials",
		   i & 1 ? "reads" : "writes",
		   (unsigned long long)flows[i].bytes);
	close(fds[0]);
	is(read(fds[1], &byte, 1), 0, "its end is seen at the other end");
	close(fds[1]);
	return t_result();
}

/*
 * Volumes
 */

static bool connect_volumes(bool encrypt, const char *a, const char *b)
{
	unsigned int timeout = t_slow() > 1 ? 2000 * t_slow() : 0;
	char reason[PB_REASON_LEN];
	int fds[2], ret;

	if (!make_link(encrypt, fds))
		return false;
	ret = t_connect(b, fds[1], 0, timeout, reason);
	if (!ret)
		ret = t_connect(a, fds[0], 0, timeout, reason);
	if (ret)
		note("connect: %s", reason);
	close(fds[0]);
	close(fds[1]);
	return !ret && t_wait(t_links(a, PB_LINK_UP) && t_links(b, PB_LINK_UP));
}

static int cmd_pair(char **argv)
{
	ok(connect_volumes(true, argv[0], argv[1]),
	   "%s dials %s, and they are connected by TLS", argv[0], argv[1]);
	return t_result();
}

/*
 * Somebody on the way
 */

struct tap {
	int		fd;
	pthread_t	thread;
	volatile bool	stop;
	uint64_t	bytes;
	uint64_t	marks;		/* packets with a mark in them */
};

static void *tap_thread(void *arg)
{
	static char buf[1 << 18];
	char mark[MARK_LEN];
	struct tap *tap = arg;
	ssize_t got;

	memset(mark, MARK, sizeof(mark));
	for (;;) {
		got = recv(tap->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (got > 0) {
			tap->bytes += got;
			tap->marks += !!memmem(buf, got, mark, sizeof(mark));
		} else if (tap->stop) {
			return NULL;
		} else {
			t_sleep_ms(1);
		}
	}
}

static void tap_open(struct tap *tap)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex("lo"),
	};
	int room = 64 << 20;

	memset(tap, 0, sizeof(*tap));
	tap->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (tap->fd < 0 || bind(tap->fd, (void *)&addr, sizeof(addr)) ||
	    setsockopt(tap->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
		       sizeof(room)) ||
	    pthread_create(&tap->thread, NULL, tap_thread, tap))
		bail("cannot listen on lo");
}

static void tap_close(struct tap *tap)
{
	struct tpacket_stats stats = {};
	socklen_t len = sizeof(stats);

	tap->stop = true;
	pthread_join(tap->thread, NULL);
	getsockopt(tap->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	close(tap->fd);
	ok(!stats.tp_drops && tap->bytes > WATCH_WRITES * CHUNK,
	   "all that went over lo was seen: %llu bytes",
	   (unsigned long long)tap->bytes);
}

static void watch(bool encrypt, const char *a, const char *b)
{
	unsigned int i, bad = 0;
	struct tap tap;

	tap_open(&tap);
	ok(connect_volumes(encrypt, a, b), "connected, %s",
	   encrypt ? "encrypted" : "in clear");
	for (i = 0; i < WATCH_WRITES; i++)
		bad += !!t_do_io(a, T_WRITE, i * CHUNK, CHUNK, MARK);
	is(bad, 0, "%u writes of a pattern", WATCH_WRITES);
	tap_close(&tap);
	if (encrypt)
		is(tap.marks, 0, "nothing of the pattern is seen");
	else
		ok(tap.marks, "the pattern is seen, as it must be");
	t_disconnect(a);
	t_disconnect(b);
}

static int cmd_watch(char **argv)
{
	watch(false, argv[0], argv[1]);
	watch(true, argv[0], argv[1]);
	return t_result();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
		int (*run)(char **argv);
	} commands[] = {
		{ "flow", 3, cmd_flow },
		{ "pair", 5, cmd_pair },
		{ "watch", 5, cmd_watch },
	};
	unsigned int i;

	for (i = 0; argc > 2 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name) &&
		    argc == commands[i].args) {
			make_certificates(argv[2]);
			return commands[i].run(argv + 3);
		}
	bail("usage: see the head of t_link.c");
}
