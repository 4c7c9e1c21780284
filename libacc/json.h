// SPDX-License-Identifier: MIT
//
// Writes JSON text, one value after the other. Thread safety: none.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace acc
{

class JsonWriter
{
public:
    JsonWriter &begin(char bracket) // '{' or '['
    {
        separate();
        text_ += bracket;
        first_ = true;
        return *this;
    }
    JsonWriter &end(char bracket) // '}' or ']'
    {
        text_ += bracket;
        first_ = false;
        return *this;
    }
    JsonWriter &key(std::string_view name)
    {
        value(name);
        text_ += ':';
        first_ = true;
        return *this;
    }
    JsonWriter &value(std::string_view text)
    {
        separate();
        text_ += '"';
        for (size_t at = 0; at < text.size();)
            at += append(text, at);
        text_ += '"';
        return *this;
    }
    JsonWriter &value(const char *text) { return value(std::string_view(text)); }
    JsonWriter &value(std::integral auto number)
    {
        separate();
        text_ += std::to_string(number);
        return *this;
    }
    JsonWriter &value(bool truth)
    {
        separate();
        text_ += truth ? "true" : "false";
        return *this;
    }
    JsonWriter &value(float number)
    {
        separate();
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, number);
        text_ +=
            std::isfinite(number) ? std::string_view(digits, size_t(end.ptr - digits)) : "null";
        return *this;
    }
    JsonWriter &null()
    {
        separate();
        text_ += "null";
        return *this;
    }
    // A member of an object.
    template <typename T>
    JsonWriter &member(std::string_view name, const T &of)
    {
        return key(name).value(of);
    }

    std::string take() { return std::move(text_); }

private:
    void separate()
    {
        if (!first_) text_ += ',';
        first_ = false;
    }
    // Appends one character of `text` at `at` and returns its bytes. What is no UTF-8 (names
    // come from hostile files) is taken for Latin-1, so that the whole stays valid.
    size_t append(std::string_view text, size_t at)
    {
        static constexpr char hex[] = "0123456789abcdef";
        const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
        const unsigned char c = byte(at);
        if (c == '"' || c == '\\') {
            text_ += '\\';
            text_ += char(c);
            return 1;
        }
        const size_t more = utf8_tail(c);
        const bool whole = at + more < text.size();
        uint32_t code = more == 3 ? c & 7u : more == 2 ? c & 15u : c & 31u;
        bool good = c >= 0x20 && c < 0x7f;
        for (size_t i = 1; more && whole && i <= more; i++) {
            good = (byte(at + i) & 0xc0) == 0x80;
            if (!good) break;
            code = code << 6 | (byte(at + i) & 0x3fu);
        }
        // Neither longer than needed, nor a surrogate, nor beyond the last.
        if (more == 1) good &= code >= 0x80;
        if (more == 2) good &= code >= 0x800 && (code < 0xd800 || code > 0xdfff);
        if (more == 3) good &= code >= 0x10000 && code <= 0x10ffff;
        if (good) {
            text_ += text.substr(at, more + 1);
            return more + 1;
        }
        text_ += "\\u00";
        text_ += hex[c >> 4];
        text_ += hex[c & 15];
        return 1;
    }
    static size_t utf8_tail(unsigned char first)
    {
        if (first >= 0xf0 && first < 0xf8) return 3;
        if (first >= 0xe0 && first < 0xf0) return 2;
        return first >= 0xc0 && first < 0xe0 ? 1 : 0;
    }

    std::string text_;
    bool first_ = true;
};

} // namespace acc
