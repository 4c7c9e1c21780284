#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""accemud: what it serves to accctl, the examples and the demo; how it starts, is refused,
is configured, activated, stopped and killed; who may connect."""

import errno
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import harness
from harness import accctl

sys.path.insert(0, os.path.join(harness.SOURCE, "tests"))
from daemon import Daemon, listens

ENGINES = ("crossbar", "fpga", "null")
ALL = tuple(word for engine in ENGINES for word in ("--engine", engine))
IMAGES = os.path.join(harness.DIGITS, "test_images.npy")
EXAMPLE = os.path.join(harness.SOURCE, "emulator", "accemud", "system", "accemud.toml")


def accemud_path():
    return harness.program("emulator", "accemud", "accemud")


def accemud(*arguments, **more):
    """Runs to the end: for what does not serve."""
    return harness.run(accemud_path(), *arguments, **more)


def daemon(*options, **more):
    return Daemon(accemud_path(), *(options or ("--engine", "null")), **more)


class Served(harness.Case):
    """One daemon with a device of each engine; nothing here knows how it is reached but by URI."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = daemon(*ALL).__enter__()
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.both = {"ACC_DEVICE": f"{cls.daemon.uri(0)};{cls.daemon.uri(1)}"}

    def test_device_list_of_what_was_named(self):
        named = [word for index in range(3) for word in ("--device", self.daemon.uri(index))]
        devices = self.json_of(accctl("--json", *named, "device", "list"))["devices"]
        self.assertEqual([device["engine"] for device in devices], list(ENGINES))
        self.assertEqual([device["uri"] for device in devices],
                         [self.daemon.uri(index) for index in range(3)])

    def test_device_list_of_the_environments(self):
        devices = self.json_of(accctl("--json", "device", "list", environment=self.both))["devices"]
        self.assertEqual([device["uri"] for device in devices[:2]],
                         [self.daemon.uri(0), self.daemon.uri(1)])

    def test_device_show(self):
        for index, engine in enumerate(ENGINES):
            with self.subTest(engine):
                device = self.json_of(
                    accctl("--json", "--device", self.daemon.uri(index), "device", "show")
                )
                self.assertEqual(device["engine"], engine)
                self.assertEqual(device["uri"], self.daemon.uri(index))
                self.assertTrue(device["slots"])
                self.assertTrue(device["clock"]["one_domain"], device["clock"])

    def test_validate(self):
        for index, engine in enumerate(ENGINES):
            with self.subTest(engine):
                report = self.json_of(accctl("--json", "-d", self.daemon.uri(index), "validate"))
                self.assertEqual(report["failed"], 0, report)
                self.assertEqual(report["skipped"], 0, report)
                self.assertGreater(report["passed"], 0)

    def test_run(self):
        program = harness.program("examples", "digits.accx")
        with tempfile.TemporaryDirectory() as folder:
            outputs = []
            for words, more in ((("-d", self.daemon.uri(0), "-d", self.daemon.uri(1)), {}),
                                ((), {"environment": self.both}),
                                (("-d", "inproc:crossbar", "-d", "inproc:fpga"), {})):
                outputs.append(os.path.join(folder, f"y{len(outputs)}.npy"))
                report = self.json_of(
                    accctl("-j", "run", program, "-i", IMAGES, "-o", outputs[-1], *words, **more)
                )
                self.assertEqual(report["samples"], 450)
                if more:
                    self.assertEqual([device["uri"] for device in report["devices"]],
                                     [self.daemon.uri(0), self.daemon.uri(1)])
            # The same bits as in process.
            self.assertEqual(len({open(path, "rb").read() for path in outputs}), 1)

    def test_program_for_an_engine_that_is_not_served(self):
        program = harness.program("examples", "digits.accx")
        result = accctl("-d", self.daemon.uri(1), "run", program, "-i", IMAGES)
        self.assert_refuses(result, "crossbar")

    def test_no_such_device(self):
        self.assert_refuses(accctl("-d", self.daemon.uri(3), "device", "show"),
                            "cannot open " + self.daemon.uri(3))

    def test_first_program(self):
        result = harness.run(harness.program("examples", "first"),
                             harness.program("examples", "digits.accx"), environment=self.both)
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"^This is a 3 \(\d+ %\)\.\n$")

    def test_gemm(self):
        result = harness.run(harness.program("examples", "gemm"),
                             harness.program("examples", "gemm.accx"), environment=self.both)
        self.assert_ok(result)
        self.assertIn(self.daemon.uri(0) + ": equal to the host's", result.stdout)

    def test_demo(self):
        script = os.path.join(harness.DIGITS, "demo.sh")
        result = harness.run("bash", script, harness.options.build, environment=self.both)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout.splitlines()[-1], r"^OK: \d+ of \d+ held-out digits")
        for index in (0, 1):
            line = rf"(?m)^{re.escape(self.daemon.uri(index))} +[1-9]\d* "
            self.assertRegex(result.stdout, line)


