/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * dm-pb: the control device /dev/dm-pb-control.
 *
 * dmsetup(8) creates and removes a volume's device; everything else goes
 * through the ioctls and the event stream described here.  Every structure
 * has a fixed size on every architecture, is read and written whole, and has
 * reserved fields that must be zero on the way in and are zero on the way
 * out.  A caller names a volume by the device number of its dm device.
 *
 * All ioctls need CAP_SYS_ADMIN.  An ioctl that fails changes nothing and,
 * where its argument has a @reason field, fills it with one line for a person.
 */
#ifndef _UAPI_LINUX_DM_PB_H
#define _UAPI_LINUX_DM_PB_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PB_CONTROL_NAME		"dm-pb-control"
#define PB_API_VERSION		1

#define PB_UUID_LEN		16
#define PB_NAME_LEN		32
#define PB_REASON_LEN		128
#define PB_MAX_MEMBERS		8
#define PB_MAX_LIST		64
#define PB_COUNTER_ROOM		64

/* Features of the module, reported by PB_IOC_INFO. */
#define PB_FEATURE_VIEWS	(1ULL << 0)	/* numbered views, two members */
#define PB_FEATURE_SYNC		(1ULL << 1)	/* activity log, state transfer */

/**
 * enum pb_role - what this replica does in its current view
 * @PB_ROLE_UNCONFIRMED: set up, but nobody has said yet which view is current,
 *	or it can only stand in that one (PB_STATUS_STANDS); every bio and every
 *	peer is refused
 * @PB_ROLE_IDLE: has no place in the current view
 * @PB_ROLE_BACKUP: a member behind the primary
 * @PB_ROLE_PRIMARY: the head of the view; the only role that serves bios
 * @PB_ROLE_FAILED: its metadata device failed; stopped until set up again
 */
enum pb_role {
	PB_ROLE_UNCONFIRMED	= 0,
	PB_ROLE_IDLE		= 1,
	PB_ROLE_BACKUP		= 2,
	PB_ROLE_PRIMARY		= 3,
	PB_ROLE_FAILED		= 4,
};

/**
 * enum pb_replica_state - what this replica's data is worth (durable)
 * @PB_REPLICA_BLANK: never held the volume's data
 * @PB_REPLICA_STALE: held it once, has missed writes since
 * @PB_REPLICA_SYNCING: being brought up to date
 * @PB_REPLICA_SYNCED: holds every acknowledged write
 */
enum pb_replica_state {
	PB_REPLICA_BLANK	= 0,
	PB_REPLICA_STALE	= 1,
	PB_REPLICA_SYNCING	= 2,
	PB_REPLICA_SYNCED	= 3,
};

/* Flags of a member. */
#define PB_MEMBER_SYNCED	(1U << 0)	/* holds every acknowledged write */
#define PB_MEMBER_FLAGS		PB_MEMBER_SYNCED

/**
 * struct pb_member - one member of a view
 * @replica: the replica's UUID, never all zero
 * @name: the node's name for people, NUL-terminated, may be empty
 * @flags: PB_MEMBER_*
 * @reserved: zero
 */
struct pb_member {
	__u8	replica[PB_UUID_LEN];
	char	name[PB_NAME_LEN];
	__u32	flags;
	__u32	reserved[3];
};

/**
 * struct pb_view - a view: who holds the volume, in which order
 * @number: 1 and up; 0 means no view yet
 * @nr_members: 1 to PB_MAX_MEMBERS (0 only with @number 0)
 * @reserved: zero
 * @members: member 0 is the primary, each forwards to the next; entries from
 *	@nr_members on are zero
 */
struct pb_view {
	__u64			number;
	__u32			nr_members;
	__u32			reserved;
	struct pb_member	members[PB_MAX_MEMBERS];
};

/**
 * struct pb_ioc_dev - names a volume's device; the head of most arguments
 * @major: of the dm device
 * @minor: of the dm device
 * @volume: in: the UUID of the volume that must be set up there, since a number
 *	is used again, or zero for whichever it is; out: of the volume
 *
 * Errors: ENODEV (no volume is set up there, or another one).
 */
struct pb_ioc_dev {
	__u32	major;
	__u32	minor;
	__u8	volume[PB_UUID_LEN];
};

/**
 * struct pb_ioc_info - PB_IOC_INFO: what this module speaks (all out)
 * @api_version: PB_API_VERSION of the module
 * @max_members: members that a view may have today
 * @features: PB_FEATURE_*
 * @wire_min: oldest wire protocol understood
 * @wire_max: newest wire protocol understood
 * @meta_version: version of the superblock
 * @reserved0: zero
 * @version: the module's version, NUL-terminated
 * @reserved: zero
 */
