// SPDX-License-Identifier: MIT
#pragma once

#include <libelf.h>

#include <memory>

namespace acc::program
{

struct ElfEnd {
    void operator()(Elf *elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

} // namespace acc::program
