# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: running programs, .npy files, results by case.

Results go to the file of --gtest_output=xml:FILE, in GoogleTest's form, so that meson and
scripts/run_tests.py count each case. A case prints one line.
"""

import argparse
import array
import ast
import json
import os
import struct
import subprocess
import sys
import time
import traceback
import unittest
import xml.etree.ElementTree as xml

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DIGITS = os.path.join(SOURCE, "examples", "digits")
TIMEOUT = 120

options = argparse.Namespace(build=None)


def program(*path):
    """A program of the build folder under test."""
    return os.path.join(options.build, *path)


def needs_region_process():
    """Skips where roles can't run in processes of their own: under a sanitizer."""
    with open(program("meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
        built = {option["name"]: option["value"] for option in json.load(file)}
    if built["b_sanitize"] != "none":
        raise unittest.SkipTest(
            "the filter of a region's process leaves no sanitizer the calls it makes")


def run(*command, environment=None, timeout=TIMEOUT):
    """Runs to the end, keeping the text of both outputs."""
    variables = {name: value for name, value in os.environ.items() if name[:4] != "ACC_"}
    variables.update(environment or {})
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=variables, timeout=timeout
    )


def accctl(*arguments, **more):
    return run(program("tools", "accctl", "accctl"), *arguments, **more)


def write_npy(path, values, shape, code="f", descr="<f4", order="False", version=1):
    """A file with these values; wrong ones too, where a test wants them."""
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    prefix = 10 if version == 1 else 12
    header += " " * (-(prefix + len(header) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY" + bytes([version, 0]) + length + header.encode())
        file.write(array.array(code, values).tobytes())


def read_npy(path):
    """(shape, flat values) of a float32 or int64 file."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    # A literal without names or calls: parsed, never evaluated.
    header = ast.literal_eval(data[10 : 10 + length].decode())
    values = array.array({"<f4": "f", "<i8": "q"}[header["descr"]])
    values.frombytes(data[10 + length :])
    return header["shape"], values


class Case(unittest.TestCase):
    """Adds what the tests say of a program that must refuse."""

    maxDiff = None

    def assert_ok(self, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(result.stderr, "")

    def assert_refuses(self, result, *words, code=1):
        """One line on stderr with these words, nothing on stdout, this exit code."""
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def json_of(self, result):
        self.assert_ok(result)
        return json.loads(result.stdout)


class _Results(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.cases = []
        self._start = 0.0
        self._subtests = []

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()
        self._subtests = []

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            text = "".join(traceback.format_exception(*err))
            self._subtests.append(f"{subtest._subDescription()}: {text}")

    def stopTest(self, test):
        # A test with failed subtests gets neither addSuccess nor addFailure.
        if self._subtests:
            self._keep(test, "failed", "\n".join(self._subtests))
        super().stopTest(test)

    def _keep(self, test, outcome, text=""):
        seconds = time.monotonic() - self._start
        self.cases.append((test, outcome, text, seconds))
        name = f"{type(test).__name__}.{getattr(test, '_testMethodName', test)}"
        print(f"{outcome:7} {name} ({seconds:.1f} s)")
        if outcome == "failed":
            print(text)
        sys.stdout.flush()

    def addSuccess(self, test):
        self._keep(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._keep(test, "failed", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._keep(test, "failed", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._keep(test, "skipped", reason)


def _write_xml(path, cases):
    suite = xml.Element("testsuite", name="e2e", tests=str(len(cases)))
    for test, outcome, text, seconds in cases:
        node = xml.SubElement(
            suite,
            "testcase",
            classname=type(test).__name__,
            name=getattr(test, "_testMethodName", str(test)),
            status="run",
            time=f"{seconds:.3f}",
        )
        if outcome == "failed":
            xml.SubElement(node, "failure", message=text).text = text
        elif outcome == "skipped":
            xml.SubElement(node, "skipped", message=text)
    top = xml.Element("testsuites")
    top.append(suite)
    xml.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)


def main():
    """Runs the test cases of the calling script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="the build folder under test")
    parser.add_argument("--gtest_output", help="xml:FILE")
    parser.add_argument("names", nargs="*", help="Class or Class.test; default: all")
    parser.parse_args(namespace=options)
    options.build = os.path.abspath(options.build)
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    if options.names:
        suite = loader.loadTestsFromNames(options.names, module)
    else:
        suite = loader.loadTestsFromModule(module)
    results = _Results()
    suite.run(results)
    if options.gtest_output:
        _write_xml(options.gtest_output.split(":", 1)[1], results.cases)
    good = results.wasSuccessful() and results.testsRun > 0
    print(f"{results.testsRun} run, {len(results.failures) + len(results.errors)} failed")
    return 0 if good else 1
