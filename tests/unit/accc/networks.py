#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trained networks of others, from file to result: networks.py ACCC ACCCTL FOLDER...

Each network is compiled for the host and for the engines and run on its recorded inputs; what is
measured and its bound are printed. The networks lie in the first FOLDER that there is; without
one, or without python3-onnx, the exit code is 77. Calibration data is made up here, from a fixed
seed: it never is a recorded input."""

import glob
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper

    import int8_reference
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

# The float network's two largest probabilities on a made-up input must be this far apart for the
# engines' choice to count.
MARGIN = 0.05

# Bars that are not met yet, by how the line begins. Such a line says "missed" and doesn't fail; one
# that is met must leave the list.
MISSED = ()

# With 8 bits everywhere these choose otherwise on a recorded input, where the float network itself is
# undecided (a black image: 0.40 against 0.29).
MIXED = ("tiny_ic_resnet8",)


class Tools:
    def __init__(self, accc, accctl, folder):
        self.accc, self.accctl, self.folder, self.count = accc, accctl, folder, 0

    def path(self, suffix):
        self.count += 1
        return os.path.join(self.folder, f"{self.count}{suffix}")

    def compile(self, model, *options):
        out = self.path(".accx")
        subprocess.run([self.accc, model, "-o", out, "-q", *options], check=True)
        return out

    def save(self, array):
        path = self.path(".npy")
        np.save(path, np.ascontiguousarray(array))
        return path

    def run(self, program, x):
        shown = subprocess.run(
            [self.accctl, "--json", "program", "show", program],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        names = [o["name"] for o in json.loads(shown)["model"]["outputs"]]
        files = [self.path(".npy") for _ in names]
        command = [self.accctl, "-d", "inproc:crossbar", "-d", "inproc:fpga", "run", program]
        command += ["--input", self.save(x)]
        for file in files:
            command += ["--output", file]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {name: np.load(file) for name, file in zip(names, files)}


class Checks:
    def __init__(self):
        self.failed = 0

    def __call__(self, good, text):
        missed = text.startswith(MISSED)
        self.failed += good == missed
        word = "missed" if missed else "ok" if good else "FAILED"
        if good and missed:
            word, text = "FAILED", text + ": listed as missed, and met"
        print(f"{word:<8}{text}", flush=True)


def read(path):
    return numpy_helper.to_array(onnx.load_tensor(path))


def recorded(folder, name):
    sets = sorted(glob.glob(os.path.join(folder, "test_data_set_*")))
    files = [os.path.join(s, name) for s in sets]
    return np.concatenate([read(f) for f in files]) if all(map(os.path.exists, files)) else None


def smooth(random, shape, cells):
    """Noise of 0 ... 1 that changes over a grid of cells, as images do."""
    h, w, c = shape
    coarse = random.random((cells, cells, c))
    rows, cols = np.linspace(0, cells - 1.001, h), np.linspace(0, cells - 1.001, w)
    y, x = rows.astype(int), cols.astype(int)
    fy, fx = (rows - y)[:, None, None], (cols - x)[None, :, None]
    top = coarse[y][:, x] * (1 - fx) + coarse[y][:, x + 1] * fx
    bottom = coarse[y + 1][:, x] * (1 - fx) + coarse[y + 1][:, x + 1] * fx
    return top * (1 - fy) + bottom * fy


def strokes(random):
    """A few thick lines, white on black."""
    image = np.zeros((28, 28))
    at = random.uniform(6, 22, 2)
    grid = np.stack(np.mgrid[0:28, 0:28], -1)
    for _ in range(random.integers(2, 6)):
        to = random.uniform(5, 23, 2)
        for t in np.linspace(0, 1, 20):
            distance = np.linalg.norm(grid - (at * (1 - t) + to * t), axis=-1)
            image = np.maximum(image, np.clip(2.2 - distance, 0, 1))
        at = to
    return image[None] * 255


def made_up(name, shape):
    """Inputs of the kind that a network is for; none is one of the recorded ones."""
    random = np.random.default_rng(1)
    if name.startswith("mnist"):
        items = [strokes(random) for _ in range(32)]
    elif name.startswith("tiny_ic"):
        items = [random.uniform(0, 255, shape[1:]) for _ in range(8)]
        for i in range(24):
            picture = smooth(random, shape[1:], 3 + i % 6)
            items.append(255 * np.clip((picture - 0.5) * random.uniform(0.5, 2) + 0.5, 0, 1))
    elif name.startswith("tiny_ad"):
        items = []
        for _ in range(32):
            level = smooth(random, (5, 128, 1), 5)[..., 0] + random.normal(0, 0.15, (5, 128))
            items.append(np.clip(-48 + 40 * level, -66, 4).reshape(640))
    else:
        items = [random.uniform(0, 6.3, shape[1:]) for _ in range(32)]
    return np.stack(items).astype(np.float32)


def relative(found, wanted):
    return float(np.max(np.abs(found - wanted)) / max(1.0, np.ptp(wanted)))


def instructions(tools, check, name, path, x, *options):
    """The same network as programs of the crossbar's instructions, against its kernels."""
    kernels = tools.compile(path, "--strict", "--lower", "kernels", *options)
    report = tools.path(".json")
    program = tools.compile(path, "--strict", "--lower", "isa", "--report", report, *options)
    wanted, found = (list(tools.run(p, x).values())[0] for p in (kernels, program))
    with open(report) as file:
        programs = json.load(file).get("programs", [])
    parts = ", ".join(f"{p['layers']} products in {p['tiles']} tiles" for p in programs)
    check(len(programs) == 1, f"{name}: all products are one program of instructions ({parts})")
    check(np.array_equal(found, wanted),
          f"{name}: which gives what kernels give, bit for bit, {len(x)} inputs")


