#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The disks of a replica are nobody else's, device-mapper's other targets included: what the
# volume holds is on the backup's disk too, and would be found and activated there.
. "$(dirname "$0")/lib.sh"
begin

linear() {	# linear NAME DISK
	dmsetup create "$1" --table "0 2048 linear $2 0" 2>&1
}

shown_below() {	# shown_below DISK: devices that /sys/block has on top of it
	(cd "/sys/block/$(basename "$1")/holders" && ls) | sed 's/^/\/sys\/block\//; s/$/\/dm\/name/' | xargs -r cat | tr '\n' ' '
}

check "a pair" make_pair
for name in dA mA dB mB; do
	linear other "$(dev $name)" | grep -q "Device or resource busy"
	ok $? "no other target gets $name"
	dd if=/dev/zero of="$(dev $name)" oflag=excl bs=512 count=0 2>/dev/null
	is $? 1 "nobody else opens $name for himself"
done
is "$(shown_below "$(dev dA)")" "A " "/sys/block shows who has the data device"
is "$(shown_below "$(dev mA)")" "A " "and the metadata device"
check "lsblk shows the stack" sh -c "lsblk -rno NAME $(dev dA) | grep -qx A"

# A next table, active or not, is the same replica's.
check "the table is loaded again" sh -c "dmsetup table A | dmsetup load A"
is "$(shown_below "$(dev dA)")" "A " "it is shown once"
check "and taken" dmsetup resume A
check "and once more, and cleared" sh -c "dmsetup table A | dmsetup load A && dmsetup clear A"
is "$(shown_below "$(dev dA)")" "A " "it is still shown"
linear other "$(dev dA)" >/dev/null
ok $((! $?)) "and still nobody else's"
is "$(pbt io A write 0 4096 7)" 0 "A writes"
dmsetup table B >"$work/table"
check "a device that is no replica is not its own disk" sh -c "
	dmsetup create own --notable && ! dmsetup load own --table \"\$(dmsetup table B | sed \"s/[0-9]*:[0-9]* [0-9]*:[0-9]*/\$(dmsetup info -c --noheadings --separator : -o major,minor own) -/\")\"
	dmsetup remove own"

# The other way round: what somebody else has is refused, with what it is.
check "B is removed" dmsetup remove B
is "$(shown_below "$(dev dB)")" "" "nothing is shown any more"
for name in dB mB; do
	check "a table takes $name" linear other "$(dev $name)"
	before=$(dmesg | wc -l)
	again B 2>/dev/null
	is $? 1 "B is not set up on it"
	dmesg | tail -n +$((before + 1)) | grep -q "the $([ $name = dB ] && echo data || echo metadata) device is in use"
	ok $? "and the kernel's log says why"
	check "it goes" dmsetup remove other
done
check "now it is" again B
check "B confirms its view" pbt view B 1 ab
check "they connect" pbt pair A B
is "$(pbt io A write 4096 4096 8)" 0 "A writes"
same