struct pb_ioc_info {
	__u32	api_version;
	__u32	max_members;
	__u64	features;
	__u32	wire_min;
	__u32	wire_max;
	__u32	meta_version;
	__u32	reserved0;
	char	version[PB_NAME_LEN];
	__u64	reserved[8];
};

/**
 * struct pb_ioc_list - PB_IOC_LIST: the volumes set up on this node
 * @start: in: how many to skip; at most 2^31-1
 * @nr: out: entries filled in @devs
 * @total: out: volumes set up now
 * @reserved: zero
 * @devs: out: their devices
 */
struct pb_ioc_list {
	__u32			start;
	__u32			nr;
	__u32			total;
	__u32			reserved;
	struct pb_ioc_dev	devs[PB_MAX_LIST];
};

/* Flags of struct pb_ioc_view. */
/*
 * Take the view although this replica cannot prove that it was a synced member
 * of the view before.  Acknowledged writes may be lost.  The superblock keeps
 * a record of it.
 */
#define PB_VIEW_FORCE_DATA_MAY_BE_LOST	(1U << 0)
#define PB_VIEW_FLAGS			PB_VIEW_FORCE_DATA_MAY_BE_LOST

/**
 * struct pb_ioc_view - PB_IOC_SET_VIEW: move into a view, or confirm it
 * @dev: the volume
 * @flags: PB_VIEW_*
 * @reserved: zero
 * @view: the view
 * @reason: out: why not
 *
 * A view with a higher number replaces the current one: connections are
 * closed, the view is made durable, and bios that waited go on under it.  The
 * current number with the same members confirms the view after a restart.
 *
 * A replica that crashed takes a new view that calls it synced beside another
 * member, but stays unconfirmed in it (see the status): it serves nothing, and
 * may have a place in the view after it.  So does one that was brought up to date
 * in a view, set up again, and is told that view once more.
 *
 * Errors: EINVAL (malformed), ENOTUNIQ (a member twice), ESTALE (older than
 * the current view), EEXIST (same number, other members), EPERM (this replica
 * would serve without having been a synced member of the view before), EUCLEAN
 * (this replica is called synced and is not, or may differ from another synced
 * member, or writes under way were not acked within 5 s), EOPNOTSUPP (more
 * members than this module carries), ENODEV, EIO (metadata; the replica has
 * stopped), EINTR.  With EUCLEAN, EINTR and a failing disk connections may have
 * been closed.
 */
struct pb_ioc_view {
	struct pb_ioc_dev	dev;
	__u32			flags;
	__u32			reserved;
	struct pb_view		view;
	char			reason[PB_REASON_LEN];
};

/* Length of a lease; 0 for none: every read is confirmed. */
#define PB_LEASE_MS_MIN		40
#define PB_LEASE_MS_MAX		60000
#define PB_LEASE_MS_DEFAULT	400

/**
 * enum pb_reads - by what a primary serves reads while it waits for a backup's acks
 * @PB_READS_LEASE: by the backup's lease, which needs clocks that run and tell of
 *	every pause (default)
 * @PB_READS_CONFIRM: by an answer of the backup to what was sent after the read
 *	had come
 *
 * Set in the table line.
 */
enum pb_reads {
	PB_READS_LEASE		= 0,
	PB_READS_CONFIRM	= 1,
};

#define PB_KEEPALIVE_MS_MIN	10
#define PB_KEEPALIVE_MS_MAX	60000
#define PB_TIMEOUT_MS_MAX	600000

/**
 * struct pb_ioc_connect - PB_IOC_CONNECT: hand a connected socket over
 * @dev: the volume
 * @fd: a connected TCP socket; the module keeps a reference, the caller may
 *	close it
 * @flags: zero
 * @keepalive_ms: send something at least this often; 0 for the default (100).
 *	More often if the peer's @timeout_ms or the lease wants it
 * @timeout_ms: a peer silent for longer is unreachable; 0 for the default
 *	(2000), else at least twice @keepalive_ms
 * @peer: the replica at the other end; all zero for the only neighbour
 * @reserved: zero
 * @reason: out: why not
 *
 * Returns once the socket is taken over.  The hello that follows may still be
 * refused: see the events and struct pb_link.  An older connection to the same
 * neighbour is closed first.
 *
 * Errors: EINVAL, EBADF, ENOTSOCK, EPROTONOSUPPORT (not TCP), ENOTCONN (the
 * socket is not connected), EBUSY (the socket is in use by a volume), ENOLINK
 * (this replica has no neighbour in a confirmed view), EDESTADDRREQ (two
 * neighbours, @peer needed), ENXIO (@peer is not a neighbour), ENODEV, ENOMEM,
 * EINTR.
 */
