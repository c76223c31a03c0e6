// SPDX-License-Identifier: GPL-2.0
/*
 * The rules by which a replica takes a view or refuses it.  Everything that a
 * replica must know of its past to decide is in struct pb_self; what follows
 * from the decision is for the caller to make durable and to carry out.
 */
#include "pb-view.h"

/* Members that the data path carries today; the formats have room for more. */
#define PB_VIEW_CARRIED		2

static_assert(sizeof(struct pb_member) == 64);
static_assert(sizeof(struct pb_view) == 16 + 64 * PB_MAX_MEMBERS);

bool pb_uuid_zero(const u8 *uuid)
{
	return pb_all_zero(uuid, PB_UUID_LEN);
}

bool pb_name_valid(const char *name)
{
	u32 i;

	for (i = 0; i < PB_NAME_LEN; i++) {
		if (!name[i])
			return true;
		if (name[i] < 0x21 || name[i] > 0x7e)
			return false;
	}
	return false;
}

const char *pb_role_name(u32 role)
{
	static const char * const names[] = {
		[PB_ROLE_UNCONFIRMED]	= "unconfirmed",
		[PB_ROLE_IDLE]		= "idle",
		[PB_ROLE_BACKUP]	= "backup",
		[PB_ROLE_PRIMARY]	= "primary",
		[PB_ROLE_FAILED]	= "failed",
	};

	return role < ARRAY_SIZE(names) ? names[role] : "unknown";
}

static bool pb_uuid_same(const u8 *a, const u8 *b)
{
	return !memcmp(a, b, PB_UUID_LEN);
}

static bool pb_member_synced(const struct pb_view *view, u32 index)
{
	return index < view->nr_members &&
	       (view->members[index].flags & PB_MEMBER_SYNCED);
}

static bool pb_view_other_synced(const struct pb_view *view, u32 index)
{
	u32 i;

	for (i = 0; i < view->nr_members; i++)
		if (i != index && pb_member_synced(view, i))
			return true;
	return false;
}

static int pb_member_valid(const struct pb_member *member, const char **why)
{
	if (pb_uuid_zero(member->replica)) {
		*why = "a member's UUID is zero";
		return -EINVAL;
	}
	if (member->flags & ~PB_MEMBER_FLAGS) {
		*why = "a member has an unknown flag";
		return -EINVAL;
	}
	if (!pb_name_valid(member->name)) {
		*why = "a member's name is too long or not printable ASCII";
		return -EINVAL;
	}
	if (!pb_all_zero(member->reserved, sizeof(member->reserved))) {
		*why = "a reserved field of a member is not zero";
		return -EINVAL;
	}
	return 0;
}

static int pb_members_valid(const struct pb_view *view, const char **why)
{
	u32 i, j;

	for (i = 0; i < view->nr_members; i++) {
		int ret = pb_member_valid(&view->members[i], why);

		if (ret)
			return ret;
		for (j = 0; j < i; j++) {
			if (!pb_uuid_same(view->members[i].replica,
					  view->members[j].replica))
				continue;
			*why = "a replica is a member twice";
			return -ENOTUNIQ;
		}
	}
	return 0;
}

int pb_view_valid(const struct pb_view *view, const char **why)
{
	u32 nr = view->nr_members;
	int ret;

	if (!view->number) {
		*why = "view number 0";
		return -EINVAL;
	}
	if (!nr || nr > PB_MAX_MEMBERS) {
		*why = "a view has 1 to 8 members";
		return -EINVAL;
	}
	if (view->reserved) {
		*why = "a reserved field of the view is not zero";
		return -EINVAL;
	}
	ret = pb_members_valid(view, why);
	if (ret)
		return ret;
	if (!pb_member_synced(view, 0)) {
		*why = "the primary is not synced";
		return -EINVAL;
	}
	if (!pb_all_zero(&view->members[nr],
			 (PB_MAX_MEMBERS - nr) * sizeof(view->members[0]))) {
		*why = "an unused member entry is not zero";
		return -EINVAL;
	}
	return 0;
}

