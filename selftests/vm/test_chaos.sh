#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Views, connections, suspends and writes all at once.
# PB_SEED chooses what, PB_ROUNDS how much.
PB_SECTORS=4096
. "$(dirname "$0")/lib.sh"
begin

# A connection that stays: else every other one patches the kernel's code
# (static key of sockets that may use the reserves), which an emulated machine
# with several processors does not always survive.
make_disks C D
replica C c
replica D d
pbt view C 1 cd >/dev/null
pbt view D 1 cd >/dev/null
check "a pair that stays" pbt pair C D
check "a pair" make_pair
fewer PB_ROUNDS 20
RUN_LIMIT=$(long && echo 900 || echo 70) run_c t_chaos A B
same
