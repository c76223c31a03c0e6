// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile messages: the connection is refused, the disk keeps every byte, and
 * the volume serves on after a good reconnection.
 *
 *   t_hostile backup B FILE	a fake predecessor against backup B
 *   t_hostile primary A FILE	a fake successor against primary A
 *   t_hostile digests A FILE	a successor that is brought up to date by digests,
 *				and goes before it has got what differs
 *   t_hostile flood B DISK	more checks than backup B has room for
 *
 * FILE is what the device's data disk lies on; DISK is a device-mapper device
 * that is its data disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tlib.h"

#define BREAKS	30

static const char *dev;
static const char *file;
static uint64_t last_refused;

/* What is sent instead of, or after, a good beginning. */
struct hostile {
	const char *name;
	bool instead;		/* of the hello */
	bool (*say)(struct t_peer *peer);
	const char *reason;	/* part of what the status must say */
};

static bool send_hello(struct t_peer *peer, const struct pb_hello *hello,
		       uint64_t view)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_HELLO);
	struct pb_wire_hello wire;

	msg.view = view;
	pb_hello_pack(hello, &wire);
	msg.data_len = sizeof(wire);
	return t_peer_send(peer, &msg, &wire);
}

/* A hello with one thing wrong. */
#define HELLO_CASE(name, change)				\
static bool hello_##name(struct t_peer *peer)			\
{								\
	struct pb_hello h = peer->hello;			\
	uint64_t view = peer->view;				\
								\
	change;							\
	return send_hello(peer, &h, view);			\
}

HELLO_CASE(view_new, view++)
HELLO_CASE(view_old, view--)
HELLO_CASE(replica, h.replica[0] ^= 1)
HELLO_CASE(volume, h.volume[15] ^= 0x80)
HELLO_CASE(digest, h.view_digest ^= 1)
HELLO_CASE(size, h.data_sectors += peer->upstream ? 8 : -8;
	   h.capacity_sectors = h.data_sectors)
HELLO_CASE(room, h.capacity_sectors = h.data_sectors - 8)
HELLO_CASE(part, h.data_sectors -= 8)
HELLO_CASE(version, h.version_min = h.version_max = 99)
HELLO_CASE(features, h.features = 1)
HELLO_CASE(block, h.block_size = 4096)
HELLO_CASE(min_block, h.min_block_size = 4096)
HELLO_CASE(limits, h.max_data = 4096)
HELLO_CASE(incarnation, h.incarnation = 0)
HELLO_CASE(unacked, h.first_unacked = 0)

static bool hello_crc(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_HELLO);
	struct pb_wire_hello wire;

	pb_hello_pack(&peer->hello, &wire);
	wire.reserved[3] = 1;
	msg.data_len = sizeof(wire);
	return t_peer_send(peer, &msg, &wire);
}

static bool garbage(struct t_peer *peer)
{
	char bytes[64];

	memset(bytes, 'G', sizeof(bytes));
	return t_peer_raw(peer, bytes, sizeof(bytes));
}

static bool say_hello(struct t_peer *peer)
{
	return t_peer_hello(peer);
}

/* A write as it should be, then with one thing wrong. */
static struct pb_msg good_write(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_WRITE);

	msg.seq = peer->next_seq;
	msg.sector = 64;
	msg.count = 8;
	msg.data_len = 4096;
	return msg;
}

#define WRITE_CASE(name, change)				\
static bool write_##name(struct t_peer *peer)			\
{								\
	struct pb_msg m = good_write(peer);			\
								\
	change;							\
	memset(peer->data, 0xee, PB_WIRE_MAX_DATA);		\
	return t_peer_send(peer, &m, peer->data);		\
}

