#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# State transfer between two replicas in one machine: a blank one gets a full
# copy, one that was away gets what it missed, and both are equal afterwards.
. "$(dirname "$0")/lib.sh"
begin

make_disks A B
replica A a
dmsetup create B --table "0 $sectors pb $volume $dev_dB $dev_mB 4 format blank replica $(uuid_of b)"
check "A is alone" pbt view A 1 a
for i in 1 2 3 5 8 13; do
	pbt io A write $((i << 20)) 300000 $i >/dev/null
done
check "A: view 2, B is its backup" pbt view A 2 ab-
check "B: view 2" pbt view B 2 ab-
is "$(pbt status B state)" blank "B is blank"
sent=$(pbt status A tx_bytes)
check "they connect" pbt pair A B
check "B is brought up to date" until_synced A B
sent=$(($(pbt status A tx_bytes) - sent))
[ "$sent" -lt $((sectors * 512 / 2)) ]
ok $? "what is zero was not sent: $sent bytes"
# Set up again before the next view: of no use in this one, and still synced.
dmsetup remove B
again B
check "B: view 2, again" pbt view B 2 ab-
is "$(pbt status B role) $(pbt status B state) $(pbt status B flags)" "unconfirmed synced stands" "B only stands in it"
dmsetup remove B
again B
is "$(pbt status B flags)" - "and has not crashed by that"
check "A: view 3, B is synced" pbt view A 3 ab
check "B: view 3" pbt view B 3 ab
check "they connect" pbt pair A B
is "$(pbt io A write 4096 65536 7)" 0 "a write"
is "$(pbt io A flush)" 0 "a flush"
same

# Away, and back: only what it missed is copied.
check "A: view 4, B is left out" pbt view A 4 a
check "B: view 4" pbt view B 4 a
is "$(pbt status B state)" stale "B is stale"
is "$(pbt io A write $((6 << 20)) 262144 9)" 0 "A writes without it"
before=$(pbt status A sync_bytes)
check "A: view 5" pbt view A 5 ab-
check "B: view 5" pbt view B 5 ab-
check "they connect" pbt pair A B
check "B is brought up to date" until_synced A B
moved=$(($(pbt status A sync_bytes) - before))
[ "$moved" -ge 262144 ] && [ "$moved" -le 1048576 ]
ok $? "only what it missed was copied: $moved bytes"
check "A: view 6" pbt view A 6 ab
check "B: view 6" pbt view B 6 ab
check "they connect" pbt pair A B
is "$(pbt io A write 8192 4096 3)" 0 "a write"
same

# Held: writes go on, into what is copied and what is not.
check "A: view 7, B is left out" pbt view A 7 a
check "B: view 7" pbt view B 7 a
is "$(pbt io A write 0 4194304 11)" 0 "A writes without it"
check "A: view 8" pbt view A 8 ab-
check "B: view 8" pbt view B 8 ab-
check "held" "$PBCTL" resync A --pause
check "they connect" pbt pair A B
check "the transfer waits" wait_for sh -c 'test $(pbt status A sync) = copy'
is "$(pbt io A write 65536 65536 12)" 0 "a write into what is not copied"
is "$(pbt io A write $((10 << 20)) 65536 13)" 0 "a write into what B has"
is "$(pbt io A write $(((4 << 20) - 65536)) 131072 14)" 0 "one into both"
check "it says so" sh -c "$PBCTL resync A | grep -q 'copying, paused, 0.0 % of 4.0 MiB'"
is "$(pbt status B state)" syncing "B's disk says that it is not to be trusted"
check "go on" "$PBCTL" resync A --resume
check "until B is synced" timeout 60 "$PBCTL" resync A --watch
is "$(pbt status B state)" synced "B is synced"
check "A: view 9" pbt view A 9 ab
check "B: view 9" pbt view B 9 ab
check "they connect" pbt pair A B
is "$(pbt io A write 16384 4096 3)" 0 "a write"
same

# Alone for some views with nothing flushed: that is no reason to copy more than was written.
make_disks C D
replica C c region_size 4096
replica D d region_size 4096
check "C: view 1" pbt view C 1 cd
check "D: view 1" pbt view D 1 cd
check "they connect" pbt pair C D
check "C: view 2, D is left out" pbt view C 2 c
check "D: view 2" pbt view D 2 c
for i in 1 5 9; do
	is "$(pbt io C write $(((i << 20) + 131072)) 4096 $i)" 0 "C writes without it"
done
check "C: view 3, D is back" pbt view C 3 cd-
check "D: view 3" pbt view D 3 cd-
check "they connect" pbt pair C D
check "D is brought up to date" until_synced C D
is "$(pbt status C sync_bytes)" 12288 "only the three blocks were copied"
check "they are equal" cmp -n $((sectors * 512)) $work/dC $work/dD

# A backup is left out of a view that it never entered: no reason either.
make_disks E F
replica E e region_size 4096
replica F f region_size 4096
check "E: view 1" pbt view E 1 ef
check "F: view 1" pbt view F 1 ef
check "they connect" pbt pair E F
is "$(pbt io E write 1048576 262144 3)" 0 "a write"
is "$(pbt io E flush)" 0 "a flush"
check "E: view 2, F is not told" pbt view E 2 ef-
check "E: view 3" pbt view E 3 ef-
check "F: view 3" pbt view F 3 ef-
check "they connect" pbt pair E F
check "F is brought up to date" until_synced E F
check "E: view 4, F is synced, and not told" pbt view E 4 ef
check "E: view 5, F is left out" pbt view E 5 e
is "$(pbt io E write 131072 4096 5)" 0 "E writes without it"
check "E: view 6, F is back" pbt view E 6 ef-
check "F: view 6" pbt view F 6 ef-
before=$(pbt status E sync_bytes)
check "they connect" pbt pair E F
check "F is brought up to date" until_synced E F
is "$(($(pbt status E sync_bytes) - before))" 4096 "only the one block was copied"
check "they are equal" cmp -n $((sectors * 512)) $work/dE $work/dF

