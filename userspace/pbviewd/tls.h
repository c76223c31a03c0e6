/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between link.c and tls.c: a connection that the kernel does not have yet, and
 * what is said on it; and whose name a certificate has.
 */
#ifndef PV_TLS_H
#define PV_TLS_H

#include <gnutls/x509.h>

#include "link.h"

/* The first byte of a TLS handshake: the record's content type. */
#define PV_TLS_FIRST_BYTE	0x16

/*
 * Offer and reply on the wire.  In clear they begin with a byte that is not
 * PV_TLS_FIRST_BYTE.
 */
#define PV_OFFER_MAGIC		0x4f564250	/* "PBVO" */
#define PV_REPLY_MAGIC		0x52564250	/* "PBVR" */
#define PV_WIRE_VERSION		1

/**
 * struct pv_wire_offer - struct pv_offer on the wire
 * @magic: PV_OFFER_MAGIC
 * @version: PV_WIRE_VERSION
 * @kind: enum pv_offer_kind
 * @reserved: zero
 * @view: see struct pv_offer
 * @volume: see struct pv_offer
 * @replica: see struct pv_offer
 * @node: see struct pv_offer; zeros after its end
 */
struct pv_wire_offer {
	__le32	magic;
	__le32	version;
	__le32	kind;
	__le32	reserved;
	__le64	view;
	u8	volume[PB_UUID_LEN];
	u8	replica[PB_UUID_LEN];
	char	node[PB_NAME_LEN];
};

/**
 * struct pv_wire_reply - the answer to an offer
 * @magic: PV_REPLY_MAGIC
 * @version: PV_WIRE_VERSION
 * @status: 0, or the errno of a refusal
 * @reserved: zero
 * @reason: of a refusal, for a person; not to be trusted
 */
struct pv_wire_reply {
	__le32	magic;
	__le32	version;
	__le32	status;
	__le32	reserved;
	char	reason[PB_REASON_LEN];
};

/**
 * pv_offer_pack() - write an offer
 * @offer: what to write
 * @wire: filled, all of it
 */
void pv_offer_pack(const struct pv_offer *offer, struct pv_wire_offer *wire);

/**
 * pv_offer_unpack() - read an offer, which may be anything
 * @wire: what came
 * @offer: filled on success only
 * @err: why not
 *
 * Return: 0, -EPROTO.
 */
int pv_offer_unpack(const struct pv_wire_offer *wire, struct pv_offer *offer,
		    struct pb_error *err);

/**
 * struct pv_stream - a connection that the kernel does not have yet
 * @fd: the socket; nothing here depends on whether it is blocking
 * @deadline: when all must be done, in pb_boot_ms()
 * @peer: who is there, for messages: a node's name, or an address
 * @node: who must be there; NULL on the accepting side, where the offer says it
 * @tls: our credentials; NULL if the connection is not encrypted
 * @session: if @tls
 * @error: what the socket failed with first, -errno, or 0
 * @alert: what the peer is told of its certificate, or 0
 * @err: where a callback of the TLS library leaves its reason
 */
struct pv_stream {
	int				fd;
	u64				deadline;
	char				peer[64];
	const char			*node;
	const struct pv_tls		*tls;
	gnutls_session_t		session;
	int				error;
	gnutls_alert_description_t	alert;
	struct pb_error			*err;
};

/**
 * pv_stream_peek() - look at the first byte and leave it there
 * @stream: the connection
 * @byte: filled on success only
 * @err: why not
 *
 * Return: 0, -ETIMEDOUT, -ECONNRESET, or another -errno.
 */
int pv_stream_peek(struct pv_stream *stream, u8 *byte, struct pb_error *err);

/**
 * pv_stream_send() - send a message
 * @stream: the connection, after pv_tls_handshake() if it is encrypted
 * @buf: the message; encrypted, it is one TLS record
 * @len: its size
 * @when: to say in @err when it happened: "before ..."
 * @err: why not
 *
 * Return: 0, -ETIMEDOUT, -ECONNRESET, or another -errno.
 */
