// SPDX-License-Identifier: GPL-2.0
/*
 * Fetching and repairing.  A piece:
 *
 *   [ begun ] -- path --> [ fetch sent ] -- data here, copied --> [ repair ]
 *       |                       |                                    |
 *       | refused               | given up, or the next member       | written,
 *       |                       | cannot read it either              | or not
 *       +-----------------------+------------------------------------+--> ended
 *
 * The data arrive in pages of our own: the application's bio may be ended while
 * they do.  Only the worker takes memory, a whole piece at a time, and what is
 * on its way gives it back, so it never waits for itself.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>

#include "compat.h"
#include "pb-mend.h"

#define MAX_PAGES	(PB_WIRE_MAX_DATA / PAGE_SIZE)

/**
 * struct pb_piece - a part of a read, at most one message
 * @req: what the path sees; its bio holds our pages, and is the repair
 * @mend: where it belongs
 * @read: of which read
 * @iter: what of that read's bio
 * @copied: the data are in the read's bio
 */
struct pb_piece {
	struct pb_req		req;
	struct pb_mend		*mend;
	struct pb_mend_read	*read;
	struct bvec_iter	iter;
	bool			copied;
};

static struct pb_piece *to_piece(struct pb_req *req)
{
	return container_of(req, struct pb_piece, req);
}

static u32 piece_bytes(const struct pb_piece *piece)
{
	return piece->req.count << SECTOR_SHIFT;
}

/*
 * What to tell the application: what concerns its view or its suspend; else
 * what its own disk said.
 */
static blk_status_t outcome(const struct pb_mend_read *read)
{
	switch (read->status) {
	case BLK_STS_OK:
	case BLK_STS_RESV_CONFLICT:
	case BLK_STS_DM_REQUEUE:
		return read->status;
	default:
		return read->error ? read->error : read->status;
	}
}

static void put_read(struct pb_mend_read *read)
{
	if (atomic_dec_and_test(&read->pending))
		read->end(read, outcome(read));
}

static void free_piece(struct pb_mend *mend, struct pb_piece *piece)
{
	struct bio *bio = piece->req.bio;
	int i;

	for (i = 0; i < bio->bi_vcnt; i++)
		mempool_free(bio->bi_io_vec[i].bv_page, &mend->pages);
	bio_put(bio);
	mempool_free(piece, &mend->pieces);
}

/* Not bio_copy_data(): other pieces of the same read are copied meanwhile. */
static void copy_segments(struct bio *dst, struct bvec_iter to,
			  struct bio *src, struct bvec_iter from)
{
	while (from.bi_size && to.bi_size) {
		struct bio_vec src_bv = bio_iter_iovec(src, from);
		struct bio_vec dst_bv = bio_iter_iovec(dst, to);

		dst_bv.bv_len = min(dst_bv.bv_len, src_bv.bv_len);
		memcpy_to_bvec(&dst_bv, page_address(src_bv.bv_page) +
					src_bv.bv_offset);
		bio_advance_iter_single(src, &from, dst_bv.bv_len);
		bio_advance_iter_single(dst, &to, dst_bv.bv_len);
	}
}

static void copy_out(struct pb_piece *piece)
{
	if (piece->copied)
		return;
	piece->copied = true;
	copy_segments(piece->read->bio, piece->iter,
		      piece->req.bio, piece->req.iter);
	pb_stat_add(piece->mend->stats, PB_CNT_READ_FETCHED, piece_bytes(piece));
}

/* The source's complete(): any context, but process if there are data to copy. */
static void piece_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_piece *piece = to_piece(req);
	struct pb_mend_read *read = piece->read;
	struct pb_mend *mend = piece->mend;
	u32 bytes = piece_bytes(piece);
	unsigned long flags;

	if (!status)
		copy_out(piece);
	else
		WRITE_ONCE(read->status, status);
	free_piece(mend, piece);
	spin_lock_irqsave(&mend->lock, flags);
	mend->bytes -= bytes;
	if (!list_empty(&mend->reads))
		queue_work(mend->wq, &mend->work);
	spin_unlock_irqrestore(&mend->lock, flags);
	put_read(read);
}

static void repair_done(struct pb_piece *piece, blk_status_t status)
{
	struct pb_mend *mend = piece->mend;
	struct pb_req *req = &piece->req;

	if (status) {
		WRITE_ONCE(piece->read->unrepaired, true);
		if (mend->path->on_fault(mend->path, req, &status))
			return;
	} else {
		pb_stat_add(mend->stats, PB_CNT_REPAIRED, piece_bytes(piece));
	}
	/* The application has its data whatever became of the repair. */
	if (pb_path_local_done(mend->path, req, BLK_STS_OK))
		piece_complete(req, req->status);
}

