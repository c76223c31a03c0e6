#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Write errors beside a synced backup: the primary goes on through it and never counts as synced
# again; the application sees nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe dm-flakey 2>/dev/null
mib=$((1 << 20))

# A's disk dies under writes, flushes and reads: the application sees nothing.
check "a pair" soft_pair
events_begin
is "$(pbt io A write 0 $mib 1)" 0 "a write"
check "a writer, until it is told to stop" sh -c "$build/t_writer A until $work/stop >$work/writer &"
check "it writes" wait_for grep -q . $work/writer
dead dA
check "the superblock says so" pbt wait A state stale
is "$(pbt status A role)" primary "it is still primary"
is "$(pbt status A flags)" disk_failed,through_backup "status says how"
touch $work/stop
check "the writer ends" wait_for grep -q end $work/writer
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
