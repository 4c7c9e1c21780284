// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/follow.h"

#include "acc/check.h"
#include "emulator/clock.h"
#include "emulator/packet.h"

#include <algorithm>

namespace acc::emu::fpga
{
namespace
{

constexpr unsigned kSpinsPerClockRead = 64;

class Follower
{
public:
    Follower(Control &control, Windows &windows, RunRequest &request,
             const std::function<RunResult(const RunRequest &)> &run)
        : control_(control), out_(control.to_device), order_(control.to_process.follow),
          windows_(windows), request_(request), run_(run), index_(order_.index)
    {
        out_.status = ACC_STATUS_OK;
        out_.modelled_ns = out_.energy_pj = 0;
    }

    FollowEnd follow()
    {
        const uint64_t ring_bytes = uint64_t{order_.packets} * ACC_PACKET_BYTES;
        for (uint64_t at = order_.ring; at < order_.ring + ring_bytes; at += ACC_PAGE_BYTES)
            if (!at_address<acc_packet>(at)) return FollowEnd::Never;
        queue_ = at_address<acc_queue_control>(order_.control);
        if (!queue_) return FollowEnd::Never;
        now_ = now_ns();
        const uint64_t end = now_ + order_.session_ns;
        do {
            FollowEnd why;
            acc_packet *const packet = await(why);
            if (!packet) return why;
            if (!accept()) return FollowEnd::Other;
            if (!execute()) return FollowEnd::Failed;
            const uint32_t bits = complete();
            retire(*packet);
            if (bits) {
                out_.notified = bits;
                out_.notified_signal = packet_.raw.completion_signal;
                return FollowEnd::Notify;
            }
            // A hint: the device asks with a fence before it rests.
            if (shared(queue_->space_wanted).load(std::memory_order_relaxed))
                return FollowEnd::Other;
        } while (now_ < end);
        return FollowEnd::Asked;
    }

    std::string text;

private:
    // Null: not mapped for writing, not all of it.
    template <typename T>
    T *at_address(uint64_t address)
    {
        const auto span = windows_.span(address, sizeof(T), Memory::Access::Write);
        return span.size() == sizeof(T) ? reinterpret_cast<T *>(span.data()) : nullptr;
    }

    // The next packet, once it is published, and its copy.
    acc_packet *await(FollowEnd &why)
    {
        auto *packet = reinterpret_cast<acc_packet *>(
            order_.ring + (index_ & (order_.packets - 1)) * ACC_PACKET_BYTES);
        const uint64_t end = now_ + order_.linger_ns;
        for (unsigned spins = 1;; spins++) {
            const bool there = take_packet(*packet, packet_);
            why = FollowEnd::Asked;
            if (control_.leave.load(std::memory_order_relaxed)) return nullptr;
            if (there) return packet;
            cpu_relax();
            if (spins % kSpinsPerClockRead) continue;
            why = FollowEnd::Idle;
            if (now_ns() > end) return nullptr;
        }
    }

    // Whether the packet is one to execute: then with its arguments, copied once.
    bool accept()
    {
        const acc_dispatch_packet &dispatch = packet_.dispatch;
        if ((packet_.header & ACC_HEADER_TYPE_MASK) != ACC_PACKET_DISPATCH ||
            dispatch.kernel_object != order_.kernel_object ||
            acc_check_packet(&packet_) != ACC_STATUS_OK ||
            dispatch.group_bytes < order_.group_bytes ||
            dispatch.private_bytes < order_.private_bytes)
            return false;
        signal_ = nullptr;
        if (packet_.raw.completion_signal) {
            signal_ = at_address<acc_signal_memory>(packet_.raw.completion_signal);
            if (!signal_ ||
                shared(signal_->kind).load(std::memory_order_relaxed) != ACC_SIGNAL_KIND_USER)
                return false;
        }
        std::byte *const to = control_.to_process.kernargs;
        const size_t bytes = std::min<size_t>(order_.kernarg_bytes, kMaxKernargBytes);
        if (bytes && !windows_.read(to, dispatch.kernarg_address, bytes)) return false;
        request_.kernargs = {to, bytes};
        const uint32_t grid[3] = {dispatch.grid_x, dispatch.grid_y, dispatch.grid_z};
        std::copy_n(grid, 3, control_.to_process.grid);
        return true;
    }

    bool execute()
    {
        start_ns_ = now_ns();
        const uint64_t moved = windows_.bytes_read() + windows_.bytes_written();
        const RunResult result = run_(request_);
        now_ = now_ns();
        if (result.status != ACC_STATUS_OK) {
            out_.status = result.status;
            out_.address = windows_.fault_address();
            text = result.text;
            return false;
        }
        out_.modelled_ns += order_.rates.busy_ns(result.cycles);
        energy_pj_ = order_.rates.energy_pj(result.cycles, windows_.bytes_read() +
                                                               windows_.bytes_written() - moved);
        out_.energy_pj += energy_pj_;
        return true;
    }

    // Who is to be told, if anybody.
    uint32_t complete()
    {
        if (!signal_) return 0;
        return complete_signal(*signal_, {.start_ns = start_ns_,
                                          .end_ns = now_,
                                          .energy_pj = energy_pj_,
                                          .modelled_ns = order_.model_ns + out_.modelled_ns});
    }

    void retire(acc_packet &packet)
    {
        shared(packet.raw.publish).store(ACC_PACKET_INVALID, std::memory_order_release);
        index_++;
        shared(queue_->read_index).store(index_, std::memory_order_release);
        control_.followed.store(index_ - order_.index, std::memory_order_release);
    }

    Control &control_;
    decltype(Control::to_device) &out_;
    const FollowOrder order_;
    Windows &windows_;
    RunRequest &request_;
    const std::function<RunResult(const RunRequest &)> &run_;
    acc_queue_control *queue_ = nullptr;
    uint64_t index_;
    uint64_t now_ = 0; // when the last packet was over
    acc_packet packet_ = {};
    acc_signal_memory *signal_ = nullptr;
    uint64_t start_ns_ = 0, energy_pj_ = 0;
};

} // namespace

std::string follow_ring(Control &control, Windows &windows, RunRequest &request,
                        const std::function<RunResult(const RunRequest &)> &run)
{
    Follower follower(control, windows, request, run);
    control.to_device.why = follower.follow();
    return std::move(follower.text);
}

} // namespace acc::emu::fpga
