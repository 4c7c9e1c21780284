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

// Folders of the first node's device: in sysfs, and the driver's in debugfs.
std::string device();
std::string debugfs();
// A file of the kernel's, whole; "" where there is none. Whether a write of it was taken.
std::string read_text(const std::string &path);
bool write_text(const std::string &path, const std::string &text);
// The fdinfo of each open of a node by this process, and a field of one.
std::vector<std::string> own_fdinfo();
std::string field(const std::string &fdinfo, const std::string &name);

// Interrupts of events so far, of all devices and processors.
uint64_t interrupts();

// Clients of all nodes that wait in every way there is, and produce, until their device is gone
// or reset; `error` is what each of them must get then (ENODEV or EIO). Prints "ready" when
// they do, then a line "pass WHAT" or "fail WHAT: …" for each. The exit status.
int run_victim(int error);

// Random calls and mappings on all nodes, a child process a round; round k has the seed
// `seed` + k. Prints as above. The exit status.
int run_fuzz(unsigned seconds, uint64_t seed);

// One fault in every allocation and copy of every call, one at a time; says as run_victim().
int run_fail_nth();

} // namespace acc::guest
