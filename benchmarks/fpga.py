# SPDX-License-Identifier: MIT
"""The part `fpga` of run.py: launches and loads of roles, policies on recorded and on live
sharing, and how soon the regions of a killed client are free (docs/benchmarks.md)."""

import json
import math
import os
import statistics
import subprocess
import time

import roles
from daemon import START_DELAY_NS, Service

# Four clients, six roles, two regions: (requests, batch, elements, gap in us, kernels). A load
# takes 5 ms here, a dispatch of 40,000 elements 0.05 ms.
CLIENTS = (
    (60, 4, 40_000, 500, ("relu", "add", "mul")),
    (150, 6, 40_000, 1000, ("clip",)),
    (150, 6, 40_000, 1500, ("quantize",)),
    (120, 6, 40_000, 2500, ("dequantize",)),
)
REGIONS = "regions=2,preset=fast,setup_us=5000"


class RegionService(Service):
    """An accemud with one FPGA."""

    def __init__(self, build, folder, name, options):
        super().__init__(build, folder, f"fpga:{options}", f"{name}.sock")


class Client:
    def __init__(self, build, uri, requests, batch, elements, gap_us, kernels):
        self.requests = requests
        self.process = subprocess.Popen(
            [
                os.path.join(build, "benchmarks", "acc-bench-fpga-client"), uri, str(requests),
                str(batch), str(elements), str(gap_us), *kernels,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def ready(self):
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError("a client of the FPGA did not get ready")

    def start(self, at_ns):
        self.process.stdin.write(f"{at_ns}\n")
        self.process.stdin.flush()

    def responses(self):
        out, _ = self.process.communicate()
        found = [int(line) for line in out.split()]
        if self.process.returncode != 0 or len(found) != self.requests:
            raise RuntimeError(
                f"expected {self.requests} responses; found {len(found)}, "
                f"exit status {self.process.returncode}"
            )
        return found

    def kill(self):
        self.process.kill()
        self.process.communicate()


def accctl(build, *arguments):
    result = subprocess.run(
        [os.path.join(build, "tools", "accctl", "accctl"), "--json", *arguments],
        stdout=subprocess.PIPE, text=True, check=True,
    )
    return json.loads(result.stdout)


def p95(values):
    """Nearest rank."""
    return sorted(values)[max(0, math.ceil(0.95 * len(values)) - 1)]


def share(build, folder, policy, divisor=1):
    """(p95 of the responses in ms, loads, makespan in s) with four clients on two regions."""
    options = f"{REGIONS},pace=real,policy={policy}"
    with RegionService(build, folder, f"share-{policy}", options) as service:
        clients = [
            Client(build, service.uri, max(1, requests // divisor), *rest)
            for requests, *rest in CLIENTS
        ]
        for client in clients:
            client.ready()
        at = time.monotonic_ns() + START_DELAY_NS
        for client in clients:
            client.start(at)
        responses = [ns for client in clients for ns in client.responses()]
        seconds = (time.monotonic_ns() - at) / 1e9
        loads = accctl(build, "--device", service.uri, "device", "show")["counters"]["loads"]
    return p95(responses) / 1e6, loads, seconds


def kill_release_ms(build, folder, rounds):
    """From SIGKILL of a client that keeps every region busy until all are empty."""
    times = []
    # 4 million elements are 5 ms of a region's time: it is always in a dispatch.
    with RegionService(build, folder, "kill", "regions=2,preset=fast,pace=real") as service:
        # What a service opens once, it has open then, and that client's are closed.
        accctl(build, "--device", service.uri, "region", "list")
        time.sleep(0.2)
        before = service.descriptors()
        for _ in range(rounds):
            clients = [
                Client(build, service.uri, 0, 32, 4_000_000, 0, (kernel,))
                for kernel in ("relu", "clip")
            ]
            for client in clients:
                client.ready()
            for client in clients:
                client.start(time.monotonic_ns())
            busy = 0
            deadline = time.monotonic() + 30
            while busy < 2:
                regions = accctl(build, "--device", service.uri, "region", "list")["regions"]
                busy = sum(region["state"] == "busy" for region in regions)
                if time.monotonic() > deadline:
                    raise RuntimeError("the regions did not get busy")
            begin = time.monotonic_ns()
            for client in clients:
                client.process.kill()
            while service.descriptors() > before:
                time.sleep(0.0005)
                if time.monotonic_ns() - begin > 60_000_000_000:
                    raise RuntimeError("the regions of killed clients are not freed")
            times.append((time.monotonic_ns() - begin) / 1e6)
            regions = accctl(build, "--device", service.uri, "region", "list")["regions"]
            if any(region["state"] != "empty" for region in regions):
                raise RuntimeError(f"expected empty regions; found {regions}")
            for client in clients:
                client.kill()
    return statistics.median(times)


def measure(build, short, folder):
    metrics = roles.measure(build, short, folder)
    out = os.path.join(folder, "fpga.json")
    command = [os.path.join(build, "benchmarks", "acc-bench"), "--fpga", "--out", out]
    subprocess.run(command + (["--short"] if short else []), check=True)
    with open(out, encoding="utf-8") as file:
        metrics.update(json.load(file))
    mine = {}
    for which, prefix in (("seconds", "replay"), ("millis", "replay_millis")):
        lines = {
            line["name"]: line for line in accctl(build, "replay", "--generate", which)["policies"]
        }
        mine[f"{prefix}_fcfs_mean_s"] = lines["fcfs"]["mean_s"]
        mine[f"{prefix}_fcfs_p95_s"] = lines["fcfs"]["p95_s"]
        mine[f"{prefix}_mean_ratio_vs_fcfs"] = lines["adaptive"]["mean_ratio"]
        mine[f"{prefix}_p95_ratio_vs_fcfs"] = lines["adaptive"]["p95_ratio"]
        mine[f"{prefix}_mean_ratio_bound"] = lines["lower-bound"]["mean_ratio"]
        mine[f"{prefix}_loads"] = lines["adaptive"]["loads"]
    for policy in ("adaptive", "fcfs", "lru"):
        rounds = [share(build, folder, policy, 10 if short else 1) for _ in range(1 if short else 3)]
        mine[f"share_p95_ms_{policy}"] = statistics.median(r[0] for r in rounds)
        mine[f"share_loads_{policy}"] = statistics.median(r[1] for r in rounds)
        mine[f"share_seconds_{policy}"] = statistics.median(r[2] for r in rounds)
    mine["kill_release_ms"] = kill_release_ms(build, folder, 1 if short else 7)
    for name in sorted(mine):
        print(f"{name:<34} {mine[name]:14.6g}")
    metrics.update(mine)
    return metrics
