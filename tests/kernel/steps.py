# SPDX-License-Identifier: MIT
"""What is done in the lab's virtual machine, step by step, and what each step counts as."""

import collections
import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

Case = collections.namedtuple("Case", "name outcome text")
_GTEST = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\S+?)(?:, where .*?)? \(\d+ ms\)$", re.M)
_KTAP = re.compile(r"^\[[ \d.]+\] {5}\s*(?P<not>not )?ok \d+ (?:- )?(?P<name>[^#\n]+?)(?P<rest> *#.*)?$",
                   re.M)
OUTCOMES = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


def gtest_cases(label, status, output):
    """A case for each of a GoogleTest program's; one more if it failed besides."""
    cases, end = [], 0
    for match in _GTEST.finditer(output):
        text = output[end:match.start()].strip()
        end = match.end()
        outcome = OUTCOMES[match.group(1)]
        cases.append(Case(f"{label}: {match.group(2)}", outcome, text if outcome != "passed" else ""))
    if not cases or (status and not any(case.outcome == "failed" for case in cases)):
        cases.append(Case(label, "failed", f"exit status {status}; it ends with\n{output[-2000:]}"))
    return cases


def said_cases(label, status, output):
    """A case for each line "pass WHAT" or "fail WHAT: WHY"."""
    cases = []
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "pass":
            cases.append(Case(f"{label}: {rest}", "passed", ""))
        elif word == "fail":
            what, _, why = rest.partition(": ")
            cases.append(Case(f"{label}: {what}", "failed", why))
    if not cases or (status and not any(case.outcome == "failed" for case in cases)):
        cases.append(Case(label, "failed", f"exit status {status}; it ends with\n{output[-2000:]}"))
    return cases


def check(label, good, text=""):
    return Case(label, "passed" if good else "failed", text)


def command(machine, label, line, seconds=60):
    """A command that must succeed."""
    status, output = machine.run(line, seconds)
    return check(label, status == 0, f"exit status {status}: {output.strip()[-2000:]}")


def engine_of(spec):
    return spec.partition(":")[0]


def node_of(machine, engine):
    return f"/dev/accel/accel{[engine_of(spec) for spec in machine.specs].index(engine)}"


# ------------------------------------------------------------------------------------ steps

def load(lab, machine):
    """Loads the modules; each card gets a node."""
    cases = []
    for name in lab.module_names:
        cases.append(command(machine, f"insmod {name}", f"insmod /modules/{name}"))
    for index, spec in enumerate(machine.specs):
        cases.append(command(machine, f"a node for the {engine_of(spec)}",
                             f"test -c /dev/accel/accel{index}"))
    return [case for case in cases if case.outcome == "failed"] or cases[-len(machine.specs) - 1:]


def ktap_cases(label, log):
    """A case for each nested result of KTAP in the kernel's log: those of suites are sums."""
    cases = []
    for match in _KTAP.finditer(log):
        skipped = "# SKIP" in (match.group("rest") or "")
        outcome = "failed" if match.group("not") else "skipped" if skipped else "passed"
        text = log[max(0, match.start() - 2000):match.start()] if outcome == "failed" else ""
        cases.append(Case(f"{label}: {match.group('name')}", outcome, text))
    if not cases:
        cases.append(Case(label, "failed", f"no results in the log, which ends with\n{log[-2000:]}"))
    return cases


def kunit(_, machine):
    """The driver's KUnit suites on the stock kernel."""
    status, log = machine.run("dmesg -c >/dev/null; insmod /modules/kunit.ko enable=1 && "
                              "insmod /modules/acc_kunit.ko; s=$?; dmesg; exit $s", 300)
    cases = ktap_cases("kunit", log)
    cases.append(check("kunit: loads", status == 0, log[-2000:]))
    cases.append(command(machine, "kunit: unloads", "rmmod acc_kunit && rmmod kunit"))
    return cases


def conformance(index, arguments=""):
    def step(_, machine):
        node = f"/dev/accel/accel{index}"
        status, output = machine.run(f"acc-conformance --device={node} {arguments}", 1500)
        return gtest_cases(f"conformance {node} ({engine_of(machine.specs[index])})", status, output)
    step.__name__ = f"conformance of accel{index}"
    return step


def kernel_tests(first, second, arguments=""):
    def step(_, machine):
        devices = f"--device=/dev/accel/accel{first} --device=/dev/accel/accel{second}"
        status, output = machine.run(f"acc-kernel-test {devices} {arguments}", 600)
        return gtest_cases(f"clients of accel{first}", status, output)
    step.__name__ = f"clients of accel{first}"
    return step


def fuzz(seconds):
    def step(_, machine):
        """Random calls and mappings; what counts besides is the kernel's log."""
        status, output = machine.run(f"{victims(machine)} --fuzz={seconds}", seconds + 600)
        return said_cases("random calls", status, output)
    step.__name__ = "fuzz"
    return step


INJECTORS = ("failslab", "fail_page_alloc", "fail_usercopy")


