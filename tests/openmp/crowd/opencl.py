# SPDX-License-Identifier: MIT
"""The crowd's pyopencl program: a built-in kernel and one in OpenCL C, in turns. What it prints is
what crowd.h says."""

import json
import select
import sys
import time

import numpy
import pyopencl

SIZE = 1000


def main():
    platform = next(p for p in pyopencl.get_platforms() if p.name == "acc")
    context = pyopencl.Context(platform.get_devices())
    queue = pyopencl.CommandQueue(context)
    flags = pyopencl.mem_flags
    a = numpy.arange(SIZE, dtype=numpy.float32)
    out = numpy.empty_like(a)
    given = pyopencl.Buffer(context, flags.COPY_HOST_PTR, hostbuf=a)
    result = pyopencl.Buffer(context, 0, a.nbytes)
    roles = pyopencl.create_program_with_built_in_kernels(context, context.devices, ["acc_clip_f32"])
    clip = pyopencl.Kernel(roles, "acc_clip_f32")
    kernels = [(lambda: clip(queue, (1,), None, given, result, numpy.uint64(SIZE),
                             numpy.float32(10), numpy.float32(500)), numpy.clip(a, 10, 500))]
    if context.devices[0].compiler_available:
        source = pyopencl.Program(
            context, "__kernel void twice(__global const float *a, __global float *b)"
                     "{ int i = get_global_id(0); b[i] = 2 * a[i]; }").build()
        kernels.append((lambda: source.twice(queue, a.shape, None, given, result), 2 * a))
    took, wrong = [], 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        run, expected = kernels[len(took) % len(kernels)]
        start = time.monotonic_ns()
        run()
        pyopencl.enqueue_copy(queue, out, result)
        took.append(time.monotonic_ns() - start)
        if not (out == expected).all():
            wrong += 1
            print("wrong: round", len(took) - 1, flush=True)
    took.sort()
    print(json.dumps({"rounds": len(took), "wrong": wrong, "p50_us": took[len(took) // 2] / 1e3,
                      "p95_us": took[len(took) * 95 // 100] / 1e3, "worst_us": took[-1] / 1e3}))
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
