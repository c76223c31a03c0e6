// SPDX-License-Identifier: GPL-2.0
/*
 * The view server: what nodes say and operators want goes to the view function,
 * and what comes of it to the store before anybody is told.
 *
 * If the store fails, what is durable is not known: the change may be there or
 * not.  So nothing is said of the volume, and nothing decided, until it has been
 * read back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server.h"

u64 pv_real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

const char *pv_command_name(u32 command)
{
	static const char * const names[] = {
		[PV_CMD_SWITCH]	= "switch",
		[PV_CMD_EVICT]	= "evict",
		[PV_CMD_ADD]	= "add",
		[PV_CMD_FORCE]	= "force-data-may-be-lost",
	};

	return command < PV_CMD_NR ? names[command] : "unknown";
}

static const char *node_name(const struct pv_served *volume, u32 node)
{
	return volume->config->replicas[node].node;
}

/* From and to what the store knows */

static int take_member(const struct pv_served *volume,
		       const struct pv_stored_member *from,
		       struct pv_member *member, struct pb_error *err)
{
	int node = pb_config_replica(volume->config, from->node);

	if (node < 0)
		return pb_fail(err, -EINVAL,
			       "%s: node %s is a member of the current view, and the configuration has no replica on it: put it back, evict it, and take it out then",
			       volume->config->name, from->node);
	member->node = node;
	member->synced = from->synced;
	member->incarnation = from->incarnation;
	memcpy(member->replica, from->replica, PB_UUID_LEN);
	return 0;
}

/* What is durable, as the store has it. */
static int take_stored(struct pv_server *server, struct pv_served *volume,
		       struct pb_error *err)
{
	struct pv_volume *state = &volume->state;
	struct pv_view view = { 0 };
	struct pv_stored stored;
	u32 i;
	int ret, node;

	ret = server->store->ops->load(server->store, volume->config->uuid,
				       &stored, err);
	if (ret)
		return ret;
	view.number = stored.view.number;
	view.why = stored.view.why;
	view.nr = stored.view.nr;
	for (i = 0; i < view.nr; i++) {
		ret = take_member(volume, &stored.view.members[i],
				  &view.members[i], err);
		if (ret)
			return ret;
	}
	for (i = 0; i < state->nr_nodes; i++)
		state->nodes[i].evicted = false;
	for (i = 0; i < stored.nr_evicted; i++) {
		/* Who is no longer configured is not used anyway. */
		node = pb_config_replica(volume->config, stored.evicted[i]);
		if (node >= 0)
			state->nodes[node].evicted = true;
	}
	state->view = view;
	state->acked = stored.acked;
	state->handover = stored.handover;
	state->handover_ends = 0;
	state->since = 0;
	volume->stored = stored;
	volume->in_doubt = false;
	return 0;
}

static void give_view(const struct pv_served *volume, const char *by,
		      struct pv_stored_view *to)
{
	const struct pv_view *view = &volume->state.view;
	u32 i;

	if (to->number != view->number) {
		memset(to, 0, sizeof(*to));
		to->number = view->number;
		to->time_ns = pv_real_ns();
		to->why = view->why;
		snprintf(to->by, sizeof(to->by), "%s", by);
	}
	to->nr = view->nr;
	for (i = 0; i < view->nr; i++) {
		const struct pv_member *member = &view->members[i];

		snprintf(to->members[i].node, PB_NAME_LEN, "%s",
			 node_name(volume, member->node));
		to->members[i].synced = member->synced;
		to->members[i].incarnation = member->incarnation;
		memcpy(to->members[i].replica, member->replica, PB_UUID_LEN);
	}
}

static void log_view(const struct pv_served *volume)
{
	const struct pv_view *view = &volume->state.view;
	char members[256] = "";
	const char *reason;
	size_t len = 0;
	u32 i;

	for (i = 0; i < view->nr; i++)
		len += snprintf(members + len, sizeof(members) - len, "%s%s%s",
				i ? ", " : "",
				node_name(volume, view->members[i].node),
				view->members[i].synced ? "" : " (not synced)");
	pv_log(SD_NOTICE, "%s: view %llu: %s: %s", volume->config->name,
	       (unsigned long long)view->number, members,
	       pv_why_text(view->why));
	reason = volume->heard[view->members[0].node].reason;
	if (view->why == PV_WHY_BACKUP_UNREACHABLE && *reason)
		pv_log(SD_NOTICE, "%s: %s says: %s", volume->config->name,
		       node_name(volume, view->members[0].node), reason);
	if (view->why != PV_WHY_BACKUP_UNREACHABLE &&
	    view->why != PV_WHY_BACKUP_DEAD)
		return;
	for (i = 0; i < volume->state.nr_nodes; i++)
		if (pv_left_alone(&volume->state, i, volume->state.latest))
			pv_log(SD_NOTICE, "%s: %s is left alone for %llu s, dropped %u time%s",
			       volume->config->name, node_name(volume, i),
			       (unsigned long long)volume->state.nodes[i].left_ms / 1000,
			       volume->state.nodes[i].drops,
			       volume->state.nodes[i].drops == 1 ? "" : "s");
}

