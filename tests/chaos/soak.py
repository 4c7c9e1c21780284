#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A steady mixed load of eight clients on an accemud, with others coming, leaving and dying, for
a long time. A sample, a line of JSON in --out, every --every seconds while all stand still; at
the end, or when SIGTERM or SIGINT ends it early, the verdict: memory that does not grow, as many
descriptors and mappings of as many clients as at first, not one wrong result."""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time

from clients import (Client, Failed, Watch, expect, resume, settled, start_daemon, start_probe,
                     until, uri_of)

KINDS = 6  # of clients: the number's remainder decides (client.cc)
CHURN_SECONDS = 1.0
# What a fit of the last three quarters may grow in all: the allocator's unrest, 2 % and 1 MB.
GROWTH_PART, GROWTH_KB = 0.02, 1024
SHORT_SECONDS = 300  # a run below is too short to judge growth by


class Soak:
    def __init__(self, options, daemon, errors):
        self.options, self.daemon, self.errors = options, daemon, errors
        self.random = random.Random(options.seed)
        self.number = options.seed * 100000 * KINDS
        self.clients, self.guests = [], []
        self.samples = []
        self.connects = self.kills = 0
        self.stop = False

    def client(self, place, mode="work"):
        self.number += KINDS
        self.connects += 1
        return Client(self.options.client, uri_of(self.daemon, place), mode,
                      self.number + place % KINDS, self.errors)

    def check(self):
        status = self.daemon.process.poll()
        expect(status is None, f"accemud ended with {status}:\n{self.daemon.text()[-4000:]}")
        for client in self.clients + self.guests:
            client.check()

    # One who comes, and leaves or dies at some time; now and then one of the eight is replaced.
    def churn(self):
        self.check()
        if len(self.guests) < 3 and self.random.random() < 0.6:
            mode = self.random.choice(("work", "idle", "sleep", "space", "callback"))
            self.guests.append(self.client(self.random.randrange(KINDS), mode))
        elif self.guests:
            self.end(self.guests.pop(self.random.randrange(len(self.guests))))
        if self.random.random() < 0.05:
            place = self.random.randrange(len(self.clients))
            self.end(self.clients[place])
            self.clients[place] = self.client(place)

    def end(self, client):
        if self.random.random() < 0.5:
            self.kills += 1
            client.kill()
            client.reap()
            return
        if not client.ready and client.mode != "idle":
            client.hear("ready")
        client.quit()

    def sample(self, seconds):
        for guest in self.guests:
            self.end(guest)
        self.guests = []
        for client in self.clients:
            if not client.ready:
                client.hear("ready")
        devices = settled(self.clients, self.probe, self.daemon)
        # What a guest held is freed before its descriptors are closed.
        if self.samples:
            until(lambda: self.watch.fds() <= self.samples[0]["fds"], 5)
        figures = self.watch.figures()
        resume(self.clients)
        figures = {"s": round(seconds, 1), **figures, "clients": len(self.clients),
                   "connects": self.connects, "kills": self.kills, "devices": devices}
        self.samples.append(figures)
        self.out.write(json.dumps(figures) + "\n")
        self.out.flush()

    def run(self):
        self.daemon.start()
        self.watch = Watch(self.daemon)
        self.probe = start_probe(self.options.client, self.daemon, 448, self.errors)
        self.clients = [self.client(place) for place in range(self.options.clients)]
        for client in self.clients:
            client.hear("ready")
        began = time.monotonic()
        due = 0
        with open(self.options.out, "w", encoding="utf-8") as self.out:
            while not self.stop and (now := time.monotonic() - began) < self.options.seconds:
                if now >= due:
                    self.sample(now)
                    due = now + self.options.every
                self.churn()
                time.sleep(min(CHURN_SECONDS, self.options.every / 4) * self.random.random() * 2)
            self.sample(time.monotonic() - began)
        for client in self.clients:
            client.quit()
        self.clients = []
        status = self.daemon.stop()
        expect(status == 0, f"accemud: expected exit status 0 of SIGTERM; found {status}")
        return self.verdict()

    def verdict(self):
        first, last = self.samples[0], self.samples[-1]
        late = self.samples[len(self.samples) // 4 :]
        figures = {"soak_seconds": round(last["s"]), "soak_samples": len(self.samples),
                   "soak_connects": self.connects, "soak_kills": self.kills,
                   "soak_packets": sum(device["packets"] for device in last["devices"])}
        print(f"{figures['soak_seconds']} s, {len(self.samples)} samples, {self.connects} connects, "
              f"{self.kills} kills, {figures['soak_packets']} packets, no wrong result")
        problems = []
        for what in ("fds", "memfd_maps"):
            values = sorted({sample[what] for sample in self.samples})
            print(f"{what}: {values[0]} to {values[-1]} of {last['clients']} clients")
            figures[f"soak_{what}_spread"] = values[-1] - values[0]
            if len(values) > 1:
                problems.append(f"expected as many {what} of as many clients; found {values}")
        for what in ("rss_kb", "anon_kb", "pss_kb", "threads"):
            values = [sample[what] for sample in late]
            growth = fitted_growth([sample["s"] for sample in late], values)
            bound = GROWTH_PART * sorted(values)[len(values) // 2]
            bound += 4 if what == "threads" else GROWTH_KB
            print(f"{what}: {first[what]} at first, then {min(values)} to {max(values)}, fitted "
                  f"growth {growth:+.0f} in {late[-1]['s'] - late[0]['s']:.0f} s, bound {bound:.0f}")
            figures[f"soak_{what}_growth"] = round(growth, 1)
            if growth > bound and last["s"] >= SHORT_SECONDS:
                problems.append(f"{what} grows by {growth:.0f}; expected at most {bound:.0f}")
        expect(not problems, "; ".join(problems))
        return figures


def fitted_growth(times, values):
    """What the line of least squares gains from the first time to the last."""
    mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
    square = sum((t - mean_t) ** 2 for t in times)
    product = sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values))
    return product / square * (times[-1] - times[0]) if square else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("accemud")
    parser.add_argument("client")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--every", type=float, default=10, help="seconds from sample to sample")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000)
    parser.add_argument("--out", help="the samples' file (default: none is kept)")
    options = parser.parse_args()
    options.out = options.out or os.devnull
    print(f"seed {options.seed}: {options.clients} clients for {options.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        errors = open(os.path.join(folder, "errors"), "w+", encoding="utf-8")
        daemon = start_daemon(options.accemud, folder, 448)
        soak = Soak(options, daemon, errors)

        def stop(*_):
            soak.stop = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        try:
            figures = soak.run()
        except Failed as failure:
            print(f"FAILED: {failure}")
            errors.seek(0)
            print("".join(errors.readlines()[-20:]), end="")
            print("accemud said at last:\n" + daemon.text()[-2000:], end="")
            return 1
        finally:
            for client in soak.clients + soak.guests:
                client.kill()
            daemon.__exit__()
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
