/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon of a node: tells the view server how its volumes are, and the
 * kernel which views they are in; makes and takes replication connections.
 *
 * No part of it can be held up by another.  Each volume has a thread of its own
 * for the ioctls, since one whose disk hangs may not return; so have the pings,
 * each connection that is being made, the probes and the programs that are run.
 * The data path needs none of this: it is the kernel's once it has the socket.
 */
#ifndef PV_NODE_H
#define PV_NODE_H

#include <pthread.h>

#include "client.h"
#include "link.h"
#include "pbviewd.h"
#include "talk.h"

/* A volume whose ioctls have not returned for so long is not spoken for, ms. */
#define PV_HUNG_MS		10000
/* What the kernel said of a volume is not relied on for longer than this, ms. */
#define PV_FRESH_MS		2000
/* How long a connection may take to be made, ms. */
#define PV_DIAL_MS		5000
/* Between two attempts, ms. */
#define PV_REDIAL_MS		200
/* Who has answered within this time can be reached, ms. */
#define PV_REACHED_MS		12000
/* Connections that are being taken at the same time. */
#define PV_MAX_ANSWERS		64
/* Of these, from one address, as long as nobody knows who it is. */
#define PV_SOURCE_ANSWERS	32
/* Of these, for one volume, once it is known which it is for. */
#define PV_VOLUME_ANSWERS	4

struct pv_node_daemon;
struct answer;

/**
 * struct pv_local - a volume that has a replica on this node
 * @daemon: whose it is
 * @config: of the volume
 * @self: index of the own replica in @config
 *
 * Its thread alone uses:
 *
 * @incarnation: of the set-up that @told is of
 * @told: the latest view that the kernel was told in this set-up and has on its
 *	disk, whether it could use it or not
 * @role: as the hooks know it
 * @linked: boot time when a primary last heard of its backup, or its view began, ms
 * @linked_view: number of that view
 * @was_linked: it has heard of it in that view
 * @keyed_bytes: bytes that had been sent and received when the connection to the
 *	backup came up: it gets new keys after a while
 * @keyed_connects: which connection that was,
 * @keyed_view: of which view
 * @last_error: what was logged last, so that it is not logged again
 * @verdict: enum pv_verdict_code, the server's last; only the pinger uses it
 *
 * Anybody:
 *
 * @lock: guards what follows
 * @wake: its thread is to look now
 * @kicked: so it is
 * @dev: its device; all zero if it is not set up.  Only its thread sets it
 * @orders: views that the server wants it in; what came last
 * @nr_orders: how many
 * @has_say: @say is of this set-up
 * @say: what is to be said of it
 * @status: what the kernel said last of it, if @has_say
 * @looked: boot time when that was, ms
 * @dialling: a connection is being made
 * @next_dial: not before this, boot time in ms
 * @answers: connections for it that are being taken
 * @reached: for each replica of @config, boot time when its node answered last, ms
 * @hook_runs: there is a thread that runs hooks
 * @hook_stop: they have not been told of a role without I/O that came meanwhile
 * @hook_waits: they are to be told of:
 * @hook_role: this role,
 * @hook_view: in this view
 */
struct pv_local {
	struct pv_node_daemon		*daemon;
	const struct pb_volume_config	*config;
	int				self;
	u64				incarnation;
	u64				told;
	u32				role;
	u64				linked;
	u64				linked_view;
	bool				was_linked;
	u64				keyed_bytes;
	u64				keyed_connects;
	u64				keyed_view;
	char				last_error[256];
	u32				verdict;
	pthread_mutex_t			lock;
	pthread_cond_t			wake;
	bool				kicked;
	struct pb_ioc_dev		dev;
	struct pv_order			orders[PV_TALK_VIEWS];
	u32				nr_orders;
	bool				has_say;
	struct pv_say			say;
	struct pb_ioc_status		status;
	u64				looked;
	bool				dialling;
	u64				next_dial;
	u32				answers;
	u64				reached[PB_MAX_REPLICAS];
	bool				hook_runs;
	bool				hook_stop;
	bool				hook_waits;
	u32				hook_role;
	u64				hook_view;
};

/**
 * struct pv_node_daemon - all of it
 * @config: of this host
 * @ctl: the control device, for ioctls of all threads
 * @tls: credentials of connections
 * @nr: volumes with a replica here
 * @locals: each of them
 * @listener: where connections come in
 * @lock: guards what follows
 * @ping_wake: @ping_now was set
 * @ping_now: something is worth a ping at once
 * @answers: connections that are being taken
 * @pinged: boot time when the pinger went round last, ms
 */
struct pv_node_daemon {
	const struct pb_config	*config;
	struct pb_ctl		ctl;
	struct pv_tls		*tls;
	u32			nr;
	struct pv_local		*locals;
	struct pb_listener	listener;
	pthread_mutex_t		lock;
	pthread_cond_t		ping_wake;
	bool			ping_now;
	struct answer		*answers;
	u64			pinged;
};

/**
 * pv_local_start() - begin to look after a volume
 * @local: with @daemon, @config and @self set
 *
 * Return: 0 or -errno.
 */
int pv_local_start(struct pv_local *local);

/**
 * pv_local_kick() - let a volume's thread look at it now
 * @local: the volume
 */
void pv_local_kick(struct pv_local *local);

/**
 * pv_local_status() - what the kernel said last of a volume
 * @local: the volume
 * @status: filled on success only
 * @err: why not
 *
 * Asks nobody: a volume that hangs must not hold up others.
 *
 * Return: 0, -ENODEV (it is not set up), -ETIMEDOUT (that was too long ago).
 */
int pv_local_status(struct pv_local *local, struct pb_ioc_status *status,
		    struct pb_error *err);

/* A volume with a replica here, or NULL. */
struct pv_local *pv_local_by_uuid(struct pv_node_daemon *daemon,
				  const u8 *uuid);

/* The threads of the daemon: @arg is a struct pv_node_daemon. */
void *pv_ping_thread(void *arg);
void *pv_news_thread(void *arg);
void *pv_answer_thread(void *arg);

/* A thread for each node that probes are sent to.  Return: 0 or -errno. */
int pv_probe_start(struct pv_node_daemon *daemon);

/* Ping at once: something has changed that the server should know. */
void pv_ping_now(struct pv_node_daemon *daemon);

/**
 * pv_thread() - start a thread with a small stack, for which nobody waits
 * @run: what it does
 * @arg: for it
 *
 * Return: 0 or -errno.
 */
int pv_thread(void *(*run)(void *arg), void *arg);

/* A condition that is waited for in boot time. */
void pv_cond_init(pthread_cond_t *cond);

/**
 * pv_cond_wait() - wait for a condition or a time
 * @cond: made by pv_cond_init()
 * @lock: held
 * @until_ms: boot time in ms
 */
void pv_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, u64 until_ms);

/**
 * pv_link_keep() - see that a primary has a connection to its backup
 * @local: the volume; called by its thread
 * @status: of it, just read
 *
 * Begins to make one if there is none, and returns.
 */
void pv_link_keep(struct pv_local *local, const struct pb_ioc_status *status);

/**
 * pv_hook() - run the programs that want to know of a role
 * @local: the volume
 * @role: enum pb_role that it has now
 * @view: number of its view
 *
 * They run in order, one after the other, in a thread of the volume's own.  Of
 * roles that came and went meanwhile only the last is told, but between two times
 * as primary there is always another role.
 */
void pv_hook(struct pv_local *local, u32 role, u64 view);

#endif /* PV_NODE_H */
