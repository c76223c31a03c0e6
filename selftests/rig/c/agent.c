// SPDX-License-Identifier: GPL-2.0
/*
 * The command agent of a rig guest: runs shell commands for the host over a
 * virtio-serial port, many at a time, and carries output and exit status. One
 * poll loop. It blocks only on writing to the port, which the host always
 * drains; a command that hangs, also in D state, never holds the others up.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

struct job {
	struct job *next;
	uint32_t id;
	pid_t pid;		/* 0 once reaped */
	int out;		/* read end of its stdout and stderr, or -1 */
	int in;			/* write end of its stdin, or -1 */
	int in_eof;		/* close 'in' when the queue is empty */
	char *queue;		/* stdin that the job has not taken yet */
	size_t queued;
};

static struct job *jobs;
static int port = -1;
static int sigfd = -1;
static const char *node_name;

/* The port's number depends on the probing order; its name does not. */
static int open_port(void)
{
	static const char base[] = "/sys/class/virtio-ports";
	char path[512], name[64];
	struct dirent *d;
	DIR *dir = opendir(base);
	int fd = -1;

	while (dir && fd < 0 && (d = readdir(dir))) {
		ssize_t n = 0;
		int f;

		snprintf(path, sizeof(path), "%s/%s/name", base, d->d_name);
		f = open(path, O_RDONLY | O_CLOEXEC);
		if (f < 0)
			continue;
		n = read(f, name, sizeof(name) - 1);
		close(f);
		if (n < 0)
			continue;
		name[n] = '\0';
		if (strncmp(name, "pbrig.agent", 11))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", d->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static void wait_a_little(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void write_all(const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(port, p, len > 32768 ? 32768 : len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			wait_a_little(5);	/* host not connected */
			continue;
		}
		p += n;
		len -= n;
	}
}

static void read_all(void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(port, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			wait_a_little(5);
			continue;
		}
		p += n;
		len -= n;
	}
}

static void send_frame(uint32_t type, uint32_t id, const void *data, uint32_t len)
{
	static char buf[sizeof(struct rig_frame) + 65536];
	struct rig_frame f = { .len = len, .id = id, .type = type };

	memcpy(buf, &f, sizeof(f));
	memcpy(buf + sizeof(f), data, len);
	write_all(buf, sizeof(f) + len);
}

static struct job *find_job(uint32_t id)
{
	struct job *j;

	for (j = jobs; j; j = j->next)
		if (j->id == id)
			return j;
	return NULL;
}

/* Read what is there; returns 0 when the pipe has ended. */
static int drain(struct job *j)
{
	static char buf[65536];
	int rounds;

	/* A pipe holds one buffer; the bound keeps `yes` from starving others. */
	for (rounds = 0; rounds < 4; rounds++) {
		ssize_t n = read(j->out, buf, sizeof(buf));

		if (n > 0) {
			/* After the exit frame nobody listens: a daemon's rest. */
			if (j->pid)
				send_frame(RIG_OUTPUT, j->id, buf, n);
			if (n == sizeof(buf))
				continue;
			return 1;
		}
		if (n < 0 && errno == EINTR)
			continue;
		return n < 0 && errno == EAGAIN;
	}
	return 1;
}

static void close_in(struct job *j)
{
	if (j->in >= 0)
		close(j->in);
	j->in = -1;
	free(j->queue);
	j->queue = NULL;
	j->queued = 0;
}

static void drop_job(struct job *j)
{
	struct job **p = &jobs;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	close_in(j);
	if (j->out >= 0)
		close(j->out);
	free(j);
}

static void feed(struct job *j)
{
	while (j->queued) {
		ssize_t n = write(j->in, j->queue, j->queued);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			close_in(j);
			return;
		}
		j->queued -= n;
		memmove(j->queue, j->queue + n, j->queued);
	}
	if (j->in_eof)
		close_in(j);
}

static void child(char *payload, uint32_t len, int in, int out)
{
	char *env[64] = {
		"PATH=" RIG_PATH, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "USER=root",
		"SHELL=/bin/sh", NULL,
	};
	char *cwd = payload, *cmd = cwd + strlen(cwd) + 1, *p, node[32];
	int n = 6, fd;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) == 1)
		close(fd);
	if (getppid() == 1)	/* the agent is init, and there is no udev */
		env[n++] = "DM_DISABLE_UDEV=1";
	snprintf(node, sizeof(node), "PB_NODE=%s", node_name);
	env[n++] = node;
	p = cmd + strlen(cmd) + 1;
	p += strlen(p) + 1;
	for (; p < payload + len && n < 63; p += strlen(p) + 1)
		env[n++] = p;
	env[n] = NULL;
	if (chdir(cwd)) {
		dprintf(2, "pbrig: cannot enter %s: %s\n", cwd, strerror(errno));
		_exit(126);
	}
	execve("/bin/sh", (char *[]){ "sh", "-c", cmd, NULL }, env);
	dprintf(2, "pbrig: cannot run /bin/sh: %s\n", strerror(errno));
	_exit(127);
}

