/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A volume's replica on this node: owns the data and metadata devices, the
 * path, the connections to the neighbours, and the view; routes by role.
 *
 * A pb_device outlives the tables that name it: a reload of the same dm device
 * finds it again, with its view and its connections.  It goes away with the
 * last table.
 */
#ifndef PB_DEVICE_H
#define PB_DEVICE_H

#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/mutex.h>

#include "pb-apply.h"
#include "pb-conn.h"
#include "pb-durable.h"
#include "pb-event.h"
#include "pb-grow.h"
#include "pb-lease.h"
#include "pb-log.h"
#include "pb-mend.h"
#include "pb-meta.h"
#include "pb-own.h"
#include "pb-path.h"
#include "pb-peers.h"
#include "pb-sync.h"
#include "pb-verify.h"
#include "pb-view.h"

struct pb_device;

/**
 * struct pb_side - one neighbour: the predecessor or the successor
 * @pb: the device
 * @upstream: it is the predecessor
 * @conn: the connection, or NULL; guarded by the device's ctl_mutex
 * @hello: what we say to it: fixed while there is a connection but for what
 *	pb-link.c fills in when it is sent
 * @index: its place in the view, PB_NO_MEMBER if there is none; changes only
 *	without a connection
 * @must_meet: both are synced, so the superblock must say that they have met
 *	before a connection comes up; and
 * @known: the latest incarnation of it that the superblock knows, or 0: both
 *	change only without a connection
 * @meets: a connection waits for that: the neighbour's incarnation; any context
 * @met: whom the superblock says that we met in this view: its incarnation, else
 *	0; set under the device's ctl_mutex
 * @member: its entry in the view
 * @limits: of its data device, once it said hello in this view, else
 *	physical_block is 0; guarded by the device's ti_mutex
 * @size: of the volume, as far as it knows; and
 * @capacity: what it has room for: both as it said last
 * @data: what its latest hello said of its data
 * @incarnation: and of its set-up; both of the connection's works and, while
 *	there is none or it is up, of whoever holds the device's ctl_mutex
 * @connects: connections that came up in this view
 * @reason: why the last connection ended; guarded by the device's ctl_mutex
 */
struct pb_side {
	struct pb_device	*pb;
	bool			upstream;
	struct pb_conn		*conn;
	struct pb_hello		hello;
	u8			index;
	bool			must_meet;
	u64			known;
	u64			meets;
	u64			met;
	struct pb_member	member;
	struct pb_limits	limits;
	u64			size;
	u64			capacity;
	struct pb_data_id	data;
	u64			incarnation;
	atomic64_t		connects;
	char			reason[PB_REASON_LEN];
};

/**
 * struct pb_faults - the data device's failures
 * @lock: guards @until and @untold; any context
 * @until: jiffies: failures before this are told together
 * @untold: how many
 * @tell_work: tells of those
 * @work: what of a failing disk needs the device's ctl_mutex
 */
struct pb_faults {
	spinlock_t		lock;
	unsigned long		until;
	u64			untold;
	struct delayed_work	tell_work;
	struct work_struct	work;
};

