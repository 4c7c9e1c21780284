#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print what ninja must make of one build folder for some of its suites: what their tests say that
they run."""

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
    for target in introspect(options.build, "--targets"):
        if target["id"] in run:
            for name in target["filename"]:
                print(os.path.relpath(name, options.build))


if __name__ == "__main__":
    main()
