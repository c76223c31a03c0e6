// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl metrics: the data path of each volume for Prometheus, as a file for the
 * textfile collector of its node exporter.  Documentation/metrics.rst lists them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "advice.h"
#include "pbctl.h"

#define PREFIX		"dmpb_"

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/**
 * struct world - what there is to tell
 * @loaded: the module is
 * @info: what it says of itself
 * @seen: the volumes
 * @nr: how many
 */
struct world {
	bool			loaded;
	struct pb_ioc_info	info;
	struct seen		*seen;
	size_t			nr;
};

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name,
		help, name, type);
}

static void label(FILE *out, const char *before, const char *name,
		  const char *value)
{
	char clean[PB_DM_NAME_LEN];
	const char *at;

	fprintf(out, "%s%s=\"", before, name);
	for (at = pb_printable(clean, sizeof(clean), value, strlen(value));
	     *at; at++) {
		if (*at == '"' || *at == '\\')
			fputc('\\', out);
		fputc(*at, out);
	}
	fputc('"', out);
}

/* The begin of a line of a volume; the labels are still open. */
static void begin_line(FILE *out, const char *name, const struct seen *seen)
{
	fprintf(out, PREFIX "%s", name);
	label(out, "{", "volume", seen->name);
}

/* Counters: all of the module's, in its order. */

static const struct {
	bool		bytes;		/* and the name does not say so */
	const char	*help;
} counters[] = {
	[PB_CNT_READS] = { false, "Read requests of the application." },
	[PB_CNT_READ_BYTES] = { false, "Bytes of these." },
	[PB_CNT_WRITES] = { false, "Write requests of the application." },
	[PB_CNT_WRITE_BYTES] = { false, "Bytes of these." },
	[PB_CNT_FLUSHES] = { false, "Flush requests of the application." },
	[PB_CNT_ZEROES] = { false, "Discard and write-zeroes requests of the application." },
	[PB_CNT_REFUSED_BIOS] = { false, "Requests refused because the replica is not primary." },
	[PB_CNT_OVERLAP_WAITS] = { false, "Requests that waited for an overlapping write." },
	[PB_CNT_LINK_WAITS] = { false, "Requests that waited for a connection or a view." },
	[PB_CNT_FAILED_BIOS] = { false, "Writes given up for want of an ack." },
	[PB_CNT_TX_MESSAGES] = { false, "Messages sent to the neighbour." },
	[PB_CNT_TX_BYTES] = { false, "Bytes put on sockets, headers too." },
	[PB_CNT_TX_SENDS] = { false, "Calls of sendmsg." },
	[PB_CNT_TX_FULL] = { false, "Sends that found the socket full." },
	[PB_CNT_TX_HANDOVERS] = { false, "Runs of the sending worker." },
	[PB_CNT_RESENT] = { false, "Messages sent again after a new connection." },
	[PB_CNT_RX_MESSAGES] = { false, "Messages received from the neighbour." },
	[PB_CNT_RX_BYTES] = { false, "Bytes taken from sockets, headers too." },
	[PB_CNT_RX_CALLS] = { false, "Calls of recvmsg." },
	[PB_CNT_RX_REFUSED] = { false, "Messages and hellos that were refused." },
	[PB_CNT_RX_THROTTLED] = { false, "Times that receiving paused at the memory bound." },
	[PB_CNT_ACKS_TX] = { false, "Ack messages sent." },
	[PB_CNT_ACKED_TX] = { false, "Messages that those acked." },
	[PB_CNT_ACKS_RX] = { false, "Ack messages received." },
	[PB_CNT_ACKED_RX] = { false, "Messages that those acked." },
	[PB_CNT_APPLIED_WRITES] = { false, "Writes applied for the primary." },
	[PB_CNT_APPLIED_BYTES] = { false, "Bytes of these." },
	[PB_CNT_APPLIED_FLUSHES] = { false, "Flushes done for the primary." },
	[PB_CNT_APPLIED_ZEROES] = { false, "Write-zeroes applied for the primary." },
	[PB_CNT_KEEPALIVES_TX] = { false, "Keepalives sent." },
	[PB_CNT_META_WRITES] = { false, "Blocks written to the metadata device." },
	[PB_CNT_LOCAL_ERRORS] = { false, "Requests that the data device failed." },
	[PB_CNT_LOG_WAITS] = { false, "Writes that waited for the activity log." },
	[PB_CNT_LOG_RECORDS] = { false, "Records written to the activity log." },
	[PB_CNT_LOG_FLUSHES] = { false, "Flushes for want of clean extents." },
	[PB_CNT_SYNC_BYTES] = { false, "Bytes copied to the backup by resync." },
	[PB_CNT_SYNC_ZEROED] = { true, "Of these, bytes that are zero and were not sent." },
	[PB_CNT_SYNC_EQUAL] = { true, "Bytes that a resync found equal by digests." },
	[PB_CNT_VERIFY_BYTES] = { false, "Bytes compared by verification." },
	[PB_CNT_CHECKED_BYTES] = { false, "Bytes compared for the primary." },
	[PB_CNT_READ_FETCHED] = { true, "Bytes of reads that the backup served." },
	[PB_CNT_REPAIRED] = { true, "Of these, bytes written anew to this disk." },
	[PB_CNT_LEASE_WAITS] = { false, "Reads that waited for a lease or an answer." },
	[PB_CNT_DIRTY_WAITS] = { false, "Reads that waited for a write that began later." },
	[PB_CNT_ASKED] = { false, "Keepalives sent that ask for an answer." },
	[PB_CNT_EARLY_FLUSHES] = { false, "Flushes sent before they were asked for." },
	[PB_CNT_EARLY_HITS] = { false, "Flushes asked for that one of those served." },
	[PB_CNT_ACKS_AT_ONCE] = { false, "Of the acks received, those taken without a worker." },
	[PB_CNT_TX_SHARED] = { true, "Of the bytes sent, those that were not copied." },
};

