# SPDX-License-Identifier: GPL-2.0
# Sourced by the VM tests: TAP, the module, replicas in one machine.
#
# Environment: PB_KO the module (else modprobe finds it), PB_LONG=1 for the long variants,
# PB_DEBUG=1 on a debug kernel, PB_FAIL_FAST=1 to end at the first failure without cleaning up.

here=$(cd "$(dirname "$0")" && pwd)
build=${PB_BUILD:-$here/build}
PATH=$build:$PATH:/usr/sbin:/sbin
volume=11111111-2222-3333-4444-555555555555
sectors=${PB_SECTORS:-32768}
work=/tmp/vm
# How much longer everything may take.
slow=$([ "${PB_DEBUG:-0}" = 1 ] && echo 5 || echo 1)
# How long a program may take, in seconds.
run_limit=$([ "${PB_LONG:-0}" = 1 ] && echo 1200 || echo 150)
tap_n=0
tap_bad=0

ok() {		# ok STATUS TEXT
	tap_n=$((tap_n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_n - $2"
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $2"
		[ "${PB_FAIL_FAST:-0}" = 0 ] || { trap - EXIT; exit 1; }
	fi
}

is() {		# is GOT WANT TEXT
	[ "$1" = "$2" ]
	ok $? "$3"
	[ "$1" = "$2" ] || echo "# got '$1', want '$2'"
}

check() {	# check TEXT COMMAND...: it succeeds
	local text=$1

	shift
	"$@" >"$work/out" 2>&1
	local rc=$?
	ok $rc "$text"
	[ $rc -eq 0 ] || sed 's/^/# /' "$work/out"
}

skip_all() {
	trap - EXIT
	echo "1..0 # SKIP $1"
	exit 4
}

long() {
	[ "${PB_LONG:-0}" = 1 ]
}

debug() {
	[ "${PB_DEBUG:-0}" = 1 ]
}

# fewer VARIABLE NUMBER: how much the next programs do on a debug kernel
fewer() {
	debug && ! long && [ -z "$(eval "echo \"\${$1:-}\"")" ] || return 0
	export "$1=$2"
	echo "# debug kernel: $1=$2"
}

within() {	# within SECONDS COMMAND...
	local seconds=$(($1 * slow))

	shift
	timeout "$seconds" "$@"
}

# A program that prints unnumbered TAP lines.
run_c() {
	local line

	while IFS= read -r line; do
		case $line in
		"ok - "*)	ok 0 "${line#ok - }" ;;
		"not ok - "*)	ok 1 "${line#not ok - }" ;;
		"rc 0"|"rc 1")	;;
		"rc "*)		ok 1 "$(basename "$1") ended with ${line#rc }" ;;
		*)		echo "$line" ;;
		esac
	done < <(timeout -k 5 $((${RUN_LIMIT:-$run_limit} * slow)) "$@" 2>&1; echo "rc $?")
}

wait_for() {	# wait_for COMMAND...: up to 20 s (times slow) until it succeeds
	local end=$(($(date +%s) + 20 * slow))

	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.05
	done
}

uuid_of() {	# a -> a1a1a1a1-...
	echo "$1" | sed 's/$/1/; s/.*/&&&&-&&-&&-&&-&&&&&&/'
}

# disk NAME SECTORS [BLOCK]: a loop device on a file of the same name
disk() {
	truncate -s $(($2 * 512)) "$work/$1"
	eval "dev_$1=\$(losetup -f --show -b ${3:-512} $work/$1)"
}

dev() {
	eval "echo \$dev_$1"
}

# replica NAME LETTER [FORMAT OPTIONS...]: on disks d$NAME and m$NAME
replica() {
	local name=$1 letter=$2 opts

	shift 2
	opts="name vol format synced replica $(uuid_of "$letter") $*"
	# shellcheck disable=SC2086
	set -- $opts
	dmsetup create "$name" --table \
		"0 $sectors pb $volume $(dev "d$name") $(dev "m$name") $# $opts"
}

again() {	# sets a replica up again from its superblock
	dmsetup create "$1" --table \
		"0 $sectors pb $volume $(dev "d$1") $(dev "m$1") 0"
}

make_disks() {	# for the replicas named
	local name

	for name; do
		disk "d$name" "$sectors"
		disk "m$name" 8192
	done
}

