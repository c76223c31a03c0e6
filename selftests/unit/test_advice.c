// SPDX-License-Identifier: GPL-2.0
/*
 * What 'pbctl status' advises: each state that there is advice for is reached
 * from a healthy volume by what is wrong in it, and says what to do.
 */
#include <string.h>

#include "advice.h"
#include "tap.h"

static struct pb_ioc_status status;

static void name_member(unsigned int index, u8 byte, const char *name, u32 flags)
{
	struct pb_member *member = &status.view.members[index];

	memset(member->replica, byte, PB_UUID_LEN);
	strcpy(member->name, name);
	member->flags = flags;
}

static void point_link(struct pb_link *link, u8 byte, const char *name)
{
	memset(link->peer, byte, PB_UUID_LEN);
	strcpy(link->name, name);
	link->state = PB_LINK_UP;
}

/* The primary of a healthy pair. */
static void make_healthy(void)
{
	memset(&status, 0, sizeof(status));
	status.role = PB_ROLE_PRIMARY;
	status.replica_state = PB_REPLICA_SYNCED;
	status.lease_ms = 400;
	status.lease_left_ms = 390;
	memset(status.replica, 0x11, PB_UUID_LEN);
	status.view.number = 7;
	status.view.nr_members = 2;
	name_member(0, 0x11, "alpha", PB_MEMBER_SYNCED);
	name_member(1, 0x22, "beta", PB_MEMBER_SYNCED);
	point_link(&status.downstream, 0x22, "beta");
}

static void make_backup(void)
{
	make_healthy();
	status.role = PB_ROLE_BACKUP;
	status.lease_left_ms = 0;
	memset(status.replica, 0x22, PB_UUID_LEN);
	memset(&status.downstream, 0, sizeof(status.downstream));
	point_link(&status.upstream, 0x11, "alpha");
}

static void make_unsynced(void)
{
	status.view.members[1].flags = 0;
	status.lease_left_ms = 0;
}

static void meta(void)
{
	status.role = PB_ROLE_FAILED;
	status.flags = PB_STATUS_META_FAILED;
}

static void through(void)
{
	status.flags = PB_STATUS_THROUGH_BACKUP | PB_STATUS_DISK_FAILED;
}

static void through_nobody(void)
{
	through();
	status.downstream.state = PB_LINK_NONE;
}

static void no_copy(void)
{
	through();
	status.flags |= PB_STATUS_DIVERGED;
}

static void failed_write(void)
{
	status.flags = PB_STATUS_DISK_FAILED;
}

static void failed_on_backup(void)
{
	make_backup();
	status.flags = PB_STATUS_DISK_FAILED;
}

static void disk_errors(void)
{
	status.flags = PB_STATUS_DISK_ERRORS;
}

static void diverged(void)
{
	status.flags = PB_STATUS_DIVERGED;
}

static void unreadable(void)
{
	make_unsynced();
	status.sync.state = PB_SYNC_COPY;
	status.sync.unreadable = 4096;
}

static void set_up(void)
{
	status.role = PB_ROLE_UNCONFIRMED;
	memset(&status.downstream, 0, sizeof(status.downstream));
}

static void no_view(void)
{
	set_up();
	memset(&status.view, 0, sizeof(status.view));
}

static void stands(void)
{
	set_up();
	status.flags = PB_STATUS_STANDS;
}

static void crashed(void)
{
	set_up();
	status.flags = PB_STATUS_CRASHED;
}

static void deposed(void)
{
	status.role = PB_ROLE_IDLE;
	status.replica_state = PB_REPLICA_STALE;
	name_member(0, 0x33, "gamma", PB_MEMBER_SYNCED);
	memset(&status.downstream, 0, sizeof(status.downstream));
}

static void cut_backup(void)
{
	make_backup();
	status.upstream.state = PB_LINK_NONE;
}

static void cut(void)
{
	status.downstream.state = PB_LINK_NONE;
}

static void cut_policy_error(void)
{
	cut();
	status.policy = PB_POLICY_ERROR;
}

static void cut_unsynced(void)
{
	make_unsynced();
	status.downstream.state = PB_LINK_NONE;
}

static void alone(void)
{
	status.view.nr_members = 1;
	memset(&status.view.members[1], 0, sizeof(status.view.members[1]));
	memset(&status.downstream, 0, sizeof(status.downstream));
}

static void holds(void)
{
	status.hold_left_ms = 120;
}

static void no_lease(void)
{
	status.lease_left_ms = 0;
}

static void resync(void)
{
	make_unsynced();
	status.sync.state = PB_SYNC_COPY;
	status.sync.total = 1000 << 20;
	status.sync.left = 250 << 20;
	status.sync.seconds = 75;
}

static void paused(void)
{
	resync();
	status.sync.paused = 1;
}

static void resync_waits(void)
{
	make_unsynced();
}

static void view_lags(void)
{
	make_unsynced();
	status.sync.state = PB_SYNC_SYNCED;
}

static void copied(void)
{
	make_backup();
	status.view.members[1].flags = 0;
	status.replica_state = PB_REPLICA_SYNCING;
}

static void differs(void)
{
	status.verify.state = PB_VERIFY_DONE;
	status.verify.differs = 65536;
}

static void not_compared(void)
{
	status.verify.state = PB_VERIFY_DONE;
	status.verify.unreadable = 1 << 20;
}

