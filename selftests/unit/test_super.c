// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pb-super.c: each rule, each flipped byte, each torn update.
 */
#include "pb-super.h"
#include "pb-view.h"
#include "tap.h"

#define SECTORS		(PB_DISK_BLOCK / 512)

static const char *why;

static struct pb_super sample(u64 generation)
{
	struct pb_super super = {
		.generation = generation,
		.name = "mail",
		.data_sectors = 1 << 21,
		.capacity_sectors = 3 << 20,
		.block_size = 4096,
		.flags = PB_DISK_ACTIVE,
		.incarnation = 0x1122334455667788,
		.replica_state = PB_REPLICA_SYNCED,
		.view = { .number = 40 + generation, .nr_members = 2 },
		.forced_view = 3,
		.forced_time = 1700000000,
		.log_epoch = 100 + generation % 100,
		.next_epoch = 300,
		.data_view = 40 + generation,
		.waits_view = 39 + generation,
		.met_view = 38 + generation,
		.met_incarnation = 0xabcd,
	};
	u32 i;

	if (pb_super_defaults(&super, &why))
		ok(false, "defaults: %s", why);
	for (i = 0; i < 2; i++) {
		memset(super.peers[i].replica, 0xc0 + i, PB_UUID_LEN);
		super.peers[i].base_view = 17 + i;
		super.peers[i].epoch = 201 + i;
		super.peers[i].incarnation = 5 + i;
		super.peers[i].met_view = 16 + 2 * i;
		super.peers[i].flags = i ? PB_DISK_PEER_STARTED : 0;
	}

	memset(super.met_replica, 0xcc, PB_UUID_LEN);
	super.lease_ms = 400;
	memset(super.volume, 0xaa, PB_UUID_LEN);
	memset(super.replica, 0xbb, PB_UUID_LEN);
	for (i = 0; i < 2; i++) {
		memset(super.view.members[i].replica, 0xbb + i, PB_UUID_LEN);
		memcpy(super.view.members[i].name, "node", 5);
		super.view.members[i].flags = PB_MEMBER_SYNCED;
	}
	return super;
}

static bool same_peer(const struct pb_super_peer *a,
		      const struct pb_super_peer *b)
{
	return !memcmp(a->replica, b->replica, PB_UUID_LEN) &&
	       a->base_view == b->base_view && a->epoch == b->epoch &&
	       a->incarnation == b->incarnation &&
	       a->met_view == b->met_view && a->flags == b->flags;
}

/* The log's and the maps' part. */
static bool same_logs(const struct pb_super *a, const struct pb_super *b)
{
	u32 i;

	for (i = 0; i < PB_DISK_MAX_PEERS; i++)
		if (!same_peer(&a->peers[i], &b->peers[i]))
			return false;
	return a->log_epoch == b->log_epoch &&
	       a->next_epoch == b->next_epoch &&
	       a->log_blocks == b->log_blocks &&
	       a->log_slots == b->log_slots &&
	       a->extent_shift == b->extent_shift &&
	       a->region_shift == b->region_shift &&
	       a->nr_maps == b->nr_maps && a->data_view == b->data_view &&
	       !memcmp(a->sync_source, b->sync_source, PB_UUID_LEN) &&
	       a->sync_view == b->sync_view &&
	       a->waits_view == b->waits_view && a->met_view == b->met_view &&
	       a->met_incarnation == b->met_incarnation &&
	       !memcmp(a->met_replica, b->met_replica, PB_UUID_LEN) &&
	       a->lease_ms == b->lease_ms;
}

static bool same(const struct pb_super *a, const struct pb_super *b)
{
	return a->generation == b->generation &&
	       !memcmp(a->volume, b->volume, PB_UUID_LEN) &&
	       !memcmp(a->replica, b->replica, PB_UUID_LEN) &&
	       !memcmp(a->name, b->name, PB_NAME_LEN) &&
	       a->data_sectors == b->data_sectors &&
	       a->capacity_sectors == b->capacity_sectors &&
	       a->block_size == b->block_size && a->flags == b->flags &&
	       a->incarnation == b->incarnation &&
	       a->replica_state == b->replica_state &&
	       !memcmp(&a->view, &b->view, sizeof(a->view)) &&
	       a->forced_view == b->forced_view &&
	       a->forced_time == b->forced_time && same_logs(a, b);
}

static bool untouched(const struct pb_super *super)
{
	const u8 *byte = (const u8 *)super;
	size_t i;

	for (i = 0; i < sizeof(*super); i++)
		if (byte[i] != 0x5a)
			return false;
	return true;
}