struct pb_ioc_connect {
	struct pb_ioc_dev	dev;
	__s32			fd;
	__u32			flags;
	__u32			keepalive_ms;
	__u32			timeout_ms;
	__u8			peer[PB_UUID_LEN];
	__u64			reserved[2];
	char			reason[PB_REASON_LEN];
};

/**
 * struct pb_ioc_disconnect - PB_IOC_DISCONNECT: close a connection
 * @dev: the volume
 * @flags: zero
 * @reserved: zero
 * @peer: the replica at the other end; all zero for every connection
 * @reason: out: why not
 *
 * Errors: EINVAL, ENOTCONN (there is none), ENODEV, EINTR.
 */
struct pb_ioc_disconnect {
	struct pb_ioc_dev	dev;
	__u32			flags;
	__u32			reserved;
	__u8			peer[PB_UUID_LEN];
	char			reason[PB_REASON_LEN];
};

/**
 * enum pb_policy - what becomes of writes that the backup cannot be sent, and of
 * reads without its lease
 * @PB_POLICY_WAIT: they wait for the backup or for a new view (default)
 * @PB_POLICY_ERROR: they fail; none is ever acknowledged without the backup.  So
 *	does all that comes while a lease that this replica gave is not over
 */
enum pb_policy {
	PB_POLICY_WAIT	= 0,
	PB_POLICY_ERROR	= 1,
};

/**
 * struct pb_ioc_policy - PB_IOC_SET_POLICY: wait or fail while unreachable
 * @dev: the volume
 * @policy: enum pb_policy; not kept across a restart
 * @reserved: zero
 * @reason: out: why not
 *
 * Errors: EINVAL, ENODEV, EINTR.
 */
struct pb_ioc_policy {
	struct pb_ioc_dev	dev;
	__u32			policy;
	__u32			reserved;
	char			reason[PB_REASON_LEN];
};

/**
 * enum pb_link_state - a connection to a neighbour
 * @PB_LINK_NONE: no connection
 * @PB_LINK_HELLO: socket handed in, waiting for the peer's hello
 * @PB_LINK_UP: both agreed; carries the view's messages
 * @PB_LINK_CLOSING: being torn down
 */
enum pb_link_state {
	PB_LINK_NONE	= 0,
	PB_LINK_HELLO	= 1,
	PB_LINK_UP	= 2,
	PB_LINK_CLOSING	= 3,
};

/**
 * struct pb_link - one neighbour, as PB_IOC_STATUS shows it
 * @state: enum pb_link_state
 * @silent_ms: time since the last byte from the peer; 0 without a connection
 * @peer: the neighbour's replica UUID; zero if there is no neighbour here
 * @name: its node name
 * @sent_seq: last sequence number sent on (downstream) or received (upstream)
 * @unacked: messages sent and not acked (downstream) or received and not
 *	yet applied (upstream)
 * @connects: connections that came up since the view began
 * @protocol: version of the protocol that the two agreed on; 0 without a connection
 * @reserved: zero
 * @reason: why the last connection ended or was refused; empty if none did
 */
struct pb_link {
	__u32	state;
	__u32	silent_ms;
	__u8	peer[PB_UUID_LEN];
	char	name[PB_NAME_LEN];
	__u64	sent_seq;
	__u64	unacked;
	__u64	connects;
	__u32	protocol;
	__u32	reserved;
	char	reason[PB_REASON_LEN];
};

/**
 * enum pb_counter - index into @counters of struct pb_ioc_status
 *
 * All count since the device was set up.  Bytes are payload bytes.
 */
