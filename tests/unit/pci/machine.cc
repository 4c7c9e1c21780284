// SPDX-License-Identifier: MIT
#include "tests/unit/pci/machine.h"

#include "tests/conformance/accel.h"

#include <chrono>
#include <functional>
#include <sys/mman.h>
#include <thread>

namespace acc::test
{

using conformance::shared;

namespace
{
constexpr uint64_t page_bytes = ACC_PAGE_BYTES;
constexpr auto watchdog = std::chrono::seconds(60);
} // namespace

Machine::Machine()
{
    void *ram = mmap(nullptr, ram_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED) conformance::give_up("mmap", -errno);
    ram_ = static_cast<std::byte *>(ram);
}

Machine::~Machine()
{
    munmap(ram_, ram_bytes);
}

std::byte *Machine::page(uint64_t bus_address)
{
    const bool ours = bus_address >= ram_start && bus_address - ram_start < ram_bytes;
    return ours && bus_address % page_bytes == 0 ? at(bus_address) : nullptr;
}

void Machine::message(uint64_t address, uint32_t data)
{
    std::lock_guard lock(mutex_);
    if (address == message_address) messages_[data]++;
    came_.notify_all();
}

uint64_t Machine::allocate(uint64_t pages)
{
    if (next_ + pages * page_bytes > ram_start + ram_bytes) conformance::give_up("RAM is full");
    return std::exchange(next_, next_ + pages * page_bytes);
}

unsigned Machine::messages(uint32_t data)
{
    std::lock_guard lock(mutex_);
    return messages_[data];
}

bool Machine::wait_messages(uint32_t data, unsigned count)
{
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, watchdog, [&] { return messages_[data] >= count; });
}

