#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a replica says of its past is not always the volume's: older copies of
# disks, histories that were forced, third replicas, crashes in between.
. "$(dirname "$0")/lib.sh"
begin

# join A B VIEW MEMBERS: B gets what it lacks
join() {
	check "$1: view $3, $2 is back" pbt view "$1" "$3" "$4"
	check "$2: view $3" pbt view "$2" "$3" "$4"
	check "they connect" pbt pair "$1" "$2"
	check "$2 is brought up to date" until_synced "$1" "$2"
}

equal() {	# equal A B
	check "$1 and $2 are equal" cmp -n $((sectors * 512)) "$work/d$1" "$work/d$2"
}

put() {		# put DEVICE MIB SEED: a block there, flushed
	is "$(pbt io "$1" write $(($2 << 20)) 4096 "$3")" 0 "$1 writes"
	is "$(pbt io "$1" flush)" 0 "and flushes"
}

end() {
	local name

	for name; do
		dmsetup remove "$name"
		rm -f "$work/d$name" "$work/m$name"
	done
}

pair() {	# pair A B: synced in view 1, with letters a and b
	make_disks $1 $2
	replica $1 a region_size 4096
	replica $2 b region_size 4096
	check "$1: view 1" pbt view $1 1 ab
	check "$2: view 1" pbt view $2 1 ab
	check "they connect" pbt pair $1 $2
	put $1 1 3
}

blank() {	# blank NAME LETTER
	make_disks $1
	dmsetup create $1 --table \
		"0 $sectors pb $volume $(dev d$1) $(dev m$1) 4 format blank replica $(uuid_of $2)"
}

# A primary that keeps a map for a third one crashes and stands: its hot extents count for that one as well.
pair A B
blank C c
check "A: view 2, B is left out" pbt view A 2 a
check "B: view 2" pbt view B 2 a
join A C 3 ac-
check "A: view 4, C is synced" pbt view A 4 ac
check "C: view 4" pbt view C 4 ac
check "they connect" pbt pair A C
is "$(pbt io A write $((9 << 20)) 4096 7)" 0 "A writes"
is "$(pbt io A flush)" 0 "and flushes"
# Both disks as a crash would leave them: a removal in order would say so.
cp $work/dA $work/dX
cp $work/mA $work/mX
end A
eval "dev_dX=\$(losetup -f --show $work/dX)"
eval "dev_mX=\$(losetup -f --show $work/mX)"
again X
is "$(pbt status X flags)" crashed "A crashed; it is X now"
check "X: view 5, with C" pbt view X 5 ac
is "$(pbt status X flags)" crashed,stands "it only stands in it"
check "X: view 6, alone" pbt view X 6 a
join X B 7 ab-
equal X B
end X B C

# An older copy of a backup's disks in the very view in which they were copied.
pair D E
dmsetup remove E
save_disks E
again E
check "E, set up again: view 1" pbt view E 1 ab
check "they connect" pbt pair D E
put D 9 7
restore_disks E
check "E, an older copy: view 1" pbt view E 1 ab
within 3 pbt pair D E >/dev/null 2>&1
ok $((! $?)) "it is not taken back in that view"
check "D: view 2, E is left out" pbt view D 2 a
join D E 3 ab-
equal D E
end D E

# A history that was forced, and that a third replica shares.
pair F G
blank H c
check "G: view 2, by force" pbt view G 2 b force
put G 9 8
join G H 3 bc-
check "F: view 2, of two" pbt view F 2 ab
check "F: view 3" pbt view F 3 ab
check "F: view 4" pbt view F 4 ab
check "F: view 5, alone" pbt view F 5 a
join F G 6 ab-
equal F G
check "F: view 7, alone" pbt view F 7 a
check "H: view 7" pbt view H 7 a
join F H 8 ac-
equal F H
end F G H

# An older copy of a primary's disks, which its backup has seen newer.
pair I J
check "I: view 2, J is left out" pbt view I 2 a
check "J: view 2" pbt view J 2 a
join I J 3 ab-
dmsetup remove I
save_disks I
again I
check "I, set up again: view 3" pbt view I 3 ab-
check "they connect" pbt pair I J
put I 9 7
check "J: view 4, alone" pbt view J 4 b
restore_disks I
join J I 5 ba-
equal I J
end I J

finish
