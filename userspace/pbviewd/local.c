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

static int find_dev(struct pv_local *local, struct pb_ioc_dev *dev,
		    struct pb_ioc_status *status, struct pb_error *err)
{
	struct pb_ctl *ctl = &local->daemon->ctl;
	struct pb_ioc_dev *devs;
	size_t i, nr;
	int ret = pb_ctl_list(ctl, &devs, &nr, err);

	if (ret)
		return ret;
	ret = pb_fail(err, -ENODEV, "%s is not set up", local->config->name);
	for (i = 0; ret && i < nr; i++) {
		if (pb_ctl_status(ctl, &devs[i], status, err) ||
		    memcmp(status->volume, local->config->uuid, PB_UUID_LEN))
			continue;
		*dev = devs[i];
		ret = 0;
	}
	free(devs);
	return ret;
}

int pv_local_status(struct pv_local *local, struct pb_ioc_status *status,
		    struct pb_error *err)
{
	struct pb_ioc_dev dev;

	pthread_mutex_lock(&local->lock);
	dev = local->dev;
	pthread_mutex_unlock(&local->lock);
	if (dev.major &&
	    !pb_ctl_status(&local->daemon->ctl, &dev, status, err) &&
	    !memcmp(status->volume, local->config->uuid, PB_UUID_LEN))
		return 0;
	return find_dev(local, &dev, status, err);
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

/*
 * Nothing was heard of it for so long, in this view.  A backup that is dead is
 * not waited for like this: its pings are missed sooner.
 */
static bool is_unreachable(struct pv_local *local,
			   const struct pb_ioc_status *status)
{
	u64 now = pb_boot_ms();

	if (!has_backup(status) || local->linked_view != status->view.number) {
		local->linked_view = status->view.number;
		local->linked = now;
	} else if (is_linked(status)) {
		local->linked = now - status->downstream.silent_ms;
	}
	if (now - local->linked <= local->config->timeout_ms)
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
	int peer;

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
	memcpy(say->reason, status->reason, sizeof(say->reason));
	pthread_mutex_lock(&local->lock);
	if (is_linked(status)) {
		peer = pb_config_replica(local->config, view->members[1].name);
		if (peer >= 0)
			local->reached[peer] = pb_boot_ms();
	}
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

static void publish(struct pv_local *local, const struct pv_say *say)
{
	bool news;

	pthread_mutex_lock(&local->lock);
	news = local->has_say != !!say || (say && is_news(&local->say, say));
	local->has_say = say;
	local->looked = pb_boot_ms();
	if (say)
		local->say = *say;
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

/* Returns whether it makes sense to go on to the next one. */
static bool obey(struct pv_local *local, const struct pv_order *order,
		 struct pb_ioc_status *status)
{
	struct pb_ioc_view arg = { .dev = local->dev };
	bool same = order->number == status->view.number;
	struct pb_error err;
	char text[512];
	bool knows;
	int ret;

	make_view(order, &arg.view);
	/* An operator has asked for it, by a name that says what it means. */
	if (order->why == PV_WHY_FORCED &&
	    !memcmp(order->replicas[0], status->replica, PB_UUID_LEN))
		arg.flags = PB_VIEW_FORCE_DATA_MAY_BE_LOST;
	ret = pb_ctl_set_view(&local->daemon->ctl, &arg, &err);
	/* One that crashed can do nothing in the view that it was in, but knows it. */
	knows = !ret || (ret == -EUCLEAN && same);
	if (knows)
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
	return knows && !pb_ctl_status(&local->daemon->ctl, &local->dev, status,
				       &err);
}

/* Tells the kernel what it has not been told; returns whether it did. */
static bool obey_all(struct pv_local *local, struct pb_ioc_status *status)
{
	struct pv_order orders[PV_TALK_VIEWS];
	bool told = false;
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
		if (!obey(local, &orders[i], status))
			break;
	}
	return told;
}

static void note_role(struct pv_local *local,
		      const struct pb_ioc_status *status)
{
	if (status->role == local->role)
		return;
	local->role = status->role;
	pv_log(SD_NOTICE, "%s: %s", local->config->name,
	       pb_role_name(status->role));
	pv_hook(local, status->role, status->view.number);
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

/* Once for each set-up: an operator may want another one for a while. */
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
	struct pv_say say;
	int ret;

	ret = pv_local_status(local, &status, &err);
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
	make_say(local, &status, &say);
	publish(local, &say);
	if (obey_all(local, &status) &&
	    !pv_local_status(local, &status, &err)) {
		make_say(local, &status, &say);
		publish(local, &say);
	}
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
