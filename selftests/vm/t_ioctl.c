// SPDX-License-Identifier: GPL-2.0
/*
 * Every wrong argument of every ioctl: its errno, and nothing changes.
 *
 *   t_ioctl A	A: primary of view 1 "ab"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tlib.h"

static const char *dev;
static int good_fd = -1;

static bool unchanged(const struct pb_ioc_status *before)
{
	struct pb_ioc_status now;

	if (t_status(dev, &now))
		return false;
	/* A held write may get older, a silence longer. */
	now.oldest_wait_ms = before->oldest_wait_ms;
	now.upstream.silent_ms = before->upstream.silent_ms;
	now.downstream.silent_ms = before->downstream.silent_ms;
	return !memcmp(&now, before, sizeof(now));
}

/* One ioctl with something wrong. */
static void wrong(unsigned long cmd, void *arg, int want, const char *what)
{
	struct pb_ioc_status before;
	bool same;
	int ret;

	t_status(dev, &before);
	ret = t_ioctl(cmd, arg);
	same = unchanged(&before);
	ok(ret == want && same, "%s: %s", what, strerrorname_np(-want));
	if (ret != want || !same)
		note("got %s%s", ret ? strerrorname_np(-ret) : "success",
		     same ? "" : ", the status has changed");
}

static struct pb_ioc_view view_arg(uint64_t number, const char *members)
{
	struct pb_ioc_view arg = { .dev = t_dev(dev) };

	t_view(&arg.view, number, members);
	return arg;
}

#define VIEW_CASE(what, number, members, want, change) do {	\
	struct pb_ioc_view v = view_arg(number, members);	\
								\
	change;							\
	wrong(PB_IOC_SET_VIEW, &v, want, "view: " what);	\
	ok(v.reason[0], "view: " what ": says why");		\
} while (0)

static void views(void)
{
	VIEW_CASE("unknown flag", 2, "a", -EINVAL, v.flags = 2);
	VIEW_CASE("reserved", 2, "a", -EINVAL, v.reserved = 1);
	VIEW_CASE("reason not empty", 2, "a", -EINVAL, v.reason[9] = 1);
	VIEW_CASE("no such device", 2, "a", -ENODEV, v.dev.minor = 999);
	VIEW_CASE("another volume has the number", 2, "a", -ENODEV,
		  v.dev.volume[15] = 1);
	VIEW_CASE("number 0", 0, "a", -EINVAL, );
	VIEW_CASE("no member", 2, "", -EINVAL, );
	VIEW_CASE("nine members", 2, "a", -EINVAL, v.view.nr_members = 9);
	VIEW_CASE("4294967295 members", 2, "a", -EINVAL,
		  v.view.nr_members = ~0U);
	VIEW_CASE("reserved in the view", 2, "a", -EINVAL, v.view.reserved = 1);
	VIEW_CASE("primary not synced", 2, "a-b", -EINVAL, );
	VIEW_CASE("unknown member flag", 2, "ab", -EINVAL,
		  v.view.members[1].flags |= 4);
	VIEW_CASE("zero UUID", 2, "ab", -EINVAL,
		  memset(v.view.members[1].replica, 0, PB_UUID_LEN));
	VIEW_CASE("member twice", 2, "aa", -ENOTUNIQ, );
	VIEW_CASE("endless name", 2, "ab", -EINVAL,
		  memset(v.view.members[1].name, 'x', PB_NAME_LEN));
	VIEW_CASE("name with a newline", 2, "ab", -EINVAL,
		  v.view.members[1].name[1] = '\n');
	VIEW_CASE("reserved in a member", 2, "ab", -EINVAL,
		  v.view.members[1].reserved[2] = 1);
	VIEW_CASE("unused member not zero", 2, "a", -EINVAL,
		  v.view.members[7].flags = 1);
	VIEW_CASE("three members", 2, "abc", -EOPNOTSUPP, );
	VIEW_CASE("same number, others", 1, "ac", -EEXIST, );
	VIEW_CASE("same number, other flags", 1, "ab-", -EEXIST, );
	VIEW_CASE("same number, other order", 1, "ba", -EEXIST, );
	VIEW_CASE("a number left out", 3, "ab", -EPERM, );
	VIEW_CASE("the largest number", ~0ULL, "ab", -EPERM, );
	VIEW_CASE("force for a backup", 2, "ba", -EINVAL,
		  v.flags = PB_VIEW_FORCE_DATA_MAY_BE_LOST);
	VIEW_CASE("force when idle", 2, "b", -EINVAL,
		  v.flags = PB_VIEW_FORCE_DATA_MAY_BE_LOST);
	VIEW_CASE("force beside a synced one", 5, "ab", -EUCLEAN,
		  v.flags = PB_VIEW_FORCE_DATA_MAY_BE_LOST);
}