WRITE_CASE(early, m.seq = 1)
WRITE_CASE(view_new, m.view++)
WRITE_CASE(view_old, m.view--)
WRITE_CASE(from, m.from ^= 1)
WRITE_CASE(from_far, m.from = 200)
WRITE_CASE(again, m.seq--)
WRITE_CASE(gap, m.seq++)
WRITE_CASE(seq_zero, m.seq = 0)
WRITE_CASE(misaligned, m.sector = 63)
WRITE_CASE(odd_count, m.count = 7; m.data_len = 7 * 512)
WRITE_CASE(outside, m.sector = peer->bounds.data_sectors)
WRITE_CASE(over_end, m.sector = peer->bounds.data_sectors - 4)
WRITE_CASE(wraps, m.sector = ~0ULL - 7)
WRITE_CASE(empty, m.count = 0; m.data_len = 0)
WRITE_CASE(length, m.data_len = 8192)
WRITE_CASE(huge, m.count = 0x100000; m.data_len = 0x20000000)
WRITE_CASE(flag, m.flags = 0x80)
WRITE_CASE(status, m.status = 5)
WRITE_CASE(type, m.type = 77)

static bool bad_crc(struct t_peer *peer)
{
	struct pb_msg msg = good_write(peer);
	struct pb_wire_hdr hdr;

	pb_codec_pack(&msg, &hdr);
	hdr.sector ^= cpu_to_le64(8);
	return t_peer_raw(peer, &hdr, sizeof(hdr)) &&
	       t_peer_raw(peer, peer->data, 4096);
}

static bool zeroes_outside(struct t_peer *peer)
{
	struct pb_msg msg = good_write(peer);

	msg.type = PB_WIRE_ZEROES;
	msg.data_len = 0;
	msg.count = peer->bounds.data_sectors;
	return t_peer_send(peer, &msg, NULL);
}

#define SIZE_CASE(name, change)					\
static bool size_##name(struct t_peer *peer)			\
{								\
	struct pb_msg m = t_msg(peer, PB_WIRE_SIZE);		\
								\
	m.seq = peer->next_seq;					\
	m.sector = peer->bounds.data_sectors;			\
	change;							\
	return t_peer_send(peer, &m, NULL);			\
}

SIZE_CASE(huge, m.sector = ~0ULL - 7)
SIZE_CASE(more, m.sector += 8)
SIZE_CASE(none, m.sector = 0)
SIZE_CASE(half, m.sector--)
SIZE_CASE(seq, m.seq = 0)
SIZE_CASE(again, m.seq--)
SIZE_CASE(up, m.seq = 1)

#define CAPACITY_CASE(name, change)				\
static bool capacity_##name(struct t_peer *peer)		\
{								\
	struct pb_msg m = t_msg(peer, PB_WIRE_CAPACITY);	\
								\
	m.sector = peer->bounds.data_sectors;			\
	change;							\
	return t_peer_send(peer, &m, NULL);			\
}

CAPACITY_CASE(down, )
CAPACITY_CASE(less, m.sector -= 8)
CAPACITY_CASE(none, m.sector = 0)
CAPACITY_CASE(half, m.sector++)
CAPACITY_CASE(seq, m.seq = 1)
CAPACITY_CASE(view, m.view--)

/* A check as it should be, then with one thing wrong. */
static struct pb_msg good_check(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_CHECK);

	msg.seq = peer->next_seq;
	msg.sector = 64;
	msg.count = 16;
	msg.status = 8;
	msg.data_len = 2 * PB_WIRE_DIGEST;
	return msg;
}

#define CHECK_CASE(name, change)				\
static bool check_##name(struct t_peer *peer)			\
{								\
	struct pb_msg m = good_check(peer);			\
								\
	change;							\
	memset(peer->data, 0xee, PB_WIRE_MAX_DATA);		\
	return t_peer_send(peer, &m, peer->data);		\
}

