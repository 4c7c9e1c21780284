#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that clang made of target regions, in regions of an FPGA: what they print is what they
print on clang's own plugin for the host. Versions that can't be had are skipped."""

import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
import llvm
from daemon import Daemon
from gcc_test import FPGA, HERE, RIGHT, Programs

# Of regions.c: checked by themselves. Of clang_regions.c: the same output from the host's plugin.
# A mapper leaves something mapped in clang's: nothing comes after.
COMPARED = ["globals", "addresses", "schedules", "constructs", "nested", "tasks", "reductions",
            "many_arguments", "mappers"]


def cache():
    """Shared by all builds of this tree."""
    return os.path.dirname(os.path.abspath(harness.options.build))


class Versions(Programs):
    """The cases; subclasses say of which version."""

    version = 0

    @classmethod
    def setUpClass(cls):
        harness.needs_region_process()
        try:
            cls.llvm = llvm.find(cls.version, cache())
        except llvm.Missing as error:
            raise unittest.SkipTest(str(error)) from error
        cls.folder = tempfile.mkdtemp(prefix="acc-openmp-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.make("libregions.so", "library.c", "-shared", "-fPIC")
        cls.make("regions", "regions.c", cls.path("libregions.so"))
        cls.make("clang_regions", "clang_regions.c")

    @classmethod
    def make(cls, name, source, *options):
        cls.llvm.compile(os.path.join(HERE, source), cls.path(name), *options,
                         f"-Wl,-rpath,{cls.folder}")

    def omp(self, name, *arguments, device=FPGA, environment=None, **more):
        return harness.accctl(*(["-d", device] if device else []), "omp", "run", "--quiet", "--",
                              self.path(name), *arguments,
                              environment={**self.llvm.environment(), **(environment or {})}, **more)

    def host(self, name, *arguments):
        """On the plugin that clang brings."""
        return harness.run(self.path(name), *arguments, environment={
            **self.llvm.environment(), "OMP_TARGET_OFFLOAD": "MANDATORY",
            "KMP_WARNINGS": "0"})

    def assert_dies(self, case, *words, stdout="", **more):
        """By an error that names the region."""
        result = self.omp("regions", case, **more)
        self.assertNotEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(result.stdout, stdout)
        self.assertRegex(result.stderr, r"acc: target region __omp_offloading_\w+_" + case +
                                        r"_l\d+(_debug__)? of regions: ")
        for word in words:
            self.assertIn(word, result.stderr)

    def test_results_are_right(self):
        self.assert_right("regions", RIGHT)

    def test_results_are_the_hosts(self):
        ours, hosts = self.omp("clang_regions", *COMPARED), self.host("clang_regions", *COMPARED)
        self.assertEqual((hosts.returncode, hosts.stderr), (0, ""))
        self.assertEqual((ours.returncode, ours.stdout, ours.stderr), (0, hosts.stdout, ""))
        self.assertEqual([line for line in ours.stdout.splitlines() if line.startswith("done ")],
                         [f"done {case}" for case in COMPARED])

    def test_printed_text_comes_out(self):
        result = self.omp("regions", "prints")
        self.assertEqual(result.stdout, "hello from a region\nand again\nhello from the host\n"
                                        "done prints\n")

    def test_faults_are_the_programs(self):
        with Daemon(harness.program("emulator", "accemud", "accemud"), "--engine",
                    "fpga:preset=fast") as daemon:
            self.assert_dies("segfault", "segmentation fault at 0x0", device=daemon.uri(0))
            self.assert_right("regions", ["maps"], device=daemon.uri(0))
        self.assert_dies("missing", "it called library_only, which a region does not have")
        self.assert_dies("aborts", "signal 6", stdout="before the end\n")
        self.assert_dies("later", "segmentation fault at 0x0")
        self.assert_dies("system_call", "ENGINE_ERROR")

    def test_images_are_taken_by_their_mark_or_all(self):
        source = self.path("mark.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <omp.h>\n#include <stdio.h>\n#include <unistd.h>\n"
                       "#ifdef MARK\n#include <acc/openmp.h>\n#endif\n"
                       "int main(void) { int pid = 0;\n#pragma omp target map(from:pid)\n"
                       "pid = getpid();\nputs(pid == getpid() ? \"host\" : \"device\"); }\n")
        self.make("marked", source, "-DMARK", f"-I{os.path.join(harness.SOURCE, 'include')}",
                  f"-I{os.path.join(harness.SOURCE, 'include', 'uapi')}", "-I/usr/include/libdrm")
        self.make("plain", source)
        for name, device, policy, where in [("marked", None, "DEFAULT", "device"),
                                            ("plain", None, "DEFAULT", "host"),
                                            ("plain", None, "MANDATORY", "device"),
                                            ("plain", FPGA, "DEFAULT", "device"),
                                            ("plain", FPGA, "DISABLED", "host")]:
            with self.subTest(name=name, device=device, policy=policy):
                result = self.omp(name, device=device, environment={"OMP_TARGET_OFFLOAD": policy})
                self.assertEqual((result.stdout, result.stderr), (f"{where}\n", ""))

    def test_unified_shared_memory_is_for_others(self):
        """No region has it: clang's own plugin, if there is one, runs the program."""
        source = self.path("unified.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <stdio.h>\n#include <stdlib.h>\n"
                       "#pragma omp requires unified_shared_memory\n"
                       "int main(void) { int *a = malloc(sizeof *a);\n#pragma omp target\n*a = 5;\n"
                       "printf(\"%d\\n\", *a); }\n")
        self.make("unified", source)
        result = self.omp("unified", environment={"OMP_TARGET_OFFLOAD": "DEFAULT"})
        self.assertEqual((result.returncode, result.stdout), (0, "5\n"))
        self.assertEqual(result.stderr.count("requires unified shared memory, which regions of an "
                                             "FPGA do not have"), 1, result.stderr)

    def test_without_a_device(self):
        result = self.omp("regions", "structs", device="unix:/nonexistent#0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("acc: OMP_TARGET_OFFLOAD is MANDATORY, but there is no device: fpga: ",
                      result.stderr)


class Clang14(Versions, harness.Case):
    version = 14


class Clang16(Versions, harness.Case):
    version = 16


class Clang19(Versions, harness.Case):
    """By the library that is preloaded, which does the mapping itself."""

    version = 19

    def test_mappings_that_can_not_be(self):
        source = self.path("bad.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <stdlib.h>\nint a[8];\nint main(int argc, char **argv) {\n"
                       "(void)argv; int *p = a;\nif (argc == 1) {\n"
                       "#pragma omp target data map(p[0:4])\n#pragma omp target map(p[0:8])\np[7] = 1;\n"
                       "} else {\n#pragma omp target map(present, tofrom: p[0:8])\np[7] = 1;\n}}\n")
        self.make("bad", source)
        for arguments, text in [([], r"expected memory that is mapped as a whole or not at all; found 32 "
                                     r"bytes at 0x\w+, of which 16 are mapped"),
                                (["2"], r"expected 32 bytes at 0x\w+ to be mapped \(present\); found "
                                        r"them not")]:
            result = self.omp("bad", *arguments)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertRegex(result.stderr, "^acc: " + text)


if __name__ == "__main__":
    sys.exit(harness.main())
