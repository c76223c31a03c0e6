// SPDX-License-Identifier: GPL-2.0
/*
 * pbviewd server: the loop around the view server.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <systemd/sd-event.h>

#include "link.h"
#include "server.h"

/**
 * struct serve - the loop
 * @server: what it turns around
 * @http: what brings requests
 * @tick: the next tick
 * @http_timer: when @http wants to be called at the latest
 */
struct serve {
	struct pv_server	server;
	struct pv_http		*http;
	sd_event_source		*tick;
	sd_event_source		*http_timer;
};

static void run_http(struct serve *serve)
{
	int ms = pv_http_run(serve->http);

	if (ms >= 0) {
		sd_event_source_set_time_relative(serve->http_timer,
						  ms * 1000ULL);
		sd_event_source_set_enabled(serve->http_timer,
					    SD_EVENT_ONESHOT);
	}
}

static int on_http(sd_event_source *source, int fd, u32 events, void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	run_http(arg);
	return 0;
}

static int on_http_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	run_http(arg);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct serve *serve = arg;
	u32 ms = pv_server_tick(&serve->server);

	(void)usec;
	if (pv_http_ring(serve->http))
		run_http(serve);
	sd_event_source_set_time_relative(source, ms * 1000ULL);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_sources(struct serve *serve, sd_event *event)
{
	const int signals[] = { SIGTERM, SIGINT };
	sigset_t set;
	size_t i;
	int ret;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		/* Without a handler: the loop ends. */
		ret = sd_event_add_signal(event, NULL, signals[i], NULL, NULL);
		if (ret < 0)
			return ret;
	}
	ret = sd_event_add_io(event, NULL, pv_http_fd(serve->http), EPOLLIN,
			      on_http, serve);
	if (ret < 0)
		return ret;
	ret = sd_event_add_time_relative(event, &serve->http_timer,
					 CLOCK_BOOTTIME, 0, 1000,
					 on_http_timer, serve);
	if (ret < 0)
		return ret;
	ret = sd_event_add_time_relative(event, &serve->tick, CLOCK_BOOTTIME,
					 0, 1000, on_tick, serve);
	if (ret < 0)
		return ret;
	return sd_event_set_watchdog(event, true);
}

static int turn(struct serve *serve)
{
	sd_event *event;
	int ret = sd_event_new(&event);

	if (ret >= 0)
		ret = add_sources(serve, event);
	if (ret >= 0) {
		pv_log(SD_NOTICE, "serving %u volumes", serve->server.nr);
		sd_notify(false, "READY=1");
		ret = sd_event_loop(event);
		sd_notify(false, "STOPPING=1");
	}
	sd_event_source_unref(serve->tick);
	sd_event_source_unref(serve->http_timer);
	sd_event_unref(event);
	return ret;
}

static int check_credentials(const struct pb_config *config,
			     struct pb_error *err)
{
	struct pv_tls *tls;
	int ret;

	ret = pb_config_check_files(config, err) ?:
	      pv_tls_load(config->ca, config->certificate, config->key, &tls,
			  err);
	if (ret)
		return ret;
	ret = pv_tls_check_own(tls, config->certificate, NULL, err);
	pv_tls_free(tls);
	return ret;
}

static int open_all(struct serve *serve, const struct pb_config *config,
		    struct pb_error *err)
{
	struct pv_store *store;
	int ret;

	/* The store comes last: what is wrong before that leaves none behind. */
	serve->server.config = config;
	ret = check_credentials(config, err) ?:
	      pv_http_open(&serve->server, &serve->http, err);
	if (ret)
		return ret;
	ret = pv_sqlite_open(config->store, &store, err) ?:
	      pv_server_open(&serve->server, config, store, err);
	if (ret)
		pv_http_close(serve->http);
	return ret;
}

int pv_serve(const struct pb_config *config)
{
	struct serve serve = { 0 };
	struct pb_error err;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	if (open_all(&serve, config, &err)) {
		pv_log(SD_ERR, "%s", err.text);
		return EXIT_FAILURE;
	}
	ret = turn(&serve);
	pv_http_close(serve.http);
	pv_server_close(&serve.server);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