class Regions(harness.Case):
    """Processes that share an FPGA."""

    def client(self, uri, requests, *kernels, elements=4000):
        client = subprocess.Popen(
            [harness.program("benchmarks", "acc-bench-fpga-client"), uri, str(requests), "4",
             str(elements), "500", *kernels],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        return client

    def setUp(self):
        if not os.path.exists(harness.program("benchmarks", "acc-bench-fpga-client")):
            self.skipTest("the benchmarks are not built")


class Sharing(Regions):
    """Four processes of different kinds share two regions with more roles than that: the compiled
    network, two clients with roles of their own, and one with a design of Verilog."""

    def setUp(self):
        super().setUp()
        harness.needs_region_process()
        roles = harness.program("tests", "unit", "fpga")
        if not os.path.exists(os.path.join(roles, "roles.stamp")):
            self.skipTest("no designs in this build: there is no verilator")
        self.keys = os.path.join(roles, "keys")
        self.design = os.path.join(roles, "adder.accx") + ":adder"

    def share(self, policy):
        """Runs them; the loads that it took."""
        requests = 40
        fpga = (f"fpga:regions=2,preset=fast,setup_us=1000,pace=real,policy={policy},"
                f"keys={self.keys}")
        with daemon("--engine", "crossbar", "--engine", fpga) as served:
            environment = dict(os.environ, ACC_DEVICE=f"{served.uri(0)};{served.uri(1)}")
            clients = [
                self.client(served.uri(1), requests, "relu", "add", "mul"),
                self.client(served.uri(1), requests, "clip", "dequantize"),
                self.client(served.uri(1), requests, self.design),
            ]
            for client in clients:
                self.assertEqual(client.stdout.readline(), "ready\n")
            network = subprocess.Popen(
                [harness.program("tools", "accctl", "accctl"), "run",
                 harness.program("examples", "digits.accx"), "-i", IMAGES, "-b", "8",
                 "-o", os.path.join(served.folder, "y.npy")],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )
            for client in clients:
                client.stdin.write("0\n")
                client.stdin.flush()
            for client in clients:
                out, error = client.communicate(timeout=harness.TIMEOUT)
                self.assertEqual(client.returncode, 0, error)
                self.assertEqual(len(out.split()), requests)
            _, error = network.communicate(timeout=harness.TIMEOUT)
            self.assertEqual(network.returncode, 0, error)
            _, labels = harness.read_npy(os.path.join(harness.DIGITS, "test_labels.npy"))
            (count, classes), values = harness.read_npy(os.path.join(served.folder, "y.npy"))
            rows = (values[i * classes : (i + 1) * classes] for i in range(count))
            right = sum(row.index(max(row)) == label for row, label in zip(rows, labels))
            self.assertGreaterEqual(100 * right / count, 96)
            device = self.json_of(accctl("--json", "-d", served.uri(1), "device", "show"))
            self.assertEqual(device["counters"]["faults"], 0)
            loads = device["counters"]["loads"]
            self.assertEqual(loads, sum(slot["loads"] for slot in device["slots"]))
            region = self.json_of(accctl("--json", "-d", served.uri(1), "region", "show", "0"))
            self.assertTrue(region["decisions"])
            for decision in region["decisions"]:
                self.assertNotIn("unknown", (decision["what"], decision["why"]))
                self.assertNotEqual(decision["why"], "none")
            return loads

    def test_everybody_is_right_and_gets_on(self):
        loads = {policy: self.share(policy) for policy in ("adaptive", "fcfs", "lru")}
        self.assertGreater(loads["adaptive"], 5)
        # Who comes when depends on the machine; that reuse saves loads does not.
        self.assertLess(loads["adaptive"], loads["fcfs"], loads)


class Killed(Regions):
    """Clients that end without a word while they keep every region busy."""

    def regions(self, uri):
        listed = self.json_of(accctl("--json", "-d", uri, "region", "list"))["regions"]
        return {region["state"] for region in listed}

    def until(self, uri, states):
        deadline = time.monotonic() + harness.TIMEOUT
        while self.regions(uri) != states:
            self.assertLess(time.monotonic(), deadline, self.regions(uri))

    def test_every_region_is_free_again(self):
        # Four million elements are 5 ms of a region's time: there is always a dispatch.
        for isolation in ("native", "all"):
            fpga = f"fpga:regions=2,preset=fast,pace=real,isolation={isolation}"
            with self.subTest(isolation), daemon("--engine", fpga) as served:
                if isolation == "all":
                    harness.needs_region_process()
                clients = [self.client(served.uri(), 0, kernel, elements=4_000_000)
                           for kernel in ("relu", "clip")]
                for client in clients:
                    self.assertEqual(client.stdout.readline(), "ready\n")
                    client.stdin.write("0\n")
                    client.stdin.flush()
                self.until(served.uri(), {"busy"})
                for client in clients:
                    client.kill()
                self.until(served.uri(), {"empty"})
                after = self.client(served.uri(), 3, "relu", "clip")
                out, error = after.communicate("0\n", timeout=harness.TIMEOUT)
                self.assertEqual(after.returncode, 0, error)
                self.assertEqual(len(out.split()), 4)  # ready, and three responses


class Place(harness.Case):
    """Where the socket is when nobody says so, and that libacc looks there."""

    def test_users_runtime_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "acc"), 0o700)
            path = os.path.join(folder, "acc", "acc.sock")
            with daemon("--engine", "null", "--engine", "fpga", path=path):
                devices = self.json_of(
                    accctl("--json", "device", "list", environment={"XDG_RUNTIME_DIR": folder})
                )["devices"]
                engines = {device["uri"]: device.get("engine") for device in devices}
                self.assertEqual(engines.get(f"unix:{path}#0"), "null", devices)
                self.assertEqual(engines.get(f"unix:{path}#1"), "fpga", devices)

    def test_no_place(self):
        if os.geteuid() == 0:
            self.skipTest("root may always make /run/acc")
        result = accemud("--engine", "null", environment={"XDG_RUNTIME_DIR": "/nowhere"})
        self.assert_refuses(result, "/run/acc", "XDG_RUNTIME_DIR", "/nowhere/acc", "--socket")