static int unpack(const struct pb_disk_super *disk, struct pb_super *super)
{
	int ret;

	memset(super, 0x5a, sizeof(*super));
	why = NULL;
	ret = pb_super_unpack(disk, super, &why);
	if (ret && (!why || !untouched(super)))
		ok(false, "a refusal gives a reason and no superblock");
	return ret;
}

static int pick(const struct pb_disk_super disk[2], struct pb_super *super)
{
	int ret;

	memset(super, 0x5a, sizeof(*super));
	why = NULL;
	ret = pb_super_pick(disk, super, &why);
	if (ret < 0 && (!why || !untouched(super)))
		ok(false, "a refusal gives a reason and no superblock");
	return ret;
}

/* Bit by bit, with the field taken as zero. */
static void seal(struct pb_disk_super *disk)
{
	const u8 *byte = (const u8 *)disk;
	u32 crc = ~0U, i, k;

	disk->crc = 0;
	for (i = 0; i < sizeof(*disk); i++) {
		crc ^= byte[i];
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	disk->crc = cpu_to_le32(~crc);
}

static void refused(struct pb_disk_super *disk, int err, const char *text)
{
	struct pb_super super;

	seal(disk);
	is(unpack(disk, &super), err, text);
}

static void refused_super(const struct pb_super *super, const char *text)
{
	struct pb_disk_super disk;

	pb_super_pack(super, &disk);
	refused(&disk, -EINVAL, text);
}

static void test_round_trip(void)
{
	struct pb_disk_super disk, twin;
	struct pb_super super = sample(7), got;

	memset(&disk, 0xff, sizeof(disk));
	pb_super_pack(&super, &disk);
	twin = disk;
	seal(&twin);
	ok(!memcmp(&disk, &twin, sizeof(disk)), "pack: the crc");
	ok(pb_all_zero(disk.reserved, sizeof(disk.reserved)),
	   "pack: padding zero");
	is(unpack(&disk, &got), 0, "unpack");
	ok(same(&super, &got), "all fields come back");
	super.view = (struct pb_view) { 0 };
	super.data_view = 0;
	super.waits_view = 0;
	super.met_view = 0;
	super.met_incarnation = 0;
	memset(super.met_replica, 0, PB_UUID_LEN);
	memset(super.peers, 0, sizeof(super.peers));
	super.name[0] = 0;
	memset(super.name, 0, sizeof(super.name));
	super.forced_view = 0;
	super.forced_time = 0;
	super.flags = 0;
	pb_super_pack(&super, &disk);
	is(unpack(&disk, &got), 0, "unpack without a view");
	ok(same(&super, &got), "all fields come back, no view");
	super = sample(7);
	super.replica_state = PB_REPLICA_SYNCING;
	memset(super.sync_source, 0xbc, PB_UUID_LEN);
	super.sync_view = 47;
	memset(super.peers, 0, sizeof(super.peers));
	memset(super.peers[3].replica, 0xbc, PB_UUID_LEN);
	super.peers[3].epoch = 299;
	pb_super_pack(&super, &disk);
	is(unpack(&disk, &got), 0, "unpack while syncing");
	ok(same(&super, &got), "all fields come back, syncing");
}

static void test_layout(void)
{
	struct pb_super super = sample(7);
	struct pb_disk_super disk;
	const u8 *byte = (const u8 *)&disk;

	pb_super_pack(&super, &disk);
	ok(!memcmp(byte, "DPBSSB01\1\0\0\0", 12), "magic and version");
	ok(!memcmp(byte + 16, "\7\0\0\0\0\0\0\0", 8), "generation at 16");
	ok(byte[24] == 0xaa && byte[40] == 0xbb, "UUIDs at 24 and 40");
	ok(!memcmp(byte + 56, "mail", 5), "name at 56");
	ok(!memcmp(byte + 88, "\0\0\x20\0\0\0\0\0", 8), "size at 88");
	ok(!memcmp(byte + 96, "\0\x10\0\0\1\0\0\0", 8),
	   "block size at 96, flags at 100");
	ok(!memcmp(byte + 104, "\x88\x77\x66\x55\x44\x33\x22\x11", 8),
	   "incarnation at 104");
	ok(!memcmp(byte + 112, "\x2f\0\0\0\0\0\0\0\2\0\0\0\3\0\0\0", 16),
	   "view, members, state at 112");
	ok(byte[128] == 0xbb && byte[192] == 0xbc && byte[240] == 1,
	   "members at 128");
	ok(!memcmp(byte + 640, "\3\0\0\0\0\0\0\0", 8), "forced view at 640");
	ok(!memcmp(byte + 656, "\x6b\0\0\0\0\0\0\0\x2c\1\0\0\0\0\0\0", 16),
	   "epoch of the log at 656, the next at 664");
	ok(!memcmp(byte + 672, "\x60\0\0\0\0\x40\0\0\x0d\0\0\0\7\0\0\0"
		   "\4\0\0\0\0\0\0\0", 24),
	   "blocks, slots, extent, region, maps at 672");
	ok(byte[696] == 47 && pb_all_zero(byte + 704, 24) && byte[728] == 46,
	   "views of data, syncing, waiting at 696");
	ok(byte[736] == 0xc0 && byte[752] == 17 && byte[760] == 201 &&
	   byte[768] == 5 && byte[776] == 16 && byte[800] == 0xc1 &&
	   byte[848] == 1, "peers at 736");
	ok(byte[1192] == 45 && byte[1200] == 0xcd && byte[1208] == 0xcc &&
	   byte[1223] == 0xcc, "whom it met, and when, at 1192");
}

static void test_head(void)
{
	struct pb_super super = sample(7);
	struct pb_disk_super good, d;

	pb_super_pack(&super, &good);
	memset(&d, 0, sizeof(d));
	is(unpack(&d, &super), -ENODATA, "a block of zeroes");
	d = good;
	d.magic ^= cpu_to_le64(1);
	refused(&d, -ENODATA, "another magic");
	d = good;
	d.crc ^= cpu_to_le32(1);
	is(unpack(&d, &super), -EBADMSG, "a wrong crc");
	d = good;
	d.version = cpu_to_le32(2);
	is(unpack(&d, &super), -EBADMSG, "a wrong crc comes before a version");
	refused(&d, -EPROTONOSUPPORT, "a newer version");
	d.version = 0;
	refused(&d, -EPROTONOSUPPORT, "version 0");
	d.version = cpu_to_le32(2);
	d.generation = 0;
	refused(&d, -EPROTONOSUPPORT, "a version comes before its fields");
}

/* A later version that can be used all the same; what it brought is lost. */
static void test_later_version(void)
{
	struct pb_super super = sample(5), again;
	struct pb_disk_super good, d, old;

	pb_super_pack(&super, &good);
	d = good;
	d.version = cpu_to_le32(PB_DISK_VERSION + 2);
	d.needs = cpu_to_le32(PB_DISK_VERSION + 1);
	refused(&d, -EPROTONOSUPPORT, "later: one that needs a later one too");
	d.needs = cpu_to_le32(PB_DISK_VERSION);
	memset(d.reserved, 0x5a, sizeof(d.reserved));
	seal(&d);
	is(unpack(&d, &super), 0, "later: one that does not");
	pb_super_pack(&super, &old);
	ok(!memcmp(&old, &good, sizeof(old)), "later: updated it is of this version");
	is(unpack(&old, &again), 0, "later: and can be read");
	d.flags = cpu_to_le32(0x80);
	refused(&d, -EINVAL, "later: its fields are looked at");
	d = good;
	d.needs = cpu_to_le32(PB_DISK_VERSION);
	refused(&d, -EINVAL, "this version says no more than itself");
}

static void test_fields(void)
{
	const struct pb_super good = sample(7);
	struct pb_super s = good, got;
	struct pb_disk_super full;
	u32 size, bad = 0;

	s.generation = 0;
	refused_super(&s, "zero generation");
	s = good;
	s.incarnation = 0;
	refused_super(&s, "zero incarnation");
	s = good;
	memset(s.volume, 0, PB_UUID_LEN);
	refused_super(&s, "zero volume");
	s = good;
	memset(s.replica, 0, PB_UUID_LEN);
	refused_super(&s, "zero replica");
	s = good;
	memset(s.name, 'x', PB_NAME_LEN);
	refused_super(&s, "a name without its NUL");
	s.name[0] = '\x1b';
	s.name[1] = 0;
	refused_super(&s, "a name that is not printable");
	s = good;
	s.data_sectors = 0;
	refused_super(&s, "zero size");
	for (size = 1; size < 8; size++) {
		s.data_sectors = (1 << 21) + size;
		refused_super(&s, "a size that is no multiple of a block");
	}
	s = good;
	s.capacity_sectors = s.data_sectors;
	pb_super_pack(&s, &full);
	is(unpack(&full, &got), 0, "no more capacity than there is volume");
	s.capacity_sectors -= 8;
	refused_super(&s, "less capacity than volume");
	s.capacity_sectors = 0;
	refused_super(&s, "no capacity");
	s.capacity_sectors = s.data_sectors + 4;
	refused_super(&s, "a capacity that is no multiple of a block");
	for (size = 0; size <= 1 << 17; size++) {
		struct pb_disk_super disk;
		bool legal = size == 512 || size == 1024 || size == 2048 ||
			     size == 4096;

		/* All of them would take long and are alike. */
		if (size > 1025 && (size & (size - 1)) && size % 509)
			continue;
		s = good;
		s.block_size = size;
		pb_super_pack(&s, &disk);
		bad += unpack(&disk, &got) != (legal ? 0 : -EINVAL);
	}
	is(bad, 0, "exactly the four block sizes");
}

static void test_status(void)
{
	const struct pb_super good = sample(7);
	struct pb_super s = good;
	struct pb_disk_super disk;
	u32 i, bad;

	for (i = 1, bad = 0; i < 32; i++) {
		s.flags = 1U << i;
		pb_super_pack(&s, &disk);
		bad += unpack(&disk, &s) != -EINVAL;
		s = good;
	}
	is(bad, 0, "each unknown flag");
	for (i = 0, bad = 0; i < 4; i++) {
		s = good;
		s.replica_state = i;
		if (i == PB_REPLICA_SYNCING) {
			s.sync_source[0] = 1;
			s.sync_view = 1;
		}
		pb_super_pack(&s, &disk);
		bad += unpack(&disk, &s) != 0;
	}
	is(bad, 0, "each state");
	s = good;
	s.replica_state = 4;
	refused_super(&s, "an unknown state");
	s.replica_state = U32_MAX;
	refused_super(&s, "state 4294967295");
	pb_super_pack(&good, &disk);
	for (i = 0, bad = 0; i < sizeof(disk.reserved); i += 7) {
		disk.reserved[i] = 1;
		seal(&disk);
		bad += unpack(&disk, &s) != -EINVAL;
		disk.reserved[i] = 0;
	}
	is(bad, 0, "reserved bytes not zero");
	disk.reserved[sizeof(disk.reserved) - 1] = 1;
	refused(&disk, -EINVAL, "the last reserved byte not zero");
	pb_super_pack(&good, &disk);
	disk.reserved0 = cpu_to_le32(1U << 31);
	refused(&disk, -EINVAL, "the reserved field not zero");
}

/* A superblock with one thing wrong, and what must be said of it. */
static void wrong(const struct pb_super *super, const char *reason,
		  const char *text)
{
	struct pb_disk_super disk;
	struct pb_super got;
	int ret;

	pb_super_pack(super, &disk);
	ret = unpack(&disk, &got);
	if (!ok(ret == -EINVAL && !strcmp(why, reason), "%s: %s", reason, text))
		printf("# %d, %s\n", ret, ret ? why : "no reason");
}

#define WRONG(reason, change) do {				\
	struct pb_super s = good;				\
								\
	change;							\
	wrong(&s, "superblock: " reason, #change);		\
} while (0)

static void test_log_geometry(void)
{
	const struct pb_super good = sample(7);

	WRONG("impossible extent size", s.extent_shift = 10);
	WRONG("impossible extent size", s.extent_shift = 18);
	WRONG("impossible extent size", s.extent_shift = 1U << 31);
	WRONG("the volume has too many extents",
	      s.capacity_sectors = 0xffffffffULL * 8192 + 8);
	WRONG("impossible number of hot extents", s.log_slots = 63);
	WRONG("impossible number of hot extents", s.log_slots = 65537);
	WRONG("impossible number of hot extents", s.log_slots = U32_MAX);
	WRONG("the activity log is too small for its hot extents",
	      s.log_blocks = 47);
	WRONG("the activity log is too small for its hot extents",
	      s.log_blocks = 0);
	WRONG("the activity log is too large", s.log_blocks = 1025);
	WRONG("impossible epoch of the activity log", s.log_epoch = 0);
	WRONG("impossible epoch of the activity log", s.log_epoch = 300);
	WRONG("impossible epoch of the activity log", s.log_epoch = U64_MAX);
	WRONG("impossible region size", s.region_shift = 2);
	WRONG("impossible region size", s.region_shift = 12);
	WRONG("impossible number of dirty maps", s.nr_maps = 0);
	WRONG("impossible number of dirty maps", s.nr_maps = 8);
}

static void test_geometry_bounds(void)
{
	static const u32 slots[] = { 64, 367, 368, 369, 16384, 65536 };
	struct pb_super s, got;
	struct pb_disk_super disk;
	u32 extent, region, i, bad = 0;

	for (extent = 11; extent <= 17; extent++) {
		for (region = 3; region <= 11; region++) {
			s = sample(7);
			s.extent_shift = extent;
			s.region_shift = region;
			pb_super_pack(&s, &disk);
			bad += unpack(&disk, &got) != 0;
		}
	}
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		s = sample(7);
		s.log_slots = slots[i];
		s.log_blocks = 1024;
		pb_super_pack(&s, &disk);
		bad += unpack(&disk, &got) != 0;
	}
	s = sample(7);
	s.log_blocks = 48;
	s.data_sectors = 0xffffffffULL * 8192;
	s.capacity_sectors = s.data_sectors;
	s.log_epoch = 1;
	pb_super_pack(&s, &disk);
	bad += unpack(&disk, &got) != 0;
	s.log_epoch = 299;
	pb_super_pack(&s, &disk);
	bad += unpack(&disk, &got) != 0;
	is(bad, 0, "all that is within bounds");
}

