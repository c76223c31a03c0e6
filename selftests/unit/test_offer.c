// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of link.c: offers and replies, which may be anything that a peer makes up.
 */
#include <errno.h>
#include <unistd.h>

#include "link_world.h"
#include "rnd.h"

static struct pv_tls *beta;

static void test_truncated(void)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	unsigned int len, bad = 0;
	struct pv_wire_reply reply;
	struct pv_wire_offer wire;
	struct w_answer answer;

	pv_offer_pack(&offer, &wire);
	for (len = 0; len < sizeof(wire); len++)
		if (w_answer_bytes(NULL, &wire, len, &answer, &reply) !=
		    -ECONNRESET || answer.asked || answer.offer.kind ||
		    reply.magic)
			bad++;
	is(bad, 0, "an offer cut short anywhere is none");
	ok(w_answer_bytes(NULL, &wire, sizeof(wire), &answer, &reply) > 0 &&
	   le32_to_cpu(reply.magic) == PV_REPLY_MAGIC && !reply.status,
	   "a whole one is accepted");
}

struct field {
	const char	*what;
	size_t		at;
	size_t		len;
	u8		fill;
	const char	*says;
};

#define FIELD(name, fill, says) \
	{ #name, offsetof(struct pv_wire_offer, name), \
	  sizeof(((struct pv_wire_offer *)0)->name), fill, says }

static const struct field fields[] = {
	FIELD(magic, 'x', "is not pbviewd"),
	FIELD(version, 2, "speaks version"),
	FIELD(kind, 0, "unknown kind of offer: 0"),
	FIELD(kind, 3, "unknown kind"),
	FIELD(reserved, 1, "damaged"),
	FIELD(view, 0, "for no view"),
	FIELD(volume, 0, "for no volume"),
	FIELD(replica, 0, "of no replica"),
	FIELD(node, 0, "without a proper name"),
	FIELD(node, 'a', "without a proper name"),
	FIELD(node, ' ', "without a proper name"),
	FIELD(node, 0xe4, "without a proper name"),
	{ "behind the node", offsetof(struct pv_wire_offer, node) + 8, 1, 'x',
	  "without a proper name" },
};

static void test_fields(void)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK), got;
	struct pv_wire_reply reply;
	struct pv_wire_offer wire;
	struct w_answer answer;
	struct pb_error err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		pv_offer_pack(&offer, &wire);
		memset((u8 *)&wire + fields[i].at, fields[i].fill,
		       fields[i].len);
		memset(&got, 0x5a, sizeof(got));
		w_failed(pv_offer_unpack(&wire, &got, &err), &err, -EPROTO,
		       fields[i].says, "unpack", fields[i].what);
		w_answer_bytes(beta, &wire, sizeof(wire), &answer, &reply);
		w_failed(answer.ret, &answer.err, -EPROTO, fields[i].says,
		       "answer", fields[i].what);
		ok(!answer.asked && !answer.offer.kind &&
		   le32_to_cpu(reply.status) == EPROTO &&
		   strstr(reply.reason, fields[i].says),
		   "%s: the other side is told", fields[i].what);
	}
}

/* On the wire: what another version of this program has to find. */
static void test_bytes(void)
{
	static const u8 head[24] = {
		'P', 'B', 'V', 'O', 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		7, 0, 0, 0, 0, 0, 0, 0,
	};
	struct pv_offer offer = w_offer(PV_OFFER_LINK), got = {};
	struct pv_wire_offer wire;
	struct pb_error err;

	pv_offer_pack(&offer, &wire);
	ok(!memcmp(&wire, head, sizeof(head)) && wire.volume[0] == 0xaa &&
	   wire.replica[15] == 0xbb && !memcmp(wire.node, "alpha\0", 7 - 1),
	   "an offer's bytes");
	ok(!pv_offer_unpack(&wire, &got, &err) && w_same(&got, &offer),
	   "and back");
}

static void mutate(u8 *bytes, size_t len)
{
	unsigned int nr = 1 + rnd() % 4;

	while (nr--) {
		if (rnd() % 2)
			bytes[rnd() % len] ^= 1 << rnd() % 8;
		else
			bytes[rnd() % len] = rnd();
	}
}

