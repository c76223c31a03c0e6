/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libpb: what pbctl and pbviewd share.  The control device, device-mapper
 * devices, TCP connections to hand in, the metadata area offline, and the way
 * from text to all of these and back.  It keeps no state of its own.
 *
 * A function that can fail returns 0 (or a descriptor, or a count) or -errno,
 * and takes a struct pb_error last, in which it leaves one line for a person.
 */
#ifndef LIBPB_H
#define LIBPB_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "pb-layout.h"
#include "pb-map.h"
#include "pb-record.h"
#include "pb-super.h"
#include "pb-view.h"
#include "pb-wire.h"

#define PB_SECTOR_SIZE		512
#define PB_UUID_TEXT		37	/* with the NUL */
#define PB_DM_NAME_LEN		128	/* what device-mapper allows */
#define PB_CONTROL_PATH		"/dev/" PB_CONTROL_NAME

#define pb_printf(fmt, args)	__attribute__((format(printf, fmt, args)))

/**
 * struct pb_error - why a call failed, in one line
 * @text: NUL-terminated, without a newline
 */
struct pb_error {
	char	text[384];
};

/**
 * pb_fail() - fill in an error
 * @err: to fill
 * @error: what to return, -errno
 * @fmt: the line
 *
 * Return: @error.
 */
int pb_fail(struct pb_error *err, int error, const char *fmt, ...)
	pb_printf(3, 4);

/*
 * Text (text.c)
 */

const char *pb_state_name(u32 state);
const char *pb_link_state_name(u32 state);
const char *pb_policy_name(u32 policy);
const char *pb_reads_name(u32 reads);
const char *pb_sync_name(u32 state);
const char *pb_verify_name(u32 state);
const char *pb_resize_name(u32 state);
const char *pb_event_name(u32 type);

/**
 * pb_counter_name() - a counter's name in text and JSON
 * @counter: enum pb_counter
 *
 * Return: the name, or NULL from PB_CNT_NR on.
 */
const char *pb_counter_name(unsigned int counter);

/**
 * pb_printable() - copy a string of unknown origin for a terminal or JSON
 * @dst: room for @size bytes, terminated
 * @size: at least 1
 * @src: bytes up to a NUL or @len
 * @len: most bytes to take
 *
 * Anything but printable ASCII becomes '?'.
 *
 * Return: @dst.
 */
char *pb_printable(char *dst, size_t size, const char *src, size_t len);

/**
 * pb_uuid_text() - print a UUID
 * @uuid: 16 bytes
 * @text: room for PB_UUID_TEXT bytes
 *
 * Return: @text.
 */
char *pb_uuid_text(const u8 *uuid, char *text);

/**
 * pb_uuid_generate() - make a new random UUID
 * @uuid: filled
 */
void pb_uuid_generate(u8 *uuid);

/**
 * pb_parse_uuid() - read a UUID; all zero is refused
 * @text: in the usual form with dashes
 * @uuid: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL.
 */
int pb_parse_uuid(const char *text, u8 *uuid, struct pb_error *err);

/**
 * pb_parse_u64() - read a decimal number
 * @text: digits and nothing else
 * @min: smallest allowed
 * @max: largest allowed
 * @value: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL, -ERANGE.
 */
int pb_parse_u64(const char *text, u64 min, u64 max, u64 *value,
		 struct pb_error *err);

/**
 * pb_parse_bytes() - read a number of bytes
 * @text: digits, and a unit or none: KiB, MiB, GiB, TiB
 * @min: least
 * @max: greatest
 * @bytes: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL, -ERANGE.
 */
int pb_parse_bytes(const char *text, u64 min, u64 max, u64 *bytes,
		   struct pb_error *err);

/**
 * pb_parse_size() - read a size in bytes
 * @text: a number, of bytes or followed by KiB or MiB
 * @min: smallest allowed
 * @max: largest allowed
 * @bytes: filled on success only; a power of two
 * @err: why not
 *
 * Return: 0, -EINVAL, -ERANGE.
 */
int pb_parse_size(const char *text, u32 min, u32 max, u32 *bytes,
		  struct pb_error *err);

