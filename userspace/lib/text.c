// SPDX-License-Identifier: GPL-2.0
/*
 * From text to numbers, UUIDs, members and endpoints, and back.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <uuid/uuid.h>

#include "libpb.h"

static const char * const state_names[] = {
	[PB_REPLICA_BLANK]	= "blank",
	[PB_REPLICA_STALE]	= "stale",
	[PB_REPLICA_SYNCING]	= "syncing",
	[PB_REPLICA_SYNCED]	= "synced",
};

static const char * const link_state_names[] = {
	[PB_LINK_NONE]		= "down",
	[PB_LINK_HELLO]		= "hello",
	[PB_LINK_UP]		= "up",
	[PB_LINK_CLOSING]	= "closing",
};

static const char * const policy_names[] = {
	[PB_POLICY_WAIT]	= "wait",
	[PB_POLICY_ERROR]	= "error",
};

static const char * const reads_names[] = {
	[PB_READS_LEASE]	= "lease",
	[PB_READS_CONFIRM]	= "confirm",
};

static const char * const event_names[] = {
	[PB_EVENT_CREATED]		= "created",
	[PB_EVENT_REMOVED]		= "removed",
	[PB_EVENT_VIEW]			= "view",
	[PB_EVENT_LINK_UP]		= "link-up",
	[PB_EVENT_LINK_DOWN]		= "link-down",
	[PB_EVENT_LINK_REFUSED]		= "link-refused",
	[PB_EVENT_PEER_SILENT]		= "peer-silent",
	[PB_EVENT_NEWER_VIEW]		= "newer-view",
	[PB_EVENT_DISK_ERROR]		= "disk-error",
	[PB_EVENT_META_ERROR]		= "meta-error",
	[PB_EVENT_PEER_DISK_ERROR]	= "peer-disk-error",
	[PB_EVENT_POLICY]		= "policy",
	[PB_EVENT_SYNC_BEGIN]		= "sync-begin",
	[PB_EVENT_SYNC_DONE]		= "sync-done",
	[PB_EVENT_SYNC_PROGRESS]	= "sync-progress",
	[PB_EVENT_VERIFY]		= "verify",
	[PB_EVENT_DIFFERS]		= "differs",
	[PB_EVENT_RESIZED]		= "resized",
};

static const char * const sync_names[] = {
	[PB_SYNC_OFF]		= "off",
	[PB_SYNC_DECIDE]	= "deciding",
	[PB_SYNC_BEGIN]		= "asking",
	[PB_SYNC_MARKED]	= "storing",
	[PB_SYNC_GO]		= "starting",
	[PB_SYNC_COPY]		= "copying",
	[PB_SYNC_FLUSH]		= "flushing",
	[PB_SYNC_ARM]		= "finishing",
	[PB_SYNC_DONE]		= "finishing",
	[PB_SYNC_SYNCED]	= "synced",
};

static const char * const verify_names[] = {
	[PB_VERIFY_OFF]		= "off",
	[PB_VERIFY_RUN]		= "comparing",
	[PB_VERIFY_DONE]	= "done",
	[PB_VERIFY_STOPPED]	= "stopped",
};

static const char * const resize_names[] = {
	[PB_RESIZE_OFF]		= "off",
	[PB_RESIZE_ZERO]	= "zeroing",
	[PB_RESIZE_FLUSH]	= "flushing",
	[PB_RESIZE_TELL]	= "telling",
	[PB_RESIZE_STORE]	= "storing",
	[PB_RESIZE_DONE]	= "done",
	[PB_RESIZE_FAILED]	= "failed",
};

static const char * const counter_names[] = {
	[PB_CNT_READS]			= "reads",
	[PB_CNT_READ_BYTES]		= "read_bytes",
	[PB_CNT_WRITES]			= "writes",
	[PB_CNT_WRITE_BYTES]		= "write_bytes",
	[PB_CNT_FLUSHES]		= "flushes",
	[PB_CNT_ZEROES]			= "zeroes",
	[PB_CNT_REFUSED_BIOS]		= "refused_bios",
	[PB_CNT_OVERLAP_WAITS]		= "overlap_waits",
	[PB_CNT_LINK_WAITS]		= "link_waits",
	[PB_CNT_FAILED_BIOS]		= "failed_bios",
	[PB_CNT_TX_MESSAGES]		= "tx_messages",
	[PB_CNT_TX_BYTES]		= "tx_bytes",
	[PB_CNT_TX_SENDS]		= "tx_sends",
	[PB_CNT_TX_FULL]		= "tx_full",
	[PB_CNT_TX_HANDOVERS]		= "tx_handovers",
	[PB_CNT_RESENT]			= "resent",
	[PB_CNT_RX_MESSAGES]		= "rx_messages",
	[PB_CNT_RX_BYTES]		= "rx_bytes",
	[PB_CNT_RX_CALLS]		= "rx_calls",
	[PB_CNT_RX_REFUSED]		= "rx_refused",
	[PB_CNT_RX_THROTTLED]		= "rx_throttled",
	[PB_CNT_ACKS_TX]		= "acks_tx",
	[PB_CNT_ACKED_TX]		= "acked_tx",
	[PB_CNT_ACKS_RX]		= "acks_rx",
	[PB_CNT_ACKED_RX]		= "acked_rx",
	[PB_CNT_APPLIED_WRITES]		= "applied_writes",
	[PB_CNT_APPLIED_BYTES]		= "applied_bytes",
	[PB_CNT_APPLIED_FLUSHES]	= "applied_flushes",
	[PB_CNT_APPLIED_ZEROES]		= "applied_zeroes",
	[PB_CNT_KEEPALIVES_TX]		= "keepalives_tx",
	[PB_CNT_META_WRITES]		= "meta_writes",
	[PB_CNT_LOCAL_ERRORS]		= "local_errors",
	[PB_CNT_LOG_WAITS]		= "log_waits",
	[PB_CNT_LOG_RECORDS]		= "log_records",
	[PB_CNT_LOG_FLUSHES]		= "log_flushes",
	[PB_CNT_SYNC_BYTES]		= "sync_bytes",
	[PB_CNT_SYNC_ZEROED]		= "sync_zeroed",
	[PB_CNT_SYNC_EQUAL]		= "sync_equal",
	[PB_CNT_VERIFY_BYTES]		= "verify_bytes",
	[PB_CNT_CHECKED_BYTES]		= "checked_bytes",
	[PB_CNT_READ_FETCHED]		= "read_fetched",
	[PB_CNT_REPAIRED]		= "repaired",
	[PB_CNT_LEASE_WAITS]		= "lease_waits",
	[PB_CNT_DIRTY_WAITS]		= "dirty_waits",
	[PB_CNT_ASKED]			= "asked",
	[PB_CNT_EARLY_FLUSHES]		= "early_flushes",
	[PB_CNT_EARLY_HITS]		= "early_hits",
	[PB_CNT_ACKS_AT_ONCE]		= "acks_at_once",
	[PB_CNT_TX_SHARED]		= "tx_shared",
};

static_assert(ARRAY_SIZE(counter_names) == PB_CNT_NR);

static const char *name_of(const char * const *names, size_t nr, u32 value)
{
	if (value >= nr || !names[value])
		return "unknown";
	return names[value];
}

const char *pb_state_name(u32 state)
{
	return name_of(state_names, ARRAY_SIZE(state_names), state);
}

const char *pb_link_state_name(u32 state)
{
	return name_of(link_state_names, ARRAY_SIZE(link_state_names), state);
}

const char *pb_policy_name(u32 policy)
{
	return name_of(policy_names, ARRAY_SIZE(policy_names), policy);
}

const char *pb_reads_name(u32 reads)
{
	return name_of(reads_names, ARRAY_SIZE(reads_names), reads);
}

const char *pb_verify_name(u32 state)
{
	return name_of(verify_names, ARRAY_SIZE(verify_names), state);
}

const char *pb_sync_name(u32 state)
{
	return name_of(sync_names, ARRAY_SIZE(sync_names), state);
}

const char *pb_resize_name(u32 state)
{
	return name_of(resize_names, ARRAY_SIZE(resize_names), state);
}

const char *pb_event_name(u32 type)
{
	return name_of(event_names, ARRAY_SIZE(event_names), type);
}

const char *pb_counter_name(unsigned int counter)
{
	return counter < PB_CNT_NR ? counter_names[counter] : NULL;
}

int pb_fail(struct pb_error *err, int error, const char *fmt, ...)
{
	char *byte;
	va_list args;

	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	/* One line whatever a path or an argument had in it. */
	for (byte = err->text; *byte; byte++) {
		if ((unsigned char)*byte < ' ' || *byte == 0x7f)
			*byte = '?';
	}
	return error;
}

