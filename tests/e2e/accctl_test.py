#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""accctl: every command, as text and as JSON, and what it refuses."""

import os
import subprocess
import sys
import tempfile

import harness
from harness import accctl

ENGINES = ("crossbar", "fpga", "null")
IMAGES = os.path.join(harness.DIGITS, "test_images.npy")


class Device(harness.Case):
    def test_list(self):
        devices = self.json_of(accctl("--json", "device", "list"))["devices"]
        uris = [device["uri"] for device in devices]
        self.assertIn("inproc:crossbar", uris)
        self.assertIn("inproc:fpga", uris)
        for device in devices:
            self.assertNotIn("error", device)
            self.assertGreater(device["slots"], 0)
        text = accctl("device", "list")
        self.assert_ok(text)
        self.assertEqual(len(text.stdout.splitlines()), len(devices))

    def test_list_says_why_a_device_cannot_be_opened(self):
        devices = self.json_of(accctl("--json", "--device", "inproc:nonsense", "device", "list"))
        self.assertIn("nonsense", devices["devices"][0]["error"])

    def test_show(self):
        for engine in ENGINES:
            with self.subTest(engine):
                device = self.json_of(accctl("--device", f"inproc:{engine}", "--json", "device", "show"))
                self.assertEqual(device["engine"], engine)
                self.assertEqual(device["uri"], f"inproc:{engine}")
                self.assertTrue(device["modelled"])
                self.assertTrue(device["not_modelled"])
                self.assertTrue(device["slots"])
                self.assertIn("energy_pj", device["counters"])
                self.assertGreater(device["limits"]["ring_packets"], 0)
                self.assertTrue(device["clock"]["one_domain"], device["clock"])
                self.assertEqual(device["faults"], [])
                self.assertGreater(device["host"]["cores"], 0)

    def test_show_as_text(self):
        for engine in ENGINES:
            result = accctl("device", "show", "--device", f"inproc:{engine}")
            self.assert_ok(result)
            for title in ("modelled", "not modelled", "slots", "counters", "limits", "clock", "faults"):
                self.assertRegex(result.stdout, rf"(?m)^{title} ", title)

    def test_show_without_device_takes_what_is_there(self):
        device = self.json_of(accctl("--json", "device", "show"))
        self.assertTrue(device["uri"])
        chosen = self.json_of(
            accctl("--json", "device", "show", environment={"ACC_DEVICE": "inproc:fpga"})
        )
        self.assertEqual(chosen["engine"], "fpga")

    def test_show_options_of_the_uri(self):
        device = self.json_of(accctl("-d", "inproc:null:slots=3", "-j", "device", "show"))
        self.assertEqual(len(device["slots"]), 3)

    def test_show_takes_one_device(self):
        result = accctl("-d", "inproc:null", "-d", "inproc:fpga", "device", "show")
        self.assert_refuses(result, "one --device", code=2)

    def test_unknown_devices(self):
        for uri in ("inproc:nonsense", "nonsense:x", "inproc:crossbar:nonsense=1", "/dev/null",
                    "unix:/nowhere/acc.sock#0", "/dev/accel/accel77", "in\nproc:"):
            with self.subTest(uri):
                self.assert_refuses(accctl("-d", uri, "device", "show"), "cannot open")