CHECK_CASE(view_new, m.view++)
CHECK_CASE(view_old, m.view--)
CHECK_CASE(from, m.from ^= 1)
CHECK_CASE(again, m.seq--)
CHECK_CASE(gap, m.seq++)
CHECK_CASE(outside, m.sector = peer->bounds.data_sectors)
CHECK_CASE(over_end, m.sector = peer->bounds.data_sectors - 8)
CHECK_CASE(misaligned, m.sector = 63)
CHECK_CASE(huge, m.count = 1 << 20; m.data_len = 1 << 20)
CHECK_CASE(no_piece, m.status = 0)
CHECK_CASE(small_piece, m.status = 2)
CHECK_CASE(odd_piece, m.status = 24)
CHECK_CASE(great_piece, m.status = 4096; m.data_len = PB_WIRE_DIGEST)
CHECK_CASE(few, m.data_len = PB_WIRE_DIGEST)
CHECK_CASE(many, m.data_len = 3 * PB_WIRE_DIGEST)
CHECK_CASE(data, m.data_len = 8192)
CHECK_CASE(flag, m.flags = PB_WIRE_COPY)

static bool say_differs(struct t_peer *peer, uint64_t sector, uint32_t count)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_DIFFERS);

	msg.sector = sector;
	msg.count = count;
	return t_peer_send(peer, &msg, NULL);
}

/* Down from the predecessor, or up where nothing was asked. */
static bool differs(struct t_peer *peer)
{
	return say_differs(peer, 64, 16);
}

/* Agreed is a version that has no such flag. */
static bool flush_ordered(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_FLUSH);
	struct pb_hello h = peer->hello;

	h.version_max = PB_WIRE_VERSION_ORDERED - 1;
	msg.seq = peer->next_seq;
	msg.flags = PB_WIRE_ORDERED;
	return send_hello(peer, &h, peer->view) &&
	       t_peer_send(peer, &msg, NULL);
}

static bool ack_from_above(struct t_peer *peer)
{
	return t_peer_ack(peer, 1, 1);
}

/*
 * The beginning of a write and no more: not refused, but cut off by us.  The
 * bytes that came must not reach the disk.
 */
static void half_write(struct t_peer *peer)
{
	struct pb_msg msg = good_write(peer);
	struct pb_wire_hdr hdr;

	pb_codec_pack(&msg, &hdr);
	memset(peer->data, 0xee, 4096);
	t_peer_raw(peer, &hdr, sizeof(hdr));
	t_peer_raw(peer, peer->data, 2048);
	t_peer_close(peer);
}

static const struct hostile hellos[] = {
	{ "hello of the next view", true, hello_view_new, "view" },
	{ "hello of the view before", true, hello_view_old, "view" },
	{ "hello of another replica", true, hello_replica, "neighbour" },
	{ "hello of another volume", true, hello_volume, "volume" },
	{ "hello with other members", true, hello_digest, "" },
	{ "hello with a size that does not fit", true, hello_size, "smaller" },
	{ "hello with a volume without room", true, hello_room, "room" },
	{ "hello of version 99", true, hello_version, "version" },
	{ "hello with a feature", true, hello_features, "feature" },
	{ "hello with another block size", true, hello_block, "block" },
	{ "hello with a coarser disk", true, hello_min_block, "block" },
	{ "hello with a small limit", true, hello_limits, "limits" },
	{ "hello with incarnation 0", true, hello_incarnation, "incarnation" },
	{ "hello with first unacked 0", true, hello_unacked, "unacked" },
	{ "hello with a bad crc", true, hello_crc, "damaged" },
	{ "garbage for a hello", true, garbage, "not a message" },
	{ "write before the hello", true, write_early, "hello first" },
	{ "ack before the hello", true, ack_from_above, "hello first" },
	{ "second hello", false, say_hello, "second hello" },
	{ "garbage", false, garbage, "not a message" },
};

