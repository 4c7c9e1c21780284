#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lint tests find what they should: each rule is broken once, in a tree made here."""

import os
import tempfile
import unittest

import check_files
import check_includes

LINE = "// SPDX-License-Identifier: MIT\n"
HEADERS = {
    "include/uapi/drm/acc_drm.h": '#include "drm.h"\n',
    "include/acc/abi.h": "#include <linux/types.h>\n",
    "include/acc/regs.h": '#include "acc/abi.h"\n',
    "include/acc/check.h": '#include <drm/acc_drm.h>\n#include "acc/regs.h"\n',
    "include/acc/program.h": '#include "acc/abi.h"\n',
    "include/acc/kernels.h": '#include "acc/abi.h"\n',
    "include/acc/acc.h": '#include "acc/abi.h"\n',
    "include/acc/acc.hpp": '#include <memory>\n#include "acc/acc.h"\n',
    "common/result.h": "#include <expected>\n",
    "program/reader.h": '#include "common/result.h"\n#include "acc/program.h"\n',
    "emulator/emulator.h": '#include "common/result.h"\n',
    "emulator/device.h": "",
    "libacc/queue.h": '#include "acc/acc.h"\n',
    "tools/accc/ir.h": "",
}


def make(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


class Includes(unittest.TestCase):
    def problems(self, path, line):
        with tempfile.TemporaryDirectory() as root:
            make(root, {**HEADERS, path: line + "\n"})
            return check_includes.check(root)

    def test_accepts_the_headers_themselves(self):
        self.assertEqual(self.problems("common/empty.h", ""), [])

    def test_accepts(self):
        for path, line in (
            ("emulator/device.cc", '#include "emulator/device.h"'),
            ("emulator/crossbar/engine.cc", '#include "../device.h"'),
            ("emulator/log.cc", "#include <spdlog/spdlog.h>"),
            ("libacc/transport_inproc.cc", '#include "emulator/emulator.h"'),
            ("libacc/transport_node.cc", "#include <xf86drm.h>"),
            ("libacc/api.cc", '#include "queue.h"'),
            ("libacc/interop/opencl/icd.cc", '#include <acc/acc.h>'),
            ("tools/accc/import.cc", "#include <onnx/onnx_pb.h>"),
            ("tools/accctl/main.cc", '#include "acc/program.h"'),
            ("tests/unit/queue.cc", '#include "emulator/device.h"'),
            ("examples/gemm.c", "#include <acc/acc.h>"),
            ("kernel_driver/acc_drv.c", "#include <linux/module.h>"),
            ("libacc/a.cc", '// #include "emulator/device.h"'),
        ):
            self.assertEqual(self.problems(path, line), [], f"{path}: {line}")

    def test_refuses(self):
        for path, line in (
            ("include/acc/regs.h", '#include "acc/acc.h"'),
            ("include/acc/abi.h", "#include <vector>"),
            ("include/acc/acc.h", '#include "common/result.h"'),
            ("include/uapi/drm/acc_drm.h", '#include "acc/abi.h"'),
            ("kernel_driver/acc_drv.c", '#include "acc/program.h"'),
            ("common/result2.h", '#include "libacc/queue.h"'),
            ("program/reader.cc", '#include "emulator/emulator.h"'),
            ("program/reader.cc", "#include <spdlog/spdlog.h>"),
            ("emulator/device.cc", '#include "libacc/queue.h"'),
            ("emulator/device.cc", '#include "../libacc/queue.h"'),
            ("emulator/device.cc", '#include "acc/acc.h"'),
            ("emulator/device.cc", "#  include <onnx/onnx_pb.h>"),
            ("libacc/queue.cc", '#include "emulator/emulator.h"'),
            ("libacc/transport_inproc.cc", '#include "emulator/device.h"'),
            ("libacc/queue.cc", '#include "tools/accc/ir.h"'),
            ("libacc/interop/opencl/icd.cc", '#include "libacc/queue.h"'),
            ("libacc/interop/opencl/icd.cc", '#include <drm/acc_drm.h>'),
            ("tools/accctl/main.cc", '#include "libacc/queue.h"'),
            ("tools/accctl/main.cc", '#include "program/reader.h"'),
            ("tools/accc/emit.cc", '#include "libacc/queue.h"'),
            ("tools/accc/emit.cc", '#include "acc/acc.h"'),
            ("examples/gemm.c", '#include "emulator/emulator.h"'),
            ("examples/gemm.c", '#include "common/result.h"'),
            ("examples/digits/demo.cc", '#include "common/result.h"'),
            ("examples/gemm.c", '#include "no_such_file.h"'),
            ("newroom/a.cc", "#include <vector>"),
        ):
            self.assertEqual(len(self.problems(path, line)), 1, f"{path}: {line}")

    def test_names_file_and_line(self):
        (problem,) = self.problems("emulator/a.cc", '/* two\nlines */\n#include "libacc/queue.h"')
        self.assertTrue(problem.startswith("emulator/a.cc:3:"), problem)
        self.assertIn("libacc/queue.h", problem)


class Files(unittest.TestCase):
    def check(self, path, text, more=None):
        with tempfile.TemporaryDirectory() as root:
            make(root, {path: text, **(more or {})})
            return check_files.check(root)

    def refuses(self, path, text, expected, more=None):
        problems, _ = self.check(path, text, more)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(expected, problems[0])

    def test_licences(self):
        self.assertEqual(self.check("libacc/a.cc", LINE), ([], []))
        uapi = "/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */\n"
        self.assertEqual(self.check("include/uapi/drm/acc_drm.h", uapi), ([], []))
        self.refuses("libacc/a.cc", "int a;\n", "found none")
        self.refuses("include/acc/abi.h", LINE, "expected licence GPL-2.0-only OR MIT")
        self.refuses("kernel_driver/a.c", LINE, "expected licence GPL-2.0-only")

    def test_machine_paths(self):
        self.refuses("docs/a.md", "see /wo" "rk/main\n", "docs/a.md:1")
        self.refuses("docs/a.md", "\n/ho" "me/me/x\n", "docs/a.md:2")
        self.assertEqual(self.check("docs/a.md", "the net/wo" "rk/layer\n"), ([], []))

    def test_length(self):
        long = LINE + "\n" * 500
        too_long = LINE + "\n" * 600
        allow = {check_files.ALLOWED_LONG: "libacc/a.cc: one table\n"}
        problems, warnings = self.check("libacc/a.cc", long)
        self.assertEqual((problems, len(warnings)), ([], 1))
        self.refuses("libacc/a.cc", too_long, "601 lines")
        self.assertEqual(self.check("libacc/a.cc", too_long, allow), ([], []))
        self.refuses("libacc/a.cc", LINE, "need no entry", allow)
        no_reason = {check_files.ALLOWED_LONG: "libacc/a.cc:\n"}
        self.refuses("libacc/a.cc", too_long, "601 lines", no_reason)
        self.refuses("libacc/b.cc", LINE, "no such file", allow)

    def test_habits(self):
        self.refuses("libacc/a.cc", LINE + "throw 1;\n", "libacc/a.cc:2: nothing of ours throws")
        self.refuses("emulator/a.cc", LINE + "volatile int a;\n", "no memory model")
        self.refuses("tools/a.cc", LINE + 'getenv("ACC_OTHER");\n', "found ACC_OTHER")
        self.refuses("tools/a.cc", LINE + "getenv(name);\n", "found another")
        fine = 'getenv("ACC_LOG"); // throw\nasm volatile("pause");\nlog("volatile throw");\nthrow;\n'
        self.assertEqual(self.check("libacc/a.cc", LINE + fine), ([], []))


if __name__ == "__main__":
    unittest.main()