/**
 * struct pb_device - a replica
 * @node: on the list of devices; guarded by devices_lock
 * @targets: tables that use it; guarded by devices_lock
 * @ready: set up, and not yet being removed; guarded by devices_lock
 * @ref: tables together, and each ioctl for its time
 * @ioc_dev: names it to user space
 * @dev: major << 20 | minor, for tracepoints
 * @ctl_mutex: one control operation at a time: views, connections, metadata.
 *	Never taken by a work of a connection, so that closing one may wait for
 *	its works while holding it
 * @gone: removed; guarded by @ctl_mutex
 * @ti_mutex: guards @ti and what the neighbours' disks can do; innermost,
 *	never held while waiting for I/O
 * @ti: the target of the live table, for table events
 * @disk: the dm device's disk; there as long as any table is
 * @data: the data device
 * @meta_dev: the metadata device; same as @data if the area is internal
 * @meta: the metadata area; guarded by @ctl_mutex
 * @super: as on disk; guarded by @ctl_mutex
 * @role: enum pb_role; changed by set_role() under @ctl_mutex, read anywhere
 * @index: own place in the view; changes only without connections
 * @crashed: see struct pb_self; guarded by @ctl_mutex
 * @stands: took a view in this set-up that leaves it unconfirmed; guarded by
 *	@ctl_mutex
 * @disk_failed: the data device failed a write that no other member vouches
 *	for here: this set-up takes none from a predecessor; any context
 * @disk_errors: it failed a write, and whoever asked for it was told; any context
 * @faults: its failures
 * @log: its activity log
 * @peers: the dirty maps of those who are not synced
 * @doubt_all: the log was damaged: any block may be another than the others';
 *	guarded by @ctl_mutex
 * @meta_error: the log or a map could not be written: errno
 * @stopped: in role FAILED: the path knows it; guarded by @ctl_mutex
 * @flush_work: a flush that the log asked for
 * @flush: the same
 * @path: the path of its writes
 * @apply: the path's upstream source
 * @mend: reads what this disk cannot from the successor
 * @sync: the state transfer to the successor
 * @sync_work: what of it needs @ctl_mutex
 * @verify: the verification of the successor
 * @verify_work: its end
 * @go_incarnation: the successor's when it was last told to go, in @go_view:
 *	the two go on where they were as long as neither is set up again;
 *	guarded by @ctl_mutex
 * @go_view: see @go_incarnation
 * @word_work: what the predecessor said about a state transfer or a size
 * @word: PB_WIRE_SYNC_*, PB_WIRE_SIZE
 * @word_size: PB_WIRE_SIZE: the size
 * @grow: how the volume grows
 * @resize_work: what of it needs @ctl_mutex
 * @resize_said: an event has told how the latest resize ended
 * @lease_ms: length of the leases that it gives and wants; fixed for a set-up
 * @given: leases that it gave; changes under @ctl_mutex, and not while there is a
 *	connection to a successor
 * @hold_work: ends the wait for them
 * @up: the predecessor
 * @down: the successor
 * @met_wait: woken when a side has met, when a connection closes, and when leases
 *	are over
 * @limits_changed: a neighbour has said what its disk can do
 * @link_work: what connections cannot do in their own works
 * @wq: works of the connections; until its connection closes one may wait for
 *	@link_work, see pb_link_meet(), and for @hold_work, see pb_hold_wait()
 * @io_wq: starts requests that were parked
 * @zero_wq: zeroes by sleeping calls, a few at a time
 * @log_wq: writes the log's records
 * @mend_wq: begins fetches, and so may wait for memory that others hold
 * @sync_wq: reads and sends chunks of a state transfer
 * @ctl_wq: @link_work, which waits for @ctl_mutex and so for all of these
 * @stats: its counters
 */
struct pb_device {
	struct list_head	node;
	unsigned int		targets;
	bool			ready;
	struct kref		ref;
	struct pb_ioc_dev	ioc_dev;
	u32			dev;

	struct mutex		ctl_mutex;
	bool			gone;
	struct mutex		ti_mutex;
	struct dm_target	*ti;
	struct gendisk		*disk;
	struct block_device	*data;
	struct block_device	*meta_dev;
	struct pb_meta		meta;
	struct pb_super		super;
	u32			role;
	u8			index;
	bool			crashed;
	bool			stands;
	bool			disk_failed;
	bool			disk_errors;
	struct pb_faults	faults;

	struct pb_log		log;
	struct pb_peers		peers;
	bool			doubt_all;
	int			meta_error;
	bool			stopped;
	struct work_struct	flush_work;
	struct pb_own_flush	flush;
	struct pb_path		path;
	struct pb_apply		apply;
	struct pb_mend		mend;
	struct pb_sync		sync;
	struct work_struct	sync_work;
	struct pb_verify	verify;
	struct work_struct	verify_work;
	u64			go_incarnation;
	u64			go_view;
	struct work_struct	word_work;
	u8			word;
	u64			word_size;
	struct pb_grow		grow;
	struct work_struct	resize_work;
	bool			resize_said;
	u32			lease_ms;
	struct pb_given		given;
	struct delayed_work	hold_work;
	struct pb_side		up;
	struct pb_side		down;
	wait_queue_head_t	met_wait;
	bool			limits_changed;
	struct work_struct	link_work;
	struct workqueue_struct	*wq;
	struct workqueue_struct	*io_wq;
	struct workqueue_struct	*zero_wq;
	struct workqueue_struct	*log_wq;
	struct workqueue_struct	*mend_wq;
	struct workqueue_struct	*sync_wq;
	struct workqueue_struct	*ctl_wq;
	struct pb_stats __percpu *stats;
};

