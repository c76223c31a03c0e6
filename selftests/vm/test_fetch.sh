#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Reads over the wire: a neighbour that asks for or answers what it must not is refused, and
# whoever waits for data gets them in the end, or is let go.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe dm-flakey 2>/dev/null
need_failing_reads

make_disks A B
soft dA
replica A a "block_size 1024"
replica B b "block_size 1024"
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "A: view 2" pbt view A 2 ab
check "B: view 2" pbt view B 2 ab
run_c t_fetch backup B
flaky dA error_reads
run_c t_fetch primary A
well dA