static void test_past(void)
{
	struct pb_super good = sample(7);

	WRONG("the data is of a view still to come", s.data_view = 48);
	WRONG("the data is of a view still to come", s.data_view = U64_MAX);
	WRONG("waits for acks in a view still to come", s.waits_view = 48);
	WRONG("met a neighbour in a view still to come", s.met_view = 48);
	WRONG("what is known of the neighbour it met does not fit",
	      s.met_view = 0);
	WRONG("what is known of the neighbour it met does not fit",
	      s.met_incarnation = 0);
	WRONG("what is known of the neighbour it met does not fit",
	      memset(s.met_replica, 0, PB_UUID_LEN));
	WRONG("impossible length of a lease", s.lease_ms = PB_LEASE_MS_MAX + 1);
	WRONG("impossible length of a lease", s.lease_ms = PB_LEASE_MS_MIN - 1);
	WRONG("met itself", memcpy(s.met_replica, s.replica, PB_UUID_LEN));
	WRONG("syncing from nobody", s.replica_state = PB_REPLICA_SYNCING);
	WRONG("a source to sync from in another state", s.sync_source[15] = 1);
	WRONG("the view in which syncing began does not fit", s.sync_view = 1);
	good.replica_state = PB_REPLICA_SYNCING;
	good.sync_source[0] = 1;
	good.sync_view = 47;
	WRONG("syncing since a view still to come", s.sync_view = 48);
	WRONG("the view in which syncing began does not fit", s.sync_view = 0);
	WRONG("a source to sync from in another state",
	      s.replica_state = PB_REPLICA_STALE);
	WRONG("syncing from itself",
	      memcpy(s.sync_source, s.replica, PB_UUID_LEN));
}