enum pb_counter {
	PB_CNT_READS,			/* read bios from above */
	PB_CNT_READ_BYTES,
	PB_CNT_WRITES,			/* write bios from above */
	PB_CNT_WRITE_BYTES,
	PB_CNT_FLUSHES,			/* flush bios from above */
	PB_CNT_ZEROES,			/* discard, write-zeroes bios from above */
	PB_CNT_REFUSED_BIOS,		/* bios refused because not primary */
	PB_CNT_OVERLAP_WAITS,		/* bios that waited for an overlapping write */
	PB_CNT_LINK_WAITS,		/* bios that waited for a connection or a view */
	PB_CNT_FAILED_BIOS,		/* writes given up for want of an ack */
	PB_CNT_TX_MESSAGES,		/* messages put on a socket */
	PB_CNT_TX_BYTES,
	PB_CNT_TX_SENDS,		/* calls of sendmsg */
	PB_CNT_TX_FULL,			/* sends that found the socket full */
	PB_CNT_TX_HANDOVERS,		/* runs of the sending worker */
	PB_CNT_RESENT,			/* messages sent again after a reconnection */
	PB_CNT_RX_MESSAGES,		/* messages taken from a socket */
	PB_CNT_RX_BYTES,
	PB_CNT_RX_CALLS,		/* calls of recvmsg */
	PB_CNT_RX_REFUSED,		/* messages and hellos refused */
	PB_CNT_RX_THROTTLED,		/* receiving paused by the memory bound */
	PB_CNT_ACKS_TX,			/* ack messages sent */
	PB_CNT_ACKED_TX,		/* messages that those acked */
	PB_CNT_ACKS_RX,			/* ack messages received */
	PB_CNT_ACKED_RX,		/* messages that those acked */
	PB_CNT_APPLIED_WRITES,		/* writes applied for the predecessor */
	PB_CNT_APPLIED_BYTES,
	PB_CNT_APPLIED_FLUSHES,
	PB_CNT_APPLIED_ZEROES,
	PB_CNT_KEEPALIVES_TX,
	PB_CNT_META_WRITES,		/* blocks written to the metadata device */
	PB_CNT_LOCAL_ERRORS,		/* bios that the data device failed */
	PB_CNT_LOG_WAITS,		/* writes that waited for the activity log */
	PB_CNT_LOG_RECORDS,		/* records written to it */
	PB_CNT_LOG_FLUSHES,		/* flushes for want of clean extents */
	PB_CNT_SYNC_BYTES,		/* copied to the backup by state transfer */
	PB_CNT_SYNC_ZEROED,		/* of these, zero and not sent */
	PB_CNT_SYNC_EQUAL,		/* found equal by digests and not copied */
	PB_CNT_VERIFY_BYTES,		/* compared by a verification */
	PB_CNT_CHECKED_BYTES,		/* compared for the predecessor */
	PB_CNT_READ_FETCHED,		/* bytes of reads that the backup served */
	PB_CNT_REPAIRED,		/* of these, written anew to this disk */
	PB_CNT_LEASE_WAITS,		/* reads that waited for a lease or an answer */
	PB_CNT_DIRTY_WAITS,		/* reads that waited for a write that began later */
	PB_CNT_ASKED,			/* keepalives sent that ask for an answer */
	PB_CNT_EARLY_FLUSHES,		/* flushes sent before they were asked for */
	PB_CNT_EARLY_HITS,		/* flushes asked for that one of those served */
	PB_CNT_ACKS_AT_ONCE,		/* of the acks received, taken without a worker */
	PB_CNT_TX_SHARED,		/* bytes sent from the pages of a write, not copied */
	PB_CNT_NR
};

/**
 * enum pb_sync_state - state transfer to the successor; drawing in pb-sync.h
 * @PB_SYNC_OFF: none goes on
 * @PB_SYNC_DECIDE: what is to be copied is being decided
 * @PB_SYNC_BEGIN: the successor says what of its data may differ
 * @PB_SYNC_MARKED: that is being made durable
 * @PB_SYNC_GO: the successor's disk is to say that it is not to be trusted
 * @PB_SYNC_COPY: regions are copied
 * @PB_SYNC_FLUSH: all are copied, the successor flushes
 * @PB_SYNC_ARM: writes wait for the successor's acks; that is made durable
 * @PB_SYNC_DONE: the successor's disk is to say that it is synced
 * @PB_SYNC_SYNCED: it holds every acknowledged write; a view may list it so
 */
enum pb_sync_state {
	PB_SYNC_OFF	= 0,
	PB_SYNC_DECIDE	= 1,
	PB_SYNC_BEGIN	= 2,
	PB_SYNC_MARKED	= 3,
	PB_SYNC_GO	= 4,
	PB_SYNC_COPY	= 5,
	PB_SYNC_FLUSH	= 6,
	PB_SYNC_ARM	= 7,
	PB_SYNC_DONE	= 8,
	PB_SYNC_SYNCED	= 9,
};

