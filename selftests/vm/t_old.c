// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of an older view, held on the way and delivered in later ones.
 *
 *   t_old DIR		replicas A (a, with data), B (b) and C (c), both blank; the data disk
 *			of each lies on DIR/dA, DIR/dB and DIR/dC
 *
 * The views are 1:A,B 2:B,C 3:C,A 4:A,B.  This process is the network between
 * two of them.  In view 1 it keeps a chunk of a state transfer, an ack that never
 * gets to A and a write that never gets to B.  In each later view it delivers
 * them, byte for byte, at the very place where a message of that kind, of that sender's
 * index and with that sequence number is wanted: only the view's number is wrong.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tlib.h"

#define SMALL		4096
#define WRITES		100		/* of view 1: more than a transfer has messages */
#define OFF_WRITES	(6U << 20)
#define OFF_ACKED	(7U << 20)	/* its ack is held */
#define OFF_HELD	((7U << 20) + 65536)	/* it is held itself */
#define OFF_NEW		((7U << 20) + 131072)	/* of later views */
#define FILL_HELD	0xf0

static const char *dir;

/* A message, with its payload. */
struct held {
	const char		*name;
	struct pb_wire_hdr	hdr;
	uint8_t			*data;
	size_t			len;
};

static struct held chunk = { .name = "chunk of a state transfer" };
static struct held ack = { .name = "ack" };
static struct held forward = { .name = "write" };

/* What the network does with the next message that fits; then it is RULE_PASS. */
enum rule {
	RULE_PASS,
	RULE_NOTE_CHUNK,	/* keep a copy */
	RULE_HOLD_ACK,		/* keep it, deliver nothing */
	RULE_HOLD_WRITE,
	RULE_SWAP,		/* downstream, @seq: @old instead */
	RULE_SWALLOW,		/* downstream, @seq: nothing, and @old upstream */
	RULE_TELL_UP,		/* at once: @old to the predecessor */
	RULE_TELL_DOWN,		/* at once: @old to the successor */
};

enum { UP, DOWN };

/* The network between two devices. */
static struct net {
	const char	*dev[2];
	int		fd[2];		/* of the process; the kernels have the others */
	pthread_t	thread;
	enum rule	rule;
	uint64_t	seq;
	struct held	*old;
	bool		stop;
} net;

static bool send_all(int fd, const void *buf, size_t len)
{
	ssize_t done;

	while (len) {
		done = send(fd, buf, len, MSG_NOSIGNAL);
		if (done <= 0)
			return false;
		buf = (const char *)buf + done;
		len -= done;
	}
	return true;
}

