// SPDX-License-Identifier: MIT
//
// A device of the ABI says what it is, not how true it is: these lines follow the engines
// of emulator/ and change with them. What a device without the EMULATED bit does is no model.
#include "fidelity.h"

namespace acc::ctl
{
namespace
{

constexpr uint64_t feature_emulated = 1ull << 1; // DRM_ACC_FEATURE_EMULATED
constexpr uint64_t feature_pace = 1ull << 3;     // DRM_ACC_FEATURE_PACE_REAL
constexpr uint64_t feature_scatter = 1ull << 4;  // DRM_ACC_FEATURE_SCATTER

// Of every emulated device.
void add_common(const acc_device_info &info, Fidelity &fidelity)
{
    fidelity.modelled.insert(
        fidelity.modelled.begin(),
        {"queues, packets, signals, faults and address translation: as the ABI says, in full",
         info.features & feature_pace ? "modelled time delays real time (pace=real)"
                                      : "modelled time is reported only (pace=fast)"});
    if (info.features & feature_scatter)
        fidelity.modelled.emplace_back("physical pages in scattered order");
    fidelity.not_modelled.insert(fidelity.not_modelled.end(),
                                 {"the bus: latency, bandwidth and ordering of host memory",
                                  "contention between queues for the device's memory"});
}

} // namespace

Fidelity fidelity_of(const acc_device_info &info)
{
    if (!(info.features & feature_emulated)) return {{"nothing: this is no emulator"}, {}};
    Fidelity fidelity;
    switch (info.engine) {
    case ACC_ENGINE_CROSSBAR:
        fidelity.modelled = {
            "bit-serial inputs, bit-sliced weights in one of three schemes of sign",
            "ADCs of the resolution in config: clipping, counted as saturations",
            "noise, drift, stuck cells, wire resistance as far as the device's options ask, from "
            "docs/crossbar-analog.md",
            "wear: pulses are counted",
            "time and energy of products and of programming the cells, from docs/crossbar.md",
            "slots, loading and eviction",
            "tiles' instruction streams and the network between them, from docs/crossbar-isa.md",
        };
        fidelity.not_modelled = {
            "non-linear cells, capacitance, temperature, correlated spread between cells",
            "consequences of wear",
        };
        break;
    case ACC_ENGINE_FPGA:
        fidelity.modelled = {
            "roles by their results, bit for bit as acc/kernels.h defines them",
            "regions as slots, what they have and roles take, reconfiguration, eviction",
            "designs of Verilog by their cycles; signatures and isolation of roles",
            "time and energy of dispatches and of reconfiguration, from docs/fpga.md",
        };
        fidelity.not_modelled = {
            "behavioural roles by their cycles, which are estimates",
            "timing closure, clock domains, routing, soft errors",
        };
        break;
    default:
        fidelity.modelled = {"nothing but the device itself: its kernels are for tests"};
        fidelity.not_modelled = {"time and energy"};
        break;
    }
    add_common(info, fidelity);
    return fidelity;
}

} // namespace acc::ctl
