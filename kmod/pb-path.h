/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The path of a write through one member, whoever it comes from:
 *
 *     source --> local leg (this member's disk) ------+
 *            \-> downstream leg (the next member) ----+--> complete the source
 *
 * The source is a bio from above on the primary, a message from the
 * predecessor on any other member.  The last member has no downstream leg.
 * The path owns the order: overlapping writes are never under way together,
 * sequence numbers follow the order of sending, what is not acked is kept to
 * be sent again.  It knows neither bios' owners nor sockets.
 */
#ifndef PB_PATH_H
#define PB_PATH_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pb-codec.h"
#include "pb-conn.h"
#include "pb-log.h"
#include "pb-peers.h"
#include "pb-stats.h"

struct pb_req;

/**
 * enum pb_copy - is a request a chunk, and of what?
 * @PB_COPY_NONE: it is none
 * @PB_COPY_TRANSFER: of a state transfer to a successor that is not synced
 * @PB_COPY_VERIFY: of a verification of one that is
 */
enum pb_copy {
	PB_COPY_NONE,
	PB_COPY_TRANSFER,
	PB_COPY_VERIFY,
};

/**
 * struct pb_source - where requests come from and go back to
 * @guarded: only a primary may serve it (bios from above)
 * @bounded: its requests end where the volume does
 * @submit: begin the local leg; process context.  Of a fetch: the data are here
 * @fetch: of a guarded one: a read that this disk cannot serve; process context
 * @complete: every leg is done; any context, no lock of the path held.  A socket's
 *	may be: it neither sends nor sleeps
 */
struct pb_source {
	bool	guarded;
	bool	bounded;
	void	(*submit)(struct pb_req *req);
	void	(*fetch)(struct pb_req *req);
	void	(*complete)(struct pb_req *req, blk_status_t status);
};

/* Legs that a request still waits for. */
#define PB_LEG_LOCAL	0x01
#define PB_LEG_NET	0x02

/**
 * struct pb_req - one read, write, flush or write-zeroes on its way; or a
 * chunk, whose local leg is the reading of it; or a word about a state transfer,
 * which has no local leg; or the predecessor's check, whose local leg is the
 * reading of what is to be compared; or a fetch (PB_WIRE_READ), whose downstream
 * leg brings what this disk cannot read and whose local leg then repairs it
 * @node: while parked: on held, retry or another request's waiters; while the
 *	downstream leg is pending: on unacked
 * @send: on sendq while not yet handed to the socket; of a chunk that waits: on
 *	wanted
 * @order: among those with a downstream leg, until the last leg is done
 * @waiters: requests that overlap this one and came later
 * @rb: in the tree of writes under way, keyed by @sector
 * @last: last sector of the range
 * @subtree_last: greatest @last below @rb
 * @source: who is told when all is done
 * @bio: the payload; its pages stay until the request is completed
 * @iter: @bio's iterator before anybody consumed it
 * @seq: sequence number in the downstream stream; may change until received
 * @sector: start of the range
 * @count: sectors; 0 for a flush
 * @type: enum pb_wire_type; 0 for a read
 * @flags: PB_WIRE_*
 * @legs: PB_LEG_* still pending
 * @in_tree: @rb is linked
 * @copy: enum pb_copy; a chunk is a struct pb_copy_req
 * @failed: what the local leg, which is still pending, ended with; then it is on
 *	the path's list of those
 * @status: the first error of a leg
 * @stamp: write: of the flush that will cover it; flush: what it covers; see
 *	pb-log.h.  0 on the way in if the path is to say
 * @log: its place in the activity log; once the local leg has begun its node is
 *	free, and links those that have @failed; before that, those that gather
 * @born: jiffies when it arrived
 * @arrived: a read: boot time, if this member needs to know
 * @changes: write, zeroes: its number among those of this path; a read: of the
 *	last that had begun before it, and
 * @changes_end: before it had come back from the disk
 * @reign: a read: of @reign of the path
 * @taken_back: a read: of @taken_back of the path
 * @covered: a read: nobody else could have served when it came; see pb-lease.h
 * @back: a read: the disk is done with it
 *
 * The path's lock guards all that changes after pb_path_start().
 */
struct pb_req {
	struct list_head	node;
	struct list_head	send;
	struct list_head	order;
	struct list_head	waiters;
	struct rb_node		rb;
	u64			last;
	u64			subtree_last;
	const struct pb_source	*source;
	struct bio		*bio;
	struct bvec_iter	iter;
	u64			seq;
	u64			sector;
	u32			count;
	u8			type;
	u8			flags;
	u8			legs;
	bool			in_tree;
	u8			copy;
	blk_status_t		failed;
	blk_status_t		status;
	u64			stamp;
	struct pb_log_wait	log;
	unsigned long		born;
	u64			arrived;
	unsigned long		changes;
	unsigned long		changes_end;
	unsigned int		reign;
	unsigned int		taken_back;
	bool			covered;
	bool			back;
};

/**
 * struct pb_copy_req - a chunk
 * @req: type PB_WIRE_CHECK if its digests are sent and not its data
 * @piece: sectors that a digest is of: a region of the dirty map
 * @differs: by piece: what the successor said is not the same
 *
 * The path's lock guards @differs while the downstream leg is pending.
 */
struct pb_copy_req {
	struct pb_req	req;
	u32		piece;
	DECLARE_BITMAP(differs, PB_WIRE_MAX_PIECES);
};

/* Reads from the next member what this disk cannot. */
static inline bool pb_path_is_fetch(const struct pb_req *req)
{
	return req->type == PB_WIRE_READ;
}

/**
 * enum pb_start - what became of a request
 * @PB_STARTED: the caller begins the local leg now
 * @PB_LOGGING: started; its local leg will begin when the activity log has it, or
 *	what it fetches is here, or it has none
 * @PB_FETCH: a read that the caller has to fetch, since this disk is dead
 * @PB_PARKED: the path will start or complete it later
 * @PB_REFUSED: not for this replica; the caller completes it with the status
 */
enum pb_start {
	PB_STARTED,
	PB_LOGGING,
	PB_FETCH,
	PB_PARKED,
	PB_REFUSED,
};

/**
 * enum pb_own_disk - can this member's disk be used?  Drawing in pb-path-disk.c
 * @PB_OWN_WELL: as far as it has said
 * @PB_OWN_FAILING: local legs have failed and wait for what becomes of them
 * @PB_OWN_DEAD: it is on record that this copy lacks acknowledged writes: the
 *	next member serves, this disk is not touched
 * @PB_OWN_FAILED: it failed when this member was the primary, which it is not
 *	any more
 */
enum pb_own_disk {
	PB_OWN_WELL,
	PB_OWN_FAILING,
	PB_OWN_DEAD,
	PB_OWN_FAILED,
};

/**
 * enum pb_early_state - see the drawing in pb-path-early.c
 * @PB_EARLY_IDLE: none is under way, or known to be of use
 * @PB_EARLY_SENT: one is to be acked
 * @PB_EARLY_DONE: the next member has flushed all that is written, and no flush has
 *	come since
 */
enum pb_early_state {
	PB_EARLY_IDLE,
	PB_EARLY_SENT,
	PB_EARLY_DONE,
};

/**
 * struct pb_early - a flush that is sent before the application asks for one
 * @state: enum pb_early_state; changed by set_state() in pb-path-early.c
 * @sure: of how many of the last flushes, at most 2, @expected was true as well
 * @expected: changes before the application's last flush, since the one before
 * @flushed: @changes of the path when it came
 * @changes: of the path when this one was sent; less if it is not to count
 * @busy: @req has not come to its end; cleared without the lock
 * @req: what the path sees; it has no local leg
 *
 * The path's lock guards all of it, but for what @busy says.
 */
struct pb_early {
	u8		state;
	u8		sure;
	unsigned long	expected;
	unsigned long	flushed;
	unsigned long	changes;
	bool		busy;
	struct pb_req	req;
};

/**
 * struct pb_path - the path of one replica
 * @lock: guards everything below down to @unacked; taken with interrupts off,
 *	innermost but for the connection's own lock
 * @serving: primary of a confirmed view: guarded requests may start
 * @frozen: a view change is under way: guarded requests are held
 * @requeue: a noflush suspend is under way: guarded requests go back to dm
 * @needs_ack: the next member is synced: writes have a downstream leg
 * @up: @conn carries the view
 * @copying: a state transfer to the next member goes on: writes to what it has
 *	already got have a downstream leg
 * @verifying: chunks of a verification may start
 * @disk: enum pb_own_disk; changed by set_disk() in pb-path-disk.c
 * @sectors: size of the volume
 * @successor: the slot of the next member's dirty map, if it was not synced in
 *	the beginning; PB_DISK_MAX_PEERS if nothing was copied in this view
 * @diverged: failed a write that this disk may hold and the next member lacks
 * @unsettled: gave a write back to dm that this disk may hold
 * @taken_back: counts such writes, and
 * @taken_before: those of before the latest noflush suspend
 * @policy: enum pb_policy
 * @confirm: reads are served by answers alone, whatever lease there is; also read
 *	without the lock, as the next four are
 * @lease_until: boot time up to which the next member's latest answer covers reads
 * @echoed: our stamp that it brought back; 0 if none did in this view.  Both are
 *	set by the connection's receiver alone, and cleared without a connection
 * @asked: when the read arrived for which the next member was asked for an answer
 *	that has not come yet; 0 if it was not asked
 * @changes: writes and zeroes begun
 * @reign: counts the views in which this member was not the primary
 * @hold_until: raw time up to which guarded requests are held, since a lease that
 *	this member gave is not over; 0 for not
 * @conn: the downstream connection while @up; holds a reference
 * @next_seq: the next sequence number to give out
 * @resume_seq: acks up to here may be for requests that are gone
 * @lost: of mark_doubtful()
 * @last_used: jiffies of the latest request of a guarded source; also read
 *	without the lock
 * @first_unacked: lowest sequence number ever aborted in this stream and not
 *	yet settled by a resume, 0 if none
 * @tree: writes under way
 * @held: guarded requests waiting for a view or a connection
 * @log: what may differ after a crash; under the same lock
 * @peers: what those who are not synced lack; under the same lock
 * @early: a flush that is sent before the application asks for one
 * @retry: requests to be started by @work
 * @sendq: to be sent, in order
 * @unacked: downstream leg pending, in order of @seq
 * @wanted: chunks that wait for writes under way
 * @order: downstream leg or the other one pending, in order of @seq
 * @failed: local leg has failed and is pending
 * @gathered: writes that gather on @sendq; their local legs begin with @gather_work
 * @nr_sent: downstream leg pending and handed to the socket
 * @bytes_sent: what those take of the next member's memory
 * @bytes_waiting: of writes that were left on @sendq to gather, since somebody
 *	has sent
 * @nr_ended: with the last ack, less the writes that have come since
 * @receiving: a fetch whose data are arriving: off @unacked
 * @nr_older: requests on @order without a number in this stream
 * @nr_active: requests with a pending leg (but for reads and an early flush)
 * @nr_parked: on @held, @retry or a waiters list
 * @idle_wait: woken when @nr_active falls to 0
 * @work: starts what is on @retry, in process context
 * @gather_work: begins the local legs of those on @gathered, in process context
 * @wq: where both run
 * @stats: the volume's counters
 * @dev: for tracepoints: major << 20 | minor
 * @on_disk: a request on @failed needs a decision: pb_path_disk_due().  Under
 *	@lock, any context
 * @on_fault: this disk failed a request's local leg; returns true if the path
 *	keeps the leg, else the status may have changed.  Any context
 */
struct pb_path {
	spinlock_t		lock;
	bool			serving;
	bool			frozen;
	bool			requeue;
	bool			needs_ack;
	bool			up;
	bool			copying;
	bool			verifying;
	u8			disk;
	u64			sectors;
	u32			successor;
	bool			diverged;
	bool			unsettled;
	unsigned int		taken_back;
	unsigned int		taken_before;
	u32			policy;
	bool			confirm;
	atomic64_t		lease_until;
	atomic64_t		echoed;
	u64			asked;
	unsigned long		changes;
	unsigned int		reign;
	u64			hold_until;
	struct pb_conn		*conn;
	u64			next_seq;
	u64			resume_seq;
	unsigned long		lost;
	unsigned long		last_used;
	u64			first_unacked;
	struct rb_root_cached	tree;
	struct pb_log		*log;
	struct pb_peers		*peers;
	struct pb_early		early;
	struct list_head	held;
	struct list_head	retry;
	struct list_head	sendq;
	struct list_head	unacked;
	struct list_head	order;
	struct list_head	wanted;
	struct list_head	failed;
	struct list_head	gathered;
	unsigned int		nr_sent;
	u32			bytes_sent;
	u32			bytes_waiting;
	u32			nr_ended;
	struct pb_req		*receiving;
	unsigned int		nr_older;
	unsigned int		nr_active;
	unsigned int		nr_parked;
	wait_queue_head_t	idle_wait;
	struct work_struct	work;
	struct work_struct	gather_work;
	struct workqueue_struct	*wq;
	struct pb_stats __percpu *stats;
	u32			dev;
	void			(*on_disk)(struct pb_path *path);
	bool			(*on_fault)(struct pb_path *path,
					    struct pb_req *req,
					    blk_status_t *status);
};

/**
 * struct pb_path_info - for status
 */
struct pb_path_info {
	u64	active;
	u64	parked;
	u64	unacked;
	u64	last_seq;
	u32	oldest_wait_ms;
};

/**
 * pb_path_init() - an idle path that serves nobody
 * @path: to fill
 * @wq: WQ_MEM_RECLAIM workqueue; flushed by the owner before it goes
 * @stats: the volume's counters
 * @dev: for tracepoints
 */
void pb_path_init(struct pb_path *path, struct workqueue_struct *wq,
		  struct pb_stats __percpu *stats, u32 dev);

/**
 * pb_path_start() - a request arrives
 * @path: the path
 * @req: source, bio, iter, sector, count, type and flags set, rest zero
 * @status: set when refused
 *
 * Context: process; may send on the socket, never blocks on it.
 */
enum pb_start pb_path_start(struct pb_path *path, struct pb_req *req,
			    blk_status_t *status);

/**
 * pb_path_local_done() - the local leg of a write has ended
 * @path: the path
 * @req: a request that was started
 * @status: the disk's
 *
 * Context: any.
 * Return: true if it was the last leg: the caller completes the source with
 * @req->status.  False: the path will call the source's complete().
 */
bool pb_path_local_done(struct pb_path *path, struct pb_req *req,
			blk_status_t status);

/**
 * pb_zeroes_unsupported() - did a disk find out that it cannot zero by itself?
 * @status: of a write-zeroes
 */
static inline bool pb_zeroes_unsupported(blk_status_t status)
{
	return status == BLK_STS_NOTSUPP || status == BLK_STS_TARGET;
}

/**
 * pb_path_write_zeroes() - the local leg of a write-zeroes, whatever it takes
 * @bdev: the data device
 * @req: a write-zeroes
 *
 * Context: process, waits for I/O.
 */
blk_status_t pb_path_write_zeroes(struct block_device *bdev,
				  const struct pb_req *req);

/**
 * pb_path_acked() - the next member has done a range of messages
 * @path: the path
 * @first: first sequence number
 * @count: how many, at least one
 * @here: what may be sent now is sent by the caller; else by the worker
 *
 * Context: any; process if @here.
 * Return: 0, or -EALREADY if one of them is not outstanding and cannot have
 * been given up either, or wants data and not an ack: the caller drops the
 * connection.
 */
int pb_path_acked(struct pb_path *path, u64 first, u32 count, bool here);

/**
 * pb_path_takes_acks() - may an ack be taken where it arrives?
 * @path: the path
 *
 * Not if it makes something go: that takes a worker anyway, and the one that
 * receives sends as well.
 *
 * Context: any.
 */
bool pb_path_takes_acks(struct pb_path *path);

/**
 * pb_path_next() - take the next message to send
 * @path: the path
 * @item: filled
 *
 * Context: process, under the connection's tx mutex.
 * Return: false if there is none.
 */
bool pb_path_next(struct pb_path *path, struct pb_tx_item *item);

/**
 * pb_path_has_next() - is there a message to send?
 * @path: the path
 */
bool pb_path_has_next(struct pb_path *path);

/**
 * pb_path_first_unacked() - for a hello: what we still want an ack for
 * @path: the path
 */
u64 pb_path_first_unacked(struct pb_path *path);

/**
 * pb_path_link_up() - both hellos are accepted: send on from here
 * @path: the path
 * @conn: the downstream connection; the path takes a reference
 * @resume: what pb_hello_resume() said
 *
 * What the peer has not received is renumbered from @resume + 1 on and queued
 * in its old order; held requests start.
 *
 * Context: process.
 * Return: 0, or -EPROTO if the peer claims to have received what was never
 * numbered.
 */
int pb_path_link_up(struct pb_path *path, struct pb_conn *conn, u64 resume);

/**
 * pb_path_link_down() - the downstream connection is gone
 * @path: the path
 *
 * The caller has made sure that nothing of the path is in a socket call.
 * Unacked requests stay for the next connection, or are given up if the
 * policy or a noflush suspend says so.
 */
void pb_path_link_down(struct pb_path *path);

/**
 * pb_path_set_size() - the volume has another size
 * @path: the path
 * @sectors: the size
 */
void pb_path_set_size(struct pb_path *path, u64 sectors);

/**
 * pb_path_freeze() - hold guarded requests: a view change begins
 * @path: the path
 */
void pb_path_freeze(struct pb_path *path);

/**
 * pb_path_idle() - is no write under way?
 * @path: the path
 *
 * To wait for it, sleep on @path->idle_wait.
 */
bool pb_path_idle(struct pb_path *path);

/**
 * pb_path_thaw() - the view change failed and changed nothing: go on
 * @path: the path
 */
void pb_path_thaw(struct pb_path *path);

/**
 * pb_path_settle() - a new view takes effect
 * @path: the path, frozen and without a connection
 * @serving: this replica is the primary
 * @needs_ack: the next member is synced
 * @equal: another member is called synced beside this one
 *
 * Unacked requests of a primary that goes on are completed if no ack is needed
 * any more, else kept for the new stream; those of a deposed one fail with
 * BLK_STS_RESV_CONFLICT.  Held requests are started or refused.
 */
void pb_path_settle(struct pb_path *path, bool serving, bool needs_ack,
		    bool equal);

/**
 * pb_path_abandon() - the device goes: nobody will ack what is still to be acked
 * @path: the path, without a connection; all bios from above have ended
 */
void pb_path_abandon(struct pb_path *path);

/**
 * pb_path_reject_waiting() - who waits for the activity log is not to begin
 * @path: the path
 *
 * A message of the predecessor ends with BLK_STS_AGAIN.
 */
void pb_path_reject_waiting(struct pb_path *path);

/**
 * pb_path_visit_doubtful() - what may differ from a peer's copy
 * @path: the path
 * @fn: called under the lock for each range: writes under way, and parts of
 *	extents not known to be flushed
 * @arg: for @fn
 */
void pb_path_visit_doubtful(struct pb_path *path,
			    void (*fn)(void *arg, u64 sector, u64 count),
			    void *arg);

/**
 * pb_path_copy_begin() - a state transfer to the next member begins
 * @path: the path
 * @slot: of its dirty map
 *
 * Return: false if there is no connection.
 */
bool pb_path_copy_begin(struct pb_path *path, u32 slot);

/**
 * pb_path_forward() - a chunk has been read: send it
 * @path: the path
 * @req: the chunk; type, flags, bio and iter say what to send
 * @status: of the read
 *
 * Context: process.
 */
void pb_path_forward(struct pb_path *path, struct pb_req *req,
		     blk_status_t status);

/**
 * pb_path_verify() - chunks of a verification may start, or not any more
 * @path: the path
 * @on: which; those that wait for writes end with BLK_STS_TRANSPORT if not
 *
 * Context: process.
 */
void pb_path_verify(struct pb_path *path, bool on);

/**
 * pb_path_differs() - the next member has found a difference
 * @path: the path
 * @sector: where it begins; hostile
 * @count: sectors, at least one
 *
 * Return: 0, or -EPROTO if no check was sent for all of that.
 */
int pb_path_differs(struct pb_path *path, u64 sector, u32 count);

/**
 * pb_path_copy_end() - nothing is dirty any more: wait for acks from here on
 * @path: the path
 *
 * Return: false if something is dirty after all, or the transfer broke off.
 */
bool pb_path_copy_end(struct pb_path *path);

/**
 * pb_path_done_before() - before which number is everything done on every leg?
 * @path: the path
 *
 * Return: that number, or 0 if that cannot be said in this stream.
 */
u64 pb_path_done_before(struct pb_path *path);

/**
 * pb_path_set_policy() - wait or fail while there is no connection
 * @path: the path
 * @policy: enum pb_policy
 */
void pb_path_set_policy(struct pb_path *path, u32 policy);

/**
 * pb_path_set_requeue() - a noflush suspend begins or ends
 * @path: the path
 * @requeue: it begins
 */
void pb_path_set_requeue(struct pb_path *path, bool requeue);

/**
 * pb_path_info() - for status
 * @path: the path
 * @info: filled
 */
void pb_path_info(struct pb_path *path, struct pb_path_info *info);

/**
 * pb_path_data() - the answer to a fetch has come
 * @path: the path
 * @msg: admitted
 * @bio: set to where its payload goes, or to NULL if it has none
 *
 * The payload's memory stays until pb_path_data_done() or pb_path_link_down().
 *
 * Context: process.
 * Return: 0, or -EPROTO if nobody has asked for that.
 */
int pb_path_data(struct pb_path *path, const struct pb_msg *msg,
		 struct bio **bio);

/**
 * pb_path_data_done() - its payload is whole
 * @path: the path
 *
 * Context: process.
 */
void pb_path_data_done(struct pb_path *path);

/**
 * pb_path_local_failed() - the local leg of a request has failed
 * @path: the path
 * @req: a request that was started
 * @status: what the disk said; changed if it does not count
 *
 * While the next member must hold every write its copy is enough, once it is on
 * record that this one lacks it.  Else the failure is the source's, and those
 * who are tracked get the range again.
 *
 * Context: any.
 * Return: true if the path keeps the leg and completes the request later; else
 * pb_path_local_done() is due with @status.
 */
bool pb_path_local_failed(struct pb_path *path, struct pb_req *req,
			  blk_status_t *status);

/**
 * pb_path_disk_due() - is there a request that only its failed leg holds up?
 * @path: the path
 */
bool pb_path_disk_due(struct pb_path *path);

/**
 * pb_path_disk_dead() - it is on record: do without this disk from here on
 * @path: the path
 *
 * Context: process.
 */
void pb_path_disk_dead(struct pb_path *path);

/**
 * pb_path_disk_undecided() - it cannot be put on record now
 * @path: the path
 *
 * Without a connection the policy or a suspend lets those go that wait for it.
 *
 * Context: process.
 */
void pb_path_disk_undecided(struct pb_path *path);

/**
 * pb_path_no_copy() - this disk is dead and the next member's has failed too
 * @path: the path, without a connection
 *
 * Requests fail from here on, until a new view.
 */
void pb_path_no_copy(struct pb_path *path);

/**
 * pb_path_read_done() - the disk has served a read
 * @path: the path
 * @req: a read that was started
 *
 * Context: any.
 * Return: true if the caller may show it.  False: the path will call the source's
 * complete().
 */
bool pb_path_read_done(struct pb_path *path, struct pb_req *req);

/**
 * pb_path_answered() - the next member has answered
 * @path: the path
 * @echo: the stamp of ours that it brings back; not in the future
 * @lease_ms: length of its leases, 0 for none
 *
 * Context: process; one at a time.
 */
void pb_path_answered(struct pb_path *path, u64 echo, u32 lease_ms);

/**
 * pb_path_set_confirm() - by what reads are served
 * @path: the path
 * @confirm: by answers alone
 */
void pb_path_set_confirm(struct pb_path *path, bool confirm);

/**
 * pb_path_set_hold() - in the view to come guarded requests wait for a lease to end
 * @path: the path, frozen
 * @until: when that is over, raw time; 0: they need not wait
 */
void pb_path_set_hold(struct pb_path *path, u64 until);

/**
 * pb_path_end_hold() - guarded requests go on, if it is time
 * @path: the path
 * @early: it is, whatever the clock says
 *
 * Return: true if they have waited until now.
 */
bool pb_path_end_hold(struct pb_path *path, bool early);

/**
 * pb_path_holds() - do guarded requests wait for a lease to end?
 * @path: the path
 */
static inline bool pb_path_holds(const struct pb_path *path)
{
	return READ_ONCE(path->hold_until);
}

/**
 * pb_path_lease_left_ms() - for status: how long reads are covered from now on
 * @path: the path
 */
u32 pb_path_lease_left_ms(struct pb_path *path);

static inline void pb_path_hop(struct pb_path *path, const struct pb_req *req,
			       void (*hop)(u32 dev, u8 type, u64 seq,
					   u64 sector, u32 count, int error))
{
	hop(path->dev, req->type, req->seq, req->sector, req->count,
	    blk_status_to_errno(req->status));
}

/* Between the files of the path; all but the last three under the lock. */
bool pb_path_is_change(const struct pb_req *req);
struct pb_req *pb_path_overlap(struct pb_path *path, const struct pb_req *req,
			       struct pb_req *after);
void pb_path_not_clean(struct pb_path *path, bool taken_back);
void pb_path_read_begin(struct pb_path *path, struct pb_req *req);
enum pb_start pb_path_read_judge(struct pb_path *path, struct pb_req *req,
				 blk_status_t *status);
void pb_path_forget_answers(struct pb_path *path);
enum pb_start pb_path_hold(struct pb_path *path, struct pb_req *req,
			   blk_status_t *status);
enum pb_start pb_path_admit_fetch(struct pb_path *path, struct pb_req *req,
				  blk_status_t *status);
void pb_path_refetch(struct pb_path *path, u64 resume);
void pb_path_stop_receiving(struct pb_path *path);
void pb_path_drop_local(struct pb_path *path, struct pb_req *req);
void pb_path_settle_disk(struct pb_path *path, struct list_head *done);
void pb_path_give_up(struct pb_path *path, blk_status_t status,
		     struct list_head *done);
void pb_path_early_write(struct pb_path *path, const struct pb_req *req);
bool pb_path_early_flush(struct pb_path *path, struct pb_req *req);
void pb_path_early_copied(struct pb_path *path);
void pb_path_early_ended(struct pb_path *path, const struct pb_req *req);
void pb_path_early_drop(struct pb_path *path, struct list_head *done);
void pb_path_fail_waiting(struct pb_path *path, blk_status_t status);
void pb_path_retry(struct pb_path *path, struct list_head *list);
void pb_path_net_done(struct pb_path *path, struct pb_req *req,
		      blk_status_t status, struct list_head *done);
bool pb_path_leg_done(struct pb_path *path, struct pb_req *req, u8 leg,
		      blk_status_t status);
void pb_path_add_net_leg(struct pb_path *path, struct pb_req *req);
void pb_path_take_number(struct pb_path *path, struct pb_req *req);
u64 pb_path_lowest_unacked(struct pb_path *path);
bool pb_path_may_copy(struct pb_path *path, const struct pb_req *req);
void pb_path_drop_chunk(struct pb_path *path, struct pb_req *chunk);
struct pb_conn *pb_path_conn_to_kick(struct pb_path *path);
void pb_path_note_copied(struct pb_path *path, const struct pb_req *req);
void pb_path_mark_doubtful(struct pb_path *path, unsigned long slots);
void pb_path_read_arrives(struct pb_path *path, struct pb_req *req);
bool pb_path_gathers(struct pb_path *path, const struct pb_req *req);
void pb_path_begin_gathered(struct pb_path *path);
void pb_path_kick(struct pb_conn *conn);
void pb_path_new_req(struct pb_req *req);
void pb_path_complete(struct pb_path *path, struct list_head *done);

#endif /* PB_PATH_H */