u8 pb_view_index(const struct pb_view *view, const u8 *replica)
{
	u32 i;

	for (i = 0; i < view->nr_members && i < PB_MAX_MEMBERS; i++)
		if (pb_uuid_same(view->members[i].replica, replica))
			return i;
	return PB_NO_MEMBER;
}

bool pb_view_needs_ack(const struct pb_view *view, u8 index)
{
	return pb_member_synced(view, (u32)index + 1);
}

bool pb_view_same(const struct pb_view *a, const struct pb_view *b)
{
	u32 i;

	if (a->number != b->number || a->nr_members != b->nr_members)
		return false;
	for (i = 0; i < a->nr_members; i++)
		if (!pb_uuid_same(a->members[i].replica,
				  b->members[i].replica) ||
		    a->members[i].flags != b->members[i].flags)
			return false;
	return true;
}

u32 pb_view_digest(const struct pb_view *view)
{
	__le64 number = cpu_to_le64(view->number);
	u32 crc = crc32c(~0U, &number, sizeof(number));
	u32 i;

	for (i = 0; i < view->nr_members; i++) {
		__le32 flags = cpu_to_le32(view->members[i].flags);

		crc = crc32c(crc, view->members[i].replica, PB_UUID_LEN);
		crc = crc32c(crc, &flags, sizeof(flags));
	}
	return ~crc;
}

static u32 pb_role_at(u8 index)
{
	if (index == PB_NO_MEMBER)
		return PB_ROLE_IDLE;
	return index ? PB_ROLE_BACKUP : PB_ROLE_PRIMARY;
}

/* What the data is worth in a view that has been found right. */
static u32 pb_state_in(u32 state, u8 index, bool synced)
{
	if (synced)
		return PB_REPLICA_SYNCED;
	if (state == PB_REPLICA_SYNCED)
		return PB_REPLICA_STALE;
	if (state == PB_REPLICA_SYNCING && index == PB_NO_MEMBER)
		return PB_REPLICA_STALE;
	return state;
}

/* It is in the view, which the next one may count on, and does nothing in it. */
static void pb_view_stand(struct pb_verdict *verdict)
{
	verdict->role = PB_ROLE_UNCONFIRMED;
	verdict->state = PB_REPLICA_SYNCED;
	verdict->index = PB_NO_MEMBER;
}

/* Rule 2: the view that the superblock has, said again. */
static int pb_view_confirm(const struct pb_self *self,
			   const struct pb_view *view,
			   struct pb_verdict *verdict, const char **why)
{
	u8 index = pb_view_index(view, self->replica);
	bool synced = pb_member_synced(view, index);

	if (!pb_view_same(&self->view, view)) {
		*why = "another view of this number is already current";
		return -EEXIST;
	}
	/* It serves by the next member's copy: that goes on, and no more. */
	if (self->through_backup && self->role == PB_ROLE_PRIMARY) {
		synced = false;
	} else if (synced) {
		if (self->state != PB_REPLICA_SYNCED) {
			*why = "the view calls this replica synced and it is not";
			return -EUCLEAN;
		}
		if (self->crashed &&
		    (self->waits || pb_view_other_synced(view, index))) {
			*why = "this replica crashed in this view and may differ from its peer";
			return -EUCLEAN;
		}
	}
	verdict->confirm = true;
	verdict->forced = false;
	verdict->role = pb_role_at(index);
	verdict->state = pb_state_in(self->state, index, synced);
	verdict->index = index;
	/*
	 * It was brought up to date in this view, and its primary does not take
	 * it back in another set-up: the next view says what it is.
	 */
	if (index != PB_NO_MEMBER && !synced &&
	    self->state == PB_REPLICA_SYNCED &&
	    self->role == PB_ROLE_UNCONFIRMED)
		pb_view_stand(verdict);
	return 0;
}

static bool pb_was_synced_before(const struct pb_self *self,
				 const struct pb_view *view)
{
	if (self->view.number != view->number - 1)
		return false;
	/* An unsynced member's state becomes synced only by being copied to. */
	return !self->view.number ||
	       pb_view_index(&self->view, self->replica) != PB_NO_MEMBER;
}

