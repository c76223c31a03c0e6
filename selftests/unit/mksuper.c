// SPDX-License-Identifier: GPL-2.0
/*
 * Writes an image with a metadata area in it, whole or damaged in one way, for
 * test_pbctl.sh.
 *
 *   mksuper FILE SECTORS external|internal DAMAGE
 *
 * DAMAGE: none, first (one bit of copy 0), both (one bit of each), empty (no
 * copy at all), torn (copy 1 is an update behind), version (of both, crc
 * right), members (more than there is room for, crc right), noview; logs (as
 * none, with an activity log of three records and a dirty map), badlog (with
 * one of those gone), badmap (with one bit of the map's block flipped).
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
	const char *why;

	memset(super, 0, sizeof(*super));
	super->generation = 7;
	memset(super->volume, 0x11, PB_UUID_LEN);
	memset(super->replica, 0xaa, PB_UUID_LEN);
	memcpy(super->name, "vol0", 5);
	super->data_sectors = 20480;
	super->block_size = 512;
	super->flags = PB_DISK_ACTIVE;
	super->incarnation = 0x0123456789abcdefULL;
	super->replica_state = PB_REPLICA_SYNCED;
	super->forced_view = 2;
	super->forced_time = 1700000000;
	super->log_epoch = 41;
	super->next_epoch = 60;
	pb_super_defaults(super, &why);
	if (!view)
		return;
	v->number = 3;
	v->nr_members = 2;
	memset(v->members[0].replica, 0xaa, PB_UUID_LEN);
	memcpy(v->members[0].name, "node-a", 7);
	v->members[0].flags = PB_MEMBER_SYNCED;
	memset(v->members[1].replica, 0xbb, PB_UUID_LEN);
	memcpy(v->members[1].name, "node-b", 7);
	super->data_view = 3;
	memset(super->peers[1].replica, 0xbb, PB_UUID_LEN);
	super->met_view = 1;
	super->met_incarnation = 5;
	memset(super->met_replica, 0xbb, PB_UUID_LEN);
	super->peers[1].base_view = 2;
	super->peers[1].met_view = 1;
	super->peers[1].epoch = 42;
	super->peers[1].flags = PB_DISK_PEER_STARTED;
}

static int put(int fd, const void *block, u64 sector)
{
	return pwrite(fd, block, PB_DISK_BLOCK, sector * PB_SECTOR_SIZE) !=
	       PB_DISK_BLOCK;
}

/* Extents 0 and 1 are hot in the end, and 2 was. */
static int put_log(int fd, const struct pb_super *super, u64 start, bool bad)
{
	static const struct pb_record_update updates[3][2] = {
		{ { 0, 2 }, { 1, 0 } }, { { 0, PB_RECORD_NO_EXTENT } }, { { 5, 1 } },
	};
	static struct pb_record record;
	u32 map[PB_DISK_DEF_LOG_SLOTS], i, k;
	u8 block[PB_DISK_BLOCK];

	memset(map, 0xff, sizeof(map));
	memcpy(record.replica, super->replica, PB_UUID_LEN);
	record.epoch = super->log_epoch;
	for (i = 0; i < 3; i++) {
		record.seq = i + 1;
		record.nr_updates = i ? 1 : 2;
		memcpy(record.updates, updates[i], sizeof(updates[i]));
		for (k = 0; k < record.nr_updates; k++)
			map[updates[i][k].slot] = updates[i][k].extent;
		pb_record_set_context(&record, map, super->log_slots);
		pb_record_pack(&record, block);
		if (bad && i == 1)
			memset(block, 0x77, sizeof(block));
		if (put(fd, block, start + pb_layout_log_sector(i + 1)))
			return 1;
	}
	return 0;
}

/* Three of 160 regions. */
static int put_map(int fd, const struct pb_super *super, u64 start, bool bad)
{
	struct pb_map_id id = { .epoch = super->peers[1].epoch, .slot = 1 };
	unsigned long *longs;
	struct pb_disk_map disk;
	struct pb_map map;

	longs = calloc(pb_map_longs(super->data_sectors, super->region_shift),
		       sizeof(*longs));
	pb_map_init(&map, super->data_sectors, super->region_shift, longs);
	pb_map_set_dirty(&map, 127, 2);
	pb_map_set_dirty(&map, super->data_sectors - 1, 1);
	memcpy(id.replica, super->replica, PB_UUID_LEN);
	pb_map_pack_block(&map, &id, 0, &disk);
	free(longs);
	if (bad)
		disk.bits[1] ^= 0x10;
	return put(fd, &disk, start + pb_layout_map_sector(super, 1, 0));
}

static int put_logs(int fd, const struct pb_super *super, u64 start,
		    const char *how)
{
	bool log = !strcmp(how, "badlog"), map = !strcmp(how, "badmap");

	if (!log && !map && strcmp(how, "logs"))
		return 0;
	return put_log(fd, super, start, log) ||
	       put_map(fd, super, start, map);
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

	if (!strcmp(how, "none") || !strcmp(how, "noview") ||
	    !strcmp(how, "logs") || !strcmp(how, "badlog") ||
	    !strcmp(how, "badmap"))
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
	u64 sectors, start;
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
		if (put(fd, &disk[i], start + i * PB_DISK_SLOT_STRIDE)) {
			perror("mksuper");
			return 1;
		}
	}
	if (put_logs(fd, &super, start, argv[4])) {
		perror("mksuper");
		return 1;
	}
	return close(fd) ? 1 : 0;
}
