/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints of the slow paths: a launch meets none of them. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM acc

#if !defined(ACC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ACC_TRACE_H

#include <linux/tracepoint.h>

#include "acc_drv.h"

TRACE_EVENT(acc_admin,
	TP_PROTO(const struct acc_device *acc, const struct acc_admin_cmd *cmd),
	TP_ARGS(acc, cmd),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, op)
		__field(u32, asid)
		__field(u32, object)
	),
	TP_fast_assign(
		__entry->minor = acc->drm.accel ? acc->drm.accel->index : -1;
		__entry->op = cmd->op;
		__entry->asid = cmd->asid;
		__entry->object = cmd->object;
	),
	TP_printk("accel%d op=%u asid=%u object=%u", __entry->minor, __entry->op,
		  __entry->asid, __entry->object)
);

TRACE_EVENT(acc_admin_done,
	TP_PROTO(const struct acc_device *acc, const struct acc_admin_cmd *cmd, int status),
	TP_ARGS(acc, cmd, status),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, op)
		__field(u32, asid)
		__field(int, status)
	),
	TP_fast_assign(
		__entry->minor = acc->drm.accel ? acc->drm.accel->index : -1;
		__entry->op = cmd->op;
		__entry->asid = cmd->asid;
		__entry->status = status;
	),
	TP_printk("accel%d op=%u asid=%u status=%d", __entry->minor, __entry->op,
		  __entry->asid, __entry->status)
);

TRACE_EVENT(acc_event,
	TP_PROTO(const struct acc_device *acc, const struct acc_event *event),
	TP_ARGS(acc, event),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, type)
		__field(u32, asid)
		__field(u32, queue)
		__field(u32, code)
		__field(u64, address)
	),
	TP_fast_assign(
		__entry->minor = acc->drm.accel ? acc->drm.accel->index : -1;
		__entry->type = event->type;
		__entry->asid = event->asid;
		__entry->queue = event->queue;
		__entry->code = event->code;
		__entry->address = event->address;
	),
	TP_printk("accel%d type=%u asid=%u queue=%u code=%u address=%#llx", __entry->minor,
		  __entry->type, __entry->asid, __entry->queue, __entry->code,
		  __entry->address)
);

TRACE_EVENT(acc_wait,
	TP_PROTO(const struct acc_file *file, u64 address, int result),
	TP_ARGS(file, address, result),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u64, address)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->asid = file->asid;
		__entry->address = address;
		__entry->result = result;
	),
	TP_printk("asid=%u address=%#llx result=%d", __entry->asid, __entry->address,
		  __entry->result)
);

TRACE_EVENT(acc_reset,
	TP_PROTO(const struct acc_device *acc, u32 asid, const char *why),
	TP_ARGS(acc, asid, why),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, asid)
		__string(why, why)
	),
	TP_fast_assign(
		__entry->minor = acc->drm.accel ? acc->drm.accel->index : -1;
		__entry->asid = asid;
		__assign_str(why);
	),
	TP_printk("accel%d guilty=%u: %s", __entry->minor, __entry->asid, __get_str(why))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE acc_trace
#include <trace/define_trace.h>
