// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-codec.c and of the crc32c that it stands on.
 */
#include "pb-codec.h"
#include "pb-view.h"
#include "tap.h"

static const char *why;

static const struct pb_bounds bounds = {
	.data_sectors = 1 << 20,
	.block_size = 4096,
};

/* crc32c */

static u32 crc_bitwise(u32 crc, const u8 *p, u32 len)
{
	u32 k;

	while (len--) {
		crc ^= *p++;
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

static void test_crc(void)
{
	u8 text[600];
	u32 i, len, bad = 0;

	is(pb_crc32c("123456789", 9), 0xe3069283, "crc32c: check value");
	is(pb_crc32c("", 0), 0, "crc32c: of nothing");
	memset(text, 0, 32);
	is(pb_crc32c(text, 32), 0x8a9136aa, "crc32c: 32 zeroes (RFC 3720)");
	memset(text, 0xff, 32);
	is(pb_crc32c(text, 32), 0x62a8ab43, "crc32c: 32 ones (RFC 3720)");
	for (i = 0; i < sizeof(text); i++)
		text[i] = i * 167 + (i >> 3);
	for (i = 0; i < 9; i++)
		for (len = 0; len < 590; len++)
			bad += crc32c(len, text + i, len) !=
			       crc_bitwise(len, text + i, len);
	is(bad, 0, "crc32c: bit by bit the same, any length and alignment");
	is(crc32c(crc32c(~0U, text, 123), text + 123, 400),
	   crc32c(~0U, text, 523), "crc32c: in two steps");
}

/* Headers */

/* A type of this version. */
static bool known(u8 type)
{
	return type >= PB_WIRE_HELLO && type <= PB_WIRE_SIZE;
}

#define for_each_type(type, first) \
	for (type = first; type <= PB_WIRE_SIZE; type++) \
		if (known(type))

/* It travels upstream only. */
static bool goes_up(u8 type)
{
	return type == PB_WIRE_ACK || type == PB_WIRE_MARK ||
	       type == PB_WIRE_DIFFERS || type == PB_WIRE_DATA ||
	       type == PB_WIRE_CAPACITY;
}

static struct pb_msg sample(u8 type)
{
	struct pb_msg msg = {
		.type = type,
		.from = 1,
		.view = 9,
		.stamp = 0x0102030405060708,
		.echo = 77,
	};

	if (type >= PB_WIRE_WRITE &&
	    (!goes_up(type) || type == PB_WIRE_ACK ||
	     type == PB_WIRE_DATA))
		msg.seq = 5;
	if (type == PB_WIRE_CAPACITY || type == PB_WIRE_SIZE)
		msg.sector = 1 << 16;
	if (type == PB_WIRE_WRITE || type == PB_WIRE_ZEROES ||
	    type == PB_WIRE_MARK ||
	    (type >= PB_WIRE_READ && type <= PB_WIRE_DIFFERS)) {
		msg.sector = 800;
		msg.count = 16;
	}
	if (type == PB_WIRE_WRITE || type == PB_WIRE_DATA)
		msg.data_len = 8192;
	if (type == PB_WIRE_ACK)
		msg.count = 3;
	if (type == PB_WIRE_HELLO)
		msg.data_len = 192;
	if (type == PB_WIRE_BYE)
		msg.status = PB_BYE_REMOVED;
	if (type == PB_WIRE_CHECK) {
		msg.status = 8;
		msg.data_len = 64;
	}
	return msg;
}

static void seal(struct pb_wire_hdr *hdr)
{
	hdr->crc = cpu_to_le32(~crc_bitwise(~0U, (const u8 *)hdr, 60));
}

static bool same(const struct pb_msg *a, const struct pb_msg *b)
{
	return a->type == b->type && a->flags == b->flags &&
	       a->from == b->from && a->view == b->view && a->seq == b->seq &&
	       a->sector == b->sector && a->count == b->count &&
	       a->data_len == b->data_len && a->stamp == b->stamp &&
	       a->echo == b->echo && a->status == b->status;
}

static int unpack_in(const struct pb_wire_hdr *hdr, const struct pb_bounds *in,
		     struct pb_msg *msg)
{
	struct pb_msg before;
	int ret;

	memset(msg, 0x5a, sizeof(*msg));
	memset(&before, 0x5a, sizeof(before));
	why = NULL;
	ret = pb_codec_unpack(hdr, in, msg, &why);
	if (ret && (!why || memcmp(msg, &before, sizeof(before))))
		ok(false, "a refusal gives a reason and no message");
	return ret;
}

static int unpack(const struct pb_wire_hdr *hdr, struct pb_msg *msg)
{
	return unpack_in(hdr, &bounds, msg);
}

static int unpack_msg(const struct pb_msg *msg, const struct pb_bounds *in)
{
	struct pb_wire_hdr hdr;
	struct pb_msg got;
	int ret;

	pb_codec_pack(msg, &hdr);
	ret = unpack_in(&hdr, in, &got);
	if (!ret && !same(msg, &got))
		ok(false, "what is unpacked is what was packed");
	return ret;
}

static void test_layout(void)
{
	static const u8 text[60] =
		"PBW1\4\1\1\0"
		"\x09\0\0\0\0\0\0\0"
		"\x05\0\0\0\0\0\0\0"
		"\x20\x03\0\0\0\0\0\0"
		"\x10\0\0\0\0\x20\0\0"
		"\x08\x07\x06\x05\x04\x03\x02\x01"
		"\x4d\0\0\0\0\0\0\0"
		"\0\0\0";
	struct pb_msg msg = sample(PB_WIRE_WRITE);
	struct pb_wire_hdr hdr, twin;

	msg.flags = PB_WIRE_FUA;
	memset(&hdr, 0xff, sizeof(hdr));
	pb_codec_pack(&msg, &hdr);
	ok(!memcmp(&hdr, text, sizeof(text)), "the bytes of a write");
	twin = hdr;
	seal(&twin);
	is(le32_to_cpu(hdr.crc), le32_to_cpu(twin.crc), "its crc");
}

static void test_damage(void)
{
	struct pb_msg msg = sample(PB_WIRE_WRITE);
	struct pb_wire_hdr hdr;
	u32 i, bad = 0, type;
	u8 *byte = (u8 *)&hdr;

	for_each_type(type, PB_WIRE_HELLO) {
		msg = sample(type);
		is(unpack_msg(&msg, &bounds), 0, pb_wire_type_name(type));
		pb_codec_pack(&msg, &hdr);
		for (i = 0; i < 512; i++) {
			byte[i / 8] ^= 1 << (i % 8);
			bad += unpack(&hdr, &msg) != -EBADMSG;
			byte[i / 8] ^= 1 << (i % 8);
		}
	}
	is(bad, 0, "each bit of each type flipped");
	memset(&hdr, 0, sizeof(hdr));
	is(unpack(&hdr, &msg), -EBADMSG, "zeroes");
	seal(&hdr);
	is(unpack(&hdr, &msg), -EBADMSG, "zeroes with a good crc");
	msg = sample(PB_WIRE_KEEPALIVE);
	pb_codec_pack(&msg, &hdr);
	hdr.reserved = 1;
	seal(&hdr);
	is(unpack(&hdr, &msg), -EPROTO, "reserved not zero");
}

enum field {
	TYPE, FLAGS, FROM, VIEW, SEQ, SECTOR, COUNT, DATA_LEN, STAMP, ECHO,
	STATUS
};

static void set(struct pb_msg *msg, enum field field, u64 value)
{
	switch (field) {
	case TYPE:
		msg->type = value;
		break;
	case FLAGS:
		msg->flags = value;
		break;
	case FROM:
		msg->from = value;
		break;
	case VIEW:
		msg->view = value;
		break;
	case SEQ:
		msg->seq = value;
		break;
	case SECTOR:
		msg->sector = value;
		break;
	case COUNT:
		msg->count = value;
		break;
	case DATA_LEN:
		msg->data_len = value;
		break;
	case STAMP:
		msg->stamp = value;
		break;
	case ECHO:
		msg->echo = value;
		break;
	case STATUS:
		msg->status = value;
		break;
	}
}

#define HELLO		PB_WIRE_HELLO
#define BYE		PB_WIRE_BYE
#define KEEPALIVE	PB_WIRE_KEEPALIVE
#define WRITE		PB_WIRE_WRITE
#define FLUSH		PB_WIRE_FLUSH
#define ZEROES		PB_WIRE_ZEROES
#define ACK		PB_WIRE_ACK
#define READ		PB_WIRE_READ
#define DATA		PB_WIRE_DATA
#define SIZE		PB_WIRE_SIZE
#define CAPACITY	PB_WIRE_CAPACITY
#define CHECK		PB_WIRE_CHECK
#define DIFFERS		PB_WIRE_DIFFERS

static const struct {
	u8		type;
	enum field	field;
	u64		value;
	int		want;
	const char	*text;
} cases[] = {
	{ HELLO, TYPE, 0, -EPROTO, "type 0" },
	{ HELLO, TYPE, 8, -EPROTO, "type 8" },
	{ HELLO, TYPE, 255, -EPROTO, "type 255" },
	{ READ, FLAGS, 1, -EPROTO, "read: flag" },
	{ READ, SEQ, 0, -EPROTO, "read: no number" },
	{ READ, SECTOR, 804, -ERANGE, "read: misaligned" },
	{ READ, SECTOR, 1 << 20, -ERANGE, "read: outside" },
	{ READ, SECTOR, (1 << 20) - 8, -ERANGE, "read: over the end" },
	{ READ, COUNT, 0, -ERANGE, "read: empty" },
	{ READ, COUNT, 2048, 0, "read: the largest" },
	{ READ, COUNT, 2056, -ERANGE, "read: too large" },
	{ READ, DATA_LEN, 8192, -EPROTO, "read: payload" },
	{ READ, STATUS, 5, -EPROTO, "read: status" },
	{ DATA, FLAGS, 4, -EPROTO, "data: flag" },
	{ DATA, SEQ, 0, -EPROTO, "data: no number" },
	{ DATA, SECTOR, U64_MAX - 7, -ERANGE, "data: outside" },
	{ DATA, COUNT, 8, -EPROTO, "data: other count than payload" },
	{ DATA, DATA_LEN, 0, -EPROTO, "data: neither payload nor reason" },
	{ DATA, DATA_LEN, U32_MAX, -EPROTO, "data: huge payload" },
	{ DATA, STATUS, 5, -EPROTO, "data: payload and reason" },
	{ HELLO, FLAGS, 1, -EPROTO, "hello: flag" },
	{ HELLO, FROM, 7, 0, "hello: last member" },
	{ HELLO, FROM, 8, -EPROTO, "hello: member 8" },
	{ HELLO, FROM, PB_NO_MEMBER, -EPROTO, "hello: no member" },
	{ HELLO, VIEW, 0, 0, "hello: view 0" },
	{ HELLO, SEQ, 1, -EPROTO, "hello: sequence number" },
	{ HELLO, SECTOR, 8, -EPROTO, "hello: sector" },
	{ HELLO, COUNT, 8, -EPROTO, "hello: count" },
	{ HELLO, DATA_LEN, 0, -EPROTO, "hello: no payload" },
	{ HELLO, DATA_LEN, 129, -EPROTO, "hello: larger payload" },
	{ HELLO, DATA_LEN, U32_MAX, -EPROTO, "hello: huge payload" },
	{ HELLO, STATUS, 1, -EPROTO, "hello: status" },
	{ BYE, FLAGS, 2, -EPROTO, "bye: flag" },
	{ BYE, FROM, PB_NO_MEMBER, 0, "bye: no member" },
	{ BYE, FROM, 8, -EPROTO, "bye: member 8" },
	{ BYE, VIEW, 0, 0, "bye: view 0" },
	{ BYE, SEQ, 1, -EPROTO, "bye: sequence number" },
	{ BYE, SECTOR, 8, -EPROTO, "bye: sector" },
	{ BYE, COUNT, 1, -EPROTO, "bye: count" },
	{ BYE, DATA_LEN, 1, -EPROTO, "bye: payload" },
	{ BYE, STATUS, PB_BYE_NONE, -EPROTO, "bye: no reason" },
	{ BYE, STATUS, PB_BYE_NR - 1, 0, "bye: last reason" },
	{ BYE, STATUS, PB_BYE_NR, -EPROTO, "bye: unknown reason" },
	{ BYE, STATUS, U32_MAX, -EPROTO, "bye: reason 4294967295" },
	{ KEEPALIVE, FLAGS, 1, -EPROTO, "keepalive: flag" },
	{ KEEPALIVE, FLAGS, PB_WIRE_ASK, 0, "keepalive: answer at once" },
	{ KEEPALIVE, FLAGS, PB_WIRE_ASK << 1, -EPROTO, "keepalive: a flag of none" },
	{ WRITE, FLAGS, PB_WIRE_ASK, -EPROTO, "write: answer at once" },
	{ KEEPALIVE, FROM, PB_NO_MEMBER, -EPROTO, "keepalive: no member" },
	{ KEEPALIVE, VIEW, 0, -EPROTO, "keepalive: view 0" },
	{ KEEPALIVE, VIEW, U64_MAX, 0, "keepalive: last view" },
	{ KEEPALIVE, SEQ, 1, -EPROTO, "keepalive: sequence number" },
	{ KEEPALIVE, SECTOR, 1, 0, "keepalive: what is done" },
	{ KEEPALIVE, COUNT, 1, -EPROTO, "keepalive: count" },
	{ KEEPALIVE, DATA_LEN, 512, -EPROTO, "keepalive: payload" },
	{ KEEPALIVE, STAMP, 0, 0, "keepalive: no stamp" },
	{ KEEPALIVE, STAMP, U64_MAX, 0, "keepalive: last stamp" },
	{ KEEPALIVE, ECHO, 0, 0, "keepalive: no echo" },
	{ KEEPALIVE, ECHO, U64_MAX, 0, "keepalive: last echo" },
	{ KEEPALIVE, STATUS, 1, -EPROTO, "keepalive: status" },
	{ WRITE, FLAGS, PB_WIRE_FUA, 0, "write: FUA" },
	{ WRITE, FLAGS, PB_WIRE_NOUNMAP, -EPROTO, "write: NOUNMAP" },
	{ WRITE, FLAGS, 0x80, -EPROTO, "write: unknown flag" },
	{ WRITE, VIEW, 0, -EPROTO, "write: view 0" },
	{ WRITE, FROM, 8, -EPROTO, "write: member 8" },
	{ WRITE, SEQ, 0, -EPROTO, "write: no sequence number" },
	{ WRITE, SEQ, U64_MAX, 0, "write: last sequence number" },
	{ WRITE, SECTOR, 0, 0, "write: at the start" },
	{ WRITE, SECTOR, 801, -ERANGE, "write: misaligned" },
	{ WRITE, SECTOR, 804, -ERANGE, "write: half aligned" },
	{ WRITE, SECTOR, (1 << 20) - 16, 0, "write: up to the end" },
	{ WRITE, SECTOR, (1 << 20) - 8, -ERANGE, "write: past the end" },
	{ WRITE, SECTOR, 1 << 20, -ERANGE, "write: behind the end" },
	{ WRITE, SECTOR, 0ULL - 8, -ERANGE, "write: wraps" },
	{ WRITE, SECTOR, 1ULL << 63, -ERANGE, "write: far out" },
	{ WRITE, COUNT, 0, -ERANGE, "write: empty" },
	{ WRITE, COUNT, 12, -ERANGE, "write: count misaligned" },
	{ WRITE, COUNT, 8, -EPROTO, "write: count below the payload" },
	{ WRITE, COUNT, 24, -EPROTO, "write: count above the payload" },
	{ WRITE, COUNT, 2056, -ERANGE, "write: too large" },
	{ WRITE, COUNT, 0x80000010, -ERANGE, "write: count that overflows" },
	{ WRITE, DATA_LEN, 0, -EPROTO, "write: no payload" },
	{ WRITE, DATA_LEN, 8191, -EPROTO, "write: a byte missing" },
	{ WRITE, DATA_LEN, U32_MAX, -EPROTO, "write: huge payload" },
	{ WRITE, STATUS, 1, -EPROTO, "write: status" },
	{ FLUSH, FLAGS, PB_WIRE_FUA, -EPROTO, "flush: FUA" },
	{ FLUSH, VIEW, 0, -EPROTO, "flush: view 0" },
	{ FLUSH, FROM, 255, -EPROTO, "flush: no member" },
	{ FLUSH, SEQ, 0, -EPROTO, "flush: no sequence number" },
	{ FLUSH, SECTOR, U64_MAX, 0, "flush: what is done" },
	{ FLUSH, COUNT, 8, -EPROTO, "flush: count" },
	{ FLUSH, DATA_LEN, 4096, -EPROTO, "flush: payload" },
	{ FLUSH, STATUS, 1, -EPROTO, "flush: status" },
	{ ZEROES, FLAGS, PB_WIRE_FUA | PB_WIRE_NOUNMAP, 0, "zeroes: flags" },
	{ ZEROES, FLAGS, PB_WIRE_COPY, 0, "zeroes: part of a transfer" },
	{ ZEROES, FLAGS, 8, -EPROTO, "zeroes: unknown flag" },
	{ ZEROES, VIEW, 0, -EPROTO, "zeroes: view 0" },
	{ ZEROES, SEQ, 0, -EPROTO, "zeroes: no sequence number" },
	{ ZEROES, SECTOR, 1, -ERANGE, "zeroes: misaligned" },
	{ ZEROES, SECTOR, (1 << 20) - 8, -ERANGE, "zeroes: past the end" },
	{ ZEROES, COUNT, 0, -ERANGE, "zeroes: empty" },
	{ ZEROES, COUNT, PB_WIRE_MAX_ZEROES, 0, "zeroes: largest" },
	{ ZEROES, COUNT, PB_WIRE_MAX_ZEROES + 8, -ERANGE, "zeroes: too large" },
	{ ZEROES, COUNT, U32_MAX, -ERANGE, "zeroes: far too large" },
	{ ZEROES, DATA_LEN, 8192, -EPROTO, "zeroes: payload" },
	{ ZEROES, STATUS, 1, -EPROTO, "zeroes: status" },
	{ ACK, FLAGS, 1, -EPROTO, "ack: flag" },
	{ ACK, VIEW, 0, -EPROTO, "ack: view 0" },
	{ ACK, FROM, 9, -EPROTO, "ack: member 9" },
	{ ACK, SEQ, 0, -EPROTO, "ack: no sequence number" },
	{ ACK, SEQ, U64_MAX - 2, 0, "ack: to the last number" },
	{ ACK, SEQ, U64_MAX - 1, -EPROTO, "ack: past the last number" },
	{ ACK, SECTOR, 8, -EPROTO, "ack: sector" },
	{ ACK, COUNT, 0, -EPROTO, "ack: of nothing" },
	{ ACK, COUNT, U32_MAX, 0, "ack: of many" },
	{ ACK, DATA_LEN, 1, -EPROTO, "ack: payload" },
	{ ACK, STATUS, 1, -EPROTO, "ack: status" },
	{ SIZE, SECTOR, 0, -ERANGE, "size: none" },
	{ SIZE, SECTOR, 4, -ERANGE, "size: half a block" },
	{ SIZE, SECTOR, 1 << 20, 0, "size: all that there is room for" },
	{ SIZE, SECTOR, (1 << 20) + 8, -ERANGE, "size: a block more" },
	{ SIZE, SECTOR, U64_MAX - 7, -ERANGE, "size: huge" },
	{ SIZE, COUNT, 8, -EPROTO, "size: count" },
	{ SIZE, SEQ, 0, -EPROTO, "size: no number" },
	{ SIZE, FLAGS, 1, -EPROTO, "size: flag" },
	{ SIZE, DATA_LEN, 8, -EPROTO, "size: payload" },
	{ CAPACITY, SECTOR, 0, -ERANGE, "capacity: none" },
	{ CAPACITY, SECTOR, 4, -ERANGE, "capacity: half a block" },
	{ CAPACITY, SECTOR, U64_MAX - 7, 0, "capacity: huge" },
	{ CAPACITY, COUNT, 8, -EPROTO, "capacity: count" },
	{ CAPACITY, SEQ, 1, -EPROTO, "capacity: number" },
	{ CAPACITY, STATUS, 1, -EPROTO, "capacity: status" },
	{ CHECK, FLAGS, PB_WIRE_COPY, -EPROTO, "check: part of a transfer" },
	{ CHECK, FLAGS, PB_WIRE_FUA, -EPROTO, "check: FUA" },
	{ CHECK, VIEW, 0, -EPROTO, "check: view 0" },
	{ CHECK, FROM, 8, -EPROTO, "check: member 8" },
	{ CHECK, SEQ, 0, -EPROTO, "check: no sequence number" },
	{ CHECK, SECTOR, 801, -ERANGE, "check: misaligned" },
	{ CHECK, SECTOR, (1 << 20) - 16, 0, "check: up to the end" },
	{ CHECK, SECTOR, (1 << 20) - 8, -ERANGE, "check: past the end" },
	{ CHECK, SECTOR, 0ULL - 8, -ERANGE, "check: wraps" },
	{ CHECK, COUNT, 0, -ERANGE, "check: empty" },
	{ CHECK, COUNT, 12, -ERANGE, "check: count misaligned" },
	{ CHECK, COUNT, 8, -EPROTO, "check: a digest too many" },
	{ CHECK, COUNT, 24, -EPROTO, "check: a digest missing" },
	{ CHECK, COUNT, 2056, -ERANGE, "check: too large" },
	{ CHECK, COUNT, U32_MAX - 7, -ERANGE, "check: far too large" },
	{ CHECK, DATA_LEN, 0, -EPROTO, "check: no digest" },
	{ CHECK, DATA_LEN, 63, -EPROTO, "check: a byte missing" },
	{ CHECK, DATA_LEN, 65, -EPROTO, "check: a byte too many" },
	{ CHECK, DATA_LEN, 8192, -EPROTO, "check: data for digests" },
	{ CHECK, DATA_LEN, U32_MAX, -EPROTO, "check: huge payload" },
	{ CHECK, STATUS, 0, -EPROTO, "check: no piece" },
	{ CHECK, STATUS, 1, -EPROTO, "check: piece of a sector" },
	{ CHECK, STATUS, 4, -EPROTO, "check: piece below the least" },
	{ CHECK, STATUS, 12, -EPROTO, "check: piece not a power of two" },
	{ CHECK, STATUS, 16, -EPROTO, "check: one digest for all" },
	{ CHECK, STATUS, 4096, -EPROTO, "check: piece above the greatest" },
	{ CHECK, STATUS, 1U << 31, -EPROTO, "check: huge piece" },
	{ CHECK, STATUS, U32_MAX, -EPROTO, "check: piece 4294967295" },
	{ DIFFERS, FLAGS, 1, -EPROTO, "differs: flag" },
	{ DIFFERS, VIEW, 0, -EPROTO, "differs: view 0" },
	{ DIFFERS, FROM, 9, -EPROTO, "differs: member 9" },
	{ DIFFERS, SEQ, 1, -EPROTO, "differs: sequence number" },
	{ DIFFERS, SECTOR, 801, -ERANGE, "differs: misaligned" },
	{ DIFFERS, SECTOR, (1 << 20) - 8, -ERANGE, "differs: past the end" },
	{ DIFFERS, SECTOR, 0ULL - 8, -ERANGE, "differs: wraps" },
	{ DIFFERS, COUNT, 0, -ERANGE, "differs: nothing" },
	{ DIFFERS, COUNT, 2048, 0, "differs: all of the largest check" },
	{ DIFFERS, COUNT, 2056, -ERANGE, "differs: more than a check" },
	{ DIFFERS, DATA_LEN, 32, -EPROTO, "differs: payload" },
	{ DIFFERS, STATUS, 8, -EPROTO, "differs: status" },
};

static void test_cases(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pb_msg msg = sample(cases[i].type);

		set(&msg, cases[i].field, cases[i].value);
		is(unpack_msg(&msg, &bounds), cases[i].want, cases[i].text);
	}
}

/* As many digests as pieces, the last of which may be short. */
static void test_checks(void)
{
	static const struct { u32 count, piece, digests; } checks[] = {
		{ 8, 8, 1 }, { 16, 8, 2 }, { 16, 16, 1 }, { 8, 2048, 1 },
		{ 24, 16, 2 }, { 2048, 8, 256 }, { 2040, 8, 255 },
		{ 2048, 2048, 1 }, { 2040, 128, 16 },
	};
	struct pb_msg msg = sample(CHECK);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		msg.count = checks[i].count;
		msg.status = checks[i].piece;
		msg.data_len = checks[i].digests * PB_WIRE_DIGEST;
		is(pb_check_pieces(msg.count, msg.status), checks[i].digests,
		   "check: number of digests");
		is(unpack_msg(&msg, &bounds), 0, "check: passes");
		msg.data_len += PB_WIRE_DIGEST;
		is(unpack_msg(&msg, &bounds), -EPROTO, "check: one too many");
		msg.data_len -= 2 * PB_WIRE_DIGEST;
		is(unpack_msg(&msg, &bounds), -EPROTO, "check: one too few");
	}
}

