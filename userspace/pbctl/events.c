// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl events: the event stream, a line for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pbctl.h"

enum { OPT_JSON = 256, OPT_COUNT, OPT_TIMEOUT };

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void print_time(u64 time_ns)
{
	time_t seconds = time_ns / 1000000000;
	char text[32] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf("%s.%03u", text, (unsigned int)(time_ns / 1000000 % 1000));
}

static void print_event(const struct pb_event *event)
{
	char name[PB_DM_NAME_LEN], uuid[PB_UUID_TEXT], text[PB_REASON_LEN];

	print_time(event->time_ns);
	pb_dm_name(&event->dev, name);
	printf(" %s %s (view %llu)", name, pb_event_name(event->type),
	       (unsigned long long)event->view);
	if (!pb_uuid_zero(event->peer))
		printf(" peer %s", pb_uuid_text(event->peer, uuid));
	if (event->error)
		printf(" error %u (%s)", event->error, strerror(event->error));
	if (event->text[0])
		printf(": %s", pb_printable(text, sizeof(text), event->text,
					    sizeof(event->text)));
	if (event->lost)
		printf(" [%u events before this one were lost]", event->lost);
	putchar('\n');
	fflush(stdout);
}

/* For poll: -1 is for ever. */
static int wait_ms(u64 deadline)
{
	u64 now = pb_boot_ms();

	if (!deadline)
		return -1;
	if (now >= deadline)
		return 0;
	return deadline - now;
}

static int run(int argc, char **argv)
{
	u64 count = 0, seen = 0, deadline = 0;
	struct pb_event event;
	struct pb_error err;
	struct pb_ctl ctl;
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == OPT_JSON)
			json = true;
		else if (option == OPT_COUNT)
			count = option_u64("--count", 1, U64_MAX);
		else
			deadline = pb_boot_ms() + option_ms("--timeout");
	}
	want_args(argc, argv, 0, 0);
	if (pb_ctl_open(&ctl, &err))
		fail("%s", err.text);
	while (!ferror(stdout) && (!count || seen < count)) {
		ret = pb_ctl_next_event(&ctl, &event, wait_ms(deadline), &err);
		if (ret == -EAGAIN && (!deadline || wait_ms(deadline)))
			continue;
		if (ret)
			break;
		if (json)
			print_json_line(pb_json_event(&event));
		else
			print_event(&event);
		seen++;
	}
	pb_ctl_close(&ctl);
	if (ret && ret != -EAGAIN)
		fail("%s", err.text);
	if (seen < count)
		fail("%llu of %llu events came in time",
		     (unsigned long long)seen, (unsigned long long)count);
	return EXIT_SUCCESS;
}

const struct verb verb_events = {
	.name = "events",
	.args = "[--json] [--count N] [--timeout SEC]",
	.summary = "print what happens, as it happens",
	.help =
"Prints the events of all volumes from now on, a line for each.\n\n"
"  --json          a JSON object for each line\n"
"  --count N       end after N events\n"
"  --timeout SEC   end after so long; exit status 1 if --count was not reached\n\n"
"Example: pbctl events --json --count 1 --timeout 10\n",
	.run = run,
};
