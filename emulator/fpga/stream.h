// SPDX-License-Identifier: MIT
//
// Data in and out of a pass in order, through private buffers: the device's memory is
// scattered, and the client may change it at any time.
#pragma once

#include "emulator/fpga/role.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

namespace acc::emu::fpga
{

// Elements that a role works on at a time.
inline constexpr size_t kChunk = 8192;

// dst[i] = f(src[i]) in chunks: `f(src, dst, n)` works on private buffers. dst may be src
// where the elements are of one size.
template <typename In, typename Out, typename F>
acc_status map_array(Pass &pass, uint64_t src, uint64_t dst, uint64_t count, F f)
{
    In in[kChunk];
    Out out[kChunk];
    for (uint64_t i = 0; i < count; i += kChunk) {
        const size_t n = std::min<uint64_t>(kChunk, count - i);
        if (!pass.read(in, src + i * sizeof(In), n * sizeof(In))) return pass.no_read("src");
        f(static_cast<const In *>(in), out, n);
        if (!pass.write(dst + i * sizeof(Out), out, n * sizeof(Out))) return pass.no_write("dst");
        if (!pass.spend(n)) return pass.stopped();
    }
    return ACC_STATUS_OK;
}

// dst[i] = f(a[i], b[i % b_count]) in chunks: `f(a, b, dst, n)`.
template <typename T, typename F>
acc_status map_arrays(Pass &pass, uint64_t a, uint64_t b, uint64_t dst, uint64_t count,
                      uint64_t b_count, F f)
{
    T in[kChunk], other[kChunk], out[kChunk];
    // A short b is read once and repeated over a whole number of periods: then every chunk
    // finds the right part of it in place.
    const bool repeat = b_count <= kChunk;
    const uint64_t step = repeat ? kChunk / b_count * b_count : kChunk;
    if (repeat) {
        if (!pass.read(other, b, b_count * sizeof(T))) return pass.no_read("b");
        for (uint64_t filled = b_count; filled < std::min(step, count);) {
            const uint64_t more = std::min(filled, step - filled);
            std::memcpy(other + filled, other, more * sizeof(T));
            filled += more;
        }
    }
    for (uint64_t i = 0; i < count; i += step) {
        const size_t n = std::min(step, count - i);
        if (!pass.read(in, a + i * sizeof(T), n * sizeof(T))) return pass.no_read("a");
        for (size_t done = 0; !repeat && done < n;) {
            const uint64_t at = (i + done) % b_count;
            const size_t more = std::min<uint64_t>(n - done, b_count - at);
            if (!pass.read(other + done, b + at * sizeof(T), more * sizeof(T)))
                return pass.no_read("b");
            done += more;
        }
        f(static_cast<const T *>(in), static_cast<const T *>(other), out, n);
        if (!pass.write(dst + i * sizeof(T), out, n * sizeof(T))) return pass.no_write("dst");
        if (!pass.spend(n)) return pass.stopped();
    }
    return ACC_STATUS_OK;
}

// Bytes that are written one after the other. Every call may fail: status() says how.
class Writer
{
public:
    static constexpr size_t kCapacity = 1u << 16;

    Writer(Pass &pass, uint64_t address)
        : pass_(pass), address_(address), buffer_(new int8_t[kCapacity])
    {
    }

    // Room for `bytes` <= kCapacity, which the caller fills. Null: failed.
    int8_t *room(size_t bytes)
    {
        if (kCapacity - used_ < bytes && !flush()) return nullptr;
        used_ += bytes;
        return buffer_.get() + used_ - bytes;
    }

    [[nodiscard]] bool fill(int8_t value, uint64_t bytes)
    {
        while (bytes) {
            const size_t part = std::min<uint64_t>(bytes, kCapacity);
            int8_t *to = room(part);
            if (!to) return false;
            std::memset(to, value, part);
            bytes -= part;
        }
        return true;
    }

    // `bytes` <= kCapacity.
    [[nodiscard]] bool copy(const int8_t *from, size_t bytes)
    {
        int8_t *to = room(bytes);
        if (!to) return false;
        std::memcpy(to, from, bytes);
        return true;
    }

    [[nodiscard]] bool flush()
    {
        if (!pass_.write(address_, buffer_.get(), used_)) {
            status_ = pass_.no_write("dst");
            return false;
        }
        address_ += used_;
        const uint64_t written = used_;
        used_ = 0;
        if (pass_.spend(written)) return true;
        status_ = pass_.stopped();
        return false;
    }

    acc_status status() const { return status_; }

private:
    Pass &pass_;
    uint64_t address_;
    std::unique_ptr<int8_t[]> buffer_;
    size_t used_ = 0;
    acc_status status_ = ACC_STATUS_OK;
};

} // namespace acc::emu::fpga