static void resize_failed(void)
{
	status.resize.state = PB_RESIZE_FAILED;
}

static void slow(void)
{
	status.oldest_wait_ms = 12000;
}

static void forced(void)
{
	status.flags = PB_STATUS_FORCED;
	status.forced_view = 6;
}

static const struct {
	const char	*state;
	void		(*make)(void);
	const char	*says;
} cases[] = {
	{ "metadata failed", meta, "'pbctl remove db' and 'pbctl create' again" },
	{ "through backup", through, "make beta primary" },
	{ "through nobody", through_nobody, "without a link to beta" },
	{ "no good copy", no_copy, "restore a backup" },
	{ "failed write waits", failed_write, "waits for beta: connect it" },
	{ "disk failed", failed_on_backup, "replace the disk" },
	{ "disk errors", disk_errors, "look at the disk" },
	{ "diverged", diverged, "set a view in which the backup is unsynced" },
	{ "unreadable", unreadable, "4096 bytes cannot be read" },
	{ "no view", no_view, "pbctl view set db --number 1 --member 11111111-" },
	{ "stands", stands, "a view with a higher number is needed" },
	{ "crashed", crashed, "it crashed in view 7" },
	{ "unconfirmed", set_up, "'pbctl view set db --number 7 --member 11111111-" },
	{ "deposed", deposed, "'pbctl add' lets it back" },
	{ "no link from primary", cut_backup, "no link from alpha, whose writes wait" },
	{ "no link to backup", cut, "no link to beta: reads and writes wait" },
	{ "no link to backup", cut_policy_error, "reads and writes fail until" },
	{ "view without backup", cut, "'pbctl view set db --number 8 --member 11111111-1111-1111-1111-111111111111:alpha'" },
	{ "no link to unsynced", cut_unsynced, "unsynced and misses what is written" },
	{ "alone", alone, "bring the other node back" },
	{ "holds", holds, "120 ms more" },
	{ "no lease", no_lease, "answers later than 400 ms" },
	{ "resync paused", paused, "'pbctl resync db --resume'" },
	{ "resync runs", resync, "75.0 % of 1000.0 MiB, 10.0 MiB/s, 25 s left" },
	{ "resync waits", resync_waits, "'pbctl disconnect db'" },
	{ "view lags", view_lags, "set view 8 with beta synced" },
	{ "being copied", copied, "cannot replace alpha" },
	{ "differs", differs, "'pbctl verify db --show'" },
	{ "not compared", not_compared, "could not read 1048576 bytes" },
	{ "resize failed", resize_failed, "'pbctl resize db' again" },
	{ "slow", slow, "has waited for 12 s" },
	{ "forced", forced, "view 6 was forced" },
};

static const char *line_of(const struct advice *advice, const char *state)
{
	unsigned int i;

	for (i = 0; i < advice->nr; i++)
		if (!strcmp(advice->states[i], state))
			return advice->lines[i];
	return NULL;
}

static void show(const struct advice *advice)
{
	unsigned int i;

	for (i = 0; i < advice->nr; i++)
		printf("# %s: %s\n", advice->states[i], advice->lines[i]);
}

static void test_cases(void)
{
	struct advice advice;
	const char *line;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		make_healthy();
		cases[i].make();
		advise(&status, "db", &advice);
		line = line_of(&advice, cases[i].state);
		if (!ok(line && strstr(line, cases[i].says), "%s: %s",
			cases[i].state, cases[i].says))
			show(&advice);
	}
}

static void test_all_known(void)
{
	unsigned int index, i;
	const char *state;

	for (index = 0; (state = advice_state(index)); index++) {
		bool known = false;

		for (i = 0; i < ARRAY_SIZE(cases); i++)
			known |= !strcmp(cases[i].state, state);
		ok(known, "there is a case of '%s'", state);
	}
	ok(index > 20, "there are states");
}

/* One thing is wrong: nothing else is said. */
static void test_only(void (*make)(void), unsigned int lines, const char *text)
{
	struct advice advice;

	make_healthy();
	if (make)
		make();
	advise(&status, "db", &advice);
	if (!is(advice.nr, lines, text))
		show(&advice);
}

static void spare(void)
{
	deposed();
	status.replica_state = PB_REPLICA_BLANK;
}

static void confirmed_reads(void)
{
	status.reads = PB_READS_CONFIRM;
	status.lease_left_ms = 0;
}

static void repaired(void)
{
	differs();
	status.verify.repaired = 65536;
}

static void hostile_name(void)
{
	cut();
	strcpy(status.downstream.name, "be\033[2Jta");
}

int main(void)
{
	struct advice advice;

	tap_begin();
	test_cases();
	test_all_known();
	test_only(NULL, 0, "nothing is said of a healthy primary");
	test_only(make_backup, 0, "nothing is said of a healthy backup");
	test_only(spare, 0, "nothing is said of a spare");
	test_only(confirmed_reads, 0, "nothing is said of a lease where reads are confirmed");
	test_only(repaired, 0, "nothing is said of what was repaired");
	test_only(resync, 1, "one line of a resync");
	test_only(alone, 1, "one line of a primary alone");
	test_only(cut, 2, "two lines of a link that is down: with the peer, or without");
	make_healthy();
	hostile_name();
	advise(&status, "db", &advice);
	ok(!strchr(advice.lines[0], '\033'), "a name cannot write to the terminal");
	return tap_end();
}
