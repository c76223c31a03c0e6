// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes the wire codec as a receiver uses it: header, admission, and for a
 * hello its payload.  Input: struct input, as much of it as there is.
 */
#include "fuzz.h"
#include "pb-codec.h"
#include "pb-view.h"

/* Bits of @how. */
#define SEAL_HDR	0x01	/* make magic and crc right first */
#define SEAL_HELLO	0x02	/* make the hello's crc right first */
#define UPSTREAM	0x04
#define HELLO_DONE	0x08
#define OLD		0x10

struct input {
	u8			how;
	u8			block_shift;
	u8			from;
	u8			next_seq;
	u8			sent_seq;
	u8			resume_seq;
	u8			pad[2];
	__le64			data_sectors;
	struct pb_wire_hdr	hdr;
	struct pb_wire_hello	hello;
};

static u64 inputs, headers, admitted, hellos;

static bool has_range(u8 type)
{
	return type == PB_WIRE_WRITE || type == PB_WIRE_ZEROES ||
	       type == PB_WIRE_MARK || type == PB_WIRE_CHECK ||
	       type == PB_WIRE_DIFFERS || type == PB_WIRE_READ ||
	       type == PB_WIRE_DATA;
}

static bool goes_up(u8 type)
{
	return type == PB_WIRE_ACK || type == PB_WIRE_MARK ||
	       type == PB_WIRE_DATA || type == PB_WIRE_DIFFERS ||
	       type == PB_WIRE_CAPACITY;
}

static void check_range(const struct pb_msg *msg,
			const struct pb_bounds *bounds)
{
	u64 blocks = bounds->block_size / 512;

	MUST(msg->count && msg->count <= PB_WIRE_MAX_ZEROES);
	MUST(!(msg->sector % blocks) && !(msg->count % blocks));
	MUST(msg->sector < bounds->data_sectors);
	MUST(bounds->data_sectors - msg->sector >= msg->count);
}

static void check_header(const struct pb_wire_hdr *hdr,
			 const struct pb_msg *msg,
			 const struct pb_bounds *bounds)
{
	struct pb_wire_hdr twin;

	pb_codec_pack(msg, &twin);
	MUST(!memcmp(hdr, &twin, sizeof(twin)));
	MUST(msg->data_len <= PB_WIRE_MAX_DATA);
	MUST(*pb_wire_type_name(msg->type) != '?');
	if (msg->type == PB_WIRE_WRITE ||
	    (msg->type == PB_WIRE_DATA && !msg->status))
		MUST(msg->data_len == msg->count * 512);
	else if (msg->type == PB_WIRE_CHECK)
		MUST(msg->data_len == PB_WIRE_DIGEST *
		     pb_check_pieces(msg->count, msg->status));
	else
		MUST(msg->data_len ==
		     (msg->type == PB_WIRE_HELLO ? sizeof(struct pb_wire_hello) :
						   0));
	if (has_range(msg->type))
		check_range(msg, bounds);
	if (msg->type == PB_WIRE_SIZE || msg->type == PB_WIRE_CAPACITY)
		MUST(msg->sector && !(msg->sector % (bounds->block_size / 512)));
	if (msg->type == PB_WIRE_SIZE)
		MUST(msg->sector <= bounds->data_sectors);
}

static void check_admitted(const struct pb_msg *msg,
			   const struct pb_expect *e)
{
	if (msg->type == PB_WIRE_BYE)
		return;
	MUST(e->hello_done == (msg->type != PB_WIRE_HELLO));
	if (msg->type == PB_WIRE_HELLO)
		return;
	MUST(msg->view == e->view && msg->from == e->from);
	MUST(!(msg->flags & PB_WIRE_ORDERED) ||
	     e->version >= PB_WIRE_VERSION_ORDERED);
	MUST(msg->type != PB_WIRE_KEEPALIVE || e->upstream ||
	     !(msg->flags & PB_WIRE_ASK));
	if (msg->type == PB_WIRE_KEEPALIVE)
		return;
	MUST(e->upstream == !goes_up(msg->type));
	if (!msg->seq)
		return;
	if (e->upstream)
		MUST(msg->seq == e->next_seq);
	else if (msg->type == PB_WIRE_DATA)
		MUST(msg->seq <= e->sent_seq);
	else if (msg->type == PB_WIRE_ACK)
		MUST(msg->seq + msg->count - 1 <= e->sent_seq ||
		     msg->seq + msg->count - 1 <= e->resume_seq);
}

