// SPDX-License-Identifier: MIT
//
// acc.h, first half: the library, devices, buffers and signals. The second is api_work.cc;
// these two are the only files with C linkage.
#include "libacc/api.h"
#include "libacc/buffer.h"
#include "libacc/clock.h"
#include "libacc/device.h"
#include "libacc/log.h"
#include "libacc/signal.h"
#include "libacc/topology.h"

#include <iterator>
#include <string>
#include <vector>

using namespace acc;

namespace acc
{

int refuse_handle(const Handle *handle, const char *expected)
{
    if (!handle) return fail(-EINVAL, "expected a {}; found NULL", expected).code;
    if (!handle->here())
        return fail(-ENODEV,
                    "expected a {} of this process; found one that was inherited over fork",
                    expected)
            .code;
    return fail(-EINVAL, "expected a {}; found {}", expected,
                handle->kind() == HandleKind::Ended ? "one that was ended" : "something else")
        .code;
}

int refuse_exception(const char *what)
{
    if (!what) return fail(-ENOMEM, "expected memory; found none").code;
    return fail(-EIO, "unexpected: {}", what).code;
}

namespace
{

// Objects of an array of handles, each checked.
template <typename T>
int from_array(typename HandleTraits<T>::C *const *handles, size_t count, std::vector<T *> &out)
{
    ACC_CHECK_POINTER(handles);
    if (!count)
        return fail(-EINVAL, "expected at least one {}; found none", HandleTraits<T>::name).code;
    out.reserve(count);
    for (size_t i = 0; i < count; i++) {
        ACC_CHECK(from_c<T>(handles[i]));
        out.push_back(from_c<T>(handles[i]));
    }
    return 0;
}

} // namespace
} // namespace acc

extern "C" {

// -------------------------------------------------------------------- library

const char *acc_version(void)
{
    return ACC_VERSION_TEXT;
}

const char *acc_error_text(void)
{
    return error_text();
}

const char *acc_status_name(uint32_t status)
{
    static constexpr const char *names[] = {
        "OK",
        "CANCELLED",
        "DEPENDENCY_FAILED",
        "INVALID_PACKET",
        "UNSUPPORTED_PACKET",
        "INVALID_DIMENSIONS",
        "INVALID_KERNEL",
        "INVALID_KERNARG",
        "INVALID_SEGMENT",
        "INVALID_ADDRESS",
        "MISALIGNED",
        "TIMEOUT",
        "RESET",
        "ENGINE_ERROR",
        "NO_SLOT",
        "WEAR_EXHAUSTED",
        "INVALID_SIGNAL",
    };
    static_assert(std::size(names) == ACC_STATUS_COUNT);
    return status < ACC_STATUS_COUNT ? names[status] : "UNKNOWN";
}

void acc_log(enum acc_log_level level, const char *category, const char *text)
{
    if (category && text && level <= ACC_LOG_ERROR) Log(category).line(level, text);
}

uint64_t acc_deadline(uint64_t relative_ns)
{
    return saturating_add(now_ns(), relative_ns);
}

void acc_set_log(acc_log_fn fn, void *user)
{
    set_log(fn, user);
}

int acc_topology_get(acc_topology_info *info)
{
    return guarded([&] {
        auto topology = host_topology();
        return topology ? write_info(info, *topology) : topology.error();
    });
}

// -------------------------------------------------------------------- devices

int acc_device_open(const char *uri, const acc_device_options *given, acc_device **device)
{
    return guarded([&] {
        ACC_CHECK_POINTER(device);
        *device = nullptr;
        acc_device_options options;
        ACC_TRY_INT(read_options(given, options));
        auto opened = Device::open(uri, &options);
        if (!opened) return opened.error();
        *device = to_c(opened->release());
        return 0;
    });
}

int acc_device_close(acc_device *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Device>(handle));
        std::unique_ptr<Device> device(from_c<Device>(handle));
        const int error = Device::close(device);
        (void)device.release(); // null, or still the caller's
        return error;
    });
}

