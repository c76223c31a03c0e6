// SPDX-License-Identifier: GPL-2.0
/*
 * pbt: the control device for shell tests.
 *
 *   pbt view DEV NUMBER MEMBERS [force]	members: letters, "ab" or "ab-"
 *   pbt pair A B			connect two devices, wait until both are up
 *   pbt status DEV FIELD		prints a number or a text
 *   pbt wait DEV FIELD VALUE		until it is so
 *   pbt disconnect DEV
 *   pbt policy DEV wait|error
 *   pbt io DEV OP [OFFSET LEN FILL]	prints 0 or the errno's name
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tlib.h"

static const struct {
	const char *name;
	int counter;
} counters[] = {
	{ "reads",		PB_CNT_READS },
	{ "writes",		PB_CNT_WRITES },
	{ "write_bytes",	PB_CNT_WRITE_BYTES },
	{ "flushes",		PB_CNT_FLUSHES },
	{ "zeroes",		PB_CNT_ZEROES },
	{ "refused_bios",	PB_CNT_REFUSED_BIOS },
	{ "overlap_waits",	PB_CNT_OVERLAP_WAITS },
	{ "link_waits",		PB_CNT_LINK_WAITS },
	{ "failed_bios",	PB_CNT_FAILED_BIOS },
	{ "resent",		PB_CNT_RESENT },
	{ "rx_refused",		PB_CNT_RX_REFUSED },
	{ "applied_writes",	PB_CNT_APPLIED_WRITES },
	{ "applied_flushes",	PB_CNT_APPLIED_FLUSHES },
	{ "applied_zeroes",	PB_CNT_APPLIED_ZEROES },
	{ "local_errors",	PB_CNT_LOCAL_ERRORS },
	{ "meta_writes",	PB_CNT_META_WRITES },
	{ "log_waits",		PB_CNT_LOG_WAITS },
	{ "rx_throttled",	PB_CNT_RX_THROTTLED },
	{ "log_records",	PB_CNT_LOG_RECORDS },
	{ "log_flushes",	PB_CNT_LOG_FLUSHES },
	{ "sync_bytes",		PB_CNT_SYNC_BYTES },
	{ "sync_zeroed",	PB_CNT_SYNC_ZEROED },
	{ "sync_equal",		PB_CNT_SYNC_EQUAL },
	{ "verify_bytes",	PB_CNT_VERIFY_BYTES },
	{ "checked_bytes",	PB_CNT_CHECKED_BYTES },
	{ "tx_bytes",		PB_CNT_TX_BYTES },
	{ "read_fetched",	PB_CNT_READ_FETCHED },
	{ "repaired",		PB_CNT_REPAIRED },
	{ "lease_waits",	PB_CNT_LEASE_WAITS },
	{ "dirty_waits",	PB_CNT_DIRTY_WAITS },
	{ "asked",		PB_CNT_ASKED },
	{ "early_flushes",	PB_CNT_EARLY_FLUSHES },
	{ "early_hits",		PB_CNT_EARLY_HITS },
	{ "acks_at_once",	PB_CNT_ACKS_AT_ONCE },
	{ "tx_shared",		PB_CNT_TX_SHARED },
};

static const char * const link_names[] = { "none", "hello", "up", "closing" };
static const char * const role_names[] = {
	"unconfirmed", "idle", "backup", "primary", "failed"
};
static const char * const state_names[] = {
	"blank", "stale", "syncing", "synced"
};

static const char * const sync_names[] = {
	"off", "decide", "begin", "marked", "go", "copy", "flush", "arm",
	"done", "synced"
};

static const char * const resize_names[] = {
	"off", "zero", "flush", "tell", "store", "done", "failed"
};

static bool flag_text(const struct pb_ioc_status *s, char *out, size_t room)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ PB_STATUS_CRASHED, "crashed" },
		{ PB_STATUS_DIVERGED, "diverged" },
		{ PB_STATUS_DISK_FAILED, "disk_failed" },
		{ PB_STATUS_FORCED, "forced" },
		{ PB_STATUS_META_FAILED, "meta_failed" },
		{ PB_STATUS_THROUGH_BACKUP, "through_backup" },
		{ PB_STATUS_DISK_ERRORS, "disk_errors" },
		{ PB_STATUS_STANDS, "stands" },
	};
	unsigned int i;

	*out = '\0';
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (s->flags & names[i].flag)
			snprintf(out + strlen(out), room - strlen(out), "%s%s",
				 *out ? "," : "", names[i].name);
	if (!*out)
		snprintf(out, room, "-");
	return true;
}

static bool text_field(const struct pb_ioc_status *s, const char *field,
		       char *out, size_t room)
{
	const char *text = NULL;

	if (!strcmp(field, "role"))
		text = role_names[s->role];
	else if (!strcmp(field, "state"))
		text = state_names[s->replica_state];
	else if (!strcmp(field, "up"))
		text = link_names[s->upstream.state];
	else if (!strcmp(field, "down"))
		text = link_names[s->downstream.state];
	else if (!strcmp(field, "sync"))
		text = sync_names[s->sync.state];
	else if (!strcmp(field, "resize"))
		text = resize_names[s->resize.state];
	else if (!strcmp(field, "up_reason"))
		text = s->upstream.reason;
	else if (!strcmp(field, "down_reason"))
		text = s->downstream.reason;
	else if (!strcmp(field, "flags"))
		return flag_text(s, out, room);
	if (text)
		snprintf(out, room, "%s", text);
	return text;
}

static bool number_field(const struct pb_ioc_status *s, const char *field,
			 unsigned long long *value)
{
	unsigned int i;

	if (!strcmp(field, "view"))
		*value = s->view.number;
	else if (!strcmp(field, "sectors"))
		*value = s->data_sectors;
	else if (!strcmp(field, "capacity"))
		*value = s->capacity_sectors;
	else if (!strcmp(field, "resize_error"))
		*value = s->resize.error;
	else if (!strcmp(field, "members"))
		*value = s->view.nr_members;
	else if (!strcmp(field, "in_flight"))
		*value = s->in_flight;
	else if (!strcmp(field, "held"))
		*value = s->held;
	else if (!strcmp(field, "applying"))
		*value = s->applying;
	else if (!strcmp(field, "policy"))
		*value = s->policy;
	else if (!strcmp(field, "block_size"))
		*value = s->block_size;
	else if (!strcmp(field, "incarnation"))
		*value = s->incarnation;
	else if (!strcmp(field, "forced_view"))
		*value = s->forced_view;
	else if (!strcmp(field, "unreadable"))
		*value = s->sync.unreadable;
	else if (!strcmp(field, "lease_ms"))
		*value = s->lease_ms;
	else if (!strcmp(field, "lease_left"))
		*value = s->lease_left_ms;
	else if (!strcmp(field, "hold_left"))
		*value = s->hold_left_ms;
	else if (!strcmp(field, "confirm"))
		*value = s->reads == PB_READS_CONFIRM;
	else if (!strcmp(field, "unacked"))
		*value = s->downstream.unacked;
	else {
		for (i = 0; i < ARRAY_SIZE(counters); i++)
			if (!strcmp(field, counters[i].name)) {
				*value = s->counters[counters[i].counter];
				return true;
			}
		return false;
	}
	return true;
}

static void get_field(const char *dev, const char *field, char *out,
		      size_t room)
{
	struct pb_ioc_status status;
	unsigned long long value;

	if (t_status(dev, &status))
		bail("no status of %s", dev);
	if (text_field(&status, field, out, room))
		return;
	if (!number_field(&status, field, &value))
		bail("no field %s", field);
	snprintf(out, room, "%llu", value);
}

static int cmd_view(int argc, char **argv)
{
	char reason[PB_REASON_LEN];
	struct pb_view view;
	int ret;

	t_view(&view, strtoull(argv[1], NULL, 0), argv[2]);
	ret = t_set_view(argv[0], &view, argc > 3, reason);
	printf("%s\n", ret ? strerrorname_np(-ret) : "0");
	if (ret)
		fprintf(stderr, "# %s: %s\n", argv[0], reason);
	return ret ? 1 : 0;
}

static int cmd_pair(int argc, char **argv)
{
	(void)argc;
	if (t_pair(argv[0], argv[1], NULL))
		return 1;
	if (t_wait(t_links(argv[0], PB_LINK_UP) &&
		   t_links(argv[1], PB_LINK_UP)))
		return 0;
	fprintf(stderr, "# %s and %s do not connect\n", argv[0], argv[1]);
	return 1;
}

static int cmd_status(int argc, char **argv)
{
	char text[160];

	(void)argc;
	get_field(argv[0], argv[1], text, sizeof(text));
	printf("%s\n", text);
	return 0;
}

static int cmd_wait(int argc, char **argv)
{
	char text[160];

	(void)argc;
	if (t_wait((get_field(argv[0], argv[1], text, sizeof(text)),
		    !strcmp(text, argv[2]))))
		return 0;
	fprintf(stderr, "# %s: %s stays %s, not %s\n", argv[0], argv[1], text,
		argv[2]);
	return 1;
}

static int cmd_disconnect(int argc, char **argv)
{
	int ret = t_disconnect(argv[0]);

	(void)argc;
	printf("%s\n", ret ? strerrorname_np(-ret) : "0");
	return ret ? 1 : 0;
}

static int cmd_policy(int argc, char **argv)
{
	(void)argc;
	return t_policy(argv[0], !strcmp(argv[1], "error")) ? 1 : 0;
}

static int cmd_io(int argc, char **argv)
{
	unsigned long long offset = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	unsigned long len = argc > 3 ? strtoul(argv[3], NULL, 0) : 4096;
	int fill = argc > 4 ? strtol(argv[4], NULL, 0) : 0x5a;
	enum t_op op;
	int err;

	for (op = 0; op < T_NR_OPS && strcmp(t_op_names[op], argv[1]); op++)
		;
	if (op == T_NR_OPS)
		bail("no operation %s", argv[1]);
	err = t_do_io(argv[0], op, offset, len, fill);
	printf("%s\n", err ? strerrorname_np(err) : "0");
	return err ? 1 : 0;
}

static const struct {
	const char *name;
	int least;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "view", 3, cmd_view },
	{ "pair", 2, cmd_pair },
	{ "status", 2, cmd_status },
	{ "wait", 3, cmd_wait },
	{ "disconnect", 1, cmd_disconnect },
	{ "policy", 2, cmd_policy },
	{ "io", 2, cmd_io },
};

int main(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].least)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "usage: see the head of pbt.c\n");
	return 2;
}