static void test_bounds(void)
{
	struct pb_bounds in = { .data_sectors = 1 << 20, .block_size = 512 };
	struct pb_msg msg = sample(PB_WIRE_WRITE);

	msg.sector = 801;
	msg.count = 1;
	msg.data_len = 512;
	is(unpack_msg(&msg, &in), 0, "bounds: a sector");
	in.block_size = 1024;
	is(unpack_msg(&msg, &in), -ERANGE, "bounds: not of 1024");
	in.block_size = 512;
	msg.count = 2048;
	msg.data_len = 1 << 20;
	is(unpack_msg(&msg, &in), 0, "bounds: the largest write");
	msg.count = 2049;
	msg.data_len = (1 << 20) + 512;
	is(unpack_msg(&msg, &in), -ERANGE, "bounds: one sector more");
	in.data_sectors = 0;
	is(unpack_msg(&msg, &in), -ERANGE, "bounds: an empty volume");
	in.data_sectors = U64_MAX;
	msg.count = 8;
	msg.data_len = 4096;
	msg.sector = U64_MAX - 8;
	is(unpack_msg(&msg, &in), 0, "bounds: the end of the largest volume");
	msg.sector = U64_MAX - 7;
	is(unpack_msg(&msg, &in), -ERANGE, "bounds: one past it");
}

