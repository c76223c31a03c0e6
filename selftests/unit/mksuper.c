// SPDX-License-Identifier: GPL-2.0
/*
 * Writes an image with a metadata area in it, whole or damaged in one way, for
 * test_pbctl.sh.
 *
 *   mksuper FILE SECTORS external|internal DAMAGE
 *
 * DAMAGE: none, first (one bit of copy 0), both (one bit of each), empty (no
 * copy at all), torn (copy 1 is an update behind), version (of both, crc
 * right), members (more than there is room for, crc right), noview.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libpb.h"

static void fill(struct pb_super *super, bool view)
{
	struct pb_view *v = &super->view;

	memset(super, 0, sizeof(*super));
	super->generation = 7;
	memset(super->volume, 0x11, PB_UUID_LEN);
	memset(super->replica, 0xaa, PB_UUID_LEN);
	memcpy(super->name, "vol0", 5);
	super->data_sectors = 4096;
	super->block_size = 512;
	super->flags = PB_DISK_ACTIVE;
	super->incarnation = 0x0123456789abcdefULL;
	super->replica_state = PB_REPLICA_SYNCED;
	super->forced_view = 2;
	super->forced_time = 1700000000;
	if (!view)
		return;
	v->number = 3;
	v->nr_members = 2;
	memset(v->members[0].replica, 0xaa, PB_UUID_LEN);
	memcpy(v->members[0].name, "node-a", 7);
	v->members[0].flags = PB_MEMBER_SYNCED;
	memset(v->members[1].replica, 0xbb, PB_UUID_LEN);
	memcpy(v->members[1].name, "node-b", 7);
}

static void sign(struct pb_disk_super *disk)
{
	disk->crc = 0;
	disk->crc = cpu_to_le32(pb_crc32c(disk, sizeof(*disk)));
}

static int damage(struct pb_disk_super *disk, struct pb_super *super,
		  const char *how)
{
	int i;

	if (!strcmp(how, "none") || !strcmp(how, "noview"))
		return 0;
	if (!strcmp(how, "torn")) {
		super->generation--;
		pb_super_pack(super, &disk[1]);
		return 0;
	}
	if (!strcmp(how, "first")) {
		disk[0].name[0] ^= 0x80;
		return 0;
	}
	for (i = 0; i < PB_DISK_SLOTS; i++) {
		if (!strcmp(how, "both"))
			disk[i].name[0] ^= 0x80;
		else if (!strcmp(how, "empty"))
			memset(&disk[i], 0, sizeof(disk[i]));
		else if (!strcmp(how, "version"))
			disk[i].version = cpu_to_le32(99);
		else if (!strcmp(how, "members"))
			disk[i].nr_members = cpu_to_le32(~0U);
		else
			return -1;
		if (!strcmp(how, "version") || !strcmp(how, "members"))
			sign(&disk[i]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct pb_disk_super disk[PB_DISK_SLOTS];
	struct pb_super super;
	u64 sectors, start, at;
	int fd, i;

	if (argc != 5) {
		fprintf(stderr, "mksuper: FILE SECTORS external|internal DAMAGE\n");
		return 2;
	}
	sectors = strtoull(argv[2], NULL, 10);
	start = strcmp(argv[3], "internal") ? 0 :
					      pb_disk_internal_start(sectors);
	fill(&super, strcmp(argv[4], "noview"));
	for (i = 0; i < PB_DISK_SLOTS; i++)
		pb_super_pack(&super, &disk[i]);
	if (damage(disk, &super, argv[4])) {
		fprintf(stderr, "mksuper: no such damage\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sectors * PB_SECTOR_SIZE)) {
		perror("mksuper");
		return 1;
	}
	for (i = 0; i < PB_DISK_SLOTS; i++) {
		at = (start + i * PB_DISK_SLOT_STRIDE) * PB_SECTOR_SIZE;
		if (pwrite(fd, &disk[i], sizeof(disk[i]), at) !=
		    sizeof(disk[i])) {
			perror("mksuper");
			return 1;
		}
	}
	return close(fd) ? 1 : 0;
}
