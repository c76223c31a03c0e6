// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-view.c: each rule by itself, all small states against the rules
 * and the promises, and all short histories of three replicas.
 */
#include "pb-view.h"
#include "tap.h"

#define FORCE	PB_VIEW_FORCE_DATA_MAY_BE_LOST
#define SYNCED	PB_MEMBER_SYNCED

enum { A, B, C, NR_REPLICAS };

static const char *why;

static void uuid_of(u32 who, u8 *uuid)
{
	memset(uuid, 0x10 + who, PB_UUID_LEN);
}

static void add(struct pb_view *view, u32 who, u32 flags)
{
	struct pb_member *member = &view->members[view->nr_members++];

	uuid_of(who, member->replica);
	memcpy(member->name, "node-x", 7);
	member->name[5] = 'a' + who;
	member->flags = flags;
}

static struct pb_view one(u64 number, u32 a)
{
	struct pb_view view = { .number = number };

	add(&view, a, SYNCED);
	return view;
}

static struct pb_view two(u64 number, u32 a, u32 b, u32 flags)
{
	struct pb_view view = one(number, a);

	add(&view, b, flags);
	return view;
}

static struct pb_self self_in(u32 who, u32 state, struct pb_view view)
{
	struct pb_self self = {
		.state = state,
		.role = PB_ROLE_UNCONFIRMED,
		.view = view,
	};

	uuid_of(who, self.replica);
	return self;
}

static int check(const struct pb_self *self, struct pb_view view, u32 flags,
		 struct pb_verdict *verdict)
{
	struct pb_verdict before;
	int ret;

	memset(verdict, 0x5a, sizeof(*verdict));
	before = *verdict;
	why = NULL;
	ret = pb_view_check(self, &view, flags, verdict, &why);
	if (ret && (!why || memcmp(&before, verdict, sizeof(before))))
		ok(false, "a refusal gives a reason and no verdict");
	return ret;
}

static void refused(const struct pb_self *self, struct pb_view view, u32 flags,
		    int err, const char *text)
{
	struct pb_verdict verdict;

	is(check(self, view, flags, &verdict), err, text);
}

static void taken(const struct pb_self *self, struct pb_view view, u32 flags,
		  struct pb_verdict want, const char *text)
{
	struct pb_verdict got;
	int ret = check(self, view, flags, &got);

	if (!is(ret, 0, text)) {
		printf("# %s\n", why);
		return;
	}
	ok(got.confirm == want.confirm && got.forced == want.forced &&
	   got.role == want.role && got.state == want.state &&
	   got.index == want.index, "%s: the verdict", text);
}

/* pb_view_valid() and the small ones. */

static int valid(const struct pb_view *view)
{
	int ret;

	why = NULL;
	ret = pb_view_valid(view, &why);
	if (ret && !why)
		ok(false, "an unsound view has a reason");
	return ret;
}

static void test_names(void)
{
	char name[PB_NAME_LEN] = "";
	u32 c, bad = 0;

	ok(pb_name_valid(name), "an empty name is one");
	for (c = 1; c < 256; c++) {
		name[0] = c;
		if (pb_name_valid(name) != (c > ' ' && c < 0x7f))
			bad++;
	}
	is(bad, 0, "exactly the printable ASCII characters but space");
	memset(name, 'x', sizeof(name));
	ok(!pb_name_valid(name), "a name without its NUL");
	name[PB_NAME_LEN - 1] = 0;
	ok(pb_name_valid(name), "a name that just fits");
	name[PB_NAME_LEN - 2] = ' ';
	ok(!pb_name_valid(name), "a space at its end");
}

static void test_valid_members(void)
{
	struct pb_view view = two(7, A, B, 0);
	struct pb_view v;
	u32 i, bad;

	is(valid(&view), 0, "two members, one synced");
	v = view;
	v.members[1].flags = SYNCED;
	is(valid(&v), 0, "two synced members");
	for (i = 1, bad = 0; i < 32; i++) {
		v = view;
		v.members[1].flags = 1U << i;
		bad += valid(&v) != -EINVAL;
	}
	is(bad, 0, "each unknown flag");
	v = view;
	memset(v.members[1].replica, 0, PB_UUID_LEN);
	is(valid(&v), -EINVAL, "a zero UUID");
	v = two(7, A, A, 0);
	is(valid(&v), -ENOTUNIQ, "a replica twice");
	v = two(7, A, B, 0);
	add(&v, B, 0);
	is(valid(&v), -ENOTUNIQ, "a replica twice, not the primary");
	v = view;
	memset(v.members[1].name, 'x', PB_NAME_LEN);
	is(valid(&v), -EINVAL, "a name without its NUL");
	v = view;
	v.members[0].name[0] = '\n';
	is(valid(&v), -EINVAL, "a name that is not printable");
	for (i = 0, bad = 0; i < 3; i++) {
		v = view;
		v.members[1].reserved[i] = 1;
		bad += valid(&v) != -EINVAL;
	}
	is(bad, 0, "each reserved field of a member");
}

