#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The crowd: an OpenMP program of gcc's and one of clang's, a pyopencl program, an HSA program and a
compiled network on one accemud, which has fewer regions than they have roles. Results are right,
regions are reconfigured, nobody starves, and nobody is harmed when another is killed. Prints who waited
for whom. Those whose libraries or compilers are not here are left out, by name."""

import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
sys.path.insert(0, os.path.join(HERE, ".."))
import harness
import llvm
from daemon import Daemon
from gcc_test import GCC, reason_to_skip

CROSSBAR, FPGA = 0, 1  # of the daemon's devices
REGIONS = 2
TOGETHER_S = 5
BETWEEN_KILLS_S = 1.5
START_S = 60
# What a round may take at most: not a bound of speed, but of starvation.
WORST_S = 30


def percentile(values, share):
    return sorted(values)[int(len(values) * share)] if values else 0


class Member:
    """One program of the crowd: how it is started, and the process that runs."""

    def __init__(self, name, command, environment):
        self.name, self.command, self.environment = name, command, environment
        self.process = None
        self.text = None

    def start(self):
        self.text = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=self.text, stderr=subprocess.STDOUT,
            env={**{k: v for k, v in os.environ.items() if k[:4] != "ACC_"}, **self.environment})

    def output(self):
        self.text.seek(0)
        return self.text.read()

    def finish(self):
        """Lets it end by itself. (exit status, text)."""
        self.process.stdin.close()
        return self.process.wait(harness.TIMEOUT), self.output()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Watch(threading.Thread):
    """Collects the decisions about regions, and whose the clients are."""

    def __init__(self, uri):
        super().__init__()
        self.uri, self.done = uri, threading.Event()
        self.decisions, self.processes = {}, {}

    def look(self):
        clients = harness.accctl("-j", "-d", self.uri, "client", "list")
        for one in json.loads(clients.stdout).get("clients", []) if not clients.returncode else []:
            self.processes[one["client"]] = one.get("pid", 0)
        for region in range(REGIONS):
            shown = harness.accctl("-j", "-d", self.uri, "region", "show", str(region))
            if shown.returncode:
                continue
            for one in json.loads(shown.stdout)["decisions"]:
                self.decisions[one["sequence"]] = one

    def run(self):
        while not self.done.wait(0.3):
            self.look()

    def stop(self):
        self.done.set()
        self.join()
        self.look()


class Crowd(harness.Case):
    @classmethod
    def setUpClass(cls):
        harness.needs_region_process()
        reason = reason_to_skip()
        cls.accemud = harness.program("emulator", "accemud", "accemud")
        if not os.path.exists(cls.accemud):
            reason = "accemud is not built"
        if reason:
            raise unittest.SkipTest(reason)
        cls.folder = tempfile.mkdtemp(prefix="acc-crowd-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.missing = []
        cls.makers = [("gcc", cls.gcc), ("clang", cls.clang), ("opencl", cls.opencl),
                      ("hsa", cls.hsa), ("network", cls.network)]
        cls.ways = {}
        for name, maker in cls.makers:
            try:
                cls.ways[name] = maker()
            except llvm.Missing as error:
                cls.missing.append(f"{name}: {error}")
        if cls.missing:
            print("left out of the crowd:", "; ".join(cls.missing))

    # Each gives a function: (daemon) -> (command, environment).

    @classmethod
    def compile(cls, compiler, name, *options):
        path = os.path.join(cls.folder, name)
        made = subprocess.run([*compiler, "-O2", "-Wall", "-Wextra", os.path.join(HERE, "crowd", name + ".c"),
                               "-o", path, "-I", os.path.join(harness.SOURCE, "include"),
                               "-I", os.path.join(harness.SOURCE, "include", "uapi"),
                               "-I", "/usr/include/libdrm", *options],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(made.stderr)
        return path

    @classmethod
    def omp(cls, program, environment):
        accctl = harness.program("tools", "accctl", "accctl")
        return lambda daemon: ([accctl, "-d", daemon.uri(FPGA), "omp", "run", "-q", "--", program],
                               environment)

    @classmethod
    def gcc(cls):
        source = os.path.join(cls.folder, "gcc_regions")
        os.rename(cls.compile([GCC], "regions", "-fopenmp", "-foffload=disable"), source)
        return cls.omp(source, {})

    @classmethod
    def clang(cls):
        found = llvm.find(14, os.path.dirname(harness.options.build))
        program = os.path.join(cls.folder, "clang_regions")
        found.compile(os.path.join(HERE, "crowd", "regions.c"), program)
        return cls.omp(program, found.environment())

    @classmethod
    def opencl(cls):
        driver = harness.program("libacc", "interop", "opencl", "libacc-opencl.so")
        if not os.path.exists(driver):
            raise llvm.Missing("the OpenCL driver is not built")
        if subprocess.run([sys.executable, "-c", "import pyopencl"], capture_output=True,
                          check=False).returncode:
            raise llvm.Missing("no pyopencl")
        icd = os.path.join(cls.folder, "acc.icd")
        with open(icd, "w", encoding="utf-8") as file:
            file.write(driver + "\n")
        return lambda daemon: (
            [sys.executable, os.path.join(HERE, "crowd", "opencl.py")],
            {"OCL_ICD_VENDORS": icd, "ACC_DEVICE": daemon.uri(FPGA), "PYOPENCL_NO_CACHE": "1",
             "XDG_CACHE_HOME": cls.folder})

    @classmethod
    def hsa(cls):
        library = harness.program("libacc", "interop", "hsa", "libhsa-runtime64.so.1")
        if not os.path.exists(library):
            raise llvm.Missing("the HSA facade is not built")
        program = cls.compile([GCC], "hsa", library)
        image = os.path.join(cls.folder, "bench.accx")
        subprocess.run([harness.program("tools", "mkimage", "mkimage"), "bench", image], check=True)
        folders = [os.path.dirname(library), harness.program("libacc")]
        return lambda daemon: ([program, image], {"ACC_DEVICE": daemon.uri(FPGA),
                                                  "LD_LIBRARY_PATH": ":".join(folders)})

    @classmethod
    def network(cls):
        accc = harness.program("tools", "accc", "accc")
        if not os.path.exists(accc):
            raise llvm.Missing("accc is not built")
        image = os.path.join(cls.folder, "digits.accx")
        subprocess.run([accc, os.path.join(harness.DIGITS, "digits.onnx"), "-o", image, "--calibrate",
                        os.path.join(harness.DIGITS, "calibration.npy")], check=True, capture_output=True)
        library = harness.program("libacc")
        program = cls.compile([GCC], "network", "-L", library, "-lacc", f"-Wl,-rpath,{library}")
        return lambda daemon: (
            [program, image, os.path.join(harness.DIGITS, "test_images.npy")],
            {"ACC_DEVICE": f"{daemon.uri(CROSSBAR)};{daemon.uri(FPGA)}"})

    # ---- The cases.

    def daemon(self):
        return Daemon(self.accemud, "--engine", "crossbar", "--engine", f"fpga:regions={REGIONS}")

    def start_all(self, daemon):
        made = [Member(name, *way(daemon)) for name, way in self.ways.items()]
        for member in made:
            self.addCleanup(member.kill)
            member.start()
        return made

    def assert_right(self, member):
        """It ends well, and has made progress all the time. Its numbers."""
        status, text = member.finish()
        self.assertEqual(status, 0, f"{member.name}: {text}")
        found = json.loads(text.strip().splitlines()[-1])
        self.assertEqual(found["wrong"], 0, member.name)
        self.assertGreater(found["rounds"], 0, member.name)
        self.assertLess(found["worst_us"], WORST_S * 1e6, member.name)
        return found

    def wait_for_all(self, watch, members):
        """Until each has had a region: programs take their time to start."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            for member in members:
                self.assertIsNone(member.process.poll(), f"{member.name}: {member.output()}")
            watch.look()
            seen = {one["client"] for one in watch.decisions.values() if one["what"] == "load"}
            owners = {watch.processes.get(client) for client in seen}
            if all(member.process.pid in owners for member in members):
                return
        self.fail(f"not everybody had a region within {START_S} s: {owners}; "
                  f"{[(m.name, m.process.pid) for m in members]}; {watch.processes}; "
                  f"{len(watch.decisions)} decisions")

    def test_everybody_gets_on(self):
        with self.daemon() as daemon:
            members = self.start_all(daemon)
            watch = Watch(daemon.uri(FPGA))
            self.wait_for_all(watch, members)
            watch.start()
            time.sleep(TOGETHER_S)
            watch.stop()
            listed = harness.accctl("-j", "-d", daemon.uri(FPGA), "region", "list")
            loads = sum(one["loads"] for one in json.loads(listed.stdout)["regions"])
            pids = {member.process.pid: member.name for member in members}
            found = {member.name: self.assert_right(member) for member in members}
            self.assertGreater(loads, len(members))
            self.report(watch, pids, found, loads)

    def report(self, watch, pids, found, loads):
        """Who waited for whom, from the decisions about regions that were kept."""
        names = {client: pids.get(pid, "another") for client, pid in watch.processes.items()}
        waits, evictions = collections.defaultdict(list), collections.Counter()
        for one in watch.decisions.values():
            who = names.get(one["client"], "another")
            if one["what"] in ("load", "grant"):
                waits[who].append(one["waited_ns"])
            if one["what"] == "load" and one["victim"]:
                evictions[who, names.get(one["victim_client"], "another")] += 1
        print(f"{loads} loads into {REGIONS} regions")
        for name, numbers in found.items():
            print(f"{name:8} {numbers['rounds']:6} rounds, p50 {numbers['p50_us']:.0f} us, p95 "
                  f"{numbers['p95_us']:.0f} us, worst {numbers['worst_us']:.0f} us; waited for a region: "
                  f"p95 {percentile(waits[name], 0.95) / 1e3:.0f} us in {len(waits[name])} decisions")
        for (who, whom), count in sorted(evictions.items()):
            print(f"  {who} took a region from {whom}: {count} times")
        self.assertTrue(evictions)

    def test_each_is_killed_in_turn(self):
        with self.daemon() as daemon:
            members = self.start_all(daemon)
            watch = Watch(daemon.uri(FPGA))
            self.wait_for_all(watch, members)
            for member in members:
                time.sleep(BETWEEN_KILLS_S)
                member.kill()
                self.assertNotIn("wrong", member.output(), member.name)
                member.start()
            self.wait_for_all(watch, members)
            for member in members:
                self.assert_right(member)


if __name__ == "__main__":
    sys.exit(harness.main())