/*
 * All combinations of a few values of each field, against the format as
 * pb-wire.h has it, written down a second time.
 */
static bool no_range(const struct pb_msg *m)
{
	return !m->sector && !m->count;
}

static int range_error(const struct pb_msg *m, u64 max)
{
	u64 end = m->sector + m->count;

	return !m->count || m->count > max || m->sector % 8 || m->count % 8 ||
	       m->sector > 1 << 20 || end > 1 << 20 ? -ERANGE : 0;
}

static bool good_piece(u32 sectors)
{
	u32 good;

	for (good = 8; good <= 2048; good *= 2)
		if (sectors == good)
			return true;
	return false;
}

static int second_reading(const struct pb_msg *m)
{
	bool known = m->from < 8 && m->view;
	bool plain = known && !m->status;
	int ret;

	switch (m->type) {
	case PB_WIRE_HELLO:
		return !m->flags && m->from < 8 && !m->seq && no_range(m) &&
		       m->data_len == 192 && !m->status ? 0 : -EPROTO;
	case PB_WIRE_BYE:
		return !m->flags && (m->from < 8 || m->from == 255) &&
		       !m->seq && no_range(m) && !m->data_len &&
		       m->status >= 1 && m->status <= 19 ? 0 : -EPROTO;
	case PB_WIRE_KEEPALIVE:
		return plain && !(m->flags & 0xf7) && !m->seq && !m->count &&
		       !m->data_len ? 0 : -EPROTO;
	case PB_WIRE_WRITE:
		if (!plain || !m->seq || (m->flags & 0xfa))
			return -EPROTO;
		ret = range_error(m, 2048);
		return ret || m->data_len == 512ULL * m->count ? ret : -EPROTO;
	case PB_WIRE_FLUSH:
		return plain && !(m->flags & 0xef) && m->seq && !m->count &&
		       !m->data_len ? 0 : -EPROTO;
	case PB_WIRE_SYNC_BEGIN:
	case PB_WIRE_SYNC_GO:
	case PB_WIRE_SYNC_DONE:
		return plain && !m->flags && m->seq && no_range(m) &&
		       !m->data_len ? 0 : -EPROTO;
	case PB_WIRE_READ:
		if (!plain || !m->seq || m->flags)
			return -EPROTO;
		ret = range_error(m, 2048);
		return ret || !m->data_len ? ret : -EPROTO;
	case PB_WIRE_DATA:
		if (!known || !m->seq || m->flags || m->status > 4095)
			return -EPROTO;
		ret = range_error(m, 2048);
		if (ret)
			return ret;
		return m->data_len == (m->status ? 0 : 512ULL * m->count) ?
		       0 : -EPROTO;
	case PB_WIRE_SIZE:
		if (!plain || !m->seq || m->flags || m->count)
			return -EPROTO;
		if (!m->sector || m->sector % 8 || m->sector > 1 << 20)
			return -ERANGE;
		return m->data_len ? -EPROTO : 0;
	case PB_WIRE_CAPACITY:
		if (!plain || m->seq || m->flags || m->count)
			return -EPROTO;
		if (!m->sector || m->sector % 8)
			return -ERANGE;
		return m->data_len ? -EPROTO : 0;
	case PB_WIRE_MARK:
		if (!plain || m->seq || m->flags)
			return -EPROTO;
		ret = range_error(m, 65536);
		return ret || !m->data_len ? ret : -EPROTO;
	case PB_WIRE_DIFFERS:
		if (!plain || m->seq || m->flags)
			return -EPROTO;
		ret = range_error(m, 2048);
		return ret || !m->data_len ? ret : -EPROTO;
	case PB_WIRE_CHECK:
		if (m->from >= 8 || !m->view || !m->seq || m->flags ||
		    !good_piece(m->status))
			return -EPROTO;
		ret = range_error(m, 2048);
		return ret || m->data_len == 32 * ((m->count + m->status - 1) /
						   m->status) ? ret : -EPROTO;
	case PB_WIRE_ZEROES:
		if (!plain || !m->seq || (m->flags & 0xf8))
			return -EPROTO;
		ret = range_error(m, 65536);
		return ret || !m->data_len ? ret : -EPROTO;
	case PB_WIRE_ACK:
		return plain && !m->flags && m->seq && !m->sector && m->count &&
		       m->seq <= U64_MAX - m->count + 1 && !m->data_len ?
			0 : -EPROTO;
	}
	return -EPROTO;
}

