#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run `meson test` in one build folder and count its cases.

A GoogleTest binary counts once per case, anything else once. One line,
"passed failed skipped label", is appended to the tally file whatever happens,
so that a run that breaks is counted and not forgotten.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as xml

BAD = {"FAIL", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS", "ERROR"}
Case = collections.namedtuple("Case", "name outcome text")


def short_name(record):
    """The name that meson.build gave a test; the log has "project:suite / name"."""
    return record["name"].rsplit(" / ", 1)[-1]


def gtest_files(build):
    """Test name -> the XML that meson makes its GoogleTest binary write. Two binaries of one
    name would write one file, and the cases of one be lost: refused."""
    listing = subprocess.run(
        ["meson", "introspect", "--tests", build], capture_output=True, text=True, check=True
    )
    tests = [test for test in json.loads(listing.stdout) if test["protocol"] == "gtest"]
    names = collections.Counter(test["name"] for test in tests)
    doubled = [name for name, count in names.items() if count > 1]
    if doubled:
        raise ValueError(f"expected a name of its own for each gtest test(); found twice: {doubled}")
    return {
        test["name"]: os.path.join(test["workdir"] or build, test["name"] + ".xml")
        for test in tests
    }


def gtest_cases(path, test):
    """One Case for each case in a GoogleTest XML; disabled ones count as skipped."""
    cases = []
    for node in xml.parse(path).iter("testcase"):
        name = f"{test}: {node.get('classname')}.{node.get('name')}"
        skipped = node.find("skipped")
        failure = node.find("failure")
        if failure is not None:
            cases.append(Case(name, "failed", failure.get("message", "")))
        elif skipped is not None:
            text = skipped.get("message", "").split("\n", 1)[-1]
            cases.append(Case(name, "skipped", text))
        elif node.get("status") == "notrun":
            cases.append(Case(name, "skipped", "disabled"))
        else:
            cases.append(Case(name, "passed", ""))
    return cases


def last_line(record):
    lines = [line for line in record.get("stdout", "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def cases_of(files, record):
    """The cases of one line of meson's testlog.json; files is gtest_files()."""
    name, result = short_name(record), record["result"]
    path = files.get(name)
    if path and os.path.exists(path):
        try:
            cases = gtest_cases(path, name)
        except xml.ParseError as error:
            return [Case(name, "failed", f"{path}: not XML: {error}")]
        # A crash or a leak found after the last case, or a time-out.
        if result in BAD and not any(case.outcome == "failed" for case in cases):
            cases.append(Case(name, "failed", f"{result}, exit status {record['returncode']}"))
        return cases
    if result in BAD:
        return [Case(name, "failed", f"{result}, exit status {record['returncode']}")]
    if result == "SKIP":
        return [Case(name, "skipped", last_line(record))]
    return [Case(name, "passed", "")]


def remove_old_results(build, files):
    """A binary that crashes writes no XML; an older one must not speak for it."""
    for path in list(files.values()) + [os.path.join(build, "meson-logs", "testlog.json")]:
        if os.path.exists(path):
            os.remove(path)


def read_log(build):
    try:
        with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8") as log:
            return [json.loads(line) for line in log]
    except FileNotFoundError:
        return []


def run(build, meson_args):
    files = gtest_files(build)
    remove_old_results(build, files)
    command = ["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs"] + meson_args
    status = subprocess.run(command, check=False).returncode
    cases = [case for record in read_log(build) for case in cases_of(files, record)]
    if status != 0 and not any(case.outcome == "failed" for case in cases):
        cases.append(Case("meson test", "failed", f"exit status {status}"))
    return cases


def self_test():
    """What is counted for a crash, a leak, a skip: on records made here."""
    import tempfile

    with tempfile.TemporaryDirectory() as build:

        def outcomes(result, body=None, status=0):
            path = os.path.join(build, "t.xml")
            if body is not None:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(body)
            elif os.path.exists(path):
                os.remove(path)
            record = {
                "name": "acc:core / t",
                "result": result,
                "returncode": status,
                "stdout": "why\n",
            }
            return [case.outcome for case in cases_of({"t": path}, record)]

        case = '<testcase name="{}" classname="A" status="{}">{}</testcase>'
        good = case.format("Good", "run", "")
        bad = case.format("Bad", "run", '<failure message="1 != 2"/>')
        skip = case.format("Skip", "run", '<skipped message="f:1&#10;why"/>')
        off = case.format("Off", "notrun", "")
        suite = "<testsuites><testsuite>{}</testsuite></testsuites>"
        checks = [
            (outcomes("OK", suite.format(good + skip + off)), ["passed", "skipped", "skipped"]),
            (outcomes("FAIL", suite.format(good + bad), 1), ["passed", "failed"]),
            (outcomes("FAIL", suite.format(good), 66), ["passed", "failed"]),
            (outcomes("FAIL", None, -6), ["failed"]),
            (outcomes("TIMEOUT", "<testsuites>", -9), ["failed"]),
            (outcomes("SKIP", None, 77), ["skipped"]),
            (outcomes("OK", None), ["passed"]),
        ]
    wrong = [(found, expected) for found, expected in checks if found != expected]
    for found, expected in wrong:
        print(f"expected {expected}, found {found}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?")
    parser.add_argument("--label")
    parser.add_argument("--tally")
    parser.add_argument("--self-test", action="store_true")
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:split])
    if options.self_test:
        return self_test()
    cases = []
    try:
        cases = run(os.path.abspath(options.build), arguments[split + 1 :])
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        cases = [Case("meson test", "failed", str(error))]
    finally:
        count = collections.Counter(case.outcome for case in cases)
        if not cases:
            count["failed"] = 1
            print(f"{options.label}: expected at least one test; found none")
        with open(options.tally, "a", encoding="utf-8") as tally:
            line = f"{count['passed']} {count['failed']} {count['skipped']} {options.label}"
            tally.write(line + "\n")
    for outcome in ("skipped", "failed"):
        for case in cases:
            if case.outcome == outcome:
                print(f"{outcome}: {case.name}: {' '.join(case.text.split())}")
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
