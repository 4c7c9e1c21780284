// SPDX-License-Identifier: MIT
//
// The rows of an image that windows slide over, in private copies of a bounded size.
#pragma once

#include "emulator/fpga/role.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace acc::emu::fpga
{

// A half-open range of kernel positions.
struct Taps {
    int64_t begin = 0, end = 0;
    int64_t count() const { return end - begin; }
};

// Which taps of a window that starts at `start` lie in [0, size).
inline Taps taps_inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size)
{
    Taps taps{0, kernel};
    if (start < 0) taps.begin = std::min(kernel, (-start + dilation - 1) / dilation);
    if (start + (kernel - 1) * dilation >= size)
        taps.end = (size - start + dilation - 1) / dilation; // <= 0 behind the image
    if (taps.end < taps.begin) taps.end = taps.begin;
    return taps;
}

// Rows of one image at a time. Where the rows that a window spans fit the cache, a row is
// read once and at() points into it; otherwise at() reads what it is asked for.
class ImageRows
{
public:
    static constexpr size_t kCacheBytes = 1u << 19;
    static constexpr size_t kPiece = 4096; // most that at() gives where rows are not cached

    // `window` has passed Check::window().
    ImageRows(Pass &pass, const acc_window &window, uint64_t src);

    // False on a fault.
    [[nodiscard]] bool select(uint32_t image);

    // `bytes` from byte `offset` of row `iy`, or null on a fault; good until the next call.
    // Within the row; at most piece() bytes.
    const int8_t *at(int64_t iy, uint64_t offset, size_t bytes);

    size_t piece() const { return piece_; }

private:
    const int8_t *fetch(int64_t iy, uint64_t offset, size_t bytes);

    Pass &pass_;
    const uint64_t src_;
    const uint64_t row_bytes_; // may be huge
    const uint64_t h_;
    uint64_t image_ = 0; // address
    uint64_t slots_ = 0; // rows that are kept; 0: none
    bool whole_ = false; // the image is kept whole
    size_t piece_ = kPiece;
    size_t cache_bytes_ = 0;
    std::unique_ptr<int8_t[]> cache_; // not initialised
    std::vector<int64_t> tags_;       // row in each slot
};

inline const int8_t *ImageRows::at(int64_t iy, uint64_t offset, size_t bytes)
{
    if (whole_) return cache_.get() + static_cast<uint64_t>(iy) * row_bytes_ + offset;
    return fetch(iy, offset, bytes);
}

} // namespace acc::emu::fpga
