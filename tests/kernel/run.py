#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel driver in a virtual machine with emulated cards (docs/kernel.md).

Builds acc.ko for Debian's stock kernel, packs an initramfs, boots stock QEMU with one card of
each engine and runs the steps of steps.py. Each GoogleTest case and each check counts once; a
line "passed failed skipped label" goes to the tally. Exit status 77, and why, where the kernel's
or QEMU's packages can't be had."""

import argparse
import os
import shutil
import sys
import time
import traceback

import crowd
import debug_kernel
import lab
import steps
import vm

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ["tests/conformance/acc-conformance", "tests/kernel/acc-kernel-test", "examples/digits"]
TOOLS = ["tools/accctl/accctl", "benchmarks/acc-bench"]
DIGITS = ["test_images.npy", "test_labels.npy", "float_probabilities.npy"]
PACKAGED = ["qemu-system-x86_64", "depmod", "modinfo", "xz", "strip", "dpkg-deb"]


class Lab:
    """A kernel, our module for it, and an initramfs with our programs of one build."""

    def __init__(self, build, cache, kernel=None, udev=False, with_crowd=False):
        self.source, self.build, self.cache = SOURCE, os.path.abspath(build), cache
        self.udev = os.path.join(lab.tool(cache, "udev"), "bin", "udevadm") if udev else None
        self.with_crowd, self.crowd = with_crowd, []
        for name in PACKAGED:
            if not shutil.which(name):
                raise lab.Missing(f"expected the program {name}; found none")
        self.kernel = kernel or lab.Kernel(cache)
        self.work = os.path.join(self.kernel.root, "lab")
        self.accemud = self.program("emulator/accemud/accemud")
        module, *self.kunit = lab.build_module(self.kernel, SOURCE,
                                               os.path.join(self.work, "module"))
        self.modules = [*self.kernel.module_files(lab.NEEDED_MODULES), module]
        self.module_names = [os.path.basename(path).removesuffix(".xz") for path in self.modules]
        self.initrd = os.path.join(self.work, "initrd")
        self.pack()

    def path(self, name):
        return os.path.join(self.build, name)

    def program(self, name):
        path = self.path(name)
        if not os.path.exists(path):
            raise RuntimeError(f"expected {path} to be built; found none (./dev build)")
        return os.path.realpath(path)  # where its libraries are found from

    def pack(self):
        files = lab.Initramfs(os.path.join(self.work, "stripped"))
        for name in ("proc", "sys", "dev", "tmp", "root", "etc"):
            files.folder(name)
        files.text("init", vm.AGENT)
        files.text("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", 0o644)
        files.file("bin/busybox", shutil.which("busybox") or "/bin/busybox")
        for name in PROGRAMS:
            files.program(self.program(name))
        for name in TOOLS:
            if os.path.exists(self.path(name)):
                files.program(self.path(name))
        for source, name in zip(self.modules, self.module_names):
            files.module("modules/" + name, source)
        for source in self.kunit:
            files.module("modules/" + os.path.basename(source), source)
        if self.udev:
            files.text("etc/group", "root:x:0:\nrender:x:106:\n", 0o644)
            files.folder("run")
            files.program(self.udev)
            files.program(self.udev, "bin/systemd-udevd")  # its name says what it does
            files.file("lib/udev/rules.d/60-acc.rules",
                       os.path.join(SOURCE, "kernel_driver", "60-acc.rules"))
        for name in DIGITS:
            files.file("digits/" + name, os.path.join(SOURCE, "examples/digits", name))
        files.file("digits/digits.accx", self.program("examples/digits.accx"))
        if self.with_crowd:
            crowd.pack(self, files)
        files.write(self.initrd)

    def tool(self, package):
        return lab.tool(self.cache, package)

    def machine(self, specs, **more):
        return vm.Machine(self.accemud, specs, self.kernel.image, self.initrd, **more)


# (cards, steps) of each machine.
SHORT = [
    (["null", "crossbar", "fpga"], [
        steps.load, steps.kunit, steps.conformance(0), steps.kernel_tests(0, 1), steps.digits,
        steps.removal, steps.emulator_killed]),
]
FULL = [
    (["crossbar", "fpga", "null"], [
        steps.load, steps.kunit, steps.conformance(0), steps.conformance(1), steps.conformance(2),
        steps.kernel_tests(0, 1), steps.kernel_tests(1, 2), steps.kernel_tests(2, 0),
        steps.packaging, steps.dkms, steps.udev, steps.tools, steps.digits, steps.rmmod_refused,
        steps.device_reset, steps.stuck, steps.removal, steps.unload, steps.emulator_killed]),
    (crowd.CARDS, [steps.load, crowd.crowd]),
]
# The same and more on a kernel that checks itself. Leaks are looked for where modules are gone.
DEBUG = [
    (["crossbar", "fpga", "null"], [
        steps.load, steps.kunit, steps.leaks, steps.conformance(2), steps.conformance(0),
        steps.conformance(1), steps.kernel_tests(2, 0), steps.kernel_tests(0, 1), steps.leaks,
        steps.fail_nth, steps.leaks, steps.fuzz(600), steps.leaks, steps.device_reset, steps.stuck,
        steps.removal, steps.unload, steps.leaks, steps.emulator_killed, steps.leaks]),
]


def run_step(laboratory, machine, step):
    """Its cases, and one more if the kernel has complained meanwhile, or QEMU."""
    start = time.monotonic()
    try:
        cases = step(laboratory, machine)
    except vm.Gone as gone:
        cases = [steps.Case(step.__name__, "failed", str(gone))]
    trouble = machine.trouble()
    if trouble:
        cases.append(steps.Case(f"{step.__name__}: kernel log", "failed", trouble))
    blocked = machine.blocked()
    if blocked:
        cases.append(steps.Case(f"{step.__name__}: QEMU's log", "failed", blocked))
    count = {outcome: sum(case.outcome == outcome for case in cases)
             for outcome in ("passed", "failed", "skipped")}
    print(f"-- {step.__name__}: {count['passed']} passed, {count['failed']} failed, "
          f"{count['skipped']} skipped, {time.monotonic() - start:.0f} s", flush=True)
    for case in cases:
        if case.outcome == "failed":
            print(f"   FAILED {case.name}\n" + "\n".join(
                "      " + line for line in case.text.strip().splitlines()[-40:]), flush=True)
    return cases


def run_plan(laboratory, plan, only):
    cases = []
    for specs, todo in plan:
        todo = [step for step in todo if not only or step is steps.load
                or any(word in step.__name__ for word in only)]
        if todo in ([], [steps.load]) and only != ["load"]:
            continue
        with laboratory.machine(specs) as machine:
            print(f"-- booted with {', '.join(specs)}: {machine.boot_seconds:.1f} s", flush=True)
            for step in todo:
                cases += run_step(laboratory, machine, step)
                if machine.qemu.poll() is not None:
                    cases.append(steps.Case("the machine", "failed", "it ended"))
                    break
            if any(case.outcome == "failed" for case in cases):
                with open(os.path.join(laboratory.work, "console.log"), "w", encoding="utf-8") as file:
                    file.write(machine.console_text() + "\n--- accemud\n" + machine.cards.text())
                print(f"-- console and accemud's log: {file.name}")
    return cases


def shell(laboratory, specs, line):
    with laboratory.machine(specs) as machine:
        for case in steps.load(laboratory, machine):
            print(case.name, case.outcome, case.text)
        status, output = machine.run(line, 3600)
        print(output)
        print(machine.console_text()[-6000:])
        return status


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build/gcc")
    parser.add_argument("--cache", default="build/kernel")
    parser.add_argument("--tally", help="a line is appended here whatever happens")
    parser.add_argument("--label", default="kernel")
    parser.add_argument("--short", action="store_true", help="one machine, what ./dev test runs")
    parser.add_argument("--debug", action="store_true",
                        help="on a kernel with KASAN, lockdep, kmemleak and fault injection")
    parser.add_argument("--only", action="append", help="steps with this word in their name")
    parser.add_argument("--shell", help="boot, load, run this line, print what it says")
    parser.add_argument("--card", action="append", help="for --shell: the cards")
    options = parser.parse_args()
    cases = []
    try:
        kernel = debug_kernel.DebugKernel(options.cache) if options.debug else None
        laboratory = Lab(options.build, options.cache, kernel,
                         udev=not (options.debug or options.short or options.shell),
                         with_crowd=not (options.debug or options.short))
        if options.shell:
            return shell(laboratory, options.card or ["crossbar", "fpga", "null"], options.shell)
        plan = DEBUG if options.debug else SHORT if options.short else FULL
        cases = run_plan(laboratory, plan, options.only)
    except lab.Missing as missing:
        print(f"skipped: {missing}")
        cases = [steps.Case("kernel", "skipped", str(missing))]
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        cases.append(steps.Case("kernel", "failed", "the lab broke"))
    count = [sum(case.outcome == outcome for case in cases)
             for outcome in ("passed", "failed", "skipped")]
    if options.tally:
        with open(options.tally, "a", encoding="utf-8") as file:
            file.write(f"{count[0]} {count[1]} {count[2]} {options.label}\n")
    print(f"{count[0]} passed, {count[1]} failed, {count[2]} skipped")
    if count[1]:
        return 1
    return lab.SKIP if not count[0] else 0


if __name__ == "__main__":
    sys.exit(main())
