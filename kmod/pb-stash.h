/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that are used again at once.  The kernel clears each page that it gives
 * out (init_on_alloc, which Debian sets), and a payload is received over all of it.
 */
#ifndef PB_STASH_H
#define PB_STASH_H

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct pb_stash - pages not in use
 * @lock: guards the rest; any context
 * @pages: linked by lru
 * @nr: so many, PB_STASH_PAGES at most
 */
struct pb_stash {
	spinlock_t		lock;
	struct list_head	pages;
	u32			nr;
};

/* What 2 MiB are. */
#define PB_STASH_PAGES	((2U << 20) / PAGE_SIZE)

/**
 * pb_stash_init() - an empty one
 * @stash: to fill
 */
void pb_stash_init(struct pb_stash *stash);

/**
 * pb_stash_exit() - give all pages back to the kernel
 * @stash: nobody uses it any more; may be all zero
 */
void pb_stash_exit(struct pb_stash *stash);

/**
 * pb_stash_alloc() - a page, with any contents; for mempool_init()
 * @gfp: for one from the kernel
 * @stash: where to look first
 *
 * Context: any.
 * Return: a struct page, or NULL.
 */
void *pb_stash_alloc(gfp_t gfp, void *stash);

/**
 * pb_stash_free() - put a page there, or give it back; for mempool_init()
 * @page: from pb_stash_alloc()
 * @stash: of the same
 *
 * Context: any.
 */
void pb_stash_free(void *page, void *stash);

#endif /* PB_STASH_H */
