#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The recorded table notices what it should: headers are changed in a copy of the tree."""

import os
import shutil
import sys
import tempfile
import unittest

import layout

ROOT, CFLAGS = sys.argv[1], sys.argv[2]
HEADER = "include/acc/abi.h"


@unittest.skipUnless(shutil.which("clang"), "clang is not installed")
class Layout(unittest.TestCase):
    def said(self, old, new):
        """What is said when `old` becomes `new` in one header."""
        with tempfile.TemporaryDirectory() as root:
            shutil.copytree(os.path.join(ROOT, "include"), os.path.join(root, "include"))
            flags = layout.include_flags(root, CFLAGS)
            before = layout.current_table(root, "cc", flags)
            with open(os.path.join(root, HEADER), encoding="utf-8") as file:
                text = file.read()
            self.assertIn(old, text)
            with open(os.path.join(root, HEADER), "w", encoding="utf-8") as file:
                file.write(text.replace(old, new, 1))
            return layout.compare(before, layout.current_table(root, "cc", flags))

    def test_a_comment_is_no_change(self):
        self.assertEqual(self.said("struct acc_dispatch_packet {", "struct acc_dispatch_packet { /* */"), [])

    def test_a_changed_constant(self):
        said = self.said("ACC_STATUS_TIMEOUT = 11", "ACC_STATUS_TIMEOUT = 111")
        self.assertIn("changed", said[0])
        self.assertIn("- constant ACC_STATUS_TIMEOUT 11", said)

    def test_a_renamed_member(self):
        said = self.said("acc_u64 generation;", "acc_u64 resets;")
        self.assertIn("changed", said[0])
        self.assertIn("- member struct acc_status_page.generation 8 8", said)
        self.assertIn("+ member struct acc_status_page.resets 8 8", said)

    def test_a_new_constant_is_growth(self):
        said = self.said("#define ACC_PACKET_BYTES 64", "#define ACC_PACKET_BYTES 64\n#define ACC_NEW 1")
        self.assertIn("grew", said[0])
        self.assertEqual(said[1:], ["+ constant ACC_NEW 1"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
