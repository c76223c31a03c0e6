// SPDX-License-Identifier: GPL-2.0
/*
 * SHA-256 by the kernel's library: no allocation, no look-up, nothing that can
 * fail in the middle of I/O.
 */
#include <linux/highmem.h>
#include <linux/minmax.h>

#include "compat.h"
#include "pb-digest.h"
#include "pb-wire.h"

static_assert(PB_WIRE_DIGEST == SHA256_DIGEST_SIZE);

void pb_digest(const struct bio_vec *vecs, u32 at, u32 bytes, u8 *out)
{
	struct pb_compat_sha256 state;

	sha256_init(&state);
	while (bytes) {
		u32 from = at % PAGE_SIZE;
		u32 len = min_t(u32, bytes, PAGE_SIZE - from);
		void *data = kmap_local_page(vecs[at / PAGE_SIZE].bv_page);

		sha256_update(&state, data + from, len);
		kunmap_local(data);
		at += len;
		bytes -= len;
	}
	sha256_final(&state, out);
}