static const struct hostile downs[] = {
	{ "write of the next view", false, write_view_new, "another view" },
	{ "write of the view before", false, write_view_old, "another view" },
	{ "write from another member", false, write_from, "neighbour" },
	{ "write from member 200", false, write_from_far, "sender" },
	{ "write with a used number", false, write_again, "again" },
	{ "write with a gap before it", false, write_gap, "gap" },
	{ "write without a number", false, write_seq_zero, "sequence" },
	{ "misaligned write", false, write_misaligned, "aligned" },
	{ "write of odd length", false, write_odd_count, "aligned" },
	{ "write behind the end", false, write_outside, "outside" },
	{ "write over the end", false, write_over_end, "outside" },
	{ "write that wraps around", false, write_wraps, "outside" },
	{ "empty write", false, write_empty, "empty" },
	{ "write with another length", false, write_length, "length" },
	{ "write of 512 MiB", false, write_huge, "large" },
	{ "write with an unknown flag", false, write_flag, "flag" },
	{ "write with a status", false, write_status, "status" },
	{ "unknown type", false, write_type, "type" },
	{ "write with a bad crc", false, bad_crc, "damaged" },
	{ "zeroes over the end", false, zeroes_outside, "" },
	{ "ack from the predecessor", false, ack_from_above, "this way" },
	{ "size without room for it", false, size_huge, "no room" },
	{ "size of a block more", false, size_more, "no room" },
	{ "size of 0", false, size_none, "size of 0" },
	{ "size of half a block", false, size_half, "block size" },
	{ "size without a number", false, size_seq, "sequence" },
	{ "size again", false, size_again, "again" },
	{ "capacity from the predecessor", false, capacity_down, "this way" },
	{ "check of the next view", false, check_view_new, "another view" },
	{ "check of the view before", false, check_view_old, "another view" },
	{ "check from another member", false, check_from, "neighbour" },
	{ "check with a used number", false, check_again, "again" },
	{ "check with a gap before it", false, check_gap, "gap" },
	{ "check behind the end", false, check_outside, "outside" },
	{ "check over the end", false, check_over_end, "outside" },
	{ "misaligned check", false, check_misaligned, "aligned" },
	{ "check of 512 MiB", false, check_huge, "large" },
	{ "check without a piece", false, check_no_piece, "status" },
	{ "check of small pieces", false, check_small_piece, "status" },
	{ "check of odd pieces", false, check_odd_piece, "status" },
	{ "check of a great piece", false, check_great_piece, "status" },
	{ "check with too few digests", false, check_few, "length" },
	{ "check with too many", false, check_many, "length" },
	{ "check with the data", false, check_data, "length" },
	{ "check with a flag", false, check_flag, "flag" },
	{ "ordered flush in version 1", true, flush_ordered, "later version" },
	{ "differs from the predecessor", false, differs, "this way" },
};

static const char *last_reason(void)
{
	static struct pb_ioc_status status;

	if (t_status(dev, &status))
		bail("no status");
	return status.role == PB_ROLE_BACKUP ? status.upstream.reason :
					       status.downstream.reason;
}

/* The connection ended, with this reason, and was counted. */
static void refused(struct t_peer *peer, const struct hostile *h)
{
	uint64_t now;
	uint32_t bye;
	bool closed = t_peer_closed(peer, &bye);

	closed = closed && t_wait(t_links(dev, PB_LINK_NONE));
	now = t_counter(dev, PB_CNT_RX_REFUSED);
	ok(closed && now == last_refused + 1 && strstr(last_reason(), h->reason),
	   "%s: refused, counted, told", h->name);
	if (now != last_refused + 1 || !closed ||
	    !strstr(last_reason(), h->reason))
		note("closed %d, bye %u, refused %lld, reason '%s'", closed, bye,
		     (long long)(now - last_refused), last_reason());
	last_refused = now;
}

static void same_disk(const void *before, size_t len, const char *name)
{
	size_t now_len;
	void *now = t_read_file(file, &now_len);

	ok(now_len == len && !memcmp(now, before, len),
	   "%s: the disk is as it was", name);
	free(now);
}

static void against_backup(struct t_peer *peer, const struct hostile *h)
{
	size_t len;
	void *before;

	if (!t_peer_up(peer) || !t_peer_write(peer, 0, 8, peer->next_seq) ||
	    !t_peer_wait_ack(peer, peer->next_seq - 1)) {
		ok(false, "%s: good connection before it", h->name);
		return;
	}
	before = t_read_file(file, &len);
	if (h->instead)
		t_peer_connect(peer);
	if (h->say)
		h->say(peer);
	else
		half_write(peer);
	if (h->say)
		refused(peer, h);
	else
		ok(t_wait(t_links(dev, PB_LINK_NONE)), "%s: noticed", h->name);
	same_disk(before, len, h->name);
	free(before);
}