static void try_hello(const struct pb_wire_hello *wire, u64 view)
{
	struct pb_wire_hello twin;
	struct pb_hello hello, mine;
	const char *why = NULL;
	u64 resume;

	if (pb_hello_unpack(wire, &hello, &why)) {
		MUST(why);
		return;
	}
	hellos++;
	pb_hello_pack(&hello, &twin);
	MUST(!memcmp(wire, &twin, sizeof(twin)));
	MUST(pb_hello_check(&hello, view, &hello, view, hello.replica, true) ==
	     (hello.block_size < hello.min_block_size ? PB_BYE_BLOCK_SIZE :
	      hello.max_data < PB_WIRE_MAX_DATA ? PB_BYE_LIMITS : PB_BYE_NONE));
	mine = hello;
	mine.view_digest ^= 1;
	MUST(pb_hello_check(&mine, view, &hello, view, hello.replica, true) ==
	     PB_BYE_VIEW_DIFFERS);
	mine = hello;
	mine.capacity_sectors = hello.data_sectors - 1;
	if (hello.data_sectors)
		MUST(pb_hello_check(&mine, view, &hello, view, hello.replica,
				    true) == PB_BYE_SIZE);
	if (pb_hello_resume(&hello, &hello, &resume))
		return;
	MUST(resume >= hello.first_unacked - 1 && resume + 1);
}

static void try(struct input *in)
{
	struct pb_bounds bounds = {
		.data_sectors = le64_to_cpu(in->data_sectors),
		.block_size = 512U << (in->block_shift & 3),
	};
	struct pb_expect expect = {
		.view = 9,
		.from = in->from & 1,
		.version = in->how & OLD ? PB_WIRE_VERSION_MIN : PB_WIRE_VERSION_MAX,
		.hello_done = in->how & HELLO_DONE,
		.upstream = in->how & UPSTREAM,
		.next_seq = in->next_seq,
		.resume_seq = in->resume_seq,
		.sent_seq = in->sent_seq,
	};
	const char *why = NULL;
	struct pb_msg msg;

	inputs++;
	if (pb_codec_unpack(&in->hdr, &bounds, &msg, &why)) {
		MUST(why);
		return;
	}
	headers++;
	check_header(&in->hdr, &msg, &bounds);
	if (pb_codec_admit(&msg, &expect, &why)) {
		MUST(why);
	} else {
		admitted++;
		check_admitted(&msg, &expect);
	}
	if (msg.type == PB_WIRE_HELLO)
		try_hello(&in->hello, msg.view);
	MUST(*pb_bye_text(msg.status));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in;

	memset(&in, 0, sizeof(in));
	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	if (in.how & SEAL_HDR) {
		in.hdr.magic = cpu_to_le32(PB_WIRE_MAGIC);
		in.hdr.crc = cpu_to_le32(pb_crc32c(&in.hdr, 60));
	}
	if (in.how & SEAL_HELLO)
		in.hello.crc = cpu_to_le32(pb_crc32c(&in.hello, 188));
	try(&in);
	return 0;
}

#ifdef PB_STANDALONE

static const u8 types[] = {
	PB_WIRE_HELLO, PB_WIRE_BYE, PB_WIRE_KEEPALIVE, PB_WIRE_WRITE,
	PB_WIRE_FLUSH, PB_WIRE_ZEROES, PB_WIRE_ACK, PB_WIRE_SYNC_BEGIN,
	PB_WIRE_SYNC_GO, PB_WIRE_SYNC_DONE, PB_WIRE_MARK, PB_WIRE_CHECK,
	PB_WIRE_DIFFERS, PB_WIRE_READ, PB_WIRE_DATA, PB_WIRE_SIZE,
	PB_WIRE_CAPACITY,
};