static bool recv_all(int fd, void *buf, size_t len)
{
	return !len || recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static bool send_held(int fd, const struct held *held)
{
	return send_all(fd, &held->hdr, sizeof(held->hdr)) &&
	       send_all(fd, held->data, held->len);
}

static void keep(struct held *held, const struct pb_wire_hdr *hdr,
		 const void *data, size_t len)
{
	held->hdr = *hdr;
	held->data = malloc(len + 1);
	memcpy(held->data, data, len);
	held->len = len;
}

static void passed(void)
{
	__atomic_store_n(&net.rule, RULE_PASS, __ATOMIC_RELEASE);
}

static bool rule_done(void)
{
	return __atomic_load_n(&net.rule, __ATOMIC_ACQUIRE) == RULE_PASS;
}

static void set_rule(enum rule rule, struct held *old)
{
	net.old = old;
	net.seq = old ? le64_to_cpu(old->hdr.seq) : 0;
	__atomic_store_n(&net.rule, rule, __ATOMIC_RELEASE);
}

/* A message from @side; false: the connection is over. */
static bool carry(int side, const struct pb_wire_hdr *hdr, const void *data,
		  size_t len)
{
	enum rule rule = __atomic_load_n(&net.rule, __ATOMIC_ACQUIRE);
	bool here = side == UP && le64_to_cpu(hdr->seq) == net.seq;
	int to = net.fd[!side];

	if (rule == RULE_NOTE_CHUNK && hdr->type == PB_WIRE_WRITE &&
	    hdr->flags & PB_WIRE_COPY) {
		keep(&chunk, hdr, data, len);
		passed();
	} else if (rule == RULE_HOLD_ACK && hdr->type == PB_WIRE_ACK) {
		keep(&ack, hdr, data, len);
		passed();
		return true;
	} else if (rule == RULE_HOLD_WRITE && hdr->type == PB_WIRE_WRITE) {
		keep(&forward, hdr, data, len);
		passed();
		return true;
	} else if (rule == RULE_SWAP && here) {
		passed();
		return send_held(to, net.old);
	} else if (rule == RULE_SWALLOW && here) {
		passed();
		return send_held(net.fd[UP], net.old);
	}
	return send_all(to, hdr, sizeof(*hdr)) && send_all(to, data, len);
}

/* Takes one message from a side and brings it over. */
static bool one_message(int side, uint8_t *data)
{
	struct pb_wire_hdr hdr;
	size_t len;

	if (!recv_all(net.fd[side], &hdr, sizeof(hdr)))
		return false;
	len = le32_to_cpu(hdr.data_len);
	if (len > PB_WIRE_MAX_DATA)
		bail("a message of %zu bytes", len);
	return recv_all(net.fd[side], data, len) &&
	       carry(side, &hdr, data, len);
}

static bool tell(void)
{
	enum rule rule = __atomic_load_n(&net.rule, __ATOMIC_ACQUIRE);

	if (rule != RULE_TELL_UP && rule != RULE_TELL_DOWN)
		return true;
	passed();
	return send_held(net.fd[rule == RULE_TELL_DOWN], net.old);
}

static void *net_thread(void *arg)
{
	struct pollfd pfds[2] = {
		{ .fd = net.fd[UP], .events = POLLIN },
		{ .fd = net.fd[DOWN], .events = POLLIN },
	};
	uint8_t *data = malloc(PB_WIRE_MAX_DATA);
	bool good = true;
	int side;

	while (good && !__atomic_load_n(&net.stop, __ATOMIC_ACQUIRE)) {
		poll(pfds, 2, 10);
		for (side = UP; good && side <= DOWN; side++)
			if (pfds[side].revents)
				good = one_message(side, data);
		good = good && tell();
	}
	free(data);
	return arg;
}

/* Connects the two with this process in between. */
static void net_begin(const char *up, const char *down, enum rule rule,
		      struct held *old)
{
	unsigned int timeout = 60000 * t_slow();
	char reason[PB_REASON_LEN] = "";
	int a[2], b[2];

	net = (struct net){ .dev = { up, down } };
	set_rule(rule, old);
	t_tcp_pair(a);
	t_tcp_pair(b);
	if (t_connect(down, b[0], 0, timeout, reason) ||
	    t_connect(up, a[0], 0, timeout, reason))
		bail("no connection: %s", reason);
	close(a[0]);
	close(b[0]);
	net.fd[UP] = a[1];
	net.fd[DOWN] = b[1];
	if (pthread_create(&net.thread, NULL, net_thread, NULL))
		bail("no thread");
}

/* Nothing is carried any more; the sockets stay. */
static void net_stop(void)
{
	__atomic_store_n(&net.stop, true, __ATOMIC_RELEASE);
	pthread_join(net.thread, NULL);
}

static void net_close(void)
{
	close(net.fd[UP]);
	close(net.fd[DOWN]);
	ok(t_wait(t_links(net.dev[UP], PB_LINK_NONE) &&
		  t_links(net.dev[DOWN], PB_LINK_NONE)),
	   "%s and %s are not connected any more", net.dev[UP], net.dev[DOWN]);
}

static bool up_and_synced(const char *up, const char *down)
{
	struct pb_ioc_status status;

	return t_links(up, PB_LINK_UP) && t_links(down, PB_LINK_UP) &&
	       !t_status(up, &status) && status.sync.state == PB_SYNC_SYNCED;
}

/* Without anybody in between. */
static void go_on(const char *up, const char *down)
{
	ok(!t_pair(up, down, NULL) && t_wait(up_and_synced(up, down)),
	   "%s and %s go on", up, down);
}

/* What is on a replica's disk. */
static uint8_t *on_disk(const char *name, size_t *len)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/d%s", dir, name);
	return t_read_file(path, len);
}

