/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The upstream source of the path: messages of the predecessor become requests,
 * and requests that are done become acks, or, of a read, data.
 */
#ifndef PB_APPLY_H
#define PB_APPLY_H

#include <linux/bio.h>
#include <linux/mempool.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "pb-conn.h"
#include "pb-path.h"
#include "pb-stash.h"

struct pb_apply_req;

/**
 * struct pb_mark - a range that may differ from what the predecessor has
 * @sector: where it begins
 * @count: sectors, at most PB_WIRE_MAX_ZEROES
 */
struct pb_mark {
	u64	sector;
	u32	count;
};

/**
 * struct pb_apply - what a member does for its predecessor
 * @lock: guards everything down to @conn; taken with interrupts off, outside
 *	no other lock
 * @recv_seq: highest sequence number received whole in this stream
 * @peer_incarnation: of the predecessor, whose stream it is; 0 if none yet
 * @ack_first: first sequence number to ack at once after a reconnection
 * @ack_count: how many of them, 0 for none
 * @bytes: payload under way
 * @nr: requests under way; a read until its answer is sent or not wanted
 * @nr_reads: reads among them
 * @nr_done: requests on @done
 * @done: requests to be acked, in order of sequence number
 * @ordered: flushes that wait for the requests before them
 * @answers: reads that are done, to be answered
 * @conn: the upstream connection while it is up, for wake-ups
 * @marks: to be sent before any ack; kvmalloc'ed
 * @nr_marks: how many
 * @next_mark: the next to send
 * @capacity: to be told to the predecessor, 0 for nothing
 * @word: a word that the owner works on
 * @base: what is added to a sequence number to make a stamp of the log's
 * @peer_before: the predecessor has done everything before that number too;
 *	0: it has not said
 * @resume: stamps of earlier numbers than the next after this are not known
 * @disk_failed: a write failed: nothing more is received in this view
 * @drained: woken when @nr falls to 0, and when a connection closes
 * @current_req: the write whose payload is arriving; of the receiving worker
 * @path: where requests go
 * @bdev: this member's data device
 * @stats: the volume's counters
 * @wq: for write-zeroes that the disk cannot do by itself, and comparing
 * @bios: bios for the disk
 * @reqs: requests
 * @pages: payload pages: enough for one message of the greatest size, or for a
 *	check's digests and data
 * @stash: of @pages, those that are neither in use nor kept for want of memory
 * @checks: what is compared: enough for one
 * @read_pages: as @pages, for reads
 * @on_fault: tells the owner that a request failed; any context
 * @on_unreadable: tells the owner that data to be compared cannot be read; any
 *	context
 * @on_word: a word came; the owner works on it and says pb_apply_word_done().
 *	Process context, must not wait
 */
struct pb_apply {
	spinlock_t		lock;
	u64			recv_seq;
	u64			peer_incarnation;
	u64			ack_first;
	u64			ack_count;
	u32			bytes;
	u32			nr;
	u32			nr_reads;
	u32			nr_done;
	struct list_head	done;
	struct list_head	ordered;
	struct list_head	answers;
	struct pb_conn		*conn;
	struct pb_mark		*marks;
	u32			nr_marks;
	u32			next_mark;
	u64			capacity;
	struct pb_apply_req	*word;
	u64			base;
	u64			resume;
	u64			peer_before;
	bool			disk_failed;
	wait_queue_head_t	drained;
	struct pb_apply_req	*current_req;
	struct pb_path		*path;
	struct block_device	*bdev;
	struct pb_stats __percpu *stats;
	struct workqueue_struct	*wq;
	struct bio_set		bios;
	mempool_t		reqs;
	mempool_t		pages;
	struct pb_stash		stash;
	mempool_t		checks;
	mempool_t		read_pages;
	void			(*on_fault)(struct pb_apply *apply,
					    const struct pb_req *req,
					    blk_status_t status);
	void			(*on_unreadable)(struct pb_apply *apply,
						 u64 sector, int error);
	void			(*on_word)(struct pb_apply *apply,
					   const struct pb_msg *msg);
};

/**
 * pb_apply_init() - make ready to apply
 * @apply: to fill, all zero but for @path, @bdev, @stats, @wq and the on_...
 *
 * Return: 0 or -ENOMEM.
 */
