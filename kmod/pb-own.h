/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests of this member's own, which no bio from above and no message from
 * the predecessor is behind.  They go the path of any other.
 */
#ifndef PB_OWN_H
#define PB_OWN_H

#include <linux/bio.h>

#include "pb-path.h"

/**
 * pb_own_start() - start a request
 * @path: the path
 * @req: its source's submit() begins the local leg
 *
 * Context: process context.
 * Return: an error if it is refused: nothing was begun, and its source is not
 * called.
 */
blk_status_t pb_own_start(struct pb_path *path, struct pb_req *req);

/**
 * pb_own_end() - the local leg has ended
 * @path: the path
 * @req: its source's complete() is called if no other leg is under way, and the
 *	path does not keep this one
 * @status: of the leg
 *
 * Context: any.
 */
void pb_own_end(struct pb_path *path, struct pb_req *req, blk_status_t status);

/**
 * struct pb_own_flush - a flush
 * @req: what the path sees
 * @bio: its local leg
 * @path: the path
 * @bdev: this disk
 * @busy: bit 0: under way; of the owner, who sets it before pb_own_flush() and
 *	clears it in @done
 * @guarded: only a primary may begin it
 * @done: it has ended, if it was begun; any context
 */
struct pb_own_flush {
	struct pb_req		req;
	struct bio		bio;
	struct pb_path		*path;
	struct block_device	*bdev;
	unsigned long		busy;
	bool			guarded;
	void			(*done)(struct pb_own_flush *flush,
					blk_status_t status);
};

/**
 * pb_own_flush() - flush this disk, and the next member's
 * @flush: all but @req and @bio set up
 * @stamp: of what it covers, see struct pb_req
 *
 * Context: process context.
 * Return: an error if it is refused.
 */
blk_status_t pb_own_flush(struct pb_own_flush *flush, u64 stamp);

#endif
