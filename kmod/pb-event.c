// SPDX-License-Identifier: GPL-2.0
/*
 * The event queues: a list of readers, each with a ring of fixed size that is
 * filled under one lock from any context.  Sequence numbers are given out
 * under the same lock, so every reader sees the same order.
 */
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "pb-event.h"

#define RING_EVENTS	256

/**
 * struct pb_event_reader - one open file of the control device
 * @node: on the list of readers; guarded by readers_lock
 * @wait: readers sleeping in read() and poll()
 * @head: events ever put in; guarded by readers_lock
 * @tail: events ever taken out or dropped; guarded by readers_lock
 * @lost: dropped since the last event taken out; guarded by readers_lock
 * @ring: the events from @tail to @head
 */
struct pb_event_reader {
	struct list_head	node;
	wait_queue_head_t	wait;
	u64			head;
	u64			tail;
	u32			lost;
	struct pb_event		ring[RING_EVENTS];
};

/* Guards the list, every ring, and last_seq. */
static DEFINE_SPINLOCK(readers_lock);
static LIST_HEAD(readers);
static u64 last_seq;

struct pb_event_reader *pb_event_open(void)
{
	struct pb_event_reader *reader = kvzalloc(sizeof(*reader), GFP_KERNEL);

	if (!reader)
		return NULL;
	init_waitqueue_head(&reader->wait);
	spin_lock_irq(&readers_lock);
	list_add_tail(&reader->node, &readers);
	spin_unlock_irq(&readers_lock);
	return reader;
}

void pb_event_close(struct pb_event_reader *reader)
{
	spin_lock_irq(&readers_lock);
	list_del(&reader->node);
	spin_unlock_irq(&readers_lock);
	kvfree(reader);
}

static void put_in(struct pb_event_reader *reader, const struct pb_event *event)
{
	lockdep_assert_held(&readers_lock);
	if (reader->head - reader->tail == RING_EVENTS) {
		reader->tail++;
		reader->lost++;
	}
	reader->ring[reader->head++ % RING_EVENTS] = *event;
	wake_up_interruptible(&reader->wait);
}

static bool take_out(struct pb_event_reader *reader, struct pb_event *event)
{
	bool taken = false;

	spin_lock_irq(&readers_lock);
	if (reader->tail != reader->head) {
		*event = reader->ring[reader->tail++ % RING_EVENTS];
		event->lost = reader->lost;
		reader->lost = 0;
		taken = true;
	}
	spin_unlock_irq(&readers_lock);
	return taken;
}

static bool has_event(struct pb_event_reader *reader)
{
	bool has;

	spin_lock_irq(&readers_lock);
	has = reader->tail != reader->head;
	spin_unlock_irq(&readers_lock);
	return has;
}

ssize_t pb_event_read(struct pb_event_reader *reader, char __user *buf,
		      size_t len, bool nonblock)
{
	struct pb_event event;
	ssize_t done = 0;
	int ret;

	if (len < sizeof(event))
		return -EINVAL;
	while (len - done >= sizeof(event)) {
		if (!take_out(reader, &event)) {
			if (done)
				break;
			if (nonblock)
				return -EAGAIN;
			ret = wait_event_interruptible(reader->wait,
						       has_event(reader));
			if (ret)
				return ret;
			continue;
		}
		if (copy_to_user(buf + done, &event, sizeof(event)))
			return done ? done : -EFAULT;
		done += sizeof(event);
	}
	return done;
}

__poll_t pb_event_poll(struct pb_event_reader *reader, struct file *file,
		       poll_table *wait)
{
	poll_wait(file, &reader->wait, wait);
	return has_event(reader) ? EPOLLIN | EPOLLRDNORM : 0;
}

void pb_event_emit(const struct pb_ioc_dev *dev, u32 type, u64 view,
		   const u8 *peer, int error, const char *fmt, ...)
{
	struct pb_event event = {
		.type = type,
		.error = error,
		.dev = *dev,
		.view = view,
		.time_ns = ktime_get_real_ns(),
	};
	struct pb_event_reader *reader;
	unsigned long flags;
	va_list args;

	if (peer)
		memcpy(event.peer, peer, PB_UUID_LEN);
	va_start(args, fmt);
	vsnprintf(event.text, sizeof(event.text), fmt, args);
	va_end(args);

	spin_lock_irqsave(&readers_lock, flags);
	event.seq = ++last_seq;
	list_for_each_entry(reader, &readers, node)
		put_in(reader, &event);
	spin_unlock_irqrestore(&readers_lock, flags);
}
