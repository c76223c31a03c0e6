// SPDX-License-Identifier: GPL-2.0
/*
 * The device-mapper target: table lines in, bios in, bios out.  It is the
 * guarded source of the path: what comes from above is served by a primary
 * only.
 *
 * Table line:
 *
 *   <start> <length> pb <volume UUID> <data device> <metadata device|->
 *                       <number of optional words> [<name> <value>]...
 *
 *   name NAME		with format: for people, up to 31 characters
 *   format blank|synced	write a new superblock; synced: this replica holds
 *			the volume's data and equals the others
 *   replica UUID	with format; else one is made
 *   block_size N	with format: logical block size in bytes, 512 to 4096
 *   extent_size N	with format: bytes of an extent of the activity log
 *   hot_extents N	with format: extents hot at once
 *   region_size N	with format: bytes that a bit of a dirty map stands for
 *   maps N		with format: dirty maps there is room for
 *   lease_ms N		length of leases in ms, 0 for none; else 400.  The same as
 *			long as the replica is set up
 *   reads lease|confirm	by what reads are served while there is a backup
 *
 * <start> must be 0.  "-" puts the metadata at the end of the data device.
 *
 * Status line:
 *
 *   <role> <replica state> <view number> <own index> <members>
 *   <upstream link> <downstream link> <in flight> <held>
 */
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/uuid.h>

#include "compat.h"
#include "pb-claim.h"
#include "pb-crash.h"
#include "pb-device.h"
#include "pb-target.h"

#define MAX_WORDS	16

/**
 * struct pb_target - one table's use of a replica
 * @pb: the replica
 * @data: its data device, as this table opened it
 * @meta: its metadata device, or nothing
 * @reads: enum pb_reads from its resume on
 */
struct pb_target {
	struct pb_device	*pb;
	struct pb_claim		data;
	struct pb_claim		meta;
	u32			reads;
};

static const char * const reads_names[] = {
	[PB_READS_LEASE]	= "lease",
	[PB_READS_CONFIRM]	= "confirm",
};

/**
 * struct pb_bio - what a bio carries with it
 * @req: what the path sees
 * @target: where it came in
 * @done: the next end of the bio is the final one
 * @zeroes_work: for a write-zeroes that the disk turned out not to do itself
 * @mend: for a read that the disk cannot serve
 */
struct pb_bio {
	struct pb_req		req;
	struct pb_target	*target;
	bool			done;
	union {
		struct work_struct	zeroes_work;
		struct pb_mend_read	mend;
	};
};

static struct pb_bio *pb_bio(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct pb_bio));
}

static struct bio *bio_of(struct pb_req *req)
{
	return dm_bio_from_per_bio_data(container_of(req, struct pb_bio, req),
					sizeof(struct pb_bio));
}

static int parse_uuid(struct dm_target *ti, const char *arg, u8 *out,
		      char *error)
{
	uuid_t uuid;

	if (uuid_parse(arg, &uuid) || uuid_is_null(&uuid) ||
	    strlen(arg) != UUID_STRING_LEN) {
		ti->error = error;
		return -EINVAL;
	}
	export_uuid(out, &uuid);
	return 0;
}

static int parse_name(struct dm_target *ti, const char *arg, char *out)
{
	const char *c;

	for (c = arg; *c > ' ' && *c < 0x7f; c++)
		;
	if (*c || c == arg || strscpy(out, arg, PB_NAME_LEN) < 0) {
		ti->error = "name must be 1 to 31 printable characters";
		return -EINVAL;
	}
	return 0;
}

static int parse_format(struct dm_target *ti, const char *arg,
			struct pb_params *params)
{
	params->format = true;
	if (!strcmp(arg, "blank")) {
		params->state = PB_REPLICA_BLANK;
		return 0;
	}
	if (!strcmp(arg, "synced")) {
		params->state = PB_REPLICA_SYNCED;
		return 0;
	}
	ti->error = "format must be blank or synced";
	return -EINVAL;
}

