#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Verification of a backup: what differs is found, all of it and nothing else,
# listed and repaired, while the volume is in use; and state transfer that
# compares first.
. "$(dirname "$0")/lib.sh"
begin

. "$(dirname "$0")/verify.sh"

check "two synced replicas" make_pair
# No two blocks alike, and a half that was never written.
check "data" dd if=/dev/urandom of=/dev/mapper/A bs=1M count=8 oflag=direct
pbt io A flush >/dev/null

before=$(pbt status A tx_bytes)
check "equal replicas are found equal" verify
sent=$(($(pbt status A tx_bytes) - before))
is "$(pbt status A verify_bytes)" $((sectors * 512)) "all of it was compared"
is "$(pbt status B checked_bytes)" $((sectors * 512)) "by the backup as well"
[ "$sent" -lt $((sectors * 512 / 50)) ]
ok $? "only digests crossed the wire: $sent bytes"

# One byte, a whole region, the last block, one in what was never written.
harm dB $((mib + 70001)) 1
harm dB $((3 * mib)) $region
harm dB $((10 * mib + 4096)) 512
harm dB $((sectors * 512 - 512)) 512
want="$((mib + region))+$region $((3 * mib))+$region $((10 * mib))+$region"
want="$want $((sectors * 512 - region))+$region"
is "$(verify | ranges)" "$want" "what differs is listed, and nothing else"
verify >/dev/null
is $? 1 "the exit status says so"
check "status tells it" sh -c "$PBCTL status A | grep -q '! .*verify A --show'"
is "$(verify --start 3MiB --length 1MiB | ranges)" "$((3 * mib))+$region" "a part of the volume"
is "$(verify --start 12MiB --length 3MiB | ranges)" "" "another part"

is "$(verify --repair | ranges)" "$want" "they are found again"
is $? 0 "and repaired"
check "and are equal now" verify
same
check "it says how much" sh -c "$PBCTL verify A --show --json | jq -e '.state == \"done\" and .differing_bytes == 0'"

# Neighbours are one range, whatever the order they were found in.
harm dB 0 $((2 * mib + region))
is "$(verify --repair | ranges)" "0+$((2 * mib + region))" "neighbours are one range"
same

# The application goes on, also into what is being compared; it never sees a
# difference that is only a write on its way.
run_churn() {
	local i=0

	while [ -e "$work/go" ]; do
		pbt io A write $(((i * 7919 % (sectors / 8)) * 4096)) 4096 $((i % 250)) >/dev/null || break
		i=$((i + 1))
	done
}
touch "$work/go"
run_churn &
churn=$!
check "compared beside a writer" verify
check "and again" verify
harm dB $((9 * mib + 8192)) 100
harm dB $((14 * mib + 8192)) 100
check "repaired beside a writer" verify --repair
check "and compared" verify
rm "$work/go"
wait $churn
pbt io A flush >/dev/null
same

# What the primary has counts: it is the backup that is repaired.
before=$(sha256sum <"$work/dA")
harm dB $((2 * mib)) $region
check "repaired" verify --repair
is "$(sha256sum <"$work/dA")" "$before" "the primary's disk was not touched"
same

# Limits, stop, wrong requests.
check "a limit" "$PBCTL" resync A --max-rate 1MiB
"$PBCTL" verify A >"$work/slow" 2>&1 &
slow_one=$!
check "it goes on" wait_for in_state A comparing
"$PBCTL" verify A >"$work/said" 2>&1
is "$?" 1 "not two at once"
check "the reason" grep -q "goes on" "$work/said"
check "stop" "$PBCTL" verify A --stop
wait $slow_one
is $? 1 "whoever waited for it is told"
check "it is stopped" in_state A stopped
check "no limit" "$PBCTL" resync A --max-rate 0
check "the next one begins" wait_for verify
"$PBCTL" verify A --stop >"$work/said" 2>&1
is $? 1 "nothing to stop"
"$PBCTL" verify B >"$work/said" 2>&1
is $? 1 "a backup verifies nobody"
check "the reason" grep -q "not a primary with a synced backup" "$work/said"
"$PBCTL" verify A --start 1 >"$work/said" 2>&1
is $? 1 "a start that is no multiple of 1 MiB"
"$PBCTL" verify A --start 100MiB >"$work/said" 2>&1
is $? 1 "beyond the end"

# The link breaks in the middle: it goes on when there is one again.
harm dB $((15 * mib)) 10
# It would take half a year, and goes on at once when the limit is lifted.
check "slowly" "$PBCTL" resync A --max-rate 1
failed=$(pbt status A failed_bios)
"$PBCTL" verify A --json >"$work/result" 2>&1 &
pid=$!
check "some is compared" wait_for sh -c "$PBCTL verify A --show --json | jq -e '.compared_bytes >= 1048576'"
check "the link breaks" pbt disconnect A
pbt io A write 0 4096 77 >"$work/w" &
write=$!
check "the write waits" wait_for sh -c 'test $(pbt status A held) = 1'
check "it goes on without a link" in_state A comparing
check "they connect" pbt pair A B
check "fast again" "$PBCTL" resync A --max-rate 1GiB
wait $pid
is "$(ranges <"$work/result")" "$((15 * mib))+$region" "it finds the rest"
wait $write
is "$(cat "$work/w")" 0 "a write meanwhile is done"
is "$(pbt status A failed_bios) $(pbt status A policy)" "$failed 0" "no bio has failed, and none was to"
is "$(jq .compared_bytes <"$work/result")" $((sectors * 512)) "each part was compared once"
check "repaired" verify --repair

# A view ends it, and nothing waits for it.
check "slowly" "$PBCTL" resync A --max-rate 1MiB
"$PBCTL" verify A >/dev/null 2>&1 &
pid=$!
check "it goes on" wait_for in_state A comparing
pbt disconnect B >/dev/null
check "A: view 2" pbt view A 2 a
check "B: view 2" pbt view B 2 a
check "it is stopped" in_state A stopped
wait $pid
check "no limit" "$PBCTL" resync A --max-rate 0

# State transfer by digests: what is equal does not cross the wire.
for i in 2 4 6; do
	pbt io A write $((i * mib)) $((2 * region)) $((i + 40)) >/dev/null
done
pbt io A flush >/dev/null
# B has some of it already, and is blank to A: everything would be copied.
dmsetup remove B
cp "$work/dA" "$work/dB"
dd if=/dev/zero of="$work/mB" bs=1M count=4 conv=notrunc 2>/dev/null
harm dB $((4 * mib)) 1
harm dB $((11 * mib + 3 * region)) $region
harm dB $((11 * mib + 5 * region)) 1
dmsetup create B --table "0 $sectors pb $volume $dev_dB $dev_mB 4 format blank replica $(uuid_of b)"
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
check "by digests" "$PBCTL" resync A --checksum on
moved=$(pbt status A sync_bytes) equal=$(pbt status A sync_equal)
check "they connect" pbt pair A B
check "B is brought up to date" wait_for sh -c 'test $(pbt status B state) = synced && test $(pbt status A sync) = synced'
is $(($(pbt status A sync_bytes) - moved)) $((3 * region)) "only what differs was copied"
is $(($(pbt status A sync_equal) - equal)) $((sectors * 512 - 3 * region)) "the rest was found equal"
check "A: view 4" pbt view A 4 ab
check "B: view 4" pbt view B 4 ab
check "they connect" pbt pair A B
same
check "by copying again" "$PBCTL" resync A --checksum off
