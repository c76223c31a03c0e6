// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl connect, listen: make a connection to a neighbour by hand and give it
 * to the module, once or whenever there is none.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pbctl.h"

#define DEFAULT_KEEPALIVE_MS	100
#define DEFAULT_TIMEOUT_MS	2000
#define DEFAULT_WAIT_MS		10000

/* Between two attempts to connect; the longer, the more have failed. */
#define MIN_DELAY_MS		100
#define MAX_DELAY_MS		2000

/**
 * struct linker - who makes connections to one neighbour
 * @listening: waits for it to connect, else connects to it
 * @keep: goes on whenever the link is down
 * @wait_ms: how long to try when it does not
 * @endpoint: where
 * @peer: its replica UUID, or all zero
 * @keepalive_ms: for the module
 * @timeout_ms: for the module
 * @ctl: the control device
 * @dev: the volume
 * @name: its name
 * @addrs: what @endpoint means; looked up once, since looking it up again may
 *	need the very disk whose writes are waiting
 * @listener: if @listening
 * @handed: a connection was handed over, and its end was not told yet
 * @said: what was last told of the link
 */
struct linker {
	bool			listening;
	bool			keep;
	u32			wait_ms;
	struct pb_endpoint	endpoint;
	u8			peer[PB_UUID_LEN];
	u32			keepalive_ms;
	u32			timeout_ms;
	struct pb_ctl		ctl;
	struct pb_ioc_dev	dev;
	char			name[PB_DM_NAME_LEN];
	struct addrinfo		*addrs;
	struct pb_listener	listener;
	bool			handed;
	char			said[sizeof(struct pb_error)];
};

enum { OPT_PEER = 256, OPT_KEEP, OPT_KEEPALIVE, OPT_TIMEOUT, OPT_WAIT };

