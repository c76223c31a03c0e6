// SPDX-License-Identifier: GPL-2.0
/*
 * Replication connections of a node: a primary makes one to the backup of its view,
 * a backup takes one from its primary, and each node tries now and then whether
 * it could make one to those that are not its backup.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node.h"

/* Gives a socket to the kernel, which has it alone from then on. */
static int hand_over(struct pv_local *local, const struct pb_ioc_status *status,
		     int fd, const u8 *peer, struct pb_error *err)
{
	struct pb_ioc_connect arg = {
		.dev = status->dev,
		.fd = fd,
		.keepalive_ms = local->config->keepalive_ms,
		.timeout_ms = local->config->timeout_ms,
	};
	int ret;

	memcpy(arg.peer, peer, PB_UUID_LEN);
	ret = pb_ctl_connect(&local->daemon->ctl, &arg, err);
	close(fd);
	return ret;
}

/* From the primary to its backup */

/**
 * struct dial - a connection that is being made
 * @local: for which volume
 * @peer: index of the backup's replica in its configuration
 * @offer: what is offered
 * @replica: the backup's
 */
struct dial {
	struct pv_local	*local;
	int		peer;
	struct pv_offer	offer;
	u8		replica[PB_UUID_LEN];
};

static void make_offer(struct pv_local *local, u32 kind, const u8 *replica,
		       u64 view, struct pv_offer *offer)
{
	memset(offer, 0, sizeof(*offer));
	offer->kind = kind;
	offer->view = view;
	memcpy(offer->volume, local->config->uuid, PB_UUID_LEN);
	memcpy(offer->replica, replica, PB_UUID_LEN);
	memcpy(offer->node, local->daemon->config->node, PB_NAME_LEN);
}

static int dial_peer(struct pv_local *local, int peer,
		     const struct pv_offer *offer, struct pb_error *err)
{
	const struct pb_replica_config *config = &local->config->replicas[peer];

	return pv_link_dial(local->config->encrypt ? local->daemon->tls : NULL,
			    &config->address, config->node, offer, PV_DIAL_MS,
			    err);
}

static void *run_dial(void *arg)
{
	struct dial *dial = arg;
	struct pv_local *local = dial->local;
	const struct pb_replica_config *peer;
	struct pb_ioc_status status;
	struct pb_error err;
	int fd;

	peer = &local->config->replicas[dial->peer];
	fd = dial_peer(local, dial->peer, &dial->offer, &err);
	if (fd >= 0 && pv_local_status(local, &status, &err)) {
		close(fd);
		fd = -ENODEV;
	}
	/* If the view is another one by now the kernels will not agree. */
	if (fd >= 0)
		fd = hand_over(local, &status, fd, dial->replica, &err);
	if (fd < 0)
		pv_log(SD_INFO, "%s: no connection to %s: %s",
		       local->config->name, peer->node, err.text);
	else
		pv_log(SD_INFO, "%s: connected to %s", local->config->name,
		       peer->node);
	pthread_mutex_lock(&local->lock);
	local->dialling = false;
	local->next_dial = pb_boot_ms() + PV_REDIAL_MS;
	pthread_mutex_unlock(&local->lock);
	free(dial);
	pv_local_kick(local);
	return NULL;
}

static bool may_dial(struct pv_local *local)
{
	bool may;

	pthread_mutex_lock(&local->lock);
	may = !local->dialling && pb_boot_ms() >= local->next_dial;
	if (may)
		local->dialling = true;
	pthread_mutex_unlock(&local->lock);
	return may;
}

static void dial_failed(struct pv_local *local, const char *why)
{
	pv_log(SD_ERR, "%s: %s", local->config->name, why);
	pthread_mutex_lock(&local->lock);
	local->dialling = false;
	local->next_dial = pb_boot_ms() + PV_HUNG_MS;
	pthread_mutex_unlock(&local->lock);
}

/*
 * The kernel keeps the keys that it was given, and AES-GCM is good for some 380 GiB
 * with one: a connection does not get that old.  The kernel closes the one that it
 * has when it is given another, and sends again what was not acknowledged.
 */
#define KEY_BYTES	(256ULL << 30)

