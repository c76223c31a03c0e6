#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Verification where it is awkward: disks that cannot be read, a volume whose
# end is no region's, and what ends it from outside.
# 2.5 MB: two chunks and a piece; 156 regions and a piece.
PB_SECTORS=5000
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/verify.sh"
begin

size=$((sectors * 512))
region=16384
last=$((size / region * region))

# Data disks that can be made to fail reads.
make_disks A B
for name in A B; do
	dmsetup create disk$name --table "0 $sectors linear $(dev d$name) 0"
	eval "loop_$name=\$dev_d$name dev_d$name=/dev/mapper/disk$name"
done

# Metadata that can be made to wait.
dmsetup create metaA --table "0 8192 linear $dev_mA 0"
dev_mA=/dev/mapper/metaA

# table NAME: of a disk, from stdin
table() {
	dmsetup suspend "disk$1" && dmsetup reload "disk$1" && dmsetup resume "disk$1"
}

# break_disk NAME SECTOR: it and seven more cannot be read
break_disk() {
	eval "loop=\$loop_$1"
	printf '%s\n' "0 $2 linear $loop 0" "$2 8 error" \
		"$(($2 + 8)) $((sectors - $2 - 8)) linear $loop $(($2 + 8))" | table "$1"
}

heal_disk() {
	eval "loop=\$loop_$1"
	echo "0 $sectors linear $loop 0" | table "$1"
}

check "A" replica A a region_size $region extent_size $mib
check "B" replica B b region_size $region extent_size $mib
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
pbt io A write 0 655360 5 >/dev/null
pbt io A write $((mib + 4096)) 262144 6 >/dev/null
pbt io A flush >/dev/null
check "equal replicas are found equal" verify
is "$(pbt status B checked_bytes)" $size "up to the last sector"

# A write that only the backup has as yet is no difference: it waits here for the log.
dmsetup suspend metaA
applied=$(pbt status B applied_writes) waits=$(pbt status A overlap_waits)
pbt io A write $((2 * mib)) 4096 3 >"$work/w" &
write=$!
check "the backup has it" wait_for sh -c "test \$(pbt status B applied_writes) -gt $applied"
"$PBCTL" verify A --start 2MiB --json >"$work/result" 2>&1 &
pid=$!
check "who compares waits" wait_for sh -c "test \$(pbt status A overlap_waits) -gt $waits"
check "the log goes on" dmsetup resume metaA
wait $pid
is "$? $(ranges <"$work/result")" "0 " "there is no difference"
wait $write
is "$(cat "$work/w")" 0 "the write is done"

# The last piece is short, and all there is to find.
harm dB $((size - 512)) 512
is "$(verify | ranges)" "$last+$((size - last))" "the last sector differs"
check "repaired" verify --repair
same
is "$(verify --start 2MiB --length 512 | ranges)" "" "a sector of it"
harm dB $((mib + region)) 1
harm dB $((mib - 1)) 1
is "$(verify | ranges)" "$((mib - region))+$region $((mib + region))+$region" "regions of 16 KiB"
is "$(verify --length 512 | ranges)" "" "not in the first sector"
check "repaired" verify --repair
same

# The backup cannot read: as good as different, told, and no reason to go.
check "the backup's disk breaks" break_disk B 2100
harm dB $((mib + 500000)) 10
errors=$(pbt status B local_errors)
verify >"$work/result"
is $? 1 "what it cannot read is not the same"
is "$(ranges <"$work/result")" "$mib+$mib" "all that was read with it"
[ "$(pbt status B local_errors)" -gt "$errors" ]
ok $? "it is counted"
is "$(pbt status B flags) $(pbt status A down)" "- up" "the backup stays"
is "$(pbt io A write 4096 4096 9)" 0 "writes go on"
check "the disk is healed" heal_disk B
check "repaired" verify --repair
same

# The primary cannot read: nothing to compare with.
check "the primary's disk breaks" break_disk A 10
errors=$(pbt status A local_errors)
harm dB $((mib + 8192)) 10
verify --repair >"$work/result"
is $? 1 "what it cannot read is not known to be the same"
is "$(jq .unreadable_bytes <"$work/result")" $mib "it says so"
is "$(jq .compared_bytes <"$work/result")" $((size - mib)) "the rest was compared"
is "$(ranges <"$work/result")" "$mib+$region" "and found to differ"
is "$(jq .repaired_bytes <"$work/result")" $region "and repaired"
is "$(pbt status A local_errors)" $((errors + 1)) "it is counted"
is "$(pbt status A flags) $(pbt status A down)" "- up" "the primary serves on"
check "the disk is healed" heal_disk A
check "compared" verify
same

# The application must not starve it.
check "a least rate" "$PBCTL" resync A --min-rate 1GiB
is "$("$PBCTL" status A --json | jq '.[0].transfer.min_rate')" $((1 << 30)) "status tells it"
touch "$work/go"
while [ -e "$work/go" ]; do pbt io A write 0 4096 1 >/dev/null; done &
churn=$!
check "compared beside a writer" verify
rm "$work/go"
wait $churn
check "half of the time again" "$PBCTL" resync A --min-rate 0

# A planned switch while one goes on; what it had under way keeps nobody.
check "slowly" "$PBCTL" resync A --max-rate 1
"$PBCTL" verify A >/dev/null 2>&1 &
pid=$!
check "it goes on" wait_for in_state A comparing
check "A: view 2" pbt view A 2 ba
check "B: view 2" pbt view B 2 ba
is "$(pbt status A state) $(pbt status B role)" "synced primary" "switched"
check "it is stopped" in_state A stopped
wait $pid
"$PBCTL" verify A >"$work/out" 2>&1
is $? 1 "a backup verifies nobody"
check "they connect" pbt pair B A
check "the other way round" "$PBCTL" verify B
same

# Back, and by digests: the short piece alone is copied.
check "B: view 3" pbt view B 3 b
dmsetup remove A
harm dA $((size - 512)) 512
dd if=/dev/zero of="$work/mA" bs=1M count=4 conv=notrunc 2>/dev/null
check "A anew" dmsetup create A --table "0 $sectors pb $volume $dev_dA $dev_mA 4 format blank replica $(uuid_of a)"
check "A: view 4" pbt view A 4 ba-
check "B: view 4" pbt view B 4 ba-
check "by digests" "$PBCTL" resync B --checksum on
moved=$(pbt status B sync_bytes) equal=$(pbt status B sync_equal)
check "they connect" pbt pair B A
check "A is brought up to date" wait_for sh -c 'test $(pbt status A state) = synced && test $(pbt status B sync) = synced'
is $(($(pbt status B sync_bytes) - moved)) $((size - last)) "what differs was copied"
is $(($(pbt status B sync_equal) - equal)) $last "the rest was found equal"
same

# Removal while one goes on; and the module stays as long as it is used.
check "slowly" "$PBCTL" resync B --max-rate 1
"$PBCTL" verify B >/dev/null 2>&1 &
pid=$!
check "it goes on" wait_for in_state B comparing
rmmod dm_pb 2>/dev/null
is $? 1 "the module is in use"
check "the primary is removed" within 10 dmsetup remove B
wait $pid
is $? 1 "whoever waited is told"
check "the backup is removed" within 10 dmsetup remove A
