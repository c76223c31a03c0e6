// SPDX-License-Identifier: GPL-2.0
/*
 * The arithmetic of leases.  Why it is right: Documentation/promises.rst, 5.
 */
#include "pb-lease.h"
#include "pb-view.h"

#define PB_NS_PER_MS	1000000ULL

bool pb_lease_ms_ok(u32 ms)
{
	return !ms || (ms >= PB_LEASE_MS_MIN && ms <= PB_LEASE_MS_MAX);
}

u32 pb_lease_agree(u32 mine, u32 theirs)
{
	return mine < theirs ? mine : theirs;
}

u32 pb_lease_keepalive_ms(u32 keepalive_ms, u32 lease_ms)
{
	u32 often = lease_ms / 4;

	if (!lease_ms || keepalive_ms <= often)
		return keepalive_ms;
	return often > PB_KEEPALIVE_MS_MIN ? often : PB_KEEPALIVE_MS_MIN;
}

u64 pb_lease_until(u64 sent, u32 lease_ms)
{
	return lease_ms && sent ? sent + lease_ms * PB_NS_PER_MS : 0;
}

bool pb_lease_covers(u64 arrived, u64 now, u64 until, u64 echoed)
{
	return now < until || echoed > arrived;
}

u64 pb_lease_wait(u64 answered, u32 lease_ms)
{
	u64 lease = lease_ms * PB_NS_PER_MS;

	if (!lease_ms)
		return 0;
	return answered + lease + PB_LEASE_MARGIN(lease) + PB_LEASE_MARGIN_NS;
}

void pb_lease_give(struct pb_given *given, u64 now, u64 until, const u8 *to)
{
	if (!until)
		return;
	if (given->until > now && memcmp(given->to, to, PB_UUID_LEN))
		memset(given->to, 0, PB_UUID_LEN);
	else
		memcpy(given->to, to, PB_UUID_LEN);
	if (until > given->until)
		given->until = until;
}

bool pb_lease_only_to(const struct pb_given *given, const u8 *replica)
{
	return !pb_uuid_zero(replica) &&
	       !memcmp(given->to, replica, PB_UUID_LEN);
}

u32 pb_lease_left_ms(u64 until, u64 now)
{
	u64 left = until > now ? until - now : 0;

	/* Never more than the longest wait, which fits. */
	return div_u64(left + PB_NS_PER_MS - 1, PB_NS_PER_MS);
}