static const u8 types[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 255 };
static const u8 flags[] = { 0, 1, 2, 3, 4, 5, 8, 16, 128 };
static const u8 froms[] = { 0, 7, 8, 255 };
static const u64 views[] = { 0, 1, U64_MAX };
static const u64 seqs[] = { 0, 1, U64_MAX - 7, U64_MAX };
static const u64 sectors[] = { 0, 4, 8, (1 << 20) - 8, 1 << 20, U64_MAX - 7 };
static const u32 counts[] = {
	0, 1, 8, 2048, 2056, 65536, 65544, 0x800000, U32_MAX
};
static const u32 lens[] = { 0, 32, 192, 512, 4096, 8192, 1 << 20, U32_MAX };
static const u32 statuses[] = { 0, 1, 8, 19, 20, 2048, 4095, 4096 };

#define FIELDS	9

static const u32 radix[FIELDS] = {
	ARRAY_SIZE(types), ARRAY_SIZE(flags), ARRAY_SIZE(froms),
	ARRAY_SIZE(views), ARRAY_SIZE(seqs), ARRAY_SIZE(sectors),
	ARRAY_SIZE(counts), ARRAY_SIZE(lens), ARRAY_SIZE(statuses),
};

static struct pb_msg combination(const u32 *at)
{
	return (struct pb_msg) {
		.type = types[at[0]],
		.flags = flags[at[1]],
		.from = froms[at[2]],
		.view = views[at[3]],
		.seq = seqs[at[4]],
		.sector = sectors[at[5]],
		.count = counts[at[6]],
		.data_len = lens[at[7]],
		.status = statuses[at[8]],
	};
}

