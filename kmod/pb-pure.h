/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pure logic stands on.  pb-codec.c, pb-view.c, pb-super.c,
 * pb-layout.c, pb-lease.c, pb-record.c and pb-map.c decide things and touch no device,
 * clock, lock or allocator; they are built into the module, into libpb and
 * into the unit tests from the same text.  This is the only header of theirs
 * that knows which.
 */
#ifndef PB_PURE_H
#define PB_PURE_H

#ifdef __KERNEL__
#include <linux/bitmap.h>
#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include "pb-pure-user.h"
#endif

#include "uapi/linux/dm-pb.h"

/**
 * pb_all_zero() - are so many bytes zero?
 * @p: the bytes
 * @len: how many
 */
static inline bool pb_all_zero(const void *p, size_t len)
{
	const u8 *byte = p;

	while (len--)
		if (*byte++)
			return false;
	return true;
}

/**
 * pb_block_size_ok() - is this a logical block size?
 * @size: bytes
 * @max: largest allowed
 *
 * Return: true for a power of two from 512 to @max.
 */
static inline bool pb_block_size_ok(u32 size, u32 max)
{
	return size >= 512 && size <= max && !(size & (size - 1));
}

/**
 * pb_crc32c() - the checksum of both formats
 * @p: the bytes
 * @len: how many
 *
 * The usual crc32c: of "123456789" it is 0xe3069283.
 */
static inline u32 pb_crc32c(const void *p, unsigned int len)
{
	return ~crc32c(~0U, p, len);
}

/**
 * pb_block_crc() - the checksum of a block that has it in itself
 * @block: the bytes, which may be const
 * @len: how many
 * @at: where the checksum's four bytes are, which count as zero
 */
static inline u32 pb_block_crc(const void *block, unsigned int len,
			       unsigned int at)
{
	const __le32 zero = 0;
	u32 crc;

	crc = crc32c(~0U, block, at);
	crc = crc32c(crc, &zero, sizeof(zero));
	at += sizeof(zero);
	return ~crc32c(crc, (const u8 *)block + at, len - at);
}

#endif /* PB_PURE_H */
