// SPDX-License-Identifier: GPL-2.0
/*
 * Keepalives, time-outs and the event stream.
 *
 *   t_events A	A: primary of view 1 "ab", nobody connected
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

static const char *dev;
static int events;

/* The next event of a type; others are passed over. */
static bool next_event(uint32_t type, struct pb_event *event, unsigned int ms)
{
	struct pollfd pfd = { .fd = events, .events = POLLIN };
	uint64_t end = t_now_ms() + ms, now;

	while ((now = t_now_ms()) < end) {
		if (poll(&pfd, 1, end - now) <= 0)
			break;
		if (read(events, event, sizeof(*event)) != sizeof(*event))
			return false;
		if (event->type == type)
			return true;
	}
	return false;
}

static void silent_peer(void)
{
	unsigned int timeout = 1000 * t_slow();
	struct pb_event event;
	struct t_peer peer;
	uint64_t start;
	struct t_io io;

	t_peer_init(&peer, dev);
	t_peer_connect_timed(&peer, 100, timeout);
	ok(t_peer_greet(&peer), "a successor connects");
	ok(next_event(PB_EVENT_LINK_UP, &event, T_DEADLINE_MS),
	   "event: link up");
	start = t_now_ms();
	t_io_start(&io, dev, T_WRITE, 0, 4096, 1);
	ok(next_event(PB_EVENT_PEER_SILENT, &event, T_DEADLINE_MS),
	   "event: the peer is silent");
	note("after %llu ms", (unsigned long long)(t_now_ms() - start));
	ok(t_now_ms() - start < 3 * timeout, "in time");
	ok(t_now_ms() - start >= timeout / 10 * 9, "and not before");
	ok(!memcmp(event.peer, peer.hello.replica, PB_UUID_LEN) &&
	   event.view == peer.view, "it names the peer and the view");
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "the connection is closed");
	ok(!t_io_done(&io), "the write waits all the same");
	ok(t_peer_up(&peer), "it comes back");
	is(t_peer_finish(&peer, &io), 0, "the write is done");
	t_peer_free(&peer);
}

/* A socket on which no hello ever comes is given up as well. */
static void silent_from_the_start(void)
{
	struct pb_event event;
	struct t_peer peer;

	t_peer_init(&peer, dev);
	t_peer_connect_timed(&peer, 50, 300);
	ok(next_event(PB_EVENT_PEER_SILENT, &event, T_DEADLINE_MS),
	   "no hello at all: silent");
	t_peer_free(&peer);
}

/* An idle connection lives by keepalives of both sides. */
static void keepalives(void)
{
	unsigned int pause = 100 * t_slow();
	struct pb_event event;
	struct pb_msg ping;
	struct t_peer peer;
	unsigned int i;

	t_move(dev, 2, "ab");
	t_peer_init(&peer, dev);
	t_peer_connect_timed(&peer, pause, 8 * pause);
	ok(t_peer_greet(&peer) &&
	   next_event(PB_EVENT_LINK_UP, &event, T_DEADLINE_MS),
	   "a successor connects in view 2");
	for (i = 0; i < 20; i++) {
		ping = t_msg(&peer, PB_WIRE_KEEPALIVE);
		t_peer_send(&peer, &ping, NULL);
		t_sleep_ms(pause);
	}
	ok(t_links(dev, PB_LINK_UP), "kept alive for %u ms", 20 * pause);
	ok(t_counter(dev, PB_CNT_KEEPALIVES_TX) >= 10, "it sends its own");
	t_peer_free(&peer);
	ok(next_event(PB_EVENT_LINK_DOWN, &event, T_DEADLINE_MS),
	   "event: link down");
}

static void order_and_loss(void)
{
	int reader = open("/dev/" PB_CONTROL_NAME, O_RDWR | O_NONBLOCK);
	struct pb_event event, all[32];
	unsigned int i, got = 0, gaps = 0;
	uint64_t last = 0;
	ssize_t len;

	for (i = 0; i < 400; i++)
		t_policy(dev, PB_POLICY_WAIT);
	ok(read(reader, &event, sizeof(event)) == sizeof(event),
	   "a slow reader reads");
	is(event.lost, 400 - 256, "and hears how many it has lost");
	last = event.seq;
	while ((len = read(reader, all, sizeof(all))) > 0)
		for (i = 0; i < len / sizeof(event); i++) {
			gaps += all[i].seq != last + 1 || all[i].lost;
			last = all[i].seq;
			got++;
		}
	is(got, 255, "the rest is there");
	is(gaps, 0, "in order and without a gap");
	close(reader);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	dev = argv[1];
	events = open("/dev/" PB_CONTROL_NAME, O_RDWR);
	silent_peer();
	silent_from_the_start();
	keepalives();
	order_and_loss();
	close(events);
	return t_result();
}
