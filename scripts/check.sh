#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Style and static checks, as TAP: checkpatch over all C, sparse and W=1 with
# -Werror over the module for each kernel series named; and whether every fault
# that the lists of mutations know can still be put in.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cache=${PB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-pb}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

result() { # STATUS DESCRIPTION: a test point, with the log if it is bad
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		sed 's/^/# /' "$tmp/log" | head -n 40
	fi
}

checkpatch=$(ls -d "$cache"/checkpatch/*/scripts/checkpatch.pl 2>/dev/null | tail -n 1)
if [ -z "$checkpatch" ] && [ -e /usr/src/linux-source-6.12.tar.xz ]; then
	mkdir -p "$cache/checkpatch"
	tar -C "$cache/checkpatch" -xJf /usr/src/linux-source-6.12.tar.xz \
		--occurrence=1 linux-source-6.12/scripts/checkpatch.pl \
		linux-source-6.12/scripts/spelling.txt \
		linux-source-6.12/scripts/const_structs.checkpatch
	checkpatch=$(ls -d "$cache"/checkpatch/*/scripts/checkpatch.pl)
fi

echo "TAP version 13"
echo "1..$(($# * 3 + 2))"

if [ -z "$checkpatch" ]; then
	n=1
	echo "ok 1 - checkpatch # SKIP linux-source-6.12 is not installed"
else
	# compat.h is the one file that may test a version.
	(cd "$top" && git ls-files kmod userspace |
		grep '\.[ch]$' | grep -v compat.h |
		xargs perl "$checkpatch" --no-tree --no-summary --terse -f \
			--ignore PREFER_DEFINED_ATTRIBUTE_MACRO,EMBEDDED_FUNCTION_NAME) >"$tmp/log" 2>&1
	result $? "checkpatch: no error, no warning"
fi

without_effect() { # LIST DIRECTORY: its lines that change no file
	grep -v '^#' "$1" | while IFS= read -r line; do
		file=$2/${line%%|*}
		rest=${line#*|}
		rest=${rest%|*}
		! sed "${rest%|*}" "$file" | cmp -s - "$file" || echo "$line"
	done
}

{
	without_effect "$top/selftests/vm/mutations.txt" "$top/kmod"
	without_effect "$top/selftests/multi/mutations.txt" "$top"
} >"$tmp/log" 2>&1
test ! -s "$tmp/log"
result $? "mutations: each of them changes something"

for series; do
	kver=$("$top/scripts/kernels.sh" headers "$series") || exit 1
	make -C "$top" B="$tmp/b" KVER="$kver" PB_WERROR=y W=1 module >"$tmp/log" 2>&1
	result $? "W=1 -Werror for $kver"
	make -C "$top" B="$tmp/b" KVER="$kver" PB_WERROR=y W=1 CRASH_POINTS=1 \
		module >"$tmp/log" 2>&1
	result $? "W=1 -Werror for $kver, with crash points"
	make -C "/lib/modules/$kver/build" M="$tmp/b/$kver" C=2 \
		CF="-D__CHECK_ENDIAN__ -Wsparse-error" \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$tmp/log" 2>&1
	status=$?
	grep -E '(warning|error):' "$tmp/log" >"$tmp/bad" && { mv "$tmp/bad" "$tmp/log"; status=1; }
	result $status "sparse for $kver"
done
exit $failed
