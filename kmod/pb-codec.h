/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire codec: bytes to messages and back, and whether a well-formed
 * message may be said by this peer at this time.  Pure logic: callable in any
 * context, takes no lock.  A peer's bytes are hostile until both
 * pb_codec_unpack() and pb_codec_admit() have passed them.
 */
#ifndef PB_CODEC_H
#define PB_CODEC_H

#include "pb-pure.h"
#include "pb-wire.h"

/**
 * struct pb_msg - a header in host order; fields as in struct pb_wire_hdr
 */
struct pb_msg {
	u8	type;
	u8	flags;
	u8	from;
	u64	view;
	u64	seq;
	u64	sector;
	u32	count;
	u32	data_len;
	u64	stamp;
	u64	echo;
	u32	status;
};

/**
 * struct pb_limits - what suits a data device; see struct pb_wire_hello
 * @physical_block: bytes, a power of two
 * @io_opt: bytes, or 0
 * @discard_granularity: bytes, or 0
 * @max_zeroes: sectors, or 0
 */
struct pb_limits {
	u32	physical_block;
	u32	io_opt;
	u32	discard_granularity;
	u32	max_zeroes;
};

/**
 * struct pb_data_id - what a replica says its data is; see struct pb_wire_hello
 * @state: enum pb_replica_state
 * @data_view: last view in which it was synced, or 0
 * @sync_view: state syncing: the view in which that began
 * @sync_source: state syncing: from whom, else zero
 * @marks: enum pb_marks
 */
struct pb_data_id {
	u32	state;
	u64	data_view;
	u64	sync_view;
	u8	sync_source[PB_UUID_LEN];
	u32	marks;
};

/**
 * struct pb_hello - the payload of a hello in host order
 */
struct pb_hello {
	u32	version_min;
	u32	version_max;
	u64	features;
	u8	volume[PB_UUID_LEN];
	u8	replica[PB_UUID_LEN];
	u32	view_digest;
	u32	block_size;
	u64	data_sectors;
	u64	incarnation;
	u64	peer_incarnation;
	u64	recv_seq;
	u64	first_unacked;
	u32	max_data;
	u32	timeout_ms;
	u32	min_block_size;
	struct pb_limits limits;
	struct pb_data_id data;
	u32	lease_ms;
	u64	capacity_sectors;
};

/**
 * struct pb_bounds - what a message may address
 * @data_sectors: what the receiver has room for
 * @block_size: logical block size, bytes, a power of two from 512 to 4096
 */
struct pb_bounds {
	u64	data_sectors;
	u32	block_size;
};

/**
 * struct pb_expect - what the receiver is ready for
 * @view: the receiver's current view number
 * @from: the peer's index in that view
 * @version: of the protocol, as agreed; 0 before the hello is accepted
 * @hello_done: the peer's hello has been accepted
 * @upstream: the peer is the receiver's predecessor
 * @next_seq: upstream: the only sequence number that may come next
 * @resume_seq: downstream: acks up to here may name messages already gone;
 *	from pb_hello_resume(), checked against what was ever numbered
 * @sent_seq: downstream: highest sequence number handed to the socket
 */
struct pb_expect {
	u64	view;
	u32	version;
	u8	from;
	bool	hello_done;
	bool	upstream;
	u64	next_seq;
	u64	resume_seq;
	u64	sent_seq;
};

/**
 * pb_wire_is_word() - is it a word: what the successor's owner has to obey?
 * @type: enum pb_wire_type, any value
 */
static inline bool pb_wire_is_word(u8 type)
{
	return (type >= PB_WIRE_SYNC_BEGIN && type <= PB_WIRE_SYNC_DONE) ||
	       type == PB_WIRE_SIZE;
}

/**
 * pb_codec_pack() - write a message's header for the wire
 * @msg: what to say; must be valid
 * @hdr: filled, crc included
 */
void pb_codec_pack(const struct pb_msg *msg, struct pb_wire_hdr *hdr);

/**
 * pb_codec_unpack() - check a header and bring it into host order
 * @hdr: 64 bytes from the peer
 * @bounds: the volume's
 * @msg: filled on success only
 * @why: set to a constant line on failure
 *
 * Checks the magic, the crc, the type, that every field has a value its type
 * allows (zero where it has no meaning), that a range is aligned to the block
 * size, not empty and inside the bounds, and that @data_len is what the type
 * and count imply: so the caller may allocate @data_len bytes.
 *
 * Only a hello and a bye may have view number 0, only a bye PB_NO_MEMBER as
 * sender.  A bye needs a reason of enum pb_bye other than PB_BYE_NONE.  The
 * last number that an ack names does not wrap.  A data has the payload that its
 * count says, or the status of a failure (1 to 4095) and none.
 *
 * Return: 0, -EBADMSG (not a message of ours or damaged), -EPROTO (a field
 * has a value that its type forbids), -ERANGE (a range that is empty, outside
 * the bounds, misaligned or too large; a size that is 0, not whole blocks or,
 * from the predecessor, beyond the bounds).
 */
