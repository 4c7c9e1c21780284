// SPDX-License-Identifier: MIT
#include "tests/fuzz/ioctl.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    acc::fuzz::try_ioctls(std::as_bytes(std::span(data, size)));
    return 0;
}
