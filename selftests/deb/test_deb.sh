#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Debian packages: they build from what is committed, lintian has nothing to say,
# every file that is installed is in exactly one of them, the units are in order, and
# the completion knows all verbs.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
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
		tail -n 30 "$tmp/log" | sed 's/^/# /'
	fi
}

silent() { # COMMAND...: it ends well and says nothing
	said=$("$@" 2>&1) && [ -z "$said" ] && return
	echo "$said"
	return 1
}

[ "$(id -u)" = 0 ] && command -v dpkg-buildpackage >/dev/null &&
	command -v lintian >/dev/null && command -v dh_dkms >/dev/null || {
	echo "1..0 # SKIP needs root, and scripts/deps.sh deb"
	exit 4
}

echo "TAP version 13"
ok "make deb" make -s -C "$top" deb B="$tmp/build"
ok "lintian has nothing to say" silent lintian --allow-root --fail-on warning \
	"$tmp"/build/deb/*.changes

for package in dm-pb-dkms pb-utils pbviewd; do
	mkdir -p "$tmp/$package"
	dpkg-deb -x "$tmp/build/deb/${package}"_*.deb "$tmp/$package"
done

# Manual pages are compressed in packages, and units are in /lib.
files_of() {
	(cd "$1" && find . -type f -o -type l) |
		sed -E 's,\.gz$,,; s,^\./usr/lib/(systemd|udev),./lib/\1,' |
		grep -v -e /usr/share/doc/ -e /usr/share/lintian/ -e /DEBIAN/ | sort
}

in_one_package() {
	make -s -C "$top/userspace" O="$tmp/user" PREFIX=/usr DESTDIR="$tmp/all" install
	files_of "$tmp/all" >"$tmp/installed"
	(files_of "$tmp/pb-utils"; files_of "$tmp/pbviewd") | sort >"$tmp/packed"
	[ -s "$tmp/installed" ] && diff "$tmp/installed" "$tmp/packed"
}
ok "what make install installs is in one package each" in_one_package

sources() {
	diff -r "$top/kmod" "$tmp"/dm-pb-dkms/usr/src/dm-pb-*/kmod &&
		cmp "$top/Kbuild" "$tmp"/dm-pb-dkms/usr/src/dm-pb-*/Kbuild &&
		[ -e "$(echo "$tmp"/dm-pb-dkms/usr/src/dm-pb-*/dkms.conf)" ]
}
ok "the module's source is in dm-pb-dkms" sources

no_unload() { # in no script of a maintainer is anything that ends I/O
	for package in dm-pb-dkms pb-utils pbviewd; do
		dpkg-deb -e "$tmp/build/deb/${package}"_*.deb "$tmp/scripts-$package"
	done
	! cat "$tmp"/scripts-*/{pre,post}{inst,rm} 2>/dev/null | grep -v '^#' |
		grep -E 'rmmod|modprobe -r|pbctl|pb@|pb\.target'
}
ok "no package ends I/O when it is installed, upgraded or removed" no_unload

# Its programs are where they would be installed; the rest is the host's.
units() {
	sed -i "s|/usr/sbin/pb|$tmp/all/usr/sbin/pb|" "$tmp"/all/usr/lib/systemd/system/*
	cp "$tmp/all/usr/lib/systemd/system/pb@.service" "$tmp/pb@db.service"
	SYSTEMD_UNIT_PATH="$tmp/all/usr/lib/systemd/system:" silent systemd-analyze verify \
		--man=no pbviewd.service pbviewd-server.service pb.target "$tmp/pb@db.service"
}
if command -v systemd-analyze >/dev/null; then
	ok "systemd-analyze verify" units
else
	n=$((n + 1))
	echo "ok $n - systemd-analyze verify # SKIP it is not here"
fi

# What bash would offer for a line, one word a line.
offered() { # WORD...: the last one is to be completed
	PATH=$tmp/all/usr/sbin:$PATH bash -c '
		. "$0"
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_pbctl
		printf "%s\n" "${COMPREPLY[@]}"' \
		"$tmp/all/usr/share/bash-completion/completions/pbctl" "$@" | sort
}

completes_verbs() {
	for verb in create up down switch status top report init volumes; do
		offered pbctl '' | grep -qx -e "$verb" || { echo "no $verb"; return 1; }
	done
	[ "$(offered pbctl sw)" = switch ] && [ "$(offered pbctl view s)" = "$(printf 'set\nshow')" ]
}
ok "the completion knows the verbs" completes_verbs

completes_options() {
	offered pbctl up -- | tee "$tmp/options"
	grep -qx -e --declare-synced "$tmp/options" && grep -qx -e --all "$tmp/options"
}
ok "and the options of each" completes_options

echo "1..$n"
exit $failed
