// SPDX-License-Identifier: MIT
//
// Programs from their assembly, on a machine of exact units, with a client's memory beside it.
#pragma once

#include "acc/kernels.h"
#include "emulator/crossbar/isa/machine.h"
#include "program/isa/assembler.h"
#include "tests/unit/engines/page_memory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

namespace acc::emu::test
{

inline arch::Arch tiny()
{
    std::string why;
    auto arch = arch::load("tiny", why);
    EXPECT_TRUE(arch) << why;
    return *arch;
}

struct Arg {
    uint64_t value = 0, stride = 0;
};

class Tiles
{
public:
    explicit Tiles(const std::string &text, const arch::Arch &arch = tiny(),
                   crossbar::MachineOptions options = {})
        : arch_(arch)
    {
        std::string why;
        auto program = isa::assemble(text, "test", arch, why);
        EXPECT_TRUE(program) << why;
        if (program) start(std::move(*program), options);
    }
    Tiles(isa::Program program, const arch::Arch &arch, crossbar::MachineOptions options = {})
        : arch_(arch)
    {
        start(std::move(program), options);
    }

    // Runs the first kernel, or another. Its results are in `dispatch`.
    acc_status run(const std::vector<Arg> &args = {}, uint64_t items = 1, size_t kernel = 0,
                   uint64_t stats = 0)
    {
        std::vector<uint64_t> raw = {items, stats};
        for (const Arg &arg : args) {
            raw.push_back(arg.value);
            raw.push_back(arg.stride);
        }
        dispatch = {};
        dispatch.kernargs = std::as_bytes(std::span(raw));
        dispatch.memory = &memory;
        dispatch.stop = &stop;
        acc_status status = crossbar::Machine::check_args(program_.kernels[kernel], dispatch);
        if (status == ACC_STATUS_OK) status = machine_->run(program_.kernels[kernel], dispatch);
        dispatch.kernargs = {};
        return status;
    }

    // Runs a kernel whose one port is an output, and gives what came out.
    std::vector<int16_t> output(size_t words)
    {
        const uint64_t to = memory.allocate(words * 2);
        EXPECT_EQ(run({{to, words}}), ACC_STATUS_OK) << dispatch.text;
        return memory.load<int16_t>(to, words);
    }

    const isa::Program &program() const { return program_; }
    crossbar::Machine &machine() { return *machine_; }

    PageMemory memory;
    Dispatch dispatch;
    std::atomic<bool> stop{false};

private:
    void start(isa::Program program, crossbar::MachineOptions options)
    {
        program_ = std::move(program);
        std::vector<std::unique_ptr<crossbar::Multiplier>> units;
        for (const isa::Matrix &m : program_.matrices)
            units.push_back(crossbar::exact_multiplier(m.weights, m.rows, m.cols));
        if (options.timing_only) units.clear();
        machine_ = std::make_unique<crossbar::Machine>(arch_, program_, std::move(units), options);
    }

    const arch::Arch arch_;
    isa::Program program_;
    std::unique_ptr<crossbar::Machine> machine_;
};

} // namespace acc::emu::test
