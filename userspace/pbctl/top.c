// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl top: what goes on, again and again.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "pbctl.h"
#include "rates.h"
#include "table.h"

#define INTERVAL_MS	1000
#define MIN_INTERVAL_MS	100
/* Lines of output to something else than a terminal before the titles again. */
#define TITLES_AGAIN	40
#define BAR_MIN		8

/* Another screen, no cursor, long lines are cut; and back. */
#define SCREEN_ENTER	"\033[?1049h\033[?25l\033[?7l"
#define SCREEN_LEAVE	"\033[?7h\033[?25h\033[?1049l"
#define SCREEN_HOME	"\033[H"
#define SCREEN_REST	"\033[J"

enum { OPT_INTERVAL = 256, OPT_COUNT, OPT_ASCII };

static const struct option options[] = {
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "ascii", no_argument, NULL, OPT_ASCII },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/**
 * struct track - a volume from look to look
 * @name: of its device
 * @incarnation: of its set-up; another one counts from 0
 * @looked_ms: when, in pb_boot_ms()
 * @counters: as they were then
 * @rates: since the look before
 * @writes: their history
 */
struct track {
	char		name[PB_DM_NAME_LEN];
	u64		incarnation;
	u64		looked_ms;
	__u64		counters[PB_CNT_NR];
	struct rates	rates;
	struct history	writes;
};

/**
 * struct top - all of it
 * @ctl: the control device
 * @names: which volumes, or none for all
 * @nr_names: how many
 * @interval_ms: between two looks
 * @count: looks that are shown, 0 for no end
 * @ascii: bars of ASCII
 * @screen: standard output is a terminal
 * @tracks: of the volumes that were there at the latest look
 * @nr_tracks: how many
 * @lines: printed since the titles, where there is no screen
 */
struct top {
	struct pb_ctl	ctl;
	char		**names;
	int		nr_names;
	u32		interval_ms;
	u64		count;
	bool		ascii;
	bool		screen;
	struct track	*tracks;
	size_t		nr_tracks;
	unsigned int	lines;
};

/* Signals come only while it waits. */
static const int signals[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH,
};

static int caught;
static sigset_t waiting;

static struct termios keys;
static bool keys_taken;
static bool on_screen;

static void catch(int signal)
{
	__atomic_store_n(&caught, signal, __ATOMIC_RELAXED);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = catch };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaddset(&set, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, &waiting);
}

/* The terminal */

static void leave_screen(void)
{
	if (on_screen) {
		fputs(SCREEN_LEAVE, stdout);
		fflush(stdout);
	}
	if (keys_taken)
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	on_screen = false;
	keys_taken = false;
}

/* Keys come at once and are not shown: "q" ends it. */
static void enter_screen(void)
{
	struct termios raw;

	if (isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &keys)) {
		raw = keys;
		raw.c_lflag &= ~(ICANON | ECHO);
		keys_taken = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs(SCREEN_ENTER, stdout);
	on_screen = true;
}

static void stop_for_a_while(void)
{
	leave_screen();
	raise(SIGSTOP);
	enter_screen();
}

static struct winsize screen_size(void)
{
	struct winsize size = {};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ||
	    !size.ws_row)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	return size;
}

/* Looking */

static const struct track *track_of(const struct track *tracks, size_t nr,
				    const struct seen *seen)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(tracks[i].name, seen->name) &&
		    tracks[i].incarnation == seen->status.incarnation)
			return &tracks[i];
	return NULL;
}

static void follow(struct top *top, const struct seen *seen, size_t nr)
{
	struct track *tracks = calloc(nr + 1, sizeof(*tracks)), *track;
	const struct track *before;
	u64 now = pb_boot_ms();
	size_t i;

	if (!tracks)
		fail("no memory");
	for (i = 0; i < nr; i++) {
		track = &tracks[i];
		before = track_of(top->tracks, top->nr_tracks, &seen[i]);
		if (before) {
			*track = *before;
			rates_between(before->counters, seen[i].status.counters,
				      (now - before->looked_ms) / 1000.0,
				      &track->rates);
			history_add(&track->writes, track->rates.writes);
		}
		memcpy(track->name, seen[i].name, sizeof(track->name));
		track->incarnation = seen[i].status.incarnation;
		track->looked_ms = now;
		memcpy(track->counters, seen[i].status.counters,
		       sizeof(track->counters));
	}
	free(top->tracks);
	top->tracks = tracks;
	top->nr_tracks = nr;
}

