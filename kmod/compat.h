/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rest of the module is written to the newest kernel interface; this is
 * the only file that knows older ones, back to 6.1, and the only one that
 * tests a version.  Each wrapper has the new interface's name and meaning.
 */
#ifndef PB_COMPAT_H
#define PB_COMPAT_H

#include <linux/version.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/device-mapper.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <crypto/sha2.h>
#include <net/sock.h>

/* 6.5 gave this status the name of what it means; the value is the same. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif

/* 6.17 gave the library's context a type of its own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define pb_compat_sha256	sha256_state
#else
#define pb_compat_sha256	sha256_ctx
#endif

/* 6.17 gave a name to what a queue was if it did not say WQ_UNBOUND. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define WQ_PERCPU	0
#endif

/* Since 6.14 a worker that is only created does not run yet. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define kthread_run_worker	kthread_create_worker
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void bvec_set_virt(struct bio_vec *bv, void *vaddr,
				 unsigned int len)
{
	bvec_set_page(bv, virt_to_page(vaddr), len, offset_in_page(vaddr));
}
#endif

/*
 * A socket that sends from the context of a bio must not use the task's own
 * page fragment: the task may be in the middle of using it.  Before 6.2 a
 * socket allocating with GFP_NOIO never did.
 */
static inline void pb_compat_sock_no_task_frag(struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	sk->sk_use_task_frag = false;
#endif
}

/* Until 6.10 the callback stood where its table is now. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
struct ubuf_info_ops {
	void (*complete)(struct sk_buff *skb, struct ubuf_info *ubuf,
			 bool success);
};
#endif

static inline void pb_compat_ubuf_ops(struct ubuf_info *ubuf,
				      const struct ubuf_info_ops *ops)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	ubuf->ops = ops;
#else
	ubuf->callback = ops->complete;
#endif
}

/*
 * Pages under write must not change: they are read twice, by the socket and
 * by the disk.  Since 6.11 a queue limit says so; before, a queue flag that
 * the device-mapper core resets at each table load and that is set at resume.
 */
static inline void pb_compat_stable_writes_hint(struct queue_limits *limits)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	limits->features |= BLK_FEAT_STABLE_WRITES;
#endif
}

static inline void pb_compat_stable_writes_resume(struct dm_target *ti)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	struct gendisk *disk = dm_disk(dm_table_get_md(ti->table));

	blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, disk->queue);
#endif
}

/*
 * Limits of a live queue.  Since 6.9 they are changed as a whole; bios under
 * way are not waited for, since they may be waiting for a peer.
 */
static inline void
pb_compat_update_limits(struct request_queue *q,
			void (*set)(struct queue_limits *limits, const void *arg),
			const void *arg)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct queue_limits limits = queue_limits_start_update(q);

	set(&limits, arg);
	if (queue_limits_commit_update(q, &limits))
		pr_warn_once("dm-pb: the peer's queue limits do not fit\n");
#else
	set(&q->limits, arg);
#endif
}

/*
 * Opens a disk and claims it for @holder: a file since 6.9, a handle in 6.7 and
 * 6.8.  @dev has its mode already, and gets the rest.
 */
static inline int pb_compat_bdev_open(struct dm_dev *dev, dev_t number,
				      void *holder)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct file *file = bdev_file_open_by_dev(number, dev->mode, holder,
						  NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	dev->bdev_file = file;
	dev->bdev = file_bdev(file);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	struct bdev_handle *handle = bdev_open_by_dev(number, dev->mode, holder,
						      NULL);

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	dev->bdev_handle = handle;
	dev->bdev = handle->bdev;
#else
	struct block_device *bdev;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	bdev = blkdev_get_by_dev(number, dev->mode, holder, NULL);
#else
	bdev = blkdev_get_by_dev(number, dev->mode | FMODE_EXCL, holder);
#endif
	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	dev->bdev = bdev;
#endif
	return 0;
}

static inline void pb_compat_bdev_close(struct dm_dev *dev, void *holder)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	bdev_fput(dev->bdev_file);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	bdev_release(dev->bdev_handle);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	blkdev_put(dev->bdev, holder);
#else
	blkdev_put(dev->bdev, dev->mode | FMODE_EXCL);
#endif
}

#endif /* PB_COMPAT_H */
