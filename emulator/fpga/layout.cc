// SPDX-License-Identifier: MIT
//
// Roles that move data and compute nothing: im2col and permute.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"
#include "emulator/fpga/window.h"

#include <algorithm>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

using u128 = unsigned __int128;

// What lets im2col write one image after the other.
class Im2col
{
public:
    Im2col(Pass &pass, const acc_im2col_args &args)
        : pass_(pass), w_(args.window), pad_(static_cast<int8_t>(args.pad_value)),
          rows_(pass, w_, args.src), out_(pass, args.dst)
    {
    }

    acc_status run()
    {
        for (uint32_t b = 0; b < w_.batch; b++) {
            if (!rows_.select(b)) return pass_.no_read("src");
            for (uint32_t oy = 0; oy < w_.out_h; oy++) {
                const int64_t y = int64_t{oy} * w_.stride_h - w_.pad_top;
                for (uint32_t ox = 0; ox < w_.out_w; ox++) {
                    const acc_status status = patch(y, int64_t{ox} * w_.stride_w - w_.pad_left);
                    if (status != ACC_STATUS_OK) return status;
                }
            }
        }
        return out_.flush() ? ACC_STATUS_OK : out_.status();
    }

private:
    // The window at (y, x): kernel_h rows of kernel_w taps.
    acc_status patch(int64_t y, int64_t x)
    {
        const uint64_t c = w_.c;
        const Taps taps = taps_inside(x, w_.kernel_w, w_.dilation_w, w_.w);
        const auto before = static_cast<uint64_t>(taps.begin) * c;
        const auto behind = static_cast<uint64_t>(w_.kernel_w - taps.end) * c;
        // Taps that lie side by side are one run of bytes.
        const int64_t step = w_.dilation_w == 1 ? taps.count() : 1;
        for (uint32_t ky = 0; ky < w_.kernel_h; ky++) {
            const int64_t iy = y + int64_t{ky} * w_.dilation_h;
            if (iy < 0 || iy >= int64_t{w_.h} || taps.count() == 0) {
                if (!out_.fill(pad_, w_.kernel_w * c)) return out_.status();
                continue;
            }
            if (before && !out_.fill(pad_, before)) return out_.status();
            for (int64_t kx = taps.begin; kx < taps.end; kx += step) {
                const auto at = static_cast<uint64_t>(x + kx * w_.dilation_w) * c;
                const acc_status status = run_of(iy, at, static_cast<uint64_t>(step) * c);
                if (status != ACC_STATUS_OK) return status;
            }
            if (behind && !out_.fill(pad_, behind)) return out_.status();
        }
        return ACC_STATUS_OK;
    }

    acc_status run_of(int64_t iy, uint64_t offset, uint64_t bytes)
    {
        const size_t most = std::min(rows_.piece(), Writer::kCapacity);
        while (bytes) {
            const size_t part = std::min<uint64_t>(bytes, most);
            const int8_t *from = rows_.at(iy, offset, part);
            if (!from) return pass_.no_read("src");
            if (!out_.copy(from, part)) return out_.status();
            offset += part;
            bytes -= part;
        }
        return ACC_STATUS_OK;
    }

    Pass &pass_;
    const acc_window w_;
    const int8_t pad_;
    ImageRows rows_;
    Writer out_;
};

// Single bytes of a source too big to keep: a direct-mapped cache of small blocks, so that
// walking along a far axis reads each block once and not once a byte.
class ByteCache
{
public:
    // Sources are `bytes` long.
    ByteCache(Pass &pass, uint64_t bytes) : pass_(pass), bytes_(bytes)
    {
        const bool whole = bytes <= kLines * kLineBytes;
        data_.resize(whole ? bytes : kLines * kLineBytes);
        tags_.resize(whole ? 0 : kLines);
    }

    // False: status() says why. What fits is read at once.
    bool select(uint64_t src)
    {
        src_ = src;
        std::fill(tags_.begin(), tags_.end(), ~uint64_t{0});
        if (whole() && !pass_.read(data_.data(), src_, data_.size())) {
            status_ = pass_.no_read("src");
            return false;
        }
        if (pass_.spend(16 + (whole() ? data_.size() / 16 : 0))) return true;
        status_ = pass_.stopped();
        return false;
    }

    // Whether everything is kept, in data().
    bool whole() const { return tags_.empty(); }
    const int8_t *data() const { return data_.data(); }

