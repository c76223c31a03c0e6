#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# pbctl init: what it makes is in order, and a view server and its clients work
# with it; what is wrong is refused in one line, and nothing is left.  PBCTL is the
# program, pbviewd is beside it.  TAP 13 on stdout.
set -u

pbctl=$PBCTL
pbviewd=$(dirname "$pbctl")/pbviewd
tmp=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill $server; rm -rf "$tmp"' EXIT
n=0
failed=0

result() {	# result STATUS TEXT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err" 2>/dev/null | head -n 20
	fi
}

try() {	# try TEXT COMMAND...: it must succeed
	text=$1
	shift
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err"
	result $? "$text"
}

init() {	# init DIR OPTION...: of two nodes
	dir=$1
	shift
	timeout 60 "$pbctl" init db --config "$tmp/$dir" --node alpha=10.0.0.1 --node beta=10.0.0.2 \
		--data /dev/vg0/db "$@" >"$tmp/out" 2>"$tmp/err"
}

refused() {	# refused STATUS PATTERN DIR ARGUMENT...: one line, and nothing was made
	want=$1
	pattern=$2
	dir=$3
	shift 3
	find "$tmp" -mindepth 1 ! -name out ! -name err | sort >"$tmp/out"
	before=$(cat "$tmp/out")
	timeout 60 "$pbctl" init --config "$tmp/$dir" "$@" >"$tmp/out" 2>"$tmp/err"
	[ $? = "$want" ] && [ ! -s "$tmp/out" ] && [ "$(wc -l <"$tmp/err")" = 1 ] &&
		grep -q "^pbctl: .*$pattern" "$tmp/err" &&
		[ "$before" = "$(find "$tmp" -mindepth 1 ! -name out ! -name err | sort)" ]
	result $? "refused with $want, and nothing is left: $pattern"
}

echo "TAP version 13"

init a --server 127.0.0.1 --meta /dev/vg0/db-meta
result $? "a view server and two nodes"
for dir in a a/hosts/alpha a/hosts/beta; do
	try "pbviewd --check: $dir" "$pbviewd" --check --config "$tmp/$dir"
	cmp -s "$tmp/a/volumes/db.conf" "$tmp/$dir/volumes/db.conf" &&
		cmp -s "$tmp/a/ca.pem" "$tmp/$dir/ca.pem" &&
		[ "$(stat -c %a "$tmp/$dir/host.key")" = 600 ]
	result $? "$dir: the same volume and authority, and a key for root alone"
done
[ "$(stat -c %a "$tmp/a/authority.key")" = 600 ]
result $? "the authority's key is for root alone"

# They are used as they are, but for ports and the store.
port=$((20000 + $$ % 10000))
sed -i "s/:7402/:$port/" "$tmp"/a/pbviewd.conf "$tmp"/a/hosts/*/pbviewd.conf
sed -i "s|^server = {|& listen = \"127.0.0.1:$port\"; store = \"$tmp/views.db\";|" "$tmp/a/pbviewd.conf"
"$pbviewd" server --config "$tmp/a" >"$tmp/log" 2>&1 &
server=$!
tries=0
until "$pbctl" volumes --config "$tmp/a" >"$tmp/out" 2>"$tmp/err" || [ $tries -ge 100 ]; do
	kill -0 $server 2>/dev/null || break
	tries=$((tries + 1))
	sleep 0.1
done
grep -q '^db: no view yet' "$tmp/out"
result $? "the view server answers this host"
for node in alpha beta; do
	try "the view server answers $node" "$pbctl" volumes db --config "$tmp/a/hosts/$node"
done
try "this host may command" "$pbctl" evict db beta --config "$tmp/a"
try "a node may command its volume" "$pbctl" add db beta --config "$tmp/a/hosts/alpha"
kill $server
wait $server 2>/dev/null
server=

# The view server on a node.
init b --server 10.0.0.2 && [ ! -e "$tmp/b/hosts/beta" ] && [ -e "$tmp/b/hosts/alpha/host.pem" ] &&
	grep -q '^node = { name = "beta"' "$tmp/b/pbviewd.conf" && grep -q '^server = ' "$tmp/b/pbviewd.conf"
result $? "a view server that is a node as well"
try "pbviewd --check: that" "$pbviewd" --check --config "$tmp/b"

nodes="--node alpha=10.0.0.1 --node beta=10.0.0.2"
# shellcheck disable=SC2086
{
	refused 1 'there already: choose another name' a db --server view $nodes --data /dev/x
	refused 1 'there already: this host has been set up' a db2 --server view $nodes --data /dev/x
	refused 1 'cannot make' none/deeper db --server view $nodes --data /dev/x
	mkdir "$tmp/d" && : >"$tmp/d/volumes"
	refused 1 'cannot make .*db.conf' d db --server view $nodes --data /dev/x
	refused 2 'too few' c --server view $nodes --data /dev/x
	refused 2 'view server: --server' c db $nodes --data /dev/x
	refused 2 'two nodes or more' c db --server view --node alpha=10.0.0.1 --data /dev/x
	refused 2 'must be NAME=ADDRESS' c db --server view --node alpha --data /dev/x
	refused 2 'has the name or address' c db --server view $nodes --node gamma=10.0.0.1 --data /dev/x
	refused 2 'not the name or address' c db --server view:7402 $nodes --data /dev/x
	refused 2 'not the name or address' c db --server 'vi"ew' $nodes --data /dev/x
	refused 2 'data is: --data' c db --server view $nodes
	refused 2 'full path' c db --server view $nodes --data vg0/db
	refused 2 'the data is on' c db --server view $nodes --data /dev/x --meta /dev/x
	refused 2 "may only have" c my/db --server view $nodes --data /dev/x
}
echo "1..$n"
exit $failed