static void repair_end_io(struct bio *bio)
{
	repair_done(bio->bi_private, bio->bi_status);
}

/* The source's submit(): the data are here. */
static void piece_submit(struct pb_req *req)
{
	struct pb_piece *piece = to_piece(req);

	copy_out(piece);
	submit_bio(req->bio);
}

static const struct pb_source mend_source = {
	.guarded	= true,
	.submit		= piece_submit,
	.complete	= piece_complete,
};

static struct bio *new_bio(struct pb_mend *mend, struct pb_piece *piece)
{
	u32 left = piece_bytes(piece);
	struct bio *bio;

	bio = bio_alloc_bioset(mend->bdev, DIV_ROUND_UP(left, PAGE_SIZE),
			       REQ_OP_WRITE | REQ_SYNC, GFP_NOIO, &mend->bios);
	bio->bi_iter.bi_sector = piece->req.sector;
	bio->bi_private = piece;
	bio->bi_end_io = repair_end_io;
	while (left) {
		u32 len = min_t(u32, left, PAGE_SIZE);

		__bio_add_page(bio, mempool_alloc(&mend->pages, GFP_NOIO), len,
			       0);
		left -= len;
	}
	return bio;
}

static void begin_piece(struct pb_mend *mend, const struct pb_piece *part)
{
	struct pb_piece *piece = mempool_alloc(&mend->pieces, GFP_NOIO);
	blk_status_t status = BLK_STS_OK;

	*piece = *part;
	piece->req.bio = new_bio(mend, piece);
	piece->req.iter = piece->req.bio->bi_iter;
	if (pb_path_start(mend->path, &piece->req, &status) == PB_REFUSED)
		piece_complete(&piece->req, status);
}

/* Describes the next piece; true if it was the last of its read. */
static bool cut_piece(struct pb_mend *mend, struct pb_piece *part)
{
	struct pb_mend_read *read = part->read;
	u32 bytes = min(read->iter.bi_size, PB_WIRE_MAX_DATA);

	lockdep_assert_held(&mend->lock);
	part->mend = mend;
	part->iter = read->iter;
	part->iter.bi_size = bytes;
	part->req.source = &mend_source;
	part->req.type = PB_WIRE_READ;
	part->req.sector = read->sector;
	part->req.count = bytes >> SECTOR_SHIFT;
	bio_advance_iter(read->bio, &read->iter, bytes);
	read->sector += part->req.count;
	mend->bytes += bytes;
	atomic_inc(&read->pending);
	if (read->iter.bi_size)
		return false;
	list_del(&read->node);
	return true;
}

static void mend_work(struct work_struct *work)
{
	struct pb_mend *mend = container_of(work, struct pb_mend, work);
	struct pb_piece part;
	bool last;

	for (;;) {
		memset(&part, 0, sizeof(part));
		spin_lock_irq(&mend->lock);
		part.read = list_first_entry_or_null(&mend->reads,
						     struct pb_mend_read, node);
		if (!part.read || mend->bytes >= PB_MEND_MAX_BYTES) {
			spin_unlock_irq(&mend->lock);
			return;
		}
		last = cut_piece(mend, &part);
		spin_unlock_irq(&mend->lock);
		begin_piece(mend, &part);
		if (last)
			put_read(part.read);
		cond_resched();
	}
}

void pb_mend_read(struct pb_mend *mend, struct pb_mend_read *read)
{
	unsigned long flags;

	atomic_set(&read->pending, 1);
	spin_lock_irqsave(&mend->lock, flags);
	list_add_tail(&read->node, &mend->reads);
	queue_work(mend->wq, &mend->work);
	spin_unlock_irqrestore(&mend->lock, flags);
}

int pb_mend_init(struct pb_mend *mend)
{
	int ret;

	spin_lock_init(&mend->lock);
	INIT_LIST_HEAD(&mend->reads);
	INIT_WORK(&mend->work, mend_work);
	ret = bioset_init(&mend->bios, 1, 0, BIOSET_NEED_BVECS);
	if (!ret)
		ret = mempool_init_kmalloc_pool(&mend->pieces, 1,
						sizeof(struct pb_piece));
	if (!ret)
		ret = mempool_init_page_pool(&mend->pages, MAX_PAGES, 0);
	if (ret)
		pb_mend_exit(mend);
	return ret;
}

void pb_mend_exit(struct pb_mend *mend)
{
	mempool_exit(&mend->pages);
	mempool_exit(&mend->pieces);
	bioset_exit(&mend->bios);
}
