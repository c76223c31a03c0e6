/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry points of the module, for pb-main.c.
 */
#ifndef PB_TARGET_H
#define PB_TARGET_H

#define PB_MODULE_VERSION	"0.1.0"

/**
 * pb_target_init() - register the target with device-mapper
 *
 * Return: 0 or an errno.
 */
int pb_target_init(void);

/**
 * pb_target_exit() - undo pb_target_init(); no table uses the target any more
 */
void pb_target_exit(void);

/**
 * pb_ctl_init() - register the control device
 *
 * Return: 0 or an errno.
 */
int pb_ctl_init(void);

/**
 * pb_ctl_exit() - undo pb_ctl_init(); nobody has the device open any more
 */
void pb_ctl_exit(void);

#endif /* PB_TARGET_H */
