#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flush that begins before it is asked for: never before the write is on the disk.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe dm-delay 2>/dev/null		# or it is built in
tracing=/sys/kernel/tracing

# slow NAME: its disk takes its time for a write, and none for a flush
slow() {
	dmsetup create "slow$1" --table \
		"0 $sectors delay $(dev "d$1") 0 0 $(dev "d$1") 0 50 $(dev "d$1") 0 0"
	eval "dev_d$1=/dev/mapper/slow$1"
}

# in_order NAME: each write to its disk was done before the flush after it began
in_order() {
	local numbers

	numbers=$(dmsetup info -c --noheadings -o major,minor "slow$1" | tr : ,)
	awk -v "dev=$numbers" '
		{
			for (i = 1; i <= NF; i++)
				if ($i == dev && $(i - 1) ~ /^block_bio_/)
					break
			if (i > NF)
				next
			queued = $(i - 1) ~ /queue/
		}
		$(i + 1) ~ /^F/ { flushes += queued; bad += queued && written < flushes; next }
		$(i + 1) ~ /W/ { written += !queued }
		END {
			print written " writes, " flushes " flushes, " bad + 0 " too early"
			exit !(written == 4 && flushes == 4 && !bad)
		}' "$work/trace"
}

make_disks A
replica A a lease_ms 0
check "A: view 1" pbt view A 1 ab
run_c t_early fake A
dmsetup remove A
losetup -D
rm "$work"/[dm]A

make_disks A
replica A a lease_ms 0
check "A: view 1" pbt view A 1 ab
run_c t_early old A
dmsetup remove A
losetup -D
rm "$work"/[dm]A

make_disks A
soft dA
replica A a lease_ms 0
check "A: view 1" pbt view A 1 ab
run_c t_early dead A "dmsetup load softdA --table '0 $sectors error' &&
	dmsetup suspend --nolockfs --noflush softdA && dmsetup resume softdA"
dmsetup remove A softdA
losetup -D
rm "$work"/[dm]A

[ -d $tracing/events ] || mount -t tracefs none $tracing
make_disks A B
slow A
slow B
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
for event in block_bio_queue block_bio_complete; do
	echo 1 >$tracing/events/block/$event/enable
done
run_c t_early pair A
cp $tracing/trace "$work/trace"
echo 0 >$tracing/events/enable
check "A's disk: in order" in_order A
check "B's disk: in order" in_order B
same

finish
