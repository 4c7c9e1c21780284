// SPDX-License-Identifier: MIT
#include "host/image.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace acc::host
{
namespace
{

constexpr size_t kMaxOperands = 2048; // of one operator

void put_name(char (&to)[ACC_NAME_BYTES], const std::string &name)
{
    std::memcpy(to, name.data(), std::min(name.size(), sizeof(to) - 1));
}

acc_host_operand operand_of(const Desc &d)
{
    acc_host_operand o{};
    o.dtype = d.dtype;
    o.rank = static_cast<uint32_t>(d.dims.size());
    std::copy(d.dims.begin(), d.dims.end(), o.dims);
    return o;
}

template <typename T>
void append(std::vector<std::byte> &to, const T *values, size_t count)
{
    const size_t at = to.size(), bytes = count * sizeof(T);
    to.resize(at + bytes);
    if (bytes) std::memcpy(to.data() + at, values, bytes);
}

acc_host_attr put_attr(const std::string &name, const Attr &value, std::vector<std::byte> &data)
{
    acc_host_attr a{};
    put_name(a.name, name);
    data.resize((data.size() + 7) / 8 * 8);
    a.offset = data.size();
    a.type = static_cast<uint32_t>(value.index()) + 1;
    a.count = 1;
    std::visit(
        [&](const auto &v) {
            using V = std::decay_t<decltype(v)>;
            if constexpr (std::is_arithmetic_v<V>) {
                append(data, &v, 1);
            } else {
                a.count = static_cast<uint32_t>(v.size());
                append(data, v.data(), v.size());
            }
        },
        value);
    return a;
}

template <typename T>
bool take(std::span<const std::byte> &from, T &to)
{
    if (from.size() < sizeof(T)) return false;
    std::memcpy(&to, from.data(), sizeof(T));
    from = from.subspan(sizeof(T));
    return true;
}

std::optional<std::string> name_in(const char (&field)[ACC_NAME_BYTES])
{
    const size_t length = strnlen(field, sizeof(field));
    if (length == 0 || length == sizeof(field)) return std::nullopt;
    return std::string(field, length);
}

bool read_operand(const acc_host_operand &o, Desc &d)
{
    if (o.rank > ACC_HOST_MAX_DIMS || (o.dtype && !element_bytes(o.dtype))) return false;
    d.dtype = o.dtype;
    int64_t count = 1;
    for (uint32_t i = 0; i < o.rank; i++) {
        // Lists may be empty: the shape of a scalar, axes that are all.
        if (o.dims[i] > static_cast<uint64_t>(kMaxElements / std::max<int64_t>(count, 1)))
            return false;
        d.dims.push_back(static_cast<int64_t>(o.dims[i]));
        count *= d.dims.back();
    }
    return true;
}

template <typename T>
bool read_values(std::span<const std::byte> data, const acc_host_attr &a, std::vector<T> &values)
{
    if (a.offset > data.size() || a.count > (data.size() - a.offset) / sizeof(T)) return false;
    values.resize(a.count);
    if (a.count) std::memcpy(values.data(), data.data() + a.offset, a.count * sizeof(T));
    return true;
}

bool read_attr(std::span<const std::byte> data, const acc_host_attr &a, Attr &value)
{
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<char> text;
    switch (a.type) {
    case ACC_HOST_INT:
        if (a.count != 1 || !read_values(data, a, ints)) return false;
        value = ints[0];
        return true;
    case ACC_HOST_FLOAT:
        if (a.count != 1 || !read_values(data, a, floats)) return false;
        value = floats[0];
        return true;
    case ACC_HOST_STRING:
        if (!read_values(data, a, text)) return false;
        value = std::string(text.begin(), text.end());
        return true;
    case ACC_HOST_INTS:
        if (!read_values(data, a, ints)) return false;
        value = std::move(ints);
        return true;
    case ACC_HOST_FLOATS:
        if (!read_values(data, a, floats)) return false;
        value = std::move(floats);
        return true;
    default:
        return false;
    }
}

} // namespace

std::vector<std::byte> encode_image(std::span<const Kernel> kernels)
{
    std::vector<acc_host_kernel> heads;
    std::vector<acc_host_operand> operands;
    std::vector<acc_host_attr> attrs;
    std::vector<std::byte> data;
    for (const Kernel &k : kernels) {
        acc_host_kernel head{};
        put_name(head.op, k.node.op);
        head.inputs = static_cast<uint32_t>(k.in.size());
        head.outputs = static_cast<uint32_t>(k.out.size());
        head.attrs = static_cast<uint32_t>(k.node.attrs.size());
        heads.push_back(head);
        for (const std::vector<Desc> *list : {&k.in, &k.out})
            for (const Desc &d : *list)
                operands.push_back(operand_of(d));
        for (const auto &[name, value] : k.node.attrs)
            attrs.push_back(put_attr(name, value, data));
    }
    acc_host_image head{};
    head.magic = ACC_HOST_MAGIC;
    head.version = 1;
    head.kernels = static_cast<uint32_t>(heads.size());
    head.operands = static_cast<uint32_t>(operands.size());
    head.attrs = static_cast<uint32_t>(attrs.size());
    head.data_bytes = static_cast<uint32_t>(data.size());
    std::vector<std::byte> image;
    append(image, &head, 1);
    append(image, heads.data(), heads.size());
    append(image, operands.data(), operands.size());
    append(image, attrs.data(), attrs.size());
    append(image, data.data(), data.size());
    return image;
}

std::optional<std::vector<Kernel>> parse_image(std::span<const std::byte> image, size_t kernels,
                                               std::string &why)
{
    const auto bad = [&](std::string text) {
        why = std::move(text);
        return std::nullopt;
    };
    acc_host_image head{};
    const size_t size = image.size();
    if (!take(image, head) || head.magic != ACC_HOST_MAGIC || head.version != 1)
        return bad("expected version 1 of .acc.image.host; found another");
    if (head.kernels != kernels)
        return bad("expected the " + std::to_string(kernels) + " kernels of its notes; found " +
                   std::to_string(head.kernels));
    const uint64_t heads = uint64_t{head.kernels} * sizeof(acc_host_kernel),
                   operands = uint64_t{head.operands} * sizeof(acc_host_operand),
                   attrs = uint64_t{head.attrs} * sizeof(acc_host_attr);
    if (heads + operands + attrs + head.data_bytes != image.size())
        return bad("expected tables that fill the image; found " + std::to_string(size) + " bytes");
    auto kernel_table = image.first(heads), operand_table = image.subspan(heads, operands),
         attr_table = image.subspan(heads + operands, attrs);
    const auto data = image.subspan(heads + operands + attrs);
    std::vector<Kernel> all;
    for (size_t i = 0; i < kernels; i++) {
        const std::string which = "kernel " + std::to_string(i) + ": ";
        acc_host_kernel k{};
        Kernel kernel;
        if (!take(kernel_table, k) || k.reserved || k.inputs > kMaxOperands || k.outputs < 1 ||
            k.outputs > kMaxOperands)
            return bad(which + "expected a kernel with outputs and zero padding; found another");
        const auto op = name_in(k.op);
        if (!op || !known(*op)) return bad(which + "expected a known operator; found another");
        kernel.node.op = *op;
        for (uint32_t n = 0; n < k.inputs + k.outputs; n++) {
            acc_host_operand o{};
            Desc d;
            if (!take(operand_table, o) || !read_operand(o, d))
                return bad(which + "expected operands of at most 2^28 elements; found another");
            (n < k.inputs ? kernel.in : kernel.out).push_back(std::move(d));
        }
        for (uint32_t n = 0; n < k.attrs; n++) {
            acc_host_attr a{};
            Attr value;
            if (!take(attr_table, a) || !name_in(a.name) || !read_attr(data, a, value))
                return bad(which + "expected attributes inside the image; found another");
            kernel.node.attrs.insert_or_assign(*name_in(a.name), std::move(value));
        }
        all.push_back(std::move(kernel));
    }
    if (!operand_table.empty() || !attr_table.empty())
        return bad("expected every operand and attribute in a kernel; found more");
    return all;
}

} // namespace acc::host
