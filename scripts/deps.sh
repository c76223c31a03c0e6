#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Installs what building and testing need and is missing, from Debian's archive.
#
#   scripts/deps.sh build     compiler, headers of one kernel, libraries
#   scripts/deps.sh test      that, QEMU, and headers and images of both kernels
#   scripts/deps.sh source    that, and linux-source-6.12 for the debug kernel
#   scripts/deps.sh newest    the newest kernel that Debian has, from the backports of
#                             the next release, with its headers and its compiler
#   scripts/deps.sh demo      as for test, and PostgreSQL for "make demo"
#   scripts/deps.sh long      as for test, and what the long set has more: Chromium
#                             for the status page, promtool for the alerts
#   scripts/deps.sh deb       what builds Debian packages, and checks them
#   scripts/deps.sh docs      Sphinx, and what checks manual pages
#   scripts/deps.sh bench     as for demo, and what "make bench" compares with
#
# Kernel images, PostgreSQL and Prometheus are unpacked in the cache, not installed:
# nothing here boots from this machine's disk, and no server is to run on it.  As
# an ordinary user it only says what is missing.
set -eu

what=${1:-build}
cache=${PB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-pb}
updated=
# The release after this machine's, whose backports have the newest kernels.
release=trixie

die() {
	echo "deps: $*" >&2
	exit 1
}

update() {
	[ -n "$updated" ] || apt-get -q update >/dev/null || die "apt-get update failed"
	updated=1
}

missing() {
	for package; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null |
			grep -q 'ok installed' || printf '%s ' "$package"
	done
}

install() {
	list=$(missing "$@")
	[ -n "$list" ] || return 0
	[ "$(id -u)" = 0 ] || die "please install as root: apt-get install $list"
	update
	echo "deps: installing $list" >&2
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends \
		$list >/tmp/dm-pb-deps.$$ 2>&1 || {
		tail -n 20 "/tmp/dm-pb-deps.$$" >&2
		die "apt-get install failed"
	}
	rm -f "/tmp/dm-pb-deps.$$"
}

# The newest kernel of a series whose headers are installed.
headers_of() {
	for dir in /lib/modules/"$1".*-amd64/build; do
		[ -e "$dir" ] && basename "$(dirname "$dir")"
	done | grep -v -e cloud -e rt- | sort -V | tail -n 1
}

has_image() {
	[ -e "/boot/vmlinuz-$1" ] && [ -d "/lib/modules/$1/kernel" ] ||
		[ -e "$cache/kernels/$1/boot/vmlinuz-$1" ]
}

# unpack DIR PACKAGE...: downloads them, and unpacks them into a new directory.
unpack() {
	dir=$1
	shift
	update
	tmp=$(mktemp -d)
	(cd "$tmp" && apt-get -q download "$@" >/dev/null 2>&1) || {
		rm -rf "$tmp"
		return 1
	}
	rm -rf "$dir"
	mkdir -p "$dir"
	for deb in "$tmp"/*.deb; do
		dpkg -x "$deb" "$dir"
	done
	rm -rf "$tmp"
}

# Unpacks a kernel's package into the cache, where the rig looks.
unpack_image() {
	unpack "$cache/kernels/.$1" "linux-image-$1" || return 1
	depmod -b "$cache/kernels/.$1" "$1"
	rm -rf "$cache/kernels/$1"
	mv "$cache/kernels/.$1" "$cache/kernels/$1"
}

# Headers and image of the newest kernel of a series, given its meta package.
kernel() {
	version=$(headers_of "$1")
	if [ -n "$version" ] && { has_image "$version" || unpack_image "$version"; }; then
		return 0
	fi
	update
	install "$2"
	version=$(headers_of "$1")
	[ -n "$version" ] || die "no headers of a $1 kernel after installing $2"
	has_image "$version" || unpack_image "$version" ||
		die "no image of kernel $version in the archive"
}

# PostgreSQL and its client's library; what else they link with is installed.
postgresql() {
	for usr in "$cache"/postgresql/*/usr; do
		[ ! -d "$usr" ] || return 0
	done
	unpack "$cache/postgresql/.new" postgresql-15 postgresql-client-15 libpq5 ||
		die "PostgreSQL 15 cannot be downloaded"
	version=$(apt-cache show --no-all-versions postgresql-15 | sed -n 's/^Version: //p')
	mv "$cache/postgresql/.new" "$cache/postgresql/$version"
}