static int backup(void)
{
	static const struct hostile half = { "half a write", false, NULL, "" };
	struct t_peer peer;
	unsigned int i;

	t_peer_init(&peer, dev);
	last_refused = t_counter(dev, PB_CNT_RX_REFUSED);
	for (i = 0; i < ARRAY_SIZE(hellos); i++)
		against_backup(&peer, &hellos[i]);
	for (i = 0; i < ARRAY_SIZE(downs); i++)
		against_backup(&peer, &downs[i]);
	against_backup(&peer, &half);
	ok(t_peer_up(&peer) && t_peer_write(&peer, 0, 8, 0x77) &&
	   t_peer_wait_ack(&peer, peer.next_seq - 1), "it serves on");
	t_peer_free(&peer);
	return t_result();
}

/* Acks with something wrong; the last write sent has number @recv_seq. */
#define ACK_CASE(name, change)					\
static bool ack_##name(struct t_peer *peer)			\
{								\
	struct pb_msg m = t_msg(peer, PB_WIRE_ACK);		\
								\
	m.seq = peer->hello.recv_seq;				\
	m.count = 1;						\
	change;							\
	return t_peer_send(peer, &m, NULL);			\
}

ACK_CASE(view_new, m.view++)
ACK_CASE(view_old, m.view--)
ACK_CASE(from, m.from ^= 1)
ACK_CASE(never, m.seq += 1000)
ACK_CASE(next, m.seq++)
ACK_CASE(beyond, m.count = 2)
ACK_CASE(wraps, m.count = 5; m.seq = ~0ULL - 2)
ACK_CASE(nothing, m.count = 0)
ACK_CASE(sector, m.sector = 8)
ACK_CASE(data, m.data_len = 512)
ACK_CASE(old, m.seq--)
ACK_CASE(old_and_new, m.seq--; m.count = 2)

static bool write_upward(struct t_peer *peer)
{
	struct pb_msg msg = good_write(peer);

	msg.seq = 1;
	return t_peer_send(peer, &msg, peer->data);
}

static bool check_upward(struct t_peer *peer)
{
	struct pb_msg msg = good_check(peer);

	msg.seq = 1;
	return t_peer_send(peer, &msg, peer->data);
}

static bool differs_old(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_DIFFERS);

	msg.view--;
	msg.count = 16;
	return t_peer_send(peer, &msg, NULL);
}

static const struct hostile ups[] = {
	{ "ack of the next view", false, ack_view_new, "another view" },
	{ "ack of the view before", false, ack_view_old, "another view" },
	{ "ack from another member", false, ack_from, "neighbour" },
	{ "ack of what was never sent", false, ack_never, "never sent" },
	{ "ack of the next number", false, ack_next, "never sent" },
	{ "ack of one too many", false, ack_beyond, "never sent" },
	{ "ack that wraps around", false, ack_wraps, "" },
	{ "ack of nothing", false, ack_nothing, "count" },
	{ "ack with a sector", false, ack_sector, "sector" },
	{ "ack with data", false, ack_data, "length" },
	{ "ack again", false, ack_old, "" },
	{ "ack again and a new one", false, ack_old_and_new, "" },
	{ "write from the successor", false, write_upward, "this way" },
	{ "size from the successor", false, size_up, "this way" },
	{ "less capacity than before", false, capacity_less, "fit" },
	{ "capacity of 0", false, capacity_none, "size of 0" },
	{ "capacity of half a block", false, capacity_half, "block size" },
	{ "capacity with a number", false, capacity_seq, "sequence" },
	{ "capacity of the view before", false, capacity_view, "another view" },
	{ "hello of a synced one that knows less", true, hello_part, "smaller" },
	{ "check from the successor", false, check_upward, "this way" },
	{ "differs that nobody asked for", false, differs, "does not fit" },
	{ "differs of the view before", false, differs_old, "another view" },
};

