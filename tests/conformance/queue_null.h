// SPDX-License-Identifier: MIT
//
// The null engine's kernels as tests use them: work that lasts, fails or hangs.
#pragma once

#include "acc/kernels.h"
#include "tests/conformance/queue.h"

namespace acc::conformance
{

// Kernel numbers of NullWork's program.
enum NullKernel : uint32_t { null_noop, null_copy, null_spin, null_fail, null_hang };

class NullWork
{
public:
    explicit NullWork(Accel &accel)
        : program_(accel,
                   {ACC_NULL_NOOP, ACC_NULL_COPY, ACC_NULL_SPIN, ACC_NULL_FAIL, ACC_NULL_HANG}),
          arguments_(accel, page_bytes)
    {
    }

    acc_packet noop(acc_signal_memory *done) { return packet(null_noop, 0, done); }
    acc_packet fail(acc_signal_memory *done) { return packet(null_fail, 0, done); }
    acc_packet hang(acc_signal_memory *done) { return packet(null_hang, 0, done); }
    // Works for so long.
    acc_packet spin(uint64_t ns, acc_signal_memory *done)
    {
        acc_null_args args = {};
        args.size = ns;
        return packet(null_spin, put(args), done);
    }
    acc_packet copy(uint64_t destination, uint64_t source, uint64_t size, acc_signal_memory *done)
    {
        acc_null_args args = {};
        args.source = source;
        args.destination = destination;
        args.size = size;
        return packet(null_copy, put(args), done);
    }
    // Arguments that stay where they are while packets name them.
    uint64_t put(const acc_null_args &args)
    {
        auto *at = arguments_.at<acc_null_args>(next_++ % 128 * sizeof(acc_null_args));
        *at = args;
        return address_of(at);
    }
    Program &program() { return program_; }
    uint64_t kernel(NullKernel kernel) const { return program_.kernel(kernel); }

private:
    acc_packet packet(NullKernel which, uint64_t kernargs, acc_signal_memory *done)
    {
        return dispatch(kernel(which), kernargs, done);
    }

    Program program_;
    Buffer arguments_;
    uint32_t next_ = 0;
};

} // namespace acc::conformance
