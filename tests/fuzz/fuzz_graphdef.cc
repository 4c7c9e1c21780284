// SPDX-License-Identifier: MIT
#include "tests/fuzz/graphdef.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    acc::fuzz::try_model({reinterpret_cast<const std::byte *>(data), size},
                         acc::accc::import_graphdef);
    return 0;
}
