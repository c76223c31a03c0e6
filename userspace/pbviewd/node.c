// SPDX-License-Identifier: GPL-2.0
/*
 * pbviewd node: beginning and end, the kernel's events, and what keeps the daemon
 * from being in the way of the disk that it looks after: I/O of this machine may
 * wait for it, so it must not wait for I/O or memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "node.h"

#define STACK_SIZE		(256 * 1024)
/* The watchdog is fed as long as the pinger goes round this often, ms. */
#define PINGER_MS		10000

int pv_thread(void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -ret;
}

/*
 * glibc waits by CLOCK_MONOTONIC or CLOCK_REALTIME.  Only durations matter here,
 * and a suspended machine waits for nothing.
 */
void pv_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

void pv_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, u64 until_ms)
{
	u64 now = pb_boot_ms(), left = until_ms > now ? until_ms - now : 0;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += left / 1000;
	until.tv_nsec += left % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(cond, lock, &until);
}

void pv_ping_now(struct pv_node_daemon *daemon)
{
	pthread_mutex_lock(&daemon->lock);
	daemon->ping_now = true;
	pthread_cond_signal(&daemon->ping_wake);
	pthread_mutex_unlock(&daemon->lock);
}

struct pv_local *pv_local_by_uuid(struct pv_node_daemon *daemon,
				  const u8 *uuid)
{
	u32 i;

	for (i = 0; i < daemon->nr; i++)
		if (!memcmp(daemon->locals[i].config->uuid, uuid, PB_UUID_LEN))
			return &daemon->locals[i];
	return NULL;
}

/* The loop */

static int on_event(sd_event_source *source, int fd, u32 events, void *arg)
{
	struct pv_node_daemon *daemon = arg;
	struct pv_local *local;
	struct pb_event event;
	struct pb_error err;
	u32 i;

	(void)source;
	(void)fd;
	(void)events;
	while (!pb_ctl_next_event(&daemon->ctl, &event, 0, &err)) {
		pv_log(SD_DEBUG, "kernel: %s: %s", pb_event_name(event.type),
		       event.text);
		local = pv_local_by_uuid(daemon, event.dev.volume);
		if (local)
			pv_local_kick(local);
		for (i = 0; event.lost && i < daemon->nr; i++)
			pv_local_kick(&daemon->locals[i]);
	}
	return 0;
}

static int on_watchdog(sd_event_source *source, uint64_t usec, void *arg)
{
	struct pv_node_daemon *daemon = arg;
	u64 pinged;

	(void)usec;
	pthread_mutex_lock(&daemon->lock);
	pinged = daemon->pinged;
	pthread_mutex_unlock(&daemon->lock);
	if (pb_boot_ms() - pinged < PINGER_MS)
		sd_notify(false, "WATCHDOG=1");
	sd_event_source_set_time_relative(source, 1000000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_sources(struct pv_node_daemon *daemon, sd_event *event)
{
	int ret;

	ret = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (ret >= 0)
		ret = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	if (ret >= 0)
		ret = sd_event_add_io(event, NULL, daemon->ctl.fd, EPOLLIN,
				      on_event, daemon);
	if (ret >= 0)
		ret = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC,
						 0, 0, on_watchdog, daemon);
	return ret;
}

static int turn(struct pv_node_daemon *daemon)
{
	sd_event *event;
	int ret = sd_event_new(&event);

	if (ret < 0)
		return ret;
	ret = add_sources(daemon, event);
	if (ret >= 0) {
		pv_log(SD_NOTICE, "node %s: %u volumes", daemon->config->node,
		       daemon->nr);
		sd_notify(false, "READY=1");
		ret = sd_event_loop(event);
		sd_notify(false, "STOPPING=1");
	}
	sd_event_unref(event);
	return ret;
}

/* Beginning and end */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		pv_log(SD_WARNING, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void harden(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		pv_log(SD_WARNING, "memory cannot be locked: %s",
		       strerror(errno));
	/* What it allocates must not wait for the disk that waits for it. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		pv_log(SD_WARNING, "PR_SET_IO_FLUSHER: %s", strerror(errno));
	write_file("/proc/self/oom_score_adj", "-1000");
}

static int open_all(struct pv_node_daemon *daemon, struct pb_error *err)
{
	const struct pb_config *config = daemon->config;
	struct addrinfo *list;
	u32 i;
	int ret;

	daemon->locals = calloc(config->nr_volumes + 1,
				sizeof(*daemon->locals));
	if (!daemon->locals)
		return pb_fail(err, -ENOMEM, "no memory");
	for (i = 0; i < config->nr_volumes; i++) {
		struct pv_local *local = &daemon->locals[daemon->nr];

		local->daemon = daemon;
		local->config = &config->volumes[i];
		local->self = pb_config_replica(local->config, config->node);
		if (local->self >= 0)
			daemon->nr++;
	}
	ret = pb_config_check_files(config, err) ?:
	      pv_tls_load(config->ca, config->certificate, config->key,
			  &daemon->tls, err) ?:
	      pv_tls_check_own(daemon->tls, config->certificate, config->node,
			       err) ?:
	      pb_ctl_open(&daemon->ctl, err) ?:
	      pb_net_resolve(&config->listen, true, &list, err);
	if (ret)
		return ret;
	ret = pb_net_listen(list, &daemon->listener, err);
	freeaddrinfo(list);
	return ret;
}

static int start_all(struct pv_node_daemon *daemon)
{
	u32 i;
	int ret = 0;

	daemon->pinged = pb_boot_ms();
	for (i = 0; !ret && i < daemon->nr; i++)
		ret = pv_local_start(&daemon->locals[i]);
	return ret ?: pv_thread(pv_ping_thread, daemon) ?:
	       pv_thread(pv_news_thread, daemon) ?:
	       pv_probe_start(daemon) ?:
	       pv_thread(pv_answer_thread, daemon);
}

int pv_run_node(const struct pb_config *config)
{
	static struct pv_node_daemon daemon;
	struct pb_error err;
	sigset_t set;
	int ret;

	daemon.config = config;
	daemon.ctl.fd = -1;
	pthread_mutex_init(&daemon.lock, NULL);
	pv_cond_init(&daemon.ping_wake);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (open_all(&daemon, &err)) {
		pv_log(SD_ERR, "%s", err.text);
		return EXIT_FAILURE;
	}
	harden();
	ret = start_all(&daemon);
	if (ret)
		pv_log(SD_ERR, "a thread cannot be started: %s",
		       strerror(-ret));
	else
		ret = turn(&daemon);
	/*
	 * Threads may be in ioctls that do not return, and use what exit() would
	 * take from them.  Nothing that they do is left half done by the end of
	 * the process; but while one of them hangs the port would stay taken.
	 */
	pb_net_unlisten(&daemon.listener);
	_exit(ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
