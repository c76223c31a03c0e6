// SPDX-License-Identifier: GPL-2.0
/*
 * Replication connections: dialling, offers, replies.
 *
 *	who connects				who accepts
 *
 *	TLS handshake  <----------------------> TLS handshake
 *	attach kernel TLS
 *	offer ---------------------------------> who is it?  judge
 *						attach kernel TLS, keys to read
 *	<--------------------------------------	reply
 *	keys to read and write			keys to write
 *
 * Who accepts finds out before its reply whether its kernel can do it, so that
 * "accepted" is true and a refusal says why not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pb-view.h"
#include "tls.h"

#define MAX_ERRNO	4095

static_assert(sizeof(struct pv_wire_offer) == 88);
static_assert(sizeof(struct pv_wire_reply) == 16 + PB_REASON_LEN);
static_assert((PV_OFFER_MAGIC & 0xff) != PV_TLS_FIRST_BYTE);

/*
 * Offers and replies
 */

void pv_offer_pack(const struct pv_offer *offer, struct pv_wire_offer *wire)
{
	memset(wire, 0, sizeof(*wire));
	wire->magic = cpu_to_le32(PV_OFFER_MAGIC);
	wire->version = cpu_to_le32(PV_WIRE_VERSION);
	wire->kind = cpu_to_le32(offer->kind);
	wire->view = cpu_to_le64(offer->view);
	memcpy(wire->volume, offer->volume, PB_UUID_LEN);
	memcpy(wire->replica, offer->replica, PB_UUID_LEN);
	memcpy(wire->node, offer->node, strnlen(offer->node, PB_NAME_LEN));
}

static int check_head(__le32 magic, __le32 version, u32 want,
		      struct pb_error *err)
{
	if (le32_to_cpu(magic) != want)
		return pb_fail(err, -EPROTO,
			       "what speaks there is not pbviewd, or one of them wants encryption and the other not");
	if (le32_to_cpu(version) != PV_WIRE_VERSION)
		return pb_fail(err, -EPROTO,
			       "it speaks version %u of pbviewd's protocol, and we version %u",
			       le32_to_cpu(version), PV_WIRE_VERSION);
	return 0;
}

/* A name, and nothing but zeros after it. */
static bool node_ok(const char *node)
{
	size_t len;

	if (!pb_name_valid(node))
		return false;
	len = strlen(node);
	return len && pb_all_zero(node + len, PB_NAME_LEN - len);
}

int pv_offer_unpack(const struct pv_wire_offer *wire, struct pv_offer *offer,
		    struct pb_error *err)
{
	u32 kind = le32_to_cpu(wire->kind);
	int ret;

	ret = check_head(wire->magic, wire->version, PV_OFFER_MAGIC, err);
	if (ret)
		return ret;
	if (kind != PV_OFFER_PROBE && kind != PV_OFFER_LINK)
		return pb_fail(err, -EPROTO, "unknown kind of offer: %u", kind);
	if (wire->reserved)
		return pb_fail(err, -EPROTO, "the offer is damaged");
	if (kind == PV_OFFER_LINK && !wire->view)
		return pb_fail(err, -EPROTO, "the offer is for no view");
	if (pb_uuid_zero(wire->volume) || pb_uuid_zero(wire->replica))
		return pb_fail(err, -EPROTO,
			       "the offer is for no volume or of no replica");
	if (!node_ok(wire->node))
		return pb_fail(err, -EPROTO,
			       "the offer is of a node without a proper name");
	offer->kind = kind;
	offer->view = le64_to_cpu(wire->view);
	memcpy(offer->volume, wire->volume, PB_UUID_LEN);
	memcpy(offer->replica, wire->replica, PB_UUID_LEN);
	memcpy(offer->node, wire->node, PB_NAME_LEN);
	return 0;
}

static int send_reply(struct pv_stream *stream, u32 status, const char *reason,
		      struct pb_error *err)
{
	struct pv_wire_reply wire = {
		.magic = cpu_to_le32(PV_REPLY_MAGIC),
		.version = cpu_to_le32(PV_WIRE_VERSION),
		.status = cpu_to_le32(status),
	};

	pb_printable(wire.reason, sizeof(wire.reason), reason, strlen(reason));
	return pv_stream_send(stream, &wire, sizeof(wire),
			      "before it had our reply", err);
}

static int recv_reply(struct pv_stream *stream, struct pb_error *err)
{
	char reason[PB_REASON_LEN + 1];
	struct pv_wire_reply wire;
	u32 status;
	int ret;

	ret = pv_stream_recv(stream, &wire, sizeof(wire),
			     "before its reply came", err);
	if (!ret)
		ret = check_head(wire.magic, wire.version, PV_REPLY_MAGIC, err);
	if (ret)
		return ret;
	status = le32_to_cpu(wire.status);
	if (wire.reserved || status > MAX_ERRNO)
		return pb_fail(err, -EPROTO, "the reply of %s is damaged",
			       stream->peer);
	if (!status)
		return 0;
	pb_printable(reason, sizeof(reason), wire.reason, sizeof(wire.reason));
	return pb_fail(err, -ECONNREFUSED, "%s refused: %s", stream->peer,
		       *reason ? reason : strerror(status));
}

