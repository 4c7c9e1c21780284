#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""accctl tile and explore: tiles, their pictures, and networks on devices that differ."""

import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

import harness
from harness import accctl

sys.path.insert(0, os.path.join(harness.SOURCE, "tests"))
from daemon import Daemon

IMAGES = os.path.join(harness.DIGITS, "test_images.npy")


class Tile(harness.Case):
    digits = property(lambda self: harness.program("examples", "digits.accx"))

    def test_stats(self):
        report = self.json_of(accctl("-j", "-d", "inproc:crossbar:slots=2,arrays=1000", "tile", "stats"))
        self.assertEqual([(tile["slot"], tile["tile"]) for tile in report["tiles"]],
                         [(slot, tile) for slot in (0, 1) for tile in range(4)])
        self.assertEqual([tile["arrays"] for tile in report["tiles"]], [256, 256, 256, 232] * 2)
        self.assertEqual(report["total"]["arrays"], 2000)
        for part in ("adc", "cells", "periphery", "core", "memory", "network", "static", "program"):
            self.assertEqual(report["total"]["pj"][part], 0)
        text = accctl("-d", "inproc:crossbar", "tile", "stats")
        self.assert_ok(text)
        self.assertRegex(text.stdout, r"(?m)^0 of 64 tiles; ")
        self.assert_refuses(accctl("-d", "inproc:fpga", "tile", "stats"), "expected a crossbar")

    def test_age(self):
        for duration in ("", "1", "d", "-1d", "1 d", "nan", "1x", "1e3", "0x1s", "infd", "300y"):
            with self.subTest(duration):
                self.assert_refuses(accctl("tile", "age", "--", duration), "expected", code=2)
        # A device of this process ends with it.
        self.assert_refuses(accctl("-d", "inproc:crossbar", "tile", "age", "1d"), "lives on", "age=SECONDS")

    def test_what_was_run(self):
        path = harness.program("emulator", "accemud", "accemud")
        if not os.path.exists(path):
            self.skipTest("accemud is not built")
        with Daemon(path, "--engine", "crossbar", "--engine", "fpga") as daemon:
            crossbar = daemon.uri(0)
            self.assert_ok(accctl("run", harness.program("examples", "digits.accx"), "-i", IMAGES,
                                  "-d", crossbar, "-d", daemon.uri(1)))
            before = self.json_of(accctl("-j", "-d", crossbar, "tile", "stats"))
            counters = self.json_of(accctl("-j", "-d", crossbar, "device", "show"))["counters"]
            total = before["total"]
            self.assertEqual(total["activations"], counters["mvms"])
            self.assertEqual(total["clipped"], counters["saturations"])
            parts = total["pj"]
            self.assertAlmostEqual(sum(parts.values()), counters["energy_pj"] + counters["load_energy_pj"],
                                   delta=counters["dispatches"] + 1000)
            self.assertGreater(parts["adc"], parts["cells"])
            self.assertGreater(total["most_row_pulses"], 0)
            aged = self.json_of(accctl("-j", "-d", crossbar, "tile", "age", "1.5d"))
            self.assertEqual(aged["advanced_ns"], 129600 * 10**9)
            # The program went with its client: what it did and wore stays, and nothing is there to age.
            self.assertEqual((total["arrays_used"], total["age_ns"]), (0, 0))
            self.assertEqual(self.json_of(accctl("-j", "-d", crossbar, "tile", "stats"))["total"], total)
            text = accctl("-d", crossbar, "tile", "stats")
            self.assert_ok(text)
            self.assertRegex(text.stdout, r"(?m)^energy: adc .*%\), .*program ")
            self.assert_refuses(accctl("-d", daemon.uri(1), "tile", "age", "1d"), "cells that age")
            for _ in range(32): # until the clock is full
                result = accctl("-d", crossbar, "tile", "age", "290y")
                if result.returncode:
                    break
            self.assert_refuses(result, "2^63 ns")

    def test_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "pictures")
            device = "inproc:crossbar:prog_model=normal_rel,prog_sigma=0.05"
            report = self.json_of(accctl("-j", "-d", device, "tile", "picture", self.digits, "-o", out))
            self.assertTrue(report["tiles"])
            self.assertGreater(report["cells"], 1000)
            self.assertGreater(report["error_sigma_us"], 0)
            self.assertLess(report["error_max_us"], 10 * 0.05 * 7)
            self.assertAlmostEqual(report["conductance_max_us"], 10, delta=4)
            for tile in report["tiles"]:
                for image in (tile["conductance"], tile["error"]):
                    with open(os.path.join(out, image), "rb") as file:
                        head = file.read(24)
                    self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
                    width, height = struct.unpack(">II", head[16:])
                    # 129 pixels an array and a last line.
                    self.assertEqual((width % 129, height % 129), (1, 1))
            with open(os.path.join(out, "index.html"), encoding="utf-8") as file:
                self.assertEqual(file.read().count("<img"), 2 * len(report["tiles"]))
            # Cells that write-verify gave up are named: those that are out of its tolerance.
            device = "inproc:crossbar:prog_model=normal_abs,prog_sigma=0.02,write_verify_tol=0.05"
            words = ("tile", "picture", self.digits, "-o", out, "--tolerance", "0.5")
            off = self.json_of(accctl("-j", "-d", device, *words))["off"]
            self.assertEqual((off["count"], off["cells"]), (0, []))
            off = self.json_of(accctl("-j", "-d", device + ",write_verify_max_iter=1", *words))["off"]
            self.assertGreater(off["count"], 64)
            self.assertEqual(len(off["cells"]), 64)
            for cell in off["cells"]:
                self.assertGreater(abs(cell["asked_us"] - cell["found_us"]), 0.5)
            text = accctl("-d", device + ",write_verify_max_iter=1", *words)
            self.assertRegex(text.stdout, r"(?m)^\S+ array \d+ row \d+ col \d+: expected \S+ µS, found \S+ µS$")
            # Ideal cells are as they were asked to be.
            ideal = self.json_of(accctl("-j", "-d", "inproc:crossbar", "tile", "picture", self.digits, "-o", out))
            self.assertEqual(ideal["error_max_us"], 0)
            self.assert_refuses(accctl("tile", "picture", "/nowhere.accx", "-o", out), "/nowhere.accx")
            self.assert_refuses(accctl("-d", "inproc:null", "tile", "picture", self.digits, "-o", out), "digits")