/**
 * pb_parse_seconds() - read a duration in seconds, with up to three decimals
 * @text: such as "10" or "0.5"
 * @max: largest allowed, seconds
 * @ms: filled on success only, milliseconds
 * @err: why not
 *
 * Return: 0, -EINVAL, -ERANGE.
 */
int pb_parse_seconds(const char *text, unsigned int max, u32 *ms,
		     struct pb_error *err);

/**
 * pb_check_name() - may a volume or node have this name?
 * @text: the name
 * @err: why not
 *
 * Printable ASCII without spaces, ':' and '/', 1 to PB_NAME_LEN - 1 bytes,
 * no '-' or '.' first: it goes into a superblock, a device node and
 * command lines.
 *
 * Return: 0, -EINVAL.
 */
int pb_check_name(const char *text, struct pb_error *err);

/**
 * pb_parse_member() - read UUID[:node-name][:unsynced]
 * @text: the member; synced unless it says otherwise
 * @member: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL.
 */
int pb_parse_member(const char *text, struct pb_member *member,
		    struct pb_error *err);

/**
 * struct pb_endpoint - one end of a TCP connection, as somebody wrote it
 * @host: name or address, empty for all local ones
 * @port: decimal
 */
struct pb_endpoint {
	char	host[256];
	char	port[6];
};

/**
 * pb_parse_endpoint() - read HOST[:PORT], [ADDR6]:PORT, or :PORT
 * @text: the text; more than one ':' without brackets is an IPv6 address
 * @endpoint: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL.
 */
int pb_parse_endpoint(const char *text, struct pb_endpoint *endpoint,
		      struct pb_error *err);

/* As they are written; names are not looked up. */
bool pb_same_endpoint(const struct pb_endpoint *a, const struct pb_endpoint *b);

/*
 * The control device (ctl.c)
 */

/**
 * struct pb_ctl - an open control device
 * @fd: non-blocking; events gather in it from its opening on
 * @info: what the module said of itself
 */
struct pb_ctl {
	int			fd;
	struct pb_ioc_info	info;
};

/**
 * pb_ctl_open() - open the control device and check that we speak alike
 * @ctl: filled on success only
 * @err: why not
 *
 * Return: 0, -ENODEV (module not loaded), -EACCES, -EPROTONOSUPPORT (another
 * version of the control interface), or another -errno.
 */
int pb_ctl_open(struct pb_ctl *ctl, struct pb_error *err);
void pb_ctl_close(struct pb_ctl *ctl);

/**
 * pb_ctl_list() - the volumes set up on this node
 * @ctl: the control device
 * @devs: on success, an array to free()
 * @nr: on success, its length
 * @err: why not
 *
 * Return: 0 or -errno.
 */
int pb_ctl_list(struct pb_ctl *ctl, struct pb_ioc_dev **devs, size_t *nr,
		struct pb_error *err);

/**
 * pb_ctl_status() - everything about one volume
 * @ctl: the control device
 * @dev: the volume
 * @status: filled on success; its strings are terminated
 * @err: why not
 *
 * Return: 0, -ENODEV, or another -errno.
 */
int pb_ctl_status(struct pb_ctl *ctl, const struct pb_ioc_dev *dev,
		  struct pb_ioc_status *status, struct pb_error *err);

/*
 * The other ioctls.  @arg is filled in by the caller but for its reason, which
 * comes back in @err.  Return: 0 or the -errno that dm-pb.h names.
 */
int pb_ctl_set_view(struct pb_ctl *ctl, struct pb_ioc_view *arg,
		    struct pb_error *err);
int pb_ctl_connect(struct pb_ctl *ctl, struct pb_ioc_connect *arg,
		   struct pb_error *err);
int pb_ctl_disconnect(struct pb_ctl *ctl, struct pb_ioc_disconnect *arg,
		      struct pb_error *err);
int pb_ctl_set_policy(struct pb_ctl *ctl, struct pb_ioc_policy *arg,
		      struct pb_error *err);
int pb_ctl_verify(struct pb_ctl *ctl, struct pb_ioc_verify *arg,
		  struct pb_error *err);
