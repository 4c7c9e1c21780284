// SPDX-License-Identifier: MIT
//
// `declare target` variables of programs that gcc made. Its compiler, where it is configured for
// any offloading, lists them in a section of the object that holds them (gcc/omp-offload.cc), which
// programs keep that have no offload image. libgomp is told of them as if there were one.
//
// A variable of `declare target link` is device memory of libgomp's while it is mapped, which the
// construct that maps it uses, and code of a device's compiler elsewhere, by a pointer; code for
// the host names the variable there. So its value is put into both before a region runs, and what
// has been changed in the variable is taken from there when it has: a region sees what it wrote
// itself by the same way alone.
//
// Thread safety: forget() and what libgomp writes are under its device's lock; copies are under one
// of the caller's. A program that unmaps a variable while a region uses it races with itself.
#pragma once

#include "offload.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace acc::openmp
{

class GccVariables
{
public:
    // Those of the program and of the libraries that it has loaded by now. An object that has no
    // place on the device is left out: its first region says why, or it has addresses of its own.
    explicit GccVariables(Offload &offload);

    struct Variable {
        uint64_t host = 0, bytes = 0; // as libgomp has it: the highest bit means link
    };
    const std::vector<Variable> &host() const { return host_; }

    struct Range {
        uint64_t start = 0, end = 0;
    };
    // On the device, in the same order; of a link, where libgomp puts what it points to.
    const std::vector<Range> &device() const { return device_; }

    // Around a region, if any is mapped.
    bool any_linked() const;
    void copy_in();
    void copy_out();
    // Device memory that libgomp gives back.
    void forget(const void *piece, size_t bytes);

private:
    struct Link {
        void *variable = nullptr;
        size_t bytes = 0;
        std::byte *mapped = nullptr;        // null: not
        std::vector<std::byte> before = {}; // what the region found
    };
    void add(const std::string &path, uint64_t base, uint64_t table, uint64_t bytes);

    Offload &offload_;
    std::vector<Variable> host_;
    std::vector<Range> device_;
    std::deque<Link> links_; // they stay where they are
};

} // namespace acc::openmp