class Life(harness.Case):
    def test_stops_on_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), daemon() as served:
                self.assertEqual(served.stop(number), 0, served.text())
                self.assertFalse(os.path.exists(served.path))
                self.assertIn(number.name + ": stopping", served.text())

    def test_stops_before_it_serves(self):
        """A signal at any time in its start ends it, and leaves no socket."""
        for _ in range(20):
            with daemon() as served:
                served.stop()
                served.launch()
                served.send(signal.SIGTERM)
                self.assertIn(served.wait(), (0, -signal.SIGTERM), served.text())
                self.assertFalse(listens(served.path))

    def test_serves_again_after_a_kill(self):
        with daemon() as served:
            for _ in range(3):
                served.send(signal.SIGKILL)
                self.assertEqual(served.wait(), -signal.SIGKILL)
                self.assertTrue(os.path.exists(served.path), "the socket is stale now")
                result = accctl("-d", served.uri(), "device", "show")
                self.assert_refuses(result, "cannot open " + served.uri())
                served.start()
                self.assert_ok(accctl("-d", served.uri(), "device", "show"))
            self.assertEqual(served.stop(), 0, served.text())

    def test_refuses_a_socket_that_is_served(self):
        with daemon() as first:
            second = accemud("--engine", "null", "--socket", first.path)
            self.assert_refuses(second, first.path)
            self.assert_ok(accctl("-d", first.uri(), "device", "show"))
            self.assertEqual(first.stop(), 0)

    def test_refuses_a_path_that_is_no_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "precious")
            with open(path, "w", encoding="utf-8") as file:
                file.write("data")
            self.assert_refuses(accemud("--engine", "null", "--socket", path), path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "data")

    def test_refuses_a_folder_that_is_not_there(self):
        result = accemud("--engine", "null", "--socket", "/nowhere/acc.sock")
        self.assert_refuses(result, "/nowhere/acc.sock", "No such file or directory")

    def test_mode_and_group(self):
        with daemon("--engine", "null", "--mode", "0600") as served:
            self.assertEqual(os.stat(served.path).st_mode & 0o777, 0o600)
        with daemon("--engine", "null", "--group", str(os.getegid())) as served:
            self.assertEqual(os.stat(served.path).st_mode & 0o777, 0o660)
            self.assertEqual(os.stat(served.path).st_gid, os.getegid())


