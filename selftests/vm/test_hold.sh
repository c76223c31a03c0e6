#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# No write, FUA, discard, write-zeroes or flush is done before the successor's
# ack; a fake successor holds it.  Then the same between two real replicas: an
# fsync with nothing dirty flushes the other disk.
. "$(dirname "$0")/lib.sh"
begin

make_disks A B
dmsetup create slow --table "0 $sectors linear $dev_dA 0"
keep=$dev_dA
dev_dA=/dev/mapper/slow
replica A a
check "view 1" pbt view A 1 ab
run_c t_hold A

dmsetup remove A
dmsetup remove slow
losetup -D
rm $work/[dm][AB]

make_pair
flushes=$(pbt status B applied_flushes)
check "fsync with nothing dirty" pbt io A flush
check "the other disk has flushed" \
	[ "$(pbt status B applied_flushes)" -gt "$flushes" ]
for op in write fua discard zeroes; do
	check "$op between real replicas" pbt io A $op 65536 65536
done
same
