#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's rocminfo, unmodified, on our runtime: it lists the agents with sensible values.
It looks for AMD's kernel driver before it asks the runtime, by lsmod and /dev/kfd; both are
shown to it. Skips where rocminfo is not installed."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from daemon import Daemon  # pylint: disable=wrong-import-position

SKIP = 77


def run(program, library, preload, devices):
    """What rocminfo prints for these devices, without its colours."""
    with tempfile.TemporaryDirectory() as folder:
        lsmod = os.path.join(folder, "lsmod")
        with open(lsmod, "w", encoding="utf-8") as script:
            script.write("#!/bin/sh\necho 'amdgpu 1 0'\n")
        os.chmod(lsmod, 0o755)
        environment = dict(
            os.environ,
            PATH=folder + os.pathsep + os.environ["PATH"],
            LD_LIBRARY_PATH=os.path.dirname(os.path.abspath(library)),
            LD_PRELOAD=os.path.abspath(preload),
            ACC_DEVICE=devices,
        )
        done = subprocess.run(
            [program], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    if done.returncode != 0:
        raise RuntimeError(f"rocminfo: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return re.sub(r"\x1b\[\d+m", "", done.stdout)


def agents(text):
    """One dict per agent: the first value of each name."""
    found = []
    for part in re.split(r"^Agent \d+", text, flags=re.M)[1:]:
        values = {}
        for name, value in re.findall(r"^ *([\w .()/-]+): +(\S.*?) *$", part, flags=re.M):
            values.setdefault(name.strip(), value)
        found.append(values)
    return found


def check(text, expected):
    """Problems of a listing: `expected` is (name, ISA, device type) of each kernel agent."""
    listed = agents(text)
    problems = []

    def want(what, found, value):
        if found != value:
            problems.append(f"{what}: expected {value!r}; found {found!r}")

    want("agents", len(listed), len(expected) + 1)
    if problems:
        return problems + [text]
    want("host's type", listed[0].get("Device Type"), "CPU")
    want("host's units", listed[0].get("Compute Unit"), str(os.cpu_count()))
    want("host's pool", listed[0].get("Segment"), "GLOBAL; FLAGS: KERNARG, FINE GRAINED")
    for agent, (name, isa, kind) in zip(listed[1:], expected):
        want("name", agent.get("Name"), name)
        want("type", agent.get("Device Type"), kind)
        want("feature", agent.get("Feature"), "KERNEL_DISPATCH")
        want("profile", agent.get("Profile"), "BASE_PROFILE")
        want("least queue", agent.get("Queue Min Size"), "64(0x40)")
        if isa not in text:
            problems.append(f"expected the ISA {isa}; found none")
    frequency = re.search(r"Timestamp Freq\.: +([\d.]+)MHz", text)
    if not frequency or not 1 <= float(frequency.group(1)) <= 400:
        problems.append("expected a clock of 1 to 400 MHz")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("preload")
    parser.add_argument("accemud", nargs="?", help="for a device of a service")
    options = parser.parse_args()
    program = shutil.which("rocminfo")
    if not program:
        print("skipped: rocminfo is not installed")
        return SKIP
    cases = {
        "inproc:null": [("acc-null", "ACC:null", "DSP")],
        "inproc:crossbar;inproc:fpga?as=gpu": [
            ("acc-crossbar", "ACC:crossbar", "DSP"),
            ("acc-fpga", "ACC:fpga", "GPU"),
        ],
    }
    problems = []
    for devices, expected in cases.items():
        text = run(program, options.library, options.preload, devices)
        problems += [f"{devices}: {problem}" for problem in check(text, expected)]
    if options.accemud:
        with Daemon(options.accemud, "--engine", "null") as daemon:
            text = run(program, options.library, options.preload, daemon.uri())
        problems += [f"unix: {problem}" for problem in check(text, cases["inproc:null"])]
    print("\n".join(problems) or "the listings are as they should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
