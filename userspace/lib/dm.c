// SPDX-License-Identifier: GPL-2.0
/*
 * Device-mapper devices: finding, creating and removing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libdevmapper.h>

#include "libpb.h"

#define TARGET_NAME	"pb"
#define LOG_LEVEL_ERR	3
#define RETRY_MS	50

/* The first thing libdevmapper complained about since it was last cleared. */
static char complaint[256];

__attribute__((format(printf, 5, 6)))
static void take_complaint(int level, const char *file, int line,
			   int dm_errno, const char *fmt, ...)
{
	va_list args;

	(void)file;
	(void)line;
	(void)dm_errno;
	/* Bits above the level say where else it might go. */
	if ((level & 7) > LOG_LEVEL_ERR || complaint[0])
		return;
	va_start(args, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, args);
	va_end(args);
}

void pb_dm_quiet(void)
{
	dm_log_with_errno_init(take_complaint);
	complaint[0] = '\0';
}

static int dm_failed(struct dm_task *task, const char *what, const char *name,
		     const char *reason, struct pb_error *err)
{
	int error = task ? dm_task_get_errno(task) : ENOMEM;

	if (!error)
		error = EIO;
	if (!*reason)
		reason = complaint[0] && error == EIO ? complaint :
			 strerror(error);
	return pb_fail(err, -error, "cannot %s %s: %s", what, name, reason);
}

static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *task;

	pb_dm_quiet();
	task = dm_task_create(type);
	if (task && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

static int get_dev(struct dm_task *task, const char *name,
		   struct pb_ioc_dev *dev, struct pb_error *err)
{
	struct dm_info info;

	if (!dm_task_get_info(task, &info))
		return dm_failed(task, "look up", name, "", err);
	if (!info.exists)
		return pb_fail(err, -ENODEV,
			       "there is no device-mapper device named '%s': 'pbctl status' lists the volumes",
			       name);
	dev->major = info.major;
	dev->minor = info.minor;
	return 0;
}

static int find_by_name(const char *name, struct pb_ioc_dev *dev,
			struct pb_error *err)
{
	struct dm_task *task;
	int ret;

	if (!*name || strlen(name) >= PB_DM_NAME_LEN)
		return pb_fail(err, -ENODEV,
			       "'%s' cannot be the name of a volume: 'pbctl status' lists them",
			       name);
	task = new_task(DM_DEVICE_INFO, name);
	if (!task || !dm_task_run(task))
		ret = dm_failed(task, "look up", name, "", err);
	else
		ret = get_dev(task, name, dev, err);
	if (task)
		dm_task_destroy(task);
	return ret;
}

static int find_by_path(const char *path, struct pb_ioc_dev *dev,
			struct pb_error *err)
{
	struct stat st;

	if (stat(path, &st))
		return pb_fail(err, -errno,
			       "%s: %s: 'pbctl status' lists the volumes", path,
			       strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return pb_fail(err, -ENOTBLK,
			       "%s is not a block device: 'pbctl status' lists the volumes",
			       path);
	dev->major = major(st.st_rdev);
	dev->minor = minor(st.st_rdev);
	return 0;
}

int pb_dm_find(const char *spec, struct pb_ioc_dev *dev, struct pb_error *err)
{
	size_t digits = strspn(spec, "0123456789");
	char number[16];
	u64 major, minor;

	memset(dev, 0, sizeof(*dev));
	if (strchr(spec, '/'))
		return find_by_path(spec, dev, err);
	if (!digits || spec[digits] != ':' || digits >= sizeof(number))
		return find_by_name(spec, dev, err);
	memcpy(number, spec, digits);
	number[digits] = '\0';
	if (pb_parse_u64(number, 0, 0xfff, &major, err) ||
	    pb_parse_u64(spec + digits + 1, 0, 0xfffff, &minor, err))
		return pb_fail(err, -EINVAL,
			       "'%s' is not a device number MAJOR:MINOR", spec);
	dev->major = major;
	dev->minor = minor;
	return 0;
}

bool pb_dm_name(const struct pb_ioc_dev *dev, char *name)
{
	char path[64];
	FILE *file;
	bool known;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", dev->major,
		 dev->minor);
	file = fopen(path, "re");
	known = file && fgets(name, PB_DM_NAME_LEN, file);
	if (known) {
		name[strcspn(name, "\n")] = '\0';
		known = name[0];
	}
	if (file)
		fclose(file);
	if (!known)
		snprintf(name, PB_DM_NAME_LEN, "%u:%u", dev->major, dev->minor);
	return known;
}

/*
 * A target can tell the kernel log why it refuses a table, but not its caller.
 * What the log has gained meanwhile is likely to be it.
 */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void log_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Leaves "" in @reason if nothing was said. */
static void log_reason(int fd, char *reason, size_t size)
{
	static const char prefix[] = "device-mapper: table: ";
	char record[1024], *text, *target;
	ssize_t len;

	reason[0] = '\0';
	if (fd < 0)
		return;
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text || strncmp(++text, prefix, sizeof(prefix) - 1))
			continue;
		text += sizeof(prefix) - 1;
		text[strcspn(text, "\n")] = '\0';
		target = strstr(text, ": " TARGET_NAME ": ");
		if (target)
			text = target + strlen(": " TARGET_NAME ": ");
		pb_printable(reason, size, text, strlen(text));
	}
}