# Two synced replicas A and B in view 1, connected.
make_pair() {
	make_disks A B
	replica A a "$@" && replica B b "$@" &&
	pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null &&
	pbt pair A B
}

until_synced() {	# until_synced A B: A has brought B up to date
	wait_for sh -c "test \$(pbt status $2 state) = synced && test \$(pbt status $1 sync) = synced"
}

save_disks() {	# save_disks NAME, restore_disks NAME: as a snapshot does
	cp "$work/d$1" "$work/d$1.old"
	cp "$work/m$1" "$work/m$1.old"
}

restore_disks() {
	dmsetup remove "$1"
	cp "$work/d$1.old" "$work/d$1"
	cp "$work/m$1.old" "$work/m$1"
	blockdev --flushbufs "$(dev "d$1")"
	blockdev --flushbufs "$(dev "m$1")"
	again "$1"
}

crash() {	# crash FROM TO: TO is what FROM would be after a crash
	cp "$work/d$1" "$work/d$2"
	cp "$work/m$1" "$work/m$2"
	eval "dev_d$2=\$(losetup -f --show $work/d$2)"
	eval "dev_m$2=\$(losetup -f --show $work/m$2)"
	again "$2"
}

same() {	# both data areas, byte for byte
	check "${1:-the replicas are equal}" cmp -n $((sectors * 512)) \
		"$work/dA" "$work/dB"
}

load() {
	if [ -n "${PB_KO:-}" ]; then insmod "$PB_KO"; else modprobe dm-pb; fi
}

dm_devices() {
	dmsetup ls "$@" 2>/dev/null | grep -v "^No dev" | cut -f1
}

remove_all() {
	local name try

	# Whoever is still held is let go, with an error; then nothing waits.
	for name in $(dm_devices --target pb); do
		pbt policy "$name" error
		dmsetup resume "$name"
	done 2>/dev/null
	[ -z "$(jobs -p)" ] || wait_for_jobs
	for try in 1 2 3 4 5; do
		for name in $(dm_devices); do
			within 10 dmsetup remove --retry "$name" 2>/dev/null
		done
		[ -n "$(dm_devices)" ] || break
	done
	losetup -D
}

wait_for_jobs() {
	local pid

	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
		wait_for sh -c "! kill -0 $pid" || kill -9 "$pid"
		wait "$pid" 2>/dev/null
	done
}

bad_lines() {
	{ dmesg | grep -v "debug is enabled"; "$here/leaks.sh" || echo "BUG: no leaks.sh"; } |
		grep -E "BUG|WARNING|Oops|Call Trace|blocked for more|general protection|refcount_t|use-after-free|stack corrupt|leaked|unreferenced object" \
		>"$work/bad" || return 1
	sed 's/^/# dmesg: /' "$work/bad" | head -n 20
}

finish() {
	local text

	trap - EXIT
	umount /mnt 2>/dev/null
	remove_all
	# What a leak's backtrace is made of, once the module has gone.
	text=$(cat /sys/module/dm_pb/sections/.text 2>/dev/null)
	if ! [ -e /sys/module/dm_pb ] || wait_for rmmod dm_pb; then
		ok 0 "the module is unloaded: no reference is left"
	else
		ok 1 "the module is unloaded: no reference is left"
		dmsetup ls | sed 's/^/# /'
	fi
	if bad_lines; then
		ok 1 "nothing bad in the kernel's log"
		echo "# the module's code was at $text"
		dmesg | tail -n 60 | sed 's/^/# /'
	else
		ok 0 "nothing bad in the kernel's log"
	fi
	echo "1..$tap_n"
	[ "$tap_bad" -ne 0 ] || exit 0
	echo "# $tap_bad of $tap_n failed"
	exit 1
}

begin() {
	echo "TAP version 13"
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	if [ -n "${PB_KO:-}" ]; then
		[ -f "$PB_KO" ] || skip_all "PB_KO does not name the module"
	else
		modinfo dm-pb >/dev/null 2>&1 || skip_all "there is no module dm-pb"
	fi
	[ -x "$build/pbt" ] || skip_all "not built: make -C selftests/vm"
	modprobe -a dm-mod libcrc32c lru_cache loop 2>/dev/null
	ip link set lo up
	mkdir -p $work
	trap finish EXIT
	trap 'exit 1' INT TERM HUP
	load || { ok 1 "insmod"; exit 1; }
}
