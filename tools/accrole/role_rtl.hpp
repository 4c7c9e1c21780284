// SPDX-License-Identifier: MIT
//
// A Verilated design as a role (acc/role.h): what `accctl role build` compiles around it.
// docs/roles.md says what the ports mean. The generated part is a struct `Pins` that names them:
//
//   using Model = ...;                            the Verilated class
//   static constexpr bool kControl, kInterrupt, kMemory;
//   static constexpr unsigned kInputs, kOutputs, kTokenBytes, kMemoryBytes, kMemoryLatency;
//   static void clock(Model &, bool); static void reset(Model &, bool asserted);
//   static auto &awvalid(Model &) ...             AXI4-Lite, where there is a control port
//   static bool irq(Model &);
//   static auto &mem_req_valid(Model &) ...       the memory master
//   static void offer(Model &, unsigned stream, bool valid, uint64_t token, bool last);
//   static bool takes(Model &, unsigned stream);
//   static void accept(Model &, unsigned stream, bool ready);
//   static bool gives(Model &, unsigned stream, uint64_t &token);
//
// A cycle: the inputs of the cycle are set while the clock is low, the outputs settle, what is
// valid and ready at the same time passes, and the clock rises.
#pragma once

#include "acc/role.h"

#include <verilated.h>
#if VM_TRACE
#include <verilated_vcd_c.h>
#endif

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <string>

namespace acc::rtl
{

// Registers of the movers between memory and streams, outside of the design's own.
inline constexpr uint32_t kStreamRegisters =
    0x8000; // + 0x20 * stream, inputs first: address, count
inline constexpr unsigned kResetCycles = 8;
inline constexpr unsigned kControlCycles = 10'000; // a control port that takes longer is dead
inline constexpr uint64_t kLifeCycles = 1u << 16;  // between signs of life

#if VM_TRACE
// A waveform's bytes go to the host: a region has no files.
class HostFile final : public VerilatedVcdFile
{
public:
    explicit HostFile(const acc_role_host &host) : host_(host) {}
    bool open(const std::string &) override { return true; }
    void close() override {}
    ssize_t write(const char *bytes, ssize_t size) override
    {
        return host_.trace_write(host_.context, bytes, static_cast<acc_u64>(size)) ? -1 : size;
    }

private:
    const acc_role_host &host_;
};
#endif

template <typename Pins>
class Role
{
public:
    using Model = typename Pins::Model;
    static constexpr unsigned kStreams = Pins::kInputs + Pins::kOutputs;

    explicit Role(const acc_role_host &host) : host_(host)
    {
        context_.threads(1); // a model starts a pool of them otherwise, and uses none
#if VM_TRACE
        if (host_.trace_write) {
            context_.traceEverOn(true);
            file_ = std::make_unique<HostFile>(host_);
            trace_ = std::make_unique<VerilatedVcdC>(file_.get());
        }
#endif
        model_ = std::make_unique<Model>(&context_, "top");
#if VM_TRACE
        if (trace_) {
            model_->trace(trace_.get(), 99);
            trace_->open("");
        }
#endif
    }
    ~Role()
    {
#if VM_TRACE
        if (trace_) trace_->close();
#endif
        model_->final();
    }

    void reset()
    {
        for (unsigned s = 0; s < Pins::kInputs; s++)
            Pins::offer(*model_, s, false, 0, false);
        for (unsigned s = 0; s < Pins::kOutputs; s++)
            Pins::accept(*model_, s, false);
        if constexpr (Pins::kControl) {
            Pins::awvalid(*model_) = Pins::wvalid(*model_) = Pins::arvalid(*model_) = 0;
            Pins::bready(*model_) = Pins::rready(*model_) = 0;
        }
        if constexpr (Pins::kMemory) Pins::mem_rsp_valid(*model_) = 0;
        pending_.clear();
        for (Mover &mover : movers_)
            mover = {};
        Pins::reset(*model_, true);
        for (unsigned i = 0; i < kResetCycles; i++)
            tick();
        Pins::reset(*model_, false);
        tick();
        cycle_ = 0;
        started_ = done_ = false;
        status_ = ACC_STATUS_OK;
    }

