// SPDX-License-Identifier: MIT
#include "offload.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <sys/random.h>

// The role's program, as the build embedded it.
extern "C" {
extern const unsigned char acc_omp_image[];
extern const unsigned char acc_omp_image_end[];
}

namespace acc::openmp
{
namespace
{

constexpr size_t kOutputBytes = size_t{64} << 10;

std::string with_errno(const char *what)
{
    return std::string(what) + ": " + acc_error_text();
}

// A copy of the role's image that no other client has: clients that share a unit would take
// turns in its one region, each with a fresh process.
std::vector<unsigned char> image_of_ours(std::string &why)
{
    std::vector<unsigned char> image(acc_omp_image, acc_omp_image_end);
    constexpr size_t length = sizeof(ACC_OMP_NONCE) - 1;
    const auto *name = reinterpret_cast<const unsigned char *>(ACC_OMP_NONCE);
    const auto found = std::search(image.begin(), image.end(), name, name + length);
    if (found == image.end()) {
        why = "expected the role's image; found another";
        return {};
    }
    if (getrandom(&*found, length, 0) != static_cast<ssize_t>(length))
        why = "expected random bytes; found none";
    return image;
}

// Of the program's runtime, whichever it is; it isn't ready to be asked when it loads a plugin.
bool has_cancellation()
{
    static const bool has = [] {
        auto *const ask = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_cancellation"));
        return ask && ask();
    }();
    return has;
}

} // namespace

std::unique_ptr<Offload> Offload::open(const OffloadOptions &options, std::string &why)
{
    acc_device *device = nullptr;
    if (acc_device_open(options.uri, nullptr, &device) < 0) {
        why = with_errno(options.uri);
        return nullptr;
    }
    std::unique_ptr<Offload> offload(new Offload(device));
    offload->timeout_ns_ = options.timeout_ns;
    if (offload->prepare(why) < 0) return nullptr;
    return offload;
}

int Offload::prepare(std::string &why)
{
    const std::vector<unsigned char> image = image_of_ours(why);
    if (!why.empty()) return -EINVAL;
    int error = acc_program_load(device_, image.data(), image.size(), &program_);
    acc_kernel_info kernel = ACC_INIT(acc_kernel_info);
    if (error >= 0) error = acc_program_find(program_, ACC_OMP_KERNEL, &kernel);
    if (error < 0) {
        why = with_errno("the role of OpenMP programs");
        return error;
    }
    kernel_ = kernel.kernel_object;
    why = renew_queue(0);
    return why.empty() ? 0 : -EIO;
}

Offload::~Offload()
{
    if (queue_) (void)acc_queue_destroy(queue_);
    for (const auto &flight : flights_)
        if (flight->signal) (void)acc_signal_destroy(flight->signal);
    if (program_) (void)acc_program_unload(program_);
}

// A queue that has faulted takes nothing any more. `failed`: its id, or 0 for the first.
std::string Offload::renew_queue(uint32_t failed)
{
    std::unique_lock lock(queue_mutex_);
    if (queue_ && acc_queue_id(queue_) != failed) return {}; // somebody has
    acc_queue_options options = ACC_INIT(acc_queue_options);
    options.timeout_ns = timeout_ns_;
    acc_queue *fresh = nullptr;
    if (acc_queue_create(device_, &options, &fresh) < 0) return with_errno("a queue");
    acc_queue *old = queue_;
    queue_ = fresh;
    lock.unlock();
    if (old) (void)acc_queue_destroy(old);
    return {};
}

Offload::Flight *Offload::take_flight(std::string &why)
{
    std::unique_lock lock(flight_mutex_);
    if (!idle_.empty()) {
        Flight *flight = idle_.back();
        idle_.pop_back();
        return flight;
    }
    lock.unlock();
    auto made = std::make_unique<Flight>();
    made->offload = this;
    acc_device *const devices[] = {device_};
    made->output = static_cast<acc_omp_output *>(memory_.allocate(kOutputBytes));
    made->list = static_cast<uint64_t *>(memory_.allocate(ACC_OMP_MAX_ARGUMENTS * 8));
    if (!made->output || !made->list || acc_signal_create(devices, 1, 1, &made->signal) < 0) {
        why = with_errno("a launch");
        memory_.free(made->output);
        memory_.free(made->list);
        return nullptr;
    }
    lock.lock();
    flights_.push_back(std::move(made));
    return flights_.back().get();
}

void Offload::give_back(Flight *flight)
{
    std::lock_guard lock(flight_mutex_);
    idle_.push_back(flight);
}

std::string Offload::launch(Flight &flight, void *argument, std::optional<uint32_t> count)
{
    const Objects::Object &object = *flight.function->object;
    const DeviceMemory::Ranges ranges = memory_.ranges();
    acc_signal_reset(flight.signal, 1);
    flight.output->room = kOutputBytes - sizeof(acc_omp_output);
    flight.output->used = flight.output->lost = flight.output->reserved = 0;
    acc_omp_launch launch = {};
    launch.abi = ACC_OMP_ABI;
    launch.call = count ? ACC_OMP_CALL_LIST : ACC_OMP_CALL_BLOCK;
    launch.object = reinterpret_cast<uint64_t>(acc_buffer_data(object.buffer));
    launch.object_bytes = object.bytes;
    launch.object_id = object.id;
    launch.entry = flight.function->entry;
    launch.arguments = reinterpret_cast<uint64_t>(count ? flight.list : argument);
    launch.argument_count = count.value_or(0);
    launch.place = object.place ? reinterpret_cast<uint64_t>(acc_buffer_data(object.place)) : 0;
    launch.thread_limit = flight.thread_limit;
    launch.flags = has_cancellation() ? ACC_OMP_CANCELLATION : 0;
    launch.host_stdout = reinterpret_cast<uint64_t>(stdout);
    launch.host_stderr = reinterpret_cast<uint64_t>(stderr);
    launch.ranges = ranges.count;
    launch.range_table = ranges.table;
    launch.range_generation = ranges.generation;
    launch.output = reinterpret_cast<uint64_t>(flight.output);
    acc_dispatch dispatch = ACC_INIT(acc_dispatch);
    dispatch.kernel_object = kernel_;
    dispatch.kernargs = &launch;
    dispatch.kernarg_bytes = sizeof launch;
    dispatch.completion = flight.signal;
    for (int tries = 0;; tries++) {
        uint32_t failed = 0;
        {
            std::shared_lock lock(queue_mutex_);
            const int error = acc_queue_dispatch(queue_, &dispatch);
            if (error >= 0) {
                flight.queue = acc_queue_id(queue_);
                return {};
            }
            if (error != -EIO || tries) return with_errno("a launch");
            failed = acc_queue_id(queue_);
        }
        // Another launch's error, between that and its new queue.
        if (std::string why = renew_queue(failed); !why.empty()) return why;
    }
}

std::string Offload::failure(const Flight &flight, uint32_t status)
{
    std::string text = "target region " + Objects::name_of(*flight.function) + ": ";
    if (status == ACC_STATUS_CANCELLED) return text + "cancelled by the error of one before it";
    text += acc_status_name(status);
    acc_fault_info fault = ACC_INIT(acc_fault_info);
    for (uint32_t i = 0; acc_device_get_fault(device_, i, &fault) >= 0; i++)
        if (fault.queue == flight.queue) return text + ": " + fault.text;
    return text;
}

// Its signal is 0. Prints what the region printed.
std::string Offload::finish(Flight &flight)
{
    // The region may still write there if it is no good: what is read is held to the room.
    const acc_omp_output header = *flight.output;
    const size_t used = std::min<size_t>(header.used, kOutputBytes - sizeof(acc_omp_output));
    if (used) {
        (void)fwrite(flight.output->text, 1, used, stdout);
        if (header.lost)
            fprintf(stderr, "%u more bytes of a target region's output were lost\n", header.lost);
    }
    acc_signal_result result = ACC_INIT(acc_signal_result);
    if (acc_signal_get_result(flight.signal, &result) < 0) return acc_error_text();
    if (result.status == ACC_STATUS_OK) return {};
    std::string text = failure(flight, result.status);
    (void)renew_queue(flight.queue);
    return text;
}

std::string Offload::run(const void *function, void *argument, uint32_t thread_limit)
{
    std::string why;
    const Objects::Function *found = objects_.find(function, why);
    if (!found) return why;
    Flight *flight = take_flight(why);
    if (!flight) return why;
    flight->function = found;
    flight->thread_limit = thread_limit;
    why = launch(*flight, argument);
    if (why.empty()) why = wait(*flight);
    give_back(flight);
    return why;
}

std::string Offload::wait(Flight &flight)
{
    if (acc_signal_wait(flight.signal, ACC_COND_EQ, 0, ACC_FOREVER, nullptr) < 0)
        // The device is gone: nothing comes any more.
        return "target region " + Objects::name_of(*flight.function) + ": " + acc_error_text();
    return finish(flight);
}

std::string Offload::run_list(const Objects::Function &function, const uint64_t *list,
                              uint32_t count, uint32_t thread_limit)
{
    if (count > ACC_OMP_MAX_ARGUMENTS)
        return "target region " + Objects::name_of(function) + ": expected at most " +
               std::to_string(ACC_OMP_MAX_ARGUMENTS) + " arguments; found " + std::to_string(count);
    std::string why;
    Flight *flight = take_flight(why);
    if (!flight) return why;
    flight->function = &function;
    flight->thread_limit = thread_limit;
    std::copy_n(list, count, flight->list);
    why = launch(*flight, nullptr, count);
    if (why.empty()) why = wait(*flight);
    give_back(flight);
    return why;
}

std::string Offload::start(const void *function, void *argument, uint32_t thread_limit, Done done,
                           void *user)
{
    std::string why;
    const Objects::Function *found = objects_.find(function, why);
    if (!found) return why;
    Flight *flight = take_flight(why);
    if (!flight) return why;
    flight->function = found;
    flight->thread_limit = thread_limit;
    flight->done = done;
    flight->user = user;
    why = launch(*flight, argument);
    if (!why.empty()) {
        give_back(flight);
        return why;
    }
    const auto completed = [](void *self, acc_signal *, int64_t, int error) {
        auto *flight = static_cast<Flight *>(self);
        const std::string text =
            error ? "target region " + Objects::name_of(*flight->function) + ": the device is lost"
                  : flight->offload->finish(*flight);
        const Done done = flight->done;
        void *const user = flight->user;
        flight->offload->give_back(flight);
        done(user, text);
    };
    if (acc_signal_on(flight->signal, ACC_COND_EQ, 0, completed, flight) < 0)
        return with_errno("a launch"); // it is under way: its flight isn't used again
    return {};
}

} // namespace acc::openmp
