# SPDX-License-Identifier: MIT
"""An integer network evaluated from docs/quantisation.md with NumPy and Python's own integers: no
code of the compiler or the engines is in it, so that agreement means something.

stored(model, inputs) gives the int8 values of every QuantizeLinear that follows a computed value,
by the name of its result, for a model whose quantisation is stated as QDQ pairs."""

import math

import numpy as np
import onnx
from onnx import numpy_helper

LO, HI = -128, 127


class Stored:
    """Integers of a scale: the real value is (q - zero) * scale."""

    def __init__(self, q, scale, zero):
        self.q, self.scale, self.zero = q.astype(np.int64), np.float32(scale), int(zero)

    def like(self, q):
        return Stored(q, self.scale, self.zero)

    def real(self):
        return (self.q - self.zero).astype(np.float32) * self.scale


class Sums:
    """Exact sums of a product, in steps of scale_x * scale_w[channel]."""

    def __init__(self, sums, steps, axis, relu=False):
        self.sums, self.steps, self.axis, self.relu = sums, steps, axis, relu


class Added:
    def __init__(self, a, b, relu=False):
        self.a, self.b, self.relu = a, b, relu


def fixed_point(factor):
    """The multiplier of 31 bits and the shift nearest to a factor."""
    fraction, exponent = math.frexp(factor)
    multiplier, shift = round(fraction * 2**31), 31 - exponent
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift - 1
    if shift > 62:
        multiplier, shift = round(math.ldexp(factor, 62)), 62
    return multiplier, shift


def requant(values, multiplier, shift):
    """floor(x m / 2^s + 1/2), in integers that can't overflow."""
    return (values.astype(object) * multiplier + (1 << (shift - 1))) >> shift


def quantise_sums(x, scale, zero):
    sums = np.moveaxis(x.sums, x.axis, -1)
    out = np.empty(sums.shape, dtype=object)
    for c, step in enumerate(np.broadcast_to(x.steps, sums.shape[-1:])):
        multiplier, shift = fixed_point(float(step) / float(scale))
        out[..., c] = requant(sums[..., c], multiplier, shift)
    lo = max(LO, zero) if x.relu else LO
    return np.moveaxis(np.clip(out + zero, lo, HI), -1, x.axis).astype(np.int64)


def add_terms(terms, scale, zero, lo):
    """The sum of integers of two scales: one shift, the larger factor has 28 bits."""
    factors = [float(s) / float(scale) for _, s in terms]
    shift = min(28 - math.frexp(max(factors))[1], 62)
    total = sum(q.astype(object) * round(math.ldexp(f, shift)) for (q, _), f in zip(terms, factors))
    return np.clip(requant(total, 1, shift) + zero, lo, HI).astype(np.int64)


def quantise(x, scale, zero):
    scale, zero = np.float32(scale), int(zero)
    if isinstance(x, Sums):
        return quantise_sums(x, scale, zero)
    if isinstance(x, Added):
        terms = [(v.q - v.zero, v.scale) for v in (x.a, x.b)]
        return add_terms(terms, scale, zero, max(LO, zero) if x.relu else LO)
    if isinstance(x, Stored):
        if x.scale == scale and x.zero == zero:
            return x.q
        # Another scale: the addition of nothing.
        return add_terms([(x.q - x.zero, x.scale), (np.zeros(1, np.int64), scale)], scale, zero, LO)
    return np.clip(np.rint(x / scale) + zero, LO, HI).astype(np.int64)


def bias_steps(b, scale, steps):
    """A bias in steps of the sums: as it is where it says that it counts them."""
    stated = np.broadcast_to(np.asarray(scale, np.float64), steps.shape)
    if np.all(np.abs(stated / steps - 1) <= 1 / 16) and np.all(np.abs(b) <= 2**23):
        return b
    return np.rint(b.astype(np.float64) * stated / steps).astype(np.int64)