#define CONNECT_CASE(what, want, change) do {				\
	struct pb_ioc_connect c = { .dev = t_dev(dev), .fd = good_fd };	\
									\
	change;								\
	wrong(PB_IOC_CONNECT, &c, want, "connect: " what);		\
} while (0)

static int closed_end(void)
{
	int fds[2];

	t_tcp_pair(fds);
	shutdown(fds[0], SHUT_RDWR);
	close(fds[1]);
	return fds[0];
}

static void connects(void)
{
	int fds[2], pair[2], file, udp, tcp, lfd;

	t_tcp_pair(fds);
	good_fd = fds[0];
	file = open("/dev/null", O_RDWR);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	tcp = socket(AF_INET, SOCK_STREAM, 0);
	lfd = socket(AF_INET, SOCK_STREAM, 0);
	listen(lfd, 1);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		bail("socketpair");
	CONNECT_CASE("flags", -EINVAL, c.flags = 1);
	CONNECT_CASE("reserved", -EINVAL, c.reserved[1] = 1);
	CONNECT_CASE("reason not empty", -EINVAL, c.reason[0] = 'x');
	CONNECT_CASE("keepalive too short", -EINVAL, c.keepalive_ms = 9);
	CONNECT_CASE("keepalive too long", -EINVAL, c.keepalive_ms = 60001);
	CONNECT_CASE("time-out too long", -EINVAL, c.timeout_ms = 600001);
	CONNECT_CASE("time-out below twice", -EINVAL, c.keepalive_ms = 100;
		     c.timeout_ms = 199);
	CONNECT_CASE("keepalive that overflows", -EINVAL,
		     c.keepalive_ms = 0x80000001);
	CONNECT_CASE("no such device", -ENODEV, c.dev.major = 1);
	CONNECT_CASE("no such descriptor", -EBADF, c.fd = 999);
	CONNECT_CASE("descriptor -1", -EBADF, c.fd = -1);
	CONNECT_CASE("a file", -ENOTSOCK, c.fd = file);
	CONNECT_CASE("the control device", -ENOTSOCK, c.fd = t_ctl());
	CONNECT_CASE("UDP", -EPROTONOSUPPORT, c.fd = udp);
	CONNECT_CASE("unix", -EPROTONOSUPPORT, c.fd = pair[0]);
	CONNECT_CASE("not connected", -ENOTCONN, c.fd = tcp);
	CONNECT_CASE("listening", -ENOTCONN, c.fd = lfd);
	CONNECT_CASE("shut down", -ENOTCONN, c.fd = closed_end());
	CONNECT_CASE("not a neighbour", -ENXIO, memset(c.peer, 9, 16));
	CONNECT_CASE("itself", -ENXIO, memset(c.peer, 0xa1, 16));
}

/* A socket serves once, also when offered by another process or number. */
static void socket_twice(void)
{
	uint64_t sent = t_counter(dev, PB_CNT_TX_BYTES);
	struct pb_ioc_connect c = { .dev = t_dev(dev) };
	int fds[2], again;

	t_tcp_pair(fds);
	c.fd = fds[0];
	is(t_ioctl(PB_IOC_CONNECT, &c), 0, "connect: a good socket");
	/* Its hello is counted; after that all is quiet. */
	ok(t_wait(t_counter(dev, PB_CNT_TX_BYTES) > sent), "it says hello");
	again = dup(fds[0]);
	CONNECT_CASE("the same socket", -EBUSY, c.fd = fds[0]);
	CONNECT_CASE("the same, other number", -EBUSY, c.fd = again);
	is(t_disconnect(dev), 0, "disconnect");
	is(t_disconnect(dev), -ENOTCONN, "disconnect: none: ENOTCONN");
	c = (struct pb_ioc_connect){ .dev = t_dev(dev), .fd = fds[0] };
	is(t_ioctl(PB_IOC_CONNECT, &c), -ENOTCONN, "connect: a used socket");
	close(fds[0]);
	close(fds[1]);
}

#define CASE(var, cmd, what, want, change) do {			\
	memset(&(var), 0, sizeof(var));				\
	change;							\
	wrong(cmd, &(var), want, what);				\
} while (0)

/* One with the device named, and why not in the answer. */
#define VOLUME_CASE(var, cmd, what, want, change) do {		\
	CASE(var, cmd, what, want, (var).dev = t_dev(dev); change); \
	ok((var).reason[0], what ": says why");			\
} while (0)

