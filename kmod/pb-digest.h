/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Digests of pieces of a disk: what two replicas compare instead of data.
 */
#ifndef PB_DIGEST_H
#define PB_DIGEST_H

#include <linux/bvec.h>

/**
 * pb_digest() - SHA-256 of a piece of a stretch
 * @vecs: the stretch, each of them a whole page but for the last
 * @at: byte where the piece begins
 * @bytes: of the piece
 * @out: PB_WIRE_DIGEST bytes
 *
 * Context: process.
 */
void pb_digest(const struct bio_vec *vecs, u32 at, u32 bytes, u8 *out);

#endif /* PB_DIGEST_H */
