#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Typical mistakes with the module and disks: one line each, and nothing has changed.
. "$(dirname "$0")/lib.sh"
[ -x "${PBCTL:-}" ] || skip_all "PBCTL does not name pbctl"
begin

make_disks A B C D
disk lin 8192
dmsetup create lin --table "0 8192 linear $dev_lin 0"
replica A a
replica B b
replica D d
dmsetup create C --table "0 $sectors pb $volume $dev_dC $dev_mC 6 name C format blank replica $(uuid_of c)"
for number in 1 2; do
	check "A: view $number" pbt view A $number ab
	check "B: view $number" pbt view B $number ab
done
check "A and B are connected" pbt pair A B
check "D: view 1" pbt view D 1 de

# They are numbered here.
RUN_LIMIT=500 run_c sh -c "exec python3 '$here/../mistakes/test_mistakes.py' machine | sed -u 's/ok [0-9]* - /ok - /'"
is "$(pbt status A down)" up "A and B are connected as before"
check "A serves" pbt io A write
