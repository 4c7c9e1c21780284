// SPDX-License-Identifier: MIT
//
// Commands on boxes of bytes inside of buffers.
#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/scheduler.h"
#include "libacc/interop/opencl/transfer.h"

#include <cstring>

namespace acc::ocl
{
namespace
{

struct Box {
    size_t region[3];
};

// Where a box lies in memory.
struct Layout {
    size_t origin[3];
    size_t row_pitch, slice_pitch;

    size_t at(size_t y, size_t z) const
    {
        return (origin[2] + z) * slice_pitch + (origin[1] + y) * row_pitch + origin[0];
    }
    // The first byte that is behind the box, or none where that is no number.
    bool end(const Box &box, size_t &out) const
    {
        size_t z, y;
        return !__builtin_mul_overflow(origin[2] + box.region[2] - 1, slice_pitch, &z) &&
               !__builtin_mul_overflow(origin[1] + box.region[1] - 1, row_pitch, &y) &&
               !__builtin_add_overflow(z, y, &out) &&
               !__builtin_add_overflow(out, origin[0] + box.region[0], &out);
    }
};

// Pitches of 0 are the box's own. CL_INVALID_VALUE: what the specification refuses.
cl_int lay_out(const size_t *origin, const Box &box, size_t row_pitch, size_t slice_pitch,
               Layout &out)
{
    if (!origin) return CL_INVALID_VALUE;
    const size_t *const r = box.region;
    if (!r[0] || !r[1] || !r[2]) return CL_INVALID_VALUE;
    if (!row_pitch) row_pitch = r[0];
    if (row_pitch < r[0]) return CL_INVALID_VALUE;
    size_t slice = 0;
    if (__builtin_mul_overflow(row_pitch, r[1], &slice)) return CL_INVALID_VALUE;
    if (!slice_pitch) slice_pitch = slice;
    if (slice_pitch < slice || slice_pitch % row_pitch) return CL_INVALID_VALUE;
    out = {{origin[0], origin[1], origin[2]}, row_pitch, slice_pitch};
    return CL_SUCCESS;
}

cl_int check_inside(const _cl_mem &memory, const Box &box, const Layout &layout)
{
    size_t end = 0;
    return layout.end(box, end) && end <= memory.bytes ? CL_SUCCESS : CL_INVALID_VALUE;
}

void copy_box(char *to, const Layout &to_layout, const char *from, const Layout &from_layout,
              const Box &box)
{
    for (size_t z = 0; z < box.region[2]; z++)
        for (size_t y = 0; y < box.region[1]; y++)
            std::memmove(to + to_layout.at(y, z), from + from_layout.at(y, z), box.region[0]);
}

size_t bytes_of(const Box &box)
{
    return box.region[0] * box.region[1] * box.region[2];
}

// Whether two boxes of one size and pitch, that begin at those bytes of one memory, share a byte:
// they don't where one is behind the other, or fits into the gap between the other's rows, or
// between its slices (the specification's appendix "Checking for Memory Copy Overlap").
bool overlap(size_t a, size_t b, const Layout &pitch, const Box &box)
{
    const size_t slice = (box.region[1] - 1) * pitch.row_pitch + box.region[0];
    const size_t all = (box.region[2] - 1) * pitch.slice_pitch + slice;
    if (b + all <= a || a + all <= b) return false;
    const auto fits = [](size_t p, size_t q, size_t size, size_t every) {
        return p % every >= q % every + size && p % every + size <= q % every + every;
    };
    const auto apart = [&](size_t size, size_t every) {
        return fits(a, b, size, every) || fits(b, a, size, every);
    };
    return !apart(box.region[0], pitch.row_pitch) && !apart(slice, pitch.slice_pitch);
}

struct HostBox {
    Box box;
    Layout here, there; // in the buffer, in the host's memory
};

// What reading and writing refuse alike.
cl_int check_host_box(cl_command_queue queue, cl_mem memory, const GivenBox &buffer,
                      const GivenBox &host, const size_t *region, const void *pointer,
                      WaitList list, HostBox &out)
{
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_memory(*queue->context, memory));
    if (!pointer || !region) return CL_INVALID_VALUE;
    out.box = {{region[0], region[1], region[2]}};
    OCL_TRY(lay_out(buffer.origin, out.box, buffer.row_pitch, buffer.slice_pitch, out.here));
    OCL_TRY(lay_out(host.origin, out.box, host.row_pitch, host.slice_pitch, out.there));
    OCL_TRY(check_inside(*memory, out.box, out.here));
    return check_wait_list(*queue->context, list);
}

} // namespace

