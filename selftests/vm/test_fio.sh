#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two fio jobs that verify what they wrote.
PB_SECTORS=131072
. "$(dirname "$0")/lib.sh"
command -v fio >/dev/null || { echo "1..0 # SKIP no fio"; exit 4; }
begin

seconds=10
long && seconds=60
check "a pair" make_pair
check "fio" within $((seconds * 4 + 60)) fio --output-format=terse --ioengine=libaio \
	--filename=/dev/mapper/A --direct=1 --verify=crc32c --verify_fatal=1 \
	--time_based --runtime=$seconds --fallocate=none --group_reporting \
	--name=small --rw=randrw --bs=4k --iodepth=16 --offset=0 --size=16m --fsync=32 \
	--name=large --rw=randwrite --bsrange=512-256k --bs_unaligned=0 --iodepth=8 \
	--offset=32m --size=24m
echo "# $(pbt status A writes) writes, $(pbt status A flushes) flushes"
check "it wrote" [ "$(pbt status A writes)" -gt 200 ]
check "flush" pbt io A flush
same
