#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What libacc.so shows: its soname, and acc_* functions in version nodes ACC_*, nothing else;
and, where abidiff is installed, that it can take the place of the recorded library."""

import argparse
import os
import re
import shutil
import subprocess
import sys

SKIP = 77
RECORD = "tests/abi/libacc.abi"


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported(library):
    """(name, version node or "") of every symbol that the library defines for others."""
    found = []
    for line in output("readelf", "--dyn-syms", "--wide", library).splitlines():
        columns = line.split()
        if len(columns) < 8 or columns[4] not in ("GLOBAL", "WEAK", "UNIQUE"):
            continue
        if columns[6] == "UND" or (columns[3] == "OBJECT" and columns[6] == "ABS"):
            continue
        name, _, version = columns[7].partition("@")
        found.append((name, version.lstrip("@")))
    return found


def check_symbols(symbols):
    """Problems of a list of exported symbols."""
    functions = [(name, version) for name, version in symbols if name != version]
    problems = [
        f"expected acc_* in a version node ACC_*; found {name} in '{version}'"
        for name, version in functions
        if not name.startswith("acc_") or not version.startswith("ACC_")
    ]
    return problems if functions else ["expected acc_* functions; found none"]


def check_soname(library):
    found = re.search(r"SONAME.*\[(.*)\]", output("readelf", "--dynamic", "--wide", library))
    name = found.group(1) if found else "none"
    return [] if name == "libacc.so.0" else [f"expected soname libacc.so.0; found {name}"]


def abi_of(root, library, path):
    command = ["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"]
    command += ["--headers-dir", os.path.join(root, "include"), "--drop-private-types"]
    subprocess.run(command + ["--out-file", path, library], check=True)


def check_abi(root, library):
    """Problems that abidiff sees between the recorded library and this one."""
    record = os.path.join(root, RECORD)
    if not os.path.exists(record):
        print(f"note: no {RECORD} yet; symbols.py --update records it")
        return []
    if not shutil.which("abidiff"):
        print("note: abidiff is not installed; the types of the API were not compared")
        return []
    # New functions are growth; any other difference is for a person to judge: a struct with a
    # `size` that grew at its end is recorded anew, the rest breaks programs.
    command = ["abidiff", "--no-added-syms", "--drop-private-types"]
    command += ["--headers-dir2", os.path.join(root, "include"), record, library]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return []
    return [
        f"abidiff {RECORD} {library}: exit status {run.returncode}",
        "if a struct only grew at its end, record it with symbols.py --update",
        run.stdout + run.stderr,
    ]


def self_test():
    """The symbol check refuses what it should."""
    good = ("acc_open", "ACC_0.1")
    expected = [
        ([good, ("ACC_0.1", "ACC_0.1")], 0),
        ([good, ("helper", "ACC_0.1")], 1),
        ([good, ("acc_close", "")], 1),
        ([good, ("_ZN3acc5QueueC1Ev", "")], 1),
        ([], 1),
    ]
    wrong = [symbols for symbols, count in expected if len(check_symbols(symbols)) != count]
    return [f"self-test: wrong answer for {symbols}" for symbols in wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("library")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    problems = self_test()
    if not os.path.exists(options.library):
        print("\n".join(problems) or f"skipped: {options.library} is not built")
        return 1 if problems else SKIP
    if options.update:
        abi_of(options.root, options.library, os.path.join(options.root, RECORD))
        return 0
    symbols = exported(options.library)
    problems += check_symbols(symbols) + check_soname(options.library)
    problems += check_abi(options.root, options.library)
    print("\n".join(problems) if problems else f"{len(symbols)} symbols, all as they should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