/**
 * struct pb_params - what a table line says
 * @volume: UUID
 * @data: the data device
 * @meta: the metadata device, or NULL for an area at the end of @data
 * @sectors: the volume's size: the target's length
 * @format: write a new superblock
 * @state: with @format: enum pb_replica_state, blank or synced
 * @replica: with @format: UUID, zero to make one
 * @block_size: with @format: bytes, 0 for the data device's
 * @extent_size: with @format: bytes, 0 for the default, and so the next three
 * @hot_extents: with @format: extents hot at once
 * @region_size: with @format: bytes that a bit of a dirty map stands for
 * @maps: with @format: dirty maps there is room for
 * @name: the volume's name, with @format; may be empty
 * @has_lease: @lease_ms was said; else it is the default, or as it was
 * @lease_ms: length of leases, or 0
 * @has_reads: @reads was said; else it is the default, or as it was
 * @reads: enum pb_reads
 */
struct pb_params {
	u8			volume[PB_UUID_LEN];
	struct block_device	*data;
	struct block_device	*meta;
	sector_t		sectors;
	bool			format;
	u32			state;
	u8			replica[PB_UUID_LEN];
	u32			block_size;
	u32			extent_size;
	u32			hot_extents;
	u32			region_size;
	u32			maps;
	char			name[PB_NAME_LEN];
	bool			has_lease;
	u32			lease_ms;
	bool			has_reads;
	u32			reads;
};

/**
 * pb_device_attach() - a table names a replica: find it or set it up
 * @ti: the target
 * @params: from its line
 * @error: set to a constant line for ti->error on failure
 *
 * Context: process, waits for I/O.
 * Return: the device or ERR_PTR().
 */
struct pb_device *pb_device_attach(struct dm_target *ti,
				   const struct pb_params *params,
				   char **error);

/**
 * pb_device_detach() - a table goes; the last one takes the replica down
 * @pb: the device
 * @ti: the target
 *
 * An orderly end: connections are closed, what is being applied is finished,
 * the disk is flushed, and the superblock says so.
 *
 * Context: process, waits for I/O.
 */
void pb_device_detach(struct pb_device *pb, struct dm_target *ti);

/**
 * pb_device_get() - find a replica for an ioctl
 * @dev: its dm device
 *
 * Return: the device with a reference and its ctl_mutex held, or
 * ERR_PTR(-ENODEV), ERR_PTR(-EINTR).
 */
struct pb_device *pb_device_get(const struct pb_ioc_dev *dev);

/**
 * pb_device_put() - undo pb_device_get()
 * @pb: the device
 */
void pb_device_put(struct pb_device *pb);

/**
 * pb_device_list() - for PB_IOC_LIST
 * @list: start is set; the rest is filled in
 */
void pb_device_list(struct pb_ioc_list *list);

/**
 * pb_device_release_all() - let every held bio go: the machine goes down
 */
void pb_device_release_all(void);

/**
 * pb_device_status() - for PB_IOC_STATUS
 * @pb: the device, ctl_mutex held
 * @status: filled
 */
void pb_device_status(struct pb_device *pb, struct pb_ioc_status *status);

/**
 * pb_device_set_role() - the one place where the role changes
 * @pb: the device, ctl_mutex held
 * @role: enum pb_role
 */
void pb_device_set_role(struct pb_device *pb, u32 role);

/**
 * pb_device_fail() - the metadata device failed: the replica has stopped
 * @pb: the device, ctl_mutex held
 * @error: negative errno
 * @what: could not be written
 *
 * Says so; the caller settles the path.
 */
void pb_device_fail(struct pb_device *pb, int error, const char *what);

