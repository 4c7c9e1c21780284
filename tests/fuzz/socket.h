// SPDX-License-Identifier: MIT
//
// What is done with a sequence of messages, by libFuzzer and by the smoke test: two hostile
// clients of a service with three devices send bent and wild requests with descriptors of many
// kinds, write what they share with the device, come and go. Aborts when a client beside them
// is disturbed, and when the service keeps anything of theirs after they have gone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace acc::fuzz
{

void try_messages(std::span<const std::byte> bytes);
std::vector<std::vector<std::byte>> messages_seeds();

} // namespace acc::fuzz
