/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world of test_link.c and test_offer.c: who else is on the network, and a kernel whose TLS is
 * there or not as the test wants.
 */
#ifndef LINK_WORLD_H
#define LINK_WORLD_H

#include <pthread.h>

#include "tap.h"
#include "tls.h"

#define PATIENCE_MS	30000	/* what must happen happens in this time */

/* Certificates and where they are. */
extern char w_dir[];
void w_begin(void);
void w_end(void);
const char *w_path(const char *file, const char *suffix);
struct pv_tls *w_load(const char *ca, const char *file);

/* The listening socket of the test, and its address. */
extern int w_listener;
extern struct pb_endpoint w_here;
int w_listen(struct pb_endpoint *here);
int w_accept(int listener);
int w_connect(const struct pb_endpoint *here);
/* All of it; false if the other side has closed before. */
bool w_write(int fd, const void *buf, size_t len);
bool w_read(int fd, void *buf, size_t len);

/*
 * The kernel's TLS.  In the tests setsockopt() is a function of ours: it can fail
 * as on a host without the module, or note the keys and do as if.
 */
enum w_ktls { W_KTLS_REAL, W_KTLS_NONE, W_KTLS_NOTED };
extern enum w_ktls w_ktls;

struct w_keys {
	int	fd;
	int	direction;
	size_t	len;
	u8	bytes[64];
};

const struct w_keys *w_keys_of(int fd, int direction);
void w_forget_keys(void);
/* What the kernel's TLS does with them; both count records on. */
bool w_send_record(int fd, const void *buf, size_t len);
bool w_recv_record(int fd, void *buf, size_t len);

/* A thread that takes one connection by pv_link_answer(). */
struct w_answer {
	struct pv_tls	*tls;
	unsigned int	timeout_ms;	/* 0 for PATIENCE_MS */
	int		verdict;	/* of its judge */
	const char	*reason;
	pthread_t	thread;
	int		ret;
	bool		asked;		/* its judge was */
	bool		proved;
	struct pv_offer	offer;
	struct pb_error	err;
};

void w_answer_start(struct w_answer *answer);
/* Waits for it; closes the socket that it has, unless @keep. */
void w_answer_end(struct w_answer *answer, bool keep);

/* One that is sent so many bytes, and what it replies; zeros if it does not. */
int w_answer_bytes(struct pv_tls *tls, const void *buf, size_t len,
		   struct w_answer *answer, struct pv_wire_reply *reply);

/* A peer that is GnuTLS and nothing of ours. */
struct w_raw {
	const char	*cert;		/* NULL for none */
	const char	*priority;	/* NULL for NORMAL */
	const char	*alpn;		/* NULL for none */
	bool		server;
};

/* Its session on a socket, after the handshake; NULL if that failed. */
gnutls_session_t w_raw_begin(const struct w_raw *raw, int fd);
void w_raw_end(gnutls_session_t session);

/* A man in the middle, for one connection, at @here. */
struct w_relay {
	long			limit[2];	/* bytes until he cuts it; -1 never */
	unsigned int		drip_us;	/* to the server: a byte each */
	struct pb_endpoint	here;
	int			listener;
	pthread_t		thread;
	size_t			nr[2];		/* seen: to the server, from it */
	u8			seen[2][16384];
};

void w_relay_start(struct w_relay *relay);
void w_relay_end(struct w_relay *relay);

/* An offer that is good. */
static inline struct pv_offer w_offer(u32 kind)
{
	struct pv_offer offer = { .kind = kind, .view = 7, .node = "alpha" };

	memset(offer.volume, 0xaa, PB_UUID_LEN);
	memset(offer.replica, 0xbb, PB_UUID_LEN);
	return offer;
}

static inline bool w_same(const struct pv_offer *a, const struct pv_offer *b)
{
	return a->kind == b->kind && a->view == b->view &&
	       !memcmp(a->volume, b->volume, PB_UUID_LEN) &&
	       !memcmp(a->replica, b->replica, PB_UUID_LEN) &&
	       !strcmp(a->node, b->node);
}

/* A result, and a reason that says at least @says. */
static inline void w_failed(int got, const struct pb_error *err, int want,
		   const char *says, const char *who, const char *what)
{
	if (!ok(got == want && strstr(err->text, says), "%s: %s: %s", what, who,
		says))
		printf("# got %d, '%s', want %d\n", got, err->text, want);
}

/* A reply as it goes over the wire. */
static inline void w_reply(struct pv_wire_reply *reply, u32 status,
		       const char *reason)
{
	memset(reply, 0, sizeof(*reply));
	reply->magic = cpu_to_le32(PV_REPLY_MAGIC);
	reply->version = cpu_to_le32(PV_WIRE_VERSION);
	reply->status = cpu_to_le32(status);
	memcpy(reply->reason, reason, strlen(reason));
}

#endif /* LINK_WORLD_H */