int pv_stream_send(struct pv_stream *stream, const void *buf, size_t len,
		   const char *when, struct pb_error *err);

/**
 * pv_stream_recv() - receive a message, and not a byte of what comes after it
 * @stream: the connection, after pv_tls_handshake() if it is encrypted
 * @buf: filled
 * @len: size of the message
 * @when: to say in @err when it happened
 * @err: why not
 *
 * Return: 0, -ETIMEDOUT, -ECONNRESET, -ECONNREFUSED (a TLS alert), -EPROTO, or
 * another -errno.
 */
int pv_stream_recv(struct pv_stream *stream, void *buf, size_t len,
		   const char *when, struct pb_error *err);

/**
 * pv_stream_part() - let the peer read what it was told last
 * @stream: the connection; it is of no use after this, but not closed
 *
 * A socket that is closed while something is unread resets the connection, and
 * the peer may lose what it has not read yet.  So this waits, a second at most and
 * not beyond the deadline, until the peer has closed too.
 */
void pv_stream_part(struct pv_stream *stream);

/**
 * pv_tls_handshake() - prove who we are, and see who the peer is
 * @stream: the connection, with @node set by who has connected
 * @tls: our credentials
 * @err: why not
 *
 * On the accepting side the peer's certificate is trusted after this, but for
 * whom it is shows pv_tls_check_name().
 *
 * Return: 0, -EACCES, -ECONNREFUSED (the peer does not accept us), -ETIMEDOUT,
 * -ECONNRESET, -EPROTO, -ENOMEM, or another -errno.
 */
int pv_tls_handshake(struct pv_stream *stream, const struct pv_tls *tls,
		     struct pb_error *err);

/**
 * pv_tls_check_name() - is the peer that node?
 * @stream: the connection, after its handshake
 * @node: the node's name
 * @err: why not
 *
 * Return: 0, -EACCES, -ENOMEM.
 */
int pv_tls_check_name(struct pv_stream *stream, const char *node,
		      struct pb_error *err);

/**
 * pv_tls_prepare() - see whether the kernel has TLS, and attach it
 * @stream: the connection; it can be used as before after this
 * @err: why not
 *
 * Return: 0, -EOPNOTSUPP, -ECONNRESET (the peer has closed), or another -errno.
 */
int pv_tls_prepare(struct pv_stream *stream, struct pb_error *err);

/**
 * pv_tls_hand_over() - give the kernel the keys of one direction
 * @stream: the connection, after pv_tls_prepare(); from now on the kernel alone
 *	reads from it, or writes to it
 * @direction: TLS_TX or TLS_RX
 * @err: why not
 *
 * Return: 0, -EOPNOTSUPP, -EPROTO (the peer has said more than it should have), or
 * another -errno.
 */
int pv_tls_hand_over(struct pv_stream *stream, int direction,
		     struct pb_error *err);

/**
 * pv_crt_has_name() - is this a certificate of a node or operator?
 * @crt: that somebody has proved to be his
 * @name: must be one of its DNS names, byte for byte
 */
bool pv_crt_has_name(gnutls_x509_crt_t crt, const char *name);

/**
 * pv_crt_name() - whose certificate is it?  For a person
 * @crt: the certificate
 * @name: filled: its first DNS name, made printable
 * @size: room in @name, at least 1
 */
void pv_crt_name(gnutls_x509_crt_t crt, char *name, size_t size);

/**
 * pv_crt_untrusted() - say why a certificate is not trusted
 * @crt: the certificate
 * @status: what GnuTLS found, GNUTLS_CERT_*, not 0
 * @peer: who has shown it, should it have no name
 * @ca: path of the authorities
 * @err: filled
 *
 * Return: -EACCES.
 */
int pv_crt_untrusted(gnutls_x509_crt_t crt, unsigned int status,
		     const char *peer, const char *ca, struct pb_error *err);

/**
 * pv_tls_end() - forget the session and its keys
 * @stream: the connection; nothing is sent
 */
void pv_tls_end(struct pv_stream *stream);

#endif /* PV_TLS_H */
