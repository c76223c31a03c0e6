// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl dump-meta: the activity log and the dirty maps, read offline.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pbctl.h"

static void print_record(const struct pb_record *record)
{
	u32 i;

	printf("record %llu, %u updates\n", (unsigned long long)record->seq,
	       record->nr_updates);
	for (i = 0; i < record->nr_updates; i++) {
		if (record->updates[i].extent == PB_RECORD_NO_EXTENT)
			printf("    slot %u: none\n", record->updates[i].slot);
		else
			printf("    slot %u: extent %u\n",
			       record->updates[i].slot,
			       record->updates[i].extent);
	}
}

static void print_blocks(const struct pb_log *log)
{
	u32 i, nr_void = 0;

	for (i = 0; i < log->nr_blocks; i++) {
		const struct pb_log_block *block = &log->blocks[i];

		if (block->ret == -ENODATA) {
			nr_void++;
			continue;
		}
		printf("  block %u: ", i);
		if (block->ret)
			printf("%s\n", block->why);
		else
			print_record(&block->record);
	}
	printf("  %u of %u blocks are void\n", nr_void, log->nr_blocks);
}

/* Neighbours as one range. */
static void print_hot(const struct pb_log *log)
{
	u32 i, first;

	for (i = 0; i < log->nr_hot; i++) {
		first = log->hot[i];
		while (i + 1 < log->nr_hot && log->hot[i + 1] == log->hot[i] + 1)
			i++;
		if (log->hot[i] == first)
			printf("    extent %u\n", first);
		else
			printf("    extents %u to %u\n", first, log->hot[i]);
	}
}

static void print_log(const struct pb_area *area, const struct pb_log *log)
{
	printf("activity log, from sector %llu:\n",
	       (unsigned long long)(area->start + pb_layout_log_sector(0)));
	print_blocks(log);
	if (log->ret) {
		printf("  %s: every extent may be hot\n", log->why);
		return;
	}
	printf("  newest record %llu, %u hot extents\n",
	       (unsigned long long)log->last, log->nr_hot);
	print_hot(log);
}

const char *dump_log(int fd, const struct pb_area *area,
		     struct json_object *json)
{
	struct pb_log log;
	const char *why;

	pb_log_read(fd, area, &log);
	if (json)
		pb_json_add(json, "log", pb_json_log(&log));
	else
		print_log(area, &log);
	why = log.ret ? log.why : NULL;
	pb_log_free(&log);
	return why;
}

static void print_map(const struct pb_area *area,
		      const struct pb_map_info *info)
{
	u64 kib = info->nr_dirty << area->super.region_shift >> 1;
	char uuid[PB_UUID_TEXT];

	printf("dirty map %u, for %s:\n  %llu of %llu regions are dirty, %llu KiB\n",
	       info->slot,
	       pb_uuid_text(area->super.peers[info->slot].replica, uuid),
	       (unsigned long long)info->nr_dirty,
	       (unsigned long long)info->nr_regions, (unsigned long long)kib);
	printf("  %llu of %llu blocks are void\n",
	       (unsigned long long)info->nr_void,
	       (unsigned long long)info->nr_blocks);
	if (info->nr_damaged)
		printf("  %llu blocks are damaged, all that they cover is dirty; the first is block %llu: %s\n",
		       (unsigned long long)info->nr_damaged,
		       (unsigned long long)info->damaged, info->why);
}

const char *dump_maps(int fd, const struct pb_area *area,
		      struct json_object *json)
{
	struct json_object *maps = json ? json_object_new_array() : NULL;
	const char *why = NULL;
	struct pb_map_info info;
	u32 slot;

	for (slot = 0; slot < area->super.nr_maps; slot++) {
		if (pb_uuid_zero(area->super.peers[slot].replica))
			continue;
		pb_map_read(fd, area, slot, &info);
		if (json)
			json_object_array_add(maps, pb_json_map(&area->super,
								&info));
		else
			print_map(area, &info);
		if (info.nr_damaged && !why)
			why = info.why;
	}
	if (json)
		pb_json_add(json, "maps", maps);
	return why;
}