class Notify(harness.Case):
    """What the service manager hears."""

    def test_ready_watchdog_stopping(self):
        with tempfile.TemporaryDirectory() as folder:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                path = os.path.join(folder, "notify")
                manager.bind(path)
                manager.settimeout(60)
                with daemon(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}) as served:
                    heard = {message.split("=")[0]: message for message in self.hear(manager, "READY")}
                    if not heard:
                        self.skipTest("accemud was built without libsystemd")
                    self.assertEqual(heard["READY"], "READY=1")
                    self.assertIn(served.path, heard["STATUS"])
                    for _ in range(3):
                        self.assertIn("WATCHDOG=1", self.hear(manager, "WATCHDOG"))
                    self.assertEqual(served.stop(), 0, served.text())
                    self.assertIn("STOPPING=1", self.hear(manager, "STOPPING"))

    def hear(self, manager, word):
        """The lines of the next message with this word; none if there is none in time."""
        while True:
            try:
                lines = manager.recv(4096).decode().splitlines()
            except TimeoutError:
                return []
            if any(line.startswith(word + "=") for line in lines):
                return lines


class Usage(harness.Case):
    def test_wrong_words(self):
        for words, part in (((), "--config FILE or --engine SPEC"),
                            (("--nonsense",), "--nonsense"),
                            (("more", "--engine", "null"), "more"),
                            (("--engine",), "--engine"),
                            (("--engine", "null", "--mode", "660"), "0660; found '660'"),
                            (("--engine", "null", "--group", "no such"), "--group: expected a group"),
                            (("--engine", "null", "--privileged-group", ""), "--privileged-group: "),
                            (("--engine", "null", "--log", "loud"), "--log: expected trace"),
                            (("--engine", "null", "--socket", "x" * 200), "1 to 107 bytes"),
                            (("--engine", "tensor", "--socket", "/nowhere/x"), "found 'tensor'"),
                            (("--engine", "null:slots=0", "--socket", "/nowhere/x"), "option slots"),
                            (("--engine", "null", "--state-dir", "/nowhere"),
                             "state-dir: expected a device whose engine keeps its programs"),
                            (("--config", "/nowhere.toml"), "/nowhere.toml: No such file")):
            with self.subTest(words):
                self.assert_refuses(accemud(*words), "accemud: ", part, code=2)

    def test_help_and_version(self):
        self.assert_ok(accemud("--help"))
        result = accemud("--version")
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"^accemud \d+\.\d+\.\d+\n$")

    def test_every_option_and_key_has_its_place_in_a_man_page(self):
        for page, words in (
            ("accemud.8", re.findall(r"--[a-z-]+", accemud("--help").stdout)),
            ("accemud.toml.5", ("socket", "mode", "group", "privileged-group", "state-dir", "log",
                                "drain", "device", "engine", "options", "default", "user", "bytes",
                                "buffers", "queues", "programs", "pins", "clients", "weight")),
        ):
            path = os.path.join(harness.SOURCE, "docs", "man", page)
            with open(path, encoding="utf-8") as file:
                text = file.read().replace("\\-", "-")
            self.assertEqual([word for word in words if word not in text], [], page)


