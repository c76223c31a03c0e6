// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that want to know of a volume's role: pbviewd(8) says how they are
 * called.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node.h"

static int is_program(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	/* What editors and package managers leave behind is not meant. */
	return entry->d_name[0] != '.' && entry->d_name[len - 1] != '~' &&
	       !strchr(entry->d_name, '.');
}

static char *set(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

/* Terminated by NULL; only what is named here is passed on. */
static char **make_env(const struct pv_local *local, u32 role, u64 view)
{
	char **env = calloc(7, sizeof(*env));
	char number[24], uuid[PB_UUID_TEXT], dev[64];

	if (!env)
		return NULL;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)view);
	snprintf(dev, sizeof(dev), "/dev/mapper/%s", local->config->name);
	env[0] = set("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
	env[1] = set("PB_VOLUME", local->config->name);
	env[2] = set("PB_UUID", pb_uuid_text(local->config->uuid, uuid));
	env[3] = set("PB_DEVICE", dev);
	env[4] = set("PB_ROLE", pb_role_name(role));
	env[5] = set("PB_VIEW", number);
	return env;
}

static void free_env(char **env)
{
	size_t i;

	for (i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}

/*
 * Between fork() and exec(): what makes the daemon special is not passed on to
 * a database that a hook starts.
 */
static void __attribute__((noreturn)) be_program(const char *path,
						 char *const *argv, char **env)
{
	sigset_t none;
	int fd;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		_exit(EXIT_FAILURE);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execve(path, argv, env);
	_exit(127);
}

static void run_program(const struct pv_local *local, const char *path,
			u32 role, char **env)
{
	char *argv[4] = { (char *)path, (char *)local->config->name,
			  (char *)pb_role_name(role) };
	int status = 0;
	pid_t pid;

	pid = fork();
	if (!pid)
		be_program(path, argv, env);
	if (pid < 0) {
		pv_log(SD_ERR, "%s: hook %s: %s", local->config->name, path,
		       strerror(errno));
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	pv_log(SD_ERR, "%s: hook %s failed: %s %d", local->config->name, path,
	       WIFEXITED(status) ? "status" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void run_all(const struct pv_local *local, u32 role, u64 view)
{
	const char *dir = local->daemon->config->hooks;
	char **env = make_env(local, role, view);
	struct dirent **entries;
	char path[4096];
	struct stat st;
	int i, nr;

	nr = env ? scandir(dir, &entries, is_program, alphasort) : -1;
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (!stat(path, &st) && S_ISREG(st.st_mode) &&
		    !access(path, X_OK))
			run_program(local, path, role, env);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	free_env(env);
}

static void *run(void *arg)
{
	struct pv_local *local = arg;
	u32 role;
	u64 view;

	for (;;) {
		pthread_mutex_lock(&local->lock);
		if (!local->hook_waits) {
			local->hook_runs = false;
			pthread_mutex_unlock(&local->lock);
			return NULL;
		}
		/* What began to use the volume has to end before it begins anew. */
		if (local->hook_role == PB_ROLE_PRIMARY && local->hook_stop) {
			role = PB_ROLE_IDLE;
		} else {
			local->hook_waits = false;
			role = local->hook_role;
		}
		local->hook_stop = false;
		view = local->hook_view;
		pthread_mutex_unlock(&local->lock);
		run_all(local, role, view);
	}
}

void pv_hook(struct pv_local *local, u32 role, u64 view)
{
	bool start;

	pthread_mutex_lock(&local->lock);
	local->hook_role = role;
	local->hook_view = view;
	if (role != PB_ROLE_PRIMARY)
		local->hook_stop = true;
	local->hook_waits = true;
	start = !local->hook_runs;
	local->hook_runs = true;
	pthread_mutex_unlock(&local->lock);
	if (!start || !pv_thread(run, local))
		return;
	pv_log(SD_ERR, "%s: no thread for hooks", local->config->name);
	pthread_mutex_lock(&local->lock);
	local->hook_runs = false;
	pthread_mutex_unlock(&local->lock);
}
