// SPDX-License-Identifier: GPL-2.0
/*
 * How long a TCP connection takes for 4 KiB there and 64 bytes back: what a write
 * to a backup cannot do without.
 *
 *   trip serve ADDRESS PORT		answers one client after the other
 *   trip measure ADDRESS PORT COUNT	prints the mean in microseconds
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THERE	4096
#define BACK	64
/* Round trips that are not measured: the window opens, code is translated. */
#define WARM	200

static int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))) {
		perror("socket");
		exit(1);
	}
	return fd;
}

static int receive(int fd, char *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static int serve(const struct sockaddr_in *address)
{
	int fd = tcp(), client;
	char buf[THERE];

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) ||
	    listen(fd, 1)) {
		perror("listen");
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		client = accept(fd, NULL, NULL);
		if (client < 0) {
			perror("accept");
			return 1;
		}
		while (receive(client, buf, THERE) &&
		       send(client, buf, BACK, MSG_NOSIGNAL) == BACK)
			;
		close(client);
	}
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int measure(const struct sockaddr_in *address, int count)
{
	char buf[THERE] = {};
	double begin = 0;
	int fd = tcp(), i;

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
		perror("connect");
		return 1;
	}
	for (i = -WARM; i < count; i++) {
		if (!i)
			begin = now_us();
		if (send(fd, buf, THERE, MSG_NOSIGNAL) != THERE ||
		    !receive(fd, buf, BACK)) {
			perror("round trip");
			return 1;
		}
	}
	printf("%.1f\n", (now_us() - begin) / count);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (argc >= 4 && inet_aton(argv[2], &address.sin_addr)) {
		address.sin_port = htons(atoi(argv[3]));
		if (argc == 4 && !strcmp(argv[1], "serve"))
			return serve(&address);
		if (argc == 5 && !strcmp(argv[1], "measure") &&
		    atoi(argv[4]) > 0)
			return measure(&address, atoi(argv[4]));
	}
	fprintf(stderr, "trip: wrong arguments\n");
	return 2;
}