static bool has_payload(const char *name, const struct held *held)
{
	size_t len;
	uint8_t *disk = on_disk(name, &len);
	bool same = !memcmp(disk + le64_to_cpu(held->hdr.sector) * 512,
			    held->data, held->len);

	free(disk);
	return same;
}

static uint64_t sent(const char *up)
{
	struct pb_ioc_status status;

	if (t_status(up, &status))
		bail("no status of %s", up);
	return status.downstream.sent_seq;
}

static const char *reason_of(const char *name)
{
	static struct pb_ioc_status status;

	if (t_status(name, &status))
		bail("no status of %s", name);
	return status.role == PB_ROLE_BACKUP ? status.upstream.reason :
					       status.downstream.reason;
}

/* The device that was told it ended the connection, and says why. */
static void refused(const char *name, uint64_t before, const struct held *old)
{
	bool good = t_wait(t_links(name, PB_LINK_NONE)) &&
		    t_counter(name, PB_CNT_RX_REFUSED) == before + 1 &&
		    strstr(reason_of(name), "another view");

	ok(good, "%s of view 1, at %s: refused, counted, told", old->name,
	   name);
	if (!good)
		note("refused %llu, before %llu, reason '%s'",
		     (unsigned long long)t_counter(name, PB_CNT_RX_REFUSED),
		     (unsigned long long)before, reason_of(name));
	net_stop();
	net_close();
}

static void move_all(uint64_t number, const char *members)
{
	ok(!t_move("B", number, members) && !t_move("A", number, members) &&
	   !t_move("C", number, members), "view %llu: %s",
	   (unsigned long long)number, members);
}

/*
 * View 1
 */

static void first_view(void)
{
	struct t_io acked, held;
	unsigned int i, bad = 0;
	uint64_t applied;

	ok(!t_move("A", 1, "ab-") && !t_move("B", 1, "ab-"), "view 1: ab-");
	net_begin("A", "B", RULE_NOTE_CHUNK, NULL);
	ok(t_wait(up_and_synced("A", "B")) && rule_done(),
	   "B is brought up to date, and a chunk is noted");
	/* What the chunk brought is old from now on. */
	bad += !!t_do_io("A", T_WRITE, le64_to_cpu(chunk.hdr.sector) * 512,
			 SMALL, 0x11);
	for (i = 0; i < WRITES; i++)
		bad += !!t_do_io("A", T_WRITE, OFF_WRITES + i * SMALL, SMALL, i);
	is(bad, 0, "A writes");

	set_rule(RULE_HOLD_ACK, NULL);
	t_io_start(&acked, "A", T_WRITE, OFF_ACKED, SMALL, 0x22);
	ok(t_wait(rule_done()), "an ack is held");
	set_rule(RULE_HOLD_WRITE, NULL);
	t_io_start(&held, "A", T_WRITE, OFF_HELD, SMALL, FILL_HELD);
	ok(t_wait(rule_done()), "a write is held");
	is(le64_to_cpu(forward.hdr.seq), le64_to_cpu(ack.hdr.seq) + 1,
	   "it is the one after it");
	ok(!t_io_done(&acked) && !t_io_done(&held), "both wait at A");

	/* B is in view 2, A is not yet; the old connection is there at A's end. */
	net_stop();
	ok(!t_move("B", 2, "bc-"), "view 2 at B");
	applied = t_counter("B", PB_CNT_APPLIED_WRITES);
	send_held(net.fd[DOWN], &forward);
	send_held(net.fd[DOWN], &chunk);
	ok(!t_move("A", 2, "bc-") && !t_move("C", 2, "bc-"), "and A and C");
	is(t_io_finish(&acked), EBADE, "the one without its ack has failed");
	is(t_io_finish(&held), EBADE, "the other one too");
	send_held(net.fd[UP], &ack);
	net_close();
	is(t_counter("B", PB_CNT_APPLIED_WRITES), applied,
	   "nothing comes over the old connection");
	ok(!has_payload("B", &forward) && !has_payload("B", &chunk),
	   "nothing of it is on B's disk");
}

/*
 * Later ones
 */

