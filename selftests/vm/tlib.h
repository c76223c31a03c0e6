/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the VM tests have in common: TAP lines, the control device, I/O in the
 * background, and a fake neighbour that speaks the protocol as told.
 */
#ifndef TLIB_H
#define TLIB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "pb-codec.h"
#include "pb-view.h"

/* What must happen happens in this time. */
#define T_DEADLINE_MS	(20000 * t_slow())

/* TAP: unnumbered lines, lib.sh numbers them. */
bool ok(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool is(long long got, long long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Something that is no part of the test went wrong. */
void bail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
int t_result(void);

/* Time. */
uint64_t t_now_ms(void);
void t_sleep_ms(unsigned int ms);
/* Polls a condition until it holds or T_DEADLINE_MS are over. */
#define t_wait(cond) ({						\
	uint64_t t_end_ = t_now_ms() + T_DEADLINE_MS;		\
	bool t_met_;						\
	while (!(t_met_ = (cond)) && t_now_ms() < t_end_)	\
		t_sleep_ms(5);					\
	t_met_; })
bool t_long(void);			/* PB_LONG=1 */
/* How much longer all may take: 1, more on a debug kernel (PB_DEBUG=1). */
unsigned int t_slow(void);
unsigned int t_env(const char *name, unsigned int quick, unsigned int full);

/* A small generator, so that a seed means the same everywhere. */
uint32_t t_random(uint64_t *state);

/* Of the kernel: a file of /proc/sys gets @text. */
void t_setting(const char *path, const char *text);

/* The control device.  A device is named as in /dev/mapper. */
int t_ctl(void);
int t_ioctl(unsigned long cmd, void *arg);	/* 0 or a negative errno */
struct pb_ioc_dev t_dev(const char *name);
int t_status(const char *name, struct pb_ioc_status *status);
/* Of a replica on this machine; or of one that is not here. */
uint64_t t_incarnation(const uint8_t *replica);
uint64_t t_counter(const char *name, enum pb_counter counter);
int t_set_view(const char *name, const struct pb_view *view, uint32_t flags,
	       char *reason);
int t_connect(const char *name, int fd, unsigned int keepalive_ms,
	      unsigned int timeout_ms, char *reason);
int t_disconnect(const char *name);
int t_policy(const char *name, uint32_t policy);
/* Members are letters: "ab" both synced, "ab-" b is not. */
void t_view(struct pb_view *view, uint64_t number, const char *members);
int t_move(const char *name, uint64_t number, const char *members);
bool t_links(const char *name, uint32_t state);	/* all its links are so */

void t_tcp_pair(int fds[2]);
/* Connects two devices; keeps nothing, unless @keep takes dups of both ends. */
int t_pair(const char *a, const char *b, int *keep);

/* I/O in a thread. */
enum t_op { T_READ, T_WRITE, T_FUA, T_DISCARD, T_ZEROES, T_FLUSH, T_NR_OPS };
extern const char * const t_op_names[T_NR_OPS];

struct t_io {
	char		path[64];
	enum t_op	op;
	uint64_t	offset;
	uint32_t	len;
	uint8_t		fill;
	pthread_t	thread;
	int		error;		/* 0 or an errno, once done */
	int		done;
};

int t_do_io(const char *name, enum t_op op, uint64_t offset, uint32_t len,
	    uint8_t fill);
void t_io_start(struct t_io *io, const char *name, enum t_op op,
		uint64_t offset, uint32_t len, uint8_t fill);
bool t_io_done(struct t_io *io);
int t_io_finish(struct t_io *io);	/* waits; ETIMEDOUT if it does not end */

/* The whole of a file or disk. */
void *t_read_file(const char *path, size_t *len);

/* A fake neighbour. */
struct t_peer {
	char		dev[32];	/* the device it talks to */
	int		fd;
	bool		upstream;	/* it plays the predecessor */
	uint64_t	view;
	uint8_t		from;		/* its index */
	struct pb_bounds bounds;
	struct pb_hello	hello;		/* what it says */
	struct pb_hello	theirs;		/* what it heard */
	uint64_t	next_seq;	/* predecessor: of the next message */
	uint64_t	stamp;		/* of what it heard last: it goes back */
	bool		mute;		/* does not answer when it is asked to */
	uint8_t		*data;		/* payload of the last message */
};

enum t_got { T_GOT, T_CLOSED, T_TIMEOUT, T_GARBAGE };

/* Fills in a hello that fits; does not connect yet. */
void t_peer_init(struct t_peer *peer, const char *dev);
/* Hands a socket to the device, closing an older one of ours. */
void t_peer_connect(struct t_peer *peer);
void t_peer_connect_timed(struct t_peer *peer, unsigned int keepalive_ms,
			  unsigned int timeout_ms);
void t_peer_close(struct t_peer *peer);
void t_peer_free(struct t_peer *peer);
bool t_peer_raw(struct t_peer *peer, const void *buf, size_t len);
bool t_peer_send(struct t_peer *peer, struct pb_msg *msg, const void *data);
bool t_peer_hello(struct t_peer *peer);
/* The next message that is no keepalive. */
enum t_got t_peer_recv(struct t_peer *peer, struct pb_msg *msg,
		       unsigned int ms);
/* The next message of any type. */
enum t_got t_peer_recv_any(struct t_peer *peer, struct pb_msg *msg,
			   unsigned int ms);
/* The next keepalive that wants an answer. */
bool t_peer_asked(struct t_peer *peer, struct pb_msg *msg);
/* Says nothing but that it is there. */
bool t_peer_keepalive(struct t_peer *peer, uint64_t echo);
/* The same until it is of this type. */
bool t_peer_expect(struct t_peer *peer, uint8_t type, struct pb_msg *msg);
/* Reads until the other side has closed; the reason of its bye, if any. */
bool t_peer_closed(struct t_peer *peer, uint32_t *bye);
/* Both hellos. */
bool t_peer_greet(struct t_peer *peer);
/* Connect and both hellos. */
bool t_peer_up(struct t_peer *peer);
/* The same; without a lease, a keepalive that nobody asks for is half a minute away. */
bool t_peer_up_quiet(struct t_peer *peer);
/* Successor, not synced: takes all it is sent, until it is told to be synced. */
bool t_peer_sync(struct t_peer *peer);
struct pb_msg t_msg(const struct t_peer *peer, uint8_t type);
bool t_peer_ack(struct t_peer *peer, uint64_t seq, uint32_t count);
/* Acks all that comes until the I/O is done; its result. */
int t_peer_finish(struct t_peer *peer, struct t_io *io);
/* Predecessor: a message with the next number, and its ack. */
bool t_peer_write(struct t_peer *peer, uint64_t sector, uint32_t count,
		  uint8_t fill);
bool t_peer_wait_ack(struct t_peer *peer, uint64_t seq);

#endif /* TLIB_H */
