#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A silent peer is noticed and told; events come in order, lost ones counted.
. "$(dirname "$0")/lib.sh"
begin

make_disks A
replica A a
check "view 1" pbt view A 1 ab
run_c t_events A
