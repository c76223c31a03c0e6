// SPDX-License-Identifier: GPL-2.0
/*
 * The VM tests' library: TAP, the control device, background I/O.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tlib.h"

static unsigned int failed;

const char * const t_op_names[T_NR_OPS] = {
	[T_READ]	= "read",
	[T_WRITE]	= "write",
	[T_FUA]		= "fua",
	[T_DISCARD]	= "discard",
	[T_ZEROES]	= "zeroes",
	[T_FLUSH]	= "flush",
};

static bool say(bool good, const char *fmt, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, args);
	printf("%sok - %s\n", good ? "" : "not ", line);
	fflush(stdout);
	if (!good)
		failed++;
	return good;
}

bool ok(bool good, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(good, fmt, args);
	va_end(args);
	return good;
}

bool is(long long got, long long want, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(got == want, fmt, args);
	va_end(args);
	if (got != want)
		note("got %lld, want %lld", got, want);
	return got == want;
}

void note(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* Threads that wait for I/O would keep the process from ending. */
static void release_all(void)
{
	int fd = open("/dev/" PB_CONTROL_NAME, O_RDWR | O_CLOEXEC);
	struct pb_ioc_policy policy = { .policy = PB_POLICY_ERROR };
	struct pb_ioc_list list = {0};
	unsigned int i;

	if (fd < 0 || ioctl(fd, PB_IOC_LIST, &list))
		return;
	for (i = 0; i < list.nr; i++) {
		policy.dev = list.devs[i];
		ioctl(fd, PB_IOC_SET_POLICY, &policy);
	}
	close(fd);
}

