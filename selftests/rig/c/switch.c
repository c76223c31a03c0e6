// SPDX-License-Identifier: GPL-2.0
/*
 * Ethernet switch for QEMU's `-netdev stream` on unix sockets. Lossless, also
 * across the death of either end; every directed link between two ports can be
 * cut silently, delayed (in order, with jitter), made to lose frames or to put them
 * out of order, counted.
 *
 * usage: switch CONTROL-FD SOCKET-PATH...   (one path per port)
 *
 * Control: a line in, an answer that ends with "ok\n" or "error\n" out:
 *   cut S D 0|1 | delay S D US JITTER_US | drop S D FRAMES | loss S D PPM |
 *   reorder S D PPM US | stats
 * End of file on the control socket ends the switch.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS	8
#define RX_SIZE		(512u << 10)
#define MAX_FRAME	(256u << 10)
/* A frozen machine's card drops when its ring is full; this is the ring. */
#define TX_LIMIT	(64u << 20)

struct packet {
	struct packet *next;
	uint64_t due;		/* ns */
	uint32_t len;		/* with the length word */
	uint8_t data[];
};

struct link {			/* from one port to another */
	int cut;
	uint64_t delay, jitter;	/* ns */
	uint64_t drop;		/* that many frames to come */
	uint64_t ppm;
	uint64_t late_ppm, late;	/* that share is overtaken, for up to so many ns */
	uint64_t frames, bytes, dropped;
	uint64_t last_due;
	struct packet *head, *last;	/* by due; last counts if there is a head */
};

struct port {
	int listener, conn;
	uint8_t *rx;
	size_t rx_len;
	uint8_t *tx;
	size_t tx_len, tx_off, tx_room;
};

static struct port ports[MAX_PORTS];
static struct link links[MAX_PORTS][MAX_PORTS];
static int nports;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void disconnect(struct port *p)
{
	close(p->conn);
	p->conn = -1;
	p->rx_len = p->tx_len = p->tx_off = 0;
}

static int listen_on(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) || listen(fd, 4))
		fail(path);
	return fd;
}

