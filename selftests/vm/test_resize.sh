#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A volume grows while it is in use: refused where it cannot, done or not done
# where it is interrupted, zero and equal where it is new.
. "$(dirname "$0")/lib.sh"
begin

small=$sectors
size=$sectors
more=32768		# what it grows by each time

# Below both replicas are disks that can be enlarged and stopped.
stoppable() {	# stoppable NAME SECTORS FILE-SECTORS: /dev/mapper/NAME on a file of that name
	disk "$1" "$3"
	eval "back_$1=\$dev_$1"
	dmsetup create "$1" --table "0 $2 linear $(dev "$1") 0"
	eval "dev_$1=/dev/mapper/$1"
}

enlarge() {	# enlarge NAME SECTORS
	dmsetup load "$1" --table "0 $2 linear $(eval "echo \$back_$1") 0"
	dmsetup resume "$1"
}

stop() {
	dmsetup suspend --noflush --nolockfs "$1"
}

go_on() {
	dmsetup resume "$1"
}

clear() {
	local name

	# From the top down.
	for name in A B dA dB mA mB; do
		dmsetup remove --retry $name
	done >/dev/null 2>&1
	losetup -D
}

fresh() {	# fresh [OPTIONS]: A and B, connected in view 1, with foreign data behind their end
	clear
	rm -f $work/[dm][A-Z]
	size=$small
	sectors=$small
	for name in A B; do
		stoppable "d$name" $small $((small + 4 * more))
		stoppable "m$name" 8192 65536
		# Each its own.
		tr '\0' "$name" </dev/zero |
			dd of="$work/d$name" bs=64k seek=$((small / 128)) \
				count=$((4 * more / 128)) conv=notrunc \
				iflag=fullblock 2>/dev/null
	done
	replica A a "block_size 4096 $*" && replica B b "block_size 4096 $*" &&
	pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null && pbt pair A B
}

grow_disks() {	# both data devices, to this size
	enlarge dA "$1"
	enlarge dB "$1"
}

refused() {	# refused TEXT WORDS COMMAND...: it fails and says so, and the size stays
	local text=$1 words=$2 was

	shift 2
	was=$(pbt status A sectors)
	if within 30 "$@" >"$work/out" 2>&1; then
		ok 1 "$text: refused"
	else
		grep -q -e "$words" "$work/out"
		ok $? "$text: refused, and why"
	fi
	grep -q -e "$words" "$work/out" || sed 's/^/# /' "$work/out"
	is "$(pbt status A sectors)" "$was" "$text: the size is as it was"
}

device_is() {	# device_is NAME SECTORS TEXT
	is "$(blockdev --getsz "/dev/mapper/$1")" "$2" "$3"
}

zero_from() {	# zero_from SECTOR SECTORS: on both disks
	local name

	for name in dA dB; do
		check "$name: what is new is zero" cmp -n $(($2 * 512)) \
			-i $(($1 * 512)):0 "$work/$name" /dev/zero
	done
}

# What cannot be.
check "two replicas" fresh
refused "no larger disk" "room for $small" "$PBCTL" resize A --size $((small + more))
refused "a smaller volume" "smaller" "$PBCTL" resize A --size $((small - 8))
refused "a smaller backup" "smaller" "$PBCTL" resize B --size $((small - 8))
enlarge dA $((small + more))
refused "the backup has no room" "first 'pbctl resize' there" "$PBCTL" resize A
enlarge dB $((small + more))
refused "half a block" "block size" "$PBCTL" resize B --size $((small + 4))
refused "a flag that is the primary's" "not the primary" "$PBCTL" resize B --assume-zero
refused "a cancel of nothing" "no resize" "$PBCTL" resize A --cancel
refused "nothing to watch is no failure but says the size" "^size" sh -c "$PBCTL resize A --watch; false"
check "A goes on without an error" "$PBCTL" resize A --size $small
check "they part" pbt disconnect A
check "the backup makes room, without a connection" "$PBCTL" resize B
is "$(pbt status B capacity)" $((small + more)) "it has it"
is "$(pbt status B sectors)" $small "and knows the volume's size"
refused "the backup is away" "no connection" "$PBCTL" resize A
check "they meet" pbt pair A B