static int parse_u32(struct dm_target *ti, const char *arg, u32 min, u32 max,
		     u32 *out, char *error)
{
	if (!kstrtou32(arg, 10, out) && *out >= min && *out <= max)
		return 0;
	ti->error = error;
	return -EINVAL;
}

/* A power of two, in bytes; the bounds are log2 of sectors. */
static int parse_size(struct dm_target *ti, const char *arg, u32 min, u32 max,
		      u32 *out, char *error)
{
	int ret = parse_u32(ti, arg, SECTOR_SIZE << min, SECTOR_SIZE << max,
			    out, error);

	if (!ret && !is_power_of_2(*out)) {
		ti->error = error;
		ret = -EINVAL;
	}
	return ret;
}

static int parse_geometry(struct dm_target *ti, const char *name,
			  const char *value, struct pb_params *params)
{
	if (!strcmp(name, "block_size"))
		return parse_size(ti, value, 0, 3, &params->block_size,
				  "block_size must be 512, 1024, 2048 or 4096");
	if (!strcmp(name, "extent_size"))
		return parse_size(ti, value, PB_DISK_MIN_EXTENT_SHIFT,
				  PB_DISK_MAX_EXTENT_SHIFT,
				  &params->extent_size,
				  "extent_size must be a power of two from 1048576 to 67108864");
	if (!strcmp(name, "hot_extents"))
		return parse_u32(ti, value, PB_DISK_MIN_LOG_SLOTS,
				 PB_DISK_MAX_LOG_SLOTS, &params->hot_extents,
				 "hot_extents must be from 64 to 65536");
	if (!strcmp(name, "region_size"))
		return parse_size(ti, value, PB_DISK_MIN_REGION_SHIFT,
				  PB_DISK_MAX_REGION_SHIFT,
				  &params->region_size,
				  "region_size must be a power of two from 4096 to 1048576");
	if (!strcmp(name, "maps"))
		return parse_u32(ti, value, 1, PB_DISK_MAX_PEERS,
				 &params->maps, "maps must be from 1 to 7");
	ti->error = "unknown option";
	return -EINVAL;
}

static int parse_lease(struct dm_target *ti, const char *arg,
		       struct pb_params *params)
{
	params->has_lease = true;
	if (!kstrtou32(arg, 10, &params->lease_ms) &&
	    pb_lease_ms_ok(params->lease_ms))
		return 0;
	ti->error = "lease_ms must be 0, or from 40 to 60000";
	return -EINVAL;
}

static int parse_reads(struct dm_target *ti, const char *arg,
		       struct pb_params *params)
{
	params->has_reads = true;
	for (params->reads = 0; params->reads < ARRAY_SIZE(reads_names);
	     params->reads++)
		if (!strcmp(arg, reads_names[params->reads]))
			return 0;
	ti->error = "reads must be lease or confirm";
	return -EINVAL;
}

static int parse_option(struct dm_target *ti, const char *name,
			const char *value, struct pb_params *params)
{
	if (!strcmp(name, "name"))
		return parse_name(ti, value, params->name);
	if (!strcmp(name, "format"))
		return parse_format(ti, value, params);
	if (!strcmp(name, "replica"))
		return parse_uuid(ti, value, params->replica,
				  "replica must be a UUID");
	if (!strcmp(name, "lease_ms"))
		return parse_lease(ti, value, params);
	if (!strcmp(name, "reads"))
		return parse_reads(ti, value, params);
	return parse_geometry(ti, name, value, params);
}

static bool needs_format(const struct pb_params *params)
{
	return *params->name || !pb_uuid_zero(params->replica) ||
	       params->block_size || params->extent_size ||
	       params->hot_extents || params->region_size || params->maps;
}

static int parse_options(struct dm_target *ti, struct dm_arg_set *as,
			 struct pb_params *params)
{
	static const struct dm_arg args[] = {
		{0, MAX_WORDS, "the number of optional words must be 0 to 16"},
	};
	const char *name, *value;
	unsigned int words;
	int ret;

