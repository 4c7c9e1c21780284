// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/region_process.h"

#include "acc/program.h"
#include "common/message.h"
#include "emulator/clock.h"
#include "emulator/engine_checks.h"
#include "emulator/memory.h"
#include "emulator/sync.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace acc::emu::fpga
{
namespace
{

constexpr uint64_t kLoadNs = 5'000'000'000; // for constructors and create(), on a busy machine
constexpr uint64_t kForgetNs = 100'000'000; // before a process that doesn't answer is ended
constexpr uint64_t kSpinNs = 20'000;        // worth it where processors are to spare
constexpr int kFirstNapMs = 1;              // between looks at who wants it to stop
constexpr int kLongestNapMs = 4;
constexpr int kEndMs = 1000;                          // from the end of its pipe to its own
constexpr uint64_t kMostModelled = uint64_t{1} << 60; // of what a process says

// At most one spinner for two processors, and the client that waits is one already: on two
// processors three that spin starve each other.
class SpinTicket
{
public:
    SpinTicket()
    {
        static const int most = static_cast<int>(std::thread::hardware_concurrency()) / 2 - 1;
        mine_ = spinners_.fetch_add(1, std::memory_order_relaxed) < most;
    }
    ~SpinTicket() { spinners_.fetch_sub(1, std::memory_order_relaxed); }
    SpinTicket(const SpinTicket &) = delete;
    SpinTicket &operator=(const SpinTicket &) = delete;
    bool mine() const { return mine_; }

private:
    static inline std::atomic<int> spinners_{0};
    bool mine_ = false;
};

// What a process wrote, as a text of its own.
std::string text_of(const char (&text)[kTextBytes])
{
    char copy[kTextBytes];
    std::memcpy(copy, text, sizeof copy);
    std::string out(copy, strnlen(copy, sizeof copy));
    for (char &c : out)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return out;
}

} // namespace

Started::Started(Started &&other) noexcept
    : pid(other.pid), pidfd(std::move(other.pidfd)), socket(std::move(other.socket)),
      order(std::move(other.order)), unread(std::move(other.unread)),
      answer(std::move(other.answer)), control(std::exchange(other.control, nullptr))
{
}

Started::~Started()
{
    if (control) munmap(control, sizeof(Control));
}

RegionProcess::~RegionProcess()
{
    kill();
    if (!it_.pidfd) return;
    // It is gone in a moment; who waits for any child may have been faster.
    siginfo_t info = {};
    while (waitid(P_PIDFD, static_cast<id_t>(it_.pidfd.get()), &info, WEXITED) < 0 &&
           errno == EINTR) {
    }
}

void RegionProcess::kill()
{
    broken_ = true;
    if (it_.pidfd) syscall(SYS_pidfd_send_signal, it_.pidfd.get(), SIGKILL, nullptr, 0);
}

RegionProcess::Waited RegionProcess::give(Order order, const std::function<bool()> &stop)
{
    Control &control = *it_.control;
    const auto answered = [&] {
        return control.turn.load(std::memory_order_acquire) == kTurnDevice;
    };
    control.to_process.order = order;
    give_turn(control, kTurnProcess, it_.order.get());
    {
        const SpinTicket ticket;
        const uint64_t end = ticket.mine() ? now_ns() + kSpinNs : 0;
        while (end && !answered() && now_ns() < end)
            cpu_relax();
    }
    int nap = kFirstNapMs;
    for (;;) {
        pollfd answer{it_.answer.get(), POLLIN, 0};
        const bool rung = answered() || poll(&answer, 1, nap) > 0;
        // Its last word may have come just before its end, and a byte without a word.
        const bool open = !rung || take_rings(answer.fd);
        if (answered()) return Waited::Answered;
        if (!open) return Waited::Ended;
        if (!rung) nap = std::min(nap * 2, kLongestNapMs);
        if (stop()) return Waited::Stopped;
    }
}

bool RegionProcess::give_for(Order order, uint64_t ns)
{
    const uint64_t end = now_ns() + ns;
    return give(order, [end] { return now_ns() >= end; }) == Waited::Answered &&
           it_.control->to_device.answer == Answer::Ready;
}

int RegionProcess::load(const Image &image, int trace_fd, std::string &why)
{
    it_.control->to_process.kind = image.kind;
    it_.control->to_process.traced = trace_fd >= 0;
    const std::byte byte{1};
    const auto send = [&](int fd) {
        return send_message(it_.socket.get(), {bytes_of(byte)}, fd, MSG_DONTWAIT);
    };
    // An open of its own: a position that processes share would be read by several at once.
    const std::string path = "/proc/self/fd/" + std::to_string(image.fd.get());
    const UniqueFd own(image.fd ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1);
    if (image.fd && (!own || send(own.get()))) {
        why = "the region's process took no image: " + how_it_ended();
        broken_ = true;
        return -EIO;
    }
    if (trace_fd >= 0) (void)send(trace_fd);
    const uint64_t end = now_ns() + kLoadNs;
    const Waited waited = give(Order::Load, [end] { return now_ns() >= end; });
    if (waited == Waited::Answered && it_.control->to_device.answer == Answer::Ready) return 0;
    int error = -EIO;
    if (waited == Waited::Ended) {
        why = "the image ended its process while it was loaded: " + how_it_ended();
    } else if (waited == Waited::Stopped) {
        why = "expected the image to be ready in " + std::to_string(kLoadNs / 1'000'000'000) +
              " s; found it busy";
        error = -ETIME;
    } else if (it_.control->to_device.answer == Answer::Fault) {
        why = "on loading: " + fault(nullptr).text;
    } else {
        why = text_of(it_.control->to_device.text);
        error = -EINVAL;
    }
    kill();
    return error;
}

// A copy of what is bound at `address`, where no file is to be handed out.
Staging::Given RegionProcess::stage(Memory &memory, const Backing &bound, uint64_t address,
                                    WindowMessage &message, int &fd, std::string &why)
{
    if (!staging_) {
        auto made = Staging::create(most_staged_);
        if (!made) {
            why = std::string("expected memory for copies of the client's; found none: ") +
                  strerror(-made.error());
            return Staging::Given::Full;
        }
        staging_ = std::move(*made);
    }
    why = "expected a dispatch to touch at most " + std::to_string(most_staged_ >> 20) +
          " MiB of memory, which are copied; found more (option staging)";
    return staging_->give(memory, bound, address, message, fd);
}

// The answer to "what is bound at `address`?".
RegionProcess::Failure RegionProcess::serve_window(Memory &memory)
{
    const uint64_t address = it_.control->to_device.address;
    const bool write = it_.control->to_device.write != 0;
    const Backing found =
        memory.backing(address, write ? Memory::Access::Write : Memory::Access::Read);
    it_.control->to_process.order = Order::NoWindow;
    WindowMessage message;
    int fd = found.fd.get();
    if (found.fd) {
        message.start = found.start;
        message.bytes = found.bytes;
        message.offset = found.offset;
        message.write = found.write;
        given_.push_back({found.start, found.start + found.bytes});
    } else {
        // What is read and written beside the device, as a ring that is followed, is no copy.
        if (!found.bytes || !dispatch_) return {};
        if (turns_ && !has_turn_) {
            const uint64_t since = now_ns();
            if (!turns_->take(dispatch_->client, dispatch_->stop))
                return {ACC_STATUS_TIMEOUT, "stopped while another dispatch worked on copies"};
            has_turn_ = true;
            // The time of others is none of its own.
            if (dispatch_->deadline_ns) dispatch_->deadline_ns += now_ns() - since;
        }
        std::string why;
        const Staging::Given given = stage(memory, found, address, message, fd, why);
        if (given == Staging::Given::Full) return {ACC_STATUS_ENGINE_ERROR, std::move(why)};
        if (given == Staging::Given::Unbound) return {};
    }
    it_.control->to_process.order = Order::Window;
    if (send_message(it_.socket.get(), {bytes_of(message)}, fd, MSG_DONTWAIT))
        return {ACC_STATUS_ENGINE_ERROR, "the region's process took no window"};
    return {};
}

void RegionProcess::describe(const RunOrder &order)
{
    auto &to = it_.control->to_process;
    std::memset(to.role, 0, sizeof to.role);
    std::memcpy(to.role, order.role.data(), std::min(order.role.size(), sizeof to.role - 1));
    to.registers = static_cast<uint32_t>(std::min(order.registers.size(), kMaxRegisters));
    std::copy_n(order.registers.data(), to.registers, to.map);
    to.stages = static_cast<uint32_t>(std::min(order.stages.size(), kMaxStages));
    std::copy_n(order.stages.data(), to.stages, to.stage);
    to.edges = static_cast<uint32_t>(std::min(order.edges.size(), kMaxEdges));
    std::copy_n(order.edges.data(), to.edges, to.edge);
    it_.control->cycle.store(0, std::memory_order_relaxed);
    it_.control->waits_for[0] = 0;
}

RegionProcess::Failure RegionProcess::obey(Order order, Memory &memory,
                                           const std::function<bool()> &stop)
{
    const auto end = [&](acc_status status, std::string text) {
        kill();
        return Failure{status, std::move(text)};
    };
    for (;;) {
        const Waited waited = give(order, stop);
        if (waited == Waited::Stopped) {
            // What it waits for first: the log keeps 63 bytes.
            std::string text = text_of(it_.control->waits_for);
            text += (text.empty() ? "stopped after " : "; stopped after ") +
                    std::to_string(it_.control->cycle.load(std::memory_order_relaxed)) + " cycles";
            return end(ACC_STATUS_TIMEOUT, std::move(text));
        }
        if (waited == Waited::Ended)
            return end(ACC_STATUS_ENGINE_ERROR, "the role ended its process: " + how_it_ended());
        const Answer answer = it_.control->to_device.answer;
        if (answer == Answer::Window) {
            Failure failure = serve_window(memory);
            if (failure.status != ACC_STATUS_OK)
                return end(failure.status, std::move(failure.text));
            order = it_.control->to_process.order;
            continue;
        }
        if (answer == Answer::Fault) {
            const Failure failure = fault(&memory);
            return end(failure.status, failure.text);
        }
        if (answer != Answer::Done && answer != Answer::Followed)
            return end(ACC_STATUS_ENGINE_ERROR, text_of(it_.control->to_device.text));
        return {};
    }
}

RegionProcess::Failure RegionProcess::outcome(Memory &memory)
{
    const auto &from = it_.control->to_device;
    memory.account(from.bytes_read, from.bytes_written);
    const uint32_t status = from.status;
    if (status == ACC_STATUS_OK) return {};
    std::string text = text_of(from.text);
    switch (status) {
    case ACC_STATUS_INVALID_ADDRESS:
        // The device's own table says whether it is so, and remembers where.
        (void)memory.span(from.address, 1, Memory::Access::Write);
        if (text.empty())
            text = "expected memory of this client; found address " + hex(from.address);
        return {ACC_STATUS_INVALID_ADDRESS, std::move(text)};
    case ACC_STATUS_INVALID_KERNARG:
    case ACC_STATUS_INVALID_DIMENSIONS:
    case ACC_STATUS_MISALIGNED:
        return {static_cast<acc_status>(status), std::move(text)};
    default:
        if (text.empty()) text = "the role failed without a reason";
        return {ACC_STATUS_ENGINE_ERROR, std::move(text)};
    }
}

acc_status RegionProcess::run(Dispatch &dispatch, const RunOrder &order, uint64_t &cycles)
{
    auto &to = it_.control->to_process;
    to.kernarg_bytes =
        static_cast<uint32_t>(std::min(dispatch.kernargs.size(), sizeof to.kernargs));
    std::copy_n(dispatch.kernargs.data(), to.kernarg_bytes, to.kernargs);
    std::memcpy(to.grid, dispatch.grid, sizeof to.grid);
    describe(order);
    dispatch_ = &dispatch;
    Failure failure = obey(Order::Run, *dispatch.memory, [&] { return dispatch.should_stop(); });
    dispatch_ = nullptr;
    if (failure.status == ACC_STATUS_OK) {
        cycles = std::min<uint64_t>(it_.control->to_device.cycles, kMostModelled);
        failure = outcome(*dispatch.memory);
    }
    write_back(*dispatch.memory, failure);
    if (std::exchange(has_turn_, false)) turns_->give_back(dispatch.client);
    dispatch.text = std::move(failure.text);
    return failure.status;
}

// What a failed dispatch has written is written back, too: as memory that it maps would have it.
void RegionProcess::write_back(Memory &memory, Failure &failure)
{
    if (!staging_ || !staging_->in_use()) return;
    if (broken_) wait_for_end();
    const std::optional<uint64_t> lost = staging_->finish(memory);
    if (!lost || failure.status != ACC_STATUS_OK) return;
    // So that the memory remembers where, as after every access that it refused.
    (void)memory.span(*lost, 1, Memory::Access::Write);
    failure = {ACC_STATUS_INVALID_ADDRESS, "expected memory that the role wrote to at " +
                                               hex(*lost) + "; found it unbound since"};
}

void RegionProcess::follow(Following &following, const RunOrder &order, const Kernel &kernel,
                           const Rates &rates)
{
    Control &control = *it_.control;
    describe(order);
    FollowOrder &to = control.to_process.follow;
    to = {.kernel_object = following.kernel_object,
          .ring = following.ring,
          .control = following.control,
          .index = following.index,
          .packets = following.packets,
          .kernarg_bytes = kernel.kernarg_bytes,
          .group_bytes = kernel.group_bytes,
          .private_bytes = kernel.private_bytes,
          .model_ns = following.model_ns,
          .linger_ns = following.linger_ns,
          .session_ns = following.session_ns,
          .rates = rates};
    control.followed.store(0, std::memory_order_relaxed);
    following.tried = true;
    // It is patient as long as packets come to their end, and with a stop until the next one's.
    uint64_t before = 0, since = now_ns(), asked = 0;
    const auto stop = [&] {
        const uint64_t now = now_ns(), over = control.followed.load(std::memory_order_relaxed);
        if (over != before) {
            before = over;
            since = now;
        }
        if (!asked && following.stop->load(std::memory_order_relaxed)) {
            asked = now;
            leave();
        }
        return now - since >= following.timeout_ns + kForgetNs ||
               (asked && now - asked >= kForgetNs);
    };
    Failure failure = obey(Order::Follow, *following.memory, stop);
    following.served =
        std::min<uint64_t>(control.followed.load(std::memory_order_acquire), kMostModelled);
    if (failure.status == ACC_STATUS_OK) {
        const auto &from = control.to_device;
        const FollowEnd why = from.why;
        following.modelled_ns = std::min<uint64_t>(from.modelled_ns, kMostModelled);
        following.energy_pj = std::min<uint64_t>(from.energy_pj, kMostModelled);
        following.lingered = why == FollowEnd::Idle;
        following.unable = why == FollowEnd::Never;
        following.tried = !following.unable;
        if (why == FollowEnd::Notify) {
            following.notified = from.notified;
            following.notified_signal = from.notified_signal;
        }
        failure = outcome(*following.memory);
        if (why != FollowEnd::Failed) return;
    }
    following.status = failure.status;
    following.text = std::move(failure.text);
    following.address = following.memory->fault_address();
}

// What Answer::Fault says.
RegionProcess::Failure RegionProcess::fault(Memory *memory)
{
    const auto &from = it_.control->to_device;
    const Fault fault = from.fault;
    const uint64_t address = from.address;
    const int number = from.number;
    const auto crash = [](std::string text) {
        return Failure{ACC_STATUS_ENGINE_ERROR, std::move(text)};
    };
    switch (fault) {
    case Fault::Memory:
        if (address >= arena_start && address < arena_end && memory) {
            (void)memory->span(address, 1, number ? Memory::Access::Write : Memory::Access::Read);
            return {ACC_STATUS_INVALID_ADDRESS, std::string("the role ") +
                                                    (number ? "wrote" : "read") +
                                                    " out of its windows at " + hex(address)};
        }
        return crash("the role crashed: segmentation fault at " + hex(address));
    case Fault::Stack:
        return crash("the role crashed: a work-item's stack overflowed at " + hex(address));
    case Fault::Illegal:
        return crash(std::string("the role crashed: ") +
                     (number == SIGFPE ? "arithmetic" : "illegal instruction") + " at " +
                     hex(address));
    case Fault::System:
        return crash("the role tried a refused system call: " + system_call_name(number));
    case Fault::Barrier:
        return crash("divergent barrier: work-items of a group came to different barriers");
    default:
        return crash("the role crashed");
    }
}

void RegionProcess::wait_for_end()
{
    if (!it_.pidfd) return;
    pollfd end{it_.pidfd.get(), POLLIN, 0};
    (void)poll(&end, 1, kEndMs);
}

std::string RegionProcess::how_it_ended()
{
    if (!it_.pidfd) return "not known how";
    // Its pipe closes a moment before; or it has closed it itself, and goes on.
    wait_for_end();
    siginfo_t info = {};
    if (waitid(P_PIDFD, static_cast<id_t>(it_.pidfd.get()), &info, WEXITED | WNOHANG | WNOWAIT) ||
        !info.si_pid)
        return "not known how";
    if (info.si_code == CLD_EXITED) return "exit status " + std::to_string(info.si_status);
    return std::string("signal ") + std::to_string(info.si_status) + " (" +
           strsignal(info.si_status) + ")";
}

bool RegionProcess::maps(uint64_t address, uint64_t bytes) const
{
    return std::any_of(given_.begin(), given_.end(), [&](const Range &range) {
        return range.start < address + bytes && range.end > address;
    });
}

bool RegionProcess::forget(uint64_t address, uint64_t bytes)
{
    it_.control->to_process.address = address;
    it_.control->to_process.bytes = bytes;
    if (!give_for(Order::Forget, kForgetNs)) return false;
    std::erase_if(given_, [&](const Range &range) {
        return range.start < address + bytes && range.end > address;
    });
    return true;
}

bool RegionProcess::reset()
{
    return give_for(Order::Reset, kForgetNs);
}

} // namespace acc::emu::fpga