static bool next_combination(u32 *at)
{
	u32 i;

	for (i = 0; i < FIELDS; i++) {
		if (++at[i] < radix[i])
			return true;
		at[i] = 0;
	}
	return false;
}

static void test_combinations(void)
{
	u32 at[FIELDS] = { 0 };
	u32 all = 0, good = 0, wrong = 0;

	do {
		struct pb_msg msg = combination(at);
		int want = second_reading(&msg);
		int got = unpack_msg(&msg, &bounds);

		all++;
		good += !got;
		wrong += got != want;
	} while (next_combination(at));
	printf("# %u combinations, %u of them legal\n", all, good);
	ok(good > 100, "combinations: some are legal");
	is(wrong, 0, "combinations: the answer is that of a second reading");
}

/* Who may say what when */

static const struct pb_expect up_side = {
	/* The peer is the primary; we are the backup. */
	.view = 9, .from = 0, .hello_done = true, .upstream = true,
	.version = PB_WIRE_VERSION_MAX, .next_seq = 5,
};

static const struct pb_expect down_side = {
	/* The peer is the backup; we are the primary. */
	.view = 9, .from = 1, .hello_done = true,
	.version = PB_WIRE_VERSION_MAX, .resume_seq = 10, .sent_seq = 20,
};

static int admit(struct pb_msg msg, struct pb_expect expect)
{
	int ret;

	why = NULL;
	ret = pb_codec_admit(&msg, &expect, &why);
	if (ret && !why)
		ok(false, "a refusal gives a reason");
	return ret;
}

static int admit_ack(u64 seq, u32 count, struct pb_expect expect)
{
	struct pb_msg msg = sample(PB_WIRE_ACK);

	msg.seq = seq;
	msg.count = count;
	return admit(msg, expect);
}

static void test_admit_acks(void)
{
	struct pb_expect e = down_side;

	is(admit_ack(11, 10, e), 0, "ack: all that was sent");
	is(admit_ack(20, 1, e), 0, "ack: the last");
	is(admit_ack(20, 2, e), -EPROTO, "ack: one more than was sent");
	is(admit_ack(21, 1, e), -EPROTO, "ack: what was not sent");
	is(admit_ack(1, 3, e), 0, "ack: long gone");
	is(admit_ack(9, 4, e), 0, "ack: gone and not gone");
	e.sent_seq = 0;
	is(admit_ack(8, 3, e), 0,
	   "ack: what an earlier connection sent, nothing sent on this");
	is(admit_ack(8, 4, e), -EPROTO, "ack: not even an earlier one");
	is(admit_ack(11, U32_MAX, e), -EPROTO, "ack: of many");
}

static void test_admit_data(void)
{
	struct pb_msg msg = sample(PB_WIRE_DATA);
	struct pb_expect e = down_side;

	msg.seq = e.sent_seq;
	is(admit(msg, e), 0, "data: for the last that was sent");
	msg.seq++;
	is(admit(msg, e), -EPROTO, "data: for what was not sent");
	e.sent_seq = 0;
	e.resume_seq = 10;
	msg.seq = 10;
	is(admit(msg, e), -EPROTO, "data: for what an earlier connection sent");
	msg = sample(PB_WIRE_DATA);
	msg.data_len = 0;
	msg.status = 5;
	is(unpack_msg(&msg, &bounds), 0, "data: a reason and no payload");
	msg.status = 4096;
	is(unpack_msg(&msg, &bounds), -EPROTO, "data: an impossible reason");
}

static void test_admit_hello(void)
{
	struct pb_expect e = up_side;
	struct pb_msg msg;
	u32 type;

	is(admit(sample(PB_WIRE_HELLO), e), -EPROTO, "a second hello");
	e.hello_done = false;
	for_each_type(type, PB_WIRE_KEEPALIVE)
		is(admit(sample(type), e), -EPROTO, "no hello first");
	is(admit(sample(99), e), -EPROTO, "an unknown type first");
	is(admit(sample(99), up_side), -EPROTO, "an unknown type");
	msg = sample(PB_WIRE_HELLO);
	msg.view = 1;
	msg.from = 6;
	is(admit(msg, e), 0, "a hello of any view and place");
	msg = sample(PB_WIRE_BYE);
	msg.view = 0;
	msg.from = PB_NO_MEMBER;
	is(admit(msg, e), 0, "a bye before the hello");
	is(admit(msg, up_side), 0, "a bye of any view");
	is(admit(msg, down_side), 0, "a bye from anywhere");
}

