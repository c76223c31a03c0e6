// SPDX-License-Identifier: GPL-2.0
/*
 * The module's structures as JSON.  Keys are those of the structures in
 * dm-pb.h; enums are words, UUIDs and incarnations strings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpb.h"

/* Out of memory for a line of text: nothing sensible is left to do. */
static struct json_object *must(struct json_object *object)
{
	if (!object) {
		fputs("libpb: no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return object;
}

void pb_json_add(struct json_object *object, const char *key,
		 struct json_object *value)
{
	if (json_object_object_add(object, key, value))
		must(NULL);
}

static struct json_object *new_object(void)
{
	return must(json_object_new_object());
}

void pb_json_add_u64(struct json_object *object, const char *key, u64 value)
{
	pb_json_add(object, key, must(json_object_new_uint64(value)));
}

void pb_json_add_bool(struct json_object *object, const char *key, bool value)
{
	pb_json_add(object, key, must(json_object_new_boolean(value)));
}

static void add_word(struct json_object *object, const char *key,
		     const char *word)
{
	pb_json_add(object, key, must(json_object_new_string(word)));
}

static void add_hex(struct json_object *object, const char *key, u64 value,
		    int digits)
{
	char text[20];

	snprintf(text, sizeof(text), "%0*llx", digits,
		 (unsigned long long)value);
	add_word(object, key, text);
}

struct json_object *pb_json_text(const char *text, size_t len)
{
	char clean[PB_REASON_LEN];

	pb_printable(clean, sizeof(clean), text, len);
	return must(json_object_new_string(clean));
}

void pb_json_add_text(struct json_object *object, const char *key,
		      const char *text)
{
	pb_json_add(object, key, pb_json_text(text, PB_REASON_LEN));
}

struct json_object *pb_json_uuid(const u8 *uuid)
{
	char text[PB_UUID_TEXT];

	if (pb_uuid_zero(uuid))
		return NULL;
	return must(json_object_new_string(pb_uuid_text(uuid, text)));
}

struct json_object *pb_json_info(const struct pb_ioc_info *info)
{
	struct json_object *object = new_object();

	pb_json_add(object, "version",
		    pb_json_text(info->version, sizeof(info->version)));
	pb_json_add_u64(object, "api_version", info->api_version);
	pb_json_add_u64(object, "max_members", info->max_members);
	pb_json_add_u64(object, "features", info->features);
	pb_json_add_u64(object, "wire_min", info->wire_min);
	pb_json_add_u64(object, "wire_max", info->wire_max);
	pb_json_add_u64(object, "meta_version", info->meta_version);
	return object;
}

static struct json_object *json_member(const struct pb_member *member,
				       unsigned int index)
{
	struct json_object *object = new_object();

	pb_json_add(object, "replica", pb_json_uuid(member->replica));
	pb_json_add(object, "name",
		    pb_json_text(member->name, sizeof(member->name)));
	pb_json_add_bool(object, "primary", !index);
	pb_json_add_bool(object, "synced", member->flags & PB_MEMBER_SYNCED);
	return object;
}

struct json_object *pb_json_view(const struct pb_view *view)
{
	struct json_object *object = new_object();
	struct json_object *members = must(json_object_new_array());
	unsigned int i;

	pb_json_add_u64(object, "number", view->number);
	for (i = 0; i < view->nr_members && i < PB_MAX_MEMBERS; i++) {
		if (json_object_array_add(members,
					  json_member(&view->members[i], i)))
			must(NULL);
	}
	pb_json_add(object, "members", members);
	return object;
}

static struct json_object *json_link(const struct pb_link *link)
{
	struct json_object *object;

	if (pb_uuid_zero(link->peer))
		return NULL;
	object = new_object();
	add_word(object, "state", pb_link_state_name(link->state));
	pb_json_add(object, "peer", pb_json_uuid(link->peer));
	pb_json_add(object, "name",
		    pb_json_text(link->name, sizeof(link->name)));
	pb_json_add_u64(object, "silent_ms", link->silent_ms);
	pb_json_add_u64(object, "sent_seq", link->sent_seq);
	pb_json_add_u64(object, "unacked", link->unacked);
	pb_json_add_u64(object, "connects", link->connects);
	pb_json_add_u64(object, "protocol", link->protocol);
	pb_json_add(object, "reason",
		    pb_json_text(link->reason, sizeof(link->reason)));
	return object;
}

static struct json_object *json_status_flags(u32 flags)
{
	struct json_object *object = new_object();

	pb_json_add_bool(object, "crashed", flags & PB_STATUS_CRASHED);
	pb_json_add_bool(object, "diverged", flags & PB_STATUS_DIVERGED);
	pb_json_add_bool(object, "disk_failed", flags & PB_STATUS_DISK_FAILED);
	pb_json_add_bool(object, "forced", flags & PB_STATUS_FORCED);
	pb_json_add_bool(object, "meta_failed", flags & PB_STATUS_META_FAILED);
	pb_json_add_bool(object, "through_backup", flags & PB_STATUS_THROUGH_BACKUP);
	pb_json_add_bool(object, "disk_errors", flags & PB_STATUS_DISK_ERRORS);
	pb_json_add_bool(object, "stands", flags & PB_STATUS_STANDS);
	return object;
}

static void add_dev(struct json_object *object, const struct pb_ioc_dev *dev)
{
	char name[PB_DM_NAME_LEN];
	bool known = pb_dm_name(dev, name);

	pb_json_add(object, "dm_name",
		    known ? pb_json_text(name, sizeof(name)) : NULL);
	pb_json_add_u64(object, "major", dev->major);
	pb_json_add_u64(object, "minor", dev->minor);
	pb_json_add(object, "volume", pb_json_uuid(dev->volume));
}

static struct json_object *sync_object(const struct pb_sync_info *sync)
{
	struct json_object *object = new_object();

	add_word(object, "state", pb_sync_name(sync->state));
	pb_json_add_bool(object, "paused", sync->paused);
	pb_json_add_u64(object, "total_bytes", sync->total);
	pb_json_add_u64(object, "left_bytes", sync->left);
	pb_json_add_u64(object, "seconds", sync->seconds);
	pb_json_add_bool(object, "checksum", sync->checksum);
	pb_json_add_u64(object, "max_rate", sync->max_rate);
	pb_json_add_u64(object, "min_rate", sync->min_rate);
	pb_json_add_u64(object, "unreadable_bytes", sync->unreadable);
	return object;
}

struct json_object *pb_json_verify(const struct pb_verify_info *verify)
{
	struct json_object *object = new_object();

	add_word(object, "state", pb_verify_name(verify->state));
	pb_json_add_bool(object, "repair", verify->repair);
	pb_json_add_u64(object, "start", verify->start);
	pb_json_add_u64(object, "length", verify->length);
	pb_json_add_u64(object, "compared_bytes", verify->compared);
	pb_json_add_u64(object, "differing_bytes", verify->differs);
	pb_json_add_u64(object, "repaired_bytes", verify->repaired);
	pb_json_add_u64(object, "unreadable_bytes", verify->unreadable);
	pb_json_add_u64(object, "seconds", verify->seconds);
	return object;
}

struct json_object *pb_json_range(const struct pb_range *range)
{
	struct json_object *object = new_object();

	pb_json_add_u64(object, "start", range->start);
	pb_json_add_u64(object, "length", range->length);
	return object;
}

static struct json_object *resize_object(const struct pb_resize_info *resize)
{
	struct json_object *object = new_object();

	add_word(object, "state", pb_resize_name(resize->state));
	pb_json_add_u64(object, "error", resize->error);
	pb_json_add_u64(object, "sectors", resize->sectors);
	pb_json_add_u64(object, "zeroed_sectors", resize->zeroed);
	return object;
}

struct json_object *pb_json_status(const struct pb_ioc_status *status)
{
	struct json_object *object = new_object();
	struct json_object *counters = new_object();
	unsigned int i;

	add_dev(object, &status->dev);
	pb_json_add(object, "name",
		    pb_json_text(status->name, sizeof(status->name)));
	pb_json_add(object, "replica", pb_json_uuid(status->replica));
	add_word(object, "role", pb_role_name(status->role));
	add_word(object, "replica_state",
		 pb_state_name(status->replica_state));
	pb_json_add(object, "flags", json_status_flags(status->flags));
	add_word(object, "policy", pb_policy_name(status->policy));
	add_word(object, "reads", pb_reads_name(status->reads));
	pb_json_add_u64(object, "lease_ms", status->lease_ms);
	pb_json_add_u64(object, "lease_left_ms", status->lease_left_ms);
	pb_json_add_u64(object, "hold_left_ms", status->hold_left_ms);
	pb_json_add(object, "transfer", sync_object(&status->sync));
	pb_json_add(object, "verify", pb_json_verify(&status->verify));
	pb_json_add_u64(object, "data_sectors", status->data_sectors);
	pb_json_add_u64(object, "capacity_sectors", status->capacity_sectors);
	pb_json_add(object, "resize", resize_object(&status->resize));
	pb_json_add_u64(object, "block_size", status->block_size);
	add_hex(object, "incarnation", status->incarnation, 16);
	pb_json_add_u64(object, "in_flight", status->in_flight);
	pb_json_add_u64(object, "held", status->held);
	pb_json_add_u64(object, "oldest_wait_ms", status->oldest_wait_ms);
	pb_json_add_u64(object, "applying", status->applying);
	pb_json_add_u64(object, "forced_view", status->forced_view);
	pb_json_add(object, "view", pb_json_view(&status->view));
	pb_json_add(object, "upstream", json_link(&status->upstream));
	pb_json_add(object, "downstream", json_link(&status->downstream));
	for (i = 0; i < PB_CNT_NR; i++)
		pb_json_add_u64(counters, pb_counter_name(i), status->counters[i]);
	pb_json_add(object, "counters", counters);
	return object;
}

struct json_object *pb_json_event(const struct pb_event *event)
{
	struct json_object *object = new_object();

	pb_json_add_u64(object, "seq", event->seq);
	pb_json_add_u64(object, "time_ns", event->time_ns);
	add_word(object, "type", pb_event_name(event->type));
	pb_json_add_u64(object, "type_number", event->type);
	pb_json_add_u64(object, "error", event->error);
	add_dev(object, &event->dev);
	pb_json_add(object, "peer", pb_json_uuid(event->peer));
	pb_json_add_u64(object, "view", event->view);
	pb_json_add_u64(object, "lost", event->lost);
	pb_json_add(object, "text",
		    pb_json_text(event->text, sizeof(event->text)));
	return object;
}

static void array_add(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value))
		must(NULL);
}

