// SPDX-License-Identifier: MIT
//
// What a program image holds, as JSON text for tools. Needs no device.
#pragma once

#include "common/result.h"

#include <cstddef>
#include <span>
#include <string>

namespace acc
{

// The text of acc_image_describe(). -EINVAL with a reason in `why`. Thread-safe.
Result<std::string> describe_image(std::span<const std::byte> image, std::string &why);

} // namespace acc
