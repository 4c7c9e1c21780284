// SPDX-License-Identifier: MIT
//
// The device core: admin commands on address spaces, memory and queues. Programs are in
// device_program.cc.
#include "emulator/device.h"

#include "emulator/clock.h"
#include "emulator/queue.h"

#include "acc/check.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/eventfd.h>

namespace acc::emu
{

Device::Device(std::unique_ptr<Engine> engine, const DeviceOptions &options, Bus &bus,
               EventSink &events, unsigned workers, std::unique_ptr<CellStore> cells)
    : engine_(std::move(engine)), info_(engine_->info()), options_(options), bus_(bus),
      events_(events), clock_(uint32_t(engine_->slots().size())),
      residency_(*engine_,
                 {.evict_foreign = info_.engine != DRM_ACC_ENGINE_CROSSBAR,
                  .recovers = info_.recovers,
                  .pace_real = options.pace_real,
                  .policy = options.policy},
                 clock_, std::move(cells)),
      scheduler_(workers), workers_(workers)
{
}

Result<std::unique_ptr<Device>> Device::create(std::unique_ptr<Engine> engine,
                                               const DeviceOptions &options, Bus &bus,
                                               EventSink &events, std::unique_ptr<CellStore> cells)
{
    unsigned workers = options.workers;
    if (!workers) workers = std::max<unsigned>(4, unsigned(engine->slots().size()) + 2);
    std::unique_ptr<Device> device(
        new Device(std::move(engine), options, bus, events, workers, std::move(cells)));
    if (const int error = device->scheduler_.start()) return Error{error};
    return device;
}

Device::~Device()
{
    std::vector<uint32_t> ids;
    {
        std::shared_lock lock(spaces_mutex_);
        for (auto &[asid, space] : spaces_)
            ids.push_back(asid);
    }
    for (const uint32_t asid : ids)
        destroy_space(asid);
    residency_.reset_all();
}

acc_admin_cpl Device::admin(const acc_admin_cmd &command)
{
    acc_admin_cpl completion = {};
    completion.id = command.id;
    completion.phase = 1;
    // Commands that need no address space.
    switch (command.op) {
    case ACC_ADMIN_IDENTIFY:
        completion.status = identify(command);
        return completion;
    case ACC_ADMIN_AS_CREATE:
        completion.status = create_space(command.asid, command.space.weight);
        return completion;
    case ACC_ADMIN_AS_DESTROY:
        completion.status = destroy_space(command.asid);
        return completion;
    case ACC_ADMIN_INJECT:
        completion.status = inject(command);
        return completion;
    case ACC_ADMIN_DEVICE_RESET:
        completion.status = reset_device();
        return completion;
    case ACC_ADMIN_SLOT_RESET:
        completion.status = residency_.reset_slot(command.object, command.asid, !command.asid);
        return completion;
    default:
        break;
    }
    const std::shared_ptr<Space> space = find_space(command.asid);
    if (!space) {
        completion.status = -ENOENT;
        return completion;
    }
    switch (command.op) {
    case ACC_ADMIN_MAP:
        completion.status = map(*space, command);
        break;
    case ACC_ADMIN_UNMAP:
        completion.status = unmap(*space, command);
        break;
    case ACC_ADMIN_QUEUE_CREATE:
        completion.status = create_queue(space, command);
        break;
    case ACC_ADMIN_QUEUE_DESTROY:
        completion.status = destroy_queue(*space, command.object);
        break;
    case ACC_ADMIN_QUEUE_RESET:
        completion.status = reset_queue(*space, command.object);
        break;
    case ACC_ADMIN_QUEUE_QUERY:
        completion.status = query_queue(*space, command);
        break;
    case ACC_ADMIN_PROGRAM_LOAD:
        completion.status = load_program(*space, command, completion);
        break;
    case ACC_ADMIN_PROGRAM_UNLOAD:
        completion.status = unload_program(*space, command.object);
        break;
    case ACC_ADMIN_PROGRAM_QUERY:
        completion.status = query_program(*space, command);
        break;
    case ACC_ADMIN_PROGRAM_PREFETCH:
        completion.status = prefetch_program(*space, command);
        break;
    case ACC_ADMIN_PROGRAM_PIN:
        completion.status = pin_program(*space, command, completion);
        break;
    case ACC_ADMIN_WAKE:
        scheduler_.wake_space(command.asid);
        break;
    case ACC_ADMIN_LOG:
        completion.status = read_log(*space, command);
        break;
    default:
        completion.status = -EINVAL;
    }
    return completion;
}

std::shared_ptr<Space> Device::find_space(uint32_t asid)
{
    std::shared_lock lock(spaces_mutex_);
    const auto found = spaces_.find(asid);
    return found == spaces_.end() ? nullptr : found->second;
}

int Device::kick_fd(uint32_t asid)
{
    const auto space = find_space(asid);
    return space ? space->kick.get() : -1;
}

bool Device::idle()
{
    bool idle = true;
    scheduler_.for_each(0, [&](const Queue &queue) { idle &= !queue.has_packet(); });
    return idle;
}

int Device::write_page(uint64_t bus_address, const void *data, size_t bytes)
{
    std::byte *page = bus_.page(bus_address & ~(ACC_PAGE_BYTES - 1));
    const uint64_t offset = bus_address & (ACC_PAGE_BYTES - 1);
    if (!page || offset + bytes > ACC_PAGE_BYTES) return -EFAULT;
    std::memcpy(page + offset, data, bytes);
    return 0;
}

// ---------------------------------------------------------------- identify

drm_acc_identity Device::identity() const
{
    drm_acc_identity out = {};
    out.engine = info_.engine;
    out.device_id = info_.device_id;
    out.abi_major = ACC_ABI_MAJOR;
    out.abi_minor = ACC_ABI_MINOR;
    out.features = DRM_ACC_FEATURE_ATOMICS | DRM_ACC_FEATURE_EMULATED | DRM_ACC_FEATURE_TRACE;
    if (info_.modelled) out.features |= DRM_ACC_FEATURE_MODELLED;
    if (options_.pace_real) out.features |= DRM_ACC_FEATURE_PACE_REAL;
    if (options_.scatter) out.features |= DRM_ACC_FEATURE_SCATTER;
    if (residency_.keeps_cells()) out.features |= DRM_ACC_FEATURE_PERSISTENT;
    if (info_.tiles) out.features |= DRM_ACC_FEATURE_TILES;
    if (info_.resources) out.features |= DRM_ACC_FEATURE_RESOURCES;
    std::strncpy(out.name, info_.name.c_str(), sizeof out.name - 1);
    std::strncpy(out.config, info_.config.c_str(), sizeof out.config - 1);
    std::memcpy(out.uuid, info_.shell, sizeof out.uuid);
    return out;
}

int Device::identify(const acc_admin_cmd &command)
{
    union {
        drm_acc_identity identity;
        drm_acc_limits limits;
        drm_acc_memory memory;
        drm_acc_slot slot;
        drm_acc_counters counters;
        drm_acc_clock clock;
        drm_acc_client client;
        drm_acc_trace trace;
        drm_acc_tile tile;
        std::byte bytes[ACC_IDENTIFY_BYTES];
    } out;
    std::memset(&out, 0, sizeof out);
    switch (command.identify.what) {
    case ACC_IDENTIFY_IDENTITY:
        out.identity = identity();
        break;
    case ACC_IDENTIFY_LIMITS:
        out.limits.max_queues = max_queues;
        out.limits.max_active_queues = workers_;
        out.limits.min_ring_packets = 1u << ACC_RING_MIN_LOG2;
        out.limits.max_ring_packets = 1u << ACC_RING_MAX_LOG2;
        out.limits.max_programs = max_programs;
        out.limits.max_pins = max_pins;
        out.limits.max_kernarg_bytes = max_kernarg_bytes;
        out.limits.doorbells_per_page = ACC_DOORBELLS_PER_PAGE;
        out.limits.max_program_bytes = max_program_bytes;
        out.limits.max_timeout_ns = max_timeout_ns;
        break;
    case ACC_IDENTIFY_MEMORY:
        out.memory.va_start = arena_start;
        out.memory.va_end = arena_end;
        out.memory.page_size = ACC_PAGE_BYTES;
        out.memory.va_bits = 47;
        break;
    case ACC_IDENTIFY_SLOT:
        if (command.identify.index >= residency_.slots()) return -ENOENT;
        out.slot = residency_.slot_state(command.identify.index, command.asid);
        break;
    case ACC_IDENTIFY_COUNTERS:
        out.counters = counters();
        break;
    case ACC_IDENTIFY_CLOCK:
        out.clock.device_ns = out.clock.monotonic_ns = now_ns();
        out.clock.device_hz = 1'000'000'000;
        out.clock.modelled_ns = clock_.now_ns();
        break;
    case ACC_IDENTIFY_CLIENT:
        if (const int error = describe_client(command.asid, out.client)) return error;
        break;
    case ACC_IDENTIFY_TRACE:
        if (const int error = residency_.trace(command.identify.index, command.asid, out.trace))
            return error;
        break;
    case ACC_IDENTIFY_TILE:
        if (!info_.tiles) return -EINVAL;
        if (const int error = engine_->tile(command.identify.index, out.tile)) return error;
        break;
    default:
        return -EINVAL;
    }
    return write_page(command.identify.data, &out, sizeof out);
}

drm_acc_counters Device::counters()
{
    drm_acc_counters out;
    {
        // A queue is counted once: while it lives, or among those that are gone.
        std::lock_guard lock(totals_mutex_);
        out = retired_;
        scheduler_.for_each(0, [&](Queue &queue) { queue.counters().add_to(out); });
    }
    out.faults = fault_count_.load(std::memory_order_relaxed);
    out.loads = residency_.total_loads();
    out.evictions = residency_.total_evictions();
    out.load_ns = residency_.total_load_ns();
    out.load_energy_pj = residency_.total_load_pj();
    out.kicks = scheduler_.kicks();
    return out;
}

// What the device knows of a client; who it is and what memory it has the driver knows.
int Device::describe_client(uint32_t asid, drm_acc_client &out)
{
    const std::shared_ptr<Space> space = find_space(asid);
    if (!space) return -ENOENT;
    {
        std::lock_guard lock(space->mutex);
        out.queues = uint32_t(space->queues.size());
        out.programs = uint32_t(space->programs.size());
        for (const auto &[base, program] : space->programs)
            out.pins += residency_.pinned_units(*program);
    }
    drm_acc_counters total = {};
    {
        std::lock_guard lock(totals_mutex_);
        total = space->retired;
        scheduler_.for_each(asid, [&](Queue &queue) { queue.counters().add_to(total); });
    }
    out.packets = total.packets;
    out.dispatches = total.dispatches;
    out.busy_ns = total.busy_ns;
    out.modelled_ns = total.modelled_ns;
    out.energy_pj = total.energy_pj;
    out.weight = space->slot_share.weight;
    return 0;
}

// -------------------------------------------------- address spaces, memory

int Device::create_space(uint32_t asid, uint32_t weight)
{
    if (!asid || weight > ACC_WEIGHT_MAX) return -EINVAL;
    auto space = std::make_shared<Space>();
    space->asid = asid;
    space->slot_share.client = asid;
    space->slot_share.weight = weight ? weight : ACC_WEIGHT_DEFAULT;
    space->slot_share.quota = options_.slot_quota;
    space->kick.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!space->kick) return -errno;
    std::unique_lock lock(spaces_mutex_);
    if (!spaces_.emplace(asid, space).second) return -EEXIST;
    if (const int error = scheduler_.add_space(asid, space->slot_share.weight, space->kick.get())) {
        spaces_.erase(asid);
        return error;
    }
    return 0;
}

