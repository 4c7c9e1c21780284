#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that gcc made of target regions, unmodified, in regions of an FPGA: as PIE and at fixed
addresses, with regions in a shared library, in process and on a daemon; and what is their fault."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
from daemon import Daemon

HERE = os.path.dirname(os.path.abspath(__file__))
GCC = os.environ.get("ACC_TEST_GCC") or shutil.which("gcc-12") or shutil.which("gcc")
RIGHT = ["empty", "maps", "reduction", "structs", "pointers", "tasks", "memory", "calls", "threads",
         "library"]
# Of constructs.c.
CONSTRUCTS = ["globals", "links", "task_reductions", "doacross", "detached", "allocators", "scans",
              "loops", "associated", "lifetimes", "limits", "cancellations"]
# Loads that cost nothing: not what is under test.
FPGA = "inproc:fpga:preset=fast"
# As a card of a virtual machine: regions work on copies of memory.
STAGED = FPGA + ",staged=1"


def reason_to_skip():
    if not GCC:
        return "no gcc"
    version = subprocess.run([GCC, "-dumpversion"], capture_output=True, text=True, check=False)
    if version.returncode or version.stdout.split(".")[0].strip() != "12":
        return f"{GCC} is not of version 12, whose plugins this is one of"
    with tempfile.NamedTemporaryFile(suffix=".c") as source:
        made = subprocess.run([GCC, "-fopenmp", "-shared", "-o", "/dev/null", source.name],
                              capture_output=True, check=False)
    if made.returncode:
        return "gcc has no OpenMP (libgomp)"
    return None


class Programs:
    """What the programs of every compiler have in common: they are in `cls.folder`."""

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    def assert_right(self, name, cases, **more):
        """In one process: each says that it is done."""
        result = self.omp(name, *cases, **more)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "".join(f"done {case}\n" for case in cases), ""))

    def test_on_memory_that_is_copied(self):
        self.assert_right("regions", ["maps", "reduction", "tasks", "library"], device=STAGED)

    def test_constructs(self):
        """What of the language is neither a loop nor a map."""
        self.make("constructs", "constructs.c")
        self.assert_right("constructs", CONSTRUCTS)
        self.assert_right("constructs", ["cancellations"], environment={"OMP_CANCELLATION": "true"})


