#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print what ninja must make of one build folder for some of its suites: everything but those
programs of tests/ that only other suites run."""

import argparse
import json
import os
import subprocess


def introspect(build, what):
    done = subprocess.run(["meson", "introspect", what, build], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()
    run = set()
    for test in introspect(options.build, "--tests"):
        # meson puts the project's name before a suite's
        if {suite.rsplit(":", 1)[-1] for suite in test["suite"]} & set(options.suites):
            run.update(test["depends"])
    tests = os.path.abspath("tests") + os.sep
    for target in introspect(options.build, "--targets"):
        ours = not os.path.abspath(target["defined_in"]).startswith(tests)
        if target["id"] in run or (ours and target["build_by_default"]):
            for name in target["filename"]:
                print(os.path.relpath(name, options.build))


if __name__ == "__main__":
    main()
