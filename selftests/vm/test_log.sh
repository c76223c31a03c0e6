#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The activity log: the local leg of a cold write waits for a record of it, the
# network leg does not; hot extents cost nothing; without a log nothing is
# written; after a crash the hot extents, and no others, are copied.
. "$(dirname "$0")/lib.sh"
begin

extent=$((4 << 20))
records() {
	pbt status A log_records
}

# meta TABLE: puts something else below the metadata of A
meta() {
	dmsetup suspend metaA && dmsetup load metaA --table "0 8192 $1" && dmsetup resume metaA
}

sectors=65536
make_disks A B
backing=$dev_mA
dmsetup create metaA --table "0 8192 linear $backing 0"
dev_mA=/dev/mapper/metaA
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
check "they connect" pbt pair A B

# Hot and cold.
is "$(records)" 0 "nothing was written, nothing is logged"
is "$(pbt io A write 0 4096 1)" 0 "a write into a cold extent"
is "$(records)" 1 "one record"
is "$(pbt io A write 8192 65536 2)" 0 "a write into the same extent"
is "$(records)" 1 "no record"
is "$(pbt io A write $((extent - 4096)) 8192 3)" 0 "a write over the edge"
is "$(records)" 2 "one record"
is "$(pbt io A zeroes 0 $((3 * extent)))" 0 "zeroes over three extents, one of them cold"
is "$(records)" 3 "one record"
is "$(pbt io A flush)" 0 "a flush"
is "$(pbt io A write 4096 4096 4)" 0 "a write after a flush"
is "$(records)" 3 "what is clean is still hot"
is "$(pbt status B log_records)" 3 "the backup's log has the same extents"

# A record that does not become durable holds the local leg, not the other one.
dmsetup suspend metaA
applied=$(pbt status B applied_writes)
pbt io A write $((3 * extent)) 4096 5 >$work/cold &
check "the backup has it" wait_for sh -c "test \$(pbt status B applied_writes) -gt $applied"
cmp -s -n 4096 -i $((3 * extent)) $work/dB $work/dA
is $? 1 "this disk does not"
is "$(pbt status A in_flight)" 1 "it is in flight"
is "$(pbt io A write 0 4096 6)" 0 "a write into a hot extent goes through meanwhile"
dmsetup resume metaA
wait
is "$(cat $work/cold)" 0 "then it is done"
same

# A crash is a copy of both disks taken in use.  What was hot is copied to the
# other replica, and no more.
check "A: view 2, alone" pbt view A 2 a
check "B: view 2" pbt view B 2 a
cp $work/dA $work/dX
cp $work/mA $work/mX
dev_dX=$(losetup -f --show $work/dX)
dev_mX=$(losetup -f --show $work/mX)
check "A goes" dmsetup remove A
check "X is A after a crash" again X
is "$(pbt status X flags)" crashed "it knows that it crashed"
check "X confirms view 2" pbt view X 2 a
check "X: view 3" pbt view X 3 ab-
check "B: view 3" pbt view B 3 ab-
check "they connect" pbt pair X B
check "B is brought up to date" wait_for sh -c 'test $(pbt status B state) = synced'
moved=$(pbt status X sync_bytes)
is "$moved" $((4 * extent)) "the hot extents were copied"
check "equal" cmp $work/dX $work/dB
check "X goes" dmsetup remove X

# No log, no write.
losetup -d "$dev_dA"
rm $work/dA
truncate -s 0 $work/mA
truncate -s $((8192 * 512)) $work/mA
disk dA $sectors
replica A a
check "a new A: view 1" pbt view A 1 a
is "$(pbt io A write 0 4096 1)" 0 "it writes"
meta error
is "$(pbt io A write 8192 4096 2)" 0 "a hot extent needs no record"
is "$(pbt io A write $extent 4096 3)" EIO "a cold one does"
check "the replica has stopped" wait_for sh -c 'test $(pbt status A role) = failed'
is "$(pbt io A write 8192 4096 2)" EBADE "it serves nobody"
cmp -s -n 4096 -i $extent:0 $work/dA /dev/zero
ok $? "what was not logged was not written"
meta "linear $backing 0"