/* The state has changed: it is to be made durable, by save_all(). */
static void keep(struct pv_served *volume, const char *by)
{
	const struct pv_volume *state = &volume->state;
	struct pv_stored *next = &volume->next;
	u32 i;

	*next = volume->stored;
	give_view(volume, by, &next->view);
	next->acked = state->acked;
	next->handover = state->handover;
	next->nr_evicted = 0;
	for (i = 0; i < state->nr_nodes; i++)
		if (state->nodes[i].evicted)
			snprintf(next->evicted[next->nr_evicted++],
				 PB_NAME_LEN, "%s", node_name(volume, i));
	volume->unsaved = true;
}

static void note_saved(struct pv_server *server, struct pv_served *volume)
{
	bool is_new = volume->stored.view.number != volume->next.view.number;

	if (is_new || volume->stored.handover != volume->next.handover)
		volume->changed = ++server->changes;
	volume->stored = volume->next;
	volume->unsaved = false;
	if (is_new)
		log_view(volume);
}

static void save_one(struct pv_server *server, struct pv_served *volume)
{
	const struct pv_save save = { volume->config->uuid, &volume->next };
	struct pb_error err;

	if (!server->store->ops->save(server->store, &save, 1, &err)) {
		note_saved(server, volume);
		return;
	}
	server->failures++;
	volume->unsaved = false;
	volume->in_doubt = true;
	pv_log(SD_CRIT, "%s: the store failed, views wait: %s",
	       volume->config->name, err.text);
}

/*
 * What is kept is made durable, or in doubt: all at once, and one by one if that
 * fails, so that the trouble of one volume is not that of the others.
 */
static void save_all(struct pv_server *server)
{
	struct pb_error err;
	u32 i, nr = 0;
	bool saved;

	for (i = 0; i < server->nr; i++)
		if (server->volumes[i].unsaved)
			server->saves[nr++] = (struct pv_save) {
				server->volumes[i].config->uuid,
				&server->volumes[i].next
			};
	server->stores += nr;
	saved = nr > 1 && !server->store->ops->save(server->store,
						    server->saves, nr, &err);
	for (i = 0; i < server->nr && nr; i++) {
		if (!server->volumes[i].unsaved)
			continue;
		if (saved)
			note_saved(server, &server->volumes[i]);
		else
			save_one(server, &server->volumes[i]);
	}
}

/* Before anything happens to a volume. */
static int settle(struct pv_server *server, struct pv_served *volume,
		  struct pb_error *err)
{
	int ret;

	if (!volume->in_doubt)
		return 0;
	ret = take_stored(server, volume, err);
	if (!ret)
		pv_log(SD_NOTICE, "%s: the store works again",
		       volume->config->name);
	return ret;
}

void pv_order_of(const struct pv_stored_view *view, struct pv_order *order)
{
	u32 i;

	memset(order, 0, sizeof(*order));
	order->number = view->number;
	order->why = view->why;
	order->nr = view->nr;
	for (i = 0; i < view->nr; i++) {
		memcpy(order->nodes[i], view->members[i].node, PB_NAME_LEN);
		memcpy(order->replicas[i], view->members[i].replica,
		       PB_UUID_LEN);
		order->synced[i] = view->members[i].synced;
	}
}

/* Pings */

static void tell(struct pv_server *server, const struct pv_served *volume,
		 u32 node, struct pv_told *told)
{
	const struct pv_node *known = &volume->state.nodes[node];
	struct pv_stored_view views[PV_TALK_VIEWS];
	struct pb_error err;
	struct pv_view last;
	u64 from = 1;
	int i, nr;

	pv_answer(&volume->state, node, &last);
	if (!last.number)
		return;
	/* A replica has to pass through every view since the one on its disk. */
	if (known->ping.disk_view)
		from = known->ping.disk_view;
	if (from == volume->stored.view.number) {
		views[0] = volume->stored.view;
		nr = 1;
	} else {
		nr = server->store->ops->history(server->store,
						 volume->config->uuid, from,
						 views, PV_TALK_VIEWS, &err);
		if (nr < 0) {
			pv_log(SD_ERR, "%s: %s", volume->config->name,
			       err.text);
			told->code = PV_NO_STORE;
			return;
		}
	}
	for (i = 0; i < nr && views[i].number <= last.number; i++) {
		struct pv_order *order = &told->orders[told->nr];

		/* Nobody is to be the primary of a view that is over. */
		if (views[i].number < last.number &&
		    !memcmp(views[i].members[0].replica, known->ping.replica,
			    PB_UUID_LEN))
			continue;
		told->nr++;
		pv_order_of(&views[i], order);
		/* What an operator asked for, once: not for who comes back to it. */
		order->force = order->number == volume->state.view.number &&
			       order->why == PV_WHY_FORCED &&
			       !volume->state.acked &&
			       last.members[0].node == node;
	}
}

