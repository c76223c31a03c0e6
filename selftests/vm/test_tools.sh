#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a person sees, with the module: status, top, metrics and report of a pair under writes.
. "$(dirname "$0")/lib.sh"
begin

check "a pair" make_pair
check "status: a line for each" sh -c "$PBCTL status | grep -q '^A  *primary  *synced .* up '"
check "status: B too" sh -c "$PBCTL status | grep -q '^B  *backup  *synced .* up '"
check "status: nothing is wrong" sh -c "! $PBCTL status | grep '!'"
check "a writer, until it is told to stop" sh -c "$build/t_writer A until $work/stop >$work/writer &"
check "it writes" wait_for grep -q . $work/writer
$PBCTL top A B --interval 0.5 --count 3 >$work/top
is $? 0 "top"
is "$(grep -c ' A .* primary ' $work/top)" 3 "top: three looks at A"
check "top: writes of A, out" awk '$2 == "A" && $7 > 0 && $9 >= 0 { n++ } END { exit n != 3 }' $work/top
check "top: writes of B, applied" awk '$2 == "B" && $7 > 0 { n++ } END { exit n != 3 }' $work/top
check "metrics" sh -c "$PBCTL metrics -o $work/prom && grep -q '^dmpb_module_loaded 1' $work/prom"
check "metrics: the link of A" grep -q '^dmpb_link_up{volume="A",peer="[^"]*",side="downstream"} 1' $work/prom
check "metrics: bytes that B has applied" grep -q '^dmpb_applied_bytes_total{volume="B"} [1-9]' $work/prom
check "report" $PBCTL report -o $work/report.tar.gz
check "report: unpacked" tar -xzf $work/report.tar.gz -C $work
check "report: tables of both" sh -c "[ \$(grep -c ' pb ' $work/dm-pb-report-*/dmsetup-table) = 2 ]"
check "report: the kernel's messages" grep -q 'device-mapper: pb' $work/dm-pb-report-*/kernel-log
check "report: status" grep -q '"role": "primary"' $work/dm-pb-report-*/status.json
touch $work/stop
check "the writer ends" wait_for grep -q end $work/writer
is "$(tail -n 1 $work/writer)" "end: 0 errors" "the writer saw no error"
