#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `meson install` leaves is enough for a program that knows nothing of this tree:
examples/gemm.c is compiled and run with the plain C compiler and the installed acc.pc.
Skips where libacc is not built."""

import argparse
import os
import subprocess
import sys
import tempfile

SKIP = 77
HEADERS = ["acc/abi.h", "acc/acc.h", "acc/acc.hpp", "acc/kernels.h", "acc/program.h", "drm/acc_drm.h"]


def output(*command, **more):
    run = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if run.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)}: exit status {run.returncode}\n{run.stdout}{run.stderr}"
        )
    return run.stdout


def find(top, name):
    """The path of the one file of that name under `top`."""
    found = [
        os.path.join(folder, name) for folder, _, files in os.walk(top) if name in files
    ]
    if len(found) != 1:
        raise RuntimeError(f"expected one installed {name}; found {found or 'none'}")
    return found[0]


def check_files(top):
    header_folder = os.path.dirname(os.path.dirname(find(top, "acc.h")))
    missing = [name for name in HEADERS if not os.path.exists(os.path.join(header_folder, name))]
    if missing:
        raise RuntimeError(f"expected installed headers {HEADERS}; missing {missing}")
    library = find(top, "libacc.so.0")
    plain = os.path.join(os.path.dirname(library), "libacc.so")
    if os.path.realpath(plain) != os.path.realpath(library):
        raise RuntimeError(f"expected {plain} to be {library}; found {os.path.realpath(plain)}")
    return library


def compile_and_run(root, build, top, library):
    """Builds the example as somebody else would, in a folder of its own, and runs it."""
    environment = dict(os.environ)
    environment["PKG_CONFIG_SYSROOT_DIR"] = top
    environment["PKG_CONFIG_PATH"] = os.path.dirname(find(top, "acc.pc"))
    flags = output("pkg-config", "--cflags", "--libs", "acc", env=environment).split()
    example = os.path.join(root, "examples", "gemm.c")
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "gemm")
        # -rpath-link: where the linker looks for libraries of libraries, as in any staged tree.
        stage = f"-Wl,-rpath-link,{os.path.dirname(library)}"
        output("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", example, "-o", binary, stage, *flags)
        needed = output("readelf", "--dynamic", "--wide", binary)
        if "[libacc.so.0]" not in needed:
            raise RuntimeError(f"expected a program that needs libacc.so.0; found\n{needed}")
        environment["LD_LIBRARY_PATH"] = os.path.dirname(library)
        program = os.path.abspath(os.path.join(build, "examples", "gemm.accx"))
        print(output(binary, program, env=environment, cwd=folder, timeout=60))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("build")
    options = parser.parse_args()
    if not os.path.exists(os.path.join(options.build, "libacc", "libacc.so")):
        print("skipped: libacc.so is not built")
        return SKIP
    with tempfile.TemporaryDirectory() as top:
        try:
            output("meson", "install", "-C", options.build, "--no-rebuild", "--destdir", top)
            compile_and_run(options.root, options.build, top, check_files(top))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
