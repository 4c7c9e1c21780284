#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of others, unmodified, through the stock ICD loader: clinfo, and pyopencl's arrays,
reductions and built-in kernels; on the embedded devices, and on a service with several processes
at once; and what accctl compiled ahead. Skips what is not installed."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from daemon import Daemon  # pylint: disable=wrong-import-position

SKIP = 77
CLIENTS = ["good", "bad", "good"]


def use_binary(path):
    """What accctl cl compile wrote."""
    import numpy
    import pyopencl
    import pyopencl.array

    platform = next(p for p in pyopencl.get_platforms() if p.name == "acc")
    context = pyopencl.Context(platform.get_devices())
    queue = pyopencl.CommandQueue(context)
    with open(path, "rb") as file:
        program = pyopencl.Program(context, context.devices, [file.read()] * len(context.devices))
    program.build()
    x = pyopencl.array.to_device(queue, numpy.arange(10, dtype=numpy.int32))
    program.shift(queue, x.shape, None, x.data)
    assert (x.get() == numpy.arange(10) + 4).all()


def use_badly():
    """A client that does all that is wrong, beside others that notice nothing."""
    import numpy
    import pyopencl
    import pyopencl.array

    platform = next(p for p in pyopencl.get_platforms() if p.name == "acc")
    context = pyopencl.Context(platform.get_devices())
    if not context.devices[0].compiler_available:
        return
    queue = pyopencl.CommandQueue(context)
    program = pyopencl.Program(
        context,
        """
        __kernel void zero(__global int *a) { a[0] = a[1] / a[2]; }
        __kernel void far(__global int *a) { a[1L << 33] = 1; }
        __kernel void apart(__global int *a) {
            if (get_local_id(0)) barrier(CLK_LOCAL_MEM_FENCE);
            a[0] = 1;
        }
        __kernel void fine(__global int *a) { a[get_global_id(0)] = 5; }
        """,
    ).build()
    x = pyopencl.array.zeros(queue, 4, dtype=numpy.int32)
    for name in ("zero", "far", "apart") * 3:
        kernel = getattr(program, name)
        try:
            kernel(queue, (2,), (2,), x.data).wait()
        except pyopencl.Error:
            pass
        else:
            raise AssertionError(name + " ended well")
    program.fine(queue, x.shape, None, x.data)
    assert (x.get() == 5).all()


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


def clients(icd, devices, what):
    command = [sys.executable, os.path.abspath(__file__), icd, "--client"]
    running = [subprocess.Popen(command + [one], env=environment(icd, devices)) for one in what]
    assert [one.wait(timeout=150) for one in running] == [0] * len(what)


def check_pyopencl(icd, daemon):
    try:
        import pyopencl  # pylint: disable=unused-import
    except ImportError:
        print("pyopencl is not installed")
        return False
    clients(icd, "inproc:fpga;inproc:crossbar", ["good"])
    if daemon:
        with Daemon(daemon, "--engine", "fpga", "--engine", "crossbar") as service:
            clients(icd, f"{service.uri(0)};{service.uri(1)}", CLIENTS)
    return True


def check_accctl(icd, accctl):
    with tempfile.TemporaryDirectory() as folder:
        source, image = os.path.join(folder, "shift.cl"), os.path.join(folder, "shift.accx")

        def compile_it(text, *options):
            with open(source, "w", encoding="utf-8") as file:
                file.write(text)
            return subprocess.run(
                [accctl, "--device=inproc:fpga", "cl", "compile", source, "-o", image, *options],
                capture_output=True, text=True, check=False, timeout=100,
            )

        bad = compile_it("__kernel void k() { return 1; }")
        if "found one of them missing" in bad.stderr:
            print("clang-16 or PoCL's bitcode isn't installed")
            return False
        assert bad.returncode == 1 and "error: " in bad.stderr, bad
        assert not os.path.exists(image)
        wrong = compile_it("__kernel void k() {}", "--options=-frob")
        assert wrong.returncode == 1 and "'-frob'" in wrong.stderr, wrong
        good = compile_it(
            "__kernel void shift(__global int *a) { a[get_global_id(0)] += N; }", "--options=-DN=4"
        )
        assert good.returncode == 0, good
        command = [sys.executable, os.path.abspath(__file__), icd, "--client", image]
        devices = "inproc:fpga;inproc:crossbar"
        subprocess.run(command, env=environment(icd, devices), check=True, timeout=100)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("icd", type=os.path.abspath)
    parser.add_argument("--accemud")
    parser.add_argument("--accctl")
    parser.add_argument("--client")
    given = parser.parse_args()
    if given.client is not None:
        uses = {"good": use_pyopencl, "bad": use_badly}
        uses.get(given.client, lambda: use_binary(given.client))()
        return 0
    done = [check_clinfo(given.icd), check_pyopencl(given.icd, given.accemud)]
    if all(done) and given.accctl:
        done.append(check_accctl(given.icd, given.accctl))
    return 0 if all(done) else SKIP


if __name__ == "__main__":
    sys.exit(main())