static void test_peers(void)
{
	const struct pb_super good = sample(7);
	struct pb_disk_super disk;
	u32 i;

	WRONG("a peer without a dirty map", s.nr_maps = 1);
	WRONG("a peer without a dirty map", s.peers[4] = s.peers[1];
	      s.peers[4].replica[0]++);
	WRONG("a peer is there twice", s.peers[3] = s.peers[0]);
	WRONG("a peer is there twice", s.peers[1] = s.peers[0]);
	WRONG("the replica is its own peer",
	      memcpy(s.peers[1].replica, s.replica, PB_UUID_LEN));
	WRONG("a peer left in a view still to come",
	      s.peers[1].base_view = 48);
	WRONG("a peer was met after it had left", s.peers[0].met_view = 18);
	WRONG("unknown flag of a peer", s.peers[0].flags = 2);
	WRONG("unknown flag of a peer", s.peers[0].flags |= 1U << 31);
	WRONG("impossible epoch of a peer's dirty map", s.peers[1].epoch = 0);
	WRONG("impossible epoch of a peer's dirty map", s.peers[1].epoch = 300);
	WRONG("an unused peer is not zero", s.peers[2].base_view = 1);
	WRONG("an unused peer is not zero", s.peers[2].epoch = 1);
	WRONG("an unused peer is not zero", s.peers[2].incarnation = 1);
	WRONG("an unused peer is not zero", s.peers[6].flags = 1);
	for (i = 0; i < 5; i++) {
		pb_super_pack(&good, &disk);
		disk.peers[i].reserved[i % 3] = cpu_to_le32(1U << 31);
		refused(&disk, -EINVAL, "a reserved field of a peer");
	}
}