class CheckConfig(harness.Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "accemud.toml")

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def test_the_installed_example(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            text = file.read()
        # The group that sysusers makes is not on every machine.
        self.write(text.replace('group = "acc"', 'group = "0"', 1))
        result = accemud("--config", self.path, "--check-config")
        self.assert_ok(result)
        for line in (r"^socket +.*mode 0660, group root$", r"^device 0 +crossbar$",
                     r"^device 1 +fpga$", r"^default +weight 100, 4 GiB, "):
            self.assertRegex(result.stdout, "(?m)" + line)
        # So are its proposals, each by itself.
        for line in re.findall(r"(?m)^#(\S.*)$", text):
            self.assertRegex(line, r"^[a-z-]+ = |^\[")

    def test_options_win(self):
        self.write('mode = "0600"\nlog = "warn"\n[[device]]\nengine = "fpga"\n')
        result = accemud("--config", self.path, "--check-config", "--mode", "0666", "--engine",
                         "null:slots=2", "--socket", "x.sock", "--privileged-group", "0")
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"(?m)^socket +x\.sock, mode 0666$")
        self.assertRegex(result.stdout, r"(?m)^device 0 +null:slots=2$")
        self.assertRegex(result.stdout, r"(?m)^privileged +root, group root$")
        self.assertRegex(result.stdout, r"(?m)^log +warn")
        self.assertNotIn("fpga", result.stdout)

    def test_problems(self):
        self.write('mode = 660\n[[device]]\nengine = "null"\n[default]\nring = 1\n')
        result = accemud("--config", self.path, "--check-config")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 2, result.stderr)
        self.assertTrue(lines[0].startswith(f"accemud: {self.path}:1:8: mode: expected "), lines)
        self.assertTrue(lines[1].startswith(f"accemud: {self.path}:5:1: default: expected "), lines)
        # The same is wrong usage for who wants to serve.
        self.assertEqual(accemud("--config", self.path).returncode, 2)

    def test_devices_that_cannot_be(self):
        self.write('[[device]]\nengine = "fpga"\n[[device]]\nengine = "null"\noptions.slots = 0\n')
        where = f"{self.path}:3:1: device[1]: option slots: expected a number"
        self.assert_refuses(accemud("--config", self.path, "--check-config"), where)
        served = accemud("--config", self.path, "--log", "error",
                         "--socket", os.path.join(self.folder.name, "s"))
        self.assert_refuses(served, where, code=2)

    def test_no_device(self):
        self.write("")
        self.assert_refuses(accemud("--config", self.path, "--check-config"), "at least one [[device]]")

    def test_serves_what_the_file_says(self):
        self.write('[[device]]\nengine = "null"\noptions = { slots = 3 }\n[default]\nqueues = 5\n')
        with daemon("--config", self.path) as served:
            device = self.json_of(accctl("-j", "-d", served.uri(), "device", "show"))
            self.assertEqual(len(device["slots"]), 3)

    def test_quotas_are_of_users(self):
        device = '[[device]]\nengine = "null"\n'
        own = f"[user.{os.geteuid()}]\nbytes = "
        for quotas, enough in (("[default]\nbytes = 4096\n", False),
                               ("[default]\nbytes = 4096\n" + own + '"1 GiB"\n', True),
                               (own + "4096\n", False)):
            with self.subTest(quotas):
                self.write(device + quotas)
                with daemon("--config", self.path) as served:
                    result = accctl("-d", served.uri(), "validate")
                    self.assertEqual(result.returncode, 0 if enough else 1, result.stdout)
                    if not enough:
                        self.assertIn(os.strerror(errno.EDQUOT), result.stdout + result.stderr)

    def test_state_dir(self):
        self.write(f'state-dir = "{self.folder.name}/state"\n'
                   '[[device]]\nengine = "fpga"\n[[device]]\nengine = "crossbar"\n')
        with daemon("--config", self.path) as served:
            # Connections wait from before the devices are there.
            self.assert_ok(accctl("-d", served.uri(1), "device", "show"))
            self.assertEqual(os.listdir(os.path.join(self.folder.name, "state")), ["1"])
            # One at a time has it; a trial does not want it.
            other = os.path.join(self.folder.name, "s")
            second = accemud("--config", self.path, "--socket", other, "--log", "error")
            self.assert_refuses(second, os.path.join(self.folder.name, "state", "1"))
            self.assert_ok(accemud("--config", self.path, "--check-config"))
            self.assertEqual(served.stop(), 0, served.text())
            served.start()
            self.assert_ok(accctl("-d", served.uri(1), "device", "show"))