void bail(const char *fmt, ...)
{
	int err = errno;
	va_list args;

	printf("not ok - the test itself: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(" (errno %d)\n", err);
	fflush(stdout);
	release_all();
	_exit(1);
}

int t_result(void)
{
	return failed ? 1 : 0;
}

uint64_t t_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void t_sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

bool t_long(void)
{
	const char *value = getenv("PB_LONG");

	return value && *value == '1';
}

unsigned int t_slow(void)
{
	const char *value = getenv("PB_DEBUG");

	return value && *value == '1' ? 5 : 1;
}

unsigned int t_env(const char *name, unsigned int quick, unsigned int full)
{
	const char *value = getenv(name);

	if (value && *value)
		return strtoul(value, NULL, 10);
	return t_long() ? full : quick;
}

uint32_t t_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

int t_ctl(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/" PB_CONTROL_NAME, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bail("cannot open the control device");
	return fd;
}

int t_ioctl(unsigned long cmd, void *arg)
{
	return ioctl(t_ctl(), cmd, arg) ? -errno : 0;
}

struct pb_ioc_dev t_dev(const char *name)
{
	struct pb_ioc_dev dev = {0};
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	if (stat(path, &st))
		bail("no device %s", path);
	dev.major = major(st.st_rdev);
	dev.minor = minor(st.st_rdev);
	return dev;
}

int t_status(const char *name, struct pb_ioc_status *status)
{
	memset(status, 0, sizeof(*status));
	status->dev = t_dev(name);
	return t_ioctl(PB_IOC_STATUS, status);
}

uint64_t t_incarnation(const uint8_t *replica)
{
	struct pb_ioc_list list = {0};
	unsigned int i;

	if (t_ioctl(PB_IOC_LIST, &list))
		bail("no list of volumes");
	for (i = 0; i < list.nr; i++) {
		struct pb_ioc_status status = { .dev = list.devs[i] };

		if (!t_ioctl(PB_IOC_STATUS, &status) &&
		    !memcmp(status.replica, replica, PB_UUID_LEN))
			return status.incarnation;
	}
	return 77 << 16;
}

uint64_t t_counter(const char *name, enum pb_counter counter)
{
	struct pb_ioc_status status;

	if (t_status(name, &status))
		bail("no status of %s", name);
	return status.counters[counter];
}

int t_set_view(const char *name, const struct pb_view *view, uint32_t flags,
	       char *reason)
{
	struct pb_ioc_view arg;
	int ret;

	memset(&arg, 0, sizeof(arg));
	arg.dev = t_dev(name);
	arg.flags = flags;
	arg.view = *view;
	ret = t_ioctl(PB_IOC_SET_VIEW, &arg);
	if (reason)
		memcpy(reason, arg.reason, PB_REASON_LEN);
	return ret;
}

int t_connect(const char *name, int fd, unsigned int keepalive_ms,
	      unsigned int timeout_ms, char *reason)
{
	struct pb_ioc_connect arg;
	int ret;

	memset(&arg, 0, sizeof(arg));
	arg.dev = t_dev(name);
	arg.fd = fd;
	arg.keepalive_ms = keepalive_ms;
	arg.timeout_ms = timeout_ms;
	ret = t_ioctl(PB_IOC_CONNECT, &arg);
	if (reason)
		memcpy(reason, arg.reason, PB_REASON_LEN);
	return ret;
}

int t_disconnect(const char *name)
{
	struct pb_ioc_disconnect arg;

	memset(&arg, 0, sizeof(arg));
	arg.dev = t_dev(name);
	return t_ioctl(PB_IOC_DISCONNECT, &arg);
}

int t_policy(const char *name, uint32_t policy)
{
	struct pb_ioc_policy arg;

	memset(&arg, 0, sizeof(arg));
	arg.dev = t_dev(name);
	arg.policy = policy;
	return t_ioctl(PB_IOC_SET_POLICY, &arg);
}

/* Replica "a" has a UUID of 0xa1 bytes, "b" of 0xb1, and so on. */
void t_view(struct pb_view *view, uint64_t number, const char *members)
{
	struct pb_member *member;

	memset(view, 0, sizeof(*view));
	view->number = number;
	for (; *members; members++) {
		if (*members == '-') {
			view->members[view->nr_members - 1].flags = 0;
			continue;
		}
		member = &view->members[view->nr_members++];
		memset(member->replica, (*members - 'a' + 0xa) << 4 | 1,
		       PB_UUID_LEN);
		snprintf(member->name, PB_NAME_LEN, "node-%c", *members);
		member->flags = PB_MEMBER_SYNCED;
	}
}

int t_move(const char *name, uint64_t number, const char *members)
{
	char reason[PB_REASON_LEN];
	struct pb_view view;
	int ret;

	t_view(&view, number, members);
	ret = t_set_view(name, &view, 0, reason);
	if (ret)
		note("%s, view %llu: %s", name, (unsigned long long)number,
		     reason);
	return ret;
}

bool t_links(const char *name, uint32_t state)
{
	static const uint8_t none[PB_UUID_LEN];
	struct pb_ioc_status status;

	if (t_status(name, &status))
		return false;
	if (memcmp(status.upstream.peer, none, sizeof(none)) &&
	    status.upstream.state != state)
		return false;
	return !memcmp(status.downstream.peer, none, sizeof(none)) ||
	       status.downstream.state == state;
}

void t_tcp_pair(int fds[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int lfd, one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (lfd < 0 || fds[0] < 0 ||
	    bind(lfd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(lfd, 1) ||
	    getsockname(lfd, (struct sockaddr *)&addr, &len) ||
	    connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)))
		bail("no TCP over loopback");
	fds[1] = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	if (fds[1] < 0)
		bail("accept");
	close(lfd);
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int t_pair(const char *a, const char *b, int *keep)
{
	/* The module's own default, unless that is too short for the kernel. */
	unsigned int timeout = t_slow() > 1 ? 2000 * t_slow() : 0;
	char reason[PB_REASON_LEN];
	int fds[2], ret;

	t_tcp_pair(fds);
	ret = t_connect(b, fds[1], 0, timeout, reason);
	if (!ret)
		ret = t_connect(a, fds[0], 0, timeout, reason);
	if (ret)
		note("connect: %s", reason);
	if (keep) {
		keep[0] = fds[0];
		keep[1] = fds[1];
	} else {
		close(fds[0]);
		close(fds[1]);
	}
	return ret;
}

static int range_ioctl(int fd, unsigned long cmd, uint64_t offset, uint64_t len)
{
	uint64_t range[2] = { offset, len };

	return ioctl(fd, cmd, range) ? errno : 0;
}

static int rw(int fd, enum t_op op, uint64_t offset, uint32_t len, uint8_t fill)
{
	struct iovec iov = { .iov_len = len };
	ssize_t done;

	if (posix_memalign(&iov.iov_base, 4096, len))
		return ENOMEM;
	memset(iov.iov_base, fill, len);
	if (op == T_READ)
		done = preadv2(fd, &iov, 1, offset, 0);
	else
		done = pwritev2(fd, &iov, 1, offset,
				op == T_FUA ? RWF_DSYNC : 0);
	free(iov.iov_base);
	if (done < 0)
		return errno;
	return done == len ? 0 : EREMOTEIO;
}

int t_do_io(const char *name, enum t_op op, uint64_t offset, uint32_t len,
	    uint8_t fill)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, (op == T_READ ? O_RDONLY : O_RDWR) | O_DIRECT |
		  O_CLOEXEC);
	if (fd < 0)
		return errno;
	switch (op) {
	case T_DISCARD:
		err = range_ioctl(fd, BLKDISCARD, offset, len);
		break;
	case T_ZEROES:
		err = range_ioctl(fd, BLKZEROOUT, offset, len);
		break;
	case T_FLUSH:
		err = fsync(fd) ? errno : 0;
		break;
	default:
		err = rw(fd, op, offset, len, fill);
		break;
	}
	close(fd);
	return err;
}

static void *io_thread(void *arg)
{
	struct t_io *io = arg;

	io->error = t_do_io(io->path, io->op, io->offset, io->len, io->fill);
	__atomic_store_n(&io->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

void t_io_start(struct t_io *io, const char *name, enum t_op op,
		uint64_t offset, uint32_t len, uint8_t fill)
{
	memset(io, 0, sizeof(*io));
	snprintf(io->path, sizeof(io->path), "%s", name);
	io->op = op;
	io->offset = offset;
	io->len = len;
	io->fill = fill;
	if (pthread_create(&io->thread, NULL, io_thread, io))
		bail("no thread");
}

bool t_io_done(struct t_io *io)
{
	return __atomic_load_n(&io->done, __ATOMIC_ACQUIRE);
}

int t_io_finish(struct t_io *io)
{
	if (!t_wait(t_io_done(io)))
		return ETIMEDOUT;
	pthread_join(io->thread, NULL);
	return io->error;
}

void t_setting(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		bail("cannot write %s", path);
}

void *t_read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *buf = size > 0 ? malloc(size) : NULL;
	off_t done = 0;
	ssize_t got;

	if (!buf)
		bail("cannot read %s", path);
	while (done < size) {
		got = pread(fd, buf + done, size - done, done);
		if (got <= 0)
			bail("cannot read %s", path);
		done += got;
	}
	close(fd);
	*len = size;
	return buf;
}
