// SPDX-License-Identifier: MIT
//
// One open of the emulated device: identity, events, waiting, programs. Its memory is in
// file_memory.cc, its queues in file_queue.cc.
#include "emulator/driver.h"

#include "acc/check.h"
#include "emulator/clock.h"
#include "emulator/sync.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace acc::emu
{

File::File(std::shared_ptr<Driver> driver, const ClientOptions &options, uint32_t asid)
    : driver_(std::move(driver)), options_(options), asid_(asid), opener_(getpid()),
      who_(opener_of(options, asid)), charge_(std::make_shared<Charge>()),
      account_(options.account ? options.account : std::make_shared<Account>(Quota{}))
{
    charge_->account = account_;
    for (uint32_t i = 0; i < ACC_DOORBELLS_PER_PAGE; i++)
        free_doorbells_.insert(free_doorbells_.end(), i);
}

Result<std::unique_ptr<File>> File::create(std::shared_ptr<Driver> driver,
                                           const ClientOptions &options, uint32_t asid)
{
    std::unique_ptr<File> file(new File(std::move(driver), options, asid));
    ACC_TRY(file->staging_, file->driver_->create_object(ACC_PAGE_BYTES, "acc-staging"));
    ACC_TRY(file->doorbells_,
            file->driver_->create_object(ACC_DOORBELL_PAGE_BYTES, "acc-doorbells"));
    ACC_TRY(file->status_, file->driver_->create_object(ACC_PAGE_BYTES, "acc-status"));
    // The client gets a descriptor that was opened for reading, and what it may open again
    // through /proc is sealed: no mapping but the device's can write.
    if (const int error = file->status_->seal_writers()) return Error{error};
    const std::string path = "/proc/self/fd/" + std::to_string(file->status_->fd());
    file->status_reader_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file->status_reader_) return Error{-errno};
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_AS_CREATE;
    command.space.weight = options.weight;
    if (const int error = file->admin(command)) return Error{error};
    return file;
}

File::~File()
{
    // A child of fork must not end what is its parent's.
    if (getpid() != opener_) return;
    driver_->close(*this);
    for (const auto &[address, binding] : bindings_)
        driver_->remove_binder(*binding.object, asid_);
    account_->buffers.give(buffers_.size());
    account_->queues.give(queues_.size());
    for (const auto &[program, bytes] : programs_)
        give_program(bytes);
    for (const auto &[program, units] : pins_)
        account_->pins.give(units);
}

void File::abandon()
{
    set_lost(ENODEV);
    driver_->end_lost_waits(this);
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_AS_DESTROY;
    (void)admin(command); // ENOENT after a reset
}

int File::admin(acc_admin_cmd &command, acc_admin_cpl *completion)
{
    command.asid = asid_;
    const acc_admin_cpl result = driver_->device_->admin(command);
    if (completion) *completion = result;
    return result.status;
}

// Asks the device for one of its structs, through the staging page.
int File::identify(uint32_t op, uint32_t object, uint32_t what, uint32_t index, void *out,
                   size_t bytes)
{
    std::lock_guard lock(staging_mutex_);
    acc_admin_cmd command = {};
    command.op = uint16_t(op);
    command.object = object;
    command.identify.data = staging_->bus_start;
    command.identify.what = what;
    command.identify.index = index;
    if (const int error = admin(command)) return error;
    std::memcpy(out, staging_->page(0), bytes);
    return 0;
}

// ----------------------------------------------------------------- identity

int File::version(drm_version &args)
{
    static constexpr char date[] = "20261121";
    static constexpr char text[] = "ACC accelerators (emulated)";
    args.version_major = DRM_ACC_VERSION_MAJOR;
    args.version_minor = DRM_ACC_VERSION_MINOR;
    args.version_patchlevel = 0;
    const auto copy = [](char *to, __kernel_size_t &length, const char *from) {
        const size_t real = std::strlen(from);
        if (to && length) std::memcpy(to, from, std::min<size_t>(length, real));
        length = real;
    };
    copy(args.name, args.name_len, DRM_ACC_DRIVER_NAME);
    copy(args.date, args.date_len, date);
    copy(args.desc, args.desc_len, text);
    return 0;
}

