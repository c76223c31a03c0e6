// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU: how many instructions the guest has executed, as a number in
 * the file DIRECTORY/insns-PID, which a bench reads while the guest runs.
 *
 *	-plugin insns.so,directory=DIRECTORY
 *
 * qemu-plugin.h is not in Debian's packages of QEMU 7.2; the few declarations
 * that are needed are here.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { INLINE_ADD_U64 };

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*cb)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *ptr, uint64_t imm);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

int qemu_plugin_version = 1;
static uint64_t *count;

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, count, qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	static const char key[] = "directory=";
	char path[4096];
	int fd;

	(void)info;
	if (argc != 1 || strncmp(argv[0], key, sizeof(key) - 1))
		return -1;
	snprintf(path, sizeof(path), "%s/insns-%d", argv[0] + sizeof(key) - 1, (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*count)))
		return -1;
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (count == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