def fail_nth(_, machine):
    """A fault in each allocation and each copy of each call (guest/fail_nth.cc)."""
    settings = ["ignore-gfp-wait N", "ignore-gfp-highmem N", "min-order 0", "verbose 0"]
    line = "; ".join(
        f"[ ! -e /sys/kernel/debug/{place}/{name} ] || echo {value} >/sys/kernel/debug/{place}/{name}"
        for place in INJECTORS for name, value in map(str.split, settings))
    cases = [command(machine, "fault injection is there", f"{line}; ls /sys/kernel/debug/failslab")]
    status, output = machine.run(f"{victims(machine)} --fail-nth", 3600)
    return cases + said_cases("a fault in", status, output)


def leaks(_, machine):
    """What kmemleak has found since it was last asked. It reports nothing younger than 5 s."""
    status, output = machine.run(
        "cd /sys/kernel/debug; sleep 6; echo scan >kmemleak; sleep 6; echo scan >kmemleak;"
        " cat kmemleak; echo clear >kmemleak", 900)
    return [check("kmemleak finds nothing", status == 0 and not output.strip(), output[-4000:])]


def digits(lab, machine):
    """The example on both engines: every probability as in process, bit for bit."""
    status, output = machine.run(
        "digits /digits/digits.accx /digits --check --raw /tmp/raw"
        f" --device {node_of(machine, 'crossbar')} --device {node_of(machine, 'fpga')}"
        " && sha256sum /tmp/raw", 600)
    cases = [check("digits: runs", status == 0, output[-2000:])]
    found = re.search(r"^([0-9a-f]{64})", output, re.M)
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "raw")
        subprocess.run(
            [lab.program("examples/digits"), lab.path("examples/digits.accx"),
             os.path.join(lab.source, "examples/digits"), "--raw", raw,
             "--device", "inproc:crossbar", "--device", "inproc:fpga"],
            check=True, stdout=subprocess.DEVNULL)
        with open(raw, "rb") as file:
            here = hashlib.sha256(file.read()).hexdigest()
    there = found.group(1) if found else "none"
    cases.append(check("digits: the same bits as in process", here == there, f"{here} and {there}"))
    return cases


def tools(_, machine):
    """accctl sees the nodes as it sees emulated devices."""
    status, output = machine.run("accctl device list", 60)
    cases = [check("accctl lists", status == 0, output)]
    for index, spec in enumerate(machine.specs):
        node = f"/dev/accel/accel{index}"
        cases.append(check(f"accctl lists {node}",
                           re.search(rf"^{node} +{engine_of(spec)} ", output, re.M), output))
        cases.append(command(machine, f"accctl validates {node}", f"accctl -d {node} validate", 300))
    return cases


def packaging(lab, _):
    """What the module says of itself, without a machine."""
    def field(name):
        return subprocess.run(["modinfo", "-F", name, lab.modules[-1]], check=True, text=True,
                              capture_output=True).stdout.strip()
    with open(os.path.join(lab.source, "kernel_driver", "dkms.conf"), encoding="utf-8") as file:
        dkms = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', file.read(), re.M))
    with open(os.path.join(lab.source, "docs", "driver.md"), encoding="utf-8") as file:
        documented = set(re.findall(r"^\| `(\w+)` \| \S", file.read(), re.M))
    parameters = dict(line.split(":", 1) for line in field("parm").splitlines())
    cases = [check(f"modinfo: {name}", re.search(pattern, field(name)), field(name)) for name, pattern in (
        ("license", "^GPL$"), ("description", "accelerators"), ("author", "."),
        ("alias", "pci:v00001AF4d000010F5"), ("import_ns", "DMA_BUF"))]
    cases.append(check("modinfo and dkms.conf: version",
                       field("version") == dkms.get("PACKAGE_VERSION"), str(dkms)))
    for name, text in parameters.items():
        cases.append(check(f"parameter {name} is described", name in documented and
                           "(default" in text, f"{name}: {text}"))
    return cases


def dkms(lab, _):
    """DKMS builds the module out of a folder as docs/driver.md describes it."""
    with open(os.path.join(lab.source, "kernel_driver", "dkms.conf"), encoding="utf-8") as file:
        version = re.search(r'^PACKAGE_VERSION="(.*)"', file.read(), re.M).group(1)
    release = lab.kernel.release
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, "src", f"acc-{version}")
        for name in ("kernel_driver", "include"):
            shutil.copytree(os.path.join(lab.source, name), os.path.join(tree, name))
        os.rename(os.path.join(tree, "kernel_driver", "dkms.conf"), os.path.join(tree, "dkms.conf"))
        for name in ("tree", "installed"):  # its package makes them where it is installed
            os.mkdir(os.path.join(folder, name))
        done = subprocess.run(
            ["bash", os.path.join(lab.tool("dkms"), "usr", "sbin", "dkms"), "build", "-m", "acc",
             "-v", version, "-k", release, "--arch", "x86_64", "--kernelsourcedir", lab.kernel.build,
             "--dkmstree", os.path.join(folder, "tree"), "--sourcetree", os.path.join(folder, "src"),
             "--installtree", os.path.join(folder, "installed")],
            capture_output=True, text=True, check=False)
        module = os.path.join(folder, "tree", "acc", version, release, "x86_64", "module", "acc.ko")
        magic = subprocess.run(["modinfo", "-F", "vermagic", module], capture_output=True, text=True,
                               check=False).stdout
        return [check("dkms build", done.returncode == 0, done.stdout + done.stderr),
                check("dkms: a module for this kernel", magic.startswith(release + " "), magic)]


