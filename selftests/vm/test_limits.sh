#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The volume's queue limits suit the disks at both ends: once the neighbours
# know each other, the stricter of the two holds.  A is on a loop device, B on a
# SCSI disk with blocks of 4 KiB inside, then on a RAM disk that cannot zero.

. "$(dirname "$0")/lib.sh"

limit() {	# limit NAME LIMIT: what the queue of a volume says
	cat "/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor "$1")/queue/$2"
}

limit_is() {	# limit_is NAME LIMIT VALUE
	[ "$(limit "$1" "$2")" = "$3" ]
}

scsi_disk() {	# the block device of scsi_debug
	local dir

	for dir in /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*:*/block/*; do
		[ -d "$dir" ] && echo "/dev/${dir##*/}"
	done
}

scsi_disk_there() {
	[ -b "$(scsi_disk)" ]
}

begin
sectors=16384
if ! modprobe sd_mod || ! modprobe scsi_debug dev_size_mb=16 physblk_exp=3 lbpu=1 lbpws=1 unmap_granularity=64; then
	skip_all "no scsi_debug"
fi
modprobe brd rd_nr=1 rd_size=8192 2>/dev/null || skip_all "no brd"
wait_for scsi_disk_there

make_disks A B C
dev_dB=$(scsi_disk)
[ -b "$dev_dB" ]
ok $? "a SCSI disk"
check "a replica on a loop device" replica A a
check "one on the SCSI disk" replica B b
is "$(limit A physical_block_size)" 512 "alone: blocks of the loop device"
is "$(limit B physical_block_size)" 4096 "alone: blocks of the SCSI disk"
granularity=$(limit B discard_granularity)
[ "$(limit A discard_max_bytes)" -gt 0 ]
ok $? "alone: discards"

check "a view" sh -c "pbt view A 1 ab && pbt view B 1 ab"
check "a pair" pbt pair A B
check "together: the larger blocks" wait_for limit_is A physical_block_size 4096
is "$(limit A minimum_io_size)" 4096 "together: the minimal I/O size"
is "$(limit A discard_granularity)" "$granularity" "together: the coarser discards"
is "$(limit A logical_block_size)" 512 "the logical block size is the volume's own"
check "discards still work" blkdiscard -o 1M -l 1M /dev/mapper/A
check "a reload" sh -c "dmsetup suspend A && dmsetup table A | dmsetup load A && dmsetup resume A"
is "$(limit A physical_block_size)" 4096 "after a reload: still the larger blocks"
check "write" pbt io A write 4096 65536 5
cmp -n $((sectors * 512)) "$work/dA" "$dev_dB"
ok $? "the replicas are equal"

check "B goes" dmsetup remove B
check "a RAM disk" sh -c "[ -b /dev/ram0 ]"
dev_dC=/dev/ram0
check "a replica that cannot zero" replica C c
is "$(limit C discard_max_bytes)" 0 "it offers no discards"
check "the primary goes on alone" pbt view A 2 a
check "alone again: discards" wait_for sh -c "[ $(limit A discard_max_bytes) -gt 0 ]"
check "A goes" dmsetup remove A
losetup -d "$dev_dA" "$dev_mA"
rm -f "$work/dA" "$work/mA"
make_disks A
check "a new A" replica A a
check "a view with C" sh -c "pbt view A 1 ac && pbt view C 1 ac"
check "a pair with C" pbt pair A C
check "together: no discards" wait_for limit_is A discard_max_bytes 0
blkdiscard -o 1M -l 1M /dev/mapper/A 2>/dev/null
is $? 1 "a discard is not supported"
check "write-zeroes are" blkdiscard -z -o 1M -l 1M /dev/mapper/A
check "write" pbt io A write 0 65536 6
check "A is closed" dmsetup remove A
check "C is closed" dmsetup remove C
cmp -n $((sectors * 512)) "$work/dA" /dev/ram0
ok $? "the replicas are equal"
rmmod brd
rmmod scsi_debug
