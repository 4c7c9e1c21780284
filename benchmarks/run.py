#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure, and write one flat object, metric name -> number (docs/benchmarks.md).

`./dev bench [PART] --out FILE.json` calls this with the build folder. Parts:

  core    launches, throughput, one matrix product, memory, idleness
  hsa     what the HSA facade adds to a launch
  opencl  launches and kernels of an OpenCL program, beside PoCL
  crossbar  one MVM unit by each path of the analog model
  digits  the handwritten digits on both engines
  compiler  networks compiled, and run on the engines and on the host agent
  daemon  the same launches through accemud, many clients, sudden ends
  openmp  target regions of gcc's programs (not among "all")
  kernel  the same launches through the kernel driver, in a virtual machine (not among "all")
  fpga    roles in regions: launches, loads, policies, designs, graphs, sudden ends (not among "all")
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import compiler
import daemon
import fpga
import kernel
import opencl
import openmp

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(command):
    """Runs a command whose output goes through to ours; raises on failure."""
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {status}")


def read_metrics(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def core(build, short, folder):
    out = os.path.join(folder, "core.json")
    command = [os.path.join(build, "benchmarks", "acc-bench"), "--out", out]
    run(command + (["--short"] if short else []))
    return read_metrics(out)


def digits(build, short, folder):
    del short  # it takes seconds anyway, and its accuracy is of interest in full
    out = os.path.join(folder, "digits.json")
    run(["bash", os.path.join(SOURCE, "examples", "digits", "demo.sh"), build, "--json", out])
    return read_metrics(out)


def hsa(build, short, folder):
    out = os.path.join(folder, "hsa.json")
    program = os.path.join(build, "benchmarks", "acc-bench-hsa")
    if not os.path.exists(program):
        print("bench: no HSA facade in this build; its metrics are left out")
        return {}
    run([program, "--out", out] + (["--short"] if short else []))
    return read_metrics(out)


def crossbar(build, short, folder):
    out = os.path.join(folder, "crossbar.json")
    program = os.path.join(build, "benchmarks", "acc-bench-crossbar")
    if not os.path.exists(program):
        print("bench: no emulator in this build; the crossbar's metrics are left out")
        return {}
    run([program, "--out", out] + (["--short"] if short else []))
    return read_metrics(out)


# The facade comes first: its part has a metric of core's too, and core's counts.
PARTS = {
    "hsa": hsa,
    "core": core,
    "crossbar": crossbar,
    "digits": digits,
    "daemon": daemon.measure,
    "opencl": opencl.measure,
    "compiler": compiler.measure,
}
# Asked for by name alone: it needs packages that the others don't.
MORE_PARTS = {"kernel": kernel.measure, "fpga": fpga.measure, "openmp": openmp.measure}


def is_flat(metrics):
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        for value in metrics.values()
    )


def write(path, metrics):
    """A file is whole or not there."""
    partial = path + ".part"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=2, sort_keys=True)
        file.write("\n")
    os.replace(partial, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=sorted({**PARTS, **MORE_PARTS}), help="default: all")
    parser.add_argument("--build", required=True, metavar="DIR")
    parser.add_argument("--out", required=True, metavar="FILE.json")
    parser.add_argument("--short", action="store_true", help="prove that it works; numbers mean little")
    options = parser.parse_args()
    metrics = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in [options.part] if options.part else PARTS:
                metrics.update({**PARTS, **MORE_PARTS}[name](os.path.abspath(options.build), options.short, folder))
        if not metrics or not is_flat(metrics):
            raise RuntimeError(f"expected metrics that are numbers; found {metrics}")
        write(options.out, metrics)
    except (RuntimeError, OSError, json.JSONDecodeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\n{len(metrics)} metrics in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