static_assert(ARRAY_SIZE(counters) == PB_CNT_NR);

static void print_counters(FILE *out, const struct world *world)
{
	char name[64];
	size_t i;
	int c;

	for (c = 0; c < PB_CNT_NR; c++) {
		snprintf(name, sizeof(name), "%s%s_total", pb_counter_name(c),
			 counters[c].bytes ? "_bytes" : "");
		head(out, name, "counter", counters[c].help);
		for (i = 0; i < world->nr; i++) {
			begin_line(out, name, &world->seen[i]);
			fprintf(out, "} %llu\n", (unsigned long long)
				world->seen[i].status.counters[c]);
		}
	}
}

/* Gauges with a value for each volume */

static double view_number(const struct pb_ioc_status *status)
{
	return status->view.number;
}

static double view_members(const struct pb_ioc_status *status)
{
	return status->view.nr_members;
}

static double synced_members(const struct pb_ioc_status *status)
{
	unsigned int i, nr = 0;

	for (i = 0; i < status->view.nr_members; i++)
		nr += !!(status->view.members[i].flags & PB_MEMBER_SYNCED);
	return nr;
}

static double in_flight(const struct pb_ioc_status *status)
{
	return status->in_flight;
}

static double held(const struct pb_ioc_status *status)
{
	return status->held;
}

static double applying(const struct pb_ioc_status *status)
{
	return status->applying;
}

static double oldest_wait(const struct pb_ioc_status *status)
{
	return status->oldest_wait_ms / 1000.0;
}

static double size(const struct pb_ioc_status *status)
{
	return (double)status->data_sectors * PB_SECTOR_SIZE;
}

static double capacity(const struct pb_ioc_status *status)
{
	return (double)status->capacity_sectors * PB_SECTOR_SIZE;
}

static double lease_left(const struct pb_ioc_status *status)
{
	return status->lease_left_ms / 1000.0;
}

static double hold_left(const struct pb_ioc_status *status)
{
	return status->hold_left_ms / 1000.0;
}

