# SPDX-License-Identifier: MIT
"""The part `daemon` of run.py: launches through accemud, many clients at once, and how soon
a sudden end is noticed (docs/benchmarks.md)."""

import json
import os
import signal
import statistics
import subprocess
import time

CLIENTS = 16
START_DELAY_NS = 300_000_000  # every client is ready well before the common start


class Service:
    """An accemud with one device on a socket of its own."""

    def __init__(self, build, folder, engine="null", name="bench.sock"):
        self.path = os.path.join(folder, name)
        self.uri = f"unix:{self.path}#0"
        self.process = subprocess.Popen(
            [
                os.path.join(build, "emulator", "accemud", "accemud"),
                "--engine", engine, "--socket", self.path, "--log", "error",
            ]
        )
        deadline = time.monotonic() + 30
        while not os.path.exists(self.path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("accemud did not start")
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Client:
    def __init__(self, build, uri, *mode):
        self.process = subprocess.Popen(
            [os.path.join(build, "benchmarks", "acc-bench-client"), uri, *mode],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def ready(self):
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError("a client did not get ready")

    def start(self, at_ns):
        self.process.stdin.write(f"{at_ns}\n")
        self.process.stdin.flush()

    def result(self):
        out, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise RuntimeError(f"a client failed: exit status {self.process.returncode}")
        return int(out.split()[-1])

    def kill(self):
        self.process.kill()
        self.process.communicate()


def packets_per_s(build, uri, count, seconds):
    """Rates of `count` clients over the same time."""
    clients = [Client(build, uri, "work", str(seconds)) for _ in range(count)]
    for client in clients:
        client.ready()
    at = time.monotonic_ns() + START_DELAY_NS
    for client in clients:
        client.start(at)
    return [client.result() / seconds for client in clients]


def release_ms(build, service, rounds):
    """From the death of a busy client to the moment when nothing of it is left."""
    times = []
    for _ in range(rounds):
        before = service.descriptors()
        client = Client(build, service.uri, "work", "60")
        client.ready()
        client.start(time.monotonic_ns())
        time.sleep(0.1)
        if service.descriptors() <= before:
            raise RuntimeError("a client that works holds no descriptors of the service")
        begin = time.monotonic_ns()
        client.kill()
        while service.descriptors() > before:
            time.sleep(0.0005)
            if time.monotonic_ns() - begin > 60_000_000_000:
                raise RuntimeError("the service did not free what a dead client held")
        times.append((time.monotonic_ns() - begin) / 1e6)
    return statistics.median(times)


def wakeup_ms(build, folder, rounds):
    """From the death of the service to the return of a client's wait."""
    times = []
    for _ in range(rounds):
        with Service(build, folder) as service:
            client = Client(build, service.uri, "sleep")
            client.ready()
            client.start(0)
            time.sleep(0.1)
            begin = time.monotonic_ns()
            service.process.send_signal(signal.SIGKILL)
            times.append((client.result() - begin) / 1e6)
        os.unlink(service.path)
    return statistics.median(times)


def measure(build, short, folder):
    out = os.path.join(folder, "service.json")
    seconds, rounds = (0.2, 1) if short else (5, 7)
    with Service(build, folder) as service:
        command = [os.path.join(build, "benchmarks", "acc-bench"), "--service", service.uri]
        subprocess.run(command + ["--out", out] + (["--short"] if short else []), check=True)
        with open(out, encoding="utf-8") as file:
            metrics = json.load(file)
        # One before and one after the crowd: the machine's own drift is in both.
        one = packets_per_s(build, service.uri, 1, seconds)
        crowd = packets_per_s(build, service.uri, CLIENTS, seconds)
        one += packets_per_s(build, service.uri, 1, seconds)
        metrics["client_kill_release_ms"] = release_ms(build, service, rounds)
    metrics["unix_packets_per_s_1c"] = statistics.mean(one)
    metrics[f"unix_packets_per_s_{CLIENTS}c"] = sum(crowd)
    metrics["unix_fair_min_over_mean"] = min(crowd) / statistics.mean(crowd)
    metrics["daemon_kill_wakeup_ms"] = wakeup_ms(build, folder, rounds)
    for name in sorted(metrics):
        print(f"{name:<34} {metrics[name]:14.6g}")
    return metrics
