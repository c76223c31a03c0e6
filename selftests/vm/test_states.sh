#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Suspend, resume, reload, removal, rmmod and kill in every state, with I/O
# held: what cannot go on is let go by a policy, a view or an operator, and no
# task stays behind.
. "$(dirname "$0")/lib.sh"
begin

hold_writes() {	# hold_writes DEV: three writers in the background
	writers=
	for i in 1 2 3; do
		pbt io "$1" write $((i * 65536)) 4096 $i >$work/held$i 2>&1 &
		writers="$writers $!"
	done
	check "$2: three writes are held" wait_for sh -c \
		"test \$(( \$(pbt status $1 held) + \$(pbt status $1 in_flight) )) -ge 3"
}

gone() {	# every writer has ended, with this result
	local pid

	for pid in $writers; do
		wait_for sh -c "! kill -0 $pid" || break
	done
	check "$2: every writer has ended" sh -c \
		"for p in $writers; do ! kill -0 \$p 2>/dev/null || exit 1; done"
	[ "$1" = - ] || is "$(sort -u $work/held?)" "$1" "$2: result $1"
}

nobody_in_d() {
	local try

	for try in 1 2 3 4 5 6 7 8 9 10; do
		ps -eo stat,comm | grep -E "^D" | grep -Ev "kworker|loop|jbd2" \
			>$work/d || break
		sleep 0.1
	done
	check "$1: nobody is in D state" [ ! -s $work/d ]
}

fresh() {	# A, primary of a view with a backup that is not there
	dmsetup remove A 2>/dev/null
	dmsetup remove B 2>/dev/null
	dmsetup remove slow 2>/dev/null
	losetup -D
	rm -f $work/[dm][AB]
	make_disks A B
	# What can be stopped below the backup.
	dmsetup create slow --table "0 $sectors linear $dev_dB 0"
	dev_dB=/dev/mapper/slow
	replica A a
	replica B b
	pbt view A 1 ab >/dev/null
	pbt view B 1 ab >/dev/null
}

# The policy lets go; wait and error can be turned at any time.
fresh
hold_writes A "policy"
pbt policy A error
gone ENOLINK "policy error"
is "$(pbt io A write)" ENOLINK "a new write fails at once"
is "$(pbt io A read)" ENOLINK "and a new read: nobody covers it"
pbt policy A wait
hold_writes A "policy wait again"
check "view 2" pbt view A 2 a
gone 0 "a view without the backup"
nobody_in_d "policy"

# Unacked ones, not only held ones: the backup has them and cannot finish.
fresh
check "connected" pbt pair A B
dmsetup suspend slow
hold_writes A "unacked"
pbt policy A error
sleep 0.3
is "$(pbt status A in_flight)" 3 "an error policy gives up nothing while connected"
check "disconnect" pbt disconnect A
gone ENOLINK "disconnected"
is "$(pbt status A flags)" diverged "the two may differ, and it says so"
dmsetup resume slow
pbt policy A wait
is "$(pbt io A write)" ENOLINK "the view is over for writes"
pbt pair A B >/dev/null 2>&1 &
check "the backup is refused" pbt wait A down_reason "writes failed that the peer may lack"
wait
is "$(pbt view A 2 ab)" EUCLEAN "and cannot be called synced"
check "a view without it" pbt view A 2 a
is "$(pbt io A write)" 0 "goes on"

# Plain suspend waits for the writes; it can be killed; noflush takes them back.
fresh
hold_writes A "suspend"
timeout -s KILL $((2 * slow)) dmsetup suspend --nolockfs A
is $? 137 "a plain suspend waits for held writes and can be killed"
check "the volume goes on" pbt status A role
within 20 dmsetup suspend --nolockfs --noflush A
is $? 0 "a noflush suspend does not wait"
check "suspended, the view changes" pbt view A 2 a
dmsetup resume A
gone 0 "resumed in a view without backup"
nobody_in_d "suspend"

# The same with unacked writes and a reload in between.
fresh
t=$(dmsetup table A)
check "connected" pbt pair A B
dmsetup suspend slow
hold_writes A "backup"
pbt disconnect A >/dev/null
dmsetup resume slow
within 20 dmsetup suspend --nolockfs --noflush A
is $? 0 "noflush suspend"
check "reload" dmsetup load A --table "$t"
within 20 dmsetup resume A
check "connected again" pbt pair A B
gone 0 "after reload and reconnection"
check "a flush" pbt io A flush
same

# A reload must not change what the volume is.
for bad in "0 8 pb $volume $dev_dA $dev_mA 0" \
	   "0 $sectors pb $volume $dev_mB $dev_mA 0" \
	   "0 $sectors pb $volume $dev_dA - 0" \
	   "0 $sectors pb 22222222-2222-3333-4444-555555555555 $dev_dA $dev_mA 0"; do
	dmsetup load A --table "$bad" 2>/dev/null
	is $? 1 "refused: $bad"
	dmsetup clear A
done
is "$(pbt io A write)" 0 "the volume is as it was"

# rmmod is refused while in use, at once.
within 5 rmmod dm-pb 2>/dev/null
is $? 1 "rmmod of a module in use is refused"

# Removal: refused while open; by force after a policy; writers end.
fresh
hold_writes A "remove"
within 5 dmsetup remove A 2>/dev/null
is $? 1 "remove of an open device is refused"
pbt policy A error
within 20 dmsetup remove --force A
is $? 0 "remove --force"
gone - "removed by force"
nobody_in_d "removal"

# kill -9 of writers, then release.
fresh
hold_writes A "kill"
# shellcheck disable=SC2086
kill -9 $writers
pbt policy A error
gone - "killed"
nobody_in_d "kill"
wait 2>/dev/null

# Replace by an error target with I/O held: noflush, as multipath does.
fresh
hold_writes A "error target"
dmsetup load A --table "0 $sectors error"
within 20 dmsetup suspend --nolockfs --noflush A
is $? 0 "noflush suspend"
within 20 dmsetup resume A
gone EIO "the error target"
nobody_in_d "error target"
dmsetup remove A

# In each role: suspend, resume, reload, remove.
for view in none a b ba ab; do
	fresh
	dmsetup remove A
	[ $view = none ] || { rm -f $work/[dm]A; make_disks A; replica A a; pbt view A 1 $view >/dev/null; }
	[ $view = none ] && again A
	role=$(pbt status A role)
	t=$(dmsetup table A)
	within 10 dmsetup suspend A && within 10 dmsetup resume A &&
	dmsetup load A --table "$t" && within 10 dmsetup resume A
	is $? 0 "$role: suspend, resume, reload"
	is "$(pbt status A role)" $role "$role: still so"
	within 10 dmsetup remove --retry A
	is $? 0 "$role: remove"
done
