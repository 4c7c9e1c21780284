// SPDX-License-Identifier: MIT
#include "program/program_writer.h"

#include "common/unique_fd.h"
#include "program/elf_handle.h"
#include "program/libelf_init.h"
#include "program/program_file.h"
#include "program/text.h"

#include <gelf.h>

#include <algorithm>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::program
{

namespace
{

struct Section {
    std::string name;
    uint32_t type;
    uint64_t align;
    std::vector<std::byte> bytes;
    uint32_t name_offset = 0;
};

void append(std::vector<std::byte> &bytes, const void *source, size_t size)
{
    const auto *from = static_cast<const std::byte *>(source);
    bytes.insert(bytes.end(), from, from + size);
}

void append_note(std::vector<std::byte> &bytes, uint32_t type, const void *desc, size_t size)
{
    const Elf64_Nhdr header{sizeof(ACC_NOTE_NAME), static_cast<Elf64_Word>(size), type};
    append(bytes, &header, sizeof(header));
    append(bytes, ACC_NOTE_NAME, sizeof(ACC_NOTE_NAME));
    append(bytes, desc, size);
    bytes.resize((bytes.size() + 3) / 4 * 4);
}

// The whole ELF file; section k + 1 is sections[k], names are the last section. libelf
// writes to descriptors only, so a memfd stands in for a file.
Result<std::vector<std::byte>> write_elf(std::vector<Section> &sections, std::string *why)
{
    const auto elf_error = [&](const char *what) {
        return refuse(why, -EIO, std::string("libelf: ") + what + ": " + elf_errmsg(-1));
    };
    if (!init_libelf()) return elf_error("elf_version");
    const UniqueFd fd(memfd_create("accx", MFD_CLOEXEC));
    if (!fd) return refuse(why, -errno, "memfd_create failed");
    const ElfHandle elf(elf_begin(fd.get(), ELF_C_WRITE, nullptr));
    if (!elf) return elf_error("elf_begin");
    Elf64_Ehdr *header = elf64_newehdr(elf.get());
    if (!header) return elf_error("elf64_newehdr");
    header->e_ident[EI_DATA] = ELFDATA2LSB;
    header->e_type = ET_EXEC;
    header->e_machine = EM_NONE;
    header->e_version = EV_CURRENT;

    std::vector<std::byte> names(1);
    for (Section &section : sections) {
        section.name_offset = static_cast<uint32_t>(names.size());
        append(names, section.name.c_str(), section.name.size() + 1);
    }
    const auto add = [&](uint32_t name, uint32_t type, uint64_t align,
                         std::vector<std::byte> &bytes) {
        Elf_Scn *scn = elf_newscn(elf.get());
        Elf64_Shdr *shdr = scn ? elf64_getshdr(scn) : nullptr;
        Elf_Data *data = scn ? elf_newdata(scn) : nullptr;
        if (!shdr || !data) return false;
        shdr->sh_name = name;
        shdr->sh_type = type;
        data->d_buf = bytes.data();
        data->d_size = bytes.size();
        data->d_align = align;
        data->d_type = ELF_T_BYTE; // the bytes are little-endian already
        data->d_version = EV_CURRENT;
        return true;
    };
    for (Section &section : sections)
        if (!add(section.name_offset, section.type, section.align, section.bytes))
            return elf_error("elf_newscn");
    const auto names_at = static_cast<uint32_t>(names.size());
    append(names, ".shstrtab", sizeof(".shstrtab"));
    if (!add(names_at, SHT_STRTAB, 1, names)) return elf_error("elf_newscn");
    header->e_shstrndx = static_cast<Elf64_Half>(sections.size() + 1);

    const off_t size = elf_update(elf.get(), ELF_C_WRITE);
    if (size < 0) return elf_error("elf_update");
    std::vector<std::byte> file(static_cast<size_t>(size));
    for (size_t done = 0; done < file.size();) {
        const ssize_t got =
            pread(fd.get(), file.data() + done, file.size() - done, static_cast<off_t>(done));
        if (got <= 0) return refuse(why, got < 0 ? -errno : -EIO, "reading the memfd failed");
        done += static_cast<size_t>(got);
    }
    return file;
}

} // namespace

Result<std::vector<std::byte>> with_section(std::span<const std::byte> file, std::string_view name,
                                            std::span<const std::byte> bytes, std::string *why)
try {
    ACC_TRY(const ProgramFile checked, ProgramFile::parse(file, why)); // bounds for what follows
    const auto h = load_struct<Elf64_Ehdr>(file);
    const auto names = load_struct<Elf64_Shdr>(file, h.e_shoff + h.e_shstrndx * sizeof(Elf64_Shdr));
    std::vector<Section> sections;
    for (size_t i = 1; i < h.e_shnum; i++) {
        const auto s = load_struct<Elf64_Shdr>(file, h.e_shoff + i * sizeof(Elf64_Shdr));
        const auto *text = reinterpret_cast<const char *>(file.data() + names.sh_offset);
        if (i == h.e_shstrndx || name == text + s.sh_name) continue;
        const auto content = file.subspan(s.sh_offset, s.sh_size);
        sections.push_back({text + s.sh_name,
                            s.sh_type,
                            std::max<uint64_t>(s.sh_addralign, 1),
                            {content.begin(), content.end()}});
    }
    sections.push_back({std::string(name), SHT_PROGBITS, 8, {bytes.begin(), bytes.end()}});
    auto out = write_elf(sections, why);
    if (!out) return out;
    ACC_TRY([[maybe_unused]] const ProgramFile again, ProgramFile::parse(*out, why));
    return out;
} catch (const std::bad_alloc &) {
    return refuse(why, -ENOMEM, "expected memory for a program file; found none");
}

uint32_t ProgramWriter::add_unit(const acc_unit_desc &unit)
{
    const auto same = [&](const acc_unit_desc &u) { return u.target == unit.target; };
    const auto index = static_cast<uint32_t>(std::count_if(units_.begin(), units_.end(), same));
    units_.push_back(unit);
    return index;
}

uint32_t ProgramWriter::add_kernel(const acc_kernel_desc &kernel)
{
    kernels_.push_back(kernel);
    return kernels_of_[kernel.target]++;
}

void ProgramWriter::set_image(uint32_t target, std::vector<std::byte> bytes)
{
    if (target < ACC_TARGET_COUNT)
        images_[target] = std::move(bytes);
    else
        bad_target_ = true;
}

Result<std::vector<std::byte>> ProgramWriter::finish(std::string *why) const
try {
    if (bad_target_) return refuse(why, -EINVAL, "expected an image for target 0, 1 or 2");
    std::vector<std::byte> compats;
    for (uint32_t t = 0; t < ACC_TARGET_COUNT; t++) {
        acc_note_compat compat{};
        compat.target = t;
        compat.abi_major = ACC_ABI_MAJOR;
        compat.abi_minor = ACC_ABI_MINOR;
        if (t == ACC_TARGET_FPGA) std::copy(shell_, shell_ + sizeof(shell_), compat.shell);
        for (const acc_unit_desc &u : units_)
            compat.units += u.target == t;
        for (const acc_kernel_desc &k : kernels_)
            compat.kernels += k.target == t;
        if (compat.units || compat.kernels || !images_[t].empty())
            append_note(compats, ACC_NOTE_COMPAT, &compat, sizeof(compat));
    }
    if (compats.empty()) return refuse(why, -EINVAL, "expected something for a target; found none");

    std::vector<Section> sections;
    sections.push_back({ACC_SECTION_ID, SHT_NOTE, 4, {}});
    sections.push_back({ACC_SECTION_COMPAT, SHT_NOTE, 4, std::move(compats)});
    const auto add_array = [&](const char *name, uint32_t type, const auto &array) {
        if (array.empty()) return;
        std::vector<std::byte> note;
        append_note(note, type, array.data(), array.size() * sizeof(array[0]));
        sections.push_back({name, SHT_NOTE, 4, std::move(note)});
    };
    add_array(ACC_SECTION_UNITS, ACC_NOTE_UNITS, units_);
    add_array(ACC_SECTION_KERNELS, ACC_NOTE_KERNELS, kernels_);
    add_array(ACC_SECTION_RESOURCES, ACC_NOTE_RESOURCES, resources_);
    const auto add_bytes = [&](std::string name, std::vector<std::byte> bytes) {
        if (!bytes.empty())
            sections.push_back({std::move(name), SHT_PROGBITS, 64, std::move(bytes)});
    };
    for (uint32_t t = 0; t < ACC_TARGET_COUNT; t++)
        add_bytes(ACC_SECTION_IMAGE + target_name(t), images_[t]);
    if (model_) add_bytes(ACC_SECTION_MODEL, encode_model(*model_));
    add_bytes(ACC_SECTION_CONST, consts_);
    for (const auto &[name, bytes] : extra_)
        add_bytes(name, bytes);
    const auto *report = reinterpret_cast<const std::byte *>(report_.data());
    add_bytes(ACC_SECTION_REPORT, {report, report + report_.size()});

    // The id is of what the file says; the report tells how it came about and stays out.
    std::vector<std::byte> said;
    for (const Section &section : sections) {
        if (section.name == ACC_SECTION_REPORT) continue;
        const uint64_t size = section.bytes.size();
        append(said, section.name.c_str(), section.name.size() + 1);
        append(said, &size, sizeof(size));
        append(said, section.bytes.data(), section.bytes.size());
    }
    acc_note_id id{};
    id.version = ACC_PROGRAM_VERSION;
    set_name(id.name, name_);
    content_hash(said, id.build);
    append(said, id.name, sizeof(id.name));
    content_hash(said, id.uuid);
    id.uuid[6] = static_cast<uint8_t>((id.uuid[6] & 0x0f) | 0x80); // version 8: made our way
    id.uuid[8] = static_cast<uint8_t>((id.uuid[8] & 0x3f) | 0x80);
    append_note(sections[0].bytes, ACC_NOTE_ID, &id, sizeof(id));

    auto file = write_elf(sections, why);
    if (!file) return file;
    ACC_TRY([[maybe_unused]] const ProgramFile checked, ProgramFile::parse(*file, why));
    return file;
} catch (const std::bad_alloc &) {
    return refuse(why, -ENOMEM, "expected memory for a program file; found none");
}

} // namespace acc::program