int Device::destroy_space(uint32_t asid)
{
    const std::shared_ptr<Space> space = find_space(asid);
    if (!space) return -ENOENT;
    // A reset and a file's close may meet here. Both return when nothing of it runs any more,
    // because the driver frees the memory then; so it is found until the end.
    std::lock_guard ending(space->end_mutex);
    std::map<uint32_t, std::unique_ptr<Queue>> queues;
    std::map<uint64_t, std::shared_ptr<LoadedProgram>> programs;
    {
        std::unique_lock lock(space->mutex);
        space->gone = true;
        queues.swap(space->queues);
        programs.swap(space->programs);
        for (auto &[id, queue] : queues)
            queue->request_stop(ACC_STATUS_CANCELLED); // all at once, then each in turn
        space->stopped.wait(lock, [&] { return !space->stopping; });
    }
    for (auto &[id, queue] : queues)
        stop_queue(*space, std::move(queue), false);
    for (auto &[base, program] : programs)
        residency_.forget(*program);
    scheduler_.remove_space(asid, space->kick.get());
    engine_->client_gone(asid);
    std::unique_lock lock(spaces_mutex_);
    spaces_.erase(asid);
    return 0;
}

int Device::map(Space &space, const acc_admin_cmd &command)
{
    const auto &args = command.map;
    if (!args.pages || (args.address & (ACC_PAGE_BYTES - 1)) ||
        (command.flags & ~(ACC_MAP_READ | ACC_MAP_WRITE)) || !command.flags)
        return -EINVAL;
    const uint64_t offset = args.list & (ACC_PAGE_BYTES - 1);
    if (args.pages > (ACC_PAGE_BYTES - offset) / sizeof(acc_u64) || (offset % sizeof(acc_u64)))
        return -EINVAL;
    const std::byte *list = bus_.page(args.list - offset);
    if (!list) return -EFAULT;
    for (uint64_t i = 0; i < args.pages; i++) {
        uint64_t bus_address;
        std::memcpy(&bus_address, list + offset + i * sizeof bus_address, sizeof bus_address);
        std::byte *page = bus_.page(bus_address);
        if (!page ||
            !space.memory.map(args.address + i * ACC_PAGE_BYTES, page, command.flags & ACC_MAP_READ,
                              command.flags & ACC_MAP_WRITE)) {
            space.memory.unmap(args.address, i);
            space.memory.synchronize(max_timeout_ns, [] {});
            return page ? -EEXIST : -EFAULT;
        }
    }
    return 0;
}

