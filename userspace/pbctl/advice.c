// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong with a volume, and what to do about it: a table from state to
 * advice.  It goes by the status alone.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "pbctl.h"

/* A write that is older than this is worth a word. */
#define SLOW_MS		5000

/**
 * struct patient - whom advice is about
 * @status: of the volume
 * @name: of its device
 * @up: its predecessor, as a word; empty if there is none
 * @down: its successor
 * @self: its index in the view, or PB_NO_MEMBER
 * @waits: its writes wait for the successor
 * @text: what is said of it
 */
struct patient {
	const struct pb_ioc_status	*status;
	const char			*name;
	char				up[PB_UUID_TEXT];
	char				down[PB_UUID_TEXT];
	u8				self;
	bool				waits;
	char				*text;
};

static void pb_printf(2, 3) say(const struct patient *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->text, ADVICE_LEN, fmt, args);
	va_end(args);
}

/* A member's node name, or its UUID if it has none; empty for nobody. */
static void who(const struct pb_link *link, char *text)
{
	text[0] = '\0';
	if (link->name[0])
		pb_printable(text, PB_NAME_LEN, link->name, PB_NAME_LEN);
	else if (!pb_uuid_zero(link->peer))
		pb_uuid_text(link->peer, text);
}

/* The command that sets a view of the first @nr members of this one. */
static const char *view_command(const struct patient *p, u64 number,
				unsigned int nr, char *text, size_t size)
{
	const struct pb_view *view = &p->status->view;
	const struct pb_member *member;
	char uuid[PB_UUID_TEXT];
	char node[PB_NAME_LEN];
	size_t len;
	unsigned int i;

	len = snprintf(text, size, "pbctl view set %s --number %llu", p->name,
		       (unsigned long long)number);
	for (i = 0; i < nr && i < view->nr_members && len < size; i++) {
		member = &view->members[i];
		pb_printable(node, sizeof(node), member->name, PB_NAME_LEN);
		len += snprintf(text + len, size - len, " --member %s%s%s%s",
				pb_uuid_text(member->replica, uuid),
				*node ? ":" : "", node,
				member->flags & PB_MEMBER_SYNCED ? "" :
				":unsynced");
	}
	return text;
}

static unsigned int nr_synced(const struct pb_view *view)
{
	unsigned int i, nr = 0;

	for (i = 0; i < view->nr_members; i++)
		nr += !!(view->members[i].flags & PB_MEMBER_SYNCED);
	return nr;
}

static bool is_primary(const struct patient *p)
{
	return p->status->role == PB_ROLE_PRIMARY;
}

static bool has_role(const struct patient *p)
{
	return is_primary(p) || p->status->role == PB_ROLE_BACKUP;
}

static bool link_is_up(const struct pb_link *link)
{
	return link->state == PB_LINK_UP;
}

/* This node's disks */

static bool meta_failed(const struct patient *p)
{
	return p->status->role == PB_ROLE_FAILED ||
	       p->status->flags & PB_STATUS_META_FAILED;
}

static void say_meta_failed(const struct patient *p)
{
	say(p, "the metadata device failed and this replica has stopped: mend it, then 'pbctl remove %s' and 'pbctl create' again",
	    p->name);
}

static bool through_backup(const struct patient *p)
{
	return p->status->flags & PB_STATUS_THROUGH_BACKUP;
}

static void say_through_backup(const struct patient *p)
{
	say(p, "the disk of this node failed; the volume is served through %s alone: make %s primary and leave this node out ('pbctl view set'), replace the disk, then bring it back as a blank backup",
	    p->down, p->down);
}

static bool diverged(const struct patient *p)
{
	return p->status->flags & PB_STATUS_DIVERGED;
}

static bool no_copy(const struct patient *p)
{
	return through_backup(p) && diverged(p);
}

static void say_no_copy(const struct patient *p)
{
	say(p, "the disk of %s failed too: no good copy is left, all I/O fails; restore a backup of the data, or find an older replica ('pbctl dump-meta' says from which view one is)",
	    p->down);
}

static bool through_nobody(const struct patient *p)
{
	return through_backup(p) && !diverged(p) &&
	       !link_is_up(&p->status->downstream);
}

static void say_through_nobody(const struct patient *p)
{
	say(p, "without a link to %s nothing can be served, reads neither",
	    p->down);
}

static bool write_failed(const struct patient *p)
{
	return p->status->flags & PB_STATUS_DISK_FAILED && is_primary(p) &&
	       !through_backup(p);
}

