// SPDX-License-Identifier: MIT
//
// A program container (.accx, acc/program.h) as a view over bytes that may be hostile.
//
// Thread safety: a ProgramFile is immutable once parsed; parse() may run on any thread.
// Ownership: section(), image(), consts() and report() point into the caller's bytes,
// which must outlive the ProgramFile and not change; all else is copied.
#pragma once

#include "acc/program.h"
#include "common/result.h"
#include "program/model.h"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc::program
{

class ProgramFile
{
public:
    // Checks the ELF file, the notes and the model. Images are checked by what reads them
    // (program/images.h). -EINVAL, or -ENOMEM; `why` (may be null) says what was expected
    // and what was found.
    static Result<ProgramFile> parse(std::span<const std::byte> bytes, std::string *why);

    const acc_note_id &id() const { return id_; }

    // Null when the program has nothing for this target.
    const acc_note_compat *compat(uint32_t target) const;
    // Units and kernels of a target by their index there; empty for an unknown target.
    std::span<const acc_unit_desc> units(uint32_t target) const;
    std::span<const acc_kernel_desc> kernels(uint32_t target) const;
    // What the file says that a unit of the FPGA takes; null where it says nothing.
    const acc_unit_resources *resources(uint32_t unit) const;
    // The index of a kernel among its target's, if it is there.
    std::optional<uint32_t> find_kernel(uint32_t target, std::string_view name) const;

    // All of them, by name; the section of names too.
    const std::map<std::string, std::span<const std::byte>, std::less<>> &sections() const
    {
        return sections_;
    }
    // Empty when absent. No alignment is promised: copy structs out.
    std::span<const std::byte> section(std::string_view name) const;
    std::span<const std::byte> image(uint32_t target) const;
    std::span<const std::byte> consts() const { return section(ACC_SECTION_CONST); }
    std::string_view report() const; // JSON text, empty when absent

    bool has_model() const { return model_.has_value(); }
    // Precondition: has_model(). Valid as long as this object.
    ModelView model() const;

private:
    struct Target {
        std::optional<acc_note_compat> compat;
        std::vector<acc_unit_desc> units;
        std::vector<acc_kernel_desc> kernels;
    };

    struct Notes;

    // Each returns a text that says what is wrong, empty when nothing is.
    std::string read_sections(std::span<const std::byte> bytes, Notes &notes);
    std::string read_notes(const Notes &notes);
    std::string read_resources(const Notes &notes);
    std::string check_targets() const;

    std::map<std::string, std::span<const std::byte>, std::less<>> sections_;
    acc_note_id id_{};
    std::array<Target, ACC_TARGET_COUNT> targets_;
    std::vector<acc_unit_resources> resources_;
    std::optional<ModelTables> model_;
};

} // namespace acc::program