    int run_until(acc_u64 cycle, acc_role_progress &progress)
    {
        if (!started_) {
            while (cycle_ < cycle)
                step();
        } else {
            while (!done_ && cycle_ < cycle) {
                if constexpr (Pins::kControl && !Pins::kInterrupt) {
                    uint32_t control = 0;
                    if (read_register(ACC_ROLE_REG_CONTROL, control)) return -EIO;
                    done_ = (control & ACC_ROLE_CONTROL_DONE) && movers_done();
                } else {
                    step();
                    done_ = (!Pins::kControl || Pins::irq(*model_)) && movers_done();
                }
                if (status_ != ACC_STATUS_OK) done_ = true;
                if (context_.gotFinish()) {
                    host_.explain(host_.context, "the design called $finish");
                    status_ = ACC_STATUS_ENGINE_ERROR;
                    done_ = true;
                }
                if (cycle_ >= life_) sign_of_life();
            }
        }
        progress.cycle = cycle_;
        progress.state = !started_ ? ACC_ROLE_IDLE : done_ ? ACC_ROLE_DONE : ACC_ROLE_BUSY;
        progress.status = status_;
        if (done_) started_ = false;
#if VM_TRACE
        if (done_ && trace_) trace_->flush(); // a region's process ends without a word
#endif
        return 0;
    }

    int mmio_read(uint32_t offset, uint32_t &value)
    {
        if constexpr (Pins::kControl) {
            if (offset < kStreamRegisters) return read_register(offset, value);
        }
        if (offset != ACC_ROLE_REG_CONTROL) return -EINVAL;
        value = started_ ? ACC_ROLE_CONTROL_BUSY : ACC_ROLE_CONTROL_DONE;
        return 0;
    }

    int mmio_write(uint32_t offset, uint32_t value)
    {
        if (offset >= kStreamRegisters) return write_mover(offset - kStreamRegisters, value);
        if (offset == ACC_ROLE_REG_CONTROL) {
            if constexpr (Pins::kControl)
                if (const int error = write_register(offset, value)) return error;
            // Streams move once the write is answered: the design has seen its start.
            started_ = true;
            done_ = false;
            status_ = ACC_STATUS_OK;
            life_ = cycle_ + kLifeCycles;
            for (Mover &mover : movers_)
                mover.moved = 0;
            drive();
            return 0;
        }
        return write_register(offset, value);
    }

    // For one who moves tokens himself, a cycle at a time.
    int stream_push(uint32_t stream, const void *token)
    {
        if (stream >= Pins::kInputs) return -EINVAL;
        uint64_t value = 0;
        std::memcpy(&value, token, Pins::kTokenBytes);
        Pins::offer(*model_, stream, true, value, false);
        model_->eval();
        if (!Pins::takes(*model_, stream)) return 0; // stays offered, as AXI wants it
        pushed_[stream] = true;
        return 1;
    }
    int stream_pop(uint32_t stream, void *token)
    {
        if (stream >= Pins::kOutputs) return -EINVAL;
        uint64_t value = 0;
        Pins::accept(*model_, stream, true);
        model_->eval();
        const bool passed = Pins::gives(*model_, stream, value);
        if (passed)
            std::memcpy(token, &value, Pins::kTokenBytes);
        else
            Pins::accept(*model_, stream, false);
        popped_[stream] = passed;
        return passed;
    }

    uint32_t interrupt()
    {
        if constexpr (Pins::kInterrupt) return Pins::irq(*model_);
        return 0;
    }

private:
    struct Mover {
        uint64_t address = 0, count = 0, moved = 0;
    };
    struct Response {
        uint64_t due = 0, data = 0;
    };

    // One clock with the inputs as they are.
    void tick()
    {
        Pins::clock(*model_, false);
        model_->eval();
        sample();
#if VM_TRACE
        if (trace_) trace_->dump(time_++);
#endif
        Pins::clock(*model_, true);
        model_->eval();
#if VM_TRACE
        if (trace_) trace_->dump(time_++);
#endif
        cycle_++;
        drive();
    }

    // With all outputs of the cycle settled: what passes at the edge that comes.
    void sample()
    {
        if constexpr (Pins::kMemory) {
            if (Pins::mem_req_valid(*model_) && Pins::mem_req_ready(*model_)) request();
        }
        if (!started_) return;
        if constexpr (Pins::kInputs != 0) {
            for (unsigned s = 0; s < Pins::kInputs; s++)
                if (movers_[s].moved < movers_[s].count && Pins::takes(*model_, s))
                    taken_[s] = true;
        }
        if constexpr (Pins::kOutputs != 0) {
            for (unsigned s = 0; s < Pins::kOutputs; s++) {
                Mover &mover = movers_[Pins::kInputs + s];
                uint64_t token = 0;
                if (mover.moved >= mover.count || !Pins::gives(*model_, s, token)) continue;
                if (host_.memory_write(host_.context,
                                       mover.address + mover.moved * Pins::kTokenBytes, &token,
                                       Pins::kTokenBytes))
                    status_ = ACC_STATUS_INVALID_ADDRESS;
                mover.moved++;
            }
        }
    }

