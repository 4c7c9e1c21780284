// SPDX-License-Identifier: MIT
//
// Interrupt messages into a virtual machine whose bus gives us no way to write: the stores of
// MSI-X, done by QEMU's test interface ("writel ADDRESS DATA" on its -qtest socket). A thread of
// its own speaks with QEMU, because QEMU answers only between the accesses that it waits for.
//
// Thread safety: every call from any thread.
#pragma once

#include "common/unique_fd.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace acc::emu
{

class MessageInjector
{
public:
    MessageInjector() = default;
    ~MessageInjector() { disconnect(); }
    MessageInjector(const MessageInjector &) = delete;
    MessageInjector &operator=(const MessageInjector &) = delete;

    // Where the machine is reached from now on. Not two at a time.
    void connect(UniqueFd socket);
    // Ends the thread. What was not sent is dropped.
    void disconnect();

    // Returns at once. A message that is still to be sent is not queued twice; without a
    // machine it is dropped.
    void post(uint64_t address, uint32_t data);

private:
    void loop();
    bool store(uint64_t address, uint32_t data);

    std::mutex connect_mutex_; // one connect() or disconnect()
    std::thread thread_;
    UniqueFd socket_;

    std::mutex mutex_; // of what follows
    std::condition_variable wanted_;
    std::deque<std::pair<uint64_t, uint32_t>> queue_;
    bool connected_ = false;
};

} // namespace acc::emu
