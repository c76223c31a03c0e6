#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A replica that was not taken down in order knows it.  The crash is a copy of
# both disks taken while the volume is in use.
. "$(dirname "$0")/lib.sh"
begin

make_pair
check "a write" pbt io A write
is "$(pbt status A flags)" - "A: never crashed"
crash A X
crash B Y
is "$(pbt status X flags)" crashed "the primary's copy: crashed"
is "$(pbt status Y flags)" crashed "the backup's copy: crashed"
is "$(pbt view X 1 ab)" EUCLEAN "a primary beside a synced backup may differ"
is "$(pbt view Y 1 ab)" EUCLEAN "a backup may have lost what it acked"
is "$(pbt io X read)" EBADE "and serves nothing"
# In the next one they only stand: so one of them may be alone in the view after it.
check "the next view, the same two" pbt view X 2 ba
check "and the backup" pbt view Y 2 ba
is "$(pbt status X role) $(pbt status X view) $(pbt status X flags)" "unconfirmed 2 crashed,stands" "X only stands in it"
is "$(pbt status Y role) $(pbt status Y view) $(pbt status Y flags)" "unconfirmed 2 crashed,stands" "and so does Y"
is "$(pbt io X read) $(pbt io Y read)" "EBADE EBADE" "they serve nothing"
is "$(pbt view Y 2 ba)" EUCLEAN "nor when told again"
check "status says what is needed" sh -c "$PBCTL status X | grep -q 'cannot serve in view 2.*a view with a higher number is needed'"
dmsetup remove X
again X
is "$(pbt status X view) $(pbt status X flags)" "2 crashed" "removed and set up: the same"
check "alone it may" pbt view X 3 a
is "$(pbt status X flags)" - "that settles the crash"
is "$(pbt io X read)" 0 "and it serves"
check "the other, as unsynced" pbt view Y 3 ab-
is "$(pbt status Y state)" stale "is stale"
check "X: view 4" pbt view X 4 ab-
check "Y: view 4" pbt view Y 4 ab-
check "they connect" pbt pair X Y
check "it is brought up to date" wait_for sh -c 'test $(pbt status Y state) = synced && test $(pbt status X sync) = synced'
check "they are equal" cmp -n $((sectors * 512)) $work/dX $work/dY
dmsetup remove X
dmsetup remove Y

# In order: not crashed.
same
dmsetup remove A
dmsetup remove B
again A
again B
is "$(pbt status A flags)" - "taken down in order: not crashed"
check "A: view 1 is confirmed" pbt view A 1 ab
check "B: view 1 is confirmed" pbt view B 1 ab
check "they connect" pbt pair A B
is "$(pbt io A write)" 0 "and go on"
same

# A sole primary resumes after a crash; twice crashed is crashed.
check "A: view 2" pbt view A 2 a
crash A V
is "$(pbt status V flags)" crashed "sole primary: crashed"
dmsetup remove V
again V
is "$(pbt status V flags)" crashed "set up and removed unconfirmed: still crashed"
check "it confirms its view alone" pbt view V 2 a
is "$(pbt io V read)" 0 "and serves"
is "$(pbt status V flags)" crashed "the crash is not forgotten by that"
is "$(pbt view V 3 ab)" EUCLEAN "so no view with a synced backup"
check "but one with an unsynced backup" pbt view V 3 ab-
dmsetup remove V

# Idle and stale: nothing to lose.
check "B: view 2" pbt view B 2 a
crash B U
is "$(pbt status U flags)" - "an idle replica does not crash"
check "U: confirms" pbt view U 2 a
dmsetup remove U

# Held writes that were given up: not in order.
dmsetup remove A
rm -f $work/dA $work/mA
make_disks A
check "a new replica" replica A a
check "A: view 1" pbt view A 1 ac
pbt policy A error
pbt io A write >/dev/null
check "failed before it began: nothing differs" [ "$(pbt status A flags)" = - ]
