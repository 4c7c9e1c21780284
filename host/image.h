// SPDX-License-Identifier: MIT
//
// The section .acc.image.host: operators with their attributes and the shapes of their operands.
#pragma once

#include "host/host.h"

#include <cstddef>
#include <optional>

namespace acc::host
{

struct Kernel {
    Node node;
    std::vector<Desc> in, out; // dtype 0: left out
};

std::vector<std::byte> encode_image(std::span<const Kernel> kernels);

// Reads what encode_image() wrote, believing nothing: nothing when it is malformed, and `why`
// says what was expected and found. Whether the shapes are those of the operators is for infer().
std::optional<std::vector<Kernel>> parse_image(std::span<const std::byte> image, size_t kernels,
                                               std::string &why);

} // namespace acc::host
