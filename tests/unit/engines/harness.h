// SPDX-License-Identifier: MIT
//
// An engine, a program and a dispatch, without a device around them.
#pragma once

#include "acc/kernels.h"
#include "emulator/engine.h"
#include "page_memory.h"
#include "program/samples.h"
#include "program/text.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace acc::emu::test
{

// "key=value,key=value" as options; nothing is checked.
inline std::vector<Option> options(std::string_view text)
{
    std::vector<Option> all;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        const size_t equals = part.find('=');
        all.push_back({std::string(part.substr(0, equals)), std::string(part.substr(equals + 1))});
    }
    return all;
}

// The engine, or a null pointer and a failed test.
inline std::unique_ptr<Engine> make(EngineFactory factory, std::string_view text = "")
{
    std::string why;
    auto engine = factory(options(text), why);
    EXPECT_TRUE(engine) << why;
    return engine ? std::move(*engine) : nullptr;
}

// What a factory says to options that it must refuse with -EINVAL.
inline std::string refusal(EngineFactory factory, std::string_view text)
{
    std::string why;
    const auto engine = factory(options(text), why);
    EXPECT_EQ(engine.error(), -EINVAL) << text;
    return why;
}

// What a pass came to.
struct Outcome {
    acc_status status = ACC_STATUS_OK;
    Dispatch dispatch;
};

template <typename Args>
Outcome run(Engine &engine, const EngineProgram &program, uint32_t kernel, const Args &args,
            Memory &memory, const std::atomic<bool> *stop = nullptr)
{
    Outcome outcome;
    outcome.dispatch.kernel = kernel;
    outcome.dispatch.kernargs = std::as_bytes(std::span(&args, 1));
    outcome.dispatch.memory = &memory;
    outcome.dispatch.stop = stop;
    outcome.status = engine.execute(program, outcome.dispatch);
    outcome.dispatch.kernargs = {};
    return outcome;
}

// An FPGA with all the roles that a test names.
class Fpga
{
public:
    explicit Fpga(std::vector<std::string_view> roles, std::string_view text = "")
        : engine_(make(create_fpga_engine, text)), roles_(std::move(roles))
    {
        std::string why;
        const auto image = program::fpga_program(roles_, &why);
        EXPECT_TRUE(image) << why;
        auto parsed = engine_->parse(*image, why);
        EXPECT_TRUE(parsed) << why;
        program_ = std::move(*parsed);
    }

    template <typename Args>
    Outcome operator()(std::string_view role, const Args &args)
    {
        const auto at = std::find(roles_.begin(), roles_.end(), role);
        EXPECT_NE(at, roles_.end()) << role;
        return run(*engine_, *program_, static_cast<uint32_t>(at - roles_.begin()), args, memory);
    }

    Engine &engine() { return *engine_; }
    const EngineProgram &program() { return *program_; }

    PageMemory memory;

private:
    std::unique_ptr<Engine> engine_;
    std::vector<std::string_view> roles_;
    std::unique_ptr<EngineProgram> program_;
};

template <typename T>
std::vector<T> random_values(std::mt19937_64 &random, size_t count, int64_t least, int64_t most)
{
    std::uniform_int_distribution<int64_t> value(least, most);
    std::vector<T> values(count);
    for (T &v : values)
        v = static_cast<T>(value(random));
    return values;
}

} // namespace acc::emu::test