int acc_device_get_info(acc_device *handle, acc_device_info *info)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        auto answer = device->query(DRM_ACC_QUERY_MEMORY);
        if (!answer) return answer.error();
        const drm_acc_memory &memory = answer->memory;
        const drm_acc_identity &identity = device->identity();
        const drm_acc_limits &limits = device->limits();
        acc_device_info out = {};
        out.engine = identity.engine;
        out.vendor_id = identity.vendor_id;
        out.device_id = identity.device_id;
        out.abi_major = identity.abi_major;
        out.abi_minor = identity.abi_minor;
        out.features = identity.features;
        copy_text(out.name, identity.name);
        copy_text(out.config, identity.config);
        std::copy(std::begin(identity.uuid), std::end(identity.uuid), out.uuid);
        for (drm_acc_dev_query slot = {.type = DRM_ACC_QUERY_SLOT, .index = 0, .reserved = {}};
             !device->ioctl(DRM_IOCTL_ACC_DEV_QUERY, &slot); slot.index = out.slots)
            out.slots++;
        out.max_ring_packets = limits.max_ring_packets;
        out.max_queues = limits.max_queues;
        out.max_active_queues = limits.max_active_queues;
        out.max_buffer_bytes = limits.max_bo_bytes;
        out.client_bytes = memory.client_bytes;
        out.va_start = memory.va_start;
        out.va_end = memory.va_end;
        out.page_size = memory.page_size;
        return write_info(info, out);
    });
}

const char *acc_device_uri(const acc_device *handle)
{
    const Device *device = from_c<Device>(handle);
    return check(device) ? "" : device->uri().c_str();
}

int acc_device_get_counters(acc_device *handle, acc_device_counters *counters)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        auto answer = device->query(DRM_ACC_QUERY_COUNTERS);
        if (!answer) return answer.error();
        // The same members behind `size`.
        acc_device_counters out = {};
        constexpr size_t start = offsetof(acc_device_counters, packets);
        static_assert(start == sizeof(uint64_t) && sizeof out - start == sizeof(drm_acc_counters) &&
                      offsetof(acc_device_counters, mvms) - start ==
                          offsetof(drm_acc_counters, mvms));
        std::memcpy(&out.packets, &answer->counters, sizeof answer->counters);
        return write_info(counters, out);
    });
}

int acc_device_get_client(acc_device *handle, uint32_t index, acc_client_info *info)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        auto answer = device->query(DRM_ACC_QUERY_CLIENT, index);
        if (!answer) return answer.error();
        const drm_acc_client &client = answer->client;
        acc_client_info out = {};
        out.pid = client.pid;
        out.uid = client.uid;
        out.client = client.client;
        out.bytes = client.bytes;
        out.queues = client.queues;
        out.programs = client.programs;
        out.pins = client.pins;
        out.buffers = client.buffers;
        out.packets = client.packets;
        out.dispatches = client.dispatches;
        out.busy_ns = client.busy_ns;
        out.modelled_ns = client.modelled_ns;
        out.energy_pj = client.energy_pj;
        out.weight = client.weight;
        copy_text(out.name, client.name);
        return write_info(info, out);
    });
}

int acc_device_get_fault(acc_device *handle, uint32_t index, acc_fault_info *info)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        auto answer = device->query(DRM_ACC_QUERY_FAULT, index);
        if (!answer) return answer.error();
        const drm_acc_fault &fault = answer->fault;
        acc_fault_info out = {};
        out.sequence = fault.sequence;
        out.time_ns = fault.time_ns;
        out.queue = fault.queue;
        out.code = fault.code;
        out.packet_index = fault.packet_index;
        out.address = fault.address;
        out.kernel_object = fault.kernel_object;
        copy_text(out.kernel, fault.kernel);
        copy_text(out.text, fault.text);
        return write_info(info, out);
    });
}

int acc_device_reset(acc_device *handle)
{
    return guarded([&] {
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        drm_acc_reset request = {};
        request.what = DRM_ACC_RESET_DEVICE;
        const int error = device->ioctl(DRM_IOCTL_ACC_RESET, &request);
        if (error == -EACCES)
            return fail(error, "{}: expected permission to reset the device; found none",
                        device->uri())
                .code;
        return error ? device->refused(error, "RESET").code : 0;
    });
}

