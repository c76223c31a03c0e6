#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who is not the primary of a confirmed view refuses every bio with EBADE.
. "$(dirname "$0")/lib.sh"
begin

refuses() {	# refuses DEV WHEN
	local op before

	before=$(pbt status "$1" refused_bios)
	for op in read write fua discard zeroes flush; do
		is "$(pbt io "$1" $op)" EBADE "$2: $op is refused"
	done
	check "$2: counted" [ "$(pbt status "$1" refused_bios)" -ge $((before + 6)) ]
	dd if="/dev/mapper/$1" of=/dev/null bs=4k count=1 2>/dev/null
	is $? 1 "$2: a buffered read fails"
}

make_disks A B C
replica A a
replica B b
dmsetup create metaC --table "0 8192 linear $dev_mC 0"
dev_mC=/dev/mapper/metaC
replica C c

sum=$(cksum <$work/dA)
refuses A "unconfirmed"
is "$(cksum <$work/dA)" "$sum" "unconfirmed: no byte changed"

pbt view A 1 b >/dev/null
is "$(pbt status A role)" idle "A is idle"
refuses A "idle"
pbt view B 1 b >/dev/null
pbt view B 2 bc- >/dev/null
is "$(pbt io B write)" 0 "a sole primary serves"
pbt view C 1 bc >/dev/null
is "$(pbt status C state)" synced "C is a synced backup"
refuses C "backup, synced"
pbt view C 2 bc- >/dev/null
is "$(pbt status C state)" stale "C is a stale backup"
refuses C "backup, stale"

# A replica that only lost its set-up has to be told its view again.
dmsetup remove C
again C
refuses C "set up again"
pbt view C 2 bc- >/dev/null

# Deposed with bios held and bios unacked.
make_disks E
replica E e
pbt view E 1 ec >/dev/null
is "$(pbt status E role)" primary "E is primary, its backup is not there"
pbt io E read >$work/held5 &
for i in 1 2 3 4; do
	pbt io E write $((i * 65536)) 4096 >$work/held$i &
done
check "four writes and a read are held" wait_for sh -c 'test "$(pbt status E held)" = 5'
check "E: view 2 without it" pbt view E 2 ce-
wait
is "$(cat $work/held? | sort -u)" EBADE "what was held is refused"
refuses E "deposed"
is "$(pbt status E state)" stale "and it is stale"

# The metadata device fails: stopped, whatever is asked of it.
check "C: view 3" pbt view C 3 a
dmsetup remove C
disk dD $sectors
disk mD 8192
dmsetup create metaD --table "0 8192 linear $dev_mD 0"
dev_mD=/dev/mapper/metaD
replica D d
check "D: view 1" pbt view D 1 de
pbt io D write >$work/held &
check "a write is held" pbt wait D held 1
dmsetup suspend metaD
dmsetup load metaD --table "0 8192 error"
dmsetup resume metaD
is "$(pbt view D 2 d)" EIO "no view without metadata"
wait
is "$(cat $work/held)" EBADE "what was held is refused"
is "$(pbt status D role)" failed "D has stopped"
is "$(pbt status D flags)" meta_failed "and says so"
refuses D "metadata failed"
is "$(pbt view D 3 d)" EIO "it takes no view"
dmsetup suspend metaD
dmsetup load metaD --table "0 8192 linear $(losetup -n -O NAME -j $work/mD) 0"
dmsetup resume metaD
is "$(pbt view D 3 d)" EIO "also when the metadata are back"
dmsetup remove D
again D
is "$(pbt view D 1 de)" EUCLEAN "until it is set up again: a crash"
check "alone it may go on" pbt view D 2 d
is "$(pbt io D write)" 0 "and serves"