# What is.
check "the volume grows" "$PBCTL" resize A
is "$(cat $work/out | tail -n 1)" "size  $((small + more)) sectors" "it says so"
is "$(pbt status A resize)" done "it is done"
device_is A $((small + more)) "the device shows it"
is "$(pbt status B sectors)" $((small + more)) "the backup knows"
zero_from $small $more
check "room once more changes nothing" "$PBCTL" resize B
device_is B $((small + more)) "and the backup's device shows the size"
check "the volume grows to what it is" "$PBCTL" resize A
is "$(pbt io A write $(((small + more - 8) * 512)) 4096 5)" 0 "a write at the new end"
is "$(pbt io A write $(((small - 8) * 512)) 8192 6)" 0 "one over the old end"
is "$(pbt io A flush)" 0 "a flush"
sectors=$((small + more))
same

# The metadata area is too small for the maps.
refused "more than the metadata has room for" "metadata device has 8192 sectors and needs" \
	sh -c "dmsetup create huge --table '0 100000000000 zero'; dmsetup load dB --table '0 100000000000 linear /dev/mapper/huge 0'; dmsetup resume dB; $PBCTL resize B"
enlarge dB $((small + more))
dmsetup remove huge

# After a set-up of both, in either order of roles.
dmsetup remove A
dmsetup remove B
again A
again B
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they meet" pbt pair A B
is "$(pbt io A write 0 4096 9)" 0 "a write"
same
# A table of another length.
dmsetup remove A
sectors=$small again A 2>/dev/null
is $? 1 "no set-up with the old size"
wait_for sh -c "dmesg | grep -q 'the superblock says $((small + more)) sectors, the table $small'"
ok $? "the kernel says which size it is"
again A

declare_zero() {	# what is behind the end
	local name

	for name in dA dB; do
		dd if=/dev/zero of=$work/$name bs=64k seek=$((small / 128)) \
			count=$((more / 128)) conv=notrunc 2>/dev/null
	done
}

# In the middle, at each point: a view ends it, a cancel, a removal, an error.
interrupt() {	# interrupt NAME-TO-STOP STATE TEXT COMMAND...: A has $small afterwards
	local device=$1 state=$2 text=$3 how=

	shift 3
	fresh
	grow_disks $((small + more))
	"$PBCTL" resize B >/dev/null
	# Zeroing needs the log, and so the metadata device, first.
	[ "$device" != mB ] || { declare_zero; how=--assume-zero; }
	# Whatever is stopped is stopped before the next state.
	stop "$device"
	check "$text: begun" "$PBCTL" resize A $how --no-wait
	check "$text: $state" wait_for sh -c "test \$(pbt status A resize) = $state"
	refused "$text: a second one" "under way" "$PBCTL" resize A
	check "$text: interrupted" "$@"
	go_on "$device"
	check "$text: not done" wait_for sh -c "test \$(pbt status A resize) = failed"
	is "$(pbt status A sectors)" $small "$text: the size is as it was"
	device_is A $small "$text: and so is the device"
	is "$(pbt io A write 4096 8192 3)" 0 "$text: it serves"
}

new_view() {
	pbt view A 2 a
}

interrupt dB zero "a new view while the backup zeroes" new_view
check "alone it grows" "$PBCTL" resize A
device_is A $((small + more)) "it has the new size"
is "$(pbt io A write $((small * 512)) 65536 8)" 0 "a write to what is new"
check "B: view 2" pbt view B 2 a
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
check "they meet" pbt pair A B
check "B is brought up to date" wait_for sh -c \
	'test $(pbt status B state) = synced && test $(pbt status A sync) = synced'
is "$(pbt status B sectors)" $((small + more)) "B knows the new size"
is "$(pbt io A flush)" 0 "a flush"
sectors=$((small + more))
same "what is new was copied"

interrupt dA zero "cancelled while the primary zeroes" "$PBCTL" resize A --cancel
is "$(pbt status A resize_error)" 125 "it was cancelled"
refused "half a block in the room that there is" "block size" "$PBCTL" resize A --size $((small + 4))
check "again it grows" "$PBCTL" resize A
zero_from $small $more

