# SPDX-License-Identifier: MIT
"""The part `openmp`: what a target region costs, on a device and on the hosts' own ways."""

import json
import os
import shutil
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "openmp"))
import llvm

VERSIONS = (14, 16, 19)  # of LLVM
TURNS = 5  # the best of each counts: neighbours only make it slower


def compiled(folder, name, compiler, *options):
    """The benchmark's program as this compiler makes it, or None."""
    path = os.path.join(folder, name)
    source = os.path.join(SOURCE, "benchmarks", "openmp_regions.c")
    if not shutil.which(compiler):
        return None
    made = subprocess.run([compiler, "-O2", "-fopenmp", *options, source, "-o", path],
                          capture_output=True, text=True, check=False)
    return path if made.returncode == 0 else None


def times(command, rounds, **environment):
    run = subprocess.run([*command, str(rounds)], capture_output=True, text=True, check=False,
                         env={**os.environ, **environment})
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {run.returncode}\n{run.stderr}")
    return json.loads(run.stdout)


def measure(build, short, folder):
    accctl = os.path.join(build, "tools", "accctl", "accctl")
    plugin = os.path.join(build, "libacc", "interop", "openmp", "libgomp-plugin-gcn.so.1")
    gcc = compiled(folder, "gcc_regions", "gcc", "-foffload=disable")
    if not gcc or not os.path.exists(accctl) or not os.path.exists(plugin):
        print("bench: no gcc, accctl or OpenMP plugin in this build; its metrics are left out")
        return {}
    turns = {
        "omp_target_gcc": ([accctl, "-d", "inproc:fpga:preset=fast", "omp", "run", "-q", "--", gcc], {}),
        "omp_fallback_gcc": ([gcc], {"OMP_TARGET_OFFLOAD": "DISABLED"}),
    }
    for version in VERSIONS:
        try:
            found = llvm.find(version, os.path.dirname(os.path.abspath(build)))
        except llvm.Missing as error:
            print(f"bench: {error}; omp_target_clang{version}_us is left out")
            continue
        clang = os.path.join(folder, f"clang{version}_regions")
        found.compile(os.path.join(SOURCE, "benchmarks", "openmp_regions.c"), clang)
        turns[f"omp_target_clang{version}"] = (
            [accctl, "-d", "inproc:fpga:preset=fast", "omp", "run", "-q", "--", clang],
            found.environment())
        turns.setdefault("omp_host_plugin", (
            [clang], {**found.environment(), "OMP_TARGET_OFFLOAD": "MANDATORY"}))
    best = {}
    for _ in range(1 if short else TURNS): # in turns, so that each sees the same neighbours
        for name, (command, environment) in turns.items():
            found = times(command, 500 if short else 10000, **environment)
            for metric, value in ((f"{name}_us", found["empty_us"]), (f"{name}_map64_us", found["map64_us"])):
                best[metric] = min(value, best.get(metric, value))
    return best