static void note_heard(struct pv_served *volume, u32 node,
		       const struct pv_say *say)
{
	struct pv_heard *heard = &volume->heard[node];

	heard->time_ns = pv_real_ns();
	heard->sync_total = say->sync_total;
	heard->sync_left = say->sync_left;
	memcpy(heard->reason, say->reason, sizeof(heard->reason));
}

static struct pv_served *volume_by_uuid(struct pv_server *server,
					const u8 *uuid)
{
	u32 i;

	for (i = 0; i < server->nr; i++)
		if (!memcmp(server->volumes[i].config->uuid, uuid,
			    PB_UUID_LEN))
			return &server->volumes[i];
	return NULL;
}

/* The names that it gave become bits, those of nobody are left out. */
static u64 reach_bits(const struct pv_served *volume, const struct pv_say *say)
{
	u64 bits = 0;
	u32 i;
	int node;

	for (i = 0; i < say->nr_reaches; i++) {
		node = pb_config_replica(volume->config, say->reaches[i]);
		if (node >= 0)
			bits |= 1ULL << node;
	}
	return bits;
}

static u32 take_say(struct pv_server *server, struct pv_served *volume,
		    u32 node, const struct pv_say *say, u64 now)
{
	struct pv_ping ping = say->ping;
	struct pb_error err;
	int ret = settle(server, volume, &err);

	if (ret)
		return PV_NO_STORE;
	ping.node = node;
	ping.reaches = reach_bits(volume, say);
	ret = pv_ping(&volume->state, &ping, now);
	if (ret == -EINVAL)
		return PV_INVALID;
	if (ret == -ESTALE) {
		volume->stale++;
		return ping.seq > volume->state.nodes[node].ping.seq ?
		       PV_OLDER_IMAGE : PV_STALE;
	}
	volume->pings++;
	note_heard(volume, node, say);
	if (ret)
		keep(volume, "");
	return PV_TAKEN;
}

/* What a node says of one volume; the volume, if it is one of the node's. */
static struct pv_served *hear(struct pv_server *server, const char *name,
			      const struct pv_say *say, u64 now,
			      struct pv_told *told)
{
	struct pv_served *volume = volume_by_uuid(server, say->volume);
	int node = volume ? pb_config_replica(volume->config, name) : -1;

	memcpy(told->volume, say->volume, PB_UUID_LEN);
	told->code = PV_NOT_YOURS;
	if (node < 0)
		return NULL;
	told->code = PV_INVALID;
	if (volume->round == server->round)
		return NULL;
	volume->round = server->round;
	told->code = take_say(server, volume, node, say, now);
	told->seq = volume->state.nodes[node].ping.seq;
	return volume;
}

int pv_server_ping(struct pv_server *server, const struct pv_report *report,
		   struct pv_told **tolds)
{
	struct pv_served **heard = calloc(report->nr + 1, sizeof(*heard));
	u64 now = pb_boot_ms();
	u32 i;

	*tolds = calloc(report->nr + 1, sizeof(**tolds));
	if (!heard || !*tolds) {
		free(heard);
		free(*tolds);
		return -ENOMEM;
	}
	server->round++;
	for (i = 0; i < report->nr; i++)
		heard[i] = hear(server, report->node, &report->says[i], now,
				&(*tolds)[i]);
	save_all(server);
	for (i = 0; i < report->nr; i++) {
		struct pv_told *told = &(*tolds)[i];

		if (!heard[i] || told->code != PV_TAKEN)
			continue;
		if (heard[i]->in_doubt)
			told->code = PV_NO_STORE;
		else
			tell(server, heard[i],
			     pb_config_replica(heard[i]->config, report->node),
			     told);
	}
	free(heard);
	return 0;
}

/*
 * A view is made in a ping of its primary: when a member has died the others are to
 * ping at once.
 */
static void note_deaths(struct pv_server *server, struct pv_served *volume,
			u64 now)
{
	const struct pv_volume *state = &volume->state;
	u64 dead = 0;
	u32 i;

	for (i = 0; i < state->view.nr; i++)
		if (pv_dead(state, state->view.members[i].node, now))
			dead |= 1ULL << state->view.members[i].node;
	if (dead & ~volume->dead)
		volume->changed = ++server->changes;
	volume->dead = dead;
}

