// SPDX-License-Identifier: MIT
//
// The states of a slot: a region of an FPGA, a tile group of a crossbar.
//
//            evict, load             configure          configured           ready
//   EMPTY --------------> DECOUPLED -----------> LOADING ----------> RESET --------> READY
//     ^                   |  ^   ^                  |                  |              |  ^
//     |      blanked      |  |   '------ failed ----'<----- never -----'        lease |  | end
//     '-------------------'  |                              ready                     v  |
//     |                      |   drained                                              BUSY
//     |                      '------------ DRAINING <------ failed, cut short --------'|
//     |                                       |  ^                                     |
//     |      SLOT_RESET (through DECOUPLED)   |  '---- READY, EMPTY: made to fail -----'
//     '------------------------------------ FAULT
//                                             ^ stays failed, or can't be blanked
//
// READY goes to DECOUPLED when its unit is replaced or blanked. What a slot holds may change
// in DECOUPLED, LOADING and FAULT alone.
#pragma once

#include <drm/acc_drm.h>

#include <cstdint>
#include <string_view>

namespace acc::emu
{

inline constexpr uint32_t region_states = DRM_ACC_SLOT_DRAINING + 1;

// Whether the table above has an arrow.
bool region_may_go(uint32_t from, uint32_t to);
std::string_view region_state_name(uint32_t state); // "empty", …

} // namespace acc::emu