int File::get_cap(drm_get_cap &args)
{
    // As drm_getcap answers for a node without a display.
    args.value = 0;
    switch (args.capability) {
    case DRM_CAP_PRIME:
        args.value = DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
        return 0;
    case DRM_CAP_TIMESTAMP_MONOTONIC:
        args.value = 1;
        return 0;
    case DRM_CAP_SYNCOBJ:
    case DRM_CAP_SYNCOBJ_TIMELINE:
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

int File::dev_query(drm_acc_dev_query &args)
{
    if (const int error = acc_check_query(&args)) return error;
    const auto ask = [&](uint32_t what, void *out, size_t bytes) {
        return identify(ACC_ADMIN_IDENTIFY, 0, what, args.index, out, bytes);
    };
    switch (args.type) {
    case DRM_ACC_QUERY_IDENTITY:
        return ask(ACC_IDENTIFY_IDENTITY, &args.identity, sizeof args.identity);
    case DRM_ACC_QUERY_LIMITS:
        args.limits = driver_->limits_;
        return 0;
    case DRM_ACC_QUERY_MEMORY:
        args.memory = memory_info();
        return 0;
    case DRM_ACC_QUERY_SLOT:
        return ask(ACC_IDENTIFY_SLOT, &args.slot, sizeof args.slot);
    case DRM_ACC_QUERY_COUNTERS:
        return ask(ACC_IDENTIFY_COUNTERS, &args.counters, sizeof args.counters);
    case DRM_ACC_QUERY_CLOCK:
        return ask(ACC_IDENTIFY_CLOCK, &args.clock, sizeof args.clock);
    case DRM_ACC_QUERY_TILE:
        return ask(ACC_IDENTIFY_TILE, &args.tile, sizeof args.tile);
    case DRM_ACC_QUERY_CLIENT:
        return driver_->describe_client(*this, args.index, args.client);
    case DRM_ACC_QUERY_TRACE: {
        // Who may reset the device may see what it does.
        std::lock_guard lock(staging_mutex_);
        acc_admin_cmd command = {};
        command.op = ACC_ADMIN_IDENTIFY;
        command.asid = options_.privileged ? 0 : asid_;
        command.identify.data = staging_->bus_start;
        command.identify.what = ACC_IDENTIFY_TRACE;
        command.identify.index = args.index;
        if (const int error = driver_->device_->admin(command).status) return error;
        std::memcpy(&args.trace, staging_->page(0), sizeof args.trace);
        return 0;
    }
    default:
        return identify(ACC_ADMIN_LOG, 0, 0, args.index, &args.fault, sizeof args.fault);
    }
}

// ------------------------------------------------------------ events, waiting

int File::event_set(drm_acc_event_set &args)
{
    if (args.flags || args.fd < -1) return -EINVAL;
    if (options_.event_socket >= 0) return -EOPNOTSUPP;
    UniqueFd event;
    if (args.fd >= 0) {
        char target[64] = {};
        const std::string path = "/proc/self/fd/" + std::to_string(args.fd);
        if (readlink(path.c_str(), target, sizeof target - 1) < 0) return -EBADF;
        if (std::strcmp(target, "anon_inode:[eventfd]") != 0) return -EINVAL;
        event.reset(fcntl(args.fd, F_DUPFD_CLOEXEC, 0));
        if (!event) return -errno;
    }
    std::lock_guard lock(event_mutex_);
    event_ = std::move(event);
    return 0;
}

void File::fire()
{
    // A socket that is full has told the client already.
    if (options_.event_socket >= 0) {
        const char event = 1;
        (void)!send(options_.event_socket, &event, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        return;
    }
    std::lock_guard lock(event_mutex_);
    if (!event_) return;
    // As the kernel's eventfd_signal, never block: a full counter is a pending event.
    pollfd ready = {event_.get(), POLLOUT, 0};
    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT)) eventfd_write(event_.get(), 1);
}

void File::set_lost(int error)
{
    lost_.store(error, std::memory_order_release);
    auto *page = reinterpret_cast<acc_status_page *>(status_->page(0));
    shared(page->lost).store(uint32_t(error), std::memory_order_release);
    shared(page->generation).fetch_add(1, std::memory_order_relaxed);
    fire();
}

uint64_t File::start_wait(const drm_acc_wait &request, WaitDone done)
{
    int error = acc_check_wait(&request);
    Place at;
    if (!error) {
        at = resolve(request.address, true);
        if (!at.object) error = -EFAULT;
    }
    if (const int lost = lost_.load(std::memory_order_acquire)) error = -lost;
    if (error) {
        done(error, 0);
        return 0;
    }
    Driver::Waiter waiter;
    waiter.file = this;
    waiter.signal = reinterpret_cast<acc_signal_memory *>(at.object->at(at.offset));
    waiter.condition = request.condition;
    waiter.value = request.value;
    waiter.done = std::move(done);
    const SignalKey key = {at.object.get(), at.offset};
    waiter.object = std::move(at.object);
    return driver_->start_wait(key, std::move(waiter));
}

bool File::cancel_wait(uint64_t id, int64_t &observed)
{
    return driver_->cancel_wait(*this, id, observed);
}

int File::wait(drm_acc_wait &args)
{
    using namespace std::chrono;
    struct {
        std::mutex mutex;
        std::condition_variable over;
        bool done = false;
        int error = 0;
    } state;
    const uint64_t id = start_wait(args, [&](int error, int64_t observed) {
        std::lock_guard lock(state.mutex);
        state.done = true;
        state.error = error;
        args.observed = observed;
        state.over.notify_one();
    });
    constexpr auto latest = uint64_t(steady_clock::time_point::max().time_since_epoch().count());
    const auto is_done = [&] { return state.done; };
    {
        std::unique_lock lock(state.mutex);
        if (args.timeout_ns >= latest)
            state.over.wait(lock, is_done);
        else
            state.over.wait_until(lock, steady_clock::time_point(nanoseconds(args.timeout_ns)),
                                  is_done);
        if (state.done) return state.error;
    }
    int64_t observed;
    if (cancel_wait(id, observed)) {
        args.observed = observed;
        return acc_condition_holds(observed, args.condition, args.value) ? 0 : -ETIME;
    }
    std::unique_lock lock(state.mutex); // `done` is being called
    state.over.wait(lock, is_done);
    return state.error;
}

int File::signal_wake(drm_acc_signal_wake &args)
{
    if (const int error = acc_check_signal_wake(&args)) return error;
    uint64_t address = args.address;
    uint64_t left = std::max<uint64_t>(args.range, ACC_SIGNAL_BYTES);
    while (left) {
        const Place place = resolve(address, false);
        if (!place.object) return -EFAULT;
        const uint64_t part = std::min(left, place.bytes);
        driver_->wake(place.object, place.offset, part, this);
        address += part;
        left -= part;
    }
    return 0;
}

// ------------------------------------------------------------------ programs

int File::program_load(drm_acc_program_load &args)
{
    std::shared_ptr<MemoryObject> object;
    uint32_t program;
    {
        std::lock_guard lock(mutex_);
        const auto found = buffers_.find(args.handle);
        if (found == buffers_.end()) return -ENOENT;
        object = found->second.object;
        program = next_program_++;
    }
    std::memset(args.why, 0, sizeof args.why);
    if (const int error =
            acc_check_program_load(&args, driver_->features_, &driver_->limits_, object->bytes()))
        return error;
    if (!options_.load_programs) return -EACCES;

    const uint64_t first = args.offset >> ACC_PAGE_SHIFT;
    const uint64_t last = (args.offset + args.size - 1) >> ACC_PAGE_SHIFT;
    const uint64_t pages = last - first + 1;
    const uint64_t per_page = ACC_PAGE_BYTES / sizeof(acc_u64);
    // The list, and behind it a page for the reason of a refusal.
    const uint64_t list_pages = (pages + per_page - 1) / per_page;
    auto list = driver_->create_object((list_pages + 1) * ACC_PAGE_BYTES, "acc-image-list");
    if (!list) return list.error();
    for (uint64_t i = 0; i < pages; i++) {
        const uint64_t bus = object->bus_start + (first + i) * ACC_PAGE_BYTES;
        std::memcpy((*list)->at(i * sizeof bus), &bus, sizeof bus);
    }
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_PROGRAM_LOAD;
    command.object = program;
    command.flags = args.flags & DRM_ACC_PROGRAM_PERSISTENT ? ACC_LOAD_PERSISTENT : 0;
    command.load.list = (*list)->bus_start;
    command.load.offset = args.offset & (ACC_PAGE_BYTES - 1);
    command.load.size = args.size;
    command.load.why = (*list)->bus_start + list_pages * ACC_PAGE_BYTES;
    // The device keeps what it made of the image, and that is about as long.
    const bool one = account_->programs.take(1);
    if (!one || !account_->bytes.take(args.size)) {
        if (one) account_->programs.give(1);
        std::strncpy(args.why,
                     one ? "the image is longer than what the user's quota of bytes has left"
                         : "the user has as many programs as its quota allows",
                     sizeof args.why - 1);
        return -EDQUOT;
    }
    acc_admin_cpl completion;
    const int error = admin(command, &completion);
    std::memcpy(args.why, (*list)->page(list_pages), sizeof args.why - 1);
    if (error) {
        give_program(args.size);
        driver_->log(1, "program refused: " + std::string(args.why));
        return error;
    }
    {
        std::lock_guard lock(mutex_);
        programs_.emplace(program, args.size);
    }
    args.program = program;
    args.kernels = uint32_t(completion.result1);
    args.kernel_object_base = completion.result0;
    return 0;
}

int File::program_unload(drm_acc_program_unload &args)
{
    if (args.pad) return -EINVAL;
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_PROGRAM_UNLOAD;
    command.object = args.program;
    if (const int error = admin(command)) return error;
    charge_pins(args.program, 0);
    std::lock_guard lock(mutex_);
    const auto found = programs_.find(args.program);
    give_program(found->second);
    programs_.erase(found);
    return 0;
}

void File::give_program(uint64_t bytes)
{
    account_->programs.give(1);
    account_->bytes.give(bytes);
}

// The account follows what the device says is pinned.
void File::charge_pins(uint32_t program, uint64_t units)
{
    std::lock_guard lock(mutex_);
    uint32_t &charged = pins_[program];
    account_->pins.set(charged, units);
    charged = uint32_t(units);
    if (!units) pins_.erase(program);
}

int File::program_query(drm_acc_program_query &args)
{
    acc_kernel_state state;
    if (const int error =
            identify(ACC_ADMIN_PROGRAM_QUERY, args.program, 0, args.kernel, &state, sizeof state))
        return error;
    args.kernel_object = state.kernel_object;
    args.kernarg_bytes = state.kernarg_bytes;
    args.group_bytes = state.group_bytes;
    args.private_bytes = state.private_bytes;
    args.slot = state.slot;
    args.loads = state.loads;
    args.pinned = state.pinned;
    args.kernels = state.kernels;
    std::memcpy(args.name, state.name, sizeof args.name);
    return 0;
}

int File::program_prefetch(drm_acc_program_prefetch &args)
{
    if (args.flags || args.pad) return -EINVAL;
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_PROGRAM_PREFETCH;
    command.object = args.program;
    command.program.kernel = args.kernel;
    return admin(command);
}

int File::program_pin(drm_acc_program_pin &args)
{
    if (args.flags || args.pin > 1) return -EINVAL;
    // Against the account's other pins between the look and the charge.
    std::lock_guard lock(account_->pin_mutex);
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_PROGRAM_PIN;
    command.object = args.program;
    command.program.kernel = args.kernel;
    command.program.pin = args.pin;
    command.program.quota = uint32_t(std::min<uint64_t>(account_->pins.left(), ~0u));
    acc_admin_cpl completion;
    const int error = admin(command, &completion);
    if (!error) charge_pins(args.program, completion.result0);
    return error;
}

int File::reset(drm_acc_reset &args)
{
    if (args.flags || args.pad || args.what > DRM_ACC_RESET_DEVICE) return -EINVAL;
    acc_admin_cmd command = {};
    command.object = args.id;
    switch (args.what) {
    case DRM_ACC_RESET_QUEUE:
        command.op = ACC_ADMIN_QUEUE_RESET;
        return admin(command);
    case DRM_ACC_RESET_SLOT:
        command.op = ACC_ADMIN_SLOT_RESET;
        return admin(command);
    default:
        if (args.id) return -EINVAL;
        if (!options_.privileged) return -EACCES;
        return driver_->reset();
    }
}

} // namespace acc::emu