class Explore(harness.Case):
    digits = property(lambda self: harness.program("examples", "digits.accx"))
    labels = os.path.join(harness.DIGITS, "test_labels.npy")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = os.path.join(self.folder.name, "out")

    def explore(self, *more):
        return accctl("--json", "explore", self.digits, "--data", IMAGES, "--labels", self.labels,
                      "--out", self.out, *more)

    def test_points_files_and_resuming(self):
        first = self.json_of(self.explore("--vary", "adc_bits=9"))
        self.assertEqual((first["points"], first["done"], first["resumed"]), (1, 1, 0))
        both = self.json_of(self.explore("--vary", "adc_bits=9,4"))
        self.assertEqual((both["points"], both["resumed"], both["failed"]), (2, 1, 0))
        good, bad = both["results"]
        self.assertGreaterEqual(good["accuracy"], 96)
        self.assertLess(bad["accuracy"], good["accuracy"])
        self.assertEqual(good["saturations"], 0)
        self.assertGreater(bad["saturations"], 0)
        self.assertLess(bad["energy_nj"], good["energy_nj"])
        self.assertGreater(good["tiles"], 0)
        with open(self.out + ".csv", encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0], "adc_bits,accuracy,latency_us,energy_nj,tiles,arrays,saturations,error")
        self.assertEqual([line.split(",")[0] for line in lines[1:]], ["9", "4"])
        with open(self.out + ".html", encoding="utf-8") as file:
            page = file.read()
        self.assertEqual(page.count("<svg"), 4)
        self.assertNotIn("http://", page.replace("http://www.w3.org/2000/svg", ""))

    def test_a_point_that_fails_says_why(self):
        result = self.explore("--vary", "adc_bits=9,40")
        report = self.json_of(result)
        self.assertEqual(report["failed"], 1)
        self.assertIn("adc_bits", report["results"][1]["error"])
        # It is tried again, what was good is not.
        again = self.json_of(self.explore("--vary", "adc_bits=9,40"))
        self.assertEqual((again["resumed"], again["failed"]), (1, 1))

    def test_archives(self):
        archive = os.path.join(self.folder.name, "data.npz")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.write(IMAGES, "x.npy")
            file.write(self.labels, "y.npy")
        words = ("--json", "explore", self.digits, "--vary", "adc_bits=9", "--out", self.out, "--data")
        first = self.json_of(accctl(*words, archive))
        self.assertGreaterEqual(first["results"][0]["accuracy"], 96)
        self.assertEqual(self.json_of(accctl(*words, archive))["resumed"], 1)
        with zipfile.ZipFile(archive, "w") as file:
            file.write(self.labels, "y.npy")
        self.assert_refuses(accctl(*words, archive), "data.npz", "expected an array 'x'; found y.npy")
        self.assert_refuses(accctl(*words, self.out + ".npz"), "out.npz")

    def test_timing_alone(self):
        whole, timing = (self.json_of(self.explore("--vary", f"timing_only={t}"))["results"][0] for t in (0, 1))
        for key in ("latency_us", "energy_nj", "tiles"):
            self.assertEqual(whole[key], timing[key])
        self.assertIsNone(timing["accuracy"], "nothing was computed")

    def few_images(self):
        """A file of the first 9 of the 450 images: points that take little."""
        with open(IMAGES, "rb") as file:
            data = file.read()
        self.assertIn(b"(450, 1, 8, 8)", data[:128])
        path = os.path.join(self.folder.name, "few.npy")
        with open(path, "wb") as file:
            file.write(data[:128].replace(b"(450,", b"(009,") + data[128:128 + 9 * 64 * 4])
        return path

    def test_interrupted_and_resumed(self):
        words = [harness.program("tools", "accctl", "accctl"), "explore", self.digits, "--data", self.few_images(),
                 "--out", self.out, "--jobs", "1", "--vary", "prog_model=normal_rel",
                 "--vary", "prog_sigma=0.01:0.12:0.01"]
        journal = self.out + ".jsonl"

        def done():
            try:
                with open(journal, encoding="utf-8") as file:
                    return sum(1 for line in file if line.strip())
            except FileNotFoundError:
                return 0

        # The first finishes what runs, the second drops it; both keep what is done.
        for times in (1, 2):
            before = done()
            if before == 12: # a fast machine may have been through
                break
            with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
                deadline = time.monotonic() + harness.TIMEOUT
                while time.monotonic() < deadline and done() == before and process.poll() is None:
                    time.sleep(0.01)
                for _ in range(times):
                    process.send_signal(signal.SIGINT)
                    time.sleep(0.05)
                text = process.communicate(timeout=harness.TIMEOUT)[1]
            self.assertGreater(done(), before)
            if done() < 12:
                self.assertEqual(process.returncode, 130, text)
                self.assertIn("goes on where it stopped", text)
        finished = done()
        report = self.json_of(harness.run(words[0], "--json", *words[1:]))
        self.assertEqual((report["resumed"], report["done"]), (finished, 12))

    def test_refusals(self):
        for axis in ("adc_bits", "adc_bits=", "=1", "adc_bits=3:2", "adc_bits=1:x", "adc_bits=1,,2"):
            with self.subTest(axis):
                self.assert_refuses(self.explore("--vary", axis), "--vary", "expected", code=2)
        self.assert_refuses(self.explore("--vary", "a=1", "--vary", "a=2"), "each key once", code=2)
        self.assert_refuses(
            accctl("explore", "/nowhere.onnx", "--vary", "adc_bits=9", "--data", IMAGES, "--out", self.out),
            "/nowhere.onnx",
        )


if __name__ == "__main__":
    sys.exit(harness.main())
