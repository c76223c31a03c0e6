#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Set up, use, take down, again and again: nothing is left behind.
. "$(dirname "$0")/lib.sh"
PB_SECTORS=16384
sectors=16384
begin

rounds=$(long && echo 100 || { debug && echo 12 || echo 25; })
make_disks A B

used() {	# kernel memory in KiB, when it has settled
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 0.5
	awk '/^(SUnreclaim|Percpu|VmallocUsed|KernelStack):/ { s += $2 } END { print s }' /proc/meminfo
}

round() {
	replica A a 2>/dev/null || again A
	replica B b 2>/dev/null || again B
	pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null &&
	pbt pair A B && pbt io A write 0 65536 >/dev/null &&
	pbt io A flush >/dev/null &&
	case $(($1 % 3)) in
	0)	dmsetup remove A && dmsetup remove B ;;
	1)	dmsetup remove B && dmsetup remove A ;;
	2)	pbt disconnect A >/dev/null; dmsetup remove B && dmsetup remove A ;;
	esac
}

bad=0
for i in $(seq $rounds); do
	round $i >$work/round 2>&1 || { bad=$((bad + 1)); sed 's/^/# /' $work/round; }
	[ $i -ne 6 ] || { before=$(used); threads=$(ls -d /proc/[0-9]* | wc -l); }
done
after=$(used)
is $bad 0 "$rounds rounds of set-up, pair, write, remove"
echo "# kernel memory: $before KiB after 6 rounds, $after KiB after $rounds"
check "no growth beyond noise" [ $((after - before)) -lt $((1024 + rounds * 4)) ]
check "no thread is left" [ "$(ls -d /proc/[0-9]* | wc -l)" -le $((threads + 6)) ]
is "$(cat /sys/module/dm_pb/refcnt)" 0 "nobody uses the module"

# Set-ups that fail must leave nothing either.
for i in $(seq 10); do
	dmsetup create X --table "0 $sectors pb $volume $dev_dA $dev_dA 0"
	dmsetup create X --table "0 $sectors pb $volume $dev_dA /dev/null 0"
	dmsetup create X --table "0 $sectors pb $volume $dev_dA $dev_mB 1 format"
	dmsetup create X --table "0 $sectors pb $volume $dev_dA $dev_mA 2 format synced"
	dmsetup create X --table "0 $sectors pb nonsense $dev_dA $dev_mA 0"
	dmsetup create X --table "0 99999999 pb $volume $dev_dA $dev_mA 0"
	dmsetup create X --table "8 $sectors pb $volume $dev_dA $dev_mA 0"
	dmsetup create X --table "0 $sectors pb"
done >/dev/null 2>&1
check "no bad table is taken" sh -c '! dmsetup info X'
is "$(cat /sys/module/dm_pb/refcnt)" 0 "nobody uses the module"
same
