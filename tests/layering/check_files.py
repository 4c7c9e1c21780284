#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What every file of the tree keeps to: its licence line, its length, no path of one
machine, and in our C++ no throw, no volatile as a memory model, three environment variables."""

import os
import re
import sys

import tree

LONG, TOO_LONG = 400, 600
ALLOWED_LONG = "tests/layering/long_files.txt"

UAPI_LICENCE = "(GPL-2.0-only WITH Linux-syscall-note) OR MIT"
SHARED_LICENCE = "GPL-2.0-only OR MIT"
SHARED = ("include/acc/abi.h", "include/acc/regs.h", "include/acc/check.h")

SOURCE_SUFFIXES = tree.C_SUFFIXES + (".py", ".sh")
LICENSED_SUFFIXES = SOURCE_SUFFIXES + (".build", ".map", ".proto", ".S", ".in")
LICENSED_NAMES = ("dev", ".ci/run", ".gitignore", "meson_options.txt")

# Split, so that this file keeps its own rule.
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:wo" r"rk|ro" r"ot|ho" r"me/[a-z]\w*|tm" r"p/h)/")

ENVIRONMENT = {"ACC_DEVICE", "ACC_LOG", "ACC_EMU"}
# Those of the system, which tell where its places are, or what the programs that accctl starts get.
SYSTEM_ENVIRONMENT = {"XDG_RUNTIME_DIR", "JOURNAL_STREAM", "LD_LIBRARY_PATH", "LD_PRELOAD",
                      "OMP_TARGET_OFFLOAD"}
OURS = ("common/", "program/", "emulator/", "libacc/", "tools/", "include/acc/")
HABITS = (
    # `throw;` looks again at a library's exception, inside the catch that ends it.
    (re.compile(r"\bthrow\b(?!\s*;)"), "nothing of ours throws; return a Result or -errno"),
    (
        re.compile(r"(?<!asm )(?<!__asm__ )\bvolatile\b"),
        "volatile is no memory model; use std::atomic_ref and say the order",
    ),
)
_GETENV = re.compile(r'\bgetenv\s*\(\s*(?:"(\w*)")?')


def licence_of(path):
    """The SPDX expression that a file must carry, or None if it need not carry one."""
    if path.startswith("LICENSES/"):
        return None
    if not (path.endswith(LICENSED_SUFFIXES) or path in LICENSED_NAMES):
        return None
    if path.startswith("include/uapi/"):
        return UAPI_LICENCE
    if path in SHARED:
        return SHARED_LICENCE
    return "GPL-2.0-only" if path.startswith("kernel_driver/") else "MIT"


def check_licence(path, text):
    expected = licence_of(path)
    if expected is None:
        return []
    for line in text.split("\n")[:3]:
        match = re.search(r"SPDX-License-Identifier: (.*?)\s*(?:\*/|-->)?\s*$", line)
        if match:
            found = match.group(1)
            return [] if found == expected else [f"{path}:1: expected licence {expected}; found {found}"]
    return [f"{path}:1: expected an SPDX-License-Identifier in the first three lines; found none"]


def check_paths(path, text):
    return [
        f"{path}:{number}: names a path of one machine: {line.strip()[:80]}"
        for number, line in enumerate(text.split("\n"), 1)
        if MACHINE_PATHS.search(line)
    ]


def allowed_long(root):
    """path -> reason, from lines "path: reason"."""
    if not os.path.exists(os.path.join(root, ALLOWED_LONG)):
        return {}
    lines = (line.strip() for line in tree.read(root, ALLOWED_LONG).split("\n"))
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {path.strip(): reason.strip() for path, _, reason in pairs}


def check_length(path, text, allowed):
    """(problems, warnings) for one file's length."""
    if not (path.endswith(SOURCE_SUFFIXES) or path == "dev"):
        return [], []
    lines = text.count("\n")
    if lines > TOO_LONG and not allowed.get(path):
        return [f"{path}: {lines} lines; split it, or justify it in {ALLOWED_LONG}"], []
    if lines > LONG and path not in allowed:
        return [], [f"{path}: {lines} lines; hesitate at {LONG}, split or justify at {TOO_LONG}"]
    if lines <= TOO_LONG and path in allowed:
        return [f"{path}: {lines} lines need no entry in {ALLOWED_LONG}"], []
    return [], []


def check_habits(path, text):
    if not (path.endswith(tree.C_SUFFIXES) and path.startswith(OURS)):
        return []
    problems = []
    bare = tree.without_comments(text, keep_strings=False)
    for number, line in enumerate(bare.split("\n"), 1):
        problems += [f"{path}:{number}: {why}" for pattern, why in HABITS if pattern.search(line)]
    for match in _GETENV.finditer(tree.without_comments(text)):
        if match.group(1) not in ENVIRONMENT | SYSTEM_ENVIRONMENT:
            names = ", ".join(sorted(ENVIRONMENT))
            problems.append(f"{path}: expected getenv of {names}; found {match.group(1) or 'another'}")
    return problems


def check(root):
    """(problems, warnings): lines of text."""
    problems, warnings = [], []
    allowed = allowed_long(root)
    names = tree.files(root)
    problems += [
        f"{ALLOWED_LONG}: no such file: {path}" for path in sorted(set(allowed) - set(names))
    ]
    for path in names:
        text = tree.read(root, path)
        if text is None:
            continue
        problems += check_licence(path, text) + check_paths(path, text) + check_habits(path, text)
        too_long, long = check_length(path, text, allowed)
        problems += too_long
        warnings += long
    return problems, warnings


if __name__ == "__main__":
    bad, notes = check(sys.argv[1])
    for note in notes:
        print(f"warning: {note}")
    print("\n".join(bad) if bad else "every file keeps the rules")
    sys.exit(1 if bad else 0)
