// SPDX-License-Identifier: MIT
#include "tests/fuzz/socket.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    acc::fuzz::try_messages(std::as_bytes(std::span(data, size)));
    return 0;
}
