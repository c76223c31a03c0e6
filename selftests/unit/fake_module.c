// SPDX-License-Identifier: GPL-2.0
/*
 * A module that is made up, for pbctl: linked with --wrap, so that all of pbctl
 * above the ioctls can be tried where no module is loaded.
 *
 * PB_WORLD names its volumes, separated by commas: see kinds[].  Each look at a
 * volume finds that it has done a little more.  PB_SAYS is why the last connection
 * ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libpb.h"

#define MAX_FAKES	8
#define FAKE_MAJOR	253

static unsigned int looks;
static u64 events;

static void name_link(struct pb_link *link, const char *name, u32 state)
{
	memset(link->peer, 0x22, PB_UUID_LEN);
	strcpy(link->name, name);
	link->state = state;
	link->connects = 1;
}

static void add_member(struct pb_view *view, u8 byte, const char *name,
		       u32 flags)
{
	struct pb_member *member = &view->members[view->nr_members++];

	memset(member->replica, byte, PB_UUID_LEN);
	strcpy(member->name, name);
	member->flags = flags;
}

static void make_pair(struct pb_ioc_status *status)
{
	status->role = PB_ROLE_PRIMARY;
	status->lease_left_ms = 300;
	status->in_flight = 2;
	add_member(&status->view, 0x11, "alpha", PB_MEMBER_SYNCED);
	add_member(&status->view, 0x22, "beta", PB_MEMBER_SYNCED);
	name_link(&status->downstream, "beta", PB_LINK_UP);
}

static void make_copying(struct pb_ioc_status *status)
{
	make_pair(status);
	status->view.members[1].flags = 0;
	status->lease_left_ms = 0;
	status->sync.state = PB_SYNC_COPY;
	status->sync.total = 1000 << 20;
	status->sync.left = 250 << 20;
	status->sync.seconds = 75;
}

static void make_cut(struct pb_ioc_status *status)
{
	make_pair(status);
	status->downstream.state = PB_LINK_NONE;
	strcpy(status->downstream.reason, "the peer was silent for 2000 ms");
	status->lease_left_ms = 0;
	status->held = 3;
	status->oldest_wait_ms = 12345;
}

static void make_old(struct pb_ioc_status *status)
{
	status->role = PB_ROLE_IDLE;
	status->replica_state = PB_REPLICA_STALE;
	add_member(&status->view, 0x22, "beta", PB_MEMBER_SYNCED);
}

static const struct {
	const char	*name;
	void		(*make)(struct pb_ioc_status *status);
} kinds[] = {
	{ "db", make_pair },
	{ "web", make_copying },
	{ "a-volume-cut-off", make_cut },
	{ "old", make_old },
};

/* The volumes of the world, by their kinds; -1 ends. */
static size_t world(int *found)
{
	const char *text = getenv("PB_WORLD") ?: "", *name;
	char copy[256];
	size_t nr = 0, i;

	snprintf(copy, sizeof(copy), "%s", text);
	for (name = strtok(copy, ","); name; name = strtok(NULL, ","))
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			if (!strcmp(name, kinds[i].name) && nr < MAX_FAKES)
				found[nr++] = i;
	return nr;
}

static void fill_dev(struct pb_ioc_dev *dev, int kind)
{
	dev->major = FAKE_MAJOR;
	dev->minor = kind;
	memset(dev->volume, 0xa0 + kind, PB_UUID_LEN);
}

/* What the linker puts into the places of libpb's. */

int __wrap_pb_ctl_open(struct pb_ctl *ctl, struct pb_error *err);
void __wrap_pb_ctl_close(struct pb_ctl *ctl);
int __wrap_pb_ctl_list(struct pb_ctl *ctl, struct pb_ioc_dev **devs, size_t *nr,
		       struct pb_error *err);
int __wrap_pb_ctl_status(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
			 struct pb_ioc_status *status, struct pb_error *err);
int __wrap_pb_ctl_next_event(struct pb_ctl *ctl, struct pb_event *event,
			     int timeout_ms, struct pb_error *err);
