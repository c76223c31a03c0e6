/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Leases: how long a primary may serve reads by its backup's word, and how long
 * a backup that gave it must wait before it serves as a primary.  Pure logic:
 * callable in any context, takes no lock, reads no clock.
 *
 *     primary                                 backup
 *   s |------- message, stamp s -------------->|
 *     |<------ answer, echo s -----------------| p
 *     | may read before s + lease              | promoted, it serves from
 *     |                                        | p + lease + margin on
 *
 * Times are nanoseconds of a clock of the machine that compares them; s is never
 * compared with p.  The primary's is the boot time (CLOCK_BOOTTIME): it must notice
 * that it stood still.  The backup's is CLOCK_MONOTONIC_RAW: nobody can make that
 * run faster, and while it stands still the backup only waits longer.
 */
#ifndef PB_LEASE_H
#define PB_LEASE_H

#include "pb-pure.h"

/*
 * How much longer the backup counts: five sixteenths, and 10 ms.  With all that
 * adjtimex() can do at once (tick 10 %, frequency and adjtime 500 ppm each, and an
 * offset of half a second taken up with the shortest time constant, 12.5 % in the
 * first second) the primary's clock is 22.6 % slow.  With both oscillators wrong by
 * 1000 ppm the backup's counts 1.296 times what the primary's does.
 */
#define PB_LEASE_MARGIN(lease)	((lease) / 16 * 5)
#define PB_LEASE_MARGIN_NS	10000000ULL

/**
 * struct pb_given - leases that a replica has given, and waits out before it serves
 * @until: raw time before which somebody may count on a lease that it gave; 0
 *	for none
 * @to: the one it gave them to; zero if there may be several, or nobody knows
 */
struct pb_given {
	u64	until;
	u8	to[PB_UUID_LEN];
};

/**
 * pb_lease_ms_ok() - is that a length for a lease?
 * @ms: hostile
 *
 * Return: true for 0 (none is given or wanted) and from PB_LEASE_MS_MIN to
 * PB_LEASE_MS_MAX.
 */
bool pb_lease_ms_ok(u32 ms);

/**
 * pb_lease_agree() - how long leases on a connection are
 * @mine: what this end said in its hello
 * @theirs: what the other end said; hostile
 *
 * Return: the shorter one.  Both ends get the same; 0 if there are none.
 */
u32 pb_lease_agree(u32 mine, u32 theirs);

/**
 * pb_lease_keepalive_ms() - how often to say something
 * @keepalive_ms: as often as somebody wanted
 * @lease_ms: what pb_lease_agree() said
 *
 * Return: @keepalive_ms, or less, so that keepalives alone renew the lease: the
 * stamp that comes back with one can be 1.5 times that old.
 */
u32 pb_lease_keepalive_ms(u32 keepalive_ms, u32 lease_ms);

/**
 * pb_lease_until() - what an answer is worth to the primary
 * @sent: its own stamp that came back, not in the future
 * @lease_ms: what pb_lease_agree() said
 *
 * Return: it may serve reads before that boot time; 0 for nothing.
 */
u64 pb_lease_until(u64 sent, u32 lease_ms);

/**
 * pb_lease_covers() - may a read be served?
 * @arrived: when it came
 * @now: not before @arrived, not after the read ends
 * @until: what pb_lease_until() said of the latest answer
 * @echoed: the latest stamp that came back, 0 if none
 *
 * Return: true if there was a moment, not before @arrived, at which the backup
 * could not have served as a primary: by its lease, or by its answer to what was
 * sent after the read had come.
 */
bool pb_lease_covers(u64 arrived, u64 now, u64 until, u64 echoed);

/**
 * pb_lease_wait() - when is a lease over for the backup that gave it?
 * @answered: when it answered, or later
 * @lease_ms: what pb_lease_agree() said, or more
 *
 * Return: its own raw time from which on it may serve; 0 if @lease_ms is 0.
 */
u64 pb_lease_wait(u64 answered, u32 lease_ms);

/**
 * pb_lease_give() - leases were given
 * @given: those from before
 * @now: raw time
 * @until: what pb_lease_wait() said; 0 adds nothing
 * @to: to whom; zero if nobody knows
 */
void pb_lease_give(struct pb_given *given, u64 now, u64 until, const u8 *to);

/**
 * pb_lease_only_to() - are they over when a replica serves no more?
 * @given: leases
 * @replica: UUID
 *
 * Return: true if nobody else can have a lease.
 */
bool pb_lease_only_to(const struct pb_given *given, const u8 *replica);

/**
 * pb_lease_left_ms() - how much of a time is left
 * @until: a time, or 0
 * @now: by the same clock
 *
 * Return: milliseconds, rounded up; 0 if it is over.
 */
u32 pb_lease_left_ms(u64 until, u64 now);

#endif /* PB_LEASE_H */
