// SPDX-License-Identifier: GPL-2.0
/*
 * HTTPS for the view server, by libmicrohttpd.
 *
 *	GET  /				a page for a person; ?volume=NAME, ?still
 *	GET  /metrics			for Prometheus
 *	GET  /v1/volumes		all volumes
 *	GET  /v1/volumes/NAME		one
 *	GET  /v1/volumes/NAME/history	its views; ?from=NUMBER
 *	POST /v1/ping			from a node: see talk.h
 *	POST /v1/wait			{"node": NAME, "known": N}: answered when there is
 *					news for the node, so that it pings: {"known": N}
 *	POST /v1/volumes/NAME/COMMAND	{"node": NAME}: see pv_command_name()
 *
 * Whoever asks must have a certificate that the authority has signed; with it
 * anything can be read.  A node speaks for itself alone.  Commands are for the
 * nodes of the volume and for operators.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "server.h"
#include "tls.h"

#define MAX_CONNECTIONS		1024
/* Of one address: several nodes may be behind it. */
#define MAX_FROM_ONE		128
/* Beside connections. */
#define MORE_FILES		64
#define IDLE_SECONDS		60
/* So many refusals are logged in such a time, ms: anybody can cause one. */
#define MAX_REFUSALS		20
#define REFUSALS_MS		60000
/* Who waits for news is answered at the latest after this, ms: it may be gone. */
#define WAIT_MS			2000
#define PRIORITIES		"SECURE128:-VERS-ALL:+VERS-TLS1.3"

struct request;

/**
 * struct pv_http - the listening server
 * @server: what it is for
 * @daemon: libmicrohttpd's
 * @listener: where connections come in
 * @epoll: watches both
 * @ca: the authority's certificates, for as long as @daemon is there
 * @certificate: our own
 * @key: and its key
 * @refusals_end: when refusals are counted anew, in pb_boot_ms()
 * @refusals: logged since then
 * @unlogged: not logged since then
 * @refusal: the last one that was
 * @waiting: requests that wait for news
 * @rung: @changes of the server when they were looked through
 */
struct pv_http {
	struct pv_server	*server;
	struct MHD_Daemon	*daemon;
	struct pb_listener	listener;
	int			epoll;
	char			*ca;
	char			*certificate;
	char			*key;
	u64			refusals_end;
	u32			refusals;
	u32			unlogged;
	char			refusal[256];
	struct request		*waiting;
	u64			rung;
};

/**
 * struct request - one that is being received
 * @crt: the certificate of who asks
 * @body: what has come of its body
 * @len: so many bytes
 * @room: for so many
 * @error: HTTP status that it gets in the end, or 0
 * @connection: of one that waits for news, suspended; NULL if it does not
 * @next: the next one of those
 * @waited: it has waited, and is to be answered
 * @node: for whom it waits
 * @known: what that one knows
 * @until: how long, boot time in ms
 */
struct request {
	gnutls_x509_crt_t	crt;
	char			*body;
	size_t			len;
	size_t			room;
	int			error;
	struct MHD_Connection	*connection;
	struct request		*next;
	bool			waited;
	char			node[PB_NAME_LEN];
	u64			known;
	u64			until;
};

static enum MHD_Result send_text(struct MHD_Connection *connection, int status,
				 const char *type, char *text, size_t len)
{
	struct MHD_Response *response;
	enum MHD_Result ret;

	response = MHD_create_response_from_buffer(len, text,
						   MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
				"no-store");
	/* The page loads nothing and runs nothing, whatever gets into it. */
	MHD_add_response_header(response, "Content-Security-Policy",
				"default-src 'none'; style-src 'unsafe-inline'; img-src data:");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	ret = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return ret;
}

/* Takes @object over. */
static enum MHD_Result send_json(struct MHD_Connection *connection, int status,
				 struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(object,
						JSON_C_TO_STRING_PLAIN);
	char *copy = text ? strdup(text) : NULL;

	json_object_put(object);
	if (!copy)
		return MHD_NO;
	return send_text(connection, status, "application/json", copy,
			 strlen(copy));
}

