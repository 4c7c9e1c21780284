// SPDX-License-Identifier: MIT
//
// A service of null devices in a process of its own.
#pragma once

#include "fixture.h"

#include <sys/types.h>

namespace acc::test
{

class Service
{
public:
    static constexpr unsigned devices = 3;

    Service() = default;
    ~Service();
    Service(const Service &) = delete;
    Service &operator=(const Service &) = delete;

    // Forks: only while this process has one thread, or from tests that end it soon.
    bool start();
    // SIGTERM, which it must obey; its exit status. -1: it was not running.
    int stop();
    void kill(); // SIGKILL
    bool running() const { return child_ > 0; }
    size_t descriptors() const; // that its process holds
    const std::string &path() const { return path_; }
    const char *uri(unsigned device) const { return uris_[device].c_str(); }

private:
    int reap();

    std::string folder_, path_, uris_[devices + 1]; // one that is not there, too
    pid_t child_ = -1;
};

extern Service service; // of `libacc_test --service`

} // namespace acc::test
