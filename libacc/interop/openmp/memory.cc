// SPDX-License-Identifier: MIT
#include "memory.h"

#include <algorithm>
#include <bit>

namespace acc::openmp
{
namespace
{

constexpr size_t kLeast = 64;
constexpr size_t kFirstChunk = size_t{16} << 20;
constexpr size_t kMostChunk = size_t{1} << 30; // larger only for one piece of that size
constexpr uint32_t kMostChunks = 4096;         // what the role takes

// Four sizes for each power of two: at most a fifth of a piece is waste.
size_t round_up(size_t bytes)
{
    bytes = std::max(bytes, kLeast);
    const size_t step = std::max(kLeast, std::bit_floor(bytes) / 4);
    return (bytes + step - 1) / step * step;
}

} // namespace

DeviceMemory::~DeviceMemory()
{
    for (acc_buffer *chunk : chunks_)
        (void)acc_buffer_destroy(chunk);
    if (table_) (void)acc_buffer_destroy(table_);
}

bool DeviceMemory::add_chunk(size_t bytes)
{
    if (count_ == kMostChunks) return false;
    acc_buffer_options options = ACC_INIT(acc_buffer_options);
    if (!table_) {
        options.flags = ACC_BUFFER_READ_ONLY;
        if (acc_buffer_create(device_, kMostChunks * sizeof(acc_omp_range), &options, &table_) < 0)
            return false;
    }
    const size_t wanted =
        std::max(bytes, std::min(kFirstChunk << std::min<size_t>(chunks_.size(), 16), kMostChunk));
    acc_buffer *chunk = nullptr;
    if (acc_buffer_create(device_, wanted, nullptr, &chunk) < 0 &&
        acc_buffer_create(device_, bytes, nullptr, &chunk) < 0)
        return false;
    chunks_.push_back(chunk);
    next_ = static_cast<std::byte *>(acc_buffer_data(chunk));
    end_ = next_ + acc_buffer_bytes(chunk);
    auto *table = static_cast<acc_omp_range *>(acc_buffer_data(table_));
    table[count_++] = {reinterpret_cast<uint64_t>(next_), acc_buffer_bytes(chunk)};
    return true;
}

void *DeviceMemory::allocate(size_t bytes)
{
    if (bytes > SIZE_MAX / 2) return nullptr;
    const size_t size = round_up(bytes);
    std::lock_guard lock(mutex_);
    void *piece = nullptr;
    if (const auto found = unused_.find(size); found != unused_.end() && !found->second.empty()) {
        piece = found->second.back();
        found->second.pop_back();
    } else {
        if (size > static_cast<size_t>(end_ - next_) && !add_chunk(size)) return nullptr;
        piece = next_;
        next_ += size;
    }
    sizes_.emplace(piece, size);
    return piece;
}

size_t DeviceMemory::free(void *pointer)
{
    std::lock_guard lock(mutex_);
    const auto found = sizes_.find(pointer);
    if (found == sizes_.end()) return 0;
    const size_t bytes = found->second;
    unused_[bytes].push_back(pointer);
    sizes_.erase(found);
    return bytes;
}

DeviceMemory::Ranges DeviceMemory::ranges()
{
    std::lock_guard lock(mutex_);
    // Entries are only added: their number tells tables apart.
    return {table_ ? reinterpret_cast<uint64_t>(acc_buffer_data(table_)) : 0, count_, count_};
}

} // namespace acc::openmp
