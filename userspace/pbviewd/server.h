/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The view server: the view function of every volume, made durable.
 *
 * Everything here happens in one thread.  http.c brings what others say and ask.
 */
#ifndef PV_SERVER_H
#define PV_SERVER_H

#include "pbviewd.h"
#include "store.h"
#include "talk.h"

/**
 * struct pv_heard - what a node said last, for people
 * @time_ns: CLOCK_REALTIME; 0: nothing yet
 * @sync_total: see struct pv_say
 * @sync_left: see struct pv_say
 * @reason: see struct pv_say
 */
struct pv_heard {
	u64	time_ns;
	u64	sync_total;
	u64	sync_left;
	char	reason[PB_REASON_LEN];
};

/**
 * struct pv_served - a volume
 * @config: of the volume; its replicas' indexes are the view function's nodes
 * @state: of the view function
 * @stored: what is durable of it
 * @unsaved: @next is to be durable:
 * @next: what has been decided
 * @in_doubt: what is durable is not known: a store failed.  It is read again
 *	before anything else happens
 * @changed: of the server, when nodes were to be told something new last, or to ping
 *	at once
 * @dead: members that were dead at the last tick, a bit for each node
 * @heard: for each node
 * @round: of the server, when it was last named in a ping
 * @pings: that counted
 * @stale: that did not
 */
struct pv_served {
	const struct pb_volume_config	*config;
	struct pv_volume		state;
	struct pv_stored		stored;
	bool				unsaved;
	struct pv_stored		next;
	bool				in_doubt;
	u64				changed;
	u64				dead;
	struct pv_heard			heard[PV_MAX_NODES];
	u64				round;
	u64				pings;
	u64				stale;
};

/**
 * struct pv_server - all of it
 * @config: of this host
 * @store: what is durable is there
 * @nr: volumes
 * @volumes: each of them, in the order of @config
 * @saves: room to save all of them at once
 * @round: counts the pings of nodes: none names a volume twice
 * @changes: counts what nodes are to be told; begins with the time of day, so that
 *	it grows over restarts as well
 * @stores: times that something was stored
 * @failures: and that it failed
 * @began_ns: CLOCK_REALTIME when it began
 */
struct pv_server {
	const struct pb_config	*config;
	struct pv_store		*store;
	u32			nr;
	struct pv_served	*volumes;
	struct pv_save		*saves;
	u64			round;
	u64			changes;
	u64			stores;
	u64			failures;
	u64			began_ns;
};

/**
 * enum pv_command - what an operator may ask for
 */
enum pv_command {
	PV_CMD_SWITCH,
	PV_CMD_EVICT,
	PV_CMD_ADD,
	PV_CMD_FORCE,
	PV_CMD_NR
};

/* The last word of its URL. */
const char *pv_command_name(u32 command);

/**
 * pv_server_open() - begin, with what the store has
 * @server: filled on success only
 * @config: of this host
 * @store: open; closed by pv_server_close()
 * @err: why not
 *
 * Return: 0, -EINVAL (the configuration lacks a node that a stored view has),
 * or what the store says.
 */
int pv_server_open(struct pv_server *server, const struct pb_config *config,
		   struct pv_store *store, struct pb_error *err);
void pv_server_close(struct pv_server *server);

/**
 * pv_server_ping() - a node has said something
 * @server: the server
 * @report: what; @node has been proved
 * @tolds: filled, one for each volume of @report: an array for free()
 *
 * What follows is durable on return.
 *
 * Return: 0, -ENOMEM.
 */
int pv_server_ping(struct pv_server *server, const struct pv_report *report,
		   struct pv_told **tolds);

/**
 * pv_server_tick() - time has passed
 * @server: the server
 *
 * Return: milliseconds after which it is to be called again: as soon as a silent
 * node will be dead, else PV_TICK_MS.
 */
u32 pv_server_tick(struct pv_server *server);

/* It is to be called at least so often, ms. */
#define PV_TICK_MS	50