int pb_ctl_differs(struct pb_ctl *ctl, struct pb_ioc_differs *arg,
		   struct pb_error *err);
int pb_ctl_set_sync(struct pb_ctl *ctl, struct pb_ioc_sync *arg,
		    struct pb_error *err);
int pb_ctl_resize(struct pb_ctl *ctl, struct pb_ioc_resize *arg,
		  struct pb_error *err);

/**
 * pb_ctl_next_event() - take the next event
 * @ctl: the control device
 * @event: filled on success; its text is terminated
 * @timeout_ms: how long to wait for one, -1 for ever, 0 not at all
 * @err: why not
 *
 * Return: 0, -EAGAIN (none came in time), -EINTR, or another -errno.
 */
int pb_ctl_next_event(struct pb_ctl *ctl, struct pb_event *event,
		      int timeout_ms, struct pb_error *err);

/**
 * pb_boot_ms() - milliseconds of boot time, for deadlines
 */
u64 pb_boot_ms(void);

/**
 * pb_status_link() - the connection to a neighbour
 * @status: of the volume
 * @peer: the neighbour's replica UUID; all zero for the only one
 * @err: why not
 *
 * Return: the link in @status, or NULL if there is no such neighbour, or two
 * and @peer does not say which.
 */
const struct pb_link *pb_status_link(const struct pb_ioc_status *status,
				     const u8 *peer, struct pb_error *err);

/*
 * Device-mapper devices (dm.c)
 */

/**
 * pb_dm_quiet() - keep libdevmapper from writing to stderr
 *
 * Its complaint goes into struct pb_error instead.  Called by every function
 * here; a program that uses libdevmapper itself must expect it.
 */
void pb_dm_quiet(void);

/**
 * pb_dm_find() - from what a person typed to a device number
 * @spec: a device-mapper name, the path of a device node, or MAJOR:MINOR
 * @dev: filled on success only
 * @err: why not
 *
 * Whether a volume is there is for an ioctl to say.
 *
 * Return: 0, -ENODEV (nothing of that name), or another -errno.
 */
int pb_dm_find(const char *spec, struct pb_ioc_dev *dev, struct pb_error *err);

/**
 * pb_dm_name() - a device's device-mapper name
 * @dev: the device
 * @name: room for PB_DM_NAME_LEN bytes; MAJOR:MINOR if it has no name (any more)
 *
 * Return: true if it has a name.
 */
bool pb_dm_name(const struct pb_ioc_dev *dev, char *name);

/**
 * struct pb_dm_table - what pb_dm_create() sets up
 * @name: of the device
 * @uuid: device-mapper's own UUID for it: "PB-" and the replica's
 * @sectors: its size
 * @params: of the target
 */
struct pb_dm_table {
	const char	*name;
	const char	*uuid;
	u64		sectors;
	const char	*params;
};

/**
 * pb_dm_create() - create, load and resume a device
 * @table: what it is
 * @dev: filled on success only
 * @err: why not; with the kernel's own reason where its log can be read
 *
 * Waits until the device node is there, with udev or without
 * (DM_DISABLE_UDEV is honoured).
 *
 * Return: 0 or -errno.
 */
int pb_dm_create(const struct pb_dm_table *table, struct pb_ioc_dev *dev,
		 struct pb_error *err);

/**
 * pb_dm_resize() - give a device's table another length
 * @name: its name
 * @sectors: the length
 * @err: why not; with the kernel's own reason where its log can be read
 *
 * Waits for what is under way on the device.  Does nothing if the table has
 * that length.
 *
 * Return: 0, -ENODEV, -EINVAL (not one target of ours), or another -errno.
 */
int pb_dm_resize(const char *name, u64 sectors, struct pb_error *err);

/**
 * pb_dm_announce() - tell udev that a device has another role
 * @dev: the device
 * @role: enum pb_role
 * @err: why not
 *
 * The kernel makes no event of it, and what a primary has on it can be looked for,
 * but not what another has: userspace/udev/60-pb.rules.
 *
 * Return: 0 or -errno.
 */
int pb_dm_announce(const struct pb_ioc_dev *dev, u32 role,
		   struct pb_error *err);

