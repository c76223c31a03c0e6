// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl create: sets a volume up on this node.  What may be lost by it is
 * checked here, before the kernel is asked; what would be unsound, there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <blkid/blkid.h>

#include "pb-lease.h"
#include "pbctl.h"

/* Room for the optional words of a table line. */
#define MAX_ARGS	512

/**
 * struct local_dev - a device that the replica is to use
 * @path: as it was typed
 * @fd: open, so that nobody else takes the device meanwhile
 * @major: its number
 * @minor: its number
 * @sectors: its size
 * @block_size: its logical block size
 * @signature: what libblkid found on it, empty for nothing
 */
struct local_dev {
	const char	*path;
	int		fd;
	unsigned int	major;
	unsigned int	minor;
	u64		sectors;
	unsigned int	block_size;
	char		signature[64];
};

/**
 * struct create - what is to be set up
 * @name: of the device and the volume
 * @data: the data device
 * @meta: the metadata device; @path is NULL for an area at the end of @data
 * @volume: UUID; all zero if not given
 * @replica: UUID; all zero if not given
 * @synced: --declare-synced
 * @blank: --blank
 * @force: --force
 * @json: --json
 * @format: a superblock is to be written
 * @block_size: 0 if not given, and so are the next five
 * @sectors: the volume's size
 * @extent_size: bytes of an extent of the activity log
 * @hot_extents: extents hot at once
 * @region_size: bytes of a region of a dirty map
 * @maps: dirty maps there is room for
 * @lease_ms: length of leases; -1 if not given
 * @reads: enum pb_reads; -1 if not given
 * @area: the metadata area as it is now
 */
struct create {
	const char		*name;
	struct local_dev	data;
	struct local_dev	meta;
	u8			volume[PB_UUID_LEN];
	u8			replica[PB_UUID_LEN];
	bool			synced;
	bool			blank;
	bool			force;
	bool			json;
	bool			format;
	u32			block_size;
	u64			sectors;
	u32			extent_size;
	u32			hot_extents;
	u32			region_size;
	u32			maps;
	int			lease_ms;
	int			reads;
	struct pb_area		area;
};

enum {
	OPT_DATA = 256, OPT_META, OPT_VOLUME, OPT_REPLICA, OPT_SYNCED,
	OPT_BLANK, OPT_BLOCK_SIZE, OPT_SIZE, OPT_EXTENT_SIZE, OPT_HOT_EXTENTS,
	OPT_REGION_SIZE, OPT_MAPS, OPT_LEASE_MS, OPT_READS, OPT_FORCE, OPT_JSON,
};

