/* SPDX-License-Identifier: GPL-2.0 */
/* A request from the predecessor; for pb-apply.c and pb-apply-up.c alone. */
#ifndef PB_APPLY_REQ_H
#define PB_APPLY_REQ_H

#include <linux/bitmap.h>
#include <linux/bvec.h>
#include <linux/workqueue.h>

#include "pb-apply.h"

#define PB_DIGEST_PAGES	\
	DIV_ROUND_UP(PB_WIRE_MAX_PIECES * PB_WIRE_DIGEST, PAGE_SIZE)

/**
 * struct pb_check - what a check brings along
 * @piece: bytes of a piece
 * @differs: by piece: what is to be told
 * @told: pieces before this one were told
 * @theirs: digests of the predecessor's data, until it is compared
 */
struct pb_check {
	u32		piece;
	DECLARE_BITMAP(differs, PB_WIRE_MAX_PIECES);
	u32		told;
	struct bio_vec	theirs[PB_DIGEST_PAGES];
};

/**
 * struct pb_apply_req - a request from the predecessor
 * @req: what the path sees
 * @node: on the done list; before it has begun, on the ordered one
 * @apply: where it belongs
 * @seq: its upstream sequence number
 * @bytes: of memory for data and digests
 * @read: a read for the predecessor; the path sees a plain one
 * @status: of that
 * @check: what is compared, or NULL
 * @before: a flush that waits for those before it: how many of them are not done
 * @work: for a write-zeroes that takes a sleeping call, for comparing, and for a
 *	flush that has waited
 */
struct pb_apply_req {
	struct pb_req		req;
	struct list_head	node;
	struct pb_apply		*apply;
	u64			seq;
	u32			bytes;
	u32			before;
	bool			read;
	blk_status_t		status;
	struct pb_check		*check;
	struct work_struct	work;
};

static inline struct pb_apply_req *to_apply_req(struct pb_req *req)
{
	return container_of(req, struct pb_apply_req, req);
}

/**
 * pb_apply_forget_done() - take a request off the done list and free it
 * @apply: the upstream source
 * @areq: the request
 *
 * Context: the lock is held.
 */
void pb_apply_forget_done(struct pb_apply *apply, struct pb_apply_req *areq);

/**
 * pb_apply_drop_marks() - none is to be sent
 * @apply: the upstream source
 * @marks: those there were, for the caller to free without the lock
 *
 * Context: the lock is held.
 */
void pb_apply_drop_marks(struct pb_apply *apply, struct pb_mark **marks);

#endif
