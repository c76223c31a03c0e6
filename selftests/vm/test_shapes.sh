#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every kind and size of bio, disks of 512 and of 4096 bytes a block.
. "$(dirname "$0")/lib.sh"
begin

pair_of() {	# pair_of BLOCK_A BLOCK_B OPTIONS
	dmsetup remove A 2>/dev/null
	dmsetup remove B 2>/dev/null
	losetup -D
	rm -f $work/[dm][AB]
	disk dA $sectors $1
	disk dB $sectors $2
	disk mA 8192
	disk mB 8192
	shift 2
	replica A a "$@"
	replica B b "$@"
	pbt view A 1 ab >/dev/null
	pbt view B 1 ab >/dev/null
	pbt pair A B
}

check "512 on 512" pair_of 512 512
is "$(blockdev --getss /dev/mapper/A)" 512 "blocks of 512"
run_c t_shapes A 512 $work/dA $work/dB
same
check "4096 on 4096" pair_of 4096 4096
is "$(blockdev --getss /dev/mapper/A)" 4096 "blocks of 4096"
run_c t_shapes A 4096 $work/dA $work/dB
same
check "4096 on 512 and 4096" pair_of 512 4096 "block_size 4096"
is "$(blockdev --getss /dev/mapper/A)" 4096 "blocks of 4096 on a disk of 512"
run_c t_shapes A 4096 $work/dA $work/dB
same

# Sizes that do not fit: in the table, and between two replicas.
disk dC $sectors 4096
disk mC 8192
replica C c "block_size 512" 2>/dev/null
is $? 1 "a block size below the disk's is refused"
dmsetup remove A
dmsetup remove B
losetup -D
rm -f $work/[dm][AB]
make_disks A B
replica A a "block_size 4096"
replica B b "block_size 512"
pbt view A 1 ab >/dev/null
pbt view B 1 ab >/dev/null
pbt pair A B >/dev/null 2>&1 &
check "block sizes that differ are refused in the hello" \
	pbt wait B up_reason "block sizes do not fit"
kill $! 2>/dev/null
wait $! 2>/dev/null

# A discard larger than a message carries; a file system.
dmsetup remove A
dmsetup remove B
losetup -D
rm -f $work/[dm][AB]
sectors=655360
check "a pair of 320 MiB" make_pair
check "a write at the end" pbt io A write $((319 << 20)) 1048576 7
check "one in the middle" pbt io A write $((150 << 20)) 65536 7
check "one that stays" pbt io A write 0 65536 7
check "a discard of 319 MiB" blkdiscard -o 1M -l 319M /dev/mapper/A
check "write-zeroes of 319 MiB" fallocate -p -o 1MiB -l 319MiB /dev/mapper/A
check "nothing is left in the first half" cmp -n $((159 << 20)) -i $((1 << 20)):0 /dev/mapper/A /dev/zero
if command -v mkfs.ext4 >/dev/null; then
	check "mkfs" mkfs.ext4 -q /dev/mapper/A
	check "mount" mount -o discard /dev/mapper/A /mnt
	cp -r /usr/share/doc/[a-b]* /mnt/ 2>/dev/null
	rm -rf /mnt/ba*
	check "umount" umount /mnt
	check "fsck" e2fsck -fn /dev/mapper/A
fi
# Last: a loop device on tmpfs cannot, and takes back that it zeroes at all.
check "write-zeroes that keep the blocks" blkdiscard -z -o 1M -l 9M /dev/mapper/A
same