char *pb_printable(char *dst, size_t size, const char *src, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < size && i < len && src[i]; i++)
		dst[i] = src[i] < ' ' || src[i] > '~' ? '?' : src[i];
	dst[i] = '\0';
	return dst;
}

char *pb_uuid_text(const u8 *uuid, char *text)
{
	uuid_unparse_lower(uuid, text);
	return text;
}

void pb_uuid_generate(u8 *uuid)
{
	uuid_generate(uuid);
}

int pb_parse_uuid(const char *text, u8 *uuid, struct pb_error *err)
{
	uuid_t parsed;

	if (uuid_parse(text, parsed))
		return pb_fail(err, -EINVAL, "'%s' is not a UUID", text);
	if (uuid_is_null(parsed))
		return pb_fail(err, -EINVAL, "a UUID of zeros is no UUID");
	memcpy(uuid, parsed, PB_UUID_LEN);
	return 0;
}

/* Digits at the start of @text; returns how many, 0 also for too large. */
static size_t take_digits(const char *text, u64 *value)
{
	size_t i;

	*value = 0;
	for (i = 0; text[i] >= '0' && text[i] <= '9'; i++) {
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (u64)(text[i] - '0'), value))
			return 0;
	}
	return i;
}

int pb_parse_u64(const char *text, u64 min, u64 max, u64 *value,
		 struct pb_error *err)
{
	size_t digits;
	u64 number;

