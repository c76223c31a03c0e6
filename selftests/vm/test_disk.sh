#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Read errors: what the primary's disk cannot read comes from the backup and is written anew;
# the application gets an error only when no good copy is left.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin
modprobe -a dm-flakey 2>/dev/null
need_failing_reads
mib=$((1 << 20))

check "a pair" soft_pair
events_begin
for i in 0 1 2 3 4 5; do
	pbt io A write $((i * mib)) $mib $((i + 1)) >/dev/null
done
is "$(pbt io A flush)" 0 "a flush"

# Reads fail as a whole, writes work: fetched and repaired.
flaky dA error_reads
check "a read of 4 KiB is served" reads A 8192 4096 1
is "$(pbt status A read_fetched)" 4096 "it was fetched"
is "$(pbt status A repaired)" 4096 "and written anew"
is "$(pbt status A local_errors)" 1 "one failure was counted"
name=dm-$(dmsetup info -c --noheadings -o minor softdA)
check "an event names the disk, the sector and the outcome" event \
	"disk-error.*$name \([0-9]*:[0-9]*\) failed a read at sector 16; served by the backup and repaired"
dd if=/dev/mapper/A iflag=direct bs=4M count=1 of=$work/got 2>/dev/null
ok $? "a read of 4 MiB is served"
check "with what was written" cmp -n $((4 * mib)) $work/got $work/dB
check "what was read twice is there twice" cmp -n $((4 * mib)) $work/dA $work/dB
check "readers together" sh -c "for i in 0 1 2 3; do dd if=/dev/mapper/A iflag=direct bs=64k skip=\$((i * 16)) count=16 of=/dev/null & done 2>/dev/null; wait"
is "$(pbt status A flags)" - "nothing is wrong with the replica"
well dA
same

# Bad sectors, which a write does not heal: the data come, the disk is given up by the repair
# that failed; see the part on writes in test_dead.sh.

# Who overlaps waits: writes into a range that is being mended, again and again.
flaky dA error_reads
fewer ROUNDS 60
check "reads and writes in one place" "$build/t_mend" A
well dA
same

# The link is down: a read waits for it like a write; the policy lets it go.
flaky dA error_reads
check "no link" pbt disconnect A
pbt io A read 0 4096 >$work/r1 &
check "the read waits" wait_for sh -c 'test $(pbt status A held) = 1'
check "they connect" pbt pair A B
wait %2
is "$(cat $work/r1)" 0 "it is served over the new link"
check "no link" pbt disconnect A
pbt io A read 0 4096 >$work/r1 &
pid=$!
check "the read waits" wait_for sh -c 'test $(pbt status A held) = 1'
pbt policy A error
wait $pid
is "$(cat $work/r1)" EIO "by the policy it fails, with the disk's error"
is "$(pbt io A read 0 4096)" EIO "and who comes later"
pbt policy A wait
check "they connect" pbt pair A B

# Both disks fail: the application is told, the replicas go on.
flaky dB error_reads
is "$(pbt io A read 65536 4096)" EIO "no copy can be read: an error"
check "an event says so" event "disk-error.*(no other copy could serve it|more times)"
is "$(pbt status A down)" up "the link stays"
is "$(pbt status B flags)" - "the backup stays"
is "$(pbt status B local_errors)" 1 "it has counted its own"
well dB
check "the next read is served" reads A $((4 * mib)) 4096 5

# A new view lets a read that waits go.
check "no link" pbt disconnect A
pbt io A read 0 4096 >$work/r1 &
pid=$!
check "the read waits" wait_for sh -c 'test $(pbt status A held) = 1'
check "A: view 2, alone" pbt view A 2 a
wait $pid
is "$(cat $work/r1)" EIO "alone it is the disk's error"
pbt io A read 0 4096 >$work/r1
is "$(cat $work/r1)" EIO "alone, later: the same"
is "$(pbt io A write 0 4096 9)" 0 "writes go on"
well dA
events_end

# A state transfer: what is clean in the map can be fetched, the rest cannot be read and keeps
# the transfer from its end, region by region, until it is written.
check "B: view 2" pbt view B 2 a
is "$(pbt io A write 0 $((2 * mib)) 7)" 0 "A writes"
is "$(pbt io A write $((8 * mib)) $((2 * mib)) 8)" 0 "in two places"
events_begin
holes dA $((mib / 512 + 8)) 8 $((9 * mib / 512)) 16
check "A: view 3" pbt view A 3 ab-
check "B: view 3" pbt view B 3 ab-
check "they connect" pbt pair A B
check "two regions cannot be read" pbt wait A unreadable 131072
check "an event says where" event "disk-error.*cannot read at sector"
is "$(grep -c 'cannot read at sector' $work/events)" 1 "once"
check "status says so" sh -c "$PBCTL status A | grep -q '131072 bytes cannot be read'"
left() {
	[ "$("$PBCTL" status --json A | tr -d ' \n' | sed 's/.*"left_bytes":\([0-9]*\).*/\1/')" = "$1" ]
}
check "all else is copied" wait_for left 131072
is "$(pbt io A read $((mib + 4096)) 4096)" EIO "what only this disk has and cannot read: an error"
is "$(pbt status B state)" syncing "B is not synced"
holes dA $((9 * mib / 512)) 16
is "$(pbt io A write $mib 65536 17)" 0 "a write heals one"
check "one is left" pbt wait A unreadable 65536
well dA
check "the other can be read again" pbt wait A unreadable 0
check "B is synced" pbt wait B state synced
check "A knows" pbt wait A sync synced
check "A: view 4" pbt view A 4 ab
check "B: view 4" pbt view B 4 ab
check "they connect" pbt pair A B
same

# During a transfer: a range that the backup has already can be fetched.
check "A: view 5" pbt view A 5 a
check "B: view 5" pbt view B 5 a
is "$(pbt io A write 0 65536 3)" 0 "A writes"
check "A: view 6" pbt view A 6 ab-
check "B: view 6" pbt view B 6 ab-
check "held" "$PBCTL" resync A --pause
check "they connect" pbt pair A B
check "the transfer waits" pbt wait A sync copy
before=$(pbt status A read_fetched)
flaky dA error_reads
check "what the backup has is served" reads A $((5 * mib)) 4096 6
is $(($(pbt status A read_fetched) - before)) 4096 "from it"
is "$(pbt io A read 0 4096)" EIO "what it lacks is not"
well dA
check "go on" "$PBCTL" resync A --resume
check "B is synced" pbt wait B state synced
same
events_end
