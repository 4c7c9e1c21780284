// SPDX-License-Identifier: MIT
//
// A good file, cut and corrupted in every way that is cheap to try. The engine refuses it
// with a text or takes it; what it takes it can run. Sanitizers see the rest.
#pragma once

#include "harness.h"

#include <cstddef>
#include <vector>

namespace acc::emu::test
{

inline void hostile(Engine &engine, const std::vector<std::byte> &good)
{
    std::string why;
    ASSERT_TRUE(engine.parse(good, why)) << why;

    const auto survive = [&](const std::vector<std::byte> &bytes) {
        why.clear();
        auto program = engine.parse(bytes, why);
        if (!program) {
            EXPECT_LT(program.error(), 0);
            EXPECT_FALSE(why.empty());
            return;
        }
        PageMemory memory;
        const std::vector<std::byte> kernargs(256);
        for (uint32_t k = 0; k < (*program)->kernels.size(); k++) {
            Dispatch dispatch;
            dispatch.kernel = k;
            dispatch.kernargs = std::span(kernargs).first((*program)->kernels[k].kernarg_bytes);
            dispatch.memory = &memory;
            (void)engine.estimate_ns(**program, dispatch);
            EXPECT_NE(engine.execute(**program, dispatch), ACC_STATUS_OK);
            EXPECT_FALSE(dispatch.text.empty());
        }
    };
    const size_t step = good.size() > 4096 ? good.size() / 1024 : 1;
    for (size_t bytes = 0; bytes < good.size(); bytes += step)
        survive({good.begin(), good.begin() + static_cast<ptrdiff_t>(bytes)});
    for (size_t at = 0; at < good.size(); at++) {
        for (const uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
            auto bytes = good;
            bytes[at] = std::byte{value};
            survive(bytes);
        }
    }
    // Fields of four and eight bytes at their largest: sums and products that overflow.
    for (size_t at = 0; at + 8 <= good.size(); at += 4) {
        for (const size_t width : {4u, 8u}) {
            auto bytes = good;
            std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), width, std::byte{0xff});
            survive(bytes);
        }
    }
}

} // namespace acc::emu::test
