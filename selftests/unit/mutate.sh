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

# file | sed expression | test that must go red
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
pb-codec.c|s/rule->payload ? tmp.count \* 512/rule->payload ? tmp.data_len/|test_codec
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
pb-view.c|s/if (self->crashed && pb_view_other_synced(view, index))/if (0)/|test_view
pb-view.c|s/if (self->crashed && beside)/if (self->crashed \&\& index)/|test_view
pb-view.c|s/if (self->diverged && beside)/if (0)/|test_view
pb-view.c|s/self->view.number != view->number - 1/self->view.number > view->number - 1/|test_view
pb-view.c|s/if (!self->view.number)$/if (1)/|test_view
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
pb-super.c|s/if (!pb_all_zero(disk->reserved, sizeof(disk->reserved)))/if (0)/|test_super
pb-super.c|s/crc = crc32c(crc, (const u8 \*)disk + after, sizeof(\*disk) - after);/crc = crc32c(crc, (const u8 *)disk + after, 640 - after);/|test_super
pb-super.c|s/gen\[0\] == gen\[1\] &&/0 \&\&/|test_super
pb-super.c|s/		sectors++;/		(void)sectors;/|test_super
EOF
}

check() {
	file=$1 expr=$2 test=$3

	rm -rf "$tmp/kmod"
	cp -r "$root/kmod" "$tmp/kmod"
	sed -i "$expr" "$tmp/kmod/$file"
	if cmp -s "$root/kmod/$file" "$tmp/kmod/$file"; then
		echo "changes nothing"
		return 1
	fi
	if ! make -s -C "$here" O="$tmp/build" KMOD="$tmp/kmod" \
		"$tmp/build/$test" >"$tmp/log" 2>&1; then
		echo "does not compile"
		return 1
	fi
	if "$tmp/build/$test" >"$tmp/log" 2>&1; then
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
	test=${line##*|}
	expr=${line#*|}
	expr=${expr%|*}
	if said=$(check "$file" "$expr" "$test"); then
		echo "ok $nr - $file: $expr"
	else
		echo "not ok $nr - $file: $expr"
		failed=$((failed + 1))
	fi
	echo "# $said"
done <"$tmp/list"
echo "1..$nr"
[ "$failed" -eq 0 ]
