/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What nodes and the view server say to each other, as JSON and back.
 *
 * A ping has the state of all of a node's volumes; the answer has, for each, the
 * views from the one on the node's disk to the one that it is to be in.  What
 * comes from the other side is hostile: a document that is not exactly as it should be
 * is refused as a whole, with the reason.
 */
#ifndef PV_TALK_H
#define PV_TALK_H

#include <json-c/json.h>

#include "config.h"
#include "libpb.h"
#include "views.h"

/* Views in one answer, for one volume.  Who lacks more gets them in the next. */
#define PV_TALK_VIEWS	16
/* A document is not longer, bytes. */
#define PV_TALK_MAX	(4U << 20)

/**
 * struct pv_say - what a node says of one volume
 * @volume: UUID of the volume
 * @ping: see there; @node and @seq are of the whole ping, @reaches is not used
 * @nr_reaches: how many
 * @reaches: names of nodes: see struct pv_ping
 * @sync_total: bytes of a state transfer to its backup that goes on, or 0
 * @sync_left: and how many of them are left
 * @reason: why it asks for something, for people
 */
struct pv_say {
	u8		volume[PB_UUID_LEN];
	struct pv_ping	ping;
	u32		nr_reaches;
	char		reaches[PV_MAX_NODES][PB_NAME_LEN];
	u64		sync_total;
	u64		sync_left;
	char		reason[PB_REASON_LEN];
};

/**
 * struct pv_report - a ping, of all of a node's volumes
 * @node: its name
 * @seq: see struct pv_ping
 * @nr: volumes
 * @says: of each; for free()
 */
struct pv_report {
	char		node[PB_NAME_LEN];
	u64		seq;
	u32		nr;
	struct pv_say	*says;
};

/**
 * enum pv_verdict_code - what the server made of what a node said of a volume
 * @PV_TAKEN: it counts
 * @PV_STALE: something later has been heard: see @seq of struct pv_order
 * @PV_OLDER_IMAGE: the replica's incarnation is an old one: a copied disk
 * @PV_NOT_YOURS: the node has no replica of such a volume
 * @PV_INVALID: impossible
 * @PV_NO_STORE: the server cannot store what follows: ask again
 */
enum pv_verdict_code {
	PV_TAKEN,
	PV_STALE,
	PV_OLDER_IMAGE,
	PV_NOT_YOURS,
	PV_INVALID,
	PV_NO_STORE,
	PV_VERDICT_NR
};

/**
 * struct pv_order - a view that a node is to move into
 * @number: of the view
 * @why: enum pv_why
 * @force: its primary is to take it by force, as an operator has asked for
 * @nr: members
 * @nodes: their names
 * @replicas: UUIDs of their replicas
 * @synced: which of them hold every acknowledged write
 */
struct pv_order {
	u64	number;
	u32	why;
	bool	force;
	u32	nr;
	char	nodes[PV_MAX_MEMBERS][PB_NAME_LEN];
	u8	replicas[PV_MAX_MEMBERS][PB_UUID_LEN];
	bool	synced[PV_MAX_MEMBERS];
};

/**
 * struct pv_told - the answer for one volume
 * @volume: UUID of the volume
 * @code: enum pv_verdict_code
 * @seq: the latest number of a ping that counted
 * @nr: of @orders
 * @orders: in order, one number after the other
 */
struct pv_told {
	u8		volume[PB_UUID_LEN];
	u32		code;
	u64		seq;
	u32		nr;
	struct pv_order	orders[PV_TALK_VIEWS];
};

/* For people, and as words of the protocol. */
const char *pv_verdict_text(u32 code);

/**
 * pv_report_json() - a ping as JSON
 * @report: the ping
 *
 * Return: a new object.
 */
struct json_object *pv_report_json(const struct pv_report *report);

/**
 * pv_report_parse() - and back
 * @text: hostile
 * @len: its length
 * @report: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int pv_report_parse(const char *text, size_t len, struct pv_report *report,
		    struct pb_error *err);

/**
 * pv_wait_parse() - what a node asks that waits for news
 * @text: hostile
 * @len: its length
 * @node: filled with its name, PB_NAME_LEN bytes; on success only
 * @known: set to what it knows
 * @err: why not
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int pv_wait_parse(const char *text, size_t len, char *node, u64 *known,
		  struct pb_error *err);

/* That, and the answer of the server: what the node knows after its next ping. */
struct json_object *pv_wait_json(const char *node, u64 known);
int pv_news_parse(const char *text, size_t len, u64 *known,
		  struct pb_error *err);

/* The answer, and back; @tolds is for free(). */
struct json_object *pv_told_json(const struct pv_told *tolds, u32 nr);
int pv_told_parse(const char *text, size_t len, struct pv_told **tolds,
		  u32 *nr, struct pb_error *err);

/* A view as JSON, as answers and histories have it. */
struct json_object *pv_order_json(const struct pv_order *order);

/**
 * pv_parse_document() - an object and nothing else
 * @text: hostile
 * @len: its length
 * @err: why not
 *
 * Return: a new object, or NULL.
 */
struct json_object *pv_parse_document(const char *text, size_t len,
				      struct pb_error *err);

/**
 * pv_get_name() - a member of an object that is a node's or volume's name
 * @object: hostile
 * @key: of the member
 * @name: room for PB_NAME_LEN bytes
 * @err: why not
 *
 * Return: 0, -EINVAL.
 */
int pv_get_name(struct json_object *object, const char *key, char *name,
		struct pb_error *err);

#endif /* PV_TALK_H */