static bool needs_keys(struct pv_local *local,
		       const struct pb_ioc_status *status)
{
	u64 bytes = status->counters[PB_CNT_TX_BYTES] +
		    status->counters[PB_CNT_RX_BYTES];

	if (local->keyed_connects != status->downstream.connects ||
	    local->keyed_view != status->view.number) {
		local->keyed_connects = status->downstream.connects;
		local->keyed_view = status->view.number;
		local->keyed_bytes = bytes;
	}
	return local->config->encrypt && bytes - local->keyed_bytes > KEY_BYTES;
}

static bool needs_link(struct pv_local *local,
		       const struct pb_ioc_status *status)
{
	if (status->role != PB_ROLE_PRIMARY || status->view.nr_members < 2)
		return false;
	return status->downstream.state == PB_LINK_NONE ||
	       (status->downstream.state == PB_LINK_UP &&
		needs_keys(local, status));
}

void pv_link_keep(struct pv_local *local, const struct pb_ioc_status *status)
{
	const struct pb_view *view = &status->view;
	struct dial *dial;
	int peer;

	if (!needs_link(local, status) || !may_dial(local))
		return;
	peer = pb_config_replica(local->config, view->members[1].name);
	dial = peer >= 0 ? calloc(1, sizeof(*dial)) : NULL;
	if (!dial) {
		dial_failed(local, "the backup of the view is no node of the configuration");
		return;
	}
	dial->local = local;
	dial->peer = peer;
	make_offer(local, PV_OFFER_LINK, status->replica, view->number,
		   &dial->offer);
	memcpy(dial->replica, view->members[1].replica, PB_UUID_LEN);
	if (pv_thread(run_dial, dial)) {
		free(dial);
		dial_failed(local, "no thread to make a connection");
	}
}

/* At the backup */

/**
 * struct answer - a connection that is being taken
 * @next: another one
 * @daemon: by whom
 * @fd: its socket
 * @source: from which address
 * @local: the volume that it is for, once that is known; set under @daemon's lock
 * @status: and how that was then
 */
struct answer {
	struct answer		*next;
	struct pv_node_daemon	*daemon;
	int			fd;
	struct in6_addr		source;
	struct pv_local		*local;
	struct pb_ioc_status	status;
};

/* The kernel may take its time with a volume: the others need places as well. */
static int take_answer(struct pv_local *local, struct pb_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&local->lock);
	if (local->answers == PV_VOLUME_ANSWERS)
		ret = pb_fail(err, -EBUSY, "%s: too many connections at once",
			      local->config->name);
	else
		local->answers++;
	pthread_mutex_unlock(&local->lock);
	return ret;
}

static void forget_answer(struct answer *answer)
{
	struct pv_node_daemon *daemon = answer->daemon;
	struct answer **link = &daemon->answers;

	pthread_mutex_lock(&daemon->lock);
	while (*link != answer)
		link = &(*link)->next;
	*link = answer->next;
	pthread_mutex_unlock(&daemon->lock);
	free(answer);
}

static void end_answer(struct answer *answer)
{
	if (answer->local) {
		pthread_mutex_lock(&answer->local->lock);
		answer->local->answers--;
		pthread_mutex_unlock(&answer->local->lock);
	}
	forget_answer(answer);
}

/* A node may only speak for itself, and only for volumes that it is configured for. */
static int judge(void *arg, const struct pv_offer *offer, bool proved,
		 struct pb_error *err)
{
	struct answer *answer = arg;
	struct pb_ioc_status *status = &answer->status;
	struct pv_local *local;
	int ret;

