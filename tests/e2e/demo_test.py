#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo from ONNX file to verdict, the first program, the measurements."""

import json
import math
import os
import re
import sys
import tempfile
import unittest

import harness


class Demo(harness.Case):
    """One run of demo.sh; each case looks at another side of it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        out = os.path.join(cls.folder.name, "digits.json")
        script = os.path.join(harness.DIGITS, "demo.sh")
        cls.result = harness.run("bash", script, harness.options.build, "--json", out)
        cls.metrics = {}
        if os.path.exists(out):
            with open(out, encoding="utf-8") as file:
                cls.metrics = json.load(file)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_ends_well(self):
        self.assertEqual(self.result.returncode, 0, self.result.stdout + self.result.stderr)
        self.assertRegex(self.result.stdout.splitlines()[-1], r"^OK: \d+ of \d+ held-out digits")

    def test_accuracy(self):
        self.assertGreaterEqual(self.metrics["digits"], 300)
        self.assertGreaterEqual(self.metrics["digits_accuracy"], 96)
        self.assertGreaterEqual(
            self.metrics["digits_accuracy"], self.metrics["digits_accuracy_float"] - 0.5
        )

    def test_float_accuracy_is_that_of_the_files(self):
        _, labels = harness.read_npy(os.path.join(harness.DIGITS, "test_labels.npy"))
        (count, classes), values = harness.read_npy(
            os.path.join(harness.DIGITS, "float_probabilities.npy")
        )
        right = 0
        for i in range(count):
            row = values[i * classes : (i + 1) * classes]
            right += row.index(max(row)) == labels[i]
        self.assertEqual(self.metrics["digits"], count)
        self.assertAlmostEqual(self.metrics["digits_accuracy_float"], 100 * right / count, 4)

    def test_peak_memory(self):
        self.assertGreater(self.metrics["digits_peak_mb"], 0)
        self.assertLess(self.metrics["digits_peak_mb"], 512)

    def test_repeats_bit_for_bit(self):
        self.assertEqual(self.metrics["digits_repeatable"], 1)
        self.assertEqual(self.metrics["digits_faults"], 0)

    def test_both_engines_worked(self):
        for engine in ("crossbar", "fpga"):
            line = re.search(rf"^inproc:{engine} +(\d+) +(\S+) +(\S+) +(\S+) +(\d+)",
                             self.result.stdout, re.M)
            self.assertIsNotNone(line, self.result.stdout)
            self.assertGreater(int(line.group(1)), 0, "dispatches")
            self.assertGreater(float(line.group(3)), 0, "modelled ms")
            self.assertGreater(float(line.group(4)), 0, "energy")
            self.assertGreater(int(line.group(5)), 0, "loads")

    def test_prints_the_placement(self):
        self.assertIn("crossbar", self.result.stdout)
        for node in ("Conv", "MaxPool", "Gemm", "Softmax"):
            self.assertIn(node, self.result.stdout)

    def test_draws_digits(self):
        captions = re.findall(r"is (\d), says (\d)", self.result.stdout)
        self.assertGreaterEqual(len(captions), 4)


class DigitsProgram(harness.Case):
    """The program `digits` refuses with one line."""

    def digits(self, *arguments):
        return harness.run(harness.program("examples", "digits"), *arguments)

    def test_usage(self):
        self.assert_refuses(self.digits(), "usage", code=2)

    def test_no_data(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assert_refuses(self.digits("x.accx", folder), "test_labels.npy", "No such file")

    def test_no_program(self):
        self.assert_refuses(self.digits("/nowhere/x.accx", harness.DIGITS), "/nowhere/x.accx")

    def test_check_fails_below_the_bar(self):
        """Labels that are all wrong: the verdict and the exit status say so."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("test_images.npy", "float_probabilities.npy"):
                os.symlink(os.path.join(harness.DIGITS, name), os.path.join(folder, name))
            shape, labels = harness.read_npy(os.path.join(harness.DIGITS, "test_labels.npy"))
            harness.write_npy(
                os.path.join(folder, "test_labels.npy"),
                [(label + 1) % 10 for label in labels], shape, "q", "<i8",
            )
            program = harness.program("examples", "digits.accx")
            result = self.digits(program, folder, "--check")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertTrue(result.stdout.splitlines()[-1].startswith("NOT OK"), result.stdout)