static double policy_error(const struct pb_ioc_status *status)
{
	return status->policy == PB_POLICY_ERROR;
}

static double resync_active(const struct pb_ioc_status *status)
{
	return status->sync.state != PB_SYNC_OFF &&
	       status->sync.state != PB_SYNC_SYNCED;
}

static double resync_paused(const struct pb_ioc_status *status)
{
	return status->sync.paused;
}

/* What is to be copied is known while it is being copied. */
static double resync_size(const struct pb_ioc_status *status)
{
	return status->sync.state == PB_SYNC_COPY ? status->sync.total : 0;
}

static double resync_left(const struct pb_ioc_status *status)
{
	return status->sync.state == PB_SYNC_COPY ? status->sync.left : 0;
}

static double resync_unreadable(const struct pb_ioc_status *status)
{
	return status->sync.unreadable;
}

static double verify_active(const struct pb_ioc_status *status)
{
	return status->verify.state == PB_VERIFY_RUN;
}

static double verify_differing(const struct pb_ioc_status *status)
{
	return status->verify.differs;
}

static double verify_repaired(const struct pb_ioc_status *status)
{
	return status->verify.repaired;
}

static double verify_unreadable(const struct pb_ioc_status *status)
{
	return status->verify.unreadable;
}

static const struct {
	const char	*name;
	const char	*help;
	double		(*value)(const struct pb_ioc_status *status);
} gauges[] = {
	{ "view", "Number of the view that the replica is in.", view_number },
	{ "view_members", "Members of that view.", view_members },
	{ "view_synced_members", "Members of it that hold every acknowledged write.",
	  synced_members },
	{ "in_flight_requests", "Writes and flushes under way.", in_flight },
	{ "held_requests", "Requests that wait for a connection, a view or another write.",
	  held },
	{ "applying_requests", "Messages of the primary that are being applied.",
	  applying },
	{ "oldest_wait_seconds", "How long the oldest request has waited, 0 if none does.",
	  oldest_wait },
	{ "size_bytes", "The volume's size.", size },
	{ "capacity_bytes", "The size that this replica has room for.", capacity },
	{ "lease_left_seconds", "How long a primary may still read by its backup's lease.",
	  lease_left },
	{ "hold_left_seconds", "How long a lease that this replica gave still holds it back.",
	  hold_left },
	{ "policy_error", "Whether requests fail, and do not wait, without the backup.",
	  policy_error },
	{ "resync_active", "Whether the backup is being brought up to date.",
	  resync_active },
	{ "resync_paused", "Whether resync is held.", resync_paused },
	{ "resync_size_bytes", "Bytes that the resync had to copy.", resync_size },
	{ "resync_left_bytes", "Bytes that it still has to copy.", resync_left },
	{ "resync_unreadable_bytes", "Of these, bytes that this disk cannot read.",
	  resync_unreadable },
	{ "verify_active", "Whether a verification goes on.", verify_active },
	{ "verify_differing_bytes", "Bytes that the latest verification found to differ.",
	  verify_differing },
	{ "verify_repaired_bytes", "Of these, bytes that it repaired.",
	  verify_repaired },
	{ "verify_unreadable_bytes", "Bytes that it could not read on this disk.",
	  verify_unreadable },
};

static void print_gauges(FILE *out, const struct world *world)
{
	size_t g, i;

	for (g = 0; g < ARRAY_SIZE(gauges); g++) {
		head(out, gauges[g].name, "gauge", gauges[g].help);
		for (i = 0; i < world->nr; i++) {
			begin_line(out, gauges[g].name, &world->seen[i]);
			fprintf(out, "} %.15g\n",
				gauges[g].value(&world->seen[i].status));
		}
	}
}

/* States: a line for each that there is, with 1 or 0 */

static void print_state(FILE *out, const char *name, const struct seen *seen,
			const char *key, const char *word, bool holds)
{
	begin_line(out, name, seen);
	label(out, ",", key, word);
	fprintf(out, "} %d\n", holds);
}

