#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints the newest kernel of a series that is here, or fails with one line.
#
#   scripts/kernels.sh headers 6       one that a module can be built for
#   scripts/kernels.sh image 6.12      one that can be built for and booted
#   scripts/kernels.sh image newest    the one that scripts/deps.sh newest unpacked
set -eu

cache=${PB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-pb}

bootable() {
	{ [ -e "/boot/vmlinuz-$1" ] && [ -d "/lib/modules/$1/kernel" ]; } ||
		[ -e "$cache/kernels/$1/boot/vmlinuz-$1" ]
}

if [ "$2" = newest ]; then
	for image in "$cache"/newest/boot/vmlinuz-*; do
		[ -e "$image" ] || {
			echo "kernels: no newest kernel here: run scripts/deps.sh newest" >&2
			exit 1
		}
		basename "$image" | sed 's/^vmlinuz-//'
		exit
	done
fi

found=$(
	for dir in /lib/modules/"$2".*/build; do
		version=$(basename "$(dirname "$dir")")
		case $version in
		*cloud* | *rt-*) continue ;;
		esac
		[ -e "$dir/Makefile" ] || continue
		[ "$1" = headers ] || bootable "$version" || continue
		echo "$version"
	done | sort -V | tail -n 1
)
[ -n "$found" ] || {
	echo "kernels: no $1 of a $2 kernel here: run scripts/deps.sh" >&2
	exit 1
}
echo "$found"
