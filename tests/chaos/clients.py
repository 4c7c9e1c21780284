# SPDX-License-Identifier: MIT
"""What chaos.py and soak.py share: clients to kill, and what can be seen of the daemon."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from daemon import Daemon, _die_with_parent

# A crossbar's unit is evicted for nobody but its owner, and has a second copy while it is busy
# elsewhere: slots for as many copies as there are workers, of each client.
ENGINES = ("null", "crossbar:slots=64,workers=4", "fpga")
# Nothing is ever this late on a machine that works, however loaded.
PATIENCE = 60
LOST = 3  # chaos-client's exit status when the device is gone

CONFIG = """
[default]
bytes = 0
buffers = {buffers}
queues = {queues}
programs = {queues}
pins = 0
clients = 0
"""


class Failed(Exception):
    """What the test has found."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def start_daemon(accemud, folder, quota):
    """A daemon of all engines, not started; its log says who comes and goes."""
    config = os.path.join(folder, "accemud.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(buffers=8 * quota, queues=quota))
    engines = [word for engine in ENGINES for word in ("--engine", engine)]
    return Daemon(accemud, "--config", config, *engines, "--log", "debug")


class Client:
    """A chaos-client. Its lines arrive in a queue, by a thread of its own."""

    def __init__(self, program, uri, mode, number, errors):
        self.uri, self.mode, self.number = uri, mode, number
        self.inode = None
        self.ready = False
        self.process = subprocess.Popen(
            [program, uri, mode, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True, preexec_fn=_die_with_parent,
            env={name: value for name, value in os.environ.items() if name[:4] != "ACC_"},
        )
        self.pid = self.process.pid
        self.lines = queue.Queue()
        self.end = None  # the line that it ended with
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __str__(self):
        return f"client {self.pid} ({self.mode}, seed {self.number}, {self.uri})"

    def _read(self):
        for line in self.process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                said = {"wrong": "expected JSON; found " + line}
            if "wrong" in said or "lost" in said:
                self.end = said
            self.lines.put(said)
        self.lines.put(None)

    def hear(self, key, patience=PATIENCE):
        """The next line with this key; what comes before it is dropped."""
        deadline = time.monotonic() + patience
        while True:
            try:
                said = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self} did not say '{key}' in {patience} s") from None
            if said is None or "wrong" in said or ("lost" in said and key != "lost"):
                self.process.wait(PATIENCE)
                raise Failed(f"{self} ended with {self.process.returncode}: {said or self.end}")
            if key in said:
                if "inode" in said:
                    self.inode, self.ready = said["inode"], True
                return said

    def tell(self, word):
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended; who listens to it hears why

    def ask(self, word, key):
        self.tell(word)
        return self.hear(key)

    def check(self):
        """It must live, and have found nothing wrong."""
        expect(self.end is None, f"{self}: {self.end}")
        status = self.process.poll()
        expect(status is None, f"{self} ended with {status} by itself")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    def reap(self):
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()
        return status

    def quit(self):
        """Ends it as a program ends."""
        self.tell("quit")
        status = self.reap()
        expect(status == 0, f"{self}: expected exit status 0; found {status}, {self.end}")


class Watch:
    """What /proc and its log say of a daemon."""

    def __init__(self, daemon):
        self.daemon = daemon
        self._log = open(daemon.log, encoding="utf-8", errors="replace")
        self._log.seek(0, os.SEEK_END)
        self._part = ""
        self.opened, self.gone = set(), set()

    @property
    def _proc(self):
        return f"/proc/{self.daemon.process.pid}"

    def _read(self, name):
        with open(f"{self._proc}/{name}", encoding="utf-8") as file:
            return file.read()

    def look(self):
        """Reads on in the log."""
        self._part += self._log.read()
        whole, newline, self._part = self._part.rpartition("\n")
        for match in re.finditer(r"process (\d+) \(.*\) (?:of user \d+ (opened) a device|has gone)",
                                 whole if newline else ""):
            (self.opened if match.group(2) else self.gone).add(int(match.group(1)))

    def maps(self, inode):
        """Whether memory with this inode is mapped."""
        return re.search(rf"(?m)^\S+ \S+ \S+ \S+ {inode} +/memfd:", self._read("maps")) is not None

    def fds(self):
        return len(os.listdir(f"{self._proc}/fd"))

    def figures(self):
        """Bytes and counts."""
        status = dict(re.findall(r"(?m)^(\w+):\s+(\d+)", self._read("status")))
        rollup = dict(re.findall(r"(?m)^(\w+):\s+(\d+) kB", self._read("smaps_rollup")))
        maps = self._read("maps").splitlines()
        return {
            "rss_kb": int(status["VmRSS"]), "anon_kb": int(status["RssAnon"]),
            "file_kb": int(status["RssFile"]), "shmem_kb": int(status["RssShmem"]),
            "pss_kb": int(rollup["Pss"]), "threads": int(status["Threads"]), "fds": self.fds(),
            "maps": len(maps), "memfd_maps": sum("/memfd:" in line for line in maps),
        }

    def cpu_ns(self):
        """Processor time of all its threads that are alive."""
        total = 0
        for task in os.listdir(f"{self._proc}/task"):
            try:
                total += int(self._read(f"task/{task}/schedstat").split()[0])
            except OSError:
                pass
        return total


def until(done, patience=PATIENCE, pause=0.002):
    """Asks again and again. Whether it became true in time."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def uri_of(daemon, index):
    return daemon.uri(index % len(ENGINES))


def start_probe(program, daemon, quota, errors):
    uris = ";".join(daemon.uri(i) for i in range(len(ENGINES)))
    probe = Client(program, uris, "probe", quota, errors)
    probe.hear("ready")
    # Its pages of status and doorbells count for the device, and for no client.
    probe.bytes_of_open = probe.ask("census", "devices")["devices"][0]["bytes"]
    return probe


def settled(clients, probe, daemon, patience=10):
    """Has all stand still, and compares what each says that it holds with what the devices say
    that all hold. To be followed by resume()."""
    for client in clients:
        client.tell("pause")
    held = {}
    for client in clients:
        mine = client.hear("paused")["bytes"] + probe.bytes_of_open
        held[client.uri] = held.get(client.uri, 0) + mine
    devices = []

    def differences():
        devices[:] = probe.ask("census", "devices")["devices"]
        return [f"device {index}: expected {mine} bytes, the sum of what its clients hold; "
                f"found {device['bytes']}"
                for index, device in enumerate(devices)
                if device["bytes"] != (mine := held.get(daemon.uri(index), 0) + probe.bytes_of_open)]

    # A queue's thread may be about to let go of what it has just finished with.
    until(lambda: not differences(), patience)
    expect(not differences(), "\n".join(differences()))
    for index, device in enumerate(devices):
        expect(device["pinned"] == 0, f"device {index}: {device['pinned']} slots are pinned")
    return devices


def resume(clients):
    for client in clients:
        client.tell("resume")
