/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The disks of a table line, claimed for this module alone.
 *
 * All other targets claim theirs for device-mapper as a whole, so any of them
 * can open what another one has.  For a replica that will not do: it holds what
 * the volume holds, so LVM and the like find on a backup's disk what is meant
 * for the volume, and would activate it there, past the view and the peer.
 */
#ifndef PB_CLAIM_H
#define PB_CLAIM_H

#include <linux/device-mapper.h>

/**
 * struct pb_claim - a disk, claimed
 * @dev: what device-mapper's callbacks want; no table has it in its list, so
 *	"dmsetup deps" does not know it.  No bdev: nothing is claimed
 * @linked: /sys/block shows it below our device, as lsblk does
 */
struct pb_claim {
	struct dm_dev	dev;
	bool		linked;
};

/**
 * pb_claim_open() - open a disk and claim it
 * @claim: zeroed
 * @ti: target of the table that is being made
 * @path: as in the table line: a path or <major>:<minor>
 *
 * Any replica may open it again, nobody else.
 *
 * Return: -EBUSY if somebody else has it.
 */
int pb_claim_open(struct pb_claim *claim, struct dm_target *ti,
		  const char *path);

/**
 * pb_claim_link() - show in /sys/block what stands on what
 * @claim: nothing happens if that is so already
 * @ti: its target, at the latest when it resumes
 */
void pb_claim_link(struct pb_claim *claim, struct dm_target *ti);

/**
 * pb_claim_close() - the end of it
 * @claim: may have no disk
 * @ti: its target
 */
void pb_claim_close(struct pb_claim *claim, struct dm_target *ti);

#endif /* PB_CLAIM_H */