static const struct option options[] = {
	{ "data", required_argument, NULL, OPT_DATA },
	{ "meta", required_argument, NULL, OPT_META },
	{ "volume", required_argument, NULL, OPT_VOLUME },
	{ "replica", required_argument, NULL, OPT_REPLICA },
	{ "declare-synced", no_argument, NULL, OPT_SYNCED },
	{ "blank", no_argument, NULL, OPT_BLANK },
	{ "block-size", required_argument, NULL, OPT_BLOCK_SIZE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "extent-size", required_argument, NULL, OPT_EXTENT_SIZE },
	{ "hot-extents", required_argument, NULL, OPT_HOT_EXTENTS },
	{ "region-size", required_argument, NULL, OPT_REGION_SIZE },
	{ "maps", required_argument, NULL, OPT_MAPS },
	{ "lease-ms", required_argument, NULL, OPT_LEASE_MS },
	{ "reads", required_argument, NULL, OPT_READS },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* Of the activity log and the dirty maps. */
static void take_geometry(struct create *create, int option)
{
	switch (option) {
	case OPT_EXTENT_SIZE:
		create->extent_size =
			option_size("--extent-size",
				    PB_SECTOR_SIZE << PB_DISK_MIN_EXTENT_SHIFT,
				    PB_SECTOR_SIZE << PB_DISK_MAX_EXTENT_SHIFT);
		break;
	case OPT_HOT_EXTENTS:
		create->hot_extents = option_u64("--hot-extents",
						 PB_DISK_MIN_LOG_SLOTS,
						 PB_DISK_MAX_LOG_SLOTS);
		break;
	case OPT_REGION_SIZE:
		create->region_size =
			option_size("--region-size",
				    PB_SECTOR_SIZE << PB_DISK_MIN_REGION_SHIFT,
				    PB_SECTOR_SIZE << PB_DISK_MAX_REGION_SHIFT);
		break;
	case OPT_MAPS:
		create->maps = option_u64("--maps", 1, PB_DISK_MAX_PEERS);
		break;
	}
}

static void take_reads(struct create *create)
{
	if (!strcmp(optarg, pb_reads_name(PB_READS_LEASE)))
		create->reads = PB_READS_LEASE;
	else if (!strcmp(optarg, pb_reads_name(PB_READS_CONFIRM)))
		create->reads = PB_READS_CONFIRM;
	else
		usage_error("--reads: say lease or confirm, not '%s'", optarg);
}

static void take_lease(struct create *create)
{
	create->lease_ms = option_u64("--lease-ms", 0, PB_LEASE_MS_MAX);
	if (!pb_lease_ms_ok(create->lease_ms))
		usage_error("--lease-ms: 0, or from %u to %u",
			    PB_LEASE_MS_MIN, PB_LEASE_MS_MAX);
}

static void take_option(struct create *create, int option)
{
	switch (option) {
	case OPT_DATA:
		create->data.path = optarg;
		break;
	case OPT_META:
		create->meta.path = optarg;
		break;
	case OPT_VOLUME:
		option_uuid("--volume", create->volume);
		break;
	case OPT_REPLICA:
		option_uuid("--replica", create->replica);
		break;
	case OPT_SYNCED:
		create->synced = true;
		break;
	case OPT_BLANK:
		create->blank = true;
		break;
	case OPT_BLOCK_SIZE:
		create->block_size = option_u64("--block-size", 512, 4096);
		break;
	case OPT_SIZE:
		create->sectors = option_u64("--size", 1, U64_MAX / 512);
		break;
	case OPT_LEASE_MS:
		take_lease(create);
		break;
	case OPT_READS:
		take_reads(create);
		break;
	case OPT_FORCE:
		create->force = true;
		break;
	case OPT_JSON:
		create->json = true;
		break;
	default:
		take_geometry(create, option);
		break;
	}
}

static void parse(struct create *create, int argc, char **argv)
{
	struct pb_error err;
	int option;

	while ((option = next_option(argc, argv, options)) != -1)
		take_option(create, option);
	create->name = want_args(argc, argv, 1, 1)[0];
	if (pb_check_name(create->name, &err))
		usage_error("%s", err.text);
	if (!create->data.path)
		usage_error("say on which device the data is: --data DEV");
	if (create->synced && create->blank)
		usage_error("--declare-synced and --blank contradict each other");
	if (create->block_size && !pb_block_size_ok(create->block_size, 4096))
		usage_error("--block-size: %u is not a power of two",
			    create->block_size);
}

/* Exclusively: a device that is mounted or part of something else is refused. */
static void open_dev(struct local_dev *dev)
{
	struct pb_error err;
	int read_only = 0;
	struct stat st;

	if (stat(dev->path, &st))
		cannot_open(dev->path);
	if (!S_ISBLK(st.st_mode))
		fail("%s is not a block device (an image file needs losetup)",
		     dev->path);
	dev->fd = open(dev->path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (dev->fd < 0 && errno == EBUSY)
		fail("%s is in use: unmount it or remove what is on top of it ('lsblk %s')",
		     dev->path, dev->path);
	if (dev->fd < 0 || fstat(dev->fd, &st))
		cannot_open(dev->path);
	dev->major = major(st.st_rdev);
	dev->minor = minor(st.st_rdev);
	if (pb_dev_sectors(dev->fd, &dev->sectors, &err))
		fail("%s: %s", dev->path, err.text);
	if (ioctl(dev->fd, BLKSSZGET, &dev->block_size) ||
	    ioctl(dev->fd, BLKROGET, &read_only))
		fail("cannot ask %s for its block size: %m", dev->path);
	/* The kernel would notice only at the first write. */
	if (read_only)
		fail("%s is read-only: 'blockdev --setrw' may help", dev->path);
}

static void open_devs(struct create *create)
{
	struct local_dev *data = &create->data, *meta = &create->meta;
	struct stat a, b;

	if (meta->path && !stat(data->path, &a) && !stat(meta->path, &b) &&
	    S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode) && a.st_rdev == b.st_rdev)
		fail("--data and --meta are the same device: leave out --meta to have the metadata at its end");
	open_dev(data);
	if (meta->path)
		open_dev(meta);
}

static void read_area(struct create *create)
{
	struct local_dev *dev = create->meta.path ? &create->meta :
						    &create->data;
	struct pb_area *area = &create->area;
	struct pb_error err;

	if (pb_area_read(dev->fd, !create->meta.path, area, &err))
		fail("%s: %s", dev->path, err.text);
	create->format = area->pick == -ENODATA;
	if (area->pick < 0 && !create->format)
		fail("%s: %s: look at it with 'pbctl dump-meta%s %s'",
		     dev->path, area->why, area->internal ? " --internal" : "",
		     dev->path);
}

static void probe(struct local_dev *dev)
{
	blkid_probe probe = blkid_new_probe();
	const char *type;
	int ret = -1;

	if (probe && !blkid_probe_set_device(probe, dev->fd, 0, 0)) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_enable_partitions(probe, 1);
		ret = blkid_do_safeprobe(probe);
	}
	if (ret == -1)
		fail("cannot look for a file system on %s", dev->path);
	if (ret == -2)
		snprintf(dev->signature, sizeof(dev->signature),
			 "several file systems");
	else if (!ret && (!blkid_probe_lookup_value(probe, "TYPE", &type, NULL) ||
			  !blkid_probe_lookup_value(probe, "PTTYPE", &type,
						    NULL)))
		pb_printable(dev->signature, sizeof(dev->signature), type,
			     strlen(type));
	blkid_free_probe(probe);
}

