#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Messages of an older view, delivered in later ones: 1:A,B 2:B,C 3:C,A 4:A,B.
PB_SECTORS=16384
. "$(dirname "$0")/lib.sh"
begin

blank() {	# blank NAME LETTER
	dmsetup create "$1" --table \
		"0 $sectors pb $volume $(dev "d$1") $(dev "m$1") 4 format blank replica $(uuid_of "$2")"
}

make_disks A B C
# No region is zero: each travels as data.
head -c $((sectors * 512)) /dev/urandom | dd of=$dev_dA bs=1M oflag=direct iflag=fullblock status=none
replica A a
blank B b
blank C c
run_c t_old $work
same "A and B are equal in view 4"
check "they are still connected" pbt wait A down up
