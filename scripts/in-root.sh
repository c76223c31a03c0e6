#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs a command in the root of another Debian, with directories of this one at
# their own paths; needs no privilege.
#
#   scripts/in-root.sh ROOT DIRECTORY... -- COMMAND...
set -eu

[ -n "${PB_IN_ROOT:-}" ] || PB_IN_ROOT=1 exec unshare --map-root-user --mount "$0" "$@"
root=$1
shift
while [ "$1" != -- ]; do
	mkdir -p "$root$1"
	mount --rbind "$1" "$root$1"
	shift
done
shift
exec chroot "$root" "$@"
