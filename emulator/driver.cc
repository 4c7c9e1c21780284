// SPDX-License-Identifier: MIT
//
// What the files of one emulated card share: the device, memory, events and waiting.
#include "emulator/driver.h"

#include "emulator/spec.h"
#include "emulator/sync.h"

#include "acc/check.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace acc::emu
{

// ------------------------------------------------------------------- creation

Result<std::shared_ptr<Emulator>> Emulator::create(std::string_view spec, std::string &why,
                                                   LogFunction log)
{
    ACC_TRY(DeviceParts parts, make_device_parts(spec, why, log));
    auto driver = Driver::create(std::move(parts.engine), parts.options, std::move(log),
                                 std::move(parts.cells));
    if (!driver) {
        why = std::string("the emulated device did not start: ") + std::strerror(-driver.error());
        return Error{driver.error()};
    }
    return std::shared_ptr<Emulator>(std::move(*driver));
}

Result<std::shared_ptr<Driver>> Driver::create(std::unique_ptr<Engine> engine,
                                               const DeviceOptions &options, LogFunction log,
                                               std::unique_ptr<CellStore> cells)
{
    std::shared_ptr<Driver> driver(new Driver(options, std::move(log)));
    ACC_TRY(driver->device_,
            Device::create(std::move(engine), options, driver->memory_, *driver, std::move(cells)));
    // What the device is and its own limits, read once.
    ACC_TRY(auto page, driver->create_object(ACC_PAGE_BYTES, "acc-staging"));
    const auto identify = [&](uint32_t what, auto &out) {
        acc_admin_cmd command = {};
        command.op = ACC_ADMIN_IDENTIFY;
        command.identify.data = page->bus_start;
        command.identify.what = what;
        const int error = driver->device_->admin(command).status;
        if (!error) std::memcpy(&out, page->page(0), sizeof out);
        return error;
    };
    drm_acc_identity identity;
    if (const int error = identify(ACC_IDENTIFY_IDENTITY, identity)) return Error{error};
    driver->features_ = identity.features;
    if (const int error = identify(ACC_IDENTIFY_LIMITS, driver->limits_)) return Error{error};
    driver->limits_.max_bo_bytes = options.memory_bytes;
    driver->limits_.max_client_bytes = options.memory_bytes;
    return driver;
}

Driver::~Driver() = default;

void Driver::log(int level, const std::string &text) const
{
    if (log_) log_(level, text);
}

Result<std::unique_ptr<Client>> Driver::open(const ClientOptions &options)
{
    std::shared_lock no_reset(reset_mutex_);
    if (const int gone = gone_.load(std::memory_order_acquire)) return Error{-gone};
    uint32_t asid;
    {
        std::lock_guard lock(files_mutex_);
        asid = next_asid_++;
    }
    ACC_TRY(auto file, File::create(shared_from_this(), options, asid));
    std::lock_guard lock(files_mutex_);
    files_.emplace(asid, file.get());
    // Unplugged meanwhile: it may not have been told.
    if (const int gone = gone_.load(std::memory_order_acquire)) file->set_lost(gone);
    return std::unique_ptr<Client>(std::move(file));
}

int Driver::inject(uint32_t what, uint32_t count, uint64_t argument)
{
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_INJECT;
    command.inject.what = what;
    command.inject.count = count;
    command.inject.argument = argument;
    return device_->admin(command).status;
}

// --------------------------------------------------------------------- memory

void Driver::adopt(MemoryObject &object, std::function<void(uint64_t bytes)> give_back)
{
    memory_.add(object);
    device_bytes_.fetch_add(object.bytes(), std::memory_order_relaxed);
    object.released = [this, give_back = std::move(give_back)](const MemoryObject &gone) {
        memory_.remove(gone);
        device_bytes_.fetch_sub(gone.bytes(), std::memory_order_relaxed);
        if (give_back) give_back(gone.bytes());
        std::lock_guard lock(objects_mutex_);
        const auto found = objects_.find(gone.identity());
        if (found != objects_.end() && found->second.expired()) objects_.erase(found);
    };
}

Result<std::shared_ptr<MemoryObject>> Driver::create_object(uint64_t bytes, const char *name)
{
    ACC_TRY(auto object, MemoryObject::create(bytes, options_.scatter, name));
    adopt(*object, nullptr);
    return object;
}

Result<std::shared_ptr<MemoryObject>> Driver::import_object(int fd,
                                                            const std::shared_ptr<Account> &account)
{
    ACC_TRY(auto object, MemoryObject::import(fd, options_.scatter));
    std::lock_guard lock(objects_mutex_);
    auto &entry = objects_[object->identity()];
    // One object however often it comes in, and charged to who brought it first.
    if (auto known = entry.lock()) return known;
    if (!account->bytes.take(object->bytes())) {
        objects_.erase(object->identity());
        return Error{-EDQUOT};
    }
    adopt(*object, [account](uint64_t bytes) { account->bytes.give(bytes); });
    entry = object;
    return object;
}

// ------------------------------------------------------------ events, waiting

void Driver::raise(const acc_event &event)
{
    File::Place place;
    {
        std::shared_lock lock(files_mutex_);
        const auto found = files_.find(event.asid);
        if (found == files_.end()) return;
        if (event.type != ACC_EVENT_SIGNAL) {
            if (event.type == ACC_EVENT_FAULT)
                log(1, "queue " + std::to_string(event.queue) + " of client " +
                           std::to_string(event.asid) + " faulted: status " +
                           std::to_string(event.code) + ", packet " +
                           std::to_string(event.packet_index) + ", address " +
                           std::to_string(event.address));
            found->second->fire();
            return;
        }
        place = found->second->resolve(event.address, true);
    }
    if (place.object) wake(place.object, place.offset, ACC_SIGNAL_BYTES, nullptr);
}

void Driver::add_binder(const MemoryObject &object, uint32_t asid)
{
    std::lock_guard lock(binders_mutex_);
    binders_[&object][asid]++;
}

void Driver::remove_binder(const MemoryObject &object, uint32_t asid)
{
    std::lock_guard lock(binders_mutex_);
    const auto found = binders_.find(&object);
    const auto count = found->second.find(asid);
    if (--count->second) return;
    found->second.erase(count);
    if (found->second.empty()) binders_.erase(found);
}

std::vector<uint32_t> Driver::binders(const MemoryObject &object)
{
    std::vector<uint32_t> asids;
    std::lock_guard lock(binders_mutex_);
    const auto found = binders_.find(&object);
    if (found == binders_.end()) return asids;
    asids.reserve(found->second.size());
    for (const auto &[asid, count] : found->second)
        asids.push_back(asid);
    return asids;
}

void Driver::wake(const std::shared_ptr<MemoryObject> &object, uint64_t offset, uint64_t range,
                  const File *caller)
{
    Kept last;
    {
        std::lock_guard lock(wait_mutex_);
        auto waiter = waiters_.lower_bound({object.get(), offset});
        while (waiter != waiters_.end() && waiter->first < SignalKey{object.get(), offset + range})
            waiter = finish_wait(waiter->second) ? forget_wait(waiter, last) : std::next(waiter);
    }
    const auto asids = binders(*object);
    std::shared_lock lock(files_mutex_);
    for (const uint32_t asid : asids) {
        const auto file = files_.find(asid);
        if (file == files_.end()) continue; // it is going
        if (file->second != caller) file->second->fire();
        acc_admin_cmd command = {};
        command.op = ACC_ADMIN_WAKE;
        command.asid = asid;
        (void)device_->admin(command); // ENOENT: the client is going
    }
}

// -------------------------------------------------------------------- waiting

uint64_t Driver::start_wait(const SignalKey &key, Waiter waiter)
{
    // Registered before it asks for the wake (docs/protocols.md, "notify"): the lock stands
    // for both.
    std::lock_guard lock(wait_mutex_);
    if (finish_wait(waiter)) return 0;
    waiter.id = next_wait_++;
    const uint64_t id = waiter.id;
    waiters_by_id_.emplace(id, waiters_.emplace(key, std::move(waiter)));
    return id;
}

bool Driver::finish_wait(Waiter &waiter)
{
    shared(waiter.signal->notify).fetch_or(ACC_NOTIFY_HOST, std::memory_order_seq_cst);
    full_fence_after_rmw();
    const int64_t observed = shared(waiter.signal->value).load(std::memory_order_acquire);
    if (acc_condition_holds(observed, waiter.condition, waiter.value))
        waiter.done(0, observed);
    else if (const int lost = waiter.file->lost_.load(std::memory_order_acquire))
        waiter.done(-lost, observed);
    else
        return false;
    return true;
}

Driver::Waiters::iterator Driver::forget_wait(Waiters::iterator waiter, Kept &last)
{
    last.push_back(std::move(waiter->second.object));
    waiters_by_id_.erase(waiter->second.id);
    return waiters_.erase(waiter);
}

bool Driver::cancel_wait(const File &file, uint64_t id, int64_t &observed)
{
    Kept last;
    std::lock_guard lock(wait_mutex_);
    const auto found = waiters_by_id_.find(id);
    if (found == waiters_by_id_.end() || found->second->second.file != &file) return false;
    observed = shared(found->second->second.signal->value).load(std::memory_order_acquire);
    forget_wait(found->second, last);
    return true;
}

// Of a file, or of all: who waits for what never comes now is told.
void Driver::end_lost_waits(const File *file)
{
    Kept last;
    std::lock_guard lock(wait_mutex_);
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
        const bool ours = !file || waiter->second.file == file;
        waiter =
            ours && finish_wait(waiter->second) ? forget_wait(waiter, last) : std::next(waiter);
    }
}

void Driver::lose(int error)
{
    if (error == ENODEV) gone_.store(ENODEV, std::memory_order_release);
    {
        std::shared_lock lock(files_mutex_);
        for (auto &[asid, file] : files_)
            file->set_lost(error);
    }
    end_lost_waits(nullptr);
}

bool Driver::idle()
{
    return device_->idle();
}

void Driver::unplug()
{
    log(3, "the device is gone");
    lose(ENODEV);
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_DEVICE_RESET; // what is gone executes nothing
    (void)device_->admin(command);
}

int Driver::reset()
{
    log(3, "device reset: all clients lose their context");
    std::unique_lock no_open(reset_mutex_);
    lose(EIO);
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_DEVICE_RESET;
    return device_->admin(command).status;
}

void Driver::close(File &file)
{
    {
        std::lock_guard lock(files_mutex_);
        files_.erase(file.asid());
    }
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_AS_DESTROY;
    command.asid = file.asid();
    (void)device_->admin(command); // ENOENT after a reset
}

} // namespace acc::emu
