// SPDX-License-Identifier: MIT
//
// One self-test run of one device: what the checks share, and how they answer.
#pragma once

#include "accctl.h"

#include <cstdint>
#include <string>
#include <vector>

namespace acc::ctl
{

struct Outcome {
    enum class Kind { Pass, Fail, Skip } kind;
    std::string detail;
};

inline Outcome pass(std::string detail = "")
{
    return {Outcome::Kind::Pass, std::move(detail)};
}
inline Outcome wrong(std::string detail)
{
    return {Outcome::Kind::Fail, std::move(detail)};
}
inline Outcome skip(std::string why)
{
    return {Outcome::Kind::Skip, std::move(why)};
}
// A call of libacc that should have worked: "what: its text".
Outcome refused(const char *what);

inline uint64_t address_of(const void *pointer)
{
    return reinterpret_cast<uintptr_t>(pointer);
}

// The bound of each wait here. A device that needs longer for these packets is broken.
constexpr uint64_t patience_ns = 10'000'000'000;

struct Subject {
    Device device;
    acc_device_info info;

    Queue queue() const; // null: libacc's text says why
    Buffer buffer(size_t bytes) const;
    Signal signal(int64_t initial) const;
};

// Waits until the signal is `value`. True, or false with libacc's text.
bool wait_equal(const Signal &signal, int64_t value);
// One packet and its signal, which is decremented to 0; `result` is the completion.
// True, or false with libacc's text.
bool submit_and_wait(const Subject &subject, const Queue &queue, union acc_packet packet,
                     acc_signal_result &result);

struct Check {
    const char *name;
    Outcome (*run)(const Subject &subject);
};
// In the order in which they run.
const std::vector<Check> &packet_checks(); // buffers, signals, packets, time
const std::vector<Check> &fpga_checks();   // copies, launches and loads, measured
const std::vector<Check> &kernel_checks(); // programs, known answers, faults, recovery

} // namespace acc::ctl
