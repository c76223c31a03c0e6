// SPDX-License-Identifier: GPL-2.0
/*
 * How a volume grows.  The new area is zeroed as if the application did it:
 * logged, sent, acked.  So both members hold the same there, and a crash leaves
 * nothing behind that matters: until the size is in force nobody can read it.
 */
#include <linux/blkdev.h>
#include <linux/wait_bit.h>

#include "compat.h"
#include "pb-crash.h"
#include "pb-grow.h"

/* The one place where the state changes; see the drawing in pb-grow.h. */
static bool change_state(struct pb_grow *grow, u32 first, u32 last, u32 to,
			 int error)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&grow->lock, flags);
	changed = grow->state >= first && grow->state <= last;
	if (changed) {
		WRITE_ONCE(grow->state, to);
		grow->error = error;
	}
	spin_unlock_irqrestore(&grow->lock, flags);
	return changed;
}

static bool step(struct pb_grow *grow, u32 from, u32 to)
{
	return change_state(grow, from, from, to, 0);
}

bool pb_grow_fail(struct pb_grow *grow, int error)
{
	if (!change_state(grow, PB_RESIZE_ZERO, PB_RESIZE_STORE,
			  PB_RESIZE_FAILED, error))
		return false;
	grow->on_state(grow);
	return true;
}

bool pb_grow_cancel(struct pb_grow *grow)
{
	if (!change_state(grow, PB_RESIZE_ZERO, PB_RESIZE_FLUSH,
			  PB_RESIZE_FAILED, ECANCELED))
		return false;
	grow->on_state(grow);
	return true;
}

static void fail_status(struct pb_grow *grow, blk_status_t status)
{
	/* Of a new view the owner says so itself. */
	if (status == BLK_STS_RESV_CONFLICT)
		pb_grow_fail(grow, ESTALE);
	else
		pb_grow_fail(grow, -blk_status_to_errno(status));
}

/*
 * Under the path's lock: pb_grow_stop() takes it once before it believes that
 * nobody will queue the work any more.
 */
static void end_step(struct pb_grow *grow, unsigned long *busy)
{
	unsigned long flags;

	spin_lock_irqsave(&grow->path->lock, flags);
	clear_and_wake_up_bit(0, busy);
	queue_work(grow->wq, &grow->work);
	spin_unlock_irqrestore(&grow->path->lock, flags);
}

/* Pieces */

static void piece_submit(struct pb_req *req)
{
	struct pb_grow_piece *piece = container_of(req, struct pb_grow_piece,
						   req);

	queue_work(piece->grow->zero_wq, &piece->work);
}

static void piece_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_grow_piece *piece = container_of(req, struct pb_grow_piece,
						   req);
	struct pb_grow *grow = piece->grow;
	unsigned long flags;

	if (status) {
		fail_status(grow, status);
	} else {
		spin_lock_irqsave(&grow->lock, flags);
		grow->zeroed += req->count;
		spin_unlock_irqrestore(&grow->lock, flags);
	}
	end_step(grow, &piece->busy);
}

static const struct pb_source piece_source = {
	.guarded	= true,
	.submit		= piece_submit,
	.complete	= piece_complete,
};

static void piece_work(struct work_struct *work)
{
	struct pb_grow_piece *piece = container_of(work, struct pb_grow_piece,
						   work);
	struct pb_grow *grow = piece->grow;
	blk_status_t status = pb_path_write_zeroes(grow->bdev, &piece->req);

	pb_own_end(grow->path, &piece->req, status);
}

static void begin_piece(struct pb_grow *grow, struct pb_grow_piece *piece)
{
	u64 left = grow->to - grow->cursor;
	blk_status_t status;

	memset(&piece->req, 0, sizeof(piece->req));
	piece->req.source = &piece_source;
	piece->req.type = PB_WIRE_ZEROES;
	piece->req.sector = grow->cursor;
	piece->req.count = min_t(u64, left, PB_GROW_PIECE_SECTORS);
	grow->cursor += piece->req.count;
	set_bit(0, &piece->busy);
	status = pb_own_start(grow->path, &piece->req);
	if (status)
		piece_complete(&piece->req, status);
}

/* Begins what may begin; true if all is zeroed. */
static bool fill_up(struct pb_grow *grow)
{
	bool busy = false;
	int i;

	for (i = 0; i < PB_GROW_PIECES; i++) {
		if (!test_bit(0, &grow->pieces[i].busy) &&
		    grow->cursor < grow->to &&
		    READ_ONCE(grow->state) == PB_RESIZE_ZERO)
			begin_piece(grow, &grow->pieces[i]);
		busy |= test_bit(0, &grow->pieces[i].busy);
	}
	return !busy && grow->cursor == grow->to;
}

/* The flush */

static void flush_done(struct pb_own_flush *flush, blk_status_t status)
{
	struct pb_grow *grow = container_of(flush, struct pb_grow, flush);

	if (!status)
		pb_crash_point(PB_CRASH_GROW_FLUSHED);
	if (status)
		fail_status(grow, status);
	else if (step(grow, PB_RESIZE_FLUSH, PB_RESIZE_TELL))
		grow->on_state(grow);
	end_step(grow, &flush->busy);
}