/* One write is acked, the next one waits; both on this connection. */
static bool good_start(struct t_peer *peer, struct t_io *io)
{
	struct pb_msg msg;

	if (!t_peer_up(peer))
		return false;
	t_io_start(io, dev, T_WRITE, 0, 4096, 1);
	if (!t_peer_expect(peer, PB_WIRE_WRITE, &msg) ||
	    !t_peer_ack(peer, msg.seq, 1) || t_io_finish(io))
		return false;
	t_io_start(io, dev, T_WRITE, 65536, 4096, 2);
	return t_peer_expect(peer, PB_WIRE_WRITE, &msg);
}

static void against_primary(struct t_peer *peer, const struct hostile *h)
{
	struct pb_msg msg;
	struct t_io io;
	bool again;

	if (!good_start(peer, &io)) {
		ok(false, "%s: good connection before it", h->name);
		return;
	}
	if (h->instead) {
		t_peer_connect(peer);
		t_peer_recv(peer, &msg, T_DEADLINE_MS);
	}
	h->say(peer);
	refused(peer, h);
	ok(!t_io_done(&io), "%s: the write waits", h->name);
	/* The fake forgets that it got the write: it must come again. */
	peer->hello.recv_seq--;
	again = t_peer_up(peer) && t_peer_expect(peer, PB_WIRE_WRITE, &msg) &&
		t_peer_ack(peer, msg.seq, 1);
	ok(again && !t_io_finish(&io), "%s: sent again and done", h->name);
}

/* Recv_seq of a hello is judged as well: below what it acked, above all. */
static void wrong_resume(struct t_peer *peer)
{
	static const struct hostile low = { "hello that forgets acks", true,
					    NULL, "" };
	static const struct hostile high = { "hello that got what was never sent",
					     true, NULL, "" };
	uint64_t recv_seq = peer->hello.recv_seq;

	peer->hello.recv_seq = 0;
	t_peer_up(peer);
	refused(peer, &low);
	peer->hello.recv_seq = recv_seq + 1000;
	t_peer_up(peer);
	refused(peer, &high);
	peer->hello.recv_seq = recv_seq;
}

static int begin_verify(uint32_t flags)
{
	struct pb_ioc_verify arg = { .dev = t_dev(dev), .flags = flags };

	return t_ioctl(PB_IOC_VERIFY, &arg);
}

static struct pb_verify_info verify_info(void)
{
	struct pb_ioc_status status;

	if (t_status(dev, &status))
		bail("no status");
	return status.verify;
}

/* A good successor from here on: it acks what comes. */
static bool verify_ends(struct t_peer *peer)
{
	uint64_t end = t_now_ms() + T_DEADLINE_MS;
	struct pb_msg msg;

	while (verify_info().state == PB_VERIFY_RUN && t_now_ms() < end)
		if (t_peer_recv(peer, &msg, 20) == T_GOT)
			t_peer_ack(peer, msg.seq, 1);
	return verify_info().state == PB_VERIFY_DONE;
}

/* A successor that says nonsense about what it was asked to compare. */
/* Chunks are read side by side: the volume's last one may come first. */
static bool check_before_end(struct t_peer *peer, struct pb_msg *msg)
{
	do {
		if (!t_peer_expect(peer, PB_WIRE_CHECK, msg))
			return false;
	} while (msg->sector + msg->count == peer->bounds.data_sectors);
	return true;
}

static void wrong_differences(struct t_peer *peer)
{
	static const struct hostile over = { "differs over a check's end", false,
					     NULL, "does not fit" };
	static const struct hostile after = { "differs after the ack", false,
					      NULL, "does not fit" };
	struct pb_msg msg;
	unsigned int i;

	ok(t_peer_up(peer) && !begin_verify(0) && check_before_end(peer, &msg),
	   "a check comes");
	say_differs(peer, msg.sector + msg.count - 2, 4);
	refused(peer, &over);
	is(verify_info().state, PB_VERIFY_RUN, "the verification goes on");
	ok(t_peer_up(peer) && t_peer_expect(peer, PB_WIRE_CHECK, &msg),
	   "and asks again");
	for (i = 0; i < 20000; i++)
		say_differs(peer, msg.sector + 2, 2);
	t_peer_ack(peer, msg.seq, 1);
	ok(verify_ends(peer), "20000 times the same: it ends");
	is(verify_info().differs, 65536, "and counts a region");
	say_differs(peer, msg.sector, 2);
	refused(peer, &after);
}

