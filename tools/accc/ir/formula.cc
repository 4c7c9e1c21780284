// SPDX-License-Identifier: MIT
#include "tools/accc/ir/formula.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace acc::accc
{
namespace
{

struct Function {
    std::string_view name; // in a formula
    std::string_view op;   // of the host
    size_t operands;
    bool activation;
    const char *attributes[2]; // floats, null for none
};

constexpr Function kFunctions[] = {
    {"Relu", "Relu", 1, false, {}},
    {"LeakyRelu", "LeakyRelu", 1, true, {"alpha"}},
    {"Elu", "Elu", 1, true, {"alpha"}},
    {"Celu", "Celu", 1, true, {"alpha"}},
    {"Selu", "Selu", 1, true, {"alpha", "gamma"}},
    {"Gelu", "Gelu", 1, true, {}},
    {"GeluTanh", "Gelu", 1, true, {}},
    {"Sigmoid", "Sigmoid", 1, true, {}},
    {"HardSigmoid", "HardSigmoid", 1, true, {"alpha", "beta"}},
    {"HardSwish", "HardSwish", 1, true, {}},
    {"Tanh", "Tanh", 1, true, {}},
    {"Softplus", "Softplus", 1, true, {}},
    {"Softsign", "Softsign", 1, true, {}},
    {"Mish", "Mish", 1, true, {}},
    {"Erf", "Erf", 1, true, {}},
    {"Abs", "Abs", 1, true, {}},
    {"Neg", "Neg", 1, false, {}},
    {"Exp", "Exp", 1, false, {}},
    {"Log", "Log", 1, false, {}},
    {"Sqrt", "Sqrt", 1, false, {}},
    {"Reciprocal", "Reciprocal", 1, false, {}},
    {"Add", "Add", 2, false, {}},
    {"Sub", "Sub", 2, false, {}},
    {"Mul", "Mul", 2, false, {}},
    {"Div", "Div", 2, false, {}},
    {"Pow", "Pow", 2, false, {}},
    {"Max", "Max", 2, false, {}},
    {"Min", "Min", 2, false, {}},
    {"PRelu", "PRelu", 2, true, {}},
};

const Function *find_function(std::string_view name)
{
    for (const Function &f : kFunctions)
        if (f.name == name) return &f;
    return nullptr;
}

bool read_number(std::string_view text, float &value)
{
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

// NAME or NAME:1.5:2
bool read_function(std::string_view text, FormulaStep &step)
{
    const size_t colon = std::min(text.find(':'), text.size());
    const Function *f = find_function(text.substr(0, colon));
    if (!f) return false;
    step.kind = FormulaStep::Kind::Function;
    step.operands = f->operands;
    step.node.op = f->op;
    if (f->name == "GeluTanh") step.node.attrs["approximate"] = std::string("tanh");
    text.remove_prefix(colon);
    for (const char *name : f->attributes) {
        if (text.empty()) break;
        if (!name) return false;
        text.remove_prefix(1);
        const size_t end = std::min(text.find(':'), text.size());
        float value = 0;
        if (!read_number(text.substr(0, end), value)) return false;
        step.node.attrs[name] = value;
        text.remove_prefix(end);
    }
    return text.empty();
}

std::string number_text(float value)
{
    char text[32];
    const auto result = std::to_chars(text, text + sizeof(text), value);
    return {text, result.ptr};
}

} // namespace

std::optional<Formula> read_formula(std::string_view text)
{
    Formula formula;
    size_t depth = 0;
    while (!text.empty()) {
        const size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        FormulaStep step;
        if (read_number(word, step.constant))
            step.kind = FormulaStep::Kind::Constant;
        else if (word != "x" && !read_function(word, step))
            return std::nullopt;
        if (depth < step.operands || formula.size() == kMaxFormula) return std::nullopt;
        depth = depth - step.operands + 1;
        formula.push_back(std::move(step));
    }
    if (depth != 1) return std::nullopt;
    return formula;
}

std::string formula_of(const Op &op)
{
    const auto it = op.node.attrs.find("formula");
    const auto *text = it == op.node.attrs.end() ? nullptr : std::get_if<std::string>(&it->second);
    return text ? *text : std::string();
}

void run_formula(std::string_view text, std::span<float> values)
{
    const std::optional<Formula> formula = read_formula(text);
    if (!formula) return;
    const size_t n = values.size();
    std::vector<std::vector<float>> stack;
    for (const FormulaStep &step : *formula) {
        if (step.kind == FormulaStep::Kind::Element) {
            stack.emplace_back(values.begin(), values.end());
            continue;
        }
        if (step.kind == FormulaStep::Kind::Constant) {
            stack.emplace_back(n, step.constant);
            continue;
        }
        std::vector<float> result(n);
        const auto view = [&](std::vector<float> &of) {
            host::View v;
            v.dtype = ACC_DTYPE_F32;
            v.dims = {static_cast<int64_t>(n)};
            v.data = of.data();
            return v;
        };
        std::vector<host::View> in;
        for (size_t i = stack.size() - step.operands; i < stack.size(); i++)
            in.push_back(view(stack[i]));
        const std::vector<host::View> out = {view(result)};
        std::string why;
        if (host::run(step.node, in, out, why)) std::fill(result.begin(), result.end(), NAN);
        stack.resize(stack.size() - step.operands);
        stack.push_back(std::move(result));
    }
    std::copy(stack.back().begin(), stack.back().end(), values.begin());
}

std::optional<std::string> formula_function(const host::Node &node, size_t operands)
{
    const auto text = [&](std::string_view name) {
        const auto it = node.attrs.find(name);
        const auto *value =
            it == node.attrs.end() ? nullptr : std::get_if<std::string>(&it->second);
        return value ? *value : std::string();
    };
    const bool tanh = node.op == "Gelu" && text("approximate") == "tanh";
    const Function *f = find_function(tanh ? "GeluTanh" : std::string_view(node.op));
    if (!f || f->operands != operands) return std::nullopt;
    std::string step(f->name);
    size_t named = 0;
    for (const char *name : f->attributes) {
        const auto it = name ? node.attrs.find(name) : node.attrs.end();
        if (it == node.attrs.end()) continue;
        const auto *value = std::get_if<float>(&it->second);
        // The first may be left out where the second is not: then nothing here says so.
        if (!value || !std::isfinite(*value) || name != f->attributes[named]) return std::nullopt;
        step += ":" + number_text(*value);
        named++;
    }
    return step;
}

std::string formula_constant(float value)
{
    return number_text(value);
}

bool is_activation(std::string_view op)
{
    return std::any_of(std::begin(kFunctions), std::end(kFunctions),
                       [&](const Function &f) { return f.op == op && f.activation; });
}

} // namespace acc::accc
