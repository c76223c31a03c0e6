// SPDX-License-Identifier: GPL-2.0
/*
 * The control device: ioctls in, events out.  An argument is copied in whole,
 * checked, handed to the device that it names, and copied out whole, on
 * failure too if it has a reason to bring home.
 */
#include <linux/capability.h>
#include <linux/device-mapper.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "pb-device.h"
#include "pb-target.h"

#define DM_MSG_PREFIX "pb"

#define MAX_MEMBERS_TODAY	2

/* Fields that must be zero on the way in. */
static bool zero(const void *field, size_t len)
{
	return !memchr_inv(field, 0, len);
}

static int refuse_reserved(char *reason)
{
	return pb_refuse(reason, -EINVAL,
			 "a reserved field or an unknown flag is not zero");
}

static int ctl_info(void *buf)
{
	struct pb_ioc_info *info = buf;

	memset(info, 0, sizeof(*info));
	info->api_version = PB_API_VERSION;
	info->max_members = MAX_MEMBERS_TODAY;
	info->features = PB_FEATURE_VIEWS | PB_FEATURE_SYNC;
	info->wire_min = PB_WIRE_VERSION_MIN;
	info->wire_max = PB_WIRE_VERSION_MAX;
	info->meta_version = PB_DISK_VERSION;
	strscpy(info->version, PB_MODULE_VERSION, sizeof(info->version));
	return 0;
}

static int ctl_list(void *buf)
{
	struct pb_ioc_list *list = buf;
	u32 start = list->start;

	if (start > S32_MAX || !zero(&list->nr, sizeof(*list) -
				     offsetof(struct pb_ioc_list, nr)))
		return -EINVAL;
	pb_device_list(list);
	return 0;
}

/* Finds the device that an argument names, locked, or says why not. */
static struct pb_device *device_for(const struct pb_ioc_dev *dev, char *reason)
{
	struct pb_device *pb = pb_device_get(dev);

	if (PTR_ERR_OR_ZERO(pb) == -ENODEV)
		pb_refuse(reason, -ENODEV, "no volume is set up on that device, or another one");
	else if (IS_ERR(pb))
		pb_refuse(reason, -EINTR, "interrupted");
	return pb;
}