/**
 * pb_device_store() - make a changed superblock durable
 * @pb: the device, ctl_mutex held
 * @super: the new content; its generation is set here
 *
 * On failure the replica has stopped (PB_ROLE_FAILED), since nobody knows what
 * is on the disk; the caller settles the path.
 *
 * Return: 0 or -EIO.
 */
int pb_device_store(struct pb_device *pb, struct pb_super *super);

/**
 * pb_device_set_table() - a table goes live, or the live one goes
 * @pb: the device
 * @from: only if this one is live now; NULL for whichever
 * @to: the target that is live from now on, or NULL
 */
void pb_device_set_table(struct pb_device *pb, struct dm_target *from,
			 struct dm_target *to);

/**
 * pb_device_table_event() - wake whoever waits for a change with dmsetup
 * @pb: the device
 */
void pb_device_table_event(struct pb_device *pb);

/**
 * pb_refuse() - say why an ioctl fails
 * @reason: PB_REASON_LEN bytes
 * @err: what to return
 * @fmt: why, for a person
 *
 * Return: @err.
 */
__printf(3, 4)
int pb_refuse(char *reason, int err, const char *fmt, ...);

/* pb-link.c: connections */

/**
 * pb_link_stack_limits() - what suits this data device and the neighbours'
 * @pb: the device
 * @limits: made as strict as they are
 */
void pb_link_stack_limits(struct pb_device *pb, struct queue_limits *limits);

/**
 * pb_link_init() - prepare both sides
 * @pb: the device
 */
void pb_link_init(struct pb_device *pb);

/**
 * pb_link_meet() - store that a neighbour and this replica have met
 * @pb: the device, ctl_mutex held
 *
 * If a connection waits for it.  The device's own work does that; who holds
 * ctl_mutex while it waits for acks must do it too, each time that
 * pb_link_meets() says so: path.idle_wait is woken then.
 *
 * Context: process, waits for I/O.  If it fails the role is PB_ROLE_FAILED.
 */
void pb_link_meet(struct pb_device *pb);

/**
 * pb_link_meets() - does a connection wait for pb_link_meet()?
 * @pb: the device
 */
bool pb_link_meets(struct pb_device *pb);

/**
 * pb_link_set_view() - both neighbours change with the view
 * @pb: the device, ctl_mutex held, without connections
 */
void pb_link_set_view(struct pb_device *pb);

/**
 * pb_link_connect() - a socket is handed in
 * @pb: the device, ctl_mutex held
 * @arg: checked for reserved fields
 * @reason: filled on failure
 */
int pb_link_connect(struct pb_device *pb, const struct pb_ioc_connect *arg,
		    char *reason);

/**
 * pb_link_disconnect() - close one connection or all
 * @pb: the device, ctl_mutex held
 * @peer: whose, zero for all
 * @bye: what to tell the peers
 *
 * Return: 0 or -ENOTCONN.
 */
int pb_link_disconnect(struct pb_device *pb, const u8 *peer, enum pb_bye bye);

/**
 * pb_link_status() - for PB_IOC_STATUS
 * @side: of a device whose ctl_mutex is held
 * @link: filled
 */
void pb_link_status(struct pb_side *side, struct pb_link *link);

/* pb-resync.c: state transfer, both ends */

/**
 * pb_resync_init() - none goes on
 * @pb: the device
 */
void pb_resync_init(struct pb_device *pb);

/**
 * pb_resync_link_down() - the connection to the successor has ended
 * @pb: the device, ctl_mutex held; the path knows already
 */
void pb_resync_link_down(struct pb_device *pb);

/**
 * pb_resync_word() - the predecessor says something that must be obeyed
 * @apply: the source it came through
 * @msg: PB_WIRE_SYNC_* or PB_WIRE_SIZE
 */
void pb_resync_word(struct pb_apply *apply, const struct pb_msg *msg);

/**
 * pb_resync_takes() - may the predecessor send such a message now?
 * @pb: the device
 * @msg: the message
 *
 * A replica that is not synced takes writes only once its own disk says that
 * it is being brought up to date.
 */
bool pb_resync_takes(struct pb_device *pb, const struct pb_msg *msg);

/**
 * pb_resync_marked() - the successor says what may differ
 * @pb: the device
 * @msg: the mark
 *
 * Return: 0, or -EPROTO if it was not asked.
 */
