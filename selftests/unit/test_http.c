// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for news, over HTTPS on the loopback device: who waits is answered when
 * there is something to tell, and not before; nobody waits for ever; and a client
 * that goes away, or a server that ends, leaves nothing behind.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "certs.h"
#include "client.h"
#include "server.h"
#include "tap.h"

#define PATIENCE_MS	30000
/* Long enough for a request to be made and to wait. */
#define BEGIN_MS	700

static char dir[] = "/tmp/pb-http-XXXXXX";
static struct pb_config config;
static struct pb_volume_config volume;
static struct pb_replica_config replicas[2];
static struct pv_server server;
static struct pv_http *http;

/* A store that knows nothing, and takes everything. */

static int no_load(struct pv_store *store, const u8 *uuid,
		   struct pv_stored *stored, struct pb_error *err)
{
	(void)store;
	(void)uuid;
	(void)err;
	memset(stored, 0, sizeof(*stored));
	return 0;
}

static int any_save(struct pv_store *store, const struct pv_save *saves,
		    u32 nr, struct pb_error *err)
{
	(void)store;
	(void)saves;
	(void)nr;
	(void)err;
	return 0;
}

static int no_history(struct pv_store *store, const u8 *uuid, u64 from,
		      struct pv_stored_view *views, int max,
		      struct pb_error *err)
{
	(void)store;
	(void)uuid;
	(void)from;
	(void)views;
	(void)max;
	(void)err;
	return 0;
}

static void no_close(struct pv_store *store)
{
	(void)store;
}

static const struct pv_store_ops ops = {
	.load = no_load,
	.save = any_save,
	.history = no_history,
	.close = no_close,
};

static struct pv_store store = { .ops = &ops };

/* Who asks, in a thread of its own */

struct asker {
	pthread_t	thread;
	struct pb_config config;
	char		node[PB_NAME_LEN];
	u64		known;
	unsigned int	timeout_ms;
	int		ret;
	u64		told;
	bool		done;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	struct json_object *object = pv_wait_json(asker->node, asker->known);
	struct pb_client *client;
	struct pb_error err;
	const char *text;
	size_t len;
	int ret;