/* From version 2 on a flush may be ordered. */
static void test_admit_version(void)
{
	struct pb_msg msg = sample(PB_WIRE_FLUSH);
	struct pb_expect e = up_side;

	msg.from = e.from;
	msg.seq = e.next_seq;
	e.version = PB_WIRE_VERSION_ORDERED - 1;
	is(admit(msg, e), 0, "an old peer flushes");
	msg.flags = PB_WIRE_ORDERED;
	is(admit(msg, e), -EPROTO, "and knows no order");
	e.version++;
	is(admit(msg, e), 0, "a newer one does");
}

static void test_admit_ask(void)
{
	struct pb_msg msg = sample(PB_WIRE_KEEPALIVE);

	msg.flags = PB_WIRE_ASK;
	msg.from = up_side.from;
	is(admit(msg, up_side), 0, "a predecessor asks for an answer");
	msg.from = down_side.from;
	is(admit(msg, down_side), -EPERM, "a successor does not");
}

static void test_admit(void)
{
	u32 type, i;

	for_each_type(type, PB_WIRE_KEEPALIVE) {
		bool up = !goes_up(type);
		struct pb_expect e = up ? up_side : down_side;
		struct pb_msg msg = sample(type);

		if (!known(type))
			continue;
		msg.from = e.from;
		is(admit(msg, e), 0, pb_wire_type_name(type));
		for (i = 8; i <= 10; i += 2) {
			msg.view = i;
			is(admit(msg, e), -ESTALE, "another view");
			msg.from = !e.from;
			is(admit(msg, e), -ESTALE, "a view before a sender");
			msg.from = e.from;
		}
		msg.view = 9;
		msg.from = !e.from;
		is(admit(msg, e), -EPERM, "another sender");
		msg.from = e.from;
		e.upstream = !e.upstream;
		is(admit(msg, e), type == PB_WIRE_KEEPALIVE ? 0 : -EPERM,
		   "the other direction");
		e.upstream = !e.upstream;
		if (type == PB_WIRE_KEEPALIVE || !up)
			continue;
		msg.seq = 4;
		is(admit(msg, e), -EALREADY, "a sequence number again");
		msg.seq = 1;
		is(admit(msg, e), -EALREADY, "an old sequence number");
		msg.seq = 6;
		is(admit(msg, e), -EPROTO, "a gap");
		msg.seq = U64_MAX;
		is(admit(msg, e), -EPROTO, "a great gap");
	}
}

/* Hellos */

static struct pb_hello sample_hello(u8 who)
{
	struct pb_hello hello = {
		.version_min = 1,
		.version_max = 1,
		.view_digest = 0x11223344,
		.block_size = 4096,
		.data_sectors = 1 << 20,
		.capacity_sectors = (1 << 20) + 64,
		.incarnation = 0x1000 + who,
		.peer_incarnation = 0x1001 - who,
		.recv_seq = 5,
		.first_unacked = 3,
		.max_data = PB_WIRE_MAX_DATA,
		.timeout_ms = 2000,
		.min_block_size = 512,
		.limits = { 4096, 1 << 20, 1 << 16, 1 << 18 },
		.data = { .state = PB_REPLICA_STALE, .data_view = 8,
			  .marks = PB_MARKS_SOME },
		.lease_ms = 400 + who,
	};

	memset(hello.volume, 0xaa, PB_UUID_LEN);
	memset(hello.replica, 0xb0 + who, PB_UUID_LEN);
	return hello;
}

static bool same_hello(const struct pb_hello *a, const struct pb_hello *b)
{
	return a->version_min == b->version_min &&
	       a->version_max == b->version_max && a->features == b->features &&
	       !memcmp(a->volume, b->volume, PB_UUID_LEN) &&
	       !memcmp(a->replica, b->replica, PB_UUID_LEN) &&
	       a->view_digest == b->view_digest &&
	       a->block_size == b->block_size &&
	       a->data_sectors == b->data_sectors &&
	       a->capacity_sectors == b->capacity_sectors &&
	       a->incarnation == b->incarnation &&
	       a->peer_incarnation == b->peer_incarnation &&
	       a->recv_seq == b->recv_seq &&
	       a->first_unacked == b->first_unacked &&
	       a->max_data == b->max_data && a->timeout_ms == b->timeout_ms &&
	       a->min_block_size == b->min_block_size &&
	       !memcmp(&a->limits, &b->limits, sizeof(a->limits)) &&
	       a->data.state == b->data.state &&
	       a->data.data_view == b->data.data_view &&
	       a->data.sync_view == b->data.sync_view &&
	       a->data.marks == b->data.marks &&
	       a->lease_ms == b->lease_ms &&
	       !memcmp(a->data.sync_source, b->data.sync_source, PB_UUID_LEN);
}

static int unpack_wire(const struct pb_wire_hello *wire, struct pb_hello *hello)
{
	struct pb_hello before;
	int ret;

	memset(hello, 0x5a, sizeof(*hello));
	memset(&before, 0x5a, sizeof(before));
	why = NULL;
	ret = pb_hello_unpack(wire, hello, &why);
	if (ret && (!why || memcmp(hello, &before, sizeof(before))))
		ok(false, "a refusal gives a reason and no hello");
	return ret;
}

static int hello_error(const struct pb_hello *hello)
{
	struct pb_wire_hello wire;
	struct pb_hello got;
	int ret;

	memset(&wire, 0xff, sizeof(wire));
	pb_hello_pack(hello, &wire);
	ret = unpack_wire(&wire, &got);
	if (!ret && !same_hello(hello, &got))
		ok(false, "what is unpacked is what was packed");
	return ret;
}

static void test_hello_wire(void)
{
	struct pb_hello hello = sample_hello(0), got;
	struct pb_wire_hello wire;
	u8 *byte = (u8 *)&wire;
	u32 i, bad = 0;

	hello.features = 0x8000000000000001;
	is(hello_error(&hello), 0, "hello: round trip");
	pb_hello_pack(&hello, &wire);
	ok(!memcmp(byte, "\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\x80\xaa", 17),
	   "hello: the first bytes");
	ok(!memcmp(byte + 48, "\x44\x33\x22\x11\0\x10\0\0\0\0\x10\0\0\0\0\0"
		   "\0\x10\0\0\0\0\0\0", 24), "hello: the bytes from 48 on");
	ok(!memcmp(byte + 80, "\5\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0\x10\0"
		   "\xd0\7\0\0\0\2\0\0\0\x10\0\0\0\0\x10\0"
		   "\0\0\1\0\0\0\4\0", 44), "hello: the bytes from 80 on");
	is(le32_to_cpu(wire.crc), (u32)~crc_bitwise(~0U, byte, 188),
	   "hello: crc");
	for (i = 0; i < 1536; i++) {
		byte[i / 8] ^= 1 << (i % 8);
		bad += unpack_wire(&wire, &got) != -EBADMSG;
		byte[i / 8] ^= 1 << (i % 8);
	}
	is(bad, 0, "hello: each bit flipped");
	for (i = 0, bad = 0; i < sizeof(wire.reserved); i++) {
		wire.reserved[i] = 1;
		wire.crc = cpu_to_le32(~crc_bitwise(~0U, byte, 188));
		bad += unpack_wire(&wire, &got) != -EPROTO;
		wire.reserved[i] = 0;
	}
	is(bad, 0, "hello: reserved not zero");
}

