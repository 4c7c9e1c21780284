// SPDX-License-Identifier: MIT
#include "common/npy.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <unistd.h>

#include "common/unique_fd.h"

namespace acc
{
namespace
{

constexpr std::string_view magic("\x93NUMPY", 6);
constexpr size_t max_file = size_t{4} << 30;
constexpr size_t max_header = 65536;
constexpr size_t max_dims = 8;

struct Type {
    std::string_view name;
    std::string_view numpy;
    size_t bytes;
};
constexpr std::array<Type, 12> types = {{
    {"f2", "float16", 2},
    {"f8", "float64", 8},
    {"i2", "int16", 2},
    {"u2", "uint16", 2},
    {"u4", "uint32", 4},
    {"u8", "uint64", 8},
    {"b1", "bool", 1},
    {"f4", "float32", 4},
    {"i1", "int8", 1},
    {"u1", "uint8", 1},
    {"i4", "int32", 4},
    {"i8", "int64", 8},
}};

const Type *find_type(std::string_view name)
{
    for (const Type &type : types)
        if (type.name == name) return &type;
    return nullptr;
}

// Control characters of a hostile file don't reach a terminal.
std::string printable(std::string_view text)
{
    std::string out;
    for (const char c : text.substr(0, 40))
        out += c >= ' ' && c <= '~' ? c : '?';
    return out;
}

// The header: a Python dict literal of three known keys.
class HeaderParser
{
public:
    HeaderParser(std::string_view text, std::string &why) : text_(text), why_(why) {}

    bool parse(Npy &array)
    {
        bool descr = false, order = false, shape = false;
        if (!expect('{')) return false;
        while (!peek('}')) {
            std::string_view key;
            if (!string(key) || !expect(':')) return false;
            bool *seen = key == "descr"           ? &descr
                         : key == "fortran_order" ? &order
                         : key == "shape"         ? &shape
                                                  : nullptr;
            if (!seen || *seen)
                return fail("expected descr, fortran_order and shape, once each; found '" +
                            printable(key) + "'");
            *seen = true;
            if (key == "descr" ? !type(array) : key == "shape" ? !dims(array) : !c_order())
                return false;
            if (!peek(',')) break;
            ++at_;
        }
        if (!expect('}')) return false;
        skip();
        if (at_ != text_.size()) return fail("expected nothing after the header's '}'");
        if (!descr || !order || !shape)
            return fail("expected descr, fortran_order and shape in the header; one is missing");
        return true;
    }

private:
    bool fail(std::string text)
    {
        why_ = std::move(text);
        return false;
    }

    void skip()
    {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n'))
            ++at_;
    }

    bool peek(char c)
    {
        skip();
        return at_ < text_.size() && text_[at_] == c;
    }

    bool expect(char c)
    {
        if (!peek(c))
            return fail(std::string("expected '") + c + "' in the header; found '" +
                        printable(text_.substr(at_, 10)) + "'");
        ++at_;
        return true;
    }

    bool string(std::string_view &out)
    {
        skip();
        const char quote = peek('"') ? '"' : '\'';
        if (!expect(quote)) return false;
        const size_t end = text_.find(quote, at_);
        if (end == std::string_view::npos) return fail("expected a closing quote in the header");
        out = text_.substr(at_, end - at_);
        at_ = end + 1;
        return true;
    }

    bool type(Npy &array)
    {
        std::string_view descr;
        if (!string(descr)) return false;
        const bool order_free = descr == "|i1" || descr == "|u1" || descr == "|b1";
        if (descr.size() != 3 || (descr[0] != '<' && !order_free) || !find_type(descr.substr(1)))
            return fail(
                "expected little-endian floats, integers of at most 8 bytes or booleans; found '" +
                printable(descr) + "'");
        array.type = descr.substr(1);
        return true;
    }

    bool c_order()
    {
        skip();
        if (text_.substr(at_, 5) == "False") {
            at_ += 5;
            return true;
        }
        return fail("expected C order (fortran_order False); found '" +
                    printable(text_.substr(at_, 5)) + "'");
    }

    bool dims(Npy &array)
    {
        if (!expect('(')) return false;
        while (!peek(')')) {
            if (array.shape.size() == max_dims) return fail("expected at most 8 dimensions");
            size_t value = 0;
            const size_t start = at_;
            for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
                value = value * 10 + static_cast<size_t>(text_[at_] - '0');
                if (value > max_file) return fail("expected a smaller dimension");
            }
            if (at_ == start)
                return fail("expected a dimension; found '" + printable(text_.substr(at_, 10)) +
                            "'");
            array.shape.push_back(value);
            if (!peek(',')) break;
            ++at_;
        }
        return expect(')');
    }

    std::string_view text_;
    std::string &why_;
    size_t at_ = 0;
};

} // namespace

size_t Npy::item_bytes() const
{
    const Type *found = find_type(type);
    return found ? found->bytes : 0;
}