install gcc make libc6-dev pkg-config libdevmapper-dev libjson-c-dev libblkid-dev \
	uuid-dev libconfig-dev libcurl4-gnutls-dev libgnutls28-dev libmicrohttpd-dev \
	libsqlite3-dev libsystemd-dev kmod rsync
[ -n "$(headers_of 6)" ] || install linux-headers-amd64

# A root with the newest kernel and all that builds a module for it; nothing of it
# runs on its own.  What is there is kept: remove it for a newer one.
newest() {
	[ ! -d "$cache/newest/boot" ] || return 0
	install mmdebstrap debian-archive-keyring zstd kmod util-linux make rsync
	site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' | head -n 1)
	[ -n "$site" ] || die "apt knows no archive of Debian: run apt-get update"
	new=$cache/.newest.$$
	mkdir -p "$cache"
	log=$(mmdebstrap --quiet --variant=extract --architectures=amd64 \
		--aptopt='APT::Install-Recommends "false"' --include='?essential' \
		--include="make,binutils,mawk,linux-headers-amd64/$release-backports" \
		--include="linux-image-amd64/$release-backports" \
		"$release" "$new" "$site" "deb $site $release-backports main" 2>&1) || {
		rm -rf "$new"
		die "no kernel of Debian's $release-backports: $(echo "$log" | grep -m 1 '^E:')"
	}
	# What the packages' scripts would have done.
	ln -s mawk "$new/usr/bin/awk"
	for image in "$new"/lib/modules/*/vmlinuz; do
		version=$(basename "$(dirname "$image")")
		ln -s "../lib/modules/$version/vmlinuz" "$new/boot/vmlinuz-$version"
		depmod -b "$new" "$version"
	done
	mv "$new" "$cache/newest"
}

# ocf-tester, and what agents share: as files, since installed it brings a cluster.
resource_agents() {
	[ -x "$cache/resource-agents/usr/sbin/ocf-tester" ] ||
		unpack "$cache/resource-agents" resource-agents ||
		die "resource-agents cannot be downloaded"
}

# What makes HTML of Documentation/, and checks it.
docs() {
	install python3-sphinx graphviz man-db mandoc
}

# What makes Debian packages, and checks them.
debian() {
	install debhelper dh-dkms dpkg-dev lintian
}

case $what in
build)
	;;
docs)
	docs
	;;
deb)
	debian
	;;
newest)
	newest
	;;
test | source | bench | demo | long)
	install git qemu-system-x86 python3 busybox-static cpio util-linux iproute2 dmsetup \
		iputils-ping e2fsprogs fio jq openssl curl libaio-dev sparse bc perl xz-utils \
		clang libclang-rt-14-dev llvm dkms debootstrap qemu-utils lvm2 mdadm libxml2-utils \
		libvirt0
	docs
	debian
	resource_agents
	kernel 6.1 linux-headers-amd64
	kernel 6.12 linux-headers-6.12-amd64
	[ "$what" != source ] || install linux-source-6.12 flex bison libelf-dev libssl-dev
	[ "$what" != bench ] || install drbd-utils gnuplot-nox
	if [ "$what" = long ]; then
		install chromium fonts-dejavu-core
		[ -x "$cache/prometheus/usr/bin/promtool" ] ||
			unpack "$cache/prometheus" prometheus ||
			die "prometheus cannot be downloaded"
	fi
	if [ "$what" = demo ] || [ "$what" = bench ]; then
		install libgssapi-krb5-2 libicu72 libldap-2.5-0 liblz4-1 libpam0g libreadline8 \
			libssl3 libsystemd0 libxml2 libzstd1 zlib1g tzdata
		postgresql
	fi
	;;
*)
	die "say build, test, source, newest, deb, docs, bench, long or demo"
	;;
esac
