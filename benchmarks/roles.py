# SPDX-License-Identifier: MIT
"""Roles, of the part `fpga`: in processes of their own, of Verilog, in graphs."""

import json
import os
import subprocess
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(command):
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {status}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def measure(build, short, folder):
    program = os.path.join(build, "benchmarks", "acc-bench-roles")
    accctl = os.path.join(build, "tools", "accctl", "accctl")
    if not os.path.exists(program) or not os.path.exists(accctl):
        print("bench: no roles in this build; their metrics are left out")
        return {}
    keys = os.path.join(folder, "keys")
    os.mkdir(keys, 0o755)
    run([accctl, "role", "key", os.path.join(keys, "bench")])
    key = os.path.join(folder, "bench.key")
    os.replace(os.path.join(keys, "bench.key"), key)
    metrics = {}
    # The first build compiles Verilator's runtime, once; the second is what a user waits for.
    for name in ("pipeline", "sha256"):
        start = time.monotonic()
        run([accctl, "role", "build", os.path.join(SOURCE, "examples", "roles", name), "--key", key,
             "--cache", os.path.join(folder, "cache"), "--output", os.path.join(folder, name + ".accx")])
        metrics["rtl_build_s"] = time.monotonic() - start
    noop = os.path.join(build, "benchmarks", "noop_role.accx")
    out = os.path.join(folder, "roles.json")
    command = [program, "--out", out] + (["--short"] if short else [])
    run(command + [noop, os.path.join(folder, "sha256.accx"), os.path.join(folder, "pipeline.accx"), keys])
    metrics.update(read(out))
    return metrics