interrupt mB tell "a new view while the backup stores the size" new_view
check "the backup stores it all the same" \
	wait_for sh -c "test \$(pbt status B sectors) = $((small + more))"
check "B: view 2" pbt view B 2 a
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
check "they meet" pbt pair A B
check "the primary's word is the law" wait_for sh -c "test \$(pbt status B sectors) = $small"
check "B is brought up to date" wait_for sh -c \
	'test $(pbt status B state) = synced && test $(pbt status A sync) = synced'
check "A: view 4" pbt view A 4 ab
check "B: view 4" pbt view B 4 ab
check "they meet" pbt pair A B
check "it grows now" "$PBCTL" resize A
is "$(pbt status B sectors)" $((small + more)) "on both"
sectors=$((small + more))
same

# The backup takes over after it was told and before the primary stored it.
interrupt mB tell "the primary is gone when the backup has stored the size" new_view
dmsetup remove A
check "the backup stores it all the same" \
	wait_for sh -c "test \$(pbt status B sectors) = $((small + more))"
check "B: view 2, alone" pbt view B 2 b
check "its device follows" "$PBCTL" resize B
device_is B $((small + more)) "it shows it"
check "what is new is zero" cmp -n $((more * 512)) -i $((small * 512)):0 $work/dB /dev/zero

# A link that breaks ends nothing.
fresh
grow_disks $((small + more))
"$PBCTL" resize B >/dev/null
stop dB
check "begun" "$PBCTL" resize A --no-wait
check "zeroing" wait_for sh -c 'test $(pbt status A resize) = zero'
check "they part" pbt disconnect A
is "$(pbt status A resize)" zero "it waits"
"$PBCTL" resize A --watch >$work/watch 2>&1 &
watcher=$!
go_on dB
check "they meet" pbt pair A B
check "it is done" wait_for sh -c 'test $(pbt status A resize) = done'
wait $watcher
is $? 0 "who watched it saw that"
device_is A $((small + more)) "and the device shows it"
zero_from $small $more
sectors=$((small + more))
same

# Writes that fail for want of the backup: so does this.
fresh
grow_disks $((small + more))
"$PBCTL" resize B >/dev/null
stop dB
check "begun" "$PBCTL" resize A --no-wait
check "policy error" pbt policy A error
check "they part" pbt disconnect A
check "it fails" wait_for sh -c 'test $(pbt status A resize) = failed'
is "$(pbt status A resize_error)" 67 "for want of the backup"
is "$(pbt status A flags)" - "nothing of the volume differs"
go_on dB
check "they meet" pbt pair A B
is "$(pbt io A write 0 4096 4)" 0 "it serves"
check "again it grows" "$PBCTL" resize A
sectors=$((small + more))
same

# Removed in the middle: nobody waits, and nothing is done.
fresh
grow_disks $((small + more))
"$PBCTL" resize B >/dev/null
stop dB
check "begun" "$PBCTL" resize A --no-wait
check "zeroing" wait_for sh -c 'test $(pbt status A resize) = zero'
check "A is removed" within 20 dmsetup remove A
go_on dB
again A
is "$(pbt status A sectors)" $small "it has the old size"
is "$(pbt status A capacity)" $((small + more)) "and room"
is "$(pbt status A flags)" - "and did not crash"

# Declared zero, the area is left alone.
fresh
grow_disks $((small + more))
"$PBCTL" resize B >/dev/null
declare_zero
zeroes=$(pbt status B applied_zeroes)
check "the admin says that it is zero" "$PBCTL" resize A --assume-zero
is "$(pbt status B applied_zeroes)" "$zeroes" "nothing was zeroed"
sectors=$((small + more))
same

