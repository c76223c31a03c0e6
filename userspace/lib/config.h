/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration: one file for the host, one for each volume; the latter is
 * the same on every host.  pbviewd.conf(5) is for people.
 */
#ifndef PB_CONFIG_H
#define PB_CONFIG_H

#include <stdio.h>

#include "libpb.h"

#define PB_CONFIG_DIR		"/etc/dm-pb"
#define PB_CONFIG_HOST		"pbviewd.conf"	/* below it */
#define PB_CONFIG_VOLUMES	"volumes"	/* below it: NAME.conf for each */

/* Replicas that a volume may have: nodes with one, in the view or idle. */
#define PB_MAX_REPLICAS		64

/* Ports where nothing else is said. */
#define PB_LINK_PORT		"7401"
#define PB_SERVER_PORT		"7402"

/**
 * struct pb_replica_config - where a volume has a replica
 * @node: on which node
 * @address: where that node's pbviewd takes replication connections
 * @data: path of the data device there
 * @meta: path of the metadata device there; NULL if it is at the end of @data
 */
struct pb_replica_config {
	char			node[PB_NAME_LEN];
	struct pb_endpoint	address;
	char			*data;
	char			*meta;
};

/**
 * struct pb_volume_config - a volume
 * @file: it was read from
 * @name: of the volume, and of its device
 * @uuid: of the volume
 * @nr_replicas: how many
 * @replicas: in the order of the file, which is kept: who is added comes last
 * @dead_after_ms: a node silent for longer is dead
 * @handover_ms: how long a planned switch waits for the old primary
 * @retry_ms: how long a backup that could not be reached is left alone
 * @keepalive_ms: of a replication connection
 * @timeout_ms: a neighbour silent for longer is unreachable
 * @lease_ms: of a backup's lease, PB_LEASE_MS_MIN to PB_LEASE_MS_MAX
 * @reads: enum pb_reads
 * @policy: what becomes of writes without a backup that the view has
 * @encrypt: replication connections are TLS; if not, anybody on the way can read
 *	and change them
 */
struct pb_volume_config {
	char				*file;
	char				name[PB_NAME_LEN];
	u8				uuid[PB_UUID_LEN];
	u32				nr_replicas;
	struct pb_replica_config	*replicas;
	u32				dead_after_ms;
	u32				handover_ms;
	u32				retry_ms;
	u32				keepalive_ms;
	u32				timeout_ms;
	u32				lease_ms;
	int				reads;
	enum pb_policy			policy;
	bool				encrypt;
};

/**
 * struct pb_config - all of it
 * @dir: it was read from
 * @node: this host's name as a node; empty if it is none
 * @server: URL of the view server, for nodes and operators; NULL if not given
 * @listen: where replication connections are taken
 * @ping_ms: between two pings
 * @hooks: directory of the programs to run when something happens
 * @is_server: this host is a view server
 * @server_listen: where it listens
 * @store: path of its database
 * @nr_operators: how many
 * @operators: names in certificates that may command besides the nodes of a volume
 * @ca: path of the authorities' certificates, PEM
 * @certificate: path of this host's certificate, PEM
 * @key: path of its key, PEM
 * @nr_volumes: how many
 * @volumes: by name
 */
struct pb_config {
	char			*dir;
	char			node[PB_NAME_LEN];
	char			*server;
	struct pb_endpoint	listen;
	u32			ping_ms;
	char			*hooks;
	bool			is_server;
	struct pb_endpoint	server_listen;
	char			*store;
	u32			nr_operators;
	char			**operators;
	char			*ca;
	char			*certificate;
	char			*key;
	u32			nr_volumes;
	struct pb_volume_config	*volumes;
};

/**
 * pb_config_load() - read the configuration and check it
 * @dir: directory; PB_CONFIG_DIR on a real host
 * @config: filled on success, all zero if not; for pb_config_free()
 * @complaints: every error goes there, "FILE:LINE: what is wrong", one a line
 *
 * What can be checked without opening a device, a key or the network is.
 *
 * Return: 0, -EINVAL (there were errors), -ENOMEM.
 */
int pb_config_load(const char *dir, struct pb_config *config, FILE *complaints);
void pb_config_free(struct pb_config *config);

/**
 * pb_config_volume() - a volume by its name or the text of its UUID
 * @config: where
 * @spec: which
 *
 * Return: the volume, or NULL.
 */
const struct pb_volume_config *
pb_config_volume(const struct pb_config *config, const char *spec);

/**
 * pb_config_replica() - a volume's replica on a node
 * @volume: which
 * @node: the node's name
 *
 * Return: its index in @volume->replicas, or -1.
 */
int pb_config_replica(const struct pb_volume_config *volume, const char *node);

/**
 * pb_config_nodes() - the nodes of a volume, for a person
 * @volume: which
 * @text: filled: "alpha, beta"
 * @size: of it; what is longer is cut
 *
 * Return: @text.
 */
const char *pb_config_nodes(const struct pb_volume_config *volume, char *text,
			    size_t size);

/**
 * pb_config_check_files() - can the certificates and the key be used at all?
 * @config: of this host
 * @err: why not
 *
 * What is in them is for the TLS libraries to judge.
 *
 * Return: 0, -EPERM (others may use the key) or -errno of reading one.
 */
int pb_config_check_files(const struct pb_config *config, struct pb_error *err);

#endif /* PB_CONFIG_H */
