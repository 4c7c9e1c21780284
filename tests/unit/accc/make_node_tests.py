#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes ONNX's own node tests with its generator, then runs a program on them.

make_node_tests.py FOLDER [PROGRAM ARGUMENT...]

The package has the cases, not the data. NumPy has dropped names that some cases use; they are put
back here. Exits with 77 where the package is missing. The program gets the folder as its last
argument."""

import os
import shutil
import sys


def main():
    folder = sys.argv[1]
    stamp = os.path.join(folder, "complete")
    if os.path.exists(stamp):
        return 0
    try:
        import numpy as np

        for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object)):
            if not hasattr(np, name):
                setattr(np, name, kind)
        import onnx
        from onnx import numpy_helper
        from onnx.backend.test.case.node import collect_testcases
    except ImportError as error:
        print(f"skipped: {error}")
        return 77
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    written = left_out = 0
    for case in collect_cases(collect_testcases):
        try:
            write_case(folder, case, onnx, numpy_helper)
            written += 1
        except Exception as error:  # a case of strings, say
            print(f"left out: {case.name}: {error}")
            left_out += 1
    with open(stamp, "w", encoding="ascii") as file:
        file.write(f"{written} written, {left_out} left out\n")
    print(f"{written} written, {left_out} left out")
    return 0


def collect_cases(collect):
    """Some versions of the package take the operator's name, others nothing."""
    try:
        return collect(None)
    except TypeError:
        return collect()


def write_case(folder, case, onnx, numpy_helper):
    data = []
    for inputs, outputs in case.data_sets[:1]:
        for kind, arrays, infos in (
            ("input", inputs, case.model.graph.input),
            ("output", outputs, case.model.graph.output),
        ):
            for i, (array, info) in enumerate(zip(arrays, infos)):
                if isinstance(array, onnx.TensorProto):
                    tensor = array
                elif isinstance(array, (list, dict)) or array is None:
                    raise ValueError("no tensor")
                else:
                    tensor = numpy_helper.from_array(array, info.name)
                data.append((f"{kind}_{i}.pb", tensor.SerializeToString()))
    path = os.path.join(folder, case.name)
    os.makedirs(path)
    with open(os.path.join(path, "model.onnx"), "wb") as file:
        file.write(case.model.SerializeToString())
    for name, text in data:
        with open(os.path.join(path, name), "wb") as file:
            file.write(text)


if __name__ == "__main__":
    status = main()
    if status == 0 and len(sys.argv) > 2:
        os.execv(sys.argv[2], sys.argv[2:] + [sys.argv[1]])
    sys.exit(status)