static void say_write_failed(const struct patient *p)
{
	say(p, "the disk of this node failed a write, which waits for %s: connect it, or set a view without it, in which the application gets the error",
	    p->down);
}

static bool disk_failed(const struct patient *p)
{
	return p->status->flags & PB_STATUS_DISK_FAILED && !is_primary(p) &&
	       !through_backup(p);
}

static void say_disk_failed(const struct patient *p)
{
	say(p, "the data device failed a write: set a view without this replica ('pbctl view set'), replace the disk");
}

static bool disk_errors(const struct patient *p)
{
	return p->status->flags & PB_STATUS_DISK_ERRORS;
}

static void say_disk_errors(const struct patient *p)
{
	say(p, "the data device failed writes, and the application was told: look at the disk, add a backup to '%s' if there is none",
	    p->name);
}

static bool unreadable(const struct patient *p)
{
	return p->status->sync.unreadable;
}

static void say_unreadable(const struct patient *p)
{
	say(p, "%llu bytes cannot be read from this disk and keep the backup from being synced: write them anew, from a file or another backup",
	    (unsigned long long)p->status->sync.unreadable);
}

static void say_diverged(const struct patient *p)
{
	say(p, "writes that failed here may be on this disk and not on the backup's: set a view in which the backup is unsynced");
}

/* The view */

static bool unconfirmed(const struct patient *p)
{
	return p->status->role == PB_ROLE_UNCONFIRMED;
}

static bool no_view(const struct patient *p)
{
	return unconfirmed(p) && !p->status->view.number;
}

static void say_no_view(const struct patient *p)
{
	char uuid[PB_UUID_TEXT];

	say(p, "no view yet: set the volume's view, for a new volume 'pbctl view set %s --number 1 --member %s'",
	    p->name, pb_uuid_text(p->status->replica, uuid));
}

static bool stands(const struct patient *p)
{
	return unconfirmed(p) && p->status->view.number &&
	       p->status->flags & PB_STATUS_STANDS;
}

static void say_stands(const struct patient *p)
{
	say(p, "it was set up again and cannot serve in view %llu beside the other member: a view with a higher number is needed ('pbctl view set')",
	    (unsigned long long)p->status->view.number);
}

static bool crashed(const struct patient *p)
{
	return unconfirmed(p) && p->status->view.number && !stands(p) &&
	       p->status->flags & PB_STATUS_CRASHED &&
	       nr_synced(&p->status->view) > 1;
}

static void say_crashed(const struct patient *p)
{
	say(p, "it crashed in view %llu, where other members may have gone on: a view with a higher number is needed ('pbctl view set')",
	    (unsigned long long)p->status->view.number);
}

static bool not_told(const struct patient *p)
{
	return unconfirmed(p) && p->status->view.number && !stands(p) &&
	       !crashed(p);
}

static void say_not_told(const struct patient *p)
{
	const struct pb_view *view = &p->status->view;
	char text[512];

	say(p, "nobody has confirmed its view since it was set up; if that view is still the current one: '%s'",
	    view_command(p, view->number, view->nr_members, text,
			 sizeof(text)));
}

static bool deposed(const struct patient *p)
{
	/* A blank replica without a place is a spare. */
	return p->status->role == PB_ROLE_IDLE &&
	       p->status->replica_state != PB_REPLICA_BLANK;
}

static void say_deposed(const struct patient *p)
{
	say(p, "view %llu has no place for this replica, which misses what is written: 'pbctl volumes' says why it is left out, 'pbctl add' lets it back now; by hand, set a view that has it as an unsynced member",
	    (unsigned long long)p->status->view.number);
}

static bool alone(const struct patient *p)
{
	return is_primary(p) && p->status->view.nr_members == 1;
}

static void say_alone(const struct patient *p)
{
	say(p, "no backup: if this node is lost now, so is what was written; bring the other node back, or a spare ('pbctl volumes' says who is away; by hand, set a view that has it as an unsynced member)");
}

/* Links */

static bool upstream_down(const struct patient *p)
{
	return has_role(p) && *p->up && !link_is_up(&p->status->upstream);
}

static void say_upstream_down(const struct patient *p)
{
	say(p, "no link from %s, whose writes wait for it: 'pbctl listen %s' here, 'pbctl connect %s HOST' there",
	    p->up, p->name, p->name);
}

static bool downstream_down(const struct patient *p)
{
	return has_role(p) && *p->down && p->self != PB_NO_MEMBER &&
	       !link_is_up(&p->status->downstream);
}