    // The line of a byte and how much of it follows; null on a fault or when told to stop.
    const int8_t *at(uint64_t offset, uint64_t &bytes)
    {
        const uint64_t block = offset / kLineBytes, line = block % kLines;
        int8_t *kept = data_.data() + line * kLineBytes;
        const uint64_t start = block * kLineBytes;
        const uint64_t length = std::min<uint64_t>(kLineBytes, bytes_ - start);
        if (tags_[line] != block) {
            tags_[line] = ~uint64_t{0};
            if (!pass_.read(kept, src_ + start, length)) {
                status_ = pass_.no_read("src");
                return nullptr;
            }
            tags_[line] = block;
            if (!pass_.spend(length)) {
                status_ = pass_.stopped();
                return nullptr;
            }
        }
        bytes = length - (offset - start);
        return kept + (offset - start);
    }
    acc_status status() const { return status_; }

private:
    static constexpr size_t kLines = 128, kLineBytes = 4096;
    Pass &pass_;
    uint64_t src_ = 0;
    const uint64_t bytes_;
    std::vector<int8_t> data_;
    std::vector<uint64_t> tags_;
    acc_status status_ = ACC_STATUS_OK;
};

struct Permutation {
    uint64_t dims[4];    // of dst
    uint64_t strides[4]; // in src, of each axis of dst
};

// One run along the last axis of dst, from src offset `at`.
acc_status permute_run(ByteCache &src, Writer &out, const Permutation &p, uint64_t at)
{
    for (uint64_t i = 0; i < p.dims[3];) {
        uint64_t n = std::min<uint64_t>(p.dims[3] - i, kChunk);
        const uint64_t offset = at + i * p.strides[3];
        uint64_t there = 0;
        const int8_t *from = src.data() + offset;
        if (!src.whole()) {
            from = src.at(offset, there);
            if (!from) return src.status();
            n = std::min(n, (there - 1) / p.strides[3] + 1);
        }
        int8_t *to = out.room(n);
        if (!to) return out.status();
        if (p.strides[3] == 1)
            std::memcpy(to, from, n);
        else
            for (uint64_t k = 0; k < n; k++)
                to[k] = from[k * p.strides[3]];
        i += n;
    }
    return ACC_STATUS_OK;
}

} // namespace

acc_status im2col_i8(Pass &pass)
{
    const auto args = pass.args<acc_im2col_args>();
    const acc_window &w = args.window;
    Check check;
    check.window(w);
    check.between("pad_value", args.pad_value, -128, 127);
    check.zero("reserved", args.reserved);
    check.array("src", args.src, saturating_product(w.batch, w.h, w.w, w.c), 1);
    check.array("dst", args.dst,
                saturating_product(w.batch, w.out_h, w.out_w, w.kernel_h, w.kernel_w, w.c), 1);
    if (!check.ok()) return pass.refuse(check.take());
    return Im2col(pass, args).run();
}

acc_status permute_i8(Pass &pass)
{
    const auto args = pass.args<acc_permute_args>();
    Check check;
    uint32_t seen = 0;
    for (int i = 0; i < 4; i++) {
        check.at_least_1("dims", args.dims[i]);
        check.between("perm", args.perm[i], 0, 3);
        seen |= args.perm[i] < 4 ? 1u << args.perm[i] : 0;
    }
    check.expect(seen == 15, "perm to name each axis once",
                 std::to_string(args.perm[0]) + " " + std::to_string(args.perm[1]) + " " +
                     std::to_string(args.perm[2]) + " " + std::to_string(args.perm[3]));
    const uint64_t bytes =
        saturating_product(args.dims[0], args.dims[1], args.dims[2], args.dims[3]);
    check.array("src", args.src, bytes, 1);
    check.array("dst", args.dst, bytes, 1);
    if (!check.ok()) return pass.refuse(check.take());

    const uint64_t src_strides[4] = {uint64_t{args.dims[1]} * args.dims[2] * args.dims[3],
                                     uint64_t{args.dims[2]} * args.dims[3], args.dims[3], 1};
    Permutation p;
    for (int i = 0; i < 4; i++) {
        p.dims[i] = args.dims[args.perm[i]];
        p.strides[i] = src_strides[args.perm[i]];
    }
    // Where the first axis stays, what lies below it is moved one item at a time: a batch
    // then needs no more room than an item.
    const bool items = args.perm[0] == 0;
    const uint64_t passes = items ? p.dims[0] : 1;
    if (items) p.dims[0] = 1;
    const uint64_t item = bytes / passes;
    Writer out(pass, args.dst);
    ByteCache src(pass, item);
    for (uint64_t n = 0; n < passes; n++) {
        if (!src.select(args.src + n * item)) return src.status();
        for (uint64_t i = 0; i < p.dims[0]; i++)
            for (uint64_t j = 0; j < p.dims[1]; j++)
                for (uint64_t k = 0; k < p.dims[2]; k++) {
                    const acc_status status = permute_run(
                        src, out, p, i * p.strides[0] + j * p.strides[1] + k * p.strides[2]);
                    if (status != ACC_STATUS_OK) return status;
                }
    }
    return out.flush() ? ACC_STATUS_OK : out.status();
}

} // namespace acc::emu::fpga