static struct json_object *json_peers(const struct pb_super *super)
{
	struct json_object *peers = must(json_object_new_array()), *peer;
	int i;

	for (i = 0; i < PB_DISK_MAX_PEERS; i++) {
		if (pb_uuid_zero(super->peers[i].replica))
			continue;
		peer = new_object();
		pb_json_add_u64(peer, "map", i);
		pb_json_add(peer, "replica",
			    pb_json_uuid(super->peers[i].replica));
		pb_json_add_u64(peer, "base_view", super->peers[i].base_view);
		pb_json_add_u64(peer, "met_view", super->peers[i].met_view);
		pb_json_add_u64(peer, "epoch", super->peers[i].epoch);
		add_hex(peer, "incarnation", super->peers[i].incarnation, 16);
		pb_json_add_bool(peer, "started",
			 super->peers[i].flags & PB_DISK_PEER_STARTED);
		array_add(peers, peer);
	}
	return peers;
}

static void add_logs(struct json_object *object, const struct pb_super *super)
{
	pb_json_add_u64(object, "log_epoch", super->log_epoch);
	pb_json_add_u64(object, "next_epoch", super->next_epoch);
	pb_json_add_u64(object, "log_blocks", super->log_blocks);
	pb_json_add_u64(object, "log_slots", super->log_slots);
	pb_json_add_u64(object, "extent_shift", super->extent_shift);
	pb_json_add_u64(object, "region_shift", super->region_shift);
	pb_json_add_u64(object, "nr_maps", super->nr_maps);
	pb_json_add_u64(object, "data_view", super->data_view);
	pb_json_add(object, "sync_source", pb_json_uuid(super->sync_source));
	pb_json_add_u64(object, "sync_view", super->sync_view);
	pb_json_add_u64(object, "waits_view", super->waits_view);
	pb_json_add_u64(object, "met_view", super->met_view);
	pb_json_add(object, "met_replica", pb_json_uuid(super->met_replica));
	add_hex(object, "met_incarnation", super->met_incarnation, 16);
	pb_json_add_u64(object, "lease_ms", super->lease_ms);
	pb_json_add(object, "peers", json_peers(super));
}

