# SPDX-License-Identifier: MIT
"""The part `kernel`: launches through the kernel driver in the lab's virtual machine."""

import json
import os
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "kernel"))

import lab  # noqa: E402  the folder is on the path now
import run as laboratory  # noqa: E402
import steps  # noqa: E402


def measure(build, short, folder):
    del folder
    try:
        place = laboratory.Lab(build, os.path.join(os.path.dirname(build), "kernel"))
    except lab.Missing as missing:
        print(f"bench: no virtual machine here ({missing}); its metrics are left out")
        return {}
    started = time.monotonic()
    with place.machine(["null"]) as machine:
        bad = [case for case in steps.load(place, machine) if case.outcome == "failed"]
        if bad:
            raise RuntimeError(f"{bad[0].name}: {bad[0].text}")
        line = "acc-bench --node /dev/accel/accel0 --out /tmp/out.json"
        # First the proof that it works, which is what the time to a result ends with.
        status, output = machine.run(line + " --short", 900)
        first = time.monotonic() - started
        if not status and not short:
            status, output = machine.run(line, 1800)
        print(output)
        if status:
            raise RuntimeError(f"acc-bench in the guest: exit status {status}")
        metrics = json.loads(machine.run("cat /tmp/out.json")[1])
        metrics["kernel_boot_s"] = machine.boot_seconds
        metrics["kernel_boot_to_result_s"] = first
        return metrics