static void accept_port(struct port *p)
{
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int size = 4 << 20;

	if (fd < 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (p->conn >= 0)
		disconnect(p);
	p->conn = fd;
}

static void flush_port(struct port *p)
{
	while (p->conn >= 0 && p->tx_len > p->tx_off) {
		ssize_t n = send(p->conn, p->tx + p->tx_off, p->tx_len - p->tx_off,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				disconnect(p);
			return;
		}
		p->tx_off += n;
	}
	p->tx_len = p->tx_off = 0;
}

/* 1 when the frame is in the port's queue, 0 when it had to be dropped. */
static int enqueue(struct port *p, const uint8_t *data, uint32_t len)
{
	if (p->conn < 0)
		return 0;
	if (p->tx_len + len > p->tx_room && p->tx_off) {
		memmove(p->tx, p->tx + p->tx_off, p->tx_len - p->tx_off);
		p->tx_len -= p->tx_off;
		p->tx_off = 0;
	}
	if (p->tx_len + len > TX_LIMIT)
		return 0;
	if (p->tx_len + len > p->tx_room) {
		size_t room = p->tx_room ? p->tx_room * 2 : 1 << 20;
		uint8_t *tx = realloc(p->tx, room);

		if (!tx)
			return 0;
		p->tx = tx;
		p->tx_room = room;
	}
	memcpy(p->tx + p->tx_len, data, len);
	p->tx_len += len;
	return 1;
}

static void deliver(struct link *l, struct port *to, const uint8_t *data, uint32_t len)
{
	if (!l->cut && enqueue(to, data, len)) {
		l->frames++;
		l->bytes += len - 4;
	} else {
		l->dropped++;
	}
}

static void delay_frame(struct link *l, const uint8_t *data, uint32_t len)
{
	struct packet *pkt = malloc(sizeof(*pkt) + len), **at;
	uint64_t due = now_ns() + l->delay;

	if (!pkt) {
		l->dropped++;
		return;
	}
	if (l->jitter)
		due += (uint64_t)(drand48() * l->jitter);
	if (due < l->last_due)
		due = l->last_due;	/* a link keeps the order */
	if (l->late_ppm && drand48() * 1e6 < l->late_ppm)
		due += (uint64_t)(drand48() * l->late);
	else
		l->last_due = due;
	pkt->due = due;
	pkt->len = len;
	memcpy(pkt->data, data, len);
	at = l->head && l->last->due <= due ? &l->last->next : &l->head;
	while (*at && (*at)->due <= due)
		at = &(*at)->next;
	pkt->next = *at;
	*at = pkt;
	if (!pkt->next)
		l->last = pkt;
}

static void forward(int from, int to, const uint8_t *data, uint32_t len)
{
	struct link *l = &links[from][to];

	if (l->cut || l->drop || (l->ppm && drand48() * 1e6 < l->ppm)) {
		if (!l->cut && l->drop)
			l->drop--;
		l->dropped++;
	} else if (l->head || l->delay || l->jitter || l->late_ppm) {
		delay_frame(l, data, len);
	} else {
		deliver(l, &ports[to], data, len);
	}
}

/* The rig gives port N the address 52:54:00:77:00:N; all else is flooded. */
static void route(int from, const uint8_t *data, uint32_t len)
{
	static const uint8_t ours[] = { 0x52, 0x54, 0x00, 0x77, 0x00 };
	const uint8_t *mac = data + 4;
	int to;

	if (len >= 4 + 14 && !memcmp(mac, ours, sizeof(ours)) && mac[5] < nports) {
		if (mac[5] != from)
			forward(from, mac[5], data, len);
		return;
	}
	for (to = 0; to < nports; to++)
		if (to != from)
			forward(from, to, data, len);
}

static void receive(int n)
{
	struct port *p = &ports[n];
	ssize_t got = recv(p->conn, p->rx + p->rx_len, RX_SIZE - p->rx_len, MSG_DONTWAIT);
	size_t off = 0;
	uint32_t len;

	if (got <= 0) {
		if (!got || (errno != EAGAIN && errno != EINTR))
			disconnect(p);
		return;
	}
	p->rx_len += got;
	while (p->rx_len - off >= 4) {
		memcpy(&len, p->rx + off, 4);
		len = ntohl(len);
		if (len > MAX_FRAME) {
			fprintf(stderr, "port %d: frame of %u bytes\n", n, len);
			disconnect(p);
			return;
		}
		if (p->rx_len - off < 4 + len)
			break;
		route(n, p->rx + off, 4 + len);
		off += 4 + len;
	}
	memmove(p->rx, p->rx + off, p->rx_len - off);
	p->rx_len -= off;
}

/* Deliver what is due; returns when the next frame is, or 0. */
static uint64_t run_delays(void)
{
	uint64_t now = now_ns(), next = 0;
	int i, j;

	for (i = 0; i < nports; i++)
		for (j = 0; j < nports; j++) {
			struct link *l = &links[i][j];
			struct packet *pkt;

			while ((pkt = l->head) && pkt->due <= now) {
				l->head = pkt->next;
				deliver(l, &ports[j], pkt->data, pkt->len);
				free(pkt);
			}
			if (pkt && (!next || pkt->due < next))
				next = pkt->due;
		}
	return next;
}

static void answer(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		exit(0);
}

static void stats(int fd)
{
	char buf[8192];
	int i, j, off = 0;

	for (i = 0; i < nports; i++)
		for (j = 0; j < nports; j++)
			if (i != j)
				off += snprintf(buf + off, sizeof(buf) - off,
						"%d %d %llu %llu %llu\n", i, j,
						(unsigned long long)links[i][j].frames,
						(unsigned long long)links[i][j].bytes,
						(unsigned long long)links[i][j].dropped);
	snprintf(buf + off, sizeof(buf) - off, "ok\n");
	answer(fd, buf);
}

static void command(int fd, const char *line)
{
	unsigned long long a = 0, b = 0;
	struct link *l;
	char verb[16];
	int s, d, n;

	if (!strcmp(line, "stats")) {
		stats(fd);
		return;
	}
	n = sscanf(line, "%15s %d %d %llu %llu", verb, &s, &d, &a, &b);
	if (n < 4 || s < 0 || d < 0 || s >= nports || d >= nports) {
		answer(fd, "error\n");
		return;
	}
	l = &links[s][d];
	if (!strcmp(verb, "cut")) {
		l->cut = a;
	} else if (!strcmp(verb, "delay")) {
		l->delay = a * 1000;
		l->jitter = b * 1000;
	} else if (!strcmp(verb, "drop")) {
		l->drop = a;
	} else if (!strcmp(verb, "loss")) {
		l->ppm = a;
	} else if (!strcmp(verb, "reorder")) {
		l->late_ppm = a;
		l->late = b * 1000;
	} else {
		answer(fd, "error\n");
		return;
	}
	answer(fd, "ok\n");
}

static void control(int fd)
{
	static char buf[1024];
	static size_t len;
	ssize_t n = recv(fd, buf + len, sizeof(buf) - 1 - len, MSG_DONTWAIT);
	char *nl;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		exit(0);
	len += n;
	buf[len] = '\0';
	while ((nl = strchr(buf, '\n'))) {
		*nl = '\0';
		command(fd, buf);
		len -= nl + 1 - buf;
		memmove(buf, nl + 1, len + 1);
	}
}

static void one_round(int ctl)
{
	struct pollfd fds[1 + 2 * MAX_PORTS] = { { .fd = ctl, .events = POLLIN } };
	uint64_t next = run_delays(), now;
	struct timespec ts = { 0 };
	int i;

	for (i = 0; i < nports; i++) {
		struct port *p = &ports[i];

		flush_port(p);
		fds[1 + 2 * i] = (struct pollfd){ .fd = p->listener, .events = POLLIN };
		fds[2 + 2 * i] = (struct pollfd){
			.fd = p->conn,
			.events = POLLIN | (p->tx_len > p->tx_off ? POLLOUT : 0),
		};
	}
	now = now_ns();
	if (next > now) {
		ts.tv_sec = (next - now) / 1000000000;
		ts.tv_nsec = (next - now) % 1000000000;
	}
	if (ppoll(fds, 1 + 2 * nports, next ? &ts : NULL, NULL) < 0)
		return;
	for (i = 0; i < nports; i++) {
		if (fds[2 + 2 * i].revents & ~POLLOUT && fds[2 + 2 * i].fd == ports[i].conn)
			receive(i);
		if (fds[1 + 2 * i].revents)
			accept_port(&ports[i]);
	}
	if (fds[0].revents)
		control(ctl);
}

int main(int argc, char **argv)
{
	int i, ctl;

	prctl(PR_SET_TIMERSLACK, 1);
	if (argc < 3 || argc > 2 + MAX_PORTS) {
		fprintf(stderr, "usage: switch CONTROL-FD SOCKET-PATH...\n");
		return 2;
	}
	ctl = atoi(argv[1]);
	nports = argc - 2;
	srand48(now_ns());
	for (i = 0; i < nports; i++) {
		ports[i].conn = -1;
		ports[i].rx = malloc(RX_SIZE);
		if (!ports[i].rx)
			fail("malloc");
		ports[i].listener = listen_on(argv[2 + i]);
	}
	answer(ctl, "ok\n");
	for (;;)
		one_round(ctl);
}