static void valid_header(struct input *in)
{
	u8 type = types[rnd() % ARRAY_SIZE(types)];
	struct pb_msg msg = {
		.type = type, .from = rnd() & 1, .view = 9, .stamp = rnd(),
	};

	if (type >= PB_WIRE_WRITE &&
	    (!goes_up(type) || type == PB_WIRE_ACK || type == PB_WIRE_DATA))
		msg.seq = 1 + rnd() % 32;
	if (has_range(type)) {
		msg.sector = rnd() % 1000 * 8;
		msg.count = 8 + rnd() % 255 * 8;
	}
	if (type == PB_WIRE_CHECK) {
		msg.status = PB_WIRE_MIN_PIECE << rnd() % 9;
		msg.data_len = PB_WIRE_DIGEST *
			       pb_check_pieces(msg.count, msg.status);
	}
	if (type == PB_WIRE_WRITE || type == PB_WIRE_ZEROES)
		msg.flags = PB_WIRE_FUA;
	if (type == PB_WIRE_DATA)
		msg.status = rnd() % 3;
	if (type == PB_WIRE_WRITE || (type == PB_WIRE_DATA && !msg.status))
		msg.data_len = msg.count * 512;
	if (type == PB_WIRE_CAPACITY || type == PB_WIRE_SIZE)
		msg.sector = 8 + rnd() % (1 << 17) * 8;
	if (type == PB_WIRE_ACK)
		msg.count = 1 + rnd() % 4;
	if (type == PB_WIRE_HELLO)
		msg.data_len = sizeof(in->hello);
	if (type == PB_WIRE_BYE)
		msg.status = 1 + rnd() % (PB_BYE_NR - 1);
	pb_codec_pack(&msg, &in->hdr);
	in->next_seq = msg.seq;
	in->sent_seq = rnd() % 40;
	in->resume_seq = rnd() % 40;
	in->from = msg.from;
	in->how = rnd() & (UPSTREAM | HELLO_DONE | OLD);
	if (type != PB_WIRE_HELLO)
		in->how |= HELLO_DONE;
}

static void valid_hello(struct input *in)
{
	struct pb_hello hello = {
		.version_min = 1, .version_max = 1,
		.block_size = 512U << (rnd() & 3), .min_block_size = 512,
		.limits.physical_block = 512U << (rnd() & 3),
		.data_sectors = 1 << 20,
		.capacity_sectors = (1 << 20) + (rnd() & 3) * 8,
		.incarnation = 1 + rnd() % 3,
		.peer_incarnation = rnd() % 3, .recv_seq = rnd() % 32,
		.first_unacked = 1 + rnd() % 32, .max_data = PB_WIRE_MAX_DATA,
	};

	memset(hello.volume, 1, PB_UUID_LEN);
	memset(hello.replica, 2, PB_UUID_LEN);
	pb_hello_pack(&hello, &in->hello);
}

int main(int argc, char **argv)
{
	u64 nr = rnd_begin(argc, argv);
	struct input in;

	while (nr--) {
		u64 damage = rnd() % 4;

		memset(&in, 0, sizeof(in));
		valid_header(&in);
		valid_hello(&in);
		in.block_shift = rnd() & 3;
		in.data_sectors = cpu_to_le64(1 << 20);
		if (rnd() & 15)
			in.how |= SEAL_HDR;
		if (rnd() & 15)
			in.how |= SEAL_HELLO;
		while (damage--)
			if (rnd() & 1)
				rnd_damage((u8 *)&in.hdr, sizeof(in.hdr));
			else
				rnd_damage((u8 *)&in.hello, sizeof(in.hello));
		if (!(rnd() & 31))
			in.data_sectors = htole64(rnd_value());
		LLVMFuzzerTestOneInput((u8 *)&in, sizeof(in));
	}
	printf("codec: %llu inputs, %llu headers passed, %llu admitted, %llu hellos passed\n",
	       inputs, headers, admitted, hellos);
	return headers && admitted && hellos ? 0 : 1;
}

#endif /* PB_STANDALONE */