/*
 * A superblock where this command does not expect it means that the devices
 * were mixed up, or the --meta that belongs to them was forgotten.
 */
static void check_other_place(struct create *create)
{
	bool internal = create->meta.path;
	char text[PB_UUID_TEXT] = "damaged";
	struct pb_area other;
	struct pb_error err;

	if (create->force ||
	    pb_area_read(create->data.fd, internal, &other, &err) ||
	    other.pick == -ENODATA)
		return;
	if (other.pick >= 0)
		pb_uuid_text(other.super.volume, text);
	if (internal)
		fail("%s has a volume's metadata (%s) at its end: leave out --meta to use it, or --force to give it up",
		     create->data.path, text);
	fail("%s is a volume's metadata device (%s): give it as --meta, or --force to give it up",
	     create->data.path, text);
}

static void check_signatures(struct create *create)
{
	struct local_dev *data = &create->data, *meta = &create->meta;

	if (create->force)
		return;
	if (meta->path) {
		probe(meta);
		if (meta->signature[0])
			fail("%s holds something (%s) that would be overwritten: wipe it, or --force if it may go",
			     meta->path, meta->signature);
	}
	probe(data);
	if (!data->signature[0])
		return;
	if (create->blank)
		fail("%s holds something (%s), which --blank gives up: --declare-synced keeps it, --force lets it go",
		     data->path, data->signature);
	if (create->sectors < data->sectors)
		fail("%s holds something (%s) and the volume ends %llu sectors before it does: use --meta DEV and the full size, or shrink it to %llu sectors first and say --force",
		     data->path, data->signature,
		     (unsigned long long)(data->sectors - create->sectors),
		     (unsigned long long)create->sectors);
}