/* Nothing waits for a successor that never says what it found. */
static void no_answer(struct t_peer *peer)
{
	struct pb_msg msg;

	ok(t_peer_up(peer) && !begin_verify(0) &&
	   t_peer_expect(peer, PB_WIRE_CHECK, &msg), "a check comes");
	is(begin_verify(0), -EBUSY, "no second verification");
	is(begin_verify(PB_VERIFY_STOP), 0, "it is stopped");
	is(begin_verify(PB_VERIFY_STOP), -ENOENT, "not twice");
	is(begin_verify(0), -EBUSY, "a check is under way still");
	is(t_disconnect(dev), 0, "the connection goes, and the check with it");
	ok(t_wait(!begin_verify(0)), "the next one begins");
	is(verify_info().state, PB_VERIFY_RUN, "and waits for a connection");
	ok(t_peer_up(peer) && verify_ends(peer), "it ends");
	is(verify_info().differs, 0, "and found nothing");
	is(begin_verify(0), 0, "one more");
	ok(t_peer_expect(peer, PB_WIRE_CHECK, &msg), "it waits for an answer");
	t_peer_close(peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "which will never come");
}

static bool covers(const struct pb_msg *msg, uint64_t sector)
{
	return msg->sector <= sector && sector < msg->sector + msg->count;
}

/*
 * Acks what comes until @sector is asked about, or copied; or, without one,
 * until all is said.  True if that came.
 */
static bool take_until(struct t_peer *peer, uint8_t type, uint64_t sector,
		       struct pb_msg *msg)
{
	while (t_peer_recv(peer, msg, T_DEADLINE_MS) == T_GOT) {
		if (msg->type == type &&
		    (type == PB_WIRE_SYNC_DONE || covers(msg, sector)))
			return true;
		t_peer_ack(peer, msg->seq, 1);
	}
	return false;
}

/* What is under way when the link breaks is not begun again without one. */
static unsigned int breaks(struct t_peer *peer)
{
	unsigned int round;
	struct pb_msg msg;

	for (round = 0; round < BREAKS; round++) {
		if (!t_peer_up(peer) ||
		    !t_peer_expect(peer, PB_WIRE_CHECK, &msg))
			break;
		t_peer_close(peer);
		if (!t_wait(t_links(dev, PB_LINK_NONE)))
			break;
	}
	return round;
}

static int digests(void)
{
	struct pb_ioc_sync arg = { .dev = t_dev(dev), .checksum = 1,
				   .set = PB_SYNC_SET_CHECKSUM };
	uint64_t sector = 2048 + 128;
	struct pb_ioc_status status;
	struct t_peer peer;
	struct pb_msg msg;

	t_peer_init(&peer, dev);
	t_status(dev, &status);
	is(t_ioctl(PB_IOC_SET_SYNC, &arg), 0, "by digests");
	peer.hello.data.state = PB_REPLICA_BLANK;
	ok(t_peer_up(&peer) && take_until(&peer, PB_WIRE_CHECK, sector, &msg),
	   "a check comes");
	say_differs(&peer, sector, 128);
	t_peer_ack(&peer, msg.seq, 1);
	ok(take_until(&peer, PB_WIRE_WRITE, sector, &msg) &&
	   msg.sector == sector && msg.count == 128 &&
	   msg.flags == PB_WIRE_COPY, "what differs comes, and no more");
	t_peer_close(&peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "the link breaks before its ack");

	/* The fake got it; but its disk has not. */
	peer.hello.recv_seq = msg.seq;
	peer.hello.data.state = PB_REPLICA_SYNCING;
	peer.hello.data.sync_view = peer.view;
	memcpy(peer.hello.data.sync_source, status.replica, PB_UUID_LEN);
	ok(t_peer_up(&peer) && take_until(&peer, PB_WIRE_CHECK, sector, &msg),
	   "it is asked about again");
	t_peer_close(&peer);
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "and the link breaks again");
	ok(breaks(&peer) == BREAKS, "as often as it likes");
	ok(t_peer_up(&peer) && take_until(&peer, PB_WIRE_SYNC_DONE, 0, &msg),
	   "it ends");
	t_peer_free(&peer);
	return t_result();
}

