#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom. The table below is the rule; CONTRIBUTING.md explains it."""

import os
import re
import sys

import tree

# Groups of headers that the table speaks of.
UAPI = ["include/uapi/"]
SHARED = ["include/acc/abi.h", "include/acc/regs.h", "include/acc/check.h"]
FORMATS = ["include/acc/program.h", "include/acc/kernels.h", "include/acc/role.h"]
PUBLIC = ["include/acc/"]

# Headers of other projects, by library. What is not here is the system's.
LIBRARIES = {
    "spdlog": r"(spdlog|fmt)/",
    "hwloc": r"hwloc(\.h|/)",
    "sodium": r"sodium(\.h|/)",
    "libdrm": r"(xf86drm|xf86drmMode)\.h|libdrm/",
    "libelf": r"(libelf|gelf)\.h|elfutils/",
    "onnx": r"onnx/|google/protobuf/",
    "onednn": r"oneapi/dnnl/",
    "flatbuffers": r"flatbuffers/|tflite_generated\.h",
    "protobuf": r"tensorflow\.pb\.h",
    "png": r"png\.h",
    "cli11": r"CLI/",
    "json": r"nlohmann/",
    "gtest": r"(gtest|gmock)/",
    "benchmark": r"benchmark/",
    "tomlplusplus": r"toml\+\+/",
    "systemd": r"systemd/",
    "highway": r"hwy/",
    "eigen": r"Eigen/",
    "openblas": r"cblas\.h",
    "zip": r"zip\.h",
    "verilator": r"verilated(_\w+)?\.h",
}
ALL = list(LIBRARIES)
# What both a kernel and a plain C program have.
KERNEL_BASICS = r"linux/.*|uapi/.*|drm\.h|drm/.*|errno\.h|stddef\.h|stdint\.h"
ANY = r".*"

# Code -> (files of ours it may include beside its own folder, libraries, system headers).
# The longest prefix that fits decides.
TABLE = {
    "include/uapi/": (UAPI, [], KERNEL_BASICS),
    "include/acc/abi.h": (UAPI + SHARED, [], KERNEL_BASICS),
    "include/acc/regs.h": (UAPI + SHARED, [], KERNEL_BASICS),
    "include/acc/check.h": (UAPI + SHARED, [], KERNEL_BASICS),
    "include/acc/program.h": (SHARED + FORMATS, [], KERNEL_BASICS),
    "include/acc/kernels.h": (SHARED + FORMATS, [], KERNEL_BASICS),
    "include/acc/role.h": (SHARED + FORMATS, [], KERNEL_BASICS),
    # Around a Verilated design, which it is compiled with.
    "tools/accrole/role_rtl.hpp": (PUBLIC, ["verilator"], ANY),
    "include/acc/": (PUBLIC, [], ANY),
    "kernel_driver/": (UAPI + SHARED, [], r"(linux|uapi|drm|kunit|asm|trace)/.*"),
    "common/": (UAPI, [], ANY),
    "common/npz.cc": (["common/"], ["zip"], ANY),
    "program/signature.cc": (["common/", "program/"] + SHARED + FORMATS, ["sodium"], ANY),
    "arch/": (["common/"], ["tomlplusplus"], ANY),
    "program/": (["common/", "arch/"] + SHARED + FORMATS, ["libelf"], ANY),
    # Policies of slots and the replay of traces: the device's very code, without a device.
    "policy/": (["common/"], [], ANY),
    "emulator/": (
        ["common/", "arch/", "program/", "policy/"] + UAPI + SHARED + FORMATS,
        ["spdlog", "hwloc", "sodium"],
        ANY,
    ),
    # SIMD and linear algebra are the crossbar model's.
    "emulator/crossbar/": (
        ["common/", "arch/", "program/", "emulator/"] + UAPI + SHARED + FORMATS,
        ["sodium", "highway", "eigen"],
        ANY,
    ),
    # The daemon: around the emulator's servers: emulator/server/server.h and, of cards, pci/pci.h.
    "emulator/accemud/": (
        ["common/", "emulator/account.h", "emulator/emulator.h", "emulator/server/server.h",
         "emulator/pci/pci.h"],
        ["spdlog", "cli11", "tomlplusplus", "systemd"],
        ANY,
    ),
    "host/": (["include/acc/program.h", "include/acc/abi.h"], ["onednn"], ANY),
    "libacc/": (["include/", "common/", "program/", "host/"], ["spdlog", "hwloc", "libdrm"], ANY),
    "libacc/transport_inproc.cc": (
        ["include/", "common/", "program/", "libacc/", "emulator/emulator.h"],
        ["spdlog"],
        ANY,
    ),
    "libacc/interop/": (PUBLIC, ["spdlog"], ANY),
    "tools/accctl/": (
        PUBLIC + ["common/", "arch/", "policy/", "tools/accrole/role_tool.h",
                  "tools/image/image.h"],
        ["cli11", "json", "png"],
        ANY,
    ),
    "tools/accrole/": (["common/", "program/"] + SHARED + FORMATS, ["tomlplusplus"], ANY),
    "tools/accasm/": (["common/", "arch/", "program/"] + FORMATS, ["cli11"], ANY),
    # A tool of the build: writes the programs that examples, self-tests and benchmarks dispatch.
    "tools/mkimage/": (
        ["common/", "program/", "examples/", "tools/accctl/selftest.h"] + SHARED + FORMATS,
        ["cli11"],
        ANY,
    ),
    "tools/image/": (["common/"], ["png"], ANY),
    "tools/accc/": (
        ["common/", "arch/", "program/", "host/", "tools/image/image.h"] + SHARED + FORMATS,
        ["spdlog", "onnx", "flatbuffers", "protobuf", "cli11", "json"],
        ANY,
    ),
    "tools/accmap/": (
        ["common/", "arch/", "program/", "tools/accc/accc.h"] + SHARED + FORMATS,
        ["spdlog", "onnx", "cli11", "json"],
        ANY,
    ),
    "examples/": (PUBLIC, [], ANY),
    "examples/digits/": (PUBLIC + ["common/npy.h"], [], ANY),
    "benchmarks/": (["include/", "common/"], ["benchmark", "json", "cli11"], ANY),
    # Below every launch: the model by itself.
    "benchmarks/crossbar.cc": (
        ["arch/", "common/", "emulator/crossbar/", "benchmarks/crossbar_parts.h"],
        ["json", "openblas"],
        ANY,
    ),
    "benchmarks/crossbar_isa.cc": (
        ["arch/", "common/", "emulator/crossbar/", "benchmarks/crossbar_parts.h", "program/isa/"]
        + FORMATS,
        [],
        ANY,
    ),
    "benchmarks/crossbar_resident.cc": (
        PUBLIC + ["common/", "benchmarks/crossbar_parts.h", "program/samples.h"],
        [],
        ANY,
    ),
    "tests/": ([""], ALL, ANY),
}

