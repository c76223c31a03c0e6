# SPDX-License-Identifier: GPL-2.0
# Sourced by the tests of failing disks, after lib.sh: replicas whose disks stand on dm
# tables that can be changed under them.

# soft NAME: puts a linear dm device over the disk of that name (dA, mB, ...)
soft() {
	eval "real_$1=\$dev_$1"
	dmsetup create "soft$1" --table "0 $(blockdev --getsz "$(dev "$1")") linear $(dev "$1") 0"
	eval "dev_$1=/dev/mapper/soft$1"
}

# table NAME LINES: another table under a soft disk; bios under way are not waited for
table() {
	printf '%s\n' "$2" | dmsetup load "soft$1" &&
	dmsetup suspend --nolockfs --noflush "soft$1" &&
	dmsetup resume "soft$1"
}

size_of() {
	blockdev --getsz "/dev/mapper/soft$1"
}

well() {	# well NAME
	table "$1" "0 $(size_of "$1") linear $(eval "echo \$real_$1") 0"
}

dead() {	# dead NAME: every bio fails
	table "$1" "0 $(size_of "$1") error"
}

# holes NAME SECTOR COUNT...: those sectors fail, reads and writes
holes() {
	local name=$1 real size at=0 lines=

	real=$(eval "echo \$real_$1")
	size=$(size_of "$1")
	shift
	while [ $# -gt 0 ]; do
		[ "$1" -eq "$at" ] || lines+="$at $(($1 - at)) linear $real $at"$'\n'
		lines+="$1 $2 error"$'\n'
		at=$(($1 + $2))
		shift 2
	done
	[ "$at" -eq "$size" ] || lines+="$at $((size - at)) linear $real $at"$'\n'
	table "$name" "${lines%$'\n'}"
}

# flaky NAME FEATURES...: fails as dm-flakey is told, all the time
flaky() {
	local name=$1 real size

	real=$(eval "echo \$real_$1")
	size=$(size_of "$1")
	shift
	table "$name" "0 $size flakey $real 0 0 1000 $# $*"
}

# Kernels before 6.5 have no device that fails reads and takes writes.
need_failing_reads() {
	disk probe 8
	if dmsetup create probe --table "0 8 flakey $(dev probe) 0 0 1000 1 error_reads" 2>/dev/null; then
		dmsetup remove probe
		return
	fi
	remove_all
	rmmod dm_pb
	skip_all "dm-flakey of this kernel cannot fail reads alone"
}

# soft_pair [FORMAT OPTIONS]: make_pair on soft disks
soft_pair() {
	make_disks A B
	local name

	for name in dA mA dB mB; do
		soft $name
	done
	replica A a "$@" && replica B b "$@" &&
	pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null &&
	pbt pair A B
}

# Everything away, for the next part.
fresh() {
	remove_all
	rm -f "$work"/d? "$work"/m?
}

# reads DEV OFFSET LEN FILL: all of it is that byte
reads() {
	dd if="/dev/mapper/$1" iflag=direct,skip_bytes,count_bytes bs=1M skip="$2" count="$3" \
		of="$work/got" 2>"$work/dd" || { cat "$work/dd"; return 1; }
	head -c "$3" /dev/zero | tr '\0' "\\$(printf '%03o' "$4")" | cmp - "$work/got"
}

# events_begin, events GREP-PATTERN: what was told since
events_begin() {
	"$PBCTL" events >"$work/events" 2>/dev/null &
	events_pid=$!
	# The reader is there when it sees what we make happen.
	wait_for sh -c "pbt policy A wait; grep -q policy $work/events"
}

event() {
	wait_for grep -Eq "$1" "$work/events"
}

events_end() {
	kill "$events_pid"
	wait "$events_pid" 2>/dev/null
}
