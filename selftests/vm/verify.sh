# SPDX-License-Identifier: GPL-2.0
# Sourced by the tests of verification, after lib.sh.

mib=$((1 << 20))
region=65536

# harm FILE OFFSET LENGTH: other bytes on a disk, each of them, behind its owner's back
harm() {
	dd if="$work/$1" bs=64K skip="$2" count="$3" iflag=fullblock,skip_bytes,count_bytes 2>/dev/null |
		LC_ALL=C tr '\000-\377' '\001-\377\000' >"$work/harm"
	dd if="$work/harm" of="$work/$1" bs=64K seek="$2" conv=notrunc oflag=seek_bytes 2>/dev/null
	blockdev --flushbufs "$(dev "$1")"
}

verify() {	# verify [OPTIONS...]: prints the result, without progress
	"$PBCTL" verify A --json "$@" 2>&1
}

# ranges: of a result, as "start+length ..." in bytes
ranges() {
	jq -r '[.differs[] | "\(.start)+\(.length)"] | join(" ")'
}

# in_state NAME STATE: of its verification
in_state() {
	"$PBCTL" verify "$1" --show --json | jq -e ".state == \"$2\""
}
