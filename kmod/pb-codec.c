// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of the wire format, as one table: which fields a type has, which
 * way it travels and what follows its header.
 */
#include "pb-codec.h"
#include "pb-view.h"

#define PB_HELLO_MAX_BLOCK	65536
/* Of the answer to a read that failed: as the kernel has them. */
#define PB_MAX_ERRNO		4095

static_assert(sizeof(struct pb_wire_hdr) == 64);
static_assert(offsetof(struct pb_wire_hdr, crc) == 60);
static_assert(sizeof(struct pb_wire_hello) == 192);
static_assert(offsetof(struct pb_wire_hello, crc) == 188);
static_assert(PB_WIRE_MAX_DATA / 512 <= PB_WIRE_MAX_ZEROES);
static_assert(PB_WIRE_MAX_DATA / 512 ==
	      PB_WIRE_MIN_PIECE * PB_WIRE_MAX_PIECES);

/* Which way a type travels. */
#define PB_GO_DOWN	0x01
#define PB_GO_UP	0x02

/**
 * struct pb_wire_rule - what is legal in a message of a type
 * @name: for people
 * @flags: flags it may carry
 * @way: PB_GO_*
 * @seq: has a sequence number
 * @acks: @count is a number of messages
 * @payload: @count sectors of data follow
 * @digests: digests of the pieces of the range follow
 * @max_sectors: longest range; 0 for a type that has no range
 * @size: @sector is a size
 * @tells: @sector is a sequence number
 * @answers: @seq is of the peer's; @status may say why there is no payload
 * @data_len: bytes that follow when it is neither @payload nor @digests
 */
struct pb_wire_rule {
	const char	*name;
	u8		flags;
	u8		way;
	bool		seq;
	bool		acks;
	bool		payload;
	bool		digests;
	bool		size;
	bool		tells;
	bool		answers;
	u32		max_sectors;
	u32		data_len;
};

static const struct pb_wire_rule pb_wire_rules[] = {
	[PB_WIRE_HELLO] = {
		.name = "hello",
		.way = PB_GO_DOWN | PB_GO_UP,
		.data_len = sizeof(struct pb_wire_hello),
	},
	[PB_WIRE_BYE] = {
		.name = "bye",
		.way = PB_GO_DOWN | PB_GO_UP,
	},
	[PB_WIRE_KEEPALIVE] = {
		.name = "keepalive",
		.flags = PB_WIRE_ASK,
		.way = PB_GO_DOWN | PB_GO_UP,
		.tells = true,
	},
	[PB_WIRE_WRITE] = {
		.name = "write",
		.flags = PB_WIRE_FUA | PB_WIRE_COPY,
		.way = PB_GO_DOWN,
		.seq = true,
		.payload = true,
		.max_sectors = PB_WIRE_MAX_DATA / 512,
	},
	[PB_WIRE_FLUSH] = {
		.name = "flush",
		.flags = PB_WIRE_ORDERED,
		.way = PB_GO_DOWN,
		.seq = true,
		.tells = true,
	},
	[PB_WIRE_ZEROES] = {
		.name = "zeroes",
		.flags = PB_WIRE_FUA | PB_WIRE_NOUNMAP | PB_WIRE_COPY,
		.way = PB_GO_DOWN,
		.seq = true,
		.max_sectors = PB_WIRE_MAX_ZEROES,
	},
	[PB_WIRE_ACK] = {
		.name = "ack",
		.way = PB_GO_UP,
		.seq = true,
		.acks = true,
	},
	[PB_WIRE_SYNC_BEGIN] = {
		.name = "sync-begin",
		.way = PB_GO_DOWN,
		.seq = true,
	},
	[PB_WIRE_SYNC_GO] = {
		.name = "sync-go",
		.way = PB_GO_DOWN,
		.seq = true,
	},
	[PB_WIRE_SYNC_DONE] = {
		.name = "sync-done",
		.way = PB_GO_DOWN,
		.seq = true,
	},
	[PB_WIRE_MARK] = {
		.name = "mark",
		.way = PB_GO_UP,
		.max_sectors = PB_WIRE_MAX_ZEROES,
	},
	[PB_WIRE_READ] = {
		.name = "read",
		.way = PB_GO_DOWN,
		.seq = true,
		.max_sectors = PB_WIRE_MAX_DATA / 512,
	},
	[PB_WIRE_DATA] = {
		.name = "data",
		.way = PB_GO_UP,
		.seq = true,
		.payload = true,
		.answers = true,
		.max_sectors = PB_WIRE_MAX_DATA / 512,
	},
	[PB_WIRE_CHECK] = {
		.name = "check",
		.way = PB_GO_DOWN,
		.seq = true,
		.digests = true,
		.max_sectors = PB_WIRE_MAX_DATA / 512,
	},
	[PB_WIRE_DIFFERS] = {
		.name = "differs",
		.way = PB_GO_UP,
		.max_sectors = PB_WIRE_MAX_DATA / 512,
	},
	[PB_WIRE_CAPACITY] = {
		.name = "capacity",
		.way = PB_GO_UP,
		.size = true,
	},
	[PB_WIRE_SIZE] = {
		.name = "size",
		.way = PB_GO_DOWN,
		.seq = true,
		.size = true,
	},
};

