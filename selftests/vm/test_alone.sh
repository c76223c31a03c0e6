#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Write errors where the backup is of no help, or not yet: the application gets them, and the
# replica goes on; a thin pool without space; both disks; a superblock that cannot be written;
# a flush that only the log has asked for.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe dm-thin-pool 2>/dev/null
mib=$((1 << 20))

# No space on a thin pool: the same path.
if dmsetup targets | grep -q '^thin-pool'; then
	make_disks A B
	for name in pm pd; do disk $name 8192; done
	dmsetup create pool --table "0 8192 thin-pool $dev_pm $dev_pd 128 0 2 skip_block_zeroing error_if_no_space"
	dmsetup message pool 0 "create_thin 0"
	dmsetup create thin --table "0 $sectors thin /dev/mapper/pool 0"
	dev_dA=/dev/mapper/thin
	replica A a && replica B b && pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null
	check "thin: they connect" pbt pair A B
	rc=0
	for i in 0 1 2 3 4 5 6 7; do
		pbt io A write $((i * mib)) $mib $((i + 1)) >/dev/null || rc=1
	done
	is $rc 0 "thin: no write fails"
	is "$(pbt status A flags)" disk_failed,through_backup "thin: the disk is given up"
	check "thin: all is read" reads A $((7 * mib)) $mib 8
	check "thin: what the thin disk has is read from the backup too" reads A 0 $mib 1
	check "thin: A goes" dmsetup remove A
	check "thin: B: view 2" pbt view B 2 b
	check "thin: B has it" reads B $((6 * mib)) $mib 7
	remove_all
	fresh
else
	ok 0 "thin # SKIP no thin-pool target"
fi

# Alone: the application is told, and the replica goes on.
check "alone: a pair" soft_pair
check "alone: view 2" pbt view A 2 a
check "B: view 2" pbt view B 2 a
is "$(pbt io A write 0 $mib 1)" 0 "a write"
holes dA 16 8
is "$(pbt io A write 0 65536 2)" EIO "a write over a bad sector"
is "$(pbt status A flags)" disk_errors "it is noted"
is "$(pbt io A write $mib 65536 2)" 0 "other writes go on"
well dA
# A backup can be added: the only way to save what there is.
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
check "held" "$PBCTL" resync A --pause
check "they connect" pbt pair A B
check "the transfer waits" pbt wait A sync copy
# Not synced: the application is told; what the backup has got of it is copied again.
holes dA $((6 * mib / 512)) 8
is "$(pbt io A write $((6 * mib)) 65536 9)" EIO "a write that this disk fails and the backup gets"
is "$(pbt status A state)" synced "A is still synced"
well dA
check "go on" "$PBCTL" resync A --resume
check "B is synced" pbt wait B state synced
check "A knows" pbt wait A sync synced
same "the replicas are equal, there too"
# Brought up to date, waited for, and not yet in the view: it counts.
dead dA
is "$(pbt io A write 0 65536 4)" 0 "the backup's copy is enough now"
is "$(pbt status A state)" stale "A is written off"
check "B: view 4" pbt view B 4 b
check "B has it" reads B 0 65536 4
fresh

# The link is down when the disk fails: nothing is promised, so A may still go on alone.
check "cut: a pair" soft_pair
is "$(pbt io A write 0 $mib 1)" 0 "a write"
check "the other end hangs" sh -c "dmsetup suspend --nolockfs --noflush softdB"
holes dA 16 8
pbt io A write 0 65536 2 >$work/w &
pid=$!
check "the failure is noted" wait_for sh -c 'test $(pbt status A local_errors) = 1'
check "no link" pbt disconnect A
is "$(pbt status A state)" synced "A is not written off: nobody has acknowledged that write"
is "$(pbt status A flags)" disk_failed "status says so"
dmsetup resume softdB
check "A: view 2, alone" pbt view A 2 a
wait $pid
is "$(cat $work/w)" EIO "the application is told"
is "$(pbt status A flags)" - "A goes on"
is "$(pbt io A write $mib 65536 3)" 0 "a write"
fresh

# Policy error and the same.
check "policy: a pair" soft_pair
check "the other end hangs" sh -c "dmsetup suspend --nolockfs --noflush softdB"
holes dA 16 8
pbt io A write 0 65536 2 >$work/w &
pid=$!
check "the failure is noted" wait_for sh -c 'test $(pbt status A local_errors) = 1'
check "no link" pbt disconnect A
pbt policy A error
wait $pid
is "$(cat $work/w)" ENOLINK "the policy lets it go"
dmsetup resume softdB
fresh

# Both disks: no good copy is left.
check "both: a pair" soft_pair
is "$(pbt io A write 0 $mib 1)" 0 "a write"
dead dA
is "$(pbt io A write 0 65536 2)" 0 "A's disk fails: a write"
dead dB
err=$(pbt io A write 0 65536 3)
[ "$err" = EIO ] || [ "$err" = ENOLINK ]
ok $? "B's fails too: an error ($err)"
[ "$(pbt io A read 0 4096)" != 0 ]
ok $? "a read: an error"
fresh

# The superblock is on the dead disk: the replica stops.
disk dA $((sectors + 16384))
disk dB $sectors
disk mB 8192
soft dA
dmsetup create A --table "0 $sectors pb $volume $dev_dA - 6 name vol format synced replica $(uuid_of a)"
replica B b && pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null
check "internal: they connect" pbt pair A B
is "$(pbt io A write 0 4096 1)" 0 "a write"
dead dA
[ "$(pbt io A write 0 4096 2)" != 0 ]
ok $? "a write is not acknowledged"
check "the replica has stopped" pbt wait A role failed
check "B: view 2" pbt view B 2 b
is "$(pbt io B write 0 4096 3)" 0 "B serves"
fresh

# Alone.  The last MiB fails what is written, and with that every flush: all 64 hot extents stay
# unflushed, and the log has no slot for one more.
was=$sectors
sectors=$((68 * 2048))
make_disks A
soft dA
check "alone: hot extents, 64 of them" replica A a hot_extents 64 extent_size $mib
check "A: view 1" pbt view A 1 a
table dA "0 $((67 * 2048)) linear $real_dA 0
$((67 * 2048)) 2048 flakey $real_dA $((67 * 2048)) 0 1000 1 error_writes"
check "written: each of them" eval 'for i in $(seq 0 63); do [ "$(pbt io A write $((i * mib)) 4096 1)" = 0 ] || break; done; [ $i = 63 ]'
is "$(pbt io A write $((64 * mib)) 4096 1)" EIO "one more: an error, since the disk cannot flush"
well dA
is "$(pbt io A write $((64 * mib)) 4096 1)" 0 "and none, once the disk is well"
fresh
sectors=$was
