/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events for user space: emitted anywhere in the module, read from the control
 * device.  Every reader has a ring of its own, so a slow one loses its own
 * oldest events, is told how many, and holds nobody up.
 */
#ifndef PB_EVENT_H
#define PB_EVENT_H

#include <linux/poll.h>
#include <linux/types.h>

#include "uapi/linux/dm-pb.h"

struct pb_event_reader;

/**
 * pb_event_open() - begin to collect events
 *
 * Context: process, may sleep.
 * Return: a reader, or NULL without memory.
 */
struct pb_event_reader *pb_event_open(void);

/**
 * pb_event_close() - stop collecting and free the reader
 * @reader: from pb_event_open()
 */
void pb_event_close(struct pb_event_reader *reader);

/**
 * pb_event_read() - take events out, for a read() system call
 * @reader: from pb_event_open()
 * @buf: user memory
 * @len: its size
 * @nonblock: do not wait
 *
 * Context: process, sleeps interruptibly until there is an event.
 * Return: bytes copied, a multiple of an event's size; -EINVAL, -EAGAIN,
 * -EFAULT, -ERESTARTSYS.
 */
ssize_t pb_event_read(struct pb_event_reader *reader, char __user *buf,
		      size_t len, bool nonblock);

/**
 * pb_event_poll() - for a poll() system call
 * @reader: from pb_event_open()
 * @file: as given to poll
 * @wait: as given to poll
 */
__poll_t pb_event_poll(struct pb_event_reader *reader, struct file *file,
		       poll_table *wait);

/**
 * pb_event_emit() - tell every reader
 * @dev: the volume
 * @type: enum pb_event_type
 * @view: its view number
 * @peer: the other replica's UUID, or NULL
 * @error: positive errno or 0
 * @fmt: the line for a person
 *
 * Context: any; takes a spinlock with interrupts off.
 */
__printf(6, 7)
void pb_event_emit(const struct pb_ioc_dev *dev, u32 type, u64 view,
		   const u8 *peer, int error, const char *fmt, ...);

#endif /* PB_EVENT_H */