int Device::unmap(Space &space, const acc_admin_cmd &command)
{
    const auto &args = command.map;
    if (!args.pages || (args.address & (ACC_PAGE_BYTES - 1))) return -EINVAL;
    const uint64_t before = space.timeouts.load(std::memory_order_relaxed);
    space.memory.unmap(args.address, args.pages);
    engine_->unmapping(space.asid, args.address, args.pages << ACC_PAGE_SHIFT);
    bool impatient = false;
    space.memory.synchronize(args.timeout_ns, [&] {
        // Whatever still runs has outlived the bound: its queue faults.
        impatient = true;
        scheduler_.for_each(space.asid, [](Queue &queue) {
            if (queue.executing()) queue.request_stop(ACC_STATUS_TIMEOUT);
        });
    });
    engine_->unmapped(space.asid);
    return impatient || space.timeouts.load(std::memory_order_relaxed) != before ? -ETIME : 0;
}

// ------------------------------------------------------------------ queues

int Device::create_queue(const std::shared_ptr<Space> &space, const acc_admin_cmd &command)
{
    Queue::Config config;
    config.id = command.object;
    config.ring = command.queue.ring;
    config.control = command.queue.control;
    config.packets = command.queue.packets;
    config.priority = command.queue.priority;
    config.doorbell = command.queue.doorbell;
    config.timeout_ns = command.queue.timeout_ns ? command.queue.timeout_ns : max_timeout_ns;
    if (!acc_is_pow2(config.packets) || config.packets < (1u << ACC_RING_MIN_LOG2) ||
        config.packets > (1u << ACC_RING_MAX_LOG2) || config.priority > DRM_ACC_PRIORITY_HIGH ||
        config.ring % ACC_PACKET_BYTES || config.control % ACC_QUEUE_CONTROL_BYTES ||
        config.timeout_ns > max_timeout_ns || config.doorbell >= ACC_DOORBELLS_PER_PAGE)
        return -EINVAL;
    auto queue = Queue::create(*this, space, config);
    if (!queue) return queue.error();
    std::lock_guard lock(space->mutex);
    if (space->gone) return -ENOENT;
    if (space->queues.size() >= max_queues) return -E2BIG;
    Queue *raw = queue->get();
    if (!space->queues.emplace(config.id, std::move(*queue)).second) return -EEXIST;
    scheduler_.add(space->asid, raw);
    return 0;
}

