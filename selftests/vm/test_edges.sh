#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Where the activity log, views and a lost connection meet: a deposed primary's
# own flush takes nothing back, a forced view over writes under way, a log that
# wants a flush when the device goes, a last word that nobody acks.
. "$(dirname "$0")/lib.sh"
begin

small="hot_extents 64 extent_size 1048576"
mib=$((1 << 20))

# behind NAME: the data disk of a replica to be, with something that can be stopped
behind() {
	dmsetup create "data$1" --table "0 $sectors linear $(dev "d$1") 0"
	eval "dev_d$1=/dev/mapper/data$1"
}

on_disk() {	# on_disk FILE OFFSET: there is something else than zeroes
	! cmp -s -n 4096 -i "$2:0" "$work/$1" /dev/zero
}

ends() {	# ends PID TEXT
	wait_for sh -c "! kill -0 $1 2>/dev/null"
	ok $? "$2"
}

# Writes that only the primary has, and then a log that is nearly full: what it
# asks for when it is not primary any more must not make it forget them.
sectors=262144
make_disks C D
replica C c "$small"
replica D d "$small"
check "C: view 1" pbt view C 1 cd
check "D: view 1" pbt view D 1 cd
check "they connect" pbt pair C D
for i in $(seq 0 45); do
	pbt io C write $((i * mib)) 4096 1 >/dev/null
done
ip link set lo down
pbt io C write $((46 * mib)) 4096 66 >$work/w46 &
pbt io C write $((47 * mib)) 4096 77 >$work/w47 &
check "one write is on this disk" wait_for on_disk dC $((46 * mib))
check "another one too" wait_for on_disk dC $((47 * mib))
# Not before both have left the view: what TCP sends again would still be acked.
check "D: view 2" pbt view D 2 d
check "C: view 2" pbt view C 2 d
wait
ip link set lo up
is "$(cat $work/w46 $work/w47 | sort -u)" EBADE "neither was acked"
check "D: view 3" pbt view D 3 dc-
check "C: view 3" pbt view C 3 dc-
check "they connect" pbt pair D C
check "C is brought up to date" until_synced D C
check "equal" cmp -n $((sectors * 512)) $work/dC $work/dD

# Deposed once more, and then primary by force: its log gets clean again.
check "C: view 4" pbt view C 4 dc
check "D: view 4" pbt view D 4 dc
check "D: view 5" pbt view D 5 c
check "C: view 5" pbt view C 5 c
is "$(pbt io C write 0 4096 1)" 0 "C writes"
check "C: view 6 is not C's" pbt view C 6 d
check "C: view 8 by force" pbt view C 8 c force
for i in $(seq 0 100); do
	pbt io C write $((i * mib)) 4096 2 >/dev/null
done
is "$(pbt io C write $((30 * mib)) 4096 3)" 0 "it goes on writing"
is "$(pbt io C flush)" 0 "and flushing"
check "C goes" dmsetup remove C
check "D goes" dmsetup remove D

# The log's own flush waits for a backup that is not there.
sectors=131072
rm -f $work/dC $work/dD
make_disks E F
behind E
replica E e "$small"
replica F f "$small"
check "E: view 1" pbt view E 1 ef
check "F: view 1" pbt view F 1 ef
check "they connect" pbt pair E F
for i in $(seq 0 46); do
	pbt io E write $((i * mib)) 4096 1 >/dev/null
done
dmsetup suspend --noflush dataE
pbt io E write $((47 * mib)) 4096 1 >$work/w47 &
check "the backup has the last one" wait_for on_disk dF $((47 * mib))
pbt disconnect E
dmsetup resume dataE
wait
is "$(cat $work/w47)" 0 "it is done"
dmsetup remove E &
ends $! "remove ends"
check "F goes" dmsetup remove F

# A view by force while writes are under way in the same extent.
make_disks G H
behind G
replica G a "$small"
replica H b "$small"
check "G: view 1" pbt view G 1 ab
check "H: view 1" pbt view H 1 ab
check "they connect" pbt pair G H
dmsetup suspend --noflush dataG
pbt io G write 0 4096 1 >$work/w1 &
check "a write is under way" wait_for sh -c 'test $(pbt status G in_flight) = 1'
check "by force" pbt view G 2 a force
pbt io G write 8192 4096 2 >$work/w2 &
check "another one is" wait_for sh -c 'test $(pbt status G in_flight) = 2'
dmsetup resume dataG
wait
is "$(cat $work/w1 $work/w2 | sort -u)" 0 "both are done"
is "$(pbt io G flush)" 0 "a flush"
is "$(pbt io G write 4096 4096 3)" 0 "a third one"
check "G goes" dmsetup remove G
check "H goes" dmsetup remove H

# The backup cannot make it durable that it is synced; a view without it helps.
sectors=32768
make_disks A B
backing=$dev_mB
dmsetup create metaB --table "0 8192 linear $backing 0"
dev_mB=/dev/mapper/metaB
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B
# Nothing will be left to copy, which would want B's log.
is "$(pbt io A write 0 4096 1)" 0 "a write"
is "$(pbt io A flush)" 0 "a flush"
check "A: view 2" pbt view A 2 a
check "B: view 2" pbt view B 2 a
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
check "held" "$PBCTL" resync A --pause
check "they connect" pbt pair A B
check "the transfer waits" wait_for sh -c 'test $(pbt status A sync) = copy'
dmsetup suspend --noflush metaB
check "go on" "$PBCTL" resync A --resume
check "the last word is said" wait_for sh -c 'test $(pbt status A sync) = done'
pbt io A write 65536 4096 2 >$work/w &
pbt view A 4 a &
ends $! "view 4 is taken"
dmsetup resume metaB
wait
is "$(cat $work/w)" 0 "the write is done"
is "$(pbt io A write 0 4096 3)" 0 "and another"
