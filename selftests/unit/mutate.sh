#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Do the unit tests notice?  Breaks one rule at a time in a copy of the sources
# and wants the named test to fail: not to stop compiling, and not to pass.
# A mutation that no longer changes anything is an error as well.
#
# usage: mutate.sh [pattern]	only mutations whose line matches

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
only=${1:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

# file | sed expression | test that must go red, or tests of which one must
mutations() {
	cat <<'EOF'
pb-codec.c|s/if (le32_to_cpu(hdr->crc) != pb_hdr_crc(hdr))/if (0)/|test_codec
pb-codec.c|s/msg->flags & ~rule->flags/0 \& msg->flags/|test_codec
pb-codec.c|s/rule->seq != has_seq/rule->seq \&\& !has_seq/|test_codec
pb-codec.c|s/msg->count > rule->max_sectors/0/|test_codec
pb-codec.c|s/msg->count > bounds->data_sectors - msg->sector/msg->sector + msg->count > bounds->data_sectors + 8/|test_codec
pb-codec.c|s/(msg->sector & mask) ||/(msg->sector \& mask \& 3) ||/|test_codec
pb-codec.c|s/msg->seq + msg->count - 1 < msg->seq/0/|test_codec
pb-codec.c|s/msg->status >= PB_BYE_NR/msg->status > PB_BYE_NR/|test_codec
pb-codec.c|s/msg->status ? 0 : msg->count \* 512;/msg->status ? 0 : msg->data_len;/|test_codec
pb-codec.c|s/if (msg->seq > expect->sent_seq) {/if (0) {/|test_codec
pb-codec.c|s/(rule->answers ? PB_MAX_ERRNO : 0)/(rule->answers ? 100000 : 0)/|test_codec
pb-lease.c|s/(lease >> PB_LEASE_MARGIN_SHIFT)/0/|test_lease
pb-lease.c|s/(lease >> PB_LEASE_MARGIN_SHIFT)/(lease >> 3)/;s/PB_LEASE_MARGIN_NS;/0;/|test_lease
pb-lease.c|s/return now < until/return now <= until/|test_lease
pb-lease.c|s/return now < until/return now - now + arrived < until/|test_lease
pb-lease.c|s/echoed > arrived/echoed >= arrived/|test_lease
pb-lease.c|s/echoed > arrived/echoed > arrived - arrived/|test_lease
pb-lease.c|s/if (until > given->until)/if (1)/|test_lease
pb-lease.c|s/given->until > now \&\& memcmp/given->until > now - now \&\& memcmp/|test_lease
pb-lease.c|s/return !pb_uuid_zero(replica) \&\&/return/|test_lease
pb-lease.c|s/return mine < theirs ? mine : theirs;/return mine + theirs - theirs;/|test_lease
pb-lease.c|s/u32 often = lease_ms \/ 4;/u32 often = lease_ms \/ 2;/|test_lease
pb-super.c|s/!pb_lease_ms_ok(super->lease_ms)/0/|test_super
pb-codec.c|s/(!expect->upstream \&\& (msg->flags \& PB_WIRE_ASK))/0/|test_codec
pb-view.c|s/if (self->through_backup && self->role == PB_ROLE_PRIMARY)/if (0)/|test_view
pb-view.c|s/if (self->through_backup && self->role == PB_ROLE_PRIMARY)/if (self->role == PB_ROLE_PRIMARY)/|test_view
pb-codec.c|s/msg->view != expect->view/msg->view < expect->view/|test_codec
pb-codec.c|s/msg->from != expect->from/0/|test_codec
pb-codec.c|s/if (msg->seq > expect->next_seq)/if (0)/|test_codec
pb-codec.c|s/last > expect->sent_seq \&\&/last > expect->sent_seq + 1 \&\&/|test_codec
pb-codec.c|s/hello == expect->hello_done/(hello \&\& expect->hello_done)/|test_codec
pb-codec.c|s/peer_view < my_view ?/peer_view > my_view ?/|test_codec
pb-codec.c|s/mine->block_size < peer->min_block_size/0/|test_codec
pb-codec.c|s/down->recv_seq < acked ||/0 ||/|test_codec
pb-codec.c|s/down->peer_incarnation != up->incarnation/!down->peer_incarnation/|test_codec
pb-view.c|s/if (view->number < self->view.number)/if (0)/|test_view
pb-view.c|s/if (!pb_view_same(&self->view, view))/if (0)/|test_view
pb-view.c|s/(self->waits || pb_view_other_synced(view, index))) {/0) {/|test_view
pb-view.c|s/if (self->crashed && beside && /if (self->crashed \&\& index \&\& /|test_view
pb-view.c|s/ && self->role != PB_ROLE_UNCONFIRMED) {/) {/|test_view
pb-view.c|s/if (self->crashed && beside && self->role != PB_ROLE_UNCONFIRMED)/if (0)/|test_view
pb-view.c|/^static int pb_view_confirm/,/^}/s/pb_view_stand(verdict)/(void)pb_view_stand/|test_view
pb-view.c|/^static int pb_view_move/,/^}/s/pb_view_stand(verdict)/(void)pb_view_stand/|test_view
pb-view.c|s/verdict->state = PB_REPLICA_SYNCED;//|test_view
pb-view.c|s/verdict->role = PB_ROLE_UNCONFIRMED;//|test_view
pb-view.c|s/if (index != PB_NO_MEMBER \&\& !synced/if (!synced/|test_view
pb-view.c|s/	    self->state == PB_REPLICA_SYNCED \&\&$/	    self->state \&\&/|test_view
pb-view.c|s/if (synced && self->crashed && pb_view_other_synced/if (self->crashed \&\& pb_view_other_synced/|test_view
pb-view.c|s/if (self->diverged && beside)/if (0)/|test_view
pb-view.c|s/self->view.number != view->number - 1/self->view.number > view->number - 1/|test_view
pb-view.c|s/return !self->view.number ||/return 1 ||/|test_view
pb-view.c|s/if (self->disk_failed)/if (0)/|test_view
pb-view.c|s/if (pb_view_other_synced(view, 0))/if (self->crashed \&\& pb_view_other_synced(view, 0))/|test_view
pb-view.c|s/if (force && index)/if (0)/|test_view
pb-view.c|s/if (state == PB_REPLICA_SYNCED)/if (0)/|test_view
pb-view.c|s/crc = crc32c(crc, &flags, sizeof(flags));/(void)flags;/|test_view
pb-super.c|s/if (le32_to_cpu(disk->crc) != pb_super_crc(disk))/if (0)/|test_super
pb-super.c|s/return gen\[1\] > gen\[0\];/return gen[1] < gen[0];/|test_super
pb-super.c|s/return gen\[1\] > gen\[0\];/return 0;/|test_super
pb-super.c|s/{ -EPROTONOSUPPORT, -EINVAL }/{ -EPROTONOSUPPORT }/|test_super
pb-super.c|s/if (!pb_name_valid(super->name))/if (0)/|test_super
pb-super.c|s/(needs || !pb_all_zero(disk->reserved, sizeof(disk->reserved)))/needs/|test_super
pb-super.c|s/(needs || !pb_all_zero(/(!pb_all_zero(/|test_super
pb-super.c|s/(!needs || needs > PB_DISK_VERSION)/!needs/|test_super
pb-super.c|s/(!needs || needs > PB_DISK_VERSION)/needs > PB_DISK_VERSION/|test_super
pb-super.c|s/if (!version || (version >/if ((version >/|test_super
pb-codec.c|s/expect->version < PB_WIRE_VERSION_ORDERED/0/|test_codec
pb-codec.c|s/mine->version_max : *$/peer->version_max :/|test_codec
pb-pure.h|s/(const u8 \*)block + at, len - at);/(const u8 *)block + at, len \/ 4 - at);/|test_super
pb-super.c|s/gen\[0\] == gen\[1\] &&/0 \&\&/|test_super
pb-super.c|s/		sectors++;/		(void)sectors;/|test_super
pb-super.c|s/if (disk->reserved0 ||/if (/|test_super
pb-super.c|s/value >= min \&\& value <= max/value >= min \&\& value <= max + 1/|test_super
pb-super.c|s/value >= min \&\& value <= max/value >= min - 1 \&\& value <= max/|test_super
pb-super.c|s/		 PB_DISK_MAX_EXTENTS)$/		 U64_MAX)/|test_super
pb-super.c|s/super->log_blocks < pb_record_min_blocks(super->log_slots)/super->log_blocks < 4/|test_super
pb-super.c|s/super->log_blocks > PB_DISK_MAX_LOG_BLOCKS/0/|test_super
pb-super.c|s/return epoch \&\& epoch < super->next_epoch;/return epoch < super->next_epoch;/|test_super
pb-super.c|s/return epoch \&\& epoch < super->next_epoch;/return epoch \&\& epoch <= super->next_epoch;/|test_super
pb-super.c|s/if (!pb_super_epoch_ok(super, super->log_epoch))/if (0)/|test_super
pb-super.c|s/if (!pb_super_epoch_ok(super, peer->epoch))/if (0)/|test_super
pb-super.c|s/super->data_view > super->view.number/0/|test_super
pb-super.c|s/super->waits_view > super->view.number/0/|test_super
pb-super.c|s/super->sync_view > super->view.number/0/|test_super
pb-super.c|s/super->met_view > super->view.number/0/|test_super
pb-super.c|s/if (peer->met_view > peer->base_view)/if (0)/|test_super
pb-super.c|s/else if (!super->met_view != pb_uuid_zero(super->met_replica) ||/else if (/|test_super
pb-super.c|s/!super->met_view != !super->met_incarnation/0/|test_super
pb-super.c|s/else if (!memcmp(super->met_replica, super->replica, PB_UUID_LEN))/else if (0)/|test_super
pb-super.c|s/if (syncing \&\& pb_uuid_zero(super->sync_source))/if (0)/|test_super
pb-super.c|s/if (!syncing \&\& !pb_uuid_zero(super->sync_source))/if (0)/|test_super
pb-super.c|s/if (syncing != !!super->sync_view)/if (0)/|test_super
pb-super.c|s/if (!memcmp(super->sync_source, super->replica, PB_UUID_LEN))/if (0)/|test_super
pb-super.c|s/if (index >= super->nr_maps)/if (0)/|test_super
pb-super.c|s/for (i = 0; i < index; i++)/for (i = 1; i < index; i++)/|test_super
pb-super.c|s/if (!memcmp(peer->replica, super->replica, PB_UUID_LEN))/if (0)/|test_super
pb-super.c|s/if (peer->base_view > super->view.number)/if (0)/|test_super
pb-super.c|s/if (peer->flags \& ~PB_DISK_PEER_FLAGS)/if (0)/|test_super
pb-super.c|s/if (!pb_all_zero(peer->reserved, sizeof(peer->reserved)))/if (0)/|test_super
pb-super.c|s/		if (pb_uuid_zero(peer->replica)) {/		if (0) {/|test_super
pb-layout.c|s/(end + PB_DISK_MAPS_ALIGN - 1)/end/|test_layout
pb-layout.c|s/(block \* super->nr_maps + slot)/(slot * pb_layout_map_blocks(super) + block)/|test_layout
pb-layout.c|s/((sectors - 1) >> shift) + 1/sectors >> shift/|test_layout
pb-layout.c|s/regions + PB_DISK_MAP_REGIONS - 1,/regions,/|test_layout
pb-layout.c|s/if (area_sectors < pb_layout_sectors(super))/if (0)/|test_layout
pb-layout.c|s/if (area_sectors < pb_layout_maps_start(super))/if (0)/|test_layout
pb-layout.c|s/	if (area_sectors < start)/	if (0)/|test_layout
pb-layout.c|s/if (blocks > div_u64.*/if (0)/|test_layout
pb-record.c|s/le32_to_cpu(half->crc) != pb_record_crc(half)/0/|test_record
pb-record.c|s/le64_to_cpu(half->magic) != PB_DISK_RECORD_MAGIC/0/|test_record
pb-record.c|s/if (memcmp(half->replica, replica, PB_UUID_LEN))/if (memcmp(half->replica, replica, PB_UUID_LEN - 1))/|test_record
pb-record.c|s/if (le64_to_cpu(half->epoch) != epoch)/if (le64_to_cpu(half->epoch) > epoch)/|test_record
pb-record.c|s/if (!seq || seq == U64_MAX)/if (seq == U64_MAX)/|test_record
pb-record.c|s/if (!seq || seq == U64_MAX)/if (!seq)/|test_record
pb-record.c|s/nr_updates > PB_RECORD_MAX_UPDATES/nr_updates > PB_RECORD_MAX_UPDATES + 1/|test_record
pb-record.c|s/nr_context != pb_record_nr_context(slots)/nr_context > PB_RECORD_MAX_CONTEXT/|test_record
pb-record.c|s/half->reserved0 || half->reserved/half->reserved0/|test_record
pb-record.c|s/if (le32_to_cpu(half->updates\[i\].slot) >= slots)/if (le32_to_cpu(half->updates[i].slot) > slots)/|test_record
pb-record.c|s/le32_to_cpu(extent) < nr_extents/le32_to_cpu(extent) <= nr_extents/|test_record
pb-record.c|s/{ -EINVAL, 0, -ENODATA, -EBADMSG }/{ 0, -EINVAL, -ENODATA, -EBADMSG }/|test_record
pb-record.c|s/{ -EINVAL, 0, -ENODATA, -EBADMSG }/{ -EINVAL, -EBADMSG, 0, -ENODATA }/|test_record
pb-record.c|s/{ -EINVAL, 0, -ENODATA, -EBADMSG }/{ -EINVAL, 0, -EBADMSG, -ENODATA }/|test_record
pb-record.c|s/return seq\[1\] > seq\[0\];/return seq[1] < seq[0];/|test_record
pb-record.c|s/seq\[0\] == seq\[1\] \&\&/0 \&\&/|test_record
pb-record.c|s/	half\[1\] = half\[0\];/	memset(\&half[1], 0, sizeof(half[1]));/|test_record
pb-record.c|s/(u64)turn \* pb_record_nr_context(slots)/(u64)turn * 64/|test_record
pb-record.c|s/if (test_bit(i, unreadable))/if (test_bit(0, unreadable))/|test_record
pb-record.c|s/^		if (ret == -ENODATA)$/		if (ret == -ENODATA || ret == -EBADMSG)/|test_record
pb-record.c|s/^		if (ret == -ENODATA)$/		if (ret == -ENODATA || ret == -EINVAL)/|test_record
pb-record.c|s/if (pb_record_block(record->seq, super->log_blocks) != i)/if (0)/|test_record
pb-record.c|s/record->seq != seq/0/|test_record
pb-record.c|s/last > window ? last - window + 1 : 1/window ? 1 : last/|test_record
pb-record.c|s/last > window ? last - window + 1 : 1/last > window ? last - window + 2 : 1/|test_record
pb-record.c|s/#define PB_RECORD_SPARE		3/#define PB_RECORD_SPARE		2/|test_record
views.c|s/	if (!volume->acked)$/	if (0)/|test_views test_views_own
views.c|s/	if (!volume->acked)$/	if (0)/|test_views_search
views.c|s/	volume->acked = false;/	;/|test_views test_views_own
views.c|s/if (node->heard \&\& ping->seq <= node->ping.seq)/if (0)/|test_views test_views_own
views.c|s/if (!pb_incarnation_older(ping->incarnation, known_of(volume, ping)))/if (!pb_incarnation_older(ping->incarnation, known_of(volume, ping)) || 1)/|test_views test_views_own
views.c|s/			return view->members\[i\].incarnation;/			return 0;/|test_views test_views_own
views.c|s/now - volume->latest > volume->stall_ms/0/|test_views test_views_own
views.c|s/unheard |= !node->heard/unheard = node->heard/|test_views test_views_own
views.c|s/	if (all_silent(volume, now))/	if (all_silent(volume, now) \&\& 0)/|test_views test_views_own
views.c|s/	       volume->began <= volume->nodes\[node\].when;/	       1;/|test_views test_views_own
views.c|s/	    !replaced(volume, view->members)) {/	    1) {/|test_views test_views_own
views.c|s/return node->heard \&\& node->ping.state == PB_REPLICA_SYNCED;/return node->heard;/|test_views test_views_own
views.c|s/failed(node) || node->older_image || node->evicted)/failed(node) || node->evicted)/|test_views test_views_own
views.c|s/if (!memcmp(node->ping.replica, primary->replica, PB_UUID_LEN))/if (0)/|test_views test_views_own
views.c|s/	if (primary->node == volume->view.members\[0\].node \&\&/	if (1 \&\&/|test_views test_views_own
views.c|s/	return node_of(volume, primary)->ping.reaches >> index \& 1;/	return true;/|test_views test_views_own
views.c|s/	if (!here(volume, node, now)) {/	if (!volume->nodes[node].heard \&\& now) {/|test_views test_views_own
views.c|s/		    ping->disk_view > PV_MAX_VIEW ||/		    0 ||/;s/	    ping->disk_view > PV_MAX_VIEW ||/	    0 ||/|test_views test_views_own
views.c|s/if (volume->nodes\[i\].heard \&\& !volume->nodes\[i\].evicted \&\&/if (volume->nodes[i].heard \&\&/|test_views test_views_own
views.c|s/	if (volume->behind || !volume->acked) {/	if (!volume->acked) {/|test_views test_views_own
views.c|s/	    !is_well(volume, \&members\[0\], now) ||//|test_views test_views_own
views.c|s/	if (!here(volume, members\[0\].node, now) ||/	if (/|test_views test_views_own
views.c|s/	if (next.number > PV_MAX_VIEW) {/	if (0) {/|test_views test_views_own
views.c|s/	    !is_well(volume, \&members\[1\], now) ||//|test_views test_views_own
views.c|s/now - since > volume->dead_after/now - since >= volume->dead_after/|test_views test_views_own
views.c|s/return heard(volume, node) \&\& !pv_dead(volume, node, now);/return heard(volume, node) \&\& now;/|test_views test_views_own
views.c|s/volume->began;$/0;/|test_views test_views_own
views.c|s/if (!heard(volume, backup->node) \&\&/if (0 \&\&/|test_views test_views_own
views.c|s/	    volume->nodes\[node\].ping.view != volume->view.number ||//|test_views test_views_own
views.c|s/	       says(volume, member, PV_PING_STANDS);/	       0;/|test_views test_views_own
views.c|s/	if (volume->behind)$/	if (0)/|test_views test_views_own
views.c|s/	volume->handover = true;/	;/|test_views test_views_own
views.c|s/now < volume->handover_ends \&\&/1 \&\&/|test_views test_views_own
views.c|s/	    failed(node) || node->older_image ||/	    node->older_image ||/|test_views test_views_own
views.c|s/if (why != PV_WHY_BACKUP_RESTARTED)/if (1)/|test_views_search
views.c|s/	keep_member(\&next, \&members\[1\], true);/	add_member(volume, \&next, members[1].node, true);/|test_views test_views_own
views.c|s/if (replaced(volume, primary))/if (0)/|test_views test_views_own
views.c|s/	while (number == volume->view.number \&\&/	if (number == volume->view.number \&\&/|test_views test_views_own
views.c|s/if (node->ping.state != PB_REPLICA_BLANK)$/if (node->ping.state <= PB_REPLICA_SYNCED)/|test_views test_views_own
views.c|s/	volume->nodes\[node\].evicted = true;/	;/|test_views test_views_own
views.c|s/	if (speaker != members\[0\].node)/	if (members[1].synced \&\& speaker == PV_MAX_NODES)/|test_views test_views_own
views.c|s/	if (speaker != volume->view.members\[0\].node)/	if (speaker == PV_MAX_NODES)/|test_views test_views_own
views.c|s/				return speaker == backup->node ?/				return speaker ?/|test_views test_views_own
views.c|s/	return back \&\& speaker == primary->node ? resume/	return back ? resume/|test_views test_views_own
views.c|s/	    pv_left_alone(volume, index, now))/	    0)/|test_views test_views_own
views.c|s/ || node->left_by != primary->node ||/ ||/|test_views test_views_own
views.c|s/	    node->left_life != primary->incarnation || now >= node->left_until)/	    now >= node->left_until)/|test_views test_views_own
views.c|s/	while (--times \&\& ms < most)/	while (0 \&\& times \&\& ms < most)/|test_views test_views_own
views.c|s/	return ms < most ? ms : most;/	return ms;/|test_views test_views_own
views.c|s/	    (node->synced_at \&\& now - node->synced_at >= node->left_ms))/	    0)/|test_views test_views_own
views.c|s/	    (node->synced_at \&\& now - node->synced_at >= node->left_ms))/	    node->synced_at)/|test_views test_views_own
views.c|s/					(why == PV_WHY_BACKUP_DEAD));/					0);/|test_views test_views_own
views.c|s/why != PV_WHY_BACKUP_UNREACHABLE \&\& why != PV_WHY_BACKUP_DEAD/why != PV_WHY_BACKUP_DEAD/|test_views test_views_own
views.c|s/	forgive(\&volume->nodes\[node\]);/	;/|test_views test_views_own
views.c|s/		forgive(node);$/		(void)forgive;/|test_views test_views_own
views.c|s/		       PV_WHY_BACKUP_RETRIED : PV_WHY_BACKUP_ADDED);/		       PV_WHY_BACKUP_ADDED : PV_WHY_BACKUP_ADDED);/|test_views test_views_own
views.c|s/		return without_ack(volume, speaker, now);/		return without_ack(volume, PV_NO_NODE, now);/|test_views test_views_own
views.c|s/		return without_ack(volume, speaker, now);/		return without_ack(volume, PV_NO_NODE, now);/|test_views_search
views.c|s/	    !is_waited_for(volume, backup) || !is_in_view(volume, backup))/	    !is_in_view(volume, backup))/|test_views_search
views.c|s/	    !is_waited_for(volume, backup) || !is_in_view(volume, backup))/	    !is_waited_for(volume, backup))/|test_views_search
views.c|s/	    !is_waited_for(volume, backup) || !is_in_view(volume, backup))/	    !is_waited_for(volume, backup))/|test_views test_views_own
views.c|s/	bool late = is_late(volume, now);/	bool late = 0 \&\& is_late(volume, now);/|test_views_search
views.c|s/			if (is_in_view(volume, backup))$/			if (1)/|test_views_search
views.c|s/			if (!is_late(volume, now))$/			if (1)/|test_views_search
views.c|s/	if (!late \&\& serves(volume, primary, now))/	if (0)/|test_views test_views_own
views.c|s/	       is_synced_here(volume, backup);/	       (0 \&\& is_synced_here(volume, backup));/|test_views test_views_own
views.c|s/	       is_synced_here(volume, backup);/	       (0 \&\& is_synced_here(volume, backup));/|test_views_search
views.c|s/	       node->ping.view == volume->view.number \&\&$/	       1 \&\&/|test_views test_views_own
views.c|s/	       node->ping.state == PB_REPLICA_SYNCED;$/	       1;/|test_views_search
views.c|s/	if (backup \&\& is_waited_for(volume, backup)) {/	if (backup) {/|test_views_search
views.c|s/	return !back \&\& holds_all(volume, backup) \&\&/	return (1 || back) \&\& holds_all(volume, backup) \&\&/|test_views test_views_own
views.c|s/	return !back \&\& holds_all(volume, backup) \&\&/	return !back \&\&/|test_views test_views_own
views.c|s/	return here(volume, primary->node, now) \&\& !failed(node) \&\&/	return here(volume, primary->node, now) \&\& node \&\&/|test_views test_views_own
views.c|s/	       holds_all(volume, primary) \&\& restarted(volume, primary);/	       restarted(volume, primary);/|test_views test_views_own
views.c|s/	if (node->evicted || failed(node) ||$/	if (failed(node) ||/|test_views test_views_own
views.c|s/	if (node->evicted || failed(node) ||$/	if (node->evicted ||/|test_views test_views_own
views.c|s/	    node->ping.state != PB_REPLICA_SYNCED)/	    0)/|test_views test_views_own
views.c|s/	if (is_reigning(volume, now) \&\&/	if (is_reigning(volume, now) \&\& 0 \&\&/|test_views test_views_own
views.c|s/	return volume->view.number \&\& !volume->behind \&\&/	return volume->view.number \&\&/|test_views test_views_own
views.c|s/	       serves(volume, primary, now) \&\&$/	       1 \&\&/|test_views test_views_own
views.c|s/node->ping.state == PB_REPLICA_SYNCED ||$/0 ||/|test_views test_views_own
views.c|s/		    node->ping.disk_view > than->disk_view)/		    0)/|test_views test_views_own
health.c|s/		left = pv_left_alone(/		left = 0 * pv_left_alone(/|test_server
health.c|s/		return !has_relief(volume, now);/		return !has_relief(volume, now) || 1;/|test_server
health.c|s/	if (node != PV_NO_NODE) {/	if (0) {/|test_server
health.c|s/	if (volume->in_doubt || !pv_is_stuck(volume))/	if (volume->in_doubt)/|test_server
pb-map.c|s/le32_to_cpu(disk->crc) != pb_map_crc(disk)/0/|test_map
pb-map.c|s/if (memcmp(disk->replica, id->replica, PB_UUID_LEN))/if (0)/|test_map
pb-map.c|s/if (le64_to_cpu(disk->epoch) != id->epoch)/if (0)/|test_map
pb-map.c|s/if (le32_to_cpu(disk->slot) != id->slot ||/if (0 ||/|test_map
pb-map.c|s/le64_to_cpu(disk->index) != block)/(u32)le64_to_cpu(disk->index) != (u32)block)/|test_map
pb-map.c|s/if (!pb_all_zero(disk->reserved, sizeof(disk->reserved)))/if (0)/|test_map
pb-map.c|s/if (bits \& ~pb_map_valid(nr_regions, at + i))/if (bits \& ~pb_map_valid(nr_regions + 64, at + i))/|test_map
pb-map.c|s/bytes\[i\] = bits >> (8 \* i);/bytes[i] = bits >> (8 * (7 - i));/|test_map
pb-map.c|s/return map->dirty\[at\] | map->pending\[at\] | map->flushing\[at\];/return map->dirty[at] | map->pending[at];/|test_map
pb-map.c|s/return map->dirty\[at\] | map->pending\[at\] | map->flushing\[at\];/return map->dirty[at];/|test_map
pb-map.c|s/(sector + count - 1) >> map->region_shift/(sector + count) >> map->region_shift/|test_map
pb-map.c|s/	pb_map_mark_pending(map, region);$/	(void)pb_map_mark_pending;/|test_map
pb-map.c|s/	if (map->flush)$/	if (0)/|test_map
pb-map.c|s/	swap(map->nr_pending, map->nr_flushing);/	map->nr_flushing = map->nr_pending;/|test_map
pb-map.c|s/if (map->flushing\[at\] \& ~(map->dirty\[at\] | map->pending\[at\]))/if (0)/|test_map
pb-map.c|s/	lost = map->pending\[at\] | map->flushing\[at\];/	lost = map->pending[at];/|test_map
pb-map.c|s/	lost = map->pending\[at\] | map->flushing\[at\];/	lost = map->flushing[at];/|test_map
pb-map.c|s/	map->flush = false;/	map->flush = !ok;/|test_map
pb-map.c|s/	all = pb_map_valid(map->nr_regions, at);/	all = ~0UL;/|test_map
pb-map.c|s/if (pb_map_marks(map, at) != all)/if (0)/|test_map
pb-map.c|s/	__clear_bit(block, map->stale_blocks);/	(void)0;/|test_map
pb-map.c|s/nr_regions - first >= BITS_PER_LONG/nr_regions - first > BITS_PER_LONG/|test_map
pb-map.c|s/hweight_long(bits \& ~map->dirty\[at + i\])/hweight_long(bits)/|test_map
config.c|s/if (volume->timeout_ms < 2 \* volume->keepalive_ms)/if (0)/|test_config
config.c|s/volume->dead_after_ms < 3 \* l->config->ping_ms/volume->dead_after_ms < 2 * l->config->ping_ms/|test_config
config.c|s/len != strlen(name) || memcmp(/len != strlen(name) \&\& memcmp(/|test_config
config.c|s/(other->meta \&\& !strcmp(path, other->meta))/0/|test_config
config.c|s/!strcasecmp(a->address/!strcmp(a->address/|test_config
config.c|s/a->node\[0\] \&\& b->node\[0\] \&\& strcmp(a->node, b->node)/1/|test_config
config.c|s/if (length < 1 || length > PB_MAX_REPLICAS)/if (length < 1)/|test_config
config.c|s/	free(config->certificate);/	;/|test_config
config.c|s/return entry->d_name\[0\] != '.' \&\&/return/|test_config
config-file.c|s/if (keys\[k\].required \&\&/if (0 \&\&/|test_config
config-file.c|s/if (number < min || number > max)/if (number < min)/|test_config
config-file.c|s/ > INT_MAX || errno)/ == 0 || errno)/|test_config
config-file.c|s/if (config_setting_get_format(setting) != CONFIG_FORMAT_DEFAULT)/if (0)/|test_config
config-file.c|s/^			++\*line;/			*line += 0;/|test_config
config-file.c|s/if (!has_port(text))/if (0)/|test_config
config-file.c|s/if (!S_ISREG(st.st_mode)) {/if (0) {/|test_config
config-file.c|s/\&\& !has_port(host) \&\& \*host != '\['/\&\& 0/|test_config
store-db.c|s/BEGIN EXCLUSIVE/BEGIN/|test_store
store-db.c|s/PRAGMA locking_mode = EXCLUSIVE; //|test_store
store-db.c|s/COMMIT; PRAGMA synchronous = EXTRA/COMMIT; PRAGMA synchronous = OFF/|test_store
store-db.c|s/"PRAGMA synchronous = EXTRA; BEGIN/"PRAGMA synchronous = OFF; BEGIN/|test_store
store-db.c|s/return ret ? ret : sync_parent(/return ret || s->path ? ret : sync_parent(/|test_store
store-db.c|s/if (version > USER_VERSION)/if (0)/|test_store
store-db.c|s/SELECT count(\*) FROM sqlite_schema/SELECT 4/|test_store
store-db.c|s/if (!access(journal, F_OK))/if (0)/|test_store
store-db.c|s/if (!got || len >= size || strlen(got) != len)/if (!got || !size || len > 4096)/|test_store
store-sqlite.c|s/if (last > view->number)/if (0)/|test_store
store-sqlite.c|s/if (!same_view(\&known, view))/if (0 \&\& !same_view(\&known, view))/|test_store
store-sqlite.c|s/sdb_number(stmt, 5) != view_sum(volume, view)/0/|test_store
store-sqlite.c|s/if (sum != state_sum(volume, stored))/if (sum == 1 \&\& sum != state_sum(volume, stored))/|test_store
store-sqlite.c|s/if (stored->view.number != last)/if (0)/|test_store
store-sqlite.c|s/add_number(\&crc, member->incarnation);/;/|test_store
store-sqlite.c|s/if (from > PV_MAX_VIEW || max <= 0)/if (max <= 0)/|test_store
store-sqlite.c|s/return sdb_finish(s, sdb_use(s, COMMIT, NULL), err);/return 0;/|test_store
store-sqlite.c|/^static int put_all/,/^}/s/	if (!ret)$/	if (1)/|test_store
store-sqlite.c|s/ret = sdb_finish(s, sdb_use(s, DROP_EVICTED, volume), err);/ret = 0;/|test_store
http.c|s/(changed \&\& pv_server_has_news/(changed \&\& !server->nr \&\& pv_server_has_news/|test_http
http.c|s/if (now >= request->until ||/if (now >= request->until + 600000 ||/|test_http
http.c|s/if (!pv_crt_has_name(request->crt, request->node))/if (0)/|test_http
http.c|s/	while (http->waiting)/	while (0)/|test_http
talk.c|s/	if (json_object_get_int64(value) < 0)/	if (0)/|test_talk
talk.c|s/json_tokener_get_parse_end(tokener) != len/0/|test_talk
talk.c|s/ || strlen(json_object_get_string(value)) != len)/)/|test_talk
talk.c|s/	if (!json_object_is_type(\*value, type))/	if (0)/|test_talk
talk.c|s/say->sync_left > say->sync_total/0/|test_talk
server.c|s/	if (ret)$/	if (0)/|test_server
server.c|/^int pv_server_ping/,/^}/s/	save_all(server);/	;/|test_server
server.c|/^u32 pv_server_tick/,/^}/s/if (at < next)/if (0)/|test_server
server.c|s/	saved = nr > 1 \&\& !/	saved = nr > 1 || !/|test_server
server.c|s/volume->changed = ++server->changes;/++server->changes;/|test_server
server.c|s/if (is_new || volume->stored.handover != volume->next.handover)/if (is_new)/|test_server
server.c|s/if (known > server->changes)/if (0)/|test_server
views.c|s/		     volume->dead_after + 1;/		     volume->dead_after;/|test_views test_views_own
views.c|s/if (at > now \&\& at < next)/if ((at > now || 1) \&\& at < next)/|test_views test_views_own
server.c|s/	volume->in_doubt = true;/	;/|test_server
server.c|s/		from = known->ping.disk_view;/		from = volume->stored.view.number;/|test_server
server.c|s/ \&\& views\[i\].number <= last.number//|test_server
server.c|s/		if (!heard\[i\] || told->code != PV_TAKEN)/		if (!heard[i] || told->code == PV_NO_STORE)/|test_server
server.c|s/		if (heard\[i\]->in_doubt)/		if (0)/|test_server
server.c|s/		    !memcmp(views\[i\].members\[0\].replica/		    0 \&\& !memcmp(views[i].members[0].replica/|test_server
server.c|s/			       !volume->state.acked \&\&//|test_server
server.c|s/	if (volume->round == server->round)/	if (0)/|test_server
server.c|s/	next->handover = state->handover;/	next->handover = false;/|test_server
server.c|s/	next->nr_evicted = 0;/	;/|test_server
tls.c|s/len == strlen(node) \&\& !memcmp(name, node, len)/!strncmp(name, node, strlen(node))/|test_link
tls.c|s/	if (status) {/	if (0) {/|test_link
tls.c|s/stream->node ? GNUTLS_KP_TLS_WWW_SERVER/!stream->node ? GNUTLS_KP_TLS_WWW_SERVER/|test_link
tls.c|s/GNUTLS_CERT_REQUIRE)/GNUTLS_CERT_IGNORE)/|test_link
tls.c|s/if (!ret \&\& !speaks_ours(stream->session))/if (0 \&\& !speaks_ours(stream->session))/|test_link
tls.c|s/if (rx \&\& gnutls_record_check_pending(stream->session))/if (0)/|test_link
tls.c|s/memcpy(at, seq, SEQ_LEN);/memset(at, 0, SEQ_LEN);/|test_link
tls.c|s/memcpy(at, iv.data + cipher->salt, cipher->iv);/memcpy(at, iv.data, cipher->iv);/|test_link
tls.c|s/		if (got >= 0)$/		if (got >= 0 \&\& (stream->deadline += 100))/|test_link
link.c|s/ret = pv_tls_check_name(stream, offer->node, err);/ret = 0;/|test_link
link.c|s/	if (ret \&\& !stream->error)/	if (0)/|test_link
link.c|s/	return len \&\& pb_all_zero(node + len, PB_NAME_LEN - len);/	return len;/|test_offer
link.c|s/	if (kind == PV_OFFER_LINK \&\& !wire->view)/	if (0)/|test_offer
link.c|s/status > MAX_ERRNO/0/|test_offer
link.c|s/		ret = pv_tls_prepare(stream, err);/		ret = 0;/|test_link
link.c|s/		send_reply(stream, status, err->text, \&unsent);/		(void)unsent;/|test_link
EOF
}

check() {
	file=$1 expr=$2 tests=$3

	rm -rf "$tmp/kmod" "$tmp/pbviewd" "$tmp/lib"
	cp -r "$root/kmod" "$root/userspace/pbviewd" "$root/userspace/lib" "$tmp"
	dir=kmod
	from=$root/kmod
	[ -e "$from/$file" ] || { dir=pbviewd; from=$root/userspace/pbviewd; }
	[ -e "$from/$file" ] || { dir=lib; from=$root/userspace/lib; }
	sed -i "$expr" "$tmp/$dir/$file"
	if cmp -s "$from/$file" "$tmp/$dir/$file"; then
		echo "changes nothing"
		return 1
	fi
	for test in $tests; do
		if ! make -s -C "$here" O="$tmp/build" KMOD="$tmp/kmod" \
			PBVIEWD="$tmp/pbviewd" LIB="$tmp/lib" "$tmp/build/$test" >"$tmp/log" 2>&1; then
			echo "does not compile"
			return 1
		fi
		"$tmp/build/$test" >"$tmp/log" 2>&1 || break
		test=
	done
	if [ -z "$test" ]; then
		echo "goes unnoticed"
		return 1
	fi
	first=$(sed -n 's/^not ok [0-9]* - //p' "$tmp/log" | head -n 1)
	red=$(grep -c '^not ok' "$tmp/log") || first="the test breaks off"
	echo "$red red, first: $first"
}

echo "TAP version 13"
mutations | grep -e "$only" >"$tmp/list"
nr=0
failed=0
while IFS= read -r line; do
	nr=$((nr + 1))
	file=${line%%|*}
	tests=${line##*|}
	expr=${line#*|}
	expr=${expr%|*}
	if said=$(check "$file" "$expr" "$tests"); then
		echo "ok $nr - $file: $expr"
	else
		echo "not ok $nr - $file: $expr"
		failed=$((failed + 1))
	fi
	echo "# $said"
done <"$tmp/list"
echo "1..$nr"
[ "$failed" -eq 0 ]