	ret = dm_read_arg_group(args, as, &words, &ti->error);
	if (ret)
		return ret;
	if (words != as->argc || words % 2) {
		ti->error = "options come as name and value, counted in words";
		return -EINVAL;
	}
	while (words) {
		name = dm_shift_arg(as);
		value = dm_shift_arg(as);
		words -= 2;
		ret = parse_option(ti, name, value, params);
		if (ret)
			return ret;
	}
	if (!params->format && needs_format(params)) {
		ti->error = "name, replica and all sizes and numbers go with format";
		return -EINVAL;
	}
	return 0;
}

static int open_devices(struct dm_target *ti, struct dm_arg_set *as,
			struct pb_target *target, struct pb_params *params)
{
	const char *data = dm_shift_arg(as);
	const char *meta = dm_shift_arg(as);
	int ret;

	ret = pb_claim_open(&target->data, ti, data);
	if (ret) {
		ti->error = ret == -EBUSY ? "the data device is in use" :
			    "cannot open the data device";
		return ret;
	}
	params->data = target->data.dev.bdev;
	if (bdev_read_only(params->data)) {
		ti->error = "the data device is read-only";
		return -EROFS;
	}
	if (!strcmp(meta, "-"))
		return 0;
	ret = pb_claim_open(&target->meta, ti, meta);
	if (ret) {
		ti->error = ret == -EBUSY ? "the metadata device is in use" :
			    "cannot open the metadata device";
		return ret;
	}
	params->meta = target->meta.dev.bdev;
	if (bdev_read_only(params->meta)) {
		ti->error = "the metadata device is read-only";
		return -EROFS;
	}
	if (params->meta == params->data) {
		ti->error = "data and metadata device are the same: say -";
		return -EINVAL;
	}
	return 0;
}

static void close_target(struct dm_target *ti, struct pb_target *target)
{
	if (target->pb)
		pb_device_detach(target->pb, ti);
	pb_claim_close(&target->meta, ti);
	pb_claim_close(&target->data, ti);
	kfree(target);
}

static void set_limits(struct dm_target *ti, struct pb_target *target)
{
	ti->private = target;
	ti->num_flush_bios = 1;
	/* The backup's disk may have a cache even if ours has none. */
	ti->flush_supported = true;
	ti->accounts_remapped_io = true;
	ti->per_io_data_size = sizeof(struct pb_bio);
	/*
	 * A discard leaves unknown data behind, maybe other data on each
	 * replica; so it travels as a write-zeroes that may deallocate.
	 */
	ti->num_write_zeroes_bios = 1;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
}

static int pb_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct pb_params params = { .sectors = ti->len };
	struct pb_target *target;
	int ret;

	if (argc < 4) {
		ti->error = "needs volume UUID, data device, metadata device or -, number of options";
		return -EINVAL;
	}
	if (ti->begin) {
		ti->error = "the target must start at sector 0";
		return -EINVAL;
	}
	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	ret = parse_uuid(ti, dm_shift_arg(&as), params.volume,
			 "the volume must be a UUID");
	if (!ret)
		ret = open_devices(ti, &as, target, &params);
	if (!ret)
		ret = parse_options(ti, &as, &params);
	if (ret)
		goto out_close;
	target->pb = pb_device_attach(ti, &params, &ti->error);
	if (IS_ERR(target->pb)) {
		ret = PTR_ERR(target->pb);
		target->pb = NULL;
		goto out_close;
	}
	target->reads = params.has_reads ? params.reads :
			READ_ONCE(target->pb->path.confirm);
	set_limits(ti, target);
	return 0;

out_close:
	close_target(ti, target);
	return ret;
}

static void pb_dtr(struct dm_target *ti)
{
	close_target(ti, ti->private);
}

static void end_bio(struct bio *bio, blk_status_t status)
{
	pb_bio(bio)->done = true;
	bio->bi_status = status;
	bio_endio(bio);
}

/* The source's submit() and complete(). */
static void bio_submit(struct pb_req *req)
{
	dm_submit_bio_remap(bio_of(req), NULL);
}