int acc_device_list(int (*fn)(void *user, const char *uri), void *user)
{
    return guarded([&] {
        ACC_CHECK_POINTER(fn);
        for (const std::string &uri : device_uris())
            if (const int stop = fn(user, uri.c_str())) return stop;
        return 0;
    });
}

// -------------------------------------------------------------------- buffers

int acc_buffer_create(acc_device *handle, size_t bytes, const acc_buffer_options *given,
                      acc_buffer **buffer)
{
    return guarded([&] {
        ACC_CHECK_POINTER(buffer);
        *buffer = nullptr;
        Device *device = from_c<Device>(handle);
        ACC_CHECK(device);
        acc_buffer_options options;
        ACC_TRY_INT(read_options(given, options));
        constexpr uint32_t known = ACC_BUFFER_NO_CPU | ACC_BUFFER_READ_ONLY;
        if (options.flags & ~known || options.reserved)
            return fail(-EINVAL, "expected flags of {:#x} and reserved = 0; found {:#x} and {}",
                        known, options.flags, options.reserved)
                .code;
        auto created = Buffer::create(*device, bytes, options.flags);
        if (!created) return created.error();
        *buffer = to_c(created->release());
        return 0;
    });
}

void *acc_buffer_data(const acc_buffer *handle)
{
    const Buffer *buffer = from_c<Buffer>(handle);
    return check(buffer) ? nullptr : buffer->data();
}

size_t acc_buffer_bytes(const acc_buffer *handle)
{
    const Buffer *buffer = from_c<Buffer>(handle);
    return check(buffer) ? 0 : buffer->bytes();
}

int acc_buffer_attach(acc_buffer *handle, acc_device *device)
{
    return guarded([&] {
        ACC_CHECK(from_c<Buffer>(handle));
        ACC_CHECK(from_c<Device>(device));
        return from_c<Buffer>(handle)->attach(*from_c<Device>(device));
    });
}

int acc_buffer_detach(acc_buffer *handle, acc_device *device)
{
    return guarded([&] {
        ACC_CHECK(from_c<Buffer>(handle));
        ACC_CHECK(from_c<Device>(device));
        return from_c<Buffer>(handle)->detach(*from_c<Device>(device));
    });
}

int acc_buffer_export(acc_buffer *handle, int *fd)
{
    return guarded([&] {
        ACC_CHECK_POINTER(fd);
        *fd = -1;
        ACC_CHECK(from_c<Buffer>(handle));
        const auto exported = from_c<Buffer>(handle)->export_fd();
        if (!exported) return exported.error();
        *fd = *exported;
        return 0;
    });
}

int acc_buffer_import(acc_device *device, int fd, acc_buffer **buffer)
{
    return guarded([&] {
        ACC_CHECK_POINTER(buffer);
        *buffer = nullptr;
        ACC_CHECK(from_c<Device>(device));
        auto imported = Buffer::import(*from_c<Device>(device), fd);
        if (!imported) return imported.error();
        *buffer = to_c(imported->release());
        return 0;
    });
}

int acc_buffer_destroy(acc_buffer *handle)
{
    return guarded([&] {
        Buffer *buffer = from_c<Buffer>(handle);
        ACC_CHECK(buffer);
        const int error = buffer->destroy();
        if (error != -EBUSY) delete buffer;
        return error;
    });
}

// -------------------------------------------------------------------- signals

int acc_signal_create(acc_device *const *devices, size_t count, int64_t initial,
                      acc_signal **signal)
{
    return guarded([&] {
        ACC_CHECK_POINTER(signal);
        *signal = nullptr;
        std::vector<Device *> set;
        ACC_TRY_INT(from_array<Device>(devices, count, set));
        auto created = Signal::create(set, initial);
        if (!created) return created.error();
        *signal = to_c(created->release());
        return 0;
    });
}

