// SPDX-License-Identifier: MIT
#include "tools/accc/import/onnx_tensor.h"

#include "common/unique_fd.h"
#include "tools/accc/ir/shape.h"

#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::accc
{
namespace
{

namespace fs = std::filesystem;

constexpr uint64_t kMaxFile = uint64_t{2} << 30; // protobuf reads no more either

std::string quote(const std::string &name)
{
    return "'" + name + "'";
}

// Digits only: neither signs nor overflow.
bool parse_number(const std::string &text, uint64_t &number)
{
    if (text.empty() || text.size() > 18) return false;
    number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        number = number * 10 + static_cast<uint64_t>(c - '0');
    }
    return true;
}

// The bytes of a tensor that lie in a file of their own. Only files below the model's
// folder are opened, after links are resolved.
Result<std::string> external_bytes(const onnx::TensorProto &proto, const std::string &folder,
                                   uint64_t bytes, Diagnostics &diag)
{
    const std::string which = "tensor " + quote(proto.name()) + ": ";
    std::string location;
    uint64_t offset = 0, length = bytes;
    for (const auto &entry : proto.external_data()) {
        bool good = true;
        if (entry.key() == "location")
            location = entry.value();
        else if (entry.key() == "offset")
            good = parse_number(entry.value(), offset);
        else if (entry.key() == "length")
            good = parse_number(entry.value(), length);
        else if (entry.key() != "checksum")
            good = false;
        if (!good)
            return diag.error(which +
                              "expected external data by location, offset and "
                              "length; found " +
                              quote(entry.key()));
    }
    if (folder.empty())
        return diag.error(which + "expected its data inside the model; found external data");
    if (length != bytes)
        return diag.error(which + "expected " + std::to_string(bytes) +
                          " bytes of external data; found " + std::to_string(length));
    std::error_code error;
    const fs::path root = fs::canonical(folder, error);
    const fs::path path = error ? fs::path() : fs::canonical(root / location, error);
    if (error || location.empty())
        return diag.error(which +
                              "expected external data in a file below the model's folder; "
                              "found " +
                              quote(location),
                          -ENOENT);
    const fs::path inner = path.lexically_relative(root);
    if (fs::path(location).is_absolute() || inner.empty() || *inner.begin() == "..")
        return diag.error(which + "expected external data below the model's folder; found " +
                          quote(location));
    auto data = read_file(path.string(), offset, length, diag);
    return data;
}

float half_to_float(uint16_t half)
{
    const int exponent = half >> 10 & 31;
    const int fraction = half & 1023;
    float value = exponent == 31  ? (fraction ? NAN : INFINITY)
                  : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                  : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    return half & 0x8000 ? -value : value;
}

// Elements of `From` in little-endian bytes.
template <typename From, typename To, typename Convert>
void unpack(const std::string &bytes, std::vector<To> &to, Convert convert)
{
    for (size_t i = 0; i < to.size(); i++) {
        From value;
        std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
        to[i] = convert(value);
    }
}

template <typename Field, typename To>
bool copy_field(const Field &field, std::vector<To> &to)
{
    if (static_cast<size_t>(field.size()) != to.size()) return false;
    for (size_t i = 0; i < to.size(); i++)
        to[i] = static_cast<To>(field.Get(static_cast<int>(i)));
    return true;
}

uint64_t element_bytes(int type)
{
    switch (type) {
    case onnx::TensorProto::DOUBLE:
    case onnx::TensorProto::INT64:
        return 8;
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::INT32:
        return 4;
    case onnx::TensorProto::FLOAT16:
        return 2;
    case onnx::TensorProto::BOOL:
        return 1;
    default:
        return 0;
    }
}

void unpack_raw(int type, const std::string &raw, Tensor &tensor)
{
    const auto plain = [](auto v) { return static_cast<float>(v); };
    const auto whole = [](auto v) { return static_cast<int64_t>(v); };
    switch (type) {
    case onnx::TensorProto::FLOAT:
        unpack<float>(raw, tensor.floats(), plain);
        break;
    case onnx::TensorProto::DOUBLE:
        unpack<double>(raw, tensor.floats(), plain);
        break;
    case onnx::TensorProto::FLOAT16:
        unpack<uint16_t>(raw, tensor.floats(), half_to_float);
        break;
    case onnx::TensorProto::INT64:
        unpack<int64_t>(raw, tensor.ints(), whole);
        break;
    case onnx::TensorProto::INT32:
        unpack<int32_t>(raw, tensor.ints(), whole);
        break;
    default:
        unpack<uint8_t>(raw, tensor.ints(), whole);
        break;
    }
}

bool unpack_fields(const onnx::TensorProto &proto, Tensor &tensor)
{
    switch (proto.data_type()) {
    case onnx::TensorProto::FLOAT:
        return copy_field(proto.float_data(), tensor.floats());
    case onnx::TensorProto::DOUBLE:
        return copy_field(proto.double_data(), tensor.floats());
    case onnx::TensorProto::FLOAT16: {
        if (!copy_field(proto.int32_data(), tensor.floats())) return false;
        for (float &v : tensor.floats())
            v = half_to_float(static_cast<uint16_t>(v));
        return true;
    }
    case onnx::TensorProto::INT64:
        return copy_field(proto.int64_data(), tensor.ints());
    default:
        return copy_field(proto.int32_data(), tensor.ints());
    }
}

} // namespace

