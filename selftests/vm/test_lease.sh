#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Leases: a primary reads by its backup's word, or not at all; a backup that gave its word keeps
# it before it serves; a read shows nothing that a fail-over could take back.
. "$(dirname "$0")/lib.sh"
begin

behind_slow() {	# behind_slow NAME: its data disk can be stopped
	dmsetup create slow --table "0 $sectors linear $(dev "d$1") 0"
	eval "dev_d$1=/dev/mapper/slow"
}

clean() {
	local name

	for name in $(dm_devices --target pb) slow; do
		dmsetup remove --retry "$name" 2>/dev/null
	done
	losetup -D
	rm -f $work/[dm][A-Z]
}

ends() {	# ends PID FILE WANT TEXT
	wait_for sh -c "! kill -0 $1 2>/dev/null"
	is "$(cat $2)" "$3" "$4"
}

waits_on() {	# waits_on PID TEXT
	sleep 0.3
	kill -0 "$1" 2>/dev/null
	ok $? "$2"
}

over() {	# over NAME: it has no lease left
	[ "$(pbt status "$1" lease_left)" = 0 ]
}

lone_read() {	# a primary without a link and a lease has a read that waits: $r, of $work/r
	check "a pair" make_pair
	check "no link" pbt disconnect A
	check "the lease ends" wait_for over A
	pbt io A read >$work/r &
	r=$!
	check "a read waits" wait_for sh -c 'test $(pbt status A held) = 1'
}

sever() {		# the connection says nothing more, and nobody is told
	ip link set lo down
}

mend() {
	ip link set lo up
}

# A fake neighbour that answers when it likes.
make_disks A
replica A a lease_ms 200
check "A: view 1" pbt view A 1 ab
run_c t_lease primary A
clean
make_disks A
replica A a lease_ms 60000
check "A: view 1" pbt view A 1 ab
run_c t_lease outlived A
clean
make_disks A
behind_slow A
replica A a lease_ms 60000
check "A: view 1" pbt view A 1 ab
run_c t_lease dirty A
clean
make_disks A
replica A a lease_ms 60000 reads confirm
check "A: view 1" pbt view A 1 ab
run_c t_lease confirm A
clean
make_disks B
replica B b lease_ms 1000
check "B: view 1" pbt view B 1 ab
run_c t_lease backup B
clean
make_disks B
replica B b lease_ms 0
check "B: view 1" pbt view B 1 ab
run_c t_lease asked B
clean

# The table line.
make_disks A
replica A a
is "$(pbt status A lease_ms) $(pbt status A confirm)" "400 0" "the defaults"
is "$(dmsetup table A | awk '{ print $NF }')" 0 "which the table need not say"
t=$(dmsetup table A)
dmsetup load A --table "${t% 0} 2 lease_ms 500" 2>/dev/null
is $? 1 "a reload with another lease is refused"
check "one with the same is not" dmsetup load A --table "${t% 0} 4 lease_ms 400 reads confirm"
is "$(pbt status A confirm)" 0 "loaded is not live"
check "resume" dmsetup resume A
is "$(pbt status A confirm)" 1 "reads are to be confirmed from now on"
is "$(dmsetup table A)" "${t% 0} 2 reads confirm" "the table says so"
check "a table that says nothing" dmsetup load A --table "$t"
check "resume" dmsetup resume A
is "$(pbt status A confirm)" 1 "changes nothing"
for bad in "lease_ms 39" "lease_ms 60001" "lease_ms x" "lease_ms -1" "reads both"; do
	dmsetup load A --table "${t% 0} 2 $bad" 2>/dev/null
	is $? 1 "refused: $bad"
done
check "status says what reads are served by" sh -c "$PBCTL status A | grep -q 'reads .*by confirmation; leases of 400 ms'"
clean

# Two replicas with nothing to do: keepalives are enough.
check "a pair" make_pair
sleep 1
waits=$(pbt status A lease_waits)
for i in $(seq 20); do
	[ "$(pbt io A read)" = 0 ] || break
	[ "$(pbt status A lease_left)" -gt 0 ] || break
	sleep 0.05
done
is "$i" 20 "idle: reads are served, the lease does not end"
debug || is "$(pbt status A lease_waits)" "$waits" "none of them waited"
debug || is "$(pbt status A asked)" 0 "nobody was asked"
t=$(dmsetup table A)
check "to be confirmed from now on" sh -c "dmsetup load A --table '${t% 0} 2 reads confirm' && dmsetup resume A"
is "$(pbt status A lease_left)" 0 "no lease counts"
asked=$(pbt status A asked)
is "$(pbt io A read)" 0 "a read"
check "is confirmed" [ "$(pbt status A asked)" -gt "$asked" ]
check "by lease again" sh -c "dmsetup load A --table '${t% 0} 2 reads lease' && dmsetup resume A"
is "$(dmsetup table A)" "$t" "the table is as it was"
check "the backup knows what it gave" [ "$(pbt status B hold_left)" -gt 0 ]
is "$(pbt status B lease_left)" 0 "and has none itself"

