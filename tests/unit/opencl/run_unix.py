#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the OpenCL tests on the devices of an accemud of its own. Compiling is the client's alone:
what is about nothing else is left to the other run."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from daemon import Daemon  # pylint: disable=wrong-import-position


def main():
    program, tests, *options = sys.argv[1:]
    with Daemon(program, "--engine", "fpga", "--engine", "crossbar") as daemon:
        devices = f"{daemon.uri(0)};{daemon.uri(1)}"
        command = [tests, f"--devices={devices}", "--gtest_filter=-OpenClProgram.*", *options]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