int pb_apply_init(struct pb_apply *apply);

/**
 * pb_apply_exit() - free what pb_apply_init() took
 * @apply: drained; may be all zero
 */
void pb_apply_exit(struct pb_apply *apply);

/**
 * pb_apply_receive() - a message of the predecessor has arrived
 * @apply: the source
 * @conn: where
 * @msg: admitted; its sequence number is the next one
 *
 * For a write, points @conn->rx_iter at memory for the payload; the others
 * start at once.
 *
 * Context: process, the connection's receiving worker.
 * Return: 0, -EAGAIN when the memory bound is reached, -EIO when the disk has
 * failed, -EPROTO for a word before the last was obeyed.
 */
int pb_apply_receive(struct pb_apply *apply, struct pb_conn *conn,
		     const struct pb_msg *msg);

/**
 * pb_apply_received() - the payload is complete: start the write
 * @apply: the source
 */
void pb_apply_received(struct pb_apply *apply);

/**
 * pb_apply_word_done() - the owner has done what a word said
 * @apply: the source
 * @ok: it is to be acked; else the owner closes the connection
 *
 * Context: process.
 */
void pb_apply_word_done(struct pb_apply *apply, bool ok);

/**
 * pb_apply_send_marks() - send these before any further ack
 * @apply: the source
 * @marks: kvmalloc'ed; the source takes it over
 * @nr: how many
 */
void pb_apply_send_marks(struct pb_apply *apply, struct pb_mark *marks, u32 nr);

/**
 * pb_apply_tell_capacity() - the predecessor is to know that there is more room
 * @apply: the source, with a connection that is up or will be
 * @sectors: size of the room
 */
void pb_apply_tell_capacity(struct pb_apply *apply, u64 sectors);

/**
 * pb_apply_next_ack() - the next ack to send
 * @apply: the source
 * @item: filled
 *
 * Return: false if there is nothing to ack.
 */
bool pb_apply_next_ack(struct pb_apply *apply, struct pb_tx_item *item);

/**
 * pb_apply_has_ack() - is there something to ack?
 * @apply: the source
 */
bool pb_apply_has_ack(struct pb_apply *apply);

/**
 * pb_apply_answered() - the payload of an answer is not looked at any more
 * @apply: the source
 * @hold: of the item
 */
void pb_apply_answered(struct pb_apply *apply, void *hold);

/**
 * pb_apply_link_up() - both hellos are accepted
 * @apply: the source, drained
 * @conn: the upstream connection
 * @incarnation: the predecessor's
 * @resume: what pb_hello_resume() said
 * @first_unacked: what the predecessor still wants acked
 */
void pb_apply_link_up(struct pb_apply *apply, struct pb_conn *conn,
		      u64 incarnation, u64 resume, u64 first_unacked);

/**
 * pb_apply_link_down() - the upstream connection is about to be closed
 * @apply: the source; the connection is in PB_LINK_CLOSING
 *
 * From here on no completion touches the connection.
 * What is under way goes on; its ack is implied by the next hello.
 */
void pb_apply_link_down(struct pb_apply *apply);

/**
 * pb_apply_drop_current() - forget a write whose payload broke off
 * @apply: the source; the connection is closed
 */
void pb_apply_drop_current(struct pb_apply *apply);

/**
 * pb_apply_reset() - a new view begins: forget the stream
 * @apply: the source, drained, without a connection
 */
void pb_apply_reset(struct pb_apply *apply);

/**
 * pb_apply_peer_done() - the predecessor has done everything before a number
 * @apply: the source
 * @before: the number, 0 if it cannot say; hostile
 */
void pb_apply_peer_done(struct pb_apply *apply, u64 before);

/**
 * pb_apply_stamp() - what of the log a flush of this disk covers
 * @apply: the source
 */
u64 pb_apply_stamp(struct pb_apply *apply);

/**
 * pb_apply_is_read() - is a request a read for the predecessor?
 * @req: a request of the source
 */
bool pb_apply_is_read(const struct pb_req *req);

/**
 * pb_apply_idle() - is nothing under way?
 * @apply: the source
 */
bool pb_apply_idle(struct pb_apply *apply);

#endif /* PB_APPLY_H */
