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

#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define swap(a, b) do { __typeof__(a) was = (a); (a) = (b); (b) = was; } while (0)

static inline u64 div_u64_rem(u64 dividend, u32 divisor, u32 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

#define BITS_PER_LONG		(8 * (int)sizeof(long))
#define BITS_TO_LONGS(nr)	DIV_ROUND_UP(nr, BITS_PER_LONG)

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return map[nr / BITS_PER_LONG] >> nr % BITS_PER_LONG & 1;
}

static inline void __set_bit(unsigned long nr, unsigned long *map)
{
	map[nr / BITS_PER_LONG] |= 1UL << nr % BITS_PER_LONG;
}

static inline void __clear_bit(unsigned long nr, unsigned long *map)
{
	map[nr / BITS_PER_LONG] &= ~(1UL << nr % BITS_PER_LONG);
}

static inline unsigned int hweight_long(unsigned long word)
{
	return __builtin_popcountl(word);
}

static inline unsigned long find_next_bit(const unsigned long *map,
					  unsigned long size,
					  unsigned long from)
{
	unsigned long word, at;

	if (from >= size)
		return size;
	at = from / BITS_PER_LONG;
	word = map[at] & ~0UL << from % BITS_PER_LONG;
	while (!word) {
		if (++at >= BITS_TO_LONGS(size))
			return size;
		word = map[at];
	}
	at = at * BITS_PER_LONG + __builtin_ctzl(word);
	return at < size ? at : size;
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
