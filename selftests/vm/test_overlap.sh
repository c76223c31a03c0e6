#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Overlapping writes in flight end equal on both replicas.
. "$(dirname "$0")/lib.sh"
begin
modprobe dm-delay 2>/dev/null		# or it is built in
make_disks A B

# A fake successor is too busy to answer: its first word has to last.
replica A a lease_ms 60000
check "view 1" pbt view A 1 ab
fewer PB_WRITES 30
run_c t_overlap fake A $work/dA
dmsetup remove A
losetup -D
rm $work/[dm][AB]

# Real replicas, the backup's disk slow in stripes of 32 KiB, its network too.
make_disks A B
for i in $(seq 0 64 $((sectors - 64))); do
	echo "$i 64 delay $dev_dB $i 0 $dev_dB $i $((i / 64 % 3 * 3))"
done | dmsetup create slow
dev_dB=/dev/mapper/slow
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
run_c t_overlap write A
same
if tc qdisc add dev lo root netem delay 1ms 2ms 2>/dev/null; then
	PB_WRITES=$(long && echo 500 || echo 15) run_c t_overlap write A
	tc qdisc del dev lo root
	same "equal with a slow network as well"
else
	echo "# this kernel has no netem: not with a slow network"
fi
check "some had to wait" [ "$(pbt status A overlap_waits)" -gt 0 ]