static const struct option options[] = {
	{ "peer", required_argument, NULL, OPT_PEER },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ "keepalive", required_argument, NULL, OPT_KEEPALIVE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void take_option(struct linker *linker, int option)
{
	switch (option) {
	case OPT_PEER:
		option_uuid("--peer", linker->peer);
		break;
	case OPT_KEEP:
		linker->keep = true;
		break;
	case OPT_KEEPALIVE:
		linker->keepalive_ms = option_u64("--keepalive",
						  PB_KEEPALIVE_MS_MIN,
						  PB_KEEPALIVE_MS_MAX);
		break;
	case OPT_TIMEOUT:
		linker->timeout_ms = option_u64("--timeout",
						2 * PB_KEEPALIVE_MS_MIN,
						PB_TIMEOUT_MS_MAX);
		break;
	case OPT_WAIT:
		linker->wait_ms = option_ms("--wait");
		break;
	}
}

static void check_times(const struct linker *linker)
{
	u32 keepalive = linker->keepalive_ms ?: DEFAULT_KEEPALIVE_MS;
	u32 timeout = linker->timeout_ms ?: DEFAULT_TIMEOUT_MS;

	if (timeout < 2 * keepalive)
		usage_error("--timeout must be at least twice --keepalive: %u ms and %u ms do not fit",
			    timeout, keepalive);
	if (linker->keep && linker->wait_ms)
		usage_error("--keep waits for ever: leave out --wait");
}

/* Returns the volume's name as it was typed. */
static const char *parse(struct linker *linker, int argc, char **argv)
{
	const char *where = ":";
	struct pb_error err;
	char **args;
	int option;

	while ((option = next_option(argc, argv, options)) != -1)
		take_option(linker, option);
	args = want_args(argc, argv, linker->listening ? 1 : 2, 2);
	if (argc - optind == 2)
		where = args[1];
	if (!strcmp(where, ":") && linker->listening)
		snprintf(linker->endpoint.port, sizeof(linker->endpoint.port),
			 "%d", PB_WIRE_PORT);
	else if (pb_parse_endpoint(where, &linker->endpoint, &err))
		usage_error("%s", err.text);
	if (!linker->listening && !linker->endpoint.host[0])
		usage_error("'%s': say to which host", where);
	check_times(linker);
	return args[0];
}

/* A connected socket, or -errno; -EAGAIN if nobody came yet. */
static int get_socket(struct linker *linker, u32 timeout_ms, bool wake,
		      struct pb_error *err)
{
	if (!linker->listening)
		return pb_net_connect(linker->addrs, timeout_ms, err);
	return pb_net_accept(&linker->listener, wake ? linker->ctl.fd : -1,
			     timeout_ms, err);
}

static int hand_over(struct linker *linker, int fd, struct pb_error *err)
{
	struct pb_ioc_connect arg = {
		.dev = linker->dev, .fd = fd,
		.keepalive_ms = linker->keepalive_ms,
		.timeout_ms = linker->timeout_ms,
	};
	int ret;

	memcpy(arg.peer, linker->peer, PB_UUID_LEN);
	ret = pb_ctl_connect(&linker->ctl, &arg, err);
	close(fd);
	return ret;
}

/*
 * Waits until something may have changed.  The status is what counts; events
 * only save looking at it all the time, and one that is lost costs @timeout_ms.
 */
static void wait_for_news(struct linker *linker, int timeout_ms)
{
	struct pb_event event;
	struct pb_error err;
	int ret;

	ret = pb_ctl_next_event(&linker->ctl, &event, timeout_ms, &err);
	while (!ret)
		ret = pb_ctl_next_event(&linker->ctl, &event, 0, &err);
	if (ret != -EAGAIN && ret != -EINTR)
		fail("%s", err.text);
}

static u32 time_left(u64 deadline)
{
	u64 now = pb_boot_ms();

	return now < deadline ? deadline - now : 0;
}

/* Waits until the link that was handed over is up, or says why it is not. */
static int await_link(struct linker *linker, u64 deadline, struct pb_error *err)
{
	struct pb_ioc_status status;
	const struct pb_link *link;
	char reason[PB_REASON_LEN];
	u32 left;
	int ret;

	for (;;) {
		ret = pb_ctl_status(&linker->ctl, &linker->dev, &status, err);
		if (ret)
			return ret;
		link = pb_status_link(&status, linker->peer, err);
		if (!link)
			return -ENOLINK;
		if (link->state == PB_LINK_UP)
			return 0;
		pb_printable(reason, sizeof(reason), link->reason,
			     sizeof(link->reason));
		if (link->state == PB_LINK_NONE)
			return pb_fail(err, -ECONNREFUSED,
				       "%s: the link did not come up: %s",
				       linker->name, *reason ? reason :
				       "the connection was closed");
		left = time_left(deadline);
		if (!left)
			return pb_fail(err, -ETIMEDOUT,
				       "%s: the peer did not say hello in time: is the volume set up there and in the same view?",
				       linker->name);
		wait_for_news(linker, left < MIN_DELAY_MS ? left :
							    MIN_DELAY_MS);
	}
}

static int link_once(struct linker *linker)
{
	u64 deadline = pb_boot_ms() + (linker->wait_ms ?: DEFAULT_WAIT_MS);
	struct pb_ioc_status status;
	struct pb_error err;
	char peer[128];
	int fd;

	get_status(&linker->ctl, &linker->dev, &status);
	/* Before somebody's connection is taken and dropped again. */
	if (!pb_status_link(&status, linker->peer, &err))
		fail("%s: %s", linker->name, err.text);
	do {
		fd = get_socket(linker, time_left(deadline), false, &err);
	} while (fd == -EAGAIN && time_left(deadline));
	if (fd < 0)
		fail("%s: %s", linker->name, err.text);
	pb_net_peer_text(fd, peer, sizeof(peer));
	if (hand_over(linker, fd, &err) || await_link(linker, deadline, &err))
		fail("%s", err.text);
	printf("%s: link up with %s\n", linker->name, peer);
	return EXIT_SUCCESS;
}

/* What is told of the link goes to stdout, once each time it changes. */
static void pb_printf(2, 3) tell(struct linker *linker, const char *fmt, ...)
{
	char text[sizeof(linker->said)] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!strcmp(text, linker->said))
		return;
	memcpy(linker->said, text, sizeof(linker->said));
	printf("%s: %s\n", linker->name, text);
	fflush(stdout);
}

/*
 * Waits before the next attempt and returns how long to wait before the one
 * after that.  A new view is a good reason to try at once.
 */
static u32 back_off(struct linker *linker, u32 delay_ms)
{
	u64 deadline = pb_boot_ms() + delay_ms;
	struct pb_event event;
	struct pb_error err;

	while (time_left(deadline)) {
		if (pb_ctl_next_event(&linker->ctl, &event,
				      time_left(deadline), &err))
			continue;
		if (event.type == PB_EVENT_VIEW &&
		    event.dev.major == linker->dev.major &&
		    event.dev.minor == linker->dev.minor)
			return MIN_DELAY_MS;
	}
	delay_ms = delay_ms ? 2 * delay_ms : MIN_DELAY_MS;
	/* Whoever listens has no peer to spare and may be late for one. */
	if (linker->listening)
		return MIN_DELAY_MS;
	return delay_ms < MAX_DELAY_MS ? delay_ms : MAX_DELAY_MS;
}

