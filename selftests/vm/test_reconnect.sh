#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Broken connections with hundreds of writes in flight.
. "$(dirname "$0")/lib.sh"
begin

# The backup's disk takes its time, so that much is in flight.
modprobe dm-delay 2>/dev/null		# or it is built in
make_disks A B
dmsetup create slow --table "0 $sectors delay $dev_dB 0 0 $dev_dB 0 $((500 * slow))"
dev_dB=/dev/mapper/slow
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
# One round for each way to break a connection.
fewer PB_ROUNDS 5
fewer PB_DEPTH 150
run_c t_reconnect A B $work/dA $work/dB
same