static void test_defaults(void)
{
	struct pb_super super = { .data_sectors = 1 << 21 };

	is(pb_super_defaults(&super, &why), 0, "defaults");
	ok(super.log_slots == 16384 && super.log_blocks == 96 &&
	   super.extent_shift == 13 && super.region_shift == 7 &&
	   super.nr_maps == 4 && super.capacity_sectors == 1 << 21,
	   "the defaults: 64 GiB hot, 64 KiB a bit, 4 maps, no room");
	super = (struct pb_super) {
		.data_sectors = 1 << 21, .log_slots = 65536,
		.extent_shift = 11, .region_shift = 3, .nr_maps = 7,
	};
	is(pb_super_defaults(&super, &why), 0, "defaults beside options");
	ok(super.log_slots == 65536 && super.log_blocks == 368 &&
	   super.extent_shift == 11 && super.region_shift == 3 &&
	   super.nr_maps == 7, "an option stays");
	super.nr_maps = 8;
	is(pb_super_defaults(&super, &why), -EINVAL, "defaults: too many maps");
	super.nr_maps = 7;
	super.log_slots = 1;
	is(pb_super_defaults(&super, &why), -EINVAL, "defaults: too few slots");
}

static void test_grow(void)
{
	const u64 most = 0xffffffffULL * 8192;
	struct pb_super super = sample(7), before;

	is(pb_super_grow(&super, 3 << 20, &why), 0, "grow: as it is");
	is(pb_super_grow(&super, (3 << 20) + 8, &why), 0, "grow: a block");
	is(super.capacity_sectors, (3 << 20) + 8, "that is the capacity");
	is(super.data_sectors, 1 << 21, "and not the size");
	before = super;
	why = NULL;
	is(pb_super_grow(&super, 3 << 20, &why), -EINVAL, "grow: smaller");
	ok(why, "says why");
	is(pb_super_grow(&super, (3 << 20) + 12, &why), -EINVAL,
	   "grow: half a block");
	is(pb_super_grow(&super, most + 8, &why), -EFBIG,
	   "grow: too many extents");
	is(pb_super_grow(&super, U64_MAX - 7, &why), -EFBIG, "grow: huge");
	ok(!memcmp(&super, &before, sizeof(super)), "nothing has changed");
	is(pb_super_grow(&super, most, &why), 0, "grow: the most extents");
}

