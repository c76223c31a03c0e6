// SPDX-License-Identifier: GPL-2.0
/*
 * The view function.  What a view may follow:
 *
 *       no view                  a replica with the volume's data pings: view 1
 *          |
 *          v     its primary pings from it
 *     [ not acked ] --------------------> [ acked ]
 *       |  ^                                 |  somebody is dead, restarted,
 *       |  |          the next view          |  unreachable, synced, idle ...
 *       |  +---------------------------------+
 *       |  |
 *       +--+  its backup holds everything, and replaces the primary
 *
 * While a view is not acked no other one is made (but by force): its primary
 * may be about to serve in it, or may still serve in the one before.  The
 * exception is one whose backup holds everything: neither there nor in the view
 * before can anything be acknowledged without that one.
 *
 * A view is made in a ping of who is to be its primary, and told in the answer.
 * It could not hear of it sooner; and it is as sure as can be that it lives, for
 * if it died before it entered the view often nobody else could go on.
 *
 * A member that was set up again since it became one (another incarnation) has
 * crashed, as far as anybody knows, and may lack what it had not flushed.  So a
 * primary counts as dead then if there is a synced backup that did not.  If both
 * did, every flushed write is on both, and the primary goes on if it is back in
 * time, else the backup.
 */
#include "pb-super.h"
#include "pb-view.h"
#include "views.h"

static struct pv_node *node_of(struct pv_volume *volume,
			       const struct pv_member *member)
{
	return &volume->nodes[member->node];
}

static struct pv_member *backup_of(struct pv_volume *volume)
{
	return volume->view.nr > 1 ? &volume->view.members[1] : NULL;
}

static u64 silent_since(const struct pv_volume *volume, u32 node)
{
	const struct pv_node *it = &volume->nodes[node];

	return it->heard && it->when > volume->began ? it->when :
						       volume->began;
}

bool pv_dead(const struct pv_volume *volume, u32 node, u64 now)
{
	u64 since = silent_since(volume, node);

	return now >= since && now - since > volume->dead_after;
}

u64 pv_next_death(const struct pv_volume *volume, u64 now)
{
	u64 next = U64_MAX, at;
	u32 i;

	for (i = 0; i < volume->view.nr; i++) {
		at = silent_since(volume, volume->view.members[i].node) +
		     volume->dead_after + 1;
		if (at > now && at < next)
			next = at;
	}
	return next;
}

/* Since the server began to listen: what it is like is known. */
static bool heard(const struct pv_volume *volume, u32 node)
{
	return volume->nodes[node].heard &&
	       volume->began <= volume->nodes[node].when;
}

/* It pings. */
static bool here(const struct pv_volume *volume, u32 node, u64 now)
{
	return heard(volume, node) && !pv_dead(volume, node, now);
}

/* It pings, as another replica than the one that was meant. */
static bool replaced(struct pv_volume *volume, const struct pv_member *member)
{
	const struct pv_node *node = node_of(volume, member);

	return node->heard &&
	       memcmp(node->ping.replica, member->replica, PB_UUID_LEN);
}

static bool failed(const struct pv_node *node)
{
	return node->heard && (node->ping.flags & PV_PING_FAILED);
}

/* Its latest ping is from the current view. */
static bool says(struct pv_volume *volume, const struct pv_member *member,
		 u32 flag)
{
	const struct pv_node *node = node_of(volume, member);

	return node->heard && node->ping.view == volume->view.number &&
	       (node->ping.flags & flag);
}

/*
 * It pings, as another life or another replica than the one that was meant, or
 * crashed before it had moved into the view, and can do nothing in it.
 */
static bool restarted(struct pv_volume *volume, const struct pv_member *member)
{
	const struct pv_node *node = node_of(volume, member);

	return replaced(volume, member) ||
	       (node->heard && node->ping.incarnation != member->incarnation) ||
	       says(volume, member, PV_PING_STANDS);
}

