// SPDX-License-Identifier: MIT
//
// What tests need that run in a virtual machine, on the nodes of the kernel driver.
#pragma once

#include "tests/conformance/queue.h"

#include <memory>
#include <string>
#include <vector>

namespace acc::guest
{

// The nodes of --device options; tests use the first, and the second where there is one.
std::vector<std::string> &nodes();

// One more client.
std::unique_ptr<conformance::Accel> open_client(size_t node = 0);

// Interrupts of the driver so far, of all processors.
uint64_t interrupts();

// Clients of all nodes that wait in every way there is, and produce, until their device is gone
// or reset; `error` is what each of them must get then (ENODEV or EIO). Prints "ready" when
// they do, then a line "pass WHAT" or "fail WHAT: …" for each. The exit status.
int run_victim(int error);

} // namespace acc::guest