static void test_view(void)
{
	struct pb_super super = sample(7);
	struct pb_disk_super good, d;

	pb_super_pack(&super, &good);
	d = good;
	d.nr_members = cpu_to_le32(9);
	refused(&d, -EINVAL, "9 members");
	d.nr_members = cpu_to_le32(U32_MAX);
	refused(&d, -EINVAL, "4294967295 members");
	d.nr_members = 0;
	refused(&d, -EINVAL, "a view without members");
	d.nr_members = cpu_to_le32(1);
	refused(&d, -EINVAL, "an unused entry not zero");
	d = good;
	d.view_number = 0;
	refused(&d, -EINVAL, "members without a view");
	d.nr_members = 0;
	refused(&d, -EINVAL, "entries without a view");
	memset(d.members, 0, sizeof(d.members));
	d.data_view = 0;
	d.waits_view = 0;
	d.met_view = 0;
	d.met_incarnation = 0;
	memset(d.met_replica, 0, PB_UUID_LEN);
	memset(d.peers, 0, sizeof(d.peers));
	refused(&d, 0, "no view at all");
	d.nr_members = cpu_to_le32(1);
	refused(&d, -EINVAL, "a count without a view");
	d = good;
	d.members[0].flags = 0;
	refused(&d, -EINVAL, "the primary not synced");
	d = good;
	d.members[1].reserved[2] = cpu_to_le32(1U << 31);
	refused(&d, -EINVAL, "a reserved field of a member");
	d = good;
	memcpy(d.members[1].replica, d.members[0].replica, PB_UUID_LEN);
	refused(&d, -EINVAL, "a member twice");
	d = good;
	memset(d.members[1].name, 'x', PB_NAME_LEN);
	refused(&d, -EINVAL, "a member's name without its NUL");
}

/* The two copies. */

static void two_copies(struct pb_disk_super disk[2], u64 gen0, u64 gen1)
{
	struct pb_super a = sample(gen0), b = sample(gen1);

	pb_super_pack(&a, &disk[0]);
	pb_super_pack(&b, &disk[1]);
}

static void picked(struct pb_disk_super disk[2], int want, const char *text)
{
	struct pb_super super;

	is(pick(disk, &super), want, text);
}

static void test_pick(void)
{
	struct pb_disk_super disk[2];
	struct pb_super super, want;

	two_copies(disk, 8, 7);
	picked(disk, 0, "pick: copy 0 is newer");
	two_copies(disk, 7, 8);
	picked(disk, 1, "pick: copy 1 is newer");
	want = sample(8);
	ok(pick(disk, &super) == 1 && same(&super, &want),
	   "pick: what is chosen is what is returned");
	two_copies(disk, 1ULL << 63, 1);
	picked(disk, 0, "pick: no signed comparison");
	two_copies(disk, 7, 7);
	picked(disk, 0, "pick: both the same");
	disk[1].forced_time ^= cpu_to_le64(1);
	seal(&disk[1]);
	picked(disk, -EUCLEAN, "pick: differ at the same generation");
	two_copies(disk, 7, 8);
	disk[1].volume[3]++;
	seal(&disk[1]);
	picked(disk, -EUCLEAN, "pick: another volume");
	two_copies(disk, 7, 8);
	disk[0].replica[15]++;
	seal(&disk[0]);
	picked(disk, -EUCLEAN, "pick: another replica");
	memset(disk, 0, sizeof(disk));
	picked(disk, -ENODATA, "pick: two blocks of zeroes");
}