	digits = take_digits(text, &number);
	if (!text[0] || text[strspn(text, "0123456789")])
		return pb_fail(err, -EINVAL, "'%s' is not a number", text);
	if (!digits || number < min || number > max)
		return pb_fail(err, -ERANGE, "%s is not in %llu to %llu", text,
			       (unsigned long long)min,
			       (unsigned long long)max);
	*value = number;
	return 0;
}

int pb_parse_bytes(const char *text, u64 min, u64 max, u64 *bytes,
		   struct pb_error *err)
{
	static const char * const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
	size_t digits, i;
	u64 number;

	digits = take_digits(text, &number);
	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(text + digits, units[i]))
			break;
	if (!digits || i == ARRAY_SIZE(units))
		return pb_fail(err, -EINVAL,
			       "'%s' is not a size (as 65536, 64KiB or 4MiB)",
			       text);
	if (number > U64_MAX >> (10 * i) || number << (10 * i) < min ||
	    number << (10 * i) > max)
		return pb_fail(err, -ERANGE, "%s is not from %llu to %llu bytes",
			       text, (unsigned long long)min,
			       (unsigned long long)max);
	*bytes = number << (10 * i);
	return 0;
}

int pb_parse_size(const char *text, u32 min, u32 max, u32 *bytes,
		  struct pb_error *err)
{
	u64 number;
	int ret = pb_parse_bytes(text, 0, U64_MAX, &number, err);

	if (ret == -EINVAL)
		return ret;
	if (ret || number < min || number > max || number & (number - 1))
		return pb_fail(err, -ERANGE,
			       "%s is not a power of two from %u to %u bytes",
			       text, min, max);
	*bytes = number;
	return 0;
}

int pb_parse_seconds(const char *text, unsigned int max, u32 *ms,
		     struct pb_error *err)
{
	const char *rest = text;
	size_t digits = 0;
	u64 whole = 0, part = 0;

	rest += take_digits(text, &whole);
	if (rest != text && *rest == '.') {
		digits = take_digits(++rest, &part);
		rest = digits ? rest + digits : text;
	}
	if (rest == text || *rest || digits > 3)
		return pb_fail(err, -EINVAL,
			       "'%s' is not a time in seconds (as 10 or 0.5)",
			       text);
	for (; digits < 3; digits++)
		part *= 10;
	if (whole > max || (whole == max && part))
		return pb_fail(err, -ERANGE, "%s is more than %u seconds", text,
			       max);
	*ms = whole * 1000 + part;
	return 0;
}