def float_network(tools, check, folder, name):
    path = os.path.join(folder, "model.onnx")
    x, wanted = recorded(folder, "input_0.pb"), recorded(folder, "output_0.pb")
    host = tools.compile(path, "--target", "host")
    exact = list(tools.run(host, x).values())[0]
    off = relative(exact, wanted)
    check(off <= 1e-4, f"{name}: host path within 1e-4 of the recorded outputs ({off:.1e})")
    tflite = os.path.join(folder, "model.tflite")
    if os.path.exists(tflite):
        other = list(tools.run(tools.compile(tflite, "--target", "host"), x).values())[0]
        off = relative(other, exact)
        check(off <= 1e-5, f"{name}: TFLite and ONNX imports agree within 1e-5 ({off:.1e})")
    calibration = made_up(name, x.shape)
    options = ["--min-sqnr", "60"] if name in MIXED else []
    device = tools.compile(path, "--calibrate", tools.save(calibration), "--strict", *options)
    found = list(tools.run(device, x).values())[0]
    if name not in MIXED:
        instructions(tools, check, name, path, x, "--calibrate", tools.save(calibration))
    if name.startswith("tiny_ad"):
        mse, with_floats = np.mean((found - x) ** 2), np.mean((exact - x) ** 2)
        off = abs(mse / with_floats - 1)
        check(off <= 0.05, f"{name}: reconstruction error within 5 % of float's ({100 * off:.2f} %)")
    elif name == "tflm_hello_world":
        off = float(np.max(np.abs(found - exact)))
        check(off <= 0.1, f"{name}: sin x within 0.1 on the engines ({off:.3f})")
    else:
        choices(check, name, "recorded", found, exact, None)
        extra = made_up(name, x.shape)[:16] if name.startswith("tiny_ic") else None
        if extra is not None:
            choices(check, name, "made-up", list(tools.run(device, extra).values())[0],
                    list(tools.run(host, extra).values())[0], MARGIN)


def choices(check, name, kind, found, exact, margin):
    ordered = np.sort(exact, axis=-1)
    counts = np.full(len(exact), True)
    if margin is not None:
        counts = ordered[:, -1] - ordered[:, -2] > margin
    same = found.argmax(-1) == exact.argmax(-1)
    text = f"{name}: {np.sum(same & counts)} of {np.sum(counts)} {kind} inputs have the float argmax"
    if margin is not None:
        text += f" (of {len(exact)}, those with a margin above {margin})"
    check(np.all(same | ~counts), text)


def integer_network(tools, check, folder, name):
    path = os.path.join(folder, "model.onnx")
    model = onnx.load(path)
    x = recorded(folder, "input_0.pb")
    random = np.random.default_rng(2)
    x = np.concatenate([x, random.integers(-128, 128, (4, *x.shape[1:])).astype(np.int8)])
    items = len(x) - 4
    wanted = int8_reference.stored(model, {model.graph.input[0].name: x})
    found = tools.run(tools.compile(path, "--all-outputs"), x)
    layers = [n for n in wanted if n in found and found[n].dtype == np.int8]
    equal = [n for n in layers if np.array_equal(found[n], wanted[n])]
    products = sum(n.op_type in ("Conv", "Gemm") for n in model.graph.node)
    check(len(layers) >= products,
          f"{name}: {len(layers)} of {len(wanted)} integer layers have a form of their own")
    for layer in layers:
        if layer not in equal:
            off = np.abs(found[layer].astype(int) - wanted[layer])
            print(f"        {layer}: {np.count_nonzero(off)} values differ, by up to {off.max()}")
    check(len(equal) == len(layers),
          f"{name}: {len(equal)} of {len(layers)} layers equal the integer reference bit for bit, "
          f"{len(x)} inputs")
    output = model.graph.output[0].name
    plain = list(tools.run(tools.compile(path, "--strict"), x).values())[0]
    check(np.array_equal(plain, wanted[output]), f"{name}: so does the output of the plain program")
    instructions(tools, check, name, path, x)
    for reference in ("ort_output_0.pb", "output_0.pb"):
        there = recorded(folder, reference).astype(int)
        same = np.sum(plain[:items].argmax(-1) == there.argmax(-1))
        check(same == items, f"{name}: argmax of {reference} on {same} of {items} recorded inputs")
        off = [logits_off(model, wanted, i, there[i]) for i in range(items)]
        check(max(off) <= 3, f"{name}: {reference} is that of logits at most {max(off)} LSB away")
    tflite = os.path.join(folder, "model.tflite")
    if os.path.exists(tflite):
        found = list(tools.run(tools.compile(tflite, "--strict"), x[:items]).values())[0]
        off = np.abs(found.astype(int) - there).max()
        check(off == 0, f"{name}: the TFLite file gives what TFLite's interpreter gave ({off} LSB)")