enum kind { GOOD, OTHER, DAMAGED, NEWER, IMPOSSIBLE, NR_KINDS };

static void make(enum kind kind, struct pb_disk_super *disk, u64 generation)
{
	struct pb_super super = sample(generation);

	pb_super_pack(&super, disk);
	switch (kind) {
	case OTHER:
		disk->magic = 0;
		break;
	case DAMAGED:
		disk->forced_time ^= cpu_to_le64(1);
		break;
	case NEWER:
		disk->version = cpu_to_le32(2);
		seal(disk);
		break;
	case IMPOSSIBLE:
		disk->flags = cpu_to_le32(0x80);
		seal(disk);
		break;
	default:
		break;
	}
}

static void test_pick_pairs(void)
{
	static const int want[NR_KINDS][NR_KINDS] = {
		[GOOD] = { 0, 0, 0, -EPROTONOSUPPORT, -EINVAL },
		[OTHER] = { 1, -ENODATA, -EBADMSG, -EPROTONOSUPPORT, -EINVAL },
		[DAMAGED] = { 1, -EBADMSG, -EBADMSG, -EPROTONOSUPPORT,
			      -EINVAL },
		[NEWER] = { -EPROTONOSUPPORT, -EPROTONOSUPPORT,
			    -EPROTONOSUPPORT, -EPROTONOSUPPORT,
			    -EPROTONOSUPPORT },
		[IMPOSSIBLE] = { -EINVAL, -EINVAL, -EINVAL, -EPROTONOSUPPORT,
				 -EINVAL },
	};
	static const char *const text[NR_KINDS] = {
		"good", "other magic", "damaged", "newer version", "impossible",
	};
	struct pb_disk_super disk[2];
	struct pb_super super;
	u32 a, b;

	for (a = 0; a < NR_KINDS; a++) {
		for (b = 0; b < NR_KINDS; b++) {
			make(a, &disk[0], 7);
			make(b, &disk[1], 7);
			ok(pick(disk, &super) == want[a][b],
			   "pick: %s beside %s", text[a], text[b]);
		}
	}
}

/* A copy damaged after a completed update: the other one has it as well. */
static void test_flips(void)
{
	struct pb_disk_super disk[2];
	struct pb_super super, want = sample(8);
	u32 slot, i, bad = 0, flips = 0;
	u8 *byte;

	two_copies(disk, 8, 8);
	for (slot = 0; slot < 2; slot++) {
		byte = (u8 *)&disk[slot];
		for (i = 0; i < 9 * sizeof(disk[0]); i++) {
			u8 flip = i % 9 == 8 ? 0xff : 1 << (i % 9);

			byte[i / 9] ^= flip;
			flips++;
			if (pick(disk, &super) != !slot || !same(&super, &want))
				bad++;
			byte[i / 9] ^= flip;
		}
	}
	printf("# %u flips\n", flips);
	is(bad, 0, "each bit and byte of a copy flipped: the other counts");
}

/* Of the sectors of a block, those in @mask have been written. */
static void tear(struct pb_disk_super *disk, const struct pb_disk_super *after,
		 u32 mask)
{
	u32 i;

	for (i = 0; i < SECTORS; i++)
		if (mask >> i & 1)
			memcpy((u8 *)disk + 512 * i, (u8 *)after + 512 * i,
			       512);
}

/* Superblocks whose every sector differs, as later versions may have. */
static void fill_sectors(struct pb_disk_super *disk, u8 byte)
{
	u32 i;

	for (i = 0; i < sizeof(disk->reserved); i++)
		disk->reserved[i] = byte;
	seal(disk);
}

/*
 * Both copies have generation 7; the update to 8 is cut off in any sector of
 * either copy, in any order within it.
 */
static void test_torn(void)
{
	struct pb_disk_super before, after, disk[2];
	struct pb_super super, old = sample(7), new = sample(8);
	u32 slot, mask, wrong = 0, lost = 0;
	int ret;

	pb_super_pack(&old, &before);
	pb_super_pack(&new, &after);
	for (slot = 0; slot < 2; slot++) {
		for (mask = 0; mask < 1 << SECTORS; mask++) {
			disk[0] = slot ? after : before;
			disk[1] = before;
			tear(&disk[slot], &after, mask);
			ret = pick(disk, &super);
			if (ret < 0)
				lost++;
			else if (!same(&super, &new) &&
				 (slot || !same(&super, &old)))
				wrong++;
		}
	}
	is(lost, 0, "torn: one copy is always good");
	is(wrong, 0, "torn: the old or the new, the new once copy 0 has it");
}