/**
 * struct pb_sync_info - a state transfer, as PB_IOC_STATUS shows it
 * @state: enum pb_sync_state
 * @paused: 1 if it is held
 * @total: bytes that were to be copied when it began or went on
 * @left: bytes still to be copied
 * @seconds: since it began or went on
 * @checksum: 1 if digests are compared first
 * @reserved: zero
 * @max_rate: bytes a second at most, 0 for no limit
 * @min_rate: bytes a second that application I/O does not slow it below, 0 if
 *	that may have half of the time
 * @unreadable: bytes of @left that this disk cannot read
 */
struct pb_sync_info {
	__u32	state;
	__u32	paused;
	__u64	total;
	__u64	left;
	__u64	seconds;
	__u32	checksum;
	__u32	reserved;
	__u64	max_rate;
	__u64	min_rate;
	__u64	unreadable;
};

/**
 * enum pb_verify_state - a comparison of this replica with its backup's
 * @PB_VERIFY_OFF: none was begun since the device was set up
 * @PB_VERIFY_RUN: it goes on
 * @PB_VERIFY_DONE: all of the range was compared
 * @PB_VERIFY_STOPPED: it ended before: on request or with the view
 */
enum pb_verify_state {
	PB_VERIFY_OFF		= 0,
	PB_VERIFY_RUN		= 1,
	PB_VERIFY_DONE		= 2,
	PB_VERIFY_STOPPED	= 3,
};

/**
 * struct pb_verify_info - the latest verification, as PB_IOC_STATUS shows it
 * @state: enum pb_verify_state
 * @repair: 1 if what differs is copied to the backup
 * @start: first byte of the range
 * @length: bytes of the range
 * @compared: bytes compared so far
 * @differs: bytes in regions found to differ
 * @repaired: bytes copied to the backup
 * @unreadable: bytes that could not be read here, and were not compared
 * @seconds: it took, or takes
 */
struct pb_verify_info {
	__u32	state;
	__u32	repair;
	__u64	start;
	__u64	length;
	__u64	compared;
	__u64	differs;
	__u64	repaired;
	__u64	unreadable;
	__u64	seconds;
};

/**
 * enum pb_resize_state - a volume grows; drawing in pb-grow.h
 * @PB_RESIZE_OFF: it does not
 * @PB_RESIZE_ZERO: the new area is being zeroed on every member
 * @PB_RESIZE_FLUSH: their disks flush that
 * @PB_RESIZE_TELL: the successor's disk is to know the new size
 * @PB_RESIZE_STORE: this one's is: the moment at which it is done
 * @PB_RESIZE_DONE: the volume has the new size
 * @PB_RESIZE_FAILED: it has the old one, see @error of struct pb_resize_info
 */
enum pb_resize_state {
	PB_RESIZE_OFF		= 0,
	PB_RESIZE_ZERO		= 1,
	PB_RESIZE_FLUSH		= 2,
	PB_RESIZE_TELL		= 3,
	PB_RESIZE_STORE		= 4,
	PB_RESIZE_DONE		= 5,
	PB_RESIZE_FAILED	= 6,
};

/**
 * struct pb_resize_info - the latest resize, as PB_IOC_STATUS shows it
 * @state: enum pb_resize_state
 * @error: state failed: a positive errno: ESTALE (a new view began), ECANCELED,
 *	ENOLINK (writes fail while the backup is unreachable, and it was), ENOMEM
 *	or the disk's
 * @sectors: the size that it is about
 * @zeroed: sectors zeroed so far
 */
struct pb_resize_info {
	__u32	state;
	__u32	error;
	__u64	sectors;
	__u64	zeroed;
};

/* Flags of struct pb_ioc_status. */
#define PB_STATUS_CRASHED	(1U << 0)	/* was not removed in order last time */
#define PB_STATUS_DIVERGED	(1U << 1)	/* failed writes here that the backup lacks */
#define PB_STATUS_DISK_FAILED	(1U << 2)	/* the data device failed a write */
#define PB_STATUS_FORCED	(1U << 3)	/* a view was forced, data may be lost */
#define PB_STATUS_META_FAILED	(1U << 4)	/* the metadata device failed */
#define PB_STATUS_THROUGH_BACKUP (1U << 5)	/* the data device is not used: the backup serves */
#define PB_STATUS_DISK_ERRORS	(1U << 6)	/* the data device failed writes, and the application was told */
#define PB_STATUS_STANDS	(1U << 7)	/* took this view since it was set up, and has no role in it: it needs the next */