	local = pv_local_by_uuid(answer->daemon, offer->volume);
	if (!local)
		return pb_fail(err, -ENOENT,
			       "node %s has no replica of this volume",
			       answer->daemon->config->node);
	if (pb_config_replica(local->config, offer->node) < 0)
		return pb_fail(err, -EACCES, "%s has no replica on node %s",
			       local->config->name, offer->node);
	if (local->config->encrypt && !proved)
		return pb_fail(err, -EACCES, "%s is encrypted",
			       local->config->name);
	ret = pv_local_status(local, status, err) ?: take_answer(local, err);
	if (ret)
		return ret;
	pthread_mutex_lock(&answer->daemon->lock);
	answer->local = local;
	pthread_mutex_unlock(&answer->daemon->lock);
	if (offer->kind == PV_OFFER_PROBE)
		return 0;
	if (status->role != PB_ROLE_BACKUP ||
	    status->view.number != offer->view)
		return pb_fail(err, -EAGAIN,
			       "%s: node %s is %s in view %llu, not backup in view %llu",
			       local->config->name,
			       answer->daemon->config->node,
			       pb_role_name(status->role),
			       (unsigned long long)status->view.number,
			       (unsigned long long)offer->view);
	if (memcmp(status->upstream.peer, offer->replica, PB_UUID_LEN) ||
	    strcmp(status->upstream.name, offer->node))
		return pb_fail(err, -EACCES, "%s: not the primary of view %llu",
			       local->config->name,
			       (unsigned long long)offer->view);
	return 0;
}

static void *run_answer(void *arg)
{
	struct answer *answer = arg;
	struct pv_node_daemon *daemon = answer->daemon;
	const struct pv_judge decides = { .wants = judge, .arg = answer };
	char from[80];
	struct pv_offer offer;
	struct pb_error err;
	int fd;

	pb_net_peer_text(answer->fd, from, sizeof(from));
	fd = pv_link_answer(daemon->tls, answer->fd, &decides, &offer,
			    PV_DIAL_MS, &err);
	if (fd >= 0 && offer.kind == PV_OFFER_LINK)
		fd = hand_over(answer->local, &answer->status, fd,
			       offer.replica, &err);
	/* A primary that is in its view before the backup tries again. */
	if (fd < 0)
		pv_log(answer->local ? SD_INFO : SD_WARNING,
		       "connection from %s refused: %s", from, err.text);
	else if (offer.kind == PV_OFFER_LINK)
		pv_log(SD_INFO, "%s: connected by %s",
		       answer->local->config->name, offer.node);
	end_answer(answer);
	return NULL;
}

/* Zero for what has none. */
static void get_source(int fd, struct in6_addr *source)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	memset(source, 0, sizeof(*source));
	if (getpeername(fd, (struct sockaddr *)&addr, &len))
		return;
	if (addr.ss_family == AF_INET6)
		*source = ((struct sockaddr_in6 *)&addr)->sin6_addr;
	else if (addr.ss_family == AF_INET)
		memcpy(source, &((struct sockaddr_in *)&addr)->sin_addr,
		       sizeof(struct in_addr));
}

/* Room for one more?  A flood of strangers from one place leaves room for others. */
static bool note_answer(struct answer *answer)
{
	struct pv_node_daemon *daemon = answer->daemon;
	const struct answer *other;
	u32 nr = 0, same = 0;
	bool may;

	pthread_mutex_lock(&daemon->lock);
	for (other = daemon->answers; other; other = other->next) {
		nr++;
		same += !other->local && !memcmp(&other->source, &answer->source,
						 sizeof(answer->source));
	}
	may = nr < PV_MAX_ANSWERS && same < PV_SOURCE_ANSWERS;
	if (may) {
		answer->next = daemon->answers;
		daemon->answers = answer;
	}
	pthread_mutex_unlock(&daemon->lock);
	return may;
}

static bool begin_answer(struct pv_node_daemon *daemon, int fd)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return false;
	answer->daemon = daemon;
	answer->fd = fd;
	get_source(fd, &answer->source);
	if (!note_answer(answer)) {
		free(answer);
		return false;
	}
	if (!pv_thread(run_answer, answer))
		return true;
	forget_answer(answer);
	return false;
}

void *pv_answer_thread(void *arg)
{
	struct pv_node_daemon *daemon = arg;
	struct pb_error err;
	int fd;

	for (;;) {
		fd = pb_net_accept(&daemon->listener, -1, -1, &err);
		if (fd >= 0) {
			if (begin_answer(daemon, fd))
				continue;
			pv_log(SD_WARNING, "too many connections at once: one is closed");
			close(fd);
			continue;
		}
		if (fd == -EAGAIN || fd == -EINTR)
			continue;
		/* Out of descriptors, or memory: not for ever. */
		pv_log(SD_ERR, "%s", err.text);
		sleep(1);
	}
	return NULL;
}

/* Probes */

