#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Wrong ioctls change nothing.  View numbers never go back.
. "$(dirname "$0")/lib.sh"
begin

make_disks A B
replica A a
check "A: view 1" pbt view A 1 ab
run_c t_ioctl A

again_and_again() {	# after each of these the view is still known
	is "$(pbt status A view)" "$1" "$2: the view is known"
	is "$(pbt status A role)" unconfirmed "$2: and not confirmed"
	is "$(pbt view A $(($1 - 1)) a 2>/dev/null)" ESTALE "$2: no older one"
	is "$(pbt view A "$1" b 2>/dev/null)" EEXIST "$2: no other one"
}

number=2
for round in 1 2 3; do
	dmsetup remove A
	again A
	again_and_again $number "remove and create"
	check "confirmed" pbt view A $number a
	is "$(pbt io A write)" 0 "it serves"
	dmsetup remove A
	wait_for rmmod dm_pb
	load
	again A
	again_and_again $number "rmmod and insmod"
	number=$((number + 1))
	check "the next" pbt view A $number a
done

# Formatting does not overwrite; a foreign superblock is refused.
dmsetup remove A
replica A a 2>/dev/null
is $? 1 "no format over a superblock"
volume=99999999-2222-3333-4444-555555555555 again A 2>/dev/null
is $? 1 "no set-up as another volume"
again A
# One damaged copy brings no older view back.
check "view 5 again" pbt view A 5 a
dmsetup remove A
for slot in 0 16; do
	cp $work/mA $work/keep
	printf X | dd of=$work/mA bs=1 seek=$((slot * 4096 + 300)) conv=notrunc 2>/dev/null
	losetup -d "$dev_mA"
	dev_mA=$(losetup -f --show $work/mA)
	again A
	is "$(pbt status A view)" 5 "copy at block $slot damaged: view 5"
	dmsetup remove A
	losetup -d "$dev_mA"
	cp $work/keep $work/mA
	dev_mA=$(losetup -f --show $work/mA)
done

# Force: for the primary alone, recorded.
replica B b
check "B: view 1" pbt view B 1 ab
is "$(pbt view B 3 b)" EPERM "a number left out: no primary"
check "by force" pbt view B 3 b force
is "$(pbt status B forced_view)" 3 "it is on record"
dmsetup remove B
again B
is "$(pbt status B flags)" forced "also after a set-up"