/**
 * pb_dm_remove() - remove a device
 * @name: its name
 * @retry_ms: how long to try again while it is in use
 * @err: why not
 *
 * Return: 0, -EBUSY, -ENODEV, or another -errno.
 */
int pb_dm_remove(const char *name, unsigned int retry_ms,
		 struct pb_error *err);

/*
 * TCP (net.c).  IPv4 and IPv6.  Every connection has TCP_NODELAY.
 */

/**
 * pb_net_resolve() - look the addresses of an endpoint up
 * @endpoint: where
 * @passive: to listen there
 * @list: on success, for freeaddrinfo()
 * @err: why not
 *
 * Return: 0, -ENOENT, or another -errno.
 */
int pb_net_resolve(const struct pb_endpoint *endpoint, bool passive,
		   struct addrinfo **list, struct pb_error *err);

/**
 * pb_net_connect() - connect to the first address that answers
 * @list: addresses
 * @timeout_ms: for all of them together
 * @err: why not, of the last one tried
 *
 * Return: a connected socket, or -errno.
 */
int pb_net_connect(const struct addrinfo *list, unsigned int timeout_ms,
		   struct pb_error *err);

#define PB_MAX_LISTEN	8

/**
 * struct pb_listener - sockets that listen for one volume
 * @nr: how many
 * @fds: the sockets
 */
struct pb_listener {
	unsigned int	nr;
	int		fds[PB_MAX_LISTEN];
};

/**
 * pb_net_listen() - listen on every address of a list
 * @list: addresses
 * @listener: filled on success only
 * @err: why not
 *
 * Return: 0 or -errno.
 */
int pb_net_listen(const struct addrinfo *list, struct pb_listener *listener,
		  struct pb_error *err);
void pb_net_unlisten(struct pb_listener *listener);

/**
 * pb_net_accept() - wait for a connection
 * @listener: where
 * @wake_fd: a descriptor that ends the wait when it is readable, or -1
 * @timeout_ms: how long to wait, -1 for ever
 * @err: why not
 *
 * Connections that the other side has closed again are passed over.
 *
 * Return: a connected socket, -EAGAIN (time is up or @wake_fd is readable),
 * or another -errno.
 */
int pb_net_accept(const struct pb_listener *listener, int wake_fd,
		  int timeout_ms, struct pb_error *err);

/**
 * pb_net_peer_text() - the address at the other end of a connection
 * @fd: a connected socket
 * @text: room for @size bytes
 * @size: at least 1
 *
 * Return: @text.
 */
char *pb_net_peer_text(int fd, char *text, size_t size);

/*
 * The metadata area, offline (area.c)
 */

/**
 * struct pb_area_copy - one of the two copies of a superblock
 * @disk: as it is on the disk
 * @super: the fields of @disk in host order, unchecked
 * @crc: what the crc32c of @disk should be
 * @ret: what pb_super_unpack() says of it
 * @why: why, if @ret is not 0
 */
struct pb_area_copy {
	struct pb_disk_super	disk;
	struct pb_super		super;
	u32			crc;
	int			ret;
	const char		*why;
};

/**
 * struct pb_area - a metadata area as it was read
 * @internal: it is at the end of a data device
 * @start: its first sector
 * @sectors: its size
 * @copies: both copies
 * @pick: what pb_super_pick() says: 0 or 1, or -errno
 * @why: why, if @pick is negative
 * @super: the copy picked
 */
struct pb_area {
	bool			internal;
	u64			start;
	u64			sectors;
	struct pb_area_copy	copies[PB_DISK_SLOTS];
	int			pick;
	const char		*why;
	struct pb_super		super;
};

/**
 * pb_dev_sectors() - size of a block device or an image file
 * @fd: the device
 * @sectors: filled on success only
 * @err: why not
 *
 * Return: 0, -EINVAL (neither of the two), or another -errno.
 */
int pb_dev_sectors(int fd, u64 *sectors, struct pb_error *err);

/**
 * pb_area_read() - read the superblock's copies
 * @fd: a metadata device, or the data device
 * @internal: the area is at the end of the device
 * @area: filled on success only; success does not mean that a superblock is
 *	there: see @area->pick
 * @err: why not
 *
 * Return: 0, -ENOSPC (too small for an area), or -errno of the device.
 */
