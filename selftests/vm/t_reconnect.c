// SPDX-License-Identifier: GPL-2.0
/*
 * Connections that end while hundreds of writes are in flight: nothing is
 * lost, nothing is done twice in the wrong order.
 *
 *   t_reconnect A B FILE_A FILE_B	a connected pair
 *
 * Every slot has one write under way, to a block that only it writes, with a
 * generation of its own.  In the end each block must hold its last one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tlib.h"

#define DEPTH	500		/* writes at a time, at most */
#define BLOCKS	4		/* that a slot owns */
#define BLOCK	4096

static const char *dev_a, *dev_b;
static unsigned int depth;		/* writes at a time */
static uint64_t *slot_buf[DEPTH];
static struct iocb iocbs[DEPTH];
static uint64_t latest[DEPTH * BLOCKS];
static uint64_t in_slot[DEPTH];		/* block being written */
static volatile bool stop;
static volatile uint64_t done_writes;
static volatile unsigned int errors;
static uint64_t next_gen = 1;

static void submit(aio_context_t ctx, int fd, unsigned int slot, uint64_t *rnd)
{
	struct iocb *iocb = &iocbs[slot];
	uint64_t block = slot + (uint64_t)(t_random(rnd) % BLOCKS) * DEPTH;
	unsigned int i;

	latest[block] = next_gen++;
	in_slot[slot] = block;
	for (i = 0; i < BLOCK / 8; i++)
		slot_buf[slot][i] = latest[block] << 16 | block;
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_lio_opcode = IOCB_CMD_PWRITE;
	iocb->aio_fildes = fd;
	iocb->aio_buf = (uintptr_t)slot_buf[slot];
	iocb->aio_nbytes = BLOCK;
	iocb->aio_offset = block * BLOCK;
	iocb->aio_data = slot;
	if (t_random(rnd) % 16 == 0)
		iocb->aio_rw_flags = RWF_DSYNC;
	if (syscall(SYS_io_submit, ctx, 1, &iocb) != 1)
		bail("io_submit");
}

static void *writer(void *arg)
{
	struct io_event events[64];
	aio_context_t ctx = 0;
	unsigned int i, busy = depth;
	uint64_t rnd = 1;
	char path[64];
	long nr, e;
	int fd;

	(void)arg;
	snprintf(path, sizeof(path), "/dev/mapper/%s", dev_a);
	fd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0 || syscall(SYS_io_setup, DEPTH, &ctx))
		bail("io_setup");
	for (i = 0; i < depth; i++) {
		if (posix_memalign((void **)&slot_buf[i], BLOCK, BLOCK))
			bail("memory");
		submit(ctx, fd, i, &rnd);
	}
	while (busy) {
		nr = syscall(SYS_io_getevents, ctx, 1, 64, events, NULL);
		for (e = 0; e < nr; e++) {
			done_writes++;
			if (events[e].res != BLOCK)
				errors++;
			if (stop)
				busy--;
			else
				submit(ctx, fd, events[e].data, &rnd);
		}
	}
	close(fd);
	return NULL;
}

static bool all_up(void)
{
	return t_links(dev_a, PB_LINK_UP) && t_links(dev_b, PB_LINK_UP);
}

static uint64_t waiting(void)
{
	struct pb_ioc_status status;

	t_status(dev_a, &status);
	return status.in_flight + status.held;
}

/*
 * A wire that can be made to swallow what the primary sends: then the writes
 * under way are sent, and certainly not received.
 */
struct wire {
	int		a[2];		/* the primary's end, and ours */
	int		b[2];		/* the backup's end, and ours */
	volatile bool	swallows;
	volatile uint64_t swallowed;
	pthread_t	down;
	pthread_t	up;
};

static void *carry_down(void *arg)
{
	struct wire *wire = arg;
	static char buf[65536];
	ssize_t len;

	while ((len = read(wire->a[1], buf, sizeof(buf))) > 0) {
		if (wire->swallows)
			wire->swallowed += len;
		else if (send(wire->b[1], buf, len, MSG_NOSIGNAL) != len)
			break;
	}
	return NULL;
}

static void *carry_up(void *arg)
{
	struct wire *wire = arg;
	static char buf[65536];
	ssize_t len;

	while ((len = read(wire->b[1], buf, sizeof(buf))) > 0)
		if (send(wire->a[1], buf, len, MSG_NOSIGNAL) != len)
			break;
	return NULL;
}

static bool wire_connect(struct wire *wire)
{
	char reason[PB_REASON_LEN];

	memset(wire, 0, sizeof(*wire));
	t_tcp_pair(wire->a);
	t_tcp_pair(wire->b);
	pthread_create(&wire->down, NULL, carry_down, wire);
	pthread_create(&wire->up, NULL, carry_up, wire);
	return !t_connect(dev_b, wire->b[0], 0, 0, reason) &&
	       !t_connect(dev_a, wire->a[0], 0, 0, reason);
}