static void test_valid(void)
{
	struct pb_view view = two(7, A, B, 0);
	struct pb_view v;
	u32 i, bad = 0;

	v = view;
	v.number = 0;
	is(valid(&v), -EINVAL, "number 0");
	v.number = U64_MAX;
	is(valid(&v), 0, "the highest number");
	v = (struct pb_view) { .number = 1 };
	is(valid(&v), -EINVAL, "no members");
	for (i = 0; i < PB_MAX_MEMBERS; i++)
		add(&v, i, SYNCED);
	is(valid(&v), 0, "8 members");
	v.nr_members = PB_MAX_MEMBERS + 1;
	is(valid(&v), -EINVAL, "9 members");
	v.nr_members = U32_MAX;
	is(valid(&v), -EINVAL, "4294967295 members");
	v = view;
	v.members[0].flags = 0;
	is(valid(&v), -EINVAL, "the primary not synced");
	v = view;
	v.reserved = 1;
	is(valid(&v), -EINVAL, "reserved not zero");
	for (i = 2 * sizeof(v.members[0]); i < sizeof(v.members); i++) {
		v = view;
		((u8 *)v.members)[i] = 1;
		bad += valid(&v) != -EINVAL;
	}
	is(bad, 0, "each byte of unused entries");
}

static void test_index(void)
{
	struct pb_view view = two(3, B, A, SYNCED);
	struct pb_view none = { 0 };
	u8 uuid[PB_UUID_LEN];

	uuid_of(B, uuid);
	is(pb_view_index(&view, uuid), 0, "index of the primary");
	is(pb_view_index(&none, uuid), PB_NO_MEMBER, "no view, no index");
	uuid_of(A, uuid);
	is(pb_view_index(&view, uuid), 1, "index of the backup");
	uuid[PB_UUID_LEN - 1]++;
	is(pb_view_index(&view, uuid), PB_NO_MEMBER, "almost the same UUID");
	ok(pb_view_needs_ack(&view, 0), "a synced backup must ack");
	ok(!pb_view_needs_ack(&view, 1), "nobody behind the tail");
	ok(!pb_view_needs_ack(&view, PB_NO_MEMBER), "nobody behind an idle one");
	view = two(3, B, A, 0);
	ok(!pb_view_needs_ack(&view, 0), "an unsynced backup need not ack");
	view = one(3, B);
	ok(!pb_view_needs_ack(&view, 0), "nobody behind a sole primary");
	ok(pb_uuid_zero(none.members[0].replica), "the zero UUID");
	ok(!pb_uuid_zero(uuid), "another UUID");
}

static void test_same(void)
{
	const struct pb_view view = two(3, A, B, SYNCED);
	u32 digest = pb_view_digest(&view);
	struct pb_view v = view;
	u8 text[8 + 2 * (PB_UUID_LEN + 4)] = { 3 };

	memset(text + 8, 0x10, PB_UUID_LEN);
	text[24] = 1;
	memset(text + 28, 0x11, PB_UUID_LEN);
	text[44] = 1;
	is(digest, pb_crc32c(text, sizeof(text)), "the digest's bytes");
	ok(pb_view_same(&view, &v), "the same view");
	v.members[1].name[0] = 'N';
	ok(pb_view_same(&view, &v) && pb_view_digest(&v) == digest,
	   "names do not count");
	v = view;
	v.number = 4;
	ok(!pb_view_same(&view, &v) && pb_view_digest(&v) != digest,
	   "another number");
	v = two(3, A, B, 0);
	ok(!pb_view_same(&view, &v) && pb_view_digest(&v) != digest,
	   "other flags");
	v = two(3, A, C, SYNCED);
	ok(!pb_view_same(&view, &v) && pb_view_digest(&v) != digest,
	   "another backup");
	v = two(3, B, A, SYNCED);
	ok(!pb_view_same(&view, &v) && pb_view_digest(&v) != digest,
	   "another order");
	v = one(3, A);
	ok(!pb_view_same(&view, &v) && pb_view_digest(&v) != digest,
	   "fewer members");
	v = (struct pb_view) { 0 };
	ok(pb_view_same(&v, &v), "no view is no view");
}

/* pb_view_check(), rule by rule. */

static const struct pb_verdict primary = {
	.role = PB_ROLE_PRIMARY, .state = PB_REPLICA_SYNCED, .index = 0,
};

static const struct pb_verdict backup = {
	.role = PB_ROLE_BACKUP, .state = PB_REPLICA_SYNCED, .index = 1,
};

/* It cannot serve in the view, and has been in it. */
static const struct pb_verdict stands = {
	.role = PB_ROLE_UNCONFIRMED, .state = PB_REPLICA_SYNCED,
	.index = PB_NO_MEMBER,
};

static struct pb_verdict unsynced(u32 role, u32 state, u8 index)
{
	return (struct pb_verdict) {
		.role = role, .state = state, .index = index,
	};
}

static struct pb_verdict again(struct pb_verdict verdict)
{
	verdict.confirm = true;
	return verdict;
}

static void test_rule_0_1(void)
{
	struct pb_self self = self_in(A, PB_REPLICA_SYNCED,
				      two(5, A, B, SYNCED));

	refused(&self, two(4, A, B, SYNCED), 0, -ESTALE, "1: lower number");
	refused(&self, two(4, A, B, SYNCED), FORCE, -ESTALE,
		"1: lower number, forced");
	refused(&self, one(1, A), FORCE, -ESTALE, "1: number 1 again, forced");
	refused(&self, one(6, A), 2, -EINVAL, "an unknown flag");
	refused(&self, one(6, A), FORCE | 0x80000000, -EINVAL,
		"an unknown flag beside a known one");
	self.role = PB_ROLE_FAILED;
	refused(&self, one(6, A), 0, -EIO, "0: a failed replica");
	refused(&self, one(6, A), FORCE, -EIO, "0: a failed replica, forced");
	refused(&self, self.view, 0, -EIO, "0: a failed replica, confirmed");
}

