#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills clients of an accemud, then the accemud itself, at any moment: nobody else is disturbed,
everything is freed, nobody waits for ever. Prints what it measured; times fail only far beyond
what is wanted of them (1 s), since the machine may have other things to do.

The last line is JSON, metric -> number."""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time

from clients import (ENGINES, LOST, Client, Failed, Watch, expect, resume, settled, start_daemon,
                     start_probe, until, uri_of)

WAITS = ("sleep", "spin", "space", "callback", "any", "descriptor", "fault")
WANTED_MS = 1000
KINDS = 6  # of clients: the number's remainder decides (client.cc)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0


class Chaos:
    def __init__(self, options, daemon, errors):
        self.options, self.daemon, self.errors = options, daemon, errors
        self.random = random.Random(options.seed)
        self.clients = []
        self.watch = None
        self.probe = None
        self.number = options.seed * 100000 * KINDS
        self.release_ms, self.wakeup_ms, self.restart_ms = [], [], []

    def client(self, mode="work", place=0):
        """`place` decides device and threads: who comes after a victim is like it."""
        self.number += KINDS
        number = self.number + place % KINDS
        return Client(self.options.client, uri_of(self.daemon, place), mode, number, self.errors)

    def check(self):
        status = self.daemon.process.poll()
        expect(status is None, f"accemud ended with {status}:\n{self.daemon.text()[-4000:]}")
        for client in self.clients:
            client.check()

    # ----------------------------------------------------------------- clients

    def kill_clients(self):
        self.begin()
        self.clients = [self.client(place=place) for place in range(self.options.clients)]
        level = self.level()
        for count in range(self.options.kills):
            self.kill_one()
            self.check()
            if (count + 1) % self.options.audit == 0:
                self.compare(level, self.level(), f"after {count + 1} kills")
        self.compare(level, self.level(), "after the last kill")
        self.nothing_left()

    def begin(self):
        self.daemon.start()
        self.watch = Watch(self.daemon)
        self.probe = start_probe(self.options.client, self.daemon, self.options.quota, self.errors)
        self.empty = self.watch.figures()

    def kill_one(self):
        place = self.random.randrange(len(self.clients))
        victim = self.clients[place]
        # One in eight dies while it starts.
        if not victim.ready and self.random.random() > 0.125:
            victim.hear("ready")
        if victim.ready and self.random.random() < 0.2:
            victim.ask("hang", "hanging")
        time.sleep(self.random.random() * self.options.pause)
        self.check()
        known = victim.ready
        if known:
            expect(self.watch.maps(victim.inode), f"{victim}: its buffer is not mapped in accemud")
        began = time.monotonic()
        victim.kill()
        self.await_release(victim, known, began)
        victim.reap()
        self.clients[place] = self.client(place=place)

    def await_release(self, victim, known, began):
        def released():
            self.watch.look()
            if victim.pid in self.watch.gone:
                return not known or not self.watch.maps(victim.inode)
            # It may have died before it was there.
            never = not known and victim.pid not in self.watch.opened
            return never and time.monotonic() > began + 0.1

        ok = until(released, self.options.limit)
        expect(ok, f"{victim}: what it held is not freed {self.options.limit} s after its death")
        if known:
            self.release_ms.append((time.monotonic() - began) * 1000)

    # What the daemon has with all clients standing still.
    def level(self):
        for client in self.clients:
            if not client.ready:
                client.hear("ready")
        settled(self.clients, self.probe, self.daemon)
        figures = self.watch.figures()
        resume(self.clients)
        return figures

    def compare(self, before, after, when):
        for what in ("fds", "memfd_maps"):
            expect(after[what] == before[what],
                   f"{when}: expected {before[what]} {what}, as at first; found {after[what]}")

    # With nobody there but the probe.
    def nothing_left(self):
        for client in self.clients:
            client.quit()
        self.clients = []
        for index, device in enumerate(self.probe.ask("census", "devices")["devices"]):
            expect(device["bytes"] == self.probe.bytes_of_open,
                   f"device {index}: expected no bytes of clients; found {device['bytes']}")
            expect(device["busy"] == 0, f"device {index}: {device['busy']} slots are still busy")
        expect(until(lambda: self.watch.fds() <= self.empty["fds"], self.options.limit),
               f"expected {self.empty['fds']} descriptors; found {self.watch.fds()}")
        self.compare(self.empty, self.watch.figures(), "with no client")
        quota = self.options.quota
        wanted = {"buffers": 8 * quota, "queues": quota, "programs": quota}
        found = self.probe.ask("whole", "buffers")
        expect(found == wanted, f"expected the user's whole quota to be free, {wanted}; found {found}")

    # -------------------------------------------------------------- the daemon

    def kill_daemon(self):
        working = self.options.clients - len(WAITS)
        for _ in range(self.options.daemon_kills):
            modes = list(WAITS) + ["work"] * max(working, 3)
            self.clients = [self.client(mode, place) for place, mode in enumerate(modes)]
            for client in self.clients:
                client.hear("ready")
            # They are asleep, or in the middle of something.
            time.sleep(0.1 + self.random.random() * self.options.pause)
            self.check()
            began = time.monotonic_ns()
            self.daemon.send(signal.SIGKILL)
            self.daemon.wait()
            for client in self.clients:
                lost = client.hear("lost", self.options.limit)
                self.wakeup_ms.append(max(0, lost["woke_ns"] - began) / 1e6)
            for client in self.clients:
                status = client.reap()
                expect(status == LOST, f"{client}: expected exit status {LOST}; found {status}")
            self.clients = []
            expect(os.path.exists(self.daemon.path), "the socket of a killed accemud has gone")
            began = time.monotonic()
            self.daemon.start()
            self.restart_ms.append((time.monotonic() - began) * 1000)

    # --------------------------------------------------------------- idleness

    def idle(self):
        self.watch = Watch(self.daemon)
        before = self.watch.figures()
        self.clients = [self.client("idle", place) for place in range(self.options.idle)]
        held = sum(client.hear("paused")["bytes"] for client in self.clients)
        after = self.watch.figures()
        more = {name: after[name] - before[name] for name in before}
        beyond = more["anon_kb"] + more["file_kb"] + max(0, more["shmem_kb"] - held / 1024)
        # What it did for their start may still be under way.
        time.sleep(0.3)
        began, cpu = time.monotonic(), self.watch.cpu_ns()
        time.sleep(self.options.idle_seconds)
        percent = (self.watch.cpu_ns() - cpu) / (time.monotonic() - began) / 1e7
        for client in self.clients:
            client.quit()
        self.clients = []
        return {"unix_idle_client_kb": round(beyond / self.options.idle, 1),
                "unix_idle_cpu_percent": round(percent, 3)}

    def stop(self):
        status = self.daemon.stop()
        expect(status == 0, f"accemud: expected exit status 0 of SIGTERM; found {status}:\n"
                            f"{self.daemon.text()[-4000:]}")
        expect(not os.path.exists(self.daemon.path), "accemud left its socket")

    def run(self):
        figures = {}
        self.kill_clients()
        self.probe.process.stdin.close()
        expect(self.probe.process.wait(30) == 0, "the probe failed")
        say("clients killed", self.release_ms, "freed after")
        if self.options.idle:
            figures = self.idle()
            print(f"{self.options.idle} idle clients: {figures['unix_idle_client_kb']} KB each beyond "
                  f"their buffers, {figures['unix_idle_cpu_percent']} % of a processor", flush=True)
        self.kill_daemon()
        say("waiters of a killed accemud", self.wakeup_ms, "awake after")
        say("restarts on a stale socket", self.restart_ms, "serving after")
        self.stop()
        return {"client_kill_release_ms": round(percentile(self.release_ms, 0.5), 2),
                "client_kill_release_max_ms": round(max(self.release_ms), 2),
                "daemon_kill_wakeup_ms": round(percentile(self.wakeup_ms, 0.5), 2),
                "daemon_kill_wakeup_max_ms": round(max(self.wakeup_ms), 2)} | figures


def say(what, values, how):
    late = sum(value > WANTED_MS for value in values)
    print(f"{len(values)} {what}: {how} p50 {percentile(values, 0.5):.1f} ms, "
          f"p99 {percentile(values, 0.99):.1f} ms, max {max(values):.1f} ms; "
          f"{late} later than {WANTED_MS} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("accemud")
    parser.add_argument("client")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--daemon-kills", type=int, default=20)
    parser.add_argument("--audit", type=int, default=25, help="compare levels after so many kills")
    parser.add_argument("--pause", type=float, default=0.05, help="at most, between kills, s")
    parser.add_argument("--limit", type=float, default=10, help="of a release or a wake-up, s")
    parser.add_argument("--quota", type=int, default=448, help="queues and programs of the user")
    parser.add_argument("--idle", type=int, default=50, help="idle clients to measure")
    parser.add_argument("--idle-seconds", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000)
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    print(f"seed {options.seed}: {options.clients} clients, {options.kills} kills, "
          f"{options.daemon_kills} of accemud, engines {' '.join(ENGINES)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        errors = open(os.path.join(folder, "errors"), "w+", encoding="utf-8")
        daemon = start_daemon(options.accemud, folder, options.quota)
        chaos = Chaos(options, daemon, errors)
        # So that it cleans up.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            figures = chaos.run()
        except Failed as failure:
            print(f"FAILED: {failure}")
            errors.seek(0)
            print("".join(errors.readlines()[-20:]), end="")
            print("accemud said at last:\n" + daemon.text()[-2000:], end="")
            return 1
        finally:
            for client in chaos.clients:
                client.kill()
            daemon.__exit__()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