static const char *const pb_bye_texts[] = {
	[PB_BYE_NONE]		= "the connection broke",
	[PB_BYE_DISCONNECT]	= "disconnected on request",
	[PB_BYE_REMOVED]	= "the device is being removed",
	[PB_BYE_VIEW_CHANGE]	= "moving to another view",
	[PB_BYE_REPLACED]	= "a newer connection takes over",
	[PB_BYE_SILENT]		= "nothing heard within the time-out",
	[PB_BYE_PROTOCOL]	= "ill-formed or unexpected message",
	[PB_BYE_VERSION]	= "no common protocol version",
	[PB_BYE_VOLUME]		= "the peer has another volume",
	[PB_BYE_VIEW_OLD]	= "the peer is in an older view",
	[PB_BYE_VIEW_NEW]	= "the peer is in a newer view",
	[PB_BYE_VIEW_DIFFERS]	= "views of the same number have other members",
	[PB_BYE_NOT_NEIGHBOUR]	= "the peer is not a neighbour in this view",
	[PB_BYE_SIZE]		= "the backup is smaller than the volume: 'pbctl resize' there; if just enlarged, list it as unsynced",
	[PB_BYE_BLOCK_SIZE]	= "block sizes do not fit",
	[PB_BYE_LIMITS]		= "limits do not fit",
	[PB_BYE_FEATURES]	= "a feature is not understood",
	[PB_BYE_RESTARTED]	= "the stream cannot go on: a member lost it",
	[PB_BYE_DISK_FAILED]	= "the data device failed",
	[PB_BYE_DIVERGED]	= "writes failed that the peer may lack",
};

static_assert(ARRAY_SIZE(pb_bye_texts) == PB_BYE_NR);

static const struct pb_wire_rule *pb_wire_rule(u8 type)
{
	if (type >= ARRAY_SIZE(pb_wire_rules) || !pb_wire_rules[type].name)
		return NULL;
	return &pb_wire_rules[type];
}

const char *pb_wire_type_name(u8 type)
{
	const struct pb_wire_rule *rule = pb_wire_rule(type);

	return rule ? rule->name : "?";
}

const char *pb_bye_text(u32 bye)
{
	return bye < PB_BYE_NR ? pb_bye_texts[bye] : "unknown reason";
}

static u32 pb_hdr_crc(const struct pb_wire_hdr *hdr)
{
	return pb_crc32c(hdr, offsetof(struct pb_wire_hdr, crc));
}

static u32 pb_wire_hello_crc(const struct pb_wire_hello *wire)
{
	return pb_crc32c(wire, offsetof(struct pb_wire_hello, crc));
}

void pb_codec_pack(const struct pb_msg *msg, struct pb_wire_hdr *hdr)
{
	hdr->magic = cpu_to_le32(PB_WIRE_MAGIC);
	hdr->type = msg->type;
	hdr->flags = msg->flags;
	hdr->from = msg->from;
	hdr->reserved = 0;
	hdr->view = cpu_to_le64(msg->view);
	hdr->seq = cpu_to_le64(msg->seq);
	hdr->sector = cpu_to_le64(msg->sector);
	hdr->count = cpu_to_le32(msg->count);
	hdr->data_len = cpu_to_le32(msg->data_len);
	hdr->stamp = cpu_to_le64(msg->stamp);
	hdr->echo = cpu_to_le64(msg->echo);
	hdr->status = cpu_to_le32(msg->status);
	hdr->crc = cpu_to_le32(pb_hdr_crc(hdr));
}