static enum MHD_Result send_error(struct MHD_Connection *connection,
				  int status, const char *why)
{
	struct json_object *object = json_object_new_object();

	pb_json_add(object, "error", json_object_new_string(why));
	return send_json(connection, status, object);
}

/* Who asks */

static const char *address_of(struct MHD_Connection *connection, char *text,
			      size_t size)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection,
				       MHD_CONNECTION_INFO_CONNECTION_FD);
	return pb_net_peer_text(info ? info->connect_fd : -1, text, size);
}

/* Somebody wanted what is not his.  A line; but not the same again and again. */
static void log_refusal(struct pv_http *http, struct MHD_Connection *connection,
			const char *fmt, ...)
{
	char text[sizeof(http->refusal)], from[80];
	u64 now = pb_boot_ms();
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (now >= http->refusals_end) {
		if (http->unlogged)
			pv_log(SD_WARNING, "%u more requests were refused",
			       http->unlogged);
		http->refusals_end = now + REFUSALS_MS;
		http->refusals = 0;
		http->unlogged = 0;
		*http->refusal = '\0';
	}
	if (http->refusals == MAX_REFUSALS || !strcmp(text, http->refusal)) {
		http->unlogged++;
		return;
	}
	http->refusals++;
	memcpy(http->refusal, text, sizeof(text));
	pv_log(SD_WARNING, "request from %s refused: %s",
	       address_of(connection, from, sizeof(from)), text);
}

/* The certificate of who asks, or NULL if there is none that can be trusted. */
static gnutls_x509_crt_t peer_certificate(struct pv_http *http,
					  struct MHD_Connection *connection)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (u8 *)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	const union MHD_ConnectionInfo *info;
	const gnutls_datum_t *chain = NULL;
	unsigned int status, nr = 0;
	gnutls_x509_crt_t crt;
	struct pb_error err;

	info = MHD_get_connection_info(connection,
				       MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info)
		chain = gnutls_certificate_get_peers(info->tls_session, &nr);
	if (!chain || !nr) {
		log_refusal(http, connection, "it showed no certificate");
		return NULL;
	}
	if (gnutls_x509_crt_init(&crt))
		return NULL;
	if (gnutls_x509_crt_import(crt, chain, GNUTLS_X509_FMT_DER) ||
	    gnutls_certificate_verify_peers(info->tls_session, &purpose, 1,
					    &status)) {
		log_refusal(http, connection, "its certificate is not one");
	} else if (status) {
		pv_crt_untrusted(crt, status, "a stranger",
				 http->server->config->ca, &err);
		log_refusal(http, connection, "%s", err.text);
	} else {
		return crt;
	}
	gnutls_x509_crt_deinit(crt);
	return NULL;
}

/* As whom may it command this volume?  NULL: as nobody. */
static const char *commander(const struct pv_http *http, gnutls_x509_crt_t crt,
			     const struct pv_served *volume)
{
	const struct pb_config *config = http->server->config;
	u32 i;

	for (i = 0; i < config->nr_operators; i++)
		if (pv_crt_has_name(crt, config->operators[i]))
			return config->operators[i];
	for (i = 0; i < volume->config->nr_replicas; i++)
		if (pv_crt_has_name(crt, volume->config->replicas[i].node))
			return volume->config->replicas[i].node;
	return NULL;
}

/* What can be asked for */

/* A node may only speak for itself, by its certificate.  Logs who else tries. */
static bool speaks_for(struct pv_http *http, struct MHD_Connection *connection,
		       gnutls_x509_crt_t crt, const char *what,
		       const char *node)
{
	char name[64];

	if (pv_crt_has_name(crt, node))
		return true;
	pv_crt_name(crt, name, sizeof(name));
	log_refusal(http, connection,
		    "a %s for node %s with the certificate of %s", what, node,
		    name);
	return false;
}

