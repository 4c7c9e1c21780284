// SPDX-License-Identifier: MIT
//
// What the compiler says to its user: one error, which ends a run, and any warnings.
#pragma once

#include "common/result.h"

#include <string>
#include <vector>

namespace acc::accc
{

// Success without a value, so that Status has the same idiom as every Result.
struct Ok {
};
using Status = Result<Ok>;

// Returns the error of a Status onwards.
#define ACCC_CHECK(expression)                                                                     \
    do {                                                                                           \
        if (const auto accc_status = (expression); !accc_status)                                   \
            return ::acc::Error{accc_status.error()};                                              \
    } while (0)

class Diagnostics
{
public:
    // Keeps the first error's text and gives the error to return. -EINVAL by default: the
    // input is to blame.
    Error error(std::string text, int code = -EINVAL)
    {
        if (text_.empty()) text_ = std::move(text);
        return Error{code};
    }
    void warn(std::string text) { warnings_.push_back(std::move(text)); }

    const std::string &text() const { return text_; }
    const std::vector<std::string> &warnings() const { return warnings_; }

private:
    std::string text_;
    std::vector<std::string> warnings_;
};

} // namespace acc::accc