int pb_check_name(const char *text, struct pb_error *err)
{
	const char *byte;

	if (!*text)
		return pb_fail(err, -EINVAL, "a name may not be empty");
	if (strlen(text) >= PB_NAME_LEN)
		return pb_fail(err, -EINVAL,
			       "the name '%s' is longer than %d characters",
			       text, PB_NAME_LEN - 1);
	if (*text == '-' || *text == '.')
		return pb_fail(err, -EINVAL,
			       "the name '%s' may not start with '%c'", text,
			       *text);
	for (byte = text; *byte; byte++) {
		if (*byte <= ' ' || *byte > '~' || *byte == '/' || *byte == ':')
			return pb_fail(err, -EINVAL,
				       "the name '%s' may only have printable ASCII characters other than space, '/' and ':'",
				       text);
	}
	return 0;
}

int pb_parse_member(const char *text, struct pb_member *member,
		    struct pb_error *err)
{
	struct pb_member parsed = { .flags = PB_MEMBER_SYNCED };
	char copy[PB_UUID_TEXT + PB_NAME_LEN + 16];
	char *part, *rest = copy;
	int ret;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return pb_fail(err, -EINVAL, "member '%s' is too long", text);
	part = strsep(&rest, ":");
	ret = pb_parse_uuid(part, parsed.replica, err);
	if (ret)
		return ret;
	part = strsep(&rest, ":");
	if (part && (rest || strcmp(part, "unsynced"))) {
		ret = pb_check_name(part, err);
		if (ret)
			return ret;
		memcpy(parsed.name, part, strlen(part));
		part = strsep(&rest, ":");
	}
	if (part) {
		if (rest || strcmp(part, "unsynced"))
			return pb_fail(err, -EINVAL,
				       "member '%s': write UUID[:node-name][:unsynced]",
				       text);
		parsed.flags = 0;
	}
	*member = parsed;
	return 0;
}

static int set_host(struct pb_endpoint *endpoint, const char *host, size_t len,
		    const char *text, struct pb_error *err)
{
	/* A resolver takes a bare number for an address; nobody means that. */
	if (len && strspn(host, "0123456789") >= len)
		return pb_fail(err, -EINVAL,
			       "'%s' is not a host: write ':%s' for a port",
			       text, text);
	if (len >= sizeof(endpoint->host) || memchr(host, '[', len) ||
	    memchr(host, ']', len))
		return pb_fail(err, -EINVAL,
			       "'%s' is not HOST, HOST:PORT or [ADDRESS]:PORT",
			       text);
	memcpy(endpoint->host, host, len);
	endpoint->host[len] = '\0';
	return 0;
}

int pb_parse_endpoint(const char *text, struct pb_endpoint *endpoint,
		      struct pb_error *err)
{
	const char *host = text, *end, *port = NULL;
	struct pb_endpoint parsed;
	u64 number = PB_WIRE_PORT;
	int ret;

	if (*text == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || end == host || (end[1] && end[1] != ':'))
			return pb_fail(err, -EINVAL,
				       "'%s' is not [ADDRESS] or [ADDRESS]:PORT",
				       text);
		port = end[1] ? end + 2 : NULL;
	} else {
		end = strchr(host, ':');
		if (end && !strchr(end + 1, ':'))
			port = end + 1;
		else
			end = host + strlen(host);
	}
	ret = set_host(&parsed, host, end - host, text, err);
	if (ret)
		return ret;
	if (port && pb_parse_u64(port, 1, 65535, &number, err))
		return pb_fail(err, -EINVAL,
			       "'%s': the port must be a number from 1 to 65535",
			       text);
	snprintf(parsed.port, sizeof(parsed.port), "%u",
		 (unsigned int)number);
	*endpoint = parsed;
	return 0;
}

bool pb_same_endpoint(const struct pb_endpoint *a, const struct pb_endpoint *b)
{
	return !strcasecmp(a->host, b->host) && !strcmp(a->port, b->port);
}
