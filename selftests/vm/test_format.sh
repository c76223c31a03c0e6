#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Sizes of the activity log and the dirty maps: in the table, on the disk.
. "$(dirname "$0")/lib.sh"
begin

refused() {	# refused WORDS: the replica is not set up
	replica A a "$1" 2>/dev/null
	is $? 1 "refused: $1"
}

field() {	# field OFFSET: 4 bytes of the superblock
	od -An -t u4 -j "$1" -N 4 $work/mA | tr -d ' '
}

fields() {	# fields BLOCKS SLOTS EXTENT REGION MAPS
	local at=672 want

	for want; do
		is "$(field $at)" "$want" "field at $at"
		at=$((at + 4))
	done
}

zero() {	# zero FIRST COUNT: blocks of 4096
	cmp -n $(($2 * 4096)) -i $(($1 * 4096)):0 $work/mA /dev/zero
}

make_disks A
refused "extent_size 524288"
refused "extent_size 134217728"
refused "extent_size 3145728"
refused "extent_size 0"
refused "hot_extents 63"
refused "hot_extents 65537"
refused "region_size 2048"
refused "region_size 8388608"
refused "region_size 65537"
refused "region_size 2097152 extent_size 1048576"
refused "maps 0"
refused "maps 8"
refused "maps x"
dmsetup create A --table \
	"0 $sectors pb $volume $(dev dA) $(dev mA) 2 maps 4" 2>/dev/null
is $? 1 "refused: without format"
check "nothing was written" zero 0 1024

# What is there before is no log and no map: it must go.
yes | head -c 4194304 >$work/junk
dd if=$work/junk of=$work/mA bs=1M conv=notrunc status=none
dd if=/dev/zero of=$work/mA bs=64K count=2 conv=notrunc status=none
check "set up with the defaults" replica A a
fields 96 16384 13 7 4
check "the log is blank" zero 32 96
check "the maps are blank" zero 256 4
check "the rest is left alone" cmp -i 1064960 $work/mA $work/junk
dmsetup remove A
check "set up again" again A
dmsetup remove A
dd if=/dev/zero of=$work/mA bs=64K count=2 conv=notrunc status=none
check "set up with other sizes" replica A a \
	"extent_size 1048576 hot_extents 65536 region_size 4096 maps 7"
fields 368 65536 11 3 7
dmsetup remove A

# A volume that needs more room than there is.
losetup -D
rm -f $work/[dm]A
sectors=1073741824
make_disks A
refused "region_size 65536"
check "with larger regions there is room" replica A a "region_size 131072"