bool eventually(const std::function<bool()> &done)
{
    const auto end = std::chrono::steady_clock::now() + watchdog;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

// --------------------------------------------------------------------- driver

Driver::Driver(const char *spec)
{
    std::string why;
    auto made = emu::PciFunction::create(spec, machine_, why, {});
    if (!made) conformance::give_up(why, made.error());
    card_ = std::move(*made);
}

void Driver::enable()
{
    card_->config_write(0x10, uint32_t(registers_at), 4);
    card_->config_write(0x14, uint32_t(msix_at), 4);
    card_->config_write(0x18, uint32_t(doorbells_at), 4);
    card_->config_write(0x04, 0x0006, 2);
    for (uint32_t v = 0; v < ACC_VECTORS; v++) {
        card_->memory_write(msix_at + 16 * v, message_address, 8);
        card_->memory_write(msix_at + 16 * v + 8, v, 4);
        card_->memory_write(msix_at + 16 * v + 12, 0, 4);
    }
    card_->config_write(0x42, 0x8000, 2);
}

void Driver::start(uint32_t log2, uint32_t mask)
{
    const auto pages = [&](uint64_t entry) {
        return ((entry << log2) + page_bytes - 1) / page_bytes;
    };
    sq_ = machine_.allocate(pages(sizeof(acc_admin_cmd)));
    cq_ = machine_.allocate(pages(sizeof(acc_admin_cpl)));
    events_ring = machine_.allocate(pages(sizeof(acc_event)));
    tail_ = head_ = event_head_ = 0;
    done_.clear();
    admin_log2 = event_log2_ = log2;
    reg64(ACC_REG_ADMIN_SQ, sq_);
    reg64(ACC_REG_ADMIN_CQ, cq_);
    reg(ACC_REG_ADMIN_SIZE, log2);
    reg64(ACC_REG_EVENT_RING, events_ring);
    reg(ACC_REG_EVENT_SIZE, log2);
    reg(ACC_REG_IRQ_MASK, mask);
    reg(ACC_REG_CONTROL, ACC_CONTROL_RUN);
}

bool Driver::reset()
{
    reg(ACC_REG_RESET, ACC_RESET_KEY);
    return eventually([&] { return state() == ACC_DEVICE_READY; });
}

acc_admin_cmd Driver::command(uint16_t op, uint32_t asid, uint32_t object)
{
    acc_admin_cmd out = {};
    out.op = op;
    out.asid = asid;
    out.object = object;
    return out;
}

void Driver::submit_raw(const acc_admin_cmd &command)
{
    *machine_.at<acc_admin_cmd>(sq_ + (tail_ & ((1u << admin_log2) - 1)) * sizeof command) =
        command;
    std::atomic_thread_fence(std::memory_order_release);
    reg(ACC_REG_ADMIN_TAIL, ++tail_);
}

uint16_t Driver::submit(acc_admin_cmd command)
{
    command.id = next_id_++;
    submit_raw(command);
    return command.id;
}

void Driver::take_completions()
{
    bool any = false;
    for (;;) {
        auto *entry = machine_.at<acc_admin_cpl>(cq_ + (head_ & ((1u << admin_log2) - 1)) *
                                                           sizeof(acc_admin_cpl));
        const uint16_t phase = (head_ >> admin_log2 & 1) ? 0 : 1;
        if (shared(entry->phase).load(std::memory_order_acquire) != phase) break;
        done_[entry->id] = *entry;
        head_++;
        any = true;
    }
    if (any && free_completions) reg(ACC_REG_ADMIN_HEAD, head_);
}

bool Driver::completed(uint16_t id)
{
    take_completions();
    return done_.contains(id);
}

acc_admin_cpl Driver::wait(uint16_t id)
{
    if (!eventually([&] { return completed(id); }))
        conformance::give_up("no completion of " + std::to_string(id));
    const acc_admin_cpl out = done_[id];
    done_.erase(id);
    return out;
}

bool Driver::next_event(acc_event &event, uint64_t timeout_ns)
{
    auto *entry = machine_.at<acc_event>(events_ring + (event_head_ & ((1u << event_log2_) - 1)) *
                                                           sizeof(acc_event));
    const uint16_t phase = (event_head_ >> event_log2_ & 1) ? 0 : 1;
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
    while (shared(entry->phase).load(std::memory_order_acquire) != phase) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    event = *entry;
    reg(ACC_REG_EVENT_HEAD, ++event_head_);
    return true;
}

int Driver::identify(uint32_t what, void *out, size_t bytes, uint32_t asid, uint32_t index)
{
    static thread_local uint64_t page = 0;
    static thread_local Machine *owner = nullptr;
    if (owner != &machine_) page = machine_.allocate(), owner = &machine_;
    acc_admin_cmd identify = command(ACC_ADMIN_IDENTIFY, asid);
    identify.identify.data = page;
    identify.identify.what = what;
    identify.identify.index = index;
    const int status = call(identify).status;
    if (!status) std::memcpy(out, machine_.at(page), bytes);
    return status;
}

int Driver::create_space(uint32_t asid)
{
    return call(command(ACC_ADMIN_AS_CREATE, asid)).status;
}

int Driver::map(uint32_t asid, uint64_t address, uint64_t bus_address, uint64_t pages,
                uint32_t flags)
{
    const uint64_t list = machine_.allocate();
    for (uint64_t i = 0; i < pages; i++)
        machine_.at<acc_u64>(list)[i] = bus_address + i * page_bytes;
    acc_admin_cmd map = command(ACC_ADMIN_MAP, asid);
    map.flags = flags;
    map.map.address = address;
    map.map.pages = pages;
    map.map.list = list;
    return call(map).status;
}

// --------------------------------------------------------------------- client

TestClient::TestClient(Driver &driver, uint32_t asid, uint32_t doorbell, uint64_t timeout_ns)
    : asid(asid), driver_(driver), doorbell_(doorbell)
{
    Machine &machine = driver.machine();
    control_ = machine.allocate();
    ring_ = machine.allocate();
    signals_ = machine.allocate();
    for (unsigned i = 0; i < page_bytes / ACC_SIGNAL_BYTES; i++) {
        signal(i)->kind = ACC_SIGNAL_KIND_USER;
        signal(i)->value = 1;
    }
    error = driver.create_space(asid);
    const uint64_t places[] = {control_, ring_, signals_};
    for (unsigned i = 0; i < 3 && !error; i++)
        error = driver.map(asid, arena + i * page_bytes, places[i]);
    if (error) return;

    const auto image = conformance::null_image({ACC_NULL_NOOP, ACC_NULL_HANG});
    const uint64_t pages = (image.size() + page_bytes - 1) / page_bytes;
    const uint64_t at = machine.allocate(pages), list = machine.allocate();
    std::memcpy(machine.at(at), image.data(), image.size());
    for (uint64_t i = 0; i < pages; i++)
        machine.at<acc_u64>(list)[i] = at + i * page_bytes;
    acc_admin_cmd load = Driver::command(ACC_ADMIN_PROGRAM_LOAD, asid, 1);
    load.load.list = list;
    load.load.size = image.size();
    const acc_admin_cpl loaded = driver.call(load);
    error = loaded.status;
    kernels_ = loaded.result0;
    if (error) return;

    acc_admin_cmd create = Driver::command(ACC_ADMIN_QUEUE_CREATE, asid, queue);
    create.queue.control = arena;
    create.queue.ring = arena + page_bytes;
    create.queue.packets = 64;
    create.queue.priority = DRM_ACC_PRIORITY_NORMAL;
    create.queue.doorbell = doorbell;
    create.queue.timeout_ns = timeout_ns;
    error = driver.call(create).status;
}

uint64_t TestClient::signal_address(unsigned index) const
{
    return arena + 2 * page_bytes + index * ACC_SIGNAL_BYTES;
}

acc_signal_memory *TestClient::signal(unsigned index)
{
    return driver_.machine().at<acc_signal_memory>(signals_) + index;
}

int64_t TestClient::value(unsigned index)
{
    return shared(signal(index)->value).load(std::memory_order_acquire);
}

bool TestClient::wait(unsigned index)
{
    return eventually([&] { return value(index) <= 0; });
}

void TestClient::notify(unsigned index)
{
    shared(signal(index)->notify).fetch_or(ACC_NOTIFY_HOST, std::memory_order_seq_cst);
}

acc_packet TestClient::dispatch(uint32_t kernel, unsigned signal)
{
    acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = kernels_ + kernel;
    packet.dispatch.completion_signal = signal_address(signal);
    return packet;
}

acc_packet TestClient::nothing(unsigned signal)
{
    acc_packet packet = {};
    packet.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
    packet.barrier.completion_signal = signal_address(signal);
    return packet;
}

uint64_t TestClient::put(acc_packet packet)
{
    const uint64_t index = write_index_++;
    auto *slot = driver_.machine().at<acc_packet>(ring_) + index % 64;
    const uint32_t publish = packet.raw.publish;
    for (unsigned i = 1; i < 8; i++)
        shared(slot->words[i]).store(packet.words[i], std::memory_order_relaxed);
    shared(slot->raw.body32).store(packet.raw.body32, std::memory_order_relaxed);
    shared(control()->write_index).store(write_index_, std::memory_order_relaxed);
    shared(slot->raw.publish).store(publish, std::memory_order_release);
    return index;
}

void TestClient::ring()
{
    driver_.card().memory_write(doorbells_at + uint64_t(asid) * ACC_DOORBELL_PAGE_BYTES +
                                    doorbell_ * 8,
                                write_index_ - 1, 8);
}

acc_queue_state TestClient::query()
{
    const uint64_t page = driver_.machine().allocate();
    acc_admin_cmd query = Driver::command(ACC_ADMIN_QUEUE_QUERY, asid, queue);
    query.identify.data = page;
    if (const int status = driver_.call(query).status) conformance::give_up("QUEUE_QUERY", status);
    return *driver_.machine().at<acc_queue_state>(page);
}

} // namespace acc::test