static void wire_close(struct wire *wire)
{
	int i;

	for (i = 0; i < 2; i++) {
		shutdown(wire->a[i], SHUT_RDWR);
		shutdown(wire->b[i], SHUT_RDWR);
	}
	pthread_join(wire->down, NULL);
	pthread_join(wire->up, NULL);
	for (i = 0; i < 2; i++) {
		close(wire->a[i]);
		close(wire->b[i]);
	}
}

/* No ack comes any more, so in the end every write under way is lost once. */
static void swallow(void)
{
	static struct wire wire;
	uint64_t before;

	if (!wire_connect(&wire) || !t_wait(all_up()))
		ok(false, "a connection over a wire of ours");
	before = done_writes;
	if (!t_wait(done_writes >= before + 200))
		ok(false, "the wire carries");
	wire.swallows = true;
	if (!t_wait(wire.swallowed && waiting() >= DEPTH))
		ok(false, "every write waits for its ack");
	wire_close(&wire);
}

static const char * const ways[] = {
	"the primary disconnects", "the backup disconnects",
	"the primary's socket is shut", "the backup's socket is shut",
	"another connection replaces it",
	"the wire swallows what is sent",
};

static void trouble(unsigned int way, int *socks)
{
	switch (way) {
	case 0:
		t_disconnect(dev_a);
		break;
	case 1:
		t_disconnect(dev_b);
		break;
	case 2:
	case 3:
		shutdown(socks[way - 2], SHUT_RDWR);
		if (!t_wait(t_links(dev_a, PB_LINK_NONE) &&
			    t_links(dev_b, PB_LINK_NONE)))
			ok(false, "a shut socket is noticed");
		break;
	case 5:
		swallow();
		break;
	default:
		break;
	}
	close(socks[0]);
	close(socks[1]);
}

static void explain(void)
{
	struct pb_ioc_status a, b;

	t_status(dev_a, &a);
	t_status(dev_b, &b);
	note("done %llu; %s: link %u '%s', in flight %llu, held %llu, seq %llu, unacked %llu",
	     (unsigned long long)done_writes, dev_a, a.downstream.state,
	     a.downstream.reason, a.in_flight, a.held, a.downstream.sent_seq,
	     a.downstream.unacked);
	note("%s: link %u '%s', in flight %llu, applying %llu, seq %llu",
	     dev_b, b.upstream.state, b.upstream.reason, b.in_flight,
	     b.applying, b.upstream.sent_seq);
}

static void one_round(unsigned int round, int *socks, uint64_t *most)
{
	unsigned int way = round % ARRAY_SIZE(ways);
	uint64_t before = done_writes;
	bool good;

	good = t_wait(done_writes >= before + 200) &&
	       t_wait(waiting() >= depth * 3 / 4);
	*most = waiting() > *most ? waiting() : *most;
	trouble(way, socks);
	good = !t_pair(dev_a, dev_b, socks) && t_wait(all_up()) && good;
	if (!good)
		explain();
	ok(good, "round %u: %s, and it goes on", round, ways[way]);
}

static void check_blocks(const char *file)
{
	uint64_t block, bad = 0, want;
	size_t len;
	uint64_t *data = t_read_file(file, &len);
	unsigned int i;

	for (block = 0; block < DEPTH * BLOCKS; block++) {
		want = latest[block] ? latest[block] << 16 | block : 0;
		for (i = 0; i < BLOCK / 8; i++)
			if (data[block * BLOCK / 8 + i] != want)
				break;
		bad += i < BLOCK / 8;
	}
	is(bad, 0, "%s: every block has its last write", file);
	free(data);
}

int main(int argc, char **argv)
{
	unsigned int rounds = t_env("PB_ROUNDS", 10, 50), i;
	uint64_t most = 0;
	pthread_t thread;
	int socks[2];

	if (argc != 5)
		return 2;
	dev_a = argv[1];
	dev_b = argv[2];
	depth = t_env("PB_DEPTH", DEPTH, DEPTH);
	if (depth > DEPTH)
		bail("PB_DEPTH is at most %u", DEPTH);
	if (t_pair(dev_a, dev_b, socks))
		return 1;
	pthread_create(&thread, NULL, writer, NULL);
	for (i = 0; i < rounds; i++)
		one_round(i, socks, &most);
	ok(most >= depth * 3 / 4, "%u writes at a time", depth);
	note("seen waiting: %llu; done: %llu; resent: %llu",
	     (unsigned long long)most, (unsigned long long)done_writes,
	     (unsigned long long)t_counter(dev_a, PB_CNT_RESENT));
	ok(t_counter(dev_a, PB_CNT_RESENT) > 0, "some were sent again");
	stop = true;
	pthread_join(thread, NULL);
	is(errors, 0, "no write failed");
	is(t_counter(dev_a, PB_CNT_RX_REFUSED) +
	   t_counter(dev_b, PB_CNT_RX_REFUSED), 0, "no message was refused");
	is(t_do_io(dev_a, T_FLUSH, 0, 0, 0), 0, "flush");
	check_blocks(argv[3]);
	check_blocks(argv[4]);
	return t_result();
}
