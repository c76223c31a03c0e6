#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The OCF agent: what each action answers in each state of a volume, wrong parameters, and
# ocf-tester.  pbctl and dmsetup are replaced by programs that keep a volume in a file.
# scripts/deps.sh unpacks resource-agents.  TAP 13 on stdout.
set -u

ocf=${PB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-pb}/resource-agents
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
n=0
failed=0

result() {	# result STATUS TEXT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		sed 's/^/# /' "$tmp/out" 2>/dev/null | head -n 20
	fi
}

mkdir -p "$tmp/bin" "$tmp/etc/volumes" "$tmp/ocf"
: >"$tmp/etc/volumes/db.conf"
cp "$here/../../userspace/ocf/pb" "$tmp/pb"
cp -R "$ocf/usr/lib/ocf/lib" "$tmp/ocf/"
cp -R "$ocf/usr/share/resource-agents" "$tmp/"
chmod -R go+rX "$tmp/ocf" "$tmp/resource-agents"

cat >"$tmp/bin/pbctl" <<'END'
#!/bin/sh
# A volume: role, copy, ms of a lease, and whether a switch is refused, or "down".
read -r role copy hold refused <"$FAKE/volume"
echo "$*" >>"$FAKE/asked"
case $1 in
up)
	[ "$role" != broken ] || { echo "pbctl: the data device is in use"; exit 1; }
	[ "$role" != down ] || echo "backup synced 0 no" >"$FAKE/volume"
	;;
down)
	[ "$role" != busy ] || { echo "pbctl: db is in use: unmount it"; exit 1; }
	echo down >"$FAKE/volume"
	;;
switch)
	[ "$refused" = no ] || { echo "pbctl: alpha is not well"; exit 1; }
	[ "$3" = beta ] && echo "primary synced 0 no" >"$FAKE/volume"
	;;
status)
	case $role in
	down | broken) echo "pbctl: db: no such device"; exit 1 ;;
	esac
	cat <<JSON
[{"name": "db", "replica": "b", "role": "$role", "replica_state": "$copy", "hold_left_ms": $hold,
  "view": {"members": [{"replica": "a", "name": "alpha"}, {"replica": "b", "name": "beta"}]}}]
JSON
	;;
esac
END
cat >"$tmp/bin/dmsetup" <<'END'
#!/bin/sh
read -r role rest <"$FAKE/volume"
case "$role/$*" in
down/* | broken/*)	echo "Device does not exist." >&2; exit 1 ;;
*"-o open"*)		cat "$FAKE/open" ;;
*)			echo db ;;
esac
END
cat >"$tmp/bin/crm_attribute" <<'END'
#!/bin/sh
echo "$*" >"$FAKE/score"
END
chmod 755 "$tmp"/bin/*

export FAKE="$tmp" PATH="$tmp/bin:$PATH" OCF_ROOT="$tmp/ocf" OCF_FUNCTIONS_DIR="$tmp/ocf/lib/heartbeat" \
	HA_RSCTMP="$tmp/run" HA_SBIN_DIR="$tmp/bin" OCF_RESOURCE_INSTANCE=volume OCF_RESKEY_crm_feature_set=3.0 OCF_RESKEY_CRM_meta_timeout=4000
promoted=$tmp/run/pb-db-promoted

agent() {	# agent ACTION: with what is in volume and config
	OCF_RESKEY_volume=$volume OCF_RESKEY_config=$config OCF_RESKEY_CRM_meta_interval=${interval:-10000} \
		timeout 30 "$tmp/pb" "$1" >"$tmp/out" 2>&1
}

given() {	# given VOLUME OPEN MARK: a state
	echo "$1" >"$tmp/volume"
	echo "$2" >"$tmp/open"
	rm -f "$tmp/score" "$tmp/asked"
	rm -rf "$tmp/run"
	[ "$3" != promoted ] || { mkdir "$tmp/run" && : >"$promoted"; }
}

row() {	# row "VOLUME" OPEN MARK ACTION STATUS MARK-AFTER SCORE: an action in a state
	given "$1" "$2" "$3"
	agent "$4"
	status=$?
	[ -e "$promoted" ] && mark=promoted || mark=-
	score=$(sed -n 's/.*-v \([0-9]*\).*/\1/p; s/.*-D.*/none/p' "$tmp/score" 2>/dev/null)
	[ "$status $mark ${score:--}" = "$5 $6 $7" ]
	result $? "$4 with $1, open $2, $3: $5, $6, score $7"
	[ "$status $mark ${score:--}" = "$5 $6 $7" ] || echo "# was $status, $mark, score ${score:--}"
}