static void pb_msg_from_wire(const struct pb_wire_hdr *hdr, struct pb_msg *msg)
{
	msg->type = hdr->type;
	msg->flags = hdr->flags;
	msg->from = hdr->from;
	msg->view = le64_to_cpu(hdr->view);
	msg->seq = le64_to_cpu(hdr->seq);
	msg->sector = le64_to_cpu(hdr->sector);
	msg->count = le32_to_cpu(hdr->count);
	msg->data_len = le32_to_cpu(hdr->data_len);
	msg->stamp = le64_to_cpu(hdr->stamp);
	msg->echo = le64_to_cpu(hdr->echo);
	msg->status = le32_to_cpu(hdr->status);
}

static bool pb_good_piece(u32 sectors)
{
	return sectors >= PB_WIRE_MIN_PIECE &&
	       sectors <= PB_WIRE_MAX_DATA / 512 && !(sectors & (sectors - 1));
}

static bool pb_good_status(const struct pb_msg *msg)
{
	switch (msg->type) {
	case PB_WIRE_BYE:
		return msg->status != PB_BYE_NONE && msg->status < PB_BYE_NR;
	case PB_WIRE_CHECK:
		return pb_good_piece(msg->status);
	case PB_WIRE_DATA:
		return msg->status <= PB_MAX_ERRNO;
	default:
		return !msg->status;
	}
}

/* Who says it, and in which view. */
static const char *pb_bad_origin(const struct pb_msg *msg)
{
	bool bye = msg->type == PB_WIRE_BYE;

	if (msg->from >= PB_MAX_MEMBERS &&
	    !(bye && msg->from == PB_NO_MEMBER))
		return "impossible sender";
	if (!msg->view && !bye && msg->type != PB_WIRE_HELLO)
		return "view number 0";
	if (!pb_good_status(msg))
		return "impossible status";
	return NULL;
}

static const char *pb_bad_fields(const struct pb_msg *msg,
				 const struct pb_wire_rule *rule)
{
	bool has_seq = msg->seq;
	bool has_count = msg->count;

	if (msg->flags & ~rule->flags)
		return "a flag that this type does not have";
	if (rule->seq != has_seq)
		return "impossible sequence number";
	if (!rule->max_sectors && !rule->size && !rule->tells && msg->sector)
		return "a sector where this type has none";
	if (!rule->max_sectors && rule->acks != has_count)
		return "impossible count";
	if (rule->acks && msg->seq + msg->count - 1 < msg->seq)
		return "acks run past the last sequence number";
	return pb_bad_origin(msg);
}

static const char *pb_bad_size(const struct pb_msg *msg,
			       const struct pb_wire_rule *rule,
			       const struct pb_bounds *bounds)
{
	if (!msg->sector)
		return "a size of 0";
	if (msg->sector & ((bounds->block_size >> 9) - 1))
		return "a size that is not a multiple of the block size";
	/* A predecessor's word about the volume; a successor may have more. */
	if (rule->seq && msg->sector > bounds->data_sectors)
		return "a volume that there is no room for";
	return NULL;
}

static const char *pb_bad_range(const struct pb_msg *msg,
				const struct pb_wire_rule *rule,
				const struct pb_bounds *bounds)
{
	u32 mask = (bounds->block_size >> 9) - 1;

	if (rule->size)
		return pb_bad_size(msg, rule, bounds);
	if (!rule->max_sectors)
		return NULL;
	if (!msg->count)
		return "empty range";
	if (msg->count > rule->max_sectors)
		return "range too large";
	if ((msg->sector & mask) || (msg->count & mask))
		return "range not aligned to the block size";
	if (msg->sector >= bounds->data_sectors ||
	    msg->count > bounds->data_sectors - msg->sector)
		return "range outside the volume";
	return NULL;
}

u32 pb_check_pieces(u32 count, u32 piece)
{
	return count / piece + !!(count % piece);
}

/* The bytes that must follow a header. */
static u32 pb_data_len(const struct pb_msg *msg,
		       const struct pb_wire_rule *rule)
{
	if (rule->answers && msg->status)
		return 0;
	if (rule->payload)
		return msg->count * 512;
	if (rule->digests)
		return pb_check_pieces(msg->count, msg->status) *
		       PB_WIRE_DIGEST;
	return rule->data_len;
}

