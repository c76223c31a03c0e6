/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What of a replica outlives a crash beside its view: the activity log and the
 * dirty maps, set up from the superblock and served with what they need.
 */
#ifndef PB_DURABLE_H
#define PB_DURABLE_H

struct pb_device;
struct pb_super;
struct pb_verdict;
struct pb_view;

/**
 * pb_durable_init() - the log and the maps as the superblock has them
 * @pb: the device, its superblock loaded
 * @error: set to a constant line on failure
 *
 * A log that is damaged makes the replica one that has crashed and does not
 * know what it lost.
 *
 * Context: process, waits for I/O.
 * Return: 0 or -ENOMEM.
 */
int pb_durable_init(struct pb_device *pb, char **error);

/**
 * pb_durable_exit() - free what pb_durable_init() took
 * @pb: the device, idle
 */
void pb_durable_exit(struct pb_device *pb);

/**
 * pb_durable_stop() - wait until the log is still
 * @pb: the device, all of whose requests are done
 */
void pb_durable_stop(struct pb_device *pb);

/**
 * pb_durable_kick() - a flush that the log asked for may cover something now
 * @pb: the device
 */
void pb_durable_kick(struct pb_device *pb);

/**
 * pb_durable_plan() - whom to keep track of in a view
 * @pb: the device, ctl_mutex held
 * @view: the view to come
 * @verdict: what this replica is in it
 * @super: the superblock to come; its peers are changed
 *
 * A primary tracks whoever was synced in the view before and is not in this
 * one, and goes on with whom it tracks already; so does a replica that stands;
 * others track nobody.
 *
 * Context: process.
 * Return: 0 or -ENOMEM; then nothing has changed.
 */
int pb_durable_plan(struct pb_device *pb, const struct pb_view *view,
		    const struct pb_verdict *verdict, struct pb_super *super);

/**
 * pb_durable_commit() - a superblock with other peers or another log epoch is
 * on the disk
 * @pb: the device, ctl_mutex held
 * @old_epoch: the log's until then
 */
void pb_durable_commit(struct pb_device *pb, u64 old_epoch);

/**
 * pb_durable_abort() - it is not: forget the plan
 * @pb: the device, ctl_mutex held
 */
void pb_durable_abort(struct pb_device *pb);

/**
 * pb_durable_slot() - the slot of a peer
 * @super: a superblock
 * @replica: UUID
 *
 * Return: the slot, or -1.
 */
int pb_durable_slot(const struct pb_super *super, const u8 *replica);

/**
 * pb_durable_meet() - this replica and a neighbour rely on each other from now on
 * @super: the superblock to come
 * @replica: the neighbour
 * @incarnation: its set-up
 */
void pb_durable_meet(struct pb_super *super, const u8 *replica,
		     u64 incarnation);

/**
 * pb_durable_take_slot() - a slot for a peer that lacks everything
 * @pb: the device, ctl_mutex held
 * @super: the superblock to come; its peers are changed
 * @replica: UUID
 *
 * Of those who are not members, the one that has been away longest gives way.
 *
 * Return: the slot, or -ENOSPC.
 */
int pb_durable_take_slot(struct pb_device *pb, struct pb_super *super,
			 const u8 *replica);

#endif /* PB_DURABLE_H */
