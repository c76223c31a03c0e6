// SPDX-License-Identifier: GPL-2.0
/*
 * A volume on this node: what it is like is said to the view server, and the
 * views that come back are told to the kernel, in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

void pv_local_kick(struct pv_local *local)
{
	pthread_mutex_lock(&local->lock);
	local->kicked = true;
	pthread_cond_signal(&local->wake);
	pthread_mutex_unlock(&local->lock);
}

/* The same complaint is logged once. */
static void complain(struct pv_local *local, const char *text)
{
	if (!strcmp(local->last_error, text))
		return;
	snprintf(local->last_error, sizeof(local->last_error), "%s", text);
	if (*text)
		pv_log(SD_WARNING, "%s: %s", local->config->name, text);
}

/* Its device */

/* The others are not asked: one of them may not answer. */
static bool has_name(const struct pb_ioc_dev *dev, const char *name)
{
	char path[64], found[PB_DM_NAME_LEN + 1] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", dev->major,
		 dev->minor);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(found, sizeof(found), file))
		found[0] = 0;
	fclose(file);
	found[strcspn(found, "\n")] = 0;
	return !strcmp(found, name);
}

static int find_dev(struct pv_local *local, struct pb_ioc_status *status,
		    struct pb_error *err)
{
	struct pb_ioc_dev *devs;
	size_t i, nr;
	int ret = pb_ctl_list(&local->daemon->ctl, &devs, &nr, err);

	if (ret)
		return ret;
	ret = pb_fail(err, -ENODEV, "%s is not set up", local->config->name);
	for (i = 0; ret && i < nr; i++) {
		if (!has_name(&devs[i], local->config->name))
			continue;
		if (memcmp(devs[i].volume, local->config->uuid, PB_UUID_LEN))
			ret = pb_fail(err, -ENODEV,
				      "device %s is another volume, not %s",
				      local->config->name, local->config->name);
		else
			ret = pb_ctl_status(&local->daemon->ctl, &devs[i],
					    status, err);
	}
	free(devs);
	return ret;
}

/* Only by the volume's own thread. */
static int ask_kernel(struct pv_local *local, struct pb_ioc_status *status,
		      struct pb_error *err)
{
	if (local->dev.major &&
	    !pb_ctl_status(&local->daemon->ctl, &local->dev, status, err))
		return 0;
	return find_dev(local, status, err);
}

int pv_local_status(struct pv_local *local, struct pb_ioc_status *status,
		    struct pb_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&local->lock);
	if (!local->has_say)
		ret = pb_fail(err, -ENODEV, "%s is not set up on node %s",
			      local->config->name,
			      local->daemon->config->node);
	else if (pb_boot_ms() - local->looked > PV_FRESH_MS)
		ret = pb_fail(err, -ETIMEDOUT,
			      "%s on node %s does not answer",
			      local->config->name,
			      local->daemon->config->node);
	else
		*status = local->status;
	pthread_mutex_unlock(&local->lock);
	return ret;
}

/* What there is to say */

static bool has_backup(const struct pb_ioc_status *status)
{
	return status->role == PB_ROLE_PRIMARY && status->view.nr_members > 1;
}

static bool is_linked(const struct pb_ioc_status *status)
{
	return has_backup(status) && status->downstream.state == PB_LINK_UP;
}

/* What a probe of its node said before does not help a primary without a link. */
static void forget_reached(struct pv_local *local, const char *node)
{
	int peer = pb_config_replica(local->config, node);

	pthread_mutex_lock(&local->lock);
	if (peer >= 0 && local->reached[peer] < local->linked)
		local->reached[peer] = 0;
	pthread_mutex_unlock(&local->lock);
}

/* While nobody waits for it a backup has time to be connected to at all. */
static u64 patience_ms(const struct pv_local *local,
		       const struct pb_ioc_status *status)
{
	bool waited_for = status->view.members[1].flags & PB_MEMBER_SYNCED;

	return local->config->timeout_ms +
	       (waited_for || local->was_linked ? 0 : PV_DIAL_MS);
}

/*
 * Nothing was heard of it for so long, in this view.  A backup that is dead is
 * not waited for like this: its pings are missed sooner.
 */
static bool is_unreachable(struct pv_local *local,
			   const struct pb_ioc_status *status)
{
	u64 now = pb_boot_ms();

	/* While leases that it gave are not over the kernel lets no backup in. */
	if (!has_backup(status) || status->hold_left_ms ||
	    local->linked_view != status->view.number) {
		local->linked_view = status->view.number;
		local->linked = now;
		local->was_linked = false;
	} else if (is_linked(status)) {
		local->linked = now - status->downstream.silent_ms;
		local->was_linked = true;
	}
	if (now - local->linked <= patience_ms(local, status))
		return false;
	forget_reached(local, status->view.members[1].name);
	return true;
}