static void test_garbage(void)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK), got;
	unsigned int i, bad = 0, taken = 0;
	struct pv_wire_offer wire, again;
	struct pb_error err;

	for (i = 0; i < 10000; i++) {
		pv_offer_pack(&offer, &wire);
		mutate((u8 *)&wire, sizeof(wire));
		memset(&got, 0, sizeof(got));
		if (pv_offer_unpack(&wire, &got, &err)) {
			bad += !*err.text || got.kind;
			continue;
		}
		taken++;
		/* There is one way to write an offer down. */
		pv_offer_pack(&got, &again);
		bad += memcmp(&wire, &again, sizeof(wire)) ||
		       (got.kind != 1 && got.kind != 2) || !got.node[0] ||
		       (got.kind == 2 && !got.view);
	}
	is(bad, 0, "10,000 mutations: what is accepted is well formed");
	ok(taken > 1000 && taken < 9000, "10,000 mutations: some are (%u)",
	   taken);
}

/*
 * What replies may be, in clear
 */

static void *reply_thread(void *arg)
{
	struct pv_wire_offer wire;
	int fd = w_accept(w_listener);

	if (w_read(fd, &wire, sizeof(wire)))
		w_write(fd, arg, sizeof(struct pv_wire_reply) + 5);
	close(fd);
	return NULL;
}

static int dial_reply(struct pv_wire_reply *reply, struct pb_error *err,
		      char *rest)
{
	struct pv_offer offer = w_offer(PV_OFFER_LINK);
	u8 buf[sizeof(*reply) + 5];
	pthread_t thread;
	int ret;

	memcpy(buf, reply, sizeof(*reply));
	memcpy(buf + sizeof(*reply), "hello", 5);
	pthread_create(&thread, NULL, reply_thread, buf);
	ret = pv_link_dial(NULL, &w_here, "beta", &offer, PATIENCE_MS, err);
	pthread_join(thread, NULL);
	memset(rest, 0, 6);
	if (ret > 0) {
		w_read(ret, rest, 5);
		close(ret);
	}
	return ret;
}

static void test_replies(void)
{
	struct pv_wire_reply reply;
	struct pb_error err;
	char rest[6];
	int ret;

	w_reply(&reply, 0, "");
	ret = dial_reply(&reply, &err, rest);
	ok(ret > 0 && !strcmp(rest, "hello"),
	   "in clear: what follows the reply is left, whole");
	w_reply(&reply, EBUSY, "no\033[31m\nway\xff");
	w_failed(dial_reply(&reply, &err, rest), &err, -ECONNREFUSED,
	       "beta refused: no?[31m?way?", "reply", "odd characters");
	memset(reply.reason, 'r', sizeof(reply.reason));
	w_failed(dial_reply(&reply, &err, rest), &err, -ECONNREFUSED, "rrrr",
	       "reply", "a reason without an end");
	ok(strlen(err.text) == strlen("beta refused: ") + PB_REASON_LEN,
	   "and nothing behind it is read");
	w_reply(&reply, 4096, "");
	w_failed(dial_reply(&reply, &err, rest), &err, -EPROTO, "damaged",
	       "reply", "a status that is no errno");
	w_reply(&reply, 0, "");
	reply.reserved = 1;
	w_failed(dial_reply(&reply, &err, rest), &err, -EPROTO, "damaged",
	       "reply", "something where nothing is");
	w_reply(&reply, 0, "");
	reply.magic = cpu_to_le32(PV_OFFER_MAGIC);
	w_failed(dial_reply(&reply, &err, rest), &err, -EPROTO, "is not pbviewd",
	       "reply", "no reply");
	w_reply(&reply, 0, "");
	reply.version = cpu_to_le32(2);
	w_failed(dial_reply(&reply, &err, rest), &err, -EPROTO,
	       "speaks version 2", "reply", "a later version");
}

int main(void)
{
	tap_begin();
	w_begin();
	beta = w_load("ca", "beta");
	test_bytes();
	test_garbage();
	test_truncated();
	test_fields();
	test_replies();
	pv_tls_free(beta);
	w_end();
	return tap_end();
}