int pb_codec_unpack(const struct pb_wire_hdr *hdr,
		    const struct pb_bounds *bounds, struct pb_msg *msg,
		    const char **why)
{
	const struct pb_wire_rule *rule;
	const char *bad;
	struct pb_msg tmp;

	if (le32_to_cpu(hdr->magic) != PB_WIRE_MAGIC) {
		*why = "not a message of dm-pb";
		return -EBADMSG;
	}
	if (le32_to_cpu(hdr->crc) != pb_hdr_crc(hdr)) {
		*why = "damaged header";
		return -EBADMSG;
	}
	rule = pb_wire_rule(hdr->type);
	if (!rule || hdr->reserved) {
		*why = rule ? "reserved field not zero" : "unknown type";
		return -EPROTO;
	}
	pb_msg_from_wire(hdr, &tmp);
	bad = pb_bad_fields(&tmp, rule);
	if (bad) {
		*why = bad;
		return -EPROTO;
	}
	bad = pb_bad_range(&tmp, rule, bounds);
	if (bad) {
		*why = bad;
		return -ERANGE;
	}
	if (tmp.data_len != pb_data_len(&tmp, rule)) {
		*why = "impossible length of data";
		return -EPROTO;
	}
	*msg = tmp;
	return 0;
}

static int pb_admit_seq(const struct pb_msg *msg,
			const struct pb_expect *expect, const char **why)
{
	if (msg->seq < expect->next_seq) {
		*why = "a sequence number again";
		return -EALREADY;
	}
	if (msg->seq > expect->next_seq) {
		*why = "a gap in the sequence";
		return -EPROTO;
	}
	return 0;
}

static int pb_admit_ack(const struct pb_msg *msg,
			const struct pb_expect *expect, const char **why)
{
	u64 last = msg->seq + msg->count - 1;

	if (last > expect->sent_seq && last > expect->resume_seq) {
		*why = "an ack for what was never sent";
		return -EPROTO;
	}
	return 0;
}

static int pb_admit_answer(const struct pb_msg *msg,
			   const struct pb_expect *expect, const char **why)
{
	if (msg->seq > expect->sent_seq) {
		*why = "an answer to what was never sent";
		return -EPROTO;
	}
	return 0;
}

int pb_codec_admit(const struct pb_msg *msg, const struct pb_expect *expect,
		   const char **why)
{
	const struct pb_wire_rule *rule = pb_wire_rule(msg->type);
	bool hello = msg->type == PB_WIRE_HELLO;

	/* It ends the connection, which the peer could do without asking. */
	if (msg->type == PB_WIRE_BYE)
		return 0;
	if (!rule || hello == expect->hello_done) {
		*why = expect->hello_done ? "a second hello" :
					    "something else than a hello first";
		return -EPROTO;
	}
	if (hello)
		return 0;
	if (msg->view != expect->view) {
		*why = "a message of another view";
		return -ESTALE;
	}
	if (msg->from != expect->from) {
		*why = "not from the neighbour";
		return -EPERM;
	}
	if (!(rule->way & (expect->upstream ? PB_GO_DOWN : PB_GO_UP)) ||
	    (!expect->upstream && (msg->flags & PB_WIRE_ASK))) {
		*why = "a message that does not travel this way";
		return -EPERM;
	}
	if ((msg->flags & PB_WIRE_ORDERED) &&
	    expect->version < PB_WIRE_VERSION_ORDERED) {
		*why = "a flag of a later version than agreed";
		return -EPROTO;
	}
	if (!rule->seq)
		return 0;
	if (rule->answers)
		return pb_admit_answer(msg, expect, why);
	return rule->acks ? pb_admit_ack(msg, expect, why) :
			    pb_admit_seq(msg, expect, why);
}

