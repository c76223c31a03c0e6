// SPDX-License-Identifier: GPL-2.0
/*
 * First process of a rig guest. Loads the modules of the initramfs, puts a
 * tmpfs overlay over the host's root (9p, read-only), makes that the root,
 * brings up devices and network, and becomes the command agent. It is one
 * static program because every fork+exec costs some 10 ms under TCG.
 *
 * With pbrig.disk the root is the disk of that name, with an init of its own,
 * which starts this program once more as a service, by the name of agent.
 *
 * Parameters come on the kernel command line: pbrig.node, pbrig.nodes, pbrig.disk,
 * pbrig.bind=SRC[:DST],... (percent-encoded); pbrig.probe only says that it runs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif

#define MAX_BINDS 16

struct bind {
	int fd;
	char dst[512];
};

static char cmdline[4096];
static struct bind binds[MAX_BINDS];
static int nbinds;

/* To the kernel log, so that it is on the console in order with the rest. */
void say(const char *fmt, ...)
{
	static int fd = -1;
	char buf[512] = "<4>pbrig: ";	/* shown also while booting */
	size_t off = strlen(buf);
	va_list ap;

	if (fd < 0)
		fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_start(ap, fmt);
	vsnprintf(buf + off, sizeof(buf) - off, fmt, ap);
	va_end(ap);
	if (fd < 0 || write(fd, buf, strlen(buf)) < 0)
		fprintf(stderr, "%s\n", buf + 3);
}

static void die(const char *what, const char *arg)
{
	say("fatal: %s %s: %s", what, arg, strerror(errno));
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		say("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -1;
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

static void mkdirs(const char *path)
{
	char buf[512];
	char *p;

	snprintf(buf, sizeof(buf), "%s", path);
	for (p = buf + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(buf, 0755);
	}
	mkdir(buf, 0755);
}

/* Value of a pbrig.* parameter, or NULL. The buffer belongs to the caller. */
static char *param(const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);
	const char *p = cmdline;

	while ((p = strstr(p, name))) {
		if ((p == cmdline || p[-1] == ' ') && p[len] == '=') {
			p += len + 1;
			len = strcspn(p, " ");
			if (len >= size)
				return NULL;
			memcpy(buf, p, len);
			buf[len] = '\0';
			return buf;
		}
		p += len;
	}
	return NULL;
}

static void unescape(char *s)
{
	char *out = s;
	unsigned int c;

	for (; *s; s++)
		if (*s == '%' && sscanf(s + 1, "%2x", &c) == 1) {
			*out++ = c;
			s += 2;
		} else {
			*out++ = *s;
		}
	*out = '\0';
}

static void mnt(const char *type, const char *src, const char *dst, const char *opts)
{
	mkdirs(dst);
	if (mount(src, dst, type, 0, opts))
		die("mount", dst);
}

/* For what a minimal kernel may lack. */
static void try_mnt(const char *type, const char *dst)
{
	struct stat st;

	if (!stat(dst, &st) || !mkdir(dst, 0755))
		mount(type, dst, type, 0, NULL);
}

/* In the order of the names, which the host made from modprobe's answer. */
static void load_modules(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), i;

	for (i = 0; i < n; i++) {
		char path[512];
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (names[i]->d_name[0] == '.')
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		/* No such device: of an instruction that this processor lacks. */
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST && errno != ENODEV))
			say("cannot load %s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
	}
}

/* The 9p transport appears when the virtio device has been probed. */
static void mount_host(const char *dst)
{
	int tries;

	mkdirs(dst);
	for (tries = 0; tries < 5000; tries++) {
		if (!mount("hostroot", dst, "9p", MS_RDONLY,
			   "trans=virtio,version=9p2000.L,cache=loose,msize=512000,access=any"))
			return;
		if (errno != ENOENT && errno != ENODEV)
			break;
		nap();
	}
	die("mount 9p", dst);
}

static void enter_root(void)
{
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("switch root", "");
}

static void mount_overlay(void)
{
	mount_host("/lower");
	mnt("tmpfs", "tmpfs", "/rw", "mode=755,size=75%");
	mkdirs("/rw/upper");
	mkdirs("/rw/work");
	mnt("overlay", "overlay", "/root", "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work");
}