    // Inputs of the next cycle.
    void drive()
    {
        if constexpr (Pins::kMemory) {
            const bool answer = !pending_.empty() && pending_.front().due <= cycle_;
            Pins::mem_rsp_valid(*model_) = answer;
            if (answer) {
                Pins::mem_rsp_rdata(*model_) =
                    static_cast<std::remove_reference_t<decltype(Pins::mem_rsp_rdata(*model_))>>(
                        pending_.front().data);
                pending_.pop_front();
            }
            Pins::mem_req_ready(*model_) = pending_.size() < 64;
        }
        for (unsigned s = 0; s < Pins::kInputs; s++) {
            Mover &mover = movers_[s];
            if (taken_[s]) {
                mover.moved++;
                taken_[s] = false;
            }
            if (pushed_[s]) {
                Pins::offer(*model_, s, false, 0, false);
                pushed_[s] = false;
            }
            if (!mover.count) continue; // somebody else pushes
            const bool more = started_ && mover.moved < mover.count;
            uint64_t token = 0;
            if (more &&
                host_.memory_read(host_.context, mover.address + mover.moved * Pins::kTokenBytes,
                                  &token, Pins::kTokenBytes))
                status_ = ACC_STATUS_INVALID_ADDRESS;
            Pins::offer(*model_, s, more, token, mover.moved + 1 == mover.count);
        }
        for (unsigned s = 0; s < Pins::kOutputs; s++) {
            const Mover &mover = movers_[Pins::kInputs + s];
            if (popped_[s]) {
                Pins::accept(*model_, s, false);
                popped_[s] = false;
            }
            if (mover.count) Pins::accept(*model_, s, started_ && mover.moved < mover.count);
        }
    }

    void step()
    {
        tick();
    }

    // The memory master's request of this cycle.
    void request()
    {
        const uint64_t address = Pins::mem_req_addr(*model_);
        uint64_t data = 0;
        int error = 0;
        if (Pins::mem_req_write(*model_)) {
            data = Pins::mem_req_wdata(*model_);
            const uint64_t strobe = Pins::mem_req_wstrb(*model_);
            const auto *bytes = reinterpret_cast<const uint8_t *>(&data);
            if (strobe == (1ull << Pins::kMemoryBytes) - 1) {
                error = host_.memory_write(host_.context, address, bytes, Pins::kMemoryBytes);
            } else {
                for (unsigned i = 0; i < Pins::kMemoryBytes && !error; i++)
                    if (strobe >> i & 1)
                        error = host_.memory_write(host_.context, address + i, bytes + i, 1);
            }
        } else {
            error = host_.memory_read(host_.context, address, &data, Pins::kMemoryBytes);
        }
        if (error) status_ = ACC_STATUS_INVALID_ADDRESS;
        pending_.push_back({cycle_ + Pins::kMemoryLatency, data});
    }

    int dead_control(const char *channel)
    {
        const std::string text = std::string("the control port's ") + channel +
                                 " was not ready in " + std::to_string(kControlCycles) + " cycles";
        host_.explain(host_.context, text.c_str());
        return -EIO;
    }

    int write_register(uint32_t offset, uint32_t value)
    {
        if constexpr (Pins::kControl) {
            Pins::awaddr(*model_) =
                static_cast<std::remove_reference_t<decltype(Pins::awaddr(*model_))>>(offset);
            Pins::wdata(*model_) = value;
            Pins::wstrb(*model_) = 15;
            Pins::awvalid(*model_) = Pins::wvalid(*model_) = Pins::bready(*model_) = 1;
            bool address = false, data = false, answered = false;
            for (unsigned i = 0; i < kControlCycles; i++) {
                Pins::clock(*model_, false);
                model_->eval();
                const bool a = Pins::awvalid(*model_) && Pins::awready(*model_);
                const bool w = Pins::wvalid(*model_) && Pins::wready(*model_);
                const bool b = Pins::bvalid(*model_);
                tick();
                if (a) Pins::awvalid(*model_) = 0;
                if (w) Pins::wvalid(*model_) = 0;
                address |= a;
                data |= w;
                answered |= b;
                if (answered && address && data) {
                    Pins::bready(*model_) = 0;
                    return 0;
                }
            }
            return dead_control(!address ? "AW" : !data ? "W" : "B");
        }
        return -EINVAL;
    }

    int read_register(uint32_t offset, uint32_t &value)
    {
        if constexpr (Pins::kControl) {
            Pins::araddr(*model_) =
                static_cast<std::remove_reference_t<decltype(Pins::araddr(*model_))>>(offset);
            Pins::arvalid(*model_) = Pins::rready(*model_) = 1;
            bool address = false;
            for (unsigned i = 0; i < kControlCycles; i++) {
                Pins::clock(*model_, false);
                model_->eval();
                const bool a = Pins::arvalid(*model_) && Pins::arready(*model_);
                const bool r = Pins::rvalid(*model_);
                if (r) value = Pins::rdata(*model_);
                tick();
                if (a) Pins::arvalid(*model_) = 0;
                address |= a;
                if (r && address) {
                    Pins::rready(*model_) = 0;
                    return 0;
                }
            }
            return dead_control(!address ? "AR" : "R");
        }
        return -EINVAL;
    }

