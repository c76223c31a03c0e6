/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Views: which ones a replica may move into, and what it is in them.  This is
 * where promises 3, 4, 6 and 8 of the design are decided; the rest of the
 * module only obeys.  Pure logic: callable in any context, takes no lock.
 */
#ifndef PB_VIEW_H
#define PB_VIEW_H

#include "pb-pure.h"

#define PB_NO_MEMBER	0xff

/**
 * struct pb_self - what a replica knows of itself when a view is proposed
 * @replica: its UUID
 * @state: enum pb_replica_state, as its superblock has it
 * @role: enum pb_role now
 * @crashed: the last set-up did not end in order, and no view since then has
 *	settled what was lost
 * @diverged: it failed writes that its own disk may hold and the backup lacks
 * @disk_failed: its data device failed a write
 * @through_backup: as the primary it serves by its successor's copy alone: its own
 *	lacks acknowledged writes
 * @waits: as the primary it waits for the acks of a successor that its view
 *	does not list as synced, but that has been brought up to date
 * @view: the view that its superblock has; number 0 if none
 */
struct pb_self {
	u8		replica[PB_UUID_LEN];
	u32		state;
	u32		role;
	bool		crashed;
	bool		diverged;
	bool		disk_failed;
	bool		through_backup;
	bool		waits;
	struct pb_view	view;
};

/**
 * struct pb_verdict - what becomes of a replica in a view that it may take
 * @confirm: it is the current view, said again: only @role changes
 * @forced: taken by force: record it
 * @role: enum pb_role in the view
 * @state: enum pb_replica_state in the view
 * @index: its place among the members, PB_NO_MEMBER if idle or unconfirmed
 */
struct pb_verdict {
	bool	confirm;
	bool	forced;
	u32	role;
	u32	state;
	u8	index;
};

/**
 * pb_role_name() - a role in one word
 * @role: enum pb_role, or anything else, which is "unknown"
 */
const char *pb_role_name(u32 role);

/**
 * pb_name_valid() - is this a name of a node or volume?
 * @name: PB_NAME_LEN bytes, hostile
 *
 * Return: true if it is NUL-terminated and all before that is printable ASCII
 * without spaces; it may be empty.
 */
bool pb_name_valid(const char *name);

/**
 * pb_view_valid() - is the record itself sound?
 * @view: from an ioctl or a superblock, hostile
 * @why: set to a constant line on failure
 *
 * Number at least 1, 1 to PB_MAX_MEMBERS members, the primary synced, no
 * unknown flag, no zero UUID, no replica twice, names NUL-terminated and
 * printable ASCII without spaces, reserved and unused entries zero.
 *
 * Return: 0, -EINVAL, -ENOTUNIQ.
 */
int pb_view_valid(const struct pb_view *view, const char **why);

/**
 * pb_view_check() - may this replica move into this view?
 * @self: the replica
 * @view: a view that pb_view_valid() passed
 * @flags: PB_VIEW_FORCE_DATA_MAY_BE_LOST or 0, anything else is -EINVAL
 * @verdict: filled on success only
 * @why: set to a constant line on failure
 *
 * The rules, in this order:
 *
 * 0. A replica in role PB_ROLE_FAILED takes no view: -EIO.
 * 1. Lower number than the current: -ESTALE.
 * 2. Same number: other content is -EEXIST; the same content confirms the view
 *    after a set-up (or changes nothing if it is confirmed already), unless
 *    this replica is listed as synced and either its state is not synced
 *    (unless it is the primary and serves through its successor: then nothing
 *    changes), or
 *    it crashed and there is another synced member, or it waits for one (as a
 *    primary its copy and its peer's may differ, as a backup what it acked and
 *    had not flushed is gone): -EUCLEAN.
 *    A sole synced member confirms also after a crash, and so does a replica
 *    that is not listed as synced: nobody relies on its copy.  But a member
 *    whose state is synced although the view does not list it so, and that is
 *    not confirmed, stays unconfirmed and synced: it was brought up to date in
 *    this view, in an earlier set-up, and has no use in it any more.  Rules 4 and 5
 *    hold for the state, which changes only if the superblock contradicted
 *    itself.
 * 3. More than two members: -EOPNOTSUPP.
 * 4. Not among the members: idle; a synced or syncing state becomes stale.
 * 5. Listed without PB_MEMBER_SYNCED: backup; a synced state becomes stale.
 * 6. Listed as synced (the primary always is): this replica's state must be
 *    synced, else -EUCLEAN; it must have been a member of the view before,
 *    that is, the number of its own view is @view->number - 1 and that view has
 *    it (its state says that it was synced in it from the start, or has been
 *    brought up to date), or it has no view yet and @view->number is 1, else
 *    -EPERM; if it was the primary of the view before, another member may be
 *    listed as synced only if it was listed so before or is the one that this
 *    replica waits for, else -EUCLEAN; no other member may be listed as synced
 *    if this replica crashed or diverged (the two copies may differ and nobody
 *    would know), else -EUCLEAN; its disk must not have failed, else -EUCLEAN.
 *    So a replica that crashed may be primary, as the only synced member: what
 *    was flushed is on its disk.
 *    One that crashed and is not confirmed is not refused beside another synced
 *    member: it moves into the view and stays unconfirmed in it.  So the view
 *    after it can be made, with the one or the other alone, although neither
 *    had entered this one when both crashed.
 *    With PB_VIEW_FORCE_DATA_MAY_BE_LOST the primary-to-be skips the tests of
 *    this rule (not rule 0 to 3), but a blank replica is refused all the same
 *    unless it has no view (-EUCLEAN), and so is a view that lists another
 *    member as synced: nobody can vouch that it equals a forced primary
 *    (-EUCLEAN).  Force is for the primary alone: on a backup or idle replica
 *    it is -EINVAL, after rule 3 or, for the current number, before the other
 *    tests of rule 2.  A view that is confirmed is never @forced.
 *
 * Whoever passes rule 6 is in state synced.  Whoever passes at all and is not
 * left unconfirmed has settled an earlier crash: it is the only synced member or
 * it is not synced.
 *
 * Return: 0 or one of the errors named.
 */
int pb_view_check(const struct pb_self *self, const struct pb_view *view,
		  u32 flags, struct pb_verdict *verdict, const char **why);

/**
 * pb_view_index() - a replica's place among the members
 * @view: a valid view or one with number 0
 * @replica: UUID
 *
 * Return: the index, or PB_NO_MEMBER.
 */
u8 pb_view_index(const struct pb_view *view, const u8 *replica);

/**
 * pb_view_needs_ack() - must a write wait for the member after @index?
 * @view: a valid view
 * @index: own place
 *
 * Return: true if there is a next member and it is synced.
 */
bool pb_view_needs_ack(const struct pb_view *view, u8 index);

/**
 * pb_view_same() - have two views the same number and members?
 * @a: a valid view or one with number 0
 * @b: a valid view or one with number 0
 *
 * Members are the same with the same UUIDs and flags in the same order.  Names
 * do not count, as in pb_view_digest().
 */
bool pb_view_same(const struct pb_view *a, const struct pb_view *b);

/**
 * pb_view_digest() - crc32c over number, UUIDs and flags in order
 * @view: a valid view
 *
 * The number as 8 bytes, then 16 bytes of UUID and 4 of flags per member, all
 * little-endian.  Names do not count.  The same on every architecture.
 */
u32 pb_view_digest(const struct pb_view *view);

/**
 * pb_uuid_zero() - is a UUID all zero?
 * @uuid: PB_UUID_LEN bytes
 */
bool pb_uuid_zero(const u8 *uuid);

#endif /* PB_VIEW_H */