/**
 * struct pb_ioc_status - PB_IOC_STATUS: everything about one volume (out)
 * @dev: in: the volume
 * @role: enum pb_role
 * @replica_state: enum pb_replica_state
 * @flags: PB_STATUS_*
 * @policy: enum pb_policy
 * @replica: this replica's UUID
 * @name: the volume's name for people
 * @data_sectors: the volume's size in sectors of 512 bytes
 * @block_size: the volume's logical block size in bytes
 * @oldest_wait_ms: age of the oldest write that waits for the backup's ack or
 *	of the oldest bio held for a connection or a view; 0 if none
 * @incarnation: new each time the device is set up
 * @in_flight: writes, flushes under way
 * @held: bios waiting for a connection, a view or an overlapping write
 * @applying: messages of the predecessor being applied
 * @forced_view: number of the last forced view, 0 if none
 * @view: the current view (number 0 if none)
 * @upstream: the connection to the predecessor
 * @downstream: the connection to the successor
 * @counters: by enum pb_counter
 * @sync: the state transfer to the successor
 * @verify: the latest verification of the successor
 * @capacity_sectors: size that this replica has room for
 * @resize: the latest resize of this set-up, on a primary
 * @lease_ms: length of the leases that it grants and wants; 0 for none
 * @reads: enum pb_reads
 * @lease_left_ms: primary: it may serve reads for so long without another answer
 *	of its backup; else 0
 * @hold_left_ms: a lease that it gave is not over for so long: as a primary it
 *	serves nothing before that; 0 if there is none.  While it is a backup, as if
 *	the connection ended now
 * @reserved: zero
 * @reason: out: why not
 *
 * Errors: EINVAL (reserved not zero), ENODEV, EINTR.
 */
struct pb_ioc_status {
	struct pb_ioc_dev	dev;
	__u32			role;
	__u32			replica_state;
	__u32			flags;
	__u32			policy;
	__u8			replica[PB_UUID_LEN];
	char			name[PB_NAME_LEN];
	__u64			data_sectors;
	__u32			block_size;
	__u32			oldest_wait_ms;
	__u64			incarnation;
	__u64			in_flight;
	__u64			held;
	__u64			applying;
	__u64			forced_view;
	struct pb_view		view;
	struct pb_link		upstream;
	struct pb_link		downstream;
	__u64			counters[PB_COUNTER_ROOM];
	struct pb_sync_info	sync;
	struct pb_verify_info	verify;
	__u64			capacity_sectors;
	struct pb_resize_info	resize;
	__u32			lease_ms;
	__u32			reads;
	__u32			lease_left_ms;
	__u32			hold_left_ms;
	__u64			reserved[10];
	char			reason[PB_REASON_LEN];
};

/* What a struct pb_ioc_sync sets. */
#define PB_SYNC_SET_PAUSE	(1U << 0)
#define PB_SYNC_SET_CHECKSUM	(1U << 1)
#define PB_SYNC_SET_MAX_RATE	(1U << 2)
#define PB_SYNC_SET_MIN_RATE	(1U << 3)
#define PB_SYNC_SET_ALL		0xfU

#define PB_RATE_MAX		(1ULL << 40)

/**
 * struct pb_ioc_sync - PB_IOC_SET_SYNC: how state transfers go on
 * @dev: the volume
 * @set: PB_SYNC_SET_*: which of the following to set; the others are zero
 * @pause: 1: no chunk is begun from now on, in this transfer or a later one;
 *	0: they are
 * @checksum: 1: digests are compared first, and only what differs is copied
 * @reserved: zero
 * @max_rate: bytes a second at most, up to PB_RATE_MAX; 0: no limit
 * @min_rate: bytes a second that the application's I/O does not slow a transfer
 *	below, up to PB_RATE_MAX; 0: that may have half of the time
 * @reason: out: why not
 *
 * Nothing of it is kept across a restart.  The rates hold for a verification
 * as well.
 *
 * Errors: EINVAL, ENODEV, EINTR.
 */
struct pb_ioc_sync {
	struct pb_ioc_dev	dev;
	__u32			set;
	__u32			pause;
	__u32			checksum;
	__u32			reserved;
	__u64			max_rate;
	__u64			min_rate;
	char			reason[PB_REASON_LEN];
};

/* Flags of struct pb_ioc_verify. */
#define PB_VERIFY_REPAIR	(1U << 0)	/* copy what differs to the backup */
#define PB_VERIFY_STOP		(1U << 1)	/* end the one that goes on */
#define PB_VERIFY_FLAGS		(PB_VERIFY_REPAIR | PB_VERIFY_STOP)