static void print_roles(FILE *out, const struct world *world)
{
	size_t i;
	u32 role;

	head(out, "role", "gauge", "1 for the role that the replica has.");
	for (i = 0; i < world->nr; i++)
		for (role = 0; role <= PB_ROLE_FAILED; role++)
			print_state(out, "role", &world->seen[i], "role",
				    pb_role_name(role),
				    world->seen[i].status.role == role);
}

static void print_states(FILE *out, const struct world *world)
{
	size_t i;
	u32 state;

	head(out, "replica_state", "gauge", "1 for what the replica's data is worth.");
	for (i = 0; i < world->nr; i++)
		for (state = 0; state <= PB_REPLICA_SYNCED; state++)
			print_state(out, "replica_state", &world->seen[i],
				    "state", pb_state_name(state),
				    world->seen[i].status.replica_state == state);
}

static void print_flags(FILE *out, const struct world *world)
{
	static const struct {
		u32		flag;
		const char	*word;
	} flags[] = {
		{ PB_STATUS_CRASHED, "crashed" },
		{ PB_STATUS_DIVERGED, "diverged" },
		{ PB_STATUS_DISK_FAILED, "disk_failed" },
		{ PB_STATUS_FORCED, "forced" },
		{ PB_STATUS_META_FAILED, "meta_failed" },
		{ PB_STATUS_THROUGH_BACKUP, "through_backup" },
		{ PB_STATUS_DISK_ERRORS, "disk_errors" },
		{ PB_STATUS_STANDS, "stands" },
	};
	size_t i, f;

	head(out, "flag", "gauge", "1 for each flag of the volume's status that is set.");
	for (i = 0; i < world->nr; i++)
		for (f = 0; f < ARRAY_SIZE(flags); f++)
			print_state(out, "flag", &world->seen[i], "flag",
				    flags[f].word,
				    world->seen[i].status.flags & flags[f].flag);
}

/* Only what is so: who is well has none. */
static void print_advice(FILE *out, const struct world *world)
{
	struct advice advice;
	unsigned int k;
	size_t i;

	head(out, "advice", "gauge", "1 for each state that 'pbctl status' gives advice for.");
	for (i = 0; i < world->nr; i++) {
		advise(&world->seen[i].status, world->seen[i].name, &advice);
		for (k = 0; k < advice.nr; k++)
			print_state(out, "advice", &world->seen[i], "state",
				    advice.states[k], true);
	}
}

/* Links: with the peer, and on which side of the replica it is */

static double link_up(const struct pb_link *link)
{
	return link->state == PB_LINK_UP;
}

static double link_silent(const struct pb_link *link)
{
	return link->silent_ms / 1000.0;
}

static double link_unacked(const struct pb_link *link)
{
	return link->unacked;
}

static double link_connects(const struct pb_link *link)
{
	return link->connects;
}

static void print_link(FILE *out, const char *name, const struct seen *seen,
		       const struct pb_link *link, const char *side, double value)
{
	char uuid[PB_UUID_TEXT];

	if (pb_uuid_zero(link->peer))
		return;
	begin_line(out, name, seen);
	label(out, ",", "peer", link->name[0] ? link->name :
	      pb_uuid_text(link->peer, uuid));
	label(out, ",", "side", side);
	fprintf(out, "} %.15g\n", value);
}

static void print_links(FILE *out, const struct world *world)
{
	static const struct {
		const char	*name;
		const char	*type;
		const char	*help;
		double		(*value)(const struct pb_link *link);
	} links[] = {
		{ "link_up", "gauge", "Whether the connection to the neighbour is up.",
		  link_up },
		{ "link_silent_seconds", "gauge", "How long nothing was heard from it.",
		  link_silent },
		{ "link_unacked_messages", "gauge",
		  "Messages sent and not acked, or received and not applied.",
		  link_unacked },
		{ "link_connects_total", "counter", "Connections that came up in this view.",
		  link_connects },
	};
	const struct pb_ioc_status *status;
	size_t l, i;

	for (l = 0; l < ARRAY_SIZE(links); l++) {
		head(out, links[l].name, links[l].type, links[l].help);
		for (i = 0; i < world->nr; i++) {
			status = &world->seen[i].status;
			print_link(out, links[l].name, &world->seen[i],
				   &status->upstream, "upstream",
				   links[l].value(&status->upstream));
			print_link(out, links[l].name, &world->seen[i],
				   &status->downstream, "downstream",
				   links[l].value(&status->downstream));
		}
	}
}