static void test_rule_2(void)
{
	struct pb_self self = self_in(A, PB_REPLICA_SYNCED,
				      two(5, A, B, SYNCED));

	taken(&self, self.view, 0, again(primary), "2: primary confirms");
	taken(&self, self.view, FORCE, again(primary),
	      "2: primary confirms, with force that is not needed");
	refused(&self, two(5, A, B, 0), 0, -EEXIST, "2: other flags");
	refused(&self, two(5, B, A, SYNCED), 0, -EEXIST, "2: other order");
	refused(&self, one(5, A), FORCE, -EEXIST, "2: other content, forced");
	self.diverged = true;
	self.disk_failed = true;
	taken(&self, self.view, 0, again(primary),
	      "2: a running primary in trouble says it again");
	self.diverged = false;
	self.crashed = true;
	refused(&self, self.view, 0, -EUCLEAN,
		"2: a crashed primary beside a synced backup");
	refused(&self, self.view, FORCE, -EUCLEAN,
		"2: the same, forced");
	self.view = two(5, A, B, 0);
	taken(&self, self.view, 0, again(primary),
	      "2: a crashed primary, its backup not synced");
	self.view = one(5, A);
	taken(&self, self.view, 0, again(primary), "2: a crashed sole primary");
	self.state = PB_REPLICA_STALE;
	refused(&self, self.view, 0, -EUCLEAN,
		"2: a primary that its superblock calls stale");
}

/* A primary whose own copy is written off. */
static void test_through_backup(void)
{
	struct pb_verdict stays = again(primary);
	struct pb_self self = self_in(A, PB_REPLICA_STALE,
				      two(5, A, B, SYNCED));

	self.role = PB_ROLE_PRIMARY;
	self.disk_failed = true;
	self.through_backup = true;
	stays.state = PB_REPLICA_STALE;
	taken(&self, self.view, 0, stays, "through its backup: stays primary");
	refused(&self, two(5, B, A, SYNCED), 0, -EEXIST,
		"through its backup: another view of the number");
	refused(&self, one(6, A), 0, -EUCLEAN, "through its backup: alone");
	refused(&self, two(6, A, B, SYNCED), 0, -EUCLEAN,
		"through its backup: primary of the next view");
	refused(&self, two(6, A, B, 0), 0, -EUCLEAN,
		"through its backup: primary, the backup not synced");
	refused(&self, two(6, B, A, SYNCED), 0, -EUCLEAN,
		"through its backup: a synced backup");
	taken(&self, two(6, B, A, 0), 0,
	      unsynced(PB_ROLE_BACKUP, PB_REPLICA_STALE, 1),
	      "through its backup: an unsynced backup");
	taken(&self, one(6, B), 0,
	      unsynced(PB_ROLE_IDLE, PB_REPLICA_STALE, PB_NO_MEMBER),
	      "through its backup: left out");
	self.role = PB_ROLE_UNCONFIRMED;
	refused(&self, self.view, 0, -EUCLEAN,
		"through its backup, before it was set up again");
	self.through_backup = false;
	self.disk_failed = false;
	refused(&self, self.view, 0, -EUCLEAN, "set up again: not primary");
	refused(&self, one(6, A), 0, -EUCLEAN, "set up again: not alone");
}

static void test_rule_2_backup(void)
{
	struct pb_self self = self_in(B, PB_REPLICA_SYNCED,
				      two(5, A, B, SYNCED));

	taken(&self, self.view, 0, again(backup), "2: backup confirms");
	refused(&self, self.view, FORCE, -EINVAL, "2: backup, forced");
	self.crashed = true;
	refused(&self, self.view, 0, -EUCLEAN, "2: a crashed synced backup");
	self.view = two(5, A, B, 0);
	self.state = PB_REPLICA_STALE;
	taken(&self, self.view, 0,
	      again(unsynced(PB_ROLE_BACKUP, PB_REPLICA_STALE, 1)),
	      "2: a crashed unsynced backup");
	self.state = PB_REPLICA_SYNCING;
	taken(&self, self.view, 0,
	      again(unsynced(PB_ROLE_BACKUP, PB_REPLICA_SYNCING, 1)),
	      "2: a crashed syncing backup");
	self.state = PB_REPLICA_SYNCED;
	taken(&self, self.view, 0, again(stands),
	      "2: a crashed backup that was brought up to date in the view");
	taken(&self, two(6, A, B, SYNCED), 0, stands,
	      "6: which may be synced in the next one");
	taken(&self, two(6, A, B, 0), 0,
	      unsynced(PB_ROLE_BACKUP, PB_REPLICA_STALE, 1),
	      "5: or begin anew");
	self.crashed = false;
	taken(&self, self.view, 0, again(stands),
	      "2: the same, if it was taken down in order");
	taken(&self, two(6, A, B, SYNCED), 0, backup,
	      "6: then it is a synced backup in the next one");
	self.view = one(5, A);
	self.state = PB_REPLICA_BLANK;
	taken(&self, self.view, 0,
	      again(unsynced(PB_ROLE_IDLE, PB_REPLICA_BLANK, PB_NO_MEMBER)),
	      "2: a crashed idle replica");
	refused(&self, self.view, FORCE, -EINVAL, "2: idle, forced");
}

