/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One tracepoint per hop of a write: started here, sent, received, applied,
 * ack sent, ack received, completed.  They share one layout, so that a script
 * can follow a message by its sequence number across both nodes; the numbers
 * begin again with each view.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_pb

#if !defined(PB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PB_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(pb_hop,
	TP_PROTO(u32 dev, u8 type, u64 seq, u64 sector, u32 count, int error),
	TP_ARGS(dev, type, seq, sector, count, error),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u8, type)
		__field(u64, seq)
		__field(u64, sector)
		__field(u32, count)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->type = type;
		__entry->seq = seq;
		__entry->sector = sector;
		__entry->count = count;
		__entry->error = error;
	),
	TP_printk("%u:%u type=%u seq=%llu sector=%llu count=%u error=%d",
		  __entry->dev >> 20, __entry->dev & 0xfffff, __entry->type,
		  __entry->seq, __entry->sector, __entry->count, __entry->error)
);

#define PB_HOP(name)							\
DEFINE_EVENT(pb_hop, name,						\
	TP_PROTO(u32 dev, u8 type, u64 seq, u64 sector, u32 count,	\
		 int error),						\
	TP_ARGS(dev, type, seq, sector, count, error))

PB_HOP(pb_start);
PB_HOP(pb_send);
PB_HOP(pb_receive);
PB_HOP(pb_local_done);
PB_HOP(pb_ack_send);
PB_HOP(pb_ack_receive);
PB_HOP(pb_complete);
PB_HOP(pb_read_wait);

#endif /* PB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE pb-trace
#include <trace/define_trace.h>