/**
 * pv_server_has_news() - is there something to tell a node, or to hear of it?
 * @server: the server
 * @node: its name
 * @known: @changes of the server when the node knew all
 */
bool pv_server_has_news(const struct pv_server *server, const char *node,
			u64 known);

/**
 * pv_server_command() - an operator wants something
 * @server: the server
 * @volume: of which volume
 * @command: what
 * @node: name of the node that it is about
 * @by: who wants it
 * @err: why not
 *
 * Return: 0, or -errno: see pv_switch(), pv_evict(), pv_add(), pv_force(); -ENOENT
 * (no such node), -EIO (it cannot be stored).
 */
int pv_server_command(struct pv_server *server, struct pv_served *volume,
		      u32 command, const char *node, const char *by,
		      struct pb_error *err);

/* A volume by its name or UUID, or NULL. */
struct pv_served *pv_server_volume(struct pv_server *server, const char *spec);

/**
 * pv_order_of() - a stored view as it is told and shown
 * @view: stored
 * @order: filled; nobody is to force it
 */
void pv_order_of(const struct pv_stored_view *view, struct pv_order *order);

/* CLOCK_REALTIME, for people. */
u64 pv_real_ns(void);

/*
 * How a volume is, in words (health.c).
 */

/* Room for a line, and for what to do. */
#define PV_LINE_LEN	256
#define PV_ADVICE_LEN	768

/* What a node is in the current view, in one word. */
const char *pv_place(const struct pv_served *volume, u32 node);

/* Why a node cannot be used, or what it does. */
void pv_condition(const struct pv_served *volume, u32 index, char *text,
		  size_t size);

/* What a person has to know first. */
void pv_health(const struct pv_served *volume, char *text, size_t size);

/* Does everything wait for a primary that does not come? */
bool pv_is_stuck(const struct pv_served *volume);

/* What to do then, or empty. */
void pv_advice(const struct pv_served *volume, char *text, size_t size);

/*
 * What can be read (page.c).  Each returns a new object or text.
 */
struct json_object *pv_volume_json(const struct pv_served *volume);
struct json_object *pv_volumes_json(struct pv_server *server);
struct json_object *pv_history_json(struct pv_server *server,
				    struct pv_served *volume, u64 from,
				    struct pb_error *err);
char *pv_metrics_text(struct pv_server *server, size_t *len);

/* RFC 3339, UTC, ms; empty if it never was.  Return: @text. */
const char *pv_time_text(u64 time_ns, char *text, size_t room);

/**
 * pv_page_html() - the page for a person (html.c)
 * @server: the server
 * @only: of this volume alone; NULL for all
 * @still: it is not to be read anew by itself
 * @len: set to its length
 *
 * Return: text to free(), or NULL.
 */
char *pv_page_html(struct pv_server *server, const struct pv_served *only,
		   bool still, size_t *len);

/*
 * HTTPS (http.c)
 */

struct pv_http;

/**
 * pv_http_open() - listen
 * @server: whom to bring what is said
 * @http: set on success only
 * @err: why not
 *
 * Return: 0 or -errno.
 */
int pv_http_open(struct pv_server *server, struct pv_http **http,
		 struct pb_error *err);
void pv_http_close(struct pv_http *http);

/* A descriptor that is readable when pv_http_run() has something to do. */
int pv_http_fd(const struct pv_http *http);

/**
 * pv_http_run() - do what there is to do, without waiting
 * @http: what was opened
 *
 * Return: milliseconds after which it must be called again at the latest, or -1.
 */
int pv_http_run(struct pv_http *http);

/**
 * pv_http_ring() - answer those who wait for news
 * @http: what was opened
 *
 * Whom there is news for, and who has waited for long.  To be called after each
 * tick; pv_http_run() does it by itself.
 *
 * Return: whether there are such: pv_http_run() answers them.
 */
bool pv_http_ring(struct pv_http *http);

#endif /* PV_SERVER_H */