static void test_rule_3_4_5(void)
{
	struct pb_self self = self_in(C, PB_REPLICA_SYNCED,
				      two(5, B, C, SYNCED));
	static const u32 idle[] = {
		PB_REPLICA_BLANK, PB_REPLICA_STALE,
		PB_REPLICA_STALE, PB_REPLICA_STALE,
	};
	static const u32 behind[] = {
		PB_REPLICA_BLANK, PB_REPLICA_STALE,
		PB_REPLICA_SYNCING, PB_REPLICA_STALE,
	};
	struct pb_view three = two(6, A, B, SYNCED);
	u32 state;

	add(&three, C, SYNCED);
	refused(&self, three, 0, -EOPNOTSUPP, "3: three members");
	refused(&self, three, FORCE, -EOPNOTSUPP, "3: three members, forced");
	for (state = 0; state < 4; state++) {
		self.state = state;
		taken(&self, two(6, A, B, SYNCED), 0,
		      unsynced(PB_ROLE_IDLE, idle[state], PB_NO_MEMBER),
		      "4: idle");
		taken(&self, two(9, A, C, 0), 0,
		      unsynced(PB_ROLE_BACKUP, behind[state], 1),
		      "5: backup, not synced");
	}
	refused(&self, two(6, A, B, SYNCED), FORCE, -EINVAL, "4: forced");
	refused(&self, two(6, A, C, 0), FORCE, -EINVAL, "5: forced");
	self.crashed = true;
	self.diverged = true;
	self.disk_failed = true;
	taken(&self, one(6, A), 0,
	      unsynced(PB_ROLE_IDLE, PB_REPLICA_STALE, PB_NO_MEMBER),
	      "4: even with all the troubles there are");
}

static void test_rule_6(void)
{
	const struct pb_self sound = self_in(A, PB_REPLICA_SYNCED,
					     two(5, B, A, SYNCED));
	struct pb_self self = sound;
	u32 state;

	taken(&self, one(6, A), 0, primary, "6: backup becomes primary");
	taken(&self, two(6, A, B, SYNCED), 0, primary, "6: roles switch");
	taken(&self, two(6, B, A, SYNCED), 0, backup, "6: stays backup");
	refused(&self, one(7, A), 0, -EPERM, "6: a view was left out");
	refused(&self, two(7, B, A, SYNCED), 0, -EPERM,
		"6: a view was left out, as backup");
	for (state = 0; state < PB_REPLICA_SYNCED; state++) {
		self.state = state;
		refused(&self, one(6, A), 0, -EUCLEAN, "6: not synced");
		refused(&self, two(6, B, A, SYNCED), 0, -EUCLEAN,
			"6: not synced, as backup");
	}
	self = sound;
	self.view = two(5, B, A, 0);
	taken(&self, one(6, A), 0, primary, "6: brought up to date in it");
	taken(&self, two(6, B, A, SYNCED), 0, backup,
	      "6: brought up to date in it, as backup");
	self.state = PB_REPLICA_SYNCING;
	refused(&self, one(6, A), 0, -EUCLEAN, "6: not yet up to date");
	self = self_in(A, PB_REPLICA_SYNCED, two(5, A, B, 0));
	refused(&self, two(6, A, B, SYNCED), 0, -EUCLEAN,
		"6: a primary beside one that was not brought up to date");
	refused(&self, two(6, B, A, SYNCED), 0, -EUCLEAN,
		"6: nor behind such a one");
	self.waits = true;
	taken(&self, two(6, A, B, SYNCED), 0, primary,
	      "6: a primary beside one that it waits for");
	taken(&self, two(6, B, A, SYNCED), 0, backup, "6: and behind it");
	refused(&self, two(6, A, C, SYNCED), 0, -EUCLEAN,
		"6: but beside no other one");
	self.crashed = true;
	refused(&self, two(5, A, B, 0), 0, -EUCLEAN,
		"2: crashed, and it waited for one that is not listed as synced");
	self = sound;
	self.view = one(5, B);
	refused(&self, one(6, A), 0, -EPERM, "6: no member before");
	self = self_in(A, PB_REPLICA_SYNCED, (struct pb_view) { 0 });
	taken(&self, one(1, A), 0, primary, "6: the first view");
	taken(&self, two(1, B, A, SYNCED), 0, backup, "6: the first, backup");
	refused(&self, one(2, A), 0, -EPERM, "6: not the first view");
	self.state = PB_REPLICA_BLANK;
	refused(&self, one(1, A), 0, -EUCLEAN, "6: the first view, blank");
}

static void test_rule_6_trouble(void)
{
	const struct pb_self sound = self_in(A, PB_REPLICA_SYNCED,
					     two(5, B, A, SYNCED));
	struct pb_self self = sound;

	self.crashed = true;
	taken(&self, one(6, A), 0, primary, "6: crashed, the only one");
	taken(&self, two(6, A, B, 0), 0, primary,
	      "6: crashed, the only synced one");
	taken(&self, two(6, A, B, SYNCED), 0, stands,
	      "6: crashed, primary beside a synced backup");
	taken(&self, two(6, B, A, SYNCED), 0, stands, "6: crashed, backup");
	refused(&self, two(7, B, A, SYNCED), 0, -EPERM,
		"6: crashed, and a view was left out");
	self.role = PB_ROLE_PRIMARY;
	refused(&self, two(6, A, B, SYNCED), 0, -EUCLEAN,
		"6: crashed and alone since, beside a synced backup");
	/* The view after one in which it could only stand. */
	self = sound;
	self.crashed = true;
	self.view = two(6, A, B, SYNCED);
	refused(&self, two(6, A, B, SYNCED), 0, -EUCLEAN,
		"2: it stands, and is told so again");
	taken(&self, one(7, A), 0, primary, "6: it stood, and is the only one");
	taken(&self, one(7, B), 0,
	      unsynced(PB_ROLE_IDLE, PB_REPLICA_STALE, PB_NO_MEMBER),
	      "4: it stood, and is left out");
	self = sound;
	self.diverged = true;
	taken(&self, one(6, A), 0, primary, "6: diverged, the only one");
	taken(&self, two(6, A, B, 0), 0, primary,
	      "6: diverged, the only synced one");
	refused(&self, two(6, A, B, SYNCED), 0, -EUCLEAN,
		"6: diverged, primary beside a synced backup");
	refused(&self, two(6, B, A, SYNCED), 0, -EUCLEAN,
		"6: diverged, backup");
	self = sound;
	self.disk_failed = true;
	refused(&self, one(6, A), 0, -EUCLEAN, "6: disk failed");
	refused(&self, two(6, B, A, SYNCED), 0, -EUCLEAN,
		"6: disk failed, backup");
}

