#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Connections as pbviewd makes them: kernel TLS, and two volumes on top of it.
. "$(dirname "$0")/lib.sh"
begin

# Built in, or a module.
check "the kernel has TLS" sh -c "modprobe tls || grep -q tls /proc/sys/net/ipv4/tcp_available_ulp"
mkdir -p $work/certs
run_c t_link flow $work/certs

make_disks A B
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab

run_c t_link pair $work/certs A B
check "a write" pbt io A write 0 65536 0x11
check "a flush" pbt io A flush
check "a FUA write" pbt io A fua 1048576 4096 0x22
check "zeroes" pbt io A zeroes 2097152 65536
head -c 4194304 /dev/urandom >$work/random
check "4 MiB in all sizes" sh -c "for size in 512 4096 65536 1048576; do
	dd if=$work/random of=/dev/mapper/A bs=\$size count=\$((size < 65536 ? 64 : 4)) \
		seek=\$((4194304 / size)) oflag=direct || exit 1
done"
is "$(pbt status A down)" up "the link is still the same one"
check "B has it" sh -c "test \$(pbt status B applied_writes) -gt 100"
is "$(pbt status A acks_at_once)" 0 "TLS reads the socket: a worker takes each ack"
is "$(pbt status A tx_shared)" 0 "and encrypts a payload into pages of its own"
same

# The primary accepts now, so its kernel speaks as soon as the reply is sent.
pbt io A write 3145728 65536 0x33 >$work/io &
pbt disconnect B >/dev/null
check "B is disconnected" pbt wait B up none
check "and A" pbt wait A down none
pbt io A write 3211264 65536 0x44 >$work/io2 &
check "a write waits" wait_for sh -c "test \$(pbt status A in_flight) -gt 0 || test \$(pbt status A held) -gt 0"
run_c t_link pair $work/certs B A
wait_for sh -c "test -s $work/io && test -s $work/io2"
is "$(cat $work/io) $(cat $work/io2)" "0 0" "the writes of before are done"
check "another write" pbt io A write 3276800 65536 0x55
check "another flush" pbt io A flush
same "the replicas are equal after a second connection"

pbt disconnect A >/dev/null
pbt disconnect B >/dev/null
run_c t_link watch $work/certs A B
same "the replicas are equal after what was watched"