static void test_hello_blocks(void)
{
	u32 size, bad = 0;

	for (size = 0; size <= 1 << 18; size++) {
		struct pb_hello a = sample_hello(0), b = a;
		bool legal = size >= 512 && size <= 65536 &&
			     __builtin_popcount(size) == 1;

		a.block_size = size;
		b.min_block_size = size;
		bad += hello_error(&a) != (legal ? 0 : -EPROTO);
		bad += hello_error(&b) != (legal ? 0 : -EPROTO);
	}
	is(bad, 0, "hello: powers of two from 512 to 65536 and no others");
}

static void test_hello_limits(void)
{
	struct pb_hello h = sample_hello(0);
	u32 size, bad = 0;

	for (size = 0; size <= 1 << 18; size++) {
		bool legal = size >= 512 && size <= 65536 &&
			     __builtin_popcount(size) == 1;

		h.limits.physical_block = size;
		bad += hello_error(&h) != (legal ? 0 : -EPROTO);
	}
	is(bad, 0, "hello: physical blocks are powers of two from 512 to 65536");
	h = sample_hello(0);
	h.limits = (struct pb_limits){ 512, 0, 0, 0 };
	is(hello_error(&h), 0, "hello: a disk that says nothing of its limits");
	h.limits.io_opt = 513;
	is(hello_error(&h), -EPROTO, "hello: io_opt is half a sector");
	h.limits.io_opt = 0xfffffe00;
	is(hello_error(&h), 0, "hello: huge io_opt");
	h.limits.discard_granularity = 1;
	is(hello_error(&h), -EPROTO, "hello: discard granularity of a byte");
}

static void test_hello_data(void)
{
	struct pb_hello h = sample_hello(0);

	h.data.state = PB_REPLICA_SYNCED + 1;
	is(hello_error(&h), -EPROTO, "hello: unknown state");
	h.data.state = PB_REPLICA_SYNCING;
	is(hello_error(&h), -EPROTO, "hello: syncing from nobody");
	memset(h.data.sync_source, 0xc0, PB_UUID_LEN);
	h.data.sync_view = 9;
	is(hello_error(&h), 0, "hello: syncing");
	h.data.state = PB_REPLICA_SYNCED;
	is(hello_error(&h), -EPROTO, "hello: synced and from somebody");
	h = sample_hello(0);
	h.data.marks = PB_MARKS_ALL;
	is(hello_error(&h), 0, "hello: nothing is certain");
	h.data.marks = PB_MARKS_ALL + 1;
	is(hello_error(&h), -EPROTO, "hello: unknown marks");
	h = sample_hello(0);
	h.data.data_view = U64_MAX;
	is(hello_error(&h), 0, "hello: any view of the data");
}

static void stacks(struct pb_limits a, struct pb_limits b, struct pb_limits want,
		   const char *text)
{
	pb_limits_stack(&a, &b);
	ok(!memcmp(&a, &want, sizeof(a)), text);
}

static void test_limits(void)
{
	const struct pb_limits plain = { 512, 0, 0, 0 };
	const struct pb_limits fine = { 4096, 1 << 16, 4096, 1000 };
	const struct pb_limits coarse = { 16384, 1 << 20, 1 << 20, 2000 };
	const struct pb_limits odd = { 4096, 3 << 16, 3 << 12, 5000 };

	stacks(fine, fine, fine, "limits: with their like they stay");
	stacks(fine, plain, (struct pb_limits){ 4096, 1 << 16, 4096, 0 },
	       "limits: who cannot zero forbids discards");
	stacks(plain, fine, (struct pb_limits){ 4096, 1 << 16, 4096, 0 },
	       "limits: the peer's count where we have none, but for zeroing");
	stacks(fine, coarse,
	       (struct pb_limits){ 16384, 1 << 20, 1 << 20, 1000 },
	       "limits: the coarser and the smaller");
	stacks(coarse, fine,
	       (struct pb_limits){ 16384, 1 << 20, 1 << 20, 1000 },
	       "limits: the same from the other end");
	stacks(coarse, odd,
	       (struct pb_limits){ 16384, 1 << 20, 1 << 20, 2000 },
	       "limits: what is no multiple changes nothing");
	stacks(fine, odd, (struct pb_limits){ 4096, 3 << 16, 3 << 12, 1000 },
	       "limits: a multiple counts, also by three");
}

static void test_hello_fields(void)
{
	const struct pb_hello good = sample_hello(0);
	struct pb_hello h = good;

	h.version_max = 0;
	is(hello_error(&h), -EPROTO, "hello: versions upside down");
	h.version_min = 0;
	is(hello_error(&h), -EPROTO, "hello: version 0 alone");
	h.version_max = 3;
	is(hello_error(&h), -EPROTO, "hello: version 0 up to 3");
	h.version_min = 2;
	is(hello_error(&h), 0, "hello: versions 2 and 3");
	h = good;
	memset(h.volume, 0, PB_UUID_LEN);
	is(hello_error(&h), -EPROTO, "hello: zero volume");
	h = good;
	memset(h.replica, 0, PB_UUID_LEN);
	is(hello_error(&h), -EPROTO, "hello: zero replica");
	h = good;
	h.incarnation = 0;
	is(hello_error(&h), -EPROTO, "hello: zero incarnation");
	h = good;
	h.first_unacked = 0;
	is(hello_error(&h), -EPROTO, "hello: zero first_unacked");
	h = good;
	h.peer_incarnation = 0;
	h.recv_seq = U64_MAX;
	h.first_unacked = U64_MAX;
	h.view_digest = 0;
	h.data_sectors = 0;
	h.max_data = 0;
	h.timeout_ms = 0;
	is(hello_error(&h), 0, "hello: what is for others to judge");
}

static enum pb_bye check(const struct pb_hello *mine, u64 my_view,
			 const struct pb_hello *peer, u64 peer_view)
{
	u8 neighbour[PB_UUID_LEN];

	memset(neighbour, 0xb1, PB_UUID_LEN);
	return pb_hello_check(mine, my_view, peer, peer_view, neighbour, false);
}

/* From the last test to the first: each new fault must hide those before. */
static void test_hello_check(void)
{
	struct pb_hello mine = sample_hello(0), peer = sample_hello(1);

	is(check(&mine, 9, &peer, 9), PB_BYE_NONE, "check: they fit");
	peer.max_data--;
	is(check(&mine, 9, &peer, 9), PB_BYE_LIMITS, "check: limits");
	peer.min_block_size = 8192;
	is(check(&mine, 9, &peer, 9), PB_BYE_BLOCK_SIZE,
	   "check: the peer's disk has larger blocks");
	peer.capacity_sectors = mine.data_sectors - 8;
	is(check(&mine, 9, &peer, 9), PB_BYE_SIZE, "check: size");
	peer.view_digest++;
	is(check(&mine, 9, &peer, 9), PB_BYE_VIEW_DIFFERS, "check: digest");
	peer.replica[15]++;
	is(check(&mine, 9, &peer, 9), PB_BYE_NOT_NEIGHBOUR, "check: neighbour");
	is(check(&mine, 9, &peer, 8), PB_BYE_VIEW_OLD, "check: older view");
	is(check(&mine, 9, &peer, 10), PB_BYE_VIEW_NEW, "check: newer view");
	peer.volume[0]++;
	is(check(&mine, 9, &peer, 8), PB_BYE_VOLUME, "check: volume");
	peer.features = 1;
	is(check(&mine, 9, &peer, 8), PB_BYE_FEATURES, "check: features");
	peer.version_min = 2;
	peer.version_max = 3;
	is(check(&mine, 9, &peer, 8), PB_BYE_VERSION, "check: version");
}

