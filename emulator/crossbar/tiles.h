// SPDX-License-Identifier: MIT
//
// What the tiles of a slot have done and been through since the device came up, for whoever
// asks at any time (DRM_ACC_QUERY_TILE).
//
// Threading: whoever loads and executes in the slot is the only writer; read() is for anybody,
// and sees each number as it was at some moment (relaxed atomics: they say nothing about each
// other). What changes with a load alone is behind a mutex.
#pragma once

#include "emulator/crossbar/isa/machine.h"
#include "emulator/crossbar/matrix.h"
#include "emulator/crossbar/unit.h"

#include <drm/acc_drm.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace acc::emu::crossbar
{

// The part of a matrix that lies in one tile, and what one vector takes there.
struct TileShare {
    uint32_t tile = 0;
    uint64_t arrays = 0, conversions = 0;
    double mvm_ns = 0, vector_ns = 0;
    double adc_pj = 0, cells_pj = 0, periphery_pj = 0, core_pj = 0;
};
// Of a matrix whose arrays begin with the `first`-th of the slot. Partial sums are added up,
// and clipped conversions counted, in the first of its tiles.
std::vector<TileShare> shares_of(const Matrix &matrix, const Config &config, uint64_t first);

// What programming took in one tile, and what is the matter with its cells.
struct TileLoad {
    uint64_t arrays = 0, stuck_cells = 0, failed_cells = 0;
    double ns = 0, pj = 0;
};

class TileBook
{
public:
    // `first_array`: of the slot, as `wear` numbers them.
    TileBook(const Config &config, uint64_t first_array);
    ~TileBook();
    TileBook(const TileBook &) = delete;
    TileBook &operator=(const TileBook &) = delete;

    size_t tiles() const { return tiles_; }

    // A unit was loaded at `clock` ns of the cells; by tile. unloaded(): nothing is held.
    void loaded(std::span<const TileLoad> loads, const Wear &wear, uint64_t clock);
    void unloaded();

    void add(std::span<const TileShare> shares, uint64_t vectors, uint64_t clipped);
    // What a dispatch did, by tile of its program.
    void add(std::span<const TileStats> dispatch);

    // All but slot and tile. `clock`: of the cells, now, ns.
    void read(uint32_t tile, uint64_t clock, drm_acc_tile &out) const;

private:
    enum Number {
        kActivations,
        kConversions,
        kClipped,
        kInstructions,
        kMvmNs,
        kVectorNs,
        kAccessNs,
        kNetworkNs,
        kStallNs,
        kAdcPj,
        kCellsPj,
        kPeripheryPj,
        kCorePj,
        kMemoryPj,
        kNetworkPj,
        kStaticPj,
        kNumbers
    };
    struct Running {
        std::array<std::atomic<double>, kNumbers> numbers{}; // whole ones are exact up to 2^53

        void add(Number which, double value)
        {
            auto &number = numbers[which];
            number.store(number.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
        }
    };
    struct Loaded {
        uint64_t arrays_used = 0, stuck_cells = 0, failed_cells = 0;
        uint64_t programmings = 0, row_pulses = 0, most_row_pulses = 0;
        double program_ns = 0, program_pj = 0;
    };

    // A device may have a million tiles of which few are ever used: what they did comes by pages,
    // each when one of its tiles is first used.
    static constexpr size_t kPageTiles = 64;
    using Page = std::array<Running, kPageTiles>;
    Running &running(size_t tile); // for the writer

    const Config &config_;
    const uint64_t first_array_;
    const size_t tiles_;
    std::vector<std::atomic<Page *>> pages_;
    mutable std::mutex mutex_;
    std::vector<Loaded> loaded_; // up to the highest tile that was ever loaded
    uint64_t programmed_at_ = 0;
};

} // namespace acc::emu::crossbar
