// SPDX-License-Identifier: MIT
//
// Inside parse_graph(): tokens of a text. The first thing that is not as expected is kept as the
// error, and nothing is found after it.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace acc::accc
{

class Scanner
{
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool good() const { return error_.empty(); }
    const std::string &error() const { return error_; }
    bool at_end() const { return at_ >= text_.size(); }

    // Keeps the first error, with the line and what is there.
    void fail(const std::string &expected)
    {
        if (!good()) return;
        const std::string_view rest = text_.substr(at_, text_.substr(at_).find('\n'));
        error_ = "line " + std::to_string(line_) + ": expected " + expected + "; found " +
                 (rest.empty() ? "the line's end" : "'" + std::string(rest.substr(0, 24)) + "'");
    }

    // Whether the text goes on with `token`, blanks before it left out; takes it if so.
    bool take(std::string_view token)
    {
        blanks();
        if (!good() || text_.substr(at_, token.size()) != token) return false;
        at_ += token.size();
        return true;
    }
    void need(std::string_view token)
    {
        if (!take(token)) fail("'" + std::string(token) + "'");
    }
    // The line's end; empty lines and lines of '#' after it are skipped.
    void end_line()
    {
        blanks();
        if (line_ > 1 && !at_end() && text_[at_] != '\n') return fail("the line's end");
        while (!at_end() && (text_[at_] == '\n' || text_[at_] == '#')) {
            at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1;
            line_++;
            blanks();
        }
    }
    char peek()
    {
        blanks();
        return at_end() ? '\n' : text_[at_];
    }

    // Letters, digits and '_'.
    std::string word()
    {
        blanks();
        const size_t from = at_;
        while (!at_end() && is_word(text_[at_]))
            at_++;
        if (from == at_) fail("a name");
        return std::string(text_.substr(from, at_ - from));
    }

    std::string string()
    {
        std::string out;
        need("\"");
        while (good()) {
            if (at_end() || text_[at_] == '\n') {
                fail("a string's end");
                break;
            }
            const char c = text_[at_++];
            if (c == '"') break;
            if (c != '\\') {
                out += c;
                continue;
            }
            if (!at_end() && text_[at_] == 'x') {
                at_++;
                out += static_cast<char>(byte());
            } else if (!at_end() && text_[at_] != '\n') {
                out += text_[at_++];
            }
        }
        return out;
    }

    int64_t integer(int64_t lo, int64_t hi)
    {
        blanks();
        const size_t from = at_;
        if (!at_end() && text_[at_] == '-') at_++;
        while (!at_end() && text_[at_] >= '0' && text_[at_] <= '9')
            at_++;
        const std::string digits(text_.substr(from, at_ - from));
        char *end = nullptr;
        errno = 0;
        const long long value = std::strtoll(digits.c_str(), &end, 10);
        if (digits.empty() || *end || errno || value < lo || value > hi) {
            at_ = from;
            fail("an integer of " + std::to_string(lo) + " to " + std::to_string(hi));
            return lo;
        }
        return value;
    }

    float real()
    {
        blanks();
        const size_t from = at_;
        while (!at_end() && (is_word(text_[at_]) ||
                             std::string_view("+-.").find(text_[at_]) != std::string::npos))
            at_++;
        const std::string digits(text_.substr(from, at_ - from));
        char *end = nullptr;
        const float value = std::strtof(digits.c_str(), &end);
        if (digits.empty() || *end) {
            at_ = from;
            fail("a number");
        }
        return value;
    }

    // Two hexadecimal digits.
    unsigned byte()
    {
        unsigned value = 0;
        for (int i = 0; i < 2; i++) {
            const char c = at_end() ? '\n' : text_[at_];
            const size_t digit = std::string_view("0123456789abcdef").find(c);
            if (digit == std::string::npos) {
                fail("two hexadecimal digits");
                return 0;
            }
            value = value * 16 + static_cast<unsigned>(digit);
            at_++;
        }
        return value;
    }

    // item() for each of "[a,b,…]".
    template <typename Item>
    void list(Item item)
    {
        need("[");
        if (take("]")) return;
        do {
            item();
        } while (good() && take(","));
        need("]");
    }

private:
    static bool is_word(char c)
    {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    }
    void blanks()
    {
        while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t'))
            at_++;
    }

    const std::string_view text_;
    size_t at_ = 0;
    size_t line_ = 1;
    std::string error_;
};

} // namespace acc::accc
