// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>

#include "pb-stash.h"

void pb_stash_init(struct pb_stash *stash)
{
	spin_lock_init(&stash->lock);
	INIT_LIST_HEAD(&stash->pages);
}

static struct page *take(struct pb_stash *stash)
{
	struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&stash->lock, flags);
	page = list_first_entry_or_null(&stash->pages, struct page, lru);
	if (page) {
		list_del(&page->lru);
		stash->nr--;
	}
	spin_unlock_irqrestore(&stash->lock, flags);
	return page;
}

void pb_stash_exit(struct pb_stash *stash)
{
	struct page *page;

	if (!stash->pages.next)
		return;
	while ((page = take(stash)))
		__free_page(page);
}

void *pb_stash_alloc(gfp_t gfp, void *stash)
{
	return take(stash) ?: alloc_page(gfp);
}

void pb_stash_free(void *element, void *pool)
{
	struct pb_stash *stash = pool;
	struct page *page = element;
	unsigned long flags;
	bool kept;

	spin_lock_irqsave(&stash->lock, flags);
	kept = stash->nr < PB_STASH_PAGES;
	if (kept) {
		list_add(&page->lru, &stash->pages);
		stash->nr++;
	}
	spin_unlock_irqrestore(&stash->lock, flags);
	if (!kept)
		__free_page(page);
}
