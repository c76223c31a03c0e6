#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Write errors: a primary whose disk fails goes on through its backup and never counts as synced
# again; alone, or with a backup that is not synced, the application gets the error; a backup
# whose disk fails asks to be left out; a dead metadata device stops its replica.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe -a dm-flakey dm-thin-pool 2>/dev/null
mib=$((1 << 20))

# A's disk dies under writes, flushes and reads: the application sees nothing.
check "a pair" soft_pair
events_begin
is "$(pbt io A write 0 $mib 1)" 0 "a write"
check "writers while the disk dies: begin" sh -c "$build/t_writer A 20 >$work/writer &"
check "it writes" wait_for grep -q . $work/writer
dead dA
check "the superblock says so" pbt wait A state stale
is "$(pbt status A role)" primary "it is still primary"
is "$(pbt status A flags)" disk_failed,through_backup "status says how"
wait_for grep -q end $work/writer
is "$(tail -n 1 $work/writer)" "end: 0 errors" "the writer saw no error"
is "$(pbt io A write $mib $mib 2)" 0 "a write"
is "$(pbt io A fua $((2 * mib)) 4096 3)" 0 "a FUA write"
is "$(pbt io A discard $((3 * mib)) 65536)" 0 "a discard"
is "$(pbt io A zeroes $((4 * mib)) 65536)" 0 "zeroes"
is "$(pbt io A flush)" 0 "a flush"
check "a read" reads A 0 $mib 1
check "a read of what came later" reads A $mib $mib 2
is "$(pbt status A repaired)" 0 "nothing is repaired"
check "an event tells" event "disk-error.*failed; this node serves through the backup"
check "an event names the disk" event "disk-error.* \([0-9]+:[0-9]+\) failed a (write|flush)"
check "pbctl says what to do" sh -c "$PBCTL status A | grep -q 'the disk of this node failed'"
events_end

# The disk is well again: it is not used, it lacks what was written meanwhile.
well dA
check "a read of what the disk lacks" reads A $mib $mib 2
is "$(pbt io A write $((5 * mib)) 4096 5)" 0 "a write"
cmp -s -n 4096 -i $((5 * mib)) $work/dA $work/dB
is $? 1 "this disk does not get it"

# Views: it stays, and nothing else.
is "$(pbt view A 1 ab)" 0 "its view can be said again"
is "$(pbt view A 2 a 2>/dev/null)" EUCLEAN "it cannot be alone"
is "$(pbt view A 2 ab 2>/dev/null)" EUCLEAN "it cannot be primary of another view"
is "$(pbt view A 2 ba 2>/dev/null)" EUCLEAN "it cannot be a synced backup"
is "$(pbt status A role)" primary "it is still primary"

# No link: all waits, reads too.
check "no link" pbt disconnect A
pbt io A read 0 4096 >$work/r &
read_pid=$!
pbt io A write 8192 4096 6 >$work/w &
write_pid=$!
check "a read and a write wait" wait_for sh -c 'test $(pbt status A held) -ge 2'
check "they connect" pbt pair A B
wait $read_pid $write_pid
is "$(cat $work/r $work/w | tr '\n' ' ')" "0 0 " "they go on"

# A crash of it: the copy of its disks says that it cannot be primary.
cp $work/dA $work/dX
cp $work/mA $work/mX
dev_dX=$(losetup -f --show $work/dX)
dev_mX=$(losetup -f --show $work/mX)
check "X is A after a crash" again X
is "$(pbt status X state)" stale "X is stale"
is "$(pbt view X 1 ab 2>/dev/null)" EUCLEAN "X cannot confirm the view"
is "$(pbt view X 2 a 2>/dev/null)" EUCLEAN "X cannot be alone"
is "$(pbt view X 2 ba- 2>/dev/null)" 0 "X can be a backup that is not synced"
check "X goes" dmsetup remove X

# The roles change: the backup has all, and the dead one waits for its new disk.
check "B: view 2" pbt view B 2 ba-
check "A: view 2" pbt view A 2 ba-
is "$(pbt io A read 0 4096)" EBADE "A serves nobody"
check "B has what was written" reads B $mib $mib 2
check "and what the writer wrote" $build/t_writer B check $work/writer
check "and the last" reads B 8192 4096 6
pbt pair A B >/dev/null 2>&1
is "$(pbt status B state)" synced "B is synced"
is "$(pbt status A state)" stale "A is not, in this set-up"
check "A goes" dmsetup remove A
check "A is set up again" again A
check "A: view 2" pbt view A 2 ba-
check "they connect" pbt pair B A
check "A gets everything" pbt wait A state synced
[ "$(pbt status B sync_bytes)" -eq $((sectors * 512)) ]
ok $? "a full copy: $(pbt status B sync_bytes) bytes"
check "B: view 3" pbt view B 3 ba
check "A: view 3" pbt view A 3 ba
check "they connect" pbt pair B A
is "$(pbt io B write 0 4096 7)" 0 "a write"
same
fresh

# One bad sector, hit by a write; a flush that fails alone; a repair that fails.
for what in write flush repair zeroes; do
	check "$what: a pair" soft_pair
	is "$(pbt io A write 0 $mib 1)" 0 "$what: a write"
	case $what in
	write)	holes dA 16 8; is "$(pbt io A write 0 65536 2)" 0 "a write over a bad sector" ;;
	zeroes)	holes dA 16 8; is "$(pbt io A zeroes 0 65536)" 0 "zeroes over a bad sector" ;;
	flush)	flaky dA error_writes; is "$(pbt io A flush)" 0 "a flush that the disk fails" ;;
	repair)	holes dA 16 8; check "a read of a bad sector" reads A 0 65536 1 ;;
	esac
	is "$(pbt status A flags)" disk_failed,through_backup "$what: the disk is given up"
	is "$(pbt status A state)" stale "$what: it is on record"
	[ $what = write ] && check "a read of what was written" reads A 0 65536 2
	check "$what: B: view 2" pbt view B 2 b
	fresh
done

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