// With `cancel`, whoever waits for a packet of the queue is told.
void Device::stop_queue(Space &space, std::unique_ptr<Queue> queue, bool cancel)
{
    queue->request_stop(ACC_STATUS_CANCELLED);
    scheduler_.remove(queue.get());
    residency_.cancel(*queue);
    if (cancel && !lost_.load(std::memory_order_relaxed)) queue->cancel_published();
    std::lock_guard lock(totals_mutex_);
    queue->counters().add_to(retired_);
    queue->counters().add_to(space.retired);
    scheduler_.forget(space.asid, queue.get());
}

int Device::destroy_queue(Space &space, uint32_t id)
{
    std::unique_ptr<Queue> queue;
    {
        std::lock_guard lock(space.mutex);
        const auto found = space.queues.find(id);
        if (found == space.queues.end()) return -ENOENT;
        queue = std::move(found->second);
        space.queues.erase(found);
        space.stopping++;
    }
    stop_queue(space, std::move(queue), true);
    std::lock_guard lock(space.mutex);
    if (!--space.stopping) space.stopped.notify_all();
    return 0;
}

int Device::reset_queue(Space &space, uint32_t id)
{
    std::lock_guard lock(space.mutex);
    const auto found = space.queues.find(id);
    if (found == space.queues.end()) return -ENOENT;
    found->second->request_stop(ACC_STATUS_RESET);
    scheduler_.make_ready(found->second.get());
    return 0;
}

