// SPDX-License-Identifier: GPL-2.0
/*
 * The control device: one function for each ioctl, and the event stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "libpb.h"

/* Says so if the device node is all that is missing. */
#define SYSFS_CONTROL	"/sys/class/misc/" PB_CONTROL_NAME

static int open_failed(struct pb_error *err)
{
	int error = errno;

	if (error == ENOENT && !access(SYSFS_CONTROL, F_OK))
		return pb_fail(err, -ENODEV,
			       "the dm-pb module is loaded but %s is missing: mount devtmpfs on /dev or start udev",
			       PB_CONTROL_PATH);
	if (error == ENOENT || error == ENXIO || error == ENODEV)
		return pb_fail(err, -ENODEV,
			       "the dm-pb module is not loaded (no %s): run 'modprobe dm-pb'",
			       PB_CONTROL_PATH);
	if (error == EACCES || error == EPERM)
		return pb_fail(err, -EACCES,
			       "no permission for %s: run this as root",
			       PB_CONTROL_PATH);
	return pb_fail(err, -error, "cannot open %s: %s", PB_CONTROL_PATH,
		       strerror(error));
}

static int check_info(struct pb_ctl *ctl, struct pb_error *err)
{
	if (ioctl(ctl->fd, PB_IOC_INFO, &ctl->info)) {
		int error = errno;

		if (error == EPERM || error == EACCES)
			return pb_fail(err, -EACCES,
				       "no permission to control dm-pb: run this as root");
		return pb_fail(err, -error,
			       "cannot ask the dm-pb module for its version: %s",
			       strerror(error));
	}
	ctl->info.version[sizeof(ctl->info.version) - 1] = '\0';
	if (ctl->info.api_version != PB_API_VERSION)
		return pb_fail(err, -EPROTONOSUPPORT,
			       "the dm-pb module (%s) speaks control interface %u and this program %u: install matching versions",
			       ctl->info.version, ctl->info.api_version,
			       PB_API_VERSION);
	return 0;
}

int pb_ctl_open(struct pb_ctl *ctl, struct pb_error *err)
{
	struct pb_ctl opened = {};
	int ret;

	opened.fd = open(PB_CONTROL_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (opened.fd < 0)
		return open_failed(err);
	ret = check_info(&opened, err);
	if (ret) {
		close(opened.fd);
		return ret;
	}
	*ctl = opened;
	return 0;
}

void pb_ctl_close(struct pb_ctl *ctl)
{
	close(ctl->fd);
	ctl->fd = -1;
}

/* An ioctl on a volume; @reason is where the module says why not. */
static int on_volume(struct pb_ctl *ctl, unsigned long request, void *arg,
		     char *reason, struct pb_error *err)
{
	struct pb_ioc_dev *dev = arg;
	char name[PB_DM_NAME_LEN];
	int error;

	memset(reason, 0, PB_REASON_LEN);
	if (!ioctl(ctl->fd, request, arg))
		return 0;
	error = errno;
	reason[PB_REASON_LEN - 1] = '\0';
	pb_dm_name(dev, name);
	if (error == ENODEV)
		return pb_fail(err, -ENODEV,
			       "%s is not a dm-pb volume: 'pbctl status' lists them",
			       name);
	if (reason[0])
		return pb_fail(err, -error, "%s: %s", name, reason);
	return pb_fail(err, -error, "%s: %s", name, strerror(error));
}

static void end_link(struct pb_link *link)
{
	link->name[sizeof(link->name) - 1] = '\0';
	link->reason[sizeof(link->reason) - 1] = '\0';
}

static void end_strings(struct pb_ioc_status *status)
{
	struct pb_view *view = &status->view;
	unsigned int i;

	status->name[sizeof(status->name) - 1] = '\0';
	end_link(&status->upstream);
	end_link(&status->downstream);
	if (view->nr_members > PB_MAX_MEMBERS)
		view->nr_members = PB_MAX_MEMBERS;
	for (i = 0; i < PB_MAX_MEMBERS; i++)
		view->members[i].name[PB_NAME_LEN - 1] = '\0';
}

int pb_ctl_status(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		  struct pb_ioc_status *status, struct pb_error *err)
{
	int ret;

	memset(status, 0, sizeof(*status));
	status->dev = *dev;
	ret = on_volume(ctl, PB_IOC_STATUS, status, status->reason, err);
	if (!ret)
		end_strings(status);
	return ret;
}

int pb_ctl_set_view(struct pb_ctl *ctl, struct pb_ioc_view *arg,
		    struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_SET_VIEW, arg, arg->reason, err);
}

int pb_ctl_connect(struct pb_ctl *ctl, struct pb_ioc_connect *arg,
		   struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_CONNECT, arg, arg->reason, err);
}

int pb_ctl_disconnect(struct pb_ctl *ctl, struct pb_ioc_disconnect *arg,
		      struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_DISCONNECT, arg, arg->reason, err);
}

