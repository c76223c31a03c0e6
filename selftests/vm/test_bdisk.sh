#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Failing disks of the backup, and failing metadata of either: during writes, flushes, a state
# transfer, a view change.  Nothing that was acknowledged is lost, and who cannot go on says so.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe -a dm-flakey dm-thin-pool 2>/dev/null
mib=$((1 << 20))

# Each way in which the backup's disk can fail what was sent to it.
for what in write flush zeroes gone; do
	check "$what: a pair" soft_pair
	is "$(pbt io A write 0 $mib 1)" 0 "$what: a write"
	events_begin
	case $what in
	write)	holes dB 16 8; op="write 0 65536 2" ;;
	flush)	flaky dB error_writes; op="flush" ;;
	zeroes)	holes dB 16 8; op="zeroes 0 65536" ;;
	gone)	dead dB; op="write 0 65536 2" ;;
	esac
	pbt io A $op >$work/w &
	pid=$!
	check "$what: the backup has left" wait_for sh -c 'test $(pbt status A down) = none'
	check "$what: the primary says so" event "peer-disk-error"
	name=dm-$(dmsetup info -c --noheadings -o minor softdB)
	check "$what: the backup names the disk" event "disk-error.*$name \([0-9]+:[0-9]+\) failed a (write|flush|write-zeroes)"
	is "$(pbt status B flags)" disk_failed "$what: its status says so"
	kill -0 $pid
	ok $? "$what: the primary waits"
	pbt pair A B >/dev/null 2>&1 && sleep 0.2
	is "$(cat $work/w)" "" "$what: a new connection changes nothing"
	check "$what: A: view 2" pbt view A 2 a
	wait $pid
	is "$(cat $work/w)" 0 "$what: done, in a view without it"
	check "$what: B: view 2" pbt view B 2 a
	is "$(pbt io A write $((4 * mib)) 65536 3)" 0 "$what: A goes on"
	# Well again: it is set up anew and gets what it missed.
	well dB
	check "$what: B goes" dmsetup remove B
	check "$what: B is set up again" again B
	check "$what: B: view 3" pbt view B 3 ab-
	check "$what: A: view 3" pbt view A 3 ab-
	check "$what: they connect" pbt pair A B
	check "$what: B is synced" pbt wait B state synced
	same "$what: the replicas are equal"
	events_end
	fresh
done

# No space on the backup's thin pool.
if dmsetup targets | grep -q '^thin-pool'; then
	make_disks A B
	for name in pm pd; do disk $name 8192; done
	dmsetup create pool --table "0 8192 thin-pool $dev_pm $dev_pd 128 0 2 skip_block_zeroing error_if_no_space"
	dmsetup message pool 0 "create_thin 0"
	dmsetup create thin --table "0 $sectors thin /dev/mapper/pool 0"
	dev_dB=/dev/mapper/thin
	replica A a && replica B b && pbt view A 1 ab >/dev/null && pbt view B 1 ab >/dev/null
	check "thin: they connect" pbt pair A B
	(for i in 0 1 2 3 4 5 6 7; do pbt io A write $((i * mib)) $mib $((i + 1)); done) >$work/w &
	pid=$!
	check "thin: the backup has left" wait_for sh -c 'test $(pbt status B flags) = disk_failed'
	check "thin: A: view 2" pbt view A 2 a
	wait $pid
	is "$(sort -u $work/w)" 0 "thin: no write fails"
	check "thin: B: view 2" pbt view B 2 a
	fresh
else
	ok 0 "thin # SKIP no thin-pool target"
fi

# During a state transfer: the application notices nothing.
make_disks A B
soft dB
soft mA
replica A a
dmsetup create B --table "0 $sectors pb $volume $dev_dB $dev_mB 4 format blank replica $(uuid_of b)"
check "transfer: A: view 1" pbt view A 1 a
is "$(pbt io A write 0 $((4 * mib)) 1)" 0 "a write"
is "$(pbt io A write $((10 * mib)) $mib 2)" 0 "a write"
holes dB $((10 * mib / 512)) 8
check "A: view 2" pbt view A 2 ab-
check "B: view 2" pbt view B 2 ab-
pbt pair A B >/dev/null 2>&1
check "transfer: the backup has left" wait_for sh -c 'test $(pbt status B flags) = disk_failed'
is "$(pbt io A write 4096 65536 3)" 0 "transfer: writes go on"
is "$(pbt io A flush)" 0 "and flushes"
is "$(pbt status A flags)" - "A has no trouble"
well dB
check "B goes" dmsetup remove B
check "B is set up again" again B
check "B: view 2" pbt view B 2 ab-
check "they connect" pbt pair A B
check "B is synced" pbt wait B state synced
same "transfer: the replicas are equal"

