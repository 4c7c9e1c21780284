#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of others, unmodified, through the stock ICD loader: clinfo, and pyopencl's arrays,
reductions and built-in kernels; on the embedded devices, and on a service with several processes
at once. Skips what is not installed."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from daemon import Daemon  # pylint: disable=wrong-import-position

SKIP = 77
CLIENTS = 3


def use_pyopencl():
    """What a process does. Asserts; prints nothing."""
    import numpy
    import pyopencl
    import pyopencl.array

    platform = next(p for p in pyopencl.get_platforms() if p.name == "acc")
    context = pyopencl.Context(platform.get_devices())
    queue = pyopencl.CommandQueue(context)
    program = pyopencl.create_program_with_built_in_kernels(
        context, context.devices, ["acc_add_f32"]
    ) if hasattr(pyopencl, "create_program_with_built_in_kernels") else None
    a = numpy.arange(1000, dtype=numpy.float32)
    flags = pyopencl.mem_flags.COPY_HOST_PTR
    if program is not None:
        given = pyopencl.Buffer(context, flags, hostbuf=a)
        out = pyopencl.Buffer(context, 0, a.nbytes)
        kernel = pyopencl.Kernel(program, "acc_add_f32")
        kernel(queue, (1,), None, given, given, out, numpy.uint64(a.size), numpy.uint64(a.size))
        result = numpy.empty_like(a)
        pyopencl.enqueue_copy(queue, result, out)
        assert (result == 2 * a).all()
    if not context.devices[0].compiler_available:
        return
    x = pyopencl.array.to_device(queue, a)
    y = (2 * x + 1).get()
    assert (y == 2 * a + 1).all()
    total = pyopencl.array.sum(x, queue=queue).get()
    assert total == a.sum(dtype=numpy.float64), total
    source = pyopencl.Program(
        context,
        "__kernel void square(__global float *a) { int i = get_global_id(0); a[i] *= a[i]; }",
    ).build()
    source.square(queue, a.shape, None, x.data)
    assert (x.get() == a * a).all()


def environment(icd, devices):
    return dict(
        os.environ, OCL_ICD_VENDORS=icd, ACC_DEVICE=devices, PYOPENCL_NO_CACHE="1",
        XDG_CACHE_HOME=os.path.join(os.path.dirname(icd), "cache"),
    )


def check_clinfo(icd):
    if not shutil.which("clinfo"):
        print("clinfo is not installed")
        return False
    done = subprocess.run(
        ["clinfo", "--raw"], env=environment(icd, "inproc:fpga;inproc:crossbar"),
        capture_output=True, text=True, check=True, timeout=170,
    )
    errors = [line for line in done.stdout.splitlines() if ": error" in line]
    assert "CL_PLATFORM_NAME" in done.stdout and "acc soft cores" in done.stdout, done.stdout
    assert not errors, errors
    return True


def clients(icd, devices, count):
    command = [sys.executable, os.path.abspath(__file__), "--client"]
    running = [subprocess.Popen(command, env=environment(icd, devices)) for _ in range(count)]
    assert [one.wait(timeout=150) for one in running] == [0] * count


def check_pyopencl(icd, daemon):
    try:
        import pyopencl  # pylint: disable=unused-import
    except ImportError:
        print("pyopencl is not installed")
        return False
    clients(icd, "inproc:fpga;inproc:crossbar", 1)
    if daemon:
        with Daemon(daemon, "--engine", "fpga", "--engine", "crossbar") as service:
            clients(icd, f"{service.uri(0)};{service.uri(1)}", CLIENTS)
    return True


def main():
    if sys.argv[1] == "--client":
        use_pyopencl()
        return 0
    icd = os.path.abspath(sys.argv[1])
    daemon = sys.argv[2] if len(sys.argv) > 2 else None
    done = [check_clinfo(icd), check_pyopencl(icd, daemon)]
    return 0 if all(done) else SKIP


if __name__ == "__main__":
    sys.exit(main())