void pb_hello_pack(const struct pb_hello *hello, struct pb_wire_hello *wire)
{
	wire->version_min = cpu_to_le32(hello->version_min);
	wire->version_max = cpu_to_le32(hello->version_max);
	wire->features = cpu_to_le64(hello->features);
	memcpy(wire->volume, hello->volume, PB_UUID_LEN);
	memcpy(wire->replica, hello->replica, PB_UUID_LEN);
	wire->view_digest = cpu_to_le32(hello->view_digest);
	wire->block_size = cpu_to_le32(hello->block_size);
	wire->data_sectors = cpu_to_le64(hello->data_sectors);
	wire->incarnation = cpu_to_le64(hello->incarnation);
	wire->peer_incarnation = cpu_to_le64(hello->peer_incarnation);
	wire->recv_seq = cpu_to_le64(hello->recv_seq);
	wire->first_unacked = cpu_to_le64(hello->first_unacked);
	wire->max_data = cpu_to_le32(hello->max_data);
	wire->timeout_ms = cpu_to_le32(hello->timeout_ms);
	wire->min_block_size = cpu_to_le32(hello->min_block_size);
	wire->physical_block = cpu_to_le32(hello->limits.physical_block);
	wire->io_opt = cpu_to_le32(hello->limits.io_opt);
	wire->discard_granularity =
		cpu_to_le32(hello->limits.discard_granularity);
	wire->max_zeroes = cpu_to_le32(hello->limits.max_zeroes);
	wire->replica_state = cpu_to_le32(hello->data.state);
	wire->data_view = cpu_to_le64(hello->data.data_view);
	wire->sync_view = cpu_to_le64(hello->data.sync_view);
	memcpy(wire->sync_source, hello->data.sync_source, PB_UUID_LEN);
	wire->marks = cpu_to_le32(hello->data.marks);
	wire->lease_ms = cpu_to_le32(hello->lease_ms);
	wire->capacity_sectors = cpu_to_le64(hello->capacity_sectors);
	memset(wire->reserved, 0, sizeof(wire->reserved));
	wire->crc = cpu_to_le32(pb_wire_hello_crc(wire));
}

static void pb_hello_from_wire(const struct pb_wire_hello *wire,
			       struct pb_hello *hello)
{
	hello->version_min = le32_to_cpu(wire->version_min);
	hello->version_max = le32_to_cpu(wire->version_max);
	hello->features = le64_to_cpu(wire->features);
	memcpy(hello->volume, wire->volume, PB_UUID_LEN);
	memcpy(hello->replica, wire->replica, PB_UUID_LEN);
	hello->view_digest = le32_to_cpu(wire->view_digest);
	hello->block_size = le32_to_cpu(wire->block_size);
	hello->data_sectors = le64_to_cpu(wire->data_sectors);
	hello->incarnation = le64_to_cpu(wire->incarnation);
	hello->peer_incarnation = le64_to_cpu(wire->peer_incarnation);
	hello->recv_seq = le64_to_cpu(wire->recv_seq);
	hello->first_unacked = le64_to_cpu(wire->first_unacked);
	hello->max_data = le32_to_cpu(wire->max_data);
	hello->timeout_ms = le32_to_cpu(wire->timeout_ms);
	hello->min_block_size = le32_to_cpu(wire->min_block_size);
	hello->limits.physical_block = le32_to_cpu(wire->physical_block);
	hello->limits.io_opt = le32_to_cpu(wire->io_opt);
	hello->limits.discard_granularity =
		le32_to_cpu(wire->discard_granularity);
	hello->limits.max_zeroes = le32_to_cpu(wire->max_zeroes);
	hello->data.state = le32_to_cpu(wire->replica_state);
	hello->data.data_view = le64_to_cpu(wire->data_view);
	hello->data.sync_view = le64_to_cpu(wire->sync_view);
	memcpy(hello->data.sync_source, wire->sync_source, PB_UUID_LEN);
	hello->data.marks = le32_to_cpu(wire->marks);
	hello->lease_ms = le32_to_cpu(wire->lease_ms);
	hello->capacity_sectors = le64_to_cpu(wire->capacity_sectors);
}

static const char *pb_bad_data(const struct pb_data_id *data)
{
	if (data->state > PB_REPLICA_SYNCED)
		return "hello: unknown replica state";
	if (data->marks > PB_MARKS_ALL)
		return "hello: unknown kind of marks";
	if ((data->state == PB_REPLICA_SYNCING) ==
	    pb_uuid_zero(data->sync_source))
		return "hello: syncing from nobody, or from somebody and not syncing";
	return NULL;
}

static const char *pb_bad_limits(const struct pb_limits *limits)
{
	if (!pb_block_size_ok(limits->physical_block, PB_HELLO_MAX_BLOCK))
		return "hello: impossible physical block size";
	if ((limits->io_opt | limits->discard_granularity) & 511)
		return "hello: a limit is not a multiple of 512";
	return NULL;
}

