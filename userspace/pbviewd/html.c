// SPDX-License-Identifier: GPL-2.0
/*
 * The page for a person: volumes, who is what, how far a resync is, and what
 * became of each volume as a line of time.
 *
 * It needs no script and nothing else from anywhere.  Nothing is said by a colour
 * alone, and what is drawn is there as text as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* Views of a volume that are shown. */
#define SHOWN_VIEWS	20
/* With more volumes histories are on the page of each: all wait while one is read. */
#define SHOWN_HISTORIES	16
/* Nodes that have a colour of their own. */
#define COLOURS		6
#define REFRESH_S	5

static const char style[] =
":root{--bg:#fff;--fg:#1b1b1b;--line:#8a8a8a;--good:#0a5c2b;--bad:#a0150f;--link:#0b4f9e;--mute:#555}\n"
"@media (prefers-color-scheme:dark){:root{--bg:#151515;--fg:#ececec;--line:#777;--good:#7ddc9c;--bad:#ff9d94;--link:#8fc0ff;--mute:#b5b5b5}}\n"
"body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem 1.5rem;max-width:75rem;background:var(--bg);color:var(--fg)}\n"
"a{color:var(--link)}h1{margin:.2em 0}h2{margin:1.5em 0 .2em;border-bottom:2px solid var(--line)}h3{margin:1em 0 .3em}\n"
".scroll{overflow-x:auto}table{border-collapse:collapse;margin:.5em 0}caption{text-align:left;font-weight:bold;padding:.2em 0}\n"
"td,th{border:1px solid var(--line);padding:.25em .6em;text-align:left;vertical-align:top}\n"
".good{color:var(--good);font-weight:bold}.bad{color:var(--bad);font-weight:bold}.mute{color:var(--mute)}\n"
".advice{border-left:.3em solid var(--bad);padding-left:.7em}progress{width:10em;vertical-align:middle}\n"
".strip{display:flex;gap:2px;height:1.8em;margin:.4em 0}.strip span{min-width:.3em;box-sizing:border-box;flex-basis:0;overflow:hidden;white-space:nowrap;padding:0 .2em;color:#fff}\n"
".n0{background:#1f5fa8}.n1{background:#8a3f00}.n2{background:#2f6b2f}.n3{background:#7a2f7a}.n4{background:#5c5c00}.n5{background:#9c1f4f}\n"
"ol.views{list-style:none;margin:.5em 0;padding:0 0 0 .5em}ol.views li{position:relative;border-left:3px solid var(--line);padding:.1em 0 .5em 1.2em}\n"
"ol.views i{position:absolute;left:-.55em;top:.45em;width:.9em;height:.9em;border-radius:50%}\n";

static void put(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

/* In a URL: what may have another meaning there is written by its number. */
static void put_url(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("%&+#?=/\\\"'<>", *text))
			fprintf(out, "%%%02x", *text);
		else
			fputc(*text, out);
	}
}

static void put_cell(FILE *out, const char *text)
{
	fputs("<td>", out);
	put(out, text);
	fputs("</td>", out);
}

static void put_time(FILE *out, u64 time_ns)
{
	char text[40];

	pv_time_text(time_ns, text, sizeof(text));
	fprintf(out, "<time datetime=\"%s\">%.10s %.8s</time>", text, text,
		text[0] ? text + 11 : "");
}

