// SPDX-License-Identifier: MIT
//
// Writes a program container (.accx, acc/program.h). The same calls give the same bytes.
// Thread safety: none; one writer, one thread.
#pragma once

#include "acc/program.h"
#include "common/result.h"
#include "program/model.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace acc::program
{

class ProgramWriter
{
public:
    // A name for people, cut to 47 bytes. The UUID and the build hash are made of all else.
    void set_id(std::string_view name) { name_ = name; }

    // Return the index among the target's units or kernels. Targets of ACC_TARGET_COUNT and
    // above are refused by finish().
    uint32_t add_unit(const acc_unit_desc &unit);
    uint32_t add_kernel(const acc_kernel_desc &kernel);
    // Of a unit of the FPGA.
    void add_resources(const acc_unit_resources &resources) { resources_.push_back(resources); }

    // Every target that has units or kernels needs an image, and the other way round.
    void set_image(uint32_t target, std::vector<std::byte> bytes);
    void set_model(ModelTables tables) { model_ = std::move(tables); }
    void set_consts(std::vector<std::byte> bytes) { consts_ = std::move(bytes); }
    void set_report(std::string json) { report_ = std::move(json); }

    // The file's bytes; they have passed ProgramFile::parse(). -EINVAL for what it refuses,
    // -ENOMEM or -EIO; `why` (may be null) says what was expected and what was found.
    [[nodiscard]] Result<std::vector<std::byte>> finish(std::string *why = nullptr) const;

    // Of the FPGA's compat note: the shell that it insists on; all zero, as without a call: any.
    void set_shell(const uint8_t (&shell)[16]) { std::copy(shell, shell + 16, shell_); }
    // A section that readers of networks don't know: `.acc.rtl`.
    void add_section(std::string name, std::vector<std::byte> bytes)
    {
        extra_.emplace_back(std::move(name), std::move(bytes));
    }

private:
    uint8_t shell_[16] = {};
    std::vector<std::pair<std::string, std::vector<std::byte>>> extra_;
    std::string name_ = "program";
    std::vector<acc_unit_desc> units_;
    std::vector<acc_kernel_desc> kernels_;
    std::vector<acc_unit_resources> resources_;
    std::map<uint32_t, uint32_t> kernels_of_; // target -> how many
    std::array<std::vector<std::byte>, ACC_TARGET_COUNT> images_;
    std::optional<ModelTables> model_;
    std::vector<std::byte> consts_;
    std::string report_;
    bool bad_target_ = false;
};

// The same file with one section more, or with other bytes in it. What it returns has passed
// ProgramFile::parse(). -EINVAL for a file that does not, -ENOMEM or -EIO.
[[nodiscard]] Result<std::vector<std::byte>> with_section(std::span<const std::byte> file,
                                                          std::string_view name,
                                                          std::span<const std::byte> bytes,
                                                          std::string *why = nullptr);

} // namespace acc::program