_INCLUDE = re.compile(
    r'^[ \t]*#[ \t]*include[ \t]*(?:"(?P<quoted>[^"\n]+)"|<(?P<angled>[^>\n]+)>)', re.M
)


def rule_of(path):
    """The prefix of TABLE that decides for a path, or None."""
    fitting = [prefix for prefix in TABLE if path == prefix or path.startswith(prefix)]
    return max(fitting, key=len) if fitting else None


def own_folder(prefix):
    """What a rule's code may include without being told so."""
    return [prefix] if prefix.endswith("/") and not prefix.startswith("include/acc") else []


def resolve(known, path, name):
    """The file of ours that an #include in `path` means, or None."""
    for base in (os.path.dirname(path), "", "include", "include/uapi"):
        candidate = os.path.normpath(os.path.join(base, name))
        if candidate in known:
            return candidate
    return None


def library_of(name):
    for library, pattern in LIBRARIES.items():
        if re.match(pattern, name):
            return library
    return None


def covers(entry, path):
    """Whether an entry of the table (a folder, a file, or "" for all) means `path`."""
    return path == entry or ((entry == "" or entry.endswith("/")) and path.startswith(entry))


def judge(known, path, name, quoted):
    """Why `path` may not include `name`, or None."""
    prefix = rule_of(path)
    ours, libraries, system = TABLE[prefix]
    target = resolve(known, path, name)
    if target is not None:
        allowed = own_folder(prefix) + ours
        if any(covers(entry, target) for entry in allowed):
            return None
        return f"{prefix} may include {', '.join(allowed)} of ours; found {target}"
    library = library_of(name)
    if library is not None:
        if library in libraries:
            return None
        return f"{prefix} may use {', '.join(libraries) or 'no library'}; found {library} ({name})"
    if not re.fullmatch(system, name):
        return f"{prefix} may include system headers {system}; found {name}"
    if quoted and name != "drm.h":
        return f"expected a file of the tree in quotes; found none for {name}"
    return None


def check(root):
    """A list of "file:line: reason"."""
    known = set(tree.files(root))
    problems = []
    for path in sorted(known):
        if not path.endswith(tree.C_SUFFIXES):
            continue
        if rule_of(path) is None:
            problems.append(f"{path}:1: no rule in the table says what it may include")
            continue
        text = tree.without_comments(tree.read(root, path) or "")
        for match in _INCLUDE.finditer(text):
            name = match.group("quoted") or match.group("angled")
            reason = judge(known, path, name, match.group("quoted") is not None)
            if reason:
                line = text.count("\n", 0, match.start()) + 1
                problems.append(f"{path}:{line}: {reason}")
    return problems


if __name__ == "__main__":
    found = check(sys.argv[1])
    print("\n".join(found) if found else "every #include is in the table")
    sys.exit(1 if found else 0)
