// SPDX-License-Identifier: MIT
#include "tools/accc/import/onnx_tensor.h"

#include "common/unique_fd.h"
#include "tools/accc/import/onnx_ops.h"
#include "tools/accc/ir/shape.h"

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
                              "found no " +
                              quote(location),
                          -ENOENT);
    const fs::path inner = path.lexically_relative(root);
    if (fs::path(location).is_absolute() || inner.empty() || *inner.begin() == "..")
        return diag.error(which + "expected external data below the model's folder; found " +
                          quote(location));
    auto data = read_file(path.string(), offset, length, diag);
    return data;
}

// Elements that the message holds one by one, in the field of their type.
template <typename To, typename Field>
bool pack(const Field &field, size_t count, std::string &to)
{
    if (static_cast<size_t>(field.size()) != count) return false;
    for (size_t i = 0; i < count; i++) {
        const To value = static_cast<To>(field.Get(static_cast<int>(i)));
        std::memcpy(to.data() + i * sizeof(To), &value, sizeof(To));
    }
    return true;
}

bool pack_fields(const onnx::TensorProto &proto, DType dtype, size_t count, std::string &to)
{
    switch (dtype) {
    case DType::F32:
        return pack<float>(proto.float_data(), count, to);
    case DType::F64:
        return pack<double>(proto.double_data(), count, to);
    case DType::I64:
        return pack<int64_t>(proto.int64_data(), count, to);
    case DType::U64:
        return pack<uint64_t>(proto.uint64_data(), count, to);
    case DType::U32:
        return pack<uint32_t>(proto.uint64_data(), count, to);
    case DType::I32:
        return pack<int32_t>(proto.int32_data(), count, to);
    case DType::I16:
    case DType::U16:
    case DType::F16:
    case DType::BF16:
        return pack<uint16_t>(proto.int32_data(), count, to);
    case DType::Bool:
        return pack<bool>(proto.int32_data(), count, to);
    default:
        return pack<uint8_t>(proto.int32_data(), count, to);
    }
}

} // namespace

Result<OnnxTensor> decode_tensor(const onnx::TensorProto &proto, const std::string &folder,
                                 Diagnostics &diag)
{
    const std::string which = "tensor " + quote(proto.name()) + ": ";
    const auto dtype = onnx_dtype(proto.data_type());
    if (!dtype)
        return diag.error(which + "expected numbers or booleans; found " +
                          onnx::TensorProto::DataType_Name(proto.data_type()) + " (" +
                          std::to_string(proto.data_type()) + ")");
    OnnxTensor tensor;
    tensor.dtype = *dtype;
    int64_t count = 1;
    for (const int64_t dim : proto.dims()) {
        if (dim < 0 || (dim > 0 && count > kMaxElements / dim))
            return diag.error(which +
                              "expected dimensions of at most 2^28 elements in all; found " +
                              std::to_string(dim) + " among them");
        count *= dim;
        tensor.dims.push_back(dim);
    }
    if (tensor.dims.size() > host::kMaxRank)
        return diag.error(which + "expected at most 8 dimensions; found " +
                          std::to_string(tensor.dims.size()));
    const uint64_t bytes = static_cast<uint64_t>(count) * dtype_size(*dtype);
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
        ACC_TRY(tensor.bytes, external_bytes(proto, folder, bytes, diag));
        return tensor;
    }
    if (proto.has_raw_data()) {
        if (proto.raw_data().size() != bytes)
            return diag.error(which + "expected " + std::to_string(bytes) + " bytes for " +
                              dims_text(tensor.dims) + "; found " +
                              std::to_string(proto.raw_data().size()));
        tensor.bytes = proto.raw_data();
        return tensor;
    }
    // Only now is memory taken: fields in the message hold at least a byte per element.
    if (static_cast<uint64_t>(count) > proto.ByteSizeLong())
        return diag.error(which + "expected " + std::to_string(count) + " values; found fewer");
    tensor.bytes.resize(bytes);
    if (!pack_fields(proto, *dtype, static_cast<size_t>(count), tensor.bytes))
        return diag.error(which + "expected " + std::to_string(count) + " values for " +
                          dims_text(tensor.dims) + "; found another number of them");
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
