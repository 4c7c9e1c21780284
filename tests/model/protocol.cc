// SPDX-License-Identifier: MIT
#include "protocol.h"

#include <cstdio>
#include <cstdlib>

namespace acc::model
{

void run_variant(const Variant &v)
{
    for (const Memory memory : {Memory::tso, Memory::c11}) {
        const char *name = memory == Memory::tso ? "tso" : "c11";
        const Expect expected = memory == Memory::tso ? v.tso : v.c11;
        if (expected == skip) continue;
        const Result r = v.build().run(memory);
        if (r.holds)
            std::printf("  %s: holds, %zu states, %zu steps\n", name, r.states, r.steps);
        else
            std::printf("  %s: breaks in %zu steps (%zu states): %s\n", name, r.trace.size(),
                        r.states, r.failure.c_str());
        if (std::getenv("ACC_MODEL_TRACE") && !r.holds) std::printf("%s\n", r.report().c_str());
        EXPECT_EQ(r.holds, expected == holds) << name << ": " << v.why << "\n" << r.report();
    }
}

} // namespace acc::model