static void choose_size(struct create *create)
{
	u64 room = create->meta.path ? create->data.sectors :
				       create->area.start;
	u32 block = create->block_size ?: create->data.block_size;
	u32 block_sectors;

	if (!create->format)
		block = create->area.super.block_size;
	else if (block < create->data.block_size)
		fail("--block-size %u: %s cannot write less than %u bytes: leave the option out",
		     block, create->data.path, create->data.block_size);
	block_sectors = block / PB_SECTOR_SIZE;
	if (!create->sectors)
		create->sectors = room - room % block_sectors;
	if (create->sectors % block_sectors)
		fail("--size: %llu sectors are not a multiple of the block size, %u bytes: say %llu",
		     (unsigned long long)create->sectors, block,
		     (unsigned long long)(create->sectors - create->sectors %
					  block_sectors));
	if (!create->sectors || create->sectors > room)
		fail("%s has room for %llu sectors and the volume has %llu: %s",
		     create->data.path, (unsigned long long)room,
		     (unsigned long long)create->sectors, create->format ?
		     "make the device larger, or --size smaller" :
		     "give the device its former size back");
}

/* Zero is the default, as in a superblock. */
static u32 shift_of(u32 bytes)
{
	return bytes ? __builtin_ctz(bytes / PB_SECTOR_SIZE) : 0;
}

/* What the kernel would refuse, said with a way out. */
static void check_geometry(struct create *create)
{
	struct pb_super super = {
		.data_sectors = create->sectors,
		.log_slots = create->hot_extents,
		.extent_shift = shift_of(create->extent_size),
		.region_shift = shift_of(create->region_size),
		.nr_maps = create->maps,
	};
	const char *path = create->meta.path ?: create->data.path;
	const char *why;

	if (pb_super_defaults(&super, &why))
		fail("%s: %s", path, why);
	if (pb_layout_fits(&super, create->area.sectors, &why))
		fail("%s: %s: it is enough for %llu sectors; a larger --region-size or fewer --maps take less",
		     path, why,
		     (unsigned long long)pb_layout_max_data(&super,
							    create->area.sectors));
}

static void plan_format(struct create *create)
{
	if (!create->synced && !create->blank && !create->meta.path)
		fail("there is no superblock at the end of %s: if the device was enlarged, its metadata is where it ended before (see 'Larger volumes' in dm-pb.rst); for a new replica say --declare-synced if the device holds the volume's data, --blank if it is to be filled",
		     create->data.path);
	if (!create->synced && !create->blank)
		fail("there is no superblock on %s: say --declare-synced if %s holds the volume's data, --blank if it is to be filled",
		     create->meta.path ?: create->data.path,
		     create->data.path);
	choose_size(create);
	check_geometry(create);
	check_other_place(create);
	check_signatures(create);
	if (pb_uuid_zero(create->volume))
		pb_uuid_generate(create->volume);
	if (pb_uuid_zero(create->replica))
		pb_uuid_generate(create->replica);
}

/* What was said of a replica that exists must be true of it. */
static void same_uuid(const char *path, const char *what, const u8 *given,
		      const u8 *there)
{
	char a[PB_UUID_TEXT], b[PB_UUID_TEXT];

	if (pb_uuid_zero(given) || !memcmp(given, there, PB_UUID_LEN))
		return;
	/* 'up' has the UUID from the configuration. */
	fail("%s has the metadata of %s %s, not of %s: give the right device%s%s",
	     path, what, pb_uuid_text(there, a), pb_uuid_text(given, b),
	     this_verb == &verb_create ? ", or leave out --" : "",
	     this_verb == &verb_create ? what : "");
}

static void same_number(const char *option, u32 given, u32 there)
{
	if (given && given != there)
		fail("%s %u: the superblock says %u; leave the option out",
		     option, given, there);
}

