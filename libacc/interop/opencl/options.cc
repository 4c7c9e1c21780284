// SPDX-License-Identifier: MIT
//
// Options of a build, as the specification lists them: words, some with a value.
#include "libacc/interop/opencl/compiler.h"

#include <algorithm>
#include <filesystem>

namespace acc::ocl
{
namespace
{

// At spaces; quotes keep words together, a backslash the next character as it is.
bool split_words(const std::string &text, std::vector<std::string> &out)
{
    std::string word;
    bool inside = false;
    char quote = 0;
    for (size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        if (c == '\\' && i + 1 < text.size()) {
            word += text[++i];
            inside = true;
        } else if (quote ? c == quote : (c == '"' || c == '\'')) {
            quote = quote ? 0 : c;
            inside = true;
        } else if (!quote && (c == ' ' || c == '\t' || c == '\n')) {
            if (inside) out.push_back(std::move(word));
            word.clear();
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (inside) out.push_back(std::move(word));
    return !quote;
}

std::string absolute(const std::string &path)
{
    std::error_code error;
    const auto full = std::filesystem::absolute(path, error);
    return error ? path : full.string();
}

bool one_of(const std::string &word, std::initializer_list<const char *> list)
{
    return std::find(list.begin(), list.end(), word) != list.end();
}

} // namespace

bool CompileOptions::parse(const std::string &text, bool linking, CompileOptions &out)
{
    std::vector<std::string> words;
    if (!split_words(text, words)) return false;
    bool has_standard = false;
    for (size_t i = 0; i < words.size(); i++) {
        const std::string &word = words[i];
        // What clang knows by the same name, and both ways take.
        if (one_of(word,
                   {"-cl-denorms-are-zero", "-cl-no-signed-zeros", "-cl-unsafe-math-optimizations",
                    "-cl-finite-math-only", "-cl-fast-relaxed-math"})) {
            out.clang.push_back(word);
            continue;
        }
        if (linking) {
            if (word == "-create-library")
                out.library = true;
            else if (word != "-enable-link-options" && word != "-cl-no-subgroup-ifp")
                return false;
            continue;
        }
        if (word == "-D" || word == "-I") {
            if (i + 1 == words.size()) return false;
            const std::string &value = words[++i];
            out.clang.push_back(word + (word == "-I" ? absolute(value) : value));
        } else if (word.starts_with("-D")) {
            out.clang.push_back(word);
        } else if (word.starts_with("-I")) {
            out.clang.push_back("-I" + absolute(word.substr(2)));
        } else if (word.starts_with("-cl-std=")) {
            if (!one_of(word.substr(8), {"CL1.0", "CL1.1", "CL1.2", "CL3.0"})) return false;
            if (has_standard) return false;
            has_standard = true;
            out.clang.push_back(word);
        } else if (one_of(word, {"-w", "-Werror", "-cl-single-precision-constant",
                                 "-cl-fp32-correctly-rounded-divide-sqrt", "-cl-mad-enable",
                                 "-cl-uniform-work-group-size"})) {
            out.clang.push_back(word);
        } else if (word == "-cl-kernel-arg-info") {
            out.argument_info = true;
        } else if (!one_of(word, {"-cl-opt-disable", "-cl-strict-aliasing", "-cl-no-subgroup-ifp",
                                  "-g"})) {
            return false;
        }
    }
    if (!linking && !has_standard) out.clang.emplace_back("-cl-std=CL1.2");
    return true;
}

} // namespace acc::ocl
