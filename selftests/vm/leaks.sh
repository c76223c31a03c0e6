#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a debug kernel knows and has not logged: memory that nobody points at,
# and checkers that have turned themselves off.  Prints nothing if all is well,
# and nothing on a kernel without the checkers.  To be run when the module is
# unloaded, so that whatever is left is a leak.
leaks=/sys/kernel/debug/kmemleak
locks=/proc/lockdep_stats

uptime() {
	cut -d. -f1 /proc/uptime
}

if [ -e $locks ] && ! grep -q 'debug_locks: *1$' $locks; then
	echo "BUG: lockdep is off"
fi
[ -e $leaks ] || exit 0
# Since the memory must be older than five seconds when the last scan begins,
# and changed since the scan before it is not looked at: twice, and not too soon.
begin=$(uptime)
echo scan 2>/dev/null >$leaks || echo "BUG: kmemleak is off"
while [ $(($(uptime) - begin)) -le 5 ]; do
	sleep 0.2
done
echo scan 2>/dev/null >$leaks || echo "BUG: kmemleak is off"
cat $leaks
