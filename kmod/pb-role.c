// SPDX-License-Identifier: GPL-2.0
/*
 * View changes.  pb-view.c decides whether a view may be taken; this carries
 * it out, always in the same order:
 *
 *   1. freeze    bios from above are held
 *   2. drain     only a primary that stays as a synced backup: its writes
 *                under way must be acked, or the two would differ
 *   3. close     no message of the old view goes out or comes in any more
 *   4. settle    what the predecessor sent is on the disk
 *   5. store     the view is durable
 *   6. enter     role, neighbours and path change; held bios go on, or fail
 *
 * Up to 4 it can be called off, and nothing has changed but the connections.
 */
#include <linux/device-mapper.h>
#include <linux/sched/mm.h>
#include <linux/timekeeping.h>

#include "pb-crash.h"
#include "pb-device.h"

#define DM_MSG_PREFIX "pb"

/* How long step 2 waits for acks before the view is refused. */
#define DRAIN_MS	5000

static void describe_self(struct pb_device *pb, struct pb_self *self)
{
	memset(self, 0, sizeof(*self));
	memcpy(self->replica, pb->super.replica, PB_UUID_LEN);
	self->state = pb->super.replica_state;
	self->role = pb->role;
	self->crashed = pb->crashed;
	self->diverged = READ_ONCE(pb->path.diverged) ||
			 READ_ONCE(pb->path.unsettled);
	self->disk_failed = READ_ONCE(pb->disk_failed) ||
			    READ_ONCE(pb->path.disk) >= PB_OWN_DEAD;
	self->through_backup = READ_ONCE(pb->path.disk) == PB_OWN_DEAD;
	self->waits = pb->super.waits_view &&
		      pb->super.waits_view == pb->super.view.number;
	self->view = pb->super.view;
}

/* Will nobody ack any more?  No connection comes up while we are here. */
static bool no_more_acks(struct pb_device *pb)
{
	struct pb_conn *conn = pb->down.conn;

	return pb->down.index != PB_NO_MEMBER &&
	       (!conn || READ_ONCE(conn->state) == PB_LINK_CLOSING);
}

/* Nothing may be served, whatever is on the disk. */
static void settle_failed(struct pb_device *pb)
{
	pb->stopped = true;
	pb_resize_end(pb);
	pb_link_disconnect(pb, NULL, PB_BYE_DISK_FAILED);
	pb_path_settle(&pb->path, false, false, false);
	pb_sync_stop(&pb->sync);
	pb_check_end(pb);
	pb_device_table_event(pb);
}

static int stop(struct pb_device *pb, char *reason)
{
	settle_failed(pb);
	return pb_refuse(reason, -EIO,
			 "cannot write the superblock; the replica has stopped");
}

/* A primary that becomes a synced backup must have nothing unacked. */
static int drain(struct pb_device *pb, const struct pb_verdict *verdict,
		 char *reason)
{
	long left = msecs_to_jiffies(DRAIN_MS);

	if (pb->role != PB_ROLE_PRIMARY || verdict->role == PB_ROLE_PRIMARY ||
	    verdict->state != PB_REPLICA_SYNCED)
		return 0;
	do {
		pb_link_meet(pb);
		if (pb->role == PB_ROLE_FAILED)
			return stop(pb, reason);
		left = wait_event_killable_timeout(pb->path.idle_wait,
						   pb_path_idle(&pb->path) ||
						   READ_ONCE(pb->path.disk) ||
						   no_more_acks(pb) ||
						   pb_link_meets(pb), left);
	} while (left > 0 && pb_link_meets(pb));
	if (left < 0)
		return pb_refuse(reason, -EINTR, "interrupted");
	if (!pb_path_idle(&pb->path))
		return pb_refuse(reason, -EUCLEAN,
				 "writes under way are not acked: this replica cannot stay synced");
	return 0;
}

static int quiesce(struct pb_device *pb, const struct pb_verdict *verdict,
		   char *reason)
{
	int ret;

	/* Its chunks would keep the path from falling idle. */
	pb_verify_stop(&pb->verify);
	pb_path_freeze(&pb->path);
	ret = drain(pb, verdict, reason);
	if (ret)
		return ret;
	pb_link_disconnect(pb, NULL, PB_BYE_VIEW_CHANGE);
	if (wait_event_killable(pb->apply.drained, pb_apply_idle(&pb->apply)))
		return pb_refuse(reason, -EINTR, "interrupted");
	pb_crash_point(PB_CRASH_VIEW_CLOSED);
	return 0;
}

static void describe_super(struct pb_device *pb, const struct pb_view *view,
			   const struct pb_verdict *verdict,
			   struct pb_super *super)
{
	*super = pb->super;
	super->view = *view;
	super->replica_state = verdict->state;
	if (!verdict->confirm)
		super->waits_view = 0;
	if (verdict->state == PB_REPLICA_SYNCED)
		super->data_view = view->number;
	/*
	 * A write of this view may be missing that no log names; or it was made
	 * primary by force, and nobody knows what it has written since.
	 */
	else if (READ_ONCE(pb->path.disk) ||
		 super->forced_view > super->met_view)
		super->data_view = 0;
	/* From here on there may be writes that a crash would lose. */
	if (verdict->state < PB_REPLICA_SYNCING)
		super->flags &= ~PB_DISK_ACTIVE;
	else if (verdict->role != PB_ROLE_UNCONFIRMED)
		super->flags |= PB_DISK_ACTIVE;
	pb_hold_describe(pb, verdict->role == PB_ROLE_BACKUP, super);
	if (verdict->state != PB_REPLICA_SYNCING) {
		memset(super->sync_source, 0, PB_UUID_LEN);
		super->sync_view = 0;
	}
	if (verdict->forced) {
		super->forced_view = view->number;
		super->forced_time = ktime_get_real_seconds();
	}
}