int pb_area_read(int fd, bool internal, struct pb_area *area,
		 struct pb_error *err);

/**
 * pb_pread_block() - read a block of the area
 * @fd: the device
 * @sector: of the device
 * @block: PB_DISK_BLOCK bytes
 *
 * Return: 0, -ENOSPC (the device ends before), or -errno of the device.
 */
int pb_pread_block(int fd, u64 sector, void *block);

/*
 * The activity log and the dirty maps, offline (logs.c)
 */

/**
 * struct pb_log_block - a block of the activity log's ring
 * @ret: what pb_record_unpack() says of it, or -EIO
 * @why: why, if @ret is not 0
 * @record: the record in it, if there is one
 */
struct pb_log_block {
	int			ret;
	const char		*why;
	struct pb_record	record;
};

/**
 * struct pb_log - an activity log as it was read
 * @nr_blocks: of the ring
 * @blocks: each of them
 * @ret: what pb_record_recover() says
 * @why: why, if @ret is not 0
 * @last: seq of the newest record, 0 if there is none
 * @nr_hot: hot extents, if @ret is 0
 * @hot: they, in order
 */
struct pb_log {
	u32			nr_blocks;
	struct pb_log_block	*blocks;
	int			ret;
	const char		*why;
	u64			last;
	u32			nr_hot;
	u32			*hot;
};

/**
 * pb_log_read() - read an activity log
 * @fd: the device that the area is on
 * @area: the area, with a superblock that counts and that it fits
 * @log: filled; a block that cannot be read is damaged
 */
void pb_log_read(int fd, const struct pb_area *area, struct pb_log *log);
void pb_log_free(struct pb_log *log);

/**
 * struct pb_map_info - a dirty map as it was read
 * @slot: the map, index of its peer in the superblock
 * @nr_blocks: its blocks
 * @nr_void: of these, without a mark
 * @nr_damaged: of these, damaged or not to be read: all that they cover is
 *	dirty
 * @damaged: the first of those
 * @why: of the first of those
 * @nr_regions: regions of the volume
 * @nr_dirty: of these, dirty
 */
struct pb_map_info {
	u32		slot;
	u64		nr_blocks;
	u64		nr_void;
	u64		nr_damaged;
	u64		damaged;
	const char	*why;
	u64		nr_regions;
	u64		nr_dirty;
};

/**
 * pb_map_read() - read a dirty map
 * @fd: the device that the area is on
 * @area: the area, with a superblock that counts and that it fits
 * @slot: which one
 * @info: filled
 */
void pb_map_read(int fd, const struct pb_area *area, u32 slot,
		 struct pb_map_info *info);

/*
 * JSON (json.c).  Each returns a new object, or ends the program when there is
 * no memory for it.
 */

struct json_object *pb_json_uuid(const u8 *uuid);
struct json_object *pb_json_text(const char *text, size_t len);
struct json_object *pb_json_info(const struct pb_ioc_info *info);
struct json_object *pb_json_view(const struct pb_view *view);
struct json_object *pb_json_verify(const struct pb_verify_info *verify);
struct json_object *pb_json_range(const struct pb_range *range);
struct json_object *pb_json_status(const struct pb_ioc_status *status);
struct json_object *pb_json_event(const struct pb_event *event);
struct json_object *pb_json_area(const struct pb_area *area);
struct json_object *pb_json_log(const struct pb_log *log);
struct json_object *pb_json_map(const struct pb_super *super,
				const struct pb_map_info *info);

/**
 * pb_json_add() - add a member to an object and take it over
 * @object: where
 * @key: a constant
 * @value: may be NULL for null
 */
void pb_json_add(struct json_object *object, const char *key,
		 struct json_object *value);

/* The same for numbers, flags and text (see pb_json_text(), up to a NUL). */
void pb_json_add_u64(struct json_object *object, const char *key, u64 value);
void pb_json_add_bool(struct json_object *object, const char *key, bool value);
void pb_json_add_text(struct json_object *object, const char *key,
		      const char *text);

#endif /* LIBPB_H */
