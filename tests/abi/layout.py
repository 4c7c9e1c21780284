#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The recorded table of the ABI: sizes and offsets of every struct and union that a client,
a driver and a device share, and every constant. `--check` compares the headers with
offsets.txt; `--update` rewrites it, for a reviewer to read in the diff. Needs clang, which
lists records completely; the numbers themselves are those of the given C compiler."""

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

SKIP = 77
TABLE = "tests/abi/offsets.txt"
HEADERS = ["drm/acc_drm.h", "acc/abi.h", "acc/regs.h", "acc/check.h", "acc/program.h", "acc/kernels.h"]
PREFIX = r"(?:ACC_|DRM_ACC_|DRM_IOCTL_ACC_)"
HEAD = """# SPDX-License-Identifier: MIT
# The ABI as it is recorded: tests/abi/layout.py --update writes this file, a test compares.
# record: size in bytes. member: offset and size in bytes. A line that goes or changes breaks
# programs that are already built; a new line is growth, and wants a feature bit.
"""


def include_flags(root, cflags):
    flags = [f"-I{os.path.join(root, folder)}" for folder in ("include", "include/uapi")]
    return flags + cflags.split()


def source():
    return "".join(f'#include "{name}"\n' for name in HEADERS)


def clang(flags, more):
    command = ["clang", "-std=c11", "-x", "c"] + flags + more + ["-"]
    return subprocess.run(command, input=source(), capture_output=True, text=True, check=True).stdout


_ROW = re.compile(r"^\s*\d+(?::[\d-]+)? \|(?P<indent> +)(?P<text>.*?)\s*$")


def members_of(block):
    """Paths of the members in one dumped record, those of anonymous members among them."""
    paths, stack = [], []
    for line in block:
        row = _ROW.match(line)
        if not row:
            continue
        depth = len(row.group("indent")) // 2
        text = row.group("text")
        del stack[max(depth - 1, 0) :]
        if None in stack:  # inside a member whose type has a record of its own
            stack += [None] * (depth - 1 - len(stack))
            continue
        anonymous = re.search(r"::\((?:anonymous|unnamed) at [^)]*\)(?: (\w+))?$", text)
        name = anonymous.group(1) if anonymous else text.split()[-1]
        if name:
            paths.append(".".join([part for part in stack if part] + [name]))
        is_record = text.startswith(("struct ", "union "))
        stack.append(None if is_record and not anonymous else name or "")
    return paths


def records(flags):
    """(record, its members' paths) for every one of ours, in the headers' order."""
    dump = clang(flags, ["-fsyntax-only", "-Xclang", "-fdump-record-layouts-complete"])
    found = []
    for block in dump.split("*** Dumping AST Record Layout")[1:]:
        lines = [line for line in block.split("\n") if line.strip()]
        title = re.match(r"^\s*0 \| ((?:struct|union) (?:drm_)?acc_\w+)$", lines[0])
        if title:
            found.append((title.group(1), members_of(lines[1:])))
    return found


def constants(root, flags):
    """Names of object-like macros and enumerators of ours."""
    macros = re.findall(rf"^#define ({PREFIX}\w+) \S", clang(flags, ["-E", "-dM"]), re.M)
    enumerators = []
    for name in HEADERS:
        base = "include/uapi" if name.startswith("drm/") else "include"
        with open(os.path.join(root, base, name), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", file.read(), flags=re.S)
        for body in re.findall(r"\benum\s*\w*\s*\{([^}]*)\}", text):
            enumerators += re.findall(r"(?:^|,)\s*(\w+)", body)
    return sorted(set(macros) | set(enumerators))


PRINTER = r"""
#include <stdio.h>
static void number(const char *name, long long value) { printf("constant %s %lld\n", name, value); }
static void text(const char *name, const char *value) { printf("constant %s \"%s\"\n", name, value); }
#define CONSTANT(x) _Generic((x), char *: text, default: number)(#x, (x))
#define RECORD(type) printf("record %s %zu\n", #type, sizeof(type))
#define MEMBER(type, member)                                                                       \
    printf("member %s.%s %zu %zu\n", #type, #member, __builtin_offsetof(type, member),             \
           sizeof(((type *)0)->member))
int main(void) {
"""


def program(root, flags):
    lines = [source(), PRINTER]
    for record, members in records(flags):
        lines.append(f"RECORD({record});")
        lines += [f"MEMBER({record}, {member});" for member in members]
    lines += [f"CONSTANT({name});" for name in constants(root, flags)]
    return "\n".join(lines) + "\nreturn 0;\n}\n"


def current_table(root, compiler, flags):
    """The table's text as the headers have it now."""
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "table")
        command = [compiler, "-std=gnu11", "-w", "-x", "c"] + flags + ["-", "-o", binary]
        subprocess.run(command, input=program(root, flags), text=True, check=True)
        run = subprocess.run([binary], capture_output=True, text=True, check=True)
    return HEAD + run.stdout


def read_table(path):
    """Lines of offsets.txt: ("record", type, size), ("member", (type, path), offset, size),
    ("constant", name, value)."""
    table = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("record "):
                _, kind, name, size = line.split()
                table.append(("record", f"{kind} {name}", size))
            elif line.startswith("member "):
                _, kind, name, offset, size = line.split()
                record, _, member = name.partition(".")
                table.append(("member", (f"{kind} {record}", member), offset, size))
            elif line.startswith("constant "):
                _, name, value = line.rstrip("\n").split(" ", 2)
                table.append(("constant", name, value))
    return table


def compare(recorded, current):
    """Lines that say what differs; empty when nothing does."""
    changes = list(difflib.ndiff(recorded.splitlines(), current.splitlines()))
    gone = [line for line in changes if line.startswith("- ")]
    new = [line for line in changes if line.startswith("+ ")]
    said = []
    if gone:
        said += ["the ABI changed: recorded (-), found in the headers (+)"] + gone + new
    elif new:
        said += ["the ABI grew: record the new lines with layout.py --update"] + new
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--compiler", default="cc")
    parser.add_argument("--cflags", default="-I/usr/include/libdrm", help="where drm.h is")
    options = parser.parse_args()
    flags = include_flags(options.root, options.cflags)
    try:
        current = current_table(options.root, options.compiler, flags)
    except FileNotFoundError as error:
        print(f"skipped: expected clang and {options.compiler}; found no {error.filename}")
        return SKIP
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)}: exit status {error.returncode}\n{error.stderr or ''}")
        return 1
    path = os.path.join(options.root, TABLE)
    if options.update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(current)
        return 0
    with open(path, encoding="utf-8") as file:
        said = compare(file.read(), current)
    print("\n".join(said) if said else f"{len(current.splitlines())} lines, as recorded")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
