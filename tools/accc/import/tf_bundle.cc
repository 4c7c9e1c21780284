// SPDX-License-Identifier: MIT
#include "tools/accc/import/tf_bundle.h"

#include "tools/accc/import/onnx_tensor.h"
#include "tools/accc/ir/shape.h"

#include <cstdio>
#include <cstring>

namespace acc::accc
{
namespace
{

constexpr uint64_t kMagic = 0xdb4775248b80fb57u; // of LevelDB's tables
constexpr size_t kFooter = 48;
constexpr size_t kTrailer = 5; // a block's compression and checksum

class Bytes
{
public:
    explicit Bytes(std::span<const std::byte> data) : data_(data) {}

    bool varint(uint64_t &value)
    {
        value = 0;
        for (int shift = 0; shift < 64 && at_ < data_.size(); shift += 7) {
            const auto b = static_cast<uint8_t>(data_[at_++]);
            value |= static_cast<uint64_t>(b & 127) << shift;
            if (b < 128) return true;
        }
        return false;
    }
    bool take(uint64_t count, std::string &to)
    {
        if (count > data_.size() - at_) return false;
        to.assign(reinterpret_cast<const char *>(data_.data()) + at_, count);
        at_ += count;
        return true;
    }
    bool done() const { return at_ >= data_.size(); }

private:
    std::span<const std::byte> data_;
    size_t at_ = 0;
};

// The entries of a block, in their order.
bool read_block(std::span<const std::byte> file, uint64_t offset, uint64_t size,
                std::vector<std::pair<std::string, std::string>> &entries)
{
    if (offset > file.size() || size > file.size() - offset ||
        kTrailer > file.size() - offset - size || size < 4)
        return false;
    if (file[offset + size] != std::byte{0}) return false; // compressed
    uint32_t restarts = 0;
    std::memcpy(&restarts, file.data() + offset + size - 4, 4);
    if (restarts > (size - 4) / 4) return false;
    Bytes in(file.subspan(offset, size - 4 - uint64_t{restarts} * 4));
    std::string key;
    while (!in.done()) {
        uint64_t shared = 0, rest = 0, length = 0;
        std::string tail, value;
        if (!in.varint(shared) || !in.varint(rest) || !in.varint(length) || shared > key.size() ||
            !in.take(rest, tail) || !in.take(length, value))
            return false;
        key = key.substr(0, shared) + tail;
        entries.emplace_back(key, std::move(value));
    }
    return true;
}

} // namespace

Result<std::map<std::string, std::string>> read_bundle_index(std::span<const std::byte> file,
                                                             Diagnostics &diag)
{
    const auto bad = [&] {
        return diag.error("variables.index: expected a table of variables, not compressed; found "
                          "another file");
    };
    uint64_t magic = 0;
    if (file.size() < kFooter) return bad();
    std::memcpy(&magic, file.data() + file.size() - 8, 8);
    if (magic != kMagic) return bad();
    Bytes footer(file.last(kFooter));
    uint64_t meta = 0, meta_size = 0, index = 0, index_size = 0;
    std::vector<std::pair<std::string, std::string>> blocks;
    if (!footer.varint(meta) || !footer.varint(meta_size) || !footer.varint(index) ||
        !footer.varint(index_size) || !read_block(file, index, index_size, blocks))
        return bad();
    std::map<std::string, std::string> all;
    for (const auto &[last, handle] : blocks) {
        Bytes in(std::as_bytes(std::span(handle)));
        uint64_t offset = 0, size = 0;
        std::vector<std::pair<std::string, std::string>> entries;
        if (!in.varint(offset) || !in.varint(size) || !read_block(file, offset, size, entries))
            return bad();
        for (auto &[key, value] : entries)
            all.insert_or_assign(key, std::move(value));
        // Blocks that overlap would multiply the file's size.
        if (all.size() > file.size()) return bad();
    }
    return all;
}

Status define_bundle(TfReader &reader, const std::vector<const tf::Node *> &nodes,
                     const tf::ObjectGraph &objects, const std::string &folder, Diagnostics &diag)
{
    std::vector<const tf::Node *> variables;
    for (const tf::Node *node : nodes)
        if (node->op() == "VarHandleOp") variables.push_back(node);
    if (variables.empty()) return Ok{};
    if (folder.empty()) return diag.error("expected variables beside the model; found no folder");
    const std::string base = folder + "/variables/variables";
    ACC_TRY(const std::string index_bytes, read_file(base + ".index", 0, std::string::npos, diag));
    ACC_TRY(const auto index, read_bundle_index(std::as_bytes(std::span(index_bytes)), diag));
    // The objects' tree says which key a variable's name has: "layer/kernel/.ATTRIBUTES/
    // VARIABLE_VALUE" by the names of its edges.
    std::map<std::string, std::string> key_of;
    std::vector<std::pair<int, std::string>> todo = {{0, ""}};
    std::vector<bool> seen(static_cast<size_t>(objects.node_size()));
    for (size_t next = 0; next < todo.size(); next++) {
        const auto [id, path] = todo[next];
        if (id < 0 || id >= objects.node_size() || seen[static_cast<size_t>(id)]) continue;
        seen[static_cast<size_t>(id)] = true;
        const tf::Object &object = objects.node(id);
        if (!object.variable().name().empty())
            key_of.emplace(object.variable().name(), path + ".ATTRIBUTES/VARIABLE_VALUE");
        for (const auto &child : object.child())
            todo.emplace_back(child.id(), path + child.name() + "/");
    }
    for (const tf::Node *node : variables) {
        const auto attr = node->attr().find("shared_name");
        const std::string name = attr == node->attr().end() || attr->second.s().empty()
                                     ? node->name()
                                     : attr->second.s();
        const std::string which = "variable '" + name + "': ";
        const auto key = key_of.find(name);
        auto entry = index.find(key == key_of.end() ? name : key->second);
        if (entry == index.end()) continue; // refused where something reads it
        tf::BundleEntry e;
        const auto dtype = e.ParseFromString(entry->second) ? tf_dtype(e.dtype()) : std::nullopt;
        if (!dtype) return diag.error(which + "expected numbers; found another type");
        Dims dims;
        for (const auto &dim : e.shape().dim())
            dims.push_back(dim.size());
        Diagnostics inner;
        const auto count = checked_elements(dims, inner);
        if (!count) return diag.error(which + inner.text());
        const uint64_t bytes = static_cast<uint64_t>(*count) * dtype_size(*dtype);
        if (e.size() < 0 || static_cast<uint64_t>(e.size()) != bytes || e.offset() < 0 ||
            e.shard() < 0)
            return diag.error(which + "expected " + std::to_string(bytes) + " bytes; found " +
                              std::to_string(e.size()));
        // The header, at the empty key, says how many shards there are: in the file's name.
        int shards = 1;
        if (const auto header = index.find(""); header != index.end()) {
            Bytes in(std::as_bytes(std::span(header->second)));
            uint64_t tag = 0, value = 0;
            if (in.varint(tag) && tag == 8 && in.varint(value) && value < 100000)
                shards = static_cast<int>(value);
        }
        char suffix[48];
        std::snprintf(suffix, sizeof(suffix), ".data-%05d-of-%05d", e.shard(), shards);
        ACC_TRY(const std::string data,
                read_file(base + suffix, static_cast<uint64_t>(e.offset()), bytes, diag));
        ACCC_CHECK(
            reader.define_variable(node->name(), *dtype, dims, std::as_bytes(std::span(data))));
    }
    return Ok{};
}

} // namespace acc::accc