static void test_force(void)
{
	struct pb_self self = self_in(A, PB_REPLICA_STALE, one(5, B));
	struct pb_verdict forced = primary;

	forced.forced = true;
	taken(&self, one(6, A), FORCE, forced, "force: stale");
	taken(&self, one(99, A), FORCE, forced, "force: views left out");
	taken(&self, two(6, A, B, 0), FORCE, forced, "force: with a backup");
	refused(&self, two(6, A, B, SYNCED), FORCE, -EUCLEAN,
		"force: nobody vouches for a synced backup");
	refused(&self, two(6, B, A, SYNCED), FORCE, -EINVAL,
		"force: as a synced backup");
	self.crashed = true;
	self.diverged = true;
	self.disk_failed = true;
	taken(&self, one(6, A), FORCE, forced, "force: all troubles");
	self.state = PB_REPLICA_SYNCING;
	taken(&self, one(6, A), FORCE, forced, "force: syncing");
	self.state = PB_REPLICA_BLANK;
	refused(&self, one(6, A), FORCE, -EUCLEAN, "force: blank");
	self.view = (struct pb_view) { 0 };
	taken(&self, one(6, A), FORCE, forced, "force: blank, without a view");
}

/*
 * All small states: every self of replica A, every view of three replicas.
 * Each answer is compared with a second reading of the rules, written as one
 * condition per errno, and with the promises themselves.
 */

#define MAX_CONTENTS	64

static struct pb_view contents[MAX_CONTENTS];
static u32 nr_contents;

static void add_contents(u32 nr, const u32 *who)
{
	u32 flags, i;

	for (flags = 0; flags < 1U << (nr - 1); flags++) {
		struct pb_view *view = &contents[nr_contents++];

		memset(view, 0, sizeof(*view));
		add(view, who[0], SYNCED);
		for (i = 1; i < nr; i++)
			add(view, who[i], (flags >> (i - 1)) & 1 ? SYNCED : 0);
	}
}

static void make_contents(u32 max_members)
{
	u32 a, b, c;

	nr_contents = 0;
	for (a = 0; a < NR_REPLICAS; a++) {
		add_contents(1, (u32[]){ a });
		for (b = 0; b < NR_REPLICAS; b++) {
			if (b == a)
				continue;
			add_contents(2, (u32[]){ a, b });
			c = NR_REPLICAS - a - b;
			if (max_members == 3)
				add_contents(3, (u32[]){ a, b, c });
		}
	}
}

static bool listed_synced(const struct pb_view *view, const u8 *replica)
{
	u32 i;

	for (i = 0; i < view->nr_members; i++)
		if (!memcmp(view->members[i].replica, replica, PB_UUID_LEN))
			return view->members[i].flags & SYNCED;
	return false;
}

static u32 count_synced(const struct pb_view *view)
{
	u32 i, nr = 0;

	for (i = 0; i < view->nr_members; i++)
		nr += view->members[i].flags & SYNCED ? 1 : 0;
	return nr;
}

