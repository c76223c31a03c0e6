#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# udev, with the rules of userspace/udev: names of a volume, and a file system on it is
# looked for where it is primary, and only there.
. "$(dirname "$0")/lib.sh"
udevd=/lib/systemd/systemd-udevd
[ -x "$udevd" ] && [ -x "$(command -v mkfs.ext4)" ] || skip_all "needs udev and mkfs.ext4"
begin

other=99999999-9999-9999-9999-999999999999
label=pb-test

mkdir -p /run/udev/rules.d
cp "$here/../../userspace/udev/60-pb.rules" /run/udev/rules.d/
$udevd --daemon
wait_for udevadm control --ping

known() {	# known PROPERTY: as udev knows it
	udevadm info --query property --property "$1" --value /dev/mapper/vol
}

number() {	# number PATH: major and minor of the device
	stat -L -c '%t:%T' "$1"
}

reads() {	# of the device, of all that udev has done with it
	awk '{ print $1 }' "/sys/dev/block/$(($(stat -L -c '0x%t' /dev/mapper/vol))):$((
		$(stat -L -c '0x%T' /dev/mapper/vol)))/stat"
}

view() {	# view NUMBER MEMBER...
	local number=$1 member args=()

	shift
	for member; do
		args+=(--member "$member")
	done
	"$PBCTL" view set vol --number "$number" "${args[@]}" && udevadm settle
}

named() {	# named LINK...: each leads to the device
	local link

	for link; do
		[ "$(number "$link")" = "$(number /dev/mapper/vol)" ] || return 1
	done
}

disk data "$sectors"
disk meta 8192
mkfs.ext4 -q -L $label "$(dev data)"
self=$(uuid_of a)
check "set up" "$PBCTL" create vol --data "$(dev data)" --meta "$(dev meta)" \
	--volume $volume --replica "$self" --declare-synced --lease-ms 0
udevadm settle
is "$(known PB_ROLE)" unconfirmed "udev knows that nobody has told it a view"
is "$(known ID_FS_LABEL)" "" "and has looked for nothing"
check "it has its name" named /dev/pb/by-name/vol

check "view 1: it is primary" view 1 "$self:a"
is "$(known PB_ROLE)" primary "udev knows"
is "$(known ID_FS_LABEL)" $label "and has found the file system"
check "it has its name, and one by its UUID" \
	named /dev/pb/by-name/vol "/dev/disk/by-id/dm-pb-$volume"

# What somebody else tells udev of the device says nothing of its role.
udevadm trigger --settle --uuid /dev/mapper/vol >/dev/null
is "$(known PB_ROLE) $(known ID_FS_LABEL)" "primary $label" "another event leaves that as it is"

check "view 2 is another's" view 2 "$other:b"
is "$(known PB_ROLE)" idle "udev knows"
is "$(known ID_FS_LABEL)" "" "and has forgotten the file system"
check "it has its names" \
	named /dev/pb/by-name/vol "/dev/disk/by-id/dm-pb-$volume"
before=$(reads)
udevadm trigger --settle /dev/mapper/vol
is "$(known PB_ROLE) $(known ID_FS_LABEL)" "idle " "another event leaves that as it is"
is "$(reads)" "$before" "nobody has tried to read"
is "$(dmesg | grep -c 'Buffer I/O error')" 0 "no read was refused"

check "it is taken away" "$PBCTL" remove vol
udevadm settle
[ ! -e /dev/pb/by-name/vol ] && [ ! -e "/dev/disk/by-id/dm-pb-$volume" ]
ok $? "and its names with it"
udevadm control --exit
finish
