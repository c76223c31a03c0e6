// SPDX-License-Identifier: GPL-2.0
/*
 * Crash points are armed by writing "NAME" or "NAME:N", the N-th time it is
 * passed, to the module's parameter "crash"; an empty line disarms.  All that
 * there are: modinfo -F crash_point.
 *
 * To stop means to hold this CPU with interrupts off and to tell who runs the
 * virtual machine, through QEMU's debug console; that kills it.  A machine with
 * more CPUs than one would go on with the others until then, so give it one.
 */
#include <linux/atomic.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/stringify.h>

#include "pb-crash.h"

#define DEBUG_CONSOLE_PORT	0xe9

static const char * const names[] = {
#define PB_CRASH_POINT(name, ...) __stringify(name),
#include "pb-crash-list.h"
#undef PB_CRASH_POINT
};

/* As MODULE_INFO() has it, for all of them. */
static const char point_info[] __used __section(".modinfo") __aligned(1) =
#define PB_CRASH_POINT(name, who, drive, often, when) \
	"crash_point=" #name " " who " " drive " " #often " " when "\0"
#include "pb-crash-list.h"
#undef PB_CRASH_POINT
;

unsigned int pb_crash_armed = PB_CRASH_NR;
static atomic_t passes_left = ATOMIC_INIT(0);

static void __noreturn stop(const char *name)
{
	local_irq_disable();
	while (*name)
		outb(*name++, DEBUG_CONSOLE_PORT);
	outb('\n', DEBUG_CONSOLE_PORT);
	for (;;)
		cpu_relax();
}

void pb_crash_pass(void)
{
	if (atomic_dec_and_test(&passes_left))
		stop(names[pb_crash_armed]);
}

static int arm(char *word)
{
	char *name = strsep(&word, ":");
	int nr, left = 1;

	WRITE_ONCE(pb_crash_armed, PB_CRASH_NR);
	if (!*name)
		return 0;
	if (word && (kstrtoint(word, 10, &left) || left < 1))
		return -EINVAL;
	nr = sysfs_match_string(names, name);
	if (nr < 0)
		return nr;
	atomic_set(&passes_left, left);
	WRITE_ONCE(pb_crash_armed, nr);
	return 0;
}

static int set_crash(const char *text, const struct kernel_param *kp)
{
	char word[48];

	if (strscpy(word, text, sizeof(word)) < 0)
		return -EINVAL;
	return arm(strim(word));
}

static int get_crash(char *text, const struct kernel_param *kp)
{
	unsigned int nr = READ_ONCE(pb_crash_armed);

	if (nr == PB_CRASH_NR)
		return sprintf(text, "\n");
	return sprintf(text, "%s:%d\n", names[nr], atomic_read(&passes_left));
}

static const struct kernel_param_ops crash_ops = {
	.set	= set_crash,
	.get	= get_crash,
};

module_param_cb(crash, &crash_ops, NULL, 0600);
MODULE_PARM_DESC(crash, "NAME[:N]: stop the machine when this moment is reached");
