#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# DKMS: add, build, install and remove, for every kernel whose headers are
# here; from the tree as committed, and from the tarball of `make dist`.  Uses a
# tree, a source tree and an install tree of its own, so that the machine's own
# modules stay as they are.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
name=dm-pb
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

ok() { # DESCRIPTION COMMAND...: a test point
	what=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $n - $what"
	else
		failed=1
		echo "not ok $n - $what"
		sed 's/^/# /' "$tmp/log" | tail -n 30
	fi
}

kernels=$(for series in 6.1 6.12; do "$top/scripts/kernels.sh" headers $series; done)
[ "$(id -u)" = 0 ] && command -v dkms >/dev/null && [ -n "$kernels" ] || {
	echo "1..0 # SKIP needs root, dkms and kernel headers"
	exit 4
}

run_dkms() {
	verb=$1
	shift
	dkms "$verb" --dkmstree "$tmp/dkms" --sourcetree "$tmp/src" \
		--installtree "$tmp/lib/modules" "$@"
}

installed() { # KERNEL: the module is there and is one for that kernel
	ko=$(find "$tmp/lib/modules/$1" -name 'dm-pb.ko*') || return 1
	[ -n "$ko" ] || return 1
	modinfo -F vermagic "$ko" | grep -q "^$1 " || { modinfo "$ko"; return 1; }
}

gone() {
	[ -z "$(find "$tmp/lib/modules" -name 'dm-pb.ko*')" ]
}

cycle() { # DIRECTORY LABEL
	mkdir -p "$tmp/src" "$tmp/dkms" "$tmp/lib/modules"
	rm -rf "$tmp/src/$name-$version"
	cp -r "$1" "$tmp/src/$name-$version"
	ok "$2: add" run_dkms add -m $name -v "$version"
	first=
	for kernel in $kernels; do
		mkdir -p "$tmp/lib/modules/$kernel"
		ok "$2: build for $kernel" run_dkms build -m $name -v "$version" -k "$kernel"
		ok "$2: install for $kernel" run_dkms install -m $name -v "$version" -k "$kernel"
		ok "$2: the module for $kernel is installed" installed "$kernel"
		first=${first:-$kernel}
	done
	ok "$2: remove" run_dkms remove -m $name -v "$version" --all
	ok "$2: nothing is left" gone
	# A kernel that comes later: its package's hook calls autoinstall.
	ok "$2: add again" run_dkms add -m $name -v "$version"
	ok "$2: autoinstall for a kernel that came later" run_dkms autoinstall -k "$first"
	ok "$2: and the module is there" installed "$first"
	ok "$2: remove again" run_dkms remove -m $name -v "$version" --all
}

set -- $kernels
echo "TAP version 13"
echo "1..$(((7 + 3 * $#) * 2 + 1))"
mkdir "$tmp/tree"
git -C "$top" archive HEAD | tar -C "$tmp/tree" -x
cycle "$tmp/tree" "clone"
ok "make dist" make -s -C "$top" B="$tmp/dist" dist
mkdir "$tmp/ball"
tar -C "$tmp/ball" -xzf "$tmp/dist/$name-$version.tar.gz"
cycle "$tmp/ball/$name-$version" "tarball"
exit $failed