# The primary's metadata fail in a transfer: it stops, the backup is not believed.
check "A: view 3" pbt view A 3 a
check "B: view 3" pbt view B 3 a
is "$(pbt io A write 0 $((4 * mib)) 5)" 0 "a write"
check "A: view 4" pbt view A 4 ab-
check "B: view 4" pbt view B 4 ab-
check "held" "$PBCTL" resync A --pause
check "they connect" pbt pair A B
check "the transfer waits" pbt wait A sync copy
dead mA
check "go on" "$PBCTL" resync A --resume
check "the primary has stopped" pbt wait A role failed
is "$(pbt io A write 0 4096 9)" EBADE "it serves nobody"
is "$(pbt status B state)" syncing "B is not synced"
is "$(pbt view B 5 b 2>/dev/null)" EUCLEAN "B cannot be primary"
well mA
check "A goes" dmsetup remove A
check "A is set up again" again A
check "A confirms" pbt view A 4 ab-
check "they connect" pbt pair A B
check "B is synced" pbt wait B state synced
same "metadata, transfer: the replicas are equal"
fresh

# The primary's metadata fail under writes: what was acknowledged is on the backup.
check "metadata: a pair" soft_pair
events_begin
is "$(pbt io A write 0 $mib 1)" 0 "a write"
dead mA
is "$(pbt io A write 65536 65536 2)" 0 "a hot extent needs no record"
is "$(pbt io A write $((8 * mib)) 65536 3)" EIO "a cold one does"
check "the primary has stopped" pbt wait A role failed
check "an event says why" event "meta-error"
check "B: view 2" pbt view B 2 b
check "B has all that was acknowledged" reads B 65536 65536 2
check "and before" reads B 0 65536 1
events_end
fresh

# The same with the data disk: the failed write cannot be put on record.
check "both devices: a pair" soft_pair
is "$(pbt io A write 0 $mib 1)" 0 "a write"
dead mA
dead dA
[ "$(pbt io A write 65536 65536 2)" != 0 ]
ok $? "a write is not acknowledged"
check "the primary has stopped" pbt wait A role failed
check "B: view 2" pbt view B 2 b
check "B serves" reads B 0 65536 1
fresh

# The backup's metadata: under writes, and in a view change.
check "the backup's metadata: a pair" soft_pair
events_begin
is "$(pbt io A write 0 $mib 1)" 0 "a write"
dead mB
pbt io A write $((8 * mib)) 65536 3 >$work/w &
pid=$!
check "the backup has stopped" pbt wait B role failed
check "an event says why" event "meta-error"
check "the primary knows" wait_for sh -c 'test $(pbt status A down) = none'
is "$(grep -c ' disk-error' $work/events)" 0 "nobody accuses a data disk"
is "$(cat $work/w)" "" "the write waits"
check "A: view 2" pbt view A 2 a
wait $pid
is "$(cat $work/w)" 0 "it is done"
events_end
fresh
check "view change: a pair" soft_pair
is "$(pbt io A write 0 $mib 1)" 0 "a write"
dead mB
is "$(pbt view B 2 ab 2>/dev/null)" EIO "the backup cannot take a view"
is "$(pbt status B role)" failed "it has stopped"
check "A: view 2" pbt view A 2 a
is "$(pbt io A write 0 4096 2)" 0 "A serves"
fresh
check "view change: a pair" soft_pair
is "$(pbt io A write 0 $mib 1)" 0 "a write"
dead mA
is "$(pbt view A 2 ba- 2>/dev/null)" EIO "the primary cannot take a view"
is "$(pbt status A role)" failed "it has stopped"
check "B: view 2" pbt view B 2 ba-
check "B has it" reads B 0 $mib 1
fresh