/* Take hold of host directories that the mounts to come would hide. */
static void open_binds(void)
{
	char buf[2048], *save = NULL, *item, *dst;

	if (!param("pbrig.bind", buf, sizeof(buf)))
		return;
	for (item = strtok_r(buf, ",", &save); item && nbinds < MAX_BINDS;
	     item = strtok_r(NULL, ",", &save)) {
		struct bind *b = &binds[nbinds];

		dst = strchr(item, ':');
		if (dst)
			*dst++ = '\0';
		else
			dst = item;
		unescape(item);
		if (dst != item)
			unescape(dst);
		snprintf(b->dst, sizeof(b->dst), "%s", dst);
		b->fd = syscall(SYS_open_tree, AT_FDCWD, item, OPEN_TREE_CLONE | O_CLOEXEC);
		if (b->fd < 0)
			say("cannot bind %s: %s", item, strerror(errno));
		else
			nbinds++;
	}
}

static void place_binds(void)
{
	int i;

	for (i = 0; i < nbinds; i++) {
		mkdirs(binds[i].dst);
		if (syscall(SYS_move_mount, binds[i].fd, "", AT_FDCWD, binds[i].dst,
			    MOVE_MOUNT_F_EMPTY_PATH))
			say("cannot bind to %s: %s", binds[i].dst, strerror(errno));
		close(binds[i].fd);
	}
}

static void mount_all(void)
{
	open_binds();
	mnt("devtmpfs", "dev", "/dev", "mode=755");
	mnt("proc", "proc", "/proc", NULL);
	mnt("sysfs", "sys", "/sys", NULL);
	mnt("tmpfs", "run", "/run", "mode=755");
	mnt("tmpfs", "tmp", "/tmp", "mode=1777");
	mnt("devpts", "devpts", "/dev/pts", "mode=620,ptmxmode=666");
	mnt("tmpfs", "shm", "/dev/shm", "mode=1777");
	try_mnt("debugfs", "/sys/kernel/debug");
	try_mnt("tracefs", "/sys/kernel/tracing");
	try_mnt("configfs", "/sys/kernel/config");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	mkdirs("/run/lock");
	place_binds();
}

/* There is no udev: names by the serial number that the rig gave each disk. */
static void name_disks(void)
{
	struct dirent *d;
	DIR *dir = opendir("/sys/block");
	char path[512], serial[64], dev[300], link[128];

	mkdirs("/dev/pbrig");
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/block/%s/serial", d->d_name);
		if (strncmp(d->d_name, "vd", 2) || slurp(path, serial, sizeof(serial)) <= 0)
			continue;
		snprintf(dev, sizeof(dev), "/dev/%s", d->d_name);
		snprintf(link, sizeof(link), "/dev/disk-%s", serial);
		symlink(dev, link);
		snprintf(link, sizeof(link), "/dev/pbrig/%s", serial);
		symlink(dev, link);
	}
	if (dir)
		closedir(dir);
}

static void if_up(int s, const char *name, const char *addr)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (addr) {
		ifr.ifr_mtu = 9000;
		ioctl(s, SIOCSIFMTU, &ifr);
		sin->sin_family = AF_INET;
		inet_pton(AF_INET, addr, &sin->sin_addr);
		if (ioctl(s, SIOCSIFADDR, &ifr))
			say("cannot set %s on %s: %s", addr, name, strerror(errno));
		sin->sin_family = AF_INET;
		inet_pton(AF_INET, "255.255.255.0", &sin->sin_addr);
		ioctl(s, SIOCSIFNETMASK, &ifr);
	}
	ioctl(s, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &ifr))
		say("cannot bring up %s: %s", name, strerror(errno));
}

static void set_network(int node, int nodes)
{
	char name[32], addr[32], hosts[1024];
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int i, off;

	snprintf(name, sizeof(name), "node%d", node);
	if (sethostname(name, strlen(name)))
		say("cannot set the host name: %s", strerror(errno));
	off = snprintf(hosts, sizeof(hosts), "127.0.0.1 localhost\n::1 localhost\n");
	for (i = 0; i < nodes; i++)
		off += snprintf(hosts + off, sizeof(hosts) - off, "10.77.0.%d node%d\n", i + 1, i);
	put("/etc/hosts", hosts);
	put("/etc/hostname", name);
	if (s < 0)
		return;
	if_up(s, "lo", NULL);
	for (i = 0; i < 2500 && access("/sys/class/net/eth0", F_OK); i++)
		nap();
	snprintf(addr, sizeof(addr), "10.77.0.%d", node + 1);
	if_up(s, "eth0", addr);
	close(s);
}