static uint64_t free_kib(void)
{
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void disk(const char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "dmsetup %s %s", what, file);
	if (system(command))
		bail("%s", command);
}

static uint64_t applying(void)
{
	struct pb_ioc_status status;

	if (t_status(dev, &status))
		bail("no status");
	return status.applying;
}

/* Sends what the socket takes of @nr checks of @count sectors each. */
static void flood(struct t_peer *peer, unsigned int nr, uint32_t count,
		  uint64_t least, uint64_t most)
{
	struct timeval soon = { .tv_usec = 200000 };
	uint64_t throttled = t_counter(dev, PB_CNT_RX_THROTTLED);
	uint64_t before = free_kib(), used;
	struct pb_msg msg;

	setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
	while (nr--) {
		msg = good_check(peer);
		msg.count = count;
		msg.sector = peer->next_seq * count % peer->bounds.data_sectors;
		msg.status = 2048;
		msg.data_len = PB_WIRE_DIGEST;
		if (!t_peer_send(peer, &msg, peer->data))
			break;
		peer->next_seq++;
	}
	ok(t_wait(t_counter(dev, PB_CNT_RX_THROTTLED) > throttled),
	   "it stops reading");
	used = applying();
	ok(used >= least && used <= most, "%llu checks wait for the disk",
	   (unsigned long long)used);
	used = before - free_kib();
	ok((int64_t)used < t_slow() * (48 << 10), "their memory is bounded: %lld KiB",
		  (long long)used);
}

static int flood_backup(void)
{
	static const struct {
		unsigned int nr;
		uint32_t count;
		uint64_t least, most;
	} floods[] = {
		{ 8000, 2, 1000, 4096 },
		{ 40, 2048, 8, 16 },
	};
	struct t_peer peer;
	unsigned int i;

	t_peer_init(&peer, dev);
	for (i = 0; i < ARRAY_SIZE(floods); i++) {
		ok(t_peer_up(&peer), "a good predecessor connects");
		memset(peer.data, 0xee, PB_WIRE_MAX_DATA);
		disk("suspend");
		flood(&peer, floods[i].nr, floods[i].count, floods[i].least,
		      floods[i].most);
		disk("resume");
		ok(t_wait(!applying()), "they are done when the disk is");
		t_peer_close(&peer);
		ok(t_wait(t_links(dev, PB_LINK_NONE)), "the end is noticed");
	}
	ok(t_peer_up(&peer) && t_peer_write(&peer, 0, 8, 0x77) &&
	   t_peer_wait_ack(&peer, peer.next_seq - 1), "it serves on");
	t_peer_free(&peer);
	return t_result();
}

static int primary(void)
{
	struct t_peer peer;
	struct t_io io;
	unsigned int i;

	t_peer_init(&peer, dev);
	last_refused = t_counter(dev, PB_CNT_RX_REFUSED);
	for (i = 0; i < ARRAY_SIZE(hellos); i++)
		against_primary(&peer, &hellos[i]);
	for (i = 0; i < ARRAY_SIZE(ups); i++)
		against_primary(&peer, &ups[i]);
	wrong_resume(&peer);
	wrong_differences(&peer);
	ok(t_peer_up(&peer), "a good successor connects");
	t_io_start(&io, dev, T_FUA, 0, 4096, 9);
	is(t_peer_finish(&peer, &io), 0, "it serves on");
	no_answer(&peer);
	t_peer_free(&peer);
	return t_result();
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	dev = argv[2];
	file = argv[3];
	if (!strcmp(argv[1], "digests"))
		return digests();
	if (!strcmp(argv[1], "flood"))
		return flood_backup();
	return strcmp(argv[1], "backup") ? primary() : backup();
}
