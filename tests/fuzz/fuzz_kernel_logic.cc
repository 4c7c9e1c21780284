// SPDX-License-Identifier: MIT
#include "tests/kernel/logic/logic.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    acc::fuzz::try_logic(std::as_bytes(std::span(data, size)));
    return 0;
}
