// SPDX-License-Identifier: MIT
#include "output.h"

#include "../region_abi.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace acc::openmp
{
namespace
{

std::mutex mutex;
acc_omp_output *current; // the client's memory: it may say what it likes, in its own memory
uint32_t room;

ssize_t take(void *, const char *text, size_t bytes)
{
    std::lock_guard lock(mutex);
    if (!current) return static_cast<ssize_t>(bytes);
    const uint32_t used = std::min(current->used, room);
    const auto taken = static_cast<uint32_t>(std::min<size_t>(bytes, room - used));
    std::memcpy(current->text + used, text, taken);
    current->used = used + taken;
    current->lost += static_cast<uint32_t>(bytes - taken);
    return static_cast<ssize_t>(bytes);
}

} // namespace

void capture_output()
{
    const cookie_io_functions_t functions = {nullptr, take, nullptr, nullptr};
    if (FILE *file = fopencookie(nullptr, "w", functions)) {
        setvbuf(file, nullptr, _IOLBF, BUFSIZ);
        stdout = file;
    }
    if (FILE *file = fopencookie(nullptr, "w", functions)) {
        setvbuf(file, nullptr, _IONBF, 0);
        stderr = file;
    }
}

bool begin_output(const acc_role_host &host, uint64_t address)
{
    acc_omp_output header = {};
    if (!address) return true;
    if (host.memory_read(host.context, address, &header, sizeof header)) return false;
    const uint32_t wanted = header.room;
    header.used = header.lost = 0;
    // The last byte too: nothing of it is first touched by a thread that prints.
    const char end = 0;
    if (!wanted || host.memory_write(host.context, address, &header, sizeof header) ||
        host.memory_write(host.context, address + sizeof header + wanted - 1, &end, 1))
        return false;
    std::lock_guard lock(mutex);
    current = reinterpret_cast<acc_omp_output *>(address); // a device address is one here
    room = wanted;
    return true;
}

void end_output()
{
    // A thread of a launch that was left in the middle may hold it for ever.
    if (ftrylockfile(stdout) == 0) {
        fflush_unlocked(stdout);
        funlockfile(stdout);
    }
    std::lock_guard lock(mutex);
    current = nullptr;
}

} // namespace acc::openmp