static void fail_start(uint32_t id, const char *why)
{
	int32_t rc = 125;

	send_frame(RIG_OUTPUT, id, why, strlen(why));
	send_frame(RIG_EXIT, id, &rc, sizeof(rc));
}

static void start_job(uint32_t id, char *payload, uint32_t len)
{
	const char *flags = payload + strlen(payload) + 1;
	struct job *j = calloc(1, sizeof(*j));
	int out[2], in[2] = { -1, -1 }, stdin_fd;

	flags += strlen(flags) + 1;
	if (!j || pipe2(out, O_CLOEXEC)) {
		free(j);
		fail_start(id, "pbrig: no pipe\n");
		return;
	}
	if (strchr(flags, 'i') && !pipe2(in, O_CLOEXEC))
		stdin_fd = in[0];
	else
		stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	j->id = id;
	j->pid = fork();
	if (!j->pid)
		child(payload, len, stdin_fd, out[1]);
	close(out[1]);
	close(stdin_fd);
	j->out = out[0];
	j->in = in[1];
	fcntl(j->out, F_SETFL, O_NONBLOCK);
	if (j->in >= 0)
		fcntl(j->in, F_SETFL, O_NONBLOCK);
	j->next = jobs;
	jobs = j;
	if (j->pid < 0) {
		drop_job(j);
		fail_start(id, "pbrig: cannot fork\n");
	}
}

static void stdin_data(struct job *j, const char *data, uint32_t len)
{
	char *q;

	if (!j || j->in < 0)
		return;
	if (!len)
		j->in_eof = 1;
	q = realloc(j->queue, j->queued + len + 1);
	if (!q)
		return;
	memcpy(q + j->queued, data, len);
	j->queue = q;
	j->queued += len;
	feed(j);
}

static void add_entropy(const void *data, uint32_t len)
{
	struct {
		struct rand_pool_info info;
		char bytes[512];
	} seed;
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	if (len > sizeof(seed.bytes))
		len = sizeof(seed.bytes);
	seed.info.entropy_count = len * 8;
	seed.info.buf_size = len;
	memcpy(seed.info.buf, data, len);
	if (fd >= 0)
		ioctl(fd, RNDADDENTROPY, &seed.info);
	close(fd);
}

static void handle_frame(void)
{
	static char buf[RIG_MAX_FRAME + 4];
	struct rig_frame f;
	struct job *j;
	int32_t sig;

	read_all(&f, sizeof(f));
	if (f.len > RIG_MAX_FRAME) {
		say("bad frame from the host");
		f.len = RIG_MAX_FRAME;
	}
	read_all(buf, f.len);
	memset(buf + f.len, 0, 4);
	j = find_job(f.id);
	switch (f.type) {
	case RIG_EXEC:
		start_job(f.id, buf, f.len);
		break;
	case RIG_STDIN:
		stdin_data(j, buf, f.len);
		break;
	case RIG_KILL:
		memcpy(&sig, buf, sizeof(sig));
		if (j && j->pid)
			kill(-j->pid, sig);
		break;
	case RIG_SEED:
		add_entropy(buf, f.len);
		break;
	}
}

static void reap(void)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	if (read(sigfd, &si, sizeof(si)) < 0 && errno != EAGAIN)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct job *j;
		int32_t rc;

		for (j = jobs; j && j->pid != pid; j = j->next)
			;
		if (!j)
			continue;	/* an orphan */
		rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		status = drain(j);
		j->pid = 0;
		close_in(j);
		send_frame(RIG_EXIT, j->id, &rc, sizeof(rc));
		if (!status)
			drop_job(j);
	}
}

static void one_round(void)
{
	static struct pollfd *fds;
	static int room;
	struct job *j, *next;
	int n = 2, i;

	for (j = jobs; j; j = j->next)
		n += 2;
	if (n > room) {
		room = n * 2;
		fds = realloc(fds, room * sizeof(*fds));
	}
	fds[0] = (struct pollfd){ .fd = port, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
	for (n = 2, j = jobs; j; j = j->next) {
		fds[n++] = (struct pollfd){ .fd = j->out, .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = j->queued || j->in_eof ? j->in : -1,
					    .events = POLLOUT };
	}
	if (poll(fds, n, -1) < 0)
		return;
	for (i = 2, j = jobs; j; j = next, i += 2) {
		next = j->next;
		if (fds[i + 1].revents)
			feed(j);
		if (fds[i].revents && !drain(j)) {
			close(j->out);
			j->out = -1;
			if (!j->pid)
				drop_job(j);
		}
	}
	if (fds[1].revents)
		reap();
	if (fds[0].revents & POLLIN)
		handle_frame();
	else if (fds[0].revents)
		wait_a_little(20);
}

void agent_main(const char *node)
{
	struct utsname u;
	sigset_t set;
	int i;

	node_name = node;
	for (i = 0; i < 2000 && (port = open_port()) < 0; i++)
		wait_a_little(5);
	if (port < 0)
		say("no agent port");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	uname(&u);
	send_frame(RIG_HELLO, 0, u.release, strlen(u.release));
	for (;;)
		one_round();
}
