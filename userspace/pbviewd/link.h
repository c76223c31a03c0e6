/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Replication connections: made and taken by pbviewd, authenticated, and handed
 * to the kernel as a connected socket with kernel TLS turned on.  No byte from a
 * peer that has not proved who it is gets further than this.
 *
 * What goes over the wire before the kernel has the socket:
 *
 *	both:		the TLS 1.3 handshake, certificates on both sides
 *	who connects:	struct pv_offer
 *	who accepts:	struct pv_reply
 *	both:		kernel TLS from here on; the kernel's hello comes next
 *
 * Without encryption (a volume's "encrypt = false") the handshake is left out,
 * and nothing proves who is there.
 *
 * Everything here blocks, up to the time given, and may be called by several
 * threads at once.
 */
#ifndef PV_LINK_H
#define PV_LINK_H

#include "libpb.h"

/**
 * enum pv_offer_kind - what a connection is for
 * @PV_OFFER_PROBE: to see whether it could be made; it ends with the reply
 * @PV_OFFER_LINK: for the kernel
 */
enum pv_offer_kind {
	PV_OFFER_PROBE	= 1,
	PV_OFFER_LINK	= 2,
};

/**
 * struct pv_offer - what who connects says; on the wire little-endian, fixed size
 * @kind: enum pv_offer_kind
 * @volume: UUID of the volume
 * @view: the view that it is in; of no meaning in a probe
 * @replica: UUID of its replica
 * @node: its node's name: the certificate must have it
 */
struct pv_offer {
	u32	kind;
	u8	volume[PB_UUID_LEN];
	u64	view;
	u8	replica[PB_UUID_LEN];
	char	node[PB_NAME_LEN];
};

struct pv_tls;

/**
 * pv_tls_load() - read certificates and the key
 * @ca: path, PEM: who may sign a peer's certificate
 * @certificate: path, PEM
 * @key: path, PEM
 * @tls: set on success only
 * @err: why not
 *
 * Return: 0, -ENOENT, -EINVAL (not readable as what it should be, or the key is
 * not the certificate's, or it has expired), -ENOMEM.
 */
int pv_tls_load(const char *ca, const char *certificate, const char *key,
		struct pv_tls **tls, struct pb_error *err);
void pv_tls_free(struct pv_tls *tls);

/**
 * pv_tls_check_own() - would anybody believe us?
 * @tls: our credentials
 * @certificate: path, for messages
 * @node: the name that our certificate must have, or NULL
 * @err: why not
 *
 * Return: 0, -EACCES, -ENOMEM.
 */
int pv_tls_check_own(const struct pv_tls *tls, const char *certificate,
		     const char *node, struct pb_error *err);

/**
 * pv_link_dial() - connect, prove who we are, and make an offer
 * @tls: own credentials; NULL for no encryption
 * @address: where
 * @node: who must be there: its certificate has this name (as a DNS name)
 * @offer: what we want
 * @timeout_ms: for all of it
 * @err: why not
 *
 * Return: for a link a socket that the kernel can be given (with kernel TLS on, if
 * there is @tls); for a probe 0; or -errno: -EACCES (it is not @node, or its
 * certificate is not trusted), -ECONNREFUSED (also: the peer refused the offer,
 * with its reason in @err), -ETIMEDOUT, -EPROTO (it talks nonsense),
 * -EOPNOTSUPP (no kernel TLS on this host), or another.
 */
int pv_link_dial(struct pv_tls *tls, const struct pb_endpoint *address,
		 const char *node, const struct pv_offer *offer,
		 unsigned int timeout_ms, struct pb_error *err);

/**
 * struct pv_judge - who decides on offers
 * @wants: 0 to accept, or -errno with the reason in @err, which the peer is told
 * @arg: for it
 *
 * Called with an offer whose @node has been proved, if @tls was given to
 * pv_link_answer() (@proved); else it is only claimed, and @wants must refuse for a
 * volume that is to be encrypted.
 */
struct pv_judge {
	int	(*wants)(void *arg, const struct pv_offer *offer, bool proved,
			 struct pb_error *err);
	void	*arg;
};

/**
 * pv_link_answer() - take the offer of one who has connected
 * @tls: own credentials
 * @fd: the accepted socket; this function owns it from now on
 * @judge: decides
 * @offer: filled with what was offered, if that much was understood; else its
 *	@kind is 0
 * @timeout_ms: for all of it
 * @err: why not
 *
 * Whether the connection is TLS shows in its first byte: 0x16 begins a TLS handshake, and an
 * unencrypted offer does not begin with it.
 *
 * Return: as pv_link_dial(); -ECONNREFUSED is what @judge refused.
 */
int pv_link_answer(struct pv_tls *tls, int fd, const struct pv_judge *judge,
		   struct pv_offer *offer, unsigned int timeout_ms,
		   struct pb_error *err);

#endif /* PV_LINK_H */
