# SPDX-License-Identifier: MIT
"""What is done in the lab's virtual machine, step by step, and what each step counts as."""

import collections
import errno
import hashlib
import os
import re
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


def digits(lab, machine):
    """The example on both engines: every probability as in process, bit for bit."""
    status, output = machine.run(
        "digits /digits/digits.accx /digits --check --raw /tmp/raw"
        " --device /dev/accel/accel0 --device /dev/accel/accel1 && sha256sum /tmp/raw", 600)
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


def victims(machine):
    devices = " ".join(f"--device=/dev/accel/accel{i}" for i in range(len(machine.specs)))
    return f"acc-kernel-test {devices}"


def bus_addresses(machine):
    """Where the cards are, in the order of their nodes."""
    _, output = machine.run(
        "for i in 0 1 2; do readlink -f /sys/class/accel/accel$i/device 2>/dev/null; done")
    return [os.path.basename(line) for line in output.split()]


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
            " for r in /sys/kernel/debug/accel/*/reset; do echo 1 > $r || exit 9; done;"
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

