// SPDX-License-Identifier: MIT
//
// Programs of instructions as units of the crossbar engine: what an image has of them, and
// the machine of a slot where one is loaded.
#pragma once

#include "emulator/crossbar/config.h"
#include "emulator/crossbar/isa/machine.h"
#include "emulator/crossbar/tiles.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace acc::emu::crossbar
{

// The ISA part of a parsed image. Immutable.
struct IsaImage {
    static constexpr uint32_t kNone = ~0u;

    isa::ImagePrograms parsed;
    std::vector<uint32_t> program_of_unit; // or kNone

    // The kernel, or null for a matrix.
    const isa::Kernel *kernel(uint32_t index) const;
    // The program of a unit, or null.
    const isa::Program *program(uint32_t unit) const;
    // Offset of a matrix kernel's descriptor.
    uint64_t matrix_offset(uint32_t index) const { return parsed.kernels[index].matrix; }
};

// Reads a version 2 image whose kernels are in the units that `unit_of` says, and checks its
// programs for the device. -EINVAL; `why` says what was expected and found.
Result<std::unique_ptr<IsaImage>> parse_isa_image(std::span<const std::byte> image,
                                                  std::span<const acc_kernel_desc> kernels,
                                                  size_t units, const Config &config,
                                                  std::string &why);

// A machine with the program's weights in its units, each of the analog model that `config` asks
// for, in the physical arrays from first_array on, which `wear` has. `loads`, if not null, gets
// what programming took, by tile; of a device that times alone what it is expected to take.
// -EINVAL or -ENOMEM, and `why`.
Result<std::unique_ptr<Machine>> make_machine(const Config &config, const isa::Program &program,
                                              uint64_t first_array, Wear &wear,
                                              std::vector<TileLoad> *loads, std::string &why);

// Programming all units of a program, as often as write-verify is expected to.
struct LoadCost {
    double ns = 0, pj = 0;
};
LoadCost load_cost(const Config &config, const isa::Matrix &matrix);
LoadCost load_cost(const Config &config, const isa::Program &program);

// What the cells of a program hold, in the bytes of cells.h: each matrix's head and weights.
void for_each_cells(const isa::Program &program,
                    const std::function<void(std::span<const std::byte>)> &add);

} // namespace acc::emu::crossbar