#define SYNC_CASE(what, change) \
	VOLUME_CASE(y, PB_IOC_SET_SYNC, "sync: " what, -EINVAL, change)

static void syncs(void)
{
	struct pb_ioc_sync y;

	SYNC_CASE("nothing to set", );
	SYNC_CASE("unknown bit", y.set = PB_SYNC_SET_ALL + 1);
	SYNC_CASE("pause is 0 or 1", y.set = PB_SYNC_SET_PAUSE; y.pause = 2);
	SYNC_CASE("pause not to be set", y.set = PB_SYNC_SET_CHECKSUM;
		  y.pause = 1);
	SYNC_CASE("checksum is 0 or 1", y.set = PB_SYNC_SET_CHECKSUM;
		  y.checksum = 2);
	SYNC_CASE("checksum not to be set", y.set = PB_SYNC_SET_PAUSE;
		  y.checksum = 1);
	SYNC_CASE("max_rate too large", y.set = PB_SYNC_SET_MAX_RATE;
		  y.max_rate = PB_RATE_MAX + 1);
	SYNC_CASE("max_rate not to be set", y.set = PB_SYNC_SET_MIN_RATE;
		  y.max_rate = 1);
	SYNC_CASE("min_rate too large", y.set = PB_SYNC_SET_MIN_RATE;
		  y.min_rate = ~0ULL);
	SYNC_CASE("min_rate not to be set", y.set = PB_SYNC_SET_MAX_RATE;
		  y.min_rate = 1);
	SYNC_CASE("a good one and a bad one", y.set = PB_SYNC_SET_ALL;
		  y.pause = 1; y.max_rate = 4096; y.min_rate = ~0ULL);
	SYNC_CASE("reserved", y.set = PB_SYNC_SET_PAUSE; y.reserved = 1);
	SYNC_CASE("reason not empty", y.set = PB_SYNC_SET_PAUSE;
		  y.reason[9] = 1);
	CASE(y, PB_IOC_SET_SYNC, "sync: no device", -ENODEV,
	     y.set = PB_SYNC_SET_PAUSE);
}

#define VERIFY_CASE(what, want, change) \
	VOLUME_CASE(v, PB_IOC_VERIFY, "verify: " what, want, change)
#define DIFFERS_CASE(what, change) \
	VOLUME_CASE(d, PB_IOC_DIFFERS, "differs: " what, -EINVAL, change)

static void verifies(void)
{
	struct pb_ioc_differs d;
	struct pb_ioc_status s;
	struct pb_ioc_verify v;
	uint64_t size;

	t_status(dev, &s);
	size = s.data_sectors << 9;
	VERIFY_CASE("unknown flag", -EINVAL, v.flags = 4);
	VERIFY_CASE("reserved", -EINVAL, v.reserved = 1);
	VERIFY_CASE("reason not empty", -EINVAL, v.reason[0] = 1);
	VERIFY_CASE("start of 1", -EINVAL, v.start = 1);
	VERIFY_CASE("start of 4096", -EINVAL, v.start = 4096);
	VERIFY_CASE("half a block", -EINVAL, v.length = 256);
	VERIFY_CASE("a block and a byte", -EINVAL, v.length = 4097);
	VERIFY_CASE("start at the end", -ERANGE, v.start = size);
	VERIFY_CASE("start far out", -ERANGE, v.start = 1ULL << 63);
	VERIFY_CASE("over the end", -ERANGE, v.start = 1 << 20;
		    v.length = size);
	VERIFY_CASE("wraps", -ERANGE, v.start = 1 << 20; v.length = -512ULL);
	VERIFY_CASE("start that wraps", -ERANGE, v.start = -(1ULL << 20);
		    v.length = 2 << 20);
	VERIFY_CASE("nothing to stop", -ENOENT, v.flags = PB_VERIFY_STOP);
	VERIFY_CASE("stop and repair", -EINVAL, v.flags = PB_VERIFY_FLAGS);
	VERIFY_CASE("stop and a start", -EINVAL, v.flags = PB_VERIFY_STOP;
		    v.start = 1 << 20);
	VERIFY_CASE("stop and a length", -EINVAL, v.flags = PB_VERIFY_STOP;
		    v.length = 512);
	CASE(v, PB_IOC_VERIFY, "verify: no device", -ENODEV, );
	DIFFERS_CASE("start too large", d.start = 1U << 31);
	DIFFERS_CASE("nr not zero", d.nr = 1);
	DIFFERS_CASE("total not zero", d.total = 1);
	DIFFERS_CASE("more not zero", d.more = 1);
	DIFFERS_CASE("range not zero", d.ranges[PB_MAX_RANGES - 1].length = 1);
	DIFFERS_CASE("reason not empty", d.reason[PB_REASON_LEN - 1] = 1);
	CASE(d, PB_IOC_DIFFERS, "differs: no device", -ENODEV, );
	d = (struct pb_ioc_differs){ .dev = t_dev(dev), .start = 9 };
	is(t_ioctl(PB_IOC_DIFFERS, &d), 0, "differs: before any verification");
	ok(!d.nr && !d.total && !d.more, "there are none");
}

