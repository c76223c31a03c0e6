// SPDX-License-Identifier: GPL-2.0
/*
 * Pings: one for all volumes, at the interval or as soon as something happens
 * that the view server should know.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node.h"

/* How long an answer may take: longer than a ping's interval, shorter than a nap. */
#define ANSWER_MS	1000

/**
 * struct pinger - what the pinging thread knows
 * @daemon: whose it is
 * @client: of the view server
 * @seq: of the next ping; see first_seq()
 * @cut: the last one got no answer
 */
struct pinger {
	struct pv_node_daemon	*daemon;
	struct pb_client	*client;
	u64			seq;
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
	if (!ret)
		take_answer(pinger, text, len);
	if (ret && !pinger->cut)
		pv_log(SD_WARNING, "%s; volumes go on as they are", err.text);
	if (!ret && pinger->cut)
		pv_log(SD_NOTICE, "the view server answers again");
	pinger->cut = ret;
}

static void pause_until(struct pv_node_daemon *daemon, u64 next)
{
	pthread_mutex_lock(&daemon->lock);
	daemon->pinged = pb_boot_ms();
	while (!daemon->ping_now && pb_boot_ms() < next)
		pv_cond_wait(&daemon->ping_wake, &daemon->lock, next);
	daemon->ping_now = false;
	pthread_mutex_unlock(&daemon->lock);
}

void *pv_ping_thread(void *arg)
{
	struct pinger pinger = { .daemon = arg, .seq = first_seq() };
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
		pause_until(pinger.daemon,
			    began + pinger.daemon->config->ping_ms);
	}
}