/* Only then it is let into the view that follows. */
static bool is_in_view(struct pv_volume *volume, const struct pv_member *member)
{
	return node_of(volume, member)->ping.view == volume->view.number;
}

/* It pings from the current view that it is all there, as that replica. */
static bool is_synced_here(struct pv_volume *volume,
			   const struct pv_member *member)
{
	const struct pv_node *node = node_of(volume, member);

	return node->heard && !replaced(volume, member) &&
	       is_in_view(volume, member) &&
	       node->ping.state == PB_REPLICA_SYNCED;
}

/*
 * Nothing is acknowledged without it.  If the view does not say so its primary
 * may have, or the backup: it is not told that it is synced before its primary
 * durably waits for it.
 */
static bool is_waited_for(struct pv_volume *volume,
			  const struct pv_member *backup)
{
	return backup->synced ||
	       says(volume, volume->view.members, PV_PING_BACKUP_SYNCED) ||
	       is_synced_here(volume, backup);
}

/* Backups that had to be left out */

u64 pv_left_alone(const struct pv_volume *volume, u32 index, u64 now)
{
	const struct pv_node *node = &volume->nodes[index];
	const struct pv_member *primary = volume->view.members;

	/* What one primary could not reach another may, also in another life. */
	if (!volume->view.nr || node->left_by != primary->node ||
	    node->left_life != primary->incarnation || now >= node->left_until)
		return 0;
	return node->left_until - now;
}

static void forgive(struct pv_node *node)
{
	node->drops = 0;
	node->left_until = 0;
	node->left_ms = 0;
	node->synced_at = 0;
}

/* Twice as long each time, see Documentation/views.rst. */
static u64 time_left_alone(const struct pv_volume *volume, u32 times)
{
	u64 ms = volume->retry_ms;
	u64 most = ms > PV_RETRY_MAX_MS ? ms : PV_RETRY_MAX_MS;

	if (!times)
		return 0;
	while (--times && ms < most)
		ms *= 2;
	return ms < most ? ms : most;
}

/* One that was only silent once need not wait. */
static void leave_alone(struct pv_volume *volume, enum pv_why why, u64 now)
{
	const struct pv_member *primary = volume->view.members;
	struct pv_node *node = node_of(volume, backup_of(volume));

	if (why != PV_WHY_BACKUP_UNREACHABLE && why != PV_WHY_BACKUP_DEAD)
		return;
	if (node->left_by != primary->node ||
	    node->left_life != primary->incarnation ||
	    (node->synced_at && now - node->synced_at >= node->left_ms))
		forgive(node);
	node->drops++;
	node->left_ms = time_left_alone(volume, node->drops -
					(why == PV_WHY_BACKUP_DEAD));
	node->left_by = primary->node;
	node->left_life = primary->incarnation;
	node->left_until = now + node->left_ms;
	node->synced_at = 0;
}

/* The making of views */

static void add_member(struct pv_volume *volume, struct pv_view *view, u32 node,
		       bool synced)
{
	struct pv_member *member = &view->members[view->nr++];

	member->node = node;
	member->synced = synced;
	memcpy(member->replica, volume->nodes[node].ping.replica, PB_UUID_LEN);
	member->incarnation = volume->nodes[node].ping.incarnation;
}

/* As it was: if it has restarted meanwhile that is seen after this view. */
static void keep_member(struct pv_view *view, const struct pv_member *member,
			bool synced)
{
	view->members[view->nr] = *member;
	view->members[view->nr++].synced = synced;
}

static bool is_member(const struct pv_view *view, u32 node)
{
	u32 i;

	for (i = 0; i < view->nr; i++)
		if (view->members[i].node == node)
			return true;
	return false;
}