static void mend_end(struct pb_mend_read *read, blk_status_t status)
{
	struct pb_bio *pbio = container_of(read, struct pb_bio, mend);

	if (read->error)
		pb_fault_read(pbio->target->pb, &pbio->req, read, status);
	end_bio(pbio->req.bio, status);
}

/* A read that this disk did not serve (@error), or is not to serve. */
static void mend(struct pb_bio *pbio, blk_status_t error)
{
	pbio->done = true;
	pbio->mend = (struct pb_mend_read) {
		.bio = pbio->req.bio,
		.iter = pbio->req.iter,
		.sector = pbio->req.sector,
		.error = error,
		.end = mend_end,
	};
	pb_mend_read(&pbio->target->pb->mend, &pbio->mend);
}

static void bio_fetch(struct pb_req *req)
{
	mend(container_of(req, struct pb_bio, req), BLK_STS_OK);
}

static void bio_complete(struct pb_req *req, blk_status_t status)
{
	end_bio(bio_of(req), status);
}

static const struct pb_source bio_source = {
	.guarded	= true,
	.bounded	= true,
	.submit		= bio_submit,
	.fetch		= bio_fetch,
	.complete	= bio_complete,
};

/* Cuts a bio to what one message may carry; dm sends the rest again. */
static void limit(struct bio *bio, unsigned int sectors)
{
	if (bio_sectors(bio) > sectors)
		dm_accept_partial_bio(bio, sectors);
}

static void classify_write(struct bio *bio, struct pb_req *req,
			   struct pb_stats __percpu *stats)
{
	if (!bio_sectors(bio)) {
		req->type = PB_WIRE_FLUSH;
		pb_stat_inc(stats, PB_CNT_FLUSHES);
		return;
	}
	limit(bio, PB_WIRE_MAX_DATA >> SECTOR_SHIFT);
	req->type = PB_WIRE_WRITE;
	/* No PREFLUSH: dm has sent that ahead, as a flush of its own. */
	if (bio->bi_opf & REQ_FUA)
		req->flags = PB_WIRE_FUA;
	pb_stat_inc(stats, PB_CNT_WRITES);
	pb_stat_add(stats, PB_CNT_WRITE_BYTES, bio->bi_iter.bi_size);
}

static void classify_zeroes(struct bio *bio, struct pb_req *req,
			    struct pb_stats __percpu *stats)
{
	limit(bio, PB_WIRE_MAX_ZEROES);
	req->type = PB_WIRE_ZEROES;
	if (bio->bi_opf & REQ_FUA)
		req->flags |= PB_WIRE_FUA;
	if (bio_op(bio) == REQ_OP_DISCARD)
		bio->bi_opf = (bio->bi_opf & ~REQ_OP_MASK) |
			      REQ_OP_WRITE_ZEROES;
	else if (bio->bi_opf & REQ_NOUNMAP)
		req->flags |= PB_WIRE_NOUNMAP;
	pb_stat_inc(stats, PB_CNT_ZEROES);
}

/* Says what a bio asks for; false for what the target does not do. */
static bool classify(struct bio *bio, struct pb_req *req,
		     struct pb_stats __percpu *stats)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		pb_stat_inc(stats, PB_CNT_READS);
		pb_stat_add(stats, PB_CNT_READ_BYTES, bio->bi_iter.bi_size);
		break;
	case REQ_OP_WRITE:
	case REQ_OP_FLUSH:
		classify_write(bio, req, stats);
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		classify_zeroes(bio, req, stats);
		break;
	default:
		return false;
	}
	req->count = bio_sectors(bio);
	/* A flush may bring a sector along, which means nothing. */
	req->sector = req->count ? bio->bi_iter.bi_sector : 0;
	req->bio = bio;
	req->iter = bio->bi_iter;
	req->source = &bio_source;
	return true;
}

