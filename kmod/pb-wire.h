/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire format: what two members of a view say to each other.
 *
 * A connection carries messages in both directions.  Each is a header of 64
 * bytes, followed by @data_len bytes for a hello, a write, a check and a data and by
 * nothing for the rest.  The first message each way is a hello; nothing else may be
 * sent before the peer's hello has been accepted.  All integers are
 * little-endian.  See Documentation/protocol.rst for the conversation.
 */
#ifndef PB_WIRE_H
#define PB_WIRE_H

#include <linux/types.h>

#define PB_WIRE_MAGIC		0x31574250	/* "PBW1" */
/*
 * What is spoken: 1 is the oldest; from 2 on a flush may be PB_WIRE_ORDERED.  Two
 * that connect speak the newest that both know.
 */
#define PB_WIRE_VERSION_MIN	1
#define PB_WIRE_VERSION_ORDERED	2
#define PB_WIRE_VERSION_MAX	2

#define PB_WIRE_PORT		7780		/* default of pbctl */

/* Largest payload of a write or data: what one bio of 256 pages can carry. */
#define PB_WIRE_MAX_DATA	(1U << 20)
/*
 * A member takes in this much from its predecessor without a pause: so many
 * messages not yet acked, and payload of so many bytes of those.  Who sends
 * keeps to it, and to half of the messages but for flushes.
 */
#define PB_WIRE_MAX_SENT	4096
#define PB_WIRE_MAX_SENT_BYTES	(16U << 20)
/*
 * Largest range of one write-zeroes message, in sectors (32 MiB): it must fit
 * into the smallest activity log twice.
 */
#define PB_WIRE_MAX_ZEROES	(1U << 16)
/*
 * A check carries a digest of each piece of its range: SHA-256, of pieces of
 * at least so many sectors, at most so many of them.
 */
#define PB_WIRE_DIGEST		32
#define PB_WIRE_MIN_PIECE	8
#define PB_WIRE_MAX_PIECES	256

/**
 * enum pb_wire_type - what a message is
 * @PB_WIRE_HELLO: first message each way; payload struct pb_wire_hello
 * @PB_WIRE_BYE: last message; @status says why the connection ends
 * @PB_WIRE_KEEPALIVE: nothing to say, still here
 * @PB_WIRE_WRITE: downstream: store the payload at @sector
 * @PB_WIRE_FLUSH: downstream: flush the disk; covers all that was acked, or,
 *	with PB_WIRE_ORDERED, all that was sent before it
 * @PB_WIRE_ZEROES: downstream: zero @count sectors from @sector
 * @PB_WIRE_ACK: upstream: @count messages from @seq on are done
 * @PB_WIRE_SYNC_BEGIN: downstream: state transfer is to begin: say with marks
 *	what of your data may differ; the ack follows the last mark
 * @PB_WIRE_SYNC_GO: downstream: what you marked is durable here; from here on
 *	you are being brought up to date, and your disk must say so
 * @PB_WIRE_SYNC_DONE: downstream: you hold every acknowledged write
 * @PB_WIRE_MARK: upstream: this range may differ from what you have
 * @PB_WIRE_READ: downstream: send me what your disk has from @sector on
 * @PB_WIRE_DATA: upstream: the answer to a read, which is not acked otherwise:
 *	the payload, or none and why
 * @PB_WIRE_CHECK: downstream: compare the payload, digests of the pieces of a
 *	range, with your data; the ack follows what differs
 * @PB_WIRE_DIFFERS: upstream: this part of a check's range is not the same, or
 *	cannot be read
 * @PB_WIRE_CAPACITY: upstream: there is room for a volume of @sector sectors
 * @PB_WIRE_SIZE: downstream: the volume has @sector sectors from now on
 */
enum pb_wire_type {
	PB_WIRE_HELLO		= 1,
	PB_WIRE_BYE		= 2,
	PB_WIRE_KEEPALIVE	= 3,
	PB_WIRE_WRITE		= 4,
	PB_WIRE_FLUSH		= 5,
	PB_WIRE_ZEROES		= 6,
	PB_WIRE_ACK		= 7,
	PB_WIRE_SYNC_BEGIN	= 8,
	PB_WIRE_SYNC_GO		= 9,
	PB_WIRE_SYNC_DONE	= 10,
	PB_WIRE_MARK		= 11,
	PB_WIRE_READ		= 12,
	PB_WIRE_DATA		= 13,
	PB_WIRE_CHECK		= 14,
	PB_WIRE_DIFFERS		= 15,
	PB_WIRE_CAPACITY	= 16,
	PB_WIRE_SIZE		= 17,
};

/* Flags of a message. */
#define PB_WIRE_FUA		0x01	/* write, zeroes: durable before the ack */
#define PB_WIRE_NOUNMAP		0x02	/* zeroes: keep the blocks allocated */
#define PB_WIRE_COPY		0x04	/* write, zeroes: part of a state transfer */
#define PB_WIRE_ASK		0x08	/* keepalive downstream: answer at once */
#define PB_WIRE_ORDERED		0x10	/* flush, from version 2 on: begin when all before it is done */

/**
 * struct pb_wire_hdr - head of every message
 * @magic: PB_WIRE_MAGIC
 * @type: enum pb_wire_type
 * @flags: PB_WIRE_*, 0 where the type has none
 * @from: the sender's index among the members of the view
 * @reserved: zero
 * @view: number of the view that the message belongs to
 * @seq: what travels downstream: consecutive from 1 in a stream; ack: first
 *	acked; data: of the read
 * @sector: write, zeroes, check, mark, differs, read, data: where, in sectors of
 *	512 bytes; capacity, size: how many of these; flush, keepalive: all
 *	messages up to this number are done here as well
 * @count: write, zeroes, check, mark, differs, read, data: sectors; ack: messages
 *	acked
 * @data_len: bytes that follow this header
 * @stamp: the sender's boot time in ns when it packed this
 * @echo: the latest @stamp the sender has seen from its peer on this connection, 0
 *	if none and in a bye; upstream this grants a lease
 * @status: bye: enum pb_bye; check: sectors of a piece, a power of two; data: 0,
 *	or the errno of the disk's failure and then no payload; else zero
 * @crc: crc32c of the 60 bytes before it
 */