int pb_ctl_set_policy(struct pb_ctl *ctl, struct pb_ioc_policy *arg,
		      struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_SET_POLICY, arg, arg->reason, err);
}

int pb_ctl_set_sync(struct pb_ctl *ctl, struct pb_ioc_sync *arg,
		    struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_SET_SYNC, arg, arg->reason, err);
}

int pb_ctl_verify(struct pb_ctl *ctl, struct pb_ioc_verify *arg,
		  struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_VERIFY, arg, arg->reason, err);
}

int pb_ctl_differs(struct pb_ctl *ctl, struct pb_ioc_differs *arg,
		   struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_DIFFERS, arg, arg->reason, err);
}

int pb_ctl_resize(struct pb_ctl *ctl, struct pb_ioc_resize *arg,
		  struct pb_error *err)
{
	return on_volume(ctl, PB_IOC_RESIZE, arg, arg->reason, err);
}

/*
 * Volumes that come and go between two calls may be missed or, never twice
 * in one answer, be seen twice: the list is for people and for a first look.
 */
int pb_ctl_list(struct pb_ctl *ctl, struct pb_ioc_dev **devs, size_t *nr,
		struct pb_error *err)
{
	struct pb_ioc_dev *all = NULL, *grown;
	struct pb_ioc_list part;
	size_t have = 0;

	do {
		memset(&part, 0, sizeof(part));
		part.start = have;
		if (ioctl(ctl->fd, PB_IOC_LIST, &part)) {
			int error = errno;

			free(all);
			return pb_fail(err, -error, "cannot list volumes: %s",
				       strerror(error));
		}
		if (part.nr > PB_MAX_LIST)
			part.nr = PB_MAX_LIST;
		grown = realloc(all, (have + part.nr + 1) * sizeof(*all));
		if (!grown) {
			free(all);
			return pb_fail(err, -ENOMEM, "no memory");
		}
		all = grown;
		memcpy(all + have, part.devs, part.nr * sizeof(*all));
		have += part.nr;
	} while (part.nr && have < part.total);
	*devs = all;
	*nr = have;
	return 0;
}

int pb_ctl_next_event(struct pb_ctl *ctl, struct pb_event *event,
		      int timeout_ms, struct pb_error *err)
{
	struct pollfd pollfd = { .fd = ctl->fd, .events = POLLIN };
	ssize_t len;
	int error;

	if (timeout_ms && poll(&pollfd, 1, timeout_ms) < 0)
		return pb_fail(err, -errno, "cannot wait for events: %s",
			       strerror(errno));
	len = read(ctl->fd, event, sizeof(*event));
	error = errno;
	if (len == sizeof(*event)) {
		event->text[sizeof(event->text) - 1] = '\0';
		return 0;
	}
	if (len >= 0)
		return pb_fail(err, -EIO, "the event stream has ended");
	if (error == EAGAIN)
		return pb_fail(err, -EAGAIN, "no event came in time");
	return pb_fail(err, -error, "cannot read events: %s", strerror(error));
}

u64 pb_boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (u64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const struct pb_link *pb_status_link(const struct pb_ioc_status *status,
				     const u8 *peer, struct pb_error *err)
{
	bool up = !pb_uuid_zero(status->upstream.peer);
	bool down = !pb_uuid_zero(status->downstream.peer);
	char uuid[PB_UUID_TEXT];

	if (!pb_uuid_zero(peer)) {
		if (up && !memcmp(status->upstream.peer, peer, PB_UUID_LEN))
			return &status->upstream;
		if (down && !memcmp(status->downstream.peer, peer, PB_UUID_LEN))
			return &status->downstream;
		pb_fail(err, -ENXIO, "replica %s is not a neighbour in view %llu: 'pbctl view show' lists the members",
			pb_uuid_text(peer, uuid),
			(unsigned long long)status->view.number);
		return NULL;
	}
	if (up && down) {
		pb_fail(err, -EDESTADDRREQ,
			"there are two neighbours: say which with --peer");
		return NULL;
	}
	if (up)
		return &status->upstream;
	if (down)
		return &status->downstream;
	if (status->flags & PB_STATUS_STANDS) {
		pb_fail(err, -ENOLINK,
			"it was set up again and has no role in view %llu: a view with a higher number first ('pbctl view set')",
			(unsigned long long)status->view.number);
		return NULL;
	}
	if (status->role == PB_ROLE_UNCONFIRMED && status->view.number) {
		pb_fail(err, -ENOLINK,
			"nobody has confirmed view %llu since this replica was set up: 'pbctl view set' first",
			(unsigned long long)status->view.number);
		return NULL;
	}
	pb_fail(err, -ENOLINK, "this replica (%s) has no neighbour in view %llu: set a view with two members first",
		pb_role_name(status->role),
		(unsigned long long)status->view.number);
	return NULL;
}