/* Does a primary know that another member holds every acknowledged write? */
static bool pb_knows_synced(const struct pb_self *self, const u8 *replica)
{
	u8 index = pb_view_index(&self->view, replica);

	return index != PB_NO_MEMBER &&
	       (pb_member_synced(&self->view, index) ||
		(self->waits && index == 1));
}

static bool pb_knows_all(const struct pb_self *self, const struct pb_view *view)
{
	u32 i;

	if (!self->view.number || pb_view_index(&self->view, self->replica))
		return true;
	for (i = 0; i < view->nr_members; i++)
		if (pb_member_synced(view, i) &&
		    !pb_knows_synced(self, view->members[i].replica))
			return false;
	return true;
}

/* Rule 6: may it stand in the view as one that holds every acked write? */
static int pb_view_may_be_synced(const struct pb_self *self,
				 const struct pb_view *view, u8 index,
				 const char **why)
{
	bool beside = pb_view_other_synced(view, index);

	if (self->state != PB_REPLICA_SYNCED) {
		*why = "the view calls this replica synced and it is not";
		return -EUCLEAN;
	}
	if (!pb_was_synced_before(self, view)) {
		*why = "this replica was not a synced member of the view before";
		return -EPERM;
	}
	if (!pb_knows_all(self, view)) {
		*why = "nobody has brought another synced member up to date";
		return -EUCLEAN;
	}
	if (self->crashed && beside && self->role != PB_ROLE_UNCONFIRMED) {
		*why = "this replica crashed and may differ from another synced member";
		return -EUCLEAN;
	}
	if (self->diverged && beside) {
		*why = "this replica failed writes that another synced member may lack";
		return -EUCLEAN;
	}
	if (self->disk_failed) {
		*why = "the data device of this replica failed";
		return -EUCLEAN;
	}
	return 0;
}

/* Rule 6 by force: no proof is asked for, but none is invented either. */
static int pb_view_may_be_forced(const struct pb_self *self,
				 const struct pb_view *view, const char **why)
{
	if (self->state == PB_REPLICA_BLANK && self->view.number) {
		*why = "a blank replica holds nothing to be primary with";
		return -EUCLEAN;
	}
	if (pb_view_other_synced(view, 0)) {
		*why = "a forced view can have no other synced member";
		return -EUCLEAN;
	}
	return 0;
}

/* Rules 3 to 6: a view with a higher number. */
static int pb_view_move(const struct pb_self *self, const struct pb_view *view,
			bool force, struct pb_verdict *verdict,
			const char **why)
{
	u8 index = pb_view_index(view, self->replica);
	bool synced = pb_member_synced(view, index);
	int ret = 0;

	if (view->nr_members > PB_VIEW_CARRIED) {
		*why = "more members than this version carries";
		return -EOPNOTSUPP;
	}
	if (force && index) {
		*why = "only the primary's view can be forced";
		return -EINVAL;
	}
	if (force)
		ret = pb_view_may_be_forced(self, view, why);
	else if (synced)
		ret = pb_view_may_be_synced(self, view, index, why);
	if (ret)
		return ret;

	verdict->confirm = false;
	verdict->forced = force;
	verdict->role = pb_role_at(index);
	verdict->state = pb_state_in(self->state, index, synced);
	verdict->index = index;
	/* It may have a place in the next view, by having been in this one. */
	if (synced && self->crashed && pb_view_other_synced(view, index))
		pb_view_stand(verdict);
	return 0;
}

int pb_view_check(const struct pb_self *self, const struct pb_view *view,
		  u32 flags, struct pb_verdict *verdict, const char **why)
{
	bool force = flags & PB_VIEW_FORCE_DATA_MAY_BE_LOST;

	if (flags & ~PB_VIEW_FLAGS) {
		*why = "unknown flag";
		return -EINVAL;
	}
	if (self->role == PB_ROLE_FAILED) {
		*why = "the metadata device failed: set the device up again";
		return -EIO;
	}
	if (view->number < self->view.number) {
		*why = "older than the current view";
		return -ESTALE;
	}
	if (view->number > self->view.number)
		return pb_view_move(self, view, force, verdict, why);
	if (force && pb_view_index(view, self->replica)) {
		*why = "only the primary's view can be forced";
		return -EINVAL;
	}
	return pb_view_confirm(self, view, verdict, why);
}
