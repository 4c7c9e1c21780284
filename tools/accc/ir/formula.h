// SPDX-License-Identifier: MIT
//
// What a Table does to each element, as text: operands before what works on them, blanks between.
//
//   x                  the element
//   0.5                a constant
//   Sigmoid            a function of the host (host/host.h) of one operand; its attributes may
//   LeakyRelu:0.1      follow, in the order of the table in formula.cc
//   Mul                a function of two
//
// "x x Sigmoid Mul" is x * sigmoid(x). Functions work in float, each rounds.
//
// Thread safety: pure functions.
#pragma once

#include "tools/accc/ir/graph.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc::accc
{

struct FormulaStep {
    enum class Kind { Element, Constant, Function } kind = Kind::Element;
    float constant = 0;
    host::Node node; // Function
    size_t operands = 0;
};
using Formula = std::vector<FormulaStep>;

inline constexpr size_t kMaxFormula = 64; // steps

// Nothing where the text is no formula of one result.
std::optional<Formula> read_formula(std::string_view text);

// Of a Table that is not lowered yet; empty where it has none.
std::string formula_of(const Op &op);

// Each value by the formula. Precondition: the text is one.
void run_formula(std::string_view text, std::span<float> values);

// A step's text: of an operator of the host on floats, with the attributes that it has; nothing
// where it is none of these functions or an attribute is not a plain number.
std::optional<std::string> formula_function(const host::Node &node, size_t operands);
std::string formula_constant(float value);

// A function that networks have between their layers, whose result int8 does well: bounded, or of
// a slope of about 1.
bool is_activation(std::string_view op);

} // namespace acc::accc
