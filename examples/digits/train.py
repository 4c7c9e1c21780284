#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Train the digits network and write the files committed beside this script.

    /usr/bin/python3 examples/digits/train.py            train, export, verify
    /usr/bin/python3 examples/digits/train.py --verify   check the files as they are
    /usr/bin/python3 examples/digits/train.py --cross-validate
                                                         score the recipe, test set unseen

Debian 12 packages: python3-sklearn and python3-torch to train, python3-onnx and
python3-numpy to verify. README.md describes the data, the network and the files.
"""

import argparse
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SEED = 1797
TEST_IMAGES = 450
CALIBRATION_IMAGES = 200
CLASSES = 10
PIXEL_MAX = 16.0  # load_digits counts set pixels in 4x4 blocks
EPOCHS = 80
BATCH = 64
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 2e-2
LABEL_SMOOTHING = 0.05
NOISE = 0.04
MAX_SHIFT = 1  # pixels; a digit fills most of its 8x8 frame
OPSET = 13
# Two float32 implementations that add in different orders differ by about this much.
PROBABILITY_TOLERANCE = 1e-5


def load_split():
    """Return (train images, train labels, test images, test labels, calibration images).

    Images are float32 [n,1,8,8] in 0..1. The calibration images are a stratified
    part of the training images; no test image is in either.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / PIXEL_MAX).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = labels.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=TEST_IMAGES, stratify=labels, random_state=SEED)
    _, calibration = train_test_split(
        train_x, test_size=CALIBRATION_IMAGES, stratify=train_y, random_state=SEED)
    return train_x, train_y, test_x, test_y, calibration


def build_model():
    """The network, with names that become the names of the ONNX nodes."""
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(1, 16, 3, padding=1, bias=False)),  # the norm holds the bias
        ("norm1", nn.BatchNorm2d(16)),
        ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(16, 32, 3, padding=1)),
        ("relu2", nn.ReLU()),
        ("pool", nn.MaxPool2d(2)),
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(32 * 4 * 4, 64)),
        ("relu3", nn.ReLU()),
        ("fc2", nn.Linear(64, CLASSES)),
        ("softmax", nn.Softmax(dim=1)),
    ]))


def augment(batch, generator):
    """Shift each image by up to MAX_SHIFT pixels each way and add a little noise."""
    import torch

    n = batch.shape[0]
    padded = torch.nn.functional.pad(batch, [MAX_SHIFT] * 4)
    shift = torch.randint(0, 2 * MAX_SHIFT + 1, (2, n, 1), generator=generator)
    rows = (shift[0] + torch.arange(8)).reshape(n, 8, 1)
    columns = (shift[1] + torch.arange(8)).reshape(n, 1, 8)
    moved = padded[torch.arange(n).reshape(n, 1, 1), 0, rows, columns].unsqueeze(1)
    noise = NOISE * torch.randn(moved.shape, generator=generator)
    return (moved + noise).clamp(0.0, 1.0)


def train(images, labels, seed=SEED, log=True):
    """Train on all the images given for a fixed number of epochs; nothing is selected."""
    import torch

    torch.set_num_threads(1)  # one order of summation, whatever the machine's cores
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    model = build_model()
    logits_of = model[:-1]  # the loss wants logits; the softmax is for inference
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    batches = -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=PEAK_LEARNING_RATE, epochs=EPOCHS, steps_per_epoch=batches)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for pick in torch.randperm(len(x), generator=generator).split(BATCH):
            optimizer.zero_grad()
            loss = loss_of(logits_of(augment(x[pick], generator)), y[pick])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(pick)
        if log and (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1:3d}/{EPOCHS}: loss {total / len(x):.4f}", flush=True)
    return model.eval()


def predict(model, images):
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(images)).numpy()


def cross_validate(images, labels, folds=5):
    """Score the recipe on held-out parts of the training images only."""
    from sklearn.model_selection import StratifiedKFold

    right = 0
    splitter = StratifiedKFold(folds, shuffle=True, random_state=SEED)
    for fold, (fit, held) in enumerate(splitter.split(images, labels)):
        model = train(images[fit], labels[fit], seed=SEED + fold, log=False)
        hits = int((predict(model, images[held]).argmax(1) == labels[held]).sum())
        print(f"fold {fold}: {hits}/{len(held)} = {100 * hits / len(held):.2f} %", flush=True)
        right += hits
    print(f"all folds: {right}/{len(labels)} = {100 * right / len(labels):.2f} %")


