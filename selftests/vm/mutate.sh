#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Do the VM tests notice?  Breaks the module in one place at a time in a copy,
# builds it, and wants the test named in mutations.txt to go red.
#
# usage: mutate.sh [PATTERN]	only lines that match
#
# PBCTL the pbctl that goes with the module, default build/user/pbctl;
# KERNEL which, default the newest; BUILD where to build (not in /tmp, which
# the machines do not see); TIME_LIMIT for one test

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
rig=$here/../rig/pbrig
KERNEL=${KERNEL:-$("$rig" kernels | cut -f1 | tail -n 1)}
BUILD=${BUILD:-$here/build/mutate}
limit=${TIME_LIMIT:-60}
pbctl=${PBCTL:-$root/build/user/pbctl}
only=${1:-.}

build() {
	make -s -C "/lib/modules/$KERNEL/build" M="$BUILD" \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$BUILD/log" 2>&1
}

fresh() {
	mkdir -p "$BUILD/kmod"
	# Only what differs is copied, so only that is compiled again.
	(cd "$root" && find Kbuild kmod -name '*.[ch]' -o -name Kbuild) |
	while IFS= read -r file; do
		mkdir -p "$BUILD/$(dirname "$file")"
		cmp -s "$root/$file" "$BUILD/$file" ||
			cp "$root/$file" "$BUILD/$file"
	done
}

check() {	# check FILE EXPRESSION TEST
	sed -i "$2" "$BUILD/kmod/$1"
	if cmp -s "$root/kmod/$1" "$BUILD/kmod/$1"; then
		echo "changes nothing"
		return 1
	fi
	if ! build; then
		echo "does not compile"
		return 1
	fi
	"$rig" vmtest --kernel "$KERNEL" --time-limit "$limit" \
		--env PB_FAIL_FAST=1 --env PB_KO="$BUILD/dm-pb.ko" --env PBCTL="$pbctl" \
		"$here/test_$3.sh" \
		>"$BUILD/log" 2>&1
	rc=$?
	# 125: the machine died, which is red once the test had begun.
	if [ $rc -eq 0 ] || [ $rc -eq 4 ] || ! grep -q '^TAP' "$BUILD/log"; then
		echo "goes unnoticed (result $rc)"
		return 1
	fi
	first=$(sed -n 's/^not ok [0-9]* - //p' "$BUILD/log" | head -n 1)
	echo "$(grep -c '^not ok' "$BUILD/log") red, first: ${first:-it breaks off (result $rc)}"
}

echo "TAP version 13"
# Without it a test is red whatever the module does.
[ -x "$pbctl" ] || { echo "Bail out! PBCTL does not name pbctl"; exit 1; }
nr=0
failed=0
fresh
build || { echo "Bail out! the module does not build"; exit 1; }
list=$BUILD/list
grep -v '^#' "$here/mutations.txt" | grep -e "$only" >"$list"
while IFS= read -r line <&3; do
	nr=$((nr + 1))
	what=${line##*|}
	rest=${line%|*}
	test=${rest##*|}
	rest=${rest%|*}
	fresh
	if said=$(check "${rest%%|*}" "${rest#*|}" "$test"); then
		echo "ok $nr - $test: $what"
	else
		echo "not ok $nr - $test: $what"
		failed=$((failed + 1))
	fi
	echo "# $said"
done 3<"$list"
fresh
echo "1..$nr"
[ "$failed" -eq 0 ]