def udev(_, machine):
    """udev itself, with our rule, gives the nodes to their group."""
    cases = [command(machine, "udev: the rule is taken",
                     "chmod 600 /dev/accel/*; systemd-udevd --daemon && "
                     "udevadm trigger --action=add --subsystem-match=accel --settle", 120)]
    for index in range(len(machine.specs)):
        _, output = machine.run(f"stat -c '%a %G' /dev/accel/accel{index}")
        cases.append(check(f"udev: accel{index} is its group's", output.strip() == "660 render", output))
    cases.append(command(machine, "udev ends", "udevadm control --exit"))
    return cases


def victims(machine):
    devices = " ".join(f"--device=/dev/accel/accel{i}" for i in range(len(machine.specs)))
    return f"acc-kernel-test {devices}"


def bus_addresses(machine):
    """Where the cards are, in the order of their nodes."""
    _, output = machine.run(
        "for i in 0 1 2; do readlink -f /sys/class/accel/accel$i/device 2>/dev/null; done")
    return [os.path.basename(line) for line in output.split()]


def rmmod_refused(_, machine):
    """Unloading with a node open is refused, by the kernel."""
    status, output = machine.run("exec 9</dev/accel/accel0; rmmod acc")
    return [check("rmmod with an open node is refused", status != 0, output)]


def unload(_, machine):
    """After whatever was: the module goes, comes back, and works."""
    return [
        command(machine, "rmmod", "rmmod acc"),
        command(machine, "insmod again", "insmod /modules/acc.ko"),
        command(machine, "works again", "acc-conformance --device=/dev/accel/accel0 "
                "--gtest_filter='UapiQuery.*:QueuePackets.*' >/tmp/log 2>&1 || tail -40 /tmp/log",
                300),
    ]


def removal(_, machine):
    """Unbinds the driver with open files, rebinds, and looks whether all works."""
    cases = []
    places = bus_addresses(machine)
    cases.append(check("cards are found in sysfs", len(places) == len(machine.specs), str(places)))
    undo = " ".join(places)
    line = (f"({victims(machine)} --victim={errno.ENODEV} >/tmp/victim 2>&1; echo $? >/tmp/status) &"
            " n=0; until grep -q ready /tmp/victim || [ $n -gt 600 ]; do sleep 0.1; n=$((n+1)); done;"
            f" for d in {undo}; do echo $d > /sys/bus/pci/drivers/acc/unbind || exit 9; done;"
            " wait; cat /tmp/victim; exit $(cat /tmp/status)")
    status, output = machine.run(line, 300)
    cases += said_cases("unbind with open files", status, output)
    cases.append(command(machine, "no node is left", "! ls /dev/accel/accel* 2>/dev/null"))
    cases.append(command(machine, "bind again",
                         f"for d in {undo}; do echo $d > /sys/bus/pci/drivers/acc/bind; done;"
                         " sleep 1; ls /dev/accel/accel0"))
    return cases


def device_reset(_, machine):
    """The driver resets the devices while everything is at work: EIO, and all goes on."""
    line = (f"({victims(machine)} --victim={errno.EIO} >/tmp/victim 2>&1; echo $? >/tmp/status) &"
            " n=0; until grep -q ready /tmp/victim || [ $n -gt 600 ]; do sleep 0.1; n=$((n+1)); done;"
            " for r in /sys/kernel/debug/accel/*/reset; do echo 0 > $r || exit 9; done;"
            " wait; cat /tmp/victim; exit $(cat /tmp/status)")
    status, output = machine.run(line, 300)
    return said_cases("reset under load", status, output)


def stuck(_, machine):
    """A device that answers nothing more is found out by its heartbeat, and reset."""
    line = (f"({victims(machine)} --victim={errno.EIO} >/tmp/victim 2>&1; echo $? >/tmp/status) &"
            " n=0; until grep -q ready /tmp/victim || [ $n -gt 600 ]; do sleep 0.1; n=$((n+1)); done;"
            " for r in /sys/kernel/debug/accel/*/inject; do (echo 7 1 0 > $r) 2>/dev/null & done;"
            " wait; cat /tmp/victim; exit $(cat /tmp/status)")
    status, output = machine.run(line, 300)
    return said_cases("a stuck device", status, output)


def emulator_killed(_, machine):
    """The cards vanish mid-work: every waiter ENODEV, files close, the module unloads."""
    machine.send(f"{victims(machine)} --victim={errno.ENODEV}")
    machine.wait_text(r"ready\n", 180)
    machine.cards.kill()
    status, output = machine.result(300)
    cases = said_cases("emulator killed", status, output)
    cases.append(command(machine, "emulator killed: the module unloads", "rmmod acc", 120))
    cases.append(command(machine, "emulator killed: the machine goes on", "uname -a"))
    return cases

