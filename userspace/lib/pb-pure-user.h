/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kmod/pb-pure.h takes from the kernel, for userspace: the same names
 * with the same meaning, so that the pure logic is one text in both.
 */
#ifndef PB_PURE_USER_H
#define PB_PURE_USER_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef __u8	u8;
typedef __u16	u16;
typedef __u32	u32;
typedef __u64	u64;

#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BUILD_BUG_ON(cond)	static_assert(!(cond), "BUILD_BUG_ON: " #cond)

/* Before C23 the message is not optional; the kernel's own macro has none. */
#undef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)

static inline __le16 cpu_to_le16(u16 value)
{
	return htole16(value);
}

static inline __le32 cpu_to_le32(u32 value)
{
	return htole32(value);
}

static inline __le64 cpu_to_le64(u64 value)
{
	return htole64(value);
}

static inline u16 le16_to_cpu(__le16 value)
{
	return le16toh(value);
}

static inline u32 le32_to_cpu(__le32 value)
{
	return le32toh(value);
}

static inline u64 le64_to_cpu(__le64 value)
{
	return le64toh(value);
}

/**
 * crc32c() - Castagnoli's crc as the kernel's function of that name has it
 * @crc: seed, or the result so far
 * @p: bytes
 * @len: how many
 *
 * Neither the seed nor the result is inverted: the usual crc32c of a buffer is
 * ~crc32c(~0U, p, len).
 */
u32 crc32c(u32 crc, const void *p, unsigned int len);

#endif /* PB_PURE_USER_H */
