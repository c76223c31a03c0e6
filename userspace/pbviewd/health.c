// SPDX-License-Identifier: GPL-2.0
/*
 * How a volume is, in words for a person: what is wrong, what is waited for, and
 * what can be done if that does not come.
 */
#include <stdio.h>
#include <string.h>

#include "server.h"

static const char *name_of(const struct pv_served *volume, u32 node)
{
	return volume->config->replicas[node].node;
}

const char *pv_place(const struct pv_served *volume, u32 node)
{
	const struct pv_view *view = &volume->state.view;

	if (view->nr && view->members[0].node == node)
		return "primary";
	if (view->nr > 1 && view->members[1].node == node)
		return "backup";
	return volume->state.nodes[node].evicted ? "evicted" : "idle";
}

/* Why a node cannot be used, or what it does. */
static const char *condition(const struct pv_served *volume, u32 index, u64 now)
{
	const struct pv_node *node = &volume->state.nodes[index];
	u64 number = volume->state.view.number;

	if (!node->heard)
		return "never heard of";
	if (pv_dead(&volume->state, index, now))
		return "silent";
	if (node->older_image)
		return "its disk is an older copy";
	if (node->ping.flags & PV_PING_FAILED)
		return "its disk failed";
	if (node->ping.view < number && node->ping.disk_view <= number)
		return "not in this view yet";
	if (node->ping.flags & PV_PING_STANDS)
		return "waits for the next view";
	if (node->ping.flags & PV_PING_UNREACHABLE)
		return "cannot reach its backup";
	return "well";
}

void pv_condition(const struct pv_served *volume, u32 index, char *text,
		  size_t size)
{
	const struct pv_node *node = &volume->state.nodes[index];
	u64 now = pb_boot_ms();
	u64 left = 0;

	if (!strcmp(pv_place(volume, index), "idle"))
		left = pv_left_alone(&volume->state, index, now);
	if (left)
		snprintf(text, size, "left alone by %s for %llu s more, dropped %u time%s",
			 name_of(volume, node->left_by),
			 (unsigned long long)(left + 999) / 1000, node->drops,
			 node->drops == 1 ? "" : "s");
	else
		snprintf(text, size, "%s", condition(volume, index, now));
}

static bool is_in_view(const struct pv_served *volume, u32 index)
{
	const struct pv_view *view = &volume->state.view;
	const struct pv_node *node;

	node = &volume->state.nodes[view->members[index].node];
	return node->heard && node->ping.view == view->number;
}

static bool is_ailing(const struct pv_served *volume, u32 index, u64 now)
{
	u32 node = volume->state.view.members[index].node;

	return strcmp(condition(volume, node, now), "well");
}

static const char *health_of_members(const struct pv_served *volume, u64 now)
{
	const struct pv_view *view = &volume->state.view;

	if (view->nr < 2)
		return "no backup";
	if (!is_in_view(volume, 1))
		return "the backup has not moved into the view yet";
	if (!view->members[1].synced)
		return "the backup is being brought up to date";
	if (is_ailing(volume, 0, now) || is_ailing(volume, 1, now))
		return "a member is not well";
	return "healthy";
}

void pv_health(const struct pv_served *volume, char *text, size_t size)
{
	const struct pv_volume *state = &volume->state;
	const struct pv_view *view = &state->view;
	const char *primary = view->nr ? name_of(volume, view->members[0].node) : "";
	u64 now = pb_boot_ms();

	if (volume->in_doubt)
		snprintf(text, size, "the store failed: no view can be made");
	else if (state->behind)
		snprintf(text, size, "a replica knows a later view than this server: its store is an old one");
	else if (!view->number)
		snprintf(text, size, "no view yet: no node with the volume's data has been heard of");
	else if (!state->nodes[view->members[0].node].heard)
		snprintf(text, size, "the primary %s has not been heard of since the server began",
			 primary);
	else if (pv_dead(state, view->members[0].node, now))
		snprintf(text, size, "the primary %s is silent, and nobody can replace it",
			 primary);
	else if (!state->acked || !is_in_view(volume, 0))
		snprintf(text, size, "waits for %s to move into view %llu",
			 primary, (unsigned long long)view->number);
	else
		snprintf(text, size, "%s", health_of_members(volume, now));
}