static const char *pb_bad_hello(const struct pb_hello *hello)
{
	const char *bad;

	if (!hello->version_min || hello->version_min > hello->version_max)
		return "hello: impossible range of versions";
	if (!pb_block_size_ok(hello->block_size, PB_HELLO_MAX_BLOCK) ||
	    !pb_block_size_ok(hello->min_block_size, PB_HELLO_MAX_BLOCK))
		return "hello: impossible block size";
	if (pb_uuid_zero(hello->volume) || pb_uuid_zero(hello->replica))
		return "hello: a UUID is zero";
	if (!hello->incarnation)
		return "hello: incarnation is zero";
	if (!hello->first_unacked)
		return "hello: first unacked sequence number is zero";
	if (hello->capacity_sectors < hello->data_sectors)
		return "hello: a volume without room for it";
	bad = pb_bad_limits(&hello->limits);
	return bad ? bad : pb_bad_data(&hello->data);
}

int pb_hello_unpack(const struct pb_wire_hello *wire, struct pb_hello *hello,
		    const char **why)
{
	struct pb_hello tmp;
	const char *bad;

	if (le32_to_cpu(wire->crc) != pb_wire_hello_crc(wire)) {
		*why = "damaged hello";
		return -EBADMSG;
	}
	if (!pb_all_zero(wire->reserved, sizeof(wire->reserved))) {
		*why = "hello: reserved field not zero";
		return -EPROTO;
	}
	pb_hello_from_wire(wire, &tmp);
	bad = pb_bad_hello(&tmp);
	if (bad) {
		*why = bad;
		return -EPROTO;
	}
	*hello = tmp;
	return 0;
}

enum pb_bye pb_hello_check(const struct pb_hello *mine, u64 my_view,
			   const struct pb_hello *peer, u64 peer_view,
			   const u8 *neighbour, bool upstream)
{
	if (mine->version_max < peer->version_min ||
	    peer->version_max < mine->version_min)
		return PB_BYE_VERSION;
	if (peer->features & ~mine->features)
		return PB_BYE_FEATURES;
	if (memcmp(mine->volume, peer->volume, PB_UUID_LEN))
		return PB_BYE_VOLUME;
	if (peer_view != my_view)
		return peer_view < my_view ? PB_BYE_VIEW_OLD : PB_BYE_VIEW_NEW;
	if (memcmp(peer->replica, neighbour, PB_UUID_LEN))
		return PB_BYE_NOT_NEIGHBOUR;
	if (mine->view_digest != peer->view_digest)
		return PB_BYE_VIEW_DIFFERS;
	if (upstream ? mine->capacity_sectors < peer->data_sectors :
		       peer->capacity_sectors < mine->data_sectors)
		return PB_BYE_SIZE;
	if (mine->block_size != peer->block_size ||
	    mine->block_size < mine->min_block_size ||
	    mine->block_size < peer->min_block_size)
		return PB_BYE_BLOCK_SIZE;
	if (peer->max_data < PB_WIRE_MAX_DATA)
		return PB_BYE_LIMITS;
	return PB_BYE_NONE;
}

u32 pb_hello_version(const struct pb_hello *mine, const struct pb_hello *peer)
{
	return mine->version_max < peer->version_max ? mine->version_max :
						       peer->version_max;
}

/* What suits both: the larger if it is a multiple of the smaller, else ours. */
static u32 pb_limit_common(u32 mine, u32 peer)
{
	if (!mine)
		return peer;
	return peer > mine && !(peer % mine) ? peer : mine;
}

void pb_limits_stack(struct pb_limits *mine, const struct pb_limits *peer)
{
	mine->physical_block = pb_limit_common(mine->physical_block,
					       peer->physical_block);
	mine->io_opt = pb_limit_common(mine->io_opt, peer->io_opt);
	mine->discard_granularity = pb_limit_common(mine->discard_granularity,
						    peer->discard_granularity);
	if (peer->max_zeroes < mine->max_zeroes)
		mine->max_zeroes = peer->max_zeroes;
}

int pb_hello_resume(const struct pb_hello *up, const struct pb_hello *down,
		    u64 *resume)
{
	u64 acked = up->first_unacked - 1;

	if (down->peer_incarnation != up->incarnation) {
		*resume = acked;
		return 0;
	}
	/* At the very last number nothing could follow. */
	if (down->recv_seq < acked || down->recv_seq == U64_MAX)
		return -EPROTO;
	*resume = down->recv_seq;
	return 0;
}
