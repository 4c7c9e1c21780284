# SPDX-License-Identifier: MIT
"""Part `compiler`: networks through accc and accctl, on the engines and on the host agent.

The digits are the project's own. The other networks are in models/ beside the tree where somebody
has put them; those that are missing are left out, and said so."""

import json
import os
import struct
import subprocess
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NETWORKS = {
    "mnist": "mnist_cntk/model.onnx",
    "resnet8": "tiny_ic_resnet8/model.onnx",
    "dscnn": "tiny_kws_dscnn_qdq/model.onnx",
    "autoencoder": "tiny_ad_autoencoder/model.onnx",
}
RUNS = 5


def find(name):
    if name == "digits":
        return os.path.join(SOURCE, "examples", "digits", "digits.onnx")
    for base in (os.path.join(SOURCE, "models"), os.path.join(SOURCE, "..", "shared", "models")):
        path = os.path.join(base, NETWORKS[name])
        if os.path.exists(path):
            return os.path.abspath(path)
    return None


def compile_model(build, model, out, *options):
    """Compiles; gives seconds, peak MiB and the exit status."""
    command = [os.path.join(build, "tools", "accc", "accc"), model, "-o", out, "-q", *options]
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - start, usage.ru_maxrss / 1024, child.returncode


def write_input(path, description, samples):
    """Samples of an input, as accctl describes it: values from 0 to 1, or small integers."""
    kind = description["type"]
    dims = [samples] + description["dims"][1:]
    count = 1
    for dim in dims:
        count *= dim
    codes = {"float32": ("<f4", "f"), "int8": ("|i1", "b"), "uint8": ("|u1", "B")}
    descr, code = codes[kind]
    state, values = 1, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(state / 2**31 if code == "f" else state % 100)
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(dims)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(struct.pack(f"<{count}{code}", *values))


def run_ms(build, program, samples, folder):
    """Milliseconds a sample, the best of some runs: loading and programming left out."""
    accctl = os.path.join(build, "tools", "accctl", "accctl")
    text = subprocess.run(
        [accctl, "--json", "program", "show", program], check=True, capture_output=True, text=True
    ).stdout
    inputs = []
    for i, description in enumerate(json.loads(text)["model"]["inputs"]):
        path = os.path.join(folder, f"in{i}.npy")
        write_input(path, description, samples)
        inputs += ["--input", path]
    command = [accctl, "--json", "-d", "inproc:crossbar", "-d", "inproc:fpga", "run", program]
    best = None
    for _ in range(RUNS):
        text = subprocess.run(
            command + inputs, check=True, capture_output=True, text=True
        ).stdout
        took = json.loads(text)["wall_ns"] / 1e6 / samples
        best = took if best is None else min(best, took)
    return best


def measure(build, short, folder):
    metrics, strict = {}, 1
    for name in list(NETWORKS) + ["digits"]:
        model = find(name)
        if model is None:
            print(f"bench: no {NETWORKS[name]} in models/; metrics of {name} are left out")
            continue
        device = os.path.join(folder, name + ".accx")
        host = os.path.join(folder, name + ".host.accx")
        seconds, mib, status = compile_model(build, model, device)
        if status != 0 or compile_model(build, model, host, "--target", "host")[2] != 0:
            raise RuntimeError(f"accc {model}: exit status {status}")
        if compile_model(build, model, device + ".strict", "--strict")[2] != 0:
            strict = 0
        samples = 2 if short else 32
        metrics[f"{name}_compile_s"] = seconds
        metrics[f"{name}_compile_mb"] = mib
        metrics[f"{name}_device_ms"] = run_ms(build, device, samples, folder)
        metrics[f"{name}_reference_ms"] = run_ms(build, host, samples, folder)
    metrics["strict_ok"] = strict
    large = os.path.join(folder, "resnet50.onnx")
    script = os.path.join(SOURCE, "benchmarks", "resnet50.py")
    made = subprocess.run(["/usr/bin/python3", script, large], stderr=subprocess.DEVNULL)
    if made.returncode != 0:
        print("bench: no python3-onnx; metrics of resnet50 are left out")
        return metrics
    seconds, mib, status = compile_model(build, large, large + ".accx")
    if status != 0:
        raise RuntimeError(f"accc {large}: exit status {status}")
    metrics["resnet50_compile_s"] = seconds
    metrics["resnet50_compile_mb"] = mib
    return metrics