cl_int plan_copy_rect(const _cl_context &context, cl_mem from, cl_mem to, const GivenBox &from_box,
                      const GivenBox &to_box, const size_t *region, WorkMaker &out)
{
    OCL_TRY(check_memory(context, from));
    OCL_TRY(check_memory(context, to));
    if (!region) return CL_INVALID_VALUE;
    const Box box = {{region[0], region[1], region[2]}};
    Layout source = {}, target = {};
    OCL_TRY(lay_out(from_box.origin, box, from_box.row_pitch, from_box.slice_pitch, source));
    OCL_TRY(lay_out(to_box.origin, box, to_box.row_pitch, to_box.slice_pitch, target));
    OCL_TRY(check_inside(*from, box, source));
    OCL_TRY(check_inside(*to, box, target));
    const bool one_pitch =
        source.row_pitch == target.row_pitch && source.slice_pitch == target.slice_pitch;
    if (from == to && !one_pitch) return CL_INVALID_VALUE;
    if (from->root() == to->root() && one_pitch &&
        overlap(from->origin + source.at(0, 0), to->origin + target.at(0, 0), source, box))
        return CL_MEM_COPY_OVERLAP;
    out = [from = Ref(from), to = Ref(to), source, target, box] {
        return host_work(bytes_of(box), [from, to, source, target, box] {
            copy_box(to->data, target, from->data, source, box);
            return CL_SUCCESS;
        });
    };
    return CL_SUCCESS;
}

namespace api
{

cl_int EnqueueReadBufferRect(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                             const size_t *origin, const size_t *host_origin, const size_t *region,
                             size_t row, size_t slice, size_t host_row, size_t host_slice, void *to,
                             cl_uint count, const cl_event *events, cl_event *event)
try {
    HostBox checked;
    OCL_TRY(check_host_box(queue, memory, {origin, row, slice}, {host_origin, host_row, host_slice},
                           region, to, {count, events}, checked));
    OCL_TRY(check_host_reads(*memory));
    auto work = host_work(bytes_of(checked.box), [memory = Ref(memory), to, checked] {
        copy_box(static_cast<char *>(to), checked.there, memory->data, checked.here, checked.box);
        return CL_SUCCESS;
    });
    return enqueue(*queue, CL_COMMAND_READ_BUFFER_RECT, std::move(work), {count, events}, event,
                   blocking);
}
OCL_END

cl_int EnqueueWriteBufferRect(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                              const size_t *origin, const size_t *host_origin, const size_t *region,
                              size_t row, size_t slice, size_t host_row, size_t host_slice,
                              const void *from, cl_uint count, const cl_event *events,
                              cl_event *event)
try {
    HostBox checked;
    OCL_TRY(check_host_box(queue, memory, {origin, row, slice}, {host_origin, host_row, host_slice},
                           region, from, {count, events}, checked));
    OCL_TRY(check_host_writes(*memory));
    auto work = host_work(bytes_of(checked.box), [memory = Ref(memory), from, checked] {
        copy_box(memory->data, checked.here, static_cast<const char *>(from), checked.there,
                 checked.box);
        return CL_SUCCESS;
    });
    return enqueue(*queue, CL_COMMAND_WRITE_BUFFER_RECT, std::move(work), {count, events}, event,
                   blocking);
}
OCL_END

cl_int EnqueueCopyBufferRect(cl_command_queue queue, cl_mem from, cl_mem to,
                             const size_t *from_origin, const size_t *to_origin,
                             const size_t *region, size_t from_row, size_t from_slice,
                             size_t to_row, size_t to_slice, cl_uint count, const cl_event *events,
                             cl_event *event)
try {
    OCL_TRY(check_queue(queue));
    OCL_TRY(check_wait_list(*queue->context, {count, events}));
    WorkMaker make;
    OCL_TRY(plan_copy_rect(*queue->context, from, to, {from_origin, from_row, from_slice},
                           {to_origin, to_row, to_slice}, region, make));
    return enqueue(*queue, CL_COMMAND_COPY_BUFFER_RECT, make(), {count, events}, event);
}
OCL_END

} // namespace api
} // namespace acc::ocl