int pb_codec_unpack(const struct pb_wire_hdr *hdr,
		    const struct pb_bounds *bounds, struct pb_msg *msg,
		    const char **why);

/**
 * pb_check_pieces() - how many digests a check carries
 * @count: sectors of its range
 * @piece: sectors of a piece, not 0
 */
u32 pb_check_pieces(u32 count, u32 piece);

/**
 * pb_codec_admit() - may this peer say this now?
 * @msg: a message that pb_codec_unpack() passed
 * @expect: what the receiver is ready for
 * @why: set to a constant line on failure
 *
 * A hello and a bye are admitted whatever their view (a hello carries its own
 * and is judged by pb_hello_check()), a bye also before any hello.  For
 * everything else the view must be equal and the sender the neighbour of that
 * view.  Only the predecessor may ask for an answer.  An ack may name what was
 * acked before: the caller ignores that part.
 *
 * Return: 0, -ESTALE (another view), -EPERM (not the neighbour, or not the
 * direction that this type or its flag travels), -EALREADY (a sequence number again),
 * -EPROTO (a gap in the sequence, an ack or answer for what was never sent, anything
 * but a hello first, a second hello, a flag that only a later version has).
 */
int pb_codec_admit(const struct pb_msg *msg, const struct pb_expect *expect,
		   const char **why);

/**
 * pb_hello_pack() - write a hello's payload for the wire
 * @hello: what to say
 * @wire: filled, crc included
 */
void pb_hello_pack(const struct pb_hello *hello, struct pb_wire_hello *wire);

/**
 * pb_hello_unpack() - check a hello's payload and bring it into host order
 * @wire: bytes from the peer
 * @hello: filled on success only
 * @why: set to a constant line on failure
 *
 * Return: 0, -EBADMSG (damaged), -EPROTO (a field that no version allows:
 * version range upside down or with version 0, either block size not a power
 * of two from 512 to 65536, a zero UUID, zero incarnation, zero first_unacked,
 * capacity below the size, reserved not zero).
 */
int pb_hello_unpack(const struct pb_wire_hello *wire, struct pb_hello *hello,
		    const char **why);

/**
 * pb_hello_check() - do two hellos fit together?
 * @mine: what this replica said
 * @my_view: the view it said it in
 * @peer: what the peer said
 * @peer_view: the view the peer said it in
 * @neighbour: UUID of the replica that should be at the other end
 * @upstream: the peer is the predecessor
 *
 * In this order: version, features (the peer wants none that @mine does not),
 * volume, view number, neighbour, view digest, size (the successor has room for
 * the predecessor's volume), block size (equal, and
 * not smaller than either disk's @min_block_size), limits (the peer's
 * @max_data must be PB_WIRE_MAX_DATA or more).
 *
 * Return: PB_BYE_NONE if they do, else the reason to say bye with.
 */
enum pb_bye pb_hello_check(const struct pb_hello *mine, u64 my_view,
			   const struct pb_hello *peer, u64 peer_view,
			   const u8 *neighbour, bool upstream);

/**
 * pb_hello_version() - the version of the protocol that two speak
 * @mine: what this replica said
 * @peer: what the peer said; pb_hello_check() has passed both
 *
 * Return: the newest that both know.
 */
u32 pb_hello_version(const struct pb_hello *mine, const struct pb_hello *peer);

/**
 * pb_limits_stack() - what suits both ends
 * @mine: this end's limits; the stricter of both on return
 * @peer: the other end's
 *
 * Of two sizes the larger, if it is a multiple of the smaller; else @mine
 * stays.  Zeroing has no message if one end cannot do it: @max_zeroes is the
 * smaller.
 */
void pb_limits_stack(struct pb_limits *mine, const struct pb_limits *peer);

/**
 * pb_hello_resume() - where a stream goes on after both hellos
 * @up: hello of the sender of writes (the predecessor)
 * @down: hello of their receiver (the successor)
 * @resume: the highest sequence number that need not be sent again; the next
 *	message sent is @resume + 1
 *
 * Both ends call this with the same two hellos and so agree.  If the receiver
 * remembers this incarnation of the sender, all up to its @recv_seq has
 * arrived.  If not (either was set up again), the stream goes on right before
 * the sender's first unacked message.
 *
 * A hello does not say how far the sender has numbered its messages, so the
 * sender must also refuse a @resume above that.
 *
 * Return: 0, or -EPROTO if the two contradict each other (@recv_seq is below
 * what the sender has already seen acked, or leaves no number to go on with).
 */
int pb_hello_resume(const struct pb_hello *up, const struct pb_hello *down,
		    u64 *resume);

/**
 * pb_bye_text() - a line for a person about why a connection ended
 * @bye: enum pb_bye, any value
 *
 * The line is worded from the side of the one who said it ("volumes differ in
 * size").
 */
const char *pb_bye_text(u32 bye);

/**
 * pb_wire_type_name() - "write", "ack", ...; "?" for an unknown type
 * @type: enum pb_wire_type, any value
 */
const char *pb_wire_type_name(u8 type);

#endif /* PB_CODEC_H */