static void plan_existing(struct create *create)
{
	const struct pb_super *super = &create->area.super;
	const char *path = create->meta.path ?: create->data.path;
	char uuid[PB_UUID_TEXT];

	if (create->synced || create->blank)
		fail("%s has a superblock, of volume %s, already: leave out %s to set it up as it is, or wipe it first",
		     path, pb_uuid_text(super->volume, uuid),
		     create->synced ? "--declare-synced" : "--blank");
	same_uuid(path, "volume", create->volume, super->volume);
	same_uuid(path, "replica", create->replica, super->replica);
	same_number("--block-size", create->block_size, super->block_size);
	same_number("--extent-size", create->extent_size,
		    PB_SECTOR_SIZE << super->extent_shift);
	same_number("--hot-extents", create->hot_extents, super->log_slots);
	same_number("--region-size", create->region_size,
		    PB_SECTOR_SIZE << super->region_shift);
	same_number("--maps", create->maps, super->nr_maps);
	if (create->sectors && create->sectors != super->data_sectors)
		fail("--size %llu: the superblock says %llu; leave the option out",
		     (unsigned long long)create->sectors,
		     (unsigned long long)super->data_sectors);
	memcpy(create->volume, super->volume, PB_UUID_LEN);
	memcpy(create->replica, super->replica, PB_UUID_LEN);
	create->sectors = super->data_sectors;
	choose_size(create);
}

/* Adds to the optional words of the table line, and to their number. */
pb_printf(3, 4)
static void add_words(char *args, unsigned int *words, const char *fmt, ...)
{
	size_t len = strlen(args);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args + len, MAX_ARGS - len, fmt, ap);
	va_end(ap);
	*words += 2;
}

static void format_words(const struct create *create, const char *replica,
			 char *args, unsigned int *words)
{
	const struct {
		const char	*name;
		u32		value;
	} numbers[] = {
		{ "block_size", create->block_size },
		{ "extent_size", create->extent_size },
		{ "hot_extents", create->hot_extents },
		{ "region_size", create->region_size },
		{ "maps", create->maps },
	};
	unsigned int i;

	add_words(args, words, " name %s", create->name);
	add_words(args, words, " replica %s", replica);
	add_words(args, words, " format %s",
		  create->synced ? "synced" : "blank");
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].value)
			add_words(args, words, " %s %u", numbers[i].name,
				  numbers[i].value);
}

static void lease_words(const struct create *create, char *args,
			unsigned int *words)
{
	if (create->lease_ms >= 0)
		add_words(args, words, " lease_ms %d", create->lease_ms);
	if (create->reads >= 0)
		add_words(args, words, " reads %s",
			  pb_reads_name(create->reads));
}

static void set_up(struct create *create, struct pb_ioc_dev *dev)
{
	char volume[PB_UUID_TEXT], replica[PB_UUID_TEXT];
	char params[768], args[MAX_ARGS] = "", meta[32] = "-", dm_uuid[64];
	unsigned int words = 0;
	struct pb_dm_table table = {
		.name = create->name, .uuid = dm_uuid,
		.sectors = create->sectors, .params = params,
	};
	struct pb_error err;

	pb_uuid_text(create->volume, volume);
	pb_uuid_text(create->replica, replica);
	if (create->meta.path)
		snprintf(meta, sizeof(meta), "%u:%u", create->meta.major,
			 create->meta.minor);
	if (create->format)
		format_words(create, replica, args, &words);
	lease_words(create, args, &words);
	snprintf(params, sizeof(params), "%s %u:%u %s %u%s", volume,
		 create->data.major, create->data.minor, meta, words, args);
	/* Of the replica, so that the same one is not set up twice here. */
	snprintf(dm_uuid, sizeof(dm_uuid), "PB-%s", replica);
	/* The kernel wants the devices for itself now. */
	close(create->data.fd);
	if (create->meta.path)
		close(create->meta.fd);
	if (pb_dm_create(&table, dev, &err))
		fail("%s", err.text);
}