refused() {	# refused STATUS PATTERN ACTION: one line, and pbctl was asked for nothing
	given "backup synced 0 no" 0 -
	agent "$3"
	status=$?
	[ $status = "$1" ] && grep -q "$2" "$tmp/out" && [ "$(grep -c ocf-exit-reason "$tmp/out")" = 1 ] &&
		[ ! -e "$tmp/asked" ]
	result $? "$3 refused with $1: $2"
}

echo "TAP version 13"
volume=db config=$tmp/etc
#   role    copy    ms refused  open mark     action  status after   score
row "down"                      0    -        monitor 7      -        none
row "backup synced 0 no"        0    -        monitor 0      -        500
row "backup behind 0 no"        0    -        monitor 0      -        none
row "unconfirmed synced 0 no"   0    -        monitor 0      -        none
row "idle synced 0 no"          0    -        monitor 0      -        none
row "primary synced 0 no"       1    -        monitor 0      -        1000
row "primary synced 0 no"       1    promoted monitor 8      promoted 1000
row "backup synced 0 no"        0    promoted monitor 9      promoted 500
row "idle behind 0 no"          0    promoted monitor 9      promoted none
row "failed synced 0 no"        0    -        monitor 1      -        none
row "failed synced 0 no"        0    promoted monitor 9      promoted none
row "down"                      0    -        start   0      -        500
row "down"                      0    promoted start   0      -        500
row "primary synced 0 no"       0    -        start   0      -        1000
row "broken"                    0    -        start   1      -        -
row "backup synced 0 no"        0    promoted stop    0      -        none
row "primary synced 0 no"       0    -        stop    0      -        none
row "down"                      0    promoted stop    0      -        none
row "busy synced 0 no"          1    -        stop    1      -        none
grep -q 'ocf-exit-reason:pbctl: db is in use' "$tmp/out"
result $? "and says why"
row "backup synced 0 no"        0    -        promote 0      promoted 1000
row "primary synced 0 no"       0    -        promote 0      promoted 1000
row "primary synced 0 no"       1    promoted promote 0      promoted 1000
row "primary synced 900 no"     0    -        promote 1      -        -
row "backup synced 0 yes"       0    -        promote 1      -        -
row "backup behind 0 no"        0    -        promote 1      -        -
row "idle synced 0 no"          0    -        promote 1      -        -
row "failed synced 0 no"        0    -        promote 1      -        -
row "down"                      0    -        promote 7      -        -
row "primary synced 0 no"       0    promoted demote  0      -        1000
row "primary synced 0 no"       1    promoted demote  1      promoted -
row "backup synced 0 no"        0    promoted demote  0      -        500
row "idle behind 0 no"          1    promoted demote  0      -        none
row "primary synced 0 no"       0    -        demote  0      -        1000
row "down"                      0    promoted demote  7      -        -

given "backup behind 0 no" 0 -
agent promote
! grep -q switch "$tmp/asked"
result $? "no switch is asked for where the copy is not synced"

# A node that is asked in vain is made the primary by the view server once it is sure.
given "backup synced 0 yes" 0 -
(until grep -q switch "$tmp/asked" 2>/dev/null; do sleep 0.1; done; echo "primary synced 0 yes" >"$tmp/volume") &
agent promote
result $? "promote waits for a fail-over"
wait

for action in start promote demote monitor stop validate-all; do
	volume='' refused 6 'volume is missing' $action
	volume='a/b' refused 6 'not the name of a volume' $action
	volume=web refused 5 'does not know the volume' $action
done
interval=0 volume=web
agent monitor
[ $? = 7 ]
result $? "a probe where the volume is not known"
interval=10000 volume=db

(cd "$tmp/resource-agents" && "$tmp/pb" meta-data | xmllint --noout --valid - >"$tmp/out" 2>&1)
result $? "its meta-data is as the standard has it"
agent frobnicate
[ $? = 3 ]
result $? "an action that there is not"

# Its lines with a star are complaints, but for what it says of optional actions.
given down 0 -
sed "s|^DATADIR=.*|DATADIR=$tmp|" "$ocf/usr/sbin/ocf-tester" >"$tmp/ocf-tester"
sh "$tmp/ocf-tester" -n volume -o volume=db -o "config=$config" "$tmp/pb" >"$tmp/out" 2>&1 &&
	grep -q 'passed all tests' "$tmp/out"
result $? "ocf-tester"

echo "1..$n"
exit $failed