	ret = pb_client_open(&asker->config, asker->timeout_ms, &client, &err);
	if (!ret) {
		ret = pb_client_ask(client, "/v1/wait",
				    json_object_to_json_string(object), &text,
				    &len, &err) ?:
		      pv_news_parse(text, len, &asker->told, &err);
		pb_client_close(client);
	}
	json_object_put(object);
	asker->ret = ret;
	__atomic_store_n(&asker->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static char *path(const char *file, const char *suffix)
{
	char *text;

	if (asprintf(&text, "%s/%s.%s", dir, file, suffix) < 0)
		exit(2);
	return text;
}

static void begin_as(struct asker *asker, const char *as, const char *node,
		     u64 known, unsigned int timeout_ms)
{
	*asker = (struct asker) {
		.config = config, .known = known, .timeout_ms = timeout_ms,
	};
	strcpy(asker->node, node);
	asker->config.certificate = path(as, "pem");
	asker->config.key = path(as, "key");
	if (pthread_create(&asker->thread, NULL, ask, asker))
		exit(2);
}

static void begin(struct asker *asker, const char *node, u64 known)
{
	begin_as(asker, node, node, known, PATIENCE_MS);
}

static bool is_done(struct asker *asker)
{
	return __atomic_load_n(&asker->done, __ATOMIC_ACQUIRE);
}

static void end(struct asker *asker)
{
	pthread_join(asker->thread, NULL);
	free(asker->config.certificate);
	free(asker->config.key);
}

/* The server's loop, until somebody is done (if anybody is named) or in vain. */
static bool turn(struct asker *asker, unsigned int ms)
{
	u64 until = pb_boot_ms() + ms;

	while (pb_boot_ms() < until) {
		struct pollfd poll_fd = { pv_http_fd(http), POLLIN, 0 };

		poll(&poll_fd, 1, 5);
		pv_http_ring(http);
		pv_http_run(http);
		if (asker && is_done(asker))
			return true;
	}
	return false;
}

/* Something to tell alpha and beta. */
static void make_view(void)
{
	static u64 seq;
	struct pv_say say = { .ping.incarnation = 1 << 16 };
	struct pv_report report = { .node = "alpha", .nr = 1, .says = &say };
	struct pv_told *told;

	memset(say.volume, 0x11, PB_UUID_LEN);
	memset(say.ping.replica, 0x22, PB_UUID_LEN);
	say.ping.seq = ++seq;
	say.ping.state = PB_REPLICA_SYNCED;
	pv_server_ping(&server, &report, &told);
	free(told);
}

/* Tests */

static void test_refused(void)
{
	struct asker asker;

	begin_as(&asker, "beta", "alpha", 0, PATIENCE_MS);
	ok(turn(&asker, PATIENCE_MS) && asker.ret == -EACCES,
	   "a node may not ask for another");
	end(&asker);
	begin_as(&asker, "beta", "b b", 0, PATIENCE_MS);
	ok(turn(&asker, PATIENCE_MS) && asker.ret == -EPROTO,
	   "what is no question is refused");
	end(&asker);
}

static void test_news(void)
{
	struct asker alpha, beta, gamma_;
	u64 known;

	begin(&alpha, "alpha", 0);
	ok(turn(&alpha, PATIENCE_MS) && !alpha.ret &&
	   alpha.told == server.changes, "who knows nothing is answered at once");
	known = alpha.told;
	end(&alpha);

	begin(&alpha, "alpha", known);
	begin(&beta, "beta", known);
	begin(&gamma_, "gamma", known);
	turn(NULL, BEGIN_MS);
	ok(!is_done(&alpha) && !is_done(&beta) && !is_done(&gamma_),
	   "who knows all waits");
	make_view();
	ok(server.changes > known, "a view is made");
	ok(turn(&alpha, PATIENCE_MS) && turn(&beta, PATIENCE_MS) &&
	   !alpha.ret && !beta.ret && alpha.told == server.changes &&
	   beta.told == server.changes, "both of its nodes are answered");
	ok(!is_done(&gamma_), "another is not");
	ok(turn(&gamma_, PATIENCE_MS) && !gamma_.ret,
	   "but before long, so that it is known to be there");
	end(&alpha);
	end(&beta);
	end(&gamma_);
}

static void test_gone(void)
{
	struct asker asker, other;

	begin_as(&asker, "beta", "beta", server.changes, BEGIN_MS);
	ok(turn(&asker, PATIENCE_MS) && asker.ret == -ETIMEDOUT,
	   "a client gives up");
	end(&asker);
	turn(NULL, 3000);
	begin(&asker, "beta", 0);
	ok(turn(&asker, PATIENCE_MS) && !asker.ret, "the server goes on");
	end(&asker);

	begin(&asker, "alpha", server.changes);
	begin(&other, "beta", server.changes);
	turn(NULL, BEGIN_MS);
	pv_http_close(http);
	end(&asker);
	end(&other);
	ok(asker.ret && other.ret, "it ends while two wait");
}

/* A port that nobody has. */
static unsigned int free_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		exit(2);
	close(fd);
	return ntohs(addr.sin_port);
}

static void make_certs(void)
{
	static const char * const names[] = { "localhost", "alpha", "beta", "gamma" };
	struct cert_plan plan = {
		.file = "ca", .ca = true, .cn = "test", .from = -60, .until = 3600,
	};
	size_t i;

	certs_make(dir, &plan);
	plan.ca = false;
	plan.signer = "ca";
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		plan.file = names[i];
		plan.dns = names[i];
		certs_make(dir, &plan);
	}
}

static void set_up(void)
{
	unsigned int port = free_port();
	struct pb_error err;
	char url[64];

	strcpy(replicas[0].node, "alpha");
	strcpy(replicas[1].node, "beta");
	strcpy(volume.name, "db");
	memset(volume.uuid, 0x11, PB_UUID_LEN);
	volume.replicas = replicas;
	volume.nr_replicas = 2;
	volume.dead_after_ms = 600000;
	config.nr_volumes = 1;
	config.volumes = &volume;
	config.ca = path("ca", "pem");
	config.certificate = path("localhost", "pem");
	config.key = path("localhost", "key");
	strcpy(config.server_listen.host, "127.0.0.1");
	snprintf(config.server_listen.port, sizeof(config.server_listen.port),
		 "%u", port);
	snprintf(url, sizeof(url), "https://localhost:%u", port);
	config.server = strdup(url);
	is(pv_server_open(&server, &config, &store, &err), 0, "a server");
	is(pv_http_open(&server, &http, &err), 0, "listens");
}

int main(void)
{
	char command[64];

	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	tap_begin();
	if (!mkdtemp(dir))
		return 2;
	make_certs();
	set_up();
	test_refused();
	test_news();
	test_gone();
	pv_server_close(&server);
	free(config.ca);
	free(config.certificate);
	free(config.key);
	free(config.server);
	curl_global_cleanup();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	is(system(command), 0, "cleaned up");
	return tap_end();
}