static struct json_object *json_result(const struct create *create,
				       const struct pb_ioc_status *status)
{
	struct json_object *object = pb_json_status(status);

	pb_json_add(object, "formatted",
		    json_object_new_boolean(create->format));
	return object;
}

static void report(struct create *create, const struct pb_ioc_status *status)
{
	char uuid[PB_UUID_TEXT];

	if (create->json) {
		print_json(json_result(create, status));
		return;
	}
	printf("volume   %s\n", pb_uuid_text(status->dev.volume, uuid));
	printf("replica  %s\n", pb_uuid_text(status->replica, uuid));
	printf("device   /dev/mapper/%s (%u:%u), %llu sectors, block size %u\n",
	       create->name, status->dev.major, status->dev.minor,
	       (unsigned long long)status->data_sectors, status->block_size);
	printf("%s    %s, %s, view %llu\n",
	       create->format ? "new  " : "known",
	       pb_state_name(status->replica_state),
	       pb_role_name(status->role),
	       (unsigned long long)status->view.number);
}

static int run(int argc, char **argv)
{
	struct create create = { .lease_ms = -1, .reads = -1 };
	struct pb_ioc_status status;
	struct pb_ioc_dev dev;
	struct pb_error err;
	struct pb_ctl ctl;

	parse(&create, argc, argv);
	if (pb_ctl_open(&ctl, &err))
		fail("%s", err.text);
	if (!pb_dm_find(create.name, &dev, &err))
		fail("there is a device-mapper device named '%s' already: 'pbctl remove %s' or choose another name",
		     create.name, create.name);
	open_devs(&create);
	read_area(&create);
	if (create.format)
		plan_format(&create);
	else
		plan_existing(&create);
	set_up(&create, &dev);
	get_status(&ctl, &dev, &status);
	report(&create, &status);
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

const struct verb verb_create = {
	.name = "create",
	.args = "NAME --data DEV [--meta DEV] [OPTION...]",
	.summary = "set a volume up on this node",
	.help =
"Sets up /dev/mapper/NAME on a data device.  Where there is a superblock, that\n"
"replica is set up.  Where there is none, a new one is written, and the command\n"
"must say what the data on DEV is worth.\n\n"
"  --data DEV          the data device\n"
"  --meta DEV          the metadata device (4 MiB or more); without it the\n"
"                      metadata is at the end of the data device\n"
"  --declare-synced    new replica: its data is the volume's, and equals, byte for\n"
"                      byte, that of every other replica so declared\n"
"  --blank             new replica: its data is worth nothing\n"
"  --volume UUID       new replica: of this volume (else of a new one)\n"
"  --replica UUID      new replica: its own UUID (else a random one)\n"
"  --block-size N      new replica: 512 to 4096 (else that of the data device)\n"
"  --size SECTORS      new replica: size in sectors of 512 bytes (else all there is)\n"
"  --extent-size SIZE  new replica: extent of the activity log, 1MiB to 64MiB\n"
"                      (default 4MiB)\n"
"  --hot-extents N     new replica: extents under write at once, 64 to 65536\n"
"                      (default 16384)\n"
"  --region-size SIZE  new replica: what a bit of a dirty map stands for, 4KiB to\n"
"                      1MiB (default 64KiB)\n"
"  --maps N            new replica: dirty maps there is room for, one for each\n"
"                      replica that is absent, 1 to 7 (default 4)\n"
"  --lease-ms N        length of leases, 40 to 60000; 0: give and want none\n"
"                      (default 400)\n"
"  --reads WORD        while there is a backup, serve reads by its lease, or\n"
"                      'confirm' each with it (default lease)\n"
"  --force             go on although something would be overwritten\n"
"  --json              print the new volume's status as JSON\n\n"
"Example, on the first node and then on the second:\n"
"  pbctl create vol0 --data /dev/sdb --meta /dev/sdc1 --declare-synced\n"
"  pbctl create vol0 --data /dev/sdb --meta /dev/sdc1 --declare-synced --volume UUID\n",
	.run = run,
};
