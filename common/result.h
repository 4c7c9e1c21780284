// SPDX-License-Identifier: MIT
//
// The one error idiom inside our C++: a value or a negative errno. Nothing throws.
// The message is logged where the error is born; above that it is only returned.
#pragma once

#include <cerrno>
#include <type_traits>
#include <utility>
#include <variant>

namespace acc
{

// A negative errno on its way to a Result<T> of any T.
struct [[nodiscard]] Error {
    int code; // < 0
};

template <typename T>
class [[nodiscard]] Result
{
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, error) {}

    explicit operator bool() const { return state_.index() == 0; }
    // Precondition of value(): ok. error() is 0 when ok.
    T &value() & { return *std::get_if<0>(&state_); }
    const T &value() const & { return *std::get_if<0>(&state_); }
    T &&value() && { return std::move(*std::get_if<0>(&state_)); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }
    int error() const { return state_.index() == 0 ? 0 : std::get_if<1>(&state_)->code; }

private:
    std::variant<T, Error> state_;
};

} // namespace acc

#define ACC_CONCAT2(a, b) a##b
#define ACC_CONCAT(a, b) ACC_CONCAT2(a, b)

// ACC_TRY(auto x, may_fail()): declares x, or returns the error to a Result caller.
#define ACC_TRY(declaration, expression)                                                           \
    auto ACC_CONCAT(acc_try_, __LINE__) = (expression);                                            \
    if (!ACC_CONCAT(acc_try_, __LINE__))                                                           \
        return ::acc::Error{ACC_CONCAT(acc_try_, __LINE__).error()};                               \
    declaration = std::move(*ACC_CONCAT(acc_try_, __LINE__))

// Returns a negative errno onwards from a function that returns int.
#define ACC_TRY_INT(expression)                                                                    \
    do {                                                                                           \
        const int acc_try_int = (expression);                                                      \
        if (acc_try_int < 0) return acc_try_int;                                                   \
    } while (0)
