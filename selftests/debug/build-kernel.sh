#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build the debug kernel once and keep it in the cache; see README.md.
#
# Standard output is for eval: PB_KERNEL_IMAGE (vmlinux with a PVH entry),
# PB_KERNEL_MODULES (for the rig), PB_KERNEL_TREE (for "make -C $PB_KERNEL_TREE M=...").
set -eu

SOURCE=linux-source-6.12
PACKAGES="$SOURCE build-essential flex bison bc libelf-dev libssl-dev xz-utils cpio kmod util-linux"

# Far from all that dm-pb touches: without KASAN and UBSAN these compile and run faster.
PLAIN="arch/x86/kernel arch/x86/events arch/x86/pci drivers/acpi drivers/acpi/acpica drivers/input
	drivers/pci drivers/pnp drivers/tty/serial drivers/tty/serial/8250 drivers/tty/vt"

here=$(dirname "$(realpath "$0")")
config=$here/debug.config
cache=${PB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-pb}
jobs=${PB_JOBS:-$(nproc)}
work=
log=

say() {
	echo "build-kernel: $*" >&2
}

die() {
	say "$@"
	exit 1
}

clean_up() {
	if [ -n "$work" ]; then
		rm -rf "$work"
	fi
}

# The version that is installed, or would be.
source_version() {
	version=$(dpkg-query -W -f '${Version}' "$SOURCE" 2>/dev/null || :)
	if [ -z "$version" ]; then
		version=$(LC_ALL=C apt-cache policy "$SOURCE" | sed -n 's/^ *Candidate: //p')
	fi
	echo "$version"
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
	missing=
	for package in $PACKAGES; do
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	[ "$(id -u)" = 0 ] || die "these packages must be installed:$missing"
	say "installing$missing"
	# shellcheck disable=SC2086	# several words
	{
		apt-get update
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
	} >&2
}

# Run a step with its output in the log; on failure show the end of it.
step() {
	name=$1
	shift
	say "$name"
	"$@" >>"$log" 2>&1 </dev/null || {
		tail -n 30 "$log" >&2
		die "failed: $name; all of it is in $log"
	}
}

unpack() {
	tar -xJf "/usr/src/$SOURCE.tar.xz" -C "$work" &&
		mv "$work/$SOURCE" "$work/source" || return
	for dir in $PLAIN; do
		printf '\nKASAN_SANITIZE := n\nUBSAN_SANITIZE := n\n' >>"$work/source/$dir/Makefile" || return
	done
}

make_source() {
	make -C "$work/source" ARCH=x86_64 -j"$jobs" "$@"
}

# What Kconfig drops for an unmet dependency it drops without a word.
check_config() {
	lost=
	while IFS= read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF -- "$line" "$work/source/.config" || lost="$lost $line"
			;;
		"# CONFIG_"*" is not set")
			option=${line#\# }
			option=${option% is not set}
			! grep -q "^$option=" "$work/source/.config" || lost="$lost $option=n"
			;;
		esac
	done <"$config"
	[ -z "$lost" ] || die "options of debug.config that are not in .config:$lost"
}

# Only what is needed to boot and to build a module stays. The links "build" and
# "source" lead to a directory that will be gone.
harvest() {
	release=$(cat "$work/source/include/config/kernel.release")
	# shellcheck disable=SC2016
	make_source run-command KBUILD_RUN_COMMAND="\${srctree}/scripts/package/install-extmod-build $work/out/tree" &&
		make_source modules_install INSTALL_MOD_PATH="$work/out" &&
		rm -f "$work/out/lib/modules/$release/build" "$work/out/lib/modules/$release/source" &&
		cp "$work/source/.config" "$work/out/tree/.config" &&
		cp "$work/source/System.map" "$work/out/" &&
		objcopy --strip-debug "$work/source/vmlinux" "$work/out/vmlinux"
}

build() {
	rm -rf "$cache"/kernel-build.*		# of builds that were killed: we hold the lock
	work=$(mktemp -d "$cache/kernel-build.XXXXXX")
	log=$cache/kernel-$key.log
	: >"$log"
	export KBUILD_BUILD_USER=dm-pb KBUILD_BUILD_HOST=localhost
	step "unpacking $SOURCE $source" unpack
	step "configuring" make_source KCONFIG_ALLCONFIG="$config" allnoconfig
	check_config
	step "building with $jobs jobs; some minutes" make_source vmlinux modules
	mkdir "$work/out"
	step "keeping what is needed" harvest
	rm -rf "$dest"
	mv "$work/out" "$dest"
	mv "$log" "$dest/build.log"
}

# Modules want the compiler of their kernel, so it is part of the name.
find_dest() {
	source=$(source_version)
	key=$({
		echo "$source"
		gcc -dumpfullversion 2>/dev/null || :
		cat "$config" "$0"
	} | sha256sum | cut -c1-16)
	dest=$cache/kernel-$key
}

mkdir -p "$cache"
cache=$(realpath "$cache")
find_dest
if [ ! -d "$dest" ]; then
	install_packages
	find_dest
fi

if [ ! -d "$dest" ]; then
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	exec 9>"$cache/kernel.lock"
	flock -n 9 || {
		say "waiting for another build"
		flock 9
	}
	[ -d "$dest" ] || build
fi

for release in "$dest"/lib/modules/*; do
	echo "PB_KERNEL_IMAGE=$dest/vmlinux"
	echo "PB_KERNEL_MODULES=$dest"
	echo "PB_KERNEL_TREE=$dest/tree"
	echo "PB_KERNEL_RELEASE=${release##*/}"
done
