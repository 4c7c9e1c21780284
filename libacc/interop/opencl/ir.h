// SPDX-License-Identifier: MIT
//
// Reads the text that clang prints of a module (LLVM IR, the Language Reference of LLVM 16) as far
// as kernels, their parameters and metadata are concerned.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace acc::ocl
{

struct IrType {
    size_t bytes = 0; // from one to the next in an array
    size_t align = 1;
};

struct IrParameter {
    std::string type; // as printed
    IrType size;
    bool is_pointer = false;
    bool by_value = false; // a pointer to what is passed: `type` is what it points to
};

struct IrKernel {
    std::string name;
    std::vector<IrParameter> parameters;
    std::map<std::string, std::vector<std::string>, std::less<>> metadata; // by kind, in order
    std::set<std::string, std::less<>> reaches; // functions and variables
    size_t local_bytes = 0;                     // of its variables in local memory
};

class IrModule
{
public:
    // False, and `why`: something is not as clang 16 prints it.
    bool read(std::string_view text, std::string &why);
    const std::vector<IrKernel> &kernels() const { return kernels_; }
    // The text without the lines that declare variables and functions in `gone` (names without
    // @), and without what is claimed of functions in `plain` where they are defined and called.
    static std::string adapt(std::string_view text, const std::set<std::string_view> &gone,
                             const std::set<std::string_view> &plain);

private:
    bool read_type(std::string_view text, size_t &at, IrType &out) const;
    bool read_members(std::string_view text, size_t &at, char end, bool packed, IrType &out) const;
    bool read_kernel(std::string_view line, std::string &why);
    void read_local(std::string_view line);
    std::vector<std::string> node(std::string_view number) const;
    void follow(IrKernel &kernel) const;

    std::map<std::string, std::string, std::less<>> structs_;
    std::map<std::string, std::string, std::less<>> nodes_;
    std::map<std::string, std::set<std::string>, std::less<>> mentions_; // of functions
    std::map<std::string, size_t, std::less<>> locals_;                  // "kernel.variable"
    std::vector<IrKernel> kernels_;
};

} // namespace acc::ocl