struct pb_wire_hdr {
	__le32	magic;
	__u8	type;
	__u8	flags;
	__u8	from;
	__u8	reserved;
	__le64	view;
	__le64	seq;
	__le64	sector;
	__le32	count;
	__le32	data_len;
	__le64	stamp;
	__le64	echo;
	__le32	status;
	__le32	crc;
};

/**
 * struct pb_wire_hello - payload of a hello
 * @version_min: oldest protocol the sender speaks
 * @version_max: newest protocol the sender speaks
 * @features: features wanted, none defined yet: zero
 * @volume: UUID of the volume
 * @replica: UUID of the sending replica
 * @view_digest: crc32c over the sender's view record
 * @block_size: logical block size of the volume, bytes
 * @data_sectors: size of the volume, as far as the sender knows
 * @incarnation: of the sender: new each time its device is set up, never 0
 * @peer_incarnation: of the receiver, as the sender remembers it from this
 *	view; 0 if it does not
 * @recv_seq: last sequence number received from that incarnation, all before
 *	it received as well
 * @first_unacked: lowest sequence number the sender still wants an ack for
 * @max_data: largest write payload the sender takes, bytes
 * @timeout_ms: the sender gives the peer up after this much silence
 * @min_block_size: smallest block the sender's disk can write, bytes
 * @physical_block: that it writes without reading first, bytes
 * @io_opt: size of I/O that suits it best, bytes; 0 if it does not say
 * @discard_granularity: that it can deallocate, bytes; 0 if it does not say
 * @max_zeroes: sectors it can zero without being sent them; 0 for none
 * @replica_state: enum pb_replica_state of the sender
 * @data_view: last view in which it held every acknowledged write, 0 if none
 * @sync_view: state syncing: the view in which the state transfer began
 * @sync_source: state syncing: from whom
 * @marks: enum pb_marks: what its activity log says of the time before it was
 *	set up
 * @lease_ms: length of the leases that it grants, or wants; 0: none
 * @capacity_sectors: size that the sender has room for
 * @reserved: zero
 * @crc: crc32c of all before it
 */
struct pb_wire_hello {
	__le32	version_min;
	__le32	version_max;
	__le64	features;
	__u8	volume[16];
	__u8	replica[16];
	__le32	view_digest;
	__le32	block_size;
	__le64	data_sectors;
	__le64	incarnation;
	__le64	peer_incarnation;
	__le64	recv_seq;
	__le64	first_unacked;
	__le32	max_data;
	__le32	timeout_ms;
	__le32	min_block_size;
	__le32	physical_block;
	__le32	io_opt;
	__le32	discard_granularity;
	__le32	max_zeroes;
	__le32	replica_state;
	__le64	data_view;
	__le64	sync_view;
	__u8	sync_source[16];
	__le32	marks;
	__le32	lease_ms;
	__le64	capacity_sectors;
	__u8	reserved[12];
	__le32	crc;
};

/**
 * enum pb_marks - what a replica knows of its data to be doubtful
 * @PB_MARKS_NONE: nothing
 * @PB_MARKS_SOME: some extents; it can name them
 * @PB_MARKS_ALL: its activity log is lost: everything
 */
enum pb_marks {
	PB_MARKS_NONE	= 0,
	PB_MARKS_SOME	= 1,
	PB_MARKS_ALL	= 2,
};

/**
 * enum pb_bye - why a connection ends or is refused
 */
enum pb_bye {
	PB_BYE_NONE		= 0,	/* no bye was said: the connection broke */
	PB_BYE_DISCONNECT	= 1,	/* an operator or daemon asked for it */
	PB_BYE_REMOVED		= 2,	/* the device is being removed */
	PB_BYE_VIEW_CHANGE	= 3,	/* the sender moves to another view */
	PB_BYE_REPLACED		= 4,	/* a newer connection takes over */
	PB_BYE_SILENT		= 5,	/* nothing heard within the time-out */
	PB_BYE_PROTOCOL		= 6,	/* ill-formed or unexpected message */
	PB_BYE_VERSION		= 7,	/* no common protocol version */
	PB_BYE_VOLUME		= 8,	/* another volume */
	PB_BYE_VIEW_OLD		= 9,	/* the receiver's view is older than the sender's */
	PB_BYE_VIEW_NEW		= 10,	/* the receiver's view is newer than the sender's */
	PB_BYE_VIEW_DIFFERS	= 11,	/* same number, other members */
	PB_BYE_NOT_NEIGHBOUR	= 12,	/* the receiver is not next to the sender */
	PB_BYE_SIZE		= 13,	/* the successor is too small */
	PB_BYE_BLOCK_SIZE	= 14,	/* block sizes do not fit */
	PB_BYE_LIMITS		= 15,	/* other limits do not fit */
	PB_BYE_FEATURES		= 16,	/* a feature is not understood */
	PB_BYE_RESTARTED	= 17,	/* the stream cannot go on: a member lost it */
	PB_BYE_DISK_FAILED	= 18,	/* the sender's data device failed */
	PB_BYE_DIVERGED		= 19,	/* writes failed that the peer lacks */
	PB_BYE_NR
};

#endif /* PB_WIRE_H */