static void test_hello_version(void)
{
	struct pb_hello older = sample_hello(0), newer = sample_hello(1);

	older.version_max = 3;
	newer.version_max = 5;
	is(pb_hello_version(&newer, &older), 3, "version: the older's newest");
	is(pb_hello_version(&older, &newer), 3, "version: both say the same");
	is(pb_hello_version(&newer, &newer), 5, "version: of two alike");
}

/* The successor must have room for the predecessor's volume, and may for more. */
static void test_hello_sizes(void)
{
	static const struct {
		long long size, room;	/* of the successor: more than the volume */
		enum pb_bye want;
	} cases[] = {
		{ 0, 0, PB_BYE_NONE },		{ 0, 8, PB_BYE_NONE },
		{ 8, 8, PB_BYE_NONE },		{ -8, 0, PB_BYE_NONE },
		{ -8, 1 << 20, PB_BYE_NONE },	{ -8, -8, PB_BYE_SIZE },
		{ -16, -8, PB_BYE_SIZE },
	};
	struct pb_hello up = sample_hello(0), down = sample_hello(1);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		down.data_sectors = up.data_sectors + cases[i].size;
		down.capacity_sectors = up.data_sectors + cases[i].room;
		is(pb_hello_check(&up, 9, &down, 9, down.replica, false),
		   cases[i].want, "sizes: the predecessor's view of it");
		is(pb_hello_check(&down, 9, &up, 9, up.replica, true),
		   cases[i].want, "sizes: and the successor's");
	}
	down = sample_hello(1);
	down.capacity_sectors = down.data_sectors - 8;
	is(hello_error(&down), -EPROTO, "hello: less room than volume");
}

static void test_hello_check_more(void)
{
	const struct pb_hello m = sample_hello(0), p = sample_hello(1);
	struct pb_hello mine = m, peer = p;

	mine.min_block_size = 8192;
	is(check(&mine, 9, &peer, 9), PB_BYE_BLOCK_SIZE,
	   "check: my disk has larger blocks");
	mine.min_block_size = 4096;
	peer.min_block_size = 4096;
	is(check(&mine, 9, &peer, 9), PB_BYE_NONE, "check: just as large");
	peer.block_size = 8192;
	is(check(&mine, 9, &peer, 9), PB_BYE_BLOCK_SIZE,
	   "check: other blocks");
	mine = m;
	peer = p;
	mine.version_min = 2;
	mine.version_max = 4;
	peer.version_max = 1;
	is(check(&mine, 9, &peer, 9), PB_BYE_VERSION, "check: peer too old");
	peer.version_max = 2;
	is(check(&mine, 9, &peer, 9), PB_BYE_NONE, "check: one in common");
	peer.version_min = 4;
	peer.version_max = 9;
	is(check(&mine, 9, &peer, 9), PB_BYE_NONE, "check: the other end");
	peer.version_min = 5;
	is(check(&mine, 9, &peer, 9), PB_BYE_VERSION, "check: peer too new");
	mine = m;
	peer = p;
	mine.features = 3;
	peer.features = 1;
	is(check(&mine, 9, &peer, 9), PB_BYE_NONE, "check: fewer features");
	peer.features = 5;
	is(check(&mine, 9, &peer, 9), PB_BYE_FEATURES, "check: one too many");
	peer.features = 0;
	peer.max_data = U32_MAX;
	is(check(&mine, 9, &peer, 9), PB_BYE_NONE, "check: larger limits");
}

/* Where a stream goes on */

static void test_resume(void)
{
	struct pb_hello up = sample_hello(0), down = sample_hello(1);
	u64 resume = 99;

	is(pb_hello_resume(&up, &down, &resume), 0, "resume: remembered");
	is(resume, 5, "resume: after what was received");
	down.recv_seq = 2;
	is(pb_hello_resume(&up, &down, &resume), 0, "resume: all acked");
	is(resume, 2, "resume: right at what was acked");
	down.recv_seq = 1;
	resume = 99;
	is(pb_hello_resume(&up, &down, &resume), -EPROTO,
	   "resume: less received than acked");
	down.recv_seq = U64_MAX;
	is(pb_hello_resume(&up, &down, &resume), -EPROTO,
	   "resume: no number left");
	is(resume, 99, "resume: nothing said on failure");
	down.peer_incarnation = 0;
	is(pb_hello_resume(&up, &down, &resume), 0, "resume: not remembered");
	is(resume, 2, "resume: before the first unacked");
	down.peer_incarnation = up.incarnation - 1;
	down.recv_seq = 40;
	is(pb_hello_resume(&up, &down, &resume), 0, "resume: sender restarted");
	is(resume, 2, "resume: what another incarnation sent does not count");
}

/*
 * A stream of @sent messages, of which the receiver has got @received and the
 * sender knows of @acked, breaks.  Nothing may be lost, and nothing comes
 * twice to a receiver that remembers.
 */
static void test_resume_streams(void)
{
	struct pb_hello up = sample_hello(0), down = sample_hello(1);
	u64 sent, received, acked, resume;
	u32 bad = 0, remembers, all = 0;

	for (sent = 0; sent < 40; sent++)
		for (received = 0; received <= sent; received++)
			for (acked = 0; acked <= received; acked++)
				for (remembers = 0; remembers < 2; remembers++) {
					up.first_unacked = acked + 1;
					down.recv_seq = received;
					down.peer_incarnation =
						remembers ? up.incarnation : 0;
					all++;
					bad += pb_hello_resume(&up, &down,
							       &resume) ||
					       resume > sent ||
					       resume != (remembers ? received :
								      acked);
				}
	printf("# %u streams\n", all);
	is(bad, 0, "resume: nothing lost, nothing twice");
}

static void test_texts(void)
{
	u32 i, k, bad = 0;

	for (i = 0; i < PB_BYE_NR; i++) {
		bad += !pb_bye_text(i) || !*pb_bye_text(i) ||
		       !strcmp(pb_bye_text(i), pb_bye_text(PB_BYE_NR));
		for (k = 0; k < i; k++)
			bad += !strcmp(pb_bye_text(i), pb_bye_text(k));
	}
	is(bad, 0, "each bye has a text of its own");
	ok(*pb_bye_text(U32_MAX), "an unknown bye has one too");
	for (i = 0, bad = 0; i < 256; i++)
		bad += known(i) ==
		       !strcmp(pb_wire_type_name(i), "?");
	is(bad, 0, "each type has a name, others have none");
	ok(!strcmp(pb_wire_type_name(PB_WIRE_WRITE), "write") &&
	   !strcmp(pb_wire_type_name(PB_WIRE_ACK), "ack"), "names of types");
}

int main(void)
{
	tap_begin();
	test_crc();
	test_layout();
	test_damage();
	test_cases();
	test_checks();
	test_bounds();
	test_combinations();
	test_admit_acks();
	test_admit_data();
	test_admit_hello();
	test_admit();
	test_admit_version();
	test_admit_ask();
	test_hello_wire();
	test_hello_blocks();
	test_hello_limits();
	test_hello_data();
	test_limits();
	test_hello_fields();
	test_hello_check();
	test_hello_check_more();
	test_hello_version();
	test_hello_sizes();
	test_resume();
	test_resume_streams();
	test_texts();
	return tap_end();
}