/* The end of both: the socket for the kernel, or 0 without one, or -errno. */
static int finish(struct pv_stream *stream, int ret, u32 kind)
{
	/* Where the socket has failed, nobody reads the last words. */
	if (ret && !stream->error)
		pv_stream_part(stream);
	pv_tls_end(stream);
	if (!ret && kind == PV_OFFER_LINK)
		return stream->fd;
	close(stream->fd);
	return ret;
}

/*
 * Who connects
 */

static int make_offer(struct pv_stream *stream, const struct pv_offer *offer,
		      struct pb_error *err)
{
	struct pv_wire_offer wire;
	int ret;

	pv_offer_pack(offer, &wire);
	ret = pv_stream_send(stream, &wire, sizeof(wire),
			     "before it had our offer", err);
	if (!ret)
		ret = recv_reply(stream, err);
	return ret;
}

static int dial_on(struct pv_stream *stream, struct pv_tls *tls,
		   const struct pv_offer *offer, struct pb_error *err)
{
	int ret;

	if (!tls)
		return make_offer(stream, offer, err);
	ret = pv_tls_handshake(stream, tls, err);
	if (!ret)
		ret = pv_tls_prepare(stream, err);
	if (!ret)
		ret = make_offer(stream, offer, err);
	if (ret || offer->kind != PV_OFFER_LINK)
		return ret;
	ret = pv_tls_hand_over(stream, TLS_RX, err);
	if (!ret)
		ret = pv_tls_hand_over(stream, TLS_TX, err);
	return ret;
}

int pv_link_dial(struct pv_tls *tls, const struct pb_endpoint *address,
		 const char *node, const struct pv_offer *offer,
		 unsigned int timeout_ms, struct pb_error *err)
{
	struct pv_stream stream = {
		.deadline = pb_boot_ms() + timeout_ms, .node = node,
	};
	struct addrinfo *list;
	u64 now;
	int ret;

	ret = pb_net_resolve(address, false, &list, err);
	if (ret)
		return ret;
	/* The resolver has limits of its own. */
	now = pb_boot_ms();
	stream.fd = pb_net_connect(list, now < stream.deadline ?
				   stream.deadline - now : 0, err);
	freeaddrinfo(list);
	if (stream.fd < 0)
		return stream.fd;
	snprintf(stream.peer, sizeof(stream.peer), "%s", node);
	ret = dial_on(&stream, tls, offer, err);
	return finish(&stream, ret, offer->kind);
}

/*
 * Who accepts
 */

/* May it have what it wants?  @status is what it is told. */
static int decide(struct pv_stream *stream, const struct pv_wire_offer *wire,
		  const struct pv_judge *judge, struct pv_offer *offer,
		  u32 *status, struct pb_error *err)
{
	int ret;

	ret = pv_offer_unpack(wire, offer, err);
	if (!ret && stream->tls)
		ret = pv_tls_check_name(stream, offer->node, err);
	if (!ret) {
		*err->text = '\0';
		ret = judge->wants(judge->arg, offer, stream->tls, err);
		*status = -ret;
		if (ret)
			return -ECONNREFUSED;
	}
	if (!ret && stream->tls)
		ret = pv_tls_prepare(stream, err);
	if (!ret && stream->tls)
		ret = pv_tls_hand_over(stream, TLS_RX, err);
	*status = -ret;
	return ret;
}

static int begin_tls(struct pv_stream *stream, struct pv_tls *tls,
		     struct pb_error *err)
{
	u8 first;
	int ret;

	ret = pv_stream_peek(stream, &first, err);
	if (ret || first != PV_TLS_FIRST_BYTE)
		return ret;
	if (!tls)
		return pb_fail(err, -EPROTO,
			       "%s wants an encrypted connection, and we have no certificate",
			       stream->peer);
	return pv_tls_handshake(stream, tls, err);
}

static int answer_on(struct pv_stream *stream, struct pv_tls *tls,
		     const struct pv_judge *judge, struct pv_offer *offer,
		     struct pb_error *err)
{
	struct pv_wire_offer wire;
	struct pb_error unsent;
	u32 status;
	int ret;

	ret = begin_tls(stream, tls, err);
	if (!ret)
		ret = pv_stream_recv(stream, &wire, sizeof(wire),
				     "before its offer was complete", err);
	if (ret)
		return ret;
	ret = decide(stream, &wire, judge, offer, &status, err);
	if (ret) {
		send_reply(stream, status, err->text, &unsent);
		return ret;
	}
	ret = send_reply(stream, 0, "", err);
	if (!ret && stream->tls && offer->kind == PV_OFFER_LINK)
		ret = pv_tls_hand_over(stream, TLS_TX, err);
	return ret;
}

int pv_link_answer(struct pv_tls *tls, int fd, const struct pv_judge *judge,
		   struct pv_offer *offer, unsigned int timeout_ms,
		   struct pb_error *err)
{
	struct pv_stream stream = {
		.fd = fd, .deadline = pb_boot_ms() + timeout_ms,
	};
	int on = 1, ret;

	memset(offer, 0, sizeof(*offer));
	pb_net_peer_text(fd, stream.peer, sizeof(stream.peer));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* As the sockets of pb_net_connect(), whoever accepted this one. */
	if (fcntl(fd, F_SETFL, 0)) {
		ret = pb_fail(err, -errno, "connection with %s: %s",
			      stream.peer, strerror(errno));
		close(fd);
		return ret;
	}
	ret = answer_on(&stream, tls, judge, offer, err);
	return finish(&stream, ret, offer->kind);
}
