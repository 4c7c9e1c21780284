#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""acc-conformance against a device of an accemud that this script starts and stops. Fails
when either does; what follows the named arguments goes to acc-conformance."""

import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from daemon import Daemon

# The suite looks for the limits of a device; those of a user are a daemon's own.
UNLIMITED = """
[default]
bytes = 0
buffers = 0
queues = 0
programs = 0
pins = 0
clients = 0
"""
NO_DEVICE = 77  # acc-conformance's exit status; here it is no reason to skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("accemud")
    parser.add_argument("conformance")
    parser.add_argument("engine", help="as accemud --engine has it")
    options, more = parser.parse_known_args()
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(UNLIMITED)
        config.flush()
        return serve(options, more, config.name)


def serve(options, more, config):
    # Warnings: the suite provokes a fault after the other, each worth a line of info.
    with Daemon(options.accemud, "--config", config, "--engine", options.engine,
                "--log", "warn") as daemon:
        result = subprocess.run(
            [options.conformance, f"--device={daemon.uri()}", *more], check=False
        ).returncode
        ended = daemon.process.poll()
        status = daemon.stop() if ended is None else ended
        print(f"accemud: exit status {status}\n{daemon.text()}", end="")
        if ended is not None or status != 0:
            print("expected accemud to serve to the end and to stop with exit status 0")
            return 1
    if result == NO_DEVICE:
        print("expected acc-conformance to find the device of accemud; it found none")
        return 1
    return result


if __name__ == "__main__":
    sys.exit(main())