static u32 flags_of(struct pv_local *local, const struct pb_ioc_status *status)
{
	u32 flags = 0;

	if (status->flags & PB_STATUS_STANDS)
		flags |= PV_PING_STANDS;
	if (status->flags & (PB_STATUS_DISK_FAILED | PB_STATUS_META_FAILED |
			     PB_STATUS_THROUGH_BACKUP))
		flags |= PV_PING_FAILED;
	if (is_unreachable(local, status))
		flags |= PV_PING_UNREACHABLE;
	if (has_backup(status) && status->sync.state == PB_SYNC_SYNCED)
		flags |= PV_PING_BACKUP_SYNCED;
	return flags;
}

/* It has taken this view, or was told that it is the current one, in this life. */
static u64 view_of(const struct pv_local *local,
		   const struct pb_ioc_status *status)
{
	u64 number = status->view.number;
	bool moved = status->role == PB_ROLE_IDLE ||
		     status->role == PB_ROLE_BACKUP ||
		     status->role == PB_ROLE_PRIMARY ||
		     (status->flags & PB_STATUS_STANDS);

	return moved || local->told == number ? number : 0;
}

/* Whom it is connected to, by whoever began that, needs no probe. */
static void note_linked(struct pv_local *local, const struct pb_link *link)
{
	int peer = link->state == PB_LINK_UP ?
		   pb_config_replica(local->config, link->name) : -1;

	if (peer >= 0)
		local->reached[peer] = pb_boot_ms();
}

static void add_reaches(const struct pv_local *local, struct pv_say *say)
{
	u64 now = pb_boot_ms();
	u32 i;

	for (i = 0; i < local->config->nr_replicas; i++)
		if (local->reached[i] && now - local->reached[i] < PV_REACHED_MS)
			memcpy(say->reaches[say->nr_reaches++],
			       local->config->replicas[i].node, PB_NAME_LEN);
}

static void make_say(struct pv_local *local,
		     const struct pb_ioc_status *status, struct pv_say *say)
{
	const struct pb_view *view = &status->view;

	memset(say, 0, sizeof(*say));
	memcpy(say->volume, local->config->uuid, PB_UUID_LEN);
	memcpy(say->ping.replica, status->replica, PB_UUID_LEN);
	say->ping.incarnation = status->incarnation;
	say->ping.disk_view = view->number;
	say->ping.view = view_of(local, status);
	say->ping.state = status->replica_state;
	say->ping.flags = flags_of(local, status);
	if (status->sync.state != PB_SYNC_OFF &&
	    status->sync.left <= status->sync.total) {
		say->sync_total = status->sync.total;
		say->sync_left = status->sync.left;
	}
	if (local->last_error[0])
		pb_printable(say->reason, sizeof(say->reason),
			     local->last_error, sizeof(local->last_error));
	else if (has_backup(status) && !is_linked(status))
		pb_printable(say->reason, sizeof(say->reason),
			     status->downstream.reason, PB_REASON_LEN);
	pthread_mutex_lock(&local->lock);
	note_linked(local, &status->upstream);
	note_linked(local, &status->downstream);
	add_reaches(local, say);
	pthread_mutex_unlock(&local->lock);
}

/* Does the server have to know at once? */
static bool is_news(const struct pv_say *before, const struct pv_say *now)
{
	return before->ping.incarnation != now->ping.incarnation ||
	       before->ping.view != now->ping.view ||
	       before->ping.disk_view != now->ping.disk_view ||
	       before->ping.state != now->ping.state ||
	       before->ping.flags != now->ping.flags ||
	       before->nr_reaches != now->nr_reaches;
}

/* @status is NULL if it is not set up. */
static void publish(struct pv_local *local, const struct pb_ioc_status *status)
{
	struct pv_say say;
	bool news;

	if (status)
		make_say(local, status, &say);
	pthread_mutex_lock(&local->lock);
	news = local->has_say != !!status ||
	       (status && is_news(&local->say, &say));
	local->has_say = status;
	local->looked = pb_boot_ms();
	if (status) {
		local->say = say;
		local->status = *status;
	}
	pthread_mutex_unlock(&local->lock);
	if (news)
		pv_ping_now(local->daemon);
}

/* Views */

static void make_view(const struct pv_order *order, struct pb_view *view)
{
	u32 i;

	view->number = order->number;
	view->nr_members = order->nr;
	for (i = 0; i < order->nr; i++) {
		memcpy(view->members[i].replica, order->replicas[i],
		       PB_UUID_LEN);
		memcpy(view->members[i].name, order->nodes[i], PB_NAME_LEN);
		view->members[i].flags = order->synced[i] ? PB_MEMBER_SYNCED : 0;
	}
}

