# SPDX-License-Identifier: MIT
"""A virtual machine with emulated cards in it, told what to do line by line: accemud --pci,
stock QEMU under TCG, and an agent in the guest that runs shell commands from a serial line."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BOOT_SECONDS = 600
# What the kernel says when something is wrong with it, or with us in it.
TROUBLE = re.compile(
    r"BUG:|WARNING:|Oops|Kernel panic|general protection|Unable to handle|unable to handle"
    r"|blocked for more than|soft lockup|hard LOCKUP|rcu.*stall|refcount_t:|list_(add|del) corruption"
    r"|DMA-API:|KASAN|UBSAN|possible circular|possible recursive|inconsistent lock|suspicious RCU"
    r"|kmemleak: [1-9]|scheduling while atomic|sleeping function called|Call Trace"
)
AGENT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ LD_LIBRARY_PATH=/lib GTEST_COLOR=no
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /tmp
mount -t tmpfs tmp /tmp
mount -t tmpfs shm /dev/shm
mount -t debugfs debug /sys/kernel/debug
ip link set lo up 2>/dev/null
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo "@@ready $(cat /proc/uptime)" >&3
while IFS= read -r line <&3; do
    # A command of its own, so that what it does to the shell is gone with it.
    ( eval "$line" ) >&3 2>&1 </dev/null
    echo "@@done $?" >&3
done
poweroff -f
"""


class Gone(Exception):
    """The machine ended, or says no word for longer than it may."""


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Cards:
    """accemud, serving one card for each spec in a folder that is its own."""

    def __init__(self, program, specs):
        self.folder = tempfile.mkdtemp(prefix="acc-lab-")
        self.specs = specs
        self.log = os.path.join(self.folder, "accemud.log")
        engines = [word for spec in specs for word in ("--engine", spec)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, "--pci", self.folder, *engines, "--log", "info"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path("msi")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("accemud does not serve:\n" + self.text())
            time.sleep(0.02)

    def path(self, name):
        return os.path.join(self.folder, f"{name}.sock")

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def plug(self, index):
        """A descriptor of a card, for QEMU."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(self.path(str(index)))
        return connection

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Machine:
    """Use it with `with`: boots, and is gone at the end."""

    def __init__(self, accemud, specs, image, initrd, memory_mb=1024, arguments=""):
        self.accemud, self.specs = accemud, specs
        self.image, self.initrd = image, initrd
        self.memory_mb, self.arguments = memory_mb, arguments
        self.cards = self.qemu = self.agent = None
        self.buffer = b""
        self.console_seen = 0
        self.blocked_seen = False
        self.boot_seconds = 0.0

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()
        if self.agent:
            self.agent.close()
        if self.cards:
            self.cards.close()

    def boot(self):
        self.cards = Cards(self.accemud, self.specs)
        self.console = os.path.join(self.cards.folder, "console.log")
        plugs = [self.cards.plug(i) for i in range(len(self.specs))]
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.cards.path("agent"))
        listener.listen(1)
        memory = f"{self.memory_mb}M"
        command = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
            # One processor: while one waits for a card, QEMU blocks what another stores there
            # (its guard against re-entrance): doorbells and acknowledgements would vanish.
            "-smp", "1", "-m", memory, "-nodefaults", "-no-reboot", "-display", "none",
            # Cards reach memory that is shared with their process.
            "-object", f"memory-backend-memfd,id=ram,size={memory},share=on",
            "-machine", "memory-backend=ram",
            "-qtest", f"unix:{self.cards.path('msi')}", "-qtest-log", "none",
            "-serial", f"file:{self.console}",
            "-chardev", f"socket,id=agent,path={self.cards.path('agent')}",
            "-serial", "chardev:agent",
            "-kernel", self.image, "-initrd", self.initrd,
            # A machine that others load may not run this one for a minute: no fault of the kernel,
            # which calls two minutes a lockup and five a stall here, and counts no ticks at first.
            "-append", "console=ttyS0 loglevel=5 panic=-1 oops=panic watchdog_thresh=60"
            " no_timer_check rcupdate.rcu_cpu_stall_timeout=300 " + self.arguments,
        ]
        for plug in plugs:
            command += ["-device", f"x-pci-proxy-dev,fd={plug.fileno()}"]
        started = time.monotonic()
        with open(os.path.join(self.cards.folder, "qemu.log"), "wb") as log:
            self.qemu = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[plug.fileno() for plug in plugs], preexec_fn=die_with_parent)
        for plug in plugs:
            plug.close()
        listener.settimeout(30)
        try:
            self.agent, _ = listener.accept()
        except OSError as error:
            raise Gone("QEMU did not start:\n" + self.qemu_text()) from error
        finally:
            listener.close()
        self._until(rb"@@ready [^\n]*\n", BOOT_SECONDS)
        self.boot_seconds = time.monotonic() - started

    def qemu_text(self):
        with open(os.path.join(self.cards.folder, "qemu.log"), encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def blocked(self):
        """QEMU's word, once, that it has swallowed an access to a card."""
        found = re.search(r"[^\n]*Blocked re-entrant IO[^\n]*", self.qemu_text())
        if not found or self.blocked_seen:
            return ""
        self.blocked_seen = True
        return found.group(0)

    def console_text(self):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def trouble(self):
        """New lines of the console that tell of a kernel in trouble, with what is around them."""
        text = self.console_text()
        news, self.console_seen = text[self.console_seen:], len(text)
        lines = news.splitlines()
        hits = [i for i, line in enumerate(lines) if TROUBLE.search(line)]
        return "\n".join(lines[max(0, hits[0] - 3): hits[0] + 40]) if hits else ""

    def _receive(self, seconds):
        """Some of what the agent says, into the buffer and a file beside the console's."""
        self.agent.settimeout(seconds)
        try:
            data = self.agent.recv(65536)
        except socket.timeout:
            return
        if not data:
            raise Gone("the machine ended; the console ends with\n"
                       + self.console_text()[-3000:] + self.qemu_text()[-2000:])
        self.buffer += data
        with open(os.path.join(self.cards.folder, "agent.log"), "ab") as log:
            log.write(data)

    def _until(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.buffer)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise Gone(f"no answer in {seconds} s; it said {self.buffer[-2000:]!r}, and the "
                           "console ends with\n" + self.console_text()[-3000:])
            self._receive(left)
        before = self.buffer[:found.start()]
        self.buffer = self.buffer[found.end():]
        return before, found

    def run(self, command, seconds=60):
        """A line for the guest's shell; (exit status, what it wrote)."""
        self.send(command)
        return self.result(seconds)

    def send(self, command):
        self.agent.sendall(command.encode() + b"\n")

    def result(self, seconds=60):
        output, found = self._until(rb"@@done (\d+)\n", seconds)
        return int(found.group(1)), output.decode(errors="replace")

    def wait_text(self, pattern, seconds=60):
        """Until what the running command writes has this in it. Stays in the result."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern.encode(), self.buffer):
            if time.monotonic() > deadline:
                raise Gone(f"the guest did not say {pattern}; it said {self.buffer[-2000:]!r}")
            self._receive(1)
