// SPDX-License-Identifier: GPL-2.0
/*
 * TCP connections to hand to the module.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libpb.h"

int pb_net_resolve(const struct pb_endpoint *endpoint, bool passive,
		   struct addrinfo **list, struct pb_error *err)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0),
	};
	const char *host = endpoint->host[0] ? endpoint->host : NULL;
	int ret;

	ret = getaddrinfo(host, endpoint->port, &hints, list);
	if (!ret)
		return 0;
	return pb_fail(err, ret == EAI_SYSTEM ? -errno : -ENOENT,
		       "cannot find the address of '%s': %s: is it in /etc/hosts or in DNS?",
		       endpoint->host,
		       ret == EAI_SYSTEM ? strerror(errno) : gai_strerror(ret));
}

/* Numeric, as "192.0.2.1:7780" or "[2001:db8::1]:7780". */
static char *addr_text(const struct sockaddr *addr, socklen_t len, char *text,
		       size_t size)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	const char *fmt = addr->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s";

	if (getnameinfo(addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(text, size, "?");
	else
		snprintf(text, size, fmt, host, port);
	return text;
}

char *pb_net_peer_text(int fd, char *text, size_t size)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getpeername(fd, (struct sockaddr *)&addr, &len))
		snprintf(text, size, "?");
	else
		addr_text((struct sockaddr *)&addr, len, text, size);
	return text;
}

/* Small messages must leave at once: each one is somebody's write or ack. */
static void make_prompt(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int remaining(u64 deadline)
{
	u64 now = pb_boot_ms();

	return now < deadline ? (int)(deadline - now) : 0;
}

/* What to do about it. */
static const char *connect_hint(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return ": nobody listens there yet, or a firewall refuses it";
	case ETIMEDOUT:
		return ": is the host up, and no firewall between?";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ": look at the address, the cable and 'ip route'";
	default:
		return "";
	}
}

/* Returns a connected blocking socket or -errno. */
static int connect_one(const struct addrinfo *addr, u64 deadline)
{
	struct pollfd pollfd = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int fd, ret, error = 0;

	fd = socket(addr->ai_family, addr->ai_socktype | SOCK_NONBLOCK |
		    SOCK_CLOEXEC, addr->ai_protocol);
	if (fd < 0)
		return -errno;
	make_prompt(fd);
	if (connect(fd, addr->ai_addr, addr->ai_addrlen)) {
		error = errno;
		if (error == EINPROGRESS) {
			pollfd.fd = fd;
			do {
				ret = poll(&pollfd, 1, remaining(deadline));
			} while (ret < 0 && errno == EINTR);
			if (ret <= 0)
				error = ETIMEDOUT;
			else
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &error,
					   &len);
		}
	}
	if (!error && fcntl(fd, F_SETFL, 0))
		error = errno;
	if (!error)
		return fd;
	close(fd);
	return -error;
}

int pb_net_connect(const struct addrinfo *list, unsigned int timeout_ms,
		   struct pb_error *err)
{
	u64 deadline = pb_boot_ms() + timeout_ms;
	int fd = -ENOENT, ret = pb_fail(err, -ENOENT, "no address");
	char text[NI_MAXHOST + NI_MAXSERV + 4];

	for (; list; list = list->ai_next) {
		fd = connect_one(list, deadline);
		if (fd >= 0)
			return fd;
		ret = pb_fail(err, fd, "cannot connect to %s: %s%s",
			      addr_text(list->ai_addr, list->ai_addrlen, text,
					sizeof(text)),
			      fd == -ETIMEDOUT ? "no answer in time" :
						 strerror(-fd),
			      connect_hint(-fd));
	}
	return ret;
}

/* Connections that wait to be accepted. */
#define BACKLOG	64

/* Returns a listening socket, -errno, or -EAFNOSUPPORT to pass it over. */
static int listen_one(const struct addrinfo *addr)
{
	int fd, error, on = 1;

	fd = socket(addr->ai_family, addr->ai_socktype | SOCK_NONBLOCK |
		    SOCK_CLOEXEC, addr->ai_protocol);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Each family has a socket of its own: neither shadows the other. */
	if (addr->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!bind(fd, addr->ai_addr, addr->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	error = errno;
	close(fd);
	/* IPv6 switched off by sysctl shows only here. */
	if (addr->ai_family == AF_INET6 && error == EADDRNOTAVAIL)
		error = EAFNOSUPPORT;
	return -error;
}

static const char *listen_hint(int error)
{
	switch (error) {
	case EADDRINUSE:
		return ": 'ss -ltnp' says by whom";
	case EADDRNOTAVAIL:
		return ": 'ip addr' lists those of this host";
	case EACCES:
		return ": run this as root, or choose a port from 1024 on";
	default:
		return "";
	}
}

int pb_net_listen(const struct addrinfo *list, struct pb_listener *listener,
		  struct pb_error *err)
{
	struct pb_listener opened = {};
	char text[NI_MAXHOST + NI_MAXSERV + 4];
	int fd;

	pb_fail(err, -EADDRNOTAVAIL, "no address to listen on");
	for (; list && opened.nr < PB_MAX_LISTEN; list = list->ai_next) {
		fd = listen_one(list);
		if (fd >= 0) {
			opened.fds[opened.nr++] = fd;
			continue;
		}
		pb_fail(err, fd, "cannot listen on %s: %s%s",
			addr_text(list->ai_addr, list->ai_addrlen, text,
				  sizeof(text)), strerror(-fd),
			listen_hint(-fd));
		if (fd != -EAFNOSUPPORT) {
			pb_net_unlisten(&opened);
			return fd;
		}
	}
	if (!opened.nr)
		return -EADDRNOTAVAIL;
	*listener = opened;
	return 0;
}

void pb_net_unlisten(struct pb_listener *listener)
{
	while (listener->nr)
		close(listener->fds[--listener->nr]);
}

/* A peer that gave up while its connection waited here is not worth a hello. */
static bool has_hung_up(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLRDHUP };

	return poll(&pollfd, 1, 0) > 0;
}

int pb_net_accept(const struct pb_listener *listener, int wake_fd,
		  int timeout_ms, struct pb_error *err)
{
	struct pollfd pollfds[PB_MAX_LISTEN + 1];
	unsigned int i;
	int fd;

	for (i = 0; i < listener->nr; i++)
		pollfds[i] = (struct pollfd){
			.fd = listener->fds[i], .events = POLLIN,
		};
	pollfds[i] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
	if (poll(pollfds, listener->nr + 1, timeout_ms) < 0)
		return pb_fail(err, -errno, "cannot wait for a connection: %s",
			       strerror(errno));
	for (i = 0; i < listener->nr; i++) {
		while (pollfds[i].revents) {
			fd = accept4(listener->fds[i], NULL, NULL,
				     SOCK_CLOEXEC);
			if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED)
				return pb_fail(err, -errno,
					       "cannot accept a connection: %s",
					       strerror(errno));
			if (fd < 0)
				break;
			if (!has_hung_up(fd)) {
				make_prompt(fd);
				return fd;
			}
			close(fd);
		}
	}
	return pb_fail(err, -EAGAIN, "nobody connected in time: is 'pbctl connect' running on the other node?");
}