static enum MHD_Result answer_ping(struct pv_http *http,
				   struct MHD_Connection *connection,
				   gnutls_x509_crt_t crt,
				   const struct request *request)
{
	struct pv_report report;
	struct json_object *object;
	struct pv_told *tolds;
	struct pb_error err;
	u32 i;
	int ret;

	ret = pv_report_parse(request->body ?: "", request->len, &report, &err);
	if (ret)
		return send_error(connection, MHD_HTTP_BAD_REQUEST, err.text);
	if (!speaks_for(http, connection, crt, "ping", report.node)) {
		free(report.says);
		return send_error(connection, MHD_HTTP_FORBIDDEN,
				  "a node may only speak for itself: its certificate needs its name in pbviewd.conf as a DNS name");
	}
	ret = pv_server_ping(http->server, &report, &tolds);
	if (ret) {
		free(report.says);
		return send_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				  "no memory");
	}
	for (i = 0; i < report.nr; i++)
		if (tolds[i].code == PV_NOT_YOURS)
			log_refusal(http, connection,
				    "node %s has no replica of the volume that it told of",
				    report.node);
	object = pv_told_json(tolds, report.nr);
	free(tolds);
	free(report.says);
	return send_json(connection, MHD_HTTP_OK, object);
}

/* Waiting for news */

static enum MHD_Result answer_waited(struct pv_http *http,
				     struct MHD_Connection *connection)
{
	struct json_object *object = json_object_new_object();

	pb_json_add_u64(object, "known", http->server->changes);
	return send_json(connection, MHD_HTTP_OK, object);
}

static enum MHD_Result answer_wait(struct pv_http *http,
				   struct MHD_Connection *connection,
				   struct request *request)
{
	struct pb_error err;

	if (request->waited)
		return answer_waited(http, connection);
	if (pv_wait_parse(request->body ?: "", request->len, request->node,
			  &request->known, &err))
		return send_error(connection, MHD_HTTP_BAD_REQUEST, err.text);
	if (!speaks_for(http, connection, request->crt, "wait", request->node))
		return send_error(connection, MHD_HTTP_FORBIDDEN,
				  "a node may only ask for itself");
	if (pv_server_has_news(http->server, request->node, request->known))
		return answer_waited(http, connection);
	request->until = pb_boot_ms() + WAIT_MS;
	request->connection = connection;
	request->next = http->waiting;
	http->waiting = request;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* The next MHD_run() calls handle() for it again. */
static void end_wait(struct request **place)
{
	struct request *request = *place;

	*place = request->next;
	request->waited = true;
	MHD_resume_connection(request->connection);
	request->connection = NULL;
}

bool pv_http_ring(struct pv_http *http)
{
	struct pv_server *server = http->server;
	bool changed = http->rung != server->changes, rung = false;
	struct request **place = &http->waiting;
	u64 now = pb_boot_ms();

	http->rung = server->changes;
	while (*place) {
		struct request *request = *place;

		if (now >= request->until ||
		    (changed && pv_server_has_news(server, request->node,
						   request->known))) {
			end_wait(place);
			rung = true;
		} else {
			place = &request->next;
		}
	}
	return rung;
}

static int command_status(int ret)
{
	switch (ret) {
	case 0:
		return MHD_HTTP_OK;
	case -ENOENT:
	case -EINVAL:
		return MHD_HTTP_NOT_FOUND;
	case -EIO:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_CONFLICT;
	}
}

static enum MHD_Result answer_command(struct pv_http *http,
				      struct MHD_Connection *connection,
				      gnutls_x509_crt_t crt,
				      struct pv_served *volume, u32 command,
				      const struct request *request)
{
	const char *by = commander(http, crt, volume);
	struct json_object *object;
	char node[PB_NAME_LEN];
	struct pb_error err;
	char name[64];
	int ret;

	if (!by) {
		pv_crt_name(crt, name, sizeof(name));
		log_refusal(http, connection,
			    "%s of %s with the certificate of %s, which is neither one of its nodes nor an operator",
			    pv_command_name(command), volume->config->name,
			    name);
		return send_error(connection, MHD_HTTP_FORBIDDEN,
				  "commands are for the volume's nodes and for operators: do it on a node, or with the certificate of one of \"operators\"");
	}
	object = pv_parse_document(request->body ?: "", request->len, &err);
	if (!object)
		return send_error(connection, MHD_HTTP_BAD_REQUEST, err.text);
	ret = pv_get_name(object, "node", node, &err);
	json_object_put(object);
	if (ret)
		return send_error(connection, MHD_HTTP_BAD_REQUEST, err.text);
	ret = pv_server_command(http->server, volume, command, node, by, &err);
	if (ret)
		return send_error(connection, command_status(ret), err.text);
	return send_json(connection, MHD_HTTP_OK, pv_volume_json(volume));
}

static enum MHD_Result answer_history(struct pv_http *http,
				      struct MHD_Connection *connection,
				      struct pv_served *volume)
{
	struct json_object *object;
	struct pb_error err;
	const char *text;
	u64 from = 1;