static struct json_object *json_super(const struct pb_super *super)
{
	struct json_object *object = new_object();

	pb_json_add_u64(object, "generation", super->generation);
	pb_json_add(object, "volume", pb_json_uuid(super->volume));
	pb_json_add(object, "replica", pb_json_uuid(super->replica));
	pb_json_add(object, "name",
		    pb_json_text(super->name, sizeof(super->name)));
	pb_json_add_u64(object, "data_sectors", super->data_sectors);
	pb_json_add_u64(object, "capacity_sectors", super->capacity_sectors);
	pb_json_add_u64(object, "block_size", super->block_size);
	pb_json_add_u64(object, "flags", super->flags);
	pb_json_add_bool(object, "active", super->flags & PB_DISK_ACTIVE);
	add_hex(object, "incarnation", super->incarnation, 16);
	add_word(object, "replica_state",
		 pb_state_name(super->replica_state));
	pb_json_add(object, "view", pb_json_view(&super->view));
	pb_json_add_u64(object, "nr_members", super->view.nr_members);
	pb_json_add_u64(object, "forced_view", super->forced_view);
	pb_json_add_u64(object, "forced_time", super->forced_time);
	add_logs(object, super);
	return object;
}

static struct json_object *json_copy(const struct pb_area_copy *copy)
{
	struct json_object *object = new_object();