static void install_self(int self, const char *path)
{
	char buf[65536];
	int out;
	ssize_t n;

	mkdirs(RIG_BIN);
	out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	while (self >= 0 && out >= 0 && (n = read(self, buf, sizeof(buf))) > 0)
		if (write(out, buf, n) != n)
			break;
	close(self);
	close(out);
}

/* The guest's own reboot and poweroff: the host may have systemd's, or none. */
static void install_power_tools(void)
{
	install_self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), RIG_BIN "/reboot");
	link(RIG_BIN "/reboot", RIG_BIN "/poweroff");
	link(RIG_BIN "/reboot", RIG_BIN "/halt");
}

/* reboot and poweroff, at once; like sysvinit's with -f they sync unless -n. */
static int power_main(const char *name, int argc, char **argv)
{
	int i, nosync = 0;

	for (i = 1; i < argc; i++)
		if (argv[i][0] == '-' && strchr(argv[i], 'n'))
			nosync = 1;
	if (!nosync)
		sync();
	reboot(strcmp(name, "reboot") ? RB_POWER_OFF : RB_AUTOBOOT);
	perror(name);
	return 1;
}

static void set_sysctls(void)
{
	put("/proc/sys/kernel/printk", "8 4 1 7");
	put("/proc/sys/kernel/hung_task_timeout_secs", "40");
	put("/proc/sys/kernel/hung_task_warnings", "-1");
	put("/proc/self/oom_score_adj", "-1000");
}

/* The disk with this serial number, at DST. */
static void mount_disk(const char *serial, const char *dst)
{
	char path[64], found[64];
	int i;

	for (i = 0; i < 26; i++) {
		snprintf(path, sizeof(path), "/sys/block/vd%c/serial", 'a' + i);
		if (slurp(path, found, sizeof(found)) < 0 || strcmp(found, serial))
			continue;
		snprintf(path, sizeof(path), "/dev/vd%c", 'a' + i);
		mnt("ext4", path, dst, NULL);
		return;
	}
	errno = ENODEV;
	die("find the disk", serial);
}

#define UNITS "/run/systemd/system"

/* It answers from early on until the last process is killed. */
static void install_agent_unit(const char *node)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[Unit]\nDescription=command agent of the rig\nDefaultDependencies=no\n"
		 "[Service]\nExecStart=" RIG_BIN "/agent %s\nOOMScoreAdjust=-1000\n", node);
	mkdirs(UNITS "/sysinit.target.wants");
	put(UNITS "/pbrig-agent.service", text);
	symlink(UNITS "/pbrig-agent.service", UNITS "/sysinit.target.wants/pbrig-agent.service");
}

/* From here on the machine is one that boots from its disk like any other. */
static void boot_disk(const char *serial, const char *node)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	mnt("sysfs", "sys", "/sys", NULL);
	mount_disk(serial, "/root");
	set_sysctls();
	enter_root();
	mnt("tmpfs", "run", "/run", "mode=755");
	install_self(self, RIG_BIN "/agent");
	install_agent_unit(node);
	execl("/sbin/init", "/sbin/init", NULL);
	die("run", "/sbin/init");
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char node[16], nodes[16], disk[32];

	name = name ? name + 1 : argv[0];
	if (!strcmp(name, "agent"))
		agent_main(argv[1]);
	if (getpid() != 1)
		return power_main(name, argc, argv);
	umask(022);
	mnt("devtmpfs", "dev", "/dev", "mode=755");
	mnt("proc", "proc", "/proc", NULL);
	slurp("/proc/cmdline", cmdline, sizeof(cmdline));
	if (strstr(cmdline, "pbrig.probe")) {
		say("probe ok");
		reboot(RB_POWER_OFF);
	}
	load_modules("/m");
	if (!param("pbrig.node", node, sizeof(node)))
		strcpy(node, "0");
	if (!param("pbrig.nodes", nodes, sizeof(nodes)))
		strcpy(nodes, "1");
	if (param("pbrig.disk", disk, sizeof(disk)))
		boot_disk(disk, node);
	mount_overlay();
	enter_root();
	mount_all();
	install_power_tools();
	set_network(atoi(node), atoi(nodes));
	name_disks();
	set_sysctls();
	agent_main(node);
}