# The same from its data; but it was in that view, and its disks are an older copy.
save_disks F
check "E: view 7, F is synced" pbt view E 7 ef
check "F: view 7" pbt view F 7 ef
check "they connect" pbt pair E F
is "$(pbt io E write $((9 << 20)) 4096 7)" 0 "a write into an extent that was cold"
is "$(pbt io E flush)" 0 "a flush"
check "E: view 8, F is left out" pbt view E 8 e
restore_disks F
check "E: view 9, F is back" pbt view E 9 ef-
check "F: view 9" pbt view F 9 ef-
check "they connect" pbt pair E F
check "F is brought up to date" until_synced E F
check "they are equal" cmp -n $((sectors * 512)) $work/dE $work/dF
dmsetup remove E
dmsetup remove F

# An older copy again, of an earlier life in the very view in which the two met last.
make_disks G H
replica G e region_size 4096
replica H f region_size 4096
check "G: view 1" pbt view G 1 ef
check "H: view 1" pbt view H 1 ef
check "they connect" pbt pair G H
is "$(pbt io G write 1048576 262144 3)" 0 "a write"
is "$(pbt io G flush)" 0 "a flush"
dmsetup remove H
save_disks H
again H
check "H, set up again: view 1" pbt view H 1 ef
check "they connect" pbt pair G H
is "$(pbt io G write $((9 << 20)) 4096 7)" 0 "a write into an extent that was cold"
is "$(pbt io G flush)" 0 "a flush"
check "G: view 2, H is not told" pbt view G 2 ef
check "G: view 3, H is left out" pbt view G 3 e
restore_disks H
check "G: view 4, H is back" pbt view G 4 ef-
check "H: view 4" pbt view H 4 ef-
check "they connect" pbt pair G H
check "H is brought up to date" until_synced G H
check "they are equal" cmp -n $((sectors * 512)) $work/dG $work/dH

# By force a history of its own, with numbers that the other one has as well.
check "G: view 5, H is synced" pbt view G 5 ef
check "G: view 6, as before" pbt view G 6 ef
check "H: another view 5, by force" pbt view H 5 f force
is "$(pbt io H write $((9 << 20)) 4096 8)" 0 "H writes"
is "$(pbt io H flush)" 0 "a flush"
check "G: view 7, H is left out" pbt view G 7 e
check "G: view 8, H is back" pbt view G 8 ef-
check "H: view 8" pbt view H 8 ef-
check "they connect" pbt pair G H
check "H is brought up to date" until_synced G H
check "they are equal" cmp -n $((sectors * 512)) $work/dG $work/dH

# By force over who has writes that it lacks, in the very view in which both are.
check "G: view 9, H is left out" pbt view G 9 e
check "G: view 10, H is back" pbt view G 10 ef-
check "H: view 10" pbt view H 10 ef-
is "$(pbt io G write $((11 << 20)) 4096 9)" 0 "G writes alone"
is "$(pbt io G flush)" 0 "a flush"
check "H: view 11, by force" pbt view H 11 f force
check "H: view 12, G is back" pbt view H 12 fe-
check "G: view 12" pbt view G 12 fe-
check "they connect" pbt pair H G
check "G is brought up to date" until_synced H G
check "they are equal" cmp -n $((sectors * 512)) $work/dG $work/dH
dmsetup remove G
dmsetup remove H

# An older copy of a disk that was brought up to date since.
make_disks I J
replica I e region_size 4096
replica J f region_size 4096
check "I: view 1" pbt view I 1 ef
check "J: view 1" pbt view J 1 ef
check "they connect" pbt pair I J
is "$(pbt io I write 1048576 262144 3)" 0 "a write"
is "$(pbt io I flush)" 0 "a flush"
check "I: view 2, J is left out" pbt view I 2 e
check "J: view 2" pbt view J 2 e
save_disks J
is "$(pbt io I write $((13 << 20)) 4096 9)" 0 "I writes without it"
is "$(pbt io I flush)" 0 "a flush"
check "I: view 3, J is back" pbt view I 3 ef-
check "J: view 3" pbt view J 3 ef-
check "they connect" pbt pair I J
check "J is brought up to date" until_synced I J
check "I: view 4, J is left out" pbt view I 4 e
restore_disks J
check "I: view 5, J is back" pbt view I 5 ef-
check "J: view 5" pbt view J 5 ef-
check "they connect" pbt pair I J
check "J is brought up to date" until_synced I J
check "they are equal" cmp -n $((sectors * 512)) $work/dI $work/dJ
dmsetup remove I
dmsetup remove J

# The roles change, and the old primary comes back.
check "B: view 10, alone" pbt view B 10 b
check "A: view 10" pbt view A 10 b
is "$(pbt io B write $((9 << 20)) 4096 5)" 0 "B writes"
check "B: view 11" pbt view B 11 ba-
check "A: view 11" pbt view A 11 ba-
check "they connect" pbt pair B A
check "A is brought up to date" until_synced B A
same
check "B: view 12" pbt view B 12 ba
check "A: view 12" pbt view A 12 ba
