// SPDX-License-Identifier: MIT
//
// From a folder of Verilog or SystemVerilog to a program: what `accctl role` does.
//
// Thread safety: none; one call at a time. Errors: -errno with `why`, which says what was
// expected and what was found. docs/roles.md is the guide.
#pragma once

#include "common/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace acc::role
{

struct BuildOptions {
    std::string folder;   // with role.toml and the sources
    std::string output;   // the program; empty: NAME.accx in the working folder
    std::string key_file; // of the signer; empty: the developer's key, made at first use
    std::string cache;    // of the prebuilt Verilator runtime; empty: ~/.cache/acc
    bool sign = true;
    bool trace = false; // able to write a waveform; slower
    bool keep = false;  // the working folder, named on stderr
};

struct BuildResult {
    std::string path, name, key; // key: empty without a signature
    double seconds = 0, verilate_seconds = 0, compile_seconds = 0;
    double runtime_seconds = 0; // 0: the runtime was there already
    uint64_t bytes = 0;
};

// Verilator's warnings and errors go to stderr as they are. -ENOENT: no manifest, source or
// verilator; -EINVAL: the manifest or the design; -EIO: a tool failed.
Result<BuildResult> build(const BuildOptions &options, std::string &why);

// Signs a file in place. The key's text.
Result<std::string> sign_file(const std::string &path, const std::string &key_file,
                              std::string &why);

struct Verdict {
    bool is_signed = false, good = false, trusted = false;
    std::string key;
};
// Whether a device of this user would trust it; `keys`: a folder instead of the configured ones.
Result<Verdict> verify_file(const std::string &path, const std::string &keys, std::string &why);

// Adds a public key (a file, or the program whose signer it is) to this user's trusted ones, or,
// with `system`, to /etc/acc/keys. Where it was put.
Result<std::string> trust(const std::string &path, bool system, std::string &why);

// A new pair: PATH.key and PATH.pub.
Result<std::string> new_key(const std::string &path, std::string &why);

} // namespace acc::role