int pb_resync_marked(struct pb_device *pb, const struct pb_msg *msg);

/**
 * pb_resync_describe() - what this replica says of its data in a hello
 * @pb: the device, ctl_mutex held
 * @peer: who is told
 * @data: filled
 */
void pb_resync_describe(struct pb_device *pb, const u8 *peer,
			struct pb_data_id *data);

/* pb-check.c: verification */

/**
 * pb_check_init() - none goes on
 * @pb: the device
 */
void pb_check_init(struct pb_device *pb);

/**
 * pb_check_verify() - begin to compare with the successor, or stop
 * @pb: the device, ctl_mutex held
 * @arg: hostile but for @flags and @reserved
 * @reason: filled on failure
 *
 * Return: see PB_IOC_VERIFY.
 */
int pb_check_verify(struct pb_device *pb, const struct pb_ioc_verify *arg,
		    char *reason);

/**
 * pb_check_end() - no verification goes on any more
 * @pb: the device, ctl_mutex held, without a connection to the successor
 */
void pb_check_end(struct pb_device *pb);

/* pb-fault.c: failures of the data device */

/**
 * pb_fault_init() - none yet
 * @pb: the device, with its queues and its data device
 *
 * Return: 0 or -ENOMEM.
 */
int pb_fault_init(struct pb_device *pb);

/**
 * pb_fault_stop() - nothing of this file runs any more
 * @pb: the device; nothing is under way
 */
void pb_fault_stop(struct pb_device *pb);

/**
 * pb_fault_kick() - look again whether a failing disk is to be written off
 * @pb: the device
 *
 * Context: any.
 */
void pb_fault_kick(struct pb_device *pb);

/**
 * pb_fault_leg() - the local leg of a write or flush has failed
 * @pb: the device
 * @req: the request
 * @status: what the disk said; changed if it does not count
 *
 * Context: any.
 * Return: see pb_path_local_failed().
 */
bool pb_fault_leg(struct pb_device *pb, struct pb_req *req,
		  blk_status_t *status);

/**
 * pb_fault_read() - say what became of a read that this disk failed
 * @pb: the device
 * @req: the read
 * @read: how it was served, or not
 * @status: what it ends with
 *
 * Context: any.
 */
void pb_fault_read(struct pb_device *pb, const struct pb_req *req,
		   const struct pb_mend_read *read, blk_status_t status);

/**
 * pb_fault_applied() - a request of the predecessor has failed
 * @apply: the source it came through
 * @req: the request
 * @status: what it ended with
 *
 * Context: any.
 */
void pb_fault_applied(struct pb_apply *apply, const struct pb_req *req,
		      blk_status_t status);

/**
 * pb_fault_backup() - what the predecessor relies on was not done
 * @pb: the device
 * @op: what, for a person
 * @sector: where
 * @status: what the disk said
 *
 * The connection upstream is closed, and none is taken in this set-up.
 *
 * Context: any.
 */
void pb_fault_backup(struct pb_device *pb, const char *op, u64 sector,
		     blk_status_t status);

/**
 * pb_fault_chunk() - a state transfer cannot read this disk
 * @sync: the transfer
 * @sector: where
 * @status: what the disk said
 * @first: there was nothing that it could not read until now
 */
void pb_fault_chunk(struct pb_sync *sync, u64 sector, blk_status_t status,
		    bool first);

/**
 * pb_fault_compare() - what the predecessor wants compared cannot be read
 * @pb: the device
 * @sector: where
 * @status: what the disk said
 *
 * Context: any.
 */
void pb_fault_compare(struct pb_device *pb, u64 sector, blk_status_t status);

/* pb-resize.c: more room, and larger volumes */

/**
 * pb_resize_init() - the volume does not grow
 * @pb: the device
 */
void pb_resize_init(struct pb_device *pb);

/**
 * pb_resize_start() - for PB_IOC_RESIZE
 * @pb: the device, ctl_mutex held
 * @arg: checked for reserved fields
 * @reason: filled on failure, PB_REASON_LEN bytes
 *
 * Context: process, waits for I/O.
 * Return: see PB_IOC_RESIZE.
 */