static void attempt(struct linker *linker)
{
	struct pb_error err;
	int fd;

	fd = get_socket(linker, MAX_DELAY_MS, true, &err);
	if (fd == -EAGAIN) {
		wait_for_news(linker, 0);
		return;
	}
	if (fd < 0 || hand_over(linker, fd, &err))
		tell(linker, "%s", err.text);
	else
		linker->handed = true;
}

static int link_for_ever(struct linker *linker)
{
	struct pb_ioc_status status;
	const struct pb_link *link;
	char reason[PB_REASON_LEN];
	struct pb_error err;
	u32 delay_ms = 0;
	int ret;

	for (;;) {
		ret = pb_ctl_status(&linker->ctl, &linker->dev, &status, &err);
		if (ret == -ENODEV) {
			tell(linker, "removed");
			return EXIT_SUCCESS;
		}
		if (ret)
			fail("%s", err.text);
		link = pb_status_link(&status, linker->peer, &err);
		if (!link || link->state == PB_LINK_UP) {
			tell(linker, "%s", link ? "link up" : err.text);
			linker->handed = link;
			delay_ms = 0;
			wait_for_news(linker, MAX_DELAY_MS);
			continue;
		}
		if (link->state != PB_LINK_NONE) {
			wait_for_news(linker, MIN_DELAY_MS);
			continue;
		}
		if (linker->handed && link->reason[0])
			tell(linker, "link down: %s",
			     pb_printable(reason, sizeof(reason), link->reason,
					  sizeof(link->reason)));
		linker->handed = false;
		delay_ms = back_off(linker, delay_ms);
		attempt(linker);
	}
}

/*
 * The link is in the I/O path of this machine: what keeps it must neither wait
 * for a page to be read back nor for a write that waits for the link.
 */
static void stay_in_memory(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		fail("cannot lock memory for --keep: %m");
	/* Needs CAP_SYS_RESOURCE; without it the lock alone has to do. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

static int run(struct linker *linker, int argc, char **argv)
{
	struct pb_error err;
	const char *spec;
	int status;

	spec = parse(linker, argc, argv);
	open_volume(spec, &linker->ctl, &linker->dev);
	pb_dm_name(&linker->dev, linker->name);
	if (pb_net_resolve(&linker->endpoint, linker->listening, &linker->addrs,
			   &err))
		fail("%s", err.text);
	if (linker->listening &&
	    pb_net_listen(linker->addrs, &linker->listener, &err))
		fail("%s", err.text);
	if (linker->keep)
		stay_in_memory();
	status = linker->keep ? link_for_ever(linker) : link_once(linker);
	pb_net_unlisten(&linker->listener);
	freeaddrinfo(linker->addrs);
	pb_ctl_close(&linker->ctl);
	return status;
}

static int run_connect(int argc, char **argv)
{
	struct linker linker = {};

	return run(&linker, argc, argv);
}

static int run_listen(int argc, char **argv)
{
	struct linker linker = { .listening = true };

	return run(&linker, argc, argv);
}

#define COMMON_HELP \
"  --peer UUID      the neighbour's replica (needed only if there are two)\n" \
"  --keep           stay, and do it again whenever the link is down; ends when the\n" \
"                   volume is removed\n" \
"  --keepalive MS   say something at least this often, 10 to 60000 (default 100)\n" \
"  --timeout MS     give up a peer that is silent for longer (default 2000)\n" \
"  --wait SEC       without --keep: how long to try (default 10)\n\n" \
"Without --keep it makes one connection and waits until the link is up; exit\n" \
"status 1 and the reason if it does not come up.  The connection is neither\n" \
"encrypted nor authenticated: use it in a trusted network only.\n\n"

const struct verb verb_connect = {
	.name = "connect",
	.args = "NAME HOST[:PORT] [OPTION...]",
	.summary = "connect to a neighbour that listens",
	.help =
"Connects to a neighbour in the view, where 'pbctl listen' runs, and gives the\n"
"connection to the module.  HOST is a name, an IPv4 or an IPv6 address ([ADDR]:PORT);\n"
"the default port is 7780.\n\n"
COMMON_HELP
"Example: pbctl connect vol0 node-b --keep\n",
	.run = run_connect,
};

const struct verb verb_listen = {
	.name = "listen",
	.args = "NAME [ADDR][:PORT] [OPTION...]",
	.summary = "wait for a neighbour to connect",
	.help =
"Waits for 'pbctl connect' of a neighbour in the view and gives the connection to\n"
"the module.  ADDR is a local address (default: all of them, IPv4 and IPv6); the\n"
"default port is 7780.\n\n"
COMMON_HELP
"Example: pbctl listen vol0 [2001:db8::2]:7780 --keep\n",
	.run = run_listen,
};