static void others(void)
{
	struct pb_ioc_disconnect d;
	struct pb_ioc_policy p;
	struct pb_ioc_status s;
	struct pb_ioc_list l;
	struct pb_ioc_resize r;
	unsigned int i;
	uint64_t size;

	CASE(d, PB_IOC_DISCONNECT, "disconnect: flags", -EINVAL,
	     d.dev = t_dev(dev); d.flags = 1);
	CASE(d, PB_IOC_DISCONNECT, "disconnect: reserved", -EINVAL,
	     d.dev = t_dev(dev); d.reserved = 1);
	CASE(d, PB_IOC_DISCONNECT, "disconnect: no device", -ENODEV, );
	CASE(p, PB_IOC_SET_POLICY, "policy: unknown", -EINVAL,
	     p.dev = t_dev(dev); p.policy = 2);
	CASE(p, PB_IOC_SET_POLICY, "policy: reserved", -EINVAL,
	     p.dev = t_dev(dev); p.reserved = 1);
	CASE(p, PB_IOC_SET_POLICY, "policy: no device", -ENODEV, );
	CASE(p, PB_IOC_SET_POLICY, "policy: another volume", -ENODEV,
	     p.dev = t_dev(dev); p.dev.volume[0] = 1);
	t_status(dev, &s);
	size = s.data_sectors;
	CASE(r, PB_IOC_RESIZE, "resize: unknown flag", -EINVAL,
	     r.dev = t_dev(dev); r.flags = 4);
	CASE(r, PB_IOC_RESIZE, "resize: reserved", -EINVAL,
	     r.dev = t_dev(dev); r.reserved = 1);
	CASE(r, PB_IOC_RESIZE, "resize: reason not empty", -EINVAL,
	     r.dev = t_dev(dev); r.reason[127] = 1);
	CASE(r, PB_IOC_RESIZE, "resize: no device", -ENODEV, );
	CASE(r, PB_IOC_RESIZE, "resize: smaller", -EINVAL,
	     r.dev = t_dev(dev); r.data_sectors = size - 8);
	CASE(r, PB_IOC_RESIZE, "resize: to a sector", -EINVAL,
	     r.dev = t_dev(dev); r.data_sectors = 1);
	CASE(r, PB_IOC_RESIZE, "resize: larger than the disk", -ENOSPC,
	     r.dev = t_dev(dev); r.data_sectors = size + 8);
	CASE(r, PB_IOC_RESIZE, "resize: huge", -ENOSPC,
	     r.dev = t_dev(dev); r.data_sectors = ~0ULL);
	CASE(r, PB_IOC_RESIZE, "resize: nothing to cancel", -EALREADY,
	     r.dev = t_dev(dev); r.flags = PB_RESIZE_CANCEL);
	CASE(r, PB_IOC_RESIZE, "resize: cancel and a size", -EINVAL,
	     r.dev = t_dev(dev); r.flags = PB_RESIZE_CANCEL;
	     r.data_sectors = size);
	CASE(r, PB_IOC_RESIZE, "resize: cancel and assume zero", -EINVAL,
	     r.dev = t_dev(dev); r.flags = PB_RESIZE_FLAGS);
	CASE(s, PB_IOC_STATUS, "status: no device", -ENODEV, );
	CASE(s, PB_IOC_STATUS, "status: role not zero", -EINVAL,
	     s.dev = t_dev(dev); s.role = 1);
	CASE(s, PB_IOC_STATUS, "status: reserved", -EINVAL,
	     s.dev = t_dev(dev); s.reserved[9] = 1);
	CASE(l, PB_IOC_LIST, "list: nr not zero", -EINVAL, l.nr = 1);
	CASE(l, PB_IOC_LIST, "list: start too large", -EINVAL,
	     l.start = 0x80000000);
	CASE(l, PB_IOC_LIST, "list: reserved", -EINVAL, l.reserved = 1);
	for (i = 11; i < 256; i += 31)
		CASE(l, _IOWR(PB_IOC_MAGIC, i, struct pb_ioc_list),
		     "unknown number", -ENOTTY, );
	CASE(l, _IOWR(PB_IOC_MAGIC, 1, char), "other size", -ENOTTY, );
	CASE(l, _IOR(PB_IOC_MAGIC, 1, struct pb_ioc_list), "other direction",
	     -ENOTTY, );
	CASE(l, _IOWR(0xdc, 1, struct pb_ioc_list), "other magic", -ENOTTY, );
	memset(&l, 0, sizeof(l));
	l.start = 64;
	is(t_ioctl(PB_IOC_LIST, &l), 0, "list from behind the end");
	ok(!l.nr && l.total, "is empty and tells the total");
	memset(&l, 0, sizeof(l));
	is(t_ioctl(PB_IOC_LIST, &l), 0, "list");
	memset(&s, 0, sizeof(s));
	s.dev = l.devs[0];
	is(t_ioctl(PB_IOC_STATUS, &s), 0, "status by what the list says, with the volume");
	ok(l.devs[0].volume[0] && !memcmp(&l.devs[0], &s.dev, sizeof(s.dev)),
	   "which the status says too");
}