class Gcc(Programs, harness.Case):
    @classmethod
    def setUpClass(cls):
        harness.needs_region_process()
        reason = reason_to_skip()
        if reason:
            raise unittest.SkipTest(reason)
        cls.folder = tempfile.mkdtemp(prefix="acc-openmp-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.make("libregions.so", "library.c", "-shared", "-fPIC")
        cls.make("regions", "regions.c", "-pie", "-fPIE", cls.path("libregions.so"))

    @classmethod
    def make(cls, name, source, *options):
        subprocess.run([GCC, "-O2", "-g", "-Wall", "-Wextra", "-fopenmp", "-foffload=disable",
                        os.path.join(HERE, source), "-o", cls.path(name), *options,
                        f"-Wl,-rpath,{cls.folder}"], check=True)

    def omp(self, name, *arguments, device=FPGA, **more):
        return harness.accctl("-d", device, "omp", "run", "--quiet", "--", self.path(name),
                              *arguments, **more)

    def assert_dies(self, case, *words, stdout="", **more):
        """By an error of libgomp's that names the region."""
        result = self.omp("regions", case, **more)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertEqual(result.stdout, stdout)
        self.assertRegex(result.stderr, rf"libgomp: target region {case}\._omp_fn\.\d+ of regions: ")
        for word in words:
            self.assertIn(word, result.stderr)

    def test_results_are_right(self):
        self.assert_right("regions", RIGHT)

    def test_at_fixed_addresses(self):
        self.make("fixed", "regions.c", "-no-pie", "-fno-pie", self.path("libregions.so"))
        self.assert_right("fixed", ["empty", "reduction", "calls", "library"])

    def test_without_optimisation(self):
        self.make("plain", "regions.c", "-O0", self.path("libregions.so"))
        self.assert_right("plain", ["maps", "structs", "tasks"])

    def test_of_a_daemon(self):
        daemon_path = harness.program("emulator", "accemud", "accemud")
        if not os.path.exists(daemon_path):
            self.skipTest("accemud is not built")
        with Daemon(daemon_path, "--engine", "fpga:preset=fast") as daemon:
            self.assert_right("regions", ["empty", "reduction", "tasks", "memory"],
                              device=daemon.uri(0))
            # A program's fault is its own: the next one doesn't notice.
            self.assert_dies("segfault", "segmentation fault", device=daemon.uri(0))
            self.assert_right("regions", ["maps"], device=daemon.uri(0))

    def test_printed_text_comes_out(self):
        result = self.omp("regions", "prints")
        self.assertEqual(result.stdout, "hello from a region\nand again\nhello from the host\n"
                                        "done prints\n")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_faults_are_the_programs(self):
        self.assert_dies("segfault", "the role crashed: segmentation fault at 0x0")
        self.assert_dies("host_pointer", "the role crashed: segmentation fault at 0x")
        self.assert_dies("missing", "it called library_only, which a region does not have")
        self.assert_dies("aborts", "signal 6", stdout="before the end\n")
        self.assert_dies("later", "the role crashed: segmentation fault at 0x0")
        self.assert_dies("system_call", "ENGINE_ERROR")
        # What was printed before comes out of copies, too.
        self.assert_dies("aborts", "signal 6", stdout="before the end\n", device=STAGED)

    def test_thread_local_variables(self):
        """Those that a region doesn't use are nobody's business. A library's each thread of a region
        has; a program's are refused by the name of what uses them."""
        with open(self.path("mine.c"), "w", encoding="utf-8") as file:
            file.write("_Thread_local int mine = 3, zeros[2];\n"
                       "int count_up(void) { return mine++ + ++zeros[1]; }\n")
        with open(self.path("tls.c"), "w", encoding="utf-8") as file:
            file.write("#include <omp.h>\n#include <stdio.h>\n"
                       "extern _Thread_local int mine; int count_up(void);\n"
                       "void run(int use) { int seen[2] = {0};\nmine = 50;\n"
                       "#pragma omp target map(tofrom : seen)\nseen[0] = 1;\nif (use) {\n"
                       "#pragma omp target map(tofrom : seen)\n#pragma omp parallel num_threads(2)\n"
                       "{ count_up(); seen[omp_get_thread_num()] = count_up(); }\n}\n"
                       'printf("%d %d %d\\n", seen[0], seen[1], mine); }\n')
        with open(self.path("run.c"), "w", encoding="utf-8") as file:
            file.write("void run(int use);\n"
                       "int main(int argc, char **argv) { (void)argv; run(argc > 1); return 0; }\n")
        self.make("librun.so", self.path("tls.c"), self.path("mine.c"), "-shared", "-fPIC")
        self.make("theirs", self.path("run.c"), self.path("librun.so"))
        self.make("own", self.path("run.c"), self.path("tls.c"), self.path("mine.c"))
        for name in ("theirs", "own"):
            result = self.omp(name)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "1 0 50\n", ""))
        result = self.omp("theirs", "use")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "6 6 50\n", ""))
        result = self.omp("own", "use")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, r"target region run\._omp_fn\.\d of own: expected no use of the "
                                        r"program's thread-local variables; found one in count_up")

    def test_functions_chosen_at_load_time_are_refused(self):
        with open(self.path("ifunc.c"), "w", encoding="utf-8") as file:
            file.write('__attribute__((target_clones("avx2","default"))) int f(int x)\n'
                       "{ return x + 1; }\n"
                       "int main(void) { int x = 0;\n#pragma omp target map(tofrom:x)\n"
                       "x = f(x);\nreturn x; }\n")
        self.make("ifunc", self.path("ifunc.c"))
        result = self.omp("ifunc")
        self.assertEqual(result.returncode, 1)
        self.assertIn("of ifunc: INVALID_KERNARG: expected no IFUNC; found an IRELATIVE relocation",
                      result.stderr)

    def test_without_a_device(self):
        result = self.omp("regions", "empty", device="unix:/nonexistent#0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("libgomp: OMP_TARGET_OFFLOAD is MANDATORY, but there is no device: fpga: ",
                      result.stderr)
        result = self.omp("regions", "structs", device="unix:/nonexistent#0",
                          environment={"OMP_TARGET_OFFLOAD": "DEFAULT"})
        self.assertEqual((result.returncode, result.stdout), (0, "done structs\n"))
        self.assertIn("[openmp] no device: fpga: ", result.stderr)


