// SPDX-License-Identifier: MIT
#include "emulator/pci/messages.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <sys/socket.h>

namespace acc::emu
{

void MessageInjector::connect(UniqueFd socket)
{
    disconnect();
    std::lock_guard one(connect_mutex_);
    socket_ = std::move(socket);
    {
        std::lock_guard lock(mutex_);
        queue_.clear();
        connected_ = true;
    }
    thread_ = std::thread([this] { loop(); });
}

void MessageInjector::disconnect()
{
    std::lock_guard one(connect_mutex_);
    {
        std::lock_guard lock(mutex_);
        connected_ = false;
    }
    wanted_.notify_all();
    if (!thread_.joinable()) return;
    shutdown(socket_.get(), SHUT_RDWR); // it may wait for an answer
    thread_.join();
    socket_.reset();
}

void MessageInjector::post(uint64_t address, uint32_t data)
{
    {
        std::lock_guard lock(mutex_);
        const std::pair message(address, data);
        if (!connected_ || std::find(queue_.begin(), queue_.end(), message) != queue_.end()) return;
        queue_.push_back(message);
    }
    wanted_.notify_one();
}

void MessageInjector::loop()
{
    std::unique_lock lock(mutex_);
    while (connected_) {
        if (queue_.empty()) {
            wanted_.wait(lock);
            continue;
        }
        const auto [address, data] = queue_.front();
        queue_.pop_front();
        lock.unlock();
        const bool stored = store(address, data);
        lock.lock();
        if (!stored) connected_ = false; // the machine is gone
    }
}

// One command and its answer, a line that begins with OK.
bool MessageInjector::store(uint64_t address, uint32_t data)
{
    char line[64];
    const int length = std::snprintf(line, sizeof line, "writel 0x%llx 0x%x\n",
                                     static_cast<unsigned long long>(address), data);
    for (int sent = 0; sent < length;) {
        const ssize_t part = send(socket_.get(), line + sent, size_t(length - sent), MSG_NOSIGNAL);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return false;
        sent += int(part);
    }
    size_t got = 0;
    do {
        const ssize_t part = recv(socket_.get(), line + got, sizeof line - got, 0);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return false;
        got += size_t(part);
    } while (line[got - 1] != '\n' && got < sizeof line);
    return std::string_view(line, got).starts_with("OK");
}

} // namespace acc::emu