static const unsigned long all[] = {
	PB_IOC_INFO, PB_IOC_LIST, PB_IOC_STATUS, PB_IOC_SET_VIEW,
	PB_IOC_CONNECT, PB_IOC_DISCONNECT, PB_IOC_SET_POLICY,
	PB_IOC_SET_SYNC, PB_IOC_VERIFY, PB_IOC_DIFFERS, PB_IOC_RESIZE,
};

static void bad_pointers(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	mprotect(page + 4096, 4096, PROT_NONE);
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		wrong(all[i], NULL, -EFAULT, "pointer NULL");
		wrong(all[i], page + 4096 - 8, -EFAULT, "pointer half outside");
		wrong(all[i], (void *)~0xffUL, -EFAULT, "pointer to the kernel");
	}
}

/* What a process without privileges may do with an open descriptor. */
static void no_privilege(void)
{
	char arg[8192] = {0};
	unsigned int i, bad = 0;
	int status, ctl = t_ctl();
	pid_t pid = fork();

	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(99);
		for (i = 0; i < ARRAY_SIZE(all); i++)
			if (ioctl(ctl, all[i], arg) == 0 || errno != EPERM)
				bad++;
		if (open("/dev/" PB_CONTROL_NAME, O_RDWR) >= 0)
			bad++;
		_exit(bad);
	}
	waitpid(pid, &status, 0);
	is(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0,
	   "without CAP_SYS_ADMIN every ioctl is EPERM");
}

static void reading(void)
{
	struct pb_event event, *nowhere = (void *)~0xfffUL;
	int fd = open("/dev/" PB_CONTROL_NAME, O_RDWR | O_NONBLOCK);

	ok(read(fd, &event, sizeof(event)) < 0 && errno == EAGAIN,
	   "read: nothing yet: EAGAIN");
	ok(read(fd, &event, sizeof(event) - 1) < 0 && errno == EINVAL,
	   "read: short buffer: EINVAL");
	t_policy(dev, PB_POLICY_WAIT);
	ok(read(fd, nowhere, sizeof(event)) < 0 && errno == EFAULT,
	   "read: bad pointer: EFAULT");
	ok(write(fd, &event, sizeof(event)) < 0, "write is refused");
	close(fd);
}

int main(int argc, char **argv)
{
	struct pb_ioc_verify alone;
	struct pb_ioc_info info;

	if (argc != 2)
		return 2;
	dev = argv[1];
	memset(&info, 0xff, sizeof(info));
	is(t_ioctl(PB_IOC_INFO, &info), 0, "info");
	is(info.api_version, PB_API_VERSION, "info: version of the interface");
	views();
	connects();
	socket_twice();
	others();
	syncs();
	verifies();
	bad_pointers();
	no_privilege();
	reading();
	is(t_move(dev, 1, "ab"), 0, "the same view again changes nothing");
	is(t_move(dev, 2, "a"), 0, "and the next one is taken");
	is(t_move(dev, 1, "ab"), -ESTALE, "the one before no more");
	is(t_move(dev, 0, "ab"), -EINVAL, "nor number 0");
	is(t_connect(dev, 0, 0, 0, NULL), -ENOLINK,
	   "connect: alone: ENOLINK");
	alone = (struct pb_ioc_verify){ .dev = t_dev(dev) };
	wrong(PB_IOC_VERIFY, &alone, -ENOLINK, "verify: alone");
	return t_result();
}