u32 pv_server_tick(struct pv_server *server)
{
	u64 now = pb_boot_ms(), next = now + PV_TICK_MS, at;
	struct pb_error err;
	u32 i;

	for (i = 0; i < server->nr; i++) {
		struct pv_served *volume = &server->volumes[i];

		if (settle(server, volume, &err))
			continue;
		if (pv_tick(&volume->state, now))
			keep(volume, "");
		note_deaths(server, volume, now);
		at = pv_next_death(&volume->state, now);
		if (at < next)
			next = at;
	}
	save_all(server);
	return next - now;
}

bool pv_server_has_news(const struct pv_server *server, const char *node,
			u64 known)
{
	u32 i;

	/* What it knows is of another server's life. */
	if (known > server->changes)
		return true;
	for (i = 0; i < server->nr; i++)
		if (server->volumes[i].changed > known &&
		    pb_config_replica(server->volumes[i].config, node) >= 0)
			return true;
	return false;
}

/* Operators */

int pv_server_command(struct pv_server *server, struct pv_served *volume,
		      u32 command, const char *node, const char *by,
		      struct pb_error *err)
{
	struct pv_volume *state = &volume->state;
	int index = pb_config_replica(volume->config, node);
	const char *why = "no such node";
	char nodes[256];
	u64 now = pb_boot_ms();
	int ret;

	if (index < 0)
		return pb_fail(err, -ENOENT,
			       "%s has no replica on node %s: its nodes are %s",
			       volume->config->name, node,
			       pb_config_nodes(volume->config, nodes,
					       sizeof(nodes)));
	if (settle(server, volume, err))
		return -EIO;
	switch (command) {
	case PV_CMD_SWITCH:
		ret = pv_switch(state, index, now, &why);
		break;
	case PV_CMD_EVICT:
		ret = pv_evict(state, index, now, &why);
		break;
	case PV_CMD_ADD:
		ret = pv_add(state, index, now);
		break;
	case PV_CMD_FORCE:
		ret = pv_force(state, index, now, &why);
		break;
	default:
		ret = -EINVAL;
	}
	if (ret > 0) {
		keep(volume, by);
		save_all(server);
		if (volume->in_doubt)
			return pb_fail(err, -EIO,
				       "%s: it cannot be stored: the view server's log says why",
				       volume->config->name);
	}
	pv_log(SD_NOTICE, "%s: %s %s, asked for by %s: %s",
	       volume->config->name, pv_command_name(command), node, by,
	       ret < 0 ? why : ret ? "done" : "it is so already");
	if (ret < 0)
		return pb_fail(err, ret,
			       "%s %s: %s ('pbctl volumes %s' says how all are)",
			       volume->config->name, node, why,
			       volume->config->name);
	return 0;
}

struct pv_served *pv_server_volume(struct pv_server *server, const char *spec)
{
	const struct pb_volume_config *config;

	config = pb_config_volume(server->config, spec);
	return config ? &server->volumes[config - server->config->volumes] :
			NULL;
}

/* Beginning and end */

static void init_state(struct pv_served *volume)
{
	const struct pb_volume_config *config = volume->config;
	struct pv_volume *state = &volume->state;

	state->nr_nodes = config->nr_replicas;
	state->dead_after = config->dead_after_ms;
	state->handover_ms = config->handover_ms;
	state->retry_ms = config->retry_ms;
	/* Two ticks, or half of the time after which somebody is dead. */
	state->stall_ms = config->dead_after_ms / 2;
	if (state->stall_ms < 2 * PV_TICK_MS)
		state->stall_ms = 2 * PV_TICK_MS;
	state->began = pb_boot_ms();
}

int pv_server_open(struct pv_server *server, const struct pb_config *config,
		   struct pv_store *store, struct pb_error *err)
{
	u32 i;
	int ret;

	memset(server, 0, sizeof(*server));
	server->config = config;
	server->store = store;
	server->began_ns = pv_real_ns();
	server->volumes = calloc(config->nr_volumes + 1,
				 sizeof(*server->volumes));
	server->saves = calloc(config->nr_volumes + 1, sizeof(*server->saves));
	if (!server->volumes || !server->saves) {
		free(server->volumes);
		free(server->saves);
		return pb_fail(err, -ENOMEM, "no memory");
	}
	server->nr = config->nr_volumes;
	server->changes = server->began_ns;
	for (i = 0; i < server->nr; i++) {
		server->volumes[i].config = &config->volumes[i];
		server->volumes[i].changed = server->changes;
		init_state(&server->volumes[i]);
		ret = take_stored(server, &server->volumes[i], err);
		if (ret) {
			free(server->volumes);
			free(server->saves);
			return ret;
		}
		server->volumes[i].state.found =
			server->volumes[i].state.view.number;
	}
	return 0;
}

void pv_server_close(struct pv_server *server)
{
	server->store->ops->close(server->store);
	free(server->volumes);
	free(server->saves);
}