/* Showing */

static const struct column columns[] = {
	{ .title = "VOLUME" },
	{ .title = "ROLE" },
	{ .title = "COPY" },
	{ .title = "LINK" },
	{ .title = "READ/S", .right = true },
	{ .title = "WRITE/S", .right = true },
	{ .title = "MB/S", .right = true },
	{ .title = "OUT", .right = true },
	{ .title = "IN", .right = true },
	{ .title = "OLDEST", .right = true },
	{ .title = "WAY", .right = true },
	{ .title = "RESYNC", .right = true },
};

static const char *link_text(const struct pb_ioc_status *status)
{
	const struct pb_link *link = &status->downstream;

	if (pb_uuid_zero(link->peer))
		link = &status->upstream;
	return pb_uuid_zero(link->peer) ? "-" : pb_link_state_name(link->state);
}

static void add_row(struct table *table, const struct seen *seen,
		    const struct rates *rates)
{
	const struct pb_ioc_status *status = &seen->status;

	table_add(table, "%s", seen->name);
	table_add(table, "%s", pb_role_name(status->role));
	table_add(table, "%s", pb_state_name(status->replica_state));
	table_add(table, "%s", link_text(status));
	table_add(table, "%.0f", rates->reads);
	table_add(table, "%.0f", rates->writes);
	table_add(table, "%.1f", rates->write_bytes / 1e6);
	table_add(table, "%.1f", rates->out_bytes / 1e6);
	table_add(table, "%.1f", rates->in_bytes / 1e6);
	table_add(table, "%u ms", status->oldest_wait_ms);
	table_add(table, "%llu", (unsigned long long)(status->in_flight +
						      status->applying));
	if (status->sync.state == PB_SYNC_COPY)
		table_add(table, "%.1f %%", 100 * sync_part(&status->sync));
	else
		table_add(table, "-");
}

static const char *clock_text(char *text, size_t room)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!localtime_r(&now, &tm) || !strftime(text, room, "%H:%M:%S", &tm))
		return "?";
	return text;
}

static void print_bar(const struct top *top, const struct table *table,
		      const struct history *history, unsigned int columns_there)
{
	unsigned int used = table_width(table) + 2, room = BAR_MIN;
	char bar[3 * HISTORY_MAX + 1];

	if (columns_there > used + room)
		room = columns_there - used;
	if (room > HISTORY_MAX)
		room = HISTORY_MAX;
	if (history)
		printf("  %s", history_bar(history, room, top->ascii, bar));
	else
		fputs("  WRITE/S BEFORE", stdout);
}

/* The end of a line wipes what a longer one left there. */
static void end_line(void)
{
	fputs("\033[K\n", stdout);
}

static void show_screen(const struct top *top, const struct table *table,
			size_t nr)
{
	struct winsize size = screen_size();
	size_t rows = size.ws_row > 4 ? size.ws_row - 4 : 1, i;
	char text[16];

	printf(SCREEN_HOME "dm-pb %s, each %.1f s; MB/S: written, OUT and IN: over the link; q ends",
	       clock_text(text, sizeof(text)), top->interval_ms / 1000.0);
	end_line();
	table_print_head(table);
	print_bar(top, table, NULL, size.ws_col);
	end_line();
	for (i = 0; i < nr && i < rows; i++) {
		table_print_row(table, i);
		print_bar(top, table, &top->tracks[i].writes, size.ws_col);
		end_line();
	}
	if (!nr)
		fputs("no volumes", stdout);
	else if (nr > rows)
		printf("and %zu more: name those that you want to see",
		       nr - rows);
	fputs(SCREEN_REST, stdout);
}

static void show_lines(struct top *top, const struct table *table, size_t nr)
{
	char text[16];
	size_t i;

	clock_text(text, sizeof(text));
	for (i = 0; i < nr; i++) {
		if (!(top->lines++ % TITLES_AGAIN)) {
			printf("%-*s  ", (int)strlen(text), "TIME");
			table_print_head(table);
			putchar('\n');
		}
		printf("%s  ", text);
		table_print_row(table, i);
		putchar('\n');
	}
	if (!nr)
		printf("%s  no volumes\n", text);
}