static bool same_text(const struct pb_view *a, const struct pb_view *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool is_member(const struct pb_view *view, const u8 *replica)
{
	u32 i;

	for (i = 0; i < view->nr_members; i++)
		if (!memcmp(view->members[i].replica, replica, PB_UUID_LEN))
			return true;
	return false;
}

/* Is somebody called synced of whom the primary before knows better? */
static bool calls_synced_wrongly(const struct pb_self *self,
				 const struct pb_view *view)
{
	const struct pb_view *old = &self->view;
	u32 i;

	if (!old->number || memcmp(old->members[0].replica, self->replica,
				   PB_UUID_LEN))
		return false;
	for (i = 0; i < view->nr_members; i++) {
		const u8 *replica = view->members[i].replica;

		if (!(view->members[i].flags & SYNCED) ||
		    listed_synced(old, replica))
			continue;
		if (!self->waits || old->nr_members < 2 ||
		    memcmp(old->members[1].replica, replica, PB_UUID_LEN))
			return true;
	}
	return false;
}

static int second_reading(const struct pb_self *self,
			  const struct pb_view *view, u32 flags)
{
	bool first = !memcmp(view->members[0].replica, self->replica,
			     PB_UUID_LEN);
	bool synced = listed_synced(view, self->replica);
	bool alone = count_synced(view) == 1;
	bool is_synced = self->state == PB_REPLICA_SYNCED;
	bool before = self->view.number + 1 == view->number &&
		      (!self->view.number ||
		       is_member(&self->view, self->replica));

	if (self->role == PB_ROLE_FAILED)
		return -EIO;
	if (view->number < self->view.number)
		return -ESTALE;
	if (view->number == self->view.number) {
		if (flags && !first)
			return -EINVAL;
		if (!same_text(view, &self->view))
			return -EEXIST;
		if (self->through_backup && self->role == PB_ROLE_PRIMARY)
			return 0;
		return synced && (!is_synced ||
				  (self->crashed &&
				   (!alone || self->waits))) ? -EUCLEAN : 0;
	}
	if (view->nr_members > 2)
		return -EOPNOTSUPP;
	if (flags && !first)
		return -EINVAL;
	if (flags)
		return alone && (self->state != PB_REPLICA_BLANK ||
				 !self->view.number) ? 0 : -EUCLEAN;
	if (!synced)
		return 0;
	if (!is_synced)
		return -EUCLEAN;
	if (!before)
		return -EPERM;
	return self->disk_failed || calls_synced_wrongly(self, view) ||
	       (((self->crashed && self->role != PB_ROLE_UNCONFIRMED) ||
		 self->diverged) && !alone) ? -EUCLEAN : 0;
}

enum promise {
	NO_REASON, OTHER_ANSWER, LOWER_NUMBER, REWRITTEN, UNPROVEN_PRIMARY,
	UNPROVEN_BACKUP, SYNCED_UNLISTED, SYNCED_FROM_NOTHING, SILENT_DIFFERENCE,
	FORCE_UNASKED, FORCE_ON_OTHERS, FORCE_BESIDE, CHAIN, WRONG_PLACE,
	FAILED_SERVES, BLANK_LOST, UNKNOWN_SYNCED, STANDS, NR_PROMISES
};

static const char *const promise_text[] = {
	[NO_REASON] = "a refusal has a reason and leaves the verdict alone",
	[OTHER_ANSWER] = "the answer is that of a second reading of the rules",
	[LOWER_NUMBER] = "never a lower number",
	[REWRITTEN] = "never other members under a known number",
	[UNPROVEN_PRIMARY] = "no primary that was not a synced member before",
	[UNPROVEN_BACKUP] = "no synced backup that was not one before",
	[SYNCED_UNLISTED] = "never synced without being listed so",
	[SYNCED_FROM_NOTHING] = "never synced from blank, stale, syncing, unforced",
	[SILENT_DIFFERENCE] = "no two synced members when one crashed or diverged",
	[FORCE_UNASKED] = "forced only if asked, and never a confirmation",
	[FORCE_ON_OTHERS] = "forced only as primary",
	[FORCE_BESIDE] = "forced only as the one synced member",
	[CHAIN] = "never a new view of more than two members",
	[WRONG_PLACE] = "role and index are its place among the members",
	[FAILED_SERVES] = "a failed replica takes nothing",
	[BLANK_LOST] = "blank stays blank unless forced",
	[STANDS] = "only who was not confirmed yet is left unconfirmed",
	[UNKNOWN_SYNCED] = "no primary beside one that nobody brought up to date",
};

static u64 broken[NR_PROMISES];
static u64 accepted, states;

static void expect(enum promise promise, bool good)
{
	if (!good)
		broken[promise]++;
}

static void judge_new(const struct pb_self *self, const struct pb_view *view,
		      u32 flags, const struct pb_verdict *v)
{
	bool before = self->view.number == view->number - 1 &&
		      (view->number == 1 ||
		       is_member(&self->view, self->replica));
	bool proven = v->forced ||
		      (self->state == PB_REPLICA_SYNCED && before);
	bool sound = !self->crashed && !self->diverged;

	if (v->role == PB_ROLE_PRIMARY)
		expect(UNPROVEN_PRIMARY, proven);
	if (v->role == PB_ROLE_BACKUP && v->state == PB_REPLICA_SYNCED)
		expect(UNPROVEN_BACKUP, proven && !v->forced);
	expect(CHAIN, view->nr_members <= 2);
	if (v->state == PB_REPLICA_SYNCED && !v->forced)
		expect(UNKNOWN_SYNCED, !calls_synced_wrongly(self, view));
	if (v->state == PB_REPLICA_SYNCED && !v->forced &&
	    v->role != PB_ROLE_UNCONFIRMED)
		expect(SILENT_DIFFERENCE, sound || count_synced(view) == 1);
	if (v->forced) {
		expect(FORCE_UNASKED, flags & FORCE);
		expect(FORCE_ON_OTHERS, v->role == PB_ROLE_PRIMARY);
		expect(FORCE_BESIDE, count_synced(view) == 1);
	}
}

/* Crashed beside another synced member; or synced since the view was made. */
static bool only_stands(const struct pb_self *self, const struct pb_view *view,
			const struct pb_verdict *v, u32 place)
{
	bool listed = listed_synced(view, self->replica);

	if (v->confirm)
		return place != PB_NO_MEMBER && !listed &&
		       self->state == PB_REPLICA_SYNCED &&
		       self->role == PB_ROLE_UNCONFIRMED;
	return self->crashed && listed && count_synced(view) > 1;
}

static void judge(const struct pb_self *self, const struct pb_view *view,
		  u32 flags, const struct pb_verdict *v)
{
	u32 place = pb_view_index(view, self->replica);
	u32 role = place == PB_NO_MEMBER ? PB_ROLE_IDLE :
		   place ? PB_ROLE_BACKUP : PB_ROLE_PRIMARY;

	if (only_stands(self, view, v, place)) {
		expect(STANDS, self->role == PB_ROLE_UNCONFIRMED);
		role = PB_ROLE_UNCONFIRMED;
		place = PB_NO_MEMBER;
	}
	accepted++;
	expect(LOWER_NUMBER, view->number >= self->view.number);
	expect(WRONG_PLACE, v->index == place && v->role == role);
	expect(FAILED_SERVES, self->role != PB_ROLE_FAILED);
	expect(REWRITTEN, v->confirm == (view->number == self->view.number));
	expect(REWRITTEN, !v->confirm || same_text(view, &self->view));
	if (v->state == PB_REPLICA_SYNCED) {
		expect(SYNCED_UNLISTED, role == PB_ROLE_UNCONFIRMED ||
		       listed_synced(view, self->replica));
		expect(SYNCED_FROM_NOTHING,
		       v->forced || self->state == PB_REPLICA_SYNCED);
	}
	if (self->state == PB_REPLICA_BLANK && !v->forced)
		expect(BLANK_LOST, v->state == PB_REPLICA_BLANK);
	if (!v->confirm)
		judge_new(self, view, flags, v);
	else
		expect(FORCE_UNASKED, !v->forced);
	if (v->confirm && self->crashed && v->state == PB_REPLICA_SYNCED &&
	    role != PB_ROLE_UNCONFIRMED)
		expect(SILENT_DIFFERENCE, count_synced(view) == 1);
}

static void all_views(const struct pb_self *self)
{
	struct pb_verdict verdict, before;
	u32 i, flags, number;
	int ret;

	memset(&before, 0x5a, sizeof(before));
	for (i = 0; i < nr_contents; i++) {
		struct pb_view view = contents[i];

		for (number = 1; number <= 4; number++) {
			view.number = number;
			for (flags = 0; flags <= FORCE; flags++) {
				states++;
				why = NULL;
				verdict = before;
				ret = pb_view_check(self, &view, flags,
						    &verdict, &why);
				expect(OTHER_ANSWER, ret ==
				       second_reading(self, &view, flags));
				if (!ret)
					judge(self, &view, flags, &verdict);
				else
					expect(NO_REASON, why &&
					       !memcmp(&verdict, &before,
						       sizeof(before)));
			}
		}
	}
}

static void all_conditions(struct pb_self *self)
{
	bool first = self->view.nr_members > 1 &&
		     !pb_view_index(&self->view, self->replica);
	u32 role, bits;

	for (role = 0; role <= PB_ROLE_FAILED; role++) {
		/* Only a primary waits, for the one behind it. */
		for (bits = 0; bits < (first ? 128 : 32); bits++) {
			self->role = role;
			self->state = bits & 3;
			self->crashed = bits & 4;
			self->diverged = bits & 8;
			self->disk_failed = bits & 16;
			self->waits = bits & 32;
			self->through_backup = bits & 64;
			/* Written off: a primary that is stale. */
			if (self->through_backup &&
			    (role != PB_ROLE_PRIMARY ||
			     self->state != PB_REPLICA_STALE))
				continue;
			all_views(self);
		}
	}
}

static void test_all_states(void)
{
	struct pb_self self = self_in(A, 0, (struct pb_view) { 0 });
	u32 i, number, promise;

	make_contents(3);
	all_conditions(&self);
	for (i = 0; i < nr_contents; i++) {
		self.view = contents[i];
		for (number = 1; number <= 3; number++) {
			self.view.number = number;
			all_conditions(&self);
		}
	}
	printf("# %llu states, %llu views accepted\n", states, accepted);
	ok(accepted > 10000, "all states: many are accepted");
	for (promise = 0; promise < NR_PROMISES; promise++)
		is(broken[promise], 0, promise_text[promise]);
}

/*
 * All short histories.  The view service is as bad as it may be: for each
 * number it makes any view at all, but only one; a replica is shown any view
 * of the history at any time, is forced or crashes.  Views are not even given
 * in order.  What is modelled of the data is whether a replica's copy is equal
 * to what the volume should hold:
 *
 * - a write is acked in a view when its primary and all its synced members are
 *   in that view; whoever else held everything does not any more;
 * - a replica that crashes does not;
 * - a primary whose disk fails beside a synced backup does not, is stale, and
 *   acks on in that view by the backup's copy, until it is set up again;
 * - a primary that had crashed, or is forced, is from then on what the volume
 *   should hold, and nobody else is.
 *
 * Promise: wherever a write can be acked (or a lease be given, which needs the
 * same), the primary and its synced backups hold everything, and that is in one
 * view at a time.  (An old view may still be taken by one who knows no better;
 * it then waits for a member who does.)
 */

#define NR_VIEWS	3

struct model {
	struct pb_view	history[NR_VIEWS + 1];
	u16		seen[1 << 22];
	u16		history_nr;
	u64		states;
	u64		wrong_primary;
	u64		wrong_backup;
	u64		two_primaries;
	u64		acks;
	u64		promotions;
};

/*
 * In a key: 6 bits a replica, 2 for the number that was forced, 2 for who serves
 * through its backup.
 */
struct world {
	u8	number[NR_REPLICAS];
	u8	state[NR_REPLICAS];
	bool	crashed[NR_REPLICAS];
	bool	whole[NR_REPLICAS];
	u8	forced;
	u8	through;	/* who, NR_REPLICAS if nobody */
};

static struct model model;

static void explore(struct world world);

static u32 world_key(const struct world *world)
{
	u32 i, key = world->forced << 2 | world->through;

	for (i = 0; i < NR_REPLICAS; i++)
		key = key << 6 | world->number[i] << 4 | world->state[i] << 2 |
		      world->crashed[i] << 1 | world->whole[i];
	return key;
}

static struct pb_self world_self(const struct world *world, u32 who)
{
	struct pb_self self = self_in(who, world->state[who],
				      model.history[world->number[who]]);

	self.crashed = world->crashed[who];
	if (world->through == who) {
		self.role = PB_ROLE_PRIMARY;
		self.through_backup = true;
		self.disk_failed = true;
	}
	return self;
}

static void truth_is(struct world *world, u32 who)
{
	memset(world->whole, 0, sizeof(world->whole));
	world->whole[who] = true;
}

static void take(struct world world, u32 who, u32 number, u32 flags)
{
	struct pb_self self = world_self(&world, who);
	struct pb_verdict v;

	if (pb_view_check(&self, &model.history[number], flags, &v, &why))
		return;
	world.number[who] = number;
	world.state[who] = v.state;
	if (v.forced) {
		world.forced = number;
		truth_is(&world, who);
	} else if (v.role == PB_ROLE_PRIMARY && number >= world.forced) {
		if (self.crashed)
			truth_is(&world, who);
		model.promotions++;
	}
	world.crashed[who] = v.role == PB_ROLE_UNCONFIRMED;
	if (world.through == who && !v.confirm)
		world.through = NR_REPLICAS;
	explore(world);
}

/* Can the primary of this view complete a write now? */
static bool can_ack(const struct world *world, u32 number)
{
	const struct pb_view *view = &model.history[number];
	u32 i, who;

	for (i = 0; i < view->nr_members; i++) {
		who = view->members[i].replica[0] - 0x10;
		if (i && !(view->members[i].flags & SYNCED))
			continue;
		if (world->number[who] != number || world->crashed[who] ||
		    (world->state[who] != PB_REPLICA_SYNCED &&
		     (i || world->through != who)))
			return false;
	}
	return true;
}

/* Do those that the view calls synced hold everything? */
static void must_be_whole(const struct world *world, u32 number)
{
	const struct pb_view *view = &model.history[number];
	u32 i, who;

	for (i = 0; i < view->nr_members; i++) {
		who = view->members[i].replica[0] - 0x10;
		if (world->whole[who] || !(view->members[i].flags & SYNCED) ||
		    (!i && world->through == who))
			continue;
		if (i)
			model.wrong_backup++;
		else
			model.wrong_primary++;
	}
}

static void write_acked(struct world world, u32 number)
{
	u8 uuid[PB_UUID_LEN];
	u32 i;

	for (i = 0; i < NR_REPLICAS; i++) {
		uuid_of(i, uuid);
		if (!listed_synced(&model.history[number], uuid))
			world.whole[i] = false;
	}
	model.acks++;
	explore(world);
}

/* The primary's disk fails, and it goes on. */
static void disk_fails(struct world world, u32 number)
{
	const struct pb_view *view = &model.history[number];
	u32 who = view->members[0].replica[0] - 0x10;

	if (world.through != NR_REPLICAS || view->nr_members < 2 ||
	    !(view->members[1].flags & SYNCED))
		return;
	world.through = who;
	world.state[who] = PB_REPLICA_STALE;
	world.whole[who] = false;
	explore(world);
}

static void explore(struct world world)
{
	u32 key = world_key(&world);
	u32 who, number, able = 0;
	struct world next;

	if (model.seen[key] == model.history_nr)
		return;
	model.seen[key] = model.history_nr;
	model.states++;
	for (number = 1; number <= NR_VIEWS; number++) {
		if (number < world.forced || !can_ack(&world, number))
			continue;
		able++;
		must_be_whole(&world, number);
		write_acked(world, number);
		disk_fails(world, number);
	}
	model.two_primaries += able > 1;
	for (who = 0; who < NR_REPLICAS; who++) {
		for (number = 1; number <= NR_VIEWS; number++) {
			take(world, who, number, 0);
			if (!world.forced)
				take(world, who, number, FORCE);
		}
		if (world.crashed[who])
			continue;
		next = world;
		next.crashed[who] = true;
		next.whole[who] = false;
		if (next.through == who)
			next.through = NR_REPLICAS;
		explore(next);
	}
}

/* Replicas set up as equal, or the last one blank. */
static void all_histories(bool blank)
{
	struct world start = {
		.state = { PB_REPLICA_SYNCED, PB_REPLICA_SYNCED,
			   blank ? PB_REPLICA_BLANK : PB_REPLICA_SYNCED },
		.whole = { true, true, !blank },
		.through = NR_REPLICAS,
	};
	u32 h, i, rest, nr = 1;

	for (i = 0; i < NR_VIEWS; i++)
		nr *= nr_contents;
	for (h = 0; h < nr; h++) {
		model.history_nr++;
		for (i = 1, rest = h; i <= NR_VIEWS; i++) {
			model.history[i] = contents[rest % nr_contents];
			model.history[i].number = i;
			rest /= nr_contents;
		}
		explore(start);
	}
}

static void test_all_histories(void)
{
	make_contents(2);
	all_histories(false);
	all_histories(true);
	printf("# %llu states of %u histories, %llu acks, %llu primaries\n",
	       model.states, 2 * nr_contents * nr_contents * nr_contents,
	       model.acks, model.promotions);
	ok(model.acks && model.promotions, "histories: something happens");
	is(model.wrong_primary, 0, "histories: no primary lacks an acked write");
	is(model.wrong_backup, 0, "histories: no synced backup lacks one");
	is(model.two_primaries, 0, "histories: one primary acks at a time");
}

int main(void)
{
	tap_begin();
	test_names();
	test_valid_members();
	test_valid();
	test_index();
	test_same();
	test_rule_0_1();
	test_rule_2();
	test_rule_2_backup();
	test_through_backup();
	test_rule_3_4_5();
	test_rule_6();
	test_rule_6_trouble();
	test_force();
	test_all_states();
	test_all_histories();
	return tap_end();
}