int __wrap_pb_dm_find(const char *spec, struct pb_ioc_dev *dev,
		      struct pb_error *err);
bool __wrap_pb_dm_name(const struct pb_ioc_dev *dev, char *name);

int __wrap_pb_ctl_open(struct pb_ctl *ctl, struct pb_error *err)
{
	if (!getenv("PB_WORLD"))
		return pb_fail(err, -ENODEV, "the dm-pb module is not loaded");
	memset(ctl, 0, sizeof(*ctl));
	ctl->fd = -1;
	ctl->info.api_version = PB_API_VERSION;
	strcpy(ctl->info.version, "9.8.7");
	return 0;
}

void __wrap_pb_ctl_close(struct pb_ctl *ctl)
{
	(void)ctl;
}

int __wrap_pb_ctl_list(struct pb_ctl *ctl, struct pb_ioc_dev **devs, size_t *nr,
		       struct pb_error *err)
{
	int found[MAX_FAKES];
	size_t i;

	(void)ctl;
	(void)err;
	*nr = world(found);
	*devs = calloc(*nr + 1, sizeof(**devs));
	for (i = 0; *devs && i < *nr; i++)
		fill_dev(&(*devs)[i], found[i]);
	return 0;
}

int __wrap_pb_ctl_status(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
			 struct pb_ioc_status *status, struct pb_error *err)
{
	unsigned int i;

	(void)ctl;
	(void)err;
	looks++;
	memset(status, 0, sizeof(*status));
	status->dev = *dev;
	fill_dev(&status->dev, dev->minor);
	strcpy(status->name, kinds[dev->minor].name);
	memset(status->replica, 0x11, PB_UUID_LEN);
	status->replica_state = PB_REPLICA_SYNCED;
	status->data_sectors = 1 << 21;
	status->capacity_sectors = 1 << 21;
	status->block_size = 512;
	status->incarnation = 0x10000;
	status->lease_ms = 400;
	status->view.number = 7;
	for (i = 0; i < PB_CNT_NR; i++)
		status->counters[i] = 1000000 * (u64)(i + 1) + 100 * looks;
	kinds[dev->minor].make(status);
	if (getenv("PB_SAYS"))
		snprintf(status->downstream.reason,
			 sizeof(status->downstream.reason), "%s",
			 getenv("PB_SAYS"));
	return 0;
}

int __wrap_pb_ctl_next_event(struct pb_ctl *ctl, struct pb_event *event,
			     int timeout_ms, struct pb_error *err)
{
	static const u32 types[] = {
		PB_EVENT_LINK_DOWN, PB_EVENT_VIEW, PB_EVENT_DISK_ERROR,
	};

	(void)ctl;
	if (events == ARRAY_SIZE(types)) {
		usleep(timeout_ms > 0 ? timeout_ms * 1000 : 0);
		return pb_fail(err, -EAGAIN, "no event came in time");
	}
	memset(event, 0, sizeof(*event));
	event->type = types[events++];
	event->seq = 40 + events;
	event->time_ns = 1700000000123000000;
	event->view = 7;
	fill_dev(&event->dev, 0);
	memset(event->peer, 0x22, PB_UUID_LEN);
	event->error = event->type == PB_EVENT_DISK_ERROR ? EIO : 0;
	event->lost = event->type == PB_EVENT_VIEW ? 2 : 0;
	strcpy(event->text, "say \"hello\"\n");
	return 0;
}

int __wrap_pb_dm_find(const char *spec, struct pb_ioc_dev *dev,
		      struct pb_error *err)
{
	int found[MAX_FAKES];
	size_t nr = world(found), i;

	for (i = 0; i < nr; i++) {
		if (strcmp(kinds[found[i]].name, spec))
			continue;
		fill_dev(dev, found[i]);
		return 0;
	}
	return pb_fail(err, -ENODEV, "there is no device-mapper device named '%s'",
		       spec);
}

bool __wrap_pb_dm_name(const struct pb_ioc_dev *dev, char *name)
{
	strcpy(name, kinds[dev->minor].name);
	return true;
}
