// SPDX-License-Identifier: MIT
#include "program/program_file.h"

#include "program/elf_handle.h"
#include "program/libelf_init.h"
#include "program/text.h"

#include <gelf.h>

#include <bit>
#include <memory>
#include <new>
#include <set>

namespace acc::program
{
namespace
{

static_assert(std::endian::native == std::endian::little, "containers are little-endian");

constexpr size_t kMaxSections = 256;

std::string number(uint64_t value)
{
    return std::to_string(value);
}

// Checks the header and the section table before libelf sees them: a container is a small
// part of ELF, and what lies outside of it is refused by name here.
std::string check_elf(std::span<const std::byte> bytes)
{
    if (bytes.size() < sizeof(Elf64_Ehdr))
        return "expected an ELF header of 64 bytes; found a file of " + number(bytes.size());
    const auto h = load_struct<Elf64_Ehdr>(bytes);
    if (std::memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
        return "expected an ELF file; found another magic";
    if (h.e_ident[EI_CLASS] != ELFCLASS64)
        return "expected ELF class 64; found class code " + number(h.e_ident[EI_CLASS]);
    if (h.e_ident[EI_DATA] != ELFDATA2LSB)
        return "expected little-endian ELF; found data code " + number(h.e_ident[EI_DATA]);
    if (h.e_ident[EI_VERSION] != EV_CURRENT || h.e_version != EV_CURRENT)
        return "expected ELF version 1; found " + number(h.e_version);
    if (h.e_type != ET_EXEC) return "expected ELF type 2 (EXEC); found " + number(h.e_type);
    if (h.e_machine != EM_NONE)
        return "expected ELF machine 0, no processor; found " + number(h.e_machine);
    if (h.e_ehsize != sizeof(Elf64_Ehdr))
        return "expected an ELF header size of 64; found " + number(h.e_ehsize);
    if (h.e_phnum != 0) return "expected no segments; found " + number(h.e_phnum);
    if (h.e_shentsize != sizeof(Elf64_Shdr))
        return "expected section headers of 64 bytes; found " + number(h.e_shentsize);
    if (h.e_shnum < 2 || h.e_shnum > kMaxSections)
        return "expected 2 to 256 sections; found " + number(h.e_shnum);
    if (!inside(h.e_shoff, h.e_shnum * sizeof(Elf64_Shdr), bytes.size()))
        return "expected the section table inside the file of " + number(bytes.size()) +
               " bytes; found " + number(h.e_shnum) + " headers at " + number(h.e_shoff);
    if (h.e_shstrndx == 0 || h.e_shstrndx >= h.e_shnum)
        return "expected the section of names below " + number(h.e_shnum) + "; found " +
               number(h.e_shstrndx);

    const auto section = [&](size_t i) {
        return load_struct<Elf64_Shdr>(bytes, h.e_shoff + i * sizeof(Elf64_Shdr));
    };
    const Elf64_Shdr names = section(h.e_shstrndx);
    if (section(0).sh_type != SHT_NULL) return "expected section 0 to be null; found another type";
    for (size_t i = 1; i < h.e_shnum; i++) {
        const Elf64_Shdr s = section(i);
        const std::string which = "section " + number(i) + ": ";
        if (s.sh_type != SHT_PROGBITS && s.sh_type != SHT_NOTE && s.sh_type != SHT_STRTAB)
            return which + "expected type PROGBITS, NOTE or STRTAB; found " + number(s.sh_type);
        if (s.sh_flags & SHF_COMPRESSED)
            return which + "expected plain bytes; found a compressed section";
        if (!inside(s.sh_offset, s.sh_size, bytes.size()))
            return which + "expected it inside the file of " + number(bytes.size()) +
                   " bytes; found " + number(s.sh_size) + " bytes at " + number(s.sh_offset);
        if (s.sh_name >= names.sh_size)
            return which + "expected a name below " + number(names.sh_size) + "; found " +
                   number(s.sh_name);
    }
    if (names.sh_type != SHT_STRTAB)
        return "expected the section of names to be a string table; found type " +
               number(names.sh_type);
    // A NUL at the end ends every name that starts before it.
    if (bytes[names.sh_offset + names.sh_size - 1] != std::byte{0})
        return "expected section names that end in NUL; found none at the end";
    return {};
}

struct Note {
    uint32_t type = 0;
    std::span<const std::byte> desc; // in the caller's bytes
};

// The notes of one section, each by name "ACC" and without a rest behind them.
std::string read_note_section(Elf_Scn *scn, std::span<const std::byte> section,
                              std::vector<Note> &notes)
{
    if (section.empty()) return "expected a note; found an empty section";
    Elf_Data *data = elf_getdata(scn, nullptr);
    if (!data) return std::string("expected notes; found what libelf refuses: ") + elf_errmsg(-1);
    size_t offset = 0;
    while (offset < section.size()) {
        GElf_Nhdr header;
        size_t name = 0, desc = 0;
        const size_t next = gelf_getnote(data, offset, &header, &name, &desc);
        if (next == 0 || !inside(name, header.n_namesz, section.size()) ||
            !inside(desc, header.n_descsz, section.size()))
            return "expected a whole note at byte " + number(offset) + "; found its end at " +
                   number(section.size());
        if (header.n_namesz != sizeof(ACC_NOTE_NAME) ||
            std::memcmp(section.data() + name, ACC_NOTE_NAME, sizeof(ACC_NOTE_NAME)) != 0)
            return "expected a note named \"ACC\"; found another name";
        notes.push_back({header.n_type, section.subspan(desc, header.n_descsz)});
        offset = next;
    }
    return {};
}

// A note that is an array of T.
template <typename T>
std::string read_array(const Note &note, uint32_t type, std::vector<T> &array)
{
    if (note.type != type)
        return "expected a note of type " + number(type) + "; found " + number(note.type);
    if (note.desc.size() % sizeof(T))
        return "expected a multiple of " + number(sizeof(T)) + " bytes; found " +
               number(note.desc.size());
    array.resize(note.desc.size() / sizeof(T));
    if (!array.empty()) std::memcpy(array.data(), note.desc.data(), note.desc.size());
    return {};
}

std::string check_desc_name(const char (&name)[ACC_NAME_BYTES], uint32_t target)
{
    if (!is_name(name)) return "expected a NUL-padded name; found \"" + printable(name) + "\"";
    if (target >= ACC_TARGET_COUNT) return "expected a target below 4; found " + number(target);
    return {};
}

} // namespace

// Everything that the notes say, before it is sorted by target.
struct ProgramFile::Notes {
    std::map<std::string, std::vector<Note>, std::less<>> of;

