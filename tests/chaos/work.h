// SPDX-License-Identifier: MIT
//
// Checked work on one device: what a client of the chaos tests does, over acc/acc.hpp alone.
//
// A wrong result, or a refusal that nothing explains, throws Wrong; the device's loss throws
// Lost with the time at which the failed call came back. Both end the process, with its
// handles ended on the way out as a program would.
#pragma once

#include "acc/acc.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <random>
#include <string>
#include <vector>

namespace acc::chaos
{

struct Lost {
    uint64_t woke_ns; // CLOCK_MONOTONIC
    std::string where;
};
struct Wrong {
    std::string text;
};

uint64_t now_ns(); // CLOCK_MONOTONIC

// Throws what the failure is.
[[noreturn]] void give_up(const char *where, const Failure &why);
template <typename T>
T need(const char *where, Expected<T> got)
{
    if (!got) give_up(where, got.error());
    return std::move(*got);
}
inline void need(const char *where, const Expected<void> &got)
{
    if (!got) give_up(where, got.error());
}

// A device with the programs that the work needs. Shared by the workers of a process.
struct Target {
    explicit Target(const char *uri, uint64_t seed, uint64_t spin_ns = 0);

    Device device;
    uint32_t engine = 0;
    std::vector<std::byte> image;
    Program program;
    std::vector<acc_kernel_info> kernels; // null: copy, spin, hang; crossbar: mvm; fpga: roles
    std::vector<int16_t> weights;         // crossbar, [rows][cols]
    static constexpr uint32_t rows = 16, cols = 12;
};

// One thread of it. Not thread-safe; any number on one target.
class Worker
{
public:
    Worker(Target &target, uint64_t seed);

    // One randomly chosen piece of work, submitted, waited for and checked.
    void step();
    // Ends all but what the constructor made.
    void settle();
    uint64_t steps() const { return steps_; }

private:
    // An extra buffer that nobody but its maker touches.
    struct Keep {
        Buffer buffer;
        uint64_t seed;
    };
    // A dispatch's place: arguments, input and output.
    struct Place {
        std::byte *at;
        size_t kernel;
        uint32_t count;
    };

    void dispatches();
    void copies();
    void fills();
    void chain();
    void buffers();
    void programs();
    void queues();
    void timeout();
    void full_ring();

    uint64_t below(uint64_t bound) { return random_() % bound; }
    Queue &any_queue() { return queues_[below(queues_.size())]; }
    Signal signal(int64_t initial = 1);
    // Until it is 0, in one of the ways that there are; then its status must be good.
    void wait(Signal &signal);
    void wait_callback(Signal &signal);
    void wait_descriptor(Signal &signal);
    void prepare(Place &place);
    acc_dispatch describe(const Place &place, const Program *other, Signal &completion);
    void check(const Place &place);
    void check_keep(const Keep &keep);

    Target &target_;
    std::mt19937_64 random_;
    Buffer memory_; // places first, then what copies and fills use
    std::vector<Queue> queues_;
    std::vector<Keep> kept_;
    uint64_t steps_ = 0;
};

} // namespace acc::chaos