class Activation(harness.Case):
    """The socket comes from somebody else."""

    def serve(self, *command):
        """A daemon that `command` starts on the socket of self.path, which it makes."""
        served = daemon(path=self.path)
        served.command = [*command, accemud_path(), "--engine", "null"]
        return served

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "acc.sock")

    def built_with_systemd(self):
        libraries = subprocess.run(["ldd", accemud_path()], capture_output=True, text=True, check=True)
        if "libsystemd" not in libraries.stdout:
            self.skipTest("accemud was built without libsystemd")

    def test_systemd_socket_activate(self):
        self.built_with_systemd()
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("there is no systemd-socket-activate here")
        with self.serve("systemd-socket-activate", "--seqpacket", f"--listen={self.path}") as served:
            self.assert_ok(accctl("-d", served.uri(), "device", "show"))
            self.assertEqual(served.stop(), 0, served.text())

    def passing(self, kind="SOCK_SEQPACKET", count=1):
        """A command that runs another with `count` such sockets, as socket activation does."""
        script = (
            "import os, socket, sys\n"
            f"listener = socket.socket(socket.AF_UNIX, socket.{kind})\n"
            f"listener.bind({self.path!r})\n"
            "listener.listen()\n"
            # The lowest descriptor is its place already.
            f"[os.dup2(listener.fileno(), 3 + i) for i in range({count})]\n"
            "os.set_inheritable(3, True)\n"
            f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{count}')\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        return [sys.executable, "-c", script]

    def test_passed_descriptor(self):
        self.built_with_systemd()
        with self.serve(*self.passing()) as served:
            self.assert_ok(accctl("-d", served.uri(), "device", "show"))
            self.assertEqual(served.stop(), 0, served.text())
            # It is the manager's: who starts the service again listens at the same place.
            self.assertTrue(os.path.exists(self.path))

    def test_refuses_other_descriptors(self):
        self.built_with_systemd()
        for passing, part in ((self.passing("SOCK_STREAM"), "SOCK_SEQPACKET"),
                              (self.passing(count=2), "expected one socket of socket activation; found 2")):
            with self.subTest(part):
                self.assert_refuses(harness.run(*passing, accemud_path(), "--engine", "null"), part)
                os.unlink(self.path)


class Permission(harness.Case):
    """Another user, who is not in the socket's group."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can be another user")
        if not shutil.which("setpriv"):
            self.skipTest("there is no setpriv here")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o755)
        # The build folder may be out of the other's reach.
        self.accctl = shutil.copy(harness.program("tools", "accctl", "accctl"), self.folder.name)
        library = os.path.realpath(harness.program("libacc", "libacc.so.0"))
        shutil.copy(library, os.path.join(self.folder.name, "libacc.so.0"))

    def as_nobody(self, *words, groups=()):
        nobody = pwd.getpwnam("nobody")
        become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
        become += ["--groups=" + ",".join(groups)] if groups else ["--clear-groups"]
        return harness.run(*become, self.accctl, *words,
                           environment={"LD_LIBRARY_PATH": self.folder.name})

    def test_refused_without_the_group(self):
        with daemon("--engine", "null", "--group", "games") as served:
            result = self.as_nobody("-d", served.uri(), "device", "show")
            self.assert_refuses(result, "Permission denied", "group", "games")
            self.assert_ok(self.as_nobody("-d", served.uri(), "device", "show", groups=("games",)))

    def test_everybody(self):
        with daemon("--engine", "crossbar", "--mode", "0666") as served:
            self.assert_ok(self.as_nobody("-d", served.uri(), "device", "show"))
            # Everybody's cells would age.
            self.assert_ok(self.as_nobody("-d", served.uri(), "tile", "stats"))
            self.assert_refuses(self.as_nobody("-d", served.uri(), "tile", "age", "1d"), "expected privilege")


if __name__ == "__main__":
    sys.exit(harness.main())
