#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds docs/compiler.md to what accc prints: check_walkthrough.py ACCC DOCUMENT MODEL CALIBRATION.

A block of the document that begins with "# after PASS" must have lines of the graph after that pass,
in their order; "…" stands for lines that are left out."""

import re
import subprocess
import sys
import tempfile


def printed(accc, model, calibration):
    with tempfile.NamedTemporaryFile(suffix=".accx") as out:
        text = subprocess.run(
            [accc, model, "-o", out.name, "-q", "--calibrate", calibration, "--print-after", "all"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    parts = re.split(r"^# after (\w+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def main():
    accc, document, model, calibration = sys.argv[1:]
    passes = printed(accc, model, calibration)
    with open(document, encoding="utf-8") as file:
        blocks = re.findall(r"^```text\n# after (\w+)\n(.*?)^```", file.read(), re.M | re.S)
    failed = 0
    for name, block in blocks:
        lines = iter(passes[name].splitlines())
        for line in block.splitlines():
            if line.strip() in ("", "…"):
                continue
            if not any(line == there for there in lines):
                print(f"{document}: after {name}: expected a line that accc prints; found: {line}")
                failed += 1
                break
    missing = set(passes) - {name for name, _ in blocks}
    if missing:
        print(f"{document}: expected a block for each pass; found none for {', '.join(missing)}")
    print(f"{len(blocks)} blocks, {failed} with lines that accc does not print")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
