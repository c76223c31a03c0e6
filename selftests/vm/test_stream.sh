#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random streams into live connections: no crash, and it serves on.
# PB_SEED and PB_STREAMS choose them.
PB_SECTORS=4096
. "$(dirname "$0")/lib.sh"
begin

make_disks A B
replica A a
replica B b
check "A: view 1" pbt view A 1 ab
check "B: view 1" pbt view B 1 ab
fewer PB_STREAMS 400
# What each connection costs the log is no news here.
RUN_LIMIT=$(long && echo 1000 || echo 150) run_c t_stream B A
