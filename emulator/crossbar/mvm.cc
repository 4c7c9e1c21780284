// SPDX-License-Identifier: MIT
#include "emulator/crossbar/mvm.h"

#include "emulator/engine_checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace acc::emu::crossbar
{
namespace
{

using u128 = unsigned __int128;

// Elements of inputs or accumulators that are worked on at a time: they stay in the second
// cache, and a matrix of any size needs buffers of a size that does not depend on `vectors`.
constexpr uint32_t kChunkElements = 1u << 15;
constexpr uint32_t kMaxChunkVectors = 64;
constexpr uint32_t kGroupCols = 1024;
// Work between two looks at the stop flag: far below a millisecond even without SIMD.
constexpr uint64_t kPollProducts = 1u << 19;
constexpr uint64_t kPollConversions = 1u << 12;

// The last byte of `vectors` vectors must not leave the address space.
std::string check_range(const char *name, uint64_t address, uint64_t vectors, uint64_t stride,
                        uint64_t width, uint32_t bytes)
{
    if (address == 0) return std::string("expected an address of ") + name + "; found 0";
    if (address % bytes)
        return std::string("expected ") + name + " aligned to " + std::to_string(bytes) +
               " bytes; found an address that ends in " + std::to_string(address % bytes);
    if (stride < width)
        return std::string("expected ") + name + "_stride of at least " + std::to_string(width) +
               " elements; found " + std::to_string(stride);
    const u128 end = u128{address} + (u128{vectors - 1} * stride + width) * bytes;
    if (end > u128{1} << 64)
        return std::string("expected ") + name + " inside 64-bit addresses; found " +
               std::to_string(vectors) + " vectors at a stride of " + std::to_string(stride);
    return {};
}

// The state of one dispatch.
class Run
{
public:
    Run(const Matrix &matrix, const acc_mvm_args &args, Scratch &scratch, Dispatch &dispatch)
        : m_(matrix), args_(args), s_(scratch), dispatch_(dispatch),
          x_stride_(size_t{m_.pairs()} * 2), input_planes_(m_.split_input() ? 2 : 1)
    {
        const uint32_t width = std::max(m_.rows(), std::min(m_.cols(), kGroupCols));
        chunk_ = std::clamp<uint32_t>(kChunkElements / width, 1, kMaxChunkVectors);
        chunk_ = static_cast<uint32_t>(std::min<uint64_t>(chunk_, args.vectors));
        grow(s_.raw, size_t{chunk_} * m_.rows() * m_.input_bytes());
        grow(s_.planes, input_planes_ * chunk_ * x_stride_);
        grow(s_.sums, size_t{chunk_} * std::min(m_.cols(), kGroupCols));
        if (!m_.clipping().empty()) {
            grow(s_.bits, size_t{chunk_} * m_.rows());
            grow(s_.words, m_.clipping().scratch_words());
        }
    }

    acc_status run()
    {
        for (uint64_t first = 0; first < args_.vectors; first += chunk_) {
            const auto vectors =
                static_cast<uint32_t>(std::min<uint64_t>(chunk_, args_.vectors - first));
            if (!read(first, vectors)) return memory_fault(dispatch_, "read", "input");
            decode(vectors);
            for (uint32_t col = 0; col < m_.cols(); col += kGroupCols) {
                const uint32_t cols = std::min(kGroupCols, m_.cols() - col);
                if (!multiply(vectors, col, cols)) return ACC_STATUS_TIMEOUT;
                if (!m_.clipping().empty() && !clip(vectors, col, cols)) return ACC_STATUS_TIMEOUT;
                if (!write(first, vectors, col, cols))
                    return memory_fault(dispatch_, "written", "output");
            }
        }
        return ACC_STATUS_OK;
    }

private:
    template <typename T>
    static void grow(std::vector<T> &buffer, size_t size)
    {
        if (buffer.size() < size) buffer.resize(size);
    }

    bool read(uint64_t first, uint32_t vectors)
    {
        const size_t row = size_t{m_.rows()} * m_.input_bytes();
        const uint64_t step = args_.input_stride * m_.input_bytes();
        const uint64_t address = args_.input + first * step;
        if (step == row) return dispatch_.memory->read(s_.raw.data(), address, vectors * row);
        for (uint32_t v = 0; v < vectors; v++)
            if (!dispatch_.memory->read(s_.raw.data() + v * row, address + v * step, row))
                return false;
        return true;
    }

    // Bits above input_bits never reach a DAC: what counts is the low bits' value.
    template <typename T, bool Signed>
    void decode_vector(const T *raw, uint32_t v)
    {
        int16_t *low = s_.planes.data() + v * x_stride_;
        const bool split = m_.split_input();
        int16_t *high = split ? low + chunk_ * x_stride_ : nullptr;
        const uint32_t rows = m_.rows();
        const int shift = 32 - static_cast<int>(m_.input_bits());
        for (uint32_t row = 0; row < rows; row++) {
            const uint32_t bits = static_cast<uint32_t>(raw[row]) << shift;
            const int32_t value =
                Signed ? static_cast<int32_t>(bits) >> shift : static_cast<int32_t>(bits >> shift);
            low[row] = static_cast<int16_t>(split ? value & 0xff : value);
            if (split) high[row] = static_cast<int16_t>(value >> 8);
        }
        if (rows % 2) {
            low[rows] = 0;
            if (split) high[rows] = 0;
        }
        if (!m_.clipping().empty())
            for (uint32_t row = 0; row < rows; row++)
                s_.bits[size_t{v} * rows + row] = static_cast<uint16_t>(raw[row]);
    }

    void decode(uint32_t vectors)
    {
        for (uint32_t v = 0; v < vectors; v++) {
            const std::byte *raw = s_.raw.data() + size_t{v} * m_.rows() * m_.input_bytes();
            // raw is the start of an allocation plus whole elements: aligned.
            if (m_.input_bytes() == 1) {
                const auto *bytes = reinterpret_cast<const uint8_t *>(raw);
                m_.input_signed() ? decode_vector<uint8_t, true>(bytes, v)
                                  : decode_vector<uint8_t, false>(bytes, v);
            } else {
                const auto *words = reinterpret_cast<const uint16_t *>(raw);
                m_.input_signed() ? decode_vector<uint16_t, true>(words, v)
                                  : decode_vector<uint16_t, false>(words, v);
            }
        }
    }

    // The exact product of all vectors with [first, first + cols). False: told to stop.
    bool multiply(uint32_t vectors, uint32_t first, uint32_t cols)
    {
        static const GemmKernel kernel = best_gemm();
        std::fill_n(s_.sums.data(), size_t{vectors} * cols, int64_t{0});
        alignas(64) int32_t tile[kMaxTileVectors][kPanelCols];
        for (uint32_t n = 0; n < cols; n += kPanelCols) {
            const int16_t *panel = m_.panel((first + n) / kPanelCols);
            const uint32_t width = std::min(kPanelCols, cols - n);
            for (uint32_t pair = 0; pair < m_.pairs(); pair += m_.max_pairs()) {
                const uint32_t pairs = std::min(m_.max_pairs(), m_.pairs() - pair);
                const int16_t *w = panel + pair * kPanelPairElements;
                for (uint32_t v = 0; v < vectors; v += kMaxTileVectors) {
                    const uint32_t tiles = std::min(kMaxTileVectors, vectors - v);
                    for (uint32_t plane = 0; plane < input_planes_; plane++) {
                        const int16_t *x = s_.planes.data() + plane * chunk_ * x_stride_ +
                                           v * x_stride_ + 2 * size_t{pair};
                        kernel(x, x_stride_, tiles, w, pairs, tile);
                        add_tile(tile, tiles, v, n, width, cols, plane ? 256 : 1);
                    }
                }
                if (!spend(uint64_t{pairs} * vectors * input_planes_ * 2 * kPanelCols, work_,
                           kPollProducts))
                    return false;
            }
        }
        return true;
    }

    void add_tile(const int32_t (*tile)[kPanelCols], uint32_t tiles, uint32_t v, uint32_t n,
                  uint32_t width, uint32_t cols, int64_t scale)
    {
        for (uint32_t t = 0; t < tiles; t++) {
            int64_t *out = s_.sums.data() + size_t{v + t} * cols + n;
            if (width == kPanelCols) {
                for (uint32_t i = 0; i < kPanelCols; i++)
                    out[i] += tile[t][i] * scale;
            } else {
                for (uint32_t i = 0; i < width; i++)
                    out[i] += tile[t][i] * scale;
            }
        }
    }

    // Takes away what the ADCs clip. False: told to stop.
    bool clip(uint32_t vectors, uint32_t first, uint32_t cols)
    {
        for (uint32_t v = 0; v < vectors; v++) {
            for (uint32_t block = 0; block < m_.row_blocks(); block++) {
                if (m_.clipping().columns_in(block) == 0) continue;
                const uint32_t begin = block * m_.block_rows();
                const uint32_t rows = std::min(m_.block_rows(), m_.rows() - begin);
                dispatch_.saturations += m_.clipping().subtract_excess(
                    block, first, first + cols,
                    {s_.bits.data() + size_t{v} * m_.rows() + begin, rows}, m_.input_bits(),
                    m_.input_signed(), s_.words.data(), s_.sums.data() + size_t{v} * cols);
                const uint64_t conversions =
                    std::min<uint64_t>(m_.clipping().columns_in(block), uint64_t{cols} * 32);
                if (!spend(conversions * m_.input_bits() + rows, clip_work_, kPollConversions))
                    return false;
            }
        }
        return true;
    }

    bool write(uint64_t first, uint32_t vectors, uint32_t col, uint32_t cols)
    {
        const uint32_t bytes = m_.output_bytes();
        auto *sums = reinterpret_cast<std::byte *>(s_.sums.data());
        if (bytes == 4) {
            // In place: element i of the narrow array never lies behind element i of the wide.
            for (size_t i = 0; i < size_t{vectors} * cols; i++) {
                const auto narrow = static_cast<int32_t>(s_.sums[i]); // Matrix checked that it fits
                std::memcpy(sums + 4 * i, &narrow, 4);
            }
        }
        const uint64_t step = args_.output_stride * bytes;
        const uint64_t address = args_.output + first * step + uint64_t{col} * bytes;
        const size_t row = size_t{cols} * bytes;
        if (step == row) return dispatch_.memory->write(address, sums, vectors * row);
        for (uint32_t v = 0; v < vectors; v++)
            if (!dispatch_.memory->write(address + v * step, sums + v * row, row)) return false;
        return true;
    }

    bool spend(uint64_t amount, uint64_t &work, uint64_t limit)
    {
        work += amount;
        if (work < limit) return true;
        work = 0;
        return !dispatch_.should_stop();
    }

    const Matrix &m_;
    const acc_mvm_args &args_;
    Scratch &s_;
    Dispatch &dispatch_;
    const size_t x_stride_;
    const uint32_t input_planes_;
    uint32_t chunk_ = 1;
    uint64_t work_ = 0, clip_work_ = 0;
};

} // namespace

acc_status check_mvm(const Matrix &matrix, const acc_mvm_args &args, std::string &text)
{
    const bool multiply = args.operation == ACC_MVM_MULTIPLY;
    const bool reads = multiply || args.operation == ACC_MVM_CALIBRATE;
    const bool stats = args.operation == ACC_MVM_STATS, cells = args.operation == ACC_MVM_CELLS;
    if (args.operation > ACC_MVM_CELLS)
        text = "expected an operation from 0 to 4; found " + std::to_string(args.operation);
    else if (reads && args.vectors == 0)
        text = "expected at least 1 vector; found 0";
    else if (args.reserved[0] || args.reserved[1])
        text = "expected reserved fields of 0; found another value";
    else if (!reads && (args.input || (args.vectors && !cells) || args.input_stride))
        text = "expected no input for operation " + std::to_string(args.operation) + "; found some";
    else if (cells && args.vectors >= matrix.arrays())
        text = "expected an array below " + std::to_string(matrix.arrays()) + "; found " +
               std::to_string(args.vectors);
    else if (!multiply && (args.output_stride || (args.output && !stats && !cells)))
        text = "expected no output vectors for operation " + std::to_string(args.operation) +
               "; found some";
    if (text.empty() && reads)
        text = check_range("input", args.input, args.vectors, args.input_stride, matrix.rows(),
                           matrix.input_bytes());
    if (text.empty() && multiply)
        text = check_range("output", args.output, args.vectors, args.output_stride, matrix.cols(),
                           matrix.output_bytes());
    if (text.empty() && (stats || cells))
        text = check_range("output", args.output, 1, 1, 1, stats ? sizeof(acc_u64) : sizeof(float));
    return text.empty() ? ACC_STATUS_OK : ACC_STATUS_INVALID_KERNARG;
}

acc_status run_mvm(const Matrix &matrix, const acc_mvm_args &args, Scratch &scratch,
                   Dispatch &dispatch)
{
    const acc_status status = Run(matrix, args, scratch, dispatch).run();
    if (status != ACC_STATUS_OK) return status;
    // Arrays work side by side, vectors one after the other.
    const auto vectors = static_cast<double>(args.vectors);
    dispatch.modelled_ns = static_cast<uint64_t>(std::llround(matrix.vector_ns() * vectors));
    dispatch.energy_pj = static_cast<uint64_t>(std::llround(matrix.vector_pj() * vectors));
    dispatch.mvms = args.vectors * matrix.arrays();
    return ACC_STATUS_OK;
}

} // namespace acc::emu::crossbar
