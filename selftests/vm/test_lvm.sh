#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Replicas on logical volumes and on an array of md: extended, moved and copied under a writer.
. "$(dirname "$0")/lib.sh"
command -v lvm >/dev/null && command -v mdadm >/dev/null || skip_all "no LVM or no mdadm: scripts/deps.sh test"
begin
modprobe -a dm-mirror dm-snapshot raid1 2>/dev/null
small=$sectors

# This machine has no udev, and every disk of LVM's is a loop device.
export LVM_SYSTEM_DIR=$work/lvm
mkdir -p $LVM_SYSTEM_DIR /run/lock/lvm /mnt
cat >$LVM_SYSTEM_DIR/lvm.conf <<CONF
devices {
	use_devicesfile = 0
	obtain_device_list_from_udev = 0
	global_filter = [ "a|^/dev/loop|", "r|.*|" ]
}
activation {
	udev_sync = 0
	udev_rules = 0
	monitoring = 0
}
global {
	use_lvmpolld = 0
}
CONF

group() {	# group NAME: a volume group of two disks, with the logical volumes data and meta
	local pv

	for pv in "p$1" "q$1"; do
		disk "$pv" 131072
		pvcreate -q "$(dev "$pv")" || return 1
	done
	vgcreate -q "vg$1" "$(dev "p$1")" "$(dev "q$1")" &&
	lvcreate -q -y -n data -L "$((small / 2))k" "vg$1" "$(dev "p$1")" &&
	lvcreate -q -y -n meta -L 4m "vg$1" "$(dev "p$1")" &&
	eval "dev_d$1=/dev/vg$1/data dev_m$1=/dev/vg$1/meta"
}

equal() {	# both data devices, past every cache
	local name

	check "flush" pbt io A flush
	for name in A B; do
		dd if="$(dev d$name)" iflag=direct bs=1M 2>/dev/null | sha256sum >"$work/sum$name"
	done
	check "${1:-the replicas are equal}" cmp "$work/sumA" "$work/sumB"
}

writes_begin() {
	rm -f "$work/stop"
	"$build/t_writer" A until "$work/stop" >"$work/acked" &
	writer=$!
	check "a writer" wait_for grep -q acked "$work/acked"
}

goes_on() {	# it gets acks still
	local now

	now=$(wc -l <"$work/acked")
	check "${1:-writes go on}" wait_for sh -c "[ \$(wc -l <$work/acked) -gt $((now + 20)) ]"
}

writes_end() {
	touch "$work/stop"
	check "no write failed" wait "$writer"
	check "every acknowledged write is there" "$build/t_writer" A check "$work/acked"
}

busy() {	# busy TEXT COMMAND...: refused since it is in use
	local text=$1

	shift
	"$@" >"$work/out" 2>&1
	local rc=$?
	grep -Eqi "busy|used by another device|exclusive access" "$work/out" && [ $rc -ne 0 ]
	ok $? "$text"
	sed 's/^/# /' "$work/out"
}

check "logical volumes for A" group A
check "logical volumes for B" group B
check "replicas on them" replica A a
check "on both" replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B

# What stands on what, and that nobody takes it away from below.
is "$(lsblk -srno NAME /dev/mapper/A | tr -d ' ' | sort -u | tr '\n' ' ')" \
	"A $(basename "$(dev pA)") vgA-data vgA-meta " "lsblk shows all that is below"
busy "dmsetup does not remove what is below" dmsetup remove vgA-data
busy "LVM does not deactivate it" lvchange -an vgA/data
busy "nor remove it" lvremove -f vgA/data
busy "and not what is below the metadata" lvchange -an vgB/meta
is "$(lvs --noheadings -o lv_device_open vgA/data | tr -d ' ')" open "LVM says that it is open"

# Larger, under the writer: both logical volumes, then the volume.
writes_begin
check "B: the logical volume grows" lvextend -q -L "${small}k" vgB/data
check "A: the logical volume grows" lvextend -q -L "${small}k" vgA/data
goes_on
is "$(pbt status A sectors)" "$small" "the volume has its size yet"
check "B makes room" "$PBCTL" resize B
check "the volume grows" within 30 "$PBCTL" resize A
is "$(blockdev --getsz /dev/mapper/A)" $((2 * small)) "the device has the new size"
goes_on
writes_end
equal

# Moved to another disk under the writer, data and metadata of the backup, then the primary's.
for name in B A; do
	writes_begin
	check "$name moves to its other disk" pvmove -q -i 1 "$(dev p$name)" "$(dev q$name)"
	goes_on "writes went on"
	writes_end
	is "$(pvs --noheadings -o pv_used "$(dev p$name)" | tr -d ' ')" 0 "nothing is left there"
	equal
done

# The disk that it has left can be taken away.
check "B's old disk leaves the group" vgreduce -q vgB "$(dev pB)"

# A snapshot of the backup, for a copy to tape: as after a power cut, and all that was synced is on it.
check "a file system on A" mkfs.ext4 -q /dev/mapper/A
check "mounted" mount /dev/mapper/A /mnt
head -c 1000000 /dev/urandom >/mnt/before
check "a file that is synced" sync /mnt/before
sum=$(sha256sum </mnt/before)
( while [ ! -e $work/enough ]; do head -c 20000 /dev/urandom >/mnt/other; sync /mnt/other; done ) &
writer=$!
check "B: a snapshot meanwhile" lvcreate -q -y -s -n snap -L 8m vgB/data
touch $work/enough
wait $writer
check "it can be mounted" sh -c "mkdir -p $work/snap && mount /dev/vgB/snap $work/snap"
is "$(sha256sum <$work/snap/before)" "$sum" "the file is there"
check "and given up" umount $work/snap
check "it is in order" e2fsck -fn /dev/vgB/snap
check "it is removed" lvremove -q -f vgB/snap
check "unmounted" umount /mnt
is "$(pbt status A down)" up "the link has stayed"
equal

# An array below the backup that loses a disk and gets it back.
check "B is removed" dmsetup remove B
disk ra $((2 * small + 8192))
disk rb $((2 * small + 8192))
mdadm --create /dev/md9 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --assume-clean \
	"$(dev ra)" "$(dev rb)" >"$work/out" 2>&1
ok $? "an array"
dd if=/dev/vgB/data of=/dev/md9 bs=1M oflag=direct 2>/dev/null
dev_dB=/dev/md9
sectors=$((2 * small))
check "B stands on it" again B
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
writes_begin
check "one of its disks fails" mdadm -q /dev/md9 --fail "$(dev ra)"
goes_on
check "and comes back" sh -c "mdadm -q /dev/md9 --remove $(dev ra) && mdadm -q /dev/md9 --re-add $(dev ra)"
check "the array has both" wait_for sh -c "mdadm -D /dev/md9 | grep -q 'State : \(clean\|active\) *$'"
goes_on
writes_end
is "$(pbt status B flags)" - "nothing is wrong with the replica"
dd if=/dev/vgA/data iflag=direct bs=1M 2>/dev/null | sha256sum >"$work/sumA"
dd if=/dev/md9 iflag=direct bs=1M count=$((sectors / 2048)) 2>/dev/null | sha256sum >"$work/sumB"
check "the replicas are equal" cmp "$work/sumA" "$work/sumB"
busy "mdadm does not stop what is below" mdadm --stop /dev/md9
check "B is removed" dmsetup remove B
check "the array stops" mdadm -q --stop /dev/md9
check "A is removed" dmsetup remove A
check "logical volumes are let go" vgchange -q -an