/* How often, ms: the first if a primary has no backup. */
#define PROBE_SOON_MS	1000
#define PROBE_MS	5000

/**
 * struct prober - tries one endpoint, for all volumes; a dead one is waited for by
 * its own thread alone
 * @next: another one
 * @daemon: by whom
 * @address: of another node
 * @silent: it did not answer in this round, and is not asked for another volume
 */
struct prober {
	struct prober			*next;
	struct pv_node_daemon		*daemon;
	const struct pb_endpoint	*address;
	bool				silent;
};

static void probe_peer(struct prober *prober, struct pv_local *local, int peer,
		       const struct pv_say *say)
{
	struct pv_offer offer;
	struct pb_error err;
	int ret = -EHOSTUNREACH;

	if (!prober->silent) {
		make_offer(local, PV_OFFER_PROBE, say->ping.replica,
			   say->ping.disk_view, &offer);
		ret = dial_peer(local, peer, &offer, &err);
		if (ret < 0)
			pv_log(SD_DEBUG, "%s: probe of %s: %s",
			       local->config->name,
			       local->config->replicas[peer].node, err.text);
		prober->silent = ret < 0 && ret != -ECONNREFUSED &&
				 ret != -EACCES;
	}
	pthread_mutex_lock(&local->lock);
	local->reached[peer] = ret >= 0 ? pb_boot_ms() : 0;
	pthread_mutex_unlock(&local->lock);
}

static bool is_linked_to(const struct pb_link *link, const char *node)
{
	return link->state == PB_LINK_UP && !strcmp(link->name, node);
}

/* All that it is not linked to. */
static void probe_volume(struct prober *prober, struct pv_local *local,
			 bool all)
{
	const struct pb_replica_config *peer;
	struct pb_ioc_status status;
	struct pv_say say;
	struct pb_error err;
	bool has_say, missing;
	u32 i;

	pthread_mutex_lock(&local->lock);
	has_say = local->has_say;
	say = local->say;
	pthread_mutex_unlock(&local->lock);
	if (!has_say || pv_local_status(local, &status, &err))
		return;
	missing = status.role == PB_ROLE_PRIMARY &&
		  status.downstream.state != PB_LINK_UP;
	if (!all && !missing)
		return;
	for (i = 0; i < local->config->nr_replicas; i++) {
		peer = &local->config->replicas[i];
		if ((int)i == local->self ||
		    !pb_same_endpoint(&peer->address, prober->address) ||
		    is_linked_to(&status.upstream, peer->node) ||
		    is_linked_to(&status.downstream, peer->node))
			continue;
		probe_peer(prober, local, i, &say);
		if (missing)
			pv_local_kick(local);
	}
}

static void *run_prober(void *arg)
{
	struct prober *prober = arg;
	u64 next_all = 0;
	u32 i;

	for (;;) {
		bool all = pb_boot_ms() >= next_all;

		if (all)
			next_all = pb_boot_ms() + PROBE_MS;
		prober->silent = false;
		for (i = 0; i < prober->daemon->nr; i++)
			probe_volume(prober, &prober->daemon->locals[i], all);
		usleep(PROBE_SOON_MS * 1000);
	}
	return NULL;
}

/* If there is none yet.  They are for ever, and so is the list. */
static int start_prober(struct prober **list, struct pv_node_daemon *daemon,
			const struct pb_endpoint *address)
{
	struct prober *prober;

	for (prober = *list; prober; prober = prober->next)
		if (pb_same_endpoint(prober->address, address))
			return 0;
	prober = calloc(1, sizeof(*prober));
	if (!prober)
		return -ENOMEM;
	prober->next = *list;
	prober->daemon = daemon;
	prober->address = address;
	*list = prober;
	return pv_thread(run_prober, prober);
}

int pv_probe_start(struct pv_node_daemon *daemon)
{
	struct prober *list = NULL;
	u32 i, j;
	int ret = 0;

	for (i = 0; i < daemon->nr; i++) {
		const struct pv_local *local = &daemon->locals[i];

		for (j = 0; !ret && j < local->config->nr_replicas; j++)
			if ((int)j != local->self)
				ret = start_prober(&list, daemon,
						   &local->config->replicas[j].address);
	}
	return ret;
}
