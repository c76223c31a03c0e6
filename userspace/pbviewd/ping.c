// SPDX-License-Identifier: GPL-2.0
/*
 * Pings: one for all volumes, at the interval or as soon as something happens
 * that the view server should know, or that it has to tell: for that there is a
 * second connection, with a question that it answers when there is news.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

/*
 * How long an answer may take: longer than a ping's interval, shorter than a nap.
 * While none comes in time it may take twice as long each time: who gives up has to
 * connect again, which costs a server that is far away or overloaded more than
 * the answer would have.
 */
#define ANSWER_MS	1000
#define ANSWER_MAX_MS	4000
/* The answer to who waits for news: the server takes up to 2 s. */
#define NEWS_MS		4000
/* And how long not to ask again if there is none. */
#define NO_NEWS_MS	500

/**
 * struct pinger - what the pinging thread knows
 * @daemon: whose it is
 * @client: of the view server
 * @seq: of the next ping; see first_seq()
 * @patience: how long the next answer may take, ms
 * @cut: the last one got no answer
 */
struct pinger {
	struct pv_node_daemon	*daemon;
	struct pb_client	*client;
	u64			seq;
	unsigned int		patience;
	bool			cut;
};

/*
 * Pings of a later life of this daemon must count as later.  The clock says so
 * but for one that was put back; then the server's answer does.
 */
#define SEQ_SECOND	(1ULL << 20)

static u64 first_seq(void)
{
	return time(NULL) * SEQ_SECOND;
}

/* What there is to say; a volume that hangs is left out, and so counts as dead. */
static int gather(struct pv_node_daemon *daemon, struct pv_report *report)
{
	u64 now = pb_boot_ms();
	u32 i;

	memcpy(report->node, daemon->config->node, PB_NAME_LEN);
	report->nr = 0;
	report->says = calloc(daemon->nr + 1, sizeof(*report->says));
	if (!report->says)
		return -ENOMEM;
	for (i = 0; i < daemon->nr; i++) {
		struct pv_local *local = &daemon->locals[i];

		pthread_mutex_lock(&local->lock);
		if (local->has_say && now - local->looked < PV_HUNG_MS)
			report->says[report->nr++] = local->say;
		pthread_mutex_unlock(&local->lock);
	}
	return 0;
}

static void take_told(struct pinger *pinger, const struct pv_told *told)
{
	struct pv_local *local = pv_local_by_uuid(pinger->daemon, told->volume);

	if (!local)
		return;
	if (told->code == PV_STALE && told->seq >= pinger->seq)
		pinger->seq = told->seq + SEQ_SECOND;
	if (told->code != local->verdict)
		pv_log(told->code == PV_TAKEN ? SD_NOTICE : SD_WARNING,
		       "%s: the view server says: %s", local->config->name,
		       pv_verdict_text(told->code));
	local->verdict = told->code;
	if (!told->nr)
		return;
	pthread_mutex_lock(&local->lock);
	/* Only what changes something is worth to wake its thread. */
	if (told->nr != local->nr_orders ||
	    memcmp(told->orders, local->orders,
		   told->nr * sizeof(told->orders[0]))) {
		memcpy(local->orders, told->orders, sizeof(local->orders));
		local->nr_orders = told->nr;
		local->kicked = true;
		pthread_cond_signal(&local->wake);
	}
	pthread_mutex_unlock(&local->lock);
}

static void take_answer(struct pinger *pinger, const char *text, size_t len)
{
	struct pv_told *tolds;
	struct pb_error err;
	u32 i, nr;

	if (pv_told_parse(text, len, &tolds, &nr, &err)) {
		pv_log(SD_ERR, "the view server's answer: %s", err.text);
		return;
	}
	for (i = 0; i < nr; i++)
		take_told(pinger, &tolds[i]);
	free(tolds);
}

static void be_patient(struct pinger *pinger, int ret)
{
	unsigned int patience = ANSWER_MS;

	if (ret == -ETIMEDOUT)
		patience = pinger->patience < ANSWER_MAX_MS ?
			   pinger->patience * 2 : ANSWER_MAX_MS;
	if (patience != pinger->patience)
		pb_client_timeout(pinger->client, patience);
	pinger->patience = patience;
}

static void ping(struct pinger *pinger)
{
	struct pv_report report = { .seq = pinger->seq++ };
	struct json_object *object;
	struct pb_error err;
	const char *text;
	size_t len;
	int ret;

	if (gather(pinger->daemon, &report))
		return;
	object = pv_report_json(&report);
	free(report.says);
	ret = pb_client_ask(pinger->client, "/v1/ping",
			    json_object_to_json_string_ext(object,
						JSON_C_TO_STRING_PLAIN),
			    &text, &len, &err);
	json_object_put(object);
	be_patient(pinger, ret);
	if (!ret)
		take_answer(pinger, text, len);
	if (ret && !pinger->cut)
		pv_log(SD_WARNING, "%s; volumes go on as they are", err.text);
	if (!ret && pinger->cut)
		pv_log(SD_NOTICE, "the view server answers again");
	pinger->cut = ret;
}

/*
 * When many volumes change at once each has news: as long as the last ping took, what
 * happens meanwhile waits for the next, which leaves the server half of its time.
 */
static void pause_after(struct pv_node_daemon *daemon, u64 began)
{
	u64 next = began + daemon->config->ping_ms, soon;

	pthread_mutex_lock(&daemon->lock);
	daemon->pinged = pb_boot_ms();
	soon = daemon->pinged + (daemon->pinged - began);
	if (soon > next)
		soon = next;
	while (pb_boot_ms() < (daemon->ping_now ? soon : next))
		pv_cond_wait(&daemon->ping_wake, &daemon->lock,
			     daemon->ping_now ? soon : next);
	daemon->ping_now = false;
	pthread_mutex_unlock(&daemon->lock);
}

void *pv_ping_thread(void *arg)
{
	struct pinger pinger = {
		.daemon = arg, .seq = first_seq(), .patience = ANSWER_MS,
	};
	struct pb_error err;
	u64 began;

	if (pb_client_open(pinger.daemon->config, ANSWER_MS, &pinger.client,
			   &err)) {
		pv_log(SD_CRIT, "%s", err.text);
		abort();
	}
	for (;;) {
		began = pb_boot_ms();
		ping(&pinger);
		pause_after(pinger.daemon, began);
	}
}

/* Does not need to be there: a ping brings the same, later. */
static void wait_news(struct pv_node_daemon *daemon, struct pb_client *client,
		      u64 *known)
{
	struct json_object *object;
	u64 before = *known;
	struct pb_error err;
	const char *text;
	size_t len;
	int ret;

	object = pv_wait_json(daemon->config->node, *known);
	ret = pb_client_ask(client, "/v1/wait",
			    json_object_to_json_string_ext(object,
						JSON_C_TO_STRING_PLAIN),
			    &text, &len, &err) ?:
	      pv_news_parse(text, len, known, &err);
	json_object_put(object);
	if (ret)
		usleep(NO_NEWS_MS * 1000);
	else if (*known != before)
		pv_ping_now(daemon);
}

void *pv_news_thread(void *arg)
{
	struct pv_node_daemon *daemon = arg;
	struct pb_client *client;
	struct pb_error err;
	u64 known = 0;

	if (pb_client_open(daemon->config, NEWS_MS, &client, &err)) {
		pv_log(SD_CRIT, "%s", err.text);
		abort();
	}
	for (;;)
		wait_news(daemon, client, &known);
}
