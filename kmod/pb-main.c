// SPDX-License-Identifier: GPL-2.0
/*
 * dm-pb: synchronous primary/backup replication of a block device.
 *
 * The module as such: registers the target and the control device, and lets
 * every held bio go when the machine goes down, so that nothing that waits for
 * a backup keeps a reboot waiting.
 */
#include <linux/module.h>
#include <linux/reboot.h>

#include "pb-device.h"
#include "pb-target.h"

#define CREATE_TRACE_POINTS
#include "pb-trace.h"

static int on_reboot(struct notifier_block *nb, unsigned long action,
		     void *data)
{
	pb_device_release_all();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call	= on_reboot,
};

static int __init pb_init(void)
{
	int ret;

	ret = pb_log_module_init();
	if (ret)
		return ret;
	ret = pb_conn_module_init();
	if (ret)
		goto out_log;
	ret = pb_ctl_init();
	if (ret)
		goto out_conn;
	ret = pb_target_init();
	if (ret)
		goto out_ctl;
	ret = register_reboot_notifier(&reboot_notifier);
	if (ret)
		goto out_target;
	return 0;

out_target:
	pb_target_exit();
out_ctl:
	pb_ctl_exit();
out_conn:
	pb_conn_module_exit();
out_log:
	pb_log_module_exit();
	return ret;
}

static void __exit pb_exit(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	pb_target_exit();
	pb_ctl_exit();
	pb_conn_module_exit();
	pb_log_module_exit();
}

module_init(pb_init);
module_exit(pb_exit);

MODULE_DESCRIPTION("synchronous primary/backup replication of a block device");
MODULE_AUTHOR("The dm-pb developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(PB_MODULE_VERSION);
MODULE_ALIAS("dm-pb");