class Client(harness.Case):
    def test_list_has_this_command(self):
        for engine in ENGINES:
            with self.subTest(engine):
                answer = self.json_of(accctl("-d", f"inproc:{engine}", "-j", "client", "list"))
                self.assertEqual(answer["uri"], f"inproc:{engine}")
                (client,) = [client for client in answer["clients"] if client["self"]]
                self.assertEqual(client["name"], "accctl")
                self.assertEqual(client["uid"], os.getuid())
                self.assertEqual(client["weight"], 100)
                for key in ("pid", "bytes", "buffers", "queues", "programs", "pins", "packets",
                            "dispatches", "busy_ns", "modelled_ns", "energy_pj"):
                    self.assertGreaterEqual(client[key], 0, key)

    def test_list_as_text(self):
        result = accctl("-d", "inproc:null", "client", "list")
        self.assert_ok(result)
        head, line = result.stdout.splitlines()
        self.assertRegex(head, r"^client +pid +uid +weight ")
        self.assertRegex(line, r" accctl \(this command\)$")

    def test_show(self):
        client = self.json_of(accctl("-d", "inproc:null", "-j", "client", "show", "1"))
        self.assertEqual(client["client"], 1)
        self.assertEqual(client["uri"], "inproc:null")
        result = accctl("-d", "inproc:null", "client", "show", "1")
        self.assert_ok(result)
        for title in ("client", "process", "weight", "memory", "holds", "work", "time"):
            self.assertRegex(result.stdout, rf"(?m)^{title} ", title)

    def test_refusals(self):
        self.assert_refuses(accctl("-d", "inproc:null", "client", "show", "77"), "found 77")
        self.assert_refuses(accctl("-d", "inproc:null", "client", "show", "x"), "x", code=2)
        self.assert_refuses(accctl("-d", "inproc:null", "client", "show"), "ID", code=2)
        self.assert_refuses(accctl("-d", "inproc:null", "client"), "subcommand", code=2)
        self.assert_refuses(accctl("-d", "inproc:nonsense", "client", "list"), "cannot open")
        two = accctl("-d", "inproc:null", "-d", "inproc:fpga", "client", "list")
        self.assert_refuses(two, "one --device", code=2)


class Validate(harness.Case):
    def test_every_engine(self):
        for engine in ENGINES:
            with self.subTest(engine):
                report = self.json_of(accctl("-d", f"inproc:{engine}", "--json", "validate"))
                self.assertEqual(report["failed"], 0, report)
                self.assertEqual(report["skipped"], 0, report)
                self.assertEqual(report["passed"], len(report["checks"]))
                names = [check["name"] for check in report["checks"]]
                for name in ("buffer", "copy", "fill", "barrier", "timestamps", "known-answer",
                             "fault-kernel", "recovery", "close"):
                    self.assertIn(name, names)

    def test_text(self):
        result = accctl("-d", "inproc:crossbar", "validate")
        self.assert_ok(result)
        lines = result.stdout.splitlines()
        self.assertRegex(lines[-1], r"^\d+ passed, 0 failed, 0 skipped$")
        self.assertTrue(all(line.startswith("PASS ") for line in lines[1:-1]), result.stdout)

    def test_fails_where_the_answer_is_wrong(self):
        """Two bits of ADC cannot give the product: a check fails, and so does the command."""
        result = accctl("-d", "inproc:crossbar:adc_bits=2", "validate")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"(?m)^FAIL known-answer +expected -?\d+ ")

    def test_unknown_device(self):
        self.assert_refuses(accctl("-d", "inproc:nonsense", "validate"), "nonsense")


class Region(harness.Case):
    """What is where, and changes of it. An embedded device is this command's own."""

    @classmethod
    def setUpClass(cls):
        cls.digits = harness.program("examples", "digits.accx")

    def region(self, *words, options="regions=2"):
        return accctl("--device", f"inproc:fpga:{options}", *words)

    def test_list(self):
        regions = self.json_of(self.region("--json", "region", "list", options="regions=3,big=1"))
        self.assertEqual([r["capacity"] for r in regions["regions"]], [40000, 40000, 100000])
        self.assertEqual({r["state"] for r in regions["regions"]}, {"empty"})
        text = self.region("region", "list")
        self.assert_ok(text)
        self.assertEqual(len(text.stdout.splitlines()), 3)

    def test_show_names_a_region(self):
        region = self.json_of(self.region("--json", "region", "show", "1"))
        self.assertEqual(region["region"], 1)
        self.assertEqual(region["decisions"], [])
        self.assert_refuses(self.region("region", "show", "2"), "region below 2", "found 2")

    def test_load_and_pin(self):
        for word, pinned in (("load", False), ("pin", True)):
            with self.subTest(word):
                loaded = self.json_of(
                    self.region("--json", "region", word, self.digits, "--seconds", "0",
                                options="regions=16")
                )
                self.assertTrue(loaded["kernels"])
                for kernel in loaded["kernels"]:
                    self.assertIsNotNone(kernel["region"], kernel)
                    self.assertEqual(kernel["pinned"], pinned)
        name = loaded["kernels"][0]["kernel"]
        one = self.region("region", "load", self.digits, "--kernel", name, "--seconds", "0")
        self.assert_ok(one)
        self.assertEqual(one.stdout.split()[:2], [name, "region"])
        self.assert_refuses(
            self.region("region", "load", self.digits, "--kernel", "nonsense"), "nonsense"
        )
        self.assert_refuses(self.region("region", "load", "/nowhere.accx"), "/nowhere.accx")
        # The last region without pins stays so.
        self.assert_refuses(
            self.region("region", "pin", self.digits, "--kernel", name, options="regions=1"),
            "unpinned slot",
        )

    def test_evict_and_blank(self):
        self.assert_refuses(self.region("region", "evict", "0"), "region 0", "expected something resident")
        self.assert_refuses(self.region("region", "evict", "9"), "region below 2")
        self.assertEqual(self.json_of(self.region("--json", "region", "blank", "1"))["state"], "empty")
        self.assert_refuses(self.region("region", "blank", "2"), "region below 2")


