/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A client of the view server: HTTPS with both sides' certificates, by libcurl.
 */
#ifndef PB_CLIENT_H
#define PB_CLIENT_H

#include "config.h"

struct pb_client;

/**
 * pb_client_open() - prepare to talk to the view server
 * @config: has a @server
 * @timeout_ms: for each request
 * @client: set on success only
 * @err: why not
 *
 * Nothing is sent yet.  The connection is kept for the next request.
 *
 * Return: 0, -ENOMEM.
 */
int pb_client_open(const struct pb_config *config, unsigned int timeout_ms,
		   struct pb_client **client, struct pb_error *err);
void pb_client_close(struct pb_client *client);

/**
 * pb_client_timeout() - wait shorter or longer from now on
 * @client: used by one thread at a time
 * @timeout_ms: for each request, and for the connection that it may have to make
 */
void pb_client_timeout(struct pb_client *client, unsigned int timeout_ms);

/**
 * pb_client_ask() - one request and its answer
 * @client: used by one thread at a time
 * @path: such as "/v1/volumes"
 * @body: a JSON document for a POST, or NULL for a GET
 * @text: on success the answer's body, NUL-terminated, valid until the next call
 * @len: its length
 * @err: why not: of the transport, or what the server says
 *
 * Return: 0, -ENOTCONN (no answer), -ETIMEDOUT (none in time), -EACCES (no trust between
 * the two, or not allowed), -ENOENT, -EBUSY (refused in the state that the volume is in), -EIO (the
 * server cannot store it), -EPROTO (something else than a view server).
 */
int pb_client_ask(struct pb_client *client, const char *path, const char *body,
		  const char **text, size_t *len, struct pb_error *err);

#endif /* PB_CLIENT_H */