# The network swallows all: the lease ends, reads and writes wait, and go on.
sever
pbt io A write 0 4096 1 >$work/w &
w=$!
check "the lease ends" wait_for over A
pbt io A read 65536 4096 >$work/r &
r=$!
check "a read waits" wait_for sh -c 'test $(pbt status A held) = 1'
waits_on $r "it waits on"
waits_on $w "so does a write"
mend
check "they connect" pbt pair A B
ends $r $work/r 0 "the read is served"
ends $w $work/w 0 "the write is done"

# The backup takes over behind the primary's back.
clean
check "a pair" make_pair lease_ms 3000
sever
check "B: view 2, alone" pbt view B 2 b
left=$(pbt status B hold_left)
check "it waits ($left ms)" [ "$left" -gt 0 ]
is "$(pbt io B write 0 4096 2)" 0 "it writes"
is "$(pbt status A lease_left) $(pbt status B hold_left)" "0 0" "not before the old lease was over"
pbt io A read 0 4096 >$work/r &
r=$!
check "the old primary's read waits" wait_for sh -c 'test $(pbt status A held) -ge 1'
waits_on $r "it shows nothing old"
check "A: view 2" pbt view A 2 b
ends $r $work/r EBADE "told of the view it refuses"
mend
clean

# Who waits is let go: by policy, by removal, by suspend; and a view.
lone_read
timeout -s KILL $((2 * slow)) dmsetup suspend --nolockfs A
is $? 137 "a plain suspend waits for it and can be killed"
within 20 dmsetup suspend --nolockfs --noflush A
is $? 0 "a noflush suspend takes it back"
check "resume" dmsetup resume A
check "it waits again" wait_for sh -c 'test $(pbt status A held) = 1'
pbt policy A error
ends $r $work/r ENOLINK "policy error"
pbt policy A wait
pbt io A read >$work/r &
r=$!
check "a read waits" wait_for sh -c 'test $(pbt status A held) = 1'
check "A: view 2, alone" pbt view A 2 a
ends $r $work/r 0 "alone it is served"
check "A: view 3" pbt view A 3 ab-
is "$(pbt io A read)" 0 "nor does it need a backup that is not synced"
clean
lone_read
kill -9 $r
pbt policy A error
wait $r 2>/dev/null
check "removed" within 10 dmsetup remove --retry A
clean

# A switch: the old primary's hello ends the wait of the new one, and only its own.
check "a pair" make_pair lease_ms 60000
is "$(pbt io A read)" 0 "a read"
check "A: view 2" pbt view A 2 ba
check "B: view 2" pbt view B 2 ba
check "B would wait long" [ "$(pbt status B hold_left)" -gt 30000 ]
pbt io B write 0 4096 4 >$work/w &
w=$!
check "a write waits" wait_for sh -c 'test $(pbt status B held) = 1'
waits_on $w "it waits on"
check "they connect" pbt pair B A
ends $w $work/w 0 "the write is done at once"
is "$(pbt status B hold_left)" 0 "nothing is waited for"
is "$(pbt io B read)" 0 "a read"
same

# Nobody else's does: such a one could be promoted before the lease is over.
make_disks C
replica C c "format blank"
check "A: view 3" pbt view A 3 ac-
check "C: view 3" pbt view C 3 ac-
check "A would wait long" [ "$(pbt status A hold_left)" -gt 30000 ]
pbt pair A C >/dev/null 2>&1 &
pair=$!
check "a third replica says hello" pbt wait A down hello
sleep 0.3
is "$(pbt status C up) $(pbt status A down)" "up hello" "and is not connected to"
kill $pair
pbt io A read >$work/r &
r=$!
check "a read waits" wait_for sh -c 'test $(pbt status A held) = 1'
pbt policy A error
ends $r $work/r ENOLINK "policy error"
is "$(pbt io A write)" ENOLINK "for all that comes"
pbt policy A wait
pbt io A read >$work/r &
r=$!
check "a read waits" wait_for sh -c 'test $(pbt status A held) = 1'
within 20 dmsetup suspend --nolockfs --noflush A
is $? 0 "a noflush suspend takes it back"
check "resume" dmsetup resume A
check "it waits again" wait_for sh -c 'test $(pbt status A held) = 1'
check "A: view 4 is not A's" pbt view A 4 c
ends $r $work/r EBADE "a view refuses it"
clean

# What it gave before it was set up again it waits out too.
check "a pair" make_pair lease_ms 60000
check "B goes" dmsetup remove --retry B
again B
check "B: view 1" pbt view B 1 ab
check "B: view 2" pbt view B 2 b
check "set up again: it waits" [ "$(pbt status B hold_left)" -gt 30000 ]
clean
check "a pair" make_pair lease_ms 60000
crash B X
check "X: view 2" pbt view X 2 b
check "after a crash: it waits" [ "$(pbt status X hold_left)" -gt 30000 ]
dmsetup remove X
clean

# Who wants no lease is not waited for.
check "a pair" make_pair lease_ms 60000 reads confirm
is "$(pbt io A read)" 0 "confirmed: a read"
check "was asked about" [ "$(pbt status A asked)" -gt 0 ]
check "B: view 2" pbt view B 2 b
is "$(pbt status B hold_left)" 0 "nothing to wait for"
is "$(pbt io B write)" 0 "it serves at once"
clean
check "a pair" make_pair lease_ms 0
is "$(pbt io A read)" 0 "no leases: a read"
check "is confirmed" [ "$(pbt status A asked)" -gt 0 ]
