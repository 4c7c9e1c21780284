#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a network of ResNet-50's shape (25.5 M weights, 4.1 G multiplications) with random weights:
resnet50.py OUT.onnx. Needs python3-onnx. It is for the compiler's time and memory alone."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    def __init__(self):
        self.random = np.random.default_rng(1)
        self.nodes, self.weights = [], []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def add(self, op, inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def conv(self, x, channels, out, kernel, stride=1, relu=True):
        """A convolution, its normalisation and, mostly, Relu."""
        fan = channels * kernel * kernel
        w = self.random.normal(0, (2 / fan) ** 0.5, (out, channels, kernel, kernel))
        tag = str(len(self.nodes))
        y = self.add("Conv", [x, self.weight("w" + tag, w)], kernel_shape=[kernel] * 2,
                     strides=[stride] * 2, pads=[kernel // 2] * 4)
        norm = [self.weight(n + tag, a) for n, a in (
            ("scale", np.ones(out)), ("shift", self.random.normal(0, 0.1, out)),
            ("mean", self.random.normal(0, 0.1, out)), ("var", np.ones(out)))]
        y = self.add("BatchNormalization", [y, *norm])
        return self.add("Relu", [y]) if relu else y

    def block(self, x, channels, middle, stride):
        y = self.conv(x, channels, middle, 1)
        y = self.conv(y, middle, middle, 3, stride)
        y = self.conv(y, middle, middle * 4, 1, relu=False)
        if stride != 1 or channels != middle * 4:
            x = self.conv(x, channels, middle * 4, 1, stride, relu=False)
        return self.add("Relu", [self.add("Add", [y, x])])


def resnet50():
    b = Builder()
    x = b.conv("x", 3, 64, 7, 2)
    x = b.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for middle, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            x = b.block(x, channels, middle, stride if i == 0 else 1)
            channels = middle * 4
    x = b.add("Flatten", [b.add("GlobalAveragePool", [x])])
    w = b.weight("fc_w", b.random.normal(0, 0.02, (1000, 2048)))
    x = b.add("Gemm", [x, w, b.weight("fc_b", np.zeros(1000))], transB=1)
    y = b.add("Softmax", [x])
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        b.nodes, "resnet50", [info("x", TensorProto.FLOAT, [1, 3, 224, 224])],
        [info(y, TensorProto.FLOAT, [1, 1000])], b.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


if __name__ == "__main__":
    onnx.save(resnet50(), sys.argv[1])