def export(model, path):
    """Write the ONNX file with BatchNormalization left as a node of its own."""
    import torch

    torch.onnx.export(
        model, torch.zeros(1, 1, 8, 8), str(path), opset_version=OPSET,
        # PRESERVE on a model in eval mode: inference semantics, but no folding of
        # the norm into conv1, which is the compiler's work.
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        input_names=["image"], output_names=["probabilities"],
        dynamic_axes={"image": {0: "N"}, "probabilities": {0: "N"}})


def save(name, array):
    with open(HERE / name, "wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0),
                                  allow_pickle=False)


# --- Verification: numpy and the onnx package only, no code shared with the training ---

def windows(x, kernel, strides, pads, fill):
    """[n,c,h,w] -> view [n,c,oh,ow,kh,kw] of the padded input."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, ::strides[0], ::strides[1]]


def op_conv(a, x, w, b=None):
    assert a["group"] == 1 and a["dilations"] == [1, 1]
    y = np.einsum("ncijkl,ockl->noij", windows(x, w.shape[2:], a["strides"], a["pads"], 0), w)
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def op_batch_norm(a, x, scale, bias, mean, var):
    per_channel = [v.reshape(1, -1, 1, 1) for v in (scale, bias, mean, var)]
    scale, bias, mean, var = per_channel
    return (x - mean) / np.sqrt(var + a["epsilon"]) * scale + bias


def op_max_pool(a, x):
    assert not a.get("ceil_mode", 0)
    return windows(x, a["kernel_shape"], a["strides"], a["pads"], -np.inf).max((4, 5))


def op_flatten(a, x):
    axis = a["axis"]
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def op_gemm(a, x, w, b):
    assert not a.get("transA", 0)
    return a.get("alpha", 1.0) * (x @ (w.T if a.get("transB", 0) else w)) + a.get("beta", 1.0) * b


def op_softmax(a, x):
    e = np.exp(x - x.max(a["axis"], keepdims=True))
    return e / e.sum(a["axis"], keepdims=True)


OPERATORS = {
    "Conv": op_conv, "BatchNormalization": op_batch_norm, "MaxPool": op_max_pool,
    "Flatten": op_flatten, "Gemm": op_gemm, "Softmax": op_softmax,
    "Relu": lambda a, x: np.maximum(x, 0),
}


def interpret(model, images, weights, touch=lambda name, value: value):
    """Evaluate the graph node by node; touch(name, value) may replace each value."""
    import onnx

    values = dict(weights)
    values[model.graph.input[0].name] = touch(model.graph.input[0].name, images)
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        result = OPERATORS[node.op_type](attributes, *(values[i] for i in node.input))
        values[node.output[0]] = touch(node.output[0], result)
    return values[model.graph.output[0].name]


def int8_estimate(model, weights, calibration, images):
    """Accuracy to expect after 8-bit post-training quantisation, by simulation.

    Weights symmetric int8 per tensor, the norm folded first; activations uint8
    (int8 where negative) per tensor with the calibration images' range. It is an
    estimate of how well the network takes quantisation, not the compiler's result.
    """
    weights = dict(weights)
    folded = set()  # outputs that the folding makes the same as their input
    by_output = {node.output[0]: node for node in model.graph.node}
    for norm in (n for n in model.graph.node if n.op_type == "BatchNormalization"):
        conv, (scale, _, _, var) = by_output[norm.input[0]], (weights[i] for i in norm.input[1:])
        epsilon = next(a.f for a in norm.attribute if a.name == "epsilon")
        factor = scale / np.sqrt(var + epsilon)
        weights[conv.input[1]] = weights[conv.input[1]] * factor.reshape(-1, 1, 1, 1)
        # conv now gives factor * x, and the norm (var 1 - epsilon) only adds its bias.
        weights[norm.input[1]] = np.ones_like(scale)
        weights[norm.input[3]] = weights[norm.input[3]] * factor
        weights[norm.input[4]] = np.ones_like(var) - np.float32(epsilon)
        folded.add(conv.output[0])
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            w = weights[node.input[1]]
            step = np.abs(w).max() / 127
            weights[node.input[1]] = np.round(w / step) * step
    ranges = {}
    interpret(model, calibration, weights,
              lambda name, v: (ranges.setdefault(name, (v.min(), np.abs(v).max())), v)[1])

    def quantise(name, value):
        if name in folded or name == model.graph.output[0].name:
            return value
        low, peak = ranges[name]
        levels = (-128, 127) if low < 0 else (0, 255)
        step = peak / levels[1]
        return np.clip(np.round(value / step), *levels) * step

    return interpret(model, images, weights, quantise)


def load_committed(name, dtype, tail):
    with open(HERE / name, "rb") as file:
        version = np.lib.format.read_magic(file)
        assert version == (1, 0), f"{name}: expected npy version 1.0, found {version}"
        shape, fortran, found = np.lib.format.read_array_header_1_0(file)
    assert not fortran, f"{name}: expected C order, found Fortran order"
    assert found == np.dtype(dtype), f"{name}: expected {dtype}, found {found}"
    assert shape[1:] == tail, f"{name}: expected shape (n, *{tail}), found {shape}"
    return np.load(HERE / name, allow_pickle=False)


def verify():
    """Check the committed files against each other; return an exit code."""
    import onnx
    import onnx.numpy_helper

    model = onnx.load(HERE / "digits.onnx")
    onnx.checker.check_model(model, full_check=True)
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    graph = model.graph
    print(f"digits.onnx: checker passed; IR {model.ir_version}, opset "
          f"{model.opset_import[0].version}, {len(graph.node)} nodes, "
          f"{sum(w.size for w in weights.values())} values in initializers")
    print("  " + " ".join(node.op_type for node in graph.node))
    for what in (graph.input[0], graph.output[0]):
        dims = [d.dim_param or d.dim_value for d in what.type.tensor_type.shape.dim]
        print(f"  {what.name}: {dims}")

    images = load_committed("test_images.npy", "<f4", (1, 8, 8))
    labels = load_committed("test_labels.npy", "<i8", ())
    stored = load_committed("float_probabilities.npy", "<f4", (CLASSES,))
    calibration = load_committed("calibration.npy", "<f4", (1, 8, 8))
    n = len(images)
    assert len(labels) == len(stored) == n >= 360 and len(calibration) == CALIBRATION_IMAGES
    for x in (images, calibration):
        counts = x * PIXEL_MAX
        assert counts.min() >= 0 and counts.max() <= PIXEL_MAX, "a pixel is outside 0..1"
        assert np.array_equal(counts, np.rint(counts)), "a pixel is no multiple of 1/16"
    seen = {x.tobytes() for x in calibration}
    assert not any(x.tobytes() in seen for x in images), "a test image is in the calibration set"
    print(f"{n} test digits, {np.bincount(labels, minlength=CLASSES).tolist()} of each class; "
          f"{len(calibration)} calibration images, none of them a test digit")

    peaks = []

    def note(name, value):
        assert value.dtype == np.float32, f"{name}: expected float32, found {value.dtype}"
        peaks.append(f"{name} {value.min():.2f}..{value.max():.2f}")
        return value

    computed = interpret(model, images, weights, note)
    print("ranges on the test digits: " + ", ".join(peaks))
    worst = float(np.abs(computed - stored).max())
    same = bool((computed.argmax(1) == stored.argmax(1)).all())
    int8 = int8_estimate(model, weights, calibration, images)
    for name, p in (("stored float", stored), ("numpy float", computed), ("simulated int8", int8)):
        right = int((p.argmax(1) == labels).sum())
        print(f"{name:>14}: {right}/{n} = {100 * right / n:.2f} %")
    print(f"largest difference of a probability, stored against numpy: {worst:.1e}")
    if worst > PROBABILITY_TOLERANCE or not same:
        print(f"FAILED: expected at most {PROBABILITY_TOLERANCE:.0e} and the same predictions",
              file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--verify", action="store_true", help="check the committed files only")
    mode.add_argument("--cross-validate", action="store_true",
                      help="5 folds of the training images; writes nothing")
    arguments = parser.parse_args()
    if arguments.verify:
        return verify()
    train_x, train_y, test_x, test_y, calibration = load_split()
    if arguments.cross_validate:
        cross_validate(train_x, train_y)
        return 0
    model = train(train_x, train_y)
    export(model, HERE / "digits.onnx")
    save("calibration.npy", calibration)
    save("test_images.npy", test_x)
    save("test_labels.npy", test_y)
    save("float_probabilities.npy", predict(model, test_x))
    return verify()


if __name__ == "__main__":
    sys.exit(main())