int Device::query_queue(Space &space, const acc_admin_cmd &command)
{
    acc_queue_state state;
    {
        std::lock_guard lock(space.mutex);
        const auto found = space.queues.find(command.object);
        if (found == space.queues.end()) return -ENOENT;
        state = found->second->state();
    }
    return write_page(command.identify.data, &state, sizeof state);
}

// ------------------------------------------------------- faults and resets

void Device::record_fault(Space &space, drm_acc_fault fault)
{
    fault_count_.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard lock(space.mutex);
    fault.sequence = ++space.fault_count;
    space.faults.push_front(fault);
    if (space.faults.size() > kept_faults) space.faults.pop_back();
}

int Device::read_log(Space &space, const acc_admin_cmd &command)
{
    drm_acc_fault fault;
    {
        std::lock_guard lock(space.mutex);
        if (command.identify.index >= space.faults.size()) return -ENOENT;
        fault = space.faults[command.identify.index];
    }
    return write_page(command.identify.data, &fault, sizeof fault);
}

void Device::raise(const acc_event &event)
{
    if (injecting_.load(std::memory_order_relaxed) && take_injected(inject_dropped_events_)) return;
    events_.raise(event);
}

bool Device::take_injected(std::atomic<uint32_t> &count)
{
    uint32_t left = count.load(std::memory_order_relaxed);
    while (left && !count.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
    }
    return left != 0;
}

int Device::inject(const acc_admin_cmd &command)
{
    const auto &args = command.inject;
    switch (args.what) {
    case ACC_INJECT_ENGINE_ERROR:
        inject_errors_.store(args.count);
        break;
    case ACC_INJECT_HANG:
        inject_hangs_.store(args.count);
        break;
    case ACC_INJECT_SLOT_FAULT:
        return args.argument > ~0u ? -ENOENT
                                   : residency_.inject_slot_fault(uint32_t(args.argument));
    case ACC_INJECT_LOAD_ERROR:
        residency_.inject_load_error(args.count);
        break;
    case ACC_INJECT_DROP_EVENT:
        inject_dropped_events_.store(args.count);
        break;
    case ACC_INJECT_DELAY:
        inject_delay_ns_.store(args.argument);
        inject_delays_.store(args.count);
        break;
    case ACC_INJECT_AGE:
        return args.count ? -EINVAL : engine_->age(args.argument);
    default:
        return -EINVAL;
    }
    injecting_.store(true);
    return 0;
}

// Everything stops; nobody's signals are written any more: the driver tells the files.
int Device::reset_device()
{
    lost_.store(true);
    std::vector<uint32_t> ids;
    {
        std::shared_lock lock(spaces_mutex_);
        for (auto &[asid, space] : spaces_)
            ids.push_back(asid);
    }
    for (const uint32_t asid : ids)
        destroy_space(asid);
    residency_.reset_all();
    inject_errors_ = inject_hangs_ = inject_dropped_events_ = inject_delays_ = 0;
    injecting_.store(false);
    lost_.store(false);
    return 0;
}

} // namespace acc::emu
