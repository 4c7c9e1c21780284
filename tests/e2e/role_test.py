#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""accctl role: what a user meets between a folder of Verilog and a dispatch of it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import accctl


class Role(harness.Case):
    """With the design that docs/roles.md shows first."""

    def setUp(self):
        self.built = harness.program("tests", "unit", "fpga")
        if not os.path.exists(os.path.join(self.built, "roles.stamp")):
            self.skipTest("no designs in this build: there is no verilator")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.design = os.path.join(self.folder, "adder")
        shutil.copytree(os.path.join(self.built, "adder"), self.design)
        self.keys = os.path.join(self.built, "keys")
        self.key = os.path.join(self.built, "test.key")
        self.file = os.path.join(self.folder, "adder.accx")

    def edit(self, name, old, new):
        """Replaces a text of a file of the design; the number of its line."""
        path = os.path.join(self.design, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))
        return text[: text.index(old)].count("\n") + 1

    def build(self, *words):
        return accctl("role", "build", self.design, "--key", self.key, "--output", self.file,
                      "--cache", os.path.join(self.built, "cache"), *words)

    def copy(self):
        shutil.copy(os.path.join(self.built, "adder.accx"), self.file)

    def test_warnings_are_shown_and_a_dispatch_is_traced(self):
        harness.needs_region_process()
        line = self.edit("adder.sv", "s_tdata + 1", "s_tdata + 40'd1")
        result = self.build("--trace")
        self.assertEqual(result.returncode, 0, result.stderr)
        where = os.path.join(self.design, "adder.sv")
        self.assertRegex(result.stderr, rf"(?m)^%Warning-WIDTH: {re.escape(where)}:{line}:\d+: ")
        waves = os.path.join(self.folder, "adder.vcd")
        client = subprocess.run(
            [harness.program("benchmarks", "acc-bench-fpga-client"),
             f"inproc:fpga:preset=fast,keys={self.keys},trace={waves}", "1", "1", "100", "0",
             self.file + ":adder"],
            input="0\n", capture_output=True, text=True, check=False, timeout=harness.TIMEOUT,
        )
        self.assertEqual(client.returncode, 0, client.stderr)
        with open(waves, encoding="ascii") as file:
            header, changes = file.read().split("$enddefinitions $end", 1)
        names = set(re.findall(r"\$var +wire +\d+ +\S+ +(\w+)", header))
        self.assertLessEqual({"clk", "rst_n", "s_tvalid", "m_tready"}, names)
        # A hundred tokens, an edge each way for each of them.
        times = [int(time) for time in re.findall(r"(?m)^#(\d+)$", changes)]
        self.assertGreater(len(times), 200)
        self.assertEqual(times, sorted(times))

    def test_an_error_is_shown_and_refuses(self):
        line = self.edit("adder.sv", "assign m_tdata", "asign m_tdata")
        result = self.build()
        self.assertEqual(result.returncode, 1)
        where = os.path.join(self.design, "adder.sv")
        self.assertRegex(result.stderr, rf"(?m)^%Error: {re.escape(where)}:{line}:\d+: syntax error")
        self.assertIn("verilator refused the design", result.stderr)
        self.assertFalse(os.path.exists(self.file))

    def test_a_manifest_is_refused_by_line(self):
        for old, new, expected in (
            ('direction = "in"', 'direction = "up"', 'expected "in" or "out"; found "up"'),
            ("luts = 500", "lots = 500", "lots"),
            ("luts = 500", "luts = 0", "found 0"),
            ("luts = 500", "class = 3", "found 3"),
            ('count = "count"', 'count = "tally"', "expected an [[argument]] 'tally'; found none"),
        ):
            with self.subTest(new):
                self.edit("role.toml", old, new)
                self.assert_refuses(self.build(), "role.toml:", "expected", expected)
                self.edit("role.toml", new, old)

    def test_show(self):
        self.copy()
        role = self.json_of(accctl("--json", "role", "show", self.file, "--keys", self.keys))
        self.assertEqual((role["role"], role["luts"], role["dsps"], role["class"]), ("adder", 500, 0, 0))
        self.assertTrue(role["signed"] and role["good"] and role["trusted"])
        text = accctl("role", "show", self.file, "--keys", self.keys)
        self.assert_ok(text)
        self.assertIn("500 LUTs, 0 FFs, 0 BRAMs, 0 DSPs", text.stdout)

    def test_who_is_trusted(self):
        self.copy()
        others = os.path.join(self.folder, "others")
        os.mkdir(others, 0o755)
        self.assert_ok(accctl("role", "key", os.path.join(others, "other")))
        device = f"inproc:fpga:keys={others}"
        for signed in (False, True):
            verified = accctl("role", "verify", self.file, "--keys", others)
            loaded = accctl("-d", device, "region", "load", self.file, "--seconds", "0")
            if signed:
                self.assert_ok(verified)
                self.assert_ok(loaded)
                continue
            self.assertEqual(verified.returncode, 1)
            self.assertIn("not trusted", verified.stdout)
            self.assert_refuses(loaded, "expected a key that is trusted", "found")
            self.assert_ok(accctl("role", "sign", self.file, "--key", os.path.join(others, "other.key")))
        with open(self.file, "r+b") as file:
            file.seek(-3000, os.SEEK_END)
            byte = file.read(1)[0]
            file.seek(-3000, os.SEEK_END)
            file.write(bytes([byte ^ 1]))
        self.assertEqual(accctl("role", "verify", self.file, "--keys", others).returncode, 1)

    def test_what_a_region_has_and_a_role_takes(self):
        self.copy()
        service = ("-d", f"inproc:fpga:keys={self.keys},regions=2,big=1,size=499/9/9/9")
        self.assert_ok(accctl(*service, "region", "load", self.file, "--seconds", "0"))
        small = ("-d", f"inproc:fpga:keys={self.keys},size=499/9/9/9")
        self.assert_refuses(accctl(*small, "region", "load", self.file, "--seconds", "0"),
                            "expected at most 499 LUTs of a region; found 500")
        region = self.json_of(accctl("--json", *service, "region", "show", "0"))
        self.assertEqual(region["resources"], {"luts": 499, "ffs": 9, "brams": 9, "dsps": 9})
        self.assertEqual(region["resources_used"], {"luts": 0, "ffs": 0, "brams": 0, "dsps": 0})
        text = accctl(*service, "region", "show", "1")
        self.assert_ok(text)
        self.assertRegex(text.stdout, r"(?m)^DSPs +750 +0$")


if __name__ == "__main__":
    sys.exit(harness.main())
