// SPDX-License-Identifier: GPL-2.0
/*
 * crc32c in software, eight bytes at a time: one byte at a time would do for
 * superblocks, but the tests sum a few million blocks.
 */
#include "pb-pure-user.h"

#define POLY_REVERSED	0x82f63b78U

static u32 table[8][256];

/* Before main(), so that threads find it complete. */
__attribute__((constructor)) static void crc32c_tables(void)
{
	u32 crc, i, k;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (crc & 1 ? POLY_REVERSED : 0);
		table[0][i] = crc;
	}
	for (i = 0; i < 256; i++)
		for (k = 1; k < 8; k++)
			table[k][i] = (table[k - 1][i] >> 8) ^
				      table[0][table[k - 1][i] & 0xff];
}

static u32 crc32c_eight(u32 crc, const u8 *byte)
{
	u64 word;

	memcpy(&word, byte, sizeof(word));
	word = le64_to_cpu(word) ^ crc;
	return table[7][word & 0xff] ^
	       table[6][(word >> 8) & 0xff] ^
	       table[5][(word >> 16) & 0xff] ^
	       table[4][(word >> 24) & 0xff] ^
	       table[3][(word >> 32) & 0xff] ^
	       table[2][(word >> 40) & 0xff] ^
	       table[1][(word >> 48) & 0xff] ^
	       table[0][word >> 56];
}

u32 crc32c(u32 crc, const void *p, unsigned int len)
{
	const u8 *byte = p;

	for (; len >= 8; len -= 8, byte += 8)
		crc = crc32c_eight(crc, byte);
	while (len--)
		crc = (crc >> 8) ^ table[0][(crc ^ *byte++) & 0xff];
	return crc;
}