/* A crash in the middle of the update that follows a crash. */
static void test_torn_twice(void)
{
	struct pb_disk_super gen[3], disk[2], left[2];
	struct pb_super super, want[3];
	u32 slot, mask, mask2, got, wrong = 0, lost = 0, cases = 0;
	int good;

	for (got = 0; got < 3; got++) {
		want[got] = sample(7 + got);
		pb_super_pack(&want[got], &gen[got]);
	}
	for (slot = 0; slot < 2; slot++) {
		for (mask = 0; mask < 1 << SECTORS; mask++) {
			left[0] = slot ? gen[1] : gen[0];
			left[1] = gen[0];
			tear(&left[slot], &gen[1], mask);
			good = pick(left, &super);
			got = super.generation - 7;
			for (mask2 = 0; mask2 < 1 << SECTORS; mask2 += 5) {
				memcpy(disk, left, sizeof(disk));
				tear(&disk[!good], &gen[got + 1], mask2);
				cases++;
				if (pick(disk, &super) < 0)
					lost++;
				else if (!same(&super, &want[got]) &&
					 !same(&super, &want[got + 1]))
					wrong++;
			}
		}
	}
	printf("# %u cases\n", cases);
	is(lost, 0, "torn twice, the other copy first: one is always good");
	is(wrong, 0, "torn twice, the other copy first: never an older one");
}

/* Nothing is taken from two halves, wherever they differ. */
static void test_mixed(void)
{
	struct pb_disk_super before, after, disk;
	struct pb_super super = sample(7);
	u32 mask, bad = 0;

	pb_super_pack(&super, &before);
	fill_sectors(&before, 0xa5);
	super = sample(8);
	pb_super_pack(&super, &after);
	fill_sectors(&after, 0x3c);
	for (mask = 1; mask < (1 << SECTORS) - 1; mask++) {
		disk = before;
		tear(&disk, &after, mask);
		bad += unpack(&disk, &super) != -EBADMSG;
	}
	is(bad, 0, "a mixture of two blocks is damaged, wherever they differ");
}

static void test_internal(void)
{
	const u64 mib = 1 << 20;
	u64 dev, sectors, start, size, last = 0;
	u32 bad = 0, i;

	is(pb_disk_internal_sectors(0), 0, "internal: no device");
	is(pb_disk_internal_start(0), 0, "internal: no device, start");
	is(pb_disk_internal_sectors(16383), 0, "internal: below 8 MiB");
	is(pb_disk_internal_start(16383), 0, "internal: below 8 MiB, start");
	is(pb_disk_internal_sectors(16384), 10240, "internal: 8 MiB");
	is(pb_disk_internal_start(16384), 6144, "internal: 8 MiB, start");
	is(pb_disk_internal_sectors(1ULL << 26), 10240, "internal: 32 GiB");
	is(pb_disk_internal_sectors((1ULL << 26) + 1), 12288,
	   "internal: a sector more");
	is(pb_disk_internal_start((1ULL << 26) + 1), (1ULL << 26) - 12288,
	   "internal: a sector more, start");
	for (i = 0; i < 2000000; i++) {
		dev = i < 1000000 ? 16384 + i : 16384 + (u64)i * i * 4099;
		if (i == 1999999)
			dev = U64_MAX;
		sectors = pb_disk_internal_sectors(dev);
		start = pb_disk_internal_start(dev);
		size = sectors * 512;
		bad += sectors < PB_DISK_MIN_SECTORS || sectors < last ||
		       size % mib || start % 2048 || !start ||
		       start + sectors > dev || dev - start - sectors >= 2048 ||
		       size < 4 * mib + dev / 64 ||
		       size >= 5 * mib + dev / 64 + 1;
		last = sectors;
	}
	is(bad, 0, "internal: two million sizes");
}

int main(void)
{
	tap_begin();
	test_round_trip();
	test_layout();
	test_head();
	test_later_version();
	test_fields();
	test_status();
	test_log_geometry();
	test_geometry_bounds();
	test_past();
	test_peers();
	test_defaults();
	test_grow();
	test_view();
	test_pick();
	test_pick_pairs();
	test_flips();
	test_torn();
	test_torn_twice();
	test_mixed();
	test_internal();
	return tap_end();
}