class Replay(harness.Case):
    def test_generated_traces(self):
        for words, fcfs in (((), 39.1), (("--generate", "millis", "--seed", "7"), None)):
            with self.subTest(words):
                found = self.json_of(accctl("--json", "replay", *words))
                self.assertEqual((found["slots"], found["tasks"]), (10, 1640))
                lines = {line["name"]: line for line in found["policies"]}
                if fcfs:
                    self.assertLess(abs(lines["fcfs"]["mean_s"] / fcfs - 1), 0.1)
                self.assertEqual(lines["fcfs"]["loads"], 1640)
                self.assertEqual(lines["fcfs"]["mean_ratio"], 1)
                self.assertLess(lines["adaptive"]["mean_ratio"], 25.5 / 39.1)
                self.assertLess(lines["adaptive"]["p95_ratio"], 84.8 / 130.7)
                self.assertLessEqual(
                    lines["lower-bound"]["mean_s"], min(line["mean_s"] for line in lines.values())
                )
        text = accctl("replay")
        self.assert_ok(text)
        for name in ("fcfs ", "rr ", "lru ", "fcfs-reuse ", "fcfs-pipelined ", "adaptive ", "lower-bound "):
            self.assertRegex(text.stdout, f"(?m)^{name}")

    def test_a_file_says_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.trace")
            written = accctl("replay", "--seed", "3", "--write")
            self.assert_ok(written)
            with open(path, "w", encoding="utf-8") as file:
                file.write(written.stdout)
            self.assertEqual(
                self.json_of(accctl("--json", "replay", path)),
                self.json_of(accctl("--json", "replay", "--seed", "3")),
            )
            with open(path, "a", encoding="utf-8") as file:
                file.write("job 1\n")
            self.assert_refuses(accctl("replay", path), path, "line", "found 'job 1'")
        self.assert_refuses(accctl("replay", "/nowhere"), "/nowhere")

    def test_decisions(self):
        result = accctl("replay", "--generate", "millis", "--decisions", "adaptive")
        self.assert_ok(result)
        for word in ("load", "prefetch", "grant", "wait", "least-value", "affinity"):
            self.assertIn(f" {word} ", result.stdout)
        self.assert_refuses(
            accctl("replay", "--decisions", "best"), "fcfs, rr, lru", "found best", code=2
        )
        self.assert_refuses(accctl("replay", "--generate", "hours"), "seconds or millis", "hours")


