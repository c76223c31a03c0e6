#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The hook for PostgreSQL of the examples: what it does in which order in each role, called
# again, and when something fails.  The programs that it calls are replaced by ones that keep
# the state of a node in files.  TAP 13 on stdout.
set -u

here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

mkdir "$tmp/bin" "$tmp/state"
cat >"$tmp/bin/fake" <<'END'
#!/bin/sh
# One program for all names.  It looks, or does a thing, unless that is what is to fail.
act() {	# act NAME COMMAND...
	echo "$1" >>"$FAKE/done"
	[ "$1" != "$(cat "$FAKE/fails")" ] || exit 1
	shift
	"$@"
}

needs() {	# needs FILE: what the real one could not do without it
	[ -e "$FAKE/state/$1" ] || { echo "no $1: $0" >>"$FAKE/wrong"; exit 1; }
}

state=$FAKE/state
case "${0##*/} $*" in
"mountpoint -q /srv/db")			[ -e "$state/mounted" ] ;;
"mount /dev/mapper/db /srv/db")			act mount touch "$state/mounted" ;;
"umount /srv/db")				needs mounted; act umount rm "$state/mounted" ;;
"systemctl start postgresql@15-main.service")	needs mounted; act start touch "$state/runs" ;;
"systemctl kill --signal=SIGKILL postgresql@15-main.service") act kill [ -e "$state/runs" ] ;;
"systemctl stop postgresql@15-main.service")	act stop rm -f "$state/runs" ;;
"ip -4 -oneline address show dev eth0")
	echo "2: eth0    inet 10.0.0.10/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever"
	[ ! -e "$state/address" ] ||
		echo "2: eth0    inet 10.0.0.100/24 scope global secondary eth0\\       valid_lft forever" ;;
"ip address add 10.0.0.100/24 dev eth0")	needs runs; act add touch "$state/address" ;;
"ip address del 10.0.0.100/24 dev eth0")	needs address; act del rm "$state/address" ;;
"arping -q -U -c 2 -I eth0 10.0.0.100")		needs address; act arping true ;;
*)						echo "not known: ${0##*/} $*" >>"$FAKE/wrong"; exit 1 ;;
esac
END
chmod 755 "$tmp/bin/fake"
for name in mountpoint mount umount systemctl ip arping; do
	ln -s fake "$tmp/bin/$name"
done
export FAKE="$tmp" PATH="$tmp/bin:$PATH" PB_DEVICE=/dev/mapper/db

# Its settings as a person would change them, and its mark where this test may write.
sed "s|^stuck=.*|stuck=$tmp/state/stuck|" "$here/../../Documentation/examples/50-postgresql" >"$tmp/without"
sed 's|^address=.*|address=10.0.0.100/24|; s|^interface=.*|interface=eth0|' "$tmp/without" >"$tmp/with"

row() {	# row "STATE" ROLE FAILS STATUS "DONE" "STATE AFTER" [HOOK [VOLUME]]
	rm -f "$tmp"/state/* "$tmp/wrong"
	for name in $1; do
		: >"$tmp/state/$name"
	done
	echo "$3" >"$tmp/fails"
	: >"$tmp/done"
	sh "$tmp/${7:-with}" "${8:-db}" "$2" >"$tmp/out" 2>&1
	status=$?
	did=$(xargs <"$tmp/done")
	after=$(find "$tmp/state" -type f -printf '%f\n' | sort | xargs)
	n=$((n + 1))
	text="$2 with '$1', $3 fails, ${7:-with} address, volume ${8:-db}: $4, '$5'"
	if [ "$status $did/$after" = "$4 $5/$6" ] && [ ! -e "$tmp/wrong" ]; then
		echo "ok $n - $text"
	else
		failed=1
		echo "not ok $n - $text"
		echo "# was $status, '$did', and then '$after'"
		cat "$tmp/out" "$tmp/wrong" 2>/dev/null | sed 's/^/# /'
	fi
}

says() {	# says PATTERN: of the row before
	grep -q "$1" "$tmp/out"
	status=$?
	n=$((n + 1))
	[ $status = 0 ] || { failed=1; printf 'not '; }
	echo "ok $n - and says: $1"
}

all="address mounted runs"
echo "TAP version 13"
#   state                 role        fails  status done                    after
row ""                    primary     -      0 "mount start add arping"     "$all"
row "$all"                primary     -      0 "start arping"               "$all"
row "mounted runs"        primary     -      0 "start add arping"           "$all"
row "mounted"             primary     -      0 "start add arping"           "$all"
for role in backup idle unconfirmed failed; do
	row "$all"        $role       -      0 "del kill stop umount"       ""
	row ""            $role       -      0 "kill stop"                  ""
done
row "mounted"             backup      -      0 "kill stop umount"           ""
row ""                    primary     mount  1 "mount"                      ""
row ""                    primary     start  1 "mount start"                "mounted"
row ""                    primary     add    1 "mount start add"            "mounted runs"
says 'eth0 does not take 10.0.0.100/24'
row ""                    primary     arping 1 "mount start add arping"     "$all"
says 'nobody was told'
row "$all"                backup      del    1 "del kill stop umount"       "address"
says 'still on eth0'
row "$all"                backup      umount 1 "del kill stop umount"       "mounted stuck"
says 'reboot this node'
row "mounted stuck"       primary     -      1 ""                           "mounted stuck"
says 'reboot this node'
row "mounted stuck"       backup      -      0 "kill stop umount"           "stuck"
row "stuck"               primary     -      1 ""                           "stuck"
row ""                    primary     -      0 "mount start"                "mounted runs"     without
row "mounted runs"        backup      -      0 "kill stop umount"           ""                 without
row "$all"                backup      -      0 ""                           "$all"             with    web
row ""                    primary     -      0 ""                           ""                 with    web
echo "1..$n"
exit $failed