static void obey(struct pv_local *local, const struct pv_order *order,
		 const struct pb_ioc_status *status)
{
	struct pb_ioc_view arg = { .dev = status->dev };
	bool same = order->number == status->view.number;
	struct pb_error err;
	char text[512];
	int ret;

	pv_log(SD_DEBUG, "%s: told of view %llu", local->config->name,
	       (unsigned long long)order->number);
	make_view(order, &arg.view);
	if (order->force &&
	    !memcmp(order->replicas[0], status->replica, PB_UUID_LEN))
		arg.flags = PB_VIEW_FORCE_DATA_MAY_BE_LOST;
	ret = pb_ctl_set_view(&local->daemon->ctl, &arg, &err);
	/* One that crashed can do nothing in the view that it was in, but knows it. */
	if (!ret || (ret == -EUCLEAN && same))
		local->told = order->number;
	if (!ret) {
		complain(local, "");
		pv_log(SD_NOTICE, "%s: view %llu: %s", local->config->name,
		       (unsigned long long)order->number,
		       pv_why_text(order->why));
	} else {
		snprintf(text, sizeof(text), "view %llu: %s",
			 (unsigned long long)order->number, err.text);
		complain(local, text);
	}
}

static void note_role(struct pv_local *local,
		      const struct pb_ioc_status *status)
{
	struct pb_error err;

	if (status->role == local->role)
		return;
	local->role = status->role;
	pv_log(SD_NOTICE, "%s: %s", local->config->name,
	       pb_role_name(status->role));
	if (local->dev.major &&
	    pb_dm_announce(&status->dev, status->role, &err))
		pv_log(SD_WARNING, "%s: udev is not told of the role: %s",
		       local->config->name, err.text);
	pv_hook(local, status->role, status->view.number);
}

/*
 * Tells the kernel what it has not been told; returns whether it did.  If it
 * refuses a view it is told the next one all the same: that may be the one that
 * lets it go on, and the kernel judges each.
 */
static bool obey_all(struct pv_local *local, struct pb_ioc_status *status)
{
	struct pv_order orders[PV_TALK_VIEWS];
	bool told = false;
	struct pb_error err;
	u32 i, nr;

	pthread_mutex_lock(&local->lock);
	nr = local->nr_orders;
	memcpy(orders, local->orders, sizeof(orders));
	pthread_mutex_unlock(&local->lock);
	for (i = 0; i < nr; i++) {
		if (orders[i].number < status->view.number ||
		    orders[i].number == view_of(local, status))
			continue;
		told = true;
		obey(local, &orders[i], status);
		/* It may be gone, and another device have its number. */
		if (ask_kernel(local, status, &err) ||
		    status->incarnation != local->incarnation)
			break;
		/* Hooks hear also of a role that the next order ends. */
		note_role(local, status);
	}
	return told;
}

static void set_dev(struct pv_local *local, const struct pb_ioc_status *status,
		    bool there)
{
	pthread_mutex_lock(&local->lock);
	local->dev = there ? status->dev : (struct pb_ioc_dev){ 0 };
	if (!there || local->incarnation != status->incarnation) {
		local->told = 0;
		local->nr_orders = 0;
	}
	local->incarnation = there ? status->incarnation : 0;
	pthread_mutex_unlock(&local->lock);
}

/*
 * Once for each set-up, and when the daemon begins: an operator may want another
 * one for a while.
 */
static void set_policy(struct pv_local *local,
		       const struct pb_ioc_status *status)
{
	struct pb_ioc_policy arg = {
		.dev = status->dev,
		.policy = local->config->policy,
	};
	struct pb_error err;

	if (status->policy != arg.policy &&
	    pb_ctl_set_policy(&local->daemon->ctl, &arg, &err))
		complain(local, err.text);
}

static void look(struct pv_local *local)
{
	struct pb_ioc_status status = { .role = PB_ROLE_UNCONFIRMED };
	struct pb_error err;
	int ret;

	ret = ask_kernel(local, &status, &err);
	if (!ret && local->incarnation != status.incarnation)
		set_policy(local, &status);
	set_dev(local, &status, !ret);
	if (ret) {
		complain(local, err.text);
		status.role = PB_ROLE_UNCONFIRMED;
		note_role(local, &status);
		publish(local, NULL);
		return;
	}
	publish(local, &status);
	if (obey_all(local, &status) && !ask_kernel(local, &status, &err))
		publish(local, &status);
	note_role(local, &status);
	pv_link_keep(local, &status);
}

/* One that is not set up is looked for now and then; an event tells sooner. */
#define ABSENT_MS	1000

static void *run(void *arg)
{
	struct pv_local *local = arg;
	u64 next;

	for (;;) {
		next = pb_boot_ms();
		look(local);
		next += local->dev.major ? local->daemon->config->ping_ms :
					   ABSENT_MS;
		pthread_mutex_lock(&local->lock);
		while (!local->kicked && pb_boot_ms() < next)
			pv_cond_wait(&local->wake, &local->lock, next);
		local->kicked = false;
		pthread_mutex_unlock(&local->lock);
	}
	return NULL;
}

int pv_local_start(struct pv_local *local)
{
	pthread_mutex_init(&local->lock, NULL);
	pv_cond_init(&local->wake);
	local->role = PB_ROLE_UNCONFIRMED;
	return pv_thread(run, local);
}