static void show(struct top *top, const struct seen *seen, size_t nr)
{
	struct table table;
	size_t i;

	table_begin(&table, columns, ARRAY_SIZE(columns));
	for (i = 0; i < nr; i++)
		add_row(&table, &seen[i], &top->tracks[i].rates);
	if (top->screen)
		show_screen(top, &table, nr);
	else
		show_lines(top, &table, nr);
	fflush(stdout);
	table_end(&table);
}

/* Waiting */

static bool is_end(int signal)
{
	return signal && signal != SIGTSTP && signal != SIGWINCH;
}

/* A key was pressed: is it the one that ends it? */
static bool ends(void)
{
	char key;

	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

/*
 * Until @when, or a window of another size.  Returns false if somebody wants
 * an end.
 */
static bool wait_until(struct top *top, u64 when)
{
	struct pollfd key = { STDIN_FILENO, POLLIN, 0 };
	u64 now;

	while ((now = pb_boot_ms()) < when) {
		struct timespec left = {
			.tv_sec = (when - now) / 1000,
			.tv_nsec = (when - now) % 1000 * 1000000,
		};
		int signal, nr;

		__atomic_store_n(&caught, 0, __ATOMIC_RELAXED);
		nr = ppoll(keys_taken ? &key : NULL, keys_taken, &left,
			   &waiting);
		signal = __atomic_load_n(&caught, __ATOMIC_RELAXED);
		if (is_end(signal) || (nr > 0 && ends()))
			return false;
		if (signal == SIGTSTP && top->screen)
			stop_for_a_while();
		else if (signal == SIGTSTP)
			raise(SIGSTOP);
		else if (signal == SIGWINCH)
			return true;
	}
	return true;
}

static void turn(struct top *top)
{
	u64 when = pb_boot_ms(), shown = 0;
	bool first = true;
	struct seen *seen;
	size_t nr;

	do {
		nr = look(&top->ctl, top->names, top->nr_names, first, &seen);
		follow(top, seen, nr);
		/* There is nothing to compare the first look with. */
		if (!first || top->screen)
			show(top, seen, nr);
		shown += !first;
		first = false;
		free(seen);
		if (top->count && shown >= top->count)
			break;
		while (when <= pb_boot_ms())
			when += top->interval_ms;
	} while (!ferror(stdout) && wait_until(top, when));
}

static void take_options(struct top *top, int argc, char **argv)
{
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_ASCII)
			top->ascii = true;
		else if (option == OPT_COUNT)
			top->count = option_u64("--count", 1, U64_MAX);
		else
			top->interval_ms = option_ms("--interval");
	}
	if (top->interval_ms < MIN_INTERVAL_MS)
		usage_error("--interval: at least 0.1 seconds");
	top->names = want_args(argc, argv, 0, argc);
	top->nr_names = argc - optind;
}

static int run(int argc, char **argv)
{
	struct top top = { .interval_ms = INTERVAL_MS };
	struct pb_error err;

	setlocale(LC_CTYPE, "");
	top.ascii = strcmp(nl_langinfo(CODESET), "UTF-8");
	take_options(&top, argc, argv);
	top.screen = isatty(STDOUT_FILENO);
	if (pb_ctl_open(&top.ctl, &err))
		fail("%s", err.text);
	catch_signals();
	if (top.screen) {
		/* fail() ends the program wherever it is. */
		atexit(leave_screen);
		enter_screen();
	}
	turn(&top);
	leave_screen();
	pb_ctl_close(&top.ctl);
	free(top.tracks);
	return EXIT_SUCCESS;
}

const struct verb verb_top = {
	.name = "top",
	.args = "[NAME...] [--interval SEC] [--count N] [--ascii]",
	.summary = "show what goes on, again and again",
	.help =
"Shows for the volumes named, or all, each second: role, what the copy is worth, the\n"
"link, reads and writes a second, megabytes (10^6) a second that are written, sent and\n"
"received, how long the oldest request has waited, requests under way, how far a resync\n"
"is, and writes a second of the looks before as a bar.  On a backup writes are those\n"
"that it applies.  'q' or Ctrl-C ends it.  Without a terminal: lines, and no bar.\n\n"
"  --interval SEC  between two looks, from 0.1 on (default 1)\n"
"  --count N       end after N of them\n"
"  --ascii         bars of ASCII; so they are where the locale is not UTF-8\n\n"
"Example: pbctl top --interval 5\n",
	.run = run,
};