static int pb_map(struct dm_target *ti, struct bio *bio)
{
	struct pb_target *target = ti->private;
	struct pb_device *pb = target->pb;
	struct pb_bio *pbio = pb_bio(bio);
	blk_status_t status = BLK_STS_OK;

	memset(pbio, 0, offsetof(struct pb_bio, mend));
	pbio->target = target;
	if (!classify(bio, &pbio->req, pb->stats)) {
		end_bio(bio, BLK_STS_NOTSUPP);
		return DM_MAPIO_SUBMITTED;
	}
	bio_set_dev(bio, target->data.dev.bdev);
	switch (pb_path_start(&pb->path, &pbio->req, &status)) {
	case PB_STARTED:
		if (pbio->req.type && pbio->req.count)
			pb_crash_point(PB_CRASH_WRITE_SENT);
		return DM_MAPIO_REMAPPED;
	case PB_REFUSED:
		if (status == BLK_STS_RESV_CONFLICT)
			pb_stat_inc(pb->stats, PB_CNT_REFUSED_BIOS);
		end_bio(bio, status);
		return DM_MAPIO_SUBMITTED;
	case PB_FETCH:
		mend(pbio, BLK_STS_OK);
		return DM_MAPIO_SUBMITTED;
	default:
		return DM_MAPIO_SUBMITTED;
	}
}

/* The local leg of a write ends: the bio's end waits for the other leg. */
static int end_local(struct pb_device *pb, struct pb_bio *pbio,
		     blk_status_t *error)
{
	pbio->done = true;
	if (*error && pb_fault_leg(pb, &pbio->req, error))
		return DM_ENDIO_INCOMPLETE;
	if (!pb_path_local_done(&pb->path, &pbio->req, *error))
		return DM_ENDIO_INCOMPLETE;
	*error = pbio->req.status;
	return DM_ENDIO_DONE;
}

/*
 * The backup zeroes whatever its disk can do, so this side must as well, also
 * where a discard would be happy with an error.
 */
static void zeroes_work(struct work_struct *work)
{
	struct pb_bio *pbio = container_of(work, struct pb_bio, zeroes_work);
	struct pb_target *target = pbio->target;
	blk_status_t status;

	status = pb_path_write_zeroes(target->data.dev.bdev, &pbio->req);
	if (end_local(target->pb, pbio, &status) == DM_ENDIO_DONE)
		end_bio(pbio->req.bio, status);
}

static int pb_end_io(struct dm_target *ti, struct bio *bio,
		     blk_status_t *error)
{
	struct pb_bio *pbio = pb_bio(bio);
	struct pb_device *pb = pbio->target->pb;

	if (pbio->done)
		return DM_ENDIO_DONE;
	if (!pbio->req.type) {
		if (*error)
			mend(pbio, *error);
		else if (pb_path_read_done(&pb->path, &pbio->req))
			return DM_ENDIO_DONE;
		return DM_ENDIO_INCOMPLETE;
	}
	if (pbio->req.type == PB_WIRE_ZEROES && pb_zeroes_unsupported(*error)) {
		INIT_WORK(&pbio->zeroes_work, zeroes_work);
		queue_work(pb->zero_wq, &pbio->zeroes_work);
		return DM_ENDIO_INCOMPLETE;
	}
	return end_local(pb, pbio, error);
}

/*
 * A plain suspend waits for the writes under way, as for any disk; a noflush
 * one takes back what cannot go on.
 */
static void pb_presuspend(struct dm_target *ti)
{
	struct pb_target *target = ti->private;

	if (dm_noflush_suspending(ti))
		pb_path_set_requeue(&target->pb->path, true);
}

static void pb_resume(struct dm_target *ti)
{
	struct pb_target *target = ti->private;
	struct pb_device *pb = target->pb;

	pb_compat_stable_writes_resume(ti);
	pb_claim_link(&target->data, ti);
	pb_claim_link(&target->meta, ti);
	pb_device_set_table(pb, NULL, ti);
	pb_path_set_confirm(&pb->path, target->reads == PB_READS_CONFIRM);
	pb_path_set_requeue(&pb->path, false);
}

static void pb_presuspend_undo(struct dm_target *ti)
{
	struct pb_target *target = ti->private;

	pb_path_set_requeue(&target->pb->path, false);
}

