#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pbctl as far as it goes without the module: help, wrong command lines, and
# the superblock offline.  Builds what it needs in a directory of its own, with
# sanitizers; PBCTL_O names another one to keep it.  TAP 13 on stdout.

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
out=${PBCTL_O:-$tmp/build}
pbctl=$out/pbctl
run=0
failed=0

result() {	# result STATUS TEXT
	run=$((run + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $run - $2"
	else
		echo "not ok $run - $2"
		failed=$((failed + 1))
	fi
}

# Runs pbctl; leaves $status, $tmp/out and $tmp/err.
try() {
	timeout 20 "$pbctl" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

show() {
	sed 's/^/# /' "$tmp/out" "$tmp/err" | head -20
	echo "# exit status $status"
}

# refused STATUS PATTERN ARG...: one line on stderr, none on stdout.
refused() {
	local want=$1 pattern=$2 good=0
	shift 2
	try "$@"
	[ "$status" -eq "$want" ] || good=1
	[ ! -s "$tmp/out" ] || good=1
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || good=1
	grep -q "^pbctl: .*$pattern" "$tmp/err" || good=1
	result $good "refused with $want: pbctl $*"
	[ $good -eq 0 ] || show
}

# prints PATTERN ARG...: exit status 0 and PATTERN on stdout.
prints() {
	local pattern=$1 good=0
	shift
	try "$@"
	[ "$status" -eq 0 ] && [ ! -s "$tmp/err" ] || good=1
	grep -q -e "$pattern" "$tmp/out" || good=1
	result $good "prints '$pattern': pbctl $*"
	[ $good -eq 0 ] || show
}

# has TEXT PYTHON: the JSON on stdout is such that PYTHON is true of d.
has() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$tmp/out" "$2" 2>"$tmp/pyerr"
	local good=$?
	result $good "$1"
	[ $good -eq 0 ] || { show; sed 's/^/# /' "$tmp/pyerr"; }
}

build() {
	make -C "$top/userspace" O="$out" SANITIZE=1 >"$tmp/log" 2>&1 &&
	gcc -std=gnu11 -Wall -Wextra -Werror -g -D_GNU_SOURCE \
		-fsanitize=address,undefined -I"$top/userspace/lib" \
		-I"$top/kmod" $(pkg-config --cflags json-c) \
		-o "$tmp/mksuper" "$here/mksuper.c" "$out/libpb.a" \
		>>"$tmp/log" 2>&1
}

echo "TAP version 13"
if ! build; then
	sed 's/^/# /' "$tmp/log"
	echo "Bail out! cannot build pbctl"
	exit 1
fi

A=aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa
B=bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb
Z=00000000-0000-0000-0000-000000000000

# Help: every verb has a usage line and an example, asked for in each way.
verbs="create remove status top events connect listen disconnect policy resync resize verify dump-meta info metrics report \
init up down volumes history switch evict add force-primary-data-may-be-lost"
prints 'Usage: pbctl VERB' --help
prints 'Usage: pbctl VERB' help
prints '^pbctl [0-9]' --version
for verb in $verbs "view set" "view show"; do
	# The two words of 'view set' are two arguments.
	prints "^Usage: pbctl $verb" help $verb
	prints "^Example" $verb --help
	prints "^Usage: pbctl $verb" $verb -h
done
prints '^Usage: pbctl view show' help view

# Wrong command lines.
refused 2 'verb'
refused 2 'not a verb' frobnicate
refused 2 'not a verb' help frobnicate
refused 2 "view set" view
refused 2 "view set" view frobnicate
refused 2 'what is' help create too
refused 2 'what is' --version too
refused 2 'too few' create
refused 2 'data' create v
refused 2 'needs a value' create v --data
refused 2 'unknown option' create v --data /dev/null --frobnicate
refused 2 'unknown option' create v -x
refused 2 'needless value' create v --data /dev/null --blank=yes
refused 2 'contradict' create v --data /dev/null --blank --declare-synced
refused 2 'not a UUID' create v --data /dev/null --volume 1
refused 2 'zeros' create v --data /dev/null --replica $Z
refused 2 '512 to 4096' create v --data /dev/null --block-size 8192
refused 2 'power of two' create v --data /dev/null --block-size 1000
refused 2 'not a number' create v --data /dev/null --size 1G
refused 2 'not in' create v --data /dev/null --size 0
refused 2 'not in' create v --data /dev/null --size 99999999999999999999999
refused 2 'power of two' create v --data /dev/null --extent-size 3MiB
refused 2 'power of two' create v --data /dev/null --extent-size 512KiB
refused 2 'power of two' create v --data /dev/null --extent-size 128MiB
refused 2 'not a size' create v --data /dev/null --extent-size 4MB
refused 2 'too few' resize
refused 2 'what is' resize v w
refused 2 'not in' resize v --size 0
refused 2 'not a number' resize v --size 1GiB
refused 2 'not in' resize v --size 99999999999999999999
refused 2 'needs a value' resize v --size
refused 2 'unknown option' resize v --shrink
refused 2 'written out' resize v --assume
refused 2 'nothing else' resize v --cancel --watch
refused 2 'nothing else' resize v --cancel --size 8
refused 2 'nothing else' resize v --cancel --assume-zero
refused 2 'nothing else' resize v --watch --no-wait
refused 2 'not a size' create v --data /dev/null --extent-size MiB
refused 2 'power of two' create v --data /dev/null --region-size 0
refused 2 'power of two' create v --data /dev/null --region-size 2KiB
refused 2 'power of two' create v --data /dev/null --region-size 8MiB
refused 2 'power of two' create v --data /dev/null --region-size 99999999999MiB
refused 2 'not in 64 to 65536' create v --data /dev/null --hot-extents 63
refused 2 'not in 1 to 7' create v --data /dev/null --maps 8
refused 2 'not in 1 to 7' create v --data /dev/null --maps 0
refused 2 'longer' create "$(printf 'v%.0s' $(seq 40))" --data /dev/null
refused 2 'printable' create 'a b' --data /dev/null
refused 2 'printable' create "$(printf 'a\nb')" --data /dev/null
refused 2 'start with' create .. --data /dev/null
refused 2 'empty' create '' --data /dev/null
refused 2 'what is' create v w --data /dev/null
refused 2 'too few' remove
refused 2 'time in seconds' remove v --retry soon
refused 2 'written out' remove v --forc
refused 2 'unknown option' status --frobnicate
refused 2 'not in' events --count 0
refused 2 'more than' events --timeout 1000000
refused 2 'time in seconds' events --timeout 1.
refused 2 'what is' events v
refused 2 'at least 0.1' top --interval 0.01
refused 2 'time in seconds' top --interval fast
refused 2 'not in' top --count 0
refused 2 'written out' top --asc
refused 2 'needs a value' metrics -o
refused 2 'what is' metrics vol
refused 2 'needs a value' report -o
refused 2 'needs a value' report --output
refused 2 'what is' report file
refused 1 'exists: give another name' report -o "$0"
refused 1 'cannot write' report -o "$tmp/none/report.tar.gz"
refused 2 'too few' connect v
refused 2 'port' connect v host:0
refused 2 'port' connect v host:70000
refused 2 'port' connect v host:
refused 2 'not a host' connect v 7780
refused 2 'which host' connect v :7780
refused 2 'ADDRESS' connect v '[::1'
refused 2 'ADDRESS' connect v '[]:7780'
refused 2 '10 to 60000' connect v host --keepalive 1
refused 2 'twice' connect v host --keepalive 500 --timeout 800
refused 2 'twice' listen v --keepalive 2000
refused 2 'leave out --wait' listen v --keep --wait 3
refused 2 'not a UUID' listen v --peer node-b
refused 2 'port' listen v :x
refused 2 'too few' view set --number 1 --member $A
refused 2 'number' view set v --member $A
refused 2 'member' view set v --number 1
refused 2 'not in' view set v --number 0 --member $A
refused 2 'zeros' view set v --number 1 --member $Z
refused 2 'not a UUID' view set v --number 1 --member node-a
refused 2 'unsynced' view set v --number 1 --member $A:node-a:synced
refused 2 'unsynced' view set v --number 1 --member $A:node-a:unsynced:x
refused 2 'too long' view set v --number 1 --member $A:"$(printf 'n%.0s' $(seq 60))"
refused 2 'synced' view set v --number 1 --member $A:unsynced
refused 2 'twice' view set v --number 1 --member $A --member $A
refused 2 'at most' view set v --number 1 $(for i in $(seq 9); do
	echo "--member $A"; done)
refused 2 'written out' view set v --number 1 --member $A --force
refused 2 'too few' view show
refused 2 'too few' disconnect
refused 2 'too few' policy v
refused 2 'not a policy' policy v maybe
refused 2 'what is' info v
refused 2 'too few' verify
refused 2 'what is' verify v w
refused 2 'unknown option' verify v --fix
refused 2 'written out' verify v --rep
refused 2 'needless value' verify v --repair=yes
refused 2 'needs a value' verify v --start
refused 2 'not a size' verify v --start 1MB
refused 2 'not a size' verify v --start -1
refused 2 'not from' verify v --length 0
refused 2 'not from' verify v --length 99999999999TiB
refused 2 'no other option' verify v --stop --repair
refused 2 'no other option' verify v --stop --start 1MiB
refused 2 'no other option' verify v --show --length 1MiB
refused 2 'no other option' verify v --show --repair
refused 2 'no other option' verify v --show --stop
refused 2 'too few' resync
refused 2 'what is' resync v w
refused 2 'not both' resync v --pause --resume
refused 2 'neither on nor off' resync v --checksum yes
refused 2 'neither on nor off' resync v --checksum ''
refused 2 'needs a value' resync v --checksum
refused 2 'not a size' resync v --max-rate fast
refused 2 'not a size' resync v --max-rate 1MiB/s
refused 2 'not from' resync v --max-rate 2TiB
refused 2 'not a size' resync v --min-rate 99999999999999999999
refused 2 'too few' dump-meta
refused 2 'contradict' dump-meta --internal --external "$tmp/x"

# What needs the module says that it is not there.
if [ -e /dev/dm-pb-control ]; then
	echo "# the module is loaded: skipping what happens without it"
else
	refused 1 'not loaded.*modprobe dm-pb' status
	refused 1 'not loaded' info --json
	refused 1 'not loaded' top
	refused 1 'not loaded' events --count 1
	refused 1 'not loaded' create v --data /dev/null --blank
	refused 1 'not loaded' create v --data /dev/null --blank \
		--extent-size 4MiB --hot-extents 64 --region-size 65536 --maps 7
	refused 1 'not loaded' view set v --number 1 --member $A:node-a \
		--member $B:node-b:unsynced
	refused 1 'not loaded' connect v '[::1]:7780' --keep
	refused 1 'not loaded' listen v
	refused 1 'not loaded' policy v wait
	refused 1 'not loaded' disconnect v --peer $A
	refused 1 'not loaded' remove v --force
fi

# dump-meta.
img() {	# img NAME SECTORS PLACE DAMAGE
	"$tmp/mksuper" "$tmp/$1" "$2" "$3" "$4" || echo "Bail out! mksuper"
}

img ext 8192 external none
prints 'valid, the one that counts' dump-meta "$tmp/ext"
prints "$A  node-a (this replica)" dump-meta "$tmp/ext" --external
try dump-meta --json "$tmp/ext"
has "json: fields of a sound superblock" \
	"d['valid'] and d['current_copy'] == 0 and d['place'] == 'external' and
	 [c['valid'] for c in d['copies']] == [True, True] and
	 d['copies'][1]['fields']['view']['members'][0]['replica'] == '$A' and
	 d['copies'][0]['fields']['incarnation'] == '0123456789abcdef' and
	 d['copies'][0]['crc'] == d['copies'][0]['crc_computed'] and
	 d['copies'][0]['fields']['active'] is True"

img int 32768 internal none
prints 'internal metadata area' dump-meta "$tmp/int"
prints 'internal metadata area' dump-meta --data "$tmp/int"
refused 1 'no superblock' dump-meta --external "$tmp/int"

img first 8192 external first
prints 'copy 0.*not valid: .*checksum' dump-meta "$tmp/first"
prints 'copy 1.*valid, the one that counts' dump-meta "$tmp/first"
try dump-meta --json "$tmp/first"
has "json: a damaged copy says why" \
	"d['current_copy'] == 1 and 'checksum' in d['copies'][0]['why'] and
	 d['copies'][0]['crc'] != d['copies'][0]['crc_computed']"

img torn 8192 external torn
prints 'copy 0.*the one that counts' dump-meta "$tmp/torn"
img noview 8192 external noview
prints 'none yet' dump-meta "$tmp/noview"

# The activity log and the dirty maps.
img logs 8192 external logs
try dump-meta --json "$tmp/logs"
has "json: the log's and the maps' part of the superblock" \
	"[d['copies'][0]['fields'][k] for k in ('log_epoch', 'next_epoch',
	 'log_blocks', 'log_slots', 'extent_shift', 'region_shift', 'nr_maps',
	 'data_view', 'met_view')] == [41, 60, 96, 16384, 13, 7, 4, 3, 1] and
	 [(p['map'], p['replica'], p['base_view'], p['met_view'], p['epoch'],
	   p['started'])
	  for p in d['copies'][0]['fields']['peers']] ==
	  [(1, '$B', 2, 1, 42, True)]
	 and 'log' not in d and 'maps' not in d"
