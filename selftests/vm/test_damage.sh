#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Damaged metadata of a primary that crashed while its backup was away: it is
# refused with a reason, or the backup gets at least what it lacks.  Both are
# equal in the end, whatever was damaged.
. "$(dirname "$0")/lib.sh"
begin

kinds=9
rounds=${PB_ROUNDS:-$(long && echo 450 || echo $kinds)}
RANDOM=${PB_SEED:-$(($(date +%s) % 32768))}
echo "# PB_SEED=$RANDOM"
RANDOM=${PB_SEED:-$RANDOM}
mib=$((1 << 20))
sectors=327680

save() {
	for file in dA mA dB mB; do
		cp --sparse=always $work/$file $work/$file.saved
	done
}

restore() {
	for file in dA mA dB mB; do
		cp --sparse=always $work/$file.saved $work/$file
		blockdev --flushbufs "$(dev $file)"
	done
}

# What a machine leaves behind that stops here: the files, without a removal.
make_disks A B
check "A" replica A a "hot_extents 64 extent_size 1048576"
check "B" replica B b "hot_extents 64 extent_size 1048576"
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
for i in $(seq 0 5); do
	pbt io A write $((i * 3 * mib)) 65536 $((i + 1)) >/dev/null
done
pbt io A flush >/dev/null
check "A: view 2, alone" pbt view A 2 a
check "B: view 2" pbt view B 2 a
for i in 0 4 9 14 21 33 60; do
	pbt io A write $((i * mib + 4096)) 8192 $((i + 100)) >/dev/null
done
pbt io A flush >/dev/null
# More extents than may be hot, so that some of the map is on the disk.
for i in $(seq 0 2 158); do
	pbt io A write $((i * mib + 131072)) 4096 $i >/dev/null
done
# And what only the log tells: into extents that are hot, with no record after.
for i in $(seq 140 2 158); do
	pbt io A write $((i * mib + 524288)) 4096 $i >/dev/null
done
save
dmsetup remove A
dmsetup remove B

log_blocks=$(od -An -t u4 -j 672 -N 4 $work/mA.saved | tr -d ' ')
[ "$log_blocks" -ge 2 ] && [ "$log_blocks" -le 1024 ]
ok $? "the log has $log_blocks blocks"

newest=$("$PBCTL" dump-meta --external --log $work/mA.saved | sed -n 's/.*newest record \([0-9]*\),.*/\1/p')
[ "$newest" -gt 1 ]
ok $? "its newest record is number $newest"

poke() {	# poke OFFSET LENGTH: other bytes there
	head -c "$2" /dev/urandom |
		dd of=$work/mA bs=64K iflag=fullblock seek="$1" conv=notrunc oflag=seek_bytes status=none
}

stale() {	# stale OFFSET LENGTH: zeroes there, as if the write had never come
	head -c "$2" /dev/zero |
		dd of=$work/mA bs=64K iflag=fullblock seek="$1" conv=notrunc oflag=seek_bytes status=none
}

# damage ROUND: something of A's metadata, each kind in turn; says what, and what may follow
damage() {
	local block byte

	may_refuse=no
	block=$((RANDOM % log_blocks))
	byte=$((RANDOM % 4096))
	case $(($1 % kinds)) in
	0)	what="a byte of log block $block"
		poke $((131072 + block * 4096 + byte)) 1 ;;
	1)	what="the end of log block $block, from sector $((byte / 512)) on"
		poke $((131072 + block * 4096 + byte / 512 * 512)) $((4096 - byte / 512 * 512)) ;;
	2)	# Not the newest: who was promised that it is there has been lied to.
		block=$(((newest - 1 - RANDOM % (newest < log_blocks ? newest - 1 : log_blocks - 1)) % log_blocks))
		what="log block $block never written"
		stale $((131072 + block * 4096)) 4096 ;;
	3)	what="the whole log"
		poke 131072 $((log_blocks * 4096)) ;;
	4)	what="a byte of map block $((RANDOM % 4))"
		poke $((mib + RANDOM % 4 * 4096 + byte)) 1 ;;
	5)	what="a sector of every map block"
		for block in 0 1 2 3; do
			poke $((mib + block * 4096 + byte / 512 * 512)) 512
		done ;;
	6)	what="the first superblock"
		poke $((byte / 512 * 512)) 512 ;;
	7)	what="both superblocks"
		may_refuse=yes
		poke $byte 1
		poke $((65536 + byte)) 1 ;;
	8)	what="the newest record, both halves"
		poke $((131072 + newest % log_blocks * 4096)) 4096 ;;
	esac
}

# go_on: the primary goes on alone and brings the backup up to date
go_on() {
	again B && pbt view A 2 a && pbt view B 2 a &&
	pbt view A 3 ab- && pbt view B 3 ab- && pbt pair A B && until_synced A B
}

before=$(sha256sum <$work/dA.saved)
for round in $(seq 1 "$rounds"); do
	restore
	damage "$round"
	dmesg -C
	if ! again A 2>$work/why; then
		[ $may_refuse = yes ] && dmesg | grep -q "device-mapper.*pb: .*superblock"
		ok $? "refused, with a reason: $what"
		dmesg | grep device-mapper | head -n 2 | sed 's/^/# /'
		continue
	fi
	if ! go_on >$work/out 2>&1; then
		ok 1 "the backup is brought up to date after: $what"
		sed 's/^/# /' $work/out
		dmesg | tail -n 12 | sed 's/^/# /'
	elif ! cmp -n $((sectors * 512)) $work/dA $work/dB; then
		ok 1 "equal after: $what"
	else
		is "$(sha256sum <$work/dA)" "$before" "equal, $(($(pbt status A sync_bytes) / 1024)) KiB copied after: $what"
	fi
	bad_lines >/dev/null && break
	dmsetup remove A
	dmsetup remove B
done