# A backup that is larger from the start, and one that comes back too small.
fresh
check "A: view 2" pbt view A 2 a
check "B: view 2" pbt view B 2 a
enlarge dA $((small + more))
check "the primary grows alone" "$PBCTL" resize A
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
pbt pair A B >/dev/null 2>&1
wait_for sh -c "pbt status A down_reason | grep -q 'smaller than the volume'"
ok $? "the backup is too small: the primary says so, and what to do"
wait_for sh -c "pbt status B up_reason | grep -q 'pbctl resize'"
ok $? "and so does the backup"
enlarge dB $((small + 2 * more))
check "it makes room, more than needed" "$PBCTL" resize B
check "they meet" pbt pair A B
check "B is brought up to date" wait_for sh -c \
	'test $(pbt status B state) = synced && test $(pbt status A sync) = synced'
is "$(pbt status B sectors)" $((small + more)) "it has the volume's size"
sectors=$((small + more))
is "$(pbt io A flush)" 0 "a flush"
same
check "B: view 4, alone" pbt view B 4 b
check "its device follows" "$PBCTL" resize B --size $((small + more))
device_is B $((small + more)) "what nobody zeroed is not shown"

# Where the maps get blocks there must be zeroes: what nobody wrote is not damage.
check "two replicas with small regions" fresh "region_size 4096"
huge=$((600 << 11))
for name in A B; do
	dd if=/dev/urandom of=$work/m$name bs=4k seek=260 count=200 conv=notrunc 2>/dev/null
	truncate -s $((huge * 512)) $work/d$name
	losetup -c "$(eval "echo \$back_d$name")"
	dd if=/dev/zero of=$work/d$name bs=64k seek=$((small / 128)) \
		count=$((4 * more / 128)) conv=notrunc 2>/dev/null
done
grow_disks $huge
check "the backup makes room for more map blocks" "$PBCTL" resize B
check "and so does the primary" "$PBCTL" resize A --assume-zero
check "A: view 2, the backup is tracked" pbt view A 2 a
is "$(pbt io A write 4096 8192 3)" 0 "a write"
dmsetup remove A
check "no block of a map is damaged" "$PBCTL" dump-meta --external --maps $work/mA

# A file system grows with it.
if command -v mkfs.ext4 resize2fs >/dev/null; then
	check "two replicas" fresh
	check "a file system" mkfs.ext4 -q /dev/mapper/A
	check "in use" mount /dev/mapper/A /mnt
	dd if=/dev/urandom of=/mnt/before bs=64k count=64 2>/dev/null
	grow_disks $((small + 4 * more))
	check "the backup makes room" "$PBCTL" resize B
	check "the volume grows below it" "$PBCTL" resize A
	check "the file system grows" resize2fs /dev/mapper/A
	check "there is room for more" dd if=/dev/urandom of=/mnt/after bs=64k count=640
	sum=$(cat /mnt/before /mnt/after | md5sum)
	check "unmounted" umount /mnt
	sectors=$((small + 4 * more))
	same
	check "B: view 2, alone" "$PBCTL" view set B --number 2 --member "$(uuid_of b)"
	device_is B $sectors "its device has the size"
	check "it is sound" fsck.ext4 -fn /dev/mapper/B
	check "the backup has it" mount /dev/mapper/B /mnt
	is "$(cat /mnt/before /mnt/after | md5sum)" "$sum" "and all of it"
	umount /mnt
fi

# A table that is longer than the volume shows nothing of what is behind it.
fresh
clear
make_long() {
	size=$((small + more))
	for name in A B; do
		dev=$(losetup -f --show $work/d$name)
		eval "dev_d$name=$dev"
		truncate -s 0 $work/m$name && truncate -s 4M $work/m$name
		eval "dev_m$name=\$(losetup -f --show $work/m$name)"
	done
}
make_long
replica A a
sectors=$size replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "a larger backup is no obstacle" pbt pair A B
check "it takes the volume's size" wait_for sh -c "test \$(pbt status B sectors) = $small"
check "B: view 2, alone" pbt view B 2 b
device_is B $size "its table is too long"
is "$(pbt io B read $(((small - 8) * 512)) 4096)" 0 "the volume can be read"
is "$(pbt io B read $((small * 512)) 4096)" EIO "what is behind it not"
is "$(pbt io B write $((small * 512)) 4096 1)" EIO "nor written"