prints '16384 hot extents of 4096 KiB' dump-meta "$tmp/logs"
prints "map 1 *$B since view 2, met in 1, epoch 42.*started" dump-meta "$tmp/logs"
prints 'newest record 3, 2 hot extents' dump-meta --log "$tmp/logs"
prints 'extents 0 to 1' dump-meta --log "$tmp/logs"
prints '3 of 160 regions are dirty, 192 KiB' dump-meta --maps "$tmp/logs"
try dump-meta --json --log --maps "$tmp/logs"
has "json: records, hot extents, dirty maps" \
	"d['log']['valid'] and d['log']['last_seq'] == 3 and
	 d['log']['hot_extents'] == [0, 1] and
	 [r['seq'] for r in d['log']['records']] == [1, 2, 3] and
	 d['log']['records'][1]['updates'] == [{'slot': 0, 'extent': None}] and
	 [(m['map'], m['replica'], m['regions'], m['dirty_regions'],
	   m['void_blocks'], m['damaged_blocks'])
	  for m in d['maps']] == [(1, '$B', 160, 3, 0, 0)]"
img logsint 32768 internal logs
prints '2 hot extents' dump-meta --log "$tmp/logsint"
prints '3 of 160 regions' dump-meta --maps "$tmp/logsint"
prints 'newest record 0, 0 hot extents' dump-meta --log "$tmp/ext"
prints '0 of 160 regions' dump-meta --maps "$tmp/ext"