Result<Tensor> decode_tensor(const onnx::TensorProto &proto, const std::string &folder,
                             Diagnostics &diag)
{
    const std::string which = "tensor " + quote(proto.name()) + ": ";
    const int type = proto.data_type();
    const uint64_t element = element_bytes(type);
    if (!element)
        return diag.error(which + "expected float, double, float16, int64, int32 or bool; found " +
                          onnx::TensorProto::DataType_Name(type) + " (" + std::to_string(type) +
                          ")");
    Tensor tensor;
    int64_t count = 1;
    for (const int64_t dim : proto.dims()) {
        if (dim < 0 || (dim > 0 && count > kMaxElements / dim))
            return diag.error(which +
                              "expected dimensions of at most 2^28 elements in all; found " +
                              std::to_string(dim) + " among them");
        count *= dim;
        tensor.dims.push_back(dim);
    }
    if (tensor.dims.size() > kMaxRank)
        return diag.error(which + "expected at most 6 dimensions; found " +
                          std::to_string(tensor.dims.size()));
    const uint64_t bytes = static_cast<uint64_t>(count) * element;
    const bool external = proto.data_location() == onnx::TensorProto::EXTERNAL;
    std::string from_file;
    if (external) {
        ACC_TRY(from_file, external_bytes(proto, folder, bytes, diag));
    }
    const std::string &raw = external ? from_file : proto.raw_data();
    const bool is_raw = external || proto.has_raw_data();
    if (is_raw && raw.size() != bytes)
        return diag.error(which + "expected " + std::to_string(bytes) + " bytes for " +
                          dims_text(tensor.dims) + "; found " + std::to_string(raw.size()));
    // Only now is memory taken: fields in the message hold at least a byte per element.
    if (!is_raw && static_cast<uint64_t>(count) > proto.ByteSizeLong())
        return diag.error(which + "expected " + std::to_string(count) + " values; found fewer");

    const bool is_float = type == onnx::TensorProto::FLOAT || type == onnx::TensorProto::DOUBLE ||
                          type == onnx::TensorProto::FLOAT16;
    if (is_float)
        tensor.data = std::vector<float>(static_cast<size_t>(count));
    else
        tensor.data = std::vector<int64_t>(static_cast<size_t>(count));
    if (is_raw)
        unpack_raw(type, raw, tensor);
    else if (!unpack_fields(proto, tensor))
        return diag.error(which + "expected " + std::to_string(count) + " values for " +
                          dims_text(tensor.dims) + "; found another number of them");
    if (is_float)
        for (const float v : tensor.floats())
            if (!std::isfinite(v))
                return diag.error(which + "expected finite values; found " + std::to_string(v));
    return tensor;
}

Result<std::string> read_file(const std::string &path, uint64_t offset, uint64_t length,
                              Diagnostics &diag)
{
    const auto failed = [&](int code) {
        return diag.error(path + ": " + std::strerror(code), -code);
    };
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    if (!fd || fstat(fd.get(), &status) < 0) return failed(errno);
    if (!S_ISREG(status.st_mode)) return diag.error(path + ": expected a regular file");
    const auto size = static_cast<uint64_t>(status.st_size);
    if (length == std::string::npos) length = size;
    if (offset > size || length > size - offset)
        return diag.error(path + ": expected " + std::to_string(length) + " bytes at " +
                          std::to_string(offset) + "; found a file of " + std::to_string(size));
    if (length > kMaxFile)
        return diag.error(
            path + ": expected at most 2 GiB; found " + std::to_string(length) + " bytes", -EFBIG);
    std::string bytes(length, '\0');
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t got = pread(fd.get(), bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(errno);
        if (got == 0)
            return diag.error(path + ": expected " + std::to_string(length) +
                              " bytes; found the end after " + std::to_string(done));
        done += static_cast<size_t>(got);
    }
    return bytes;
}

} // namespace acc::accc