class FirstProgram(harness.Case):
    def test_recognises_its_digit(self):
        result = harness.run(
            harness.program("examples", "first"), harness.program("examples", "digits.accx")
        )
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"^This is a 3 \(\d+ %\)\.\n$")

    def test_names_a_missing_program(self):
        # A program of forty lines that gives up leaves what it has to the system.
        options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        result = harness.run(harness.program("examples", "first"), "/nowhere.accx",
                             environment={"ASAN_OPTIONS": options})
        self.assert_refuses(result, "/nowhere.accx")

    def test_is_the_one_of_the_readme(self):
        with open(os.path.join(harness.SOURCE, "examples", "first.c"), encoding="utf-8") as file:
            example = file.read()
        with open(os.path.join(harness.SOURCE, "README.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```c\n(.*?)^```$", file.read(), re.M | re.S)
        self.assertEqual(blocks, [example])
        self.assertLessEqual(len(example.splitlines()), 40)


class Gemm(harness.Case):
    def test_equals_the_host(self):
        result = harness.run(
            harness.program("examples", "gemm"), harness.program("examples", "gemm.accx")
        )
        self.assert_ok(result)
        self.assertIn("equal to the host's", result.stdout)

    def test_refuses_the_wrong_engine(self):
        result = harness.run(
            harness.program("examples", "gemm"), harness.program("examples", "gemm.accx"),
            "inproc:fpga",
        )
        self.assert_refuses(result)


class Bench(harness.Case):
    KEYS = {
        "pingpong_p50_ns", "inproc_noop_p50_ns", "inproc_packets_per_s_1p",
        "inproc_packets_per_s_4p", "inproc_packets_per_s_4p_shared", "crossbar_mvm128_us",
        "crossbar_mvm128_batch64_us", "open_rss_mb", "idle_cpu_percent",
        "digits_images_per_s", "digits_accuracy", "digits_accuracy_float",
    }
    # Differences of two medians: in a short run on a busy machine either may be the smaller one.
    DIFFERENCES = {"hsa_overhead_percent"}

    def bench(self, *arguments):
        script = os.path.join(harness.SOURCE, "benchmarks", "run.py")
        return harness.run(sys.executable, script, "--build", harness.options.build, *arguments)

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(harness.program("benchmarks", "acc-bench")):
            raise unittest.SkipTest("the benchmarks are not built")

    def test_short_run_has_every_metric(self):
        harness.needs_region_process()
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "all.json")
            result = self.bench("--short", "--out", out)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            with open(out, encoding="utf-8") as file:
                metrics = json.load(file)
        self.assertLessEqual(self.KEYS, set(metrics))
        for name, value in metrics.items():
            self.assertIsInstance(value, (int, float), name)
            self.assertTrue(math.isfinite(value), f"{name}: {value}")
            if name not in self.DIFFERENCES:
                self.assertGreaterEqual(value, 0, name)
        for name in self.KEYS - {"idle_cpu_percent", "open_rss_mb"}:
            self.assertGreater(metrics[name], 0, name)

    def test_every_metric_is_documented(self):
        with open(os.path.join(harness.SOURCE, "docs", "benchmarks.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual([key for key in sorted(self.KEYS) if f"`{key}`" not in text], [])

    def test_unknown_part(self):
        result = self.bench("nonsense", "--out", "/dev/null")
        self.assertEqual(result.returncode, 2)
        self.assertIn("nonsense", result.stderr)

    def test_no_file_is_left_of_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "x.json")
            script = os.path.join(harness.SOURCE, "benchmarks", "run.py")
            result = harness.run(sys.executable, script, "--build", folder, "core", "--out", out)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    sys.exit(harness.main())