class Crossbar(harness.Case):
    """acc/openmp.h: loops and tasks that call the device, by each compiler that is here."""

    def test_loops_and_tasks_call_it(self):
        harness.needs_region_process()
        compilers = {"gcc": [GCC], "clang": ["clang-14", "-L/usr/lib/llvm-14/lib",
                                             "-Wl,-rpath,/usr/lib/llvm-14/lib"]}
        library = harness.program("libacc")
        include = os.path.join(harness.SOURCE, "include")
        with tempfile.TemporaryDirectory() as folder:
            image = os.path.join(folder, "gemm.accx")
            subprocess.run([harness.program("tools", "mkimage", "mkimage"), "gemm", image], check=True)
            tried = 0
            for name, compiler in compilers.items():
                for wanted in (0, 1):
                    path = os.path.join(folder, f"{name}{wanted}")
                    made = subprocess.run(
                        [*compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-fopenmp",
                         f"-DUSE_CROSSBAR={wanted}", os.path.join(HERE, "crossbar.c"), "-o", path,
                         f"-I{harness.SOURCE}", f"-I{include}", f"-I{include}/uapi",
                         "-I/usr/include/libdrm", f"-L{library}", "-lacc", f"-Wl,-rpath,{library}"],
                        capture_output=True, text=True, check=False) if shutil.which(
                            compiler[0] or "") else None
                    if not made or ("omp.h" in made.stderr and "not found" in made.stderr):
                        continue
                    self.assertEqual((made.returncode, made.stderr), (0, ""))
                    with self.subTest(name, wanted=wanted):
                        result = harness.run(path, image, environment={"ACC_DEVICE": "inproc:crossbar"})
                        self.assertEqual(result.stdout,
                                         f"loop: 0 wrong, {24 * wanted} of 24 products on the crossbar, "
                                         "0 errors\ntasks: 0 wrong, sums right, 0 errors\n",
                                         result.stderr)
                        tried += 1
            if not tried:
                self.skipTest("no compiler with OpenMP")


class Command(harness.Case):
    def setUp(self):
        harness.needs_region_process()

    def test_says_what_it_sets(self):
        result = harness.accctl("-d", "inproc:fpga", "omp", "run", "--", "printenv", "ACC_DEVICE",
                                "OMP_TARGET_OFFLOAD", environment={"LD_LIBRARY_PATH": "/nowhere"})
        self.assertEqual(result.stdout, "inproc:fpga\nMANDATORY\n")
        self.assertRegex(result.stderr, r"^accctl: LD_LIBRARY_PATH=/.*:/nowhere\n"
                                        r"accctl: LD_PRELOAD=/.*/libacc-omptarget.so\n"
                                        r"accctl: ACC_DEVICE=inproc:fpga\n"
                                        r"accctl: OMP_TARGET_OFFLOAD=MANDATORY\n$")

    def test_keeps_what_is_said_of_offloading(self):
        result = harness.accctl("omp", "run", "-q", "--", "printenv", "OMP_TARGET_OFFLOAD",
                                environment={"OMP_TARGET_OFFLOAD": "DEFAULT"})
        self.assertEqual((result.stdout, result.stderr), ("DEFAULT\n", ""))

    def test_refusals(self):
        self.assert_refuses(harness.accctl("omp", "run", "-q", "--", "/no/such/program"),
                            "/no/such/program: No such file")
        self.assert_refuses(harness.accctl("omp", "run", "--plugins", "/nowhere", "--", "true"),
                            "expected libgomp-plugin-gcn.so.1 in /nowhere; found none")
        self.assert_refuses(harness.accctl("omp", "run"), "command is required", code=2)


if __name__ == "__main__":
    sys.exit(harness.main())