static int ctl_status(void *buf)
{
	struct pb_ioc_status *status = buf;
	struct pb_device *pb;

	if (!zero(&status->role, sizeof(*status) -
		  offsetof(struct pb_ioc_status, role)))
		return refuse_reserved(status->reason);
	pb = device_for(&status->dev, status->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	pb_device_status(pb, status);
	pb_device_put(pb);
	return 0;
}

static int ctl_set_view(void *buf)
{
	struct pb_ioc_view *arg = buf;
	struct pb_device *pb;
	int ret;

	if (arg->reserved || !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	ret = pb_role_set_view(pb, &arg->view, arg->flags, arg->reason);
	pb_device_put(pb);
	return ret;
}

static int ctl_connect(void *buf)
{
	struct pb_ioc_connect *arg = buf;
	struct pb_device *pb;
	int ret;

	if (arg->flags || !zero(arg->reserved, sizeof(arg->reserved)) ||
	    !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	ret = pb_link_connect(pb, arg, arg->reason);
	pb_device_put(pb);
	return ret;
}

static int ctl_disconnect(void *buf)
{
	struct pb_ioc_disconnect *arg = buf;
	struct pb_device *pb;
	int ret;

	if (arg->flags || arg->reserved ||
	    !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	ret = pb_link_disconnect(pb, arg->peer, PB_BYE_DISCONNECT);
	if (ret)
		pb_refuse(arg->reason, ret, "there is no such connection");
	pb_device_put(pb);
	return ret;
}

static int ctl_set_policy(void *buf)
{
	struct pb_ioc_policy *arg = buf;
	struct pb_device *pb;
	const char *what;

	if (arg->reserved || !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	if (arg->policy > PB_POLICY_ERROR)
		return pb_refuse(arg->reason, -EINVAL, "no such policy");
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	pb_path_set_policy(&pb->path, arg->policy);
	what = arg->policy == PB_POLICY_ERROR ? "fail" : "wait";
	DMINFO("%s: writes that cannot be sent %s", pb->super.name, what);
	pb_event_emit(&pb->ioc_dev, PB_EVENT_POLICY, pb->super.view.number,
		      NULL, 0, "writes that cannot be sent %s", what);
	pb_device_put(pb);
	return 0;
}

/* A value that is not to be set is zero. */
static bool bad_sync(const struct pb_ioc_sync *arg)
{
	u64 most[] = {
		1, 1, PB_RATE_MAX, PB_RATE_MAX,
	};
	u64 values[] = {
		arg->pause, arg->checksum, arg->max_rate, arg->min_rate,
	};
	int i;

	if (!arg->set || arg->set & ~PB_SYNC_SET_ALL)
		return true;
	for (i = 0; i < ARRAY_SIZE(values); i++)
		if (values[i] > (arg->set & BIT(i) ? most[i] : 0))
			return true;
	return false;
}

static int ctl_set_sync(void *buf)
{
	struct pb_ioc_sync *arg = buf;
	struct pb_device *pb;

	if (arg->reserved || !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	if (bad_sync(arg))
		return pb_refuse(arg->reason, -EINVAL,
				 "an impossible value, or one that is not to be set");
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	pb_sync_set(&pb->sync, arg);
	pb_verify_kick(&pb->verify);
	pb_device_put(pb);
	return 0;
}

static int ctl_verify(void *buf)
{
	struct pb_ioc_verify *arg = buf;
	struct pb_device *pb;
	int ret;

	if (arg->reserved || arg->flags & ~PB_VERIFY_FLAGS ||
	    !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	ret = pb_check_verify(pb, arg, arg->reason);
	pb_device_put(pb);
	return ret;
}

static int ctl_differs(void *buf)
{
	struct pb_ioc_differs *arg = buf;
	struct pb_device *pb;

	if (arg->start > S32_MAX ||
	    !zero(&arg->nr, sizeof(*arg) -
		  offsetof(struct pb_ioc_differs, nr)))
		return refuse_reserved(arg->reason);
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	pb_verify_list(&pb->verify, arg);
	pb_device_put(pb);
	return 0;
}

static int ctl_resize(void *buf)
{
	struct pb_ioc_resize *arg = buf;
	struct pb_device *pb;
	int ret;

	if (arg->reserved || (arg->flags & ~PB_RESIZE_FLAGS) ||
	    !zero(arg->reason, sizeof(arg->reason)))
		return refuse_reserved(arg->reason);
	pb = device_for(&arg->dev, arg->reason);
	if (IS_ERR(pb))
		return PTR_ERR(pb);
	ret = pb_resize_start(pb, arg, arg->reason);
	pb_device_put(pb);
	return ret;
}

/* By number; the command's size and direction must match as well. */
static const struct {
	unsigned int	cmd;
	int		(*handle)(void *arg);
} commands[] = {
	{ PB_IOC_INFO,		ctl_info },
	{ PB_IOC_LIST,		ctl_list },
	{ PB_IOC_STATUS,	ctl_status },
	{ PB_IOC_SET_VIEW,	ctl_set_view },
	{ PB_IOC_CONNECT,	ctl_connect },
	{ PB_IOC_DISCONNECT,	ctl_disconnect },
	{ PB_IOC_SET_POLICY,	ctl_set_policy },
	{ PB_IOC_SET_SYNC,	ctl_set_sync },
	{ PB_IOC_VERIFY,	ctl_verify },
	{ PB_IOC_DIFFERS,	ctl_differs },
	{ PB_IOC_RESIZE,	ctl_resize },
};

static int run(unsigned int nr, void __user *user)
{
	unsigned int cmd = commands[nr].cmd;
	size_t size = _IOC_SIZE(cmd);
	void *arg = kzalloc(size, GFP_KERNEL);
	int ret;

	if (!arg)
		return -ENOMEM;
	if ((_IOC_DIR(cmd) & _IOC_WRITE) && copy_from_user(arg, user, size)) {
		kfree(arg);
		return -EFAULT;
	}
	ret = commands[nr].handle(arg);
	if (copy_to_user(user, arg, size) && !ret)
		ret = -EFAULT;
	kfree(arg);
	return ret;
}

static long ctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int nr = _IOC_NR(cmd);

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (nr >= ARRAY_SIZE(commands) || commands[nr].cmd != cmd)
		return -ENOTTY;
	return run(nr, (void __user *)arg);
}

static int ctl_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	file->private_data = pb_event_open();
	return file->private_data ? 0 : -ENOMEM;
}

static int ctl_release(struct inode *inode, struct file *file)
{
	pb_event_close(file->private_data);
	return 0;
}

static ssize_t ctl_read(struct file *file, char __user *buf, size_t len,
			loff_t *pos)
{
	return pb_event_read(file->private_data, buf, len,
			     file->f_flags & O_NONBLOCK);
}

static __poll_t ctl_poll(struct file *file, poll_table *wait)
{
	return pb_event_poll(file->private_data, file, wait);
}

static const struct file_operations ctl_fops = {
	.owner		= THIS_MODULE,
	.open		= ctl_open,
	.release	= ctl_release,
	.read		= ctl_read,
	.poll		= ctl_poll,
	.unlocked_ioctl	= ctl_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice ctl_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= PB_CONTROL_NAME,
	.mode	= 0600,
	.fops	= &ctl_fops,
};

int pb_ctl_init(void)
{
	return misc_register(&ctl_misc);
}

void pb_ctl_exit(void)
{
	misc_deregister(&ctl_misc);
}