def convolve(x, w, bias, attrs):
    """x, w: integers without zero points. [n, c, h, w] by [m, c / groups, kh, kw]."""
    group = attrs.get("group", 1)
    stride, dilation = attrs.get("strides", [1, 1]), attrs.get("dilations", [1, 1])
    top, left, bottom, right = attrs.get("pads", [0, 0, 0, 0])
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    m, depth, kh, kw = w.shape
    oh = (x.shape[2] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (x.shape[3] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((x.shape[0], m, oh, ow), np.int64)
    per = m // group
    for g in range(group):
        inside = x[:, g * depth : (g + 1) * depth]
        for i in range(kh):
            for k in range(kw):
                tap = inside[
                    :,
                    :,
                    i * dilation[0] : i * dilation[0] + (oh - 1) * stride[0] + 1 : stride[0],
                    k * dilation[1] : k * dilation[1] + (ow - 1) * stride[1] + 1 : stride[1],
                ]
                part = w[g * per : (g + 1) * per, :, i, k]
                y[:, g * per : (g + 1) * per] += np.einsum("nchw,mc->nmhw", tap, part)
    return y + bias[None, :, None, None]


def average(x, attrs):
    (kh, kw), (sh, sw) = attrs["kernel_shape"], attrs.get("strides", [1, 1])
    assert not any(attrs.get("pads", [0])), "a pool without padding"
    n, c, h, w = x.shape
    oh, ow = (h - kh) // sh + 1, (w - kw) // sw + 1
    y = np.zeros((n, c, oh, ow), np.int64)
    for i in range(oh):
        for k in range(ow):
            total = x[:, :, i * sh : i * sh + kh, k * sw : k * sw + kw].sum(axis=(2, 3))
            # To the nearest, ties away from zero.
            y[:, :, i, k] = np.sign(total) * ((2 * np.abs(total) + kh * kw) // (2 * kh * kw))
    return y


def softmax(real):
    e = np.exp(real.astype(np.float64) - real.max(axis=-1, keepdims=True).astype(np.float64))
    return (e / e.sum(axis=-1, keepdims=True)).astype(np.float32)


class Evaluator:
    def __init__(self, model):
        self.graph = model.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.values, self.result = {}, {}

    def quant(self, node):
        scale = self.constants[node.input[1]]
        zero = self.constants[node.input[2]] if len(node.input) > 2 else np.zeros_like(scale)
        return scale, zero

    def weights(self, name):
        """Integers and scales of weights or a bias that a DequantizeLinear makes."""
        return self.values[name]

    def product(self, node, x, attrs):
        w, w_scale = self.weights(node.input[1])
        steps = np.atleast_1d(x.scale.astype(np.float64) * w_scale.astype(np.float64))
        channels = w.shape[0]
        bias = np.zeros(channels, np.int64)
        if len(node.input) > 2:
            bias = bias_steps(*self.weights(node.input[2]), np.broadcast_to(steps, channels))
        whole = x.q - x.zero
        if node.op_type == "Conv":
            return Sums(convolve(whole, w, bias, attrs), steps, 1)
        assert node.op_type == "Gemm" and attrs.get("transB") == 1
        return Sums(whole @ w.T + bias, steps, 1)

    def node(self, node):
        attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        kind, name = node.op_type, node.output[0]
        if kind == "DequantizeLinear" and node.input[0] in self.constants:
            scale, zero = self.quant(node)
            assert not np.any(zero), "weights without a zero point"
            self.values[name] = (self.constants[node.input[0]].astype(np.int64), scale)
            return
        x = self.values[node.input[0]]
        if kind == "QuantizeLinear":
            scale, zero = self.quant(node)
            self.values[name] = self.result[name] = quantise(x, scale, zero)
        elif kind == "DequantizeLinear":
            self.values[name] = Stored(x, *self.quant(node))
        elif kind in ("Conv", "Gemm"):
            self.values[name] = self.product(node, x, attrs)
        elif kind == "Add":
            self.values[name] = Added(x, self.values[node.input[1]])
        elif kind == "Relu":
            self.values[name] = type(x)(**{**vars(x), "relu": True})
        elif kind == "AveragePool":
            self.values[name] = x.like(average(x.q, attrs))
        elif kind == "Transpose":
            self.values[name] = x.like(np.transpose(x.q, attrs["perm"]))
        elif kind == "Reshape":
            shape = [d or x.q.shape[i] for i, d in enumerate(self.constants[node.input[1]])]
            shape[0] = x.q.shape[0]
            self.values[name] = x.like(x.q.reshape(shape))
        elif kind == "Softmax":
            self.values[name] = softmax(x.real())
        else:
            raise ValueError(f"no integer meaning of {kind} here")


def stored(model, inputs):
    evaluator = Evaluator(model)
    evaluator.values.update({k: v.astype(np.int64) for k, v in inputs.items()})
    for node in model.graph.node:
        evaluator.node(node)
    return evaluator.result