/* May it be the backup of the primary of a view in the making? */
static bool may_be_backup(struct pv_volume *volume, const struct pv_view *view,
			  u32 index, u64 now)
{
	const struct pv_node *node = &volume->nodes[index];
	const struct pv_member *primary = &view->members[0];

	if (is_member(view, index) || !here(volume, index, now) ||
	    failed(node) || node->older_image || node->evicted)
		return false;
	/* A copied disk. */
	if (!memcmp(node->ping.replica, primary->replica, PB_UUID_LEN))
		return false;
	if (primary->node == volume->view.members[0].node &&
	    pv_left_alone(volume, index, now))
		return false;
	return node_of(volume, primary)->ping.reaches >> index & 1;
}

/* One that has some of the data first. */
static u32 find_idle(struct pv_volume *volume, const struct pv_view *view,
		     u64 now)
{
	u32 i, blank = PV_NO_NODE;

	for (i = 0; i < volume->nr_nodes; i++) {
		const struct pv_node *node = &volume->nodes[i];

		if (!may_be_backup(volume, view, i, now))
			continue;
		if (node->ping.state != PB_REPLICA_BLANK)
			return i;
		if (blank == PV_NO_NODE)
			blank = i;
	}
	return blank;
}

static void add_idle(struct pv_volume *volume, struct pv_view *view, u64 now)
{
	u32 node = find_idle(volume, view, now);

	if (view->nr < PV_MAX_MEMBERS && node != PV_NO_NODE)
		add_member(volume, view, node, false);
}

