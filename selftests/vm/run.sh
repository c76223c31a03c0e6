#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# All VM tests, one machine each.
#
# usage: run.sh [TEST...]	names without test_ and .sh
#
# KERNELS which; KO the module, %K stands for the kernel; PB_LONG=1; TIME_LIMIT

here=$(cd "$(dirname "$0")" && pwd)
rig=$here/../rig/pbrig
KO=${KO:-$here/../../dm-pb.ko}
KERNELS=${KERNELS:-$("$rig" kernels | cut -f1)}
limit=${TIME_LIMIT:-$([ "${PB_LONG:-0}" = 1 ] && echo 900 || echo 150)}
[ $# -gt 0 ] || set -- $(cd "$here" && ls test_*.sh | sed 's/^test_//; s/\.sh$//')
log=$(mktemp)
trap 'rm -f "$log"' EXIT

failed=0
for kernel in $KERNELS; do
	ko=$(echo "$KO" | sed "s|%K|$kernel|")
	for test; do
		start=$(date +%s)
		"$rig" vmtest --kernel "$kernel" --time-limit "$limit" \
			--env PB_KO="$ko" --env PB_LONG="${PB_LONG:-0}" \
			"$here/test_$test.sh" >"$log" 2>&1
		rc=$?
		echo "$kernel $test: rc $rc, $(grep -c '^ok' "$log") ok," \
			"$(grep -c '^not ok' "$log") not, $(($(date +%s) - start)) s"
		[ $rc -eq 0 ] || [ $rc -eq 4 ] || {
			failed=1
			grep -vE '^(ok|TAP|1\.\.)' "$log" | head -n "${LINES_SHOWN:-40}"
		}
	done
done
exit $failed
