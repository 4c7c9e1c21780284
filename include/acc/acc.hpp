// SPDX-License-Identifier: MIT
//
// libacc in C++20: owners of acc.h's handles. Header only, for the ABI is C's.
//
// Errors: whatever can fail returns Expected<T>: a value, or a Failure with -errno and its
// text. Nothing here throws on its own behalf; std::bad_alloc may come out of containers.
// Ownership: objects are move-only and end their handle when they go; close() does it early
// and tells how it went. Order matters: a Device goes last.
// Threads: as acc.h, on one object too, except moving, closing and destroying it.
#ifndef ACC_ACC_HPP
#define ACC_ACC_HPP

#include "acc/acc.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace acc
{
inline namespace v0
{

// Why a call failed: -errno, and what was expected and what was found.
struct [[nodiscard]] Failure {
    int code = 0;
    std::string text;

    // The error of this thread's last call.
    static Failure last(int code) { return {code, acc_error_text()}; }
};

// A value, or why there is none.
template <typename T>
class [[nodiscard]] Expected
{
public:
    Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Expected(Failure error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    // Precondition: there is a value.
    T &value() & { return *std::get_if<0>(&state_); }
    const T &value() const & { return *std::get_if<0>(&state_); }
    T &&value() && { return std::move(*std::get_if<0>(&state_)); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T &&operator*() && { return std::move(*this).value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }
    // Precondition: there is none.
    const Failure &error() const { return *std::get_if<1>(&state_); }

private:
    std::variant<T, Failure> state_;
};

// Success, or why not.
template <>
class [[nodiscard]] Expected<void>
{
public:
    Expected() = default;
    Expected(Failure error) : error_(std::move(error)) {}

    explicit operator bool() const { return error_.code == 0; }
    // Precondition: it failed.
    const Failure &error() const { return error_; }

private:
    Failure error_;
};

namespace detail
{

inline Expected<void> checked(int code)
{
    if (code < 0) return Failure::last(code);
    return {};
}

template <typename T>
Expected<T> checked(int code, T value)
{
    if (code < 0) return Failure::last(code);
    return value;
}

// A handle and its end.
template <typename C, int (*end)(C *)>
class Owner
{
public:
    Owner() = default;
    explicit Owner(C *handle) : handle_(handle) {}
    Owner(Owner &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owner &operator=(Owner &&other) noexcept
    {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    ~Owner() { reset(); }

    // For calls of acc.h; null after a move or close().
    C *get() const { return handle_; }
    explicit operator bool() const { return handle_ != nullptr; }
    // Gives the handle away.
    C *release() { return std::exchange(handle_, nullptr); }
    // Ends the handle now. After an error it is still owned: it may be tried again.
    Expected<void> close()
    {
        if (!handle_) return {};
        const int code = end(handle_);
        if (code < 0) return Failure::last(code);
        handle_ = nullptr;
        return {};
    }

private:
    void reset()
    {
        if (handle_) (void)end(std::exchange(handle_, nullptr));
    }

    C *handle_ = nullptr;
};

template <typename Info, typename Get>
Expected<Info> get_info(Get get)
{
    auto info = acc_init<Info>();
    const int code = get(&info);
    return checked(code, info);
}

} // namespace detail

// An open device. Ended with nothing of it alive, else close() is -EBUSY.
class Device : public detail::Owner<acc_device, acc_device_close>
{
public:
    using Owner::Owner;

    // As acc_device_open(): null takes the first in ACC_DEVICE, or what is there.
    static Expected<Device> open(const char *uri = nullptr, uint64_t spin_ns = 0)
    {
        auto options = acc_init<acc_device_options>();
        options.spin_ns = spin_ns;
        acc_device *device = nullptr;
        const int code = acc_device_open(uri, &options, &device);
        return detail::checked(code, Device(device));
    }
    std::string uri() const { return acc_device_uri(get()); }
    Expected<acc_device_info> info() const
    {
        return detail::get_info<acc_device_info>(
            [&](auto *info) { return acc_device_get_info(get(), info); });
    }
    Expected<acc_device_counters> counters() const
    {
        return detail::get_info<acc_device_counters>(
            [&](auto *info) { return acc_device_get_counters(get(), info); });
    }
    // -ENOENT past the last.
    Expected<acc_slot_info> slot(uint32_t index) const
    {
        return detail::get_info<acc_slot_info>(
            [&](auto *info) { return acc_device_get_slot(get(), index, info); });
    }
    // 0 is the oldest; -ENOENT past the newest.
    Expected<acc_client_info> client(uint32_t index) const
    {
        return detail::get_info<acc_client_info>(
            [&](auto *info) { return acc_device_get_client(get(), index, info); });
    }
    // 0 is the newest; -ENOENT past the oldest kept.
    Expected<acc_fault_info> fault(uint32_t index = 0) const
    {
        return detail::get_info<acc_fault_info>(
            [&](auto *info) { return acc_device_get_fault(get(), index, info); });
    }
    Expected<void> reset() { return detail::checked(acc_device_reset(get())); }
};

// Memory at one address on the host and on the devices it is attached to.
class Buffer : public detail::Owner<acc_buffer, acc_buffer_destroy>
{
public:
    using Owner::Owner;

    // Zeroed, rounded up to pages. `flags`: ACC_BUFFER_*.
    static Expected<Buffer> create(Device &device, size_t bytes, uint32_t flags = 0)
    {
        auto options = acc_init<acc_buffer_options>();
        options.flags = flags;
        acc_buffer *buffer = nullptr;
        const int code = acc_buffer_create(device.get(), bytes, &options, &buffer);
        return detail::checked(code, Buffer(buffer));
    }
    // The descriptor stays the caller's.
    static Expected<Buffer> import(Device &device, int fd)
    {
        acc_buffer *buffer = nullptr;
        const int code = acc_buffer_import(device.get(), fd, &buffer);
        return detail::checked(code, Buffer(buffer));
    }
    void *data() const { return acc_buffer_data(get()); }
    size_t bytes() const { return acc_buffer_bytes(get()); }
    uint64_t address() const { return reinterpret_cast<uintptr_t>(data()); }
    // As many whole T as fit. Valid as long as the buffer.
    template <typename T>
    std::span<T> span() const
    {
        static_assert(std::is_trivially_copyable_v<T>, "a device writes bytes");
        return {static_cast<T *>(data()), bytes() / sizeof(T)};
    }
    Expected<void> attach(Device &device)
    {
        return detail::checked(acc_buffer_attach(get(), device.get()));
    }
    Expected<void> detach(Device &device)
    {
        return detail::checked(acc_buffer_detach(get(), device.get()));
    }
    // A new descriptor that the caller owns.
    Expected<int> export_fd() const
    {
        int fd = -1;
        const int code = acc_buffer_export(get(), &fd);
        return detail::checked(code, fd);
    }
};

// A 64-bit value to wait on; completions decrement it.
class Signal : public detail::Owner<acc_signal, acc_signal_destroy>
{
public:
    using Owner::Owner;

    static Expected<Signal> create(std::span<acc_device *const> devices, int64_t initial = 1)
    {
        acc_signal *signal = nullptr;
        const int code = acc_signal_create(devices.data(), devices.size(), initial, &signal);
        return detail::checked(code, Signal(signal));
    }
    static Expected<Signal> create(Device &device, int64_t initial = 1)
    {
        acc_device *const handle = device.get();
        return create(std::span(&handle, 1), initial);
    }
    static Expected<Signal> create(std::initializer_list<acc_device *> devices, int64_t initial = 1)
    {
        return create(std::span(devices.begin(), devices.size()), initial);
    }
    uint64_t address() const { return acc_signal_address(get()); }
    int64_t load() const { return acc_signal_load(get()); }
    Expected<void> store(int64_t value) { return detail::checked(acc_signal_store(get(), value)); }
    Expected<void> add(int64_t value) { return detail::checked(acc_signal_add(get(), value)); }
    // Re-arms a signal that nobody waits on, and clears its status.
    void reset(int64_t value = 1) { acc_signal_reset(get(), value); }

    // The value that satisfied the condition. The deadline is absolute (acc_deadline()).
    Expected<int64_t> wait(acc_condition condition, int64_t value,
                           uint64_t deadline_ns = ACC_FOREVER)
    {
        int64_t observed = 0;
        const int code = acc_signal_wait(get(), condition, value, deadline_ns, &observed);
        return detail::checked(code, observed);
    }
    // Until it is 0: the usual completion.
    Expected<int64_t> wait(uint64_t deadline_ns = ACC_FOREVER)
    {
        return wait(ACC_COND_EQ, 0, deadline_ns);
    }
    Expected<acc_signal_result> result() const
    {
        return detail::get_info<acc_signal_result>(
            [&](auto *info) { return acc_signal_get_result(get(), info); });
    }
    // Calls fn(observed, error) once, on a thread of the library; it may not end the signal.
    template <typename F>
    Expected<void> on(acc_condition condition, int64_t value, F fn)
    {
        using Call = std::function<void(int64_t, int)>;
        auto call = std::make_unique<Call>(std::move(fn));
        const acc_signal_fn trampoline = [](void *user, acc_signal *, int64_t observed, int error) {
            const std::unique_ptr<Call> owned(static_cast<Call *>(user));
            (*owned)(observed, error);
        };
        const int code = acc_signal_on(get(), condition, value, trampoline, call.get());
        if (code < 0) return Failure::last(code);
        (void)call.release(); // the trampoline's
        return {};
    }
    // A descriptor that polls readable once the condition holds; the caller closes it.
    Expected<int> fd(acc_condition condition, int64_t value) const
    {
        int fd = -1;
        const int code = acc_signal_fd(get(), condition, value, &fd);
        return detail::checked(code, fd);
    }
};

// A loaded image.
class Program : public detail::Owner<acc_program, acc_program_unload>
{
public:
    using Owner::Owner;

    // flags: ACC_PROGRAM_*.
    static Expected<Program> load(Device &device, std::span<const std::byte> image,
                                  uint32_t flags = 0)
    {
        auto options = acc_init<acc_program_options>();
        options.flags = flags;
        acc_program *program = nullptr;
        const int code =
            acc_program_load_with(device.get(), image.data(), image.size(), &options, &program);
        return detail::checked(code, Program(program));
    }
    static Expected<Program> load_file(Device &device, const char *path)
    {
        acc_program *program = nullptr;
        const int code = acc_program_load_file(device.get(), path, &program);
        return detail::checked(code, Program(program));
    }
    uint32_t kernels() const { return acc_program_kernels(get()); }
    Expected<acc_kernel_info> kernel(uint32_t index) const
    {
        return detail::get_info<acc_kernel_info>(
            [&](auto *info) { return acc_program_kernel(get(), index, info); });
    }
    Expected<acc_kernel_info> find(const char *name) const
    {
        return detail::get_info<acc_kernel_info>(
            [&](auto *info) { return acc_program_find(get(), name, info); });
    }
    // By index, or ACC_ALL_KERNELS.
    Expected<void> prefetch(uint32_t kernel)
    {
        return detail::checked(acc_program_prefetch(get(), kernel));
    }
    Expected<void> pin(uint32_t kernel) { return detail::checked(acc_program_pin(get(), kernel)); }
    Expected<void> unpin(uint32_t kernel)
    {
        return detail::checked(acc_program_unpin(get(), kernel));
    }
};

// A user-mode queue.
class Queue : public detail::Owner<acc_queue, acc_queue_destroy>
{
public:
    using Owner::Owner;

    struct Options {
        uint32_t packets = 0; // a power of two; 0: 256
        acc_priority priority = ACC_PRIORITY_NORMAL;
        bool single_producer = false; // one thread at a time submits
        uint64_t timeout_ns = 0;      // of one packet; 0: the device's maximum
    };

    static Expected<Queue> create(Device &device) { return create(device, Options()); }
    static Expected<Queue> create(Device &device, const Options &wanted)
    {
        auto options = acc_init<acc_queue_options>();
        options.packets = wanted.packets;
        options.priority = uint32_t(wanted.priority) + 1;
        options.flags = wanted.single_producer ? ACC_QUEUE_SINGLE_PRODUCER : 0;
        options.timeout_ns = wanted.timeout_ns;
        acc_queue *queue = nullptr;
        const int code = acc_queue_create(device.get(), &options, &queue);
        return detail::checked(code, Queue(queue));
    }
    uint32_t id() const { return acc_queue_id(get()); }

    // Publishes packets in order; the index of the first.
    Expected<uint64_t> submit(std::span<const acc_packet> packets,
                              uint64_t deadline_ns = ACC_FOREVER)
    {
        uint64_t first = 0;
        const int code =
            acc_queue_submit(get(), packets.data(), packets.size(), deadline_ns, &first);
        return detail::checked(code, first);
    }
    // Anything that acc_dispatch can say.
    Expected<void> dispatch(const acc_dispatch &dispatch)
    {
        return detail::checked(acc_queue_dispatch(get(), &dispatch));
    }
    // A kernel with its arguments (a struct of acc/kernels.h), grid (1,1,1).
    template <typename Args>
    Expected<void> dispatch(const acc_kernel_info &kernel, const Args &arguments,
                            Signal *completion = nullptr, bool barrier = false)
    {
        static_assert(std::is_trivially_copyable_v<Args>, "kernel arguments are bytes");
        auto what = describe(kernel, completion, barrier);
        what.kernargs = &arguments;
        what.kernarg_bytes = sizeof arguments;
        return dispatch(what);
    }
    // A kernel without arguments.
    Expected<void> dispatch(const acc_kernel_info &kernel, Signal *completion = nullptr,
                            bool barrier = false)
    {
        return dispatch(describe(kernel, completion, barrier));
    }
    // Waits until all are 0; at most 5.
    Expected<void> barrier(std::initializer_list<acc_signal *> signals,
                           Signal *completion = nullptr)
    {
        return detail::checked(
            acc_queue_barrier(get(), signals.begin(), signals.size(), handle(completion)));
    }
    Expected<void> copy(void *destination, const void *source, size_t bytes,
                        Signal *completion = nullptr)
    {
        return detail::checked(
            acc_queue_copy(get(), destination, source, bytes, handle(completion)));
    }
    Expected<void> fill(void *destination, uint32_t pattern, size_t bytes,
                        Signal *completion = nullptr)
    {
        return detail::checked(
            acc_queue_fill(get(), destination, pattern, bytes, handle(completion)));
    }
    Expected<acc_queue_info> info() const
    {
        return detail::get_info<acc_queue_info>(
            [&](auto *info) { return acc_queue_get_info(get(), info); });
    }
    // Into Error for good: destroy it and make another.
    Expected<void> reset() { return detail::checked(acc_queue_reset(get())); }

private:
    static acc_signal *handle(Signal *signal) { return signal ? signal->get() : nullptr; }
    static acc_dispatch describe(const acc_kernel_info &kernel, Signal *completion, bool barrier)
    {
        auto what = acc_init<acc_dispatch>();
        what.kernel_object = kernel.kernel_object;
        what.private_bytes = kernel.private_bytes;
        what.group_bytes = kernel.group_bytes;
        what.barrier = barrier;
        what.completion = handle(completion);
        return what;
    }
};

// A compiled network.
class Model : public detail::Owner<acc_model, acc_model_unload>
{
public:
    using Owner::Owner;

    // `devices` must hold one of each engine that it uses. batch: samples per submission.
    static Expected<Model> load(std::span<acc_device *const> devices,
                                std::span<const std::byte> image, uint32_t batch = 1)
    {
        auto options = acc_init<acc_model_options>();
        options.batch = batch;
        acc_model *model = nullptr;
        const int code = acc_model_load(devices.data(), devices.size(), image.data(), image.size(),
                                        &options, &model);
        return detail::checked(code, Model(model));
    }
    static Expected<Model> load_file(std::span<acc_device *const> devices, const char *path,
                                     uint32_t batch = 1)
    {
        auto options = acc_init<acc_model_options>();
        options.batch = batch;
        acc_model *model = nullptr;
        const int code =
            acc_model_load_file(devices.data(), devices.size(), path, &options, &model);
        return detail::checked(code, Model(model));
    }
    std::vector<acc_tensor_info> inputs() const { return tensors(acc_model_input); }
    std::vector<acc_tensor_info> outputs() const { return tensors(acc_model_output); }

    // inputs[i] and outputs[i] hold samples × sample_bytes of tensor i. Precondition: as
    // many as the model has.
    Expected<void> run(std::span<const void *const> inputs, std::span<void *const> outputs,
                       size_t samples)
    {
        return detail::checked(acc_model_run(get(), inputs.data(), outputs.data(), samples));
    }
    Expected<acc_model_stats> stats() const
    {
        return detail::get_info<acc_model_stats>(
            [&](auto *info) { return acc_model_get_stats(get(), info); });
    }

private:
    template <typename Get>
    std::vector<acc_tensor_info> tensors(Get get_tensor) const
    {
        std::vector<acc_tensor_info> all;
        auto info = acc_init<acc_tensor_info>();
        for (uint32_t i = 0; get_tensor(get(), i, &info) == 0; i++)
            all.push_back(info);
        return all;
    }
};

// One of several conditions, for wait_any().
struct Awaited {
    const Signal *signal;
    acc_condition condition = ACC_COND_EQ;
    int64_t value = 0;
};

// The index of the lowest that is satisfied.
inline Expected<size_t> wait_any(std::span<const Awaited> awaited,
                                 uint64_t deadline_ns = ACC_FOREVER)
{
    std::vector<acc_signal *> signals;
    std::vector<uint32_t> conditions;
    std::vector<int64_t> values;
    for (const Awaited &one : awaited) {
        signals.push_back(one.signal->get());
        conditions.push_back(one.condition);
        values.push_back(one.value);
    }
    size_t index = 0;
    const int code = acc_signal_wait_any(signals.data(), conditions.data(), values.data(),
                                         signals.size(), deadline_ns, &index);
    return detail::checked(code, index);
}

} // namespace v0
} // namespace acc

#endif // ACC_ACC_HPP