static bool backup_away(const struct patient *p)
{
	return downstream_down(p) && p->waits;
}

static void say_backup_away(const struct patient *p)
{
	say(p, "no link to %s: reads and writes %s until there is one ('pbctl listen %s' there, 'pbctl connect %s HOST' here)",
	    p->down, p->status->policy == PB_POLICY_ERROR ? "fail" : "wait",
	    p->name, p->name);
}

static void say_view_without(const struct patient *p)
{
	char text[512];

	say(p, "or, if %s is down and was given no newer view, until there is a view without it: '%s'",
	    p->down, view_command(p, p->status->view.number + 1, p->self + 1,
				  text, sizeof(text)));
}

static bool unsynced_away(const struct patient *p)
{
	return downstream_down(p) && !p->waits;
}

static void say_unsynced_away(const struct patient *p)
{
	say(p, "no link to %s, which is unsynced and misses what is written: 'pbctl listen %s' there, 'pbctl connect %s HOST' here",
	    p->down, p->name, p->name);
}

/* Leases */

static bool holds(const struct patient *p)
{
	return is_primary(p) && p->status->hold_left_ms;
}

static void say_holds(const struct patient *p)
{
	say(p, "it serves nothing for %u ms more: the primary before may still have its lease; nothing to do",
	    p->status->hold_left_ms);
}

static bool no_lease(const struct patient *p)
{
	const struct pb_ioc_status *status = p->status;

	return is_primary(p) && p->waits && link_is_up(&status->downstream) &&
	       status->reads == PB_READS_LEASE && status->lease_ms &&
	       !status->lease_left_ms && !status->hold_left_ms;
}

static void say_no_lease(const struct patient *p)
{
	say(p, "the lease of %s has run out, so each read waits for its answer: if that lasts, the link or its disk answers later than %u ms; make them faster, or lease_ms longer on both nodes",
	    p->down, p->status->lease_ms);
}

/* Bringing the backup up to date */

static bool backup_unsynced(const struct patient *p)
{
	return is_primary(p) && *p->down && !p->waits &&
	       link_is_up(&p->status->downstream);
}

static bool resync_paused(const struct patient *p)
{
	return backup_unsynced(p) && p->status->sync.paused &&
	       p->status->sync.state <= PB_SYNC_COPY;
}

static void say_resync_paused(const struct patient *p)
{
	say(p, "the resync of %s is paused, and the volume has one good copy: 'pbctl resync %s --resume'",
	    p->down, p->name);
}

static bool resync_runs(const struct patient *p)
{
	return backup_unsynced(p) && !p->status->sync.paused &&
	       p->status->sync.state != PB_SYNC_OFF &&
	       p->status->sync.state != PB_SYNC_SYNCED;
}

static void say_resync_runs(const struct patient *p)
{
	char line[PROGRESS_LINE];

	say(p, "%s is being brought up to date (%s), and the volume has one good copy until then; nothing to do",
	    p->down, sync_line(&p->status->sync, line, sizeof(line)));
}

static bool resync_waits(const struct patient *p)
{
	return backup_unsynced(p) && !p->status->sync.paused &&
	       p->status->sync.state == PB_SYNC_OFF;
}

static void say_resync_waits(const struct patient *p)
{
	say(p, "%s is not synced and no resync goes on: it begins by itself with a connection; if it does not, 'pbctl disconnect %s' and connect again",
	    p->down, p->name);
}

static bool view_lags(const struct patient *p)
{
	return backup_unsynced(p) && p->status->sync.state == PB_SYNC_SYNCED;
}

static void say_view_lags(const struct patient *p)
{
	say(p, "%s is up to date, and the view does not say so yet: pbviewd sets the next one by itself; without it, set view %llu with %s synced, on both nodes",
	    p->down, (unsigned long long)p->status->view.number + 1, p->down);
}

static bool being_copied(const struct patient *p)
{
	return p->status->role == PB_ROLE_BACKUP &&
	       p->status->replica_state != PB_REPLICA_SYNCED &&
	       link_is_up(&p->status->upstream);
}

static void say_being_copied(const struct patient *p)
{
	say(p, "this copy is not up to date and cannot replace %s: 'pbctl resync %s' there says how far it is; nothing to do",
	    p->up, p->name);
}

/* What was asked for, and the rest */

static bool differs(const struct patient *p)
{
	return p->status->verify.differs > p->status->verify.repaired;
}