int acc_signal_import(acc_device *const *devices, size_t count, int fd, uint64_t offset,
                      acc_signal **signal)
{
    return guarded([&] {
        ACC_CHECK_POINTER(signal);
        *signal = nullptr;
        std::vector<Device *> set;
        ACC_TRY_INT(from_array<Device>(devices, count, set));
        auto imported = Signal::import(set, fd, offset);
        if (!imported) return imported.error();
        *signal = to_c(imported->release());
        return 0;
    });
}

int acc_signal_destroy(acc_signal *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Signal>(handle));
        std::unique_ptr<Signal> signal(from_c<Signal>(handle));
        const int error = Signal::destroy(signal);
        (void)signal.release(); // null, or still the caller's
        return error;
    });
}

uint64_t acc_signal_address(const acc_signal *handle)
{
    const Signal *signal = from_c<Signal>(handle);
    return check(signal) ? 0 : signal->address();
}

int64_t acc_signal_load(const acc_signal *handle)
{
    const Signal *signal = from_c<Signal>(handle);
    return check(signal) ? 0 : signal->load();
}

int acc_signal_store(acc_signal *handle, int64_t value)
{
    return guarded([&] {
        ACC_CHECK(from_c<Signal>(handle));
        return from_c<Signal>(handle)->store(value);
    });
}

int acc_signal_add(acc_signal *handle, int64_t value)
{
    return guarded([&] {
        ACC_CHECK(from_c<Signal>(handle));
        return from_c<Signal>(handle)->add(value);
    });
}

int acc_signal_wake(acc_signal *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Signal>(handle));
        return from_c<Signal>(handle)->wake();
    });
}

int acc_signal_cancel(acc_signal *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Signal>(handle));
        from_c<Signal>(handle)->cancel();
        return 0;
    });
}

void acc_signal_reset(acc_signal *handle, int64_t value)
{
    Signal *signal = from_c<Signal>(handle);
    if (!check(signal)) signal->reset(value);
}

int acc_signal_wait(acc_signal *handle, uint32_t condition, int64_t value, uint64_t deadline_ns,
                    int64_t *observed)
{
    return guarded([&] {
        Signal *signal = from_c<Signal>(handle);
        ACC_CHECK(signal);
        ACC_TRY_INT(Signal::check_condition(condition));
        return signal->wait(condition, value, deadline_ns, observed);
    });
}

int acc_signal_wait_any(acc_signal *const *handles, const uint32_t *conditions,
                        const int64_t *values, size_t count, uint64_t deadline_ns, size_t *index)
{
    return guarded([&] {
        ACC_CHECK_POINTER(conditions);
        ACC_CHECK_POINTER(values);
        std::vector<Signal *> signals;
        ACC_TRY_INT(from_array<Signal>(handles, count, signals));
        for (size_t i = 0; i < count; i++)
            ACC_TRY_INT(Signal::check_condition(conditions[i]));
        return wait_any(signals, conditions, values, deadline_ns, index);
    });
}

int acc_signal_on(acc_signal *handle, uint32_t condition, int64_t value, acc_signal_fn fn,
                  void *user)
{
    return guarded([&] {
        ACC_CHECK_POINTER(fn);
        ACC_CHECK(from_c<Signal>(handle));
        ACC_TRY_INT(Signal::check_condition(condition));
        return from_c<Signal>(handle)->on(condition, value, fn, user);
    });
}

int acc_signal_fd(acc_signal *handle, uint32_t condition, int64_t value, int *fd)
{
    return guarded([&] {
        ACC_CHECK_POINTER(fd);
        *fd = -1;
        ACC_CHECK(from_c<Signal>(handle));
        ACC_TRY_INT(Signal::check_condition(condition));
        const auto made = from_c<Signal>(handle)->wait_fd(condition, value);
        if (!made) return made.error();
        *fd = *made;
        return 0;
    });
}

int acc_signal_get_result(const acc_signal *handle, acc_signal_result *result)
{
    return guarded([&] {
        const Signal *signal = from_c<Signal>(handle);
        ACC_CHECK(signal);
        return write_info(result, signal->result());
    });
}

} // extern "C"
