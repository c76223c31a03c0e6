// SPDX-License-Identifier: GPL-2.0
/*
 * Random and mutated streams into live connections.
 *
 *   t_stream B A	a backup and a primary, each with a fake neighbour
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tlib.h"

static uint64_t rnd;

static void random_bytes(uint8_t *buf, size_t len)
{
	while (len--)
		*buf++ = t_random(&rnd);
}

/* A message that could be right, of any type. */
static struct pb_msg some_msg(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, 1 + t_random(&rnd) % 7);

	msg.seq = peer->next_seq + t_random(&rnd) % 3 - 1;
	if (msg.type == PB_WIRE_WRITE || msg.type == PB_WIRE_ZEROES) {
		msg.sector = t_random(&rnd) % peer->bounds.data_sectors;
		msg.count = 1 + t_random(&rnd) % 16;
	} else if (msg.type == PB_WIRE_ACK) {
		msg.count = 1 + t_random(&rnd) % 3;
	} else if (msg.type != PB_WIRE_FLUSH) {
		msg.seq = 0;
	}
	if (msg.type == PB_WIRE_WRITE)
		msg.data_len = msg.count * 512;
	if (msg.type == PB_WIRE_HELLO)
		msg.data_len = sizeof(struct pb_wire_hello);
	if (msg.type == PB_WIRE_BYE)
		msg.status = t_random(&rnd) % 25;
	return msg;
}

/* Any field to any value, often one near a limit. */
static void spoil(struct pb_msg *msg)
{
	static const uint64_t odd[] = { 0, 1, 7, 8, 255, 0x7fffffff,
					0xffffffff, ~0ULL, ~0ULL - 7 };
	uint64_t value = odd[t_random(&rnd) % ARRAY_SIZE(odd)];

	switch (t_random(&rnd) % 10) {
	case 0: msg->type = value; break;
	case 1: msg->flags = value; break;
	case 2: msg->from = value; break;
	case 3: msg->view = value; break;
	case 4: msg->seq = value; break;
	case 5: msg->sector = value; break;
	case 6: msg->count = value; break;
	case 7: msg->data_len = value; break;
	case 8: msg->status = value; break;
	default: msg->stamp = value; break;
	}
}

static void say_something(struct t_peer *peer)
{
	uint8_t buf[8192 + sizeof(struct pb_wire_hdr)];
	struct pb_msg msg = some_msg(peer);
	size_t len = msg.data_len;

	if (t_random(&rnd) % 2)
		spoil(&msg);
	pb_codec_pack(&msg, (struct pb_wire_hdr *)buf);
	random_bytes(buf + sizeof(struct pb_wire_hdr), len);
	len += sizeof(struct pb_wire_hdr);
	if (t_random(&rnd) % 4 == 0)
		buf[t_random(&rnd) % len] ^= 1 << t_random(&rnd) % 8;
	if (t_random(&rnd) % 8 == 0)
		len = t_random(&rnd) % len;
	if (t_random(&rnd) % 16 == 0)
		random_bytes(buf, len);
	t_peer_raw(peer, buf, len);
}

static void spoiled_hello(struct t_peer *peer)
{
	struct pb_msg msg = t_msg(peer, PB_WIRE_HELLO);
	struct pb_wire_hello wire;
	struct pb_hello hello = peer->hello;
	uint8_t *bytes = (uint8_t *)&hello;

	bytes[t_random(&rnd) % sizeof(hello)] ^= 1 << t_random(&rnd) % 8;
	pb_hello_pack(&hello, &wire);
	msg.data_len = sizeof(wire);
	t_peer_send(peer, &msg, &wire);
}

/* One connection: mostly a good hello, then some messages, then an end. */
static void one_stream(struct t_peer *peer)
{
	struct pb_msg msg;
	unsigned int i;

	t_peer_connect(peer);
	if (t_random(&rnd) % 5 == 0) {
		spoiled_hello(peer);
	} else {
		if (!peer->upstream)
			t_peer_recv(peer, &msg, T_DEADLINE_MS);
		t_peer_hello(peer);
	}
	for (i = t_random(&rnd) % 8; i; i--)
		say_something(peer);
	if (t_random(&rnd) % 2)
		shutdown(peer->fd, SHUT_WR);
	t_peer_close(peer);
	/* What was taken moves the numbers on; a new incarnation as well. */
	peer->hello.incarnation += (t_random(&rnd) % 2) << 16;
}

static void streams(const char *dev, unsigned int count)
{
	struct pb_ioc_status status;
	struct t_peer peer;
	unsigned int i;

	t_peer_init(&peer, dev);
	for (i = 0; i < count; i++) {
		one_stream(&peer);
		/* A stream may have been good: go on where it went to. */
		t_status(dev, &status);
		peer.next_seq = status.upstream.sent_seq + 1;
	}
	ok(t_wait(t_links(dev, PB_LINK_NONE)), "%s: %u streams", dev, count);
	note("%s: refused %llu", dev,
	     (unsigned long long)t_counter(dev, PB_CNT_RX_REFUSED));
	ok(t_counter(dev, PB_CNT_RX_REFUSED) > count / 8,
	   "%s: many were refused", dev);
	t_peer_free(&peer);
}

static void serves(const char *backup, const char *primary)
{
	struct t_peer peer;
	struct t_io io;

	/* The latest life there can be: some stream may have claimed any. */
	t_peer_init(&peer, backup);
	peer.hello.incarnation = UINT64_MAX;
	ok(t_peer_up(&peer) && t_peer_write(&peer, 8, 8, 1) &&
	   t_peer_wait_ack(&peer, peer.next_seq - 1), "%s serves on", backup);
	t_peer_free(&peer);

	t_move(primary, 2, "ab");
	t_peer_init(&peer, primary);
	peer.hello.incarnation = UINT64_MAX;
	ok(t_peer_up(&peer), "%s: a good successor", primary);
	t_io_start(&io, primary, T_WRITE, 0, 4096, 1);
	is(t_peer_finish(&peer, &io), 0, "%s serves on", primary);
	t_peer_free(&peer);
}

int main(int argc, char **argv)
{
	unsigned int count = t_env("PB_STREAMS", 1000, 10000);

	if (argc != 3)
		return 2;
	rnd = t_env("PB_SEED", 1, 1);
	streams(argv[1], count * 3 / 4);
	streams(argv[2], count / 4);
	serves(argv[1], argv[2]);
	return t_result();
}
