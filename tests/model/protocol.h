// SPDX-License-Identifier: MIT
//
// What the protocol tests share: a table row per variant of a protocol (as written, or cut in one
// place), with what it must do under each memory, and the runner that prints and compares.
#pragma once

#include "checker.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace acc::model
{

enum class Expect { holds, breaks, skip }; // skip: too many states under this memory
inline constexpr Expect holds = Expect::holds, breaks = Expect::breaks, skip = Expect::skip;
inline constexpr Order relaxed = Order::relaxed, acquire = Order::acquire, release = Order::release,
                       acq_rel = Order::acq_rel;

struct Variant {
    std::string name; // a gtest name
    std::function<Model()> build;
    Expect tso, c11;
    std::string why;
};

inline void PrintTo(const Variant &v, std::ostream *os)
{
    *os << v.why;
}

inline std::string variant_name(const testing::TestParamInfo<Variant> &info)
{
    return info.param.name;
}

/// Runs one variant under both memories. Set ACC_MODEL_TRACE to see every counterexample.
void run_variant(const Variant &v);

/// Updates that read well in a program.
inline Update add(int n)
{
    return [n](const Ctx &, int old) { return old + n; };
}
inline Update set_bits(int bits)
{
    return [bits](const Ctx &, int old) { return old | bits; };
}
inline Update clear_bits(int bits)
{
    return [bits](const Ctx &, int old) { return old & ~bits; };
}
inline Update exchange(int value)
{
    return [value](const Ctx &, int) { return value; };
}

} // namespace acc::model
