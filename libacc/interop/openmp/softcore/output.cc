// SPDX-License-Identifier: MIT
#include "output.h"

#include "../region_abi.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
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

// The program's, by its addresses there: what its code names is a variable of the host's. gcc's
// finds null, as in any pointer to what is not mapped.
std::atomic<uint64_t> host_stdout{0}, host_stderr{0};

FILE *stream(FILE *file)
{
    const auto address = reinterpret_cast<uint64_t>(file);
    if (address == host_stdout.load(std::memory_order_relaxed)) return stdout;
    return !file || address == host_stderr.load(std::memory_order_relaxed) ? stderr : file;
}

int print_to(FILE *file, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int result = std::vfprintf(stream(file), format, list);
    va_end(list);
    return result;
}

int print_checked(FILE *file, int, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int result = std::vfprintf(stream(file), format, list);
    va_end(list);
    return result;
}

size_t write_to(const void *from, size_t bytes, size_t count, FILE *file)
{
    return std::fwrite(from, bytes, count, stream(file));
}

int put_text(const char *text, FILE *file)
{
    return std::fputs(text, stream(file));
}

int put_character(int c, FILE *file)
{
    return std::fputc(c, stream(file));
}

int flush_stream(FILE *file)
{
    return std::fflush(file ? stream(file) : nullptr); // null: all
}

} // namespace

void add_streams(std::vector<Override> &to)
{
    const auto add = [&](const char *name, auto *function) {
        to.push_back({name, reinterpret_cast<void *>(function)});
    };
    add("fprintf", print_to);
    add("__fprintf_chk", print_checked);
    add("fwrite", write_to);
    add("fputs", put_text);
    add("fflush", flush_stream);
    for (const char *name : {"fputc", "putc", "_IO_putc"})
        add(name, put_character);
}

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

void name_host_streams(uint64_t out, uint64_t error)
{
    host_stdout.store(out, std::memory_order_relaxed);
    host_stderr.store(error, std::memory_order_relaxed);
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
