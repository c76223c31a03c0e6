// SPDX-License-Identifier: GPL-2.0
/* Requests of this member's own. */
#include <linux/blkdev.h>

#include "pb-own.h"

blk_status_t pb_own_start(struct pb_path *path, struct pb_req *req)
{
	blk_status_t status = BLK_STS_OK;
	enum pb_start res = pb_path_start(path, req, &status);

	if (res == PB_STARTED)
		req->source->submit(req);
	return res == PB_REFUSED ? status : BLK_STS_OK;
}

void pb_own_end(struct pb_path *path, struct pb_req *req, blk_status_t status)
{
	if (status && path->on_fault(path, req, &status))
		return;
	if (pb_path_local_done(path, req, status))
		req->source->complete(req, req->status);
}

/* The flush */

static struct pb_own_flush *to_flush(struct pb_req *req)
{
	return container_of(req, struct pb_own_flush, req);
}

static void flush_done(struct bio *bio)
{
	struct pb_own_flush *flush = container_of(bio, struct pb_own_flush,
						  bio);
	blk_status_t status = bio->bi_status;

	bio_uninit(bio);
	pb_own_end(flush->path, &flush->req, status);
}

static void flush_submit(struct pb_req *req)
{
	struct pb_own_flush *flush = to_flush(req);

	bio_init(&flush->bio, flush->bdev, NULL, 0,
		 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	flush->bio.bi_end_io = flush_done;
	submit_bio(&flush->bio);
}

static void flush_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_own_flush *flush = to_flush(req);

	flush->done(flush, status);
}

static const struct pb_source sources[] = {
	[false]	= {
		.submit		= flush_submit,
		.complete	= flush_complete,
	},
	[true]	= {
		.guarded	= true,
		.submit		= flush_submit,
		.complete	= flush_complete,
	},
};

blk_status_t pb_own_flush(struct pb_own_flush *flush, u64 stamp)
{
	memset(&flush->req, 0, sizeof(flush->req));
	flush->req.source = &sources[flush->guarded];
	flush->req.type = PB_WIRE_FLUSH;
	flush->req.stamp = stamp;
	return pb_own_start(flush->path, &flush->req);
}