int pb_dm_create(const struct pb_dm_table *table, struct pb_ioc_dev *dev,
		 struct pb_error *err)
{
	struct dm_task *task = new_task(DM_DEVICE_CREATE, table->name);
	char reason[PB_REASON_LEN];
	int log_fd = log_open();
	u32 cookie = 0;
	int ret = 0;

	memset(dev, 0, sizeof(*dev));
	if (!task || !dm_task_set_uuid(task, table->uuid) ||
	    !dm_task_add_target(task, 0, table->sectors, TARGET_NAME,
				table->params) ||
	    !dm_task_set_cookie(task, &cookie, 0)) {
		ret = dm_failed(task, "set up", table->name, complaint, err);
	} else if (!dm_task_run(task)) {
		log_reason(log_fd, reason, sizeof(reason));
		ret = dm_failed(task, "create", table->name, reason, err);
	}
	log_close(log_fd);
	/* Also makes the node where there is no udev to do it. */
	dm_udev_wait(cookie);
	if (!ret)
		ret = get_dev(task, table->name, dev, err);
	if (task)
		dm_task_destroy(task);
	return ret;
}

/* The one target of a live table; @params is allocated. */
static int get_table(const char *name, u64 *sectors, char **params,
		     struct pb_error *err)
{
	struct dm_task *task = new_task(DM_DEVICE_TABLE, name);
	char *type = NULL, *text = NULL;
	uint64_t start = 0, length = 0;
	int ret = 0;

	*params = NULL;
	if (!task || !dm_task_run(task))
		ret = dm_failed(task, "read the table of", name, "", err);
	else if (dm_get_next_target(task, NULL, &start, &length, &type,
				    &text) ||
		 !type || strcmp(type, TARGET_NAME) || start)
		ret = pb_fail(err, -EINVAL, "%s is not a dm-pb volume", name);
	else
		*params = strdup(text);
	*sectors = length;
	if (!ret && !*params)
		ret = pb_fail(err, -ENOMEM, "no memory");
	if (task)
		dm_task_destroy(task);
	return ret;
}

static int load_table(const char *name, u64 sectors, const char *params,
		      struct pb_error *err)
{
	struct dm_task *task = new_task(DM_DEVICE_RELOAD, name);
	char reason[PB_REASON_LEN];
	int log_fd = log_open();
	int ret = 0;

	if (!task ||
	    !dm_task_add_target(task, 0, sectors, TARGET_NAME, params)) {
		ret = dm_failed(task, "set up", name, complaint, err);
	} else if (!dm_task_run(task)) {
		log_reason(log_fd, reason, sizeof(reason));
		ret = dm_failed(task, "load the new table of", name, reason,
				err);
	}
	log_close(log_fd);
	if (task)
		dm_task_destroy(task);
	return ret;
}

/* Suspends, puts the loaded table in place, and goes on. */
static int use_table(const char *name, struct pb_error *err)
{
	struct dm_task *task = new_task(DM_DEVICE_RESUME, name);
	u32 cookie = 0;
	int ret = 0;

	/* A file system on it need not be frozen: nothing of it moves. */
	if (!task || !dm_task_skip_lockfs(task) ||
	    !dm_task_set_cookie(task, &cookie, 0))
		ret = dm_failed(task, "set up", name, complaint, err);
	else if (!dm_task_run(task))
		ret = dm_failed(task, "put the new table in place of", name, "",
				err);
	dm_udev_wait(cookie);
	if (task)
		dm_task_destroy(task);
	return ret;
}

int pb_dm_resize(const char *name, u64 sectors, struct pb_error *err)
{
	u64 length = 0;
	char *params;
	int ret;

	ret = get_table(name, &length, &params, err);
	if (!ret && length != sectors) {
		ret = load_table(name, sectors, params, err);
		if (!ret)
			ret = use_table(name, err);
	}
	free(params);
	return ret;
}

int pb_dm_announce(const struct pb_ioc_dev *dev, u32 role, struct pb_error *err)
{
	char path[64], text[128], uuid[PB_UUID_TEXT];
	int fd, len, ret = 0;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", dev->major,
		 dev->minor);
	len = snprintf(text, sizeof(text), "change %s PBROLE=%s",
		       pb_uuid_text(dev->volume, uuid), pb_role_name(role));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, len) < 0)
		ret = pb_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

static int remove_once(const char *name, struct pb_error *err)
{
	struct dm_task *task = new_task(DM_DEVICE_REMOVE, name);
	u32 cookie = 0;
	int ret = 0;

	if (!task || !dm_task_set_cookie(task, &cookie, 0))
		ret = dm_failed(task, "remove", name, complaint, err);
	else if (!dm_task_run(task))
		ret = dm_failed(task, "remove", name, "", err);
	dm_udev_wait(cookie);
	if (task)
		dm_task_destroy(task);
	return ret;
}

int pb_dm_remove(const char *name, unsigned int retry_ms,
		 struct pb_error *err)
{
	u64 deadline = pb_boot_ms() + retry_ms;
	int ret;

	for (;;) {
		ret = remove_once(name, err);
		if (ret != -EBUSY || pb_boot_ms() >= deadline)
			break;
		usleep(RETRY_MS * 1000);
	}
	if (ret == -EBUSY)
		pb_fail(err, ret,
			"%s is in use: unmount it or close what has it open, then remove it again",
			name);
	else if (ret == -ENXIO)
		ret = pb_fail(err, -ENODEV,
			      "there is no device-mapper device named '%s': 'pbctl status' lists the volumes",
			      name);
	return ret;
}