def logits_off(model, stored, item, recorded_item):
    """The least d for which logits at most d from those computed give what was recorded after the
    softmax: that is all that there is of the recorded logits."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    softmax = next(n for n in model.graph.node if n.op_type == "Softmax")
    before = next(n for n in model.graph.node if n.output[0] == softmax.input[0])
    after = next(n for n in model.graph.node if softmax.output[0] in n.input)
    step, scale = (float(constants[n.input[1]]) for n in (before, after))
    zero = int(constants[after.input[2]])
    logits = stored[before.input[0]][item].astype(float)
    total = np.log(np.sum(np.exp(step * (logits - logits.max())))) + step * logits.max()
    # What a stored probability says of the real one's logarithm; the ends of the range say less.
    with np.errstate(divide="ignore"):
        least = np.log(np.maximum((recorded_item - zero - 0.5) * scale, 0))
        most = np.log((recorded_item - zero + 0.5) * scale)
    least[recorded_item == -128], most[recorded_item == 127] = -np.inf, np.inf
    for d in range(17):
        near = step * (logits[:, None] + np.arange(-d, d + 1))
        for norm in np.linspace(total - step * (d + 0.5), total + step * (d + 0.5), 2001):
            fits = (near - norm >= least[:, None]) & (near - norm <= most[:, None])
            if not fits.any(1).all():
                continue
            # Each class by itself could be so; together they must sum to 1.
            low = np.sum(np.exp(np.where(fits, near - norm, np.inf).min(1)))
            high = np.sum(np.exp(np.where(fits, near - norm, -np.inf).max(1)))
            if low <= 1.003 and high >= 0.997:
                return d
    return 17


def fields(data):
    """Field numbers and values of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        at += size
        yield key >> 3, data[at - size : at]


def frozen_network(tools, check, folder, name):
    """Dense layers: MatMul, BiasAdd, Relu, with NumPy from the constants of the file."""
    path = os.path.join(folder, "frozen.pb")
    with open(path, "rb") as file:
        graph = file.read()
    constants = {}
    for _, node in [f for f in fields(graph) if f[0] == 1]:
        parts = list(fields(node))
        for _, entry in [p for p in parts if p[0] == 5]:
            attr = dict(fields(entry))
            tensor = dict(fields(dict(fields(attr[2]))[8])) if attr[1] == b"value" else {}
            if 4 in tensor:
                shape = [dict(fields(d))[1] for f, d in fields(tensor[2]) if f == 2]
                constants[dict(parts)[1].decode()] = np.frombuffer(tensor[4], "<f4").reshape(shape)
    x = np.random.default_rng(3).random((16, 784)).astype(np.float32)
    wanted = x
    for layer in ("dense", "dense_1", "pred"):
        wanted = wanted @ constants[layer + "/kernel"] + constants[layer + "/bias"]
        wanted = wanted if layer == "pred" else np.maximum(wanted, 0)
    exact = list(tools.run(tools.compile(path, "--target", "host"), x).values())[0]
    off = relative(exact, wanted)
    check(off <= 1e-4, f"{name}: frozen GraphDef on the host within 1e-4 of NumPy ({off:.1e})")
    calibration = tools.save(np.random.default_rng(4).random((32, 784)).astype(np.float32))
    found = list(tools.run(tools.compile(path, "--calibrate", calibration), x).values())[0]
    gap = np.sort(wanted, -1)
    choices(check, name, "made-up", found, wanted, float(0.02 * np.ptp(gap)))


def main():
    folder = next((f for f in sys.argv[3:] if os.path.isdir(f)), None)
    if folder is None:
        print("skipped: no networks in " + " or ".join(sys.argv[3:]))
        return 77
    check = Checks()
    with tempfile.TemporaryDirectory() as scratch:
        tools = Tools(sys.argv[1], sys.argv[2], scratch)
        for name in sorted(os.listdir(folder)):
            inside = os.path.join(folder, name)
            if os.path.exists(os.path.join(inside, "frozen.pb")):
                frozen_network(tools, check, inside, name)
            elif os.path.exists(os.path.join(inside, "model.onnx")):
                kind = integer_network if name.endswith("_qdq") else float_network
                kind(tools, check, inside, name)
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
