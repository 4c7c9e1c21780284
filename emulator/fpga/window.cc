// SPDX-License-Identifier: MIT
#include "emulator/fpga/window.h"

#include <algorithm>

namespace acc::emu::fpga
{

ImageRows::ImageRows(Pass &pass, const acc_window &window, uint64_t src)
    : pass_(pass), src_(src), row_bytes_(uint64_t{window.w} * window.c), h_(window.h)
{
    const uint64_t extent =
        std::min<uint64_t>(h_, uint64_t{window.kernel_h - 1} * window.dilation_h + 1);
    whole_ = saturating_product(row_bytes_, h_) <= kCacheBytes;
    if (whole_) {
        slots_ = h_;
    } else if (saturating_product(row_bytes_ + sizeof(int64_t), extent) <= kCacheBytes) {
        slots_ = extent;
        tags_.resize(slots_);
    }
    piece_ = slots_ ? row_bytes_ : kPiece;
    cache_bytes_ = slots_ ? slots_ * row_bytes_ : kPiece;
    cache_.reset(new int8_t[cache_bytes_]);
}

bool ImageRows::select(uint32_t image)
{
    image_ = src_ + image * (h_ * row_bytes_); // checked not to wrap
    std::fill(tags_.begin(), tags_.end(), -1);
    return !whole_ || pass_.read(cache_.get(), image_, cache_bytes_);
}

const int8_t *ImageRows::fetch(int64_t iy, uint64_t offset, size_t bytes)
{
    const uint64_t row = image_ + static_cast<uint64_t>(iy) * row_bytes_;
    if (slots_ == 0) return pass_.read(cache_.get(), row + offset, bytes) ? cache_.get() : nullptr;
    // Rows of one window are less than slots_ apart: none displaces another.
    const uint64_t slot = static_cast<uint64_t>(iy) % slots_;
    int8_t *kept = cache_.get() + slot * row_bytes_;
    if (tags_[slot] != iy) {
        tags_[slot] = -1;
        if (!pass_.read(kept, row, row_bytes_)) return nullptr;
        tags_[slot] = iy;
    }
    return kept + offset;
}

} // namespace acc::emu::fpga
