// SPDX-License-Identifier: MIT
#include "tests/fuzz/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    acc::fuzz::try_onnx({reinterpret_cast<const std::byte *>(data), size});
    return 0;
}
