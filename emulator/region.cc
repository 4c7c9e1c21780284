// SPDX-License-Identifier: MIT
#include "emulator/region.h"

#include <array>

namespace acc::emu
{

namespace
{

constexpr uint32_t bit(uint32_t state)
{
    return 1u << state;
}

// From a state (the row) to those (the bits).
constexpr std::array<uint32_t, region_states> arrows = [] {
    std::array<uint32_t, region_states> to = {};
    to[DRM_ACC_SLOT_EMPTY] = bit(DRM_ACC_SLOT_DECOUPLED) | bit(DRM_ACC_SLOT_DRAINING);
    to[DRM_ACC_SLOT_DECOUPLED] =
        bit(DRM_ACC_SLOT_LOADING) | bit(DRM_ACC_SLOT_EMPTY) | bit(DRM_ACC_SLOT_FAULT);
    to[DRM_ACC_SLOT_LOADING] = bit(DRM_ACC_SLOT_RESET) | bit(DRM_ACC_SLOT_DECOUPLED);
    to[DRM_ACC_SLOT_RESET] = bit(DRM_ACC_SLOT_READY) | bit(DRM_ACC_SLOT_DECOUPLED);
    to[DRM_ACC_SLOT_READY] =
        bit(DRM_ACC_SLOT_BUSY) | bit(DRM_ACC_SLOT_DECOUPLED) | bit(DRM_ACC_SLOT_DRAINING);
    to[DRM_ACC_SLOT_BUSY] = bit(DRM_ACC_SLOT_READY) | bit(DRM_ACC_SLOT_DRAINING);
    to[DRM_ACC_SLOT_DRAINING] = bit(DRM_ACC_SLOT_DECOUPLED) | bit(DRM_ACC_SLOT_FAULT);
    to[DRM_ACC_SLOT_FAULT] = bit(DRM_ACC_SLOT_DECOUPLED);
    return to;
}();

} // namespace

bool region_may_go(uint32_t from, uint32_t to)
{
    return from < region_states && to < region_states && (arrows[from] & bit(to));
}

std::string_view region_state_name(uint32_t state)
{
    static constexpr std::array<std::string_view, region_states> names = {
        "empty", "loading", "ready", "busy", "fault", "decoupled", "reset", "draining"};
    return state < names.size() ? names[state] : "unknown";
}

} // namespace acc::emu