static bool same_members(const struct pv_view *a, const struct pv_view *b)
{
	u32 i;

	if (a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (memcmp(a->members[i].replica, b->members[i].replica,
			   PB_UUID_LEN) ||
		    a->members[i].synced != b->members[i].synced)
			return false;
	return true;
}

static int install(struct pv_volume *volume, const struct pv_view *view,
		   enum pv_why why)
{
	volume->view = *view;
	volume->view.why = why;
	volume->acked = false;
	volume->handover = false;
	volume->handover_ends = 0;
	volume->since = 0;
	return 1;
}

static struct pv_view begin_view(const struct pv_volume *volume)
{
	return (struct pv_view) { .number = volume->view.number + 1 };
}

/* What may follow */

/* It says that it holds everything: no other may be primary. */
static bool holds_all(struct pv_volume *volume, const struct pv_member *member)
{
	const struct pv_node *node = node_of(volume, member);

	return node->heard && node->ping.state == PB_REPLICA_SYNCED;
}

/* It does what it was made a member for, by its own copy. */
static bool serves(struct pv_volume *volume, const struct pv_member *member,
		   u64 now)
{
	return !pv_dead(volume, member->node, now) &&
	       !restarted(volume, member) && !failed(node_of(volume, member));
}

static bool is_well(struct pv_volume *volume, const struct pv_member *member,
		    u64 now)
{
	return serves(volume, member, now) &&
	       !node_of(volume, member)->evicted;
}

/* There is a backup that could replace the primary at once. */
static bool has_relief(struct pv_volume *volume, u64 now)
{
	const struct pv_member *backup = backup_of(volume);

	return backup && backup->synced && heard(volume, backup->node) &&
	       is_well(volume, backup, now);
}

static enum pv_why why_not_primary(struct pv_volume *volume,
				   const struct pv_member *primary, u64 now)
{
	const struct pv_node *node = node_of(volume, primary);

	if (node->evicted)
		return PV_WHY_EVICTED;
	if (pv_dead(volume, primary->node, now))
		return PV_WHY_PRIMARY_DEAD;
	if (failed(node))
		return PV_WHY_PRIMARY_FAILED;
	return restarted(volume, primary) ? PV_WHY_PRIMARY_RESTARTED :
					    PV_WHY_PRIMARY_ABSENT;
}

static int promote(struct pv_volume *volume, u64 now)
{
	const struct pv_member *members = volume->view.members;
	struct pv_view next = begin_view(volume);

	/* In the life that it is in: whether it crashed is settled by this. */
	add_member(volume, &next, members[1].node, true);
	add_idle(volume, &next, now);
	return install(volume, &next, why_not_primary(volume, members, now));
}

/*
 * The primary was set up again, and nobody can replace it.  Alone it goes on in
 * the view as it is.  If the view has another synced member, or it waited for
 * one, it cannot, since the two may differ.
 */
static int resume(struct pv_volume *volume, u64 now)
{
	struct pv_member *primary = volume->view.members;
	struct pv_member *backup = backup_of(volume);
	struct pv_view next = begin_view(volume);
	struct pv_node *node = node_of(volume, primary);

	if (replaced(volume, primary))
		return 0;
	if (!backup || !backup->synced) {
		if (node->ping.view != volume->view.number)
			return 0;
		if (!(node->ping.flags & PV_PING_STANDS)) {
			primary->incarnation = node->ping.incarnation;
			return 1;
		}
		if (!backup)
			return 0;
	}
	add_member(volume, &next, primary->node, true);
	if (backup->synced)
		add_idle(volume, &next, now);
	return install(volume, &next, PV_WHY_PRIMARY_RESTARTED);
}

/* It was set up again, and its disk is as good as it can be then. */
static bool is_back(struct pv_volume *volume, const struct pv_member *primary,
		    u64 now)
{
	const struct pv_node *node = node_of(volume, primary);

	/* One that served by its backup's copy alone says that it is not synced. */
	return here(volume, primary->node, now) && !failed(node) &&
	       holds_all(volume, primary) && restarted(volume, primary);
}

/* @back: so is the primary, which comes first if both were set up again. */
static bool may_replace(struct pv_volume *volume,
			const struct pv_member *backup, bool back, u64 now)
{
	const struct pv_node *node = node_of(volume, backup);

	if (is_well(volume, backup, now))
		return true;
	return !back && holds_all(volume, backup) &&
	       here(volume, backup->node, now) && !failed(node) &&
	       !node->evicted && !replaced(volume, backup);
}

/* Who has not moved into the view by now will not. */
static bool is_late(const struct pv_volume *volume, u64 now)
{
	return now - volume->since > volume->handover_ms;
}

static int without_primary(struct pv_volume *volume, u32 speaker, u64 now)
{
	struct pv_member *primary = volume->view.members;
	struct pv_member *backup = backup_of(volume);
	bool back = is_back(volume, primary, now);

	if (backup && is_waited_for(volume, backup)) {
		/* It may be well, and has not been heard yet. */
		if (!heard(volume, backup->node) &&
		    !pv_dead(volume, backup->node, now))
			return 0;
		if (may_replace(volume, backup, back, now)) {
			if (is_in_view(volume, backup))
				return speaker == backup->node ?
				       promote(volume, now) : 0;
			if (!is_late(volume, now))
				return 0;
		}
	}
	return back && speaker == primary->node ? resume(volume, now) : 0;
}

/*
 * The primary has not moved into the view, and may never.  The backup can replace
 * it if nothing was acknowledged without it.
 */
static int without_ack(struct pv_volume *volume, u32 speaker, u64 now)
{
	struct pv_member *primary = volume->view.members;
	struct pv_member *backup = backup_of(volume);
	bool late = is_late(volume, now);
	bool back = is_back(volume, primary, now) && !late;

	if (!backup || speaker != backup->node ||
	    !is_waited_for(volume, backup) || !is_in_view(volume, backup))
		return 0;
	if (!late && serves(volume, primary, now))
		return 0;
	return may_replace(volume, backup, back, now) ? promote(volume, now) : 0;
}

/* An evicted primary goes when there is somebody to replace it. */
static bool primary_stays(struct pv_volume *volume, u64 now)
{
	const struct pv_member *primary = volume->view.members;

	return serves(volume, primary, now) &&
	       (!node_of(volume, primary)->evicted ||
		!has_relief(volume, now));
}

/* The backup has to go, and why; PV_WHY_NONE if not. */
static enum pv_why why_not_backup(struct pv_volume *volume,
				  const struct pv_member *backup, u64 now)
{
	const struct pv_member *primary = volume->view.members;
	const struct pv_node *node = node_of(volume, backup);

	if (node->evicted)
		return PV_WHY_EVICTED;
	if (pv_dead(volume, backup->node, now))
		return PV_WHY_BACKUP_DEAD;
	if (failed(node))
		return PV_WHY_BACKUP_FAILED;
	if (replaced(volume, backup))
		return PV_WHY_BACKUP_REPLACED;
	if (says(volume, primary, PV_PING_UNREACHABLE))
		return PV_WHY_BACKUP_UNREACHABLE;
	/* It may lack what the primary waits for: it has to come in anew. */
	if (!backup->synced && restarted(volume, backup) &&
	    (says(volume, primary, PV_PING_BACKUP_SYNCED) ||
	     says(volume, backup, PV_PING_STANDS)))
		return PV_WHY_BACKUP_RESTARTED;
	return PV_WHY_NONE;
}

static int drop_backup(struct pv_volume *volume, enum pv_why why, u64 now)
{
	struct pv_view next = begin_view(volume);

	leave_alone(volume, why, now);
	keep_member(&next, &volume->view.members[0], true);
	/* One that restarted could be found again, for the very same view. */
	if (why != PV_WHY_BACKUP_RESTARTED)
		add_idle(volume, &next, now);
	return install(volume, &next, why);
}

static int backup_restarted(struct pv_volume *volume)
{
	struct pv_member *members = volume->view.members;
	struct pv_view next = begin_view(volume);

	keep_member(&next, &members[0], true);
	add_member(volume, &next, members[1].node, false);
	return install(volume, &next, PV_WHY_BACKUP_RESTARTED);
}

static int with_backup(struct pv_volume *volume, u32 speaker, u64 now)
{
	struct pv_member *members = volume->view.members;
	enum pv_why why = why_not_backup(volume, &members[1], now);
	struct pv_view next = begin_view(volume);

	if (why == PV_WHY_NONE && !members[1].synced &&
	    restarted(volume, &members[1])) {
		/* It begins anew, in the same view. */
		members[1].incarnation = node_of(volume, &members[1])->ping.incarnation;
		return 1;
	}
	if (speaker != members[0].node)
		return 0;
	if (why != PV_WHY_NONE)
		return drop_backup(volume, why, now);
	if (restarted(volume, &members[1]))
		return backup_restarted(volume);
	if (members[1].synced || !says(volume, members, PV_PING_BACKUP_SYNCED))
		return 0;
	keep_member(&next, &members[0], true);
	keep_member(&next, &members[1], true);
	node_of(volume, &members[1])->synced_at = now;
	return install(volume, &next, PV_WHY_BACKUP_SYNCED);
}

static int without_backup(struct pv_volume *volume, u32 speaker, u64 now)
{
	struct pv_view next = begin_view(volume);

	if (speaker != volume->view.members[0].node)
		return 0;
	keep_member(&next, volume->view.members, true);
	add_idle(volume, &next, now);
	if (next.nr == 1)
		return 0;
	return install(volume, &next, node_of(volume, &next.members[1])->drops ?
		       PV_WHY_BACKUP_RETRIED : PV_WHY_BACKUP_ADDED);
}

/* View 1. */
static int first_view(struct pv_volume *volume, u32 speaker)
{
	struct pv_view next = begin_view(volume);
	const struct pv_node *node;

	if (speaker == PV_NO_NODE)
		return 0;
	node = &volume->nodes[speaker];
	if (node->evicted || failed(node) ||
	    node->ping.state != PB_REPLICA_SYNCED)
		return 0;
	add_member(volume, &next, speaker, true);
	return install(volume, &next, PV_WHY_FIRST);
}

/* The old primary has finished, or will not. */
static int end_handover(struct pv_volume *volume, u64 now)
{
	const struct pv_member *old = &volume->view.members[1];
	const struct pv_node *node = node_of(volume, old);

	if (!volume->handover)
		return 0;
	if (!volume->handover_ends)
		volume->handover_ends = now + volume->handover_ms;
	if (node->ping.view != volume->view.number && now < volume->handover_ends &&
	    !pv_dead(volume, old->node, now) && !restarted(volume, old))
		return 0;
	volume->handover = false;
	volume->since = 0;
	return 1;
}

/*
 * A store that was put back may be an old one, and a node that has not been heard
 * of yet may know it: the first ping of a primary that was replaced must not make
 * another view of a number that there is already.
 */
static bool may_be_behind(struct pv_volume *volume, u64 now)
{
	bool unheard = false;
	u32 i;

	volume->behind = false;
	for (i = 0; i < volume->nr_nodes; i++) {
		const struct pv_node *node = &volume->nodes[i];

		if (node->evicted)
			continue;
		unheard |= !node->heard && !pv_dead(volume, i, now);
		volume->behind |= node->heard &&
				  node->ping.disk_view > volume->view.number;
	}
	return volume->behind ||
	       (unheard && volume->found && volume->found == volume->view.number);
}

static int next_view(struct pv_volume *volume, u32 speaker, u64 now)
{
	if (may_be_behind(volume, now))
		return 0;
	if (!volume->view.number)
		return first_view(volume, speaker);
	if (!volume->acked)
		return without_ack(volume, speaker, now);
	if (!primary_stays(volume, now))
		return without_primary(volume, speaker, now);
	return backup_of(volume) ? with_backup(volume, speaker, now) :
				   without_backup(volume, speaker, now);
}

/* @speaker: who pings, or PV_NO_NODE. */
static int decide(struct pv_volume *volume, u32 speaker, u64 now)
{
	u64 number = volume->view.number;
	int changed = end_handover(volume, now);

	if (!volume->since)
		volume->since = now;
	/* What changes within a view may make the next one possible. */
	while (number == volume->view.number &&
	       next_view(volume, speaker, now))
		changed = 1;
	return changed;
}

/* Events */

static int check_ping(const struct pv_volume *volume,
		      const struct pv_ping *ping)
{
	if (ping->node >= volume->nr_nodes || pb_uuid_zero(ping->replica) ||
	    !ping->incarnation || ping->view > ping->disk_view ||
	    ping->disk_view > PV_MAX_VIEW ||
	    ping->state > PB_REPLICA_SYNCED || ping->flags & ~PV_PING_FLAGS)
		return -EINVAL;
	return 0;
}

/* The latest that is known of the replica that pings. */
static u64 known_of(const struct pv_volume *volume, const struct pv_ping *ping)
{
	const struct pv_node *node = &volume->nodes[ping->node];
	const struct pv_view *view = &volume->view;
	u32 i;

	if (node->heard && !memcmp(ping->replica, node->ping.replica, PB_UUID_LEN))
		return node->ping.incarnation;
	for (i = 0; i < view->nr; i++)
		if (!memcmp(ping->replica, view->members[i].replica,
			    PB_UUID_LEN))
			return view->members[i].incarnation;
	return 0;
}

/* Does it count? */
static bool takes(struct pv_volume *volume, const struct pv_ping *ping)
{
	struct pv_node *node = &volume->nodes[ping->node];

	if (node->heard && ping->seq <= node->ping.seq)
		return false;
	if (!pb_incarnation_older(ping->incarnation, known_of(volume, ping)))
		return true;
	node->older_image = true;
	return false;
}

/* Nobody was heard for so long that all count as dead. */
static bool all_silent(const struct pv_volume *volume, u64 now)
{
	u32 i;

	for (i = 0; i < volume->nr_nodes; i++)
		if (!pv_dead(volume, i, now))
			return false;
	return true;
}

/* A server that stood still may have heard nobody because of that. */
static void note_time(struct pv_volume *volume, u64 now)
{
	if (!volume->latest || now - volume->latest > volume->stall_ms) {
		volume->began = now;
		volume->since = now;
	}
	volume->latest = now;
}

static void note(struct pv_node *node, const struct pv_ping *ping, u64 now)
{
	/* Another life, another try. */
	if (node->ping.incarnation != ping->incarnation ||
	    memcmp(node->ping.replica, ping->replica, PB_UUID_LEN))
		forgive(node);
	node->heard = true;
	node->when = now;
	node->ping = *ping;
	node->older_image = false;
}

int pv_ping(struct pv_volume *volume, const struct pv_ping *ping, u64 now)
{
	const struct pv_view *view = &volume->view;
	int ret = check_ping(volume, ping), changed = 0;

	if (ret)
		return ret;
	if (!takes(volume, ping))
		return -ESTALE;
	note_time(volume, now);
	/* More likely it was cut off itself than that they all died. */
	if (all_silent(volume, now))
		volume->began = now;
	note(&volume->nodes[ping->node], ping, now);
	/* The primary has moved into its view. */
	if (view->number && view->number == ping->view &&
	    view->members[0].node == ping->node &&
	    !replaced(volume, view->members)) {
		changed = !volume->acked;
		volume->acked = true;
	}
	return decide(volume, ping->node, now) | changed;
}

int pv_tick(struct pv_volume *volume, u64 now)
{
	note_time(volume, now);
	return decide(volume, PV_NO_NODE, now);
}

void pv_answer(const struct pv_volume *volume, u32 node, struct pv_view *view)
{
	*view = volume->view;
	if (!volume->handover || node == view->members[1].node)
		return;
	view->number--;
	view->members[0] = volume->view.members[1];
	view->members[1] = volume->view.members[0];
}

int pv_switch(struct pv_volume *volume, u32 node, u64 now, const char **why)
{
	const struct pv_member *members = volume->view.members;
	struct pv_view next = begin_view(volume);

	if (volume->view.number && members[0].node == node)
		return 0;
	if (volume->behind || !volume->acked) {
		*why = "the current view is not acknowledged by its primary yet";
		return -EAGAIN;
	}
	if (volume->view.nr < 2 || members[1].node != node ||
	    !members[1].synced) {
		*why = "it is not a synced backup";
		return -EUCLEAN;
	}
	if (!here(volume, members[0].node, now) ||
	    !is_well(volume, &members[0], now) ||
	    !is_well(volume, &members[1], now) ||
	    volume->nodes[node].ping.view != volume->view.number ||
	    says(volume, members, PV_PING_UNREACHABLE)) {
		*why = "the primary or the backup is not well, or they have no connection";
		return -EHOSTDOWN;
	}
	keep_member(&next, &members[1], true);
	keep_member(&next, &members[0], true);
	install(volume, &next, PV_WHY_SWITCHED);
	node_of(volume, &next.members[1])->synced_at = now;
	volume->handover = true;
	volume->handover_ends = now + volume->handover_ms;
	return 1;
}

int pv_evict(struct pv_volume *volume, u32 node, u64 now, const char **why)
{
	if (node >= volume->nr_nodes) {
		*why = "no such node";
		return -EINVAL;
	}
	if (volume->nodes[node].evicted)
		return 0;
	if (volume->view.number && volume->view.members[0].node == node &&
	    !has_relief(volume, now)) {
		*why = "it is the primary, and no synced backup can replace it";
		return -EUCLEAN;
	}
	volume->nodes[node].evicted = true;
	decide(volume, PV_NO_NODE, now);
	return 1;
}

int pv_add(struct pv_volume *volume, u32 node, u64 now)
{
	if (node >= volume->nr_nodes)
		return -EINVAL;
	forgive(&volume->nodes[node]);
	if (!volume->nodes[node].evicted)
		return 0;
	volume->nodes[node].evicted = false;
	decide(volume, PV_NO_NODE, now);
	return 1;
}

/* There is a primary, as far as is known, and it is in its view. */
static bool is_reigning(struct pv_volume *volume, u64 now)
{
	const struct pv_member *primary = volume->view.members;

	return volume->view.number && !volume->behind &&
	       here(volume, primary->node, now) &&
	       serves(volume, primary, now) &&
	       is_in_view(volume, primary);
}

int pv_force(struct pv_volume *volume, u32 node, u64 now, const char **why)
{
	struct pv_view next = begin_view(volume);
	u32 i;

	if (node >= volume->nr_nodes) {
		*why = "no such node";
		return -EINVAL;
	}
	if (!here(volume, node, now)) {
		*why = "it is not heard of";
		return -EHOSTDOWN;
	}
	if (volume->nodes[node].ping.state == PB_REPLICA_BLANK) {
		*why = "a blank replica holds nothing to be primary with";
		return -ENODATA;
	}
	if (is_reigning(volume, now) && volume->view.members[0].node != node) {
		*why = "the primary is well, and both would serve: take the volume down there first";
		return -EBUSY;
	}
	/* Also above what any replica knows: this state may be an old one. */
	for (i = 0; i < volume->nr_nodes; i++)
		if (volume->nodes[i].heard &&
		    volume->nodes[i].ping.disk_view >= next.number)
			next.number = volume->nodes[i].ping.disk_view + 1;
	if (next.number > PV_MAX_VIEW) {
		*why = "a replica knows a view number that none can follow";
		return -ERANGE;
	}
	add_member(volume, &next, node, true);
	if (same_members(&next, &volume->view)) {
		*why = "it is the primary, and alone, in the current view";
		return -EALREADY;
	}
	volume->nodes[node].evicted = false;
	return install(volume, &next, PV_WHY_FORCED);
}

u32 pv_next_best(const struct pv_volume *volume, u64 now)
{
	u32 i, best = PV_NO_NODE;

	for (i = 0; i < volume->nr_nodes; i++) {
		const struct pv_node *node = &volume->nodes[i];
		const struct pv_ping *than;

		if (!here(volume, i, now) || failed(node) ||
		    node->older_image || node->ping.state == PB_REPLICA_BLANK ||
		    (volume->view.nr && volume->view.members[0].node == i))
			continue;
		if (best == PV_NO_NODE) {
			best = i;
			continue;
		}
		than = &volume->nodes[best].ping;
		if (node->ping.state != than->state ?
		    node->ping.state == PB_REPLICA_SYNCED ||
		    (node->ping.state == PB_REPLICA_STALE &&
		     than->state != PB_REPLICA_SYNCED) :
		    node->ping.disk_view > than->disk_view)
			best = i;
	}
	return best;
}

const char *pv_why_text(u32 why)
{
	static const char *const text[PV_WHY_NR] = {
		[PV_WHY_NONE]			= "no view yet",
		[PV_WHY_FIRST]			= "the first replica with the volume's data",
		[PV_WHY_PRIMARY_DEAD]		= "the primary was silent",
		[PV_WHY_PRIMARY_RESTARTED]	= "the primary restarted",
		[PV_WHY_PRIMARY_FAILED]		= "the primary's disk failed",
		[PV_WHY_BACKUP_DEAD]		= "the backup was silent",
		[PV_WHY_BACKUP_UNREACHABLE]	= "the primary could not reach the backup",
		[PV_WHY_BACKUP_RESTARTED]	= "the backup restarted",
		[PV_WHY_BACKUP_FAILED]		= "the backup's disk failed",
		[PV_WHY_BACKUP_REPLACED]	= "the backup came back with another replica",
		[PV_WHY_BACKUP_SYNCED]		= "the backup is up to date",
		[PV_WHY_BACKUP_ADDED]		= "an idle node became the backup",
		[PV_WHY_SWITCHED]		= "an operator switched the roles",
		[PV_WHY_EVICTED]		= "an operator evicted a member",
		[PV_WHY_FORCED]			= "an operator forced it: data may be lost",
		[PV_WHY_PRIMARY_ABSENT]		= "the primary did not move into the view",
		[PV_WHY_BACKUP_RETRIED]		= "a backup that was left alone is tried again",
	};

	return why < PV_WHY_NR ? text[why] : "unknown";
}