/**
 * struct pb_ioc_verify - PB_IOC_VERIFY: compare this replica with its backup's
 * @dev: the volume
 * @flags: PB_VERIFY_*; with PB_VERIFY_STOP nothing else is set
 * @reserved: zero
 * @start: first byte, a multiple of 1 MiB
 * @length: bytes, a multiple of the volume's block size, up to its end; 0: all
 *	from @start on
 * @reason: out: why not
 *
 * Begins, and returns; it goes on beside the application's I/O, and after a
 * broken connection.  A new view ends it.  See struct pb_verify_info.
 *
 * Errors: EINVAL, ERANGE (not in the volume), ENOLINK (this replica is not a
 * primary that waits for its backup's acks), EBUSY (one goes on), ENOENT (none
 * goes on that could be stopped), ENODEV, ENOMEM, EINTR.
 */
struct pb_ioc_verify {
	struct pb_ioc_dev	dev;
	__u32			flags;
	__u32			reserved;
	__u64			start;
	__u64			length;
	char			reason[PB_REASON_LEN];
};

/**
 * struct pb_range - a part of the volume
 * @start: first byte
 * @length: bytes
 */
struct pb_range {
	__u64	start;
	__u64	length;
};

/* Ranges in one answer, and that the module keeps. */
#define PB_MAX_RANGES		128
#define PB_KEPT_RANGES		4096

/**
 * struct pb_ioc_differs - PB_IOC_DIFFERS: what a verification found to differ
 * @dev: the volume
 * @start: in: how many to skip; at most 2^31-1
 * @nr: out: entries filled in @ranges
 * @total: out: ranges kept, at most PB_KEPT_RANGES
 * @more: out: 1 if there were more of them, which nobody has kept
 * @ranges: out: in order, in whole regions of the dirty map; neighbours are one
 * @reason: out: why not
 *
 * Errors: EINVAL, ENODEV, EINTR.
 */
struct pb_ioc_differs {
	struct pb_ioc_dev	dev;
	__u32			start;
	__u32			nr;
	__u32			total;
	__u32			more;
	struct pb_range		ranges[PB_MAX_RANGES];
	char			reason[PB_REASON_LEN];
};

/* Flags of struct pb_ioc_resize. */
/* Primary: both members' new areas are zero already; nobody checks it. */
#define PB_RESIZE_ASSUME_ZERO	(1U << 0)
/* Primary: end the resize that is under way, as long as nobody was told of it. */
#define PB_RESIZE_CANCEL	(1U << 1)
#define PB_RESIZE_FLAGS		(PB_RESIZE_ASSUME_ZERO | PB_RESIZE_CANCEL)

/**
 * struct pb_ioc_resize - PB_IOC_RESIZE: make room for a larger volume, or make
 * it larger
 * @dev: the volume
 * @flags: PB_RESIZE_*
 * @reserved: zero
 * @data_sectors: the size; 0 for all that the data device has room for; with
 *	PB_RESIZE_CANCEL 0
 * @reason: out: why not
 *
 * On every replica: makes its capacity larger, if it is not large enough; that
 * is durable on return.  On a primary: also begins to make the volume larger,
 * and returns; see struct pb_resize_info and PB_EVENT_RESIZED for how that
 * goes on.  The volume's size changes at one moment, at its end.  A table of the
 * new length must be loaded after it for the device to show it.
 *
 * Errors: EINVAL (smaller than now, not whole blocks, a flag on a replica that
 * is not primary), EFBIG (too many extents), ENOSPC (the data device or the
 * metadata area is too small), EOPNOTSUPP (the metadata is at the end of the
 * data device), ENOTCONN (the view has a backup and there is no connection to
 * it), ERANGE (the backup has no room), EBUSY (a state transfer or a resize is
 * under way), EALREADY (cancel: too late, or there is none), ENOMEM, EIO
 * (metadata; the replica has stopped), ENODEV, EINTR.
 */
struct pb_ioc_resize {
	struct pb_ioc_dev	dev;
	__u32			flags;
	__u32			reserved;
	__u64			data_sectors;
	char			reason[PB_REASON_LEN];
};

