// SPDX-License-Identifier: GPL-2.0
/*
 * A client of the view server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "client.h"

/* An answer is not longer, bytes. */
#define MAX_ANSWER	(16U << 20)

/**
 * struct pb_client - a connection, or the memory of one
 * @curl: libcurl's
 * @headers: sent with each request
 * @config: whose server it is, and with what to go there
 * @answer: what has come of an answer, terminated
 * @len: so many bytes
 * @room: for so many
 * @problem: libcurl's own words
 */
struct pb_client {
	CURL			*curl;
	struct curl_slist	*headers;
	const struct pb_config	*config;
	char			*answer;
	size_t			len;
	size_t			room;
	char			problem[CURL_ERROR_SIZE];
};

static size_t take(char *data, size_t size, size_t nr, void *arg)
{
	struct pb_client *client = arg;
	size_t room = client->room ?: 8192;
	char *answer;

	size *= nr;
	if (size > MAX_ANSWER - client->len)
		return 0;
	while (room < client->len + size + 1)
		room *= 2;
	if (room != client->room) {
		answer = realloc(client->answer, room);
		if (!answer)
			return 0;
		client->answer = answer;
		client->room = room;
	}
	memcpy(client->answer + client->len, data, size);
	client->len += size;
	client->answer[client->len] = 0;
	return size;
}

void pb_client_timeout(struct pb_client *client, unsigned int timeout_ms)
{
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)timeout_ms);
}

static void set_up(struct pb_client *client, unsigned int timeout_ms)
{
	const struct pb_config *config = client->config;
	CURL *curl = client->curl;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* A resolver that hangs is not waited for. */
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_3);
	curl_easy_setopt(curl, CURLOPT_CAINFO, config->ca);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_SSLCERT, config->certificate);
	curl_easy_setopt(curl, CURLOPT_SSLKEY, config->key);
	pb_client_timeout(client, timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->problem);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
}

int pb_client_open(const struct pb_config *config, unsigned int timeout_ms,
		   struct pb_client **client, struct pb_error *err)
{
	struct pb_client *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return pb_fail(err, -ENOMEM, "no memory");
	opened->config = config;
	opened->curl = curl_easy_init();
	/* "Expect: 100-continue" would cost a long ping a round trip. */
	opened->headers = curl_slist_append(NULL, "Expect:");
	if (opened->headers)
		curl_slist_append(opened->headers,
				  "Content-Type: application/json");
	if (!opened->curl || !opened->headers) {
		pb_client_close(opened);
		return pb_fail(err, -ENOMEM, "no memory");
	}
	set_up(opened, timeout_ms);
	*client = opened;
	return 0;
}

void pb_client_close(struct pb_client *client)
{
	curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	free(client->answer);
	free(client);
}

/* What the server says is wrong, or what its answer is. */
static int refused(struct pb_client *client, long status, struct pb_error *err)
{
	struct json_object *object = json_tokener_parse(client->answer ?: "");
	struct json_object *text = NULL;
	char why[256] = "";
	int ret = -EPROTO;

	if (object && json_object_object_get_ex(object, "error", &text))
		pb_printable(why, sizeof(why), json_object_get_string(text),
			     sizeof(why));
	json_object_put(object);
	if (!why[0])
		return pb_fail(err, -EPROTO, "%s is no view server: it answers with status %ld; correct the URL in %s/%s",
			       client->config->server, status,
			       client->config->dir, PB_CONFIG_HOST);
	if (status == 401)
		return pb_fail(err, -EACCES,
			       "%s: 'openssl x509 -noout -issuer -dates -in %s' tells of this host's",
			       why, client->config->certificate);
	switch (status) {
	case 403:
		ret = -EACCES;
		break;
	case 404:
		ret = -ENOENT;
		break;
	case 409:
		ret = -EBUSY;
		break;
	case 503:
		ret = -EIO;
		break;
	}
	return pb_fail(err, ret, "%s", why);
}

/* Where to look. */
static const char *hint(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "is its host in /etc/hosts or in DNS?";
	case CURLE_COULDNT_CONNECT:
		return "is 'pbviewd server' running there, and its port open?";
	case CURLE_OPERATION_TIMEDOUT:
		return "is its host up, and the network to it?";
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return "compare its certificate, its name in the URL, ca.pem here, and the clocks";
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
		return "is that a view server's port, and this host's key that of its certificate?";
	default:
		return "'pbviewd server' there has a log";
	}
}

static int no_answer(struct pb_client *client, CURLcode code,
		     struct pb_error *err)
{
	const char *why = client->problem[0] ? client->problem :
					       curl_easy_strerror(code);
	int ret = -ENOTCONN;

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		ret = -ETIMEDOUT;
		break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		ret = -EACCES;
		break;
	default:
		break;
	}
	return pb_fail(err, ret, "the view server %s does not answer: %s: %s",
		       client->config->server, why, hint(code));
}

int pb_client_ask(struct pb_client *client, const char *path, const char *body,
		  const char **text, size_t *len, struct pb_error *err)
{
	char url[1024];
	long status = 0;
	CURLcode code;

	if (snprintf(url, sizeof(url), "%s%s", client->config->server, path) >=
	    (int)sizeof(url))
		return pb_fail(err, -EPROTO, "the URL is too long");
	client->len = 0;
	client->problem[0] = 0;
	if (client->answer)
		client->answer[0] = 0;
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	if (body) {
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE,
				 (long)strlen(body));
	} else {
		curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	}
	code = curl_easy_perform(client->curl);
	if (code != CURLE_OK)
		return no_answer(client, code, err);
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return refused(client, status, err);
	*text = client->answer ?: "";
	*len = client->len;
	return 0;
}
