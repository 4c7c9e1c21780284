#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""accasm: a program there and back, and what it refuses."""

import os
import sys
import tempfile

import harness
from harness import accctl


class Assembly(harness.Case):
    TEXT = """.program doubling
.arch tiny
.matrix 0, 0, 0, 2, 2
    8192, 0
    0, 8192
.kernel main
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
    load in0, [0], 2
    mvm 1
    store [16], out0, 2
    hlt
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.text, self.program, self.again = (
            os.path.join(folder.name, name) for name in ("d.s", "d.accx", "again.accx"))
        with open(self.text, "w", encoding="utf-8") as file:
            file.write(self.TEXT)

    def accasm(self, *words):
        return harness.run(harness.program("tools", "accasm", "accasm"), *words)

    def test_there_and_back(self):
        self.assert_ok(self.accasm(self.text, "-o", self.program))
        shown = self.json_of(accctl("-j", "program", "show", self.program))
        (target,) = shown["targets"]
        self.assertEqual(target["kernels"][0]["name"], "main")
        self.assertEqual(target["matrices"], [{"program": 0, "streams": 1, "ports": 2}])
        self.assertEqual(target["programs"][0]["matrices"], 1)
        text = accctl("program", "show", self.program)
        self.assert_ok(text)
        self.assertIn("1 streams, 2 ports, 1 MVM units in 1 tiles", text.stdout)
        back = self.accasm("-d", "--weights", self.program)
        self.assert_ok(back)
        self.assertIn("mvm 1", back.stdout)
        with open(self.text, "w", encoding="utf-8") as file:
            file.write(back.stdout)
        self.assert_ok(self.accasm(self.text, "--arch", "tiny", "-o", self.again))
        self.assertEqual(*(open(path, "rb").read() for path in (self.program, self.again)))
        # It has no matrices of its own to draw.
        self.assert_refuses(accctl("-d", "inproc:crossbar:arch=tiny", "tile", "picture", self.program),
                            "expected matrices")

    def test_refusals(self):
        with open(self.text, "a", encoding="utf-8") as file:
            file.write("    nonsense 1\n")
        self.assert_refuses(self.accasm(self.text, "-o", self.program), "d.s:14", "nonsense")
        self.assert_refuses(self.accasm(self.text), "expected -o FILE", code=2)
        self.assert_refuses(self.accasm("-d", self.text), "d.s")
        self.assert_refuses(self.accasm("/nowhere.s", "-o", self.program), "/nowhere.s")
        digits = harness.program("examples", "digits.accx")
        self.assert_refuses(self.accasm("-d", digits), "digits.accx")


if __name__ == "__main__":
    sys.exit(harness.main())