    int write_mover(uint32_t at, uint32_t value)
    {
        const unsigned stream = at / 0x20;
        if (stream >= kStreams) return -EINVAL;
        uint64_t *const words[] = {&movers_[stream].address, &movers_[stream].count};
        const unsigned word = at % 0x20 / 4;
        if (word >= 4) return -EINVAL;
        std::memcpy(reinterpret_cast<char *>(words[word / 2]) + word % 2 * 4, &value, 4);
        return 0;
    }

    bool movers_done() const
    {
        for (unsigned s = 0; s < kStreams; s++)
            if (movers_[s].moved < movers_[s].count) return false;
        return true;
    }

    void sign_of_life()
    {
        life_ = cycle_ + kLifeCycles;
        std::string waits;
        for (unsigned s = 0; s < kStreams && waits.empty(); s++)
            if (movers_[s].moved < movers_[s].count)
                waits = (s < Pins::kInputs ? "input stream " : "output stream ") +
                        std::to_string(s < Pins::kInputs ? s : s - Pins::kInputs) +
                        (s < Pins::kInputs ? " is not ready after " : " is not valid after ") +
                        std::to_string(movers_[s].moved) + " of " +
                        std::to_string(movers_[s].count) + " tokens";
        if (waits.empty()) waits = "the design does not say that it is done";
        host_.progress(host_.context, cycle_, waits.c_str());
    }

    const acc_role_host &host_;
    VerilatedContext context_;
    std::unique_ptr<Model> model_;
#if VM_TRACE
    std::unique_ptr<HostFile> file_;
    std::unique_ptr<VerilatedVcdC> trace_;
    uint64_t time_ = 0;
#endif
    uint64_t cycle_ = 0, life_ = 0;
    bool started_ = false, done_ = false;
    uint32_t status_ = ACC_STATUS_OK;
    Mover movers_[kStreams ? kStreams : 1];
    bool taken_[Pins::kInputs ? Pins::kInputs : 1] = {};
    bool pushed_[Pins::kInputs ? Pins::kInputs : 1] = {};
    bool popped_[Pins::kOutputs ? Pins::kOutputs : 1] = {};
    std::deque<Response> pending_;
};

// The table of a design.
template <typename Pins>
struct Table {
    static Role<Pins> &of(acc_role *role) { return *reinterpret_cast<Role<Pins> *>(role); }

    static int create(const acc_role_ops *, const acc_role_host *host, acc_role **role)
    {
        if (host->abi >> 16 != ACC_ROLE_ABI_MAJOR) return -EINVAL;
        *role = reinterpret_cast<acc_role *>(new (std::nothrow) Role<Pins>(*host));
        return *role ? 0 : -ENOMEM;
    }
    static void reset(acc_role *role) { of(role).reset(); }
    static int run_until(acc_role *role, acc_u64 cycle, acc_role_progress *progress)
    {
        return of(role).run_until(cycle, *progress);
    }
    static int mmio_read(acc_role *role, __u32 offset, __u32 *value)
    {
        return of(role).mmio_read(offset, *value);
    }
    static int mmio_write(acc_role *role, __u32 offset, __u32 value)
    {
        return of(role).mmio_write(offset, value);
    }
    static int stream_push(acc_role *role, __u32 stream, const void *token)
    {
        return of(role).stream_push(stream, token);
    }
    static int stream_pop(acc_role *role, __u32 stream, void *token)
    {
        return of(role).stream_pop(stream, token);
    }
    static __u32 interrupt(acc_role *role) { return of(role).interrupt(); }
    static void destroy(acc_role *role) { delete &of(role); }

    static constexpr acc_role_ops ops(const char *name)
    {
        acc_role_ops table = {};
        table.size = sizeof table;
        table.abi = ACC_ROLE_ABI;
        table.name = name;
        table.inputs = Pins::kInputs;
        table.outputs = Pins::kOutputs;
        table.token_bytes = Pins::kTokenBytes;
        table.create = create;
        table.reset = reset;
        table.run_until = run_until;
        table.mmio_read = mmio_read;
        table.mmio_write = mmio_write;
        if (Pins::kInputs + Pins::kOutputs) {
            table.stream_push = stream_push;
            table.stream_pop = stream_pop;
        }
        table.interrupt = interrupt;
        table.destroy = destroy;
        return table;
    }
};

} // namespace acc::rtl