/* So long, in two units at most. */
static void put_duration(FILE *out, u64 ns)
{
	unsigned long long s = ns / 1000000000;

	if (s < 60)
		fprintf(out, "%llu.%llu s", s,
			(unsigned long long)(ns / 100000000 % 10));
	else if (s < 3600)
		fprintf(out, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		fprintf(out, "%llu h %llu min", s / 3600, s / 60 % 60);
	else
		fprintf(out, "%llu d %llu h", s / 86400, s / 3600 % 24);
}

static bool is_healthy(const struct pv_served *volume)
{
	char text[PV_LINE_LEN];

	pv_health(volume, text, sizeof(text));
	return !strcmp(text, "healthy");
}

/* With a sign: not everybody sees a colour. */
static void put_health(FILE *out, const struct pv_served *volume)
{
	char text[PV_LINE_LEN];

	pv_health(volume, text, sizeof(text));
	if (is_healthy(volume))
		fputs("<span class=\"good\">&#10003; ", out);
	else
		fputs("<span class=\"bad\">! ", out);
	put(out, text);
	fputs("</span>", out);
}

/* Nodes */

static void put_resync(FILE *out, const struct pv_served *volume, u32 index)
{
	const struct pv_heard *heard = &volume->heard[index];
	double part;

	fputs("<td>", out);
	if (heard->sync_total && heard->sync_left <= heard->sync_total) {
		part = 100.0 * (heard->sync_total - heard->sync_left) /
		       heard->sync_total;
		fputs("<progress max=\"100\" aria-label=\"Resync of the backup of ",
		      out);
		put(out, volume->config->name);
		fprintf(out, "\" value=\"%.1f\"></progress> %.1f %% copied, %llu MiB left",
			part, part, (unsigned long long)heard->sync_left >> 20);
	}
	fputs("</td>", out);
}

static void put_node(FILE *out, const struct pv_served *volume, u32 index)
{
	const struct pv_node *node = &volume->state.nodes[index];
	char text[PV_LINE_LEN];

	fputs("<tr><th scope=\"row\">", out);
	put(out, volume->config->replicas[index].node);
	fputs("</th>", out);
	put_cell(out, pv_place(volume, index));
	put_cell(out, node->heard ? pb_state_name(node->ping.state) : "");
	pv_condition(volume, index, text, sizeof(text));
	put_cell(out, text);
	put_resync(out, volume, index);
	put_cell(out, volume->heard[index].reason);
	fputs("</tr>\n", out);
}

static void put_nodes(FILE *out, const struct pv_served *volume)
{
	u32 i;

	fputs("<div class=\"scroll\"><table><caption>Nodes of ", out);
	put(out, volume->config->name);
	fputs("</caption><thead><tr><th scope=\"col\">Node</th><th scope=\"col\">Role</th><th scope=\"col\">Copy</th><th scope=\"col\">Condition</th><th scope=\"col\">Resync</th><th scope=\"col\">Says</th></tr></thead><tbody>\n",
	      out);
	for (i = 0; i < volume->state.nr_nodes; i++)
		put_node(out, volume, i);
	fputs("</tbody></table></div>\n", out);
}

/* Views */

static u32 colour_of(const struct pv_served *volume,
		     const struct pv_stored_view *view)
{
	int index = view->nr ? pb_config_replica(volume->config,
						 view->members[0].node) : 0;

	return index < 0 ? 0 : index % COLOURS;
}

static u64 end_of(const struct pv_stored_view *views, int index, int nr)
{
	u64 end = index + 1 < nr ? views[index + 1].time_ns : pv_real_ns();

	/* Somebody may have put a clock back. */
	return end > views[index].time_ns ? end : views[index].time_ns;
}

static void put_members(FILE *out, const struct pv_stored_view *view)
{
	u32 i;

	for (i = 0; i < view->nr; i++) {
		fputs(i ? ", " : "", out);
		put(out, view->members[i].node);
		fprintf(out, " %s%s", i ? "backup" : "primary",
			view->members[i].synced ? "" : " (not synced)");
	}
}

/* Who was primary: the same as the list below it, for the eye. */
static void put_strip(FILE *out, const struct pv_served *volume,
		      const struct pv_stored_view *views, int nr)
{
	int i;

	fputs("<div class=\"strip\" aria-hidden=\"true\">", out);
	for (i = 0; i < nr; i++) {
		fprintf(out, "<span class=\"n%u\" style=\"flex-grow:%llu\" title=\"",
			colour_of(volume, &views[i]),
			(unsigned long long)(end_of(views, i, nr) -
					     views[i].time_ns) / 1000000 + 1);
		fprintf(out, "view %llu: ", (unsigned long long)views[i].number);
		put_members(out, &views[i]);
		fputs("\">", out);
		put(out, views[i].nr ? views[i].members[0].node : "");
		fputs("</span>", out);
	}
	fputs("</div>\n", out);
}

static void put_view(FILE *out, const struct pv_served *volume,
		     const struct pv_stored_view *views, int index, int nr)
{
	const struct pv_stored_view *view = &views[index];

	fprintf(out, "<li><i class=\"n%u\"></i>", colour_of(volume, view));
	put_time(out, view->time_ns);
	fprintf(out, " <b>View %llu</b>: ", (unsigned long long)view->number);
	put_members(out, view);
	fputs(": ", out);
	put(out, pv_why_text(view->why));
	if (view->by[0]) {
		fputs(", asked for by ", out);
		put(out, view->by);
	}
	fputs(" <span class=\"mute\">(", out);
	put_duration(out, end_of(views, index, nr) - view->time_ns);
	fputs(index + 1 < nr ? ")</span></li>\n" : " so far)</span></li>\n", out);
}

static void put_history(FILE *out, struct pv_server *server,
			const struct pv_served *volume)
{
	u64 last = volume->stored.view.number;
	struct pv_stored_view *views;
	struct pb_error err;
	int i, nr = -1;

	views = calloc(SHOWN_VIEWS, sizeof(*views));
	pb_fail(&err, 0, "no memory");
	if (views)
		nr = server->store->ops->history(server->store,
						 volume->config->uuid,
						 last > SHOWN_VIEWS ?
						 last - SHOWN_VIEWS + 1 : 1,
						 views, SHOWN_VIEWS, &err);
	fputs("<h3>Views, the latest on top</h3>\n", out);
	if (nr < 0) {
		fputs("<p>They cannot be read: ", out);
		put(out, err.text);
		fputs("</p>\n", out);
	} else {
		if (nr) {
			fputs("<p class=\"mute\">Who was primary, from ", out);
			put_time(out, views[0].time_ns);
			fputs(" on the left to now on the right; then each view.</p>\n",
			      out);
		}
		put_strip(out, volume, views, nr);
		fputs("<ol class=\"views\">\n", out);
		for (i = nr - 1; i >= 0; i--)
			put_view(out, volume, views, i, nr);
		fputs("</ol>\n", out);
	}
	free(views);
	fputs("<p><a href=\"/v1/volumes/", out);
	put_url(out, volume->config->name);
	fputs("/history\">All views, as JSON</a></p>\n", out);
}

/* Volumes */

static void put_volume(FILE *out, struct pv_server *server, u32 index,
		       bool history)
{
	const struct pv_served *volume = &server->volumes[index];
	char text[PV_ADVICE_LEN];

	fprintf(out, "<section aria-labelledby=\"v%u\"><h2 id=\"v%u\">", index,
		index);
	put(out, volume->config->name);
	fputs("</h2>\n<p>", out);
	put_health(out, volume);
	fputs("</p>\n", out);
	pv_advice(volume, text, sizeof(text));
	if (text[0]) {
		fputs("<p class=\"advice\">", out);
		put(out, text);
		fputs("</p>\n", out);
	}
	put_nodes(out, volume);
	if (volume->stored.view.number && history) {
		put_history(out, server, volume);
	} else if (volume->stored.view.number) {
		fputs("<p><a href=\"/?volume=", out);
		put_url(out, volume->config->name);
		fputs("\">Its views</a></p>\n", out);
	}
	fputs("</section>\n", out);
}

static void put_row(FILE *out, const struct pv_served *volume, u32 index)
{
	const struct pv_view *view = &volume->state.view;

	fprintf(out, "<tr><th scope=\"row\"><a href=\"#v%u\">", index);
	put(out, volume->config->name);
	fputs("</a></th><td>", out);
	put_health(out, volume);
	fprintf(out, "</td><td>%llu</td>", (unsigned long long)view->number);
	put_cell(out, view->nr ?
		 volume->config->replicas[view->members[0].node].node : "");
	put_cell(out, view->nr > 1 ?
		 volume->config->replicas[view->members[1].node].node : "");
	fputs("</tr>\n", out);
}

static void put_summary(FILE *out, struct pv_server *server)
{
	u32 i;

	fputs("<div class=\"scroll\"><table><caption>All volumes</caption><thead><tr><th scope=\"col\">Volume</th><th scope=\"col\">Health</th><th scope=\"col\">View</th><th scope=\"col\">Primary</th><th scope=\"col\">Backup</th></tr></thead><tbody>\n",
	      out);
	for (i = 0; i < server->nr; i++)
		put_row(out, &server->volumes[i], i);
	fputs("</tbody></table></div>\n", out);
}

static u32 nr_ailing(const struct pv_server *server)
{
	u32 i, nr = 0;

	for (i = 0; i < server->nr; i++)
		nr += !is_healthy(&server->volumes[i]);
	return nr;
}

static void put_head(FILE *out, const struct pv_server *server,
		     const struct pv_served *only, bool still)
{
	u32 bad = nr_ailing(server);

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>",
	      out);
	if (bad)
		fprintf(out, "%u of %u volumes not healthy", bad, server->nr);
	else
		fprintf(out, "%u volume%s healthy", server->nr,
			server->nr == 1 ? "" : "s");
	fputs(" - dm-pb</title>\n<meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" href=\"data:,\">\n",
	      out);
	if (!still)
		fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n",
			REFRESH_S);
	fprintf(out, "<style>\n%s</style></head><body>\n<header><h1>dm-pb volumes</h1>\n<p class=\"mute\">",
		style);
	put_time(out, pv_real_ns());
	fputs(" UTC. ", out);
	if (still)
		fputs("The page stays as it is. <a href=\"/\">Read it anew every few seconds</a>",
		      out);
	else if (only)
		fprintf(out, "The page is read anew each %d s. <a href=\"/\">All volumes</a>",
			REFRESH_S);
	else
		fprintf(out, "The page is read anew each %d s. <a href=\"/?still\">Let it stay as it is</a>",
			REFRESH_S);
	fputs("</p></header>\n<main>\n", out);
}

char *pv_page_html(struct pv_server *server, const struct pv_served *only,
		   bool still, size_t *len)
{
	bool history = server->nr <= SHOWN_HISTORIES || only;
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	u32 i;

	if (!out)
		return NULL;
	put_head(out, server, only, still);
	if (!server->nr)
		fputs("<p>No volume is configured.</p>\n", out);
	else if (!only)
		put_summary(out, server);
	for (i = 0; i < server->nr; i++)
		if (!only || only == &server->volumes[i])
			put_volume(out, server, i, history);
	fputs("</main></body></html>\n", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
