#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fuzzing as a test: a million mutations of valid input through each decoder,
# always the same ones, with the address and undefined-behaviour sanitizers.
cd "$(dirname "$0")" || exit 1
mkdir -p build
echo "TAP version 13"
echo "1..4"
status=0
n=0
for target in fuzz_codec fuzz_super fuzz_record fuzz_map; do
	n=$((n + 1))
	if make -s "run-$target" >"build/$target.log" 2>&1; then
		echo "ok $n - $target: $(tail -n 1 "build/$target.log")"
	else
		echo "not ok $n - $target"
		sed 's/^/# /' "build/$target.log" | tail -n 40
		status=1
	fi
done
exit $status