static void begin_flush(struct pb_grow *grow)
{
	blk_status_t status;

	set_bit(0, &grow->flush.busy);
	status = pb_own_flush(&grow->flush, 0);
	if (status)
		flush_done(&grow->flush, status);
}

static void grow_work(struct work_struct *work)
{
	struct pb_grow *grow = container_of(work, struct pb_grow, work);

	if (READ_ONCE(grow->state) == PB_RESIZE_ZERO && fill_up(grow) &&
	    step(grow, PB_RESIZE_ZERO, PB_RESIZE_FLUSH)) {
		pb_crash_point(PB_CRASH_GROW_ZEROED);
		begin_flush(grow);
	}
}

/* The word */

static void word_submit(struct pb_req *req)
{
}

static void word_complete(struct pb_req *req, blk_status_t status)
{
	struct pb_grow *grow = container_of(req, struct pb_grow, word);
	u64 sectors = req->sector;

	if (!status)
		grow->on_told(grow, sectors);
	if (!status && sectors == grow->to)
		pb_grow_told(grow);
	else if (status && READ_ONCE(grow->state) == PB_RESIZE_TELL)
		fail_status(grow, status);
	clear_and_wake_up_bit(0, &grow->word_busy);
}

static const struct pb_source word_source = {
	.submit		= word_submit,
	.complete	= word_complete,
};

void pb_grow_say(struct pb_grow *grow, u64 sectors)
{
	if (test_and_set_bit_lock(0, &grow->word_busy))
		return;
	memset(&grow->word, 0, sizeof(grow->word));
	grow->word.source = &word_source;
	grow->word.type = PB_WIRE_SIZE;
	grow->word.sector = sectors;
	/* Refused: there is no connection.  The next one asks again. */
	if (pb_own_start(grow->path, &grow->word))
		clear_and_wake_up_bit(0, &grow->word_busy);
}

void pb_grow_told(struct pb_grow *grow)
{
	if (step(grow, PB_RESIZE_TELL, PB_RESIZE_STORE))
		grow->on_state(grow);
}

void pb_grow_done(struct pb_grow *grow)
{
	step(grow, PB_RESIZE_STORE, PB_RESIZE_DONE);
}

void pb_grow_forget(struct pb_grow *grow)
{
	change_state(grow, PB_RESIZE_DONE, PB_RESIZE_FAILED, PB_RESIZE_OFF, 0);
}

bool pb_grow_busy(struct pb_grow *grow)
{
	bool busy = pb_grow_active(READ_ONCE(grow->state)) ||
		    test_bit(0, &grow->flush.busy) ||
		    test_bit(0, &grow->word_busy);
	int i;

	for (i = 0; i < PB_GROW_PIECES; i++)
		busy |= test_bit(0, &grow->pieces[i].busy);
	return busy;
}

void pb_grow_begin(struct pb_grow *grow, u64 from, u64 to, bool zero)
{
	grow->to = to;
	grow->cursor = zero ? from : to;
	grow->zeroed = 0;
	if (change_state(grow, PB_RESIZE_OFF, PB_RESIZE_OFF, PB_RESIZE_ZERO, 0) ||
	    change_state(grow, PB_RESIZE_DONE, PB_RESIZE_FAILED, PB_RESIZE_ZERO, 0))
		queue_work(grow->wq, &grow->work);
}

void pb_grow_init(struct pb_grow *grow)
{
	int i;

	spin_lock_init(&grow->lock);
	grow->flush.path = grow->path;
	grow->flush.bdev = grow->bdev;
	grow->flush.guarded = true;
	grow->flush.done = flush_done;
	INIT_WORK(&grow->work, grow_work);
	for (i = 0; i < PB_GROW_PIECES; i++) {
		grow->pieces[i].grow = grow;
		INIT_WORK(&grow->pieces[i].work, piece_work);
	}
	grow->state = PB_RESIZE_OFF;
}

void pb_grow_stop(struct pb_grow *grow)
{
	int i;

	pb_grow_fail(grow, ESTALE);
	cancel_work_sync(&grow->work);
	wait_on_bit(&grow->word_busy, 0, TASK_UNINTERRUPTIBLE);
	wait_on_bit(&grow->flush.busy, 0, TASK_UNINTERRUPTIBLE);
	for (i = 0; i < PB_GROW_PIECES; i++)
		wait_on_bit(&grow->pieces[i].busy, 0, TASK_UNINTERRUPTIBLE);
	/* Whoever cleared a bit is out of the lock then; see end_step(). */
	spin_lock_irq(&grow->path->lock);
	spin_unlock_irq(&grow->path->lock);
	cancel_work_sync(&grow->work);
}

void pb_grow_status(struct pb_grow *grow, struct pb_resize_info *info)
{
	spin_lock_irq(&grow->lock);
	info->state = grow->state;
	info->error = grow->error;
	info->sectors = grow->state ? grow->to : 0;
	info->zeroed = grow->zeroed;
	spin_unlock_irq(&grow->lock);
}