	text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND,
					   "from");
	if (text && pb_parse_u64(text, 1, PV_MAX_VIEW, &from, &err))
		return send_error(connection, MHD_HTTP_BAD_REQUEST, err.text);
	object = pv_history_json(http->server, volume, from, &err);
	if (!object)
		return send_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				  err.text);
	return send_json(connection, MHD_HTTP_OK, object);
}

/* @path is what comes after "/v1/volumes/". */
static enum MHD_Result answer_volume(struct pv_http *http,
				     struct MHD_Connection *connection,
				     gnutls_x509_crt_t crt, const char *path,
				     bool post, const struct request *request)
{
	const char *slash = strchrnul(path, '/');
	struct pv_served *volume;
	char spec[64];
	u32 i;

	snprintf(spec, sizeof(spec), "%.*s", (int)(slash - path), path);
	volume = pv_server_volume(http->server, spec);
	if (!volume)
		return send_error(connection, MHD_HTTP_NOT_FOUND,
				  "the view server has no such volume: copy its file to the server's volumes directory and restart it");
	if (!post && !*slash)
		return send_json(connection, MHD_HTTP_OK,
				 pv_volume_json(volume));
	if (!post && !strcmp(slash, "/history"))
		return answer_history(http, connection, volume);
	for (i = 0; post && *slash && i < PV_CMD_NR; i++)
		if (!strcmp(slash + 1, pv_command_name(i)))
			return answer_command(http, connection, crt, volume, i,
					      request);
	return send_error(connection, MHD_HTTP_NOT_FOUND, "no such thing");
}

static enum MHD_Result answer_text(struct MHD_Connection *connection,
				   const char *type, char *text, size_t len)
{
	if (!text)
		return MHD_NO;
	return send_text(connection, MHD_HTTP_OK, type, text, len);
}

static enum MHD_Result answer_page(struct pv_server *server,
				   struct MHD_Connection *connection)
{
	const char *name = MHD_lookup_connection_value(connection,
						       MHD_GET_ARGUMENT_KIND,
						       "volume");
	struct pv_served *only = name ? pv_server_volume(server, name) : NULL;
	const char *still = NULL;
	bool is_still;
	size_t len = 0;
	char *text;

	if (name && !only)
		return send_error(connection, MHD_HTTP_NOT_FOUND,
				  "no such volume is configured here");
	/* "?still" has no value. */
	is_still = MHD_lookup_connection_value_n(connection,
						 MHD_GET_ARGUMENT_KIND, "still",
						 strlen("still"), &still, NULL);
	text = pv_page_html(server, only, is_still, &len);
	return answer_text(connection, "text/html; charset=utf-8", text, len);
}

static enum MHD_Result answer(struct pv_http *http,
			      struct MHD_Connection *connection,
			      const char *url, bool post,
			      struct request *request)
{
	static const char volumes[] = "/v1/volumes/";
	struct pv_server *server = http->server;
	gnutls_x509_crt_t crt = request->crt;
	size_t len = 0;
	char *text;

