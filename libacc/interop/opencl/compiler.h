// SPDX-License-Identifier: MIT
//
// OpenCL C to code for the soft cores, by a clang that runs as a child in the application's
// process. What comes out is executed nowhere but in a region's process of the device.
//
//   source --clang, PoCL's built-in functions as bitcode--> LLVM IR (text)
//          + thunks: a loop over a group's items, and one item --clang -O2--> shared object -->
//          .accx
//
// Thread safety: all calls from any thread.
#pragma once

#include "libacc/interop/opencl/signature.h"

#include <span>
#include <string>
#include <vector>

namespace acc::ocl
{

// clang 16 and PoCL's bitcode are where Debian puts them.
bool compiler_available();

struct Header {
    std::string name, text;
};

struct CompileOptions {
    std::vector<std::string> clang; // what clang is told
    bool argument_info = false;     // -cl-kernel-arg-info
    bool library = false;           // -create-library
    // CL_SUCCESS; a word that is none of the specification's: `invalid`.
    static bool parse(const std::string &text, bool linking, CompileOptions &out);
};

struct Compiled {
    bool good = false;
    std::string log;
    std::vector<char> bytes;           // bitcode, or the image
    std::vector<Signature> signatures; // of an image
};

// To bitcode that link() takes.
Compiled compile(const std::string &source, std::span<const Header> headers,
                 const CompileOptions &options);
// To an image.
Compiled build(const std::string &source, const CompileOptions &options);
// Of bitcode, to an image or a library.
Compiled link(std::span<const std::vector<char>> objects, const CompileOptions &options);

} // namespace acc::ocl