/* What there is once, and names */

static void print_module(FILE *out, const struct world *world)
{
	head(out, "collected_time_seconds", "gauge",
	     "When these values were taken, seconds since 1970.");
	fprintf(out, PREFIX "collected_time_seconds %lld\n",
		(long long)time(NULL));
	head(out, "module_loaded", "gauge", "Whether the module is loaded.");
	fprintf(out, PREFIX "module_loaded %d\n", world->loaded);
	head(out, "module_info", "gauge", "1, with the module's version.");
	if (world->loaded) {
		fputs(PREFIX "module_info", out);
		label(out, "{", "version", world->info.version);
		fputs("} 1\n", out);
	}
}

static void print_names(FILE *out, const struct world *world)
{
	char uuid[PB_UUID_TEXT];
	size_t i;

	head(out, "volume_info", "gauge", "1, with the UUIDs of the volume and of this replica.");
	for (i = 0; i < world->nr; i++) {
		begin_line(out, "volume_info", &world->seen[i]);
		label(out, ",", "uuid",
		      pb_uuid_text(world->seen[i].status.dev.volume, uuid));
		label(out, ",", "replica",
		      pb_uuid_text(world->seen[i].status.replica, uuid));
		fputs("} 1\n", out);
	}
}

static void print_metrics(FILE *out, const struct world *world)
{
	print_module(out, world);
	print_names(out, world);
	print_roles(out, world);
	print_states(out, world);
	print_flags(out, world);
	print_advice(out, world);
	print_links(out, world);
	print_gauges(out, world);
	print_counters(out, world);
}

/* Whoever reads the file finds the old one, or the new one, whole. */
static void write_file(const char *path, const struct world *world)
{
	char name[4096];
	FILE *out;
	int fd;

	if (snprintf(name, sizeof(name), "%s.%d", path, getpid()) >=
	    (int)sizeof(name))
		fail("%s: %s", path, strerror(ENAMETOOLONG));
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		fail("cannot write %s: %m", name);
	print_metrics(out, world);
	if (ferror(out) | fclose(out) || rename(name, path)) {
		int error = errno;

		unlink(name);
		fail("cannot write %s: %s", path, strerror(error));
	}
}

static int run(int argc, char **argv)
{
	struct world world = {};
	const char *output = NULL;
	struct pb_error err;
	struct pb_ctl ctl;
	int ret;

	while (next_option(argc, argv, options) != -1)
		output = optarg;
	want_args(argc, argv, 0, 0);
	ret = pb_ctl_open(&ctl, &err);
	/* That is worth knowing too. */
	if (ret && ret != -ENODEV)
		fail("%s", err.text);
	world.loaded = !ret;
	if (world.loaded) {
		world.info = ctl.info;
		world.nr = look(&ctl, NULL, 0, false, &world.seen);
		pb_ctl_close(&ctl);
	}
	if (output)
		write_file(output, &world);
	else
		print_metrics(stdout, &world);
	free(world.seen);
	return EXIT_SUCCESS;
}

const struct verb verb_metrics = {
	.name = "metrics",
	.args = "[-o FILE]",
	.summary = "print counters and states of all volumes for Prometheus",
	.help =
"Prints metrics of all volumes on this node in the text format of Prometheus.  With\n"
"--output they go into a file for the textfile collector of its node exporter, which is\n"
"replaced at once.  If the module is not loaded they say so.\n\n"
"  -o, --output FILE  where to, as /var/lib/prometheus/node-exporter/dm-pb.prom\n\n"
"Example: pbctl metrics -o /var/lib/prometheus/node-exporter/dm-pb.prom\n",
	.run = run,
};
