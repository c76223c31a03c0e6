#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Large writes are not copied, and what their pages have later is not sent.
. "$(dirname "$0")/lib.sh"
begin

make_disks A
replica A a lease_ms 0
check "A: view 1" pbt view A 1 ab
run_c t_pages A

finish
