# SPDX-License-Identifier: MIT
"""The part opencl: the same OpenCL program on our driver and on PoCL, in turns. PoCL is pinned to
one processor and has one thread; ours has what its emulated device takes."""

import json
import os
import subprocess

TURNS = 3
POCL = "/etc/OpenCL/vendors/pocl.icd"
# Higher is better; of all else lower.
RATES = ("triad_gbs", "gemm_gflops")


def run_once(program, out, short, environment, pinned):
    command = [program, "--out", out] + (["--short"] if short else [])
    pin = (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})) if pinned else None
    subprocess.run(command, env={**os.environ, **environment}, check=True, preexec_fn=pin)
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def best(results):
    return {
        name: (max if name in RATES else min)(result[name] for result in results)
        for name in results[0]
    }


def measure(build, short, folder):
    program = os.path.join(build, "benchmarks", "acc-bench-opencl")
    driver = os.path.join(build, "libacc", "interop", "opencl", "libacc-opencl.so")
    if not os.path.exists(program) or not os.path.exists(driver):
        print("bench: no OpenCL driver in this build; its metrics are left out")
        return {}
    icd = os.path.join(folder, "acc.icd")
    with open(icd, "w", encoding="utf-8") as file:
        file.write(driver + "\n")
    ours = {"OCL_ICD_VENDORS": icd, "ACC_DEVICE": "inproc:fpga"}
    theirs = {"OCL_ICD_VENDORS": POCL, "POCL_MAX_PTHREAD_COUNT": "1"}
    found, reference = [], []
    out = os.path.join(folder, "opencl.json")
    for _ in range(1 if short else TURNS):
        found.append(run_once(program, out, short, ours, False))
        if os.path.exists(POCL):
            reference.append(run_once(program, out, short, theirs, True))
    mine = best(found)
    metrics = {
        "opencl_noop_p50_us": mine["c_noop_p50_us"],
        "opencl_pipelined_us": mine["c_pipelined_us"],
        "opencl_role_noop_p50_us": mine["role_noop_p50_us"],
        "opencl_role_pipelined_us": mine["role_pipelined_us"],
        "opencl_triad_gbs": mine["triad_gbs"],
        "opencl_gemm_gflops": mine["gemm_gflops"],
    }
    if reference:
        pocl = best(reference)
        metrics |= {
            "pocl_noop_p50_us": pocl["c_noop_p50_us"],
            "pocl_pipelined_us": pocl["c_pipelined_us"],
            "pocl_triad_gbs": pocl["triad_gbs"],
            "pocl_gemm_gflops": pocl["gemm_gflops"],
        }
    else:
        print("bench: PoCL is not installed; its metrics are left out")
    return metrics