	if (post && !strcmp(url, "/v1/ping"))
		return answer_ping(http, connection, crt, request);
	if (post && !strcmp(url, "/v1/wait"))
		return answer_wait(http, connection, request);
	if (!strncmp(url, volumes, strlen(volumes)))
		return answer_volume(http, connection, crt,
				     url + strlen(volumes), post, request);
	if (!post && !strcmp(url, "/v1/volumes"))
		return send_json(connection, MHD_HTTP_OK,
				 pv_volumes_json(server));
	if (!post && !strcmp(url, "/metrics")) {
		text = pv_metrics_text(server, &len);
		return answer_text(connection, "text/plain; version=0.0.4",
				   text, len);
	}
	if (!post && !strcmp(url, "/"))
		return answer_page(server, connection);
	return send_error(connection, MHD_HTTP_NOT_FOUND, "no such thing");
}

/* libmicrohttpd's side */

static void take_body(struct request *request, const char *data, size_t size)
{
	size_t room = request->room ?: 8192;
	char *body;

	if (request->error)
		return;
	if (size > PV_TALK_MAX - request->len) {
		request->error = MHD_HTTP_CONTENT_TOO_LARGE;
		return;
	}
	while (room < request->len + size)
		room *= 2;
	if (room != request->room) {
		body = realloc(request->body, room);
		if (!body) {
			request->error = MHD_HTTP_INTERNAL_SERVER_ERROR;
			return;
		}
		request->body = body;
		request->room = room;
	}
	memcpy(request->body + request->len, data, size);
	request->len += size;
}

/*
 * The first call has nothing but the headers.  The body of a stranger is not kept,
 * nor waited for.
 */
static enum MHD_Result begin(struct pv_http *http,
			     struct MHD_Connection *connection, void **context)
{
	gnutls_x509_crt_t crt = peer_certificate(http, connection);
	struct request *request;

	if (!crt)
		return send_error(connection, MHD_HTTP_UNAUTHORIZED,
				  "a valid client certificate of this server's authority is needed");
	request = calloc(1, sizeof(*request));
	if (!request) {
		gnutls_x509_crt_deinit(crt);
		return MHD_NO;
	}
	request->crt = crt;
	*context = request;
	return MHD_YES;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *data,
			      size_t *size, void **context)
{
	bool post = !strcmp(method, MHD_HTTP_METHOD_POST);
	struct request *request = *context;

	(void)version;
	if (!request)
		return begin(arg, connection, context);
	if (*size) {
		take_body(request, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (request->error)
		return send_error(connection, request->error, "too much");
	if (!post && strcmp(method, MHD_HTTP_METHOD_GET))
		return send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				  "only GET and POST");
	return answer(arg, connection, url, post, request);
}

static void completed(void *arg, struct MHD_Connection *connection,
		      void **context, enum MHD_RequestTerminationCode code)
{
	struct request *request = *context;

	(void)arg;
	(void)connection;
	(void)code;
	if (request) {
		gnutls_x509_crt_deinit(request->crt);
		free(request->body);
		free(request);
	}
	*context = NULL;
}

static void log_line(void *arg, const char *fmt, va_list args)
{
	char line[512];

	(void)arg;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = 0;
	pv_log(SD_DEBUG, "http: %s", line);
}

static char *read_file(const char *path, struct pb_error *err)
{
	gnutls_datum_t data;
	int ret = gnutls_load_file(path, &data);
	char *text;

	if (ret) {
		pb_fail(err, -ENOENT, "%s cannot be read", path);
		return NULL;
	}
	text = strndup((char *)data.data, data.size);
	gnutls_memset(data.data, 0, data.size);
	gnutls_free(data.data);
	return text;
}

/* Without a listening socket of its own: there may be several. */
static int start_daemon(struct pv_http *http, struct pb_error *err)
{
	const struct pb_config *config = http->server->config;

	http->ca = read_file(config->ca, err);
	if (http->ca)
		http->certificate = read_file(config->certificate, err);
	if (http->certificate)
		http->key = read_file(config->key, err);
	if (!http->key)
		return -ENOENT;
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TLS |
					MHD_USE_NO_LISTEN_SOCKET |
					MHD_ALLOW_SUSPEND_RESUME |
					MHD_USE_ERROR_LOG,
		0, NULL, NULL, handle, http,
		MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
		MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, MAX_FROM_ONE,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_HTTPS_MEM_TRUST, http->ca,
		MHD_OPTION_HTTPS_MEM_CERT, http->certificate,
		MHD_OPTION_HTTPS_MEM_KEY, http->key,
		MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
		MHD_OPTION_END);
	if (!http->daemon)
		return pb_fail(err, -EINVAL,
			       "HTTPS cannot begin: are %s, %s and %s what they should be?",
			       config->ca, config->certificate, config->key);
	return 0;
}

