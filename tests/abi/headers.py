#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles by itself, and every recorded size, offset and constant of
the ABI (offsets.txt) holds, with one compiler, language and word size. Skips, saying so,
where that compiler or its 32-bit headers are not installed."""

import argparse
import os
import subprocess
import sys

import layout

SKIP = 77
SHOWN = 5  # errors of one compilation


class Compiler:
    def __init__(self, options):
        self.options = options
        language = "c" if options.language == "c11" else "c++"
        self.command = [options.compiler, f"-std={options.language}", f"-m{options.bits}"]
        self.command += ["-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
        self.command += layout.include_flags(options.root, options.cflags)

    def errors(self, source):
        """What the compiler says of `source`; empty when it accepts it."""
        run = subprocess.run(
            self.command + ["-"], input=source, capture_output=True, text=True, check=False
        )
        if run.returncode == 0:
            return ""
        lines = [line for line in run.stderr.splitlines() if "error:" in line]
        more = [f"and {len(lines) - SHOWN} errors more"] if len(lines) > SHOWN else []
        return "\n".join(lines[:SHOWN] + more) or f"exit status {run.returncode}"

    def missing(self):
        """Why this compiler cannot be used here, or None."""
        probe = "#include <errno.h>\n#include <stdint.h>\n"
        if self.options.language != "c11":
            probe += "#include <cstdint>\n"
        try:
            errors = self.errors(probe)
        except FileNotFoundError:
            return f"{self.options.compiler} is not installed"
        return f"cannot compile <stdint.h>: {errors.splitlines()[0]}" if errors else None


def headers(root, language):
    """Names to #include of all public headers that this language can."""
    names = []
    for base in ("include", "include/uapi"):
        top = os.path.join(root, base)
        for folder, folders, files in os.walk(top):
            if base == "include":
                folders[:] = [f for f in folders if f != "uapi"]
            names += [os.path.relpath(os.path.join(folder, file), top) for file in files]
    suffixes = (".h",) if language == "c11" else (".h", ".hpp")
    return sorted(name for name in names if name.endswith(suffixes))


def assertions(table):
    """C and C++ that compiles if the recorded table holds."""
    lines = [f'#include "{name}"' for name in layout.HEADERS]
    lines += ["#ifdef __cplusplus", "#define CHECK static_assert", "#else"]
    lines += ["#define CHECK _Static_assert", "#endif"]
    for kind, name, *numbers in table:
        if kind == "record":
            lines.append(f'CHECK(sizeof({name}) == {numbers[0]}, "size of {name}");')
        elif kind == "member":
            record, member = name
            offset, size = numbers
            text = f"{record}.{member}"
            lines.append(
                f'CHECK(__builtin_offsetof({record}, {member}) == {offset}, "offset of {text}");'
            )
            lines.append(
                f'CHECK(sizeof((({record} *)0)->{member}) == {size}, "size of {text}");'
            )
        elif not numbers[0].startswith('"'):
            value = f"(unsigned long long)({name}) == {int(numbers[0]) % 2**64}ull"
            lines.append(f'CHECK({value}, "value of {name}");')
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--language", required=True, choices=["c11", "c++20"])
    parser.add_argument("--bits", required=True, choices=["32", "64"])
    parser.add_argument("--cflags", default="", help="where drm.h is, as pkg-config says it")
    options = parser.parse_args()
    compiler = Compiler(options)
    missing = compiler.missing()
    if missing:
        print(f"skipped: {options.compiler} {options.language} {options.bits} bits: {missing}")
        return SKIP
    names = headers(options.root, options.language)
    # Twice: the guard is the header's own.
    failures = [
        errors
        for name in names
        if (errors := compiler.errors(f'#include "{name}"\n#include "{name}"\n'))
    ]
    table = layout.read_table(os.path.join(options.root, layout.TABLE))
    failures += [errors] if (errors := compiler.errors(assertions(table))) else []
    # The check must be able to fail: a wrong number is refused.
    kind, name, size = table[0]
    if not compiler.errors(assertions([(kind, name, str(int(size) + 1))])):
        failures.append("a wrong size was accepted: the assertions assert nothing")
    print("\n".join(failures) if failures else f"{len(names)} headers, {len(table)} recorded facts")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