/* The view's synced backup, if it is there; PV_NO_NODE if not. */
static u32 relief(const struct pv_served *volume, u64 now)
{
	const struct pv_view *view = &volume->state.view;
	u32 node = view->nr > 1 ? view->members[1].node : PV_NO_NODE;

	if (node == PV_NO_NODE || !view->members[1].synced ||
	    !volume->state.nodes[node].heard ||
	    pv_dead(&volume->state, node, now))
		return PV_NO_NODE;
	return node;
}

/* It replaces the primary with its next ping. */
static bool has_relief(const struct pv_served *volume, u64 now)
{
	u32 index = relief(volume, now);
	const struct pv_node *node;

	if (index == PV_NO_NODE)
		return false;
	node = &volume->state.nodes[index];
	return !node->evicted && !(node->ping.flags & PV_PING_FAILED) &&
	       node->ping.state == PB_REPLICA_SYNCED;
}

bool pv_is_stuck(const struct pv_served *volume)
{
	const struct pv_volume *state = &volume->state;
	const struct pv_view *view = &state->view;
	u64 now = pb_boot_ms();

	if (!view->number)
		return false;
	if (pv_dead(state, view->members[0].node, now))
		return !has_relief(volume, now);
	/* It has had time enough for a view change. */
	return (!state->acked || !is_in_view(volume, 0)) && state->since &&
	       now - state->since > state->dead_after &&
	       now - state->began > state->dead_after;
}

static void advise_later(const struct pv_served *volume, char *text, size_t size)
{
	const struct pv_volume *state = &volume->state;
	u32 i;

	for (i = 0; i < state->nr_nodes; i++)
		if (state->nodes[i].heard && !state->nodes[i].evicted &&
		    state->nodes[i].ping.disk_view > state->view.number)
			snprintf(text, size, "%s knows view %llu: give the server its latest store back; or, if that view is to be forgotten, switch that node off, then 'pbctl evict %s %s'",
				 name_of(volume, i),
				 (unsigned long long)state->nodes[i].ping.disk_view,
				 volume->config->name, name_of(volume, i));
}

void pv_advice(const struct pv_served *volume, char *text, size_t size)
{
	const struct pv_volume *state = &volume->state;
	const struct pv_view *view = &state->view;
	const char *name = volume->config->name;
	u64 now = pb_boot_ms();
	size_t len;
	u32 node;

	text[0] = 0;
	if (state->behind) {
		advise_later(volume, text, size);
		return;
	}
	if (volume->in_doubt || !pv_is_stuck(volume))
		return;
	node = relief(volume, now);
	if (node != PV_NO_NODE && state->nodes[node].evicted) {
		snprintf(text, size, "%s is evicted and has all data: 'pbctl add %s %s' lets it go on",
			 name_of(volume, node), name, name_of(volume, node));
		return;
	}
	len = snprintf(text, size, "bring back %s%s%s, with its disk: nobody else is known to have all data",
		       name_of(volume, view->members[0].node),
		       view->nr > 1 && view->members[1].synced ? " or " : "",
		       view->nr > 1 && view->members[1].synced ?
		       name_of(volume, view->members[1].node) : "");
	node = pv_next_best(state, now);
	if (node != PV_NO_NODE && len < size)
		snprintf(text + len, size - len, ".  Only if that is impossible: 'pbctl force-primary-data-may-be-lost %s %s' goes on with what %s has (%s, from view %llu)",
			 name, name_of(volume, node), name_of(volume, node),
			 pb_state_name(state->nodes[node].ping.state),
			 (unsigned long long)state->nodes[node].ping.disk_view);
}