static int watch(struct pv_http *http, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int watch_all(struct pv_http *http, struct pb_error *err)
{
	const union MHD_DaemonInfo *info;
	unsigned int i;

	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (http->epoll < 0 || !info || watch(http, info->epoll_fd))
		return pb_fail(err, -EIO, "cannot wait for connections");
	for (i = 0; i < http->listener.nr; i++)
		if (watch(http, http->listener.fds[i]))
			return pb_fail(err, -errno,
				       "cannot wait for connections");
	return 0;
}

/* A connection that cannot be accepted would be tried again and again. */
static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) ||
	    limit.rlim_cur >= MAX_CONNECTIONS + MORE_FILES)
		return;
	limit.rlim_cur = MAX_CONNECTIONS + MORE_FILES;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		pv_log(SD_WARNING, "%d files cannot be open at once: %s",
		       MAX_CONNECTIONS + MORE_FILES, strerror(errno));
}

int pv_http_open(struct pv_server *server, struct pv_http **http,
		 struct pb_error *err)
{
	struct pv_http *opened = calloc(1, sizeof(*opened));
	struct addrinfo *list;
	int ret;

	if (!opened)
		return pb_fail(err, -ENOMEM, "no memory");
	allow_files();
	opened->server = server;
	opened->epoll = -1;
	ret = pb_net_resolve(&server->config->server_listen, true, &list, err);
	if (!ret) {
		ret = pb_net_listen(list, &opened->listener, err);
		freeaddrinfo(list);
	}
	ret = ret ?: start_daemon(opened, err) ?: watch_all(opened, err);
	if (ret) {
		pv_http_close(opened);
		return ret;
	}
	*http = opened;
	return 0;
}

static void wipe(char *text)
{
	if (text)
		gnutls_memset(text, 0, strlen(text));
	free(text);
}

void pv_http_close(struct pv_http *http)
{
	while (http->waiting)
		end_wait(&http->waiting);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	pb_net_unlisten(&http->listener);
	if (http->epoll >= 0)
		close(http->epoll);
	free(http->ca);
	free(http->certificate);
	wipe(http->key);
	free(http);
}

int pv_http_fd(const struct pv_http *http)
{
	return http->epoll;
}

static void accept_all(struct pv_http *http, int listener)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;

	for (;;) {
		len = sizeof(addr);
		fd = accept4(listener, (struct sockaddr *)&addr, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		/* It closes what it does not take. */
		MHD_add_connection(http->daemon, fd, (struct sockaddr *)&addr,
				   len);
	}
}

int pv_http_run(struct pv_http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout;
	unsigned int i;

	for (i = 0; i < http->listener.nr; i++)
		accept_all(http, http->listener.fds[i]);
	do
		MHD_run(http->daemon);
	while (pv_http_ring(http));
	if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES)
		return -1;
	return timeout < IDLE_SECONDS * 1000 ? (int)timeout :
					       IDLE_SECONDS * 1000;
}