/* In the place of a message of the transfer. */
static void old_chunk(const char *up, const char *down)
{
	uint64_t before = t_counter(down, PB_CNT_RX_REFUSED);

	net_begin(up, down, RULE_SWAP, &chunk);
	ok(t_wait(rule_done()), "%s gets the chunk in a transfer", down);
	refused(down, before, &chunk);
	ok(!has_payload(down, &chunk), "it is not on %s's disk", down);
}

/* For a write of this view that nobody but the primary has. */
static void old_ack(const char *up, const char *down)
{
	uint64_t before = t_counter(up, PB_CNT_RX_REFUSED);
	struct t_io io;

	net_begin(up, down, RULE_SWALLOW, &ack);
	t_io_start(&io, up, T_WRITE, OFF_NEW, SMALL, 0x33);
	ok(t_wait(rule_done()), "%s gets the ack for a write", up);
	refused(up, before, &ack);
	ok(!t_io_done(&io), "the write waits");
	go_on(up, down);
	is(t_io_finish(&io), 0, "it ends when %s has it", down);
}

/* Instead of a write of this view. */
static void old_forward(const char *up, const char *down)
{
	uint64_t before = t_counter(down, PB_CNT_RX_REFUSED);
	size_t len, now_len;
	uint8_t *disk, *now;
	struct t_io io;

	t_disconnect(up);
	t_disconnect(down);
	disk = on_disk(down, &len);
	net_begin(up, down, RULE_SWAP, &forward);
	t_io_start(&io, up, T_WRITE, OFF_NEW, SMALL, 0x44);
	ok(t_wait(rule_done()), "%s gets the write", down);
	refused(down, before, &forward);
	now = on_disk(down, &now_len);
	ok(len == now_len && !memcmp(disk, now, len) && !t_io_done(&io),
	   "%s's disk is as it was, and the real write waits", down);
	free(disk);
	free(now);
	go_on(up, down);
	is(t_io_finish(&io), 0, "it ends when %s has it", down);
}

/* To who has no place for it in this view. */
static void misplaced(const char *to, const char *up, const char *down,
		      struct held *old)
{
	uint64_t before = t_counter(to, PB_CNT_RX_REFUSED);

	t_disconnect(up);
	t_disconnect(down);
	net_begin(up, down, RULE_PASS, NULL);
	t_wait(t_links(up, PB_LINK_UP) && t_links(down, PB_LINK_UP));
	set_rule(to == up ? RULE_TELL_UP : RULE_TELL_DOWN, old);
	refused(to, before, old);
	go_on(up, down);
}

static void not_connected(const char *name)
{
	char reason[PB_REASON_LEN] = "";
	int fds[2];

	t_tcp_pair(fds);
	ok(t_connect(name, fds[0], 0, 0, reason), "%s takes no connection: %s",
	   name, reason);
	close(fds[0]);
	close(fds[1]);
}

/* Writes until the next one has the number of the ack's write. */
static void advance(const char *up)
{
	uint64_t want = le64_to_cpu(ack.hdr.seq);
	unsigned int bad = 0;

	while (!bad && sent(up) + 1 < want)
		bad += !!t_do_io(up, T_WRITE, OFF_NEW + SMALL, SMALL, sent(up));
	ok(!bad && sent(up) + 1 == want, "%s has sent %llu messages", up,
	   (unsigned long long)sent(up));
}

static void later_view(const char *up, const char *down)
{
	old_chunk(up, down);
	go_on(up, down);
	advance(up);
	t_disconnect(up);
	t_disconnect(down);
	old_ack(up, down);
	old_forward(up, down);
	ok(!has_payload(up, &forward) && !has_payload(down, &forward),
	   "the write of view 1 that failed is on neither disk");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		bail("usage: see the head of t_old.c");
	dir = argv[1];
	first_view();

	later_view("B", "C");
	misplaced("B", "B", "C", &forward);
	misplaced("B", "B", "C", &chunk);
	not_connected("A");

	move_all(3, "ca-");
	later_view("C", "A");
	misplaced("A", "C", "A", &ack);
	not_connected("B");

	/* The members and the order of view 1. */
	move_all(4, "ab-");
	later_view("A", "B");
	return t_result();
}
