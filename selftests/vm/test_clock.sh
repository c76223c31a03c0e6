#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The time of day jumps, far and in both directions, also while a write waits:
# the link stays up, nobody is taken for silent, the write is done when it can be.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/disk.sh"
begin

check "a pair" make_pair
events_begin
begin_time=$(date +%s)
for jump in "+1 day" "-2 days" "+30 years" "2001-09-09"; do
	check "the clock jumps: $jump" date -s "$jump"
	is "$(pbt io A write 4096 8192 7)" 0 "a write"
	is "$(pbt io A flush)" 0 "a flush"
	is "$(pbt status A down)" up "the link is up"
done
is "$(pbt status A resent)" 0 "nothing was sent again"
event_free=$(grep -c "peer-silent\|link-down" "$work/events")
is "$event_free" 0 "nobody was taken for silent"
check "B: view 2, alone, so that A's write waits" pbt view B 2 b
pbt io A write 0 4096 9 >"$work/w" &
write=$!
check "it waits" wait_for sh -c 'test $(pbt status A held) = 1'
check "the clock jumps" date -s "+10 years"
is "$(pbt status A held)" 1 "it waits on"
check "A: view 2" pbt view A 2 b
wait $write
is "$(cat "$work/w")" EBADE "and is refused when A knows the view"
date -s "@$begin_time" >/dev/null
events_end
