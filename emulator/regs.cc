// SPDX-License-Identifier: MIT
#include "emulator/regs.h"

#include "emulator/clock.h"
#include "emulator/sync.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>

namespace acc::emu
{

namespace
{

constexpr auto heartbeat_period = std::chrono::milliseconds(100);
// An interrupt message can be lost on its way into a virtual machine (QEMU's software emulation
// does lose some). A cause that nobody clears is told again, after twice the time each time.
constexpr auto least_repeat = std::chrono::milliseconds(2), most_repeat = least_repeat * 32;
// Commands that wait at one time. More of them queue; a driver that has so many UNMAPs in
// flight gets them one after the other.
constexpr size_t most_workers = 16;

// Commands that never wait for a dispatch, nor take long.
bool is_quick(uint16_t op)
{
    switch (op) {
    case ACC_ADMIN_IDENTIFY:
    case ACC_ADMIN_QUEUE_RESET:
    case ACC_ADMIN_QUEUE_QUERY:
    case ACC_ADMIN_PROGRAM_QUERY:
    case ACC_ADMIN_WAKE:
    case ACC_ADMIN_LOG:
    case ACC_ADMIN_INJECT:
        return true;
    default:
        return false;
    }
}

void set_low(uint64_t &word, uint32_t value)
{
    word = (word & 0xffff'ffff'0000'0000) | value;
}

void set_high(uint64_t &word, uint32_t value)
{
    word = (word & 0xffff'ffff) | uint64_t(value) << 32;
}

// A record into a ring: its fields, then its phase; who sees the phase sees the record.
template <typename T>
void publish(std::byte *at, const T &record, uint16_t phase)
{
    static_assert(offsetof(T, phase) == 2);
    constexpr size_t behind = 4;
    const auto *from = reinterpret_cast<const std::byte *>(&record);
    std::memcpy(at, from, offsetof(T, phase));
    std::memcpy(at + behind, from + behind, sizeof record - behind);
    shared(reinterpret_cast<T *>(at)->phase).store(phase, std::memory_order_release);
}

} // namespace

Result<std::unique_ptr<RegisterFace>>
RegisterFace::create(DeviceParts parts, Bus &bus, InterruptSink &interrupts, LogFunction log)
{
    std::unique_ptr<RegisterFace> face(new RegisterFace(interrupts, bus, std::move(log)));
    ACC_TRY(face->device_, Device::create(std::move(parts.engine), parts.options, bus, *face,
                                          std::move(parts.cells)));
    face->identity_ = face->device_->identity();
    face->fetcher_ = std::thread([raw = face.get()] { raw->fetch_loop(); });
    return face;
}

RegisterFace::~RegisterFace()
{
    if (fetcher_.joinable()) {
        reset_and_wait();
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        fetch_wanted_.notify_all();
        work_wanted_.notify_all();
        fetcher_.join();
        for (auto &worker : workers_)
            worker.join();
    }
    device_.reset();
}

// ------------------------------------------------------------------ registers

uint64_t RegisterFace::read(uint64_t offset, unsigned bytes)
{
    const uint64_t ones = bytes >= 8 ? ~0ull : (1ull << 8 * bytes) - 1;
    if ((bytes != 4 && bytes != 8) || offset % bytes || offset > ACC_REGISTER_BYTES - bytes)
        return ones;
    std::lock_guard lock(mutex_);
    const uint64_t low = read_word(uint32_t(offset));
    return bytes == 4 ? low : low | uint64_t(read_word(uint32_t(offset) + 4)) << 32;
}

uint32_t RegisterFace::read_word(uint32_t offset)
{
    switch (offset) {
    case ACC_REG_MAGIC:
        return ACC_MAGIC;
    case ACC_REG_ABI:
        return uint32_t(ACC_ABI_MAJOR) << 16 | ACC_ABI_MINOR;
    case ACC_REG_CAPS:
        return uint32_t(identity_.features);
    case ACC_REG_CAPS + 4:
        return uint32_t(identity_.features >> 32);
    case ACC_REG_ADMIN_SQ:
        return uint32_t(sq_);
    case ACC_REG_ADMIN_SQ + 4:
        return uint32_t(sq_ >> 32);
    case ACC_REG_ADMIN_CQ:
        return uint32_t(cq_);
    case ACC_REG_ADMIN_CQ + 4:
        return uint32_t(cq_ >> 32);
    case ACC_REG_ADMIN_SIZE:
        return admin_log2_;
    case ACC_REG_ADMIN_TAIL:
        return sq_tail_;
    case ACC_REG_ADMIN_HEAD:
        return completions_.head;
    case ACC_REG_EVENT_RING:
        return uint32_t(event_ring_);
    case ACC_REG_EVENT_RING + 4:
        return uint32_t(event_ring_ >> 32);
    case ACC_REG_EVENT_SIZE:
        return event_log2_;
    case ACC_REG_EVENT_HEAD:
        return events_.head;
    case ACC_REG_IRQ_CAUSE:
        return cause_;
    case ACC_REG_IRQ_MASK:
        return mask_;
    case ACC_REG_CONTROL:
    case ACC_REG_RESET:
        return 0;
    case ACC_REG_STATE:
        return state_;
    case ACC_REG_HEARTBEAT:
        return heartbeat_;
    case ACC_REG_ERROR:
        return error_;
    case ACC_REG_CLOCK:
        clock_latch_ = now_ns(); // the high word belongs to the low one that was read last
        return uint32_t(clock_latch_);
    case ACC_REG_CLOCK + 4:
        return uint32_t(clock_latch_ >> 32);
    case ACC_REG_ERROR_INFO:
        return uint32_t(error_info_);
    case ACC_REG_ERROR_INFO + 4:
        return uint32_t(error_info_ >> 32);
    case ACC_REG_ASIDS:
        return asids;
    case ACC_REG_RESETS:
        return resets_;
    default:
        return ~0u;
    }
}

void RegisterFace::write(uint64_t offset, uint64_t value, unsigned bytes)
{
    if ((bytes != 4 && bytes != 8) || offset % bytes || offset > ACC_REGISTER_BYTES - bytes) return;
    std::lock_guard lock(mutex_);
    write_word(uint32_t(offset), uint32_t(value));
    if (bytes == 8) write_word(uint32_t(offset) + 4, uint32_t(value >> 32));
}

void RegisterFace::write_word(uint32_t offset, uint32_t value)
{
    const bool running = state_ == ACC_DEVICE_RUNNING;
    switch (offset) {
    case ACC_REG_ADMIN_SQ:
        return set_low(sq_, value);
    case ACC_REG_ADMIN_SQ + 4:
        return set_high(sq_, value);
    case ACC_REG_ADMIN_CQ:
        return set_low(cq_, value);
    case ACC_REG_ADMIN_CQ + 4:
        return set_high(cq_, value);
    case ACC_REG_ADMIN_SIZE:
        admin_log2_ = value;
        return;
    case ACC_REG_EVENT_RING:
        return set_low(event_ring_, value);
    case ACC_REG_EVENT_RING + 4:
        return set_high(event_ring_, value);
    case ACC_REG_EVENT_SIZE:
        event_log2_ = value;
        return;
    case ACC_REG_CONTROL:
        if (value & ACC_CONTROL_RUN) run();
        return;
    case ACC_REG_ADMIN_TAIL:
        if (!running) return;
        if (value - fetched_ > completions_.entries()) return fail(ACC_ERROR_TAIL, value);
        sq_tail_ = value;
        fetch_wanted_.notify_one();
        return;
    case ACC_REG_ADMIN_HEAD:
        if (!running) return;
        move_head(completions_, value);
        flush_completions();
        if (completions_.head == completions_.tail) cause_ &= ~ACC_IRQ_ADMIN;
        fetch_wanted_.notify_one();
        return;
    case ACC_REG_EVENT_HEAD:
        if (!running) return;
        move_head(events_, value);
        if (events_lost_ && !events_.full()) {
            acc_event lost = {};
            lost.type = ACC_EVENT_LOST;
            events_lost_ = !put_event(lost);
        }
        if (events_.head == events_.tail) cause_ &= ~ACC_IRQ_EVENT;
        return;
    case ACC_REG_IRQ_CAUSE:
        cause_ &= ~value;
        return;
    case ACC_REG_IRQ_MASK: {
        const uint32_t opened = mask_ & ~value;
        mask_ = value & ACC_IRQ_ALL;
        return send(opened & cause_);
    }
    case ACC_REG_RESET:
        if (value != ACC_RESET_KEY) return;
        state_ = ACC_DEVICE_RESETTING;
        reset_wanted_ = true;
        fetch_wanted_.notify_one();
        return;
    default:
        return;
    }
}

bool RegisterFace::check_ring(uint64_t address, uint32_t log2, uint32_t least, uint32_t most,
                              uint32_t entry_bytes)
{
    if (log2 < least || log2 > most) {
        fail(ACC_ERROR_RING_SIZE, log2);
        return false;
    }
    const uint64_t bytes = uint64_t(entry_bytes) << log2;
    if (!address || address % ACC_PAGE_BYTES || address + bytes < address) {
        fail(ACC_ERROR_RING_ADDRESS, address);
        return false;
    }
    for (uint64_t page = address; page < address + bytes; page += ACC_PAGE_BYTES)
        if (!at(page)) return false;
    return true;
}

void RegisterFace::run()
{
    if (state_ != ACC_DEVICE_READY) return;
    if (!check_ring(sq_, admin_log2_, ACC_ADMIN_MIN_LOG2, ACC_ADMIN_MAX_LOG2,
                    sizeof(acc_admin_cmd)) ||
        !check_ring(cq_, admin_log2_, ACC_ADMIN_MIN_LOG2, ACC_ADMIN_MAX_LOG2,
                    sizeof(acc_admin_cpl)) ||
        !check_ring(event_ring_, event_log2_, ACC_EVENT_MIN_LOG2, ACC_EVENT_MAX_LOG2,
                    sizeof(acc_event)))
        return;
    completions_ = {.address = cq_, .log2 = admin_log2_};
    events_ = {.address = event_ring_, .log2 = event_log2_};
    sq_base_ = sq_;
    fetched_ = sq_tail_ = 0;
    state_ = ACC_DEVICE_RUNNING;
    fetch_wanted_.notify_one(); // the heart beats
}

void RegisterFace::move_head(OutRing &ring, uint32_t head)
{
    if (head - ring.head > ring.tail - ring.head) return fail(ACC_ERROR_HEAD, head);
    ring.head = head;
}

void RegisterFace::fail(acc_device_error error, uint64_t info)
{
    if (state_ != ACC_DEVICE_READY && state_ != ACC_DEVICE_RUNNING) return;
    state_ = ACC_DEVICE_FAILED;
    error_ = error;
    error_info_ = info;
    if (log_)
        log_(4, "the device failed: error " + std::to_string(error) + ", info " +
                    std::to_string(info));
    cause(ACC_IRQ_FATAL);
}

void RegisterFace::cause(uint32_t bits)
{
    const uint32_t news = bits & ~cause_;
    cause_ |= bits;
    if (news) {
        repeat_after_ = least_repeat;
        repeat_at_ = std::chrono::steady_clock::now() + repeat_after_;
        fetch_wanted_.notify_one(); // it watches the time
    }
    send(news & ~mask_);
}

void RegisterFace::send(uint32_t bits)
{
    if (bits & (ACC_IRQ_ADMIN | ACC_IRQ_FATAL)) interrupts_.interrupt(ACC_VECTOR_ADMIN);
    if (bits & ACC_IRQ_EVENT) interrupts_.interrupt(ACC_VECTOR_EVENT);
}

// Entries and their size are powers of two from 32 bytes: none crosses a page.
std::byte *RegisterFace::at(uint64_t address)
{
    const uint64_t offset = address % ACC_PAGE_BYTES;
    std::byte *page = bus_.page(address - offset);
    if (!page) fail(ACC_ERROR_DMA, address);
    return page ? page + offset : nullptr;
}

// ----------------------------------------------------------------- doorbells

void RegisterFace::ring(uint64_t offset)
{
    const uint64_t asid = offset / ACC_DOORBELL_PAGE_BYTES;
    if (!asid || asid >= asids) return;
    device_->ring(uint32_t(asid), uint32_t(offset % ACC_DOORBELL_PAGE_BYTES / sizeof(acc_u64)));
}

// -------------------------------------------------------------------- events

bool RegisterFace::put_event(const acc_event &event)
{
    std::byte *out = at(events_.address + (events_.tail & (events_.entries() - 1)) * sizeof event);
    if (!out) return false;
    publish(out, event, events_.phase());
    events_.tail++;
    cause(ACC_IRQ_EVENT);
    return true;
}

void RegisterFace::raise(const acc_event &event)
{
    std::lock_guard lock(mutex_);
    if (state_ != ACC_DEVICE_RUNNING) return;
    // One that came after a hole would be taken for one before it.
    if (events_lost_ || events_.full())
        events_lost_ = true;
    else
        (void)put_event(event);
}

// ------------------------------------------------------------------ commands

bool RegisterFace::put_completion(const acc_admin_cpl &completion)
{
    if (completions_.full()) return false;
    const uint32_t entry = completions_.tail & (completions_.entries() - 1);
    std::byte *out = at(completions_.address + entry * sizeof completion);
    if (!out) return true; // it failed
    publish(out, completion, completions_.phase());
    completions_.tail++;
    cause(ACC_IRQ_ADMIN);
    return true;
}

void RegisterFace::flush_completions()
{
    while (!held_.empty() && state_ == ACC_DEVICE_RUNNING && put_completion(held_.front()))
        held_.pop_front();
}

void RegisterFace::complete(const acc_admin_cpl &completion, uint64_t life)
{
    if (life != life_ || state_ != ACC_DEVICE_RUNNING || stuck_) return;
    if (!held_.empty() || !put_completion(completion)) held_.push_back(completion);
}

bool RegisterFace::fetch(Command &command)
{
    if (state_ != ACC_DEVICE_RUNNING || stuck_ || reset_wanted_ || fetched_ == sq_tail_)
        return false;
    // What is under way will want its place in the completion ring: no more than fit.
    if (held_.size() >= completions_.entries()) return false;
    const std::byte *in =
        at(sq_base_ + (fetched_ & (completions_.entries() - 1)) * sizeof(acc_admin_cmd));
    if (!in) return false;
    // Behind the store of the tail, which the bus has delivered.
    std::atomic_thread_fence(std::memory_order_acquire);
    std::memcpy(&command.words, in, sizeof command.words);
    command.life = life_;
    fetched_++;
    return true;
}

void RegisterFace::fetch_loop()
{
    using Clock = std::chrono::steady_clock;
    auto beat = Clock::now();
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (reset_wanted_) {
            do_reset(lock);
            continue;
        }
        const bool beating = state_ == ACC_DEVICE_RUNNING && !stuck_;
        if (beating && Clock::now() >= beat) {
            heartbeat_++;
            beat = Clock::now() + heartbeat_period;
        }
        const bool untaken = cause_ & ~mask_;
        if (untaken && Clock::now() >= repeat_at_) {
            send(cause_ & ~mask_);
            repeat_after_ = std::min(2 * repeat_after_, most_repeat);
            repeat_at_ = Clock::now() + repeat_after_;
        }
        Command command;
        if (!fetch(command)) {
            if (untaken)
                fetch_wanted_.wait_until(lock, beating ? std::min(beat, repeat_at_) : repeat_at_);
            else if (beating)
                fetch_wanted_.wait_until(lock, beat);
            else
                fetch_wanted_.wait(lock);
            continue;
        }
        in_flight_++;
        if (is_quick(command.words.op)) {
            lock.unlock();
            execute(command);
            lock.lock();
            in_flight_--;
            continue;
        }
        work_.push_back(command);
        if (waiting_workers_ >= work_.size())
            work_wanted_.notify_one();
        else if (workers_.size() < most_workers)
            workers_.emplace_back([this] { work_loop(); });
    }
}

void RegisterFace::work_loop()
{
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (work_.empty()) {
            waiting_workers_++;
            work_wanted_.wait(lock);
            waiting_workers_--;
            continue;
        }
        const Command command = work_.front();
        work_.pop_front();
        const bool live = command.life == life_ && !reset_wanted_;
        lock.unlock();
        if (live) execute(command);
        lock.lock();
        if (!--in_flight_) idle_.notify_all();
    }
}

void RegisterFace::execute(const Command &command)
{
    acc_admin_cpl completion = {};
    completion.id = command.words.id;
    if (command.words.op == ACC_ADMIN_AS_CREATE && command.words.asid >= asids)
        completion.status = -EINVAL;
    else if (command.words.op == ACC_ADMIN_INJECT)
        completion = inject(command.words);
    else
        completion = device_->admin(command.words);
    std::lock_guard lock(mutex_);
    complete(completion, command.life);
}

acc_admin_cpl RegisterFace::inject(const acc_admin_cmd &command)
{
    acc_admin_cpl completion = {};
    completion.id = command.id;
    std::unique_lock lock(mutex_);
    switch (command.inject.what) {
    case ACC_INJECT_STUCK:
        stuck_ = true;
        return completion;
    case ACC_INJECT_FATAL:
        fail(ACC_ERROR_INTERNAL, command.inject.argument);
        return completion;
    default:
        lock.unlock();
        return device_->admin(command);
    }
}

// --------------------------------------------------------------------- reset

void RegisterFace::reset()
{
    write(ACC_REG_RESET, ACC_RESET_KEY, 4);
}

void RegisterFace::stop()
{
    std::lock_guard lock(mutex_);
    if (state_ == ACC_DEVICE_RUNNING) write_word(ACC_REG_RESET, ACC_RESET_KEY);
}

void RegisterFace::reset_and_wait()
{
    std::unique_lock lock(mutex_);
    write_word(ACC_REG_RESET, ACC_RESET_KEY);
    idle_.wait(lock, [&] { return !reset_wanted_; });
}

// On the fetching thread. Stops what executes, which lets the commands in flight end; then
// once more for what they may have made meanwhile.
void RegisterFace::do_reset(std::unique_lock<std::mutex> &lock)
{
    life_++;
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_DEVICE_RESET;
    lock.unlock();
    (void)device_->admin(command);
    lock.lock();
    idle_.wait(lock, [&] { return !in_flight_; });
    lock.unlock();
    (void)device_->admin(command);
    lock.lock();

    state_ = ACC_DEVICE_READY;
    error_ = ACC_ERROR_NONE;
    error_info_ = 0;
    resets_++;
    cause_ = 0;
    mask_ = ACC_IRQ_ALL;
    sq_ = cq_ = event_ring_ = 0;
    admin_log2_ = event_log2_ = 0;
    fetched_ = sq_tail_ = 0;
    completions_ = {};
    events_ = {};
    held_.clear();
    events_lost_ = stuck_ = false;
    reset_wanted_ = false;
    idle_.notify_all();
}

} // namespace acc::emu
