#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A neighbour that says wrong things: refused, nothing changed, served on.
PB_SECTORS=4096
. "$(dirname "$0")/lib.sh"
begin

make_disks A B
# The backup's data disk can be made to wait.
dmsetup create slow --table "0 $sectors linear $dev_dB 0"
dev_dB=/dev/mapper/slow
replica A a "block_size 1024"
replica B b "block_size 1024"
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "A: view 2" pbt view A 2 ab
check "B: view 2" pbt view B 2 ab
run_c t_hostile backup B $work/dB
run_c t_hostile flood B slow
run_c t_hostile primary A $work/dA

# What was fake is over: the real two go on in a new view, written in full.
check "A: view 3" pbt view A 3 ab
check "B: view 3" pbt view B 3 ab
check "the two connect" pbt pair A B
check "written in full" dd if=/dev/urandom of=/dev/mapper/A bs=64k count=32 oflag=direct
same

# What differs and was not copied is not forgotten.
is "$(pbt io A flush)" 0 "flushed"
check "A: view 4" pbt view A 4 ab-
run_c t_hostile digests A $work/dA
