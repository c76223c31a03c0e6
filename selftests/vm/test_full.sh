#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An activity log without a free slot: whoever waits for one gets it, or is let go.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin

mib=$((1 << 20))
small="hot_extents 64 extent_size $mib"
sectors=$((160 * 2048))

# begin_all FROM TO LENGTH: to write that much into each of these extents, all at once
begin_all() {
	local i

	rm -f "$work"/w[0-9]*
	for i in $(seq "$1" "$2"); do
		pbt io A write $((i * mib)) "$3" $((i % 250 + 1)) >"$work/w$i" &
	done
}

# write_all FROM TO LENGTH: true if every one is done in time
write_all() {
	begin_all "$@"
	done_with "$(($2 - $1 + 1))" 0
}

# done_with COUNT RESULT: so many have said so
done_with() {
	wait_for sh -c "test \$(cat $work/w[0-9]* | grep -cx $2) = $1"
}

# A backup that was set up again takes all its slots for unflushed; the first thing it is sent
# needs another one.
make_disks A B
replica A a $small
replica B b $small
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
check "64 extents are written" write_all 0 63 4096
check "B goes" dmsetup remove B
check "and comes back" again B
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
is "$(within 30 pbt io A write $((64 * mib)) 4096 1)" 0 "a write into the 65th"
is "$(within 30 pbt io A write $((65 * mib)) 4096 1)" 0 "and the 66th"
same

# The same with a connection that breaks while it waits.
check "64 extents are written" write_all 0 63 4096
check "B goes" dmsetup remove B
check "and comes back" again B
check "B: view 1" pbt view B 1 ab
rm -f $work/w[0-9]*
pbt io A write $((70 * mib)) 4096 9 >$work/w0 &
check "a write waits for it" wait_for sh -c 'test $(pbt status A held) = 1'
check "they connect" pbt pair A B
check "disconnected" pbt disconnect A
check "they connect again" pbt pair A B
check "the write is done" done_with 1 0
same

# More than the two logs have slots for, and more payload than the backup takes in, while the
# primary's disk stands still.  What each needs then is on its way behind all that: the backup a
# word on what is done, the primary a flush.
fresh
sectors=$((270 * 2048))
make_disks A B
soft dA
replica A a $small
replica B b $small
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
check "40 extents are written" write_all 0 39 4096
dmsetup suspend --nolockfs --noflush softdA
begin_all 40 259 262144
check "the backup has as many as it has slots for" wait_for sh -c 'test $(pbt status B applied_writes) = 104'
dmsetup resume softdA
check "all are done" done_with 220 0
is "$(pbt status B rx_throttled)" 0 "the backup never had to pause"
same

# What waits for a slot does not keep a device from going, nor the one that it came from.
check "A's disk stands still" sh -c "dmsetup suspend --nolockfs --noflush softdA"
begin_all 40 169 4096
check "some wait" wait_for sh -c 'test $(pbt status A log_waits) -gt 64'
check "B goes" within 30 dmsetup remove B
pbt policy A error
dmsetup resume softdA
check "A's are let go" wait_for sh -c "test \$(cat $work/w[0-9]* | wc -l) = 130"
check "A goes" within 30 dmsetup remove A