    // Exactly one note in a section, which may be absent (`found` stays null).
    std::string one(const char *section, const Note *&found) const
    {
        const auto it = of.find(section);
        if (it == of.end()) return {};
        if (it->second.size() != 1) return "expected one note; found " + number(it->second.size());
        found = &it->second.front();
        return {};
    }
};

std::string ProgramFile::read_sections(std::span<const std::byte> bytes, Notes &notes)
{
    std::string text = check_elf(bytes);
    if (!text.empty()) return text;
    if (!init_libelf()) return std::string("libelf: ") + elf_errmsg(-1);
    // libelf takes char *, and does not write to it: nothing here asks it to change a thing.
    const ElfHandle elf(
        elf_memory(reinterpret_cast<char *>(const_cast<std::byte *>(bytes.data())), bytes.size()));
    size_t names = 0;
    if (!elf || elf_kind(elf.get()) != ELF_K_ELF || elf_getshdrstrndx(elf.get(), &names) != 0)
        return std::string("expected an ELF file; found what libelf refuses: ") + elf_errmsg(-1);
    for (Elf_Scn *scn = nullptr; (scn = elf_nextscn(elf.get(), scn)) != nullptr;) {
        GElf_Shdr header;
        const char *name = nullptr;
        if (!gelf_getshdr(scn, &header) || !(name = elf_strptr(elf.get(), names, header.sh_name)) ||
            !inside(header.sh_offset, header.sh_size, bytes.size()))
            return std::string("expected a section; found what libelf refuses: ") + elf_errmsg(-1);
        const auto section = bytes.subspan(header.sh_offset, header.sh_size);
        if (!sections_.emplace(name, section).second)
            return std::string("expected section names that differ; found ") + name + " twice";
        if (header.sh_type == SHT_NOTE) {
            text = read_note_section(scn, section, notes.of[name]);
            if (!text.empty()) return std::string(name) + ": " + text;
        }
    }
    return {};
}

std::string ProgramFile::read_notes(const Notes &notes)
{
    const Note *note = nullptr;
    std::string text = notes.one(ACC_SECTION_ID, note);
    if (text.empty() && !note) text = "expected it; found no such note";
    if (text.empty() && (note->type != ACC_NOTE_ID || note->desc.size() != sizeof(id_)))
        text = "expected type 1 and " + number(sizeof(id_)) + " bytes; found type " +
               number(note->type) + " and " + number(note->desc.size());
    if (text.empty()) {
        id_ = load_struct<acc_note_id>(note->desc);
        if (id_.version != ACC_PROGRAM_VERSION)
            text = "expected container version 1; found " + number(id_.version);
        else if (id_.reserved || !is_name(id_.name))
            text = "expected zero padding and a NUL-padded name; found another";
    }
    if (!text.empty()) return ACC_SECTION_ID ": " + text;

    const auto compats = notes.of.find(ACC_SECTION_COMPAT);
    if (compats == notes.of.end()) return ACC_SECTION_COMPAT ": expected it; found no such note";
    for (const Note &n : compats->second) {
        if (n.type != ACC_NOTE_COMPAT || n.desc.size() != sizeof(acc_note_compat))
            return ACC_SECTION_COMPAT ": expected type 2 and 32 bytes; found type " +
                   number(n.type) + " and " + number(n.desc.size());
        const auto compat = load_struct<acc_note_compat>(n.desc);
        if (compat.target >= ACC_TARGET_COUNT)
            return ACC_SECTION_COMPAT ": expected a target below 4; found " + number(compat.target);
        if (targets_[compat.target].compat)
            return ACC_SECTION_COMPAT ": expected one note per target; found two for " +
                   target_name(compat.target);
        if (compat.abi_major != ACC_ABI_MAJOR || compat.abi_minor > ACC_ABI_MINOR)
            return ACC_SECTION_COMPAT ": expected ABI " + number(ACC_ABI_MAJOR) + "." +
                   number(ACC_ABI_MINOR) + " or its forerunners; found " +
                   number(compat.abi_major) + "." + number(compat.abi_minor);
        targets_[compat.target].compat = compat;
    }

    std::vector<acc_unit_desc> units;
    note = nullptr;
    text = notes.one(ACC_SECTION_UNITS, note);
    if (text.empty() && note) text = read_array(*note, ACC_NOTE_UNITS, units);
    for (size_t i = 0; text.empty() && i < units.size(); i++) {
        text = check_desc_name(units[i].name, units[i].target);
        if (!text.empty())
            text = "unit " + number(i) + ": " + text;
        else
            targets_[units[i].target].units.push_back(units[i]);
    }
    if (!text.empty()) return ACC_SECTION_UNITS ": " + text;

    std::vector<acc_kernel_desc> kernels;
    note = nullptr;
    text = notes.one(ACC_SECTION_KERNELS, note);
    if (text.empty() && note) text = read_array(*note, ACC_NOTE_KERNELS, kernels);
    for (size_t i = 0; text.empty() && i < kernels.size(); i++) {
        text = check_desc_name(kernels[i].name, kernels[i].target);
        if (text.empty() && kernels[i].reserved) text = "expected zero padding; found another";
        if (!text.empty())
            text = "kernel " + number(i) + ": " + text;
        else
            targets_[kernels[i].target].kernels.push_back(kernels[i]);
    }
    return text.empty() ? text : ACC_SECTION_KERNELS ": " + text;
}

// After the units.
std::string ProgramFile::read_resources(const Notes &notes)
{
    const Note *note = nullptr;
    std::string text = notes.one(ACC_SECTION_RESOURCES, note);
    if (text.empty() && note) text = read_array(*note, ACC_NOTE_RESOURCES, resources_);
    const auto &units = targets_[ACC_TARGET_FPGA].units;
    std::set<uint32_t> seen;
    for (size_t i = 0; text.empty() && i < resources_.size(); i++) {
        const acc_unit_resources &one = resources_[i];
        const std::string which = "entry " + number(i) + ": ";
        if (one.unit >= units.size())
            text = which + "expected a unit of the FPGA below " + number(units.size()) +
                   "; found " + number(one.unit);
        else if (one.reserved)
            text = which + "expected zero padding; found another";
        else if (!seen.insert(one.unit).second)
            text = which + "expected units that differ; found " + number(one.unit) + " twice";
        else if (one.amount[0] != units[one.unit].capacity)
            text = which + "expected LUTs as the capacity of the unit, " +
                   number(units[one.unit].capacity) + "; found " + number(one.amount[0]);
    }
    return text.empty() ? text : ACC_SECTION_RESOURCES ": " + text;
}

std::string ProgramFile::check_targets() const
{
    for (uint32_t t = 0; t < ACC_TARGET_COUNT; t++) {
        const Target &target = targets_[t];
        const uint64_t units = target.compat ? target.compat->units : 0;
        const uint64_t kernels = target.compat ? target.compat->kernels : 0;
        if (target.units.size() != units || target.kernels.size() != kernels)
            return target_name(t) + ": expected the " + number(units) + " units and " +
                   number(kernels) + " kernels of its compat note; found " +
                   number(target.units.size()) + " and " + number(target.kernels.size());
        if (target.compat && image(t).empty())
            return target_name(t) + ": expected its section " ACC_SECTION_IMAGE + target_name(t) +
                   "; found none";
        std::set<std::string_view> names;
        for (size_t i = 0; i < target.kernels.size(); i++) {
            const acc_kernel_desc &k = target.kernels[i];
            if (k.unit >= units)
                return target_name(t) + ": kernel " + number(i) + ": expected a unit below " +
                       number(units) + "; found " + number(k.unit);
            if (!names.insert(name_of(k.name)).second)
                return target_name(t) + ": expected kernel names that differ; found \"" +
                       printable(k.name) + "\" twice";
        }
    }
    return {};
}

Result<ProgramFile> ProgramFile::parse(std::span<const std::byte> bytes, std::string *why)
try {
    ProgramFile file;
    Notes notes;
    std::string text = file.read_sections(bytes, notes);
    if (text.empty()) text = file.read_notes(notes);
    if (text.empty()) text = file.read_resources(notes);
    if (text.empty()) text = file.check_targets();
    if (!text.empty()) return refuse(why, -EINVAL, std::move(text));

    if (file.sections_.contains(ACC_SECTION_MODEL)) {
        ModelContext context;
        for (uint32_t t = 0; t < ACC_TARGET_COUNT; t++)
            context.kernels[t] = file.kernels(t);
        context.const_bytes = file.consts().size();
        ACC_TRY(file.model_, parse_model(file.section(ACC_SECTION_MODEL), context, why));
    }
    return file;
} catch (const std::bad_alloc &) {
    return refuse(why, -ENOMEM, "expected memory for the tables of a program; found none");
}

const acc_note_compat *ProgramFile::compat(uint32_t target) const
{
    return target < ACC_TARGET_COUNT && targets_[target].compat ? &*targets_[target].compat
                                                                : nullptr;
}

std::span<const acc_unit_desc> ProgramFile::units(uint32_t target) const
{
    if (target >= ACC_TARGET_COUNT) return {};
    return targets_[target].units;
}

std::span<const acc_kernel_desc> ProgramFile::kernels(uint32_t target) const
{
    if (target >= ACC_TARGET_COUNT) return {};
    return targets_[target].kernels;
}

const acc_unit_resources *ProgramFile::resources(uint32_t unit) const
{
    for (const acc_unit_resources &one : resources_)
        if (one.unit == unit) return &one;
    return nullptr;
}

std::optional<uint32_t> ProgramFile::find_kernel(uint32_t target, std::string_view name) const
{
    const auto all = kernels(target);
    for (size_t i = 0; i < all.size(); i++)
        if (name_of(all[i].name) == name) return static_cast<uint32_t>(i);
    return std::nullopt;
}

std::span<const std::byte> ProgramFile::section(std::string_view name) const
{
    const auto it = sections_.find(name);
    return it == sections_.end() ? std::span<const std::byte>{} : it->second;
}

std::span<const std::byte> ProgramFile::image(uint32_t target) const
{
    if (target >= ACC_TARGET_COUNT) return {};
    return section(ACC_SECTION_IMAGE + target_name(target));
}

std::string_view ProgramFile::report() const
{
    const auto text = section(ACC_SECTION_REPORT);
    return {reinterpret_cast<const char *>(text.data()), text.size()};
}

ModelView ProgramFile::model() const
{
    return {model_header(*model_), model_->tensors, model_->steps,
            model_->relocs,        model_->deps,    model_->kernargs};
}

} // namespace acc::program