static const char * const state_names[] = {
	[PB_REPLICA_BLANK]	= "blank",
	[PB_REPLICA_STALE]	= "stale",
	[PB_REPLICA_SYNCING]	= "syncing",
	[PB_REPLICA_SYNCED]	= "synced",
};

static const char * const link_names[] = {
	[PB_LINK_NONE]		= "none",
	[PB_LINK_HELLO]		= "hello",
	[PB_LINK_UP]		= "up",
	[PB_LINK_CLOSING]	= "closing",
};

static const char *side_name(struct pb_side *side)
{
	return side->index == PB_NO_MEMBER ? "-" :
	       link_names[side->conn ? READ_ONCE(side->conn->state) :
			  PB_LINK_NONE];
}

static void emit_status(struct pb_device *pb, char *result, unsigned int maxlen)
{
	struct pb_path_info info;
	unsigned int sz = 0;

	pb_path_info(&pb->path, &info);
	/* A view change may be waiting for a disk; kill gets us out. */
	if (mutex_lock_killable(&pb->ctl_mutex))
		return;
	DMEMIT("%s %s %llu ", pb_role_name(pb->role),
	       state_names[pb->super.replica_state], pb->super.view.number);
	if (pb->role != PB_ROLE_UNCONFIRMED && pb->index != PB_NO_MEMBER)
		DMEMIT("%u ", pb->index);
	else
		DMEMIT("- ");
	DMEMIT("%u %s %s %llu %llu", pb->super.view.nr_members,
	       side_name(&pb->up), side_name(&pb->down), info.active,
	       info.parked);
	mutex_unlock(&pb->ctl_mutex);
}

/* What is not the default, so that the table can be loaded again as it is. */
static unsigned int emit_words(struct pb_target *target, char *result,
			       unsigned int sz, unsigned int maxlen)
{
	bool lease = target->pb->lease_ms != PB_LEASE_MS_DEFAULT;
	bool reads = target->reads != PB_READS_LEASE;

	DMEMIT(" %u", 2 * (lease + reads));
	if (lease)
		DMEMIT(" lease_ms %u", target->pb->lease_ms);
	if (reads)
		DMEMIT(" reads %s", reads_names[target->reads]);
	return sz;
}

static void pb_status(struct dm_target *ti, status_type_t type,
		      unsigned int status_flags, char *result,
		      unsigned int maxlen)
{
	struct pb_target *target = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		emit_status(target->pb, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%pUb %s %s", target->pb->super.volume,
		       target->data.dev.name,
		       target->meta.dev.bdev ? target->meta.dev.name : "-");
		sz = emit_words(target, result, sz, maxlen);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int pb_iterate_devices(struct dm_target *ti,
			      iterate_devices_callout_fn fn, void *data)
{
	struct pb_target *target = ti->private;

	return fn(ti, &target->data.dev, 0, ti->len, data);
}

/*
 * The volume's block size, which suits the other replicas too, and pages that
 * keep still while they are written: the socket and the disk each read them.
 */
static void pb_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct pb_target *target = ti->private;
	unsigned int size = target->pb->super.block_size;

	limits->logical_block_size = max(limits->logical_block_size, size);
	limits->physical_block_size = max(limits->physical_block_size, size);
	pb_compat_stable_writes_hint(limits);
	pb_link_stack_limits(target->pb, limits);
}

static struct target_type pb_target_type = {
	.name			= "pb",
	.version		= {0, 1, 0},
	.module			= THIS_MODULE,
	.ctr			= pb_ctr,
	.dtr			= pb_dtr,
	.map			= pb_map,
	.end_io			= pb_end_io,
	.presuspend		= pb_presuspend,
	.presuspend_undo	= pb_presuspend_undo,
	.resume			= pb_resume,
	.status			= pb_status,
	.iterate_devices	= pb_iterate_devices,
	.io_hints		= pb_io_hints,
};

int pb_target_init(void)
{
	return dm_register_target(&pb_target_type);
}

void pb_target_exit(void)
{
	dm_unregister_target(&pb_target_type);
}
