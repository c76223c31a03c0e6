// SPDX-License-Identifier: GPL-2.0
/*
 * The leases that this replica gave as a backup: kept in mind, and waited out
 * before it serves as a primary.
 *
 *                         was a backup, and is the primary now
 *     [ nothing to wait ] -----------------------------------> [ holds ]
 *              ^                                                   |
 *              |   their time is over; the one who may count on    |
 *              +--- them says hello in this view; another view ----+
 *
 * They are noted when a connection to the predecessor has closed, which is before
 * any view is left.  What an earlier set-up gave nobody knows any more: then they
 * are as long as they can have been, and from now on.
 */
#include <linux/device-mapper.h>
#include <linux/ktime.h>

#include "pb-device.h"

#define DM_MSG_PREFIX "pb"

static const u8 nobody[PB_UUID_LEN];

static void end_hold(struct pb_device *pb, bool early)
{
	if (!pb_path_end_hold(&pb->path, early))
		return;
	DMINFO("%s: serves: nobody counts on its leases any more",
	       pb->super.name);
	wake_up_all(&pb->met_wait);
}

/* The timer's clock may run ahead of the raw time. */
static void hold_work(struct work_struct *work)
{
	struct pb_device *pb = container_of(to_delayed_work(work),
					    struct pb_device, hold_work);
	u32 left = pb_hold_left_ms(pb);

	if (left)
		queue_delayed_work(pb->io_wq, &pb->hold_work,
				   msecs_to_jiffies(left) + 1);
	else
		end_hold(pb, false);
}

void pb_hold_init(struct pb_device *pb)
{
	INIT_DELAYED_WORK(&pb->hold_work, hold_work);
}

void pb_hold_stop(struct pb_device *pb)
{
	cancel_delayed_work_sync(&pb->hold_work);
}

void pb_hold_load(struct pb_device *pb)
{
	u64 now = ktime_get_raw_ns();

	lockdep_assert_held(&pb->ctl_mutex);
	pb_lease_give(&pb->given, now,
		      pb_lease_wait(now, pb->super.lease_ms), nobody);
}

/* When the latest lease granted on a connection is over, raw time; 0: none was. */
static u64 granted_until(const struct pb_conn *conn)
{
	u64 granted = atomic64_read(&conn->granted);

	return granted ? pb_lease_wait(granted, conn->lease_ms) : 0;
}

void pb_hold_note(struct pb_device *pb, struct pb_conn *conn)
{
	lockdep_assert_held(&pb->ctl_mutex);
	pb_lease_give(&pb->given, ktime_get_raw_ns(), granted_until(conn),
		      conn->cfg.peer);
}

void pb_hold_describe(struct pb_device *pb, bool backup,
		      struct pb_super *super)
{
	lockdep_assert_held(&pb->ctl_mutex);
	if (pb->given.until <= ktime_get_raw_ns())
		super->lease_ms = 0;
	if (backup)
		super->lease_ms = max(super->lease_ms, pb->lease_ms);
}

void pb_hold_enter(struct pb_device *pb, bool serving)
{
	u32 left = serving ? pb_lease_left_ms(pb->given.until,
					      ktime_get_raw_ns()) : 0;

	lockdep_assert_held(&pb->ctl_mutex);
	/* A primary gives none: what it waited for when it became one still counts. */
	if (serving && pb->path.serving)
		return;
	pb_path_set_hold(&pb->path, left ? pb->given.until : 0);
	if (!left)
		return;
	DMINFO("%s: serves in %u ms, when leases that it gave are over",
	       pb->super.name, left);
	mod_delayed_work(pb->io_wq, &pb->hold_work, msecs_to_jiffies(left) + 1);
}

bool pb_hold_wait(struct pb_side *side, struct pb_conn *conn)
{
	struct pb_device *pb = side->pb;

	/* It is in this view, and so it serves nothing in an older one. */
	if (pb_lease_only_to(&pb->given, side->member.replica))
		end_hold(pb, true);
	wait_event(pb->met_wait, !pb_path_holds(&pb->path) ||
		   READ_ONCE(conn->state) == PB_LINK_CLOSING);
	return !pb_path_holds(&pb->path);
}

u32 pb_hold_left_ms(struct pb_device *pb)
{
	return pb_lease_left_ms(READ_ONCE(pb->path.hold_until),
				ktime_get_raw_ns());
}

void pb_hold_status(struct pb_device *pb, struct pb_ioc_status *status)
{
	struct pb_conn *conn = pb->up.conn;
	u64 until = pb->given.until;

	lockdep_assert_held(&pb->ctl_mutex);
	if (conn)
		until = max(until, granted_until(conn));
	status->lease_ms = pb->lease_ms;
	status->reads = READ_ONCE(pb->path.confirm) ? PB_READS_CONFIRM :
						      PB_READS_LEASE;
	status->lease_left_ms = pb_path_lease_left_ms(&pb->path);
	status->hold_left_ms = pb->role == PB_ROLE_PRIMARY ?
		pb_hold_left_ms(pb) :
		pb_lease_left_ms(until, ktime_get_raw_ns());
}