int pb_resize_start(struct pb_device *pb, const struct pb_ioc_resize *arg,
		    char *reason);

/**
 * pb_resize_end() - a new view begins, or this replica stops: it is not done
 * @pb: the device, ctl_mutex held
 */
void pb_resize_end(struct pb_device *pb);

/**
 * pb_resize_link_up() - a connection to the successor came up
 * @pb: the device
 * @hello: what the successor said
 *
 * Context: a work of the connection.
 * Return: whether the successor knows the volume's size; if not it is told, and
 * a state transfer begins after that.
 */
bool pb_resize_link_up(struct pb_device *pb, const struct pb_hello *hello);

/**
 * pb_resize_capacity() - the successor has more room
 * @pb: the device
 * @sectors: how much
 *
 * Return: 0, or -EPROTO if it is less than before.
 */
int pb_resize_capacity(struct pb_device *pb, u64 sectors);

/**
 * pb_resize_obey() - the predecessor says what the volume's size is
 * @pb: the device, ctl_mutex held
 * @sectors: the size, not above the capacity
 *
 * Context: process, waits for I/O.
 * Return: 0 or -EIO.
 */
int pb_resize_obey(struct pb_device *pb, u64 sectors);

/* pb-hold.c: leases that this replica gave */

/**
 * pb_hold_init() - nothing to wait for
 * @pb: the device
 */
void pb_hold_init(struct pb_device *pb);

/**
 * pb_hold_stop() - nothing of this file runs any more
 * @pb: the device; nobody waits for it
 */
void pb_hold_stop(struct pb_device *pb);

/**
 * pb_hold_load() - it is set up again: what did it give before?
 * @pb: the device, ctl_mutex held, its superblock loaded
 */
void pb_hold_load(struct pb_device *pb);

/**
 * pb_hold_note() - a connection to the predecessor has closed
 * @pb: the device, ctl_mutex held
 * @conn: the connection
 */
void pb_hold_note(struct pb_device *pb, struct pb_conn *conn);

/**
 * pb_hold_describe() - what a superblock is to say, should this set-up crash
 * @pb: the device, ctl_mutex held, without a connection to a predecessor
 * @backup: it may give leases from now on
 * @super: the superblock to come
 */
void pb_hold_describe(struct pb_device *pb, bool backup,
		      struct pb_super *super);

/**
 * pb_hold_enter() - a view takes effect
 * @pb: the device, ctl_mutex held, its path frozen
 * @serving: it is the primary
 *
 * Does not wait: bios do.
 */
void pb_hold_enter(struct pb_device *pb, bool serving);

/**
 * pb_hold_wait() - a successor has said hello: may the connection come up?
 * @side: the successor
 * @conn: the connection
 *
 * If it is the one who may count on leases of this replica, it does not any more.
 * Anybody else could be brought up to date, and promoted, before they are over.
 *
 * Context: a work of the connection; waits until they are over or it closes.
 * Return: false if it closes.
 */
bool pb_hold_wait(struct pb_side *side, struct pb_conn *conn);

/**
 * pb_hold_left_ms() - how long bios wait for leases to be over
 * @pb: the device
 */
u32 pb_hold_left_ms(struct pb_device *pb);

/**
 * pb_hold_status() - for PB_IOC_STATUS
 * @pb: the device, ctl_mutex held
 * @status: filled
 */
void pb_hold_status(struct pb_device *pb, struct pb_ioc_status *status);

/* pb-role.c: views */

/**
 * pb_role_set_view() - move into a view, or confirm it
 * @pb: the device, ctl_mutex held
 * @view: hostile
 * @flags: PB_VIEW_*, checked
 * @reason: filled on failure, PB_REASON_LEN bytes
 *
 * Context: process, waits for I/O and for writes under way, killable.
 * Return: see PB_IOC_SET_VIEW.
 */
int pb_role_set_view(struct pb_device *pb, const struct pb_view *view,
		     u32 flags, char *reason);

/**
 * pb_role_stop() - if the metadata device failed, serve nobody any more
 * @pb: the device, ctl_mutex held
 */
void pb_role_stop(struct pb_device *pb);

#endif /* PB_DEVICE_H */