#define PB_IOC_MAGIC		0xdb
#define PB_IOC_INFO		_IOR(PB_IOC_MAGIC, 0, struct pb_ioc_info)
#define PB_IOC_LIST		_IOWR(PB_IOC_MAGIC, 1, struct pb_ioc_list)
#define PB_IOC_STATUS		_IOWR(PB_IOC_MAGIC, 2, struct pb_ioc_status)
#define PB_IOC_SET_VIEW		_IOWR(PB_IOC_MAGIC, 3, struct pb_ioc_view)
#define PB_IOC_CONNECT		_IOWR(PB_IOC_MAGIC, 4, struct pb_ioc_connect)
#define PB_IOC_DISCONNECT	_IOWR(PB_IOC_MAGIC, 5, struct pb_ioc_disconnect)
#define PB_IOC_SET_POLICY	_IOWR(PB_IOC_MAGIC, 6, struct pb_ioc_policy)
#define PB_IOC_SET_SYNC		_IOWR(PB_IOC_MAGIC, 7, struct pb_ioc_sync)
#define PB_IOC_VERIFY		_IOWR(PB_IOC_MAGIC, 8, struct pb_ioc_verify)
#define PB_IOC_DIFFERS		_IOWR(PB_IOC_MAGIC, 9, struct pb_ioc_differs)
#define PB_IOC_RESIZE		_IOWR(PB_IOC_MAGIC, 10, struct pb_ioc_resize)

/**
 * enum pb_event_type - what happened
 * @PB_EVENT_CREATED: a volume's device was set up
 * @PB_EVENT_REMOVED: a volume's device went away
 * @PB_EVENT_VIEW: a view took effect
 * @PB_EVENT_LINK_UP: a connection came up
 * @PB_EVENT_LINK_DOWN: a connection that was up ended; text says why
 * @PB_EVENT_LINK_REFUSED: a hello was refused, by us or by the peer
 * @PB_EVENT_PEER_SILENT: nothing heard from the peer within its time-out
 * @PB_EVENT_NEWER_VIEW: the peer is in a newer view than we are
 * @PB_EVENT_DISK_ERROR: the data device failed; error is the errno.  Failures
 *	within a second of one that was told are told as a number
 * @PB_EVENT_META_ERROR: the metadata device failed; the replica has stopped
 * @PB_EVENT_PEER_DISK_ERROR: the peer's data device failed
 * @PB_EVENT_POLICY: the policy was changed
 * @PB_EVENT_SYNC_BEGIN: a state transfer to the backup began or went on
 * @PB_EVENT_SYNC_DONE: the backup is synced; a view may list it so
 * @PB_EVENT_SYNC_PROGRESS: another tenth of a state transfer is copied
 * @PB_EVENT_VERIFY: a verification has begun or ended
 * @PB_EVENT_DIFFERS: a verification found the first difference
 * @PB_EVENT_RESIZED: the volume has another size, or, with an error, a resize
 *	failed and it has not
 */
enum pb_event_type {
	PB_EVENT_CREATED		= 1,
	PB_EVENT_REMOVED		= 2,
	PB_EVENT_VIEW			= 3,
	PB_EVENT_LINK_UP		= 4,
	PB_EVENT_LINK_DOWN		= 5,
	PB_EVENT_LINK_REFUSED		= 6,
	PB_EVENT_PEER_SILENT		= 7,
	PB_EVENT_NEWER_VIEW		= 8,
	PB_EVENT_DISK_ERROR		= 9,
	PB_EVENT_META_ERROR		= 10,
	PB_EVENT_PEER_DISK_ERROR	= 11,
	PB_EVENT_POLICY			= 12,
	PB_EVENT_SYNC_BEGIN		= 13,
	PB_EVENT_SYNC_DONE		= 14,
	PB_EVENT_SYNC_PROGRESS		= 15,
	PB_EVENT_VERIFY			= 16,
	PB_EVENT_DIFFERS		= 17,
	PB_EVENT_RESIZED		= 18,
};

/**
 * struct pb_event - what read() on the control device returns, whole ones only
 * @seq: numbers every event of this module from 1
 * @time_ns: CLOCK_REALTIME
 * @type: enum pb_event_type
 * @error: a positive errno, or 0
 * @dev: the volume
 * @peer: the other replica's UUID, or zero
 * @view: the view number at the time
 * @lost: events dropped before this one because the reader was too slow
 * @reserved: zero
 * @text: one line for a person, NUL-terminated
 *
 * A file that was opened on the control device sees the events from its
 * opening on.  read() blocks unless O_NONBLOCK, and fails with EINVAL when the
 * buffer is too small for one event; poll() says when there is one.
 */
struct pb_event {
	__u64			seq;
	__u64			time_ns;
	__u32			type;
	__u32			error;
	struct pb_ioc_dev	dev;
	__u8			peer[PB_UUID_LEN];
	__u64			view;
	__u32			lost;
	__u32			reserved;
	char			text[PB_REASON_LEN];
};

#endif /* _UAPI_LINUX_DM_PB_H */