	pb_json_add_bool(object, "valid", !copy->ret);
	if (copy->ret)
		add_word(object, "why", copy->why);
	else
		pb_json_add(object, "why", NULL);
	add_hex(object, "magic", le64toh(copy->disk.magic), 16);
	pb_json_add_u64(object, "version", le32toh(copy->disk.version));
	pb_json_add_u64(object, "needs", le32toh(copy->disk.needs));
	add_hex(object, "crc", le32toh(copy->disk.crc), 8);
	add_hex(object, "crc_computed", copy->crc, 8);
	pb_json_add(object, "fields", json_super(&copy->super));
	return object;
}

struct json_object *pb_json_area(const struct pb_area *area)
{
	struct json_object *object = new_object();
	struct json_object *copies = must(json_object_new_array());
	int i;

	add_word(object, "place", area->internal ? "internal" : "external");
	pb_json_add_u64(object, "start_sector", area->start);
	pb_json_add_bool(object, "valid", area->pick >= 0);
	if (area->pick >= 0) {
		pb_json_add_u64(object, "current_copy", area->pick);
		pb_json_add(object, "why", NULL);
	} else {
		pb_json_add(object, "current_copy", NULL);
		add_word(object, "why", area->why);
	}
	for (i = 0; i < PB_DISK_SLOTS; i++)
		array_add(copies, json_copy(&area->copies[i]));
	pb_json_add(object, "copies", copies);
	return object;
}

static void add_why(struct json_object *object, const char *why)
{
	if (why)
		add_word(object, "why", why);
	else
		pb_json_add(object, "why", NULL);
}

static struct json_object *json_updates(const struct pb_record *record)
{
	struct json_object *updates = must(json_object_new_array()), *update;
	u32 i;

	for (i = 0; i < record->nr_updates; i++) {
		update = new_object();
		pb_json_add_u64(update, "slot", record->updates[i].slot);
		if (record->updates[i].extent == PB_RECORD_NO_EXTENT)
			pb_json_add(update, "extent", NULL);
		else
			pb_json_add_u64(update, "extent", record->updates[i].extent);
		array_add(updates, update);
	}
	return updates;
}

/* Only the blocks that have something to say. */
static struct json_object *json_blocks(const struct pb_log *log)
{
	struct json_object *blocks = must(json_object_new_array()), *block;
	u32 i;

	for (i = 0; i < log->nr_blocks; i++) {
		const struct pb_log_block *from = &log->blocks[i];

		if (from->ret == -ENODATA)
			continue;
		block = new_object();
		pb_json_add_u64(block, "block", i);
		pb_json_add_bool(block, "valid", !from->ret);
		add_why(block, from->ret ? from->why : NULL);
		if (!from->ret) {
			pb_json_add_u64(block, "seq", from->record.seq);
			pb_json_add(block, "updates",
				    json_updates(&from->record));
		}
		array_add(blocks, block);
	}
	return blocks;
}

struct json_object *pb_json_log(const struct pb_log *log)
{
	struct json_object *object = new_object();
	struct json_object *hot = must(json_object_new_array());
	u32 i;

	pb_json_add_bool(object, "valid", !log->ret);
	add_why(object, log->ret ? log->why : NULL);
	pb_json_add_u64(object, "last_seq", log->ret ? 0 : log->last);
	pb_json_add(object, "records", json_blocks(log));
	for (i = 0; i < log->nr_hot; i++)
		array_add(hot, must(json_object_new_int64(log->hot[i])));
	pb_json_add(object, "hot_extents", hot);
	return object;
}

struct json_object *pb_json_map(const struct pb_super *super,
				const struct pb_map_info *info)
{
	struct json_object *object = new_object();

	pb_json_add_u64(object, "map", info->slot);
	pb_json_add(object, "replica",
		    pb_json_uuid(super->peers[info->slot].replica));
	pb_json_add_bool(object, "valid", !info->nr_damaged);
	add_why(object, info->why);
	pb_json_add_u64(object, "blocks", info->nr_blocks);
	pb_json_add_u64(object, "void_blocks", info->nr_void);
	pb_json_add_u64(object, "damaged_blocks", info->nr_damaged);
	pb_json_add_u64(object, "regions", info->nr_regions);
	pb_json_add_u64(object, "dirty_regions", info->nr_dirty);
	return object;
}
