// SPDX-License-Identifier: GPL-2.0
/*
 * Another program's output, within a time: whatever hangs, this does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "libpb.h"

#define MAX_OUTPUT	(16 << 20)

static int start(const char * const *argv, int out, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int ret;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	/* Who waits for it may hold signals back; it does not. */
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	ret = posix_spawnp(pid, argv[0], &actions, &attr, (char **)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return ret;
}

/* Until the end of @fd, or in vain. */
static bool take(int fd, u64 until, FILE *out)
{
	struct pollfd poll_fd = { fd, POLLIN, 0 };
	size_t taken = 0;
	char part[8192];
	ssize_t len;
	u64 now;

	while ((now = pb_boot_ms()) < until && taken < MAX_OUTPUT) {
		if (poll(&poll_fd, 1, until - now) <= 0)
			continue;
		len = read(fd, part, sizeof(part));
		if (len <= 0)
			return true;
		fwrite(part, len, 1, out);
		taken += len;
	}
	return false;
}

/* One that hangs in the kernel is left behind. */
static int finish(pid_t pid, u64 until)
{
	int status = 0;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (pb_boot_ms() >= until) {
			kill(pid, SIGKILL);
			return -1;
		}
		usleep(5000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int child_output(const char * const *argv, unsigned int ms, FILE *out)
{
	u64 until = pb_boot_ms() + ms;
	int fds[2], ret, status = -1;
	bool whole;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		fprintf(out, "[%s: %s]\n", argv[0], strerror(errno));
		return -1;
	}
	ret = start(argv, fds[1], &pid);
	close(fds[1]);
	if (ret) {
		fprintf(out, "[%s cannot be run: %s]\n", argv[0],
			strerror(ret));
	} else {
		whole = take(fds[0], until, out);
		status = finish(pid, whole ? until : 0);
		if (!whole)
			fprintf(out, "\n[not all: it took longer than %u s, or was too much]\n",
				ms / 1000);
		else if (status)
			fprintf(out, "[exit status %d]\n", status);
	}
	close(fds[0]);
	return status;
}