static void say_differs(const struct patient *p)
{
	say(p, "the latest verification found %llu bytes that differ on the backup: 'pbctl verify %s --show' lists them, '--repair' copies them",
	    (unsigned long long)p->status->verify.differs, p->name);
}

static bool not_compared(const struct patient *p)
{
	return p->status->verify.unreadable;
}

static void say_not_compared(const struct patient *p)
{
	say(p, "the latest verification could not read %llu bytes of this disk: look at the disk, and write them anew from a copy that is good",
	    (unsigned long long)p->status->verify.unreadable);
}

static bool resize_failed(const struct patient *p)
{
	return p->status->resize.state == PB_RESIZE_FAILED;
}

static void say_resize_failed(const struct patient *p)
{
	say(p, "the latest resize failed and the volume has its old size: 'pbctl resize %s' again, once the line 'resize' says nothing that is still so",
	    p->name);
}

static bool slow(const struct patient *p)
{
	return p->status->oldest_wait_ms >= SLOW_MS;
}

static void say_slow(const struct patient *p)
{
	say(p, "the oldest request has waited for %u s%s",
	    p->status->oldest_wait_ms / 1000,
	    *p->down && link_is_up(&p->status->downstream) ?
	    ", with a link: look at the load of the disks of both nodes" : "");
}

static bool forced(const struct patient *p)
{
	return p->status->flags & PB_STATUS_FORCED;
}

static void say_forced(const struct patient *p)
{
	say(p, "view %llu was forced: acknowledged writes may have been lost then; check the data, and keep what the other node has until you have",
	    (unsigned long long)p->status->forced_view);
}

/* Worst first. */
static const struct rule {
	const char	*state;
	bool		(*holds)(const struct patient *p);
	void		(*say)(const struct patient *p);
} rules[] = {
	{ "metadata failed",		meta_failed,	say_meta_failed },
	{ "no good copy",		no_copy,	say_no_copy },
	{ "through backup",		through_backup,	say_through_backup },
	{ "through nobody",		through_nobody,	say_through_nobody },
	{ "failed write waits",		write_failed,	say_write_failed },
	{ "disk failed",		disk_failed,	say_disk_failed },
	{ "disk errors",		disk_errors,	say_disk_errors },
	{ "unreadable",			unreadable,	say_unreadable },
	{ "diverged",			diverged,	say_diverged },
	{ "no view",			no_view,	say_no_view },
	{ "stands",			stands,		say_stands },
	{ "crashed",			crashed,	say_crashed },
	{ "unconfirmed",		not_told,	say_not_told },
	{ "deposed",			deposed,	say_deposed },
	{ "no link from primary",	upstream_down,	say_upstream_down },
	{ "no link to backup",		backup_away,	say_backup_away },
	{ "view without backup",	backup_away,	say_view_without },
	{ "no link to unsynced",	unsynced_away,	say_unsynced_away },
	{ "alone",			alone,		say_alone },
	{ "holds",			holds,		say_holds },
	{ "no lease",			no_lease,	say_no_lease },
	{ "resync paused",		resync_paused,	say_resync_paused },
	{ "resync runs",		resync_runs,	say_resync_runs },
	{ "resync waits",		resync_waits,	say_resync_waits },
	{ "view lags",			view_lags,	say_view_lags },
	{ "being copied",		being_copied,	say_being_copied },
	{ "differs",			differs,	say_differs },
	{ "not compared",		not_compared,	say_not_compared },
	{ "resize failed",		resize_failed,	say_resize_failed },
	{ "slow",			slow,		say_slow },
	{ "forced",			forced,		say_forced },
};

void advise(const struct pb_ioc_status *status, const char *name,
	    struct advice *advice)
{
	struct patient p = { .status = status, .name = name };
	size_t i;

	who(&status->upstream, p.up);
	who(&status->downstream, p.down);
	p.self = pb_view_index(&status->view, status->replica);
	p.waits = p.self != PB_NO_MEMBER && pb_view_needs_ack(&status->view, p.self);
	advice->nr = 0;
	for (i = 0; i < ARRAY_SIZE(rules) && advice->nr < MAX_ADVICE; i++) {
		if (!rules[i].holds(&p))
			continue;
		p.text = advice->lines[advice->nr];
		advice->states[advice->nr++] = rules[i].state;
		rules[i].say(&p);
	}
}

const char *advice_state(unsigned int index)
{
	return index < ARRAY_SIZE(rules) ? rules[index].state : NULL;
}