class Program(harness.Case):
    digits = property(lambda self: harness.program("examples", "digits.accx"))

    def test_show(self):
        image = self.json_of(accctl("--json", "program", "show", self.digits))
        self.assertEqual([target["target"] for target in image["targets"]], ["crossbar", "fpga"])
        self.assertEqual(image["model"]["inputs"][0]["dims"], [1, 1, 8, 8])
        self.assertEqual(image["model"]["outputs"][0]["dims"], [1, 10])
        kernels = {
            target["target"]: {kernel["name"] for kernel in target["kernels"]}
            for target in image["targets"]
        }
        for step in image["model"]["steps"]:
            self.assertIn(step["kernel"], kernels[step["target"]])
        self.assertIsInstance(image["report"], (dict, list))

    def test_show_as_text(self):
        result = accctl("program", "show", self.digits)
        self.assert_ok(result)
        for word in ("crossbar:", "fpga:", "input ", "output ", "model "):
            self.assertIn(word, result.stdout)

    def test_report(self):
        result = accctl("program", "show", "--report", self.digits)
        self.assert_ok(result)
        for word in ("crossbar", "fpga", "Conv", "Softmax"):
            self.assertIn(word, result.stdout)
        report = self.json_of(accctl("--json", "program", "show", "--report", self.digits))
        self.assertTrue(report)

    def test_program_without_model(self):
        gemm = harness.program("examples", "gemm.accx")
        image = self.json_of(accctl("--json", "program", "show", gemm))
        self.assertIsNone(image["model"])
        self.assertEqual(image["targets"][0]["matrices"][0]["rows"], 200)
        self.assert_refuses(accctl("program", "show", "--report", gemm), "report")
        self.assert_refuses(accctl("run", gemm, "--input", IMAGES), "model")

    def test_not_there(self):
        self.assert_refuses(accctl("program", "show", "/nowhere.accx"), "/nowhere.accx", "No such file")

    def test_wrong_kinds_of_file(self):
        for path in ("/dev/null", "/", IMAGES, os.path.join(harness.DIGITS, "digits.onnx"), sys.executable):
            with self.subTest(path):
                self.assert_refuses(accctl("program", "show", path), path)

    def test_truncated(self):
        with open(self.digits, "rb") as file:
            whole = file.read()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cut.accx")
            for size in (0, 1, 63, 64, 200, len(whole) // 2, len(whole) - 1):
                with open(path, "wb") as file:
                    file.write(whole[:size])
                with self.subTest(size):
                    self.assert_refuses(accctl("program", "show", path), path)
                    self.assert_refuses(accctl("run", path, "--input", IMAGES), path)

    def test_corrupted(self):
        """A byte changed anywhere: either it is refused in one line, or it does no harm."""
        with open(self.digits, "rb") as file:
            whole = bytearray(file.read())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.accx")
            for place in range(0, len(whole), len(whole) // 40):
                changed = bytearray(whole)
                changed[place] ^= 0xFF
                with open(path, "wb") as file:
                    file.write(changed)
                for command in (("program", "show", path), ("run", path, "--input", IMAGES)):
                    with self.subTest(place=place, command=command[0]):
                        result = accctl(*command)
                        if result.returncode == 0:
                            self.assertEqual(result.stderr, "")
                        else:
                            self.assert_refuses(result)


class Run(harness.Case):
    digits = property(lambda self: harness.program("examples", "digits.accx"))

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_all_digits(self):
        out = self.path("y.npy")
        report = self.json_of(
            accctl("--json", "run", self.digits, "--input", IMAGES, "--output", out, "--batch", "32")
        )
        (count, classes), values = harness.read_npy(out)
        self.assertEqual((count, classes), (450, 10))
        self.assertEqual(report["samples"], 450)
        self.assertEqual(report["submissions"], 15)
        self.assertEqual(report["outputs"][0]["shape"], [450, 10])
        self.assertEqual({device["engine"] for device in report["devices"]}, {"crossbar", "fpga"})
        for device in report["devices"]:
            self.assertGreater(device["counters"]["dispatches"], 0)
            self.assertEqual(device["counters"]["faults"], 0)
        _, labels = harness.read_npy(os.path.join(harness.DIGITS, "test_labels.npy"))
        right = 0
        for i in range(count):
            row = values[i * classes : (i + 1) * classes]
            self.assertAlmostEqual(sum(row), 1, 4)
            right += row.index(max(row)) == labels[i]
        self.assertGreaterEqual(right / count, 0.96)

    def test_layers(self):
        report = self.json_of(
            accctl("-j", "run", self.digits, "-i", IMAGES, "--layers", "-b", "50")
        )
        self.assertEqual(report["samples"], 450)
        self.assertEqual(report["outputs"][0]["shape"], [450, 10])
        layers = {layer["node"]: layer for layer in report["layers"]}
        conv, softmax = layers["/conv2/Conv"], layers["/softmax/Softmax"]
        self.assertIn("im2col_i8", conv["kernels"])
        self.assertEqual(softmax["measured"]["crossbar_ns"], 0)
        self.assertGreater(softmax["measured"]["fpga_ns"], 0)
        # Whole batches; each fills a pipeline once for all of its items.
        self.assertEqual(conv["runs"], 3 * 9)
        for engine in ("crossbar_ns", "fpga_ns"):
            took, said = conv["measured"][engine], conv["predicted"][engine]
            self.assertGreater(took, 0.9 * said)
            self.assertLessEqual(took, said + 1)
        text = accctl("run", self.digits, "-i", IMAGES, "--layers").stdout
        self.assertIn("/conv2/Conv", text)
        self.assertNotIn("layers", self.json_of(accctl("-j", "run", self.digits, "-i", IMAGES)))

    def test_batches_do_not_change_results(self):
        files = []
        for batch in ("1", "7", "450", "1000"):
            files.append(self.path(f"y{batch}.npy"))
            self.assert_ok(accctl("run", self.digits, "-i", IMAGES, "-o", files[-1], "-b", batch))
        results = [open(path, "rb").read() for path in files]
        self.assertEqual(len(set(results)), 1)

    def test_chosen_devices(self):
        report = self.json_of(
            accctl("-j", "run", self.digits, "-i", IMAGES, "-d", "inproc:fpga", "-d",
                   "inproc:crossbar:adc_bits=0")
        )
        self.assertEqual(
            [device["uri"] for device in report["devices"]],
            ["inproc:fpga", "inproc:crossbar:adc_bits=0"],
        )

    def test_device_of_the_environment_comes_first(self):
        report = self.json_of(
            accctl("-j", "run", self.digits, "-i", IMAGES,
                   environment={"ACC_DEVICE": "inproc:crossbar:adc_bits=0"})
        )
        self.assertIn("inproc:crossbar:adc_bits=0", [device["uri"] for device in report["devices"]])

    def test_missing_engine(self):
        result = accctl("-d", "inproc:fpga", "run", self.digits, "-i", IMAGES)
        self.assert_refuses(result, "crossbar")

    def test_text(self):
        result = accctl("run", self.digits, "-i", IMAGES)
        self.assert_ok(result)
        self.assertIn("450 samples", result.stdout)
        self.assertIn("inproc:crossbar", result.stdout)

    def test_version_2_of_npy(self):
        path = self.path("x.npy")
        harness.write_npy(path, [0.5] * 128, (2, 1, 8, 8), version=2)
        self.assertEqual(self.json_of(accctl("-j", "run", self.digits, "-i", path))["samples"], 2)

    def test_wrong_arrays(self):
        wrong = {
            "shape": ([0.0] * 63, (1, 1, 7, 9), "f", "<f4", "False"),
            "rank": ([0.0] * 64, (1, 64), "f", "<f4", "False"),
            "scalar": ([0.0], (), "f", "<f4", "False"),
            "empty": ([], (0, 1, 8, 8), "f", "<f4", "False"),
            "type": ([0] * 64, (1, 1, 8, 8), "q", "<i8", "False"),
            "unknown type": ([0.0] * 64, (1, 1, 8, 8), "d", "<f8", "False"),
            "big-endian": ([0.0] * 64, (1, 1, 8, 8), "f", ">f4", "False"),
            "fortran": ([0.0] * 64, (1, 1, 8, 8), "f", "<f4", "True"),
            "short": ([0.0] * 63, (1, 1, 8, 8), "f", "<f4", "False"),
            "long": ([0.0] * 65, (1, 1, 8, 8), "f", "<f4", "False"),
            "huge": ([0.0] * 64, (1 << 40, 1 << 40, 1 << 40), "f", "<f4", "False"),
            "overflow": ([0.0] * 64, (1 << 32, 1 << 30, 4), "f", "<f4", "False"),
            "negative": ([0.0] * 64, (-1, 1, 8, 8), "f", "<f4", "False"),
            "nine dimensions": ([0.0], (1,) * 9, "f", "<f4", "False"),
            "code": ([0.0], "__import__('os')", "f", "<f4", "False"),
        }
        for name, (values, shape, code, descr, order) in wrong.items():
            path = self.path("x.npy")
            harness.write_npy(path, values, shape, code, descr, order)
            with self.subTest(name):
                self.assert_refuses(accctl("run", self.digits, "-i", path), path, "expected")

    def test_broken_npy_files(self):
        with open(IMAGES, "rb") as file:
            whole = file.read()
        broken = {
            "empty": b"",
            "magic": b"\x93NUMPX" + whole[6:],
            "version": whole[:6] + b"\x07" + whole[7:],
            "header beyond the file": whole[:8] + b"\xff\xff" + whole[10:200],
            "no header": whole[:9],
            "truncated": whole[:-1],
            "garbage": whole[:10] + b"\xff" * 118 + whole[128:],
        }
        for name, data in broken.items():
            path = self.path("x.npy")
            with open(path, "wb") as file:
                file.write(data)
            with self.subTest(name):
                self.assert_refuses(accctl("run", self.digits, "-i", path), path, "expected")

    def test_input_not_there(self):
        self.assert_refuses(
            accctl("run", self.digits, "-i", "/nowhere.npy"), "/nowhere.npy", "No such file"
        )

    def test_output_not_writable(self):
        result = accctl("run", self.digits, "-i", IMAGES, "-o", "/nowhere/y.npy")
        self.assert_refuses(result, "/nowhere/y.npy")
        result = accctl("run", self.digits, "-i", IMAGES, "-o", "/dev/full")
        self.assert_refuses(result, "/dev/full", "No space left")
        self.assertTrue(os.path.exists("/dev/full"))

    def test_too_many_arrays(self):
        self.assert_refuses(accctl("run", self.digits, "-i", IMAGES, "-i", IMAGES), "--input 1 times")
        self.assert_refuses(
            accctl("run", self.digits, "-i", IMAGES, "-o", self.path("a"), "-o", self.path("b")),
            "--output at most 1 times",
        )


class Usage(harness.Case):
    def test_wrong_words(self):
        for words in ((), ("nonsense",), ("device",), ("device", "nonsense"), ("program", "show"),
                      ("run",), ("run", "x.accx", "-i", "y", "-b", "0"),
                      ("run", "x.accx", "-i", "y", "-b", "many"), ("--nonsense", "validate"),
                      ("validate", "more"), ("--device",), ("region",), ("region", "show"),
                      ("region", "show", "-1"), ("region", "load"),
                      ("replay", "x", "--seed", "1")):
            with self.subTest(words):
                self.assert_refuses(accctl(*words), "accctl: ", code=2)

    def test_help_and_version(self):
        for words in (("--help",), ("--help-all",), ("run", "--help"), ("device", "show", "--help")):
            result = accctl(*words)
            self.assert_ok(result)
            self.assertIn("--", result.stdout)
        result = accctl("--version")
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"^accctl \d+\.\d+\.\d+\n$")

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            command = [harness.program("tools", "accctl", "accctl"), "--json", "device", "list"]
            result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_every_command_has_its_man_page(self):
        with open(os.path.join(harness.SOURCE, "docs", "man", "accctl.1"), encoding="utf-8") as file:
            text = file.read().replace("\\-", "-")
        for word in ("device list", "device show", "explore", "program show", "region list",
                     "region show", "region load", "region pin", "region evict", "region blank",
                     "replay", "--generate", "--seed", "--write", "--decisions", "--seconds", "--fpga",
                     "run", "validate", "--json",
                     "--device", "--input", "--output", "--batch", "--report"):
            self.assertIn(word, text)


if __name__ == "__main__":
    sys.exit(harness.main())