size_t Npy::items() const
{
    size_t count = 1;
    for (const size_t dim : shape)
        count *= dim;
    return count;
}

std::string Npy::describe() const
{
    return std::string(npy_type_name(type)) + " " + npy_shape_text(shape);
}

std::string_view npy_type_name(std::string_view type)
{
    const Type *found = find_type(type);
    return found ? found->numpy : type;
}

std::string npy_shape_text(const std::vector<size_t> &shape)
{
    std::string out = "[";
    for (const size_t dim : shape)
        out += (out.size() > 1 ? "," : "") + std::to_string(dim);
    return out + "]";
}

Result<Npy> parse_npy(std::string_view bytes, std::string &why)
{
    if (bytes.substr(0, magic.size()) != magic) {
        why = "expected a .npy file (\"\\x93NUMPY\"); found other bytes";
        return Error{-EINVAL};
    }
    const auto byte = [&](size_t at) {
        return static_cast<size_t>(static_cast<uint8_t>(bytes[at]));
    };
    const size_t major = bytes.size() > 7 ? byte(6) : 0;
    const size_t prefix = major == 1 ? 10 : 12;
    if (bytes.size() > 7 && major != 1 && major != 2) {
        why = "expected .npy version 1 or 2; found " + std::to_string(major);
        return Error{-EINVAL};
    }
    if (bytes.size() < prefix) {
        why = "expected a header; the file is truncated at " + std::to_string(bytes.size()) +
              " bytes";
        return Error{-EINVAL};
    }
    size_t length = byte(8) | byte(9) << 8;
    if (major == 2) length |= byte(10) << 16 | byte(11) << 24;
    if (length > max_header || length > bytes.size() - prefix) {
        why = "expected a header of " + std::to_string(length) + " bytes; the file has " +
              std::to_string(bytes.size() - prefix);
        return Error{-EINVAL};
    }
    Npy array;
    if (!HeaderParser(bytes.substr(prefix, length), why).parse(array)) return Error{-EINVAL};

    size_t expected = array.item_bytes();
    for (const size_t dim : array.shape) {
        if (dim && expected > max_file / dim) {
            why = "expected an array below 4 GiB; found " + array.describe();
            return Error{-EFBIG};
        }
        expected *= dim;
    }
    const std::string_view data = bytes.substr(prefix + length);
    if (data.size() != expected) {
        why = "expected " + std::to_string(expected) + " bytes of data for " + array.describe() +
              "; found " + std::to_string(data.size());
        return Error{-EINVAL};
    }
    array.data.resize(expected);
    if (expected) std::memcpy(array.data.data(), data.data(), expected);
    return array;
}

Result<Npy> read_npy(const std::string &path, std::string &why)
{
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    if (fd.get() < 0 || fstat(fd.get(), &status) < 0) {
        const int code = -errno;
        why = strerror(-code);
        return Error{code};
    }
    if (!S_ISREG(status.st_mode)) {
        why = "expected a regular file";
        return Error{-EINVAL};
    }
    if (static_cast<uint64_t>(status.st_size) > max_file) {
        why = "expected a file below 4 GiB; found " + std::to_string(status.st_size) + " bytes";
        return Error{-EFBIG};
    }
    std::string bytes(static_cast<size_t>(status.st_size), '\0');
    size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t got = read(fd.get(), bytes.data() + at, bytes.size() - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            const int code = -errno;
            why = strerror(-code);
            return Error{code};
        }
        if (got == 0) break;
        at += static_cast<size_t>(got);
    }
    bytes.resize(at);
    return parse_npy(bytes, why);
}

int write_npy(const std::string &path, const Npy &array, std::string &why)
{
    std::string header = "{'descr': '" + std::string(array.item_bytes() == 1 ? "|" : "<") +
                         array.type + "', 'fortran_order': False, 'shape': (";
    for (const size_t dim : array.shape)
        header += std::to_string(dim) + ", ";
    header += "), }";
    // Data begins at a multiple of 64, after a newline.
    header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
    header += '\n';
    const std::array<char, 4> prefix = {1, 0, static_cast<char>(header.size() & 0xff),
                                        static_cast<char>(header.size() >> 8)};

    FILE *file = fopen(path.c_str(), "wbe");
    if (!file) {
        why = strerror(errno);
        return -errno;
    }
    bool good = fwrite(magic.data(), 1, magic.size(), file) == magic.size() &&
                fwrite(prefix.data(), 1, prefix.size(), file) == prefix.size() &&
                fwrite(header.data(), 1, header.size(), file) == header.size() &&
                (array.data.empty() ||
                 fwrite(array.data.data(), 1, array.data.size(), file) == array.data.size());
    int code = good ? 0 : -errno;
    struct stat status = {};
    const bool regular = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    if (fclose(file) != 0 && good) {
        code = -errno;
        good = false;
    }
    if (!good) {
        why = strerror(-code);
        if (regular) unlink(path.c_str());
    }
    return code;
}

} // namespace acc
