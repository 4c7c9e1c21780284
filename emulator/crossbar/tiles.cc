// SPDX-License-Identifier: MIT
#include "emulator/crossbar/tiles.h"

#include "emulator/crossbar/costs.h"

#include <algorithm>
#include <cmath>

namespace acc::emu::crossbar
{

std::vector<TileShare> shares_of(const Matrix &matrix, const Config &config, uint64_t first)
{
    std::vector<TileShare> shares;
    const uint64_t of_tile = config.arrays_per_tile();
    const auto share = [&](uint64_t array) -> TileShare & {
        const auto tile = static_cast<uint32_t>(array / of_tile);
        if (shares.empty() || shares.back().tile != tile) shares.emplace_back().tile = tile;
        return shares.back();
    };
    const uint32_t rounds = MvmUnit::rounds(config, matrix.input_bits(), matrix.input_signed());
    const uint32_t arrays = config.arrays_of_weight(matrix.weight_bits());
    uint64_t array = first;
    for (uint32_t row = 0; row < matrix.rows(); row += config.rows) {
        for (uint32_t col = 0; col < matrix.cols(); col += config.cols) {
            const ArrayUse use{.rows = std::min(config.rows, matrix.rows() - row),
                               .cols = std::min(config.cols, matrix.cols() - col),
                               .arrays = 1,
                               .input_bits = matrix.input_bits(),
                               .adc_bits = config.priced_adc_bits(),
                               .dac_bits = config.dac_bits,
                               .adcs = config.adcs_per_array};
            const double ns = mvm_ns(use, config.costs), pj = mvm_pj(use, config.costs);
            const double adc = arch::mvm_adc_pj(use, config.costs);
            const double cells = arch::mvm_cells_pj(use, config.costs);
            for (uint32_t a = 0; a < arrays; a++) {
                TileShare &s = share(array++);
                s.arrays++;
                s.conversions += uint64_t{use.cols} * rounds;
                s.mvm_ns = std::max(s.mvm_ns, ns); // side by side
                s.adc_pj += adc;
                s.cells_pj += cells;
                s.periphery_pj += pj - adc - cells;
            }
        }
    }
    if (!shares.empty()) {
        shares[0].vector_ns =
            reduce_ns(matrix.row_blocks(), std::min(matrix.cols(), config.cols), config.costs);
        shares[0].core_pj = reduce_pj(matrix.row_blocks(), matrix.cols(), config.costs);
    }
    return shares;
}

TileBook::TileBook(const Config &config, uint64_t first_array)
    : config_(config), first_array_(first_array),
      tiles_((config.arrays + config.arrays_per_tile() - 1) / config.arrays_per_tile()),
      pages_((tiles_ + kPageTiles - 1) / kPageTiles)
{
}

TileBook::~TileBook()
{
    for (auto &page : pages_)
        delete page.load(std::memory_order_relaxed);
}

TileBook::Running &TileBook::running(size_t tile)
{
    auto &page = pages_[tile / kPageTiles];
    Page *there = page.load(std::memory_order_relaxed); // by this thread, or handed over to it
    if (!there) {
        there = new Page{};
        page.store(there, std::memory_order_release); // its zeros, before a reader finds it
    }
    return (*there)[tile % kPageTiles];
}

void TileBook::loaded(std::span<const TileLoad> loads, const Wear &wear, uint64_t clock)
{
    std::lock_guard lock(mutex_);
    programmed_at_ = clock;
    loaded_.resize(std::max(loaded_.size(), std::min(loads.size(), tiles_)));
    for (size_t t = 0; t < std::min(loads.size(), tiles_); t++) {
        Loaded &to = loaded_[t];
        to.arrays_used = loads[t].arrays;
        to.stuck_cells = loads[t].stuck_cells;
        to.failed_cells = loads[t].failed_cells;
        to.program_ns += loads[t].ns;
        to.program_pj += loads[t].pj;
        if (!loads[t].arrays) continue; // was not written
        to.row_pulses = to.most_row_pulses = 0;
        const uint64_t of_tile = config_.arrays_per_tile(), begin = first_array_ + t * of_tile;
        for (uint64_t a = begin; a < std::min(begin + of_tile, first_array_ + config_.arrays);
             a++) {
            const uint64_t programmings = wear.programmings(a);
            to.programmings = std::max(to.programmings, programmings);
            if (!programmings) continue;
            for (uint32_t row = 0; row < config_.rows; row++) {
                const uint64_t pulses = wear.pulses(a, row);
                to.row_pulses += pulses;
                to.most_row_pulses = std::max(to.most_row_pulses, pulses);
            }
        }
    }
}

void TileBook::unloaded()
{
    std::lock_guard lock(mutex_);
    for (Loaded &tile : loaded_)
        tile.arrays_used = tile.stuck_cells = tile.failed_cells = 0;
}

void TileBook::add(std::span<const TileShare> shares, uint64_t vectors, uint64_t clipped)
{
    const auto n = static_cast<double>(vectors);
    for (const TileShare &s : shares) {
        if (s.tile >= tiles_) continue;
        Running &to = running(s.tile);
        to.add(kActivations, n * static_cast<double>(s.arrays));
        to.add(kConversions, n * static_cast<double>(s.conversions));
        to.add(kMvmNs, n * s.mvm_ns);
        to.add(kAdcPj, n * s.adc_pj);
        to.add(kCellsPj, n * s.cells_pj);
        to.add(kPeripheryPj, n * s.periphery_pj);
        if (&s != shares.data()) continue;
        to.add(kClipped, static_cast<double>(clipped));
        to.add(kVectorNs, n * s.vector_ns);
        to.add(kCorePj, n * s.core_pj);
    }
}

void TileBook::add(std::span<const TileStats> dispatch)
{
    const arch::Costs &costs = config_.costs;
    const auto ns = [&](uint64_t cycles) { return static_cast<double>(cycles) * costs.cycle_ns; };
    for (size_t t = 0; t < std::min(dispatch.size(), tiles_); t++) {
        const TileStats &s = dispatch[t];
        const Energy e = energy_of(s, costs);
        Running &to = running(t);
        to.add(kActivations, static_cast<double>(s.array_activations));
        to.add(kConversions, static_cast<double>(s.conversions));
        to.add(kClipped, static_cast<double>(s.clipped));
        to.add(kInstructions, static_cast<double>(s.instructions));
        to.add(kMvmNs, ns(s.mvm_cycles));
        to.add(kVectorNs, ns(s.vector_cycles));
        to.add(kAccessNs, ns(s.accesses * costs.access_cycles));
        to.add(kNetworkNs,
               ns(s.messages * costs.noc_header_cycles + s.words_sent * costs.noc_word_cycles));
        to.add(kStallNs, ns(s.stall_valid + s.stall_free + s.stall_fifo));
        to.add(kAdcPj, e.adc_pj);
        to.add(kCellsPj, e.cells_pj);
        to.add(kPeripheryPj, e.periphery_pj);
        to.add(kCorePj, e.core_pj);
        to.add(kMemoryPj, e.memory_pj);
        to.add(kNetworkPj, e.network_pj);
        to.add(kStaticPj, e.static_pj);
    }
}

void TileBook::read(uint32_t tile, uint64_t clock, drm_acc_tile &out) const
{
    const Page *page = pages_[tile / kPageTiles].load(std::memory_order_acquire);
    const auto whole = [](double value) { return static_cast<uint64_t>(std::llround(value)); };
    const auto number = [&](Number which) {
        if (!page) return uint64_t{0};
        return whole((*page)[tile % kPageTiles].numbers[which].load(std::memory_order_relaxed));
    };
    out.arrays =
        std::min(config_.arrays_per_tile(), config_.arrays - tile * config_.arrays_per_tile());
    out.activations = number(kActivations);
    out.conversions = number(kConversions);
    out.clipped = number(kClipped);
    out.instructions = number(kInstructions);
    out.mvm_ns = number(kMvmNs);
    out.vector_ns = number(kVectorNs);
    out.access_ns = number(kAccessNs);
    out.network_ns = number(kNetworkNs);
    out.stall_ns = number(kStallNs);
    out.adc_pj = number(kAdcPj);
    out.cells_pj = number(kCellsPj);
    out.periphery_pj = number(kPeripheryPj);
    out.core_pj = number(kCorePj);
    out.memory_pj = number(kMemoryPj);
    out.network_pj = number(kNetworkPj);
    out.static_pj = number(kStaticPj);

    std::lock_guard lock(mutex_);
    const Loaded held = tile < loaded_.size() ? loaded_[tile] : Loaded{};
    out.arrays_used = held.arrays_used;
    out.programmings = held.programmings;
    out.row_pulses = held.row_pulses;
    out.most_row_pulses = held.most_row_pulses;
    out.stuck_cells = held.stuck_cells;
    out.failed_cells = held.failed_cells;
    out.program_ns = whole(held.program_ns);
    out.program_pj = whole(held.program_pj);
    if (held.arrays_used) out.age_ns = config_.age_ns(clock - programmed_at_);
}

} // namespace acc::emu::crossbar
