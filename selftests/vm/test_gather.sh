#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Many writes at once: they may go together, and none waits for what does not come.
. "$(dirname "$0")/lib.sh"
begin

make_disks A
replica A a lease_ms 0
check "A: view 1" pbt view A 1 ab
run_c t_gather A

finish