void pb_role_stop(struct pb_device *pb)
{
	int error = READ_ONCE(pb->meta_error);

	lockdep_assert_held(&pb->ctl_mutex);
	if (error && pb->role != PB_ROLE_FAILED)
		pb_device_fail(pb, error, "the activity log or a dirty map");
	if (pb->role == PB_ROLE_FAILED && !pb->stopped)
		settle_failed(pb);
}

static unsigned int synced_members(const struct pb_view *view)
{
	unsigned int i, n = 0;

	for (i = 0; i < view->nr_members; i++)
		if (view->members[i].flags & PB_MEMBER_SYNCED)
			n++;
	return n;
}

static void enter(struct pb_device *pb, const struct pb_verdict *verdict)
{
	const struct pb_view *view = &pb->super.view;
	bool serving = verdict->role == PB_ROLE_PRIMARY;

	pb->index = verdict->index;
	pb->stands = verdict->role == PB_ROLE_UNCONFIRMED;
	if (!verdict->confirm && !pb->stands)
		pb->crashed = false;
	pb_apply_reset(&pb->apply);
	pb_device_set_role(pb, verdict->role);
	pb_link_set_view(pb);
	pb_hold_enter(pb, serving);
	pb_path_settle(&pb->path, serving,
		       serving && (pb_view_needs_ack(view, pb->index) ||
				   pb->super.waits_view == view->number),
		       verdict->state == PB_REPLICA_SYNCED &&
		       synced_members(view) > 1);
	if (READ_ONCE(pb->path.disk) == PB_OWN_FAILED)
		WRITE_ONCE(pb->disk_failed, true);
	pb_resize_end(pb);
	/* What it had to say, if anything, is off the path now. */
	pb_sync_stop(&pb->sync);
	pb_check_end(pb);
	pb_durable_kick(pb);
	DMINFO("%s: view %llu: %s%s%s", pb->super.name, view->number,
	       pb_role_name(verdict->role),
	       verdict->state == PB_REPLICA_SYNCED ? ", synced" : "",
	       verdict->forced ? ", FORCED: data may be lost" : "");
	pb_event_emit(&pb->ioc_dev, PB_EVENT_VIEW, view->number, NULL, 0,
		      "%s", pb_role_name(verdict->role));
	pb_device_table_event(pb);
}

static int judge(struct pb_device *pb, const struct pb_view *view, u32 flags,
		 struct pb_verdict *verdict, char *reason)
{
	const char *why = "";
	struct pb_self self;
	int ret;

	describe_self(pb, &self);
	ret = pb_view_check(&self, view, flags, verdict, &why);
	return ret ? pb_refuse(reason, ret, "%s", why) : 0;
}

static int move(struct pb_device *pb, const struct pb_view *view, u32 flags,
		struct pb_verdict *verdict, char *reason)
{
	u64 epoch = pb->super.log_epoch;
	struct pb_super super;
	unsigned int noio;
	int ret;

	ret = quiesce(pb, verdict, reason);
	/* Who frees memory may be writing to this very volume. */
	noio = memalloc_noio_save();
	/* Once more: a disk may have failed while we waited. */
	if (!ret)
		ret = judge(pb, view, flags, verdict, reason);
	if (!ret) {
		describe_super(pb, view, verdict, &super);
		ret = pb_durable_plan(pb, view, verdict, &super);
		if (ret)
			pb_refuse(reason, ret, "out of memory for a dirty map");
	}
	memalloc_noio_restore(noio);
	if (ret) {
		pb_path_thaw(&pb->path);
		return ret;
	}
	if (pb_device_store(pb, &super)) {
		pb_durable_abort(pb);
		return stop(pb, reason);
	}
	pb_crash_point(PB_CRASH_VIEW_STORED);
	pb_durable_commit(pb, epoch);
	enter(pb, verdict);
	pb_crash_point(PB_CRASH_VIEW_ENTERED);
	return 0;
}

int pb_role_set_view(struct pb_device *pb, const struct pb_view *view,
		     u32 flags, char *reason)
{
	struct pb_verdict verdict;
	const char *why = "";
	int ret;

	lockdep_assert_held(&pb->ctl_mutex);
	ret = pb_view_valid(view, &why);
	if (ret)
		return pb_refuse(reason, ret, "%s", why);
	if (pb->role == PB_ROLE_FAILED)
		return pb_refuse(reason, -EIO,
				 "the metadata device failed; the replica has stopped");
	ret = judge(pb, view, flags, &verdict, reason);
	if (ret)
		return ret;
	if (verdict.confirm && (pb->role != PB_ROLE_UNCONFIRMED ||
				(pb->stands && verdict.role == pb->role)))
		return 0;
	return move(pb, view, flags, &verdict, reason);
}