# bad DAMAGE OPTION PATTERN: printed, exit status 1, one line why.
bad() {
	local good=0
	img "$1" 8192 external "$1"
	try dump-meta "$2" "$tmp/$1"
	[ "$status" -eq 1 ] && [ "$(wc -l <"$tmp/err")" -eq 1 ] || good=1
	grep -q -e "$3" "$tmp/out" && grep -q '^pbctl: .*damaged' "$tmp/err" ||
		good=1
	result $good "dump-meta $2 of damage '$1' says '$3'"
	[ $good -eq 0 ] || show
	prints 'the one that counts' dump-meta "$tmp/$1"
}
bad badlog --log 'every extent may be hot'
bad badmap --maps '160 of 160 regions are dirty'
try dump-meta --json --log --maps "$tmp/badlog"
has "json: a damaged log says so" "d['log']['valid'] is False and
	 d['log']['why'] and d['log']['hot_extents'] == [] and
	 [r['valid'] for r in d['log']['records']] == [True, False, True]"
try dump-meta --json --maps "$tmp/badmap"
has "json: a damaged map says so" "d['maps'][0]['valid'] is False and
	 d['maps'][0]['why'] and d['maps'][0]['dirty_regions'] == 160"

# broken DAMAGE PATTERN: dumped all the same, exit status 1, one line why.
broken() {
	local good=0
	img "$1" 8192 external "$1"
	try dump-meta "$tmp/$1"
	[ "$status" -eq 1 ] && [ "$(wc -l <"$tmp/err")" -eq 1 ] || good=1
	grep -q "$2" "$tmp/out" && grep -q "^pbctl: .*$2" "$tmp/err" || good=1
	# Bytes of a damaged disk are no business of a terminal.
	grep -q -P '[^\x20-\x7e]' "$tmp/out" && good=1
	result $good "dump-meta of damage '$1' says '$2'"
	[ $good -eq 0 ] || show
	try dump-meta --json "$tmp/$1"
	has "json of damage '$1' says so" "d['valid'] is False and d['why']"
}
broken both checksum
broken version version
broken members member

img empty 8192 external empty
refused 1 'no superblock' dump-meta "$tmp/empty"
truncate -s 4194303 "$tmp/short"
refused 1 'too few' dump-meta "$tmp/short"
refused 1 'too few' dump-meta --internal "$tmp/ext"
: >"$tmp/zero"
refused 1 'too few' dump-meta "$tmp/zero"
refused 1 'cannot open' dump-meta "$tmp/none"
refused 1 'neither a block device' dump-meta "$tmp"
refused 1 'neither a block device' dump-meta /dev/null
mkfifo "$tmp/fifo"
refused 1 'neither a block device' dump-meta "$tmp/fifo"
img two 32768 internal none
img two 32768 external none
refused 1 'say --external or --internal' dump-meta "$tmp/two"
prints 'external metadata area' dump-meta --external "$tmp/two"

# Output that cannot be written is not a success.
"$pbctl" help >/dev/full 2>"$tmp/err"
[ $? -eq 1 ] && grep -q '^pbctl: cannot write' "$tmp/err"
result $? "a full disk under stdout is an error"

echo "1..$run"
[ $failed -eq 0 ] || echo "# $failed of $run failed"
[ $failed -eq 0 ]
